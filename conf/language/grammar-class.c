/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The sections class and unclassified. */

#include "conf/language/grammar-parts.h"
#include "conf/language/address.h"
#include "conf/language/alloc.h"
#include "conf/language/grammar.h"
#include "conf/language/value.h"

static void read_verdict(cfg_t *section, struct verdict *verdict)
{
	READ_VALUES(section, "action", value_action, &verdict->action);
	READ_VALUES(section, "allow", value_destination, &verdict->allow);
	READ_VALUES(section, "deny", value_destination, &verdict->deny);
	verdict->has_names = list_has(&verdict->allow, PEER_NAME) || list_has(&verdict->deny, PEER_NAME);
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

static void read_serve(cfg_t *section, struct class *class)
{
	READ_VALUES(section, "serve", value_serve, &class->serve);
	if (list_has(&class->serve, PEER_NONE) && class->serve.count > 1)
		ruleset_problem(reading.set, value_at("serve", 0),
				"none of the clients, and some of them; remove one or the other");
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
	if (list_has(&class->local, PEER_NONE) && class->local.count > 1)
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
	return addresses_share(&own->address, address, own->prefix) &&
	       memcmp(&own->address, address, sizeof(*address)) != 0;
}

/* The router of its network is this machine, so that is an address to give to it. */
static void read_routers(struct class *class)
{
	for (size_t i = 0; i < class->gateways.count; i++) {
		const struct endpoint *gateway = &class->gateways.items[i];
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
	class->gateways = (struct endpoint_list){ NULL, 0 };
}

static void read_joined(cfg_t *section, struct class *class)
{
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
	if (class->moved && (strchr(class->moved, '*') || !strcmp(class->moved, "ordinary")))
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
	const char *option = list_has(&class->verdict.allow, PEER_NAME) ? "allow" : "deny";

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
	class->address_at = value_at("address", 0);
	class->ports_at = value_at("ports", 0);
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

/* Verbs would take one with a dash in front for an option. */
static bool is_well_formed(const char *name)
{
	return class_name_valid(name) && *name != '-';
}

bool grammar_takes_class_name(const char *name)
{
	return is_well_formed(name) && !is_taken(name);
}

static void check_class_name(const struct class *class)
{
	if (!is_well_formed(class->name))
		ruleset_problem(reading.set, class->at,
				"bad class name '%s'; it is 1 to %d of the characters A-Z a-z 0-9 _ -, and begins with "
				"no dash",
				class->name, CLASS_NAME_MAX);
	else if (is_taken(class->name))
		ruleset_problem(reading.set, class->at, "a class cannot be named '%s'; choose another name",
				class->name);
}

/* Which way what it sends takes. */
static void read_way(cfg_t *section, struct class *class)
{
	READ_VALUES(section, "dns", value_resolver, &class->dns);
	READ_VALUES(section, "interface", value_interface, &class->interface);
	READ_VALUES(section, "gateway", value_gateway, &class->gateways);
	READ_VALUES(section, "table", value_table, &class->table);
	READ_VALUES(section, "proxy", value_proxy, &class->proxies);
	READ_VALUES(section, "proxy-udp", value_proxy, &class->udp_proxies);
	READ_VALUES(section, "lock", value_bool, &class->lock);
	class->interface_at = value_at(class->interface ? "interface" : "proxy-udp", 0);
	read_netns(section, class);
	if (class->netns && class->interface)
		class->interface_at = value_at("uplink", 0);
	class->proxy_at = value_at("proxy", 0);
	read_ordinary(section, class);
	check_proxies(section, class);
	check_names(section, class);
	if (!class->netns && !class->interface && !class->ordinary &&
	    (cfg_size(section, "gateway") || (cfg_size(section, "table") && !class_is_routed(class))))
		ruleset_problem(reading.set, class->at,
				"gateway and table say how to reach an interface; add interface = '...'");
	read_local(section, class);
}

static void read_ipv6(cfg_t *section, struct class *class)
{
	READ_VALUES(section, "ipv6", value_not, &class->no_ipv6);
	if (!class->no_ipv6)
		return;
	check_ipv6(section, "dns", "query out to resolver");
	check_ipv6(section, "proxy", "connection through to proxy");
	check_ipv6(section, "proxy-udp", "datagram through to proxy");
}

/* What is done with each of its packets. */
static void read_packets(cfg_t *section, struct class *class)
{
	READ_VALUES(section, "log", value_bool, &class->log);
	READ_VALUES(section, "rate", value_rate, &class->rate);
	READ_VALUES(section, "rate-in", value_rate, &class->rate_in);
	READ_VALUES(section, "priority", value_priority, &class->priority);
	READ_VALUES(section, "mark", value_mark, &class->mark);
	class->mark_given = class->mark.value;
	READ_VALUES(section, "nft", value_statement, &class->nft);
	place_statements(&class->nft);
}

int grammar_class_ended(cfg_t *cfg, cfg_opt_t *option)
{
	cfg_t *section = cfg_opt_getnsec(option, 0);
	struct ruleset *set = reading.set;
	struct class class = { .name = copied(cfg_title(section)), .at = section_at() };

	(void)cfg;
	check_class_name(&class);
	read_verdict(section, &class.verdict);
	read_serve(section, &class);
	READ_VALUES(section, "classid", value_classid, &class.classid);
	read_way(section, &class);
	read_ipv6(section, &class);
	read_packets(section, &class);
	READ_VALUES(section, "on-error", value_on_error, &class.on_error_allow);
	if (!reading.no_apps) /* without them, nobody is let into a class either */
		READ_VALUES(section, "users", value_user, &class.users);
	class.classid_at = value_at("classid", 0);
	set->classes = grown(set->classes, set->class_count, sizeof(*set->classes));
	set->classes[set->class_count++] = class;
	end_section(option);
	return 0;
}

int grammar_unclassified_ended(cfg_t *cfg, cfg_opt_t *option)
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
	if (cfg_size(section, "except-users") && !verdict_refuses(&set->unclassified))
		ruleset_problem(set, value_at("except-users", 0),
				"except-users has no effect where nothing is refused; add action = reject, or deny");
	READ_VALUES(section, "tunnels", value_tunnel, &set->tunnels);
	end_section(option);
	return 0;
}
