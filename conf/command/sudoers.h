/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What sudo is told of environments. It takes LD_PRELOAD from nobody, as the loader has taken
 * that away before; but from a file that its configuration names: sudoers(5), env_file. */

#ifndef NETSHIM_SUDOERS_H
#define NETSHIM_SUDOERS_H

#include <stdbool.h>

#define SUDOERS_OURS "/etc/sudoers.d/netshim"

/* Tells whether there is a sudo that reads /etc/sudoers.d. */
bool sudoers_is_there(void);

/* Where somebody else has set env_file already: allocated, as FILE:LINE: the line; or NULL.
 * is_environment tells whether that is /etc/environment. */
char *sudoers_others(bool *is_environment);

/* Where sudo is told to follow what it starts, and does so by ptrace (sudoers(5), intercept_type), which ends what
 * netshim's helper starts: as FILE:LINE: the line, or NULL. */
char *sudoers_traces(void);
#define SUDOERS_TRACED \
	"sudo, from 1.9.11 on, follows what it starts by ptrace then, and ends programs that have a class"
#define SUDOERS_NOT_TRACED "Defaults intercept_type=dso"

/* Has visudo look at a file. false with a message. */
bool sudoers_check(const char *path);

#endif
