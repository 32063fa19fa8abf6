/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Memory for what may be too large for the caller's stack: see spare.h. */

#include "shim/spare.h"

#include "conf/contract/sys.h"

#include <sys/mman.h>
#include <sys/prctl.h>

/* The map that is kept. `user` is the thread that uses it: the kernel clears the
 * word that set_tid_address names when that thread leaves memory that others have
 * too (mm_release), which is what the exec of a vfork child does. */
static struct {
	int user;
	size_t size;
	void *map;
} kept;

static bool take_kept(void **tid_address)
{
	/* A 64-bit kernel writes 64 bits for a 32-bit program too: prctl(2). */
	uint64_t address = 0;
	int nobody = 0;

	if (SYS(SYS_prctl, PR_GET_TID_ADDRESS, &address, 0, 0, 0) ||
	    !__atomic_compare_exchange_n(&kept.user, &nobody, (int)SYS(SYS_gettid, 0, 0, 0, 0, 0), false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return false;
	*tid_address = (void *)(uintptr_t)address;
	SYS(SYS_set_tid_address, &kept.user, 0, 0, 0, 0);
	return true;
}

static void grow_kept(size_t size)
{
	if (kept.size >= size)
		return;
	if (kept.map)
		sys_unmap(kept.map, kept.size);
	kept.map = sys_map(size);
	kept.size = kept.map ? size : 0;
}

void *spare_take(struct spare *spare, size_t size)
{
	*spare = (struct spare){ .size = size };
	spare->kept = take_kept(&spare->tid_address);
	if (spare->kept) {
		grow_kept(size);
		spare->map = kept.map;
	} else {
		spare->map = sys_map(size);
	}
	return spare->map;
}

void spare_give_back(const struct spare *spare)
{
	if (spare->map)
		sys_unmap(spare->map, spare->kept ? kept.size : spare->size);
	if (!spare->kept)
		return;
	kept.map = NULL;
	kept.size = 0;
	SYS(SYS_set_tid_address, spare->tid_address, 0, 0, 0, 0);
	__atomic_store_n(&kept.user, 0, __ATOMIC_RELEASE);
}
