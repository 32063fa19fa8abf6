/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Follows processes: see tracer.h.
 *
 * They are seized, not attached to: so job control goes on as ever, as a stopped one is
 * left to whoever continues it (PTRACE_LISTEN). They stop for this when they start a process
 * or a program and when a signal comes, at no system call else. */

#include "conf/kernel/tracer.h"

#include "conf/language/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OPTIONS (PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC)
#define BUCKETS 1024

/* Each thread is followed by itself, as each may start something. */
struct tracer_thread {
	struct tracer_thread *next;
	pid_t id;
	pid_t process;
	bool executed;
	void *note;
};

static struct tracer_thread **find(const struct tracer *t, pid_t id)
{
	struct tracer_thread **at = &t->threads[(unsigned)id % BUCKETS];

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

static void forget(const struct tracer *t, pid_t id)
{
	struct tracer_thread **at = find(t, id);
	struct tracer_thread *gone = *at;

	if (!gone)
		return;
	*at = gone->next;
	free(gone);
}

static struct tracer_thread *add(const struct tracer *t, pid_t id, pid_t process)
{
	struct tracer_thread **at = find(t, id);

	if (!*at) {
		*at = zalloc(sizeof(**at));
		(*at)->id = id;
	}
	(*at)->process = process;
	return *at;
}

void **tracer_note(const struct tracer *t, pid_t process)
{
	struct tracer_thread *thread = *find(t, process);

	return thread ? &thread->note : NULL;
}

static void read_status(pid_t id, pid_t *process, pid_t *parent)
{
	char path[64];
	char line[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", id);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Tgid: %d", process) != 1 && sscanf(line, "PPid: %d", parent) == 1)
			break;
	if (file)
		fclose(file);
}

/* Its starter tells of it, and it stops by itself, in either order. */
static void meet(const struct tracer *t, pid_t id, pid_t starter)
{
	const struct tracer_thread *known = *find(t, id);
	pid_t process = id;
	pid_t parent = starter;

	if (known && (!starter || known->executed))
		return;
	read_status(id, &process, &parent);
	add(t, id, process);
	if (process == id)
		t->events->forked(t->with, starter ? starter : parent, id);
}

static pid_t process_of(const struct tracer *t, pid_t id)
{
	const struct tracer_thread *thread = *find(t, id);

	return thread ? thread->process : id;
}

/* Whichever thread executes a program has the process's number from then on. */
static void execute(const struct tracer *t, pid_t id, pid_t former)
{
	if (former != id)
		forget(t, former);
	add(t, id, id)->executed = true;
	t->events->executed(t->with, id);
}

static void leave(struct tracer *t, pid_t id, int status)
{
	bool whole = *find(t, id) && process_of(t, id) == id;

	if (whole)
		t->events->ended(t->with, id, status);
	forget(t, id);
	if (id == t->first) {
		t->ended = true;
		t->status = status;
	}
}

static bool stops(int signal)
{
	return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

/* One that was killed meanwhile tells of that next. */
static void go_on(pid_t id, int request, int signal)
{
	ptrace(request, id, NULL, (long)signal);
}

static void handle_stop(struct tracer *t, pid_t id, int event, int signal)
{
	unsigned long message = 0;

	if (id == t->first)
		t->stopped = event == PTRACE_EVENT_STOP && stops(signal);
	if (event && event != PTRACE_EVENT_STOP)
		ptrace(PTRACE_GETEVENTMSG, id, NULL, &message);
	switch (event) {
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		meet(t, (pid_t)message, process_of(t, id));
		break;
	case PTRACE_EVENT_EXEC:
		execute(t, id, (pid_t)message);
		break;
	case PTRACE_EVENT_STOP:
		if (stops(signal)) {
			go_on(id, PTRACE_LISTEN, 0);
			return;
		}
		meet(t, id, 0);
	}
	go_on(id, PTRACE_CONT, event ? 0 : signal);
}

static void handle_all(struct tracer *t)
{
	int status;
	pid_t id;

	while (!t->ended && (id = waitpid(-1, &status, __WALL | WNOHANG)) > 0)
		if (WIFSTOPPED(status))
			handle_stop(t, id, status >> 16, WSTOPSIG(status));
		else
			leave(t, id, status);
}

/* That of a terminal goes to all of its foreground, the first process too. */
static void pass_on(struct tracer *t, const siginfo_t *info)
{
	t->stopping = t->stopping || stops(info->si_signo);
	if (info->si_code <= 0)
		kill(t->first, info->si_signo);
}

/* Whoever waits for this process takes the terminal back when it stops, and a program may
 * read from it, or have something to do with it, until it stops itself. */
static void stop_too(struct tracer *t)
{
	if (!t->stopping || !t->stopped)
		return;
	t->stopping = false;
	raise(SIGSTOP);
}

static void fill_signals(sigset_t *set)
{
	static const int signals[] = { SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGUSR1, SIGUSR2 };

	sigemptyset(set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaddset(set, signals[i]);
}

void tracer_follow(struct tracer *t, int milliseconds)
{
	const struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000L };
	siginfo_t info;
	sigset_t set;

	fill_signals(&set);
	handle_all(t);
	if (t->ended || sigtimedwait(&set, &info, &time) < 0)
		return;
	if (info.si_signo != SIGCHLD)
		pass_on(t, &info);
	handle_all(t);
	stop_too(t);
}

static _Noreturn void run_first(const struct tracer *t, int gate, void (*run)(const void *), const void *what)
{
	char go;

	/* Closed where it cannot be followed. */
	if (read(gate, &go, 1) != 1)
		_exit(EXIT_FAILURE);
	close(gate);
	sigprocmask(SIG_SETMASK, &t->before, NULL);
	run(what);
	_exit(EXIT_FAILURE);
}

static bool seize(const struct tracer *t, int gate)
{
	if (ptrace(PTRACE_SEIZE, t->first, NULL, OPTIONS))
		return false;
	add(t, t->first, t->first)->executed = true;
	t->events->forked(t->with, getpid(), t->first);
	return write(gate, "", 1) == 1;
}

bool tracer_start(struct tracer *t, void (*run)(const void *), const void *what)
{
	int gate[2];
	sigset_t set;
	bool ok;

	t->threads = zalloc(BUCKETS * sizeof(struct tracer_thread *));
	fill_signals(&set);
	if (pipe2(gate, O_CLOEXEC) || sigprocmask(SIG_BLOCK, &set, &t->before))
		return false;
	t->first = fork();
	if (!t->first) {
		close(gate[1]);
		run_first(t, gate[0], run, what);
	}
	close(gate[0]);
	/* Whoever is ignored sends none; and a program's own terminal is not waited for. */
	signal(SIGCHLD, SIG_DFL);
	signal(SIGTTOU, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* EFBIG is told */
	ok = t->first > 0 && seize(t, gate[1]);
	close(gate[1]);
	return ok;
}

void tracer_each(const struct tracer *t, void (*each)(void *with, pid_t process))
{
	for (unsigned i = 0; i < BUCKETS; i++)
		for (const struct tracer_thread *thread = t->threads[i]; thread; thread = thread->next)
			if (thread->id == thread->process)
				each(t->with, thread->id);
}
