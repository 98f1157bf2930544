#include "tests/unit/records.h"
#include "daemon/members.h"
#include <float.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#ifdef SOURCE_DIR
#define TEST_DATA SOURCE_DIR "/tests/data"
#else
#define TEST_DATA "tests/data"
#endif

static void read_is(enum table_id t, const char *json, const char *expected)
{
	CLEAN out = {0};
	struct fault fault;
	size_t at;
	buf_text(&out, "before");
	ck_assert_msg(record_read(&out, t, span_of(json), 7, false, records_now(), &fault, &at), "%s: %s", json,
	              fault.message);
	ck_assert_int_eq(memcmp(out.at, "before", 6), 0);
	struct span got = {out.at + 6, out.len - 6};
	ck_assert_msg(span_is(got, span_of(expected)), "\n     got %.*s\nexpected %s", (int)got.len, got.at, expected);
}

/* `mark` is what the place of the fault starts with. */
static void refused(enum table_id t, const char *json, const char *field, const char *mark)
{
	CLEAN out = {0};
	struct fault fault;
	size_t at = 12345;
	buf_text(&out, "before");
	ck_assert_msg(!record_read(&out, t, span_of(json), 7, false, records_now(), &fault, &at), "taken: %s",
	              json);
	ck_assert_uint_eq(out.len, 6);
	ck_assert_str_eq(fault.field, field);
	ck_assert_msg(strstr(fault.message, field) && fault.expected[0], "%s", fault.message);
	ck_assert_msg(at == (size_t)(strstr(json, mark) - json), "%s: at %zu", json, at);
}

#define JOB_NULLS "\"created_at\":null,\"started_at\":null,\"completed_at\":null,\"error\":null,\"metadata\":{},"

START_TEST(a_job_of_a_file_keeps_every_value_and_gets_what_it_lacks)
{
	read_is(TABLE_JOBS, "{ \"id\" : \"a\" }",
	        "{\"id\":\"a\",\"type\":\"custom\",\"status\":\"pending\",\"payload\":{},\"progress\":null,\"result\":null," JOB_NULLS
	        "\"updated_at\":\"" NOW_TEXT "\",\"revision\":7}");
	read_is(TABLE_JOBS,
	        "{\"tags\": [ 1, -0, 1e2 ], \"status\": \"odd one\", \"payload\": [\"not\", \"an object\"],\n\"id\": \"\\u0061\", "
	        "\"progress\": {\"current\": \"x\", \"eta\": 0.1, \"percentage\": 5}, \"revision\": 3,"
	        "\"created_at\": \"2026-01-02 03:04:05Z\", \"completed_at\": \"2026-01-02T05:04:05+01:00\", \"\\u0078\\\"\": \"\\u00e9\"}",
	        "{\"id\":\"a\",\"type\":\"custom\",\"status\":\"odd one\",\"payload\":[\"not\",\"an object\"],"
	        "\"progress\":{\"current\":\"x\",\"eta\":0.1,\"percentage\":5},\"result\":null,\"created_at\":\"2026-01-02 03:04:05Z\","
	        "\"started_at\":null,\"completed_at\":\"2026-01-02T05:04:05+01:00\",\"error\":null,\"metadata\":{},"
	        "\"updated_at\":\"2026-01-02T04:04:05.000000+00:00\",\"revision\":3,\"tags\":[1,0,100.0],\"x\\\"\":\"é\"}");
}
END_TEST

START_TEST(a_run_of_a_file_keeps_every_value_and_gets_what_it_lacks)
{
	read_is(TABLE_RUNS, "{\"id\":\"r\",\"started_at\":\"2026-01-02T03:04:05.5\"}",
	        "{\"id\":\"r\",\"kind\":\"run\",\"status\":\"queued\",\"created_at\":null,\"updated_at\":\"2026-01-02T03:04:05.500000+00:00\","
	        "\"started_at\":\"2026-01-02T03:04:05.5\",\"finished_at\":null,\"request\":{},\"meta\":{},\"artifact_id\":null,\"error\":null,"
	        "\"revision\":7}");
	read_is(TABLE_RUNS, "{\"id\":\"r\",\"kind\":\"Odd Kind\",\"updated_at\":null,\"meta\":3,\"error\":\"text\",\"revision\":9007199254740992}",
	        "{\"id\":\"r\",\"kind\":\"Odd Kind\",\"status\":\"queued\",\"created_at\":null,\"updated_at\":null,\"started_at\":null,"
	        "\"finished_at\":null,\"request\":{},\"meta\":3,\"artifact_id\":null,\"error\":\"text\",\"revision\":9007199254740992}");
}
END_TEST

