/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The words behind a verb, and what is said where they are wrong. */

#ifndef NETSHIM_OPTIONS_H
#define NETSHIM_OPTIONS_H

void options_tell_unknown(const char *verb, const char *word);

#endif
