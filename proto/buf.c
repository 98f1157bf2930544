#include "proto/buf.h"
#include "proto/mem.h"
#include "proto/swar.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
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

void buf_grow(struct buf *b, size_t more)
{
	size_t cap = b->cap < BUF_FIRST / 2 ? BUF_FIRST : b->cap * 2;

	assert(more < SIZE_MAX / 4 && b->len < SIZE_MAX / 4);
	if (cap < b->len + more)
		cap = b->len + more;
	b->at = mem_resize(b->at, cap);
	b->cap = cap;
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

/* A positive decimal: 0.DIGITS times 10 to the power of `point`, without zeros at the end of the digits. */
struct decimal {
	char digits[24];
	int len, point;
};

/* Powers of ten as the next number above them (or a unit in the last place above, where they are exact) of
 * 128 bits, the top bit set: 10^k is a little less than (high·2^64 + low) · 2^(floor(log2(10^k)) - 127). */
enum { POWER_FIRST = -292, POWER_LAST = 324, BIG_WORDS = 20 };

__extension__ typedef unsigned __int128 uint128_t;

struct power {
	uint64_t high, low;
};

static struct power powers[POWER_LAST - POWER_FIRST + 1];
/* not call_once(), which the thread sanitizer does not know and takes for no synchronisation at all */
static pthread_once_t powers_once = PTHREAD_ONCE_INIT;

/* The first 128 bits of a big number, least word first, and one more unit. */
static struct power leading(const uint64_t big[BIG_WORDS])
{
	int top = BIG_WORDS - 1;

	while (big[top] == 0)
		top--;
	uint64_t third = top > 1 ? big[top - 2] : 0, second = top > 0 ? big[top - 1] : 0;
	int shift = __builtin_clzll(big[top]);
	struct power p = {big[top] << shift, second << shift};
	if (shift > 0) {
		p.high |= second >> (64 - shift);
		p.low |= third >> (64 - shift);
	}
	p.low++;
	p.high += p.low == 0;
	return p;
}

/* Multiplying by ten is exact. Dividing drops what is below the unit, but as that is done after each step,
 * 2^1279 / 10^n is still rounded down only once, and its first 128 bits are those of 10^-n. */
static void powers_make(void)
{
	uint64_t big[BIG_WORDS] = {1};

	for (int k = 0; k <= POWER_LAST; k++) {
		powers[k - POWER_FIRST] = leading(big);
		uint128_t carry = 0;
		for (int i = 0; i < BIG_WORDS; i++) {
			carry += (uint128_t)big[i] * 10;
			big[i] = (uint64_t)carry;
			carry >>= 64;
		}
	}
	memset(big, 0, sizeof(big));
	big[BIG_WORDS - 1] = (uint64_t)1 << 63;
	for (int k = -1; k >= POWER_FIRST; k--) {
		uint128_t rest = 0;
		for (int i = BIG_WORDS - 1; i >= 0; i--) {
			rest = rest << 64 | big[i];
			big[i] = (uint64_t)(rest / 10);
			rest %= 10;
		}
		powers[k - POWER_FIRST] = leading(big);
	}
}

static const struct power *power_of_ten(int k)
{
	assert(k >= POWER_FIRST && k <= POWER_LAST);
	pthread_once(&powers_once, powers_make);
	return &powers[k - POWER_FIRST];
}

/* p·n / 2^128, where the lowest bit is set if anything was cut off. The power is up to a unit too large,
 * which shows as at most 1 in the middle word and is not counted. */
static uint64_t scale(const struct power *p, uint64_t n)
{
	uint128_t low = (uint128_t)p->low * n;
	uint128_t high = (uint128_t)p->high * n + (uint64_t)(low >> 64);

	return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

static void decimal_set(struct decimal *d, uint64_t n, int exponent)
{
	char text[20];
	char *start = digits_before(text + sizeof(text), n);

	d->len = (int)(text + sizeof(text) - start);
	d->point = d->len + exponent;
	memcpy(d->digits, start, (size_t)d->len);
	while (d->len > 1 && d->digits[d->len - 1] == '0')
		d->len--;
}

/* The shortest decimal within the interval of reals that round to this double, and the nearest of that
 * length; after Raffaello Giulietti, "The Schubfach way to render doubles". With the double c·2^q and 10^k
 * the largest power of ten that is not above the interval's width, the interval holds a multiple of 10^k and
 * at most one multiple of 10^(k+1); if it holds that one, it is the shortest, trailing zeros not counted.
 * Everything is in quarters of 10^k, so that the interval's ends are whole multiples of 2^q / 4. An even c
 * owns the ends of its interval. The integer products are floor(log10(2^q)), floor(log10(3/4·2^q)) and
 * floor(log2(10^k)) for all exponents of doubles. */
static void decimal_shortest(struct decimal *d, double real)
{
	uint64_t bits;

	memcpy(&bits, &real, sizeof(bits));
	uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
	int exponent = (int)(bits >> 52 & 0x7ff);
	uint64_t c = exponent > 0 ? fraction | (uint64_t)1 << 52 : fraction;
	int q = exponent > 0 ? exponent - 1075 : -1074;
	/* below a power of two doubles are half as far apart as above */
	bool uneven = fraction == 0 && exponent > 1;
	int k = (q * 1262611 - (uneven ? 524031 : 0)) >> 22;
	int shift = q + (-k * 1741647 >> 19) + 1;
	const struct power *power = power_of_ten(-k);
	uint64_t middle = scale(power, 4 * c << shift);
	uint64_t lower = scale(power, (4 * c - (uneven ? 1 : 2)) << shift) + (c & 1);
	uint64_t upper = scale(power, (4 * c + 2) << shift) - (c & 1);
	uint64_t n = middle / 4, tens = n / 10;

	if (n >= 10) {
		bool below = lower <= 40 * tens, above = 40 * tens + 40 <= upper;
		if (below != above) {
			decimal_set(d, tens + above, k + 1);
			return;
		}
	}
	bool below = lower <= 4 * n, above = 4 * n + 4 <= upper;
	if (below == above)
		above = middle > 4 * n + 2 || (middle == 4 * n + 2 && n % 2 == 1);
	decimal_set(d, n + above, k);
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

#define WHOLE_REALS 1e15 /* below it all digits of a whole number are its own */

/* Most have few decimal places: percentages, prices. A quotient is rounded to the nearest double, which is how its
 * decimals are read; and no two decimals of up to 15 digits are the same double, so there is none that is shorter. */
static bool put_few_places(struct buf *b, double d)
{
	enum { PLACES = 6, MILLION = 1000000 };
	char text[24], *end = text + sizeof(text);

	if (!(d >= 1e-4 && d < 1e9))
		return false;
	uint64_t millionths = (uint64_t)(d * MILLION + 0.5);
	if ((double)millionths / MILLION != d)
		return false;
	digits_before(end, MILLION + millionths % MILLION); /* the one in front keeps the zeros behind it */
	end[-PLACES - 1] = '.';
	char *start = digits_before(end - PLACES - 1, millionths / MILLION);
	while (end[-1] == '0' && end[-2] != '.')
		end--;
	buf_add(b, start, (size_t)(end - start));
	return true;
}

void buf_real(struct buf *b, double d)
{
	struct decimal decimal = {"0", 1, 1};

	assert(isfinite(d));
	if (fabs(d) < WHOLE_REALS && d == (double)(int64_t)d && (d != 0 || !signbit(d))) { /* most are whole */
		buf_int(b, (int64_t)d);
		buf_add(b, ".0", 2);
		return;
	}
	if (signbit(d))
		buf_char(b, '-');
	if (put_few_places(b, fabs(d)))
		return;
	if (d != 0)
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

void buf_string_part(struct buf *b, struct span utf8)
{
	const char *at = utf8.at, *end = utf8.at + utf8.len;

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
}

void buf_string(struct buf *b, struct span utf8)
{
	buf_room(b, utf8.len + 2);
	buf_char(b, '"');
	buf_string_part(b, utf8);
	buf_char(b, '"');
}
