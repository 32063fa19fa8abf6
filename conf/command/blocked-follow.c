/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* blocked: what is refused while one looks, in every network namespace of netshim's. */

#include "conf/command/blocked.h"
#include "conf/command/boottime.h"
#include "conf/command/terminal.h"
#include "conf/kernel/nft.h"
#include "conf/kernel/queries.h"
#include "conf/kernel/table.h"
#include "conf/language/alloc.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AGAIN 10000 /* milliseconds, until one that goes on is told once more */

static void tell(const struct blocked *b, struct blocked_entry *e)
{
	e->told = e->refusal.packets;
	blocked_print(b, e);
}

static void find_culprit(struct blocked *b, struct blocked_entry *e)
{
	e->inode = culprit_socket(&e->refusal);
	blocked_find_culprit(b, e);
	if (!e->culprit.sure && suspects_renew(&b->suspects))
		blocked_find_culprit(b, e);
}

/* The first packet is told at once; the socket is looked for as long as it is there. */
static void take_new(const struct refusal *refusal, void *with)
{
	struct blocked *b = with;
	const char *class = blocked_class(b, refusal->classid);
	struct blocked_entry *e;

	if (!class)
		return;
	e = blocked_entry(b, class, refusal);
	e->refusal.packets++;
	e->refusal.last = refusal->last;
	e->refusal.local = refusal->local;
	e->refusal.local_port = refusal->local_port;
	if (e->told)
		return;
	find_culprit(b, e);
	tell(b, e);
}

static void tell_again(struct blocked *b)
{
	for (size_t i = 0; i < b->entry_count; i++)
		if (b->entries[i]->refusal.packets > b->entries[i]->told)
			tell(b, b->entries[i]);
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
	struct pollfd fds[] = { { refusals_listen(queries_hear), POLLIN, 0 },
				{ table_events(), POLLIN, 0 },
				{ STDOUT_FILENO, 0, 0 } };
	int64_t asked = boottime_milliseconds();
	int64_t told = asked;

	ask(b);
	if (!b->inside && !b->json)
		blocked_print_heading(b);
	/* A pipe without a reader is an error of its other end (POLLERR), before anything is written. */
	while (terminal_flush() && !fds[2].revents) {
		if (poll(fds, 3, 1000) < 0 && errno != EINTR)
			err(EXIT_FAILURE, "cannot wait");
		hear_table(b, fds[1].fd);
		refusals_hear(take_new, b);
		if (boottime_milliseconds() - asked >= REFUSALS_ASKED * 1000 / 3) {
			asked = boottime_milliseconds();
			ask(b);
		}
		if (boottime_milliseconds() - told >= AGAIN) {
			told = boottime_milliseconds();
			tell_again(b);
		}
	}
	exit(EXIT_FAILURE);
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

_Noreturn void blocked_follow(struct blocked *b)
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
