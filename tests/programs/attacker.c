/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What a hostile user does that a shell cannot.
 *
 *   attacker be ODDITY... -- PROGRAM [ARG...]
 *       starts PROGRAM in a child that has made itself odd; tells in which class it
 *       ran (it has to stop itself), or how it ended and its last words
 *   attacker harass stop|LIMIT TRIES PROGRAM [ARG...]
 *       starts PROGRAM TRIES times, and at a random moment stops it for a while or
 *       sets the limit to nothing; tells what came out, and how often, and where it was
 *       never the helper that it met so
 *   attacker peek STOPS PROGRAM [ARG...]
 *       starts PROGRAM until it has stopped the helper STOPS times, and then tries to
 *       get at its memory and its descriptors; tells how often it could, and how often
 *       it had stopped it (fewer, where it starts it 100 times for each in vain)
 *   attacker swap LINK A B TRIES
 *       starts LINK TRIES times while it is made a symlink to A and to B in turn;
 *       tells what came out, and how often
 *   attacker flip A B TRIES PROGRAM
 *       starts "PROGRAM given A" TRIES times while another thread makes A of B, and B of
 *       A again, all the time; "bad" is an argument at no address
 *   attacker request REQUEST PATH HELPER [ARG...]
 *       runs the helper with a request of its own making; @N stands for N bytes
 *   attacker noargs null|empty PROGRAM
 */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* --- counting what comes out */

static struct outcome {
	char text[4096];
	unsigned count;
} outcomes[32];

static void count_outcome(const char *text)
{
	struct outcome *o = outcomes;

	while (o->count && strcmp(o->text, text))
		if (++o == outcomes + 32)
			errx(99, "too many outcomes: %s", text);
	snprintf(o->text, sizeof(o->text), "%.4095s", text);
	o->count++;
}

static void print_outcomes(void)
{
	for (struct outcome *o = outcomes; o < outcomes + 32 && o->count; o++)
		printf("%s: %u\n", o->text, o->count);
}

static pid_t start(const char *program, char **argv, int out)
{
	pid_t pid = vfork();

	if (!pid) {
		dup2(out, 1);
		dup2(out, 2);
		execve(program, argv, environ);
		_exit(99);
	}
	return pid;
}

/* Reads all there is; returns the last line. */
static const char *last_line(int from)
{
	static char text[8192];
	size_t size = 0;
	ssize_t n;
	char *line;

	while ((n = read(from, text + size, sizeof(text) - 1 - size)) > 0)
		size += (size_t)n;
	close(from);
	while (size && text[size - 1] == '\n')
		size--;
	text[size] = '\0';
	line = strrchr(text, '\n');
	return line ? line + 1 : text;
}

/* Starts a program and counts the last line of what it and the helper say, and how
 * it ended where it was killed. */
static void try(const char *program, char **argv, void (*harass)(pid_t))
{
	const char *line;
	int ends[2];
	int status;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		err(99, "pipe");
	pid = start(program, argv, ends[1]);
	close(ends[1]);
	if (harass)
		harass(pid);
	line = last_line(ends[0]);
	waitpid(pid, &status, 0);
	count_outcome(*line || !WIFSIGNALED(status) ? line : "killed");
}

/* --- limits */

static const struct {
	const char *name;
	__rlimit_resource_t resource;
} limits[] = {
	{ "nofile", RLIMIT_NOFILE },   { "fsize", RLIMIT_FSIZE },
	{ "nproc", RLIMIT_NPROC },     { "cpu", RLIMIT_CPU },
	{ "as", RLIMIT_AS },	       { "stack", RLIMIT_STACK },
	{ "data", RLIMIT_DATA },       { "core", RLIMIT_CORE },
	{ "memlock", RLIMIT_MEMLOCK }, { "sigpending", RLIMIT_SIGPENDING },
};

static bool find_limit(const char *name, __rlimit_resource_t *resource)
{
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (!strcmp(limits[i].name, name)) {
			*resource = limits[i].resource;
			return true;
		}
	return false;
}

/* --- oddities */

static void on_all_signals(void (*what)(int))
{
	for (int s = 1; s < 32; s++)
		if (s != SIGKILL && s != SIGSTOP && s != SIGCONT)
			what(s);
}

static void ignore_signal(int s)
{
	signal(s, SIG_IGN);
}

static void send_signal(int s)
{
	kill(getpid(), s);
}

static void block_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
}

static void lose_folder(void)
{
	char folder[] = "/tmp/attacker.XXXXXX";

	if (!mkdtemp(folder) || chdir(folder) || rmdir(folder))
		err(99, "%s", folder);
}

