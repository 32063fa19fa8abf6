/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Starts every target of a folder by every entry point in every context, or every
 * EVERYth of these, and prints a line for each: what the caller got, and what the
 * target says that it got (target.c). Whoever compares two runs sees what makes a
 * difference.
 *
 *   matrix FOLDER EVERY [TARGET...] */

#include "tests/programs/driver.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

#define REPORT 9
#define STACK 8192
#define BAD ((char *)1)

extern char **environ;

struct target {
	const char *name;
	const char *path; /* beneath the folder, or absolute */
	char **argv;
	char **envp;
};

static char *plain_argv[] = { "name", "two words", "", NULL };
static char *no_argv[] = { NULL };
static char *bad_argv[] = { "name", BAD, NULL };
static char *bad_envp[] = { "A=b", BAD, NULL };
static char **many_argv;
static char **long_argv;
static char **envp;
static char too_long[5000];
static unsigned long every;

#define NORMAL plain_argv, (char **)&envp

/* Where envp is &envp it stands for envp. */
static struct target targets[] = {
	{ "dynamic", "dynamic", NORMAL },
	{ "static", "static", NORMAL },
	{ "musl", "musl", NORMAL },
	{ "musl-static", "musl-static", NORMAL },
	{ "script", "script", NORMAL },
	{ "script-by-interpreter", "script-by-interpreter", NORMAL },
	{ "env-script", "env-script", NORMAL },
	{ "setuid", "setuid", NORMAL },
	{ "setuid-static", "setuid-static", NORMAL },
	{ "setcap", "setcap", NORMAL },
	{ "symlink", "symlink", NORMAL },
	{ "applet", "applet", NORMAL },
	{ "relative", "./folder/../static", NORMAL },
	{ "through-symlink", "folder-symlink/static", NORMAL },
	{ "descriptor", "/proc/self/fd/20", NORMAL },
	{ "dev-fd", "/dev/fd/20", NORMAL },
	{ "cloexec-descriptor", "/proc/self/fd/21", NORMAL },
	{ "memfd", "/proc/self/fd/22", NORMAL },
	{ "in-descriptor", "/proc/self/fd/24/static", NORMAL },
	{ "in-dev-fd", "/dev/fd/24/musl-static", NORMAL },
	{ "not-executable", "not-executable", NORMAL },
	{ "unreadable", "unreadable", NORMAL },
	{ "folder", "folder", NORMAL },
	{ "dangling", "dangling", NORMAL },
	{ "missing", "missing", NORMAL },
	{ "no-folder", "missing/static", NORMAL },
	{ "under-file", "static/static", NORMAL },
	{ "loop", "loop", NORMAL },
	{ "no-interpreter", "no-interpreter", NORMAL },
	{ "no-loader", "no-loader", NORMAL },
	{ "empty", "empty", NORMAL },
	{ "no-shebang", "no-shebang", NORMAL },
	{ "truncated", "truncated", NORMAL },
	{ "busy", "busy", NORMAL },
	{ "too-long", too_long, NORMAL },
	{ "no-path", "", NORMAL },
	{ "bad-path", BAD, NORMAL },
	{ "null-path", NULL, NORMAL },
	{ "bad-argv", "static", (char **)BAD, (char **)&envp },
	{ "bad-argument", "static", bad_argv, (char **)&envp },
	{ "bad-envp", "static", plain_argv, (char **)BAD },
	{ "bad-variable", "static", plain_argv, bad_envp },
	{ "null-argv", "static", NULL, (char **)&envp },
	{ "null-envp", "static", plain_argv, NULL },
	{ "empty-argv", "static", no_argv, (char **)&envp },
	{ "empty-envp", "static", plain_argv, no_argv },
	{ "many-arguments", "static", NULL, (char **)&envp },
	{ "long-argument", "static", NULL, (char **)&envp },
};

/* One cell, on its way. */
struct cell {
	const struct target *target;
	const char *path;
	const char *name; /* for a search on PATH */
	char **argv;
	char **envp;
	int (*call)(const struct cell *cell);
	int error; /* of a call that came back, where memory is shared */
};

/* --- calls: each returns where it failed, with errno */

static char *argument(const struct cell *c, int index)
{
	for (int i = 0; i < index; i++)
		if (!c->argv || !c->argv[i])
			return NULL;
	return c->argv ? c->argv[index] : NULL;
}

