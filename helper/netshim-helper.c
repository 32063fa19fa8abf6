/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim-helper: moves its own process into a program's class, then becomes
 * that program. The only privileged code of netshim. Any local user may run it
 * with anything.
 *
 * 1. The capability MUST be effective around one openat and never else; before
 *    anything is written it MUST be gone, and that is read back.
 * 2. It MUST move nothing but itself, by writing "0".
 * 3. It MUST NOT take a class or a location from arguments, environment or
 *    descriptors: the rules file at its fixed place, owned by root, says which
 *    class the target has. (`netshim run` names a class; the rules file says
 *    whether it exists and whom it is for.)
 * 4. It MUST write to a cgroup file system only.
 * 5. It MUST leave who is in a locked class or in another tool's group there.
 * 6. The target MUST get the caller's arguments, environment, descriptors, death
 *    signal, personality and stack limit as they were.
 * 7. What cannot be classified MUST NOT be started, unless its class says
 *    on-error = allow.
 */

#include "conf/match.h"
#include "conf/process.h"
#include "conf/rules.h"
#include "conf/sys.h"
#include "helper/start.h"

#include <linux/capability.h>
#include <linux/magic.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/vfs.h>

#define TRIES_MAX 20

enum action { START, MOVE, FAIL };

struct job {
	struct request request;
	const char *path;
	char *const *argv;
	char **envp;
	char run[CLASS_NAME_MAX + 1];

	char class[CLASS_NAME_MAX + 1]; /* "" is the root class */
	bool into_locked;
	bool allow;	     /* on-error = allow */
	const char *problem; /* why it cannot be classified, and what to do */
};

__attribute__((noreturn)) static void quit(int code)
{
	for (;;)
		SYS(SYS_exit_group, code, 0, 0, 0, 0);
}

__attribute__((noreturn)) static void fail(int code, const char *path, const char *class, const char *what)
{
	char text[1024];
	char *end = text;
	char *limit = text + sizeof(text) - 1;

	str_append(&end, limit, "netshim: ");
	/* Room is left for the reason, whatever the length of the path. */
	str_append(&end, text + 700, path);
	str_append(&end, limit, ": not started");
	if (*class) {
		str_append(&end, limit, " (class ");
		str_append(&end, limit, class);
		str_append(&end, limit, ")");
	}
	str_append(&end, limit, ": ");
	str_append(&end, limit, what);
	str_printable(text);
	*end++ = '\n';
	sys_write(2, text, (size_t)(end - text));
	quit(code);
}

static const char *exec_error(int err)
{
	switch (err) {
	case -ENOENT:
		return "no such file, or its interpreter is missing";
	case -EACCES:
		return "permission denied";
	case -ENOEXEC:
		return "not in a format that the kernel can execute";
	case -ETXTBSY:
		return "the file is open for writing";
	case -E2BIG:
		return "arguments and environment are too large";
	case -ELOOP:
		return "too many symbolic links or interpreters";
	case -ENOTDIR:
		return "a part of the path is not a directory";
	case -ENOMEM:
		return "out of memory";
	default:
		return "the kernel would not execute it";
	}
}

/* Root's own helper process has every capability effective, as any program of
 * root's: there is nothing to raise then, nor to drop. */
static bool set_capability(bool effective)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct caps[2];

	if (SYS(SYS_capget, &header, caps, 0, 0, 0))
		return false;
	/* The inheritable set is the target's. */
	caps[0].permitted = caps[0].effective = effective ? CAP_TO_MASK(CAP_DAC_OVERRIDE) : 0;
	caps[1].permitted = caps[1].effective = 0;
	if (SYS(SYS_capset, &header, caps, 0, 0, 0))
		return false;
	if (effective)
		return true;
	return !SYS(SYS_capget, &header, caps, 0, 0, 0) && !caps[0].permitted && !caps[0].effective &&
	       !caps[1].permitted && !caps[1].effective;
}

static bool is_privileged(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct caps[2];

	return !SYS(SYS_capget, &header, caps, 0, 0, 0) && (caps[0].effective & CAP_TO_MASK(CAP_DAC_OVERRIDE));
}

static bool on_cgroup_fs(int fd)
{
	struct statfs fs;

	return !SYS(SYS_fstatfs, fd, &fs, 0, 0, 0) && fs.f_type == CGROUP_SUPER_MAGIC;
}

/* Opens the tasks file of the job's class; -errno where it cannot. There are no
 * symlinks to be led astray by beneath a cgroup-v1 root, and what leads to it is
 * root's. */
