#include "daemon/pack.h"
#include "tests/unit/records.h"
#include <stdlib.h>
#include <string.h>

static unsigned pick(unsigned of) { return (unsigned)rand() % of; }

static void put_one(struct buf *out, const char *const values[], unsigned count) { buf_text(out, values[pick(count)]); }
#define PUT_ONE(out, values) put_one(out, values, sizeof(values) / sizeof((values)[0]))

/* Lengths around those at which something changes. */
static void put_string(struct buf *out, unsigned scale)
{
	static const char *const parts[] = {"a", "word ", "é", "\\n", "\\\"", "\\u0001", "\",\\\"status\\\":\\\"", "}", "{", "\xf0\x9f\x98\x80"};
	static const unsigned lengths[] = {0, 1, 16, 29, 30, 31, 32, 33, 60, 120, 124, 125, 126, 127, 128, 129, 200, 255, 256, 257, 600};
	unsigned wanted = lengths[pick(sizeof lengths / sizeof lengths[0])] * scale;
	size_t start = out->len;
	bool odd = pick(4) == 0;
	buf_char(out, '"');
	while (out->len - start < wanted + 1)
		if (odd)
			PUT_ONE(out, ((const char *const[]){parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], parts[7], parts[8], parts[9]}));
		else
			buf_char(out, (char)('a' + pick(26)));
	buf_char(out, '"');
}

static void put_object(struct buf *out)
{
	static const char *const objects[] = {"{}", "{\"a\":1}", "{\"progress\":null}", "{\"x\":{\"y\":[1,2.5,null,{}]}}",
	                                      "{\"created_at\":\"2026-11-22T16:50:00.123456+00:00\"}", "[]", "[1,\"}\"]", "17", "\"}\""};
	if (pick(3) == 0) {
		PUT_ONE(out, objects);
		return;
	}
	buf_text(out, "{\"text\":");
	put_string(out, pick(20) ? 1 : 40);
	buf_char(out, '}');
}

static void put_time(struct buf *out)
{
	static const char *const odd[] = {
		"null", "\"2026-11-22T16:50:00Z\"", "\"2026-11-22 16:50:00.123456+00:00\"", "\"2026-11-22T16:50:00.123456+01:00\"",
		"\"2026-11-22T16:50:00.123456-00:00\"", "\"1999-12-31T23:59:60.000000+00:00\"", "\"2026-11-22t16:50:00.123456+00:00\"",
		"\"2026-11-22T16:50:00.12345+00:000\"", "\"2999-11-22T16:50:00.123456+00:00\"", "\"2026-11-22T16:50:00,123456+00:00\"",
		"\"20:6-11-22T16:50:00.123456+00:00\"", "\"2026-11-22T16:5?:00.123456+00:00\"", "\"2026-11-22T16:50:00.12345j+00:00\"",
		"\"2026-1\303\25122T16:50:00.123456+00:00\"", "false", "3"};
	if (pick(4) == 0)
		PUT_ONE(out, odd);
	else
		stamp_json(out, records_now() + (int64_t)rand() * (rand() % 100000));
}

static void put_progress(struct buf *out)
{
	static const char *const odd[] = {"null", "null", "null", "{}", "[1,2]", "\"half\"", "{\"current\":1}", "{\"total\":5,\"current\":1,\"message\":\"m\"}",
	                                  "{\"current\":1,\"total\":2,\"message\":\"}\",\"percentage\":5.0}", "true", "\"}\""};
	if (pick(2)) {
		PUT_ONE(out, odd);
		return;
	}
	buf_printf(out, "{\"current\":%u,\"total\":%u,\"message\":", pick(200), pick(200));
	put_string(out, 1);
	if (pick(5) == 0)
		buf_text(out, ",\"eta\":[1,{}]");
	buf_char(out, '}');
}

static void put_value(struct buf *out, enum table_id t, int field)
{
	const struct spec_field *f = &spec_fields(t)[field];
	if (t == TABLE_JOBS && field == JOB_PROGRESS) {
		put_progress(out);
	} else if (f->type == SPEC_TIME) {
		put_time(out);
	} else if (f->choices) {
		unsigned count = 0;
		while (f->choices[count])
			count++;
		buf_printf(out, "\"%s\"", pick(6) ? f->choices[pick(count)] : pick(2) ? "odd one" : "");
	} else if (f->type == SPEC_INT) {
		buf_printf(out, "%u", 1 + pick(1000000));
	} else if (f->type == SPEC_IDENT || f->type == SPEC_KIND) {
		if (f->fallback && pick(3) == 0)
			buf_text(out, f->fallback);
		else
			buf_printf(out, "\"name_%u\"", pick(50));
	} else if (pick(2)) {
		buf_text(out, f->fallback ? f->fallback : "null");
	} else if (f->type == SPEC_STRING) {
		put_string(out, 1);
	} else {
		put_object(out);
	}
}

