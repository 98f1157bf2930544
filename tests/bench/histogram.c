#include "tests/bench/histogram.h"

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++)
		into->slots[i] += from->slots[i];
	into->count += from->count;
	into->sum += from->sum;
	if (from->max > into->max)
		into->max = from->max;
}

/* The middle of what falls into a slot. */
static uint64_t value_of(unsigned slot)
{
	if (slot < 2 * HISTOGRAM_HALVES)
		return slot;
	unsigned shift = slot / HISTOGRAM_HALVES - 1;
	uint64_t low = (uint64_t)(slot % HISTOGRAM_HALVES + HISTOGRAM_HALVES) << shift;
	return low + ((uint64_t)1 << shift) / 2;
}

uint64_t histogram_at(const struct histogram *h, double permille)
{
	uint64_t wanted = (uint64_t)((double)h->count * permille / 1000.0), seen = 0;
	for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++) {
		seen += h->slots[i];
		if (seen > wanted)
			return value_of(i) < h->max ? value_of(i) : h->max;
	}
	return h->max;
}