static int open_tasks(const struct job *job, const char *hierarchy)
{
	bool privileged = is_privileged();
	char path[RULE_PATH_MAX];
	char *end = path;
	char *limit = path + sizeof(path);
	int fd = -EACCES;

	str_append(&end, limit, hierarchy);
	if (*job->class) {
		str_append(&end, limit, "/" NETSHIM_GROUP "/");
		str_append(&end, limit, job->class);
		str_append(&end, limit, job->into_locked ? "/locked" : "");
	}
	str_append(&end, limit, "/tasks");
	if (end + 1 == limit)
		return -ENAMETOOLONG;
	if (privileged || set_capability(true))
		fd = sys_openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	if (!privileged && !set_capability(false)) {
		/* Before a word is said: it may have become descriptor 2. */
		sys_close(fd);
		fail(EXIT_REFUSED, job->path, job->class, "the helper could not drop its capability");
	}
	return fd;
}

/* Moves this process into the job's class. Returns 0 or -errno. */
static int move(const struct job *job, const char *hierarchy)
{
	int fd = open_tasks(job, hierarchy);
	long n;

	if (fd < 0)
		return fd;
	n = on_cgroup_fs(fd) ? sys_write(fd, "0", 1) : -EPERM;
	sys_close(fd);
	return n < 0 ? (int)n : 0;
}

static enum action problem(struct job *job, const char *why)
{
	job->problem = why;
	return FAIL;
}

/* Fills in the job's class from the rule for its path. */
static enum action decide_exec(struct job *job, const struct rules *rules, const struct membership *now)
{
	struct rules_slot rule;
	struct rules_class class;

	if (match_program(rules, job->request.dirfd, job->path, job->request.flags, true, &rule) <= 0)
		return START;
	job->class[0] = '\0';
	if (rule.class_index == RULES_CLASS_NONE)
		return now->place == PLACE_CLASS && !now->locked ? MOVE : START;
	if (!rules_class(rules, rule.class_index, &class, job->class))
		return problem(job, "the rules file is damaged; run 'netshim reload' as root");
	job->allow = class.flags & CLASS_ON_ERROR_ALLOW;
	job->into_locked = class.flags & CLASS_LOCK;
	if (now->locked)
		return START;
	if (!rules_users_include_caller(rules, &class.users))
		return problem(job, "this user is not among the users of the class");
	if (now->place == PLACE_CLASS && str_equal(now->class, job->class) && !job->into_locked)
		return START;
	return MOVE;
}

/* Fills in the class that `netshim run` asked for. */
static enum action decide_run(struct job *job, const struct rules *rules, const struct membership *now)
{
	struct rules_class class;
	uint32_t index;
	char *end = job->class;

	str_append(&end, job->class + sizeof(job->class), job->run);
	job->into_locked = true;
	if (now->locked && str_equal(now->class, job->class))
		return START;
	if (now->locked)
		return problem(job, "already assigned to a locked class, which nothing leaves");
	if (!rules_class_named(rules, job->run, &index, &class))
		return problem(job, "there is no such class; 'netshim status' lists them");
	if (!rules_users_include_caller(rules, &class.users))
		return problem(job, "this user is not among the users of the class");
	return MOVE;
}

static const char *move_error(int err)
{
	switch (err) {
	case -EACCES:
		return "the helper may not enter it: it has no capability here (run 'netshim grant' as root), or this "
		       "process may gain none (no_new_privs, a tracer, a nosuid mount, a user namespace)";
	case -ENOENT:
	case -ENODEV:
		return "its control group is missing; run 'netshim reload' as root";
	case -EMFILE:
	case -ENFILE:
		return "no file descriptor is free";
	default:
		return "the kernel would not move this process into its control group";
	}
}

/* Reads the rules and decides. Nothing is open any more when it returns, so that a
 * caller short of descriptors needs one for each step and no more. */
static enum action decide(struct job *job, struct rules *rules, char hierarchy[RULE_PATH_MAX])
{
	struct membership now;
	enum action action;
	bool trusted;
	int err;

	process_membership(&now);
	err = rules_open(rules, true);
	if (err == -ENOENT)
		return job->request.run ? problem(job, "netshim is not up; run 'netshim up' as root") : START;
	trusted = !err;
	/* Not root's, as in a user namespace: only to learn what on-error says. */
	if (err == -EACCES)
		err = rules_open(rules, false);
	if (err)
		return problem(job, "the rules file is damaged; run 'netshim reload' as root");
	action = job->request.run ? decide_run(job, rules, &now) : decide_exec(job, rules, &now);
	if (action == MOVE && !rules_string(rules, rules->header.hierarchy, hierarchy, RULE_PATH_MAX))
		action = problem(job, "the rules file is damaged; run 'netshim reload' as root");
	rules_close(rules);
	if (action != MOVE)
		return action;
	if (!trusted)
		return problem(job, "the rules file is not root's here (a user namespace?)");
	if (now.place == PLACE_OTHER)
		return problem(job, "this process is in another tool's net_cls group, which netshim leaves alone");
	if (now.place == PLACE_UNKNOWN || process_cgroup_namespace() != rules->header.cgroup_namespace)
		return problem(job,
			       "cannot tell the class of this process: it is in another cgroup namespace, or has no "
			       "/proc");
	return MOVE;
}

