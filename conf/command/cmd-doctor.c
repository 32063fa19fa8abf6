/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim doctor: why are programs not in their classes? Runs the checks (doctor-*.c) and
 * prints what they tell. */

#include "conf/command/child.h"
#include "conf/command/doctor.h"
#include "conf/command/json.h"
#include "conf/command/load.h"
#include "conf/command/options.h"
#include "conf/command/search.h"
#include "conf/command/state.h"
#include "conf/command/terminal.h"
#include "conf/command/verbs.h"
#include "conf/contract/sys.h"
#include "conf/kernel/processes.h"
#include "conf/language/alloc.h"
#include "conf/language/begins.h"
#include "conf/language/compile.h"
#include "conf/language/text.h"
#include "conf/language/unit.h"
#include "conf/language/value.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 10000 /* as STATE_GAVE_UP says */

#define NAMED 3 /* so many in a message */

static const struct checks all_checks[] = {
	{ "kernel", checks_kernel },	     { "helper", checks_helper },
	{ "session", checks_session },	     { "rules", checks_rules },
	{ "network", checks_network },	     { "network namespaces", checks_namespaces },
	{ "neighbours", checks_neighbours }, { NULL, NULL },
};
static const struct checks program_checks[] = { { "program", checks_program }, { NULL, NULL } };
static const struct checks unit_checks[] = { { "unit", checks_unit }, { NULL, NULL } };

static const struct shown {
	const char *name;
	const char *word;
	enum colour colour;
} results[] = {
	[RESULT_OK] = { "ok", "ok", COLOUR_GOOD },
	[RESULT_UNSEEN] = { "unseen", "?", COLOUR_FAINT },
	[RESULT_NOTE] = { "note", "note", COLOUR_NOTE },
	[RESULT_FAULT] = { "fault", "FAULT", COLOUR_BAD },
};
#define RESULTS (sizeof(results) / sizeof(*results))

void doctor_tell(struct doctor *d, enum result result, const char *to_do, const char *format, ...)
{
	struct finding finding = { .result = result, .to_do = to_do };
	va_list args;

	va_start(args, format);
	finding.text = vprinted(format, args);
	va_end(args);
	d->findings = grown(d->findings, d->finding_count, sizeof(finding));
	d->findings[d->finding_count++] = finding;
}

bool doctor_is_blind(struct doctor *d, const char *what)
{
	if (!d->root)
		doctor_tell(d, RESULT_UNSEEN, NULL, "only root can see %s", what);
	return !d->root;
}

bool doctor_is_in_first_namespace(void)
{
	FILE *file = fopen("/proc/self/uid_map", "re");
	unsigned inside = 1;
	unsigned outside = 1;
	unsigned count = 0;
	bool is = !file || fscanf(file, "%u %u %u", &inside, &outside, &count) != 3 ||
		  (!inside && !outside && count == UINT32_MAX);

	if (file)
		fclose(file);
	return is;
}

void named_add(struct named *named, const char *name)
{
	if (!named->count++)
		named->text = copied(name);
	else if (named->count <= NAMED)
		named->text = printed("%s, %s", named->text, name);
	else if (named->count == NAMED + 1)
		named->text = printed("%s and more", named->text);
}

struct options {
	bool json;
	const char *program;
	char **arguments; /* of that, behind the dashes that begin them; or NULL */
	const char *to;
};

static void tell_mistake(const char *word)
{
	if (!strcmp(word, "--to"))
		options_tell_lacking("doctor", "--to", "an address and a port, as in --to 192.0.2.1:443");
	else
		options_tell_unknown("doctor", word);
}

static bool read_options(const struct command *command, struct options *options)
{
	*options = (struct options){ .json = false };
	for (int i = 0; i < command->argc; i++) {
		const char *word = command->argv[i];

		if (!strcmp(word, "--json"))
			options->json = true;
		else if (!strcmp(word, "--to") && i + 1 < command->argc)
			options->to = command->argv[++i];
		else if (*word != '-' && !options->program)
			options->program = word;
		else if (!strcmp(word, "--") && options->program) {
			options->arguments = command->argv + i;
			break;
		} else {
			tell_mistake(word);
			return false;
		}
	}
	if (options->to && !options->program)
		warnx("doctor: --to asks about a program's packets: name the program");
	return !options->to || options->program;
}

