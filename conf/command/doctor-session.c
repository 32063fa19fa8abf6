/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* doctor: the session that this command is run in, and others. */

#include "conf/command/child.h"
#include "conf/command/doctor.h"
#include "conf/command/search.h"
#include "conf/command/sudoers.h"
#include "conf/command/trial.h"
#include "conf/command/ways-in.h"
#include "conf/command/xsession.h"
#include "conf/contract/preload.h"
#include "conf/kernel/processes.h"
#include "conf/language/alloc.h"
#include "conf/language/begins.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

void look_at_privileges(struct doctor *d)
{
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		doctor_tell(
			d, RESULT_FAULT,
			"start programs from outside of the sandbox or unit that has set it "
			"(NoNewPrivileges=), or run the whole of it by 'netshim run'",
			"this session has no_new_privs: the helper gets no capability, and programs that have a class "
			"are not started from here");
	if (prctl(PR_CAPBSET_READ, CAP_DAC_OVERRIDE, 0, 0, 0) == 0)
		doctor_tell(d, RESULT_FAULT, "leave CAP_DAC_OVERRIDE in it (CapabilityBoundingSet=)",
			    "this session's bounding set has no CAP_DAC_OVERRIDE: programs that have a class are not "
			    "started from here");
	if (!doctor_is_in_first_namespace())
		doctor_tell(d, RESULT_FAULT,
			    "start programs from outside of it, or run the whole of it by 'netshim run'",
			    "this session is in a user namespace: the helper has no capability there");
	if (!d->finding_count)
		doctor_tell(d, RESULT_OK, NULL, "the helper gets its capability in this session");
}

/* --- the library */

#define GONE " (deleted)" /* behind the name of a file that was replaced */

/* The library that a line of proc_pid_maps(5) is about, in path, or false. */
static bool is_library(const char *line, char path[PATH_MAX], bool *is_current)
{
	const char *name = strchr(line, '/');
	size_t length = name ? strcspn(name, "\n") : 0;
	bool is_gone = length > strlen(GONE) && begins(name + length - strlen(GONE), GONE);
	unsigned long inode = 0;
	struct stat st;

	length -= is_gone ? strlen(GONE) : 0;
	if (!length || length >= PATH_MAX || !preload_is_ours(name, length) ||
	    sscanf(line, "%*s %*s %*s %*s %lu", &inode) != 1)
		return false;
	memcpy(path, name, length);
	path[length] = '\0';
	*is_current = !is_gone && !stat(path, &st) && st.st_ino == inode;
	return true;
}

/* Whether a process has it, and in the form that is installed now. */
enum holding { HOLDS_NONE, HOLDS_OLDER, HOLDS_CURRENT, HOLDS_UNSEEN };

static enum holding library_of(pid_t pid)
{
	int fd = process_open(pid, "maps");
	FILE *maps = fd < 0 ? NULL : fdopen(fd, "re");
	enum holding holding = maps ? HOLDS_NONE : HOLDS_UNSEEN;
	char path[PATH_MAX];
	char *line = NULL;
	size_t size = 0;
	bool is_current;

	while (maps && holding == HOLDS_NONE && getline(&line, &size, maps) > 0)
		if (is_library(line, path, &is_current))
			holding = is_current ? HOLDS_CURRENT : HOLDS_OLDER;
	free(line);
	if (maps)
		fclose(maps);
	return holding;
}

static uint8_t look_at_one(size_t question, const void *with)
{
	const pid_t *pid = with;

	(void)question;
	return (uint8_t)library_of(*pid);
}

static const char *name_of(pid_t pid)
{
	static char name[32];
	int fd = process_open(pid, "comm");
	ssize_t n = fd < 0 ? 0 : read(fd, name, sizeof(name) - 1);

	if (fd >= 0)
		close(fd);
	name[n > 0 ? n - 1 : 0] = '\0';
	return name;
}

