/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What a compiler may call even in freestanding code (gcc's manual, "Standards"),
 * for the shim and the helper, which have no libc of their own. */

#include <stddef.h>

/* Otherwise gcc would turn these loops into calls to memset and memmove. */
#ifndef __clang__
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);

#if defined(__arm__)
/* libgcc's division calls these where the divisor is 0, and its own end the process by
 * a function of libc's. Nothing here divides by 0. */
void __aeabi_idiv0(void);
void __aeabi_ldiv0(void);

void __aeabi_idiv0(void)
{
	__builtin_trap();
}

void __aeabi_ldiv0(void)
{
	__builtin_trap();
}
#endif

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	return memmove(to, from, size);
}

void *memmove(void *to, const void *from, size_t size)
{
	char *t = to;
	const char *f = from;

	if (t < f)
		for (size_t i = 0; i < size; i++)
			t[i] = f[i];
	else
		while (size--)
			t[size] = f[size];
	return to;
}

void *memset(void *to, int byte, size_t size)
{
	char *t = to;

	while (size--)
		*t++ = (char)byte;
	return to;
}
