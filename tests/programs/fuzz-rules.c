/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* libFuzzer's way into the reader of the rules file, as the shim and the helper use
 * it. An input is a path and a line break, then the file. The path is read as a
 * request too. Where there is one, the file's magic, checksums, hashes and names are
 * put right, which mutation alone would never get past; then the names must not say no
 * where the walk finds a rule. Built and run by fuzz.t. */

#include "conf/contract/match.h"
#include "conf/contract/rules.h"
#include "conf/contract/sys.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PATH_SIZE_MAX (2 * RULE_PATH_MAX)
#define REPAIRED_RECORDS 64

static int file;
static int folder;

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "fuzz-rules: %s\n", what);
	abort();
}

/* The lowest number that is free. */
static int free_descriptor(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

/* What paths lead to: a file, a script of it, links, folders, a loop. */
static void make_files(void)
{
	static const char *const links[][2] = { { "file", NETSHIM_RUNDIR "/link" },
						{ "link", NETSHIM_RUNDIR "/two" },
						{ "tree", NETSHIM_RUNDIR "/dir" },
						{ "dir/../two", NETSHIM_RUNDIR "/tree/three" },
						{ NETSHIM_RUNDIR "/dir/script", NETSHIM_RUNDIR "/tree/four" },
						{ "tree/.", NETSHIM_RUNDIR "/five" },
						{ "../tree/loop", NETSHIM_RUNDIR "/tree/loop" } };
	static const char script[] = "#! " NETSHIM_RUNDIR "/link -x\n";

	if ((mkdir(NETSHIM_RUNDIR "/tree", 0755) && errno != EEXIST) ||
	    close(open(NETSHIM_RUNDIR "/file", O_CREAT | O_RDWR, 0755)))
		err(EXIT_FAILURE, NETSHIM_RUNDIR);
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlink(links[i][0], links[i][1]) && errno != EEXIST)
			err(EXIT_FAILURE, "%s", links[i][1]);
	int fd = open(NETSHIM_RUNDIR "/tree/script", O_CREAT | O_TRUNC | O_RDWR, 0755);

	if (write(fd, script, sizeof(script) - 1) < 0 || close(fd))
		err(EXIT_FAILURE, NETSHIM_RUNDIR "/tree/script");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	make_files();
	file = open(RULES_PATH, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
	folder = open(NETSHIM_RUNDIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (file < 0 || folder < 0)
		err(EXIT_FAILURE, RULES_PATH);
	return 0;
}

/* The record of that size and number in the array at offset, or NULL. */
static char *record_at(char *bytes, size_t size, uint64_t offset, uint64_t i, size_t record_size)
{
	if (offset > size || size - offset < record_size || i > (size - offset) / record_size - 1)
		return NULL;
	return bytes + offset + i * record_size;
}

static void repair_checksum(const struct rules_header *h, char *record, size_t size)
{
	uint64_t checksum = rules_checksum(h, record, size);

	memcpy(record + size - sizeof(checksum), &checksum, sizeof(checksum));
}

static void repair_records(const struct rules_header *h, char *bytes, size_t size, uint64_t offset, uint64_t count,
			   size_t record_size)
{
	for (uint64_t i = 0; i < count && i < REPAIRED_RECORDS; i++) {
		char *record = record_at(bytes, size, offset, i, record_size);

		if (!record)
			return;
		repair_checksum(h, record, record_size);
	}
}

static void repair_name(const struct rules_header *h, char *bytes, size_t size, const char *path, size_t path_size)
{
	size_t at = path_size ? rules_name_at(path, path_size) : 0;
	uint64_t hash = rules_hash(h, path + at, path_size - at);
	struct rules_names names;
	char *record;

	record = record_at(bytes, size, sizeof(*h), rules_names_index(hash, h->names_count), sizeof(names));
	if (!record)
		return;
	memcpy(&names, record, sizeof(names));
	for (unsigned i = 0; i < RULES_NAME_BITS; i++)
		names.bits[rules_name_bit(hash, i) / 64] |= UINT64_C(1) << rules_name_bit(hash, i) % 64;
	memcpy(record, &names, sizeof(names));
	repair_checksum(h, record, sizeof(names));
}

static void repair_slots(const struct rules_header *h, char *bytes, size_t size)
{
	struct rules_slot slot;

	for (uint64_t i = 0; i < h->slot_count && i < REPAIRED_RECORDS; i++) {
		char *record = record_at(bytes, size, h->slots, i, sizeof(slot));
		uint64_t path;

		if (!record)
			return;
		memcpy(&slot, record, sizeof(slot));
		path = h->strings + slot.path;
		if (!slot.path || h->strings > size || path > size || slot.path_size > size - path)
			continue;
		slot.hash = rules_hash(h, bytes + path, slot.path_size);
		memcpy(record, &slot, sizeof(slot));
		repair_checksum(h, record, sizeof(slot));
		repair_name(h, bytes, size, bytes + path, slot.path_size);
	}
}

static void repair_withs(const struct rules_header *h, char *bytes, size_t size)
{
	uint64_t at = h->users + h->user_count * sizeof(struct rules_user);
	struct rules_with with;

	for (uint64_t i = 0; i < h->with_count && i < REPAIRED_RECORDS; i++) {
		char *record = record_at(bytes, size, at, i, sizeof(with));
		uint64_t text;

		if (!record)
			return;
		memcpy(&with, record, sizeof(with));
		text = h->strings + with.text;
		if (h->strings <= size && text <= size && with.text_size <= size - text)
			with.hash = rules_hash(h, bytes + text, with.text_size);
		memcpy(record, &with, sizeof(with));
		repair_checksum(h, record, sizeof(with));
	}
}

static void repair(char *bytes, size_t size)
{
	struct rules_header header;

	if (size < sizeof(header))
		return;
	memcpy(&header, bytes, sizeof(header));
	header.magic = RULES_MAGIC;
	header.version = RULES_VERSION;
	memcpy(bytes, &header, sizeof(header));
	repair_checksum(&header, bytes, sizeof(header));
	repair_records(&header, bytes, size, sizeof(header), header.names_count, sizeof(struct rules_names));
	repair_slots(&header, bytes, size);
	repair_records(&header, bytes, size, header.classes, header.class_count, sizeof(struct rules_class));
	repair_records(&header, bytes, size, header.users, header.user_count, sizeof(struct rules_user));
	repair_withs(&header, bytes, size);
}

/* As `netshim which` reads a rule's strings, and the others its class. */
static void read_rule(struct rules *rules, const struct rules_slot *rule)
{
	char name[CLASS_NAME_MAX + 1];
	struct rules_class class;
	char text[RULE_PATH_MAX];

	check(rule->path || !rules_understood(rule->flags, 0), "a free slot is a rule");
	if (rules_class(rules, rule->class_index, &class, name)) {
		check(class_name_valid(name), "a class without a name");
		rules_users_include_caller(rules, &class.users);
	}
	if (rules_string(rules, rule->written, text, sizeof(text)))
		check(strlen(text) < sizeof(text), "a string without an end");
	rules_string(rules, rule->with, text, sizeof(text));
	rules_string(rules, rule->file, text, 1);
}

/* The same rules, for whose names every name may be one. */
static struct rules without_names(const struct rules *rules)
{
	struct rules all = *rules;

	all.header.names_count = 1;
	memset(all.names[0].bits, 0xff, sizeof(all.names[0].bits));
	repair_checksum(&all.header, (char *)&all.names[0], sizeof(all.names[0]));
	return all;
}

/* What the input's path is an argument of. */
static void choose_rule(struct rules *rules, int dirfd, const char *path, int flags, bool scripts)
{
	char *arguments[] = { (char *)path, (char *)path, (char *)(rules->fd % 2 ? "file" : "a.exe"), NULL };
	const struct match_start start = { dirfd, path, { .list = arguments, .folder = AT_FDCWD } };
	struct rules_slot plain;
	struct rules_slot rule;
	int found = match_program(rules, dirfd, path, flags, scripts, &plain, NULL);
	int chosen = match_started(rules, dirfd, path, flags, scripts, &rule, &start);

	if (chosen > 0)
		read_rule(rules, &rule);
	check(rules->damaged || found <= 0 || plain.flags & RULE_WITH ||
		      (chosen > 0 && !memcmp(&plain, &rule, sizeof(rule))),
	      "arguments have changed another rule");
}

/* Where something is damaged, they may come upon it or not. */
static void find_rule(struct rules *rules, int dirfd, const char *path, int flags, bool scripts)
{
	struct rules all = without_names(rules);
	struct rules_slot walked;
	struct rules_slot rule;
	int found = match_program(rules, dirfd, path, flags, scripts, &rule, NULL);
	int by_walk = match_program(&all, dirfd, path, flags, scripts, &walked, NULL);
	bool damaged = rules->damaged || all.damaged;

	if (found > 0)
		read_rule(rules, &rule);
	/* There, the names are all that says so. */
	if (!rules_readable(&rules->header))
		return;
	check(damaged || (found > 0) == (by_walk > 0), "the names say something else than the walk");
	check(damaged || found <= 0 || !memcmp(&rule, &walked, sizeof(rule)), "two rules");
}

static void read_rules(const char *path, bool trusted)
{
	struct rules_class class;
	struct rules rules;
	uint32_t index;

	if (rules_open(&rules, trusted))
		return;
	find_rule(&rules, AT_FDCWD, path, 0, true);
	find_rule(&rules, folder, path, AT_EMPTY_PATH, !trusted);
	choose_rule(&rules, AT_FDCWD, path, 0, true);
	choose_rule(&rules, folder, path, AT_EMPTY_PATH, !trusted);
	if (rules_class_named(&rules, path, &index, &class))
		check(index < rules.header.class_count, "a class beyond the last");
	check(rules_since(&rules, path) == RULES_SAME || !trusted, "rules that are not the same");
	rules_close(&rules);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *line_end = memchr(data, '\n', size);
	size_t path_size = line_end ? (size_t)(line_end - data) : 0;
	size_t from = line_end ? path_size + 1 : 0;
	int descriptor = free_descriptor();
	char name[CLASS_NAME_MAX + 1];
	struct request request;
	char *bytes;
	char *path;

	if (path_size > PATH_SIZE_MAX)
		return -1;
	path = strndup((const char *)data, path_size);
	bytes = malloc(size - from + 1);
	memcpy(bytes, data + from, size - from);
	size -= from;
	if (*path)
		repair(bytes, size);
	if (pwrite(file, bytes, size, 0) != (ssize_t)size || ftruncate(file, (off_t)size))
		err(EXIT_FAILURE, RULES_PATH);
	if (!request_read(&request, path, name))
		request_is_foreign(path);
	else
		check(!request.run || class_name_valid(request.run), "a request for no class");
	read_rules(path, false);
	read_rules(path, true);
	check(free_descriptor() == descriptor, "a descriptor is left open");
	free(bytes);
	free(path);
	return 0;
}
