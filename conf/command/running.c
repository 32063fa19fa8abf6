/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Moves running processes: see running.h.
 *
 * Rules look at a program when it starts. What runs already would stay where it is, and if
 * it starts itself once more under no_new_privs, as browsers do, the helper could not put
 * it right. A process that is elsewhere than its rule said until now was put there, or has
 * inherited it, and stays.
 *
 * All of it is done by a child: whatever happens to that, the load itself has succeeded. */

#include "conf/command/running.h"

#include "conf/command/terminal.h"
#include "conf/command/wanted.h"
#include "conf/contract/sys.h"
#include "conf/kernel/cgroup.h"
#include "conf/kernel/processes.h"
#include "conf/language/alloc.h"
#include "conf/language/compile.h"
#include "conf/language/say.h"

#include <inttypes.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What a process has forked while it was being moved is found by the next pass. */
#define PASSES 50

/* A process that was moved. */
struct moved {
	pid_t pid;
	uint64_t started;
	uint64_t when; /* as started: clock ticks since the boot */
	struct membership from;
	struct membership to;
	char name[16];
	bool failed;
};

struct moved_list {
	struct moved *items;
	size_t count;
};

/* One process, and what is to become of it. */
struct candidate {
	struct process process;
	struct wants wants;
	const struct moved *moved; /* in an earlier pass */
	struct moved *noted;	   /* in a load that is gone back from */
	bool failed;		   /* that move was: a copy, as their list grows while it is read */
	bool moves;
	struct membership to;
	bool followed;
	struct candidate *parent;
	struct candidate *above; /* the nearest one that is not passed over */
};

struct work {
	struct looker looker;
	const char *note;
	struct moved_list noted;
	struct moved_list moved;
	struct process_list processes;
	struct candidate *candidates; /* one a process */
	struct process_names elsewhere;
};

static bool same_place(const struct membership *a, const struct membership *b)
{
	return a->place == b->place &&
	       (a->place != PLACE_CLASS || (a->locked == b->locked && !strcmp(a->class, b->class)));
}

/* Not locked where only a start leads into its network namespace: what it starts from now
 * on is to come there. */
static struct membership place_of(const struct wanted *wanted)
{
	struct membership place = { .place = *wanted->class ? PLACE_CLASS : PLACE_ROOT,
				    .locked = wanted->locked && !wanted->elsewhere };

	strcpy(place.class, wanted->class);
	return place;
}

static struct candidate *find_candidate(const struct work *work, const struct moved *m)
{
	const struct process *p = processes_find(&work->processes, m->pid);

	return p && p->started == m->started ? &work->candidates[p - work->processes.items] : NULL;
}

/* Of several moves of one process in earlier passes, the last; of several that are noted, where it
 * was at first and is now. */
static void find_moved(const struct work *work)
{
	for (size_t i = 0; i < work->moved.count; i++) {
		struct candidate *c = find_candidate(work, &work->moved.items[i]);

		if (!c)
			continue;
		c->moved = &work->moved.items[i];
		c->failed = c->moved->failed;
	}
	for (size_t i = 0; i < work->noted.count; i++) {
		struct moved *noted = &work->noted.items[i];
		struct candidate *c = find_candidate(work, noted);

		if (c && c->noted) {
			c->noted->to = noted->to;
			c->noted->when = noted->when;
		} else if (c) {
			c->noted = noted;
		}
	}
}

/* A class that is no more holds nobody. */
static bool is_gone(const struct work *work, const struct membership *place)
{
	struct rules_class class;
	uint32_t index;

	return place->place == PLACE_CLASS && !rules_class_named(work->looker.now, place->class, &index, &class);
}

static bool wants_the_same(const struct wanted *a, const struct wanted *b)
{
	return a->rule == b->rule && a->refused == b->refused && a->locked == b->locked &&
	       a->elsewhere == b->elsewhere && !strcmp(a->class, b->class);
}

/* What was moved in an earlier pass may have become another program before that. */
static bool was_moved_there(const struct candidate *c)
{
	return c->moved && !c->noted && same_place(&c->moved->to, &c->process.place) && !c->process.place.locked;
}

static bool goes_back(const struct candidate *c)
{
	return c->noted && !c->moved && same_place(&c->noted->to, &c->process.place);
}

static bool follows_its_rule(const struct work *work, const struct candidate *c)
{
	const struct wanted *before = &c->wants.before;
	const struct wanted *now = &c->wants.now;
	const struct membership *place = &c->process.place;

	if (!now->rule || now->refused)
		return false;
	return is_gone(work, place) || was_moved_there(c) || (wanted_is(before, place) && !wants_the_same(before, now));
}

