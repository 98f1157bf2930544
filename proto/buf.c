#include "proto/buf.h"
#include "proto/mem.h"
#include "proto/swar.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUF_FIRST = 64 };

void buf_free(struct buf *b)
{
	free(b->at);
	*b = (struct buf){0};
}

void buf_trim(struct buf *b, size_t keep)
{
	assert(b->len <= keep);
	if (b->cap <= keep)
		return;
	if (keep == 0) {
		buf_free(b);
		return;
	}
	b->at = mem_resize(b->at, keep);
	b->cap = keep;
}

static void grow(struct buf *b, size_t more)
{
	size_t cap = b->cap < BUF_FIRST / 2 ? BUF_FIRST : b->cap * 2;

	assert(more < SIZE_MAX / 4 && b->len < SIZE_MAX / 4);
	if (cap < b->len + more)
		cap = b->len + more;
	b->at = mem_resize(b->at, cap);
	b->cap = cap;
}

char *buf_room(struct buf *b, size_t more)
{
	if (b->cap - b->len < more || !b->at)
		grow(b, more);
	return b->at + b->len;
}

void buf_add(struct buf *b, const void *at, size_t len)
{
	if (len == 0)
		return;
	memcpy(buf_room(b, len), at, len);
	b->len += len;
}

void buf_span(struct buf *b, struct span s)
{
	buf_add(b, s.at, s.len);
}

void buf_char(struct buf *b, char c)
{
	*buf_room(b, 1) = c;
	b->len++;
}

void buf_text(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int need = vsnprintf(buf_room(b, BUF_FIRST), BUF_FIRST, format, args);
	va_end(args);
	assert(need >= 0);
	if (need >= BUF_FIRST) {
		va_start(args, format);
		vsnprintf(buf_room(b, (size_t)need + 1), (size_t)need + 1, format, args);
		va_end(args);
	}
	b->len += (size_t)need;
}

