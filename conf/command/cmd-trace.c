/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim trace: each program that a command starts, by which rule it is in its class, or
 * why it is not.
 *
 * The kernel tells of each start, however it is made. Where the rules have a program
 * elsewhere than it is, and the library comes up in it, that puts it right before main: so
 * it is told of a moment later. */

#include "conf/command/confine.h"
#include "conf/command/image.h"
#include "conf/command/json.h"
#include "conf/command/search.h"
#include "conf/command/verbs.h"
#include "conf/command/wanted.h"
#include "conf/contract/sys.h"
#include "conf/kernel/tracer.h"
#include "conf/language/alloc.h"
#include "conf/language/compile.h"
#include "conf/language/say.h"

#include <getopt.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* To follow, and to look at what others run, also in what of /proc is for its user alone; to
 * pass signals on. */
#define TRACE_CAPS (CAP(CAP_SYS_PTRACE) | CAP(CAP_DAC_READ_SEARCH) | CAP(CAP_SETUID) | CAP(CAP_SETGID) | CAP(CAP_KILL))
#define AT_ITS_START 300 /* milliseconds in which the library puts a program right */

/* A start, to be told of. */
struct start {
	pid_t process;
	char *program;
	char *started_as;
	struct wanted wanted;
	struct membership before;
	struct membership after;
	char *problem; /* why it is not where its rule says, or NULL */
	bool refused;  /* it was not started */
};

/* A process. */
struct traced {
	struct image image;
	struct membership before;
	bool helper; /* it runs the helper now, which is to start what is */
	char *asked; /* allocated, or NULL */
	bool no_new_privs;
	struct start *waiting;
	uint64_t until;
};

struct trace {
	struct tracer tracer;
	struct rules rules;
	struct looker looker;
	FILE *to;
	bool json;
	size_t waiting;
	size_t programs;
	size_t moved;
	size_t elsewhere;
	struct process_names lost;
	json_t *lost_too;
};

/* What is run, and as whom. */
struct what {
	char **argv;
	const struct passwd *user; /* NULL: as the caller */
	const char *file;	   /* for what is told, or NULL */
};

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static const char *place_name(const struct membership *place)
{
	switch (place->place) {
	case PLACE_CLASS:
		return place->class;
	case PLACE_ROOT:
		return "none";
	case PLACE_OTHER:
		return "another tool's";
	case PLACE_UNKNOWN:
		break;
	}
	return "?";
}

static bool same_place(const struct membership *a, const struct membership *b)
{
	return a->place == b->place && a->locked == b->locked && !strcmp(a->class, b->class);
}

/* --- what is told */

struct rule_words {
	char written[RULE_PATH_MAX];
	char with[RULE_PATH_MAX];
	char file[RULE_PATH_MAX];
};

static bool read_rule(struct trace *t, const struct wanted *w, struct rule_words *rule)
{
	return rules_string(&t->rules, w->written, rule->written, sizeof(rule->written)) &&
	       rules_string(&t->rules, w->with, rule->with, sizeof(rule->with)) &&
	       rules_string(&t->rules, w->file, rule->file, sizeof(rule->file));
}

static char *rule_text(struct trace *t, const struct start *s)
{
	const struct wanted *w = &s->wanted;
	struct rule_words rule;

	if (!w->rule && !w->others)
		return copied("no rule");
	if (!read_rule(t, w, &rule))
		return copied("a rule that cannot be read");
	if (w->rule && !*rule.with && !strcmp(rule.written, s->started_as))
		return printed("rule at %s:%u", rule.file, w->line);
	return printed("%srule '%s'%s%s%s at %s:%u", w->rule ? "" : "no rule for this user; for others, ", rule.written,
		       *rule.with ? " with '" : "", rule.with, *rule.with ? "'" : "", rule.file, w->line);
}

static json_t *json_rule(struct trace *t, const struct wanted *w)
{
	struct rule_words rule;

	if (!w->rule || !read_rule(t, w, &rule))
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:I}", "path", json_text(rule.written), "with",
			 *rule.with ? json_text(rule.with) : json_null(), "file", json_text(rule.file), "line",
			 (json_int_t)w->line);
}

/* null: none. */
static json_t *json_place(const struct membership *place)
{
	return place->place == PLACE_ROOT ? json_null() : json_text(place_name(place));
}

static json_t *json_start(struct trace *t, const struct start *s)
{
	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o}", "pid", (json_int_t)s->process, "program",
			 json_text(s->program), "started_as", json_text(s->started_as), "rule",
			 json_rule(t, &s->wanted), "class",
			 s->wanted.rule && *s->wanted.class ? json_text(s->wanted.class) : json_null(), "before",
			 json_place(&s->before), "after", json_place(&s->after), "locked", s->after.locked, "started",
			 !s->refused, "problem", s->problem ? json_text(s->problem) : json_null());
}

