/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Kills a command at one of its system calls, before the kernel carries it out:
 *
 *   kill N COMMAND...          at the Nth that can change anything outside of it
 *   kill every:N COMMAND...    at the Nth of all
 *
 * Prints what it was. Exits with 0 where the command was killed, with 1 where it
 * ended before (a failed command is not expected: 2). Built and run by kill.t. */

#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The machine's own: strace's names for what the tests see most. */
static const struct {
	long number;
	const char *name;
} changing[] = {
#ifdef SYS_mkdir /* not on newer architectures */
	{ SYS_mkdir, "mkdir" },
	{ SYS_rmdir, "rmdir" },
	{ SYS_unlink, "unlink" },
	{ SYS_rename, "rename" },
	{ SYS_link, "link" },
	{ SYS_chmod, "chmod" },
#endif
	{ SYS_mkdirat, "mkdirat" },
	{ SYS_unlinkat, "unlinkat" },
	{ SYS_renameat, "renameat" },
	{ SYS_renameat2, "renameat2" },
	{ SYS_linkat, "linkat" },
	{ SYS_fchmodat, "fchmodat" },
	{ SYS_fchmod, "fchmod" },
	{ SYS_ftruncate, "ftruncate" },
	{ SYS_write, "write" },
	{ SYS_pwrite64, "pwrite64" },
	{ SYS_writev, "writev" },
	{ SYS_sendto, "sendto" },
	{ SYS_sendmsg, "sendmsg" },
	{ SYS_mount, "mount" },
	{ SYS_umount2, "umount2" },
	{ SYS_flock, "flock" },
	{ SYS_exit_group, "exit_group" },
};

static const char *name_of(long number)
{
	static char other[32];

	for (size_t i = 0; i < sizeof(changing) / sizeof(changing[0]); i++)
		if (changing[i].number == number)
			return changing[i].name;
	snprintf(other, sizeof(other), number == SYS_openat ? "openat" : "call %ld", number);
	return other;
}

static bool can_change(const struct __ptrace_syscall_info *call)
{
	if (call->entry.nr == SYS_openat)
		return call->entry.args[2] & (O_CREAT | O_TRUNC);
	return strncmp(name_of((long)call->entry.nr), "call ", 5);
}

static pid_t start(char **argv)
{
	pid_t pid = fork();

	if (pid < 0)
		err(2, "fork");
	if (pid)
		return pid;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) || raise(SIGSTOP))
		err(2, "ptrace");
	execv(argv[0], argv);
	err(2, "%s", argv[0]);
}

int main(int argc, char **argv)
{
	bool every = argc > 2 && !strncmp(argv[1], "every:", 6);
	long left = argc > 2 ? atol(argv[1] + (every ? 6 : 0)) : 0;
	struct __ptrace_syscall_info call;
	bool started = false;
	int status;
	pid_t pid;

	if (left <= 0)
		return 64;
	pid = start(argv + 2);
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC))
		err(2, "ptrace");
	for (;;) {
		int signal = WSTOPSIG(status);

		started = started || status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8);
		if (signal == SIGTRAP || signal == SIGSTOP || signal == (SIGTRAP | 0x80))
			signal = 0;
		if (ptrace(PTRACE_SYSCALL, pid, NULL, (long)signal) || waitpid(pid, &status, 0) != pid)
			err(2, "ptrace");
		if (!WIFSTOPPED(status))
			return WIFEXITED(status) && !WEXITSTATUS(status) ? 1 : 2;
		if (!started || WSTOPSIG(status) != (SIGTRAP | 0x80) ||
		    ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(call), &call) < 0 ||
		    call.op != PTRACE_SYSCALL_INFO_ENTRY)
			continue;
		if ((every || can_change(&call)) && !--left)
			break;
	}
	/* The kernel leaves out the call at whose entry a process has been killed. */
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	puts(name_of((long)call.entry.nr));
	return 0;
}
