/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The programs that a package has installed, as its package manager lists its files. */

#ifndef NETSHIM_PACKAGES_H
#define NETSHIM_PACKAGES_H

#include "conf/contract/rules.h"

#include <stdbool.h>

/* What is about to be installed, with its programs: a line "package NAME", and one for the
 * path of each. scripts/netshim-packages writes it. */
#define PACKAGES_COMING NETSHIM_RUNDIR "/coming"

/* Tells whether a package can have that name: of letters, digits and + - . _ */
bool packages_name_valid(const char *name);

/* Calls found for each path by which the package has a program: a file that somebody may
 * execute, or a link to one. coming: it is not there yet. Returns whether the package is
 * installed; where that, or some program, could not be found out, wrong says why (allocated). */
bool packages_find(const char *name, void (*found)(const char *path, bool coming, const void *with), const void *with,
		   char **wrong);

#endif
