/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* From a program that is about to be started to the way it is started: see
 * route.h. */

#include "shim/route.h"

#include "conf/match.h"
#include "conf/process.h"
#include "conf/sys.h"

#include <elf.h>
#include <link.h>
#include <sys/uio.h>

#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000 /* Linux 6.14 */
#endif

/* Environments larger than this go to memory of their own, not to the stack. */
#define STACK_ENV_MAX 256

#if defined(__x86_64__)
#define MACHINES(m) ((m) == EM_X86_64 || (m) == EM_386)
#elif defined(__aarch64__)
#define MACHINES(m) ((m) == EM_AARCH64 || (m) == EM_ARM)
#endif

static bool is_executable(const char *path)
{
	return !SYS(SYS_faccessat, AT_FDCWD, path, X_OK, 0, 0);
}

/* Tells whether the program interpreter of an ELF file exists. What does not lie
 * in the head is left to the kernel. */
static bool elf_interpreter_exists(int dirfd, const char *path, const char head[MATCH_HEAD + 1])
{
	const ElfW(Ehdr) *elf = (const void *)head;
	char interpreter[MATCH_HEAD];
	bool exists = true;
	int fd = -1;

	for (unsigned i = 0; i < elf->e_phnum; i++) {
		uint64_t at = elf->e_phoff + (uint64_t)i * sizeof(ElfW(Phdr));
		const ElfW(Phdr) *part = (const void *)(head + at);

		if (at > MATCH_HEAD - sizeof(*part))
			break;
		if (part->p_type != PT_INTERP)
			continue;
		if (part->p_filesz < 2 || part->p_filesz > sizeof(interpreter))
			break;
		fd = sys_openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (fd >= 0 && sys_pread(fd, interpreter, part->p_filesz, part->p_offset) == (long)part->p_filesz &&
		    !interpreter[part->p_filesz - 1])
			exists = is_executable(interpreter);
		break;
	}
	if (fd >= 0)
		sys_close(fd);
	return exists;
}

/* Tells whether the kernel will be able to start what is in the file: after the
 * helper has been started in its place, an error has nobody to go to. Where this
 * says no, the caller's own exec says why (and a binfmt_misc interpreter, which
 * cannot be told from here, is caught at its start). */
static bool format_is_known(const struct program *p)
{
	_Alignas(ElfW(Ehdr)) char head[MATCH_HEAD + 1];
	const ElfW(Ehdr) *elf = (const void *)head;
	const char *interpreter;

	if (*p->path ? match_read_head(p->dirfd, p->path, head) < 0 : sys_pread(p->dirfd, head, MATCH_HEAD, 0) < 0)
		return true; /* unreadable, which the kernel does not mind */
	head[MATCH_HEAD] = '\0';
	if (str_after(head, ELFMAG)) {
		if (!MACHINES(elf->e_machine))
			return false;
		return head[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) || !*p->path ||
		       elf->e_phentsize != sizeof(ElfW(Phdr)) || elf_interpreter_exists(p->dirfd, p->path, head);
	}
	interpreter = match_interpreter(head);
	return interpreter && is_executable(interpreter);
}

/* Reads one pointer of the caller's array, wherever it points. */
static bool readable(const void *from)
{
	const void *pointer;
	struct iovec local = { &pointer, sizeof(pointer) };
	struct iovec remote = { (void *)(uintptr_t)from, sizeof(pointer) };

	return sys6(SYS_process_vm_readv, SYS(SYS_getpid, 0, 0, 0, 0, 0), (long)&local, 1, (long)&remote, 1, 0) ==
	       sizeof(pointer);
}

static int check_env_array(char *const *envp)
{
	if (!envp)
		return 0;
	for (uintptr_t page = 0;; envp++) {
		if (page != (uintptr_t)envp >> 12 && !readable(envp))
			return -EFAULT;
		page = (uintptr_t)envp >> 12;
		if (!*envp)
			return 0;
	}
}

/* Asks the kernel what execveat would say. Returns 0 or -errno. */
static int check_exec(const struct program *p)
{
	int err = sys_execveat(p->dirfd, p->path, p->argv, p->envp, p->flags | AT_EXECVE_CHECK);

	if (err != -EINVAL && err != -ENOSYS)
		return err;
	/* Before Linux 6.14: what an ordinary check can tell. */
	err = (int)SYS(SYS_faccessat, p->dirfd, *p->path ? p->path : ".", X_OK, 0, 0);
	if (*p->path && err)
		return err;
	return check_env_array(p->envp);
}

/* The rule's class, or the reason why the program is started as it is (0) or not
 * at all (-errno). */
