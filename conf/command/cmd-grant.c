/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim grant: gives the helper cap_dac_override=p, and nothing else: the installed one,
 * or a new one, which then takes its place. netshim-netns gets its capabilities only while
 * a class with a network namespace is in force. */

#include "conf/command/cmd-grant.h"

#include "conf/command/product.h"
#include "conf/command/verbs.h"
#include "conf/contract/rules.h"
#include "conf/contract/sys.h"
#include "conf/language/alloc.h"
#include "conf/language/begins.h"
#include "conf/language/trust.h"

#include <cap-ng.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

/* A program that is given capabilities. */
static const struct granted {
	const char *path;
	uint32_t caps;
	const char *text;
	const char *without; /* what becomes of whom where it has none */
} helper = { NETSHIM_HELPER, CAP_TO_MASK(CAP_DAC_OVERRIDE), "cap_dac_override=p",
	     "programs that have a class are not started" },
  netns = { NETSHIM_NETNS, CAP_TO_MASK(CAP_SYS_ADMIN) | CAP_TO_MASK(CAP_NET_ADMIN), "cap_net_admin,cap_sys_admin=p",
	    "programs whose class has a network namespace are not started" };

/* libcap-ng (0.8.3) cannot do this: it takes a set with nothing effective for an
 * empty one, and removes the attribute. Reading it back is left to it. */
static int set_capabilities(int fd, uint32_t caps)
{
	const struct vfs_cap_data data = {
		.magic_etc = htole32(VFS_CAP_REVISION_2),
		.data = { { .permitted = htole32(caps) } },
	};

	return fsetxattr(fd, "security.capability", &data, XATTR_CAPS_SZ_2, 0);
}

static bool is_granted(int fd, const struct granted *program)
{
	if (capng_get_caps_fd(fd))
		return false;
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (!!capng_have_capability(CAPNG_PERMITTED, cap) != (cap < 32 && program->caps >> cap & 1) ||
		    capng_have_capability(CAPNG_INHERITABLE, cap))
			return false;
	return true;
}

/* Opens a program at path, which others than root must not be able to change: they would
 * get the capability. Returns -1, and says why. */
static int open_program(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	char *changeable;

	if (fd < 0 || fstat(fd, &st)) {
		warn("cannot open %s (if it is missing, install netshim again)", path);
		return -1;
	}
	changeable = trust_changeable(path);
	if (!S_ISREG(st.st_mode) || trust_is_others(&st))
		warnx("%s can be changed by others than root; run: chown root %s && chmod 755 %s", path, path, path);
	else if (changeable)
		warnx("others than root can change %s, and so replace %s; make it root's, and writable by nobody else",
		      changeable, path);
	else
		return fd;
	free(changeable);
	close(fd);
	return -1;
}

static bool give(int fd, const struct granted *program, const char *path)
{
	bool ok = is_granted(fd, program) || !set_capabilities(fd, program->caps);

	if (!ok)
		warn("cannot give %s its capability (its file system must support extended attributes)", path);
	else if (!(ok = is_granted(fd, program)))
		warnx("%s has not got %s and nothing else; reinstall netshim", path, program->text);
	return ok;
}

static void take_away(const char *path)
{
	/* What has none may be on a file system that cannot be written to (EROFS). */
	if (getxattr(path, "security.capability", NULL, 0) >= 0 && removexattr(path, "security.capability"))
		warn("cannot take the capabilities from %s", path);
}

/* What a program lacks; NULL where it lacks nothing. */
static const char *lacks(const struct granted *program)
{
	int fd = open(program->path, O_RDONLY | O_CLOEXEC);
	const char *wrong = NULL;
	struct statvfs fs;

	/* To execute it, nobody needs to read it. */
	if (fd < 0)
		return errno == EACCES ? NULL
				       : printed("%s%s", strerror(errno),
						 no_descriptor_free(-errno) ? "" : "; install netshim again");
	if (!fstatvfs(fd, &fs) && fs.f_flag & ST_NOSUID)
		wrong = "its file system is mounted nosuid, which lets it have no capability; mount it without that";
	else if (!is_granted(fd, program))
		wrong = "it has not its capability; run 'netshim grant' as root";
	close(fd);
	return wrong;
}

const char *grant_wrong(void)
{
	return lacks(&helper);
}

