/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What rules say about what runs: see wanted.h.
 *
 * A rule is for the name that a program is started by, which may be a symlink or a
 * script. The kernel leaves that name in the process's memory (AT_EXECFN), where the
 * process may write: so it counts only where it leads to what the process runs, and it is
 * looked at with the rights of its user. Its arguments, too, are as the process has them
 * by now.
 *
 * All that may lie on a file system of a user's which never answers, and who waits for one
 * in the kernel may not end even when it is killed (request_wait_answer in fs/fuse/dev.c).
 * So a child looks, and is given up where that takes too long. */

#include "conf/command/wanted.h"

#include "conf/command/child.h"
#include "conf/command/state.h"
#include "conf/contract/match.h"
#include "conf/contract/sys.h"
#include "conf/language/alloc.h"
#include "conf/language/trust.h"
#include "conf/language/unit.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <unistd.h>

#define GONE " (deleted)"
#define LONGEST_TICKS 6000 /* a minute, for all: a user can have names that take long to look up */

/* Whose a process is, and what it runs. */
struct program {
	struct stat file;
	char name[RULE_PATH_MAX + sizeof(GONE)]; /* the kernel's */
	char started_as[RULE_PATH_MAX];		 /* or "" */
	bool script;				 /* so started_as is one */
	bool replaced;				 /* name leads elsewhere by now */
	pid_t pid;
	char unit[UNIT_NAME_MAX + 1]; /* of systemd's, or "" */
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t group_count;
};

static bool is_file(const struct stat *file, const char *path)
{
	struct stat st;

	return !stat(path, &st) && st.st_dev == file->st_dev && st.st_ino == file->st_ino;
}

/* What shows its memory is for its user alone, or for root alone, whatever ptrace(2) lets
 * be done besides. */
static int open_private(pid_t pid, const char *name, uid_t user)
{
	int fd = process_open(pid, name);

	if (fd < 0) {
		setfsuid(user);
		fd = process_open(pid, name);
		setfsuid(0);
	}
	return fd;
}

static ssize_t read_all(int fd, void *buf, size_t size)
{
	ssize_t n;
	size_t done = 0;

	if (fd < 0)
		return -1;
	while ((n = read(fd, (char *)buf + done, size - done)) > 0)
		done += (size_t)n;
	close(fd);
	return (ssize_t)done;
}

/* The real user and group, as a set-user-ID program is started by those. */
static bool read_owner(pid_t pid, struct program *p)
{
	char text[65536]; /* groups too may be many */
	ssize_t n = read_all(process_open(pid, "status"), text, sizeof(text) - 1);
	const char *at;
	char *end;

	text[n < 0 ? 0 : n] = '\0';
	at = strstr(text, "\nUid:");
	if (!at || sscanf(at, "\nUid: %u %*u %*u %*u Gid: %u", &p->uid, &p->gid) != 2)
		return false;
	at = strstr(at, "\nGroups:");
	for (at = at ? at + strlen("\nGroups:") : ""; *at && *at != '\n'; at = end) {
		unsigned long group = strtoul(at, &end, 10);

		if (end == at)
			break;
		p->groups = grown(p->groups, p->group_count, sizeof(*p->groups));
		p->groups[p->group_count++] = (gid_t)group;
		end += *end == ' ';
	}
	return true;
}

static void read_start(pid_t pid, struct program *p)
{
	char vector[1024];
	ssize_t n = read_all(open_private(pid, "auxv", p->uid), vector, sizeof(vector));
	uint64_t address = n < 0 ? 0 : process_auxiliary(vector, (size_t)n, AT_EXECFN);
	int fd = open_private(pid, "mem", p->uid);
	char text[RULE_PATH_MAX - 32];

	n = address && fd >= 0 ? pread(fd, text, sizeof(text), (off_t)address) : 0;
	if (n > 0 && *text == '/' && memchr(text, '\0', (size_t)n))
		strcpy(p->started_as, text);
	else if (n > 0 && memchr(text, '\0', (size_t)n))
		snprintf(p->started_as, sizeof(p->started_as), "/proc/%d/cwd/%s", pid, text);
	if (fd >= 0)
		close(fd);
}

/* Where it was replaced since, its name is that of what would be started now. Of another
 * mount namespace, that would be another program. */
