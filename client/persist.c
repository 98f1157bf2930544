#include "client/client.h"
#include "client/args.h"
#include "client/where.h"
#include "proto/rpc.h"
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

enum { TIMEOUT_MS = 30000, PATIENCE_MS = 5000, REPLY_MAX = 64 << 20, NOTICES_MAX = 16 << 20 };

const char *persist_version(void) { return PERSISTD_VERSION; }

persist_value persist_text(const char *text)
{
	return persist_text_n(text, text ? strlen(text) : 0);
}

/* ---- who may use it now */

static uintptr_t this_thread(void) { return (uintptr_t)pthread_self(); }

static int refuse_use(persist_error *error, const char *message, const char *hint)
{
	failure_set(error, PERSIST_E_MISUSE, PERSIST_DID_NOT_HAPPEN, "%s", message);
	failure_hint(error, "%s", hint);
	return error->code;
}

static int refuse_wait(persist_error *error)
{
	return refuse_use(error, "a call that waits was made inside a callback", "use persist_submit() there");
}

int client_enter(persist_client *c, enum use use, persist_error *error)
{
	uintptr_t nobody = 0, me = this_thread();

	failure_clear(error);
	if (c->process != getpid())
		return refuse_use(error, "this client belongs to the process before fork()",
		                  "open another one in the child");
	if (atomic_compare_exchange_strong_explicit(&c->user, &nobody, me, memory_order_acquire,
	                                            memory_order_relaxed))
		return 0;
	if (nobody != me)
		return refuse_use(error, "two threads use one client at once",
		                  "give each thread a client of its own");
	if (!c->calling_back)
		return refuse_use(error, "the client is in use by this very thread",
		                  "nothing of it may be called in a signal's handler");
	if (use == USE_WAITS)
		return refuse_wait(error);
	if (c->closing) {
		failure_set(error, PERSIST_E_CANCELLED, PERSIST_DID_NOT_HAPPEN, "the client is being closed");
		return error->code;
	}
	c->nested++;
	return 0;
}

void client_leave(persist_client *c)
{
	if (c->nested > 0) {
		c->nested--;
		return;
	}
	watch_set(&c->watch, &c->engine.wire, engine_events(&c->engine), engine_due(&c->engine));
	atomic_store_explicit(&c->user, 0, memory_order_release);
}

/* ---- its life */

static int64_t micros_of(int milliseconds)
{
	return milliseconds > 0 ? (int64_t)milliseconds * MOMENT_MS : MOMENT_NEVER;
}

persist_client *persist_open(const char *socket)
{
	persist_client *c = mem_zero(sizeof *c);
	char path[WHERE_MAX];

	where_socket(socket, path);
	engine_init(&c->engine, path);
	c->engine.reply_max = REPLY_MAX;
	c->engine.patience = micros_of(PATIENCE_MS);
	c->timeout = micros_of(TIMEOUT_MS);
	c->process = getpid();
	watch_init(&c->watch);
	return c;
}

const char *persist_socket(const persist_client *c) { return c->engine.path; }

void persist_set_timeout(persist_client *c, int milliseconds)
{
	persist_error error;

	if (client_enter(c, USE_NOW, &error) != 0)
		return;
	c->timeout = micros_of(milliseconds);
	client_leave(c);
}

void persist_set_patience(persist_client *c, int milliseconds)
{
	persist_error error;

	if (client_enter(c, USE_NOW, &error) != 0)
		return;
	c->engine.patience = milliseconds == 0 ? 0 : micros_of(milliseconds);
	c->engine.check_at = 0;
	client_leave(c);
}

void persist_set_reply_max(persist_client *c, size_t bytes)
{
	persist_error error;

	if (client_enter(c, USE_NOW, &error) != 0)
		return;
	c->engine.reply_max = c->engine.wire.in.limit = bytes > 0 ? bytes : 1;
	client_leave(c);
}

/* The callbacks of what has ended. */
static void call_back(persist_client *c)
{
	struct call *call;

	if (c->calling_back)
		return;
	c->calling_back = true;
	while ((call = c->engine.ended.first)) {
		call_list_remove(call);
		call->callback(c, call->result, call->error, call->arg);
		if (call->result && result_was_taken(call->result))
			call->result = NULL;
		call_free(call);
	}
	c->calling_back = false;
}

