#include "daemon/table.h"
#include "daemon/shelf.h"
#include "proto/mem.h"
#include "proto/scan.h"
#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <sys/random.h>

enum order { BY_TIME, BY_ID, ORDERS };
enum dimension { DIMENSION_A, DIMENSION_B, DIMENSIONS };

/* The views of one order stand in the order all, a, b, ab. */
enum { VIEWS_PER_ORDER = VIEW_ID_ALL - VIEW_TIME_ALL };

static_assert(sizeof(struct entry) == 3 * 64, "an entry is three cache lines");
static_assert(offsetof(struct entry, id_starts) == 64, "the trees by id have a line of their own");
static_assert(offsetof(struct entry, link) == 128, "what no tree reads stands behind");

/* What a client can make large; the rest of a scratch buffer's memory is given back. */
enum { SCRATCH_KEEP = 4096 };

/* A status, type, kind or run id that at least one record has, and the trees of exactly those records. */
struct value {
	struct hash_link link;
	char *text;
	uint32_t len, refs;
	uint32_t root[ORDERS];
};

struct pair {
	struct hash_link link;
	uint32_t at[DIMENSIONS]; /* values */
	uint32_t refs;
	uint32_t root[ORDERS];
};

/* One member of a run's meta. The postings of equal key and value text are one tree, newest first; its
 * root is the one of them that the hash knows. The key and the value themselves are read in the record's
 * text, at `at`. */
struct posting {
	struct hash_link link; /* link.hash is valid in all of them */
	uint32_t entry, next;
	uint32_t at;
	struct tree_node node;
};

struct values {
	struct slab slab;
	struct hash by_text;
	uint64_t text_bytes;
};

struct table {
	enum table_id kind;
	bool loading; /* there are no trees yet */
	struct slab entries;
	struct hash by_id;
	struct tree_kind kinds[VIEW_COUNT];
	struct values values[DIMENSIONS];
	struct slab pairs;
	struct hash pair_by_values;
	struct slab postings;
	struct hash posting_roots;
	struct tree_kind posting_kind;
	uint32_t all[ORDERS], ended;
	uint64_t count, text_bytes, record_bytes;
	struct buf key_text, value_text, other_text;
};

/* ---- order */

/* Eight bytes of the id from `at` on, so that comparing numbers compares bytes; filled up with zeros,
 * which no id has. */
static uint64_t start_of(struct span id, size_t at)
{
	uint64_t start = 0;

	if (at < id.len)
		memcpy(&start, id.at + at, id.len - at < sizeof(start) ? id.len - at : sizeof(start));
	return be64toh(start);
}

static int compare_text(struct span x, struct span y)
{
	size_t shared = x.len < y.len ? x.len : y.len;
	int difference = shared ? memcmp(x.at, y.at, shared) : 0;

	return difference ? difference : (x.len > y.len) - (x.len < y.len);
}

static int compare_numbers(uint64_t x, uint64_t y)
{
	return (x > y) - (x < y);
}

/* This and compare_times mostly end within the cache line that the trees of the order have at hand. */
static int compare_ids(const struct entry *x, const struct entry *y)
{
	for (int i = 0; i < 2; i++)
		if (x->id_starts[i] != y->id_starts[i])
			return compare_numbers(x->id_starts[i], y->id_starts[i]);
	return compare_text(record_id(x->record), record_id(y->record));
}

/* Newest first. STAMP_NONE is the smallest time, so records without one come last. */
static int compare_times(const struct entry *x, const struct entry *y)
{
	if (x->time != y->time)
		return x->time > y->time ? -1 : 1;
	if (x->id_start != y->id_start)
		return compare_numbers(x->id_start, y->id_start);
	return compare_ids(x, y);
}

static int by_time(const struct tree_kind *k, uint32_t x, uint32_t y)
{
	return compare_times(slab_at(k->slab, x), slab_at(k->slab, y));
}

static int by_id(const struct tree_kind *k, uint32_t x, uint32_t y)
{
	return compare_ids(slab_at(k->slab, x), slab_at(k->slab, y));
}

static int by_end(const struct tree_kind *k, uint32_t x, uint32_t y)
{
	const struct entry *p = slab_at(k->slab, x), *q = slab_at(k->slab, y);

	if (p->end != q->end)
		return p->end < q->end ? -1 : 1;
	return compare_ids(p, q);
}

/* A posting's slab is of postings; the entries that they are ordered by are the table's. */
static int by_newest(const struct tree_kind *k, uint32_t x, uint32_t y)
{
	const struct table *t = (const struct table *)((const char *)k - offsetof(struct table, posting_kind));
	const struct posting *p = slab_at(k->slab, x), *q = slab_at(k->slab, y);

	if (p->entry == q->entry)
		return (x > y) - (x < y);
	return compare_times(slab_at(&t->entries, p->entry), slab_at(&t->entries, q->entry));
}

/* A place between records: just behind a record's key, or (no id) where the records begin that are older
 * than `time`. */
struct bound {
	int64_t time;
	uint64_t id_starts[2];
	struct span id;
};

static int compare_to_id(const struct entry *x, const struct bound *bound)
{
	for (int i = 0; i < 2; i++)
		if (x->id_starts[i] != bound->id_starts[i])
			return compare_numbers(x->id_starts[i], bound->id_starts[i]);
	return compare_text(record_id(x->record), bound->id);
}

static int time_to_bound(const struct tree_kind *k, uint32_t e, const void *key)
{
	const struct entry *x = slab_at(k->slab, e);
	const struct bound *bound = key;

	if (x->time != bound->time || !bound->id.at)
		return x->time >= bound->time ? -1 : 1;
	return compare_to_id(x, bound) <= 0 ? -1 : 1;
}

static int id_to_bound(const struct tree_kind *k, uint32_t e, const void *key)
{
	return compare_to_id(slab_at(k->slab, e), key) <= 0 ? -1 : 1;
}

