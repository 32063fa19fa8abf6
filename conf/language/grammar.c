/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* From the text of a configuration to a ruleset, with libconfuse.
 *
 * Every option is read as text and every section is taken over and freed as soon as
 * it ends (libconfuse compares each new section's title with all it has, so keeping
 * 100,000 of them would take minutes). A mistake stops the reading only where
 * libconfuse cannot go on: at bad syntax, and at options that it does not know. If
 * there are such options, the file is read once more without them, so that all other
 * mistakes are reported too, up to what is no option that libconfuse can pass over. */

#include "conf/language/grammar.h"

#include "conf/language/alloc.h"
#include "conf/language/grammar-parts.h"
#include "conf/language/users.h"
#include "conf/language/value.h"

#include <confuse.h>
#include <limits.h>
#include <unistd.h>

struct reading reading;

struct place_in_file here(int line)
{
	return (struct place_in_file){ reading.file, line };
}

/* Or NULL. As many values come before it as its index says, so as many marks do. */
static const struct value_mark *find_mark(const char *option, unsigned index)
{
	for (size_t i = index; i < reading.mark_count; i++)
		if (reading.marks[i].index == index && !strcmp(reading.marks[i].option, option))
			return &reading.marks[i];
	return NULL;
}

/* A value has been read: remembers its line. libconfuse calls once more at the end of a list,
 * for none. What += adds is counted on, so only another = has a first value again. */
static int note_value(cfg_t *section, cfg_opt_t *option)
{
	unsigned index = option->nvalues - 1;
	const struct value_mark *before = index ? NULL : find_mark(option->name, index);

	if (!(option->flags & CFGF_MODIFIED))
		return 0;
	option->flags &= ~CFGF_MODIFIED;
	reading.section_line = reading.root->line;
	if (before) {
		ruleset_problem(reading.set, here(section->line), "%s is already given at line %d; remove one of them",
				option->name, before->line);
		return 0;
	}
	reading.marks = grown(reading.marks, reading.mark_count, sizeof(*reading.marks));
	reading.marks[reading.mark_count++] = (struct value_mark){ option->name, index, section->line };
	return 0;
}

struct place_in_file value_at(const char *option, unsigned index)
{
	const struct value_mark *mark = find_mark(option, index);

	return here(mark ? mark->line : reading.section_line);
}

/* Where the section that just ended began. Without any value in it, its end is
 * all that is known. */
struct place_in_file section_at(void)
{
	return here(reading.mark_count ? reading.section_line : reading.root->line);
}

/* Where no list means everything, one of nothing would mean that too. After another list, it is
 * the one that libconfuse takes, without a call of note_value. */
static void check_empty(const char *option)
{
	static const struct {
		const char *option, *nothing, *instead;
	} lists[] = {
		{ "dns", "no resolver", "'ADDRESS'" },	   { "local", "no network", "{ 'none' }" },
		{ "proxy", "no proxy", "'ADDRESS:PORT'" }, { "serve", "nobody", "{ 'none' }" },
		{ "users", "nobody", "'NAME'" },	   { "with", "no argument", "'ARGUMENT'" },
	};
	const struct value_mark *before = find_mark(option, 0);

	if (before) {
		ruleset_problem(reading.set, here(before->line),
				"%s is given once more, as an empty list; remove one of them", option);
		return;
	}
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (!strcmp(lists[i].option, option))
			ruleset_problem(reading.set, section_at(), "%s lists %s; write %s = %s, or remove it", option,
					lists[i].nothing, option, lists[i].instead);
}

void end_section(cfg_opt_t *section)
{
	for (cfg_opt_t *o = cfg_opt_getnsec(section, 0)->opts; o->name; o++)
		if ((o->flags & CFGF_LIST) && (o->flags & CFGF_MODIFIED) && !cfg_opt_size(o))
			check_empty(o->name);
	reading.mark_count = 0;
	cfg_free_value(section);
}

static int at_boot_ended(cfg_t *cfg, cfg_opt_t *option)
{
	struct ruleset *set = reading.set;
	const char *wrong = value_at_boot(cfg_opt_getnstr(option, 0), &set->at_boot);

	if (wrong)
		ruleset_problem(set, here(cfg->line), "%s", wrong);
	if (set->at_boot_at.file)
		ruleset_problem(set, here(cfg->line), "at-boot is already given at %s:%d; remove one of them",
				set->at_boot_at.file, set->at_boot_at.line);
	set->at_boot_at = here(cfg->line);
	return 0;
}

/* The names in a table of options: "action, allow and users". */
static char *option_names(const cfg_opt_t *options)
{
	char *names = copied("");

	for (; options->name; options++) {
		char *longer = printed("%s%s%s", names, *names ? ", " : "", options->name);

		free(names);
		names = longer;
	}
	return names;
}

