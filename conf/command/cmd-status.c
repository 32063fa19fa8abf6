/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim status: the classes in force, who is in them, what they sent. */

#include "conf/command/answerers.h"
#include "conf/command/cmd-confirm.h"
#include "conf/command/cmd-grant.h"
#include "conf/command/columns.h"
#include "conf/command/covered.h"
#include "conf/command/json.h"
#include "conf/command/last.h"
#include "conf/command/lifts.h"
#include "conf/command/options.h"
#include "conf/command/proxy.h"
#include "conf/command/restored.h"
#include "conf/command/state.h"
#include "conf/command/verbs.h"
#include "conf/command/wanted.h"
#include "conf/contract/sys.h"
#include "conf/kernel/cgroup.h"
#include "conf/kernel/counters.h"
#include "conf/kernel/inside.h"
#include "conf/kernel/nft.h"
#include "conf/kernel/policy-names.h"
#include "conf/kernel/policy-proxy.h"
#include "conf/kernel/table.h"
#include "conf/language/alloc.h"
#include "conf/language/compile.h"
#include "conf/language/ruleset.h"
#include "conf/language/trust.h"

#include <inttypes.h>
#include <unistd.h>

/* How many rules lead to each class; allocated, one number a class. */
static uint32_t *rule_counts(struct rules *rules)
{
	const struct rules_header *h = &rules->header;
	uint32_t *counts = zalloc((h->class_count + 1) * sizeof(*counts));
	struct rules_slot slot;
	struct rules_with with;

	for (uint64_t i = 0; i < h->slot_count; i++)
		if (sys_pread(rules->fd, &slot, sizeof(slot), h->slots + i * sizeof(slot)) == sizeof(slot) &&
		    slot.path && slot.class_index < h->class_count)
			counts[slot.class_index]++;
	for (uint32_t i = 0; i < h->with_count && rules_with(rules, i, &with); i++)
		if (with.class_index < h->class_count)
			counts[with.class_index]++;
	return counts;
}

/* Of a class with a network namespace, there is one here and one in there. */
static struct counter find_counter(const struct counters *counters, const char *direction, const char *class)
{
	struct counter found = { .name = "" };
	char name[sizeof(counters->items->name)];

	snprintf(name, sizeof(name), "%s_%s", direction, class);
	for (size_t i = 0; i < counters->count; i++) {
		if (strcmp(counters->items[i].name, name) != 0)
			continue;
		memcpy(found.name, name, sizeof(name));
		found.packets += counters->items[i].packets;
		found.bytes += counters->items[i].bytes;
	}
	return found;
}

/* What runs elsewhere than its rule says; only root can find it. */
struct outsiders {
	struct outside *items;
	size_t count;
};

static size_t count_outside(const struct outsiders *outside, const char *class)
{
	size_t count = 0;

	for (size_t i = 0; i < outside->count; i++)
		count += !strcmp(outside->items[i].class, class);
	return count;
}

/* Of one class; "" is none. */
static void tell_outside(const struct outsiders *outside, const char *class)
{
	struct process_names names = { .count = 0 };

	const char *name = *class ? class : "none";
	bool elsewhere = false;

	for (size_t i = 0; i < outside->count; i++) {
		const struct process *p = &outside->items[i].process;

		if (strcmp(outside->items[i].class, class))
			continue;
		process_names_add(&names, p->name, p->pid);
		elsewhere = outside->items[i].elsewhere;
	}
	if (names.count)
		warnx("class %s has a rule for %zu running program%s outside of it (%s): restart %s%s%s%s", name,
		      names.count, names.count == 1 ? "" : "s", names.text, names.count == 1 ? "it" : "them",
		      elsewhere ? "" : ", or run 'netshim move ", elsewhere ? "" : name, elsewhere ? "" : " PID'");
}

/* One class's line. */
struct row {
	const char *name;
	uint32_t classid;
	uint32_t rules;
	size_t processes; /* known where the hierarchy is mounted */
	size_t outside;	  /* known to root */
	bool lock;
	char netns[NETNS_NAME_MAX + 1]; /* or "" */
	struct counter sent;
	struct counter received;
};

