/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim blocked: what was refused, by whom, where to; or is, while one looks. */

#include "conf/command/blocked.h"
#include "conf/command/options.h"
#include "conf/command/state.h"
#include "conf/command/verbs.h"
#include "conf/language/alloc.h"

static void take_kept(const struct refusal *refusal, void *with)
{
	struct blocked *b = with;
	const char *class = blocked_class(b, refusal->classid);

	if (class)
		blocked_entry(b, class, refusal)->refusal.packets += refusal->packets;
}

/* Of what is kept, the local port is not known. */
static void note_socket(const struct inet_socket *socket, void *with)
{
	struct blocked *b = with;
	const char *class = socket->inode ? blocked_class(b, socket->classid) : NULL;
	const struct refusal refusal = { .classid = socket->classid,
					 .user = socket->user,
					 .family = socket->family,
					 .protocol = socket->protocol,
					 .remote = socket->remote,
					 .remote_port = socket->remote_port };
	struct blocked_entry *e = class ? blocked_known(b, class, &refusal) : NULL;

	if (e)
		e->inode = socket->inode;
}

/* What has sent them is where they were sent. */
static void look_here(struct blocked *b)
{
	size_t before = b->entry_count;

	b->any_kept = refusals_kept(take_kept, b) || b->any_kept;
	if (b->entry_count == before)
		return;
	sockets_each(IPPROTO_TCP, SOCKETS_ALL, note_socket, b);
	sockets_each(IPPROTO_UDP, SOCKETS_ALL, note_socket, b);
}

static void look_inside(const struct inside *inside, void *with)
{
	struct blocked *b = with;

	b->inside = inside;
	look_here(b);
	b->inside = NULL;
}

static void find_culprits(struct blocked *b)
{
	if (b->entry_count)
		suspects_read(&b->suspects);
	for (size_t i = 0; i < b->entry_count; i++)
		blocked_find_culprit(b, b->entries[i]);
}

static int by_time(const void *x, const void *y)
{
	const struct blocked_entry *one = *(struct blocked_entry *const *)x;
	const struct blocked_entry *other = *(struct blocked_entry *const *)y;

	return (one->refusal.last > other->refusal.last) - (one->refusal.last < other->refusal.last);
}

static char *who_was_refused(const char *only)
{
	if (!only)
		return copied("a class was");
	return strcmp(only, UNCLASSIFIED) ? printed("class %s was", only) : copied("unclassified programs were");
}

static void tell_nothing_is_kept(const struct blocked *b)
{
	if (!b->any_kept)
		warnx("nothing is kept of what is refused: no class has log = true; 'netshim blocked -f' shows it "
		      "while it happens");
	else if (!b->entry_count)
		warnx("nothing that %s refused is kept: nothing was in the last day, or %s log = true",
		      who_was_refused(b->only), b->only ? "it has no" : "those have no");
}

static int show_kept(struct blocked *b)
{
	look_here(b);
	insides_each(look_inside, b);
	find_culprits(b);
	tell_nothing_is_kept(b);
	if (b->entry_count)
		qsort(b->entries, b->entry_count, sizeof(struct blocked_entry *), by_time);
	blocked_print_all(b);
	return b->any_kept ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void read_options(const struct command *command, struct blocked *b)
{
	static const struct option names[] = { { "follow", no_argument, NULL, 'f' },
					       { "json", no_argument, NULL, 'j' },
					       { NULL, 0, NULL, 0 } };
	char **argv = command->argv - 1; /* with the verb */
	int option;

	optind = 0; /* begins anew */
	while ((option = options_next(command, "f", names)) > 0 && option != '?') {
		b->follow = b->follow || option == 'f';
		b->json = b->json || option == 'j';
	}
	b->only = argv[optind];
	if (option == -1 && (!b->only || !argv[optind + 1]))
		return;
	if (option == -1)
		options_tell_unknown("blocked", argv[optind + 1]);
	exit(EXIT_USAGE);
}

int cmd_blocked(const struct command *command)
{
	struct blocked b = { .only = NULL };

	read_options(command, &b);
	if (!state_is_up())
		errx(EXIT_FAILURE, "netshim is not up; run 'netshim up'");
	state_refuse_elsewhere(command);
	blocked_read_classes(&b);
	blocked_check_class(&b);
	if (b.follow)
		blocked_follow(&b);
	return show_kept(&b);
}
