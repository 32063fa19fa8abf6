/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Answers for scripts, made with jansson. Its functions take NULL for a value that could not
 * be had, and then give NULL: so only the end looks whether there was memory for all. */

#ifndef NETSHIM_JSON_H
#define NETSHIM_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* A text of others', as a path or a process's name, with its control codes: what is no UTF-8 in it
 * becomes U+FFFD. */
json_t *json_text(const char *text);

/* null where the number is not known. */
json_t *json_number(bool known, uint64_t number);

/* Adds a value to an array, or to an object, and gives it away. */
void json_add(json_t *array, json_t *value);
void json_put(json_t *object, const char *name, json_t *value);

/* Prints a value as one line, to standard output at once, and gives it back. In ASCII, so that a
 * terminal shows it as it is. */
void json_print(json_t *value);
void json_print_to(FILE *to, json_t *value);

#endif