START_TEST(an_import_over_a_store_gives_records_new_revisions)
{
	CLEAN out = {0};
	struct fault fault;
	size_t at;
	ck_assert(record_read(&out, TABLE_JOBS, SPAN("{\"id\":\"a\",\"revision\":3}"), 99, true, records_now(), &fault, &at));
	buf_char(&out, '\0');
	ck_assert_ptr_nonnull(strstr(out.at, "\"revision\":99}"));
	out.len = 0;
	ck_assert(!record_read(&out, TABLE_JOBS, SPAN("{\"id\":\"a\",\"revision\":-3}"), 99, true, records_now(), &fault, &at));
}
END_TEST

START_TEST(null_for_status_type_or_kind_is_no_value_and_percentage_is_not_imported)
{
	CLEAN out = {0};
	struct fault fault;
	struct span value;
	size_t at;
	ck_assert(record_read(&out, TABLE_JOBS, SPAN("{\"id\":\"a\",\"status\":null,\"type\":null,\"progress\":{\"current\":1,\"percentage\":50.0,\"x\":1}}"), 3,
	                      true, records_now(), &fault, &at));
	ck_assert(scan_member(buf_as_span(&out), "status", &value) && span_is(value, SPAN("\"pending\"")));
	ck_assert(scan_member(buf_as_span(&out), "type", &value) && span_is(value, SPAN("\"custom\"")));
	ck_assert(scan_member(buf_as_span(&out), "progress", &value) && span_is(value, SPAN("{\"current\":1,\"x\":1}")));
	out.len = 0;
	ck_assert(record_read(&out, TABLE_RUNS, SPAN("{\"id\":\"a\",\"kind\":null}"), 3, false, records_now(), &fault, &at));
	ck_assert(scan_member(buf_as_span(&out), "kind", &value) && span_is(value, SPAN("\"run\"")));
}
END_TEST

START_TEST(a_refused_record_of_a_file_is_found_by_field_and_byte)
{
	refused(TABLE_JOBS, "[1]", "job", "[");
	refused(TABLE_RUNS, "null", "run", "null");
	refused(TABLE_JOBS, "{\"status\": \"pending\"}", "id", "{");
	refused(TABLE_JOBS, "{\"x\":1,\"id\": \"../a\"}", "id", "\"../a");
	refused(TABLE_JOBS, "{\"id\": \"a\\n\"}", "id", "\"a\\n");
	refused(TABLE_JOBS, "{\"id\": \"\"}", "id", "\"\"");
	refused(TABLE_JOBS, "{\"id\": 5}", "id", "5");
	refused(TABLE_ARTIFACTS, "{\"id\": \"Upper\",\"kind\":\"k\"}", "id", "\"Upper");
	refused(TABLE_ARTIFACTS, "{\"id\": \"a\"}", "kind", "{");
	refused(TABLE_ARTIFACTS, "{\"id\": \"a\",\"kind\":\"k\",\"run_id\":3}", "run_id", "3");
	refused(TABLE_JOBS, "{\"id\":\"a\",\"status\": 3}", "status", "3");
	refused(TABLE_JOBS, "{\"id\":\"a\",\"status\": \"a\\\"b\"}", "status", "\"a\\\"");
	refused(TABLE_RUNS, "{\"id\":\"a\",\"kind\": [1]}", "kind", "[1");
	refused(TABLE_JOBS, "{\"id\":\"a\",\"created_at\": \"yesterday\"}", "created_at", "\"yest");
	refused(TABLE_JOBS, "{\"id\":\"a\",\"completed_at\": 17}", "completed_at", "17");
	refused(TABLE_RUNS, "{\"id\":\"a\",\"updated_at\": false}", "updated_at", "false");
	refused(TABLE_JOBS, "{\"id\":\"a\",\"revision\": 0}", "revision", "0");
	refused(TABLE_JOBS, "{\"id\":\"a\",\"revision\": 1.0}", "revision", "1.0");
	refused(TABLE_JOBS, "{\"id\":\"a\",\"revision\": 9007199254740993}", "revision", "9007199254740993");
	refused(TABLE_JOBS, "{\"id\":\"a\",\"revision\": \"1\"}", "revision", "\"1\"");
	refused(TABLE_JOBS, "{\"id\":\"a\",\"payload\": {\"legs\": [1, 1e999]}}", "payload.legs[1]", "1e999");
	refused(TABLE_JOBS, "{\"id\":\"a\",\"x\": 123456789012345678901}", "x", "123456");
	struct buf long_type = {0};
	buf_printf(&long_type, "{\"id\":\"a\",\"type\": \"%0201d\"}", 0);
	buf_char(&long_type, '\0');
	refused(TABLE_JOBS, long_type.at, "type", "\"00");
	buf_free(&long_type);
}
END_TEST

