/* rpc: the JSON-RPC 2.0 envelope, read from checked text and written as text. */
#pragma once
#include "proto/fault.h"
#include "proto/buf.h"
#include "proto/scan.h"

enum rpc_shape {
	RPC_CALL,
	RPC_NOTIFICATION, /* no id: no reply, whatever happens */
	RPC_REPLY,        /* has result or error: what a client reads */
	RPC_INVALID,      /* `fault` says why; `id` is set if it was usable */
};

struct rpc_message {
	struct span id;     /* raw bytes as they came, to be echoed; absent: none, or unusable */
	struct span method; /* decoded if it needed no decoding, else raw: no method has an escape in its name */
	struct span params; /* an object or an array; absent: none (null counts as none) */
	struct span result, error; /* RPC_REPLY: raw values */
};

/* `object` is one checked JSON value (not a batch), `outline` what the check noted (NULL: nothing). */
enum rpc_shape rpc_read(struct span object, const struct scan_outline *outline, struct rpc_message *m,
                        struct fault *fault);

/* Replies: rpc_begin_result, then exactly one JSON value, then rpc_end. `id` absent: null.
 * No newline is added. */
void rpc_begin_result(struct buf *out);
void rpc_end(struct buf *out, struct span id);
void rpc_error(struct buf *out, struct span id, const struct fault *fault);

/* A request of the client side; params is JSON text or absent, id < 0 makes a notification.
 * Ends with a newline. */
void rpc_request(struct buf *out, const char *method, struct span params, int64_t id);
