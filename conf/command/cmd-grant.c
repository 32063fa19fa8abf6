/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim grant: gives the helper cap_dac_override=p, and nothing else: the installed one,
 * or a new one, which then takes its place. */

#include "conf/command/cmd-grant.h"

#include "conf/command/verbs.h"
#include "conf/contract/rules.h"
#include "conf/language/alloc.h"
#include "conf/language/trust.h"

#include <cap-ng.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

static bool only_dac_override(void)
{
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (!!capng_have_capability(CAPNG_PERMITTED, cap) != (cap == CAP_DAC_OVERRIDE) ||
		    capng_have_capability(CAPNG_INHERITABLE, cap))
			return false;
	return true;
}

/* libcap-ng (0.8.3) cannot do this: it takes a set with nothing effective for an
 * empty one, and removes the attribute. Reading it back is left to it. */
static int set_dac_override(int fd)
{
	const struct vfs_cap_data data = {
		.magic_etc = htole32(VFS_CAP_REVISION_2),
		.data = { { .permitted = htole32(CAP_TO_MASK(CAP_DAC_OVERRIDE)) } },
	};

	return fsetxattr(fd, "security.capability", &data, XATTR_CAPS_SZ_2, 0);
}

/* Opens the helper at path; ends the command where others than root could change it:
 * they would get the capability. */
static int open_helper(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	char *changeable;

	if (fd < 0 || fstat(fd, &st))
		err(EXIT_FAILURE, "cannot open %s (run 'make install')", path);
	if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
		errx(EXIT_FAILURE, "%s can be changed by others than root; run: chown root %s && chmod 755 %s", path,
		     path, path);
	changeable = trust_changeable(path);
	if (changeable)
		errx(EXIT_FAILURE,
		     "others than root can change %s, and so replace the helper; make it root's, and writable by "
		     "nobody else",
		     changeable);
	return fd;
}

static bool is_granted(int fd)
{
	return !capng_get_caps_fd(fd) && only_dac_override();
}

const char *grant_wrong(void)
{
	int fd = open(NETSHIM_HELPER, O_RDONLY | O_CLOEXEC);
	const char *wrong = NULL;
	struct statvfs fs;

	if (fd < 0)
		wrong = printed("%s; install netshim again", strerror(errno));
	else if (!fstatvfs(fd, &fs) && fs.f_flag & ST_NOSUID)
		wrong = "its file system is mounted nosuid, which lets it have no capability; mount it without that";
	else if (!is_granted(fd))
		wrong = "it has not its capability; run 'netshim grant' as root";
	if (fd >= 0)
		close(fd);
	return wrong;
}

bool grant_check(void)
{
	const char *wrong = grant_wrong();

	if (wrong)
		warnx("programs that have a class are not started: " NETSHIM_HELPER ": %s", wrong);
	return !wrong;
}

int cmd_grant(const struct command *command)
{
	const char *path = command->argc ? command->argv[0] : NETSHIM_HELPER;
	int fd = open_helper(path);

	if (set_dac_override(fd))
		err(EXIT_FAILURE, "cannot give %s its capability (its file system must support extended attributes)",
		    path);
	if (!is_granted(fd))
		errx(EXIT_FAILURE, "%s has not got cap_dac_override=p and nothing else; reinstall netshim", path);
	close(fd);
	if (command->argc && rename(path, NETSHIM_HELPER))
		err(EXIT_FAILURE, "cannot put %s in the place of %s (it must be in the same folder)", path,
		    NETSHIM_HELPER);
	printf("%s: cap_dac_override=p\n", NETSHIM_HELPER);
	return EXIT_SUCCESS;
}
