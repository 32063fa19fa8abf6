/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The values of the configuration that are words and numbers: see value.h. */

#include "conf/language/value.h"

#include "conf/language/alloc.h"
#include "conf/language/users.h"

#include <ctype.h>
#include <grp.h>
#include <net/if.h>
#include <pwd.h>

bool value_number(const char *text, int base, unsigned long max, unsigned long *value)
{
	char *end;

	if (!base)
		base = !strncmp(text, "0x", 2) ? 16 : 10;
	/* strtoul takes blanks and signs too. */
	if (!strchr("0123456789abcdefABCDEF", *text) || !*text)
		return false;
	*value = strtoul(text, &end, base);
	return !*end && *value <= max;
}

const char *value_classid(const char *text, uint32_t *classid)
{
	char *copy = copied(text);
	char *colon = strchr(copy, ':');
	unsigned long major = 0;
	unsigned long minor = 0;
	bool ok;

	if (colon) {
		*colon = '\0';
		ok = value_number(copy, 16, 0xffff, &major) && value_number(colon + 1, 16, 0xffff, &minor);
	} else {
		ok = value_number(copy, 0, UINT32_MAX, &minor);
	}
	free(copy);
	if (!ok)
		return printed("bad classid '%s'; it is MAJOR:MINOR, both hexadecimal and at most ffff, as in '10:43'",
			       text);
	*classid = (uint32_t)(major << 16 | minor);
	if (!*classid)
		return printed("classid '%s' is 0, which means no class; use one from 0:1 to ffff:ffff", text);
	return NULL;
}

const char *value_action(const char *text, enum action *action)
{
	static const char *const names[] = {
		[ACTION_ACCEPT] = "accept", [ACTION_REJECT] = "reject", [ACTION_DROP] = "drop"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(text, names[i])) {
			*action = (enum action)i;
			return NULL;
		}
	}
	return printed("unknown action '%s'; it is accept, reject or drop", text);
}

const char *value_bool(const char *text, bool *value)
{
	*value = !strcmp(text, "true");
	if (*value || !strcmp(text, "false"))
		return NULL;
	return printed("bad value '%s'; it is true or false", text);
}

const char *value_not(const char *text, bool *value)
{
	const char *wrong = value_bool(text, value);

	*value = !*value;
	return wrong;
}

/* nftables counts the nanoseconds of a rate and its burst, which is a quarter of it,
 * in 64 bits (the kernel's nft_limit_init). In bits: */
#define RATE_MAX (UINT64_MAX / 1000000000 / 5 * 4 * 8)

const char *value_rate(const char *text, uint64_t *rate)
{
	static const struct {
		const char *name;
		uint64_t bits;
	} units[] = { { "kbit", 1000 }, { "mbit", 1000000 }, { "gbit", 1000000000 } };
	char *end;
	unsigned long n = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;

	while (n && *end == ' ')
		end++;
	for (size_t i = 0; n && i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].name))
			continue;
		if (n > RATE_MAX / units[i].bits)
			return printed("rate '%s' is more than the kernel can count; at most '%d gbit'", text,
				       (int)(RATE_MAX / 1000000000));
		*rate = n * units[i].bits / 8;
		return NULL;
	}
	return printed("bad rate '%s'; it is a whole number and kbit, mbit or gbit, as in '10 mbit'", text);
}

const char *value_priority(const char *text, uint32_t *priority)
{
	if (strchr(text, ':') && !value_classid(text, priority))
		return NULL;
	return printed("bad priority '%s'; it is the MAJOR:MINOR of a traffic-control class, as in '1:10'", text);
}

/* As iptables' --set-mark takes them: what is set and not in the mask is set as well. */
const char *value_mark(const char *text, struct packet_mark *mark)
{
	char *copy = copied(text);
	char *slash = strchr(copy, '/');
	unsigned long value;
	unsigned long mask = UINT32_MAX;
	bool ok;

	if (slash)
		*slash = '\0';
	ok = value_number(copy, 0, UINT32_MAX, &value) && value &&
	     (!slash || value_number(slash + 1, 0, UINT32_MAX, &mask));
	free(copy);
	if (!ok)
		return printed("bad mark '%s'; it is a number from 1 to 4294967295, or 0x and hexadecimal digits, and "
			       "may have a mask after it, as in '0x10000/0xff0000'",
			       text);
	*mark = (struct packet_mark){ (uint32_t)value, (uint32_t)(value | mask) };
	return NULL;
}

const char *value_table(const char *text, uint32_t *table)
{
	unsigned long n;

	if (!value_number(text, 0, UINT32_MAX, &n) || !n)
		return printed("bad table '%s'; it is a number from 1 to 4294967295, or 0x and hexadecimal digits",
			       text);
	*table = (uint32_t)n;
	return NULL;
}

/* A statement must be one rule of its chain and no more. Outside quotes, a semicolon
 * would end the rule, one brace too many the chain, and a backslash at the end would
 * join the next line to it. nftables judges the rest. */
static bool is_one_rule(const char *text)
{
	bool quoted = false;
	int depth = 0;

	for (const char *c = text; *c; c++) {
		if (*c == '"')
			quoted = !quoted;
		if (*c == '\n' || (!quoted && strchr(";\\", *c)))
			return false;
		depth += quoted ? 0 : (*c == '{') - (*c == '}');
		if (depth < 0)
			return false;
	}
	return *text && !depth && !quoted;
}

