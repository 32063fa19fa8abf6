/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What an AppImage begins with: a static program that mounts the file system behind
 * itself in the same file, as the user, and becomes AppRun in there. The runtime of
 * AppImages mounts by code of its own; this one has squashfuse do it. */

#include "tests/programs/driver.h"

#include <elf.h>
#include <limits.h>
#include <stdio.h>
#include <sys/prctl.h>

/* The section headers are the last that a linker puts into a program. */
static long size_of_program(const char *path)
{
	Elf64_Ehdr header;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, &header, sizeof(header));

	close(fd);
	return n == sizeof(header) ? (long)(header.e_shoff + (Elf64_Off)header.e_shnum * header.e_shentsize) : -1;
}

static dev_t file_system(const char *dir)
{
	struct stat st;

	return stat(dir, &st) ? 0 : st.st_dev;
}

/* Until this process ends, whatever it is by then. */
static int mount_image(const char *image, const char *dir)
{
	dev_t before = file_system(dir);
	char offset[64];

	snprintf(offset, sizeof(offset), "offset=%ld", size_of_program(image));
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		execlp("squashfuse_ll", "squashfuse_ll", "-f", "-o", offset, image, dir, (char *)NULL);
		_exit(127);
	}
	for (int tries = 0; tries < 500; tries++, usleep(20000))
		if (file_system(dir) != before)
			return 0;
	return -1;
}

int main(int argc, char **argv)
{
	const char *tmp = getenv("TMPDIR");
	char image[PATH_MAX];
	char dir[PATH_MAX];
	char run[PATH_MAX + 8];

	(void)argc;
	snprintf(dir, sizeof(dir), "%s/.mount_AppXXXXXX", tmp ? tmp : "/tmp");
	if (!realpath("/proc/self/exe", image) || !mkdtemp(dir) || mount_image(image, dir))
		return 127;
	setenv("APPIMAGE", image, 1);
	setenv("APPDIR", dir, 1);
	snprintf(run, sizeof(run), "%s/AppRun", dir);
	execv(run, argv);
	return 127;
}
