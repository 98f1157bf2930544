/* enter: what each public function of libpersist does first and last: one thread at a time, and the process that
 * opened the client. */
#pragma once
#include "client/engine.h"

/* `blocks`: not inside a callback. False: *e is set, and leave() must not be called. */
bool enter(persist_client *c, bool blocks, persist_error *e);
void leave(persist_client *c);

/* Appends the request's line. False: *e is set. */
bool request_put(struct buf *out, const char *method, persist_value params, int64_t id, persist_error *e);
