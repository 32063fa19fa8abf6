/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Who sends how much: see traffic.h.
 *
 * What classes send is what netshim's rules count, whatever protocol. For their programs,
 * TCP counts for each socket; and of UDP, conntrack does where nf_conntrack_acct is set. */

#include "conf/command/traffic.h"

#include "conf/kernel/connections.h"
#include "conf/kernel/counters.h"
#include "conf/kernel/inside.h"
#include "conf/kernel/processes.h"
#include "conf/kernel/sockets.h"
#include "conf/language/alloc.h"

#include <search.h>
#include <time.h>
#include <unistd.h>

/* A connection, by what is compared as bytes. */
struct key {
	uint32_t inside; /* the class in whose network namespace it is; 0: in this one */
	int protocol;
	unsigned local_port, remote_port;
	struct in6_addr remote;
};

struct flow {
	struct key key;
	struct amounts total;
	uint32_t inode;
	uint32_t classid;
};

struct look {
	struct flow *flows;
	size_t count;
	struct inet_socket *datagrams; /* the sockets of UDP */
	size_t datagram_count;
	struct ifaddrs *own;	     /* this machine's addresses */
	const struct inside *inside; /* the namespace that is looked at, or NULL: this one */
};

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static int compare_flows(const void *a, const void *b)
{
	return memcmp(&((const struct flow *)a)->key, &((const struct flow *)b)->key, sizeof(struct key));
}

static void add_flow(struct look *look, const struct inet_socket *s, const struct in6_addr *remote, unsigned port,
		     struct amounts total)
{
	struct flow *flow;

	look->flows = grown(look->flows, look->count, sizeof(*flow));
	flow = &look->flows[look->count++];
	memset(flow, 0, sizeof(*flow));
	flow->key.inside = look->inside ? look->inside->classid : 0;
	flow->key.protocol = s->protocol;
	flow->key.local_port = s->local_port;
	flow->key.remote_port = port;
	flow->key.remote = *remote;
	flow->total = total;
	flow->inode = s->inode;
	/* Of a socket without a class it is a small number, its priority; in a namespace, whatever
	 * is sent counts as its class's. */
	flow->classid = look->inside ? look->inside->classid : s->classid >> 16 ? s->classid : 0;
}

static void note_stream(const struct inet_socket *s, void *with)
{
	if (s->remote_port)
		add_flow(with, s, &s->remote, s->remote_port, (struct amounts){ s->sent, s->received });
}

static void note_datagrams(const struct inet_socket *s, void *with)
{
	struct look *look = with;

	look->datagrams = grown(look->datagrams, look->datagram_count, sizeof(*s));
	look->datagrams[look->datagram_count++] = *s;
}

static size_t address_size(int family)
{
	return family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
}

static bool may_send_from(const struct inet_socket *s, const struct connection *c)
{
	static const struct in6_addr any;
	bool mapped = s->family == AF_INET6 && c->family == AF_INET;

	return s->local_port == c->source_port &&
	       (!memcmp(&s->local, &any, address_size(s->family)) ||
		!memcmp(s->local.s6_addr + (mapped ? 12 : 0), &c->source, address_size(c->family)));
}

static void note_connection(const struct connection *c, void *with)
{
	struct look *look = with;

	if (c->protocol != IPPROTO_UDP || !c->counted || !c->from_here)
		return;
	for (size_t i = 0; i < look->datagram_count; i++) {
		const struct inet_socket *s = &look->datagrams[i];

		if (!may_send_from(s, c))
			continue;
		add_flow(look, s, &c->destination, c->destination_port, (struct amounts){ c->sent, c->received });
		return;
	}
}

static struct class_traffic *find_class(const struct traffic *t, uint32_t classid)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->classes[i].classid == classid)
			return &t->classes[i];
	return NULL;
}

static void add_program(struct class_traffic *class, const char *name, struct amounts rate)
{
	struct class_program *p = class->programs;

	while (p && p < class->programs + class->program_count && strcmp(p->name, name) != 0)
		p++;
	if (!p || p == class->programs + class->program_count) {
		class->programs = grown(class->programs, class->program_count, sizeof(*p));
		p = &class->programs[class->program_count++];
		memset(p, 0, sizeof(*p));
		snprintf(p->name, sizeof(p->name), "%s", name);
	}
	p->rate.sent += rate.sent;
	p->rate.received += rate.received;
}

static uint64_t rate_of(uint64_t before, uint64_t total, uint64_t milliseconds)
{
	return total > before && milliseconds ? (total - before) * 1000 / milliseconds : 0;
}

static struct amounts rates_of(const struct amounts *before, const struct amounts *total, uint64_t milliseconds)
{
	return (struct amounts){ rate_of(before->sent, total->sent, milliseconds),
				 rate_of(before->received, total->received, milliseconds) };
}