static void print_start(struct trace *t, const struct start *s)
{
	char *rule = s->refused ? copied("a rule") : rule_text(t, s);
	char *place = same_place(&s->before, &s->after)
			      ? copied(place_name(&s->after))
			      : printed("%s -> %s", place_name(&s->before), place_name(&s->after));

	say(t->to, "%7d  %-16s  %s: %s", s->process, place, s->started_as, rule);
	if (s->problem)
		say(t->to, "%27s%s", "", s->problem);
	fflush(t->to);
	free(rule);
	free(place);
}

static void trace_tell(struct trace *t, const struct start *s)
{
	if (t->json)
		json_print_to(t->to, json_start(t, s));
	else
		print_start(t, s);
	t->programs++;
	t->moved += !same_place(&s->before, &s->after);
	t->elsewhere += s->problem != NULL;
}

static void trace_tell_heading(const struct trace *t)
{
	if (!t->json)
		fprintf(t->to, "%7s  %-16s  %s\n", "PID", "CLASS", "PROGRAM");
}

static json_t *json_end(const struct trace *t)
{
	return json_pack("{s:I, s:I, s:I, s:O}", "programs", (json_int_t)t->programs, "moved", (json_int_t)t->moved,
			 "elsewhere", (json_int_t)t->elsewhere, "lost", t->lost_too);
}

static void print_end(const struct trace *t)
{
	size_t lost = t->lost.count;

	say(t->to, "netshim: %zu program%s, %zu moved, %zu not where a rule says", t->programs,
	    t->programs == 1 ? "" : "s", t->moved, t->elsewhere);
	if (lost)
		say(t->to, "netshim: lost sight of %zu that still run%s: %s", lost, lost == 1 ? "s" : "", t->lost.text);
	fflush(t->to);
}

static void trace_tell_end(const struct trace *t)
{
	if (t->json)
		json_print_to(t->to, json_end(t));
	else
		print_end(t);
}

static void free_start(struct start *s)
{
	free(s->program);
	free(s->started_as);
	free(s->problem);
	free(s);
}

static void drop_waiting(struct trace *t, struct traced *p)
{
	if (!p->waiting)
		return;
	free_start(p->waiting);
	p->waiting = NULL;
	t->waiting--;
}

static void tell_waiting(struct trace *t, struct traced *p)
{
	if (p->waiting)
		trace_tell(t, p->waiting);
	drop_waiting(t, p);
}

/* --- why a program is not where its rule says */

static bool trace_has_no_new_privs(pid_t process)
{
	char path[64];
	char line[128];
	bool may = true;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", process);
	file = fopen(path, "re");
	while (file && may && fgets(line, sizeof(line), file))
		may = strcmp(line, "NoNewPrivs:\t1\n");
	if (file)
		fclose(file);
	return !may;
}

static char *why_held(const struct membership *place, const struct wanted *w)
{
	if (place->locked)
		return printed("it is locked in class %s, which nothing leaves", place->class);
	if (place->place == PLACE_OTHER)
		return copied("it is in another tool's net_cls group, which netshim leaves alone");
	if (place->place == PLACE_UNKNOWN)
		return copied("its class cannot be told");
	if (w->refused)
		return copied("that class is not for this user");
	return NULL;
}

/* The library in whoever starts it sees the start, or the one in it does when it starts. */
static char *why_not_seen(const struct traced *launcher, const struct image *image)
{
	const struct image *by = &launcher->image;

	if (by->lack == LACKS_NOTHING && image->lack == LACKS_NOTHING)
		return copied("the library has not asked for it");
	if (by->lack == LACKS_NOTHING)
		return printed("started by %s past libc, by a system call; and %s itself", by->started_as,
			       image_lack(image->lack));
	return printed("started by %s, which %s; and %s itself", by->started_as, image_lack(by->lack),
		       image_lack(image->lack));
}

static char *why(const struct traced *launcher, const struct image *image, pid_t process, const struct wanted *w,
		 const struct membership *place)
{
	bool no_new_privs = trace_has_no_new_privs(process);
	char *held = why_held(place, w);

	if (held)
		return held;
	if (no_new_privs && image->decided && !launcher->helper)
		return copied("it has started itself again, and may gain no privilege (no_new_privs)");
	if (launcher->helper)
		return printed("the helper could not move it, and the class says on-error = allow%s",
			       no_new_privs ? "; it may gain no privilege (no_new_privs)" : "");
	return why_not_seen(launcher, image);
}

static bool is_there(const struct wanted *w, const struct membership *place)
{
	return wanted_is(w, place) || (place->place == PLACE_CLASS && !strcmp(place->class, w->class));
}

