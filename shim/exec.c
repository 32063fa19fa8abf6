/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The hooks: every entry point of libc that starts a program. Hooking execve
 * alone would miss the others, whose calls to it stay inside libc.
 *
 * Each asks route.c about the program; what no rule names goes to the next
 * definition of the same function with the caller's own arguments. */

#include "conf/sys.h"
#include "shim/next.h"
#include "shim/route.h"

#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOOK __attribute__((visibility("default")))

static int fail_with(int err)
{
	errno = -err;
	return -1;
}

/* execve and execveat always have the system call to fall back on. */
static int plain_execve(const char *path, char *const argv[], char *const envp[])
{
	__typeof__(execve) *next = NEXT(execve);

	return next ? next(path, argv, envp) : fail_with(sys_execve(path, argv, envp));
}

static int plain_execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags)
{
	__typeof__(execveat) *next = NEXT(execveat);

	if (next)
		return next(dirfd, path, argv, envp, flags);
	return fail_with(sys_execveat(dirfd, path, argv, envp, flags));
}

/* The caller's PATH, or the default of the libc at hand. */
static const char *search_path(void)
{
	const char *path = getenv("PATH");

	if (path)
		return path;
	return next_is_glibc() ? "/bin:/usr/bin" : "/usr/local/bin:/bin:/usr/bin";
}

/* Finds the file that libc's own search for a program will start: the first on
 * PATH that may be executed. Returns file itself where it has a slash, found
 * where one was found, else NULL. */
static const char *search(const char *file, char *found, size_t size)
{
	struct sys_file info;

	for (const char *c = file; *c; c++)
		if (*c == '/')
			return file;
	for (const char *dir = search_path(); dir; dir = *dir ? dir + 1 : NULL) {
		char *end = found;
		char *limit = found + size;

		for (; *dir && *dir != ':'; dir++)
			if (end + 1 < limit)
				*end++ = *dir;
		if (end > found && end + 1 < limit)
			*end++ = '/';
		str_append(&end, limit, file);
		if (end + 1 < limit && !SYS(SYS_faccessat, AT_FDCWD, found, X_OK, 0, 0) &&
		    !sys_stat(AT_FDCWD, found, 0, &info) && S_ISREG(info.mode))
			return found;
	}
	return NULL;
}

/* The room that a search for file needs, or 0 where file is not a name to search
 * for. Stack is taken for what there is, as libc does, not for what may be. */
static size_t search_size(const char *file)
{
	struct sys_file info;
	size_t longest = 0;
	size_t size = 0;

	/* The kernel reads it first: it may be a bad pointer. */
	if (sys_stat(AT_FDCWD, file, 0, &info) == -EFAULT || !*file)
		return 0;
	for (const char *c = search_path(); *c; c++) {
		size = *c == ':' ? 0 : size + 1;
		longest = size > longest ? size : longest;
	}
	/* A slash, the terminator, and a byte that shows that nothing was cut. */
	return longest + 1 + str_len(file) + 1 + 1;
}

/* What execvp and execvpe do beside libc's own work. */
static int route_search(const char *file, char *const argv[], char *const envp[])
{
	size_t size = search_size(file);
	char found[size ? size : 1];
	struct program program = { AT_FDCWD, size ? search(file, found, size) : NULL, 0, argv, envp };

	return program.path ? route(&program) : 0;
}

static int exec_path(const char *path, char *const argv[], char *const envp[])
{
	int err = route(&(struct program){ AT_FDCWD, path, 0, argv, envp });

	return err ? fail_with(err) : plain_execve(path, argv, envp);
}

static int exec_search(const char *file, char *const argv[])
{
	__typeof__(execvp) *next = NEXT(execvp);
	int err = route_search(file, argv, environ);

	return err ? fail_with(err) : next ? next(file, argv) : fail_with(-ENOSYS);
}

HOOK int execve(const char *path, char *const argv[], char *const envp[])
{
	return exec_path(path, argv, envp);
}

HOOK int execv(const char *path, char *const argv[])
{
	return exec_path(path, argv, environ);
}

HOOK int execvp(const char *file, char *const argv[])
{
	return exec_search(file, argv);
}

HOOK int execvpe(const char *file, char *const argv[], char *const envp[])
{
	__typeof__(execvpe) *next = NEXT(execvpe);
	int err = route_search(file, argv, envp);

	return err ? fail_with(err) : next ? next(file, argv, envp) : fail_with(-ENOSYS);
}

HOOK int execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags)
{
	int err = route(&(struct program){ dirfd, path, flags, argv, envp });

	return err ? fail_with(err) : plain_execveat(dirfd, path, argv, envp, flags);
}

/* Their headers promise the compiler that these are never NULL. */
static bool given(const void *pointer)
{
	__asm__("" : "+r"(pointer));
	return pointer;
}

HOOK int fexecve(int fd, char *const argv[], char *const envp[])
{
	__typeof__(fexecve) *next = NEXT(fexecve);
	int err = 0;

	/* Both libcs refuse these before they ask the kernel. */
	if (fd >= 0 && given(argv) && given(envp))
		err = route(&(struct program){ fd, "", AT_EMPTY_PATH, argv, envp });
	return err ? fail_with(err) : next ? next(fd, argv, envp) : fail_with(-ENOSYS);
}

static size_t count_args(va_list from)
{
	size_t count = 1;
	va_list args;

	va_copy(args, from);
	while (va_arg(args, char *))
		count++;
	va_end(args);
	return count;
}

