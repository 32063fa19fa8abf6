/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Changes of a text file: see edit.h. */

#include "conf/command/edit.h"

#include "conf/language/alloc.h"
#include "conf/language/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE_MAX_READ (1 << 20)

/* Of a file of that size; NULL where it is no text. Allocated. */
static char *read_text(int fd, size_t size)
{
	char *text = zalloc(size + 1);
	size_t done = 0;
	ssize_t n = 1;

	while (done < size && (n = read(fd, text + done, size - done)) > 0)
		done += (size_t)n;
	if (n >= 0 && strlen(text) == done)
		return text;
	free(text);
	return NULL;
}

/* Of a text file, with its state; NULL with errno, 0 where it is none. O_NONBLOCK: a named
 * pipe would be waited for. */
static char *read_file(const char *path, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *text = NULL;
	int reason = 0;

	if (fd < 0 || fstat(fd, st))
		reason = errno;
	else if (S_ISREG(st->st_mode) && st->st_size <= SIZE_MAX_READ)
		text = read_text(fd, (size_t)st->st_size);
	if (fd >= 0)
		close(fd);
	errno = reason;
	return text;
}

char *edit_text(const char *path)
{
	struct stat st;

	return read_file(path, &st);
}

static bool read_before(struct edit *edit)
{
	struct stat st;

	edit->before = read_file(edit->target, &st);
	if (!edit->before) {
		if (errno)
			warn("cannot read %s", edit->path);
		else
			warnx("%s is no text file, and is left as it is", edit->path);
		return false;
	}
	edit->after = copied(edit->before);
	edit->mode = st.st_mode & 07777;
	edit->owner = st.st_uid;
	edit->group = st.st_gid;
	return true;
}

/* What root writes must lie where nobody else decides. */
static bool is_trusted(const char *path)
{
	char *changeable = geteuid() == 0 ? trust_changeable(path) : NULL;

	if (changeable)
		warnx("others than root can change %s; make it root's, and writable by nobody else", changeable);
	free(changeable);
	return !changeable;
}

bool edit_read(struct edit *edit, const char *path, mode_t mode)
{
	struct stat st;

	*edit = (struct edit){ .path = path, .mode = mode, .owner = geteuid(), .group = getegid() };
	if (!is_trusted(path))
		return false;
	edit->target = realpath(path, NULL);
	if (edit->target)
		return read_before(edit);
	if ((errno != ENOENT && errno != ENOTDIR) || !lstat(path, &st)) {
		warn("cannot read %s", path);
		return false;
	}
	edit->target = copied(path);
	return true;
}

bool edit_is_needed(const struct edit *edit)
{
	return edit->before && edit->after ? strcmp(edit->before, edit->after) : edit->before != edit->after;
}

void edit_insert(struct edit *edit, size_t at, const char *words)
{
	char *old = edit->after;

	edit->after = printed("%.*s%s%s", (int)at, old ? old : "", words, old ? old + at : "");
	free(old);
}

void edit_remove(struct edit *edit, size_t at, size_t size)
{
	memmove(edit->after + at, edit->after + at + size, strlen(edit->after + at + size) + 1);
}

/* With the mode that the XDG Base Directory Specification has for those of a user. */
static bool make_folders(const char *path, unsigned count)
{
	char *folder = copied(path);
	bool ok;

	*strrchr(folder, '/') = '\0';
	ok = !count || !access(folder, F_OK) ||
	     (make_folders(folder, count - 1) && (!mkdir(folder, 0700) || errno == EEXIST));
	free(folder);
	return ok;
}

/* Only those that are empty can be removed. */
static void remove_folders(const char *path, unsigned count)
{
	char *folder = copied(path);

	for (; count; count--) {
		*strrchr(folder, '/') = '\0';
		if (rmdir(folder))
			break;
	}
	free(folder);
}

static bool fill(int fd, const struct edit *edit)
{
	size_t size = strlen(edit->after);

	return fd >= 0 && write(fd, edit->after, size) == (ssize_t)size && !fchmod(fd, edit->mode) &&
	       !fchown(fd, edit->owner, edit->group) && !fsync(fd);
}

void edit_sync_folder(const char *path)
{
	char *folder = printed("%.*s/", (int)(strrchr(path, '/') - path), path);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(folder);
}

static bool replace(const struct edit *edit, bool (*check)(const char *path))
{
	/* sudo, fish and systemd do not read files of such names. */
	char *new = printed("%s.XXXXXX", edit->target);
	int fd = make_folders(edit->target, edit->folders) ? mkostemp(new, O_CLOEXEC) : -1;
	bool ok = fill(fd, edit);

	if (!ok)
		warn("cannot write %s", edit->path);
	if (fd >= 0)
		close(fd);
	ok = ok && (!check || check(new));
	if (ok && rename(new, edit->target)) {
		warn("cannot write %s", edit->path);
		ok = false;
	}
	if (fd >= 0 && !ok)
		unlink(new);
	free(new);
	return ok;
}

bool edit_write(const struct edit *edit, bool (*check)(const char *path))
{
	if (edit->after) {
		if (!replace(edit, check))
			return false;
	} else if (unlink(edit->target)) {
		warn("cannot remove %s", edit->path);
		return false;
	}
	edit_sync_folder(edit->target);
	if (!edit->after)
		remove_folders(edit->target, edit->folders);
	return true;
}
