/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* From a ruleset to the rules file that the library and the helper read: see compile.h. */

#include "conf/language/compile.h"

#include "conf/contract/netns.h"
#include "conf/contract/process.h"
#include "conf/contract/siphash.h"
#include "conf/contract/sys.h"
#include "conf/contract/with.h"
#include "conf/language/alloc.h"
#include "conf/language/ruleset.h"
#include "conf/language/text.h"
#include "conf/language/trust.h"
#include "conf/language/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

/* The canonical form of a directory that may not exist yet: without symlinks, as far
 * as it exists. Allocated, without a trailing slash ("" is the root). */
static char *canonical_directory(const char *path)
{
	char *real = realpath(path, NULL);
	char *above = copied(path);
	char *slash;
	char *joined;

	if (real) {
		free(above);
		if (!strcmp(real, "/"))
			*real = '\0';
		return real;
	}
	while (*above && above[strlen(above) - 1] == '/')
		above[strlen(above) - 1] = '\0';
	slash = strrchr(above, '/');
	if (!slash)
		return above;
	*slash = '\0';
	real = canonical_directory(slash == above ? "/" : above);
	joined = !strcmp(slash + 1, "..") || !strcmp(slash + 1, ".") || !slash[1] ? copied(real)
										  : printed("%s/%s", real, slash + 1);
	free(real);
	free(above);
	return joined;
}

/* A user's link may lead a rule to what is that user's, not to others' programs. */
static bool leads_astray(const char *changeable, const char *real)
{
	struct sys_file link;
	struct sys_file there;

	return sys_stat(AT_FDCWD, changeable, AT_SYMLINK_NOFOLLOW, &link) || !link.uid ||
	       sys_stat(AT_FDCWD, *real ? real : "/", 0, &there) || there.uid != link.uid;
}

/* The folder of some rules. */
struct folder {
	char *written; /* with its slash */
	char *canonical;
	char *changeable; /* where others than root may have it lead elsewhere, or NULL */
	char *astray;	  /* where it leads, which is not theirs, or NULL */
};

static void find_folder(struct folder *f, char *written)
{
	char *plain = copied(written);

	plain[strlen(plain) - 1] = '\0';
	*f = (struct folder){ .written = written, .canonical = canonical_directory(written) };
	if (strcmp(plain, f->canonical))
		f->changeable = trust_changeable(written);
	if (f->changeable && leads_astray(f->changeable, f->canonical)) {
		f->astray = f->canonical;
		f->canonical = plain;
	} else {
		free(plain);
	}
}

static void free_folder(struct folder *f)
{
	free(f->written);
	free(f->canonical);
	free(f->changeable);
	free(f->astray);
}

/* What a file is looked up by: its directory without symlinks, and its name; for a
 * tree, the directory and a slash. Many rules share a directory, so the last one is
 * remembered. */
static const char *find_canonical(struct ruleset *set, struct app *app, const char *path, struct folder *last)
{
	const char *slash = strrchr(path, '/');
	char *written = strndup(path, (size_t)(slash - path) + 1);
	const char *canonical;

	if (!written)
		err(EXIT_FAILURE, "out of memory");
	if (!last->written || strcmp(written, last->written)) {
		free_folder(last);
		find_folder(last, written);
	} else {
		free(written);
	}
	app->by_others = app->by_others || last->changeable;
	canonical = printed("%s/%s", last->canonical, slash + 1);
	if (last->astray) {
		ruleset_warning(set, app->at,
				"'%s' leads to '%s' by '%s', which others than root can change; this rule has no "
				"effect: write the folder's own path",
				last->written, last->astray, last->changeable);
		/* Its name may be one that not everybody can find. */
		app->left_out = app->left_out || app->matched;
	} else if (strlen(canonical) >= RULE_PATH_MAX && app->by_others) {
		ruleset_warning(set, app->at, "'%s' leads too deep; this rule has no effect", path);
		app->left_out = true;
	} else if (strlen(canonical) >= RULE_PATH_MAX) {
		ruleset_problem(set, app->at, "path '%s' is too long", path);
	}
	return canonical;
}