/* The form of LD_PRELOAD: one library for each kind of program, or one for all. */
static void tell_form(struct doctor *d)
{
	const char *end = d->preload + strlen(d->preload);

	if (!preload_has_ours(d->preload, end, PRELOAD_VARIABLE) && strstr(d->preload, PRELOAD_NAME))
		doctor_tell(d, RESULT_FAULT, "log in anew, or set it to '" PRELOAD_WORD "'",
			    "LD_PRELOAD has another netshim's library (%s)", d->preload);
	else if (!strstr(d->preload, PRELOAD_WORD))
		doctor_tell(d, RESULT_NOTE, "set it to '" PRELOAD_WORD "', as 'netshim enable' does",
			    "LD_PRELOAD names one library (%s): loaders of other programs, such as those of 32 bits, "
			    "complain of it, and what these start is not seen",
			    d->preload);
}

/* Tells whether programs that the shell starts have the library. */
static bool is_given_on(const struct doctor *d)
{
	return (d->preload && strstr(d->preload, PRELOAD_NAME)) || trial_is_in_preload();
}

/* Tells whether the next session of the shell's user has it. Behind sudo, that is somebody else:
 * what is in a user's home, root does not look at. */
static bool is_enabled(const struct doctor *d)
{
	const struct passwd *user = getpwuid(getuid());
	char *folder = printed("/proc/%d", d->caller);
	struct stat st;
	bool own = !stat(folder, &st) && st.st_uid == getuid();

	free(folder);
	return (own && ways_state(WAY_USER, user) == WAY_OPEN) || ways_state(WAY_LOGIN, user) == WAY_OPEN;
}

/* Users may not see what such a process runs, as it is not dumpable (commit_creds in the kernel): its
 * name tells. One that is set-user-ID to root, as su, has PAM make an environment. */
static bool is_set_group_id(const struct process *p)
{
	char *exe = printed("/proc/%d/exe", p->pid);
	const char *program;
	struct statx st = { .stx_mode = 0 };
	/* Of a file system that may never answer, what the kernel knows is enough. */
	bool is_seen = !statx(AT_FDCWD, exe, AT_STATX_DONT_SYNC, STATX_MODE, &st);

	free(exe);
	if (!is_seen && !strchr(p->name, '/')) {
		program = search_command(p->name);
		is_seen = program && !statx(AT_FDCWD, program, AT_STATX_DONT_SYNC, STATX_MODE, &st);
	}
	return is_seen && S_ISREG(st.stx_mode) && st.stx_mode & S_ISGID && !(st.stx_mode & S_ISUID);
}

#define AGENT "ssh-agent"

/* It becomes what it is to start, and a child of that is the agent. One that was started for itself is
 * a child of who takes in orphans. */
static const struct process *agent_of(const struct process_list *list, const struct process *parent)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct process *p = &list->items[i];

		if (p->parent == parent->pid && !strcmp(p->name, AGENT) && is_set_group_id(p))
			return p;
	}
	return NULL;
}

/* Beneath which program the shell is that has ld.so(8) drop LD_PRELOAD, by its name and pid; or "". */
static struct process_names dropper_of(pid_t shell)
{
	struct process_names dropper = { .count = 0 };
	const struct process *p;
	struct process_list list;

	processes_read(&list);
	for (p = processes_find(&list, shell); p && p->pid != 1 && !dropper.count; p = processes_parent(&list, p)) {
		const struct process *agent = strcmp(p->name, "systemd") != 0 ? agent_of(&list, p) : NULL;

		if (agent || is_set_group_id(p))
			process_names_add(&dropper, agent ? agent->name : p->name, agent ? agent->pid : p->pid);
	}
	processes_free(&list);
	return dropper;
}

/* So are sessions where systemd is not told of them by PAM. */
static bool is_service_of_system(const struct doctor *d)
{
	char text[4096] = "";
	int fd = process_open(d->caller, "cgroup");

	if (fd < 0)
		return false;
	if (read(fd, text, sizeof(text) - 1) < 0)
		*text = '\0';
	close(fd);
	return strstr(text, ":/system.slice/");
}

#define IN_THIS_SHELL "in this shell: export LD_PRELOAD='" PRELOAD_WORD "' and then exec bash"

