/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The reader of the rules file and of the request, given what no compiler of
 * rules would write. Built with sanitizers and run by sanitizers.t, which puts a
 * good rules file at RULES_PATH first. Prints TAP. */

#include "conf/contract/match.h"
#include "conf/contract/rules.h"
#include "conf/contract/sys.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int count;
static int failed;

static void ok(bool good, const char *name)
{
	count++;
	failed += !good;
	printf("%sok %d - %s\n", good ? "" : "not ", count, name);
}

static const char *const paths[] = { "/bin/sh", "/usr/bin/env", "/opt/tree/x", "relative", "/", "", "//", "." };
#define PATHS (sizeof(paths) / sizeof(paths[0]))

/* All that the shim and the helper learn of a program. */
struct answer {
	bool damaged;
	bool found;
	bool for_caller;
	struct rules_slot rule;
	struct rules_class class;
};

static void ask(const char *path, struct answer *answer)
{
	char name[CLASS_NAME_MAX + 1];
	struct rules rules;

	memset(answer, 0, sizeof(*answer));
	answer->damaged = rules_open(&rules, false);
	if (answer->damaged)
		return;
	answer->found = match_program(&rules, AT_FDCWD, path, 0, true, &answer->rule, NULL) > 0;
	answer->for_caller = answer->found && rules_class(&rules, answer->rule.class_index, &answer->class, name) &&
			     rules_users_include_caller(&rules, &answer->class.users);
	answer->damaged = rules.damaged;
	rules_close(&rules);
}

static struct answer expected[PATHS];

/* Whether what is read is what was written, or known to be damaged. */
static bool nothing_false(void)
{
	struct answer answer;

	for (size_t i = 0; i < PATHS; i++) {
		ask(paths[i], &answer);
		if (!answer.damaged && memcmp(&answer, &expected[i], sizeof(answer)))
			return false;
	}
	return true;
}

/* Everything that a reader can ask. Returns how many rules it found. */
static int read_all(void)
{
	char text[RULE_PATH_MAX];
	struct rules_class class;
	struct rules_slot rule;
	struct rules rules;
	uint32_t index;
	int found = 0;

	if (rules_open(&rules, false))
		return -1;
	for (size_t i = 0; i < PATHS; i++) {
		if (match_program(&rules, AT_FDCWD, paths[i], 0, true, &rule, NULL) <= 0)
			continue;
		found++;
		rules_class(&rules, rule.class_index, &class, text);
		rules_users_include_caller(&rules, &rule.users);
		rules_string(&rules, rule.written, text, sizeof(text));
		rules_string(&rules, rule.file, text, sizeof(text));
	}
	rules_class_named(&rules, "one", &index, &class);
	rules_class_named(&rules, "no-such-class", &index, &class);
	rules_close(&rules);
	return found;
}

static void put(const char *bytes, size_t size)
{
	FILE *file = fopen(RULES_PATH, "w");

	if (!file || fwrite(bytes, 1, size, file) != size || fclose(file))
		abort();
}

static void put_with_header(const char *good, size_t size, struct rules_header header)
{
	static char file[1 << 16];

	header.checksum = rules_checksum(&header, &header, sizeof(header));
	memcpy(file, good, size);
	memcpy(file, &header, sizeof(header));
	put(file, size);
}

/* The paths with a rule are those with a rule, and of no rule or class anything is known. */
static bool not_understood(void)
{
	struct rules_class class;
	struct answer answer;
	struct rules rules;
	uint32_t index;
	bool good = !rules_open(&rules, false) && !rules_readable(&rules.header) &&
		    !rules_class_named(&rules, "one", &index, &class) && !rules.damaged;

	rules_close(&rules);
	for (size_t i = 0; i < PATHS; i++) {
		ask(paths[i], &answer);
		good = good && !answer.damaged && (answer.found || !expected[i].found) &&
		       (!answer.found || !rules_understood(answer.rule.flags, 0));
	}
	return good;
}

