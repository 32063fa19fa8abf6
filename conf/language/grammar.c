/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* From the text of a configuration to a ruleset, with libconfuse.
 *
 * Every option is read as text and every section is taken over and freed as soon as
 * it ends (libconfuse compares each new section's title with all it has, so keeping
 * 100,000 of them would take minutes). A mistake stops the reading only where
 * libconfuse cannot go on: at bad syntax, and at options that it does not know. If
 * there are such options, the file is read once more without them, so that all other
 * mistakes are reported too. */

#include "conf/language/grammar.h"

#include "conf/language/alloc.h"
#include "conf/language/packages.h"
#include "conf/language/pattern.h"
#include "conf/language/rights.h"
#include "conf/language/trust.h"
#include "conf/language/unit.h"
#include "conf/language/value.h"

#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where a value of the current section was. */
struct value_mark {
	const char *option;
	unsigned index;
	int line;
	bool list_ended;
};

/* A file to read. */
struct input {
	const char *path;
	struct place_in_file included_at;
	bool matched; /* by a pattern */
	uid_t rights; /* of whoever wrote what includes it; then of whoever wrote it */
	dev_t device;
	ino_t inode;
	bool opened;
};

/* The file being read. libconfuse's callbacks take no argument of the caller's. */
static struct reading {
	struct ruleset *set;
	cfg_t *root;
	const char *file;
	bool unknown_option;
	bool unclosed; /* a section, so what follows is not what it seems */
	int section_line;
	struct value_mark *marks;
	size_t mark_count;
	struct input *inputs; /* grows while they are read */
	size_t input_count;
	uid_t rights; /* of whoever wrote the file being read */
	bool again;   /* from a text that has all that was included */
	bool no_apps;
} reading;

static struct place_in_file here(int line)
{
	return (struct place_in_file){ reading.file, line };
}

static bool list_ended(const char *option)
{
	for (size_t i = 0; i < reading.mark_count; i++)
		if (reading.marks[i].list_ended && !strcmp(reading.marks[i].option, option))
			return true;
	return false;
}

/* A value has been read: remembers its line. */
static int note_value(cfg_t *section, cfg_opt_t *option)
{
	unsigned index = option->nvalues - 1;

	reading.section_line = reading.root->line;
	for (size_t i = 0; i < reading.mark_count; i++) {
		struct value_mark *m = &reading.marks[i];

		if (strcmp(m->option, option->name) || m->index != index)
			continue;
		/* libconfuse calls once more at the end of a list. */
		if (!(option->flags & CFGF_LIST) || list_ended(option->name))
			ruleset_problem(reading.set, here(section->line),
					"%s is already given at line %d; remove one of them", option->name, m->line);
		m->list_ended = true;
		return 0;
	}
	reading.marks = grown(reading.marks, reading.mark_count, sizeof(*reading.marks));
	reading.marks[reading.mark_count++] = (struct value_mark){ option->name, index, section->line, false };
	return 0;
}

static struct place_in_file value_at(const char *option, unsigned index)
{
	for (size_t i = 0; i < reading.mark_count; i++)
		if (!strcmp(reading.marks[i].option, option) && reading.marks[i].index == index)
			return here(reading.marks[i].line);
	return here(reading.section_line);
}

/* Where the section that just ended began. Without any value in it, its end is
 * all that is known. */
static struct place_in_file section_at(void)
{
	return here(reading.mark_count ? reading.section_line : reading.root->line);
}

static void end_section(cfg_opt_t *section)
{
	reading.mark_count = 0;
	cfg_free_value(section);
}

/* Calls read for each value of an option, and notes what it says is wrong. */
#define READ_VALUES(section, option, read, target)                                        \
	for (unsigned i_ = 0; i_ < cfg_size(section, option); i_++) {                     \
		const char *wrong_ = read(cfg_getnstr(section, option, i_), target);      \
		if (wrong_)                                                               \
			ruleset_problem(reading.set, value_at(option, i_), "%s", wrong_); \
	}

static bool any_is_name(const struct allow_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].kind == ALLOW_NAME)
			return true;
	return false;
}

static void read_verdict(cfg_t *section, struct verdict *verdict)
{
	READ_VALUES(section, "action", value_action, &verdict->action);
	READ_VALUES(section, "allow", value_destination, &verdict->allow);
	READ_VALUES(section, "deny", value_destination, &verdict->deny);
	verdict->has_names = any_is_name(&verdict->allow) || any_is_name(&verdict->deny);
	if (verdict->action == ACTION_ACCEPT && cfg_size(section, "allow"))
		ruleset_problem(reading.set, value_at("allow", 0),
				"allow has no effect where everything is accepted; add action = reject");
	if (verdict->action != ACTION_ACCEPT && cfg_size(section, "deny") && !cfg_size(section, "allow"))
		ruleset_problem(reading.set, value_at("deny", 0),
				"deny has no effect where everything is refused; add allow, or action = accept");
}

/* option is a list of addresses; lets_no says what ipv6 = false does to them. */
static void check_ipv6(cfg_t *section, const char *option, const char *lets_no)
{
	for (unsigned i = 0; i < cfg_size(section, option); i++) {
		const char *address = cfg_getnstr(section, option, i);

		if (strchr(address, ':') != strrchr(address, ':'))
			ruleset_problem(reading.set, value_at(option, i),
					"ipv6 = false lets no %s '%s'; remove one of them", lets_no, address);
	}
}

