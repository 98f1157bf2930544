/* stamp: points in time, as text and as microseconds since 1970 UTC.
 *
 * Accepted: RFC 3339 with T, t or a space between date and time, 0 to 9 digits of a second's fraction (beyond
 * six are cut), Z, z, an offset (±hh:mm, also ±hhmm), or no offset, which is UTC; years 0001 to 9999; second
 * 60 counts as the next minute's 0. */
#pragma once
#include "proto/buf.h"

#define STAMP_NONE INT64_MIN /* no time: sorts before every time */
enum { STAMP_LEN = 32 };     /* 2026-11-22T16:50:00.123456+00:00 */

bool stamp_parse(struct span text, int64_t *micros);
void stamp_format(int64_t micros, char out[STAMP_LEN + 1]);
void stamp_json(struct buf *b, int64_t micros); /* with quotes; STAMP_NONE: null */
