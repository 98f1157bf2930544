#include "proto/scan.h"
#include "tests/unit/unit.h"

#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* Exactly as long as the text, so that AddressSanitizer sees a read past its end. */
static struct span exact(struct span text)
{
	char *copy = malloc(text.len > 0 ? text.len : 1);

	ck_assert_ptr_nonnull(copy);
	if (text.len > 0)
		memcpy(copy, text.at, text.len);
	return (struct span){copy, text.len};
}

static void release(struct span text)
{
	free((char *)text.at);
}

static enum scan_result check(struct span text, struct scan_report *report)
{
	struct span copy = exact(text);
	enum scan_result result = scan_check(copy, SCAN_DEPTH_WIRE, report);

	release(copy);
	return result;
}

static bool valid(struct span text)
{
	struct scan_report report;

	return check(text, &report) == SCAN_OK;
}

static uint64_t random_state = 88172645463325252u;

static uint64_t random_below(uint64_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 11) % limit;
}

static const char *const accepted[] = {
	"null", "true", "false", "0", "-0", "7", "-12", "9223372036854775807", "1.5", "-0.0", "1e5", "1E+5",
	"1.25e-7", "0e0", "0.0001",
	"\"\"", "\"a\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\u0041\"", "\"\\u0000\"", "\"\\uD83D\\uDE00\"", "\"\\ud83d\\ude00\"", "\"\x7f\"",
	"\"é€😀\"", "\"\xef\xbf\xbf\"", "\"\xf4\x8f\xbf\xbf\"", "[]", "{}", " [ ] ", "\t{\n}\r ", "[1]", "[1,2]", "[ 1 , 2 ]", "[[],{},[[]]]",
	"{\"a\":1}", "{ \"a\" : 1 , \"b\" : [ ] }", "{\"\":1}", "{\"a\":{\"a\":{\"a\":1}}}", "[{\"a\":1},{\"a\":1}]", "{\"a\":1,\"A\":2}",
	"[null,true,false]", "{\"a\":null}", "[\"12345678\",\"123456789\",\"1234567\"]",
};

START_TEST(json_that_a_client_may_send_is_accepted)
{
	struct scan_report report;
	struct span text = span_of(accepted[_i]);

	ck_assert_msg(check(text, &report) == SCAN_OK, "%s: expected %s at %zu", accepted[_i], report.expected,
	              report.at);
	ck_assert_uint_eq(report.number_at, SIZE_MAX);
}
END_TEST

static const struct refused {
	const char *text;
	size_t at;
	const char *expected; /* how it starts */
} refused[] = {
	{"", 0, "a JSON value"},
	{"  ", 2, "a JSON value"},
	{"nul", 3, "null"},
	{"nulL", 3, "null"},
	{"tru", 3, "true"},
	{"falze", 3, "false"},
	{"truee", 4, "the end of the text"},
	{"NaN", 0, "a JSON value; NaN and Infinity are not JSON, write null"},
	{"[1,NaN]", 3, "a JSON value; NaN and Infinity are not JSON, write null"},
	{"nan", 0, "a JSON value; NaN and Infinity are not JSON, write null"},
	{"Infinity", 0, "a JSON value; NaN and Infinity are not JSON, write null"},
	{"inf", 0, "a JSON value; NaN and Infinity are not JSON, write null"},
	{"-Infinity", 1, "a JSON value; NaN and Infinity are not JSON, write null"},
	{"None", 0, "a JSON value; None is not JSON"},
	{"True", 0, "a JSON value; true is written"},
	{"False", 0, "a JSON value; false is written"},
	{"undefined", 0, "a JSON value; undefined"},
	{"'a'", 0, "a JSON value; strings stand in double quotes"},
	{"// x", 0, "a JSON value; JSON has no comments"},
	{"[1,/* x */2]", 3, "a JSON value; JSON has no comments"},
	{"\xef\xbb\xbf{}", 0, "a JSON value; the text must not start with a byte order mark"},
	{"+1", 0, "a JSON value; a number has no +"},
	{".5", 0, "a JSON value; a digit stands before"},
	{"-", 1, "a digit"},
	{"-a", 1, "a digit"},
	{"01", 1, "a number without leading zeros"},
	{"-01", 2, "a number without leading zeros"},
	{"00", 1, "a number without leading zeros"},
	{"1.", 2, "a digit after the point"},
	{"1.e5", 2, "a digit after the point"},
	{"1e", 2, "a digit in the exponent"},
	{"1e+", 3, "a digit in the exponent"},
	{"1ex", 2, "a digit in the exponent"},
	{"1.5.5", 3, "the end of the text"},
	{"0x10", 1, "the end of the text"},
	{"1 2", 2, "the end of the text"},
	{"{}{}", 2, "the end of the text"},
	{"[1]]", 3, "the end of the text"},
	{"[", 1, "a JSON value"},
	{"[1", 2, "a comma or ]"},
	{"[1,", 3, "a JSON value"},
	{"[1,]", 3, "a JSON value; no comma stands before ]"},
	{"[,1]", 1, "a JSON value"},
	{"[1 2]", 3, "a comma or ]"},
	{"[1}", 2, "a comma or ]"},
	{"]", 0, "a JSON value"},
	{"{", 1, "a name in double quotes or }"},
	{"{]", 1, "a name in double quotes or }"},
	{"{a:1}", 1, "a name in double quotes or }"},
	{"{'a':1}", 1, "a name in double quotes or }"},
	{"{1:1}", 1, "a name in double quotes or }"},
	{"{\"a\"}", 4, "a colon after the name"},
	{"{\"a\" 1}", 5, "a colon after the name"},
	{"{\"a\":}", 5, "a JSON value"},
	{"{\"a\":1", 6, "a comma or }"},
	{"{\"a\":1]", 6, "a comma or }"},
	{"{\"a\":1,}", 7, "a name in double quotes; no comma stands before }"},
	{"{\"a\":1,,\"b\":2}", 7, "a name in double quotes"},
	{"{\"a\":1 \"b\":2}", 7, "a comma or }"},
	{"\"", 1, "the string's closing quote"},
	{"\"abc", 4, "the string's closing quote"},
	{"\"abcdefghijkl", 13, "the string's closing quote"},
	{"\"a\nb\"", 2, "an escape such as \\n"},
	{"\"a\x1f\"", 2, "an escape such as \\n"},
	{"\"\\", 2, "one of"},
	{"\"\\x41\"", 2, "one of"},
	{"\"\\a\"", 2, "one of"},
	{"\"\\\xc3\xa9\"", 2, "one of"},
	{"\"\\u12\"", 5, "four hexadecimal digits"},
	{"\"\\u12g4\"", 5, "four hexadecimal digits"},
	{"\"\\u", 3, "four hexadecimal digits"},
	{"\"\\ud83d\"", 1, "a pair of surrogates"},
	{"\"\\ud83dx\"", 1, "a pair of surrogates"},
	{"\"\\ud83d\\n\"", 1, "a pair of surrogates"},
	{"\"\\ud83d\\u0041\"", 1, "a pair of surrogates"},
	{"\"\\ud83d\\ud83d\"", 1, "a pair of surrogates"},
	{"\"ab\\ude00\"", 3, "a pair of surrogates"},
	{"\"\\ude00\\ud83d\"", 1, "a pair of surrogates"},
	{"\"\\ud83d\\u12\"", 11, "four hexadecimal digits"},
	{"\"\x80\"", 1, "valid UTF-8"},
	{"\"\xc0\x80\"", 1, "valid UTF-8"},
	{"\"\xc1\xbf\"", 1, "valid UTF-8"},
	{"\"\xe0\x80\x80\"", 1, "valid UTF-8"},
	{"\"\xed\xa0\x80\"", 1, "valid UTF-8"},
	{"\"\xf0\x80\x80\x80\"", 1, "valid UTF-8"},
	{"\"\xf4\x90\x80\x80\"", 1, "valid UTF-8"},
	{"\"\xff\"", 1, "valid UTF-8"},
	{"\"aaaaaaaaaaaa\xc3(\"", 13, "valid UTF-8"},
	{"\"\xe2\x82", 3, "valid UTF-8"},
	{"\f1", 0, "a JSON value"},
	{"\xc2\xa0""1", 0, "a JSON value"},
};