static int end_to_time(const struct tree_kind *k, uint32_t e, const void *key)
{
	const struct entry *x = slab_at(k->slab, e);

	return x->end < *(const int64_t *)key ? -1 : 1;
}

/* ---- making and unmaking */

static size_t node_offset(int view)
{
	if (view == VIEW_END)
		return offsetof(struct entry, by_end);
	if (view < VIEW_ID_ALL)
		return offsetof(struct entry, by_time) + (size_t)view * sizeof(struct tree_node);
	return offsetof(struct entry, by_id) + (size_t)(view - VIEW_ID_ALL) * sizeof(struct tree_node);
}

static void kinds_init(struct table *t)
{
	uint32_t seed;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		abort();
	for (int v = 0; v < VIEW_COUNT; v++)
		t->kinds[v] = (struct tree_kind){
			.slab = &t->entries,
			.node_at = node_offset(v),
			.seed = seed,
			.compare = v == VIEW_END ? by_end : v >= VIEW_ID_ALL ? by_id : by_time,
			.compare_key = v == VIEW_END ? end_to_time : v >= VIEW_ID_ALL ? id_to_bound : time_to_bound,
		};
	t->posting_kind = (struct tree_kind){
		.slab = &t->postings, .node_at = offsetof(struct posting, node), .seed = seed, .compare = by_newest};
}

struct table *table_new(enum table_id kind)
{
	struct table *t = mem_zero(sizeof(*t));

	t->kind = kind;
	slab_init(&t->entries, sizeof(struct entry));
	hash_init(&t->by_id, &t->entries, offsetof(struct entry, link));
	for (int d = 0; d < DIMENSIONS; d++) {
		slab_init(&t->values[d].slab, sizeof(struct value));
		hash_init(&t->values[d].by_text, &t->values[d].slab, offsetof(struct value, link));
	}
	slab_init(&t->pairs, sizeof(struct pair));
	hash_init(&t->pair_by_values, &t->pairs, offsetof(struct pair, link));
	slab_init(&t->postings, sizeof(struct posting));
	hash_init(&t->posting_roots, &t->postings, offsetof(struct posting, link));
	kinds_init(t);
	return t;
}

static void values_done(struct values *v)
{
	for (uint32_t n = 1; n <= v->slab.used; n++) {
		struct value *value = slab_at(&v->slab, n);

		if (value->refs > 0)
			free(value->text);
	}
	hash_done(&v->by_text);
	slab_done(&v->slab);
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (uint32_t e = 1; e <= t->entries.used; e++) {
		struct entry *n = table_entry(t, e);

		if (n->record)
			free(n->live);
		else
			free(n->claimed);
		record_unref(n->record);
	}
	hash_done(&t->by_id);
	slab_done(&t->entries);
	for (int d = 0; d < DIMENSIONS; d++)
		values_done(&t->values[d]);
	hash_done(&t->pair_by_values);
	slab_done(&t->pairs);
	hash_done(&t->posting_roots);
	slab_done(&t->postings);
	buf_free(&t->key_text);
	buf_free(&t->value_text);
	buf_free(&t->other_text);
	free(t);
}

/* ---- what is there */

uint64_t table_count(const struct table *t) { return t->count; }
uint64_t table_bytes(const struct table *t) { return t->text_bytes; }
uint32_t table_last(const struct table *t) { return t->entries.used; }

struct entry *table_entry(const struct table *t, uint32_t e)
{
	return slab_at(&t->entries, e);
}

static struct span id_of(const struct entry *n)
{
	return n->record ? record_id(n->record) : span_of(n->claimed);
}

static uint32_t find(const struct table *t, struct span id, uint32_t hash)
{
	uint32_t e = hash_first(&t->by_id, hash);

	while (e != 0 && !span_is(id_of(table_entry(t, e)), id))
		e = hash_next(&t->by_id, e, hash);
	return e;
}

uint32_t table_find(const struct table *t, struct span id)
{
	return find(t, id, hash_of(&t->by_id, id));
}

uint32_t table_hash(const struct table *t, struct span id) { return hash_of(&t->by_id, id); }

enum { LINE = 64, LINES_FETCHED = 10 }; /* of the processor's cache; most records are not longer */

static void fetch_record(const struct entry *n)
{
	const char *at = (const char *)n->record;

	for (int i = 0; at && i < LINES_FETCHED; i++)
		__builtin_prefetch(at + i * LINE);
	if (n->record && n->live)
		__builtin_prefetch(n->live);
}

void table_fetch(const struct table *t, uint32_t hash, enum table_fetch what)
{
	uint32_t e;

	switch (what) {
	case FETCH_BUCKET:
		hash_fetch_bucket(&t->by_id, hash);
		break;
	case FETCH_ENTRY:
		hash_fetch_link(&t->by_id, hash);
		break;
	case FETCH_RECORD:
		e = hash_first(&t->by_id, hash);
		if (e)
			fetch_record(table_entry(t, e));
		break;
	}
}

struct record *table_get(const struct table *t, struct span id)
{
	uint32_t e = table_find(t, id);

	return e ? table_entry(t, e)->record : NULL;
}

/* What a record takes beside its text: the fields in front of it, the rounding. */
static uint64_t beside_text(const struct record *r)
{
	return shelf_size(record_bytes(r->len)) - r->len;
}

uint64_t table_overhead(const struct table *t)
{
	uint64_t bytes = sizeof(*t) + t->record_bytes;

	bytes += slab_bytes(&t->entries) + hash_bytes(&t->by_id);
	for (int d = 0; d < DIMENSIONS; d++)
		bytes += slab_bytes(&t->values[d].slab) + hash_bytes(&t->values[d].by_text) + t->values[d].text_bytes;
	bytes += slab_bytes(&t->pairs) + hash_bytes(&t->pair_by_values);
	return bytes + slab_bytes(&t->postings) + hash_bytes(&t->posting_roots);
}

