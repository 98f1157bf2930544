/* The store against a disk that completes and fails as it likes, held against a sequential oracle: what
 * anybody sees at any moment is exactly the effect of the mutations acknowledged so far, in their order. */
#include "daemon/store.h"
#include "tests/unit/unit.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { IDS = 12, TABLES_USED = 2, OPS_MAX = 4 };

/* What the oracle knows of a record: the number that its payload (request) holds; 0: there is none. */
struct world {
	int value[TABLES_USED][IDS];
};

struct op {
	int table, id, value; /* value 0: removed */
};

enum kind { MUTATION, READ, REFUSAL };

struct waiting {
	struct ticket ticket;
	enum kind kind;
	struct op ops[OPS_MAX];
	int count;
	struct world expected; /* READ: what it must see. REFUSAL: what it was judged on */
	struct waiting *next;
};

static struct store *store;
static struct journal_batch *in_flight;
static struct world committed, latest;
static struct waiting *alive;
static int acknowledged, refused, unknown, reads, judged_again, next_value;

static int64_t clock_now = 1790000000000000;
static int64_t wall(void) { return clock_now++; }

static bool ready(void *context)
{
	(void)context;
	return !in_flight;
}

static void commit(void *context, struct journal_batch *b)
{
	(void)context;
	ck_assert_ptr_null(in_flight);
	in_flight = b;
}

/* 0: whatever is pending may be flushed early; else nothing is. */
static uint64_t takes(void *context)
{
	(void)context;
	return rand() % 2 ? 0 : UINT64_MAX;
}

static const char *id_name(int id)
{
	static char name[16];
	snprintf(name, sizeof name, "r%d", id);
	return name;
}

static void put(int table, int id, int value)
{
	struct buf b = {0};
	const char *times = "\"created_at\":\"2026-11-22T16:50:00.123456+00:00\"";
	if (table == TABLE_JOBS)
		buf_printf(&b, "{\"id\":\"%s\",\"type\":\"custom\",\"status\":\"running\",\"payload\":{\"n\":%d},\"progress\":null,\"result\":null,%s,"
		               "\"started_at\":null,\"completed_at\":null,\"error\":null,\"metadata\":{},\"updated_at\":null,\"revision\":%" PRIu64 "}",
		           id_name(id), value, times, store_next_revision(store));
	else
		buf_printf(&b, "{\"id\":\"%s\",\"kind\":\"run\",\"status\":\"running\",%s,\"updated_at\":\"2026-11-22T16:50:00.123456+00:00\","
		               "\"started_at\":null,\"finished_at\":null,\"request\":{\"n\":%d},\"meta\":{\"v\":\"%d\"},\"artifact_id\":null,\"error\":null,"
		               "\"revision\":%" PRIu64 "}",
		           id_name(id), times, value, value, store_next_revision(store));
	store_put(store, (enum table_id)table, buf_as_span(&b));
	buf_free(&b);
}

static int value_of(const struct record *r)
{
	if (!r)
		return 0;
	struct buf text = {0};
	record_text(&text, r);
	const char *n = memmem(text.at, text.len, "{\"n\":", 5);
	ck_assert_ptr_nonnull(n);
	int value = atoi(n + 5);
	buf_free(&text);
	return value;
}

static void see(struct world *w)
{
	for (int t = 0; t < TABLES_USED; t++)
		for (int i = 0; i < IDS; i++)
			w->value[t][i] = value_of(store_get(store, (enum table_id)t, span_of(id_name(i)), NULL));
}

static void check_sees(const struct world *expected)
{
	struct world seen;
	see(&seen);
	ck_assert_mem_eq(&seen, expected, sizeof seen);
	for (int t = 0; t < TABLES_USED; t++) {
		uint64_t count = 0;
		for (int i = 0; i < IDS; i++)
			count += expected->value[t][i] != 0;
		ck_assert_uint_eq(table_count(store_table(store, (enum table_id)t)), count);
	}
}

