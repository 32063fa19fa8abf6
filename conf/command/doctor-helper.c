/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* doctor: the helper, and what has to fit to it. */

#include "conf/command/cmd-grant.h"
#include "conf/command/doctor.h"
#include "conf/command/product.h"
#include "conf/contract/preload.h"
#include "conf/contract/version.h"
#include "conf/language/alloc.h"
#include "conf/language/trust.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define INSTALL "install netshim again"

void look_at_helper(struct doctor *d)
{
	struct stat st;
	char *changeable = trust_changeable(NETSHIM_HELPER);
	char *closed = grant_closed(NETSHIM_HELPER);

	if (closed)
		doctor_tell(d, RESULT_FAULT, printed("chmod 755 %s", closed),
			    "not all users may use %s: they cannot start programs that have a class", closed);
	else if (stat(NETSHIM_HELPER, &st))
		doctor_tell(d, RESULT_FAULT, INSTALL, NETSHIM_HELPER ": %s: no program that has a class is started",
			    strerror(errno));
	else if (!S_ISREG(st.st_mode))
		doctor_tell(d, RESULT_FAULT, INSTALL,
			    NETSHIM_HELPER " is no program: no program that has a class is "
					   "started");
	else if (st.st_uid || (st.st_mode & 0022))
		doctor_tell(d, RESULT_FAULT,
			    "chown root " NETSHIM_HELPER " && chmod 755 " NETSHIM_HELPER ", then 'netshim grant'",
			    NETSHIM_HELPER " can be changed by others than root, and with it what its capability does");
	else if (changeable)
		doctor_tell(d, RESULT_FAULT, "make it root's, and writable by nobody else",
			    "others than root can change %s, and so replace the helper", changeable);
	else
		doctor_tell(d, RESULT_OK, NULL, NETSHIM_HELPER " is root's");
}

void look_at_capability(struct doctor *d)
{
	const char *wrong = grant_wrong();

	if (!wrong && access(NETSHIM_HELPER, R_OK) && doctor_is_blind(d, "what capability the helper has"))
		return;
	if (wrong)
		doctor_tell(d, RESULT_FAULT, "as it says; then start the programs anew",
			    "programs that have a class are not started: %s", wrong);
	else
		doctor_tell(d, RESULT_OK, NULL, "the helper has cap_dac_override=p and nothing else");
}

static void compare_version(struct doctor *d, const char *path)
{
	char *version = product_version(path);

	if (!version)
		doctor_tell(d, RESULT_FAULT, INSTALL, "%s: cannot tell its version", path);
	else if (strcmp(version, "netshim " NETSHIM_VERSION) != 0)
		doctor_tell(d, RESULT_NOTE, INSTALL ", all of it",
			    "%s is of %s, and this command of netshim " NETSHIM_VERSION, path, version);
	free(version);
}

static void look_at_versions(struct doctor *d)
{
	compare_version(d, NETSHIM_HELPER);
	compare_version(d, NETSHIM_LIBRARY);
	if (d->rules && d->rules->header.version != RULES_VERSION)
		doctor_tell(d, RESULT_NOTE, "run 'netshim reload' as root",
			    RULES_PATH " has version %u, and this command writes version %u: another netshim has put "
				       "it into force",
			    d->rules->header.version, RULES_VERSION);
	if (!d->finding_count)
		doctor_tell(d, RESULT_OK, NULL, "helper, library, rules and command are of netshim " NETSHIM_VERSION);
}

const struct check checks_helper[] = {
	{ "helper", look_at_helper },
	{ "capability", look_at_capability },
	{ "versions", look_at_versions },
	{ NULL, NULL },
};