static void add_amount(struct columns *to, bool known, uint64_t amount, unsigned unit, bool exact)
{
	char text[TERMINAL_AMOUNT];

	columns_add(to, terminal_amount(known, amount, unit, exact, text), COLOUR_OFF);
}

static void add_counts(struct columns *to, const struct counter *counter, bool known, bool exact)
{
	add_amount(to, known, counter->packets, TERMINAL_COUNT, exact);
	add_amount(to, known, counter->bytes, TERMINAL_BYTES, exact);
}

/* What is special about a class. */
static void add_kind(struct columns *to, const struct row *r)
{
	char *netns = printed("netns %s", r->netns);

	columns_add(to, *r->netns ? netns : r->lock ? "lock" : "", COLOUR_NOTE);
	free(netns);
}

/* A count that is not known does not look like 0. */
static void add_row(struct columns *to, const struct row *r, bool counted, bool exact)
{
	char classid[16];
	char outside[TERMINAL_AMOUNT];

	snprintf(classid, sizeof(classid), "%x:%x", r->classid >> 16, r->classid & 0xffff);
	columns_add(to, r->name, COLOUR_OFF);
	columns_add(to, classid, COLOUR_OFF);
	add_amount(to, true, r->rules, TERMINAL_COUNT, true);
	add_amount(to, cgroup_is_mounted(), r->processes, TERMINAL_COUNT, true);
	add_counts(to, &r->sent, counted, exact);
	add_counts(to, &r->received, counted, exact);
	columns_add(to, terminal_amount(geteuid() == 0, r->outside, TERMINAL_COUNT, true, outside),
		    r->outside ? COLOUR_BAD : COLOUR_OFF);
	add_kind(to, r);
}

static void print_table(const struct row *rows, size_t count, const struct counter *unclassified, bool counted,
			bool exact)
{
	static const struct column titles[] = {
		{ "CLASS", COLUMN_TEXT },   { "CLASSID", COLUMN_TEXT },	  { "RULES", COLUMN_NUMBER },
		{ "PROCS", COLUMN_NUMBER }, { "PACKETS", COLUMN_NUMBER }, { "BYTES", COLUMN_NUMBER },
		{ "IN", COLUMN_NUMBER },    { "BYTES", COLUMN_NUMBER },	  { "OUTSIDE", COLUMN_NUMBER },
		{ "", COLUMN_TEXT },
	};
	static const char *const before[] = { "(unclassified)", "-", "-", "-" };
	static const char *const after[] = { "-", "-", "-", "" };
	struct columns table = { .titles = titles, .count = sizeof(titles) / sizeof(*titles) };

	for (size_t i = 0; i < count; i++) {
		const struct row *r = &rows[i];

		add_row(&table, r, counted, exact);
	}
	for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++)
		columns_add(&table, before[i], COLOUR_OFF);
	add_counts(&table, unclassified, counted, exact);
	for (size_t i = 0; i < sizeof(after) / sizeof(*after); i++)
		columns_add(&table, after[i], COLOUR_OFF);
	columns_print(&table);
	covered_print();
}

static void put_counts(json_t *to, const char *packets, const char *bytes, const struct counter *counter, bool known)
{
	json_put(to, packets, json_number(known, counter->packets));
	json_put(to, bytes, json_number(known, counter->bytes));
}

static void put_lifted(json_t *to, const char *class)
{
	long left = lifts_left(class);

	json_put(to, "lifted", json_number(left, (uint64_t)left));
}

static json_t *json_row(const struct row *r, bool counted)
{
	json_t *row = json_pack("{s:s, s:I, s:b, s:I, s:o}", "name", r->name, "classid", (json_int_t)r->classid, "lock",
				r->lock, "rules", (json_int_t)r->rules, "processes",
				json_number(cgroup_is_mounted(), r->processes));

	json_put(row, "netns", *r->netns ? json_text(r->netns) : json_null());
	put_counts(row, "packets", "bytes", &r->sent, counted);
	put_counts(row, "in_packets", "in_bytes", &r->received, counted);
	json_put(row, "outside", json_number(geteuid() == 0, r->outside));
	put_lifted(row, r->name);
	return row;
}

