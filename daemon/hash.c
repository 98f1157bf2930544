#include "daemon/hash.h"
#include "proto/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>
#include <xxhash.h>

enum { CHUNK_SHIFT = 10, CHUNK_BUCKETS = 1 << CHUNK_SHIFT };
#define BUCKETS_MAX (UINT32_C(1) << 31)

static void chunk_add(struct hash *h)
{
	uint32_t count = h->chunk_count;

	if ((count & (count - 1)) == 0)
		h->chunks = mem_resize(h->chunks, (count ? count * 2 : 1) * sizeof(*h->chunks));
	h->chunks[h->chunk_count++] = mem_zero(CHUNK_BUCKETS * sizeof(**h->chunks));
}

void hash_init(struct hash *h, const struct slab *slab, size_t link_at)
{
	*h = (struct hash){.slab = slab, .link_at = link_at, .buckets = CHUNK_BUCKETS,
	                   .level_size = CHUNK_BUCKETS};
	if (getrandom(&h->seed, sizeof(h->seed), 0) != sizeof(h->seed))
		abort(); /* a kernel without it: no id could be made either */
	chunk_add(h);
}

void hash_reserve(struct hash *h, uint32_t elements)
{
	assert(h->count == 0 && h->split == 0);
	if (elements > BUCKETS_MAX)
		elements = BUCKETS_MAX;
	if (elements <= h->buckets)
		return;
	while (h->level_size <= elements / 2)
		h->level_size *= 2;
	h->split = elements - h->level_size;
	h->buckets = elements;
	while (h->chunk_count << CHUNK_SHIFT < h->buckets)
		chunk_add(h);
}

void hash_done(struct hash *h)
{
	for (uint32_t i = 0; i < h->chunk_count; i++)
		free(h->chunks[i]);
	free(h->chunks);
	*h = (struct hash){.slab = h->slab};
}

uint32_t hash_of(const struct hash *h, struct span key)
{
	return (uint32_t)XXH3_64bits_withSeed(key.at, key.len, h->seed);
}

static struct hash_link *link_of(const struct hash *h, uint32_t element)
{
	return (struct hash_link *)((char *)slab_at(h->slab, element) + h->link_at);
}

static uint32_t *bucket_at(const struct hash *h, uint32_t bucket)
{
	return &h->chunks[bucket >> CHUNK_SHIFT][bucket & (CHUNK_BUCKETS - 1)];
}

/* Buckets below `split` have been divided in this round already, so one more bit of the hash counts for
 * them. */
static uint32_t *bucket_of(const struct hash *h, uint32_t hash)
{
	uint32_t bucket = hash & (h->level_size - 1);

	if (bucket < h->split)
		bucket = hash & (h->level_size * 2 - 1);
	return bucket_at(h, bucket);
}

static void bucket_split(struct hash *h)
{
	uint32_t added = h->level_size + h->split;

	if (added >> CHUNK_SHIFT == h->chunk_count)
		chunk_add(h);
	uint32_t *from = bucket_at(h, h->split), *to = bucket_at(h, added);
	while (*from != 0) {
		struct hash_link *l = link_of(h, *from);

		if (l->hash & h->level_size) {
			uint32_t moved = *from;
			*from = l->next;
			l->next = *to;
			*to = moved;
		} else {
			from = &l->next;
		}
	}
	h->buckets++;
	if (++h->split == h->level_size) {
		h->level_size *= 2;
		h->split = 0;
	}
}

static uint32_t next_of_hash(const struct hash *h, uint32_t element, uint32_t hash)
{
	while (element != 0 && link_of(h, element)->hash != hash)
		element = link_of(h, element)->next;
	return element;
}

uint32_t hash_first(const struct hash *h, uint32_t hash)
{
	return next_of_hash(h, *bucket_of(h, hash), hash);
}

uint32_t hash_next(const struct hash *h, uint32_t element, uint32_t hash)
{
	return next_of_hash(h, link_of(h, element)->next, hash);
}

void hash_fetch_bucket(const struct hash *h, uint32_t hash)
{
	__builtin_prefetch(bucket_of(h, hash));
}

void hash_fetch_link(const struct hash *h, uint32_t hash)
{
	uint32_t element = *bucket_of(h, hash);

	if (element)
		__builtin_prefetch(link_of(h, element));
}

void hash_add(struct hash *h, uint32_t element, uint32_t hash)
{
	if (h->count >= h->buckets && h->buckets < BUCKETS_MAX)
		bucket_split(h);
	uint32_t *bucket = bucket_of(h, hash);
	*link_of(h, element) = (struct hash_link){.next = *bucket, .hash = hash};
	*bucket = element;
	h->count++;
}

void hash_remove(struct hash *h, uint32_t element)
{
	struct hash_link *l = link_of(h, element);
	uint32_t *at = bucket_of(h, l->hash);

	while (*at != element) {
		assert(*at != 0);
		at = &link_of(h, *at)->next;
	}
	*at = l->next;
	l->next = 0;
	h->count--;
}

uint64_t hash_bytes(const struct hash *h)
{
	return h->chunk_count * (CHUNK_BUCKETS * sizeof(**h->chunks) + sizeof(*h->chunks));
}
