#include "daemon/table.h"
#include "tests/unit/unit.h"
#include <stdio.h>

/* An assertion that costs nothing while it holds: Check's own tell the parent process each time. */
#define HOLDS(condition) do { if (!(condition)) ck_abort_msg("%s", #condition); } while (0)

/* The oracle: rows in an array, searched and sorted the plain way. Alphabets are small, so that ties,
 * shared values and values that come and go are frequent. */
enum { ROWS = 150, TIMES = 12, META_MAX = 3, A_VALUES = 20, B_VALUES = 18 };

struct text_pair {
	const char *json, *text;
};

static const struct text_pair meta_keys[] = {
	{"\"k\"", "k"}, {"\"strategy\"", "strategy"}, {"\"a\\\"q\"", "a\"q"}, {"\"\xc3\xa9\"", "\xc3\xa9"}, {"\"\"", ""},
};
static const struct text_pair meta_values[] = {
	{"\"1\"", "1"}, {"1", "1"}, {"\"x\"", "x"}, {"{\"n\":[1,2]}", "{\"n\":[1,2]}"}, {"\"{\\\"n\\\":[1,2]}\"", "{\"n\":[1,2]}"},
	{"null", "null"}, {"true", "true"}, {"\"line\\nend\"", "line\nend"}, {"\"\"", ""}, {"1.5", "1.5"},
};
enum { META_KEYS = sizeof(meta_keys) / sizeof(meta_keys[0]),
      META_VALUES = sizeof(meta_values) / sizeof(meta_values[0]) };

struct row {
	char id[40];
	bool there;
	unsigned a, b;
	int64_t time, end;
	unsigned meta_count, meta_key[META_MAX], meta_value[META_MAX];
};

static struct row rows[ROWS];
static struct table *table;
static enum table_id kind;
static char a_names[A_VALUES][24], b_names[B_VALUES][24];
static uint64_t random_state;
static uint64_t revision;

static unsigned pick(unsigned below)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(random_state >> 33) % below;
}

static int64_t some_time(void)
{
	unsigned n = pick(TIMES + 1);

	return n == TIMES ? STAMP_NONE : 1700000000000000 + (int64_t)n * 1000000;
}

static void name_values(void)
{
	for (unsigned i = 0; i < A_VALUES; i++) {
		const char *const *known = kind == TABLE_JOBS ? spec_job_statuses : spec_run_statuses;
		if (kind != TABLE_ARTIFACTS && i < 5)
			snprintf(a_names[i], sizeof(a_names[i]), "%s", known[i]);
		else
			snprintf(a_names[i], sizeof(a_names[i]), "a%u", i);
	}
	for (unsigned i = 0; i < B_VALUES; i++)
		snprintf(b_names[i], sizeof(b_names[i]), "b%u", i);
}

/* Ids that are each other's beginnings, ids that differ only behind their first eight or sixteen bytes,
 * ids that differ at once. */
static void name_rows(void)
{
	for (unsigned i = 0; i < ROWS; i++) {
		struct row *r = &rows[i];
		*r = (struct row){0};
		if (i < 24)
			snprintf(r->id, sizeof(r->id), "%.*s", (int)i + 1, "aaaaaaaaaaaaaaaaaaaaaaaa");
		else if (i % 3 == 1)
			snprintf(r->id, sizeof(r->id), "backtest_%x", i * 2654435761u);
		else if (i % 3 == 2)
			snprintf(r->id, sizeof(r->id), "signal_generation_%x", i * 2654435761u);
		else
			snprintf(r->id, sizeof(r->id), "%08x_%u", i * 2654435761u, i);
	}
}

static void open_table(enum table_id t, uint64_t seed)
{
	ident_init();
	kind = t;
	random_state = seed;
	revision = 0;
	name_values();
	name_rows();
	table = table_new(t);
}

static void close_table(void)
{
	table_free(table);
	table = NULL;
}

/* ---- records */

static void put_member(struct buf *text, const char *name, const char *json)
{
	buf_printf(text, ",\"%s\":%s", name, json);
}

static void put_time(struct buf *text, const char *name, int64_t time)
{
	buf_printf(text, ",\"%s\":", name);
	stamp_json(text, time);
}

