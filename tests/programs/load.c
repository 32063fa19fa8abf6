/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Many users start programs at once while the rules change:
 *
 *   load USERS LAUNCHES RELOADS COMMAND CONFIG... -- GROUP... -- PROGRAM...
 *
 * By the first CONFIG, which is in force already, each PROGRAM is in the first
 * GROUP, and so on; they come into force in turn. The programs are probes, started in
 * each way that the shim knows of. Prints what became of them, and what the launchers
 * have more of after than before. Built and run by load.t. */

#include "tests/programs/driver.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <grp.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define FIRST_USER 61001
#define WARM_UP 20
#define WORDS_MAX 16

extern char **environ;

/* What launchers and the one who reloads share. Of the configurations, numbered on
 * and on, begun is the last that may be in force and done the first. */
static struct shared {
	unsigned begun, done;
	unsigned launched;
	unsigned in_force, not_in_force, unclassified, failed;
	unsigned reloads_failed;
	long descriptors, pages;
} * shared;

static char *configs[WORDS_MAX], *groups[WORDS_MAX], *programs[WORDS_MAX];
static unsigned config_count, group_count, program_count;
static unsigned reloads;

static void add(unsigned *counter, unsigned n)
{
	__atomic_add_fetch(counter, n, __ATOMIC_SEQ_CST);
}

static unsigned get(const unsigned *counter)
{
	return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

static void set(unsigned *counter, unsigned n)
{
	__atomic_store_n(counter, n, __ATOMIC_SEQ_CST);
}

/* The last program, which is a dynamic one, puts itself right at its start. */
static int start(unsigned n, char **argv)
{
	pid_t pid;

	argv[0] = programs[n % program_count];
	if (n % 2)
		return posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) ? -1 : wait_for(pid);
	pid = vfork();
	if (pid)
		return wait_for(pid);
	if (argv[0] == programs[program_count - 1])
		syscall(SYS_execve, argv[0], argv, environ);
	else
		execve(argv[0], argv, environ);
	_exit(127);
}

static void launch(unsigned n, char **argv)
{
	unsigned first = get(&shared->done);
	int status = start(n, argv);
	unsigned last = get(&shared->begun);
	bool found = false;

	for (unsigned i = first; i <= last; i++)
		found = found || status == 10 + (int)(i % config_count);
	add(found			  ? &shared->in_force
	    : status == 1		  ? &shared->unclassified
	    : status == 2 || status >= 10 ? &shared->not_in_force
					  : &shared->failed,
	    1);
	if (!found)
		fprintf(stderr, "# %s: %d, between configurations %u and %u\n", argv[0], status, first, last);
	add(&shared->launched, 1);
}

static long descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	long count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void launch_all(unsigned user, unsigned count)
{
	char *argv[WORDS_MAX + 3] = { NULL, (char *)"nth" };
	long descriptors_before = descriptors();
	long pages_before = 0;

	memcpy(argv + 2, groups, sizeof(groups));
	if (setgroups(0, NULL) || setresgid(user, user, user) || setresuid(user, user, user))
		err(1, "cannot become user %u", user);
	for (unsigned n = 0; n < count; n++) {
		if (n == WARM_UP)
			pages_before = count_pages();
		/* So that there is somebody until the last reload has ended, however long that takes. */
		while (n + 1 == count && get(&shared->done) < reloads)
			usleep(200);
		launch(n, argv);
	}
	if (count > WARM_UP)
		__atomic_add_fetch(&shared->pages, count_pages() - pages_before, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&shared->descriptors, descriptors() - descriptors_before, __ATOMIC_SEQ_CST);
}

static void reload(char *command, unsigned n)
{
	char *argv[] = { command, (char *)"-c", configs[n % config_count], (char *)"reload", NULL };
	pid_t pid;

	set(&shared->begun, n);
	if (posix_spawn(&pid, command, NULL, NULL, argv, environ) || wait_for(pid))
		add(&shared->reloads_failed, 1);
	set(&shared->done, n);
}

static unsigned words(char ***argv, char **list)
{
	unsigned count = 0;

	for (; **argv && strcmp(**argv, "--") && count < WORDS_MAX - 1; ++*argv)
		list[count++] = **argv;
	*argv += **argv != NULL;
	return count;
}

int main(int argc, char **argv)
{
	char **rest = argv + 5;
	unsigned users, launches;

	if (argc < 10)
		return 64;
	users = (unsigned)atoi(argv[1]);
	launches = (unsigned)atoi(argv[2]) / users;
	reloads = (unsigned)atoi(argv[3]);
	config_count = words(&rest, configs);
	group_count = words(&rest, groups);
	program_count = words(&rest, programs);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || !program_count || group_count != config_count)
		err(1, "bad arguments");
	for (unsigned i = 0; i < users; i++) {
		if (fork())
			continue;
		launch_all(FIRST_USER + i, launches);
		_exit(0);
	}
	/* Spread over the launches. */
	for (unsigned n = 1; n <= reloads; n++) {
		while (get(&shared->launched) < (uint64_t)users * launches * (n - 1) / reloads)
			usleep(200);
		reload(argv[4], n);
	}
	while (wait(NULL) > 0)
		;
	printf("%u launches, %u in a class in force, %u in another, %u in none, %u failed; %u reloads, %u failed; "
	       "%ld descriptors and %ld pages more\n",
	       shared->launched, shared->in_force, shared->not_in_force, shared->unclassified, shared->failed, reloads,
	       shared->reloads_failed, shared->descriptors, shared->pages);
	return 0;
}