/* As a record lies on the disk, mostly; now and then as no record does. */
static void put_record(struct buf *out, enum table_id t)
{
	const struct spec_field *fields = spec_fields(t);
	static const char *const unknown[] = {",\"tags\":[]", ",\"x\":\"2026-11-22T16:50:00.123456+00:00\"", ",\"\\u0069d\":1", ",\"e\":{\"revision\":7}"};
	int left_out = pick(40) ? -1 : (int)pick(12) + 1;
	unsigned id_len = pick(8) ? 1 + pick(34) : 1 + pick(160);
	buf_text(out, "{\"id\":\"");
	for (unsigned i = 0; i < id_len; i++)
		buf_char(out, (char)('a' + pick(26)));
	buf_char(out, '"');
	for (int i = 1; fields[i].name; i++) {
		if (i == left_out || (t == TABLE_ARTIFACTS && i == ARTIFACT_PATH))
			continue;
		members_put_name(out, &fields[i]);
		put_value(out, t, i);
	}
	while (pick(4) == 0)
		PUT_ONE(out, unknown);
	buf_char(out, '}');
}

static void same_span(struct span a, struct span b, const char *what, struct span text)
{
	ck_assert_msg(!a.at == !b.at && (!a.at || span_is(a, b)), "%s: %.*s and %.*s of %.*s", what, (int)a.len, a.at, (int)b.len, b.at,
	              (int)text.len, text.at);
}

static void expect_text(const struct record *r, struct span text)
{
	CLEAN unpacked = {0};
	buf_text(&unpacked, "before");
	record_text(&unpacked, r);
	same_span((struct span){unpacked.at + 6, unpacked.len - 6}, text, "text", text);
}

/* What is read in it is what its text says. */
static void expect_values(enum table_id t, const struct record *r, const struct record_keys *made, struct span text)
{
	struct record_keys keys;
	struct members is, was;
	ck_assert(members_read(t, text, NULL, &was));
	record_open(t, r, &is);
	for (int i = 0; spec_fields(t)[i].name; i++)
		same_span(is.value[i], was.value[i], spec_fields(t)[i].name, text);
	ck_assert_int_eq(is.has_unknown, was.has_unknown);
	record_keys(t, r, &keys);
	ck_assert(keys.time == made->time && keys.end == made->end);
	same_span(keys.id, made->id, "id", text);
	same_span(keys.a, made->a, "a", text);
	same_span(keys.b, made->b, "b", text);
	same_span(keys.meta, made->meta, "meta", text);
	if (t == TABLE_RUNS && scan_kind(was.value[RUN_META]) == SCAN_OBJECT)
		same_span(made->meta, was.value[RUN_META], "meta", text);
	if (keys.a.len)
		ck_assert(was.value[t == TABLE_JOBS ? JOB_STATUS : t == TABLE_RUNS ? RUN_STATUS : ARTIFACT_RUN_ID].len == keys.a.len + 2);
}

/* The members of both in their order, but for progress: of that, what is sent. */
static struct span expect_sent(struct span sent, struct span text)
{
	struct scan_iter is = scan_members(sent), was = scan_members(text);
	struct span is_name, is_value, was_name, was_value, progress = {0};
	while (scan_next_member(&was, &was_name, &was_value)) {
		ck_assert(scan_next_member(&is, &is_name, &is_value));
		same_span(is_name, was_name, "a name", text);
		if (span_is(is_name, SPAN("progress")))
			progress = is_value;
		else
			same_span(is_value, was_value, "a value", text);
	}
	ck_assert(!scan_next_member(&is, &is_name, &is_value));
	ck_assert(!is.bad && !was.bad);
	return progress;
}

