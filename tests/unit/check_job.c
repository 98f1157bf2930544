#include "daemon/job.h"
#include "tests/unit/records.h"
#include <stdio.h>
#include <stdlib.h>

/* What job.save makes of `object` over `old` (NULL: new) at revision 9,
 * on top of what is in a buffer already. */
static bool merge(struct buf *out, const struct record *old, const struct live *live, const char *object,
                  struct fault *fault)
{
	struct layout layout;
	size_t start = out->len;
	if (!job_merge(out, &layout, old, live, span_of(object), NULL, SPAN("j"), records_now(), 9, fault))
		return false;
	records_expect_layout(TABLE_JOBS, (struct span){out->at + start, out->len - start}, &layout);
	return true;
}

static void field_is(const struct buf *job, const char *field, const char *expected)
{
	struct span value;
	ck_assert(scan_member(buf_as_span(job), field, &value));
	ck_assert_msg(span_is(value, span_of(expected)), "%s is %.*s, not %s", field, (int)value.len, value.at,
	              expected);
}

static void saved(struct buf *out, const struct record *old, const char *object)
{
	struct fault fault;
	struct record_keys keys;
	out->len = 0;
	ck_assert_msg(merge(out, old, NULL, object, &fault), "%s: %s", object, fault.message);
	RECORD *r = record_new(TABLE_JOBS, buf_as_span(out), &keys);
	ck_assert_ptr_nonnull(r);
	ck_assert_uint_eq(r->revision, 9);
	ck_assert(span_is(keys.id, SPAN("j")));
}

static void refused(const struct record *old, const char *object, const char *field, const char *hint)
{
	CLEAN out = {0};
	struct fault fault;
	buf_text(&out, "before");
	ck_assert_msg(!merge(&out, old, NULL, object, &fault), "taken: %s", object);
	records_expect(&out, "before");
	ck_assert_int_eq(fault.code, FAULT_INVALID_PARAMS);
	ck_assert_str_eq(fault.field, field);
	ck_assert_msg(!hint || strstr(fault.hint, hint), "%s", fault.hint);
}

#define T(n) "\"2026-01-0" #n "T00:00:00Z\""
#define STORED                                                                                               \
	"{\"id\":\"j\",\"type\":\"t\",\"status\":\"pending\",\"payload\":{\"a\":1},\"progress\":{\"current\":1,\"total\":4,\"message\":\"m\"}," \
	"\"result\":null,\"created_at\":" T(1) ",\"started_at\":null,\"completed_at\":null,\"error\":\"e\",\"metadata\":{\"k\":\"v\"}," \
	"\"updated_at\":" T(2) ",\"revision\":3}"

START_TEST(a_new_job_gets_everything_it_lacks)
{
	CLEAN out = {0};
	saved(&out, NULL, "{}");
	records_expect(&out, "{\"id\":\"j\",\"type\":\"custom\",\"status\":\"pending\",\"payload\":{},\"progress\":null,\"result\":null,"
	                     "\"created_at\":\"" NOW_TEXT "\",\"started_at\":null,\"completed_at\":null,\"error\":null,\"metadata\":{},"
	                     "\"updated_at\":\"" NOW_TEXT "\",\"revision\":9}");
	saved(&out, NULL, "{\"metadata\": {\"b\" : [ ] }, \"id\":\"ignored\", \"type\": null, \"stat\\u0075s\":\"runn\\u0069ng\", \"created_at\":null,"
	                  "\"progress\":{\"current\":2}, \"error\":\"\\u00e9\", \"revision\":\"x\",\"updated_at\":5}");
	records_expect(&out, "{\"id\":\"j\",\"type\":\"custom\",\"status\":\"running\",\"payload\":{},"
	                     "\"progress\":{\"current\":2,\"total\":0,\"message\":\"\"},\"result\":null,"
	                     "\"created_at\":\"" NOW_TEXT "\",\"started_at\":\"" NOW_TEXT "\",\"completed_at\":null,\"error\":\"é\","
	                     "\"metadata\":{\"b\":[]},\"updated_at\":\"" NOW_TEXT "\",\"revision\":9}");
}
END_TEST

