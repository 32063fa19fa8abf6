/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What the files that netshim is installed with say of themselves. */

#ifndef NETSHIM_PRODUCT_H
#define NETSHIM_PRODUCT_H

/* The name and version in the library, the command, netshim-helper or netshim-netns: allocated;
 * or NULL where the file is none of these. */
char *product_version(const char *path);

#endif
