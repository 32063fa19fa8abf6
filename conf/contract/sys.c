/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What of sys.h is too long for a header. */

#include "conf/contract/sys.h"

/* The call that the dynamic loader uses: a seccomp filter that lets a program
 * start lets it through. On 64-bit machines that is newfstatat, and the kernel's
 * layout of struct stat is libc's, in glibc and in musl. */
#if __SIZEOF_POINTER__ == 4
int sys_stat(int dirfd, const char *path, int flags, struct sys_file *file)
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
#else
int sys_stat(int dirfd, const char *path, int flags, struct sys_file *file)
{
	struct stat st;
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
#endif
