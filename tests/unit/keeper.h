/* keeper: a journal with a store that a test can read: a map of id to text, a flush whose jobs run when the
 * test says so, a clock that it moves.
 *
 * What was acknowledged is in `kept`; keeper_verify loads the directory into a fresh map and compares. */
#pragma once
#include "daemon/journal.h"
#include "proto/mem.h"
#include "tests/unit/faulty_disk.h"
#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <inttypes.h>
#define HASH_FUNCTION(key, len, hash) HASH_FNV(key, len, hash)
#include <uthash.h>
#include <uv.h>

struct text {
	unsigned refs;
	size_t len;
	char at[];
};

struct row {
	UT_hash_handle hh;
	struct text *text;
	char id[];
};

struct shelf {
	struct row *rows;
	size_t count;
	uint64_t bytes;
};

struct kept {
	struct shelf shelves[TABLE_COUNT];
};

static inline void text_drop(struct text *t)
{
	if (t && --t->refs == 0)
		free(t);
}

static inline void shelf_remove(struct shelf *s, const char *id)
{
	struct row *r;
	HASH_FIND_STR(s->rows, id, r);
	if (!r)
		return;
	HASH_DEL(s->rows, r);
	s->count--;
	s->bytes -= r->text->len;
	text_drop(r->text);
	free(r);
}

static inline void shelf_put(struct shelf *s, const char *id, struct span text)
{
	shelf_remove(s, id);
	struct row *r = mem_zero(sizeof *r + strlen(id) + 1);
	r->text = mem_alloc(sizeof *r->text + text.len + 1);
	r->text->refs = 1;
	r->text->len = text.len;
	memcpy(r->text->at, text.at, text.len);
	r->text->at[text.len] = 0;
	strcpy(r->id, id);
	HASH_ADD_STR(s->rows, id, r);
	s->count++;
	s->bytes += text.len;
}

static inline void kept_clear(struct kept *k)
{
	for (int t = 0; t < TABLE_COUNT; t++) {
		struct row *r, *next;
		HASH_ITER(hh, k->shelves[t].rows, r, next) {
			HASH_DEL(k->shelves[t].rows, r);
			text_drop(r->text);
			free(r);
		}
		k->shelves[t] = (struct shelf){0};
	}
}

/* The first difference, or NULL. */
static inline const char *kept_differs(const struct kept *a, const struct kept *b)
{
	static char what[256];
	for (int t = 0; t < TABLE_COUNT; t++) {
		struct row *r, *next, *other;
		HASH_ITER(hh, a->shelves[t].rows, r, next) {
			HASH_FIND_STR(b->shelves[t].rows, r->id, other);
			if (!other || other->text->len != r->text->len ||
			    memcmp(other->text->at, r->text->at, r->text->len) != 0) {
				snprintf(what, sizeof what, "%s %s: %.60s, loaded %.60s", spec_table_name((enum table_id)t),
				         r->id, r->text->at, other ? other->text->at : "nothing");
				return what;
			}
		}
		if (a->shelves[t].count != b->shelves[t].count) {
			snprintf(what, sizeof what, "%s: %zu, loaded %zu", spec_table_name((enum table_id)t),
			         a->shelves[t].count, b->shelves[t].count);
			return what;
		}
	}
	return NULL;
}

/* ---- a sink */

static inline bool kept_id(struct span text, char id[IDENT_MAX + 1])
{
	const char *end = memchr(text.at + 7, '"', text.len - 7);
	if (memcmp(text.at, "{\"id\":\"", 7) != 0 || !end || end - text.at - 7 > IDENT_MAX)
		return false;
	snprintf(id, IDENT_MAX + 1, "%.*s", (int)(end - text.at - 7), text.at + 7);
	return true;
}

static inline bool kept_put(void *context, enum table_id t, struct span text, bool trusted,
                            struct fault *fault, size_t *at)
{
	char id[IDENT_MAX + 1];
	(void)trusted, (void)fault;
	*at = 0;
	if (!kept_id(text, id))
		return false;
	shelf_put(&((struct kept *)context)->shelves[t], id, text);
	return true;
}

static inline bool kept_remove(void *context, enum table_id t, struct span id, struct fault *fault)
{
	char name[IDENT_MAX + 1];
	(void)fault;
	snprintf(name, sizeof name, "%.*s", (int)id.len, id.at);
	shelf_remove(&((struct kept *)context)->shelves[t], name);
	return true;
}