START_TEST(an_update_changes_what_was_sent_and_nothing_else)
{
	CLEAN out = {0};
	RECORD *old = records_make(TABLE_JOBS, STORED);
	saved(&out, old, "{}");
	records_expect(&out, "{\"id\":\"j\",\"type\":\"t\",\"status\":\"pending\",\"payload\":{\"a\":1},"
	                     "\"progress\":{\"current\":1,\"total\":4,\"message\":\"m\"},\"result\":null,\"created_at\":" T(1)
	                     ",\"started_at\":null,\"completed_at\":null,\"error\":\"e\",\"metadata\":{\"k\":\"v\"},\"updated_at\":\"" NOW_TEXT
	                     "\",\"revision\":9}");
	saved(&out, old, "{\"payload\":{\"b\":2},\"error\":null,\"progress\":null,\"type\":\"u\"}");
	field_is(&out, "payload", "{\"b\":2}");
	field_is(&out, "error", "null");
	field_is(&out, "progress", "null");
	field_is(&out, "type", "\"u\"");
	field_is(&out, "metadata", "{\"k\":\"v\"}");
}
END_TEST

START_TEST(a_null_where_null_is_no_value_leaves_the_field)
{
	CLEAN out = {0};
	RECORD *old = records_make(TABLE_JOBS, STORED);
	saved(&out, old, "{\"type\":null,\"status\":null,\"payload\":null,\"metadata\":null,\"created_at\":null,\"started_at\":null}");
	field_is(&out, "type", "\"t\"");
	field_is(&out, "status", "\"pending\"");
	field_is(&out, "payload", "{\"a\":1}");
	field_is(&out, "metadata", "{\"k\":\"v\"}");
	field_is(&out, "created_at", T(1));
	field_is(&out, "started_at", "null");
}
END_TEST

START_TEST(times_are_set_once_and_a_clients_own_are_kept_as_given)
{
	CLEAN out = {0};
	RECORD *old = records_make(TABLE_JOBS, STORED);
	saved(&out, old, "{\"status\":\"running\"}");
	field_is(&out, "started_at", "\"" NOW_TEXT "\"");
	field_is(&out, "completed_at", "null");
	saved(&out, old, "{\"status\":\"running\",\"started_at\":\"2020-02-02 02:02:02.5+0300\"}");
	field_is(&out, "started_at", "\"2020-02-02 02:02:02.5+0300\"");
	saved(&out, old, "{\"status\":\"cancelled\",\"completed_at\":null}");
	field_is(&out, "started_at", "null");
	field_is(&out, "completed_at", "\"" NOW_TEXT "\"");
	RECORD *done = records_make(TABLE_JOBS, "{\"id\":\"j\",\"status\":\"completed\",\"created_at\":null,\"started_at\":" T(1)
	                                        ",\"completed_at\":" T(2) "}");
	saved(&out, done, "{\"status\":\"running\"}");
	field_is(&out, "started_at", T(1));
	field_is(&out, "completed_at", T(2));
	field_is(&out, "created_at", "null");
	saved(&out, done, "{\"status\":\"failed\",\"created_at\":" T(3) "}");
	field_is(&out, "completed_at", T(2));
	field_is(&out, "created_at", T(3));
	saved(&out, NULL, "{\"status\":\"failed\",\"created_at\":" T(3) "}");
	field_is(&out, "created_at", T(3));
	field_is(&out, "completed_at", "\"" NOW_TEXT "\"");
}
END_TEST

START_TEST(a_wrong_value_is_refused_by_the_fields_name)
{
	RECORD *old = records_make(TABLE_JOBS, STORED);
	for (int i = 0; i < 2; i++) {
		const struct record *on = i ? old : NULL;
		refused(on, "{\"status\":\"succeeded\"}", "job.status", "completed");
		refused(on, "{\"status\":\"complete\"}", "job.status", "completed");
		refused(on, "{\"status\":7}", "job.status", NULL);
		refused(on, "{\"type\":\"Back Test\"}", "job.type", NULL);
		refused(on, "{\"payload\":[]}", "job.payload", NULL);
		refused(on, "{\"metadata\":\"x\"}", "job.metadata", NULL);
		refused(on, "{\"error\":{}}", "job.error", NULL);
		refused(on, "{\"created_at\":\"soon\"}", "job.created_at", NULL);
		refused(on, "{\"completed_at\":1700000000}", "job.completed_at", NULL);
		refused(on, "{\"progress\":5}", "job.progress", NULL);
		refused(on, "{\"progress\":{\"current\":\"1\"}}", "job.progress.current", NULL);
		refused(on, "{\"progress\":{\"current\":-1}}", "job.progress.current", NULL);
		refused(on, "{\"progress\":{\"curent\":1}}", "job.progress.curent", "current");
		refused(on, "{\"result\":{\"success\":\"yes\"}}", "job.result.success", NULL);
		refused(on, "{\"statsu\":\"running\"}", "job.statsu", "status");
		refused(on, "{\"percentage\":5}", "job.percentage", NULL);
		refused(on, "{\"type\":\"ok\",\"colour\":5,\"status\":\"running\"}", "job.colour", "metadata");
	}
}
END_TEST

