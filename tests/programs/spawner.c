/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* posix_spawn and posix_spawnp with every file action and attribute:
 *
 *   spawner FOLDER PROGRAM...
 *
 * prints what it returned, whether it wrote the pid, how the child ended; the
 * child (target.c) writes what it got to descriptor 9. A PROGRAM without a slash is
 * searched for on PATH. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPORT 9

extern char **environ;

struct call {
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	const char *folder;
	short flags;
};

static void none(struct call *c)
{
	(void)c;
}

static void open_file(struct call *c)
{
	posix_spawn_file_actions_addopen(&c->actions, 30, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&c->actions, 31, "made", O_WRONLY | O_CREAT | O_TRUNC, 0640);
}

static void open_missing(struct call *c)
{
	posix_spawn_file_actions_addopen(&c->actions, 30, "/no/such/file", O_RDONLY, 0);
}

static void dup2_file(struct call *c)
{
	posix_spawn_file_actions_adddup2(&c->actions, 1, 30);
	posix_spawn_file_actions_adddup2(&c->actions, 15, 15); /* takes its close-on-exec away */
}

static void dup2_bad(struct call *c)
{
	posix_spawn_file_actions_adddup2(&c->actions, 99, 30);
}

static void close_file(struct call *c)
{
	posix_spawn_file_actions_addclose(&c->actions, 0);
	posix_spawn_file_actions_addclose(&c->actions, 14);
	posix_spawn_file_actions_addclose(&c->actions, 98);
}

static void closefrom_report(struct call *c)
{
	posix_spawn_file_actions_addclosefrom_np(&c->actions, REPORT + 1);
}

static void all_closed(struct call *c)
{
	posix_spawn_file_actions_addclosefrom_np(&c->actions, 0);
	posix_spawn_file_actions_addopen(&c->actions, REPORT, "made", O_WRONLY | O_CREAT | O_TRUNC, 0600);
}

static void change_folder(struct call *c)
{
	posix_spawn_file_actions_addchdir_np(&c->actions, "inner");
}

static void change_twice(struct call *c)
{
	posix_spawn_file_actions_addchdir_np(&c->actions, "inner");
	posix_spawn_file_actions_addchdir_np(&c->actions, "..");
	posix_spawn_file_actions_addchdir_np(&c->actions, "inner/../inner");
}

static void change_missing(struct call *c)
{
	posix_spawn_file_actions_addchdir_np(&c->actions, "missing");
}

static void change_by_descriptor(struct call *c)
{
	posix_spawn_file_actions_addfchdir_np(&c->actions, 16);
}

static void change_by_opened(struct call *c)
{
	posix_spawn_file_actions_addopen(&c->actions, 30, ".", O_RDONLY, 0);
	posix_spawn_file_actions_addchdir_np(&c->actions, "/");
	posix_spawn_file_actions_addfchdir_np(&c->actions, 30);
	posix_spawn_file_actions_addopen(&c->actions, 31, "inner", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&c->actions, 31, 32);
	posix_spawn_file_actions_addchdir_np(&c->actions, "/");
	posix_spawn_file_actions_addfchdir_np(&c->actions, 32);
}

static void set_group(struct call *c)
{
	c->flags = POSIX_SPAWN_SETPGROUP;
	posix_spawnattr_setpgroup(&c->attr, 0);
}

static void set_bad_group(struct call *c)
{
	c->flags = POSIX_SPAWN_SETPGROUP;
	posix_spawnattr_setpgroup(&c->attr, 1);
}

static void set_session(struct call *c)
{
	c->flags = POSIX_SPAWN_SETSID;
}

static void reset_ids(struct call *c)
{
	c->flags = POSIX_SPAWN_RESETIDS;
}

static void set_mask(struct call *c)
{
	sigset_t set;

	c->flags = POSIX_SPAWN_SETSIGMASK;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGRTMIN);
	posix_spawnattr_setsigmask(&c->attr, &set);
}

static void set_defaults(struct call *c)
{
	sigset_t set;

	c->flags = POSIX_SPAWN_SETSIGDEF;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	posix_spawnattr_setsigdefault(&c->attr, &set);
}

