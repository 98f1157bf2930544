#include "daemon/table.h"
#include "daemon/shelf.h"
#include "proto/ident.h"
#include "proto/mem.h"
#include "proto/scan.h"
#include <assert.h>
#include <endian.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>

enum order { BY_TIME, BY_ID, ORDERS, BY_END = ORDERS, KINDS };
enum dimension { DIMENSION_A, DIMENSION_B, DIMENSIONS };

/* The views of one order stand in the order all, a, b, ab. */
enum { VIEWS_PER_ORDER = VIEW_ID_ALL - VIEW_TIME_ALL };

static_assert(sizeof(struct entry) == 64, "an entry is one cache line");

/* What a client can make large; the rest of a scratch buffer's memory is given back. */
enum { SCRATCH_KEEP = 4096 };

/* A status, type, kind or run id that at least one record has, and the trees of exactly those records. */
struct value {
	struct hash_link link;
	char *text;
	uint32_t len, refs;
	struct tree tree[ORDERS];
};

struct pair {
	struct hash_link link;
	uint32_t at[DIMENSIONS]; /* values */
	uint32_t refs;
	struct tree tree[ORDERS];
};

/* A key and a value's text that at least one run's meta has, and the postings of it, newest run first. The texts
 * are read in a record. */
struct meaning {
	struct hash_link link;
	struct tree postings;
};

