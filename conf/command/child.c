/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* How a process ends that may hang: see child.h. */

#include "conf/command/child.h"

#include "conf/command/boottime.h"
#include "conf/command/state.h"
#include "conf/contract/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 2000 /* for the first that is silent */
#define LEAST_MS 10
#define LONGEST_MS 10000 /* for all of them: a user can have many */

int child_kill(pid_t child)
{
	int status = SIGKILL;

	kill(child, SIGKILL);
	waitpid(child, &status, WNOHANG);
	return status;
}

int child_status(pid_t child, int patience)
{
	struct pollfd ended = { .fd = (int)syscall(SYS_pidfd_open, child, 0), .events = POLLIN };
	bool in_time = ended.fd < 0 || poll(&ended, 1, patience) > 0; /* before Linux 5.3, whenever it ends */
	int status = SIGKILL;

	if (ended.fd >= 0)
		close(ended.fd);
	if (!in_time)
		return child_kill(child);
	waitpid(child, &status, 0);
	return status;
}

int child_patience(size_t silent)
{
	int patience = PATIENCE_MS / (int)(silent + 1);

	return patience > LEAST_MS ? patience : LEAST_MS;
}

int child_lacked(pid_t child)
{
	int status = 0;

	waitpid(child, &status, 0);
	return WIFEXITED(status) && no_descriptor_free(-WEXITSTATUS(status)) ? WEXITSTATUS(status) : 0;
}

/* It may be there for good, so it holds nothing that anybody waits for. */
_Noreturn static void answer(int end, size_t from, size_t count, uint8_t (*look)(size_t question, const void *with),
			     const void *with)
{
	state_keep_only((int *[]){ &end }, 1);
	if (end < 0)
		_exit(EMFILE);
	for (size_t i = from; i < count; i++) {
		uint8_t its = look(i, with);

		if (write(end, &its, 1) != 1)
			break;
	}
	_exit(EXIT_SUCCESS);
}

/* Returns up to where there are answers, and sets *ended where there will be no more. */
static size_t read_answers(int end, uint8_t *answers, size_t from, size_t count, int patience, int64_t until,
			   bool *ended)
{
	struct pollfd ready = { .fd = end, .events = POLLIN };
	ssize_t n = 1;

	while (from < count && n > 0 && boottime_milliseconds() < until && poll(&ready, 1, patience) > 0) {
		n = read(end, answers + from, count - from);
		from += n > 0 ? (size_t)n : 0;
	}
	*ended = from == count || n <= 0;
	return from;
}

/* What is asked, from there on. */
struct questions {
	uint8_t *answers;
	size_t count;
	uint8_t (*look)(size_t question, const void *with);
	const void *with;
	int64_t until;
};

/* The same; *error is why nobody can look. */
static size_t ask_one(const struct questions *q, size_t from, int patience, int *error)
{
	bool ended = false;
	int ends[2];
	pid_t child;

	*error = pipe2(ends, O_CLOEXEC) ? errno : 0;
	if (*error)
		return from;
	child = fork();
	if (!child)
		answer(ends[1], from, q->count, q->look, q->with);
	*error = child < 0 ? errno : 0;
	close(ends[1]);
	if (child > 0)
		from = read_answers(ends[0], q->answers, from, q->count, patience, q->until, &ended);
	close(ends[0]);
	if (ended)
		*error = child_lacked(child);
	else if (child > 0)
		child_kill(child);
	return from;
}

int child_ask(uint8_t *answers, size_t count, uint8_t (*look)(size_t question, const void *with), const void *with)
{
	const struct questions q = { answers, count, look, with, boottime_milliseconds() + LONGEST_MS };
	size_t silent = 0;
	int error = 0;

	for (size_t done = 0; done < count; silent++) {
		if (!error && boottime_milliseconds() < q.until)
			done = ask_one(&q, done, child_patience(silent), &error);
		if (done < count)
			answers[done++] = CHILD_SILENT;
	}
	return error;
}
