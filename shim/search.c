/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The search for a program on PATH: see search.h. */

#include "shim/search.h"

#include "conf/contract/sys.h"
#include "shim/next.h"

#include <linux/limits.h>
#include <unistd.h>

/* The caller's PATH, or the default of the libc at hand. Not by getenv, which may be the
 * program's own (bash's), of which libc's search knows nothing. */
static const char *search_path(void)
{
	const char *path;

	for (char *const *variable = __environ; variable && *variable; variable++)
		if ((path = str_after(*variable, "PATH=")))
			return path;
	return next_is_glibc() ? "/bin:/usr/bin" : "/usr/local/bin:/bin:/usr/bin";
}

static bool has_slash(const char *file)
{
	while (*file && *file != '/')
		file++;
	return *file;
}

/* Behind another error, libc tries no further folder. */
static bool goes_on(long err)
{
	return err == -EACCES || err == -ENOENT || err == -ENOTDIR ||
	       (next_is_glibc() && (err == -ESTALE || err == -ENODEV || err == -ETIMEDOUT));
}

const char *search(int folder, const char *file, char *found, size_t size)
{
	struct sys_file info;

	if (has_slash(file))
		return file;
	for (const char *dir = search_path(); dir; dir = *dir ? dir + 1 : NULL) {
		char *end = found;
		char *limit = found + size;
		long err;

		for (; *dir && *dir != ':'; dir++)
			if (end + 1 < limit)
				*end++ = *dir;
		if (end > found && end + 1 < limit)
			*end++ = '/';
		str_append(&end, limit, file);
		if (end + 1 == limit)
			continue;
		err = sys_stat(folder, found, 0, &info);
		if (((!err && S_ISREG(info.mode)) || sys_stat_refused((int)err)) &&
		    !(err = sys_may_execute(folder, found, 0)))
			return found;
		if (err && !goes_on(err))
			return NULL;
	}
	return NULL;
}

size_t search_size(const char *file)
{
	struct sys_file info;
	size_t longest = 0;
	size_t size = 0;

	/* The kernel reads it first: it may be a bad pointer. */
	if (sys_stat(AT_FDCWD, file, 0, &info) == -EFAULT || !*file)
		return 0;
	if (has_slash(file))
		return 1;
	/* Both libcs search for nothing longer. */
	if (str_len(file) > NAME_MAX)
		return 0;
	for (const char *c = search_path(); *c; c++) {
		size = *c == ':' ? 0 : size + 1;
		longest = size > longest ? size : longest;
	}
	/* Both pass over what is longer. */
	if (longest >= PATH_MAX)
		longest = PATH_MAX - 1;
	/* A slash, the terminator, and a byte that shows that nothing was cut. */
	return longest + 1 + str_len(file) + 1 + 1;
}
