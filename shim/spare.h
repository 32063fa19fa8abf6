/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Memory for what may be too large for the caller's stack, up to an exec. */

#ifndef NETSHIM_SPARE_H
#define NETSHIM_SPARE_H

#include <stdbool.h>
#include <stddef.h>

struct spare {
	void *map;
	size_t size;
	bool kept;
	void *tid_address;
};

/* Where exec succeeds in a vfork child, nobody gives back what the child has
 * mapped in its parent. So that the parent is left with one map and not with one
 * for each exec, one is kept for the next. NULL where there is no memory. */
void *spare_take(struct spare *spare, size_t size);
void spare_give_back(const struct spare *spare);

#endif