static void find_names(struct ruleset *set, struct app *app)
{
	static struct folder of_programs;
	static struct folder of_arguments;

	app->by_others = app->matched;
	app->canonical = find_canonical(set, app, app->path, &of_programs);
	app->text = app->kind == WITH_FILE ? find_canonical(set, app, app->with, &of_arguments) : app->with;
}

/* Its own name, by which its processes tell it. */
static void find_unit(struct app *app)
{
	char *name = unit_own_name(app->path);

	app->canonical = printed(UNIT_KEY "%s", name);
	free(name);
}

/* What root has written comes before what others can bring about, a program that is named
 * before a package, and what is there before what is about to be. */
static int rank(const struct app *app)
{
	return 4 * app->by_others + (app->package ? 1 + app->coming : 0);
}

/* By which of the rules for one program comes first. */
static int by_argument(const struct app *x, const struct app *y)
{
	if (x->kind != y->kind || x->kind == WITH_ANY)
		return (x->kind > y->kind) - (x->kind < y->kind);
	if (x->kind == WITH_PATTERN && strlen(x->text) != strlen(y->text))
		return strlen(x->text) < strlen(y->text) ? 1 : -1;
	return strcmp(x->text, y->text);
}

static int by_canonical(const void *a, const void *b)
{
	const struct app *x = *(const struct app *const *)a;
	const struct app *y = *(const struct app *const *)b;
	int order = strcmp(x->canonical, y->canonical);

	if (!order)
		order = by_argument(x, y);
	if (!order)
		order = rank(x) - rank(y);
	return order ? order : (x > y) - (x < y);
}

static bool same_users(const struct user_list *a, const struct user_list *b)
{
	return a->count == b->count && (!a->count || !memcmp(a->users, b->users, a->count * sizeof(*a->users)));
}

/* An app for everybody is an exception from a package. Of what is about to be installed,
 * it is seen when it is. */
static bool gives_way(const struct app *app, const struct app *first)
{
	return app->coming || (app->package && !first->package && !first->users.count);
}

/* As the configuration has it; allocated. */
static char *described(const struct app *app)
{
	return app->with ? printed("'%s' with '%s'", app->path, app->with) : printed("'%s'", app->path);
}

/* The second of two rules for one path is for nothing. Where others than root cannot have
 * brought that about, the two must say the same. */
static void compare_rules(struct ruleset *set, const struct app *first, const struct app *app)
{
	char *rule;
	char *before;

	if (gives_way(app, first) || (first->class_index == app->class_index && same_users(&first->users, &app->users)))
		return;
	rule = described(app);
	before = described(first);
	if (app->by_others)
		ruleset_warning(set, app->at, "%s has a rule already, as %s at %s:%d: this one has no effect", rule,
				before, first->at.file, first->at.line);
	else if (first->class_index != app->class_index)
		ruleset_problem(set, app->at,
				"%s is in class %s here and, as %s, in class %s at %s:%d; a file has one class", rule,
				app_class_name(set, app), before, app_class_name(set, first), first->at.file,
				first->at.line);
	else
		ruleset_problem(set, app->at, "%s has a rule for other users at %s:%d; make one rule of the two", rule,
				first->at.file, first->at.line);
	free(rule);
	free(before);
}

void compile_names(struct ruleset *set)
{
	struct app **list = zalloc((set->app_count + 1) * sizeof(struct app *));
	struct app *first = NULL;
	size_t count = 0;

	for (size_t i = 0; i < set->app_count; i++) {
		if (set->apps[i].unit)
			find_unit(&set->apps[i]);
		else
			find_names(set, &set->apps[i]);
		if (!set->apps[i].left_out)
			list[count++] = &set->apps[i];
	}
	qsort(list, count, sizeof(struct app *), by_canonical);
	for (size_t i = 0; i < count; i++) {
		bool same = first && !strcmp(first->canonical, list[i]->canonical);

		if (same && !by_argument(first, list[i])) {
			list[i]->left_out = true;
			compare_rules(set, first, list[i]);
			continue;
		}
		if (same)
			first->next = list[i];
		list[i]->follows = same;
		first = list[i];
	}
	free(list);
}

