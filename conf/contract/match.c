/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The walk along a program's names: see match.h. */

#include "conf/contract/match.h"

#include "conf/contract/process.h"
#include "conf/contract/sys.h"
#include "conf/contract/walk.h"

#include <elf.h>
#include <link.h>
#include <string.h>

static long read_head_at(int dirfd, const char *path, char *head, size_t size)
{
	int fd = sys_open_to_read(dirfd, path, 0);
	long n;

	if (fd < 0)
		return fd;
	n = sys_read(fd, head, size - 1);
	if (n <= 0) /* as a sandbox has it */
		n = sys_pread(fd, head, size - 1, 0);
	sys_close(fd);
	return n;
}

long match_read_head(int dirfd, const char *path, char *head, size_t size)
{
	char link[PROCESS_FD_LINK_MAX];
	long n;

	if (*path) {
		n = read_head_at(dirfd, path, head, size);
	} else {
		n = sys_pread(dirfd, head, size - 1, 0);
		/* Open to be executed only (O_PATH, or O_WRONLY), or a sandbox refuses it. */
		if (n < 0)
			n = read_head_at(AT_FDCWD, process_fd_link(link, dirfd), head, size);
	}
	head[n < 0 ? 0 : n] = '\0';
	return n;
}

char *match_interpreter(char *head)
{
	char *start = head + 2;
	char *end;

	if (head[0] != '#' || head[1] != '!')
		return NULL;
	while (*start == ' ' || *start == '\t')
		start++;
	for (end = start; *end && *end != ' ' && *end != '\t' && *end != '\n'; end++)
		;
	*end = '\0';
	return end > start ? start : NULL;
}

int match_elf_interpreter(const char *head, size_t size, const char **interpreter)
{
	const ElfW(Ehdr) *elf = (const void *)head;

	for (unsigned i = 0; i < elf->e_phnum; i++) {
		uint64_t at = elf->e_phoff + (uint64_t)i * sizeof(ElfW(Phdr));
		ElfW(Phdr) part;

		if (at > size - sizeof(part))
			return -1;
		memcpy(&part, head + at, sizeof(part));
		if (part.p_type != PT_INTERP)
			continue;
		*interpreter = head + part.p_offset;
		return part.p_offset > size || part.p_filesz < 2 || part.p_filesz > size - part.p_offset ||
				       head[part.p_offset + part.p_filesz - 1]
			       ? -1
			       : 1;
	}
	return 0;
}

long match_read_regular(const char *path, char *head, size_t size)
{
	struct sys_file file;

	return sys_stat(AT_FDCWD, path, 0, &file) || !S_ISREG(file.mode) ? 0
									 : match_read_head(AT_FDCWD, path, head, size);
}

bool match_is_static(int dirfd, const char *path)
{
	_Alignas(ElfW(Ehdr)) char head[MATCH_ELF_HEAD] = "";
	const ElfW(Ehdr) *elf = (const void *)head;
	const char *interpreter;
	char copy[MATCH_HEAD];
	long n = match_read_head(dirfd, path, head, sizeof(head));

	for (unsigned depth = 0; n > 0 && depth < MATCH_SCRIPTS_MAX && !str_after(head, ELFMAG); depth++) {
		char *end = copy;

		head[n < MATCH_HEAD ? n : MATCH_HEAD - 1] = '\0';
		interpreter = match_interpreter(head);
		if (!interpreter)
			return false;
		str_append(&end, copy + sizeof(copy), interpreter);
		n = match_read_regular(copy, head, sizeof(head));
	}
	return n >= (long)sizeof(*elf) && str_after(head, ELFMAG) && head[EI_CLASS] == ELFCLASS64 &&
	       elf->e_phentsize == sizeof(ElfW(Phdr)) && !match_elf_interpreter(head, (size_t)n, &interpreter);
}

/* A program that a rule is looked for. */
struct search {
	struct walk walk;
	unsigned depth;			 /* how many scripts lead to where the walk is */
	const struct match_start *start; /* NULL: rules by argument are left as they are */
};

/* What a script's head gives to its interpreter besides the script, terminated in place;
 * NULL where that is nothing. */
static char *interpreter_argument(char *head)
{
	char *end = head;
	char *at = head + 2;

	while (*end && *end != '\n')
		end++;
	while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = '\0';
	while (*at == ' ' || *at == '\t')
		at++;
	while (*at && *at != ' ' && *at != '\t')
		at++;
	while (*at == ' ' || *at == '\t')
		at++;
	return at < end ? at : NULL;
}

static void put_first(struct with_arguments *a, const char *text, int folder)
{
	memmove(a->leads + 1, a->leads, a->lead_count++ * sizeof(a->leads[0]));
	a->leads[0] = (struct with_argument){ text, str_len(text), folder };
}

