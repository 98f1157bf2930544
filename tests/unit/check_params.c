#include "proto/params.h"
#include "proto/scan.h"
#include "tests/unit/unit.h"
#include <stdio.h>

static struct params params;
static struct fault fault;
static struct buf scratch;

static void set_up(void)
{
	ident_init();
	memset(&params, 0xa5, sizeof params);
	scratch = (struct buf){0};
}

static void tear_down(void)
{
	buf_free(&scratch);
}

static bool take(enum method m, const char *json)
{
	fault = (struct fault){0};
	return params_read(&spec_methods[m], json ? span_of(json) : (struct span){0}, NULL, &params, &scratch, &fault);
}

static void taken(enum method m, const char *json)
{
	ck_assert_msg(take(m, json), "%s %s: %s", spec_methods[m].name, json ? json : "", fault.message);
}

/* Refused, and the fault names the field, and expected and hint hold these texts (NULL: whatever). */
static void refused(enum method m, const char *json, const char *field, const char *expected,
                    const char *hint)
{
	ck_assert_msg(!take(m, json), "%s %s was taken", spec_methods[m].name, json);
	ck_assert_int_eq((int)fault.code, FAULT_INVALID_PARAMS);
	ck_assert_msg(fault.message[0] && fault.expected[0], "%s: %s / %s", json, fault.message, fault.expected);
	ck_assert_str_eq(fault.field, field);
	if (expected)
		ck_assert_msg(strstr(fault.expected, expected), "%s: expected %s", json, fault.expected);
	if (hint)
		ck_assert_msg(strcmp(hint, fault.hint) == 0, "%s: hint %s", json, fault.hint);
}

static void is_text(struct span s, const char *text)
{
	ck_assert_msg(span_is(s, span_of(text)), "%.*s is not %s", (int)s.len, s.at, text);
}

START_TEST(parameters_go_by_name_in_any_order)
{
	taken(JOB_GET, "{\"fields\":[\"status\",\"id\"],\"id\":\"a-1\"}");
	ck_assert(params.at[JOB_GET_ID].present);
	is_text(params.at[JOB_GET_ID].string, "a-1");
	is_text(params.at[JOB_GET_ID].text, "\"a-1\"");
	ck_assert_uint_eq(params.at[JOB_GET_FIELDS].fields, 1u << JOB_ID | 1u << JOB_STATUS);
}
END_TEST

START_TEST(parameters_go_by_position_and_null_leaves_one_out)
{
	taken(JOB_LIST, "[null, \"backtest\", null, null, 7]");
	ck_assert(!params.at[JOB_LIST_STATUS].present);
	is_text(params.at[JOB_LIST_TYPE].list[0], "backtest");
	ck_assert_int_eq(params.at[JOB_LIST_LIMIT].whole, 7);
	ck_assert(!params.at[JOB_LIST_ORDER].present);
	refused(JOB_GET, "[\"a\", [\"id\"], 3]", "params", "by position: id, fields", NULL);
	refused(SERVER_PING, "[1]", "params", "no parameters", NULL);
	refused(SERVER_PING, "{\"a\":1}", "a", "no parameters", NULL);
	taken(SERVER_PING, "[]");
	taken(SERVER_PING, "{}");
	taken(SERVER_PING, NULL);
	taken(RUN_CREATE_OR_UPDATE, "[null, \"Back Test\"]");
	is_text(params.at[RUN_SAVE_KIND].string, "back_test");
}
END_TEST

START_TEST(a_null_optional_parameter_is_absent)
{
	taken(JOB_LIST, "{\"status\":null,\"limit\":null,\"cursor\":null,\"offset\":3,\"fields\":null}");
	ck_assert(!params.at[JOB_LIST_STATUS].present && !params.at[JOB_LIST_LIMIT].present);
	ck_assert(!params.at[JOB_LIST_CURSOR].present && !params.at[JOB_LIST_FIELDS].present);
	ck_assert_int_eq(params.at[JOB_LIST_OFFSET].whole, 3);
}
END_TEST

START_TEST(a_mistyped_name_is_refused_with_the_name_that_was_meant)
{
	refused(JOB_LIST, "{\"limti\":5}", "limti", "limit", "did you mean limit?");
	refused(JOB_LIST, "{\"statuses\":\"running\"}", "statuses", NULL, "did you mean status?");
	refused(JOB_GET, "{\"id\":\"a\",\"utterly_else\":1}", "utterly_else", "one of id, fields", "");
	refused(JOB_GET, "{\"id\":\"a\",\"\":1}", "\"\"", NULL, "");
	ck_assert_str_eq(fault.message, "job.get has no parameter \"\"");
}
END_TEST

START_TEST(a_name_written_with_escapes_is_the_same_name)
{
	taken(JOB_GET, "{\"\\u0069d\":\"\\u0061bc\"}");
	is_text(params.at[JOB_GET_ID].string, "abc");
}
END_TEST

