/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim grant: gives the installed helper cap_dac_override=p, and nothing else. */

#include "conf/command/verbs.h"
#include "conf/contract/rules.h"
#include "conf/language/alloc.h"
#include "conf/language/trust.h"

#include <cap-ng.h>
#include <endian.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>
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

int cmd_grant(const struct command *command)
{
	int fd = open(NETSHIM_HELPER, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	char *changeable;

	(void)command;
	if (fd < 0 || fstat(fd, &st))
		err(EXIT_FAILURE, "cannot open %s (run 'make install')", NETSHIM_HELPER);
	/* Whoever may write to it would get the capability. */
	if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
		errx(EXIT_FAILURE, "%s can be changed by others than root; run: chown root %s && chmod 755 %s",
		     NETSHIM_HELPER, NETSHIM_HELPER, NETSHIM_HELPER);
	changeable = trust_changeable(NETSHIM_HELPER);
	if (changeable)
		errx(EXIT_FAILURE,
		     "others than root can change %s, and so replace the helper; make it root's, and writable by "
		     "nobody else",
		     changeable);
	if (set_dac_override(fd))
		err(EXIT_FAILURE, "cannot give %s its capability (its file system must support extended attributes)",
		    NETSHIM_HELPER);
	if (capng_get_caps_fd(fd) || !only_dac_override())
		errx(EXIT_FAILURE, "%s has not got cap_dac_override=p and nothing else; reinstall netshim",
		     NETSHIM_HELPER);
	close(fd);
	printf("%s: cap_dac_override=p\n", NETSHIM_HELPER);
	return EXIT_SUCCESS;
}
