/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The check at start. A program whose launcher had no shim in it (the shell that
 * exported LD_PRELOAD, a static or Go program, a raw system call) comes up
 * unclassified; before its own code runs, it puts itself right. */

#include "conf/contract/match.h"
#include "conf/contract/process.h"
#include "conf/contract/sys.h"
#include "shim/next.h"
#include "shim/route.h"
#include "shim/search.h"

#include <linux/binfmts.h>
#include <sys/auxv.h>
#include <unistd.h>

#ifndef AT_FLAGS_PRESERVE_ARGV0
#define AT_FLAGS_PRESERVE_ARGV0 1 /* Linux 5.12 */
#endif

#define ARGS_MAX (1L << 24)

/* glibc passes constructors argc, argv and envp, as the kernel has put them onto the stack; musl
 * passes nothing, and in their place is whatever was there before. */
static bool are_passed(int argc, char **argv, char **envp, uintptr_t top)
{
	char here;

	return envp == argv + argc + 1 && top - (uintptr_t)envp < top - (uintptr_t)&here && !envp[-1];
}

/* With musl, the arguments lie before the environment where the kernel put both: going back
 * from it, argc is the first word that equals the number of words passed. */
static char **arguments(uintptr_t top)
{
	uintptr_t *env = (uintptr_t *)(void *)__environ;

	/* Not on the stack: somebody's constructor has replaced the environment. */
	if ((uintptr_t)env > top || top - (uintptr_t)env > (uintptr_t)ARGS_MAX * 8 || env[-1])
		return NULL;
	for (uintptr_t n = 0; n < ARGS_MAX; n++)
		if (env[-2 - (long)n] == n)
			return (char **)(env - 1 - n);
	return NULL;
}

static bool is_script(const char *path)
{
	char head[MATCH_HEAD];

	return match_read_head(AT_FDCWD, path, head, sizeof(head)) > 0 && match_interpreter(head);
}

static bool leads_elsewhere(const char *path)
{
	struct sys_file named;

	return !sys_stat(AT_FDCWD, path, 0, &named) &&
	       !route_runs(&(struct match_file){ named.device, named.inode, false });
}

static bool is_bare(const char *path)
{
	while (*path && *path != '/')
		path++;
	return !*path;
}

/* For a script, the kernel puts interpreters before the script's path, each with at
 * most one argument. For what binfmt_misc knows, it puts the interpreter before the
 * path, and behind the path the old argv[0] if that is asked for. Returns where the
 * program's own arguments start, or argv. The file is looked at only where its path
 * is among the arguments. */
static char **own_arguments(char **argv, const char *execfn)
{
	if (!argv || !argv[0])
		return argv;
	for (char **arg = argv + 1; *arg && arg <= argv + 10; arg++) {
		if (!str_equal(*arg, execfn))
			continue;
		if (is_script(execfn))
			return arg;
		if (!leads_elsewhere(execfn))
			return argv;
		return arg + (NEXT(getauxval)(AT_FLAGS) & AT_FLAGS_PRESERVE_ARGV0);
	}
	return argv;
}

/* binfmt_misc may have opened the program's file for its interpreter, and does so
 * again when the helper executes the program. */
static void drop_opened(void)
{
	int *error = NEXT(__errno_location)();
	int before = *error;
	unsigned long fd;

	*error = 0;
	fd = NEXT(getauxval)(AT_EXECFD);
	if (!*error)
		SYS(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC, 0, 0);
	*error = before;
}

static void remove_variable(char **env, const char *variable)
{
	while (env && *env && *env != variable)
		env++;
	for (; env && *env; env++)
		env[0] = env[1];
}

/* The first variable that the kernel has passed. It lies behind the last argument,
 * whatever constructors have made of the variables by now: another copy of this library
 * may have taken it out of them. */
static const char *first_variable(char **argv, char **env, const char *execfn)
{
	const char *last = NULL;

	while (argv && *argv)
		last = *argv++;
	if (last)
		last += str_len(last) + 1;
	/* Else somebody's constructor has replaced the arguments. */
	return (uintptr_t)last > (uintptr_t)argv && (uintptr_t)last < (uintptr_t)execfn ? last : env ? *env : NULL;
}

