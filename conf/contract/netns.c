/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Network namespaces: see netns.h. */

#include "conf/contract/netns.h"

#include "conf/contract/process.h"
#include "conf/contract/rules.h"
#include "conf/contract/sys.h"

#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/vfs.h>

/* Who may change the folder may have the name lead elsewhere. What is mounted at the name
 * belongs to root by itself (nsfs), and anybody may open it. */
static int open_named(const char *name)
{
	int dir = sys_openat(AT_FDCWD, NETNS_FOLDER, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct sys_file file;
	int fd = -EACCES;

	if (dir < 0)
		return dir;
	if (!sys_stat(dir, "", AT_EMPTY_PATH, &file) && !file_others_may_change(&file))
		fd = sys_open_to_read(dir, name, O_NOFOLLOW);
	sys_close(dir);
	return fd;
}

static int check(int fd)
{
	struct statfs fs;
	uint64_t owner;
	int user;

	/* No other file system may be asked by ioctl. */
	if (SYS(SYS_fstatfs, fd, &fs, 0, 0, 0) || fs.f_type != NSFS_MAGIC ||
	    SYS(SYS_ioctl, fd, NS_GET_NSTYPE, 0, 0, 0) != CLONE_NEWNET)
		return -EINVAL;
	/* Refused where it is that of one above the caller's. */
	user = (int)SYS(SYS_ioctl, fd, NS_GET_USERNS, 0, 0, 0);
	if (user < 0)
		return no_descriptor_free(user) ? user : -EINVAL;
	owner = netns_inode(user);
	sys_close(user);
	return owner && owner == process_namespace("user") ? 0 : -EINVAL;
}

int netns_open(const char *name)
{
	int fd = open_named(name);
	int err;

	if (fd < 0)
		return fd == -ELOOP ? -EINVAL : fd;
	err = check(fd);
	if (!err)
		return fd;
	sys_close(fd);
	return err;
}

uint64_t netns_inode(int fd)
{
	struct sys_file file;

	return sys_stat(fd, "", AT_EMPTY_PATH, &file) ? 0 : file.inode;
}

uint64_t netns_own(void)
{
	return process_namespace("net");
}

bool netns_is_named(const char *name)
{
	int fd = netns_open(name);
	bool is;

	if (fd < 0)
		return false;
	is = netns_inode(fd) == netns_own();
	sys_close(fd);
	return is;
}

bool netns_is_private(uint64_t host)
{
	uint64_t own = netns_own();

	return host && own && own != host;
}
