#include "daemon/store.h"
#include "daemon/gather.h"
#include "proto/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <time.h>

/* A batch is closed at this size, so that applying one never holds the loop for long;
 * a call's changes stay together. */
enum { BATCH_CHANGES_MAX = 512, BATCH_BYTES_MAX = 4 << 20 };

enum item_kind { ITEM_CHANGE, ITEM_TICKET };

struct batch_item {
	enum item_kind kind;
	struct batch_item *next;
};

struct change {
	struct batch_item item;
	enum table_id table;
	uint32_t entry;
	uint64_t batch;
	struct record *record;   /* NULL: the record is deleted */
	struct record_keys keys; /* of record */
	struct live *live;       /* progress that arrived while this is pending */
	bool superseded;         /* a later change of the same batch makes it invisible to the disk */
	char id_len;
	char id[];
};

struct waiter {
	struct batch_item item;
	struct ticket *ticket; /* NULL: nobody any more */
};

struct payload {
	struct payload *next;
	bool unlink, stays;
	struct span text;
	char name[IDENT_ARTIFACT_MAX + 8];
	char bytes[];
};

/* Where a batch's items are: they come together and go together. */
struct chunk {
	struct chunk *next;
	size_t used;
	_Alignas(16) char bytes[];
};

enum { CHUNK_BYTES = 32 << 10, SPARE_CHUNKS = 16, SLICE_LOOKS = 4096 };

struct batch {
	struct journal_batch journal; /* first: the journal hands this back */
	struct store *store;
	struct batch *next;
	uint64_t number;
	struct batch_item *first_item, **last_item;
	struct payload *payloads, **last_payload;
	struct chunk *chunks;
	size_t changes, payload_count;
	uint64_t bytes;
	struct buf texts; /* of its records, while it is in flight */
	uint64_t opened;  /* micros() */
	bool in_flight;
};

/* What a fold has frozen of one table: entries from `cursor` to `end` are
 * still to be handed out as they were at the freeze. */
struct frozen {
	bool active;
	enum table_id table;
	uint32_t cursor, end;
	struct record **kept;  /* by entry: its version at the freeze where it has changed since */
	struct buf texts;      /* handed out by the last slice */
};

struct store {
	struct table *tables[TABLE_COUNT];
	struct committer committer;
	int64_t (*wall_clock)(void);
	int64_t last_time;
	uint64_t revision;          /* committed */
	uint64_t next_revision;
	uint64_t next_batch;
	struct gather gather;
	struct batch *first, *last; /* first may be in flight; last gathers unless it is in flight */
	uint64_t seen;
	bool changed, failing;
	bool live_changed;          /* progress has come since the last fold of the jobs */
	struct frozen frozen;
	struct chunk *spare;
	unsigned spare_count;
	struct buf scratch;
	struct store_stats stats;
};

/* Stands in frozen.kept for "was not there". */
static struct record absent;

struct store *store_new(int64_t (*wall_clock)(void))
{
	struct store *s = mem_zero(sizeof *s);
	for (int t = 0; t < TABLE_COUNT; t++)
		s->tables[t] = table_new((enum table_id)t);
	s->wall_clock = wall_clock;
	s->next_revision = 1;
	s->next_batch = 1;
	return s;
}

static void frozen_release(struct store *s);

