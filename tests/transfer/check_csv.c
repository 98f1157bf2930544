/* What a spreadsheet reads of an export. */
#include "client/ctl/csv.h"
#include "tests/unit/unit.h"
#include <stdio.h>

static void expect(struct span value, const char *wanted)
{
	struct buf out = {0};
	csv_cell(&out, value, true);
	csv_cell(&out, value, false);
	buf_char(&out, '\0');
	char twice[256];
	snprintf(twice, sizeof twice, "%s,%s", wanted, wanted);
	ck_assert_str_eq(out.at, twice);
	buf_free(&out);
}

START_TEST(texts_stay_themselves_whatever_is_in_them)
{
	expect(SPAN("\"plain text\""), "plain text");
	expect(SPAN("\"a,b\""), "\"a,b\"");
	expect(SPAN("\"say \\\"x\\\"\""), "\"say \"\"x\"\"\"");
	expect(SPAN("\"two\\r\\nlines\""), "\"two\r\nlines\"");
	expect(SPAN("\" blank before\""), "\" blank before\"");
	expect(SPAN("\"blank behind \""), "\"blank behind \"");
	expect(SPAN("\"\\u00e9 \xc3\xa9\""), "\xc3\xa9 \xc3\xa9");
	expect(SPAN("\"=1+1\""), "=1+1");
}
END_TEST

START_TEST(null_and_an_empty_text_can_be_told_apart)
{
	expect(SPAN("null"), "");
	expect((struct span){0}, "");
	expect(SPAN("\"\""), "\"\"");
	expect(SPAN("\"null\""), "null");
}
END_TEST

START_TEST(what_is_no_text_is_json)
{
	expect(SPAN("-1.5e+300"), "-1.5e+300");
	expect(SPAN("true"), "true");
	expect(SPAN("{}"), "{}");
	expect(SPAN("{\"a\":[1,\"x\"]}"), "\"{\"\"a\"\":[1,\"\"x\"\"]}\"");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("csv");
	TCase *cells = tcase_create("cells");

	tcase_add_test(cells, texts_stay_themselves_whatever_is_in_them);
	tcase_add_test(cells, null_and_an_empty_text_can_be_told_apart);
	tcase_add_test(cells, what_is_no_text_is_json);
	suite_add_tcase(suite, cells);
	return unit_run(suite);
}
