/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The contract between the command, the shim and the helper: where things are,
 * the compiled rules file and its bounded reader, and the request with which
 * the shim starts the helper.
 *
 * The rules file is written by `netshim up` and `netshim reload` (compile.c) and
 * replaced by rename, so an open file never changes. Readers trust no offset in
 * it: whatever it holds, they stay inside it, and they read with pread, never
 * through a mapping, because a mapped file that is cut short kills its reader
 * with SIGBUS. Numbers are native-endian: the file never leaves the machine.
 *
 *     header | names | slots | classes | users | arguments | strings
 *
 * There is no time to read all of it before a program starts. So each record ends
 * with a checksum of its own, and damage is noticed when the record is read.
 *
 * The names are a Bloom filter of the last names of all paths: for nearly every
 * program it says at once that no rule is about it. The slots are an open-addressing
 * hash table (linear probing, at most half full) of the canonical paths. A path that
 * ends in '/' is a tree, whose last name ends so too. A path that has rules for some
 * arguments only leads to them: a few records one after another, by which comes first.
 *
 * Users may have a say in which paths there are, so every hash has a key, which is
 * drawn anew for each file: nobody can choose paths that get into others' way.
 *
 * A library may be in a process for months, so files and readers of different versions
 * meet. This holds in all of them:
 *
 *  - The header and the names have this form, the hash is this one, and the strings are
 *    strings.
 *  - What is not used yet is zeros, which no reader looks at: what comes there is what
 *    may be ignored. What may not has a flag of the rule or of the class.
 *  - The header says which versions can read slots, classes and users. To others, each
 *    path whose last name may be that of a rule has one, of which nothing more is known.
 *
 * The library asks the helper about a rule that it does not understand, because of such
 * a flag or such a header. What the helper does not understand either, it treats as what
 * cannot be classified. */

#ifndef NETSHIM_RULES_H
#define NETSHIM_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Set by the Makefile. */
#ifndef NETSHIM_RUNDIR
#define NETSHIM_RUNDIR "/run/netshim"
#endif
#ifndef NETSHIM_HELPER
#define NETSHIM_HELPER "/usr/local/libexec/netshim-helper"
#endif
#ifndef NETSHIM_NETNS
#define NETSHIM_NETNS "/usr/local/libexec/netshim-netns"
#endif
#ifndef NETSHIM_UNIT
#define NETSHIM_UNIT "/usr/local/libexec/netshim-unit"
#endif
#ifndef NETSHIM_GROUP
#define NETSHIM_GROUP "netshim"
#endif
#define RULES_PATH NETSHIM_RUNDIR "/rules"

/* Where netshim mounts the net_cls hierarchy. Whatever others mount elsewhere is the
 * same one, but may go at any time, and what is beneath /sys is hidden by
 * `ip netns exec`. */
#define CGROUP_MOUNT NETSHIM_RUNDIR "/net_cls"

#define RULES_MAGIC UINT64_C(0x314d4948535445e4)
#define RULES_VERSION 8
#define RULES_OLDEST 5	/* the oldest version whose files this one can read */
#define RULES_READERS 5 /* the oldest version that can read those of this one */
#define RULES_LINKS 6	/* the oldest whose helper follows the links of folders in trees */

#define CLASS_NAME_MAX 64
#define NETNS_NAME_MAX 64 /* a network namespace's */
#define RULE_PATH_MAX 4096
#define RULES_PROBES_MAX 128 /* where there would be more, the file gets another key */
#define RULES_PROBES_AT_ONCE 4

/* Exit codes of the helper and of `netshim run`, as env(1) and timeout(1) have
 * them. */
