/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* SipHash-1-3, after Aumasson and Bernstein's "SipHash: a fast short-input PRF": who
 * does not know the key cannot find strings that have a hash in common, nor say which
 * hash a string has. The words of the strings are the machine's own. */

#ifndef NETSHIM_SIPHASH_H
#define NETSHIM_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash {
	uint64_t a, b, c, d;
	uint64_t size;
};

static inline uint64_t siphash_rotate(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

static inline void siphash_round(struct siphash *s)
{
	s->a += s->b;
	s->c += s->d;
	s->b = siphash_rotate(s->b, 13) ^ s->a;
	s->d = siphash_rotate(s->d, 16) ^ s->c;
	s->a = siphash_rotate(s->a, 32) + s->d;
	s->c += s->b;
	s->b = siphash_rotate(s->b, 17) ^ s->c;
	s->d = siphash_rotate(s->d, 21) ^ s->a;
	s->c = siphash_rotate(s->c, 32);
}

static inline void siphash_word(struct siphash *s, uint64_t word)
{
	s->d ^= word;
	siphash_round(s);
	s->a ^= word;
}

static inline void siphash_start(struct siphash *s, const uint64_t key[2])
{
	*s = (struct siphash){
		.a = key[0] ^ UINT64_C(0x736f6d6570736575),
		.b = key[1] ^ UINT64_C(0x646f72616e646f6d),
		.c = key[0] ^ UINT64_C(0x6c7967656e657261),
		.d = key[1] ^ UINT64_C(0x7465646279746573),
	};
}

/* Takes in a part of the string that is not its end. size is a multiple of eight. */
static inline void siphash_part(struct siphash *s, const void *part, size_t size)
{
	const char *bytes = part;

	for (size_t i = 0; i < size; i += 8) {
		uint64_t word;

		__builtin_memcpy(&word, bytes + i, 8);
		siphash_word(s, word);
	}
	s->size += size;
}

/* Takes in the end, which may be all of the string, and returns the hash. */
static inline uint64_t siphash_end(struct siphash *s, const void *end, size_t size)
{
	const unsigned char *bytes = end;
	size_t whole = size & ~(size_t)7;
	uint64_t word = 0;

	siphash_part(s, bytes, whole);
	for (size_t i = whole; i < size; i++)
		word |= (uint64_t)bytes[i] << 8 * (i - whole);
	siphash_word(s, word | (s->size + size - whole) << 56);
	s->c ^= 0xff;
	for (int i = 0; i < 3; i++)
		siphash_round(s);
	return s->a ^ s->b ^ s->c ^ s->d;
}

#endif
