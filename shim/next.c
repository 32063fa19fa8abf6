/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The functions that the shim's hide: see next.h. They are looked for in the list of objects
 * that both loaders keep for debuggers, by the tables that they themselves go by (gABI,
 * "Hash Table"; GNU_HASH's are glibc's elf/dl-lookup.c's). */

#include "shim/next.h"

#include "conf/contract/sys.h"

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
	const ElfW(Verdef) * version_names;
	const uint32_t *gnu_hash;
	const uint32_t *hash;
	bool are_libcs;
};

bool next_is_glibc(void)
{
	return &_dl_debug_addr == NULL;
}

static ElfW(Addr) distance(ElfW(Addr) a, ElfW(Addr) b)
{
	return a < b ? b - a : a - b;
}

/* musl leaves them as in the file. glibc makes addresses of them, but not where it cannot
 * write to the section; and that lies nearer to the other tables than where they would be. */
static const void *address(const struct link_map *object, const ElfW(Dyn) * entry)
{
	ElfW(Addr) section = (ElfW(Addr))object->l_ld;
	ElfW(Addr) value = entry->d_un.d_ptr;
	ElfW(Addr) moved = value + object->l_addr;

	if (!next_is_glibc() || (value < object->l_addr && distance(moved, section) < distance(value, section)))
		return (const void *)moved;
	return (const void *)value;
}

static bool is_libc(const struct link_map *object, const char *soname)
{
	return next_is_glibc() ? soname && str_equal(soname, "libc.so.6")
			       : _dl_debug_addr && object->l_addr == _dl_debug_addr->r_ldbase;
}

static struct symbols symbols_of(const struct link_map *object)
{
	struct symbols s = { .table = NULL };
	ElfW(Addr) soname = 0;

	for (const ElfW(Dyn) *entry = object->l_ld; entry && entry->d_tag != DT_NULL; entry++) {
		switch (entry->d_tag) {
		case DT_SYMTAB:
			s.table = address(object, entry);
			break;
		case DT_STRTAB:
			s.names = address(object, entry);
			break;
		case DT_VERSYM:
			s.versions = address(object, entry);
			break;
		case DT_VERDEF:
			s.version_names = address(object, entry);
			break;
		case DT_GNU_HASH:
			s.gnu_hash = address(object, entry);
			break;
		case DT_HASH:
			s.hash = address(object, entry);
			break;
		case DT_SONAME:
			soname = entry->d_un.d_val;
			break;
		}
	}
	s.are_libcs = is_libc(object, s.names && soname ? s.names + soname : NULL);
	return s;
}

/* NULL: the default. What has no versions has each. */
static bool is_version(const struct symbols *s, uint32_t index, const char *version)
{
	unsigned number = s->versions ? s->versions[index] : 0;
	const ElfW(Verdef) *definition = s->version_names;

	if (!version || !s->versions)
		return !(number & HIDDEN_VERSION);
	while (definition && definition->vd_ndx != (number & ~HIDDEN_VERSION)) {
		const char *next = definition->vd_next ? (const char *)definition + definition->vd_next : NULL;

		definition = (const void *)next;
	}
	if (!definition)
		return false;
	return str_equal(s->names + ((const ElfW(Verdaux) *)((const char *)definition + definition->vd_aux))->vda_name,
			 version);
}

static bool is_named(const struct symbols *s, uint32_t index, const char *name, const char *version)
{
	const ElfW(Sym) *symbol = s->table + index;
	unsigned type = ELF32_ST_TYPE(symbol->st_info);

	return symbol->st_shndx != SHN_UNDEF && symbol->st_value &&
	       (type == STT_FUNC || type == STT_NOTYPE || type == STT_OBJECT) &&
	       str_equal(s->names + symbol->st_name, name) && is_version(s, index, version);
}

static uint32_t by_gnu_hash(const struct symbols *s, const char *name, const char *version)
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

	if (!buckets || !words)
		return STN_UNDEF;
	for (const char *c = name; *c; c++)
		hash = hash * 33 + (unsigned char)*c;
	word = filter[hash / WORD_BITS % words];
	if (!(word >> hash % WORD_BITS & word >> (hash >> shift) % WORD_BITS & 1))
		return STN_UNDEF;
	index = bucket[hash % buckets];
	/* The last of a chain has the lowest bit set. */
	for (const uint32_t *chain = bucket + buckets; index >= first; index++) {
		if ((chain[index - first] | 1) == (hash | 1) && is_named(s, index, name, version))
			return index;
		if (chain[index - first] & 1)
			break;
	}
	return STN_UNDEF;
}

