/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Raw system calls and the few string functions that the shim and the helper need.
 * The helper has no libc (libc start-up alone costs more than the rest of it), and
 * the shim must not go through one: it runs in vfork children and signal handlers,
 * where it may touch neither errno nor the wrappers of other preloads.
 *
 * Every function is async-signal-safe and leaves errno alone. System calls
 * return what the kernel returns: -errno on failure. */

#ifndef NETSHIM_SYS_H
#define NETSHIM_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#if defined(__x86_64__)

static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#elif defined(__aarch64__)

static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}

#elif defined(__arm__)

/* The library alone is also built for these programs, and only 64-bit kernels run
 * the helper. */
static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r7 __asm__("r7") = nr;
	register long r0 __asm__("r0") = a;
	register long r1 __asm__("r1") = b;
	register long r2 __asm__("r2") = c;
	register long r3 __asm__("r3") = d;
	register long r4 __asm__("r4") = e;
	register long r5 __asm__("r5") = f;

	__asm__ volatile("svc 0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5) : "memory");
	return r0;
}

#elif defined(__i386__)

/* As for arm. The sixth argument's register may be the compiler's own. */
static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	const long rest[2] = { nr, f };
	long ret;

	__asm__ volatile("push %%ebp\n"
			 "	mov 4(%%eax), %%ebp\n"
			 "	mov (%%eax), %%eax\n"
			 "	int $0x80\n"
			 "	pop %%ebp"
			 : "=a"(ret)
			 : "a"(rest), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory");
	return ret;
}

#else
#error "netshim knows x86_64 and aarch64, and their 32-bit programs; another architecture needs sys6() here and _start in conf/contract/start.h"
#endif

#if __SIZEOF_POINTER__ == 4
/* The old calls have 16-bit user numbers; i386's mmap takes its arguments from
 * memory, and arm has none. */
#undef SYS_getuid
#undef SYS_getgid
#undef SYS_geteuid
#undef SYS_getegid
#undef SYS_getgroups
#undef SYS_mmap
#define SYS_getuid SYS_getuid32
#define SYS_getgid SYS_getgid32
#define SYS_geteuid SYS_geteuid32
#define SYS_getegid SYS_getegid32
#define SYS_getgroups SYS_getgroups32
#define SYS_mmap SYS_mmap2
#endif

#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000 /* Linux 6.14 */
#endif
#ifndef SYS_faccessat2
#define SYS_faccessat2 439 /* Linux 5.8 */
#endif

#define SYS(nr, a, b, c, d, e) sys6(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)

static inline bool sys_is_first_thread(void)
{
	return SYS(SYS_gettid, 0, 0, 0, 0, 0) == SYS(SYS_getpid, 0, 0, 0, 0, 0);
}

/* The file itself is in order then. */
static inline bool no_descriptor_free(long err)
{
	return err == -EMFILE || err == -ENFILE;
}

/* What netshim asks about a file. */
struct sys_file {
	uint32_t mode;
	uint32_t uid;
	uint64_t size;
	uint64_t device;
	uint64_t inode;
	uint64_t changed; /* its ctime, in nanoseconds */
};

/* Some things two system calls tell. Where one of them is refused, these ask by the other:
 * a sandbox's list may have but one. */
int sys_stat(int dirfd, const char *path, int flags, struct sys_file *file);
long sys_readlink(const char *path, char *buf, size_t size);
int sys_open_to_read(int dirfd, const char *path, int flags);

/* Tells whether an error of sys_stat's is a sandbox's, which answers so about the root, too.
 * By the same call, as another may kill. */
bool sys_stat_refused(int err);

static inline bool sys_same_file(const struct sys_file *a, const struct sys_file *b)
{
	return a->device == b->device && a->inode == b->inode;
}

/* Tells whether others than root can change a symlink, or what is in a folder. In a
 * sticky folder, they cannot change what is root's. */
static inline bool file_others_may_change(const struct sys_file *file)
{
	return !S_ISREG(file->mode) && (file->uid != 0 || (S_ISDIR(file->mode) && !(file->mode & S_ISVTX) &&
							   (file->mode & (S_IWGRP | S_IWOTH))));
}

/* Tells whether a system call is not to be had: the kernel is too old for it, or a
 * sandbox does not let it through. (Those that ask this fail with EPERM for no other
 * reason.) */
static inline bool is_refused(int err)
{
	return err == -ENOSYS || err == -EPERM;
}

/* Tells whether the file may be executed, as execve asks: for the effective user, and
 * not on a noexec mount. Returns 0, also where that cannot be told, or -errno. A folder
 * may be executed, too. */
