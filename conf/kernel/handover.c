/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* From one table to the next: see handover.h.
 *
 * A transaction is put into force at one moment (nf_tables_commit in the kernel's
 * net/netfilter/nf_tables_api.c). But a packet looks once which base chains its hook has (nf_hook
 * in include/linux/netfilter.h), meets one after the other, and each looks for itself which
 * generation of rules is in force then (nft_do_chain in nf_tables_core.c). From that moment on,
 * the old chains have nothing left that refuses: so a packet gets out that was held up on its way
 * to them, by an interrupt, by long rules of others or because the processor was taken away, and
 * that knows of no new ones yet. Nor are they any good to one that has left the new chains before
 * that moment, as the kernel puts those before old ones of the same priority
 * (nf_hook_entries_grow in net/netfilter/core.c).
 *
 * So there is a second table for the time being, whose chains come after all others, and which
 * has no rules until the moment at which it gets the new ones, too. Once no packet is on its way
 * that does not know of them, each meets either all of a hook's old chains while they are in
 * force, or all of the second table's. What one chain notes for another goes over
 * (neighbours.h), but not that a connection is just beginning (at_home in policy.c).
 *
 * That takes as long again as the new table itself. Of a large one, the base chains are there
 * long before the rest is: so they are known to every packet that is not held up for so long, and
 * it suffices that the old ones are there a second time ahead of them, for one that has left the
 * new ones before the moment. A rate counts each packet twice meanwhile. What old chains would
 * refuse, without their maps, policy-refuse.c lets through. */

#include "conf/kernel/handover.h"

#include "conf/kernel/nft.h"
#include "conf/language/alloc.h"
#include "conf/language/begins.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#define CHAIN "\tchain "
#define HOOK "\t\ttype "
#define PRIORITY " priority "
#define TABLE "inet netshim"
#define SECOND TABLE "_handover"

/* A text of so many bytes takes the kernel some 50 ms; of sets' elements, 10. */
#define LARGE ((size_t)256 << 10)

static const char *next_line(const char *line)
{
	line += strcspn(line, "\n");
	return line + (*line == '\n');
}

/* Sets have types, too. */
static bool is_hook(const char *line)
{
	const char *priority = begins(line, HOOK) ? strstr(line, PRIORITY) : NULL;

	return priority && priority < next_line(line);
}

static bool is_base(const char *line)
{
	return begins(line, CHAIN) && is_hook(next_line(line)) && strstr(line, "\n\t}\n");
}

/* A chain that has a hook, from there on; NULL: there is no more. As policy.c writes chains, and
 * nft lists them, one line ends each. */
static const char *next_base(const char *line)
{
	while (*line && !is_base(line))
		line = next_line(line);
	return *line ? line : NULL;
}

/* A number, or "NAME", "NAME + 2", "NAME - 2": so much later. */
static void write_priority(FILE *out, const char *priority, int later)
{
	int name = (int)strcspn(priority, " ;");
	int number = 0;
	char sign = '+';

	if (strchr("-0123456789", *priority)) {
		fprintf(out, "%ld", strtol(priority, NULL, 10) + later);
		return;
	}
	sscanf(priority + name, " %c %d", &sign, &number);
	number = (sign == '-' ? -number : number) + later;
	fprintf(out, "%.*s %c %d", name, priority, number < 0 ? '-' : '+', abs(number));
}

/* The line that gives a chain its hook. */
static void write_hook(FILE *out, const char *hook, int later)
{
	const char *priority = strstr(hook, PRIORITY) + strlen(PRIORITY);
	const char *rest = priority + strcspn(priority, ";");

	fprintf(out, "%.*s", (int)(priority - hook), hook);
	write_priority(out, priority, later);
	fprintf(out, "%.*s", (int)(next_line(rest) - rest), rest);
}