START_TEST(a_long_name_is_not_sent_back_whole)
{
	char json[2000] = "{\"";
	for (int i = 0; i < 500; i++)
		strcat(json, "\xc3\xa9");
	strcat(json, "\":1}");
	ck_assert(!take(JOB_GET, json));
	ck_assert_uint_eq(strlen(fault.field), 64);
	ck_assert_uint_lt(strlen(fault.message), 100);
}
END_TEST

START_TEST(a_missing_parameter_is_named_with_what_it_must_be)
{
	refused(JOB_GET, NULL, "id", "[A-Za-z0-9_-]{1,160}", NULL);
	ck_assert_str_eq(fault.message, "id is missing: it must be a string that matches [A-Za-z0-9_-]{1,160}");
	refused(JOB_GET, "{\"id\":null}", "id", NULL, NULL);
	refused(JOB_SAVE, "{}", "job", "an object with fields of a job", NULL);
	refused(JOB_UPDATE_PROGRESS, "{\"id\":\"a\"}", "progress", "an object of current, total, message", NULL);
	refused(RUN_CREATE_OR_UPDATE, "{\"run_id\":\"a\"}", "kind", "a string of at most 1000 bytes", NULL);
	refused(RUN_FIND_BY_META, "{\"key\":\"a\"}", "value", "any JSON value", NULL);
}
END_TEST

START_TEST(an_id_outside_the_allowlist_goes_no_further)
{
	char json[400];
	refused(JOB_GET, "{\"id\":\"\"}", "id", NULL, NULL);
	refused(JOB_GET, "{\"id\":\"a/b\"}", "id", NULL, NULL);
	refused(JOB_GET, "{\"id\":\"..\"}", "id", NULL, NULL);
	refused(JOB_GET, "{\"id\":\"a\\n\"}", "id", NULL, NULL);
	refused(JOB_GET, "{\"id\":\"a\\u0000\"}", "id", NULL, NULL);
	refused(JOB_GET, "{\"id\":5}", "id", NULL, NULL);
	refused(JOB_GET, "{\"id\":[\"a\"]}", "id", NULL, NULL);
	refused(ARTIFACT_READ, "{\"id\":\"Abc\"}", "id", "[a-z0-9_]{1,180}", NULL);
	snprintf(json, sizeof json, "{\"id\":\"%0160d\"}", 0);
	taken(JOB_GET, json);
	snprintf(json, sizeof json, "{\"id\":\"%0161d\"}", 0);
	refused(JOB_GET, json, "id", NULL, NULL);
	ck_assert_ptr_null(strstr(fault.message, "00000"));
}
END_TEST

START_TEST(the_page_size_is_an_integer_from_1_to_1000)
{
	static const char *const wrong[] = {"0", "-1", "1001", "5.0", "1e2", "\"5\"", "true", "[]", "{}",
		"99999999999999999999", "1e999"};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		char json[64];
		snprintf(json, sizeof json, "{\"limit\":%s}", wrong[i]);
		refused(JOB_LIST, json, "limit", "an integer from 1 to 1000", NULL);
		ck_assert_str_eq(fault.message, "limit must be an integer from 1 to 1000");
	}
	refused(JOB_LIST, "{\"limit\":5.0}", "limit", NULL, "write it without a fraction or an exponent");
	refused(JOB_LIST, "{\"limit\":\"5\"}", "limit", NULL, "write 5 without quotes (persistctl: KEY:=5)");
	taken(JOB_LIST, "{\"limit\":1}");
	taken(JOB_LIST, "{\"limit\":1000}");
	taken(JOB_LIST, "{\"offset\":9007199254740992}");
	refused(JOB_LIST, "{\"offset\":9007199254740993}", "offset", NULL, NULL);
	refused(JOB_LIST, "{\"offset\":-1}", "offset", NULL, NULL);
}
END_TEST

START_TEST(a_text_that_is_no_number_is_not_said_to_be_one_in_quotes)
{
	static const char *const texts[] = {"", "ten", "5x", "null", "[5]", "1 2", "\\u0035"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		char json[64];
		snprintf(json, sizeof json, "{\"limit\":\"%s\"}", texts[i]);
		refused(JOB_LIST, json, "limit", "an integer from 1 to 1000", "");
	}
}
END_TEST

START_TEST(a_revision_may_be_any_that_the_store_can_reach)
{
	taken(JOB_SAVE, "{\"job\":{},\"if_revision\":9223372036854775807}");
	ck_assert_int_eq(params.at[JOB_SAVE_IF_REVISION].whole, INT64_MAX);
	taken(JOB_SAVE, "{\"job\":{},\"if_revision\":0}");
	ck_assert(params.at[JOB_SAVE_IF_REVISION].present);
	refused(JOB_SAVE, "{\"job\":{},\"if_revision\":-1}", "if_revision", "an integer of 0 or more", NULL);
	refused(JOB_SAVE, "{\"job\":{},\"if_revision\":9223372036854775808}", "if_revision", NULL, NULL);
}
END_TEST