static void put_job(struct buf *text, const struct row *r)
{
	buf_printf(text, "{\"id\":\"%s\",\"type\":\"%s\",\"status\":\"%s\"", r->id, b_names[r->b], a_names[r->a]);
	put_member(text, "payload", "{}");
	put_member(text, "progress", "null");
	put_member(text, "result", "null");
	put_time(text, "created_at", r->time);
	put_member(text, "started_at", "null");
	put_time(text, "completed_at", r->end);
	put_member(text, "error", "null");
	put_member(text, "metadata", "{}");
	put_member(text, "updated_at", "null");
}

static void put_run(struct buf *text, const struct row *r)
{
	buf_printf(text, "{\"id\":\"%s\",\"kind\":\"%s\",\"status\":\"%s\"", r->id, b_names[r->b], a_names[r->a]);
	put_time(text, "created_at", r->time);
	put_time(text, "updated_at", r->time);
	put_member(text, "started_at", "null");
	put_time(text, "finished_at", r->end);
	put_member(text, "request", "{\"meta\":{\"k\":\"not this one\"}}");
	buf_text(text, ",\"meta\":{");
	for (unsigned i = 0; i < r->meta_count; i++)
		buf_printf(text, "%s%s:%s", i ? "," : "", meta_keys[r->meta_key[i]].json,
		           meta_values[r->meta_value[i]].json);
	buf_char(text, '}');
	put_member(text, "artifact_id", "null");
	put_member(text, "error", "null");
}

static void put_artifact(struct buf *text, const struct row *r)
{
	buf_printf(text, "{\"id\":\"%s\",\"run_id\":\"%s\",\"kind\":\"%s\"", r->id, a_names[r->a], b_names[r->b]);
	put_time(text, "created_at", r->time);
	put_member(text, "size_bytes", "17");
}

static struct record *record_of(const struct row *r, struct record_keys *keys)
{
	struct buf text = {0};

	if (kind == TABLE_JOBS)
		put_job(&text, r);
	else if (kind == TABLE_RUNS)
		put_run(&text, r);
	else
		put_artifact(&text, r);
	buf_printf(&text, ",\"revision\":%lu}", (unsigned long)++revision);
	struct record *record = record_new(kind, buf_as_span(&text), keys);
	HOLDS(record != NULL);
	buf_free(&text);
	return record;
}

static void set_row(struct row *r)
{
	struct record_keys keys;
	struct record *record = record_of(r, &keys);

	table_set(table, table_claim(table, span_of(r->id)), record, &keys);
	r->end = keys.end; /* only terminal records have one, and a null one falls back to updated_at */
	r->there = true;
}

static void clear_row(struct row *r)
{
	uint32_t e = table_find(table, span_of(r->id));

	table_clear(table, e);
	HOLDS(!table_entry(table, e)->record);
	HOLDS(table_find(table, span_of(r->id)) == e);
	table_drop(table, e);
	HOLDS(!table_entry(table, e)->record);
	r->there = false;
}

/* What a record of the row could be next: everything new, or only some keys moved. */
static void change_row(struct row *r)
{
	unsigned what = r->there ? pick(6) : 5;

	if (what == 0 || what == 5)
		r->a = pick(pick(2) ? 5 : A_VALUES);
	if (what == 1 || what == 5)
		r->b = pick(pick(2) ? 4 : B_VALUES);
	if (what == 2 || what == 5)
		r->time = some_time();
	if (what == 3 || what == 5)
		r->end = some_time();
	if ((what == 4 || what == 5) && kind == TABLE_RUNS) {
		unsigned first = pick(META_KEYS);
		r->meta_count = pick(META_MAX + 1);
		for (unsigned i = 0; i < r->meta_count; i++) {
			r->meta_key[i] = (first + i) % META_KEYS;
			r->meta_value[i] = pick(META_VALUES);
		}
	}
	set_row(r);
}

static void random_change(void)
{
	struct row *r = &rows[pick(ROWS)];

	if (r->there && pick(3) == 0)
		clear_row(r);
	else
		change_row(r);
}

/* ---- the oracle's answers */

static int compare_rows_by_id(const void *x, const void *y)
{
	return strcmp((*(struct row *const *)x)->id, (*(struct row *const *)y)->id);
}

static int compare_rows_by_time(const void *x, const void *y)
{
	const struct row *p = *(struct row *const *)x, *q = *(struct row *const *)y;

	if (p->time != q->time)
		return p->time > q->time ? -1 : 1;
	return strcmp(p->id, q->id);
}

