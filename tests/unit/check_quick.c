/* quick: whatever it takes, the slow way takes too and reads the same; and it does take what clients write. */
#include "proto/quick.h"
#include "proto/rpc.h"
#include "tests/unit/unit.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const usual[] = {
	"{\"jsonrpc\":\"2.0\",\"method\":\"job.get\",\"params\":{\"id\":\"nightly-1\"},\"id\":17}",
	"{\"jsonrpc\": \"2.0\", \"id\": \"a-1\", \"method\": \"job.get\", \"params\": {\"id\": \"nightly-1\"}}",
	"{\"jsonrpc\":\"2.0\",\"method\":\"job.update_progress\",\"params\":{\"id\":\"j\",\"progress\":"
	"{\"current\":3,\"total\":100,\"message\":\"step 3 of 100\"}},\"id\":1}",
	"{\"jsonrpc\":\"2.0\",\"method\":\"job.update_progress\",\"params\":{\"id\":\"j\",\"progress\":"
	"{\"current\":12.5,\"total\":100,\"message\":\"\"}}}",
	"{\"method\": \"job.update_progress\", \"params\": {\"id\": \"j\", \"progress\": "
	"{\"current\": 3, \"total\": 0, \"message\": \"x\"}}, \"jsonrpc\": \"2.0\"}",
};

START_TEST(what_clients_write_is_taken)
{
	struct quick q;

	for (size_t i = 0; i < COUNT(usual); i++)
		ck_assert_msg(quick_read(span_of(usual[i]), &q), "%s", usual[i]);
	ck_assert(quick_read(span_of(usual[0]), &q));
	ck_assert_int_eq(q.method, JOB_GET);
	ck_assert(span_is(q.id, SPAN("17")) && span_is(q.job, SPAN("nightly-1")));
	ck_assert(quick_read(span_of(usual[3]), &q));
	ck_assert(!q.id.at && span_is(q.progress, SPAN("{\"current\":12.5,\"total\":100,\"message\":\"\"}")));
}
END_TEST

static uint64_t state = 88172645463325252u;

static unsigned pick(size_t limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state % limit);
}

/* The slow way's reading of a line that the quick one has taken. */
static void agrees(struct span line, const struct quick *q)
{
	static struct params slow, quick;
	static struct buf scratch;
	struct scan_report report;
	struct rpc_message m;
	struct fault fault;
	const char *near;

	scratch.len = 0;
	ck_assert_msg(scan_check(line, SCAN_DEPTH_WIRE, &report) == SCAN_OK, "%.*s", (int)line.len, line.at);
	ck_assert_uint_eq(report.number_at, SIZE_MAX);
	enum rpc_shape shape = rpc_read(line, NULL, &m, &fault);
	ck_assert_msg(shape == (q->id.at ? RPC_CALL : RPC_NOTIFICATION), "%.*s", (int)line.len, line.at);
	ck_assert(spec_find(m.method, &near) == &spec_methods[q->method]);
	ck_assert(m.id.at == q->id.at && m.id.len == q->id.len);
	ck_assert(m.params.at == q->params.at && m.params.len == q->params.len);
	ck_assert_msg(params_read(&spec_methods[q->method], m.params, NULL, &slow, &scratch, &fault), "%.*s: %s",
	              (int)line.len, line.at, fault.message);
	quick_params(q, &quick);
	for (unsigned i = 0; i < spec_methods[q->method].param_count; i++) {
		const struct param *a = &slow.at[i], *b = &quick.at[i];
		ck_assert(a->present == b->present && a->text.at == b->text.at && a->text.len == b->text.len);
		ck_assert(span_is(a->string, b->string));
	}
}