static void expect_replies(const struct record *r, struct span text)
{
	static const char live_text[] = "{\"current\":3,\"total\":4,\"message\":\"}\"}";
	static _Alignas(8) char room[sizeof(struct live) + sizeof live_text];
	struct live *live = (struct live *)(void *)room;
	struct span stored, value;
	CLEAN sent = {0}, fields = {0}, folded = {0};
	*live = (struct live){.len = sizeof live_text - 1, .cap = sizeof live_text - 1, .current = 3, .total = 4};
	memcpy(live->text, live_text, sizeof live_text - 1);

	buf_text(&sent, "before");
	record_send(&sent, TABLE_JOBS, r, NULL, RECORD_ALL, NULL);
	struct span got = {sent.at + 6, sent.len - 6}, progress = expect_sent(got, text);
	record_send(&fields, TABLE_JOBS, r, NULL, 1u << JOB_PROGRESS, NULL);
	ck_assert(scan_member(buf_as_span(&fields), "progress", &value));
	same_span(progress, value, "progress", text);
	ck_assert(scan_member(text, "progress", &stored));
	if (scan_kind(stored) != SCAN_OBJECT)
		same_span(progress, stored, "progress", text);

	sent.len = 0;
	record_send(&sent, TABLE_JOBS, r, live, RECORD_ALL, NULL);
	progress = expect_sent(buf_as_span(&sent), text);
	same_span(progress, SPAN("{\"current\":3,\"total\":4,\"message\":\"}\",\"percentage\":75.0}"), "live progress", text);
	record_with_live(&folded, r, live);
	progress = expect_sent(buf_as_span(&folded), text);
	same_span(progress, SPAN(live_text), "folded progress", text);
}

START_TEST(any_record_comes_back_to_the_byte)
{
	unsigned made = 0;
	srand((unsigned)_i);
	for (int i = 0; i < 1500; i++) {
		enum table_id t = (enum table_id)pick(TABLE_COUNT);
		CLEAN text = {0};
		struct record_keys keys;
		put_record(&text, t);
		RECORD *r = record_new(t, buf_as_span(&text), &keys);
		if (!r) /* an odd time where it is found by it */
			continue;
		made++;
		ck_assert(keys.id.at == record_id(r).at);
		expect_text(r, buf_as_span(&text));
		expect_values(t, r, &keys, buf_as_span(&text));
		if (t == TABLE_JOBS)
			expect_replies(r, buf_as_span(&text));
	}
	ck_assert_uint_gt(made, 400);
}
END_TEST

/* Each byte in its turn, whatever it becomes: what is taken for a record comes back as it was. */
START_TEST(a_record_with_a_wrong_byte_comes_back_with_it)
{
	static const char bytes[] = " \"\\{}[]:,0-9azTn\x00\x1f\x80\xff";
	for (unsigned seed = 0; seed < 30; seed++) {
		enum table_id t = (enum table_id)(seed % TABLE_COUNT);
		CLEAN text = {0};
		srand(seed);
		do {
			text.len = 0;
			put_record(&text, t);
		} while (text.len > 1500);
		for (size_t at = 0; at < text.len; at++) {
			char was = text.at[at];
			struct record_keys keys;
			text.at[at] = bytes[pick(sizeof bytes)];
			RECORD *r = record_new(t, buf_as_span(&text), &keys);
			if (r)
				expect_text(r, buf_as_span(&text));
			text.at[at] = was;
		}
	}
}
END_TEST

static void put_filling(struct buf *out, size_t len)
{
	memset(buf_room(out, len), 'n', len);
	out->len += len;
}

static void put_job(struct buf *out, size_t note, size_t owner)
{
	buf_text(out, "{\"id\":\"job-00000007-0badcafe\",\"type\":\"backtest\",\"status\":\"running\",\"payload\":{\"note\":\"");
	put_filling(out, note);
	buf_text(out, "\"},\"progress\":{\"current\":7,\"total\":5000,\"message\":\"Loading\"},\"result\":null,\"created_at\":\"" NOW_TEXT "\","
	              "\"started_at\":\"" NOW_TEXT "\",\"completed_at\":null,\"error\":null,\"metadata\":{\"owner\":\"");
	put_filling(out, owner);
	buf_text(out, "\"},\"updated_at\":\"" NOW_TEXT "\",\"revision\":123456}");
}

START_TEST(a_million_jobs_fit_into_memory)
{
	CLEAN job = {0}, run = {0};
	struct record_keys keys;
	put_job(&job, 217, 3);
	RECORD *r = record_new(TABLE_JOBS, buf_as_span(&job), &keys);
	ck_assert_uint_eq(job.len, 600);
	ck_assert_uint_lt(record_bytes(r), job.len - 90);
	buf_text(&run, "{\"id\":\"backtest_0123456789ab\",\"kind\":\"backtest\",\"status\":\"succeeded\",\"created_at\":\"" NOW_TEXT "\","
	               "\"updated_at\":\"" NOW_TEXT "\",\"started_at\":\"" NOW_TEXT "\",\"finished_at\":\"" NOW_TEXT "\",\"request\":{\"a\":1},"
	               "\"meta\":{\"k\":\"v\"},\"artifact_id\":null,\"error\":null,\"revision\":12}");
	RECORD *other = record_new(TABLE_RUNS, buf_as_span(&run), &keys);
	ck_assert_uint_lt(record_bytes(other), run.len - 100);
}
END_TEST

