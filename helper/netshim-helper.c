/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim-helper: moves its own process into a program's class, then becomes
 * that program. With netshim-netns, all of netshim's privileged code. Any local user
 * may run it with anything. What it must keep to, and the tests that see to it:
 *
 * 1. The capability MUST be effective around one openat and never else; before
 *    anything is written it MUST be gone, and that is read back.
 *    attack.t: the capability is effective around one open; where it cannot drop
 * 2. It MUST move nothing but itself, by writing "0".
 *    attack.t: the only write is a 0
 * 3. It MUST NOT take a class or a location from arguments, environment or
 *    descriptors: the rules file at its fixed place, owned by root, says which class the
 *    target has. (`netshim run` names a class; it says whether there is one, and for whom.)
 *    attack.t: it opens its rules file; the helper listens to none of them; no such
 *    class; nor one that is for others.  safety.t: a rules file that others may write
 * 4. It MUST write to a cgroup file system only.
 *    attack.t: fake rules and a fake tasks file
 * 5. It MUST leave who is in a locked class or in another tool's group there.
 *    safety.t: locked classes; another tool's group.  attack.t: a locked process
 * 6. The target MUST get the caller's arguments, environment, descriptors, death
 *    signal, personality and stack limit as they were.  exec.t: nobody can tell
 * 7. What cannot be classified MUST NOT be started, unless its class says
 *    on-error = allow.  attack.t: on-error decides.  safety.t: no capability
 * 8. The file that it decides about MUST be the one that runs, even where a name leads
 *    elsewhere meanwhile. (A loader run by hand opens it once more by its name.)  swap.t
 * 9. It MUST NOT tell what its caller could not find out.
 *    attack.t: whether a file is in a closed folder
 * 10. It MUST move into a class with a network namespace only who is in that one, and
 *    start whom netshim-netns has put there in that class or not at all.
 *    netns.t: the helper by hand moves nobody who is outside; a program that is swapped
 */

#include "conf/contract/match.h"
#include "conf/contract/netns.h"
#include "conf/contract/process.h"
#include "conf/contract/rules.h"
#include "conf/contract/start.h"
#include "conf/contract/sys.h"
#include "helper/privilege.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#define TRIES_MAX 20
/* The path of a tasks file always fits. */
#define TASKS_MAX (sizeof(CGROUP_MOUNT "/" NETSHIM_GROUP "//locked/tasks") + CLASS_NAME_MAX)
static const char no_descriptor[] = "too few file descriptors are free; three are always enough";
static const char not_for_user[] = "this user is not among the users of the class";
static const char no_class[] = "cannot tell the class of this process: net_cls is not mounted (run 'netshim up' as "
			       "root), or it is in another cgroup namespace, or has no /proc";
static const char newer[] = "the rules file was made by a newer netshim; run 'netshim reload' as root";
static const char older[] = "the rules file was made by an older netshim; run 'netshim reload' as root";
static const char by_hand[] = "it is for libnetshim.so and 'netshim run', not to be run by hand";
static const char no_program[] = "cannot execute " NETSHIM_HELPER " or " NETSHIM_NETNS "; install netshim again";
static const char swapped[] = "the rules, the program or the network namespace has changed meanwhile; try again";
static const char foreign[] = "the library in the program that starts this one is of another netshim; log in anew";

enum action { START, MOVE, ENTER, FAIL };

struct job {
	struct request request;
	const char *path;
	char *const *argv;
	char **envp;
	char run[CLASS_NAME_MAX + 1];
	char mark[sizeof(DECIDED_NAME) + 24];
	int fd; /* the target, where its path may lead elsewhere by now; or -1 */

	char class[CLASS_NAME_MAX + 1]; /* "" is the root class */
	char netns[NETNS_NAME_MAX + 1]; /* its network namespace, or "" */
	bool into_locked;
	bool allow;	     /* on-error = allow */
	const char *problem; /* why it cannot be classified, and what to do */
};