static void decide(const struct work *work, struct candidate *c)
{
	if (goes_back(c)) {
		c->to = c->noted->from;
		if (is_gone(work, &c->to))
			c->to = (struct membership){ .place = PLACE_ROOT };
		c->moves = true;
	} else if (follows_its_rule(work, c)) {
		c->to = place_of(&c->wants.now);
		c->moves = true;
	}
	c->moves = c->moves && !same_place(&c->to, &c->process.place);
}

static struct candidate *parent_of(const struct work *work, const struct candidate *c)
{
	const struct process *parent = processes_parent(&work->processes, &c->process);

	return parent ? &work->candidates[parent - work->processes.items] : NULL;
}

/* Where a parent came from and goes to, or went to in an earlier pass. With what goes back
 * goes what it has started since: what was in that place before, `netshim run` has put
 * there. */
static bool leads(const struct candidate *parent, const struct candidate *child, struct membership *to)
{
	const struct membership *from = &child->process.place;

	if (parent->noted && child->process.started < parent->noted->when)
		return false;
	if (parent->moves && same_place(&parent->process.place, from))
		*to = parent->to;
	else if (parent->moved && same_place(&parent->moved->from, from))
		*to = parent->moved->to;
	else
		return false;
	return true;
}

/* A parent that neither leads the child anywhere nor ends the search for one that does; and so for
 * all beneath it that is in the same place. */
static bool is_passed(const struct candidate *parent, const struct candidate *child)
{
	const struct membership *place = &parent->process.place;

	return !parent->wants.now.rule && !parent->moves && same_place(place, &child->process.place) &&
	       !(parent->moved && same_place(&parent->moved->from, place));
}

/* What has no rule of its own and is where its parent is, or was, goes with that. Its parent has
 * been here before it. */
static void follow(struct candidate *c)
{
	c->above = c->parent && is_passed(c->parent, c) ? c->parent->above : c->parent;
	if (c->wants.now.rule)
		return;
	for (const struct candidate *p = c->above; p && !c->moves; p = p->above) {
		c->moves = leads(p, c, &c->to);
		if (!c->moves && (p->wants.now.rule || !same_place(&p->process.place, &c->process.place)))
			return;
	}
}

/* Users can make long chains, and each in one would go up to its top. So a parent comes before what
 * it has started, whatever their numbers: what passes it over stays right, as it moves no more. */
static void follow_all(struct work *work)
{
	struct candidate **line = zalloc((work->processes.count + 1) * sizeof(struct candidate *));

	for (size_t i = 0; i < work->processes.count; i++) {
		size_t count = 0;

		for (struct candidate *c = &work->candidates[i]; c && !c->followed; c = c->parent) {
			c->followed = true;
			c->parent = parent_of(work, c);
			line[count++] = c;
		}
		while (count)
			follow(line[--count]);
	}
	free(line);
}

/* "PID STARTED WHEN FROM TO", a line each; "/" is no class. */
static void print_place(FILE *out, const struct membership *place)
{
	fprintf(out, " %s%s", place->place == PLACE_CLASS ? place->class : "/", place->locked ? "/locked" : "");
}

static void note(const struct work *work, const struct moved *m)
{
	FILE *out = work->note ? fopen(work->note, "ae") : NULL;

	if (!out)
		return;
	fprintf(out, "%d %" PRIu64 " %" PRIu64, m->pid, m->started, m->when);
	print_place(out, &m->from);
	print_place(out, &m->to);
	fprintf(out, "\n");
	fclose(out);
}

static struct membership read_place(const char *text)
{
	struct membership place = { .place = *text == '/' ? PLACE_ROOT : PLACE_CLASS };
	size_t size = strcspn(text, "/");

	place.locked = place.place == PLACE_CLASS && text[size];
	snprintf(place.class, sizeof(place.class), "%.*s", (int)size, text);
	return place;
}

static void read_notes(struct moved_list *list, const char *path)
{
	FILE *file = fopen(path, "re");
	struct moved m = { .failed = false };
	char from[CLASS_NAME_MAX + 16];
	char to[sizeof(from)];

	while (file &&
	       fscanf(file, "%d %" SCNu64 " %" SCNu64 " %79s %79s", &m.pid, &m.started, &m.when, from, to) == 5) {
		m.from = read_place(from);
		m.to = read_place(to);
		list->items = grown(list->items, list->count, sizeof(m));
		list->items[list->count++] = m;
	}
	if (file)
		fclose(file);
}

static void move(struct work *work, const struct candidate *c)
{
	const struct process *p = &c->process;
	struct moved m = { p->pid, p->started, processes_now(), p->place, c->to, "", false };
	char id[16];

	strcpy(m.name, p->name);
	snprintf(id, sizeof(id), "%d", p->pid);
	/* Numbers of processes come around only after all others. */
	if (!process_is_there(p))
		return;
	note(work, &m);
	m.failed = !cgroup_try_move(c->to.place == PLACE_CLASS ? c->to.class : NULL, c->to.locked, id);
	if (m.failed && !process_is_there(p))
		return;
	work->moved.items = grown(work->moved.items, work->moved.count, sizeof(m));
	work->moved.items[work->moved.count++] = m;
}

