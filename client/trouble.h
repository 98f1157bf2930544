/* trouble: errors as persist.h shows them, made from what went wrong on this side and from what the daemon said. */
#pragma once
#include "client/persist.h"
#include "proto/span.h"

/* This side's. `system_error` is put behind the message as text where it is not 0. */
__attribute__((format(printf, 4, 5))) void trouble_set(persist_error *e, enum persist_code code, int system_error,
                                                       const char *message, ...);
__attribute__((format(printf, 3, 4))) void trouble_argument(persist_error *e, const char *field, const char *expected,
                                                            ...);
/* `object` is a checked error object of a reply. */
void trouble_from_reply(persist_error *e, struct span object);

/* Into the caller's, who may want none. The code, as functions return it. */
int trouble_give(persist_error *to, const persist_error *e);
