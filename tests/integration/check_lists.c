/* Lists: order, filters, totals and pages, while others change what is listed. */
#include "tests/integration/client.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct daemon *d;
static struct client *c;

static void setup(void)
{
	d = daemon_started(NULL);
	c = client_open(d);
}

static void teardown(void)
{
	daemon_end(d);
}

static void save_at(const char *id, const char *created)
{
	client_call(c, "job.save", JSON({"job":{"id":"%s","created_at":"%s"}}), id, created);
}

/* The ids of a page, with spaces between. */
static const char *ids_of(const json_t *page, const char *list)
{
	char *text = NULL;
	size_t len = 0, i;
	json_t *record;
	FILE *out = open_memstream(&text, &len);
	json_array_foreach(value_at(page, list), i, record)
		fprintf(out, "%s%s", i ? " " : "", text_at(record, "id"));
	fclose(out);
	return text;
}

static const char *listed(const char *params)
{
	return ids_of(client_call(c, "job.list", "%s", params), "jobs");
}

/* Jobs 0000 to count-1, each created a second after the one before. */
static void save_many(int count)
{
	for (int i = 0; i < count; i++)
		client_say(c, JSON({"jsonrpc":"2.0","method":"job.save","params":{"job":{"id":"%04d","status":"%s","type":"%s",
			"created_at":"2026-01-01T%02d:%02d:%02dZ"}}}), i, i % 3 ? "pending" : "running",
			i % 2 ? "backtest" : "custom",
			i / 3600, i / 60 % 60, i % 60);
	ck_assert_int_eq(whole_at(client_call(c, "job.count", NULL), "total"), count);
}

/* ---- order */

START_TEST(jobs_are_listed_newest_created_first_and_ties_by_id)
{
	save_at("b", "2026-01-01T00:00:00Z");
	save_at("newest", "2026-01-03T00:00:00Z");
	save_at("a", "2026-01-01T00:00:00.000000+00:00");
	save_at("c", "2026-01-01T02:00:00+02:00");
	save_at("middle", "2026-01-02T00:00:00");
	ck_assert_str_eq(listed("{}"), "newest middle a b c");
	client_call(c, "job.save", JSON({"job":{"id":"a","status":"running"}}));
	ck_assert_str_eq(listed("{}"), "newest middle a b c");
	client_call(c, "job.save", JSON({"job":{"id":"a","created_at":"2026-02-01T00:00:00Z"}}));
	ck_assert_str_eq(listed("{}"), "a newest middle b c");
}
END_TEST

START_TEST(runs_are_listed_newest_updated_first)
{
	for (int i = 0; i < 3; i++)
		client_call(c, "run.create_or_update", JSON({"run_id":"r%d","kind":"x"}), i);
	ck_assert_str_eq(ids_of(client_call(c, "run.list", NULL), "runs"), "r2 r1 r0");
	client_call(c, "run.create_or_update", JSON({"run_id":"r0","kind":"x","status":"running"}));
	ck_assert_str_eq(ids_of(client_call(c, "run.list", NULL), "runs"), "r0 r2 r1");
	ck_assert_str_eq(ids_of(client_call(c, "run.list", JSON({"order":"id"})), "runs"), "r0 r1 r2");
	ck_assert_str_eq(ids_of(client_call(c, "run.list", JSON({"status":"queued"})), "runs"), "r2 r1");
}
END_TEST

