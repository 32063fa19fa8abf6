/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Kernel settings that a policy needs: see sysctl.h. */

#include "conf/kernel/sysctl.h"

#include "conf/contract/rules.h"
#include "conf/kernel/namespace.h"
#include "conf/kernel/setting.h"
#include "conf/language/alloc.h"
#include "conf/language/begins.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <net/if.h>
#include <unistd.h>

#define BEFORE NETSHIM_RUNDIR "/before:"

static char read_digit(const char *path)
{
	char value[2];

	setting_read(path, value, sizeof(value));
	return *value;
}

static bool write_digit(const char *path, char digit)
{
	return setting_write(path, (const char[]){ digit, '\0' });
}

/* Neither an interface nor a setting has a colon in its name. */
static char *before_path(const char *interface, const char *name)
{
	return printed(BEFORE "%s:%s", interface, name);
}

/* What a setting was, and the interface's index, as that may get another name. Older versions
 * have written no index, and read none. */
#define NOTE_SIZE sizeof("0 2147483647")

/* What this process has changed, for sysctl_undo: a setting and the note of what
 * it was before netshim ("": there was none). */
static struct change {
	char *setting;
	char *before;
	char value;
	char noted[NOTE_SIZE];
} * changes;
static size_t change_count;

static void remember(const char *setting, const char *before)
{
	changes = grown(changes, change_count, sizeof(*changes));
	changes[change_count++] = (struct change){
		.setting = copied(setting),
		.before = copied(before),
		.value = read_digit(setting),
	};
	setting_read(before, changes[change_count - 1].noted, NOTE_SIZE);
}

void sysctl_undo(void)
{
	while (change_count) {
		struct change *c = &changes[--change_count];

		if (c->value)
			write_digit(c->setting, c->value);
		if (*c->noted)
			setting_write(c->before, c->noted);
		else
			unlink(c->before);
		free(c->setting);
		free(c->before);
	}
}

static char setting(const char *interface, const char *name)
{
	char *path = setting_path(interface, name);
	char value = read_digit(path);

	free(path);
	return value;
}

static bool note(const char *interface, const char *name)
{
	char *path = setting_path(interface, name);
	char *before = before_path(interface, name);
	char *text;
	bool noted;

	remember(path, before);
	text = printed("%c %u", read_digit(path), if_nametoindex(interface));
	noted = read_digit(before) || setting_write(before, text);
	if (!noted)
		warn("cannot set %s, as what it was cannot be noted in %s", path, before);
	free(text);
	free(path);
	free(before);
	return noted;
}

static bool set_digit(const char *interface, const char *name, char value)
{
	return note(interface, name) && setting_set(interface, name, value);
}

static bool restore(const char *interface, const char *name, const char *before)
{
	char *path = setting_path(interface, name);
	char was = read_digit(before);
	bool ok;

	remember(path, before);
	/* An empty note is from a command that was killed before it wrote the note,
	 * and so before it changed the setting. ENOENT: it has gone with its
	 * interface. */
	ok = !was || write_digit(path, was) || errno == ENOENT;
	if (!ok)
		warn("cannot put %s back", path);
	else
		unlink(before);
	free(path);
	return ok;
}

/* By which the machine's ordinary way leads, past its tunnels. */
static bool is_ordinary_way(const struct network_list *networks, const struct link *link)
{
	for (size_t i = 0; !link->tunnel && i < networks->main_count; i++)
		if (networks->main[i].to.interface == link->index && !networks->main[i].to.prefix)
			return true;
	return false;
}

static bool needs_rp_filter(const struct ruleset *set, const struct network_list *networks, const char *interface)
{
	const struct link *link = networks_link_named(networks, interface);

	for (size_t i = 0; link && i < set->class_count; i++)
		if ((set->classes[i].device && !strcmp(set->classes[i].device, interface)) ||
		    (set->classes[i].ordinary && is_ordinary_way(networks, link)))
			return true;
	return false;
}

/* Answers come in by an interface that the main table would not use for them. A
 * strict reverse-path filter takes them for forged; a loose one does not. */
static bool is_too_strict(const struct ruleset *set, const struct network_list *networks, const char *interface)
{
	char own = (char)(needs_rp_filter(set, networks, interface) ? setting(interface, "rp_filter") : 0);

	/* The higher of the two is in force. */
	return own && own < '2' && (own == '1' || setting("all", "rp_filter") == '1');
}