static void check_proxies(cfg_t *section, const struct class *class)
{
	if (class->proxies.count && (class->interface || class->ordinary))
		ruleset_problem(
			reading.set, class->proxy_at,
			"what goes to a proxy leaves by no interface; remove one of them, or give the interface "
			"to the class that the proxy itself is in");
	if (cfg_size(section, "proxy-udp") && !cfg_size(section, "proxy"))
		ruleset_problem(reading.set, value_at("proxy-udp", 0),
				"proxy-udp says where datagrams go while connections go to a proxy; add proxy = '...'");
}

static void place_statements(struct statement_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		list->items[i].at = value_at("nft", (unsigned)i);
}

/* Words of the configuration, and files of a control group. */
static bool is_taken(const char *name)
{
	static const char *const names[] = { "none", "locked", "unclassified", "tasks", "notify_on_release" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

static bool has_none(const struct allow_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].kind == ALLOW_NONE)
			return true;
	return false;
}

static void read_serve(cfg_t *section, struct class *class)
{
	READ_VALUES(section, "serve", value_serve, &class->serve);
	if (has_none(&class->serve) && class->serve.count > 1)
		ruleset_problem(reading.set, value_at("serve", 0),
				"none of the clients, and some of them; remove one or the other");
	if (!class->serve.count && (cfg_getopt(section, "serve")->flags & CFGF_MODIFIED))
		ruleset_problem(reading.set, class->at, "serve lists nobody; write serve = { 'none' }, or remove it");
	if (cfg_size(section, "serve") && cfg_size(section, "proxy"))
		ruleset_problem(reading.set, value_at("serve", 0),
				"a class with a proxy answers this machine alone, whatever serve says; remove one of "
				"them");
}

/* A word, and no interface of that name. */
static void read_ordinary(cfg_t *section, struct class *class)
{
	class->ordinary = class->interface && !strcmp(class->interface, "ordinary");
	if (!class->ordinary)
		return;
	class->interface = NULL;
	if (!class->netns && (cfg_size(section, "gateway") || cfg_size(section, "local")))
		ruleset_problem(
			reading.set, class->interface_at,
			"interface = 'ordinary' is the way that the main routing table says, with its routers and "
			"local networks; remove gateway and local");
}

static void read_local(cfg_t *section, struct class *class)
{
	READ_VALUES(section, "local", value_local, &class->local);
	class->local_given = cfg_size(section, "local");
	if (has_none(&class->local) && class->local.count > 1)
		ruleset_problem(reading.set, value_at("local", 0),
				"none of the local networks, and some of them; "
				"remove one or the other");
	if (!class->netns && !class->interface && !class->ordinary && class->local_given)
		ruleset_problem(reading.set, value_at("local", 0),
				"local says what is not reached by the class's interface; add interface = '...'");
	/* From a namespace, its uplink is all that there is. */
	if (!class->local_given)
		value_local(class->netns ? "none" : "lan", &class->local);
	class->local_given = class->local_given || class->netns;
}

/* Options that have no place there; why says what holds. */
static void refuse_options(cfg_t *section, const char *const *options, const char *why)
{
	for (; *options; options++)
		if (cfg_size(section, *options))
			ruleset_problem(reading.set, value_at(*options, 0), "%s %s; remove it", *options, why);
}

/* Where nothing is in force but that there is no way out. */
static void check_private(cfg_t *section)
{
	static const char *const options[] = { "action",    "address",	"allow",  "deny",      "dns",  "gateway",
					       "interface", "ipv6",	"local",  "log",       "mark", "nft",
					       "ports",	    "priority", "proxy",  "proxy-udp", "rate", "rate-in",
					       "serve",	    "table",	"uplink", NULL };

	refuse_options(section, options, "has no effect in a private network namespace, which has no network");
}

/* They are for a namespace that netshim joins to this machine. */
static void check_not_joined(cfg_t *section)
{
	static const char *const options[] = { "ports", "table", "uplink", NULL };

	refuse_options(section, options, "is for a network namespace with an address");
	if (cfg_size(section, "gateway") && !cfg_size(section, "interface"))
		ruleset_problem(reading.set, value_at("gateway", 0),
				"gateway says how to go on from an address or an interface; add address = '...'");
}

static bool is_in_network(const struct own_address *own, const struct in6_addr *address)
{
	for (unsigned i = 0; i < own->prefix; i++)
		if ((own->address.s6_addr[i / 8] ^ address->s6_addr[i / 8]) & (0x80 >> i % 8))
			return false;
	return memcmp(&own->address, address, sizeof(*address)) != 0;
}

/* The router of its network is this machine, so that is an address to give to it. */
static void read_routers(struct class *class)
{
	for (size_t i = 0; i < class->gateways.count; i++) {
		const struct resolver *gateway = &class->gateways.items[i];
		bool found = false;

		for (size_t j = 0; j < class->addresses.count; j++) {
			struct own_address *own = &class->addresses.items[j];

			if (own->family != gateway->family || !is_in_network(own, &gateway->address))
				continue;
			own->router = gateway->address;
			found = true;
		}
		if (!found)
			ruleset_problem(reading.set, value_at("gateway", (unsigned)i),
					"this gateway is in no network of the class's address; take another address of "
					"that network, or leave it out");
	}
	class->gateways = (struct resolver_list){ NULL, 0 };
}

static void read_joined(cfg_t *section, struct class *class)
{
	class->address_at = value_at("address", 0);
	class->ports_at = value_at("ports", 0);
	read_routers(class);
	if (class->moved)
		ruleset_problem(reading.set, value_at("interface", 0),
				"an interface that is moved into a network namespace has its own addresses; remove "
				"address, or write uplink = '%s'",
				class->moved);
	READ_VALUES(section, "uplink", value_interface, &class->interface);
}

