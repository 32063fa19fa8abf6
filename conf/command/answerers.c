/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim's own resolvers: see answerers.h.
 *
 * Who puts a configuration into force makes their sockets and so knows their ports before
 * the table is loaded; from then on queries wait there, also while one of them is being
 * started anew. Nobody else can take the ports meanwhile, as the process above them keeps
 * the sockets open.
 *
 * Each is in its class's group, so that what it asks others goes where the class's own
 * queries would go, and by the same rules. It has a user of its own, and CAP_NET_ADMIN for
 * the sets and no other capability.
 *
 * Each locks a byte of a file, that of its port, so that it can be told whether it is there;
 * and the one behind all others while it opens something. What is in the file tells what they do, and
 * their ports: a configuration that changes nothing of that leaves them as they are.
 *
 * A signal at a parent's end (PR_SET_PDEATHSIG) is sent with the parent's rights, by which none
 * reaches another user's process (check_kill_permission in the kernel's kernel/signal.c): so
 * they see a pipe's end. */

#include "conf/command/answerers.h"

#include "conf/command/answerer.h"
#include "conf/contract/rules.h"
#include "conf/kernel/cgroup.h"
#include "conf/kernel/policy-names.h"
#include "conf/kernel/upstream.h"
#include "conf/language/alloc.h"

#include <arpa/inet.h>
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHANGING (1 << 30)

static struct {
	struct answering *items;
	size_t count;
	uint64_t work; /* what they do, in a number; 0: there are none */
} all;

static void add(struct verdict *verdict, const char *whose, const struct endpoint_list *dns)
{
	if (!verdict->has_names)
		return;
	all.items = grown(all.items, all.count, sizeof(*all.items));
	all.items[all.count++] = (struct answering){ whose, verdict, dns, { 0, 0 }, { -1, -1, -1, -1 } };
}

/* In the same order whoever reads the same configuration. */
static void list_all(struct ruleset *set)
{
	static const struct endpoint_list none;

	all.count = 0;
	for (size_t i = 0; i < set->class_count; i++)
		add(&set->classes[i].verdict, set->classes[i].name, &set->classes[i].dns);
	add(&set->unclassified, UNCLASSIFIED, &none);
	set->asked.count = 0;
	if (set->unclassified.has_names)
		upstream_asked(&set->asked);
}

/* --- sockets */

union address {
	struct sockaddr any;
	struct sockaddr_in four;
	struct sockaddr_in6 six;
	struct sockaddr_storage room;
};

/* Returns the port, or 0. */
static unsigned port_of(int fd)
{
	union address address = { .room.ss_family = AF_UNSPEC };
	socklen_t size = sizeof(address);

	if (fd < 0 || getsockname(fd, &address.any, &size))
		return 0;
	return ntohs(address.any.sa_family == AF_INET6 ? address.six.sin6_port : address.four.sin_port);
}