/* The kernel starts an interpreter with what is in the script's first line and the script's
 * path before the other arguments (load_script). */
__attribute__((noinline)) static bool choose_for_script(struct rules *rules, const struct search *s,
							struct rules_slot *rule)
{
	struct with_arguments arguments = s->start->arguments;
	const char *path = s->start->executed;
	int dirfd = s->start->dirfd;
	char heads[MATCH_SCRIPTS_MAX][MATCH_HEAD];

	for (unsigned i = 0; i < s->depth; i++) {
		const char *argument;

		/* By now it may be another file, or none. */
		if (match_read_head(dirfd, path, heads[i], sizeof(heads[i])) < 2)
			return true;
		put_first(&arguments, path, dirfd);
		argument = interpreter_argument(heads[i]);
		if (argument)
			put_first(&arguments, argument, arguments.folder);
		path = match_interpreter(heads[i]);
		dirfd = AT_FDCWD;
		if (!path)
			return true;
	}
	return with_choose(rules, &arguments, rule);
}

static bool choose(struct rules *rules, const struct search *s, struct rules_slot *rule)
{
	return s->depth ? choose_for_script(rules, s, rule) : with_choose(rules, &s->start->arguments, rule);
}

static bool rule_applies(struct rules *rules, const struct search *s, struct rules_slot *rule)
{
	return rules_users_include_caller(rules, &rule->users) &&
	       (!s->start || !(rule->flags & RULE_WITH) || choose(rules, s, rule));
}

/* Of the trees that hold the resolved path, and of the one that *tree says is in rule already, the
 * longest. */
static void find_tree(struct rules *rules, const struct search *s, struct rules_slot *rule, bool *tree)
{
	const struct walk *w = &s->walk;
	struct rules_slot found;
	unsigned depth = 0;

	for (size_t i = 0; i < w->done && depth < 64; i++) {
		if (w->buf[i] != '/' || !(rules->header.tree_depths >> depth++ & 1))
			continue;
		if (rules_find(rules, w->buf, i + 1, &found) && (!*tree || found.path_size > rule->path_size) &&
		    rule_applies(rules, s, &found)) {
			*rule = found;
			*tree = true;
		}
	}
}

/* What a folder's link leads to is in the trees that the link is in. What ".." takes out of there
 * again is not: it would be whatever its user likes. */
static void find_tree_of_link(struct rules *rules, const struct search *s, struct rules_slot *rule, bool *tree)
{
	if (walk_leaves(&s->walk))
		*tree = false;
	else
		find_tree(rules, s, rule, tree);
}

/* The rule of the resolved path's own. */
static bool find_own(struct rules *rules, const struct search *s, struct rules_slot *rule)
{
	struct rules_slot found;

	if (!rules_find(rules, s->walk.buf, s->walk.done, &found) || !rule_applies(rules, s, &found))
		return false;
	*rule = found;
	return true;
}

/* Walks to the file. Returns 1 at the first name with a rule of its own. Returns 0 at
 * the file; then *tree tells whether rule is that of the tree in which the first name
 * lies. */
static int walk_names(struct rules *rules, struct search *s, struct rules_slot *rule, bool *tree)
{
	bool look_for_tree = rules->header.tree_depths;

	for (;;) {
		int next = walk_next(&s->walk);
		int err;

		if (next < 0 || next == WALK_END)
			return next < 0 ? next : 0;
		if (next == WALK_LAST && find_own(rules, s, rule))
			return 1;
		if (next == WALK_LAST && look_for_tree) {
			find_tree(rules, s, rule, tree);
			look_for_tree = !*tree;
		}
		err = walk_look(&s->walk);
		/* Who decides otherwise than the helper would have it execute the program again and again. */
		if (!err && look_for_tree && next != WALK_LAST && S_ISLNK(s->walk.mode) &&
		    rules->header.version >= RULES_LINKS)
			find_tree_of_link(rules, s, rule, tree);
		if (!err)
			err = walk_enter(&s->walk);
		if (err)
			return err;
	}
}

/* Starts the walk anew at the interpreter of the script it has come to. Returns
 * 1, 0 where the file is no script, or -errno. */
static int go_to_interpreter(struct walk *w)
{
	char head[MATCH_HEAD];
	const char *interpreter;
	int err;

	if (!S_ISREG(w->mode))
		return 0;
	err = (int)match_read_head(AT_FDCWD, w->buf, head, sizeof(head));
	if (err <= 0)
		return no_descriptor_free(err) ? err : 0;
	interpreter = match_interpreter(head);
	if (!interpreter)
		return 0;
	err = walk_start(w, AT_FDCWD, interpreter, str_len(interpreter));
	return err ? err : 1;
}

/* Fills in the file that the walk has come to. A rule for a symlink's own name
 * counts, whatever the link leads to. */
