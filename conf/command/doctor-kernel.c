/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* doctor: what the kernel has, and who shares net_cls with netshim. */

#include "conf/command/doctor.h"
#include "conf/kernel/cgroup.h"
#include "conf/kernel/features.h"
#include "conf/kernel/nft.h"
#include "conf/language/alloc.h"
#include "conf/language/begins.h"

#include <unistd.h>

#define TOP CGROUP_MOUNT "/" NETSHIM_GROUP

/* The parameter that switches net_cls off (cgroup_no_v1= and cgroup_disable= in the kernel's
 * kernel-parameters.txt), as the machine was booted; allocated, or NULL. */
static char *find_parameter(void)
{
	FILE *file = fopen("/proc/cmdline", "re");
	char *line = NULL;
	size_t size = 0;
	char *found = NULL;
	char *rest;
	char *word;

	if (!file || getline(&line, &size, file) < 0)
		line = copied("");
	if (file)
		fclose(file);
	rest = line;
	while (!found && (word = strsep(&rest, " \n"))) {
		bool no = begins(word, "cgroup_no_v1=");

		if ((no && strstr(word, "all")) || ((no || begins(word, "cgroup_disable=")) && strstr(word, "net_cls")))
			found = copied(word);
	}
	free(line);
	return found;
}

/* /proc/cgroups: name, hierarchy, groups, enabled. */
static int net_cls_enabled(void)
{
	FILE *file = fopen("/proc/cgroups", "re");
	char line[256];
	char name[64];
	int enabled;
	int found = -1;

	while (file && found < 0 && fgets(line, sizeof(line), file))
		if (sscanf(line, "%63s %*s %*s %d", name, &enabled) == 2 && !strcmp(name, "net_cls"))
			found = enabled;
	if (file)
		fclose(file);
	return found;
}

static void look_at_net_cls(struct doctor *d)
{
	const char *parameter = find_parameter();
	int enabled = net_cls_enabled();

	if (parameter)
		doctor_tell(d, RESULT_FAULT,
			    "take it from the kernel's command line (the boot loader's), and boot again",
			    "the machine was booted with %s: there are no classes without net_cls", parameter);
	else if (enabled < 0)
		doctor_tell(d, RESULT_FAULT, "boot a kernel that has it, as those of Debian 12 and 13 do",
			    "this kernel is built without net_cls (CONFIG_CGROUP_NET_CLASSID): there are no classes");
	else if (!enabled)
		doctor_tell(d, RESULT_FAULT, "find out what has switched it off (cgroup_disable=), and boot again",
			    "net_cls is switched off: there are no classes");
	else
		doctor_tell(d, RESULT_OK, NULL, "the kernel has it");
}

/* Each option that lacks something is a mistake to features_check. */
static void tell_features(struct doctor *d)
{
	size_t before = d->set->problem_count;

	features_check(d->set);
	for (size_t i = before; i < d->set->problem_count; i++) {
		const struct problem *p = &d->set->problems[i];

		doctor_tell(d, RESULT_FAULT, "install the kernel's modules, or boot a kernel that has it", "%s:%d: %s",
			    p->at.file, p->at.line, p->text);
	}
	d->set->problem_count = before;
}

static void look_at_nftables(struct doctor *d)
{
	struct trial trial = { "filter hook output", "meta cgroup 1", false };
	char *words;

	if (doctor_is_blind(d, "what nftables can do here"))
		return;
	words = nft_load("table inet netshim-check\n", true);
	if (words)
		doctor_tell(d, RESULT_FAULT, "run it as root of the machine; load the module nf_tables",
			    "nftables does not answer: %s", words);
	else
		nft_try(&trial, 1);
	if (trial.refused)
		doctor_tell(d, RESULT_FAULT, "install the kernel's modules, or boot a kernel that has it",
			    "this kernel's nftables cannot tell control groups (meta cgroup): no class is filtered");
	if (!words && d->set)
		tell_features(d);
	if (!d->finding_count)
		doctor_tell(d, RESULT_OK, NULL, "it has %s",
			    d->set ? "all that the configuration in force needs" : "meta cgroup");
}

static bool is_in_use(struct doctor *d)
{
	bool is = d->rules && cgroup_is_mounted();

	if (!is)
		doctor_tell(d, RESULT_OK, NULL, "nothing to look at: netshim is not up");
	return is;
}

void look_at_hierarchy(struct doctor *d)
{
	if (cgroup_is_mounted())
		doctor_tell(d, RESULT_OK, NULL, "net_cls is mounted at " CGROUP_MOUNT);
	else if (!d->rules)
		doctor_tell(d, RESULT_OK, NULL, "it is mounted at " CGROUP_MOUNT " when netshim is up");
	else
		doctor_tell(d, RESULT_FAULT, "run 'netshim reload' as root, in the mount namespace of the machine",
			    "net_cls is not mounted at " CGROUP_MOUNT " in this mount namespace: programs that have a "
			    "class are not started");
}