static void be_odd(const char *oddity)
{
	const struct itimerval often = { { 0, 1 }, { 0, 1 } };
	const char *value = strchr(oddity, '=');
	char name[32];
	__rlimit_resource_t resource;

	snprintf(name, sizeof(name), "%.*s", (int)(value ? value - oddity : 31), oddity);
	if (value && find_limit(name, &resource)) {
		rlim_t n = strtoul(value + 1, NULL, 10);

		setrlimit(resource, &(struct rlimit){ n, n });
	} else if (!strcmp(oddity, "ignored"))
		on_all_signals(ignore_signal);
	else if (!strcmp(oddity, "blocked"))
		block_signals();
	else if (!strcmp(oddity, "pending"))
		on_all_signals(send_signal);
	else if (!strcmp(oddity, "timer"))
		setitimer(ITIMER_REAL, &often, NULL);
	else if (!strcmp(oddity, "closed"))
		for (int fd = 0; fd < 3; fd++)
			close(fd);
	else if (!strcmp(oddity, "full"))
		while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
			;
	else if (!strcmp(oddity, "umask"))
		umask(0777);
	else if (!strcmp(oddity, "nowhere"))
		lose_folder();
	else if (!strcmp(oddity, "no-new-privs"))
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	else
		errx(99, "what is '%s'?", oddity);
}

static void print_class_of(pid_t pid)
{
	char path[64];
	char line[512];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, ":net_cls"))
			fputs(strrchr(line, ':') + 1, stdout);
}

static int be(char **argv)
{
	int ends[2];
	int status;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		err(99, "pipe");
	pid = fork();
	if (!pid) {
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		while (strcmp(*argv, "--"))
			be_odd(*argv++);
		execve(argv[1], argv + 1, environ);
		_exit(errno == EPERM ? 98 : 99);
	}
	close(ends[1]);
	waitpid(pid, &status, WUNTRACED);
	if (WIFSTOPPED(status)) {
		print_class_of(pid);
		kill(pid, SIGKILL);
	} else if (WIFSIGNALED(status))
		printf("signal %d\n", WTERMSIG(status));
	else
		printf("exit %d %s\n", WEXITSTATUS(status), last_line(ends[0]));
	return 0;
}

/* --- what comes from outside */

static __rlimit_resource_t harassed;
static unsigned met;	 /* how often it was the helper */
static unsigned got;	 /* how often it could be got at */
static long undisturbed; /* so many nanoseconds a start takes here */

static long nanoseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The shortest: others may have taken the processor from the rest. */
static void measure(char **argv)
{
	for (int tries = 0; tries < 10; tries++) {
		long since = nanoseconds();
		long took;

		try(argv[0], argv, NULL);
		took = nanoseconds() - since;
		if (!undisturbed || took < undisturbed)
			undisturbed = took;
	}
}

/* A sleep, be it the shortest, takes longer than the helper. */
static void wait_a_while(void)
{
	long until = nanoseconds() + (long)((double)rand() / RAND_MAX * (double)undisturbed);

	while (nanoseconds() < until)
		;
}

static bool is_helper(pid_t pid)
{
	char path[64];
	char name[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "r");
	if (f && !fgets(name, sizeof(name), f))
		name[0] = '\0';
	if (f)
		fclose(f);
	return !strcmp(name, "netshim-helper\n");
}

static void stop_and_go(pid_t pid)
{
	wait_a_while();
	kill(pid, SIGSTOP);
	met += is_helper(pid);
	wait_a_while();
	kill(pid, SIGCONT);
}

static void take_limit(pid_t pid)
{
	wait_a_while();
	met += is_helper(pid);
	prlimit(pid, harassed, &(struct rlimit){ 0, 0 }, NULL);
}

static int harass(const char *how, int tries, char **argv)
{
	bool stop = !strcmp(how, "stop");

	if (!stop && !find_limit(how, &harassed))
		errx(99, "what is '%s'?", how);
	measure(argv);
	while (tries--)
		try(argv[0], argv, stop ? stop_and_go : take_limit);
	print_outcomes();
	if (!met)
		printf("the helper was never met\n");
	return 0;
}

/* --- the swap */

__attribute__((noreturn)) static void swap_forever(const char *link, const char *a, const char *b)
{
	char next[4096];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(next, sizeof(next), "%s.next", link);
	/* Left by one that was killed in between. */
	unlink(next);
	/* At odd moments, and not so fast that the kernel does nothing else. */
	for (unsigned n = 0;; n++) {
		if (symlink(n % 2 ? a : b, next) || rename(next, link))
			err(99, "%s", link);
		usleep(20 + n * 37 % 200);
	}
}

