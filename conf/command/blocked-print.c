/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* blocked: one refusal as a line of a table, and for scripts. */

#include "conf/command/blocked.h"
#include "conf/command/columns.h"
#include "conf/command/json.h"
#include "conf/command/terminal.h"
#include "conf/kernel/queries.h"
#include "conf/language/alloc.h"
#include "conf/language/say.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <pwd.h>
#include <time.h>

static const char *protocol_name(int protocol, char text[8])
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_ICMPV6:
		return "icmpv6";
	default:
		snprintf(text, 8, "%d", protocol);
		return text;
	}
}

/* NULL where it is not known. */
static const char *name_of(const struct refusal *r)
{
	return queries_name(r->classid, r->family, &r->remote);
}

#define DESTINATION_SIZE (INET6_ADDRSTRLEN + QUERIES_NAME_SIZE + 24)

/* "tcp 192.0.2.1:443", or "tcp example.org (192.0.2.1:443)" */
static const char *destination(const struct refusal *r, char text[DESTINATION_SIZE])
{
	char address[INET6_ADDRSTRLEN];
	char protocol[8];
	char port[16] = "";
	const char *name = name_of(r);
	bool brackets = r->family == AF_INET6 && r->remote_port;

	inet_ntop(r->family, &r->remote, address, sizeof(address));
	if (r->remote_port)
		snprintf(port, sizeof(port), ":%u", r->remote_port);
	snprintf(text, DESTINATION_SIZE, "%s %s%s%s%s%s%s%s", protocol_name(r->protocol, protocol), name ? name : "",
		 name ? " (" : "", brackets ? "[" : "", address, brackets ? "]" : "", port, name ? ")" : "");
	return text;
}

static const char *user_name(uid_t user, char text[16])
{
	const struct passwd *known = user == (uid_t)-1 ? NULL : getpwuid(user);

	snprintf(text, 16, user == (uid_t)-1 ? "?" : "%" PRIu32, user);
	return known ? known->pw_name : text;
}

static char *program_text(const struct culprit *c)
{
	if (c->pid)
		return printed("%s%s %d", c->sure ? "" : "perhaps ", c->program, c->pid);
	if (c->others.count)
		return printed("perhaps one of %zu: %s", c->others.count, c->others.text);
	return copied("(not there any more)");
}

static const struct column titles[] = {
	{ "LAST", COLUMN_TEXT },      { "CLASS", COLUMN_TEXT }, { "USER", COLUMN_TEXT },
	{ "PACKETS", COLUMN_NUMBER }, { "TO", COLUMN_TEXT },	{ "PROGRAM", COLUMN_TEXT },
};
#define TITLES (sizeof(titles) / sizeof(*titles))

/* What is told of one, in the order of the titles. */
struct line {
	char when[16];
	char user[16];
	char packets[24];
	char to[DESTINATION_SIZE];
	char *program;
	const char *cells[TITLES];
};

static void make_line(const struct blocked_entry *e, struct line *l)
{
	strftime(l->when, sizeof(l->when), "%T", localtime(&(time_t){ e->refusal.last / 1000 }));
	snprintf(l->packets, sizeof(l->packets), "%" PRIu64, e->refusal.packets);
	l->program = program_text(&e->culprit);
	l->cells[0] = l->when;
	l->cells[1] = e->class;
	l->cells[2] = user_name(e->refusal.user, l->user);
	l->cells[3] = l->packets;
	l->cells[4] = destination(&e->refusal, l->to);
	l->cells[5] = l->program;
}

/* Of what comes while one looks, nobody knows how wide the next is; but the names of classes are
 * known. */
static void print_cells(const struct blocked *b, const char *const cells[TITLES])
{
	say(stdout, "%-8s  %-*s  %-10s %7s  %-24s  %s", cells[0], b->class_width, cells[1], cells[2], cells[3],
	    cells[4], cells[5]);
}

void blocked_print_heading(const struct blocked *b)
{
	const char *cells[TITLES];

	for (size_t i = 0; i < TITLES; i++)
		cells[i] = titles[i].title;
	print_cells(b, cells);
}

static void print_entry(const struct blocked *b, const struct blocked_entry *e)
{
	struct line line;

	make_line(e, &line);
	print_cells(b, line.cells);
	free(line.program);
}

static json_t *json_entry(const struct blocked_entry *e)
{
	const struct refusal *r = &e->refusal;
	const struct culprit *c = &e->culprit;
	char address[INET6_ADDRSTRLEN];
	char protocol[8];
	char user[16];
	char when[32];
	json_t *entry;

	inet_ntop(r->family, &r->remote, address, sizeof(address));
	strftime(when, sizeof(when), "%FT%TZ", gmtime(&(time_t){ r->last / 1000 }));
	entry = json_pack("{s:o, s:o, s:o, s:s, s:s, s:o, s:o, s:s}", "class",
			  strcmp(e->class, UNCLASSIFIED) ? json_string(e->class) : json_null(), "uid",
			  json_number(r->user != (uid_t)-1, r->user), "user", json_text(user_name(r->user, user)),
			  "protocol", protocol_name(r->protocol, protocol), "address", address, "port",
			  json_number(r->remote_port, r->remote_port), "packets", json_number(true, r->packets), "last",
			  when);
	json_put(entry, "name", name_of(r) ? json_string(name_of(r)) : json_null());
	json_put(entry, "pid", json_number(c->pid, (uint64_t)c->pid));
	json_put(entry, "program", c->pid ? json_text(c->program) : json_null());
	json_put(entry, "sure", json_boolean(c->sure));
	json_put(entry, "candidates", json_integer((json_int_t)c->others.count));
	return entry;
}

void blocked_print(const struct blocked *b, const struct blocked_entry *e)
{
	if (b->json)
		json_print(json_entry(e));
	else
		print_entry(b, e);
	if (!terminal_flush())
		exit(EXIT_FAILURE);
}

static void add_entry(struct columns *to, const struct blocked_entry *e)
{
	struct line line;

	make_line(e, &line);
	for (size_t i = 0; i < TITLES; i++)
		columns_add(to, line.cells[i], COLOUR_OFF);
	free(line.program);
}

static void print_table(const struct blocked *b)
{
	struct columns table = { .titles = titles, .count = TITLES };

	for (size_t i = 0; i < b->entry_count; i++)
		add_entry(&table, b->entries[i]);
	if (b->entry_count)
		columns_print(&table);
}

static void print_json(const struct blocked *b)
{
	json_t *array = json_array();

	for (size_t i = 0; i < b->entry_count; i++)
		json_add(array, json_entry(b->entries[i]));
	json_print(json_pack("{s:o}", "blocked", array));
}

void blocked_print_all(const struct blocked *b)
{
	if (b->json)
		print_json(b);
	else
		print_table(b);
}
