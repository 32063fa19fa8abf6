/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The ways in: see ways-in.h. */

#include "conf/command/ways-in.h"

#include "conf/command/sudoers.h"
#include "conf/command/trial.h"
#include "conf/command/xsession.h"
#include "conf/contract/preload.h"
#include "conf/language/alloc.h"
#include "conf/language/begins.h"
#include "conf/language/trust.h"

#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

/* Around what is put into a file of others, and at the head of a file that was not there. */
#define BLOCK_BEGIN "# netshim enable: from here\n"
#define BLOCK_END "# netshim enable: to here\n"
#define MADE "# netshim enable has made this file.\n"
#define VARIABLE "LD_PRELOAD="

/* The library may be gone by the next login, and may be in what was there before. */
#define THERE NETSHIM_BY_LIB PRELOAD_NAME
#define FOR_SH                                                                             \
	"case ${LD_PRELOAD-} in\n"                                                         \
	"*" PRELOAD_NAME "*) ;;\n"                                                         \
	"*) if [ -e '" THERE "' ]; then export LD_PRELOAD=\"${LD_PRELOAD:+$LD_PRELOAD:}\"" \
	"'" PRELOAD_WORD "'; fi ;;\n"                                                      \
	"esac\n"
#define FOR_FISH                                                                                    \
	"if test -e '" THERE "'; and not string match -q '*" PRELOAD_NAME "*' -- \"$LD_PRELOAD\"\n" \
	"    set -gx LD_PRELOAD (string join : -- $LD_PRELOAD '" PRELOAD_WORD "')\n"                \
	"end\n"
#define FOR_CSH                                                        \
	"if ( -e '" THERE "' ) then\n"                                 \
	"\tif ( ! $?LD_PRELOAD ) then\n"                               \
	"\t\tsetenv LD_PRELOAD '" PRELOAD_WORD "'\n"                   \
	"\telse if ( \"$LD_PRELOAD\" !~ *" PRELOAD_NAME "* ) then\n"   \
	"\t\tsetenv LD_PRELOAD \"${LD_PRELOAD}:\"'" PRELOAD_WORD "'\n" \
	"\tendif\n"                                                    \
	"endif\n"
/* environment.d(5): a dollar sign for itself is two. */
#define FOR_USER_MANAGER "LD_PRELOAD=${LD_PRELOAD:+$LD_PRELOAD:}" NETSHIM_BY_LIB "/$$LIB" PRELOAD_NAME "\n"

/* bash reads the first of .bash_profile, .bash_login and .profile in a login shell; .bashrc in
 * others, and on Debian for a command by ssh, but there only its first lines. zsh reads .zshenv
 * in any, tcsh the first of .tcshrc and .cshrc. Debian's Xsession reads .xsessionrc; a display
 * manager that has no login shell start it, as lightdm, reads nothing else of a user's. */
const struct way_in ways_in[] = {
	{ .kind = WAY_USER, .path = "~/.config/environment.d/netshim.conf", .text = FOR_USER_MANAGER, .folders = 2 },
	{ .kind = WAY_USER, .path = "~/.profile", .text = FOR_SH, .shell = "bash", .sign = "~/.profile" },
	{ .kind = WAY_USER, .path = "~/.bash_profile", .text = FOR_SH, .sign = "~/.bash_profile" },
	{ .kind = WAY_USER, .path = "~/.bash_login", .text = FOR_SH, .sign = "~/.bash_login" },
	{ .kind = WAY_USER, .path = "~/.bashrc", .text = FOR_SH, .shell = "bash", .sign = "~/.bashrc", .first = true },
	{ .kind = WAY_USER, .path = "~/.zshenv", .text = FOR_SH, .shell = "zsh", .sign = "~/.zshrc" },
	{ .kind = WAY_USER,
	  .path = "~/.config/fish/conf.d/netshim.fish",
	  .text = FOR_FISH,
	  .folders = 3,
	  .shell = "fish",
	  .sign = "~/.config/fish" },
	{ .kind = WAY_USER, .path = "~/.cshrc", .text = FOR_CSH, .shell = "csh", .sign = "~/.cshrc" },
	{ .kind = WAY_USER, .path = "~/.tcshrc", .text = FOR_CSH, .sign = "~/.tcshrc" },
	{ .kind = WAY_USER,
	  .path = "~/.xsessionrc",
	  .text = FOR_SH,
	  .sign = XSESSION_FOLDER "/40x11-common_xsessionrc" },
	{ .kind = WAY_LOGIN, .path = "/etc/environment", .form = FORM_VARIABLE, .text = VARIABLE PRELOAD_WORD "\n" },
	{ .kind = WAY_SUDO,
	  .path = SUDOERS_OURS,
	  .text = "Defaults env_file=/etc/environment\n",
	  .mode = 0440,
	  .check = sudoers_check },
	{ .kind = WAY_SYSTEM, .path = PRELOAD_FILE, .form = FORM_LIST, .text = PRELOAD_WORD "\n" },
};
const size_t ways_in_count = sizeof(ways_in) / sizeof(*ways_in);

