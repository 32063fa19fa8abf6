/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The functions that the shim's hide: see next.h. They are looked for in the list of objects
 * that both loaders keep for debuggers, by the tables that they themselves go by (gABI,
 * "Hash Table"; GNU_HASH's are glibc's elf/dl-lookup.c's). */

#include "shim/next.h"

#include "conf/contract/sys.h"

#include <errno.h>
#include <link.h>
#include <sys/auxv.h>

/* Where glibc has the list, and where musl has it. */
extern __typeof__(_r_debug) _r_debug __attribute__((weak));
extern struct r_debug *_dl_debug_addr __attribute__((weak));

extern ElfW(Dyn) _DYNAMIC[] __attribute__((visibility("hidden")));

/* Set in the number of a symbol's version that is not the default. */
#define HIDDEN_VERSION 0x8000
#define WORD_BITS (8 * sizeof(ElfW(Addr)))

/* One object's; NULL what it has not. */
struct symbols {
	const ElfW(Sym) * table;
	const char *names;
	const ElfW(Half) * versions;
	const uint32_t *gnu_hash;
	const uint32_t *hash;
};

bool next_is_glibc(void)
{
	return &_r_debug != NULL;
}

/* glibc has made addresses of them, musl and glibc for the vdso have left them as in the file. */
static const void *address(const struct link_map *object, const ElfW(Dyn) * entry)
{
	ElfW(Addr) value = entry->d_un.d_ptr;

	return (const void *)(value < object->l_addr ? object->l_addr + value : value);
}

static struct symbols symbols_of(const struct link_map *object)
{
	struct symbols s = { .table = NULL };

	for (const ElfW(Dyn) *entry = object->l_ld; entry && entry->d_tag != DT_NULL; entry++) {
		if (entry->d_tag == DT_SYMTAB)
			s.table = address(object, entry);
		else if (entry->d_tag == DT_STRTAB)
			s.names = address(object, entry);
		else if (entry->d_tag == DT_VERSYM)
			s.versions = address(object, entry);
		else if (entry->d_tag == DT_GNU_HASH)
			s.gnu_hash = address(object, entry);
		else if (entry->d_tag == DT_HASH)
			s.hash = address(object, entry);
	}
	return s;
}

static bool is_function(const struct symbols *s, uint32_t index, const char *name)
{
	const ElfW(Sym) *symbol = s->table + index;
	unsigned type = ELF32_ST_TYPE(symbol->st_info);

	return symbol->st_shndx != SHN_UNDEF && symbol->st_value && (type == STT_FUNC || type == STT_NOTYPE) &&
	       !(s->versions && s->versions[index] & HIDDEN_VERSION) && str_equal(s->names + symbol->st_name, name);
}

static uint32_t by_gnu_hash(const struct symbols *s, const char *name)
{
	const uint32_t buckets = s->gnu_hash[0];
	const uint32_t first = s->gnu_hash[1];
	const uint32_t words = s->gnu_hash[2];
	const uint32_t shift = s->gnu_hash[3];
	const ElfW(Addr) *filter = (const void *)(s->gnu_hash + 4);
	const uint32_t *bucket = (const void *)(filter + words);
	uint32_t hash = 5381;
	ElfW(Addr) word;
	uint32_t index;

	for (const char *c = name; *c; c++)
		hash = hash * 33 + (unsigned char)*c;
	word = filter[hash / WORD_BITS % words];
	if (!(word >> hash % WORD_BITS & word >> (hash >> shift) % WORD_BITS & 1))
		return STN_UNDEF;
	index = bucket[hash % buckets];
	/* The last of a chain has the lowest bit set. */
	for (const uint32_t *chain = bucket + buckets; index >= first; index++) {
		if ((chain[index - first] | 1) == (hash | 1) && is_function(s, index, name))
			return index;
		if (chain[index - first] & 1)
			break;
	}
	return STN_UNDEF;
}

static uint32_t by_hash(const struct symbols *s, const char *name)
{
	const uint32_t buckets = s->hash[0];
	const uint32_t *bucket = s->hash + 2;
	uint32_t hash = 0;
	uint32_t index;

	for (const char *c = name; *c; c++) {
		hash = (hash << 4) + (unsigned char)*c;
		hash = (hash ^ (hash >> 24 & 0xf0)) & 0xfffffff;
	}
	for (index = bucket[hash % buckets]; index; index = bucket[buckets + index])
		if (is_function(s, index, name))
			return index;
	return STN_UNDEF;
}

static void *function_of(const struct link_map *object, const char *name)
{
	const struct symbols s = symbols_of(object);
	uint32_t index = STN_UNDEF;

	if (s.gnu_hash)
		index = by_gnu_hash(&s, name);
	else if (s.hash)
		index = by_hash(&s, name);
	return index ? (void *)(object->l_addr + s.table[index].st_value) : NULL;
}

static const struct link_map *first_object(void)
{
	if (next_is_glibc())
		return _r_debug.r_map;
	return &_dl_debug_addr && _dl_debug_addr ? _dl_debug_addr->r_map : NULL;
}

void *next(const char *name)
{
	const struct link_map *object = first_object();
	void *found = NULL;

	while (object && object->l_ld != _DYNAMIC)
		object = object->l_next;
	while (object && !found && (object = object->l_next))
		found = function_of(object, name);
	return found;
}

unsigned long next_auxval(unsigned long type)
{
	__typeof__(getauxval) *plain = NEXT(getauxval);

	return plain ? plain(type) : 0;
}

int *next_errno(void)
{
	__typeof__(__errno_location) *plain = NEXT(__errno_location);

	return plain ? plain() : NULL;
}
