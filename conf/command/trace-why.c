/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* trace: why a program is not where its rule says. */

#include "conf/command/trace.h"
#include "conf/language/alloc.h"

bool trace_has_no_new_privs(pid_t process)
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

char *trace_problem(const struct traced *launcher, const struct image *image, const struct start *s)
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