static int compare_rows_by_end(const void *x, const void *y)
{
	const struct row *p = *(struct row *const *)x, *q = *(struct row *const *)y;

	if (p->end != q->end)
		return p->end < q->end ? -1 : 1;
	return strcmp(p->id, q->id);
}

static bool is_among(const char *value, const struct span *among, unsigned count)
{
	for (unsigned i = 0; among && i < count; i++)
		if (span_is(span_of(value), among[i]))
			return true;
	return among == NULL;
}

static bool selects(const struct selection *s, const struct row *r)
{
	if (!r->there || !is_among(a_names[r->a], s->a, s->a_count) || !is_among(b_names[r->b], s->b, s->b_count))
		return false;
	if (s->by_id || (s->after == STAMP_NONE && s->before == STAMP_NONE))
		return true;
	return r->time != STAMP_NONE && r->time >= s->after && (s->before == STAMP_NONE || r->time < s->before);
}

static unsigned expected(const struct selection *s, struct row **to)
{
	unsigned count = 0;

	for (unsigned i = 0; i < ROWS; i++)
		if (selects(s, &rows[i]))
			to[count++] = &rows[i];
	qsort(to, count, sizeof(to[0]), s->by_id ? compare_rows_by_id : compare_rows_by_time);
	return count;
}

/* ---- questions */

static void random_filter(const struct span **to, unsigned *count, struct span *values, char (*names)[24],
                          unsigned all)
{
	*to = NULL;
	*count = 0;
	if (pick(3) == 0)
		return;
	unsigned start = pick(all), step = 1 + pick(3) * 2;
	*count = pick(3) ? 1 + pick(3) : 1 + pick(SPEC_FILTER_MAX);
	for (unsigned i = 0; i < *count; i++)
		values[i] = pick(20) ? span_of(names[(start + i * step) % all]) : SPAN("nobody");
	*to = values;
}

static struct selection random_selection(struct span *a, struct span *b)
{
	struct selection s = {.by_id = pick(3) == 0, .after = STAMP_NONE, .before = STAMP_NONE};

	random_filter(&s.a, &s.a_count, a, a_names, A_VALUES);
	random_filter(&s.b, &s.b_count, b, b_names, B_VALUES);
	if (pick(2))
		s.after = some_time();
	if (pick(2))
		s.before = some_time();
	return s;
}

static void check_page(const struct selection *s, uint64_t offset, const struct position *behind,
                       struct row **rest, unsigned count)
{
	struct page *p = page_open(table, s, offset, behind);
	unsigned limit = pick(3) ? ROWS : pick(10);

	for (unsigned i = 0; i < limit; i++) {
		uint32_t e = page_next(p);
		if (i >= count) {
			HOLDS(e == 0);
			continue;
		}
		HOLDS(e != 0);
		struct span id = record_id(table_entry(table, e)->record);
		if (!span_is(id, span_of(rest[i]->id)))
			ck_abort_msg("place %u: %.*s instead of %s", i, (int)id.len, id.at, rest[i]->id);
	}
	page_close(p);
}

static void check_behind(const struct selection *s, struct row **all, unsigned count)
{
	struct row probe = rows[pick(ROWS)], *probed = &probe;
	int (*compare)(const void *, const void *) = s->by_id ? compare_rows_by_id : compare_rows_by_time;
	unsigned first = 0;

	if (pick(2))
		probe.time = some_time();
	if (pick(4) == 0)
		strcat(probe.id, "0");
	struct position behind = {.time = probe.time, .id = span_of(probe.id)};
	while (first < count && compare(&all[first], &probed) <= 0)
		first++;
	check_page(s, 0, &behind, all + first, count - first);
}

static void check_selection(void)
{
	struct span a[SPEC_FILTER_MAX], b[SPEC_FILTER_MAX];
	struct selection s = random_selection(a, b);
	struct row *all[ROWS];
	unsigned count = expected(&s, all);

	HOLDS(table_total(table, &s) == count);
	check_page(&s, 0, NULL, all, count);
	unsigned offset = pick(count + 3);
	check_page(&s, offset, NULL, all + (offset < count ? offset : count),
	           offset < count ? count - offset : 0);
	check_behind(&s, all, count);
}

struct groups {
	const struct selection *s;
	bool by_b;
	uint64_t total, last_count;
	char last[24];
};

