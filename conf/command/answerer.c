/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim's own resolver: see answerer.h.
 *
 * It keeps nothing and asks whoever is asked without it, word for word: a query goes out from
 * a socket of its own, so from a port that is not to be guessed, and what comes back to that
 * is passed on where it answers that very query. Before it is, the addresses in it are open.
 * There is an end to what a flood of queries may take: the oldest is forgotten then, and whoever
 * has asked asks again. Where nobody can be asked, or nobody answers, that is the answer
 * (SERVFAIL). */

#include "conf/command/answerer.h"

#include "conf/command/boottime.h"
#include "conf/kernel/answers.h"
#include "conf/kernel/opened.h"
#include "conf/kernel/policy-names.h"
#include "conf/kernel/upstream.h"
#include "conf/language/alloc.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#define EXCHANGES 256
#define NEXT_SERVER 2000 /* milliseconds until another one is asked */
#define GIVEN_UP 10000
#define QUERY_MAX 4096
#define CONNECTIONS 16
#define CONNECTION_MAX 120 /* seconds */

/* A query by UDP, until it is answered. */
static struct exchange {
	int fd; /* connected to the server that is asked; 0: this is none */
	int listener;
	struct sockaddr_storage client;
	socklen_t client_size;
	unsigned char query[QUERY_MAX];
	size_t size;
	size_t server;	/* of all, which one */
	size_t refused; /* so many, one after the other, could not be asked */
	int64_t begun, asked;
} exchanges[EXCHANGES];

static struct {
	const struct answering *answering;
	struct names *names;
	bool (*hold)(void);
	void (*let_go)(void);
	int life;
	size_t first_server; /* of a list, each is the first in turn */
	int connections;
} me;

/* --- answers */

static void tell_failure(void)
{
	static int64_t told;

	if (told && boottime_milliseconds() - told < 60000)
		return;
	told = boottime_milliseconds();
	syslog(LOG_DAEMON | LOG_ERR, "netshim: names of %s: cannot open or close what they lead to: %m",
	       me.answering->whose);
}

/* Where the kernel does not take it, nothing is open that was not, and closed neither. A set that
 * is not there is one of a configuration that is not in force any more. */
static bool put_into_sets(const struct answer *answer)
{
	bool ok;

	/* Another one answers by now. Who has asked asks again. */
	if (!me.hold())
		_exit(EXIT_SUCCESS);
	ok = opened_add(answer, me.answering->whose);
	if (!ok && errno != ENOENT)
		tell_failure();
	me.let_go();
	return ok;
}

/* Opens and closes what an answer says. Returns false where what is denied is not closed, and the
 * answer must not be passed on. */
static bool open_answer(unsigned char *message, size_t size)
{
	static struct answer answer;

	answers_read(me.names, message, size, NAMES_VALID, &answer);
	if (answer.denies_more)
		return false;
	return !answer.address_count || put_into_sets(&answer) || !answer.denied_count;
}

/* --- by UDP */

static void end_exchange(struct exchange *e)
{
	if (e->fd)
		close(e->fd);
	e->fd = 0;
}

static struct exchange *new_exchange(void)
{
	struct exchange *oldest = exchanges;

	for (struct exchange *e = exchanges; e < exchanges + EXCHANGES; e++) {
		if (!e->fd)
			return e;
		if (e->begun < oldest->begun)
			oldest = e;
	}
	end_exchange(oldest);
	return oldest;
}

static int connected_to(const struct sockaddr_storage *server, int type)
{
	int fd = socket(server->ss_family, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || !connect(fd, (const struct sockaddr *)server, upstream_size(server)))
		return fd;
	close(fd);
	return -1;
}

static void answer_client(const struct exchange *e, const unsigned char *message, size_t size)
{
	sendto(e->listener, message, size, MSG_DONTWAIT, (const struct sockaddr *)&e->client, e->client_size);
}

static void fail(struct exchange *e)
{
	size_t size = answers_fail(e->query, e->size);

	if (size)
		answer_client(e, e->query, size);
	end_exchange(e);
}

