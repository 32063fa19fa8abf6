/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim lift: for a time, a class may send what its action and deny refuse. */

#include "conf/command/duration.h"
#include "conf/command/lifts.h"
#include "conf/command/load.h"
#include "conf/command/state.h"
#include "conf/command/verbs.h"
#include "conf/kernel/nft.h"
#include "conf/kernel/table.h"
#include "conf/language/alloc.h"
#include "conf/language/text.h"

#include <inttypes.h>
#include <pwd.h>
#include <syslog.h>

#define USUAL 600

/* Ends the command where it is wrong; 0 is off. */
static unsigned read_seconds(const char *word)
{
	unsigned seconds = word ? duration_read(word) : USUAL;

	if (seconds || !strcmp(word, "off"))
		return seconds;
	warnx("lift: '%s' is no time of at most 7 days, as in 90s, 10m, 1h30m, and not 'off'", word);
	exit(EXIT_USAGE);
}

/* The same; no name of a class begins with a dash. */
static const char *read_class(const char *word)
{
	if (!strcmp(word, "--unclassified"))
		return LIFTS_OTHERS;
	if (*word != '-')
		return word;
	warnx("lift: what is '%s'? 'netshim lift --help' tells what it takes", word);
	exit(EXIT_USAGE);
}

static const struct verdict *find_verdict(const struct ruleset *set, const char *class)
{
	if (!strcmp(class, LIFTS_OTHERS))
		return &set->unclassified;
	for (size_t i = 0; i < set->class_count; i++) {
		if (strcmp(set->classes[i].name, class))
			continue;
		if (set->classes[i].netns)
			errx(EXIT_FAILURE, "class %s has its rules in a network namespace, where nothing can be lifted",
			     class);
		return &set->classes[i].verdict;
	}
	errx(EXIT_FAILURE, "there is no class '%s'; 'netshim status' lists them", class);
}

/* What is in force, whatever the configuration's files say by now. */
static void load_in_force(struct ruleset *set)
{
	const char *text = text_in_force();

	if (!text)
		errx(EXIT_FAILURE, "what is in force was put there by an older netshim; run 'netshim reload'");
	be_impatient(STATE_GAVE_UP "the configuration could not be read, users and groups looked up\n");
	if (!load_classes(set, text))
		exit(EXIT_FAILURE);
	be_patient();
}

/* Of the table as it is loaded, only the sets are changed. */
static bool put_into_force(const struct ruleset *set)
{
	char *kept = table_kept();
	char *commands = kept ? lifts_with(kept, set, NULL) : NULL;
	char *words = commands ? nft_load(commands + strlen(kept), false) : copied("there is no table to lift it in");

	if (words)
		warnx("nothing was changed: nftables says: %.*s", (int)strcspn(words, "\n"), words);
	free(commands);
	free(kept);
	if (!words)
		return true;
	free(words);
	return false;
}

/* Who has logged in, whatever sudo has made of them since; "" where nobody has. */
static char *orderer(void)
{
	FILE *file = fopen("/proc/self/loginuid", "re");
	const struct passwd *user = NULL;
	uid_t uid = (uid_t)-1;

	if (file && fscanf(file, "%" SCNu32, &uid) == 1 && uid != (uid_t)-1)
		user = getpwuid(uid);
	if (file)
		fclose(file);
	return user ? printed(", by %s", user->pw_name) : copied("");
}

static void tell(const char *class, unsigned seconds)
{
	const char *kind = strcmp(class, LIFTS_OTHERS) ? "class " : "";
	char time[LIFTS_TIME_SIZE];
	char *words = seconds ? printed("%s%s: for %s, it may send what action and deny refuse", kind, class,
					lifts_time(seconds, time))
			      : printed("%s%s: action and deny refuse again", kind, class);
	char *by = orderer();

	puts(words);
	syslog(LOG_DAEMON | LOG_NOTICE, "%s%s", words, by);
	free(by);
	free(words);
}

int cmd_lift(const struct command *command)
{
	static struct ruleset set;
	const char *class = read_class(command->argv[0]);
	unsigned seconds = read_seconds(command->argv[1]);
	long before;

	if (!state_is_up())
		errx(EXIT_FAILURE, "netshim is not up; run 'netshim up'");
	state_lock(false);
	state_refuse_elsewhere("lift");
	load_in_force(&set);
	if (!verdict_refuses(find_verdict(&set, class)))
		errx(EXIT_FAILURE, "%s refuses nothing by action or deny; there is nothing to lift", class);
	before = lifts_left(class);
	if (!lifts_note(class, seconds))
		return EXIT_FAILURE;
	if (!put_into_force(&set)) {
		lifts_note(class, (unsigned)before);
		return EXIT_FAILURE;
	}
	tell(class, seconds);
	return EXIT_SUCCESS;
}
