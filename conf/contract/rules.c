/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The bounded reader of the rules file and the request: see rules.h. */

#include "conf/contract/rules.h"

#include "conf/contract/siphash.h"
#include "conf/contract/sys.h"
#include "conf/contract/version.h"

#include <linux/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* All three link this file. A section without the flag "a" is in the product and in no
 * process's memory: readelf -p .netshim.version and strings show it. */
__asm__(".pushsection .netshim.version, \"MS\", %progbits, 1\n"
	".asciz \"netshim " NETSHIM_VERSION "\"\n"
	".popsection");

uint64_t rules_hash(const struct rules_header *h, const void *string, size_t size)
{
	struct siphash hash;

	siphash_start(&hash, h->key);
	return siphash_end(&hash, string, size);
}

uint64_t rules_checksum(const struct rules_header *h, const void *record, size_t size)
{
	return rules_hash(h, record, size - sizeof(uint64_t));
}

static bool is_intact(const struct rules_header *h, const void *record, size_t size)
{
	uint64_t checksum;

	__builtin_memcpy(&checksum, (const char *)record + size - sizeof(checksum), sizeof(checksum));
	return checksum == rules_checksum(h, record, size);
}

/* Tells whether count elements of that size from offset on lie in the file. */
static bool array_fits(const struct rules_header *h, uint64_t offset, uint64_t count, uint64_t size)
{
	return offset <= h->file_size && count <= (h->file_size - offset) / size;
}

static bool records_fit(const struct rules_header *h)
{
	return h->slot_count && !(h->slot_count & (h->slot_count - 1)) &&
	       array_fits(h, h->slots, h->slot_count, sizeof(struct rules_slot)) &&
	       array_fits(h, h->classes, h->class_count, sizeof(struct rules_class)) &&
	       array_fits(h, h->users, h->user_count, sizeof(struct rules_user));
}

static bool header_valid(const struct rules_header *h)
{
	return h->magic == RULES_MAGIC && is_intact(h, h, sizeof(*h)) && h->names_count &&
	       array_fits(h, sizeof(*h), h->names_count, sizeof(struct rules_names)) &&
	       array_fits(h, h->strings, h->strings_size, 1) && (!rules_readable(h) || records_fit(h));
}

/* The file itself, not only its folder, has to be root's: the helper acts on
 * what it says. */
static int check_trusted(struct rules *rules)
{
	struct sys_file file;
	int err = sys_stat(rules->fd, "", AT_EMPTY_PATH, &file);

	if (err)
		return -EPERM;
	if (!S_ISREG(file.mode))
		return -EBADMSG;
	if (file.uid != 0)
		return -EOVERFLOW;
	if (file.mode & (S_IWGRP | S_IWOTH))
		return -ETXTBSY;
	rules->inode = file.inode;
	rules->changed = file.changed;
	return file.size == rules->header.file_size ? 0 : -EBADMSG;
}

/* Reads size bytes from there. */
static bool read_at(struct rules *rules, void *buf, size_t size, uint64_t offset)
{
	long n = sys_pread(rules->fd, buf, size, offset);
	struct sys_file file;

	/* A sandbox may refuse the one call, and not the two. */
	if (n <= 0 && SYS(SYS_lseek, rules->fd, offset, SEEK_SET, 0, 0) == (long)offset)
		n = sys_read(rules->fd, buf, size);
	if (n == (long)size)
		return true;
	rules->refused =
		sys_stat(rules->fd, "", AT_EMPTY_PATH, &file) || (S_ISREG(file.mode) && file.size >= offset + size);
	return false;
}

/* Reads the header, and the names with it: the smallest file is larger than both. By
 * read, which the dynamic loader has called before, so that a seccomp filter that lets
 * the program start lets it through. */
static bool read_start(struct rules *rules)
{
	const long size = sizeof(*rules) - offsetof(struct rules, header);
	char *start = (char *)rules + offsetof(struct rules, header);

	_Static_assert(offsetof(struct rules, names) == offsetof(struct rules, header) + sizeof(rules->header),
		       "they are read at once");
	return (sys_read(rules->fd, start, (size_t)size) == size || read_at(rules, start, (size_t)size, 0)) &&
	       header_valid(&rules->header);
}

