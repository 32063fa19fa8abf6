/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* A long chain of processes, each started by the one before it, with which it ends: prints the
 * last one's pid when all are there. They share their memory, so that thousands cost little.
 *
 *   chain COUNT
 */

#include <err.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK 8192

static char *stack;
static long left;

static int go_on(void *parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != (pid_t)(long)parent)
		return EXIT_FAILURE;
	if (!left--) {
		printf("%d\n", getpid());
		fflush(stdout);
	} else if (clone(go_on, stack + (left + 1) * STACK, CLONE_VM | SIGCHLD, (void *)(long)getpid()) < 0) {
		err(EXIT_FAILURE, "cannot start one more");
	}
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	left = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
	stack = calloc((size_t)left + 1, STACK);
	if (!stack)
		err(EXIT_FAILURE, "no memory");
	return go_on((void *)(long)getppid());
}
