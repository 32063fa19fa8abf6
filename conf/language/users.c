/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Users and groups by name: see users.h. */

#include "conf/language/users.h"

#include "conf/language/alloc.h"

#include <grp.h>
#include <inttypes.h>
#include <pwd.h>

static struct known {
	const char *name;
	uint32_t id;
} * known;
static size_t known_count;

static void note(const char *name, uint32_t id)
{
	known = grown(known, known_count, sizeof(*known));
	known[known_count++] = (struct known){ copied(name), id };
}

static bool is_known(const char *name, uint32_t *id)
{
	for (size_t i = 0; i < known_count; i++)
		if (!strcmp(known[i].name, name)) {
			*id = known[i].id;
			return true;
		}
	return false;
}

static bool look_up(const char *name, uint32_t *id)
{
	const struct passwd *user = *name == '@' ? NULL : getpwnam(name);
	const struct group *group = *name == '@' ? getgrnam(name + 1) : NULL;

	if (user)
		*id = user->pw_uid;
	else if (group)
		*id = group->gr_gid;
	else
		return false;
	note(name, *id);
	return true;
}

bool users_find(const char *name, struct rules_user *user)
{
	user->is_group = *name == '@';
	return is_known(name, &user->id) || look_up(name, &user->id);
}

char *users_text(void)
{
	char *text = NULL;
	FILE *out = memstream_open(&text, &(size_t){ 0 });

	for (size_t i = 0; i < known_count; i++)
		fprintf(out, "# %" PRIu32 " %s\n", known[i].id, known[i].name);
	memstream_close(out);
	return text;
}

void users_read(const char *text)
{
	char *lines = copied(text);
	uint32_t id;
	int end;

	for (char *rest = lines, *line; (line = strsep(&rest, "\n"));) {
		end = 0;
		if (sscanf(line, "# %" SCNu32 " %n", &id, &end) == 1 && end)
			note(line + end, id);
	}
	free(lines);
}

void users_forget(void)
{
	known_count = 0;
}