START_TEST(days_may_be_a_fraction_but_not_negative)
{
	taken(JOB_CLEANUP, "{\"days\":0.5,\"dry_run\":true}");
	ck_assert_double_eq(params.at[JOB_CLEANUP_DAYS].real, 0.5);
	ck_assert(params.at[JOB_CLEANUP_DRY_RUN].flag);
	taken(JOB_CLEANUP, "{\"days\":0,\"dry_run\":false}");
	ck_assert(params.at[JOB_CLEANUP_DAYS].present && !params.at[JOB_CLEANUP_DRY_RUN].flag);
	taken(JOB_CLEANUP, "{\"days\":1e300}");
	refused(JOB_CLEANUP, "{\"days\":-0.001}", "days", "a number of 0 or more", NULL);
	refused(JOB_CLEANUP, "{\"days\":\"30\"}", "days", NULL, "write 30 without quotes (persistctl: KEY:=30)");
	refused(JOB_CLEANUP, "{\"days\":1e999}", "days", NULL, NULL);
	refused(JOB_CLEANUP, "{\"dry_run\":1}", "dry_run", "true or false", NULL);
	refused(JOB_CLEANUP, "{\"dry_run\":\"true\"}", "dry_run", NULL, "write true without quotes (persistctl: KEY:=true)");
}
END_TEST

START_TEST(a_filter_takes_one_value_or_up_to_sixteen)
{
	taken(JOB_LIST, "{\"status\":\"running\"}");
	ck_assert_uint_eq(params.at[JOB_LIST_STATUS].list_count, 1);
	is_text(params.at[JOB_LIST_STATUS].list[0], "running");
	ck_assert_uint_eq(params.at[JOB_LIST_STATUS].choice, 1);
	taken(JOB_LIST, "{\"status\":[\"running\",\"failed\",\"running\"]}");
	ck_assert_uint_eq(params.at[JOB_LIST_STATUS].list_count, 2);
	is_text(params.at[JOB_LIST_STATUS].list[1], "failed");
	refused(JOB_LIST, "{\"status\":[]}", "status", "an array of 1 to 16 such", NULL);
	refused(JOB_LIST, "{\"status\":[\"running\",5]}", "status[1]", "one of pending", NULL);
	refused(JOB_LIST, "{\"status\":[[\"running\"]]}", "status[0]", "one of pending", NULL);
	refused(JOB_LIST, "{\"status\":[null]}", "status[0]", "one of pending", NULL);
	refused(JOB_LIST, "{\"status\":{}}", "status", "an array of 1 to 16 such", NULL);
	taken(JOB_LIST, "{\"type\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\",\"j\",\"k\",\"l\",\"m\",\"n\",\"o\",\"p\"]}");
	ck_assert_uint_eq(params.at[JOB_LIST_TYPE].list_count, 16);
	refused(JOB_LIST,
		"{\"type\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\",\"j\",\"k\",\"l\",\"m\",\"n\",\"o\",\"p\",\"q\"]}",
		"type", "1 to 16", NULL);
	taken(ARTIFACT_LIST, "{\"run_id\":[\"r-1\",\"r-2\"],\"kind\":\"equity\"}");
	refused(JOB_LIST, "{\"type\":\"Back\"}", "type", "[a-z0-9_]{1,64}", NULL);
}
END_TEST

START_TEST(a_kind_filter_is_sanitised_as_the_field_is)
{
	taken(RUN_LIST, "{\"kind\":[\"Factor Analysis!\",\"factor_analysis\",\"\\u0042ack-test\",\"\"]}");
	ck_assert_uint_eq(params.at[RUN_LIST_KIND].list_count, 3);
	is_text(params.at[RUN_LIST_KIND].list[0], "factor_analysis");
	is_text(params.at[RUN_LIST_KIND].list[1], "back_test");
	is_text(params.at[RUN_LIST_KIND].list[2], "run");
	refused(RUN_LIST, "{\"kind\":5}", "kind", NULL, NULL);
}
END_TEST

START_TEST(a_run_kind_of_a_thousand_bytes_is_cut_and_of_more_refused)
{
	char json[1200];
	snprintf(json, sizeof json, "{\"kind\":\"%01000d\"}", 1);
	taken(RUN_CREATE_OR_UPDATE, json);
	ck_assert_uint_eq(params.at[RUN_SAVE_KIND].string.len, 64);
	snprintf(json, sizeof json, "{\"kind\":\"%01001d\"}", 1);
	refused(RUN_CREATE_OR_UPDATE, json, "kind", "at most 1000 bytes", NULL);
	taken(RUN_CREATE_OR_UPDATE, "{\"kind\":\"\"}");
	is_text(params.at[RUN_SAVE_KIND].string, "run");
	refused(RUN_CREATE_OR_UPDATE, "{\"kind\":null}", "kind", NULL, NULL);
}
END_TEST