static uint32_t by_hash(const struct symbols *s, const char *name, const char *version)
{
	const uint32_t buckets = s->hash[0];
	const uint32_t *bucket = s->hash + 2;
	uint32_t hash = 0;
	uint32_t index;

	if (!buckets)
		return STN_UNDEF;
	for (const char *c = name; *c; c++) {
		hash = (hash << 4) + (unsigned char)*c;
		hash = (hash ^ (hash >> 24 & 0xf0)) & 0xfffffff;
	}
	for (index = bucket[hash % buckets]; index; index = bucket[buckets + index])
		if (is_named(s, index, name, version))
			return index;
	return STN_UNDEF;
}

static void *look_in(const struct link_map *object, const struct symbols *s, const char *name, const char *version)
{
	uint32_t index = STN_UNDEF;

	if (!s->table || !s->names)
		return NULL;
	if (s->gnu_hash)
		index = by_gnu_hash(s, name, version);
	else if (s->hash)
		index = by_hash(s, name, version);
	return index ? (void *)(object->l_addr + s->table[index].st_value) : NULL;
}

static void *look_from(const struct link_map *object, const char *name, const char *version)
{
	for (; object; object = object->l_next) {
		const struct symbols s = symbols_of(object);
		void *found = look_in(object, &s, name, version);

		/* Behind libc is what may be unloaded by now. */
		if (found || s.are_libcs)
			return found;
	}
	return NULL;
}

static const struct link_map *find_own(const struct link_map *object)
{
	while (object && object->l_ld != _DYNAMIC)
		object = object->l_next;
	return object;
}

/* Where the kernel has put the loader, as it was executed by the kernel for the program, or by
 * somebody as a program itself. Not by getauxval, which cannot be found yet. */
static ElfW(Addr) loader_base(void)
{
	ElfW(auxv_t) vector[64];
	ElfW(Addr) headers = 0;
	ElfW(Addr) base = 0;
	int fd = sys_open_to_read(AT_FDCWD, "/proc/self/auxv", 0);
	long size = fd < 0 ? 0 : sys_read(fd, vector, sizeof(vector));

	for (long i = 0; i < size / (long)sizeof(vector[0]); i++) {
		if (vector[i].a_type == AT_BASE)
			base = vector[i].a_un.a_val;
		if (vector[i].a_type == AT_PHDR)
			headers = vector[i].a_un.a_val;
	}
	if (fd >= 0)
		sys_close(fd);
	return base || !headers ? base : headers - sizeof(ElfW(Ehdr));
}

/* By the loader's own symbols: _r_debug may be a variable of the program's, or of a library's. */
__attribute__((noinline)) static const struct link_map *first_by_loader(void)
{
	struct link_map loader = { .l_addr = loader_base() };
	const ElfW(Ehdr) *header = (const void *)loader.l_addr;
	const ElfW(Phdr) *part = header ? (const void *)(loader.l_addr + header->e_phoff) : NULL;
	const struct r_debug *debug = NULL;
	struct symbols s;

	for (unsigned i = 0; part && i < header->e_phnum; i++)
		if (part[i].p_type == PT_DYNAMIC)
			loader.l_ld = (void *)(loader.l_addr + part[i].p_vaddr);
	s = symbols_of(&loader);
	debug = look_in(&loader, &s, "_r_debug", NULL);
	return debug ? debug->r_map : NULL;
}

static const struct link_map *first_object(void)
{
	const struct link_map *first;

	if (!next_is_glibc())
		return _dl_debug_addr ? _dl_debug_addr->r_map : NULL;
	first = &_r_debug ? _r_debug.r_map : NULL;
	return find_own(first) ? first : first_by_loader();
}

void *next_version(const char *name, const char *version)
{
	const struct link_map *own = find_own(first_object());

	return own ? look_from(own->l_next, name, version) : NULL;
}

void *next(const char *name)
{
	return next_version(name, NULL);
}

/* Behind this library, where nearly all have libc. */
void *next_libc(const char *name)
{
	void *found = next(name);

	return found ? found : look_from(first_object(), name, NULL);
}