static int swap(const char *link, const char *a, const char *b, int tries)
{
	char *argv[] = { (char *)link, (char *)"who", NULL };
	pid_t swapper;

	unlink(link);
	swapper = fork();
	if (!swapper)
		swap_forever(link, a, b);
	while (access(link, F_OK))
		usleep(1000);
	while (tries--)
		try(link, argv, NULL);
	kill(swapper, SIGKILL);
	waitpid(swapper, NULL, 0);
	print_outcomes();
	return 0;
}

static char *volatile flipped[2];
static char *flipping[4];

static void *flip_forever(void *none)
{
	for (unsigned n = 0;; n++)
		*(char *volatile *)&flipping[2] = flipped[n % 2];
	return none;
}

static char *argument(char *text)
{
	return strcmp(text, "bad") ? text : (char *)8;
}

static int flip(char *a, char *b, int tries, char *program)
{
	pthread_t thread;

	flipped[0] = argument(a);
	flipped[1] = argument(b);
	flipping[0] = program;
	flipping[1] = (char *)"given";
	flipping[2] = flipped[0];
	if (pthread_create(&thread, NULL, flip_forever, NULL))
		errx(99, "no thread");
	while (tries--)
		try(program, flipping, NULL);
	print_outcomes();
	return 0;
}

static bool can_get_at(pid_t pid)
{
	static const char *const files[] = { "mem", "exe", "environ", "fd/3", "fd/4", "auxv", "map_files", "cwd/." };
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	bool can = ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0;
	char path[64];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i]);
		can = open(path, O_RDONLY | O_CLOEXEC) >= 0 || can;
	}
	for (int fd = 3; fd < 8; fd++)
		can = syscall(SYS_pidfd_getfd, pidfd, fd, 0) >= 0 || can;
	close(pidfd);
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return can;
}

static void stop_and_peek(pid_t pid)
{
	siginfo_t info;

	wait_a_while();
	kill(pid, SIGSTOP);
	waitid(P_PID, (id_t)pid, &info, WSTOPPED | WEXITED | WNOWAIT);
	if (info.si_code == CLD_STOPPED && is_helper(pid)) {
		met++;
		got += can_get_at(pid);
	}
	kill(pid, SIGCONT);
}

static int peek(unsigned stops, char **argv)
{
	measure(argv);
	for (unsigned tries = stops * 100; tries && met < stops; tries--)
		try(argv[0], argv, stop_and_peek);
	printf("%u of %u\n", got, met);
	return 0;
}

/* --- the helper by itself */

/* Not from the command line, where nothing may be that long. */
static char *expanded(char *text)
{
	size_t size = *text == '@' ? strtoul(text + 1, NULL, 10) : 0;
	char *long_text = size ? malloc(size + 1) : NULL;

	if (!long_text)
		return text;
	memset(long_text, 'a', size);
	long_text[size] = '\0';
	return long_text;
}

static int request(char **argv)
{
	char *env[] = { expanded(argv[0]), expanded(argv[1]), (char *)"A=1", NULL };

	execve(argv[2], argv + 2, env);
	printf("%s\n", strerror(errno));
	return 99;
}

static int noargs(const char *how, const char *program)
{
	char *none[] = { NULL };
	char **volatile argv = strcmp(how, "null") ? none : NULL;

	execve(program, argv, environ);
	printf("%s\n", strerror(errno));
	return 99;
}

int main(int argc, char **argv)
{
	if (argc > 4 && !strcmp(argv[1], "be"))
		return be(argv + 2);
	if (argc > 4 && !strcmp(argv[1], "harass"))
		return harass(argv[2], atoi(argv[3]), argv + 4);
	if (argc > 3 && !strcmp(argv[1], "peek"))
		return peek((unsigned)atoi(argv[2]), argv + 3);
	if (argc == 6 && !strcmp(argv[1], "swap"))
		return swap(argv[2], argv[3], argv[4], atoi(argv[5]));
	if (argc == 6 && !strcmp(argv[1], "flip"))
		return flip(argv[2], argv[3], atoi(argv[4]), argv[5]);
	if (argc > 4 && !strcmp(argv[1], "request"))
		return request(argv + 2);
	if (argc == 4 && !strcmp(argv[1], "noargs"))
		return noargs(argv[2], argv[3]);
	return 64;
}
