/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Sends a datagram before anything else: bench-sender to port 9 of 192.0.2.2, its
 * first system calls. Who classifies it later than before its start is late. */

#include "conf/contract/start.h"
#include "conf/contract/sys.h"

#include <netinet/in.h>
#include <sys/socket.h>

void helper_main(uintptr_t *stack)
{
	/* Port 9, 192.0.2.2; both in network order on little-endian machines. */
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = 9 << 8, .sin_addr.s_addr = 0x020200c0 };
	long fd = SYS(SYS_socket, AF_INET, SOCK_DGRAM, 0, 0, 0);
	long sent = sys6(SYS_sendto, fd, (long)&to, 1, 0, (long)&to, sizeof(to));

	(void)stack;
	for (;;)
		SYS(SYS_exit_group, sent != 1, 0, 0, 0, 0);
}
