/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What a configuration needs of the kernel's nftables. */

#ifndef NETSHIM_FEATURES_H
#define NETSHIM_FEATURES_H

#include "conf/language/ruleset.h"

/* Tries what set needs, and notes a mistake for every option that cannot be had. */
void features_check(struct ruleset *set);

#endif