static char *path_of(const char *path, const struct passwd *user)
{
	return *path == '~' ? printed("%s%s", user->pw_dir, path + 1) : copied(path);
}

static bool has_file(const char *path, const struct passwd *user)
{
	char *full = path_of(path, user);
	bool has = !access(full, F_OK);

	free(full);
	return has;
}

static bool has_shell(const char *shell, const struct passwd *user)
{
	const char *name = strrchr(user->pw_shell, '/');

	return strstr(name ? name : user->pw_shell, shell);
}

bool way_applies(const struct way_in *way, const struct passwd *user)
{
	if (way->kind == WAY_SUDO)
		return sudoers_is_there();
	if (!way->shell && !way->sign)
		return true;
	return (way->shell && has_shell(way->shell, user)) || has_file(way->sign, user) || has_file(way->path, user);
}

bool way_read(const struct way_in *way, const struct passwd *user, struct edit *edit)
{
	bool ok = edit_read(edit, path_of(way->path, user), way->mode ? way->mode : 0644);

	edit->folders = way->folders;
	return ok;
}

/* --- a line, or a few, by itself */

/* What is behind a last line that is not ended stays not ended. */
static void append(struct edit *edit, const char *lines)
{
	size_t size = edit->after ? strlen(edit->after) : 0;
	bool ended = !size || edit->after[size - 1] == '\n';
	char *words = ended ? copied(lines) : printed("\n%.*s", (int)strlen(lines) - 1, lines);

	edit_insert(edit, size, words);
	free(words);
}

/* Takes out whole lines, from one's beginning to before the newline of another. */
static void take_lines(struct edit *edit, size_t begin, size_t size)
{
	if (edit->after[begin + size])
		size++;
	else if (begin)
		begin--, size++;
	edit_remove(edit, begin, size);
}

static void put_block(const struct way_in *way, struct edit *edit)
{
	char *block = printed(BLOCK_BEGIN "%s" BLOCK_END, way->text);

	if (way->first && edit->after)
		edit_insert(edit, 0, block);
	else
		append(edit, block);
	free(block);
}

static bool take_block(struct edit *edit)
{
	const char *begin = strstr(edit->after, BLOCK_BEGIN);
	/* Its newline may be missing. */
	const size_t length = sizeof(BLOCK_END) - 2;
	const char *end = begin ? memmem(begin, strlen(begin), BLOCK_END, length) : NULL;

	if (end)
		take_lines(edit, (size_t)(begin - edit->after), (size_t)(end - begin) + length);
	else
		warnx("%s: the end of what netshim has put there is missing; take it out by hand", edit->path);
	return end;
}

/* --- the variable, as pam_env, sudo and systemd read it */

struct span {
	char *line;
	char *begin; /* of the value */
	char *end;
};

/* The next line, from there on, that sets it. */
static bool next_value(char *from, struct span *span)
{
	for (char *line = from; line && *line; line = strchr(line, '\n'), line += !!line) {
		char *at = line + strspn(line, " \t");
		char *end = line + strcspn(line, "\n#");

		if (begins(at, "export "))
			at += strlen("export ");
		if (!begins(at, VARIABLE))
			continue;
		at += strlen(VARIABLE);
		while (end > at && strchr(" \t", end[-1]))
			end--;
		if (end - at > 1 && (*at == '"' || *at == '\'') && end[-1] == *at)
			at++, end--;
		*span = (struct span){ line, at, end };
		return true;
	}
	return false;
}

static bool has_variable(char *text)
{
	struct span span = { .end = text };

	while (next_value(span.end, &span))
		if (preload_has_ours(span.begin, span.end, PRELOAD_VARIABLE))
			return true;
	return false;
}

/* The last line that sets it counts, and the libraries keep their order. */
static void put_variable(const struct way_in *way, struct edit *edit)
{
	struct span span = { .end = edit->after };
	struct span last = { .end = NULL };

	while (span.end && next_value(span.end, &span))
		last = span;
	if (last.end)
		edit_insert(edit, (size_t)(last.end - edit->after),
			    last.end > last.begin ? ":" PRELOAD_WORD : PRELOAD_WORD);
	else
		append(edit, way->text);
}

