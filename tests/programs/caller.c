/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Starts programs out of places where little is allowed or left:
 *
 *   caller loading LIBRARY PROGRAM [ARG...]
 *       from a vfork child, while a thread is in LIBRARY's constructor, and so
 *       holds the dynamic loader's lock
 *   caller environment VARIABLES ROUNDS PROGRAM
 *       from vfork children, with so many variables; prints by how many pages this
 *       process has grown since the first one
 *   caller full cloexec|kept|soft FREE execve|posix_spawn|closing PROGRAM [ARG...]
 *       with FREE descriptors left below the limit, or only below the soft one; those in
 *       use are close-on-exec, or are not; closing is posix_spawn with actions that
 *       close them
 *   caller apart PROGRAM [ARG...]
 *       by posix_spawn, with no descriptor left, from a thread whose children are to be in a
 *       namespace of their own, of which the first one is process 1
 *   caller few SOFT HARD PROGRAM [ARG...]
 *       with these limits of descriptors
 *   caller changing VARIABLES ROUNDS PROGRAM
 *       so many times, by posix_spawn, which fails, while another thread changes between a
 *       few variables and so many
 *   caller handler VARIABLES PROGRAM [ARG...]
 *       with so many variables, from a signal handler with a stack that is just enough
 *   caller limited VARIABLES PROGRAM [ARG...]
 *       with so many variables, and no right to any more data (RLIMIT_DATA)
 *   caller path SIZE execvpe|posix_spawnp NAME [ARG...]
 *       from a thread with a small stack; a folder's name of that size stands before
 *       the others on PATH
 *   caller outlived PROGRAM [ARG...]
 *       by its descriptor, from a thread that has outlived the first one
 *   caller table FOLDER OTHER NAME [ARG...]
 *       in FOLDER by a descriptor, from a thread with descriptors of its own; the
 *       others have OTHER there
 *   caller sharing PROGRAM [ARG...]
 *       while a child shares its working directory, which ends when that is executed
 */

#include "tests/programs/driver.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define DESCRIPTORS 24

extern char **environ;

static int vforked(char **argv, char **envp)
{
	pid_t pid = vfork();

	if (!pid) {
		alarm(20);
		execve(argv[0], argv, envp);
		_exit(98);
	}
	return wait_for(pid);
}

static void *load(void *library)
{
	dlopen(library, RTLD_NOW);
	_exit(97);
}

/* The library's constructor writes to descriptor 50 and never returns. */
static int loading(char **argv)
{
	int ready[2];
	pthread_t thread;
	char byte;
	int ret;

	if (pipe(ready) || dup2(ready[1], 50) < 0 || pthread_create(&thread, NULL, load, argv[0]) ||
	    read(ready[0], &byte, 1) != 1)
		return 96;
	ret = vforked(argv + 1, environ);
	_exit(ret);
}

static char **variables(int count)
{
	char **envp = calloc((size_t)count + 1, sizeof(char *));

	for (int i = 0; i < count; i++)
		if (asprintf(&envp[i], "V%d=x", i) < 0)
			exit(95);
	return envp;
}

static int environment(int count, int rounds, char **argv)
{
	char **envp = variables(count);
	long before = 0;

	for (int i = 0; i <= rounds; i++) {
		int ret = vforked(argv, envp);

		if (ret)
			return ret;
		if (!i)
			before = count_pages();
	}
	printf("grown by %ld\n", count_pages() - before);
	return 0;
}

static void *change(void *variable)
{
	char *volatile *place = variable;
	char *kept = *place;

	while (kept) {
		*place = NULL;
		*place = kept;
	}
	return NULL;
}

static int changing(int count, int rounds, const char *program)
{
	char **envp = variables(count);
	posix_spawn_file_actions_t actions;
	pthread_t thread;
	pid_t pid;

	/* That fails, and so nothing is executed, which would take longer. */
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/no/such/file", O_RDONLY, 0);
	if (pthread_create(&thread, NULL, change, envp + 3))
		return 96;
	for (int i = 0; i < rounds; i++)
		if (!posix_spawn(&pid, program, &actions, NULL, (char *[]){ NULL }, envp))
			return 97;
	puts("unharmed");
	exit(0);
}

static char **handled_argv;
static char **handled_envp;

static void handle(int signal)
{
	(void)signal;
	execve(handled_argv[0], handled_argv, handled_envp);
}

static int handler(int count, char **argv)
{
	handled_argv = argv;
	handled_envp = variables(count);
	call_in_handler(handle);
	puts(strerror(errno));
	return 98;
}

static int full(const char *how, int left, const char *entry, char **argv)
{
	struct rlimit limit = { DESCRIPTORS, strcmp(how, "soft") ? DESCRIPTORS : 2 * DESCRIPTORS };
	int flags = strcmp(how, "cloexec") ? 0 : FD_CLOEXEC;
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int fd;

	fcntl(0, F_SETFD, flags);
	if (setrlimit(RLIMIT_NOFILE, &limit) || posix_spawn_file_actions_init(&actions))
		return 94;
	for (fd = 3; fd < DESCRIPTORS && !strcmp(entry, "closing"); fd++)
		posix_spawn_file_actions_addclose(&actions, fd);
	while ((fd = fcntl(0, flags ? F_DUPFD_CLOEXEC : F_DUPFD, 3)) >= 0)
		;
	for (fd = DESCRIPTORS - left; fd < DESCRIPTORS; fd++)
		close(fd);
	if (!strcmp(entry, "execve")) {
		execve(argv[0], argv, environ);
	} else {
		errno = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
		if (!errno)
			return wait_for(pid);
	}
	puts(strerror(errno));
	return 98;
}

