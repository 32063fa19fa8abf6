/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim-netns: puts its own process into the network namespace of a program's class,
 * then becomes the helper. It has capabilities only where the configuration in force has
 * such a class (`netshim grant`). Any local user may run it with anything. What it must
 * keep to, and the tests that see to it:
 *
 * 1. Its capabilities MUST be effective around one setns, or one unshare and what brings
 *    the loopback interface up in the new namespace, and never else; before it becomes
 *    the helper they MUST be gone, and that is read back.
 *    netns.t: effective around one setns; effective around one unshare; where it cannot drop
 * 2. It MUST NOT take a namespace, a class or a location from arguments, environment or
 *    descriptors: the rules file at its fixed place, owned by root, says which namespace
 *    the target's class has. (`netshim run` names a class, as for the helper.)
 *    netns.t: what it opens; it listens to none of them; fake rules
 * 3. It MUST enter nothing but a network namespace of this user namespace, by a name that
 *    root alone can change.
 *    netns.t: no namespace of that name; another kind of namespace; a file; a folder of others
 * 4. It MUST NOT lead anybody out of a namespace: it enters a named one only from where
 *    `netshim up` ran.
 *    netns.t: from another namespace; nobody comes out
 * 5. It MUST leave who is in a locked class or in another tool's group where he is, and
 *    enter for nobody who is not among the users of the class.
 *    netns.t: a locked process; another tool's group; one that is for others
 * 6. Whatever comes of it, the helper MUST be what it becomes in the end: that refuses, aloud, what
 *    is not where it belongs.
 *    netns.t: on-error decides; without capabilities
 */

#include "conf/contract/match.h"
#include "conf/contract/netns.h"
#include "conf/contract/process.h"
#include "conf/contract/rules.h"
#include "conf/contract/start.h"
#include "conf/contract/sys.h"
#include "helper/privilege.h"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define NEEDED_NAMED CAP_TO_MASK(CAP_SYS_ADMIN)
#define NEEDED_PRIVATE (CAP_TO_MASK(CAP_SYS_ADMIN) | CAP_TO_MASK(CAP_NET_ADMIN))

struct job {
	struct request request;
	const char *path;
	char *const *argv;
	char run[CLASS_NAME_MAX + 1];
	char netns[NETNS_NAME_MAX + 1];
	uint64_t host; /* the namespace that the rules are for */
};

/* Finds the class that the target would get. Returns 1, 0 where there is none or the
 * helper has to say why not, -errno where there was no descriptor for the question. */
static int find_class(const struct job *job, struct rules *rules, struct rules_class *class)
{
	const struct request *r = &job->request;
	const struct match_start start = { r->dirfd, job->path, { .list = job->argv, .folder = AT_FDCWD } };
	struct rules_slot rule;
	uint32_t index;
	int found;

	if (r->run)
		return rules_class_named(rules, job->run, &index, class);
	found = match_with(rules, r->dirfd, job->path, r->flags, &start, &rule, NULL);
	if (found <= 0)
		return no_descriptor_free(found) ? found : 0;
	return rules_understood(rule.flags, 0) && rule.class_index != RULES_CLASS_NONE &&
	       rules_class(rules, rule.class_index, class, NULL);
}

/* Finds the namespace to be entered, likewise. */
static int find_netns(struct job *job, struct rules *rules)
{
	struct rules_class class;
	int found = find_class(job, rules, &class);

	if (found <= 0)
		return found;
	return rules_understood(0, class.flags) && class.flags & CLASS_NETNS &&
	       rules_users_include_caller(rules, &class.users) &&
	       rules_string(rules, class.netns, job->netns, sizeof(job->netns));
}

/* The same for where this process is. Closes everything before it returns. */
static int decide(struct job *job)
{
	struct membership now;
	struct rules rules;
	int found = rules_open(&rules, true);

	if (found)
		return no_descriptor_free(found) ? found : 0;
	found = find_netns(job, &rules);
	job->host = rules.header.network_namespace;
	rules_close(&rules);
	process_membership(&now);
	if (rules.damaged || now.locked || (now.place != PLACE_ROOT && now.place != PLACE_CLASS))
		return 0;
	return found;
}

