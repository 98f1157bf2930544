/* Bytes of a connection, as they come: lines of any text, requests and others, through framing and dispatch into a store
 * with a few records in it. */
#include "proto/frame.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/served.h"
#include "daemon/ahead.h"

static const char *const before[] = {
	"{\"jsonrpc\":\"2.0\",\"method\":\"job.save\",\"params\":{\"job\":{\"id\":\"a\",\"type\":\"backtest\",\"status\":\"running\"}}}",
	"{\"jsonrpc\":\"2.0\",\"method\":\"job.save\",\"params\":{\"job\":{\"id\":\"b\",\"status\":\"completed\",\"payload\":{\"n\":1}}}}",
	"{\"jsonrpc\":\"2.0\",\"method\":\"run.create_or_update\",\"params\":{\"run_id\":\"r\",\"kind\":\"grid\",\"meta\":{\"k\":\"v\"}}}",
};

static void take_lines(struct served *s, struct frame *f)
{
	struct span line;
	for (enum frame_next next; (next = frame_next(f, &line)) != FRAME_MORE;) {
		if (next != FRAME_LINE)
			continue;
		ahead_look(s->service.store, frame_unread(f));
		served_line(s, 0, line);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct served s;
	struct frame f;

	s = (struct served){0};
	served_open(&s, false, ROLE_READ);
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++)
		served_line(&s, 0, span_of(before[i]));
	served_turn(&s);
	while (served_job(&s))
		;
	frame_init(&f, s.service.limits.line);
	struct span shared = fuzz_copy((struct span){(const char *)bytes, size});
	frame_lend(&f, (char *)shared.at, shared.len);
	take_lines(&s, &f);
	frame_keep(&f);
	free((char *)shared.at);
	frame_end(&f);
	take_lines(&s, &f);
	frame_free(&f);
	served_close(&s, size % 2);
	return 0;
}
