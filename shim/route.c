/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* From a program that is about to be started to the way it is started: see
 * route.h. */

#include "shim/route.h"

#include "conf/contract/match.h"
#include "conf/contract/process.h"
#include "conf/contract/sys.h"
#include "shim/actions.h"
#include "shim/aside.h"
#include "shim/next.h"
#include "shim/spare.h"

#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* Environments larger than this go to memory of their own: on a stack that is as small as
 * libnetshim(7) allows, there is no room for them. */
#define STACK_ENV_MAX 256

static bool is_free(int fd)
{
	return SYS(SYS_fcntl, fd, F_GETFD, 0, 0, 0) < 0;
}

__attribute__((noinline)) bool route_runs(const struct match_file *file)
{
	char text[RULE_PATH_MAX];
	struct sys_file running;
	long n;

	if (sys_stat(AT_FDCWD, RUNNING, 0, &running) || match_is(file, AT_FDCWD, RUNNING, 0))
		return true;
	n = sys_readlink(RUNNING, text, sizeof(text));
	if (n <= 0 || n == sizeof(text))
		return false;
	text[n] = '\0';
	return match_is(file, AT_FDCWD, text, 0);
}

/* Tells whether the path may lead to another file than runs; found says what has come of the look at
 * it. */
static bool leads_elsewhere(int found, const struct match_file *file)
{
	if (found < 0 && found != -ENODATA)
		return !no_descriptor_free(found) && found != -EPERM;
	return file->swappable && !route_runs(file);
}

static int match(const struct program *p, bool runs, struct rules *rules, struct rules_slot *rule,
		 const struct sys_file *seen, bool *other)
{
	struct match_file file;
	int found = match_seen(rules, p->dirfd, p->path, p->flags, !runs, rule, runs ? &file : NULL, seen);

	*other = runs && leads_elsewhere(found, &file);
	return *other ? match_program(rules, AT_FDCWD, RUNNING, 0, false, rule, NULL) : found;
}

static bool same_page(uintptr_t a, uintptr_t b)
{
	return a >> 12 == b >> 12;
}

/* Returns the size of a string, or -EFAULT where not all of it can be read, or the kernel
 * would not take it (MAX_ARG_STRLEN). known is on a page that can be read, or NULL. */
static long readable_size(const char *text, const char *known)
{
	const long longest = 32L * 4096;

	for (long n = 0; n < longest; known = text + n++) {
		uintptr_t at = (uintptr_t)(text + n);

		if (!(known && same_page(at, (uintptr_t)known)) && !sys_is_readable(at & ~(uintptr_t)7))
			return -EFAULT;
		if (!text[n])
			return n;
	}
	return -EFAULT;
}

/* argument is the one before, or nothing yet. Reads each pointer once, as another thread
 * may change it. */
static int read_argument(char *const *list, struct with_argument *argument)
{
	uintptr_t last = (uintptr_t)list + sizeof(*list) - 1;
	const char *before = argument->text;
	long size;

	if (!(before && same_page(last, last - sizeof(*list))) && !sys_is_readable((uintptr_t)list))
		return -EFAULT;
	argument->text = *(char *const volatile *)list;
	if (!argument->text)
		return 0;
	size = readable_size(argument->text, before);
	argument->size = (size_t)size;
	return size < 0 ? -EFAULT : 1;
}

/* Tells whether the library will be there to take the mark. */
static bool has_preload(char *const *envp)
{
	struct with_argument variable = { .text = NULL };
	struct sys_file file;
	bool preload = !sys_stat(AT_FDCWD, "/etc/ld.so.preload", 0, &file);

	for (; envp && !preload && read_argument(envp, &variable) > 0; envp++)
		preload = str_after(variable.text, "LD_PRELOAD=");
	return preload;
}

/* Tells whether the program may be given capabilities: where its file has some, or cannot be
 * asked. Under a name that is relative to a folder, it cannot before Linux 6.13 (getxattrat). */
static bool may_have_capabilities(const struct program *p)
{
	static const char name[] = "security.capability";
	long size;

	if (!*p->path && (p->flags & AT_EMPTY_PATH))
		size = SYS(SYS_fgetxattr, p->dirfd, name, 0, 0, 0);
	else if (*p->path == '/' || p->dirfd == AT_FDCWD)
		size = SYS(SYS_getxattr, p->path, name, 0, 0, 0);
	else
		return true;
	return size != -ENODATA && size != -EOPNOTSUPP && size != -EPERM && size != -ENOSYS;
}