START_TEST(the_other_vocabulary_is_refused_with_the_word_of_this_one)
{
	refused(JOB_LIST, "{\"status\":\"succeeded\"}", "status", "one of pending, running, completed, failed, cancelled",
		"runs say succeeded; jobs say completed");
	refused(JOB_LIST, "{\"status\":[\"queued\"]}", "status[0]", NULL, "runs say queued; jobs say pending");
	refused(RUN_LIST, "{\"status\":\"completed\"}", "status", "one of queued, running, succeeded",
		"jobs say completed; runs say succeeded");
	refused(RUN_CREATE_OR_UPDATE, "{\"kind\":\"a\",\"status\":\"Pending\"}", "status", NULL,
		"jobs say pending; runs say queued");
	refused(JOB_LIST, "{\"status\":\"COMPLETED\"}", "status", NULL, "did you mean completed?");
	refused(JOB_LIST, "{\"status\":\"canceled\"}", "status", NULL, "did you mean cancelled?");
	refused(JOB_LIST, "{\"status\":\"a word that is longer than every choice there is\"}", "status", NULL, "");
	ck_assert_ptr_null(strstr(fault.message, "longer"));
}
END_TEST

START_TEST(a_run_status_may_have_any_letter_case)
{
	taken(RUN_CREATE_OR_UPDATE, "{\"kind\":\"a\",\"status\":\"SucceedeD\"}");
	is_text(params.at[RUN_SAVE_STATUS].string, "succeeded");
	ck_assert_uint_eq(params.at[RUN_SAVE_STATUS].choice, 2);
	taken(RUN_COUNT, "{\"status\":[\"FAILED\",\"failed\"],\"group_by\":\"kind\"}");
	ck_assert_uint_eq(params.at[RUN_COUNT_STATUS].list_count, 1);
	ck_assert_uint_eq(params.at[RUN_COUNT_GROUP_BY].choice, 1);
}
END_TEST

START_TEST(an_empty_run_id_asks_for_a_new_one)
{
	taken(RUN_CREATE_OR_UPDATE, "{\"run_id\":\"\",\"kind\":\"a\"}");
	ck_assert(!params.at[RUN_SAVE_RUN_ID].present);
	taken(RUN_CREATE_OR_UPDATE, "{\"run_id\":null,\"kind\":\"a\"}");
	ck_assert(!params.at[RUN_SAVE_RUN_ID].present);
	refused(RUN_CREATE_OR_UPDATE, "{\"run_id\":\" \",\"kind\":\"a\"}", "run_id", NULL, NULL);
	refused(RUN_GET, "{\"run_id\":\"\"}", "run_id", NULL, NULL);
}
END_TEST

START_TEST(a_run_is_taken_with_all_that_it_may_have)
{
	taken(RUN_CREATE_OR_UPDATE, "{\"run_id\":\"R-1\",\"kind\":\"a\",\"request\":{\"a\":1},\"status\":\"running\",\"meta\":{},"
				    "\"artifact_id\":\"a_1\",\"error\":{\"why\":null},\"if_revision\":3,\"fields\":[\"id\"]}");
	is_text(params.at[RUN_SAVE_REQUEST].text, "{\"a\":1}");
	is_text(params.at[RUN_SAVE_ERROR].text, "{\"why\":null}");
	refused(RUN_CREATE_OR_UPDATE, "{\"kind\":\"a\",\"meta\":[]}", "meta", "an object", NULL);
	refused(RUN_CREATE_OR_UPDATE, "{\"kind\":\"a\",\"error\":\"x\"}", "error", "an object", NULL);
	refused(RUN_CREATE_OR_UPDATE, "{\"kind\":\"a\",\"artifact_id\":\"../x\"}", "artifact_id", NULL, NULL);
}
END_TEST

START_TEST(a_time_is_rfc_3339_in_a_string)
{
	taken(JOB_LIST, "{\"created_after\":\"1970-01-01T00:00:01Z\",\"created_before\":\"1970-01-01T00:00:02.5\"}");
	ck_assert_int_eq(params.at[JOB_LIST_CREATED_AFTER].whole, 1000000);
	ck_assert_int_eq(params.at[JOB_LIST_CREATED_BEFORE].whole, 2500000);
	refused(JOB_LIST, "{\"created_after\":\"yesterday\"}", "created_after", "a time such as", NULL);
	refused(JOB_LIST, "{\"created_after\":1234567890}", "created_after", NULL,
		"a time is a string, not a number of seconds");
}
END_TEST

START_TEST(fields_are_a_list_of_names_that_the_record_has)
{
	taken(RUN_GET, "{\"run_id\":\"a\",\"fields\":[\"id\",\"meta\",\"id\"]}");
	ck_assert_uint_eq(params.at[RUN_GET_FIELDS].fields, 1u << RUN_ID | 1u << RUN_META);
	refused(RUN_GET, "{\"run_id\":\"a\",\"fields\":[]}", "fields", "an array of 1 to 64 field names", NULL);
	refused(RUN_GET, "{\"run_id\":\"a\",\"fields\":\"id\"}", "fields", NULL, NULL);
	refused(RUN_GET, "{\"run_id\":\"a\",\"fields\":[\"id\",3]}", "fields[1]", "a field's name", NULL);
	refused(JOB_GET, "{\"id\":\"a\",\"fields\":[\"id\",\"type\",\"statsu\"]}", "fields[2]", "one of id, type",
		"did you mean status?");
	ck_assert_str_eq(fault.message, "fields[2]: a job has no field statsu");
}
END_TEST

