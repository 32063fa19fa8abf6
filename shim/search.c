/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The search for a program on PATH: see search.h. */

#include "shim/search.h"

#include "conf/contract/match.h"
#include "conf/contract/sys.h"
#include "shim/next.h"

#include <elf.h>
#include <link.h>
#include <linux/limits.h>
#include <unistd.h>

#define NATIVE (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)

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

/* The next file that may be executed, in the folders of PATH from *dirs on; NULL where there is
 * none, or the search ends. */
static const char *next_file(int folder, const char *file, const char **dirs, char *found, size_t size)
{
	struct sys_file info;

	for (const char *dir = *dirs; dir; dir = *dirs) {
		char *end = found;
		char *limit = found + size;
		long err;

		for (; *dir && *dir != ':'; dir++)
			if (end + 1 < limit)
				*end++ = *dir;
		*dirs = *dir ? dir + 1 : NULL;
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

/* Finds what a file's head names as its interpreter, in head. */
static const char *interpreter_in(char *head, size_t size)
{
	const char *interpreter;

	if (size > sizeof(ElfW(Ehdr)) && str_after(head, ELFMAG))
		return head[EI_CLASS] == NATIVE && ((ElfW(Ehdr) *)(void *)head)->e_phentsize == sizeof(ElfW(Phdr)) &&
				       match_elf_interpreter(head, size, &interpreter) > 0
			       ? interpreter
			       : NULL;
	head[size < MATCH_HEAD ? size : MATCH_HEAD - 1] = '\0';
	return match_interpreter(head);
}

/* Tells whether the kernel cannot start a file as its interpreter, or that one's, is not there or
 * may not be executed. To libc, that is a file that is not there. */
__attribute__((noinline)) static bool lacks_interpreter(int folder, const char *path)
{
	_Alignas(ElfW(Ehdr)) char head[MATCH_ELF_HEAD];
	struct sys_file info;

	for (unsigned depth = 0; path && depth <= MATCH_SCRIPTS_MAX; depth++) {
		long size = match_read_head(folder, path, head, sizeof(head));
		long err;

		path = size > 0 ? interpreter_in(head, (size_t)size) : NULL;
		if (!path)
			return false;
		err = sys_stat(folder, path, 0, &info);
		if (!err)
			err = S_ISREG(info.mode) ? sys_may_execute(folder, path, 0) : -EACCES;
		if (err)
			return goes_on(err);
	}
	return false;
}

const char *search_first(const char *name, char *found, size_t size)
{
	const char *dirs = search_path();

	return next_file(AT_FDCWD, name, &dirs, found, size);
}

int search(const char *file, char *found, size_t size, struct program *p, struct route *route)
{
	const char *dirs = search_path();
	int ret;

	if (has_slash(file)) {
		p->path = file;
		return route_program(p, route);
	}
	do {
		p->path = next_file(p->dirfd, file, &dirs, found, size);
		ret = route_program(p, route);
		/* Only where it may matter, as that takes a look into the file. */
	} while (!ret && dirs && route->doubtful && lacks_interpreter(p->dirfd, p->path));
	return ret;
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