static bool read_name(pid_t pid, struct program *p)
{
	char path[64];
	ssize_t n;
	char *gone;
	struct stat here;
	struct stat there;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, p->name, sizeof(p->name) - 1);
	if (n <= 0 || p->name[0] != '/' || stat(path, &p->file))
		return false;
	p->name[n] = '\0';
	if (is_file(&p->file, p->name))
		return true;
	gone = p->name + n - strlen(GONE);
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	if (gone <= p->name || strcmp(gone, GONE) || stat("/proc/self/ns/mnt", &here) || stat(path, &there) ||
	    here.st_ino != there.st_ino)
		return false;
	*gone = '\0';
	p->replaced = true;
	return true;
}

/* In its group of cgroup v2, the unit comes after slices (systemd's cg_path_get_unit). A name
 * like that of a kernel's file has "_" before it. */
static void read_unit(pid_t pid, struct program *p)
{
	char text[8192];
	ssize_t n = read_all(process_open(pid, "cgroup"), text, sizeof(text) - 1);
	char *left;
	char *name;

	text[n < 0 ? 0 : n] = '\0';
	left = strncmp(text, "0::/", 4) != 0 ? strstr(text, "\n0::/") : text;
	if (!left)
		return;
	left += *left == '\n' ? strlen("\n0::/") : strlen("0::/");
	left[strcspn(left, "\n")] = '\0';
	while ((name = strsep(&left, "/"))) {
		size_t size = strlen(name);

		if (size > strlen(".slice") && !strcmp(name + size - strlen(".slice"), ".slice"))
			continue;
		name += *name == '_';
		if (unit_name_valid(name))
			strcpy(p->unit, name);
		return;
	}
}

/* Tells whether a script, by one interpreter or more, is run by that program. */
static bool is_run_by(const char *path, const struct stat *file)
{
	char head[MATCH_HEAD];
	char interpreter[MATCH_HEAD];

	for (unsigned depth = 0; depth < MATCH_SCRIPTS_MAX; depth++) {
		const char *found;

		if (match_read_regular(path, head, sizeof(head)) <= 0)
			return false;
		found = match_interpreter(head);
		if (!found)
			return false;
		strcpy(interpreter, found);
		path = interpreter;
		if (is_file(file, path))
			return true;
	}
	return false;
}

/* Else the name that the kernel knows it by counts. */
static void check_start(struct program *p)
{
	char *changeable = p->uid || !*p->started_as ? NULL : trust_changeable(p->started_as);

	p->script = !changeable && *p->started_as && !is_file(&p->file, p->started_as) &&
		    is_run_by(p->started_as, &p->file);
	if (changeable || (!p->script && !is_file(&p->file, p->started_as)))
		p->started_as[0] = '\0';
	free(changeable);
}

/* By the name that the kernel knows it by. */
static bool find_others(struct rules *rules, const char *name, struct rules_slot *rule)
{
	bool found = false;

	for (const char *end = name; end && !found; end = strchr(end + 1, '/'))
		found = rules_find(rules, name, (size_t)(end - name) + 1, rule);
	found = found || rules_find(rules, name, strlen(name), rule);
	return found && !(rule->flags & RULE_WITH);
}

/* So much of its arguments is looked at. */
#define ARGUMENTS_MAX (1 << 20)

/* Both allocated; the list leads into text. */
static char **list_arguments(const struct program *p, char **text)
{
	ssize_t size;
	char **list;
	size_t count = 0;

	*text = zalloc(ARGUMENTS_MAX + 1);
	size = read_all(process_open(p->pid, "cmdline"), *text, ARGUMENTS_MAX);
	list = zalloc(((size < 0 ? 0 : (size_t)size) + 1) * sizeof(*list));
	for (ssize_t at = 0; at < size; at += (ssize_t)strlen(*text + at) + 1)
		list[count++] = *text + at;
	return list;
}

/* Of a script, the list has what the kernel has put there, too. */
static int find_by_arguments(struct rules *rules, const struct program *p, const char *name, struct rules_slot *rule)
{
	char *folder = printed("/proc/%d/cwd", p->pid);
	char *text;
	char **list = list_arguments(p, &text);
	const struct match_start start = { AT_FDCWD,
					   name,
					   { .list = list, .folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC) } };
	int found = match_started(rules, AT_FDCWD, name, 0, p->script, rule, &start);

	if (start.arguments.folder >= 0)
		close(start.arguments.folder);
	free(list);
	free(text);
	free(folder);
	return found;
}

