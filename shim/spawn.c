/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The hooks of what starts a program in a child: posix_spawn and its kin. Here the
 * caller itself is asked about the program, and its child executes the helper. */

#include "conf/contract/sys.h"
#include "shim/actions.h"
#include "shim/aside.h"
#include "shim/next.h"
#include "shim/route.h"
#include "shim/search.h"

#include <spawn.h>

typedef int spawn_function(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
			   const posix_spawnattr_t *attr, char *const argv[], char *const envp[]);

struct spawn {
	spawn_function *plain; /* the function that was called */
	spawn_function *exact; /* the one that takes a path and searches nothing */
	pid_t *pid;
	const posix_spawn_file_actions_t *actions;
	const posix_spawnattr_t *attr;
};

struct helped {
	const struct spawn *spawn;
	const char *helper;
};

static int spawn_program(char *const argv[], char *const env[], const void *context)
{
	const struct helped *h = context;
	const struct spawn *s = h->spawn;

	return s->exact(s->pid, h->helper, s->actions, s->attr, argv, env);
}

static int spawn_helper(const struct spawn *s, const struct program *p, const struct route *route)
{
	const struct helped helped = { s, route_helper(route) };
	int err = route_start(p, route, spawn_program, &helped);

	return err < 0 ? -err : err;
}

/* What no errno is: the helper cannot be told which file it is. */
#define NO_NAME (-1)

/* Tells whether the child may have another file by that name: actions move
 * descriptors about. */
static bool is_moved(const struct spawn *s, const char *path)
{
	return s->actions && (str_after(path, "/dev/fd/") || str_after(path, "/proc/self/fd/"));
}

__attribute__((noinline)) static int spawn_resolved(const struct spawn *s, const struct program *p,
						    const struct route *route)
{
	size_t size = route_resolve_size(p);
	struct program direct = *p;
	char target[size];

	if (is_moved(s, p->path) || !route_resolve(&direct, target, size))
		return NO_NAME;
	return spawn_helper(s, &direct, route);
}

/* One call, and what has been decided about it so far. */
struct decision {
	const struct spawn *spawn;
	struct program program;
	const char *file; /* to be searched for, or NULL */
	char *found;
	size_t found_size;
	struct route route;
	int ret;
};

/* The kernel reads it first: it may be a bad pointer. */
static bool is_relative(const char *path)
{
	struct sys_file info;

	return path && sys_stat(AT_FDCWD, path, 0, &info) != -EFAULT && path[0] != '/';
}

/* A relative path starts at the child's folder. */
static int decide(struct decision *d)
{
	const posix_spawn_file_actions_t *actions = d->spawn->actions;
	struct program *p = &d->program;
	int ret = 0;

	p->dirfd = AT_FDCWD;
	p->actions = actions;
	p->real = d->spawn->attr && d->spawn->attr->__flags & POSIX_SPAWN_RESETIDS;
	if (actions && is_relative(d->file ? d->file : p->path))
		ret = actions_folder(actions, &p->dirfd);
	if (ret)
		return ret;
	p->cwd = p->dirfd != AT_FDCWD;
	ret = d->file ? search(d->file, d->found, d->found_size, p, &d->route) : route_program(p, &d->route);
	if (p->cwd)
		sys_close(p->dirfd);
	return ret;
}

static void decide_aside(void *argument)
{
	struct decision *d = argument;

	d->ret = decide(d);
}

static int spawn(struct decision *d, const char *file)
{
	const struct spawn *s = d->spawn;
	struct program *p = &d->program;
	int ret;

	if (!s->plain || !s->exact)
		return ENOSYS;
	ret = decide(d);
	if (ret == -EMFILE && !aside(decide_aside, d, -1))
		ret = d->ret;
	if (ret > 0) {
		/* A child starts without a parent death signal. */
		d->route.request.pdeathsig = 0;
		ret = route_means_caller(p) ? spawn_resolved(s, p, &d->route) : spawn_helper(s, p, &d->route);
		/* It may have been one of the file actions that failed. */
		if (!ret || (ret != NO_NAME && !sys_may_execute(AT_FDCWD, route_helper(&d->route), 0)))
			return ret;
		/* Without a name, what is dynamic puts itself right at its start. */
		if (ret != NO_NAME)
			ret = route_failed(p, &d->route);
	}
	/* The plain call reports other errors itself, after the file actions and
	 * attributes, which may have effects or errors of their own. */
	if (ret < 0 && d->route.refused)
		return -ret;
	return s->plain(s->pid, file, s->actions, s->attr, p->argv, p->envp);
}

