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
 *   caller full cloexec|kept FREE execve|posix_spawn PROGRAM [ARG...]
 *       with FREE descriptors left below the limit; those in use are close-on-exec,
 *       or are not
 */

#include "tests/driver.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

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

static int environment(int variables, int rounds, char **argv)
{
	char **envp = calloc((size_t)variables + 1, sizeof(char *));
	long before = 0;

	for (int i = 0; i < variables; i++)
		if (asprintf(&envp[i], "V%d=x", i) < 0)
			return 95;
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

static int full(int flags, int left, const char *entry, char **argv)
{
	struct rlimit limit = { DESCRIPTORS, DESCRIPTORS };
	pid_t pid;
	int fd;

	fcntl(0, F_SETFD, flags);
	if (setrlimit(RLIMIT_NOFILE, &limit))
		return 94;
	while ((fd = fcntl(0, flags ? F_DUPFD_CLOEXEC : F_DUPFD, 3)) >= 0)
		;
	for (fd = DESCRIPTORS - left; fd < DESCRIPTORS; fd++)
		close(fd);
	if (!strcmp(entry, "execve")) {
		execve(argv[0], argv, environ);
	} else {
		errno = posix_spawn(&pid, argv[0], NULL, NULL, argv, environ);
		if (!errno)
			return wait_for(pid);
	}
	puts(strerror(errno));
	return 98;
}

int main(int argc, char **argv)
{
	alarm(20);
	if (argc > 3 && !strcmp(argv[1], "loading"))
		return loading(argv + 2);
	if (argc > 4 && !strcmp(argv[1], "environment"))
		return environment(atoi(argv[2]), atoi(argv[3]), argv + 4);
	if (argc > 5 && !strcmp(argv[1], "full"))
		return full(strcmp(argv[2], "kept") ? FD_CLOEXEC : 0, atoi(argv[3]), argv[4], argv + 5);
	return 64;
}