/* ---- values and pairs of them */

static struct value *value_at(const struct values *v, uint32_t n)
{
	return slab_at(&v->slab, n);
}

static struct span value_text(const struct values *v, uint32_t n)
{
	return (struct span){value_at(v, n)->text, value_at(v, n)->len};
}

static uint32_t value_find(const struct values *v, struct span text, uint32_t hash)
{
	uint32_t n = hash_first(&v->by_text, hash);

	while (n != 0 && !span_is(value_text(v, n), text))
		n = hash_next(&v->by_text, n, hash);
	return n;
}

static uint32_t value_take(struct values *v, struct span text)
{
	uint32_t hash = hash_of(&v->by_text, text), n = value_find(v, text, hash);

	if (n == 0) {
		n = slab_take(&v->slab);
		struct value *fresh = value_at(v, n);
		fresh->text = mem_copy(text.at, text.len);
		fresh->len = (uint32_t)text.len;
		v->text_bytes += text.len + sizeof(size_t);
		hash_add(&v->by_text, n, hash);
	}
	value_at(v, n)->refs++;
	return n;
}

static void value_give(struct values *v, uint32_t n)
{
	struct value *value = value_at(v, n);

	if (--value->refs > 0)
		return;
	assert(value->root[BY_TIME] == 0 && value->root[BY_ID] == 0);
	hash_remove(&v->by_text, n);
	v->text_bytes -= value->len + sizeof(size_t);
	free(value->text);
	slab_give(&v->slab, n);
}

static struct pair *pair_at(const struct table *t, uint32_t n)
{
	return slab_at(&t->pairs, n);
}

static uint32_t pair_hash(const struct table *t, uint32_t a, uint32_t b)
{
	uint32_t key[DIMENSIONS] = {a, b};

	return hash_of(&t->pair_by_values, (struct span){(const char *)key, sizeof(key)});
}

static uint32_t pair_find(const struct table *t, uint32_t a, uint32_t b)
{
	uint32_t hash = pair_hash(t, a, b), n = hash_first(&t->pair_by_values, hash);

	while (n != 0 && (pair_at(t, n)->at[DIMENSION_A] != a || pair_at(t, n)->at[DIMENSION_B] != b))
		n = hash_next(&t->pair_by_values, n, hash);
	return n;
}

static uint32_t pair_take(struct table *t, uint32_t a, uint32_t b)
{
	uint32_t n = pair_find(t, a, b);

	if (n == 0) {
		n = slab_take(&t->pairs);
		*pair_at(t, n) = (struct pair){.at = {a, b}};
		hash_add(&t->pair_by_values, n, pair_hash(t, a, b));
	}
	pair_at(t, n)->refs++;
	return n;
}

static void pair_give(struct table *t, uint32_t n)
{
	struct pair *pair = pair_at(t, n);

	if (--pair->refs > 0)
		return;
	assert(pair->root[BY_TIME] == 0 && pair->root[BY_ID] == 0);
	hash_remove(&t->pair_by_values, n);
	slab_give(&t->pairs, n);
}

/* ---- the trees of a record */

/* What a record is sorted under, as the pair of its values. */
static uint32_t place_take(struct table *t, const struct record_keys *keys)
{
	uint32_t a = value_take(&t->values[DIMENSION_A], keys->a),
	         b = value_take(&t->values[DIMENSION_B], keys->b);

	return pair_take(t, a, b);
}

static void place_give(struct table *t, uint32_t pair)
{
	uint32_t a = pair_at(t, pair)->at[DIMENSION_A], b = pair_at(t, pair)->at[DIMENSION_B];

	pair_give(t, pair);
	value_give(&t->values[DIMENSION_A], a);
	value_give(&t->values[DIMENSION_B], b);
}

static uint32_t *view_root(struct table *t, int view, uint32_t place)
{
	int order = view / VIEWS_PER_ORDER;
	struct pair *pair = pair_at(t, place);

	if (view == VIEW_END)
		return &t->ended;
	switch (view % VIEWS_PER_ORDER) {
	case VIEW_TIME_ALL:
		return &t->all[order];
	case VIEW_TIME_A:
		return &value_at(&t->values[DIMENSION_A], pair->at[DIMENSION_A])->root[order];
	case VIEW_TIME_B:
		return &value_at(&t->values[DIMENSION_B], pair->at[DIMENSION_B])->root[order];
	default:
		return &pair->root[order];
	}
}

enum {
	VIEWS_OF_A = 1u << VIEW_TIME_A | 1u << VIEW_TIME_AB | 1u << VIEW_ID_A | 1u << VIEW_ID_AB,
	VIEWS_OF_B = 1u << VIEW_TIME_B | 1u << VIEW_TIME_AB | 1u << VIEW_ID_B | 1u << VIEW_ID_AB,
	VIEWS_OF_TIME = 1u << VIEW_TIME_ALL | 1u << VIEW_TIME_A | 1u << VIEW_TIME_B | 1u << VIEW_TIME_AB,
	VIEWS_OF_ID = 1u << VIEW_ID_ALL | 1u << VIEW_ID_A | 1u << VIEW_ID_B | 1u << VIEW_ID_AB,
	VIEWS_OF_END = 1u << VIEW_END,
	VIEWS_ALL = VIEWS_OF_TIME | VIEWS_OF_ID | VIEWS_OF_END,
};

/* The views in which the entry's place moves. */
static unsigned views_moved(const struct table *t, const struct entry *n, const struct record_keys *keys,
                            uint32_t to)
{
	if (!n->record)
		return VIEWS_ALL;
	const struct pair *was = pair_at(t, n->pair), *is = pair_at(t, to);
	return (was->at[DIMENSION_A] != is->at[DIMENSION_A] ? VIEWS_OF_A : 0) |
	       (was->at[DIMENSION_B] != is->at[DIMENSION_B] ? VIEWS_OF_B : 0) |
	       (n->time != keys->time ? VIEWS_OF_TIME : 0) |
	       (n->end != keys->end ? VIEWS_OF_END : 0);
}

