#include "daemon/merge.h"
#include "daemon/record.h"
#include "proto/mem.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define uthash_malloc(size) mem_alloc(size)
#include <uthash.h>
#include <xxhash.h>

/* What is to be said of one record. */
struct item {
	UT_hash_handle hh;
	bool deleted;
	uint8_t id_len;
	uint32_t text_len;
	char bytes[]; /* the key (the table's number and the id), then the text */
};

struct gathering {
	struct merge *merge;
	const struct merge_source *source;
	uint64_t known[TABLE_COUNT]; /* each table's snapshot has its changes up to here */
	struct item *items; /* in the order of their last change */
	size_t count;
	uint64_t seed;      /* nobody outside can aim for one bucket */
	struct buf scratch;
};

static enum table_id item_table(const struct item *i) { return (enum table_id)i->bytes[0]; }
static struct span item_id(const struct item *i) { return (struct span){i->bytes + 1, i->id_len}; }
static struct span item_text(const struct item *i)
{
	return i->deleted ? (struct span){0} : (struct span){i->bytes + 1 + i->id_len, i->text_len};
}

static void set(struct gathering *g, enum table_id t, struct span id, struct span text)
{
	struct item *old, *i = mem_alloc(sizeof *i + 1 + id.len + text.len);
	*i = (struct item){.deleted = !text.at, .id_len = (uint8_t)id.len, .text_len = (uint32_t)text.len};
	i->bytes[0] = (char)t;
	memcpy(i->bytes + 1, id.at, id.len);
	if (text.at)
		memcpy(i->bytes + 1 + id.len, text.at, text.len);
	unsigned hash = (unsigned)XXH3_64bits_withSeed(i->bytes, 1 + id.len, g->seed);
	HASH_FIND_BYHASHVALUE(hh, g->items, i->bytes, 1 + id.len, hash, old);
	if (old) {
		HASH_DEL(g->items, old);
		free(old);
		g->count--;
	}
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, g->items, i->bytes, 1 + id.len, hash, i);
	g->count++;
}

static void free_items(struct gathering *g)
{
	struct item *i = g->items;
	HASH_CLEAR(hh, g->items);
	while (i) {
		struct item *next = i->hh.next;
		free(i);
		i = next;
	}
	buf_free(&g->scratch);
}

static bool is_left_out(const struct gathering *g, enum table_id t)
{
	return g->known[t] >= g->source->last;
}

/* What a merge before has left out, the snapshot has, though this process may not know it to be settled: an
 * older change of a lower source must not take the place of one that is left out. */
static void find_known(struct gathering *g)
{
	const struct merge *m = g->merge;
	memcpy(g->known, m->settled, sizeof g->known);
	for (size_t i = 0; i < m->count; i++)
		for (int t = 0; t < TABLE_COUNT; t++)
			if (g->known[t] < m->sources[i].without[t])
				g->known[t] = m->sources[i].without[t];
}

static struct span canonical_id(struct span text)
{
	const char *end = text.len > RECORD_ID_AT ? memchr(text.at + RECORD_ID_AT, '"', text.len - RECORD_ID_AT)
	                                          : NULL;
	if (!end || memcmp(text.at, "{\"id\":\"", RECORD_ID_AT) != 0 || end - text.at - RECORD_ID_AT > IDENT_MAX)
		return (struct span){0};
	return (struct span){text.at + RECORD_ID_AT, (size_t)(end - text.at) - RECORD_ID_AT};
}

static bool put(void *context, enum table_id t, struct span text, bool trusted, struct fault *fault,
                size_t *at)
{
	struct gathering *g = context;
	if (is_left_out(g, t))
		return true;
	if (!trusted) { /* the file that comes of it has a checksum, which vouches for canonical text */
		g->scratch.len = 0;
		if (!record_read(&g->scratch, t, text, g->source->last, false, g->merge->now, fault, at))
			return false;
		text = buf_as_span(&g->scratch);
	}
	struct span id = canonical_id(text);
	*at = 0;
	if (id.at)
		set(g, t, id, text);
	return id.at;
}

static bool drop(void *context, enum table_id t, struct span id, struct fault *fault)
{
	struct gathering *g = context;
	(void)fault;
	if (!is_left_out(g, t) && id.len <= IDENT_MAX)
		set(g, t, id, (struct span){0});
	return true;
}

/* Notes what is left out of the source; true if something is to be read from it. */
static bool has_part(struct gathering *g)
{
	uint64_t *without = g->merge->head.without;
	bool any = false;
	for (int t = 0; t < TABLE_COUNT; t++) {
		bool changes = g->source->tables >> t & 1, out = is_left_out(g, (enum table_id)t);
		any |= changes && !out;
		if (changes && out && without[t] < g->source->last)
			without[t] = g->source->last;
		if (without[t] < g->source->without[t])
			without[t] = g->source->without[t];
	}
	return any;
}

/* What the system is out of says nothing about the file. */
static bool passes_by_itself(int number)
{
	return number == EMFILE || number == ENFILE || number == ENOMEM;
}

static bool gather(struct gathering *g, struct disk_error *e)
{
	struct merge *m = g->merge;
	struct load_sink sink = {.context = g, .put = put, .remove = drop};
	for (size_t i = 0; i < m->count; i++) {
		struct segment_head head;
		struct load_finding finding;
		g->source = &m->sources[i];
		errno = 0;
		if (!has_part(g) ||
		    load_segment_file(m->disk, m->journal, g->source->seq, m->head.store, &sink, &head, &finding))
			continue;
		e->number = errno ? errno : EIO;
		snprintf(e->what, sizeof e->what, "read %.120s", finding.file);
		m->unreadable = passes_by_itself(e->number) ? 0 : g->source->seq;
		return false;
	}
	return true;
}

static enum disk_result write_items(struct gathering *g, struct disk_error *e)
{
	struct merge *m = g->merge;
	struct segment_change *changes = mem_alloc((g->count + 1) * sizeof *changes);
	size_t n = 0;
	for (const struct item *i = g->items; i; i = i->hh.next) {
		changes[n++] = (struct segment_change){.table = item_table(i), .id = item_id(i),
		                                       .text = item_text(i)};
		m->weight[item_table(i)] += segment_change_bytes(&changes[n - 1]);
		m->head.tables |= (uint8_t)(1u << item_table(i));
	}
	assert(n == g->count);
	enum disk_result result = segment_write(m->disk, m->journal, &m->head, changes, n, m->now, &m->bytes, e);
	free(changes);
	return result;
}

enum disk_result merge_write(struct merge *m, struct disk_error *e)
{
	__attribute__((cleanup(free_items))) struct gathering g = {.merge = m};
	assert(m->count > 0 && m->sources[m->count - 1].seq == m->head.seq);
	if (getrandom(&g.seed, sizeof g.seed, 0) != sizeof g.seed)
		abort();
	m->head.tables = 0;
	m->bytes = 0;
	memset(m->head.without, 0, sizeof m->head.without);
	memset(m->weight, 0, sizeof m->weight);
	find_known(&g);
	return gather(&g, e) ? write_items(&g, e) : DISK_FAILED;
}
