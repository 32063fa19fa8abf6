/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What has a privilege, and how it ends: see privilege.h. */

#include "helper/privilege.h"

#include "conf/contract/netns.h"
#include "conf/contract/rules.h"
#include "conf/contract/sys.h"

#include <sys/prctl.h>

void fail(int code, const char *path, const char *class, const char *what)
{
	char text[1024];
	char *end = text;
	char *limit = text + sizeof(text) - 1;

	str_append(&end, limit, "netshim: ");
	/* Room is left for the reason, whatever the length of the path. */
	str_append(&end, text + 700, path);
	str_append(&end, limit, ": not started");
	if (*class) {
		str_append(&end, limit, " (class ");
		str_append(&end, limit, class);
		str_append(&end, limit, ")");
	}
	str_append(&end, limit, ": ");
	str_append(&end, limit, what);
	str_printable(text);
	*end++ = '\n';
	sys_write(2, text, (size_t)(end - text));
	for (;;)
		SYS(SYS_exit_group, code, 0, 0, 0, 0);
}

bool get_capabilities(struct __user_cap_data_struct caps[2])
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };

	return !SYS(SYS_capget, &header, caps, 0, 0, 0);
}

bool set_capabilities(struct __user_cap_data_struct caps[2], uint32_t low)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };

	caps[0].permitted = caps[0].effective = low;
	caps[1].permitted = caps[1].effective = 0;
	return !SYS(SYS_capset, &header, caps, 0, 0, 0) && get_capabilities(caps) && caps[0].permitted == low &&
	       caps[0].effective == low && !caps[1].permitted && !caps[1].effective;
}

static bool is_traced(void)
{
	char text[512]; /* as far as that line */
	int fd = sys_open_to_read(AT_FDCWD, "/proc/self/status", 0);
	long n = sys_read(fd, text, sizeof(text) - 1);
	const char *tracer;

	sys_close(fd);
	text[n < 0 ? 0 : n] = '\0';
	for (const char *c = text; *c; c++)
		if ((tracer = str_after(c, "\nTracerPid:\t")))
			return *tracer != '0';
	return true;
}

bool may_gain_again(uint32_t tries)
{
	return !tries && !SYS(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) &&
	       SYS(SYS_getxattr, "/proc/self/exe", "security.capability", 0, 0, 0) > 0 && !is_traced();
}

const char *rules_error(int err)
{
	switch (err) {
	case -EACCES:
		return "this process may not read the rules file; run 'netshim reload' as root, or mend what confines "
		       "the process (AppArmor, for one)";
	case -EPERM:
		return "a sandbox refuses the system calls that it takes to find the program's rule";
	case -EOVERFLOW:
		return "the rules file does not belong to root here (is this a user namespace? if not, run 'netshim "
		       "reload' as root)";
	case -ETXTBSY:
		return "others than root may write to the rules file; run 'netshim reload' as root";
	default:
		return "the rules file is damaged; run 'netshim reload' as root";
	}
}

const char *netns_error(int err)
{
	switch (err) {
	case -ENOENT:
		return "its network namespace " NETNS_MISSING;
	case -EXDEV:
		return "this process is in another network namespace, which nothing leaves by being started";
	case -EACCES:
	case -EINVAL:
		return "what has the name of its network namespace is none, or is not root's alone";
	case -EPERM:
		return "its network namespace may not be entered: " NETSHIM_NETNS
		       " has no capability here (run 'netshim grant' as root), or this process may gain none "
		       "(no_new_privs, a tracer, a nosuid mount, a user namespace)";
	case -ENOSPC:
		return "there are too many network namespaces (max_net_namespaces in namespaces(7))";
	default:
		return "the kernel would not put this process into its network namespace";
	}
}