/* The host's part of such a class has that of its uplink. */
static void read_moved(cfg_t *section, struct class *class)
{
	class->moved = class->interface;
	class->interface = NULL;
	if (class->moved &&
	    (strchr(class->moved, '*') || !strcmp(class->moved, "ordinary") || !strcmp(class->moved, "lo")))
		ruleset_problem(reading.set, value_at("interface", 0),
				"'%s' cannot be moved into a network namespace; give the name of one interface, or for "
				"the way out, address and uplink",
				class->moved);
	if (cfg_size(section, "local"))
		ruleset_problem(reading.set, value_at("local", 0),
				"a network namespace has no other interfaces; remove local");
}

static void check_outside(cfg_t *section)
{
	static const char *const options[] = { "address", "ports", "uplink", NULL };

	refuse_options(section, options, "is for a class in a network namespace: it needs netns = '...'");
}

/* Nothing leaves a namespace by being started, and so not its class either. */
static void check_lock(cfg_t *section, struct class *class)
{
	if (cfg_size(section, "lock") && !class->lock)
		ruleset_problem(reading.set, value_at("lock", 0),
				"no program leaves a network namespace: remove lock = false");
	class->lock = true;
}

/* In a network namespace nobody of netshim's answers, and there is no way to a resolver but
 * the proxy. */
static void check_names(cfg_t *section, const struct class *class)
{
	const char *option = any_is_name(&class->verdict.allow) ? "allow" : "deny";

	if (!class->verdict.has_names)
		return;
	if (class->netns)
		ruleset_problem(reading.set, value_at(option, 0),
				"%s has a name, and no names can be had in a network namespace; list addresses, or "
				"remove netns",
				option);
	else if (cfg_size(section, "proxy") && !cfg_size(section, "dns"))
		ruleset_problem(reading.set, value_at(option, 0),
				"%s has a name, which nobody can be asked for past the proxy; say with dns = { ... } "
				"who is to be asked",
				option);
}

/* Before what is read of interfaces, which it gives another meaning. */
static void read_netns(cfg_t *section, struct class *class)
{
	static const char *const options[] = { "proxy", "proxy-udp", NULL };

	READ_VALUES(section, "netns", value_netns, &class->netns);
	READ_VALUES(section, "address", value_address, &class->addresses);
	READ_VALUES(section, "ports", value_port, &class->ports);
	class->netns_at = value_at("netns", 0);
	if (!class->netns) {
		if (!cfg_size(section, "netns"))
			check_outside(section);
		return;
	}
	check_lock(section, class);
	if (!class_is_inside(class)) {
		check_private(section);
		return;
	}
	refuse_options(section, options, "leads out of a network namespace");
	read_moved(section, class);
	if (class->addresses.count)
		read_joined(section, class);
	else
		check_not_joined(section);
}

static int grammar_class_ended(cfg_t *cfg, cfg_opt_t *option)
{
	cfg_t *section = cfg_opt_getnsec(option, 0);
	struct ruleset *set = reading.set;
	struct class class = { .name = copied(cfg_title(section)), .at = section_at() };

	(void)cfg;
	if (!class_name_valid(class.name))
		ruleset_problem(set, class.at, "bad class name '%s'; it is 1 to %d of the characters A-Z a-z 0-9 _ -",
				class.name, CLASS_NAME_MAX);
	else if (is_taken(class.name))
		ruleset_problem(set, class.at, "a class cannot be named '%s'; choose another name", class.name);
	read_verdict(section, &class.verdict);
	read_serve(section, &class);
	READ_VALUES(section, "classid", value_classid, &class.classid);
	READ_VALUES(section, "dns", value_resolver, &class.dns);
	READ_VALUES(section, "interface", value_interface, &class.interface);
	READ_VALUES(section, "gateway", value_gateway, &class.gateways);
	READ_VALUES(section, "table", value_table, &class.table);
	READ_VALUES(section, "proxy", value_proxy, &class.proxies);
	READ_VALUES(section, "proxy-udp", value_proxy, &class.udp_proxies);
	READ_VALUES(section, "lock", value_bool, &class.lock);
	class.interface_at = value_at(class.interface ? "interface" : "proxy-udp", 0);
	read_netns(section, &class);
	if (class.netns && class.interface)
		class.interface_at = value_at("uplink", 0);
	class.proxy_at = value_at("proxy", 0);
	read_ordinary(section, &class);
	check_proxies(section, &class);
	check_names(section, &class);
	if (!class.netns && !class.interface && !class.ordinary &&
	    (cfg_size(section, "gateway") || (cfg_size(section, "table") && !class_is_routed(&class))))
		ruleset_problem(set, class.at,
				"gateway and table say how to reach an interface; add interface = '...'");
	read_local(section, &class);
	READ_VALUES(section, "ipv6", value_not, &class.no_ipv6);
	if (class.no_ipv6) {
		check_ipv6(section, "dns", "query out to resolver");
		check_ipv6(section, "proxy", "connection through to proxy");
		check_ipv6(section, "proxy-udp", "datagram through to proxy");
	}
	READ_VALUES(section, "log", value_bool, &class.log);
	READ_VALUES(section, "rate", value_rate, &class.rate);
	READ_VALUES(section, "rate-in", value_rate, &class.rate_in);
	READ_VALUES(section, "priority", value_priority, &class.priority);
	READ_VALUES(section, "mark", value_mark, &class.mark);
	class.mark_given = class.mark.value;
	READ_VALUES(section, "nft", value_statement, &class.nft);
	place_statements(&class.nft);
	READ_VALUES(section, "on-error", value_on_error, &class.on_error_allow);
	READ_VALUES(section, "users", value_user, &class.users);
	class.classid_at = value_at("classid", 0);
	set->classes = grown(set->classes, set->class_count, sizeof(*set->classes));
	set->classes[set->class_count++] = class;
	end_section(option);
	return 0;
}

