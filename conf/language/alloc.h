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

static inline void *or_out_of_memory(void *made)
{
	if (!made)
		err(EXIT_FAILURE, "out of memory");
	return made;
}

/* Makes room for one more element in an array of count. Returns the array. */
static inline void *grown(void *array, size_t count, size_t size)
{
	/* At powers of two, so that a long list is copied seldom. */
	if (count & (count - 1))
		return array;
	return or_out_of_memory(reallocarray(array, count ? count * 2 : 1, size));
}

static inline void *zalloc(size_t size)
{
	return or_out_of_memory(calloc(1, size));
}

static inline char *copied(const char *text)
{
	return or_out_of_memory(strdup(text));
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

/* As open_memstream(3): text is whole, and can be freed, when the stream is closed. */
static inline FILE *memstream_open(char **text, size_t *size)
{
	return or_out_of_memory(open_memstream(text, size));
}

static inline void memstream_close(FILE *stream)
{
	if (fclose(stream))
		err(EXIT_FAILURE, "out of memory");
}

/* Reads what is left of a stream, most bytes of it at the most. Allocated, with a byte
 * behind it. */
static inline char *stream_read(FILE *from, size_t most, size_t *size)
{
	char *text = NULL;
	FILE *to = memstream_open(&text, size);
	char piece[65536];
	size_t n;

	for (; (n = fread(piece, 1, most < sizeof(piece) ? most : sizeof(piece), from)) > 0; most -= n)
		fwrite(piece, 1, n, to);
	memstream_close(to);
	return text;
}

#endif
