/* block: 64 bytes of JSON text looked at at once, a bit for each byte; and 16, where only the end of a string is
 * looked for, as most are short.
 *
 * The way of the masks is that of G. Langdale and D. Lemire, "Parsing gigabytes of JSON per second" (VLDB Journal,
 * 2019): which quotes are real, and from them, as each one switches, which bytes are inside strings. With SSE2,
 * which every x86-64 has; elsewhere byte by byte, which compilers turn into what the machine has. Pure
 * functions. */
#pragma once
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#else
#include "proto/swar.h"
#endif

enum { BLOCK_BYTES = 64, BLOCK_PART = 16 };

/* How many of the bytes come before the first at which the plain part of a JSON string ends: a quote, a backslash, a
 * control character, one that is not ASCII. BLOCK_PART: all. */
static inline unsigned block_plain(const char at[BLOCK_PART]);
/* The same, but only a quote or a backslash is looked for. */
static inline unsigned block_to_quote(const char at[BLOCK_PART]);

#ifdef __SSE2__
static inline __m128i block_quotes(__m128i part)
{
	return _mm_or_si128(_mm_cmpeq_epi8(part, _mm_set1_epi8('"')), _mm_cmpeq_epi8(part, _mm_set1_epi8('\\')));
}

static inline unsigned block_first(__m128i marks)
{
	return (unsigned)__builtin_ctz((unsigned)_mm_movemask_epi8(marks) | 1u << BLOCK_PART);
}

static inline unsigned block_plain(const char at[BLOCK_PART])
{
	__m128i part = _mm_loadu_si128((const __m128i *)(const void *)at);
	/* as signed numbers the bytes that are not ASCII are below 0x20, too */
	return block_first(_mm_or_si128(block_quotes(part), _mm_cmplt_epi8(part, _mm_set1_epi8(0x20))));
}

static inline unsigned block_to_quote(const char at[BLOCK_PART])
{
	return block_first(block_quotes(_mm_loadu_si128((const __m128i *)(const void *)at)));
}
#else
static inline uint64_t block_quotes(uint64_t word)
{
	return swar_equal(word, '"') | swar_equal(word, '\\');
}

static inline uint64_t block_not_plain(uint64_t word)
{
	return swar_special(word) | (word & SWAR_TOPS);
}

static inline unsigned block_first(uint64_t marks, uint64_t next)
{
	return marks ? swar_first(marks) : 8 + (next ? swar_first(next) : 8);
}

static inline unsigned block_plain(const char at[BLOCK_PART])
{
	return block_first(block_not_plain(swar_load(at)), block_not_plain(swar_load(at + 8)));
}

static inline unsigned block_to_quote(const char at[BLOCK_PART])
{
	return block_first(block_quotes(swar_load(at)), block_quotes(swar_load(at + 8)));
}
#endif

/* Past what is plain, a part at a time: stops at what is not, or where less than a part is left. */
static inline const char *block_pass_plain(const char *p, const char *end)
{
	for (unsigned plain = BLOCK_PART; plain == BLOCK_PART && end - p >= BLOCK_PART; p += plain)
		plain = block_plain(p);
	return p;
}

/* What one block leaves for the next. All 0 at the start, outside a string. */
struct block_state {
	uint64_t in_string; /* all ones: the block before ended inside a string */
	uint64_t escaped;   /* 1: its last byte was a backslash that escapes the first of this one */
};

struct block {
	uint64_t opens, closes; /* brackets and braces outside strings */
};

struct block_bits {
	uint64_t quotes, slashes, opens, closes;
};

#ifdef __SSE2__
static inline uint64_t block_equal(const __m128i part[4], char c)
{
	const __m128i wanted = _mm_set1_epi8(c);
	uint64_t bits = 0;
	for (int i = 0; i < 4; i++)
		bits |= (uint64_t)(uint16_t)_mm_movemask_epi8(_mm_cmpeq_epi8(part[i], wanted)) << (16 * i);
	return bits;
}

static inline struct block_bits block_bits(const char at[BLOCK_BYTES])
{
	__m128i part[4], folded[4];
	for (int i = 0; i < 4; i++) {
		part[i] = _mm_loadu_si128((const __m128i *)(const void *)(at + (size_t)16 * i));
		folded[i] = _mm_or_si128(part[i], _mm_set1_epi8(0x20)); /* [ ] and { } differ in this bit */
	}
	return (struct block_bits){block_equal(part, '"'), block_equal(part, '\\'), block_equal(folded, '{'),
	                           block_equal(folded, '}')};
}
#else
static inline struct block_bits block_bits(const char at[BLOCK_BYTES])
{
	struct block_bits bits = {0};
	for (int i = 0; i < BLOCK_BYTES; i++) {
		bits.quotes |= (uint64_t)(at[i] == '"') << i;
		bits.slashes |= (uint64_t)(at[i] == '\\') << i;
		bits.opens |= (uint64_t)((at[i] | 0x20) == '{') << i;
		bits.closes |= (uint64_t)((at[i] | 0x20) == '}') << i;
	}
	return bits;
}
#endif

/* The bytes that a backslash takes the meaning from. */
static inline uint64_t block_escaped(uint64_t slashes, struct block_state *state)
{
	uint64_t escaped = state->escaped;
	slashes &= ~escaped;
	state->escaped = 0;
	while (slashes) { /* backslashes are rare: one after the other */
		uint64_t slash = slashes & -slashes;
		escaped |= slash << 1;
		state->escaped = slash >> 63;
		slashes &= ~(slash | slash << 1);
	}
	return escaped;
}

/* Bit i of the result is the exclusive or of the bits 0 to i. */
static inline uint64_t block_prefix(uint64_t bits)
{
	for (int shift = 1; shift < 64; shift *= 2)
		bits ^= bits << shift;
	return bits;
}

/* The next block of the text, of which `left` bytes are there. */
static inline struct block block_read(const char *at, size_t left, struct block_state *state)
{
	char rest[BLOCK_BYTES];
	if (__builtin_expect(left < BLOCK_BYTES, 0)) {
		memset(rest, ' ', sizeof(rest));
		memcpy(rest, at, left);
		at = rest;
	}
	struct block_bits bits = block_bits(at);
	if (__builtin_expect(bits.slashes || state->escaped, 0))
		bits.quotes &= ~block_escaped(bits.slashes, state);
	uint64_t inside = block_prefix(bits.quotes) ^ state->in_string;
	state->in_string = -(inside >> 63);
	return (struct block){bits.opens & ~inside, bits.closes & ~inside};
}