static int find_rule(struct rules *rules, const struct program *p, const char *name, struct rules_slot *rule)
{
	int found = match_program(rules, AT_FDCWD, name, 0, p->script, rule, NULL);

	return found > 0 && rule->flags & RULE_WITH ? find_by_arguments(rules, p, name, rule) : found;
}

static bool find_unit(struct rules *rules, const char *name, struct rules_slot *rule)
{
	char key[sizeof(UNIT_KEY) + UNIT_NAME_MAX];

	snprintf(key, sizeof(key), UNIT_KEY "%s", name);
	return rules_find(rules, key, strlen(key), rule);
}

/* A program's own rule comes before that of the service whose it is. */
static bool has_unit_rule(struct rules *rules, const struct program *p, struct rules_slot *rule)
{
	char *template = unit_template(p->unit);
	bool found = *p->unit && (find_unit(rules, p->unit, rule) || (template && find_unit(rules, template, rule)));

	free(template);
	return found;
}

static void ask(struct rules *rules, const struct program *p, struct wanted *w)
{
	const char *name = *p->started_as ? p->started_as : p->name;
	struct rules_class class;
	struct rules_slot rule;
	bool program;

	*w = (struct wanted){ .rule = false };
	if (!rules)
		return;
	program = find_rule(rules, p, name, &rule) > 0;
	if (!program && !has_unit_rule(rules, p, &rule)) {
		w->others = find_others(rules, p->name, &rule);
		if (w->others)
			w->by = rule;
		return;
	}
	w->by = rule;
	w->rule = rule.class_index == RULES_CLASS_NONE || rules_class(rules, rule.class_index, &class, w->class);
	if (!w->rule || !*w->class)
		return;
	w->locked = class.flags & CLASS_LOCK;
	w->elsewhere = class.flags & CLASS_NETNS;
	w->refused = program && !rules_users_include_caller(rules, &class.users);
}

/* A user of that name's start, in all that rules ask about. With the saved user that of
 * root's, nobody else may do anything to this process. */
static bool become(const struct program *p)
{
	return !setgroups(p->group_count, p->groups) && !setegid(p->gid) && !seteuid(p->uid);
}

static void be_root(void)
{
	static const gid_t none;

	if (seteuid(0) || setegid(0) || setgroups(0, &none))
		err(EXIT_FAILURE, "cannot be root again");
}

/* A script that was started by a name beneath its folder, by its whole one. */
static void read_known_as(const struct program *p, struct known_as *as)
{
	char whole[PATH_MAX];
	struct stat st;
	const char *path = p->name;

	if (p->script && strncmp(p->started_as, "/proc/", 6) != 0)
		path = p->started_as;
	else if (p->script && realpath(p->started_as, whole) && !stat(p->started_as, &st) && is_file(&st, whole))
		path = whole;
	as->user = p->uid;
	as->replaced = path == p->name && p->replaced;
	snprintf(as->path, sizeof(as->path), "%s", path);
}

static struct wants look_at(const struct looker *l, pid_t thread, struct known_as *as)
{
	struct program *p = zalloc(sizeof(*p));
	struct wants wants = { .known = read_name(thread, p) && read_owner(thread, p) &&
					!is_file(&p->file, "/proc/self/exe") };

	wants.becoming = wants.known && (is_file(&p->file, NETSHIM_HELPER) || is_file(&p->file, NETSHIM_NETNS));
	p->pid = thread;
	if (wants.known) {
		read_start(thread, p);
		read_unit(thread, p);
	}
	wants.known = wants.known && !wants.becoming && become(p);
	if (wants.known) {
		check_start(p);
		read_known_as(p, as);
		ask(l->before, p, &wants.before);
		ask(l->now, p, &wants.now);
	}
	be_root();
	free(p->groups);
	free(p);
	return wants;
}

struct answer {
	struct wants wants;
	struct known_as known_as;
};

/* It may be there for good, so it holds nothing that anybody waits for. */
_Noreturn static void run_child(const struct looker *l, int end)
{
	int *kept[] = { &end, &l->now->fd, l->before ? &l->before->fd : NULL };
	pid_t thread;

	state_keep_only(kept, l->before ? 3 : 2);
	/* Without room for their copies, others stay in their places. */
	if (end < 0 || l->now->fd < 0 || (l->before && l->before->fd < 0))
		_exit(EMFILE);
	while (recv(end, &thread, sizeof(thread), 0) == sizeof(thread)) {
		struct answer answer = { .known_as = { .path = "" } };

		answer.wants = look_at(l, thread, &answer.known_as);
		if (send(end, &answer, sizeof(answer), MSG_NOSIGNAL) != sizeof(answer))
			break;
	}
	_exit(EXIT_SUCCESS);
}

