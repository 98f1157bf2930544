#include "daemon/artifact.h"
#include "tests/unit/records.h"
#include <stdio.h>

START_TEST(an_artifact_is_named_after_its_kind_and_run)
{
	char id[IDENT_ARTIFACT_MAX + 1], again[IDENT_ARTIFACT_MAX + 1];
	const char *start = "backtest_backtest_d78432dbb2ee_";
	artifact_make_id(id, SPAN("backtest"), SPAN("Backtest-D78432dbb2ee"));
	artifact_make_id(again, SPAN("backtest"), SPAN("Backtest-D78432dbb2ee"));
	ck_assert_int_eq(strncmp(id, start, strlen(start)), 0);
	ck_assert_uint_eq(strlen(id), strlen(start) + 10);
	ck_assert_uint_eq(strspn(id + strlen(start), "0123456789abcdef"), 10);
	ck_assert_str_ne(id, again);
}
END_TEST

START_TEST(the_longest_kind_and_run_id_still_make_an_id_that_the_allowlist_takes)
{
	char id[IDENT_ARTIFACT_MAX + 1], kind[201], run[161];
	memset(kind, 'k', sizeof(kind));
	memset(run, 'R', sizeof(run));
	for (size_t kind_len = 0; kind_len <= 200; kind_len += 8)
		for (size_t run_len = 0; run_len <= 160; run_len += 5) {
			artifact_make_id(id, (struct span){kind, kind_len}, (struct span){run, run_len});
			ck_assert(ident_check(IDENT_ARTIFACT, span_of(id)));
		}
	ck_assert_uint_eq(strlen(id), IDENT_ARTIFACT_MAX);
	artifact_make_id(id, SPAN("../../etc/\xff\""), SPAN("-----"));
	ck_assert(ident_check(IDENT_ARTIFACT, span_of(id)));
}
END_TEST

START_TEST(an_artifact_reads_back_as_what_was_saved)
{
	CLEAN text = {0}, sent = {0};
	struct record_keys keys;
	artifact_build(&text, SPAN("k_r_0123456789"), SPAN("R-1"), SPAN("k"), 12345678901, records_now(), 9);
	records_expect(&text, "{\"id\":\"k_r_0123456789\",\"run_id\":\"R-1\",\"kind\":\"k\",\"created_at\":\"" NOW_TEXT
	                      "\",\"size_bytes\":12345678901,\"revision\":9}");
	RECORD *r = record_new(TABLE_ARTIFACTS, buf_as_span(&text), &keys);
	ck_assert_ptr_nonnull(r);
	ck_assert_uint_eq(r->revision, 9);
	ck_assert(span_is(keys.id, SPAN("k_r_0123456789")));
	ck_assert(span_is(keys.a, SPAN("R-1")));
	ck_assert(span_is(keys.b, SPAN("k")));
	ck_assert_int_eq(keys.time, records_now());
	ck_assert_int_eq(keys.end, STAMP_NONE);
	record_send(&sent, TABLE_ARTIFACTS, r, NULL, RECORD_ALL, "/var/lib/a \"b\"");
	records_expect(&sent, "{\"id\":\"k_r_0123456789\",\"run_id\":\"R-1\",\"kind\":\"k\",\"path\":\"/var/lib/a \\\"b\\\"/k_r_0123456789.json\","
	                      "\"created_at\":\"" NOW_TEXT "\",\"size_bytes\":12345678901}");
	sent.len = 0;
	record_send(&sent, TABLE_ARTIFACTS, r, NULL, 1u << ARTIFACT_PATH | 1u << ARTIFACT_REVISION, "/d");
	records_expect(&sent, "{\"path\":\"/d/k_r_0123456789.json\"}");
}
END_TEST

START_TEST(an_artifact_of_a_file_keeps_all_but_its_path)
{
	CLEAN sent = {0}, text = {0};
	struct record_keys keys;
	RECORD *r = records_make(TABLE_ARTIFACTS, "{\"path\": \"/old/place\", \"id\": \"a_1\", \"kind\": \"K\", \"note\": [1, 2.50], "
	                                          "\"run_id\": null, \"size_bytes\": 3, \"revision\": 4}");
	ck_assert(span_is(records_text(&text, r), SPAN("{\"id\":\"a_1\",\"run_id\":null,\"kind\":\"K\",\"created_at\":null,"
	                                               "\"size_bytes\":3,\"revision\":4,\"note\":[1,2.5]}")));
	record_keys(TABLE_ARTIFACTS, r, &keys);
	ck_assert_uint_eq(keys.a.len, 0);
	ck_assert_int_eq(keys.time, STAMP_NONE);
	record_send(&sent, TABLE_ARTIFACTS, r, NULL, RECORD_ALL, "/d");
	records_expect(&sent, "{\"id\":\"a_1\",\"run_id\":null,\"kind\":\"K\",\"path\":\"/d/a_1.json\",\"created_at\":null,\"size_bytes\":3,"
	                      "\"note\":[1,2.5]}");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("artifact");
	TCase *tests = tcase_create("artifact");
	ident_init();
	tcase_add_test(tests, an_artifact_is_named_after_its_kind_and_run);
	tcase_add_test(tests, the_longest_kind_and_run_id_still_make_an_id_that_the_allowlist_takes);
	tcase_add_test(tests, an_artifact_reads_back_as_what_was_saved);
	tcase_add_test(tests, an_artifact_of_a_file_keeps_all_but_its_path);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
