/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What the tests start: tells what it got, or sends a datagram as its first act.
 *
 *   probe class            its net_cls group
 *   probe who              the name of its file, and its net_cls group
 *   probe where            the same, and its network namespace
 *   probe given ARG...     the last argument, and its net_cls group
 *   probe in GROUP...      exit status 0: in one of these, 1: in none, 2: elsewhere
 *   probe nth GROUP...     the same, but 10 and up: in which of these
 *   probe stop             stops itself
 *   probe loaded           "yes" or "no": whether the library is in it
 *   probe state            all that an exec may carry over, byte for byte
 *   probe send ADDRESS PORT
 *   probe sends ADDRESS PORT tells its net_cls group and the number of the error
 *   probe hold ADDRESS PORT  keeps a connection open; writes a byte for each line
 */

#include "tests/programs/driver.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

static int send_first(const char *address, const char *port)
{
	struct sockaddr_in to = address_of(address, port);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	return sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) == 1 ? 0 : errno;
}

static int hold(const char *address, const char *port)
{
	struct sockaddr_in to = address_of(address, port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char line[16];

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
		return 1;
	puts("connected");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		puts(send(fd, "x", 1, 0) == 1 ? "sent" : "failed");
		fflush(stdout);
	}
	return 0;
}

/* The net_cls group with a line break, or NULL. */
static const char *read_class(void)
{
	static char line[512];
	FILE *f = fopen("/proc/self/cgroup", "r");

	if (!f && errno == EMFILE && !close(0))
		f = fopen("/proc/self/cgroup", "r");
	while (f && fgets(line, sizeof(line), f)) {
		char *at = strstr(line, ":net_cls");

		if (at)
			return strrchr(at, ':') + 1;
	}
	return NULL;
}

static int print_class(void)
{
	const char *class = read_class();

	if (class)
		fputs(class, stdout);
	return !class;
}

/* Which of the groups it is in; or -1 for none, -2 for another. */
static int nth_group(char **groups)
{
	const char *class = read_class();

	for (int n = 0; class && groups[n]; n++)
		if (!strncmp(class, groups[n], strlen(groups[n])) && class[strlen(groups[n])] == '\n')
			return n;
	return class && !strcmp(class, "/\n") ? -1 : -2;
}

static const char *read_link(const char *path)
{
	static char text[4096];
	ssize_t n = readlink(path, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static int print_who(void)
{
	printf("%s ", strrchr(read_link("/proc/self/exe"), '/') + 1);
	return print_class();
}

static int print_where(void)
{
	const char *class = read_class();

	printf("%s ", strrchr(read_link("/proc/self/exe"), '/') + 1);
	printf("%.*s %s\n", class ? (int)strcspn(class, "\n") : 0, class ? class : "", read_link("/proc/self/ns/net"));
	return 0;
}

static int print_sending(const char *address, const char *port)
{
	int error = send_first(address, port);
	const char *class = read_class();

	return !class || printf("%.*s %d\n", (int)strcspn(class, "\n"), class, error) < 0;
}

static void print_signals(void)
{
	sigset_t mask;
	sigset_t pending;

	sigprocmask(SIG_BLOCK, NULL, &mask);
	sigpending(&pending);
	for (int s = 1; s < 32; s++) {
		struct sigaction action;

		if (sigaction(s, NULL, &action))
			continue;
		if (sigismember(&mask, s) || sigismember(&pending, s) || action.sa_handler != SIG_DFL)
			printf("signal %d blocked=%d pending=%d ignored=%d\n", s, sigismember(&mask, s),
			       sigismember(&pending, s), action.sa_handler == SIG_IGN);
	}
}

static void print_fds(void)
{
	for (int fd = 0; fd < 256; fd++) {
		struct stat st;

		/* A pipe is another one each time a shell makes it. */
		if (!fstat(fd, &st))
			printf("fd %d %lx:%lx\n", fd, (long)st.st_dev, S_ISFIFO(st.st_mode) ? 0L : (long)st.st_ino);
	}
}

static void print_limits(void)
{
	for (int r = 0; r < RLIMIT_NLIMITS; r++) {
		struct rlimit limit;

		if (!getrlimit(r, &limit))
			printf("rlimit %d %llx %llx\n", r, (long long)limit.rlim_cur, (long long)limit.rlim_max);
	}
}

static int print_state(int argc, char **argv, char **envp)
{
	char cwd[4096];
	int deathsig = 0;
	mode_t mask = umask(0);

	printf("errno %d\n", errno);
	for (int i = 0; i < argc; i++)
		printf("arg %s\n", argv[i]);
	for (char **e = envp; *e; e++)
		printf("env %s\n", *e);
	printf("execfn %s\n", (const char *)getauxval(AT_EXECFN));
	printf("pid %d parent %d group %d session %d\n", getpid(), getppid(), getpgrp(), getsid(0));
	printf("cwd %s\n", getcwd(cwd, sizeof(cwd)) ? cwd : "gone");
	printf("umask %o\n", mask);
	prctl(PR_GET_PDEATHSIG, &deathsig);
	printf("deathsig %d\n", deathsig);
	printf("personality %x\n", personality(0xffffffff));
	printf("nice %d\n", getpriority(PRIO_PROCESS, 0));
	printf("dumpable %d\n", prctl(PR_GET_DUMPABLE));
	printf("nnp %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	printf("secure %lu\n", getauxval(AT_SECURE));
	print_signals();
	print_fds();
	print_limits();
	return 0;
}

static int print_loaded(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[4096];
	int loaded = 0;

	while (maps && fgets(line, sizeof(line), maps))
		loaded = loaded || strstr(line, "/libnetshim.so");
	puts(loaded ? "yes" : "no");
	return !maps;
}

int main(int argc, char **argv, char **envp)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (!strcmp(verb, "send") && argc == 4)
		return send_first(argv[2], argv[3]);
	if (!strcmp(verb, "sends") && argc == 4)
		return print_sending(argv[2], argv[3]);
	if (!strcmp(verb, "hold") && argc == 4)
		return hold(argv[2], argv[3]);
	if (!strcmp(verb, "class"))
		return print_class();
	if (!strcmp(verb, "who"))
		return print_who();
	if (!strcmp(verb, "given"))
		return printf("%.60s ", argv[argc - 1]) < 0 || print_class();
	if (!strcmp(verb, "where"))
		return print_where();
	if (!strcmp(verb, "in") || !strcmp(verb, "nth")) {
		int n = nth_group(argv + 2);

		return n < 0 ? -n : verb[0] == 'i' ? 0 : 10 + n;
	}
	if (!strcmp(verb, "stop"))
		return raise(SIGSTOP);
	if (!strcmp(verb, "loaded"))
		return print_loaded();
	if (!strcmp(verb, "state") || !argc || !*verb)
		return print_state(argc, argv, envp);
	return 64;
}
