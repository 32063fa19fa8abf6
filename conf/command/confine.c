/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Gives up what is not needed: see confine.h. */

#include "conf/command/confine.h"

#include <cap-ng.h>
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* libcap-ng's CAPNG_SELECT_BOTH reports success even if the bounding set could not be
 * changed. So only the sets that matter here are set, and read back. */
void confine(uint64_t caps, const char *verb)
{
	uint64_t keep = 0;
	uint64_t kept = 0;

	if (capng_get_caps_process())
		errx(EXIT_FAILURE, "cannot read this process's capabilities");
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (caps & CAP(cap) && capng_have_capability(CAPNG_PERMITTED, cap))
			keep |= CAP(cap);
	capng_clear(CAPNG_SELECT_CAPS);
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (keep & CAP(cap))
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, cap);
	if (capng_apply(CAPNG_SELECT_CAPS) || capng_get_caps_process())
		errx(EXIT_FAILURE, "cannot give up the capabilities that '%s' does not need", verb);
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (capng_have_capability(CAPNG_PERMITTED, cap))
			kept |= CAP(cap);
	if (kept != keep)
		errx(EXIT_FAILURE, "cannot give up the capabilities that '%s' does not need", verb);
}

void open_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}
