/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The values of the configuration, one function each: see value.h. */

#include "conf/language/value.h"

#include "conf/language/address.h"
#include "conf/language/alloc.h"
#include "conf/language/domain.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <grp.h>
#include <net/if.h>
#include <pwd.h>

bool value_number(const char *text, int base, unsigned long max, unsigned long *value)
{
	char *end;

	if (!base)
		base = !strncmp(text, "0x", 2) ? 16 : 10;
	/* strtoul takes blanks and signs too. */
	if (!strchr("0123456789abcdefABCDEF", *text) || !*text)
		return false;
	*value = strtoul(text, &end, base);
	return !*end && *value <= max;
}

const char *value_classid(const char *text, uint32_t *classid)
{
	char *copy = copied(text);
	char *colon = strchr(copy, ':');
	unsigned long major = 0;
	unsigned long minor = 0;
	bool ok;

	if (colon) {
		*colon = '\0';
		ok = value_number(copy, 16, 0xffff, &major) && value_number(colon + 1, 16, 0xffff, &minor);
	} else {
		ok = value_number(copy, 0, UINT32_MAX, &minor);
	}
	free(copy);
	if (!ok)
		return printed("bad classid '%s'; it is MAJOR:MINOR, both hexadecimal and at most ffff, as in '10:43'",
			       text);
	*classid = (uint32_t)(major << 16 | minor);
	if (!*classid)
		return printed("classid '%s' is 0, which means no class; use one from 0:1 to ffff:ffff", text);
	return NULL;
}

const char *value_action(const char *text, enum action *action)
{
	static const char *const names[] = {
		[ACTION_ACCEPT] = "accept", [ACTION_REJECT] = "reject", [ACTION_DROP] = "drop"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(text, names[i])) {
			*action = (enum action)i;
			return NULL;
		}
	}
	return printed("unknown action '%s'; it is accept, reject or drop", text);
}

const char *value_bool(const char *text, bool *value)
{
	*value = !strcmp(text, "true");
	if (*value || !strcmp(text, "false"))
		return NULL;
	return printed("bad value '%s'; it is true or false", text);
}

const char *value_not(const char *text, bool *value)
{
	const char *wrong = value_bool(text, value);

	*value = !*value;
	return wrong;
}

/* nftables counts the nanoseconds of a rate and its burst, which is a quarter of it,
 * in 64 bits (the kernel's nft_limit_init). In bits: */
#define RATE_MAX (UINT64_MAX / 1000000000 / 5 * 4 * 8)

const char *value_rate(const char *text, uint64_t *rate)
{
	static const struct {
		const char *name;
		uint64_t bits;
	} units[] = { { "kbit", 1000 }, { "mbit", 1000000 }, { "gbit", 1000000000 } };
	char *end;
	unsigned long n = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;

	while (n && *end == ' ')
		end++;
	for (size_t i = 0; n && n <= 1000000 && i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].name))
			continue;
		if (n * units[i].bits > RATE_MAX)
			return printed("rate '%s' is more than the kernel can count; at most '%d gbit'", text,
				       (int)(RATE_MAX / 1000000000));
		*rate = n * units[i].bits / 8;
		return NULL;
	}
	return printed("bad rate '%s'; it is a whole number and kbit, mbit or gbit, as in '10 mbit'", text);
}

const char *value_priority(const char *text, uint32_t *priority)
{
	if (strchr(text, ':') && !value_classid(text, priority))
		return NULL;
	return printed("bad priority '%s'; it is the MAJOR:MINOR of a traffic-control class, as in '1:10'", text);
}

/* As iptables' --set-mark takes them: what is set and not in the mask is set as well. */
const char *value_mark(const char *text, struct packet_mark *mark)
{
	char *copy = copied(text);
	char *slash = strchr(copy, '/');
	unsigned long value;
	unsigned long mask = UINT32_MAX;
	bool ok;

	if (slash)
		*slash = '\0';
	ok = value_number(copy, 0, UINT32_MAX, &value) && value &&
	     (!slash || value_number(slash + 1, 0, UINT32_MAX, &mask));
	free(copy);
	if (!ok)
		return printed("bad mark '%s'; it is a number from 1 to 4294967295, or 0x and hexadecimal digits, and "
			       "may have a mask after it, as in '0x10000/0xff0000'",
			       text);
	*mark = (struct packet_mark){ (uint32_t)value, (uint32_t)(value | mask) };
	return NULL;
}

