/* csv: records as rows of RFC 4180, for spreadsheets and databases.
 *
 * Texts as they are, numbers, true and false as JSON writes them, objects and arrays as compact JSON. null
 * is an empty cell, an empty text a quoted one. */
#pragma once
#include "proto/buf.h"

/* Appends the cell, with a comma before it unless it is the row's first. `value`: JSON; absent: empty. */
void csv_cell(struct buf *out, struct span value, bool first);
/* The same for plain text. */
void csv_text(struct buf *out, struct span text, bool first);
void csv_end_row(struct buf *out);