/* As [tcp/|udp/]ADDRESS:PORT. */
static bool read_destination(struct doctor *d, const char *text)
{
	static struct endpoint_list list;
	const char *address = !strncmp(text, "tcp/", 4) || !strncmp(text, "udp/", 4) ? text + 4 : text;
	const char *bracket = strrchr(address, ']');
	const char *port = strrchr(bracket ? bracket : address, ':');

	d->protocol = !strncmp(text, "udp/", 4) ? IPPROTO_UDP : IPPROTO_TCP;
	/* Its own message tells of resolvers. */
	if (!port || (!bracket && strchr(address, ':') != port) || value_resolver(address, &list)) {
		warnx("doctor: bad destination '%s'; it is an address and a port, as in '192.0.2.1:443', "
		      "'[2001:db8::1]:443' or 'udp/192.0.2.1:53'",
		      text);
		return false;
	}
	d->to = &list.items[0];
	return true;
}

/* What root has kept of it. */
static struct ruleset *read_set(void)
{
	struct ruleset *set = zalloc(sizeof(*set));
	const char *path = text_in_force();

	if (path && load_text(set, path))
		return set;
	free(set);
	return NULL;
}

/* What it names may lie on a file system of a user's that never answers, and nothing ends who waits for that: so a
 * child reads it first. */
static void refuse_to_wait(void)
{
	pid_t child = fork();
	int status;

	if (!child) {
		state_keep_only(NULL, 0);
		dup2(STDOUT_FILENO, STDERR_FILENO);
		read_set();
		_exit(EXIT_SUCCESS);
	}
	status = child > 0 ? child_status(child, PATIENCE_MS) : 0;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
		fputs(STATE_GAVE_UP "a file system on which a program with a rule lies does not answer\n", stderr);
		exit(EXIT_FAILURE);
	}
}