static inline void kept_report(void *context, const struct load_finding *f)
{
	if (f->fatal)
		*(struct load_finding *)context = *f;
}

/* ---- the keeper */

enum { KEEPER_CHANGES = 2048, KEEPER_PAYLOADS = 8 };

struct keeper {
	struct flush flush; /* first */
	struct scratch scratch;
	struct faulty_disk faulty;
	struct disk quick;              /* without any sync: for what is measured or only builds up */
	struct disk_ops quick_ops;
	struct disk *disk;              /* the one that the journal uses */
	struct state_dir dirs;
	struct journal *journal;
	struct journal_options options;
	struct kept kept;

	struct flush_job *first, **last;
	uv_loop_t loop;
	struct flush *threads;          /* set: jobs run on uv's threads instead */
	struct journal_batch batch;     /* the next commit, or the one under way */
	struct segment_change changes[KEEPER_CHANGES];
	struct journal_payload payloads[KEEPER_PAYLOADS];
	char ids[KEEPER_CHANGES][40];
	struct buf texts[KEEPER_CHANGES];
	uint64_t next;                  /* revision */
	enum disk_result result;        /* of the last commit */
	bool under_way;
	void (*then)(struct keeper *k); /* called when a commit's `done` has applied it */

	struct text **frozen;
	size_t frozen_count, frozen_at;
	bool is_frozen, stale;
	unsigned freezes, thaws, state_changes;
	unsigned stops;
	bool folded;
};

static struct keeper *the_keeper;
static uint64_t keeper_clock; /* milliseconds */

static inline int64_t keeper_now(void) { return INT64_C(1790000000000000) + (int64_t)keeper_clock * 1000; }
static inline uint64_t keeper_ticks(void) { return keeper_clock; }

static inline int keeper_no_sync(void *context, int fd)
{
	(void)context, (void)fd;
	return 0;
}

/* ---- flush */

static inline void keeper_submit(struct flush *f, struct flush_job *job)
{
	struct keeper *k = (struct keeper *)f;
	job->next = NULL;
	*k->last = job;
	k->last = &job->next;
}

static inline struct flush_job *keeper_take(struct keeper *k)
{
	struct flush_job *job = k->first;
	ck_assert_ptr_nonnull(job);
	k->first = job->next;
	if (!k->first)
		k->last = &k->first;
	return job;
}

static inline void keeper_step(struct keeper *k)
{
	struct flush_job *job = keeper_take(k);
	job->work(job);
	job->done(job);
}

static inline void keeper_drain(struct keeper *k)
{
	if (k->threads)
		uv_run(&k->loop, UV_RUN_DEFAULT);
	while (k->first)
		keeper_step(k);
}

/* ---- source */

static inline void keeper_freeze(void *context, enum table_id t, uint64_t *count, uint64_t *bytes)
{
	struct keeper *k = context;
	struct row *r, *next;
	ck_assert(!k->is_frozen);
	k->is_frozen = true;
	k->freezes++;
	k->frozen_count = k->frozen_at = 0;
	k->frozen = mem_alloc((k->kept.shelves[t].count + 1) * sizeof *k->frozen);
	HASH_ITER(hh, k->kept.shelves[t].rows, r, next) {
		r->text->refs++;
		k->frozen[k->frozen_count++] = r->text;
	}
	*count = k->frozen_count;
	*bytes = k->kept.shelves[t].bytes;
}

static inline bool keeper_slice(void *context, enum table_id t, struct span *texts, size_t max,
                                size_t bytes_max, size_t *count)
{
	struct keeper *k = context;
	size_t n = 0, bytes = 0;
	(void)t;
	ck_assert(k->is_frozen);
	for (; n < max && bytes < bytes_max && k->frozen_at < k->frozen_count; n++) {
		const struct text *text = k->frozen[k->frozen_at++];
		texts[n] = (struct span){text->at, text->len};
		bytes += text->len;
	}
	*count = n;
	return n > 0;
}

static inline void keeper_thaw(void *context, enum table_id t)
{
	struct keeper *k = context;
	ck_assert(k->is_frozen);
	for (size_t i = 0; i < k->frozen_count; i++)
		text_drop(k->frozen[i]);
	free(k->frozen);
	k->frozen = NULL;
	k->is_frozen = false;
	k->thaws++;
	if (t == TABLE_JOBS)
		k->stale = false;
}

