/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Who talks to the network: see talkers.h.
 *
 * The kernel lists the sockets, many times a second, and for those that are new it is looked
 * up who has them open. What came and went in between it tells of when it is gone, when
 * nobody has it open any more. UDP that is not connected has no destination there; but
 * conntrack has it, by its port. */

#include "conf/command/talkers.h"

#include "conf/command/wanted.h"
#include "conf/kernel/connections.h"
#include "conf/kernel/processes.h"
#include "conf/kernel/sockets.h"
#include "conf/language/alloc.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <search.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define PERIOD 5  /* milliseconds */
#define SELDOM 40 /* periods, for what takes longer to ask for */
/* Of these states, a socket has, or had, a connection. */
#define CONNECTED                                                                                                   \
	(1 << TCP_ESTABLISHED | 1 << TCP_SYN_SENT | 1 << TCP_FIN_WAIT1 | 1 << TCP_FIN_WAIT2 | 1 << TCP_CLOSE_WAIT | \
	 1 << TCP_LAST_ACK | 1 << TCP_CLOSING)

/* A socket that was seen: its connection, in as many bytes as are compared. */
struct seen {
	struct destination to;
	unsigned local_port;
};

/* A socket whose program is to be found. */
struct fresh {
	struct seen seen;
	uint32_t inode;
	bool connected;
};

struct watch {
	struct talkers *talkers;
	struct looker looker;
	void *seen; /* a tree (tsearch) */
	struct fresh *fresh;
	size_t fresh_count;
	unsigned looks;
	unsigned probes[2]; /* ports, of IPv4 and of IPv6; 0 for none */
	bool tracked[2];
	uint8_t listening[65536 / 8];
};

static const int families[2] = { AF_INET, AF_INET6 };

static volatile sig_atomic_t ended;

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

/* --- destinations */

static const uint8_t *bytes_of(const struct destination *d)
{
	return d->address.s6_addr;
}

static bool is_loopback(const struct destination *d)
{
	return d->family == AF_INET ? bytes_of(d)[0] == 127 : IN6_IS_ADDR_LOOPBACK(&d->address);
}

bool destination_is_near(const struct destination *d)
{
	const uint8_t *b = bytes_of(d);

	if (d->family == AF_INET6)
		return (b[0] & 0xfe) == 0xfc || b[0] == 0xff || IN6_IS_ADDR_LINKLOCAL(&d->address);
	return b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) || (b[0] == 192 && b[1] == 168) ||
	       (b[0] == 100 && (b[1] & 0xc0) == 64) || (b[0] == 169 && b[1] == 254) || b[0] >= 224;
}

const char *destination_text(const struct destination *d, char text[DESTINATION_SIZE])
{
	char address[INET6_ADDRSTRLEN];

	inet_ntop(d->family, &d->address, address, sizeof(address));
	snprintf(text, DESTINATION_SIZE, d->family == AF_INET6 ? "[%s]:%u" : "%s:%u", address, d->port);
	return text;
}

/* What a socket of IPv6 has with IPv4 is that. */
static struct destination destination_of(int family, int protocol, const struct in6_addr *address, unsigned port)
{
	struct destination d;

	/* Compared as bytes, so without any that are not set. */
	memset(&d, 0, sizeof(d));
	d.family = family;
	d.protocol = protocol;
	d.port = port;
	if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(address)) {
		d.family = AF_INET;
		memcpy(&d.address, address->s6_addr + 12, 4);
	} else {
		memcpy(&d.address, address, family == AF_INET ? 4 : sizeof(*address));
	}
	return d;
}

static void add_destination(struct destinations *list, const struct destination *d)
{
	for (size_t i = 0; i < list->count; i++)
		if (!memcmp(&list->items[i], d, sizeof(*d)))
			return;
	list->items = grown(list->items, list->count, sizeof(*d));
	list->items[list->count++] = *d;
}

/* --- programs */