START_TEST(what_is_no_json_is_refused_at_the_byte_at_fault)
{
	const struct refused *r = &refused[_i];
	struct scan_report report;

	ck_assert_msg(check(span_of(r->text), &report) == SCAN_SYNTAX, "accepted: %s", r->text);
	ck_assert_msg(report.at == r->at, "%s: at %zu, not %zu", r->text, report.at, r->at);
	ck_assert_msg(strncmp(report.expected, r->expected, strlen(r->expected)) == 0, "%s: expected %s", r->text,
	              report.expected);
}
END_TEST

START_TEST(a_nul_byte_does_not_end_the_text)
{
	ck_assert(!valid(SPAN("1\0")));
	ck_assert(!valid(SPAN("{\"a\":1}\0{}")));
	ck_assert(!valid(SPAN("\"a\0b\"")));
	ck_assert(!valid(SPAN("\0")));
	ck_assert(!valid((struct span){0}));
}
END_TEST

/* the table of the Unicode standard (3-7), spelled out by code point */
static bool is_utf8(const unsigned char *p, size_t len)
{
	while (len > 0) {
		size_t n = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 : *p >> 3 == 30 ? 4 : 0;
		static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
		uint32_t c = n == 1 ? *p : *p & (0x7fu >> n);
		if (n == 0 || n > len)
			return false;
		for (size_t i = 1; i < n; i++) {
			if (p[i] >> 6 != 2)
				return false;
			c = c << 6 | (p[i] & 0x3f);
		}
		if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
			return false;
		p += n;
		len -= n;
	}
	return true;
}

static void agrees_on_utf8(const unsigned char *bytes, size_t len)
{
	struct scan_report report;
	char text[32] = "\"";

	memcpy(text + 1, bytes, len);
	text[len + 1] = '"';
	bool ok = scan_check((struct span){text, len + 2}, 1, &report) == SCAN_OK;
	if (ok != is_utf8(bytes, len))
		ck_abort_msg("%02x %02x %02x %02x (%zu)", bytes[0], bytes[1], bytes[2], bytes[3], len);
}

START_TEST(no_byte_sequence_that_is_not_utf8_gets_into_the_store)
{
	static const unsigned char edges[] = {0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xe0, 0xed,
	                                      0xf0, 0xf4, 0xff};
	unsigned char b[16] = {0};

	for (unsigned i = 0; i < 128 * 256; i++) {
		b[0] = (unsigned char)(0x80 | i >> 8);
		b[1] = (unsigned char)i;
		if (b[1] < 0x20 || b[1] == '"' || b[1] == '\\')
			continue;
		b[2] = 'x';
		agrees_on_utf8(b, 1);
		agrees_on_utf8(b, 3);
		for (unsigned j = 0; j < COUNT(edges) * COUNT(edges); j++) {
			b[2] = edges[j / COUNT(edges)];
			b[3] = edges[j % COUNT(edges)];
			b[4] = 'y';
			agrees_on_utf8(b, 3);
			agrees_on_utf8(b, 4);
			agrees_on_utf8(b, 5);
		}
	}
}
END_TEST

static struct span repeat(const char *text, size_t times, struct buf *out)
{
	for (size_t i = 0; i < times; i++)
		buf_text(out, text);
	return buf_as_span(out);
}

START_TEST(nesting_is_allowed_up_to_the_limit_and_refused_one_level_beyond)
{
	static const struct {
		const char *open, *close;
	} kinds[] = {{"[", "]"}, {"{\"a\":", "}"}, {"[{\"a\":", "}]"}};
	static const unsigned limits[] = {1, 2, 64, SCAN_DEPTH_WIRE, SCAN_DEPTH_FILE};
	struct scan_report report;
	struct buf b = {0};

	for (size_t k = 0; k < COUNT(kinds); k++) {
		unsigned levels = k == 2 ? 2 : 1;
		for (size_t l = 0; l < COUNT(limits); l++) {
			unsigned times = limits[l] / levels;
			b.len = 0;
			repeat(kinds[k].open, times, &b);
			buf_char(&b, '1');
			struct span text = repeat(kinds[k].close, times, &b);
			ck_assert_int_eq(scan_check(text, times * levels, &report), SCAN_OK);
			if (times * levels > 0)
				ck_assert_int_eq(scan_check(text, times * levels - 1, &report), SCAN_DEEP);
		}
	}
	ck_assert_int_eq(scan_check(SPAN("1"), 0, &report), SCAN_OK);
	ck_assert_int_eq(scan_check(SPAN("[]"), 0, &report), SCAN_DEEP);
	ck_assert_int_eq(scan_check(SPAN(" [[],[[]]]"), 2, &report), SCAN_DEEP);
	ck_assert_uint_eq(report.at, 6);
	buf_free(&b);
}
END_TEST

START_TEST(two_million_brackets_are_refused_at_the_first_that_is_too_deep)
{
	struct scan_report report;
	struct buf b = {0};
	struct span text = repeat("[", 2000000, &b);

	ck_assert_int_eq(scan_check(text, SCAN_DEPTH_WIRE, &report), SCAN_DEEP);
	ck_assert_uint_eq(report.at, SCAN_DEPTH_WIRE);
	ck_assert_int_eq(scan_check(text, SCAN_DEPTH_FILE, &report), SCAN_DEEP);
	ck_assert_uint_eq(scan_count(text), 0);
	buf_free(&b);
}
END_TEST

START_TEST(one_name_twice_is_refused_however_it_is_written)
{
	static const struct {
		const char *text;
		size_t at;
	} twice[] = {
		{"{\"a\":1,\"a\":2}", 7},
		{"{\"a\":1,\"b\":2,\"a\":3}", 13},
		{"{\"\":1,\"\":2}", 6},
		{"{\"a\":1,\"\\u0061\":2}", 7},
		{"{\"\\u0061\":1,\"a\":2}", 12},
		{"{\"\\u0061\":1,\"\\u0061\":2}", 12},
		{"{\"\\/\":1,\"/\":2}", 8},
		{"{\"\\ud83d\\ude00\":1,\"😀\":2}", 18},
		{"{\"\\u00e9\":1,\"é\":2}", 12},
		{"[{\"x\":{\"a\":1,\"a\":2}}]", 13},
		{"{\"a\":{\"a\":1,\"b\":2},\"a\":3}", 19},
		{"{\"a\":{\"b\":{\"a\":1}},\"b\":2,\"a\":3}", 25},
		{"{\"nul\\u0000x\":1,\"nul\\u0000x\":2}", 16},
	};
	struct scan_report report;

	for (size_t i = 0; i < COUNT(twice); i++) {
		ck_assert_msg(check(span_of(twice[i].text), &report) == SCAN_DUPLICATE, "%s", twice[i].text);
		ck_assert_uint_eq(report.at, twice[i].at);
	}
	ck_assert(valid(SPAN("{\"nul\\u0000x\":1,\"nul\\u0000y\":2,\"nul\":3}")));
	ck_assert(valid(SPAN("{\"a\":{\"b\":1},\"b\":{\"a\":1}}")));
	ck_assert(valid(SPAN("{\"\\\\u0061\":1,\"a\":2}")));
}
END_TEST

