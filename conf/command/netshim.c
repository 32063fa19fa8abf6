/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim: the command. Finds the verb, gives up every capability that the verb
 * does not need before any input is read, and runs it. */

#include "conf/command/confine.h"
#include "conf/command/options.h"
#include "conf/command/terminal.h"
#include "conf/command/verbs.h"

#include "conf/contract/rules.h"
#include "conf/contract/version.h"

#include <err.h>
#include <getopt.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* nftables; and to look for what users have named with users' rights. */
#define CHECK_CAPS (CAP(CAP_NET_ADMIN) | CAP(CAP_SETUID) | CAP(CAP_SETGID))
/* nftables; the mount; the hierarchy's root folder, which has mode 555; and to see in which
 * network namespace others' processes are; and what netshim-netns is granted. */
#define DOWN_CAPS \
	(CAP(CAP_NET_ADMIN) | CAP(CAP_SYS_ADMIN) | CAP(CAP_DAC_OVERRIDE) | CAP(CAP_SYS_PTRACE) | CAP(CAP_SETFCAP))
/* All of these; and to look at what runs. */
#define UP_CAPS (CHECK_CAPS | DOWN_CAPS)
/* nftables, in network namespaces too; and to look at what runs. */
#define LOOK_CAPS (CHECK_CAPS | CAP(CAP_SYS_PTRACE) | CAP(CAP_SYS_ADMIN))
/* All of these; and the folders that a rule's path leads through, as up and reload see them. */
#define DOCTOR_CAPS (LOOK_CAPS | CAP(CAP_DAC_READ_SEARCH))
/* conntrack, and to look at what runs; and to see what others have open. */
#define SOCKETS_CAPS (CHECK_CAPS | CAP(CAP_SYS_PTRACE) | CAP(CAP_DAC_READ_SEARCH))
/* nftables and routes; and for the resolvers to be a user of their own. */
#define WATCH_CAPS (CAP(CAP_NET_ADMIN) | CAP(CAP_SETUID) | CAP(CAP_SETGID))
/* To keep a file's owner, and to be another user. */
#define DISABLE_CAPS (CAP(CAP_CHOWN) | CAP(CAP_SETUID) | CAP(CAP_SETGID))
/* These; and the mount namespace where programs are tried. */
#define ENABLE_CAPS (DISABLE_CAPS | CAP(CAP_SYS_ADMIN))

static const struct verb {
	const char *name;
	const char *arguments;
	const char *summary;
	int (*run)(const struct command *command);
	bool for_root;
	bool configured; /* reads the configuration, so that -c means something */
	int min_args;
	int max_args; /* -1: any number */
	uint64_t caps;
} verbs[] = {
	{ "check", "[FILE]", "report every mistake in the configuration", cmd_check, false, true, 0, 1, CHECK_CAPS },
	{ "up", "[--leave-running] [--confirm SECONDS] [--boot]", "put the configuration into force", cmd_up, true,
	  true, 0, -1, UP_CAPS },
	{ "reload", "[--leave-running] [--confirm SECONDS] [--hook] [--packages]",
	  "replace the rules while netshim is up", cmd_reload, true, true, 0, -1, UP_CAPS },
	{ "confirm", "", "keep what up or reload --confirm has changed", cmd_confirm, true, false, 0, 0, 0 },
	{ "down", "", "undo all of it", cmd_down, true, false, 0, 0, DOWN_CAPS },
	{ "enable", "[--user] [--login] [--system] [--dry-run]", "have sessions load the library", cmd_enable, false,
	  false, 0, -1, ENABLE_CAPS },
	{ "disable", "", "have no session load it any more", cmd_disable, false, false, 0, 0, DISABLE_CAPS },
	{ "status", "[--bytes] [--json]", "show the classes, their processes and packets", cmd_status, false, false, 0,
	  -1, LOOK_CAPS },
	{ "doctor", "[PROGRAM] [--to ADDRESS:PORT] [--json] [-- ARG...]",
	  "find out why programs are not in their classes", cmd_doctor, false, false, 0, -1, DOCTOR_CAPS },
	{ "ps", "[--tree] [--json] [CLASS]", "list the processes in the classes, or in one", cmd_ps, false, false, 0,
	  -1, LOOK_CAPS },
	{ "move", "CLASS|none PID...", "put running processes into a class, or out", cmd_move, true, false, 2, -1,
	  CAP(CAP_SYS_PTRACE) },
	{ "blocked", "[-f|--follow] [--json] [CLASS|unclassified]", "show what was refused, by whom, where to",
	  cmd_blocked, true, false, 0, -1,
	  CAP(CAP_NET_ADMIN) | CAP(CAP_SYS_PTRACE) | CAP(CAP_DAC_READ_SEARCH) | CAP(CAP_SYS_ADMIN) },
	{ "lift", "CLASS|--unclassified [DURATION|off]", "let through for a time what a class refuses", cmd_lift, true,
	  false, 1, 2, CAP(CAP_NET_ADMIN) | CAP(CAP_SYS_PTRACE) | CAP(CAP_SYS_ADMIN) },
	{ "which", "PROGRAM... [[--] ARG...]", "tell a program's class, and which rule says so", cmd_which, false,
	  false, 1, -1, 0 },
	{ "run", "CLASS [--] COMMAND...", "run a command in a class that it cannot leave", cmd_run, false, false, 2, -1,
	  0 },
	{ "suggest", "[--for TIME] [--json]", "rules for programs that talk without one", cmd_suggest, true, false, 0,
	  3, SOCKETS_CAPS },
	{ "top", "", "show what classes and programs send and receive now", cmd_top, true, false, 0, 0,
	  SOCKETS_CAPS | CAP(CAP_SYS_ADMIN) },
	{ "trace", "[-u USER] [-o FILE] [--json] [--] COMMAND...",
	  "tell which rule each program of a command falls under", cmd_trace, true, false, 1, -1, 0 },
	{ "ruleset", "[CLASS]", "print what would be loaded into nftables", cmd_ruleset, false, true, 0, 1,
	  CHECK_CAPS },
	{ "units", "[FOLDER]", "print how systemd is to start services in classes", cmd_units, false, false, 0, 1, 0 },
	{ "watch", "[CLASS]", "put back what others take away, follow interfaces", cmd_watch, true, false, 0, 1,
	  WATCH_CAPS },
	{ "grant", "[FILE [FILE]]", "give the helper its one capability", cmd_grant, true, false, 0, 2,
	  CAP(CAP_SETFCAP) },
};

