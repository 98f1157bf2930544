/* engine: calls on their way, over a connection that mends itself. It never waits.
 *
 * It holds every call that has been begun, in that order, and sends, takes in, gives up and sends again. What
 * it needs next (a socket to become readable or writable, a moment to come) it says, and whoever waits, in
 * poll() or in an event loop, calls engine_turn() then. docs/client-calls.md is the story. One thread at a
 * time. */
#pragma once
#include "client/call.h"
#include "client/moment.h"
#include "client/wire.h"

/* Why there is no connection. */
struct trouble {
	int system_error; /* of connect(); 0: connections are made, and end without an answer */
	bool refused;     /* connect() failed */
	bool busy;        /* the daemon is there and has not yet got to us */
};

struct engine {
	struct wire wire;
	char *path;
	size_t reply_max;
	int64_t patience;        /* microseconds; MOMENT_NEVER: as long as the call's own time */

	struct call_list calls;  /* not yet answered, or not yet sent, in the order in which they were begun */
	struct call_list ended;  /* callbacks to be called */
	struct call *next;       /* the first that has not wholly left; NULL: all have */
	size_t left;             /* bytes of it that have */
	struct call *by_id;
	int64_t last_id;
	int64_t check_at;        /* no call's time is over before */
	size_t awaited;          /* calls that somebody waits for */
	size_t notices_bytes;    /* of notifications that have not left */

	/* of this connection */
	size_t unanswered;       /* sent: ghosts, too */
	size_t unreadable;       /* replies that were too long, of calls that nobody can tell yet */
	size_t complaints;       /* of the daemon, still to come, about lines that we broke off */
	size_t longest_notice;   /* bytes of the longest notification that was sent */
	bool proven;             /* it has answered something */
	bool blocked;            /* the socket was full */
	bool leaving;            /* the daemon is stopping: nothing more is sent */
	persist_error *farewell; /* what the daemon said to the connection as a whole, before it ended it */

	/* of the next one */
	int64_t retry_at;        /* not before */
	int64_t tried_at;        /* the last attempt, which may have succeeded */
	int64_t failed_at;       /* the last attempt that did not, or a connection that came to nothing */
	int64_t down_since;      /* the end of the last connection that was of use */
	int64_t backoff;         /* the last pause; 0: the next attempt was or is to be made at once */
	struct trouble trouble;
};

void engine_init(struct engine *e, const char *path); /* path: copied */
void engine_free(struct engine *e);                   /* no calls are left */

bool engine_is_up(const struct engine *e);
int64_t engine_new_id(struct engine *e);

/* Takes over a call whose text, id, times and callback are set; sends it as far as that goes now. */
void engine_add(struct engine *e, struct call *c);
/* A line of progress: sent if the socket takes it, else kept as the newest of its job. */
void engine_progress(struct engine *e, struct span id, struct span line);

/* Nobody waits any more for a call that is not done: it is taken back where that is possible. */
void engine_abandon(struct engine *e, struct call *c);
/* Ends every call with PERSIST_E_CANCELLED, and sends what progress there is as far as it goes. */
void engine_cancel_all(struct engine *e);

short engine_events(const struct engine *e);   /* what the socket is to be watched for, as poll() says it */
int64_t engine_due(const struct engine *e);    /* when it must have a turn even if the socket is quiet */
/* `seen`: what the socket is known to be ready for. */
void engine_turn(struct engine *e, short seen);
/* Waits until it is ready or due; how long at most is `until`. What was seen. */
short engine_wait(const struct engine *e, int64_t until);