static void resolved(struct ticket *t, enum store_outcome outcome, const struct disk_error *why)
{
	struct waiting *w = (struct waiting *)t;
	(void)why;
	switch (w->kind) {
	case MUTATION:
		if (outcome == STORE_COMMITTED) {
			for (int i = 0; i < w->count; i++)
				committed.value[w->ops[i].table][w->ops[i].id] = w->ops[i].value;
			acknowledged++;
		} else {
			latest = committed; /* everything pending is gone */
			refused++;
			unknown += outcome == STORE_UNKNOWN;
		}
		break;
	case READ:
		if (outcome == STORE_COMMITTED)
			ck_assert_mem_eq(&w->expected, &committed, sizeof committed);
		reads++;
		break;
	case REFUSAL:
		if (outcome != STORE_COMMITTED)
			judged_again++;
		break;
	}
	check_sees(&committed);
	for (struct waiting **at = &alive; *at; at = &(*at)->next)
		if (*at == w) {
			*at = w->next;
			break;
		}
	free(w);
}

static struct waiting *waiting_new(enum kind kind)
{
	struct waiting *w = calloc(1, sizeof *w);
	w->ticket.resolved = resolved;
	w->kind = kind;
	w->next = alive;
	alive = w;
	return w;
}

static void mutate(void)
{
	struct waiting *w = waiting_new(MUTATION);
	store_judge(store);
	int count = 1 + rand() % OPS_MAX;
	for (int i = 0; i < count; i++) {
		struct op op = {.table = rand() % TABLES_USED, .id = rand() % IDS};
		struct record *newest = store_latest(store, (enum table_id)op.table, span_of(id_name(op.id)), NULL);
		ck_assert_int_eq(value_of(newest), latest.value[op.table][op.id]);
		if (newest && rand() % 3 == 0) {
			store_remove(store, (enum table_id)op.table, record_id(newest));
		} else {
			op.value = ++next_value;
			put(op.table, op.id, op.value);
		}
		latest.value[op.table][op.id] = op.value;
		w->ops[w->count++] = op;
	}
	ck_assert(store_changed(store));
	ck_assert_uint_ne(store_wait(store, &w->ticket, 0), 0);
}

/* A read behind everything that is pending: it must see exactly what was sent before it. */
static void read_behind(void)
{
	uint64_t batch = store_last_batch(store);
	if (!batch)
		return;
	struct waiting *w = waiting_new(READ);
	w->expected = latest;
	store_wait(store, &w->ticket, batch);
}

static void refuse_on_pending(void)
{
	store_judge(store);
	int table = rand() % TABLES_USED, id = rand() % IDS;
	store_latest(store, (enum table_id)table, span_of(id_name(id)), NULL);
	bool pending = committed.value[table][id] != latest.value[table][id];
	if (pending)
		ck_assert_uint_ne(store_seen(store), 0);
	if (store_seen(store)) {
		ck_assert(store_is_pending(store, store_seen(store)));
		struct waiting *w = waiting_new(REFUSAL);
		store_wait(store, &w->ticket, store_seen(store));
	}
}

static void complete(enum disk_result result)
{
	struct journal_batch *b = in_flight;
	if (!b)
		return;
	in_flight = NULL;
	ck_assert_uint_ge(b->last, b->first);
	for (size_t i = 0; i < b->change_count; i++)
		for (size_t k = 0; k < i; k++) /* the net effect: an id once */
			ck_assert(b->changes[i].table != b->changes[k].table ||
			          !span_is(b->changes[i].id, b->changes[k].id));
	struct disk_error why = {.number = 5, .what = "fsync"};
	b->done(b, result, &why);
}

/* ---- a fold that runs beside everything else must write the state at its freeze */

static struct {
	bool active;
	int table;
	struct world at_freeze, written;
	uint64_t count, rows;
} fold;

