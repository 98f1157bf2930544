/* newest: of each id the newest version that was seen in any file, and whether a sound file vouches for it.
 *
 * Versions come in any order. A record beats what has a lower revision; a deletion is known to have happened at some
 * revision up to that of its commit, and beats records up to there. Of two records of one revision the one that
 * came first stays, unless only the second is certain. One thread. */
#pragma once
#include "daemon/hash.h"
#include "proto/buf.h"
#include "proto/spec.h"

struct newest_version {
	struct hash_link link;
	char *id;
	struct span text;   /* owned; absent: it was deleted */
	uint64_t revision;  /* 0: the text states none, and needs one */
	bool certain;
	bool may_be_older;  /* what came after it cannot be read */
	uint32_t file;      /* the caller's number of the file that it is from */
};

struct newest {
	struct slab slab[TABLE_COUNT];
	struct hash ids[TABLE_COUNT];
};

void newest_init(struct newest *n);
void newest_done(struct newest *n);
/* NULL: the id was never seen. */
struct newest_version *newest_find(const struct newest *n, enum table_id t, struct span id);
/* `text` absent: a deletion. Copied. Returns the version that stands now. */
struct newest_version *newest_see(struct newest *n, enum table_id t, struct span id, struct span text,
                                  uint64_t revision, bool certain, uint32_t file);
/* Forgets the record: it is not to be saved. */
void newest_drop(struct newest_version *v);
/* All that were seen, 1..newest_count; deleted ones have no text. */
uint32_t newest_count(const struct newest *n, enum table_id t);
struct newest_version *newest_at(const struct newest *n, enum table_id t, uint32_t i);