static struct talker *find_talker(struct talkers *talkers, const struct known_as *as)
{
	for (size_t i = 0; i < talkers->count; i++)
		if (!strcmp(talkers->items[i].path, as->path))
			return &talkers->items[i];
	talkers->items = grown(talkers->items, talkers->count, sizeof(*talkers->items));
	talkers->items[talkers->count] =
		(struct talker){ .path = copied(as->path), .user = as->user, .hidden = as->replaced };
	return &talkers->items[talkers->count++];
}

static void add(struct watch *w, pid_t pid, const struct destination *to)
{
	struct process process;
	struct wants wants;
	struct talker *talker;

	if (!process_read(pid, &process) || process.place.place != PLACE_ROOT)
		return;
	w->looker.until = 0;
	wants = wanted_by(&w->looker, &process);
	if (!wants.known || wants.now.rule)
		return;
	talker = find_talker(w->talkers, &w->looker.known_as);
	if (is_loopback(to))
		talker->loopback = true;
	else
		add_destination(&talker->destinations, to);
}

/* --- sockets */

static int compare_seen(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct seen));
}

/* Tells whether it was not known yet. */
static bool note_seen(struct watch *w, const struct seen *seen)
{
	struct seen *copy;

	if (tfind(seen, &w->seen, compare_seen))
		return false;
	copy = zalloc(sizeof(*copy));
	memcpy(copy, seen, sizeof(*copy));
	or_out_of_memory(tsearch(copy, &w->seen, compare_seen));
	return true;
}

/* What goes to an address of this machine's own goes by loopback, too. */
static struct seen seen_of(const struct inet_socket *s)
{
	const struct in6_addr loopback =
		s->family == AF_INET ? (struct in6_addr){ .s6_addr = { 127, 0, 0, 1 } } : in6addr_loopback;
	bool is_within = !memcmp(&s->local, &s->remote, sizeof(s->remote));
	struct seen seen;

	memset(&seen, 0, sizeof(seen));
	seen.to = destination_of(s->family, s->protocol, is_within ? &loopback : &s->remote, s->remote_port);
	seen.local_port = s->local_port;
	return seen;
}

/* Where a socket has none, the kernel gives its priority for its class, which is a small
 * number (inet_diag_msg_attrs_fill). */
static bool is_in_class(const struct inet_socket *s)
{
	return s->classid >> 16;
}

static bool is_incoming(const struct watch *w, const struct inet_socket *s)
{
	return s->protocol == IPPROTO_TCP && w->listening[s->local_port / 8] >> s->local_port % 8 & 1;
}

static void note_listening(const struct inet_socket *s, void *with)
{
	struct watch *w = with;

	w->listening[s->local_port / 8] |= (uint8_t)(1 << s->local_port % 8);
}

static void note_socket(const struct inet_socket *s, void *with)
{
	struct watch *w = with;
	struct fresh fresh = { .seen = seen_of(s), .inode = s->inode, .connected = s->remote_port };

	if (!s->local_port || is_incoming(w, s) || (fresh.connected && !note_seen(w, &fresh.seen)) || is_in_class(s))
		return;
	w->fresh = grown(w->fresh, w->fresh_count, sizeof(fresh));
	w->fresh[w->fresh_count++] = fresh;
}

/* Sends a datagram to itself. Returns its port, or 0. */
static unsigned send_probe(int family)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr *own = family == AF_INET ? (struct sockaddr *)&four : (struct sockaddr *)&six;
	socklen_t size = family == AF_INET ? sizeof(four) : sizeof(six);
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool sent = fd >= 0 && !bind(fd, own, size) && !getsockname(fd, own, &size) && !sendto(fd, "", 0, 0, own, size);

	if (fd >= 0)
		close(fd);
	return sent ? ntohs(family == AF_INET ? four.sin_port : six.sin6_port) : 0;
}

static bool is_probe(const struct watch *w, size_t which, const struct connection *c)
{
	return c->family == families[which] && c->source_port == w->probes[which] &&
	       c->destination_port == w->probes[which];
}