/* Sends a reply back as it is: the stored values stay, whatever they are. */
static void get_edit_save(const char *file, const struct live *live)
{
	CLEAN sent = {0}, again = {0}, old_text = {0}, new_text = {0};
	struct fault fault;
	struct record_keys keys;
	RECORD *old = records_make(TABLE_JOBS, file);
	record_send(&sent, TABLE_JOBS, old, live, RECORD_ALL, NULL);
	ck_assert_msg(merge(&again, old, live, (buf_char(&sent, '\0'), sent.at), &fault), "%s: %s", sent.at,
	              fault.message);
	RECORD *r = record_new(TABLE_JOBS, buf_as_span(&again), &keys);
	struct scan_iter was = scan_members(records_text(&old_text, old)), is = scan_members(records_text(&new_text, r));
	struct span name, name_after, before, after;
	for (int field = 0; scan_next_member(&was, &name, &before); field++) {
		ck_assert(scan_next_member(&is, &name_after, &after));
		ck_assert(span_is(name, name_after));
		if (field == JOB_PROGRESS && live)
			ck_assert(span_is(after, (struct span){live->text, live->len}));
		else if (field != JOB_UPDATED_AT && field != JOB_REVISION)
			ck_assert_msg(span_is(after, before), "%.*s", (int)name.len, name.at);
	}
	ck_assert_uint_eq(scan_count(buf_as_span(&new_text)), scan_count(buf_as_span(&old_text)));
}

START_TEST(get_edit_save_works_whatever_a_file_brought_in)
{
	static const char *const files[] = {
		STORED,
		"{\"id\":\"j\",\"status\":\"paused\",\"type\":\"Odd Type\"}",
		"{\"id\":\"j\",\"status\":\"succeeded\",\"payload\":[1],\"metadata\":\"x\",\"error\":{\"a\":1},\"completed_at\":" T(1) "}",
		"{\"id\":\"j\",\"status\":\"completed\",\"result\":[1,2],\"progress\":\"half\",\"created_at\":" T(1) ",\"completed_at\":" T(1) "}",
		"{\"id\":\"j\",\"progress\":{\"current\":\"1\",\"total\":2,\"percentage\":7}}",
		"{\"id\":\"j\",\"progress\":{\"current\":1,\"percentage\":7,\"total\":2,\"eta\":\"5 s\"}}",
		"{\"id\":\"j\",\"progress\":{\"current\":-1,\"total\":2}}",
		"{\"id\":\"j\",\"progress\":{}}",
		"{\"id\":\"j\",\"progress\":[]}",
		"{\"id\":\"j\",\"tags\":[\"a\"],\"owner\":null,\"q\\\"\":{\"x\":1.5}}",
		NULL,
	};
	for (int i = 0; files[i]; i++)
		get_edit_save(files[i], NULL);
	const char text[] = "{\"current\":2.5,\"total\":10,\"message\":\"live\"}";
	struct live *live = malloc(sizeof(*live) + sizeof(text));
	ck_assert_ptr_nonnull(live);
	*live = (struct live){.len = sizeof(text) - 1, .current = 2.5, .total = 10};
	memcpy(live->text, text, sizeof(text));
	for (int i = 0; files[i]; i++)
		get_edit_save(files[i], live);
	free(live);
}
END_TEST

