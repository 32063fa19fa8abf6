/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The elements of sets in netshim's table. */

#ifndef NETSHIM_ELEMENTS_H
#define NETSHIM_ELEMENTS_H

#include <linux/netfilter/nf_tables.h>
#include <netlink/attr.h>
#include <stdbool.h>

/* Calls visit with each element of a list of them, or of a set, its attributes by number (NFTA_SET_ELEM_MAX).
 * False where there is no such set. */
void elements_in(struct nlattr *list, void (*visit)(struct nlattr *element[], void *with), void *with);
bool elements_each(const char *set, void (*visit)(struct nlattr *element[], void *with), void *with);

/* An element's key, in size bytes; NULL where it has another size. And the milliseconds
 * that are left of it. */
const unsigned char *elements_key(struct nlattr *element[], size_t size);
int64_t elements_left(struct nlattr *element[]);
/* What is shorter than the kernel's tick would be no time at all, and for ever. */
#define ELEMENTS_LEAST 100 /* milliseconds */

#endif
