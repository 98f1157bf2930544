/* persist.h: libpersist, the C client of persistd.
 *
 *	persist_client *c = persist_open(NULL);
 *	persist_result *saved;
 *	persist_error e;
 *	if (persist_job_save(c, persist_text("{\"type\":\"backtest\",\"status\":\"running\"}"), NULL, &saved, &e) != 0)
 *		fprintf(stderr, "%s\n", e.message);
 *	else
 *		puts(persist_result_text(saved, NULL));
 *	persist_result_free(saved);
 *	persist_close(c);
 *
 * What a call means is said once, in persistd-protocol(7) (docs/protocol.md): this library carries it.
 *
 * Records go in and out as text or as jansson trees, at each call's choice: in by persist_text() and
 * persist_json(), out by persist_result_text() and persist_result_json(). This header does not need jansson's.
 *
 * Every function that can fail returns 0 or the error's code (below zero: the daemon's refusal, above: this
 * side's), and fills *error, which may be NULL. error->outcome says what became of the call: it did not happen,
 * or nobody knows. Results are set to NULL on failure.
 *
 * Connecting. Nothing is connected before the first call. A connection that ends is made again by itself,
 * as soon as a call needs it: at once, then after 50 ms, doubling up to 2 s, with some chance in it. What
 * is safe to send again is sent again within the call's time, in the old order: what had not wholly left
 * for the daemon, what the daemon refused because it is stopping, and reads. A change that was sent and not
 * answered is never repeated: it ends with PERSIST_E_CONNECTION and outcome PERSIST_UNKNOWN.
 *
 * Threads. No globals but constants. A client is used by one thread at a time: any thread, but not two at
 * once (which is noticed, where it can be, and ends with PERSIST_E_MISUSE). Different clients need nothing
 * of each other, so a client a thread is the usual way. Results and errors belong to whoever has them.
 * After fork() the child opens clients of its own; the parent's it may only persist_close(), which then
 * says nothing to the daemon and calls nobody back.
 *
 * Memory. What is returned is owned as said at each function. When memory runs out the process ends with status
 * 71 and a line on stderr, as in other libraries that have no way to go on.
 *
 * Times in milliseconds are int. Texts are UTF-8. Sizes are bytes. */
#ifndef PERSIST_H
#define PERSIST_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PERSIST_API __attribute__((visibility("default")))

struct json_t; /* jansson.h */

typedef struct persist_client persist_client;   /* a connection that mends itself, and its calls */
typedef struct persist_result persist_result;   /* what a call came back with */
typedef struct persist_pending persist_pending; /* a call that was sent and not yet waited for */
typedef struct persist_batch persist_batch;     /* calls that go out as one line */

/* ---- errors */

enum persist_code {
	PERSIST_OK = 0,

	/* this side's */
	PERSIST_E_NO_DAEMON = 1,  /* nobody listens, and did not begin to in time */
	PERSIST_E_TIMEOUT = 2,    /* no answer within the call's time */
	PERSIST_E_CONNECTION = 3, /* the connection ended before the answer, or does so each time */
	PERSIST_E_PROTOCOL = 4,   /* what answered does not speak as persistd does */
	PERSIST_E_ARGUMENT = 5,   /* an argument that cannot be sent: field and expected say which and why */
	PERSIST_E_TOO_LARGE = 6,  /* the reply is longer than persist_set_reply_max() allows */
	PERSIST_E_MISUSE = 7,     /* two threads at once, a blocking call inside a callback, a client after fork() */
	PERSIST_E_CANCELLED = 8,  /* persist_close() or persist_cancel() came first */

	/* the daemon's (docs/protocol.md, errors) */
	PERSIST_PARSE_ERROR = -32700,
	PERSIST_INVALID_REQUEST = -32600,
	PERSIST_METHOD_NOT_FOUND = -32601,
	PERSIST_INVALID_PARAMS = -32602,
	PERSIST_INTERNAL_ERROR = -32603,
	PERSIST_NOT_FOUND = -32001,
	PERSIST_CONFLICT = -32002,
	PERSIST_NOT_DURABLE = -32003,
	PERSIST_TOO_LARGE = -32004,
	PERSIST_LIMIT = -32005,
	PERSIST_FORBIDDEN = -32006,
	PERSIST_SHUTTING_DOWN = -32007,
	PERSIST_TIMEOUT = -32008,
	PERSIST_OUTCOME_UNKNOWN = -32009
};