static void test_damage(void)
{
	static char good[1 << 16];
	static char bad[1 << 16];
	FILE *file = fopen(RULES_PATH, "r");
	size_t size = file ? fread(good, 1, sizeof(good), file) : 0;
	struct rules_header header;
	int all = read_all();
	bool trusted_cut = true;
	bool true_cut = true;
	bool true_turned = true;
	struct rules rules;

	if (file)
		fclose(file);
	ok(size > sizeof(header) && size < sizeof(good) && all > 1, "the good file is read");
	for (size_t i = 0; i < PATHS; i++)
		ask(paths[i], &expected[i]);
	for (size_t cut = 0; cut < size; cut++) {
		put(good, cut);
		read_all();
		true_cut = true_cut && nothing_false();
		trusted_cut = trusted_cut && rules_open(&rules, true) == -EBADMSG;
	}
	ok(true_cut, "cut at every byte: nothing is taken for what was not written");
	ok(trusted_cut, "cut at every byte: the helper's reader says that it is damaged");
	for (size_t bit = 0; bit < size * 8; bit++) {
		memcpy(bad, good, size);
		bad[bit / 8] ^= (char)(1 << bit % 8);
		put(bad, size);
		read_all();
		true_turned = true_turned && nothing_false();
	}
	ok(true_turned, "every bit turned: nothing is taken for what was not written");
	/* Headers that are right by their checksum only. */
	for (size_t field = 0; field + 4 <= offsetof(struct rules_header, checksum); field += 4)
		for (unsigned value = 0; value < 6; value++) {
			static const uint32_t values[] = { 0, 1, 7, 0x7fffffff, 0x80000000, 0xffffffff };

			memcpy(bad, good, size);
			memcpy(bad + field, &values[value], 4);
			memcpy(&header, bad, sizeof(header));
			header.checksum = rules_checksum(&header, &header, sizeof(header));
			memcpy(bad, &header, sizeof(header));
			put(bad, size);
			read_all();
		}
	ok(true, "every number of the header replaced: nothing is read out of bounds");
	memcpy(&header, good, sizeof(header));
	header.version++;
	memset(header.unused, 0xff, sizeof(header.unused));
	put_with_header(good, size, header);
	ok(read_all() == all && nothing_false(), "a future version is read as it is, where it says that it can be");
	header.readers = RULES_VERSION + 1;
	header.slots = UINT64_MAX;
	put_with_header(good, size, header);
	ok(not_understood(), "where it says that it cannot, whoever may have a rule has one that is not understood");
	header.version = header.readers = RULES_OLDEST - 1;
	put_with_header(good, size, header);
	ok(not_understood(), "and in one that is too old");
	/* A table without a free slot must not be searched for ever. */
	memcpy(bad, good, size);
	memcpy(&header, good, sizeof(header));
	for (uint64_t i = 0; i < header.slot_count; i++)
		bad[header.slots + i * sizeof(struct rules_slot) + offsetof(struct rules_slot, path)] = 1;
	put(bad, size);
	read_all();
	ok(true, "a table without a free slot");
	put(good, size);
	ok(read_all() == all, "the good file again");
}

/* All but the first are what Python says with PYTHONHASHSEED=0, which is keys of zeros. */
static void test_hash(void)
{
	static const struct {
		uint64_t key[2];
		const char *string;
		uint64_t hash;
	} known[] = {
		{ { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) }, "", UINT64_C(0xabac0158050fc4dc) },
		{ { 0 }, "a", UINT64_C(4644417185603328019) },
		{ { 0 }, "abcdefgh", UINT64_C(4574395652268504554) },
		{ { 0 }, "abcdefghi", (uint64_t)INT64_C(-532774252720507163) },
		{ { 0 }, "The quick brown fox jumps over the lazy dog", (uint64_t)INT64_C(-8217249817990249186) },
	};
	bool good = true;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct rules_header header = { .key = { known[i].key[0], known[i].key[1] } };

		good = good && rules_hash(&header, known[i].string, strlen(known[i].string)) == known[i].hash;
	}
	ok(good, "the hash is SipHash-1-3");
}

/* With the key of zeros, these have one hash. */
#define TWINS 2
static const char twins[TWINS][20] = { "/c/745ff01e9b526052", "/c/98d4c55e5e9e9c46" };

/* A rules file with a rule for each of them, one line apart. */
static struct twin_file {
	struct rules_header header;
	struct rules_names names[1];
	struct rules_slot slots[8];
	char strings[1 + sizeof(twins)];
} twin_file;

static void put_twins(void)
{
	struct twin_file *f = &twin_file;
	struct rules_header *h = &f->header;

	*h = (struct rules_header){ .magic = RULES_MAGIC,
				    .version = RULES_VERSION,
				    .readers = RULES_READERS,
				    .file_size = sizeof(*f),
				    .names_count = 1,
				    .slot_count = 8,
				    .slots = offsetof(struct twin_file, slots),
				    .classes = sizeof(*f),
				    .users = sizeof(*f),
				    .strings = offsetof(struct twin_file, strings),
				    .strings_size = sizeof(f->strings) };
	h->checksum = rules_checksum(h, h, sizeof(*h));
	memset(f->names[0].bits, 0xff, sizeof(f->names[0].bits));
	f->names[0].checksum = rules_checksum(h, &f->names[0], sizeof(f->names[0]));
	memcpy(f->strings + 1, twins, sizeof(twins));
	for (uint32_t i = 0; i < TWINS; i++) {
		uint64_t hash = rules_hash(h, twins[i], strlen(twins[i]));
		struct rules_slot *slot = &f->slots[(rules_slot_index(hash, 8) + i) % 8];

		*slot = (struct rules_slot){ .hash = hash,
					     .path = 1 + i * (uint32_t)sizeof(twins[0]),
					     .path_size = (uint32_t)strlen(twins[i]),
					     .line = 1 + i };
		slot->checksum = rules_checksum(h, slot, sizeof(*slot));
	}
	put((const char *)f, sizeof(*f));
}