static void set_parameter(struct call *c)
{
	struct sched_param p = { .sched_priority = 0 };

	c->flags = POSIX_SPAWN_SETSCHEDPARAM;
	posix_spawnattr_setschedparam(&c->attr, &p);
}

static void set_scheduler(struct call *c)
{
	struct sched_param p = { .sched_priority = 0 };

	c->flags = POSIX_SPAWN_SETSCHEDULER;
	posix_spawnattr_setschedpolicy(&c->attr, SCHED_BATCH);
	posix_spawnattr_setschedparam(&c->attr, &p);
}

static void set_real_time(struct call *c)
{
	struct sched_param p = { .sched_priority = 5 };

	c->flags = POSIX_SPAWN_SETSCHEDULER;
	posix_spawnattr_setschedpolicy(&c->attr, SCHED_FIFO);
	posix_spawnattr_setschedparam(&c->attr, &p);
}

static void use_vfork(struct call *c)
{
	c->flags = POSIX_SPAWN_USEVFORK;
}

static void everything(struct call *c)
{
	set_mask(c);
	set_defaults(c);
	posix_spawnattr_setpgroup(&c->attr, 0);
	c->flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_RESETIDS |
		   POSIX_SPAWN_USEVFORK;
	open_file(c);
	dup2_file(c);
	close_file(c);
	change_folder(c);
}

static const struct {
	const char *name;
	void (*prepare)(struct call *call);
} cases[] = {
	{ "none", none },
	{ "open", open_file },
	{ "open-missing", open_missing },
	{ "dup2", dup2_file },
	{ "dup2-bad", dup2_bad },
	{ "close", close_file },
	{ "closefrom", closefrom_report },
	{ "all-closed", all_closed },
	{ "chdir", change_folder },
	{ "chdir-twice", change_twice },
	{ "chdir-missing", change_missing },
	{ "fchdir", change_by_descriptor },
	{ "fchdir-opened", change_by_opened },
	{ "pgroup", set_group },
	{ "pgroup-bad", set_bad_group },
	{ "sid", set_session },
	{ "resetids", reset_ids },
	{ "sigmask", set_mask },
	{ "sigdef", set_defaults },
	{ "schedparam", set_parameter },
	{ "scheduler", set_scheduler },
	{ "scheduler-refused", set_real_time },
	{ "vfork", use_vfork },
	{ "everything", everything },
};

/* A parent with something of everything that an attribute changes. */
static void be_odd(const char *folder)
{
	sigset_t set;
	char path[4096];

	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	umask(027);
	snprintf(path, sizeof(path), "%s/inner", folder);
	dup2(open(path, O_RDONLY | O_DIRECTORY), 16);
	dup2(2, 14);
	dup3(2, 15, O_CLOEXEC);
	for (int fd = 3; fd < REPORT; fd++)
		close(fd);
	fcntl(16, F_SETFD, FD_CLOEXEC);
}

static int run(size_t number, const char *folder, const char *program)
{
	char *argv[] = { "name", "two words", "", NULL };
	struct call c = { .folder = folder };
	struct stat made;
	pid_t pid = -77;
	int status = -1;
	int error;

	posix_spawn_file_actions_init(&c.actions);
	posix_spawnattr_init(&c.attr);
	cases[number].prepare(&c);
	posix_spawnattr_setflags(&c.attr, c.flags);
	unlink("made");
	error = (strchr(program, '/') ? posix_spawn : posix_spawnp)(&pid, program, &c.actions, &c.attr, argv, environ);
	if (!error && waitpid(pid, &status, 0) != pid)
		status = -2;
	printf("%s %s: %s pid=%s status=%x children=%d made=%d\n", cases[number].name, program,
	       error ? strerrorname_np(error) : "started", pid == -77 ? "unwritten" : "written", (unsigned)status,
	       waitpid(-1, NULL, WNOHANG | __WALL), stat("made", &made) ? -1 : (int)made.st_mode);
	fflush(stdout);
	posix_spawn_file_actions_destroy(&c.actions);
	posix_spawnattr_destroy(&c.attr);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 3 || chdir(argv[1]))
		return 64;
	be_odd(argv[1]);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int arg = 2; arg < argc; arg++)
			run(i, argv[1], argv[arg]);
	return 0;
}