bool rules_are_there(void)
{
	return !SYS(SYS_faccessat, AT_FDCWD, RULES_PATH, F_OK, 0, 0);
}

/* What rules_open says where the file cannot be opened. */
static int open_error(int err)
{
	int root;

	/* A link in its place is nothing that netshim has put there. */
	if (err == -ELOOP)
		return -EBADMSG;
	if (err == -ENOENT || no_descriptor_free(err))
		return err;
	root = sys_openat(AT_FDCWD, "/", O_PATH | O_CLOEXEC);
	if (root < 0)
		return rules_are_there() ? -EPERM : -ENOENT;
	sys_close(root);
	return -EACCES;
}

int rules_open_file(struct rules *rules, const char *path, bool trusted)
{
	int err = 0;

	rules->damaged = rules->refused = rules->real = false;
	rules->fd = sys_open_to_read(AT_FDCWD, path, O_NOFOLLOW);
	if (rules->fd < 0)
		return open_error(rules->fd);
	if (!read_start(rules))
		err = rules->refused ? -EPERM : -EBADMSG;
	else if (trusted)
		err = check_trusted(rules);
	if (err)
		rules_close(rules);
	return err;
}

int rules_open(struct rules *rules, bool trusted)
{
	return rules_open_file(rules, RULES_PATH, trusted);
}

void rules_close(struct rules *rules)
{
	sys_close(rules->fd);
	rules->fd = -1;
}

/* What a reader returns where the file is damaged. */
static bool damaged(struct rules *rules)
{
	rules->damaged = true;
	return false;
}

/* Reads a record, which ends with its checksum. */
static bool read_record(struct rules *rules, void *record, size_t size, uint64_t offset)
{
	return (read_at(rules, record, size, offset) && is_intact(&rules->header, record, size)) || damaged(rules);
}

/* The names' part that a hash belongs to; NULL where it is damaged. */
static const struct rules_names *names_of(struct rules *rules, uint64_t hash, struct rules_names *buf)
{
	const struct rules_header *h = &rules->header;
	uint64_t index = rules_names_index(hash, h->names_count);

	if (index >= RULES_NAMES_READ)
		return read_record(rules, buf, sizeof(*buf), sizeof(*h) + index * sizeof(*buf)) ? buf : NULL;
	return is_intact(h, &rules->names[index], sizeof(*buf)) || damaged(rules) ? &rules->names[index] : NULL;
}

bool rules_may_name(struct rules *rules, const char *name, size_t size)
{
	uint64_t hash = rules_hash(&rules->header, name, size);
	struct rules_names buf;
	const struct rules_names *names = names_of(rules, hash, &buf);

	for (unsigned i = 0; names && i < RULES_NAME_BITS; i++) {
		uint64_t bit = rules_name_bit(hash, i);

		if (!(names->bits[bit / 64] >> bit % 64 & 1))
			return false;
	}
	return true;
}

/* A rule's path in the file: that of size bytes at path, another, or damaged. */
enum rule_path { PATH_SAME, PATH_OTHER, PATH_DAMAGED };

/* A piece at a time, as the shim's stack may be a few KiB. What is another path must
 * have that very hash: else it is this path, damaged. */
static enum rule_path compare_path(struct rules *rules, const struct rules_slot *slot, const char *path)
{
	const struct rules_header *h = &rules->header;
	struct siphash hash;
	bool same = true;
	char piece[256];
	size_t want;

	if (slot->path > h->strings_size || slot->path_size > h->strings_size - slot->path)
		return PATH_DAMAGED;
	siphash_start(&hash, h->key);
	for (size_t done = 0;; done += want) {
		want = slot->path_size - done < sizeof(piece) ? slot->path_size - done : sizeof(piece);
		if (!read_at(rules, piece, want, h->strings + slot->path + done))
			return PATH_DAMAGED;
		for (size_t i = 0; i < want; i++)
			same = same && piece[i] == path[done + i];
		if (want < sizeof(piece))
			break;
		siphash_part(&hash, piece, want);
	}
	if (same)
		return PATH_SAME;
	return siphash_end(&hash, piece, want) == slot->hash ? PATH_OTHER : PATH_DAMAGED;
}

