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

enum preload_form { PRELOAD_VARIABLE, PRELOAD_LIST };

/* In the file, a '#' begins a comment. glibc's loader (elf/rtld.c) looks for the next one from the
 * beginning again, in as many bytes as are left behind the one before: what is farther off it reads
 * as words. */
struct preload_comments {
	const char *begin;
	size_t left;
};

static inline struct preload_comments preload_comments(const char *list, const char *end, enum preload_form form)
{
	return (struct preload_comments){ list, form == PRELOAD_LIST ? (size_t)(end - list) : 0 };
}

static inline bool preload_is_comment(const char *from, const struct preload_comments *comments)
{
	return *from == '#' && (size_t)(from - comments->begin) < comments->left;
}

static inline size_t preload_comment(const char *from, struct preload_comments *comments)
{
	const char *p = from;

	comments->left -= (size_t)(from - comments->begin);
	do
		p++;
	while (--comments->left && *p != '\n');
	return (size_t)(p - from);
}

static inline bool preload_separates(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == ':';
}

/* How long the word, or comment, is that begins there; 0 is a separator. */
static inline size_t preload_word(const char *from, const char *end, struct preload_comments *comments)
{
	const char *p = from;

	if (preload_is_comment(from, comments))
		return preload_comment(from, comments);
	while (p < end && !preload_separates(*p) && !preload_is_comment(p, comments))
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

static inline bool preload_has_ours(const char *list, const char *end, enum preload_form form)
{
	struct preload_comments comments = preload_comments(list, end, form);
	size_t size;

	for (; list < end; list += size + !size) {
		size = preload_word(list, end, &comments);
		if (preload_is_ours(list, size))
			return true;
	}
	return false;
}

/* Returns the new end. */
static inline char *preload_cut_once(char *list, const char *end, enum preload_form form)
{
	struct preload_comments comments = preload_comments(list, end, form);
	char *to = list;

	for (const char *from = list; from < end;) {
		size_t size = preload_word(from, end, &comments);

		if (preload_is_ours(from, size)) {
			from += size;
			if (to > list && (to[-1] != '\n' || from == end || *from == '\n'))
				to--;
			else if (from < end && preload_separates(*from))
				from++;
			continue;
		}
		for (size += !size; size; size--)
			*to++ = *from++;
	}
	return to;
}

/* Takes our words out of the list, each with the separator before it, the first with that
 * behind it, so that what was put in leaves nothing; but what goes on behind one does not come into a
 * comment above. Where there is less, the loader may miss other comments. Returns the new end. */
static inline char *preload_cut(char *list, const char *end, enum preload_form form)
{
	char *to = list + (end - list);

	while (preload_has_ours(list, to, form))
		to = preload_cut_once(list, to, form);
	return to;
}

#endif