static json_t *load_sample(const char *name, const char *table)
{
	char path[512];
	json_error_t error;
	snprintf(path, sizeof(path), "%s/%s", TEST_DATA, name);
	json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	ck_assert_msg(file != NULL, "%s: %s", path, error.text);
	json_t *records = json_incref(json_object_get(file, table));
	json_decref(file);
	return records;
}

/* Every member of `before` in `after`, equal; and `more` others. */
static void keeps_all(json_t *before, const char *text, size_t more)
{
	json_error_t error;
	json_t *after = json_loads(text, JSON_REJECT_DUPLICATES, &error), *value;
	const char *key;
	ck_assert_msg(after != NULL, "%s: %s", text, error.text);
	json_object_foreach(before, key, value)
		ck_assert_msg(json_equal(value, json_object_get(after, key)), "%s in %s", key, text);
	ck_assert_uint_eq(json_object_size(after), json_object_size(before) + more);
	json_decref(after);
}

static void sample_survives(enum table_id t, const char *file, const char *table, size_t more)
{
	json_t *records = load_sample(file, table), *record;
	size_t i, at;
	json_array_foreach(records, i, record) {
		CLEAN out = {0}, again = {0};
		struct fault fault;
		struct record_keys keys;
		char *json = json_dumps(record, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(17));
		ck_assert_msg(record_read(&out, t, span_of(json), i + 1, false, records_now(), &fault, &at), "%s",
		              fault.message);
		ck_assert(record_read(&again, t, buf_as_span(&out), 5, false, 0, &fault, &at));
		ck_assert(span_is(buf_as_span(&out), buf_as_span(&again)));
		RECORD *r = record_new(t, buf_as_span(&out), &keys);
		ck_assert_ptr_nonnull(r);
		ck_assert_uint_eq(r->revision, i + 1);
		ck_assert(span_is(keys.id, span_of(json_string_value(json_object_get(record, "id")))));
		ck_assert_int_ne(keys.time, STAMP_NONE);
		buf_char(&out, '\0');
		keeps_all(record, out.at, more);
		free(json);
	}
	ck_assert_uint_gt(i, 100);
	json_decref(records);
}

START_TEST(jobs_that_python_wrote_lose_nothing)
{
	sample_survives(TABLE_JOBS, "jobs-python.json", "jobs", 2);
}
END_TEST

START_TEST(runs_that_python_wrote_lose_nothing)
{
	sample_survives(TABLE_RUNS, "runs-python.json", "runs", 1);
}
END_TEST