static int spawn_path(const struct spawn *s, const char *path, char *const argv[], char *const envp[])
{
	return spawn(&(struct decision){ .spawn = s, .program = { .path = path, .argv = argv, .envp = envp } }, path);
}

static int spawn_search(const struct spawn *s, const char *file, char *const argv[], char *const envp[])
{
	size_t size = search_size(file);
	char found[size ? size : 1];

	return spawn(&(struct decision){ .spawn = s,
					 .program = { .argv = argv, .envp = envp },
					 .file = size ? file : NULL,
					 .found = found,
					 .found_size = size },
		     file);
}

/* On x86 the symbols have two versions: programs built before glibc 2.15 expect
 * a file without a #! line to be run by a shell. */
#if defined(__x86_64__)
#define OLD_VERSION "GLIBC_2.2.5"
#elif defined(__i386__)
#define OLD_VERSION "GLIBC_2.2"
#endif
#ifdef OLD_VERSION
#define NEW(name) name##_2_15
#else
#define NEW(name) name
#endif

HOOK spawn_function NEW(posix_spawn);
HOOK spawn_function NEW(posix_spawnp);

int NEW(posix_spawn)(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		     const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	spawn_function *plain = NEXT(posix_spawn);

	return spawn_path(&(struct spawn){ plain, plain, pid, actions, attr }, path, argv, envp);
}

int NEW(posix_spawnp)(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
		      const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	return spawn_search(&(struct spawn){ NEXT(posix_spawnp), NEXT(posix_spawn), pid, actions, attr }, file, argv,
			    envp);
}

/* glibc 2.39; declared here because older headers do not. */
HOOK spawn_function pidfd_spawn;
HOOK spawn_function pidfd_spawnp;

int pidfd_spawn(pid_t *pidfd, const char *path, const posix_spawn_file_actions_t *actions,
		const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	spawn_function *plain = NEXT_LOOK(pidfd_spawn);

	return spawn_path(&(struct spawn){ plain, plain, pidfd, actions, attr }, path, argv, envp);
}

int pidfd_spawnp(pid_t *pidfd, const char *file, const posix_spawn_file_actions_t *actions,
		 const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	return spawn_search(&(struct spawn){ NEXT_LOOK(pidfd_spawnp), NEXT_LOOK(pidfd_spawn), pidfd, actions, attr },
			    file, argv, envp);
}

#ifdef OLD_VERSION
static spawn_function *old_version(const char *name)
{
	return (spawn_function *)next_look(name, OLD_VERSION);
}

HOOK spawn_function posix_spawn_old;
HOOK spawn_function posix_spawnp_old;

int posix_spawn_old(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		    const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	spawn_function *plain = old_version("posix_spawn");

	return spawn_path(&(struct spawn){ plain, plain, pid, actions, attr }, path, argv, envp);
}

int posix_spawnp_old(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
		     const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	return spawn_search(
		&(struct spawn){ old_version("posix_spawnp"), old_version("posix_spawn"), pid, actions, attr }, file,
		argv, envp);
}

__asm__(".symver posix_spawn_old, posix_spawn@" OLD_VERSION "\n"
	".symver posix_spawnp_old, posix_spawnp@" OLD_VERSION "\n"
	".symver posix_spawn_2_15, posix_spawn@@GLIBC_2.15\n"
	".symver posix_spawnp_2_15, posix_spawnp@@GLIBC_2.15\n");
#endif