/* The parts of the file while they are put together. */
struct parts {
	struct rules_header header;
	struct rules_names *names;
	struct rules_slot *slots;
	struct rules_class *classes;
	struct rules_user *users;
	size_t user_count;
	struct rules_with *withs;
	size_t slot_rules;
	char *strings;
	size_t strings_size;
	FILE *strings_out;
};

static uint32_t add_string(struct parts *p, const char *text)
{
	long at = ftell(p->strings_out);

	if (at < 0 || fwrite(text, strlen(text) + 1, 1, p->strings_out) != 1)
		err(EXIT_FAILURE, "out of memory");
	if (at > UINT32_MAX)
		errx(EXIT_FAILURE, "the configuration is too large: its paths exceed 4 GiB");
	return (uint32_t)at;
}

/* A string that is the same in rule after rule, as file names are. */
struct repeated {
	const char *text;
	uint32_t at;
	const struct parts *parts;
};

static uint32_t add_repeated(struct parts *p, const char *text, struct repeated *last)
{
	if (last->text != text || last->parts != p)
		*last = (struct repeated){ text, add_string(p, text), p };
	return last->at;
}

static uint32_t add_file_name(struct parts *p, const char *file)
{
	static struct repeated last;

	return add_repeated(p, file, &last);
}

static uint32_t add_written(struct parts *p, const struct app *app)
{
	static struct repeated last;

	return add_repeated(p, app_written(app), &last);
}

static struct rules_users add_users(struct parts *p, const struct user_list *list)
{
	struct rules_users users = { (uint32_t)p->user_count, (uint32_t)list->count };

	for (size_t i = 0; i < list->count; i++) {
		p->users = grown(p->users, p->user_count, sizeof(*p->users));
		p->users[p->user_count] = list->users[i];
		p->user_count++;
	}
	return users;
}

static void add_class(struct parts *p, const struct class *class, struct rules_class *record)
{
	*record = (struct rules_class){
		.classid = class->classid,
		.flags = (class->lock ? CLASS_LOCK : 0u) | (class->on_error_allow ? CLASS_ON_ERROR_ALLOW : 0u) |
			 (class->netns ? CLASS_NETNS : 0u),
		.users = add_users(p, &class->users),
		.netns = class->netns ? add_string(p, class->netns) : 0,
	};
	memcpy(record->name, class->name, strlen(class->name));
}

static unsigned slashes(const char *path)
{
	unsigned count = 0;

	for (; *path; path++)
		count += *path == '/';
	return count;
}

static void add_with(struct parts *p, const struct app *app)
{
	size_t size = app->kind == WITH_ANY ? 0 : strlen(app->text);
	uint32_t text = size ? add_string(p, app->text) : 0;

	p->withs = grown(p->withs, p->header.with_count, sizeof(*p->withs));
	p->withs[p->header.with_count++] = (struct rules_with){
		.text = text,
		.text_size = (uint32_t)size,
		.kind = app->kind,
		.name_size = app->kind == WITH_FILE ? (uint32_t)(size - rules_name_at(app->text, size)) : 0,
		.class_index = app->class_index,
		.users = add_users(p, &app->users),
		.written = add_written(p, app),
		.file = add_file_name(p, app->at.file),
		.line = (uint32_t)app->at.line,
		.given = app->kind == WITH_FILE ? add_string(p, app->with) : text,
	};
}

