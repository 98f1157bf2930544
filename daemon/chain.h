/* chain: the live segments, oldest first: which of them may go, and which should become one.
 *
 * Numbers only, no I/O; docs/storage.md has the rules ("Which segments go", "Merges"). Loop's thread. */
#pragma once
#include "daemon/segment.h"
#include <stdbool.h>

enum {
	CHAIN_MERGE_COUNT = 1024,
	CHAIN_SMALL = 4 << 20,         /* bytes of a small one that no settled snapshot has */
	CHAIN_MERGE_BYTES = 64 << 20,  /* of what a merge writes, about */
	/* bytes that settled snapshots have, but that stay because of their neighbours: worth a merge */
	CHAIN_DEAD_BYTES = 64 << 20,
};

struct chain_link {
	uint64_t seq, prev, first, last;
	uint64_t changed[TABLE_COUNT], without[TABLE_COUNT]; /* as in segment_head */
	uint64_t bytes;                                      /* of the file */
	uint64_t share[TABLE_COUNT];                         /* of `bytes`, by the tables that it changes */
	uint8_t tables;
	uint8_t level;                                       /* how often its content has been merged */
};

struct chain {
	struct chain_link *links; /* `count` of them from `begin` on */
	size_t begin, count, capacity;
	uint64_t bytes;
	size_t merge_count; /* so many small ones become one at a time; 0: CHAIN_MERGE_COUNT */
};

struct chain_run {
	size_t at, count;
	uint8_t level; /* of what is made of it */
};

void chain_free(struct chain *c);
size_t chain_merge_count(const struct chain *c);
void chain_add(struct chain *c, const struct chain_link *link);
const struct chain_link *chain_at(const struct chain *c, size_t i);
void chain_drop(struct chain *c, size_t count);                                  /* the oldest ones */
void chain_replace(struct chain *c, struct chain_run run, const struct chain_link *link); /* by one */

/* one that was read: shares and level are estimates */
struct chain_link chain_link_of(const struct segment_head *head, uint64_t bytes);

/* How many of the oldest may go: what they change is settled. `changed`: the last revision that a commit
 * changed each table at. */
size_t chain_covered(const struct chain *c, const uint64_t changed[TABLE_COUNT],
                     const uint64_t settled[TABLE_COUNT]);

/* Is a merge due, and of which ones? The highest segment never takes part. */
bool chain_merge_due(const struct chain *c, const uint64_t settled[TABLE_COUNT], struct chain_run *run);
/* Those with the numbers from `low` to `high`, to be merged. False: there are no two. */
bool chain_run_of(const struct chain *c, uint64_t low, uint64_t high, struct chain_run *run);
