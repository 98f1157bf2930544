/* hash: a map from text to slab elements that grows one bucket at a time (linear hashing, W. Litwin, VLDB
 * 1980), so that no insertion ever rehashes a million entries. An element embeds a struct hash_link.
 * Loop's thread only. */
#pragma once
#include "daemon/slab.h"
#include "proto/span.h"

struct hash_link {
	uint32_t next;
	uint32_t hash;
};

struct hash {
	const struct slab *slab;
	size_t link_at;               /* offset of the hash_link in the element */
	uint32_t **chunks;            /* bucket heads */
	uint32_t chunk_count, buckets, split, level_size, count;
	uint64_t seed;                /* random: nobody outside can aim for one bucket */
};

void hash_init(struct hash *h, const struct slab *slab, size_t link_at);
/* Of an empty one: buckets for so many elements at once, so that they need not be divided on the way. */
void hash_reserve(struct hash *h, uint32_t elements);
void hash_done(struct hash *h);
uint32_t hash_of(const struct hash *h, struct span key); /* XXH3, seeded */

/* The first element of the hash value, then the next; the caller compares keys. 0: none. */
uint32_t hash_first(const struct hash *h, uint32_t hash);
uint32_t hash_next(const struct hash *h, uint32_t element, uint32_t hash);
/* Brings the bucket, then (once that is there) its first element's link into the cache. */
void hash_fetch_bucket(const struct hash *h, uint32_t hash);
void hash_fetch_link(const struct hash *h, uint32_t hash);
void hash_add(struct hash *h, uint32_t element, uint32_t hash);
void hash_remove(struct hash *h, uint32_t element);
uint64_t hash_bytes(const struct hash *h); /* memory of the buckets */
