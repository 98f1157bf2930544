#include "client/ctl/age.h"
#include "proto/stamp.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

enum { DATE_LEN = 10, MILLISECOND = 1000, DATE_AFTER_DAYS = 30 };

const char age_expected[] = "a time such as 2h or 1h30m (ago; units s m h d w), yesterday, 2026-11-22, "
                            "\"2026-11-22 16:50\" or 2026-11-22T16:50:00Z";

static struct tm broken_down(const struct screen *s, int64_t micros)
{
	/* rounded down, before 1970 too */
	time_t seconds = micros / SECOND - (micros % SECOND < 0);
	struct tm tm = {0}; /* years of 64-bit microseconds fit: nothing can fail */

	if (s->utc)
		(void)gmtime_r(&seconds, &tm);
	else
		(void)localtime_r(&seconds, &tm);
	return tm;
}

static int64_t composed(const struct screen *s, struct tm tm)
{
	tm.tm_isdst = -1;
	return (s->utc ? timegm(&tm) : mktime(&tm)) * SECOND;
}

static int64_t midnight(const struct screen *s, int64_t micros, int days_before)
{
	struct tm tm = broken_down(s, micros);

	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_mday -= days_before;
	return composed(s, tm);
}

static void day_show(struct buf *out, const struct screen *s, int64_t micros)
{
	struct tm tm = broken_down(s, micros);
	buf_printf(out, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

void age_date(struct buf *out, const struct screen *s, int64_t micros)
{
	struct tm tm = broken_down(s, micros);

	day_show(out, s, micros);
	buf_printf(out, " %02d:%02d:%02d%s", tm.tm_hour, tm.tm_min, tm.tm_sec, s->utc ? "Z" : "");
}

static void some(struct buf *out, bool future, int64_t n, const char *unit)
{
	buf_printf(out, "%s%lld %s%s", future ? "in " : "", (long long)n, unit, future ? "" : " ago");
}

void age_show(struct buf *out, const struct screen *s, int64_t micros)
{
	int64_t age = s->now - micros;
	bool future = age < 0;

	if (future)
		age = -age;
	if (s->absolute)
		age_date(out, s, micros);
	else if (age < SECOND)
		buf_text(out, "now");
	else if (age < MINUTE)
		some(out, future, age / SECOND, "s");
	else if (age < HOUR)
		some(out, future, age / MINUTE, "min");
	else if (age < DAY)
		some(out, future, age / HOUR, "h");
	else if (!future && age < 2 * DAY)
		buf_text(out, micros >= midnight(s, s->now, 1) ? "yesterday" : "2 days ago");
	else if (age < DATE_AFTER_DAYS * DAY)
		some(out, future, age / DAY, age < 2 * DAY ? "day" : "days");
	else
		day_show(out, s, micros);
}

static void two(struct buf *out, int64_t big, const char *big_unit, int64_t small, const char *small_unit)
{
	buf_printf(out, "%lld %s", (long long)big, big_unit);
	if (small > 0)
		buf_printf(out, " %lld %s", (long long)small, small_unit);
}

void age_length(struct buf *out, int64_t micros)
{
	if (micros < 0)
		micros = 0;
	if (micros < SECOND)
		two(out, micros / MILLISECOND, "ms", 0, "");
	else if (micros < MINUTE)
		two(out, micros / SECOND, "s", 0, "");
	else if (micros < HOUR)
		two(out, micros / MINUTE, "min", micros % MINUTE / SECOND, "s");
	else if (micros < DAY)
		two(out, micros / HOUR, "h", micros % HOUR / MINUTE, "min");
	else
		two(out, micros / DAY, "d", micros % DAY / HOUR, "h");
}

static bool unit_of(const char **at, double *micros)
{
	static const struct {
		const char *name;
		int64_t micros;
	} units[] = {
		{"ms", SECOND / 1000}, {"min", MINUTE}, {"s", SECOND}, {"m", MINUTE}, {"h", HOUR}, {"d", DAY},
		{"w", 7 * DAY},
	};

	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		size_t len = strlen(units[i].name);
		if (strncmp(*at, units[i].name, len) != 0)
			continue;
		*micros = (double)units[i].micros;
		*at += len;
		return true;
	}
	return false;
}

static bool number_of(const char **at, double *number)
{
	char *end;

	/* strtod would also take a sign, blanks, nan and hexadecimal */
	if ((**at < '0' || **at > '9') && **at != '.')
		return false;
	if ((*at)[0] == '0' && ((*at)[1] | 0x20) == 'x')
		return false;
	*number = strtod(*at, &end);
	if (end == *at || !isfinite(*number))
		return false;
	*at = end;
	return true;
}

bool age_parse_length(const char *text, bool bare, int64_t *micros)
{
	static const double most = 1e17; /* three thousand years */
	double sum = 0, number, unit;
	const char *at = text;

	if (!*at)
		return false;
	while (*at) {
		if (!number_of(&at, &number))
			return false;
		if (bare && !*at && sum == 0)
			unit = (double)SECOND;
		else if (!unit_of(&at, &unit))
			return false;
		sum += number * unit;
	}
	if (sum > most)
		return false;
	*micros = (int64_t)sum;
	return true;
}

static bool has_offset(const char *text)
{
	size_t len = strlen(text);
	return len > DATE_LEN && strcspn(text + DATE_LEN, "zZ+-") < len - DATE_LEN;
}

/* A date, perhaps with a time, that lacks an offset: what it is in UTC, moved to the local time zone. */
static bool parse_local(const struct screen *s, const char *text, int64_t *micros)
{
	struct screen utc = {.utc = true};
	char whole[48];
	size_t len = strlen(text);
	int64_t read;
	bool date_only = len == DATE_LEN, minutes = len == DATE_LEN + 6;

	if (len < DATE_LEN || len >= sizeof whole - 10)
		return false;
	snprintf(whole, sizeof whole, "%s%s", text, date_only ? "T00:00:00" : minutes ? ":00" : "");
	if (!stamp_parse(span_of(whole), &read))
		return false;
	*micros = composed(s, broken_down(&utc, read)) + (read % SECOND + SECOND) % SECOND;
	return true;
}

bool age_parse(const struct screen *s, const char *text, int64_t *micros)
{
	int64_t length;

	if (strcmp(text, "now") == 0)
		*micros = s->now;
	else if (strcmp(text, "today") == 0)
		*micros = midnight(s, s->now, 0);
	else if (strcmp(text, "yesterday") == 0)
		*micros = midnight(s, s->now, 1);
	else if (age_parse_length(text, false, &length))
		*micros = s->now - length;
	else if (has_offset(text))
		return stamp_parse(span_of(text), micros);
	else
		return parse_local(s, text, micros);
	return true;
}
