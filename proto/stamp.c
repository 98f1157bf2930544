#include "proto/stamp.h"
#include "proto/swar.h"

#include <assert.h>

#define MICROS_PER_SECOND ((int64_t)1000000)
#define MICROS_PER_DAY (86400 * MICROS_PER_SECOND)

/* 0001-01-01T00:00:00 and the end of 9999-12-31 */
#define STAMP_FIRST (-719162 * MICROS_PER_DAY)
#define STAMP_LAST (2932897 * MICROS_PER_DAY - 1)

struct cursor {
	const char *at, *end;
};

static bool take(struct cursor *c, char wanted)
{
	if (c->at == c->end || *c->at != wanted)
		return false;
	c->at++;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool take_number(struct cursor *c, int digits, int low, int high, int *out)
{
	int n = 0;

	for (int i = 0; i < digits; i++) {
		if (c->at == c->end || !is_digit(*c->at))
			return false;
		n = n * 10 + (*c->at++ - '0');
	}
	*out = n;
	return n >= low && n <= high;
}

static bool is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1] + (month == 2 && is_leap(year));
}

/* Years are counted from March here, so that the leap day is a year's last and months have their lengths in a
 * pattern (31 30 31 30 31, twice, 31 and the rest) that (153 m + 2) / 5 follows. */
static int64_t days_of(int year, int month, int day)
{
	int y = month > 2 ? year : year - 1;
	int m = month > 2 ? month - 3 : month + 9;

	return 365 * (int64_t)y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static void date_of(int64_t days, int *year, int *month, int *day)
{
	int64_t n = days + 719468; /* since 0000-03-01, not negative for any year that we write */
	int64_t century4 = n / 146097, rest = n % 146097;
	int64_t y = (rest - rest / 1460 + rest / 36524 - rest / 146096) / 365;
	int64_t in_year = rest - (365 * y + y / 4 - y / 100);
	int64_t m = (5 * in_year + 2) / 153;

	*day = (int)(in_year - (153 * m + 2) / 5 + 1);
	*month = (int)(m < 10 ? m + 3 : m - 9);
	*year = (int)(century4 * 400 + y + (m >= 10));
}

static bool take_date(struct cursor *c, int64_t *days)
{
	int year, month, day;

	if (!take_number(c, 4, 1, 9999, &year) || !take(c, '-') || !take_number(c, 2, 1, 12, &month) ||
	    !take(c, '-') || !take_number(c, 2, 1, days_in_month(year, month), &day))
		return false;
	*days = days_of(year, month, day);
	return true;
}

static bool take_fraction(struct cursor *c, int *micros)
{
	int digits = 0;

	*micros = 0;
	if (!take(c, '.'))
		return true;
	for (; c->at < c->end && is_digit(*c->at); c->at++, digits++) {
		if (digits < 6)
			*micros = *micros * 10 + (*c->at - '0');
	}
	for (int i = digits; i < 6; i++)
		*micros *= 10;
	return digits >= 1 && digits <= 9;
}

static bool take_time(struct cursor *c, int64_t *micros)
{
	int hour, minute, second, fraction;

	if (!take_number(c, 2, 0, 23, &hour) || !take(c, ':') || !take_number(c, 2, 0, 59, &minute) ||
	    !take(c, ':') || !take_number(c, 2, 0, 60, &second) || !take_fraction(c, &fraction))
		return false;
	*micros = (hour * 3600 + minute * 60 + second) * MICROS_PER_SECOND + fraction;
	return true;
}

static bool take_offset(struct cursor *c, int64_t *micros)
{
	int hours, minutes;
	bool west;

	*micros = 0;
	if (c->at == c->end || take(c, 'Z') || take(c, 'z'))
		return true;
	west = take(c, '-');
	if (!west && !take(c, '+'))
		return false;
	if (!take_number(c, 2, 0, 23, &hours))
		return false;
	take(c, ':');
	if (!take_number(c, 2, 0, 59, &minutes))
		return false;
	*micros = (hours * 3600 + minutes * 60) * MICROS_PER_SECOND;
	if (west)
		*micros = -*micros;
	return true;
}

/* The form that we write ourselves, and so most times have: eight bytes at once are digits and marks in their
 * places. */
static bool parse_own_form(const char *at, int64_t *micros)
{
	static const char form[] = "0000-00-00T00:00:00.000000+00:00";
	/* what may be added to a byte's difference from the form before its top bit shows: a digit's is up to 9 */
	static const char room[] = "vvvv\x7fvv\x7fvv\x7fvv\x7fvv\x7fvv\x7fvvvvvv\x7f\x7f\x7f\x7f\x7f\x7f";
	char n[STAMP_LEN];
	uint64_t wrong = 0;

	for (size_t i = 0; i < STAMP_LEN; i += 8) {
		uint64_t off = swar_load(at + i) ^ swar_load(form + i);
		wrong |= off | (off + swar_load(room + i));
		off = htole64(off);
		memcpy(n + i, &off, sizeof(off));
	}
	if (wrong & SWAR_TOPS)
		return false;
	int year = n[0] * 1000 + n[1] * 100 + n[2] * 10 + n[3], month = n[5] * 10 + n[6], day = n[8] * 10 + n[9];
	int hour = n[11] * 10 + n[12], minute = n[14] * 10 + n[15], second = n[17] * 10 + n[18];
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 || minute > 59 ||
	    second > 59)
		return false;
	int fraction = n[20] * 100000 + n[21] * 10000 + n[22] * 1000 + n[23] * 100 + n[24] * 10 + n[25];
	*micros = days_of(year, month, day) * MICROS_PER_DAY +
	          (hour * 3600 + minute * 60 + second) * MICROS_PER_SECOND + fraction;
	return true;
}

