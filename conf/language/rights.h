/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Files as a user may see them, for root: what a user has named is looked for with the
 * user's own rights. Whoever is not root has no others anyway. */

#ifndef NETSHIM_RIGHTS_H
#define NETSHIM_RIGHTS_H

#include <stdbool.h>
#include <sys/types.h>

/* Who can see what everybody can see. The user of that name may have files of its own,
 * and does on NFS; nothing is this one's. */
#define RIGHTS_NOBODY ((uid_t)-3)

/* From now on, files are this user's to open or not; with 0, root's as ever. false with
 * errno where that cannot be had; then nothing has changed. */
bool rights_take(uid_t user);
void rights_give_back(void);

/* Those of who decides on it: the owner's, or where that is root, nobody's. */
uid_t rights_of(const char *path);

#endif