#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

/* What options mean; one that several verbs have means the same to them. */
static const struct explained {
	const char *option;
	const char *text;
} explained[] = {
	{ "--leave-running", "move no program that runs" },
	{ "--confirm", "go back then, unless 'netshim confirm' is run" },
	{ "--boot", "if there is a mistake, put into force what was so last" },
	{ "--hook", "for scripts that somebody waits for: reads no file" },
	{ "--packages", "look only at what packages have by now" },
	{ "--user", "for this user's sessions" },
	{ "--login", "for all who log in, and for what sudo starts" },
	{ "--system", "for every dynamic program of the machine" },
	{ "--dry-run", "only say what would be written" },
	{ "--bytes", "large numbers as they are" },
	{ "--to", "what a packet of the program to there would meet" },
	{ "--tree", "each beneath the process that has started it" },
	{ "-f", "as --follow" },
	{ "--follow", "go on, and tell what is refused from now on" },
	{ "--unclassified", "what is in no class" },
	{ "--for", "watch for so long" },
	{ "-u", "run the command as that user" },
	{ "-o", "tell it to that file" },
	{ "--json", "answer in JSON, for scripts" },
};

/* Where a usage has the option, with what it takes; NULL where it has not. */
static const char *find_option(const char *usage, const char *option, int *length)
{
	const char *at = strstr(usage, option);
	size_t name = strlen(option);

	while (at && ((at > usage && !strchr("[|", at[-1])) || (at[name] && !strchr(" ]|", at[name]))))
		at = strstr(at + 1, option);
	if (at)
		*length = (int)(strcspn(at, "]|[") - (at[strcspn(at, "]|[")] == '['));
	return at;
}

static void print_options(FILE *out, const struct verb *verb)
{
	const char *before = "\n";
	const char *option;
	int length;

	for (size_t i = 0; i < sizeof(explained) / sizeof(*explained); i++) {
		option = find_option(verb->arguments, explained[i].option, &length);
		if (option)
			fprintf(out, "%s  %.*s%*s  %s\n", before, length, option, 17 - length, "", explained[i].text);
		before = option ? "" : before;
	}
}

