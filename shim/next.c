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

/* The linker's names for the first and the last of the library, and the first of its data. */
extern char __ehdr_start[] __attribute__((visibility("hidden")));
extern char _end[] __attribute__((visibility("hidden")));
extern char _DYNAMIC[] __attribute__((visibility("hidden")));

/* The library's own, and what is the first in the process, is behind nothing. */
static bool is_behind(__typeof__(execve) *function)
{
	uintptr_t at = (uintptr_t)function;

	return at && (at < (uintptr_t)__ehdr_start || at >= (uintptr_t)_end) && function != execve;
}

#define FIND(name) (n->name = (__typeof__(n->name))n->dlsym(RTLD_NEXT, #name))

/* With RTLD_NEXT, dlsym looks behind its caller. Another preload's dlsym that calls the next one
 * from where it stands itself finds what is behind that preload, and a program's own may find
 * nothing: then libc's is asked, by the version that it has since glibc 2.34. */
static void find(struct next *n, bool glibc)
{
	n->dlsym = dlsym;
	if (!n->dlsym || !is_behind(FIND(execve))) {
		n->dlsym = glibc ? (__typeof__(n->dlsym))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34") : NULL;
		if (!n->dlsym || !is_behind(FIND(execve))) {
			*n = (struct next){ .dlsym = NULL };
			return;
		}
	}
	FIND(execv);
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

void *next_now(const char *name)
{
	const struct next *n = next(&(struct next){ .dlsym = NULL });

	return n->dlsym ? n->dlsym(RTLD_NEXT, name) : NULL;
}
