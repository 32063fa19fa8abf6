/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Is netshim up, and who may change it: see state.h. */

#include "conf/command/state.h"

#include "conf/command/answerers.h"
#include "conf/command/lifts.h"
#include "conf/command/restored.h"
#include "conf/command/services.h"
#include "conf/command/verbs.h"
#include "conf/contract/rules.h"
#include "conf/kernel/processes.h"
#include "conf/kernel/table.h"
#include "conf/language/alloc.h"
#include "conf/language/begins.h"
#include "conf/language/compile.h"
#include "conf/language/packages.h"
#include "conf/language/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <nss.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char lock_path[] = NETSHIM_RUNDIR "/lock";
#define WATCH NETSHIM_RUNDIR "/watch"
#define WATCH_PATH_SIZE (sizeof(WATCH) + CLASS_NAME_MAX + 8)

/* A command that is ended half way, or whose messages nobody reads any more, would
 * leave half of the old state and half of the new; and one that is stopped, by ^Z say, would
 * hold off all others. */
static void hold_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGPIPE);
	sigaddset(&set, SIGTSTP);
	sigaddset(&set, SIGTTIN);
	sigaddset(&set, SIGTTOU);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* nftables' library looks for a user named 0 before it takes "skuid 0" for a number
 * (uid_type_parse in its src/meta.c): that is not to wait for a name service. */
void state_ask_no_name_service(void)
{
	__nss_configure_lookup("passwd", "files");
	__nss_configure_lookup("group", "files");
}

#define PATIENCE_SECONDS 10

static const char *waiting_for;

/* Nothing has been changed yet. */
__attribute__((noreturn)) static void lose_patience(int signal)
{
	(void)signal;
	if (write(STDERR_FILENO, waiting_for, strlen(waiting_for)) < 0)
		_exit(EXIT_FAILURE);
	_exit(EXIT_FAILURE);
}

void be_impatient(const char *what)
{
	sigset_t set;

	waiting_for = what;
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	signal(SIGALRM, lose_patience);
	alarm(PATIENCE_SECONDS);
}

void be_patient(void)
{
	alarm(0);
}

_Static_assert(PATIENCE_SECONDS == 10, "as STATE_GAVE_UP says");

static bool is_still(int fd, const char *path)
{
	struct stat opened;
	struct stat there;

	return !fstat(fd, &opened) && !stat(path, &there) && there.st_ino == opened.st_ino;
}

