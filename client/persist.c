#include "client/engine.h"
#include "client/enter.h"
#include "client/held.h"
#include "client/result.h"
#include "client/trouble.h"
#include "client/value.h"
#include "client/where.h"
#include "proto/mem.h"
#include "proto/rpc.h"
#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

const char *persist_version(void)
{
	return PERSISTD_VERSION;
}

persist_value persist_text(const char *text)
{
	return persist_text_n(text, text ? strlen(text) : 0);
}

/* ---- a client */

persist_client *persist_open(const char *socket)
{
	persist_client *c = mem_zero(sizeof *c);
	char path[WHERE_MAX];
	where_socket(socket, path);
	c->path = mem_copy(path, strlen(path) + 1);
	c->timeout_ms = 30000;
	c->patience_ms = 5000;
	c->reply_max = 64 << 20;
	c->pid = getpid();
	c->next_id = 1;
	c->fd = c->epoll = c->timer = -1;
	c->chance = (uint64_t)engine_now() ^ ((uint64_t)c->pid << 32);
	return c;
}

static void close_descriptor(int fd)
{
	if (fd >= 0)
		close(fd);
}

void persist_close(persist_client *c)
{
	if (!c)
		return;
	if (c->pid == getpid())
		engine_end(c);
	else
		engine_abandon(c);
	held_free(c);
	close_descriptor(c->epoll);
	close_descriptor(c->timer);
	free(c->path);
	free(c);
}

const char *persist_socket(const persist_client *c) { return c->path; }
void persist_set_timeout(persist_client *c, int milliseconds) { c->timeout_ms = milliseconds; }
void persist_set_patience(persist_client *c, int milliseconds) { c->patience_ms = milliseconds; }
void persist_set_reply_max(persist_client *c, size_t bytes) { c->reply_max = bytes; }

/* ---- who may come in */

/* A thread is told from another by the address of a variable of its own. */
static uintptr_t this_thread(void)
{
	static _Thread_local char mine;
	return (uintptr_t)&mine;
}

bool enter(persist_client *c, bool blocks, persist_error *e)
{
	uintptr_t nobody = 0, me = this_thread();
	if (c->pid != getpid()) {
		trouble_set(e, PERSIST_E_MISUSE, 0, "this client was made before fork(); open one in the child");
		return false;
	}
	if (!atomic_compare_exchange_strong(&c->user, &nobody, me) && nobody != me) {
		trouble_set(e, PERSIST_E_MISUSE, 0, "two threads use one client at once; give each its own, or a mutex");
		return false;
	}
	if (blocks && c->inside) {
		trouble_set(e, PERSIST_E_MISUSE, 0, "a call that waits was made inside a callback of the same client");
		return false;
	}
	c->inside++;
	return true;
}

void leave(persist_client *c)
{
	if (--c->inside == 0)
		atomic_store(&c->user, 0);
}

/* ---- one request */

