/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* How a process ends that this one has started and that may hang: its user may stop it, and a file
 * system that does not answer holds it even when it is killed (request_wait_answer in the kernel's
 * fs/fuse/dev.c). So what is killed here is not waited for. */

#ifndef NETSHIM_CHILD_H
#define NETSHIM_CHILD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Why a child has ended that had no room for its descriptors, as an errno, where it exits with that;
 * else 0. It is waited for, as it has closed its end of a pipe. */
int child_lacked(pid_t child);

/* Returns its status, as waitpid has it: that of one that was killed where it is not known yet. */
int child_kill(pid_t child);

/* Returns it when it ends by itself; after so many milliseconds, it is killed. */
int child_status(pid_t child, int patience);

/* How long to wait for an answer, in milliseconds: the more there are that are silent, the less. */
int child_patience(size_t silent);

/* Has a child look for an answer to each of count questions. One that is silent for too long is given
 * up, and that answer is CHILD_SILENT; another one goes on behind it. Returns 0, or as an errno why
 * there can be no child: all that is not answered is silent then. */
#define CHILD_SILENT UINT8_MAX
int child_ask(uint8_t *answers, size_t count, uint8_t (*look)(size_t question, const void *with), const void *with);

#endif
