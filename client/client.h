/* client: what a persist_client is inside, for the files that make up libpersist's public functions.
 *
 * A public function that uses a client stands between client_enter() and client_leave(), which see to it that
 * one thread of one process uses it at a time, and keep persist_fd() true. */
#pragma once
#include "client/engine.h"
#include "client/watch.h"
#include <stdatomic.h>
#include <sys/types.h>

struct persist_pending {
	struct call *call;
	persist_client *client; /* NULL: closed */
	persist_pending *next, *previous;
};

struct persist_client {
	struct engine engine;
	struct watch watch;
	int64_t timeout;         /* of a call, in microseconds; MOMENT_NEVER */
	persist_pending *pending; /* those that have not been waited for */
	pid_t process;
	_Atomic uintptr_t user;  /* the thread that is in one of the functions; 0: none */
	unsigned nested;         /* functions called inside a callback, one in the other */
	bool calling_back, closing;
	struct buf params, line; /* of progress: kept from one to the next */
};

/* Functions that wait may not be called inside a callback. */
enum use { USE_NOW, USE_WAITS };

/* 0, with *error cleared; or PERSIST_E_MISUSE or PERSIST_E_CANCELLED, and then there is nothing to leave. */
int client_enter(persist_client *c, enum use use, persist_error *error);
void client_leave(persist_client *c);

/* Appends a request (id below 0: a notification) and its newline. 0, or the error's code: nothing is
 * appended. */
int client_request(struct buf *out, const char *method, persist_value params, unsigned depth, int64_t id,
                   persist_error *error);

/* Between client_enter and client_leave. */
void client_begin(persist_client *c, struct call *call);      /* the engine's until it is done */
void client_wait(persist_client *c, const struct call *call); /* until it is */
int client_take(struct call *call, persist_result **result, persist_error *error); /* frees the call */
