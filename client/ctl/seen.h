/* seen: which ids have come by, in 12 bytes each instead of their text.
 *
 * Two ids look the same by chance about once in ten million imports of a million records: who must be sure
 * looks again. */
#pragma once
#include "proto/spec.h"

struct seen {
	uint64_t *marks; /* of ids; 0: an empty place */
	uint32_t *files; /* in which one each was seen last */
	size_t size, used;
};

enum seen_answer { SEEN_NEVER, SEEN_EARLIER, SEEN_IN_THIS_FILE };

/* Says whether it was seen, and that it was. Files are numbered in the order of their reading. */
enum seen_answer seen_add(struct seen *s, enum table_id t, struct span id, uint32_t file);
bool seen_has(const struct seen *s, enum table_id t, struct span id);
void seen_free(struct seen *s);