const char *value_table(const char *text, uint32_t *table)
{
	unsigned long n;

	if (!value_number(text, 0, UINT32_MAX, &n) || !n)
		return printed("bad table '%s'; it is a number from 1 to 4294967295, or 0x and hexadecimal digits",
			       text);
	*table = (uint32_t)n;
	return NULL;
}

/* A statement must be one rule of its chain and no more. Outside quotes, a semicolon
 * would end the rule, one brace too many the chain, and a backslash at the end would
 * join the next line to it. nftables judges the rest. */
static bool is_one_rule(const char *text)
{
	bool quoted = false;
	int depth = 0;

	for (const char *c = text; *c; c++) {
		if (*c == '"')
			quoted = !quoted;
		if (*c == '\n' || (!quoted && strchr(";\\", *c)))
			return false;
		depth += quoted ? 0 : (*c == '{') - (*c == '}');
		if (depth < 0)
			return false;
	}
	return *text && !depth && !quoted;
}

const char *value_statement(const char *text, struct statement_list *list)
{
	if (!is_one_rule(text))
		return printed(
			"bad nft statement '%s'; it is one line and one rule, with braces and quotes closed and no "
			"semicolon, as in 'ip dscp set ef'",
			text);
	list->items = grown(list->items, list->count, sizeof(*list->items));
	list->items[list->count++] = (struct statement){ .text = copied(text) };
	return NULL;
}

const char *value_on_error(const char *text, bool *allow)
{
	*allow = !strcmp(text, "allow");
	if (*allow || !strcmp(text, "deny"))
		return NULL;
	return printed("bad on-error '%s'; it is deny (do not start the program) or allow (start it all the same)",
		       text);
}

const char *value_at_boot(const char *text, enum at_boot *at_boot)
{
	static const char *const names[] = {
		[AT_BOOT_LAST] = "last", [AT_BOOT_REFUSE] = "refuse", [AT_BOOT_OPEN] = "open"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(text, names[i])) {
			*at_boot = (enum at_boot)i;
			return NULL;
		}
	return printed("bad at-boot '%s'; it is last (put into force what was in force last), refuse (start no program "
		       "that had a rule then) or open (no rules)",
		       text);
}

static void add_user(struct user_list *users, uint32_t id, bool is_group)
{
	users->users = grown(users->users, users->count, sizeof(*users->users));
	users->users[users->count++] = (struct rules_user){ .id = id, .is_group = is_group };
}

const char *value_user(const char *text, struct user_list *users)
{
	const struct passwd *user = *text == '@' ? NULL : getpwnam(text);
	const struct group *group = *text == '@' ? getgrnam(text + 1) : NULL;
	unsigned long id;

	if (user)
		add_user(users, user->pw_uid, false);
	else if (group)
		add_user(users, group->gr_gid, true);
	else if (value_number(text + (*text == '@'), 10, UINT32_MAX - 1, &id))
		add_user(users, (uint32_t)id, *text == '@');
	else if (*text == '@')
		return printed("unknown group '%s'; it is '@' and a name in the group database, or its number", text);
	else
		return printed(
			"unknown user '%s'; it is a name in the user database, or its number (groups are '@NAME')",
			text);
	return NULL;
}

/* What begins with a slash is the path of a file. */
const char *value_with(const char *text, enum with_kind *kind)
{
	size_t size = strlen(text);

	*kind = strpbrk(text, "*?[") ? WITH_PATTERN : *text == '/' ? WITH_FILE : WITH_TEXT;
	if (!size)
		return printed("with = '' is no argument; write a text, a pattern, or the path of a file");
	if (strchr(text, '\n'))
		return printed("the argument has a line break in it; write a pattern with ? in its place");
	if (*kind == WITH_PATTERN && size >= WITH_PATTERN_MAX)
		return printed("pattern '%s' is too long; it has at most %d characters", text, WITH_PATTERN_MAX - 1);
	if (size >= RULE_PATH_MAX)
		return printed("argument '%s' is too long; it has at most %d characters", text, RULE_PATH_MAX - 1);
	if (*kind == WITH_FILE && text[size - 1] == '/')
		return printed("'%s' ends in a slash; leave that out, or for what is beneath it, write '%s*'", text,
			       text);
	return NULL;
}

static void add_allowance(struct allow_list *allow, const struct allowance *item)
{
	allow->items = grown(allow->items, allow->count, sizeof(*allow->items));
	allow->items[allow->count++] = *item;
}

