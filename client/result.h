/* result: what a call came back with, as text, and as a tree once that is asked for. */
#pragma once
#include "client/persist.h"
#include "proto/span.h"

persist_result *result_new(struct span text); /* copied. Owned: persist_result_free() */
struct span result_span(const persist_result *r);
/* A member at the top that is an integer; false: there is none. */
bool result_whole(const persist_result *r, const char *name, int64_t *number);
bool result_real(const persist_result *r, const char *name, double *number);
/* What the callback is lent, and may take: true if it did. */
bool result_was_taken(const persist_result *r);
