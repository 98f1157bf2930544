#include "daemon/pieces.h"
#include "proto/ident.h"
#include "tests/unit/unit.h"
#include <stdio.h>

/* What was found, in the order of the text: objects as they stand, "!N" for what is broken at N. */
static struct buf found;

static void object(void *context, struct span text, size_t at)
{
	(void)context, (void)at;
	buf_span(&found, text);
	buf_char(&found, ' ');
}

static void broken(void *context, struct span text, size_t at, enum scan_result result, const struct scan_report *report)
{
	(void)context, (void)text, (void)result;
	buf_printf(&found, "!%zu ", at + report->at);
}

static void expect(const char *text, const char *wanted)
{
	struct pieces_sink sink = {.object = object, .broken = broken};
	found.len = 0;
	pieces_read(span_of(text), "jobs", &sink);
	*buf_room(&found, 1) = '\0';
	ck_assert_str_eq(found.len ? found.at : "", wanted);
}

#define HEAD "{\"format\":1,\"jobs\":["
#define A "{\"id\":\"a\",\"x\":[1]}"
#define B "{\"id\":\"b\"}"
#define C "{\"id\":\"c\"}"
#define TAIL "\n],\"xxh3\":\"0123456789abcdef\"}"

static void setup(void)
{
	ident_init();
}

static void teardown(void)
{
	buf_free(&found);
}

START_TEST(a_broken_line_costs_itself_only)
{
	expect(HEAD "\n" A ",\n" B ",\n" C TAIL, A " " B " " C " ");
	expect(HEAD "\n" A ",\n{\"id\":\"b\",},\n" C TAIL, A " !51 " C " ");
	expect(HEAD "\n" A ",\nx\"id\":\"b\"},\n" C TAIL, A " !41 " C " ");
	expect(HEAD "\n" A ",\n{\"id\":\"b\"", A " !50 ");
	expect(HEAD "\n" A ",\n" B ",\n\1\2", A " " B " !53 ");
}
END_TEST

START_TEST(a_line_s_end_that_is_damaged_costs_nothing)
{
	expect(HEAD "x" A ",\n" B TAIL, A " " B " ");
	expect(HEAD "\n" A ",x" B ",\n" C TAIL, A " " B " " C " ");
	expect(HEAD "\n" A "x\n" B ",\n" C TAIL, A " " B " " C " ");
	expect(HEAD "\n" A ",\n" B "x],\"xxh3\":1}", A " " B " ");
	expect("{\"store\":\"\",\"jobs\":[\n" A "\n],\"runs\":[x" B "\n],\"deleted\":{}}", A " " B " ");
}
END_TEST

START_TEST(what_is_inside_a_broken_record_is_no_record)
{
	expect(HEAD "\n{\"id\":\"a\",\"list\":[" B "," C "],},\n" C TAIL, "!62 " C " ");
	expect(HEAD "\n\"id\":\"a\",\"list\":[" B "]},\n" C TAIL, "!21 " C " ");
}
END_TEST

START_TEST(another_program_s_file_goes_on_at_the_next_record_of_the_same_indentation)
{
	const char *start = "{\n  \"jobs\": [\n    {\n      \"id\": \"a\",\n      \"list\": [\n        {\"id\": \"inside\"}\n      ]";
	char text[512];
	snprintf(text, sizeof text, "%s,,\n    },\n    " B ",\n    " C "\n  ]\n}\n", start);
	expect(text, "!86 " B " " C " ");
	expect("{\"jobs\": [" A ", " B "]}", A " " B " ");
	expect("{\"jobs\": [" A ", nonsense, " B "]}", A " !31 ");
	expect("{\"jobs\":[\n" A "\n" B ",\n" C "\n]}", A " " B " " C " ");
	expect("{\"jobs\":[\n{\"id\": 1}\n{\"id\": 2},\n{\"id\": 3}\n]}", "{\"id\": 1} !20 {\"id\": 2} {\"id\": 3} ");
	expect("nothing", "");
	expect("", "");
}
END_TEST

START_TEST(ids_are_told_where_they_are_ids)
{
	ck_assert(span_is(pieces_id(SPAN("{\"id\":\"job-1\",\"x\":\1}")), SPAN("job-1")));
	ck_assert(span_is(pieces_id(SPAN("{ \"id\" : \"a\"")), SPAN("a")));
	ck_assert_ptr_null(pieces_id(SPAN("{\"id\":\"a b\"}")).at);
	ck_assert_ptr_null(pieces_id(SPAN("{\"id\":\"a")).at);
	ck_assert_ptr_null(pieces_id(SPAN("{\"id\":7}")).at);
	ck_assert_ptr_null(pieces_id(SPAN("{\"id\"")).at);
	ck_assert_ptr_null(pieces_id(SPAN("")).at);
}
END_TEST

START_TEST(headers_and_deletions_are_read_as_far_as_they_are_json)
{
	struct buf head = {0};
	struct span value;
	ck_assert(pieces_head(SPAN("{\"revision\":7,\"jobs\":[\n\1"), &head));
	ck_assert(scan_member(buf_as_span(&head), "revision", &value) && span_is(value, SPAN("7")));
	ck_assert(pieces_head(SPAN("{\"last\":7,\"jobs\":[],\"runs\":[\n"), &head));
	ck_assert(!pieces_head(SPAN("{\"revision\":7,,\"jobs\":[\n"), &head));
	ck_assert(!pieces_head(SPAN("{\"revision\":7"), &head));
	ck_assert(!pieces_head(SPAN(""), &head));
	buf_free(&head);
	ck_assert(pieces_deleted(SPAN("x,\"deleted\":{\"jobs\":[\"a\"]},y"), &value));
	ck_assert(span_is(value, SPAN("{\"jobs\":[\"a\"]}")));
	ck_assert(!pieces_deleted(SPAN("x,\"deleted\":{\"jobs\":[\"a\"},y"), &value));
	ck_assert(!pieces_deleted(SPAN("x,\"deleted\":"), &value));
	ck_assert(!pieces_deleted(SPAN(""), &value));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pieces");
	TCase *all = tcase_create("pieces");
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, a_broken_line_costs_itself_only);
	tcase_add_test(all, a_line_s_end_that_is_damaged_costs_nothing);
	tcase_add_test(all, what_is_inside_a_broken_record_is_no_record);
	tcase_add_test(all, another_program_s_file_goes_on_at_the_next_record_of_the_same_indentation);
	tcase_add_test(all, ids_are_told_where_they_are_ids);
	tcase_add_test(all, headers_and_deletions_are_read_as_far_as_they_are_json);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
