/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* nftables: asks it about statements, loads a text into it, and lists what is loaded. */

#ifndef NETSHIM_NFT_H
#define NETSHIM_NFT_H

#include "conf/language/ruleset.h"

/* Takes netshim's table away. Adding it first makes the deletion succeed where there is
 * none. */
#define NFT_REMOVE "table inet netshim\ndelete table inet netshim\n"
/* And the second one of handover.h. */
#define NFT_REMOVE_SECOND "table inet netshim_handover\ndelete table inet netshim_handover\n"

/* Asks nftables about every nft statement, by itself, and notes what it says with
 * the statement's own place. Takes root: nftables answers to nobody else. */
void nft_check_statements(struct ruleset *set);

/* A rule by itself, in a chain of that type and hook; nothing is tried where chain is
 * NULL. */
struct trial {
	const char *chain;
	const char *rule;
	bool refused;
};

/* Sets which of them the kernel refuses. Nothing is loaded. */
void nft_try(struct trial *trials, size_t count);

/* Loads a text (only tries it where dry is set). Returns NULL, or what nftables says is
 * wrong (allocated), for nft_tell, which prints it. */
char *nft_load(const char *text, bool dry);
void nft_tell(const char *words);
/* As that, of the table in a class's network namespace. */
void nft_tell_inside(const char *class, const char *words);

/* Loads tables that are this process's own (flags owner): the kernel takes them away when it
 * ends, however it does, and lets nobody else change or flush them. Takes Linux 5.12. Returns
 * as nft_load does. */
char *nft_own(const char *text);

/* The loaded table as nft lists it, without counts; NULL where there is none. And what it would
 * list where a text were loaded, which is tried in a network namespace of its own; NULL where
 * that cannot be had. Allocated. */
char *nft_listing(void);
char *nft_listing_of(const char *text);

/* What nft lists by such a command, of others' tables too, without counts; NULL where it does
 * not. Allocated. */
char *nft_list(const char *command);

/* Deletes the table. Returns false with a message on stderr. */
bool nft_unload(void);

/* The loaded table as text that nft_load takes, to go back to; where none is
 * loaded, text that removes it. Allocated. */
char *nft_save(void);

/* Tells whether a text, of the table as it is made or listed, has a set of that name. */
bool nft_has_set(const char *text, const char *set);

/* One of its sets with what it holds, as text to be loaded behind that; NULL where it cannot
 * be had. Allocated. */
char *nft_list_set(const char *set);

/* Reads where the rules of a chain of the loaded table send packets ("to ADDRESS:PORT"). */
void nft_destinations(const char *chain, struct endpoint_list *list);

#endif