static bool is_method(const char *method, persist_error *e)
{
	size_t len = method ? strspn(method, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") : 0;
	if (len > 0 && !method[len])
		return true;
	trouble_argument(e, "method", "a name such as job.save");
	return false;
}

bool request_put(struct buf *out, const char *method, persist_value params, int64_t id, persist_error *e)
{
	struct buf text = {0};
	bool good = is_method(method, e) && value_put(&text, params, "params", e);
	if (good && text.len && text.at[strspn(text.at, " \t\r")] != '{' && text.at[strspn(text.at, " \t\r")] != '[') {
		trouble_argument(e, "params", "an object or an array");
		good = false;
	}
	if (good)
		rpc_request(out, method, buf_as_span(&text), id);
	buf_free(&text);
	return good;
}

/* NULL: *e is set. */
static struct call *request(persist_client *c, const char *method, persist_value params, bool notification,
                            persist_error *e)
{
	struct buf line = {0};
	int64_t id = notification ? -1 : engine_id(c, 1);
	if (!request_put(&line, method, params, id, e))
		return NULL;
	struct call *call = engine_call(c, method);
	call->id = id;
	call->notification = notification;
	call->line = line;
	return call;
}

/* ---- waiting for one */

struct persist_pending {
	persist_client *client;
	struct call *call; /* NULL: it is done */
	persist_result *result;
	persist_error error;
};

static void keep_outcome(struct call *call, struct span reply, const persist_error *error)
{
	persist_pending *p = call->arg;
	p->call = NULL;
	if (error)
		p->error = *error;
	else
		p->result = result_new(reply);
}

static void start(persist_client *c, persist_pending *p, struct call *call)
{
	*p = (persist_pending){.client = c, .call = call};
	call->done = keep_outcome;
	call->arg = p;
	engine_submit(c, call);
}

static int finish(persist_pending *p, persist_result **result, persist_error *error)
{
	while (p->call) {
		engine_turn(p->client);
		if (p->call)
			engine_wait(p->client);
	}
	if (p->error.code)
		return trouble_give(error, &p->error);
	if (result)
		*result = p->result;
	else
		persist_result_free(p->result);
	return 0;
}

int persist_call(persist_client *c, const char *method, persist_value params, persist_result **result,
                 persist_error *error)
{
	persist_error e;
	persist_pending p;
	if (result)
		*result = NULL;
	if (!enter(c, true, &e))
		return trouble_give(error, &e);
	struct call *call = request(c, method, params, false, &e);
	int code;
	if (call) {
		start(c, &p, call);
		code = finish(&p, result, error);
	} else {
		code = trouble_give(error, &e);
	}
	leave(c);
	return code;
}

int persist_callf(persist_client *c, const char *method, persist_result **result, persist_error *error,
                  const char *format, ...)
{
	json_error_t why;
	persist_error e;
	va_list args;
	va_start(args, format);
	json_t *params = json_vpack_ex(&why, 0, format, args);
	va_end(args);
	if (!params) {
		if (result)
			*result = NULL;
		trouble_argument(&e, "params", "what the format says: %s", why.text);
		return trouble_give(error, &e);
	}
	int code = persist_call(c, method, persist_json(params), result, error);
	json_decref(params);
	return code;
}

int persist_notify(persist_client *c, const char *method, persist_value params, persist_error *error)
{
	persist_error e;
	if (!enter(c, false, &e))
		return trouble_give(error, &e);
	struct call *call = request(c, method, params, true, &e);
	if (call) {
		engine_submit(c, call);
		engine_settle(c);
	}
	leave(c);
	return call ? 0 : trouble_give(error, &e);
}

/* ---- pipelining */

persist_pending *persist_start(persist_client *c, const char *method, persist_value params, persist_error *error)
{
	persist_error e;
	if (!enter(c, false, &e)) {
		trouble_give(error, &e);
		return NULL;
	}
	persist_pending *p = NULL;
	struct call *call = request(c, method, params, false, &e);
	if (call) {
		p = mem_alloc(sizeof *p);
		start(c, p, call);
		engine_watch(c);
	} else {
		trouble_give(error, &e);
	}
	leave(c);
	return p;
}

int persist_wait(persist_pending *p, persist_result **result, persist_error *error)
{
	persist_error e;
	persist_client *c = p->client;
	if (result)
		*result = NULL;
	if (p->call && !enter(c, true, &e)) /* once it is done the client is not needed, and may be closed */
		return trouble_give(error, &e);
	bool entered = p->call != NULL;
	int code = finish(p, result, error);
	if (entered)
		leave(c);
	free(p);
	return code;
}

void persist_cancel(persist_pending *p)
{
	if (!p)
		return;
	if (p->call)
		engine_forget(p->call);
	persist_result_free(p->result);
	free(p);
}

/* ---- in an event loop */

struct callback {
	persist_client *client;
	persist_callback *function;
	void *arg;
};

static void call_back(struct call *call, struct span reply, const persist_error *error)
{
	struct callback *b = call->arg;
	persist_result *result = error ? NULL : result_new(reply);
	b->function(b->client, result, error, b->arg);
	result_drop(result);
	free(b);
}

int persist_submit(persist_client *c, const char *method, persist_value params, persist_callback *callback, void *arg,
                   persist_error *error)
{
	persist_error e;
	if (!enter(c, false, &e))
		return trouble_give(error, &e);
	struct call *call = request(c, method, params, false, &e);
	if (call) {
		struct callback *b = mem_alloc(sizeof *b);
		*b = (struct callback){c, callback, arg};
		call->done = call_back;
		call->arg = b;
		engine_submit(c, call);
		engine_watch(c);
	}
	leave(c);
	return call ? 0 : trouble_give(error, &e);
}

int persist_fd(persist_client *c)
{
	if (c->epoll >= 0)
		return c->epoll;
	struct epoll_event event = {.events = EPOLLIN};
	int epoll = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (epoll < 0 || timer < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event) < 0) {
		close_descriptor(epoll);
		close_descriptor(timer);
		return -1;
	}
	c->epoll = epoll;
	c->timer = timer;
	engine_watch(c);
	return epoll;
}

int persist_process(persist_client *c)
{
	persist_error e;
	if (!enter(c, true, &e))
		return -e.code;
	engine_turn(c);
	int left = c->call_count > INT32_MAX ? INT32_MAX : (int)c->call_count;
	leave(c);
	return left;
}