START_TEST(what_a_file_has_inside_progress_and_result_may_go_on_but_is_not_made)
{
	CLEAN out = {0};
	RECORD *old = records_make(TABLE_JOBS, "{\"id\":\"j\",\"progress\":{\"current\":1,\"total\":2,\"message\":\"\",\"eta\":9},"
	                                       "\"result\":{\"success\":true,\"cost\":3}}");
	saved(&out, old, "{\"progress\":{\"eta\":8,\"current\":2,\"total\":2,\"message\":\"\",\"percentage\":100.0},"
	                 "\"result\":{\"cost\":3,\"success\":false}}");
	field_is(&out, "progress", "{\"current\":2,\"total\":2,\"message\":\"\",\"eta\":8}");
	field_is(&out, "result", "{\"success\":false,\"data\":null,\"error\":null,\"artifacts\":[],\"cost\":3}");
	refused(old, "{\"progress\":{\"etta\":8}}", "job.progress.etta", NULL);
	refused(old, "{\"result\":{\"success\":true,\"costs\":8}}", "job.result.costs", NULL);
}
END_TEST

/* What is read quickly, in the order and form of most, comes to the same as what needs a closer look. */
START_TEST(a_progress_is_taken_alike_however_it_is_written)
{
	static const char *const stored[] = {
		"null", "{\"current\":1,\"total\":4,\"message\":\"m\"}", "{\"current\":9,\"total\":9,\"message\":\"\"}", "{}", "[]",
		"{\"current\":1,\"total\":4,\"message\":\"m\",\"percentage\":25}", "{\"current\":\"1\",\"eta\":5}", NULL,
	};
	CLEAN quick = {0};
	CLEAN slow = {0};
	for (int i = 0; stored[i]; i++) {
		char file[200];
		snprintf(file, sizeof file, "{\"id\":\"j\",\"progress\":%s}", stored[i]);
		RECORD *old = records_make(TABLE_JOBS, file);
		saved(&slow, old, "{\"progress\":{\"current\":1,\"total\":4,\"percentage\":25.0,\"message\":\"m\"}}");
		saved(&quick, old, "{\"progress\":{\"current\":1,\"total\":4,\"message\":\"m\"}}");
		ck_assert(span_is(buf_as_span(&quick), buf_as_span(&slow)));
		saved(&quick, old, "{\"progress\": { \"current\": 1, \"total\": 4, \"message\": \"\\u006d\" } }");
		ck_assert(span_is(buf_as_span(&quick), buf_as_span(&slow)));
		field_is(&quick, "progress", strstr(stored[i], "percentage") ? stored[i] : stored[1]);
	}
	refused(NULL, "{\"progress\":{\"current\":1,\"total\":4,\"message\":\"m\",\"eta\":1}}", "job.progress.eta", NULL);
}
END_TEST

START_TEST(a_result_has_all_its_fields)
{
	CLEAN out = {0};
	saved(&out, NULL, "{\"result\":{\"artifacts\":null,\"data\":{\"b\":1,\"a\":2.50},\"success\":true}}");
	field_is(&out, "result", "{\"success\":true,\"data\":{\"b\":1,\"a\":2.5},\"error\":null,\"artifacts\":[]}");
	refused(NULL, "{\"result\":{\"data\":1}}", "job.result.success", NULL);
}
END_TEST

START_TEST(a_job_of_a_file_with_an_odd_value_may_change_its_other_fields)
{
	CLEAN out = {0};
	RECORD *old = records_make(TABLE_JOBS, "{\"id\":\"j\",\"status\":\"paused\",\"payload\":[1]}");
	saved(&out, old, "{\"type\":\"t\"}");
	field_is(&out, "status", "\"paused\"");
	field_is(&out, "payload", "[1]");
	saved(&out, old, "{\"payload\":{\"a\":1}}");
	field_is(&out, "payload", "{\"a\":1}");
	refused(old, "{\"payload\":[2]}", "job.payload", NULL);
}
END_TEST

START_TEST(unknown_fields_of_a_file_are_kept_and_may_be_changed_but_not_made)
{
	CLEAN out = {0};
	RECORD *old = records_make(TABLE_JOBS, "{\"id\":\"j\",\"tags\":[1],\"owner\":\"o\",\"q\\\"\":0}");
	saved(&out, old, "{\"type\":\"t\"}");
	records_expect_end(&out, ",\"revision\":9,\"tags\":[1],\"owner\":\"o\",\"q\\\"\":0}");
	saved(&out, old, "{\"q\\u0022\": [ ], \"tags\" : null,\"status\":\"running\"}");
	records_expect_end(&out, ",\"revision\":9,\"tags\":null,\"owner\":\"o\",\"q\\\"\":[]}");
	refused(old, "{\"tags\":[2],\"tgas\":[3]}", "job.tgas", NULL);
	refused(old, "{\"tgas\":[3]}", "job.tgas", NULL);
}
END_TEST

