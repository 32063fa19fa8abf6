/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim ps: which processes are in which class; netshim move: puts processes
 * that run already into one. */

#include "conf/command/columns.h"
#include "conf/command/json.h"
#include "conf/command/options.h"
#include "conf/command/verbs.h"
#include "conf/command/wanted.h"
#include "conf/contract/process.h"
#include "conf/kernel/cgroup.h"
#include "conf/kernel/processes.h"
#include "conf/language/alloc.h"
#include "conf/language/compile.h"
#include "conf/language/ruleset.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <time.h>
#include <unistd.h>

#define MOVE_TRIES 500

/* Opens the rules file; NULL with a message where netshim is not up. Allocated. */
static struct rules *open_rules(void)
{
	struct rules *rules = zalloc(sizeof(*rules));

	if (compile_open(rules, true))
		return rules;
	if (errno == ENOENT)
		warnx("netshim is not up; run 'netshim up' as root");
	free(rules);
	return NULL;
}

static bool is_mounted(void)
{
	bool is = cgroup_is_mounted();

	if (!is)
		warnx("the net_cls hierarchy is not mounted at " CGROUP_MOUNT " in this mount namespace; run 'netshim "
		      "reload'");
	return is;
}

struct options {
	const char *class; /* that one alone */
	bool tree;
	bool json;
};

static bool read_options(const struct command *command, struct options *options)
{
	*options = (struct options){ .class = NULL };
	for (int i = 0; i < command->argc; i++) {
		const char *word = command->argv[i];

		if (!strcmp(word, "--tree"))
			options->tree = true;
		else if (!strcmp(word, "--json"))
			options->json = true;
		else if (*word != '-' && !options->class)
			options->class = word;
		else {
			options_tell_unknown("ps", word);
			return false;
		}
	}
	return true;
}

/* What is shown of the machine's processes. */
struct listing {
	const struct options *options;
	struct process_list all;
	bool *shown;
	const char **wanted; /* the class of its rule, where it runs elsewhere; "" is none, NULL is here */
	bool any_wanted;
};

static void note_wanted(struct listing *l, struct rules *rules)
{
	size_t count = 0;
	struct outside *outside = geteuid() ? NULL : wanted_outside(rules, &count);

	for (size_t i = 0; i < count; i++) {
		const struct process *p = processes_find(&l->all, outside[i].process.pid);

		if (p && p->started == outside[i].process.started)
			l->wanted[p - l->all.items] = copied(outside[i].class);
	}
	free(outside);
}

static bool is_class(const struct options *options, const char *class)
{
	return *class && (!options->class || !strcmp(options->class, class));
}

static void read_listing(struct listing *l, struct rules *rules)
{
	processes_read(&l->all);
	l->shown = zalloc((l->all.count + 1) * sizeof(*l->shown));
	l->wanted = zalloc((l->all.count + 1) * sizeof(*l->wanted));
	note_wanted(l, rules);
	for (size_t i = 0; i < l->all.count; i++) {
		const struct process *p = &l->all.items[i];

		l->shown[i] = (p->place.place == PLACE_CLASS && is_class(l->options, p->place.class)) ||
			      (l->wanted[i] && is_class(l->options, l->wanted[i]));
		l->any_wanted = l->any_wanted || (l->shown[i] && l->wanted[i]);
	}
}

/* In a tree, with what has started them. */
static void show_parents(struct listing *l)
{
	for (size_t i = 0; i < l->all.count; i++) {
		const struct process *p = l->shown[i] ? processes_parent(&l->all, &l->all.items[i]) : NULL;

		for (; p && !l->shown[p - l->all.items]; p = processes_parent(&l->all, p))
			l->shown[p - l->all.items] = true;
	}
}

static const char *user_of(const struct process *p)
{
	uid_t id = process_user(p->thread);
	const struct passwd *user = id == (uid_t)-1 ? NULL : getpwuid(id);

	return user ? user->pw_name : "?";
}

/* Beneath so many, others are no longer told apart, and lines would only become longer. */
#define DEEPEST 40