static int bound(int family, int type, unsigned port)
{
	union address address = { .room.ss_family = (sa_family_t)family };
	int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (family == AF_INET6) {
		address.six.sin6_addr = in6addr_loopback;
		address.six.sin6_port = htons((uint16_t)port);
	} else {
		address.four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		address.four.sin_port = htons((uint16_t)port);
	}
	if (fd >= 0 && !bind(fd, &address.any, sizeof(address)) && (type != SOCK_STREAM || !listen(fd, 64)))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* One port for both. A port that is free for the one may be taken for the other. */
static bool make_pair(int family, int *udp, int *tcp)
{
	for (int tries = 0; tries < 100; tries++) {
		*udp = bound(family, SOCK_DGRAM, 0);
		*tcp = *udp < 0 ? -1 : bound(family, SOCK_STREAM, port_of(*udp));
		if (*udp < 0 || *tcp >= 0)
			break;
		close(*udp);
		*udp = -1;
	}
	return *tcp >= 0;
}

static void note_address(struct endpoint_list *list, int family, unsigned port)
{
	struct endpoint resolver = { .family = family, .port = port };

	if (!port)
		return;
	inet_pton(family, family == AF_INET ? "127.0.0.1" : "::1", &resolver.address);
	list->items = grown(list->items, list->count, sizeof(*list->items));
	list->items[list->count++] = resolver;
}

static void read_own_ports(struct answering *a)
{
	a->ports[0] = port_of(a->sockets[ANSWERER_UDP4]);
	a->ports[1] = port_of(a->sockets[ANSWERER_UDP6]);
}

static void note_addresses(const struct answering *a)
{
	a->verdict->answerer.count = 0;
	note_address(&a->verdict->answerer, AF_INET, a->ports[0]);
	note_address(&a->verdict->answerer, AF_INET6, a->ports[1]);
}

static void allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* --- whether those that run can go on */

/* The next number of a list (FNV-1a). */
static uint64_t mixed(uint64_t hash, const void *bytes, size_t size)
{
	for (const unsigned char *b = bytes; size--; b++)
		hash = (hash ^ *b) * UINT64_C(0x100000001b3);
	return hash;
}

static uint64_t mixed_names(uint64_t hash, const struct peer_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct peer *a = &list->items[i];
		const unsigned ports[] = { (unsigned)a->protocol, a->first_port, a->last_port };

		if (a->kind != PEER_NAME)
			continue;
		hash = mixed(hash, a->name, strlen(a->name) + 1);
		hash = mixed(hash, ports, sizeof(ports));
	}
	return mixed(hash, "", 1);
}

/* All that one goes by. */
static uint64_t work_of_all(void)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t n = 0; n < all.count; n++) {
		const struct answering *a = &all.items[n];
		hash = mixed(hash, a->whose, strlen(a->whose) + 1);
		hash = mixed_names(hash, &a->verdict->allow);
		hash = mixed_names(hash, &a->verdict->deny);
		for (size_t i = 0; i < a->dns->count; i++) {
			hash = mixed(hash, &a->dns->items[i].address, sizeof(a->dns->items[i].address));
			hash = mixed(hash, &a->dns->items[i].port, sizeof(a->dns->items[i].port));
		}
	}
	return all.count ? hash | 1 : 0;
}

/* The file has what they do and then their ports. */
static bool read_ports(uint64_t work)
{
	FILE *file = fopen(ANSWERERS_LOCKS, "re");
	uint64_t there = 0;
	bool ok = file && fscanf(file, "%" SCNx64, &there) == 1 && there == work;

	for (size_t i = 0; ok && i < all.count; i++)
		ok = fscanf(file, "%*s %u %u", &all.items[i].ports[0], &all.items[i].ports[1]) == 2;
	if (file)
		fclose(file);
	return ok;
}

struct answerers_identity answerers_identity(void)
{
	return (struct answerers_identity){ all.work, all.count ? all.items->ports[0] : 0 };
}

static bool make_sockets(struct answering *a)
{
	if (!make_pair(AF_INET, &a->sockets[ANSWERER_UDP4], &a->sockets[ANSWERER_TCP4])) {
		warn("names of %s: cannot make a socket at 127.0.0.1", a->whose);
		return false;
	}
	/* A kernel without IPv6 sends no queries by it. */
	make_pair(AF_INET6, &a->sockets[ANSWERER_UDP6], &a->sockets[ANSWERER_TCP6]);
	read_own_ports(a);
	return true;
}

bool answerers_make(struct ruleset *set, bool (*same)(void))
{
	bool go_on;

	list_all(set);
	all.work = work_of_all();
	go_on = all.count && same && read_ports(all.work) && same();
	if (all.count && !go_on)
		allow_descriptors();
	for (size_t n = 0; n < all.count; n++) {
		struct answering *a = &all.items[n];
		if (!go_on && !make_sockets(a))
			return false;
		note_addresses(a);
	}
	return true;
}

