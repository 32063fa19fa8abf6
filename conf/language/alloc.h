/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Memory for the command, which lives for one verb: out of memory ends it with a
 * message, and nothing has to be given back. */

#ifndef NETSHIM_ALLOC_H
#define NETSHIM_ALLOC_H

#include <err.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for one more element in an array of count. Returns the array. */
static inline void *grown(void *array, size_t count, size_t size)
{
	/* At powers of two, so that a long list is copied seldom. */
	if (count & (count - 1))
		return array;
	array = reallocarray(array, count ? count * 2 : 1, size);
	if (!array)
		err(EXIT_FAILURE, "out of memory");
	return array;
}

static inline void *zalloc(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		err(EXIT_FAILURE, "out of memory");
	return memory;
}

static inline char *copied(const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		err(EXIT_FAILURE, "out of memory");
	return copy;
}

__attribute__((format(printf, 1, 0))) static inline char *vprinted(const char *format, va_list args)
{
	char *text = NULL;

	if (vasprintf(&text, format, args) < 0)
		err(EXIT_FAILURE, "out of memory");
	return text;
}

__attribute__((format(printf, 1, 2))) static inline char *printed(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = vprinted(format, args);
	va_end(args);
	return text;
}

#endif
