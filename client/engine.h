/* engine: a connection that mends itself, and the calls on it. docs/client-calls.md is the design.
 *
 * Nothing here waits but engine_wait. engine_push sends what can be sent and never calls back; engine_turn also takes
 * in replies, notices what has ended, and calls back. What waits for one call turns and waits until it is done. */
#pragma once
#include "client/persist.h"
#include "proto/buf.h"
#include "proto/frame.h"
#include "proto/mem.h"
#include <stdatomic.h>
#define uthash_malloc(size) mem_alloc(size)
#include <uthash.h>

/*
 *     queued ──► partly written ──► sent ──► done
 *       ▲              │              │
 *       └──────────────┴──────────────┘ the connection ended, and sending it again is safe
 */
struct call {
	struct call *next, *previous; /* in the order in which they were made */
	UT_hash_handle hh;            /* by id; only those that wait for a reply */
	int64_t id;                   /* the first one of a batch */
	unsigned batch;               /* how many calls the line has; 0: it is no batch */
	struct buf line;
	size_t written;               /* of line, on this connection */
	bool repeatable;              /* reads: may be sent again though they were sent */
	bool notification;
	int64_t deadline;             /* µs, monotonic */
	int64_t looking_since;        /* for a daemon */
	/* Once. `reply` is the result (of a batch: the array of replies), absent on error. NULL: nobody wants to know. */
	void (*done)(struct call *c, struct span reply, const persist_error *error);
	void *arg;
};

struct held; /* progress that could not be sent yet */

struct persist_client {
	char *path;
	int timeout_ms, patience_ms;
	size_t reply_max;
	pid_t pid;
	atomic_uintptr_t user;        /* which thread is inside */
	unsigned inside;              /* how deep: callbacks use the client */
	struct call *calls;           /* all that are not done */
	struct call *unwritten;       /* the first that is not wholly written; those behind it are not, either */
	struct call *by_id;
	size_t call_count;            /* that somebody waits for */
	int64_t next_id;
	struct held *held;            /* newest value of each job, in the order in which they came */

	int fd;                       /* -1: no connection */
	struct frame in;
	bool broken;                  /* the connection has ended; the next turn sees to it */
	int broken_error;             /* errno; 0: the daemon closed it */
	bool leaving;                 /* the daemon is stopping: nothing more is sent on this connection */
	bool answered;                /* it has answered something on this connection */
	persist_error refusal;        /* what it said of the connection as a whole; code 0: nothing */
	int64_t retry_at;             /* when to try to connect next */
	unsigned attempts;            /* that failed in a row */
	int connect_error;
	uint64_t chance;              /* state of the backoff's random numbers */

	int epoll, timer;             /* -1: persist_fd was not asked for */
	uint32_t watched;             /* events of fd in epoll */
	bool no_wait_left;            /* something is to be done in the next turn, whatever the descriptors say */
};

int64_t engine_now(void);

/* Owned by the client from engine_submit (engine_queue) on. The line ends with its newline; ids from engine_id(). */
struct call *engine_call(persist_client *c, const char *method);
int64_t engine_id(persist_client *c, unsigned count);
void engine_submit(persist_client *c, struct call *call); /* and sends what can be sent */
void engine_queue(persist_client *c, struct call *call);
void engine_forget(struct call *call); /* its answer is of no interest any more */

void engine_push(persist_client *c);
void engine_turn(persist_client *c);
void engine_wait(persist_client *c);    /* until there is something to do */
void engine_settle(persist_client *c);  /* after something that nobody waits for: what may be left undone until a turn */
void engine_abandon(persist_client *c); /* in a child after fork(): nothing is sent, nobody is called */
void engine_end(persist_client *c);     /* every call ends with PERSIST_E_CANCELLED */
void engine_watch(persist_client *c);   /* the epoll descriptor and its timer as they have to be now */
bool engine_can_write(const persist_client *c); /* connected, and nothing waits to be written */

/* What a line is safe for: sent twice, it does what it does once. */
bool engine_repeatable(const char *method);