static inline uint64_t keeper_bytes(void *context, enum table_id t)
{
	return ((struct keeper *)context)->kept.shelves[t].bytes;
}
static inline bool keeper_is_stale(void *context, enum table_id t)
{
	return t == TABLE_JOBS && ((struct keeper *)context)->stale;
}
static inline void keeper_state_changed(void *context) { ((struct keeper *)context)->state_changes++; }

/* ---- start and end */

static inline bool keeper_load(struct keeper *k, struct disk *disk, struct kept *to,
                               struct load_result *result, struct load_finding *refusal)
{
	struct load_sink sink = {.context = to, .record = kept_put, .put = kept_put, .remove = kept_remove};
	*refusal = (struct load_finding){0};
	return load_read(disk, &k->dirs.state, &k->dirs.journal, false, &sink, kept_report, refusal, result);
}

/* What a start would find now: exactly what was acknowledged. */
static inline const char *keeper_differs(struct keeper *k, const struct kept *expected)
{
	static char what[1024];
	struct disk plain = {.ops = &disk_system};
	struct kept fresh = {0};
	struct load_result result;
	struct load_finding refusal;
	const char *differs = NULL;
	if (!keeper_load(k, &plain, &fresh, &result, &refusal)) {
		snprintf(what, sizeof what, "refused: %s: %s", refusal.file, refusal.message);
		differs = what;
	} else {
		differs = kept_differs(expected, &fresh);
		load_result_free(&result);
	}
	kept_clear(&fresh);
	return differs;
}

#define keeper_verify(k)                                          \
	do {                                                            \
		const char *differs_here = keeper_differs((k), &(k)->kept);   \
		ck_assert_msg(!differs_here, "%s", differs_here);             \
	} while (0)

/* False: the start was refused or the directory could not be opened.
 * What was kept before stays for comparison. */
static inline bool keeper_start(struct keeper *k)
{
	char why[512];
	struct kept fresh = {0};
	struct load_result result;
	struct load_finding refusal;
	if (!state_dir_open(&k->dirs, k->disk, k->scratch.path, true, why, sizeof why))
		return false;
	if (!keeper_load(k, k->disk, &fresh, &result, &refusal)) {
		kept_clear(&fresh);
		state_dir_close(&k->dirs, k->disk);
		return false;
	}
	kept_clear(&k->kept);
	k->kept = fresh;
	k->options.disk = k->disk;
	k->options.dirs = &k->dirs;
	k->options.flush = k->threads ? k->threads : &k->flush;
	k->options.source = (struct journal_source){k,           keeper_freeze, keeper_slice,
	                                            keeper_thaw, keeper_bytes,  keeper_is_stale};
	k->options.now = keeper_now;
	k->options.ticks = keeper_ticks;
	k->options.state_changed = keeper_state_changed;
	k->options.context = k;
	k->journal = journal_new(&k->options, &result);
	k->next = journal_revision(k->journal) + 1;
	load_result_free(&result);
	return true;
}

/* As a kill would: no fold, nothing removed. Jobs that are under way end. */
static inline void keeper_end(struct keeper *k)
{
	if (!k->journal)
		return;
	keeper_drain(k);
	journal_free(k->journal);
	k->journal = NULL;
	state_dir_close(&k->dirs, k->disk);
}

static inline void keeper_restart(struct keeper *k)
{
	keeper_end(k);
	ck_assert(keeper_start(k));
}

static inline void keeper_stopped(void *context, bool folded)
{
	struct keeper *k = context;
	k->stops++;
	k->folded = folded;
}

static inline bool keeper_stop(struct keeper *k)
{
	k->stops = 0;
	journal_stop(k->journal, keeper_stopped, k);
	keeper_drain(k);
	ck_assert_uint_eq(k->stops, 1);
	return k->folded;
}

static inline void keeper_make(struct keeper *k)
{
	*k = (struct keeper){0};
	the_keeper = k;
	k->flush.submit = keeper_submit;
	k->last = &k->first;
	ident_init();
	scratch_make(&k->scratch);
	faulty_disk_init(&k->faulty);
	k->faulty.logging = false;
	k->quick_ops = disk_system;
	k->quick_ops.fsync = k->quick_ops.fdatasync = keeper_no_sync;
	k->quick = (struct disk){.ops = &k->quick_ops};
	k->disk = &k->quick;
}

static inline void keeper_unmake(struct keeper *k)
{
	keeper_end(k);
	for (size_t i = 0; i < KEEPER_CHANGES; i++)
		buf_free(&k->texts[i]);
	kept_clear(&k->kept);
	faulty_disk_done(&k->faulty);
	scratch_remove(&k->scratch);
}

/* ---- changes and commits */