/* One member of a run's meta; `at` is where it stands in what the record keeps. */
struct posting {
	uint32_t entry, next;
	uint32_t meaning;
	uint32_t at;
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
	struct tree_kind kinds[KINDS];
	struct values values[DIMENSIONS];
	struct slab pairs;
	struct hash pair_by_values;
	struct slab postings, meanings;
	struct hash by_meaning;
	struct tree_kind posting_kind;
	struct tree all[ORDERS], ended;
	uint64_t count, text_bytes, record_bytes, tree_bytes[KINDS], posting_bytes;
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

/* Newest first. STAMP_NONE is the smallest time, so records without one come last. */
static uint64_t newest_first(int64_t time)
{
	return ~((uint64_t)time ^ UINT64_C(1) << 63);
}

static uint64_t oldest_first(int64_t time)
{
	return ~newest_first(time);
}

/* Keys of elements, as trees want them: the words of an id, behind a time for the orders that have one. */
enum {
	ID_WORDS = (IDENT_MAX + 7) / 8 + 1, /* the last is 0: what is behind an id has 1 there */
	TIME_WORDS = 1 + ID_WORDS,
};
static_assert((int)TIME_WORDS <= (int)TREE_KEY_WORDS, "a time and an id make a key");

static uint64_t id_word(const struct entry *x, unsigned n)
{
	return n == 0 ? x->id_start : start_of(record_id(x->record), n * sizeof(uint64_t));
}

static uint64_t word_by_id(const struct tree_kind *k, uint32_t e, unsigned n)
{
	return id_word(slab_at(k->context, e), n);
}

static uint64_t word_by_time(const struct tree_kind *k, uint32_t e, unsigned n)
{
	const struct entry *x = slab_at(k->context, e);

	return n == 0 ? newest_first(x->time) : id_word(x, n - 1);
}

static uint64_t word_by_end(const struct tree_kind *k, uint32_t e, unsigned n)
{
	const struct entry *x = slab_at(k->context, e);

	return n == 0 ? oldest_first(x->end) : id_word(x, n - 1);
}

/* Postings, by the time and the id of their run; one run can have several of one meaning. */
static uint64_t word_of_posting(const struct tree_kind *k, uint32_t p, unsigned n)
{
	const struct table *t = k->context;

	if (n + 1 == k->words)
		return p;
	const struct posting *posting = slab_at(&t->postings, p);
	const struct entry *x = slab_at(&t->entries, posting->entry);
	return n == 0 ? newest_first(x->time) : id_word(x, n - 1);
}

/* The place right behind an id, in the words of a key from `at` on. */
static void put_behind(struct tree_key *key, unsigned at, struct span id)
{
	unsigned n = 0;

	for (; n * sizeof(uint64_t) < id.len && n + 1 < ID_WORDS; n++)
		key->words[at + n] = start_of(id, n * sizeof(uint64_t));
	key->words[at + n] = 1;
}

/* ---- making and unmaking */

static void kinds_init(struct table *t)
{
	t->kinds[BY_TIME] = (struct tree_kind){word_by_time, &t->entries, TIME_WORDS, &t->tree_bytes[BY_TIME]};
	t->kinds[BY_ID] = (struct tree_kind){word_by_id, &t->entries, ID_WORDS, &t->tree_bytes[BY_ID]};
	t->kinds[BY_END] = (struct tree_kind){word_by_end, &t->entries, TIME_WORDS, &t->tree_bytes[BY_END]};
	/* an id's last word is always 0: the posting's number is in its place */
	t->posting_kind = (struct tree_kind){word_of_posting, t, TIME_WORDS, &t->posting_bytes};
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
	slab_init(&t->meanings, sizeof(struct meaning));
	hash_init(&t->by_meaning, &t->meanings, offsetof(struct meaning, link));
	kinds_init(t);
	return t;
}

static void trees_done(struct table *t, struct tree trees[])
{
	for (int order = 0; order < ORDERS; order++)
		tree_done(&t->kinds[order], &trees[order]);
}

static void values_done(struct table *t, struct values *v)
{
	for (uint32_t n = 1; n <= v->slab.used; n++) {
		struct value *value = slab_at(&v->slab, n);

		if (value->refs == 0)
			continue;
		trees_done(t, value->tree);
		free(value->text);
	}
	hash_done(&v->by_text);
	slab_done(&v->slab);
}

static void pairs_done(struct table *t)
{
	for (uint32_t n = 1; n <= t->pairs.used; n++) {
		struct pair *pair = slab_at(&t->pairs, n);

		if (pair->refs > 0)
			trees_done(t, pair->tree);
	}
	hash_done(&t->pair_by_values);
	slab_done(&t->pairs);
}

static void postings_done(struct table *t)
{
	for (uint32_t n = 1; n <= t->meanings.used; n++) {
		struct meaning *meaning = slab_at(&t->meanings, n);

			tree_done(&t->posting_kind, &meaning->postings);
	}
	hash_done(&t->by_meaning);
	slab_done(&t->meanings);
	slab_done(&t->postings);
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
	trees_done(t, t->all);
	tree_done(&t->kinds[BY_END], &t->ended);
	for (int d = 0; d < DIMENSIONS; d++)
		values_done(t, &t->values[d]);
	pairs_done(t);
	postings_done(t);
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

enum { LINE = 64, LINES_FETCHED = 10, LIVE_LINES_FETCHED = 3 }; /* of the processor's cache; most are not longer */

static void fetch_record(const struct entry *n)
{
	const char *at = (const char *)n->record;

	for (int i = 0; at && i < LINES_FETCHED; i++)
		__builtin_prefetch(at + (size_t)i * LINE);
	if (n->record && n->live)
		__builtin_prefetch(n->live);
}

/* Of the record only the id is looked at. */
static void fetch_progress(const struct entry *n)
{
	const char *at = (const char *)n->live;

	__builtin_prefetch(n->record);
	for (int i = 0; at && i < LIVE_LINES_FETCHED; i++)
		__builtin_prefetch(at + (size_t)i * LINE, 1);
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
	case FETCH_PROGRESS:
		e = hash_first(&t->by_id, hash);
		if (e)
			fetch_progress(table_entry(t, e));
		break;
	}
}

struct record *table_get(const struct table *t, struct span id)
{
	uint32_t e = table_find(t, id);

