/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Named network namespaces, as ip-netns(8) has them. Failures are told on stderr. */

#ifndef NETSHIM_NAMESPACE_H
#define NETSHIM_NAMESPACE_H

#include <net/if.h>
#include <stdbool.h>

bool namespace_is_there(const char *name);

/* Makes one that is empty but for a loopback interface, which is up. */
bool namespace_make(const char *name);

/* Takes its name away: it ends with the last process that is in it. */
bool namespace_unmake(const char *name);

/* This process goes into it: what is asked of the kernel's network from then on is asked
 * there, by sockets that are opened from then on, and beneath /proc/sys/net. Not into the
 * one that it is in already. */
bool namespace_enter(const char *name);
void namespace_leave(void);

/* The name of this machine's interface that joins a namespace to it, how those begin, and the
 * other end. */
#define NAMESPACE_LINK "ns-"
#define NAMESPACE_END "eth0"
void namespace_link(const char *name, char link[IF_NAMESIZE]);

/* A descriptor of the one that this process began in, or -1. */
int namespace_home(void);

#endif