bool rules_string(struct rules *rules, uint32_t offset, char *buf, size_t size)
{
	const struct rules_header *h = &rules->header;

	if (offset >= h->strings_size)
		return damaged(rules);
	if (size > h->strings_size - offset)
		size = h->strings_size - offset;
	if (!read_at(rules, buf, size, h->strings + offset))
		return damaged(rules);
	for (size_t i = 0; i < size; i++)
		if (!buf[i])
			return true;
	return damaged(rules);
}

static bool slot_is_free(const struct rules_slot *slot)
{
	return !slot->path && !slot->checksum;
}

/* Looks for the rule in count slots. Returns 1 where it is found, 0 where the search
 * goes on, -1 where it has ended. */
static int find_among(struct rules *rules, const struct rules_slot *slots, size_t count, const char *path, size_t size,
		      uint64_t hash, struct rules_slot *found)
{
	for (const struct rules_slot *slot = slots; slot < slots + count; slot++) {
		enum rule_path is = PATH_OTHER;

		if (slot_is_free(slot))
			return -1;
		if (!is_intact(&rules->header, slot, sizeof(*slot)))
			is = PATH_DAMAGED;
		else if (slot->hash == hash && slot->path_size == size)
			is = compare_path(rules, slot, path);
		if (is == PATH_OTHER)
			continue;
		*found = *slot;
		return is == PATH_SAME ? 1 : -!damaged(rules);
	}
	return 0;
}

static bool search(struct rules *rules, const char *path, size_t size, struct rules_slot *found)
{
	const struct rules_header *h = &rules->header;
	struct rules_slot slots[RULES_PROBES_AT_ONCE];
	uint64_t hash = rules_hash(h, path, size);
	uint64_t index = rules_slot_index(hash, h->slot_count);
	size_t count;

	for (size_t probes = 0; probes < RULES_PROBES_MAX; probes += count) {
		uint64_t left = h->slot_count - index;
		int ret;

		count = left < RULES_PROBES_AT_ONCE ? left : RULES_PROBES_AT_ONCE;
		if (!read_at(rules, slots, count * sizeof(slots[0]), h->slots + index * sizeof(slots[0])))
			return damaged(rules);
		ret = find_among(rules, slots, count, path, size, hash, found);
		if (ret)
			return ret > 0;
		index = (index + count) & (h->slot_count - 1);
	}
	return damaged(rules);
}

bool rules_find(struct rules *rules, const char *path, size_t size, struct rules_slot *found)
{
	size_t name = rules_name_at(path, size);

	if (!rules_may_name(rules, path + name, size - name))
		return false;
	if (rules_readable(&rules->header))
		return search(rules, path, size, found);
	*found = (struct rules_slot){ .class_index = RULES_CLASS_NONE, .flags = ~RULE_FLAGS };
	return true;
}

bool class_name_valid(const char *name)
{
	size_t n = 0;

	for (; name[n]; n++) {
		char c = name[n];

		if (n == CLASS_NAME_MAX || !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
					     (c >= '0' && c <= '9') || c == '_' || c == '-'))
			return false;
	}
	return n > 0;
}

bool rules_class(struct rules *rules, uint32_t index, struct rules_class *class, char name[CLASS_NAME_MAX + 1])
{
	const struct rules_header *h = &rules->header;
	char *end = name;

	if (!rules_readable(h) || index >= h->class_count ||
	    !read_record(rules, class, sizeof(*class), h->classes + (uint64_t)index * sizeof(*class)))
		return false;
	if (!class_name_valid(class->name))
		return damaged(rules);
	if (name)
		str_append(&end, name + CLASS_NAME_MAX + 1, class->name);
	return true;
}

bool rules_class_named(struct rules *rules, const char *name, uint32_t *index, struct rules_class *class)
{
	for (*index = 0; rules_class(rules, *index, class, NULL); ++*index)
		if (str_equal(class->name, name))
			return true;
	return false;
}

bool rules_with(struct rules *rules, uint32_t index, struct rules_with *with)
{
	const struct rules_header *h = &rules->header;
	uint64_t at = h->users + h->user_count * sizeof(struct rules_user) + (uint64_t)index * sizeof(*with);

	return index < h->with_count ? read_record(rules, with, sizeof(*with), at) : damaged(rules);
}