static void fold_step(void)
{
	struct journal_source source = store_source(store);
	if (!fold.active) {
		uint64_t bytes;
		fold.active = true;
		fold.table = rand() % TABLES_USED;
		fold.at_freeze = committed;
		memset(&fold.written, 0, sizeof fold.written);
		fold.rows = 0;
		source.freeze(source.context, (enum table_id)fold.table, &fold.count, &bytes);
		return;
	}
	struct span texts[3];
	size_t got;
	bool more = source.slice(source.context, (enum table_id)fold.table, texts, 3, 1000000, &got);
	for (size_t i = 0; i < got; i++) {
		int id = atoi(texts[i].at + RECORD_ID_AT + 1);
		const char *n = memmem(texts[i].at, texts[i].len, "{\"n\":", 5);
		ck_assert_int_eq(fold.written.value[fold.table][id], 0);
		fold.written.value[fold.table][id] = atoi(n + 5);
		fold.rows++;
	}
	if (more && rand() % 20)
		return;
	source.thaw(source.context, (enum table_id)fold.table);
	fold.active = false;
	if (!more) {
		ck_assert_uint_eq(fold.rows, fold.count);
		ck_assert_mem_eq(fold.written.value[fold.table], fold.at_freeze.value[fold.table],
		                 sizeof fold.written.value[0]);
	}
}

static void begin(unsigned seed)
{
	srand(seed);
	store = store_new(wall);
	store_set_committer(store, (struct committer){.ready = ready, .commit = commit, .takes = takes});
	memset(&committed, 0, sizeof committed);
	memset(&latest, 0, sizeof latest);
	memset(&fold, 0, sizeof fold);
}

static void end(void)
{
	while (!store_idle(store)) {
		store_flush(store);
		complete(DISK_OK);
	}
	ck_assert_ptr_null(alive);
	ck_assert_mem_eq(&committed, &latest, sizeof latest);
	check_sees(&committed);
	struct store_stats stats;
	store_stats(store, &stats);
	ck_assert_uint_eq(stats.pending_changes, 0);
	ck_assert_uint_eq(stats.pending_bytes, 0);
	while (fold.active)
		fold_step();
	store_free(store);
}

START_TEST(anyone_sees_exactly_what_was_acknowledged)
{
	for (unsigned seed = 1; seed <= 100; seed++) {
		begin(seed);
		int failing = rand() % 4; /* from a sound disk to one that fails half of the time */
		for (int step = 0; step < 400; step++) {
			switch (rand() % 8) {
			case 0: case 1: case 2:
				mutate();
				break;
			case 3:
				read_behind();
				break;
			case 4:
				refuse_on_pending();
				break;
			case 5:
				rand() % 2 ? store_flush(store) : store_flush_early(store);
				break;
			case 6:
				complete(rand() % 6 >= failing ? DISK_OK : rand() % 2 ? DISK_FAILED : DISK_UNKNOWN);
				break;
			case 7:
				fold_step();
				break;
			}
			check_sees(&committed);
		}
		end();
	}
	printf("store: %d acknowledged, %d refused (%d of unknown outcome), %d reads in their place, %d judged "
	       "again\n",
	       acknowledged, refused, unknown, reads, judged_again);
	ck_assert_int_gt(acknowledged, 1000);
	ck_assert_int_gt(refused, 1000);
	ck_assert_int_gt(unknown, 50);
	ck_assert_int_gt(judged_again, 100);
}
END_TEST

START_TEST(revisions_are_consecutive_although_commits_fail)
{
	begin(1);
	uint64_t expected = 1;
	for (int i = 0; i < 50; i++) {
		ck_assert_uint_eq(store_next_revision(store), expected);
		store_judge(store);
		put(TABLE_JOBS, i % IDS, i + 1);
		store_flush(store);
		bool fails = i % 3 == 0;
		in_flight ? complete(fails ? DISK_FAILED : DISK_OK) : (void)0;
		expected += !fails;
		ck_assert_uint_eq(store_revision(store), expected - 1);
	}
	see(&committed);
	latest = committed;
	end();
}
END_TEST

