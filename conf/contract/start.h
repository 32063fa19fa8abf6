/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The entry of the helper, and of netshim-rescue, without a libc: a C library's start-up costs more than all
 * that the helper does (static musl one and a half times, static glibc seven
 * times as much), and glibc's takes variables out of the environment that the
 * target must get. */

#ifndef NETSHIM_START_H
#define NETSHIM_START_H

#include <stdint.h>

/* stack: argc, the argument pointers, NULL, the environment's, NULL, as the
 * kernel leaves them. */
__attribute__((noreturn, used)) void helper_main(uintptr_t *stack);

#if defined(__x86_64__)
__asm__(".text\n"
	".globl _start\n"
	".type _start, @function\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call helper_main\n"
	"	hlt\n");
#elif defined(__aarch64__)
__asm__(".text\n"
	".globl _start\n"
	".type _start, %function\n"
	"_start:\n"
	"	mov x29, xzr\n"
	"	mov x30, xzr\n"
	"	mov x0, sp\n"
	"	bl helper_main\n"
	"	brk #0\n");
#endif

#endif
