/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* From a ruleset to the rules file that the library and the helper read: see compile.h. */

#include "conf/language/compile.h"

#include "conf/contract/netns.h"
#include "conf/contract/process.h"
#include "conf/contract/siphash.h"
#include "conf/language/alloc.h"

#include <sys/stat.h>
#include <unistd.h>

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

unsigned compile_slashes(const char *path)
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
	uint32_t path = add_string(p, app->canonical);

	*slot = (struct rules_slot){
		.path = path,
		.path_size = (uint32_t)size,
		.class_index = app->class_index,
		.users = add_users(p, &app->users),
		.written = strcmp(app_written(app), app->canonical) ? add_written(p, app) : path,
		.file = add_file_name(p, app->at.file),
		.line = (uint32_t)app->at.line,
	};
	if (app->kind != WITH_ANY)
		add_withs(p, app, slot);
	if (app->canonical[size - 1] == '/')
		h->tree_depths |= UINT64_C(1) << (compile_slashes(app->canonical) - 1);
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

	p->header.rule_count = (uint32_t)ruleset_rule_count(set);
	for (size_t i = 0; i < set->app_count; i++)
		if (!set->apps[i].left_out && !set->apps[i].place)
			add_app(p, &set->apps[i], &rules[p->slot_rules++]);
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

static void build(struct parts *p, const struct ruleset *set, const struct rules_header *place)
{
	struct rules_header *h = &p->header;
	struct rules_slot *rules;

	*p = (struct parts){ .header = { .magic = RULES_MAGIC, .version = RULES_VERSION, .readers = RULES_READERS } };
	p->strings_out = memstream_open(&p->strings, &p->strings_size);
	add_string(p, ""); /* offset 0 marks a free slot */
	h->config = add_string(p, set->path);
	add_classes(p, set);
	rules = add_apps(p, set);
	memstream_close(p->strings_out);
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

bool compile_to(FILE *file, const struct ruleset *set, const struct rules_header *place)
{
	struct parts parts;
	bool ok;

	build(&parts, set, place);
	ok = write_parts(&parts, file);
	free_parts(&parts);
	return ok;
}
