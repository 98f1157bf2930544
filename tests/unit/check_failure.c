#include "client/failure.h"
#include "proto/fault.h"
#include "proto/rpc.h"
#include "proto/scan.h"
#include "tests/unit/unit.h"
#include <stdio.h>

static persist_error e;

static bool read_object(const char *text)
{
	memset(&e, 'x', sizeof e);
	return failure_read(&e, span_of(text));
}

START_TEST(everything_that_the_daemon_says_of_an_error_arrives)
{
	struct fault fault = {.code = FAULT_CONFLICT, .message = "not at 5", .field = "if_revision", .expected = "5",
		.hint = "read again", .removed = 12};
	struct buf reply = {0};
	struct span error;

	rpc_error(&reply, SPAN("1"), &fault);
	ck_assert(scan_member(buf_as_span(&reply), "error", &error));
	ck_assert(failure_read(&e, error));
	ck_assert_int_eq(e.code, PERSIST_CONFLICT);
	ck_assert_str_eq(e.kind, "conflict");
	ck_assert_str_eq(e.message, "not at 5");
	ck_assert_str_eq(e.field, "if_revision");
	ck_assert_str_eq(e.expected, "5");
	ck_assert_str_eq(e.hint, "read again");
	ck_assert_int_eq(e.removed, 12);
	ck_assert_int_eq((int)e.outcome, PERSIST_DID_NOT_HAPPEN);
	ck_assert_int_eq(e.system_error, 0);
	buf_free(&reply);
}
END_TEST

START_TEST(only_the_daemons_unknown_is_unknown)
{
	for (unsigned i = 0; i < FAULT_CODE_COUNT; i++) {
		char text[64];
		snprintf(text, sizeof text, "{\"code\":%d}", fault_number((enum fault_code)i));
		ck_assert(read_object(text));
		ck_assert_str_eq(e.kind, fault_kind((enum fault_code)i));
		ck_assert_int_eq((int)e.outcome, i == FAULT_OUTCOME_UNKNOWN ? PERSIST_UNKNOWN : PERSIST_DID_NOT_HAPPEN);
		ck_assert_int_eq(e.removed, -1);
	}
}
END_TEST

START_TEST(an_error_of_a_newer_daemon_keeps_its_number_and_kind)
{
	ck_assert(read_object("{\"code\":-32042,\"message\":\"m\",\"data\":{\"kind\":\"novel\",\"more\":[1]}}"));
	ck_assert_int_eq(e.code, -32042);
	ck_assert_str_eq(e.kind, "novel");
}
END_TEST

START_TEST(what_is_no_error_object_is_not_taken_for_success)
{
	static const char *const texts[] = {"{}", "{\"code\":0}", "{\"code\":3}", "{\"code\":\"-32001\"}",
		"{\"code\":-1.5}", "{\"code\":-99999999999}", "[]"};
	ck_assert(!read_object(texts[_i]));
}
END_TEST

START_TEST(members_of_the_wrong_type_are_passed_over)
{
	ck_assert(read_object("{\"code\":-32001,\"message\":5,"
	                      "\"data\":{\"kind\":[],\"field\":null,\"removed\":\"3\"}}"));
	ck_assert_str_eq(e.message, "");
	ck_assert_str_eq(e.kind, "not_found");
	ck_assert_str_eq(e.field, "");
	ck_assert_int_eq(e.removed, -1);
	ck_assert(read_object("{\"code\":-32001,\"data\":7}"));
}
END_TEST

START_TEST(long_texts_are_cut_between_characters)
{
	/* one byte before a run of characters of 2, 3 or 4 bytes, so that the cut falls anywhere in one */
	static const char *const characters[] = {"\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
	struct scan_report report;
	struct buf text = {0}, quoted = {0};

	buf_text(&text, "{\"code\":-32001,\"message\":\"");
	for (int i = 0; i < _i / 3; i++)
		buf_char(&text, 'a');
	for (int i = 0; i < 300; i++)
		buf_text(&text, characters[_i % 3]);
	buf_text(&text, "\"}");
	buf_char(&text, '\0');
	ck_assert(read_object(text.at));
	ck_assert_uint_ge(strlen(e.message), sizeof e.message - 5);
	buf_string(&quoted, span_of(e.message));
	ck_assert_int_eq((int)scan_check(buf_as_span(&quoted), 1, &report), SCAN_OK);
	buf_free(&text);
	buf_free(&quoted);
}
END_TEST

START_TEST(this_sides_errors_name_their_kind)
{
	failure_set(&e, PERSIST_E_TIMEOUT, PERSIST_UNKNOWN, "%d s", 30);
	ck_assert_str_eq(e.kind, "no_reply");
	ck_assert_str_eq(e.message, "30 s");
	ck_assert_int_eq(e.removed, -1);
	for (int code = PERSIST_E_NO_DAEMON; code <= PERSIST_E_CANCELLED; code++) {
		failure_set(&e, (enum persist_code)code, PERSIST_DID_NOT_HAPPEN, "m");
		ck_assert_str_ne(e.kind, "");
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("failure");
	TCase *t = tcase_create("failure");
	suite_add_tcase(s, t);
	tcase_add_test(t, everything_that_the_daemon_says_of_an_error_arrives);
	tcase_add_test(t, only_the_daemons_unknown_is_unknown);
	tcase_add_test(t, an_error_of_a_newer_daemon_keeps_its_number_and_kind);
	tcase_add_loop_test(t, what_is_no_error_object_is_not_taken_for_success, 0, 7);
	tcase_add_test(t, members_of_the_wrong_type_are_passed_over);
	tcase_add_loop_test(t, long_texts_are_cut_between_characters, 0, 12);
	tcase_add_test(t, this_sides_errors_name_their_kind);
	return unit_run(s);
}