START_TEST(a_cursor_is_a_short_text_without_surprises)
{
	char json[500];
	taken(JOB_LIST, "{\"cursor\":\"t.1795279800123456.night_ly-1:x\"}");
	is_text(params.at[JOB_LIST_CURSOR].string, "t.1795279800123456.night_ly-1:x");
	snprintf(json, sizeof json, "{\"cursor\":\"%0400d\"}", 0);
	taken(JOB_LIST, json);
	snprintf(json, sizeof json, "{\"cursor\":\"%0401d\"}", 0);
	refused(JOB_LIST, json, "cursor", "the next_cursor of an earlier page", NULL);
	refused(JOB_LIST, "{\"cursor\":\"\"}", "cursor", NULL, NULL);
	refused(JOB_LIST, "{\"cursor\":\"a b\"}", "cursor", NULL, NULL);
	refused(JOB_LIST, "{\"cursor\":\"a\\u0000\"}", "cursor", NULL, NULL);
	refused(JOB_LIST, "{\"cursor\":\"\xc3\xa9\"}", "cursor", NULL, NULL);
	refused(JOB_LIST, "{\"cursor\":\"a@\"}", "cursor", NULL, NULL);
	refused(JOB_LIST, "{\"cursor\":7}", "cursor", NULL, NULL);
}
END_TEST

START_TEST(cursor_and_offset_do_not_go_together)
{
	refused(JOB_LIST, "{\"cursor\":\"x\",\"offset\":0}", "cursor", "cursor without offset", NULL);
	refused(RUN_LIST, "{\"cursor\":\"x\",\"offset\":5}", "cursor", NULL, NULL);
	refused(ARTIFACT_LIST, "{\"cursor\":\"x\",\"offset\":5}", "cursor", NULL, NULL);
	taken(JOB_LIST, "{\"cursor\":\"x\",\"offset\":null}");
	ck_assert_str_eq(fault.message, "");
}
END_TEST

START_TEST(order_by_id_has_no_time_range)
{
	refused(JOB_LIST, "{\"order\":\"id\",\"created_after\":\"2026-01-01T00:00:00Z\"}", "order",
		"order id without created_after", NULL);
	refused(RUN_LIST, "{\"order\":\"id\",\"updated_before\":\"2026-01-01T00:00:00Z\"}", "order", NULL, NULL);
	taken(JOB_LIST, "{\"order\":\"time\",\"created_after\":\"2026-01-01T00:00:00Z\"}");
	taken(JOB_LIST, "{\"order\":\"id\",\"status\":\"failed\",\"cursor\":\"x\"}");
	ck_assert_uint_eq(params.at[JOB_LIST_ORDER].choice, 1);
	refused(JOB_LIST, "{\"order\":\"name\"}", "order", "one of time, id", NULL);
}
END_TEST

START_TEST(deleting_takes_one_id_or_a_list_of_any_length)
{
	struct buf json = {0};
	refused(JOB_DELETE, "{}", "id", "id or ids", NULL);
	refused(JOB_DELETE, "{\"id\":\"a\",\"ids\":[\"b\"]}", "id", "id or ids", NULL);
	taken(JOB_DELETE, "{\"id\":\"a\",\"ids\":null}");
	taken(JOB_DELETE, "{\"ids\":[]}");
	ck_assert(params.at[JOB_DELETE_IDS].present && !params.at[JOB_DELETE_ID].present);
	taken(JOB_DELETE, "{\"ids\":[\"a\",\"a\",\"\\u0061\"]}");
	is_text(params.at[JOB_DELETE_IDS].text, "[\"a\",\"a\",\"\\u0061\"]");
	refused(JOB_DELETE, "{\"ids\":[\"a\",\"b/c\"]}", "ids[1]", "[A-Za-z0-9_-]{1,160}", NULL);
	refused(JOB_DELETE, "{\"ids\":\"a\"}", "ids", "an array, each element a string that matches", NULL);
	refused(JOB_DELETE, "{\"ids\":[null]}", "ids[0]", NULL, NULL);
	buf_text(&json, "{\"ids\":[\"j\"");
	for (int i = 0; i < 50000; i++)
		buf_printf(&json, ",\"job-%d\"", i);
	buf_text(&json, "]}");
	buf_char(&json, '\0');
	taken(JOB_DELETE, json.at);
	buf_free(&json);
}
END_TEST

