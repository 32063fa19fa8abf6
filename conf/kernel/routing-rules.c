/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The rules of policy routing: which mark leads to which class's table, and what is for a network
 * namespace's network to that, before what others' rules lead to. */

#include "conf/kernel/routing-parts.h"
#include "conf/kernel/routing.h"
#include "conf/kernel/rtnetlink.h"
#include "conf/language/address.h"
#include "conf/language/alloc.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <sys/socket.h>

/* Before the main table's rule (32766), and before those of others: the kernel gives one that is added without a
 * priority the next before the first after the local table's. */
#define RULE_PRIORITY 20000

static const int families[] = { AF_INET, AF_INET6 };

bool routing_rule_is_ours(struct nl_object *object)
{
	uint8_t protocol = 0;

	return !rtnl_rule_get_protocol((struct rtnl_rule *)object, &protocol) && protocol == ROUTING_PROTOCOL;
}

/* At 0 where nobody has moved it, which is done for virtual routers. */
static bool leads_all_to_local(struct nl_object *object)
{
	struct rtnl_rule *rule = (struct rtnl_rule *)object;

	return !routing_rule_is_ours(object) && rtnl_rule_get_action(rule) == FR_ACT_TO_TBL &&
	       rtnl_rule_get_table(rule) == RT_TABLE_LOCAL && !rtnl_rule_get_mark(rule) && !rtnl_rule_get_src(rule) &&
	       !rtnl_rule_get_dst(rule) && !rtnl_rule_get_iif(rule) && !rtnl_rule_get_oif(rule);
}

static void look_at_rule(struct nl_object *object, void *with)
{
	struct rtnl_rule *rule = (struct rtnl_rule *)object;
	uint32_t priority = rtnl_rule_get_prio(rule);
	/* That of virtual routers (l3mdev) has no table; who is in one stays there. */
	bool virtual = rtnl_rule_get_action(rule) == FR_ACT_TO_TBL && !rtnl_rule_get_table(rule);
	uint32_t *first = with;

	if (!routing_rule_is_ours(object) && !virtual && priority && priority < *first)
		*first = priority;
}

struct comparing {
	uint32_t first;
	bool before[2];
	bool after[2];
};

static void compare_local(struct nl_object *object, void *with)
{
	struct rtnl_rule *rule = (struct rtnl_rule *)object;
	struct comparing *c = with;

	if (leads_all_to_local(object))
		(rtnl_rule_get_prio(rule) < c->first ? c->before : c->after)[rtnl_rule_get_family(rule) == AF_INET6] =
			true;
}

struct rule_place routing_rule_place(const struct routing *now)
{
	uint32_t first = RULE_PRIORITY + 2;
	struct comparing c;

	nl_cache_foreach(now->rules, look_at_rule, &first);
	c = (struct comparing){ .first = first > 3 ? first - 2 : 1 };
	nl_cache_foreach(now->rules, compare_local, &c);
	return (struct rule_place){ c.first, { c.after[0] && !c.before[0], c.after[1] && !c.before[1] } };
}

static void end_at(struct rtnl_rule *rule)
{
	rtnl_rule_set_table(rule, RT_TABLE_UNSPEC);
	rtnl_rule_set_action(rule, FR_ACT_UNREACHABLE);
}

/* Of two with one priority, the kernel puts the later one behind (fib_nl_newrule in its
 * net/core/fib_rules.c): the one that leads to the main table is not to be behind its end. */
static int add_in_order(struct nl_sock *socket, struct rtnl_rule *rule)
{
	int error = rtnl_rule_add(socket, rule, NLM_F_EXCL);
	struct rtnl_rule *end;

	if (error < 0 || rtnl_rule_get_table(rule) != RT_TABLE_MAIN || !rtnl_rule_get_mark(rule))
		return error;
	end = or_out_of_memory((struct rtnl_rule *)nl_object_clone((struct nl_object *)rule));
	end_at(end);
	if (rtnl_rule_delete(socket, end, 0) >= 0)
		error = rtnl_rule_add(socket, end, NLM_F_EXCL);
	rtnl_rule_put(end);
	return error;
}

static struct rtnl_rule *make_rule(int family, uint32_t priority, uint32_t table)
{
	struct rtnl_rule *rule = or_out_of_memory(rtnl_rule_alloc());

