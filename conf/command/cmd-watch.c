/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim watch: keeps netshim's routing rules before those of others.
 *
 * A rule that is added without a priority goes before the second one that is there, so
 * before netshim's: that of a VPN that is started later. If netshim's were at priority 0,
 * that would be the new one's too, and it would go behind them; but so would each behind
 * the one before (fib_default_rule_pref in the kernel's net/core/fib_rules.c), while
 * wg-quick and Mullvad rely on the opposite: the local network of every program would go
 * into their tunnels. So netshim's rules are moved whenever others come, and put back
 * where somebody takes them away, as systemd-networkd does when it starts. */

#include "conf/command/cmd-watch.h"

#include "conf/command/state.h"
#include "conf/command/verbs.h"
#include "conf/contract/rules.h"
#include "conf/kernel/routing.h"

#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Of somebody who goes before netshim's rules as netshim goes before his, the processor
 * is to see little. */
static const struct timespec pause_between = { .tv_nsec = 50000000 };

static bool needs_watching(const struct ruleset *set)
{
	for (size_t i = 0; i < set->class_count; i++)
		if (set->classes[i].table)
			return true;
	return false;
}

/* Nothing of whoever has run up stays open or in use, nor are its signals held. */
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
	if (setsid() < 0 || chdir("/"))
		_exit(EXIT_FAILURE);
	execv("/proc/self/exe", arguments);
	_exit(EXIT_FAILURE);
}

void watch_start(const struct ruleset *set)
{
	pid_t pid;

	state_end_watching();
	if (!needs_watching(set))
		return;
	pid = state_allow_watching() ? fork() : -1;
	if (!pid)
		become_watcher();
	if (pid < 0)
		warn("nobody watches the routing rules of others: cannot start a process");
}

/* Of a rule, or of the folder of what is in force. */
static void wait_for_event(int rules, int folder)
{
	struct pollfd events[] = { { rules, POLLIN, 0 }, { folder, POLLIN, 0 } };
	char buffer[1 << 14];

	if (poll(events, 2, -1) < 0)
		err(EXIT_FAILURE, "cannot wait");
	/* What is lost for want of room (ENOBUFS) is an event too. */
	while (recv(rules, buffer, sizeof(buffer), 0) >= 0)
		;
	while (read(folder, buffer, sizeof(buffer)) > 0)
		;
}

/* Whether up or reload has been there since the last time, and may have changed what the
 * rules are. */
static bool has_been_replaced(const char *path)
{
	static struct stat last;
	struct stat now = { .st_ino = 0 };
	bool replaced;

	if (stat(path, &now))
		return true;
	replaced = now.st_ino != last.st_ino || now.st_mtim.tv_sec != last.st_mtim.tv_sec ||
		   now.st_mtim.tv_nsec != last.st_mtim.tv_nsec;
	last = now;
	return replaced;
}

static void watch(int watching, int events, int folder)
{
	struct routing *rules = NULL;
	int turn;

	while ((turn = state_turn(watching)) >= 0) {
		if (has_been_replaced(RULES_PATH)) {
			routing_free(rules);
			rules = NULL;
		}
		rules = routing_keep_rules(rules);
		close(turn);
		nanosleep(&pause_between, NULL);
		wait_for_event(events, folder);
	}
	routing_free(rules);
}

int cmd_watch(const struct command *command)
{
	int watching = state_watch();
	int folder = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int events = routing_events();

	(void)command;
	if (watching < 0)
		errx(EXIT_FAILURE, "netshim is not up, no class needs it, or another process watches already");
	if (folder < 0 || inotify_add_watch(folder, NETSHIM_RUNDIR, IN_DELETE | IN_DELETE_SELF) < 0)
		err(EXIT_FAILURE, "cannot watch " NETSHIM_RUNDIR);
	watch(watching, events, folder);
	return EXIT_SUCCESS;
}
