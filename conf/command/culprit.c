/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Who was it: see culprit.h.
 *
 * The kernel tells of a packet's sender the user, and not the process. But the socket is
 * there as long as the program waits or tries again, and says the inode by which /proc
 * knows it. A connection that is reset has none any more: then it was one of those in the
 * class that run as that user.
 *
 * To find an inode, /proc has to be asked about each descriptor of each process, and a user
 * may have many: so all are read at once, and not for each refusal. */

#include "conf/command/culprit.h"

#include "conf/command/boottime.h"
#include "conf/language/alloc.h"

#include <unistd.h>

/* Milliseconds by which reading may be ahead of its share, so that of several programs that are
 * refused something at once, each is found. */
#define AHEAD 1000
/* Of so many that may be it, one more than are named, each is looked at once more: it may have
 * ended since all were read. */
#define CERTAIN 4

void suspects_read(struct suspects *s)
{
	struct process_list list;
	bool *holds;

	sockets_free_holders(&s->sockets);
	s->count = 0;
	sockets_read_holders(&s->sockets);
	processes_read(&list);
	holds = zalloc(list.count + 1);
	for (size_t i = 0; i < s->sockets.count; i++) {
		const struct process *p = processes_find(&list, s->sockets.items[i].pid);

		if (p)
			holds[p - list.items] = true;
	}
	for (size_t i = 0; i < list.count; i++) {
		if (!holds[i])
			continue;
		s->items = grown(s->items, s->count, sizeof(*s->items));
		s->items[s->count++] = (struct suspect){ list.items[i], process_user(list.items[i].pid) };
	}
	free(holds);
	processes_free(&list);
}

bool suspects_renew(struct suspects *s)
{
	int64_t begun = boottime_milliseconds();

	if (s->paid > begun + AHEAD)
		return false;
	suspects_read(s);
	s->paid = (s->paid > begun ? s->paid : begun) + 5 * (boottime_milliseconds() - begun);
	return true;
}

uint32_t culprit_socket(const struct refusal *r)
{
	struct inet_socket socket = { .family = r->family,
				      .protocol = r->protocol,
				      .local = r->local,
				      .remote = r->remote,
				      .local_port = r->local_port,
				      .remote_port = r->remote_port };

	if (!r->local_port || (r->protocol != IPPROTO_TCP && r->protocol != IPPROTO_UDP))
		return 0;
	return sockets_find(&socket) ? socket.inode : 0;
}

static int compare(const void *x, const void *y)
{
	const struct suspect *one = x;
	const struct suspect *other = y;

	return (one->process.pid > other->process.pid) - (one->process.pid < other->process.pid);
}

static const struct suspect *find(const struct suspects *s, pid_t pid)
{
	const struct suspect key = { .process.pid = pid };

	return s->count ? bsearch(&key, s->items, s->count, sizeof(key), compare) : NULL;
}

static bool is_of_class(const struct suspect *suspect, const char *class)
{
	return !*class || !strcmp(suspect->process.place.class, class);
}

static const struct suspect *find_holder(const struct suspects *s, uint32_t inode, const char *class)
{
	const struct socket_holder *end = s->sockets.items + s->sockets.count;
	const struct socket_holder *holder = inode ? sockets_holder(&s->sockets, inode) : NULL;

	for (; holder && holder < end && holder->inode == inode; holder++) {
		const struct suspect *found = find(s, holder->pid);

		if (found && is_of_class(found, class) && process_is_there(&found->process))
			return found;
	}
	return NULL;
}

/* In the class, of that user, and there before the packet. */
static void find_others(const struct suspects *s, const struct refusal *refusal, const char *class,
			struct culprit *culprit)
{
	int64_t ago = refusals_now() - refusal->last;
	uint64_t ticks = ago > 0 ? (uint64_t)ago * (uint64_t)sysconf(_SC_CLK_TCK) / 1000 : 0;
	uint64_t now = processes_now();

	for (size_t i = 0; i < s->count; i++) {
		const struct process *p = &s->items[i].process;
		bool may_be_it = (s->items[i].user == refusal->user || refusal->user == (uid_t)-1) &&
				 is_of_class(&s->items[i], class) && p->started + ticks <= now;

		if (!may_be_it || (culprit->others.count < CERTAIN && !process_is_there(p)))
			continue;
		process_names_add(&culprit->others, p->name, p->pid);
		culprit->pid = culprit->others.count == 1 ? p->pid : 0;
	}
}

static void read_program(struct culprit *culprit, const struct suspect *suspect)
{
	char path[64];
	ssize_t size;

	snprintf(path, sizeof(path), "/proc/%d/exe", culprit->pid);
	size = suspect ? readlink(path, culprit->program, sizeof(culprit->program) - 1) : 0;
	culprit->program[size < 0 ? 0 : size] = '\0';
	if (suspect && !*culprit->program)
		strcpy(culprit->program, suspect->process.name);
}

void culprit_find(const struct suspects *suspects, const struct refusal *refusal, uint32_t inode, const char *class,
		  struct culprit *culprit)
{
	const struct suspect *holder = find_holder(suspects, inode, class);

	*culprit = (struct culprit){ .pid = holder ? holder->process.pid : 0, .sure = holder };
	if (!holder && *class)
		find_others(suspects, refusal, class, culprit);
	read_program(culprit, find(suspects, culprit->pid));
}
