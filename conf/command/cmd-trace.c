/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim trace: each program that a command starts, by which rule it is in its class, or
 * why it is not.
 *
 * The kernel tells of each start, however it is made. Where the rules have a program
 * elsewhere than it is, and the library comes up in it, that puts it right before main: so
 * it is told of a moment later. */

#include "conf/command/confine.h"
#include "conf/command/options.h"
#include "conf/command/search.h"
#include "conf/command/trace.h"
#include "conf/command/verbs.h"
#include "conf/contract/sys.h"
#include "conf/language/alloc.h"
#include "conf/language/compile.h"
#include "conf/language/rights.h"
#include "conf/language/trust.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* To follow, and to look at what others run, also in what of /proc is for its user alone; to
 * pass signals on. */
#define TRACE_CAPS (CAP(CAP_SYS_PTRACE) | CAP(CAP_DAC_READ_SEARCH) | CAP(CAP_SETUID) | CAP(CAP_SETGID) | CAP(CAP_KILL))

/* What is run, and as whom. */
struct what {
	char **argv;
	const struct passwd *user; /* NULL: as the caller */
	const char *file;	   /* for what is told, or NULL */
};

/* As runuser(1) has it: what the user's login would set of these, and all else as it is. */
static void become_user(const struct passwd *user)
{
	if (!user)
		return;
	if (initgroups(user->pw_name, user->pw_gid) || setgid(user->pw_gid) || setuid(user->pw_uid))
		err(EXIT_REFUSED, "cannot become user %s", user->pw_name);
	setenv("HOME", user->pw_dir, 1);
	setenv("SHELL", *user->pw_shell ? user->pw_shell : "/bin/sh", 1);
	setenv("USER", user->pw_name, 1);
	setenv("LOGNAME", user->pw_name, 1);
}

static void run(const void *with)
{
	const struct what *what = with;
	const char *path;

	become_user(what->user);
	path = search_command(*what->argv);
	if (!path)
		errx(EXIT_NOT_FOUND, "%s: not found on PATH", *what->argv);
	execv(path, what->argv);
	err(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, "%s", path);
}

/* As the first process has ended, so that whoever waits for this one sees no difference. */
static int end_like(int status)
{
	sigset_t set;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	sigemptyset(&set);
	sigaddset(&set, WTERMSIG(status));
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return 128 + WTERMSIG(status);
}

static int trace(struct trace *t, const struct what *what)
{
	t->tracer = (struct tracer){ .events = &trace_events, .with = t };
	t->looker.now = &t->rules;
	if (!tracer_start(&t->tracer, run, what))
		err(EXIT_REFUSED, "cannot follow what '%s' starts", *what->argv);
	confine(TRACE_CAPS, "trace");
	open_standard_descriptors();
	clearenv();
	trace_tell_heading(t);
	while (!t->tracer.ended) {
		tracer_follow(&t->tracer, t->waiting ? AT_ITS_START / 3 : 10000);
		trace_tell_late(t);
	}
	trace_end(t);
	wanted_end(&t->looker);
	return end_like(t->tracer.status);
}

static void tell_lacking(int option)
{
	if (option == 'u')
		options_tell_lacking("trace", "-u", "a user, as in -u nobody");
	else
		options_tell_lacking("trace", "-o", "a file, as in -o trace.txt");
}

/* What is told, and what is run, by the words behind the verb. */
static bool read_options(const struct command *command, struct trace *t, struct what *what)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' }, { NULL, 0, NULL, 0 } };
	int option;

	optind = 0;
	while ((option = options_next(command, "+:u:o:", options)) != -1) {
		if (option == ':')
			tell_lacking(optopt);
		if (option == ':' || option == '?')
			return false;
		t->json = t->json || option == 'j';
		what->file = option == 'o' ? optarg : what->file;
		if (option == 'u' && !(what->user = getpwnam(optarg)))
			errx(EXIT_REFUSED, "there is no user '%s'", optarg);
	}
	what->argv = command->argv - 1 + optind;
	if (!*what->argv)
		warnx("trace: which command? usage: netshim trace [-u USER] [-o FILE] [--json] [--] COMMAND...");
	return *what->argv;
}

/* What others have put at the end of the path may be a pipe, which they could keep full. */
static FILE *open_as_others(const char *path, const char *changeable)
{
	struct stat st;
	int fd = -1;

	if (rights_take(rights_of(changeable)))
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
	if (fd < 0 || fstat(fd, &st))
		err(EXIT_REFUSED, "cannot open '%s' with the rights of who can change '%s'", path, changeable);
	if (!S_ISREG(st.st_mode))
		errx(EXIT_REFUSED, "'%s' is not a regular file, and others than root can change '%s'", path,
		     changeable);
	rights_give_back();
	return fdopen(fd, "w");
}

/* A terminal is its user's, but /dev is root's. */
static bool is_device(const char *path)
{
	struct stat st;

	return !lstat(path, &st) && S_ISCHR(st.st_mode);
}

static FILE *open_file(const char *path)
{
	char *changeable = trust_changeable(path);
	FILE *file = changeable && !is_device(changeable) ? open_as_others(path, changeable) : fopen(path, "we");

	free(changeable);
	return file;
}

int cmd_trace(const struct command *command)
{
	struct trace t = { .json = false };
	struct what what = { .user = NULL };
	int code;

	if (!read_options(command, &t, &what))
		return EXIT_USAGE;
	if (!compile_open(&t.rules, true)) {
		if (errno == ENOENT)
			warnx("netshim is not up; run 'netshim up' as root");
		return EXIT_REFUSED;
	}
	t.to = what.file ? open_file(what.file) : stderr;
	if (!t.to)
		err(EXIT_REFUSED, "%s", what.file);
	code = trace(&t, &what);
	if (t.to != stderr && (fflush(t.to) || ferror(t.to) || fclose(t.to)))
		warnx("trace: not all could be written to %s", what.file);
	return code;
}