/* Returns a socket, or 0. */
static int asked_of(const struct sockaddr_storage *server, const struct exchange *e)
{
	int fd = connected_to(server, SOCK_DGRAM | SOCK_NONBLOCK);

	if (fd > 0 && send(fd, e->query, e->size, 0) == (ssize_t)e->size)
		return fd;
	if (fd > 0)
		close(fd);
	return 0;
}

/* Asks the next server, and of those that cannot be reached, the one after that. */
static void ask(struct exchange *e)
{
	struct upstream upstream;

	end_exchange(e);
	upstream_find(me.answering->dns, &upstream);
	for (; e->refused < upstream.count && !e->fd; e->refused += !e->fd)
		e->fd = asked_of(&upstream.servers[e->server++ % upstream.count], e);
	if (!e->fd)
		fail(e);
	e->asked = boottime_milliseconds();
}

static void take_query(int listener)
{
	struct exchange *e = new_exchange();
	ssize_t size;

	e->client_size = sizeof(e->client);
	size = recvfrom(listener, e->query, sizeof(e->query), MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&e->client,
			&e->client_size);
	if (size < NS_HFIXEDSZ || size > QUERY_MAX)
		return;
	e->size = (size_t)size;
	e->listener = listener;
	e->server = me.answering->dns->count ? me.first_server++ : 0;
	e->refused = 0;
	e->begun = boottime_milliseconds();
	ask(e);
}

static void take_answer(struct exchange *e)
{
	static unsigned char message[NS_MAXMSG];
	ssize_t size = recv(e->fd, message, sizeof(message), MSG_DONTWAIT);

	/* Nobody listens there (ECONNREFUSED), or may be asked. */
	if (size < 0 && errno != EAGAIN && errno != EINTR) {
		e->refused++;
		ask(e);
	}
	if (size < 0 || !answers_belong(e->query, e->size, message, (size_t)size))
		return;
	if (!open_answer(message, (size_t)size)) {
		fail(e);
		return;
	}
	answer_client(e, message, (size_t)size);
	end_exchange(e);
}

/* --- by TCP: a process for each connection */

static bool read_whole(int fd, unsigned char *bytes, size_t size)
{
	while (size) {
		ssize_t n = recv(fd, bytes, size, MSG_WAITALL);

		if (n <= 0)
			return false;
		bytes += n;
		size -= (size_t)n;
	}
	return true;
}

/* Behind its size. 0: there is none. */
static size_t read_message(int fd, unsigned char message[NS_INT16SZ + NS_MAXMSG])
{
	size_t size;

	if (!read_whole(fd, message, NS_INT16SZ))
		return 0;
	size = ns_get16(message);
	return read_whole(fd, message + NS_INT16SZ, size) ? size : 0;
}

static bool write_message(int fd, const unsigned char *message, size_t size)
{
	return send(fd, message, NS_INT16SZ + size, MSG_NOSIGNAL) == (ssize_t)(NS_INT16SZ + size);
}

/* What the kernel sends after a close is nobody's any more (sk_socket), by whom netshim tells
 * it: so a close sends a reset, and nothing after that. */
