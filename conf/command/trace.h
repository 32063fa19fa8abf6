/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What the parts of `netshim trace` share: cmd-trace.c runs the command, trace-starts.c makes
 * starts of what the kernel tells, trace-why.c tells why one is not where its rule says, and
 * trace-print.c prints it. */

#ifndef NETSHIM_TRACE_H
#define NETSHIM_TRACE_H

#include "conf/command/image.h"
#include "conf/command/wanted.h"
#include "conf/contract/rules.h"
#include "conf/kernel/processes.h"
#include "conf/kernel/tracer.h"

#include <jansson.h>
#include <stdio.h>

#define AT_ITS_START 300 /* milliseconds in which the library puts a program right */

/* A start, to be told of. */
struct start {
	pid_t process;
	char *program;
	char *started_as;
	struct wanted wanted;
	struct membership before;
	struct membership after;
	char *loaded;  /* the program with the rule, where this is its loader, run by hand; or NULL */
	char *problem; /* why it is not where its rule says, or NULL */
	bool refused;  /* it was not started */
};

/* A process. */
struct traced {
	struct image image;
	struct membership before;
	bool helper; /* it runs the helper now, which is to start what is */
	char *asked; /* allocated, or NULL */
	bool by_loader;
	bool no_new_privs;
	struct start *waiting;
	uint64_t until;
};

struct trace {
	struct tracer tracer;
	struct rules rules;
	struct looker looker;
	FILE *to;
	bool json;
	size_t waiting;
	size_t programs;
	size_t moved;
	size_t elsewhere;
	struct process_names lost;
	json_t *lost_too;
};

/* What the tracer calls, with a struct trace. */
extern const struct tracer_events trace_events;
/* Tells of what has had its time (AT_ITS_START); and at the end of all that is left. */
void trace_tell_late(struct trace *t);
void trace_end(struct trace *t);

/* Why a program is not where its rule says (allocated); NULL where it is, or has no rule. */
char *trace_problem(const struct traced *launcher, const struct image *image, const struct start *s);
/* False, too, where it has ended. */
bool trace_has_no_new_privs(pid_t process);

/* Prints to t->to the columns' titles (none with t->json), a start, which is counted, and what was
 * counted. */
void trace_tell_heading(const struct trace *t);
void trace_tell(struct trace *t, const struct start *s);
void trace_tell_end(const struct trace *t);

#endif