#define FIRST (STDERR_FILENO + 1)

void answerers_inherit(struct ruleset *set)
{
	int fd = FIRST;

	list_all(set);
	all.work = work_of_all();
	for (size_t n = 0; n < all.count; n++) {
		struct answering *a = &all.items[n];
		for (size_t i = 0; i < ANSWERER_SOCKETS; i++, fd++)
			a->sockets[i] = port_of(fd) ? fd : -1;
		read_own_ports(a);
		note_addresses(a);
	}
}

static int *socket_of(int number)
{
	return &all.items[number / ANSWERER_SOCKETS].sockets[number % ANSWERER_SOCKETS];
}

/* Above all that they go to, first. */
void answerers_pass(int first)
{
	int count = (int)all.count * ANSWERER_SOCKETS;

	for (int i = 0; i < count; i++)
		*socket_of(i) = fcntl(*socket_of(i) < 0 ? STDIN_FILENO : *socket_of(i), F_DUPFD, first + count);
	for (int i = 0; i < count; i++)
		dup2(*socket_of(i), first + i);
	closefrom(first + count);
}

bool answerers_wanted(void)
{
	return port_of(FIRST);
}

/* --- who opens, and who is there */

static int locks = -1;
static int supervisor_end = -1;
static int lives[2] = { -1, -1 }; /* as long as the supervisor lives, they go on */

static bool lock(int fd, short type, off_t at, int how)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };

	return !fcntl(fd, how, &lock);
}

/* Those whose work the file tells are in force. */
static bool hold(void)
{
	char text[24] = "";

	lock(locks, F_RDLCK, CHANGING, F_SETLKW);
	return pread(locks, text, sizeof(text) - 1, 0) > 0 && strtoull(text, NULL, 16) == all.work;
}

static void let_go(void)
{
	lock(locks, F_UNLCK, CHANGING, F_SETLK);
}

/* What it is to be, and what it was. Allocated. */
static char *text_of_all(void)
{
	char *text = NULL;
	FILE *out = memstream_open(&text, &(size_t){ 0 });

	fprintf(out, "%016" PRIx64 "\n", all.work);
	for (size_t i = 0; i < all.count; i++) {
		const struct answering *a = &all.items[i];

		fprintf(out, "%s %u %u\n", a->whose, a->ports[0], a->ports[1]);
	}
	memstream_close(out);
	return text;
}

static char *text_before;

static void keep_text_before(int fd)
{
	struct stat st = { .st_size = 0 };

	if (text_before || fstat(fd, &st))
		return;
	text_before = zalloc((size_t)st.st_size + 1);
	if (pread(fd, text_before, (size_t)st.st_size, 0) < 0)
		*text_before = '\0';
}

static void write_work(int fd, const char *text)
{
	ssize_t size = (ssize_t)strlen(text);

	if (pwrite(fd, text, (size_t)size, 0) != size || ftruncate(fd, size))
		warn("cannot write " ANSWERERS_LOCKS ", so that no name is opened");
}

#define PATIENCE_MS 1000

int answerers_hold(void)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	int fd = open(ANSWERERS_LOCKS, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	for (int tries = 0; fd >= 0 && tries < PATIENCE_MS && !lock(fd, F_WRLCK, CHANGING, F_SETLK); tries++)
		nanosleep(&pause, NULL);
	if (fd >= 0)
		keep_text_before(fd);
	return fd;
}

void answerers_follow_table(int held, bool made)
{
	char *text = text_of_all();

	if (held >= 0)
		write_work(held, made ? text : text_before);
	free(text);
}

/* Where there were none, and none have come to be, there was no file. */
void answerers_let_go(int held)
{
	struct stat st;

	if (held >= 0 && !fstat(held, &st) && !st.st_size)
		unlink(ANSWERERS_LOCKS);
	if (held >= 0)
		close(held);
}

bool answerers_matter(void)
{
	return all.count || !access(ANSWERERS_LOCKS, F_OK);
}