static void end_by_reset(int fd)
{
	const struct linger at_once = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

static void limit_wait(int fd)
{
	const struct timeval limit = { .tv_sec = GIVEN_UP / 1000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

/* Returns the size of the answer, which may come behind others'. */
static size_t ask_server(const struct sockaddr_storage *server, const unsigned char *query, size_t query_size,
			 unsigned char *message)
{
	int fd = socket(server->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t size = 0;

	limit_wait(fd);
	end_by_reset(fd);
	if (!connect(fd, (const struct sockaddr *)server, upstream_size(server)) &&
	    write_message(fd, query, query_size))
		do
			size = read_message(fd, message);
		while (size && !answers_belong(query + NS_INT16SZ, query_size, message + NS_INT16SZ, size));
	if (fd >= 0)
		close(fd);
	return size;
}

static bool write_failure(int client, unsigned char query[NS_INT16SZ + NS_MAXMSG], size_t size)
{
	size = answers_fail(query + NS_INT16SZ, size);
	ns_put16((unsigned)size, query);
	return size && write_message(client, query, size);
}

static bool answer_one(int client)
{
	static unsigned char query[NS_INT16SZ + NS_MAXMSG];
	static unsigned char message[NS_INT16SZ + NS_MAXMSG];
	size_t query_size = read_message(client, query);
	size_t size = 0;
	struct upstream upstream;

	upstream_find(me.answering->dns, &upstream);
	for (size_t i = 0; query_size && !size && i < upstream.count; i++)
		size = ask_server(&upstream.servers[(me.first_server + i) % upstream.count], query, query_size,
				  message);
	if (!query_size)
		return false;
	if (!size || !open_answer(message + NS_INT16SZ, size))
		return write_failure(client, query, query_size);
	return write_message(client, message, size);
}

_Noreturn static void answer_connection(int client)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(CONNECTION_MAX);
	limit_wait(client);
	while (answer_one(client))
		;
	_exit(EXIT_SUCCESS);
}

static void end_connections(void)
{
	while (me.connections && waitpid(-1, NULL, WNOHANG) > 0)
		me.connections--;
}

static void take_connection(int listener)
{
	int client;
	pid_t pid;

	end_connections();
	if (me.connections == CONNECTIONS)
		return;
	client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (client < 0)
		return;
	if (me.answering->dns->count)
		me.first_server++;
	pid = fork();
	if (!pid)
		answer_connection(client);
	me.connections += pid > 0;
	close(client);
}

/* --- all of it */

static bool is_tcp(size_t i)
{
	return i == ANSWERER_TCP4 || i == ANSWERER_TCP6;
}

/* Of a server that does not answer, another one is asked. */
static int look_after(void)
{
	int64_t now = boottime_milliseconds();
	int patience = -1;

	for (struct exchange *e = exchanges; e < exchanges + EXCHANGES; e++) {
		if (e->fd && now - e->begun >= GIVEN_UP) {
			fail(e);
		} else if (e->fd && now - e->asked >= NEXT_SERVER) {
			e->refused = 0;
			ask(e);
		}
		if (e->fd)
			patience = NEXT_SERVER / 4;
	}
	return patience;
}

static void wait_for_some(int patience)
{
	struct pollfd events[ANSWERER_SOCKETS + EXCHANGES + 1];
	bool full = me.connections == CONNECTIONS;

	for (size_t i = 0; i < ANSWERER_SOCKETS; i++)
		events[i] = (struct pollfd){ full && is_tcp(i) ? -1 : me.answering->sockets[i], POLLIN, 0 };
	for (size_t i = 0; i < EXCHANGES; i++)
		events[ANSWERER_SOCKETS + i] = (struct pollfd){ exchanges[i].fd ? exchanges[i].fd : -1, POLLIN, 0 };
	events[ANSWERER_SOCKETS + EXCHANGES] = (struct pollfd){ me.life, POLLIN, 0 };
	/* A place for a connection comes free without an event. */
	if (poll(events, ANSWERER_SOCKETS + EXCHANGES + 1, full ? 100 : patience) <= 0)
		return;
	if (events[ANSWERER_SOCKETS + EXCHANGES].revents)
		_exit(EXIT_SUCCESS);
	for (size_t i = 0; i < EXCHANGES; i++)
		if (exchanges[i].fd && events[ANSWERER_SOCKETS + i].revents)
			take_answer(&exchanges[i]);
	for (size_t i = 0; i < ANSWERER_SOCKETS; i++)
		if (events[i].revents && is_tcp(i))
			take_connection(events[i].fd);
		else if (events[i].revents)
			take_query(events[i].fd);
}

void answerer_run(const struct answering *answering, int life, bool (*hold)(void), void (*let_go)(void))
{
	me.life = life;
	me.answering = answering;
	me.names = answers_names(answering->verdict);
	me.hold = hold;
	me.let_go = let_go;
	for (;;) {
		end_connections();
		wait_for_some(look_after());
	}
}
