/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What putting a process into a class costs at the least: bench-mover TASKS
 * PROGRAM... writes "0" to the tasks file and becomes the program. It is what is
 * left of the helper without rules, checks and capabilities. */

#include "conf/contract/sys.h"
#include "conf/contract/start.h"

__attribute__((noreturn)) static void quit(int code)
{
	for (;;)
		SYS(SYS_exit_group, code, 0, 0, 0, 0);
}

void helper_main(uintptr_t *stack)
{
	uintptr_t argc = stack[0];
	char **argv = (char **)(stack + 1);
	char **envp = argv + argc + 1;
	int fd;

	if (argc < 3)
		quit(2);
	fd = sys_openat(AT_FDCWD, argv[1], O_WRONLY | O_CLOEXEC);
	if (fd < 0 || sys_write(fd, "0", 1) != 1)
		quit(125);
	sys_close(fd);
	sys_execve(argv[2], argv + 2, envp);
	quit(126);
}
