/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The net_cls hierarchy: see cgroup.h. */

#include "conf/kernel/cgroup.h"

#include "conf/language/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OWN_MOUNT NETSHIM_RUNDIR "/net_cls"
/* Each round moves all that is there; only programs that fork or come in meanwhile,
 * and those that are just ending, make a further one necessary. */
#define REMOVE_ROUNDS 2000

static char *find_mount(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	const struct mntent *entry;
	char *found = NULL;

	while (mounts && !found && (entry = getmntent(mounts)))
		if (!strcmp(entry->mnt_type, "cgroup") && hasmntopt(entry, "net_cls"))
			found = copied(entry->mnt_dir);
	if (mounts)
		endmntent(mounts);
	return found;
}

char *cgroup_hierarchy(bool mount_it, bool *mounted)
{
	char *found = find_mount();

	if (mounted)
		*mounted = false;
	if (found || !mount_it)
		return found;
	/* Not under /sys/fs/cgroup, where systemd and container managers would take
	 * a version-1 mount for theirs. */
	if (mkdir(OWN_MOUNT, 0755) && errno != EEXIST) {
		warn("cannot make %s", OWN_MOUNT);
		return NULL;
	}
	/* Where another tool has mounted it together with net_prio, out of sight,
	 * only that combination can be mounted again. */
	if (mount("net_cls", OWN_MOUNT, "cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, "net_cls") &&
	    mount("net_cls", OWN_MOUNT, "cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, "net_cls,net_prio")) {
		warn("cannot mount the net_cls hierarchy at %s (the kernel needs CONFIG_CGROUP_NET_CLASSID, and "
		     "cgroup_no_v1 must not disable it)",
		     OWN_MOUNT);
		rmdir(OWN_MOUNT);
		return NULL;
	}
	if (mounted)
		*mounted = true;
	return copied(OWN_MOUNT);
}

void cgroup_unmount(void)
{
	/* EINVAL: it was another mount that was in use. */
	if (umount2(OWN_MOUNT, MNT_DETACH | UMOUNT_NOFOLLOW) && errno != EINVAL && errno != ENOENT)
		warn("cannot unmount %s", OWN_MOUNT);
	rmdir(OWN_MOUNT);
}

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* The folder of a class's group; allocated. */
static char *class_group(const char *hierarchy, const char *class, bool locked)
{
	return printed("%s/" NETSHIM_GROUP "/%s%s", hierarchy, class, locked ? "/locked" : "");
}

static bool set_classid(const char *group, uint32_t classid)
{
	char *file = printed("%s/net_cls.classid", group);
	char *text = printed("%u", classid);
	bool ok = write_text(file, text);

	if (!ok)
		warn("cannot write %s", file);
	free(file);
	free(text);
	return ok;
}

static uint32_t get_classid(const char *group)
{
	char *path = printed("%s/net_cls.classid", group);
	FILE *file = fopen(path, "re");
	unsigned classid = 0;

	if (!file || fscanf(file, "%u", &classid) != 1)
		classid = 0;
	if (file)
		fclose(file);
	free(path);
	return classid;
}

/* Makes one group, and *live 0; or if it is there, *live its classid. */
static bool make_group(const char *path, uint32_t classid, uint32_t *live)
{
	if (mkdir(path, 0755) && errno != EEXIST) {
		warn("cannot make the control group %s", path);
		return false;
	}
	*live = classid ? get_classid(path) : 0;
	return !classid || *live || set_classid(path, classid);
}

static bool make_locked(const char *path, uint32_t classid)
{
	uint32_t live = 0;

	return make_group(path, classid, &live) && (!live || live == classid || set_classid(path, classid));
}

bool cgroup_make(const char *hierarchy, const struct ruleset *set, uint32_t *live)
{
	char *top = printed("%s/" NETSHIM_GROUP, hierarchy);
	uint32_t ignored;
	bool ok = make_group(top, 0, &ignored);

	for (size_t i = 0; ok && i < set->class_count; i++) {
		char *group = class_group(hierarchy, set->classes[i].name, false);
		char *locked = class_group(hierarchy, set->classes[i].name, true);

		ok = make_group(group, set->classes[i].classid, &live[i]) &&
		     make_locked(locked, live[i] ? live[i] : set->classes[i].classid);
		free(group);
		free(locked);
	}
	free(top);
	return ok;
}

bool cgroup_set_classids(const char *hierarchy, const struct ruleset *set, const uint32_t *live)
{
	bool ok = true;

	for (size_t i = 0; i < set->class_count; i++) {
		uint32_t classid = live ? live[i] : set->classes[i].classid;
		char *group = class_group(hierarchy, set->classes[i].name, false);
		char *locked = class_group(hierarchy, set->classes[i].name, true);

		/* Writing walks the descriptors of all that are in the group. */
		if (classid && classid != CLASSID_UNKNOWN) {
			ok = (get_classid(group) == classid || set_classid(group, classid)) && ok;
			ok = (get_classid(locked) == classid || set_classid(locked, classid)) && ok;
		}
		free(group);
		free(locked);
	}
	return ok;
}

void cgroup_unmake(const char *hierarchy, const struct ruleset *set, const uint32_t *live)
{
	for (size_t i = 0; i < set->class_count; i++) {
		char *group = class_group(hierarchy, set->classes[i].name, false);
		char *locked = class_group(hierarchy, set->classes[i].name, true);

		if (!live[i]) {
			rmdir(locked);
			rmdir(group);
		}
		free(group);
		free(locked);
	}
}

/* Calls visit for each process or thread id in a file of a group. */
static size_t each_id(const char *group, const char *name, void (*visit)(const char *id, const void *with),
		      const void *with)
{
	char *path = printed("%s/%s", group, name);
	FILE *file = fopen(path, "re");
	char id[32];
	size_t count = 0;

	for (; file && fscanf(file, "%31s", id) == 1; count++)
		if (visit)
			visit(id, with);
	if (file)
		fclose(file);
	free(path);
	return count;
}

/* A process that has ended meanwhile cannot be moved and need not be. */
static void move_to(const char *id, const void *tasks)
{
	write_text(tasks, id);
}

static bool remove_group(const char *hierarchy, const char *group)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	char *tasks = printed("%s/tasks", hierarchy);
	bool gone = false;

	for (unsigned round = 0; !gone && round < REMOVE_ROUNDS; round++) {
		if (round)
			nanosleep(&pause, NULL);
		each_id(group, "tasks", move_to, tasks);
		gone = !rmdir(group) || errno == ENOENT;
	}
	if (!gone)
		warn("cannot remove the control group %s", group);
	free(tasks);
	return gone;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char **class_names(const struct ruleset *set)
{
	const char **names = zalloc((set->class_count + 1) * sizeof(*names));

	for (size_t i = 0; i < set->class_count; i++)
		names[i] = set->classes[i].name;
	qsort(names, set->class_count, sizeof(*names), compare_names);
	return names;
}

/* Calls visit for each class that has a group and is not in set. */
static bool each_gone(const char *hierarchy, const struct ruleset *set,
		      bool (*visit)(const char *hierarchy, const char *class, void *with), void *with)
{
	char *top = printed("%s/" NETSHIM_GROUP, hierarchy);
	const char **keep = set ? class_names(set) : NULL;
	DIR *dir = opendir(top);
	const struct dirent *entry;
	bool ok = true;

	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (entry->d_type == DT_DIR && class_name_valid(name) &&
		    !(keep && bsearch(&name, keep, set->class_count, sizeof(*keep), compare_names)))
			ok = visit(hierarchy, name, with) && ok;
	}
	if (dir)
		closedir(dir);
	free(keep);
	free(top);
	return ok;
}

struct classid_list {
	uint32_t *items;
	size_t count;
};

static bool note_classids(const char *hierarchy, const char *class, void *with)
{
	struct classid_list *list = with;

	for (int locked = 0; locked < 2; locked++) {
		char *group = class_group(hierarchy, class, locked);
		uint32_t classid = get_classid(group);

		free(group);
		if (!classid || (locked && list->count && list->items[list->count - 1] == classid))
			continue;
		list->items = grown(list->items, list->count, sizeof(*list->items));
		list->items[list->count++] = classid;
	}
	return true;
}

uint32_t *cgroup_gone(const char *hierarchy, const struct ruleset *set)
{
	struct classid_list list = { .items = NULL };

	each_gone(hierarchy, set, note_classids, &list);
	list.items = grown(list.items, list.count, sizeof(*list.items));
	list.items[list.count] = 0;
	return list.items;
}

static bool remove_class(const char *hierarchy, const char *class, void *with)
{
	char *group = class_group(hierarchy, class, false);
	char *locked = class_group(hierarchy, class, true);
	bool ok = remove_group(hierarchy, locked) && remove_group(hierarchy, group);

	(void)with;
	free(group);
	free(locked);
	return ok;
}

bool cgroup_remove(const char *hierarchy, const struct ruleset *set)
{
	char *top = printed("%s/" NETSHIM_GROUP, hierarchy);
	bool ok = each_gone(hierarchy, set, remove_class, NULL);

	if (!set)
		ok = remove_group(hierarchy, top) && ok;
	free(top);
	return ok;
}

void cgroup_each_process(const char *hierarchy, const char *class, bool locked,
			 void (*visit)(const char *id, const void *with), const void *with)
{
	char *group = class_group(hierarchy, class, locked);

	each_id(group, "cgroup.procs", visit, with);
	free(group);
}

bool cgroup_move_process(const char *hierarchy, const char *class, bool locked, const char *id)
{
	char *group = class ? class_group(hierarchy, class, locked) : copied(hierarchy);
	char *procs = printed("%s/cgroup.procs", group);
	/* "0" would be this process. */
	bool ok = strspn(id, "0123456789") == strlen(id) && strspn(id, "0") < strlen(id) && write_text(procs, id);

	if (!ok)
		warnx("cannot move process '%s': is that the id of a running process?", id);
	free(procs);
	free(group);
	return ok;
}

size_t cgroup_process_count(const char *hierarchy, const char *class)
{
	char *group = class_group(hierarchy, class, false);
	char *locked = class_group(hierarchy, class, true);
	size_t count = each_id(group, "cgroup.procs", NULL, NULL) + each_id(locked, "cgroup.procs", NULL, NULL);

	free(group);
	free(locked);
	return count;
}
