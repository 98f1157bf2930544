#include "proto/fault.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

struct code {
	int number;
	const char *kind, *text;
};

static const struct code codes[FAULT_CODE_COUNT] = {
#define X(name, number, kind, text) [FAULT_##name] = {number, kind, text},
	FAULT_CODES(X)
#undef X
};

int fault_number(enum fault_code code)
{
	assert(code < FAULT_CODE_COUNT);
	return codes[code].number;
}

const char *fault_kind(enum fault_code code)
{
	assert(code < FAULT_CODE_COUNT);
	return codes[code].kind;
}

const char *fault_text(enum fault_code code)
{
	assert(code < FAULT_CODE_COUNT);
	return codes[code].text;
}

bool fault_from_number(int64_t number, enum fault_code *code)
{
	for (unsigned i = 0; i < FAULT_CODE_COUNT; i++) {
		if (codes[i].number == number) {
			*code = (enum fault_code)i;
			return true;
		}
	}
	return false;
}

/* The length of the UTF-8 character at `at`, 0 if there is none: the text is NUL-terminated, and NUL
 * continues nothing. */
static size_t character(const char *at)
{
	unsigned char lead = (unsigned char)at[0];
	size_t len = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < len; i++) {
		if (((unsigned char)at[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

/* A text cut at a number of bytes, here or by a %.*s, may end inside a character:
 * what is left of that one goes. */
static void drop_broken(char *text)
{
	char *to = text;

	for (const char *from = text; *from;) {
		size_t len = character(from);
		if (len == 0) {
			from++;
			continue;
		}
		memmove(to, from, len);
		to += len;
		from += len;
	}
	*to = '\0';
}

static void say(char *out, size_t size, const char *format, va_list args)
{
	vsnprintf(out, size, format, args);
	drop_broken(out);
}

void fault_set(struct fault *f, enum fault_code code, const char *message, ...)
{
	va_list args;

	assert(code < FAULT_CODE_COUNT);
	*f = (struct fault){.code = code, .removed = -1};
	if (!message) {
		snprintf(f->message, sizeof(f->message), "%s", codes[code].text);
		return;
	}
	va_start(args, message);
	say(f->message, sizeof(f->message), message, args);
	va_end(args);
}

void fault_field(struct fault *f, const char *field)
{
	snprintf(f->field, sizeof(f->field), "%s", field);
	drop_broken(f->field);
}

void fault_expected(struct fault *f, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(f->expected, sizeof(f->expected), format, args);
	va_end(args);
}

void fault_hint(struct fault *f, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(f->hint, sizeof(f->hint), format, args);
	va_end(args);
}

enum { NAME_MAX_LEN = 64 };

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* A name in capitals is the same name mistyped once, not once a letter. */
static bool alike(char a, char b)
{
	char low_a = a >= 'A' && a <= 'Z' ? (char)(a | 0x20) : a;
	char low_b = b >= 'A' && b <= 'Z' ? (char)(b | 0x20) : b;

	return low_a == low_b;
}

/* How many letters must be changed, added, dropped or swapped with their neighbour;
 * both at most NAME_MAX_LEN long. */
static unsigned distance(struct span a, struct span b)
{
	unsigned rows[3][NAME_MAX_LEN + 1];
	unsigned *before = rows[0], *last = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b.len; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; i <= a.len; i++) {
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b.len; j++) {
			unsigned change = last[j - 1] + !alike(a.at[i - 1], b.at[j - 1]);
			row[j] = least(change, least(last[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && alike(a.at[i - 1], b.at[j - 2]) && alike(a.at[i - 2], b.at[j - 1]))
				row[j] = least(row[j], before[j - 2] + 1);
		}
		unsigned *spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return last[b.len];
}

const char *fault_did_you_mean(struct span typed, const char *const *names)
{
	const char *nearest = NULL;
	unsigned nearest_distance = 3;

	if (typed.len == 0 || typed.len > NAME_MAX_LEN)
		return NULL;
	for (; *names; names++) {
		struct span name = span_of(*names);
		if (name.len > NAME_MAX_LEN)
			continue;
		unsigned d = distance(typed, name);
		if (d < nearest_distance && (size_t)d * 2 < typed.len) {
			nearest_distance = d;
			nearest = *names;
		}
	}
	return nearest;
}