/* "443" or "8000-8010". */
static bool ports(char *text, struct allowance *item)
{
	char *dash = strchr(text, '-');
	unsigned long first;
	unsigned long last;

	if (dash)
		*dash = '\0';
	if (!value_number(text, 10, 65535, &first) || !first)
		return false;
	last = first;
	if (dash && (!value_number(dash + 1, 10, 65535, &last) || last < first))
		return false;
	item->first_port = (unsigned)first;
	item->last_port = (unsigned)last;
	return true;
}

/* "10.0.0.0/8", "10.0.0.1", "fd00::/8". */
static bool network(char *text, struct allowance *item)
{
	char *slash = strchr(text, '/');
	unsigned long prefix;

	if (slash)
		*slash = '\0';
	item->kind = ALLOW_NETWORK;
	item->family = strchr(text, ':') ? AF_INET6 : AF_INET;
	item->prefix = address_bits(item->family);
	if (inet_pton(item->family, text, &item->address) != 1)
		return false;
	if (slash && !value_number(slash + 1, 10, item->prefix, &prefix))
		return false;
	if (slash)
		item->prefix = (unsigned)prefix;
	return true;
}

/* "192.0.2.1:443", "[fd00::1]:443". */
static bool address_and_port(char *text, struct allowance *item)
{
	char *colon = strrchr(text, ':');
	char *end;

	if (!colon || colon == text)
		return false;
	*colon = '\0';
	end = colon - 1;
	if (*text == '[' && *end == ']') {
		*end = '\0';
		text++;
	} else if (strchr(text, ':')) {
		return false;
	}
	return ports(colon + 1, item) && network(text, item);
}

static bool allowance(char *text, struct allowance *item)
{
	const char *bracket = strchr(text, ']');

	if (!strcmp(text, "loopback")) {
		item->kind = ALLOW_LOOPBACK;
		return true;
	}
	if (!strcmp(text, "lan")) {
		item->kind = ALLOW_LAN;
		return true;
	}
	if (!strcmp(text, "link")) {
		item->kind = ALLOW_LINK;
		return true;
	}
	if (!strncmp(text, "tcp/", 4) || !strncmp(text, "udp/", 4)) {
		item->kind = ALLOW_PORTS;
		item->protocol = *text == 't' ? IPPROTO_TCP : IPPROTO_UDP;
		return ports(text + 4, item);
	}
	if (bracket || (strchr(text, ':') && strchr(text, ':') == strrchr(text, ':')))
		return address_and_port(text, item);
	return network(text, item);
}

/* Host bits that are set would be cut off silently by nft. */
static bool has_host_bits(const struct allowance *item)
{
	for (unsigned i = item->prefix; i < address_bits(item->family); i++)
		if (address_bit(&item->address, i))
			return true;
	return false;
}

static const char bad_destination[] =
	"bad network, port or name '%s'; it is loopback, lan, link, a network such as '192.0.2.0/24' or "
	"'fd00::/8', a port such as 'tcp/443' or 'udp/5000-5010', an address with a port such as "
	"'192.0.2.1:443' or '[fd00::1]:443', or a name such as 'example.org', '*.example.org' or "
	"'tcp/443@example.org'";

const char *value_allowance(const char *text, struct allow_list *allow)
{
	struct allowance item = { .kind = ALLOW_NONE };
	char *copy = copied(text);
	bool ok = allowance(copy, &item);

	free(copy);
	if (!ok)
		return printed(bad_destination, text);
	if (item.kind == ALLOW_NETWORK && has_host_bits(&item))
		return printed("network '%s' has bits set beyond its prefix of %u; clear them or lengthen the prefix",
			       text, item.prefix);
	add_allowance(allow, &item);
	return NULL;
}

/* "tcp/443@" before a name. */
static bool ports_of_name(const char *text, size_t size, struct allowance *item)
{
	char *copy = printed("%.*s", (int)size, text);
	bool ok = allowance(copy, item) && item->kind == ALLOW_PORTS;

	free(copy);
	return ok;
}

static const char *name_destination(const char *text, struct allow_list *list)
{
	const char *at = strchr(text, '@');
	struct allowance item = { .kind = ALLOW_NONE };

	if (at && !ports_of_name(text, (size_t)(at - text), &item))
		return printed(bad_destination, text);
	item.kind = ALLOW_NAME;
	item.name = domain_read(at ? at + 1 : text);
	if (!item.name)
		return printed(bad_destination, text);
	add_allowance(list, &item);
	return NULL;
}

