/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim blocked: what was refused, by whom, where to; or is, while one looks. */

#include "conf/command/columns.h"
#include "conf/command/culprit.h"
#include "conf/command/json.h"
#include "conf/command/state.h"
#include "conf/command/verbs.h"
#include "conf/kernel/inside.h"
#include "conf/kernel/nft.h"
#include "conf/kernel/queries.h"
#include "conf/kernel/refusals.h"
#include "conf/kernel/table.h"
#include "conf/language/alloc.h"
#include "conf/language/compile.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OTHERS "unclassified"

/* One destination that was refused to one class and user. */
struct entry {
	struct refusal refusal;
	char class[CLASS_NAME_MAX + 1]; /* of which it is told; in a namespace, whosoever sends */
	struct culprit culprit;
	uint64_t told; /* how many packets of it have been told */
};

/* Somebody may look at a port scan for days. */
#define BLOCKED_MOST 4096

struct blocked {
	bool follow;
	bool json;
	const char *only;	     /* a class's name, or NULL */
	const struct inside *inside; /* the namespace that is looked at, or NULL: this one */
	struct asked *classes;
	size_t class_count;
	int class_width;
	struct entry *entries;
	size_t entry_count;
	bool any_kept; /* there is something that keeps them */
};

/* --- the classes */

static bool blocked_is_wanted(const struct blocked *b, const char *class)
{
	return !b->only || !strcmp(class, b->only);
}

static void add_class(struct blocked *b, const char *name, uint32_t classid)
{
	struct asked *class;
	int width = (int)strlen(name);

	if (blocked_is_wanted(b, name) && width > b->class_width)
		b->class_width = width;
	b->classes = grown(b->classes, b->class_count, sizeof(*b->classes));
	class = &b->classes[b->class_count++];
	*class = (struct asked){ .classid = classid, .wanted = b->inside || blocked_is_wanted(b, name) };
	snprintf(class->name, sizeof(class->name), "%s", name);
}

/* Those in force now. */
static void blocked_read_classes(struct blocked *b)
{
	struct rules rules;
	struct rules_class class;
	char name[CLASS_NAME_MAX + 1];

	if (!compile_open(&rules, true))
		errx(EXIT_FAILURE, "netshim is not up; run 'netshim up'");
	b->class_count = 0;
	free(b->classes);
	b->classes = NULL;
	add_class(b, OTHERS, 0);
	for (uint32_t i = 0; rules_class(&rules, i, &class, name); i++)
		add_class(b, name, class.classid);
	rules_close(&rules);
}

static void blocked_check_class(const struct blocked *b)
{
	for (size_t i = 0; i < b->class_count; i++)
		if (b->classes[i].wanted)
			return;
	errx(EXIT_FAILURE, "there is no class '%s'; 'netshim status' lists them, and '" OTHERS "' is no class",
	     b->only);
}

static const struct asked *find_class(const struct blocked *b, uint32_t classid)
{
	for (size_t i = 0; i < b->class_count; i++)
		if (b->classes[i].classid == classid)
			return &b->classes[i];
	return NULL;
}

/* All that is in a namespace is its class's. NULL where it is of none that is asked about. */
static const char *blocked_class(const struct blocked *b, uint32_t classid)
{
	const struct asked *class = b->inside ? NULL : find_class(b, classid);
	const char *name = b->inside ? b->inside->class : class ? class->name : NULL;

	return name && blocked_is_wanted(b, name) ? name : NULL;
}

/* --- what is told of one */

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

static void make_line(const struct entry *e, struct line *l)
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
	printf("%-8s  %-*s  %-10s %7s  %-24s  %s\n", cells[0], b->class_width, cells[1], cells[2], cells[3], cells[4],
	       cells[5]);
}

static void blocked_print_heading(const struct blocked *b)
{
	const char *cells[TITLES];

	for (size_t i = 0; i < TITLES; i++)
		cells[i] = titles[i].title;
	print_cells(b, cells);
}

static void print_entry(const struct blocked *b, const struct entry *e)
{
	struct line line;

	make_line(e, &line);
	print_cells(b, line.cells);
	free(line.program);
}

static json_t *json_entry(const struct entry *e)
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
			  strcmp(e->class, OTHERS) ? json_string(e->class) : json_null(), "uid",
			  json_number(r->user != (uid_t)-1, r->user), "user", json_text(user_name(r->user, user)),
			  "protocol", protocol_name(r->protocol, protocol), "address", address, "port",
			  json_number(r->remote_port, r->remote_port), "packets", json_number(true, r->packets), "last",
			  when);
	json_object_set_new(entry, "name", name_of(r) ? json_string(name_of(r)) : json_null());
	json_object_set_new(entry, "pid", json_number(c->pid, (uint64_t)c->pid));
	json_object_set_new(entry, "program", c->pid ? json_text(c->program) : json_null());
	json_object_set_new(entry, "sure", json_boolean(c->sure));
	json_object_set_new(entry, "candidates", json_integer((json_int_t)c->others.count));
	return entry;
}