static void add_process(const struct listing *l, struct columns *to, size_t at, int depth)
{
	int indent = depth < DEEPEST ? depth : DEEPEST;
	const struct process *p = &l->all.items[at];
	const char *wanted = l->wanted[at];
	char *id = printed("%d", p->pid);
	char *name = printed("%*s%s%s", indent ? (indent - 1) * 2 : 0, "", indent ? "\\_ " : "", p->name);

	columns_add(to, id, COLOUR_OFF);
	columns_add(to, user_of(p), COLOUR_OFF);
	columns_add(to, p->place.place == PLACE_CLASS ? p->place.class : "-", COLOUR_OFF);
	columns_add(to, p->place.locked ? "locked" : "", COLOUR_NOTE);
	if (l->any_wanted)
		columns_add(to, !wanted ? "" : *wanted ? wanted : "none", COLOUR_BAD);
	columns_add(to, name, COLOUR_OFF);
	free(id);
	free(name);
}

/* Of one that is shown: who has started it, and which others the same one and it itself have. */
struct kin {
	struct kin *parent, *next, *child;
};

/* One a process; what nobody has started that is there is the last one's, which is none. */
static struct kin *find_kin(const struct listing *l)
{
	size_t count = l->all.count;
	struct kin *kin = zalloc((count + 1) * sizeof(*kin));

	for (size_t i = count; i-- > 0;) {
		const struct process *parent = processes_parent(&l->all, &l->all.items[i]);
		struct kin *above = &kin[parent ? (size_t)(parent - l->all.items) : count];

		if (!l->shown[i])
			continue;
		kin[i] = (struct kin){ .parent = above, .next = above->child, .child = kin[i].child };
		above->child = &kin[i];
	}
	return kin;
}

/* What one has started comes beneath it. */
static const struct kin *next_line(const struct kin *k, int *depth)
{
	if (k->child) {
		++*depth;
		return k->child;
	}
	for (; k->parent && !k->next; k = k->parent)
		--*depth;
	return k->next;
}

static void add_tree(const struct listing *l, struct columns *to)
{
	struct kin *kin = find_kin(l);
	int depth = 0;

	for (const struct kin *k = kin[l->all.count].child; k; k = next_line(k, &depth))
		add_process(l, to, (size_t)(k - kin), depth);
	free(kin);
}

static void add_class(const struct listing *l, struct columns *to, const char *class, bool locked)
{
	for (size_t i = 0; i < l->all.count; i++) {
		const struct membership *place = &l->all.items[i].place;

		if (l->shown[i] && !strcmp(place->class, class) && place->locked == locked)
			add_process(l, to, i, 0);
	}
}

static void print_listing(const struct listing *l, struct rules *rules)
{
	static const struct column plain[] = { { "PID", COLUMN_NUMBER },
					       { "USER", COLUMN_TEXT },
					       { "CLASS", COLUMN_TEXT },
					       { "", COLUMN_TEXT },
					       { "COMMAND", COLUMN_TEXT } };
	static const struct column more[] = { { "PID", COLUMN_NUMBER }, { "USER", COLUMN_TEXT },
					      { "CLASS", COLUMN_TEXT }, { "", COLUMN_TEXT },
					      { "RULE", COLUMN_TEXT },	{ "COMMAND", COLUMN_TEXT } };
	struct columns table = { .titles = l->any_wanted ? more : plain, .count = l->any_wanted ? 6 : 5 };
	char name[CLASS_NAME_MAX + 1];
	struct rules_class class;

	if (l->options->tree) {
		add_tree(l, &table);
	} else {
		for (uint32_t i = 0; rules_class(rules, i, &class, name); i++) {
			add_class(l, &table, name, false);
			add_class(l, &table, name, true);
		}
		add_class(l, &table, "", false);
	}
	columns_print(&table);
}

/* Members are added, never renamed or taken away. */
static void print_json(const struct listing *l)
{
	json_t *list = json_array();

	for (size_t i = 0; i < l->all.count; i++) {
		const struct process *p = &l->all.items[i];
		const char *class = p->place.place == PLACE_CLASS ? p->place.class : NULL;

		if (l->shown[i])
			json_add(list, json_pack("{s:i, s:i, s:o, s:o, s:s?, s:b, s:s?}", "pid", p->pid, "parent",
						 p->parent, "user", json_text(user_of(p)), "name", json_text(p->name),
						 "class", class, "locked", p->place.locked, "rule", l->wanted[i]));
	}
	json_print(json_pack("{s:o}", "processes", list));
}

