#include "proto/frame.h"
#include "tests/unit/unit.h"

#include <stdint.h>

/* Everything that came out, one a line; a line over the limit as "!". */
struct heard {
	struct frame frame;
	struct buf said;
	size_t limit_of_memory;
};

static void listen(struct heard *h, size_t limit)
{
	*h = (struct heard){0};
	frame_init(&h->frame, limit);
}

static void hang_up(struct heard *h)
{
	frame_free(&h->frame);
	buf_free(&h->said);
}

static void drain(struct heard *h)
{
	struct span line;

	for (;;) {
		switch (frame_next(&h->frame, &line)) {
		case FRAME_LINE:
			buf_span(&h->said, line);
			buf_char(&h->said, '\n');
			break;
		case FRAME_TOO_LONG:
			buf_text(&h->said, "!\n");
			break;
		case FRAME_MORE:
			return;
		}
	}
}

static void feed(struct heard *h, struct span bytes, size_t want)
{
	while (bytes.len > 0) {
		size_t got, part = bytes.len < want ? bytes.len : want;
		char *room = frame_room(&h->frame, want, &got);
		if (got < want)
			ck_abort_msg("room for %zu, not %zu", got, want);
		memcpy(room, bytes.at, part);
		frame_filled(&h->frame, part);
		bytes.at += part;
		bytes.len -= part;
		drain(h);
		if (h->frame.in.cap > h->limit_of_memory)
			h->limit_of_memory = h->frame.in.cap;
	}
}

static void finish(struct heard *h)
{
	frame_end(&h->frame);
	drain(h);
}

static void heard(struct heard *h, struct span wanted)
{
	if (!span_is(buf_as_span(&h->said), wanted))
		ck_abort_msg("heard %.*s instead of %.*s", (int)h->said.len, h->said.len ? h->said.at : "",
		             (int)wanted.len, wanted.at ? wanted.at : "");
}

static const struct stream {
	struct span bytes, lines;
} streams[] = {
	{{0}, {0}},
	{SPAN("a\n"), SPAN("a\n")},
	{SPAN("a\nb\nc\n"), SPAN("a\nb\nc\n")},
	{SPAN("a\r\nb\r\n"), SPAN("a\nb\n")},
	{SPAN("a"), SPAN("a\n")},
	{SPAN("a\nb"), SPAN("a\nb\n")},
	{SPAN("a\r"), SPAN("a\n")},
	{SPAN("\n\n\r\n  \n\t\n\r\na\n\n"), SPAN("a\n")},
	{SPAN("  "), {0}},
	{SPAN("\r"), {0}},
	{SPAN(" a \n"), SPAN(" a \n")},
	{SPAN("a\rb\n"), SPAN("a\rb\n")},
	{SPAN("a\r\r\n"), SPAN("a\r\n")},
	{SPAN("a\0b\n\0\n"), SPAN("a\0b\n\0\n")},
	{SPAN("é€😀\n😀\n"), SPAN("é€😀\n😀\n")},
	{SPAN("0123456789abcdef\n"), SPAN("0123456789abcdef\n")},
	{SPAN("0123456789abcdef\r\nx\n"), SPAN("0123456789abcdef\nx\n")},
	{SPAN("0123456789abcdef\r"), SPAN("0123456789abcdef\n")},
	{SPAN("0123456789abcdefg\nx\n"), SPAN("!\nx\n")},
	{SPAN("0123456789abcdefg\r\nx\n"), SPAN("!\nx\n")},
	{SPAN("0123456789abcdef\rg\nx\n"), SPAN("!\nx\n")},
	{SPAN("0123456789abcdefghijklmnopqrstuvwxyz0123456789\nx"), SPAN("!\nx\n")},
	{SPAN("0123456789abcdefg"), SPAN("!\n")},
	{SPAN("x\n0123456789abcdefg\n0123456789abcdefg\n\ny\n"), SPAN("x\n!\n!\ny\n")},
	{SPAN("                                     \nx\n"), SPAN("!\nx\n")},
};

