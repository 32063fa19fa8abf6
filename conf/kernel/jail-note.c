/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Notes of network namespaces: see jail-note.h. */

#include "conf/kernel/jail-note.h"

#include "conf/language/alloc.h"
#include "conf/language/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER NETSHIM_RUNDIR "/jails"

static char *note_path(const char *name)
{
	return printed(JAIL_NOTES "%s", name);
}

static void print_note(FILE *out, const struct jail *jail)
{
	char address[INET6_ADDRSTRLEN];
	char router[INET6_ADDRSTRLEN];

	if (jail->class)
		fprintf(out, "class %s\n", jail->class);
	if (jail->made)
		fprintf(out, "made\n");
	if (jail->loaded)
		fprintf(out, "loaded\n");
	for (size_t i = 0; i < jail->addresses.count; i++) {
		const struct own_address *own = &jail->addresses.items[i];

		inet_ntop(own->family, &own->address, address, sizeof(address));
		inet_ntop(own->family, &own->router, router, sizeof(router));
		fprintf(out, "own %s/%u %s\n", address, own->prefix, router);
	}
	for (size_t i = 0; i < jail->gateways.count; i++) {
		const struct endpoint *gateway = &jail->gateways.items[i];

		inet_ntop(gateway->family, &gateway->address, router, sizeof(router));
		fprintf(out, "gateway %s\n", router);
	}
	if (jail->moved)
		fprintf(out, "moved %s\n%s", jail->moved, jail->kept ? jail->kept : "");
}

bool jail_write_note(const struct jail *jail)
{
	char *path = note_path(jail->name);
	char *new = copied(JAIL_NOTES " new");
	FILE *file = mkdir(FOLDER, 0755) && errno != EEXIST ? NULL : fopen(new, "we");
	bool ok = file;

	if (file)
		print_note(file, jail);
	if (file && fclose(file))
		ok = false;
	ok = ok && !rename(new, path);
	if (!ok) {
		warn("cannot write %s", path);
		unlink(new);
		rmdir(FOLDER);
	}
	free(new);
	free(path);
	return ok;
}

bool jail_remove_note(const char *name)
{
	char *path = note_path(name);
	bool ok = !unlink(path) || errno == ENOENT;

	if (!ok)
		warn("cannot remove %s", path);
	rmdir(FOLDER);
	free(path);
	return ok;
}

static void read_own(const char *line, struct jail *jail)
{
	struct own_address own = { .family = strchr(line, ':') ? AF_INET6 : AF_INET };
	char address[INET6_ADDRSTRLEN];
	char router[INET6_ADDRSTRLEN];

	if (sscanf(line, "own %45[^/]/%u %45s", address, &own.prefix, router) != 3 ||
	    inet_pton(own.family, address, &own.address) != 1 || inet_pton(own.family, router, &own.router) != 1)
		return;
	jail->addresses.items = grown(jail->addresses.items, jail->addresses.count, sizeof(own));
	jail->addresses.items[jail->addresses.count++] = own;
}

static void read_gateway(const char *line, struct jail *jail)
{
	struct endpoint gateway = { .family = strchr(line, ':') ? AF_INET6 : AF_INET };
	char address[INET6_ADDRSTRLEN];

	if (sscanf(line, "gateway %45s", address) != 1 || inet_pton(gateway.family, address, &gateway.address) != 1)
		return;
	jail->gateways.items = grown(jail->gateways.items, jail->gateways.count, sizeof(gateway));
	jail->gateways.items[jail->gateways.count++] = gateway;
}

/* All that is behind the interface is what it had. */
static void read_line(const char *line, const char *rest, struct jail *jail)
{
	jail->made = jail->made || !strcmp(line, "made");
	jail->loaded = jail->loaded || !strcmp(line, "loaded");
	if (!strncmp(line, "class ", 6))
		jail->class = copied(line + 6);
	else if (!strncmp(line, "own ", 4))
		read_own(line, jail);
	else if (!strncmp(line, "gateway ", 8))
		read_gateway(line, jail);
	if (strncmp(line, "moved ", 6) != 0)
		return;
	jail->moved = copied(line + 6);
	jail->kept = copied(rest ? rest : "");
}

struct jail jail_read_note(const char *name)
{
	struct jail jail = { .name = copied(name) };
	char *path = note_path(name);
	char *text = text_plain(path);

	for (char *rest = text, *line; !jail.moved && (line = strsep(&rest, "\n"));)
		read_line(line, rest, &jail);
	free(text);
	free(path);
	return jail;
}
