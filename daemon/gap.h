/* gap: which changes to a table are in no file that is left, as far as what is left tells.
 *
 * A segment states its range of revisions, and of each table the last change below it; a snapshot states up to
 * where it holds its table, and what it knows of the others. What lies between without a file is a gap if the
 * table was changed there. No I/O. */
#pragma once
#include "daemon/segment.h"

struct gap_range {
	struct segment_head head;
	bool hole; /* it held changes of which nothing can be told */
};

void gap_sort(struct gap_range *ranges, size_t count);
/* `revision`: of the table's snapshot; `last`: the last change to it that a snapshot knows of. Calls `tell` with
 * the first and the last revision of each gap, upwards. */
void gap_find(const struct gap_range *ranges, size_t count, enum table_id t, uint64_t revision, uint64_t last,
              void (*tell)(void *context, enum table_id t, uint64_t first, uint64_t end), void *context);
