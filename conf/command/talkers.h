/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Programs without a rule that talk to the network from no class, and with whom. */

#ifndef NETSHIM_TALKERS_H
#define NETSHIM_TALKERS_H

#include "conf/contract/rules.h"

#include <netinet/in.h>

/* Of IPv4, an address is the first four bytes. */
struct destination {
	int family;
	int protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	struct in6_addr address;
	unsigned port;
};

struct destinations {
	struct destination *items;
	size_t count;
};

struct talker {
	char *path; /* by which a rule would name it */
	uid_t user;
	bool hidden;   /* its path leads to another file by now, or to none */
	bool loopback; /* it talks within this machine, too */
	struct destinations destinations;
};

struct talkers {
	struct talker *items;
	size_t count;
	struct destinations missed; /* those were too short to tell whose they were */
	bool untracked[2];	    /* to where UDP goes that is not connected, by IPv4 and IPv6, nobody has noted */
};

/* Watches for so many seconds, or until a signal (SIGINT) ends that; 0: looks once. */
void talkers_watch(struct talkers *talkers, struct rules *rules, unsigned seconds);

/* Not of the Internet: of a private network, link-local, or multicast. */
bool destination_is_near(const struct destination *destination);
/* "192.0.2.1:53", "[2001:db8::1]:53"; as a configuration has it. */
#define DESTINATION_SIZE (INET6_ADDRSTRLEN + 10)
const char *destination_text(const struct destination *destination, char text[DESTINATION_SIZE]);

#endif
