/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim enable: has sessions load the library; netshim disable: no longer. */

#include "conf/command/child.h"
#include "conf/command/options.h"
#include "conf/command/state.h"
#include "conf/command/sudoers.h"
#include "conf/command/terminal.h"
#include "conf/command/trial.h"
#include "conf/command/verbs.h"
#include "conf/command/ways-in.h"
#include "conf/command/xsession.h"
#include "conf/contract/preload.h"
#include "conf/language/alloc.h"

#include <grp.h>
#include <sys/mman.h>
#include <unistd.h>

#define WAYS_MAX 16
#define PATIENCE_MS 10000 /* for what is done in one user's home */

/* What enable is asked for: kinds of ways, as bits. */
struct wish {
	unsigned kinds;
	bool dry_run;
};

#define KIND(kind) (1U << (kind))

/* The ways that are to be changed, each with its file. */
struct work {
	const struct way_in *ways[WAYS_MAX];
	struct edit edits[WAYS_MAX];
	size_t count;
};

static bool read_option(const char *word, struct wish *wish)
{
	if (!strcmp(word, "--dry-run"))
		wish->dry_run = true;
	else if (!strcmp(word, "--user"))
		wish->kinds |= KIND(WAY_USER);
	else if (!strcmp(word, "--login"))
		wish->kinds |= KIND(WAY_LOGIN) | KIND(WAY_SUDO);
	else if (!strcmp(word, "--system"))
		wish->kinds |= KIND(WAY_SYSTEM);
	else
		return false;
	return true;
}

static struct wish read_wish(const struct command *command)
{
	struct wish wish = { .kinds = 0 };

	for (int i = 0; i < command->argc; i++) {
		if (read_option(command->argv[i], &wish))
			continue;
		options_tell_unknown("enable", command->argv[i]);
		exit(EXIT_USAGE);
	}
	if (!wish.kinds)
		wish.kinds = geteuid() ? KIND(WAY_USER) : KIND(WAY_LOGIN) | KIND(WAY_SUDO);
	if (geteuid() && wish.kinds & ~KIND(WAY_USER))
		errx(EXIT_FAILURE, "'enable --login' and '--system' are for root; run it with sudo, or 'netshim enable "
				   "--user' for yourself");
	return wish;
}

static const struct passwd *this_user(void)
{
	const struct passwd *user = getpwuid(getuid());

	if (!user || *user->pw_dir != '/')
		errx(EXIT_FAILURE, "this user has no home");
	return user;
}

/* What an administrator has told sudo stays, and is said. */
static bool is_left_to_others(const struct way_in *way)
{
	bool is_environment = false;
	char *others = way->kind == WAY_SUDO ? sudoers_others(&is_environment) : NULL;
	bool is_left = others;

	if (others && !is_environment)
		warnx("%s: what sudo starts has the library only if that file has this line: LD_PRELOAD=%s", others,
		      PRELOAD_WORD);
	free(others);
	return is_left;
}

/* false where a file cannot be read, or what is in it not be taken out: it is to be left as it is. */
static bool prepare(struct work *work, unsigned kinds, const struct passwd *user, bool put)
{
	bool ok = true;

	for (const struct way_in *way = ways_in; way < ways_in + ways_in_count; way++) {
		struct edit *edit = &work->edits[work->count];

		if (!(kinds & KIND(way->kind)) || (put && (!way_applies(way, user) || is_left_to_others(way))))
			continue;
		if (!way_read(way, user, edit)) {
			ok = false;
			continue;
		}
		if (put)
			way_put(way, edit);
		else
			ok = way_take(way, edit) && ok;
		if (put && !edit_is_needed(edit))
			printf("%s: has it already\n", edit->path);
		if (edit_is_needed(edit))
			work->ways[work->count++] = way;
	}
	return ok;
}

