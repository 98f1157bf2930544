#include "daemon/run.h"
#include "tests/unit/records.h"
#include <stdio.h>

/* run.create_or_update with these params over `old` (NULL: new), at revision 9 */
static void saved(struct buf *out, const struct record *old, const char *json)
{
	CLEAN scratch = {0};
	struct params params = {0};
	struct fault fault;
	struct record_keys keys;
	struct layout layout;
	out->len = 0;
	ck_assert_msg(params_read(&spec_methods[RUN_CREATE_OR_UPDATE], span_of(json), NULL, &params, &scratch, &fault),
	              "%s: %s", json, fault.message);
	ck_assert(run_merge(out, &layout, old, SPAN("r"), &params, records_now(), 9, &fault));
	records_expect_layout(TABLE_RUNS, buf_as_span(out), &layout);
	RECORD *r = record_new(TABLE_RUNS, buf_as_span(out), &keys);
	ck_assert_ptr_nonnull(r);
	ck_assert_uint_eq(r->revision, 9);
	ck_assert_int_eq(keys.time, records_now());
}

static void field_is(const struct buf *run, const char *field, const char *expected)
{
	struct span value;
	ck_assert(scan_member(buf_as_span(run), field, &value));
	ck_assert_msg(span_is(value, span_of(expected)), "%s is %.*s, not %s", field, (int)value.len, value.at,
	              expected);
}

#define T(n) "\"2026-01-0" #n "T00:00:00Z\""
#define STORED                                                                                               \
	"{\"id\":\"r\",\"kind\":\"k\",\"status\":\"running\",\"created_at\":" T(1) ",\"updated_at\":" T(2) ",\"started_at\":" T(2) \
	",\"finished_at\":null,\"request\":{\"q\":1},\"meta\":{\"a\":1,\"b\":\"x\"},\"artifact_id\":\"art\",\"error\":{\"e\":1},\"revision\":3}"

START_TEST(a_new_run_gets_everything_it_lacks)
{
	CLEAN out = {0};
	saved(&out, NULL, "{\"kind\":\"Back Test\"}");
	records_expect(&out, "{\"id\":\"r\",\"kind\":\"back_test\",\"status\":\"queued\",\"created_at\":\"" NOW_TEXT "\",\"updated_at\":\"" NOW_TEXT
	                     "\",\"started_at\":null,\"finished_at\":null,\"request\":{},\"meta\":{},\"artifact_id\":null,\"error\":null,"
	                     "\"revision\":9}");
	saved(&out, NULL, "{\"kind\":\"k\",\"status\":\"RUNNING\",\"request\":{ \"q\" : 1.50 },\"meta\":{ \"m\\u0065\" : [ ] },"
	                  "\"artifact_id\":\"art\",\"error\":{ }}");
	records_expect(&out, "{\"id\":\"r\",\"kind\":\"k\",\"status\":\"running\",\"created_at\":\"" NOW_TEXT "\",\"updated_at\":\"" NOW_TEXT
	                     "\",\"started_at\":\"" NOW_TEXT "\",\"finished_at\":null,\"request\":{\"q\":1.5},\"meta\":{\"me\":[]},"
	                     "\"artifact_id\":\"art\",\"error\":{},\"revision\":9}");
}
END_TEST

START_TEST(an_update_keeps_kind_request_artifact_error_and_status_that_it_does_not_name)
{
	CLEAN out = {0};
	RECORD *old = records_make(TABLE_RUNS, STORED);
	static const char *const same[] = {
		"{\"kind\":\"other\"}",
		"{\"kind\":\"other\",\"request\":{ },\"meta\":{},\"status\":null,\"artifact_id\":null,\"error\":null}",
		NULL,
	};
	for (int i = 0; same[i]; i++) {
		saved(&out, old, same[i]);
		records_expect(&out, "{\"id\":\"r\",\"kind\":\"k\",\"status\":\"running\",\"created_at\":" T(1) ",\"updated_at\":\"" NOW_TEXT
		                     "\",\"started_at\":" T(2) ",\"finished_at\":null,\"request\":{\"q\":1},\"meta\":{\"a\":1,\"b\":\"x\"},"
		                     "\"artifact_id\":\"art\",\"error\":{\"e\":1},\"revision\":9}");
	}
	saved(&out, old, "{\"kind\":\"k\",\"request\":{\"n\":2},\"artifact_id\":\"b\",\"error\":{\"f\":2}}");
	field_is(&out, "request", "{\"n\":2}");
	field_is(&out, "artifact_id", "\"b\"");
	field_is(&out, "error", "{\"f\":2}");
}
END_TEST

