/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What a hostile user does that a shell cannot.
 *
 *   attacker swap LINK A B TRIES
 *       starts LINK TRIES times while it is made a symlink to A and to B in turn;
 *       tells what came out, and how often
 */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* --- counting what comes out */

static struct outcome {
	char text[200];
	unsigned count;
} outcomes[32];

static void count_outcome(const char *text)
{
	struct outcome *o = outcomes;

	while (o->count && strcmp(o->text, text))
		if (++o == outcomes + 32)
			errx(99, "too many outcomes: %s", text);
	snprintf(o->text, sizeof(o->text), "%.199s", text);
	o->count++;
}

static void print_outcomes(void)
{
	for (struct outcome *o = outcomes; o < outcomes + 32 && o->count; o++)
		printf("%s: %u\n", o->text, o->count);
}

static pid_t start(const char *program, char **argv, int out)
{
	pid_t pid = vfork();

	if (!pid) {
		dup2(out, 1);
		dup2(out, 2);
		execve(program, argv, environ);
		_exit(99);
	}
	return pid;
}

/* Starts a program and counts the last line of what it and the helper say. */
static void try(const char *program, char **argv)
{
	char text[4096] = "";
	size_t size = 0;
	ssize_t n;
	int ends[2];
	char *line;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		err(99, "pipe");
	pid = start(program, argv, ends[1]);
	close(ends[1]);
	while ((n = read(ends[0], text + size, sizeof(text) - 1 - size)) > 0)
		size += (size_t)n;
	close(ends[0]);
	waitpid(pid, NULL, 0);
	text[size] = '\0';
	while (size && text[size - 1] == '\n')
		text[--size] = '\0';
	line = strrchr(text, '\n');
	count_outcome(line ? line + 1 : text);
}

/* --- the swap */

__attribute__((noreturn)) static void swap_forever(const char *link, const char *a, const char *b)
{
	char next[4096];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(next, sizeof(next), "%s.next", link);
	/* At odd moments, and not so fast that the kernel does nothing else. */
	for (unsigned n = 0;; n++) {
		if (symlink(n % 2 ? a : b, next) || rename(next, link))
			err(99, "%s", link);
		usleep(20 + n * 37 % 200);
	}
}

static int swap(const char *link, const char *a, const char *b, int tries)
{
	char *argv[] = { (char *)link, (char *)"who", NULL };
	pid_t swapper = fork();

	if (!swapper)
		swap_forever(link, a, b);
	while (access(link, F_OK))
		usleep(1000);
	while (tries--)
		try(link, argv);
	kill(swapper, SIGKILL);
	waitpid(swapper, NULL, 0);
	print_outcomes();
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 6 && !strcmp(argv[1], "swap"))
		return swap(argv[2], argv[3], argv[4], atoi(argv[5]));
	return 64;
}
