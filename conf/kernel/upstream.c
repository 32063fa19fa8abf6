/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The resolvers of this machine: see upstream.h. */

#include "conf/kernel/upstream.h"

#include "conf/language/alloc.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>

#define PORT 53

socklen_t upstream_size(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static struct sockaddr_storage address_of(const struct endpoint *resolver)
{
	union {
		struct sockaddr_storage any;
		struct sockaddr_in four;
		struct sockaddr_in6 six;
	} address = { .any.ss_family = (sa_family_t)resolver->family };

	if (resolver->family == AF_INET) {
		memcpy(&address.four.sin_addr, &resolver->address, sizeof(address.four.sin_addr));
		address.four.sin_port = htons((uint16_t)resolver->port);
	} else {
		address.six.sin6_addr = resolver->address;
		address.six.sin6_port = htons((uint16_t)resolver->port);
	}
	return address.any;
}

/* With the interface of a link-local one: "fe80::1%eth0". */
static void add_numeric(const char *text, struct upstream *upstream)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM };
	struct addrinfo *found = NULL;

	if (upstream->count == UPSTREAM_MOST || getaddrinfo(text, "53", &hints, &found))
		return;
	memcpy(&upstream->servers[upstream->count++], found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
}

static void read_file(struct upstream *upstream)
{
	FILE *file = fopen(UPSTREAM_FILE, "re");
	char line[512];
	char word[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "nameserver %127s", word) == 1)
			add_numeric(word, upstream);
	if (file)
		fclose(file);
	if (!upstream->count)
		add_numeric("127.0.0.1", upstream);
}

void upstream_find(const struct endpoint_list *list, struct upstream *upstream)
{
	*upstream = (struct upstream){ .count = 0 };
	for (size_t i = 0; i < list->count && upstream->count < UPSTREAM_MOST; i++)
		upstream->servers[upstream->count++] = address_of(&list->items[i]);
	if (!list->count)
		read_file(upstream);
}

static struct endpoint resolver_of(const struct sockaddr_storage *address)
{
	struct endpoint resolver = { .family = address->ss_family, .port = PORT };

	if (resolver.family == AF_INET)
		memcpy(&resolver.address, &((const struct sockaddr_in *)address)->sin_addr, sizeof(struct in_addr));
	else
		resolver.address = ((const struct sockaddr_in6 *)address)->sin6_addr;
	return resolver;
}

static bool is_here(const struct endpoint *resolver)
{
	return resolver->family == AF_INET ? resolver->address.s6_addr[0] == IN_LOOPBACKNET
					   : IN6_IS_ADDR_LOOPBACK(&resolver->address);
}

void upstream_asked(struct endpoint_list *list)
{
	struct upstream upstream = { .count = 0 };
	bool any_here = false;

	read_file(&upstream);
	for (size_t i = 0; i < upstream.count; i++) {
		struct endpoint resolver = resolver_of(&upstream.servers[i]);

		any_here = any_here || is_here(&resolver);
	}
	for (size_t i = 0; i < upstream.count; i++) {
		struct endpoint resolver = resolver_of(&upstream.servers[i]);

		if (any_here && !is_here(&resolver))
			continue;
		list->items = grown(list->items, list->count, sizeof(*list->items));
		list->items[list->count++] = resolver;
	}
}