static void note_file(const struct walk *w, int dirfd, const char *path, struct match_file *file)
{
	struct sys_file found;
	bool changeable = w->changeable;

	if (!w->links)
		return;
	if (*path != '/' && !sys_stat(dirfd, ".", 0, &found))
		changeable = changeable || file_others_may_change(&found);
	if (!changeable)
		return;
	*file = (struct match_file){ .swappable = true };
	if (sys_stat(AT_FDCWD, w->buf, AT_SYMLINK_NOFOLLOW, &found))
		return;
	if (S_ISLNK(found.mode))
		file->swappable = false;
	file->device = found.device;
	file->inode = found.inode;
}

bool match_is(const struct match_file *file, int dirfd, const char *path, int flags)
{
	struct sys_file found;

	return !sys_stat(dirfd, path, flags, &found) && found.device == file->device && found.inode == file->inode;
}

/* A descriptor's path, and a link of /proc's, may be those of another mount namespace,
 * and lead to another file here. */
static bool leads_there(const struct walk *w, int dirfd, const char *path, int flags)
{
	struct sys_file named;
	struct sys_file meant;

	return sys_stat(AT_FDCWD, w->buf, 0, &named) || sys_stat(dirfd, path, flags & AT_EMPTY_PATH, &meant) ||
	       sys_same_file(&named, &meant);
}

static int match_in(struct search *s, struct rules *rules, int dirfd, const char *path, int flags, bool scripts,
		    struct rules_slot *rule, struct match_file *file)
{
	struct walk *w = &s->walk;
	bool by_fd = !*path && (flags & AT_EMPTY_PATH);
	int ret = by_fd ? walk_start_with_fd(w, dirfd) : walk_start(w, dirfd, path, str_len(path));

	for (s->depth = 0; !ret; s->depth++) {
		bool tree = false;

		ret = walk_names(rules, s, rule, &tree);
		if (file && !s->depth)
			note_file(w, dirfd, path, file);
		if (!s->depth && ret >= 0 && (by_fd || w->through_proc) && !leads_there(w, dirfd, path, flags))
			return 0;
		/* What lies in a tree is in it even if it cannot be looked at. */
		if (ret > 0 || (tree && ret != -ENAMETOOLONG))
			return 1;
		if (ret < 0 || !scripts || s->depth == MATCH_SCRIPTS_MAX)
			break;
		ret = go_to_interpreter(w);
		if (ret <= 0)
			break;
		ret = 0;
	}
	return ret;
}

__attribute__((noinline)) static int match_large(struct rules *rules, int dirfd, const char *path, int flags,
						 bool scripts, struct rules_slot *rule, struct match_file *file,
						 const struct match_start *start)
{
	char buf[WALK_LARGE];
	struct search s = { .walk = { .buf = buf, .end = sizeof(buf) - 1 }, .start = start };

	return match_in(&s, rules, dirfd, path, flags, scripts, rule, file);
}

__attribute__((noinline)) static int match_small(struct rules *rules, int dirfd, const char *path, int flags,
						 bool scripts, struct rules_slot *rule, struct match_file *file,
						 const struct match_start *start)
{
	char buf[WALK_SMALL];
	struct search s = { .walk = { .buf = buf, .end = sizeof(buf) - 1 }, .start = start };

	return match_in(&s, rules, dirfd, path, flags, scripts, rule, file);
}

/* Where the last name in a path begins; NULL where that takes a walk to tell. */
static const char *last_name(const char *path)
{
	const char *name = path;

	for (const char *c = path; *c; c++)
		if (*c == '/')
			name = c + 1;
	return !*name || str_equal(name, ".") || str_equal(name, "..") ? NULL : name;
}

/* Puts what the symlink at path leads to into buf, where path may lie, and sets
 * changeable, where that is asked for, if others than root may change its folder. */
static bool skim_link(const char *path, char buf[WALK_SMALL], bool *changeable)
{
	size_t folder = (size_t)(last_name(path) - path);
	size_t gap = str_len(path) + 1;
	char first = path[folder];
	long n;

	if (gap >= WALK_SMALL)
		return false;
	memmove(buf, path, gap);
	if (changeable) {
		struct sys_file file;

		buf[folder] = '\0';
		if (sys_stat(AT_FDCWD, folder ? buf : ".", 0, &file) || file_others_may_change(&file))
			*changeable = true;
		buf[folder] = first;
	}
	n = sys_readlink(buf, buf + gap, WALK_SMALL - gap);
	if (n <= 0 || (size_t)n == WALK_SMALL - gap)
		return false;
	if (buf[gap] == '/')
		folder = 0;
	memmove(buf + folder, buf + gap, (size_t)n);
	buf[folder + (size_t)n] = '\0';
	return true;
}