START_TEST(a_whole_job_is_only_looked_at_as_an_object)
{
	taken(JOB_SAVE, "{\"job\":{\"a field of an old file\":1}}");
	taken(JOB_SAVE, "[{}]");
	refused(JOB_SAVE, "{\"job\":[]}", "job", "an object with fields of a job", NULL);
	refused(JOB_SAVE, "{\"job\":\"{}\"}", "job", NULL, NULL);
	taken(SERVER_IMPORT, "{\"jobs\":[{\"x\":1}],\"runs\":[],\"mode\":\"replace\"}");
	ck_assert_uint_eq(params.at[SERVER_IMPORT_MODE].choice, 1);
	refused(SERVER_IMPORT, "{\"jobs\":[{},5]}", "jobs[1]", "an object", NULL);
	refused(SERVER_IMPORT, "{\"jobs\":{}}", "jobs", "an array of objects", NULL);
}
END_TEST

START_TEST(progress_is_checked_whole)
{
	taken(JOB_UPDATE_PROGRESS, "{\"id\":\"a\",\"progress\":{}}");
	taken(JOB_UPDATE_PROGRESS, "[\"a\",{\"current\":1.5,\"total\":10,\"message\":\"x\",\"percentage\":\"ignored\"}]");
	taken(JOB_UPDATE_PROGRESS, "[\"a\",{\"current\":null,\"total\":null,\"message\":null}]");
	refused(JOB_UPDATE_PROGRESS, "[\"a\",{\"current\":-1}]", "progress.current", "a number of 0 or more", NULL);
	refused(JOB_UPDATE_PROGRESS, "[\"a\",{\"total\":\"10\"}]", "progress.total", NULL,
	        "write 10 without quotes (persistctl: KEY:=10)");
	refused(JOB_UPDATE_PROGRESS, "[\"a\",{\"message\":5}]", "progress.message", "a string", NULL);
	refused(JOB_UPDATE_PROGRESS, "[\"a\",{\"curent\":5}]", "progress.curent", "one of current", "did you mean current?");
	ck_assert_str_eq(fault.message, "progress has no field curent");
	refused(JOB_UPDATE_PROGRESS, "[\"a\",[1,2]]", "progress", NULL, NULL);
}
END_TEST

START_TEST(any_value_may_be_looked_for_and_kept_null_too)
{
	taken(RUN_FIND_BY_META, "{\"key\":\"k\",\"value\":null}");
	ck_assert(params.at[RUN_FIND_VALUE].present);
	is_text(params.at[RUN_FIND_VALUE].text, "null");
	taken(RUN_FIND_BY_META, "[\"\", {\"a\": [1]}]");
	is_text(params.at[RUN_FIND_VALUE].text, "{\"a\": [1]}");
	taken(ARTIFACT_SAVE, "{\"run_id\":\"r\",\"payload\":null,\"link\":false}");
	ck_assert(params.at[ARTIFACT_SAVE_PAYLOAD].present && params.at[ARTIFACT_SAVE_LINK].present);
	refused(RUN_FIND_BY_META, "[5, 1]", "key", "a string", NULL);
}
END_TEST

START_TEST(values_decoded_first_stay_while_later_ones_are_decoded)
{
	char json[8000] = "{\"key\":\"";
	for (int i = 0; i < 600; i++)
		strcat(json, "\\u0061");
	strcat(json, "\",\"value\":1}");
	buf_text(&scratch, "what an earlier call left");
	taken(RUN_FIND_BY_META, json);
	ck_assert_uint_eq(params.at[RUN_FIND_KEY].string.len, 600);
	taken(RUN_LIST, "{\"kind\":[\"\\u0041\",\"\\u0042\",\"\\u0043\",\"\\u0044\",\"\\u0045\",\"\\u0046\",\"\\u0047\",\"\\u0048\","
			"\"I\",\"J\",\"K\",\"L\",\"M\",\"N\",\"\",\"\xe2\x82\xac\"],\"status\":\"\\u0052unning\",\"cursor\":\"\\u0063\","
			"\"order\":\"\\u0069d\"}");
	is_text(params.at[RUN_LIST_KIND].list[0], "a");
	is_text(params.at[RUN_LIST_KIND].list[7], "h");
	is_text(params.at[RUN_LIST_STATUS].list[0], "running");
	is_text(params.at[RUN_LIST_CURSOR].string, "c");
	is_text(params.at[RUN_LIST_ORDER].string, "id");
}
END_TEST

static bool held(const char *json)
{
	struct scan_report report;
	struct span text = span_of(json);
	ck_assert_int_eq((int)scan_check(text, SCAN_DEPTH_WIRE, &report), SCAN_OK);
	return params_numbers_held(text, report.number_at, &fault);
}

