/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What the words of allow and deny match. */

#ifndef NETSHIM_POLICY_ALLOW_H
#define NETSHIM_POLICY_ALLOW_H

#include "conf/kernel/networks.h"
#include "conf/language/ruleset.h"

#include <stdio.h>

/* The rules that do what "then" says with the packets that the word is for: of allow,
 * of deny, or of those of the kernel's own tunnels. neighbours names the sets that
 * `link` is told by: "neighbours" for classes, "others" for what is in none. */
void policy_write_peer(FILE *out, const struct peer *a, const char *neighbours, const char *then);
void policy_write_denial(FILE *out, const struct peer *a, const char *neighbours, const char *then);
void policy_write_tunnels(FILE *out, const struct ruleset *set, const char *then);

/* The same for answers of a server: the word is for whom they go to and from which port. */
void policy_write_client(FILE *out, const struct peer *a);

/* What these need where they have an address and a port. */
void policy_write_protocols(FILE *out, const struct ruleset *set);

/* Tells whether the word is for a packet; denied is that of policy_write_denial. */
struct packet_end {
	int family;
	struct in6_addr address;
	int protocol;
	unsigned port;
	bool local;	/* on this machine */
	bool neighbour; /* reached without a gateway */
};
bool policy_is_single(const struct peer *a); /* an address, and no network */
bool policy_matches(const struct peer *a, const struct packet_end *to, bool denied);

/* What happens to who is refused whatever is lifted: a statement of nftables. And what
 * action and deny do, which `netshim lift` can lift: where it is, the packet comes back
 * from the jump and goes on. */
const char *policy_refusal(const struct verdict *verdict);
const char *policy_liftable(const struct ruleset *set, const struct verdict *verdict);
#define POLICY_LIFTABLE_OTHERS "jump refuse_others"

/* Those sets, and what fills them; and the chains that `lan` is told by. */
void policy_write_lan(FILE *out, const struct ruleset *set);
void policy_write_neighbours(FILE *out, const struct ruleset *set, const uint32_t *live,
			     const struct network_list *networks);
bool policy_has_neighbours(const struct ruleset *set);

#endif