/* Classifies this process. Returns START where it is where it must be; MOVE where
 * a reload has come between, and all of it must be done again. */
static enum action classify(struct job *job)
{
	char hierarchy[RULE_PATH_MAX];
	struct rules rules = { .fd = -1 };
	enum action action = decide(job, &rules, hierarchy);
	int err;

	if (action != MOVE)
		return action;
	err = move(job, hierarchy);
	/* The class may have been emptied just before this process came into it. */
	if (!err)
		return rules_current(&rules) ? START : MOVE;
	job->problem = move_error(err);
	/* ENODEV: its folder went between opening and writing. */
	return err == -ENOENT || err == -ENODEV ? MOVE : FAIL;
}

/* Starts the helper again: the capability is gone for good in this one. Returns
 * where that has been tried often enough. */
static void start_again(struct job *job)
{
	static char text[REQUEST_MAX];

	if (++job->request.tries > TRIES_MAX)
		return;
	request_write(&job->request, text);
	job->envp[-REQUEST_STRINGS] = text;
	sys_execve(NETSHIM_HELPER, job->argv, job->envp - REQUEST_STRINGS);
}

/* Gives back what a set-capability exec takes (commit_creds and begin_new_exec
 * in the kernel): none of it needs privilege. */
static void restore_state(const struct request *r)
{
	uint64_t limit[2];

	if (r->pdeathsig) {
		SYS(SYS_prctl, PR_SET_PDEATHSIG, r->pdeathsig, 0, 0, 0);
		/* The parent may have died while it was not set. */
		if (SYS(SYS_getppid, 0, 0, 0, 0, 0) != r->parent)
			SYS(SYS_kill, SYS(SYS_getpid, 0, 0, 0, 0, 0), r->pdeathsig, 0, 0, 0);
	}
	SYS(SYS_personality, r->personality, 0, 0, 0, 0);
	if (!SYS(SYS_prlimit64, 0, RLIMIT_STACK, 0, limit, 0) && limit[0] != r->stack && r->stack <= limit[1]) {
		limit[0] = r->stack;
		SYS(SYS_prlimit64, 0, RLIMIT_STACK, limit, 0, 0);
	}
	if (r->cloexec && r->dirfd != AT_FDCWD)
		SYS(SYS_fcntl, r->dirfd, F_SETFD, FD_CLOEXEC, 0, 0);
}

/* Marks the environment so that the shim in the target does not come back. */
static void mark_unclassified(struct job *job)
{
	static char mark[sizeof(UNCLASSIFIED_NAME) + 24];
	char *end = mark;
	size_t count = 0;
	char **envp;

	while (job->envp[count])
		count++;
	envp = sys_map((count + 2) * sizeof(*envp));
	if (!envp)
		fail(EXIT_REFUSED, job->path, job->class, "out of memory");
	for (size_t i = 0; i < count; i++)
		envp[i] = job->envp[i];
	str_append(&end, mark + sizeof(mark), UNCLASSIFIED_NAME);
	str_append_number(&end, mark + sizeof(mark), (uint64_t)SYS(SYS_getpid, 0, 0, 0, 0, 0));
	envp[count] = mark;
	job->envp = envp;
}

__attribute__((noreturn)) static void start(const struct job *job)
{
	const struct request *r = &job->request;
	int err;

	restore_state(r);
	if (r->dirfd == AT_FDCWD && !r->flags)
		err = sys_execve(job->path, job->argv, job->envp);
	else
		err = sys_execveat(r->dirfd, job->path, job->argv, job->envp, r->flags);
	fail(err == -ENOENT || err == -ENOTDIR ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, job->path, "", exec_error(err));
}

void helper_main(uintptr_t *stack)
{
	uintptr_t argc = stack[0];
	struct job job = { .argv = (char *const *)(stack + 1), .envp = (char **)(stack + argc + 2) };
	enum action action;

	if (!argc || !request_read(&job.request, job.envp[0], job.run) || !job.envp[1])
		fail(EXIT_REFUSED, "netshim-helper", "",
		     "it is for libnetshim.so and 'netshim run', not to be run by hand");
	job.path = job.envp[1];
	job.envp += REQUEST_STRINGS;
	action = classify(&job);
	if (action == MOVE)
		start_again(&job);
	if (action != START) {
		if (!job.problem)
			job.problem = "the rules change too fast; try again";
		if (!job.allow)
			fail(EXIT_REFUSED, job.path, job.class, job.problem);
		process_log(job.path, "started unclassified", job.class, job.problem);
		mark_unclassified(&job);
	}
	start(&job);
}
