#include "proto/scan.h"
#include "proto/block.h"
#include "proto/mem.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* Bytes by what they are outside strings (but PLAIN: a byte that a string may hold as it is). */
enum { SPACE = 1, DIGIT = 2, PLAIN = 4, BREAK = 8, OPEN = 16, CLOSE = 32 };

#define PLAIN_16                                                                                             \
	PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN,                                                  \
	PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN

/* clang-format off */
static const uint8_t classes[256] = {
	/* 00 */ 0, 0, 0, 0, 0, 0, 0, 0, 0, SPACE | BREAK, SPACE | BREAK, 0, 0, SPACE | BREAK, 0, 0,
	/* 10 */ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	/* 20 */ SPACE | BREAK | PLAIN, PLAIN, BREAK, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN,
	         PLAIN, PLAIN, PLAIN, PLAIN, BREAK | PLAIN, PLAIN, PLAIN, PLAIN,
	/* 30 */ DIGIT | PLAIN, DIGIT | PLAIN, DIGIT | PLAIN, DIGIT | PLAIN,
	         DIGIT | PLAIN, DIGIT | PLAIN, DIGIT | PLAIN, DIGIT | PLAIN,
	         DIGIT | PLAIN, DIGIT | PLAIN, BREAK | PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN,
	/* 40 */ PLAIN_16,
	/* 50 */ PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN,
	         PLAIN, PLAIN, PLAIN, BREAK | OPEN | PLAIN, 0, BREAK | CLOSE | PLAIN, PLAIN, PLAIN,
	/* 60 */ PLAIN_16,
	/* 70 */ PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN,
	         PLAIN, PLAIN, PLAIN, BREAK | OPEN | PLAIN, PLAIN, BREAK | CLOSE | PLAIN, PLAIN, PLAIN,
};
/* clang-format on */

static inline bool is(char c, int class)
{
	return (classes[(unsigned char)c] & class) != 0;
}

static inline const char *skip_space(const char *p, const char *end)
{
	while (p < end && is(*p, SPACE))
		p++;
	return p;
}

