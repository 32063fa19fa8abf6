/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The functions that the shim's hide: see next.h. They are looked for in the list of objects
 * that both loaders keep for debuggers, by the tables that they themselves go by (gABI,
 * "Hash Table"; GNU_HASH's are glibc's elf/dl-lookup.c's). */

#include "shim/next.h"

#include "conf/contract/sys.h"

#include <link.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

/* Where glibc has the list, and where musl has it: but it may be somebody else's. */
extern __typeof__(_r_debug) _r_debug __attribute__((weak));
extern struct r_debug *_dl_debug_addr __attribute__((weak));

/* The linker's names for where the library begins, and for its dynamic section. */
extern char __ehdr_start[] __attribute__((visibility("hidden")));
extern ElfW(Dyn) _DYNAMIC[] __attribute__((visibility("hidden")));

#ifndef PR_GET_AUXV
#define PR_GET_AUXV 0x41555856 /* Linux 6.4 */
#endif

/* Set in the number of a symbol's version that is not the default. */
#define HIDDEN_VERSION 0x8000
#define WORD_BITS (8 * sizeof(ElfW(Addr)))

/* One object's; NULL what it has not. */
struct symbols {
	const ElfW(Sym) *table;
	const char *names;
	const ElfW(Half) *versions;
	const ElfW(Verdef) *version_names;
	const uint32_t *gnu_hash;
	const uint32_t *hash;
	bool are_libcs;
};

/* Where a symbol is: in object, at value. */
struct place {
	const struct link_map *object; /* NULL: not found */
	ElfW(Addr) value;
};

struct wanted {
	const char *name;
	const char *version;
	uint32_t gnu_hash;
	bool is_libcs; /* whether it stands behind this library or not */
	struct place found;
};

/* Here, and not as pointers: those would have to be relocated at each start. */
static const char names[NEXT_COUNT][20] = {
	[NEXT_execve] = "execve",	    [NEXT_execv] = "execv",
	[NEXT_execveat] = "execveat",	    [NEXT_execvp] = "execvp",
	[NEXT_execvpe] = "execvpe",	    [NEXT_fexecve] = "fexecve",
	[NEXT_posix_spawn] = "posix_spawn", [NEXT_posix_spawnp] = "posix_spawnp",
	[NEXT_getauxval] = "getauxval",	    [NEXT___errno_location] = "__errno_location",
};

static struct place kept[NEXT_COUNT];
static bool are_kept;

/* glibc has made addresses of what is in the library's dynamic section, too. */
bool next_is_glibc(void)
{
	const ElfW(Dyn) *entry = _DYNAMIC;

	while (entry->d_tag != DT_STRTAB)
		entry++;
	return entry->d_un.d_ptr >= (ElfW(Addr))__ehdr_start;
}

static uintptr_t distance(uintptr_t a, uintptr_t b)
{
	return a < b ? b - a : a - b;
}

/* musl leaves them as in the file. glibc makes addresses of them, but not where it cannot
 * write to the section; and that lies nearer to the other tables than where they would be. */
static const void *address(const struct link_map *object, const ElfW(Dyn) *entry, bool glibc)
{
	ElfW(Addr) section = (ElfW(Addr))object->l_ld;
	ElfW(Addr) value = entry->d_un.d_ptr;
	ElfW(Addr) moved = value + object->l_addr;

	if (!glibc || (value < object->l_addr && distance(moved, section) < distance(value, section)))
		return (const void *)moved;
	return (const void *)value;
}

static bool is_libc(const struct link_map *object, const char *soname, bool glibc)
{
	if (glibc)
		return soname && str_equal(soname, "libc.so.6");
	return object->l_addr == _dl_debug_addr->r_ldbase;
}

static struct symbols symbols_of(const struct link_map *object)
{
	const bool glibc = next_is_glibc();
	struct symbols s = { .table = NULL };
	ElfW(Addr) soname = 0;

	for (const ElfW(Dyn) *entry = object->l_ld; entry && entry->d_tag != DT_NULL; entry++) {
		switch (entry->d_tag) {
		case DT_SYMTAB:
			s.table = address(object, entry, glibc);
			break;
		case DT_STRTAB:
			s.names = address(object, entry, glibc);
			break;
		case DT_VERSYM:
			s.versions = address(object, entry, glibc);
			break;
		case DT_VERDEF: /* which glibc leaves as it is */
			s.version_names = (const void *)(object->l_addr + entry->d_un.d_ptr);
			break;
		case DT_GNU_HASH:
			s.gnu_hash = address(object, entry, glibc);
			break;
		case DT_HASH:
			s.hash = address(object, entry, glibc);
			break;
		case DT_SONAME:
			soname = entry->d_un.d_val;
			break;
		}
	}
	s.are_libcs = is_libc(object, s.names && soname ? s.names + soname : NULL, glibc);
	return s;
}

/* What has no versions has each. */
static bool is_version(const struct symbols *s, uint32_t index, const char *version)
{
	unsigned number = s->versions ? s->versions[index] : 0;
	const ElfW(Verdef) *definition = version ? s->version_names : NULL;
	const ElfW(Verdaux) *name;

	while (definition && definition->vd_ndx != (number & ~HIDDEN_VERSION)) {
		const char *following = definition->vd_next ? (const char *)definition + definition->vd_next : NULL;

		definition = (const void *)following;
	}
	if (!definition)
		return !(number & HIDDEN_VERSION);
	name = (const void *)((const char *)definition + definition->vd_aux);
	return str_equal(s->names + name->vda_name, version);
}

static bool is_wanted(const struct symbols *s, uint32_t index, const struct wanted *wanted)
{
	const ElfW(Sym) *symbol = s->table + index;
	unsigned type = ELF32_ST_TYPE(symbol->st_info);

	return symbol->st_shndx != SHN_UNDEF && symbol->st_value &&
	       (type == STT_FUNC || type == STT_NOTYPE || type == STT_OBJECT) &&
	       str_equal(s->names + symbol->st_name, wanted->name) && is_version(s, index, wanted->version);
}

static uint32_t by_gnu_hash(const struct symbols *s, const struct wanted *wanted)
{
	const uint32_t buckets = s->gnu_hash[0];
	const uint32_t first = s->gnu_hash[1];
	const uint32_t words = s->gnu_hash[2];
	const uint32_t shift = s->gnu_hash[3];
	const ElfW(Addr) *filter = (const void *)(s->gnu_hash + 4);
	const uint32_t *bucket = (const void *)(filter + words);
	const uint32_t hash = wanted->gnu_hash;
	ElfW(Addr) word;
	uint32_t index;

	if (!buckets || !words)
		return STN_UNDEF;
	word = filter[hash / WORD_BITS % words];
	if (!(word >> hash % WORD_BITS & word >> (hash >> shift) % WORD_BITS & 1))
		return STN_UNDEF;
	index = bucket[hash % buckets];
	/* The last of a chain has the lowest bit set. */
	for (const uint32_t *chain = bucket + buckets; index >= first; index++) {
		if ((chain[index - first] | 1) == (hash | 1) && is_wanted(s, index, wanted))
			return index;
		if (chain[index - first] & 1)
			break;
	}
	return STN_UNDEF;
}

static uint32_t by_hash(const struct symbols *s, const struct wanted *wanted)
{
	const uint32_t buckets = s->hash[0];
	const uint32_t *bucket = s->hash + 2;
	uint32_t hash = 0;
	uint32_t index;

	if (!buckets)
		return STN_UNDEF;
	for (const char *c = wanted->name; *c; c++) {
		hash = (hash << 4) + (unsigned char)*c;
		hash = (hash ^ (hash >> 24 & 0xf0)) & 0xfffffff;
	}
	for (index = bucket[hash % buckets]; index; index = bucket[buckets + index])
		if (is_wanted(s, index, wanted))
			return index;
	return STN_UNDEF;
}

static bool look_in(const struct link_map *object, const struct symbols *s, struct wanted *wanted)
{
	uint32_t index = STN_UNDEF;

	if (!s->table || !s->names)
		return false;
	if (s->gnu_hash)
		index = by_gnu_hash(s, wanted);
	else if (s->hash)
		index = by_hash(s, wanted);
	if (!index)
		return false;
	wanted->found = (struct place){ object, s->table[index].st_value };
	return true;
}

static void look_from(const struct link_map *object, struct wanted *wanted, unsigned count)
{
	unsigned left = count;

	for (; object && left; object = object->l_next) {
		const struct symbols s = symbols_of(object);

		for (unsigned i = 0; i < count; i++)
			left -= !wanted[i].found.object && look_in(object, &s, wanted + i);
		/* Behind it is what may be unloaded by now. */
		if (s.are_libcs)
			break;
	}
}

static struct wanted want(const char *name, const char *version)
{
	struct wanted wanted = { .name = name, .version = version, .gnu_hash = 5381 };

	for (const char *c = name; *c; c++)
		wanted.gnu_hash = wanted.gnu_hash * 33 + (unsigned char)*c;
	return wanted;
}

static const struct link_map *find_own(const struct link_map *object)
{
	while (object && object->l_ld != _DYNAMIC)
		object = object->l_next;
	return object;
}

/* Where the kernel has put the loader, executed for the program, or by somebody as a program
 * itself. Not by getauxval, which cannot be found yet. */
static ElfW(Addr) loader_base(void)
{
	ElfW(auxv_t) vector[64];
	ElfW(Addr) headers = 0;
	ElfW(Addr) base = 0;
	long size = SYS(SYS_prctl, PR_GET_AUXV, vector, sizeof(vector), 0, 0);
	int fd = size < 0 ? sys_open_to_read(AT_FDCWD, "/proc/self/auxv", 0) : -1;

	if (fd >= 0) {
		size = sys_read(fd, vector, sizeof(vector));
		sys_close(fd);
	}
	for (long i = 0; i < size / (long)sizeof(vector[0]) && i < 64; i++) {
		if (vector[i].a_type == AT_BASE)
			base = vector[i].a_un.a_val;
		if (vector[i].a_type == AT_PHDR)
			headers = vector[i].a_un.a_val;
	}
	return base || !headers ? base : headers - sizeof(ElfW(Ehdr));
}

/* By the loader's own symbols. */
__attribute__((noinline)) static const struct link_map *first_by_loader(void)
{
	struct link_map loader = { .l_addr = loader_base() };
	struct wanted debug = want("_r_debug", NULL);
	const ElfW(Ehdr) *header = (const void *)loader.l_addr;
	const ElfW(Phdr) *part = header ? (const void *)(loader.l_addr + header->e_phoff) : NULL;
	struct symbols s;

	for (unsigned i = 0; part && i < header->e_phnum; i++)
		if (part[i].p_type == PT_DYNAMIC)
			loader.l_ld = (void *)(loader.l_addr + part[i].p_vaddr);
	s = symbols_of(&loader);
	return look_in(&loader, &s, &debug) ? ((const struct r_debug *)(loader.l_addr + debug.found.value))->r_map
					    : NULL;
}

/* Nobody else's variable of that name looks like this by chance. */
static bool is_loaders(const struct r_debug *debug)
{
	return debug && (uintptr_t)debug % sizeof(void *) == 0 && (debug->r_version == 1 || debug->r_version == 2) &&
	       (unsigned)debug->r_state <= RT_DELETE && debug->r_map && (uintptr_t)debug->r_map % sizeof(void *) == 0;
}

static const struct link_map *first_by_symbol(void)
{
	if (!next_is_glibc())
		return &_dl_debug_addr && _dl_debug_addr ? _dl_debug_addr->r_map : NULL;
	return is_loaders(&_r_debug) ? _r_debug.r_map : NULL;
}

static void look(struct wanted *wanted, unsigned count)
{
	const struct link_map *first = first_by_symbol();
	const struct link_map *own = find_own(first);

	if (!own && next_is_glibc())
		own = find_own(first = first_by_loader());
	if (!own)
		return;
	look_from(own->l_next, wanted, count);
	for (unsigned i = 0; i < count; i++)
		if (!wanted[i].found.object && wanted[i].is_libcs)
			look_from(first, wanted + i, 1);
}

static void *function_at(const struct place *place)
{
	return place->object ? (void *)(place->object->l_addr + place->value) : NULL;
}

void *next_look(const char *name, const char *version)
{
	struct wanted wanted = want(name, version);

	look(&wanted, 1);
	return function_at(&wanted.found);
}

static struct wanted want_next(enum next_name name)
{
	struct wanted wanted = want(names[name], NULL);

	wanted.is_libcs = name >= NEXT_getauxval;
	return wanted;
}

void *next(enum next_name name)
{
	struct wanted wanted;

	if (__atomic_load_n(&are_kept, __ATOMIC_ACQUIRE))
		return function_at(kept + name);
	wanted = want_next(name);
	look(&wanted, 1);
	return function_at(&wanted.found);
}

void next_keep(void)
{
	struct wanted wanted[NEXT_COUNT];

	for (unsigned i = 0; i < NEXT_COUNT; i++)
		wanted[i] = want_next(i);
	look(wanted, NEXT_COUNT);
	for (unsigned i = 0; i < NEXT_COUNT; i++)
		kept[i] = wanted[i].found;
	__atomic_store_n(&are_kept, true, __ATOMIC_RELEASE);
}