/* Around where a length takes more bytes, and where less is copied at once. */
START_TEST(records_of_any_length_come_back)
{
	static const size_t around[] = {0, 32, 255, 4096, 65536, 1 << 20};
	for (unsigned i = 0; i < sizeof around / sizeof around[0]; i++)
		for (size_t len = around[i] > 20 ? around[i] - 20 : 0; len < around[i] + 20; len++) {
			CLEAN text = {0};
			struct record_keys keys;
			put_job(&text, len, around[i] + 20 - len);
			RECORD *r = record_new(TABLE_JOBS, buf_as_span(&text), &keys);
			expect_text(r, buf_as_span(&text));
			if (len % 10 == 0)
				expect_replies(r, buf_as_span(&text));
		}
}
END_TEST

/* A file of another program may have its fields in any order, and some twice. */
START_TEST(fields_in_another_order_come_back)
{
	static const char *const members[] = {",\"type\":\"t+00:00\"", ",\"status\":\"failed\"", ",\"progress\":null", ",\"progress\":{\"current\":1}",
	                                      ",\"result\":null", ",\"created_at\":\"" NOW_TEXT "\"", ",\"started_at\":\"" NOW_TEXT "\"",
	                                      ",\"completed_at\":null", ",\"error\":null", ",\"metadata\":\"+00:00\"", ",\"updated_at\":\"" NOW_TEXT "\"",
	                                      ",\"revision\":5", ",\"result\":null,\"created_at\":null", ",\"type\":\"20\"", ",\"x\":1"};
	enum { COUNT = sizeof members / sizeof members[0] };
	unsigned made = 0;
	srand(1);
	for (int i = 0; i < 5000; i++) {
		CLEAN text = {0};
		struct record_keys keys;
		unsigned order[COUNT];
		for (unsigned k = 0; k < COUNT; k++) {
			unsigned other = pick(k + 1);
			order[k] = order[other];
			order[other] = k;
		}
		buf_text(&text, "{\"id\":\"a\"");
		for (unsigned k = 0; k < COUNT; k++)
			if (pick(20))
				buf_text(&text, members[order[k]]);
		buf_char(&text, '}');
		RECORD *r = record_new(TABLE_JOBS, buf_as_span(&text), &keys);
		if (!r)
			continue;
		made++;
		expect_text(r, buf_as_span(&text));
		expect_values(TABLE_JOBS, r, &keys, buf_as_span(&text));
	}
	ck_assert_uint_gt(made, 1000);
}
END_TEST

START_TEST(any_of_the_fields_may_be_null)
{
	for (int t = 0; t < TABLE_COUNT; t++) {
		const struct spec_field *fields = spec_fields((enum table_id)t);
		for (unsigned nulls = 0; nulls < 1u << 12; nulls++) {
			CLEAN text = {0};
			struct record_keys keys;
			buf_text(&text, "{\"id\":\"a\"");
			for (int i = 1; fields[i].name; i++) {
				if (t == TABLE_ARTIFACTS && i == ARTIFACT_PATH)
					continue;
				members_put_name(&text, &fields[i]);
				if (fields[i].choices)
					buf_printf(&text, "\"%s\"", fields[i].choices[nulls % 5]);
				else if (fields[i].type == SPEC_INT)
					buf_char(&text, '1');
				else if (fields[i].type == SPEC_IDENT || fields[i].type == SPEC_KIND)
					buf_text(&text, "\"b\"");
				else if (fields[i].type == SPEC_TIME && nulls >> i & 1)
					stamp_json(&text, records_now() + i);
				else
					buf_text(&text, nulls >> i & 1 ? "{\"a\":1}" : "null");
			}
			buf_char(&text, '}');
			RECORD *r = record_new((enum table_id)t, buf_as_span(&text), &keys);
			ck_assert_ptr_nonnull(r);
			ck_assert_uint_lt(r->head_len + r->packed_len, text.len);
			expect_text(r, buf_as_span(&text));
			expect_values((enum table_id)t, r, &keys, buf_as_span(&text));
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pack");
	TCase *tests = tcase_create("pack");
	ident_init();
	tcase_set_timeout(tests, 120);
	tcase_add_loop_test(tests, any_record_comes_back_to_the_byte, 1, 13);
	tcase_add_test(tests, a_record_with_a_wrong_byte_comes_back_with_it);
	tcase_add_test(tests, a_million_jobs_fit_into_memory);
	tcase_add_test(tests, records_of_any_length_come_back);
	tcase_add_test(tests, fields_in_another_order_come_back);
	tcase_add_test(tests, any_of_the_fields_may_be_null);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