static inline const char *skip_digits(const char *p, const char *end)
{
	while (p < end && is(*p, DIGIT))
		p++;
	return p;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits of \uXXXX at `p`, -1 if it is none. */
static int read_unit(const char *p, const char *end)
{
	int unit = 0;

	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		int digit = hex_digit(p[i]);
		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

static bool is_high(int unit)
{
	return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low(int unit)
{
	return unit >= 0xdc00 && unit < 0xe000;
}

static size_t write_character(int c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* Resolves the escape at `p` (a backslash) to UTF-8. The byte after the escape,
 * NULL if it is none or the half of a pair. */
static const char *read_escape(const char *p, const char *end, char out[4], size_t *len)
{
	static const char letters[128] = {
		['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r',
		['t'] = '\t',
	};

	if (end - p < 2)
		return NULL;
	if (p[1] != 'u') {
		unsigned char letter = (unsigned char)p[1];
		out[0] = letter < 128 ? letters[letter] : 0;
		*len = 1;
		return out[0] ? p + 2 : NULL;
	}
	int unit = read_unit(p, end);
	if (unit < 0 || is_low(unit))
		return NULL;
	if (!is_high(unit)) {
		*len = write_character(unit, out);
		return p + 6;
	}
	int low = read_unit(p + 6, end);
	if (!is_low(low))
		return NULL;
	*len = write_character(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00), out);
	return p + 12;
}

/* The length of the character that starts at `p`, 0 if the bytes are none, -1 if the text ends inside it. The
 * second byte's range is what keeps out overlong forms, surrogates and what is beyond U+10FFFF. */
static int character_length(const char *p, const char *end)
{
	unsigned char lead = (unsigned char)*p, low = 0x80, high = 0xbf;
	int len = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;

	if (lead == 0xe0)
		low = 0xa0;
	else if (lead == 0xed)
		high = 0x9f;
	else if (lead == 0xf0)
		low = 0x90;
	else if (lead == 0xf4)
		high = 0x8f;
	for (int i = 1; i < len; i++) {
		if (end - p == i)
			return -1;
		unsigned char byte = (unsigned char)p[i];
		if (byte < low || byte > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return len;
}

struct number {
	const char *start;
	const char *end;      /* after the number, or the first byte that is wrong */
	const char *expected; /* NULL: it is a number */
	const char *digits;   /* the first */
	size_t whole, fraction; /* how many digits before and after the point */
	bool exponent;
	long power;           /* of the exponent, held within ±2^30 */
};

static const char *read_exponent(struct number *n, const char *p, const char *end)
{
	bool negative = p < end && *p == '-';

	if (p < end && (*p == '-' || *p == '+'))
		p++;
	const char *digits = p;
	for (; p < end && is(*p, DIGIT); p++) {
		if (n->power < 1 << 26)
			n->power = n->power * 10 + (*p - '0');
	}
	if (negative)
		n->power = -n->power;
	if (p == digits)
		n->expected = "a digit in the exponent";
	return p;
}

static struct number read_number(const char *p, const char *end)
{
	struct number n = {.start = p};

	if (p < end && *p == '-')
		p++;
	n.digits = p;
	p = skip_digits(p, end);
	n.whole = (size_t)(p - n.digits);
	n.end = p;
	if (n.whole == 0) {
		n.expected = p < end && *p == 'I' ? "a JSON value; NaN and Infinity are not JSON, write null"
		                                  : "a digit";
		return n;
	}
	if (*n.digits == '0' && n.whole > 1) {
		n.end = n.digits + 1;
		n.expected = "a number without leading zeros";
		return n;
	}
	if (p < end && *p == '.') {
		const char *after = skip_digits(p + 1, end);
		n.fraction = (size_t)(after - p - 1);
		p = after;
		if (n.fraction == 0)
			n.expected = "a digit after the point";
	}
	if (!n.expected && p < end && (*p == 'e' || *p == 'E')) {
		n.exponent = true;
		p = read_exponent(&n, p + 1, end);
	}
	n.end = p;
	return n;
}

static bool is_real(const struct number *n)
{
	return n->fraction > 0 || n->exponent;
}

/* Any number of at most 15 digits whose power of ten is exact as a double costs one division or
 * multiplication, which is rounded once, so it is right. */
static bool real_few_digits(const struct number *n, double *real)
{
	static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
	                              1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
	long power = n->power - (long)n->fraction;
	uint64_t digits = 0;

	if (FLT_EVAL_METHOD != 0 || n->whole > 15 || n->fraction > 15 || n->whole + n->fraction > 15 ||
	    labs(power) > 22)
		return false;
	for (size_t i = 0; i < n->whole; i++)
		digits = digits * 10 + (uint64_t)(n->digits[i] - '0');
	for (size_t i = 0; i < n->fraction; i++)
		digits = digits * 10 + (uint64_t)(n->digits[n->whole + 1 + i] - '0');
	*real = power < 0 ? (double)digits / tens[-power] : (double)digits * tens[power];
	if (*n->start == '-')
		*real = -*real;
	return true;
}

static double real_of(const struct number *n)
{
	char few[64];
	size_t len = (size_t)(n->end - n->start);
	double real;

	if (real_few_digits(n, &real))
		return real;
	char *text = len < sizeof(few) ? few : mem_alloc(len + 1);
	memcpy(text, n->start, len);
	text[len] = '\0';
	real = strtod(text, NULL);
	if (text != few)
		free(text);
	return real;
}

/* An integer: false if 64 bits do not hold it. */
static bool whole_of(const struct number *n, int64_t *whole)
{
	bool negative = *n->start == '-';
	uint64_t value = 0;

	if (n->whole > 19)
		return false;
	for (size_t i = 0; i < n->whole; i++)
		value = value * 10 + (uint64_t)(n->digits[i] - '0');
	if (value > (uint64_t)INT64_MAX + negative)
		return false;
	*whole = (int64_t)(negative ? -value : value);
	return true;
}

/* True: the number is written as buf_real would. Python's repr is the shortest decimal that reads back to the
 * same double. A double tells apart all decimals of at most 15 digits, so a decimal of that many, without a
 * superfluous zero, is the shortest of its double: a shorter one that reads back to the same would be a
 * second decimal of at most 15 digits. What is left to see is that repr would not use an exponent, which it
 * does from 1e16 up and below 1e-4. */
static bool is_canonical_real(const struct number *n)
{
	const char *point = n->digits + n->whole;

	if (n->exponent || n->whole > 15 || n->fraction > 18)
		return false;
	if (n->end[-1] == '0' && n->fraction > 1)
		return false;
	if (*n->digits != '0')
		return n->whole + n->fraction <= 15;
	size_t zeros = 0;
	while (zeros < n->fraction && point[1 + zeros] == '0')
		zeros++;
	return zeros == n->fraction || (zeros <= 3 && n->fraction - zeros <= 15);
}

static bool is_canonical_number(const struct number *n)
{
	if (is_real(n))
		return is_canonical_real(n);
	return *n->start != '-' || *n->digits != '0';
}

static bool can_be_held(const struct number *n)
{
	int64_t whole;

	if (!is_real(n))
		return whole_of(n, &whole);
	/* that many digits before the point are below 10^308, whatever they are;
	 * only what may be above needs a closer look */
	if (n->whole <= 308 && n->power <= 308 - (long)n->whole)
		return true;
	return isfinite(real_of(n));
}

enum { NAMES_FIRST = 32, NAMES_LINEAR = 16, NAMES_TABLE_FIRST = 128 };

struct name {
	const char *raw;
	size_t len;
	uint32_t key;  /* of its length and a few of its bytes: most names differ in that */
	uint32_t hash; /* once it is in the table */
	uint32_t slot; /* 1 + its place in the table, 0: not in it */
	uint16_t level;
	bool escaped;
};

/* The names of all objects that are open, innermost last; the level tells whose they are. An object of few
 * names is searched from the end of the list. When it gets more than NAMES_LINEAR, its names go into a hash
 * table that all such objects share. Names leave in the reverse order of their coming, so taking one out of
 * the table can just empty its slot: nothing that is still in there was ever moved on by it. The table never
 * holds more than the open objects' names, and nothing is ever cleared but what was put in, so every text
 * costs time in proportion to its length. The hash is seeded,
 * as a client could otherwise choose names that fall together. */
struct names {
	struct name *at;
	uint32_t len, cap;
	uint32_t *table; /* 1 + index into `at` */
	uint32_t table_size, table_used;
	uint64_t seed;
	struct buf decoded;
	struct name first[NAMES_FIRST];
	uint64_t seen[SCAN_DEPTH_FILE + 1]; /* by level: a bit for each key that the open object has */
};

static uint64_t names_seed(void)
{
	static _Atomic uint64_t seed;
	uint64_t now = atomic_load_explicit(&seed, memory_order_relaxed);

	if (now == 0) {
		if (getrandom(&now, sizeof(now), 0) != sizeof(now))
			now = (uintptr_t)&now;
		now |= 1;
		atomic_store_explicit(&seed, now, memory_order_relaxed);
	}
	return now;
}

/* `first` and `seen` stay as they are: they are large, and what is beyond `len` or the level is never read */
static void names_init(struct names *names)
{
	names->at = names->first;
	names->len = 0;
	names->cap = NAMES_FIRST;
	names->table = NULL;
	names->table_size = names->table_used = 0;
	names->seed = names_seed();
	names->decoded = (struct buf){0};
}

static void names_free(struct names *names)
{
	if (names->at != names->first)
		free(names->at);
	free(names->table);
	buf_free(&names->decoded);
}

static struct span name_text(const struct name *name, struct buf *scratch)
{
	struct span text = {name->raw, name->len};

	if (name->escaped) {
		bool valid = scan_unescape(text, scratch, &text);
		assert(valid);
	}
	return text;
}

static bool names_same(struct names *names, const struct name *a, const struct name *b)
{
	if (a->key != b->key || a->level != b->level)
		return false;
	if (!a->escaped && !b->escaped)
		return a->len == b->len && memcmp(a->raw, b->raw, a->len) == 0;
	struct buf other = {0};
	names->decoded.len = 0;
	bool same = span_is(name_text(a, &names->decoded), name_text(b, &other));
	buf_free(&other);
	return same;
}

/* The slot that holds the name or, where there is none, the empty one for it. */
static uint32_t names_slot(struct names *names, const struct name *name)
{
	uint32_t mask = names->table_size - 1;
	uint32_t slot = (name->hash ^ (uint32_t)name->level * 0x9e3779b1u) & mask;

	for (; names->table[slot] != 0; slot = (slot + 1) & mask) {
		const struct name *other = &names->at[names->table[slot] - 1];
		if (other->hash == name->hash && names_same(names, other, name))
			break;
	}
	return slot;
}

static uint32_t name_key(struct span text)
{
	const unsigned char *at = (const unsigned char *)text.at;

	if (text.len == 0)
		return 0;
	return (uint32_t)text.len << 24 | (uint32_t)at[0] << 16 | (uint32_t)at[text.len / 2] << 8 | at[text.len - 1];
}

static void name_hash(struct names *names, struct name *name)
{
	names->decoded.len = 0;
	struct span text = name_text(name, &names->decoded);
	name->hash = (uint32_t)XXH3_64bits_withSeed(text.at, text.len, names->seed);
}

static void names_put(struct names *names, uint32_t index)
{
	struct name *name = &names->at[index];
	uint32_t slot = names_slot(names, name);

	names->table[slot] = index + 1;
	name->slot = slot + 1;
	names->table_used++;
}

static void names_grow_table(struct names *names)
{
	uint32_t size = names->table_size == 0 ? NAMES_TABLE_FIRST : names->table_size * 2;

	assert(size > names->table_size);
	free(names->table);
	names->table = mem_zero(size * sizeof(*names->table));
	names->table_size = size;
	names->table_used = 0;
	for (uint32_t i = 0; i < names->len; i++) {
		if (names->at[i].slot != 0)
			names_put(names, i);
	}
}

static bool names_add_to_many(struct names *names, uint32_t index)
{
	uint32_t from = names->at[index - NAMES_LINEAR].slot == 0 ? index - NAMES_LINEAR : index;

	while (names->table_size < 2 * (names->table_used + NAMES_LINEAR + 1))
		names_grow_table(names);
	for (; from < index; from++) {
		name_hash(names, &names->at[from]);
		names_put(names, from);
	}
	name_hash(names, &names->at[index]);
	if (names->table[names_slot(names, &names->at[index])] != 0)
		return false;
	names_put(names, index);
	return true;
}

static void names_make_room(struct names *names)
{
	struct name *more = mem_alloc((size_t)names->cap * 2 * sizeof(*more));

	memcpy(more, names->at, (size_t)names->len * sizeof(*more));
	if (names->at != names->first)
		free(names->at);
	names->at = more;
	names->cap *= 2;
}

/* False: the object of this level has the name already. */
static inline bool names_add(struct names *names, struct span raw, bool escaped, unsigned level)
{
	uint32_t index = names->len;

	if (index == names->cap)
		names_make_room(names);
	struct name *name = &names->at[index];
	*name = (struct name){.raw = raw.at, .len = raw.len, .level = (uint16_t)level, .escaped = escaped};
	if (escaped) {
		names->decoded.len = 0;
		raw = name_text(name, &names->decoded);
	}
	name->key = name_key(raw);
	names->len++;
	if (index >= NAMES_LINEAR && names->at[index - NAMES_LINEAR].level == level)
		return names_add_to_many(names, index);
	uint64_t bit = (uint64_t)1 << (name->key * 0x9e3779b1u >> 26);
	bool is_new = !(names->seen[level] & bit);
	names->seen[level] |= bit;
	if (is_new)
		return true;
	for (const struct name *other = name; other > names->at && other[-1].level == level; other--) {
		if (other[-1].key == name->key && names_same(names, other - 1, name))
			return false;
	}
	return true;
}

static void names_leave(struct names *names, unsigned level)
{
	while (names->len > 0 && names->at[names->len - 1].level == level) {
		uint32_t slot = names->at[--names->len].slot;
		if (slot != 0) {
			names->table[slot - 1] = 0;
			names->table_used--;
		}
	}
}

struct scanner {
	const char *begin, *end;
	bool more;
	unsigned level, depth;
	enum scan_result result;
	struct scan_report *report;
	uint64_t objects[SCAN_DEPTH_FILE / 64 + 1]; /* a bit for each level: an object, not an array */
	unsigned odd;             /* what is not canonical: white space, escapes, numbers */
	unsigned outlined;        /* levels whose members are noted */
	struct scan_outline *outline;
	struct scan_outlined *open[SCAN_OUTLINE_LEVELS + 1]; /* by level: the member whose value is being read */
	struct names names;
};

static const char *fail(struct scanner *s, enum scan_result result, const char *at, const char *expected)
{
	s->result = result;
	s->report->at = (size_t)(at - s->begin);
	s->report->expected = expected;
	return NULL;
}

static const char *wrong(struct scanner *s, const char *at, const char *expected)
{
	return fail(s, at == s->end && s->more ? SCAN_MORE : SCAN_SYNTAX, at, expected);
}

static bool starts_with(const char *p, const char *end, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(end - p) >= len && memcmp(p, word, len) == 0;
}

static inline const char *pass_space(struct scanner *s, const char *p)
{
	if (p == s->end || !is(*p, SPACE))
		return p;
	s->odd++;
	return skip_space(p, s->end);
}

static inline bool in_object(const struct scanner *s)
{
	return s->objects[s->level / 64] >> (s->level % 64) & 1;
}

/* What people take for JSON is named, since the one byte at fault explains nothing. */
static const char *no_value(struct scanner *s, const char *p)
{
	static const struct {
		const char *start, *expected;
	} mistakes[] = {
		{"None", "a JSON value; None is not JSON, write null"},
		{"N", "a JSON value; NaN and Infinity are not JSON, write null"},
		{"nan", "a JSON value; NaN and Infinity are not JSON, write null"},
		{"I", "a JSON value; NaN and Infinity are not JSON, write null"},
		{"inf", "a JSON value; NaN and Infinity are not JSON, write null"},
		{"T", "a JSON value; true is written in lower case"},
		{"F", "a JSON value; false is written in lower case"},
		{"undefined", "a JSON value; undefined is not JSON, write null"},
		{"'", "a JSON value; strings stand in double quotes"},
		{"+", "a JSON value; a number has no + before it"},
		{".", "a JSON value; a digit stands before the point"},
		{"/", "a JSON value; JSON has no comments"},
		{"\xef\xbb\xbf", "a JSON value; the text must not start with a byte order mark"},
	};

	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		if (starts_with(p, s->end, mistakes[i].start))
			return wrong(s, p, mistakes[i].expected);
	}
	if (p < s->end && *p == ']' && s->level > 0 && !in_object(s))
		return wrong(s, p, "a JSON value; no comma stands before ]");
	return wrong(s, p, "a JSON value");
}

static const char *no_escape(struct scanner *s, const char *p)
{
	static const char letters[] = "one of \" \\ / b f n r t u after the backslash";
	static const char digits[] = "four hexadecimal digits after \\u";
	static const char pair[] = "a pair of surrogates; half of one is no character";

	if (s->end - p < 2)
		return wrong(s, s->end, letters);
	if (p[1] != 'u')
		return wrong(s, p + 1, letters);
	for (const char *from = p;; from += 6) {
		for (int i = 2; i < 6; i++) {
			if (s->end - from <= i)
				return wrong(s, s->end, digits);
			if (hex_digit(from[i]) < 0)
				return wrong(s, from + i, digits);
		}
		if (from != p || !is_high(read_unit(p, s->end)))
			return wrong(s, p, pair);
		if (s->end - from <= 7 && (s->end - from <= 6 || from[6] == '\\'))
			return wrong(s, s->end, pair);
		if (from[6] != '\\' || from[7] != 'u')
			return wrong(s, p, pair);
	}
}

/* From where a string is no longer plain to its closing quote. */
static const char *check_string_rest(struct scanner *s, const char *p, bool *escaped)
{
	const char *end = s->end;

	for (;;) {
		p = block_pass_plain(p, end);
		while (p < end && is(*p, PLAIN))
			p++;
		if (p == end)
			return wrong(s, p, "the string's closing quote");
		if (*p == '"')
			return p;
		if (*p == '\\') {
			char out[4];
			size_t len;
			const char *after = read_escape(p, end, out, &len);
			if (!after)
				return no_escape(s, p);
			*escaped = true;
			s->odd++;
			p = after;
			continue;
		}
		if ((unsigned char)*p < 0x20)
			return wrong(s, p, "an escape such as \\n; a string holds no control characters");
		while (p < end && (unsigned char)*p >= 0x80) {
			int len = character_length(p, end);
			if (len <= 0)
				return wrong(s, len < 0 ? end : p, "valid UTF-8");
			p += len;
		}
	}
}

/* `p` is after the opening quote; returns the closing one. */
static inline const char *check_string(struct scanner *s, const char *p, bool *escaped)
{
	*escaped = false;
	p = block_pass_plain(p, s->end);
	return p < s->end && *p == '"' ? p : check_string_rest(s, p, escaped);
}

static const char *check_number(struct scanner *s, const char *p)
{
	struct number n = read_number(p, s->end);

	if (n.expected)
		return wrong(s, n.end, n.expected);
	if (s->report->number_at == SIZE_MAX && !can_be_held(&n))
		s->report->number_at = (size_t)(p - s->begin);
	s->odd += !is_canonical_number(&n);
	return n.end;
}

/* Most numbers are short integers. NULL: have a closer look. */
static inline const char *quick_number(const char *p, const char *end)
{
	const char *digits = *p == '-' ? p + 1 : p;
	const char *after = skip_digits(digits, end);

	if (after == digits || after - digits > 18 || (*digits == '0' && after - p > 1))
		return NULL;
	return after < end && (*after == '.' || (*after | 0x20) == 'e') ? NULL : after;
}

static const char *check_word(struct scanner *s, const char *p, const char *word)
{
	for (size_t i = 0; word[i]; i++) {
		if (p + i == s->end)
			return wrong(s, s->end, word);
		if (p[i] != word[i])
			return starts_with(p, s->end, "nan") ? no_value(s, p) : wrong(s, p + i, word);
	}
	return p + strlen(word);
}

static inline const char *check_scalar(struct scanner *s, const char *p)
{
	const char *after;
	bool escaped;

	switch (*p) {
	case '"':
		after = check_string(s, p + 1, &escaped);
		return after ? after + 1 : NULL;
	case 't':
		return check_word(s, p, "true");
	case 'f':
		return check_word(s, p, "false");
	case 'n':
		return check_word(s, p, "null");
	default:
		if (*p != '-' && !is(*p, DIGIT))
			return no_value(s, p);
		after = quick_number(p, s->end);
		return after ? after : check_number(s, p);
	}
}

static void outline_name(struct scanner *s, struct span raw)
{
	struct scan_outline *o = s->outline;

	if (o->count == SCAN_OUTLINE_MAX) {
		o->count = 0;
		s->outlined = 0;
		return;
	}
	struct scan_outlined *member = &o->at[o->count++];
	member->name = raw;
	member->level = s->level;
	s->open[s->level] = member;
}

static inline bool is_outlined(const struct scanner *s)
{
	return s->level - 1 < s->outlined && in_object(s);
}

static inline void outline_value(struct scanner *s, const char *p)
{
	if (is_outlined(s)) {
		s->open[s->level]->value.at = p;
		s->open[s->level]->odd = s->odd;
	}
}

static inline void outline_value_end(struct scanner *s, const char *p)
{
	if (is_outlined(s)) {
		struct scan_outlined *member = s->open[s->level];
		member->value.len = (size_t)(p - member->value.at);
		member->canonical = member->odd == s->odd;
	}
}

/* A member's name and colon; `p` is after the brace or comma. Returns where the value starts. */
static inline const char *check_name(struct scanner *s, const char *p, bool first)
{
	bool escaped;

	p = pass_space(s, p);
	if (p == s->end || *p != '"') {
		if (!first && p < s->end && *p == '}')
			return wrong(s, p, "a name in double quotes; no comma stands before }");
		return wrong(s, p, first ? "a name in double quotes or }" : "a name in double quotes");
	}
	const char *close = check_string(s, p + 1, &escaped);
	if (!close)
		return NULL;
	if (!names_add(&s->names, (struct span){p + 1, (size_t)(close - p - 1)}, escaped, s->level))
		return fail(s, SCAN_DUPLICATE, p, "a name that the object does not have yet");
	if (s->level <= s->outlined)
		outline_name(s, (struct span){p + 1, (size_t)(close - p - 1)});
	p = pass_space(s, close + 1);
	if (p == s->end || *p != ':')
		return wrong(s, p, "a colon after the name");
	return p + 1;
}

static inline const char *close_container(struct scanner *s, const char *p)
{
	if (in_object(s))
		names_leave(&s->names, s->level);
	s->level--;
	return p + 1;
}

/* Goes in, to the first value; into an empty container and out again. */
static inline const char *open_container(struct scanner *s, const char *p)
{
	bool object = *p == '{';

	if (s->level == s->depth)
		return fail(s, SCAN_DEEP, p, "fewer levels of nesting");
	s->level++;
	uint64_t bit = (uint64_t)1 << (s->level % 64), *word = &s->objects[s->level / 64];
	if (bit == 1)
		*word = 0;
	*word = object ? *word | bit : *word & ~bit;
	s->names.seen[s->level] = 0;
	p = pass_space(s, p + 1);
	if (p < s->end && *p == (object ? '}' : ']'))
		return close_container(s, p);
	return object ? check_name(s, p, true) : p;
}

/* From the end of a value to the start of the next, out of all containers that end here. */
static inline const char *next_value(struct scanner *s, const char *p)
{
	while (s->level > 0) {
		bool object = in_object(s);
		outline_value_end(s, p);
		p = pass_space(s, p);
		if (p < s->end && *p == ',')
			return object ? check_name(s, p + 1, false) : p + 1;
		if (p == s->end || *p != (object ? '}' : ']'))
			return wrong(s, p, object ? "a comma or }" : "a comma or ]");
		p = close_container(s, p);
	}
	return p;
}

static const char *check_value(struct scanner *s, const char *p)
{
	do {
		unsigned level = s->level;
		p = pass_space(s, p);
		if (p == s->end)
			return wrong(s, p, "a JSON value");
		outline_value(s, p);
		if (*p == '{' || *p == '[') {
			p = open_container(s, p);
			if (p && s->level > level)
				continue;
		} else {
			bool ends_itself = *p == '"';
			p = check_scalar(s, p);
			/* 12 may become 123 */
			if (p == s->end && level == 0 && s->more && !ends_itself)
				return wrong(s, p, "the end of the value");
		}
		if (p)
			p = next_value(s, p);
	} while (p && s->level > 0);
	return p;
}

static enum scan_result scan(struct span text, unsigned depth, bool more, struct scan_report *report,
                             struct scan_outline *outline)
{
	struct scanner s;

	assert(depth <= SCAN_DEPTH_FILE);
	*report = (struct scan_report){.expected = "", .number_at = SIZE_MAX};
	s.begin = text.at;
	s.end = text.at + text.len;
	s.more = more;
	s.level = 0;
	s.depth = depth;
	s.result = SCAN_OK;
	s.report = report;
	s.objects[0] = 0;
	s.odd = 0;
	s.outline = outline;
	s.outlined = outline ? SCAN_OUTLINE_LEVELS : 0;
	names_init(&s.names);
	const char *after = check_value(&s, text.at);
	if (s.result == SCAN_OK)
		report->used = (size_t)(after - s.begin);
	names_free(&s.names);
	return s.result;
}

enum scan_result scan_value(struct span text, unsigned depth, bool more, struct scan_report *report)
{
	return scan(text, depth, more, report, NULL);
}

enum scan_result scan_check_outlined(struct span text, unsigned depth, struct scan_report *report,
                                     struct scan_outline *outline)
{
	if (outline) {
		outline->text = skip_space(text.at, text.at + text.len);
		outline->count = 0;
	}
	enum scan_result result = scan(text, depth, false, report, outline);
	if (result != SCAN_OK)
		return result;
	const char *end = text.at + text.len;
	const char *rest = skip_space(text.at + report->used, end);
	if (rest == end)
		return SCAN_OK;
	report->at = (size_t)(rest - text.at);
	report->expected = "the end of the text after the value";
	return SCAN_SYNTAX;
}

enum scan_result scan_check(struct span text, unsigned depth, struct scan_report *report)
{
	return scan_check_outlined(text, depth, report, NULL);
}

/* `p` is at the opening quote; returns what is after the closing one, NULL if there is none. */
static const char *skip_string(const char *p, const char *end)
{
	p++;
	for (;;) {
		unsigned passed = BLOCK_PART;
		for (; passed == BLOCK_PART && end - p >= BLOCK_PART; p += passed)
			passed = block_to_quote(p);
		while (p < end && *p != '"' && *p != '\\')
			p++;
		if (p == end)
			return NULL;
		if (*p == '"')
			return p + 1;
		if (end - p < 2)
			return NULL;
		p += 2;
	}
}

/* Counting brackets is enough: in checked text they match. Those in strings do not count; what is a string is
 * known for a whole block at once. */
static const char *skip_container(const char *p, const char *end)
{
	struct block_state state = {0};
	size_t level = 0;

	for (; p < end; p += BLOCK_BYTES) {
		struct block b = block_read(p, (size_t)(end - p), &state);
		uint64_t brackets = b.opens | b.closes;
		for (; brackets; brackets &= brackets - 1) {
			if (b.opens & brackets & -brackets)
				level++;
			else if (--level == 0)
				return p + __builtin_ctzll(brackets) + 1;
		}
	}
	return NULL;
}

/* Returns what is after the value at `p`, NULL if no value starts or ends there. */
static const char *skip_value(const char *p, const char *end)
{
	if (p == end)
		return NULL;
	if (*p == '"')
		return skip_string(p, end);
	if (is(*p, OPEN))
		return skip_container(p, end);
	const char *start = p;
	while (p < end && !is(*p, BREAK))
		p++;
	return p > start ? p : NULL;
}

static bool is_word(const char *p, const char *end, const char *word)
{
	size_t len = strlen(word);

	return starts_with(p, end, word) && skip_space(p + len, end) == end;
}

enum scan_kind scan_kind(struct span value)
{
	const char *end = value.at + value.len;
	const char *p = skip_space(value.at, end);

	if (p == end)
		return SCAN_NONE;
	switch (*p) {
	case '{':
		return SCAN_OBJECT;
	case '[':
		return SCAN_ARRAY;
	case '"':
		return SCAN_STRING;
	case 'n':
		return is_word(p, end, "null") ? SCAN_NULL : SCAN_NONE;
	case 't':
		return is_word(p, end, "true") ? SCAN_TRUE : SCAN_NONE;
	case 'f':
		return is_word(p, end, "false") ? SCAN_FALSE : SCAN_NONE;
	default:
		return *p == '-' || is(*p, DIGIT) ? SCAN_NUMBER : SCAN_NONE;
	}
}

static struct scan_iter iterate(struct span container, char bracket)
{
	const char *end = container.at + container.len;
	const char *p = skip_space(container.at, end);

	if (p == end || *p != bracket)
		return (struct scan_iter){0};
	return (struct scan_iter){.at = p + 1, .end = end, .first = true};
}

struct scan_iter scan_members(struct span object)
{
	return iterate(object, '{');
}

/* The outermost object's members come first; those of a member's value right behind it. */
struct scan_iter scan_members_outlined(struct span object, const struct scan_outline *outline)
{
	if (!outline || outline->count == 0 || object.len == 0 || *object.at != '{')
		return scan_members(object);
	const struct scan_outlined *at = outline->at, *stop = outline->at + outline->count;
	if (object.at == outline->text)
		return (struct scan_iter){.next = at, .stop = stop, .level = 1};
	while (at < stop && at->value.at != object.at)
		at++;
	if (at == stop || at->level >= SCAN_OUTLINE_LEVELS)
		return scan_members(object);
	return (struct scan_iter){.next = at + 1, .stop = stop, .level = at->level + 1};
}

static bool next_outlined(struct scan_iter *it, struct span *name, struct span *value)
{
	while (it->next < it->stop && it->next->level > it->level)
		it->next++;
	if (it->next == it->stop || it->next->level < it->level) {
		it->stop = it->next;
		return false;
	}
	*name = it->next->name;
	*value = it->next->value;
	it->canonical = it->next->canonical;
	it->next++;
	return true;
}

struct scan_iter scan_elements(struct span array)
{
	return iterate(array, '[');
}

static bool stop(struct scan_iter *it, bool bad)
{
	*it = (struct scan_iter){.bad = bad};
	return false;
}

/* To where the next member or element starts; NULL if the iteration is over. */
static const char *step(struct scan_iter *it, char bracket)
{
	if (!it->at)
		return NULL;
	const char *p = skip_space(it->at, it->end);
	if (p < it->end && *p == bracket) {
		stop(it, false);
		return NULL;
	}
	if (!it->first) {
		if (p == it->end || *p != ',') {
			stop(it, true);
			return NULL;
		}
		p = skip_space(p + 1, it->end);
	}
	it->first = false;
	return p;
}

static bool take_value(struct scan_iter *it, const char *p, struct span *value)
{
	const char *after = skip_value(p, it->end);

	if (!after)
		return stop(it, true);
	*value = (struct span){p, (size_t)(after - p)};
	it->at = after;
	return true;
}

bool scan_next_member(struct scan_iter *it, struct span *name, struct span *value)
{
	if (it->next)
		return next_outlined(it, name, value);
	const char *p = step(it, '}');

	if (!p)
		return false;
	if (p == it->end || *p != '"')
		return stop(it, true);
	const char *after = skip_string(p, it->end);
	if (!after)
		return stop(it, true);
	*name = (struct span){p + 1, (size_t)(after - p - 2)};
	p = skip_space(after, it->end);
	if (p == it->end || *p != ':')
		return stop(it, true);
	return take_value(it, skip_space(p + 1, it->end), value);
}

/* Where the value starts if the text goes on with the name, as compact text does. */
static const char *expected_value(const struct scan_iter *it, struct span expected)
{
	const char *p = it->at;
	size_t len = expected.len;

	if (!p || (size_t)(it->end - p) < len + 5)
		return NULL;
	if (!it->first && *p++ != ',')
		return NULL;
	if (p[0] != '"' || memcmp(p + 1, expected.at, len) != 0 || p[len + 1] != '"' || p[len + 2] != ':')
		return NULL;
	return p + len + 3;
}

bool scan_expect_member(struct scan_iter *it, struct span expected, bool *as_expected, struct span *name,
                        struct span *value)
{
	if (it->next) {
		bool there = next_outlined(it, name, value);
		*as_expected = there && expected.len > 0 && span_is(*name, expected);
		return there;
	}
	const char *start = expected.len > 0 ? expected_value(it, expected) : NULL;
	*as_expected = start && !is(*start, SPACE);
	if (!*as_expected)
		return scan_next_member(it, name, value);
	*name = (struct span){start - expected.len - 2, expected.len};
	it->first = false;
	return take_value(it, start, value);
}

bool scan_next_element(struct scan_iter *it, struct span *value)
{
	const char *p = step(it, ']');

	return p && take_value(it, p, value);
}

bool scan_member(struct span object, const char *name, struct span *value)
{
	struct scan_iter it = scan_members(object);
	struct span raw;

	while (scan_next_member(&it, &raw, value)) {
		if (scan_name_is(raw, name))
			return true;
	}
	return false;
}

static const char *find_backslash(struct span s)
{
	return s.len == 0 ? NULL : memchr(s.at, '\\', s.len);
}

bool scan_escaped_name_is(struct span raw_name, const char *name)
{
	const char *p = raw_name.at, *end = raw_name.at + raw_name.len;
	size_t left = strlen(name);

	if (!find_backslash(raw_name))
		return false;
	while (p < end) {
		char out[4] = {*p};
		size_t len = 1;
		p = *p == '\\' ? read_escape(p, end, out, &len) : p + 1;
		if (!p || len > left || memcmp(out, name, len) != 0)
			return false;
		name += len;
		left -= len;
	}
	return left == 0;
}

size_t scan_count(struct span container)
{
	struct scan_iter members = scan_members(container), elements = scan_elements(container);
	struct span name, value;
	size_t count = 0;

	while (scan_next_member(&members, &name, &value) || scan_next_element(&elements, &value))
		count++;
	return count;
}

bool scan_unescape(struct span raw, struct buf *scratch, struct span *text)
{
	const char *p = raw.at, *end = raw.at + raw.len;
	const char *slash = find_backslash(raw);
	size_t start = scratch->len;

	if (!slash) {
		*text = raw;
		return true;
	}
	buf_room(scratch, raw.len);
	while (slash) {
		char out[4];
		size_t len;
		buf_add(scratch, p, (size_t)(slash - p));
		p = read_escape(slash, end, out, &len);
		if (!p) {
			scratch->len = start;
			return false;
		}
		buf_add(scratch, out, len);
		slash = find_backslash((struct span){p, (size_t)(end - p)});
	}
	buf_add(scratch, p, (size_t)(end - p));
	*text = (struct span){scratch->at + start, scratch->len - start};
	return true;
}

bool scan_string(struct span value, struct buf *scratch, struct span *text)
{
	const char *end = value.at + value.len;

	if (value.len < 2 || *value.at != '"' || skip_string(value.at, end) != end)
		return false;
	return scan_unescape((struct span){value.at + 1, value.len - 2}, scratch, text);
}

enum scan_number scan_number(struct span value, int64_t *whole, double *real)
{
	const char *end = value.at + value.len;
	if (value.len > 0 && quick_number(value.at, end) == end) {
		bool negative = *value.at == '-';
		int64_t n = 0;
		for (const char *p = value.at + negative; p < end; p++)
			n = n * 10 + (*p - '0');
		*whole = negative ? -n : n;
		*real = (double)*whole;
		return SCAN_INT;
	}
	struct number n = read_number(value.at, value.at + value.len);

	if (n.expected || n.end != value.at + value.len)
		return SCAN_NAN;
	if (is_real(&n)) {
		*real = real_of(&n);
		return isfinite(*real) ? SCAN_REAL : SCAN_TOO_BIG;
	}
	if (!whole_of(&n, whole))
		return SCAN_TOO_BIG;
	*real = (double)*whole;
	return SCAN_INT;
}

static void put_number(struct buf *out, const struct number *n)
{
	double real;

	if (!is_real(n)) {
		buf_char(out, '0');
		return;
	}
	real = real_of(n);
	if (isfinite(real))
		buf_real(out, real);
	else
		buf_add(out, n->start, (size_t)(n->end - n->start));
}

/* The string between `p` (its opening quote) and `end` (after the closing one) has escapes: each becomes its
 * character, or the shortest escape where there must be one. */
static void put_string(struct buf *out, const char *p, const char *end)
{
	while (p < end) {
		const char *slash = memchr(p, '\\', (size_t)(end - p));
		char text[4];
		size_t len;
		const char *after = slash ? read_escape(slash, end, text, &len) : NULL;
		if (!after) {
			buf_add(out, p, (size_t)(end - p));
			return;
		}
		buf_add(out, p, (size_t)(slash - p));
		buf_string_part(out, (struct span){text, len});
		p = after;
	}
}

/* Text that is canonical already, and most is, is copied in one piece:
 * `run` is where what has not been written starts. */
void scan_canonical(struct buf *out, struct span value)
{
	const char *p = value.at, *end = value.at + value.len, *run = p;

	buf_room(out, value.len);
	while (p < end) {
		const char *token = p;
		if (*p == '"') {
			p = skip_string(p, end);
			if (!p)
				break;
			if (!find_backslash((struct span){token, (size_t)(p - token)}))
				continue;
			buf_add(out, run, (size_t)(token - run));
			put_string(out, token, p);
		} else if (*p == '-' || is(*p, DIGIT)) {
			struct number n = read_number(p, end);
			p = n.end > p ? n.end : p + 1;
			if (n.expected || is_canonical_number(&n))
				continue;
			buf_add(out, run, (size_t)(token - run));
			put_number(out, &n);
		} else if (is(*p, SPACE)) {
			p = skip_space(p, end);
			buf_add(out, run, (size_t)(token - run));
		} else {
			p++;
			continue;
		}
		run = p;
	}
	buf_add(out, run, (size_t)(end - run));
}

enum { PATH_NAME_MAX = 64 };

struct place {
	bool object;
	bool named;       /* the name of the member has been seen */
	struct span name; /* raw */
	size_t index;
};

struct path {
	struct place at[SCAN_DEPTH_FILE];
	size_t len;
};

static const char *path_string(struct path *path, const char *p, const char *end)
{
	struct place *last = path->len > 0 ? &path->at[path->len - 1] : NULL;
	const char *after = skip_string(p, end);

	if (last && last->object && !last->named && after) {
		last->named = true;
		last->name = (struct span){p + 1, (size_t)(after - p - 2)};
	}
	return after;
}

/* Only what stands before the byte is looked at, since that byte may be where the text is broken. */
static void path_find(struct path *path, const char *p, const char *end, const char *stop_at)
{
	while (p && p < stop_at) {
		struct place *last = path->len > 0 ? &path->at[path->len - 1] : NULL;
		if (*p == '"') {
			p = path_string(path, p, end);
			continue;
		}
		if (is(*p, OPEN)) {
			if (path->len == SCAN_DEPTH_FILE)
				return;
			path->at[path->len++] = (struct place){.object = *p == '{'};
		} else if (last && is(*p, CLOSE)) {
			path->len--;
		} else if (last && *p == ',') {
			last->named = false;
			last->index++;
		}
		p++;
	}
	if (p == stop_at && p && p < end && *p == '"')
		path_string(path, p, end);
}

static void path_name(struct buf *out, struct span raw, struct buf *scratch)
{
	struct span name;

	scratch->len = 0;
	if (!scan_unescape(raw, scratch, &name))
		name = raw;
	if (name.len > PATH_NAME_MAX) {
		name.len = PATH_NAME_MAX;
		while (name.len > 0 && ((unsigned char)name.at[name.len] & 0xc0) == 0x80)
			name.len--;
	}
	buf_span(out, name);
}

void scan_path(struct buf *out, struct span root, size_t at)
{
	struct path *path = mem_alloc(sizeof(*path));
	struct buf scratch = {0};
	size_t start = out->len;

	path->len = 0;
	path_find(path, root.at, root.at + root.len, root.at + (at < root.len ? at : root.len));
	for (size_t i = 0; i < path->len; i++) {
		const struct place *place = &path->at[i];
		if (!place->object) {
			buf_printf(out, "[%zu]", place->index);
		} else if (place->named) {
			if (out->len > start)
				buf_char(out, '.');
			path_name(out, place->name, &scratch);
		}
	}
	buf_free(&scratch);
	free(path);
}