static int loopback_up(void)
{
	long fd = SYS(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0, 0, 0);
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	long err;

	if (fd < 0)
		return (int)fd;
	err = SYS(SYS_ioctl, fd, SIOCSIFFLAGS, &lo, 0, 0);
	sys_close((int)fd);
	return (int)err;
}

static int enter(int fd)
{
	long err;

	if (fd >= 0)
		return (int)SYS(SYS_setns, fd, CLONE_NEWNET, 0, 0, 0);
	err = SYS(SYS_unshare, CLONE_NEWNET, 0, 0, 0, 0);
	return err ? (int)err : loopback_up();
}

/* What has come of it is looked at without capabilities. */
static void drop(const struct job *job)
{
	struct __user_cap_data_struct caps[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	if (!get_capabilities(caps) || !set_capabilities(caps, 0))
		fail(EXIT_REFUSED, job->path, "", "netshim-netns could not drop its capabilities");
}

/* A file's capabilities are not effective by themselves; root's are, and root keeps them.
 * Where the kernel has given none, a sandbox may refuse to set any. */
static bool has_gained(void)
{
	struct __user_cap_data_struct caps[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	return get_capabilities(caps) && caps[0].permitted && !caps[0].effective;
}

/* Enters the namespace that is open as fd, or where that is -1 an empty one. */
static int enter_with(const struct job *job, uint32_t needed, int fd)
{
	struct __user_cap_data_struct caps[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
	bool gained = has_gained();
	int err = -EPERM;

	if (!get_capabilities(caps) || (caps[0].permitted & needed) != needed)
		return -EPERM;
	if (!gained || set_capabilities(caps, needed))
		err = enter(fd);
	if (gained)
		drop(job);
	return err;
}

static int enter_private(const struct job *job)
{
	int err = enter_with(job, NEEDED_PRIVATE, -1);

	return err ? err : netns_is_private(job->host) ? NETNS_ENTERED : -EIO;
}

/* Nobody comes out of one by going into another. */
static int enter_named(const struct job *job)
{
	int fd = netns_open(job->netns);
	uint64_t here = netns_own();
	uint64_t there;
	int err = 0;

	if (fd < 0)
		return fd;
	there = netns_inode(fd);
	if (there != here)
		err = here && here == job->host ? enter_with(job, NEEDED_NAMED, fd) : -EXDEV;
	sys_close(fd);
	return err ? err : netns_own() == there ? NETNS_ENTERED : -EIO;
}

/* Returns what the helper is told. */
static int put_into_netns(struct job *job)
{
	int found = decide(job);

	if (found <= 0)
		return found;
	return str_equal(job->netns, NETNS_PRIVATE) ? enter_private(job) : enter_named(job);
}

void helper_main(uintptr_t *stack)
{
	uintptr_t argc = stack[0];
	char **envp = (char **)(stack + argc + 2);
	struct job job = { .argv = (char *const *)(stack + 1) };
	uint64_t limit[2] = { 0, 0 };
	const char *next = NETSHIM_HELPER;
	char text[REQUEST_MAX];

	if (!argc || !request_read(&job.request, envp[0], job.run) || !envp[1])
		fail(EXIT_REFUSED, "netshim-netns", "",
		     "it is for libnetshim.so and netshim-helper, not to be run by hand");
	job.path = envp[1];
	job.request.netns = put_into_netns(&job);
	if (no_descriptor_free(job.request.netns) && process_raise_descriptors(limit))
		job.request.netns = put_into_netns(&job);
	if (has_gained())
		drop(&job);
	process_lower_descriptors(limit);
	if (job.request.netns == -EPERM && may_gain_again(job.request.tries)) {
		job.request.netns = 0;
		job.request.tries = 1;
		next = NETSHIM_NETNS;
	}
	request_write(&job.request, text);
	envp[0] = text;
	sys_execve(next, job.argv, envp);
	fail(EXIT_REFUSED, job.path, "",
	     "cannot execute " NETSHIM_HELPER " or " NETSHIM_NETNS "; install netshim again");
}