START_TEST(a_number_that_cannot_be_held_is_named_by_its_path)
{
	ck_assert(held("{\"job\":{\"payload\":{\"n\":9223372036854775807,\"x\":1e308}}}"));
	ck_assert(!held("{\"job\":{\"payload\":{\"legs\":[{},{\"price\":12345678901234567890}]}}}"));
	ck_assert_str_eq(fault.field, "job.payload.legs[1].price");
	ck_assert_str_eq(fault.message, "job.payload.legs[1].price must be a number that can be held: an integer "
	                                "of 64 bits, or a real within a double's range");
	ck_assert_int_eq((int)fault.code, FAULT_INVALID_PARAMS);
	ck_assert(!held("[{\"a\":-1e999}]"));
	ck_assert_str_eq(fault.field, "[0].a");
}
END_TEST

START_TEST(a_number_of_another_call_or_of_the_id_hides_no_number_of_the_parameters)
{
	static const char line[] = "{\"id\":1e999,\"params\":{\"a\":1,\"b\":1e999}}", good[] = "[1e999,{\"a\":1}]";
	struct span params_text = {strstr(line, "{\"a\""), strlen("{\"a\":1,\"b\":1e999}")};
	struct span good_text = {strstr(good, "{\"a\""), strlen("{\"a\":1}")};
	struct scan_report report;
	ck_assert_int_eq((int)scan_check(span_of(line), SCAN_DEPTH_WIRE, &report), SCAN_OK);
	ck_assert(!params_numbers_held(params_text, report.number_at - (size_t)(params_text.at - line), &fault));
	ck_assert_str_eq(fault.field, "b");
	ck_assert_int_eq((int)scan_check(span_of(good), SCAN_DEPTH_WIRE, &report), SCAN_OK);
	ck_assert(params_numbers_held(good_text, report.number_at - (size_t)(good_text.at - good), &fault));
	ck_assert(params_numbers_held((struct span){0}, 5, &fault));
}
END_TEST

static bool job_field(enum job_field i, const char *json)
{
	char path[64];
	snprintf(path, sizeof path, "job.%s", spec_job_fields[i].name);
	fault = (struct fault){0};
	return field_check(&spec_job_fields[i], span_of(json), path, &fault);
}

START_TEST(a_field_of_a_job_is_checked_by_its_row)
{
	ck_assert(job_field(JOB_TYPE, "\"backtest\""));
	ck_assert(job_field(JOB_STATUS, "\"\\u0072unning\""));
	ck_assert(job_field(JOB_PROGRESS, "null") && job_field(JOB_RESULT, "null") &&
	          job_field(JOB_ERROR, "null"));
	ck_assert(job_field(JOB_PAYLOAD, "{\"anything\":[1]}"));
	ck_assert(job_field(JOB_CREATED_AT, "\"2026-09-13T01:37:49.490166\""));
	ck_assert(!job_field(JOB_STATUS, "\"succeeded\""));
	ck_assert_str_eq(fault.field, "job.status");
	ck_assert_str_eq(fault.hint, "runs say succeeded; jobs say completed");
	ck_assert(!job_field(JOB_STATUS, "\"Running\""));
	ck_assert_str_eq(fault.hint, "did you mean running?");
	ck_assert(!job_field(JOB_PAYLOAD, "null"));
	ck_assert(!job_field(JOB_PAYLOAD, "[]"));
	ck_assert(!job_field(JOB_METADATA, "\"x\""));
	ck_assert(!job_field(JOB_ERROR, "{}"));
	ck_assert_str_eq(fault.message, "job.error must be a string, or null");
	ck_assert(!job_field(JOB_CREATED_AT, "\"2026-13-01T00:00:00Z\""));
	ck_assert(!job_field(JOB_ID, "\"a b\""));
}
END_TEST

START_TEST(a_result_must_say_whether_it_succeeded)
{
	ck_assert(job_field(JOB_RESULT, "{\"success\":true}"));
	ck_assert(job_field(JOB_RESULT, "{\"success\":false,\"data\":null,\"error\":null,\"artifacts\":null}"));
	ck_assert(job_field(JOB_RESULT, "{\"success\":true,\"data\":{\"a\":1},\"error\":\"x\",\"artifacts\":[\"a\",\"b\"]}"));
	ck_assert(!job_field(JOB_RESULT, "{}"));
	ck_assert_str_eq(fault.field, "job.result.success");
	ck_assert_str_eq(fault.message, "job.result.success is missing: it must be true or false");
	ck_assert(!job_field(JOB_RESULT, "{\"success\":null}"));
	ck_assert(!job_field(JOB_RESULT, "{\"success\":1}"));
	ck_assert(!job_field(JOB_RESULT, "{\"success\":true,\"error\":5}"));
	ck_assert_str_eq(fault.field, "job.result.error");
	ck_assert(!job_field(JOB_RESULT, "{\"success\":true,\"artifacts\":[\"a\",5]}"));
	ck_assert_str_eq(fault.field, "job.result.artifacts[1]");
	ck_assert(!job_field(JOB_RESULT, "{\"success\":true,\"sucess\":1}"));
	ck_assert_str_eq(fault.field, "job.result.sucess");
	ck_assert_str_eq(fault.hint, "did you mean success?");
}
END_TEST

