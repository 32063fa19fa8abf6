/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Starts a program through one entry point of libc, or makes the process odd
 * first:
 *
 *   launcher ENTRY PROGRAM [ARG...]     (execl and its kin pass at most 3)
 *   launcher odd PROGRAM [ARG...]       everything an exec carries over is unusual
 *   launcher errno ENTRY PROGRAM        prints the error of a failing exec; there
 *       are entries for that: bad-env, bad-env-string, bad-argument, too-much, busy,
 *       page-end, page-end-unaligned
 *   launcher waited ENTRY PROGRAM [ARG...]
 *       from a thread that the first one waits for; prints the error, and whether the kernel
 *       will still tell of the thread's end (set_tid_address), which that waits for
 *   launcher effective USER ENTRY PROGRAM [ARG...]
 *       as root, whose real user and group have that number; reset-ids is posix_spawn with
 *       POSIX_SPAWN_RESETIDS
 *   launcher keep ADDRESS PORT PROGRAM [ARG...]
 *       connects, then for each line on stdin starts PROGRAM in a child that has
 *       inherited the connection close-on-exec, and sends a byte over it after
 */

#include "tests/programs/driver.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

extern char **environ;

typedef int spawner(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const[],
		    char *const[]);

static int spawned(spawner *spawn, const char *program, char **argv, short flags)
{
	posix_spawnattr_t attr;
	pid_t pid;
	int error;

	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, flags);
	error = spawn(&pid, program, NULL, flags ? &attr : NULL, argv, environ);

	errno = error;
	return error ? -1 : wait_for(pid);
}

static int vforked(const char *program, char **argv)
{
	pid_t pid = vfork();

	if (!pid) {
		execve(program, argv, environ);
		_exit(99);
	}
	return wait_for(pid);
}

static int by_shell(const char *program, char **argv, int with_popen)
{
	char line[8192] = "";
	FILE *pipe;
	int status;

	for (char **a = argv; *a; a++) {
		strcat(line, a == argv ? program : *a);
		strcat(line, " ");
	}
	if (!with_popen)
		return WEXITSTATUS(system(line));
	pipe = popen(line, "r");
	while (fgets(line, sizeof(line), pipe))
		fputs(line, stdout);
	status = pclose(pipe);
	return WEXITSTATUS(status);
}

static void *volatile bad_pointer = (void *)8;

/* The kernel takes 32 pages (MAX_ARG_STRLEN). */
static int too_much(const char *program, char **argv)
{
	size_t size = 64 * (size_t)sysconf(_SC_PAGESIZE);
	char *string = calloc(size + 1, 1);

	return execve(program, argv, (char *[]){ memset(string, 'x', size), NULL });
}

/* Its environment is one pointer at the end of the last page; or part of one. */
static int at_page_end(const char *program, char **argv, size_t before_end)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(pages + page, page);
	return execve(program, argv, (void *)(pages + page - before_end));
}

/* Returns the exit status of the program, or -1 with errno. */
static int start(const char *entry, const char *program, char **argv)
{
	const char *slash = strrchr(program, '/');
	const char *name = slash ? slash + 1 : program;
	char *a = argv[0];
	char *b = argv[0] ? argv[1] : NULL;
	char *c = b ? argv[2] : NULL;

	if (!strcmp(entry, "execve"))
		return execve(program, argv, environ);
	if (!strcmp(entry, "execv"))
		return execv(program, argv);
	if (!strcmp(entry, "execvp"))
		return execvp(name, argv);
	if (!strcmp(entry, "execvpe"))
		return execvpe(name, argv, environ);
	if (!strcmp(entry, "execl"))
		return execl(program, a, b, c, NULL);
	if (!strcmp(entry, "execlp"))
		return execlp(name, a, b, c, NULL);
	if (!strcmp(entry, "execle"))
		return b ? c ? execle(program, a, b, c, NULL, environ) : execle(program, a, b, NULL, environ)
			 : execle(program, a, NULL, environ);
#ifdef __GLIBC__
	if (!strcmp(entry, "execveat"))
		return execveat(AT_FDCWD, program, argv, environ, 0);
#endif
	if (!strcmp(entry, "fexecve"))
		return fexecve(open(program, O_RDONLY), argv, environ);
	if (!strcmp(entry, "fexecve-cloexec"))
		return fexecve(open(program, O_RDONLY | O_CLOEXEC), argv, environ);
	if (!strcmp(entry, "posix_spawn"))
		return spawned(posix_spawn, program, argv, 0);
	if (!strcmp(entry, "reset-ids"))
		return spawned(posix_spawn, program, argv, POSIX_SPAWN_RESETIDS);
	if (!strcmp(entry, "posix_spawnp"))
		return spawned(posix_spawnp, name, argv, 0);
	if (!strcmp(entry, "bad-env"))
		return execve(program, argv, bad_pointer);
	if (!strcmp(entry, "bad-env-string"))
		return execve(program, argv, (char *[]){ bad_pointer, NULL });
	if (!strcmp(entry, "bad-argument"))
		return execve(program, (char *[]){ argv[0], bad_pointer, NULL }, environ);
	if (!strcmp(entry, "too-much"))
		return too_much(program, argv);
	if (!strcmp(entry, "busy"))
		return open(program, O_WRONLY) < 0 ? -1 : execve(program, argv, environ);
	if (!strcmp(entry, "page-end"))
		return at_page_end(program, argv, sizeof(char *));
	if (!strcmp(entry, "page-end-unaligned"))
		return at_page_end(program, argv, sizeof(char *) / 2);
	if (!strcmp(entry, "vfork"))
		return vforked(program, argv);
	if (!strcmp(entry, "system"))
		return by_shell(program, argv, 0);
	if (!strcmp(entry, "popen"))
		return by_shell(program, argv, 1);
	if (!strcmp(entry, "syscall"))
		return (int)syscall(SYS_execve, program, argv, environ);
	fprintf(stderr, "launcher: what is '%s'?\n", entry);
	exit(64);
}

