/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The ways in: the files by which sessions come to load the library, what netshim puts into
 * each, and how that is found and taken out again. */

#ifndef NETSHIM_WAYS_IN_H
#define NETSHIM_WAYS_IN_H

#include "conf/command/edit.h"

#include <pwd.h>
#include <stddef.h>

/* Whom a way is for: one user, all who log in, those who use sudo, all that is dynamic. */
enum way_in_kind { WAY_USER, WAY_LOGIN, WAY_SUDO, WAY_SYSTEM };

struct way_in {
	enum way_in_kind kind;
	const char *path; /* "~/" is the user's home */
	enum { FORM_BLOCK, FORM_VARIABLE, FORM_LIST } form;
	const char *text; /* what is put there, as it is shown */
	bool first;	  /* before all else */
	mode_t mode;
	unsigned folders;  /* of ours, above it, where they are missing */
	const char *shell; /* for those alone whose login shell is of this kind, */
	const char *sign;  /* or who have this file; or the machine */
	bool (*check)(const char *path);
};

extern const struct way_in ways_in[];
extern const size_t ways_in_count;

/* Tells whether the way is one for this machine and, of a user's ways, for this user. */
bool way_applies(const struct way_in *way, const struct passwd *user);

/* Reads the way's file; then put and take change what is after. false with a message. */
bool way_read(const struct way_in *way, const struct passwd *user, struct edit *edit);
void way_put(const struct way_in *way, struct edit *edit);
bool way_take(const struct way_in *way, struct edit *edit);

enum way_state { WAY_CLOSED, WAY_OPEN, WAY_UNKNOWN };

/* Tells whether there is an open way of that kind, without a word; it is unknown where this
 * user may not see that. */
enum way_state ways_state(enum way_in_kind kind, const struct passwd *user);

/* The first that others than root can change of what programs load by these ways, what root runs
 * against it, and what is on the way there: allocated, or NULL. */
char *ways_changeable(void);

/* The first of the library's files that some users may not read, or of the folders on the way there that are
 * closed to them: allocated, or NULL. */
char *ways_closed(void);

/* Tells whether there are snaps: their programs are shown /etc/ld.so.preload, and libraries
 * other than this machine's. */
bool ways_annoy_snaps(void);

#endif
