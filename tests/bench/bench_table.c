/* bench_table: what the index costs in time and memory at 1,000 and at 1,000,000 records (or as many as
 * the argument says). */
#include "daemon/table.h"
#include "proto/buf.h"
#include "proto/ident.h"
#include <assert.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { SMALL = 1000, SAMPLES = 401, PAGE = 50, STATUSES = 5, TYPES = 5, RUN_STRATEGIES = 100 };

static const char *const types[TYPES] = {"backtest", "optimization", "signal_generation", "data_refresh",
                                         "custom"};
static const int64_t year = INT64_C(365) * 86400 * 1000000, start_of_time = INT64_C(1767225600) * 1000000;

struct bench {
	enum table_id kind;
	struct table *table;
	uint32_t count;
	double build_seconds, load_seconds;
	uint64_t malloc_bytes, resident_bytes, text_bytes;
};

static uint64_t random_state = 88172645463325252u;

static uint64_t random64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 2685821657736338717u;
}

static uint32_t pick(uint32_t below)
{
	return (uint32_t)((random64() >> 32) * below >> 32);
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* For what takes seconds: others on the machine do not count. */
static int64_t own_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static uint64_t malloc_in_use(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static uint64_t resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	uint64_t pages = 0;

	if (f && fscanf(f, "%*u %" SCNu64, &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* ---- records */

struct shape {
	char id[40];
	const char *status, *type;
	int64_t time;
};

static struct shape random_shape(enum table_id kind)
{
	struct shape s = {.type = types[pick(TYPES)],
	                  .time = start_of_time + (int64_t)(random64() % (uint64_t)year)};
	uint64_t x = random64(), y = random64();

	s.status = kind == TABLE_JOBS ? spec_job_statuses[pick(STATUSES)] : spec_run_statuses[pick(STATUSES)];
	if (kind == TABLE_JOBS)
		snprintf(s.id, sizeof(s.id), "%08x-%04x-4%03x-a%03x-%012" PRIx64, (unsigned)(x >> 32),
		         (unsigned)x & 0xffff, (unsigned)(x >> 16) & 0xfff, (unsigned)(y >> 48) & 0xfff,
		         y & UINT64_C(0xffffffffffff));
	else
		snprintf(s.id, sizeof(s.id), "%s_%012" PRIx64, s.type, x >> 16);
	return s;
}

static void put_time(struct buf *b, const char *name, int64_t time)
{
	buf_printf(b, ",\"%s\":", name);
	stamp_json(b, time);
}

static void put_job(struct buf *b, const struct shape *s)
{
	bool ended = spec_status_is_terminal(TABLE_JOBS, span_of(s->status));

	buf_printf(b, "{\"id\":\"%s\",\"type\":\"%s\",\"status\":\"%s\"", s->id, s->type, s->status);
	buf_text(b, ",\"payload\":{\"factor_name\":\"value\",\"start_date\":\"2020-01-01\",\"end_date\":\"2025-12-31\",\"top_n\":10,"
	         "\"rebalance\":\"monthly\",\"costs\":{\"commission\":0.0015,\"slippage_bps\":2.5},\"universe\":[\"AKBNK\",\"SISE\"]}");
	buf_printf(b, ",\"progress\":{\"current\":%u,\"total\":1200,\"message\":\"Loading prices\"},\"result\":null", pick(1200));
	put_time(b, "created_at", s->time);
	put_time(b, "started_at", s->time + 2000000);
	put_time(b, "completed_at", ended ? s->time + 60000000 + pick(1000000000) : STAMP_NONE);
	buf_text(b, ",\"error\":null,\"metadata\":{\"owner\":\"api\",\"attempt\":3}");
	put_time(b, "updated_at", s->time + 70000000);
	buf_text(b, ",\"revision\":1234567}");
}

static void put_run(struct buf *b, const struct shape *s)
{
	bool ended = spec_status_is_terminal(TABLE_RUNS, span_of(s->status));

	buf_printf(b, "{\"id\":\"%s\",\"kind\":\"%s\",\"status\":\"%s\"", s->id, s->type, s->status);
	put_time(b, "created_at", s->time);
	put_time(b, "updated_at", s->time);
	put_time(b, "started_at", s->time);
	put_time(b, "finished_at", ended ? s->time : STAMP_NONE);
	buf_printf(b, ",\"request\":{\"top_n\":10},\"meta\":{\"job_id\":\"%s\",\"strategy\":\"s%u\",\"env\":\"prod\"}", s->id,
	           (unsigned)(s->time % RUN_STRATEGIES));
	buf_text(b, ",\"artifact_id\":null,\"error\":null,\"revision\":1234567}");
}

static struct record *make(enum table_id kind, const struct shape *s, struct record_keys *keys)
{
	static struct buf text;

	text.len = 0;
	if (kind == TABLE_JOBS)
		put_job(&text, s);
	else
		put_run(&text, s);
	struct record *r = record_new(kind, buf_as_span(&text), keys);
	assert(r);
	return r;
}

static void put(struct table *t, struct record *r, const struct record_keys *keys)
{
	table_set(t, table_claim(t, keys->id), r, keys);
}

static void drop(struct table *t, struct span id)
{
	uint32_t e = table_find(t, id);

	table_clear(t, e);
	table_drop(t, e);
}

/* The same records again, as a start of the daemon reads them. */
static double load_again(const struct table *t, enum table_id kind)
{
	struct table *again = table_new(kind);
	int64_t spent = -own_time();

	table_load_begin(again);
	for (uint32_t e = 1; e <= table_last(t); e++) {
		struct record *r = table_entry(t, e)->record;
		struct record_keys keys;
		spent += own_time();
		record_keys(kind, r, &keys);
		spent -= own_time();
		put(again, record_ref(r), &keys);
	}
	table_load_end(again);
	spent += own_time();
	table_free(again);
	return (double)spent / 1e9;
}

static struct bench build(enum table_id kind, uint32_t count)
{
	struct bench b = {.kind = kind, .count = count};
	malloc_trim(0); /* or what an earlier table gave back would not count as resident */
	uint64_t malloc_before = malloc_in_use(), resident_before = resident();
	int64_t spent = 0;

	b.table = table_new(kind);
	for (uint32_t i = 0; i < count; i++) {
		struct record_keys keys;
		struct shape s = random_shape(kind);
		struct record *r = make(kind, &s, &keys);
		int64_t from = own_time();
		put(b.table, r, &keys);
		spent += own_time() - from;
	}
	b.build_seconds = (double)spent / 1e9;
	b.text_bytes = table_bytes(b.table);
	b.malloc_bytes = malloc_in_use() - malloc_before;
	b.resident_bytes = resident() - resident_before;
	b.load_seconds = load_again(b.table, kind);
	return b;
}

static void print_build(const struct bench *b)
{
	double n = b->count;

	printf("%u %s of %.0f bytes\n", b->count, spec_table_name(b->kind), (double)b->text_bytes / n);
	printf("  made one by one, random order  %9.2f s (%.2f µs each)\n", b->build_seconds,
	       b->build_seconds * 1e6 / n);
	printf("  made as a load                 %9.2f s (%.2f µs each)\n", b->load_seconds,
	       b->load_seconds * 1e6 / n);
	printf("  bytes in memory                %9.1f of records, %.1f of indexes; %.1f by malloc, %.1f resident\n",
	       (double)table_kept(b->table) / n, (double)table_overhead(b->table) / n, (double)b->malloc_bytes / n,
	       (double)b->resident_bytes / n);
}

/* ---- cases: each runs once and returns the nanoseconds that count */

static struct buf reply;
static bool sending; /* lists: also make the bytes of the reply */

static const struct span one_status[] = {{"running", 7}}, one_type[] = {{"backtest", 8}};
static const struct span three_statuses[] = {{"running", 7}, {"failed", 6}, {"cancelled", 9}};
static const struct span three_types[] = {{"backtest", 8}, {"custom", 6}, {"data_refresh", 12}};

static int64_t list(const struct bench *b, const struct selection *s, uint64_t offset,
                    const struct position *behind)
{
	int64_t from = now();
	struct page *p = page_open(b->table, s, offset, behind);
	uint64_t total = table_total(b->table, s);
	uint32_t e;
	size_t found = 0;

	reply.len = 0;
	while (found < PAGE && (e = page_next(p))) {
		found++;
		if (sending)
			record_send(&reply, b->kind, table_entry(b->table, e)->record, NULL, RECORD_ALL, NULL);
	}
	page_close(p);
	int64_t spent = now() - from;
	assert(found == PAGE || total < offset + PAGE || behind);
	return spent;
}

#define EVERYTHING .after = STAMP_NONE, .before = STAMP_NONE

/* Some offset around the middle, each time another, so that not the same few nodes are asked for. */
static uint64_t middle(uint64_t total)
{
	return total * 2 / 5 + pick((uint32_t)(total / 5));
}

static int64_t list_start(const struct bench *b)
{
	struct selection s = {EVERYTHING};

	return list(b, &s, 0, NULL);
}

static int64_t list_middle(const struct bench *b)
{
	struct selection s = {EVERYTHING};

	return list(b, &s, middle(b->count), NULL);
}

static int64_t list_end(const struct bench *b)
{
	struct selection s = {EVERYTHING};

	return list(b, &s, table_count(b->table) - PAGE, NULL);
}

static int64_t list_status(const struct bench *b)
{
	struct selection s = {.a = one_status, .a_count = 1, EVERYTHING};

	return list(b, &s, middle(table_total(b->table, &s)), NULL);
}

static int64_t list_type(const struct bench *b)
{
	struct selection s = {.b = one_type, .b_count = 1, EVERYTHING};

	return list(b, &s, middle(table_total(b->table, &s)), NULL);
}

static int64_t list_both(const struct bench *b)
{
	struct selection s = {.a = one_status, .a_count = 1, .b = one_type, .b_count = 1, EVERYTHING};

	return list(b, &s, middle(table_total(b->table, &s)), NULL);
}

static struct selection nine(void)
{
	return (struct selection){.a = three_statuses, .a_count = 3, .b = three_types, .b_count = 3, EVERYTHING};
}

static int64_t list_nine_start(const struct bench *b)
{
	struct selection s = nine();

	return list(b, &s, 0, NULL);
}

static int64_t list_nine_middle(const struct bench *b)
{
	struct selection s = nine();

	return list(b, &s, middle(table_total(b->table, &s)), NULL);
}

static struct position somewhere(const struct bench *b)
{
	uint32_t e;

	do
		e = 1 + pick(table_last(b->table));
	while (!table_entry(b->table, e)->record);
	const struct entry *n = table_entry(b->table, e);
	return (struct position){.time = n->time, .id = record_id(n->record)};
}

static int64_t list_range(const struct bench *b)
{
	struct selection s = {EVERYTHING};

	s.after = start_of_time + pick(200) * (year / 400);
	s.before = s.after + year / 4;
	return list(b, &s, pick(b->count / 16), NULL);
}

static int64_t list_nine_range(const struct bench *b)
{
	struct selection s = nine();

	s.after = start_of_time + pick(100) * (year / 400);
	s.before = s.after + year / 2;
	return list(b, &s, pick(b->count / 16), NULL);
}

static int64_t list_by_id(const struct bench *b)
{
	struct selection s = {.by_id = true, EVERYTHING};

	return list(b, &s, middle(b->count), NULL);
}

static int64_t list_cursor(const struct bench *b)
{
	struct selection s = {EVERYTHING};
	struct position behind = somewhere(b);

	return list(b, &s, 0, &behind);
}

static int64_t list_cursor_by_id(const struct bench *b)
{
	struct selection s = {.by_id = true, EVERYTHING};
	struct position behind = somewhere(b);

	return list(b, &s, 0, &behind);
}

static int64_t list_nine_cursor(const struct bench *b)
{
	struct selection s = nine();
	struct position behind = somewhere(b);

	return list(b, &s, 0, &behind);
}

static void ignore_group(void *context, struct span value, uint64_t count)
{
	(void)value;
	*(uint64_t *)context += count;
}

static int64_t count_groups(const struct bench *b)
{
	struct selection s = {.a = three_statuses, .a_count = 3, EVERYTHING};
	uint64_t sum = 0;
	int64_t from = now();

	s.after = start_of_time + pick(200) * (year / 400);
	table_groups(b->table, &s, true, ignore_group, &sum);
	return now() - from;
}

static int64_t find_record(const struct bench *b)
{
	struct position p = somewhere(b);
	int64_t from = now();
	uint32_t e = table_find(b->table, p.id);
	int64_t spent = now() - from;

	assert(e);
	return spent;
}

static int64_t insert(const struct bench *b)
{
	struct record_keys keys;
	struct shape s = random_shape(b->kind);
	struct record *r = make(b->kind, &s, &keys);
	int64_t from = now();

	put(b->table, r, &keys);
	int64_t spent = now() - from;
	drop(b->table, keys.id);
	return spent;
}

/* A record that exists, made again with another status; runs also with a new time. */
static int64_t update(const struct bench *b)
{
	struct position p = somewhere(b);
	const struct entry *n = table_entry(b->table, table_find(b->table, p.id));
	struct record_keys keys;
	struct shape s = random_shape(b->kind);

	record_keys(b->kind, n->record, &keys);
	snprintf(s.id, sizeof(s.id), "%.*s", (int)p.id.len, p.id.at);
	for (int i = 0; i < TYPES; i++)
		if (span_is(keys.b, span_of(types[i])))
			s.type = types[i];
	if (b->kind == TABLE_JOBS)
		s.time = n->time;
	struct record *r = make(b->kind, &s, &keys);
	int64_t from = now();
	put(b->table, r, &keys);
	return now() - from;
}

static int64_t delete(const struct bench *b)
{
	struct shape s = random_shape(b->kind);
	struct record_keys keys;
	char id[40];
	struct position p = somewhere(b);

	snprintf(id, sizeof(id), "%.*s", (int)p.id.len, p.id.at);
	int64_t from = now();
	drop(b->table, span_of(id));
	int64_t spent = now() - from;
	put(b->table, make(b->kind, &s, &keys), &keys);
	return spent;
}

static int64_t find_unique_meta(const struct bench *b)
{
	struct position p = somewhere(b);
	int64_t from = now();
	uint32_t e = table_find_meta(b->table, SPAN("job_id"), p.id);
	int64_t spent = now() - from;

	assert(e);
	return spent;
}

static int64_t find_shared_meta(const struct bench *b)
{
	int64_t from = now();
	uint32_t e = table_find_meta(b->table, SPAN("env"), SPAN("prod"));

	assert(e);
	return now() - from;
}

/* ---- measuring */

static int by_size(const void *x, const void *y)
{
	int64_t p = *(const int64_t *)x, q = *(const int64_t *)y;

	return (p > q) - (p < q);
}

static double median(int64_t (*run)(const struct bench *b), const struct bench *b)
{
	int64_t spent[SAMPLES];

	for (int i = 0; i < SAMPLES; i++)
		spent[i] = run(b);
	qsort(spent, SAMPLES, sizeof(spent[0]), by_size);
	return (double)spent[SAMPLES / 2] / 1000;
}

struct row {
	const char *name;
	int64_t (*run)(const struct bench *b);
	bool is_list;
};

static const struct row job_rows[] = {
	{"first page (always the same)", list_start, true},
	{"offset around n/2", list_middle, true},
	{"last page (always the same)", list_end, true},
	{"by status, offset n/2", list_status, true},
	{"by type, offset n/2", list_type, true},
	{"by both, offset n/2", list_both, true},
	{"3 x 3 (always the same)", list_nine_start, true},
	{"3 statuses x 3 types, n/2", list_nine_middle, true},
	{"time range, offset", list_range, true},
	{"3 x 3, time range, offset", list_nine_range, true},
	{"order id, offset n/2", list_by_id, true},
	{"cursor", list_cursor, true},
	{"cursor, order id", list_cursor_by_id, true},
	{"cursor, 3 x 3", list_nine_cursor, true},
	{"counts by type, 3 statuses", count_groups, false},
	{"find by id", find_record, false},
	{"insert a new record", insert, false},
	{"update, status changed", update, false},
	{"delete", delete, false},
	{NULL, NULL, false},
};

static const struct row run_rows[] = {
	{"find_by_meta, one run", find_unique_meta, false},
	{"find_by_meta, all runs", find_shared_meta, false},
	{"insert, 3 meta members", insert, false},
	{"update, moved", update, false},
	{"delete", delete, false},
	{NULL, NULL, false},
};

static void print_row(const char *name, const char *what, const struct row *row, const struct bench *small,
                      const struct bench *large)
{
	double s = median(row->run, small), l = median(row->run, large);

	printf("  %-30s%-10s %9.2f %9.2f %7.1f\n", name, what, s, l, l / s);
}

static void compare(enum table_id kind, const struct row *rows, uint32_t count)
{
	struct bench large = build(kind, count), small = build(kind, SMALL);

	print_build(&large);
	printf("  %-40s %9s %9s %7s   (medians of %d, µs; lists are of %d)\n", "", "1 k", "all", "ratio", SAMPLES,
	       PAGE);
	for (const struct row *row = rows; row->name; row++) {
		sending = false;
		print_row(row->name, row->is_list ? "index only" : "", row, &small, &large);
		sending = true;
		if (row->is_list)
			print_row("", "with reply", row, &small, &large);
	}
	table_free(small.table);
	table_free(large.table);
}

int main(int argc, char **argv)
{
	uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;

	ident_init();
	if (count < SMALL) {
		fprintf(stderr, "usage: %s [records, at least %d]\n", argv[0], SMALL);
		return EXIT_FAILURE;
	}
	compare(TABLE_JOBS, job_rows, count);
	compare(TABLE_RUNS, run_rows, count);
	buf_free(&reply);
	return EXIT_SUCCESS;
}