static void check_group(void *context, struct span value, uint64_t count)
{
	struct groups *g = context;
	char text[24];
	uint64_t should = 0;

	snprintf(text, sizeof(text), "%.*s", (int)value.len, value.at);
	for (unsigned i = 0; i < ROWS; i++)
		if (selects(g->s, &rows[i]) && strcmp(g->by_b ? b_names[rows[i].b] : a_names[rows[i].a], text) == 0)
			should++;
	HOLDS(count == should);
	HOLDS(count > 0);
	HOLDS(count < g->last_count || (count == g->last_count && strcmp(g->last, text) < 0));
	g->last_count = count;
	snprintf(g->last, sizeof(g->last), "%s", text);
	g->total += count;
}

static void check_groups(void)
{
	struct span a[SPEC_FILTER_MAX], b[SPEC_FILTER_MAX];
	struct selection s = random_selection(a, b);

	s.by_id = false;
	struct groups g = {.s = &s, .by_b = pick(2), .last_count = UINT64_MAX};
	table_groups(table, &s, g.by_b, check_group, &g);
	HOLDS(g.total == table_total(table, &s));
}

static void check_ended(void)
{
	struct row *ended[ROWS];
	unsigned count = 0, before = 0;
	int64_t limit = 1700000000000000 + (int64_t)pick(TIMES + 1) * 1000000;

	for (unsigned i = 0; i < ROWS; i++)
		if (rows[i].there && rows[i].end != STAMP_NONE)
			ended[count++] = &rows[i];
	qsort(ended, count, sizeof(ended[0]), compare_rows_by_end);
	while (before < count && ended[before]->end < limit)
		before++;
	HOLDS(table_ended_count(table, limit) == before);
	for (unsigned i = 0; i < before; i++)
		HOLDS(
			span_is(record_id(table_entry(table, table_ended_at(table, i))->record), span_of(ended[i]->id)));
}

static bool has_meta(const struct row *r, const char *key, const char *value)
{
	for (unsigned i = 0; i < r->meta_count; i++)
		if (strcmp(meta_keys[r->meta_key[i]].text, key) == 0 &&
		    strcmp(meta_values[r->meta_value[i]].text, value) == 0)
			return r->there;
	return false;
}

static void check_meta(void)
{
	const char *key = meta_keys[pick(META_KEYS)].text,
	           *value = pick(20) ? meta_values[pick(META_VALUES)].text : "nobody";
	struct row *newest = NULL;

	for (unsigned i = 0; i < ROWS; i++) {
		struct row *r = &rows[i];
		if (has_meta(r, key, value) && (!newest || compare_rows_by_time(&r, &newest) < 0))
			newest = r;
	}
	uint32_t e = table_find_meta(table, span_of(key), span_of(value));
	HOLDS((e != 0) == (newest != NULL));
	if (e)
		HOLDS(span_is(record_id(table_entry(table, e)->record), span_of(newest->id)));
}

static void check_rows(void)
{
	unsigned count = 0;
	uint64_t bytes = 0;

	for (unsigned i = 0; i < ROWS; i++) {
		struct record *r = table_get(table, span_of(rows[i].id));
		HOLDS((r != NULL) == (rows[i].there));
		count += rows[i].there;
		bytes += r ? r->len : 0;
	}
	HOLDS(table_count(table) == count);
	HOLDS(table_bytes(table) == bytes);
	unsigned seen = 0;
	for (uint32_t e = 1; e <= table_last(table); e++)
		seen += table_entry(table, e)->record != NULL;
	HOLDS(seen == count);
}

static void live_through(enum table_id t, uint64_t seed, int changes)
{
	open_table(t, seed);
	for (int i = 0; i < changes; i++) {
		random_change();
		if (i % 4 == 0)
			for (int n = 0; n < 4; n++)
				check_selection();
		if (i % 16 == 0) {
			check_groups();
			check_ended();
		}
		if (t == TABLE_RUNS)
			check_meta();
		if (i % 64 == 0)
			check_rows();
	}
	for (unsigned i = 0; i < ROWS; i++)
		if (rows[i].there)
			clear_row(&rows[i]);
	check_rows();
	check_selection();
	close_table();
}

START_TEST(lists_counts_and_cursors_of_jobs_agree_with_a_plain_search)
{
	live_through(TABLE_JOBS, 1, 20000);
}
END_TEST