/* Tells whether the program, when it starts, looks at the arguments that the kernel has
 * passed: another thread may change them after this one has looked. */
static bool looks_itself(const struct program *p)
{
	struct sys_file file;

	return has_preload(p->envp) && !match_is_static(p->dirfd, p->path) &&
	       !sys_stat(p->dirfd, p->path, p->flags & AT_EMPTY_PATH, &file) && !(file.mode & (S_ISUID | S_ISGID)) &&
	       !may_have_capabilities(p);
}

/* As match, where the rule depends on the arguments. The helper, which looks at what the
 * kernel has passed to it, tells where they cannot be read or nobody looks again. It would
 * take ambient capabilities away: so there, this one look has to do. */
__attribute__((noinline)) static int match_arguments(const struct program *p, bool runs, struct rules *rules,
						     struct rules_slot *rule, struct route *route)
{
	const struct match_start start = {
		.dirfd = p->dirfd,
		.executed = p->path,
		.arguments = { .list = p->argv,
			       .folder = p->cwd ? p->dirfd : AT_FDCWD,
			       .read = route->request.start ? NULL : read_argument },
	};
	const struct rules_slot asked = *rule;
	int found = route->other ? match_started(rules, AT_FDCWD, RUNNING, 0, false, rule, &start)
				 : match_started(rules, p->dirfd, p->path, p->flags, !runs, rule, &start);

	route->with = true;
	if (found < 0 || route->request.start || (found && !rules_understood(rule->flags, 0)) || looks_itself(p) ||
	    process_has_ambient())
		return found;
	if (!found)
		*rule = asked;
	rule->flags |= RULE_WITH;
	return 1;
}

/* Fills in what the rule that was found asks for. Returns 1, 0 where it does not hold, or
 * -errno. */
__attribute__((noinline)) static int take_rule(const struct program *p, bool runs, struct rules *rules,
					       struct rules_slot *rule, struct route *route)
{
	struct rules_class class;
	int found = rule->flags == RULE_WITH ? match_arguments(p, runs, rules, rule, route) : 1;

	route->doubtful = true;
	if (found <= 0)
		return found;
	route->rule = rule->hash;
	route->request.unsure = !rules_understood(rule->flags, 0);
	if (rule->class_index == RULES_CLASS_NONE)
		return 1;
	found = rules_class(rules, rule->class_index, &class, route->class);
	route->allow = class.flags & CLASS_ON_ERROR_ALLOW;
	route->lock = class.flags & CLASS_LOCK;
	route->netns = class.flags & CLASS_NETNS;
	route->request.unsure |= !rules_understood(0, class.flags);
	return found;
}

/* Finds what a rule asks for. Returns 1, 0 where there is none, or -errno where that
 * cannot be told for want of a descriptor or (-EPERM) in a sandbox. A function of its
 * own so that the walk's stack is free again for what follows. route is as it begins. */
__attribute__((noinline)) static int find_rule(const struct program *p, bool runs, struct route *route)
{
	struct rules rules;
	struct rules_slot rule;
	int found = rules_open(&rules, false);

	if (found)
		return no_descriptor_free(found) || found == -EPERM ? found : 0;
	rules.real = p->real;
	found = match(p, runs, &rules, &rule, route->seen, &route->other);
	if (found > 0)
		found = take_rule(p, runs, &rules, &rule, route);
	rules_close(&rules);
	if (rules.damaged)
		return rules.refused ? -EPERM : 0;
	if (found >= 0 || no_descriptor_free(found) || found == -EPERM)
		return found;
	route->doubtful = true;
	return 0;
}

int route_must_move(const struct program *p, bool runs, struct route *route, enum place *place)
{
	struct membership now;
	int found = find_rule(p, runs, route);

	if (found <= 0 && found != -EPERM)
		return found;
	process_membership(&now);
	*place = now.place;
	/* Whatever the rule may be, who is locked stays where he is. */
	route->request.unsure |= found == -EPERM && !now.locked;
	if (route->request.unsure)
		return true;
	if (now.locked)
		return false;
	if (!route->class[0])
		return now.place == PLACE_CLASS;
	return now.place != PLACE_CLASS || route->lock || !str_equal(now.class, route->class);
}

