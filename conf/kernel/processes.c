/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What runs: see processes.h. */

#include "conf/kernel/processes.h"

#include "conf/language/alloc.h"

#include <ctype.h>
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KTHREADD 2 /* the parent of all kernel threads */
#define NAMED 3	   /* so many in a message */

uid_t process_user(pid_t pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	return stat(path, &st) ? (uid_t)-1 : st.st_uid;
}

int process_open(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* The value of an entry, where words have that size. The machines that netshim knows are
 * little-endian. */
static uint64_t auxiliary(const char *vector, size_t size, size_t word, uint64_t type)
{
	for (size_t at = 0; at + 2 * word <= size; at += 2 * word) {
		uint64_t pair[2] = { 0, 0 };

		memcpy(&pair[0], vector + at, word);
		memcpy(&pair[1], vector + at + word, word);
		if (pair[0] == type)
			return pair[1];
	}
	return 0;
}

uint64_t process_auxiliary(const char *vector, size_t size, uint64_t type)
{
	bool is64 = auxiliary(vector, size, 8, AT_PHENT) == sizeof(Elf64_Phdr);

	return auxiliary(vector, size, is64 ? 8 : 4, type);
}

/* Of a first thread that has ended, /proc tells nearly nothing. The others go from there
 * when they end. */
static bool find_other_thread(struct process *p)
{
	const struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", p->pid);
	dir = opendir(path);
	while (dir && p->thread == p->pid && (entry = readdir(dir)))
		if (isdigit((unsigned char)*entry->d_name))
			p->thread = (pid_t)strtol(entry->d_name, NULL, 10);
	if (dir)
		closedir(dir);
	return p->thread != p->pid;
}

/* proc_pid_stat(5): the name stands in parentheses and may have some in it. false where
 * the process has ended. */
static bool read_stat(struct process *p)
{
	int fd = process_open(p->pid, "stat");
	ssize_t n = -1;
	char text[1024];
	const char *name;
	const char *rest;
	char state;

	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	text[n < 0 ? 0 : n] = '\0';
	name = strchr(text, '(');
	rest = strrchr(text, ')');
	if (!name || !rest ||
	    sscanf(rest + 1, " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %" SCNu64,
		   &state, &p->parent, &p->started) != 3)
		return false;
	snprintf(p->name, sizeof(p->name), "%.*s", (int)(rest - name - 1), name + 1);
	p->thread = p->pid;
	return (state != 'Z' && state != 'X') || find_other_thread(p);
}

ino_t process_network(pid_t pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	return stat(path, &st) ? 0 : st.st_ino;
}

static int compare_pids(const void *a, const void *b)
{
	const struct process *one = a;
	const struct process *other = b;

	return (one->pid > other->pid) - (one->pid < other->pid);
}

struct process *processes_find(const struct process_list *list, pid_t pid)
{
	struct process key = { .pid = pid };

	return list->count ? bsearch(&key, list->items, list->count, sizeof(key), compare_pids) : NULL;
}

struct process *processes_parent(const struct process_list *list, const struct process *process)
{
	struct process *parent = processes_find(list, process->parent);

	return parent && parent->started <= process->started ? parent : NULL;
}

void processes_mark_children(struct process_list *list)
{
	bool found = true;

	/* A parent's number may be the greater one. */
	while (found) {
		found = false;
		for (size_t i = 0; i < list->count; i++) {
			struct process *p = &list->items[i];
			const struct process *parent = p->in_force ? NULL : processes_parent(list, p);

			if (!parent || !parent->in_force)
				continue;
			p->in_force = true;
			found = true;
		}
	}
}

void processes_read(struct process_list *list)
{
	ino_t here = process_network(getpid());
	DIR *dir = opendir("/proc");
	const struct dirent *entry;

	*list = (struct process_list){ .items = NULL };
	while (dir && (entry = readdir(dir))) {
		struct process p = { .pid = 0 };
		char path[64];

		if (!isdigit((unsigned char)*entry->d_name))
			continue;
		p.pid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (!read_stat(&p) || p.pid == KTHREADD || p.parent == KTHREADD)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/cgroup", p.thread);
		process_membership_of(path, &p.place);
		p.in_force = here && process_network(p.thread) == here;
		list->items = grown(list->items, list->count, sizeof(p));
		list->items[list->count++] = p;
	}
	if (dir)
		closedir(dir);
	if (list->count)
		qsort(list->items, list->count, sizeof(*list->items), compare_pids);
	/* Wherever they are themselves: a sandbox. */
	processes_mark_children(list);
}

/* The file itself may lie on a file system that does not answer. */
bool process_is_netshim(pid_t pid)
{
	char path[64];
	char its[PATH_MAX];
	char ours[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", ours, sizeof(ours));

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	return size > 0 && readlink(path, its, sizeof(its)) == size && !memcmp(its, ours, (size_t)size);
}

/* A file system of a user's may never answer, not even under an overlayfs, which asks it with its own
 * mounter's rights; so what the kernel knows of the file counts (fuse_update_get_attr in its
 * fs/fuse/dir.c). */
static bool is_same_file(const char *path, const char *other_path)
{
	struct statx one;
	struct statx other;

	return !statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_INO, &one) &&
	       !statx(AT_FDCWD, other_path, AT_STATX_DONT_SYNC, STATX_INO, &other) && one.stx_ino == other.stx_ino &&
	       one.stx_dev_major == other.stx_dev_major && one.stx_dev_minor == other.stx_dev_minor;
}

/* Of a file in whose place there is another by now, the kernel says so (d_path). */
static bool was_replaced(const char *path, const char *file)
{
	char *replaced = printed("%s (deleted)", file);
	char program[PATH_MAX];
	ssize_t n = readlink(path, program, sizeof(program) - 1);
	bool was;

	program[n < 0 ? 0 : n] = '\0';
	was = !strcmp(program, replaced);
	free(replaced);
	return was;
}

bool process_runs(pid_t pid, const char *file)
{
	char path[64];
	char *whole = realpath(file, NULL);
	bool runs;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	runs = whole && (is_same_file(path, whole) || was_replaced(path, whole));
	free(whole);
	return runs;
}

/* What watches there is no reason to be there. */
pid_t processes_in_network(uint64_t inode)
{
	DIR *dir = opendir("/proc");
	const struct dirent *entry;
	struct process first = { .pid = 0 };

	while (dir && (entry = readdir(dir))) {
		struct process p = { .pid = isdigit((unsigned char)*entry->d_name)
						    ? (pid_t)strtol(entry->d_name, NULL, 10)
						    : 0 };

		if (p.pid && process_network(p.pid) == inode && !process_is_netshim(p.pid) && read_stat(&p) &&
		    (!first.pid || p.started < first.started))
			first = p;
	}
	if (dir)
		closedir(dir);
	return first.pid;
}

void processes_free(struct process_list *list)
{
	free(list->items);
}

uint64_t processes_now(void)
{
	uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK);
	struct timespec time;

	clock_gettime(CLOCK_BOOTTIME, &time);
	return (uint64_t)time.tv_sec * ticks + (uint64_t)time.tv_nsec * ticks / 1000000000;
}

bool process_read(pid_t pid, struct process *process)
{
	char path[64];

	*process = (struct process){ .pid = pid };
	if (!read_stat(process))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/cgroup", process->thread);
	process_membership_of(path, &process->place);
	return true;
}

bool process_is_there(const struct process *process)
{
	struct process now = { .pid = process->pid };

	return read_stat(&now) && now.started == process->started;
}

void process_names_add(struct process_names *names, const char *name, pid_t pid)
{
	char *end = names->text + strlen(names->text);
	size_t left = sizeof(names->text) - strlen(names->text);

	if (names->count < NAMED)
		snprintf(end, left, "%s%s %d", names->count ? ", " : "", name, pid);
	else if (names->count == NAMED)
		snprintf(end, left, ", ...");
	names->count++;
}
