/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What the benchmark's programs share. */

#ifndef NETSHIM_BENCH_H
#define NETSHIM_BENCH_H

#include <err.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

/* What a launcher, or what stands in for one, says to who measures: one of these for
 * each byte that it reads. */
struct result {
	uint64_t ns;
	int status; /* 0: it went well */
};

static inline uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* On the last CPU there is: the first usually has the most interrupts. What is
 * started inherits it. */
static inline void pin(void)
{
	cpu_set_t set;
	int last = CPU_SETSIZE - 1;

	if (sched_getaffinity(0, sizeof(set), &set))
		err(EXIT_FAILURE, "sched_getaffinity");
	while (!CPU_ISSET(last, &set))
		last--;
	CPU_ZERO(&set);
	CPU_SET(last, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(EXIT_FAILURE, "sched_setaffinity");
}

#endif
