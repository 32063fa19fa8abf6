/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim watch: keeps what others take away.
 *
 * The table: who flushes nftables' ruleset, as its own service does before it loads its
 * file, means the rules of his own. What was loaded last is loaded again, as it was,
 * whatever the configuration says by now: nobody has asked for that.
 *
 * The routing rules: one that is added without a priority goes before the second one that
 * is there, so before netshim's: that of a VPN that is started later. If netshim's were at
 * priority 0, that would be the new one's too, and it would go behind them; but so would
 * each behind the one before (fib_default_rule_pref in the kernel's net/core/fib_rules.c),
 * while wg-quick and Mullvad rely on the opposite: the local network of every program
 * would go into their tunnels. So netshim's rules are moved whenever others come, and put
 * back where somebody takes them away, as systemd-networkd does when it starts. */

#include "conf/command/cmd-watch.h"

#include "conf/command/restored.h"
#include "conf/command/state.h"
#include "conf/command/verbs.h"
#include "conf/contract/rules.h"
#include "conf/kernel/nft.h"
#include "conf/kernel/routing.h"
#include "conf/kernel/table.h"
#include "conf/language/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* This program, and the network namespace that it is in: an upgrade has another, and a
 * process of the old one does not know what the new one needs. Allocated. */
static char *identity(void)
{
	struct stat program = { .st_ino = 0 };
	struct stat network = { .st_ino = 0 };

	stat("/proc/self/exe", &program);
	stat("/proc/self/ns/net", &network);
	return printed("%jx %ju %ju.%09ld %ju\n", (uintmax_t)program.st_dev, (uintmax_t)program.st_ino,
		       (uintmax_t)program.st_ctim.tv_sec, program.st_ctim.tv_nsec, (uintmax_t)network.st_ino);
}

/* Nothing of whoever has run up stays open or in use, nor are its signals held. What is
 * executed as root would have all capabilities again: not from here. */
__attribute__((noreturn)) static void become_watcher(void)
{
	char *const arguments[] = { (char[]){ "netshim" }, (char[]){ "watch" }, NULL };
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	closefrom(STDERR_FILENO + 1);
	if (setsid() < 0 || chdir("/") || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		_exit(EXIT_FAILURE);
	execv("/proc/self/exe", arguments);
	_exit(EXIT_FAILURE);
}

void watch_start(void)
{
	char *by = identity();
	pid_t pid = 1;

	if (!state_is_watched_by(by)) {
		state_end_watching();
		pid = state_allow_watching(by) ? fork() : -1;
	}
	if (!pid)
		become_watcher();
	if (pid < 0)
		warn("nobody puts back what others take away: cannot start a process");
	free(by);
}

static int64_t milliseconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_BOOTTIME, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Of somebody who does something whenever netshim does the opposite, the processor is to
 * see little: netshim waits ten times as long as it works, but only once that has come to
 * a second. So what happens seldom is put right at once. */
#define CREDIT 1000 /* milliseconds */

static void spend(int64_t *until, int64_t took)
{
	int64_t cost = took < 5 ? 50 : took < CREDIT / 10 ? took * 10 : CREDIT;
	int64_t now = milliseconds();

	*until = (*until > now ? *until : now) + cost;
}

static int left_to_wait(int64_t until)
{
	int64_t left = until - milliseconds() - CREDIT;

	return left > 0 ? (int)left : 0;
}

static struct watch {
	int watching; /* whether this process is to go on (state.h) */
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
} w;

/* Whether up or reload has been there since the last time. */
static bool has_been_replaced(void)
{
	struct stat now = { .st_ino = 0 };
	bool replaced;

	stat(TABLE_KEPT, &now);
	replaced = now.st_ino != w.in_force.st_ino || now.st_mtim.tv_sec != w.in_force.st_mtim.tv_sec ||
		   now.st_mtim.tv_nsec != w.in_force.st_mtim.tv_nsec;
	w.in_force = now;
	return replaced;
}

static void read_what_is_in_force(void)
{
	if (!has_been_replaced())
		return;
	free(w.text);
	w.text = table_kept();
	table_number(w.text ? w.text : "", w.number);
	routing_free(w.before);
	w.before = NULL;
	w.rules_changed = true;
}

/* A kernel that keeps no comments (before 5.10) tells none. */
static bool table_is_whole(void)
{
	return !w.news.lacking && (!*w.news.number || !strcmp(w.news.number, w.number));
}

static void tell_failure(const char *words)
{
	w.failures += w.failures < 6;
	w.table_until = milliseconds() + CREDIT + (1000 << w.failures);
	syslog(LOG_DAEMON | LOG_ERR,
	       "netshim's nftables table is gone, nothing is filtered, and nftables does not take "
	       "it again: %s",
	       words);
}

/* What has been heard may be older than what is in force by now. */
static void keep_table(void)
{
	int64_t begun = milliseconds();
	char *words;

	table_hear(w.table, &w.news);
	w.news.heard = false;
	if (!w.text || table_is_whole())
		return;
	words = nft_load(w.text, false);
	spend(&w.table_until, milliseconds() - begun);
	if (words) {
		w.news.heard = true; /* tries again */
		tell_failure(words);
	} else {
		w.failures = 0;
		restored_note(&w.news, (long)(milliseconds() - begun));
	}
	free(words);
}

static void keep_rules(void)
{
	if (!w.rules_changed)
		return;
	w.before = routing_keep_rules(w.before);
	w.rules_changed = false;
	spend(&w.rules_until, 0);
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

/* How long nothing is to be done, for what is known (-1: for ever). */
static int patience(void)
{
	int table = w.news.heard ? left_to_wait(w.table_until) : -1;
	int rules = w.rules_changed ? left_to_wait(w.rules_until) : -1;

	return w.folder_changed ? 0 : table < 0 || (rules >= 0 && rules < table) ? rules : table;
}

static void wait_for_work(void)
{
	struct pollfd events[] = { { w.folder, POLLIN, 0 }, { w.table, POLLIN, 0 }, { w.rules, POLLIN, 0 } };
	int wait;

	w.folder_changed = false;
	while ((wait = patience())) {
		if (poll(events, sizeof(events) / sizeof(events[0]), wait) < 0)
			err(EXIT_FAILURE, "cannot wait");
		w.folder_changed = drain(w.folder);
		table_hear(w.table, &w.news);
		w.rules_changed = drain(w.rules) || w.rules_changed;
	}
}

static void watch(void)
{
	int turn;

	table_look(w.table, &w.news);
	while ((turn = state_turn(w.watching)) >= 0) {
		read_what_is_in_force();
		keep_table();
		keep_rules();
		close(turn);
		wait_for_work();
	}
	/* An older version's down leaves what it does not know. */
	state_end_for_older();
}

int cmd_watch(const struct command *command)
{
	(void)command;
	w.watching = state_watch();
	w.folder = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	w.table = table_events();
	w.rules = routing_events();
	if (w.watching < 0)
		errx(EXIT_FAILURE, "netshim is not up, or another process watches already");
	if (w.folder < 0 || inotify_add_watch(w.folder, NETSHIM_RUNDIR, IN_DELETE | IN_DELETE_SELF | IN_MOVED_TO) < 0)
		err(EXIT_FAILURE, "cannot watch " NETSHIM_RUNDIR);
	watch();
	return EXIT_SUCCESS;
}