/* Writes the digits so that they end at `end`; returns where they start. */
static char *digits_before(char *end, uint64_t n)
{
	do {
		*--end = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	return end;
}

void buf_uint(struct buf *b, uint64_t n)
{
	char text[20];
	char *start = digits_before(text + sizeof(text), n);

	buf_add(b, start, (size_t)(text + sizeof(text) - start));
}

void buf_int(struct buf *b, int64_t n)
{
	if (n < 0)
		buf_char(b, '-');
	buf_uint(b, n < 0 ? -(uint64_t)n : (uint64_t)n);
}

/* A positive decimal: 0.DIGITS times 10 to the power of `point`, without zeros at either end of the digits. */
struct decimal {
	char digits[24];
	int len, point;
};

/* Most reals that people write have few digits: n / 10^k with n below 10^15. Both are exact as doubles, so the division
 * is rounded once, and if it gives the real, then n / 10^k is a decimal of at most 15 digits that reads back to it. There
 * is only one such (a double holds 15 digits), so it is the shortest. */
static bool decimal_few(struct decimal *d, double real)
{
	static const double tens[] = {1, 1e3, 1e6, 1e9, 1e12};

	if (real < 1e-3)
		return false;
	for (int i = 0; i < 5 && real * tens[i] < 1e15; i++) {
		uint64_t n = (uint64_t)(real * tens[i] + 0.5);
		if ((double)n / tens[i] != real)
			continue;
		char text[20];
		char *start = digits_before(text + sizeof(text), n);
		d->len = (int)(text + sizeof(text) - start);
		d->point = d->len - 3 * i;
		memcpy(d->digits, start, (size_t)d->len);
		return true;
	}
	return false;
}

static double decimal_read(const struct decimal *d)
{
	char text[48];

	snprintf(text, sizeof(text), "0.%.*se%d", d->len, d->digits, d->point);
	return strtod(text, NULL);
}

/* The nearest decimal of `len` digits. */
static void decimal_round(struct decimal *d, double real, int len)
{
	char text[48];

	snprintf(text, sizeof(text), "%.*e", len - 1, real);
	d->digits[0] = text[0];
	memcpy(d->digits + 1, text + 2, (size_t)len - 1);
	d->len = len;
	d->point = atoi(strchr(text, 'e') + 1) + 1;
}

static void decimal_step_up(struct decimal *d)
{
	int i = d->len - 1;

	while (i >= 0 && d->digits[i] == '9')
		d->digits[i--] = '0';
	if (i >= 0) {
		d->digits[i]++;
	} else {
		d->digits[0] = '1';
		d->point++;
	}
}

/* Below a power of two doubles lie half as far apart as above it. So the nearest decimal may lie under it and read back as
 * its lower neighbour, while the next decimal up, though farther away, reads back to it. */
static bool decimal_fits(struct decimal *d, double real)
{
	int exponent;

	if (decimal_read(d) == real)
		return true;
	if (frexp(real, &exponent) != 0.5)
		return false;
	decimal_step_up(d);
	return decimal_read(d) == real;
}

static void decimal_shortest(struct decimal *d, double real)
{
	if (real == 0) {
		*d = (struct decimal){"0", 1, 1};
		return;
	}
	if (!decimal_few(d, real)) {
		/* subnormal numbers hold fewer digits than 15, so there 15 digits are not a sign of anything */
		int len = fpclassify(real) == FP_SUBNORMAL ? 1 : 15;
		do
			decimal_round(d, real, len);
		while (!decimal_fits(d, real) && ++len <= 17);
	}
	while (d->len > 1 && d->digits[d->len - 1] == '0')
		d->len--;
}

static void put_zeros(struct buf *b, int count)
{
	while (count-- > 0)
		buf_char(b, '0');
}

static void put_plain(struct buf *b, const struct decimal *d)
{
	int whole = d->point < 0 ? 0 : d->point < d->len ? d->point : d->len;

	buf_add(b, d->digits, (size_t)whole);
	put_zeros(b, d->point <= 0 ? 1 : d->point - whole);
	buf_char(b, '.');
	put_zeros(b, -d->point);
	buf_add(b, d->digits + whole, (size_t)(d->len - whole));
	if (whole == d->len)
		buf_char(b, '0');
}

static void put_exponent(struct buf *b, const struct decimal *d)
{
	int exponent = d->point - 1;

	buf_char(b, d->digits[0]);
	if (d->len > 1)
		buf_char(b, '.');
	buf_add(b, d->digits + 1, (size_t)d->len - 1);
	buf_text(b, exponent < 0 ? "e-" : "e+");
	if (abs(exponent) < 10)
		buf_char(b, '0');
	buf_int(b, abs(exponent));
}

void buf_real(struct buf *b, double d)
{
	struct decimal decimal;

	assert(isfinite(d));
	if (signbit(d))
		buf_char(b, '-');
	decimal_shortest(&decimal, fabs(d));
	if (decimal.point > -4 && decimal.point <= 16)
		put_plain(b, &decimal);
	else
		put_exponent(b, &decimal);
}

static void put_escape(struct buf *b, char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char letters[32] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
	unsigned char byte = (unsigned char)c;

	if (byte >= 0x20)
		buf_add(b, (char[]){'\\', c}, 2);
	else if (letters[byte])
		buf_add(b, (char[]){'\\', letters[byte]}, 2);
	else
		buf_add(b, (char[]){'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]}, 6);
}

void buf_string(struct buf *b, struct span utf8)
{
	const char *at = utf8.at, *end = utf8.at + utf8.len;

	buf_room(b, utf8.len + 2);
	buf_char(b, '"');
	while (at < end) {
		const char *run = at;
		while (end - at >= 8 && !swar_special(swar_load(at)))
			at += 8;
		while (at < end && (unsigned char)*at >= 0x20 && *at != '"' && *at != '\\')
			at++;
		buf_add(b, run, (size_t)(at - run));
		if (at < end)
			put_escape(b, *at++);
	}
	buf_char(b, '"');
}