/* {"n0":0,…} with name `twin` repeated at place `at`, and each value the object of so many names `inner` */
static void object_of(struct buf *b, int names, int twin, int at, int inner)
{
	buf_char(b, '{');
	for (int i = 0; i < names; i++) {
		buf_printf(b, "%s\"n%d\":", i > 0 ? "," : "", i == at ? twin : i);
		if (inner > 0)
			object_of(b, inner, -1, -1, 0);
		else
			buf_int(b, i);
	}
	buf_char(b, '}');
}

START_TEST(a_duplicate_is_found_at_every_place_of_objects_of_every_size)
{
	struct scan_report report;
	struct buf b = {0};

	for (int inner = 0; inner <= 40; inner += 20) {
		for (int names = 1; names <= 70; names += inner > 0 ? 7 : 1) {
			b.len = 0;
			object_of(&b, names, -1, -1, inner);
			if (scan_check(buf_as_span(&b), 8, &report) != SCAN_OK)
				ck_abort_msg("%d names refused: %s", names, report.expected);
			for (int at = 1; at < names; at++) {
				for (int twin = 0; twin < at; twin += inner > 0 ? 5 : 1) {
					b.len = 0;
					object_of(&b, names, twin, at, inner);
					if (scan_check(buf_as_span(&b), 8, &report) != SCAN_DUPLICATE)
						ck_abort_msg("n%d twice among %d", twin, names);
				}
			}
		}
	}
	buf_free(&b);
}
END_TEST

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* generous, as this also runs under sanitizers and valgrind: what is quadratic takes minutes */
static void quick(struct span text, enum scan_result wanted)
{
	struct scan_report report;
	double start = seconds();

	ck_assert_int_eq(scan_check(text, SCAN_DEPTH_FILE, &report), wanted);
	ck_assert_double_lt(seconds() - start, 8);
}

START_TEST(an_object_of_a_million_names_does_not_stall_the_daemon)
{
	struct buf b = {0};

	object_of(&b, 1000000, -1, -1, 0);
	quick(buf_as_span(&b), SCAN_OK);
	b.len--;
	buf_text(&b, ",\"n500000\":1}");
	quick(buf_as_span(&b), SCAN_DUPLICATE);
	buf_free(&b);
}
END_TEST

START_TEST(no_shape_of_objects_stalls_the_daemon)
{
	struct buf b = {0};

	/* a big object around very many objects that are just too big to be searched one by one */
	buf_char(&b, '{');
	for (int i = 0; i < 20000; i++) {
		buf_printf(&b, "%s\"outer%d\":", i > 0 ? "," : "", i);
		object_of(&b, 17, -1, -1, 0);
	}
	buf_char(&b, '}');
	quick(buf_as_span(&b), SCAN_OK);

	/* the same 30 names at each of 2,000 levels, the next level inside the last */
	b.len = 0;
	for (int level = 0; level < 2000; level++) {
		object_of(&b, 30, -1, -1, 0);
		b.len--;
		buf_text(&b, ",\"next\":");
	}
	buf_char(&b, '1');
	quick(repeat("}", 2000, &b), SCAN_OK);

	/* 16 long names that differ in their last byte only, written in escapes, many times */
	b.len = 0;
	buf_char(&b, '[');
	for (int i = 0; i < 20; i++) {
		for (int j = 0; j < 16; j++) {
			buf_text(&b, j > 0 ? ",\"" : i > 0 ? ",{\"" : "{\"");
			repeat("\\u0061", 5000, &b);
			buf_printf(&b, "%x\":1", j);
		}
		buf_char(&b, '}');
	}
	buf_char(&b, ']');
	quick(buf_as_span(&b), SCAN_OK);
	buf_free(&b);
}
END_TEST

START_TEST(a_value_cut_anywhere_asks_for_more_and_is_no_value_at_the_end_of_the_stream)
{
	static const char whole[] =
	    " {\"a\\u00e9\\ud83d\\ude00\":[1,-2.5e+10,true,false,null,\"é€😀\\n\"],\"b\":{},\"c\":[],\"d\" : {\"e\":\"x\"} }";
	struct scan_report report;

	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		struct span cut = exact((struct span){whole, len});
		ck_assert_msg(scan_value(cut, 8, true, &report) == SCAN_MORE, "%.*s", (int)len, whole);
		ck_assert_int_eq(scan_value(cut, 8, false, &report), SCAN_SYNTAX);
		ck_assert_msg(report.at == len || whole[report.at] == '\\', "%.*s: at %zu", (int)len, whole,
		              report.at);
		release(cut);
	}
	ck_assert_int_eq(scan_value(SPAN(whole), 8, true, &report), SCAN_OK);
	ck_assert_uint_eq(report.used, sizeof(whole) - 1);
}
END_TEST

START_TEST(a_number_at_the_end_of_what_was_read_waits_for_its_next_digit)
{
	static const char *const open[] = {"1", "-", "12", "1.", "1.5", "1e", "1e5", "t", "tru", "true", "nul",
	                                   "null", " 1"};
	static const char *const closed[] = {"1 ", "12,", "1.5]", "true ", "null}", "\"a\"", "[]", "{}", "[1]x"};
	struct scan_report report;

	for (size_t i = 0; i < COUNT(open); i++)
		ck_assert_msg(scan_value(span_of(open[i]), 8, true, &report) == SCAN_MORE, "%s", open[i]);
	for (size_t i = 0; i < COUNT(closed); i++)
		ck_assert_msg(scan_value(span_of(closed[i]), 8, true, &report) == SCAN_OK, "%s", closed[i]);
	ck_assert_uint_eq(report.used, 3);
	ck_assert_int_eq(scan_value(SPAN("12"), 8, false, &report), SCAN_OK);
	ck_assert_int_eq(scan_value(SPAN("01"), 8, true, &report), SCAN_SYNTAX);
	ck_assert_int_eq(scan_value(SPAN("\"\\ud83dx"), 8, true, &report), SCAN_SYNTAX);
	ck_assert_int_eq(scan_value(SPAN("[1,2}"), 8, true, &report), SCAN_SYNTAX);
}
END_TEST

static const struct numeral {
	const char *text;
	enum scan_number kind;
	int64_t whole;
	double real;
} numerals[] = {
	{"0", SCAN_INT, 0, 0},
	{"-0", SCAN_INT, 0, 0},
	{"42", SCAN_INT, 42, 42},
	{"-1", SCAN_INT, -1, -1},
	{"9223372036854775807", SCAN_INT, INT64_MAX, 9223372036854775807.0},
	{"-9223372036854775808", SCAN_INT, INT64_MIN, -9223372036854775808.0},
	{"9223372036854775808", SCAN_TOO_BIG, 0, 0},
	{"-9223372036854775809", SCAN_TOO_BIG, 0, 0},
	{"18446744073709551616", SCAN_TOO_BIG, 0, 0},
	{"100000000000000000000000000000000000000000", SCAN_TOO_BIG, 0, 0},
	{"0.0", SCAN_REAL, 0, 0},
	{"1.5", SCAN_REAL, 0, 1.5},
	{"-0.1", SCAN_REAL, 0, -0.1},
	{"1e5", SCAN_REAL, 0, 1e5},
	{"1E-5", SCAN_REAL, 0, 1e-5},
	{"1e+22", SCAN_REAL, 0, 1e22},
	{"1e23", SCAN_REAL, 0, 1e23},
	{"0.1e1", SCAN_REAL, 0, 1},
	{"9007199254740993.0", SCAN_REAL, 0, 9007199254740992.0},
	{"123456789012345678901234567890.0", SCAN_REAL, 0, 123456789012345678901234567890.0},
	{"0.30000000000000004", SCAN_REAL, 0, 0.30000000000000004},
	{"1.7976931348623157e308", SCAN_REAL, 0, 1.7976931348623157e308},
	{"1.7976931348623158e308", SCAN_REAL, 0, 1.7976931348623157e308},
	{"1.7976931348623159e308", SCAN_TOO_BIG, 0, 0},
	{"17976931348623159e292", SCAN_TOO_BIG, 0, 0},
	{"-1e309", SCAN_TOO_BIG, 0, 0},
	{"1e999999999999999999999", SCAN_TOO_BIG, 0, 0},
	{"0e999999999999999999999", SCAN_REAL, 0, 0},
	{"0.0000000000000000000001e330", SCAN_REAL, 0, 1e308},
	{"0.00000000000000000001e330", SCAN_TOO_BIG, 0, 0},
	{"1e-999999999999999999999", SCAN_REAL, 0, 0},
	{"5e-324", SCAN_REAL, 0, 5e-324},
	{"1e-400", SCAN_REAL, 0, 0},
	{"", SCAN_NAN, 0, 0},
	{"-", SCAN_NAN, 0, 0},
	{"01", SCAN_NAN, 0, 0},
	{"1.", SCAN_NAN, 0, 0},
	{"1x", SCAN_NAN, 0, 0},
	{"\"1\"", SCAN_NAN, 0, 0},
	{"null", SCAN_NAN, 0, 0},
	{"1 ", SCAN_NAN, 0, 0},
};

