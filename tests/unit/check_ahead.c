/* ahead: what it brings into the cache nobody can see, but it must neither touch nor read what it should not. */
#include "daemon/ahead.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <time.h>

static struct store *store;

static int64_t clock_of_tests(void) { return 1790000000000000; }

static void open_store(void)
{
	ident_init();
	store = store_new(clock_of_tests);
}

static void close_store(void) { store_free(store); }

static size_t look(const char *text) { return ahead_look(store, span_of(text)); }

START_TEST(a_request_that_comes_alone_is_not_held_up)
{
	ck_assert_uint_eq(look(""), 0);
	ck_assert_uint_eq(look("{\"method\":\"job.get\",\"params\":{\"id\":\"a\"}}"), 0);
	ck_assert_uint_eq(look("{\"method\":\"job.get\",\"params\":{\"id\":\"a\"}}\n"), 0);
}
END_TEST

START_TEST(whole_lines_are_looked_at_and_not_more_than_a_few)
{
	struct buf text = {0};
	const char *line = "{\"method\":\"job.get\",\"params\":{\"id\":\"a\"}}\n";

	for (int i = 0; i < 100; i++)
		buf_text(&text, line);
	ck_assert_uint_eq(ahead_look(store, buf_as_span(&text)), 16 * strlen(line));
	text.len = 3 * strlen(line) + 5;
	ck_assert_uint_eq(ahead_look(store, buf_as_span(&text)), 3 * strlen(line));
	buf_free(&text);
}
END_TEST

START_TEST(whatever_a_client_sends_is_not_read_beyond_its_end)
{
	static const char *const pieces[] = {"{", "}", "\"id\":", "\"id\": ", "\"", "\"job\":", "\"run_id\":", "\n", "a", "{\"params\":{\"id\":\"",
	                                     "\n\n", " ", "\\", "é", "[", "{\"job\":{\"id\":\"x\"", "\r\n"};
	struct buf text = {0};

	srand(1);
	for (int i = 0; i < 50000; i++) {
		text.len = 0;
		for (int n = rand() % 30; n > 0; n--)
			buf_text(&text, pieces[rand() % (int)(sizeof(pieces) / sizeof(pieces[0]))]);
		char *copy = malloc(text.len + 1); /* exactly as long, for AddressSanitizer */
		copy = realloc(copy, text.len ? text.len : 1);
		if (text.len)
			memcpy(copy, text.at, text.len);
		struct span unread = {copy, text.len};
		ck_assert_uint_le(ahead_look(store, unread), text.len);
		ahead_look_at_each(store, (struct span[]){unread, unread}, 2);
		free(copy);
	}
	buf_free(&text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ahead");
	TCase *tests = tcase_create("ahead");

	tcase_add_checked_fixture(tests, open_store, close_store);
	tcase_add_test(tests, a_request_that_comes_alone_is_not_held_up);
	tcase_add_test(tests, whole_lines_are_looked_at_and_not_more_than_a_few);
	tcase_add_test(tests, whatever_a_client_sends_is_not_read_beyond_its_end);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