	rtnl_rule_set_family(rule, family);
	rtnl_rule_set_prio(rule, priority);
	rtnl_rule_set_table(rule, table);
	rtnl_rule_set_action(rule, FR_ACT_TO_TBL);
	rtnl_rule_set_protocol(rule, ROUTING_PROTOCOL);
	return rule;
}

static struct rtnl_rule *marked_rule(const struct class *class, int family, uint32_t priority, uint32_t table)
{
	struct rtnl_rule *rule = make_rule(family, priority, table);

	rtnl_rule_set_mark(rule, class->mark.value);
	rtnl_rule_set_mask(rule, class->mark.mask);
	return rule;
}

/* Answers to what a namespace has begun come with no mark. */
static struct rtnl_rule *rule_to(const struct own_address *own, uint32_t priority, uint32_t table)
{
	struct rtnl_rule *rule = make_rule(own->family, priority, table);
	struct in6_addr network = own->address;
	struct nl_addr *to;

	for (unsigned i = own->prefix; i < address_bits(own->family); i++)
		network.s6_addr[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	to = rtnetlink_address(own->family, &network, own->prefix);
	rtnl_rule_set_dst(rule, to);
	nl_addr_put(to);
	return rule;
}

static bool is_routed_for(const struct class *class, int family)
{
	for (size_t i = 0; i < class->udp_proxies.count; i++)
		if (class->udp_proxies.items[i].family == family)
			return true;
	return !class->udp_proxies.count;
}

/* Of each family: by the mark to the local table, the class's, on to the main one, and to an end;
 * and to the network of its namespace. */
#define RULES_MAX 12

/* Returns how many rules the class has (allocated). What the main table has no way for, others'
 * rules would lead elsewhere. */
static size_t rules_of(const struct class *class, const struct rule_place *place, struct rtnl_rule *rules[RULES_MAX])
{
	size_t count = 0;

	for (size_t i = 0; class->table && i < 2; i++) {
		if (!is_routed_for(class, families[i]))
			continue;
		if (place->local[i])
			rules[count++] = marked_rule(class, families[i], place->first - 1, RT_TABLE_LOCAL);
		rules[count++] = marked_rule(class, families[i], place->first, class->table);
		if (class->ordinary) {
			rules[count++] = marked_rule(class, families[i], place->first + 1, RT_TABLE_MAIN);
			rules[count] = marked_rule(class, families[i], place->first + 1, RT_TABLE_UNSPEC);
			end_at(rules[count++]);
		}
	}
	for (size_t i = 0; i < class->addresses.count; i++) {
		const struct own_address *own = &class->addresses.items[i];

		/* What its gateway, which is this machine, is asked comes here. */
		if (place->local[own->family == AF_INET6])
			rules[count++] = rule_to(own, place->first - 1, RT_TABLE_LOCAL);
		rules[count++] = rule_to(own, place->first + 1, RT_TABLE_MAIN);
	}
	return count;
}

bool routing_add_rules(struct nl_sock *socket, const struct class *class, const struct rule_place *place)
{
	struct rtnl_rule *rules[RULES_MAX];
	size_t count = rules_of(class, place, rules);
	bool ok = true;

	for (size_t i = 0; i < count; i++) {
		ok = ok && rtnetlink_succeeded_for(rtnl_rule_get_family(rules[i]), add_in_order(socket, rules[i]),
						   "add a routing rule");
		rtnl_rule_put(rules[i]);
	}
	return ok;
}

static bool is_same_rule(struct rtnl_rule *a, struct rtnl_rule *b)
{
	return rtnl_rule_get_family(a) == rtnl_rule_get_family(b) && rtnl_rule_get_prio(a) == rtnl_rule_get_prio(b) &&
	       rtnl_rule_get_table(a) == rtnl_rule_get_table(b) && rtnl_rule_get_mark(a) == rtnl_rule_get_mark(b) &&
	       rtnl_rule_get_mask(a) == rtnl_rule_get_mask(b) &&
	       !nl_addr_cmp(rtnl_rule_get_dst(a), rtnl_rule_get_dst(b));
}

bool routing_is_rule_of(const struct class *class, const struct rule_place *place, struct rtnl_rule *rule)
{
	/* Each class is asked about each rule: few have to look closer. */
	bool may_be = class->addresses.count || class->mark.value == rtnl_rule_get_mark(rule);
	struct rtnl_rule *rules[RULES_MAX];
	size_t count = may_be ? rules_of(class, place, rules) : 0;
	bool found = false;

	for (size_t i = 0; i < count; i++) {
		found = found || is_same_rule(rules[i], rule);
		rtnl_rule_put(rules[i]);
	}
	return found;
}

struct listing {
	struct routing_rule *rules;
	size_t count;
};

static void list_rule(struct nl_object *object, void *with)
{
	struct rtnl_rule *rule = (struct rtnl_rule *)object;
	struct listing *l = with;

	l->rules = grown(l->rules, l->count, sizeof(*l->rules));
	l->rules[l->count++] = (struct routing_rule){
		.family = rtnl_rule_get_family(rule),
		.priority = rtnl_rule_get_prio(rule),
		.mark = { rtnl_rule_get_mark(rule), rtnl_rule_get_mask(rule) },
		.table = rtnl_rule_get_table(rule),
		.own = routing_rule_is_ours(object),
	};
}

size_t routing_rules(const struct routing *now, struct routing_rule **rules)
{
	struct listing l = { NULL, 0 };

	nl_cache_foreach(now->rules, list_rule, &l);
	*rules = l.rules;
	return l.count;
}

static uint32_t number(struct nlmsghdr *header, int attribute)
{
	const struct nlattr *found = nlmsg_find_attr(header, sizeof(struct fib_rule_hdr), attribute);

	return found ? nla_get_u32(found) : 0;
}

static int note_inverted(struct nl_msg *message, void *with)
{
	struct nlmsghdr *header = nlmsg_hdr(message);
	const struct fib_rule_hdr *head = nlmsg_data(header);
	const struct listing *l = with;

	for (size_t i = 0; i < l->count; i++)
		if (l->rules[i].family == head->family && l->rules[i].priority == number(header, FRA_PRIORITY) &&
		    l->rules[i].mark.value == number(header, FRA_FWMARK) &&
		    l->rules[i].table == number(header, FRA_TABLE))
			l->rules[i].inverted = head->flags & FIB_RULE_INVERT;
	return NL_OK;
}

/* libnl reads all of a rule but its flags. */
void routing_find_inverted(struct routing_rule *rules, size_t count)
{
	struct fib_rule_hdr all = { .family = AF_UNSPEC };
	struct listing l = { rules, count };
	struct nl_sock *socket = rtnetlink_socket();

	if (!socket)
		return;
	nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, note_inverted, &l);
	if (nl_send_simple(socket, RTM_GETRULE, NLM_F_DUMP, &all, sizeof(all)) >= 0)
		nl_recvmsgs_default(socket);
	nl_socket_free(socket);
}

