/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What the rules of a class cost its packets:
 *
 *     bench-net serve PORT                    answers datagrams, takes in streams
 *     bench-net latency ADDRESS PORT FD       round trips of a datagram
 *     bench-net flows ADDRESS PORT FD         the same, of many sockets at once
 *     bench-net throughput ADDRESS PORT FD    a stream, until all of it has arrived
 *     bench-net refused ADDRESS PORT          1,000 datagrams a second, each of which is refused
 *
 * Those with FD measure once for each byte from there (see bench.h). */

#include "scripts/bench.h"

#include <arpa/inet.h>
#include <err.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUND_TRIPS 200
#define FLOWS 64
#define STREAM_SIZE (16 << 20)

static char block[1 << 16];

static struct sockaddr_in address_of(const char *address, const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };

	if (inet_pton(AF_INET, address, &at.sin_addr) != 1)
		errx(EXIT_FAILURE, "%s is no address", address);
	return at;
}

static int bound(int type, const char *port)
{
	struct sockaddr_in at = address_of("0.0.0.0", port);
	int fd = socket(AF_INET, type, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)))
		err(EXIT_FAILURE, "port %s", port);
	return fd;
}

static void echo(const char *port)
{
	int fd = bound(SOCK_DGRAM, port);
	struct sockaddr_in from;

	for (;;) {
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(fd, block, sizeof(block), 0, (struct sockaddr *)&from, &size);

		if (n >= 0)
			sendto(fd, block, (size_t)n, 0, (struct sockaddr *)&from, size);
	}
}

static void take_in(const char *port)
{
	int listener = bound(SOCK_STREAM, port);

	if (listen(listener, 16))
		err(EXIT_FAILURE, "listen");
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		while (read(fd, block, sizeof(block)) > 0)
			;
		if (write(fd, "", 1) != 1)
			warn("cannot confirm a stream");
		close(fd);
	}
}

static int open_to(int type, const char *address, const char *port)
{
	struct sockaddr_in at = address_of(address, port);
	int fd = socket(AF_INET, type, 0);
	const struct timeval patience = { 5, 0 };

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
	    connect(fd, (struct sockaddr *)&at, sizeof(at)))
		err(EXIT_FAILURE, "%s", address);
	return fd;
}

static int round_trips(int fd)
{
	for (unsigned i = 0; i < ROUND_TRIPS; i++)
		if (send(fd, block, 64, 0) != 64 || recv(fd, block, sizeof(block), 0) != 64)
			return -1;
	return 0;
}

static int stream(int fd)
{
	for (size_t sent = 0; sent < STREAM_SIZE;) {
		ssize_t n = send(fd, block, sizeof(block), 0);

		if (n < 0)
			return -1;
		sent += (size_t)n;
	}
	return !shutdown(fd, SHUT_WR) && read(fd, block, 1) == 1 ? 0 : -1;
}

/* About as many round trips as one flow makes. */
static struct result measure_flows(const char *address, const char *port)
{
	struct result result = { .status = 0 };
	int fds[FLOWS];
	uint64_t start;

	for (unsigned i = 0; i < FLOWS; i++)
		fds[i] = open_to(SOCK_DGRAM, address, port);
	start = now();
	for (unsigned n = 0; n < ROUND_TRIPS / FLOWS + 1; n++) {
		for (unsigned i = 0; i < FLOWS; i++)
			result.status |= send(fds[i], block, 64, 0) != 64;
		for (unsigned i = 0; i < FLOWS; i++)
			result.status |= recv(fds[i], block, sizeof(block), 0) != 64;
	}
	result.ns = (now() - start) / ((ROUND_TRIPS / FLOWS + 1) * FLOWS);
	for (unsigned i = 0; i < FLOWS; i++)
		close(fds[i]);
	return result;
}

static struct result measure(int type, const char *address, const char *port)
{
	int fd = open_to(type, address, port);
	uint64_t start = now();
	int status = type == SOCK_DGRAM ? round_trips(fd) : stream(fd);
	struct result result = { (now() - start) / (type == SOCK_DGRAM ? ROUND_TRIPS : 1), status };

	close(fd);
	return result;
}

static void be_refused(const char *address, const char *port)
{
	int fd = open_to(SOCK_DGRAM, address, port);
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	for (;;) {
		if (send(fd, block, 64, 0) != -1)
			errx(EXIT_FAILURE, "%s is not refused", address);
		next.tv_nsec += 1000000;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
}

int main(int argc, char **argv)
{
	int control = argc == 5 ? atoi(argv[4]) : -1;
	char go;

	if (argc == 3 && !strcmp(argv[1], "serve")) {
		pid_t child;

		/* Where those are that it answers: who else waits for whom is chance. */
		pin();
		child = fork();
		if (child)
			take_in(argv[2]);
		/* Not longer than the other half. */
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		echo(argv[2]);
	}
	if (argc == 4 && !strcmp(argv[1], "refused"))
		be_refused(argv[2], argv[3]);
	if (argc != 5)
		errx(2,
		     "usage: bench-net serve PORT | refused ADDRESS PORT | latency|flows|throughput ADDRESS PORT FD");
	while (read(control, &go, 1) == 1) {
		struct result result =
			!strcmp(argv[1], "flows")
				? measure_flows(argv[2], argv[3])
				: measure(strcmp(argv[1], "latency") ? SOCK_STREAM : SOCK_DGRAM, argv[2], argv[3]);

		if (write(control, &result, sizeof(result)) != sizeof(result))
			break;
	}
	return EXIT_SUCCESS;
}
