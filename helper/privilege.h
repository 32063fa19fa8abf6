/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What a program with a file capability does with it, and how it ends. */

#ifndef NETSHIM_PRIVILEGE_H
#define NETSHIM_PRIVILEGE_H

#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>

/* Says why the program at path is not started, and ends. */
__attribute__((noreturn)) void fail(int code, const char *path, const char *class, const char *what);

/* Of the calling thread, as capget(2) has them: in the first of the two are the capabilities up to 31,
 * which are all that netshim has; in the second those above. */
bool get_capabilities(struct __user_cap_data_struct caps[2]);

/* Makes low the permitted and the effective set, and reads back that it is. The
 * inheritable set is left to the target. */
bool set_capabilities(struct __user_cap_data_struct caps[2], uint32_t low);

/* Tells whether this process, which has got none of its file's capabilities, may get them by
 * executing that once more: another thread may have been making one (check_unsafe_exec), and by now
 * there is no other. tries is how often it has done so. */
bool may_gain_again(uint32_t tries);

/* What is wrong with the rules file, by what rules_open says of it, and what to do. */
const char *rules_error(int err);

/* What keeps a process out of its class's network namespace. */
const char *netns_error(int err);

#endif
