/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Starts the programs of a folder as each of some users, in each of some ways, and
 * prints a line for each: the error, or what the program says.
 *
 *   refusals FOLDER PROGRAM... */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static char *arguments[] = { "name", "class", NULL };

static const struct user {
	const char *name;
	uid_t real;
	uid_t effective;
} users[] = {
	{ "user", 65534, 65534 },      { "setuid-root", 65534, 0 },   { "root-as-user", 0, 65534 },
	{ "other-as-user", 1, 65534 }, { "user-as-other", 65534, 1 },
};

static void become(const struct user *u)
{
	if (setresgid(u->effective, u->effective, u->effective) || setresuid(u->real, u->effective, u->effective))
		err(90, "%s", u->name);
}

/* Each returns where it failed, with errno. opened is O_PATH, from before root was left. */
static void by_name(const char *name, int opened)
{
	(void)opened;
	execv(name, arguments);
}

static void by_search(const char *name, int opened)
{
	(void)opened;
	execvp(name, arguments);
}

static void by_name_itself(const char *name, int opened)
{
	(void)opened;
	execveat(AT_FDCWD, name, arguments, environ, AT_SYMLINK_NOFOLLOW);
}

static void by_descriptor(const char *name, int opened)
{
	(void)name;
	execveat(opened, "", arguments, environ, AT_EMPTY_PATH);
}

static void by_closing_descriptor(const char *name, int opened)
{
	(void)name;
	fexecve(fcntl(opened, F_DUPFD_CLOEXEC, 0), arguments, environ);
}

static void by_descriptor_name(const char *name, int opened)
{
	char path[64];

	(void)name;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", opened);
	execv(path, arguments);
}

static void wait_for(pid_t pid)
{
	int status;

	waitpid(pid, &status, 0);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 91);
}

static void by_spawn(const char *name, int opened)
{
	pid_t pid;

	(void)opened;
	errno = posix_spawn(&pid, name, NULL, NULL, arguments, environ);
	if (!errno)
		wait_for(pid);
}

static void by_spawn_search(const char *name, int opened)
{
	pid_t pid;

	(void)opened;
	errno = posix_spawnp(&pid, name, NULL, NULL, arguments, environ);
	if (!errno)
		wait_for(pid);
}

static const struct way {
	const char *name;
	void (*start)(const char *name, int opened);
} ways[] = {
	{ "execv", by_name },
	{ "execvp", by_search },
	{ "nofollow", by_name_itself },
	{ "descriptor", by_descriptor },
	{ "closing-descriptor", by_closing_descriptor },
	{ "descriptor-name", by_descriptor_name },
	{ "posix_spawn", by_spawn },
	{ "posix_spawnp", by_spawn_search },
};

static void try(const struct user *u, const struct way *w, const char *program)
{
	int opened = open(program, O_PATH);
	char said[1024];
	int ends[2];
	ssize_t n;
	int status;
	pid_t pid;

	if (opened < 0 || pipe(ends))
		err(90, "%s", program);
	pid = fork();
	if (!pid) {
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		become(u);
		w->start(program, opened);
		dprintf(1, "%s", strerrorname_np(errno));
		_exit(0);
	}
	close(opened);
	close(ends[1]);
	waitpid(pid, &status, 0);
	n = read(ends[0], said, sizeof(said));
	close(ends[0]);
	while (n > 0 && said[n - 1] == '\n')
		n--;
	printf("%s %s %s: %.*s status=%x\n", u->name, w->name, program, (int)n, said, (unsigned)status);
}

int main(int argc, char **argv)
{
	if (argc < 3 || chdir(argv[1]) || setenv("PATH", argv[1], 1))
		return 64;
	for (size_t u = 0; u < sizeof(users) / sizeof(users[0]); u++)
		for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++)
			for (int i = 2; i < argc; i++)
				try(users + u, ways + w, argv[i]);
	return 0;
}