static void print_usage(FILE *out)
{
	fprintf(out, "usage: netshim [-c FILE] VERB [ARGUMENT...]\n\n");
	/* Two blanks before what a verb does: completions find it by them. What is too long
	 * is told of the verb alone. */
	for (size_t i = 0; i < VERB_COUNT; i++)
		fprintf(out, "  %-8s %-22s  %s\n", verbs[i].name,
			strlen(verbs[i].arguments) > 22 ? "[OPTION...]" : verbs[i].arguments, verbs[i].summary);
	fprintf(out,
		"\n  -c FILE    another configuration than " NETSHIM_CONFIG ", or for reload,\n"
		"             than what is in force\n"
		"  --help     this text, or with a verb, the verb's\n"
		"  --version  the version\n\n"
		"exit status: 0 ok, 1 no or failed, 2 wrong usage;\n"
		"run, trace: the command's own, or %d refused, %d not executable, %d not found\n",
		EXIT_REFUSED, EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND);
}

static void print_verb(FILE *out, const struct verb *verb)
{
	fprintf(out, "usage: netshim %s%s%s%s\n\n%s\n", verb->configured ? "[-c FILE] " : "", verb->name,
		*verb->arguments ? " " : "", verb->arguments, verb->summary);
	print_options(out, verb);
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < VERB_COUNT; i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	warnx("there is no '%s'; 'netshim --help' lists what there is", name);
	exit(EXIT_USAGE);
}

/* A word like an option, for a verb that has none. What it takes never begins so. */
static bool is_mistaken(const struct verb *verb, const char *word)
{
	const char *option = strstr(verb->arguments, "--");

	return *word == '-' && (!option || option[strlen("--")] == ']');
}

/* What a user runs must find the user's own capabilities, environment, descriptors, file mode
 * mask and ignored signals. `run` itself goes by its arguments only, and `trace` gives up the
 * same as others when it has started the command. */
static bool starts(const struct verb *verb)
{
	return verb->run == cmd_run || verb->run == cmd_trace;
}

static int run_verb(const struct verb *verb, struct command *command)
{
	if (command->argc && !strcmp(command->argv[0], "--help")) {
		print_verb(stdout, verb);
		return EXIT_SUCCESS;
	}
	if (command->argc && is_mistaken(verb, command->argv[0])) {
		options_tell_unknown(verb->name, command->argv[0]);
		return EXIT_USAGE;
	}
	if (command->argc < verb->min_args || (verb->max_args >= 0 && command->argc > verb->max_args)) {
		print_verb(stderr, verb);
		return EXIT_USAGE;
	}
	if (command->config && !verb->configured) {
		warnx("'%s' goes by what is in force and reads no configuration; leave out -c", verb->name);
		return EXIT_USAGE;
	}
	if (command->config && verb->run == cmd_check && command->argc) {
		warnx("check: FILE and -c name two configurations; leave one out");
		return EXIT_USAGE;
	}
	if (!command->config && verb->run != cmd_reload)
		command->config = NETSHIM_CONFIG;
	if (verb->for_root && geteuid() != 0)
		errx(EXIT_FAILURE, "'%s' is for root; run it with sudo or as root", verb->name);
	if (!starts(verb)) {
		/* Where whoever has started this has it ignored, no child is waited for (wait(2)). */
		signal(SIGCHLD, SIG_DFL);
		confine(verb->caps, verb->name);
		open_standard_descriptors();
		/* A file that is too large for a limit (RLIMIT_FSIZE) is told of, as one for which
		 * there is no room. */
		signal(SIGXFSZ, SIG_IGN);
		/* What it makes is for every user to read. */
		umask(022);
	}
	terminal_begin();
	/* What looks for a command asks the environment for more, for PATH; doctor for LD_PRELOAD;
	 * and top for what curses knows of the terminal. */
	if (!starts(verb) && verb->run != cmd_which && verb->run != cmd_doctor && verb->run != cmd_top)
		clearenv();
	return verb->run(command);
}

static int run_words(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' },
						 { "version", no_argument, NULL, 'V' },
						 { NULL, 0, NULL, 0 } };
	struct command command = { .config = NULL };
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "+:c:h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			command.config = optarg;
			break;
		case 'h':
			print_usage(stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("netshim " NETSHIM_VERSION);
			return EXIT_SUCCESS;
		case ':':
			warnx("'-c' takes a configuration, as in -c other.conf");
			return EXIT_USAGE;
		default:
			warnx("what is '%s'? 'netshim --help' tells what it takes", options_mistaken(argv, 0));
			return EXIT_USAGE;
		}
	}
	if (optind == argc) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	command.argc = argc - optind - 1;
	command.argv = argv + optind + 1;
	return run_verb(find_verb(argv[optind]), &command);
}

/* An answer that could not be written is none. */
int main(int argc, char **argv)
{
	int code = run_words(argc, argv);

	return terminal_flush() || code ? code : EXIT_FAILURE;
}
