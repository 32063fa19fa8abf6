/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The checks of `netshim doctor`: each looks at one thing, and tells what it has found and
 * what to do about it. */

#ifndef NETSHIM_DOCTOR_H
#define NETSHIM_DOCTOR_H

#include "conf/contract/rules.h"
#include "conf/language/ruleset.h"

#include <sys/types.h>

enum result { RESULT_OK, RESULT_UNSEEN, RESULT_NOTE, RESULT_FAULT };

struct finding {
	enum result result;
	const char *text;
	const char *to_do; /* or NULL */
};

/* What the checks look at. */
struct doctor {
	bool root;	     /* that of the machine: in a user namespace, root is nobody */
	struct rules *rules; /* in force, or NULL, */
	char *rules_wrong;   /* and why, where that is not because netshim is not up */
	struct ruleset *set; /* the configuration in force, or NULL: root alone can read it */
	pid_t caller;	     /* who has started this command: a shell */
	const char *preload; /* LD_PRELOAD as it has come from there, or NULL */

	const char *program; /* a file, where one is asked about, or a unit's name, */
	bool unit;
	char **arguments; /* what it is started with, behind a first word, or NULL */
	struct rules_slot rule;
	struct rules_class record;
	char class[CLASS_NAME_MAX + 1]; /* and what is found of it: "" is none */
	bool unseen;			/* it could not be looked at, so nobody knows */
	const struct endpoint *to;	/* where a packet is to go, or NULL */
	int protocol;

	struct finding *findings; /* of the check that is under way */
	size_t finding_count;
};

struct check {
	const char *name;
	void (*look)(struct doctor *doctor);
};

/* Those of one subject. */
struct checks {
	const char *subject;
	const struct check *items; /* up to one without a name */
};

extern const struct check checks_kernel[];
extern const struct check checks_helper[];
extern const struct check checks_session[];
extern const struct check checks_rules[];
extern const struct check checks_network[];
extern const struct check checks_namespaces[];
extern const struct check checks_neighbours[];
extern const struct check checks_program[];
extern const struct check checks_unit[];

/* Those that a program's way depends on as well. */
void look_at_hierarchy(struct doctor *doctor);
void look_at_helper(struct doctor *doctor);
void look_at_capability(struct doctor *doctor);
void look_at_privileges(struct doctor *doctor);
void look_at_shell(struct doctor *doctor);

/* Whether the table in the network namespace that this is in is as it was loaded (table.h);
 * returns false where nobody can tell. */
bool doctor_compare_table(struct doctor *doctor, const char *class, const char *place);

#define DOCTOR_BRING_UP "bring the interface up, and give it its address; if it has both, run 'netshim reload' as root"

/* NULL where there is none. */
const struct class *doctor_class(const struct doctor *doctor, const char *name);

#define DOCTOR_SILENT_FILES "look at what serves that file system, or unmount it (umount -l)"
#define DOCTOR_DESCRIPTORS "end what uses so many descriptors or processes, or raise the limit (ulimit)"

/* Tells that nobody knows the class of a program that could not be looked at. Returns whether it is so. */
bool doctor_class_is_unknown(struct doctor *doctor);

/* What a packet to doctor->to would meet in the class. */
void look_at_packet(struct doctor *doctor);

/* Tells of something; what is to be done is NULL where nothing is. */
__attribute__((format(printf, 4, 5))) void doctor_tell(struct doctor *doctor, enum result result, const char *to_do,
						       const char *format, ...);

/* Tells whether this is the user namespace of the machine. In another one, capabilities are over
 * nothing of it (get_vfs_caps_from_disk and cap_capable in the kernel). */
bool doctor_is_in_first_namespace(void);

/* Tells that it takes root to see something. Returns whether this is not root. */
bool doctor_is_blind(struct doctor *doctor, const char *what);

/* Some things of one kind, of which the first few are named. Begins with zeros. */
struct named {
	size_t count;
	char *text;
};
void named_add(struct named *named, const char *name);

#endif
