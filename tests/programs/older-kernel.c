/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Starts a command on this kernel as it would be on an older one, where it shows how a
 * program is executed:
 *
 *   older-kernel 6.13|6.7 COMMAND [ARG...]
 *
 * Before 6.14, execveat does not know AT_EXECVE_CHECK (EINVAL). Before 6.8, it reads
 * the arguments before it opens the file, so that without any it says no more (EFAULT).
 * What it does not show: the name by which ps shows what was executed by a descriptor. */

#include "conf/contract/sys.h"

#include <err.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Both kinds of programs that one machine's kernel runs. */
#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#define OTHER_ARCH AUDIT_ARCH_I386
#define OTHER_EXECVEAT 358
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#define OTHER_ARCH AUDIT_ARCH_ARM
#define OTHER_EXECVEAT 387
#endif

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define JUMP(when, value, yes, no) BPF_JUMP(BPF_JMP | (when) | BPF_K, value, yes, no)
#define UNLESS(value, skipped) JUMP(BPF_JEQ, value, 0, skipped)
#define ANSWER(value) BPF_STMT(BPF_RET | BPF_K, value)

#define IS_6_7 13 /* the place of its answer */

int main(int argc, char **argv)
{
	struct sock_filter filter[] = {
		LOAD(arch),
		UNLESS(ARCH, 2), /* to where the other's number is asked for */
		LOAD(nr),
		JUMP(BPF_JEQ, SYS_execveat, 2, 3),
		LOAD(nr),
		UNLESS(OTHER_EXECVEAT, 1),
		JUMP(BPF_JA, 1, 0, 0),
		ANSWER(SECCOMP_RET_ALLOW),
		LOAD(args[4]),
		JUMP(BPF_JSET, AT_EXECVE_CHECK, 0, 1),
		ANSWER(SECCOMP_RET_ERRNO | EINVAL),
		LOAD(args[2]), /* its lower half */
		UNLESS(UINT32_MAX, 1),
		ANSWER(SECCOMP_RET_ERRNO | EFAULT),
		ANSWER(SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	if (argc < 3 || (strcmp(argv[1], "6.13") && strcmp(argv[1], "6.7")))
		errx(64, "which kernel, and what?");
	if (!strcmp(argv[1], "6.13"))
		filter[IS_6_7] = (struct sock_filter)ANSWER(SECCOMP_RET_ALLOW);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		err(1, "seccomp");
	execvp(argv[2], argv + 2);
	err(1, "%s", argv[2]);
}
