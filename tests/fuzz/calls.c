/* Every method with parameters of every kind, made of the rows of the spec, in any order and from two clients, through the
 * real dispatch, store and journal, over a disk that fails where the input says so; and what the answers must be. */
#include "tests/fuzz/place.h"
#include "tests/fuzz/requests.h"
#include "tests/fuzz/served.h"
#include <errno.h>

enum { STEPS = 80, IDS = 512 };

struct conversation {
	struct requests requests;
	bool answered[IDS];
};

/* Each call is answered once, under its own id. */
static void hear_one(struct conversation *c, struct span reply)
{
	struct span id;
	int64_t whole;
	double real;

	if (!scan_member(reply, "id", &id) || scan_kind(id) == SCAN_NULL)
		return;
	if (scan_kind(id) == SCAN_STRING)
		id = (struct span){id.at + 1, id.len - 2};
	if (scan_number(id, &whole, &real) != SCAN_INT || whole < 1 || whole > c->requests.next_id || whole >= IDS)
		return; /* of a raw line */
	FUZZ_EXPECT(!c->answered[whole]);
	c->answered[whole] = true;
}

static void hear(void *context, struct span line)
{
	struct conversation *c = context;
	struct span reply;

	if (scan_kind(line) == SCAN_ARRAY)
		for (struct scan_iter it = scan_elements(line); scan_next_element(&it, &reply);)
			hear_one(c, reply);
	else
		hear_one(c, line);
	requests_learn(&c->requests, line);
}

static void batch(struct requests *r, struct buf *line)
{
	unsigned count = 1 + fuzz_below(&r->in, 6);
	buf_char(line, '[');
	for (unsigned i = 0; i < count; i++) {
		if (i)
			buf_char(line, ',');
		requests_one(r, line);
	}
	buf_char(line, ']');
}

/* An artifact as a Python class may have left it there. */
static void plant(struct fuzz_input *in)
{
	size_t len = fuzz_below(in, 64);
	len = len < in->left ? len : in->left;
	place_write("artifacts/planted.json", (struct span){(const char *)in->at, len});
	in->at += len;
	in->left -= len;
}

static void fault(struct served *s, struct fuzz_input *in)
{
	static const int numbers[] = {ENOSPC, EIO, EMFILE, EDQUOT, EROFS};
	struct faulty_plan plan = {.call = (enum faulty_call)fuzz_below(in, FAULTY_CALLS), .nth = fuzz_below(in, 24),
	                           .number = numbers[fuzz_below(in, 5)]};
	unsigned how = fuzz_below(in, 4);
	plan.sticky = how == 1;
	plan.times = how == 2 ? 3 : 0;
	plan.done = how == 3 && plan.call == FAULTY_RENAMEAT;
	served_fault(s, plan);
}

static void act(struct served *s, struct requests *r)
{
	uint8_t what = fuzz_byte(&r->in);
	unsigned client = what >> 7;
	struct buf line = {0};

	switch (what % 16) {
	case 9: batch(r, &line); break;
	case 10: served_turn(s); break;
	case 11: served_job(s); break;
	case 12: served_wait(s, 1u << fuzz_below(&r->in, 20)); break;
	case 13: served_hang_up(s, client); break;
	case 14: fault(s, &r->in); break;
	case 15: plant(&r->in); break;
	default: requests_one(r, &line);
	}
	if (line.len)
		served_line(s, client, buf_as_span(&line));
	buf_free(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct conversation c = {.requests.in = {bytes, size}};
	struct served s = {.reply = hear, .context = &c};
	uint8_t how = fuzz_byte(&c.requests.in);

	served_open(&s, how & 1, (enum role)(how >> 2 & 3));
	for (int i = 0; i < STEPS && c.requests.in.left && c.requests.next_id < IDS - 8; i++)
		act(&s, &c.requests);
	served_close(&s, how & 2);
	return 0;
}