/* Tells whether a variable is the helper's mark for this process, and takes it out of the
 * environment, so that the program's main() does not get it. */
__attribute__((always_inline)) static inline bool take_mark(const char *mark, char **env)
{
	const char *value = mark ? str_after(mark, DECIDED_NAME) : NULL;
	uint64_t pid;

	if (!value || !str_number(&value, &pid) || pid != (uint64_t)SYS(SYS_getpid, 0, 0, 0, 0, 0))
		return false;
	remove_variable(env, mark);
	if (__environ && __environ != env)
		remove_variable(__environ, mark);
	return true;
}

/* Becomes the helper. Returns where the program may run on as it is. */
static void classify(const struct program *program, struct route *route)
{
	int err;

	drop_opened();
	/* If the process cannot be classified, the helper does what on-error says,
	 * because it can say why. But if becoming the helper would take something
	 * from the program, that is done here. */
	err = process_has_ambient() || !program->argv ? route_failed(program, route) : route_exec(program, route);
	if (!err)
		return;
	process_log(program->path, "not started", route->class, "the helper cannot be used here");
	SYS(SYS_exit_group, EXIT_REFUSED, 0, 0, 0, 0);
}

/* Whether the loader was executed, with the program as an argument: the kernel has put no loader
 * beneath it (AT_BASE). glibc's puts the program's path in the place of its own as AT_EXECFN, and
 * takes its options out of the arguments (elf/rtld.c); musl's does not. */
static bool is_run_by_hand(const char *path)
{
	return !NEXT(getauxval)(AT_BASE) && leads_elsewhere(path);
}

/* The same, where it has to cost nothing: what the kernel puts there lies behind the variables. */
static bool may_be_run_by_hand(const char *execfn, char **env)
{
	return env && *env && (uintptr_t)execfn < (uintptr_t)*env;
}

/* Where the kernel has put the arguments: the fields arg_start and arg_end of proc_pid_stat(5). */
static bool find_passed(uintptr_t *start, uintptr_t *end)
{
	char text[1024];
	const char *field = text;
	int fd = sys_open_to_read(AT_FDCWD, "/proc/self/stat", 0);
	long n = fd < 0 ? 0 : sys_read(fd, text, sizeof(text) - 1);
	uint64_t numbers[2];

	if (fd >= 0)
		sys_close(fd);
	text[n < 0 ? 0 : n] = '\0';
	/* The second one is the program's name, which may have anything in it. */
	for (const char *c = text; *c; c++)
		field = *c == ')' ? c : field;
	for (unsigned number = 2; *field && number < 48; field++)
		number += *field == ' ';
	if (!str_number(&field, numbers) || *field++ != ' ' || !str_number(&field, numbers + 1))
		return false;
	*start = (uintptr_t)numbers[0];
	*end = (uintptr_t)numbers[1];
	return *start && *start < *end;
}

/* As classify, with the loader and its options again. */
__attribute__((noinline)) static void classify_by_hand(struct program *program, struct route *route, char **env)
{
	uintptr_t start;
	uintptr_t end;
	bool found = find_passed(&start, &end);
	int loader;
	size_t count = 0;
	char **argv;

	/* Which another copy of this library may have taken out of the variables. */
	if (found && take_mark((const char *)end, env))
		return;
	loader = found ? sys_openat(AT_FDCWD, RUNNING, O_PATH) : -1;
	for (uintptr_t at = start; found && at < end; at++)
		count += !*(const char *)at;
	argv = loader < 0 ? NULL : sys_map((count + 1) * sizeof(*argv));
	for (size_t i = 0; argv && i < count; i++) {
		argv[i] = (char *)start;
		start += str_len(argv[i]) + 1;
	}
	route->request.loader = argv ? (uint32_t)loader + 1 : 0;
	program->argv = argv;
	classify(program, route);
	if (argv)
		sys_unmap(argv, (count + 1) * sizeof(*argv));
	if (loader >= 0)
		sys_close(loader);
}

/* path is what leads to the program, unless the rule is for what runs. */
__attribute__((noinline)) static void become(struct program *program, char **env, struct route *route, const char *path)
{
	program->envp = env;
	route->request.dirfd = program->dirfd;
	route->request.flags = program->flags;
	request_state(&route->request);
	if (route->other)
		program->path = RUNNING;
	if (is_run_by_hand(path))
		classify_by_hand(program, route, env);
	else
		classify(program, route);
}

