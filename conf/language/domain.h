/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Domain names in a configuration. */

#ifndef NETSHIM_DOMAIN_H
#define NETSHIM_DOMAIN_H

#include <stdbool.h>

/* Tells a name, or one with a port as in 'tcp/443@example.org', from an address, a network
 * and a word. It may be a wrong one. */
bool domain_is_meant(const char *text);

/* Tells one label, as 'nas', which is no whole name. */
bool domain_is_label(const char *text);

/* Reads 'example.org' or '*.example.org' as a resolver is asked for it: in small letters,
 * and with other letters than ASCII's encoded. NULL where it is none. Allocated. */
char *domain_read(const char *text);

#endif