static char *for_all(const char *text, const char *before, const char *after,
		     void (*write)(FILE *out, const char *chain))
{
	char *commands = NULL;
	FILE *out = memstream_open(&commands, &(size_t){ 0 });

	fprintf(out, "%s", before);
	for (const char *chain = next_base(text); chain; chain = next_base(next_line(chain)))
		write(out, chain);
	fprintf(out, "%s", after);
	memstream_close(out);
	return commands;
}

static bool nft_takes(char *commands)
{
	char *words = nft_load(commands, false);
	bool ok = !words;

	free(words);
	free(commands);
	return ok;
}

/* --- a large table: the old base chains a second time, ahead of themselves */

static void write_ahead(FILE *out, const char *chain)
{
	const char *name = chain + strlen(CHAIN);
	const char *hook = next_line(chain);
	const char *rules = next_line(hook);
	const char *end = strstr(hook, "\n\t}\n") + 1;

	fprintf(out, CHAIN HANDOVER_AHEAD "%.*s", (int)(hook - name), name);
	write_hook(out, hook, -1);
	fprintf(out, "%.*s\t}\n", (int)(end - rules), rules);
}

static void write_removal(FILE *out, const char *chain)
{
	const char *name = chain + strlen(CHAIN);
	int size = (int)strcspn(name, " ");

	fprintf(out, "flush chain " TABLE " " HANDOVER_AHEAD "%.*s\ndelete chain " TABLE " " HANDOVER_AHEAD "%.*s\n",
		size, name, size, name);
}

void handover_ahead(const char *before)
{
	nft_takes(for_all(before, "table " TABLE " {\n", "}\n", write_ahead));
}

void handover_ahead_undo(const char *before)
{
	nft_takes(for_all(before, "", "", write_removal));
}

/* --- any other: a second table */

static void write_empty(FILE *out, const char *chain)
{
	const char *hook = next_line(chain);

	fprintf(out, "%.*s", (int)(hook - chain), chain);
	write_hook(out, hook, 1);
	fprintf(out, "\t}\n");
}

/* What is on its way goes through the chains under rcu_read_lock, and membarrier waits for all who
 * are in such a section (kernel/sched/membarrier.c in the kernel): not where there is one processor
 * only, nor with nohz_full. */
static void let_pass(void)
{
	const struct timespec long_enough = { .tv_nsec = 20000000 };

	if (get_nprocs() < 2 || syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		nanosleep(&long_enough, NULL);
}

/* Only commands, and the first and last line of a table, begin at the margin. */
static void write_line(FILE *out, const char *line)
{
	const char *table = *line == '\t' ? NULL : strstr(line, TABLE " ");
	const char *rest = table && table < next_line(line) ? table + strlen(TABLE) : line;

	if (is_hook(line))
		write_hook(out, line, 1);
	else if (rest == line)
		fprintf(out, "%.*s", (int)(next_line(line) - line), line);
	else
		fprintf(out, "%.*s" SECOND "%.*s", (int)(table - line), line, (int)(next_line(rest) - rest), rest);
}

/* The second table is there, and stays. */
static char *with_second(const char *text)
{
	char *both = NULL;
	FILE *out = memstream_open(&both, &(size_t){ 0 });

	fprintf(out, "%s", text);
	for (const char *line = text + strlen(NFT_REMOVE); *line; line = next_line(line))
		write_line(out, line);
	memstream_close(out);
	return both;
}

char *handover_second(const char *text)
{
	if (strlen(text) > LARGE || !begins(text, NFT_REMOVE) ||
	    !nft_takes(for_all(text, NFT_REMOVE_SECOND "table " SECOND " {\n", "}\n", write_empty)))
		return NULL;
	let_pass();
	return with_second(text);
}

bool handover_second_done(void)
{
	bool ok = false;

	let_pass();
	for (int tries = 3; !ok && tries; tries--)
		ok = nft_takes(copied(NFT_REMOVE_SECOND));
	return ok;
}

bool handover_is_left(void)
{
	return nft_takes(copied("list table " SECOND "\n"));
}

void handover_tidy(void)
{
	if (handover_is_left())
		nft_takes(copied(NFT_REMOVE_SECOND));
}