static void look_at_groups(struct doctor *d)
{
	char class[CLASS_NAME_MAX + 1];
	struct rules_class record;

	if (!is_in_use(d))
		return;
	for (uint32_t i = 0; rules_class(d->rules, i, &record, class); i++) {
		char *wrong = cgroup_wrong(class, record.classid);

		if (wrong)
			doctor_tell(d, RESULT_FAULT, "run 'netshim reload' as root", "%s", wrong);
		free(wrong);
	}
	if (!d->finding_count)
		doctor_tell(d, RESULT_OK, NULL, "each class has its groups");
}

/* What stands in mountinfo(5) for a blank. */
static void decode(char *path)
{
	char *to = path;

	for (const char *from = path; *from; to++)
		if (!strncmp(from, "\\040", 4))
			*to = ' ', from += 4;
		else
			*to = *from++;
	*to = '\0';
}

static void name_mounts(struct named *mounts)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;
	char path[4096];

	while (file && getline(&line, &size, file) > 0) {
		const char *type = strstr(line, " - cgroup ");

		if (!type || !strstr(type, "net_cls") || sscanf(line, "%*s %*s %*s %*s %4095s", path) != 1)
			continue;
		decode(path);
		if (strcmp(path, CGROUP_MOUNT) != 0)
			named_add(mounts, path);
	}
	free(line);
	if (file)
		fclose(file);
}

/* What cgroup_each_folder's visitor is to know: it takes no argument of the caller's. */
static struct {
	struct rules *rules;
	struct named foreign;
	struct named open;
	struct named clashes;
} groups;

static bool is_classid_of_ours(uint32_t classid)
{
	struct rules_class class;

	for (uint32_t i = 0; classid && rules_class(groups.rules, i, &class, NULL); i++)
		if (class.classid == classid)
			return true;
	return false;
}

static void look_at_group(const char *path, bool open_to_others)
{
	const size_t top = strlen(TOP);
	bool ours = !strcmp(path, CGROUP_MOUNT) || (!strncmp(path, TOP, top) && (!path[top] || path[top] == '/'));

	if (open_to_others)
		named_add(&groups.open, path);
	if (ours)
		return;
	if (!strchr(path + strlen(CGROUP_MOUNT "/"), '/'))
		named_add(&groups.foreign, path + strlen(CGROUP_MOUNT));
	if (is_classid_of_ours(cgroup_classid(path)))
		named_add(&groups.clashes, path);
}

static bool read_groups(struct doctor *d)
{
	static bool done;

	if (!is_in_use(d))
		return false;
	groups.rules = d->rules;
	if (!done)
		cgroup_each_folder(look_at_group);
	done = true;
	return true;
}

static void look_at_others(struct doctor *d)
{
	struct named mounts = { .count = 0 };

	if (!read_groups(d))
		return;
	name_mounts(&mounts);
	if (mounts.count)
		doctor_tell(d, RESULT_NOTE, NULL,
			    "net_cls is also mounted at %s: another tool uses it, or did; netshim "
			    "does not touch that",
			    mounts.text);
	if (groups.foreign.count)
		doctor_tell(d, RESULT_NOTE, "where a program is to be in a class, keep that tool from moving it",
			    "other tools have groups in net_cls (%s): a process is in one group, so what they move is "
			    "in no class",
			    groups.foreign.text);
	if (!d->finding_count)
		doctor_tell(d, RESULT_OK, NULL, "nobody else uses net_cls");
}

static void look_at_open_groups(struct doctor *d)
{
	if (!read_groups(d))
		return;
	if (groups.open.count)
		doctor_tell(d, RESULT_FAULT,
			    "make the folder, its tasks and its cgroup.procs root's, and writable by nobody else",
			    "others than root may move processes to %s, out of locked classes too", groups.open.text);
	else
		doctor_tell(d, RESULT_OK, NULL, "nobody but root may move processes between groups");
}

static void look_at_classids(struct doctor *d)
{
	if (!read_groups(d))
		return;
	if (groups.clashes.count)
		doctor_tell(d, RESULT_FAULT, "give the class another classid (netshim.conf(5))",
			    "groups with the classid of a class: %s; what is in them is filtered as that class",
			    groups.clashes.text);
	else
		doctor_tell(d, RESULT_OK, NULL, "no other group has the number of a class");
}

const struct check checks_kernel[] = {
	{ "net_cls", look_at_net_cls },	    { "nftables", look_at_nftables },
	{ "hierarchy", look_at_hierarchy }, { "groups", look_at_groups },
	{ "other groups", look_at_others }, { "open groups", look_at_open_groups },
	{ "classids", look_at_classids },   { NULL, NULL },
};
