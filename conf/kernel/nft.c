/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* nftables, through libnftables: see nft.h. */

#include "conf/kernel/nft.h"

#include "conf/language/alloc.h"
#include "conf/language/begins.h"
#include "conf/language/say.h"
#include "conf/language/value.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <nftables/libnftables.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

static struct nft_ctx *new_context(void)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);

	if (!nft || nft_ctx_buffer_error(nft) || nft_ctx_buffer_output(nft))
		err(EXIT_FAILURE, "cannot start libnftables");
	return nft;
}

void nft_tell(const char *words)
{
	warnx("nftables refuses the ruleset, and nothing was changed there:");
	say_lines(stderr, words);
}

void nft_tell_inside(const char *class, const char *words)
{
	warnx("in the network namespace of class %s ('netshim ruleset %s' has the rules):", class, class);
	nft_tell(words);
}

/* nftables' own words: the first line, without the position in a text that the
 * administrator has not written ("<cmdline>:3:5-9: Error: ..."). */
static char *nft_words(const char *error)
{
	const char *words = strstr(error, "Error: ");

	words = words ? words + strlen("Error: ") : error;
	return printed("%.*s", (int)strcspn(words, "\n"), words);
}

/* What the kernel refuses: by the chain's hook at once (Linux 6.1), or when the rule is put
 * into force. */
static bool is_of_kernel(const char *words)
{
	return begins(words, "Could not process rule");
}

/* What it refuses to a user namespace alone: since Linux 7.2 at the latest, a rule that changes
 * packets (seen there with 'ip dscp set ef'; 6.18 takes it). */
static bool is_of_user_namespace(const char *words)
{
	return strstr(words, strerror(EPERM));
}

/* Where nftables does not take a statement, returns what it says (allocated). */
static char *refusal_words(struct nft_ctx *nft, const struct statement *s)
{
	/* As a command and not in a block, so that it can be nothing but a rule. */
	char *text = printed("table inet netshim-check {\nchain c {\ntype filter hook output priority 0;\n}\n}\n"
			     "add rule inet netshim-check c %s\n",
			     s->text);
	char *words = nft_run_cmd_from_buffer(nft, text) ? nft_words(nft_ctx_get_error_buffer(nft)) : NULL;
	char *advice = words && is_of_kernel(words)
			       ? printed("%s; it is to be one for chains of type filter, hook output", words)
			       : NULL;

	free(text);
	if (!advice)
		return words;
	free(words);
	return advice;
}

/* Returns what puts a table back as it is now, or away where there is none (allocated).
 * Adding it first makes the deletion succeed then. */
static char *save_table(const char *name)
{
	struct nft_ctx *nft = new_context();
	char *list = printed("list table inet %s", name);
	bool loaded = !nft_run_cmd_from_buffer(nft, list);
	char *text = printed("table inet %s\ndelete table inet %s\n%s", name, name,
			     loaded ? nft_ctx_get_output_buffer(nft) : "");

	free(list);
	nft_ctx_free(nft);
	return text;
}

/* A failed reload puts back what nft has listed, and nft does not read all that it
 * lists: writes what is wrong with a statement that has been loaded, or nothing. */
static void try_listing(FILE *out)
{
	struct nft_ctx *nft = new_context();
	char *text = save_table("netshim-check");

	if (nft_run_cmd_from_buffer(nft, text))
		fprintf(out, "nft lists it in a way that it does not read again, so that a failed reload could not "
			     "put it back; say it in another way");
	free(text);
	nft_ctx_free(nft);
}

static struct statement *next_statement(const struct ruleset *set, size_t *class, size_t *index)
{
	for (; *class < set->class_count; ++*class, *index = 0)
		if (*index < set->classes[*class].nft.count)
			return &set->classes[*class].nft.items[(*index)++];
	return NULL;
}

/* Writes what is wrong with the statement, or nothing. */
static void try_statement(struct nft_ctx *nft, const struct statement *s, FILE *out)
{
	char *words = refusal_words(nft, s);

	if (!words)
		try_listing(out);
	/* What else nftables may say: that interfaces are not there. */
	else if (is_of_kernel(words) && !is_of_user_namespace(words))
		fputs(words, out);
	nft_run_cmd_from_buffer(nft, "delete table inet netshim-check");
	free(words);
}

/* Writes a line on each statement. */
static void try_statements(const void *with, FILE *out)
{
	const struct ruleset *set = with;
	struct nft_ctx *nft = new_context();
	const struct statement *s;

	for (size_t i = 0, j = 0; (s = next_statement(set, &i, &j));) {
		if (!s->refused)
			try_statement(nft, s, out);
		putc('\n', out);
	}
	fflush(out);
}

static void read_refusals(struct ruleset *set, FILE *in)
{
	char *line = NULL;
	size_t size = 0;
	const struct statement *s;

	for (size_t i = 0, j = 0; (s = next_statement(set, &i, &j)) && getline(&line, &size, in) > 0;) {
		line[strcspn(line, "\n")] = '\0';
		if (*line)
			ruleset_problem(set, s->at, "nft statement '%s': %s", s->text, line);
	}
	free(line);
}

/* What depends on a chain's hook, and on what the kernel has, it looks at only when it
 * puts a rule into force: so that is done, in a network namespace that ends with a child
 * process. In a user namespace it takes no privilege; where neither can be had, nothing
 * is tried. Returns what try_it writes (NULL: nothing); end_namespace closes it. */
