/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim up, reload and down. */

#include "conf/command/change.h"
#include "conf/command/cmd-confirm.h"
#include "conf/command/cmd-grant.h"
#include "conf/command/last.h"
#include "conf/command/load.h"
#include "conf/command/options.h"
#include "conf/command/restored.h"
#include "conf/command/services.h"
#include "conf/command/state.h"
#include "conf/command/verbs.h"
#include "conf/kernel/rtnetlink.h"
#include "conf/language/alloc.h"
#include "conf/language/compile.h"
#include "conf/language/text.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define READING 40 /* seconds that a boot waits for a configuration, of the 60 of netshim.service */

/* Nothing that is there could leak by it. */
static void tell_what_is_lacking(int result)
{
	if (result == EXIT_SUCCESS)
		grant_check();
	if (result == EXIT_SUCCESS && rtnetlink_lacks_ipv6())
		warnx("this kernel has no IPv6: of the classes with an interface, what is about IPv4 is in force");
}

/* What is gone back to where a change is not confirmed; NULL: netshim was down. */
static struct ruleset *before;

/* What it has of packages is from when it was read: some may have been installed meanwhile. */
static int follow_packages(void)
{
	static struct ruleset now;
	const char *text = text_in_force();

	bool is_read = text && load_text(&now, text);

	if (is_read && change_programs(&now, RUNNING_MOVES) == EXIT_SUCCESS)
		return EXIT_SUCCESS;
	warnx("it is in force, but without the programs of packages that have come meanwhile; 'netshim reload' tries "
	      "again");
	/* Going back once more mends no mistake. */
	return is_read ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int go_back(void)
{
	if (!before)
		return change_to_nothing();
	if (change_to(before, RUNNING_GOES_BACK))
		return EXIT_FAILURE;
	return before->package_count ? follow_packages() : EXIT_SUCCESS;
}

/* All that may be wrong with what is gone back to is found before anything changes. */
static bool prepare_going_back(const struct ruleset *set)
{
	static struct ruleset earlier;

	if (!confirm_keep())
		return false;
	if (access(CONFIRM_BEFORE, F_OK))
		return true;
	before = &earlier;
	if (load_text(&earlier, CONFIRM_BEFORE) && change_can_follow(&earlier, set))
		return true;
	warnx("what is in force could not be gone back to");
	return false;
}

/* What up and reload can be told. */
struct options {
	unsigned confirm; /* seconds; 0: none */
	bool for_hook;
	bool for_packages;
	bool at_boot;
	bool leave_running;
};

static int put(struct ruleset *set, const struct options *options)
{
	int result;

	/* What a command that was killed has left. */
	if (confirm_left() == CONFIRM_NONE)
		confirm_end();
	if (options->confirm && !(prepare_going_back(set) && confirm_start(options->confirm, go_back))) {
		warnx("nothing was changed");
		confirm_undo();
		state_leave();
		return EXIT_FAILURE;
	}
	result = change_to(set, options->for_hook || options->leave_running ? RUNNING_STAYS : RUNNING_MOVES);
	if (options->for_hook)
		return result;
	if (result == EXIT_SUCCESS) {
		last_note(LAST_UNUSED);
		restored_forget();
	}
	if (result == EXIT_SUCCESS && confirm_left() == CONFIRM_NONE)
		last_keep();
	tell_what_is_lacking(result);
	confirm_remind();
	return result;
}

#define CONFIRM_MAX 86400

static unsigned read_seconds(const char *verb, const char *text)
{
	char *end;
	unsigned long seconds = strtoul(text, &end, 10);

	if (*text >= '0' && *text <= '9' && !*end && seconds && seconds <= CONFIRM_MAX)
		return (unsigned)seconds;
	warnx("%s: '%s' is no number of seconds from 1 to %d", verb, text, CONFIRM_MAX);
	exit(EXIT_USAGE);
}

/* Ends the command where they are wrong. known: short names of those that the verb has. */
static struct options read_options(const struct command *command, const char *known)
{
	static const struct option names[] = {
		{ "confirm", required_argument, NULL, 'c' }, { "hook", no_argument, NULL, 'h' },
		{ "packages", no_argument, NULL, 'p' },	     { "boot", no_argument, NULL, 'b' },
		{ "leave-running", no_argument, NULL, 'l' }, { NULL, 0, NULL, 0 }
	};
	struct options options = { .confirm = 0 };
	char **argv = command->argv - 1; /* with the verb */
	int option;

	optind = 0; /* begins anew */
	while ((option = options_next(command, "+:", names)) > 0 && strchr(known, option)) {
		if (option == 'c')
			options.confirm = read_seconds(argv[0], optarg);
		options.for_hook = options.for_hook || option == 'h';
		options.for_packages = options.for_packages || option == 'p';
		options.at_boot = options.at_boot || option == 'b';
		options.leave_running = options.leave_running || option == 'l';
	}
	if (option == -1 && !argv[optind])
		return options;
	if (option == ':')
		options_tell_lacking(argv[0], "--confirm", "a number of seconds, as in --confirm 60");
	else if (option != '?')
		options_tell_unknown(argv[0], option == -1 ? argv[optind] : argv[optind - 1]);
	exit(EXIT_USAGE);
}

static bool refuse_programs(const struct ruleset *set)
{
	return set->app_count && change_to_refusal(set) == EXIT_SUCCESS;
}

/* In a text with mistakes, a program may be of a class that there is not: it is not to
 * start any more than those of a class without on-error = allow. */
static void settle_classes(struct ruleset *set)
{
	uint32_t strict = 0;

	while (strict < set->class_count && set->classes[strict].on_error_allow)
		strict++;
	for (size_t i = 0; strict < set->class_count && i < set->app_count; i++) {
		struct app *app = &set->apps[i];

		if (app->class_index == CLASS_INDEX_NONE && !(app->class_name && !strcmp(app->class_name, "none")))
			app->class_index = strict;
	}
}

/* Also where what was last cannot be put into force either, on another kernel say. Where
 * there is none, what could be read of now still tells which programs have a rule. */
static enum last_use use_last(struct ruleset *last, struct ruleset *now)
{
	bool whole = last_load(last);

	if (last->at_boot == AT_BOOT_OPEN)
		return LAST_NOTHING;
	if (whole && last->at_boot == AT_BOOT_LAST && change_to(last, RUNNING_MOVES) == EXIT_SUCCESS)
		return LAST_USED;
	if (refuse_programs(last))
		return LAST_REFUSES;
	settle_classes(now);
	return refuse_programs(now) ? LAST_REFUSES_READ : LAST_NOTHING;
}

/* Nobody may be there to mend the configuration: better rules that were right than none. */
static int put_last(struct ruleset *now)
{
	static struct ruleset last;
	enum last_use use = use_last(&last, now);

	last_note(use);
	last_remind();
	return use == LAST_USED ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Where nobody is there to read it, what a unit has become keeps nothing else from being
 * in force: that service is not started. */
static bool services_can(struct ruleset *set)
{
	services_check(set);
	return !ruleset_report(set);
}

/* Tells of mistakes, and hands over the text, which has the numbers of the users that were found. */
_Noreturn static void read_and_hand_over(const char *config, int text)
{
	static struct ruleset set;
	bool whole;

	alarm(READING);
	whole = load_whole(&set, config);
	if (write(text, set.text, set.text_size) != (ssize_t)set.text_size) {
		warn("cannot hand over what %s says", config);
		whole = false;
	}
	if (whole && freopen("/dev/null", "w", stderr))
		services_can(&set);
	_exit(whole ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* At boot, what is in force must not depend on whether reading comes to an end: somebody else
 * does it, in time for what was in force last to be put there instead. What that one has found
 * is not looked up again, which would take as long again. */
static bool read_at_boot(struct ruleset *set, const char *config)
{
	int text = memfd_create("text", MFD_CLOEXEC);
	int status = 0;
	pid_t child = fork();

	if (!child)
		read_and_hand_over(config, text);
	if (child < 0 || waitpid(child, &status, 0) != child)
		return load_whole(set, config);
	if (WIFSIGNALED(status)) {
		warnx("%s could not be read: %s; mend that", config,
		      WTERMSIG(status) == SIGALRM ? "a name service, for a user in it, or a file system does not answer"
						  : strsignal(WTERMSIG(status)));
		return false;
	}
	state_ask_no_name_service();
	return load_handed_over(set, text) && !WEXITSTATUS(status);
}

/* It is read before the lock is had, as a name service may take its time, and with the lock nobody
 * else would put back what is taken away. What is put into force meanwhile may be from files that
 * are newer than what was read: so that is read again. */
#define TRIES 3

static int read_and_put(const struct command *command, const struct options *options,
			const char *(*config_for)(const struct command *command))
{
	static struct ruleset set;
	ino_t rules;

	for (int tries = 0; tries < TRIES; tries++) {
		rules = state_rules();
		set = (struct ruleset){ .path = NULL };
		if (!load_whole(&set, config_for(command)) || !services_can(&set))
			return EXIT_FAILURE;
		if (!state_lock_for(rules))
			continue;
		state_refuse_elsewhere(command);
		return put(&set, options);
	}
	errx(EXIT_FAILURE, "nothing was changed: each time that it was read, another netshim has put a "
			   "configuration into force meanwhile; try again");
}

static const char *given_config(const struct command *command)
{
	return command->config;
}

static int up_at_boot(const struct command *command, const struct options *options)
{
	static struct ruleset set;
	bool whole = read_at_boot(&set, command->config);
	int result = EXIT_FAILURE;

	state_lock(false);
	state_refuse_elsewhere(command);
	if (whole)
		result = put(&set, options);
	return result == EXIT_SUCCESS || state_is_up() ? result : put_last(&set);
}

int cmd_up(const struct command *command)
{
	struct options options = read_options(command, "clb");

	return options.at_boot ? up_at_boot(command, &options) : read_and_put(command, &options, given_config);
}

static const char *config_in_force(void)
{
	const char *path = compile_config();

	if (path)
		return path;
	warnx("%s is damaged or not root's alone, so it does not tell which configuration is in force; "
	      "taking " NETSHIM_CONFIG,
	      RULES_PATH);
	return NETSHIM_CONFIG;
}

/* As it was when it was put into force, whatever its files say by now. */
static void load_in_force(struct ruleset *set)
{
	const char *text = text_in_force();

	if (!text)
		load_ruleset(set, config_in_force());
	else if (!load_text(set, text))
		exit(EXIT_FAILURE);
}

static void load_for_hook(struct ruleset *set)
{
	be_impatient(STATE_GAVE_UP "the configuration could not be read, users and groups looked up\n");
	load_in_force(set);
	be_patient();
}

/* An interface that comes up elsewhere is none of its, either. */
static bool leaves_alone(const struct options *options)
{
	return !state_is_up() || last_refuses() || (compile_elsewhere() && !options->for_packages);
}

/* With --hook, for scripts that interfaces, the boot and a login may wait for: nothing
 * is waited for without limit, not even a name service, and an interface that comes up puts
 * nobody's half-edited file into force. So it is with --packages, for package managers; but that
 * leaves nothing to who waits already, which may give up. */
static int reload_for_hook(const struct options *options)
{
	static struct ruleset set;

	if (leaves_alone(options))
		return EXIT_SUCCESS;
	state_lock(options->for_hook);
	if (leaves_alone(options)) {
		state_leave();
		return EXIT_SUCCESS;
	}
	load_for_hook(&set);
	if (options->for_packages)
		return change_programs(&set, options->leave_running ? RUNNING_STAYS : RUNNING_MOVES);
	return put(&set, options);
}

static void refuse_down(const struct command *command)
{
	if (!state_is_up())
		errx(EXIT_FAILURE, "netshim is not up; run 'netshim up'");
	state_refuse_elsewhere(command);
}

/* Of -c, or what was in force when the command began. */
static const char *config_to_reload(const struct command *command)
{
	static const char *first;
	const char *path;

	refuse_down(command);
	path = command->config ? command->config : config_in_force();
	if (first && strcmp(path, first) != 0)
		errx(EXIT_FAILURE,
		     "nothing was changed: another netshim has put another configuration than %s into force "
		     "meanwhile; run 'netshim reload' again for that one",
		     first);
	first = path;
	return path;
}

int cmd_reload(const struct command *command)
{
	struct options options = read_options(command, "chlp");
	const char *hook = options.for_packages ? "packages" : options.for_hook ? "hook" : NULL;

	if (hook && (command->config || options.confirm || (options.for_hook && options.for_packages))) {
		warnx("reload: --%s goes by what is in force and reads no file; leave out -c, --confirm and --%s", hook,
		      options.for_packages ? "hook" : "packages");
		return EXIT_USAGE;
	}
	return hook ? reload_for_hook(&options) : read_and_put(command, &options, config_to_reload);
}

int cmd_down(const struct command *command)
{
	if (access(NETSHIM_RUNDIR, F_OK))
		return EXIT_SUCCESS;
	state_lock(false);
	state_refuse_elsewhere(command);
	return change_to_nothing();
}
