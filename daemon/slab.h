/* slab: a growing array of equal elements that never move, named by 32-bit numbers; 0 is none. Grows a
 * chunk at a time, so that growing never copies (a million records must not stall the loop). Chunks begin
 * on a cache line. Loop's thread only. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { SLAB_SHIFT = 12 };

struct slab {
	char **chunks;
	uint32_t chunk_count;
	uint32_t size;   /* of an element, a multiple of 8 */
	uint32_t used;   /* numbers 1..used have been given out at some time */
	uint32_t free;   /* first free one; a free element's first 4 bytes name the next */
	uint32_t live;   /* elements in use */
};

void slab_init(struct slab *s, size_t element_size);
void slab_done(struct slab *s);
uint32_t slab_take(struct slab *s);           /* cleared */
void slab_give(struct slab *s, uint32_t n);   /* only the first 4 bytes change */
/* memory of the elements that have been given out at some time */
uint64_t slab_bytes(const struct slab *s);

static inline void *slab_at(const struct slab *s, uint32_t n)
{
	return s->chunks[(n - 1) >> SLAB_SHIFT] + (size_t)((n - 1) & ((1u << SLAB_SHIFT) - 1)) * s->size;
}