__attribute__((noreturn)) static void fail_exec(const struct job *job, int err)
{
	bool missing = err == -ENOENT || err == -ENOTDIR;
	const char *what = "the kernel would not execute it";

	if (missing)
		what = "no such file, or its interpreter is missing";
	else if (err == -EACCES)
		what = "permission denied";
	else if (err == -ENOEXEC)
		what = "not in a format that the kernel can execute";
	else if (no_descriptor_free(err))
		what = no_descriptor;
	fail(missing ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, job->path, "", what);
}

/* Opens the tasks file of the job's class; -errno where it cannot. Nothing can lead
 * it elsewhere: there are no symlinks beneath a cgroup-v1 root, and the path to that
 * is root's. */
static int open_tasks(const struct job *job)
{
	const uint32_t needed = CAP_TO_MASK(CAP_DAC_OVERRIDE);
	struct __user_cap_data_struct caps[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
	/* Where the kernel has given none, a sandbox may refuse to set any. */
	bool capable = get_capabilities(caps) && (caps[0].permitted & needed);
	/* A process of root's has it effective already, and keeps it. */
	bool privileged = caps[0].effective & needed;
	char path[TASKS_MAX];
	char *end = path;
	char *limit = path + TASKS_MAX;
	int fd = -EACCES;

	str_append(&end, limit, *job->class ? CGROUP_MOUNT "/" NETSHIM_GROUP "/" : CGROUP_MOUNT);
	str_append(&end, limit, job->class);
	str_append(&end, limit, job->into_locked ? "/locked/tasks" : "/tasks");
	if (privileged || (capable && set_capabilities(caps, needed)))
		fd = sys_openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	if (capable && !privileged && !set_capabilities(caps, 0)) {
		/* Closed before the message: it may have become descriptor 2. */
		sys_close(fd);
		fail(EXIT_REFUSED, job->path, job->class, "the helper could not drop its capability");
	}
	return fd;
}

/* Moves this process into the job's class. Returns 0 or -errno. */
static int move(const struct job *job)
{
	int fd = open_tasks(job);
	struct statfs fs;
	long n = -EPERM;

	if (fd < 0)
		return fd;
	if (!SYS(SYS_fstatfs, fd, &fs, 0, 0, 0) && fs.f_type == CGROUP_SUPER_MAGIC)
		n = sys_write(fd, "0", 1);
	sys_close(fd);
	/* A sandbox may answer that nothing is written. */
	return n == 1 ? 0 : n < 0 ? (int)n : -EPERM;
}

static enum action problem(struct job *job, const char *why)
{
	job->problem = why;
	return FAIL;
}

static enum action not_understood(struct job *job, const struct rules *rules)
{
	return problem(job, rules->header.version < RULES_OLDEST ? older : newer);
}

/* For who is on the class's list. */
static enum action into_class(struct job *job, struct rules *rules, const struct rules_class *class)
{
	if (class->flags & CLASS_NETNS && !rules_string(rules, class->netns, job->netns, sizeof(job->netns)))
		return problem(job, rules_error(-EBADMSG));
	return MOVE;
}

/* Fills in the job's class from the rule for its path. */
static enum action decide_exec(struct job *job, struct rules *rules, const struct membership *now)
{
	struct rules_slot rule;
	struct rules_class class = { .flags = 0 };
	const struct request *r = &job->request;
	int found = match_open(rules, r->dirfd, job->path, r->flags, job->argv, &rule, &job->fd);

	if (no_descriptor_free(found) || found == -EPERM)
		return problem(job, found == -EPERM ? rules_error(found) : no_descriptor);
	/* What could not be looked at is not what has no rule: it may be there again when
	 * it is executed. */
	if (found < 0)
		fail_exec(job, found);
	if (!found)
		return START;
	job->class[0] = '\0';
	if (rule.class_index != RULES_CLASS_NONE && !rules_class(rules, rule.class_index, &class, job->class))
		return problem(job, rules_error(-EBADMSG));
	job->allow = class.flags & CLASS_ON_ERROR_ALLOW;
	job->into_locked = class.flags & CLASS_LOCK;
	if (!rules_understood(rule.flags, class.flags))
		return not_understood(job, rules);
	if (now->locked)
		return START;
	if (!*job->class)
		return now->place == PLACE_CLASS ? MOVE : START;
	if (!rules_users_include_caller(rules, &class.users))
		return problem(job, not_for_user);
	if (now->place == PLACE_CLASS && str_equal(now->class, job->class) && !job->into_locked)
		return START;
	return into_class(job, rules, &class);
}

/* Fills in the class that `netshim run` asked for. */
static enum action decide_run(struct job *job, struct rules *rules, const struct membership *now)
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
	if (!rules_readable(&rules->header))
		return not_understood(job, rules);
	if (!rules_class_named(rules, job->run, &index, &class))
		return problem(job, "there is no such class; 'netshim status' lists them");
	if (!rules_understood(0, class.flags))
		return not_understood(job, rules);
	if (!rules_users_include_caller(rules, &class.users))
		return problem(job, not_for_user);
	return into_class(job, rules, &class);
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
		return no_descriptor;
	default:
		return "the kernel would not move this process into its control group";
	}
}