static int by_execve(const struct cell *c)
{
	return execve(c->path, c->argv, c->envp);
}

static int by_execv(const struct cell *c)
{
	return execv(c->path, c->argv);
}

static int by_execvp(const struct cell *c)
{
	return execvp(c->name, c->argv);
}

static int by_execvpe(const struct cell *c)
{
	return execvpe(c->name, c->argv, c->envp);
}

static int by_execl(const struct cell *c)
{
	return execl(c->path, argument(c, 0), argument(c, 1), argument(c, 2), NULL);
}

static int by_execlp(const struct cell *c)
{
	return execlp(c->name, argument(c, 0), argument(c, 1), argument(c, 2), NULL);
}

static int by_execle(const struct cell *c)
{
	return execle(c->path, argument(c, 0), argument(c, 1), argument(c, 2), NULL, c->envp);
}

static int by_execveat(const struct cell *c)
{
	return execveat(AT_FDCWD, c->path, c->argv, c->envp, 0);
}

static int by_execveat_in(const struct cell *c)
{
	return execveat(23, c->target->path, c->argv, c->envp, AT_SYMLINK_NOFOLLOW);
}

static int by_execveat_empty(const struct cell *c)
{
	return execveat(open(c->path, O_PATH), "", c->argv, c->envp, AT_EMPTY_PATH);
}

static int by_fexecve(const struct cell *c)
{
	return fexecve(open(c->path, O_RDONLY | O_CLOEXEC), c->argv, c->envp);
}

static int by_syscall(const struct cell *c)
{
	return (int)syscall(SYS_execve, c->path, c->argv, c->envp);
}

static const struct call {
	const char *name;
	int (*function)(const struct cell *cell);
} calls[] = {
	{ "execve", by_execve },
	{ "execv", by_execv },
	{ "execvp", by_execvp },
	{ "execvpe", by_execvpe },
	{ "execl", by_execl },
	{ "execlp", by_execlp },
	{ "execle", by_execle },
	{ "execveat", by_execveat },
	{ "execveat-in", by_execveat_in },
	{ "execveat-empty", by_execveat_empty },
	{ "fexecve", by_fexecve },
	{ "syscall", by_syscall },
};

/* --- contexts: each returns a wait status, or -1 with errno where the call failed
 * in the process itself */

static int status_of(pid_t pid)
{
	int status;

	if (pid < 0)
		return -1;
	return waitpid(pid, &status, 0) == pid ? status : -1;
}

static int in_process(struct cell *c)
{
	return c->call(c);
}

/* What a child does not inherit. */
static void be_odd_child(void)
{
	prctl(PR_SET_PDEATHSIG, SIGWINCH);
}

static int in_vfork(struct cell *c)
{
	pid_t pid = vfork();

	if (!pid) {
		be_odd_child();
		c->call(c);
		c->error = errno;
		_exit(1);
	}
	return status_of(pid);
}

static int child(void *cell)
{
	struct cell *c = cell;

	be_odd_child();
	c->call(c);
	c->error = errno;
	return errno;
}

static int in_clone_with(struct cell *c, int flags)
{
	static char *stack;

	if (!stack)
		stack = small_stack(STACK);
	return status_of(clone(child, stack + STACK, flags | SIGCHLD, c));
}

static int in_clone(struct cell *c)
{
	return in_clone_with(c, 0);
}

static int in_clone_vm(struct cell *c)
{
	return in_clone_with(c, CLONE_VM | CLONE_VFORK);
}

static struct cell *handled;

static void handler(int signal)
{
	(void)signal;
	handled->call(handled);
	handled->error = errno;
}

static int in_handler(struct cell *c)
{
	handled = c;
	call_in_handler(handler);
	errno = c->error;
	return -1;
}

static void *thread(void *cell)
{
	struct cell *c = cell;

	c->call(c);
	c->error = errno;
	return NULL;
}

static int in_thread(struct cell *c)
{
	pthread_t t;

	pthread_create(&t, NULL, thread, c);
	pthread_join(t, NULL);
	errno = c->error;
	return -1;
}

static int by_spawner(const struct cell *c, const char *path,
		      int (*spawn)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
				   char *const[], char *const[]))
{
	pid_t pid = -77;

	errno = spawn(&pid, path, NULL, NULL, c->argv, c->envp);
	if (errno && pid != -77)
		errno = EOVERFLOW; /* written, though it failed */
	return errno ? -1 : status_of(pid);
}

