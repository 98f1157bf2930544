#include "client/enter.h"
#include "client/result.h"
#include "client/trouble.h"
#include "proto/mem.h"
#include "proto/rpc.h"
#include "proto/scan.h"
#include <stdlib.h>

struct outcome {
	persist_result *result; /* NULL: error */
	persist_error error;
};

struct persist_batch {
	persist_client *client;
	struct buf requests;    /* one a line, numbered from 0 */
	struct outcome *outcomes;
	unsigned count;
	bool repeatable, ran, done, failed;
};

persist_batch *persist_batch_new(persist_client *c)
{
	persist_batch *b = mem_zero(sizeof *b);
	b->client = c;
	b->repeatable = true;
	return b;
}

static void outcome_fail(struct outcome *o, const persist_error *e)
{
	persist_result_free(o->result);
	*o = (struct outcome){.error = *e};
}

int persist_batch_add(persist_batch *b, const char *method, persist_value params, persist_error *error)
{
	persist_error e;
	if (b->ran)
		trouble_set(&e, PERSIST_E_MISUSE, 0, "this batch has been run");
	/* the number is its place; running it adds the first id */
	else if (request_put(&b->requests, method, params, b->count, &e)) {
		b->outcomes = mem_resize(b->outcomes, (b->count + 1) * sizeof *b->outcomes);
		trouble_set(&e, PERSIST_E_PROTOCOL, 0, "the daemon did not answer this call of the batch");
		e.outcome = engine_repeatable(method) ? PERSIST_DID_NOT_HAPPEN : PERSIST_UNKNOWN;
		b->outcomes[b->count] = (struct outcome){.error = e};
		b->repeatable &= engine_repeatable(method);
		return (int)b->count++;
	}
	int code = trouble_give(error, &e);
	return code > 0 ? -code : code;
}

/* The line: the requests with the ids of this client. */
static void write_line(persist_batch *b, struct call *call)
{
	struct span rest = buf_as_span(&b->requests), name, value;
	buf_char(&call->line, '[');
	for (unsigned i = 0; i < b->count; i++) {
		const char *end = memchr(rest.at, '\n', rest.len);
		struct span request = {rest.at, (size_t)(end - rest.at)};
		buf_text(&call->line, i ? ",{" : "{");
		for (struct scan_iter it = scan_members(request); scan_next_member(&it, &name, &value);) {
			buf_char(&call->line, '"');
			buf_span(&call->line, name);
			buf_text(&call->line, "\":");
			if (scan_name_is(name, "id"))
				buf_int(&call->line, call->id + i);
			else
				buf_span(&call->line, value);
			buf_char(&call->line, ',');
		}
		call->line.at[call->line.len - 1] = '}';
		rest.len -= (size_t)(end + 1 - rest.at);
		rest.at = end + 1;
	}
	buf_text(&call->line, "]\n");
}

static void take_reply(persist_batch *b, int64_t first, struct span reply)
{
	struct rpc_message m;
	struct fault fault;
	int64_t id;
	double real;
	if (rpc_read(reply, &m, &fault) != RPC_REPLY || !m.id.at || scan_number(m.id, &id, &real) != SCAN_INT ||
	    id < first || id - first >= b->count)
		return;
	struct outcome *o = &b->outcomes[id - first];
	persist_result_free(o->result);
	o->result = m.error.at ? NULL : result_new(m.result);
	if (m.error.at)
		trouble_from_reply(&o->error, m.error);
}

static void take_replies(struct call *call, struct span replies, const persist_error *error)
{
	persist_batch *b = call->arg;
	struct span reply;
	b->done = true;
	b->failed = error != NULL;
	if (error)
		for (unsigned i = 0; i < b->count; i++)
			outcome_fail(&b->outcomes[i], error);
	else
		for (struct scan_iter it = scan_elements(replies); scan_next_element(&it, &reply);)
			take_reply(b, call->id, reply);
}

static int run(persist_batch *b, persist_error *error)
{
	persist_client *c = b->client;
	struct call *call = engine_call(c, "");
	call->batch = b->count;
	call->id = engine_id(c, b->count);
	call->repeatable = b->repeatable;
	write_line(b, call);
	call->done = take_replies;
	call->arg = b;
	b->ran = true;
	for (engine_submit(c, call); !b->done;) {
		engine_turn(c);
		if (!b->done)
			engine_wait(c);
	}
	return b->failed ? trouble_give(error, &b->outcomes[0].error) : 0;
}

int persist_batch_run(persist_batch *b, persist_error *error)
{
	persist_error e;
	if (b->ran) {
		trouble_set(&e, PERSIST_E_MISUSE, 0, "this batch has been run");
		return trouble_give(error, &e);
	}
	if (!b->count)
		return 0;
	if (!enter(b->client, true, &e)) {
		for (unsigned i = 0; i < b->count; i++)
			outcome_fail(&b->outcomes[i], &e);
		return trouble_give(error, &e);
	}
	int code = run(b, error);
	leave(b->client);
	return code;
}

int persist_batch_result(persist_batch *b, int place, persist_result **result, persist_error *error)
{
	persist_error e;
	if (result)
		*result = NULL;
	if (place < 0 || (unsigned)place >= b->count || !b->ran) {
		trouble_argument(&e, "place", "the place of a call of a batch that has been run");
		return trouble_give(error, &e);
	}
	struct outcome *o = &b->outcomes[place];
	if (!o->result)
		return trouble_give(error, &o->error);
	if (result)
		*result = o->result;
	return 0;
}

void persist_batch_free(persist_batch *b)
{
	if (!b)
		return;
	for (unsigned i = 0; i < b->count; i++)
		persist_result_free(b->outcomes[i].result);
	free(b->outcomes);
	buf_free(&b->requests);
	free(b);
}