void store_free(struct store *s)
{
	assert(!s->first);
	if (s->frozen.active)
		frozen_release(s);
	for (int t = 0; t < TABLE_COUNT; t++)
		table_free(s->tables[t]);
	for (struct chunk *c = s->spare, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	buf_free(&s->frozen.texts);
	buf_free(&s->scratch);
	free(s);
}

void store_set_committer(struct store *s, struct committer c) { s->committer = c; }
struct table *store_table(const struct store *s, enum table_id t) { return s->tables[t]; }
uint64_t store_revision(const struct store *s) { return s->revision; }
uint64_t store_next_revision(const struct store *s) { return s->next_revision; }
uint64_t store_seen(const struct store *s) { return s->seen; }
bool store_changed(const struct store *s) { return s->changed; }
bool store_idle(const struct store *s) { return !s->first; }
uint64_t store_last_batch(const struct store *s) { return s->last ? s->last->number : 0; }

void store_stats(const struct store *s, struct store_stats *to) { *to = s->stats; }

struct record *store_get(const struct store *s, enum table_id t, struct span id, const struct live **live)
{
	uint32_t e = table_find(s->tables[t], id);
	struct entry *entry = e ? table_entry(s->tables[t], e) : NULL;
	if (!entry || !entry->record)
		return NULL;
	if (live)
		*live = entry->live;
	return entry->record;
}

int64_t store_now(struct store *s)
{
	int64_t now = s->wall_clock();
	if (now <= s->last_time)
		now = s->last_time + 1;
	s->last_time = now;
	return now;
}

/* ---- loading */

static bool refuse(struct fault *fault, size_t *at, const char *message)
{
	fault_set(fault, FAULT_INVALID_PARAMS, "%s", message);
	*at = 0;
	return false;
}

/* Server times go on from the newest that a daemon has written here, even if the clock went back since. (Up
 * to the year 9000: beyond it there is no room to go on.) */
#define LAST_SANE_TIME INT64_C(221845392000000000)

static void remember(struct store *s, const struct record *r, int64_t changed)
{
	if (r->revision > s->revision)
		s->revision = r->revision;
	if (changed > s->last_time && changed < LAST_SANE_TIME)
		s->last_time = changed;
}

static struct record *load_record(struct store *s, enum table_id t, struct span text, bool trusted,
                                  struct record_keys *keys, struct fault *fault, size_t *at)
{
	if (!trusted) {
		s->scratch.len = 0;
		if (!record_read(&s->scratch, t, text, s->revision + 1, false, s->wall_clock(), fault, at))
			return NULL;
		text = buf_as_span(&s->scratch);
	}
	int64_t changed;
	struct record *r = record_load(NULL, t, text, keys, &changed);
	if (!r) {
		refuse(fault, at,
		       "is no record of this table although the checksum is right: the file was made by another "
		       "program");
		return NULL;
	}
	remember(s, r, trusted ? changed : STAMP_NONE);
	return r;
}

static bool enter(struct store *s, enum table_id t, struct record *r, const struct record_keys *keys,
                  struct fault *fault)
{
	uint32_t e = table_claim(s->tables[t], record_id(r));
	if (table_entry(s->tables[t], e)->record) {
		fault_set(fault, FAULT_INVALID_PARAMS, "the id %.*s stands twice in this file", (int)record_id(r).len,
		          record_id(r).at);
		fault_hint(fault, "remove one of the two records");
		record_unref(r);
		return false;
	}
	table_set(s->tables[t], e, r, keys);
	return true;
}

static bool sink_record(void *context, enum table_id t, struct span text, bool trusted, struct fault *fault,
                        size_t *at)
{
	struct store *s = context;
	struct record_keys keys;
	struct record *r = load_record(s, t, text, trusted, &keys, fault, at);
	if (!r)
		return false;
	*at = 0;
	return enter(s, t, r, &keys, fault);
}

static bool sink_take(void *context, enum table_id t, const struct load_record *made, struct fault *fault)
{
	struct store *s = context;
	remember(s, made->record, made->changed);
	return enter(s, t, made->record, &made->keys, fault);
}

static bool sink_put(void *context, enum table_id t, struct span text, bool trusted, struct fault *fault,
                     size_t *at)
{
	struct store *s = context;
	struct record_keys keys;
	struct record *r = load_record(s, t, text, trusted, &keys, fault, at);
	if (!r)
		return false;
	table_set(s->tables[t], table_claim(s->tables[t], record_id(r)), r, &keys);
	return true;
}

static bool sink_remove(void *context, enum table_id t, struct span id, struct fault *fault)
{
	struct store *s = context;
	(void)fault;
	uint32_t e = table_find(s->tables[t], id);
	if (e) {
		table_clear(s->tables[t], e);
		table_drop(s->tables[t], e);
	}
	return true;
}

static void sink_expect(void *context, enum table_id t, uint64_t records)
{
	struct store *s = context;
	table_load_expect(s->tables[t], records);
}

/* Where each of them will go is found for all of them together: nearly every look is a cache miss. */
static void sink_coming(void *context, enum table_id t, const struct span ids[], unsigned count)
{
	enum { TOGETHER = 32 };
	const struct table *table = ((struct store *)context)->tables[t];
	uint32_t hashes[TOGETHER];
	if (count > TOGETHER)
		count = TOGETHER;
	for (unsigned i = 0; i < count; i++) {
		hashes[i] = table_hash(table, ids[i]);
		table_fetch(table, hashes[i], FETCH_BUCKET);
	}
	for (unsigned i = 0; i < count; i++)
		table_fetch(table, hashes[i], FETCH_ENTRY);
}

struct load_sink store_sink(struct store *s)
{
	for (int t = 0; t < TABLE_COUNT; t++)
		table_load_begin(s->tables[t]);
	return (struct load_sink){.context = s, .record = sink_record, .take = sink_take, .put = sink_put,
	                          .remove = sink_remove, .expect = sink_expect, .coming = sink_coming};
}

void store_loaded(struct store *s, uint64_t journal_revision)
{
	if (journal_revision > s->revision)
		s->revision = journal_revision;
	s->next_revision = s->revision + 1;
	for (int t = 0; t < TABLE_COUNT; t++)
		table_load_end(s->tables[t]);
}

/* ---- batches */

static uint64_t micros(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static struct batch *batch_open(struct store *s)
{
	struct batch *b = mem_zero(sizeof *b);
	b->store = s;
	b->opened = micros();
	b->number = s->next_batch++;
	b->last_item = &b->first_item;
	b->last_payload = &b->payloads;
	b->journal.first = s->next_revision;
	if (s->last)
		s->last->next = b;
	else
		s->first = b;
	s->last = b;
	return b;
}

static void chunk_take(struct batch *b)
{
	struct store *s = b->store;
	struct chunk *c = s->spare;
	if (c) {
		s->spare = c->next;
		s->spare_count--;
	} else {
		c = mem_alloc(sizeof *c + CHUNK_BYTES);
	}
	c->used = 0;
	c->next = b->chunks;
	b->chunks = c;
}

static void chunks_give(struct batch *b)
{
	struct store *s = b->store;
	for (struct chunk *c = b->chunks, *next; c; c = next) {
		next = c->next;
		if (s->spare_count == SPARE_CHUNKS) {
			free(c);
			continue;
		}
		c->next = s->spare;
		s->spare = c;
		s->spare_count++;
	}
}

/* Cleared, and freed with the batch. */
static void *batch_alloc(struct batch *b, size_t bytes)
{
	bytes = (bytes + 15) & ~(size_t)15;
	assert(bytes <= CHUNK_BYTES);
	if (!b->chunks || CHUNK_BYTES - b->chunks->used < bytes)
		chunk_take(b);
	void *at = b->chunks->bytes + b->chunks->used;
	b->chunks->used += bytes;
	return memset(at, 0, bytes);
}

static struct batch *gathering(struct store *s)
{
	return s->last && !s->last->in_flight ? s->last : batch_open(s);
}

static struct batch *batch_find(const struct store *s, uint64_t number)
{
	for (struct batch *b = s->first; b; b = b->next)
		if (b->number == number)
			return b;
	return NULL;
}

bool store_is_pending(const struct store *s, uint64_t batch) { return s->first && batch >= s->first->number; }

static void batch_grow(struct store *s, struct batch *b, uint64_t bytes)
{
	b->bytes += bytes;
	s->stats.pending_bytes += bytes;
}

static void batch_append(struct batch *b, struct batch_item *item)
{
	item->next = NULL;
	*b->last_item = item;
	b->last_item = &item->next;
}

uint64_t store_wait(struct store *s, struct ticket *t, uint64_t number)
{
	struct batch *b = number ? batch_find(s, number) : gathering(s);
	assert(b);
	struct waiter *w = batch_alloc(b, sizeof *w);
	w->item.kind = ITEM_TICKET;
	w->ticket = t;
	t->item = &w->item;
	batch_append(b, &w->item);
	return b->number;
}

void store_forget(struct ticket *t)
{
	if (t->item)
		((struct waiter *)t->item)->ticket = NULL;
	t->item = NULL;
}

/* ---- judging */

void store_judge(struct store *s)
{
	s->seen = 0;
	s->changed = false;
	/* A batch is full between calls only: what one call changes becomes durable at once or not at all. */
	if (s->last && !s->last->in_flight &&
	    (s->last->changes >= BATCH_CHANGES_MAX || s->last->bytes >= BATCH_BYTES_MAX))
		batch_open(s);
}

void store_apart(struct store *s)
{
	assert(!s->changed);
	if (s->last && !s->last->in_flight && s->last->changes > 0)
		batch_open(s);
}

struct record *store_latest(struct store *s, enum table_id t, struct span id, const struct live **live)
{
	uint32_t e = table_find(s->tables[t], id);
	if (!e)
		return NULL;
	struct entry *entry = table_entry(s->tables[t], e);
	const struct change *c = entry->pending;
	if (!c) {
		if (live)
			*live = entry->record ? entry->live : NULL;
		return entry->record;
	}
	if (c->batch > s->seen)
		s->seen = c->batch;
	if (live)
		*live = c->live;
	return c->record;
}

static void add_change(struct store *s, enum table_id t, struct span id, struct record *r,
                       const struct record_keys *keys)
{
	struct batch *b = gathering(s);
	struct change *c = batch_alloc(b, sizeof *c + id.len + 1);
	c->item.kind = ITEM_CHANGE;
	c->table = t;
	c->entry = table_claim(s->tables[t], id);
	c->batch = b->number;
	c->record = r;
	if (keys)
		c->keys = *keys;
	c->id_len = (char)id.len;
	memcpy(c->id, id.at, id.len);

	struct entry *entry = table_entry(s->tables[t], c->entry);
	if (entry->pending && entry->pending->batch == b->number)
		entry->pending->superseded = true;
	entry->pending = c;
	batch_append(b, &c->item);
	b->changes++;
	batch_grow(s, b, r ? r->len : id.len);
	b->journal.last = s->next_revision++;
	s->changed = true;
	s->stats.pending_changes++;
}

void store_put(struct store *s, enum table_id t, struct span text)
{
	store_put_laid(s, t, text, &(struct layout){.regular = false});
}

struct record *store_put_laid(struct store *s, enum table_id t, struct span text, const struct layout *layout)
{
	struct record_keys keys;
	struct record *r = record_make(t, text, layout, &keys);
	assert(r && r->revision == s->next_revision);
	add_change(s, t, record_id(r), r, &keys);
	return r;
}

static struct payload *add_payload(struct store *s, struct span artifact_id, struct span text, bool unlink)
{
	struct batch *b = gathering(s);
	struct payload *p = mem_alloc(sizeof *p + text.len);
	assert(artifact_id.len <= IDENT_ARTIFACT_MAX);
	p->next = NULL;
	p->unlink = unlink;
	p->stays = false;
	if (text.len)
		memcpy(p->bytes, text.at, text.len);
	p->text = (struct span){p->bytes, text.len};
	memcpy(p->name, artifact_id.at, artifact_id.len);
	memcpy(p->name + artifact_id.len, ".json", 6);
	*b->last_payload = p;
	b->last_payload = &p->next;
	b->payload_count++;
	batch_grow(s, b, text.len);
	return p;
}

void store_payload(struct store *s, struct span artifact_id, struct span text, bool stays)
{
	add_payload(s, artifact_id, text, false)->stays = stays;
}

void store_remove(struct store *s, enum table_id t, struct span id)
{
	char copy[IDENT_MAX + 1];
	assert(id.len <= IDENT_MAX);
	memcpy(copy, id.at, id.len); /* id may be part of the record that goes */
	id.at = copy;
	add_change(s, t, id, NULL, NULL);
	if (t == TABLE_ARTIFACTS)
		add_payload(s, id, (struct span){0}, true);
}

static bool take_id(struct store *s, struct span id, struct span run_id, struct buf *ids)
{
	const struct record *r = store_latest(s, TABLE_ARTIFACTS, id, NULL);
	struct record_keys keys;
	if (!r)
		return false;
	record_keys(TABLE_ARTIFACTS, r, &keys);
	if (!span_is(keys.a, run_id))
		return false;
	buf_span(ids, id);
	buf_char(ids, '\0');
	return true;
}

size_t store_artifacts_of(struct store *s, struct span run_id, size_t max, struct buf *ids)
{
	struct selection selection = {.a = &run_id, .a_count = 1, .after = STAMP_NONE, .before = STAMP_NONE};
	struct page *page = page_open(s->tables[TABLE_ARTIFACTS], &selection, 0, NULL);
	size_t found = 0;
	uint32_t e;
	while (found < max && (e = page_next(page)))
		found += take_id(s, record_id(table_entry(s->tables[TABLE_ARTIFACTS], e)->record), run_id, ids);
	page_close(page);

	for (struct batch *b = s->first; b && found < max; b = b->next)
		for (struct batch_item *i = b->first_item; i && found < max; i = i->next) {
			const struct change *c = (const struct change *)i;
			if (i->kind != ITEM_CHANGE || c->table != TABLE_ARTIFACTS || !c->record)
				continue;
			const struct entry *entry = table_entry(s->tables[TABLE_ARTIFACTS], c->entry);
			if (!entry->record && entry->pending == c) /* committed ones were found above */
				found += take_id(s, record_id(c->record), run_id, ids);
		}
	return found;
}

/* ---- progress */

static void live_set(struct store *s, struct live **slot, struct span text, double current, double total)
{
	struct live *l = *slot;
	if (!l || l->cap < text.len) {
		if (!l)
			s->stats.live_progress++;
		size_t cap = (text.len + 63) & ~(size_t)31; /* the next message may be a little longer */
		l = mem_resize(l, sizeof *l + cap);
		l->cap = (uint32_t)cap;
		*slot = l;
	}
	memcpy(l->text, text.at, text.len);
	l->len = (uint32_t)text.len;
	l->current = current;
	l->total = total;
	s->live_changed = true;
}

static void live_drop(struct store *s, struct live **slot)
{
	if (*slot)
		s->stats.live_progress--;
	free(*slot);
	*slot = NULL;
}

bool store_set_progress(struct store *s, struct span id, struct span object, const struct scan_outline *outline,
                        bool through_deletion, double *percentage)
{
	uint32_t e = table_find(s->tables[TABLE_JOBS], id);
	struct entry *entry = e ? table_entry(s->tables[TABLE_JOBS], e) : NULL;
	struct live **slot;
	if (entry && entry->pending && entry->pending->record) {
		slot = &entry->pending->live;
	} else if (entry && entry->record && (!entry->pending || through_deletion)) {
		slot = &entry->live;
	} else {
		if (entry && entry->pending)
			s->seen = entry->pending->batch;
		return false;
	}
	double current, total;
	s->scratch.len = 0;
	progress_normal(&s->scratch, object, outline, &current, &total);
	live_set(s, slot, buf_as_span(&s->scratch), current, total);
	*percentage = progress_percentage(current, total);
	return true;
}

/* ---- commit */

static void batch_free(struct batch *b)
{
	for (struct payload *p = b->payloads, *next; p; p = next) {
		next = p->next;
		free(p);
	}
	chunks_give(b);
	buf_free(&b->texts);
	free(b->journal.changes);
	free(b->journal.payloads);
	free(b);
}

/* The net effect: of several changes to one record the last. */
static void batch_freeze(struct batch *b)
{
	struct journal_batch *j = &b->journal;
	j->changes = mem_alloc((b->changes + 1) * sizeof *j->changes);
	buf_room(&b->texts, b->bytes);
	for (struct batch_item *i = b->first_item; i; i = i->next) {
		const struct change *c = (const struct change *)i;
		if (i->kind != ITEM_CHANGE || c->superseded)
			continue;
		struct span id = {c->id, (unsigned char)c->id_len};
		size_t from = b->texts.len;
		if (c->record)
			record_text(&b->texts, c->record);
		struct span text = {NULL, b->texts.len - from};
		j->changes[j->change_count++] = (struct segment_change){.table = c->table, .id = id, .text = text};
	}
	/* where they are is known only now that the buffer has stopped growing */
	size_t at = 0;
	for (size_t i = 0; i < j->change_count; i++) {
		struct span *text = &j->changes[i].text;
		if (text->len)
			text->at = b->texts.at + at;
		at += text->len;
	}
	j->payloads = mem_alloc((b->payload_count + 1) * sizeof *j->payloads);
	for (const struct payload *p = b->payloads; p; p = p->next)
		j->payloads[j->payload_count++] = (struct journal_payload){
			.name = p->name, .text = p->unlink ? (struct span){0} : p->text, .stays = p->stays};
}

/* A fold that has not reached the entry yet must write what was there when it began. */
static void keep_for_fold(struct store *s, enum table_id t, uint32_t e)
{
	struct frozen *f = &s->frozen;
	if (!f->active || f->table != t || e < f->cursor || e > f->end || f->kept[e])
		return;
	struct record *r = table_entry(s->tables[t], e)->record;
	f->kept[e] = r ? record_ref(r) : &absent;
}

static void change_apply(struct store *s, struct change *c)
{
	struct table *table = s->tables[c->table];
	struct entry *entry = table_entry(table, c->entry);
	keep_for_fold(s, c->table, c->entry);
	if (entry->pending == c)
		entry->pending = NULL;
	if (entry->record)
		live_drop(s, &entry->live);
	if (c->record) {
		table_set(table, c->entry, c->record, &c->keys);
		entry->live = c->live;
	} else {
		if (entry->record)
			table_clear(table, c->entry);
		if (!entry->pending)
			table_drop(table, c->entry);
	}
	s->stats.changes++;
	s->stats.pending_changes--;
}

static void change_drop(struct store *s, struct change *c)
{
	struct table *table = s->tables[c->table];
	struct entry *entry = table_entry(table, c->entry);
	if (entry->pending) {
		entry->pending = NULL; /* every pending change goes, so the chain needs no care */
		if (!entry->record)
			table_drop(table, c->entry);
	}
	live_drop(s, &c->live);
	record_unref(c->record);
	s->stats.dropped++;
	s->stats.pending_changes--;
}

static void waiter_tell(struct waiter *w, enum store_outcome outcome, const struct disk_error *why)
{
	struct ticket *t = w->ticket;
	if (!t)
		return;
	t->item = NULL;
	t->resolved(t, outcome, why);
}

/* What has been long in coming from the disk has left the processor's cache. Items lie in a row; the entries
 * and records that they are about do not. */
static void fetch_item(const struct store *s, const struct batch_item *i)
{
	const struct change *c = (const struct change *)i;
	if (!i || i->kind != ITEM_CHANGE)
		return;
	const char *entry = (const char *)table_entry(s->tables[c->table], c->entry);
	for (size_t at = 0; at < sizeof(struct entry); at += 64)
		__builtin_prefetch(entry + at);
	__builtin_prefetch(c->record);
}

static void batch_committed(struct store *s, struct batch *b)
{
	s->stats.batches++;
	if (b->changes > s->stats.largest_batch)
		s->stats.largest_batch = b->changes;
	if (b->changes)
		s->revision = b->journal.last;
	for (struct batch_item *i = b->first_item, *next; i; i = next) {
		/* a ticket may make the next call wait for this very batch's number,
		 * which is no longer pending then: next is safe */
		next = i->next;
		fetch_item(s, next ? next->next : NULL); /* mostly every second is a change */
		if (i->kind == ITEM_CHANGE)
			change_apply(s, (struct change *)i);
		else
			waiter_tell((struct waiter *)i, STORE_COMMITTED, NULL);
	}
}

/* First everything that is pending goes, then everyone is told: who is told may judge anew,
 * and must find a clean slate. */
static void drop_all(struct store *s, struct batch *failed, enum store_outcome outcome,
                     const struct disk_error *why)
{
	struct batch *rest = s->first;
	failed->next = rest;
	s->first = s->last = NULL;
	s->next_revision = s->revision + 1;
	for (struct batch *b = failed; b; b = b->next) {
		struct batch_item **link = &b->first_item;
		while (*link) {
			struct batch_item *i = *link;
			if (i->kind == ITEM_CHANGE) {
				*link = i->next;
				change_drop(s, (struct change *)i);
			} else {
				link = &i->next;
			}
		}
	}
	for (struct batch *b = failed, *next; b; b = next) {
		next = b->next;
		for (struct batch_item *i = b->first_item, *after; i; i = after) {
			after = i->next;
			waiter_tell((struct waiter *)i, b == failed ? outcome : STORE_NOT_DURABLE, why);
		}
		batch_free(b);
	}
}

/* Else it is only tickets: everything before them is durable. */
static bool batch_is_for_disk(const struct batch *b)
{
	return b && (b->changes || b->payload_count);
}

/* NOLINTBEGIN(misc-no-recursion): batches of tickets alone follow one another twice at most */
static void batch_done(struct journal_batch *j, enum disk_result result, const struct disk_error *why)
{
	struct batch *b = (struct batch *)j;
	struct store *s = b->store;
	assert(b == s->first);
	s->stats.pending_bytes -= b->bytes;
	s->first = b->next;
	if (!s->first)
		s->last = NULL;
	b->next = NULL;
	bool waits = false;
	if (result == DISK_OK) {
		waits = s->committer.takes && b->changes &&
		        gather_begin(&s->gather, b->changes, s->first ? s->first->changes : 0,
		                     s->committer.takes(s->committer.context), micros());
		/* what the disk can do meanwhile it should; nobody sees a change before those of this batch */
		if (s->committer.takes && batch_is_for_disk(s->first) && !waits)
			store_flush(s);
		batch_committed(s, b);
		batch_free(b);
	} else {
		for (struct batch *behind = s->first; behind; behind = behind->next)
			s->stats.pending_bytes -= behind->bytes;
		drop_all(s, b, result == DISK_FAILED ? STORE_NOT_DURABLE : STORE_UNKNOWN, why);
	}
	if (!waits)
		store_flush(s);
}

void store_flush(struct store *s)
{
	while (s->first && !s->first->in_flight) {
		struct batch *b = s->first;
		if (!batch_is_for_disk(b)) {
			b->in_flight = true;
			batch_done(&b->journal, DISK_OK, NULL);
			return; /* it has gone on from there */
		}
		if (!s->committer.ready(s->committer.context) || gather_waits(&s->gather, b->changes, micros()))
			return;
		b->in_flight = true;
		batch_freeze(b);
		b->journal.done = batch_done;
		s->committer.commit(s->committer.context, &b->journal);
	}
}
/* NOLINTEND(misc-no-recursion) */

bool store_gathers(const struct store *s)
{
	return s->first && !s->first->in_flight && s->gather.on;
}

void store_flush_early(struct store *s)
{
	const struct batch *b = s->first;
	if (!batch_is_for_disk(b) || b->in_flight || !s->committer.takes || !s->committer.ready(s->committer.context))
		return;
	if (micros() - b->opened >= s->committer.takes(s->committer.context))
		store_flush(s);
}

/* ---- folds */

static void frozen_release(struct store *s)
{
	struct frozen *f = &s->frozen;
	for (uint32_t e = f->cursor; e <= f->end; e++)
		if (f->kept[e] && f->kept[e] != &absent)
			record_unref(f->kept[e]);
	free(f->kept);
	f->kept = NULL;
	f->active = false;
	f->texts.len = 0;
	buf_trim(&f->texts, 1 << 16);
}

static void source_freeze(void *context, enum table_id t, uint64_t *count, uint64_t *bytes)
{
	struct store *s = context;
	struct frozen *f = &s->frozen;
	assert(!f->active);
	f->active = true;
	f->table = t;
	f->cursor = 1;
	f->end = table_last(s->tables[t]);
	f->kept = mem_zero(((size_t)f->end + 1) * sizeof *f->kept); /* fresh pages: costs only what is touched */
	*count = table_count(s->tables[t]);
	*bytes = table_bytes(s->tables[t]);
	if (t == TABLE_JOBS)
		s->live_changed = false;
}

/* The entry as it was at the freeze, with a reference for the caller; NULL: none. */
static struct record *frozen_take(struct store *s, uint32_t e, const struct live **live)
{
	struct frozen *f = &s->frozen;
	struct record *kept = f->kept[e];
	*live = NULL;
	if (kept) {
		f->kept[e] = NULL;
		return kept == &absent ? NULL : kept;
	}
	struct entry *entry = table_entry(s->tables[f->table], e);
	if (!entry->record)
		return NULL;
	*live = entry->live;
	return record_ref(entry->record);
}

static bool source_slice(void *context, enum table_id t, struct span *texts, size_t max, size_t bytes_max,
                         size_t *count)
{
	struct store *s = context;
	struct frozen *f = &s->frozen;
	assert(f->active && f->table == t);
	f->texts.len = 0;
	*count = 0;
	if (f->cursor > f->end)
		return false;
	/* a cleanup may have left a million entries empty, one after the other */
	uint32_t last = f->end - f->cursor < SLICE_LOOKS ? f->end : f->cursor + SLICE_LOOKS - 1;
	for (; f->cursor <= last && *count < max && f->texts.len < bytes_max; f->cursor++) {
		const struct live *live;
		struct record *r = frozen_take(s, f->cursor, &live);
		if (!r)
			continue;
		size_t from = f->texts.len;
		record_with_live(&f->texts, r, live);
		record_unref(r);
		texts[(*count)++].len = f->texts.len - from;
	}
	/* where they are is known only now that the buffer has stopped growing */
	const char *at = f->texts.at;
	for (size_t i = 0; i < *count; at += texts[i++].len)
		texts[i].at = at;
	return true;
}

static void source_thaw(void *context, enum table_id t)
{
	struct store *s = context;
	assert(s->frozen.active && s->frozen.table == t);
	frozen_release(s);
}

static uint64_t source_bytes(void *context, enum table_id t)
{
	return table_bytes(((struct store *)context)->tables[t]);
}

static bool source_is_stale(void *context, enum table_id t)
{
	const struct store *s = context;
	return t == TABLE_JOBS && s->live_changed && s->stats.live_progress > 0;
}

struct journal_source store_source(struct store *s)
{
	return (struct journal_source){.context = s, .freeze = source_freeze, .slice = source_slice,
	                               .thaw = source_thaw,
	                               .bytes = source_bytes, .is_stale = source_is_stale};
}
