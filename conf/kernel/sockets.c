/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Sockets, from the kernel's list of them (sock_diag), and their processes, from /proc,
 * which names sockets by their inode: see sockets.h. */

#include "conf/kernel/sockets.h"

#include "conf/language/alloc.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <unistd.h>

/* The number of INET_DIAG_CLASS_ID is too high to be asked for: it comes with that of
 * TCLASS (inet_diag_msg_attrs_fill). */
#define WANTED (1 << (INET_DIAG_TCLASS - 1) | 1 << (INET_DIAG_INFO - 1))

struct visit {
	int protocol;
	void (*call)(const struct inet_socket *socket, void *with);
	void *with;
};

/* Of the kernel's struct tcp_info, of which neither libc's has all; older kernels have less. */
struct counts {
	char before[120];
	uint64_t acknowledged, received;
};

static struct counts counts_of(struct nlmsghdr *header, int protocol)
{
	const struct nlattr *info = nlmsg_find_attr(header, sizeof(struct inet_diag_msg), INET_DIAG_INFO);
	struct counts counts = { .acknowledged = 0 };

	if (info && protocol == IPPROTO_TCP)
		nla_memcpy(&counts, info, sizeof(counts));
	return counts;
}

static struct inet_socket socket_of(struct nlmsghdr *header, int protocol)
{
	const struct inet_diag_msg *m = nlmsg_data(header);
	const struct nlattr *classid = nlmsg_find_attr(header, sizeof(*m), INET_DIAG_CLASS_ID);
	struct counts counts = counts_of(header, protocol);
	struct inet_socket s = {
		.family = m->idiag_family,
		.protocol = protocol,
		.state = m->idiag_state,
		.local_port = ntohs(m->id.idiag_sport),
		.remote_port = ntohs(m->id.idiag_dport),
		.inode = m->idiag_inode,
		.user = m->idiag_uid,
		.classid = classid ? nla_get_u32(classid) : 0,
		.sent = counts.acknowledged,
		.received = counts.received,
	};
	size_t size = s.family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);

	memcpy(&s.local, m->id.idiag_src, size);
	memcpy(&s.remote, m->id.idiag_dst, size);
	return s;
}

static int hear_socket(struct nl_msg *message, void *with)
{
	const struct visit *visit = with;
	struct nlmsghdr *header = nlmsg_hdr(message);
	struct inet_socket socket;

	if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY || !nlmsg_valid_hdr(header, sizeof(struct inet_diag_msg)))
		return NL_SKIP;
	socket = socket_of(header, visit->protocol);
	visit->call(&socket, visit->with);
	return NL_OK;
}

static bool ask(const struct inet_diag_req_v2 *request, int flags, struct visit *visit)
{
	struct nl_sock *diag = nl_socket_alloc();
	bool ok = diag && !nl_connect(diag, NETLINK_SOCK_DIAG);

	if (ok) {
		nl_socket_modify_cb(diag, NL_CB_VALID, NL_CB_CUSTOM, hear_socket, visit);
		/* Of one socket, the answer is all: no acknowledgement comes behind it. */
		nl_socket_disable_auto_ack(diag);
		ok = nl_send_simple(diag, SOCK_DIAG_BY_FAMILY, flags, (void *)(uintptr_t)request, sizeof(*request)) >=
			     0 &&
		     nl_recvmsgs_default(diag) >= 0;
	}
	nl_socket_free(diag);
	return ok;
}

bool sockets_each(int protocol, uint32_t states, void (*visit)(const struct inet_socket *socket, void *with),
		  void *with)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct visit call = { protocol, visit, with };
	bool ok = true;

	for (size_t i = 0; i < sizeof(families); i++) {
		const struct inet_diag_req_v2 request = {
			.sdiag_family = families[i],
			.sdiag_protocol = (uint8_t)protocol,
			.idiag_ext = WANTED,
			.idiag_states = states,
		};

		/* A kernel without IPv6 is none that cannot be asked. */
		ok = ask(&request, NLM_F_DUMP, &call) && ok;
	}
	return ok;
}

/* Its number is that of struct sockaddr_nl's bits, plus one (nl_mgrp). */
static uint32_t group(enum sknetlink_groups number)
{
	return 1U << (number - 1);
}

int sockets_open_gone(void)
{
	struct sockaddr_nl groups = {
		.nl_family = AF_NETLINK,
		.nl_groups = group(SKNLGRP_INET_TCP_DESTROY) | group(SKNLGRP_INET_UDP_DESTROY) |
			     group(SKNLGRP_INET6_TCP_DESTROY) | group(SKNLGRP_INET6_UDP_DESTROY),
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);

	if (fd < 0 || !bind(fd, (struct sockaddr *)&groups, sizeof(groups)))
		return fd;
	close(fd);
	return -1;
}