static void be_odd(void)
{
	struct rlimit limit;

	be_odd_to_signals();
	prctl(PR_SET_PDEATHSIG, SIGWINCH);
	personality(ADDR_NO_RANDOMIZE | 0x0400000); /* READ_IMPLIES_EXEC */
	setpriority(PRIO_PROCESS, 0, 3);
	getrlimit(RLIMIT_STACK, &limit);
	limit.rlim_cur = 64 << 20;
	setrlimit(RLIMIT_STACK, &limit);
	getrlimit(RLIMIT_CORE, &limit);
	limit.rlim_cur = 0;
	setrlimit(RLIMIT_CORE, &limit);
	dup2(1, 77);
	fcntl(dup2(1, 78), F_SETFD, FD_CLOEXEC);
}

static void *start_and_end(void *arguments)
{
	char **argv = arguments;
	uint64_t before = 0;
	uint64_t after = 0;
	int ret;

	prctl(PR_GET_TID_ADDRESS, &before);
	ret = start(argv[0], argv[1], argv + 1);
	prctl(PR_GET_TID_ADDRESS, &after);
	printf("%s, %s\n", ret == -1 ? strerror(errno) : "started", before && after == before ? "told" : "not told");
	return NULL;
}

static int waited(char **argv)
{
	pthread_t thread;

	alarm(20);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (pthread_create(&thread, NULL, start_and_end, argv) || pthread_join(thread, NULL))
		return 96;
	puts("ended");
	return 0;
}

static int keep(char **argv)
{
	struct sockaddr_in to = address_of(argv[0], argv[1]);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char line[16];

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
		return 1;
	while (fgets(line, sizeof(line), stdin)) {
		pid_t pid = fork();

		if (!pid) {
			execv(argv[2], argv + 2);
			_exit(99);
		}
		wait_for(pid);
		puts(send(fd, "x", 1, 0) == 1 ? "sent" : "failed");
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	int ret;

	if (argc > 4 && !strcmp(argv[1], "keep"))
		return keep(argv + 2);
	if (argc > 3 && !strcmp(argv[1], "errno")) {
		ret = start(argv[2], argv[3], argv + 3);
		printf("%s\n", ret == -1 ? strerror(errno) : "started");
		return 0;
	}
	if (argc > 3 && !strcmp(argv[1], "waited"))
		return waited(argv + 2);
	if (argc < 3)
		return 64;
	if (argc > 4 && !strcmp(argv[1], "effective")) {
		if (setgroups(0, NULL) || setresgid((gid_t)atoi(argv[2]), 0, 0) ||
		    setresuid((uid_t)atoi(argv[2]), 0, 0))
			return 96;
		argv += 2;
	}
	if (!strcmp(argv[1], "odd")) {
		be_odd();
		argv[1] = (char *)"execve";
	}
	ret = start(argv[1], argv[2], argv + 2);
	if (ret == -1)
		perror(argv[2]);
	return ret == -1 ? 98 : ret;
}
