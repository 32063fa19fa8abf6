/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Domain names: see domain.h. */

#include "conf/language/domain.h"

#include "conf/language/alloc.h"

#include <ctype.h>
#include <idn2.h>

#define NAME_MAX_SIZE 253
#define LABEL_MAX_SIZE 63

/* No top-level domain is a number, as addresses end. */
static bool ends_as_name(const char *text)
{
	const char *dot = strrchr(text, '.');

	return dot && dot[1 + strspn(dot + 1, "0123456789")];
}

/* A word without a dot is one of the configuration's, or a wrong one. */
bool domain_is_meant(const char *text)
{
	size_t size = strlen(text);
	char *copy = copied(text);
	bool is;

	if (size && copy[size - 1] == '.')
		copy[size - 1] = '\0';
	is = strchr(copy, '@') || (ends_as_name(copy) && !strpbrk(copy, "/:"));
	free(copy);
	return is;
}

static bool is_label(const char *label, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!isalnum((unsigned char)label[i]) && label[i] != '-' && label[i] != '_')
			return false;
	return size && size <= LABEL_MAX_SIZE && label[0] != '-' && label[size - 1] != '-';
}

bool domain_is_label(const char *text)
{
	return is_label(text, strlen(text)) && text[strspn(text, "0123456789")];
}

static bool is_name(const char *name)
{
	const char *label = name;

	for (const char *end; (end = strchr(label, '.')); label = end + 1)
		if (!is_label(label, (size_t)(end - label)))
			return false;
	return is_label(label, strlen(label)) && strlen(name) <= NAME_MAX_SIZE;
}

static bool is_ascii(const char *text)
{
	while (*text && isascii((unsigned char)*text))
		text++;
	return !*text;
}

/* IDNA 2008, as programs that take such names do (curl, browsers). */
static char *encoded(const char *text)
{
	char *name = NULL;
	char *copy;

	if (is_ascii(text))
		return copied(text);
	if (idn2_to_ascii_8z(text, &name, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		return NULL;
	copy = copied(name);
	idn2_free(name);
	return copy;
}

char *domain_read(const char *text)
{
	size_t wild = !strncmp(text, "*.", 2) ? 2 : 0;
	char *name = encoded(text + wild);
	size_t size = name ? strlen(name) : 0;
	char *whole = NULL;

	if (size && name[size - 1] == '.')
		name[size - 1] = '\0';
	for (char *c = name; c && *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (name && is_name(name) && ends_as_name(name))
		whole = printed("%.*s%s", (int)wild, text, name);
	free(name);
	return whole;
}
