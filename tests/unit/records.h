/* records: what the tests of records, jobs, runs and artifacts make their records with. */
#pragma once
#include "daemon/record.h"
#include "proto/scan.h"
#include "tests/unit/unit.h"

#define CLEAN __attribute__((cleanup(buf_free))) struct buf
#define NOW_TEXT "2026-11-22T16:50:00.123456+00:00"

static inline int64_t records_time(const char *text)
{
	int64_t micros;
	ck_assert_msg(stamp_parse(span_of(text), &micros), "%s", text);
	return micros;
}

static inline int64_t records_now(void)
{
	return records_time(NOW_TEXT);
}

static inline void records_expect(const struct buf *got, const char *expected)
{
	ck_assert_msg(span_is(buf_as_span(got), span_of(expected)), "\n     got %.*s\nexpected %s", (int)got->len, got->at, expected);
}

static inline void records_expect_end(const struct buf *got, const char *expected)
{
	size_t len = strlen(expected);
	ck_assert_msg(got->len >= len && memcmp(got->at + got->len - len, expected, len) == 0,
	              "%.*s does not end with %s", (int)got->len, got->at, expected);
}

/* What who has put the text together says of it is what reading it finds. */
static inline void records_expect_layout(enum table_id t, struct span text, const struct layout *said)
{
	struct members m;
	struct layout is;
	ck_assert(members_read(t, text, NULL, &m));
	layout_of(t, text, &m, &is);
	ck_assert_int_eq(said->regular, is.regular);
	for (int i = 0; is.regular && spec_fields(t)[i].name; i++)
		ck_assert_uint_eq(said->ends[i], is.ends[i]);
}

/* As a file has it: read, and made a record with one reference. */
static inline struct record *records_make(enum table_id t, const char *json)
{
	CLEAN text = {0};
	struct fault fault;
	struct record_keys keys;
	size_t at;
	ck_assert_msg(record_read(&text, t, span_of(json), 7, false, records_now(), &fault, &at), "%s: %s", json,
	              fault.message);
	struct record *r = record_new(t, buf_as_span(&text), &keys);
	ck_assert_ptr_nonnull(r);
	return r;
}

static inline struct span records_text(struct buf *out, const struct record *r)
{
	out->len = 0;
	record_text(out, r);
	return buf_as_span(out);
}

static inline struct span records_value(enum table_id t, const struct record *r, int field)
{
	struct members m;
	record_open(t, r, &m);
	return m.value[field];
}

static inline void records_drop(struct record **r)
{
	record_unref(*r);
}

#define RECORD __attribute__((cleanup(records_drop))) struct record
