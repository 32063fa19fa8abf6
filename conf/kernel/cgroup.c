/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The net_cls hierarchy: see cgroup.h. */

#include "conf/kernel/cgroup.h"

#include "conf/contract/sys.h"
#include "conf/language/alloc.h"
#include "conf/language/trust.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* Each round moves all that is there. Another one is needed only for programs that
 * fork, come in or end meanwhile. */
#define REMOVE_ROUNDS 2000
#define TOP CGROUP_MOUNT "/" NETSHIM_GROUP

bool cgroup_is_mounted(void)
{
	struct statfs fs;

	return !statfs(CGROUP_MOUNT "/net_cls.classid", &fs) && fs.f_type == CGROUP_SUPER_MAGIC;
}

/* Whether this mount namespace gets what is mounted in another one but gives nothing back
 * to it (proc_pid_mountinfo(5)), as that of a unit with PrivateTmp=, which may give it to
 * others again, or of `ip netns exec`. A container has a mount of its own there. */
static bool nobody_would_see(void)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	struct statx of;
	char *line = NULL;
	size_t size = 0;
	bool slave = false;

	if (file && !statx(AT_FDCWD, NETSHIM_RUNDIR, 0, STATX_MNT_ID, &of) && (of.stx_mask & STATX_MNT_ID))
		while (getline(&line, &size, file) > 0)
			if (strtoull(line, NULL, 10) == of.stx_mnt_id)
				slave = strstr(line, " master:");
	free(line);
	if (file)
		fclose(file);
	return slave;
}

/* Not under /sys/fs/cgroup, where systemd and container managers would take a
 * version-1 mount for theirs. */