static void trees_change(struct table *t, uint32_t e, unsigned views,
                         void (*change)(const struct tree_kind *k, uint32_t *root, uint32_t element))
{
	const struct entry *n = table_entry(t, e);

	if (n->end == STAMP_NONE)
		views &= ~VIEWS_OF_END;
	for (int v = 0; v < VIEW_COUNT; v++)
		if (views & 1u << v)
			change(&t->kinds[v], view_root(t, v, n->pair), e);
}

/* The pair that a record would be sorted under, 0 if it has none yet. */
static uint32_t place_find(const struct table *t, const struct record_keys *keys)
{
	const struct values *a = &t->values[DIMENSION_A], *b = &t->values[DIMENSION_B];
	uint32_t first = value_find(a, keys->a, hash_of(&a->by_text, keys->a));
	uint32_t second = value_find(b, keys->b, hash_of(&b->by_text, keys->b));

	return first && second ? pair_find(t, first, second) : 0;
}

static unsigned ways_of(struct table *t, uint32_t e, uint32_t pair, unsigned views, struct tree_way ways[])
{
	const struct entry *n = table_entry(t, e);
	unsigned count = 0;

	if (n->end == STAMP_NONE)
		views &= ~VIEWS_OF_END;
	for (int v = 0; v < VIEW_COUNT; v++)
		if (views & 1u << v)
			ways[count++] = (struct tree_way){&t->kinds[v], *view_root(t, v, pair), e};
	return count;
}

/* Out of where it is, and into where it comes, as far as its key stays what it is. */
static unsigned ways_of_change(struct table *t, const struct table_coming *c, struct tree_way ways[])
{
	const struct entry *n = table_entry(t, c->entry);

	if (!n->record)
		return 0;
	if (!c->keys)
		return ways_of(t, c->entry, n->pair, VIEWS_ALL, ways);
	uint32_t to = place_find(t, c->keys);
	if (!to)
		return 0;
	unsigned moved = views_moved(t, n, c->keys, to);
	unsigned stay = n->time == c->keys->time ? moved & ~VIEWS_OF_END : moved & VIEWS_OF_ID;
	unsigned count = ways_of(t, c->entry, n->pair, moved, ways);
	return count + ways_of(t, c->entry, to, stay, ways + count);
}

void table_approach(struct table *t, const struct table_coming coming[], unsigned count)
{
	struct tree_way ways[TABLE_COMING_MAX * 2 * VIEW_COUNT];
	unsigned going = 0;

	assert(count <= TABLE_COMING_MAX);
	for (unsigned i = 0; i < count; i++)
		going += ways_of_change(t, &coming[i], ways + going);
	tree_approach(ways, going);
}

/* ---- meta */

static struct posting *posting_at(const struct table *t, uint32_t p)
{
	return slab_at(&t->postings, p);
}

static uint32_t meta_hash(const struct table *t, struct span key, struct span value)
{
	uint32_t both[] = {hash_of(&t->posting_roots, key), hash_of(&t->posting_roots, value)};

	return hash_of(&t->posting_roots, (struct span){(const char *)both, sizeof(both)});
}

/* What find_by_meta compares: a string's own text, else the JSON text as it is stored. */
static struct span meta_text(struct span value, struct buf *scratch)
{
	struct span text;

	scratch->len = 0;
	return scan_string(value, scratch, &text) ? text : value;
}

/* The next JSON value of a record's text; *rest then begins behind it. */
static bool value_next(struct span *rest, struct span *value)
{
	struct scan_report report;

	if (scan_value(*rest, SCAN_DEPTH_FILE, false, &report) != SCAN_OK)
		return false;
	*value = (struct span){rest->at, report.used};
	*rest = (struct span){rest->at + report.used, rest->len - report.used};
	return true;
}

/* Is the posting's member this one? By its bytes: two members can have one hash. */
static bool posting_is(struct table *t, uint32_t p, struct span key, struct span value)
{
	const struct posting *posting = posting_at(t, p);
	struct span text = record_text(table_entry(t, posting->entry)->record), name, found;

	text = (struct span){text.at + posting->at, text.len - posting->at};
	if (!value_next(&text, &name) || !span_is(meta_text(name, &t->other_text), key))
		return false;
	if (text.len == 0 || text.at[0] != ':')
		return false;
	text = (struct span){text.at + 1, text.len - 1};
	return value_next(&text, &found) && span_is(meta_text(found, &t->other_text), value);
}

/* The root of the tree of this key and value; 0: there is none. */
static uint32_t posting_root(struct table *t, uint32_t hash, struct span key, struct span value)
{
	uint32_t root = hash_first(&t->posting_roots, hash);

	while (root != 0 && !posting_is(t, root, key, value))
		root = hash_next(&t->posting_roots, root, hash);
	return root;
}

/* The root of the tree that holds the posting. Decided without the text, which need not be sound for it. */
static uint32_t posting_own_root(const struct table *t, uint32_t p)
{
	uint32_t hash = posting_at(t, p)->link.hash, root = hash_first(&t->posting_roots, hash);

	while (root != 0 && !tree_has(&t->posting_kind, root, p))
		root = hash_next(&t->posting_roots, root, hash);
	assert(root != 0);
	return root;
}

static void posting_root_moved(struct table *t, uint32_t from, uint32_t to)
{
	if (from == to)
		return;
	if (from != 0)
		hash_remove(&t->posting_roots, from);
	if (to != 0)
		hash_add(&t->posting_roots, to, posting_at(t, to)->link.hash);
}