/* clang-format off */
static cfg_opt_t class_options[] = {
	CFG_STR("action", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("address", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("allow", NULL, CFGF_NODEFAULT),
	CFG_STR("classid", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("deny", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("dns", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("gateway", NULL, CFGF_NODEFAULT),
	CFG_STR("interface", NULL, CFGF_NODEFAULT),
	CFG_STR("ipv6", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("local", NULL, CFGF_NODEFAULT),
	CFG_STR("lock", NULL, CFGF_NODEFAULT),
	CFG_STR("log", NULL, CFGF_NODEFAULT),
	CFG_STR("mark", NULL, CFGF_NODEFAULT),
	CFG_STR("netns", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("nft", NULL, CFGF_NODEFAULT),
	CFG_STR("on-error", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("ports", NULL, CFGF_NODEFAULT),
	CFG_STR("priority", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("proxy", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("proxy-udp", NULL, CFGF_NODEFAULT),
	CFG_STR("rate", NULL, CFGF_NODEFAULT),
	CFG_STR("rate-in", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("serve", NULL, CFGF_NODEFAULT),
	CFG_STR("table", NULL, CFGF_NODEFAULT),
	CFG_STR("uplink", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("users", NULL, CFGF_NODEFAULT),
	CFG_END(),
};

static cfg_opt_t unclassified_options[] = {
	CFG_STR("action", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("allow", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("deny", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("except-users", NULL, CFGF_NODEFAULT),
	CFG_STR("log", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("tunnels", NULL, CFGF_NODEFAULT),
	CFG_END(),
};
/* clang-format on */

static cfg_opt_t app_options[] = {
	CFG_STR("class", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("users", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("with", NULL, CFGF_NODEFAULT),
	CFG_END(),
};

static cfg_opt_t package_options[] = {
	CFG_STR("class", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("users", NULL, CFGF_NODEFAULT),
	CFG_END(),
};

/* A unit has its own user. */
static cfg_opt_t unit_options[] = {
	CFG_STR("class", NULL, CFGF_NODEFAULT),
	CFG_END(),
};

static cfg_opt_t file_options[] = {
	CFG_SEC("class", class_options, CFGF_MULTI | CFGF_TITLE),
	CFG_SEC("unclassified", unclassified_options, CFGF_MULTI),
	CFG_SEC("app", app_options, CFGF_MULTI | CFGF_TITLE),
	CFG_SEC("package", package_options, CFGF_MULTI | CFGF_TITLE),
	CFG_SEC("unit", unit_options, CFGF_MULTI | CFGF_TITLE),
	CFG_FUNC("include", grammar_include),
	CFG_STR("at-boot", NULL, CFGF_NODEFAULT),
	CFG_END(),
};

static const cfg_opt_t *options_of(const char *section)
{
	for (const cfg_opt_t *o = file_options; o->name; o++)
		if (!strcmp(o->name, section) && o->subopts)
			return o->subopts;
	return file_options;
}

static bool is_section(const char *name)
{
	return strcmp(name, "include") && options_of(name) != file_options;
}

static void note_unknown(cfg_t *cfg, const char *option, const char *text)
{
	bool outside = !strcmp(cfg->name, "root");
	char *names = option_names(options_of(cfg->name));

	reading.unclosed = !outside && is_section(option);
	reading.unknown_option = !reading.unclosed;
	if (reading.unclosed)
		ruleset_problem(reading.set, here(cfg->line),
				"'%s' is still within %s%s%s here; close that with } before it", option, cfg->name,
				cfg->title ? " " : "", cfg->title ? cfg->title : "");
	else
		ruleset_problem(reading.set, here(cfg->line), "%s; %s takes %s", text,
				outside ? "a configuration" : cfg->name, names);
	free(names);
}

static void note_no_equal_sign(cfg_t *cfg, const char *option, const char *text)
{
	const cfg_opt_t *known = cfg_getopt(cfg, option);

	ruleset_problem(reading.set, here(cfg->line),
			known && (known->flags & CFGF_LIST) ? "%s; write %s = { 'VALUE' }" : "%s; write %s = VALUE",
			text, option);
}

/* How a section, or include, is written. Allocated. */
static char *form_of(const char *name)
{
	if (!strcmp(name, "include"))
		return copied("include('/PATH')");
	if (!strcmp(name, "unclassified"))
		return copied("unclassified { ... }");
	return printed("%s '%s' { ... }", name, strcmp(name, "app") != 0 ? "NAME" : "/PATH");
}

static void note_form(cfg_t *cfg, const char *name, const char *text)
{
	char *form = form_of(name);

	if (strstr(text, "missing title"))
		ruleset_problem(reading.set, here(cfg->line), "%s has no %s; write %s", name,
				strcmp(name, "app") != 0 ? "name" : "path", form);
	else
		ruleset_problem(reading.set, here(cfg->line), "%s; write %s", text, form);
	free(form);
}

__attribute__((format(printf, 2, 0))) static void note_error(cfg_t *cfg, const char *format, va_list args)
{
	va_list names;
	char *text;

	va_copy(names, args);
	text = vprinted(format, args);
	if (strstr(format, "no such option '%s'"))
		note_unknown(cfg, va_arg(names, const char *), text);
	else if (strstr(format, "after option '%s'"))
		note_no_equal_sign(cfg, va_arg(names, const char *), text);
	else if (strstr(format, "section '%s'") || strstr(format, "function '%s'"))
		note_form(cfg, va_arg(names, const char *), text);
	else if (!(cfg->flags & CFGF_IGNORE_UNKNOWN)) /* there, it follows from what is not known */
		ruleset_problem(reading.set, here(cfg->line), "%s (netshim.conf(5) explains the syntax)", text);
	va_end(names);
	free(text);
}

static void watch_values(cfg_t *cfg)
{
	for (const cfg_opt_t *section = file_options; section->name; section++)
		for (const cfg_opt_t *o = section->subopts; o && o->name; o++) {
			char *name = printed("%s|%s", section->name, o->name);

			cfg_set_validate_func(cfg, name, note_value);
			free(name);
		}
	cfg_set_validate_func(cfg, "class", grammar_class_ended);
	cfg_set_validate_func(cfg, "unclassified", grammar_unclassified_ended);
	cfg_set_validate_func(cfg, "app", grammar_app_ended);
	cfg_set_validate_func(cfg, "package", grammar_package_ended);
	cfg_set_validate_func(cfg, "unit", grammar_unit_ended);
	cfg_set_validate_func(cfg, "at-boot", at_boot_ended);
}

/* Tells whether that was all of it. */
static bool parse(FILE *file, cfg_flag_t flags)
{
	cfg_t *cfg = or_out_of_memory(cfg_init(file_options, flags));
	size_t known = reading.set->problem_count;
	bool all;

	reading.root = cfg;
	reading.mark_count = 0;
	reading.unknown_option = reading.unclosed = false;
	cfg->filename = copied(reading.file);
	cfg_set_error_function(cfg, note_error);
	watch_values(cfg);
	all = cfg_parse_fp(cfg, file) == CFG_SUCCESS;
	if (!all && reading.set->problem_count == known && !(flags & CFGF_IGNORE_UNKNOWN))
		ruleset_problem(reading.set, here(cfg->line), "the file cannot be read to its end");
	cfg_free(cfg);
	return all;
}

static bool read_before(const struct input *input)
{
	for (const struct input *i = reading.inputs; i < input; i++)
		if (i->opened && i->device == input->device && i->inode == input->inode)
			return true;
	return false;
}

/* Takes back what would be there twice when the text is read again, but not what was found wrong with
 * it. What has one value gets that again. */
static void forget_since(const struct ruleset *before)
{
	struct ruleset *set = reading.set;

	set->class_count = before->class_count;
	set->app_count = before->app_count;
	set->package_count = before->package_count;
	/* Counts, not pointers: the lists may have been moved since. */
	set->unclassified.allow.count = before->unclassified.allow.count;
	set->unclassified.deny.count = before->unclassified.deny.count;
	set->except_users.count = before->except_users.count;
	set->tunnels.count = before->tunnels.count;
	set->unclassified_at = before->unclassified_at;
	set->at_boot_at = before->at_boot_at;
}

void grammar_parse(char *text, size_t size)
{
	struct ruleset before = *reading.set;
	FILE *file;
	bool all;

	/* Editors that put a byte order mark there do not show it. */
	if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		memset(text, ' ', 3);
	/* There are no files of no bytes in memory: the byte behind the text is one more. */
	text[size++] = ' ';
	grammar_scan(text, size);
	file = or_out_of_memory(fmemopen(text, size, "r"));
	all = parse(file, CFGF_NONE);
	if (reading.unknown_option) {
		rewind(file);
		forget_since(&before);
		all = parse(file, CFGF_IGNORE_UNKNOWN);
	}
	reading.set->cut_short |= !all;
	fclose(file);
}

static void read_input(size_t index)
{
	struct input input = reading.inputs[index];
	FILE *file;
	char *text;
	size_t size;

	reading.file = input.path;
	file = grammar_open_input(&input);
	reading.inputs[index] = input;
	reading.rights = input.rights;
	if (!file)
		return;
	if (read_before(&reading.inputs[index])) {
		fclose(file);
		return;
	}
	text = grammar_read_file(file, &size);
	fclose(file);
	grammar_keep(input.path, text, size);
	grammar_parse(text, size);
	free(text);
}

static char *absolute(const char *path)
{
	char folder[PATH_MAX];

	return *path == '/' || !getcwd(folder, sizeof(folder)) ? copied(path) : printed("%s/%s", folder, path);
}

void grammar_begin(struct ruleset *set, const char *path, bool again)
{
	/* libconfuse puts variables of the environment into unquoted and "quoted"
	 * values; a configuration must mean the same whoever reads it. */
	clearenv();
	reading.set = set;
	reading.again = again;
	reading.input_count = 0;
	reading.rights = 0;
	users_forget();
	set->path = absolute(path);
	grammar_keep(set->path, "", 0);
}

void grammar_read(struct ruleset *set, const char *path)
{
	grammar_begin(set, path, false);
	grammar_add_input(path, (struct place_in_file){ NULL, 0 }, false);
	for (size_t i = 0; i < reading.input_count; i++)
		read_input(i);
	grammar_keep_users();
}
