/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim ps: which processes are in which class; netshim move: puts processes
 * that run already into one. */

#include "conf/command/verbs.h"
#include "conf/contract/sys.h"
#include "conf/kernel/cgroup.h"
#include "conf/language/alloc.h"
#include "conf/language/compile.h"
#include "conf/language/ruleset.h"

#include <limits.h>
#include <pwd.h>
#include <time.h>
#include <unistd.h>

#define MOVE_TRIES 500

/* Opens the rules file; NULL with a message where netshim is not up. Allocated. */
static struct rules *open_rules(void)
{
	struct rules *rules = zalloc(sizeof(*rules));

	if (compile_open(rules, true))
		return rules;
	if (errno == ENOENT)
		warnx("netshim is not up");
	free(rules);
	return NULL;
}

static bool is_mounted(void)
{
	bool is = cgroup_is_mounted();

	if (!is)
		warnx("the net_cls hierarchy is not mounted at " CGROUP_MOUNT " in this mount namespace; run 'netshim "
		      "reload'");
	return is;
}

struct listing {
	const char *class;
	bool locked;
};

static void print_process(const char *id, const void *with)
{
	const struct listing *listing = with;
	char *path = printed("/proc/%s", id);
	char *comm_path = printed("%s/comm", path);
	FILE *comm = fopen(comm_path, "re");
	char name[64] = "";
	const struct passwd *user;
	struct stat st;

	if (comm && fgets(name, sizeof(name), comm) && !stat(path, &st)) {
		name[strcspn(name, "\n")] = '\0';
		str_printable(name);
		user = getpwuid(st.st_uid);
		printf("%8s  %-16s %-20s %-6s  %s\n", id, user ? user->pw_name : "?", listing->class,
		       listing->locked ? "locked" : "", name);
	}
	if (comm)
		fclose(comm);
	free(comm_path);
	free(path);
}

int cmd_ps(const struct command *command)
{
	struct rules *rules = open_rules();
	char name[CLASS_NAME_MAX + 1];
	struct rules_class class;
	uint32_t index;

	if (!rules || !is_mounted())
		return EXIT_FAILURE;
	if (command->argc && !rules_class_named(rules, command->argv[0], &index, &class)) {
		warnx("there is no class '%s'; 'netshim status' lists them", command->argv[0]);
		return EXIT_FAILURE;
	}
	printf("%8s  %-16s %-20s %-6s  %s\n", "PID", "USER", "CLASS", "", "COMMAND");
	for (uint32_t i = 0; rules_class(rules, i, &class, name); i++) {
		if (command->argc && strcmp(command->argv[0], name))
			continue;
		cgroup_each_process(name, false, print_process, &(struct listing){ name, false });
		cgroup_each_process(name, true, print_process, &(struct listing){ name, true });
	}
	free(rules);
	return EXIT_SUCCESS;
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat one;
	struct stat other;

	return !stat(a, &one) && !stat(b, &other) && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* Of a file in whose place there is another by now, the kernel says so (d_path). */
static bool was_replaced(const char *path, const char *helper)
{
	char *replaced = printed("%s (deleted)", helper);
	char program[PATH_MAX];
	ssize_t n = readlink(path, program, sizeof(program) - 1);
	bool was;

	program[n < 0 ? 0 : n] = '\0';
	was = !strcmp(program, replaced);
	free(replaced);
	return was;
}

static bool is_helper(const char *id)
{
	char *path = printed("/proc/%s/exe", id);
	char *helper = realpath(NETSHIM_HELPER, NULL);
	bool is = helper && (is_same_file(path, helper) || was_replaced(path, helper));

	free(helper);
	free(path);
	return is;
}

/* A helper that has already looked at its group would still move on to another one,
 * even out of a locked one. It is a helper for a moment only, unless a user stops it. */
static bool move_for_good(const char *class, bool locked, const char *id)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	unsigned tries = locked ? MOVE_TRIES : 0;

	do {
		for (; tries && is_helper(id); tries--)
			nanosleep(&pause, NULL);
		if (!cgroup_move_process(class, locked, id))
			return false;
	} while (tries && is_helper(id));
	if (locked && !tries)
		warnx("process '%s' is still being started by " NETSHIM_HELPER
		      " and may yet enter another class; end it, or try again",
		      id);
	return tries || !locked;
}

int cmd_move(const struct command *command)
{
	struct rules *rules = open_rules();
	const char *name = command->argv[0];
	struct rules_class class = { .flags = 0 };
	uint32_t index;
	bool ok = true;

	if (!rules || !is_mounted())
		return EXIT_FAILURE;
	if (strcmp(name, "none") && !rules_class_named(rules, name, &index, &class)) {
		warnx("there is no class '%s'; 'netshim status' lists them, and 'none' is no class", name);
		return EXIT_FAILURE;
	}
	for (int i = 1; i < command->argc; i++)
		ok = move_for_good(strcmp(name, "none") ? name : NULL, class.flags & CLASS_LOCK, command->argv[i]) &&
		     ok;
	free(rules);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
