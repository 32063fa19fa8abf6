/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The files of a configuration: which there are, with whose rights they are read, and whether
 * others than root can change them. */

#include "conf/language/grammar-parts.h"
#include "conf/language/alloc.h"
#include "conf/language/folders.h"
#include "conf/language/pattern.h"
#include "conf/language/rights.h"
#include "conf/language/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

void grammar_add_input(const char *path, struct place_in_file at, bool matched)
{
	reading.inputs = grown(reading.inputs, reading.input_count, sizeof(*reading.inputs));
	reading.inputs[reading.input_count++] =
		(struct input){ .path = copied(path), .included_at = at, .matched = matched, .rights = reading.rights };
}

/* What root is to act on must be what root wrote. */
static bool check_way(const char *path, const char *changeable, struct place_in_file at)
{
	if (changeable)
		ruleset_problem(reading.set, at,
				"on the way to '%s', others than root can change '%s'; keep the file where only root "
				"can change anything",
				path, changeable);
	return !changeable;
}

/* Tells whether only root can change the folder in which a pattern begins. */
static bool check_pattern(const char *pattern, struct place_in_file at)
{
	char *folder = copied(pattern);
	char *changeable;
	bool ok;

	folder[strcspn(folder, "*?[")] = '\0';
	strrchr(folder, '/')[1] = '\0';
	changeable = trust_changeable(folder);
	ok = check_way(pattern, changeable, at);
	free(changeable);
	free(folder);
	return ok;
}

static void add_matching_inputs(const char *pattern, struct place_in_file at)
{
	glob_t found;
	int error = folders_match(pattern, &found);

	if (error)
		ruleset_problem(reading.set, at,
				"cannot look for all files of '%s': %s; mend that, as those would be left out", pattern,
				strerror(error));
	if (!found.gl_pathc)
		pattern_warn_of_name(reading.set, pattern, at);
	for (size_t i = 0; i < found.gl_pathc; i++)
		grammar_add_input(found.gl_pathv[i], at, true);
	globfree(&found);
}

/* The order of rules has no meaning, so included files may as well be read after
 * the one that includes them. */
int grammar_include(cfg_t *cfg, cfg_opt_t *option, int argc, const char **argv)
{
	struct place_in_file at = here(cfg->line);

	(void)option;
	if (reading.again)
		return 0;
	if (argc != 1 || argv[0][0] != '/') {
		ruleset_problem(reading.set, at,
				"include takes one absolute path or pattern: include('/etc/netshim.d/*.conf')");
		reading.set->cut_short = true;
	} else if (!pattern_is_one(argv[0])) {
		grammar_add_input(argv[0], at, false);
	} else if (check_pattern(argv[0], at) && rights_take(reading.rights)) {
		add_matching_inputs(argv[0], at);
		rights_give_back();
	}
	return 0;
}

/* With whose rights a file is opened. Else root would show others what they must not
 * read: a stranger's file includes what it likes, and a stranger's link leads to it. */
static uid_t rights_for(const struct input *input, const char *changeable)
{
	return input->rights || !changeable ? input->rights : rights_of(changeable);
}

/* What can be read of it at the most: 100,000 rules are 6 MiB. */
#define SIZE_MAX_MIB 64

static bool check_file(const struct input *input, const struct stat *st, struct place_in_file at)
{
	bool readable = S_ISREG(st->st_mode) && st->st_size <= SIZE_MAX_MIB << 20;

	if (!S_ISREG(st->st_mode))
		ruleset_problem(reading.set, at, "'%s' is not a regular file", input->path);
	else if (!readable)
		ruleset_problem(reading.set, at, "'%s' is larger than %d MiB", input->path, SIZE_MAX_MIB);
	else if (trust_is_others(st))
		ruleset_problem(reading.set, at,
				"'%s' can be changed by others than root; run: chown root '%s' && chmod go-w '%s'",
				input->path, input->path, input->path);
	return readable;
}

/* -1 with a problem noted. */
static int open_with_rights(const char *path, uid_t rights, struct stat *st, struct place_in_file at)
{
	int fd = -1;

	if (rights_take(rights)) {
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (fd < 0 || fstat(fd, st)) {
			ruleset_problem(reading.set, at, "cannot open '%s': %s", path, strerror(errno));
			if (fd >= 0)
				close(fd);
			fd = -1;
		}
		rights_give_back();
	} else {
		ruleset_problem(reading.set, at, "cannot open '%s' with the rights of who can change it: %s", path,
				strerror(errno));
	}
	return fd;
}

/* Opens a configuration file; NULL with a problem noted. */
static FILE *open_file(struct input *input, const char *changeable, struct place_in_file at)
{
	uid_t rights = rights_for(input, changeable);
	struct stat st;
	int fd = open_with_rights(input->path, rights, &st, at);
	FILE *file;

	if (fd < 0)
		return NULL;
	input->opened = check_file(input, &st, at);
	check_way(input->path, changeable, at);
	input->device = st.st_dev;
	input->inode = st.st_ino;
	if (!rights)
		rights = st.st_uid || !(st.st_mode & (S_IWGRP | S_IWOTH)) ? st.st_uid : RIGHTS_NOBODY;
	input->rights = rights;
	file = input->opened ? or_out_of_memory(fdopen(fd, "r")) : NULL;
	if (!file)
		close(fd);
	return file;
}

/* What a pattern of root's finds where others can put something is left out, even what is root's,
 * as they may have moved that there: it is not for them whether the configuration is loaded. */
FILE *grammar_open_input(struct input *input)
{
	struct place_in_file at = input->included_at.file ? input->included_at : here(0);
	char *changeable = trust_changeable(input->path);
	bool by_root = input->matched && !input->rights;
	FILE *file = NULL;

	if (by_root && !changeable)
		changeable = trust_shared_above(input->path);
	if (by_root && changeable)
		ruleset_warning(reading.set, at, "'%s' is not read, as others than root can change '%s'", input->path,
				changeable);
	else
		reading.set->cut_short |= !(file = open_file(input, changeable, at));
	free(changeable);
	return file;
}

/* Reads all of the file. Allocated, with a byte behind it. */
char *grammar_read_file(FILE *file, size_t *size)
{
	char *text = stream_read(file, SIZE_MAX_MIB << 20, size);

	/* It may have grown since. */
	if (getc(file) != EOF || ferror(file))
		ruleset_problem(reading.set, here(0), "the file cannot be read to its end");
	return text;
}
