/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim suggest: programs without a rule that talk to the network, and the rules that one
 * would write for them. */

#include "conf/command/duration.h"
#include "conf/command/json.h"
#include "conf/command/options.h"
#include "conf/command/talkers.h"
#include "conf/command/verbs.h"
#include "conf/contract/sys.h"
#include "conf/language/alloc.h"
#include "conf/language/compile.h"
#include "conf/language/grammar.h"
#include "conf/language/say.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <pwd.h>

#define SHOWN 8	    /* destinations of a program */
#define ADDRESSES 4 /* near ones at a port; where there are more, the port is let through */
#define ITEM_SIZE (DESTINATION_SIZE + 8)

struct items {
	char (*texts)[ITEM_SIZE];
	size_t count;
};

static void add_item(struct items *items, const char *text)
{
	for (size_t i = 0; i < items->count; i++)
		if (!strcmp(items->texts[i], text))
			return;
	items->texts = grown(items->texts, items->count, sizeof(*items->texts));
	snprintf(items->texts[items->count++], ITEM_SIZE, "%s", text);
}

static size_t near_at_port(const struct destinations *list, const struct destination *like)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct destination *d = &list->items[i];

		count += d->port == like->port && d->protocol == like->protocol && destination_is_near(d);
	}
	return count;
}

static const char *protocol_name(const struct destination *d)
{
	return d->protocol == IPPROTO_TCP ? "tcp" : "udp";
}

/* On the Internet, addresses change; nearby, an address is somebody. */
static struct items find_items(const struct talker *t)
{
	struct items items = { .count = 0 };
	const struct destinations *list = &t->destinations;

	if (t->loopback)
		add_item(&items, "loopback");
	for (size_t i = 0; i < list->count; i++) {
		const struct destination *d = &list->items[i];
		char text[ITEM_SIZE];

		if (destination_is_near(d) && near_at_port(list, d) <= ADDRESSES)
			destination_text(d, text);
		else
			snprintf(text, sizeof(text), "%s/%u", protocol_name(d), d->port);
		add_item(&items, text);
	}
	return items;
}

/* --- names */

static bool is_taken(struct rules *rules, const struct items *names, const char *name)
{
	struct rules_class class;
	uint32_t index;

	for (size_t i = 0; i < names->count; i++)
		if (!strcmp(names->texts[i], name))
			return true;
	return !grammar_takes_class_name(name) || rules_class_named(rules, name, &index, &class);
}

/* A class is called after its program: what no class in force, and none before it, is called. */
static char *class_name(struct rules *rules, struct items *names, const char *path)
{
	const char *last = strrchr(path, '/');
	char name[ITEM_SIZE];
	char base[32];

	snprintf(base, sizeof(base), "%s", last && last[1] ? last + 1 : "program");
	for (char *c = base; *c; c++)
		if (!isascii(*c) || !(isalnum((unsigned char)*c) || (*c == '-' && c > base)))
			*c = '_';
	strcpy(name, base);
	for (unsigned n = 2; is_taken(rules, names, name); n++)
		snprintf(name, sizeof(name), "%s-%u", base, n);
	add_item(names, name);
	return copied(name);
}

/* A rule takes it as it is written, and it is printed as it is. */
static bool can_be_written(const char *path)
{
	char *printable = copied(path);
	bool can = *path == '/' && !strpbrk(path, "'\\*?[");

	str_printable(printable);
	can = can && !strcmp(path, printable);
	free(printable);
	return can;
}

static const char *why_not(const struct talker *t)
{
	if (t->hidden)
		return "it is not to be found by this path here: it was replaced, or is in a container";
	if (!can_be_written(t->path))
		return "no rule for this path can be printed";
	return NULL;
}

/* --- for people */

static const char *user_name(uid_t id)
{
	const struct passwd *user = getpwuid(id);

	return user ? user->pw_name : "?";
}

static void print_destinations(const struct destinations *list)
{
	for (size_t i = 0; i < list->count && i < SHOWN; i++) {
		char text[DESTINATION_SIZE];

		printf("#   %s %s\n", protocol_name(&list->items[i]), destination_text(&list->items[i], text));
	}
	if (list->count > SHOWN)
		printf("#   and %zu more\n", list->count - SHOWN);
}

static void print_rule(const struct talker *t, const char *name)
{
	struct items items = find_items(t);

	printf("class %s {\n    action = reject\n    allow  = { ", name);
	for (size_t i = 0; i < items.count; i++)
		printf("%s'%s'", i ? ", " : "", items.texts[i]);
	printf(" }\n}\n");
	say(stdout, "app '%s' { class = %s }", t->path, name);
	free(items.texts);
}

