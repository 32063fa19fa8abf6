/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Measures how long programs take to start and end, each way of starting them
 * ("variant") beside the others:
 *
 *     bench SECONDS IDLE_MS [NAME USER LAUNCHER_PRELOAD PROGRAM_PRELOAD COMMAND]...
 *
 * USER is a user's number, or "" for who runs this.
 *
 * Every variant has a launcher of its own, a process that lives as long as the
 * measurement and has the variant's preload in it, as a shell of a session has.
 * Told to, it starts COMMAND (split at blanks), waits for it and says how long
 * that took. A COMMAND that starts with "@" is no program to be launched but stands
 * in for the launcher: it gets the number of its descriptor for a last argument.
 * Every round launches each variant once, in an order that is
 * shuffled anew, all on one CPU; what else the machine does falls on all alike.
 *
 * Prints a line per variant: name, launches, the median, the 10th and the 90th
 * percentile in nanoseconds, how many times the first variant's time it takes
 * and how many times the second's; or the name and "failed" where a launch has
 * not ended with exit status 0. The two factors are medians over the rounds: a
 * round is over before the machine has changed its pace.
 *
 *     bench --repeat COUNT IDLE_MS COMMAND
 *
 * only launches, with the preload that it has itself. */

#include "scripts/bench.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LAUNCH "--launch"
#define REPEAT "--repeat"
#define ARGS_PER_VARIANT 5
enum { NAME, USER, LAUNCHER_PRELOAD, PROGRAM_PRELOAD, COMMAND };
#define WORDS_MAX 32
#define ROUNDS_MAX 100000
#define WARM_UP_ROUNDS 5
/* A variant that has used this share of the time sits rounds out: a sandbox that
 * takes a hundred times as long as a plain start must not be all there is. */
#define SHARE_MAX 4

struct variant {
	char **args;
	int fd; /* to its launcher */
	bool failed;
	uint64_t spent;
	uint64_t *rounds; /* nanoseconds; 0 where it sat out */
};

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (!memory)
		err(EXIT_FAILURE, "no memory");
	return memory;
}

static void set_preload(const char *preload)
{
	if (*preload)
		setenv("LD_PRELOAD", preload, 1);
	else
		unsetenv("LD_PRELOAD");
}

/* The launcher. */

static void split(char *command, char *words[WORDS_MAX])
{
	size_t n = 0;

	for (char *word = strtok(command, " "); word && n < WORDS_MAX - 2; word = strtok(NULL, " "))
		words[n++] = word;
	words[n] = NULL;
	if (!n)
		errx(EXIT_FAILURE, "a variant has no command");
}

static void rest(unsigned ms)
{
	const struct timespec time = { ms / 1000, (long)(ms % 1000) * 1000000 };

	if (ms)
		nanosleep(&time, NULL);
}

static struct result launch(char *const argv[])
{
	struct result result = { .status = -1 };
	uint64_t start = now();
	pid_t pid;

	if (!posix_spawn(&pid, argv[0], NULL, NULL, argv, environ))
		while (waitpid(pid, &result.status, 0) < 0 && errno == EINTR)
			;
	result.ns = now() - start;
	return result;
}

/* Launches at every byte that comes; ends when the measuring process does. */
static int serve(int fd, const char *program_preload, char *command)
{
	char *argv[WORDS_MAX];
	char go;

	split(command, argv);
	/* What is launched gets no descriptor that a plain start has not. */
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	set_preload(program_preload);
	while (read(fd, &go, 1) == 1) {
		struct result result = launch(argv);

		if (write(fd, &result, sizeof(result)) != sizeof(result))
			break;
	}
	return EXIT_SUCCESS;
}

static int repeat(unsigned long count, unsigned idle_ms, char *command)
{
	char *argv[WORDS_MAX];

	split(command, argv);
	for (unsigned long i = 0; i < count; i++) {
		rest(idle_ms);
		if (launch(argv).status)
			errx(EXIT_FAILURE, "%s has failed", argv[0]);
	}
	return EXIT_SUCCESS;
}

/* The measuring process. */

static void become_user(const char *user)
{
	uid_t id = (uid_t)atoi(user);

	if (*user && (setgroups(0, NULL) || setgid(id) || setuid(id)))
		err(EXIT_FAILURE, "cannot become user %s", user);
}

static void become_launcher(const char *self, const struct variant *v, int fd)
{
	char *command[WORDS_MAX];
	char number[16];
	size_t n = 0;

	snprintf(number, sizeof(number), "%d", fd);
	fcntl(fd, F_SETFD, 0);
	become_user(v->args[USER]);
	set_preload(v->args[LAUNCHER_PRELOAD]);
	if (v->args[COMMAND][0] != '@') {
		execl(self, self, LAUNCH, number, v->args[PROGRAM_PRELOAD], v->args[COMMAND], (char *)NULL);
		err(EXIT_FAILURE, "%s", self);
	}
	split(v->args[COMMAND] + 1, command);
	while (command[n])
		n++;
	command[n] = number;
	command[n + 1] = NULL;
	execv(command[0], command);
	err(EXIT_FAILURE, "%s", command[0]);
}

