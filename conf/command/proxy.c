/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* A proxy in its own class: see proxy.h. */

#include "conf/command/proxy.h"

#include "conf/kernel/listeners.h"

static bool any_listens(const struct endpoint_list *list, int protocol, uint32_t classid)
{
	for (size_t i = 0; i < list->count; i++)
		if (listeners_include(&list->items[i], protocol, classid))
			return true;
	return false;
}

bool proxy_in_own_class(const struct class *class)
{
	return any_listens(&class->proxies, IPPROTO_TCP, class->classid) ||
	       any_listens(&class->udp_proxies, IPPROTO_UDP, class->classid);
}
