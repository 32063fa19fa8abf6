/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Starts a command as a sandbox does: under no_new_privs, with a seccomp filter.
 *
 *   sandbox refuse ERRNO NUMBER... -- COMMAND [ARG...]
 *       answers these system calls with that error
 *   sandbox kill NUMBER... -- COMMAND [ARG...]
 *       kills who makes one of these
 *   sandbox allow NUMBER... -- COMMAND [ARG...]
 *       kills who makes any but these
 *   sandbox spawn ...
 *       the same, by posix_spawn in a child */

#include <err.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <spawn.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS_MAX 200

#define ANSWER(value) ((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, value))

static int spawn(char **argv)
{
	int status = -1;
	pid_t pid;

	errno = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	if (errno)
		err(1, "%s", argv[0]);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	const int spawned = argc > 1 && !strcmp(argv[1], "spawn");
	struct sock_filter filter[2 * CALLS_MAX + 2] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
								  offsetof(struct seccomp_data, nr)) };
	struct sock_fprog program = { 1, filter };
	unsigned listed = SECCOMP_RET_KILL_PROCESS;
	unsigned others = SECCOMP_RET_ALLOW;

	argv += spawned;
	if (argc < 4 + spawned)
		return 64;
	if (!strcmp(*++argv, "allow")) {
		listed = SECCOMP_RET_ALLOW;
		others = SECCOMP_RET_KILL_PROCESS;
	} else if (!strcmp(*argv, "refuse")) {
		listed = SECCOMP_RET_ERRNO | (unsigned)atoi(*++argv);
	}
	while (*++argv && strcmp(*argv, "--") && program.len < 2 * CALLS_MAX) {
		filter[program.len++] =
			(struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)atoi(*argv), 0, 1);
		filter[program.len++] = ANSWER(listed);
	}
	filter[program.len++] = ANSWER(others);
	if (!*argv || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		err(64, "no sandbox");
	if (spawned)
		return spawn(argv + 1);
	execvp(argv[1], argv + 1);
	err(1, "%s", argv[1]);
}