enum persist_outcome {
	PERSIST_DID_NOT_HAPPEN = 0, /* nothing was changed */
	PERSIST_UNKNOWN = 1         /* the change may have been made or not: look before you repeat it */
};

/* A plain value. Texts end with NUL and are cut at a character's end; empty: absent. */
typedef struct persist_error {
	int code;                     /* enum persist_code, or another number of a newer daemon */
	enum persist_outcome outcome;
	char kind[32];                /* "not_found"; this side's: "no_daemon", "no_reply", "connection", … */
	char message[384];
	char field[128];              /* the offending parameter's path: job.payload.n */
	char expected[256];           /* what would have been accepted */
	char hint[512];               /* what to do */
	int64_t removed;              /* bulk removals: how many went before the error; else -1 */
	int system_error;             /* errno behind this side's errors; else 0 */
} persist_error;

/* ---- values and results */

/* JSON that goes in, borrowed for the time of the call. Made by the three functions below. */
typedef struct persist_value {
	const char *text;
	size_t len;
	const struct json_t *json;
} persist_value;

static inline persist_value persist_text_n(const char *text, size_t len)
{
	persist_value v = {text, len, NULL};
	return v;
}

/* NUL-terminated JSON text */
PERSIST_API persist_value persist_text(const char *text);

static inline persist_value persist_json(const struct json_t *json)
{
	persist_value v = {NULL, 0, json};
	return v;
}

/* No value: the parameter is left out. */
static inline persist_value persist_none(void)
{
	persist_value v = {NULL, 0, NULL};
	return v;
}

/* The result's JSON text, compact, NUL-terminated; len may be NULL. Borrowed: valid until the result is freed. */
PERSIST_API const char *persist_result_text(const persist_result *r, size_t *len);

/* The same as a tree, made at the first time it is asked for. Borrowed: json_incref() it to keep it longer than
 * the result. NULL: jansson cannot hold it (over 2,048 levels deep, or a NUL in a name). */
PERSIST_API struct json_t *persist_result_json(persist_result *r);

/* One member of the result at the top: text of a string (decoded), else its JSON text; NULL: no such member.
 * Borrowed. For the few things that one looks at without building a tree: "id", "revision", "next_cursor". */
PERSIST_API const char *persist_result_member(persist_result *r, const char *name);

PERSIST_API void persist_result_free(persist_result *r); /* NULL: nothing */

/* ---- a client */

/* `socket` NULL: $PERSISTD_SOCKET, else the user's own ($XDG_RUNTIME_DIR/persistd/persistd.sock, or
 * /tmp/persistd-<uid>/persistd.sock), else /run/persistd/persistd.sock, as it stands now. Connects nothing and
 * never fails: a path that cannot be is the first call's error. Owned: persist_close() it. */
PERSIST_API persist_client *persist_open(const char *socket);

/* Sends what progress is still held, as far as it goes without waiting. Calls under way end with
 * PERSIST_E_CANCELLED: their callbacks are called from here, and what they begin is refused with the
 * same code. What persist_start() returned and nobody waited for is still to be ended by persist_wait()
 * or persist_cancel(). NULL: nothing. Nothing, too, inside a callback of this client and while another
 * thread uses it. */
PERSIST_API void persist_close(persist_client *c);

PERSIST_API const char *persist_socket(const persist_client *c); /* the path in use; borrowed */

/* How long a call may take in all, from now on; default 30,000. 0 and below: for ever. */
PERSIST_API void persist_set_timeout(persist_client *c, int milliseconds);

/* How long a call goes on looking for a daemon that is not there, within its timeout; default 5,000,
 * which covers a restart. 0: one attempt. Below 0: as long as its timeout. What waiting hardly mends,
 * such as a socket that one may not use, is told after 0.2 s. */
PERSIST_API void persist_set_patience(persist_client *c, int milliseconds);

/* The longest reply that is taken in; default 64 MiB. */
PERSIST_API void persist_set_reply_max(persist_client *c, size_t bytes);

/* ---- any method */

/* Calls and waits. params: an object or an array; persist_none(): none. */
PERSIST_API int persist_call(persist_client *c, const char *method, persist_value params, persist_result **result,
                             persist_error *error);

/* The parameters in the format of jansson's json_pack: persist_callf(c, "job.list", &r, &e, "{s:s, s:i}",
 * "status", "running", "limit", 10). */