START_TEST(order_id_is_by_id_whatever_changes)
{
	save_at("b", "2026-01-01T00:00:00Z");
	save_at("B", "2026-01-02T00:00:00Z");
	save_at("a", "2026-01-03T00:00:00Z");
	save_at("_", "2026-01-04T00:00:00Z");
	save_at("10", "2026-01-05T00:00:00Z");
	save_at("9", "2026-01-06T00:00:00Z");
	save_at("a-longer-id-than-eight-bytes", "2026-01-07T00:00:00Z");
	save_at("a-longer-id-than-eight-byte", "2026-01-08T00:00:00Z");
	const char *wanted = "10 9 B _ a a-longer-id-than-eight-byte a-longer-id-than-eight-bytes b";
	ck_assert_str_eq(listed(JSON({"order":"id"})), wanted);
	client_call(c, "job.save",
	            JSON({"job":{"id":"b","created_at":"2026-05-01T00:00:00Z","status":"running"}}));
	ck_assert_str_eq(listed(JSON({"order":"id"})), wanted);
	ck_assert_str_eq(listed(JSON({"order":"id","status":"running"})), "b");
}
END_TEST

START_TEST(the_order_is_the_same_after_a_restart)
{
	save_many(300);
	const char *before = listed(JSON({"limit":1000})),
	           *filtered = listed(JSON({"limit":1000,"status":["running"],"type":["custom","backtest"]}));
	daemon_kill(d);
	daemon_start(d, NULL);
	c = client_open(d);
	ck_assert_str_eq(listed(JSON({"limit":1000})), before);
	daemon_restart(d, NULL);
	c = client_open(d);
	ck_assert_str_eq(listed(JSON({"limit":1000})), before);
	ck_assert_str_eq(listed(JSON({"limit":1000,"status":["running"],"type":["custom","backtest"]})),
	                 filtered);
}
END_TEST

/* ---- filters */

START_TEST(filters_select_and_total_counts_all_that_they_select)
{
	save_many(120);
	static const struct {
		const char *filter;
		int total;
	} cases[] = {
		{JSON({"limit":5}), 120},
		{JSON({"limit":5,"status":"running"}), 40},
		{JSON({"limit":5,"status":["running","pending"]}), 120},
		{JSON({"limit":5,"status":["running","running"]}), 40},
		{JSON({"limit":5,"status":"cancelled"}), 0},
		{JSON({"limit":5,"type":"backtest"}), 60},
		{JSON({"limit":5,"type":["backtest","custom","none"]}), 120},
		{JSON({"limit":5,"type":"backtest","status":"running"}), 20},
		{JSON({"limit":5,"created_after":"2026-01-01T00:01:00Z"}), 60},
		{JSON({"limit":5,"created_before":"2026-01-01T00:01:00Z"}), 60},
		{JSON({"limit":5,"created_after":"2026-01-01T00:00:10Z","created_before":"2026-01-01T00:00:20Z"}),
		 10},
		{JSON({"limit":5,"created_after":"2026-01-01T02:00:10+02:00","created_before":"2026-01-01T00:00:20"}),
		 10},
		{JSON({"limit":5,"created_after":"2026-01-01T00:00:10Z","created_before":"2026-01-01T00:00:20Z","status":["running"],"type":["custom","backtest"]}),
		 3},
		{JSON({"limit":5,"created_after":"2027-01-01T00:00:00Z"}), 0},
		{JSON({"limit":5,"created_after":"2026-01-01T00:00:20Z","created_before":"2026-01-01T00:00:10Z"}), 0},
	};
	for (int i = 0; i < COUNT(cases); i++) {
		json_t *page = client_call(c, "job.list", "%s", cases[i].filter);
		ck_assert_msg(whole_at(page, "total") == cases[i].total, "%s: %lld", cases[i].filter,
		              whole_at(page, "total"));
		ck_assert_uint_eq(count_at(page, "jobs"), (size_t)(cases[i].total < 5 ? cases[i].total : 5));
		json_t *filter = json_parsed(cases[i].filter);
		json_object_del(filter, "limit");
		ck_assert_int_eq(whole_at(client_call(c, "job.count", "%s", json_dumps(filter, 0)), "total"),
		                 cases[i].total);
	}
	ck_assert_str_eq(
		listed(JSON({"created_after":"2026-01-01T00:00:10Z","created_before":"2026-01-01T00:00:13Z"})),
		"0012 0011 0010");
}
END_TEST

