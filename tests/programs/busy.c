/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Threads that never leave malloc, the environment, stdio and the loader alone,
 * and beside them, over and over, a fork whose child executes a program:
 *
 *   busy ROUNDS PROGRAM [ARG...]
 *
 * Prints how many of the children ended well. A child that hangs is killed by its
 * own alarm. */

#include "tests/programs/driver.h"

#include <dlfcn.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>

#define HANGS 20 /* seconds */

static char preload[4096];

extern char **environ;

static void *allocate(void *unused)
{
	for (unsigned i = 0;; i++) {
		void *volatile block = malloc(i % 5000); /* or compilers leave out both calls */

		free(block);
	}
	return unused;
}

static void *change_environment(void *unused)
{
	char value[32];

	for (unsigned i = 0;; i++) {
		snprintf(value, sizeof(value), "%u", i);
		setenv("BUSY", value, 1);
		usleep(10);
	}
	return unused;
}

static void *print(void *unused)
{
	FILE *file = fopen("/dev/null", "w");

	for (unsigned i = 0;; i++) {
		fprintf(file, "%u\n", i);
		if (i % 64 == 0) {
			fclose(file);
			file = fopen("/dev/null", "w");
		}
	}
	return unused;
}

static void *look_up(void *unused)
{
	for (;;) {
		dlsym(RTLD_DEFAULT, "execve");
		dlclose(dlopen("libm.so.6", RTLD_NOW));
		usleep(10);
	}
	return unused;
}

static int start(unsigned round, char **argv)
{
	char *envp[] = { "A=1", preload, NULL };
	pid_t pid;

	if (round % 4 == 3) {
		if (posix_spawn(&pid, argv[0], NULL, NULL, argv, envp))
			return -1;
	} else {
		pid = round % 4 == 2 ? vfork() : fork();
		if (!pid) {
			alarm(HANGS);
			if (round % 4)
				execve(argv[0], argv, envp);
			else
				execvpe(argv[0], argv, envp);
			_exit(99);
		}
	}
	return wait_for(pid);
}

int main(int argc, char **argv)
{
	void *(*const threads[])(void *) = { allocate, allocate, change_environment, print, look_up };
	pthread_t thread;
	unsigned well = 0;

	if (argc < 3)
		return 64;
	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", getenv("LD_PRELOAD"));
	for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++)
		if (pthread_create(&thread, NULL, threads[i], NULL))
			return 65;
	for (unsigned round = 0; round < (unsigned)atoi(argv[1]); round++)
		well += start(round, argv + 2) == 0;
	printf("%u\n", well);
	fflush(stdout);
	_exit(0);
}