/* What changes the user only is no shell: sudo may be there twice. */
static bool is_between(const char *name)
{
	static const char *const names[] = { "sudo", "su", "doas", "pkexec", "runuser" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

/* Its LD_PRELOAD as it was started with (proc_pid_environ(5)); allocated, or NULL. */
static char *preload_of(pid_t pid)
{
	static const char variable[] = "LD_PRELOAD=";
	int fd = process_open(pid, "environ");
	FILE *file = fd < 0 ? NULL : fdopen(fd, "re");
	char *text = NULL;
	char *found = NULL;
	size_t size = 0;

	while (file && !found && getdelim(&text, &size, '\0', file) > 0)
		if (begins(text, variable))
			found = copied(text + strlen(variable));
	free(text);
	if (file)
		fclose(file);
	return found;
}

static void find_caller(struct doctor *d)
{
	struct process_list list;
	const struct process *p;

	d->caller = getppid();
	if (getenv("LD_PRELOAD"))
		d->preload = copied(getenv("LD_PRELOAD"));
	processes_read(&list);
	p = processes_find(&list, d->caller);
	while (p && is_between(p->name))
		p = processes_parent(&list, p);
	if (p && p->pid != d->caller) {
		d->caller = p->pid;
		d->preload = preload_of(p->pid);
	}
	processes_free(&list);
}

static void prepare(struct doctor *d)
{
	struct rules *rules = zalloc(sizeof(*rules));

	*d = (struct doctor){ .root = !geteuid() && doctor_is_in_first_namespace() };
	find_caller(d);
	if (compile_open(rules, true))
		d->rules = rules;
	else if (errno != ENOENT)
		d->rules_wrong = compile_wrong(rules, errno);
	if (d->rules && d->root) {
		refuse_to_wait();
		d->set = read_set();
	}
}

/* --- what it prints */

static enum result worst(const struct doctor *d)
{
	enum result result = RESULT_OK;

	for (size_t i = 0; i < d->finding_count; i++)
		if (d->findings[i].result > result)
			result = d->findings[i].result;
	return result;
}

static void print_finding(const char *name, const struct finding *finding)
{
	const struct shown *shown = &results[finding->result];
	char *text = printed("%s: %s", name, finding->text);

	printf("  %s%-5s%s ", terminal_colour(shown->colour), shown->word, terminal_colour(COLOUR_OFF));
	terminal_rest(8, text);
	free(text);
	if (!finding->to_do)
		return;
	printf("        %sdo:%s ", terminal_colour(COLOUR_BOLD), terminal_colour(COLOUR_OFF));
	terminal_rest(12, finding->to_do);
}

static json_t *json_check(const char *subject, const char *name, const struct doctor *d)
{
	json_t *findings = json_array();

	for (size_t i = 0; i < d->finding_count; i++) {
		const struct finding *f = &d->findings[i];

		json_add(findings, json_pack("{s:s, s:o, s:o}", "result", results[f->result].name, "text",
					     json_text(f->text), "do", f->to_do ? json_text(f->to_do) : json_null()));
	}
	return json_pack("{s:s, s:s, s:s, s:o}", "subject", subject, "check", name, "result", results[worst(d)].name,
			 "findings", findings);
}

/* Of all checks, how many had which result. */
static void run_checks(struct doctor *d, const struct checks *subjects, json_t *json, size_t counts[RESULTS])
{
	for (const struct checks *s = subjects; s->subject; s++) {
		if (!json)
			printf("%s%s%s\n", terminal_colour(COLOUR_BOLD), s->subject, terminal_colour(COLOUR_OFF));
		for (const struct check *check = s->items; check->name; check++) {
			d->finding_count = 0;
			check->look(d);
			counts[worst(d)]++;
			for (size_t i = 0; !json && i < d->finding_count; i++)
				print_finding(check->name, &d->findings[i]);
			if (json)
				json_add(json, json_check(s->subject, check->name, d));
			terminal_flush();
		}
	}
}

/* What it was asked, root is to ask as well. */
static char *question(const struct command *command)
{
	char *words = copied("");

	for (int i = 0; i < command->argc; i++) {
		char *longer = printed("%s %s", words, command->argv[i]);

		free(words);
		words = longer;
	}
	str_printable(words);
	return words;
}

static void print_end(const struct command *command, const size_t counts[RESULTS])
{
	if (counts[RESULT_FAULT])
		printf("%zu fault%s", counts[RESULT_FAULT], counts[RESULT_FAULT] == 1 ? "" : "s");
	else
		printf("no fault");
	if (counts[RESULT_UNSEEN]) {
		char *words = question(command);

		printf("; %zu check%s only root can make: sudo netshim doctor%s", counts[RESULT_UNSEEN],
		       counts[RESULT_UNSEEN] == 1 ? "" : "s", words);
		free(words);
	}
	printf("\n");
}

int cmd_doctor(const struct command *command)
{
	const struct checks *checks = all_checks;
	size_t counts[RESULTS] = { 0 };
	const char *program = NULL;
	struct options options;
	struct doctor doctor;
	bool unit;
	json_t *list;

	if (!read_options(command, &options))
		return EXIT_USAGE;
	/* Reading a configuration, prepare() forgets the environment (conf/language/grammar.c). */
	unit = options.program && unit_name_valid(options.program);
	if (options.program) {
		checks = unit ? unit_checks : program_checks;
		program = unit ? options.program : search_command(options.program);
	}
	if (options.program && !program) {
		warnx("%s: there is no such command on PATH", options.program);
		return EXIT_FAILURE;
	}
	prepare(&doctor);
	doctor.program = program;
	doctor.unit = unit;
	doctor.arguments = options.arguments;
	if (options.to && !read_destination(&doctor, options.to))
		return EXIT_USAGE;
	clearenv();
	list = options.json ? json_array() : NULL;
	run_checks(&doctor, checks, list, counts);
	if (list)
		json_print(json_pack("{s:b, s:o}", "well", !counts[RESULT_FAULT], "checks", list));
	else
		print_end(command, counts);
	return counts[RESULT_FAULT] ? EXIT_FAILURE : EXIT_SUCCESS;
}