bool stamp_parse(struct span text, int64_t *micros)
{
	if (text.len == STAMP_LEN && parse_own_form(text.at, micros))
		return true;
	struct cursor c = {text.at, text.at + text.len};
	int64_t days, time, offset;

	if (!take_date(&c, &days))
		return false;
	if (!take(&c, 'T') && !take(&c, 't') && !take(&c, ' '))
		return false;
	if (!take_time(&c, &time) || !take_offset(&c, &offset) || c.at != c.end)
		return false;
	int64_t result = days * MICROS_PER_DAY + time - offset;
	if (result < STAMP_FIRST || result > STAMP_LAST)
		return false;
	*micros = result;
	return true;
}

static char *put_number(char *out, int digits, int64_t n)
{
	for (int i = digits - 1; i >= 0; i--) {
		out[i] = (char)('0' + n % 10);
		n /= 10;
	}
	return out + digits;
}

void stamp_format(int64_t micros, char out[STAMP_LEN + 1])
{
	int year, month, day;

	/* only what we computed ourselves (now minus a number of days) can be outside,
	 * where no four digits say it */
	if (micros < STAMP_FIRST)
		micros = STAMP_FIRST;
	if (micros > STAMP_LAST)
		micros = STAMP_LAST;
	int64_t since_first = micros - STAMP_FIRST;
	int64_t time = since_first % MICROS_PER_DAY;
	int64_t seconds = time / MICROS_PER_SECOND;
	date_of(since_first / MICROS_PER_DAY + STAMP_FIRST / MICROS_PER_DAY, &year, &month, &day);

	char *at = put_number(out, 4, year);
	*at++ = '-';
	at = put_number(at, 2, month);
	*at++ = '-';
	at = put_number(at, 2, day);
	*at++ = 'T';
	at = put_number(at, 2, seconds / 3600);
	*at++ = ':';
	at = put_number(at, 2, seconds / 60 % 60);
	*at++ = ':';
	at = put_number(at, 2, seconds % 60);
	*at++ = '.';
	at = put_number(at, 6, time % MICROS_PER_SECOND);
	memcpy(at, "+00:00", 7);
}

void stamp_json(struct buf *b, int64_t micros)
{
	char text[STAMP_LEN + 1];

	if (micros == STAMP_NONE) {
		buf_text(b, "null");
		return;
	}
	stamp_format(micros, text);
	buf_char(b, '"');
	buf_add(b, text, STAMP_LEN);
	buf_char(b, '"');
}