static void tell_put(const struct way_in *way, const struct edit *edit, bool dry_run)
{
	char *lines = copied(way->text);
	char *rest = lines;
	char *line;

	printf("%s %s:\n", dry_run ? "would write into" : "writes into", edit->path);
	while ((line = strsep(&rest, "\n")) && (*line || rest))
		printf("    %s\n", line);
	free(lines);
	if (way->kind == WAY_SYSTEM)
		printf("If ever no program starts any more: " NETSHIM_RESCUE
		       " takes it out again. It\nneeds no library; "
		       "without a shell, boot with init=" NETSHIM_RESCUE "\n");
	if (way->kind == WAY_SYSTEM && ways_annoy_snaps())
		warnx("each program in a snap will complain that it does not see the library; 'enable --login' does "
		      "without that");
	terminal_flush();
}

/* Nobody could log in any more with a library that ends programs. */
static void try_variable(void)
{
	char *other;
	char *wrong = trial_of_variable(&other);

	if (wrong)
		errx(EXIT_FAILURE, "nothing is written, as a program does not start with LD_PRELOAD=%s: %s",
		     PRELOAD_WORD, wrong);
	if (other)
		warnx("some programs will complain, as the library for them is not installed (with Debian packages, "
		      "that is libnetshim of their architecture): %s",
		      other);
	free(other);
}

/* Nothing is written where one program does not start. */
static bool is_tried(const struct way_in *way, const struct edit *edit)
{
	char *wrong = way->kind == WAY_SYSTEM ? trial_of_preload(edit->after) : NULL;

	if (wrong)
		warnx("nothing is written into %s, as a program does not start with that: %s", edit->path, wrong);
	free(wrong);
	return !wrong;
}

static bool put_all(const struct work *work, bool dry_run)
{
	bool ok = true;

	for (size_t i = 0; i < work->count; i++) {
		const struct way_in *way = work->ways[i];
		const struct edit *edit = &work->edits[i];

		if (!is_tried(way, edit)) {
			ok = false;
			continue;
		}
		tell_put(way, edit, dry_run);
		if (!dry_run)
			ok = edit_write(edit, way->check) && ok;
	}
	return ok;
}

/* Root's programs would do what others want. Users decide on their own. */
static void check_library(void)
{
	char *changeable = geteuid() == 0 ? ways_changeable() : NULL;
	char *closed = geteuid() == 0 ? ways_closed() : NULL;

	if (access(NETSHIM_BY_LIB PRELOAD_NAME, R_OK))
		err(EXIT_FAILURE, "cannot read the library %s; install netshim again", NETSHIM_BY_LIB PRELOAD_NAME);
	if (changeable)
		errx(EXIT_FAILURE,
		     "nothing is written, as others than root can change %s; make it root's, and writable by nobody "
		     "else",
		     changeable);
	if (closed)
		errx(EXIT_FAILURE, "nothing is written, as not all users may read %s; run: chmod 755 %s", closed,
		     closed);
}

static void tell_of_xsession(void)
{
	if (xsession_drops_variable())
		warnx("X11 sessions go on without the library: they are beneath ssh-agent, which drops LD_PRELOAD, "
		      "and " XSESSION_OURS " is not there; install netshim again, which puts it there");
}

static void tell_of_sudo(void)
{
	char *line = geteuid() == 0 && sudoers_is_there() ? sudoers_traces() : NULL;

	if (line)
		warnx("%s: " SUDOERS_TRACED "; add this line behind it: " SUDOERS_NOT_TRACED, line);
	free(line);
}

