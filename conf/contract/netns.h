/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Network namespaces, as classes name them. */

#ifndef NETSHIM_NETNS_H
#define NETSHIM_NETNS_H

#include <stdbool.h>
#include <stdint.h>

#define NETNS_FOLDER "/run/netns" /* ip(8)'s */

/* Opens the network namespace of that name. Returns a descriptor, or -errno: -ENOENT
 * where there is none, -EACCES where others than root may change what the name leads to,
 * -EINVAL where that is no network namespace, or belongs to another user namespace than
 * the caller's. Async-signal-safe. */
int netns_open(const char *name);

/* What users are told where there is none. */
#define NETNS_MISSING \
	"is not there; run 'netshim reload' as root, or 'ip netns add' for a class without address and interface"

/* The inode of the namespace that is open as fd, or of the calling process's own; or 0. */
uint64_t netns_inode(int fd);
uint64_t netns_own(void);

/* Where programs are started by the rules: host is where `netshim up` ran, 0 unknown. */
bool netns_is_named(const char *name);
bool netns_is_private(uint64_t host);

#endif