static int open_lock(void)
{
	char *changeable;

	if (mkdir(NETSHIM_RUNDIR, 0755) && errno != EEXIST)
		err(EXIT_FAILURE, "cannot make %s", NETSHIM_RUNDIR);
	changeable = trust_changeable(NETSHIM_RUNDIR);
	if (changeable)
		errx(EXIT_FAILURE, "others than root can change %s; make it root's, and writable by nobody else",
		     changeable);
	if (chmod(NETSHIM_RUNDIR, 0755))
		return -1;
	return open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

#define LOCK_TRIES 50

/* A `down` that ends may take the folder away between any two of these steps. */
static int open_lock_at_last(void)
{
	int fd = open_lock();

	for (int tries = 1; fd < 0 && errno == ENOENT && tries < LOCK_TRIES; tries++)
		fd = open_lock();
	if (fd < 0)
		err(EXIT_FAILURE, "cannot lock %s", lock_path);
	return fd;
}

/* Returns the descriptor, which is to be open for as long as it is held. */
static int take_lock(bool for_hook)
{
	struct flock waiting = { .l_type = F_WRLCK, .l_len = 1 };
	int fd = open_lock_at_last();

	if (for_hook && fcntl(fd, F_OFD_SETLK, &waiting) && errno == EAGAIN)
		exit(EXIT_SUCCESS);
	be_impatient(STATE_GAVE_UP "another netshim holds " NETSHIM_RUNDIR "/lock; 'fuser " NETSHIM_RUNDIR
				   "/lock' tells which\n");
	if (flock(fd, LOCK_EX))
		err(EXIT_FAILURE, "cannot lock %s", lock_path);
	be_patient();
	waiting.l_type = F_UNLCK;
	fcntl(fd, F_OFD_SETLK, &waiting);
	/* The lock was held by a `down`, which has removed the file. */
	if (is_still(fd, lock_path))
		return fd;
	close(fd);
	return take_lock(for_hook);
}

static void hold_lock(void)
{
	hold_signals();
	state_ask_no_name_service();
}

void state_lock(bool for_hook)
{
	take_lock(for_hook);
	hold_lock();
}

bool state_lock_for(ino_t rules)
{
	int fd = take_lock(false);

	if (state_rules() == rules) {
		hold_lock();
		return true;
	}
	state_leave();
	close(fd);
	return false;
}

void state_keep_only(int *kept[], size_t count)
{
	const int first = STDERR_FILENO + 1;
	const int end = first + (int)count;

	for (size_t i = 0; i < count; i++)
		*kept[i] = fcntl(*kept[i], F_DUPFD, end);
	for (size_t i = 0; i < count; i++)
		*kept[i] = dup2(*kept[i], first + (int)i);
	closefrom(end);
	for (int fd = 0; fd < first; fd++)
		if (fd != STDERR_FILENO || !isatty(fd))
			dup2(open("/dev/null", O_RDWR), fd);
	closefrom(end);
	if (chdir("/"))
		_exit(EXIT_FAILURE);
}

static const char *watch_path(const char *class, char path[WATCH_PATH_SIZE])
{
	snprintf(path, WATCH_PATH_SIZE, WATCH "%s%s", class ? "-" : "", class ? class : "");
	return path;
}

/* What is kept for classes. */
static void forget_all(const char *pattern)
{
	glob_t found;

	if (glob(pattern, 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		unlink(found.gl_pathv[i]);
	globfree(&found);
}

void state_remove_folder(void)
{
	unlink(WATCH);
	forget_all(WATCH "-*");
	forget_all(TABLE_KEPT "-*");
	table_forget(NULL);
	restored_forget();
	lifts_forget();
	unlink(ANSWERERS_LOCKS);
	services_forget();
	unlink(STATE_LAST);
	unlink(PACKAGES_COMING);
	unlink(lock_path);
	rmdir(NETSHIM_RUNDIR);
}

bool state_is_up(void)
{
	return !access(RULES_PATH, F_OK);
}

ino_t state_rules(void)
{
	struct stat st = { .st_ino = 0 };

	stat(RULES_PATH, &st);
	return st.st_ino;
}

/* Names are given by ip-netns(8). */
static char *way_to(uint64_t network)
{
	char *way = NULL;
	struct stat st;
	glob_t named;
	pid_t pid;

	if (!glob("/run/netns/*", 0, NULL, &named)) {
		for (size_t i = 0; i < named.gl_pathc && !way; i++)
			if (!stat(named.gl_pathv[i], &st) && st.st_ino == network)
				way = copied(named.gl_pathv[i]);
		globfree(&named);
	}
	pid = way ? 0 : processes_in_network(network);
	return pid ? printed("/proc/%d/ns/net", pid) : way;
}

/* As it was given, where another configuration than the usual one was; -c stands before the verb. */
static char *words_of(const struct command *command)
{
	bool other = command->config && strcmp(command->config, NETSHIM_CONFIG) != 0;
	char *words = other ? printed("-c %s %s", command->config, command->argv[-1]) : copied(command->argv[-1]);

	for (int i = 0; i < command->argc; i++) {
		char *longer = printed("%s %s", words, command->argv[i]);

		free(words);
		words = longer;
	}
	return words;
}

void state_refuse_elsewhere(const struct command *command)
{
	uint64_t network = compile_elsewhere();
	const char *way = network ? way_to(network) : NULL;

	if (way)
		errx(EXIT_FAILURE, "netshim is up in another network namespace; run 'nsenter --net=%s netshim %s'", way,
		     words_of(command));
}

void state_leave(void)
{
	if (!state_is_up() && access(STATE_LAST, F_OK))
		state_remove_folder();
}

/* The lock goes last, and who takes up anew begins with it. */
void state_end_for_older(void)
{
	if (state_is_up() || !access(lock_path, F_OK) || access(TABLE_KEPT, F_OK))
		return;
	state_lock(false);
	if (!state_is_up())
		state_remove_folder();
}

/* Who watches has it locked for itself alone; who only asks, with others that ask. */
static int open_watch(const char *class, int flags, int lock)
{
	char path[WATCH_PATH_SIZE];
	int fd = open(watch_path(class, path), O_CLOEXEC | O_NOFOLLOW | flags, 0600);

	if (fd < 0 || !flock(fd, lock | LOCK_NB))
		return fd;
	close(fd);
	return -1;
}

static bool close_watched(int fd)
{
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool is_told(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_size;
}

/* For a moment it may be held by who only asks; and whom an earlier up has left to watch
 * may come before it is told what to watch. */
static int open_to_watch_soon(const char *class, int flags)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	int fd = -1;

	for (int tries = 0; fd < 0 && tries <= 10; tries++) {
		if (tries)
			nanosleep(&pause, NULL);
		fd = open_watch(class, flags, LOCK_EX);
		if (fd >= 0 && flags == O_RDONLY && !is_told(fd)) {
			close(fd);
			fd = -1;
		}
	}
	return fd;
}

void state_end_watching(const char *class)
{
	char path[WATCH_PATH_SIZE];

	unlink(watch_path(class, path));
}

void state_end_watching_others(bool (*is_wanted)(const char *class, const void *with), const void *with)
{
	glob_t found;

	if (glob(WATCH "-*", 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		if (!is_wanted(found.gl_pathv[i] + strlen(WATCH "-"), with))
			unlink(found.gl_pathv[i]);
	globfree(&found);
}

static bool write_watched(int fd, const char *line, const char *what)
{
	char *text = printed("%s%s", line, what);
	ssize_t size = (ssize_t)strlen(text);
	bool ok = pwrite(fd, text, (size_t)size, 0) == size && !ftruncate(fd, size);

	free(text);
	return ok;
}

bool state_allow_watching(const char *class, const char *line, const char *what)
{
	int fd = open_to_watch_soon(class, O_WRONLY | O_CREAT);
	bool ok = fd >= 0 && write_watched(fd, line, what);

	return close_watched(fd) && ok;
}

/* Who has locked it is who watches. */
static bool is_watched_by(int fd, const char *line)
{
	char text[256] = "";

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) && read(fd, text, sizeof(text) - 1) > 0 && begins(text, line);
}

bool state_is_watched_by(const char *class, const char *line)
{
	char path[WATCH_PATH_SIZE];
	int fd = open(watch_path(class, path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool is = is_watched_by(fd, line);

	close_watched(fd);
	return is;
}

bool state_keep_watching(const char *class, const char *line, const char *what)
{
	char path[WATCH_PATH_SIZE];
	int fd = open(watch_path(class, path), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	bool kept = is_watched_by(fd, line) && write_watched(fd, line, what);

	close_watched(fd);
	return kept;
}

char *state_watched(int watching)
{
	struct stat st = { .st_size = 0 };
	char *text;
	char *what;

	fstat(watching, &st);
	text = zalloc((size_t)st.st_size + 1);
	if (pread(watching, text, (size_t)st.st_size, 0) < 0)
		*text = '\0';
	what = strchr(text, '\n');
	what = copied(what ? what + 1 : "");
	free(text);
	return what;
}

bool state_is_unwatched(const char *class)
{
	return close_watched(open_watch(class, O_RDONLY, LOCK_SH));
}

bool state_is_watched(const char *class)
{
	char path[WATCH_PATH_SIZE];
	int fd = open(watch_path(class, path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool is = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB);

	close_watched(fd);
	return is;
}

int state_watch(const char *class)
{
	state_ask_no_name_service();
	return open_to_watch_soon(class, O_RDONLY);
}

bool state_goes_on_watching(const char *class, int watching)
{
	char path[WATCH_PATH_SIZE];

	return is_still(watching, watch_path(class, path));
}

int state_turn(const char *class, int watching)
{
	int fd = open(lock_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd >= 0 && !flock(fd, LOCK_EX) && is_still(fd, lock_path) && state_goes_on_watching(class, watching) &&
	    state_is_up())
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

int state_pause(void)
{
	int fd = open(lock_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || !flock(fd, LOCK_SH | LOCK_NB))
		return fd;
	close(fd);
	return -1;
}
