/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What classes and their programs send and receive, moment by moment. */

#ifndef NETSHIM_TRAFFIC_H
#define NETSHIM_TRAFFIC_H

#include "conf/contract/rules.h"

#define TRAFFIC_HISTORY 20
#define UNCLASSIFIED "(unclassified)"

struct amounts {
	uint64_t sent, received;
};

/* A program in a class: of TCP, and of UDP where conntrack counts. */
struct class_program {
	char name[16];
	struct amounts rate;
};

struct class_traffic {
	char name[CLASS_NAME_MAX + 1];
	uint32_t classid; /* 0: UNCLASSIFIED, of which nobody counts what it receives */
	bool in_force;	  /* as of the last look */
	bool known;	  /* its rate: it was counted before */
	struct amounts total;
	struct amounts rate;		   /* bytes a second */
	uint64_t history[TRAFFIC_HISTORY]; /* of both, the latest last */
	struct class_program *programs;
	size_t program_count;
};

/* Begins with zeros. */
struct traffic {
	struct class_traffic *classes;
	size_t count;
	void *flows; /* of the last look, a tree */
	uint64_t when;
};

/* Looks once more. false where netshim is not up (any more), or its table is gone. */
bool traffic_look(struct traffic *traffic);

#endif
