/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim-rescue: takes the library out of /etc/ld.so.preload where no dynamic program starts
 * any more, and so no shell, netshim or editor either. It needs no library and no loader.
 * As the first process (init=... on the kernel's command line), it goes on with /sbin/init. */

#include "conf/contract/preload.h"
#include "conf/contract/start.h"
#include "conf/contract/sys.h"

#include <sys/mount.h>

#define NEW_FILE PRELOAD_FILE ".rescue"

static char text[1 << 16];

static int say(const char *words)
{
	char line[512] = "netshim-rescue: " PRELOAD_FILE ": ";
	char *end = line + str_len(line);

	str_append(&end, line + sizeof(line) - 1, words);
	*end++ = '\n';
	sys_write(2, line, (size_t)(end - line));
	return 1;
}

static bool write_new(size_t size, uint32_t mode)
{
	bool ok;
	int fd;

	/* One that was ended may have left it. */
	SYS(SYS_unlinkat, AT_FDCWD, NEW_FILE, 0, 0, 0);
	fd = (int)SYS(SYS_openat, AT_FDCWD, NEW_FILE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, 0);
	/* Not by the mode that it is made with, which the umask narrows. */
	ok = fd >= 0 && sys_write(fd, text, size) == (long)size && !SYS(SYS_fchmod, fd, mode & 07777, 0, 0, 0) &&
	     !SYS(SYS_fsync, fd, 0, 0, 0, 0);
	if (fd >= 0)
		sys_close(fd);
	return ok && !SYS(SYS_renameat2, AT_FDCWD, NEW_FILE, AT_FDCWD, PRELOAD_FILE, 0);
}

static int rescue(void)
{
	int fd = sys_openat(AT_FDCWD, PRELOAD_FILE, O_RDONLY);
	struct sys_file file;
	long size;
	size_t left;
	bool ok;

	if (fd == -ENOENT)
		return say("it is not there: the library is not loaded by it");
	if (fd < 0 || sys_stat(fd, "", AT_EMPTY_PATH, &file))
		return say("it cannot be read");
	size = sys_read(fd, text, sizeof(text));
	sys_close(fd);
	if (size < 0 || size == sizeof(text))
		return say("it cannot be read, or is too large");
	left = (size_t)(preload_cut(text, text + size, PRELOAD_LIST) - text);
	if (left == (size_t)size)
		return say("the library is not in it");
	ok = left ? write_new(left, file.mode) : !SYS(SYS_unlinkat, AT_FDCWD, PRELOAD_FILE, 0, 0, 0);
	SYS(SYS_sync, 0, 0, 0, 0, 0);
	say(ok ? "the library is no longer in it" : "it cannot be written; are you root, and is / mounted read-write?");
	return ok ? 0 : 1;
}

void helper_main(uintptr_t *stack)
{
	char **argv = (char **)(stack + 1);
	bool is_init = SYS(SYS_getpid, 0, 0, 0, 0, 0) == 1;
	int status;

	/* The kernel has mounted it read-only, as a boot begins. */
	if (is_init)
		SYS(SYS_mount, "", "/", "", MS_REMOUNT, NULL);
	status = rescue();
	if (is_init) {
		static char init[] = "/sbin/init";

		argv[0] = init;
		sys_execve(init, argv, argv + *stack + 1);
		say("/sbin/init does not start");
	}
	for (;;)
		SYS(SYS_exit_group, status, 0, 0, 0, 0);
}
