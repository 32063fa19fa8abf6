/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim lift: for a time, a class may send what its action and deny refuse. */

#include "conf/command/duration.h"
#include "conf/command/lifts.h"
#include "conf/command/load.h"
#include "conf/command/options.h"
#include "conf/command/state.h"
#include "conf/command/verbs.h"
#include "conf/kernel/namespace.h"
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
	options_tell_unknown("lift", word);
	exit(EXIT_USAGE);
}

/* NULL for what is in none. */
static const struct class *find_class(const struct ruleset *set, const char *name)
{
	if (!strcmp(name, LIFTS_OTHERS))
		return NULL;
	for (size_t i = 0; i < set->class_count; i++)
		if (!strcmp(set->classes[i].name, name))
			return &set->classes[i];
	errx(EXIT_FAILURE,
	     "there is no class '%s'; 'netshim status' lists them; for what is in no class: netshim lift "
	     "--unclassified",
	     name);
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
static bool load_behind(const char *table, const char *whole)
{
	char *words;
	bool ok;

	if (!whole) {
		warnx("nothing was changed: there is no table to lift it in; run 'netshim reload'");
		return false;
	}
	words = nft_load(whole + strlen(table), false);
	ok = !words;
	if (!ok)
		warnx("nothing was changed: nftables says: %.*s", (int)strcspn(words, "\n"), words);
	free(words);
	return ok;
}

static bool put_into_force(const struct ruleset *set)
{
	char *kept = table_kept(NULL);
	char *whole = kept ? lifts_with(kept, set, NULL) : NULL;
	bool ok = load_behind(kept, whole);

	free(whole);
	free(kept);
	return ok;
}

static bool put_into_force_inside(const struct class *class)
{
	char *listing;
	char *whole;
	bool ok;

	if (!namespace_enter(class->netns))
		return false;
	listing = nft_listing();
	whole = listing ? lifts_inside(listing, class->name) : NULL;
	ok = load_behind(listing, whole);
	namespace_leave();
	free(whole);
	free(listing);
	return ok;
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

static void tell(const char *class, unsigned seconds, const char *by)
{
	const char *kind = strcmp(class, LIFTS_OTHERS) ? "class " : "";
	char time[LIFTS_TIME_SIZE];
	char *words = seconds ? printed("%s%s: for %s, it may send what action and deny refuse", kind, class,
					lifts_time(seconds, time))
			      : printed("%s%s: action and deny refuse again", kind, class);

	puts(words);
	syslog(LOG_DAEMON | LOG_NOTICE, "%s%s", words, by);
	free(words);
}

int cmd_lift(const struct command *command)
{
	static struct ruleset set;
	const char *name = read_class(command->argv[0]);
	const struct class *class;
	unsigned seconds = read_seconds(command->argv[1]);
	char *by = orderer(); /* while name services are asked */
	long before;

	if (!state_is_up())
		errx(EXIT_FAILURE, "netshim is not up; run 'netshim up'");
	state_lock(false);
	state_refuse_elsewhere(command);
	load_in_force(&set);
	class = find_class(&set, name);
	if (!verdict_refuses(class ? &class->verdict : &set.unclassified))
		errx(EXIT_FAILURE, "%s refuses nothing by action or deny; there is nothing to lift", name);
	before = lifts_left(name);
	if (!lifts_note(name, seconds))
		return EXIT_FAILURE;
	if (class && class->netns ? !put_into_force_inside(class) : !put_into_force(&set)) {
		lifts_note(name, (unsigned)before);
		return EXIT_FAILURE;
	}
	tell(name, seconds, by);
	free(by);
	return EXIT_SUCCESS;
}