START_TEST(lists_counts_and_meta_of_runs_agree_with_a_plain_search)
{
	live_through(TABLE_RUNS, 2, 20000);
}
END_TEST

START_TEST(lists_and_counts_of_artifacts_agree_with_a_plain_search)
{
	live_through(TABLE_ARTIFACTS, 3, 20000);
}
END_TEST

START_TEST(a_loaded_table_answers_as_one_that_was_changed_record_by_record)
{
	for (enum table_id t = 0; t < TABLE_COUNT; t++) {
		open_table(t, 4);
		table_load_begin(table);
		for (int i = 0; i < 600; i++)
			random_change();
		table_load_end(table);
		check_rows();
		for (int i = 0; i < 1000; i++) {
			check_selection();
			check_groups();
			check_ended();
			if (t == TABLE_RUNS)
				check_meta();
			if (i > 500)
				random_change();
		}
		close_table();
	}
}
END_TEST

START_TEST(an_empty_load_leaves_an_empty_table_that_works)
{
	open_table(TABLE_RUNS, 4);
	table_load_begin(table);
	table_load_end(table);
	check_selection();
	for (int i = 0; i < 100; i++)
		random_change();
	check_rows();
	check_selection();
	close_table();
}
END_TEST

/* ---- particular cases */

START_TEST(a_claimed_id_is_found_but_is_no_record)
{
	open_table(TABLE_JOBS, 1);
	uint32_t e = table_claim(table, SPAN("new"));
	ck_assert_uint_eq(table_claim(table, SPAN("new")), e);
	ck_assert_uint_eq(table_find(table, SPAN("new")), e);
	ck_assert_ptr_null(table_get(table, SPAN("new")));
	ck_assert_uint_eq(table_count(table), 0);
	struct selection all = {.after = STAMP_NONE, .before = STAMP_NONE};
	ck_assert_uint_eq(table_total(table, &all), 0);
	table_drop(table, e);
	ck_assert_uint_eq(table_find(table, SPAN("new")), 0);
	ck_assert_uint_eq(table_claim(table, SPAN("other")), e);
	close_table(); /* with a claim that nobody dropped: nothing may leak */
}
END_TEST

START_TEST(live_progress_stays_with_an_update_and_goes_with_the_record)
{
	open_table(TABLE_JOBS, 1);
	set_row(&rows[0]);
	set_row(&rows[20]);
	for (int i = 0; i <= 20; i += 20) {
		struct entry *n = table_entry(table, table_find(table, span_of(rows[i].id)));
		ck_assert_ptr_null(n->live);
		struct live *live = calloc(1, sizeof(struct live) + 16);
		n->live = live;
		rows[i].a = 1;
		set_row(&rows[i]);
		ck_assert_ptr_eq(n->live, live);
	}
	clear_row(&rows[0]);
	close_table(); /* the other one's goes here */
}
END_TEST

START_TEST(a_record_that_somebody_still_holds_outlives_its_entry)
{
	open_table(TABLE_JOBS, 1);
	set_row(&rows[0]);
	struct record *held = record_ref(table_get(table, span_of(rows[0].id)));
	set_row(&rows[0]);
	ck_assert_ptr_ne(table_get(table, span_of(rows[0].id)), held);
	ck_assert_uint_eq(held->refs, 1);
	record_unref(held);
	held = record_ref(table_get(table, span_of(rows[0].id)));
	clear_row(&rows[0]);
	ck_assert_uint_eq(held->refs, 1);
	ck_assert(span_is(record_id(held), span_of(rows[0].id)));
	record_unref(held);
	close_table();
}
END_TEST

START_TEST(records_without_a_time_are_last_and_in_open_ranges_only)
{
	open_table(TABLE_JOBS, 1);
	rows[30].time = STAMP_NONE;
	rows[31].time = 1000;
	set_row(&rows[30]);
	set_row(&rows[31]);
	struct selection s = {.after = STAMP_NONE, .before = STAMP_NONE};
	struct page *p = page_open(table, &s, 0, NULL);
	ck_assert_uint_eq(page_next(p), table_find(table, span_of(rows[31].id)));
	ck_assert_uint_eq(page_next(p), table_find(table, span_of(rows[30].id)));
	ck_assert_uint_eq(page_next(p), 0);
	page_close(p);
	s.before = 2000;
	ck_assert_uint_eq(table_total(table, &s), 1);
	s.before = STAMP_NONE;
	s.after = 0;
	ck_assert_uint_eq(table_total(table, &s), 1);
	close_table();
}
END_TEST