static char *trace_problem(const struct traced *launcher, const struct image *image, const struct start *s)
{
	const struct wanted *w = &s->wanted;
	char *reason;
	char *problem;

	if (!w->rule || is_there(w, &s->after))
		return NULL;
	reason = why(launcher, image, s->process, w, &s->after);
	problem = printed("not in class %s: %s", *w->class ? w->class : "none", reason);
	free(reason);
	return problem;
}

/* --- what happens */

/* The rules of a reload count from then on. */
static void follow_rules(struct trace *t)
{
	struct stat st;

	if (stat(RULES_PATH, &st) || (t->rules.inode == st.st_ino && t->rules.fd >= 0))
		return;
	wanted_end(&t->looker);
	rules_close(&t->rules);
	if (!compile_open(&t->rules, true))
		t->rules.fd = -1;
	t->looker = (struct looker){ .now = &t->rules };
}

static struct wanted find_wanted(struct trace *t, const struct process *process)
{
	struct wants wants = { .known = false };

	follow_rules(t);
	t->looker.until = 0;
	if (t->rules.fd >= 0)
		wants = wanted_by(&t->looker, process);
	return wants.now;
}

static struct traced *traced(const struct trace *t, pid_t process)
{
	void **note = tracer_note(&t->tracer, process);

	if (!note)
		errx(EXIT_FAILURE, "process %d is not followed", process);
	if (!*note)
		*note = zalloc(sizeof(struct traced));
	return *note;
}

static void forked(void *with, pid_t parent, pid_t child)
{
	const struct trace *t = with;
	struct traced *from = tracer_note(&t->tracer, parent) ? traced(t, parent) : NULL;
	struct traced *p = traced(t, child);

	image_free(&p->image);
	if (from) {
		image_look(&from->image, parent);
		p->image = image_copy(&from->image);
		p->before = from->before;
	} else {
		image_read(&p->image, getpid());
		image_look(&p->image, getpid());
		process_membership(&p->before);
	}
}

static void become_helper(struct trace *t, struct traced *p, struct image *image, const struct process *process)
{
	drop_waiting(t, p);
	free(p->asked);
	p->asked = image->asked;
	image->asked = NULL;
	p->before = process->place;
	p->helper = true;
	p->no_new_privs = trace_has_no_new_privs(process->pid);
	image_free(image);
}

static bool may_be_put_right(const struct start *s, const struct traced *p, const struct image *image)
{
	return s->problem && !p->helper && image->lack == LACKS_NOTHING && !image->decided && !s->wanted.refused &&
	       !s->after.locked && s->after.place != PLACE_OTHER;
}

static void tell_or_wait(struct trace *t, struct traced *p, const struct image *image, struct start *s)
{
	if (may_be_put_right(s, p, image)) {
		p->waiting = s;
		p->until = now() + AT_ITS_START;
		t->waiting++;
	} else {
		trace_tell(t, s);
		free_start(s);
	}
}

static void executed(void *with, pid_t id)
{
	struct trace *t = with;
	struct traced *p = traced(t, id);
	struct process process;
	struct image image;
	struct start *s;

	image_read(&image, id);
	if (!process_read(id, &process)) {
		image_free(&image);
		return;
	}
	if (image.asks_helper) {
		become_helper(t, p, &image, &process);
		return;
	}
	tell_waiting(t, p);
	s = zalloc(sizeof(*s));
	*s = (struct start){ .process = id,
			     .program = copied(image.path),
			     .started_as = copied(image.started_as),
			     .wanted = find_wanted(t, &process),
			     .before = p->helper ? p->before : process.place,
			     .after = process.place };
	s->problem = trace_problem(p, &image, s);
	tell_or_wait(t, p, &image, s);
	image_free(&p->image);
	p->image = image;
	p->before = process.place;
	p->helper = false;
}

/* Which rule that was, the helper knows. */
static void tell_refused(struct trace *t, pid_t id, const struct traced *p)
{
	struct start *s = zalloc(sizeof(*s));

	*s = (struct start){ .process = id,
			     .program = copied(p->asked ? p->asked : "?"),
			     .started_as = copied(p->asked ? p->asked : "?"),
			     .refused = true,
			     .before = p->before,
			     .after = p->before };
	s->problem = copied(p->no_new_privs ? "not started: it may gain no privilege (no_new_privs)"
					    : "not started: the helper's message says why");
	trace_tell(t, s);
	free_start(s);
}

static void ended(void *with, pid_t id, int status)
{
	struct trace *t = with;
	struct traced *p = traced(t, id);

	tell_waiting(t, p);
	if (p->helper && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_REFUSED)
		tell_refused(t, id, p);
	image_free(&p->image);
	free(p->asked);
	free(p);
}

static const struct tracer_events trace_events = { forked, executed, ended };