START_TEST(numbers_are_read_exactly_or_refused)
{
	const struct numeral *n = &numerals[_i];
	struct span text = exact(span_of(n->text));
	struct scan_report report;
	int64_t whole = 99;
	double real = 99;

	ck_assert_msg(scan_number(text, &whole, &real) == n->kind, "%s", n->text);
	if (n->kind == SCAN_INT)
		ck_assert_int_eq(whole, n->whole);
	if (n->kind == SCAN_INT || n->kind == SCAN_REAL)
		ck_assert_msg(real == n->real, "%s: %a", n->text, real);
	if (n->kind != SCAN_NAN) {
		ck_assert_int_eq(scan_check(text, 8, &report), SCAN_OK);
		ck_assert_uint_eq(report.number_at, n->kind == SCAN_TOO_BIG ? 0 : SIZE_MAX);
	}
	release(text);
}
END_TEST

START_TEST(every_real_is_read_as_strtod_reads_it)
{
	char text[64];
	int64_t whole;
	double real;

	for (int i = 0; i < 200000; i++) {
		int digits = 1 + (int)random_below(20), len = 0;
		if (random_below(2))
			text[len++] = '-';
		text[len++] = (char)('1' + random_below(9));
		text[len++] = '.';
		while (digits-- > 0)
			text[len++] = (char)('0' + random_below(10));
		if (random_below(2))
			len += sprintf(text + len, "e%d", (int)random_below(60) - 30);
		text[len] = '\0';
		if (scan_number(span_of(text), &whole, &real) != SCAN_REAL || real != strtod(text, NULL))
			ck_abort_msg("%s: %a", text, real);
	}
}
END_TEST

START_TEST(the_first_number_that_cannot_be_held_is_pointed_out)
{
	struct scan_report report;

	ck_assert_int_eq(check(SPAN("{\"a\":1,\"b\":[1e999,2e999],\"c\":99999999999999999999}"), &report), SCAN_OK);
	ck_assert_uint_eq(report.number_at, 12);
	ck_assert_int_eq(check(SPAN("[-0,99999999999999999999]"), &report), SCAN_OK);
	ck_assert_uint_eq(report.number_at, 4);
	ck_assert_int_eq(check(SPAN("[\"99999999999999999999\",9223372036854775807]"), &report), SCAN_OK);
	ck_assert_uint_eq(report.number_at, SIZE_MAX);
}
END_TEST

START_TEST(a_number_of_a_million_digits_is_taken_in_its_stride)
{
	struct scan_report report;
	struct buf b = {0};

	buf_text(&b, "0.");
	repeat("0", 1000000, &b);
	buf_text(&b, "1e1000010");
	quick(buf_as_span(&b), SCAN_OK);
	ck_assert_int_eq(check(buf_as_span(&b), &report), SCAN_OK);
	ck_assert_uint_eq(report.number_at, SIZE_MAX);
	b.len = 0;
	quick(repeat("7", 1000000, &b), SCAN_OK);
	ck_assert_int_eq(check(buf_as_span(&b), &report), SCAN_OK);
	ck_assert_uint_eq(report.number_at, 0);
	buf_free(&b);
}
END_TEST

START_TEST(kinds_of_values_are_told_apart)
{
	static const struct {
		const char *text;
		enum scan_kind kind;
	} kinds[] = {
		{"null", SCAN_NULL}, {"false", SCAN_FALSE}, {"true", SCAN_TRUE}, {"1", SCAN_NUMBER}, {"-1", SCAN_NUMBER}, {"\"\"", SCAN_STRING},
		{"[]", SCAN_ARRAY}, {"{}", SCAN_OBJECT}, {" \n{", SCAN_OBJECT}, {" null ", SCAN_NULL},
		{"", SCAN_NONE}, {" ", SCAN_NONE},
		{"nul", SCAN_NONE}, {"nulll", SCAN_NONE}, {"truth", SCAN_NONE}, {"x", SCAN_NONE}, {"}", SCAN_NONE},
		{"+1", SCAN_NONE},
	};

	for (size_t i = 0; i < COUNT(kinds); i++)
		ck_assert_msg(scan_kind(span_of(kinds[i].text)) == kinds[i].kind, "%s", kinds[i].text);
	ck_assert_int_eq(scan_kind((struct span){0}), SCAN_NONE);
}
END_TEST

START_TEST(members_and_elements_come_in_their_order_without_white_space)
{
	struct span object = SPAN(" { \"a\" : 1 , \"b\\n\" :\t\"x,}\\\"\" ,\"c\":[ 1, {\"d\":2} ] } ");
	struct scan_iter it = scan_members(object);
	struct span name, value;

	ck_assert(scan_next_member(&it, &name, &value));
	ck_assert(span_is(name, SPAN("a")) && span_is(value, SPAN("1")));
	ck_assert(scan_next_member(&it, &name, &value));
	ck_assert(span_is(name, SPAN("b\\n")) && span_is(value, SPAN("\"x,}\\\"\"")));
	ck_assert(scan_next_member(&it, &name, &value));
	ck_assert(span_is(name, SPAN("c")) && span_is(value, SPAN("[ 1, {\"d\":2} ]")));
	ck_assert_uint_eq(scan_count(value), 2);
	struct scan_iter elements = scan_elements(value);
	ck_assert(scan_next_element(&elements, &value));
	ck_assert(span_is(value, SPAN("1")));
	ck_assert(scan_next_element(&elements, &value));
	ck_assert(span_is(value, SPAN("{\"d\":2}")));
	ck_assert(!scan_next_element(&elements, &value) && !elements.bad);
	ck_assert(!scan_next_member(&it, &name, &value) && !it.bad);
	ck_assert(!scan_next_member(&it, &name, &value) && !it.bad);
	ck_assert_uint_eq(scan_count(object), 3);
	ck_assert_uint_eq(scan_count(SPAN("[]")), 0);
	ck_assert_uint_eq(scan_count(SPAN("{ }")), 0);
	ck_assert_uint_eq(scan_count(SPAN("12")), 0);
	ck_assert_uint_eq(scan_count((struct span){0}), 0);
}
END_TEST

START_TEST(iterating_over_what_is_no_container_yields_nothing)
{
	static const char *const others[] = {"", "1", "\"{\"", "null", "[{\"a\":1}]"};
	struct span name, value;

	for (size_t i = 0; i < COUNT(others); i++) {
		struct scan_iter it = scan_members(span_of(others[i]));
		ck_assert(!scan_next_member(&it, &name, &value) && !it.bad);
	}
	struct scan_iter it = scan_elements(SPAN("{\"a\":1}"));
	ck_assert(!scan_next_element(&it, &value) && !it.bad);
}
END_TEST