static void put_back_rule(struct nl_object *object, void *socket)
{
	if (routing_rule_is_ours(object))
		add_in_order(socket, (struct rtnl_rule *)object);
}

void routing_put_back_rules(struct nl_sock *socket, const struct routing *from)
{
	nl_cache_foreach(from->rules, put_back_rule, socket);
}

/* To where netshim's rules are to be. */
struct moving {
	struct nl_sock *socket;
	struct rule_place to;
	bool any;
	bool ok;
};

/* As rules_of has them. */
static uint32_t wanted_priority(struct nl_object *object, const struct rule_place *to)
{
	uint32_t table = rtnl_rule_get_table((struct rtnl_rule *)object);

	if (table == RT_TABLE_LOCAL)
		return to->first - 1;
	return table == RT_TABLE_MAIN || table == RT_TABLE_UNSPEC ? to->first + 1 : to->first;
}

/* Each is looked at by itself: who follows interfaces may have moved them, and others may
 * have put back what they had kept, so that one is there twice. */
static bool is_to_move(struct nl_object *object, const struct rule_place *to)
{
	return routing_rule_is_ours(object) &&
	       rtnl_rule_get_prio((struct rtnl_rule *)object) != wanted_priority(object, to);
}

static void add_moved(struct nl_object *object, void *with)
{
	struct moving *m = with;
	struct rtnl_rule *rule;
	int error;

	if (!is_to_move(object, &m->to))
		return;
	rule = or_out_of_memory(nl_object_clone(object));
	rtnl_rule_set_prio(rule, wanted_priority(object, &m->to));
	error = add_in_order(m->socket, rule);
	m->any = true;
	m->ok = m->ok && (error >= 0 || error == -NLE_EXIST);
	rtnl_rule_put(rule);
}

