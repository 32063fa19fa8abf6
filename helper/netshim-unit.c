/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim-unit: puts a service of systemd's into its class, and becomes what the unit
 * starts. It has no privilege of its own: it runs as the service does.
 *
 *     netshim-unit HOW PROGRAM NAME ARGUMENT...
 *
 * netshim's drop-in has systemd open the class's tasks file, as root, where the service
 * would have its standard output (HOW is 1) or error (2). What it would have there comes
 * back from the descriptor that HOW names next, as it is the same one, or /dev/null (n):
 * so the service never has the tasks file. NAME is what the program is told to be called.
 *
 *  1. It starts nothing unless it is in the class.
 *  2. Memory, environment, descriptors and signals are as the service would have them.
 *  3. It makes no system call but those that any program makes, as the service's filter
 *     may let no other through. */

#include "conf/contract/rules.h"
#include "conf/contract/start.h"
#include "conf/contract/sys.h"

/* systemd.exec(5): the program could not be executed. */
#define EXIT_EXEC 203

_Noreturn static void stop(int status)
{
	for (;;)
		SYS(SYS_exit_group, status, 0, 0, 0, 0);
}

_Noreturn static void refuse(const char *program, const char *why, int status)
{
	char line[512] = "netshim-unit: ";
	char *end = line + str_len(line);
	char *limit = line + sizeof(line) - 1;

	str_append(&end, limit, program);
	str_append(&end, limit, ": not started: ");
	str_append(&end, limit, why);
	str_printable(line);
	*end++ = '\n';
	sys_write(2, line, (size_t)(end - line));
	stop(status);
}

/* What is no number is refused by a tasks file (cgroup_procs_write_start in the kernel), and
 * by it alone. Whatever else is there, a log say, gets the message. */
static bool is_tasks_file(int fd)
{
	static const char words[] = "netshim-unit: not started: here is no class to enter; another drop-in of this "
				    "unit comes after netshim's\n";

	return sys_write(fd, words, sizeof(words) - 1) == -EINVAL;
}

static bool put_back(int fd, char from)
{
	int other = from == 'n' ? sys_openat(AT_FDCWD, "/dev/null", O_WRONLY | O_NOCTTY) : from - '0';
	bool ok = other >= 0 && other <= 9 && other != fd && SYS(SYS_dup3, other, fd, 0, 0, 0) == fd;

	if (from == 'n' && other >= 0)
		sys_close(other);
	if (!ok)
		sys_close(fd);
	return ok;
}

static const char *why_not_executed(int err)
{
	switch (-err) {
	case ENOENT:
		return "it, or the interpreter that it names, is not there";
	case EACCES:
		return "it may not be executed";
	case ENOEXEC:
		return "it is no program";
	default:
		return "it cannot be executed";
	}
}

void helper_main(uintptr_t *stack)
{
	char **argv = (char **)(stack + 1);
	int fd;
	bool entered;

	if (*stack < 3 || (argv[0][0] != '1' && argv[0][0] != '2'))
		refuse("nothing", "systemd starts this by what 'netshim units' prints", EXIT_REFUSED);
	fd = argv[0][0] - '0';
	if (!is_tasks_file(fd))
		stop(EXIT_REFUSED);
	entered = sys_write(fd, "0", 1) == 1;
	if (!put_back(fd, argv[0][1]))
		stop(EXIT_REFUSED);
	if (!entered)
		refuse(argv[1], "it cannot be put into its class", EXIT_REFUSED);
	refuse(argv[1], why_not_executed(sys_execve(argv[1], argv + 2, argv + *stack + 1)), EXIT_EXEC);
}