START_TEST(lines_are_the_same_however_the_bytes_arrive)
{
	const struct stream *s = &streams[_i];

	for (size_t want = 1; want <= 64; want++) {
		struct heard h;
		listen(&h, 16);
		feed(&h, s->bytes, want);
		finish(&h);
		heard(&h, s->lines);
		ck_assert_int_eq(frame_next(&h.frame, &(struct span){0}), FRAME_MORE);
		ck_assert_uint_eq(frame_pending(&h.frame), 0);
		hang_up(&h);
	}
}
END_TEST

static uint64_t random_state = 5;

static uint64_t random_below(uint64_t limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (random_state >> 33) % limit;
}

static void reference_line(struct buf *wanted, struct span line, size_t limit)
{
	if (line.len > 0 && line.at[line.len - 1] == '\r')
		line.len--;
	if (line.len > limit) {
		buf_text(wanted, "!\n");
		return;
	}
	bool blank = true;
	for (size_t i = 0; i < line.len; i++)
		blank = blank && strchr(" \t\r", line.at[i]) && line.at[i];
	if (blank)
		return;
	buf_span(wanted, line);
	buf_char(wanted, '\n');
}

START_TEST(any_stream_cut_anywhere_gives_what_splitting_it_whole_gives)
{
	static const char alphabet[] = "ab \t\r\n\n\xc3\xa9";

	for (int round = 0; round < 4000; round++) {
		struct buf bytes = {0}, wanted = {0};
		struct heard h;
		size_t limit = 1 + random_below(40), start = 0, letters = 1 + random_below(sizeof(alphabet) - 1);
		for (uint64_t n = random_below(400); n > 0; n--)
			buf_char(&bytes, random_below(12) ? 'x' : alphabet[random_below(letters)]);
		for (size_t i = 0; i < bytes.len; i++) {
			if (bytes.at[i] == '\n') {
				reference_line(&wanted, (struct span){bytes.at + start, i - start}, limit);
				start = i + 1;
			}
		}
		reference_line(&wanted, (struct span){bytes.at + start, bytes.len - start}, limit);
		listen(&h, limit);
		for (size_t at = 0; at < bytes.len;) {
			size_t part = 1 + random_below(30);
			part = part < bytes.len - at ? part : bytes.len - at;
			feed(&h, (struct span){bytes.at + at, part}, 1 + random_below(20));
			at += part;
		}
		finish(&h);
		heard(&h, buf_as_span(&wanted));
		hang_up(&h);
		buf_free(&bytes);
		buf_free(&wanted);
	}
}
END_TEST

START_TEST(a_line_over_the_limit_is_reported_as_soon_as_it_is_over_and_once)
{
	struct heard h;

	listen(&h, 4);
	feed(&h, SPAN("1234"), 4);
	heard(&h, (struct span){0});
	feed(&h, SPAN("5"), 4);
	heard(&h, SPAN("!\n"));
	ck_assert_uint_eq(frame_pending(&h.frame), 0);
	feed(&h, SPAN("67890"), 4);
	heard(&h, SPAN("!\n"));
	feed(&h, SPAN("1\nx\n"), 4);
	heard(&h, SPAN("!\nx\n"));
	hang_up(&h);
}
END_TEST

START_TEST(an_endless_line_takes_no_more_memory_than_the_limit_and_a_read)
{
	enum { LIMIT = 300000, WANT = 65536 };
	static char chunk[WANT];
	struct heard h;

	memset(chunk, 'x', sizeof(chunk));
	listen(&h, LIMIT);
	for (int i = 0; i < 200; i++)
		feed(&h, (struct span){chunk, sizeof(chunk)}, WANT);
	feed(&h, SPAN("\nnext\n"), WANT);
	heard(&h, SPAN("!\nnext\n"));
	ck_assert_uint_le(h.limit_of_memory, LIMIT + 1 + WANT);
	ck_assert_uint_le(h.frame.in.cap, FRAME_KEEP);
	hang_up(&h);
}
END_TEST

