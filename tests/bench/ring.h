/* ring: the requests of a work, written before the clock starts: to send one is to send bytes that are there.
 *
 * Requests lie one behind the other, so any number of them in a row is one write. There are as many as it takes
 * to touch a store's records without a pattern, within RING_BYTES. Requests that are numbered have their index in
 * the ring as their id. Owns its memory; read-only once made, so any thread. */
#pragma once
#include "tests/bench/dialect.h"

enum { RING_BYTES = 192 << 20 };

struct ring_entry {
	uint64_t begin;  /* in bytes; it ends where the next one begins */
	uint32_t weight; /* how many calls it is */
	uint8_t work;
	uint8_t replies;
};

struct ring_plan {
	const struct dialect *dialect;
	const char *work;   /* a name of work_names, or "mixed": 80 % progress, 10 % get, 5 % save, 5 % list */
	uint32_t records;   /* how many there are */
	uint32_t bytes;     /* the length of a record */
	uint32_t burst;     /* of "notify" */
	uint32_t seed;
	uint32_t first, count; /* jobs of "preload", in order; of "delete", each once; else not looked at */
};

struct ring {
	struct buf bytes;
	struct ring_entry *entries; /* one more than count */
	uint32_t count;
};

/* False where the server has nothing for that work, or there is no such work. */
bool ring_make(struct ring *r, const struct ring_plan *plan);
void ring_free(struct ring *r);