static void posting_add(struct table *t, uint32_t e, struct span raw_name, struct span raw_value)
{
	struct entry *n = table_entry(t, e);
	struct span key;

	t->key_text.len = 0;
	if (!scan_unescape(raw_name, &t->key_text, &key))
		return;
	struct span value = meta_text(raw_value, &t->value_text);
	uint32_t hash = meta_hash(t, key, value), root = posting_root(t, hash, key, value), top = root;
	uint32_t p = slab_take(&t->postings);
	*posting_at(t, p) = (struct posting){
		.link.hash = hash,
		.entry = e,
		.next = n->postings,
		.at = (uint32_t)(raw_name.at - 1 - n->record->text),
	};
	n->postings = p;
	tree_insert(&t->posting_kind, &top, p);
	posting_root_moved(t, root, top);
}

/* The entry has its new record and keys. */
static void postings_add(struct table *t, uint32_t e, struct span meta)
{
	if (t->kind != TABLE_RUNS)
		return;
	struct scan_iter it = scan_members(meta);
	struct span name, value;

	while (scan_next_member(&it, &name, &value))
		posting_add(t, e, name, value);
	t->key_text.len = t->value_text.len = t->other_text.len = 0;
	buf_trim(&t->key_text, SCRATCH_KEEP);
	buf_trim(&t->value_text, SCRATCH_KEEP);
	buf_trim(&t->other_text, SCRATCH_KEEP);
}

/* The entry still has its old record and keys. */
static void postings_remove(struct table *t, uint32_t e)
{
	struct entry *n = table_entry(t, e);

	while (n->postings != 0) {
		uint32_t p = n->postings, root = posting_own_root(t, p), top = root;

		n->postings = posting_at(t, p)->next;
		tree_remove(&t->posting_kind, &top, p);
		posting_root_moved(t, root, top);
		slab_give(&t->postings, p);
	}
}

uint32_t table_find_meta(const struct table *t, struct span key, struct span value)
{
	/* the scratch buffers are no part of what the table is */
	struct table *own = (struct table *)t;
	uint32_t root = posting_root(own, meta_hash(t, key, value), key, value);

	own->other_text.len = 0;
	buf_trim(&own->other_text, SCRATCH_KEEP);
	return root ? posting_at(t, tree_at(&t->posting_kind, root, 0))->entry : 0;
}

/* ---- changes */

static void claim(struct entry *n, struct span id)
{
	n->claimed = mem_alloc(id.len + 1);
	memcpy(n->claimed, id.at, id.len);
	n->claimed[id.len] = '\0';
}

uint32_t table_claim(struct table *t, struct span id)
{
	uint32_t hash = hash_of(&t->by_id, id), e = find(t, id, hash);

	if (e != 0)
		return e;
	e = slab_take(&t->entries);
	struct entry *n = table_entry(t, e);
	claim(n, id);
	n->id_start = n->id_starts[0] = start_of(id, 0);
	n->id_starts[1] = start_of(id, 8);
	hash_add(&t->by_id, e, hash);
	return e;
}

static void count_in(struct table *t, const struct record *r)
{
	t->count++;
	t->text_bytes += r->len;
	t->record_bytes += beside_text(r);
}

static void count_out(struct table *t, const struct record *r)
{
	t->count--;
	t->text_bytes -= r->len;
	t->record_bytes -= beside_text(r);
}

/* Takes the old version out of what moves. */
static void old_version_leaves(struct table *t, uint32_t e, unsigned views)
{
	struct entry *n = table_entry(t, e);

	if (!t->loading) {
		postings_remove(t, e);
		trees_change(t, e, views, tree_remove);
	}
	place_give(t, n->pair);
	count_out(t, n->record);
}

void table_set(struct table *t, uint32_t e, struct record *r, const struct record_keys *keys)
{
	struct entry *n = table_entry(t, e);
	struct record *old = n->record;

	assert(span_is(id_of(n), record_id(r)));
	uint32_t pair = place_take(t, keys);
	unsigned views = views_moved(t, n, keys, pair);
	if (old) {
		old_version_leaves(t, e, views);
	} else {
		free(n->claimed);
		n->live = NULL;
	}
	n->record = r;
	n->time = keys->time;
	n->end = keys->end;
	n->pair = pair;
	count_in(t, r);
	if (!t->loading) {
		trees_change(t, e, views, tree_insert);
		postings_add(t, e, keys->meta);
	}
	record_unref(old);
}

void table_clear(struct table *t, uint32_t e)
{
	struct entry *n = table_entry(t, e);
	struct record *old = n->record;

	assert(old);
	old_version_leaves(t, e, VIEWS_ALL);
	free(n->live);
	claim(n, record_id(old));
	n->record = NULL;
	record_unref(old);
}

void table_drop(struct table *t, uint32_t e)
{
	struct entry *n = table_entry(t, e);

	assert(!n->record && !n->pending && n->claimed);
	hash_remove(&t->by_id, e);
	free(n->claimed);
	n->claimed = NULL;
	slab_give(&t->entries, e);
}

/* ---- load */

/* A record's keys, next to each other for sorting. */
struct sorted {
	int64_t time;
	uint64_t id_starts[2];
	uint32_t entry;
};

static int sort_by_id(const void *x, const void *y, void *context)
{
	const struct sorted *p = x, *q = y;
	const struct table *t = context;

	for (int i = 0; i < 2; i++)
		if (p->id_starts[i] != q->id_starts[i])
			return compare_numbers(p->id_starts[i], q->id_starts[i]);
	return compare_ids(table_entry(t, p->entry), table_entry(t, q->entry));
}

static int sort_by_time(const void *x, const void *y, void *context)
{
	const struct sorted *p = x, *q = y;

	if (p->time != q->time)
		return p->time > q->time ? -1 : 1;
	return sort_by_id(x, y, context);
}

void table_load_begin(struct table *t)
{
	assert(t->count == 0 && !t->loading);
	t->loading = true;
}