static void blocked_print(const struct blocked *b, const struct entry *e)
{
	if (b->json)
		json_print(json_entry(e));
	else
		print_entry(b, e);
	fflush(stdout);
}

static void add_entry(struct columns *to, const struct entry *e)
{
	struct line line;

	make_line(e, &line);
	for (size_t i = 0; i < TITLES; i++)
		columns_add(to, line.cells[i], COLOUR_OFF);
	free(line.program);
}

/* --- keeping them */

static bool is_same(const struct refusal *one, const struct refusal *other)
{
	return one->classid == other->classid && one->user == other->user && one->family == other->family &&
	       one->protocol == other->protocol && one->remote_port == other->remote_port &&
	       !memcmp(&one->remote, &other->remote, sizeof(one->remote));
}

static struct entry *blocked_entry(struct blocked *b, const char *class, const struct refusal *refusal)
{
	struct entry *new;

	for (size_t i = b->entry_count; i-- > 0;)
		if (!strcmp(b->entries[i].class, class) && is_same(&b->entries[i].refusal, refusal))
			return &b->entries[i];
	if (b->entry_count == BLOCKED_MOST)
		b->entry_count = 0;
	b->entries = grown(b->entries, b->entry_count, sizeof(*b->entries));
	new = &b->entries[b->entry_count++];
	*new = (struct entry){ .refusal = *refusal };
	new->refusal.packets = 0;
	snprintf(new->class, sizeof(new->class), "%s", class);
	return new;
}

static void blocked_find_culprit(const struct blocked *b, struct entry *e)
{
	const struct asked *sender = e->refusal.classid ? find_class(b, e->refusal.classid) : NULL;

	culprit_find(&e->refusal, sender ? sender->name : "", &e->culprit);
}

/* --- what is kept */

static void take_kept(const struct refusal *refusal, void *with)
{
	struct blocked *b = with;
	const char *class = blocked_class(b, refusal->classid);

	if (class)
		blocked_entry(b, class, refusal)->refusal.packets += refusal->packets;
}

/* Whose they are is looked for where they were sent. */
static void look_here(struct blocked *b)
{
	size_t first = b->entry_count;

	b->any_kept = refusals_kept(take_kept, b) || b->any_kept;
	for (size_t i = first; i < b->entry_count; i++)
		blocked_find_culprit(b, &b->entries[i]);
}

static void look_inside(const struct inside *inside, void *with)
{
	struct blocked *b = with;

	b->inside = inside;
	look_here(b);
	b->inside = NULL;
}

static int by_time(const void *x, const void *y)
{
	const struct entry *one = x;
	const struct entry *other = y;

	return (one->refusal.last > other->refusal.last) - (one->refusal.last < other->refusal.last);
}

static void print_table(const struct blocked *b)
{
	struct columns table = { .titles = titles, .count = TITLES };

	for (size_t i = 0; i < b->entry_count; i++)
		add_entry(&table, &b->entries[i]);
	if (b->entry_count)
		columns_print(&table);
}

static void print_json(const struct blocked *b)
{
	json_t *array = json_array();

	for (size_t i = 0; i < b->entry_count; i++)
		json_array_append_new(array, json_entry(&b->entries[i]));
	json_print(json_pack("{s:o}", "blocked", array));
}

static void blocked_print_all(const struct blocked *b)
{
	if (b->json)
		print_json(b);
	else
		print_table(b);
}

static void tell_nothing_is_kept(const struct blocked *b)
{
	if (!b->any_kept)
		warnx("nothing is kept of what is refused: no class has log = true; 'netshim blocked -f' shows it "
		      "while it happens");
	else if (!b->entry_count)
		warnx("nothing that %s%s was refused is kept: nothing was in the last day, or %s log = true",
		      b->only ? "class " : "a class", b->only ? b->only : "", b->only ? "it has no" : "those have no");
}