/* Puts a script's interpreter into buf, where path may lie. Returns 1, 0 where it is no
 * script, or -EMFILE or -ENFILE. */
static int skim_script(int dirfd, const char *path, char buf[WALK_SMALL])
{
	long n = match_read_head(dirfd, path, buf, MATCH_HEAD);
	const char *interpreter = n > 0 ? match_interpreter(buf) : NULL;

	if (interpreter)
		memmove(buf, interpreter, str_len(interpreter) + 1);
	return no_descriptor_free(n) ? (int)n : interpreter != NULL;
}

/* Goes from one last name to the next without a look at the folders. Returns 0 where no
 * rule has any of them, 1 where the walk must tell, or -EMFILE or -ENFILE. Most
 * programs have but one: that costs them a single question about a file. */
__attribute__((noinline)) static int skim(struct rules *rules, int dirfd, const char *path, bool scripts,
					  struct match_file *skimmed, const struct sys_file *seen)
{
	char buf[WALK_SMALL];
	bool changeable = false;
	unsigned links = 0;
	unsigned depth = 0;

	/* Which folder a file is in, only a walk tells. */
	if (rules->header.tree_depths)
		return 1;
	for (;;) {
		const char *name = last_name(path);
		struct sys_file file;
		int ret;

		if (!name || rules_may_name(rules, name, str_len(name)) ||
		    (!seen && sys_stat(dirfd, path, AT_SYMLINK_NOFOLLOW, &file)))
			return 1;
		if (seen)
			file = *seen;
		seen = NULL;
		if (S_ISLNK(file.mode)) {
			changeable = changeable || file_others_may_change(&file);
			if ((dirfd != AT_FDCWD && *path != '/') || ++links > WALK_LINKS_MAX ||
			    !skim_link(path, buf, skimmed ? &changeable : NULL))
				return 1;
		} else {
			if (skimmed)
				*skimmed = (struct match_file){ file.device, file.inode, changeable };
			ret = scripts && S_ISREG(file.mode) ? skim_script(dirfd, path, buf) : 0;
			if (ret <= 0 || depth++ == MATCH_SCRIPTS_MAX)
				return ret < 0 ? ret : 0;
			links = 0;
			dirfd = AT_FDCWD;
		}
		path = buf;
	}
}

int match_seen(struct rules *rules, int dirfd, const char *path, int flags, bool scripts, struct rules_slot *rule,
	       struct match_file *file, const struct sys_file *seen)
{
	int ret;

	/* Who executes the file wants a walk, and who runs it nothing but the file. */
	ret = file && scripts ? 1 : skim(rules, dirfd, path, scripts, file, seen);
	if (ret <= 0)
		return ret;
	if (file)
		*file = (struct match_file){ .swappable = false };
	ret = match_small(rules, dirfd, path, flags, scripts, rule, file, NULL);
	if (ret == -ENAMETOOLONG)
		ret = match_large(rules, dirfd, path, flags, scripts, rule, file, NULL);
	return ret ? ret : -ENODATA;
}

int match_program(struct rules *rules, int dirfd, const char *path, int flags, bool scripts, struct rules_slot *rule,
		  struct match_file *file)
{
	int found = match_seen(rules, dirfd, path, flags, scripts, rule, file, NULL);

	return found == -ENODATA ? 0 : found;
}

int match_started(struct rules *rules, int dirfd, const char *path, int flags, bool scripts, struct rules_slot *rule,
		  const struct match_start *start)
{
	int ret = match_small(rules, dirfd, path, flags, scripts, rule, NULL, start);

	return ret == -ENAMETOOLONG ? match_large(rules, dirfd, path, flags, scripts, rule, NULL, start) : ret;
}

int match_with(struct rules *rules, int dirfd, const char *path, int flags, const struct match_start *start,
	       struct rules_slot *rule, struct match_file *file)
{
	int found = match_program(rules, dirfd, path, flags, true, rule, file);

	return found > 0 && rule->flags & RULE_WITH ? match_started(rules, dirfd, path, flags, true, rule, start)
						    : found;
}

int match_open(struct rules *rules, int dirfd, const char *path, int flags, char *const *argv, struct rules_slot *rule,
	       int *fd)
{
	const struct match_start start = { dirfd, path, { .list = argv, .folder = AT_FDCWD } };
	struct match_file matched;
	int found = match_with(rules, dirfd, path, flags, &start, rule, &matched);

	if (!matched.swappable)
		return found;
	*fd = sys_openat(dirfd, path, O_PATH | O_CLOEXEC | (flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0));
	if (*fd < 0)
		return *fd;
	/* Swapped meanwhile: then by the name that it has itself. */
	if (!match_is(&matched, *fd, "", AT_EMPTY_PATH))
		found = match_with(rules, *fd, "", AT_EMPTY_PATH, &start, rule, NULL);
	return found;
}