START_TEST(a_range_takes_its_first_moment_and_not_its_last)
{
	save_at("at", "2026-01-01T00:00:00.000001Z");
	ck_assert_str_eq(listed(JSON({"created_after":"2026-01-01T00:00:00.000001Z"})), "at");
	ck_assert_str_eq(listed(JSON({"created_after":"2026-01-01T00:00:00.000002Z"})), "");
	ck_assert_str_eq(listed(JSON({"created_before":"2026-01-01T00:00:00.000001Z"})), "");
	ck_assert_str_eq(listed(JSON({"created_before":"2026-01-01T00:00:00.000002Z"})), "at");
}
END_TEST

static const struct {
	const char *params, *field;
} bad_lists[] = {
	{JSON({"limit":0}), "limit"},
	{JSON({"limit":1001}), "limit"},
	{JSON({"limit":"5"}), "limit"},
	{JSON({"offset":-1}), "offset"},
	{JSON({"offset":1.5}), "offset"},
	{JSON({"status":"succeeded"}), "status"},
	{JSON({"status":[]}), "status"},
	{JSON({"status":["running","done"]}), "status[1]"},
	{JSON({"type":"A B"}), "type"},
	{JSON({"type":5}), "type"},
	{JSON({"type":["a0","a1","a2","a3","a4","a5","a6","a7","a8","a9","b0","b1","b2","b3","b4","b5","b6"]}),
	 "type"},
	{JSON({"created_after":"soon"}), "created_after"},
	{JSON({"cursor":"nonsense"}), "cursor"},
	{JSON({"cursor":""}), "cursor"},
	{JSON({"cursor":5}), "cursor"},
	{JSON({"order":"name"}), "order"},
	{JSON({"fields":["nonsense"]}), "fields[0]"},
};

START_TEST(a_bad_filter_is_refused_by_name)
{
	expect_fault(client_refused(c, INVALID_PARAMS, "job.list", "%s", bad_lists[_i].params), "invalid_params",
	             bad_lists[_i].field, NULL);
}
END_TEST

START_TEST(sixteen_values_are_a_filter)
{
	save_many(4);
	ck_assert_str_eq(
		listed(
			JSON({"type":["a0","a1","a2","a3","a4","a5","a6","a7","a8","a9","b0","b1","b2","b3","backtest","b5"]})),
		"0003 0001");
}
END_TEST

/* ---- pages */

START_TEST(offsets_and_cursors_walk_the_same_list)
{
	static const char *const filters[] = {
		"", "\"status\":\"running\",", "\"status\":[\"running\",\"pending\"],\"type\":[\"backtest\",\"custom\"],", "\"order\":\"id\",",
		"\"order\":\"id\",\"type\":\"custom\",", "\"created_after\":\"2026-01-01T00:00:30Z\",\"status\":[\"pending\",\"running\"],",
	};
	save_many(253);
	for (int f = 0; f < COUNT(filters); f++) {
		json_t *all = client_call(c, "job.list", "{%s\"limit\":1000,\"fields\":[\"id\"]}", filters[f]);
		size_t total = count_at(all, "jobs");
		ck_assert_int_eq(whole_at(all, "total"), (long long)total);
		ck_assert(json_is_null(value_at(all, "next_cursor")));
		char *cursor = NULL;
		for (size_t place = 0; place < total; place += 10) {
			json_t *by_offset = client_call(c, "job.list", "{%s\"limit\":10,\"offset\":%zu,\"fields\":[\"id\"]}", filters[f], place);
			json_t *by_cursor = cursor ? client_call(c, "job.list", "{%s\"limit\":10,\"cursor\":\"%s\",\"fields\":[\"id\"]}", filters[f], cursor)
						   : by_offset;
			ck_assert(json_equal(by_offset, by_cursor));
			for (size_t i = 0; i < count_at(by_cursor, "jobs"); i++)
				ck_assert(json_equal(json_array_get(value_at(by_cursor, "jobs"), i),
				                     json_array_get(value_at(all, "jobs"), place + i)));
			bool last = place + 10 >= total;
			ck_assert(json_is_null(value_at(by_cursor, "next_cursor")) == last);
			cursor = last ? NULL : strdup(text_at(by_cursor, "next_cursor"));
		}
		ck_assert_str_eq(ids_of(client_call(c, "job.list", "{%s\"offset\":%zu}", filters[f], total), "jobs"), "");
	}
	ck_assert_str_eq(listed(JSON({"offset":9007199254740992})), "");
}
END_TEST

