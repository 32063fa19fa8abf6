/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* From one table to the next: see handover.h.
 *
 * A transaction is put into force at one moment (nf_tables_commit in the kernel's
 * net/netfilter/nf_tables_api.c). But a packet meets the base chains of a hook one after the
 * other, and each looks for itself which generation of rules is in force then (nft_do_chain in
 * nf_tables_core.c). From that moment on, the maps of the old chains are empty
 * (nft_map_deactivate), so that they take everything for what is in no class, until the kernel
 * comes to take their hooks away: for large tables, that was 3 ms later.
 *
 * What they would refuse then, policy-refuse.c lets through. And as the kernel puts a new chain
 * before an old one of the same priority (nf_hook_entries_grow in net/netfilter/core.c), a packet
 * may have left the new one when that was not yet in force: of a program that sends all the time,
 * one got out in some 16 tables that were replaced. With the old base chains once more ahead of
 * the new ones, it meets either those while they are in force, or after them the new ones when
 * these are. A rate counts each packet twice meanwhile. */

#include "conf/kernel/handover.h"

#include "conf/kernel/nft.h"
#include "conf/language/alloc.h"

#define CHAIN "\tchain "
#define HOOK "\t\ttype "
#define PRIORITY " priority "

static const char *next_line(const char *line)
{
	line += strcspn(line, "\n");
	return line + (*line == '\n');
}

/* A chain that has a hook, from there on; NULL: there is no more. */
static const char *next_base(const char *line)
{
	for (; *line; line = next_line(line))
		if (!strncmp(line, CHAIN, strlen(CHAIN)) && !strncmp(next_line(line), HOOK, strlen(HOOK)))
			return line;
	return NULL;
}

/* A number, or "NAME", "NAME + 2", "NAME - 2": one less. */
static void write_earlier(FILE *out, const char *priority)
{
	int name = (int)strcspn(priority, " ;");
	int number = 0;
	char sign = '+';

	if (strchr("-0123456789", *priority)) {
		fprintf(out, "%ld", strtol(priority, NULL, 10) - 1);
		return;
	}
	sscanf(priority + name, " %c %d", &sign, &number);
	number = (sign == '-' ? -number : number) - 1;
	fprintf(out, "%.*s %c %d", name, priority, number < 0 ? '-' : '+', abs(number));
}

/* As policy.c writes chains, and nft lists them, one line ends each. */
static void write_ahead(FILE *out, const char *chain)
{
	const char *hook = next_line(chain);
	const char *priority = strstr(hook, PRIORITY);
	const char *end = strstr(hook, "\n\t}\n");

	if (!priority || !end || priority > end)
		return;
	priority += strlen(PRIORITY);
	fprintf(out, CHAIN HANDOVER_AHEAD "%.*s%.*s", (int)(hook - chain - strlen(CHAIN)), chain + strlen(CHAIN),
		(int)(priority - hook), hook);
	write_earlier(out, priority);
	priority += strcspn(priority, ";");
	fprintf(out, "%.*s\n\t}\n", (int)(end - priority), priority);
}

static void write_removal(FILE *out, const char *chain)
{
	const char *name = chain + strlen(CHAIN);
	int size = (int)strcspn(name, " ");

	fprintf(out,
		"flush chain inet netshim " HANDOVER_AHEAD "%.*s\ndelete chain inet netshim " HANDOVER_AHEAD "%.*s\n",
		size, name, size, name);
}

static void for_all(const char *text, const char *before, const char *after,
		    void (*write)(FILE *out, const char *chain))
{
	const char *chain = next_base(text);
	char *commands = NULL;
	FILE *out;

	if (!chain)
		return;
	out = memstream_open(&commands, &(size_t){ 0 });
	fprintf(out, "%s", before);
	for (; chain; chain = next_base(next_line(chain)))
		write(out, chain);
	fprintf(out, "%s", after);
	memstream_close(out);
	free(nft_load(commands, false));
	free(commands);
}

void handover_begin(const char *text)
{
	for_all(text, "table inet netshim {\n", "}\n", write_ahead);
}

void handover_undo(const char *text)
{
	for_all(text, "", "", write_removal);
}
