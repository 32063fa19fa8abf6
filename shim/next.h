/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The functions that the shim's hide: libc's, or another preload's. */

#ifndef NETSHIM_NEXT_H
#define NETSHIM_NEXT_H

#include <dlfcn.h>
#include <stdbool.h>

/* Weak: musl has no dlvsym, and neither is linked against. */
__typeof__(dlsym) dlsym __attribute__((weak));
__typeof__(dlvsym) dlvsym __attribute__((weak));

static inline bool next_is_glibc(void)
{
	return dlvsym;
}

/* The next definition of a function, or NULL. Found at first use: a process that
 * never starts another does not pay for it. */
#define NEXT(name)                                                                     \
	__extension__({                                                                \
		static __typeof__(name) *cached;                                       \
		__typeof__(name) *found_ = __atomic_load_n(&cached, __ATOMIC_RELAXED); \
		if (!found_ && dlsym) {                                                \
			*(void **)&found_ = dlsym(RTLD_NEXT, #name);                   \
			__atomic_store_n(&cached, found_, __ATOMIC_RELAXED);           \
		}                                                                      \
		found_;                                                                \
	})

#endif