static int grammar_unclassified_ended(cfg_t *cfg, cfg_opt_t *option)
{
	cfg_t *section = cfg_opt_getnsec(option, 0);
	struct ruleset *set = reading.set;

	(void)cfg;
	if (set->unclassified_at.file)
		ruleset_problem(set, section_at(), "unclassified is already given at %s:%d; merge the two",
				set->unclassified_at.file, set->unclassified_at.line);
	set->unclassified_at = section_at();
	read_verdict(section, &set->unclassified);
	READ_VALUES(section, "log", value_bool, &set->unclassified.log_refused);
	if (set->unclassified.log_refused && !verdict_refuses(&set->unclassified))
		ruleset_problem(set, value_at("log", 0),
				"log has no effect where nothing is refused; add action = reject, or deny");
	READ_VALUES(section, "except-users", value_user, &set->except_users);
	READ_VALUES(section, "tunnels", value_tunnel, &set->tunnels);
	end_section(option);
	return 0;
}

static int at_boot_ended(cfg_t *cfg, cfg_opt_t *option)
{
	struct ruleset *set = reading.set;
	const char *wrong = value_at_boot(cfg_opt_getnstr(option, 0), &set->at_boot);

	if (wrong)
		ruleset_problem(set, here(cfg->line), "%s", wrong);
	if (set->at_boot_at.file)
		ruleset_problem(set, here(cfg->line), "at-boot is already given at %s:%d; remove one of them",
				set->at_boot_at.file, set->at_boot_at.line);
	set->at_boot_at = here(cfg->line);
	return 0;
}

static void add_app(const struct app *app, const char *path)
{
	struct ruleset *set = reading.set;

	set->apps = grown(set->apps, set->app_count, sizeof(*set->apps));
	set->apps[set->app_count] = *app;
	set->apps[set->app_count++].path = copied(path);
}

static void add_matching_app(const char *path, bool by_others, const void *with)
{
	struct app app = *(const struct app *)with;

	app.matched = by_others;
	add_app(&app, path);
}

/* If others than root decide whether it is a folder, it is no mistake in the
 * configuration. */
static bool is_folder(const char *path)
{
	size_t size = strlen(path);
	struct stat st;
	char *changeable;

	if (path[size - 1] == '/' || stat(path, &st) || !S_ISDIR(st.st_mode))
		return false;
	changeable = trust_changeable(path);
	free(changeable);
	return !changeable;
}

/* What an app, a package and a unit say alike. */
static struct app read_rule(cfg_t *section)
{
	struct app app = { .at = section_at(), .class_index = CLASS_INDEX_NONE, .kind = WITH_ANY };

	if (cfg_size(section, "class"))
		app.class_name = copied(cfg_getstr(section, "class"));
	else
		ruleset_problem(reading.set, app.at, "%s '%s' has no class; add class = NAME, or class = none",
				section->name, cfg_title(section));
	app.class_at = value_at("class", 0);
	return app;
}

static void add_rule(const struct app *app)
{
	if (pattern_is_one(app->path))
		pattern_expand(reading.set, app->path, app->at, add_matching_app, app);
	else
		add_app(app, app->path);
}

/* One for each argument that it lists. */
static void add_rules(cfg_t *section, struct app *app)
{
	unsigned count = cfg_size(section, "with");

	if (!count && (cfg_getopt(section, "with")->flags & CFGF_MODIFIED))
		ruleset_problem(reading.set, app->at, "with lists no argument; write with = 'ARGUMENT', or remove it");
	READ_VALUES(section, "with", value_with, &app->kind);
	if (!count)
		add_rule(app);
	for (unsigned i = 0; i < count; i++) {
		app->with = copied(cfg_getnstr(section, "with", i));
		if (!value_with(app->with, &app->kind))
			add_rule(app);
	}
}

static void read_app(cfg_t *section)
{
	struct app app = read_rule(section);

	READ_VALUES(section, "users", value_user, &app.users);
	app.path = copied(cfg_title(section));
	if (app.path[0] != '/')
		ruleset_problem(reading.set, app.at, "path '%s' is not absolute; begin it with a slash", app.path);
	else if (strlen(app.path) >= RULE_PATH_MAX || strchr(app.path, '\n'))
		ruleset_problem(
			reading.set, app.at,
			"the path of this app is too long or has a line break in it; put it in 'single quotes'");
	else if (is_folder(app.path))
		ruleset_problem(reading.set, app.at, "'%s' is a folder; write '%s/' for the whole tree beneath it",
				app.path, app.path);
	else
		add_rules(section, &app);
}

static int grammar_app_ended(cfg_t *cfg, cfg_opt_t *option)
{
	(void)cfg;
	if (!reading.no_apps)
		read_app(cfg_opt_getnsec(option, 0));
	end_section(option);
	return 0;
}

static void add_program(const char *path, bool coming, const void *with)
{
	struct ruleset *set = reading.set;
	struct app app = *(const struct app *)with;

	app.coming = coming;
	add_app(&app, path);
	set->packages[set->package_count - 1].programs += !coming;
}

