/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The text of the configuration in force: see text.h. */

#include "conf/language/text.h"

#include "conf/language/alloc.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

static const char text_path[] = NETSHIM_RUNDIR "/config";
static const char new_path[] = NETSHIM_RUNDIR "/config.new";

#define HEAD "rules %ju\n"

bool text_write(const struct ruleset *set, ino_t rules)
{
	FILE *file;
	bool ok;
	int fd;

	text_settle();
	unlink(new_path);
	fd = open(new_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	ok = file && fprintf(file, HEAD, (uintmax_t)rules) > 0 && fwrite(set->text, set->text_size, 1, file) == 1;
	if ((file && fclose(file)) || !ok) {
		warn("cannot write %s", new_path);
		return false;
	}
	return true;
}

/* Opens a text that nobody but root could write; NULL where there is none. */
static FILE *open_text(const char *path, uintmax_t *rules)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	struct stat st;

	if (!file)
		return NULL;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && !st.st_uid && !(st.st_mode & 077) &&
	    fscanf(file, HEAD, rules) == 1)
		return file;
	fclose(file);
	return NULL;
}

static bool belongs_to(const char *path, ino_t rules)
{
	uintmax_t inode;
	FILE *file = open_text(path, &inode);

	if (file)
		fclose(file);
	return file && inode == rules;
}

void text_settle(void)
{
	struct stat rules;

	if (lstat(RULES_PATH, &rules))
		unlink(text_path);
	else if (belongs_to(new_path, rules.st_ino) && rename(new_path, text_path))
		return; /* so it is found there */
	unlink(new_path);
}

const char *text_in_force(void)
{
	struct stat rules;

	text_settle();
	if (lstat(RULES_PATH, &rules))
		return NULL;
	if (belongs_to(text_path, rules.st_ino))
		return text_path;
	return belongs_to(new_path, rules.st_ino) ? new_path : NULL;
}

char *text_read(const char *path, size_t *size)
{
	uintmax_t rules;
	FILE *file = open_text(path, &rules);
	char *text;

	if (!file)
		return NULL;
	text = stream_read(file, SIZE_MAX, size);
	fclose(file);
	return text;
}

char *text_plain(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	if (!file)
		return NULL;
	if (getdelim(&text, &size, '\0', file) < 0) {
		free(text);
		text = NULL;
	}
	fclose(file);
	return text;
}
