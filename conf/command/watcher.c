/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The process that up and reload leave behind: see watcher.h. */

#include "conf/command/watcher.h"

#include "conf/command/answerers.h"
#include "conf/command/state.h"
#include "conf/kernel/cgroup.h"
#include "conf/kernel/interfaces.h"
#include "conf/kernel/namespace.h"
#include "conf/language/alloc.h"
#include "conf/language/begins.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* This program, and the network namespace that it watches: an upgrade has another, and a
 * process of the old one does not know what the new one needs; and what the resolvers do that
 * it looks after, which are here. Allocated. */
static char *identity(const char *class)
{
	struct stat program = { .st_ino = 0 };
	struct stat network = { .st_ino = 0 };
	struct answerers_identity names = { 0, 0 };

	if (!class)
		names = answerers_identity();
	stat("/proc/self/exe", &program);
	stat("/proc/self/ns/net", &network);
	return printed("%jx %ju %ju.%09ld %ju %" PRIx64 " %u\n", (uintmax_t)program.st_dev, (uintmax_t)program.st_ino,
		       (uintmax_t)program.st_ctim.tv_sec, program.st_ctim.tv_nsec, (uintmax_t)network.st_ino,
		       names.work, names.port);
}

/* Nothing of whoever has run up stays open or in use, nor are its signals held or ignored, and it
 * ends with none of them. What is executed as root would have all capabilities again: not from
 * here. */
__attribute__((noreturn)) static void become_watcher(char *class, int messages)
{
	char *const arguments[] = { (char[]){ "netshim" }, (char[]){ "watch" }, class, NULL };
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	cgroup_leave();
	sigemptyset(&none);
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(messages < 0 ? null : messages, STDERR_FILENO);
	if (class)
		closefrom(STDERR_FILENO + 1);
	else
		answerers_pass(STDERR_FILENO + 1);
	if (setsid() < 0 || chdir("/") || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		_exit(EXIT_FAILURE);
	execv("/proc/self/exe", arguments);
	_exit(EXIT_FAILURE);
}

bool watch_goes_on(void)
{
	char *by = identity(NULL);
	bool goes_on = state_is_watched_by(NULL, by);

	free(by);
	return goes_on;
}

/* What is taken away as soon as up has returned is put back, too. Returns false where it has ended. */
static bool wait_for(pid_t child, const char *class, const char *by)
{
	const struct timespec pause = { .tv_nsec = 2000000 };

	for (unsigned i = 0; i < 1000 && !state_is_watched_by(class, by); i++) {
		if (waitpid(child, NULL, WNOHANG))
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

#define MESSAGES_MAX 1000

/* They must not grow (memfd_create(2)), whatever is told until it watches. */
static int make_messages(void)
{
	int fd = memfd_create("messages", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || (!ftruncate(fd, MESSAGES_MAX) && !fcntl(fd, F_ADD_SEALS, F_SEAL_GROW)))
		return fd;
	close(fd);
	return -1;
}

static void tell_failure(const char *class, const char *why)
{
	warnx("nobody puts back what others take away%s%s (run 'netshim reload'): cannot start netshim watch: %s",
	      class ? " in the network namespace of class " : "", class ? class : "", why);
}

/* By the first line of its own. */
static void tell_end(const char *class, int messages)
{
	static const char prefix[] = "netshim: ";
	char words[MESSAGES_MAX + 1] = "";
	bool has_any = messages >= 0 && pread(messages, words, MESSAGES_MAX, 0) > 0 && *words;
	bool is_told = begins(words, prefix);

	words[strcspn(words, "\n")] = '\0';
	tell_failure(class, has_any ? words + (is_told ? strlen(prefix) : 0) : "it has been ended");
}

static void start(const char *class, const char *wanted)
{
	char *by = identity(class);
	int messages = -1;
	pid_t pid = 1;

	if (!state_keep_watching(class, by, wanted)) {
		state_end_watching(class);
		messages = make_messages();
		pid = state_allow_watching(class, by, wanted) ? fork() : -1;
	}
	if (!pid)
		become_watcher(class ? copied(class) : NULL, messages);
	if (pid < 0)
		tell_failure(class, strerror(errno));
	else if (pid > 1 && !wait_for(pid, class, by))
		tell_end(class, messages);
	if (messages >= 0)
		close(messages);
	free(by);
}

static bool has_inside(const char *class, const void *with)
{
	const struct ruleset *set = with;

	for (size_t i = 0; i < set->class_count; i++)
		if (!strcmp(set->classes[i].name, class))
			return class_has_inside(&set->classes[i]);
	return false;
}

void watch_start(const struct ruleset *set)
{
	char *wanted = interfaces_wanted(set);

	start(NULL, wanted);
	free(wanted);
	state_end_watching_others(has_inside, set);
	for (size_t i = 0; i < set->class_count; i++) {
		if (!class_has_inside(&set->classes[i]) || !namespace_enter(set->classes[i].netns))
			continue;
		start(set->classes[i].name, "");
		namespace_leave();
	}
}