START_TEST(a_cursor_and_an_offset_together_are_refused)
{
	save_many(3);
	const char *cursor = text_at(client_call(c, "job.list", JSON({"limit":1})), "next_cursor");
	client_refused(c, INVALID_PARAMS, "job.list", JSON({"cursor":"%s","offset":1}), cursor);
	client_refused(c, INVALID_PARAMS, "job.list", JSON({"cursor":"%s","order":"id"}), cursor);
	client_refused(c, INVALID_PARAMS, "job.list",
	               JSON({"order":"id","created_after":"2026-01-01T00:00:00Z"}));
}
END_TEST

/* Walks the whole list in pages of 7 and changes the store between them.
 * What did not change must come exactly once. */
static void walk_while_changing(const char *order)
{
	enum { JOBS = 400 };
	int seen[JOBS] = {0};
	char *cursor = NULL;
	save_many(JOBS);
	for (int page_number = 0;; page_number++) {
		json_t *page = cursor ? client_call(c, "job.list", "{\"order\":\"%s\",\"limit\":7,\"cursor\":\"%s\"}", order, cursor)
				      : client_call(c, "job.list", "{\"order\":\"%s\",\"limit\":7}", order);
		size_t i;
		json_t *job;
		json_array_foreach(value_at(page, "jobs"), i, job) {
			char *end;
			long number = strtol(text_at(job, "id"), &end, 10);
			if (*end == '\0')
				seen[number]++;
		}
		if (json_is_null(value_at(page, "next_cursor")))
			break;
		cursor = strdup(text_at(page, "next_cursor"));
		/* new ones at both ends and in the middle; every tenth of the old ones goes,
		 * the cursor's own among them */
		client_call(c, "job.save", JSON({"job":{"id":"0%03dx"}}), page_number);
		client_call(c, "job.save", JSON({"job":{"id":"zz%d","created_at":"2025-01-01T00:00:00Z"}}),
		            page_number);
		client_call(c, "job.save", JSON({"job":{"id":"m%d","created_at":"2026-01-01T00:03:%02dZ"}}),
		            page_number, page_number % 60);
		client_call(c, "job.delete", JSON({"id":"%04d"}), page_number * 10 % JOBS);
		const char *last = strrchr(cursor, '.') + 1;
		if (strlen(last) == 4 && last[3] == '0')
			client_call(c, "job.delete", JSON({"id":"%s"}), last);
		client_call(c, "job.save", JSON({"job":{"id":"%04d","status":"failed"}}),
		            (page_number * 7 + 1) % JOBS);
	}
	for (int i = 0; i < JOBS; i++)
		ck_assert_msg(i % 10 == 0 || seen[i] == 1, "job %04d came %d times", i, seen[i]);
}

START_TEST(a_cursor_skips_and_repeats_nothing_while_jobs_come_and_go)
{
	walk_while_changing("time");
}
END_TEST

START_TEST(an_export_by_id_misses_nothing_while_jobs_come_and_go)
{
	walk_while_changing("id");
}
END_TEST

