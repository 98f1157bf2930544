#include "daemon/slab.h"
#include "proto/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { CACHE_LINE = 64, FEW_CHUNKS = 4 };

void slab_init(struct slab *s, size_t element_size)
{
	assert(element_size >= sizeof(uint32_t));
	*s = (struct slab){.size = (uint32_t)((element_size + 7) & ~(size_t)7)};
}

void slab_done(struct slab *s)
{
	for (uint32_t i = 0; i < s->chunk_count; i++)
		free(s->chunks[i]);
	free(s->chunks);
	*s = (struct slab){.size = s->size};
}

/* The list of chunks doubles whenever its length is a power of two. A chunk is not cleared: while there
 * are few, its pages are touched, and so paid for, only as its elements are taken. */
static void slab_grow(struct slab *s)
{
	uint32_t count = s->chunk_count;

	assert(count < UINT32_MAX >> SLAB_SHIFT);
	if ((count & (count - 1)) == 0)
		s->chunks = mem_resize(s->chunks, (count ? count * 2 : 1) * sizeof(*s->chunks));
	char *chunk = mem_aligned(CACHE_LINE, (size_t)s->size << SLAB_SHIFT);
	if (s->chunk_count >= FEW_CHUNKS)
		mem_will_fill(chunk, (size_t)s->size << SLAB_SHIFT);
	s->chunks[s->chunk_count++] = chunk;
}

uint32_t slab_take(struct slab *s)
{
	uint32_t n = s->free;

	if (n != 0) {
		memcpy(&s->free, slab_at(s, n), sizeof(s->free));
	} else {
		if (s->used == s->chunk_count << SLAB_SHIFT)
			slab_grow(s);
		n = ++s->used;
	}
	memset(slab_at(s, n), 0, s->size);
	s->live++;
	return n;
}

void slab_give(struct slab *s, uint32_t n)
{
	assert(n >= 1 && n <= s->used && s->live > 0);
	memcpy(slab_at(s, n), &s->free, sizeof(s->free));
	s->free = n;
	s->live--;
}

uint64_t slab_bytes(const struct slab *s)
{
	return (uint64_t)s->used * s->size + s->chunk_count * sizeof(*s->chunks);
}