/* Copies the variable arguments with the NULL that ends them. */
#define COLLECT(argv, first, args)                          \
	size_t count = given(first) ? count_args(args) : 0; \
	char *argv[count + 1];                              \
	argv[0] = (char *)(uintptr_t)(first);               \
	for (size_t i = 1; i <= count; i++)                 \
	argv[i] = va_arg(args, char *)

HOOK int execl(const char *path, const char *arg, ...)
{
	va_list args;

	va_start(args, arg);
	COLLECT(argv, arg, args);
	va_end(args);
	return exec_path(path, argv, environ);
}

HOOK int execlp(const char *file, const char *arg, ...)
{
	va_list args;

	va_start(args, arg);
	COLLECT(argv, arg, args);
	va_end(args);
	return exec_search(file, argv);
}

HOOK int execle(const char *path, const char *arg, ...)
{
	char *const *envp;
	va_list args;

	va_start(args, arg);
	COLLECT(argv, arg, args);
	envp = va_arg(args, char *const *);
	va_end(args);
	return exec_path(path, argv, envp);
}

/* posix_spawn and its kin. Here the caller itself is asked about the program,
 * and its child executes the helper. */

typedef int spawn_function(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
			   const posix_spawnattr_t *attr, char *const argv[], char *const envp[]);

struct spawn {
	spawn_function *plain; /* the function that was called */
	spawn_function *exact; /* the one that takes a path and searches nothing */
	pid_t *pid;
	const posix_spawn_file_actions_t *actions;
	const posix_spawnattr_t *attr;
};

static int spawn_program(char *const argv[], char *const env[], const void *context)
{
	const struct spawn *s = context;

	return s->exact(s->pid, NETSHIM_HELPER, s->actions, s->attr, argv, env);
}

static int spawn_helper(const struct spawn *s, const struct program *p, const struct route *route)
{
	int err = route_start(p, route, spawn_program, s);

	return err < 0 ? -err : err;
}

__attribute__((noinline)) static int spawn_resolved(const struct spawn *s, const struct program *p,
						    const struct route *route)
{
	char target[RULE_PATH_MAX];
	struct program direct = *p;

	route_resolve(&direct, target);
	return spawn_helper(s, &direct, route);
}

static int spawn(const struct spawn *s, const char *file, const char *path, char *const argv[], char *const envp[])
{
	struct program program = { AT_FDCWD, path, 0, argv, envp };
	struct route route;
	int ret = path ? route_program(&program, &route) : 0;

	if (!s->plain || !s->exact)
		return ENOSYS;
	if (ret < 0)
		return -ret;
	if (ret > 0) {
		/* A child starts without a parent death signal. */
		route.request.pdeathsig = 0;
		ret = route_means_caller(&program) ? spawn_resolved(s, &program, &route)
						   : spawn_helper(s, &program, &route);
		/* It may have been one of the file actions that failed. */
		if (!ret || !SYS(SYS_faccessat, AT_FDCWD, NETSHIM_HELPER, X_OK, 0, 0))
			return ret;
		ret = route_failed(&program, &route);
		if (ret)
			return -ret;
	}
	return s->plain(s->pid, file, s->actions, s->attr, argv, envp);
}

static int spawn_search(const struct spawn *s, const char *file, char *const argv[], char *const envp[])
{
	size_t size = search_size(file);
	char found[size ? size : 1];

	return spawn(s, file, size ? search(file, found, size) : NULL, argv, envp);
}

/* On x86_64 the symbols have two versions: programs built before glibc 2.15
 * expect a file without a #! line to be run by a shell. */
#if defined(__x86_64__)
#define NEW(name) name##_2_15
#else
#define NEW(name) name
#endif

HOOK spawn_function NEW(posix_spawn);
HOOK spawn_function NEW(posix_spawnp);

int NEW(posix_spawn)(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		     const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	spawn_function *next = NEXT(posix_spawn);

	return spawn(&(struct spawn){ next, next, pid, actions, attr }, path, path, argv, envp);
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
	spawn_function *next = NEXT(pidfd_spawn);

	return spawn(&(struct spawn){ next, next, pidfd, actions, attr }, path, path, argv, envp);
}

int pidfd_spawnp(pid_t *pidfd, const char *file, const posix_spawn_file_actions_t *actions,
		 const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	return spawn_search(&(struct spawn){ NEXT(pidfd_spawnp), NEXT(pidfd_spawn), pidfd, actions, attr }, file, argv,
			    envp);
}

#if defined(__x86_64__)
static spawn_function *old_version(const char *name)
{
	spawn_function *next = NULL;

	if (dlvsym)
		*(void **)&next = dlvsym(RTLD_NEXT, name, "GLIBC_2.2.5");
	return next;
}

HOOK spawn_function posix_spawn_2_2_5;
HOOK spawn_function posix_spawnp_2_2_5;

int posix_spawn_2_2_5(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		      const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	spawn_function *next = old_version("posix_spawn");

	return spawn(&(struct spawn){ next, next, pid, actions, attr }, path, path, argv, envp);
}

int posix_spawnp_2_2_5(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	return spawn_search(
		&(struct spawn){ old_version("posix_spawnp"), old_version("posix_spawn"), pid, actions, attr }, file,
		argv, envp);
}

__asm__(".symver posix_spawn_2_2_5, posix_spawn@GLIBC_2.2.5\n"
	".symver posix_spawnp_2_2_5, posix_spawnp@GLIBC_2.2.5\n"
	".symver posix_spawn_2_15, posix_spawn@@GLIBC_2.15\n"
	".symver posix_spawnp_2_15, posix_spawnp@@GLIBC_2.15\n");
#endif
