/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The part of the policy that is about classes with an interface. */

#ifndef NETSHIM_POLICY_VPN_H
#define NETSHIM_POLICY_VPN_H

#include "conf/kernel/routing.h"
#include "conf/language/ruleset.h"

#include <stdio.h>

/* The chains that keep a class at its interface, give it that interface's address, and
 * refuse it when the interface is gone. networks are the machine's own. */
void policy_write_vpn_guard(FILE *out, const struct class *class);
void policy_write_vpn(FILE *out, const struct ruleset *set, const uint32_t *live, const struct network_list *networks);

/* Rules for what is sent from an address of such a class's interface: by an interface
 * that has it, it is accepted; what is left goes on to the class's chain, which "then"
 * begins with. */
void policy_write_own_addresses(FILE *out, const struct ruleset *set, const struct network_list *networks,
				const char *then);

#endif