static void read_package(cfg_t *section)
{
	struct ruleset *set = reading.set;
	struct app app = read_rule(section);

	READ_VALUES(section, "users", value_user, &app.users);
	app.package = copied(cfg_title(section));
	if (!packages_name_valid(app.package)) {
		ruleset_problem(
			set, app.at,
			"bad package name '%s'; it begins with a letter or digit and is made of those and + - . _, "
			"without version and architecture",
			app.package);
		return;
	}
	set->packages = grown(set->packages, set->package_count, sizeof(*set->packages));
	set->packages[set->package_count++] = (struct package){ .name = app.package, .at = app.at };
	if (packages_find(app.package, add_program, &app))
		set->packages[set->package_count - 1].installed = true;
}

static int grammar_package_ended(cfg_t *cfg, cfg_opt_t *option)
{
	(void)cfg;
	if (!reading.no_apps)
		read_package(cfg_opt_getnsec(option, 0));
	end_section(option);
	return 0;
}

static void read_unit(cfg_t *section)
{
	struct app app = read_rule(section);
	const char *name = cfg_title(section);

	app.unit = true;
	if (unit_name_valid(name))
		add_app(&app, name);
	else
		ruleset_problem(
			reading.set, app.at,
			"bad unit name '%s'; it is that of a service, with all of it: NAME.service, or NAME@.service "
			"for all instances of a template",
			name);
}

static int grammar_unit_ended(cfg_t *cfg, cfg_opt_t *option)
{
	(void)cfg;
	if (!reading.no_apps)
		read_unit(cfg_opt_getnsec(option, 0));
	end_section(option);
	return 0;
}

static void grammar_add_input(const char *path, struct place_in_file at, bool matched)
{
	reading.inputs = grown(reading.inputs, reading.input_count, sizeof(*reading.inputs));
	reading.inputs[reading.input_count++] =
		(struct input){ .path = copied(path), .included_at = at, .matched = matched, .rights = reading.rights };
}

/* What root is to act on must be what root wrote. */
static bool check_way(const char *path, const char *changeable, struct place_in_file at)
{
	if (changeable)
		ruleset_problem(reading.set, at,
				"on the way to '%s', others than root can change '%s'; keep the file where only root "
				"can change anything",
				path, changeable);
	return !changeable;
}

/* Tells whether only root can change the folder in which a pattern begins. */
static bool check_pattern(const char *pattern, struct place_in_file at)
{
	char *folder = copied(pattern);
	char *changeable;
	bool ok;

	folder[strcspn(folder, "*?[")] = '\0';
	strrchr(folder, '/')[1] = '\0';
	changeable = trust_changeable(folder);
	ok = check_way(pattern, changeable, at);
	free(changeable);
	free(folder);
	return ok;
}

static void add_matching_inputs(const char *pattern, struct place_in_file at)
{
	glob_t found;

	if (!glob(pattern, 0, NULL, &found)) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			grammar_add_input(found.gl_pathv[i], at, true);
		globfree(&found);
	}
}

/* The order of rules has no meaning, so included files may as well be read after
 * the one that includes them. */
static int grammar_include(cfg_t *cfg, cfg_opt_t *option, int argc, const char **argv)
{
	struct place_in_file at = here(cfg->line);

	(void)option;
	if (reading.again)
		return 0;
	if (argc != 1 || argv[0][0] != '/') {
		ruleset_problem(reading.set, at,
				"include takes one absolute path or pattern: include('/etc/netshim.d/*.conf')");
	} else if (!pattern_is_one(argv[0])) {
		grammar_add_input(argv[0], at, false);
	} else if (check_pattern(argv[0], at) && rights_take(reading.rights)) {
		add_matching_inputs(argv[0], at);
		rights_give_back();
	}
	return 0;
}

/* The names in a table of options: "action, allow and users". */
static char *option_names(const cfg_opt_t *options)
{
	char *names = copied("");

	for (; options->name; options++) {
		char *longer = printed("%s%s%s", names, *names ? ", " : "", options->name);

		free(names);
		names = longer;
	}
	return names;
}

