/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The kernel's network settings, each a file beneath /proc/sys/net: of the network namespace
 * that this process is in. */

#ifndef NETSHIM_SETTING_H
#define NETSHIM_SETTING_H

#include <stdbool.h>
#include <stddef.h>

/* The file of an interface's setting for IPv4, or for IPv6 where its name begins with SETTING_IPV6
 * (allocated). */
#define SETTING_IPV6 "ipv6."
char *setting_path(const char *interface, const char *name);

/* "" where it cannot be read. */
void setting_read(const char *path, char *value, size_t size);
/* false, with errno, where it cannot be written. */
bool setting_write(const char *path, const char *value);

/* Sets one digit of an interface's. Where there is no such setting, as it has gone with the
 * interface, or the kernel has no IPv6, there is nothing to be done. false, with a message, where
 * it cannot be set. */
bool setting_set(const char *interface, const char *name, char value);

#endif