START_TEST(a_value_given_twice_is_not_counted_twice)
{
	open_table(TABLE_JOBS, 1);
	set_row(&rows[0]);
	struct span twice[] = {span_of(a_names[0]), span_of(a_names[0])};
	struct selection s = {.a = twice, .a_count = 2, .after = STAMP_NONE, .before = STAMP_NONE};
	ck_assert_uint_eq(table_total(table, &s), 1);
	s.a_count = 0;
	ck_assert_uint_eq(table_total(table, &s), 0);
	close_table();
}
END_TEST

static void set_artifact(unsigned number, unsigned run)
{
	char text[256];
	struct record_keys keys;
	int len = snprintf(text, sizeof(text),
	                   "{\"id\":\"backtest_%u\",\"run_id\":\"run_%u\",\"kind\":\"k\",\"created_at\":null,\"size_bytes\":1,\"revision\":1}",
	                   number, run);
	struct record *r = record_new(TABLE_ARTIFACTS, (struct span){text, (size_t)len}, &keys);

	HOLDS(r != NULL);
	table_set(table, table_claim(table, keys.id), r, &keys);
}

START_TEST(run_ids_that_come_and_go_do_not_pile_up)
{
	open_table(TABLE_ARTIFACTS, 1);
	uint64_t before = 0;
	for (unsigned i = 0; i < 30000; i++) {
		if (i == 5000)
			before = table_overhead(table);
		set_artifact(i % 1000, i);
	}
	ck_assert_uint_eq(table_count(table), 1000);
	ck_assert_uint_lt(table_overhead(table), before + 8192);
	struct span run = SPAN("run_29999"), gone = SPAN("run_28999");
	struct selection s = {.a = &run, .a_count = 1, .after = STAMP_NONE, .before = STAMP_NONE};
	ck_assert_uint_eq(table_total(table, &s), 1);
	s.a = &gone;
	ck_assert_uint_eq(table_total(table, &s), 0);
	close_table();
}
END_TEST

static void put_meta_run(const char *id, const struct buf *meta)
{
	struct buf text = {0};
	struct record_keys keys;

	buf_printf(&text, "{\"id\":\"%s\",\"kind\":\"k\",\"status\":\"running\",\"created_at\":null,\"updated_at\":null,\"started_at\":null,"
	           "\"finished_at\":null,\"request\":{},\"meta\":", id);
	buf_span(&text, buf_as_span(meta));
	buf_text(&text, ",\"artifact_id\":null,\"error\":null,\"revision\":1}");
	struct record *r = record_new(TABLE_RUNS, buf_as_span(&text), &keys);
	buf_free(&text);
	if (r)
		table_set(table, table_claim(table, keys.id), r, &keys);
}

static void drop_id(const char *id)
{
	uint32_t e = table_find(table, span_of(id));

	table_clear(table, e);
	table_drop(table, e);
}

static void put_wide_run(const char *id, unsigned first, unsigned members)
{
	struct buf meta = {0};

	for (unsigned i = 0; i < members; i++)
		buf_printf(&meta, "%s\"k%u\":\"same\"", i ? "," : "{", first + i);
	buf_char(&meta, '}');
	put_meta_run(id, &meta);
	buf_free(&meta);
}

static uint32_t find_wide(unsigned key)
{
	char k[16];

	snprintf(k, sizeof(k), "k%u", key);
	return table_find_meta(table, span_of(k), SPAN("same"));
}

/* So many members that several of them share their 32-bit hash, and so do several of the questions with
 * some of them. */
START_TEST(a_meta_of_a_hundred_thousand_members_is_found_and_never_mistaken)
{
	enum { WIDE = 100000, RUNS = 3 };

	open_table(TABLE_RUNS, 1);
	for (unsigned i = 0; i < RUNS; i++)
		put_wide_run(rows[i].id, i * WIDE, WIDE);
	put_wide_run(rows[1].id, 1 * WIDE, WIDE);
	for (unsigned i = 0; i < RUNS * WIDE; i++) {
		HOLDS(find_wide(i) == table_find(table, span_of(rows[i / WIDE].id)));
		HOLDS(find_wide(i + RUNS * WIDE) == 0);
	}
	drop_id(rows[1].id);
	for (unsigned i = 0; i < RUNS * WIDE; i++)
		HOLDS((find_wide(i) != 0) == (i / WIDE != 1));
	close_table();
}
END_TEST

