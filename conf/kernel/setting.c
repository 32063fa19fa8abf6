/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Files beneath /proc/sys/net: see setting.h. */

#include "conf/kernel/setting.h"

#include "conf/language/alloc.h"
#include "conf/language/begins.h"

#include <errno.h>

char *setting_path(const char *interface, const char *name)
{
	bool ipv6 = begins(name, SETTING_IPV6);

	return printed("/proc/sys/net/ipv%c/conf/%s/%s", ipv6 ? '6' : '4', interface,
		       ipv6 ? name + strlen(SETTING_IPV6) : name);
}

void setting_read(const char *path, char *value, size_t size)
{
	FILE *file = fopen(path, "re");

	if (!file || !fgets(value, (int)size, file))
		*value = '\0';
	if (file)
		fclose(file);
}

bool setting_write(const char *path, const char *value)
{
	FILE *file = fopen(path, "we");
	bool ok = file && fputs(value, file) != EOF;

	if (file && fclose(file))
		ok = false;
	return ok;
}

bool setting_set(const char *interface, const char *name, char value)
{
	char *path = setting_path(interface, name);
	bool ok = setting_write(path, (const char[]){ value, '\0' }) || errno == ENOENT;

	if (!ok)
		warn("cannot set %s to %c", path, value);
	free(path);
	return ok;
}