static void tell_without(struct doctor *d, const char *who)
{
	struct process_names dropper = dropper_of(d->caller);
	bool is_agent = begins(dropper.text, AGENT " ");
	char *why = dropper.count
			    ? printed("; it is beneath %s, which is set-group-ID: the loader drops LD_PRELOAD there",
				      dropper.text)
			    : copied("");
	const char *to_do = "log in anew, as 'netshim enable' has been run; or " IN_THIS_SHELL;

	if (is_service_of_system(d))
		to_do = "a service of the system has it by 'netshim enable --system', or by this in its unit: "
			"Environment='LD_PRELOAD=" PRELOAD_WORD "'; a session by 'netshim enable' and the next login";
	else if (!is_enabled(d))
		to_do = "run 'netshim enable', then log in anew";
	else if (is_agent && xsession_drops_variable())
		to_do = "install netshim again, which puts " XSESSION_OURS " there, and log in anew; or " IN_THIS_SHELL;
	else if (is_agent)
		to_do = "log in anew, if it is an X11 session's; have your own start 'env LD_PRELOAD=" PRELOAD_WORD
			" bash'; or " IN_THIS_SHELL;
	else if (dropper.count)
		to_do = "have it start 'env LD_PRELOAD=" PRELOAD_WORD " bash', as logging in anew does not help; "
			"or " IN_THIS_SHELL;
	doctor_tell(d, RESULT_FAULT, to_do,
		    "%s has not the library, and gives it to nothing that it starts: that is in no class%s", who, why);
	free(why);
}

void look_at_shell(struct doctor *d)
{
	uint8_t library;
	int error;
	char *who = printed("%s (process %d), which has started this,", name_of(d->caller), d->caller);

	error = child_ask(&library, 1, look_at_one, &d->caller);
	if (error)
		doctor_tell(d, RESULT_NOTE, DOCTOR_DESCRIPTORS, "%s could not be looked at: %s", who, strerror(error));
	else if (library == HOLDS_UNSEEN || library == CHILD_SILENT)
		doctor_tell(d, RESULT_UNSEEN, NULL, "%s cannot be looked at", who);
	else if (library != HOLDS_NONE)
		doctor_tell(d, RESULT_OK, NULL, "%s has the library", who);
	else if (is_given_on(d))
		doctor_tell(d, RESULT_NOTE, "start a shell in it ('exec bash'), or log in anew",
			    "%s has not the library in itself, only what it starts has: a static, setuid or "
			    "set-capability program that it starts is in no class",
			    who);
	else
		tell_without(d, who);
	if (d->preload && strstr(d->preload, PRELOAD_NAME))
		tell_form(d);
	free(who);
}

static void look_at_enabled(struct doctor *d)
{
	static const struct {
		enum way_in_kind kind;
		const char *whose;
	} kinds[] = {
		{ WAY_USER, "this user's sessions and user manager (--user)" },
		{ WAY_LOGIN, "all who log in, by PAM (--login)" },
		{ WAY_SUDO, "what sudo starts" },
		{ WAY_SYSTEM, "every dynamic program, by " PRELOAD_FILE " (--system)" },
	};
	const struct passwd *user = getpwuid(getuid());
	struct named open = { .count = 0 };
	struct named unknown = { .count = 0 };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		enum way_state state = ways_state(kinds[i].kind, user);

		if (state == WAY_OPEN)
			named_add(&open, kinds[i].whose);
		else if (state == WAY_UNKNOWN)
			named_add(&unknown, kinds[i].whose);
	}
	if (open.count)
		doctor_tell(d, RESULT_OK, NULL,
			    "from the next login on, or by " PRELOAD_FILE " at once, it is loaded by %s", open.text);
	else
		doctor_tell(
			d, is_given_on(d) ? RESULT_NOTE : RESULT_FAULT, "run 'netshim enable'",
			"netshim enable has not been run for this user's sessions, nor for all: what is started from "
			"those that do not load the library by another way is in no class");
	if (unknown.count)
		doctor_tell(d, RESULT_UNSEEN, NULL, "only root can see whether it is loaded by %s", unknown.text);
	if (open.count && ways_state(WAY_SYSTEM, user) != WAY_OPEN && xsession_drops_variable())
		doctor_tell(
			d, RESULT_NOTE, "install netshim again, which puts " XSESSION_OURS " there",
			"X11 sessions are beneath ssh-agent, which drops LD_PRELOAD: what is started in them is in no "
			"class");
}

