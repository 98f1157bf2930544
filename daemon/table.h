/* table: the committed records of one kind and the index over them.
 *
 * Each record is an entry: a slab element with its text and its keys. Every list is served by trees that hold
 * exactly the records of one filter value: all, by a (status; artifacts: run_id), by b (type or kind), and by the
 * pair; each in two orders, by time (newest first, ties by id ascending) and by id. So a filter of single values
 * is one tree, a filter of lists at most 16 × 16, merged. The ninth tree is of the terminal records by their end
 * (cleanup). Runs have one more index: a posting for each member of `meta`.
 *
 * Cost: a list is O(log n + page) a tree, totals and offsets come from the trees' ranks. A new record costs
 * nine insertions, an update only those whose keys changed. Loop's thread only; only store.c changes
 * tables. */
#pragma once
#include "daemon/hash.h"
#include "daemon/record.h"
#include "daemon/tree.h"

struct change; /* store.h: a pending mutation */

enum {
	VIEW_TIME_ALL, VIEW_TIME_A, VIEW_TIME_B, VIEW_TIME_AB,
	VIEW_ID_ALL, VIEW_ID_A, VIEW_ID_B, VIEW_ID_AB,
	VIEW_END,
	VIEW_COUNT
};

/* One cache line: what the trees compare first, and where the rest is. `time` is first, so the slab's link of an
 * entry that was given back leaves `record` NULL. */
struct entry {
	int64_t time;
	uint64_t id_start;       /* first 8 bytes of the id, big-endian */
	int64_t end;
	struct hash_link link;
	struct record *record;   /* committed; NULL: only pending, nobody sees it */
	struct change *pending;  /* the newest one that is not committed yet, NULL mostly (store.c's) */
	union {
		struct live *live;       /* record set: its live progress, NULL mostly; freed with the entry */
		char *claimed;           /* record NULL: the id, NUL-terminated */
	};
	uint32_t pair;           /* of the interned values of a and b */
	uint32_t postings;       /* runs: list of meta postings */
};

struct table; /* opaque */

struct table *table_new(enum table_id kind);
void table_free(struct table *t); /* records and live progress too */

uint64_t table_count(const struct table *t);  /* committed records */
uint64_t table_bytes(const struct table *t);  /* of their text, which is packed in memory */
struct entry *table_entry(const struct table *t, uint32_t e);
uint32_t table_find(const struct table *t, struct span id);  /* an entry, committed or not; 0: none */
/* The committed record, borrowed; NULL: none. */
struct record *table_get(const struct table *t, struct span id);

/* Brings what table_find and its caller will touch into the cache: the bucket, then the entry, then the record
 * with its live progress, or the progress alone, which is going to be written. Each step needs what the one before
 * has brought; between them others' can be brought, so that many misses take the time of one. */
enum table_fetch { FETCH_BUCKET, FETCH_ENTRY, FETCH_RECORD, FETCH_PROGRESS };
uint32_t table_hash(const struct table *t, struct span id);
void table_fetch(const struct table *t, uint32_t hash, enum table_fetch what);

/* The entry of the id, made (without a record) where there is none; id is copied. */
uint32_t table_claim(struct table *t, struct span id);
/* Takes the reference; the old record's is given back. */
void table_set(struct table *t, uint32_t e, struct record *r, const struct record_keys *keys);
/* No record, no live progress any more; the entry stays (claimed again) until table_drop. */
void table_clear(struct table *t, uint32_t e);
void table_drop(struct table *t, uint32_t e);   /* gives the entry back: it has neither record nor pending */

/* A load: between these two, records are set, cleared and found as ever, but there are no trees, so
 * nothing of what follows may be called. They are made at the end from sorted records, about three times
 * faster than one by one in random order. The table is empty before. */
void table_load_begin(struct table *t);
void table_load_expect(struct table *t, uint64_t records); /* about so many, before the first */
void table_load_end(struct table *t);

/* Lists. Values are as sanitised; a value that no record has selects nothing. */
struct selection {
	bool by_id;                  /* order: id ascending instead of newest first; then no time range */
	const struct span *a, *b;    /* NULL: any */
	unsigned a_count, b_count;   /* up to SPEC_FILTER_MAX, without duplicates */
	/* time >= after, time < before; STAMP_NONE: open.
	 * Records without a time are selected only where both are open. */
	int64_t after, before;
};
/* A place in the order: just behind this record, whether it still exists or not. */
struct position {
	int64_t time; /* order by time only */
	struct span id;
};
uint64_t table_total(const struct table *t, const struct selection *s);

struct page; /* a running list */
/* From the offset, or right behind a place (behind NULL: from the start). */
struct page *page_open(const struct table *t, const struct selection *s, uint64_t offset,
                       const struct position *behind);
/* An entry, 0 at the end. The table must not change while a page is open. */
uint32_t page_next(struct page *p);
void page_close(struct page *p);

/* count.group_by: calls `each` for every value of a (or b) with at least one record in the selection, most
 * records first, ties by value. */
void table_groups(const struct table *t, const struct selection *s, bool by_b,
                  void (*each)(void *context, struct span value, uint64_t count), void *context);

/* Terminal records whose end is before `before`: how many, and the first of them (oldest first) by place. */
uint32_t table_ended_count(const struct table *t, int64_t before);
uint32_t table_ended_at(const struct table *t, uint32_t place);

/* runs: the newest whose meta[key] as text is value: a string's own text (decoded), else compact JSON. 0:
 * none. */
uint32_t table_find_meta(const struct table *t, struct span key, struct span value);

/* All entries by number, for folds: 1..table_last. An entry that is not in use has record NULL. */
uint32_t table_last(const struct table *t);

/* Memory of the records, and of what finds them, in bytes (server.stats and the bench). */
uint64_t table_kept(const struct table *t);
uint64_t table_overhead(const struct table *t);
