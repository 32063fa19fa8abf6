/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The table that is in force: loads it, keeps its text for whoever puts it back, and
 * hears of it when others take it away, or parts of it. */

#ifndef NETSHIM_TABLE_H
#define NETSHIM_TABLE_H

#include "conf/contract/rules.h"

#include <netlink/attr.h>
#include <stdbool.h>
#include <stdint.h>

/* There is one here, and one in the network namespace of each class that has rules there: which
 * one, is told by the class's name, or NULL. All but table_kept and table_forget concern the one
 * of the network namespace that this process is in. */

#define TABLE_KEPT NETSHIM_RUNDIR "/table"
#define TABLE_KEPT_SIZE (sizeof(TABLE_KEPT) + CLASS_NAME_MAX + 8)
const char *table_kept_path(const char *class, char path[TABLE_KEPT_SIZE]);

/* A number in the table's comment says which text it is from: equal texts, but for their
 * counts, have the same one. */
#define TABLE_COMMENT "netshim "
#define TABLE_NUMBER_SIZE 17
/* "" where a text, or a loaded table's comment, has none. */
void table_number(const char *text, char number[TABLE_NUMBER_SIZE]);

/* Puts the table of a text (policy.h, or nft_save's) into the place of the one that is
 * loaded, and keeps the text. whole is what is loaded: the text with what holds for now
 * only. Returns NULL, or what nftables says (nft_load). table_replace leaves no packet without
 * rules meanwhile (handover.h), and takes more memory and descriptors. */
char *table_load(const char *class, const char *text, const char *whole);
char *table_replace(const char *class, const char *text, const char *whole);

/* The text that was loaded last; allocated, NULL where there is none. */
char *table_kept(const char *class);
void table_forget(const char *class);

/* What puts the loaded table back as it is, or away where there is none (allocated): the
 * text that was loaded last where that says all but what names have opened, as it takes nftables
 * longer to list a large table than to load it, and with it what its sets have come to hold of
 * refusals (allocated), to be loaded behind it: table_held, which is NULL where nft does not list
 * it. Its counts are older: table_counted puts in those of the table that is loaded then. */
char *table_now(char **held);
char *table_held(const char *text);
char *table_counted(const char *text);

/* What is known of the loaded table, and of who has changed it last. */
struct table_news {
	bool heard;   /* anything about it since this was last set to false */
	bool lacking; /* it is not there, or parts of it have been taken away */
	char number[TABLE_NUMBER_SIZE];
	char by[16]; /* the process's name */
	uint32_t process;
	bool changed; /* in the transaction that is being told of */
	/* NULL, or called with each element that has come into a set, or is gone. */
	void (*element)(const char *set, struct nlattr *element[], bool there);
};

/* A descriptor that can be read when any table has changed. Takes CAP_NET_ADMIN. */
int table_events(void);
/* Reads what has been told; waits for nothing but the end of a transaction that is being told of. */
void table_hear(int events, struct table_news *news);
/* Hears how the table is now. */
void table_look(int events, struct table_news *news);

#endif