static bool loosen_rp_filter(const struct ruleset *set, const struct network_list *networks)
{
	bool ok = true;

	for (size_t i = 0; i < networks->link_count; i++)
		if (is_too_strict(set, networks, networks->links[i].name))
			ok = set_digit(networks->links[i].name, "rp_filter", '2') && ok;
	return ok;
}

#define FORWARDING "forwarding"
#define FORWARDING6 SETTING_IPV6 "forwarding"
#define ACCEPT_RA SETTING_IPV6 "accept_ra"

static bool has_family(const struct class *class, int family)
{
	for (size_t i = 0; i < class->addresses.count; i++)
		if (class->addresses.items[i].family == family)
			return true;
	return false;
}

static bool any_has_family(const struct ruleset *set, int family)
{
	for (size_t i = 0; i < set->class_count; i++)
		if (has_family(&set->classes[i], family))
			return true;
	return false;
}

static bool is_link_of(const struct class *class, const char *interface)
{
	char name[IF_NAMESIZE];

	if (!class->addresses.count)
		return false;
	namespace_link(class->netns, name);
	return !strcmp(name, interface);
}

/* What comes in by it may be answers to what a namespace has sent; or with ports, and where no
 * uplink is named, by whichever interface it comes in. */
static bool leads_to(const struct class *class, const char *interface)
{
	return class->addresses.count &&
	       (class->ports.count || !class->interface || (class->device && !strcmp(class->device, interface)));
}

static bool is_joining(const struct ruleset *set, const char *interface)
{
	for (size_t i = 0; i < set->class_count; i++)
		if (is_link_of(&set->classes[i], interface))
			return true;
	return false;
}

/* IPv4 forwards what comes in by an interface that has the setting (ip_route_input_slow in the
 * kernel's net/ipv4/route.c). */
static bool needs_forwarding(const struct ruleset *set, const char *interface)
{
	bool needed = false;

	for (size_t i = 0; i < set->class_count; i++)
		needed = needed || (has_family(&set->classes[i], AF_INET) && leads_to(&set->classes[i], interface));
	return needed && strcmp(interface, "lo") != 0 && !is_joining(set, interface);
}

static bool has_note(const char *interface, const char *name)
{
	char *path = before_path(interface, name);
	bool there = !access(path, F_OK);

	free(path);
	return there;
}

static bool was_off(const char *interface, const char *name)
{
	return has_note(interface, name) || setting(interface, name) == '0';
}

bool sysctl_opens(const struct ruleset *set, const char *interface)
{
	return needs_forwarding(set, interface) && was_off(interface, FORWARDING);
}

bool sysctl_opens_ipv6(const struct ruleset *set)
{
	return any_has_family(set, AF_INET6) && was_off("all", FORWARDING6);
}

static bool keep_accepting(const char *interface)
{
	return setting(interface, ACCEPT_RA) != '1' || set_digit(interface, ACCEPT_RA, '2');
}

/* netshim leaves IPv4's switch for all interfaces as it is. */
static bool note_all(void)
{
	return setting("all", FORWARDING) != '0' || note("all", FORWARDING);
}

/* Somebody has the kernel forward since then, by that switch, which sets every interface's. */
static bool others_forward(void)
{
	return has_note("all", FORWARDING) && setting("all", FORWARDING) == '1';
}

/* IPv6 has one switch for all (ip6_forward in the kernel's net/ipv6/ip6_output.c). It makes a
 * router of every interface, which takes no routes of other routers then, and forgets those it
 * has, but where accept_ra is 2. */
static bool forward(const struct ruleset *set, const struct network_list *networks)
{
	bool ipv6 = any_has_family(set, AF_INET6) && setting("all", FORWARDING6) == '0';
	bool own = ipv6 || (any_has_family(set, AF_INET6) && has_note("all", FORWARDING6));
	bool ok = !ipv6 || keep_accepting("default");

	for (size_t i = 0; i < networks->link_count; i++) {
		const char *interface = networks->links[i].name;

		/* By a version that has not noted it for all. */
		if (needs_forwarding(set, interface) && has_note(interface, FORWARDING))
			ok = note_all() && ok;
		if (needs_forwarding(set, interface) && setting(interface, FORWARDING) == '0')
			ok = note_all() && set_digit(interface, FORWARDING, '1') && ok;
		if (own && !is_joining(set, interface))
			ok = keep_accepting(interface) && ok;
	}
	return ok && (!ipv6 || set_digit("all", FORWARDING6, '1'));
}