static int show_kept(struct blocked *b)
{
	look_here(b);
	insides_each(look_inside, b);
	tell_nothing_is_kept(b);
	if (b->entry_count)
		qsort(b->entries, b->entry_count, sizeof(*b->entries), by_time);
	blocked_print_all(b);
	return b->any_kept ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* --- what happens */

#define AGAIN 10 /* seconds, until one that goes on is told once more */

static void tell(const struct blocked *b, struct entry *e)
{
	e->told = e->refusal.packets;
	blocked_print(b, e);
}

/* The first packet is told at once; the socket is looked for as long as it is there. */
static void take_new(const struct refusal *refusal, void *with)
{
	struct blocked *b = with;
	const char *class = blocked_class(b, refusal->classid);
	struct entry *e;

	if (!class)
		return;
	e = blocked_entry(b, class, refusal);
	e->refusal.packets++;
	e->refusal.last = refusal->last;
	e->refusal.local = refusal->local;
	e->refusal.local_port = refusal->local_port;
	if (e->told)
		return;
	blocked_find_culprit(b, e);
	tell(b, e);
}

static void tell_again(struct blocked *b)
{
	for (size_t i = 0; i < b->entry_count; i++)
		if (b->entries[i].refusal.packets > b->entries[i].told)
			tell(b, &b->entries[i]);
}

static ino_t network(void)
{
	struct stat st = { .st_ino = 0 };

	stat("/proc/self/ns/net", &st);
	return st.st_ino;
}

static bool is_still_there(const struct inside *inside)
{
	int fd = netns_open(inside->name);
	bool is = fd >= 0 && netns_inode(fd) == network();

	if (fd >= 0)
		close(fd);
	return is;
}

static void warn_of(const char *what, char *words)
{
	if (words)
		warnx("%s now: nftables says: %.*s", what, (int)strcspn(words, "\n"), words);
	free(words);
}

static void ask(struct blocked *b)
{
	if (b->inside && !is_still_there(b->inside))
		exit(EXIT_SUCCESS);
	blocked_read_classes(b);
	warn_of("what is refused cannot be heard", refusals_ask(b->classes, b->class_count));
	warn_of("names of addresses cannot be told", queries_ask(b->classes, b->class_count));
}

/* A reload has replaced the table, and with it what was asked. */
static void hear_table(struct blocked *b, int events)
{
	struct table_news news = { .heard = false };

	table_hear(events, &news);
	if (news.heard)
		ask(b);
}

_Noreturn static void follow_here(struct blocked *b)
{
	struct pollfd fds[] = { { refusals_listen(queries_hear), POLLIN, 0 }, { table_events(), POLLIN, 0 } };
	time_t asked = time(NULL);
	time_t told = asked;

	ask(b);
	if (!b->inside && !b->json)
		blocked_print_heading(b);
	fflush(stdout);
	for (;;) {
		if (poll(fds, 2, 1000) < 0 && errno != EINTR)
			err(EXIT_FAILURE, "cannot wait");
		hear_table(b, fds[1].fd);
		refusals_hear(take_new, b);
		if (time(NULL) - asked >= REFUSALS_ASKED / 3) {
			asked = time(NULL);
			ask(b);
		}
		if (time(NULL) - told >= AGAIN) {
			told = time(NULL);
			tell_again(b);
		}
	}
}

struct listener {
	ino_t network;
	pid_t pid;
};

struct listeners {
	struct blocked *blocked;
	struct listener *items;
	size_t count;
};

_Noreturn static void become_listener(struct blocked *b, const struct inside *inside, pid_t parent)
{
	struct inside own;

	if (inside)
		own = *inside;
	b->inside = inside ? &own : NULL;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
	follow_here(b);
}

/* A process for each network namespace, as each has a log of its own. */
static void start_listener(const struct inside *inside, void *with)
{
	struct listeners *list = with;
	struct listener new = { .network = network() };
	pid_t parent = getpid();

	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].network == new.network)
			return;
	if (inside && !blocked_is_wanted(list->blocked, inside->class))
		return;
	new.pid = fork();
	if (!new.pid)
		become_listener(list->blocked, inside, parent);
	if (new.pid < 0)
		err(EXIT_FAILURE, "cannot start a process");
	list->items = grown(list->items, list->count, sizeof(new));
	list->items[list->count++] = new;
}

/* The one of a namespace that has gone ends by itself. */
static void end_listener(struct listeners *list, pid_t pid, int status)
{
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		exit(EXIT_FAILURE);
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].pid == pid)
			list->items[i] = list->items[--list->count];
}

_Noreturn static void blocked_follow(struct blocked *b)
{
	struct listeners list = { .blocked = b };
	const struct timespec pause = { .tv_sec = 1 };
	sigset_t ended;
	int status;
	pid_t pid;

	sigemptyset(&ended);
	sigaddset(&ended, SIGCHLD);
	sigprocmask(SIG_BLOCK, &ended, NULL);
	for (;;) {
		start_listener(NULL, &list);
		insides_each(start_listener, &list);
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			end_listener(&list, pid, status);
		sigtimedwait(&ended, NULL, &pause);
	}
}

static void read_options(const struct command *command, struct blocked *b)
{
	static const struct option names[] = { { "follow", no_argument, NULL, 'f' },
					       { "json", no_argument, NULL, 'j' },
					       { NULL, 0, NULL, 0 } };
	char **argv = command->argv - 1; /* with the verb */
	int option;

	optind = 0; /* begins anew */
	opterr = 0;
	while ((option = getopt_long(command->argc + 1, argv, "f", names, NULL)) > 0 && option != '?') {
		b->follow = b->follow || option == 'f';
		b->json = b->json || option == 'j';
	}
	b->only = argv[optind];
	if (option == -1 && (!b->only || !argv[optind + 1]))
		return;
	warnx("blocked: what is '%s'? 'netshim blocked --help' tells what it takes",
	      option == -1 ? argv[optind + 1] : argv[optind - 1]);
	exit(EXIT_USAGE);
}

int cmd_blocked(const struct command *command)
{
	struct blocked b = { .only = NULL };

	read_options(command, &b);
	if (!state_is_up())
		errx(EXIT_FAILURE, "netshim is not up; run 'netshim up'");
	state_refuse_elsewhere("blocked");
	blocked_read_classes(&b);
	blocked_check_class(&b);
	if (b.follow)
		blocked_follow(&b);
	return show_kept(&b);
}
