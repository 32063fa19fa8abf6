/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* A configuration in memory, and the mistakes in it. grammar.c reads it; compile.c
 * writes it for the library and the helper, and what is in conf/kernel for the kernel. */

#ifndef NETSHIM_RULESET_H
#define NETSHIM_RULESET_H

#include "conf/contract/rules.h"

#include <netinet/in.h>
#include <string.h>

/* Where something was written. */
struct place_in_file {
	const char *file;
	int line;
};

struct user_list {
	struct rules_user *users;
	size_t count;
};

enum action { ACTION_ACCEPT, ACTION_REJECT, ACTION_DROP };

/* Who may be at the other end: what is listed in `allow`, `deny`, `serve`, `local` and `tunnels`. */
struct peer {
	enum { PEER_NONE, PEER_LOOPBACK, PEER_LAN, PEER_LINK, PEER_NETWORK, PEER_PORTS, PEER_NAME } kind;
	int family; /* AF_INET or AF_INET6 */
	struct in6_addr address;
	unsigned prefix;
	int protocol; /* IPPROTO_TCP or IPPROTO_UDP; 0 is any */
	unsigned first_port, last_port;
	const char *name;    /* of PEER_NAME, as a resolver is asked for it; "*.NAME" is all beneath it */
	const char *written; /* as the configuration has it */
};

struct peer_list {
	struct peer *items;
	size_t count;
};

static inline bool list_has(const struct peer_list *list, unsigned kind)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].kind == kind)
			return true;
	return false;
}

/* Where name queries go, or connections; a gateway's port means nothing. */
struct endpoint {
	int family; /* AF_INET or AF_INET6 */
	struct in6_addr address;
	unsigned port;
};

struct endpoint_list {
	struct endpoint *items;
	size_t count;
};

/* What happens to traffic: of a class, or of what is in no class. What deny lists
 * is refused even if allow lists it too. */
struct verdict {
	enum action action;
	bool log_refused;
	struct peer_list allow;
	struct peer_list deny;
	bool has_names;		       /* in one of the two */
	struct endpoint_list answerer; /* netshim's own resolver for them, where it is known (answerers.h) */
};

static inline bool verdict_refuses(const struct verdict *verdict)
{
	return verdict->action != ACTION_ACCEPT || verdict->deny.count;
}

/* An nft statement of the administrator's own. */
struct statement {
	const char *text;
	struct place_in_file at;
	bool refused;
};

struct statement_list {
	struct statement *items;
	size_t count;
};

/* An address that a class has in its network namespace. */
struct own_address {
	int family; /* AF_INET or AF_INET6 */
	struct in6_addr address;
	unsigned prefix;
	struct in6_addr router; /* another one of the same network: this machine's */
};

struct own_address_list {
	struct own_address *items; /* one a family at most */
	size_t count;
};

/* A port of this machine's that leads to one in a class's network namespace. */
struct port {
	int protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	unsigned from, to;
};

struct port_list {
	struct port *items;
	size_t count;
};

/* The bits of mask are the value's; others are left alone. */
struct packet_mark {
	uint32_t value; /* 0 is no mark */
	uint32_t mask;
};

/* wg-quick lets what has this mark past its tunnel, as the tunnel's own packets have it,
 * and so does the kill switch in its manual page. */
#define MARK_PAST_WG_QUICK 0xca6c

/* Tells whether one packet can have both. */
static inline bool packet_marks_meet(struct packet_mark a, struct packet_mark b)
{
	return !((a.value ^ b.value) & a.mask & b.mask);
}

struct class
{
	const char *name;
	struct place_in_file at;
	uint32_t classid; /* 0 until it is given one */
	struct place_in_file classid_at;
	struct verdict verdict;
	struct peer_list serve; /* who may connect to it; not held to any where it is empty */
	bool no_ipv6;
	bool log;
	uint64_t rate;		    /* bytes a second; 0 is any */
	uint64_t rate_in;	    /* the same of what comes in */
	uint32_t priority;	    /* a traffic-control class (major << 16 | minor), or 0 */
	struct packet_mark mark;    /* of packets */
	struct packet_mark ct_mark; /* of connections: the same but for `ordinary` (marks.c) */
	bool mark_given;	    /* in the configuration */
	bool mark_shared;	    /* shared with another class, so that it does not tell which */
	bool mark_repeated;	    /* with one before it */
	struct statement_list nft;
	struct endpoint_list dns;
	const char *interface; /* all of its packets go out there, or NULL; may be a pattern */
	bool ordinary;	       /* interface = 'ordinary': the machine's own way, past its tunnels */
	const char *device;    /* the one that it is now, or NULL (ways.c) */
	struct place_in_file interface_at;
	struct endpoint_list gateways; /* one a family at most */
	struct peer_list local;	       /* what it reaches by other interfaces all the same */
	bool local_given;
	uint32_t table;		      /* its routing table */
	struct endpoint_list proxies; /* where its TCP connections go; one a family at most */
	struct place_in_file proxy_at;
	struct endpoint_list udp_proxies; /* and its datagrams, likewise */
	char *netns; /* the network namespace that its programs are in, or NETNS_PRIVATE; NULL is none */
	struct place_in_file netns_at;
	struct own_address_list addresses; /* in that, which is joined to this machine then */
	struct place_in_file address_at;
	struct port_list ports; /* of this machine, which lead into it */
	struct place_in_file ports_at;
	const char *moved; /* an interface that is moved into it, or NULL */
	bool lock;
	bool on_error_allow;
	struct user_list users;
};

