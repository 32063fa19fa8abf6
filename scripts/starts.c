/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What 'make install' starts with the new library before it replaces anything: it
 * starts itself again by exec and by posix_spawn, as a login and its shell do, and
 * tells by its exit code who has the library: all of them, or none. */

#include <dlfcn.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Not those that a program ended by something else may have. */
enum { ALL_HAVE_IT = 42, NO_LIBRARY, BROKEN };

extern char **environ;

static int has_library(void)
{
	const char *library = getenv("LD_PRELOAD");
	void *hook = dlsym(RTLD_DEFAULT, "execve");
	Dl_info place;

	return library && hook && dladdr(hook, &place) && !strcmp(place.dli_fname, library) ? ALL_HAVE_IT : NO_LIBRARY;
}

static int spawned(char *program)
{
	char *argv[] = { program, "end", NULL };
	int status;
	pid_t pid;

	if (posix_spawn(&pid, program, NULL, NULL, argv, environ) || waitpid(pid, &status, 0) != pid)
		return BROKEN;
	return WIFEXITED(status) ? WEXITSTATUS(status) : BROKEN;
}

int main(int argc, char *argv[])
{
	if (argc == 1) {
		execl(argv[0], argv[0], "again", (char *)NULL);
		return BROKEN;
	}
	if (!strcmp(argv[1], "again") && spawned(argv[0]) != has_library())
		return BROKEN;
	return has_library();
}
