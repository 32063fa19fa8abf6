/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What the calling process is to netshim: see process.h. */

#include "conf/process.h"

#include "conf/sys.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>

/* Returns the group in a line "ID:net_cls,net_prio:/group", or NULL where the
 * line is another hierarchy's. */
static const char *net_cls_group(const char *line)
{
	const char *p = line;

	while (*p && *p != ':' && *p != '\n')
		p++;
	while (*p == ':' || *p == ',') {
		const char *end = str_after(++p, "net_cls");

		if (end && (*end == ':' || *end == ',')) {
			while (*end != ':' && *end != '\n' && *end)
				end++;
			return *end == ':' ? end + 1 : NULL;
		}
		while (*p && *p != ',' && *p != ':' && *p != '\n')
			p++;
		if (*p == ':')
			break;
	}
	return NULL;
}

/* Reads "/GROUP/CLASS" or "/GROUP/CLASS/locked". */
static void read_group(struct membership *m, const char *group)
{
	const char *rest = str_after(group, "/" NETSHIM_GROUP "/");
	size_t n = 0;

	m->place = PLACE_OTHER;
	if (group[0] == '/' && (group[1] == '\n' || !group[1]))
		m->place = PLACE_ROOT;
	if (!rest)
		return;
	for (; *rest && *rest != '/' && *rest != '\n' && n < CLASS_NAME_MAX; rest++)
		m->class[n++] = *rest;
	m->class[n] = '\0';
	if (*rest == '/') {
		rest = str_after(rest, "/locked");
		m->locked = true;
	}
	if (rest && (*rest == '\n' || !*rest) && class_name_valid(m->class))
		m->place = PLACE_CLASS;
}

void process_membership(struct membership *m)
{
	char text[3072];
	const char *line = text;
	const char *group = NULL;

	*m = (struct membership){ .place = PLACE_UNKNOWN };
	if (sys_read_file("/proc/thread-self/cgroup", text, sizeof(text)) < 0)
		return;
	while (*line && !group) {
		group = net_cls_group(line);
		while (*line && *line++ != '\n')
			;
	}
	if (group)
		read_group(m, group);
}

bool process_traced(void)
{
	char text[1024];
	const char *p = text;
	const char *pid = NULL;

	if (sys_read_file("/proc/thread-self/status", text, sizeof(text)) < 0)
		return false;
	while (*p && !(pid = str_after(p, "TracerPid:\t")))
		while (*p && *p++ != '\n')
			;
	return pid && *pid != '0';
}

bool process_has_ambient(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	/* The ambient set is part of the inheritable one, which is nearly always
	 * empty. */
	if (SYS(SYS_capget, &header, data, 0, 0, 0) || !(data[0].inheritable | data[1].inheritable))
		return false;
	for (unsigned cap = 0; cap < 64; cap++)
		if (SYS(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1)
			return true;
	return false;
}

void process_log_unclassified(const char *program, const char *class, const char *why)
{
	static const struct sockaddr_un log = { AF_UNIX, "/dev/log" };
	char text[512];
	char *end = text;
	char *limit = text + sizeof(text);
	long fd = SYS(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, 0, 0);

	if (fd < 0)
		return;
	str_append(&end, limit, "<");
	str_append_number(&end, limit, LOG_AUTH | LOG_WARNING);
	str_append(&end, limit, ">netshim[");
	str_append_number(&end, limit, (uint64_t)SYS(SYS_getpid, 0, 0, 0, 0, 0));
	str_append(&end, limit, "]: ");
	str_append(&end, limit, program);
	str_append(&end, limit, ": started unclassified (class ");
	str_append(&end, limit, class);
	str_append(&end, limit, "): ");
	str_append(&end, limit, why);
	str_printable(text);
	sys6(SYS_sendto, fd, (long)text, end - text, MSG_NOSIGNAL, (long)&log, sizeof(log));
	sys_close((int)fd);
}