START_TEST(a_run_is_never_found_for_another_ones_value)
{
	enum { RUNS = 60000 };
	char id[16], value[16];

	open_table(TABLE_RUNS, 1);
	for (unsigned i = 0; i < RUNS; i++) {
		struct buf meta = {0};
		snprintf(id, sizeof(id), "r%u", i);
		buf_printf(&meta, "{\"job\":\"v%u\"}", i);
		put_meta_run(id, &meta);
		buf_free(&meta);
	}
	for (unsigned i = 0; i < 12 * RUNS; i++) {
		snprintf(id, sizeof(id), "r%u", i);
		snprintf(value, sizeof(value), "v%u", i);
		HOLDS(table_find_meta(table, SPAN("job"), span_of(value)) == table_find(table, span_of(id)));
	}
	close_table();
}
END_TEST

/* Nothing of the kind comes in by the wire, but a file may hold anything. */
START_TEST(an_odd_meta_in_a_file_does_no_harm)
{
	static const char *const odd[] = {"null", "[]", "\"text\"", "[{\"k\":1}]", "{\"k\":1,\"k\":1}", "{\"k\" : 1}", "{\"k\":[1, 2],\"l\":tru}", "{}"};
	enum { ODD = sizeof(odd) / sizeof(odd[0]) };

	open_table(TABLE_RUNS, 1);
	for (unsigned i = 0; i < 3 * ODD; i++) {
		struct buf meta = {0};
		buf_text(&meta, odd[i % ODD]);
		put_meta_run("first", &meta);
		put_meta_run(i % 2 ? "second" : "third", &meta);
		buf_free(&meta);
		table_find_meta(table, SPAN("k"), SPAN("1"));
	}
	ck_assert_uint_eq(table_find_meta(table, SPAN("k"), SPAN("1")), 0); /* the last one is {} */
	drop_id("first");
	drop_id("second");
	drop_id("third");
	ck_assert_uint_eq(table_count(table), 0);
	close_table();
}
END_TEST

START_TEST(the_newest_of_many_runs_with_one_value_is_found_after_each_update)
{
	open_table(TABLE_RUNS, 5);
	for (unsigned i = 0; i < ROWS; i++) {
		rows[i].time = 1000 + i;
		rows[i].meta_count = 1;
		set_row(&rows[i]);
	}
	for (unsigned i = 0; i < 500; i++) {
		struct row *r = &rows[pick(ROWS)];
		r->time = 2000 + i;
		r->a = pick(5); /* meta itself stays as it was, but stands elsewhere in the text */
		set_row(r);
		ck_assert_uint_eq(table_find_meta(table, SPAN("k"), SPAN("1")), table_find(table, span_of(r->id)));
	}
	close_table();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("table");
	TCase *c = tcase_create("table");

	tcase_set_timeout(c, 120);
	tcase_add_test(c, lists_counts_and_cursors_of_jobs_agree_with_a_plain_search);
	tcase_add_test(c, lists_counts_and_meta_of_runs_agree_with_a_plain_search);
	tcase_add_test(c, lists_and_counts_of_artifacts_agree_with_a_plain_search);
	tcase_add_test(c, a_loaded_table_answers_as_one_that_was_changed_record_by_record);
	tcase_add_test(c, an_empty_load_leaves_an_empty_table_that_works);
	tcase_add_test(c, a_claimed_id_is_found_but_is_no_record);
	tcase_add_test(c, live_progress_stays_with_an_update_and_goes_with_the_record);
	tcase_add_test(c, a_record_that_somebody_still_holds_outlives_its_entry);
	tcase_add_test(c, records_without_a_time_are_last_and_in_open_ranges_only);
	tcase_add_test(c, a_value_given_twice_is_not_counted_twice);
	tcase_add_test(c, run_ids_that_come_and_go_do_not_pile_up);
	tcase_add_test(c, a_meta_of_a_hundred_thousand_members_is_found_and_never_mistaken);
	tcase_add_test(c, a_run_is_never_found_for_another_ones_value);
	tcase_add_test(c, an_odd_meta_in_a_file_does_no_harm);
	tcase_add_test(c, the_newest_of_many_runs_with_one_value_is_found_after_each_update);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
