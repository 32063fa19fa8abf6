/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* systemd's services, as the files of their units tell of them. */

#ifndef NETSHIM_UNIT_H
#define NETSHIM_UNIT_H

#include <stdbool.h>
#include <stddef.h>

#define UNIT_NAME_MAX 255 /* systemd's */

/* Where systemd runs as the first process (sd_booted(3)). */
#define UNIT_SYSTEMD_RUNS "/run/systemd/system"

/* The rules file has a unit's name behind this, in place of a path: the canonical one of no
 * program begins so. */
#define UNIT_KEY "//"

/* Tells whether a service can have that name, or a template. */
bool unit_name_valid(const char *name);

/* The template of an instance; NULL where it is none. Allocated. */
char *unit_template(const char *name);

struct unit_setting {
	const char *key;
	const char *value; /* "" takes back those before it */
};

struct unit {
	char *name;		       /* its own: it may have been asked for by another one */
	bool found;		       /* there is a file of it that is not masked */
	struct unit_setting *settings; /* of its section Service, the last ones count most */
	size_t setting_count;
};

/* Reads the unit's files. What generators make is not looked at: they all run at once. */
void unit_read(struct unit *unit, const char *name);

/* What a setting is in the end, or NULL. */
const char *unit_value(const struct unit *unit, const char *key);

/* The name that it goes by, or else its own; allocated. */
char *unit_own_name(const char *name);

#endif