static void start_launcher(const char *self, struct variant *v)
{
	int ends[2];
	pid_t pid;

	/* Close-on-exec: a launcher sees the end of its own only if no other
	 * launcher has it too. */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		err(EXIT_FAILURE, "socketpair");
	pid = fork();
	if (pid < 0)
		err(EXIT_FAILURE, "fork");
	if (!pid)
		become_launcher(self, v, ends[1]);
	close(ends[1]);
	v->fd = ends[0];
	v->rounds = allocate(ROUNDS_MAX, sizeof(*v->rounds));
}

/* Returns how long a launch took. */
static uint64_t measure(struct variant *v)
{
	struct result result;

	if (write(v->fd, "", 1) != 1 || read(v->fd, &result, sizeof(result)) != sizeof(result) || result.status)
		v->failed = true;
	return v->failed ? 0 : result.ns;
}

static void shuffle(struct variant **order, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		size_t other = (size_t)random() % i;
		struct variant *kept = order[i - 1];

		order[i - 1] = order[other];
		order[other] = kept;
	}
}

static void end_launchers(struct variant *variants, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(variants[i].fd);
	while (wait(NULL) > 0)
		;
}

/* A round of number 0 warms up: the next one overwrites it. */
static void run_round(struct variant **order, size_t count, size_t number, unsigned idle_ms, uint64_t so_far)
{
	shuffle(order, count);
	for (size_t i = 0; i < count; i++) {
		struct variant *v = order[i];

		v->rounds[number] = 0;
		if (v->failed || v->spent > so_far / SHARE_MAX)
			continue;
		rest(idle_ms);
		v->rounds[number] = measure(v);
		if (so_far)
			v->spent += v->rounds[number];
	}
}

/* Returns the number of rounds. */
static size_t run(struct variant *variants, size_t count, unsigned seconds, unsigned idle_ms)
{
	struct variant **order = allocate(count, sizeof(struct variant *));
	uint64_t total = (uint64_t)seconds * 1000000000;
	uint64_t start;
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		order[i] = &variants[i];
	for (unsigned i = 0; i < WARM_UP_ROUNDS; i++)
		run_round(order, count, 0, idle_ms, 0);
	/* A second is lent to all, lest the first launch is one too many. */
	for (start = now(); n < ROUNDS_MAX && now() - start < total; n++)
		run_round(order, count, n, idle_ms, now() - start + 1000000000);
	free(order);
	return n;
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a;
	double right = *(const double *)b;

	return (left > right) - (left < right);
}

/* Sorts into values the times of a variant, in units of another's in the same
 * round where there is another. Returns how many there are. */
static size_t sorted(double *values, const struct variant *v, const struct variant *unit, size_t rounds)
{
	size_t n = 0;

	for (size_t i = 0; i < rounds; i++) {
		uint64_t by = unit ? unit->rounds[i] : 1;

		if (v->rounds[i] && by)
			values[n++] = (double)v->rounds[i] / (double)by;
	}
	qsort(values, n, sizeof(*values), compare);
	return n;
}

static void report(const struct variant *variants, size_t count, size_t rounds)
{
	double *values = allocate(rounds, sizeof(*values));

	for (const struct variant *v = variants; v < variants + count; v++) {
		size_t n = sorted(values, v, NULL, rounds);

		if (v->failed || !n) {
			printf("%s\tfailed\n", v->args[NAME]);
			continue;
		}
		printf("%s\t%zu\t%.0f\t%.0f\t%.0f", v->args[NAME], n, values[n / 2], values[n / 10],
		       values[n * 9 / 10]);
		for (size_t i = 0; i < 2 && i < count; i++) {
			n = sorted(values, v, &variants[i], rounds);
			printf("\t%.3f", n ? values[n / 2] : 0);
		}
		printf("\n");
	}
	free(values);
}

int main(int argc, char **argv)
{
	size_t count = argc < 3 ? 0 : (size_t)(argc - 3) / ARGS_PER_VARIANT;
	struct variant *variants;
	size_t rounds;

	if (argc == 5 && !strcmp(argv[1], REPEAT))
		return repeat(strtoul(argv[2], NULL, 10), (unsigned)atoi(argv[3]), argv[4]);
	if (argc == 5 && !strcmp(argv[1], LAUNCH))
		return serve(atoi(argv[2]), argv[3], argv[4]);
	if (!count || (argc - 3) % ARGS_PER_VARIANT)
		errx(2, "usage: bench SECONDS IDLE_MS [NAME USER LAUNCHER_PRELOAD PROGRAM_PRELOAD COMMAND]...");
	variants = allocate(count, sizeof(*variants));
	pin();
	for (size_t i = 0; i < count; i++) {
		variants[i].args = argv + 3 + i * ARGS_PER_VARIANT;
		start_launcher(argv[0], &variants[i]);
	}
	rounds = run(variants, count, (unsigned)atoi(argv[1]), (unsigned)atoi(argv[2]));
	end_launchers(variants, count);
	report(variants, count, rounds);
	return EXIT_SUCCESS;
}
