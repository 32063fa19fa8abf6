/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What the kernel would say of a program: see program.h. */

#include "shim/program.h"

#include "conf/contract/match.h"
#include "conf/contract/process.h"
#include "conf/contract/sys.h"

#include <elf.h>
#include <link.h>
#include <signal.h>

#if defined(__x86_64__) || defined(__i386__)
#define MACHINES(m) ((m) == EM_X86_64 || (m) == EM_386)
#elif defined(__aarch64__) || defined(__arm__)
#define MACHINES(m) ((m) == EM_AARCH64 || (m) == EM_ARM)
#endif

/* Relative ones begin in folder. */
static bool is_program(int folder, const char *path)
{
	struct sys_file file;

	return !sys_stat(folder, path, 0, &file) && S_ISREG(file.mode) && !sys_may_execute(folder, path, 0);
}

static bool elf_is_known(const char *head, size_t size, int folder)
{
	const ElfW(Ehdr) *elf = (const void *)head;
	const char *interpreter;

	if (size < sizeof(*elf) || !MACHINES(elf->e_machine) || (elf->e_type != ET_EXEC && elf->e_type != ET_DYN))
		return false;
	if (head[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32))
		return true;
	return elf->e_phentsize == sizeof(ElfW(Phdr)) && elf->e_phnum &&
	       (match_elf_interpreter(head, size, &interpreter) <= 0 || is_program(folder, interpreter));
}

/* Of another processor: binfmt_misc may know what runs it. */
static bool elf_is_foreign(const char *head, size_t size)
{
	const ElfW(Ehdr) *elf = (const void *)head;

	return size >= sizeof(*elf) && !MACHINES(elf->e_machine);
}

/* The path depends on dirfd. */
bool program_uses_dirfd(const struct program *p)
{
	return p->dirfd != AT_FDCWD && !p->cwd && p->path[0] != '/';
}

int program_check_environment(char *const *envp)
{
	if (!envp)
		return 0;
	/* No page has been checked yet. */
	for (uintptr_t page = UINTPTR_MAX;; envp++) {
		uintptr_t last = (uintptr_t)envp + sizeof(*envp) - 1;

		if (page != last >> 12 && !sys_is_readable((uintptr_t)envp))
			return -EFAULT;
		page = last >> 12;
		if (!*envp)
			return 0;
	}
}

/* Tells whether the file is open for writing, as the kernel tells its owner and root who
 * want a lease on it; false for others. */
static bool is_busy(const struct program *p)
{
	const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	char link[PROCESS_FD_LINK_MAX];
	int fd = *p->path ? sys_openat(p->dirfd, p->path, flags)
			  : sys_openat(AT_FDCWD, process_fd_link(link, p->dirfd), flags);
	bool busy;

	if (fd < 0)
		return false;
	/* Whoever opens it for writing before the lease ends, waits for that, and this process
	 * is told by a signal: SIGIO would end it. */
	SYS(SYS_fcntl, fd, F_SETSIG, SIGURG, 0, 0);
	busy = SYS(SYS_fcntl, fd, F_SETLEASE, F_RDLCK, 0, 0) == -EAGAIN;
	sys_close(fd);
	return busy;
}

/* What can be told without the kernel's own answer. */
static int check_access(const struct program *p)
{
	struct sys_file file;
	int err;

	if ((p->flags & AT_SYMLINK_NOFOLLOW) && !sys_stat(p->dirfd, p->path, p->flags, &file) && S_ISLNK(file.mode))
		return -ELOOP;
	err = sys_may_execute(p->dirfd, p->path, p->flags);
	return err ? err : is_busy(p) ? -ETXTBSY : 0;
}

/* Arguments at no address are never executed. Since Linux 6.8, the kernel opens the file
 * before it reads them (alloc_bprm). */
static int open_only(int dirfd, const char *path, int flags)
{
	return sys_execveat(dirfd, path, SYS_NO_ARRAY, NULL, flags);
}

/* Asks the kernel what execveat would say about the file. Returns 0 or -errno. */
static int check_file(const struct program *p)
{
	char *const few[] = { "", NULL };
	int err;

	/* Who passes over flags that he does not know, as valgrind, would execute the file. */
	if (sys_execveat(-1, "", few, few + 1, -1) != -EINVAL)
		return check_access(p);
	err = sys_execveat(p->dirfd, p->path, few, few + 1, p->flags | AT_EXECVE_CHECK);
	if (err == -EINVAL) {
		/* Before Linux 6.14. */
		err = open_only(p->dirfd, p->path, p->flags);
		if (err == -EFAULT)
			return open_only(-1, "", AT_EMPTY_PATH) == -EBADF ? 0 : check_access(p);
	}
	return err && sys_execveat_refused() ? check_access(p) : err;
}

/* What execveat would say about all but the format. The arguments, and the
 * environment's strings, the kernel checks when the helper is executed: here it
 * would copy them once more. */
int program_check(const struct program *p)
{
	int err = check_file(p);

	return err ? err : program_check_environment(p->envp);
}

/* Tells whether the kernel will be able to start what is in the file: after the
 * helper has been started in its place, an error has nobody to go to. Where this
 * says no, the caller's own exec says why (and a binfmt_misc interpreter, which
 * cannot be told from here, is caught at its start). A script's interpreter of another
 * processor's is left to the helper: who runs that may be static, and is not caught. */
bool program_format_is_known(const struct program *p)
{
	_Alignas(ElfW(Ehdr)) char head[MATCH_ELF_HEAD];
	const int folder = p->cwd ? p->dirfd : AT_FDCWD;
	struct program file = *p;

	for (unsigned scripts = 0;; scripts++) {
		long n = match_read_head(file.dirfd, file.path, head, sizeof(head));

		if (n < 0)
			return true; /* unreadable, which the kernel does not mind */
		if (n >= SELFMAG && str_after(head, ELFMAG))
			return elf_is_known(head, (size_t)n, folder) || (scripts && elf_is_foreign(head, (size_t)n));
		head[n < MATCH_HEAD ? n : MATCH_HEAD - 1] = '\0';
		/* A script beneath a close-on-exec descriptor is out of its interpreter's
		 * reach: ENOENT. */
		if (scripts == MATCH_SCRIPTS_MAX || (program_uses_dirfd(&file) && sys_is_close_on_exec(file.dirfd)))
			return false;
		file = (struct program){ .dirfd = folder, .path = match_interpreter(head), .cwd = p->cwd };
		if (!file.path || !is_program(folder, file.path) || check_file(&file))
			return false;
	}
}
