/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* A configuration in memory: what grammar.c reads, compile.c writes for the shim
 * and the helper, and policy.c writes for nftables. */

#ifndef NETSHIM_RULESET_H
#define NETSHIM_RULESET_H

#include "conf/contract/rules.h"

#include <netinet/in.h>

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

/* One thing that an `allow` list lets through. */
struct allowance {
	enum { ALLOW_LOOPBACK, ALLOW_LAN, ALLOW_NETWORK, ALLOW_PORTS } kind;
	int family; /* AF_INET or AF_INET6 */
	struct in6_addr address;
	unsigned prefix;
	int protocol; /* IPPROTO_TCP or IPPROTO_UDP; 0 is any */
	unsigned first_port, last_port;
};

struct allow_list {
	struct allowance *items;
	size_t count;
};

/* What happens to traffic: of a class, or of what is in no class. What deny lists
 * is refused even if allow lists it too. */
struct verdict {
	enum action action;
	struct allow_list allow;
	struct allow_list deny;
};

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

/* Where a class's name queries go. */
struct resolver {
	int family; /* AF_INET or AF_INET6 */
	struct in6_addr address;
	unsigned port;
};

struct resolver_list {
	struct resolver *items;
	size_t count;
};

struct class
{
	const char *name;
	struct place_in_file at;
	uint32_t classid; /* 0 until it is given one */
	struct place_in_file classid_at;
	struct verdict verdict;
	bool no_ipv6;
	bool log;
	uint64_t rate;	   /* bytes a second; 0 is any */
	uint32_t priority; /* a traffic-control class (major << 16 | minor), or 0 */
	uint32_t mark;	   /* of packets and connections, or 0 */
	bool mark_shared;  /* with another class, so that it tells none */
	struct statement_list nft;
	struct resolver_list dns;
	const char *interface; /* all of its packets go out there, or NULL */
	struct place_in_file interface_at;
	struct resolver_list gateways; /* one a family at most; their ports mean nothing */
	uint32_t table;		       /* its routing table */
	bool lock;
	bool on_error_allow;
	struct user_list users;
};

#define CLASS_INDEX_NONE RULES_CLASS_NONE

struct app {
	const char *path;	/* as written, or as a pattern matched */
	const char *class_name; /* as written */
	struct place_in_file at;
	struct place_in_file class_at;
	struct user_list users;
	uint32_t class_index;
	const char *canonical; /* what a program is looked up by; compile.c */
	bool by_others;	       /* its folder is reached by a link that others than root can change */
	bool repeated;	       /* another app says the same */
};

struct problem {
	struct place_in_file at;
	const char *text;
};

struct ruleset {
	const char *path; /* absolute */
	struct class *classes;
	size_t class_count;
	struct app *apps;
	size_t app_count;
	struct verdict unclassified;
	struct user_list except_users;
	struct allow_list tunnels;	      /* the other ends of the kernel's own tunnels; networks only */
	struct place_in_file unclassified_at; /* file is NULL where there is none */
	struct problem *problems;
	size_t problem_count;
};

/* Notes a mistake. Text says what is wrong and what would be right. */
__attribute__((format(printf, 3, 4))) void ruleset_problem(struct ruleset *set, struct place_in_file at,
							   const char *format, ...);

/* Reads a configuration file and what it includes (grammar.c), and checks the
 * whole (ruleset.c). Mistakes are in set->problems afterwards; with any, the rest
 * of set is of no use but to report. */
void ruleset_read(struct ruleset *set, const char *path);
void ruleset_check(struct ruleset *set);

/* Both, and ends the command after printing every mistake, if there is any. */
void ruleset_load(struct ruleset *set, const char *path);

/* Prints the mistakes to stderr, one a line, in the order of files and lines.
 * Returns how many. */
size_t ruleset_report(struct ruleset *set);

/* value.c: each reads one value; returns NULL, or what is wrong and would be
 * right (allocated). */
const char *value_classid(const char *text, uint32_t *classid);
const char *value_action(const char *text, enum action *action);
const char *value_bool(const char *text, bool *value);
const char *value_on_error(const char *text, bool *allow);
const char *value_user(const char *text, struct user_list *users);
const char *value_allowance(const char *text, struct allow_list *allow);
const char *value_tunnel(const char *text, struct allow_list *tunnels);
const char *value_not(const char *text, bool *value); /* value_bool, and its opposite */
const char *value_rate(const char *text, uint64_t *rate);
const char *value_priority(const char *text, uint32_t *priority);
const char *value_mark(const char *text, uint32_t *mark);
const char *value_interface(const char *text, const char **interface);
/* Tells whether nftables can be given an interface's name as text. */
bool interface_name_valid(const char *name);
const char *value_gateway(const char *text, struct resolver_list *gateways);
const char *value_resolver(const char *text, struct resolver_list *list);
const char *value_statement(const char *text, struct statement_list *list);

/* compile.c: finds what each app is looked up by, notes conflicts; then the
 * compiled file. */
void compile_names(struct ruleset *set);

/* Writes a new rules file (hierarchy is where net_cls is mounted); puts it in the
 * place of the old one; or just takes the old one away. All return false with a
 * message on stderr. Then either back to the old one, or done: no copy is left. */
bool compile_write(const struct ruleset *set, const char *hierarchy);
bool compile_commit(void);
bool compile_withdraw(void);
void compile_undo(void);
void compile_done(void);

/* The path of the configuration that is in force (allocated), or NULL. */
char *compile_config(void);

/* As rules_open, and reads all of the file to know that it is intact. false with
 * errno: where that is ENOENT, netshim is not up; else there is a message on
 * stderr. */
bool compile_open(struct rules *rules, bool trusted);

/* policy.c: the ruleset as nft would be given it, in one transaction that
 * replaces the table. Allocated. counters, where not NULL, has what the counters
 * go on from; live, where not NULL, the classids that the classes have until they
 * are given their own (0: none other), which lead to the same rules; gone, where not
 * NULL, more classids up to a 0, whose packets are dropped; networks, the
 * machine's own, which a class with an interface still reaches. */
struct network_list;
struct counter {
	char name[CLASS_NAME_MAX + 8];
	uint64_t packets;
	uint64_t bytes;
};
struct counters {
	struct counter *items;
	size_t count;
};
char *policy_text(const struct ruleset *set, const struct counters *counters, const uint32_t *live,
		  const uint32_t *gone, const struct network_list *networks);

/* Makes the kernel settings (sysctl.h) that the policy needs; tells of one whether
 * the policy (with: a ruleset) needs it, for sysctl_restore. */
bool policy_make_settings(const struct ruleset *set);
bool policy_needs_setting(const char *interface, const char *name, const void *with);

/* Asks nftables about every nft statement, by itself, and notes what it says with
 * the statement's own place. Takes root: nftables answers to nobody else. */
void policy_check_statements(struct ruleset *set);

/* Loads a policy (only tries it where dry is set), or deletes the table. Returns
 * false with a message on stderr. */
bool policy_load(const char *text, bool dry);
bool policy_unload(void);

/* The loaded table as text that policy_load takes, to go back to; where none is
 * loaded, text that removes it. Allocated. */
char *policy_save(void);

/* Reads the counters of the loaded table. Returns false where none is loaded. */
bool policy_counters(struct counters *counters);

#endif