static void add_withs(struct parts *p, const struct app *app, struct rules_slot *slot)
{
	slot->flags = RULE_WITH;
	slot->class_index = RULES_CLASS_NONE;
	slot->users = (struct rules_users){ 0, 0 };
	slot->with = p->header.with_count;
	for (; app; app = app->next)
		add_with(p, app);
	slot->with_count = p->header.with_count - slot->with;
}

static void add_app(struct parts *p, const struct app *app, struct rules_slot *slot)
{
	struct rules_header *h = &p->header;
	size_t size = strlen(app->canonical);

	*slot = (struct rules_slot){
		.path = add_string(p, app->canonical),
		.path_size = (uint32_t)size,
		.class_index = app->class_index,
		.users = add_users(p, &app->users),
		.written = add_written(p, app),
		.file = add_file_name(p, app->at.file),
		.line = (uint32_t)app->at.line,
	};
	if (app->kind != WITH_ANY)
		add_withs(p, app, slot);
	if (app->canonical[size - 1] == '/' && slashes(app->canonical) <= 64)
		h->tree_depths |= UINT64_C(1) << (slashes(app->canonical) - 1);
}

/* Puts a rule into the table. Returns false where readers would not search so far. */
static bool place_rule(struct parts *p, const struct rules_slot *rule)
{
	const struct rules_header *h = &p->header;
	uint64_t hash = rules_hash(h, p->strings + rule->path, rule->path_size);
	uint64_t i = rules_slot_index(hash, h->slot_count);

	for (unsigned probes = 0; probes < RULES_PROBES_MAX; probes++, i = (i + 1) & (h->slot_count - 1)) {
		if (p->slots[i].path)
			continue;
		p->slots[i] = *rule;
		p->slots[i].hash = hash;
		return true;
	}
	return false;
}

static void add_name(struct parts *p, const struct rules_slot *rule)
{
	const char *path = p->strings + rule->path;
	const char *name = path + rules_name_at(path, rule->path_size);
	uint64_t hash = rules_hash(&p->header, name, strlen(name));
	struct rules_names *names = &p->names[rules_names_index(hash, p->header.names_count)];

	for (unsigned i = 0; i < RULES_NAME_BITS; i++)
		names->bits[rules_name_bit(hash, i) / 64] |= UINT64_C(1) << rules_name_bit(hash, i) % 64;
}

/* Fills the tables with the rules, hashed with a new key. Returns false where that one
 * will not do: nobody knows one that does before. */
static bool hash_rules(struct parts *p, const struct rules_slot *rules)
{
	struct rules_header *h = &p->header;

	if (getentropy(h->key, sizeof(h->key)))
		err(EXIT_FAILURE, "the kernel has no random numbers");
	memset(p->slots, 0, h->slot_count * sizeof(*p->slots));
	memset(p->names, 0, h->names_count * sizeof(*p->names));
	for (size_t i = 0; i < p->slot_rules; i++) {
		if (!place_rule(p, &rules[i]))
			return false;
		add_name(p, &rules[i]);
	}
	for (size_t i = 0; i < h->with_count; i++)
		p->withs[i].hash = rules_hash(h, p->strings + p->withs[i].text, p->withs[i].text_size);
	return true;
}

/* What follows the header. */
#define ARRAYS 6
struct array {
	void *data;
	size_t count;
	size_t size; /* of each record, with its checksum, or 1 */
};

static void list_body(const struct parts *p, struct array body[ARRAYS])
{
	body[0] = (struct array){ p->names, p->header.names_count, sizeof(*p->names) };
	body[1] = (struct array){ p->slots, p->header.slot_count, sizeof(*p->slots) };
	body[2] = (struct array){ p->classes, p->header.class_count, sizeof(*p->classes) };
	body[3] = (struct array){ p->users, p->user_count, sizeof(*p->users) };
	body[4] = (struct array){ p->withs, p->header.with_count, sizeof(*p->withs) };
	body[5] = (struct array){ p->strings, p->strings_size, 1 };
}

