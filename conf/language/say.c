/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What the command says: see say.h. */

#include "conf/language/say.h"

#include "conf/contract/sys.h"

#include <err.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Takes no memory, as that may be what a message is about. Two paths and what is wrong
 * with them fit in. */
__attribute__((format(printf, 4, 0))) static void print(FILE *to, const char *who, const char *why, const char *format,
							va_list args)
{
	char text[16384];

	vsnprintf(text, sizeof(text), format, args);
	str_printable(text);
	fprintf(to, "%s%s%s%s\n", who, text, *why ? ": " : "", why);
}

#define PRINT(to, who, why, format)                  \
	do {                                         \
		const char *why_ = why;              \
		va_list args_;                       \
                                                     \
		va_start(args_, format);             \
		print(to, who, why_, format, args_); \
		va_end(args_);                       \
	} while (0)

void say(FILE *to, const char *format, ...)
{
	PRINT(to, "", "", format);
}

void say_lines(FILE *to, const char *text)
{
	for (; *text; text += strspn(text, "\n")) {
		size_t size = strcspn(text, "\n");

		say(to, "%.*s", (int)size, text);
		text += size;
	}
}

void warnx(const char *format, ...)
{
	PRINT(stderr, "netshim: ", "", format);
}

void warn(const char *format, ...)
{
	PRINT(stderr, "netshim: ", strerror(errno), format);
}

void errx(int code, const char *format, ...)
{
	PRINT(stderr, "netshim: ", "", format);
	exit(code);
}

void err(int code, const char *format, ...)
{
	PRINT(stderr, "netshim: ", strerror(errno), format);
	exit(code);
}
