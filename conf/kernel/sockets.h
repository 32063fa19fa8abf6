/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The sockets of this network namespace, and which processes have them open. */

#ifndef NETSHIM_SOCKETS_H
#define NETSHIM_SOCKETS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A socket of TCP or UDP. Of IPv4, an address is the first four bytes; what a socket of
 * IPv6 has with IPv4 is told as the kernel has it, ::ffff:ADDRESS. */
struct inet_socket {
	int family;	/* AF_INET or AF_INET6 */
	int protocol;	/* IPPROTO_TCP or IPPROTO_UDP */
	unsigned state; /* TCP_ESTABLISHED and so on; of UDP, that or TCP_CLOSE */
	struct in6_addr local, remote;
	unsigned local_port, remote_port;
	uint32_t inode; /* 0: nobody has it open any more */
	uid_t user;
	uint32_t classid;
	uint64_t sent, received; /* bytes that TCP has brought there, and here; 0 of UDP */
};

#define SOCKETS_ALL UINT32_MAX

/* Calls visit with each of both families that is in one of the states (1 << TCP_LISTEN and
 * so on). Takes no privilege. False where the kernel cannot be asked (inet_diag). */
bool sockets_each(int protocol, uint32_t states, void (*visit)(const struct inet_socket *socket, void *with),
		  void *with);

/* A descriptor by which the kernel tells of each that goes (those of TCP that were connected,
 * and all of UDP); -1 where it does not. By then, nobody has it open: it has no inode, user or
 * class any more. The second calls visit with those that it has told of so far. */
int sockets_open_gone(void);
void sockets_each_gone(int gone, void (*visit)(const struct inet_socket *socket, void *with), void *with);

/* Finds the one that sends from local to remote, and fills in the rest: all but family,
 * protocol, addresses and ports. */
bool sockets_find(struct inet_socket *socket);

/* Which processes have which sockets open, of any kind; it takes CAP_SYS_PTRACE and
 * CAP_DAC_READ_SEARCH to see those of others. In the order of the inodes, and then of the
 * processes. */
struct socket_holder {
	uint32_t inode;
	pid_t pid;
};
struct socket_holders {
	struct socket_holder *items;
	size_t count;
};
void sockets_read_holders(struct socket_holders *holders);
void sockets_free_holders(struct socket_holders *holders);

/* The first one of an inode, behind which its others are; NULL where there is none. */
const struct socket_holder *sockets_holder(const struct socket_holders *holders, uint32_t inode);

#endif
