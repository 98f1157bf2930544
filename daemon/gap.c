#include "daemon/gap.h"
#include <stdlib.h>

static int by_first(const void *a, const void *b)
{
	const struct segment_head *x = &((const struct gap_range *)a)->head, *y = &((const struct gap_range *)b)->head;
	return x->first != y->first ? (x->first < y->first ? -1 : 1) : x->last < y->last ? -1 : x->last > y->last;
}

void gap_sort(struct gap_range *ranges, size_t count)
{
	if (count > 0)
		qsort(ranges, count, sizeof *ranges, by_first);
}

/* Up to where the table may have changed within a range of which not all is known: the one above it says so. */
static uint64_t changed_within(const struct gap_range *r, const struct gap_range *above, enum table_id t)
{
	return above && above->head.changed[t] < r->head.last ? above->head.changed[t] : r->head.last;
}

/* What must be there for this range to follow, up to `at` being there. 0: nothing is missing. */
static uint64_t missing_up_to(const struct gap_range *r, const struct gap_range *above, enum table_id t, uint64_t at)
{
	uint64_t needed = r->head.first > at + 1 ? r->head.changed[t] : 0;
	if (r->hole && r->head.last > at && changed_within(r, above, t) >= r->head.first)
		needed = changed_within(r, above, t);
	return needed > at ? needed : 0;
}

static uint64_t first_missing(const struct gap_range *r, uint64_t at, uint64_t needed)
{
	uint64_t first = r->hole && r->head.first > at ? r->head.first : at + 1;
	return first < needed ? first : needed;
}

void gap_find(const struct gap_range *ranges, size_t count, enum table_id t, uint64_t revision, uint64_t last,
              void (*tell)(void *context, enum table_id t, uint64_t first, uint64_t end), void *context)
{
	uint64_t at = revision, without = revision; /* a merge leaves out what the snapshot had */
	for (size_t i = 0; i < count; i++) {
		const struct gap_range *r = &ranges[i];
		uint64_t needed = missing_up_to(r, i + 1 < count ? r + 1 : NULL, t, at);
		if (r->head.without[t] > without)
			needed = without = r->head.without[t];
		if (needed > 0)
			tell(context, t, first_missing(r, at, needed), needed);
		if (needed > without)
			without = needed;
		if (r->head.last > at)
			at = r->head.last;
	}
	if (last > at)
		tell(context, t, at + 1, last);
}
