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
#include <netdb.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OTHERS "unclassified"

static struct blocked {
	bool follow;
	bool json;
	const char *only;	     /* a class's name, or NULL */
	const struct inside *inside; /* the namespace that is looked at, or NULL: this one */
	struct asked *classes;
	size_t class_count;
	int class_width;
} b;

/* One destination that was refused to one class and user. */
struct entry {
	struct refusal refusal;
	char class[CLASS_NAME_MAX + 1]; /* of which it is told; in a namespace, whosoever sends */
	struct culprit culprit;
	uint64_t told; /* how many packets of it have been told */
};

struct entries {
	struct entry *items;
	size_t count;
};

/* --- the classes */

static bool is_wanted(const char *class)
{
	return !b.only || !strcmp(class, b.only);
}

static void add_class(const char *name, uint32_t classid)
{
	struct asked *class;
	int width = (int)strlen(name);

	if (is_wanted(name) && width > b.class_width)
		b.class_width = width;
	b.classes = grown(b.classes, b.class_count, sizeof(*b.classes));
	class = &b.classes[b.class_count++];
	*class = (struct asked){ .classid = classid, .wanted = b.inside || is_wanted(name) };
	snprintf(class->name, sizeof(class->name), "%s", name);
}

/* Those in force now. */
static void read_classes(void)
{
	struct rules rules;
	struct rules_class class;
	char name[CLASS_NAME_MAX + 1];

	if (!compile_open(&rules, true))
		errx(EXIT_FAILURE, "netshim is not up; run 'netshim up'");
	b.class_count = 0;
	free(b.classes);
	b.classes = NULL;
	add_class(OTHERS, 0);
	for (uint32_t i = 0; rules_class(&rules, i, &class, name); i++)
		add_class(name, class.classid);
	rules_close(&rules);
}

static void check_class(void)
{
	for (size_t i = 0; i < b.class_count; i++)
		if (b.classes[i].wanted)
			return;
	errx(EXIT_FAILURE, "there is no class '%s'; 'netshim status' lists them, and '" OTHERS "' is no class", b.only);
}

static const struct asked *find_class(uint32_t classid)
{
	for (size_t i = 0; i < b.class_count; i++)
		if (b.classes[i].classid == classid)
			return &b.classes[i];
	return NULL;
}

