/* call: one request from the moment it is read to its reply.
 *
 *     judged ──► done / failed ──────────────► replied
 *       ▲  │ pending                              ▲
 *       │  └────► waiting for a batch ────────────┤
 *       └───────────── judged again ◄─────────────┘ (its refusal rested on a change that failed)
 *
 * A call outlives its connection: closing takes its origin away, the call goes on to its end and finds nobody
 * to tell. Only one function in call.c emits replies, and it asserts that it does so once. What a call needs
 * after its handler has returned it must keep: the text of its parameters is gone when the connection reads
 * on. Loop's thread only. */
#pragma once
#include "daemon/service.h"
#include "proto/params.h"
#include "proto/rpc.h"

struct call;

/* What the calls of one connection have in common, whether they came alone or in a JSON-RPC batch. */
struct session {
	/* the newest batch with a mutation of this connection: its reads wait for it */
	uint64_t last_batch;
	struct user *user;
	enum role role;
	unsigned calls;            /* that wait */
	uint64_t bytes;            /* that they hold */
	unsigned reads;            /* of artifacts, under way or waiting for their turn */
	unsigned busy;             /* calls that the next one must wait for (bulk removals) */
	struct bundle *bundles;    /* JSON-RPC batches that are not answered yet (dispatch.c) */
};

/* Where replies go: a connection, or a JSON-RPC batch on one. */
struct origin {
	struct session *session;
	bool shares_line;                              /* its replies become one line */
	struct call *first_call;                       /* those that wait */
	struct buf *(*reply_buffer)(struct origin *o); /* append one reply here, without a newline */
	/* that has been done, or nothing for a notification */
	void (*replied)(struct origin *o, bool notification);
};

enum outcome {
	OUTCOME_DONE,    /* the result has been appended */
	OUTCOME_FAILED,  /* fault is set; what was appended is cut off */
	OUTCOME_PENDING, /* the call waits: call_wait, call_wait_read or call_park_reading was called */
};

/* Judges a call: `params` is its raw text, valid until it returns. */
typedef enum outcome judge_fn(struct call *c, struct span params, struct buf *result, struct fault *fault);
/* After what was waited for: writes the result. May wait again. */
typedef enum outcome finish_fn(struct call *c, struct buf *result, struct fault *fault);

struct call {
	struct ticket ticket;          /* first */
	struct service *service;
	struct origin *origin;         /* NULL: the connection is gone */
	struct call *next, *previous;  /* in its origin's list */
	judge_fn *judge;
	enum method method;
	enum role role;                /* of who called */
	bool notification, waits, busy, reading, replied;
	bool holds_reply;              /* `held` goes out if the batch commits, else the call is judged again, */
	bool judged_once;              /* where that is still possible */
	bool waited;                   /* for its connection's mutations: not again, they may be later ones */
	const struct scan_outline *outline; /* of the line that is being judged; NULL: none */
	const struct quick *quick;     /* what has been read of it already; NULL: nothing */
	struct buf id, params, held;   /* kept texts */
	uint64_t arrived;              /* monotonic microseconds */
	uint64_t bytes;                /* counted in its session and its user */
	struct user *user;             /* of a call that waits, even when its connection is gone */
	/* bytes of the reply that a waiting read may bring, as far as one can tell */
	uint64_t expected;
	finish_fn *finish;

	/* What methods keep for their finishers. */
	struct record *record;
	enum table_id table;
	uint32_t fields;
	int64_t removed, step_removed, cutoff; /* removed: durably so far */
	bool flag;
	size_t place;
	struct buf text;
	struct flush_job *job;         /* under way; freed with the call */
};

struct call *call_new(struct service *s, struct origin *o, enum method method, judge_fn *judge,
                      struct span id, bool notification);
/* Takes the call to its end or to its wait. */
void call_run(struct call *c, struct span params);

/* For judges and finishers; each is the last thing before returning its value, OUTCOME_PENDING. */
enum outcome call_wait(struct call *c, finish_fn *finish); /* for the batch that this judgement's changes
                                                            * are in */
enum outcome call_wait_read(struct call *c, struct span params); /* for its connection's mutations; then
                                                                  * judged */
enum outcome call_park_reading(struct call *c); /* reads an artifact, until call_resume */
void call_resume(struct call *c, finish_fn *finish);
/* Nothing else of the connection is begun before this call has ended. */
void call_hold_connection(struct call *c);
bool call_has_own_pending(const struct call *c);

void origin_detach(struct origin *o); /* the origin dies: its calls go on alone */

/* A reply that belongs to no call: the line was none. */
void origin_fail(struct service *s, struct origin *o, struct span id, const struct fault *fault);