/* As route_must_move, for a script that the kernel calls /dev/fd/N or /dev/fd/N/NAME: its
 * interpreter has yet to open that. Executed so again, it has that name again. */
static int script_must_move(struct program *program, struct route *route, enum place *place)
{
	const char *rest = str_after(program->path, "/dev/fd/");
	uint64_t fd;

	if (!str_number(&rest, &fd))
		return 0;
	while (*rest == '/')
		rest++;
	program->dirfd = (int)fd;
	program->flags = *rest ? 0 : AT_EMPTY_PATH;
	program->path = rest;
	return route_must_move(program, false, route, place);
}

/* For what was started by a descriptor, which may be closed by now. */
__attribute__((noinline)) static void put_right_opened(struct program *program, char **own, char **env)
{
	struct route route = { .request = { .start = true } };
	bool is_script = program->argv != own;
	const char *path = program->path;
	enum place place;
	int must = is_script ? script_must_move(program, &route, &place) : 0;

	/* A script without a name has no rule, but its interpreter may have one. */
	if (!must && !route.rule) {
		*program = (struct program){ .dirfd = AT_FDCWD, .path = RUNNING, .argv = own };
		route = (struct route){ .request = { .start = true } };
		is_script = false;
		must = route_must_move(program, true, &route, &place);
	}
	/* If it is in a class and known by no name, the helper has put it there. */
	if (must > 0 && place != PLACE_OTHER && (is_script || place != PLACE_CLASS) && !route_is_parents(&route))
		become(program, env, &route, path);
}

/* path is what leads to the program: execfn, as the kernel has put it onto the stack, or
 * what that is short for. */
static void put_right(int argc, char **argv, char **envp, const char *execfn, const char *path)
{
	struct route route = { .request = { .start = true } };
	struct program program = { .dirfd = AT_FDCWD, .path = path };
	bool glibc = next_is_glibc() && are_passed(argc, argv, envp, (uintptr_t)execfn);
	char **own = glibc ? argv : arguments((uintptr_t)execfn);
	char **env = glibc ? envp : __environ;
	enum place place;

	/* A program with privilege the caller has not must not be sent through a
	 * path that the caller can change meanwhile. */
	if (take_mark(first_variable(own, env, execfn), env) || NEXT(getauxval)(AT_SECURE) || !own)
		return;
	program.argv = own_arguments(own, path);
	if (str_after(path, "/dev/fd/")) {
		put_right_opened(&program, own, env);
		return;
	}
	/* Started by a name that may mean another file by now. */
	if (program.argv == own && route_means_caller(&program))
		program.path = RUNNING;
	/* The helper would not take it out of another tool's group. */
	if (route_must_move(&program, program.argv == own && !may_be_run_by_hand(execfn, env), &route, &place) > 0 &&
	    place != PLACE_OTHER && !route_is_parents(&route))
		become(&program, env, &route, path);
}

/* Valgrind gives a program that it has found on PATH no more than its name. */
__attribute__((noinline)) static void put_right_by_name(int argc, char **argv, char **envp, const char *name)
{
	size_t size = search_size(name);
	char path[size + 1];
	struct sys_file file;
	bool here = !sys_stat(AT_FDCWD, name, 0, &file) && !leads_elsewhere(name);

	if (here || !size || !search_first(name, path, size) || leads_elsewhere(path))
		put_right(argc, argv, envp, name, name);
	else
		put_right(argc, argv, envp, name, path);
}

__attribute__((constructor)) static void at_start(int argc, char **argv, char **envp)
{
	__typeof__(getauxval) *auxval;
	const char *execfn;

	next_keep();
	auxval = NEXT(getauxval);
	execfn = auxval ? (const char *)auxval(AT_EXECFN) : NULL;
	if (!execfn)
		return;
	if (!is_bare(execfn)) {
		put_right(argc, argv, envp, execfn, execfn);
		return;
	}
	/* The search reads it, and glibc has not come to it yet. */
	if (!__environ)
		__environ = envp;
	put_right_by_name(argc, argv, envp, execfn);
}
