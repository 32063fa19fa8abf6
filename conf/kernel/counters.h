/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The counters in netshim's table. */

#ifndef NETSHIM_COUNTERS_H
#define NETSHIM_COUNTERS_H

#include "conf/contract/rules.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define COUNTER_NAME_SIZE (CLASS_NAME_MAX + 8)

struct counter {
	char name[COUNTER_NAME_SIZE];
	uint64_t packets;
	uint64_t bytes;
};
struct counters {
	struct counter *items;
	size_t count;
};

/* Reads those of the loaded table. Returns false where none is loaded. */
bool counters_read(struct counters *counters);

/* Writes one as nft reads it, with the counts that it has there (from may be NULL). */
void counters_write(FILE *out, const struct counters *from, const char *name);

#endif