static void print_talker(struct rules *rules, struct items *names, const struct talker *t)
{
	const char *reason = why_not(t);
	char *name;

	printf("\n");
	say(stdout, "# %s, as %s:", t->path, user_name(t->user));
	print_destinations(&t->destinations);
	if (reason) {
		printf("# %s\n", reason);
		return;
	}
	name = class_name(rules, names, t->path);
	print_rule(t, name);
	free(name);
}

static void print_text(struct rules *rules, const struct talkers *talkers, size_t programs)
{
	struct items names = { .count = 0 };

	printf("# %zu program%s without a rule, in no class, talk%s to other machines.\n", programs,
	       programs == 1 ? "" : "s", programs == 1 ? "s" : "");
	for (size_t i = 0; i < talkers->count; i++)
		if (talkers->items[i].destinations.count)
			print_talker(rules, &names, &talkers->items[i]);
	if (talkers->missed.count) {
		printf("\n# Too short to tell which program it was:\n");
		print_destinations(&talkers->missed);
	}
	if (talkers->untracked[0] || talkers->untracked[1])
		printf("\n# UDP that is not connected was not seen: nothing uses conntrack here%s.\n",
		       !talkers->untracked[1]	? " for IPv4"
		       : !talkers->untracked[0] ? " for IPv6"
						: "");
	free(names.texts);
}

/* --- for scripts */

static json_t *json_destinations(const struct destinations *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++) {
		char address[INET6_ADDRSTRLEN];
		const struct destination *d = &list->items[i];

		json_add(array,
			 json_pack("{s:s, s:s, s:i}", "protocol", protocol_name(d), "address",
				   inet_ntop(d->family, &d->address, address, sizeof(address)), "port", (int)d->port));
	}
	return array;
}

static json_t *json_talker(struct rules *rules, struct items *names, const struct talker *t)
{
	char *name = why_not(t) ? NULL : class_name(rules, names, t->path);
	struct items items = find_items(t);
	json_t *allow = json_array();
	json_t *value;

	for (size_t i = 0; i < items.count; i++)
		json_add(allow, json_string(items.texts[i]));
	value = json_pack("{s:o, s:o, s:o, s:o, s:o}", "program", json_text(t->path), "user",
			  json_text(user_name(t->user)), "class", name ? json_string(name) : json_null(), "allow",
			  allow, "destinations", json_destinations(&t->destinations));
	free(items.texts);
	free(name);
	return value;
}

static void print_json(struct rules *rules, const struct talkers *talkers)
{
	struct items names = { .count = 0 };
	json_t *programs = json_array();

	for (size_t i = 0; i < talkers->count; i++)
		if (talkers->items[i].destinations.count)
			json_add(programs, json_talker(rules, &names, &talkers->items[i]));
	json_print(json_pack("{s:o, s:o, s:b}", "programs", programs, "missed", json_destinations(&talkers->missed),
			     "untracked", talkers->untracked[0] || talkers->untracked[1]));
	free(names.texts);
}

static bool read_options(const struct command *command, unsigned *seconds, bool *json)
{
	static const struct option options[] = { { "for", required_argument, NULL, 'f' },
						 { "json", no_argument, NULL, 'j' },
						 { NULL, 0, NULL, 0 } };
	int option;

	optind = 0;
	while ((option = options_next(command, ":", options)) != -1) {
		if (option == ':')
			options_tell_lacking("suggest", "--for", "a time, as in --for 10m");
		if (option == ':' || option == '?')
			return false;
		if (option == 'j') {
			*json = true;
			continue;
		}
		*seconds = duration_read(optarg);
		if (!*seconds) {
			warnx("suggest: '%s' is no time of at most 7 days, as in 90s, 10m, 1h30m", optarg);
			return false;
		}
	}
	if (optind <= command->argc)
		options_tell_unknown("suggest", command->argv[optind - 1]);
	return optind > command->argc;
}

int cmd_suggest(const struct command *command)
{
	struct talkers talkers = { .count = 0 };
	struct rules rules;
	unsigned seconds = 0;
	bool json = false;
	size_t programs = 0;

	if (!read_options(command, &seconds, &json))
		return EXIT_USAGE;
	if (!compile_open(&rules, true)) {
		if (errno == ENOENT)
			warnx("netshim is not up; run 'netshim up' as root");
		return EXIT_FAILURE;
	}
	talkers_watch(&talkers, &rules, seconds);
	for (size_t i = 0; i < talkers.count; i++)
		programs += talkers.items[i].destinations.count > 0;
	if (json)
		print_json(&rules, &talkers);
	else
		print_text(&rules, &talkers, programs);
	rules_close(&rules);
	return EXIT_SUCCESS;
}
