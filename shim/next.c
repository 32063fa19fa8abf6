/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The functions that the shim's hide: see next.h. */

#include "shim/next.h"

static struct next found;
static bool looked;

#define FIND(name) (*(void **)&found.name = dlsym(RTLD_NEXT, #name))

const struct next *next(void)
{
	if (__atomic_load_n(&looked, __ATOMIC_ACQUIRE) || !dlsym)
		return &found;
	FIND(execve);
	FIND(execvp);
	FIND(execvpe);
	FIND(fexecve);
	FIND(posix_spawn);
	FIND(posix_spawnp);
	/* musl has none: the search would leave a message for dlerror. */
	if (next_is_glibc())
		FIND(execveat);
	__atomic_store_n(&looked, true, __ATOMIC_RELEASE);
	return &found;
}
