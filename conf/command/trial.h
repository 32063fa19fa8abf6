/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Programs that are started to see whether they do. */

#ifndef NETSHIM_TRIAL_H
#define NETSHIM_TRIAL_H

#include <stdbool.h>
#include <sys/types.h>

#ifndef NETSHIM_RESCUE
#define NETSHIM_RESCUE "/usr/local/libexec/netshim-rescue"
#endif

/* Runs a program as that user (0: as this one), with LD_PRELOAD alone in its environment, or
 * with nothing, for ten seconds at most. Returns NULL where it ends with 0, and nothing
 * complains of the library; else what is wrong, allocated. */
char *trial_run(const char *const argv[], const char *preload, uid_t user);

/* Starts programs with LD_PRELOAD. Returns as trial_run; what *other says is wrong is so for
 * programs of other loaders alone, those of 32 bits for instance. */
char *trial_of_variable(char **other);

/* Starts programs of each kind that this machine has, in a mount namespace of their own where
 * /etc/ld.so.preload has that text, and netshim-rescue, which must be able to take the library
 * out of it again. Returns as trial_run. */
char *trial_of_preload(const char *text);

/* Whether /etc/ld.so.preload, as it is seen here, names the library; or cannot be read. */
bool trial_is_in_preload(void);

#endif