START_TEST(memory_of_a_large_line_is_given_back_even_if_the_next_line_has_begun)
{
	enum { WANT = 4096 };
	struct buf line = {0};
	struct heard h;

	listen(&h, 1 << 20);
	memset(buf_room(&line, 1 << 20), 'x', 1 << 20);
	line.len = 1 << 20;
	feed(&h, buf_as_span(&line), WANT);
	ck_assert_uint_ge(h.frame.in.cap, 1 << 20);
	ck_assert_uint_le(h.frame.in.cap, (1 << 20) + 1 + WANT);
	feed(&h, SPAN("\n{\"begun\":"), WANT);
	ck_assert_uint_le(h.frame.in.cap, 2 * FRAME_KEEP);
	h.said.len = 0;
	feed(&h, SPAN("1}\n"), WANT);
	heard(&h, SPAN("{\"begun\":1}\n"));
	ck_assert_uint_le(h.frame.in.cap, FRAME_KEEP);
	buf_free(&line);
	hang_up(&h);
}
END_TEST

START_TEST(a_large_line_a_byte_at_a_time_does_not_stall_the_daemon)
{
	struct frame f;
	struct span line;
	size_t got;

	frame_init(&f, 4 << 20);
	for (int i = 0; i < 4 << 20; i++) {
		*frame_room(&f, 1, &got) = 'x';
		frame_filled(&f, 1);
		if (frame_next(&f, &line) != FRAME_MORE)
			ck_abort();
	}
	*frame_room(&f, 1, &got) = '\n';
	frame_filled(&f, 1);
	ck_assert_int_eq(frame_next(&f, &line), FRAME_LINE);
	ck_assert_uint_eq(line.len, 4 << 20);
	frame_free(&f);
}
END_TEST

START_TEST(reading_far_ahead_of_a_slow_taker_does_not_stall_the_daemon)
{
	struct frame f;
	struct span line;
	size_t got, taken = 0;

	frame_init(&f, 1 << 10);
	for (int i = 0; i < 400000; i++) {
		memcpy(frame_room(&f, 20, &got), "0123456789\nabcdefgh\n", 20);
		frame_filled(&f, 20);
		if (frame_next(&f, &line) != FRAME_LINE)
			ck_abort();
		taken++;
	}
	while (frame_next(&f, &line) == FRAME_LINE)
		taken++;
	ck_assert_uint_eq(taken, 800000);
	frame_free(&f);
}
END_TEST

START_TEST(an_idle_connection_holds_almost_no_memory_and_a_new_one_none)
{
	struct heard h;

	listen(&h, 1 << 20);
	drain(&h);
	ck_assert_ptr_null(h.frame.in.at);
	feed(&h, SPAN("a\nb\n"), 65536);
	ck_assert_uint_le(h.frame.in.cap, FRAME_KEEP);
	hang_up(&h);
}
END_TEST

START_TEST(what_is_held_is_counted)
{
	struct frame f;
	struct span line;
	size_t got;

	frame_init(&f, 100);
	ck_assert_uint_eq(frame_pending(&f), 0);
	memcpy(frame_room(&f, 10, &got), "ab\ncd\nef", 8);
	frame_filled(&f, 8);
	ck_assert_uint_eq(frame_pending(&f), 8);
	ck_assert_int_eq(frame_next(&f, &line), FRAME_LINE);
	ck_assert_uint_eq(frame_pending(&f), 5);
	ck_assert_int_eq(frame_next(&f, &line), FRAME_LINE);
	ck_assert_int_eq(frame_next(&f, &line), FRAME_MORE);
	ck_assert_uint_eq(frame_pending(&f), 2);
	frame_free(&f);
	ck_assert_uint_eq(frame_pending(&f), 0);
}
END_TEST