static inline void keeper_put(struct keeper *k, enum table_id t, const char *id, uint64_t value,
                              size_t padding)
{
	size_t i = k->batch.change_count++;
	ck_assert_uint_lt(i, KEEPER_CHANGES);
	snprintf(k->ids[i], sizeof k->ids[i], "%s", id);
	struct buf *b = &k->texts[i];
	b->len = 0;
	buf_printf(b, "{\"id\":\"%s\",\"v\":%" PRIu64 ",\"padding\":\"", id, value);
	memset(buf_room(b, padding), 'x', padding);
	b->len += padding;
	buf_text(b, "\"}");
	k->changes[i] = (struct segment_change){t, span_of(k->ids[i]), buf_as_span(b)};
}

static inline void keeper_delete(struct keeper *k, enum table_id t, const char *id)
{
	size_t i = k->batch.change_count++;
	ck_assert_uint_lt(i, KEEPER_CHANGES);
	snprintf(k->ids[i], sizeof k->ids[i], "%s", id);
	k->changes[i] = (struct segment_change){t, span_of(k->ids[i]), {0}};
}

/* text NULL: it is unlinked */
static inline void keeper_payload(struct keeper *k, const char *name, const char *text)
{
	k->payloads[k->batch.payload_count++] = (struct journal_payload){
		.name = name, .text = text ? span_of(text) : (struct span){0}};
}

static inline void kept_apply(struct kept *kept, const struct journal_batch *b)
{
	for (size_t i = 0; i < b->change_count; i++) {
		const struct segment_change *c = &b->changes[i];
		if (c->text.at)
			shelf_put(&kept->shelves[c->table], c->id.at, c->text);
		else
			shelf_remove(&kept->shelves[c->table], c->id.at);
	}
}

static inline void keeper_done(struct journal_batch *b, enum disk_result result, const struct disk_error *e)
{
	struct keeper *k = the_keeper;
	ck_assert_ptr_eq(b, &k->batch);
	ck_assert(result == DISK_OK || e->number != 0);
	k->under_way = false;
	k->result = result;
	journal_tick(k->journal); /* must not freeze: what was committed is not in `kept` yet */
	if (result == DISK_OK) {
		kept_apply(&k->kept, b);
		k->next = b->last + 1;
		ck_assert_uint_eq(journal_revision(k->journal), b->last);
	}
	b->change_count = b->payload_count = 0;
	if (k->then)
		k->then(k);
}

static inline void keeper_begin_commit(struct keeper *k)
{
	struct journal_batch *b = &k->batch;
	ck_assert(!k->under_way);
	k->under_way = true;
	b->first = k->next;
	b->last = k->next + (b->change_count ? b->change_count : 1) - 1;
	b->changes = k->changes;
	b->payloads = k->payloads;
	b->done = keeper_done;
	journal_commit(k->journal, b);
}

static inline enum disk_result keeper_commit(struct keeper *k)
{
	keeper_begin_commit(k);
	keeper_drain(k);
	return k->result;
}

static inline enum disk_result keeper_save(struct keeper *k, enum table_id t, const char *id, uint64_t value)
{
	keeper_put(k, t, id, value, 0);
	return keeper_commit(k);
}

static inline void keeper_wait(struct keeper *k, uint64_t milliseconds)
{
	keeper_clock += milliseconds;
	journal_tick(k->journal);
	keeper_drain(k);
}

/* Until nothing is left to do. */
static inline void keeper_settle(struct keeper *k)
{
	for (int i = 0; i < 400 && journal_wants_tick(k->journal); i++)
		keeper_wait(k, 1000);
	ck_assert(!journal_wants_tick(k->journal));
	ck_assert(journal_idle(k->journal));
}

static inline struct journal_stats keeper_stats(const struct keeper *k)
{
	struct journal_stats s;
	journal_stats(k->journal, &s);
	return s;
}

static inline bool keeper_is_segment(const char *name)
{
	uint64_t seq;
	return segment_seq(name, &seq);
}

static inline unsigned keeper_segments(const struct keeper *k)
{
	return scratch_count(&k->scratch, "journal", keeper_is_segment);
}

static inline bool keeper_has_payload(const struct keeper *k, const char *name, const char *text)
{
	char path[256];
	struct buf b = {0};
	snprintf(path, sizeof path, "artifacts/%s", name);
	bool there = scratch_read(&k->scratch, path, &b) && (!text || strcmp(b.at, text) == 0);
	buf_free(&b);
	return there;
}
