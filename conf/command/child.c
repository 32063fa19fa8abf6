/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* How a process ends that may hang: see child.h. */

#include "conf/command/child.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int child_kill(pid_t child)
{
	int status = SIGKILL;

	kill(child, SIGKILL);
	waitpid(child, &status, WNOHANG);
	return status;
}

int child_status(pid_t child, int patience)
{
	struct pollfd ended = { .fd = (int)syscall(SYS_pidfd_open, child, 0), .events = POLLIN };
	bool in_time = ended.fd < 0 || poll(&ended, 1, patience) > 0; /* before Linux 5.3, whenever it ends */
	int status = SIGKILL;

	if (ended.fd >= 0)
		close(ended.fd);
	if (!in_time)
		return child_kill(child);
	waitpid(child, &status, 0);
	return status;
}