START_TEST(an_unknown_field_is_answered_with_the_nearest_or_with_where_free_keys_go)
{
	ck_assert_int_eq(field_find(spec_job_fields, SPAN("stat\\u0075s")), JOB_STATUS);
	ck_assert_int_eq(field_find(spec_job_fields, SPAN("statu")), -1);
	field_unknown(spec_job_fields, SPAN("statsu"), "job", &fault);
	ck_assert_str_eq(fault.message, "job has no field statsu");
	ck_assert_str_eq(fault.field, "job.statsu");
	ck_assert_str_eq(fault.hint, "did you mean status?");
	field_unknown(spec_job_fields, SPAN("owner"), "job", &fault);
	ck_assert_str_eq(fault.hint, "free keys go into metadata");
	field_unknown(spec_run_fields, SPAN("owner"), "run", &fault);
	ck_assert_str_eq(fault.hint, "free keys go into meta");
	ck_assert(strncmp(fault.expected, "one of id, kind, status", 23) == 0);
}
END_TEST

START_TEST(no_value_of_any_shape_brings_a_method_down)
{
	static const char *const values[] = {"null", "true", "0", "-1", "1.5", "1e999", "99999999999999999999", "\"\"", "\"a\"",
		"\"\\u0000\"", "\"\\ud83d\\ude00\"", "[]", "[null]", "[\"a\"]", "[[]]", "[{}]", "{}", "{\"a\":1}", "[1,2]",
		"{\"current\":{}}"};
	for (size_t m = 0; m < METHOD_COUNT; m++) {
		for (unsigned p = 0; p < spec_methods[m].param_count; p++) {
			for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
				char json[256];
				snprintf(json, sizeof json, "{\"%s\":%s}", spec_methods[m].params[p].name, values[i]);
				if (!take((enum method)m, json))
					ck_assert(fault.message[0] && fault.field[0] && fault.expected[0]);
			}
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("params");
	TCase *tests = tcase_create("params");
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, parameters_go_by_name_in_any_order);
	tcase_add_test(tests, parameters_go_by_position_and_null_leaves_one_out);
	tcase_add_test(tests, a_null_optional_parameter_is_absent);
	tcase_add_test(tests, a_mistyped_name_is_refused_with_the_name_that_was_meant);
	tcase_add_test(tests, a_name_written_with_escapes_is_the_same_name);
	tcase_add_test(tests, a_long_name_is_not_sent_back_whole);
	tcase_add_test(tests, a_missing_parameter_is_named_with_what_it_must_be);
	tcase_add_test(tests, an_id_outside_the_allowlist_goes_no_further);
	tcase_add_test(tests, the_page_size_is_an_integer_from_1_to_1000);
	tcase_add_test(tests, a_text_that_is_no_number_is_not_said_to_be_one_in_quotes);
	tcase_add_test(tests, a_revision_may_be_any_that_the_store_can_reach);
	tcase_add_test(tests, days_may_be_a_fraction_but_not_negative);
	tcase_add_test(tests, a_filter_takes_one_value_or_up_to_sixteen);
	tcase_add_test(tests, a_kind_filter_is_sanitised_as_the_field_is);
	tcase_add_test(tests, a_run_kind_of_a_thousand_bytes_is_cut_and_of_more_refused);
	tcase_add_test(tests, the_other_vocabulary_is_refused_with_the_word_of_this_one);
	tcase_add_test(tests, a_run_status_may_have_any_letter_case);
	tcase_add_test(tests, an_empty_run_id_asks_for_a_new_one);
	tcase_add_test(tests, a_run_is_taken_with_all_that_it_may_have);
	tcase_add_test(tests, a_time_is_rfc_3339_in_a_string);
	tcase_add_test(tests, fields_are_a_list_of_names_that_the_record_has);
	tcase_add_test(tests, a_cursor_is_a_short_text_without_surprises);
	tcase_add_test(tests, cursor_and_offset_do_not_go_together);
	tcase_add_test(tests, order_by_id_has_no_time_range);
	tcase_add_test(tests, deleting_takes_one_id_or_a_list_of_any_length);
	tcase_add_test(tests, a_whole_job_is_only_looked_at_as_an_object);
	tcase_add_test(tests, progress_is_checked_whole);
	tcase_add_test(tests, any_value_may_be_looked_for_and_kept_null_too);
	tcase_add_test(tests, values_decoded_first_stay_while_later_ones_are_decoded);
	tcase_add_test(tests, a_number_that_cannot_be_held_is_named_by_its_path);
	tcase_add_test(tests, a_number_of_another_call_or_of_the_id_hides_no_number_of_the_parameters);
	tcase_add_test(tests, a_field_of_a_job_is_checked_by_its_row);
	tcase_add_test(tests, a_result_must_say_whether_it_succeeded);
	tcase_add_test(tests, an_unknown_field_is_answered_with_the_nearest_or_with_where_free_keys_go);
	tcase_add_test(tests, no_value_of_any_shape_brings_a_method_down);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