/* What is new counts from nothing, but for the first look, which knows nothing of before. */
static void attribute(const struct traffic *t, const struct look *look, uint64_t milliseconds)
{
	static const struct amounts nothing;
	struct socket_holders holders;

	sockets_read_holders(&holders);
	for (size_t i = 0; i < look->count; i++) {
		const struct flow *f = &look->flows[i];
		struct flow **before = tfind(f, &t->flows, compare_flows);
		const struct socket_holder *holder = f->inode ? sockets_holder(&holders, f->inode) : NULL;
		struct class_traffic *class = find_class(t, f->classid);
		struct process process;

		if (class && holder && process_read(holder->pid, &process))
			add_program(class, process.name,
				    rates_of(before ? &(*before)->total : &nothing, &f->total, milliseconds));
	}
	sockets_free_holders(&holders);
}

static void keep_flows(struct traffic *t, struct look *look)
{
	tdestroy(t->flows, free);
	t->flows = NULL;
	for (size_t i = 0; i < look->count; i++) {
		struct flow *flow = zalloc(sizeof(*flow));
		struct flow **at;

		*flow = look->flows[i];
		at = or_out_of_memory(tsearch(flow, &t->flows, compare_flows));
		if (*at != flow)
			free(flow);
	}
	free(look->flows);
}

static void look_here(struct look *look)
{
	look->datagram_count = 0;
	sockets_each(IPPROTO_TCP, SOCKETS_ALL, note_stream, look);
	sockets_each(IPPROTO_UDP, SOCKETS_ALL, note_datagrams, look);
	connections_each(note_connection, look);
	free(look->datagrams);
	look->datagrams = NULL;
}

static void look_inside(const struct inside *inside, void *with)
{
	struct look *look = with;

	look->inside = inside;
	look_here(look);
}

static void look_at_programs(struct traffic *t, uint64_t milliseconds)
{
	struct look look = { .count = 0 };

	for (size_t i = 0; i < t->count; i++) {
		free(t->classes[i].programs);
		t->classes[i].programs = NULL;
		t->classes[i].program_count = 0;
	}
	look_here(&look);
	insides_each(look_inside, &look);
	if (milliseconds)
		attribute(t, &look, milliseconds);
	keep_flows(t, &look);
}

/* Of a class with a network namespace, there is one here and one in there. */
static uint64_t count_of(const struct counters *counters, const char *direction, const char *class)
{
	char name[sizeof(counters->items->name)];
	uint64_t bytes = 0;

	snprintf(name, sizeof(name), "%s_%s", direction, class);
	for (size_t i = 0; i < counters->count; i++)
		if (!strcmp(counters->items[i].name, name))
			bytes += counters->items[i].bytes;
	return bytes;
}

/* A reload begins the counts anew. */
static void count(struct class_traffic *class, const struct counters *counters, uint64_t milliseconds)
{
	const char *name = class->classid ? class->name : UNCLASSIFIED;
	struct amounts total = { count_of(counters, "out", name), count_of(counters, "in", name) };

	class->rate = class->known ? rates_of(&class->total, &total, milliseconds) : (struct amounts){ 0, 0 };
	class->total = total;
	class->known = true;
	memmove(class->history, class->history + 1, sizeof(class->history) - sizeof(*class->history));
	class->history[TRAFFIC_HISTORY - 1] = class->rate.sent + class->rate.received;
}

/* A reload may give it another classid. */
static void meet_class(struct traffic *t, const char *name, uint32_t classid)
{
	struct class_traffic *class = t->classes;

	while (class < t->classes + t->count && strcmp(class->name, name) != 0)
		class ++;
	if (class == t->classes + t->count) {
		t->classes = grown(t->classes, t->count, sizeof(*class));
		class = &t->classes[t->count++];
		memset(class, 0, sizeof(*class));
		snprintf(class->name, sizeof(class->name), "%s", name);
	}
	class->classid = classid;
	class->in_force = true;
}

static void drop_others(struct traffic *t)
{
	size_t left = 0;

	for (size_t i = 0; i < t->count; i++)
		if (t->classes[i].in_force)
			t->classes[left++] = t->classes[i];
		else
			free(t->classes[i].programs);
	t->count = left;
}

static bool read_classes(struct traffic *t)
{
	char name[CLASS_NAME_MAX + 1];
	struct rules_class class;
	struct rules rules;

	if (rules_open(&rules, true))
		return false;
	for (size_t i = 0; i < t->count; i++)
		t->classes[i].in_force = false;
	meet_class(t, UNCLASSIFIED, 0);
	for (uint32_t i = 0; rules_class(&rules, i, &class, name); i++)
		meet_class(t, name, class.classid);
	rules_close(&rules);
	drop_others(t);
	return true;
}

bool traffic_look(struct traffic *t)
{
	struct counters counters = { .items = NULL };
	uint64_t when = now();
	uint64_t milliseconds = t->when ? when - t->when : 0;

	if (!read_classes(t) || !counters_read(&counters))
		return false;
	insides_count(&counters);
	t->when = when;
	for (size_t i = 0; i < t->count; i++)
		count(&t->classes[i], &counters, milliseconds);
	free(counters.items);
	look_at_programs(t, milliseconds);
	return true;
}
