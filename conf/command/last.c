/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The last configuration that was in force: see last.h. */

#include "conf/command/last.h"

#include "conf/command/edit.h"
#include "conf/command/load.h"
#include "conf/command/state.h"
#include "conf/command/verbs.h"
#include "conf/language/alloc.h"
#include "conf/language/compile.h"
#include "conf/language/text.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef NETSHIM_STATEDIR
#define NETSHIM_STATEDIR "/var/lib/netshim"
#endif

static const char kept_path[] = NETSHIM_STATEDIR "/config";
static const char new_path[] = NETSHIM_STATEDIR "/config.new";

/* On the disk, too, as a machine may lose its power at any time. */
static bool copy_text(const char *from)
{
	int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int out = open(new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	ssize_t size = 1;

	while (in >= 0 && out >= 0 && size > 0)
		size = sendfile(out, in, NULL, 1 << 30);
	if (in < 0 || out < 0 || fsync(out))
		size = -1;
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return !size;
}

void last_keep(void)
{
	const char *text = text_in_force();
	char *config = text ? compile_config() : NULL;
	bool at_boot = config && !strcmp(config, NETSHIM_CONFIG);

	free(config);
	if (!at_boot)
		return;
	if ((mkdir(NETSHIM_STATEDIR, 0700) && errno != EEXIST) || !copy_text(text) || rename(new_path, kept_path)) {
		warn("cannot keep a copy of the configuration in %s, for a boot at which it has a mistake", kept_path);
		unlink(new_path);
		return;
	}
	edit_sync_folder(kept_path);
}

bool last_load(struct ruleset *set)
{
	return load_text(set, kept_path);
}

void last_note(enum last_use use)
{
	int fd;

	unlink(STATE_LAST);
	if (use == LAST_UNUSED)
		return;
	fd = open(STATE_LAST, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return;
	dprintf(fd, "%d", use);
	close(fd);
}

static enum last_use read_note(void)
{
	FILE *file = fopen(STATE_LAST, "re");
	int use = file ? LAST_USED : LAST_UNUSED;

	if (!file)
		return LAST_UNUSED;
	/* An older version's has nothing in it. */
	if (fscanf(file, "%d", &use) != 1)
		use = LAST_USED;
	fclose(file);
	return (enum last_use)use;
}

bool last_refuses(void)
{
	enum last_use use = read_note();

	return use == LAST_REFUSES || use == LAST_REFUSES_READ;
}

const char *last_words(void)
{
	static const char *const words[] = {
		[LAST_USED] = "what was in force last is in force again; mend it, then run 'netshim reload'",
		[LAST_REFUSES] = "programs that had a rule when it last was are not started; mend it, then run "
				 "'netshim reload'",
		[LAST_REFUSES_READ] = "it never was before, and programs for which a rule could be read in it are "
				      "not started; mend it, then run 'netshim reload'",
		[LAST_NOTHING] = "no rules are in force; mend it, then run 'netshim up'",
	};
	enum last_use use = read_note();

	return use > LAST_UNUSED && use <= LAST_REFUSES_READ ? words[use] : NULL;
}

void last_remind(void)
{
	const char *words = last_words();

	if (words)
		warnx(NETSHIM_CONFIG " could not be put into force when the machine started: %s", words);
}
