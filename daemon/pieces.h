/* pieces: what stands in a damaged file where records stand, one after the other, whatever is broken between
 * them.
 *
 * In a file as persistd writes it a record is a line of its own that begins with {"id":" and nothing else begins
 * so, since canonical text has no newline in it. In another's file records are the elements of the table's
 * array; behind a broken one it goes on at the next line that is indented as the first record is. So what is
 * found is never a part of another record. Whether it is a record the caller judges: pieces only finds whole
 * JSON objects. No I/O. Any thread. */
#pragma once
#include "proto/scan.h"

struct pieces_sink {
	void *context;
	/* One whole JSON object; `at`: its offset. */
	void (*object)(void *context, struct span text, size_t at);
	/* Something else where an object was expected, from `at` on; the scanner stopped at `report`, whose offsets
	 * count from there. `text`: what it looked at. */
	void (*broken)(void *context, struct span text, size_t at, enum scan_result result,
	               const struct scan_report *report);
};

/* Is it a file as persistd writes it, or was it? */
bool pieces_are_ours(struct span text);
/* `table`: the name of the array of records in a file of another's making. */
void pieces_read(struct span text, const char *table, const struct pieces_sink *sink);

/* The id that a record, broken or not, states; absent: it cannot be told. `scratch` may be used. */
struct span pieces_id(struct span text);

/* The first line of a file as persistd writes it, as an object: up to the first array of records, which is empty in
 * it. False: it is not JSON up to there. */
bool pieces_head(struct span text, struct buf *head);
/* The last "deleted" of a segment's text. False: there is none that is JSON. */
bool pieces_deleted(struct span text, struct span *deleted);
