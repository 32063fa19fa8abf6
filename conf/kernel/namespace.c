/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Named network namespaces: see namespace.h. A name is a file that the namespace is mounted
 * on. */

#include "conf/kernel/namespace.h"

#include "conf/contract/netns.h"
#include "conf/contract/rules.h"
#include "conf/kernel/setting.h"
#include "conf/language/alloc.h"
#include "conf/language/value.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWN "/proc/self/ns/net"
#define PING_GROUPS "/proc/sys/net/ipv4/ping_group_range"

static int home = -1;

int namespace_home(void)
{
	if (home < 0)
		home = open(OWN, O_RDONLY | O_CLOEXEC);
	return home;
}

static char *path_of(const char *name)
{
	return printed(NETNS_FOLDER "/%s", name);
}

bool namespace_is_there(const char *name)
{
	int fd = netns_open(name);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Not one that is looked for in vain. */
static int open_named(const char *name)
{
	int fd = netns_open(name);

	if (fd < 0)
		errno = -fd;
	return fd;
}

bool namespace_enter(const char *name)
{
	int fd = namespace_home() < 0 ? -1 : open_named(name);
	bool is_home = fd >= 0 && netns_inode(fd) == netns_inode(home);
	bool ok = fd >= 0 && !is_home && !setns(fd, CLONE_NEWNET);

	if (is_home)
		warnx("the network namespace '%s' is the one that netshim is in; choose another one", name);
	else if (!ok)
		warn("cannot enter the network namespace '%s'", name);
	if (fd >= 0)
		close(fd);
	return ok;
}

/* Who goes on in the wrong one would filter and change what is others'. */
void namespace_leave(void)
{
	if (home >= 0 && setns(home, CLONE_NEWNET)) {
		warn("cannot go back to this machine's network namespace");
		_exit(EXIT_FAILURE);
	}
}

/* By its name, or where that is long or has letters that interfaces cannot have, by a number
 * made of it. */
void namespace_link(const char *name, char link[IF_NAMESIZE])
{
	uint32_t hash = 0;

	if (strlen(name) < IF_NAMESIZE - 3 && interface_name_valid(name)) {
		snprintf(link, IF_NAMESIZE, NAMESPACE_LINK "%s", name);
		return;
	}
	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * UINT32_C(0x01000193);
	snprintf(link, IF_NAMESIZE, NAMESPACE_LINK "%08x", hash);
}

static bool set_loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && !ioctl(fd, SIOCSIFFLAGS, &request);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* As `ip netns add` does: a mount point of its own, so that what is mounted in it is seen in
 * other mount namespaces, and can be unmounted by whoever made it. */
static bool share_folder(void)
{
	if (mkdir(NETNS_FOLDER, 0755) && errno != EEXIST)
		return false;
	if (!mount("", NETNS_FOLDER, "none", MS_SHARED | MS_REC, NULL))
		return true;
	return errno == EINVAL && !mount(NETNS_FOLDER, NETNS_FOLDER, "none", MS_BIND | MS_REC, NULL) &&
	       !mount("", NETNS_FOLDER, "none", MS_SHARED | MS_REC, NULL);
}

/* A file that is left of a command that was killed is no namespace. */
static bool make_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0444);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Who may ping without a privilege, as everybody may on Debian 13, may do so in there, too: in a
 * new namespace nobody may (ping_group_range in icmp(7)). */
bool namespace_make(const char *name)
{
	char groups[64];
	char *path = path_of(name);
	bool ok;

	setting_read(PING_GROUPS, groups, sizeof(groups));
	ok = namespace_home() >= 0 && share_folder() && make_file(path) && !unshare(CLONE_NEWNET) &&
	     set_loopback_up() && !mount(OWN, path, "none", MS_BIND, NULL);
	if (!ok)
		warn("cannot make the network namespace '%s'", name);
	else
		setting_write(PING_GROUPS, groups);
	namespace_leave();
	if (!ok)
		unlink(path);
	free(path);
	return ok;
}

bool namespace_unmake(const char *name)
{
	char *path = path_of(name);
	bool ok = (!umount2(path, MNT_DETACH) || errno == EINVAL || errno == ENOENT) &&
		  (!unlink(path) || errno == ENOENT);

	if (!ok)
		warn("cannot remove the network namespace '%s'", name);
	free(path);
	return ok;
}