START_TEST(iterating_over_damaged_text_says_that_it_is_damaged)
{
	static const char *const damaged[] = {"{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{\"a\":[1}", "{\"a\":\"x}",
	                                      "{\"a\":1 \"b\":2}", "{\"a\\", "{a:1}", "{,}", "{\"a\":,\"b\":1}", "{\"a\":}"};
	struct span name, value;

	for (size_t i = 0; i < COUNT(damaged); i++) {
		struct span text = exact(span_of(damaged[i]));
		struct scan_iter it = scan_members(text);
		while (scan_next_member(&it, &name, &value))
			;
		ck_assert_msg(it.bad, "%s", damaged[i]);
		ck_assert(!scan_next_member(&it, &name, &value));
		release(text);
	}
}
END_TEST

START_TEST(a_member_is_found_by_its_name_even_if_that_is_escaped)
{
	struct span object = SPAN("{\"id\":1,\"\\u0069d2\":2,\"\\ud83d\\ude00\":3,\"a\\u0000b\":4,\"\":5}"), value;

	ck_assert(scan_member(object, "id", &value) && span_is(value, SPAN("1")));
	ck_assert(scan_member(object, "id2", &value) && span_is(value, SPAN("2")));
	ck_assert(scan_member(object, "😀", &value) && span_is(value, SPAN("3")));
	ck_assert(scan_member(object, "", &value) && span_is(value, SPAN("5")));
	ck_assert(!scan_member(object, "a", &value));
	ck_assert(!scan_member(object, "i", &value));
	ck_assert(!scan_member(object, "id22", &value));
	ck_assert(!scan_member(SPAN("[1]"), "id", &value));
	ck_assert(scan_name_is(SPAN("\\u0069d"), "id"));
	ck_assert(!scan_name_is(SPAN("\\u0069d"), "i"));
	ck_assert(!scan_name_is(SPAN("\\u0069"), "id"));
	ck_assert(!scan_name_is(SPAN("\\"), "\\"));
	ck_assert(scan_name_is((struct span){0}, ""));
}
END_TEST

START_TEST(strings_come_back_as_the_text_they_stand_for)
{
	struct buf scratch = {0};
	struct span text, value = SPAN("\"plain\"");

	ck_assert(scan_string(value, &scratch, &text));
	ck_assert_ptr_eq(text.at, value.at + 1);
	ck_assert_uint_eq(text.len, 5);
	ck_assert_uint_eq(scratch.len, 0);
	buf_text(&scratch, "kept");
	ck_assert(scan_string(SPAN("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\u0000z\""), &scratch, &text));
	ck_assert(span_is(text, SPAN("a\"\\/\b\f\n\r\tAé€😀\0z")));
	ck_assert_int_eq(memcmp(scratch.at, "kept", 4), 0);
	ck_assert(scan_string(SPAN("\"\""), &scratch, &text) && text.len == 0);
	ck_assert(scan_unescape(SPAN("\\n"), &scratch, &text) && span_is(text, SPAN("\n")));
	buf_free(&scratch);
}
END_TEST

START_TEST(what_is_no_string_is_not_taken_for_one)
{
	static const char *const others[] = {"", "\"", "1", "null", "\"a", "a\"", "\"a\"b\"", "\"a\" ", "\"\\\"", "\"\\q\"", "\"\\u12\"",
	                                     "\"\\ud83d\"", "\"x\\ude00\""};
	struct buf scratch = {0};
	struct span text;

	for (size_t i = 0; i < COUNT(others); i++) {
		struct span value = exact(span_of(others[i]));
		ck_assert_msg(!scan_string(value, &scratch, &text), "%s", others[i]);
		ck_assert_uint_eq(scratch.len, 0);
		release(value);
	}
	buf_free(&scratch);
}
END_TEST

static const struct canonical {
	const char *text, *same;
} canonicals[] = {
	{"null", "null"},
	{" { \"b\" : 1 ,\r\n\t\"a\" : [ 1 , 2 ] } ", "{\"b\":1,\"a\":[1,2]}"},
	{"\" a  b \"", "\" a  b \""},
	{"\"\\u0041\\/\\u00e9\\ud83d\\ude00\\u007f\"", "\"A/é😀\x7f\""},
	{"\"\\\"\\\\\\n\\t\\r\\b\\f\\u0000\\u001F\"", "\"\\\"\\\\\\n\\t\\r\\b\\f\\u0000\\u001f\""},
	{"\"\\u000a\\u0022\\u005C\"", "\"\\n\\\"\\\\\""},
	{"{\"\\u0061\" : \"\\\\u0061\"}", "{\"a\":\"\\\\u0061\"}"},
	{"0", "0"},
	{"-0", "0"},
	{"[-0, -0.0, -1]", "[0,-0.0,-1]"},
	{"9223372036854775807", "9223372036854775807"},
	{"1.0", "1.0"},
	{"1.50", "1.5"},
	{"1.00", "1.0"},
	{"1e5", "100000.0"},
	{"1e16", "1e+16"},
	{"1e+16", "1e+16"},
	{"1E16", "1e+16"},
	{"10000000000000000.0", "1e+16"},
	{"1000000000000000.0", "1000000000000000.0"},
	{"100000000000000.0", "100000000000000.0"},
	{"0.0001", "0.0001"},
	{"0.00001", "1e-05"},
	{"0.00012345", "0.00012345"},
	{"0.000012345", "1.2345e-05"},
	{"0.0", "0.0"},
	{"0.00", "0.0"},
	{"-0.0", "-0.0"},
	{"-0.00", "-0.0"},
	{"0e5", "0.0"},
	{"1e-400", "0.0"},
	{"0.1", "0.1"},
	{"0.10000000000000001", "0.1"},
	{"0.1000000000000000055511151231257827", "0.1"},
	{"0.30000000000000004", "0.30000000000000004"},
	{"123456789012.345", "123456789012.345"},
	{"1234567890123456.7", "1234567890123456.8"},
	{"9007199254740993.0", "9007199254740992.0"},
	{"0.123456789012345", "0.123456789012345"},
	{"0.000123456789012345", "0.000123456789012345"},
	{"0.1234567890123456", "0.1234567890123456"},
	{"5e-324", "5e-324"},
	{"4.9e-324", "5e-324"},
	{"1.7976931348623157e308", "1.7976931348623157e+308"},
	{"[1.0,2.50,3]", "[1.0,2.5,3]"},
	{"{\"1.50\":\"1.50\"}", "{\"1.50\":\"1.50\"}"},
};

START_TEST(records_are_stored_in_one_form_whatever_the_client_wrote)
{
	const struct canonical *c = &canonicals[_i];
	struct buf out = {0}, again = {0};
	struct span text = exact(span_of(c->text));

	buf_text(&out, "kept:");
	scan_canonical(&out, text);
	struct span got = {out.at + 5, out.len - 5};
	ck_assert_msg(span_is(got, span_of(c->same)), "%s became %.*s", c->text, (int)got.len, got.at);
	scan_canonical(&again, got);
	ck_assert(span_is(buf_as_span(&again), got));
	release(text);
	buf_free(&out);
	buf_free(&again);
}
END_TEST

START_TEST(reals_that_persistd_wrote_stay_byte_for_byte_the_same)
{
	struct buf text = {0}, out = {0};

	for (int i = 0; i < 100000; i++) {
		uint64_t bits = random_below((uint64_t)1 << 53) << 11 ^ random_below(1 << 11);
		double real;
		memcpy(&real, &bits, sizeof(real));
		if (i % 2)
			real = (double)random_below(100000000) / (i % 4 == 1 ? 1e4 : 1e10);
		if (!isfinite(real))
			continue;
		text.len = out.len = 0;
		buf_real(&text, real);
		scan_canonical(&out, buf_as_span(&text));
		if (!span_is(buf_as_span(&out), buf_as_span(&text)))
			ck_abort_msg("%.*s became %.*s", (int)text.len, text.at, (int)out.len, out.at);
	}
	buf_free(&text);
	buf_free(&out);
}
END_TEST

