/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* trace: what the kernel tells of processes, and the starts that this makes. */

#include "conf/command/json.h"
#include "conf/command/trace.h"
#include "conf/contract/sys.h"
#include "conf/language/alloc.h"
#include "conf/language/compile.h"

#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static void free_start(struct start *s)
{
	free(s->program);
	free(s->started_as);
	free(s->loaded);
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
	p->by_loader = image->by_loader;
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
			     .after = process.place,
			     .loaded = p->helper && p->by_loader ? copied(p->asked) : NULL };
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

const struct tracer_events trace_events = { forked, executed, ended };

static void tell_late(void *with, pid_t id)
{
	struct trace *t = with;
	struct traced *p = traced(t, id);

	if (p->waiting && now() >= p->until)
		tell_waiting(t, p);
}

void trace_tell_late(struct trace *t)
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
		json_add(t->lost_too, json_pack("{s:I, s:o}", "pid", (json_int_t)p->pid, "name", json_text(p->name)));
	}
	processes_free(&list);
}

void trace_end(struct trace *t)
{
	t->lost_too = json_array();
	tracer_each(&t->tracer, tell_now);
	find_lost(t);
	trace_tell_end(t);
	json_decref(t->lost_too);
}