bool cgroup_mount(bool *mounted)
{
	*mounted = false;
	if (cgroup_is_mounted())
		return true;
	if (nobody_would_see()) {
		warnx("in this mount namespace, net_cls would be mounted for nobody else, and programs that have a "
		      "class be refused everywhere else; run netshim in no unit with PrivateTmp= or the like, and not "
		      "by 'ip netns exec', but 'nsenter --net='");
		return false;
	}
	if (mkdir(CGROUP_MOUNT, 0755) && errno != EEXIST) {
		warn("cannot make %s", CGROUP_MOUNT);
		return false;
	}
	/* Where another tool has mounted it together with net_prio, only that
	 * combination can be mounted again. */
	if (mount("net_cls", CGROUP_MOUNT, "cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, "net_cls") &&
	    mount("net_cls", CGROUP_MOUNT, "cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, "net_cls,net_prio")) {
		warn("cannot mount the net_cls hierarchy at %s (the kernel needs CONFIG_CGROUP_NET_CLASSID, and "
		     "cgroup_no_v1 must not disable it)",
		     CGROUP_MOUNT);
		rmdir(CGROUP_MOUNT);
		return false;
	}
	*mounted = true;
	return true;
}

void cgroup_unmount(void)
{
	/* EINVAL: it has gone already. */
	if (umount2(CGROUP_MOUNT, MNT_DETACH | UMOUNT_NOFOLLOW) && errno != EINVAL && errno != ENOENT)
		warn("cannot unmount %s", CGROUP_MOUNT);
	rmdir(CGROUP_MOUNT);
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
static char *class_group(const char *class, bool locked)
{
	return printed(TOP "/%s%s", class, locked ? "/locked" : "");
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

uint32_t cgroup_classid(const char *group)
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

static char *group_wrong(const char *group, uint32_t classid)
{
	uint32_t live;

	errno = 0;
	live = cgroup_classid(group);
	/* What it is then, nobody can tell. */
	if (live == classid || (!live && no_descriptor_free(-errno)))
		return NULL;
	if (access(group, F_OK))
		return printed("%s is not there: what is to be in it is not started", group);
	return printed("%s has the classid %x:%x, and the rules in force say %x:%x: it is filtered as another class",
		       group, live >> 16, live & 0xffff, classid >> 16, classid & 0xffff);
}

char *cgroup_wrong(const char *class, uint32_t classid)
{
	char *wrong = NULL;

	for (int locked = 0; !wrong && locked < 2; locked++) {
		char *group = class_group(class, locked);

		wrong = group_wrong(group, classid);
		free(group);
	}
	return wrong;
}

/* Makes one group and sets *live to 0; if it was there, sets *live to its classid. */
static bool make_group(const char *path, uint32_t classid, uint32_t *live)
{
	if (mkdir(path, 0755) && errno != EEXIST) {
		warn("cannot make the control group %s", path);
		return false;
	}
	*live = classid ? cgroup_classid(path) : 0;
	return !classid || *live || set_classid(path, classid);
}

static bool make_locked(const char *path, uint32_t classid)
{
	uint32_t live = 0;

	return make_group(path, classid, &live) && (!live || live == classid || set_classid(path, classid));
}

bool cgroup_make(const struct ruleset *set, uint32_t *live)
{
	uint32_t ignored;
	bool ok = make_group(TOP, 0, &ignored);

	for (size_t i = 0; ok && i < set->class_count; i++) {
		char *group = class_group(set->classes[i].name, false);
		char *locked = class_group(set->classes[i].name, true);

		ok = make_group(group, set->classes[i].classid, &live[i]) &&
		     make_locked(locked, live[i] ? live[i] : set->classes[i].classid);
		free(group);
		free(locked);
	}
	return ok;
}

bool cgroup_set_classids(const struct ruleset *set, const uint32_t *live)
{
	bool ok = true;

	for (size_t i = 0; i < set->class_count; i++) {
		uint32_t classid = live ? live[i] : set->classes[i].classid;
		char *group = class_group(set->classes[i].name, false);
		char *locked = class_group(set->classes[i].name, true);

		/* Writing walks the descriptors of all that are in the group. */
		if (classid && classid != CLASSID_UNKNOWN) {
			ok = (cgroup_classid(group) == classid || set_classid(group, classid)) && ok;
			ok = (cgroup_classid(locked) == classid || set_classid(locked, classid)) && ok;
		}
		free(group);
		free(locked);
	}
	return ok;
}

void cgroup_unmake(const struct ruleset *set, const uint32_t *live)
{
	for (size_t i = 0; i < set->class_count; i++) {
		char *group = class_group(set->classes[i].name, false);
		char *locked = class_group(set->classes[i].name, true);

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

static bool remove_group(const char *group)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	bool gone = false;

	for (unsigned round = 0; !gone && round < REMOVE_ROUNDS; round++) {
		if (round)
			nanosleep(&pause, NULL);
		each_id(group, "tasks", move_to, CGROUP_MOUNT "/tasks");
		gone = !rmdir(group) || errno == ENOENT;
	}
	if (!gone)
		warn("cannot remove the control group %s", group);
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
static bool each_gone(const struct ruleset *set, bool (*visit)(const char *class, void *with), void *with)
{
	const char **keep = set ? class_names(set) : NULL;
	DIR *dir = opendir(TOP);
	const struct dirent *entry;
	bool ok = true;

	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (entry->d_type == DT_DIR && class_name_valid(name) &&
		    !(keep && bsearch(&name, keep, set->class_count, sizeof(*keep), compare_names)))
			ok = visit(name, with) && ok;
	}
	if (dir)
		closedir(dir);
	free(keep);
	return ok;
}

struct classid_list {
	uint32_t *items;
	size_t count;
	bool inhabited;
};

static bool note_classids(const char *class, void *with)
{
	struct classid_list *list = with;

	for (int locked = 0; locked < 2; locked++) {
		char *group = class_group(class, locked);
		uint32_t classid = cgroup_classid(group);

		free(group);
		if (!classid || (locked && list->count && list->items[list->count - 1] == classid))
			continue;
		list->items = grown(list->items, list->count, sizeof(*list->items));
		list->items[list->count++] = classid;
	}
	list->inhabited = list->inhabited || cgroup_process_count(class);
	return true;
}

uint32_t *cgroup_gone(const struct ruleset *set, bool *inhabited)
{
	struct classid_list list = { .items = NULL };

	each_gone(set, note_classids, &list);
	list.items = grown(list.items, list.count, sizeof(*list.items));
	list.items[list.count] = 0;
	*inhabited = list.inhabited;
	return list.items;
}

static bool remove_class(const char *class, void *with)
{
	char *group = class_group(class, false);
	char *locked = class_group(class, true);
	bool ok = remove_group(locked) && remove_group(group);

	(void)with;
	free(group);
	free(locked);
	return ok;
}

bool cgroup_remove(const struct ruleset *set)
{
	bool ok = each_gone(set, remove_class, NULL);

	if (!set)
		ok = remove_group(TOP) && ok;
	return ok;
}

bool cgroup_try_move(const char *class, bool locked, const char *id)
{
	char *group = class ? class_group(class, locked) : copied(CGROUP_MOUNT);
	char *procs = printed("%s/cgroup.procs", group);
	/* "0" would be this process. */
	bool ok = strspn(id, "0123456789") == strlen(id) && strspn(id, "0") < strlen(id) && write_text(procs, id);

	free(procs);
	free(group);
	return ok;
}

bool cgroup_enter(const char *class)
{
	char *group = class ? class_group(class, false) : copied(CGROUP_MOUNT);
	char *tasks = printed("%s/tasks", group);
	bool ok = write_text(tasks, "0");

	free(tasks);
	free(group);
	return ok;
}

/* In a control group namespace, the group that is its root is another's, and takes no process where
 * it has controllers for its own groups (cgroup_migrate_vet_dst in the kernel's
 * kernel/cgroup/cgroup.c). systemd ends nothing that is in the root group, nor in its own. */
static void leave_in(const char *hierarchy)
{
	static const char *const groups[] = { "/system.slice/netshim.service", "", "/init.scope" };
	bool left = false;

	for (size_t i = 0; !left && i < sizeof(groups) / sizeof(*groups); i++) {
		char *procs = printed("%s%s/cgroup.procs", hierarchy, groups[i]);

		left = write_text(procs, "0");
		free(procs);
	}
}

/* Service managers have version 2, or one of version 1 with a name and no controller. One that is
 * mounted with another root is a container's (proc_pid_mountinfo(5)). */
void cgroup_leave(void)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;

	cgroup_enter(NULL);
	while (file && getline(&line, &size, file) > 0) {
		const char *type = strstr(line, " - cgroup");
		char root[3] = "";
		char *at = NULL;

		if (type && (strstr(type, " - cgroup2 ") || strstr(type, ",name=")) &&
		    sscanf(line, "%*s %*s %*s %2s %ms", root, &at) == 2 && !strcmp(root, "/"))
			leave_in(at);
		free(at);
	}
	free(line);
	if (file)
		fclose(file);
}

bool cgroup_move_process(const char *class, bool locked, const char *id)
{
	bool ok = cgroup_try_move(class, locked, id);

	if (!ok)
		warnx("cannot move process '%s': is that the id of a running process?", id);
	return ok;
}

size_t cgroup_process_count(const char *class)
{
	char *group = class_group(class, false);
	char *locked = class_group(class, true);
	size_t count = each_id(group, "cgroup.procs", NULL, NULL) + each_id(locked, "cgroup.procs", NULL, NULL);

	free(group);
	free(locked);
	return count;
}

/* Who may write there may move its own processes; who may make folders there, has those. */
static bool others_may_write_to(const char *folder, const char *file)
{
	char *path = printed("%s/%s", folder, file);
	struct stat st;
	bool may = !stat(path, &st) && trust_is_others(&st);

	free(path);
	return may;
}

static void look_into(const char *folder, void (*visit)(const char *path, bool open_to_others));

static void look_at(const char *folder, void (*visit)(const char *path, bool open_to_others))
{
	struct stat st;

	if (lstat(folder, &st))
		return;
	visit(folder, trust_is_others(&st) || others_may_write_to(folder, "tasks") ||
			      others_may_write_to(folder, "cgroup.procs"));
	/* Two links: there are none in it (kernfs_refresh_inode in the kernel's fs/kernfs/inode.c). */
	if (st.st_nlink > 2)
		look_into(folder, visit);
}

static void look_into(const char *folder, void (*visit)(const char *path, bool open_to_others))
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char *path = printed("%s/%s", folder, entry->d_name);

		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			look_at(path, visit);
		free(path);
	}
	if (dir)
		closedir(dir);
}

void cgroup_each_folder(void (*visit)(const char *path, bool open_to_others))
{
	look_at(CGROUP_MOUNT, visit);
}

#define EXITS_NAMED 3
static size_t exits;

static void warn_of_exit(const char *path, bool open_to_others)
{
	if (open_to_others && exits++ < EXITS_NAMED)
		warnx("%s: others than root may move processes there, out of locked classes too; make the folder, its "
		      "tasks and its cgroup.procs root's, and writable by nobody else",
		      path);
}

void cgroup_warn_of_exits(void)
{
	exits = 0;
	cgroup_each_folder(warn_of_exit);
	if (exits > EXITS_NAMED)
		warnx(CGROUP_MOUNT ": and %zu folders more like these", exits - EXITS_NAMED);
}
