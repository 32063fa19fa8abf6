/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Lists of libraries to preload, in which this netshim's is found and taken out: those of
 * LD_PRELOAD, with blanks and colons, and that of /etc/ld.so.preload, with newlines too. */

#ifndef NETSHIM_PRELOAD_H
#define NETSHIM_PRELOAD_H

#include "conf/contract/sys.h"

#ifndef NETSHIM_LIBRARY
#define NETSHIM_LIBRARY "/usr/local/lib/libnetshim.so"
#endif
#ifndef NETSHIM_BY_LIB
#define NETSHIM_BY_LIB "/usr/local/lib/netshim"
#endif

#define PRELOAD_FILE "/etc/ld.so.preload"
#define PRELOAD_NAME "/libnetshim.so"
/* Each loader puts the folder of its own programs for $LIB. */
#define PRELOAD_WORD NETSHIM_BY_LIB "/$LIB" PRELOAD_NAME

/* How long the word is that begins there; 0 is a separator. */
static inline size_t preload_word(const char *from, const char *end)
{
	const char *p = from;

	while (p < end && *p != ' ' && *p != '\t' && *p != '\n' && *p != ':')
		p++;
	return (size_t)(p - from);
}

static inline bool preload_begins(const char *word, size_t size, const char *with, size_t length)
{
	size_t i = 0;

	while (i < length && i < size && word[i] == with[i])
		i++;
	return i == length;
}

/* Tells whether the word is one for this netshim's library: by $LIB, the native one, or that
 * of a kind of program. */
static inline bool preload_is_ours(const char *word, size_t size)
{
	const size_t name = sizeof(PRELOAD_NAME) - 1;
	const size_t folder = sizeof(NETSHIM_BY_LIB "/") - 1;

	if (size == sizeof(NETSHIM_LIBRARY) - 1 && preload_begins(word, size, NETSHIM_LIBRARY, size))
		return true;
	return size >= folder + name - 1 && preload_begins(word, size, NETSHIM_BY_LIB "/", folder) &&
	       preload_begins(word + size - name, name, PRELOAD_NAME, name);
}

static inline bool preload_has_ours(const char *list, const char *end)
{
	size_t size = 0;

	for (; list < end; list += size + 1) {
		size = preload_word(list, end);
		if (preload_is_ours(list, size))
			return true;
	}
	return false;
}

/* Takes our words out of the list, each with the separator before it, the first with that
 * behind it, so that what was put in leaves nothing. Returns the new end. */
static inline char *preload_cut(char *list, const char *end)
{
	char *to = list;

	for (const char *from = list; from < end;) {
		size_t size = preload_word(from, end);

		if (preload_is_ours(from, size)) {
			from += size;
			if (to > list)
				to--;
			else if (from < end)
				from++;
			continue;
		}
		for (size += !size; size; size--)
			*to++ = *from++;
	}
	return to;
}

#endif
