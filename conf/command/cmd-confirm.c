/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim confirm, and what goes back where it is not run in time: see cmd-confirm.h.
 *
 * That is a child of the command, with the parsed configuration that is to be gone back
 * to in its memory: it is started before anything changes, so whatever becomes of the
 * command, of its terminal and of its session, there is one who goes back. The note has
 * the time when it does, of CLOCK_BOOTTIME, which goes on while the machine sleeps.
 * A newer note, or none, tells it that nobody needs it any more. */

#include "conf/command/cmd-confirm.h"

#include "conf/command/boottime.h"
#include "conf/command/last.h"
#include "conf/command/state.h"
#include "conf/command/verbs.h"
#include "conf/contract/rules.h"
#include "conf/kernel/cgroup.h"
#include "conf/language/alloc.h"
#include "conf/language/say.h"
#include "conf/language/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static const char note_path[] = NETSHIM_RUNDIR "/confirm";
static const char new_note_path[] = NETSHIM_RUNDIR "/confirm.new";
static const char failed_path[] = NETSHIM_RUNDIR "/confirm.failed"; /* why it could not be gone back */

/* What this process has begun. */
static bool kept;     /* what is gone back to: nothing waited before */
static int note = -1; /* that something waits */
static unsigned note_seconds;

static bool write_deadline(int file, unsigned seconds)
{
	char text[32];
	int size = snprintf(text, sizeof(text), "%019" PRId64 "\n", boottime_milliseconds() + (int64_t)seconds * 1000);

	return pwrite(file, text, (size_t)size, 0) == size;
}

static long seconds_left(int file)
{
	char text[32] = "";
	int64_t left =
		pread(file, text, sizeof(text) - 1, 0) > 0 ? strtoll(text, NULL, 10) - boottime_milliseconds() : 0;

	return left > 0 ? (long)((left + 999) / 1000) : 0;
}

long confirm_left(void)
{
	int file = open(note_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET }; /* only another's F_WRLCK is in its way */
	long left;

	if (file < 0)
		return CONFIRM_NONE;
	left = !fcntl(file, F_OFD_GETLK, &lock) && lock.l_type == F_UNLCK ? CONFIRM_DEAD : seconds_left(file);
	close(file);
	return left;
}

bool confirm_keep(void)
{
	const char *text;

	if (!access(note_path, F_OK))
		return true;
	unlink(CONFIRM_BEFORE);
	unlink(failed_path);
	kept = true;
	text = text_in_force();
	if (!state_is_up() || (text && !link(text, CONFIRM_BEFORE)))
		return true;
	warnx("there is no copy of the configuration in force, which would be gone back to (an older netshim keeps "
	      "none); put what is in force into force once more without --confirm");
	return false;
}

static bool is_current(int file)
{
	struct stat mine;
	struct stat there;

	return !fstat(file, &mine) && !stat(note_path, &there) && mine.st_dev == there.st_dev &&
	       mine.st_ino == there.st_ino;
}

/* The lock is the open file's: the process holds it as long as it lives. Whoever may read the note may
 * have a lock to read, which would be in the way of this one; to write, root alone. */
static int make_note(unsigned seconds)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int file;

	unlink(new_note_path);
	file = open(new_note_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return file >= 0 && !fcntl(file, F_OFD_SETLK, &lock) && !fchmod(file, 0644) && write_deadline(file, seconds)
		       ? file
		       : -1;
}

/* The descriptors of who goes back, beside the standard ones. */
enum { COMMAND_FD = STDERR_FILENO + 1, NOTE_FD };

/* In a process of its own, as running out of memory ends it. */
static void go_back_once(bool at_once, int (*go_back)(void))
{
	state_lock(false);
	if (!is_current(NOTE_FD) || (!at_once && seconds_left(NOTE_FD))) {
		state_leave();
		exit(EXIT_SUCCESS);
	}
	if (go_back())
		errx(EXIT_FAILURE, "cannot go back to what was in force before; trying again");
	warnx("not confirmed: what was in force before is in force again");
	confirm_end();
	exit(EXIT_SUCCESS);
}