static bool is_there(int fd, off_t port)
{
	struct flock there = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = port, .l_len = 1 };

	return !fcntl(fd, F_GETLK, &there) && there.l_type != F_UNLCK;
}

/* Those of a configuration that has just been put into force need a moment. */
static bool comes(int fd, off_t port)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	int tries = 0;

	while (!is_there(fd, port) && tries++ < 50)
		nanosleep(&pause, NULL);
	return is_there(fd, port);
}

void answerers_each_missing(void (*visit)(const char *whose, void *with), void *with)
{
	FILE *file = fopen(ANSWERERS_LOCKS, "r+e");
	char whose[CLASS_NAME_MAX + 1];
	unsigned port;

	if (file && fscanf(file, "%*s") != EOF)
		while (fscanf(file, "%64s %u %*u", whose, &port) == 2)
			if (!comes(fileno(file), (off_t)port))
				visit(whose, with);
	if (file)
		fclose(file);
}

/* --- running */

static bool give_up_rights(void)
{
	capng_clear(CAPNG_SELECT_CAPS);
	capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN);
	return !capng_change_id((int)NAMES_USER, (int)NAMES_USER, CAPNG_DROP_SUPP_GRP);
}

static void close_others(const struct answering *mine)
{
	for (int i = 0; i < (int)all.count * ANSWERER_SOCKETS; i++)
		if (&all.items[i / ANSWERER_SOCKETS] != mine && *socket_of(i) >= 0)
			close(*socket_of(i));
}

_Noreturn static void run(size_t number)
{
	const struct answering *a = &all.items[number];
	bool outside = !strcmp(a->whose, UNCLASSIFIED);

	close(supervisor_end);
	close(lives[1]);
	close_others(a);
	lock(locks, F_WRLCK, (off_t)a->ports[0], F_SETLK);
	if ((!cgroup_enter(outside ? NULL : a->whose) && !outside) || !give_up_rights())
		_exit(EXIT_FAILURE);
	answerer_run(a, lives[0], hold, let_go);
}

static void start(pid_t *pids, size_t number)
{
	pids[number] = fork();
	if (!pids[number])
		run(number);
}

/* One that ends at once is not to be started all the time. */
_Noreturn static void supervise(void)
{
	const struct timespec pause = { .tv_nsec = 100000000 };
	pid_t *pids = zalloc((all.count + 1) * sizeof(*pids));

	locks = open(ANSWERERS_LOCKS, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (locks < 0 || pipe2(lives, O_CLOEXEC))
		_exit(EXIT_FAILURE);
	for (size_t i = 0; i < all.count; i++)
		start(pids, i);
	for (;;) {
		pid_t ended = wait(NULL);

		nanosleep(&pause, NULL);
		for (size_t i = 0; i < all.count; i++)
			if (pids[i] == ended || pids[i] < 0)
				start(pids, i);
	}
}

/* Keeps the sockets, and until its end the other end of what is read, and no lock. */
_Noreturn static void become_supervisor(int end, pid_t parent, bool (*load)(struct ruleset *set))
{
	static struct ruleset set;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || !load(&set))
		_exit(EXIT_FAILURE);
	answerers_inherit(&set);
	supervisor_end = FIRST + (int)all.count * ANSWERER_SOCKETS;
	dup2(end, supervisor_end);
	closefrom(supervisor_end + 1);
	supervise();
}

int answerers_start(bool (*load)(struct ruleset *set))
{
	int ends[2] = { -1, -1 };
	pid_t parent = getpid();
	pid_t pid = pipe2(ends, O_CLOEXEC) ? -1 : fork();

	if (!pid)
		become_supervisor(ends[1], parent, load);
	if (ends[1] >= 0)
		close(ends[1]);
	if (pid > 0)
		return ends[0];
	if (ends[0] >= 0)
		close(ends[0]);
	return -1;
}
