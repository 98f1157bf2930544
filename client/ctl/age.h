/* age: times and lengths of time as people say and read them.
 *
 * Read: "90s", "15m", "2h", "3d", "1w" (and 1h30m), "now", "today", "yesterday", a date, or RFC 3339. What
 * lacks an offset is local time, or UTC where the screen's times are. Microseconds throughout. */
#pragma once
#include "client/ctl/screen.h"

/* "3 min ago", "in 2 h", "yesterday", "5 days ago", past a month the date; where the screen wants it
 * "2026-11-22 17:50:00" (in UTC with a Z). */
void age_show(struct buf *out, const struct screen *s, int64_t micros);
/* "2026-11-22 17:50:00" whatever the screen wants. */
void age_date(struct buf *out, const struct screen *s, int64_t micros);
/* "340 ms", "12 s", "3 min 20 s", "2 h 5 min", "3 d 4 h" */
void age_length(struct buf *out, int64_t micros);

/* A point in time: a length of time is that long ago. */
bool age_parse(const struct screen *s, const char *text, int64_t *micros);
/* A length of time: "2h", "1h30m"; with `bare` also a plain number, of seconds. Not negative. */
bool age_parse_length(const char *text, bool bare, int64_t *micros);
extern const char age_expected[]; /* what age_parse takes, for complaints */
