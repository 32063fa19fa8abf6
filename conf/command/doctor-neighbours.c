/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* doctor: what else on this machine has to do with net_cls, marks or the packet filter. */

#include "conf/command/doctor.h"
#include "conf/command/trial.h"
#include "conf/command/ways-in.h"
#include "conf/kernel/namespace.h"
#include "conf/kernel/nft.h"
#include "conf/kernel/processes.h"
#include "conf/language/alloc.h"
#include "conf/language/begins.h"
#include "conf/language/unit.h"

#include <glob.h>
#include <unistd.h>

static bool any_is_there(const char *const *patterns)
{
	bool found = false;

	for (; !found && *patterns; patterns++) {
		glob_t paths;

		if (!glob(*patterns, 0, NULL, &paths)) {
			found = true;
			globfree(&paths);
		}
	}
	return found;
}

static bool flushes(const char *path)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	bool found = false;

	while (file && !found && getline(&line, &size, file) > 0)
		found = begins(line + strspn(line, " \t"), "flush ruleset");
	free(line);
	if (file)
		fclose(file);
	return found;
}

static bool is_by_netshim(const struct unit *unit, const char *key)
{
	const char *command = unit_value(unit, key);

	return !command || strstr(command, "/netshim-nftables ");
}

/* The unit, which is enabled by this link, loads Debian's file or Fedora's. */
static void look_at_nftables_service(struct doctor *d)
{
	static const char *const enabled[] = { "/etc/systemd/system/*.wants/nftables.service", NULL };
	struct unit unit;

	unit_read(&unit, "nftables.service");
	if (any_is_there(enabled) && (flushes("/etc/nftables.conf") || flushes("/etc/sysconfig/nftables.conf")) &&
	    !(is_by_netshim(&unit, "ExecStart") && is_by_netshim(&unit, "ExecReload")))
		doctor_tell(
			d, RESULT_NOTE, "install netshim's drop-in for it (netshim(1), AT BOOT)",
			"nftables.service flushes the whole ruleset when it starts and reloads: netshim watch puts the "
			"table back, but for some 10 ms nothing is filtered, and counts go back to what they were when "
			"it was loaded");
	else
		doctor_tell(d, RESULT_OK, NULL, "no service flushes netshim's table");
}

/* Whom a process by that name (proc_pid_comm(5): 15 characters) is of, and what is to be
 * known. */
static const struct neighbour {
	const char *process;
	const char *name;
	const char *text;
} neighbours[] = {
	{ "mullvad-daemon", "Mullvad",
	  "it has a net_cls group for programs that are excluded from its tunnel: these leave their class" },
	{ "lxd", "LXD", "it gives containers net_cls groups of their own; what runs in them is in no class" },
	{ "incusd", "Incus", "it gives containers net_cls groups of their own; what runs in them is in no class" },
	{ "dockerd", "Docker",
	  "containers are started by its daemon, in network namespaces of their own: no class's rules are there" },
	{ "containerd", "containerd",
	  "containers are started by it, in network namespaces of their own: no class's rules are there" },
	{ "conmon", "podman",
	  "what runs in a container is in a network namespace of its own: the class of who has started it filters "
	  "only what leaves by slirp4netns or pasta" },
	{ "firewalld", "firewalld", "its own tables filter too: what a class may send, these can still refuse" },
	{ "tailscaled", "Tailscale", "it marks its packets with bits of 0xff0000, which netshim leaves to it" },
	{ "kube-proxy", "kube-proxy", "it marks packets with 0x4000 and 0x8000, which netshim leaves to it" },
};

static bool runs(const struct process_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (!strcmp(list->items[i].name, name))
			return true;
	return false;
}

/* No process of ufw's stays. */
static bool ufw_is_enabled(void)
{
	FILE *file = fopen("/etc/ufw/ufw.conf", "re");
	char line[256];
	bool enabled = false;

	while (file && fgets(line, sizeof(line), file))
		enabled = enabled || begins(line, "ENABLED=yes");
	if (file)
		fclose(file);
	return enabled;
}

/* A class whose packets are forwarded, as a table of that family has them. */
static const struct class *forwarded(const struct ruleset *set, const char *family)
{
	int only = !strcmp(family, "ip") ? AF_INET : !strcmp(family, "ip6") ? AF_INET6 : AF_UNSPEC;

	for (size_t i = 0; set && strcmp(family, "bridge") && i < set->class_count; i++)
		for (size_t j = 0; j < set->classes[i].addresses.count; j++)
			if (only == AF_UNSPEC || set->classes[i].addresses.items[j].family == only)
				return &set->classes[i];
	return NULL;
}

/* Somewhere in it, the interfaces that join namespaces to this machine are named. */
static bool knows_links(const char *family, const char *table)
{
	char *command = printed("list table %s %s", family, table);
	char *listing = nft_list(command);
	bool knows = listing && strstr(listing, "\"" NAMESPACE_LINK);

	free(listing);
	free(command);
	return knows;
}

static void look_at_forwarding(struct doctor *d)
{
	char *listing = d->root && forwarded(d->set, "inet") ? nft_list("list chains") : NULL;
	char *rest = listing;
	char family[16];
	char table[128];
	char chain[128];
	char *line;

	while ((line = strsep(&rest, "\n"))) {
		const struct class *class;

		if (sscanf(line, "table %15s %127s", family, table) == 2 || sscanf(line, " chain %127s", chain) == 1 ||
		    !strstr(line, " hook forward ") || !strstr(line, " policy drop;"))
			continue;
		class = forwarded(d->set, family);
		if (class && !knows_links(family, table))
			doctor_tell(d, RESULT_NOTE,
				    "have it accept iifname \"ns-*\", and oifname \"ns-*\" where ct state is "
				    "established or related, for ports also where ct status is dnat "
				    "(netshim.conf(5), address)",
				    "chain %s of nftables' table %s %s drops what is forwarded: so what the network "
				    "namespace of class %s sends, and its answers",
				    chain, family, table, class->name);
	}
	free(listing);
}

static void look_at_neighbours(struct doctor *d)
{
	struct process_list list;

	processes_read(&list);
	for (size_t i = 0; i < sizeof(neighbours) / sizeof(*neighbours); i++)
		if (runs(&list, neighbours[i].process))
			doctor_tell(d, RESULT_NOTE, NULL, "%s: %s", neighbours[i].name, neighbours[i].text);
	processes_free(&list);
	if (ufw_is_enabled())
		doctor_tell(d, RESULT_NOTE, NULL,
			    "ufw: its own rules filter too: what a class may send, these can still refuse");
	look_at_forwarding(d);
	if (trial_is_in_preload() && ways_annoy_snaps())
		doctor_tell(d, RESULT_NOTE, "'netshim disable --system', and 'netshim enable --login' instead",
			    "snaps: /etc/ld.so.preload names the library, and each program in a snap complains that it "
			    "does not see it");
	if (!d->finding_count)
		doctor_tell(d, RESULT_OK, NULL, "none that is known to come in the way");
}

const struct check checks_neighbours[] = {
	{ "nftables.service", look_at_nftables_service },
	{ "others", look_at_neighbours },
	{ NULL, NULL },
};