START_TEST(short_decimals_are_stored_as_buf_real_writes_their_value)
{
	struct buf wanted = {0}, out = {0};
	char text[64];

	for (int i = 0; i < 100000; i++) {
		int whole = (int)random_below(16), fraction = 1 + (int)random_below(18), len = 0;
		text[len++] = whole > 0 ? (char)('1' + random_below(9)) : '0';
		for (int j = 1; j < whole; j++)
			text[len++] = (char)('0' + random_below(10));
		text[len++] = '.';
		for (int j = 0; j < fraction; j++)
			text[len++] = (char)('0' + (random_below(3) ? random_below(10) : 0));
		text[len] = '\0';
		wanted.len = out.len = 0;
		buf_real(&wanted, strtod(text, NULL));
		scan_canonical(&out, span_of(text));
		if (!span_is(buf_as_span(&out), buf_as_span(&wanted)))
			ck_abort_msg("%s became %.*s", text, (int)out.len, out.at);
	}
	buf_free(&wanted);
	buf_free(&out);
}
END_TEST

static void leads_to(const char *root, const char *mark, size_t within, const char *wanted)
{
	struct buf out = {0};
	struct span text = exact(span_of(root));

	scan_path(&out, text, (size_t)(strstr(root, mark) - root) + within);
	ck_assert_msg(span_is(buf_as_span(&out), span_of(wanted)), "%s: %.*s", root, (int)out.len,
	              out.len ? out.at : "");
	release(text);
	buf_free(&out);
}

START_TEST(the_fault_is_named_by_the_way_to_it)
{
	leads_to("{\"a\":{\"b\":[1,2,{\"c d\":1e999}]}}", "1e999", 0, "a.b[2].c d");
	leads_to("{\"a\":{\"b\":[1,2,{\"c d\":1e999}]}}", "1e999", 3, "a.b[2].c d");
	leads_to("{\"payload\":{\"legs\":[{},{},{},{\"price\":1e999}]}}", "1e999", 0, "payload.legs[3].price");
	leads_to("{\"a\":[],\"b\":{},\"c\":{\"x\":1,\"y\":\"z\"}}", "\"z\"", 0, "c.y");
	leads_to("[[1,2],[3,4]]", "4", 0, "[1][1]");
	leads_to("1e999", "1e999", 0, "");
	leads_to("{\"a\":1,\"a\":2}", "\"a\":2", 0, "a");
	leads_to("{\"x\":{\"a\":1,\"a\":2}}", "\"a\":2", 0, "x.a");
	leads_to("{\"\\u0061\\n\":1e999}", "1e999", 0, "a\n");
	leads_to("{\"a\":{}}", "{}", 0, "a");
	leads_to("{\"a\":1,\"b\":[1,2,NaN", "NaN", 0, "b[2]");
	leads_to("{\"a\":\"x\\\"y,z\",\"b\":[\"]\",NaN", "NaN", 0, "b[1]");
	leads_to("{\"a\":1,}", ",}", 1, "");
	leads_to("{\"a\":1}   ", "}", 4, "");
}
END_TEST

START_TEST(a_path_of_absurd_names_and_depth_stays_within_bounds)
{
	struct buf b = {0}, out = {0};

	buf_text(&b, "{\"");
	repeat("é", 1000, &b);
	buf_text(&b, "\":1}");
	scan_path(&out, buf_as_span(&b), b.len - 2);
	ck_assert_uint_eq(out.len, 64);
	b.len = out.len = 0;
	repeat("[", 100000, &b);
	scan_path(&out, buf_as_span(&b), b.len);
	ck_assert_uint_le(out.len, 3 * SCAN_DEPTH_FILE);
	out.len = 0;
	scan_path(&out, (struct span){0}, 10);
	scan_path(&out, SPAN("]]}},,::\"\\"), 100);
	ck_assert_uint_eq(out.len, 0);
	buf_free(&b);
	buf_free(&out);
}
END_TEST

static const char *const seeds[] = {
	"{\"id\":\"6f9619ff-8b86\",\"type\":\"backtest\",\"payload\":{\"n\":[1,2.5,-3e10,{\"x\":null}],\"s\":\"a\\nb\\u00e9\"},\"ok\":true}",
	"[0,-0,1.5,1e5,-1.25E-7,9223372036854775807,-9223372036854775808,9223372036854775808,1e308,1e309,0.1]",
	"{\"a\":{\"b\":{\"c\":{\"a\":1,\"b\":2}}},\"b\":[[],[[]],{},{\"\":0}],\"\\u0061b\":\"\\ud83d\\ude00😀€é\"}",
	"[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\",\"plain and long enough for several words\",\"\",false,null , true]",
	("{\"n1\":1,\"n2\":1,\"n3\":1,\"n4\":1,\"n5\":1,\"n6\":1,\"n7\":1,\"n8\":1,\"n9\":1,\"n10\":1,\"n11\":1,\"n12\":1,\"n13\":1,"
	"\"n14\":1,\"n15\":1,\"n16\":1,\"n17\":1,\"n18\":1,\"n19\":{\"n1\":1},\"n20\":1}"),
};

static const char *const pieces[] = {
	"\"",  "\\", "{",    "}",     "[",    "]",    ",",     ":",       " ",      "\n",     "0",        "1",    "-",
	".",   "e5", "E+",   "null",  "true", "1.0",  "\"a\"", "\"a\":1", "{\"b\":", "\\u0061", "\\ud83d", "\\ude00", "\\n",
	"é",   "😀", "\xff", "\xc3",  "\xed\xa0\x80", "00",  "1e400", "99999999999999999999", ",\"n7\":2", "\x01", "\t", "NaN",
};

static void mutate(struct buf *text)
{
	size_t at = random_below(text->len + 1);
	size_t cut = random_below(4) ? random_below(4) : random_below(text->len + 1);
	struct buf tail = {0};

	if (cut > text->len - at)
		cut = text->len - at;
	switch (random_below(4)) {
	case 0:
		if (at < text->len)
			text->at[at] = (char)random_below(random_below(2) ? 128 : 256);
		break;
	case 1:
		memmove(text->at + at, text->at + at + cut, text->len - at - cut);
		text->len -= cut;
		break;
	default:
		buf_add(&tail, text->at + at, text->len - at);
		text->len = at;
		if (random_below(3))
			buf_text(text, pieces[random_below(COUNT(pieces))]);
		else
			buf_add(text, tail.at, random_below(tail.len + 1));
		buf_span(text, buf_as_span(&tail));
		buf_free(&tail);
	}
}

static bool same_as_tree(struct span value, const json_t *tree);

static bool same_object(struct span object, const json_t *tree)
{
	struct scan_iter it = scan_members(object);
	struct buf scratch = {0};
	struct span raw, name, value;
	size_t count = 0;
	bool same = true;

	for (; same && scan_next_member(&it, &raw, &value); count++) {
		scratch.len = 0;
		same = scan_unescape(raw, &scratch, &name);
		json_t *member = same ? json_object_getn(tree, name.at, name.len) : NULL;
		same = member && same_as_tree(value, member);
	}
	buf_free(&scratch);
	return same && !it.bad && count == json_object_size(tree) && count == scan_count(object);
}

static bool same_array(struct span array, const json_t *tree)
{
	struct scan_iter it = scan_elements(array);
	struct span value;
	size_t i = 0;

	while (scan_next_element(&it, &value)) {
		if (!same_as_tree(value, json_array_get(tree, i++)))
			return false;
	}
	return !it.bad && i == json_array_size(tree) && i == scan_count(array);
}

