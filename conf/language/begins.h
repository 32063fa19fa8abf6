/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Tells whether a text begins with another one. */

#ifndef NETSHIM_BEGINS_H
#define NETSHIM_BEGINS_H

#include <stdbool.h>
#include <string.h>

static inline bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

#endif