static void add_checksum(const struct rules_header *h, char *record, size_t size)
{
	uint64_t checksum = rules_checksum(h, record, size);

	memcpy(record + size - sizeof(checksum), &checksum, sizeof(checksum));
}

/* Free slots have none. */
static void add_checksums(const struct parts *p)
{
	struct array body[ARRAYS];

	list_body(p, body);
	for (size_t i = 0; i < ARRAYS - 1; i++)
		for (size_t j = 0; j < body[i].count; j++)
			if (body[i].data != p->slots || p->slots[j].path)
				add_checksum(&p->header, (char *)body[i].data + j * body[i].size, body[i].size);
}

/* All arrays but the last are of whole words. */
static uint64_t hash_body(const struct parts *p)
{
	struct array body[ARRAYS];
	struct siphash hash;

	list_body(p, body);
	siphash_start(&hash, p->header.key);
	for (size_t i = 0; i < ARRAYS - 1; i++)
		siphash_part(&hash, body[i].data, body[i].count * body[i].size);
	return siphash_end(&hash, p->strings, p->strings_size);
}

static void add_classes(struct parts *p, const struct ruleset *set)
{
	p->header.class_count = (uint32_t)set->class_count;
	p->classes = zalloc((set->class_count + 1) * sizeof(*p->classes));
	for (size_t i = 0; i < set->class_count; i++)
		add_class(p, &set->classes[i], &p->classes[i]);
}

/* Allocated. */
static struct rules_slot *add_apps(struct parts *p, const struct ruleset *set)
{
	struct rules_slot *rules = zalloc((set->app_count + 1) * sizeof(*rules));

	for (size_t i = 0; i < set->app_count; i++) {
		if (!set->apps[i].left_out && !set->apps[i].follows)
			add_app(p, &set->apps[i], &rules[p->slot_rules++]);
		p->header.rule_count += !set->apps[i].left_out;
	}
	return rules;
}

static void make_tables(struct parts *p, const struct rules_slot *rules)
{
	struct rules_header *h = &p->header;

	h->names_count = h->rule_count / RULES_NAMES_EACH + 1;
	if (h->names_count > RULES_NAMES_MAX)
		h->names_count = RULES_NAMES_MAX;
	h->slot_count = 8;
	while (h->slot_count < 2 * (uint64_t)h->rule_count)
		h->slot_count *= 2;
	p->slots = zalloc(h->slot_count * sizeof(*p->slots));
	p->names = zalloc(h->names_count * sizeof(*p->names));
	while (!hash_rules(p, rules))
		;
}

static void place_arrays(struct parts *p)
{
	struct rules_header *h = &p->header;

	h->slots = sizeof(*h) + h->names_count * sizeof(*p->names);
	h->classes = h->slots + h->slot_count * sizeof(*p->slots);
	h->users = h->classes + h->class_count * sizeof(*p->classes);
	h->user_count = p->user_count;
	h->strings = h->users + h->user_count * sizeof(*p->users) + h->with_count * sizeof(*p->withs);
	h->strings_size = p->strings_size;
	h->file_size = h->strings + h->strings_size;
}

uint64_t compile_elsewhere(void)
{
	struct rules rules;
	uint64_t there;

	if (rules_open(&rules, true))
		return 0;
	there = rules.header.network_namespace;
	rules_close(&rules);
	return there == netns_own() ? 0 : there;
}

static void build(struct parts *p, const struct ruleset *set, const struct rules_header *place)
{
	struct rules_header *h = &p->header;
	struct rules_slot *rules;

	*p = (struct parts){ .header = { .magic = RULES_MAGIC, .version = RULES_VERSION, .readers = RULES_READERS } };
	p->strings_out = open_memstream(&p->strings, &p->strings_size);
	if (!p->strings_out)
		err(EXIT_FAILURE, "out of memory");
	add_string(p, ""); /* offset 0 marks a free slot */
	h->config = add_string(p, set->path);
	add_classes(p, set);
	rules = add_apps(p, set);
	if (fclose(p->strings_out))
		err(EXIT_FAILURE, "out of memory");
	make_tables(p, rules);
	free(rules);
	place_arrays(p);
	add_checksums(p);
	h->cgroup_namespace = place ? place->cgroup_namespace : process_namespace("cgroup");
	h->network_namespace = place ? place->network_namespace : netns_own();
	h->body_hash = hash_body(p);
	add_checksum(h, (char *)h, sizeof(*h));
}

