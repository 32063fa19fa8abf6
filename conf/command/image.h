/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* A program that a process runs, and whether the library is in it: what is not in the one
 * that starts a program does not see that start. */

#ifndef NETSHIM_IMAGE_H
#define NETSHIM_IMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum lack {
	LACKS_NOTHING,
	LACKS_LOADER,	 /* it is static */
	LACKS_VARIABLE,	 /* LD_PRELOAD does not name the library */
	LACKS_TRUST,	 /* it gains privilege, so LD_PRELOAD does not count */
	LACKS_OTHERWISE, /* it could be, and is not */
};

struct image {
	char *path;	  /* the kernel's; allocated */
	char *started_as; /* allocated */
	enum lack lack;
	bool looked; /* at its memory, where the library is or is not */
	bool asks_helper;
	bool decided;	/* the helper has started it where it is: on-error = allow */
	char *asked;	/* what the helper is to start; allocated, or NULL */
	bool by_loader; /* which is run by hand through a loader */
};

/* Reads that of a process that has just executed it. */
void image_read(struct image *image, pid_t process);
/* Looks at its memory, when it is about to start something, once. */
void image_look(struct image *image, pid_t process);
struct image image_copy(const struct image *image);
void image_free(struct image *image);

/* What it lacks, to be said behind its name. */
const char *image_lack(enum lack lack);

#endif