static void take_variable(struct edit *edit)
{
	struct span span = { .end = edit->after };

	while (next_value(span.end, &span)) {
		char *end;

		if (!preload_has_ours(span.begin, span.end, PRELOAD_VARIABLE))
			continue;
		end = preload_cut(span.begin, span.end, PRELOAD_VARIABLE);
		if (end > span.begin) {
			edit_remove(edit, (size_t)(end - edit->after), (size_t)(span.end - end));
			span.end = end;
		} else {
			take_lines(edit, (size_t)(span.line - edit->after), strcspn(span.line, "\n"));
			span.end = edit->after;
		}
	}
}

/* --- the list */

static void take_from_list(struct edit *edit)
{
	char *end = edit->after + strlen(edit->after);

	*preload_cut(edit->after, end, PRELOAD_LIST) = '\0';
	if (!*edit->after && *edit->before) {
		free(edit->after);
		edit->after = NULL;
	}
}

/* --- all of them */

static bool has_ours(const struct way_in *way, char *text)
{
	switch (way->form) {
	case FORM_VARIABLE:
		return has_variable(text);
	case FORM_LIST:
		return preload_has_ours(text, text + strlen(text), PRELOAD_LIST);
	default:
		return strstr(text, BLOCK_BEGIN);
	}
}

void way_put(const struct way_in *way, struct edit *edit)
{
	if (edit->after && has_ours(way, edit->after))
		return;
	/* There is no word for a comment in the list that all loaders know. */
	if (!edit->after && way->form != FORM_LIST)
		edit->after = copied(MADE);
	if (way->form == FORM_VARIABLE)
		put_variable(way, edit);
	else if (way->form == FORM_LIST)
		append(edit, way->text);
	else
		put_block(way, edit);
}

static void take_note_of_making(struct edit *edit)
{
	if (!begins(edit->after, MADE))
		return;
	edit_remove(edit, 0, strlen(MADE));
	if (*edit->after)
		return;
	free(edit->after);
	edit->after = NULL;
}

bool way_take(const struct way_in *way, struct edit *edit)
{
	if (!edit->after || !has_ours(way, edit->after))
		return true;
	if (way->form == FORM_LIST) {
		take_from_list(edit);
		return true;
	}
	if (way->form == FORM_VARIABLE)
		take_variable(edit);
	else if (!take_block(edit))
		return false;
	take_note_of_making(edit);
	return true;
}

static enum way_state state_of(const struct way_in *way, const struct passwd *user)
{
	char *path = path_of(way->path, user);
	char *text = edit_text(path);
	enum way_state state = WAY_CLOSED;

	if (text)
		state = has_ours(way, text) ? WAY_OPEN : WAY_CLOSED;
	else if (errno == EACCES)
		state = WAY_UNKNOWN;
	free(text);
	free(path);
	return state;
}

enum way_state ways_state(enum way_in_kind kind, const struct passwd *user)
{
	enum way_state state = WAY_CLOSED;
	bool is_environment = false;

	for (const struct way_in *way = ways_in; state != WAY_OPEN && way < ways_in + ways_in_count; way++)
		if (way->kind == kind && (kind != WAY_USER || user))
			state = state_of(way, user);
	if (kind == WAY_SUDO && state == WAY_CLOSED) {
		free(sudoers_others(&is_environment));
		state = is_environment ? WAY_OPEN : WAY_CLOSED;
	}
	return state;
}

/* What lies at the end of the way, or is on it. */
static char *changeable_by_others(const char *path)
{
	char *found = trust_changeable(path);
	struct stat st;

	if (!found && !stat(path, &st) && trust_is_others(&st))
		found = copied(path);
	return found;
}

static char *closed_to_users(const char *path)
{
	return trust_closed(path, TRUST_READ);
}

/* What look finds of the first of the library's files for which it finds anything. A $LIB is one folder, or
 * two, as lib/x86_64-linux-gnu. */
static char *look_at_libraries(char *(*look)(const char *path))
{
	static const char *const patterns[] = { NETSHIM_LIBRARY, NETSHIM_BY_LIB, NETSHIM_BY_LIB "/*",
						NETSHIM_BY_LIB "/*/*", NETSHIM_BY_LIB "/*/*/*" };
	char *found = NULL;

	for (size_t i = 0; !found && i < sizeof(patterns) / sizeof(*patterns); i++) {
		glob_t paths;

		if (glob(patterns[i], GLOB_NOSORT, NULL, &paths))
			continue;
		for (size_t j = 0; !found && j < paths.gl_pathc; j++)
			found = look(paths.gl_pathv[j]);
		globfree(&paths);
	}
	return found;
}

char *ways_changeable(void)
{
	char *found = look_at_libraries(changeable_by_others);

	return found ? found : changeable_by_others(NETSHIM_RESCUE);
}

char *ways_closed(void)
{
	return look_at_libraries(closed_to_users);
}

bool ways_annoy_snaps(void)
{
	glob_t paths;
	bool found = !glob("/snap/*/current", 0, NULL, &paths);

	if (found)
		globfree(&paths);
	return found;
}