static FILE *in_namespace(void (*try_it)(const void *with, FILE *out), const void *with, pid_t *child)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return NULL;
	*child = fork();
	if (!*child) {
		FILE *out = fdopen(ends[1], "w");

		if (out && (!unshare(CLONE_NEWNET) || !unshare(CLONE_NEWUSER | CLONE_NEWNET)))
			try_it(with, out);
		_exit(EXIT_SUCCESS);
	}
	close(ends[1]);
	return fdopen(ends[0], "r");
}

static void end_namespace(FILE *in, pid_t child)
{
	if (in)
		fclose(in);
	waitpid(child, NULL, 0);
}

/* What the kernel says of what it has not: that there is no such module, or that the
 * module was built without. */
static bool is_lacking(const char *error)
{
	return strstr(error, strerror(ENOENT)) || strstr(error, strerror(EOPNOTSUPP));
}

struct trial_list {
	const struct trial *items;
	size_t count;
};

static void make_trials(const void *with, FILE *out)
{
	const struct trial_list *list = with;
	struct nft_ctx *nft = new_context();

	for (size_t i = 0; i < list->count; i++) {
		const struct trial *t = &list->items[i];
		char *text = printed("table inet netshim-check {\nchain c {\ntype %s priority 0;\n%s\n}\n}\n",
				     t->chain ? t->chain : "", t->chain ? t->rule : "");

		putc(t->chain && nft_run_cmd_from_buffer(nft, text) && is_lacking(nft_ctx_get_error_buffer(nft)) ? 'n'
														 : 'y',
		     out);
		nft_run_cmd_from_buffer(nft, "delete table inet netshim-check");
		free(text);
	}
	fflush(out);
}

void nft_try(struct trial *trials, size_t count)
{
	const struct trial_list list = { trials, count };
	pid_t child = 0;
	FILE *in = in_namespace(make_trials, &list, &child);

	for (size_t i = 0; in && i < count; i++)
		trials[i].refused = getc(in) == 'n';
	end_namespace(in, child);
}

void nft_check_statements(struct ruleset *set)
{
	struct nft_ctx *nft = new_context();
	struct statement *s;
	bool any = false;
	pid_t child = 0;
	FILE *in;

	nft_ctx_set_dry_run(nft, true);
	for (size_t i = 0, j = 0; (s = next_statement(set, &i, &j));) {
		char *words = refusal_words(nft, s);

		s->refused = words;
		if (words)
			ruleset_problem(set, s->at, "nft statement '%s': %s", s->text, words);
		free(words);
		any = true;
	}
	nft_ctx_free(nft);
	if (!any)
		return;
	in = in_namespace(try_statements, set, &child);
	if (in)
		read_refusals(set, in);
	end_namespace(in, child);
}

char *nft_load(const char *text, bool dry)
{
	struct nft_ctx *nft = new_context();
	char *words = NULL;

	nft_ctx_set_dry_run(nft, dry);
	if (nft_run_cmd_from_buffer(nft, text))
		words = copied(nft_ctx_get_error_buffer(nft));
	nft_ctx_free(nft);
	return words;
}

/* Their owner is the socket that has loaded them (nft_rcv_nl_event). */
char *nft_own(const char *text)
{
	static struct nft_ctx *nft;

	if (!nft)
		nft = new_context();
	return nft_run_cmd_from_buffer(nft, text) ? copied(nft_ctx_get_error_buffer(nft)) : NULL;
}

char *nft_save(void)
{
	return save_table("netshim");
}

static char *list(unsigned flags, const char *command)
{
	struct nft_ctx *nft = new_context();
	char *listing = NULL;

	nft_ctx_output_set_flags(nft, flags);
	if (!nft_run_cmd_from_buffer(nft, command))
		listing = copied(nft_ctx_get_output_buffer(nft));
	nft_ctx_free(nft);
	return listing;
}

char *nft_list(const char *command)
{
	return list(NFT_CTX_OUTPUT_STATELESS, command);
}

char *nft_listing(void)
{
	return nft_list("list table inet netshim");
}

bool nft_has_set(const char *text, const char *set)
{
	char *head = printed("\tset %s {", set);
	bool has = strstr(text, head);

	free(head);
	return has;
}

char *nft_list_set(const char *set)
{
	char *command = printed("list set inet netshim %s", set);
	char *listing = list(0, command);

	free(command);
	return listing;
}

static void list_text(const void *text, FILE *out)
{
	char *words = nft_load(text, false);
	char *listing = words ? NULL : nft_listing();

	fputs(listing ? listing : "", out);
	fflush(out);
}

char *nft_listing_of(const char *text)
{
	pid_t child = 0;
	FILE *in = in_namespace(list_text, text, &child);
	char *listing = NULL;
	size_t size = 0;

	/* There is no NUL in it. */
	if (in && getdelim(&listing, &size, '\0', in) < 0) {
		free(listing);
		listing = NULL;
	}
	end_namespace(in, child);
	return listing;
}

bool nft_unload(void)
{
	char *words = nft_load(NFT_REMOVE NFT_REMOVE_SECOND, false);
	bool ok = !words;

	if (!ok) {
		warnx("nftables does not take netshim's table away:");
		say_lines(stderr, words);
	}
	free(words);
	return ok;
}

void nft_destinations(const char *chain, struct endpoint_list *list)
{
	struct nft_ctx *nft = new_context();
	char *command = printed("list chain inet netshim %s", chain);
	const char *rest = nft_run_cmd_from_buffer(nft, command) ? NULL : nft_ctx_get_output_buffer(nft);
	char word[INET6_ADDRSTRLEN + 8];

	for (; rest && (rest = strstr(rest, " to ")); rest++)
		if (sscanf(rest, " to %53s", word) == 1)
			value_resolver(word, list);
	free(command);
	nft_ctx_free(nft);
}