	return e ? table_entry(t, e)->record : NULL;
}

static uint64_t memory_of(const struct record *r) { return shelf_size(record_bytes(r)); }

uint64_t table_kept(const struct table *t) { return t->record_bytes; }

uint64_t table_overhead(const struct table *t)
{
	uint64_t bytes = sizeof(*t) + t->posting_bytes;

	for (int order = 0; order < KINDS; order++)
		bytes += t->tree_bytes[order];
	bytes += slab_bytes(&t->entries) + hash_bytes(&t->by_id);
	for (int d = 0; d < DIMENSIONS; d++)
		bytes += slab_bytes(&t->values[d].slab) + hash_bytes(&t->values[d].by_text) + t->values[d].text_bytes;
	bytes += slab_bytes(&t->pairs) + hash_bytes(&t->pair_by_values);
	return bytes + slab_bytes(&t->postings) + slab_bytes(&t->meanings) + hash_bytes(&t->by_meaning);
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
	assert(value->tree[BY_TIME].count == 0 && value->tree[BY_ID].count == 0);
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
	assert(pair->tree[BY_TIME].count == 0 && pair->tree[BY_ID].count == 0);
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

/* The trees of a view are those of all records, of each value of a dimension or of each pair. */
enum grouping { OF_ALL, OF_A, OF_B, OF_PAIR };

static enum grouping grouping_of(int view)
{
	return view == VIEW_END ? OF_ALL : (enum grouping)(view % VIEWS_PER_ORDER);
}

/* Which of the view's trees the records with this pair are in. */
static uint32_t group_of(const struct table *t, int view, uint32_t pair)
{
	switch (grouping_of(view)) {
	case OF_A:
		return pair_at(t, pair)->at[DIMENSION_A];
	case OF_B:
		return pair_at(t, pair)->at[DIMENSION_B];
	case OF_PAIR:
		return pair;
	case OF_ALL:
		break;
	}
	return 1;
}

static uint32_t last_group(const struct table *t, int view)
{
	switch (grouping_of(view)) {
	case OF_A:
		return t->values[DIMENSION_A].slab.used;
	case OF_B:
		return t->values[DIMENSION_B].slab.used;
	case OF_PAIR:
		return t->pairs.used;
	case OF_ALL:
		break;
	}
	return 1;
}

static struct tree *group_tree(struct table *t, int view, uint32_t group)
{
	int order = view / VIEWS_PER_ORDER;

	switch (grouping_of(view)) {
	case OF_A:
		return &value_at(&t->values[DIMENSION_A], group)->tree[order];
	case OF_B:
		return &value_at(&t->values[DIMENSION_B], group)->tree[order];
	case OF_PAIR:
		return &pair_at(t, group)->tree[order];
	case OF_ALL:
		break;
	}
	return view == VIEW_END ? &t->ended : &t->all[order];
}

static struct tree *view_tree(struct table *t, int view, uint32_t pair)
{
	return group_tree(t, view, group_of(t, view, pair));
}

static const struct tree_kind *view_kind(const struct table *t, int view)
{
	return &t->kinds[view == VIEW_END ? BY_END : view / VIEWS_PER_ORDER];
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
                         void (*change)(const struct tree_kind *k, struct tree *tree, uint32_t element))
{
	const struct entry *n = table_entry(t, e);

	if (n->end == STAMP_NONE)
		views &= ~VIEWS_OF_END;
	for (int v = 0; v < VIEW_COUNT; v++)
		if (views & 1u << v)
			change(view_kind(t, v), view_tree(t, v, n->pair), e);
}

/* ---- meta */

static struct posting *posting_at(const struct table *t, uint32_t p)
{
	return slab_at(&t->postings, p);
}

static struct meaning *meaning_at(const struct table *t, uint32_t m)
{
	return slab_at(&t->meanings, m);
}

static uint32_t meta_hash(const struct table *t, struct span key, struct span value)
{
	uint32_t both[] = {hash_of(&t->by_meaning, key), hash_of(&t->by_meaning, value)};

	return hash_of(&t->by_meaning, (struct span){(const char *)both, sizeof(both)});
}

/* What find_by_meta compares: a string's own text, else the JSON text as it is stored. */
static struct span meta_text(struct span value, struct buf *scratch)
{
	struct span text;

	scratch->len = 0;
	return scan_string(value, scratch, &text) ? text : value;
}

/* The next JSON value; *rest then begins behind it. */
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
	const struct record *r = table_entry(t, posting->entry)->record;
	struct span text = {r->kept + posting->at, r->head_len + r->packed_len - posting->at}, name, found;

	if (!value_next(&text, &name) || !span_is(meta_text(name, &t->other_text), key))
		return false;
	if (text.len == 0 || text.at[0] != ':')
		return false;
	text = (struct span){text.at + 1, text.len - 1};
	return value_next(&text, &found) && span_is(meta_text(found, &t->other_text), value);
}

/* 0: no run has this key and value. */
static uint32_t meaning_find(struct table *t, uint32_t hash, struct span key, struct span value)
{
	uint32_t m = hash_first(&t->by_meaning, hash);

	while (m != 0 && !posting_is(t, tree_at(&meaning_at(t, m)->postings, 0), key, value))
		m = hash_next(&t->by_meaning, m, hash);
	return m;
}

static uint32_t meaning_take(struct table *t, struct span key, struct span value)
{
	uint32_t hash = meta_hash(t, key, value), m = meaning_find(t, hash, key, value);

	if (m == 0) {
		m = slab_take(&t->meanings);
		hash_add(&t->by_meaning, m, hash);
	}
	return m;
}

static void posting_add(struct table *t, uint32_t e, struct span raw_name, struct span raw_value)
{
	struct entry *n = table_entry(t, e);
	struct span key;

	t->key_text.len = 0;
	if (!scan_unescape(raw_name, &t->key_text, &key))
		return;
	uint32_t m = meaning_take(t, key, meta_text(raw_value, &t->value_text)), p = slab_take(&t->postings);
	*posting_at(t, p) = (struct posting){
		.entry = e,
		.next = n->postings,
		.meaning = m,
		.at = (uint32_t)(raw_name.at - 1 - n->record->kept),
	};
	n->postings = p;
	tree_insert(&t->posting_kind, &meaning_at(t, m)->postings, p);
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
		uint32_t p = n->postings, m = posting_at(t, p)->meaning;
		struct tree *tree = &meaning_at(t, m)->postings;

		n->postings = posting_at(t, p)->next;
		tree_remove(&t->posting_kind, tree, p);
		slab_give(&t->postings, p);
		if (tree->count > 0)
			continue;
		hash_remove(&t->by_meaning, m);
		slab_give(&t->meanings, m);
	}
}