static int with_posix_spawn(struct cell *c)
{
	return by_spawner(c, c->path, posix_spawn);
}

static int with_posix_spawnp(struct cell *c)
{
	return by_spawner(c, c->name, posix_spawnp);
}

static const char *command_line(const struct cell *c)
{
	static char line[8192];

	snprintf(line, sizeof(line), "exec '%s' 'two words' ''", c->path);
	return line;
}

static int with_system(struct cell *c)
{
	return system(command_line(c));
}

static int with_popen(struct cell *c)
{
	FILE *pipe = popen(command_line(c), "r");

	return pipe ? pclose(pipe) : -1;
}

static const struct context {
	const char *name;
	int (*function)(struct cell *cell);
	bool alone; /* it makes the call itself */
} contexts[] = {
	{ "process", in_process, false },
	{ "vfork", in_vfork, false },
	{ "clone", in_clone, false },
	{ "clone-vm", in_clone_vm, false },
	{ "handler", in_handler, false },
	{ "thread", in_thread, false },
	{ "posix_spawn", with_posix_spawn, true },
	{ "posix_spawnp", with_posix_spawnp, true },
	{ "system", with_system, true },
	{ "popen", with_popen, true },
};

/* --- the subject of one cell */

static void limit(int resource, rlim_t value)
{
	struct rlimit r;

	getrlimit(resource, &r);
	r.rlim_cur = value;
	setrlimit(resource, &r);
}

static void be_odd(void)
{
	struct itimerval timer = { { 0, 0 }, { 1000, 0 } };

	be_odd_to_signals();
	be_odd_child();
	prctl(PR_SET_TIMERSLACK, 70000);
	personality(ADDR_NO_RANDOMIZE);
	setpriority(PRIO_PROCESS, 0, 1);
	setitimer(ITIMER_VIRTUAL, &timer, NULL);
	limit(RLIMIT_STACK, 64 << 20);
	limit(RLIMIT_CORE, 0);
}

static int count_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 100; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* The others take environ. */
static bool takes_environment(const struct context *context, const struct cell *c)
{
	return context->alone ||
	       (c->call != by_execv && c->call != by_execvp && c->call != by_execl && c->call != by_execlp);
}

static void run_cell(const struct context *context, struct cell *c)
{
	long pages;
	int descriptors;
	int ret;
	int error;

	be_odd();
	environ = takes_environment(context, c) ? envp : c->envp;
	/* libc's own, which the first of these takes. */
	free(strdup("x"));
	pages = count_pages();
	descriptors = count_descriptors();
	errno = 0;
	ret = context->function(c);
	error = errno;
	dprintf(REPORT, " ret=%d errno=%d child-errno=%d pages=%+ld fds=%+d others=%d cwd=%d\n", ret,
		ret < 0 ? error : 0, c->error,
		context->function == in_handler || context->function == in_clone || context->function == in_clone_vm ||
				context->function == in_thread
			? 0
			: count_pages() - pages,
		count_descriptors() - descriptors, waitpid(-1, NULL, WNOHANG | __WALL), umask(0137));
	_exit(0);
}

/* --- all cells */

/* Prints a report with the numbers that are never the same put into words. */
static void print_report(const char *text, pid_t subject)
{
	const char *pid = strstr(text, " pid=");
	int is = 0;
	int parent = 0;
	int skip = 0;

	if (!pid || sscanf(pid, " pid=%d parent=%d%n", &is, &parent, &skip) != 2) {
		fputs(text, stdout);
		return;
	}
	printf("%.*s pid=%s parent=%s%s", (int)(pid - text), text, is == subject ? "kept" : "new",
	       parent == getpid()  ? "driver"
	       : parent == subject ? "subject"
				   : "other",
	       pid + skip);
}

