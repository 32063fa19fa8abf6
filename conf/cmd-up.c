/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim up, reload and down.
 *
 * The order keeps every program under rules that are in force: a class's group
 * and its packet rules are there before the rules file sends anybody into it, and
 * a vanished class's group goes last. Until the rules file is replaced, a failure
 * leaves what was there before. */

#include "conf/alloc.h"
#include "conf/cgroup.h"
#include "conf/netshim.h"
#include "conf/ruleset.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char lock_path[] = NETSHIM_RUNDIR "/lock";

void lock_state(void)
{
	int fd;

	if (mkdir(NETSHIM_RUNDIR, 0755) && errno != EEXIST)
		err(EXIT_FAILURE, "cannot make %s", NETSHIM_RUNDIR);
	fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || flock(fd, LOCK_EX))
		err(EXIT_FAILURE, "cannot lock %s", lock_path);
}

static bool is_up(void)
{
	return !access(RULES_PATH, F_OK);
}

/* Takes back what a failed first `up` has made. */
static void undo(const char *hierarchy, bool mounted)
{
	cgroup_remove(hierarchy, NULL);
	if (mounted)
		cgroup_unmount();
}

static int apply(const struct ruleset *set)
{
	bool was_up = is_up();
	struct counters counters;
	bool mounted;
	char *hierarchy = cgroup_hierarchy(true, &mounted);
	char *text;
	bool ok;

	if (!hierarchy)
		return EXIT_FAILURE;
	policy_counters(&counters);
	text = policy_text(set, &counters);
	ok = cgroup_make(hierarchy, set) && policy_load(text, false);
	if (ok && !compile_write(set, hierarchy)) {
		ok = false;
		if (!was_up)
			policy_unload();
	}
	if (ok)
		cgroup_remove(hierarchy, set);
	else if (!was_up)
		undo(hierarchy, mounted);
	free(counters.items);
	free(text);
	free(hierarchy);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

int cmd_up(const struct command *command)
{
	static struct ruleset set;

	ruleset_load(&set, command->config);
	lock_state();
	return apply(&set);
}

int cmd_reload(const struct command *command)
{
	static struct ruleset set;

	ruleset_load(&set, command->config);
	lock_state();
	if (!is_up())
		errx(EXIT_FAILURE, "netshim is not up; run 'netshim up'");
	return apply(&set);
}

int cmd_down(const struct command *command)
{
	char *hierarchy;
	bool ok;

	(void)command;
	if (access(NETSHIM_RUNDIR, F_OK))
		return EXIT_SUCCESS;
	lock_state();
	/* First, so that no further program is sent into a class. */
	ok = !unlink(RULES_PATH) || errno == ENOENT;
	if (!ok)
		warn("cannot remove %s", RULES_PATH);
	hierarchy = cgroup_hierarchy(false, NULL);
	if (hierarchy)
		ok = cgroup_remove(hierarchy, NULL) && ok;
	ok = policy_unload() && ok;
	cgroup_unmount();
	unlink(RULES_PATH ".new");
	unlink(lock_path);
	rmdir(NETSHIM_RUNDIR);
	free(hierarchy);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
