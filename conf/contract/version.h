/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The version, here and nowhere else. Between two releases it is the next one's, with
 * ~dev behind it, which sorts before it (Debian Policy 5.6.12). */

#ifndef NETSHIM_VERSION_H
#define NETSHIM_VERSION_H

#define NETSHIM_VERSION "0.2.0~dev"

#endif
