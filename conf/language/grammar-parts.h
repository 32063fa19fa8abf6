/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What the parts of the grammar share: grammar.c has the options and reads a text with libconfuse,
 * grammar-class.c and grammar-app.c take over its sections, grammar-input.c opens the files,
 * grammar-scan.c finds what libconfuse would not, and grammar-kept.c keeps what was read. */

#ifndef NETSHIM_GRAMMAR_PARTS_H
#define NETSHIM_GRAMMAR_PARTS_H

#include "conf/language/ruleset.h"

#include <confuse.h>
#include <stdio.h>
#include <sys/types.h>

/* Where a value of the current section was. */
struct value_mark {
	const char *option;
	unsigned index;
	int line;
};

/* A file to read. */
struct input {
	const char *path;
	struct place_in_file included_at;
	bool matched; /* by a pattern */
	uid_t rights; /* of whoever wrote what includes it; then of whoever wrote it */
	dev_t device;
	ino_t inode;
	bool opened;
};

/* The file being read. libconfuse's callbacks take no argument of the caller's. */
extern struct reading {
	struct ruleset *set;
	cfg_t *root;
	const char *file;
	bool unknown_option;
	bool unclosed; /* a section, so what follows is not what it seems */
	int section_line;
	struct value_mark *marks;
	size_t mark_count;
	struct input *inputs; /* grows while they are read */
	size_t input_count;
	uid_t rights; /* of whoever wrote the file being read */
	bool again;   /* from a text that has all that was included */
	bool no_apps;
} reading;

/* Where a line of that file, a value of the current section and that section are. Of a section
 * without any value, its end is all that is known. */
struct place_in_file here(int line);
struct place_in_file value_at(const char *option, unsigned index);
struct place_in_file section_at(void);

/* Calls read for each value of an option, and notes what it says is wrong. */
#define READ_VALUES(section, option, read, target)                                        \
	for (unsigned i_ = 0; i_ < cfg_size(section, option); i_++) {                     \
		const char *wrong_ = read(cfg_getnstr(section, option, i_), target);      \
		if (wrong_)                                                               \
			ruleset_problem(reading.set, value_at(option, i_), "%s", wrong_); \
	}

/* What libconfuse calls at the end of a section, and how that ends. */
int grammar_class_ended(cfg_t *cfg, cfg_opt_t *option);
int grammar_unclassified_ended(cfg_t *cfg, cfg_opt_t *option);
int grammar_app_ended(cfg_t *cfg, cfg_opt_t *option);
int grammar_package_ended(cfg_t *cfg, cfg_opt_t *option);
int grammar_unit_ended(cfg_t *cfg, cfg_opt_t *option);
void end_section(cfg_opt_t *section);

/* What it calls at include(). */
int grammar_include(cfg_t *cfg, cfg_opt_t *option, int argc, const char **argv);
void grammar_add_input(const char *path, struct place_in_file at, bool matched);
/* NULL with a problem or a warning noted. */
FILE *grammar_open_input(struct input *input);
/* All that is in it: allocated, with a byte behind it. */
char *grammar_read_file(FILE *file, size_t *size);

/* A reading: how it begins, of the configuration at path; and what one file adds to it, whose text
 * needs a byte behind it. */
void grammar_begin(struct ruleset *set, const char *path, bool again);
void grammar_parse(char *text, size_t size);

/* What is kept of it: each file, and at its end which users it has asked for. */
void grammar_keep(const char *path, const char *text, size_t size);
void grammar_keep_users(void);

/* Notes what libconfuse would take for something else, and makes comments blank. */
void grammar_scan(char *text, size_t size);

#endif
