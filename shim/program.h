/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* A program that is about to be started, and what the kernel would say of it, so that the helper
 * is executed in its place only where it could be itself: after that, an error has nobody to go
 * to. */

#ifndef NETSHIM_PROGRAM_H
#define NETSHIM_PROGRAM_H

#include <spawn.h>
#include <stdbool.h>

/* A program as execveat names it. */
struct program {
	int dirfd;
	const char *path;
	int flags;
	char *const *argv;
	char *const *envp;
	bool cwd;				   /* dirfd is the folder that its process will be in */
	bool real;				   /* which will be the real user's and group's */
	const posix_spawn_file_actions_t *actions; /* which come first */
};

/* What execveat would say of all but the format. Returns 0 or -errno. */
int program_check(const struct program *program);
int program_check_environment(char *const *envp);
bool program_format_is_known(const struct program *program);
bool program_uses_dirfd(const struct program *program);

#endif
