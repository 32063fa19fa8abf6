/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Addresses of either family in one type. Of one of IPv4's, the first four bytes count. */

#ifndef NETSHIM_ADDRESS_H
#define NETSHIM_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>

static inline unsigned address_bits(int family)
{
	return family == AF_INET ? 32 : 128;
}

static inline bool address_bit(const struct in6_addr *address, unsigned index)
{
	return address->s6_addr[index / 8] & (0x80 >> index % 8);
}

/* Tells whether both are in one network that has a prefix of so many bits. */
static inline bool addresses_share(const struct in6_addr *a, const struct in6_addr *b, unsigned bits)
{
	for (unsigned i = 0; i < bits; i++)
		if (address_bit(a, i) != address_bit(b, i))
			return false;
	return true;
}

#endif
