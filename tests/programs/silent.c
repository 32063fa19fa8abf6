/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* silent FOLDER FUSE [NAME|--memory|--closed]: a process of a user's at which looking never ends. As a user
 * may by fusermount(1), with what /etc/fuse.conf may allow, it mounts a file system on the
 * folder that says nothing when its file is read, and has that file where the kernel has
 * left the name by which the process was started. Or, with a NAME, it puts that there, of
 * which the file system says nothing either. Or, with --memory, what it has changed of that
 * file in its memory is never written, while it is taken out of there: fuse_vma_close in the
 * kernel's fs/fuse/file.c waits, and with it who looks at its memory. Or, with --closed, nobody
 * else may look at the file system, not even root. Before that, or then, it prints its pid. */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fuse.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define NOBODY 65534
#define PAGE_MOST (1 << 16) /* of any processor */
#define VALID 1000	    /* seconds */

static bool memory; /* it is that which is looked at */

static void answer(int fuse, uint64_t to, int error, const void *data, size_t size)
{
	struct fuse_out_header header = { (uint32_t)(sizeof(header) + size), error, to };
	struct iovec text[] = { { &header, sizeof(header) }, { (void *)(uintptr_t)data, size } };

	if (writev(fuse, text, 2) != header.len)
		warn("answer");
}

static void answer_read(int fuse, const struct fuse_in_header *asked)
{
	static const char nothing[PAGE_MOST];
	const struct fuse_read_in *read = (const void *)(asked + 1);

	answer(fuse, asked->unique, 0, nothing, read->size < PAGE_MOST ? read->size : PAGE_MOST);
}

static void answer_to(int fuse, const struct fuse_in_header *asked)
{
	bool folder = asked->nodeid == FUSE_ROOT_ID && asked->opcode != FUSE_LOOKUP;
	const struct fuse_attr attr = { .ino = folder ? 1 : 2,
					.size = PAGE_MOST,
					.nlink = 1,
					.uid = NOBODY,
					.gid = NOBODY,
					.mode = folder ? S_IFDIR | 0755 : S_IFREG | 0644 };
	const struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = PAGE_MOST };
	const struct fuse_entry_out entry = { .nodeid = 2, .entry_valid = VALID, .attr_valid = VALID, .attr = attr };
	const struct fuse_attr_out attributes = { .attr_valid = VALID, .attr = attr };
	const struct fuse_open_out opened = { .fh = 1 };

	if (asked->opcode == FUSE_LOOKUP && strcmp((const char *)(asked + 1), "file"))
		return;
	if (asked->opcode == FUSE_INIT)
		answer(fuse, asked->unique, 0, &init, sizeof(init));
	else if (asked->opcode == FUSE_LOOKUP)
		answer(fuse, asked->unique, 0, &entry, sizeof(entry));
	else if (asked->opcode == FUSE_GETATTR)
		answer(fuse, asked->unique, 0, &attributes, sizeof(attributes));
	else if (asked->opcode == FUSE_OPEN)
		answer(fuse, asked->unique, 0, &opened, sizeof(opened));
	else if (asked->opcode == FUSE_READ && memory)
		answer_read(fuse, asked);
	else if (asked->opcode != FUSE_READ && asked->opcode != FUSE_WRITE && asked->opcode != FUSE_INTERRUPT &&
		 asked->opcode != FUSE_FORGET)
		answer(fuse, asked->unique, -ENOSYS, NULL, 0);
}

static void serve(int fuse)
{
	static _Alignas(struct fuse_in_header) char asked[1 << 17];

	while (read(fuse, asked, sizeof(asked)) > 0 || errno == EINTR || errno == ENOENT)
		answer_to(fuse, (const void *)asked);
	_exit(EXIT_SUCCESS);
}

static void become_user(void)
{
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
		err(EXIT_FAILURE, "cannot become a user");
	prctl(PR_SET_DUMPABLE, 1); /* as what a user has started is */
}

/* Page by page, not ahead of what is asked for: that could be given up. */
static bool lie_on(int file)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uintptr_t name = getauxval(AT_EXECFN) & -page;

	return mmap((void *)name, page, PROT_READ, MAP_PRIVATE | MAP_FIXED, file, 0) != MAP_FAILED &&
	       !madvise((void *)name, page, MADV_RANDOM);
}

/* For ever: that page is to be written before another takes its place. */
static void change_memory(int file)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *changed = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

	if (changed == MAP_FAILED)
		err(EXIT_FAILURE, "cannot map");
	*changed = 1;
	printf("%d\n", getpid());
	fflush(stdout);
	mmap(changed, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

int main(int argc, char **argv)
{
	int fuse = argc >= 3 ? open(argv[2], O_RDWR) : -1;
	char text[PAGE_MOST]; /* so what is called from here has its stack in another page */
	bool closed = argc == 4 && !strcmp(argv[3], "--closed");
	int file;

	snprintf(text, sizeof(text), "fd=%d,rootmode=40000,user_id=%d,group_id=%d%s", fuse, NOBODY, NOBODY,
		 closed ? "" : ",allow_other");
	if (fuse < 0 || mount("silent", argv[1], "fuse", MS_NOSUID | MS_NODEV, text))
		err(EXIT_FAILURE, "cannot mount");
	become_user();
	memory = argc == 4 && !strcmp(argv[3], "--memory");
	if (!fork())
		serve(fuse);
	if (chdir(argv[1]))
		err(EXIT_FAILURE, "cannot go there");
	file = open("file", memory ? O_RDWR : O_RDONLY);
	close(fuse); /* of the process that serves alone: when that ends, so does the waiting */
	if (memory)
		change_memory(file);
	else if (argc == 4 && !closed)
		strcpy((char *)getauxval(AT_EXECFN), argv[3]); /* it is shorter */
	else if (!lie_on(file))
		err(EXIT_FAILURE, "cannot lie there");
	printf("%d\n", getpid());
	fflush(stdout);
	for (;;)
		pause();
}
