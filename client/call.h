/* call: one line on its way to the daemon, and what became of it.
 *
 * Blocking, pending and submitted calls, batches, notifications and fire-and-forget progress are all calls;
 * what differs is who waits. A call keeps its text until it is answered, so that it can be sent again where
 * that is safe. The engine moves it through its states (docs/client-calls.md):
 *
 *	CALL_QUEUED ──► CALL_SENT ──► CALL_DONE
 *	    ▲   │          │   └────► CALL_REFUSED ("shutting down")
 *	    │   └─► DONE   │                │
 *	    └──────────────┴────────────────┘ the connection ended, and it is safe
 */
#pragma once
#include "client/failure.h"
#include "client/latest.h"
#include "client/result.h"
#include "proto/buf.h"
#include "proto/mem.h"
#include "proto/spec.h"

#define uthash_malloc(size) mem_alloc(size)
#define HASH_FUNCTION(key, len, hash) HASH_FNV(key, len, hash)
#include <uthash.h>

enum call_kind {
	CALL_ONE,
	CALL_BATCH,
	CALL_NOTICE,   /* nobody answers: gone once it has left */
	CALL_PROGRESS, /* likewise, and its text is made when it is its turn */
	CALL_GHOST,    /* was sent, is not answered, and nobody waits any more; it has no text */
};

enum call_state { CALL_QUEUED, CALL_SENT, CALL_REFUSED, CALL_DONE };

struct call {
	struct call *next, *previous;
	struct call_list *list;    /* which it is in; NULL: none */
	UT_hash_handle hh;         /* by id */
	int64_t id;                /* on the wire; of a batch, the first call's */
	enum call_kind kind;
	enum call_state state;
	bool repeatable;           /* a read: sent again, it does no harm */
	bool cut;                  /* CALL_NOTICE: ends a line that was begun and is no longer wanted */
	struct buf text;           /* with its newline */
	size_t size;               /* of the text */
	int64_t started, deadline;
	int64_t *ids;              /* CALL_BATCH: in the order of its calls, which is ascending */
	size_t count;
	struct latest *latest;     /* CALL_PROGRESS */
	persist_callback *callback; /* NULL: somebody looks at `state` */
	void *arg;
	persist_result *result;    /* CALL_DONE; of a batch, all replies */
	persist_error *error;      /* CALL_DONE, and why; CALL_REFUSED: likewise */
};

/* Calls in the order in which they were begun. */
struct call_list {
	struct call *first, *last;
	size_t count;
};

struct call *call_new(enum call_kind kind); /* owned: call_free() */
void call_free(struct call *c);             /* in no list, in no table; NULL: nothing */
bool call_is_answered(const struct call *c); /* its kind is */
void call_fail(struct call *c, const persist_error *error); /* DONE */
void call_succeed(struct call *c, struct span result);      /* DONE */

/* Whether a method only reads. One that is not known may do anything. */
bool call_is_repeatable(const char *method);

void call_list_add(struct call_list *l, struct call *c);
void call_list_remove(struct call *c);
void call_list_replace(struct call *old, struct call *by);