/* Tells whether its mark leads to a routing table of its own. */
static inline bool class_is_routed(const struct class *class)
{
	return class->interface || class->ordinary || class->udp_proxies.count;
}

/* Tells whether it is in a network namespace that has a name, and so one table for all. */
static inline bool class_is_inside(const struct class *class)
{
	return class->netns && strcmp(class->netns, NETNS_PRIVATE) != 0;
}

/* Tells whether anything is to be in force in there. */
static inline bool class_has_inside(const struct class *class)
{
	return class_is_inside(class) &&
	       (verdict_refuses(&class->verdict) || class->no_ipv6 || class->log || class->rate || class->rate_in ||
		class->priority || class->mark.value || class->nft.count || class->dns.count || class->serve.count ||
		class->addresses.count || class->moved);
}

/* Where its queries go. */
static inline const struct endpoint_list *class_resolvers(const struct class *class)
{
	return class->verdict.answerer.count ? &class->verdict.answerer : &class->dns;
}

#define CLASS_INDEX_NONE RULES_CLASS_NONE

struct app {
	const char *path;	/* as written, or as a pattern matched */
	const char *class_name; /* as written */
	struct place_in_file at;
	struct place_in_file class_at;
	struct user_list users;
	uint32_t class_index;
	const char *canonical; /* what a program is looked up by; compile-names.c */
	const char *package;   /* whose program it is, where the rule is for a package; else NULL */
	bool unit;	       /* it is for a unit of systemd's, whose name path is */
	bool coming;	       /* the package is about to be installed, or to have this program */
	const char *pattern;   /* that path matches, where root alone can add names; else NULL */
	bool matched;	       /* a pattern did, where others than root can add names */
	bool by_others;	       /* that, or its folder is reached by a link that they can change */
	bool left_out;	       /* another app comes before it, or it is for nothing */
	const char *with;      /* the argument that it is for, as written, or NULL */
	enum with_kind kind;   /* of that; WITH_ANY where there is none */
	const char *text;      /* what arguments are compared with: the file's canonical path; compile-names.c */
	struct app *next;      /* which comes next by arguments, for the same program, or NULL */
	uint32_t place;	       /* how many of those come before it */
};

/* A rule for a package: an app for each of its programs. */
struct package {
	const char *name;
	struct place_in_file at;
	bool installed;
	size_t programs;
};

struct problem {
	struct place_in_file at;
	const char *text;
	bool warning;
	bool told;
};

/* What `up --boot` does where it cannot put the configuration into force: puts into force
 * what was last; starts no program that had a rule then; or neither. */
enum at_boot { AT_BOOT_LAST, AT_BOOT_REFUSE, AT_BOOT_OPEN };

/* What is in no class, wherever that is told or named. No class has this name. */
#define UNCLASSIFIED "unclassified"

struct ruleset {
	const char *path; /* absolute */
	enum at_boot at_boot;
	struct place_in_file at_boot_at; /* file is NULL where it does not say */
	char *text;			 /* all that it was read from: grammar_read_text reads it again */
	size_t text_size;
	struct class *classes;
	size_t class_count;
	bool cut_short; /* by a mistake: not all classes are known */
	bool sole;	/* all that is sent is its one class's, whichever process sends it */
	struct app *apps;
	size_t app_count;
	struct package *packages;
	size_t package_count;
	struct verdict unclassified;
	struct user_list except_users;
	struct peer_list tunnels;	      /* the other ends of the kernel's own tunnels; networks only */
	struct place_in_file unclassified_at; /* file is NULL where there is none */
	struct endpoint_list asked;	      /* whom what is in no class asks, where that names names */
	struct problem *problems;
	size_t problem_count;
};

static inline const char *app_class_name(const struct ruleset *set, const struct app *app)
{
	return app->class_index == CLASS_INDEX_NONE ? "none" : set->classes[app->class_index].name;
}

/* Where make install and packages put policies that are ready to be included. */
#define READY_POLICIES "/share/netshim/"

static inline bool app_is_ready(const struct app *app)
{
	return strstr(app->at.file, READY_POLICIES);
}

/* A path, or the name of a package. */
static inline const char *app_written(const struct app *app)
{
	return app->package ? app->package : app->path;
}

/* Notes a mistake. Text says what is wrong and what would be right. */
__attribute__((format(printf, 3, 4))) void ruleset_problem(struct ruleset *set, struct place_in_file at,
							   const char *format, ...);

/* Notes what is for nothing, though it is no mistake: what others than root can bring
 * about must not keep a configuration from being loaded. */
__attribute__((format(printf, 3, 4))) void ruleset_warning(struct ruleset *set, struct place_in_file at,
							   const char *format, ...);

/* How many rules its apps become. */
size_t ruleset_rule_count(const struct ruleset *set);

/* Prints the mistakes and warnings to stderr, one a line, in the order of files and
 * lines, each once. Returns how many mistakes there are. */
size_t ruleset_report(struct ruleset *set);

#endif
