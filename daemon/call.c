#include "daemon/call.h"
#include "proto/mem.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

uint64_t service_micros(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t service_look(struct service *s) { return s->clock = service_micros(); }

/* Ended calls are used again: a call costs no allocation once the daemon is warm. */
enum { SPARE_MAX = 256, SPARE_TEXT_MAX = 4096 };
static struct call *spare;
static unsigned spare_count;

static void ticket_resolved(struct ticket *t, enum store_outcome outcome, const struct disk_error *why);

struct call *call_new(struct service *s, struct origin *o, enum method method, judge_fn *judge,
                      struct span id, bool notification)
{
	struct call *c = spare;
	if (c) {
		spare = c->next;
		spare_count--;
	} else {
		c = mem_zero(sizeof *c);
	}
	struct buf id_buf = c->id, params = c->params, held = c->held, text = c->text;
	*c = (struct call){.service = s, .origin = o, .judge = judge, .method = method,
	                   .notification = notification, .role = o->session->role,
	                   .id = id_buf, .params = params, .held = held, .text = text,
	                   .arrived = s->clock};
	c->ticket.resolved = ticket_resolved;
	c->id.len = c->params.len = c->held.len = c->text.len = 0;
	buf_span(&c->id, id);
	return c;
}

static void call_free(struct call *c)
{
	record_unref(c->record);
	free(c->job);
	if (spare_count == SPARE_MAX) {
		buf_free(&c->id);
		buf_free(&c->params);
		buf_free(&c->held);
		buf_free(&c->text);
		free(c);
		return;
	}
	c->id.len = c->params.len = c->held.len = c->text.len = 0;
	buf_trim(&c->id, SPARE_TEXT_MAX);
	buf_trim(&c->params, SPARE_TEXT_MAX);
	buf_trim(&c->held, SPARE_TEXT_MAX);
	buf_trim(&c->text, SPARE_TEXT_MAX);
	c->next = spare;
	spare = c;
	spare_count++;
}

/* ---- waiting */

static void wait_begin(struct call *c)
{
	uint64_t bytes = sizeof *c + c->expected + c->params.len + c->held.len + c->text.len +
	                 (c->record ? c->record->len : 0);
	if (!c->waits) {
		c->waits = true;
		c->service->counters.in_flight_calls++;
		if (c->origin && c->origin->session->user) {
			c->user = user_ref(c->origin->session->user);
			c->user->calls++;
		}
		if (c->origin) {
			struct origin *o = c->origin;
			c->next = o->first_call;
			c->previous = NULL;
			if (o->first_call)
				o->first_call->previous = c;
			o->first_call = c;
			o->session->calls++;
		}
	}
	c->service->counters.in_flight_bytes += bytes - c->bytes;
	if (c->user)
		c->user->bytes += bytes - c->bytes;
	if (c->origin)
		c->origin->session->bytes += bytes - c->bytes;
	c->bytes = bytes;
}

static void unlink_call(struct call *c)
{
	struct origin *o = c->origin;
	assert(o);
	if (c->previous)
		c->previous->next = c->next;
	else
		o->first_call = c->next;
	if (c->next)
		c->next->previous = c->previous;
	o->session->calls--;
	o->session->bytes -= c->bytes;
	o->session->busy -= c->busy;
	o->session->reads -= c->reading;
}

static void wait_end(struct call *c)
{
	if (!c->waits)
		return;
	c->waits = false;
	c->service->counters.in_flight_calls--;
	c->service->counters.in_flight_bytes -= c->bytes;
	if (c->user) {
		c->user->calls--;
		c->user->bytes -= c->bytes;
		users_unref(&c->service->users, c->user);
		c->user = NULL;
	}
	if (c->origin)
		unlink_call(c);
}

enum outcome call_wait(struct call *c, finish_fn *finish)
{
	c->finish = finish;
	uint64_t batch = store_wait(c->service->store, &c->ticket, 0);
	if (c->origin)
		c->origin->session->last_batch = batch;
	return OUTCOME_PENDING;
}

enum outcome call_wait_read(struct call *c, struct span params)
{
	c->finish = NULL;
	c->waited = true;
	c->params.len = 0;
	buf_span(&c->params, params);
	store_wait(c->service->store, &c->ticket, c->origin->session->last_batch);
	return OUTCOME_PENDING;
}

enum outcome call_park_reading(struct call *c)
{
	if (c->origin && !c->reading) {
		c->reading = true;
		c->origin->session->reads++;
	}
	return OUTCOME_PENDING;
}

void call_hold_connection(struct call *c)
{
	if (c->origin && !c->busy) {
		c->busy = true;
		c->origin->session->busy++;
	}
}

bool call_has_own_pending(const struct call *c)
{
	return c->origin && store_is_pending(c->service->store, c->origin->session->last_batch);
}

void origin_detach(struct origin *o)
{
	while (o->first_call) {
		struct call *c = o->first_call;
		unlink_call(c);
		c->busy = c->reading = false;
		c->origin = NULL;
	}
}

/* ---- replying */

static void count_reply(struct call *c, bool failed)
{
	uint64_t micros = service_look(c->service) - c->arrived;
	unsigned place = micros ? 64 - (unsigned)__builtin_clzll(micros) : 0;
	if (place >= LATENCY_PLACES)
		place = LATENCY_PLACES - 1;
	__typeof__(&c->service->counters.methods[0]) m = &c->service->counters.methods[c->method];
	m->calls++;
	m->failed += failed;
	m->micros_total += micros;
	m->histogram[place]++;
	if (micros > m->micros_max)
		m->micros_max = micros;
}

/* What nobody waits for is written here and cut off again. */
static struct buf *nowhere(void)
{
	static struct buf b;
	b.len = 0;
	buf_trim(&b, 1 << 16);
	return &b;
}

static struct buf *reply_buffer(struct call *c)
{
	return c->origin && !c->notification ? c->origin->reply_buffer(c->origin) : nowhere();
}

/* The one place that ends a call. The reply is complete in the origin's buffer. */
static void call_replied(struct call *c, bool failed)
{
	assert(!c->replied);
	c->replied = true;
	count_reply(c, failed);
	wait_end(c);
	struct origin *o = c->origin;
	bool notification = c->notification;
	call_free(c);
	if (o)
		o->replied(o, notification);
}

static void fault_reply(struct call *c, struct buf *out, size_t from, struct fault *fault)
{
	out->len = from;
	c->service->counters.errors[fault->code]++;
	rpc_error(out, buf_as_span(&c->id), fault);
}

/* What its connection sends from now on must see the state that this reply will speak of. */
static void wait_for_seen(struct call *c)
{
	uint64_t batch = store_wait(c->service->store, &c->ticket, store_seen(c->service->store));
	if (c->origin && batch > c->origin->session->last_batch)
		c->origin->session->last_batch = batch;
}

/* A refusal, or a success that changed nothing, that rested on somebody's pending change is not said before
 * that change is durable. */
static bool must_hold(struct call *c)
{
	struct store *s = c->service->store;
	return spec_methods[c->method].role >= ROLE_WRITE && !store_changed(s) &&
	       store_is_pending(s, store_seen(s));
}

static void call_settle(struct call *c, enum outcome outcome, struct buf *out, size_t from,
                        struct fault *fault, struct span params, bool judged)
{
	if (outcome == OUTCOME_PENDING) {
		out->len = from;
		wait_begin(c);
		return;
	}
	if (outcome == OUTCOME_DONE) {
		rpc_end(out, buf_as_span(&c->id));
		bool together = c->origin && c->origin->shares_line && spec_methods[c->method].role <= ROLE_READ;
		if (out->len - (together ? 0 : from) > c->service->limits.reply) {
			fault_set(fault, FAULT_TOO_LARGE, "the reply would be %zu bytes, the limit is %llu",
			          out->len - from, (unsigned long long)c->service->limits.reply);
			fault_hint(fault, "ask for less with fields or a smaller limit");
			outcome = OUTCOME_FAILED;
		}
	}
	if (outcome == OUTCOME_FAILED)
		fault_reply(c, out, from, fault);
	if (must_hold(c)) {
		c->held.len = 0;
		buf_add(&c->held, out->at + from, out->len - from);
		out->len = from;
		c->params.len = 0;
		buf_span(&c->params, params);
		c->holds_reply = true;
		c->judged_once = judged;
		wait_for_seen(c);
		wait_begin(c);
		return;
	}
	if (c->notification)
		out->len = from;
	call_replied(c, outcome == OUTCOME_FAILED);
}

static void call_judge(struct call *c, struct span params)
{
	struct fault fault;
	struct buf *out = reply_buffer(c);
	size_t from = out->len;
	rpc_begin_result(out);
	store_judge(c->service->store);
	enum outcome outcome = c->judge(c, params, out, &fault);
	call_settle(c, outcome, out, from, &fault, params, true);
}

void call_run(struct call *c, struct span params) { call_judge(c, params); }

static void judge_again(struct call *c)
{
	c->expected = 0;
	c->holds_reply = false;
	c->held.len = 0;
	struct buf params = c->params; /* the judge may keep parameters anew */
	c->params = (struct buf){0};
	call_judge(c, params.len ? buf_as_span(&params) : (struct span){0});
	buf_free(&params);
}

static void call_finish(struct call *c, finish_fn *finish)
{
	struct fault fault;
	struct buf *out = reply_buffer(c);
	size_t from = out->len;
	rpc_begin_result(out);
	store_judge(c->service->store);
	enum outcome outcome = finish(c, out, &fault);
	call_settle(c, outcome, out, from, &fault, (struct span){0}, false);
}

void call_resume(struct call *c, finish_fn *finish) { call_finish(c, finish); }

static void commit_failed(struct call *c, enum store_outcome outcome, const struct disk_error *why)
{
	struct fault fault;
	if (outcome == STORE_UNKNOWN)
		fault_set(&fault, FAULT_OUTCOME_UNKNOWN,
		          "the disk failed (%s) while the change was being made durable: it may or may not be there "
		          "after a restart",
		          why ? why->what : "?");
	else
		fault_set(&fault, FAULT_NOT_DURABLE, "the change could not be written (%s: %s) and did not happen",
		          why ? why->what : "?", why ? strerror(why->number) : "?");
	fault_hint(&fault, "%s",
	           why && why->number == ENOSPC ? "free space on the disk of the state directory, then try again"
	                                        : "see server.info and the daemon's log; try again");
	fault.removed = c->removed > 0 ? c->removed : -1;
	struct buf *out = reply_buffer(c);
	size_t from = out->len;
	fault_reply(c, out, from, &fault);
	if (c->notification)
		out->len = from;
	call_replied(c, true);
}

static void ticket_resolved(struct ticket *t, enum store_outcome outcome, const struct disk_error *why)
{
	struct call *c = (struct call *)t;
	if (c->holds_reply && outcome == STORE_COMMITTED) {
		struct buf *out = reply_buffer(c);
		if (!c->notification)
			buf_add(out, c->held.at, c->held.len);
		call_replied(c, false);
	} else if (c->holds_reply ? c->judged_once : !c->finish) {
		judge_again(c);
	} else if (outcome == STORE_COMMITTED && !c->holds_reply) {
		call_finish(c, c->finish);
	} else {
		commit_failed(c, outcome, why);
	}
}

void origin_fail(struct service *s, struct origin *o, struct span id, const struct fault *fault)
{
	s->counters.errors[fault->code]++;
	rpc_error(o->reply_buffer(o), id, fault);
	o->replied(o, false);
}
