/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What the programs that drive the tests share. */

#ifndef NETSHIM_DRIVER_H
#define NETSHIM_DRIVER_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Waits for a child, and says how it ended as a shell does; -1 where there is none. */
static inline int wait_for(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* How many pages are mapped in this process; counting them maps none. */
static inline long count_pages(void)
{
	char text[64] = "";
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	return n > 0 ? atol(text) : -1;
}

/* A umask and signals as a program may inherit them, but hardly ever does. */
static inline void be_odd_to_signals(void)
{
	sigset_t mask;

	umask(0137);
	signal(SIGUSR1, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	kill(getpid(), SIGUSR2);
}

/* A stack of that size and not a byte more, whoever jumps past a page. */
static inline char *small_stack(size_t size)
{
	size_t guard = 1 << 20;
	char *map = mmap(NULL, guard + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(map, guard, PROT_NONE);
	return map + guard;
}

static char *handlers_frame;

static inline void note_frame(int signal)
{
	(void)signal;
	handlers_frame = __builtin_frame_address(0);
}

static inline void handle_on(char *stack, size_t size, void (*handler)(int))
{
	stack_t alternate = { .ss_sp = stack, .ss_size = size };
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_ONSTACK };

	sigaltstack(&alternate, NULL);
	sigaction(SIGHUP, &action, NULL);
	raise(SIGHUP);
}

#define HANDLER_STACK 4800 /* besides what the kernel puts there, which is more on some processors */

/* Calls what is a signal handler, on a stack that is as small as libnetshim(7) allows. */
static inline void call_in_handler(void (*handler)(int))
{
	static char large[1 << 16];
	size_t size;

	handle_on(large, sizeof(large), note_frame);
	size = (size_t)(large + sizeof(large) - handlers_frame) + HANDLER_STACK;
	handle_on(small_stack(size), size, handler);
}

static inline struct sockaddr_in address_of(const char *host, const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port)) };

	inet_pton(AF_INET, host, &to.sin_addr);
	return to;
}

#endif
