/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The programs of packages: see packages.h.
 *
 * The lists of dpkg, pacman and apk are read where these keep them, as a boot and every
 * reload may have to wait for it: asking dpkg takes 50 times as long. rpm's are in a database,
 * which is rpm's alone to read. A machine may have more than one of them. */

#include "conf/language/packages.h"

#include "conf/language/alloc.h"
#include "conf/language/begins.h"
#include "conf/language/folders.h"

#include <ctype.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

struct query {
	const char *name;
	void (*found)(const char *path, bool coming, const void *with);
	const void *with;
	bool installed;
	bool here;    /* what is read now is about this package */
	char *folder; /* of the files that follow, in apk's list */
	char *wrong;  /* the first that cannot be read, and why */
};

bool packages_name_valid(const char *name)
{
	size_t size = strlen(name);

	return size && size < 256 && isalnum((unsigned char)*name) &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-._") == size;
}

/* A machine has not all of the lists. */
static void note_failure(struct query *q, const char *path, int error)
{
	if (error && error != ENOENT && error != ENOTDIR && !q->wrong)
		q->wrong = printed("cannot read '%s': %s", path, strerror(error));
}

static void add_file(struct query *q, const char *path)
{
	struct stat st;

	if (strlen(path) >= RULE_PATH_MAX)
		return;
	if (!stat(path, &st)) {
		if (S_ISREG(st.st_mode) && st.st_mode & 0111)
			q->found(path, false, q->with);
	} else if (!folders_lack(errno)) {
		note_failure(q, path, errno);
	}
}

/* Returns whether the file is there. */
static bool read_lines(const char *path, struct query *q, void (*line)(struct query *q, char *text))
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;
	ssize_t size;

	if (!file) {
		note_failure(q, path, errno);
		return false;
	}
	q->here = false;
	while ((size = getline(&text, &room, file)) > 0) {
		if (text[size - 1] == '\n')
			text[size - 1] = '\0';
		line(q, text);
	}
	if (!feof(file))
		note_failure(q, path, errno);
	free(text);
	fclose(file);
	return true;
}

static void match(struct query *q, const char *pattern, glob_t *found)
{
	note_failure(q, pattern, folders_match(pattern, found));
}

/* --- dpkg */

/* A file of any package but by's (":" is the administrator) that lies elsewhere than it says. */
struct diversion {
	char *from;
	char *to;
	char *by;
};

static struct diversion *diversions;
static size_t diversion_count;

/* Three lines each. */
static void read_diversion(struct query *q, char *line)
{
	struct diversion *last = diversion_count ? &diversions[diversion_count - 1] : NULL;

	(void)q;
	if (last && !last->to) {
		last->to = copied(line);
	} else if (last && !last->by) {
		last->by = copied(line);
	} else {
		diversions = grown(diversions, diversion_count, sizeof(*diversions));
		diversions[diversion_count++] = (struct diversion){ .from = copied(line) };
	}
}

static void dpkg_file(struct query *q, char *path)
{
	for (size_t i = 0; i < diversion_count; i++)
		if (diversions[i].by && !strcmp(diversions[i].from, path) && strcmp(diversions[i].by, q->name) != 0)
			path = diversions[i].to;
	add_file(q, path);
}

/* A package that can be there for several architectures has a list for each. */
static void ask_dpkg(struct query *q)
{
	static bool diversions_known;
	char *list = printed("/var/lib/dpkg/info/%s.list", q->name);
	char *lists = printed("/var/lib/dpkg/info/%s:*.list", q->name);
	glob_t others;

	if (!diversions_known) {
		diversion_count = 0;
		read_lines("/var/lib/dpkg/diversions", q, read_diversion);
		diversions_known = !q->wrong;
	}
	q->installed |= read_lines(list, q, dpkg_file);
	match(q, lists, &others);
	for (size_t i = 0; i < others.gl_pathc; i++)
		q->installed |= read_lines(others.gl_pathv[i], q, dpkg_file);
	globfree(&others);
	free(lists);
	free(list);
}

/* --- pacman */