/* Root's alone, as messages may have lines of the configuration in them. */
static FILE *open_failed(void)
{
	int fd = open(failed_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? NULL : fdopen(fd, "w");
}

/* To who sits at the terminal, to the system's log, and where it has failed, to who asks. */
static void tell(int messages, bool failed)
{
	char line[1024];
	FILE *file = fdopen(messages, "r");
	FILE *why = failed ? open_failed() : NULL;

	if (file)
		rewind(file);
	while (file && fgets(line, sizeof(line), file)) {
		fputs(line, stderr);
		syslog(LOG_DAEMON | LOG_WARNING, "%s", line);
		if (why)
			fputs(line, why);
	}
	if (file)
		fclose(file);
	if (why)
		fclose(why);
}

static void try_going_back(bool at_once, int (*go_back)(void))
{
	int messages = memfd_create("messages", MFD_CLOEXEC);
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		dup2(messages, STDERR_FILENO);
		go_back_once(at_once, go_back);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	tell(messages, status && is_current(NOTE_FD));
}

/* SIGTERM, as the end of a session may send it to all that is left, and a shutdown: goes
 * back at once. */
static void wait_and_go_back(int (*go_back)(void))
{
	const struct timespec second = { .tv_sec = 1 };
	unsigned pause = 1;
	bool at_once = false;
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	while (is_current(NOTE_FD)) {
		if (!at_once && seconds_left(NOTE_FD)) {
			at_once = sigtimedwait(&term, NULL, &second) == SIGTERM;
			continue;
		}
		try_going_back(at_once, go_back);
		if (is_current(NOTE_FD) && (at_once || !seconds_left(NOTE_FD)))
			sleep(pause);
		pause = pause < 60 ? pause * 2 : 60;
	}
}

/* Like a daemon: nothing that ends the session, or waits for its end, meets it. */
_Noreturn static void run_child(int command, int (*go_back)(void))
{
	char byte = 0;

	kept = false; /* should going back fail, it is not over */
	setsid();
	cgroup_leave();
	state_keep_only((int *[]){ &command, &note }, 2);
	note = -1; /* going back does not begin anything */
	/* The command puts the note in its place, and closes its end or is killed. */
	if (write(COMMAND_FD, &byte, 1) == 1 && !read(COMMAND_FD, &byte, 1))
		wait_and_go_back(go_back);
	_exit(EXIT_SUCCESS);
}

bool confirm_start(unsigned seconds, int (*go_back)(void))
{
	bool ok = false;
	int ends[2];
	pid_t pid;
	char byte;

	note_seconds = seconds;
	note = make_note(seconds);
	if (note >= 0 && !socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) {
		pid = fork();
		if (!pid)
			run_child(ends[1], go_back);
		close(ends[1]);
		ok = pid > 0 && read(ends[0], &byte, 1) == 1 && !rename(new_note_path, note_path);
		close(ends[0]);
	}
	if (ok) {
		unlink(failed_path); /* of who went back from the note before */
		return true;
	}
	warn("cannot wait for a confirmation at %s", note_path);
	unlink(new_note_path);
	return false;
}

void confirm_count(void)
{
	if (note >= 0)
		write_deadline(note, note_seconds);
}

void confirm_undo(void)
{
	if (kept)
		confirm_end();
}

static void tell_failure(void)
{
	char *why = text_plain(failed_path);

	warnx("not confirmed, and going back to what was in force before has failed, and is tried again%s",
	      why ? ":" : "");
	if (why)
		say_lines(stderr, why);
	free(why);
}

void confirm_remind(void)
{
	long left = confirm_left();

	if (left == CONFIRM_DEAD)
		warnx("not confirmed, and the process that goes back has been ended: nothing goes back by itself; "
		      "'netshim confirm' keeps what is in force");
	else if (left != CONFIRM_NONE && !access(failed_path, F_OK))
		tell_failure();
	else if (left != CONFIRM_NONE)
		warnx("not confirmed: in %ld second%s, what was in force before is in force again, unless 'netshim "
		      "confirm' is run",
		      left, left == 1 ? "" : "s");
}

void confirm_end(void)
{
	unlink(note_path);
	unlink(new_note_path);
	unlink(failed_path);
	unlink(CONFIRM_BEFORE);
	unlink(CONFIRM_MOVED);
}

int cmd_confirm(const struct command *command)
{
	bool waits = !access(note_path, F_OK);

	(void)command;
	if (waits) {
		/* It may be gone back to meanwhile. */
		state_lock(false);
		waits = !access(note_path, F_OK);
		if (!waits)
			state_leave();
	}
	if (!waits)
		errx(EXIT_FAILURE,
		     "there is nothing to confirm: no change waits for it, or its time was over and what was "
		     "in force before is in force again");
	confirm_end();
	last_keep();
	puts("confirmed: what is in force stays");
	return EXIT_SUCCESS;
}