static void look_at_all(struct work *work)
{
	size_t count = work->processes.count;

	work->candidates = zalloc((count + 1) * sizeof(*work->candidates));
	find_moved(work);
	for (size_t i = 0; i < count; i++) {
		struct candidate *c = &work->candidates[i];

		c->process = work->processes.items[i];
		if (c->process.in_force)
			c->wants = wanted_by(&work->looker, &c->process);
		if (!c->wants.known && !c->wants.becoming)
			c->wants.now = (struct wanted){ .rule = true, .refused = true };
	}
	for (size_t i = 0; i < count; i++)
		decide(work, &work->candidates[i]);
	follow_all(work);
}

/* No move leads into a network namespace. */
static bool stays_out(const struct candidate *c)
{
	const struct wanted *now = &c->wants.now;
	const struct membership *place = &c->process.place;

	return now->rule && !now->refused && now->elsewhere && !place->locked &&
	       (place->place == PLACE_CLASS || place->place == PLACE_ROOT);
}

static void note_elsewhere(struct work *work)
{
	work->elsewhere = (struct process_names){ .count = 0 };
	for (size_t i = 0; i < work->processes.count; i++)
		if (stays_out(&work->candidates[i]))
			process_names_add(&work->elsewhere, work->processes.items[i].name,
					  work->processes.items[i].pid);
}

static void tell_elsewhere(const struct process_names *names)
{
	bool one = names->count == 1;

	if (names->count)
		warnx("%zu running program%s (%s) whose class has a network namespace %s not in it: restart %s",
		      names->count, one ? "" : "s", names->text, one ? "is" : "are", one ? "it" : "them");
}

/* Returns whether there was anything to do. */
static bool pass(struct work *work)
{
	bool any = false;

	processes_read(&work->processes);
	look_at_all(work);
	note_elsewhere(work);
	for (size_t i = 0; i < work->processes.count; i++) {
		const struct candidate *c = &work->candidates[i];

		if (!c->moves || c->failed)
			continue;
		any = true;
		/* It knows the rules, and may be about to move itself. */
		if (!c->wants.becoming)
			move(work, c);
	}
	free(work->candidates);
	processes_free(&work->processes);
	return any;
}

/* Tells of all that went where the first one went, and takes them off the list. */
static void tell_first(struct moved_list *list)
{
	const struct moved first = list->items[0];
	struct moved_list rest = { list->items, 0 };
	struct process_names names = { .count = 0 };

	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].failed == first.failed && same_place(&list->items[i].to, &first.to))
			process_names_add(&names, list->items[i].name, list->items[i].pid);
		else
			rest.items[rest.count++] = list->items[i];
	*list = rest;
	if (first.failed)
		warnx("could not move %zu running program%s into class %s (%s); restart %s", names.count,
		      names.count == 1 ? "" : "s", *first.to.class ? first.to.class : "none", names.text,
		      names.count == 1 ? "it" : "them");
	else
		say(stdout, "moved %zu running program%s %s%s (%s)", names.count, names.count == 1 ? "" : "s",
		    *first.to.class ? "into class " : "out of any class", first.to.class, names.text);
}

static void tell(struct moved_list *list, bool back)
{
	bool any = list->count;

	while (list->count)
		tell_first(list);
	if (any && !back)
		say(stdout, "--leave-running would have left them where they were");
}

static void work_at(struct work *work, bool back)
{
	static struct rules now;
	const struct timespec pause = { .tv_nsec = 2000000 };

	if (!compile_open(&now, true))
		return;
	work->looker.now = &now;
	if (back && work->note)
		read_notes(&work->noted, work->note);
	if (back)
		work->note = NULL;
	for (unsigned i = 0; i < PASSES && pass(work); i++)
		nanosleep(&pause, NULL);
	wanted_end(&work->looker);
	tell(&work->moved, back);
	tell_elsewhere(&work->elsewhere);
}

void running_move(struct rules *before, const char *note_path, bool back)
{
	struct work work = { .looker = { .before = before }, .note = note_path };
	int status = 0;
	pid_t child;

	terminal_flush();
	child = fork();
	if (!child) {
		work_at(&work, back);
		terminal_flush();
		_exit(EXIT_SUCCESS);
	}
	if (child < 0)
		warn("running programs stay where they are");
	else if (waitpid(child, &status, 0) != child || status)
		warnx("not all running programs have been looked at; restart those whose rule has changed");
}
