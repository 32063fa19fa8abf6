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
#include "conf/routing.h"
#include "conf/ruleset.h"
#include "conf/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char lock_path[] = NETSHIM_RUNDIR "/lock";

void lock_state(void)
{
	struct stat locked;
	struct stat there;
	int fd;

	if ((mkdir(NETSHIM_RUNDIR, 0755) && errno != EEXIST) || chmod(NETSHIM_RUNDIR, 0755))
		err(EXIT_FAILURE, "cannot make %s", NETSHIM_RUNDIR);
	fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || flock(fd, LOCK_EX) || fstat(fd, &locked))
		err(EXIT_FAILURE, "cannot lock %s", lock_path);
	/* A `down` that this has waited for has removed the file. */
	if (!stat(lock_path, &there) && there.st_ino == locked.st_ino)
		return;
	close(fd);
	lock_state();
}

static void remove_folder(void)
{
	unlink(lock_path);
	rmdir(NETSHIM_RUNDIR);
}

static bool is_up(void)
{
	return !access(RULES_PATH, F_OK);
}

static const struct class *class_with(const struct ruleset *set, uint32_t classid)
{
	for (size_t i = 0; i < set->class_count; i++)
		if (set->classes[i].classid == classid)
			return &set->classes[i];
	return NULL;
}

/* A classid that goes from one class to another would send the packets of one by
 * the rules of the other while it does. */
static bool classids_are_free(const struct ruleset *set, const uint32_t *live)
{
	for (size_t i = 0; i < set->class_count; i++) {
		const struct class *next = NULL;

		if (live[i] && live[i] != set->classes[i].classid)
			next = class_with(set, live[i]);
		if (!next)
			continue;
		warnx("%s:%d: classid %x:%x is that of class '%s' until now; use another one, or run 'netshim down' "
		      "and "
		      "'netshim up'",
		      next->classid_at.file, next->classid_at.line, live[i] >> 16, live[i] & 0xffff,
		      set->classes[i].name);
		return false;
	}
	return true;
}

static bool any_old_classid(const struct ruleset *set, const uint32_t *live)
{
	for (size_t i = 0; i < set->class_count; i++)
		if (live[i] && live[i] != set->classes[i].classid)
			return true;
	return false;
}

static bool load(const struct ruleset *set, const uint32_t *live, const struct network_list *networks)
{
	struct counters counters;
	char *text;
	bool ok;

	policy_counters(&counters);
	text = policy_text(set, &counters, live, networks);
	ok = policy_load(text, false);
	free(counters.items);
	free(text);
	return ok;
}

/* Until the rules file is replaced, a failure takes everything back. */
static bool put_into_force(const struct ruleset *set, const char *hierarchy, uint32_t *live,
			   const struct network_list *networks)
{
	char *table_before = policy_save();
	struct table_list tables;
	bool ok = routing_check(set, &tables) && compile_write(set, hierarchy) && cgroup_make(hierarchy, set, live) &&
		  classids_are_free(set, live);

	if (ok) {
		ok = routing_add(set, networks) && load(set, live, networks) && compile_commit();
		if (!ok) {
			routing_undo(&tables);
			policy_load(table_before, false);
		}
	}
	free(tables.items);
	free(table_before);
	return ok;
}

/* One number a class; until cgroup_make has looked, none is taken for new. */
static uint32_t *unknown_classids(const struct ruleset *set)
{
	uint32_t *live = zalloc((set->class_count + 1) * sizeof(*live));

	for (size_t i = 0; i < set->class_count; i++)
		live[i] = UINT32_MAX;
	return live;
}

static int apply(const struct ruleset *set)
{
	uint32_t *live = unknown_classids(set);
	struct network_list networks = { .items = NULL };
	bool was_up = is_up();
	bool mounted;
	char *hierarchy = cgroup_hierarchy(true, &mounted);
	bool ok = hierarchy && routing_read_networks(&networks) && put_into_force(set, hierarchy, live, &networks);

	if (ok) {
		ok = cgroup_set_classids(hierarchy, set);
		ok = routing_clean(set, &networks) && ok;
		ok = policy_route_localnet(set) && policy_loosen_rp_filter(set) && ok;
		if (any_old_classid(set, live))
			ok = load(set, NULL, &networks) && ok;
		ok = cgroup_remove(hierarchy, set) && ok;
	} else if (hierarchy) {
		if (was_up)
			cgroup_unmake(hierarchy, set, live);
		else
			cgroup_remove(hierarchy, NULL);
		if (mounted)
			cgroup_unmount();
	}
	compile_discard();
	if (!ok && !was_up)
		remove_folder();
	free(networks.items);
	free(hierarchy);
	free(live);
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
	if (is_up())
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
	ok = sysctl_restore(NULL, NULL) && ok;
	ok = routing_clean(NULL, NULL) && ok;
	ok = policy_unload() && ok;
	cgroup_unmount();
	compile_discard();
	remove_folder();
	free(hierarchy);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
