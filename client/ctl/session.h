/* session: one run of persistctl and the daemon that it talks to.
 *
 * Nothing is opened before the first call. A call that fails has been told on stderr when session_call comes
 * back, so that a command only passes the exit status on. Commands that keep several calls on their way use
 * session_client() with persist_start() and persist_wait(), and session_report() for what goes wrong. */
#pragma once
#include "client/persist.h"
#include "proto/span.h"

enum exit_status {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_FOUND = 3,
	EXIT_CONFLICT = 4,
	EXIT_NO_DAEMON = 69, /* EX_UNAVAILABLE of sysexits.h */
	EXIT_TIMEOUT = 124,  /* as timeout(1) */
	EXIT_INTERRUPTED = 130,
};

struct session {
	const char *socket; /* --socket; NULL: where libpersist looks. Borrowed */
	double timeout;     /* seconds; 0: libpersist's own */
	const char *subject; /* the id that calls are about, said beside the method's name; NULL: none */
	persist_client *client; /* NULL: not yet opened */
};

/* Opened with the first use, and then stays the session's. */
persist_client *session_client(struct session *s);

/* params: JSON text, an object or an array; absent: none. EXIT_OK: *result is the caller's
 * (persist_result_free). Anything else has been said on stderr, and *result is NULL. */
enum exit_status session_call(struct session *s, const char *method, struct span params,
                              persist_result **result);

/* Says on stderr what became of a call: kind and message, then field, expected, hint and removed where there
 * are such, a line each; where no daemon is, which path was tried and how one is started. `about` is what the
 * error is of: a method's name, or more where one method is called many times ("job.save: line 12"). */
enum exit_status session_report(struct session *s, const char *about, const persist_error *error);

/* The status alone, nothing said. */
enum exit_status session_status(const persist_error *error);

void session_close(struct session *s);