START_TEST(records_are_found_by_what_is_in_them)
{
	struct record_keys keys;
	RECORD *job = records_make(TABLE_JOBS, "{\"id\":\"j\",\"type\":\"t\",\"status\":\"failed\",\"created_at\":\"1970-01-01T00:00:01Z\","
	                                       "\"updated_at\":\"1970-01-01T00:00:03Z\",\"completed_at\":\"1970-01-01T00:00:02Z\"}");
	record_keys(TABLE_JOBS, job, &keys);
	ck_assert(span_is(keys.id, SPAN("j")) && span_is(keys.a, SPAN("failed")) && span_is(keys.b, SPAN("t")));
	ck_assert(keys.id.at == job->kept + RECORD_ID_AT);
	ck_assert_int_eq(keys.time, 1000000);
	ck_assert_int_eq(keys.end, 2000000);
	RECORD *run = records_make(TABLE_RUNS, "{\"id\":\"r\",\"kind\":\"k\",\"status\":\"succeeded\",\"created_at\":\"1970-01-01T00:00:01Z\","
	                                       "\"updated_at\":\"1970-01-01T00:00:03Z\",\"meta\":{\"a\":1}}");
	record_keys(TABLE_RUNS, run, &keys);
	ck_assert(span_is(keys.a, SPAN("succeeded")) && span_is(keys.b, SPAN("k")) && span_is(keys.meta, SPAN("{\"a\":1}")));
	ck_assert_int_eq(keys.time, 3000000);
	ck_assert_int_eq(keys.end, 3000000);
	ck_assert(span_is(records_value(TABLE_RUNS, run, RUN_META), SPAN("{\"a\":1}")));
	ck_assert(span_is(records_value(TABLE_RUNS, run, RUN_REVISION), SPAN("7")));
}
END_TEST

START_TEST(cleanup_never_takes_a_job_that_may_still_run)
{
	static const char *const statuses[] = {"pending", "running", "succeeded", "paused", NULL};
	for (int i = 0; statuses[i]; i++) {
		char json[200];
		struct record_keys keys;
		snprintf(json, sizeof(json), "{\"id\":\"j\",\"status\":\"%s\",\"completed_at\":\"1970-01-01T00:00:02Z\"}", statuses[i]);
		RECORD *job = records_make(TABLE_JOBS, json);
		record_keys(TABLE_JOBS, job, &keys);
		ck_assert_int_eq(keys.end, STAMP_NONE);
	}
}
END_TEST

/* In memory that ends where the text does. */
static struct record *new_of_exactly(enum table_id t, struct span text)
{
	struct record_keys keys;
	char *exact = malloc(text.len + !text.len);
	memcpy(exact, text.at, text.len);
	struct record *r = record_new(t, (struct span){exact, text.len}, &keys);
	free(exact);
	return r;
}

/* The whole of a record's text, then each part of it cut off and each byte of it changed: whatever a file
 * with a matching checksum holds, nothing is read out of bounds, what is taken has an id that the allowlist takes
 * and comes back as it was. */
static void damage(enum table_id t, const struct record *r)
{
	static const char bytes[] = "\"\\{}[]:,0-\x00\xff tn\n";
	CLEAN text = {0};
	record_text(&text, r);
	for (size_t len = 0; len < r->len; len++)
		ck_assert_ptr_null(new_of_exactly(t, (struct span){text.at, len}));
	for (size_t at = 0; at < r->len; at++) {
		char was = text.at[at];
		for (size_t i = 0; i < sizeof(bytes); i++) {
			text.at[at] = bytes[i];
			RECORD *damaged = new_of_exactly(t, buf_as_span(&text));
			if (!damaged)
				continue;
			ck_assert(ident_check(spec_fields(t)[0].ident, record_id(damaged)));
			CLEAN sent = {0};
			record_text(&sent, damaged);
			ck_assert(span_is(buf_as_span(&sent), buf_as_span(&text)));
			record_send(&sent, t, damaged, NULL, RECORD_ALL, "/d");
			record_send(&sent, t, damaged, NULL, UINT32_MAX, "/d");
		}
		text.at[at] = was;
	}
}

START_TEST(no_text_however_damaged_is_read_out_of_bounds)
{
	RECORD *job = records_make(TABLE_JOBS, "{\"id\":\"j\",\"status\":\"running\",\"progress\":{\"current\":1,\"total\":2,\"message\":\"m\"},"
	                                       "\"payload\":{\"a\":[1.5,{\"b\":null}]},\"extra\":\"é\"}");
	RECORD *run = records_make(TABLE_RUNS, "{\"id\":\"r\",\"meta\":{\"a\":\"\\n\"},\"error\":{}}");
	RECORD *artifact = records_make(TABLE_ARTIFACTS, "{\"id\":\"a_1\",\"kind\":\"k\",\"run_id\":\"r\"}");
	damage(TABLE_JOBS, job);
	damage(TABLE_RUNS, run);
	damage(TABLE_ARTIFACTS, artifact);
}
END_TEST