void table_load_expect(struct table *t, uint64_t records)
{
	if (t->loading && t->entries.used == 0)
		hash_reserve(&t->by_id, records < UINT32_MAX ? (uint32_t)records : UINT32_MAX);
}

static struct sorted *records_to_sort(const struct table *t)
{
	struct sorted *all = mem_alloc(t->count * sizeof(*all));
	size_t count = 0;

	for (uint32_t e = 1; e <= table_last(t); e++) {
		const struct entry *n = table_entry(t, e);

		if (n->record)
			all[count++] = (struct sorted){n->time, {n->id_starts[0], n->id_starts[1]}, e};
	}
	assert(count == t->count);
	return all;
}

static int sort_by_end(const void *x, const void *y, void *context)
{
	const struct sorted *p = x, *q = y;

	if (p->time != q->time)
		return p->time < q->time ? -1 : 1;
	return sort_by_id(x, y, context);
}

/* In the views' own order, each behind those before. */
static void trees_append(struct table *t, uint32_t e, unsigned views)
{
	const struct entry *n = table_entry(t, e);

	for (int v = 0; v < VIEW_COUNT; v++)
		if (views & 1u << v)
			tree_append(&t->kinds[v], view_root(t, v, n->pair), e);
}

static void append_ended(struct table *t, struct sorted *all)
{
	size_t count = 0;

	for (size_t i = 0; i < t->count; i++) {
		const struct entry *n = table_entry(t, all[i].entry);
		if (n->end != STAMP_NONE)
			all[count++] = (struct sorted){n->end, {n->id_starts[0], n->id_starts[1]}, all[i].entry};
	}
	qsort_r(all, count, sizeof(*all), sort_by_end, t);
	for (size_t i = 0; i < count; i++)
		trees_append(t, all[i].entry, VIEWS_OF_END);
}

void table_load_end(struct table *t)
{
	struct sorted *all = records_to_sort(t);

	assert(t->loading);
	t->loading = false;
	qsort_r(all, t->count, sizeof(*all), sort_by_time, t);
	for (size_t i = 0; i < t->count; i++) {
		struct record_keys keys;

		trees_append(t, all[i].entry, VIEWS_OF_TIME);
		if (t->kind == TABLE_RUNS && record_keys(t->kind, table_entry(t, all[i].entry)->record, &keys))
			postings_add(t, all[i].entry, keys.meta);
	}
	qsort_r(all, t->count, sizeof(*all), sort_by_id, t);
	for (size_t i = 0; i < t->count; i++)
		trees_append(t, all[i].entry, VIEWS_OF_ID);
	append_ended(t, all);
	free(all);
}

/* ---- selections */

enum { PICKS_MAX = SPEC_FILTER_MAX * SPEC_FILTER_MAX };

/* The trees that a selection reads, each from place `from` up to place `to`. */
struct picks {
	const struct tree_kind *kind;
	unsigned count;
	uint32_t root[PICKS_MAX], from[PICKS_MAX], to[PICKS_MAX];
};

/* The values of one filter that any record has. */
struct choice {
	bool any;
	unsigned count;
	uint32_t at[SPEC_FILTER_MAX];
};

static struct choice choose(const struct values *v, const struct span *texts, unsigned count)
{
	struct choice c = {.any = texts == NULL};

	assert(c.any || count <= SPEC_FILTER_MAX);
	for (unsigned i = 0; !c.any && i < count; i++) {
		uint32_t n = value_find(v, texts[i], hash_of(&v->by_text, texts[i]));
		unsigned seen = 0;

		while (seen < c.count && c.at[seen] != n)
			seen++;
		if (n != 0 && seen == c.count)
			c.at[c.count++] = n;
	}
	return c;
}

/* A tree has as many elements as its value or pair has records. */
static void pick_add(struct picks *p, uint32_t root, uint32_t size)
{
	p->root[p->count] = root;
	p->from[p->count] = 0;
	p->to[p->count++] = size;
}

static void pick_pairs(struct picks *p, const struct table *t, enum order order, const struct choice *a,
                       const struct choice *b)
{
	p->kind = &t->kinds[order * VIEWS_PER_ORDER + VIEW_TIME_AB];
	for (unsigned i = 0; i < a->count; i++)
		for (unsigned j = 0; j < b->count; j++) {
			uint32_t pair = pair_find(t, a->at[i], b->at[j]);

			if (pair != 0)
				pick_add(p, pair_at(t, pair)->root[order], pair_at(t, pair)->refs);
		}
}

static void pick_values(struct picks *p, const struct table *t, enum order order, enum dimension d,
                        const struct choice *c)
{
	p->kind = &t->kinds[order * VIEWS_PER_ORDER + (d == DIMENSION_A ? VIEW_TIME_A : VIEW_TIME_B)];
	for (unsigned i = 0; i < c->count; i++)
		pick_add(p, value_at(&t->values[d], c->at[i])->root[order], value_at(&t->values[d], c->at[i])->refs);
}

static void pick_trees(struct picks *p, const struct table *t, enum order order, const struct choice *a,
                       const struct choice *b)
{
	assert(!t->loading);
	p->count = 0;
	if (!a->any && !b->any) {
		pick_pairs(p, t, order, a, b);
	} else if (!a->any) {
		pick_values(p, t, order, DIMENSION_A, a);
	} else if (!b->any) {
		pick_values(p, t, order, DIMENSION_B, b);
	} else {
		p->kind = &t->kinds[order * VIEWS_PER_ORDER + VIEW_TIME_ALL];
		if (t->count > 0)
			pick_add(p, t->all[order], (uint32_t)t->count);
	}
}

