/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What `netshim watch` has put back: see restored.h. */

#include "conf/command/restored.h"

#include "conf/command/boottime.h"
#include "conf/contract/rules.h"
#include "conf/language/alloc.h"

#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define PATH NETSHIM_RUNDIR "/restored"
#define OF_CLASSES PATH "-"

/* What comes within a minute of the time before belongs to it. */
#define CALM 60
#define MANY 5
#define REMINDED 3600

static struct restored {
	unsigned count;
	int64_t last; /* seconds of the boot: somebody may set the clock */
	char by[sizeof(((struct table_news *)NULL)->by)];
} restored;

static int64_t seconds_now(void)
{
	return boottime_milliseconds() / 1000;
}

static char *path_of(const char *class)
{
	return class ? printed(OF_CLASSES "%s", class) : copied(PATH);
}

/* Where the table is. */
static char *place_of(const char *class)
{
	return class ? printed(" in the network namespace of class %s", class) : copied("");
}

static void log_it(const char *class, const struct table_news *news, long milliseconds)
{
	char *place;

	if (restored.count > MANY && (restored.count & (restored.count - 1)))
		return;
	place = place_of(class);
	syslog(LOG_DAEMON | LOG_WARNING,
	       "%s (process %" PRIu32 ") has taken netshim's nftables table%s away, or parts of it, %s: it is back "
	       "after %ld ms",
	       news->by, news->process, place,
	       restored.count > MANY ? "as it does again and again" : "which nobody should", milliseconds);
	free(place);
}

/* In place, as who watches the folder is not to be told, and at once, as it may be read. */
static void write_note(const char *class)
{
	char text[64];
	char *path = path_of(class);
	int size = snprintf(text, sizeof(text), "%u %" PRId64 " %s\n", restored.count, restored.last, restored.by);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd >= 0 && pwrite(fd, text, (size_t)size, 0) == size && ftruncate(fd, size))
		unlink(path);
	if (fd >= 0)
		close(fd);
	free(path);
}

void restored_note(const char *class, const struct table_news *news, long milliseconds)
{
	int64_t now = seconds_now();

	restored.count = now - restored.last > CALM ? 1 : restored.count + 1;
	restored.last = now;
	snprintf(restored.by, sizeof(restored.by), "%s", *news->by ? news->by : "somebody");
	log_it(class, news, milliseconds);
	write_note(class);
}

static bool read_note(const char *class, struct restored *note)
{
	char *path = path_of(class);
	FILE *file = fopen(path, "re");
	bool ok = file && fscanf(file, "%u %" SCNd64 " %15[^\n]", &note->count, &note->last, note->by) == 3;

	if (file)
		fclose(file);
	free(path);
	return ok;
}

char *restored_words(const char *class)
{
	struct restored note;
	int64_t ago;
	char when[32];
	char *place;

	if (!read_note(class, &note))
		return NULL;
	ago = seconds_now() - note.last;
	if (ago < 0 || ago > REMINDED) /* an older version's is of another clock */
		return NULL;
	strftime(when, sizeof(when), "%T", localtime(&(time_t){ time(NULL) - ago }));
	place = place_of(class);
	if (note.count >= MANY)
		return printed(
			"'%s' takes netshim's nftables table%s away again and again: %u times until %s; each time, "
			"nothing is filtered until netshim has put it back; 'nft monitor' tells who it is",
			note.by, place, note.count, when);
	return printed("'%s' has taken netshim's nftables table%s away at %s; netshim has put it back, with its counts "
		       "at what they were when it was loaded",
		       note.by, place, when);
}

void restored_remind(const char *class)
{
	char *words = restored_words(class);

	if (words)
		warnx("%s", words);
	free(words);
}

void restored_forget(void)
{
	glob_t found;

	unlink(PATH);
	if (glob(OF_CLASSES "*", 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		unlink(found.gl_pathv[i]);
	globfree(&found);
}