bool rules_with_is(struct rules *rules, const struct rules_with *with, const char *text, size_t size)
{
	const struct rules_slot path = { .hash = with->hash, .path = with->text, .path_size = with->text_size };
	enum rule_path is = PATH_OTHER;

	if (with->text_size == size && rules_hash(&rules->header, text, size) == with->hash)
		is = compare_path(rules, &path, text);
	return is == PATH_DAMAGED ? damaged(rules) : is == PATH_SAME;
}

static bool group_listed(uint32_t gid, const uint32_t *groups, long count)
{
	for (long i = 0; i < count; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

static bool caller_in_group(uint32_t gid, bool real)
{
	uint32_t few[32];
	uint32_t *groups = few;
	long count = SYS(SYS_getgroups, 0, 0, 0, 0, 0);
	size_t size = (size_t)(count < 0 ? 0 : count) * sizeof(*groups);
	bool listed;

	if ((uint32_t)SYS(real ? SYS_getgid : SYS_getegid, 0, 0, 0, 0, 0) == gid)
		return true;
	if (size > sizeof(few) && !(groups = sys_map(size)))
		return false;
	listed = group_listed(gid, groups, SYS(SYS_getgroups, count, groups, 0, 0, 0));
	if (groups != few)
		sys_unmap(groups, size);
	return listed;
}

bool rules_users_include_caller(struct rules *rules, const struct rules_users *users)
{
	const struct rules_header *h = &rules->header;
	struct rules_user user;
	uint32_t uid;

	if (!users->count)
		return true;
	uid = (uint32_t)SYS(rules->real ? SYS_getuid : SYS_geteuid, 0, 0, 0, 0, 0);
	if (users->first > h->user_count || users->count > h->user_count - users->first)
		return damaged(rules);
	for (uint32_t i = 0; i < users->count; i++) {
		uint64_t at = h->users + (users->first + (uint64_t)i) * sizeof(user);

		if (!read_record(rules, &user, sizeof(user), at))
			return false;
		if (user.is_group ? caller_in_group(user.id, rules->real) : user.id == uid)
			return true;
	}
	return false;
}

enum rules_since rules_since(const struct rules *before, const char *class)
{
	struct rules_class record;
	struct sys_file file;
	struct rules rules;
	uint32_t index;
	bool forbid;

	if (!sys_stat(AT_FDCWD, RULES_PATH, AT_SYMLINK_NOFOLLOW, &file) && file.inode == before->inode &&
	    file.changed == before->changed)
		return RULES_SAME;
	if (rules_open(&rules, true))
		return RULES_OTHERS;
	forbid =
		rules_class_named(&rules, class, &index, &record) && !rules_users_include_caller(&rules, &record.users);
	rules_close(&rules);
	return forbid ? RULES_FORBID : RULES_OTHERS;
}

#define REQUEST_NUMBERS 11
#define REQUEST_LEAST 8 /* so many there have always been */
#define REQUEST_STACK 7 /* before it, they have 32 bits */

void request_write(const struct request *r, char buf[REQUEST_MAX])
{
	const uint64_t numbers[REQUEST_NUMBERS] = {
		(uint32_t)r->dirfd,  (uint32_t)r->flags, r->cloexec, (uint32_t)r->pdeathsig,
		(uint32_t)r->parent, r->personality,	 r->tries,   r->stack,
		r->unsure,	     (uint32_t)r->netns, r->loader,
	};
	char *end = buf;
	char *limit = buf + REQUEST_MAX;

	str_append(&end, limit, REQUEST_NAME);
	str_append(&end, limit, r->loader ? REQUEST_VERSION_LOADER : REQUEST_VERSION);
	str_append(&end, limit, r->run ? "run:" : r->start ? "start" : "exec");
	if (r->run)
		str_append(&end, limit, r->run);
	for (size_t i = 0; i < REQUEST_NUMBERS; i++) {
		str_append(&end, limit, " ");
		str_append_number(&end, limit, numbers[i]);
	}
}

/* Reads "exec", "start" or "run:CLASS" and moves *p to the blank behind it. */
static bool request_verb(const char **p, char name[CLASS_NAME_MAX + 1], bool *start)
{
	const char *rest = str_after(*p, "exec");
	size_t n = 0;

	name[0] = '\0';
	*start = !rest && (rest = str_after(*p, "start"));
	if (rest) {
		*p = rest;
		return true;
	}
	rest = str_after(*p, "run:");
	if (!rest)
		return false;
	for (; *rest && *rest != ' '; rest++) {
		if (n == CLASS_NAME_MAX)
			return false;
		name[n++] = *rest;
	}
	name[n] = '\0';
	*p = rest;
	return class_name_valid(name);
}

bool request_read(struct request *r, const char *text, char name[CLASS_NAME_MAX + 1])
{
	const char *version = text ? str_after(text, REQUEST_NAME) : NULL;
	const char *p = version ? str_after(version, REQUEST_VERSION) : NULL;
	uint64_t numbers[REQUEST_NUMBERS] = { 0 };
	uint64_t number;
	size_t count;
	bool start;

	if (version && !p)
		p = str_after(version, REQUEST_VERSION_LOADER);
	if (!p || !request_verb(&p, name, &start))
		return false;
	for (count = 0; *p; count++) {
		if (*p++ != ' ' || !str_number(&p, &number) || (count < REQUEST_STACK && number > UINT32_MAX))
			return false;
		if (count < REQUEST_NUMBERS)
			numbers[count] = number;
	}
	if (count < REQUEST_LEAST)
		return false;
	*r = (struct request){
		.run = name[0] ? name : NULL,
		.start = start,
		.dirfd = (int)(uint32_t)numbers[0],
		.flags = (int)(uint32_t)numbers[1],
		.cloexec = numbers[2] != 0,
		.pdeathsig = (int)(uint32_t)numbers[3],
		.parent = (int)(uint32_t)numbers[4],
		.personality = (uint32_t)numbers[5],
		.tries = (uint32_t)numbers[6],
		.stack = numbers[REQUEST_STACK],
		.unsure = numbers[8] != 0,
		.netns = (int)(uint32_t)numbers[9],
		.loader = (uint32_t)numbers[10],
	};
	return true;
}

bool request_is_foreign(const char *text)
{
	const char *version = text ? str_after(text, REQUEST_NAME) : NULL;
	uint64_t number;

	return version && str_number(&version, &number) && (number < 1 || number > 2) && *version == ' ';
}

void request_state(struct request *r)
{
	uint64_t limit[2] = { 0, 0 };

	r->pdeathsig = 0;
	SYS(SYS_prctl, PR_GET_PDEATHSIG, &r->pdeathsig, 0, 0, 0);
	/* Whose death it is about. */
	r->parent = r->pdeathsig ? (int)SYS(SYS_getppid, 0, 0, 0, 0, 0) : 0;
	r->personality = (uint32_t)SYS(SYS_personality, 0xffffffff, 0, 0, 0, 0);
	SYS(SYS_prlimit64, 0, RLIMIT_STACK, 0, limit, 0);
	r->stack = limit[0];
}

/* A soft stack limit above this is lowered to it (_STK_LIM in the kernel). */
#define STACK_KEPT (8 << 20)

void request_restore(const struct request *r)
{
	uint64_t limit[2];

	if (r->pdeathsig) {
		SYS(SYS_prctl, PR_SET_PDEATHSIG, r->pdeathsig, 0, 0, 0);
		/* The parent may have died while it was not set. */
		if (SYS(SYS_getppid, 0, 0, 0, 0, 0) != r->parent)
			SYS(SYS_kill, SYS(SYS_getpid, 0, 0, 0, 0, 0), r->pdeathsig, 0, 0, 0);
	}
	if (r->personality & PER_CLEAR_ON_SETID)
		SYS(SYS_personality, r->personality, 0, 0, 0, 0);
	if (r->stack > STACK_KEPT && !SYS(SYS_prlimit64, 0, RLIMIT_STACK, 0, limit, 0) && limit[0] != r->stack &&
	    r->stack <= limit[1]) {
		limit[0] = r->stack;
		SYS(SYS_prlimit64, 0, RLIMIT_STACK, limit, 0, 0);
	}
	if (r->cloexec && r->dirfd != AT_FDCWD)
		SYS(SYS_fcntl, r->dirfd, F_SETFD, FD_CLOEXEC, 0, 0);
	if (r->loader)
		SYS(SYS_fcntl, (int)(r->loader - 1), F_SETFD, FD_CLOEXEC, 0, 0);
}
