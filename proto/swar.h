/* swar: eight bytes of text looked at in one word.
 *
 * What JSON strings are made of is mostly bytes that mean nothing;
 * these find the next that does. Pure functions. */
#pragma once
#include <endian.h>
#include <stdint.h>
#include <string.h>

#define SWAR_ONES 0x0101010101010101u
#define SWAR_TOPS 0x8080808080808080u

/* the first byte in the text is the lowest of the word */
static inline uint64_t swar_load(const char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return le64toh(word);
}

/* The top bit of each byte of the result says that the byte is equal to c. A bit above the lowest that is set
 * may be wrong (a borrow), so only "none" and "the first" can be relied on;
 * the same is true of what is built from it. */
static inline uint64_t swar_equal(uint64_t word, unsigned char c)
{
	uint64_t x = word ^ (SWAR_ONES * c);

	return (x - SWAR_ONES) & ~x & SWAR_TOPS;
}

static inline uint64_t swar_below(uint64_t word, unsigned char c)
{
	return (word - SWAR_ONES * c) & ~word & SWAR_TOPS;
}

/* A quote, a backslash or a control character: where the plain part of a JSON string ends. */
static inline uint64_t swar_special(uint64_t word)
{
	return swar_equal(word, '"') | swar_equal(word, '\\') | swar_below(word, 0x20);
}

/* How many bytes precede the first that is marked; `marks` is not 0. */
static inline unsigned swar_first(uint64_t marks)
{
	return (unsigned)__builtin_ctzll(marks) / 8;
}
