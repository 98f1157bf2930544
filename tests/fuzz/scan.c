/* The scanner against jansson: what is JSON, and what it says; the ways of going through it (plain, with an outline, with
 * guesses) against each other; and what is no JSON, which must be left where it ends. */
#include "proto/scan.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/tree.h"

/* ---- the ways of going through members */

/* What may be guessed must need no escapes, and ends at a NUL. */
static bool may_be_guessed(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] == '\\' || (unsigned char)name.at[i] < 0x20)
			return false;
	return true;
}

/* Right, of the right length and wrong, too short, too long, nothing: in turn. */
static const char *guess_of(struct span name, unsigned *turn, struct buf *to)
{
	if (++*turn % 5 == 0 || !may_be_guessed(name))
		return "";
	to->len = 0;
	buf_span(to, name);
	if (*turn % 5 == 1 && name.len)
		to->at[name.len - 1] ^= to->at[name.len - 1] & 0x80 || to->at[name.len - 1] < 0x40 ? 0 : 1;
	if (*turn % 5 == 2 && name.len)
		to->len--;
	if (*turn % 5 == 3)
		buf_char(to, 'x');
	buf_char(to, '\0');
	return strpbrk(to->at, "\"\\") ? "" : to->at;
}

static void same_place(struct span a, struct span b)
{
	FUZZ_EXPECT(a.at == b.at && a.len == b.len);
}

static void unchanged_if_canonical(const struct scan_iter *it, struct span value)
{
	struct buf written = {0};
	if (it->canonical) {
		scan_canonical(&written, value);
		fuzz_same(value, buf_as_span(&written), "said to be canonical");
		buf_free(&written);
	}
}

static void same_members(struct span object, const struct scan_outline *outline, unsigned *turn)
{
	struct scan_iter plain = scan_members(object), outlined = scan_members_outlined(object, outline), guessing = plain;
	struct scan_iter both = outlined;
	struct span names[4], values[4];
	struct buf guess = {0};
	bool guessed;

	while (scan_next_member(&plain, &names[0], &values[0])) {
		const char *expected = guess_of(names[0], turn, &guess);
		FUZZ_EXPECT(scan_next_member(&outlined, &names[1], &values[1]));
		for (int i = 2; i < 4; i++) {
			FUZZ_EXPECT(scan_expect_member(i == 2 ? &guessing : &both, span_of(expected), &guessed, &names[i], &values[i]));
			FUZZ_EXPECT(!guessed || scan_name_is(names[0], expected));
			unchanged_if_canonical(i == 2 ? &guessing : &both, values[0]);
		}
		for (int i = 1; i < 4; i++) {
			same_place(names[0], names[i]);
			same_place(values[0], values[i]);
		}
		unchanged_if_canonical(&plain, values[0]);
		unchanged_if_canonical(&outlined, values[0]);
		same_members(values[0], outline, turn);
	}
	FUZZ_EXPECT(!plain.bad || scan_kind(object) != SCAN_OBJECT);
	FUZZ_EXPECT(!scan_next_member(&outlined, &names[1], &values[1]) && outlined.bad == plain.bad);
	FUZZ_EXPECT(!scan_expect_member(&guessing, SPAN("a"), &guessed, &names[2], &values[2]) && guessing.bad == plain.bad);
	FUZZ_EXPECT(!scan_expect_member(&both, SPAN(""), &guessed, &names[3], &values[3]) && both.bad == plain.bad);
	buf_free(&guess);
}

/* ---- what it says */

/* The canonical text made of what navigation finds. */
static void write_found(struct buf *out, struct span value);

static void write_container(struct buf *out, struct span value, bool object)
{
	struct scan_iter it = object ? scan_members(value) : scan_elements(value);
	struct span name, text, part;
	struct buf scratch = {0};
	size_t count = 0;

	buf_char(out, object ? '{' : '[');
	while (object ? scan_next_member(&it, &name, &part) : scan_next_element(&it, &part)) {
		if (count++)
			buf_char(out, ',');
		if (object) {
			scratch.len = 0;
			FUZZ_EXPECT(scan_unescape(name, &scratch, &text));
			buf_string(out, text);
			buf_char(out, ':');
		}
		write_found(out, part);
	}
	FUZZ_EXPECT(!it.bad && count == scan_count(value));
	buf_char(out, object ? '}' : ']');
	buf_free(&scratch);
}

static void write_number(struct buf *out, struct span value)
{
	int64_t whole;
	double real;

	switch (scan_number(value, &whole, &real)) {
	case SCAN_INT:
		buf_int(out, whole);
		return;
	case SCAN_REAL:
		buf_real(out, real);
		return;
	case SCAN_NAN:
	case SCAN_TOO_BIG:
		break;
	}
	FUZZ_FAIL("a number that was held is none: %.*s", (int)value.len, value.at);
}

