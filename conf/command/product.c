/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What installed files say of themselves: see product.h. */

#include "conf/command/product.h"

#include "conf/language/alloc.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* All of a small file; allocated. */
static char *read_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st = { .st_size = 0 };
	char *text;
	ssize_t n = -1;

	if (fd < 0 || fstat(fd, &st) || st.st_size > 1 << 24)
		st.st_size = 0;
	text = zalloc((size_t)st.st_size + 1);
	if (fd >= 0) {
		n = read(fd, text, (size_t)st.st_size);
		close(fd);
	}
	*size = n < 0 ? 0 : (size_t)n;
	return text;
}

/* Tells whether the file is one of 64 bits, with all of its sections' table. */
static bool is_elf(const char *file, size_t size)
{
	const Elf64_Ehdr *head = (const Elf64_Ehdr *)(const void *)file;

	return size >= sizeof(*head) && !memcmp(file, ELFMAG, SELFMAG) && file[EI_CLASS] == ELFCLASS64 &&
	       head->e_shoff <= size && head->e_shoff % sizeof(uint64_t) == 0 &&
	       (size - head->e_shoff) / sizeof(Elf64_Shdr) >= head->e_shnum && head->e_shstrndx < head->e_shnum;
}

/* The text in the section by that name, if all of it is there; else NULL. A zero follows
 * the file. */
static const char *find_section(const char *file, size_t size, const char *name)
{
	const Elf64_Ehdr *head = (const Elf64_Ehdr *)(const void *)file;
	const Elf64_Shdr *sections;
	uint64_t names;

	if (!is_elf(file, size))
		return NULL;
	sections = (const Elf64_Shdr *)(const void *)(file + head->e_shoff);
	names = sections[head->e_shstrndx].sh_offset;
	for (const Elf64_Shdr *s = sections; s < sections + head->e_shnum; s++)
		if (names < size && s->sh_name < size - names && !strcmp(file + names + s->sh_name, name) &&
		    s->sh_offset < size)
			return file + s->sh_offset;
	return NULL;
}

char *product_version(const char *path)
{
	size_t size;
	char *file = read_file(path, &size);
	const char *version = find_section(file, size, ".netshim.version");
	char *copy = version ? copied(version) : NULL;

	free(file);
	return copy;
}
