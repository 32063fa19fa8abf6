/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* A program that goes on running, and does what each line on stdin says:
 *
 *   runner [ADDRESS PORT]    prints its pid when it is ready, and is connected
 *
 *   send           "sent", or the number of the error: a byte over that connection
 *   fork           a child that waits; its pid
 *   grandchild     a child's child
 *   thread         a thread that waits; its tid
 *   many N         N children one a millisecond, each with a child; "forked"
 *   no-new-privs   from now on
 *   exec PATH      becomes that program, which prints its group; or the number of the error
 *   fork-exec PATH, spawn PATH   the same of a child, and its exit status
 *   raw-exec PATH  by the system call itself
 *
 *   runner class   prints its net_cls group
 */

#include "tests/programs/driver.h"

#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

extern char **environ;

static void print_class(void)
{
	FILE *f = fopen("/proc/self/cgroup", "r");
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, ":net_cls"))
			fputs(strrchr(line, ':') + 1, stdout);
	fflush(stdout);
}

static void wait_for_ever(void)
{
	for (;;)
		pause();
}

static void *thread(void *unused)
{
	(void)unused;
	printf("%ld\n", syscall(SYS_gettid));
	fflush(stdout);
	wait_for_ever();
	return NULL;
}

static pid_t child(int generations)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (generations > 1)
		child(generations - 1);
	wait_for_ever();
	return 0;
}

static void print_grandchild(void)
{
	if (!fork()) {
		printf("%d\n", child(1));
		fflush(stdout);
		wait_for_ever();
	}
}

static void many(int count)
{
	for (int i = 0; i < count; i++) {
		child(2);
		usleep(1000);
	}
	puts("forked");
}

static void execute(const char *path)
{
	char *argv[] = { "runner", "class", NULL };

	execve(path, argv, environ);
}

static void execute_raw(const char *path)
{
	char *argv[] = { "runner", "class", NULL };

	syscall(SYS_execve, path, argv, environ);
}

static void spawn(const char *path)
{
	char *argv[] = { "runner", "class", NULL };
	pid_t pid;
	int error = posix_spawn(&pid, path, NULL, NULL, argv, environ);

	printf("%d\n", error ? error : wait_for(pid));
}

static void fork_and(void (*then)(const char *), const char *path)
{
	pid_t pid = fork();

	if (!pid) {
		then(path);
		_exit(99);
	}
	printf("%d\n", wait_for(pid));
}

static void obey(const char *line, int fd)
{
	char path[512] = "";
	pthread_t id;
	int count;

	if (!strcmp(line, "send")) {
		int error;
		socklen_t size = sizeof(error);

		/* What has been refused before. */
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
		if (send(fd, "x", 1, MSG_NOSIGNAL) == 1)
			puts("sent");
		else
			printf("%d\n", errno);
	} else if (!strcmp(line, "fork")) {
		printf("%d\n", child(1));
	} else if (!strcmp(line, "grandchild")) {
		print_grandchild();
	} else if (!strcmp(line, "thread")) {
		pthread_create(&id, NULL, thread, NULL);
	} else if (sscanf(line, "many %d", &count) == 1) {
		many(count);
	} else if (!strcmp(line, "no-new-privs")) {
		printf("%d\n", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	} else if (sscanf(line, "exec %511s", path) == 1) {
		execute(path);
		printf("%d\n", errno);
	} else if (sscanf(line, "fork-exec %511s", path) == 1) {
		fork_and(execute, path);
	} else if (sscanf(line, "fork-raw-exec %511s", path) == 1) {
		fork_and(execute_raw, path);
	} else if (sscanf(line, "raw-exec %511s", path) == 1) {
		execute_raw(path);
		printf("%d\n", errno);
	} else if (sscanf(line, "spawn %511s", path) == 1) {
		spawn(path);
	}
	fflush(stdout);
}

static int connected(const char *address, const char *port)
{
	struct sockaddr_in to = address_of(address, port);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return connect(fd, (struct sockaddr *)&to, sizeof(to)) ? -1 : fd;
}

int main(int argc, char **argv)
{
	char line[1024];
	int fd = -1;

	if (argc == 2 && !strcmp(argv[1], "class")) {
		print_class();
		return 0;
	}
	if (argc == 3)
		fd = connected(argv[1], argv[2]);
	printf("%d\n", getpid());
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		obey(line, fd);
	}
	return 0;
}