static void look_at_sudo(struct doctor *d)
{
	char *line;

	if (!sudoers_is_there()) {
		doctor_tell(d, RESULT_OK, NULL, "there is none");
		return;
	}
	if (doctor_is_blind(d, "whether it follows what it starts"))
		return;
	line = sudoers_traces();
	if (line)
		doctor_tell(d, RESULT_FAULT, "add this line behind it: " SUDOERS_NOT_TRACED, "%s: " SUDOERS_TRACED,
			    line);
	else
		doctor_tell(d, RESULT_OK, NULL, "it follows nothing that it starts by ptrace");
	free(line);
}

static bool has_argument(pid_t pid, const char *argument)
{
	char text[512] = "";
	int fd = process_open(pid, "cmdline");
	ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	bool has = false;

	if (fd >= 0)
		close(fd);
	for (const char *word = text; !has && word < text + size; word += strlen(word) + 1)
		has = !strcmp(word, argument);
	return has;
}

/* Reading of a process's memory waits as long as that is being changed, which a file system of its user's
 * can make last for ever (mmap_lock in the kernel, fuse_vma_close in its fs/fuse/file.c). So a child looks, once
 * for all checks. */
struct looked {
	struct process_list list;
	uint8_t *libraries; /* of each, an enum holding or CHILD_SILENT */
	int error;	    /* why nobody could look, or 0 */
};

#define IS_MANAGER 0x10 /* besides */

static uint8_t look_at_process(size_t question, const void *with)
{
	const struct process_list *list = with;
	const struct process *p = &list->items[question];
	bool manager = !strcmp(p->name, "systemd") && has_argument(p->pid, "--user");

	return (uint8_t)(library_of(p->pid) | (manager ? IS_MANAGER : 0));
}

static const struct looked *look_at_all(void)
{
	static struct looked all;

	if (all.libraries)
		return &all;
	processes_read(&all.list);
	all.libraries = zalloc(all.list.count + 1);
	all.error = child_ask(all.libraries, all.list.count, look_at_process, &all.list);
	return &all;
}

static bool is_manager(const struct looked *all, size_t at)
{
	return all->libraries[at] != CHILD_SILENT && all->libraries[at] & IS_MANAGER;
}

static enum holding holding_of(const struct looked *all, size_t at)
{
	return all->libraries[at] == CHILD_SILENT ? HOLDS_UNSEEN : (enum holding)(all->libraries[at] & ~IS_MANAGER);
}

/* What systemd's manager of a user hands to what it starts need not be in its own environment:
 * it reads environment.d by itself, once, when it starts. So what it has started tells. Its first
 * child, (sd-pam), is a copy of itself. */
static enum holding library_given_by(const struct looked *all, pid_t manager)
{
	enum holding given = HOLDS_UNSEEN;

	for (size_t i = 0; i < all->list.count; i++) {
		const struct process *p = &all->list.items[i];
		enum holding its = p->pid == manager || (p->parent == manager && strcmp(p->name, "(sd-pam)") != 0)
					   ? holding_of(all, i)
					   : HOLDS_UNSEEN;

		if (its == HOLDS_OLDER || its == HOLDS_CURRENT)
			return its;
		if (its == HOLDS_NONE && p->pid != manager)
			given = HOLDS_NONE;
	}
	return given;
}

