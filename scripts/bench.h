/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What a launcher of the benchmark, or what stands in for one, says to who
 * measures: one of these for each byte that it reads. */

#ifndef NETSHIM_BENCH_H
#define NETSHIM_BENCH_H

#include <stdint.h>
#include <time.h>

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

#endif