const char *grant_netns_wrong(void)
{
	return lacks(&netns);
}

char *grant_closed(const char *path)
{
	return trust_closed(path, TRUST_EXECUTE);
}

static bool check(const struct granted *program)
{
	const char *wrong = lacks(program);
	char *closed = grant_closed(program->path);
	bool well = !wrong && !closed;

	if (wrong)
		warnx("%s: %s: %s", program->without, program->path, wrong);
	if (closed)
		warnx("%s for users who may not use %s; run 'chmod 755 %s' as root", program->without, closed, closed);
	free(closed);
	return well;
}

/* Tells whether what is in force has a class with a network namespace. */
static bool rules_have_netns(void)
{
	struct rules_class class;
	struct rules rules;
	bool found = false;

	if (rules_open(&rules, true))
		return false;
	for (uint32_t i = 0; !found && rules_class(&rules, i, &class, NULL); i++)
		found = class.flags & CLASS_NETNS;
	rules_close(&rules);
	return found;
}

bool grant_check(void)
{
	bool helped = check(&helper);

	return (!rules_have_netns() || check(&netns)) && helped;
}

bool grant_for(const struct ruleset *set)
{
	bool wanted = false;
	int fd;
	bool ok;

	for (size_t i = 0; !wanted && i < set->class_count; i++)
		wanted = set->classes[i].netns;
	if (!wanted)
		return true;
	fd = open_program(netns.path);
	ok = fd >= 0 && give(fd, &netns, netns.path);
	if (fd >= 0)
		close(fd);
	return ok;
}

void grant_no_more(void)
{
	if (!rules_have_netns())
		take_away(netns.path);
}

static bool is_in_same_folder(const char *path, const char *other_path)
{
	char *copy = copied(path);
	char *other_copy = copied(other_path);
	struct stat st;
	struct stat other;
	bool is = !stat(dirname(copy), &st) && !stat(dirname(other_copy), &other) && st.st_dev == other.st_dev &&
		  st.st_ino == other.st_ino;

	free(copy);
	free(other_copy);
	return is;
}

/* Whether it can be the program: else it gets no capability, and replaces nothing. */
static bool is_fit(int fd, const struct granted *program, const char *path)
{
	char *version = product_version(path);
	struct stat st;
	bool fit = false;

	if (!is_in_same_folder(path, program->path))
		warnx("cannot put %s in the place of %s (it must be in the same folder)", path, program->path);
	else if (!version)
		warnx("cannot put %s in the place of %s (it is not netshim's)", path, program->path);
	else if (fstat(fd, &st) || !(st.st_mode & 0111)) /* dpkg-statoverride may say who */
		warnx("%s has mode %o, so nobody can run it; run: chmod 755 %s", path, st.st_mode & 07777, path);
	else
		fit = true;
	free(version);
	return fit;
}

/* path has its capabilities by now. */
static bool put_in_place(const struct granted *program, const char *path)
{
	if (!strcmp(path, program->path) || !rename(path, program->path))
		return true;
	warn("cannot put %s in the place of %s", path, program->path);
	take_away(path);
	return false;
}

/* A new netshim-netns has its name, with something behind it. */
static bool is_netns(const char *path)
{
	char *copy = copied(path);
	char *own = copied(netns.path);
	bool is = begins(basename(copy), basename(own));

	free(own);
	free(copy);
	return is;
}

static bool grant_one(const char *path)
{
	const struct granted *program = is_netns(path) ? &netns : &helper;
	bool wanted = program == &helper || rules_have_netns();
	int fd = open_program(path);
	bool ok = fd >= 0 && is_fit(fd, program, path) && (!wanted || give(fd, program, path));

	if (ok && !wanted)
		take_away(path);
	ok = ok && put_in_place(program, path);
	if (ok && wanted)
		printf("%s: %s\n", program->path, program->text);
	if (fd >= 0)
		close(fd);
	return ok;
}

int cmd_grant(const struct command *command)
{
	bool ok = true;

	if (!command->argc)
		return grant_one(helper.path) && (access(netns.path, F_OK) || grant_one(netns.path)) ? EXIT_SUCCESS
												     : EXIT_FAILURE;
	for (int i = 0; ok && i < command->argc; i++)
		ok = grant_one(command->argv[i]);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