START_TEST(an_export_of_runs_by_id_misses_none_though_all_of_them_move)
{
	enum { RUNS = 100 };
	char *cursor = NULL;
	int seen[RUNS] = {0};
	for (int i = 0; i < RUNS; i++)
		client_say(
			c, JSON({"jsonrpc":"2.0","method":"run.create_or_update","params":{"run_id":"%03d","kind":"x"}}),
			i);
	do {
		json_t *page = cursor
		                   ? client_call(c, "run.list", JSON({"order":"id","limit":9,"cursor":"%s"}), cursor)
		                   : client_call(c, "run.list", JSON({"order":"id","limit":9}));
		size_t i;
		json_t *run;
		json_array_foreach(value_at(page, "runs"), i, run)
			seen[atoi(text_at(run, "id"))]++;
		for (int k = 0; k < RUNS; k += 3) /* every one of these is now at the front of the order by time */
			client_call(c, "run.create_or_update", JSON({"run_id":"%03d","kind":"x","meta":{"touched":true}}),
			            k);
		const json_t *next = value_at(page, "next_cursor");
		cursor = json_is_string(next) ? strdup(json_string_value(next)) : NULL;
	} while (cursor);
	for (int i = 0; i < RUNS; i++)
		ck_assert_int_eq(seen[i], 1);
}
END_TEST

START_TEST(a_page_of_large_jobs_ends_early_and_the_cursor_goes_on)
{
	enum { JOBS = 30, BYTES = 600000 };
	char *big = malloc(BYTES + 1);
	memset(big, 'b', BYTES);
	big[BYTES] = '\0';
	for (int i = 0; i < JOBS; i++)
		client_call(c, "job.save", JSON({"job":{"id":"big%02d","payload":{"b":"%s"}},"fields":["id"]}), i,
		            big);
	size_t got = 0;
	int pages = 0;
	const char *cursor = NULL;
	do {
		json_t *page = cursor ? client_call(c, "job.list", JSON({"limit":1000,"cursor":"%s"}), cursor)
				      : client_call(c, "job.list", JSON({"limit":1000}));
		ck_assert_int_eq(whole_at(page, "total"), JOBS);
		ck_assert_uint_gt(count_at(page, "jobs"), 0);
		got += count_at(page, "jobs");
		pages++;
		cursor = json_is_null(value_at(page, "next_cursor")) ? NULL : text_at(page, "next_cursor");
	} while (cursor);
	ck_assert_uint_eq(got, JOBS);
	ck_assert_int_ge(pages, 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lists");
	TCase *order = integration_case(suite, "order", setup, teardown);
	tcase_add_test(order, jobs_are_listed_newest_created_first_and_ties_by_id);
	tcase_add_test(order, runs_are_listed_newest_updated_first);
	tcase_add_test(order, order_id_is_by_id_whatever_changes);
	tcase_add_test(order, the_order_is_the_same_after_a_restart);

	TCase *filters = integration_case(suite, "filters", setup, teardown);
	tcase_add_test(filters, filters_select_and_total_counts_all_that_they_select);
	tcase_add_test(filters, a_range_takes_its_first_moment_and_not_its_last);
	tcase_add_loop_test(filters, a_bad_filter_is_refused_by_name, 0, COUNT(bad_lists));
	tcase_add_test(filters, sixteen_values_are_a_filter);

	TCase *pages = integration_case(suite, "pages", setup, teardown);
	tcase_add_test(pages, offsets_and_cursors_walk_the_same_list);
	tcase_add_test(pages, a_cursor_and_an_offset_together_are_refused);
	tcase_add_test(pages, a_cursor_skips_and_repeats_nothing_while_jobs_come_and_go);
	tcase_add_test(pages, an_export_by_id_misses_nothing_while_jobs_come_and_go);
	tcase_add_test(pages, an_export_of_runs_by_id_misses_none_though_all_of_them_move);
	tcase_add_test(pages, a_page_of_large_jobs_ends_early_and_the_cursor_goes_on);
	return integration_run(suite);
}