/* The shape is a promise: members are added, never renamed or taken away. */
static void print_json(const struct row *rows, size_t count, const struct counter *unclassified, bool counted)
{
	json_t *classes = json_array();
	json_t *rest = json_object();
	long left = confirm_left();

	for (size_t i = 0; i < count; i++) {
		const struct row *r = &rows[i];

		json_add(classes, json_row(r, counted));
	}
	put_counts(rest, "packets", "bytes", unclassified, counted);
	put_lifted(rest, LIFTS_OTHERS);
	json_print(json_pack("{s:o, s:o, s:o, s:o}", "classes", classes, "unclassified", rest, "confirm_within",
			     json_number(left >= 0, (uint64_t)left), "enabled", covered_json()));
}

/* Allocated, one row a class. */
static struct row *read_rows(struct rules *rules, const struct counters *counters, const struct outsiders *outside,
			     size_t *count)
{
	struct row *rows = zalloc((rules->header.class_count + 1) * sizeof(*rows));
	uint32_t *rule_count = rule_counts(rules);
	char name[CLASS_NAME_MAX + 1];
	struct rules_class class;

	for (*count = 0; rules_class(rules, (uint32_t)*count, &class, name); ++*count) {
		rows[*count] = (struct row){
			.name = copied(name),
			.classid = class.classid,
			.rules = rule_count[*count],
			.processes = cgroup_process_count(name),
			.outside = count_outside(outside, name),
			.lock = class.flags & CLASS_LOCK,
			.sent = find_counter(counters, "out", name),
			.received = find_counter(counters, "in", name),
		};
		if (class.flags & CLASS_NETNS)
			rules_string(rules, class.netns, rows[*count].netns, sizeof(rows->netns));
	}
	if (cgroup_is_mounted())
		cgroup_warn_of_exits();
	free(rule_count);
	return rows;
}

static bool has_counter(const struct counters *counters, const char *class)
{
	return find_counter(counters, POLICY_LOOP_COUNTER, class).name[0];
}

/* Proxies as the loaded table has them. */
static void tell_loops(const struct row *rows, size_t count, const struct counters *counters)
{
	for (size_t i = 0; i < count; i++) {
		const struct row *r = &rows[i];
		struct class class = { .name = r->name, .classid = r->classid };
		char *tcp = printed("proxy_%s", r->name);
		char *udp = printed("tproxy_%s", r->name);

		if (has_counter(counters, r->name)) {
			nft_destinations(tcp, &class.proxies);
			nft_destinations(udp, &class.udp_proxies);
		}
		if (proxy_in_own_class(&class))
			warnx("the proxy of class %s is in that class itself: " PROXY_LOOP, r->name);
		free(tcp);
		free(udp);
	}
}

static void tell_missing(const char *whose, void *with)
{
	bool others = !strcmp(whose, UNCLASSIFIED);

	(void)with;
	warnx("nobody looks up names for %s%s, which netshim's own resolver is to do: no name is opened; run 'netshim "
	      "reload'",
	      others ? "what is in no class" : "class ", others ? "" : whose);
}

static void tell_not_up(bool json)
{
	if (json) {
		json_print(json_pack("{s:[], s:n, s:n, s:o}", "classes", "unclassified", "confirm_within", "enabled",
				     covered_json()));
	} else {
		warnx("netshim is not up; run 'netshim up' as root");
		covered_print();
	}
}

struct options {
	bool json;
	bool bytes;
};

static bool read_options(const struct command *command, struct options *options)
{
	*options = (struct options){ .json = false };
	for (int i = 0; i < command->argc; i++) {
		bool json = !strcmp(command->argv[i], "--json");

		if (!json && strcmp(command->argv[i], "--bytes") != 0) {
			options_tell_unknown("status", command->argv[i]);
			return false;
		}
		*(json ? &options->json : &options->bytes) = true;
	}
	return true;
}

/* What is kept of a table says that there is to be one. */
static void look_inside(const struct inside *inside, void *with)
{
	bool *whole = with;
	char *kept = table_kept(inside->class);
	char *listing = kept ? nft_listing() : NULL;

	if (kept && !listing) {
		warnx("nothing is filtered in the network namespace of class %s: nftables has lost the table there; "
		      "run 'netshim reload'",
		      inside->class);
		*whole = false;
	}
	restored_remind(inside->class);
	if (kept && state_is_unwatched(inside->class))
		warnx("nobody puts back what others take away of netshim's nftables table in the network namespace of "
		      "class %s; run 'netshim reload'",
		      inside->class);
	free(listing);
	free(kept);
}