/* For who is to be moved: whether this process is where the class's programs are. */
static enum action check_netns(struct job *job, const struct rules *rules)
{
	const struct request *r = &job->request;
	bool private = str_equal(job->netns, NETNS_PRIVATE);

	if (!*job->netns)
		return MOVE;
	if (private ? r->netns == NETNS_ENTERED && netns_is_private(rules->header.network_namespace)
		    : netns_is_named(job->netns))
		return MOVE;
	if (!r->netns)
		return ENTER;
	/* Whoever is in another's namespace starts nothing there. */
	job->allow = job->allow && r->netns != NETNS_ENTERED;
	if (no_descriptor_free(r->netns))
		return problem(job, no_descriptor);
	return problem(job, r->netns == NETNS_ENTERED ? swapped : netns_error(r->netns));
}

/* Reads the rules and decides. It closes everything before it returns, so that one
 * free descriptor is enough. */
static enum action decide(struct job *job, struct rules *rules)
{
	struct membership now;
	enum action action;
	int distrust;
	int err;

	job->netns[0] = '\0';
	process_membership(&now);
	err = rules_open(rules, true);
	if (err == -ENOENT)
		return job->request.run ? problem(job, "netshim is not up; run 'netshim up' as root") : START;
	distrust = err;
	/* Not root's alone, as in a user namespace: only to learn what on-error says. */
	if (err == -EOVERFLOW || err == -ETXTBSY)
		err = rules_open(rules, false);
	if (err)
		return problem(job, no_descriptor_free(err) ? no_descriptor : rules_error(err));
	action = job->request.run ? decide_run(job, rules, &now) : decide_exec(job, rules, &now);
	if (rules->damaged)
		action = problem(job, rules_error(rules->refused ? -EPERM : -EBADMSG));
	rules_close(rules);
	if (action != MOVE)
		return action;
	if (distrust)
		return problem(job, rules_error(distrust));
	if (now.place == PLACE_OTHER)
		return problem(job, "this process is in another tool's net_cls group, which netshim leaves alone");
	if (now.place == PLACE_UNKNOWN || process_namespace("cgroup") != rules->header.cgroup_namespace)
		return problem(job, no_class);
	return check_netns(job, rules);
}

/* Classifies this process. Returns START if the process is where it belongs, or MOVE
 * if a reload came in between and all must be done again. */
static enum action classify(struct job *job)
{
	struct rules rules = { .fd = -1 };
	enum action action = decide(job, &rules);
	enum rules_since since;
	int err;

