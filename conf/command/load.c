/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Reads, checks and reports: see load.h. */

#include "conf/command/load.h"

#include "conf/kernel/nft.h"
#include "conf/language/alloc.h"
#include "conf/language/check.h"
#include "conf/language/compile.h"
#include "conf/language/grammar.h"
#include "conf/language/text.h"

#include <stdlib.h>
#include <unistd.h>

/* Returns how many mistakes there are. */
static size_t look_at_whole(struct ruleset *set)
{
	check_whole(set);
	compile_names(set);
	/* nftables answers to nobody else. */
	if (geteuid() == 0)
		nft_check_statements(set);
	return ruleset_report(set);
}

bool load_whole(struct ruleset *set, const char *path)
{
	grammar_read(set, path);
	return !look_at_whole(set);
}

void load_ruleset(struct ruleset *set, const char *path)
{
	if (!load_whole(set, path))
		exit(EXIT_FAILURE);
}

static bool read_kept(struct ruleset *set, const char *path, bool (*parse)(struct ruleset *, char *, size_t))
{
	size_t size;
	char *text = text_read(path, &size);
	bool whole = text && parse(set, text, size);

	free(text);
	if (!whole)
		warnx("%s is damaged or missing; the next 'netshim up' or 'netshim reload' writes it anew", path);
	return whole;
}

bool load_text(struct ruleset *set, const char *path)
{
	return read_kept(set, path, grammar_read_text) && !look_at_whole(set);
}

bool load_handed_over(struct ruleset *set, int fd)
{
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	size_t size;
	char *text;
	bool whole;

	if (!file)
		return false;
	rewind(file);
	text = stream_read(file, SIZE_MAX, &size);
	fclose(file);
	whole = grammar_read_text(set, text, size);
	free(text);
	check_whole(set);
	compile_names(set);
	return whole;
}

bool load_classes(struct ruleset *set, const char *path)
{
	if (!read_kept(set, path, grammar_read_classes))
		return false;
	check_whole(set);
	return !ruleset_report(set);
}