PERSIST_API int persist_callf(persist_client *c, const char *method, persist_result **result, persist_error *error,
                              const char *format, ...);

/* A notification: nobody answers it, whatever becomes of it. It is sent as far as it goes without
 * waiting, and the rest with the next use of the client. Lost if the connection ends once it was sent,
 * or if no daemon is found in the time that a call would look for one. PERSIST_E_CONNECTION where 16 MiB
 * of them wait already. */
PERSIST_API int persist_notify(persist_client *c, const char *method, persist_value params, persist_error *error);

/* ---- jobs. `fields`: names with commas between them, "id,status"; NULL: all. result may be NULL where it is
 * of no interest. */

typedef struct persist_save_options {
	const char *fields;       /* which fields of the stored record come back */
	bool check_revision;      /* refuse with PERSIST_CONFLICT unless the stored record is at if_revision */
	int64_t if_revision;      /* 0: unless there is no such record */
} persist_save_options;

PERSIST_API int persist_job_save(persist_client *c, persist_value job, const persist_save_options *options,
                                 persist_result **saved, persist_error *error);
PERSIST_API int persist_job_get(persist_client *c, const char *id, const char *fields, persist_result **job,
                                persist_error *error);

/* A page of a list. Zero or NULL: not given. Start from {0} and name what you set: members are only ever added,
 * at the end, with a new soname. Where one value is asked for, several with commas between them will do. */
typedef struct persist_list {
	const char *status;
	const char *type;          /* jobs */
	const char *kind;          /* runs and artifacts */
	const char *run_id;        /* artifacts */
	const char *after;         /* jobs: created_after; runs: updated_after; RFC 3339 */
	const char *before;
	int limit;                 /* 1 to 1000; 0: the daemon's default, 100 */
	int64_t offset;
	const char *cursor;        /* next_cursor of the page before */
	const char *fields;
	const char *order;         /* "time" or "id" */
} persist_list;

/* {"jobs":[…],"total":n,"next_cursor":…}; filter NULL: the newest of all. */
PERSIST_API int persist_job_list(persist_client *c, const persist_list *filter, persist_result **page,
                                 persist_error *error);
PERSIST_API int persist_job_count(persist_client *c, const persist_list *filter, int64_t *total,
                                  persist_error *error);

/* Sets a job's live progress and waits for the answer; percentage may be NULL. message NULL: "". */
PERSIST_API int persist_job_update_progress(persist_client *c, const char *id, double current, double total,
                                            const char *message, double *percentage, persist_error *error);

/* The same, fire-and-forget, for loops: costs about a system call, never waits, and does not fail because the
 * daemon is away or slow: then the last value of each job is kept (of up to 1,024 jobs) and sent when the client
 * is next used. Calls made later with this client see it. A job that does not exist is nobody's error. Only
 * PERSIST_E_ARGUMENT and PERSIST_E_MISUSE. */
PERSIST_API int persist_job_progress(persist_client *c, const char *id, double current, double total,
                                     const char *message, persist_error *error);

/* removed: 1, or 0 where there was none; may be NULL, here and below. */
PERSIST_API int persist_job_delete(persist_client *c, const char *id, int64_t *removed, persist_error *error);

/* Ended jobs older than so many days; below 0: the daemon's default. */
PERSIST_API int persist_job_cleanup(persist_client *c, double days, bool dry_run, int64_t *removed,
                                    persist_error *error);

/* ---- runs */

/* run: the parameters of run.create_or_update by name, {"run_id":…,"kind":…,"status":…,"request":…,"meta":…}. */
PERSIST_API int persist_run_save(persist_client *c, persist_value run, const persist_save_options *options,
                                 persist_result **saved, persist_error *error);
PERSIST_API int persist_run_get(persist_client *c, const char *run_id, const char *fields, persist_result **run,
                                persist_error *error);
PERSIST_API int persist_run_list(persist_client *c, const persist_list *filter, persist_result **page,
                                 persist_error *error);
PERSIST_API int persist_run_count(persist_client *c, const persist_list *filter, int64_t *total,
                                  persist_error *error);

/* The newest run whose meta[key], as text, is value. */
PERSIST_API int persist_run_find_by_meta(persist_client *c, const char *key, const char *value, const char *fields,
                                         persist_result **run, persist_error *error);