static bool write_array(FILE *file, struct array array)
{
	return !array.count || fwrite(array.data, array.size, array.count, file) == array.count;
}

static bool write_parts(const struct parts *p, FILE *file)
{
	bool ok = fwrite(&p->header, sizeof(p->header), 1, file) == 1;
	struct array body[ARRAYS];

	list_body(p, body);
	for (size_t i = 0; ok && i < ARRAYS; i++)
		ok = write_array(file, body[i]);
	return ok && !fflush(file) && !fchmod(fileno(file), 0644);
}

static void free_parts(struct parts *p)
{
	free(p->names);
	free(p->slots);
	free(p->classes);
	free(p->users);
	free(p->withs);
	free(p->strings);
}

static bool compile_to(FILE *file, const struct ruleset *set, const struct rules_header *place)
{
	struct parts parts;
	bool ok;

	build(&parts, set, place);
	ok = write_parts(&parts, file);
	free_parts(&parts);
	return ok;
}

static const char new_path[] = RULES_PATH ".new";
static const char old_path[] = RULES_PATH ".old";
static bool replaced; /* the rules file was replaced or taken away */

static bool body_is_intact(const struct rules *rules)
{
	uint64_t at = sizeof(rules->header);
	struct siphash hash;
	char piece[65536];
	ssize_t n;

	siphash_start(&hash, rules->header.key);
	for (; (n = pread(rules->fd, piece, sizeof(piece), (off_t)at)) == sizeof(piece); at += sizeof(piece))
		siphash_part(&hash, piece, sizeof(piece));
	return n >= 0 && at + (uint64_t)n == rules->header.file_size &&
	       siphash_end(&hash, piece, (size_t)n) == rules->header.body_hash;
}

bool compile_find(struct rules *rules, const struct app *app, struct rules_slot *rule)
{
	struct rules_with with;

	if (!rules_find(rules, app->canonical, strlen(app->canonical), rule))
		return false;
	if (rule->flags != RULE_WITH)
		return app->kind == WITH_ANY;
	for (uint32_t i = 0; i < rule->with_count && rules_with(rules, rule->with + i, &with); i++) {
		if (with.kind != app->kind ||
		    (app->kind != WITH_ANY && !rules_with_is(rules, &with, app->text, strlen(app->text))))
			continue;
		with_put(rule, &with);
		return true;
	}
	return false;
}

static bool reads_back(struct rules *rules, const struct ruleset *set, const struct app *app)
{
	char text[RULE_PATH_MAX];
	char name[CLASS_NAME_MAX + 1] = "none";
	struct rules_class class;
	struct rules_slot rule;

	return compile_find(rules, app, &rule) && rule.line == (uint32_t)app->at.line &&
	       rule.users.count == app->users.count && rules_string(rules, rule.written, text, sizeof(text)) &&
	       !strcmp(text, app_written(app)) &&
	       (rule.class_index == RULES_CLASS_NONE || rules_class(rules, rule.class_index, &class, name)) &&
	       !strcmp(name, app_class_name(set, app)) && !rules->damaged;
}

/* Asks the readers' own code for every rule: whatever is wrong with the file, no
 * program is to find it out. */