/* A range of time is a range of places in each tree. */
static void pick_times(struct picks *p, int64_t after, int64_t before)
{
	if (after == STAMP_NONE && before == STAMP_NONE)
		return;
	/* a record without a time is in no range, so an open end stops short of STAMP_NONE */
	struct bound first = {.time = before}, last = {.time = after == STAMP_NONE ? STAMP_NONE + 1 : after};
	tree_before_each(p->kind, p->root, p->count, &last, p->to);
	if (before != STAMP_NONE)
		tree_before_each(p->kind, p->root, p->count, &first, p->from);
	for (unsigned i = 0; i < p->count; i++)
		if (p->from[i] > p->to[i])
			p->from[i] = p->to[i];
}

static void pick_behind(struct picks *p, const struct position *behind)
{
	struct bound bound = {
		.time = behind->time,
		.id_starts = {start_of(behind->id, 0), start_of(behind->id, 8)},
		.id = behind->id,
	};
	uint32_t from[PICKS_MAX];

	assert(behind->id.at);
	tree_before_each(p->kind, p->root, p->count, &bound, from);
	for (unsigned i = 0; i < p->count; i++)
		if (from[i] > p->from[i])
			p->from[i] = from[i] < p->to[i] ? from[i] : p->to[i];
}

static void picks_of(struct picks *p, const struct table *t, const struct selection *s)
{
	struct choice a = choose(&t->values[DIMENSION_A], s->a, s->a_count);
	struct choice b = choose(&t->values[DIMENSION_B], s->b, s->b_count);

	pick_trees(p, t, s->by_id ? BY_ID : BY_TIME, &a, &b);
	if (!s->by_id)
		pick_times(p, s->after, s->before);
}

static uint64_t picks_total(const struct picks *p)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < p->count; i++)
		total += p->to[i] - p->from[i];
	return total;
}

uint64_t table_total(const struct table *t, const struct selection *s)
{
	struct picks picks;

	picks_of(&picks, t, s);
	return picks_total(&picks);
}

/* ---- a heap of trees, each standing at one of its elements */

struct heap {
	const struct tree_kind *kind;
	const uint32_t *element; /* of each tree; not 0 for those in the heap */
	int sign;                /* 1: the first element on top, -1: the last */
	unsigned count;
	uint16_t tree[PICKS_MAX];
	uint16_t where[PICKS_MAX]; /* of each tree, its index in `tree` */
};

static bool heap_above(const struct heap *h, unsigned x, unsigned y)
{
	return h->sign * h->kind->compare(h->kind, h->element[x], h->element[y]) < 0;
}

static void heap_put(struct heap *h, unsigned at, uint16_t tree)
{
	h->tree[at] = tree;
	h->where[tree] = (uint16_t)at;
}