START_TEST(text_that_is_no_record_makes_none)
{
	static const char *const texts[] = {
		"", "{", "{}", "null", "{\"id\":\"", "{\"id\":\"a\"}", "{ \"id\":\"a\",\"status\":\"s\",\"type\":\"t\",\"progress\":null,\"revision\":1}",
		"{\"id\":\"a/b\",\"status\":\"s\",\"type\":\"t\",\"progress\":null,\"revision\":1}",
		"{\"id\":\"a\",\"status\":1,\"type\":\"t\",\"progress\":null,\"revision\":1}",
		"{\"id\":\"a\",\"status\":\"s\",\"type\":\"t\",\"progress\":null,\"revision\":0}",
		"{\"id\":\"a\",\"status\":\"s\",\"type\":\"t\",\"progress\":null,\"revision\":1}x",
		"{\"id\":\"a\",\"status\":\"s\",\"type\":\"t\",\"revision\":1}",
		"{\"id\":\"a\",\"status\":\"s\",\"type\":\"t\",\"progress\":null,\"revision\":1,\"created_at\":\"x\"}",
		"{\"status\":\"s\",\"id\":\"a\",\"type\":\"t\",\"progress\":null,\"revision\":1}",
		NULL,
	};
	struct record_keys keys;
	for (int i = 0; texts[i]; i++)
		ck_assert_msg(!record_new(TABLE_JOBS, span_of(texts[i]), &keys), "%s", texts[i]);
	RECORD *least = record_new(TABLE_JOBS, SPAN("{\"id\":\"a\",\"status\":\"s\",\"type\":\"t\",\"progress\":null,\"revision\":1}"), &keys);
	ck_assert_ptr_nonnull(least);
}
END_TEST

START_TEST(a_record_lives_as_long_as_somebody_holds_it)
{
	struct record *r = records_make(TABLE_JOBS, "{\"id\":\"j\"}");
	ck_assert_ptr_eq(record_ref(r), r);
	record_unref(r);
	ck_assert(span_is(record_id(r), SPAN("j")));
	record_unref(r);
	record_unref(NULL);
}
END_TEST

static struct live *live_of(const char *json)
{
	CLEAN text = {0};
	double current, total;
	progress_normal(&text, span_of(json), NULL, &current, &total);
	struct live *live = malloc(sizeof(*live) + text.len);
	ck_assert_ptr_nonnull(live);
	*live = (struct live){.len = (uint32_t)text.len, .cap = (uint32_t)text.len, .current = current,
	                      .total = total};
	memcpy(live->text, text.at, text.len);
	return live;
}

static void sent_progress(const char *stored, const char *expected)
{
	CLEAN json = {0}, sent = {0}, want = {0};
	buf_printf(&json, "{\"id\":\"j\",\"progress\":%s,\"updated_at\":\"" NOW_TEXT "\"}%c", stored, '\0');
	RECORD *r = records_make(TABLE_JOBS, json.at);
	record_send(&sent, TABLE_JOBS, r, NULL, RECORD_ALL, NULL);
	buf_printf(&want, "{\"id\":\"j\",\"type\":\"custom\",\"status\":\"pending\",\"payload\":{},\"progress\":%s,\"result\":null," JOB_NULLS
	                  "\"updated_at\":\"" NOW_TEXT "\",\"revision\":7}%c", expected, '\0');
	records_expect(&sent, want.at);
	sent.len = want.len = 0;
	record_send(&sent, TABLE_JOBS, r, NULL, 1u << JOB_PROGRESS, NULL);
	buf_printf(&want, "{\"progress\":%s}%c", expected, '\0');
	records_expect(&sent, want.at);
}

