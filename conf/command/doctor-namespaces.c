/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* doctor: the network namespaces of classes. */

#include "conf/command/cmd-grant.h"
#include "conf/command/doctor.h"
#include "conf/command/restored.h"
#include "conf/command/state.h"
#include "conf/kernel/inside.h"
#include "conf/kernel/table.h"
#include "conf/language/alloc.h"

#include <string.h>
#include <unistd.h>

#define RELOAD "run 'netshim reload' as root"

static void look_at_program(struct doctor *d)
{
	const char *wrong = grant_netns_wrong();
	char *closed = grant_closed(NETSHIM_NETNS);

	if (closed)
		doctor_tell(d, RESULT_FAULT, printed("chmod 755 %s", closed),
			    "not all users may use %s: they cannot start programs whose class has a network namespace",
			    closed);
	free(closed);
	if (wrong)
		doctor_tell(d, RESULT_FAULT, "as it says; then start the programs anew",
			    "programs whose class has a network namespace are not started: " NETSHIM_NETNS ": %s",
			    wrong);
}

/* One that may not be named as somebody else can change it is not there for programs either. */
static void look_for_namespace(struct doctor *d, const char *class, const char *name)
{
	int fd = netns_open(name);

	if (fd < 0)
		doctor_tell(d, RESULT_FAULT, RELOAD,
			    "the network namespace '%s' of class %s is not there (%s): programs of the class are not "
			    "started",
			    name, class, strerror(-fd));
	else
		close(fd);
}

static size_t look_for_namespaces(struct doctor *d)
{
	char class[CLASS_NAME_MAX + 1];
	char name[NETNS_NAME_MAX + 1];
	struct rules_class record;
	size_t count = 0;

	for (uint32_t i = 0; rules_class(d->rules, i, &record, class); i++) {
		if (!(record.flags & CLASS_NETNS) || !rules_string(d->rules, record.netns, name, sizeof(name)))
			continue;
		count++;
		if (strcmp(name, NETNS_PRIVATE) != 0)
			look_for_namespace(d, class, name);
	}
	return count;
}

/* In there. */
static void look_inside(const struct inside *inside, void *with)
{
	struct doctor *d = with;
	char *place = printed("the network namespace of class %s", inside->class);
	char *kept = table_kept(inside->class);
	char *words = restored_words(inside->class);

	if (kept)
		doctor_compare_table(d, inside->class, place);
	if (kept && !state_is_watched(inside->class))
		doctor_tell(d, RESULT_FAULT, RELOAD, "nobody puts back what others take away of netshim's table in %s",
			    place);
	if (words)
		doctor_tell(d, RESULT_NOTE, NULL, "%s", words);
	free(words);
	free(kept);
	free(place);
}

static void look_at_namespaces(struct doctor *d)
{
	size_t count = d->rules ? look_for_namespaces(d) : 0;

	if (!count) {
		doctor_tell(d, RESULT_OK, NULL, "no class has a network namespace");
		return;
	}
	look_at_program(d);
	if (!doctor_is_blind(d, "what is in the network namespaces of classes"))
		insides_each(look_inside, d);
	if (!d->finding_count)
		doctor_tell(d, RESULT_OK, NULL, "%zu class%s a network namespace; they are there, with their rules",
			    count, count == 1 ? " has" : "es have");
}

const struct check checks_namespaces[] = {
	{ "namespaces", look_at_namespaces },
	{ NULL, NULL },
};