static void tell_gone(struct nlmsghdr *header, void (*visit)(const struct inet_socket *socket, void *with), void *with)
{
	const struct nlattr *protocol = nlmsg_find_attr(header, sizeof(struct inet_diag_msg), INET_DIAG_PROTOCOL);
	struct inet_socket socket;

	if (!protocol || !nlmsg_valid_hdr(header, sizeof(struct inet_diag_msg)))
		return;
	socket = socket_of(header, nla_get_u8(protocol));
	visit(&socket, with);
}

void sockets_each_gone(int gone, void (*visit)(const struct inet_socket *socket, void *with), void *with)
{
	_Alignas(struct nlmsghdr) char text[16384];
	ssize_t n;

	while ((n = recv(gone, text, sizeof(text), 0)) > 0) {
		struct nlmsghdr *header = (struct nlmsghdr *)text;
		int left = (int)n;

		for (; nlmsg_ok(header, left); header = nlmsg_next(header, &left))
			tell_gone(header, visit, with);
	}
}

static void take(const struct inet_socket *socket, void *with)
{
	struct inet_socket *found = with;

	found->state = socket->state;
	found->inode = socket->inode;
	found->user = socket->user;
	found->classid = socket->classid;
	found->sent = socket->sent;
	found->received = socket->received;
}

/* Asked for one, UDP takes source and destination for those of a packet that comes in
 * (udp_dump_one). */
bool sockets_find(struct inet_socket *socket)
{
	struct visit visit = { socket->protocol, take, socket };
	bool turned = socket->protocol == IPPROTO_UDP;
	const struct in6_addr *source = turned ? &socket->remote : &socket->local;
	const struct in6_addr *destination = turned ? &socket->local : &socket->remote;
	struct inet_diag_req_v2 request = {
		.sdiag_family = (uint8_t)socket->family,
		.sdiag_protocol = (uint8_t)socket->protocol,
		.idiag_ext = WANTED,
		.idiag_states = SOCKETS_ALL,
		.id.idiag_sport = htons((uint16_t)(turned ? socket->remote_port : socket->local_port)),
		.id.idiag_dport = htons((uint16_t)(turned ? socket->local_port : socket->remote_port)),
		.id.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE },
	};

	memcpy(request.id.idiag_src, source, sizeof(*source));
	memcpy(request.id.idiag_dst, destination, sizeof(*destination));
	return ask(&request, 0, &visit);
}

static void add_holders(struct socket_holders *holders, pid_t pid)
{
	char path[64];
	const struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		char link[64];
		ssize_t size = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
		uint32_t inode;

		link[size < 0 ? 0 : size] = '\0';
		if (sscanf(link, "socket:[%" SCNu32 "]", &inode) != 1)
			continue;
		holders->items = grown(holders->items, holders->count, sizeof(*holders->items));
		holders->items[holders->count++] = (struct socket_holder){ inode, pid };
	}
	if (dir)
		closedir(dir);
}

static int compare_holders(const void *a, const void *b)
{
	const struct socket_holder *one = a;
	const struct socket_holder *other = b;

	if (one->inode != other->inode)
		return (one->inode > other->inode) - (one->inode < other->inode);
	return (one->pid > other->pid) - (one->pid < other->pid);
}

void sockets_read_holders(struct socket_holders *holders)
{
	DIR *dir = opendir("/proc");
	const struct dirent *entry;

	*holders = (struct socket_holders){ .items = NULL };
	while (dir && (entry = readdir(dir)))
		if (isdigit((unsigned char)*entry->d_name))
			add_holders(holders, (pid_t)strtol(entry->d_name, NULL, 10));
	if (dir)
		closedir(dir);
	if (holders->count)
		qsort(holders->items, holders->count, sizeof(*holders->items), compare_holders);
}

void sockets_free_holders(struct socket_holders *holders)
{
	free(holders->items);
	*holders = (struct socket_holders){ .items = NULL };
}

const struct socket_holder *sockets_holder(const struct socket_holders *holders, uint32_t inode)
{
	size_t from = 0;
	size_t to = holders->count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (holders->items[middle].inode < inode)
			from = middle + 1;
		else
			to = middle;
	}
	return from < holders->count && holders->items[from].inode == inode ? &holders->items[from] : NULL;
}
