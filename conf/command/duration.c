/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Times that people type: see duration.h. */

#include "conf/command/duration.h"

#include <ctype.h>
#include <stdlib.h>

static unsigned long unit_of(char letter)
{
	switch (letter) {
	case 's':
		return 1;
	case 'm':
		return 60;
	case 'h':
		return 3600;
	case 'd':
		return 86400;
	default:
		return 0;
	}
}

unsigned duration_read(const char *text)
{
	unsigned long seconds = 0;

	while (*text && seconds <= DURATION_LONGEST) {
		char *end;
		unsigned long n = isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : 0;
		unsigned long unit = n && n <= DURATION_LONGEST ? unit_of(*end) : 0;

		if (!unit)
			return 0;
		seconds += n * unit;
		text = end + 1;
	}
	return seconds <= DURATION_LONGEST ? (unsigned)seconds : 0;
}