START_TEST(replies_say_how_far_a_job_is_in_percent)
{
	sent_progress("null", "null");
	sent_progress("{\"current\":1,\"total\":3,\"message\":\"m\"}",
	              "{\"current\":1,\"total\":3,\"message\":\"m\",\"percentage\":33.333333333333336}");
	sent_progress("{\"current\":0,\"total\":0}", "{\"current\":0,\"total\":0,\"percentage\":0.0}");
	sent_progress("{\"current\":5,\"total\":2.5}", "{\"current\":5,\"total\":2.5,\"percentage\":200.0}");
	sent_progress("{\"percentage\":7,\"current\":1,\"total\":2,\"eta\":[]}", "{\"percentage\":50.0,\"current\":1,\"total\":2,\"eta\":[]}");
}
END_TEST

START_TEST(a_list_and_an_update_say_different_percentages_of_the_same_progress)
{
	static const int totals[] = {1, 3, 8, 100, 250, 1000, 1200, 5000, 10000, 99999};
	for (size_t i = 0; i < sizeof totals / sizeof *totals; i++)
		for (int k = 0; k <= 300; k++) {
			int current = k < 150 ? k : (int)((int64_t)totals[i] * (k - 140) / 140);
			CLEAN stored = {0}, sent = {0};
			buf_printf(&stored, "{\"current\":%d,\"total\":%d}%c", current, totals[i], '\0');
			buf_printf(&sent, "{\"current\":%d,\"total\":%d,\"percentage\":", current, totals[i]);
			buf_real(&sent, progress_percentage(current, totals[i]));
			buf_text(&sent, "}");
			buf_char(&sent, '\0');
			sent_progress(stored.at, sent.at);
		}
}
END_TEST

START_TEST(odd_progress_of_a_file_goes_out_as_it_is)
{
	sent_progress("{}", "{}");
	sent_progress("[1,2]", "[1,2]");
	sent_progress("\"half\"", "\"half\"");
	sent_progress("{\"current\":1}", "{\"current\":1}");
	sent_progress("{\"current\":\"1\",\"total\":2,\"percentage\":3}", "{\"current\":\"1\",\"total\":2,\"percentage\":3}");
	sent_progress("{\"current\":null,\"total\":2}", "{\"current\":null,\"total\":2}");
}
END_TEST

START_TEST(live_progress_is_sent_and_folded_in_place_of_the_stored)
{
	static const char *const stored[] = {"{\"id\":\"j\",\"extra\":1}", "{\"id\":\"j\",\"extra\":1,\"progress\":{\"current\":1,\"total\":2}}", NULL};
	struct live *live = live_of("{\"message\": \"é\", \"total\": 4, \"current\": 1.0, \"percentage\": 99}");
	for (int i = 0; stored[i]; i++) {
		CLEAN sent = {0}, folded = {0}, text = {0};
		struct record_keys keys;
		struct span value;
		RECORD *r = records_make(TABLE_JOBS, stored[i]);
		record_with_live(&folded, r, live);
		RECORD *after = record_new(TABLE_JOBS, buf_as_span(&folded), &keys);
		value = records_value(TABLE_JOBS, after, JOB_PROGRESS);
		ck_assert(span_is(value, SPAN("{\"current\":1.0,\"total\":4,\"message\":\"é\"}")));
		record_send(&sent, TABLE_JOBS, r, live, RECORD_ALL, NULL);
		struct span object = buf_as_span(&sent);
		ck_assert(scan_member(object, "progress", &value));
		ck_assert(span_is(value, SPAN("{\"current\":1.0,\"total\":4,\"message\":\"é\",\"percentage\":25.0}")));
		ck_assert(scan_member(object, "extra", &value));
		sent.len = 0;
		record_send(&sent, TABLE_JOBS, r, live, 1u << JOB_ID | 1u << JOB_PROGRESS, NULL);
		records_expect(&sent, "{\"id\":\"j\",\"progress\":{\"current\":1.0,\"total\":4,\"message\":\"é\",\"percentage\":25.0}}");
		folded.len = 0;
		record_with_live(&folded, r, NULL);
		ck_assert(span_is(buf_as_span(&folded), records_text(&text, r)));
	}
	free(live);
}
END_TEST

