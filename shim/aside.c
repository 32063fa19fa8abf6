/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Work that needs descriptors, for a process that has none left: see aside.h. */

#include "shim/aside.h"

#include "conf/contract/process.h"
#include "conf/contract/sys.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

/* How many descriptors the work may need at once. */
#define NEEDED 3

/* "pid:[NUMBER]" */
#define NAMESPACE_LINK_MAX 32

struct work {
	void (*function)(void *argument);
	void *argument;
	int keep;
};

__attribute__((used)) static void in_child(const struct work *work)
{
	uint64_t limit[2];

	/* The child's limits are not shared with its parent. */
	process_raise_descriptors(limit);
	for (int fd = 0, closed = 0; closed < NEEDED && fd <= NEEDED; fd++) {
		if (fd == work->keep)
			continue;
		/* Record locks belong to a descriptor table, so the parent keeps its
		 * own. */
		sys_close(fd);
		closed++;
	}
	work->function(work->argument);
}

/* As vfork: the child lives on the caller's stack while the caller is suspended.
 * In assembler, so that no compiler lets it overwrite what the caller still needs.
 * Its exit sends no signal, so that nobody's wait() finds it. */
#define FLAGS (CLONE_VM | CLONE_VFORK)

#if defined(__x86_64__)

static long clone_and_call(const struct work *work)
{
	register long no_tid __asm__("r10") = 0;
	register long no_tls __asm__("r8") = 0;
	long ret = SYS_clone;

	__asm__ volatile("syscall\n"
			 "	test %%rax, %%rax\n"
			 "	jnz 1f\n"
			 "	lea -128(%%rsp), %%rsp\n" /* the red zone is the caller's */
			 "	and $-16, %%rsp\n"
			 "	mov %[work], %%rdi\n"
			 "	call %P[in_child]\n"
			 "	xor %%edi, %%edi\n"
			 "	mov %[exit], %%eax\n"
			 "	syscall\n"
			 "	hlt\n"
			 "1:"
			 : "+a"(ret)
			 : "D"(FLAGS), "S"(0), "d"(0), "r"(no_tid),
			   "r"(no_tls), [work] "b"(work), [in_child] "i"(in_child), [exit] "i"(SYS_exit)
			 : "rcx", "r11", "memory");
	return ret;
}

#elif defined(__aarch64__)

static long clone_and_call(const struct work *work)
{
	register long x8 __asm__("x8") = SYS_clone;
	register long x0 __asm__("x0") = FLAGS;
	register long x1 __asm__("x1") = 0;
	register long x2 __asm__("x2") = 0;
	register long x3 __asm__("x3") = 0;
	register long x4 __asm__("x4") = 0;
	register const struct work *x19 __asm__("x19") = work;

	__asm__ volatile("svc 0\n"
			 "	cbnz x0, 1f\n"
			 "	mov x0, x19\n"
			 "	bl in_child\n"
			 "	mov x0, 0\n"
			 "	mov x8, %[exit]\n"
			 "	svc 0\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x19), [exit] "i"(SYS_exit)
			 : "memory");
	return x0;
}

#elif defined(__arm__)

static long clone_and_call(const struct work *work)
{
	register long r7 __asm__("r7") = SYS_clone;
	register long r0 __asm__("r0") = FLAGS;
	register long r1 __asm__("r1") = 0;
	register long r2 __asm__("r2") = 0;
	register long r3 __asm__("r3") = 0;
	register long r4 __asm__("r4") = 0;
	register const struct work *r5 __asm__("r5") = work;

	__asm__ volatile("svc 0\n"
			 "	cmp r0, #0\n"
			 "	bne 1f\n"
			 "	bic sp, sp, #7\n"
			 "	mov r0, r5\n"
			 "	bl in_child\n"
			 "	mov r0, #0\n"
			 "	mov r7, %[exit]\n"
			 "	svc 0\n"
			 "1:"
			 : "+r"(r0)
			 : "r"(r7), "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5), [exit] "i"(SYS_exit)
			 : "cc", "memory");
	return r0;
}

#elif defined(__i386__)

static long clone_and_call(const struct work *work)
{
	long ret = SYS_clone;

	__asm__ volatile("int $0x80\n"
			 "	test %%eax, %%eax\n"
			 "	jnz 1f\n"
			 "	and $-16, %%esp\n"
			 "	sub $12, %%esp\n"
			 "	push %[work]\n"
			 "	call in_child\n"
			 "	xor %%ebx, %%ebx\n"
			 "	mov %[exit], %%eax\n"
			 "	int $0x80\n"
			 "	hlt\n"
			 "1:"
			 : "+a"(ret)
			 : "b"(FLAGS), "c"(0), "d"(0), "S"(0), [work] "D"(work), [exit] "i"(SYS_exit)
			 : "memory");
	return ret;
}

#endif

/* The namespace of processes that the calling thread (unshare asks for a thread) or its
 * children are in; "" where that cannot be told. */
static void read_namespace(const char *whose, char link[NAMESPACE_LINK_MAX])
{
	char path[48];
	char *end = path;
	long n;

	str_append(&end, path + sizeof(path), sys_is_first_thread() ? "/proc/self/ns/" : "/proc/thread-self/ns/");
	str_append(&end, path + sizeof(path), whose);
	n = sys_readlink(path, link, NAMESPACE_LINK_MAX - 1);
	link[n < 0 ? 0 : n] = '\0';
}

/* The first child in a new one is its process 1, and would end it: nobody could fork there any
 * more. Until there is one, the children's link may lead nowhere. */
static bool children_are_elsewhere(void)
{
	char own[NAMESPACE_LINK_MAX];
	char childrens[NAMESPACE_LINK_MAX];

	read_namespace("pid", own);
	read_namespace("pid_for_children", childrens);
	return !str_equal(own, childrens);
}

int aside(void (*work)(void *argument), void *argument, int keep)
{
	struct work job = { work, argument, keep };
	uint64_t all = UINT64_MAX;
	uint64_t before;
	long pid;

	if (children_are_elsewhere())
		return -EAGAIN;
	/* A handler must not run in the child: it would be taken for the caller. */
	SYS(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof(all), 0);
	pid = clone_and_call(&job);
	if (pid > 0)
		while (SYS(SYS_wait4, pid, NULL, __WALL, NULL, 0) == -EINTR)
			;
	SYS(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof(all), 0);
	return pid < 0 ? (int)pid : 0;
}
