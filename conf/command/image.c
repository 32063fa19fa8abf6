/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Programs that run, and the library in them: see image.h.
 *
 * A process that has just executed a program has no library in it yet, as the loader has
 * not run. By what the loader goes by (ld.so(8)), it can be told all the same; and if the
 * process forks, its memory shows whether that was right. */

#include "conf/command/image.h"

#include "conf/contract/preload.h"
#include "conf/contract/rules.h"
#include "conf/kernel/processes.h"
#include "conf/language/alloc.h"
#include "conf/language/begins.h"
#include "conf/language/rights.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

static FILE *open_file(pid_t process, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", process, name);
	return fopen(path, "re");
}

static char *read_path(pid_t process)
{
	char link[64];
	char path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/exe", process);
	n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	return copied(path);
}

static char *read_started_as(pid_t process, uint64_t address, const char *path)
{
	char text[PATH_MAX];
	int fd = process_open(process, "mem");
	ssize_t n = fd < 0 || !address ? -1 : pread(fd, text, sizeof(text), (off_t)address);

	if (fd >= 0)
		close(fd);
	/* The helper starts some by a descriptor. */
	if (n <= 0 || !memchr(text, '\0', (size_t)n) || *text != '/' || !strncmp(text, "/dev/fd/", 8))
		return copied(path);
	return copied(text);
}

/* Of this process's own root, which a user may have made: so it may lead to anything, a
 * pipe or what only root may read. O_PATH opens nothing yet; a regular file that everybody
 * may read is read. */
static int open_preload_file(pid_t process)
{
	char path[64];
	struct stat st;
	int named;
	int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/root" PRELOAD_FILE, process);
	named = open(path, O_PATH | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", named);
	if (named >= 0 && !fstat(named, &st) && S_ISREG(st.st_mode) && rights_take(RIGHTS_NOBODY)) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		rights_give_back();
	}
	if (named >= 0)
		close(named);
	return fd;
}

/* In any file where it may stand. */
static bool is_in_file(pid_t process)
{
	int fd = open_preload_file(process);
	char text[4096];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	if (fd >= 0)
		close(fd);
	return preload_has_ours(text, text + (n < 0 ? 0 : n), PRELOAD_LIST);
}

/* What was put before the environment for the helper, or by it. */
static void read_request(struct image *image, const char *first, FILE *environment)
{
	static const char loaders[] = REQUEST_NAME REQUEST_VERSION_LOADER;
	char *path = NULL;
	size_t size = 0;

	image->decided = preload_begins(first, strlen(first), DECIDED_NAME, strlen(DECIDED_NAME));
	if (!image->asks_helper || getdelim(&path, &size, '\0', environment) <= 0)
		return;
	image->asked = path;
	image->by_loader = begins(first, loaders);
}

static bool read_environment(struct image *image, pid_t process)
{
	FILE *environment = open_file(process, "environ");
	static const char name[] = "LD_PRELOAD=";
	char *variable = NULL;
	size_t size = 0;
	bool named = false;
	ssize_t n;

	for (bool first = true; environment && (n = getdelim(&variable, &size, '\0', environment)) > 0; first = false) {
		if (first)
			read_request(image, variable, environment);
		if (begins(variable, name))
			named = named || preload_has_ours(variable + strlen(name), variable + n - 1, PRELOAD_VARIABLE);
	}
	free(variable);
	if (environment)
		fclose(environment);
	return named;
}

static enum lack find_lack(bool static_program, bool secure, bool named, bool in_file)
{
	if (static_program)
		return LACKS_LOADER;
	if (in_file)
		return LACKS_NOTHING;
	if (!named)
		return LACKS_VARIABLE;
	return secure ? LACKS_TRUST : LACKS_NOTHING;
}

void image_read(struct image *image, pid_t process)
{
	char vector[1024];
	int fd = process_open(process, "auxv");
	ssize_t n = fd < 0 ? -1 : read(fd, vector, sizeof(vector));
	size_t size = n < 0 ? 0 : (size_t)n;
	bool named;

	if (fd >= 0)
		close(fd);
	*image = (struct image){ .path = read_path(process),
				 .asks_helper = process_runs(process, NETSHIM_HELPER) ||
						process_runs(process, NETSHIM_NETNS) };
	image->started_as = read_started_as(process, process_auxiliary(vector, size, AT_EXECFN), image->path);
	named = read_environment(image, process);
	/* Without a loader, nothing is at its base (create_elf_tables). */
	image->lack = find_lack(!process_auxiliary(vector, size, AT_BASE), process_auxiliary(vector, size, AT_SECURE),
				named, is_in_file(process));
}

void image_look(struct image *image, pid_t process)
{
	FILE *maps;
	char *line = NULL;
	size_t size = 0;
	bool found = false;

	if (image->looked)
		return;
	image->looked = true;
	maps = open_file(process, "maps");
	while (maps && !found && getline(&line, &size, maps) > 0)
		found = strstr(line, PRELOAD_NAME) != NULL;
	free(line);
	if (maps)
		fclose(maps);
	if (found)
		image->lack = LACKS_NOTHING;
	else if (image->lack == LACKS_NOTHING)
		image->lack = LACKS_OTHERWISE;
}

struct image image_copy(const struct image *image)
{
	struct image copy = *image;

	copy.path = copied(image->path);
	copy.started_as = copied(image->started_as);
	copy.asked = image->asked ? copied(image->asked) : NULL;
	return copy;
}

void image_free(struct image *image)
{
	free(image->path);
	free(image->started_as);
	free(image->asked);
	*image = (struct image){ .path = NULL };
}

const char *image_lack(enum lack lack)
{
	switch (lack) {
	case LACKS_LOADER:
		return "is static";
	case LACKS_VARIABLE:
		return "has no LD_PRELOAD with the library";
	case LACKS_TRUST:
		return "gains privilege, so that LD_PRELOAD does not count";
	case LACKS_OTHERWISE:
		return "has not loaded the library";
	case LACKS_NOTHING:
		break;
	}
	return "has the library";
}