static void start_cell(const struct context *context, const char *call, struct cell *c)
{
	static char text[65536];
	size_t used = 0;
	int report[2];
	ssize_t n;
	int status;
	pid_t pid;

	if (pipe(report))
		exit(90);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		close(report[0]);
		dup2(report[1], REPORT);
		close(report[1]);
		alarm(20);
		run_cell(context, c);
	}
	close(report[1]);
	while ((n = read(report[0], text + used, sizeof(text) - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	close(report[0]);
	waitpid(pid, &status, 0);
	for (char *p = text; *p; p++)
		if (*p == '\n')
			*p = '|';
	printf("%s %s %s: status=%x", context->name, call, c->target->name, (unsigned)status);
	print_report(text, pid);
	putchar('\n');
}

static bool is_next(void)
{
	static unsigned long count;

	return count++ % every == 0;
}

static bool is_asked_for(const struct context *context, const struct call *call, const struct cell *c)
{
	bool by_shell = context->function == with_system || context->function == with_popen;

	/* No path, or arguments that cannot be written down. */
	if (by_shell && (!c->path || c->path == BAD))
		return false;
	return c->argv == plain_argv || !(by_shell || (!context->alone && !strncmp(call->name, "execl", 5)));
}

static void start_target(const char *folder, const struct target *t)
{
	char path[PATH_MAX * 2];
	struct cell c = { .target = t, .path = t->path, .name = t->path, .argv = t->argv, .envp = t->envp };

	if (t->path && t->path != BAD && *t->path && *t->path != '/' && !strstr(t->path, "..")) {
		snprintf(path, sizeof(path), "%s/%s", folder, t->path);
		c.path = path;
	}
	if (c.envp == (char **)&envp)
		c.envp = envp;
	if (!strcmp(t->name, "many-arguments"))
		c.argv = many_argv;
	if (!strcmp(t->name, "long-argument"))
		c.argv = long_argv;
	for (size_t i = 0; i < sizeof(contexts) / sizeof(contexts[0]); i++)
		for (size_t j = 0; j < (contexts[i].alone ? 1 : sizeof(calls) / sizeof(calls[0])); j++) {
			c.call = calls[j].function;
			if (is_asked_for(&contexts[i], &calls[j], &c) && is_next())
				start_cell(&contexts[i], contexts[i].alone ? "" : calls[j].name, &c);
		}
}

static void make_arguments(const char *folder)
{
	static char path[PATH_MAX + 64];
	static char preload[PATH_MAX + 64];
	static char *variables[] = { path,	  "A=1",   "A=2", "=", "", "no-equals", "GLIBC_TUNABLES=x=y",
				     "TMPDIR=/t", preload, NULL };
	char *long_argument = malloc(140 << 10);

	many_argv = malloc(100002 * sizeof(char *));
	for (int i = 0; i < 100001; i++)
		many_argv[i] = "x";
	many_argv[100001] = NULL;
	memset(long_argument, 'y', (140 << 10) - 1);
	long_argument[(140 << 10) - 1] = '\0';
	long_argv = calloc(3, sizeof(char *));
	long_argv[0] = long_argv[1] = long_argument;
	memset(too_long, 'z', sizeof(too_long) - 1);
	too_long[0] = '/';
	snprintf(path, sizeof(path), "PATH=relative:%s:/usr/bin:/bin", folder);
	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", getenv("LD_PRELOAD"));
	envp = variables;
}

/* The descriptors that some targets are reached by. */
static void open_descriptors(const char *folder)
{
	char path[PATH_MAX];
	int fd;
	int in;
	char buf[65536];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/static", folder);
	fd = open(path, O_RDONLY);
	dup2(fd, 20);
	dup3(fd, 21, O_CLOEXEC);
	in = (int)syscall(SYS_memfd_create, "memory", 0);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (write(in, buf, (size_t)n) != n)
			exit(91);
	close(fd);
	/* A file that is open for writing is busy. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", in);
	dup2(open(path, O_RDONLY), 22);
	close(in);
	dup2(open(folder, O_RDONLY | O_DIRECTORY), 23);
	dup3(23, 24, O_CLOEXEC);
	for (fd = 10; fd < 20; fd++)
		close(fd);
	fcntl(dup2(2, 12), F_SETFD, FD_CLOEXEC);
	dup2(2, 13);
}

static bool is_named(const char *name, char **names)
{
	while (*names && strcmp(*names, name))
		names++;
	return *names;
}

int main(int argc, char **argv)
{
	every = argc < 3 ? 0 : strtoul(argv[2], NULL, 10);
	if (!every || chdir(argv[1]))
		return 64;
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	make_arguments(argv[1]);
	open_descriptors(argv[1]);
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		if (argc == 3 || is_named(targets[i].name, argv + 3))
			start_target(argv[1], &targets[i]);
	return 0;
}