static void delete_moved(struct nl_object *object, void *with)
{
	const struct moving *m = with;

	if (is_to_move(object, &m->to))
		rtnl_rule_delete(m->socket, (struct rtnl_rule *)object, 0);
}

static struct routing *read_rules(struct nl_sock *socket)
{
	struct routing *now = zalloc(sizeof(*now));

	if (rtnetlink_succeeded(rtnl_rule_alloc_cache(socket, AF_UNSPEC, &now->rules), "read the routing rules"))
		return now;
	routing_free(now);
	return NULL;
}

/* The local table's has been moved behind a class's. */
static void add_local(struct nl_object *object, void *with)
{
	struct rtnl_rule *rule = (struct rtnl_rule *)object;
	uint32_t table = rtnl_rule_get_table(rule);
	struct moving *m = with;

	if (!routing_rule_is_ours(object) || !m->to.local[rtnl_rule_get_family(rule) == AF_INET6] ||
	    table == RT_TABLE_LOCAL || table == RT_TABLE_UNSPEC || (table == RT_TABLE_MAIN && !rtnl_rule_get_dst(rule)))
		return;
	rule = or_out_of_memory((struct rtnl_rule *)nl_object_clone(object));
	rtnl_rule_set_table(rule, RT_TABLE_LOCAL);
	rtnl_rule_set_prio(rule, m->to.first - 1);
	m->any = rtnl_rule_add(m->socket, rule, NLM_F_EXCL) >= 0 || m->any;
	rtnl_rule_put(rule);
}

static bool move_ahead(struct nl_sock *socket, const struct routing *now)
{
	struct moving m = { .socket = socket, .to = routing_rule_place(now), .ok = true };

	nl_cache_foreach(now->rules, add_local, &m);
	nl_cache_foreach(now->rules, add_moved, &m);
	if (m.any && m.ok)
		nl_cache_foreach(now->rules, delete_moved, &m);
	return m.any;
}

static void count_rule(struct nl_object *object, void *with)
{
	*(size_t *)with += routing_rule_is_ours(object);
}

static size_t count_rules(const struct routing *routing)
{
	size_t count = 0;

	nl_cache_foreach(routing->rules, count_rule, &count);
	return count;
}

struct remembering {
	struct nl_cache *rules;
	struct rule_place to;
};

static void remember_rule(struct nl_object *object, void *with)
{
	const struct remembering *r = with;
	struct nl_object *rule;
	struct nl_object *there;

	if (!routing_rule_is_ours(object))
		return;
	rule = or_out_of_memory(nl_object_clone(object));
	rtnl_rule_set_prio((struct rtnl_rule *)rule, wanted_priority(object, &r->to));
	there = nl_cache_search(r->rules, rule);
	if (!there)
		nl_cache_add(r->rules, rule);
	nl_object_put(there);
	nl_object_put(rule);
}

/* Who takes them away, one after the other, may not have come to an end when they were put
 * back. What has gone since then is not forgotten: that it has, is told next. */
static void remember_rules(struct routing *now, const struct routing *before)
{
	struct remembering r = { now->rules, routing_rule_place(now) };

	if (count_rules(now) < count_rules(before))
		nl_cache_foreach(before->rules, remember_rule, &r);
}

bool routing_keep_rules(struct routing **rules)
{
	struct nl_sock *socket = rtnetlink_socket();
	struct routing *now = NULL;

	if (socket && *rules)
		routing_put_back_rules(socket, *rules);
	if (socket)
		now = read_rules(socket);
	if (now && move_ahead(socket, now)) {
		routing_free(now);
		now = read_rules(socket);
	}
	nl_socket_free(socket);
	if (!now)
		return false;
	if (*rules)
		remember_rules(now, *rules);
	routing_free(*rules);
	*rules = now;
	return true;
}

int routing_events(void)
{
	struct sockaddr_nl groups = {
		.nl_family = AF_NETLINK,
		.nl_groups = 1U << (RTNLGRP_IPV4_RULE - 1) | 1U << (RTNLGRP_IPV6_RULE - 1),
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&groups, sizeof(groups)))
		err(EXIT_FAILURE, "cannot be told of routing rules (rtnetlink)");
	return fd;
}