static void pacman_line(struct query *q, char *line)
{
	char *path;

	if (*line == '%' || !*line) {
		q->here = !strcmp(line, "%FILES%");
	} else if (q->here) {
		path = printed("/%s", line);
		add_file(q, path);
		free(path);
	}
}

/* The folder of a package has its name, its version and its release. */
static bool is_of_package(const char *folder, const char *name)
{
	size_t size = strlen(name);
	const char *version = folder + size + 1;
	const char *release = strncmp(folder, name, size) != 0 || folder[size] != '-' ? NULL : strchr(version, '-');

	return release && !strchr(release + 1, '-');
}

static void ask_pacman(struct query *q)
{
	static const char path[] = "/var/lib/pacman/local";
	DIR *folder = opendir(path);
	const struct dirent *entry;
	int error = folder ? 0 : errno;

	while (folder && (entry = folders_next(folder, &error))) {
		char *list = printed("%s/%s/files", path, entry->d_name);

		if (is_of_package(entry->d_name, q->name))
			q->installed |= read_lines(list, q, pacman_line);
		free(list);
	}
	note_failure(q, path, error);
	if (folder)
		closedir(folder);
}

/* --- apk */

/* "P:NAME" begins a package, and is followed by "F:FOLDER" and each one's "R:FILE". */
static void apk_line(struct query *q, char *line)
{
	char *path;

	if (!strncmp(line, "P:", 2))
		q->here = !strcmp(line + 2, q->name);
	if (!q->here)
		return;
	q->installed = true;
	if (!strncmp(line, "F:", 2)) {
		free(q->folder);
		q->folder = printed("%s%s", line[2] ? "/" : "", line + 2);
	} else if (!strncmp(line, "R:", 2) && q->folder) {
		path = printed("%s/%s", q->folder, line + 2);
		add_file(q, path);
		free(path);
	}
}

static void ask_apk(struct query *q)
{
	read_lines("/lib/apk/db/installed", q, apk_line);
	free(q->folder);
	q->folder = NULL;
}

/* --- rpm */

/* Elsewhere, on Debian say, asking would only make a database in root's home. */
static bool has_database(struct query *q)
{
	static const char *const databases[] = { "/usr/lib/sysimage/rpm/*", "/var/lib/rpm/*" };
	bool any = false;
	glob_t files;

	for (size_t i = 0; i < sizeof(databases) / sizeof(databases[0]) && !any; i++) {
		match(q, databases[i], &files);
		any = files.gl_pathc;
		globfree(&files);
	}
	return any;
}

/* It says on its standard output, too, that there is no such package, and exits with 1. */
static void ask_rpm(struct query *q)
{
	char *command;
	char *path = NULL;
	size_t room = 0;
	ssize_t size;
	FILE *out;
	int status;

	if (access("/usr/bin/rpm", X_OK) || !has_database(q))
		return;
	command = printed("/usr/bin/rpm -ql -- %s 2>/dev/null", q->name);
	out = popen(command, "re"); // NOLINT(cert-env33-c): a valid name, and no environment
	while (out && (size = getline(&path, &room, out)) > 0) {
		path[strcspn(path, "\n")] = '\0';
		if (*path == '/')
			add_file(q, path);
	}
	status = out ? pclose(out) : -1;
	q->installed |= !status;
	if ((!WIFEXITED(status) || WEXITSTATUS(status) > 1) && !q->wrong)
		q->wrong = printed("'rpm -ql -- %s' does not answer", q->name);
	free(path);
	free(command);
}

/* --- what is about to be installed */

static void coming_line(struct query *q, char *line)
{
	static const char head[] = "package ";

	if (begins(line, head))
		q->here = !strcmp(line + strlen(head), q->name);
	else if (q->here && *line == '/' && strlen(line) < RULE_PATH_MAX)
		q->found(line, true, q->with);
}

bool packages_find(const char *name, void (*found)(const char *path, bool coming, const void *with), const void *with,
		   char **wrong)
{
	struct query q = { .name = name, .found = found, .with = with };

	ask_dpkg(&q);
	ask_pacman(&q);
	ask_apk(&q);
	ask_rpm(&q);
	read_lines(PACKAGES_COMING, &q, coming_line);
	*wrong = q.wrong;
	return q.installed;
}