const char *value_destination(const char *text, struct allow_list *list)
{
	return domain_is_meant(text) ? name_destination(text, list) : value_allowance(text, list);
}

static const char *allowance_or_none(const char *text, struct allow_list *list)
{
	static const struct allowance none = { .kind = ALLOW_NONE };

	if (strcmp(text, "none"))
		return value_allowance(text, list);
	add_allowance(list, &none);
	return NULL;
}

const char *value_serve(const char *text, struct allow_list *serve)
{
	if (!allowance_or_none(text, serve))
		return NULL;
	return printed("bad client or port '%s'; it is loopback, lan, link, a network such as '192.0.2.0/24' or "
		       "'fd00::/8' without bits beyond its prefix, a port of the class's own such as 'tcp/8080' or "
		       "'udp/5000-5010', a client's address with such a port as in '192.0.2.1:8080' or "
		       "'[fd00::1]:8080', or none",
		       text);
}

const char *value_local(const char *text, struct allow_list *local)
{
	const char *wrong = allowance_or_none(text, local);

	if (!wrong && !local->items[local->count - 1].first_port &&
	    local->items[local->count - 1].kind != ALLOW_LOOPBACK)
		return NULL;
	return printed("bad local network '%s'; it is lan, link, a network or address such as '192.0.2.0/24' or "
		       "'fd00::1', or none",
		       text);
}

const char *value_tunnel(const char *text, struct allow_list *tunnels)
{
	const char *wrong = value_allowance(text, tunnels);

	if (!wrong && tunnels->items[tunnels->count - 1].kind == ALLOW_NETWORK)
		return NULL;
	return printed("bad tunnel '%s'; it is the other end's address, with its port if it has one, such as "
		       "'192.0.2.1:51820' or '[fd00::1]:51820'",
		       text);
}

const char *value_resolver(const char *text, struct resolver_list *list)
{
	struct allowance item = { .first_port = 0 };
	char *copy = copied(text);
	const char *first = strchr(text, ':');
	bool has_port = strchr(text, ']') || (first && first == strrchr(text, ':'));
	bool ok = !strchr(text, '/') && (has_port ? address_and_port(copy, &item) : network(copy, &item)) &&
		  item.first_port == item.last_port;

	free(copy);
	if (!ok)
		return printed(
			"bad resolver '%s'; it is an address, with a port if that is not 53, as in '127.0.0.1:5354', "
			"'192.0.2.53' or '[fd00::1]:53'",
			text);
	list->items = grown(list->items, list->count, sizeof(*list->items));
	list->items[list->count++] =
		(struct resolver){ item.family, item.address, item.first_port ? item.first_port : 53 };
	return NULL;
}

static bool is_loopback(const struct allowance *item)
{
	return item->family == AF_INET ? item->address.s6_addr[0] == 127 : IN6_IS_ADDR_LOOPBACK(&item->address);
}

static bool has_family(const struct resolver_list *list, int family)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].family == family)
			return true;
	return false;
}

const char *value_proxy(const char *text, struct resolver_list *list)
{
	struct allowance item = { .first_port = 0 };
	char *copy = copied(text);
	bool ok = !strchr(text, '/') && address_and_port(copy, &item) && item.first_port == item.last_port &&
		  is_loopback(&item) && !has_family(list, item.family);

	free(copy);
	if (!ok)
		return printed("bad proxy '%s'; it is a loopback address of this machine with a port, at most one of "
			       "IPv4 and one of IPv6, as in '127.0.0.1:12345' or '[::1]:12345'",
			       text);
	list->items = grown(list->items, list->count, sizeof(*list->items));
	list->items[list->count++] = (struct resolver){ item.family, item.address, item.first_port };
	return NULL;
}

bool interface_name_valid(const char *name)
{
	size_t size = strlen(name);

	return size && size < IFNAMSIZ && !strpbrk(name, "/: \t\n\"*{}\\") && name[0] != '.';
}

const char *value_interface(const char *text, const char **interface)
{
	char name[IF_NAMESIZE];
	size_t size = strlen(text);
	char *start = copied(text);
	bool pattern = size && text[size - 1] == '*';

	if (pattern)
		start[size - 1] = '\0';
	if (!interface_name_valid(start))
		return printed(
			"bad interface '%s'; it is a name of at most %d characters, as 'ip link' shows it, or the "
			"beginning of one, as in 'tun*', or ordinary",
			text, IFNAMSIZ - 1);
	free(start);
	/* nftables does not know an interface by its other names (altname). */
	if (if_indextoname(if_nametoindex(text), name) && strcmp(name, text))
		return printed("interface '%s' is named '%s'; write interface = '%s'", text, name, name);
	*interface = copied(text);
	return NULL;
}