static bool all_read_back(const struct ruleset *set)
{
	struct rules rules;
	bool intact = !rules_open_file(&rules, new_path, true);
	size_t i = 0;

	if (!intact || !body_is_intact(&rules)) {
		if (intact)
			rules_close(&rules);
		warnx("%s is not what was written there; try again", new_path);
		return false;
	}
	while (i < set->app_count && (set->apps[i].left_out || reads_back(&rules, set, &set->apps[i])))
		i++;
	rules_close(&rules);
	if (i < set->app_count)
		warnx("%s:%d: the rule for '%s' cannot be read back from %s; try again", set->apps[i].at.file,
		      set->apps[i].at.line, set->apps[i].path, new_path);
	return i == set->app_count;
}

/* The text that the rules are from, beside them. */
static bool write_text(const struct ruleset *set, FILE *rules)
{
	struct stat st;

	return !fstat(fileno(rules), &st) && text_write(set, st.st_ino);
}

static bool write_for(const struct ruleset *set, const struct rules_header *place)
{
	FILE *file;
	int fd;
	bool ok;

	/* What a command that was killed has left. */
	compile_done();
	fd = open(new_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!file) {
		warn("cannot write %s", new_path);
		return false;
	}
	ok = compile_to(file, set, place);
	if (!ok)
		warn("cannot write %s", new_path);
	ok = ok && write_text(set, file);
	if (fclose(file) && ok) {
		warn("cannot write %s", new_path);
		return false;
	}
	return ok && all_read_back(set);
}

bool compile_write(const struct ruleset *set)
{
	return write_for(set, NULL);
}

bool compile_write_programs(const struct ruleset *set, const struct rules *rules)
{
	return write_for(set, &rules->header);
}

bool compile_has_programs(const struct ruleset *set, struct rules *rules)
{
	size_t count = 0;

	for (size_t i = 0; i < set->app_count; i++) {
		if (set->apps[i].left_out)
			continue;
		count++;
		if (!reads_back(rules, set, &set->apps[i]))
			return false;
	}
	return count == rules->header.rule_count;
}

bool compile_commit(void)
{
	/* The old file stays within reach, as the same inode. ENOENT: there was none. */
	replaced = (!link(RULES_PATH, old_path) || errno == ENOENT) && !rename(new_path, RULES_PATH);
	if (!replaced)
		warn("cannot replace %s", RULES_PATH);
	return replaced;
}

bool compile_withdraw(void)
{
	/* Of two links to one file, rename would leave both (POSIX). */
	unlink(old_path);
	replaced = !rename(RULES_PATH, old_path) || errno == ENOENT;
	if (!replaced)
		warn("cannot remove %s", RULES_PATH);
	return replaced;
}

void compile_undo(void)
{
	if (replaced && rename(old_path, RULES_PATH) && errno == ENOENT)
		unlink(RULES_PATH);
}

void compile_done(void)
{
	text_settle();
	unlink(new_path);
	unlink(old_path);
}

char *compile_config(void)
{
	char path[PATH_MAX];
	struct rules rules;
	bool known;

	if (rules_open(&rules, true))
		return NULL;
	known = body_is_intact(&rules) && rules_string(&rules, rules.header.config, path, sizeof(path));
	rules_close(&rules);
	return known ? copied(path) : NULL;
}

bool compile_open(struct rules *rules, bool trusted)
{
	int error = rules_open(rules, trusted);

	if (!error && !body_is_intact(rules)) {
		rules_close(rules);
		error = -EBADMSG;
	}
	if (!error && !rules_readable(&rules->header)) {
		rules_close(rules);
		error = -EPROTO;
	}
	if (error == -EPROTO)
		warnx("%s was made by %s netshim; run 'netshim reload' as root", RULES_PATH,
		      rules->header.version < RULES_OLDEST ? "an older" : "a newer");
	else if (error == -EBADMSG || error == -EACCES)
		warnx("%s is %s; run 'netshim reload' as root", RULES_PATH,
		      error == -EACCES ? "not root's alone" : "damaged");
	else if (error && error != -ENOENT)
		warnx("cannot open %s: %s", RULES_PATH, strerror(-error));
	errno = -error;
	return !error;
}