/* What is in force, as far as who calls can see it. */
struct status {
	struct rules rules;
	struct counters counters;
	struct outsiders outside;
	struct row *rows;
	size_t count;
	bool root;
	bool loaded;	    /* the table is there, or it is not known, */
	bool loaded_inside; /* and those in network namespaces */
};

/* nftables answers only to root. */
static void look(struct status *s, const struct command *command)
{
	s->root = geteuid() == 0;
	s->loaded = s->loaded_inside = true;
	if (!s->root) {
		warnx("packets, bytes, and what runs outside its class are shown to root only");
		return;
	}
	state_refuse_elsewhere(command);
	s->loaded = counters_read(&s->counters);
	if (s->loaded)
		insides_count(&s->counters);
	insides_each(look_inside, &s->loaded_inside);
	s->outside.items = wanted_outside(&s->rules, &s->outside.count);
}

static void tell_lacking(const struct status *s)
{
	if (!s->loaded && !last_refuses())
		warnx("nothing is filtered: nftables has lost the table in this network namespace; run 'netshim "
		      "reload'");
	if (s->root && state_is_unwatched(NULL))
		warnx("nobody puts back what others take away of netshim's nftables table and routing rules; run "
		      "'netshim reload'");
	if (!cgroup_is_mounted() && !last_refuses())
		warnx("programs that have a class are not started: the net_cls hierarchy is not mounted "
		      "at " CGROUP_MOUNT " in this mount namespace; run 'netshim reload'");
}

/* Returns whether each class has its groups. */
static bool tell_groups(struct rules *rules)
{
	char class[CLASS_NAME_MAX + 1];
	struct rules_class record;
	bool whole = true;

	for (uint32_t i = 0; cgroup_is_mounted() && rules_class(rules, i, &record, class); i++) {
		char *wrong = cgroup_wrong(class, record.classid);

		if (wrong)
			warnx("%s; run 'netshim reload' as root", wrong);
		whole = whole && !wrong;
		free(wrong);
	}
	return whole;
}

/* Whether those who are not root have rules, too. */
static bool tell_closed_rules(void)
{
	char *closed = trust_closed(RULES_PATH, TRUST_READ);

	if (closed)
		warnx("users may not read " RULES_PATH ", and what they start is in no class; run 'netshim reload' as "
		      "root");
	free(closed);
	return !closed;
}

static void print(struct status *s, const struct options *options)
{
	struct counter unclassified = find_counter(&s->counters, "out", "unclassified");

	s->rows = read_rows(&s->rules, &s->counters, &s->outside, &s->count);
	if (options->json)
		print_json(s->rows, s->count, &unclassified, s->root && s->loaded);
	else
		print_table(s->rows, s->count, &unclassified, s->root && s->loaded, options->bytes);
	terminal_flush();
}

static void tell_rest(const struct status *s)
{
	tell_loops(s->rows, s->count, &s->counters);
	for (size_t i = 0; i < s->count; i++)
		tell_outside(&s->outside, s->rows[i].name);
	tell_outside(&s->outside, "");
	if (s->root)
		answerers_each_missing(tell_missing, NULL);
	lifts_remind();
	confirm_remind();
	last_remind();
	restored_remind(NULL);
}

int cmd_status(const struct command *command)
{
	struct status s = { .rows = NULL };
	struct options options;
	bool well;

	if (!read_options(command, &options))
		return EXIT_USAGE;
	if (!compile_open(&s.rules, true)) {
		if (errno == ENOENT)
			tell_not_up(options.json);
		last_remind();
		return EXIT_FAILURE;
	}
	/* At once: a reload that comes meanwhile takes away groups of classes that are no more. */
	well = tell_groups(&s.rules);
	look(&s, command);
	tell_lacking(&s);
	well = tell_closed_rules() && well;
	well = grant_check() && well;
	print(&s, &options);
	tell_rest(&s);
	rules_close(&s.rules);
	return s.loaded && s.loaded_inside && well && cgroup_is_mounted() ? EXIT_SUCCESS : EXIT_FAILURE;
}
