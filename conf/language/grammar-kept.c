/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The text of a configuration as it was read, with all that it includes: kept in a ruleset, and
 * read from that again. */

#include "conf/language/grammar.h"

#include "conf/language/alloc.h"
#include "conf/language/grammar-parts.h"
#include "conf/language/users.h"

#include <errno.h>

/* No file has this name. */
#define USERS ""

/* Adds to set->text: the size and the path of a file, and what is in it. */
void grammar_keep(const char *path, const char *text, size_t size)
{
	struct ruleset *set = reading.set;
	char *head = printed("%zu %s", size, path);
	size_t head_size = strlen(head) + 1;

	set->text = or_out_of_memory(realloc(set->text, set->text_size + head_size + size));
	memcpy(set->text + set->text_size, head, head_size);
	memcpy(set->text + set->text_size + head_size, text, size);
	set->text_size += head_size + size;
	free(head);
}

void grammar_keep_users(void)
{
	char *text = users_text();

	if (*text)
		grammar_keep(USERS, text, strlen(text));
	free(text);
}

/* Takes the next file's path and text from what is left of a text. */
static bool next_file(char **at, size_t *left, char **path, size_t *size)
{
	size_t head = strnlen(*at, *left);
	char *end;

	if (head == *left)
		return false;
	errno = 0;
	*size = strtoul(*at, &end, 10);
	if (errno || end == *at || *end != ' ' || *size > *left - head - 1)
		return false;
	*path = end + 1;
	*at += head + 1 + *size;
	*left -= head + 1 + *size;
	return true;
}

static void read_kept_file(const char *path, char *text, size_t size)
{
	if (!strcmp(path, USERS))
		return;
	reading.file = copied(path);
	grammar_keep(path, text, size);
	grammar_parse(text, size);
}

static void read_kept_users(const char *path, char *text, size_t size)
{
	(void)size;
	if (!strcmp(path, USERS))
		users_read(text);
}

/* false where it does not end with one of them. */
static bool each_file(char *text, size_t size, void (*read)(const char *path, char *text, size_t size))
{
	char *path;
	size_t file_size;

	while (next_file(&text, &size, &path, &file_size)) {
		char *copy = zalloc(file_size + 1);

		memcpy(copy, text - file_size, file_size);
		read(path, copy, file_size);
		free(copy);
	}
	return !size;
}

bool grammar_read_text(struct ruleset *set, char *text, size_t size)
{
	char *path;
	size_t file_size;
	bool whole;

	if (!next_file(&text, &size, &path, &file_size))
		return false;
	grammar_begin(set, path, true);
	each_file(text, size, read_kept_users);
	whole = each_file(text, size, read_kept_file);
	grammar_keep_users();
	return whole;
}

bool grammar_read_classes(struct ruleset *set, char *text, size_t size)
{
	bool ok;

	reading.no_apps = true;
	ok = grammar_read_text(set, text, size);
	reading.no_apps = false;
	return ok;
}
