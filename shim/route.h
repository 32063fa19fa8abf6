/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* From a program that is about to be started to the way it is started. */

#ifndef NETSHIM_ROUTE_H
#define NETSHIM_ROUTE_H

#include "conf/contract/process.h"
#include "conf/contract/rules.h"
#include "shim/program.h"

/* What this process runs. */
#define RUNNING "/proc/self/exe"

struct route {
	struct request request;
	bool allow;		     /* on-error = allow */
	bool other;		     /* the path leads to another program than the one that runs */
	bool refused;		     /* because of on-error = deny */
	bool again;		     /* it is this process's own file, which is started where it is */
	bool lock;		     /* the class has lock = true */
	bool netns;		     /* the class has a network namespace */
	bool with;		     /* there are rules for some arguments only */
	bool doubtful;		     /* a rule may have a file of that name, or its interpreter is not there */
	const struct sys_file *seen; /* what the path's last name is, where that is known; or NULL */
	uint64_t rule;		     /* its hash */
	char class[CLASS_NAME_MAX + 1];
};

/* Tells whether a rule wants a program elsewhere than this process is; fills in
 * the class ("" where the rule says none) and where this process is. runs says that
 * it is what this process runs, and no script: it has no interpreter to be looked for,
 * and where others may have its path lead elsewhere, what runs is asked about. Returns
 * 1, 0, or -EMFILE or -ENFILE where there was no descriptor for the question. */
int route_must_move(const struct program *program, bool runs, struct route *route, enum place *place);

/* Tells whether this process runs that file, or it cannot be told. Within valgrind and qemu-user,
 * the link RUNNING has the program's name, and leads to them. */
struct match_file;
bool route_runs(const struct match_file *file);

/* Tells whether the process, which may gain no privilege any more (no_new_privs), is about
 * to run what its parent runs: the helper could not move it, and where it is, it is already. route is
 * what route_must_move has found. */
bool route_is_parents(const struct route *route);

/* Tells how to start a program. Returns 0 where it is to be executed as it is, 1
 * where the helper must be executed in its place, -errno where starting it must
 * fail with that. Any pointer in program may be bad; where it matters, the
 * kernel's own answer (-EFAULT) comes back.
 *
 * All functions here are async-signal-safe, work in a vfork child, leave errno,
 * memory and descriptors alone, and need about 2.5 KiB of stack (5 KiB for paths
 * of more than some 500 bytes) and 8 bytes for each of up to 250 variables in the environment.
 * Where there are rules by argument, 1 KiB more (5 KiB for an argument of more than that, 2 KiB
 * for a script). */
int route_program(const struct program *program, struct route *route);

/* Tells whether the path's last name is a link of /proc's own, which may mean another
 * file to the helper (RUNNING, a descriptor that is closed by then), or was one, or the path
 * leads through such a descriptor. */
bool route_means_caller(const struct program *program);

/* Replaces such a path by the file's own, in target; false where it has none (any more). */
bool route_resolve(struct program *program, char *target, size_t size);

/* A size of target that is enough: the stack may be a signal handler's. */
__attribute__((noinline)) size_t route_resolve_size(const struct program *program);

/* Executes the helper in the calling process. Returns only where that failed: 0
 * where the program may be started unclassified, -errno where it may not. */
int route_exec(const struct program *program, struct route *route);

/* The second step, where the first has returned ret: returns 0 where the caller is to execute the
 * program as it is, -errno where it must fail. */
int route_go_on(const struct program *program, struct route *route, int ret);

/* The two steps in one. */
int route(const struct program *program);

/* Calls start with the program's arguments and the environment that the helper
 * takes; returns what it returns, or -ENOMEM. */
typedef int route_starter(char *const argv[], char *const env[], const void *context);
int route_start(const struct program *program, const struct route *route, route_starter *start, const void *context);

/* What is executed in the program's place: the helper, or what leads into a namespace first. */
static inline const char *route_helper(const struct route *route)
{
	return route->netns ? NETSHIM_NETNS : NETSHIM_HELPER;
}

/* What is to be done when the helper could not be executed: as route_exec. */
int route_failed(const struct program *program, struct route *route);

#endif