/* The line of the rule for a path; 0 where there is none, -1 where something is damaged. */
static int line_of(const char *path)
{
	struct rules_slot rule;
	struct rules rules;
	bool found;

	if (rules_open(&rules, false))
		return -1;
	found = rules_find(&rules, path, strlen(path), &rule);
	rules_close(&rules);
	return rules.damaged ? -1 : found ? (int)rule.line : 0;
}

static void test_twins(void)
{
	put_twins();
	ok(line_of(twins[0]) == 1 && line_of(twins[1]) == 2, "two paths with one hash have a rule each");
	ok(line_of("/c/another") == 0, "and others none");
	twin_file.strings[2] ^= 1;
	put((const char *)&twin_file, sizeof(twin_file));
	ok(line_of(twins[0]) == -1 && line_of(twins[1]) == -1, "a path that is damaged is no other path");
}

static void test_request(void)
{
	struct request request = {
		.run = "a-class",
		.dirfd = AT_FDCWD,
		.flags = 0x1000,
		.cloexec = true,
		.pdeathsig = 15,
		.parent = 4711,
		.personality = 0xffffffff,
		.stack = UINT64_MAX,
		.unsure = true,
	};
	char name[CLASS_NAME_MAX + 1];
	char text[REQUEST_MAX];
	struct request back;

	request_write(&request, text);
	ok(request_read(&back, text, name) && !strcmp(back.run, "a-class") && back.dirfd == AT_FDCWD &&
		   back.flags == 0x1000 && back.cloexec && back.pdeathsig == 15 && back.parent == 4711 &&
		   back.personality == 0xffffffff && back.stack == UINT64_MAX && back.unsure,
	   "a request is read as it was written");
	strcat(text, " 18446744073709551615 0");
	ok(request_read(&back, text, name) && back.unsure && !request_is_foreign(text),
	   "further numbers are passed over");
	strcat(text, " x");
	ok(!request_read(&back, text, name), "and nothing else");
	ok(request_read(&back, REQUEST_NAME "1 exec 0 0 0 0 0 0 0 7", name) && back.stack == 7 && !back.unsure,
	   "one that a version did not know yet is 0");
	ok(!request_read(&back, REQUEST_NAME "3 exec 0 0 0 0 0 0 0 0", name) &&
		   request_is_foreign(REQUEST_NAME "3 exec 0 0 0 0 0 0 0 0") &&
		   !request_is_foreign(REQUEST_NAME "1 exec") && !request_is_foreign(REQUEST_NAME "2 exec") &&
		   !request_is_foreign(REQUEST_NAME "3") && !request_is_foreign("3 exec") && !request_is_foreign(NULL),
	   "a request of another version");
	request.loader = 8;
	request_write(&request, text);
	ok(!strncmp(text, REQUEST_NAME "2 ", strlen(REQUEST_NAME "2 ")) && request_read(&back, text, name) &&
		   back.loader == 8,
	   "a request for a loader is not for who does not know of it");
	for (size_t cut = 0; cut < strlen(text); cut++) {
		char *copy = strndup(text, cut);

		request_read(&back, copy, name);
		free(copy);
	}
	ok(!request_read(&back, NULL, name) && !request_read(&back, "", name), "no request");
	memset(text + 20, 'x', sizeof(text) - 21);
	text[sizeof(text) - 1] = '\0';
	ok(!request_read(&back, text, name), "a class name without an end");
}

static void test_names(void)
{
	char longest[CLASS_NAME_MAX + 2];

	memset(longest, 'a', sizeof(longest));
	longest[CLASS_NAME_MAX + 1] = '\0';
	ok(!class_name_valid(longest) && class_name_valid(longest + 1), "class names of 65 and of 64 bytes");
	ok(!class_name_valid("") && !class_name_valid("a/b") && !class_name_valid(".") && class_name_valid("A_z-9"),
	   "the letters of class names");
}

/* Paths as long as they get, and one byte more. */
static void test_long_paths(void)
{
	struct rules_slot rule;
	struct rules rules;
	bool good = !rules_open(&rules, false);

	for (size_t size = 480; good && size <= 2 * RULE_PATH_MAX; size += size < 540 || size > 4080 ? 1 : 97) {
		char *path = malloc(size + 1);

		memset(path, 'x', size);
		for (size_t i = 0; i < size; i += 2)
			path[i] = i % 6 ? '.' : '/';
		path[size] = '\0';
		good = match_program(&rules, AT_FDCWD, path, 0, true, &rule, NULL) <= 0;
		good = match_program(&rules, AT_FDCWD, path + 1, 0, true, &rule, NULL) <= 0 && good;
		free(path);
	}
	rules_close(&rules);
	ok(good, "paths up to and beyond the longest");
}

int main(void)
{
	test_hash();
	test_damage();
	test_long_paths();
	test_twins();
	test_request();
	test_names();
	printf("1..%d\n", count);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
