/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Which kinds of starts have the library: see covered.h. */

#include "conf/command/covered.h"

#include "conf/command/ways-in.h"
#include "conf/command/xsession.h"
#include "conf/language/alloc.h"

#include <unistd.h>

enum { BY_USER = 1, BY_LOGIN = 2, BY_SYSTEM = 4, BY_SUDO = 8 };
static const char *const options[] = { "user", "login", "system" };
#define OPTION_COUNT (sizeof(options) / sizeof(*options))
#define X11 "X11 session"

/* tests/machines/sessions.t tries each of them, and tests/xsession.t that of X11. */
static const struct {
	const char *from;
	unsigned by;
} starts[] = {
	{ "ssh", BY_USER | BY_LOGIN | BY_SYSTEM },
	{ "console", BY_USER | BY_LOGIN | BY_SYSTEM },
	{ X11, BY_USER | BY_LOGIN | BY_SYSTEM },
	{ "su", BY_LOGIN | BY_SYSTEM },
	{ "su -", BY_USER | BY_LOGIN | BY_SYSTEM },
	{ "tmux", BY_USER | BY_LOGIN | BY_SYSTEM },
	{ "sudo", BY_SUDO | BY_SYSTEM },
	{ "sudo -i", BY_SUDO | BY_SYSTEM },
	{ "service of a user", BY_USER | BY_LOGIN | BY_SYSTEM },
	{ "service of the system", BY_SYSTEM },
	{ "at", BY_SYSTEM },
	{ "cron", BY_LOGIN | BY_SYSTEM },
	{ "ssh-agent", BY_SYSTEM },
	{ "setuid program", BY_SYSTEM },
};

struct ways_open {
	unsigned open;
	unsigned unknown;
};

static struct ways_open look(void)
{
	static const struct {
		enum way_in_kind kind;
		unsigned by;
	} kinds[] = {
		{ WAY_USER, BY_USER }, { WAY_LOGIN, BY_LOGIN }, { WAY_SYSTEM, BY_SYSTEM }, { WAY_SUDO, BY_SUDO }
	};
	const struct passwd *user = getpwuid(getuid());
	struct ways_open ways = { .open = 0 };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		enum way_state state = ways_state(kinds[i].kind, user);

		ways.open |= state == WAY_OPEN ? kinds[i].by : 0;
		ways.unknown |= state == WAY_UNKNOWN ? kinds[i].by : 0;
	}
	/* sudo is told to read what --login has written. */
	if (!(ways.open & BY_LOGIN))
		ways.open &= ~(unsigned)BY_SUDO, ways.unknown &= ~(unsigned)BY_SUDO;
	return ways;
}

static const char *has_library(const char *from, unsigned by, struct ways_open ways)
{
	if (!(ways.open & BY_SYSTEM) && !strcmp(from, X11) && xsession_drops_variable())
		return "no: ssh-agent drops it; install netshim again";
	return by & ways.open ? "yes" : by & ways.unknown ? "? (only root can see)" : "no";
}

void covered_print(void)
{
	struct ways_open ways = look();

	if (!ways.open) {
		const struct passwd *user = getpwuid(getuid());

		printf("\nthe library is enabled for no session of %s, nor for all ('netshim enable')\n",
		       user ? user->pw_name : "this user");
		return;
	}
	printf("\n%-22s %s", "STARTED FROM", "HAS THE LIBRARY (netshim enable");
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (ways.open & 1U << i)
			printf(" --%s", options[i]);
	printf(")\n");
	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++)
		printf("%-22s %s\n", starts[i].from, has_library(starts[i].from, starts[i].by, ways));
}

json_t *covered_json(void)
{
	struct ways_open ways = look();
	json_t *enabled = json_array();

	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (ways.open & 1U << i)
			json_add(enabled, json_string(options[i]));
	return enabled;
}