static void look_at_managers(struct doctor *d)
{
	const struct looked *all = look_at_all();
	struct process_names without = { .count = 0 };
	size_t given = 0;

	for (size_t i = 0; i < all->list.count; i++) {
		const struct process *p = &all->list.items[i];
		enum holding library = is_manager(all, i) ? library_given_by(all, p->pid) : HOLDS_UNSEEN;

		if (library == HOLDS_NONE)
			process_names_add(&without, p->name, p->pid);
		given += library == HOLDS_OLDER || library == HOLDS_CURRENT;
	}
	if (without.count)
		doctor_tell(d, RESULT_NOTE,
			    "end all sessions of that user and log in anew, after 'netshim enable' if that has not "
			    "been run",
			    "%zu user manager%s the library to nothing that is started (%s): what menus, timers and "
			    "services of users start is in no class",
			    without.count, without.count == 1 ? " gives" : "s give", without.text);
	else
		doctor_tell(d, RESULT_OK, NULL,
			    given ? "what user managers start has the library"
				  : "no user manager is seen to start programs without it");
}

static void look_at_library(struct doctor *d)
{
	char *changeable = ways_changeable();
	char *closed = ways_closed();

	if (changeable)
		doctor_tell(d, RESULT_FAULT, "make it root's, and writable by nobody else",
			    "others than root can change %s, and with it what root's programs do", changeable);
	else if (closed)
		doctor_tell(d, RESULT_FAULT, printed("chmod 755 %s", closed),
			    "not all users may read %s: what they start is in no class", closed);
	else
		doctor_tell(d, RESULT_OK, NULL, "the library is root's, for everybody to read");
	free(changeable);
	free(closed);
}

/* Each loader of the machine, those of 32 bits and of musl too, by a program that it starts. */
static void look_at_loaders(struct doctor *d)
{
	char *other;
	char *wrong = trial_of_variable(&other);

	if (wrong)
		doctor_tell(d, RESULT_FAULT, "install netshim again",
			    "a program does not start, or complains, with the library '" PRELOAD_WORD "': %s", wrong);
	if (other)
		doctor_tell(d, RESULT_NOTE,
			    "install the library for them: with Debian packages, libnetshim of their architecture",
			    "programs of some loaders do not load the library, and what they start is in no class: %s",
			    other);
	if (!wrong && !other)
		doctor_tell(d, RESULT_OK, NULL, "programs of each loader here start with the library");
}

static void look_at_older(struct doctor *d)
{
	const struct looked *all = look_at_all();
	struct process_names older = { .count = 0 };
	struct process_names silent = { .count = 0 };

	for (size_t i = 0; i < all->list.count; i++) {
		const struct process *p = &all->list.items[i];

		if (holding_of(all, i) == HOLDS_OLDER)
			process_names_add(&older, p->name, p->pid);
		if (all->libraries[i] == CHILD_SILENT && process_is_there(p))
			process_names_add(&silent, p->name, p->pid);
	}
	if (silent.count && all->error)
		doctor_tell(d, RESULT_NOTE, DOCTOR_DESCRIPTORS, "could not look at %zu running program%s: %s",
			    silent.count, silent.count == 1 ? "" : "s", strerror(all->error));
	else if (silent.count)
		doctor_tell(d, RESULT_NOTE, "look at what runs there; who has started it may hold it so, or end it",
			    "could not look at %zu running program%s (%s): a file system of its user's does not "
			    "answer, or it has stopped while its memory is changed",
			    silent.count, silent.count == 1 ? "" : "s", silent.text);
	if (older.count)
		doctor_tell(
			d, RESULT_NOTE, "log in anew, or restart them, when it suits",
			"%zu process%s a library that has been replaced since (%s): it works, but does not know what "
			"is new",
			older.count, older.count == 1 ? " has" : "es have", older.text);
	else if (!silent.count)
		doctor_tell(d, RESULT_OK, NULL, "no process%s has a library that was replaced since",
			    d->root ? "" : " of this user");
}

const struct check checks_session[] = {
	{ "privileges", look_at_privileges },
	{ "shell", look_at_shell },
	{ "enabled", look_at_enabled },
	{ "sudo", look_at_sudo },
	{ "user managers", look_at_managers },
	{ "library", look_at_library },
	{ "loaders", look_at_loaders },
	{ "older library", look_at_older },
	{ NULL, NULL },
};
