/* Ids that have come by, and whose a payload file is. */
#include "client/ctl/payload_files.h"
#include "client/ctl/seen.h"
#include "tests/unit/unit.h"
#include <stdio.h>

enum { IDS = 200000 };

static struct span numbered(char text[32], int number)
{
	snprintf(text, 32, "id-%d", number);
	return span_of(text);
}

START_TEST(no_id_is_forgotten_and_none_made_up)
{
	struct seen s = {0};
	char text[32];
	int new = 0, there = 0, made_up = 0;
	ck_assert(!seen_has(&s, TABLE_JOBS, SPAN("id-0")));
	for (int i = 0; i < IDS; i++)
		new += seen_add(&s, TABLE_JOBS, numbered(text, i), 0) == SEEN_NEVER;
	for (int i = 0; i < IDS; i++) {
		there += seen_has(&s, TABLE_JOBS, numbered(text, i));
		made_up += seen_has(&s, TABLE_JOBS, numbered(text, IDS + i));
	}
	ck_assert_int_eq(new, IDS);
	ck_assert_int_eq(there, IDS);
	ck_assert_int_eq(made_up, 0);
	ck_assert(!seen_has(&s, TABLE_RUNS, numbered(text, 1)));
	/* what import.h promises */
	ck_assert_uint_le(s.size * (sizeof *s.marks + sizeof *s.files), (size_t)IDS * 34);
	seen_free(&s);
}
END_TEST

START_TEST(an_id_twice_in_a_file_is_told_from_one_in_two_files)
{
	struct seen s = {0};
	ck_assert_int_eq((int)seen_add(&s, TABLE_JOBS, SPAN("a"), 0), SEEN_NEVER);
	ck_assert_int_eq((int)seen_add(&s, TABLE_JOBS, SPAN("a"), 0), SEEN_IN_THIS_FILE);
	ck_assert_int_eq((int)seen_add(&s, TABLE_JOBS, SPAN("a"), 1), SEEN_EARLIER);
	ck_assert_int_eq((int)seen_add(&s, TABLE_JOBS, SPAN("a"), 1), SEEN_IN_THIS_FILE);
	ck_assert_int_eq((int)seen_add(&s, TABLE_RUNS, SPAN("a"), 1), SEEN_NEVER);
	seen_free(&s);
}
END_TEST

static void expect_kind(const char *id, const char *run_id, const char *wanted)
{
	struct span kind = payload_file_kind(span_of(id), span_of(run_id), SPAN("the_runs"));
	ck_assert_msg(span_is(kind, span_of(wanted)), "%s: %.*s", id, (int)kind.len, kind.at);
}

START_TEST(an_artifacts_id_tells_its_kind_where_a_class_made_it)
{
	expect_kind("equity_curve_backtest_d78_a3c132d864", "backtest_d78", "equity_curve");
	expect_kind("eq_bt_1_a3c132d864", "BT-1", "eq");
	expect_kind("eq_bt_2_a3c132d864", "bt-1", "the_runs");
	expect_kind("_bt_1_a3c132d864", "bt-1", "the_runs");
	expect_kind("by_hand", "bt-1", "the_runs");
	expect_kind("x", "", "the_runs");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("seen");
	TCase *ids = tcase_create("ids");

	ident_init();
	tcase_set_timeout(ids, 120);
	tcase_add_test(ids, no_id_is_forgotten_and_none_made_up);
	tcase_add_test(ids, an_id_twice_in_a_file_is_told_from_one_in_two_files);
	tcase_add_test(ids, an_artifacts_id_tells_its_kind_where_a_class_made_it);
	suite_add_tcase(suite, ids);
	int status = unit_run(suite);
	return status;
}
