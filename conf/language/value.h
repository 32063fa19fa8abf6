/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The values of the configuration: each function reads one, and returns NULL, or what
 * is wrong and would be right (allocated). */

#ifndef NETSHIM_VALUE_H
#define NETSHIM_VALUE_H

#include "conf/language/ruleset.h"

/* Reads a number of at most max, all of text; with base 0, hexadecimal after 0x and
 * decimal else. */
bool value_number(const char *text, int base, unsigned long max, unsigned long *value);

const char *value_classid(const char *text, uint32_t *classid);
const char *value_action(const char *text, enum action *action);
const char *value_bool(const char *text, bool *value);
const char *value_on_error(const char *text, bool *allow);
const char *value_at_boot(const char *text, enum at_boot *at_boot);
const char *value_user(const char *text, struct user_list *users);
const char *value_with(const char *text, enum with_kind *kind);
const char *value_destination(const char *text, struct peer_list *list);
const char *value_serve(const char *text, struct peer_list *serve);
const char *value_tunnel(const char *text, struct peer_list *tunnels);
const char *value_local(const char *text, struct peer_list *local);
const char *value_not(const char *text, bool *value); /* value_bool, and its opposite */
const char *value_rate(const char *text, uint64_t *rate);
const char *value_priority(const char *text, uint32_t *priority);
const char *value_mark(const char *text, struct packet_mark *mark);
const char *value_table(const char *text, uint32_t *table);
const char *value_interface(const char *text, const char **interface);
/* Tells whether the last name of a path is . or .., which is no file's. */
bool path_ends_in_dots(const char *path);
/* Tells whether nftables can be given an interface's name as text. */
bool interface_name_valid(const char *name);
const char *value_gateway(const char *text, struct endpoint_list *gateways);
const char *value_resolver(const char *text, struct endpoint_list *list);
const char *value_proxy(const char *text, struct endpoint_list *list);
const char *value_address(const char *text, struct own_address_list *list);
const char *value_port(const char *text, struct port_list *list);
const char *value_netns(const char *text, char **netns);
const char *value_statement(const char *text, struct statement_list *list);

#endif