enum { EXIT_REFUSED = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

struct rules_header {
	uint64_t magic;
	uint32_t version; /* of the command that has made it */
	uint32_t readers; /* the oldest version that can read it */
	uint64_t file_size;
	uint64_t key[2];
	uint64_t tree_depths; /* bit n: some tree rule has n+1 slashes; none has more than 64 */
	uint64_t slot_count;  /* a power of two */
	uint64_t slots;	      /* offsets from the start of the file */
	uint64_t classes;
	uint64_t users;
	uint64_t user_count;
	uint64_t strings;
	uint64_t strings_size;
	uint32_t names_count; /* they begin where the header ends */
	uint32_t rule_count;
	uint64_t cgroup_namespace; /* its inode; in another namespace, /proc shows other groups */
	uint64_t body_hash;	   /* of all that follows the header */
	uint32_t config;	   /* string: the configuration that this is made from */
	uint32_t class_count;
	uint64_t network_namespace; /* its inode: there are the packet rules (0: unknown) */
	uint32_t with_count;	    /* of the rules by argument, which begin where the users end */
	uint32_t unused[1];
	uint64_t checksum;
};

/* One of names_count parts of the filter. A name's hash says which one it is in, and
 * which RULES_NAME_BITS of that are set. */
struct rules_names {
	uint64_t bits[7];
	uint64_t checksum;
};

#define RULES_NAME_BITS 3
#define RULES_NAMES_EACH 32 /* so that of 150 other names, one is taken for one of them */
#define RULES_NAMES_MAX 65536
#define RULES_NAMES_READ 4 /* so many are read with the header */

/* A list of users: count entries from the users array. An empty list is
 * everybody. */
struct rules_users {
	uint32_t first;
	uint32_t count;
};

struct rules_user {
	uint32_t id;
	uint32_t is_group;
	uint64_t checksum;
};

#define RULES_CLASS_NONE UINT32_MAX /* the rule says `class = none` */

/* The flags that are known here. RULE_WITH is none of them: it is on a rule as long as
 * nobody has looked at the arguments, or could. Then the helper is to tell. */
#define RULE_FLAGS 0u
#define RULE_WITH 1u
#define CLASS_FLAGS ((uint32_t)(CLASS_LOCK | CLASS_ON_ERROR_ALLOW | CLASS_NETNS))
enum { CLASS_LOCK = 1, CLASS_ON_ERROR_ALLOW = 2, CLASS_NETNS = 4 };

/* Not a namespace's name: an empty one of its own for each program that is started. */
#define NETNS_PRIVATE "private"

/* One rule, or all zeros in a free slot. Strings are offsets into the strings,
 * terminated there. */
struct rules_slot {
	uint64_t hash;
	uint32_t path;
	uint32_t path_size; /* bytes, without the terminator */
	uint32_t class_index;
	struct rules_users users;
	uint32_t written; /* string: the path as the configuration has it */
	uint32_t file;	  /* string: the configuration file */
	uint32_t line;
	uint32_t flags;
	uint32_t with;	     /* of RULE_WITH: the first of its rules by argument; where one of them is in */
	uint32_t with_count; /* its place, string: the argument that it asks for, as it is written */
	uint32_t unused[1];
	uint64_t checksum;
};

/* What a rule by argument asks for, by which comes first: a file that one of them names, a
 * text, a pattern (where longer ones come first), or nothing. */
enum with_kind { WITH_FILE, WITH_TEXT, WITH_PATTERN, WITH_ANY };
#define WITH_PATTERN_MAX 256

struct rules_with {
	uint64_t hash;
	uint32_t text; /* string: the file's canonical path, the text, the pattern */
	uint32_t text_size;
	uint32_t kind;
	uint32_t name_size; /* of a file: bytes in its last name */
	uint32_t class_index;
	struct rules_users users;
	uint32_t written; /* these as in a slot */
	uint32_t file;
	uint32_t line;
	uint32_t given; /* string: the argument as the configuration has it */
	uint32_t unused[1];
	uint64_t checksum;
};

struct rules_class {
	char name[CLASS_NAME_MAX + 4];
	uint32_t classid;
	uint32_t flags;
	struct rules_users users;
	uint32_t netns; /* string: the network namespace that its programs are in, or NETNS_PRIVATE; 0 is none */
	uint32_t unused[4];
	uint64_t checksum;
};

/* 32-bit and 64-bit programs read the same file. */
_Static_assert(sizeof(struct rules_header) == 160 && sizeof(struct rules_names) == 64 &&
		       sizeof(struct rules_slot) == 64 && sizeof(struct rules_class) == 112 &&
		       sizeof(struct rules_user) == 16 && sizeof(struct rules_with) == 64,
	       "the layout of the rules file");

static inline bool rules_understood(uint32_t rule_flags, uint32_t class_flags)
{
	return !(rule_flags & ~RULE_FLAGS) && !(class_flags & ~CLASS_FLAGS);
}

/* Tells whether this version can read slots, classes and users. */
static inline bool rules_readable(const struct rules_header *header)
{
	return header->readers <= RULES_VERSION && header->version >= RULES_OLDEST;
}

/* An open rules file. */
struct rules {
	int fd;
	bool damaged; /* something that was read is not what was written, or cannot be read: */
	bool refused; /* a sandbox refuses it */
	bool real;    /* the caller counts as its real user and group, not its effective ones */
	/* Which file it is, where it was opened with trusted set: a later one may have the
	 * number of one that is gone. */
	uint64_t inode;
	uint64_t changed;
	struct rules_header header;
	struct rules_names names[RULES_NAMES_READ]; /* where there are fewer, what follows them */
};

/* Opens RULES_PATH and checks its header. Returns 0, or -errno: -ENOENT where there
 * is none (netshim is down), -EBADMSG where it is no rules file or damaged, -EACCES
 * where this file is closed to the process, -EPERM where a sandbox refuses the system
 * calls that it takes to open and read one; and where trusted is asked for, -EOVERFLOW
 * where it is not root's, as in a user namespace that has no number for root, -ETXTBSY
 * where others may write to it. Whoever opens it with trusted unset must act for nobody
 * but itself. The functions below find nothing in a damaged record, and set rules->damaged.
 *
 * All functions here are async-signal-safe and leave errno alone. */
int rules_open(struct rules *rules, bool trusted);
int rules_open_file(struct rules *rules, const char *path, bool trusted);
void rules_close(struct rules *rules);

/* Tells whether there is a rules file, for who cannot open it. */
bool rules_are_there(void);

/* The hash of a string in a file with that header. */
uint64_t rules_hash(const struct rules_header *header, const void *string, size_t size);

/* Where in the table a hash belongs. */
static inline uint64_t rules_slot_index(uint64_t hash, uint64_t slot_count)
{
	return hash & (slot_count - 1);
}

/* Which of the names' parts a hash belongs to, and which its bits are there. */
static inline uint64_t rules_names_index(uint64_t hash, uint64_t names_count)
{
	return (hash >> 48) * names_count >> 16;
}

static inline uint64_t rules_name_bit(uint64_t hash, unsigned i)
{
	return (hash >> 16 * i & 0xffff) * (sizeof(((struct rules_names *)NULL)->bits) * 8) >> 16;
}

/* The checksum of a header or record of that size, with which it ends. */
uint64_t rules_checksum(const struct rules_header *header, const void *record, size_t size);

/* Where the last name of a path begins. */
static inline size_t rules_name_at(const char *path, size_t size)
{
	size_t at = size - 1;

	while (at && path[at - 1] != '/')
		at--;
	return at;
}

/* Tells whether some rule's path may end in that name. No is certain. */
bool rules_may_name(struct rules *rules, const char *name, size_t size);

/* Finds the rule whose canonical path is exactly these size bytes. In a file that cannot
 * be read, it is one that is not understood, for whatever may have a rule there. */
bool rules_find(struct rules *rules, const char *path, size_t size, struct rules_slot *slot);

/* Reads one of the rules by argument. */
bool rules_with(struct rules *rules, uint32_t index, struct rules_with *with);

/* Tells whether its text is these size bytes. */
bool rules_with_is(struct rules *rules, const struct rules_with *with, const char *text, size_t size);

/* Reads one class, of a file that can be read; name, where not NULL, receives its name. */
bool rules_class(struct rules *rules, uint32_t index, struct rules_class *class, char name[CLASS_NAME_MAX + 1]);

/* What has become of the rules (opened with trusted set) since they were read, for a process that was moved into
 * that class ("" is none) by them: they are the same; others; or others which close the
 * class to the caller. */
enum rules_since { RULES_SAME, RULES_OTHERS, RULES_FORBID };
enum rules_since rules_since(const struct rules *rules, const char *class);

/* Finds a class by its name. */
bool rules_class_named(struct rules *rules, const char *name, uint32_t *index, struct rules_class *class);

/* Copies a string out of the file; false where it does not fit or does not end
 * there. */
bool rules_string(struct rules *rules, uint32_t offset, char *buf, size_t size);

/* Tells whether the calling process (effective user, all its groups) is on the
 * list. */
bool rules_users_include_caller(struct rules *rules, const struct rules_users *users);

/* A class name: [A-Za-z0-9_-]{1,64}. */
bool class_name_valid(const char *name);

/* The request. The helper gets the target's own argv; its environment is the
 * target's with two strings before it:
 *
 *     NETSHIM_REQUEST=1 <verb> <dirfd> <flags> <cloexec> <pdeathsig> <parent> <personality> <tries> <stack> <unsure>
 * <netns> <loader> <the path exactly as the caller gave it>
 *
 * The verb is "exec", "start" from a program at its own start (which so has the shim
 * in it), or "run:CLASS" from `netshim run`. All else are decimal:
 * dirfd and flags are execveat's (dirfd AT_FDCWD is written 4294967196), cloexec
 * says that dirfd was close-on-exec, and the rest is what a set-capability exec
 * takes from a process and the helper gives back: the parent death signal (and
 * whose), the personality, the soft RLIMIT_STACK; unsure says that the library does not
 * understand the rule; netns is what netshim-netns says to the helper. loader, where it is
 * not 0, makes the first number 2, and is 1 more than a descriptor: of the loader that the
 * program is run with by hand, and which is executed in the program's place, with argv as
 * for it. Nothing in it is trusted: each is something the caller could do to itself.
 *
 * A later version may append numbers, which an earlier one passes over, and to which it
 * is 0 where one is missing. What must not be passed over makes the first number higher,
 * in those requests alone that ask for it. */
#define REQUEST_NAME "NETSHIM_REQUEST="
#define REQUEST_VERSION "1 "
#define REQUEST_VERSION_LOADER "2 "
#define REQUEST_STRINGS 2
#define REQUEST_MAX 256

struct request {
	const char *run; /* the class of `netshim run`, or NULL */
	bool start;
	bool cloexec;
	int dirfd;
	int flags;
	int pdeathsig;
	int parent; /* the process that pdeathsig is about */
	uint32_t personality;
	uint32_t tries;	 /* how often the helper has started itself again */
	uint32_t loader; /* the descriptor of the one to be run with the program, and 1 more; or 0 */
	uint64_t stack;
	bool unsure; /* the library does not understand the rule */
	int netns;   /* what has come of entering a network namespace: or 0, where nobody has tried */
};

#define NETNS_ENTERED 1 /* else -errno */

/* Writes a request into buf (it always fits), or reads one back; false where it
 * is none. request_read copies the class name of a `run:` into name. */
void request_write(const struct request *request, char buf[REQUEST_MAX]);
bool request_read(struct request *request, const char *text, char name[CLASS_NAME_MAX + 1]);

/* Tells whether a request that cannot be read is another version's. */
bool request_is_foreign(const char *text);

/* Fills in the state of the calling process: parent death signal and parent,
 * personality, stack limit. */
void request_state(struct request *request);

/* Gives it back, after the set-capability exec that has taken it (commit_creds and
 * begin_new_exec in the kernel). None of it needs privilege. */
void request_restore(const struct request *request);

/* What the helper puts before the environment of a program that it starts unclassified
 * (on-error = allow), or by an unsure request, followed by the process id: the shim in
 * that program takes it out and does not ask the helper again. */
#define DECIDED_NAME "NETSHIM_DECIDED="

#endif