const char *value_statement(const char *text, struct statement_list *list)
{
	if (!is_one_rule(text))
		return printed(
			"bad nft statement '%s'; it is one line and one rule, with braces and quotes closed and no "
			"semicolon, as in 'ip dscp set ef'",
			text);
	list->items = grown(list->items, list->count, sizeof(*list->items));
	list->items[list->count++] = (struct statement){ .text = copied(text) };
	return NULL;
}

const char *value_on_error(const char *text, bool *allow)
{
	*allow = !strcmp(text, "allow");
	if (*allow || !strcmp(text, "deny"))
		return NULL;
	return printed("bad on-error '%s'; it is deny (do not start the program) or allow (start it all the same)",
		       text);
}

const char *value_at_boot(const char *text, enum at_boot *at_boot)
{
	static const char *const names[] = {
		[AT_BOOT_LAST] = "last", [AT_BOOT_REFUSE] = "refuse", [AT_BOOT_OPEN] = "open"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(text, names[i])) {
			*at_boot = (enum at_boot)i;
			return NULL;
		}
	return printed("bad at-boot '%s'; it is last (put into force what was in force last), refuse (start no program "
		       "that had a rule then) or open (no rules)",
		       text);
}

const char *value_user(const char *text, struct user_list *users)
{
	struct rules_user user = { .is_group = *text == '@' };
	unsigned long id;

	if (!users_find(text, &user)) {
		if (!value_number(text + user.is_group, 10, UINT32_MAX - 1, &id))
			return user.is_group
				       ? printed("unknown group '%s'; it is '@' and a name in the group database, or "
						 "its number",
						 text)
				       : printed("unknown user '%s'; it is a name in the user database, or its number "
						 "(groups are '@NAME')",
						 text);
		user.id = (uint32_t)id;
	}
	users->users = grown(users->users, users->count, sizeof(*users->users));
	users->users[users->count++] = user;
	return NULL;
}

bool path_ends_in_dots(const char *path)
{
	const char *slash = strrchr(path, '/');

	return !strcmp(slash, "/.") || !strcmp(slash, "/..");
}

/* What begins with a slash is the path of a file. */
const char *value_with(const char *text, enum with_kind *kind)
{
	size_t size = strlen(text);

	*kind = strpbrk(text, "*?[") ? WITH_PATTERN : *text == '/' ? WITH_FILE : WITH_TEXT;
	if (!size)
		return printed("with = '' is no argument; write a text, a pattern, or the path of a file");
	if (strchr(text, '\n'))
		return printed("the argument has a line break in it; write a pattern with ? in its place");
	if (*kind == WITH_PATTERN && size >= WITH_PATTERN_MAX)
		return printed("pattern '%s' is too long; it has at most %d characters", text, WITH_PATTERN_MAX - 1);
	if (size >= RULE_PATH_MAX)
		return printed("argument '%s' is too long; it has at most %d characters", text, RULE_PATH_MAX - 1);
	if (*kind == WITH_FILE && text[size - 1] == '/')
		return printed("'%s' ends in a slash; leave that out, or for what is beneath it, write '%s*'", text,
			       text);
	if (*kind == WITH_FILE && path_ends_in_dots(text))
		return printed("'%s' ends in '.' or '..'; write the path without it", text);
	return NULL;
}

bool interface_name_valid(const char *name)
{
	size_t size = strlen(name);

	return size && size < IFNAMSIZ && !strpbrk(name, "/: \t\n\"*{}\\") && name[0] != '.';
}

const char *value_interface(const char *text, const char **interface)
{
	char name[IF_NAMESIZE];
	size_t size = strlen(text);
	char *start = copied(text);
	bool pattern = size && text[size - 1] == '*';

	if (pattern)
		start[size - 1] = '\0';
	if (!interface_name_valid(start))
		return printed(
			"bad interface '%s'; it is a name of at most %d characters, as 'ip link' shows it, or the "
			"beginning of one, as in 'tun*', or ordinary",
			text, IFNAMSIZ - 1);
	free(start);
	/* nftables does not know an interface by its other names (altname). */
	if (if_indextoname(if_nametoindex(text), name) && strcmp(name, text))
		return printed("interface '%s' is named '%s'; write interface = '%s'", text, name, name);
	if (!strcmp(text, "lo"))
		return printed("'lo' leads to this machine alone; name the interface that leads out, or remove it");
	*interface = copied(text);
	return NULL;
}

/* Of what `ip netns` takes, what needs no quotes anywhere. */
const char *value_netns(const char *text, char **netns)
{
	size_t size = strlen(text);
	bool ok = size && size <= NETNS_NAME_MAX && strcmp(text, ".") && strcmp(text, "..");

	for (const char *c = text; ok && *c; c++)
		ok = isalnum((unsigned char)*c) || strchr("._+@:-", *c);
	if (!ok)
		return printed(
			"bad netns '%s'; it is a name as 'ip netns' shows it, of at most %d of the characters A-Z "
			"a-z 0-9 . _ + @ : -, or private",
			text, NETNS_NAME_MAX);
	*netns = copied(text);
	return NULL;
}