static void tell_late(void *with, pid_t id)
{
	struct trace *t = with;
	struct traced *p = traced(t, id);

	if (p->waiting && now() >= p->until)
		tell_waiting(t, p);
}

static void trace_tell_late(struct trace *t)
{
	if (t->waiting)
		tracer_each(&t->tracer, tell_late);
}

static void tell_now(void *with, pid_t id)
{
	struct trace *t = with;

	tell_waiting(t, traced(t, id));
}

/* Whoever is still there, and what such a one has started unseen, with CLONE_UNTRACED. */
static void find_lost(struct trace *t)
{
	struct process_list list;

	processes_read(&list);
	for (size_t i = 0; i < list.count; i++)
		list.items[i].in_force = tracer_note(&t->tracer, list.items[i].pid);
	processes_mark_children(&list);
	for (size_t i = 0; i < list.count; i++) {
		const struct process *p = &list.items[i];

		if (!p->in_force)
			continue;
		process_names_add(&t->lost, p->name, p->pid);
		json_array_append_new(t->lost_too,
				      json_pack("{s:I, s:o}", "pid", (json_int_t)p->pid, "name", json_text(p->name)));
	}
	processes_free(&list);
}

static void trace_end(struct trace *t)
{
	t->lost_too = json_array();
	tracer_each(&t->tracer, tell_now);
	find_lost(t);
	trace_tell_end(t);
	json_decref(t->lost_too);
}

/* --- the command itself */

/* As runuser(1) has it: what the user's login would set of these, and all else as it is. */
static void become_user(const struct passwd *user)
{
	if (!user)
		return;
	if (initgroups(user->pw_name, user->pw_gid) || setgid(user->pw_gid) || setuid(user->pw_uid))
		err(EXIT_REFUSED, "cannot become user %s", user->pw_name);
	setenv("HOME", user->pw_dir, 1);
	setenv("SHELL", *user->pw_shell ? user->pw_shell : "/bin/sh", 1);
	setenv("USER", user->pw_name, 1);
	setenv("LOGNAME", user->pw_name, 1);
}

static void run(const void *with)
{
	const struct what *what = with;
	const char *path;

	become_user(what->user);
	path = search_command(*what->argv);
	if (!path)
		errx(EXIT_NOT_FOUND, "%s: not found on PATH", *what->argv);
	execv(path, what->argv);
	err(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, "%s", path);
}

/* As the first process has ended, so that whoever waits for this one sees no difference. */
static int end_like(int status)
{
	sigset_t set;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	sigemptyset(&set);
	sigaddset(&set, WTERMSIG(status));
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return 128 + WTERMSIG(status);
}

static int trace(struct trace *t, const struct what *what)
{
	t->tracer = (struct tracer){ .events = &trace_events, .with = t };
	t->looker.now = &t->rules;
	if (!tracer_start(&t->tracer, run, what))
		err(EXIT_REFUSED, "cannot follow what '%s' starts", *what->argv);
	confine(TRACE_CAPS, "trace");
	open_standard_descriptors();
	clearenv();
	trace_tell_heading(t);
	while (!t->tracer.ended) {
		tracer_follow(&t->tracer, t->waiting ? AT_ITS_START / 3 : 10000);
		trace_tell_late(t);
	}
	trace_end(t);
	wanted_end(&t->looker);
	return end_like(t->tracer.status);
}

/* What is told, and what is run, by the words behind the verb. */
static bool read_options(const struct command *command, struct trace *t, struct what *what)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' }, { NULL, 0, NULL, 0 } };
	int option;

	optind = 0;
	while ((option = getopt_long(command->argc + 1, command->argv - 1, "+u:o:", options, NULL)) != -1) {
		if (option == '?')
			return false;
		t->json = t->json || option == 'j';
		what->file = option == 'o' ? optarg : what->file;
		if (option == 'u' && !(what->user = getpwnam(optarg)))
			errx(EXIT_REFUSED, "there is no user '%s'", optarg);
	}
	what->argv = command->argv - 1 + optind;
	if (!*what->argv)
		warnx("trace: which command? usage: netshim trace [-u USER] [-o FILE] [--json] [--] COMMAND...");
	return *what->argv;
}

int cmd_trace(const struct command *command)
{
	struct trace t = { .json = false };
	struct what what = { .user = NULL };
	int code;

	if (!read_options(command, &t, &what))
		return EXIT_USAGE;
	if (!compile_open(&t.rules, true)) {
		if (errno == ENOENT)
			warnx("netshim is not up; run 'netshim up' as root");
		return EXIT_REFUSED;
	}
	t.to = what.file ? fopen(what.file, "we") : stderr;
	if (!t.to)
		err(EXIT_REFUSED, "%s", what.file);
	code = trace(&t, &what);
	if (t.to != stderr)
		fclose(t.to);
	return code;
}
