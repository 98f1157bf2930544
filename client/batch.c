/* A batch is one call of the engine, whose answer is an array; what each of its calls came back with is found
 * by id. */
#include "client/args.h"
#include "client/client.h"
#include "proto/rpc.h"
#include "proto/scan.h"
#include <limits.h>
#include <stdlib.h>

/* One of its calls. */
struct part {
	int64_t id;
	bool repeatable;
	persist_result *result;
	persist_error *error;
};

struct persist_batch {
	persist_client *client;
	struct buf text; /* the line, but for its last bracket */
	struct part *parts;
	size_t count;
	bool has_run;
};

persist_batch *persist_batch_new(persist_client *c)
{
	persist_batch *b = mem_zero(sizeof *b);

	b->client = c;
	buf_char(&b->text, '[');
	return b;
}

void persist_batch_free(persist_batch *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->count; i++) {
		persist_result_free(b->parts[i].result);
		free(b->parts[i].error);
	}
	free(b->parts);
	buf_free(&b->text);
	free(b);
}

static int refuse_rerun(persist_error *error)
{
	failure_set(error, PERSIST_E_MISUSE, PERSIST_DID_NOT_HAPPEN, "this batch has been run");
	failure_hint(error, "make a new one: persist_batch_new()");
	return error->code;
}

/* In place of the newline: what separates it from the next. */
static void add_part(persist_batch *b, const char *method, int64_t id)
{
	b->text.at[b->text.len - 1] = ',';
	if ((b->count & (b->count - 1)) == 0) /* twice as much at each power of two */
		b->parts = mem_resize(b->parts, (b->count ? 2 * b->count : 1) * sizeof *b->parts);
	b->parts[b->count++] = (struct part){.id = id, .repeatable = call_is_repeatable(method)};
}

int persist_batch_add(persist_batch *b, const char *method, persist_value params, persist_error *error)
{
	persist_error mine, *e = failure_room(error, &mine);
	int place = -1;

	if (b->has_run)
		return -refuse_rerun(e);
	if (client_enter(b->client, USE_NOW, e) != 0)
		return -e->code;
	int64_t id = engine_new_id(&b->client->engine);
	if (b->count < INT_MAX && client_request(&b->text, method, params, ARGS_DEPTH_BATCH, id, e) == 0) {
		place = (int)b->count;
		add_part(b, method, id);
	}
	client_leave(b->client);
	return place >= 0 ? place : -e->code;
}

static struct call *call_of(persist_batch *b)
{
	struct call *call = call_new(CALL_BATCH);

	call->id = b->parts[0].id;
	call->ids = mem_alloc(b->count * sizeof *call->ids);
	call->count = b->count;
	call->repeatable = true;
	for (size_t i = 0; i < b->count; i++) {
		call->ids[i] = b->parts[i].id;
		call->repeatable = call->repeatable && b->parts[i].repeatable;
	}
	b->text.at[b->text.len - 1] = ']';
	buf_char(&b->text, '\n');
	call->text = b->text;
	b->text = (struct buf){0};
	return call;
}

static int by_id(const void *a, const void *b)
{
	int64_t x = ((const struct part *)a)->id, y = ((const struct part *)b)->id;

	return x < y ? -1 : x > y;
}

/* The answers come in any order. */
static void take_answers(persist_batch *b, struct span answers)
{
	struct scan_iter it = scan_elements(answers);
	struct span one;
	struct rpc_message m;
	struct fault fault;
	persist_error error;
	double real;

	while (scan_next_element(&it, &one)) {
		struct part key = {0};
		if (rpc_read(one, NULL, &m, &fault) != RPC_REPLY || !m.id.at)
			continue;
		if (scan_number(m.id, &key.id, &real) != SCAN_INT)
			continue;
		struct part *p = bsearch(&key, b->parts, b->count, sizeof *b->parts, by_id);
		if (!p || p->result || p->error)
			continue;
		if (!m.error.at)
			p->result = result_new(m.result);
		else if (failure_read(&error, m.error))
			p->error = mem_copy(&error, sizeof error);
	}
}

static void fail_unanswered(persist_batch *b)
{
	for (size_t i = 0; i < b->count; i++) {
		struct part *p = &b->parts[i];
		persist_error error;
		if (p->result || p->error)
			continue;
		failure_set(&error, PERSIST_E_PROTOCOL, p->repeatable ? PERSIST_DID_NOT_HAPPEN : PERSIST_UNKNOWN,
		            "the daemon answered the batch, but not this call of it");
		p->error = mem_copy(&error, sizeof error);
	}
}

/* As a whole: each of its calls has that outcome, but for those that only read. */
static void fail_all(persist_batch *b, const persist_error *error)
{
	for (size_t i = 0; i < b->count; i++) {
		b->parts[i].error = mem_copy(error, sizeof *error);
		if (b->parts[i].repeatable)
			b->parts[i].error->outcome = PERSIST_DID_NOT_HAPPEN;
	}
}

static void run(persist_batch *b, persist_error *error)
{
	struct call *call = call_of(b);
	persist_result *answers;

	client_begin(b->client, call);
	client_wait(b->client, call);
	if (client_take(call, &answers, error) == 0) {
		take_answers(b, result_span(answers));
		fail_unanswered(b);
	} else {
		fail_all(b, error);
	}
	persist_result_free(answers);
}

int persist_batch_run(persist_batch *b, persist_error *error)
{
	persist_error mine, *e = failure_room(error, &mine);

	if (b->has_run)
		return refuse_rerun(e);
	if (client_enter(b->client, USE_WAITS, e) != 0)
		return e->code;
	b->has_run = true;
	if (b->count > 0)
		run(b, e);
	client_leave(b->client);
	return e->code;
}

int persist_batch_result(persist_batch *b, int place, persist_result **result, persist_error *error)
{
	persist_error mine, *e = failure_room(error, &mine);

	if (result)
		*result = NULL;
	failure_clear(e);
	if (!b->has_run) {
		failure_set(e, PERSIST_E_MISUSE, PERSIST_DID_NOT_HAPPEN, "this batch has not been run");
		return e->code;
	}
	if (place < 0 || (size_t)place >= b->count) {
		failure_set(e, PERSIST_E_ARGUMENT, PERSIST_DID_NOT_HAPPEN, "the batch has no call at place %d", place);
		failure_field(e, "place");
		failure_expected(e, "what persist_batch_add() returned: 0 to %zu", b->count ? b->count - 1 : 0);
		return e->code;
	}
	const struct part *p = &b->parts[place];
	if (p->error)
		*e = *p->error;
	else if (result)
		*result = p->result;
	return e->code;
}
