/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Follows a process and all that it starts, by ptrace(2). Whoever follows has CAP_SYS_PTRACE:
 * then programs beneath gain what they gain otherwise, by a set-user-ID bit or a file's
 * capabilities (cap_bprm_creds_from_file in the kernel asks ptracer_capable). */

#ifndef NETSHIM_TRACER_H
#define NETSHIM_TRACER_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/* What is told of processes. Each stands still meanwhile. */
struct tracer_events {
	/* The child is new, and may be told of twice, before it has executed anything. */
	void (*forked)(void *with, pid_t parent, pid_t child);
	/* Before the first instruction of the program. */
	void (*executed)(void *with, pid_t process);
	/* It is gone; status is waitpid's. */
	void (*ended)(void *with, pid_t process, int status);
};

struct tracer {
	const struct tracer_events *events;
	void *with;
	pid_t first;
	int status; /* waitpid's, when the first has ended */
	bool ended;
	bool stopped;  /* the first one is, by job control */
	bool stopping; /* and so is this process to be then */
	struct tracer_thread **threads;
	sigset_t before;
};

/* Starts the first process. It calls run, with what this process is now, and the signals as
 * they were; run does not return. false with errno where it cannot be followed. */
bool tracer_start(struct tracer *tracer, void (*run)(const void *what), const void *what);

/* Follows what happens next, or waits for that many milliseconds. What others send this
 * process to end it, the first one gets; and where a terminal stops both, this one stops
 * when the first one has. */
void tracer_follow(struct tracer *tracer, int milliseconds);

/* Where the caller may keep something about a process; NULL where that is not followed. */
void **tracer_note(const struct tracer *tracer, pid_t process);

/* Calls back for each process that is still there. They go on by themselves when this
 * process ends, however it does (exit_ptrace). */
void tracer_each(const struct tracer *tracer, void (*each)(void *with, pid_t process));

#endif