int cmd_ps(const struct command *command)
{
	struct options options;
	struct listing listing = { .options = &options };
	struct rules_class class;
	struct rules *rules;
	uint32_t index;

	if (!read_options(command, &options))
		return EXIT_USAGE;
	rules = open_rules();
	if (!rules || !is_mounted())
		return EXIT_FAILURE;
	if (options.class && !rules_class_named(rules, options.class, &index, &class)) {
		warnx("there is no class '%s'; 'netshim status' lists them", options.class);
		return EXIT_FAILURE;
	}
	read_listing(&listing, rules);
	if (options.tree)
		show_parents(&listing);
	if (options.json)
		print_json(&listing);
	else
		print_listing(&listing, rules);
	free(rules);
	return EXIT_SUCCESS;
}

static bool is_helper(const char *id)
{
	pid_t pid = (pid_t)strtol(id, NULL, 10);

	return process_runs(pid, NETSHIM_HELPER) || process_runs(pid, NETSHIM_NETNS);
}

/* A helper that has already looked at its group would still move on to another one,
 * even out of a locked one. It is a helper for a moment only, unless a user stops it. */
static bool move_for_good(const char *class, bool locked, const char *id)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	unsigned tries = locked ? MOVE_TRIES : 0;

	do {
		for (; tries && is_helper(id); tries--)
			nanosleep(&pause, NULL);
		if (!cgroup_move_process(class, locked, id))
			return false;
	} while (tries && is_helper(id));
	if (locked && !tries)
		warnx("process '%s' is still being started by " NETSHIM_HELPER
		      " and may yet enter another class; end it, or try again",
		      id);
	return tries || !locked;
}

/* Tells whether the process is in a class with a network namespace, in which it would stay. */
static bool is_in_netns(struct rules *rules, const char *id)
{
	char *cgroup = printed("/proc/%s/cgroup", id);
	struct membership place;
	struct rules_class class;
	uint32_t index;
	bool is;

	process_membership_of(cgroup, &place);
	free(cgroup);
	is = place.place == PLACE_CLASS && place.locked && rules_class_named(rules, place.class, &index, &class) &&
	     class.flags & CLASS_NETNS;
	if (is)
		warnx("process '%s' is in the network namespace of class %s, which no running process leaves; end it, "
		      "and start it anew",
		      id, place.class);
	return is;
}

/* Whoever is moved takes along all that it starts. */
#define FIRST_PROCESS 1

static pid_t process_id(const char *word)
{
	char *end;
	long id = isdigit((unsigned char)*word) ? strtol(word, &end, 10) : 0;

	return id > 0 && id <= INT_MAX && !*end ? (pid_t)id : 0;
}

/* All of them, before anybody is moved. class is NULL for out of any. */
static bool check_processes(const struct command *command, const char *class)
{
	for (int i = 1; i < command->argc; i++) {
		pid_t id = process_id(command->argv[i]);

		if (!id) {
			warnx("cannot move process '%s', and so none: that is no process ID", command->argv[i]);
			return false;
		}
		if (id == FIRST_PROCESS && class) {
			warnx("process 1 is what starts every service and takes in every orphan: all that it starts "
			      "from then on would be in class %s; move the processes that are meant, or write a rule "
			      "for a service, as unit 'NAME.service' { class = %s }",
			      class, class);
			return false;
		}
	}
	return true;
}

int cmd_move(const struct command *command)
{
	struct rules *rules = open_rules();
	const char *name = command->argv[0];
	const char *to;
	struct rules_class class = { .flags = 0 };
	uint32_t index;
	bool ok = true;

	if (!rules || !is_mounted())
		return EXIT_FAILURE;
	if (strcmp(name, "none") && !rules_class_named(rules, name, &index, &class)) {
		warnx("there is no class '%s'; 'netshim status' lists them; 'none' takes a process out of its class",
		      name);
		return EXIT_FAILURE;
	}
	if (class.flags & CLASS_NETNS) {
		warnx("class %s has a network namespace, into which no running process can be put; end it, and start "
		      "it anew by 'netshim run %s COMMAND'",
		      name, name);
		return EXIT_FAILURE;
	}
	to = strcmp(name, "none") ? name : NULL;
	if (!check_processes(command, to))
		return EXIT_FAILURE;
	for (int i = 1; i < command->argc; i++)
		ok = !is_in_netns(rules, command->argv[i]) &&
		     move_for_good(to, class.flags & CLASS_LOCK, command->argv[i]) && ok;
	free(rules);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
