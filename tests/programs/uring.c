/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Two sockets, of which one is registered with io_uring and closed then:
 *
 *   uring ADDRESS PORT
 *
 * For each line it reads, sends a datagram by either, and tells the errors. */

#include "tests/programs/driver.h"

#include <err.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

struct ring {
	int fd;
	struct io_uring_params params;
	char *queues;
	struct io_uring_sqe *entries;
};

static int connected(const char *address, const char *port)
{
	struct sockaddr_in to = address_of(address, port);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		err(96, "no socket");
	return fd;
}

static void *map(const struct ring *ring, size_t size, off_t what)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, what);

	if (at == MAP_FAILED)
		err(96, "mmap");
	return at;
}

/* Since Linux 5.4, both queues are in one map. */
static void make_ring(struct ring *ring)
{
	const struct io_uring_params *p = &ring->params;
	size_t submitted;
	size_t completed;

	ring->fd = (int)syscall(SYS_io_uring_setup, 1, &ring->params);
	if (ring->fd < 0)
		err(95, "io_uring");
	submitted = p->sq_off.array + p->sq_entries * sizeof(uint32_t);
	completed = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	ring->queues = map(ring, submitted > completed ? submitted : completed, IORING_OFF_SQ_RING);
	ring->entries = map(ring, p->sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
}

/* By the first socket that is registered there. */
static int send_by(const struct ring *ring)
{
	uint32_t *tail = (uint32_t *)(void *)(ring->queues + ring->params.sq_off.tail);
	uint32_t *head = (uint32_t *)(void *)(ring->queues + ring->params.cq_off.head);
	struct io_uring_cqe *done = (struct io_uring_cqe *)(void *)(ring->queues + ring->params.cq_off.cqes);
	int result;

	*ring->entries = (struct io_uring_sqe){
		.opcode = IORING_OP_SEND, .flags = IOSQE_FIXED_FILE, .addr = (uintptr_t) "x", .len = 1
	};
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		err(95, "io_uring_enter");
	result = done[*head & (ring->params.cq_entries - 1)].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return result;
}

int main(int argc, char **argv)
{
	struct ring ring = { .fd = -1 };
	int plain;
	int registered;
	char line[16];

	if (argc != 3)
		return 64;
	make_ring(&ring);
	plain = connected(argv[1], argv[2]);
	registered = connected(argv[1], argv[2]);
	if (syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES, &registered, 1))
		err(95, "io_uring_register");
	close(registered);
	while (fgets(line, sizeof(line), stdin)) {
		int sent = send(plain, "x", 1, 0) == 1 ? 0 : errno;
		int by_ring = send_by(&ring);

		printf("socket: %s, registered: %s\n", strerror(sent), by_ring == 1 ? "Success" : strerror(-by_ring));
		fflush(stdout);
	}
	return 0;
}