static void write_found(struct buf *out, struct span value)
{
	struct buf scratch = {0};
	struct span text;

	switch (scan_kind(value)) {
	case SCAN_OBJECT:
		write_container(out, value, true);
		break;
	case SCAN_ARRAY:
		write_container(out, value, false);
		break;
	case SCAN_STRING:
		FUZZ_EXPECT(scan_string(value, &scratch, &text));
		buf_string(out, text);
		buf_free(&scratch);
		break;
	case SCAN_NUMBER:
		write_number(out, value);
		break;
	case SCAN_NULL:
	case SCAN_FALSE:
	case SCAN_TRUE:
		buf_span(out, value);
		break;
	case SCAN_NONE:
		FUZZ_FAIL("no kind of value: %.*s", (int)value.len, value.at);
	}
}

static void says_the_same(struct span value, json_t *tree)
{
	struct buf canonical = {0}, again = {0}, found = {0}, wanted = {0};
	struct scan_report report;

	scan_canonical(&canonical, value);
	write_found(&found, value);
	fuzz_same(buf_as_span(&canonical), buf_as_span(&found), "canonical");
	if (tree) {
		tree_write(&wanted, tree);
		fuzz_same(buf_as_span(&canonical), buf_as_span(&wanted), "as jansson reads it");
	}
	FUZZ_EXPECT(scan_check(buf_as_span(&canonical), SCAN_DEPTH_WIRE, &report) == SCAN_OK);
	scan_canonical(&again, buf_as_span(&canonical));
	fuzz_same(buf_as_span(&again), buf_as_span(&canonical), "twice");
	buf_free(&canonical);
	buf_free(&again);
	buf_free(&found);
	buf_free(&wanted);
}

/* ---- cut texts, and texts that are none */

/* Cut somewhere, it asks for more; or it was a value already, and then the same one. */
static void cut_asks_for_more(struct span text, const struct scan_report *whole)
{
	for (size_t i = 1; i <= 4; i++) {
		struct scan_report report;
		struct span part = fuzz_copy((struct span){text.at, text.len * i / 5});
		enum scan_result result = scan_value(part, SCAN_DEPTH_WIRE, true, &report);
		FUZZ_EXPECT(result == SCAN_MORE || (result == SCAN_OK && report.used == whole->used));
		free((char *)part.at);
	}
}

/* On text that nobody has checked it may say anything, but stays inside. */
static void walk(struct span text)
{
	struct scan_iter members = scan_members(text), elements = scan_elements(text);
	struct span name, value, got;
	struct buf scratch = {0};
	int64_t whole;
	double real;

	scan_kind(text);
	scan_count(text);
	scan_number(text, &whole, &real);
	scan_string(text, &scratch, &got);
	scan_unescape(text, &scratch, &got);
	scan_name_is(text, "a\"\\n");
	scan_member(text, "a", &value);
	while (scan_next_member(&members, &name, &value)) {
		scratch.len = 0;
		scan_unescape(name, &scratch, &got);
		scan_number(value, &whole, &real);
	}
	while (scan_next_element(&elements, &value)) {
		scratch.len = 0;
		scan_string(value, &scratch, &got);
	}
	for (size_t i = 0; i <= 4; i++) {
		scratch.len = 0;
		scan_path(&scratch, text, text.len * i / 4);
	}
	scratch.len = 0;
	scan_canonical(&scratch, text);
	buf_free(&scratch);
}

static void check(struct span text)
{
	struct scan_report report, outlined_report;
	static struct scan_outline outline;
	enum scan_result result = scan_check(text, SCAN_DEPTH_WIRE, &report);
	bool ok = result == SCAN_OK && report.number_at == SIZE_MAX;
	unsigned turn = (unsigned)text.len;

	FUZZ_EXPECT(scan_check_outlined(text, SCAN_DEPTH_WIRE, &outlined_report, &outline) == result);
	FUZZ_EXPECT(result == SCAN_OK ? report.used == outlined_report.used && report.number_at == outlined_report.number_at
	                              : report.at == outlined_report.at && report.at <= text.len);
	FUZZ_EXPECT(result == SCAN_OK || result == SCAN_DEEP || result == SCAN_DUPLICATE || report.expected);
	if (memchr(text.at, '\0', text.len))
		FUZZ_EXPECT(!ok); /* jansson drops one behind a number */
	json_t *tree = tree_read(text);
	if (result != SCAN_DEEP && !tree_cannot_say(text) && ok != (tree != NULL))
		FUZZ_FAIL("%s: %.*s", ok ? "accepted" : "refused", (int)text.len, text.at);
	if (result == SCAN_OK) {
		size_t space = 0;
		while (strchr(" \t\r\n", text.at[space]))
			space++;
		struct span value = {text.at + space, report.used - space};
		same_members(value, &outline, &turn);
		cut_asks_for_more(text, &report);
		if (ok)
			says_the_same(value, tree);
	}
	json_decref(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct span text = fuzz_copy((struct span){(const char *)bytes, size});

	check(text);
	walk(text);
	free((char *)text.at);
	return 0;
}
