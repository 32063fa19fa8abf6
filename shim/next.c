/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The functions that the shim's hide: see next.h. */

#include "shim/next.h"

#include "conf/contract/sys.h"

#include <sys/auxv.h>
#include <sys/mman.h>

/* Both are as next_keep has found them. */
static struct next found;
static enum { UNKNOWN, MUSL, GLIBC } libc;

#define FIND(name) (*(void **)&n->name = dlsym(RTLD_NEXT, #name))

static void find(struct next *n, bool glibc)
{
	if (!dlsym) {
		*n = (struct next){ .execve = NULL };
		return;
	}
	FIND(execve);
	FIND(execvp);
	FIND(execvpe);
	FIND(fexecve);
	FIND(posix_spawn);
	FIND(posix_spawnp);
	/* musl has none: the search would leave a message for dlerror. */
	if (glibc)
		FIND(execveat);
	else
		n->execveat = NULL;
}

bool next_is_glibc(void)
{
	int kept = __atomic_load_n(&libc, __ATOMIC_ACQUIRE);

	return kept ? kept == GLIBC : dlvsym != NULL;
}

/* The linker's names for the first and the last of it. */
extern char _DYNAMIC[] __attribute__((visibility("hidden")));
extern char _end[] __attribute__((visibility("hidden")));

static bool protect(int protection)
{
	uintptr_t from = (uintptr_t)_DYNAMIC & -(uintptr_t)getauxval(AT_PAGESZ);

	return !SYS(SYS_mprotect, from, (uintptr_t)_end - from, protection, 0, 0);
}

/* musl gives what is left of the first and the last page to malloc. */
bool next_protect(int protection)
{
	return !next_is_glibc() || protect(protection);
}

void next_keep(bool glibc)
{
	find(&found, glibc);
	__atomic_store_n(&libc, glibc ? GLIBC : MUSL, __ATOMIC_RELEASE);
	if (glibc)
		protect(PROT_READ);
}

const struct next *next(struct next *early)
{
	if (__atomic_load_n(&libc, __ATOMIC_ACQUIRE))
		return &found;
	find(early, next_is_glibc());
	return early;
}