START_TEST(progress_of_a_pending_job_dies_with_it_and_nobody_else_sees_it)
{
	begin(1);
	double percentage;
	const struct live *live = NULL;
	struct span progress = SPAN("{\"current\":1,\"total\":4,\"message\":\"x\"}"), id = SPAN("r0");

	ck_assert(!store_set_progress(store, id, progress, NULL, true, &percentage));
	store_judge(store);
	put(TABLE_JOBS, 0, 1);
	ck_assert(store_set_progress(store, id, progress, NULL, true, &percentage));
	ck_assert_double_eq(percentage, 25.0);
	ck_assert_ptr_null(store_get(store, TABLE_JOBS, id, &live));
	store_flush(store);
	complete(DISK_FAILED);
	ck_assert_ptr_null(store_get(store, TABLE_JOBS, id, &live));

	store_judge(store);
	put(TABLE_JOBS, 0, 1);
	ck_assert(store_set_progress(store, id, progress, NULL, true, &percentage));
	store_flush(store);
	complete(DISK_OK);
	ck_assert_ptr_nonnull(store_get(store, TABLE_JOBS, id, &live));
	ck_assert_ptr_nonnull(live);
	ck_assert_double_eq(live->current, 1);

	store_judge(store);
	store_remove(store, TABLE_JOBS, id);
	store_judge(store);
	ck_assert(!store_set_progress(store, id, progress, NULL, false, &percentage)); /* whoever deleted it */
	ck_assert_uint_ne(store_seen(store), 0);
	ck_assert(store_set_progress(store, id, progress, NULL, true, &percentage));   /* whoever does not know yet */
	store_flush(store);
	complete(DISK_OK);
	ck_assert(!store_set_progress(store, id, progress, NULL, true, &percentage));
	see(&committed);
	latest = committed;
	end();
}
END_TEST

static void commit_all(void)
{
	store_flush(store);
	ck_assert_ptr_nonnull(in_flight);
	struct journal_batch *b = in_flight;
	in_flight = NULL;
	b->done(b, DISK_OK, &(struct disk_error){0});
	ck_assert(store_idle(store));
}

START_TEST(a_fold_after_a_cleanup_passes_a_million_holes_in_one_turn)
{
	enum { RECORDS = 20000, KEPT = 100, STEP = 1000 };
	size_t rows = 0, slices = 0;
	uint64_t frozen, bytes;
	begin(1);
	for (int i = 0; i < RECORDS; i++)
		put(TABLE_JOBS, i, 1);
	commit_all();
	for (int i = 0; i < RECORDS - KEPT; i++)
		store_remove(store, TABLE_JOBS, span_of(id_name(i)));
	commit_all();
	struct journal_source source = store_source(store);
	source.freeze(source.context, TABLE_JOBS, &frozen, &bytes);
	struct span texts[STEP];
	for (size_t n; source.slice(source.context, TABLE_JOBS, texts, STEP, 1 << 20, &n); slices++)
		rows += n;
	source.thaw(source.context, TABLE_JOBS);
	ck_assert_uint_eq(frozen, KEPT);
	ck_assert_uint_eq(rows, KEPT);
	ck_assert_uint_ge(slices, 3);
	store_free(store);
}
END_TEST

START_TEST(server_times_increase_even_when_the_clock_goes_back)
{
	begin(1);
	int64_t before = store_now(store);
	clock_now -= INT64_C(365) * 86400 * 1000000;
	for (int i = 0; i < 100; i++) {
		int64_t now = store_now(store);
		ck_assert_int_gt(now, before);
		before = now;
	}
	store_free(store);
}
END_TEST

int main(void)
{
	ident_init();
	Suite *suite = suite_create("store");
	TCase *tcase = tcase_create("store");
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, anyone_sees_exactly_what_was_acknowledged);
	tcase_add_test(tcase, revisions_are_consecutive_although_commits_fail);
	tcase_add_test(tcase, progress_of_a_pending_job_dies_with_it_and_nobody_else_sees_it);
	tcase_add_test(tcase, a_fold_after_a_cleanup_passes_a_million_holes_in_one_turn);
	tcase_add_test(tcase, server_times_increase_even_when_the_clock_goes_back);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