static bool same_string(struct span value, const json_t *tree)
{
	struct buf scratch = {0};
	struct span text;

	bool same = scan_string(value, &scratch, &text) &&
	            span_is(text, (struct span){json_string_value(tree), json_string_length(tree)});
	buf_free(&scratch);
	return same;
}

static bool same_as_tree(struct span value, const json_t *tree)
{
	int64_t whole;
	double real;

	switch (scan_kind(value)) {
	case SCAN_OBJECT:
		return json_is_object(tree) && same_object(value, tree);
	case SCAN_ARRAY:
		return json_is_array(tree) && same_array(value, tree);
	case SCAN_STRING:
		return json_is_string(tree) && same_string(value, tree);
	case SCAN_NUMBER:
		if (scan_number(value, &whole, &real) == SCAN_INT)
			return json_is_integer(tree) && json_integer_value(tree) == whole;
		return json_is_real(tree) && json_real_value(tree) == real;
	case SCAN_NULL:
		return json_is_null(tree);
	case SCAN_FALSE:
		return json_is_false(tree);
	case SCAN_TRUE:
		return json_is_true(tree);
	case SCAN_NONE:
		break;
	}
	return false;
}

enum { LOAD_FLAGS = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL };

static void canonical_means_the_same(struct span text, const json_t *tree)
{
	struct buf out = {0}, again = {0};
	struct scan_report report;

	scan_canonical(&out, text);
	json_t *other = json_loadb(out.at, out.len, LOAD_FLAGS, NULL);
	scan_canonical(&again, buf_as_span(&out));
	if (!other || !json_equal(tree, other) ||
	    scan_check(buf_as_span(&out), SCAN_DEPTH_WIRE, &report) != SCAN_OK ||
	    !span_is(buf_as_span(&out), buf_as_span(&again)))
		ck_abort_msg("%.*s became %.*s", (int)text.len, text.at, (int)out.len, out.at);
	json_decref(other);
	buf_free(&out);
	buf_free(&again);
}

/* jansson cannot have a NUL in a name at all */
static bool jansson_cannot_say(struct span text)
{
	return memmem(text.at, text.len, "\\u0000", 6) != NULL;
}

static void unchanged_if_canonical(const struct scan_iter *it, struct span value)
{
	struct buf written = {0};

	scan_canonical(&written, value);
	if (it->canonical && !span_is(buf_as_span(&written), value))
		ck_abort_msg("is not canonical: %.*s", (int)value.len, value.at);
	buf_free(&written);
}

/* With an outline, and with guesses at the names, the members are those that a plain look finds. */
static void same_members(struct span object, const struct scan_outline *outline)
{
	static const char *const guesses[] = {"a", "b", "k0", "k1", "id", "type", "n1", "payload", ""};
	struct scan_iter plain = scan_members(object), quick = scan_members_outlined(object, outline), guessing = plain;
	struct span names[3], values[3];
	bool guessed;

	while (scan_next_member(&plain, &names[0], &values[0])) {
		const char *guess = guesses[random_below(COUNT(guesses))];
		ck_assert(scan_next_member(&quick, &names[1], &values[1]));
		ck_assert(scan_expect_member(&guessing, span_of(guess), &guessed, &names[2], &values[2]));
		for (int i = 1; i < 3; i++) {
			ck_assert(names[i].at == names[0].at && names[i].len == names[0].len);
			ck_assert(values[i].at == values[0].at && values[i].len == values[0].len);
		}
		if (guessed)
			ck_assert(span_is(names[0], span_of(guess)));
		unchanged_if_canonical(&quick, values[0]);
		same_members(values[0], outline);
	}
	ck_assert(!scan_next_member(&quick, &names[1], &values[1]) && !quick.bad);
	ck_assert(!scan_expect_member(&guessing, SPAN("a"), &guessed, &names[2], &values[2]) && !guessing.bad);
}

static void the_outline_says_the_same(struct span text)
{
	struct scan_report report;
	struct scan_outline outline;
	size_t space = strspn(text.at, " \t\r\n");

	ck_assert_int_eq(scan_check_outlined(text, SCAN_DEPTH_WIRE, &report, &outline), SCAN_OK);
	same_members((struct span){text.at + space, report.used - space}, &outline);
}

START_TEST(a_request_as_clients_send_it_is_outlined_and_needs_no_rewriting)
{
	static const char text[] = "{\"id\":7,\"params\":{\"job\":{\"id\":\"a\",\"payload\":{\"x\":[1,-2.5]},\"error\":null},"
	                           "\"fields\":[ \"id\"]},\"method\":\"job.save\"}";
	struct scan_report report;
	struct scan_outline outline;
	struct span name, value;

	ck_assert_int_eq(scan_check_outlined(SPAN(text), SCAN_DEPTH_WIRE, &report, &outline), SCAN_OK);
	ck_assert_uint_eq(outline.count, 8); /* x is too deep */
	struct scan_iter it = scan_members_outlined(outline.at[1].value, &outline);
	ck_assert(it.next == &outline.at[2]);
	ck_assert(scan_next_member(&it, &name, &value) && it.canonical && span_is(name, SPAN("job")));
	ck_assert(scan_next_member(&it, &name, &value) && !it.canonical && span_is(value, SPAN("[ \"id\"]")));
	ck_assert(!scan_next_member(&it, &name, &value));
}
END_TEST

START_TEST(a_request_of_more_members_than_an_outline_holds_is_read_all_the_same)
{
	struct buf text = {0};
	struct scan_report report;
	struct scan_outline outline;

	buf_text(&text, "{\"a\":{\"b\":{}");
	for (int i = 0; i < SCAN_OUTLINE_MAX; i++)
		buf_printf(&text, ",\"k%d\":%d", i, i);
	buf_text(&text, "},\"b\":{\"a\":1}}");
	ck_assert_int_eq(scan_check_outlined(buf_as_span(&text), SCAN_DEPTH_WIRE, &report, &outline), SCAN_OK);
	ck_assert_uint_eq(outline.count, 0);
	same_members(buf_as_span(&text), &outline);
	buf_free(&text);
}
END_TEST

static bool agrees_with_jansson(struct span text)
{
	struct scan_report report;
	enum scan_result result = scan_check(text, SCAN_DEPTH_WIRE, &report);
	bool ok = result == SCAN_OK && report.number_at == SIZE_MAX;
	json_t *tree = json_loadb(text.at, text.len, LOAD_FLAGS, NULL);

	if (ok != (tree != NULL) && !jansson_cannot_say(text))
		ck_abort_msg("%s: %.*s", ok ? "accepted" : "refused", (int)text.len, text.at);
	if (tree && ok) {
		canonical_means_the_same(text, tree);
		size_t space = strspn(text.at, " \t\r\n");
		struct span value = {text.at + space, report.used - space};
		if (!same_as_tree(value, tree))
			ck_abort_msg("read differently: %.*s", (int)text.len, text.at);
		if (random_below(5) == 0)
			the_outline_says_the_same(text);
	}
	json_decref(tree);
	return ok;
}

START_TEST(the_scanner_and_jansson_agree_on_what_is_json_and_what_it_says)
{
	struct buf text = {0};
	int accepted_count = 0, rounds = 60000;

	for (int i = 0; i < rounds; i++) {
		text.len = 0;
		buf_text(&text, seeds[random_below(COUNT(seeds))]);
		for (uint64_t n = random_below(5); n > 0 && text.len > 0; n--)
			mutate(&text);
		struct span copy = exact(buf_as_span(&text));
		accepted_count += agrees_with_jansson(copy);
		release(copy);
	}
	buf_free(&text);
	ck_assert_int_gt(accepted_count, rounds / 10);
	ck_assert_int_lt(accepted_count, rounds * 9 / 10);
}
END_TEST