START_TEST(a_discarded_line_is_skipped_to_its_end_and_the_next_is_read)
{
	struct heard h;

	listen(&h, 100);
	frame_discard(&h.frame);
	feed(&h, SPAN("kept\nunfini"), 100);
	frame_discard(&h.frame);
	ck_assert_uint_eq(frame_pending(&h.frame), 0);
	feed(&h, SPAN("shed"), 100);
	frame_discard(&h.frame);
	feed(&h, SPAN(" at last\nnext\n"), 100);
	heard(&h, SPAN("kept\nnext\n"));
	frame_discard(&h.frame);
	feed(&h, SPAN("whole\n"), 100);
	heard(&h, SPAN("kept\nnext\nwhole\n"));
	hang_up(&h);
}
END_TEST

/* The same through memory that is somebody else's as soon as it has been kept. */
static void feed_shared(struct heard *h, struct span bytes, size_t part)
{
	static char shared[4096];

	while (bytes.len > 0) {
		size_t now = bytes.len < part ? bytes.len : part;
		if (frame_pending(&h->frame) > 0) {
			feed(h, (struct span){bytes.at, now}, now);
		} else {
			memcpy(shared, bytes.at, now);
			frame_lend(&h->frame, shared, now);
			drain(h);
			frame_keep(&h->frame);
			memset(shared, '\n', sizeof(shared));
		}
		bytes.at += now;
		bytes.len -= now;
	}
	frame_end(&h->frame);
	drain(h);
}

static void compare_shared(unsigned seed)
{
	struct heard own, lent;
	char bytes[600];

	srand(seed);
	size_t len = (size_t)rand() % sizeof(bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = "ab \r\n\n"[rand() % 6];
	listen(&own, 9);
	listen(&lent, 9);
	feed(&own, (struct span){bytes, len}, 600);
	frame_end(&own.frame);
	drain(&own);
	feed_shared(&lent, (struct span){bytes, len}, 1 + (size_t)rand() % 40);
	if (!span_is(buf_as_span(&own.said), buf_as_span(&lent.said)))
		ck_abort_msg("seed %u", seed);
	hang_up(&own);
	hang_up(&lent);
}

START_TEST(lines_through_shared_memory_are_the_same_as_through_their_own)
{
	for (unsigned seed = 0; seed < 5000; seed++)
		compare_shared(seed);
}
END_TEST

START_TEST(a_large_line_that_was_dropped_leaves_no_memory_behind_when_reading_goes_on_elsewhere)
{
	struct heard h;
	char shared[64] = "x";

	listen(&h, 1 << 22);
	for (int i = 0; i < 32; i++)
		feed(&h, (struct span){(char[1 << 16]){'x'}, 1 << 16}, 1 << 16);
	frame_discard(&h.frame);
	frame_lend(&h.frame, shared, 1);
	drain(&h);
	frame_keep(&h.frame);
	ck_assert_uint_le(h.frame.in.cap, FRAME_KEEP);
	hang_up(&h);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("frame");
	TCase *tests = tcase_create("frame");

	tcase_set_timeout(tests, 30);
	tcase_add_loop_test(tests, lines_are_the_same_however_the_bytes_arrive, 0,
	                    sizeof(streams) / sizeof(streams[0]));
	tcase_add_test(tests, any_stream_cut_anywhere_gives_what_splitting_it_whole_gives);
	tcase_add_test(tests, a_line_over_the_limit_is_reported_as_soon_as_it_is_over_and_once);
	tcase_add_test(tests, an_endless_line_takes_no_more_memory_than_the_limit_and_a_read);
	tcase_add_test(tests, memory_of_a_large_line_is_given_back_even_if_the_next_line_has_begun);
	tcase_add_test(tests, a_large_line_a_byte_at_a_time_does_not_stall_the_daemon);
	tcase_add_test(tests, reading_far_ahead_of_a_slow_taker_does_not_stall_the_daemon);
	tcase_add_test(tests, an_idle_connection_holds_almost_no_memory_and_a_new_one_none);
	tcase_add_test(tests, what_is_held_is_counted);
	tcase_add_test(tests, a_discarded_line_is_skipped_to_its_end_and_the_next_is_read);
	tcase_add_test(tests, lines_through_shared_memory_are_the_same_as_through_their_own);
	tcase_add_test(tests, a_large_line_that_was_dropped_leaves_no_memory_behind_when_reading_goes_on_elsewhere);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
