#include "proto/fault.h"
#include "tests/unit/unit.h"

START_TEST(codes_on_the_wire_are_the_documented_ones)
{
	ck_assert_int_eq(fault_number(FAULT_PARSE), -32700);
	ck_assert_int_eq(fault_number(FAULT_NOT_DURABLE), -32003);
	ck_assert_str_eq(fault_kind(FAULT_OUTCOME_UNKNOWN), "outcome_unknown");
	ck_assert_str_eq(fault_text(FAULT_NOT_FOUND), "No record has this id.");
}
END_TEST

START_TEST(a_client_finds_each_code_by_its_number_and_no_other)
{
	enum fault_code code;

	for (int i = 0; i < FAULT_CODE_COUNT; i++) {
		ck_assert(fault_from_number(fault_number((enum fault_code)i), &code));
		ck_assert_int_eq((int)code, i);
	}
	ck_assert(!fault_from_number(0, &code));
	ck_assert(!fault_from_number(-32000, &code));
	ck_assert(!fault_from_number(INT64_MIN, &code));
}
END_TEST

START_TEST(a_fault_says_what_is_wrong_and_nothing_left_from_before)
{
	struct fault f;

	memset(&f, 'x', sizeof(f));
	fault_set(&f, FAULT_CONFLICT, NULL);
	ck_assert_int_eq((int)f.code, FAULT_CONFLICT);
	ck_assert_str_eq(f.message, fault_text(FAULT_CONFLICT));
	ck_assert_str_eq(f.field, "");
	ck_assert_str_eq(f.expected, "");
	ck_assert_str_eq(f.hint, "");
	ck_assert_int_eq(f.removed, -1);
	fault_set(&f, FAULT_INVALID_PARAMS, "%s must be a string", "job.type");
	fault_field(&f, "job.type");
	fault_expected(&f, "%d to %d", 1, 64);
	fault_hint(&f, "did you mean %s?", "type");
	ck_assert_str_eq(f.message, "job.type must be a string");
	ck_assert_str_eq(f.field, "job.type");
	ck_assert_str_eq(f.expected, "1 to 64");
	ck_assert_str_eq(f.hint, "did you mean type?");
}
END_TEST

START_TEST(a_long_name_is_cut_between_characters_so_that_the_reply_stays_utf8)
{
	struct fault f;
	char name[1000];
	static const char euro[] = "\xe2\x82\xac";

	for (size_t shift = 0; shift < 4; shift++) {
		memset(name, 'a', shift);
		for (size_t i = shift; i < sizeof(name) - 3; i += 3)
			memcpy(name + i, euro, 4);
		fault_set(&f, FAULT_INVALID_PARAMS, "%s", name);
		fault_field(&f, name);
		ck_assert_uint_eq((strlen(f.message) - shift) % 3, 0);
		ck_assert_uint_eq((strlen(f.field) - shift) % 3, 0);
		ck_assert_uint_ge(strlen(f.message), sizeof(f.message) - 4);
		ck_assert_uint_ge(strlen(f.field), sizeof(f.field) - 4);
	}
}
END_TEST

START_TEST(a_name_cut_by_the_caller_inside_a_character_leaves_no_broken_bytes_in_the_middle)
{
	struct fault f;

	fault_set(&f, FAULT_INVALID_PARAMS, "no field %.*s here", 4, "a€€");
	ck_assert_str_eq(f.message, "no field a€ here");
	fault_set(&f, FAULT_INVALID_PARAMS, "no field %.*s here", 6, "a€€");
	ck_assert_str_eq(f.message, "no field a€ here");
	fault_hint(&f, "\xff%s\xc3", "kept");
	ck_assert_str_eq(f.hint, "kept");
}
END_TEST

static const char *const names[] = {"status", "type", "payload", "created_at", "completed_at", "id",
                                    "metadata", NULL};

static void suggests(const char *typed, const char *wanted)
{
	const char *got = fault_did_you_mean(span_of(typed), names);

	if (wanted)
		ck_assert_msg(got && strcmp(got, wanted) == 0, "%s suggests %s", typed, got ? got : "nothing");
	else
		ck_assert_msg(!got, "%s suggests %s", typed, got);
}

START_TEST(a_mistyped_name_is_answered_with_the_right_one)
{
	suggests("statsu", "status");
	suggests("sttaus", "status");
	suggests("tpye", "type");
	suggests("typ", "type");
	suggests("types", "type");
	suggests("paylod", "payload");
	suggests("meta_data", "metadata");
	suggests("createdat", "created_at");
	suggests("completedAt", "completed_at");
	suggests("Status", "status");
	suggests("PAYLOAD", "payload");
	suggests("ids", "id");
}
END_TEST

START_TEST(a_name_like_none_earns_no_misleading_hint)
{
	char long_name[5000];

	suggests("", NULL);
	suggests("x", NULL);
	suggests("xy", NULL);
	suggests("result", NULL);
	suggests("stuff", NULL);
	memset(long_name, 's', sizeof(long_name));
	ck_assert_ptr_null(fault_did_you_mean((struct span){long_name, sizeof(long_name)}, names));
	ck_assert_ptr_null(fault_did_you_mean((struct span){long_name, 64}, names));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fault");
	TCase *tests = tcase_create("fault");

	tcase_add_test(tests, codes_on_the_wire_are_the_documented_ones);
	tcase_add_test(tests, a_client_finds_each_code_by_its_number_and_no_other);
	tcase_add_test(tests, a_fault_says_what_is_wrong_and_nothing_left_from_before);
	tcase_add_test(tests, a_long_name_is_cut_between_characters_so_that_the_reply_stays_utf8);
	tcase_add_test(tests, a_name_cut_by_the_caller_inside_a_character_leaves_no_broken_bytes_in_the_middle);
	tcase_add_test(tests, a_mistyped_name_is_answered_with_the_right_one);
	tcase_add_test(tests, a_name_like_none_earns_no_misleading_hint);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