char *sysctl_lacks(const struct ruleset *set, const struct network_list *networks)
{
	for (size_t i = 0; i < networks->link_count; i++) {
		const char *interface = networks->links[i].name;

		if (is_too_strict(set, networks, interface))
			return setting_path(interface, "rp_filter");
		if (needs_forwarding(set, interface) && setting(interface, FORWARDING) == '0')
			return setting_path(interface, FORWARDING);
	}
	return any_has_family(set, AF_INET6) && setting("all", FORWARDING6) == '0' ? setting_path("all", FORWARDING6)
										   : NULL;
}

bool sysctl_make(const struct ruleset *set, const struct network_list *networks)
{
	return loosen_rp_filter(set, networks) && forward(set, networks);
}

/* Another setting is one of an older version's. */
static bool is_needed(const struct ruleset *set, const struct network_list *networks, const char *interface,
		      const char *name)
{
	if (!strcmp(name, FORWARDING))
		return strcmp(interface, "all") ? needs_forwarding(set, interface) : any_has_family(set, AF_INET);
	if (begins(name, SETTING_IPV6))
		return any_has_family(set, AF_INET6);
	return !strcmp(name, "rp_filter") && needs_rp_filter(set, networks, interface);
}

static void forget(const char *interface, const char *before)
{
	char *path = setting_path(interface, FORWARDING);

	remember(path, before);
	unlink(before);
	free(path);
}

/* What others have the kernel do is not netshim's to take back. The note by which that is told
 * goes last. */
static void forget_forwarding(void)
{
	glob_t found;

	if (glob(BEFORE "*:" FORWARDING, 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		char *interface = copied(found.gl_pathv[i] + strlen(BEFORE));

		interface[strcspn(interface, ":")] = '\0';
		if (strcmp(interface, "all") != 0)
			forget(interface, found.gl_pathv[i]);
		free(interface);
	}
	forget("all", BEFORE "all:" FORWARDING);
	globfree(&found);
}

static unsigned index_in(const char *before)
{
	char text[NOTE_SIZE];

	setting_read(before, text, sizeof(text));
	return *text ? (unsigned)strtoul(text + 1, NULL, 10) : 0;
}

/* Two notes may have to change places. */
static bool rename_note(const char *from, const char *to)
{
	bool ok = !renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) || (errno == ENOENT && !rename(from, to));

	if (!ok)
		warn("cannot rename %s to %s, as its interface has been renamed", from, to);
	return ok;
}

/* An interface takes its settings along to another name (inetdev_event in the kernel's
 * net/ipv4/devinet.c), and to its end. Its index is nobody else's before all have been used
 * (dev_index_reserve in its net/core/dev.c), unless somebody asks for that one. */
static bool follow_interface(const char *before)
{
	const char *setting = strchr(before + strlen(BEFORE), ':') + 1;
	const unsigned index = index_in(before);
	char name[IF_NAMESIZE];
	char *by_now;
	bool ok;

	if (!index)
		return true;
	if (!if_indextoname(index, name)) {
		if (errno == ENXIO)
			unlink(before);
		return true;
	}
	by_now = before_path(name, setting);
	/* Noted under both names, as that changed meanwhile: what was noted first is what it was. */
	if (strcmp(by_now, before) && index_in(by_now) == index)
		unlink(by_now);
	/* What was there is here then. */
	ok = !strcmp(by_now, before) || (rename_note(before, by_now) && follow_interface(before));
	free(by_now);
	return ok;
}

static bool follow_interfaces(void)
{
	glob_t found;
	bool ok = true;

	if (glob(BEFORE "*:*", 0, NULL, &found))
		return true;
	for (size_t i = 0; i < found.gl_pathc; i++)
		ok = follow_interface(found.gl_pathv[i]) && ok;
	globfree(&found);
	return ok;
}

bool sysctl_restore(const struct ruleset *set, const struct network_list *networks)
{
	glob_t found;
	bool ok = true;

	if (!follow_interfaces())
		return false;
	if (others_forward())
		forget_forwarding();
	if (glob(BEFORE "*", 0, NULL, &found))
		return true;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		char *interface = copied(found.gl_pathv[i] + strlen(BEFORE));
		char *name = strchr(interface, ':');

		if (name)
			*name++ = '\0';
		if (name && !(set && is_needed(set, networks, interface, name)))
			ok = restore(interface, name, found.gl_pathv[i]) && ok;
		free(interface);
	}
	globfree(&found);
	return ok;
}
