/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* A preload library as none should be: its execve spoils what SPOIL names, so
 * that the matrix can be seen to notice. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *what = "";

__attribute__((constructor)) static void remember(void)
{
	const char *name = getenv("SPOIL");

	if (name)
		what = strdup(name);
}

static int is(const char *name)
{
	return !strcmp(what, name);
}

/* A child that wait() sees; where memory is shared it has to be a real fork. */
static void leave_child(void)
{
	if (!syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0))
		_exit(0);
}

int execve(const char *path, char *const argv[], char *const envp[])
{
	char *other[] = { "other", NULL };
	struct rlimit limit = { 1 << 20, 1 << 20 };
	sigset_t none;
	long ret;

	sigemptyset(&none);
	if (is("argv"))
		argv = other;
	if (is("environment"))
		envp = other;
	if (is("fds"))
		open("/dev/null", O_RDONLY);
	if (is("cloexec"))
		fcntl(13, F_SETFD, FD_CLOEXEC);
	if (is("cwd") && chdir("/"))
		return -1;
	if (is("umask"))
		umask(0);
	if (is("mask"))
		sigprocmask(SIG_SETMASK, &none, NULL);
	if (is("disposition"))
		signal(SIGUSR1, SIG_DFL);
	if (is("deathsig"))
		prctl(PR_SET_PDEATHSIG, 0);
	if (is("personality"))
		personality(0);
	if (is("nice"))
		setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + 1);
	if (is("limits"))
		setrlimit(RLIMIT_STACK, &limit);
	if (is("nnp"))
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (is("memory"))
		mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (is("children"))
		leave_child();
	ret = syscall(SYS_execve, path, argv, envp);
	if (is("errno"))
		errno = EIO;
	return (int)ret;
}