	if (action != MOVE)
		return action;
	err = move(job);
	/* The class may have been emptied just before this process came into it, or closed
	 * to its user: then nothing is started there, whatever on-error says. */
	since = err ? RULES_OTHERS : rules_since(&rules, job->class);
	if (since == RULES_FORBID)
		fail(EXIT_REFUSED, job->path, job->class, not_for_user);
	if (!err)
		return since == RULES_SAME ? START : MOVE;
	job->problem = move_error(err);
	/* ENODEV: its folder was removed between opening and writing. EACCES: it has no capability. */
	return err == -ENOENT || err == -ENODEV || (err == -EACCES && may_gain_again(job->request.tries)) ? MOVE : FAIL;
}

/* Starts the helper again, as the capability is gone for good in this one, or what
 * comes back to it from the namespace. Returns where that has been tried often enough. */
static void start_again(struct job *job, const char *program)
{
	char text[REQUEST_MAX];

	if (++job->request.tries > TRIES_MAX)
		return;
	request_write(&job->request, text);
	job->envp[-REQUEST_STRINGS] = text;
	sys_execve(program, job->argv, job->envp - REQUEST_STRINGS);
	job->problem = no_program;
}

/* Tells whether the shim may be in the target. */
static bool may_have_shim(const struct job *job)
{
	struct sys_file file;
	bool preload = job->request.start || !sys_stat(AT_FDCWD, "/etc/ld.so.preload", 0, &file);

	for (char **var = job->envp; *var && !preload; var++)
		preload = str_after(*var, "LD_PRELOAD=");
	return preload && !match_is_static(job->request.dirfd, job->path);
}

/* Marks the environment so that the shim in the target does not come back. */
static void mark_decided(struct job *job)
{
	char *end = job->mark;
	char *limit = job->mark + sizeof(job->mark);

	str_append(&end, limit, DECIDED_NAME);
	str_append_number(&end, limit, (uint64_t)SYS(SYS_getpid, 0, 0, 0, 0, 0));
	*--job->envp = job->mark;
}

__attribute__((noreturn)) static void start(const struct job *job)
{
	const struct request *r = &job->request;
	int err = -ENOENT;

	request_restore(r);
	if (r->loader)
		fail_exec(job, process_exec((int)(r->loader - 1), job->argv, job->envp));
	if (job->fd >= 0)
		err = process_exec(job->fd, job->argv, job->envp);
	/* ENOENT: a script's interpreter needs a name to open. */
	if ((err == -ENOENT || sys_execveat_refused()) && r->dirfd == AT_FDCWD && !r->flags)
		err = sys_execve(job->path, job->argv, job->envp);
	else if (err == -ENOENT)
		err = sys_execveat(r->dirfd, job->path, job->argv, job->envp, r->flags);
	fail_exec(job, err);
}

void helper_main(uintptr_t *stack)
{
	uintptr_t argc = stack[0];
	struct job job = { .fd = -1, .argv = (char *const *)(stack + 1), .envp = (char **)(stack + argc + 2) };
	enum action action;
	uint64_t limit[2] = { 0, 0 };

	if (!argc || !request_read(&job.request, job.envp[0], job.run) || !job.envp[1])
		fail(EXIT_REFUSED, "netshim-helper", "", request_is_foreign(job.envp[0]) ? foreign : by_hand);
	job.path = job.envp[1];
	job.envp += REQUEST_STRINGS;
	action = classify(&job);
	if (job.problem == no_descriptor && process_raise_descriptors(limit))
		action = classify(&job);
	if (job.request.netns == NETNS_ENTERED && !*job.netns)
		fail(EXIT_REFUSED, job.path, job.class, swapped);
	if (action == MOVE || action == ENTER) {
		/* Who comes back knows nothing of a limit that was raised. */
		process_lower_descriptors(limit);
		start_again(&job, action == MOVE ? NETSHIM_HELPER : NETSHIM_NETNS);
	}
	if (action != START) {
		if (!job.problem)
			job.problem = "the rules change too fast; try again";
		if (!job.allow)
			fail(EXIT_REFUSED, job.path, job.class, job.problem);
		process_log(job.path, "started unclassified", job.class, job.problem);
	}
	if ((action != START || job.request.unsure) && may_have_shim(&job))
		mark_decided(&job);
	process_lower_descriptors(limit);
	start(&job);
}
