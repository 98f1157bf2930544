/* pack: the later part of a record's text in fewer bytes, see docs/records.md.
 *
 * Names of fields, nulls and the constant ends of times are the same in most records. Each run of them is a
 * phrase that this module knows by a number of one byte; what is packed is steps of a phrase and the bytes that
 * follow it. Planning compares, so that any text comes back as it was, whatever it is. No allocation.
 *
 * Any thread. A text can only be unpacked once one has been planned in this process, by this thread or before
 * it was handed over. Unpacking reads up to PACK_SLACK bytes beyond the packed ones and writes up to PACK_SLACK
 * beyond the text: the memory must be there, what is in it does not matter. */
#pragma once
#include "daemon/members.h"

enum { PACK_SLACK = 32 };

struct pack_step {
	uint8_t phrase;
	struct span bytes; /* of the text */
};

struct pack {
	struct pack_step steps[SPEC_FIELDS_MAX + 1];
	unsigned count;
	size_t bytes; /* that it takes */
};

/* The part of `text` from `from` on; `m` is of the whole text. Borrows the text. (What stands before a job's
 * result, a run's or artifact's created_at never becomes part of a phrase: records are found by it.) */
void pack_plan(enum table_id t, struct span text, const char *from, const struct members *m, struct pack *p);
void pack_write(const struct pack *p, char *to);
/* Where in what is written a byte of the text is. Always there: id, status, type, kind, run_id, and objects. */
size_t pack_place(const struct pack *p, const char *at);

/* Writes the text, returns its end. */
char *pack_text(const char *packed, size_t bytes, char *out);
/* The same of a regular text (see members.h), of which all was packed from the end of some field's value on:
 * ends[0] is that end, the next are those of the fields behind it, but for the last one's. */
char *pack_regular(const char *packed, size_t bytes, char *out, const char *ends[SPEC_FIELDS_MAX]);