static void random_json(struct buf *b, int depth)
{
	uint64_t count = random_below(5), kind = random_below(depth > 0 ? 7 : 5);

	switch (kind) {
	case 0:
		buf_text(b, ((const char *[]){"null", "true", "false"})[random_below(3)]);
		break;
	case 1:
		buf_int(b, (int64_t)(random_state >> random_below(64)));
		break;
	case 2:
		buf_printf(b, "%.*f", (int)(1 + random_below(17)), (double)random_below(1000000) / 997);
		break;
	case 3:
		buf_printf(b, "%.*e", (int)random_below(17),
		           (double)random_state / (double)(1 + random_below(1u << 30)));
		break;
	case 4:
		buf_char(b, '"');
		while (count-- > 0)
			buf_text(b, ((const char *[]){"abc", "\\n", "\\u00e9", "é", "😀", "\\ud83d\\ude00", "\\\\", "12345678", "/"})[random_below(9)]);
		buf_char(b, '"');
		break;
	default:
		buf_char(b, kind == 5 ? '[' : '{');
		for (uint64_t i = 0; i < count * (random_below(9) ? 1 : 9); i++) {
			buf_text(b, i > 0 ? " ," : " ");
			if (kind == 6)
				buf_printf(b, "\"%s%u\" : ", random_below(2) ? "k" : "\\u006b", (unsigned)i);
			random_json(b, depth - 1);
		}
		buf_char(b, kind == 5 ? ']' : '}');
	}
}

START_TEST(generated_documents_are_read_and_rewritten_without_a_change_of_meaning)
{
	struct buf text = {0};

	for (int i = 0; i < 10000; i++) {
		text.len = 0;
		random_json(&text, 5);
		struct span copy = exact(buf_as_span(&text));
		if (!agrees_with_jansson(copy))
			ck_abort_msg("refused: %.*s", (int)copy.len, copy.at);
		release(copy);
	}
	buf_free(&text);
}
END_TEST

static void walk_everything(struct span text, struct buf *scratch)
{
	struct span name, value, got;
	struct scan_iter members = scan_members(text), elements = scan_elements(text);
	int64_t whole;
	double real;

	scratch->len = 0;
	scan_kind(text);
	scan_count(text);
	scan_number(text, &whole, &real);
	scan_string(text, scratch, &got);
	scan_unescape(text, scratch, &got);
	scan_name_is(text, "a\"\\n");
	scan_member(text, "a", &value);
	while (scan_next_member(&members, &name, &value)) {
		scan_unescape(name, scratch, &got);
		scan_number(value, &whole, &real);
		scan_kind(value);
	}
	while (scan_next_element(&elements, &value))
		scan_string(value, scratch, &got);
	scratch->len = 0;
	scan_path(scratch, text, random_below(text.len + 10));
	scratch->len = 0;
	scan_canonical(scratch, text);
}

/* what AddressSanitizer is for */
START_TEST(a_damaged_file_is_never_read_beyond_its_end)
{
	static const char alphabet[] = "{}[]\",:\\ 0-1.eEtfnaul\xc3\x80\xf0\x01";
	struct buf scratch = {0}, text = {0};

	for (int i = 0; i < 60000; i++) {
		text.len = 0;
		if (i % 2) {
			for (uint64_t n = random_below(40); n > 0; n--)
				buf_char(&text, alphabet[random_below(sizeof(alphabet))]);
		} else {
			buf_text(&text, seeds[random_below(COUNT(seeds))]);
			text.len = random_below(text.len + 1);
			mutate(&text);
		}
		struct span copy = exact(buf_as_span(&text));
		walk_everything(copy, &scratch);
		release(copy);
	}
	buf_free(&scratch);
	buf_free(&text);
}
END_TEST

static void add_checking(Suite *suite)
{
	TCase *tests = tcase_create("checking");

	tcase_set_timeout(tests, 120);
	tcase_add_loop_test(tests, json_that_a_client_may_send_is_accepted, 0, COUNT(accepted));
	tcase_add_loop_test(tests, what_is_no_json_is_refused_at_the_byte_at_fault, 0, COUNT(refused));
	tcase_add_test(tests, a_nul_byte_does_not_end_the_text);
	tcase_add_test(tests, no_byte_sequence_that_is_not_utf8_gets_into_the_store);
	tcase_add_test(tests, nesting_is_allowed_up_to_the_limit_and_refused_one_level_beyond);
	tcase_add_test(tests, two_million_brackets_are_refused_at_the_first_that_is_too_deep);
	tcase_add_test(tests, one_name_twice_is_refused_however_it_is_written);
	tcase_add_test(tests, a_duplicate_is_found_at_every_place_of_objects_of_every_size);
	tcase_add_test(tests, an_object_of_a_million_names_does_not_stall_the_daemon);
	tcase_add_test(tests, no_shape_of_objects_stalls_the_daemon);
	tcase_add_test(tests, a_value_cut_anywhere_asks_for_more_and_is_no_value_at_the_end_of_the_stream);
	tcase_add_test(tests, a_number_at_the_end_of_what_was_read_waits_for_its_next_digit);
	suite_add_tcase(suite, tests);
}

static void add_reading(Suite *suite)
{
	TCase *tests = tcase_create("reading");

	tcase_set_timeout(tests, 120);
	tcase_add_loop_test(tests, numbers_are_read_exactly_or_refused, 0, COUNT(numerals));
	tcase_add_test(tests, every_real_is_read_as_strtod_reads_it);
	tcase_add_test(tests, the_first_number_that_cannot_be_held_is_pointed_out);
	tcase_add_test(tests, a_number_of_a_million_digits_is_taken_in_its_stride);
	tcase_add_test(tests, kinds_of_values_are_told_apart);
	tcase_add_test(tests, members_and_elements_come_in_their_order_without_white_space);
	tcase_add_test(tests, iterating_over_what_is_no_container_yields_nothing);
	tcase_add_test(tests, iterating_over_damaged_text_says_that_it_is_damaged);
	tcase_add_test(tests, a_request_as_clients_send_it_is_outlined_and_needs_no_rewriting);
	tcase_add_test(tests, a_request_of_more_members_than_an_outline_holds_is_read_all_the_same);
	tcase_add_test(tests, a_member_is_found_by_its_name_even_if_that_is_escaped);
	tcase_add_test(tests, strings_come_back_as_the_text_they_stand_for);
	tcase_add_test(tests, what_is_no_string_is_not_taken_for_one);
	tcase_add_test(tests, the_fault_is_named_by_the_way_to_it);
	tcase_add_test(tests, a_path_of_absurd_names_and_depth_stays_within_bounds);
	suite_add_tcase(suite, tests);
}

static void add_writing(Suite *suite)
{
	TCase *tests = tcase_create("writing");

	tcase_set_timeout(tests, 120);
	tcase_add_loop_test(tests, records_are_stored_in_one_form_whatever_the_client_wrote, 0,
	                    COUNT(canonicals));
	tcase_add_test(tests, reals_that_persistd_wrote_stay_byte_for_byte_the_same);
	tcase_add_test(tests, short_decimals_are_stored_as_buf_real_writes_their_value);
	tcase_add_test(tests, the_scanner_and_jansson_agree_on_what_is_json_and_what_it_says);
	tcase_add_test(tests, generated_documents_are_read_and_rewritten_without_a_change_of_meaning);
	tcase_add_test(tests, a_damaged_file_is_never_read_beyond_its_end);
	suite_add_tcase(suite, tests);
}

int main(void)
{
	Suite *suite = suite_create("scan");

	add_checking(suite);
	add_reading(suite);
	add_writing(suite);
	return unit_run(suite);
}