/* What has been taken as canonical is, and its numbers are what they say. */
static void progress_agrees(struct span object)
{
	double current, total, number;
	int64_t whole;
	struct span value;
	struct buf canonical = {0};

	if (!quick_progress(object, &current, &total))
		return;
	scan_canonical(&canonical, object);
	ck_assert_msg(span_is(buf_as_span(&canonical), object), "%.*s", (int)object.len, object.at);
	ck_assert(scan_member(object, "current", &value) && scan_number(value, &whole, &number) != SCAN_NAN);
	ck_assert(number == current);
	ck_assert(scan_member(object, "total", &value) && scan_number(value, &whole, &number) != SCAN_NAN);
	ck_assert(number == total);
	ck_assert_uint_eq(scan_count(object), 3);
	buf_free(&canonical);
}

static const char *const pieces[] = {
	"\"", "\\", "{", "}", ",", ":", " ", "0", "1", "-", ".", ".5", "e5", "00", "0.1", "10.50", "999999999999999", "1.0",
	"\"id\":", "\"params\":", "\"jsonrpc\":\"2.0\"", "\"method\":\"job.get\"", "null", "\"a\"", "é", "\xff", "\x7f", "\t", "\\u0061",
	"\"fields\":[\"id\"]", "\"current\":1,", "\"message\":\"m\"", "\"progress\":{}", "123456789.123456", "x", "/", "\"percentage\":3,",
};

static void mutate(struct buf *b)
{
	size_t at = pick(b->len + 1), cut = pick(3) ? 0 : pick(8);
	struct buf tail = {0};

	if (cut > b->len - at)
		cut = b->len - at;
	buf_add(&tail, b->at + at + cut, b->len - at - cut);
	b->len = at;
	if (pick(4))
		buf_text(b, pieces[pick(COUNT(pieces))]);
	buf_span(b, buf_as_span(&tail));
	buf_free(&tail);
}

START_TEST(what_is_taken_is_what_the_slow_way_would_have_read)
{
	unsigned taken = 0, rounds = 100000;

	for (unsigned i = 0; i < rounds; i++) {
		struct buf b = {0};
		struct quick q;
		buf_text(&b, usual[pick(COUNT(usual))]);
		for (unsigned n = pick(3); n > 0; n--)
			mutate(&b);
		char *copy = malloc(b.len ? b.len : 1); /* exactly as long, for AddressSanitizer */
		if (b.len)
			memcpy(copy, b.at, b.len);
		struct span line = {copy, b.len};
		if (quick_read(line, &q)) {
			taken++;
			agrees(line, &q);
			if (q.progress.at)
				progress_agrees(q.progress);
		}
		free(copy);
		buf_free(&b);
	}
	ck_assert_uint_gt(taken, rounds / 5);
	ck_assert_uint_lt(taken, rounds * 4 / 5);
}
END_TEST

START_TEST(a_progress_as_it_is_stored_is_known_by_its_look_alone)
{
	double current, total;

	ck_assert(quick_progress(SPAN("{\"current\":1,\"total\":4,\"message\":\"a\"}"), &current, &total));
	ck_assert(current == 1 && total == 4);
	ck_assert(quick_progress(SPAN("{\"current\":12.25,\"total\":99.0,\"message\":\"\"}"), &current, &total));
	ck_assert(current == 12.25 && total == 99);
	ck_assert(!quick_progress(SPAN("{\"total\":4,\"current\":1,\"message\":\"a\"}"), &current, &total));
	ck_assert(!quick_progress(SPAN("{\"current\": 1,\"total\":4,\"message\":\"a\"}"), &current, &total));
	ck_assert(!quick_progress(SPAN("{\"current\":1.50,\"total\":4,\"message\":\"a\"}"), &current, &total));
	ck_assert(!quick_progress(SPAN("{\"current\":1,\"total\":4}"), &current, &total));
	ck_assert(!quick_progress(SPAN("{}"), &current, &total));
	ck_assert(!quick_progress((struct span){0}, &current, &total));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("quick");
	TCase *tests = tcase_create("quick");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, ident_init, NULL);
	tcase_add_test(tests, what_clients_write_is_taken);
	tcase_add_test(tests, what_is_taken_is_what_the_slow_way_would_have_read);
	tcase_add_test(tests, a_progress_as_it_is_stored_is_known_by_its_look_alone);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
