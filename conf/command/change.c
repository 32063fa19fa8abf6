/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Changes what is in force: see change.h.
 *
 * The order keeps every program under rules that are in force: a class's group
 * and its packet rules are there before the rules file sends anybody into it, and
 * a vanished class's group goes last. Whatever fails before that, all is put back
 * as it was: so each step that changes something has one that undoes it. */

#include "conf/command/change.h"

#include "conf/command/answerers.h"
#include "conf/command/cmd-confirm.h"
#include "conf/command/cmd-grant.h"
#include "conf/command/last.h"
#include "conf/command/lifts.h"
#include "conf/command/proxy.h"
#include "conf/command/remembered.h"
#include "conf/command/running.h"
#include "conf/command/services.h"
#include "conf/command/state.h"
#include "conf/command/watcher.h"
#include "conf/kernel/cgroup.h"
#include "conf/kernel/counters.h"
#include "conf/kernel/features.h"
#include "conf/kernel/jail.h"
#include "conf/kernel/marks.h"
#include "conf/kernel/namespace.h"
#include "conf/kernel/nft.h"
#include "conf/kernel/opened.h"
#include "conf/kernel/policy.h"
#include "conf/kernel/routing.h"
#include "conf/kernel/sysctl.h"
#include "conf/kernel/table.h"
#include "conf/kernel/ways.h"
#include "conf/language/alloc.h"
#include "conf/language/compile.h"
#include "conf/language/say.h"

#include <sys/mman.h>

static const struct class *class_with(const struct ruleset *set, uint32_t classid)
{
	for (size_t i = 0; i < set->class_count; i++)
		if (set->classes[i].classid == classid)
			return &set->classes[i];
	return NULL;
}

/* If a classid went from one class to another in one reload, the packets of one would
 * for a moment pass by the rules of the other. */
static bool classids_are_free(const struct ruleset *set, const uint32_t *live)
{
	for (size_t i = 0; i < set->class_count; i++) {
		const struct class *next = NULL;

		if (live[i] && live[i] != set->classes[i].classid)
			next = class_with(set, live[i]);
		if (!next)
			continue;
		warnx("%s:%d: classid %x:%x still belongs to class '%s'; use another one, or run 'netshim down' and "
		      "'netshim up'",
		      next->classid_at.file, next->classid_at.line, live[i] >> 16, live[i] & 0xffff,
		      set->classes[i].name);
		return false;
	}
	return true;
}

static uint32_t classid_in(const struct ruleset *set, const char *name)
{
	for (size_t i = 0; i < set->class_count; i++)
		if (!strcmp(set->classes[i].name, name))
			return set->classes[i].classid;
	return 0;
}

bool change_can_follow(const struct ruleset *next, const struct ruleset *set)
{
	uint32_t *live = zalloc((next->class_count + 1) * sizeof(*live));
	bool ok;

	for (size_t i = 0; i < next->class_count; i++)
		live[i] = classid_in(set, next->classes[i].name);
	ok = classids_are_free(next, live);
	free(live);
	return ok;
}

static bool any_old_classid(const struct ruleset *set, const uint32_t *live)
{
	for (size_t i = 0; i < set->class_count; i++)
		if (live[i] && live[i] != set->classes[i].classid)
			return true;
	return false;
}

/* One change of what is in force, with what there was before it. */
struct change {
	const struct ruleset *set; /* what is wanted */
	bool hierarchy;		   /* it is mounted */
	bool mounted;		   /* by this change */
	bool was_up;
	bool had_rules;
	struct rules rules; /* those until now */
	enum running running;
	uint32_t *live; /* the classids until now, one a class of set (0: a new group) */
	uint32_t *gone; /* those of classes that are not in set */
	bool inhabited; /* there are processes in those, which may go to other classes */
	struct routing *routing;
	char *table;
	char *held; /* of refusals, by its sets */
	bool table_replaced;
	char *refusal; /* nftables' words, where it has not taken the table */
	struct network_list networks;
	void *reserve; /* memory that going back may take */
	size_t reserve_size;
};

/* How much memory libnftables takes to load the old table again, as measured: 3 MiB,
 * and about 90 times the text of a large table. */