START_TEST(live_progress_is_written_unless_the_client_sends_its_own)
{
	CLEAN out = {0};
	struct fault fault;
	RECORD *old = records_make(TABLE_JOBS, STORED);
	const char text[] = "{\"current\":3,\"total\":4,\"message\":\"live\"}";
	struct live *live = malloc(sizeof(*live) + sizeof(text));
	ck_assert_ptr_nonnull(live);
	*live = (struct live){.len = sizeof(text) - 1, .current = 3, .total = 4};
	memcpy(live->text, text, sizeof(text));
	ck_assert(merge(&out, old, live, "{\"status\":\"running\"}", &fault));
	field_is(&out, "progress", text);
	out.len = 0;
	ck_assert(merge(&out, old, live, "{\"progress\":{\"current\":4,\"total\":4,\"percentage\":75.0}}", &fault));
	field_is(&out, "progress", "{\"current\":4,\"total\":4,\"message\":\"\"}");
	out.len = 0;
	ck_assert(merge(&out, old, live, "{\"progress\":null}", &fault));
	field_is(&out, "progress", "null");
	free(live);
}
END_TEST

START_TEST(numbers_come_back_as_they_went_in)
{
	CLEAN out = {0};
	saved(&out, NULL, "{\"payload\":{\"a\":0.1,\"b\":9223372036854775807,\"c\":1.0,\"d\":1e2,\"e\":-0.0,\"f\":2.5000}}");
	field_is(&out, "payload", "{\"a\":0.1,\"b\":9223372036854775807,\"c\":1.0,\"d\":100.0,\"e\":-0.0,\"f\":2.5}");
}
END_TEST

START_TEST(a_save_of_ten_thousand_unknown_fields_is_no_stall)
{
	CLEAN file = {0}, out = {0}, object = {0}, old_text = {0};
	buf_text(&file, "{\"id\":\"j\"");
	for (int i = 0; i < 10000; i++)
		buf_printf(&file, ",\"u%d\":%d", i, i);
	buf_text(&file, "}");
	buf_char(&file, '\0');
	RECORD *old = records_make(TABLE_JOBS, file.at);
	buf_text(&object, "{\"type\":\"t\"");
	for (int i = 9999; i >= 0; i--)
		buf_printf(&object, ",\"u%d\":%d", i, i);
	buf_text(&object, "}");
	buf_char(&object, '\0');
	saved(&out, old, object.at);
	ck_assert_uint_eq(scan_count(buf_as_span(&out)), scan_count(records_text(&old_text, old)));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("job");
	TCase *tests = tcase_create("job");
	ident_init();
	tcase_add_test(tests, a_new_job_gets_everything_it_lacks);
	tcase_add_test(tests, an_update_changes_what_was_sent_and_nothing_else);
	tcase_add_test(tests, a_null_where_null_is_no_value_leaves_the_field);
	tcase_add_test(tests, times_are_set_once_and_a_clients_own_are_kept_as_given);
	tcase_add_test(tests, a_wrong_value_is_refused_by_the_fields_name);
	tcase_add_test(tests, get_edit_save_works_whatever_a_file_brought_in);
	tcase_add_test(tests, what_a_file_has_inside_progress_and_result_may_go_on_but_is_not_made);
	tcase_add_test(tests, a_progress_is_taken_alike_however_it_is_written);
	tcase_add_test(tests, a_result_has_all_its_fields);
	tcase_add_test(tests, a_job_of_a_file_with_an_odd_value_may_change_its_other_fields);
	tcase_add_test(tests, unknown_fields_of_a_file_are_kept_and_may_be_changed_but_not_made);
	tcase_add_test(tests, live_progress_is_written_unless_the_client_sends_its_own);
	tcase_add_test(tests, numbers_come_back_as_they_went_in);
	tcase_add_test(tests, a_save_of_ten_thousand_unknown_fields_is_no_stall);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
