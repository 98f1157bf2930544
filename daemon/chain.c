#include "daemon/chain.h"
#include "proto/mem.h"
#include <assert.h>
#include <stdlib.h>

enum { LEVELS = 4 };

void chain_free(struct chain *c)
{
	free(c->links);
	*c = (struct chain){0};
}

size_t chain_merge_count(const struct chain *c)
{
	return c->merge_count ? c->merge_count : CHAIN_MERGE_COUNT;
}

const struct chain_link *chain_at(const struct chain *c, size_t i)
{
	assert(i < c->count);
	return &c->links[c->begin + i];
}

void chain_add(struct chain *c, const struct chain_link *link)
{
	assert(c->count == 0 || chain_at(c, c->count - 1)->seq < link->seq);
	if (c->begin + c->count == c->capacity) {
		/* Room at the front is taken first, once there is enough of it that moving pays. */
		if (c->begin > c->count) {
			memcpy(c->links, c->links + c->begin, c->count * sizeof *c->links);
			c->begin = 0;
		} else {
			c->capacity = c->capacity ? c->capacity * 2 : 64;
			c->links = mem_resize(c->links, c->capacity * sizeof *c->links);
		}
	}
	c->links[c->begin + c->count++] = *link;
	c->bytes += link->bytes;
}

void chain_drop(struct chain *c, size_t count)
{
	for (size_t i = 0; i < count; i++)
		c->bytes -= chain_at(c, i)->bytes;
	c->begin += count;
	c->count -= count;
	if (c->count == 0)
		c->begin = 0;
}

void chain_replace(struct chain *c, struct chain_run run, const struct chain_link *link)
{
	struct chain_link *at = c->links + c->begin + run.at;
	assert(run.count > 0 && run.at + run.count <= c->count && link->seq == at[run.count - 1].seq &&
	       link->prev == at[0].prev);
	for (size_t i = 0; i < run.count; i++)
		c->bytes -= at[i].bytes;
	c->bytes += link->bytes;
	*at = *link;
	memmove(at + 1, at + run.count, (c->count - run.at - run.count) * sizeof *at);
	c->count -= run.count - 1;
}

/* A number is skipped only by a merge. */
static uint8_t level_of(const struct segment_head *head)
{
	uint64_t span = head->seq - head->prev;
	return span <= 1 ? 0 : span < (uint64_t)CHAIN_MERGE_COUNT * CHAIN_MERGE_COUNT / 16 ? 1 : 2;
}

struct chain_link chain_link_of(const struct segment_head *head, uint64_t bytes)
{
	struct chain_link link = {.seq = head->seq, .prev = head->prev, .first = head->first, .last = head->last,
	                          .bytes = bytes,
	                          .tables = head->tables, .level = level_of(head)};
	memcpy(link.changed, head->changed, sizeof link.changed);
	memcpy(link.without, head->without, sizeof link.without);
	for (int t = 0; t < TABLE_COUNT; t++)
		if (head->tables >> t & 1)
			link.share[t] = bytes / (unsigned)__builtin_popcount(head->tables);
	return link;
}

static bool is_settled(const uint64_t changed[TABLE_COUNT], const uint64_t settled[TABLE_COUNT])
{
	for (int t = 0; t < TABLE_COUNT; t++)
		if (changed[t] > settled[t])
			return false;
	return true;
}

size_t chain_covered(const struct chain *c, const uint64_t changed[TABLE_COUNT],
                     const uint64_t settled[TABLE_COUNT])
{
	size_t n = 0;
	while (n < c->count && is_settled(n + 1 < c->count ? chain_at(c, n + 1)->changed : changed, settled))
		n++;
	return n;
}

/* ---- merges */

/* What a merge would have to write of it. */
static uint64_t live_bytes(const struct chain_link *link, const uint64_t settled[TABLE_COUNT])
{
	uint64_t live = 0;
	for (int t = 0; t < TABLE_COUNT; t++)
		if (settled[t] < link->last)
			live += link->share[t];
	return live;
}

static bool follows(const struct chain_link *above, const struct chain_link *below)
{
	return above->prev == below->seq && above->first == below->last + 1;
}

struct piece {
	size_t at, count;
	uint64_t live, dead;
	uint8_t level; /* the highest */
};

/* The piece that begins at `at`: neighbours that are small, of one level if `level` is one, and no more of
 * them than a merge takes. */
static struct piece piece_from(const struct chain *c, const uint64_t settled[TABLE_COUNT], size_t at,
                               int level)
{
	struct piece p = {.at = at};
	for (size_t i = at; i + 1 < c->count && p.count < chain_merge_count(c); i++) {
		const struct chain_link *link = chain_at(c, i);
		uint64_t live = live_bytes(link, settled);
		if (live > CHAIN_SMALL || (level >= 0 && link->level != level) ||
		    (i > at && !follows(link, chain_at(c, i - 1))) || p.live + live > CHAIN_MERGE_BYTES)
			break;
		p.count++;
		p.live += live;
		p.dead += link->bytes - live;
		if (link->level > p.level)
			p.level = link->level;
	}
	return p;
}

static bool longest_piece(const struct chain *c, const uint64_t settled[TABLE_COUNT], int level,
                          struct chain_run *run)
{
	struct piece best = {0};
	for (size_t at = 0; at + 1 < c->count;) {
		struct piece p = piece_from(c, settled, at, level);
		if (p.count > best.count)
			best = p;
		at += p.count ? p.count : 1;
	}
	*run = (struct chain_run){best.at, best.count, (uint8_t)(level + 1 < LEVELS ? level + 1 : level)};
	return best.count > 1;
}

static bool deadest_piece(const struct chain *c, const uint64_t settled[TABLE_COUNT], struct chain_run *run)
{
	struct piece best = {0};
	for (size_t at = 0; at + 1 < c->count;) {
		struct piece p = piece_from(c, settled, at, -1);
		if (p.dead > best.dead && p.live <= p.dead / 4)
			best = p;
		at += p.count ? p.count : 1;
	}
	*run = (struct chain_run){best.at, best.count, best.level};
	return best.dead >= CHAIN_DEAD_BYTES;
}

bool chain_merge_due(const struct chain *c, const uint64_t settled[TABLE_COUNT], struct chain_run *run)
{
	size_t small[LEVELS] = {0};
	for (size_t i = 0; i + 1 < c->count; i++)
		if (live_bytes(chain_at(c, i), settled) <= CHAIN_SMALL)
			small[chain_at(c, i)->level]++;
	for (int level = 0; level < LEVELS; level++)
		if (small[level] >= chain_merge_count(c) && longest_piece(c, settled, level, run))
			return true;
	return deadest_piece(c, settled, run);
}

bool chain_run_of(const struct chain *c, uint64_t low, uint64_t high, struct chain_run *run)
{
	*run = (struct chain_run){0};
	for (size_t i = 0; i < c->count; i++) {
		const struct chain_link *link = chain_at(c, i);
		if (link->seq < low || link->seq > high)
			continue;
		if (run->count++ == 0)
			run->at = i;
		if (run->level <= link->level)
			run->level = link->level + 1 < LEVELS ? (uint8_t)(link->level + 1) : link->level;
	}
	return run->count > 1;
}
