/* dice: random numbers that one seed repeats.
 *
 * splitmix64; G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", 2014. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct dice {
	uint64_t state;
};

static inline uint64_t dice_mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* A stream of its own for each of the numbers. */
static inline struct dice dice_of(uint64_t a, uint64_t b, uint64_t c)
{
	return (struct dice){dice_mix(a + dice_mix(b + dice_mix(c + UINT64_C(0x9e3779b97f4a7c15))))};
}

static inline uint64_t dice_bits(struct dice *d)
{
	d->state += UINT64_C(0x9e3779b97f4a7c15);
	return dice_mix(d->state);
}

static inline unsigned dice_below(struct dice *d, unsigned n)
{
	return (unsigned)((dice_bits(d) >> 32) * n >> 32);
}

/* true once in n */
static inline bool dice_once_in(struct dice *d, unsigned n) { return dice_below(d, n) == 0; }
