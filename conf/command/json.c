/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Answers for scripts: see json.h. */

#include "conf/command/json.h"

#include "conf/command/terminal.h"
#include "conf/language/alloc.h"

#define REPLACEMENT "\xef\xbf\xbd"
#define LONGEST 4 /* bytes of a character */

/* How many bytes the character has that the text begins with; 0 where they are none. jansson
 * knows what it takes. */
static size_t character_size(const char *text)
{
	for (size_t size = 1; size <= strnlen(text, LONGEST); size++) {
		json_t *character = json_stringn(text, size);

		json_decref(character);
		if (character)
			return size;
	}
	return 0;
}

json_t *json_text(const char *text)
{
	json_t *value = json_string(text);
	char *whole;
	size_t done = 0;

	if (value)
		return value;
	whole = zalloc(strlen(text) * strlen(REPLACEMENT) + 1);
	while (*text) {
		size_t size = character_size(text);
		const char *from = size ? text : REPLACEMENT;

		memcpy(whole + done, from, size ? size : strlen(REPLACEMENT));
		done += size ? size : strlen(REPLACEMENT);
		text += size ? size : 1;
	}
	value = json_string(whole);
	free(whole);
	return value;
}

json_t *json_number(bool known, uint64_t number)
{
	return known ? json_integer((json_int_t)number) : json_null();
}

static void end_unless(bool ok)
{
	if (!ok)
		errx(EXIT_FAILURE, "cannot print an answer as JSON: out of memory");
}

void json_add(json_t *array, json_t *value)
{
	end_unless(!json_array_append_new(array, value));
}

void json_put(json_t *object, const char *name, json_t *value)
{
	end_unless(!json_object_set_new(object, name, value));
}

/* jansson leaves the one control code of ASCII as it is that is no number below a blank's. */
static int print_part(const char *text, size_t size, void *to)
{
	int err = 0;

	for (size_t i = 0; i < size && err >= 0; i++)
		err = text[i] == 0x7f ? fputs("\\u007f", to) : putc(text[i], to);
	return err < 0 ? -1 : 0;
}

void json_print_to(FILE *to, json_t *value)
{
	end_unless(value && (!json_dump_callback(value, print_part, to, JSON_ENSURE_ASCII) || ferror(to)));
	putc('\n', to);
	json_decref(value);
}

void json_print(json_t *value)
{
	json_print_to(stdout, value);
	terminal_flush();
}