uint32_t table_find_meta(const struct table *t, struct span key, struct span value)
{
	/* the scratch buffers are no part of what the table is */
	struct table *own = (struct table *)t;
	uint32_t m = meaning_find(own, meta_hash(t, key, value), key, value);

	own->other_text.len = 0;
	buf_trim(&own->other_text, SCRATCH_KEEP);
	return m ? posting_at(t, tree_at(&meaning_at(t, m)->postings, 0))->entry : 0;
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
	n->id_start = start_of(id, 0);
	hash_add(&t->by_id, e, hash);
	return e;
}

static void count_in(struct table *t, const struct record *r)
{
	t->count++;
	t->text_bytes += r->len;
	t->record_bytes += memory_of(r);
}

static void count_out(struct table *t, const struct record *r)
{
	t->count--;
	t->text_bytes -= r->len;
	t->record_bytes -= memory_of(r);
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

enum { LOADED_APART = 100 };

/* One order that is being loaded. */
struct ordering {
	struct table *table;
	enum order order;
	struct tree_item *all;
	const struct tree_item **dealt; /* room for as many */
	size_t count;
	pthread_t thread;
	bool apart;                     /* in that thread */
};

static int sort_in_order(const void *x, const void *y, void *kind)
{
	const struct tree_item *p = x, *q = y;

	for (int i = 0; i < TREE_ITEM_WORDS; i++)
		if (p->words[i] != q->words[i])
			return p->words[i] < q->words[i] ? -1 : 1;
	return tree_compare(kind, p->element, q->element);
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

static void sort_records(struct ordering *o)
{
	struct table *t = o->table;
	struct tree_kind *kind = &t->kinds[o->order];

	for (uint32_t e = 1; e <= table_last(t); e++) {
		const struct entry *n = table_entry(t, e);

		if (!n->record || (o->order == BY_END && n->end == STAMP_NONE))
			continue;
		o->all[o->count].element = e;
		o->all[o->count].group = n->pair;
		for (unsigned i = 0; i < TREE_ITEM_WORDS; i++)
			o->all[o->count].words[i] = kind->word(kind, e, i);
		o->count++;
	}
	qsort_r(o->all, o->count, sizeof(*o->all), sort_in_order, kind);
}

/* The records are dealt out to the view's trees, and stay in order in each. */
static void fill_view(struct ordering *o, int view)
{
	struct table *t = o->table;
	uint32_t last = last_group(t, view), from = 0;
	uint32_t *end = mem_zero((last + (size_t)1) * sizeof(*end));

	for (size_t i = 0; i < o->count; i++)
		end[group_of(t, view, o->all[i].group)]++;
	for (uint32_t g = 0; g <= last; g++) {
		uint32_t count = end[g];
		end[g] = from;
		from += count;
	}
	for (size_t i = 0; i < o->count; i++)
		o->dealt[end[group_of(t, view, o->all[i].group)]++] = &o->all[i];
	for (uint32_t g = 1; g <= last; g++)
		if (end[g] > end[g - 1])
			tree_fill(view_kind(t, view), group_tree(t, view, g), o->dealt + end[g - 1], end[g] - end[g - 1]);
	free(end);
}

static void *load_order(void *ordering)
{
	static const unsigned views_of[KINDS] = {VIEWS_OF_TIME, VIEWS_OF_ID, VIEWS_OF_END};
	struct ordering *o = ordering;

	o->all = mem_alloc(o->table->count * sizeof(*o->all));
	o->dealt = mem_alloc(o->table->count * sizeof(*o->dealt));
	sort_records(o);
	for (int v = 0; v < VIEW_COUNT; v++)
		if (views_of[o->order] & 1u << v)
			fill_view(o, v);
	free(o->dealt);
	free(o->all);
	return NULL;
}

/* The orders share no tree: those of all but tiny tables are loaded side by side, as far as there are threads to be
 * had. Signals are for others. */
static void load_orders(struct table *t)
{
	struct ordering orders[KINDS];
	sigset_t every, before;

	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, &before);
	for (int i = 0; i < KINDS; i++) {
		struct ordering *o = &orders[i];

		*o = (struct ordering){.table = t, .order = (enum order)i};
		o->apart = i > 0 && t->count >= LOADED_APART && pthread_create(&o->thread, NULL, load_order, o) == 0;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	for (int i = 0; i < KINDS; i++)
		if (!orders[i].apart)
			load_order(&orders[i]);
	for (int i = 0; i < KINDS; i++)
		if (orders[i].apart)
			pthread_join(orders[i].thread, NULL);
}

static void load_postings(struct table *t)
{
	struct record_keys keys;

	for (uint32_t e = 1; t->kind == TABLE_RUNS && e <= table_last(t); e++) {
		const struct entry *n = table_entry(t, e);
		if (!n->record)
			continue;
		record_keys(t->kind, n->record, &keys);
		postings_add(t, e, keys.meta);
	}
}

void table_load_end(struct table *t)
{
	assert(t->loading);
	t->loading = false;
	load_orders(t);
	load_postings(t);
}

/* ---- selections */

enum { PICKS_MAX = SPEC_FILTER_MAX * SPEC_FILTER_MAX };

/* The trees that a selection reads, each from place `from` up to place `to`. */
struct picks {
	const struct tree_kind *kind;
	unsigned count;
	const struct tree *tree[PICKS_MAX];
	uint32_t from[PICKS_MAX], to[PICKS_MAX];
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

static void pick_add(struct picks *p, const struct tree *tree)
{
	p->tree[p->count] = tree;
	p->from[p->count] = 0;
	p->to[p->count++] = tree->count;
}

static void pick_pairs(struct picks *p, const struct table *t, enum order order, const struct choice *a,
                       const struct choice *b)
{
	for (unsigned i = 0; i < a->count; i++)
		for (unsigned j = 0; j < b->count; j++) {
			uint32_t pair = pair_find(t, a->at[i], b->at[j]);

			if (pair != 0)
				pick_add(p, &pair_at(t, pair)->tree[order]);
		}
}

static void pick_values(struct picks *p, const struct table *t, enum order order, enum dimension d,
                        const struct choice *c)
{
	for (unsigned i = 0; i < c->count; i++)
		pick_add(p, &value_at(&t->values[d], c->at[i])->tree[order]);
}

static void pick_trees(struct picks *p, const struct table *t, enum order order, const struct choice *a,
                       const struct choice *b)
{
	assert(!t->loading);
	p->kind = &t->kinds[order];
	p->count = 0;
	if (!a->any && !b->any)
		pick_pairs(p, t, order, a, b);
	else if (!a->any)
		pick_values(p, t, order, DIMENSION_A, a);
	else if (!b->any)
		pick_values(p, t, order, DIMENSION_B, b);
	else
		pick_add(p, &t->all[order]);
}

/* A range of time is a range of places in each tree. */
static void pick_times(struct picks *p, int64_t after, int64_t before)
{
	if (after == STAMP_NONE && before == STAMP_NONE)
		return;
	/* a record without a time is in no range, so an open end stops short of STAMP_NONE */
	int64_t last = after == STAMP_NONE ? STAMP_NONE + 1 : after;
	struct tree_key begin = {{newest_first(before) + 1}}, end = {{newest_first(last) + 1}};
	for (unsigned i = 0; i < p->count; i++) {
		p->to[i] = tree_before(p->kind, p->tree[i], &end);
		if (before != STAMP_NONE)
			p->from[i] = tree_before(p->kind, p->tree[i], &begin);
		if (p->from[i] > p->to[i])
			p->from[i] = p->to[i];
	}
}

static void pick_behind(struct picks *p, enum order order, const struct position *behind)
{
	struct tree_key key = {0};

	assert(behind->id.at);
	if (order == BY_TIME)
		key.words[0] = newest_first(behind->time);
	put_behind(&key, order == BY_TIME ? 1 : 0, behind->id);
	for (unsigned i = 0; i < p->count; i++) {
		uint32_t from = tree_before(p->kind, p->tree[i], &key);
		if (from > p->from[i])
			p->from[i] = from < p->to[i] ? from : p->to[i];
	}
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

/* ---- a heap of trees, each standing at one of its elements, the first of all on top */

struct heap {
	const struct tree_kind *kind;
	const uint32_t *element; /* of each tree; not 0 for those in the heap */
	unsigned count;
	uint16_t tree[PICKS_MAX];
	uint16_t where[PICKS_MAX]; /* of each tree, its index in `tree` */
};

static bool heap_above(const struct heap *h, unsigned x, unsigned y)
{
	return tree_compare(h->kind, h->element[x], h->element[y]) < 0;
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

/* So few elements are skipped one by one. */
enum { OFFSET_NEAR = 32 };

/* By how much of it is undecided. A Weyl sequence draws as well as chance would here. */
static unsigned draw_tree(const struct picks *p, const uint32_t end[], uint64_t undecided, unsigned round)
{
	uint64_t drawn = (round + 1) * UINT64_C(0x9e3779b97f4a7c15) % undecided;
	unsigned i = 0;

	/* what is undecided is the sum of these. NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
	for (; drawn >= end[i] - p->from[i]; i++)
		drawn -= end[i] - p->from[i];
	return i;
}

/* How far into that tree to look: as far as the offset is into all, since most trees are alike, and every other
 * time the middle, for those that are not. */
static uint32_t look_at(uint32_t width, uint64_t undecided, uint64_t offset, unsigned round)
{
	if (round % 2)
		return width / 2;
	return offset < undecided ? (uint32_t)(width * offset / undecided) : width - 1;
}

/* Moves each pick's start so that `offset` elements in all, fewer than there are, are skipped but for a few;
 * returns how many. A quickselect over all trees at once (Hoare's FIND): an element is drawn, each tree tells
 * how many of its undecided ones are before it, and all on one side of it are decided. O(log n) rounds are
 * expected, each of which costs O(log n) a tree. */
static uint64_t pick_offset(struct picks *p, uint64_t offset)
{
	uint32_t end[PICKS_MAX], before[PICKS_MAX];
	uint64_t undecided = picks_total(p);

	memcpy(end, p->to, p->count * sizeof(*end));
	for (unsigned round = 0; offset > OFFSET_NEAR; round++) {
		unsigned own = draw_tree(p, end, undecided, round);
		uint32_t far = look_at(end[own] - p->from[own], undecided, offset, round);
		uint32_t pivot = tree_at(p->tree[own], p->from[own] + far);
		uint64_t sum = 0;
		for (unsigned i = 0; i < p->count; i++) {
			before[i] = p->from[i];
			if (p->from[i] < end[i])
				before[i] = tree_before_element(p->kind, p->tree[i], pivot);
			before[i] = before[i] < p->from[i] ? p->from[i] : before[i] > end[i] ? end[i] : before[i];
			sum += before[i] - p->from[i];
		}
		bool skipped = sum < offset; /* the pivot too */
		memcpy(skipped ? p->from : end, before, p->count * sizeof(*before));
		p->from[own] += skipped;
		offset -= skipped ? sum + 1 : 0;
		undecided = skipped ? undecided - sum - 1 : sum;
	}
	return offset;
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

/* How many of the offset are still to be skipped. */
static uint64_t pick_skip(struct picks *p, uint64_t offset)
{
	if (offset >= picks_total(p))
		p->count = 0;
	else if (p->count == 1)
		p->from[0] += (uint32_t)offset;
	else
		return pick_offset(p, offset);
	return 0;
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

struct page *page_open(const struct table *t, const struct selection *s, uint64_t offset,
                       const struct position *behind)
{
	struct picks picks;

	picks_of(&picks, t, s);
	if (behind)
		pick_behind(&picks, s->by_id ? BY_ID : BY_TIME, behind);
	offset = pick_skip(&picks, offset);

	struct page *p = mem_alloc(sizeof(*p) + picks.count * sizeof(p->sources[0]));
	p->table = t;
	p->ahead_first = p->ahead_count = 0;
	p->heap.kind = picks.kind;
	p->heap.element = p->element;
	p->heap.count = 0;
	for (unsigned i = 0; i < picks.count; i++) {
		if (picks.from[i] == picks.to[i])
			continue;
		tree_walk_from(&p->sources[i].walk, picks.tree[i], picks.from[i]);
		p->sources[i].left = picks.to[i] - picks.from[i] - 1;
		p->element[i] = tree_walk_next(&p->sources[i].walk);
		heap_add(&p->heap, i);
	}
	while (offset-- > 0)
		page_merge(p);
	return p;
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
	return tree_before(&t->kinds[BY_END], &t->ended, &(struct tree_key){{oldest_first(before)}});
}

uint32_t table_ended_at(const struct table *t, uint32_t place)
{
	return tree_at(&t->ended, place);
}