static bool may_gain_privilege(void)
{
	return SYS(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
}

/* Of a program with many names (busybox), each may have a rule of its own. */
static bool is_own_rule(const struct route *route)
{
	const struct program running = { .dirfd = AT_FDCWD, .path = RUNNING };
	struct route own = { .seen = NULL };

	return find_rule(&running, true, &own) > 0 && own.rule == route->rule;
}

/* As route_is_parents, of what the process runs itself. Its stack is not its caller's, too. */
__attribute__((noinline)) static bool is_again(const struct program *p, const struct route *route)
{
	__typeof__(getauxval) *auxval = NEXT(getauxval);
	const char *started_as = auxval ? (const char *)auxval(AT_EXECFN) : NULL;
	struct sys_file running;
	struct sys_file meant;

	return !route->request.unsure && !route->with && !may_gain_privilege() &&
	       !sys_stat(AT_FDCWD, RUNNING, 0, &running) &&
	       !sys_stat(p->dirfd, p->path, p->flags & AT_EMPTY_PATH, &meant) && sys_same_file(&running, &meant) &&
	       ((started_as && str_equal(p->path, started_as)) || is_own_rule(route));
}

bool route_is_parents(const struct route *route)
{
	char path[PROCESS_FD_LINK_MAX];
	char *end = path;
	struct sys_file running;
	struct sys_file parents;

	if (route->request.unsure || route->with || may_gain_privilege())
		return false;
	str_append(&end, path + sizeof(path), "/proc/");
	str_append_number(&end, path + sizeof(path), (uint64_t)SYS(SYS_getppid, 0, 0, 0, 0, 0));
	str_append(&end, path + sizeof(path), "/exe");
	return !sys_stat(AT_FDCWD, RUNNING, 0, &running) && !sys_stat(AT_FDCWD, path, 0, &parents) &&
	       sys_same_file(&running, &parents) && is_own_rule(route);
}

int route_failed(const struct program *p, struct route *route)
{
	route->refused = !route->allow;
	if (route->refused)
		return -EPERM;
	process_log(p->path, "started unclassified", route->class, "the helper cannot be used here");
	return 0;
}

/* Tells whether the helper can be executed in the program's place. */
static int examine_file(const struct program *p, struct route *route)
{
	int ret = program_check(p);

	if (ret)
		return ret;
	if (!program_format_is_known(p))
		return 0;
	/* Executing the helper would take the ambient capabilities away for good. */
	return process_has_ambient() ? route_failed(p, route) : 1;
}

static bool is_locked(void)
{
	struct membership now;

	process_membership(&now);
	return now.locked;
}

static int examine(const struct program *p, struct route *route)
{
	struct sys_file seen;
	struct sys_file file;
	enum place place;
	int ret;

	*route = (struct route){ .request = { .dirfd = p->cwd ? AT_FDCWD : p->dirfd, .flags = p->flags } };
	if (!p->path)
		return 0;
	/* Also the check that path is readable at all. */
	ret = sys_stat(p->dirfd, p->path, (p->flags & AT_EMPTY_PATH) | AT_SYMLINK_NOFOLLOW, &seen);
	if (ret)
		return sys_stat_refused(ret) && rules_are_there() && !is_locked() ? route_failed(p, route) : 0;
	file = seen;
	if (S_ISLNK(seen.mode) && sys_stat(p->dirfd, p->path, p->flags & AT_EMPTY_PATH, &file))
		return 0;
	if (!S_ISREG(file.mode) || !(file.mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
		return 0;
	if (p->flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return 0;
	route->seen = &seen;
	ret = route_must_move(p, false, route, &place);
	route->seen = NULL;
	if (ret <= 0)
		return ret;
	route->again = is_again(p, route);
	return route->again ? 0 : examine_file(p, route);
}

struct examination {
	const struct program *program;
	struct route *route;
	int ret;
};

static void examine_aside(void *argument)
{
	struct examination *e = argument;

	e->ret = examine(e->program, e->route);
}

/* How many descriptors the helper may need at once. */
#define HELPER_DESCRIPTORS 3

/* The helper takes those above the soft limit, too. */
static bool leaves_descriptors(const posix_spawn_file_actions_t *actions)
{
	bool act = actions_readable(actions);
	unsigned found = 0;
	uint64_t limit[2] = { 0, 0 };

	SYS(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, limit, 0);
	for (int fd = 0; found < HELPER_DESCRIPTORS && (uint64_t)fd < limit[1]; fd++) {
		bool closed = is_free(fd) || sys_is_close_on_exec(fd);

		found += act ? actions_close(actions, fd, closed) : closed;
	}
	return found == HELPER_DESCRIPTORS;
}

/* For a process at its limit of descriptors. If no child can be had, or the child
 * gets no descriptor either, the helper has to tell: there, close-on-exec descriptors
 * are closed. */
__attribute__((noinline)) static int examine_without_descriptors(const struct program *p, struct route *route)
{
	struct examination e = { p, route, 0 };

	/* Without rules nothing more happens here than in other processes. */
	if (!rules_are_there())
		return 0;
	if (aside(examine_aside, &e, p->dirfd) || e.ret == -EMFILE)
		return examine_file(p, route);
	return e.ret <= 0 || leaves_descriptors(p->actions) ? e.ret : route_failed(p, route);
}

int route_program(const struct program *p, struct route *route)
{
	int ret = examine(p, route);

	if (ret == -EMFILE)
		ret = examine_without_descriptors(p, route);
	/* A whole machine without a free file (-ENFILE) executes nothing either. */
	if (ret > 0)
		request_state(&route->request);
	return ret;
}

static size_t count_env(char *const *envp)
{
	size_t count = REQUEST_STRINGS + 1;

	while (envp && *envp++)
		count++;
	return count;
}

/* Puts before the environment what the helper takes, or the mark by which the library in
 * the program knows that it is to stay where it is. */
static int start_with(const struct program *p, const struct route *route, route_starter *start, const void *context,
		      const char **env, size_t count)
{
	char text[REQUEST_MAX];
	char *text_end = text;
	const char **end = env;

	if (route->again) {
		str_append(&text_end, text + sizeof(text), DECIDED_NAME);
		str_append_number(&text_end, text + sizeof(text), (uint64_t)SYS(SYS_getpid, 0, 0, 0, 0, 0));
	} else {
		request_write(&route->request, text);
	}
	*end++ = text;
	if (!route->again)
		*end++ = p->path;
	/* Another thread may have made it longer meanwhile (setenv). */
	for (char *const *from = p->envp; from && *from && end < env + count - 1; from++)
		*end++ = *from;
	*end = NULL;
	return start(p->argv, (char *const *)env, context);
}

/* Takes as much stack as is needed, not the most that may be. */
__attribute__((noinline)) static int start_on_stack(const struct program *p, const struct route *route,
						    route_starter *start, const void *context, size_t count)
{
	const char *env[count];

	return start_with(p, route, start, context, env, count);
}

static int start_in_map(const struct program *p, const struct route *route, route_starter *start, const void *context,
			size_t count)
{
	struct spare spare;
	const char **env = spare_take(&spare, count * sizeof(*env));
	int ret = env ? start_with(p, route, start, context, env, count) : -ENOMEM;

	spare_give_back(&spare);
	return ret;
}

int route_start(const struct program *p, const struct route *route, route_starter *start, const void *context)
{
	size_t count = count_env(p->envp);

	return count <= STACK_ENV_MAX ? start_on_stack(p, route, start, context, count)
				      : start_in_map(p, route, start, context, count);
}

static int exec_helper(char *const argv[], char *const env[], const void *context)
{
	return sys_execve(route_helper(context), argv, env);
}

static int exec_named(const struct program *p, struct route *route)
{
	struct route r = *route;
	int err;

	/* The helper needs the descriptor; it makes it close-on-exec again. */
	r.request.cloexec = program_uses_dirfd(p) && sys_is_close_on_exec(p->dirfd);
	if (r.request.cloexec)
		SYS(SYS_fcntl, p->dirfd, F_SETFD, 0, 0, 0);
	err = route_start(p, &r, exec_helper, &r);
	if (r.request.cloexec)
		SYS(SYS_fcntl, p->dirfd, F_SETFD, FD_CLOEXEC, 0, 0);
	/* These are about the caller's arguments, not about the helper. */
	if (err == -EFAULT || err == -E2BIG || err == -ENOMEM || err == -EAGAIN)
		return err;
	return route_failed(p, route);
}

/* Returns how the path goes on behind a descriptor that is closed by the time that the
 * helper follows it (/proc/self/fd/3/NAME), or NULL where there is none. */
static const char *behind_closed(const char *path)
{
	const char *rest;
	uint64_t fd;

	for (; *path; path++)
		if ((rest = str_after(path, "/fd/")) && str_number(&rest, &fd) && *rest == '/')
			return sys_is_close_on_exec((int)fd) ? rest : NULL;
	return NULL;
}

/* A function of its own, as every start comes to the next one, and hardly one to this. */
__attribute__((noinline)) static bool means_caller(const char *path)
{
	struct sys_file named;
	struct sys_file proc;

	return behind_closed(path) || sys_stat(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, &named) ||
	       sys_stat(AT_FDCWD, RUNNING, AT_SYMLINK_NOFOLLOW, &proc) || named.device == proc.device;
}

bool route_means_caller(const struct program *p)
{
	return (str_after(p->path, "/proc/") || str_after(p->path, "/dev/fd/")) && means_caller(p->path);
}

/* Puts what the link of /proc's leads to into target, and behind that the rest of the path.
 * Returns the length, at least size where that does not fit, or -errno. */
static long read_link(const char *path, char *target, size_t size)
{
	const char *rest = behind_closed(path);
	size_t link = rest ? (size_t)(rest - path) : 0;
	char *end = target;
	long n;

	if (!rest)
		return sys_readlink(path, target, size);
	if (link + 1 + str_len(rest) >= size)
		return (long)size;
	str_append(&end, target + link + 1, path);
	n = sys_readlink(target, target, size - str_len(rest));
	if (n <= 0)
		return n;
	end = target + n;
	str_append(&end, target + size, rest);
	return n + (long)str_len(rest);
}

size_t route_resolve_size(const struct program *p)
{
	char few[512];

	return read_link(p->path, few, sizeof(few)) < (long)sizeof(few) ? sizeof(few) : RULE_PATH_MAX;
}

bool route_resolve(struct program *p, char *target, size_t size)
{
	long n = read_link(p->path, target, size);
	struct sys_file named;
	struct sys_file meant;

	if (n <= 0 || (size_t)n >= size || target[0] != '/')
		return false;
	target[n] = '\0';
	if (sys_stat(AT_FDCWD, target, 0, &named) || sys_stat(AT_FDCWD, p->path, 0, &meant) ||
	    !sys_same_file(&named, &meant))
		return false;
	p->path = target;
	return true;
}

/* For a file that has no name any more. */
static int exec_opened(const struct program *p, struct route *route)
{
	struct program direct = *p;
	int err;

	direct.dirfd = sys_openat(AT_FDCWD, p->path, O_PATH | O_CLOEXEC);
	direct.path = "";
	direct.flags = AT_EMPTY_PATH;
	if (direct.dirfd < 0)
		return direct.dirfd;
	route->request.dirfd = direct.dirfd;
	route->request.flags = direct.flags;
	err = exec_named(&direct, route);
	sys_close(direct.dirfd);
	return err;
}

__attribute__((noinline)) static int exec_resolved(const struct program *p, struct route *route)
{
	size_t size = route_resolve_size(p);
	struct program direct = *p;
	char target[size];

	return route_resolve(&direct, target, size) ? exec_named(&direct, route) : exec_opened(p, route);
}

int route_exec(const struct program *p, struct route *route)
{
	return route_means_caller(p) ? exec_resolved(p, route) : exec_named(p, route);
}

static int exec_again(char *const argv[], char *const env[], const void *context)
{
	const struct program *p = context;

	return p->dirfd == AT_FDCWD && !p->flags ? sys_execve(p->path, argv, env)
						 : sys_execveat(p->dirfd, p->path, argv, env, p->flags);
}

/* Inline: every start by exec comes to it. */
static inline int go_on(const struct program *p, struct route *route, int ret)
{
	if (!ret && route->again && !program_check_environment(p->envp) && has_preload(p->envp))
		return route_start(p, route, exec_again, p);
	return ret <= 0 ? ret : route_exec(p, route);
}

int route_go_on(const struct program *p, struct route *route, int ret)
{
	return go_on(p, route, ret);
}

int route(const struct program *p)
{
	struct route route;
	int ret = route_program(p, &route);

	return go_on(p, &route, ret);
}