static void forget_pending(persist_client *c)
{
	for (persist_pending *p = c->pending; p; p = p->next)
		p->client = NULL;
	c->pending = NULL;
}

static void free_client(persist_client *c)
{
	buf_free(&c->params);
	buf_free(&c->line);
	watch_close(&c->watch);
	engine_free(&c->engine);
	free(c);
}

/* The child of a fork() has the parent's connection open, too: it says nothing there, and calls nobody
 * back. */
static void close_in_child(persist_client *c)
{
	c->engine.wire.watcher = -1;
	wire_close(&c->engine.wire);
	c->engine.path[0] = '\0';
	engine_cancel_all(&c->engine);
	while (c->engine.ended.first) {
		struct call *call = c->engine.ended.first;
		call_list_remove(call);
		call_free(call);
	}
	forget_pending(c);
	free_client(c);
}

void persist_close(persist_client *c)
{
	persist_error error;

	if (!c)
		return;
	if (c->process != getpid()) {
		close_in_child(c);
		return;
	}
	if (client_enter(c, USE_WAITS, &error) != 0)
		return;
	engine_cancel_all(&c->engine);
	forget_pending(c);
	c->closing = true;
	call_back(c);
	free_client(c);
}

/* ---- calls */

int client_request(struct buf *out, const char *method, persist_value params, unsigned depth, int64_t id,
                   persist_error *error)
{
	struct buf text = {0};

	if (args_utf8("method", method, error) == 0 && args_params(&text, params, depth, error) == 0)
		rpc_request(out, method, buf_as_span(&text), id);
	buf_free(&text);
	return error->code;
}

/* NULL: *error says why. */
static struct call *make_call(persist_client *c, const char *method, persist_value params, enum call_kind kind,
                              persist_error *error)
{
	struct call *call = call_new(kind);
	int64_t id = kind == CALL_NOTICE ? -1 : engine_new_id(&c->engine);

	if (client_request(&call->text, method, params, ARGS_DEPTH, id, error) != 0) {
		call_free(call);
		return NULL;
	}
	call->id = id;
	call->repeatable = call_is_repeatable(method);
	return call;
}

void client_begin(persist_client *c, struct call *call)
{
	call->started = moment_now();
	call->deadline = c->timeout == MOMENT_NEVER ? MOMENT_NEVER : call->started + c->timeout;
	engine_add(&c->engine, call);
}

void client_wait(persist_client *c, const struct call *call)
{
	while (call->state != CALL_DONE) {
		engine_turn(&c->engine, engine_wait(&c->engine, MOMENT_NEVER));
		call_back(c);
	}
}

int client_take(struct call *call, persist_result **result, persist_error *error)
{
	if (call->error)
		*error = *call->error;
	if (result) {
		*result = call->result;
		call->result = NULL;
	}
	call_free(call);
	return error->code;
}

int persist_call(persist_client *c, const char *method, persist_value params, persist_result **result,
                 persist_error *error)
{
	persist_error mine, *e = failure_room(error, &mine);

	if (result)
		*result = NULL;
	if (client_enter(c, USE_WAITS, e) != 0)
		return e->code;
	struct call *call = make_call(c, method, params, CALL_ONE, e);
	if (call) {
		client_begin(c, call);
		client_wait(c, call);
		client_take(call, result, e);
	}
	client_leave(c);
	return e->code;
}

int persist_callf(persist_client *c, const char *method, persist_result **result, persist_error *error,
                  const char *format, ...)
{
	persist_error mine, *e = failure_room(error, &mine);
	json_error_t why;
	va_list args;

	if (result)
		*result = NULL;
	va_start(args, format);
	json_t *params = json_vpack_ex(&why, 0, format, args);
	va_end(args);
	if (!params) {
		failure_set(e, PERSIST_E_ARGUMENT, PERSIST_DID_NOT_HAPPEN, "params: %s (at %d of the format)", why.text,
		            why.position);
		failure_field(e, "params");
		failure_expected(e, "a format of json_pack() and values that fit it: no NaN, no infinity, UTF-8");
		return e->code;
	}
	persist_call(c, method, persist_json(params), result, e);
	json_decref(params);
	return e->code;
}

