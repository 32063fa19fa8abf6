/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What the calling process is to netshim: see process.h. */

#include "conf/contract/process.h"

#include "conf/contract/sys.h"

#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>

/* Returns the group in a line "ID:net_cls,net_prio:/group", or NULL where the
 * line is another hierarchy's. */
static const char *net_cls_group(const char *line)
{
	const char *controllers = line;
	const char *end;
	bool found = false;

	while (*controllers && *controllers++ != ':')
		;
	for (end = controllers; *end && *end != ':'; end += *end == ',') {
		const char *after = str_after(end, "net_cls");

		found = found || (after && (*after == ',' || *after == ':'));
		while (*end && *end != ',' && *end != ':')
			end++;
	}
	return found && *end == ':' ? end + 1 : NULL;
}

/* Reads "/GROUP/CLASS" or "/GROUP/CLASS/locked". */
static void read_group(struct membership *m, const char *group)
{
	const char *rest = str_after(group, "/" NETSHIM_GROUP "/");
	size_t n = 0;

	m->place = group[0] == '/' && !group[1] ? PLACE_ROOT : PLACE_OTHER;
	if (!rest)
		return;
	for (; *rest && *rest != '/' && n < CLASS_NAME_MAX; rest++)
		m->class[n++] = *rest;
	m->class[n] = '\0';
	if (!class_name_valid(m->class))
		return;
	m->locked = str_equal(rest, "/locked");
	if (m->locked || !*rest)
		m->place = PLACE_CLASS;
}

static void read_line(struct membership *m, const char *line)
{
	const char *group = net_cls_group(line);

	if (group)
		read_group(m, group);
}

/* Cuts text at its line breaks. Returns the length of the whole lines in it. */
static size_t split_lines(char *text, size_t size)
{
	size_t whole = 0;

	for (size_t i = 0; i < size; i++) {
		if (text[i] != '\n')
			continue;
		text[i] = '\0';
		whole = i + 1;
	}
	return whole;
}

/* The first thread reaches the same file by a shorter path. The kernel makes each
 * part of a path in /proc when it is first used, so fewer parts cost less. */
static const char *own_cgroup(void)
{
	return sys_is_first_thread() ? "/proc/self/cgroup" : "/proc/thread-self/cgroup";
}

/* A line that is longer than the buffer is nobody's of netshim's. What follows this much
 * of it is left out, and net_cls is found all the same. */
#define LINE_KEPT 512

void process_membership_of(const char *cgroup, struct membership *m)
{
	int fd = sys_open_to_read(AT_FDCWD, cgroup, 0);
	char text[768];
	size_t size = 0;
	long n;

	*m = (struct membership){ .place = PLACE_UNKNOWN };
	if (fd < 0)
		return;
	/* In sequence: for who asks for any other place in it the kernel makes the text
	 * anew, and groups of other hierarchies, whose names a user may choose, are others
	 * by then (seq_read_iter). */
	while (m->place == PLACE_UNKNOWN && (n = sys_read(fd, text + size, sizeof(text) - size)) > 0) {
		size_t whole = split_lines(text, size += (size_t)n);

		for (size_t at = 0; at < whole && m->place == PLACE_UNKNOWN; at += str_len(text + at) + 1)
			read_line(m, text + at);
		memmove(text, text + whole, size -= whole);
		if (size == sizeof(text))
			size = LINE_KEPT;
	}
	sys_close(fd);
}

void process_membership(struct membership *m)
{
	process_membership_of(own_cgroup(), m);
}

uint64_t process_namespace(const char *kind)
{
	/* "cgroup:[NUMBER]". To stat it, the kernel would have to make that inode. */
	char path[32] = "/proc/self/ns/";
	char *end = path + str_len(path);
	char link[48];
	const char *number;
	uint64_t inode;
	long n;

	str_append(&end, path + sizeof(path), kind);
	n = sys_readlink(path, link, sizeof(link) - 1);
	link[n < 0 ? 0 : n] = '\0';
	number = str_after(link, kind);
	number = number ? str_after(number, ":[") : NULL;
	return number && str_number(&number, &inode) ? inode : 0;
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

const char *process_fd_link(char link[PROCESS_FD_LINK_MAX], int fd)
{
	char *end = link;
	char *limit = link + PROCESS_FD_LINK_MAX;

	str_append(&end, limit, sys_is_first_thread() ? "/proc/self/fd/" : "/proc/thread-self/fd/");
	str_append_number(&end, limit, (uint32_t)fd);
	return link;
}

/* Opens the folder that the file has its name in, and cuts path, which is large enough
 * for any, into both. Returns -errno where the file has no name. */
static int open_folder_of(int fd, char path[RULE_PATH_MAX], const char **name)
{
	char link[PROCESS_FD_LINK_MAX];
	long n = sys_readlink(process_fd_link(link, fd), path, RULE_PATH_MAX);
	struct sys_file named;
	struct sys_file meant;
	int folder;

	if (n <= 0 || n == RULE_PATH_MAX || path[0] != '/')
		return -ENOENT;
	for (path[n] = '\0'; path[n - 1] != '/'; n--)
		;
	*name = path + n;
	path[n - 1] = '\0';
	folder = sys_openat(AT_FDCWD, n == 1 ? "/" : path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0 || (!sys_stat(folder, *name, AT_SYMLINK_NOFOLLOW, &named) &&
			   !sys_stat(fd, "", AT_EMPTY_PATH, &meant) && sys_same_file(&named, &meant)))
		return folder;
	sys_close(folder);
	return -ENOENT;
}

int process_exec(int fd, char *const argv[], char *const envp[])
{
	char path[RULE_PATH_MAX];
	const char *name;
	int folder = open_folder_of(fd, path, &name);

	if (folder < 0)
		return sys_execveat(fd, "", argv, envp, AT_EMPTY_PATH);
	return sys_execveat(folder, name, argv, envp, AT_SYMLINK_NOFOLLOW);
}

bool process_raise_descriptors(uint64_t before[2])
{
	uint64_t raised[2];

	if (SYS(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, before, 0) || before[0] == before[1])
		return false;
	raised[0] = raised[1] = before[1];
	return !SYS(SYS_prlimit64, 0, RLIMIT_NOFILE, raised, NULL, 0);
}

void process_lower_descriptors(const uint64_t before[2])
{
	if (before[1])
		SYS(SYS_prlimit64, 0, RLIMIT_NOFILE, before, NULL, 0);
}

void process_log(const char *program, const char *event, const char *class, const char *why)
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
	/* Room is left for the reason, whatever the length of the path. */
	str_append(&end, text + 256, program);
	str_append(&end, limit, ": ");
	str_append(&end, limit, event);
	str_append(&end, limit, " (class ");
	str_append(&end, limit, class);
	str_append(&end, limit, "): ");
	str_append(&end, limit, why);
	str_printable(text);
	sys6(SYS_sendto, fd, (long)text, end - text, MSG_NOSIGNAL, (long)&log, sizeof(log));
	sys_close((int)fd);
}
