/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Who was it: see culprit.h.
 *
 * The kernel tells of a packet's sender the user, and not the process. But the socket is
 * there as long as the program waits or tries again, and says the inode by which /proc
 * knows it. A connection that is reset has none any more: then it was one of those in the
 * class that run as that user. */

#include "conf/command/culprit.h"

#include "conf/contract/sys.h"
#include "conf/kernel/cgroup.h"
#include "conf/kernel/sockets.h"
#include "conf/language/alloc.h"

#include <sys/stat.h>
#include <unistd.h>

struct search {
	const struct refusal *refusal;
	uint32_t inode;
	struct culprit *culprit;
	size_t count; /* of those that it may be */
};

static void take_if_it(const struct inet_socket *socket, void *with)
{
	struct search *s = with;
	const struct refusal *r = s->refusal;

	if (socket->inode && socket->classid == r->classid && socket->user == r->user &&
	    socket->remote_port == r->remote_port && socket->family == r->family &&
	    !memcmp(&socket->remote, &r->remote, sizeof(r->remote)))
		s->inode = socket->inode;
}

/* 0 where it is not there any more, or has none of TCP or UDP. */
static void find_inode(struct search *s)
{
	const struct refusal *r = s->refusal;
	struct inet_socket socket = { .family = r->family,
				      .protocol = r->protocol,
				      .local = r->local,
				      .remote = r->remote,
				      .local_port = r->local_port,
				      .remote_port = r->remote_port };

	if (r->protocol != IPPROTO_TCP && r->protocol != IPPROTO_UDP)
		return;
	if (!r->local_port)
		sockets_each(r->protocol, SOCKETS_ALL, take_if_it, s);
	else if (sockets_find(&socket))
		s->inode = socket.inode;
}

static void read_name(pid_t pid, char name[16])
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "re");
	if (file && fgets(name, 16, file))
		name[strcspn(name, "\n")] = '\0';
	str_printable(name);
	if (file)
		fclose(file);
}

/* It had a socket, and was there before the packet. */
static bool may_be_it(pid_t pid, const struct refusal *refusal)
{
	uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK);
	int64_t ago = refusals_now() - refusal->last;
	struct process process;

	return process_read(pid, &process) &&
	       process.started + (ago > 0 ? (uint64_t)ago * ticks / 1000 : 0) <= processes_now() &&
	       sockets_any_held_by(pid);
}

static bool is_of_user(pid_t pid, uid_t user)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	return !stat(path, &st) && (st.st_uid == user || user == (uid_t)-1);
}

static void look_at(const char *id, const void *with)
{
	struct search *s = *(struct search *const *)with;
	pid_t pid = (pid_t)strtol(id, NULL, 10);
	char name[16] = "";

	if (s->culprit->sure)
		return;
	if (sockets_held_by(s->inode, pid)) {
		s->culprit->pid = pid;
		s->culprit->sure = true;
	} else if (is_of_user(pid, s->refusal->user) && may_be_it(pid, s->refusal)) {
		read_name(pid, name);
		process_names_add(&s->culprit->others, name, pid);
		s->culprit->pid = s->count++ ? 0 : pid;
	}
}

static void find_unclassified(struct search *s)
{
	struct socket_holders holders;
	const struct socket_holder *holder;

	if (!s->inode)
		return;
	sockets_read_holders(&holders);
	holder = sockets_holder(&holders, s->inode);
	s->culprit->pid = holder ? holder->pid : 0;
	s->culprit->sure = holder;
	sockets_free_holders(&holders);
}

static void read_program(struct culprit *culprit)
{
	char path[64];
	ssize_t size;

	snprintf(path, sizeof(path), "/proc/%d/exe", culprit->pid);
	size = culprit->pid ? readlink(path, culprit->program, sizeof(culprit->program) - 1) : 0;
	culprit->program[size < 0 ? 0 : size] = '\0';
	if (culprit->pid && !*culprit->program)
		read_name(culprit->pid, culprit->program);
	str_printable(culprit->program);
}

void culprit_find(const struct refusal *refusal, const char *class, struct culprit *culprit)
{
	struct search search = { refusal, 0, culprit, 0 };
	const struct search *with = &search;

	*culprit = (struct culprit){ .pid = 0 };
	find_inode(&search);
	if (*class) {
		cgroup_each_process(class, false, look_at, &with);
		cgroup_each_process(class, true, look_at, &with);
	} else {
		find_unclassified(&search);
	}
	read_program(culprit);
}