/* All that is in a namespace is its class's. NULL where it is of none that is asked about. */
static const char *class_told(uint32_t classid)
{
	const struct asked *class = b.inside ? NULL : find_class(classid);
	const char *name = b.inside ? b.inside->class : class ? class->name : NULL;

	return name && is_wanted(name) ? name : NULL;
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
static void print_cells(const char *const cells[TITLES])
{
	printf("%-8s  %-*s  %-10s %7s  %-24s  %s\n", cells[0], b.class_width, cells[1], cells[2], cells[3], cells[4],
	       cells[5]);
}

static void print_heading(void)
{
	const char *cells[TITLES];

	for (size_t i = 0; i < TITLES; i++)
		cells[i] = titles[i].title;
	print_cells(cells);
}

static void print_entry(const struct entry *e)
{
	struct line line;

	make_line(e, &line);
	print_cells(line.cells);
	free(line.program);
}

static void add_entry(struct columns *to, const struct entry *e)
{
	struct line line;

	make_line(e, &line);
	for (size_t i = 0; i < TITLES; i++)
		columns_add(to, line.cells[i], COLOUR_OFF);
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

/* --- keeping them */

static bool is_same(const struct refusal *one, const struct refusal *other)
{
	return one->classid == other->classid && one->user == other->user && one->family == other->family &&
	       one->protocol == other->protocol && one->remote_port == other->remote_port &&
	       !memcmp(&one->remote, &other->remote, sizeof(one->remote));
}

/* Somebody may look at a port scan for days. */
#define MOST 4096

static struct entry *find_entry(struct entries *list, const char *class, const struct refusal *refusal)
{
	for (size_t i = list->count; i-- > 0;)
		if (!strcmp(list->items[i].class, class) && is_same(&list->items[i].refusal, refusal))
			return &list->items[i];
	if (list->count == MOST)
		list->count = 0;
	list->items = grown(list->items, list->count, sizeof(*list->items));
	list->items[list->count] = (struct entry){ .refusal = *refusal };
	list->items[list->count].refusal.packets = 0;
	snprintf(list->items[list->count].class, sizeof(list->items->class), "%s", class);
	return &list->items[list->count++];
}

static void find_culprit(struct entry *e)
{
	const struct asked *sender = e->refusal.classid ? find_class(e->refusal.classid) : NULL;

	culprit_find(&e->refusal, sender ? sender->name : "", &e->culprit);
}

/* --- what is kept */

static void take_kept(const struct refusal *refusal, void *with)
{
	const char *class = class_told(refusal->classid);

	if (class)
		find_entry(with, class, refusal)->refusal.packets += refusal->packets;
}

struct kept {
	struct entries list;
	bool any; /* there is something that keeps them */
};

/* Whose they are is looked for where they were sent. */
static void look_here(struct kept *kept)
{
	size_t first = kept->list.count;

	kept->any = refusals_kept(take_kept, &kept->list) || kept->any;
	for (size_t i = first; i < kept->list.count; i++)
		find_culprit(&kept->list.items[i]);
}

static void look_inside(const struct inside *inside, void *with)
{
	b.inside = inside;
	look_here(with);
	b.inside = NULL;
}

static int by_time(const void *a, const void *b_)
{
	const struct entry *one = a;
	const struct entry *other = b_;

	return (one->refusal.last > other->refusal.last) - (one->refusal.last < other->refusal.last);
}

static void print_kept(const struct entries *list)
{
	struct columns table = { .titles = titles, .count = TITLES };

	for (size_t i = 0; i < list->count; i++)
		add_entry(&table, &list->items[i]);
	if (list->count)
		columns_print(&table);
}

static void print_kept_json(const struct entries *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++)
		json_array_append_new(array, json_entry(&list->items[i]));
	json_print(json_pack("{s:o}", "blocked", array));
}

static int show_kept(void)
{
	struct kept kept = { .any = false };

	look_here(&kept);
	insides_each(look_inside, &kept);
	if (!kept.any)
		warnx("nothing is kept of what is refused: no class has log = true; 'netshim blocked -f' shows it "
		      "while it "
		      "happens");
	else if (!kept.list.count)
		warnx("nothing that %s%s was refused is kept: nothing was in the last day, or %s log = true",
		      b.only ? "class " : "a class", b.only ? b.only : "", b.only ? "it has no" : "those have no");
	if (kept.list.count)
		qsort(kept.list.items, kept.list.count, sizeof(*kept.list.items), by_time);
	if (b.json)
		print_kept_json(&kept.list);
	else
		print_kept(&kept.list);
	free(kept.list.items);
	return kept.any ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* --- what happens */

#define AGAIN 10 /* seconds, until one that goes on is told once more */

static void tell(struct entry *e)
{
	e->told = e->refusal.packets;
	if (b.json)
		json_print(json_entry(e));
	else
		print_entry(e);
	fflush(stdout);
}

/* The first packet is told at once; the socket is looked for as long as it is there. */
static void take_new(const struct refusal *refusal, void *with)
{
	const char *class = class_told(refusal->classid);
	struct entry *e;

	if (!class)
		return;
	e = find_entry(with, class, refusal);
	e->refusal.packets++;
	e->refusal.last = refusal->last;
	e->refusal.local = refusal->local;
	e->refusal.local_port = refusal->local_port;
	if (e->told)
		return;
	find_culprit(e);
	tell(e);
}

static void tell_again(struct entries *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].refusal.packets > list->items[i].told)
			tell(&list->items[i]);
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

static void ask(void)
{
	if (b.inside && !is_still_there(b.inside))
		exit(EXIT_SUCCESS);
	read_classes();
	warn_of("what is refused cannot be heard", refusals_ask(b.classes, b.class_count));
	warn_of("names of addresses cannot be told", queries_ask(b.classes, b.class_count));
}

/* A reload has replaced the table, and with it what was asked. */
static void hear_table(int events)
{
	struct table_news news = { .heard = false };

	table_hear(events, &news);
	if (news.heard)
		ask();
}

_Noreturn static void follow_here(void)
{
	struct entries list = { .items = NULL };
	struct pollfd fds[] = { { refusals_listen(queries_hear), POLLIN, 0 }, { table_events(), POLLIN, 0 } };
	time_t asked = time(NULL);
	time_t told = asked;

	ask();
	if (!b.inside && !b.json)
		print_heading();
	fflush(stdout);
	for (;;) {
		if (poll(fds, 2, 1000) < 0 && errno != EINTR)
			err(EXIT_FAILURE, "cannot wait");
		hear_table(fds[1].fd);
		refusals_hear(take_new, &list);
		if (time(NULL) - asked >= REFUSALS_ASKED / 3) {
			asked = time(NULL);
			ask();
		}
		if (time(NULL) - told >= AGAIN) {
			told = time(NULL);
			tell_again(&list);
		}
	}
}

struct listener {
	ino_t network;
	pid_t pid;
};

struct listeners {
	struct listener *items;
	size_t count;
};

_Noreturn static void become_listener(const struct inside *inside, pid_t parent)
{
	struct inside own;

	if (inside)
		own = *inside;
	b.inside = inside ? &own : NULL;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
	follow_here();
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
	if (inside && !is_wanted(inside->class))
		return;
	new.pid = fork();
	if (!new.pid)
		become_listener(inside, parent);
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

_Noreturn static void follow(void)
{
	struct listeners list = { .items = NULL };
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

static void read_options(const struct command *command)
{
	static const struct option names[] = { { "follow", no_argument, NULL, 'f' },
					       { "json", no_argument, NULL, 'j' },
					       { NULL, 0, NULL, 0 } };
	char **argv = command->argv - 1; /* with the verb */
	int option;

	optind = 0; /* begins anew */
	opterr = 0;
	while ((option = getopt_long(command->argc + 1, argv, "f", names, NULL)) > 0 && option != '?') {
		b.follow = b.follow || option == 'f';
		b.json = b.json || option == 'j';
	}
	b.only = argv[optind];
	if (option == -1 && (!b.only || !argv[optind + 1]))
		return;
	warnx("blocked: what is '%s'? 'netshim blocked --help' tells what it takes",
	      option == -1 ? argv[optind + 1] : argv[optind - 1]);
	exit(EXIT_USAGE);
}

int cmd_blocked(const struct command *command)
{
	read_options(command);
	if (!state_is_up())
		errx(EXIT_FAILURE, "netshim is not up; run 'netshim up'");
	state_refuse_elsewhere("blocked");
	read_classes();
	check_class();
	if (b.follow)
		follow();
	return show_kept();
}