static int class_of_rule(const struct rules *rules, const struct rules_slot *rule, struct route *route)
{
	struct rules_class class;
	struct membership now;

	process_membership(&now);
	if (rule->class_index == RULES_CLASS_NONE)
		return now.place == PLACE_CLASS && !now.locked;
	if (!rules_class(rules, rule->class_index, &class, route->class))
		return 0;
	route->allow = class.flags & CLASS_ON_ERROR_ALLOW;
	if (now.locked)
		return 0;
	return now.place != PLACE_CLASS || (class.flags & CLASS_LOCK) || !str_equal(now.class, route->class);
}

/* A function of its own so that the walk's stack is free again for what follows. */
__attribute__((noinline)) static int find_class(const struct program *p, struct route *route)
{
	struct rules rules;
	struct rules_slot rule;
	int ret = 0;

	if (rules_open(&rules, false))
		return 0;
	if (match_program(&rules, p->dirfd, p->path, p->flags, true, &rule) > 0)
		ret = class_of_rule(&rules, &rule, route);
	rules_close(&rules);
	return ret;
}

int route_failed(const struct program *p, const struct route *route)
{
	if (!route->allow)
		return -EPERM;
	process_log_unclassified(p->path, route->class, "the helper cannot be used here");
	return 0;
}

int route_program(const struct program *p, struct route *route)
{
	struct sys_file file;
	int ret;

	*route = (struct route){ .request = { .dirfd = p->dirfd, .flags = p->flags } };
	/* Also the check that path is readable at all. */
	if (sys_stat(p->dirfd, p->path, p->flags & AT_EMPTY_PATH, &file) || !S_ISREG(file.mode) ||
	    !(file.mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
		return 0;
	if (p->flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return 0;
	ret = find_class(p, route);
	if (ret <= 0)
		return ret;
	ret = check_exec(p);
	if (ret)
		return ret;
	if (!format_is_known(p))
		return 0;
	/* The helper would get no capability, and a debugger would take it for the
	 * program; and executing it would take the ambient set away for good. */
	if (process_traced() || process_has_ambient())
		return route_failed(p, route);
	request_state(&route->request);
	return 1;
}

size_t route_env_count(char *const *envp)
{
	size_t count = REQUEST_STRINGS + 1;

	while (envp && *envp++)
		count++;
	return count;
}

void route_env(const struct program *p, const struct route *route, char text[REQUEST_MAX], const char **env)
{
	request_write(&route->request, text);
	*env++ = text;
	*env++ = p->path;
	for (char *const *from = p->envp; from && *from; from++)
		*env++ = *from;
	*env = NULL;
}

static int exec_with(const struct program *p, const struct route *route, const char **env)
{
	char text[REQUEST_MAX];

	route_env(p, route, text, env);
	return sys_execve(NETSHIM_HELPER, p->argv, (char *const *)env);
}

/* The stack grows by what is needed and not by the most that may be. */
__attribute__((noinline)) static int exec_on_stack(const struct program *p, const struct route *route, size_t count)
{
	const char *env[count];

	return exec_with(p, route, env);
}

static int exec_in_map(const struct program *p, const struct route *route, size_t count)
{
	const char **env = sys_map(count * sizeof(*env));
	int err;

	if (!env)
		return -ENOMEM;
	err = exec_with(p, route, env);
	sys_unmap(env, count * sizeof(*env));
	return err;
}

int route_exec(const struct program *p, const struct route *route)
{
	struct route r = *route;
	size_t count = route_env_count(p->envp);
	int err;

	/* The helper needs the descriptor; it makes it close-on-exec again. */
	if (p->dirfd != AT_FDCWD && p->path[0] != '/') {
		long fd_flags = SYS(SYS_fcntl, p->dirfd, F_GETFD, 0, 0, 0);

		r.request.cloexec = fd_flags > 0 && (fd_flags & FD_CLOEXEC);
		if (r.request.cloexec)
			SYS(SYS_fcntl, p->dirfd, F_SETFD, 0, 0, 0);
	}
	err = count <= STACK_ENV_MAX ? exec_on_stack(p, &r, count) : exec_in_map(p, &r, count);
	if (r.request.cloexec)
		SYS(SYS_fcntl, p->dirfd, F_SETFD, FD_CLOEXEC, 0, 0);
	/* These are about the caller's arguments, not about the helper. */
	if (err == -EFAULT || err == -E2BIG || err == -ENOMEM || err == -EAGAIN)
		return err;
	return route_failed(p, route);
}

int route(const struct program *p)
{
	struct route route;
	int ret = route_program(p, &route);

	return ret > 0 ? route_exec(p, &route) : ret;
}
