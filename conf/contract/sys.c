/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What takes more than a line or two: see sys.h. */

#include "conf/contract/sys.h"

#if __SIZEOF_POINTER__ == 4
#define SYS_newfstatat SYS_fstatat64
typedef struct stat64 kernel_stat;
#else
typedef struct stat kernel_stat;
#endif

/* The kernel's layout is libc's, in glibc and in musl. */
static int fstatat_stat(int dirfd, const char *path, int flags, struct sys_file *file)
{
	kernel_stat st;
	int err = (int)SYS(SYS_newfstatat, dirfd, path, &st, flags, 0);

	if (err)
		return err;
	*file = (struct sys_file){
		.mode = st.st_mode,
		.uid = st.st_uid,
		.size = (uint64_t)st.st_size,
		.device = st.st_dev,
		.inode = st.st_ino,
		.changed = (uint64_t)st.st_ctim.tv_sec * 1000000000 + (uint64_t)st.st_ctim.tv_nsec,
	};
	return 0;
}

static int statx_stat(int dirfd, const char *path, int flags, struct sys_file *file)
{
	struct statx st;
	int err = (int)SYS(SYS_statx, dirfd, path, flags, STATX_BASIC_STATS, &st);

	if (err)
		return err;
	*file = (struct sys_file){
		.mode = st.stx_mode,
		.uid = st.stx_uid,
		.size = st.stx_size,
		.device = (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor,
		.inode = st.stx_ino,
		.changed = (uint64_t)st.stx_ctime.tv_sec * 1000000000 + st.stx_ctime.tv_nsec,
	};
	return 0;
}

/* First by the call that the dynamic loader makes: a seccomp filter that lets a program
 * start lets it through. */
int sys_stat(int dirfd, const char *path, int flags, struct sys_file *file)
{
#if __SIZEOF_POINTER__ == 4
	int err = statx_stat(dirfd, path, flags, file);

	return is_refused(err) ? fstatat_stat(dirfd, path, flags, file) : err;
#else
	int err = fstatat_stat(dirfd, path, flags, file);

	return is_refused(err) ? statx_stat(dirfd, path, flags, file) : err;
#endif
}

bool sys_stat_refused(int err)
{
	struct sys_file root;

	return err && err != -ENOENT && sys_stat(AT_FDCWD, "/", 0, &root) == err;
}

long sys_readlink(const char *path, char *buf, size_t size)
{
	long n = SYS(SYS_readlinkat, AT_FDCWD, path, buf, size, 0);

#ifdef SYS_readlink
	if (is_refused((int)n))
		n = SYS(SYS_readlink, path, buf, size, 0, 0);
#endif
	return n;
}

int sys_open_to_read(int dirfd, const char *path, int flags)
{
	int fd;

	/* O_NONBLOCK: if it is a FIFO, open must not wait. */
	flags |= O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	fd = sys_openat(dirfd, path, flags);
#ifdef SYS_open
	if (is_refused(fd) && dirfd == AT_FDCWD)
		fd = (int)SYS(SYS_open, path, flags | O_LARGEFILE, 0, 0, 0);
#endif
	return fd;
}

/* What ends a line, or has a terminal read the rest of it from right to left, can make a
 * message look like another one. */
static bool is_shown(uint32_t letter)
{
	static const uint32_t others[][2] = {
		{ 0x80, 0x9f },		  { 0x61c, 0x61c },   { 0x200e, 0x200f },
		{ 0x2028, 0x202e },	  { 0x2066, 0x2069 }, { 0xd800, 0xdfff }, /* halves of UTF-16's */
		{ 0x110000, UINT32_MAX },
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(*others) && letter >= others[i][0]; i++)
		if (letter <= others[i][1])
			return false;
	return true;
}

/* How many bytes the letter of UTF-8 (RFC 3629) has that s begins with; 0 where it is none, or
 * not to be shown. */
static size_t letter_size(const unsigned char *s)
{
	uint32_t letter;
	uint32_t least;
	size_t size;

	if (*s < 0x80)
		return *s >= ' ' && *s != 0x7f;
	if (*s < 0xc0 || *s >= 0xf8)
		return 0;
	size = *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
	least = size == 2 ? 0x80 : size == 3 ? 0x800 : 0x10000;
	letter = *s & (0x7f >> size);
	for (size_t i = 1; i < size; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		letter = letter << 6 | (s[i] & 0x3f);
	}
	return letter >= least && is_shown(letter) ? size : 0;
}

void str_printable(char *s)
{
	while (*s) {
		size_t size = letter_size((const unsigned char *)s);

		if (!size)
			*s = *s == '\t' ? ' ' : '?';
		s += size ? size : 1;
	}
}