/* Of UDP that is not connected: for each of those, whose port it is. */
static void note_connection(const struct connection *c, void *with)
{
	struct watch *w = with;
	struct seen seen;
	size_t count = w->fresh_count;

	memset(&seen, 0, sizeof(seen));
	seen.to = destination_of(c->family, c->protocol, &c->destination, c->destination_port);
	seen.local_port = c->source_port;
	if (c->protocol != IPPROTO_UDP || !c->from_here)
		return;
	for (size_t i = 0; i < 2; i++)
		w->tracked[i] = w->tracked[i] || is_probe(w, i, c);
	for (size_t i = 0; i < count; i++) {
		const struct fresh *from = &w->fresh[i];

		if (from->connected || from->seen.local_port != c->source_port || !note_seen(w, &seen))
			continue;
		w->fresh = grown(w->fresh, w->fresh_count, sizeof(*w->fresh));
		w->fresh[w->fresh_count++] = (struct fresh){ seen, from->inode, true };
	}
}

static void note_gone(const struct inet_socket *s, void *with)
{
	struct watch *w = with;
	struct seen seen = seen_of(s);

	if (!s->remote_port || is_incoming(w, s) || is_loopback(&seen.to) || !note_seen(w, &seen))
		return;
	add_destination(&w->talkers->missed, &seen.to);
}

static void find_programs(struct watch *w)
{
	struct socket_holders holders;

	sockets_read_holders(&holders);
	for (size_t i = 0; i < w->fresh_count; i++) {
		const struct fresh *f = &w->fresh[i];
		const struct socket_holder *holder = f->inode ? sockets_holder(&holders, f->inode) : NULL;

		if (!holder && f->connected && !is_loopback(&f->seen.to))
			add_destination(&w->talkers->missed, &f->seen.to);
		if (!f->connected)
			continue;
		for (; holder && holder < holders.items + holders.count && holder->inode == f->inode; holder++)
			add(w, holder->pid, &f->seen.to);
	}
	sockets_free_holders(&holders);
}

/* That conntrack has entries does not tell that it notes new ones: for that, somebody's rules
 * have to use it. */
static void look_at_unconnected(struct watch *w)
{
	for (size_t i = 0; i < 2; i++)
		w->probes[i] = send_probe(families[i]);
	connections_each(note_connection, w);
	for (size_t i = 0; i < 2; i++)
		w->talkers->untracked[i] = w->probes[i] && !w->tracked[i];
}

static void look(struct watch *w)
{
	bool seldom = w->looks++ % SELDOM == 0;
	size_t open = 0;
	size_t before;

	w->fresh_count = 0;
	free(w->fresh);
	w->fresh = NULL;
	if (seldom)
		sockets_each(IPPROTO_TCP, 1 << TCP_LISTEN, note_listening, w);
	sockets_each(IPPROTO_TCP, CONNECTED, note_socket, w);
	sockets_each(IPPROTO_UDP, SOCKETS_ALL, note_socket, w);
	before = w->fresh_count;
	for (size_t i = 0; i < before; i++)
		open += !w->fresh[i].connected;
	if (open && seldom)
		look_at_unconnected(w);
	if (w->fresh_count > open)
		find_programs(w);
}

static uint64_t milliseconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

/* What is gone is told of after the look that may have seen it. */
static void follow(struct watch *w, uint64_t until)
{
	struct pollfd gone = { .fd = sockets_open_gone(), .events = POLLIN };

	do {
		look(w);
		sockets_each_gone(gone.fd, note_gone, w);
		poll(&gone, 0, PERIOD);
	} while (!ended && milliseconds() < until);
	if (gone.fd >= 0)
		close(gone.fd);
}

void talkers_watch(struct talkers *talkers, struct rules *rules, unsigned seconds)
{
	struct watch *w = zalloc(sizeof(*w));

	w->talkers = talkers;
	w->looker.now = rules;
	signal(SIGINT, end);
	signal(SIGTERM, end);
	if (seconds)
		follow(w, milliseconds() + seconds * UINT64_C(1000));
	else
		look(w);
	wanted_end(&w->looker);
	tdestroy(w->seen, free);
	free(w->fresh);
	free(w);
}