static inline int sys_may_execute(int dirfd, const char *path, int flags)
{
	int err = (int)SYS(SYS_faccessat2, dirfd, path, X_OK, AT_EACCESS | flags, 0);

	/* For the real user, before Linux 5.8. */
	if (is_refused(err))
		err = *path ? (int)SYS(SYS_faccessat, dirfd, path, X_OK, 0, 0) : 0;
	return is_refused(err) ? 0 : err;
}

static inline int sys_openat(int dirfd, const char *path, int flags)
{
	return (int)SYS(SYS_openat, dirfd, path, flags | O_LARGEFILE, 0, 0);
}

static inline void sys_close(int fd)
{
	SYS(SYS_close, fd, 0, 0, 0, 0);
}

static inline bool sys_is_close_on_exec(int fd)
{
	long flags = SYS(SYS_fcntl, fd, F_GETFD, 0, 0, 0);

	return flags > 0 && (flags & FD_CLOEXEC);
}

/* Tells whether one pointer of the caller's array can be read. The kernel reads the
 * signal set before it finds that there is no such operation. */
static inline bool sys_is_readable(uintptr_t from)
{
	/* A signal set is twice as large as a 32-bit program's pointer, and the page
	 * may end behind the pointer. */
	from &= ~(sizeof(uint64_t) - sizeof(void *));
	return SYS(SYS_rt_sigprocmask, -1, from, 0, sizeof(uint64_t), 0) != -EFAULT;
}

static inline long sys_read(int fd, void *buf, size_t size)
{
	return SYS(SYS_read, fd, buf, size, 0, 0);
}

static inline long sys_pread(int fd, void *buf, size_t size, uint64_t offset)
{
#if defined(__arm__) /* a pair of registers begins with an even one */
	return sys6(SYS_pread64, fd, (long)buf, (long)size, 0, (long)offset, (long)(offset >> 32));
#elif defined(__i386__)
	return SYS(SYS_pread64, fd, buf, size, (uint32_t)offset, offset >> 32);
#else
	return SYS(SYS_pread64, fd, buf, size, offset, 0);
#endif
}

static inline long sys_write(int fd, const void *buf, size_t size)
{
	return SYS(SYS_write, fd, buf, size, 0, 0);
}

static inline int sys_execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags)
{
	return (int)SYS(SYS_execveat, dirfd, path, argv, envp, flags);
}

/* An array where no process has memory. */
#define SYS_NO_ARRAY ((char *const *)UINTPTR_MAX)

/* Tells whether a sandbox lets no execveat through, whatever error it answers with: the
 * kernel has two different ones for these. */
static inline bool sys_execveat_refused(void)
{
	return sys_execveat(-1, "", SYS_NO_ARRAY, NULL, 0) == sys_execveat(-1, "", SYS_NO_ARRAY, NULL, AT_EMPTY_PATH);
}

static inline int sys_execve(const char *path, char *const argv[], char *const envp[])
{
	return (int)SYS(SYS_execve, path, argv, envp, 0, 0);
}

/* Memory of its own for what may be too large for the caller's stack; NULL where
 * there is none. */
static inline void *sys_map(size_t size)
{
	long ret = sys6(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return ret < 0 && ret > -4096 ? NULL : (void *)ret;
}

static inline void sys_unmap(void *map, size_t size)
{
	SYS(SYS_munmap, map, size, 0, 0, 0);
}

static inline size_t str_len(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

static inline bool str_equal(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

/* Returns what follows prefix in s, or NULL where s does not start with it. */
static inline const char *str_after(const char *s, const char *prefix)
{
	while (*prefix)
		if (*s++ != *prefix++)
			return NULL;
	return s;
}

/* Appends s to the terminated string that ends at *end, never past limit.
 * What does not fit is cut. */
static inline void str_append(char **end, char *limit, const char *s)
{
	while (*s && *end + 1 < limit)
		*(*end)++ = *s++;
	**end = '\0';
}

static inline void str_append_number(char **end, char *limit, uint64_t n)
{
	char digits[24];
	char *p = digits + sizeof(digits) - 1;

	*p = '\0';
	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	str_append(end, limit, p);
}

/* A path may hold a newline, a terminal's control codes, or what is no UTF-8: none of it goes
 * into a message. Each byte of it becomes '?', but a tab a blank. */
void str_printable(char *s);

/* Reads a decimal number and moves *s past it. false where there is none or it
 * is too large. */
static inline bool str_number(const char **s, uint64_t *n)
{
	const char *p = *s;

	*n = 0;
	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (*n > (UINT64_MAX - digit) / 10)
			return false;
		*n = *n * 10 + digit;
	}
	if (p == *s)
		return false;
	*s = p;
	return true;
}

#endif
