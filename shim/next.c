/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The functions that the shim's hide: see next.h. */

#include "shim/next.h"

#include "conf/contract/sys.h"

#include <sys/auxv.h>

static struct next found;
static bool ready;

#define FIND(name) (*(void **)&n.name = dlsym(RTLD_NEXT, #name))

static struct next find(void)
{
	struct next n = { .execve = NULL };

	if (!dlsym)
		return n;
	FIND(execve);
	FIND(execvp);
	FIND(execvpe);
	FIND(fexecve);
	FIND(posix_spawn);
	FIND(posix_spawnp);
	/* musl has none: the search would leave a message for dlerror. */
	if (next_is_glibc())
		FIND(execveat);
	return n;
}

void next_keep(void)
{
	found = find();
	__atomic_store_n(&ready, true, __ATOMIC_RELEASE);
}

struct next next(void)
{
	return __atomic_load_n(&ready, __ATOMIC_ACQUIRE) ? found : find();
}

/* The linker's names for the first and the last of it. */
extern char _DYNAMIC[] __attribute__((visibility("hidden")));
extern char _end[] __attribute__((visibility("hidden")));

bool next_protect(int protection)
{
	uintptr_t from = (uintptr_t)_DYNAMIC & -(uintptr_t)getauxval(AT_PAGESZ);

	/* musl gives what is left of the first and the last page to malloc. */
	return !next_is_glibc() || !SYS(SYS_mprotect, from, (uintptr_t)_end - from, protection, 0, 0);
}