PERSIST_API int persist_run_delete(persist_client *c, const char *run_id, bool keep_artifacts, int64_t *removed,
                                   persist_error *error);

/* ---- artifacts. kind NULL: the run's. */

PERSIST_API int persist_artifact_save(persist_client *c, const char *run_id, const char *kind, persist_value payload,
                                      persist_result **artifact, persist_error *error);
PERSIST_API int persist_artifact_read(persist_client *c, const char *id, persist_result **artifact_and_payload,
                                      persist_error *error);
PERSIST_API int persist_artifact_list(persist_client *c, const persist_list *filter, persist_result **page,
                                      persist_error *error);
PERSIST_API int persist_artifact_delete(persist_client *c, const char *id, int64_t *removed, persist_error *error);

/* ---- the daemon */

PERSIST_API int persist_ping(persist_client *c, persist_error *error);
/* Returns once everything that was sent before, by anyone, is durable; revision may be NULL. */
PERSIST_API int persist_flush(persist_client *c, int64_t *revision, persist_error *error);

/* ---- pipelining: several calls on their way at once, waited for in any order.
 *
 * The daemon makes what arrives together durable together, so a hundred saves in flight cost little more than
 * one. A call sees everything sent before it with the same client. */

/* Sends without waiting. NULL: refused, *error says why. Owned: persist_wait() or persist_cancel() it. */
PERSIST_API persist_pending *persist_start(persist_client *c, const char *method, persist_value params,
                                           persist_error *error);
/* Waits for its answer, and ends `p` whatever the answer is, but for PERSIST_E_MISUSE. Its time began with
 * persist_start(). */
PERSIST_API int persist_wait(persist_pending *p, persist_result **result, persist_error *error);
/* Wants no answer any more. The call is taken back if it has not wholly left; else it may happen all the same.
 * NULL: nothing. */
PERSIST_API void persist_cancel(persist_pending *p);

/* ---- batches: several calls as one line, answered by one line. Neither all nor nothing: each has its own
 * outcome. The daemon's limits hold for the line (server.info says them). */

PERSIST_API persist_batch *persist_batch_new(persist_client *c);
/* Copies what it needs. The place of the call in the batch, from 0; below 0: refused, *error says why. */
PERSIST_API int persist_batch_add(persist_batch *b, const char *method, persist_value params, persist_error *error);
/* Sends and waits. Fails only as a whole, and then every call has that error; how the single calls went says
 * persist_batch_result(). Sent again only where that is safe for each of its calls. Once for each batch. */
PERSIST_API int persist_batch_run(persist_batch *b, persist_error *error);
/* Of the call at `place`: 0 and its result (borrowed from the batch), or its error's code. */
PERSIST_API int persist_batch_result(persist_batch *b, int place, persist_result **result, persist_error *error);
PERSIST_API void persist_batch_free(persist_batch *b); /* NULL: nothing */

/* ---- in an event loop
 *
 * persist_fd() is one descriptor for the client's whole life, whatever happens to its connection: watch it for
 * reading, and call persist_process() when it is readable. Deadlines and reconnecting make it readable, too; no
 * timer is needed. */

/* Called once for each persist_submit() that returned 0, from persist_process(), persist_close() or a blocking
 * call of the same client, never from persist_submit() itself. `result` (NULL on error) and `error` (NULL on
 * success) are borrowed for the time of the callback; persist_result_take() keeps a result. Inside it anything
 * may be called but what blocks, and persist_close(). */
typedef void persist_callback(persist_client *c, persist_result *result, const persist_error *error, void *arg);

PERSIST_API int persist_submit(persist_client *c, const char *method, persist_value params,
                               persist_callback *callback, void *arg, persist_error *error);
/* Inside a callback: the result is the caller's from now on. Owned: persist_result_free() it. */
PERSIST_API persist_result *persist_result_take(persist_result *r);

/* Made at the first call of it; stays the client's. Below 0: the system has no descriptor left (errno), or the
 * client is in use by another thread or process (EBUSY). */
PERSIST_API int persist_fd(persist_client *c);
/* Does what can be done without waiting: sends, takes in, calls back. How many calls still wait for their answer;
 * below 0: -PERSIST_E_MISUSE. Inside a callback it only counts. */
PERSIST_API int persist_process(persist_client *c);

PERSIST_API const char *persist_version(void); /* "0.1.0" */

#ifdef __cplusplus
}
#endif
#endif