const char *value_gateway(const char *text, struct resolver_list *gateways)
{
	struct allowance item = { .first_port = 0 };
	char *copy = copied(text);
	bool ok = !strchr(text, '/') && network(copy, &item);

	free(copy);
	if (!ok || has_family(gateways, item.family))
		return printed("bad gateway '%s'; it is an address, at most one of IPv4 and one of IPv6", text);
	gateways->items = grown(gateways->items, gateways->count, sizeof(*gateways->items));
	gateways->items[gateways->count++] = (struct resolver){ item.family, item.address, 0 };
	return NULL;
}

/* Of what `ip netns` takes, what needs no quotes anywhere. */
const char *value_netns(const char *text, char **netns)
{
	size_t size = strlen(text);
	bool ok = size && size <= NETNS_NAME_MAX && strcmp(text, ".") && strcmp(text, "..");

	for (const char *c = text; ok && *c; c++)
		ok = isalnum((unsigned char)*c) || strchr("._+@:-", *c);
	if (!ok)
		return printed(
			"bad netns '%s'; it is a name as 'ip netns' shows it, of at most %d of the characters A-Z "
			"a-z 0-9 . _ + @ : -, or private",
			text, NETNS_NAME_MAX);
	*netns = copied(text);
	return NULL;
}

/* Numbers of the network in which all other bits are 0, or 1. */
static bool is_edge(const struct allowance *a, bool value)
{
	for (unsigned i = a->prefix; i < address_bits(a->family); i++)
		if (address_bit(&a->address, i) != value)
			return false;
	return true;
}

/* The first address of the network that is not the one itself: with number 1, or 2. */
static struct in6_addr find_router(const struct allowance *a)
{
	unsigned bits = address_bits(a->family);
	struct in6_addr router = a->address;

	for (unsigned i = a->prefix; i < bits; i++)
		router.s6_addr[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	router.s6_addr[bits / 8 - 1] |= 1;
	if (memcmp(&router, &a->address, sizeof(router)) != 0)
		return router;
	/* A network of two has 0 and 1. */
	router.s6_addr[bits / 8 - 1] ^= bits - a->prefix == 1 ? 1 : 3;
	return router;
}

static bool has_own(const struct own_address_list *list, int family)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].family == family)
			return true;
	return false;
}

const char *value_address(const char *text, struct own_address_list *list)
{
	struct allowance item = { .first_port = 0 };
	char *copy = copied(text);
	bool ok = strchr(text, '/') && network(copy, &item) && !has_own(list, item.family) && item.prefix &&
		  item.prefix < address_bits(item.family);

	free(copy);
	if (ok && item.prefix < address_bits(item.family) - 1)
		ok = !is_edge(&item, false) && (item.family == AF_INET6 || !is_edge(&item, true));
	if (!ok)
		return printed("bad address '%s'; it is one with the prefix of a network that has room for another, at "
			       "most one of IPv4 and one of IPv6, as in '10.97.10.2/24' or 'fd00:97::2/64'",
			       text);
	list->items = grown(list->items, list->count, sizeof(*list->items));
	list->items[list->count++] = (struct own_address){
		.family = item.family, .address = item.address, .prefix = item.prefix, .router = find_router(&item)
	};
	return NULL;
}

const char *value_port(const char *text, struct port_list *list)
{
	bool has_protocol = !strncmp(text, "tcp/", 4) || !strncmp(text, "udp/", 4);
	char *copy = copied(has_protocol ? text + 4 : text);
	char *to = strchr(copy, ':');
	unsigned long numbers[2] = { 0, 0 };
	bool ok;

	if (to)
		*to++ = '\0';
	ok = to && value_number(copy, 10, 65535, &numbers[0]) && value_number(to, 10, 65535, &numbers[1]) &&
	     numbers[0] && numbers[1];
	free(copy);
	if (!ok)
		return printed("bad port '%s'; it is one of this machine's, a colon and one in the namespace, as in "
			       "'8080:80' or 'udp/5353:53'",
			       text);
	list->items = grown(list->items, list->count, sizeof(*list->items));
	list->items[list->count++] = (struct port){ .protocol = *text == 'u' ? IPPROTO_UDP : IPPROTO_TCP,
						    .from = (unsigned)numbers[0],
						    .to = (unsigned)numbers[1] };
	return NULL;
}
