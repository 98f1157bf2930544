/* histogram: how long calls took, in fixed memory. A value is kept to within 1.6 %; adding one is a few
 * instructions. Nanoseconds. One thread at a time. */
#pragma once
#include <stdint.h>

enum { HISTOGRAM_HALVES = 32, HISTOGRAM_SLOTS = 2 * HISTOGRAM_HALVES + 40 * HISTOGRAM_HALVES };

struct histogram { /* zero it to start */
	uint64_t count, sum, max;
	uint64_t slots[HISTOGRAM_SLOTS];
};

static inline unsigned histogram_slot(uint64_t ns)
{
	if (ns < 2 * HISTOGRAM_HALVES)
		return (unsigned)ns;
	unsigned shift = 58 - (unsigned)__builtin_clzll(ns);
	unsigned slot = shift * HISTOGRAM_HALVES + (unsigned)(ns >> shift);
	return slot < HISTOGRAM_SLOTS ? slot : HISTOGRAM_SLOTS - 1;
}

static inline void histogram_add(struct histogram *h, uint64_t ns, uint32_t times)
{
	h->slots[histogram_slot(ns)] += times;
	h->count += times;
	h->sum += ns * times;
	if (ns > h->max)
		h->max = ns;
}

void histogram_merge(struct histogram *into, const struct histogram *from);

/* The value that so many of a thousand values do not exceed; 0 where there are none. */
uint64_t histogram_at(const struct histogram *h, double permille);
