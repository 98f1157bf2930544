/* value: what a caller gives as JSON, made into checked text on one line. */
#pragma once
#include "client/persist.h"
#include "proto/buf.h"

/* Appends it; nothing for persist_none(). `field` is what an error names. False: *e is set, `out` is as it was.
 * Trees are written with the shortest decimals that read back (jansson itself writes 17 digits). */
bool value_put(struct buf *out, persist_value v, const char *field, persist_error *e);
/* The same for a C string that becomes a JSON string; NULL must not be. */
bool value_put_text(struct buf *out, const char *text, const char *field, persist_error *e);
