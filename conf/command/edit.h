/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Changes of a text file, whole or not at all: it keeps its mode and owner, and a symbolic
 * link that leads to it stays. Failures are told on stderr. */

#ifndef NETSHIM_EDIT_H
#define NETSHIM_EDIT_H

#include <stdbool.h>
#include <sys/types.h>

struct edit {
	const char *path;
	char *target; /* where the links lead */
	char *before; /* NULL: there is no such file */
	char *after;  /* NULL: there shall be none */
	mode_t mode;
	uid_t owner;
	gid_t group;
	unsigned folders; /* how many, above the file, it may have to make, and to remove */
};

/* Reads what is there; mode is for a file that is not. What is after is what was before. */
bool edit_read(struct edit *edit, const char *path, mode_t mode);

/* The text of a file, allocated; NULL with errno, 0 where it is no text. Without a word. */
char *edit_text(const char *path);

bool edit_is_needed(const struct edit *edit);

/* Writes a new file beside the old one, which then takes its place unless check says no of it
 * (check may be NULL). */
bool edit_write(const struct edit *edit, bool (*check)(const char *path));

/* Puts words in at that place of the text after, or takes so many bytes out. */
void edit_insert(struct edit *edit, size_t at, const char *words);
void edit_remove(struct edit *edit, size_t at, size_t size);

/* So that what has been done to the name of a file is on the disk, too. */
void edit_sync_folder(const char *path);

#endif