START_TEST(meta_is_merged_key_by_key)
{
	CLEAN out = {0};
	RECORD *old = records_make(TABLE_RUNS, STORED), *odd = records_make(TABLE_RUNS, "{\"id\":\"r\",\"meta\":[1]}");
	saved(&out, old, "{\"kind\":\"k\",\"meta\":{\"c\":{ \"d\" : 1 },\"\\u0062\":null}}");
	field_is(&out, "meta", "{\"a\":1,\"b\":null,\"c\":{\"d\":1}}");
	saved(&out, odd, "{\"kind\":\"k\"}");
	field_is(&out, "meta", "[1]");
	saved(&out, odd, "{\"kind\":\"k\",\"meta\":{\"a\":1}}");
	field_is(&out, "meta", "{\"a\":1}");
}
END_TEST

START_TEST(a_run_tells_when_it_first_ran_and_first_ended)
{
	CLEAN out = {0};
	RECORD *old = records_make(TABLE_RUNS, STORED), *queued = records_make(TABLE_RUNS, "{\"id\":\"r\"}");
	saved(&out, queued, "{\"kind\":\"k\",\"status\":\"running\"}");
	field_is(&out, "started_at", "\"" NOW_TEXT "\"");
	field_is(&out, "finished_at", "null");
	saved(&out, old, "{\"kind\":\"k\",\"status\":\"Failed\"}");
	field_is(&out, "status", "\"failed\"");
	field_is(&out, "started_at", T(2));
	field_is(&out, "finished_at", "\"" NOW_TEXT "\"");
	RECORD *done = records_make(TABLE_RUNS, "{\"id\":\"r\",\"status\":\"failed\",\"finished_at\":" T(3) "}");
	saved(&out, done, "{\"kind\":\"k\",\"status\":\"succeeded\"}");
	field_is(&out, "finished_at", T(3));
	saved(&out, done, "{\"kind\":\"k\"}");
	field_is(&out, "status", "\"failed\"");
}
END_TEST

START_TEST(what_a_file_brought_in_survives_updates_and_links)
{
	CLEAN out = {0};
	RECORD *old = records_make(TABLE_RUNS, "{\"id\":\"r\",\"kind\":\"Odd Kind\",\"status\":\"paused\",\"x\":[1],\"y\\n\":2.50,\"error\":\"text\"}");
	saved(&out, old, "{\"kind\":\"k\"}");
	field_is(&out, "kind", "\"Odd Kind\"");
	field_is(&out, "status", "\"paused\"");
	field_is(&out, "error", "\"text\"");
	records_expect_end(&out, ",\"revision\":9,\"x\":[1],\"y\\n\":2.5}");
	out.len = 0;
	run_link(&out, old, SPAN("art_2"), records_now(), 10);
	field_is(&out, "kind", "\"Odd Kind\"");
	field_is(&out, "artifact_id", "\"art_2\"");
	field_is(&out, "updated_at", "\"" NOW_TEXT "\"");
	records_expect_end(&out, ",\"revision\":10,\"x\":[1],\"y\\n\":2.5}");
}
END_TEST

START_TEST(linking_an_artifact_changes_nothing_else_of_the_run)
{
	CLEAN out = {0};
	RECORD *old = records_make(TABLE_RUNS, STORED);
	run_link(&out, old, SPAN("art_2"), records_now(), 10);
	records_expect(&out, "{\"id\":\"r\",\"kind\":\"k\",\"status\":\"running\",\"created_at\":" T(1) ",\"updated_at\":\"" NOW_TEXT
	                     "\",\"started_at\":" T(2) ",\"finished_at\":null,\"request\":{\"q\":1},\"meta\":{\"a\":1,\"b\":\"x\"},"
	                     "\"artifact_id\":\"art_2\",\"error\":{\"e\":1},\"revision\":10}");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("run");
	TCase *tests = tcase_create("run");
	ident_init();
	tcase_add_test(tests, a_new_run_gets_everything_it_lacks);
	tcase_add_test(tests, an_update_keeps_kind_request_artifact_error_and_status_that_it_does_not_name);
	tcase_add_test(tests, meta_is_merged_key_by_key);
	tcase_add_test(tests, a_run_tells_when_it_first_ran_and_first_ended);
	tcase_add_test(tests, what_a_file_brought_in_survives_updates_and_links);
	tcase_add_test(tests, linking_an_artifact_changes_nothing_else_of_the_run);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
