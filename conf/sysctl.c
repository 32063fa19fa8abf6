/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Kernel settings that a policy needs: see sysctl.h. */

#include "conf/sysctl.h"

#include "conf/alloc.h"
#include "conf/rules.h"

#include <errno.h>
#include <glob.h>
#include <unistd.h>

#define BEFORE NETSHIM_RUNDIR "/before:"

static char read_digit(const char *path)
{
	FILE *file = fopen(path, "re");
	int digit = file ? getc(file) : EOF;

	if (file)
		fclose(file);
	return digit == EOF ? 0 : (char)digit;
}

static bool write_digit(const char *path, char digit)
{
	FILE *file = fopen(path, "we");
	bool ok = file && putc(digit, file) != EOF;

	if (file && fclose(file))
		ok = false;
	return ok;
}

static char *setting_path(const char *interface, const char *name)
{
	return printed("/proc/sys/net/ipv4/conf/%s/%s", interface, name);
}

/* Neither an interface nor a setting has a colon in its name. */
static char *before_path(const char *interface, const char *name)
{
	return printed(BEFORE "%s:%s", interface, name);
}

char sysctl_get(const char *interface, const char *name)
{
	char *path = setting_path(interface, name);
	char value = read_digit(path);

	free(path);
	return value;
}

bool sysctl_set(const char *interface, const char *name, char value)
{
	char *path = setting_path(interface, name);
	char *before = before_path(interface, name);
	bool ok = read_digit(before) || write_digit(before, read_digit(path));

	ok = ok && write_digit(path, value);
	if (!ok)
		warn("cannot set %s to %c", path, value);
	free(path);
	free(before);
	return ok;
}

static bool restore_file(const char *before)
{
	char *interface = copied(before + strlen(BEFORE));
	char *colon = strchr(interface, ':');
	char *path = NULL;
	bool ok = true;

	if (colon) {
		*colon = '\0';
		path = setting_path(interface, colon + 1);
		/* ENOENT: it has gone with its interface. */
		ok = write_digit(path, read_digit(before)) || errno == ENOENT;
		if (!ok)
			warn("cannot put %s back", path);
	}
	unlink(before);
	free(path);
	free(interface);
	return ok;
}

bool sysctl_restore(const char *interface, const char *name)
{
	glob_t found;
	bool ok = true;

	if (interface) {
		char *before = before_path(interface, name);

		ok = access(before, F_OK) || restore_file(before);
		free(before);
		return ok;
	}
	if (glob(BEFORE "*", 0, NULL, &found))
		return true;
	for (size_t i = 0; i < found.gl_pathc; i++)
		ok = restore_file(found.gl_pathv[i]) && ok;
	globfree(&found);
	return ok;
}