int cmd_enable(const struct command *command)
{
	struct wish wish = read_wish(command);
	struct work work = { .count = 0 };
	bool ok;

	check_library();
	if (!prepare(&work, wish.kinds, this_user(), true))
		return EXIT_FAILURE;
	if (work.count && wish.kinds & ~KIND(WAY_SYSTEM))
		try_variable();
	ok = put_all(&work, wish.dry_run);
	if (ok && work.count && !wish.dry_run)
		printf("%s 'netshim disable' takes all of it out.\n",
		       wish.kinds & KIND(WAY_SYSTEM) ? "Each program that is started from now on has it."
						     : "Sessions have it from the next login on.");
	if (!(wish.kinds & KIND(WAY_SYSTEM)))
		tell_of_xsession();
	tell_of_sudo();
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool take_all(unsigned kinds, const struct passwd *user)
{
	struct work work = { .count = 0 };
	bool ok = prepare(&work, kinds, user, false);

	for (size_t i = 0; i < work.count; i++) {
		printf("takes netshim's lines out of %s\n", work.edits[i].path);
		terminal_flush();
		ok = edit_write(&work.edits[i], work.ways[i]->check) && ok;
	}
	return ok;
}

__attribute__((noreturn)) static void take_as(const struct passwd *user)
{
	if (initgroups(user->pw_name, user->pw_gid) || setresgid(user->pw_gid, user->pw_gid, user->pw_gid) ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid))
		err(EXIT_FAILURE, "cannot become user %s", user->pw_name);
	exit(take_all(KIND(WAY_USER), user) ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void pass_on(int said, FILE *to)
{
	char text[4096];
	off_t at = 0;
	ssize_t n;

	for (; (n = pread(said, text, sizeof(text), at)) > 0; at += n)
		fwrite(text, 1, (size_t)n, to);
	fflush(to);
	close(said);
}

/* What is in a user's home, that user decides; so it is that user who looks there, and no failure of
 * root's. It may be there for good, so it holds nothing that anybody waits for: what it says is in
 * memory. */
static bool take_from(const struct passwd *user)
{
	int said = memfd_create("said", 0);
	int wrong = memfd_create("wrong", 0);
	int *kept[] = { &said, &wrong };
	bool well;
	pid_t child;

	if (!user->pw_uid)
		return take_all(KIND(WAY_USER), user);
	child = fork();
	if (!child) {
		state_keep_only(kept, 2);
		dup2(said, STDOUT_FILENO);
		dup2(wrong, STDERR_FILENO);
		take_as(user);
	}
	well = child > 0 && !child_status(child, PATIENCE_MS);
	pass_on(said, stdout);
	pass_on(wrong, stderr);
	if (!well)
		warnx("not all files of user %s could be looked at; 'netshim disable' by that user does it",
		      user->pw_name);
	return true;
}

/* Before any process is started: it would share the place in the file that is read. */
static struct passwd *all_users(size_t *count)
{
	struct passwd *users = NULL;
	const struct passwd *user;

	for (*count = 0; (user = getpwent()); ++*count) {
		users = grown(users, *count, sizeof(*users));
		users[*count] = (struct passwd){
			.pw_name = copied(user->pw_name),
			.pw_uid = user->pw_uid,
			.pw_gid = user->pw_gid,
			.pw_dir = copied(user->pw_dir),
			.pw_shell = copied(user->pw_shell),
		};
	}
	endpwent();
	return users;
}

static void tell_of_roots(void)
{
	if (ways_state(WAY_LOGIN, NULL) == WAY_OPEN || ways_state(WAY_SYSTEM, NULL) == WAY_OPEN)
		warnx("all who log in, you too, go on loading the library, as root has enabled it; root's 'netshim "
		      "disable' takes that out");
}

int cmd_disable(const struct command *command)
{
	struct passwd *users;
	size_t count;
	bool ok;

	(void)command;
	if (geteuid()) {
		ok = take_all(KIND(WAY_USER), this_user());
		tell_of_roots();
		return ok ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	ok = take_all(KIND(WAY_LOGIN) | KIND(WAY_SUDO) | KIND(WAY_SYSTEM), NULL);
	users = all_users(&count);
	for (size_t i = 0; i < count; i++)
		if (*users[i].pw_dir == '/')
			ok = take_from(&users[i]) && ok;
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
