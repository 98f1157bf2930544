/* fault: what went wrong, said once, for the wire, the logs and the command line.
 *
 * The one table of error codes. The standard five of JSON-RPC 2.0 and persistd's own: number, name on the
 * wire (error.data.kind), and the text used where a fault has nothing more precise to say.
 * Nobody matches on the text. */
#pragma once
#include "proto/span.h"
#include <stdint.h>

#define FAULT_CODES(X)                                                                              \
	X(PARSE, -32700, "parse_error", "The line is not valid JSON.")                                    \
	X(INVALID_REQUEST, -32600, "invalid_request", "The JSON is not a JSON-RPC 2.0 request.")          \
	X(METHOD_NOT_FOUND, -32601, "method_not_found", "There is no such method.")                       \
	X(INVALID_PARAMS, -32602, "invalid_params", "The parameters are not what the method takes.")      \
	X(INTERNAL, -32603, "internal_error", "The daemon failed; this is a bug in it.")                  \
	X(NOT_FOUND, -32001, "not_found", "No record has this id.")                                       \
	X(CONFLICT, -32002, "conflict", "The record is not at the expected revision.")                    \
	X(NOT_DURABLE, -32003, "not_durable", "The change could not be written to disk and did not happen.") \
	X(TOO_LARGE, -32004, "too_large", "The line, record or reply is larger than the limit.")          \
	X(LIMIT, -32005, "limit", "A limit of the daemon is reached.")                                    \
	X(FORBIDDEN, -32006, "forbidden", "The caller's role does not allow this method.")                \
	X(SHUTTING_DOWN, -32007, "shutting_down", "The daemon is stopping.")                              \
	X(TIMEOUT, -32008, "timeout", "The call took too long.")                                          \
	X(OUTCOME_UNKNOWN, -32009, "outcome_unknown",                                                     \
	  "The disk failed while the change was being made durable: it may or may not be there after a restart.")

enum fault_code {
#define X(name, number, kind, text) FAULT_##name,
	FAULT_CODES(X)
#undef X
	FAULT_CODE_COUNT
};

int fault_number(enum fault_code code);
const char *fault_kind(enum fault_code code);
const char *fault_text(enum fault_code code);
bool fault_from_number(int64_t number, enum fault_code *code);

/* A plain value, big enough for what it says; longer text is cut at a character's end. Texts are valid UTF-8
 * and never hold what a client sent, but for names of fields and methods (cut to 64 bytes).
 * Empty string: absent. */
struct fault {
	enum fault_code code;
	char message[384];
	char field[128];    /* the offending parameter's path: job.payload.n */
	char expected[256]; /* what would have been accepted */
	char hint[256];     /* what to do: "did you mean completed?" */
	int64_t removed;    /* bulk removals: how many went before the fault; -1: absent */
};

/* message may be NULL: the code's own text */
__attribute__((format(printf, 3, 4))) void fault_set(struct fault *f, enum fault_code code,
                                                     const char *message, ...);
void fault_field(struct fault *f, const char *field);
__attribute__((format(printf, 2, 3))) void fault_expected(struct fault *f, const char *format, ...);
__attribute__((format(printf, 2, 3))) void fault_hint(struct fault *f, const char *format, ...);

/* The nearest of `names` (NULL-terminated) to a mistyped one (Damerau–Levenshtein distance of at most 2, and
 * less than half its length), NULL if none is near. */
const char *fault_did_you_mean(struct span typed, const char *const *names);
