/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim watch: keeps what others take away.
 *
 * In the network namespace of a class, it is a process of its own, which looks at the table
 * there alone: what carries it, the process outside follows.
 *
 * The table: who flushes nftables' ruleset, as its own service does before it loads its
 * file, means the rules of his own. What was loaded last is loaded again, as it was,
 * whatever the configuration says by now: nobody has asked for that.
 *
 * Interfaces, addresses, others' routes: what changes where classes go is followed, as
 * the hooks do (reload --hook), also where nobody runs a hook. The text of the
 * configuration in force has all that is needed, of its classes alone; the kernel lets
 * CAP_NET_ADMIN set the rest. So no process with more rights has to stay: what mounts,
 * looks for programs and moves processes is left to reload. It is done in a child, which
 * may end, as running out of memory ends it, and whose messages are for the system's log.
 *
 * The routing rules: one that is added without a priority goes before the second one that
 * is there, so before netshim's: that of a VPN that is started later. If netshim's were at
 * priority 0, that would be the new one's too, and it would go behind them; but so would
 * each behind the one before (fib_default_rule_pref in the kernel's net/core/fib_rules.c),
 * while wg-quick and Mullvad rely on the opposite: the local network of every program
 * would go into their tunnels. So netshim's rules are moved whenever others come, and put
 * back where somebody takes them away, as systemd-networkd does when it starts. */

#include "conf/command/answerers.h"
#include "conf/command/boottime.h"
#include "conf/command/change.h"
#include "conf/command/confine.h"
#include "conf/command/lifts.h"
#include "conf/command/load.h"
#include "conf/command/remembered.h"
#include "conf/command/restored.h"
#include "conf/command/state.h"
#include "conf/command/verbs.h"
#include "conf/contract/rules.h"
#include "conf/kernel/handover.h"
#include "conf/kernel/interfaces.h"
#include "conf/kernel/nft.h"
#include "conf/kernel/routing.h"
#include "conf/kernel/table.h"
#include "conf/kernel/upstream.h"
#include "conf/language/alloc.h"
#include "conf/language/text.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* Of somebody who does something whenever netshim does the opposite, the processor is to
 * see little: netshim waits ten times as long as the processor works for it, but only once
 * that has come to a second. So what happens seldom is put right at once. */
#define CREDIT 1000 /* milliseconds */

#define WATCH_NAME "netshim-watch"

static int64_t used(int whose)
{
	struct rusage usage;

	getrusage(whose, &usage);
	return (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

static void spend(int64_t *until, int64_t took)
{
	int64_t cost = took < 5 ? 50 : took < CREDIT / 10 ? took * 10 : CREDIT;
	int64_t now = boottime_milliseconds();

	*until = (*until > now ? *until : now) + cost;
}

static int left_to_wait(int64_t until)
{
	int64_t left = until - boottime_milliseconds() - CREDIT;

	return left > 0 ? (int)left : 0;
}

static struct watch {
	const char *class; /* in whose network namespace this is, or NULL */
	int watching;	   /* whether this process is to go on (state.h) */
	int folder;
	bool folder_changed;

	struct stat in_force; /* the file of table_kept when it was read */
	char *text;
	char number[TABLE_NUMBER_SIZE];
	int table;
	struct table_news news;
	int64_t table_until; /* what has been spent on it */
	unsigned failures;

	struct routing *before; /* netshim's routing rules */
	int rules;
	bool rules_changed;
	int64_t rules_until;

	char *wanted; /* interfaces_wanted */
	int interfaces;
	bool interfaces_changed;
	int64_t first_change, last_change;
	int64_t interfaces_until;
	int64_t again_at; /* the child has failed; 0: it has not */
	unsigned interfaces_failures;
	int follower; /* what the child says; -1: there is none */
	pid_t follower_process;
	int64_t used_by_children;

	char *verb;    /* what this process was started with */
	int answerers; /* another child; -1: there is none */
	int64_t answerers_at;

	int asking;	   /* events of resolv.conf; -1: nobody asks whom it names */
	struct stat asked; /* as it was */
} w = { .asking = -1, .rules = -1, .interfaces = -1, .follower = -1, .answerers = -1 };

/* Whether up or reload has been there since the last time. */
static bool has_been_replaced(void)
{
	struct stat now = { .st_ino = 0 };
	char path[TABLE_KEPT_SIZE];
	bool replaced;

	stat(table_kept_path(w.class, path), &now);
	replaced = now.st_ino != w.in_force.st_ino || now.st_mtim.tv_sec != w.in_force.st_mtim.tv_sec ||
		   now.st_mtim.tv_nsec != w.in_force.st_mtim.tv_nsec;
	w.in_force = now;
	return replaced;
}

static void note_change(void)
{
	w.last_change = boottime_milliseconds();
	if (!w.interfaces_changed)
		w.first_change = w.last_change;
	w.interfaces_changed = true;
}

/* What has changed between reload's look and the first event would be missed. */
static void want_interfaces(void)
{
	free(w.wanted);
	w.wanted = state_watched(w.watching);
	if (*w.wanted && w.interfaces < 0) {
		w.interfaces = interfaces_events();
		note_change();
	} else if (!*w.wanted && w.interfaces >= 0) {
		close(w.interfaces);
		w.interfaces = -1;
		w.interfaces_changed = false;
		w.again_at = 0;
	}
	interfaces_note(w.wanted);
}

/* What has been told before is of other sets. */
static void look_at_names(void)
{
	if (!answerers_wanted())
		return;
	w.news.element = remembered_hear;
	table_hear(w.table, &w.news);
	remembered_forget();
	remembered_look(w.text ? w.text : "");
}

static void read_what_is_in_force(void)
{
	if (!has_been_replaced())
		return;
	handover_tidy();
	free(w.text);
	w.text = table_kept(w.class);
	table_number(w.text ? w.text : "", w.number);
	look_at_names();
	routing_free(w.before);
	w.before = NULL;
	w.rules_changed = !w.class;
	want_interfaces();
}

/* A kernel that keeps no comments (before 5.10) tells none. */
static bool table_is_whole(void)
{
	return !w.news.lacking && (!*w.news.number || !strcmp(w.news.number, w.number));
}

/* When to try again: after two seconds, and after a minute where it goes on to fail. */
static int64_t later(unsigned *failures)
{
	*failures += *failures < 6;
	return boottime_milliseconds() + (1000 << *failures);
}

static void tell_failure(const char *words)
{
	w.table_until = later(&w.failures) + CREDIT;
	syslog(LOG_DAEMON | LOG_ERR,
	       "netshim's nftables table is gone, nothing is filtered, and nftables does not take "
	       "it again: %s",
	       words);
}

/* A reload that was killed, or what follows interfaces, has left a table that is not the one that
 * was kept. */
static bool was_netshim(void)
{
	return !strcmp(w.news.by, "netshim") || !strcmp(w.news.by, WATCH_NAME);
}

/* What is lifted or open stays so, for the time that is left. Where nftables takes
 * that no more, it is tried without, next time. */
static char *load_kept(void)
{
	char *whole = w.class ? lifts_inside(w.text, w.class) : remembered_with(lifts_with(w.text, NULL, NULL));
	char *alone = printed(NFT_REMOVE_SECOND "%s", whole);
	char *words = nft_load(alone, false);

	if (words)
		remembered_forget();
	free(alone);
	free(whole);
	return words;
}

/* What has been heard may be older than what is in force by now. */
static void keep_table(void)
{
	int64_t begun = boottime_milliseconds();
	int64_t used_before = used(RUSAGE_SELF);
	char *words;

	table_hear(w.table, &w.news);
	w.news.heard = false;
	if (!w.text || table_is_whole())
		return;
	words = load_kept();
	spend(&w.table_until, used(RUSAGE_SELF) - used_before);
	if (words) {
		w.news.heard = true; /* tries again */
		tell_failure(words);
	} else {
		w.failures = 0;
		if (!was_netshim())
			restored_note(w.class, &w.news, (long)(boottime_milliseconds() - begun));
	}
	free(words);
}

static void keep_rules(void)
{
	if (!w.rules_changed || w.class)
		return;
	w.rules_changed = !routing_keep_rules(&w.before); /* tries again */
	spend(&w.rules_until, w.rules_changed ? CREDIT : 0);
}

/* What is lost for want of room (ENOBUFS) is an event too. */
static bool drain(int fd)
{
	char buffer[1 << 14];
	bool any = false;

	while (read(fd, buffer, sizeof(buffer)) > 0 || errno == ENOBUFS)
		any = true;
	return any;
}

/* Several changes come together; but if they never end, it is not for ever that one waits. */
#define SETTLING 100
#define SETTLED 1000

static int left_to_settle(void)
{
	int64_t at = w.last_change + SETTLING;
	int64_t left = (at < w.first_change + SETTLED ? at : w.first_change + SETTLED) - boottime_milliseconds();
	int wait = left_to_wait(w.interfaces_until);

	return left > wait ? (int)left : wait;
}

_Noreturn static void follow(int messages)
{
	static struct ruleset set;
	const char *text;

	dup2(messages, STDERR_FILENO);
	/* Not as a hook: those would leave their work to this, and end before it is done. */
	state_lock(false);
	/* What is in force by now may have other resolvers, and another process that follows. */
	if (!state_goes_on_watching(w.class, w.watching)) {
		state_leave();
		exit(EXIT_SUCCESS);
	}
	close(w.watching);
	be_impatient(STATE_GAVE_UP "the configuration could not be read, users and groups looked up\n");
	text = text_in_force();
	if (text && load_classes(&set, text)) {
		be_patient();
		answerers_inherit(&set);
		exit(change_ways(&set));
	}
	state_leave();
	exit(EXIT_FAILURE);
}

static void start_follower(void)
{
	int ends[2] = { -1, -1 };
	pid_t pid = pipe2(ends, O_CLOEXEC) ? -1 : fork();

	if (!pid)
		follow(ends[1]);
	w.used_by_children = used(RUSAGE_CHILDREN);
	w.interfaces_changed = false;
	w.again_at = pid < 0 ? later(&w.interfaces_failures) : 0;
	if (pid >= 0)
		w.follower = ends[0];
	w.follower_process = pid;
	if (pid < 0 && ends[0] >= 0)
		close(ends[0]);
	if (ends[1] >= 0)
		close(ends[1]);
}

/* What it could not follow, no other event need come to tell again. */
static void end_follower(void)
{
	int status;

	close(w.follower);
	w.follower = -1;
	if (waitpid(w.follower_process, &status, 0) < 0 || status)
		w.again_at = later(&w.interfaces_failures);
	else
		w.interfaces_failures = 0;
	spend(&w.interfaces_until, used(RUSAGE_CHILDREN) - w.used_by_children);
}

/* Lines for the system's log; and at last that it has ended. */
static void hear_follower(void)
{
	char text[4096];
	ssize_t size = read(w.follower, text, sizeof(text) - 1);

	if (size > 0) {
		text[size] = '\0';
		for (char *rest = text, *line; (line = strsep(&rest, "\n"));)
			if (*line)
				syslog(LOG_DAEMON | LOG_WARNING, "%s", line);
	} else {
		end_follower();
	}
}

/* As others see it, it is no process that watches. */
static bool load_for_answerers(struct ruleset *set)
{
	const char *text = text_in_force();

	close(w.watching);
	strncpy(w.verb, "names", strlen(w.verb));
	prctl(PR_SET_NAME, "netshim-names");
	return text && load_classes(set, text);
}

static bool asked_is_another(void)
{
	struct stat now = { .st_ino = 0 };
	bool another;

	stat(UPSTREAM_FILE, &now);
	another = now.st_ino != w.asked.st_ino || now.st_mtim.tv_sec != w.asked.st_mtim.tv_sec ||
		  now.st_mtim.tv_nsec != w.asked.st_mtim.tv_nsec;
	w.asked = now;
	return another;
}

/* The file is written anew, or another takes its place, or that of the one that it leads to. */
static void watch_asked(void)
{
	char *file = realpath(UPSTREAM_FILE, NULL);

	inotify_add_watch(w.asking, "/etc", IN_MOVED_TO | IN_CREATE);
	if (!file)
		return;
	inotify_add_watch(w.asking, file, IN_CLOSE_WRITE);
	inotify_add_watch(w.asking, dirname(file), IN_MOVED_TO | IN_CREATE);
	free(file);
}

/* Whom what is in no class asks stands in the table. */
static void follow_asked(void)
{
	watch_asked();
	if (asked_is_another())
		note_change();
}

/* In turn: what is in force is what this process was started for. */
static void keep_answerers(void)
{
	if (w.answerers >= 0 || !answerers_wanted() || boottime_milliseconds() < w.answerers_at)
		return;
	w.answerers = answerers_start(load_for_answerers);
	w.answerers_at = boottime_milliseconds() + CREDIT;
}

static void lose_answerers(void)
{
	close(w.answerers);
	w.answerers = -1;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	syslog(LOG_DAEMON | LOG_ERR, "netshim's resolvers for names have ended; they are started again");
}

static int sooner(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

static int left_until(int64_t time)
{
	int64_t left = time - boottime_milliseconds();

	return left > 0 ? (int)left : 0;
}

static int answerers_patience(void)
{
	return w.answerers >= 0 || !answerers_wanted() ? -1 : left_until(w.answerers_at);
}

/* How long nothing is to be done in turn (state_turn), for what is known; -1: for ever. */
static int patience(void)
{
	int table = w.news.heard ? left_to_wait(w.table_until) : -1;
	int rules = w.rules_changed ? left_to_wait(w.rules_until) : -1;

	return w.folder_changed ? 0 : sooner(sooner(table, rules), answerers_patience());
}

/* The same for what a child does. */
static int follower_patience(void)
{
	if (w.follower >= 0)
		return -1;
	return w.interfaces_changed ? left_to_settle() : w.again_at ? left_until(w.again_at) : -1;
}

static void read_events(void)
{
	struct pollfd events[] = {
		{ w.folder, POLLIN, 0 },     { w.table, POLLIN, 0 },	{ w.rules, POLLIN, 0 },
		{ w.interfaces, POLLIN, 0 }, { w.follower, POLLIN, 0 }, { w.answerers, POLLIN, 0 },
		{ w.asking, POLLIN, 0 },
	};

	if (poll(events, sizeof(events) / sizeof(events[0]), sooner(patience(), follower_patience())) < 0 &&
	    errno != EINTR)
		err(EXIT_FAILURE, "cannot wait");
	w.folder_changed = drain(w.folder);
	table_hear(w.table, &w.news);
	w.rules_changed = (!w.class && drain(w.rules)) || w.rules_changed;
	if (w.interfaces >= 0 && interfaces_hear(w.interfaces, w.wanted))
		note_change();
	if (events[4].revents)
		hear_follower();
	if (events[5].revents)
		lose_answerers();
	if (w.asking >= 0 && drain(w.asking))
		follow_asked();
}

static void wait_for_work(void)
{
	w.folder_changed = false;
	while (patience()) {
		if (!follower_patience())
			start_follower();
		read_events();
	}
}

static void watch(void)
{
	int turn;

	table_look(w.table, &w.news);
	while ((turn = state_turn(w.class, w.watching)) >= 0) {
		read_what_is_in_force();
		keep_table();
		keep_rules();
		keep_answerers();
		close(turn);
		wait_for_work();
	}
	/* An older version's down leaves what it does not know. */
	state_end_for_older();
}

_Noreturn static void fail_to_watch(void)
{
	struct rules rules;
	struct rules_class class;
	uint32_t index;

	if (w.class && !rules_open(&rules, true)) {
		if (!rules_class_named(&rules, w.class, &index, &class))
			errx(EXIT_FAILURE, "there is no class '%s'; 'netshim status' lists them", w.class);
		if (!(class.flags & CLASS_NETNS))
			errx(EXIT_FAILURE,
			     "class %s has no network namespace of its own; its rules are watched by 'netshim watch'",
			     w.class);
	}
	errx(EXIT_FAILURE, "netshim is not up, or another process watches already");
}

/* There are so many instances and watches for each user (inotify(7)). That netshim is up is asked
 * later. */
static void listen_to_files(void)
{
	const bool asks = answerers_wanted();

	w.folder = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w.folder >= 0 && asks)
		w.asking = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w.folder < 0 || (asks && w.asking < 0) ||
	    (inotify_add_watch(w.folder, NETSHIM_RUNDIR, IN_DELETE | IN_DELETE_SELF | IN_MOVED_TO) < 0 &&
	     errno != ENOENT))
		err(EXIT_FAILURE, "cannot watch files (sysctl fs.inotify says how many)");
}

/* Who has started it reads until then what has kept it from beginning (watcher.c), which is sealed. */
static void end_messages(void)
{
	int seals = fcntl(STDERR_FILENO, F_GET_SEALS);

	if (seals > 0 && seals & F_SEAL_GROW)
		dup2(STDIN_FILENO, STDERR_FILENO);
}

int cmd_watch(const struct command *command)
{
	w.class = command->argv[0];
	w.verb = command->argv[-1];
	/* It is executed by /proc/self/exe, and would have the name of that. */
	prctl(PR_SET_NAME, WATCH_NAME);
	if (!answerers_wanted())
		confine(CAP(CAP_NET_ADMIN), "watch");
	listen_to_files();
	w.table = table_events();
	if (!w.class)
		w.rules = routing_events();
	w.watching = state_watch(w.class); /* who sees that one watches may rely on it */
	if (w.watching < 0)
		fail_to_watch();
	end_messages();
	if (w.asking >= 0)
		follow_asked();
	watch();
	return EXIT_SUCCESS;
}