/* The element of a tree in the heap has changed. */
static void heap_fix(struct heap *h, unsigned tree)
{
	unsigned at = h->where[tree];

	while (at > 0 && heap_above(h, tree, h->tree[(at - 1) / 2])) {
		heap_put(h, at, h->tree[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	for (unsigned child = at * 2 + 1; child < h->count; child = at * 2 + 1) {
		if (child + 1 < h->count && heap_above(h, h->tree[child + 1], h->tree[child]))
			child++;
		if (!heap_above(h, h->tree[child], tree))
			break;
		heap_put(h, at, h->tree[child]);
		at = child;
	}
	heap_put(h, at, (uint16_t)tree);
}

static void heap_add(struct heap *h, unsigned tree)
{
	heap_put(h, h->count++, (uint16_t)tree);
	heap_fix(h, tree);
}

static void heap_remove(struct heap *h, unsigned tree)
{
	unsigned at = h->where[tree];
	uint16_t last = h->tree[--h->count];

	if (last != tree) {
		heap_put(h, at, last);
		heap_fix(h, last);
	}
}

/* ---- offsets in many trees at once */

/* Going down all trees together. Of each, `at` is the root of what is undecided and `taken` counts what is
 * before the place looked for. */
struct descent {
	const struct tree_kind *kind;
	uint64_t target; /* so many of the undecided are to be taken */
	uint64_t near;   /* the sum of near_side over the undecided */
	uint32_t at[PICKS_MAX], taken[PICKS_MAX];
	struct heap first, last;
};

/* The root and its left side. */
static uint32_t near_side(const struct descent *d, unsigned i)
{
	return tree_node(d->kind, d->at[i])->rank;
}

static void descent_prefetch(const struct descent *d, uint32_t element)
{
	if (element != 0)
		__builtin_prefetch(tree_node(d->kind, element));
}

static void descent_move(struct descent *d, unsigned i, bool take)
{
	const struct tree_node *n = tree_node(d->kind, d->at[i]);
	uint32_t side = near_side(d, i);

	d->near -= side;
	if (take) {
		d->taken[i] += side;
		d->target -= side;
	}
	d->at[i] = take ? n->right : n->left;
	if (d->at[i] != 0) {
		n = tree_node(d->kind, d->at[i]);
		d->near += n->rank;
		descent_prefetch(d, n->left);
		descent_prefetch(d, n->right);
		heap_fix(&d->first, i);
		heap_fix(&d->last, i);
	} else {
		heap_remove(&d->first, i);
		heap_remove(&d->last, i);
	}
}

/* Moves each pick's start so that `offset` elements, fewer than there are, are skipped in all. O(k log k
 * log n) for k trees: each step goes down one level in one tree.
 *
 * All near sides together hold everything before the last root at least. If they are more than the target,
 * that root has target elements before it, and it and what is behind it are out. Otherwise the first root,
 * which has less than the near sides before it, is in, with its left side.
 *
 * What the range of time or the cursor has cut off at the front is before everything else in all trees
 * alike, so it just adds to the target. */
static void pick_offset(struct picks *p, uint64_t offset)
{
	struct descent d = {.kind = p->kind, .target = offset};

	d.first.kind = d.last.kind = p->kind;
	d.first.element = d.last.element = d.at;
	d.first.sign = 1;
	d.last.sign = -1;
	for (unsigned i = 0; i < p->count; i++) {
		d.target += p->from[i];
		d.at[i] = p->root[i];
		d.near += near_side(&d, i);
		heap_add(&d.first, i);
		heap_add(&d.last, i);
	}
	while (d.target > 0 && d.first.count > 0) {
		bool take = d.near <= d.target;

		descent_move(&d, take ? d.first.tree[0] : d.last.tree[0], take);
	}
	for (unsigned i = 0; i < p->count; i++)
		p->from[i] = d.taken[i];
}

/* ---- pages */

struct source {
	struct tree_walk walk;
	uint32_t left; /* elements after the current one */
};

/* So many entries are looked up before they are asked for: meanwhile first the entry, then the record
 * comes from memory. */
enum { PAGE_AHEAD = 4, RECORD_AHEAD = 512, CACHE_LINE = 64 };

struct page {
	const struct table *table;
	uint32_t ahead[PAGE_AHEAD];
	unsigned ahead_first, ahead_count;
	struct heap heap;
	uint32_t element[PICKS_MAX];
	struct source sources[];
};

static void pick_skip(struct picks *p, uint64_t offset)
{
	if (offset >= picks_total(p))
		p->count = 0;
	else if (p->count == 1)
		p->from[0] += (uint32_t)offset;
	else if (offset > 0)
		pick_offset(p, offset);
}

struct page *page_open(const struct table *t, const struct selection *s, uint64_t offset,
                       const struct position *behind)
{
	struct picks picks;

	picks_of(&picks, t, s);
	if (behind)
		pick_behind(&picks, behind);
	pick_skip(&picks, offset);

	struct page *p = mem_alloc(sizeof(*p) + picks.count * sizeof(p->sources[0]));
	p->table = t;
	p->ahead_first = p->ahead_count = 0;
	p->heap.kind = picks.kind;
	p->heap.element = p->element;
	p->heap.sign = 1;
	p->heap.count = 0;
	for (unsigned i = 0; i < picks.count; i++) {
		if (picks.from[i] == picks.to[i])
			continue;
		tree_walk_from(&p->sources[i].walk, picks.kind, picks.root[i], picks.from[i]);
		p->sources[i].left = picks.to[i] - picks.from[i] - 1;
		p->element[i] = tree_walk_next(&p->sources[i].walk);
		heap_add(&p->heap, i);
	}
	return p;
}

static uint32_t page_merge(struct page *p)
{
	if (p->heap.count == 0)
		return 0;
	unsigned top = p->heap.tree[0];
	struct source *s = &p->sources[top];
	uint32_t e = p->element[top];
	if (s->left == 0) {
		heap_remove(&p->heap, top);
	} else {
		s->left--;
		p->element[top] = tree_walk_next(&s->walk);
		heap_fix(&p->heap, top);
	}
	return e;
}

uint32_t page_next(struct page *p)
{
	uint32_t e;

	while (p->ahead_count < PAGE_AHEAD && (e = page_merge(p))) {
		p->ahead[(p->ahead_first + p->ahead_count++) % PAGE_AHEAD] = e;
		__builtin_prefetch(&table_entry(p->table, e)->record);
	}
	if (p->ahead_count == 0)
		return 0;
	e = p->ahead[p->ahead_first];
	p->ahead_first = (p->ahead_first + 1) % PAGE_AHEAD;
	if (--p->ahead_count > 0) {
		const struct record *soon = table_entry(p->table, p->ahead[p->ahead_first])->record;

		for (int line = 0; line < RECORD_AHEAD; line += CACHE_LINE)
			__builtin_prefetch((const char *)soon + line);
	}
	return e;
}

void page_close(struct page *p)
{
	free(p);
}

/* ---- groups, ends */

struct group {
	struct span value;
	uint64_t count;
};

static int by_count(const void *x, const void *y)
{
	const struct group *p = x, *q = y;

	if (p->count != q->count)
		return p->count > q->count ? -1 : 1;
	return compare_text(p->value, q->value);
}

static uint64_t group_count(const struct table *t, const struct selection *s, const struct choice *a,
                            const struct choice *b)
{
	struct picks picks;

	pick_trees(&picks, t, BY_TIME, a, b);
	pick_times(&picks, s->after, s->before);
	return picks_total(&picks);
}

void table_groups(const struct table *t, const struct selection *s, bool by_b,
                  void (*each)(void *context, struct span value, uint64_t count), void *context)
{
	enum dimension own_dimension = by_b ? DIMENSION_B : DIMENSION_A;
	const struct values *v = &t->values[own_dimension];
	struct choice chosen[DIMENSIONS] = {choose(&t->values[DIMENSION_A], s->a, s->a_count),
	                                    choose(&t->values[DIMENSION_B], s->b, s->b_count)};
	struct choice own = chosen[own_dimension];
	uint32_t candidates = own.any ? v->slab.used : own.count;
	struct group *groups = mem_alloc(candidates * sizeof(*groups));
	size_t found = 0;

	for (uint32_t i = 0; i < candidates; i++) {
		uint32_t n = own.any ? i + 1 : own.at[i];
		if (value_at(v, n)->refs == 0)
			continue;
		chosen[own_dimension] = (struct choice){.count = 1, .at = {n}};
		uint64_t count = group_count(t, s, &chosen[DIMENSION_A], &chosen[DIMENSION_B]);
		if (count > 0)
			groups[found++] = (struct group){value_text(v, n), count};
	}
	qsort(groups, found, sizeof(*groups), by_count);
	for (size_t i = 0; i < found; i++)
		each(context, groups[i].value, groups[i].count);
	free(groups);
}

uint32_t table_ended_count(const struct table *t, int64_t before)
{
	return tree_before(&t->kinds[VIEW_END], t->ended, &before);
}

uint32_t table_ended_at(const struct table *t, uint32_t place)
{
	return tree_at(&t->kinds[VIEW_END], t->ended, place);
}