static void *spawn_apart(void *argv)
{
	if (unshare(CLONE_NEWPID))
		exit(96);
	exit(full("cloexec", 0, "posix_spawn", argv));
}

static int apart(char **argv)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, spawn_apart, argv) || pthread_join(thread, NULL) ? 96 : 0;
}

static int few(rlim_t soft, rlim_t hard, char **argv)
{
	struct rlimit limit = { soft, hard };

	if (setrlimit(RLIMIT_NOFILE, &limit))
		return 94;
	execve(argv[0], argv, environ);
	puts(strerror(errno));
	return 98;
}

static int limited(int count, char **argv)
{
	struct rlimit limit = { 1 << 20, 1 << 20 };
	char **envp = variables(count);

	/* More than the limit allows, which is enough for what is started. Not malloc: a
	 * compiler may leave out what nobody reads. */
	if (mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ||
	    setrlimit(RLIMIT_DATA, &limit))
		return 94;
	execve(argv[0], argv, envp);
	puts(strerror(errno));
	return 98;
}

static void *search_long(void *arguments)
{
	char **argv = arguments;
	size_t size = strtoul(argv[0], NULL, 10);
	char *path = malloc(size + 4096);
	pid_t pid;

	memset(path, 'x', size);
	snprintf(path + size, 4096, ":%s", getenv("PATH"));
	setenv("PATH", path, 1);
	if (!strcmp(argv[1], "execvpe"))
		execvpe(argv[2], argv + 2, (char *[]){ NULL });
	else if (!(errno = posix_spawnp(&pid, argv[2], NULL, NULL, argv + 2, (char *[]){ NULL })))
		exit(wait_for(pid));
	puts(strerror(errno));
	exit(98);
}

static void *execute_descriptor(void *arguments)
{
	char **argv = arguments;
	int fd = open(argv[0], O_RDONLY | O_CLOEXEC);

	/* /proc tells the first one's end from its state. */
	while (!access("/proc/self/fd/0", F_OK))
		usleep(1000);
	fexecve(fd, argv, environ);
	puts(strerror(errno));
	exit(98);
}

static void *execute_in_folder(void *arguments)
{
	char **argv = arguments;

	if (unshare(CLONE_FILES) || dup2(open(argv[0], O_PATH | O_CLOEXEC), 50) != 50)
		exit(96);
	execveat(50, argv[2], argv + 2, environ, 0);
	puts(strerror(errno));
	exit(98);
}

/* On one processor, where who is idle gives way to the child. */
static int sharing(char **argv)
{
	const struct sched_param none = { 0 };
	cpu_set_t processor;
	int ends[2];
	char end;

	CPU_ZERO(&processor);
	CPU_SET(sched_getcpu(), &processor);
	if (pipe2(ends, O_CLOEXEC) || sched_setaffinity(0, sizeof(processor), &processor))
		return 96;
	if (!syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0)) {
		close(ends[1]);
		_exit((int)read(ends[0], &end, 1));
	}
	sched_setscheduler(0, SCHED_IDLE, &none);
	execv(argv[0], argv);
	puts(strerror(errno));
	return 98;
}

static int in_thread(void *(*function)(void *), char **argv, size_t stack)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, stack);
	if (pthread_create(&thread, &attr, function, argv))
		return 96;
	pthread_exit(NULL);
}

int main(int argc, char **argv)
{
	alarm(20);
	if (argc > 3 && !strcmp(argv[1], "loading"))
		return loading(argv + 2);
	if (argc > 4 && !strcmp(argv[1], "environment"))
		return environment(atoi(argv[2]), atoi(argv[3]), argv + 4);
	if (argc > 4 && !strcmp(argv[1], "changing"))
		return changing(atoi(argv[2]), atoi(argv[3]), argv[4]);
	if (argc > 3 && !strcmp(argv[1], "handler"))
		return handler(atoi(argv[2]), argv + 3);
	if (argc > 5 && !strcmp(argv[1], "full"))
		return full(argv[2], atoi(argv[3]), argv[4], argv + 5);
	if (argc > 2 && !strcmp(argv[1], "apart"))
		return apart(argv + 2);
	if (argc > 4 && !strcmp(argv[1], "few"))
		return few(strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10), argv + 4);
	if (argc > 3 && !strcmp(argv[1], "limited"))
		return limited(atoi(argv[2]), argv + 3);
	if (argc > 4 && !strcmp(argv[1], "path"))
		return in_thread(search_long, argv + 2, 1 << 16);
	if (argc > 2 && !strcmp(argv[1], "outlived"))
		return in_thread(execute_descriptor, argv + 2, 1 << 20);
	if (argc > 2 && !strcmp(argv[1], "sharing"))
		return sharing(argv + 2);
	if (argc > 4 && !strcmp(argv[1], "table")) {
		if (dup2(open(argv[3], O_PATH | O_CLOEXEC), 50) != 50)
			return 96;
		return in_thread(execute_in_folder, argv + 2, 1 << 20);
	}
	return 64;
}
