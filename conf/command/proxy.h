/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* A proxy that is in the class whose traffic it is for, for the verbs that tell. */

#ifndef NETSHIM_PROXY_H
#define NETSHIM_PROXY_H

#include "conf/language/ruleset.h"

#define PROXY_LOOP                                                                                                   \
	"what it sends would come back to it for ever, and is refused; start it in another class, or 'netshim move " \
	"none' it"

/* Tells whether that is so now; of the class, its classid and proxies are asked. */
bool proxy_in_own_class(const struct class *class);

#endif