static bool has_child(struct looker *l)
{
	int ends[2];

	if (l->child > 0)
		return true;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
		l->error = errno;
		return false;
	}
	l->child = fork();
	if (!l->child)
		run_child(l, ends[1]);
	if (l->child < 0)
		l->error = errno;
	l->end = ends[0];
	close(ends[1]);
	if (l->child < 0)
		close(l->end);
	return l->child > 0;
}

static void end_child(struct looker *l, bool hangs)
{
	char none;

	if (l->child <= 0)
		return;
	if (hangs && !recv(l->end, &none, sizeof(none), MSG_DONTWAIT))
		l->error = child_lacked(l->child);
	else if (hangs)
		child_kill(l->child);
	close(l->end);
	if (!hangs)
		child_status(l->child, child_patience(0));
	l->child = 0;
}

static bool has_answered(struct looker *l, const struct process *process, struct wants *wants)
{
	struct pollfd ready = { .fd = l->end, .events = POLLIN };
	struct answer answer;

	if (send(l->end, &process->thread, sizeof(process->thread), MSG_NOSIGNAL) <= 0 ||
	    poll(&ready, 1, child_patience(l->silent_count)) <= 0 ||
	    recv(l->end, &answer, sizeof(answer), 0) != sizeof(answer))
		return false;
	*wants = answer.wants;
	l->known_as = answer.known_as;
	l->error = 0;
	return true;
}

static bool is_silent(const struct looker *l, const struct process *process)
{
	for (size_t i = 0; i < l->silent_count; i++)
		if (l->silent[i].pid == process->pid && l->silent[i].started == process->started)
			return true;
	return false;
}

struct wants wanted_by(struct looker *l, const struct process *process)
{
	struct wants wants;

	if (!l->until)
		l->until = processes_now() + LONGEST_TICKS;
	if (is_silent(l, process))
		return (struct wants){ .known = false };
	if (processes_now() < l->until && has_child(l) && has_answered(l, process, &wants))
		return wants;
	end_child(l, true);
	if (process_is_there(process)) {
		l->silent = grown(l->silent, l->silent_count, sizeof(*process));
		l->silent[l->silent_count++] = *process;
	}
	return (struct wants){ .known = false };
}

void wanted_end(struct looker *l)
{
	struct process_names names = { .count = 0 };
	bool one = l->silent_count == 1;

	end_child(l, false);
	for (size_t i = 0; i < l->silent_count; i++)
		process_names_add(&names, l->silent[i].name, l->silent[i].pid);
	if (names.count)
		warnx("could not look at %zu running program%s (%s): %s; restart %s if %s rule has changed",
		      names.count, one ? "" : "s", names.text,
		      l->error ? strerror(l->error) : "a file system does not answer", one ? "it" : "them",
		      one ? "its" : "their");
	free(l->silent);
}

bool wanted_is(const struct wanted *w, const struct membership *place)
{
	if (!w->rule || w->refused || !*w->class)
		return place->place == PLACE_ROOT;
	return place->place == PLACE_CLASS && !place->locked && !strcmp(place->class, w->class);
}

/* A start would leave it where it is. */
static bool stays(const struct wanted *w, const struct membership *place)
{
	bool held = place->locked || place->place == PLACE_OTHER || place->place == PLACE_UNKNOWN;

	return !w->rule || w->refused || held || (wanted_is(w, place) && !w->locked);
}

struct outside *wanted_outside(struct rules *rules, size_t *count)
{
	struct looker looker = { .now = rules };
	struct outside *outside = NULL;
	struct process_list list;

	*count = 0;
	processes_read(&list);
	for (size_t i = 0; i < list.count; i++) {
		const struct process *p = &list.items[i];
		struct wants wants = { .known = false };

		if (p->in_force)
			wants = wanted_by(&looker, p);
		if (!wants.known || stays(&wants.now, &p->place))
			continue;
		outside = grown(outside, *count, sizeof(*outside));
		outside[*count].process = *p;
		outside[*count].elsewhere = wants.now.elsewhere;
		strcpy(outside[(*count)++].class, wants.now.class);
	}
	processes_free(&list);
	wanted_end(&looker);
	return outside;
}