/* clang-format off */
static cfg_opt_t class_options[] = {
	CFG_STR("action", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("address", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("allow", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("deny", NULL, CFGF_NODEFAULT),
	CFG_STR("classid", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("dns", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("gateway", NULL, CFGF_NODEFAULT),
	CFG_STR("interface", NULL, CFGF_NODEFAULT),
	CFG_STR("ipv6", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("local", NULL, CFGF_NODEFAULT),
	CFG_STR("lock", NULL, CFGF_NODEFAULT),
	CFG_STR("log", NULL, CFGF_NODEFAULT),
	CFG_STR("mark", NULL, CFGF_NODEFAULT),
	CFG_STR("netns", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("nft", NULL, CFGF_NODEFAULT),
	CFG_STR("on-error", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("ports", NULL, CFGF_NODEFAULT),
	CFG_STR("priority", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("proxy", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("proxy-udp", NULL, CFGF_NODEFAULT),
	CFG_STR("rate", NULL, CFGF_NODEFAULT),
	CFG_STR("rate-in", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("serve", NULL, CFGF_NODEFAULT),
	CFG_STR("table", NULL, CFGF_NODEFAULT),
	CFG_STR("uplink", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("users", NULL, CFGF_NODEFAULT),
	CFG_END(),
};

static cfg_opt_t unclassified_options[] = {
	CFG_STR("action", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("allow", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("deny", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("except-users", NULL, CFGF_NODEFAULT),
	CFG_STR("log", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("tunnels", NULL, CFGF_NODEFAULT),
	CFG_END(),
};
/* clang-format on */

static cfg_opt_t app_options[] = {
	CFG_STR("class", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("users", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("with", NULL, CFGF_NODEFAULT),
	CFG_END(),
};

static cfg_opt_t package_options[] = {
	CFG_STR("class", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("users", NULL, CFGF_NODEFAULT),
	CFG_END(),
};

/* A unit has its own user. */
static cfg_opt_t unit_options[] = {
	CFG_STR("class", NULL, CFGF_NODEFAULT),
	CFG_END(),
};

static cfg_opt_t file_options[] = {
	CFG_SEC("class", class_options, CFGF_MULTI | CFGF_TITLE),
	CFG_SEC("unclassified", unclassified_options, CFGF_MULTI),
	CFG_SEC("app", app_options, CFGF_MULTI | CFGF_TITLE),
	CFG_SEC("package", package_options, CFGF_MULTI | CFGF_TITLE),
	CFG_SEC("unit", unit_options, CFGF_MULTI | CFGF_TITLE),
	CFG_FUNC("include", grammar_include),
	CFG_STR("at-boot", NULL, CFGF_NODEFAULT),
	CFG_END(),
};

static const cfg_opt_t *options_of(const char *section)
{
	for (const cfg_opt_t *o = file_options; o->name; o++)
		if (!strcmp(o->name, section) && o->subopts)
			return o->subopts;
	return file_options;
}

static bool is_section(const char *name)
{
	return strcmp(name, "include") && options_of(name) != file_options;
}

static void note_unknown(cfg_t *cfg, const char *option, const char *text)
{
	bool outside = !strcmp(cfg->name, "root");
	char *names = option_names(options_of(cfg->name));

	reading.unclosed = !outside && is_section(option);
	reading.unknown_option = !reading.unclosed;
	if (reading.unclosed)
		ruleset_problem(reading.set, here(cfg->line),
				"'%s' is still within %s%s%s here; close that with } before it", option, cfg->name,
				cfg->title ? " " : "", cfg->title ? cfg->title : "");
	else
		ruleset_problem(reading.set, here(cfg->line), "%s; %s takes %s", text,
				outside ? "a configuration" : cfg->name, names);
	free(names);
}

static void note_no_equal_sign(cfg_t *cfg, const char *option, const char *text)
{
	const cfg_opt_t *known = cfg_getopt(cfg, option);

	ruleset_problem(reading.set, here(cfg->line),
			known && (known->flags & CFGF_LIST) ? "%s; write %s = { 'VALUE' }" : "%s; write %s = VALUE",
			text, option);
}

__attribute__((format(printf, 2, 0))) static void note_error(cfg_t *cfg, const char *format, va_list args)
{
	va_list names;
	char *text;

	va_copy(names, args);
	text = vprinted(format, args);
	if (strstr(format, "no such option '%s'"))
		note_unknown(cfg, va_arg(names, const char *), text);
	else if (strstr(format, "after option '%s'"))
		note_no_equal_sign(cfg, va_arg(names, const char *), text);
	else
		ruleset_problem(reading.set, here(cfg->line), "%s (netshim.conf(5) explains the syntax)", text);
	va_end(names);
	free(text);
}

static void watch_values(cfg_t *cfg)
{
	for (const cfg_opt_t *section = file_options; section->name; section++)
		for (const cfg_opt_t *o = section->subopts; o && o->name; o++) {
			char *name = printed("%s|%s", section->name, o->name);

			cfg_set_validate_func(cfg, name, note_value);
			free(name);
		}
	cfg_set_validate_func(cfg, "class", grammar_class_ended);
	cfg_set_validate_func(cfg, "unclassified", grammar_unclassified_ended);
	cfg_set_validate_func(cfg, "app", grammar_app_ended);
	cfg_set_validate_func(cfg, "package", grammar_package_ended);
	cfg_set_validate_func(cfg, "unit", grammar_unit_ended);
	cfg_set_validate_func(cfg, "at-boot", at_boot_ended);
}

static void parse(FILE *file, cfg_flag_t flags)
{
	cfg_t *cfg = cfg_init(file_options, flags);
	size_t known = reading.set->problem_count;

	if (!cfg)
		err(EXIT_FAILURE, "out of memory");
	reading.root = cfg;
	reading.mark_count = 0;
	reading.unknown_option = reading.unclosed = false;
	cfg->filename = copied(reading.file);
	cfg_set_error_function(cfg, note_error);
	watch_values(cfg);
	if (cfg_parse_fp(cfg, file) != CFG_SUCCESS && reading.set->problem_count == known)
		ruleset_problem(reading.set, here(cfg->line), "the file cannot be read to its end");
	cfg_free(cfg);
}

/* With whose rights a file is opened. Else root would show others what they must not
 * read: a stranger's file includes what it likes, and a stranger's link leads to it. */
static uid_t rights_for(const struct input *input, const char *changeable)
{
	struct stat st;

	if (input->rights || !changeable)
		return input->rights;
	return lstat(changeable, &st) || !st.st_uid ? RIGHTS_NOBODY : st.st_uid;
}

/* What can be read of it at the most: 100,000 rules are 6 MiB. */
#define SIZE_MAX_MIB 64

static bool check_file(const struct input *input, const struct stat *st, struct place_in_file at)
{
	bool readable = S_ISREG(st->st_mode) && st->st_size <= SIZE_MAX_MIB << 20;

	if (!S_ISREG(st->st_mode))
		ruleset_problem(reading.set, at, "'%s' is not a regular file", input->path);
	else if (!readable)
		ruleset_problem(reading.set, at, "'%s' is larger than %d MiB", input->path, SIZE_MAX_MIB);
	else if (st->st_uid != 0 || (st->st_mode & (S_IWGRP | S_IWOTH)))
		ruleset_problem(reading.set, at,
				"'%s' can be changed by others than root; run: chown root '%s' && chmod go-w '%s'",
				input->path, input->path, input->path);
	return readable;
}

/* -1 with a problem noted. */
static int open_with_rights(const char *path, uid_t rights, struct place_in_file at)
{
	int fd = -1;

	if (rights_take(rights)) {
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (fd < 0)
			ruleset_problem(reading.set, at, "cannot open '%s': %s", path, strerror(errno));
		rights_give_back();
	} else {
		ruleset_problem(reading.set, at, "cannot open '%s' with the rights of who can change it: %s", path,
				strerror(errno));
	}
	return fd;
}

/* Opens a configuration file; NULL with a problem noted. */
static FILE *open_file(struct input *input, const char *changeable, struct place_in_file at)
{
	uid_t rights = rights_for(input, changeable);
	int fd = open_with_rights(input->path, rights, at);
	struct stat st;
	FILE *file;

	if (fd < 0 || fstat(fd, &st))
		return NULL;
	input->opened = check_file(input, &st, at);
	check_way(input->path, changeable, at);
	input->device = st.st_dev;
	input->inode = st.st_ino;
	if (!rights)
		rights = st.st_uid || !(st.st_mode & (S_IWGRP | S_IWOTH)) ? st.st_uid : RIGHTS_NOBODY;
	input->rights = rights;
	file = input->opened ? fdopen(fd, "r") : NULL;
	if (!file)
		close(fd);
	return file;
}

/* What a pattern of root's finds where others can put something is left out: it is not
 * for them whether the configuration is loaded. */
static FILE *grammar_open_input(struct input *input)
{
	struct place_in_file at = input->included_at.file ? input->included_at : here(0);
	char *changeable = trust_changeable(input->path);
	FILE *file = NULL;

	if (input->matched && !input->rights && changeable)
		ruleset_warning(reading.set, at, "'%s' is not read, as others than root can change '%s'", input->path,
				changeable);
	else
		file = open_file(input, changeable, at);
	free(changeable);
	return file;
}

/* What the next character of a configuration is in. */
struct scan {
	int line;
	int last;	  /* the character before, or 0 where it means nothing */
	size_t word;	  /* how many characters of an unquoted value came before it */
	int quote;	  /* the quotation mark, within one */
	bool to_line_end; /* in a comment of one line */
	bool in_comment;
	int opened[64]; /* where comment, quote and braces were opened */
	int depth;
};

static void open_at(struct scan *s)
{
	if (s->depth < 64)
		s->opened[s->depth] = s->line;
	s->depth++;
}

/* Within an unquoted value, a slash begins no comment. */
static void scan_outside(struct scan *s, char *c)
{
	bool after_slash = s->word == 1 && c[-1] == '/';

	s->to_line_end = *c == '#' || (after_slash && *c == '/');
	s->in_comment = after_slash && *c == '*';
	s->quote = *c == '"' || *c == '\'' ? *c : 0;
	s->word = s->to_line_end || strchr(" \t\n\r#\"'={}()+,*", *c) ? 0 : s->word + 1;
	s->last = 0;
	if (*c == ';' && strchr(" \t\n\r#,}", c[1])) {
		ruleset_problem(
			reading.set, here(s->line),
			"a semicolon has no meaning here; take it out, or put it into 'single quotes' with the value");
		*c = ' ';
	}
	if (s->in_comment || s->quote || *c == '{')
		open_at(s);
	else if (*c == '}' && s->depth)
		s->depth--;
	if (s->in_comment || s->to_line_end) {
		*c = ' ';
		if (after_slash)
			c[-1] = ' ';
	}
}

static void scan_inside(struct scan *s, char *c)
{
	bool ended = s->in_comment ? *c == '/' && s->last == '*' : *c == s->quote && s->last != '\\';

	/* Of two backslashes, the second is no escape. */
	s->last = *c == '\\' && s->last == '\\' ? 0 : *c;
	if (s->in_comment && *c != '\n')
		*c = ' ';
	if (!ended)
		return;
	s->in_comment = false;
	s->quote = 0;
	s->last = 0;
	s->depth--;
}

static void scan(struct scan *s, char *c)
{
	if (!*c)
		ruleset_problem(reading.set, here(s->line), "there is a NUL byte in this line; take it out");
	if (s->in_comment || s->quote)
		scan_inside(s, c);
	else if (!s->to_line_end || *c == '\n')
		scan_outside(s, c);
	else
		*c = ' ';
	s->line += *c == '\n';
}

/* libconfuse takes a file that ends within a comment or a section for a whole one,
 * and so may drop all the rules that follow a slip. And it counts some lines of
 * comments more than once: they are made blank. */
static void grammar_scan(char *text, size_t size)
{
	struct scan s = { .line = 1 };

	for (size_t i = 0; i < size; i++)
		scan(&s, &text[i]);
	if (s.depth > 0 && s.depth <= 64)
		ruleset_problem(reading.set, here(s.opened[s.depth - 1]),
				"a %s that begins here has no end; close it with %s",
				s.in_comment ? "comment"
				: s.quote    ? "quoted value"
					     : "section or list",
				s.in_comment	  ? "*/"
				: s.quote == '"'  ? "\""
				: s.quote == '\'' ? "'"
						  : "}");
}

/* Reads all of the file. Allocated, with a byte behind it. */
static char *grammar_read_file(FILE *file, size_t *size)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, size);
	int c = EOF;

	if (!out)
		err(EXIT_FAILURE, "out of memory");
	/* It may have grown since. */
	for (long left = SIZE_MAX_MIB << 20; left && (c = getc(file)) != EOF; left--)
		putc(c, out);
	if (c != EOF || ferror(file))
		ruleset_problem(reading.set, here(0), "the file cannot be read to its end");
	if (fclose(out))
		err(EXIT_FAILURE, "out of memory");
	return text;
}

static bool read_before(const struct input *input)
{
	for (const struct input *i = reading.inputs; i < input; i++)
		if (i->opened && i->device == input->device && i->inode == input->inode)
			return true;
	return false;
}

/* Takes back what was read, but not what was found wrong with it. */
static void forget_since(const struct ruleset *before)
{
	struct ruleset *set = reading.set;

	set->class_count = before->class_count;
	set->app_count = before->app_count;
	set->package_count = before->package_count;
	set->unclassified.action = before->unclassified.action;
	/* Counts, not pointers: the lists may have been moved since. */
	set->unclassified.allow.count = before->unclassified.allow.count;
	set->unclassified.deny.count = before->unclassified.deny.count;
	set->except_users.count = before->except_users.count;
	set->tunnels.count = before->tunnels.count;
	set->unclassified_at = before->unclassified_at;
	set->at_boot_at = before->at_boot_at;
}

static void parse_text(char *text, size_t size)
{
	struct ruleset before = *reading.set;
	FILE *file;

	/* There are no files of no bytes in memory: the byte behind the text is one more. */
	text[size++] = ' ';
	grammar_scan(text, size);
	file = fmemopen(text, size, "r");
	if (!file)
		err(EXIT_FAILURE, "out of memory");
	parse(file, CFGF_NONE);
	if (reading.unknown_option) {
		rewind(file);
		forget_since(&before);
		parse(file, CFGF_IGNORE_UNKNOWN);
	}
	fclose(file);
}

/* Adds to set->text: the size and the path of a file, and what is in it. */
static void grammar_keep_text(const char *path, const char *text, size_t size)
{
	struct ruleset *set = reading.set;
	char *head = printed("%zu %s", size, path);
	size_t head_size = strlen(head) + 1;

	set->text = realloc(set->text, set->text_size + head_size + size);
	if (!set->text)
		err(EXIT_FAILURE, "out of memory");
	memcpy(set->text + set->text_size, head, head_size);
	memcpy(set->text + set->text_size + head_size, text, size);
	set->text_size += head_size + size;
	free(head);
}

static void read_input(size_t index)
{
	struct input input = reading.inputs[index];
	FILE *file;
	char *text;
	size_t size;

	reading.file = input.path;
	file = grammar_open_input(&input);
	reading.inputs[index] = input;
	reading.rights = input.rights;
	if (!file)
		return;
	if (read_before(&reading.inputs[index])) {
		fclose(file);
		return;
	}
	text = grammar_read_file(file, &size);
	fclose(file);
	grammar_keep_text(input.path, text, size);
	parse_text(text, size);
	free(text);
}

static char *absolute(const char *path)
{
	char folder[PATH_MAX];

	return *path == '/' || !getcwd(folder, sizeof(folder)) ? copied(path) : printed("%s/%s", folder, path);
}

static void begin(struct ruleset *set, const char *path, bool again)
{
	/* libconfuse puts variables of the environment into unquoted and "quoted"
	 * values; a configuration must mean the same whoever reads it. */
	clearenv();
	reading.set = set;
	reading.again = again;
	reading.input_count = 0;
	reading.rights = 0;
	set->path = absolute(path);
	grammar_keep_text(set->path, "", 0);
}

void grammar_read(struct ruleset *set, const char *path)
{
	begin(set, path, false);
	grammar_add_input(path, (struct place_in_file){ NULL, 0 }, false);
	for (size_t i = 0; i < reading.input_count; i++)
		read_input(i);
}

/* Takes the next file's path and text from what is left of a text. */
static bool next_file(char **at, size_t *left, char **path, size_t *size)
{
	size_t head = strnlen(*at, *left);
	char *end;

	if (head == *left)
		return false;
	errno = 0;
	*size = strtoul(*at, &end, 10);
	if (errno || end == *at || *end != ' ' || *size > *left - head - 1)
		return false;
	*path = end + 1;
	*at += head + 1 + *size;
	*left -= head + 1 + *size;
	return true;
}

bool grammar_read_text(struct ruleset *set, char *text, size_t size)
{
	char *path;
	size_t file_size;

	if (!next_file(&text, &size, &path, &file_size))
		return false;
	begin(set, path, true);
	while (next_file(&text, &size, &path, &file_size)) {
		char *copy = zalloc(file_size + 1);

		memcpy(copy, text - file_size, file_size);
		reading.file = copied(path);
		grammar_keep_text(path, copy, file_size);
		parse_text(copy, file_size);
		free(copy);
	}
	return !size;
}

bool grammar_read_classes(struct ruleset *set, char *text, size_t size)
{
	bool ok;

	reading.no_apps = true;
	ok = grammar_read_text(set, text, size);
	reading.no_apps = false;
	return ok;
}
