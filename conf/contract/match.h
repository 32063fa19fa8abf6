/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Which rule a program falls under: the one piece of code that the shim, the
 * helper and `netshim which` share, so that they cannot disagree.
 *
 * A program is known by the names that lead to it. Its path is made absolute
 * and free of symlinks in its directories; if the last name is itself a symlink,
 * that name counts, and so does every further one up to the file. The first
 * name with a rule of its own wins; then the longest tree, which holds what it
 * leads to by the links of folders, too; then, for a script, the same for its
 * interpreter. Names are used and not inodes because a package
 * upgrade replaces the inode under a name without asking anybody.
 *
 * All functions are async-signal-safe, leave errno alone and need about 1.5 KiB
 * of stack, or 5 KiB for paths of more than some 500 bytes. */

#ifndef NETSHIM_MATCH_H
#define NETSHIM_MATCH_H

#include "conf/contract/rules.h"
#include "conf/contract/with.h"

/* The file that a match was made for. */
struct match_file {
	uint64_t device;
	uint64_t inode;
	/* There was a symlink on the way, and one other than root may have it lead
	 * elsewhere by the time the kernel follows it. */
	bool swappable;
};

/* Tells whether that is the file at path, or what is open as dirfd. */
bool match_is(const struct match_file *file, int dirfd, const char *path, int flags);

/* Finds the rule for the program that execveat(dirfd, path, ..., flags) would
 * start. path must be readable memory. scripts says whether to look into the
 * file for an interpreter. Rules that are for other users do not count.
 * Returns 1 and fills in rule, 0 where there is none, or -errno where the path
 * leads nowhere, or (-EMFILE, -ENFILE) a file cannot be looked into, or (-EPERM) a
 * sandbox refuses the system calls that it takes to tell. file is for
 * whoever must know that the same is executed; NULL for others.
 *
 * It looks at no arguments: where the rule depends on them, it has the flag RULE_WITH,
 * and match_started tells which one it is, if any. */
int match_program(struct rules *rules, int dirfd, const char *path, int flags, bool scripts, struct rules_slot *rule,
		  struct match_file *file);

/* As match_program, for who has looked at the path (with AT_SYMLINK_NOFOLLOW) already. -ENODATA
 * where there is none, but a rule may have another file of that name. */
struct sys_file;
int match_seen(struct rules *rules, int dirfd, const char *path, int flags, bool scripts, struct rules_slot *rule,
	       struct match_file *file, const struct sys_file *seen);

/* How a program is started: by a path beneath dirfd, with arguments. */
struct match_start {
	int dirfd;
	const char *executed;
	struct with_arguments arguments;
};

/* As match_program, for what is so started and may have another path by now: rules by
 * argument count where they hold. */
int match_started(struct rules *rules, int dirfd, const char *path, int flags, bool scripts, struct rules_slot *rule,
		  const struct match_start *start);

/* The two in one: arguments are looked at where the rule depends on them. */
int match_with(struct rules *rules, int dirfd, const char *path, int flags, const struct match_start *start,
	       struct rules_slot *rule, struct match_file *file);

/* As match_with, for a program that is about to be executed with argv. Where its path may
 * lead elsewhere any moment, the rule is that for the very file that is open as *fd when
 * this returns, and *fd is left alone where it may not. */
int match_open(struct rules *rules, int dirfd, const char *path, int flags, char *const *argv, struct rules_slot *rule,
	       int *fd);

/* How much of a file the kernel looks at to tell what it is, and one byte for the
 * terminator. */
#define MATCH_HEAD (256 + 1)

#define MATCH_SCRIPTS_MAX 5 /* as many interpreters as the kernel follows */

/* Reads the head of the regular file at path (dirfd itself where that is empty; it may lie
 * in head), at most size - 1 bytes, and terminates it. Returns its length or -errno. */
long match_read_head(int dirfd, const char *path, char *head, size_t size);

/* The same of what may be anything, as a script's interpreter: 0 where it is no regular file. The
 * kernel executes no others (may_open in fs/namei.c), and so nothing is taken out of a pipe. */
long match_read_regular(const char *path, char *head, size_t size);

/* Returns the interpreter that a script's head names, terminated in place, or
 * NULL where it is no script. */
char *match_interpreter(char *head);

/* The head of a program in which its interpreter is named, usually. */
#define MATCH_ELF_HEAD 1024

/* Finds the program interpreter (the dynamic loader) of a native ELF file in that
 * file's head, aligned as its header is. Returns 1, 0 where the file has none, -1
 * where the head does not tell and the kernel has to. */
int match_elf_interpreter(const char *head, size_t size, const char **interpreter);

/* Tells whether the program (or dirfd, where path is empty), or the interpreter of a
 * script, surely has no dynamic loader. */
bool match_is_static(int dirfd, const char *path);

#endif