/* Notifications that cannot leave are kept: not without end. */
static int refuse_notices(persist_client *c, persist_error *error)
{
	if (c->engine.notices_bytes <= NOTICES_MAX)
		return 0;
	failure_set(error, PERSIST_E_CONNECTION, PERSIST_DID_NOT_HAPPEN,
	            "%zu bytes of notifications wait to be sent already", c->engine.notices_bytes);
	failure_hint(error, "the daemon is away or slow: call persist_process(), or use a call that waits");
	return error->code;
}

int persist_notify(persist_client *c, const char *method, persist_value params, persist_error *error)
{
	persist_error mine, *e = failure_room(error, &mine);

	if (client_enter(c, USE_NOW, e) != 0)
		return e->code;
	if (refuse_notices(c, e) == 0) {
		struct call *call = make_call(c, method, params, CALL_NOTICE, e);
		if (call)
			client_begin(c, call);
	}
	client_leave(c);
	return e->code;
}

/* ---- pipelining */

persist_pending *persist_start(persist_client *c, const char *method, persist_value params,
                               persist_error *error)
{
	persist_error mine, *e = failure_room(error, &mine);
	persist_pending *p = NULL;

	if (client_enter(c, USE_NOW, e) != 0)
		return NULL;
	struct call *call = make_call(c, method, params, CALL_ONE, e);
	if (call) {
		p = mem_alloc(sizeof *p);
		*p = (persist_pending){.call = call, .client = c, .next = c->pending};
		if (p->next)
			p->next->previous = p;
		c->pending = p;
		client_begin(c, call);
	}
	client_leave(c);
	return p;
}

static void end_pending(persist_client *c, persist_pending *p)
{
	if (p->previous)
		p->previous->next = p->next;
	else
		c->pending = p->next;
	if (p->next)
		p->next->previous = p->previous;
	free(p);
}

int persist_wait(persist_pending *p, persist_result **result, persist_error *error)
{
	persist_error mine, *e = failure_room(error, &mine);
	struct call *call = p->call;
	persist_client *c = p->client;

	if (result)
		*result = NULL;
	if (!c) { /* closed */
		failure_clear(e);
		free(p);
		return client_take(call, result, e);
	}
	if (client_enter(c, USE_NOW, e) != 0)
		return e->code;
	if (c->calling_back && call->state != CALL_DONE) {
		refuse_wait(e);
	} else {
		client_wait(c, call);
		client_take(call, result, e);
		end_pending(c, p);
	}
	client_leave(c);
	return e->code;
}

void persist_cancel(persist_pending *p)
{
	persist_error error;

	if (!p)
		return;
	if (!p->client) {
		call_free(p->call);
		free(p);
		return;
	}
	persist_client *c = p->client;
	if (client_enter(c, USE_NOW, &error) != 0)
		return;
	if (p->call->state != CALL_DONE)
		engine_abandon(&c->engine, p->call);
	call_free(p->call);
	end_pending(c, p);
	client_leave(c);
}

/* ---- in an event loop */

int persist_submit(persist_client *c, const char *method, persist_value params, persist_callback *callback,
                   void *arg, persist_error *error)
{
	persist_error mine, *e = failure_room(error, &mine);

	if (client_enter(c, USE_NOW, e) != 0)
		return e->code;
	struct call *call = make_call(c, method, params, CALL_ONE, e);
	if (call) {
		call->callback = callback;
		call->arg = arg;
		client_begin(c, call);
	}
	client_leave(c);
	return e->code;
}

int persist_fd(persist_client *c)
{
	persist_error error;

	if (client_enter(c, USE_NOW, &error) != 0) {
		errno = EBUSY;
		return -1;
	}
	int failed = watch_open(&c->watch), fd = c->watch.epoll;
	client_leave(c);
	errno = failed;
	return failed ? -1 : fd;
}

int persist_process(persist_client *c)
{
	persist_error error;

	if (client_enter(c, USE_NOW, &error) != 0)
		return -error.code;
	watch_woken(&c->watch);
	if (!c->calling_back) {
		engine_turn(&c->engine, engine_wait(&c->engine, 0));
		call_back(c);
	}
	int count = (int)(c->engine.awaited + c->engine.ended.count);
	client_leave(c);
	return count;
}
