/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The hooks: every entry point of libc that executes a program (spawn.c has those
 * that start one in a child). Hooking execve alone would miss the others, whose
 * calls to it stay inside libc.
 *
 * Each asks route.c about the program; what no rule names goes to the next
 * definition of the same function with the caller's own arguments. (Those of execl,
 * execle and execlp cannot be passed on in C: they go to that of execv, execve and execvp.) */

#include "conf/contract/sys.h"
#include "shim/next.h"
#include "shim/route.h"
#include "shim/search.h"

#include <stdarg.h>
#include <unistd.h>

static int fail_with(int err)
{
	__typeof__(__errno_location) *place = NEXT(__errno_location);

	if (place)
		*place() = -err;
	return -1;
}

/* execve, execv and execveat always have the system call to fall back on. */
static int plain_execve(const char *path, char *const argv[], char *const envp[])
{
	__typeof__(execve) *plain = NEXT(execve);

	return plain ? plain(path, argv, envp) : fail_with(sys_execve(path, argv, envp));
}

static int plain_execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags)
{
	__typeof__(execveat) *plain = NEXT(execveat);

	return plain ? plain(dirfd, path, argv, envp, flags) : fail_with(sys_execveat(dirfd, path, argv, envp, flags));
}

/* What execvp and execvpe do beside libc's own work. */
static int route_search(const char *file, char *const argv[], char *const envp[])
{
	struct program program = { AT_FDCWD, NULL, 0, argv, envp, false, false, NULL };
	size_t size = search_size(file);
	char found[size ? size : 1];
	struct route route;

	return size ? route_go_on(&program, &route, search(file, found, size, &program, &route)) : 0;
}

static int exec_path(const char *path, char *const argv[], char *const envp[])
{
	int err = route(&(struct program){ AT_FDCWD, path, 0, argv, envp, false, false, NULL });

	return err ? fail_with(err) : plain_execve(path, argv, envp);
}

static int exec_search(const char *file, char *const argv[])
{
	__typeof__(execvp) *plain = NEXT(execvp);
	int err = plain ? route_search(file, argv, __environ) : -ENOSYS;

	return err ? fail_with(err) : plain(file, argv);
}

static int exec_here(const char *path, char *const argv[])
{
	__typeof__(execv) *plain = NEXT(execv);
	int err = route(&(struct program){ AT_FDCWD, path, 0, argv, __environ, false, false, NULL });

	if (err)
		return fail_with(err);
	return plain ? plain(path, argv) : fail_with(sys_execve(path, argv, __environ));
}

HOOK int execve(const char *path, char *const argv[], char *const envp[])
{
	return exec_path(path, argv, envp);
}

HOOK int execv(const char *path, char *const argv[])
{
	return exec_here(path, argv);
}

HOOK int execvp(const char *file, char *const argv[])
{
	return exec_search(file, argv);
}

HOOK int execvpe(const char *file, char *const argv[], char *const envp[])
{
	__typeof__(execvpe) *plain = NEXT(execvpe);
	int err = plain ? route_search(file, argv, envp) : -ENOSYS;

	return err ? fail_with(err) : plain(file, argv, envp);
}

HOOK int execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags)
{
	int err = route(&(struct program){ dirfd, path, flags, argv, envp, false, false, NULL });

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
	__typeof__(fexecve) *plain = NEXT(fexecve);
	int err = plain ? 0 : -ENOSYS;

	/* Both libcs refuse these before they ask the kernel. */
	if (!err && fd >= 0 && given(argv) && given(envp))
		err = route(&(struct program){ fd, "", AT_EMPTY_PATH, argv, envp, false, false, NULL });
	return err ? fail_with(err) : plain(fd, argv, envp);
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

/* Copies the variable arguments with the NULL that ends them, which is looked for behind
 * the first, as in both libcs. */
#define COLLECT(argv, first, args)            \
	size_t count = count_args(args);      \
	char *argv[count + 1];                \
	argv[0] = (char *)(uintptr_t)(first); \
	for (size_t i = 1; i <= count; i++)   \
	argv[i] = va_arg(args, char *)

HOOK int execl(const char *path, const char *arg, ...)
{
	va_list args;

	va_start(args, arg);
	COLLECT(argv, arg, args);
	va_end(args);
	return exec_here(path, argv);
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