#define RESERVE_LEAST ((size_t)8 << 20)
#define RESERVE_PER_BYTE 128

static void take_reserve(struct change *c)
{
	c->reserve_size = RESERVE_LEAST + strlen(c->table) * RESERVE_PER_BYTE;
	c->reserve =
		mmap(NULL, c->reserve_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (c->reserve == MAP_FAILED)
		err(EXIT_FAILURE, "out of memory");
}

static void give_up_reserve(struct change *c)
{
	if (c->reserve)
		munmap(c->reserve, c->reserve_size);
	c->reserve = NULL;
}

/* false where what there is cannot be read. */
static bool look(struct change *c, struct ruleset *set)
{
	c->routing = routing_read();
	if (!c->routing)
		return false;
	marks_allot(set, c->routing);
	if (!networks_read(&c->networks))
		return false;
	ways_find(set, c->routing, &c->networks);
	return true;
}

static bool begin(struct change *c, struct ruleset *set, enum running running)
{
	*c = (struct change){
		.set = set,
		.was_up = state_is_up() && !last_refuses(),
		.running = running,
		.live = zalloc((set->class_count + 1) * sizeof(*c->live)),
	};
	c->table = table_now(&c->held);
	c->had_rules = c->was_up && running != RUNNING_STAYS && !rules_open(&c->rules, true);
	take_reserve(c);
	/* Until cgroup_make has looked, no group is taken for new. */
	for (size_t i = 0; i < set->class_count; i++)
		c->live[i] = CLASSID_UNKNOWN;
	c->hierarchy = cgroup_mount(&c->mounted);
	return c->hierarchy && jails_make(set) && answerers_make(set, watch_goes_on) && look(c, set);
}

static void end(struct change *c)
{
	compile_done();
	if (c->had_rules)
		rules_close(&c->rules);
	routing_free(c->routing);
	ways_free(c->set, &c->networks);
	networks_free(&c->networks);
	free(c->table);
	free(c->held);
	free(c->gone);
	free(c->live);
}

/* And what was kept of refusals, in a table that is gone back to. */
static char *with_held(const char *text, const char *elements, const struct ruleset *set)
{
	char *whole = NULL;
	FILE *out = memstream_open(&whole, &(size_t){ 0 });

	fprintf(out, "%s%s", text, set || !elements ? "" : elements);
	if (set)
		opened_write(out, set);
	memstream_close(out);
	return set ? whole : remembered_with(whole);
}

/* With what is lifted, and what is open by a name. Where set is NULL, c->table is gone back to:
 * the first is then that of the rules file, and the second all that was in its sets at each load,
 * as resolvers that go on open more in between. */
static char *load_lifted(const struct change *c, const char *text, const struct ruleset *set, const uint32_t *live)
{
	int held = answerers_matter() ? answerers_hold() : -1;
	char *lifted = lifts_with(text, set, live);
	char *whole;
	char *words;

	remembered_look(c->table);
	whole = with_held(lifted, c->held, set);
	words = (set ? table_replace : table_load)(NULL, text, whole);
	if (!words)
		answerers_follow_table(held, set);
	answerers_let_go(held);
	free(lifted);
	free(whole);
	return words;
}

static bool load(struct change *c, const uint32_t *live, const uint32_t *gone)
{
	bool replaced = c->table_replaced;
	struct counters counters;
	char *text;

	counters_read(&counters);
	text = policy_text(c->set, &counters, live, gone, &c->networks);
	c->table_replaced = true; /* in case the process ends in there */
	c->refusal = load_lifted(c, text, c->set, live);
	c->table_replaced = replaced || !c->refusal;
	free(counters.items);
	free(text);
	return !c->refusal;
}

/* The rules of a removed class are not known any more, but the old rules file still
 * sends programs there. What these send must not pass without any rules. */
static bool load_for_both(struct change *c)
{
	c->gone = cgroup_gone(c->set, &c->inhabited);
	c->inhabited = c->inhabited && c->running != RUNNING_STAYS;
	return load(c, c->live, c->gone);
}

static bool set_classids(const struct change *c)
{
	return !any_old_classid(c->set, c->live) || cgroup_set_classids(c->set, NULL);
}

static bool load_for_new(struct change *c)
{
	const uint32_t *gone = c->inhabited ? c->gone : NULL;

	return (!any_old_classid(c->set, c->live) && (gone || !*c->gone)) || load(c, NULL, gone);
}

/* Nobody is in the classes that are no more. */
static bool load_without_gone(struct change *c)
{
	bool ok = !c->inhabited || load(c, NULL, NULL);

	if (!ok)
		nft_tell(c->refusal);
	return ok;
}

static bool tidy_up(struct change *c)
{
	const char *left = NULL;

	if (!cgroup_remove(c->set))
		left = "groups of the old one";
	else if (!jails_clean(c->set))
		left = "network namespaces of the old one";
	else if (!load_without_gone(c))
		left = "packet rules of classes that are no more";
	if (left)
		warnx("the new configuration is in force, but %s are left; 'netshim reload' tries again to remove "
		      "them",
		      left);
	return !left;
}

/* The rules until now say whose rule has changed. Where they cannot be read, nobody can. */
static void move_running(struct change *c)
{
	const char *note = confirm_left() == CONFIRM_NONE ? NULL : CONFIRM_MOVED;

	if (c->running != RUNNING_STAYS && (c->had_rules || !c->was_up))
		running_move(c->had_rules ? &c->rules : NULL, note, c->running == RUNNING_GOES_BACK);
}

static bool put_into_force(struct change *c)
{
	return routing_check(c->routing, c->set) && compile_write(c->set) && grant_for(c->set) &&
	       cgroup_make(c->set, c->live) && classids_are_free(c->set, c->live) &&
	       routing_add(c->routing, c->set, &c->networks) && sysctl_restore(c->set, &c->networks) &&
	       load_for_both(c) && jails_load(c->set, lifts_inside) && sysctl_make(c->set, &c->networks) &&
	       compile_commit() && set_classids(c) && load_for_new(c) &&
	       routing_clean(c->routing, c->set, &c->networks);
}

static void go_back_groups(const struct change *c)
{
	cgroup_set_classids(c->set, c->live);
	if (c->was_up)
		cgroup_unmake(c->set, c->live);
	else
		cgroup_remove(NULL);
	if (c->mounted)
		cgroup_unmount();
}

static void go_back(const struct change *c)
{
	char *words = NULL;

	compile_undo();
	compile_done();
	grant_no_more();
	if (c->routing)
		routing_restore(c->routing);
	sysctl_undo();
	jails_undo();
	if (c->hierarchy)
		go_back_groups(c);
	/* Last: with too little memory, the process ends here again. */
	if (c->table_replaced) {
		char *counted = table_counted(c->table);

		words = load_lifted(c, counted, NULL, NULL);
		free(counted);
	}
	if (words) {
		warnx("nftables does not take back what it had, and goes on with the rules that have failed; mend what "
		      "it says here, then run 'netshim reload':");
		say_lines(stderr, words);
	}
	free(words);
}

/* The change that is under way. */
static struct change *under_way;

/* Also runs when the process ends half way: alloc.h and libnftables exit when there
 * is no memory. */
static void give_up(void)
{
	struct change *c = under_way;

	under_way = NULL;
	if (!c)
		return;
	namespace_leave();
	/* Runs last, even if the process ends in the next line. */
	atexit(state_leave);
	give_up_reserve(c);
	go_back(c);
	confirm_undo();
	end(c);
}

static void set_out(struct change *c)
{
	under_way = c;
	if (atexit(give_up))
		err(EXIT_FAILURE, "out of memory");
}

static void tell_loops(const struct ruleset *set)
{
	for (size_t i = 0; i < set->class_count; i++) {
		const struct class *class = &set->classes[i];

		if (proxy_in_own_class(class))
			warnx("%s:%d: the proxy of class %s is in that class itself: " PROXY_LOOP, class->proxy_at.file,
			      class->proxy_at.line, class->name);
	}
}

static void tell_refusal(struct ruleset *set, const char *words)
{
	features_check(set);
	if (!ruleset_report(set))
		nft_tell(words);
}

int change_to(struct ruleset *set, enum running running)
{
	static struct change c;
	bool ok;

	set_out(&c);
	if (!begin(&c, set, running) || !put_into_force(&c)) {
		give_up();
		if (c.refusal)
			tell_refusal(set, c.refusal);
		return EXIT_FAILURE;
	}
	under_way = NULL;
	grant_no_more();
	confirm_count();
	ok = services_follow(set);
	move_running(&c);
	ok = tidy_up(&c) && ok;
	cgroup_warn_of_exits();
	watch_start(set);
	end(&c);
	tell_loops(set);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The table that is loaded stays where it would be the same. */
static bool table_stays(const struct change *c)
{
	char *text = policy_text(c->set, NULL, NULL, NULL, &c->networks);
	char wanted[TABLE_NUMBER_SIZE];
	char loaded[TABLE_NUMBER_SIZE];

	table_number(text, wanted);
	table_number(c->table, loaded);
	free(text);
	return !strcmp(wanted, loaded);
}

static bool load_ways(struct change *c)
{
	if (table_stays(c))
		return true;
	c->held = table_held(c->table);
	return load(c, NULL, NULL);
}

static bool follow(struct change *c)
{
	return routing_check(c->routing, c->set) && routing_add(c->routing, c->set, &c->networks) &&
	       sysctl_restore(c->set, &c->networks) && load_ways(c) && sysctl_make(c->set, &c->networks) &&
	       routing_clean(c->routing, c->set, &c->networks);
}

int change_ways(struct ruleset *set)
{
	static struct change c = { .was_up = true, .running = RUNNING_STAYS };
	bool ok;

	c.set = set;
	c.table = table_kept(NULL);
	if (!c.table)
		return EXIT_FAILURE;
	remembered_forget(); /* what watch, which has forked this process, has heard */
	take_reserve(&c);
	set_out(&c);
	ok = look(&c, set) && follow(&c);
	if (!ok) {
		give_up();
		if (c.refusal)
			nft_tell(c.refusal);
		return EXIT_FAILURE;
	}
	under_way = NULL;
	end(&c);
	return EXIT_SUCCESS;
}

/* The rules alone, once they are written or have not been. */
static bool put_rules(bool are_written)
{
	bool ok = are_written && compile_commit();

	if (!ok)
		compile_undo();
	compile_done();
	return ok;
}

/* The helper finds no group of the class, and says so. */
int change_to_refusal(const struct ruleset *set)
{
	return put_rules(compile_write(set)) && services_follow(set) ? EXIT_SUCCESS : EXIT_FAILURE;
}

int change_programs(const struct ruleset *set, enum running running)
{
	struct change c = { .set = set, .was_up = true, .running = running };
	bool ok = true;

	c.had_rules = compile_open(&c.rules, true);
	if (!c.had_rules)
		return EXIT_FAILURE;
	if (!compile_has_programs(set, &c.rules)) {
		ok = put_rules(compile_write_programs(set, &c.rules));
		if (ok)
			move_running(&c);
	}
	rules_close(&c.rules);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The rules file first, so that no further program is sent into a class. The settings
 * before the table that makes them safe. */
static bool take_out_of_force(struct change *c)
{
	return compile_withdraw() && sysctl_restore(NULL, NULL) && (c->table_replaced = nft_unload()) &&
	       routing_clean(c->routing, NULL, NULL);
}

int change_to_nothing(void)
{
	static const struct ruleset nothing;
	static struct change c = { .set = &nothing, .was_up = true };
	bool ok;

	c.hierarchy = state_is_up() ? cgroup_mount(&c.mounted) : cgroup_is_mounted();
	c.table = nft_save();
	take_reserve(&c);
	c.routing = routing_read();
	set_out(&c);
	if (!c.routing || !take_out_of_force(&c)) {
		give_up();
		return EXIT_FAILURE;
	}
	under_way = NULL;
	grant_no_more();
	ok = services_follow(&nothing);
	ok = jails_clean(NULL) && (!c.hierarchy || cgroup_remove(NULL)) && ok;
	if (!ok)
		warnx("all else is undone; run 'netshim down' again");
	else
		cgroup_unmount();
	end(&c);
	if (ok) {
		confirm_end();
		state_remove_folder();
	}
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
