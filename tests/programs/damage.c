/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Starts a program again and again while the rules file is damaged in every way,
 * from one process that has the shim in it, and counts what becomes of it:
 *
 *   damage MODE STEP COMMAND PROGRAM [ARG...]
 *       cut      the file ends after each of its bytes
 *       turn     each of its bits, or of STEP, is the other way round
 *       version  its header is that of a later version which this one cannot read
 *       N        as it is, N times
 *
 * Each time PROGRAM is started as the shim has it, and by the helper as a shim that
 * has found a rule would have it started; now and then COMMAND is asked about it.
 * PROGRAM tells by its exit status where it is: 0 in its class, 1 in none. Built and
 * run by damage.t. */

#include "conf/contract/rules.h"
#include "tests/programs/driver.h"

#include <err.h>
#include <errno.h>
#include <grp.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define NOBODY 65534

static int rules;
static int errors; /* what the program in question says to stderr */
static char *good;
static size_t size;

static size_t step;
static char **program;
static char *which[4];
static char *const no_env[] = { NULL };
static char *request_env[REQUEST_STRINGS + 1];

enum { BY_SHIM, BY_HELPER, BY_COMMAND, WAYS };
static struct tally {
	unsigned classified, unclassified, refused, other;
} tallies[WAYS];

static int run(const char *path, char *const argv[], char *const env[])
{
	posix_spawn_file_actions_t actions;
	int status = -1;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, errors, 1);
	posix_spawn_file_actions_adddup2(&actions, errors, 2);
	if (ftruncate(errors, 0) || lseek(errors, 0, SEEK_SET) || posix_spawn(&pid, path, &actions, NULL, argv, env) ||
	    (status = wait_for(pid)) < 0)
		err(EXIT_FAILURE, "%s", path);
	posix_spawn_file_actions_destroy(&actions);
	return status;
}

static bool says(const char *what)
{
	char text[1024] = "";

	return pread(errors, text, sizeof(text) - 1, 0) > 0 && strstr(text, what);
}

static void count(int way, int status, int refusal)
{
	struct tally *t = &tallies[way];

	if (status == refusal && says("netshim reload"))
		t->refused++;
	else if (status == 0)
		t->classified++;
	else if (status == 1 && way != BY_COMMAND)
		t->unclassified++;
	else
		t->other++;
}

static void start(void)
{
	static unsigned times;

	count(BY_SHIM, run(program[0], program, no_env), EXIT_REFUSED);
	count(BY_HELPER, run(NETSHIM_HELPER, program, request_env), EXIT_REFUSED);
	if (times++ % 16 == 0)
		count(BY_COMMAND, run(which[0], which, no_env), 1);
}

static void put(const char *bytes, size_t count_of_bytes)
{
	if (pwrite(rules, bytes, count_of_bytes, 0) != (ssize_t)count_of_bytes ||
	    ftruncate(rules, (off_t)count_of_bytes))
		err(EXIT_FAILURE, RULES_PATH);
}

static void cut(void)
{
	for (size_t n = 0; n < size; n++) {
		put(good, n);
		start();
	}
}

static void turn(void)
{
	for (size_t bit = 0; bit < size * 8; bit += step) {
		good[bit / 8] ^= (char)(1 << bit % 8);
		put(good, size);
		good[bit / 8] ^= (char)(1 << bit % 8);
		start();
	}
}

static void later_version(void)
{
	char *later = malloc(size);
	struct rules_header header;

	memcpy(later, good, size);
	memcpy(&header, good, sizeof(header));
	header.version++;
	header.readers = header.version;
	header.checksum = rules_checksum(&header, &header, sizeof(header));
	memcpy(later, &header, sizeof(header));
	put(later, size);
	start();
	free(later);
}

static void read_rules(void)
{
	struct stat st;

	rules = open(RULES_PATH, O_RDWR | O_CLOEXEC);
	if (rules < 0 || fstat(rules, &st))
		err(EXIT_FAILURE, RULES_PATH);
	size = (size_t)st.st_size;
	good = malloc(size);
	if (!good || pread(rules, good, size, 0) != (ssize_t)size)
		err(EXIT_FAILURE, RULES_PATH);
}

static void be_nobody(void)
{
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
		err(EXIT_FAILURE, "cannot become an unprivileged user");
}

static void prepare(char **argv)
{
	static char text[REQUEST_MAX];
	struct request request = { .dirfd = AT_FDCWD };

	step = (size_t)atol(argv[0]);
	program = argv + 2;
	which[0] = argv[1];
	which[1] = (char *)"which";
	which[2] = program[0];
	request_state(&request);
	request.pdeathsig = 0;
	request_write(&request, text);
	request_env[0] = text;
	request_env[1] = program[0];
	errors = memfd_create("errors", MFD_CLOEXEC);
	if (errors < 0)
		err(EXIT_FAILURE, "memfd_create");
}

static void print_tally(const char *name, const struct tally *t)
{
	printf("%s: %u classified, %u unclassified, %u refused, %u other\n", name, t->classified, t->unclassified,
	       t->refused, t->other);
}

int main(int argc, char **argv)
{
	if (argc < 5)
		return 64;
	prepare(argv + 2);
	if (!strcmp(argv[1], "cut") || !strcmp(argv[1], "turn") || !strcmp(argv[1], "version"))
		read_rules();
	be_nobody();
	if (!strcmp(argv[1], "cut"))
		cut();
	else if (!strcmp(argv[1], "turn"))
		turn();
	else if (!strcmp(argv[1], "version"))
		later_version();
	else
		for (int i = 0; i < atoi(argv[1]); i++)
			start();
	if (good)
		put(good, size);
	print_tally("shim", &tallies[BY_SHIM]);
	print_tally("helper", &tallies[BY_HELPER]);
	print_tally("command", &tallies[BY_COMMAND]);
	return 0;
}
