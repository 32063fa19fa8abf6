/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What `netshim watch` has put back: see restored.h. */

#include "conf/command/restored.h"

#include "conf/contract/rules.h"
#include "conf/language/alloc.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static const char path[] = NETSHIM_RUNDIR "/restored";

/* What comes within a minute of the time before belongs to it. */
#define CALM 60
#define MANY 5
#define REMINDED 3600

static struct restored {
	unsigned count;
	int64_t last;
	char by[sizeof(((struct table_news *)NULL)->by)];
} restored;

static void log_it(const struct table_news *news, long milliseconds)
{
	if (restored.count > MANY && (restored.count & (restored.count - 1)))
		return;
	syslog(LOG_DAEMON | LOG_WARNING,
	       "%s (process %" PRIu32 ") has taken netshim's nftables table away, or parts of it, %s: it is back after "
	       "%ld ms",
	       news->by, news->process, restored.count > MANY ? "as it does again and again" : "which nobody should",
	       milliseconds);
}

/* In place, as who watches the folder is not to be told, and at once, as it may be read. */
static void write_note(void)
{
	char text[64];
	int size = snprintf(text, sizeof(text), "%u %" PRId64 " %s\n", restored.count, restored.last, restored.by);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0)
		return;
	if (pwrite(fd, text, (size_t)size, 0) == size && ftruncate(fd, size))
		unlink(path);
	close(fd);
}

void restored_note(const struct table_news *news, long milliseconds)
{
	int64_t now = time(NULL);

	restored.count = now - restored.last > CALM ? 1 : restored.count + 1;
	restored.last = now;
	snprintf(restored.by, sizeof(restored.by), "%s", *news->by ? news->by : "somebody");
	log_it(news, milliseconds);
	write_note();
}

static bool read_note(struct restored *note)
{
	FILE *file = fopen(path, "re");
	bool ok = file && fscanf(file, "%u %" SCNd64 " %15[^\n]", &note->count, &note->last, note->by) == 3;

	if (file)
		fclose(file);
	return ok;
}

char *restored_words(void)
{
	struct restored note;
	char when[32];

	if (!read_note(&note) || time(NULL) - note.last > REMINDED)
		return NULL;
	strftime(when, sizeof(when), "%T", localtime(&(time_t){ note.last }));
	if (note.count >= MANY)
		return printed(
			"'%s' takes netshim's nftables table away again and again: %u times until %s; each time, "
			"nothing is filtered until netshim has put it back; 'nft monitor' tells who it is",
			note.by, note.count, when);
	return printed("'%s' has taken netshim's nftables table away at %s; netshim has put it back, with its counts "
		       "at what they were when it was loaded",
		       note.by, when);
}

void restored_remind(void)
{
	char *words = restored_words();

	if (words)
		warnx("%s", words);
	free(words);
}

void restored_forget(void)
{
	unlink(path);
}
