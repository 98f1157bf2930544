/* failure: what went wrong with a call, as a persist_error says it.
 *
 * Texts are cut at a character's end. Nothing here allocates. Any thread. */
#pragma once
#include "client/persist.h"
#include "proto/span.h"

void failure_clear(persist_error *e);

/* One of this side's codes (above 0), with its kind. Everything else is cleared. */
__attribute__((format(printf, 4, 5)))
void failure_set(persist_error *e, enum persist_code code, enum persist_outcome outcome, const char *message,
                 ...);
void failure_field(persist_error *e, const char *field);
__attribute__((format(printf, 2, 3))) void failure_expected(persist_error *e, const char *format, ...);
__attribute__((format(printf, 2, 3))) void failure_hint(persist_error *e, const char *format, ...);

/* The error object of a reply (checked JSON). False: it is none. */
bool failure_read(persist_error *e, struct span object);

/* Where a public function's error goes: to its caller, who may not want it. */
static inline persist_error *failure_room(persist_error *given, persist_error *own) { return given ? given : own; }