START_TEST(progress_is_stored_whole_and_without_percentage)
{
	CLEAN out = {0};
	double current, total;
	progress_normal(&out, SPAN("{}"), NULL, &current, &total);
	records_expect(&out, "{\"current\":0,\"total\":0,\"message\":\"\"}");
	out.len = 0;
	progress_normal(&out, SPAN("{ \"percentage\":3, \"total\" : 10.50, \"mess\\u0061ge\":\"\\u00e9\", \"current\":null}"), NULL, &current, &total);
	records_expect(&out, "{\"current\":0,\"total\":10.5,\"message\":\"é\"}");
	ck_assert_double_eq(current, 0.0);
	ck_assert_double_eq(total, 10.5);
	out.len = 0;
	progress_normal(&out, SPAN("{\"current\":9007199254740993,\"total\":1e3}"), NULL, &current, &total);
	records_expect(&out, "{\"current\":9007199254740993,\"total\":1000.0,\"message\":\"\"}");
}
END_TEST

START_TEST(percentages_are_always_numbers_that_json_has)
{
	ck_assert_double_eq(progress_percentage(5, 0), 0.0);
	ck_assert_double_eq(progress_percentage(0, -0.0), 0.0);
	ck_assert_double_eq(progress_percentage(1, 8), 12.5);
	ck_assert_double_eq(progress_percentage(DBL_MAX, DBL_MAX), 100.0);
	ck_assert_double_eq(progress_percentage(DBL_MAX, DBL_MIN), DBL_MAX);
	ck_assert_double_eq(progress_percentage(DBL_MAX, -DBL_MIN), -DBL_MAX);
	ck_assert(!signbit(progress_percentage(-0.0, 5)));
}
END_TEST

START_TEST(chosen_fields_are_sent_in_the_records_order_and_no_others)
{
	CLEAN sent = {0}, text = {0};
	RECORD *r = records_make(TABLE_RUNS, "{\"id\":\"r\",\"kind\":\"k\",\"other\":1}");
	record_send(&sent, TABLE_RUNS, r, NULL, 1u << RUN_REVISION | 1u << RUN_STATUS | 1u << RUN_ID, NULL);
	records_expect(&sent, "{\"id\":\"r\",\"status\":\"queued\",\"revision\":7}");
	sent.len = 0;
	record_send(&sent, TABLE_RUNS, r, NULL, RECORD_ALL, NULL);
	ck_assert(span_is(buf_as_span(&sent), records_text(&text, r)));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("record");
	TCase *tests = tcase_create("record");
	ident_init();
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_job_of_a_file_keeps_every_value_and_gets_what_it_lacks);
	tcase_add_test(tests, a_run_of_a_file_keeps_every_value_and_gets_what_it_lacks);
	tcase_add_test(tests, an_import_over_a_store_gives_records_new_revisions);
	tcase_add_test(tests, null_for_status_type_or_kind_is_no_value_and_percentage_is_not_imported);
	tcase_add_test(tests, a_refused_record_of_a_file_is_found_by_field_and_byte);
	tcase_add_test(tests, jobs_that_python_wrote_lose_nothing);
	tcase_add_test(tests, runs_that_python_wrote_lose_nothing);
	tcase_add_test(tests, records_are_found_by_what_is_in_them);
	tcase_add_test(tests, cleanup_never_takes_a_job_that_may_still_run);
	tcase_add_test(tests, no_text_however_damaged_is_read_out_of_bounds);
	tcase_add_test(tests, text_that_is_no_record_makes_none);
	tcase_add_test(tests, a_record_lives_as_long_as_somebody_holds_it);
	tcase_add_test(tests, replies_say_how_far_a_job_is_in_percent);
	tcase_add_test(tests, a_list_and_an_update_say_different_percentages_of_the_same_progress);
	tcase_add_test(tests, odd_progress_of_a_file_goes_out_as_it_is);
	tcase_add_test(tests, live_progress_is_sent_and_folded_in_place_of_the_stored);
	tcase_add_test(tests, progress_is_stored_whole_and_without_percentage);
	tcase_add_test(tests, percentages_are_always_numbers_that_json_has);
	tcase_add_test(tests, chosen_fields_are_sent_in_the_records_order_and_no_others);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
