/* params: what a client sent, checked against the method's row before anything happens.
 *
 * Everything is checked: unknown names (with a did-you-mean), types, bounds, patterns, numbers that cannot be
 * held. A null optional parameter is absent. Values point into the text that was read, or into `scratch`
 * where they had to be decoded. */
#pragma once
#include "proto/spec.h"
#include "proto/buf.h"
#include "proto/scan.h"
#include "proto/stamp.h"

struct param {
	bool present;
	bool flag;          /* SPEC_BOOL */
	uint8_t choice;     /* SPEC_CHOICE: index into choices */
	uint8_t list_count; /* many: at least 1 where present; 0 for an unbounded list */
	struct span text;   /* the raw JSON value */
	struct span string; /* decoded: IDENT, STRING, KIND (sanitised), CURSOR, CHOICE (lower-cased) */
	int64_t whole;      /* SPEC_INT; SPEC_TIME: microseconds */
	double real;        /* SPEC_NUMBER */
	uint32_t fields;    /* SPEC_FIELDS: bit i is field i of the table's list */
	struct span list[SPEC_FILTER_MAX]; /* many: the decoded strings, duplicates removed */
};

struct params {
	struct param at[SPEC_PARAMS_MAX];
	const struct scan_outline *outline; /* as it was given */
};

/* Refuses a number that cannot be held, by the path to it. `number_at` is what scan_check reported for the
 * line, as an offset into `params`; SIZE_MAX: there is none. The line's first such number may stand in the id
 * or in another call of the batch: an offset outside `params` (one that wrapped, too) makes it look for
 * itself. Call it before params_read, which only looks at the numbers that are parameters. */
bool params_numbers_held(struct span params, size_t number_at, struct fault *fault);

/* `params` absent, an object or an array: checked JSON (depth, grammar, duplicates), of which `outline` (NULL:
 * none) was made. True: `out` is filled.
 * What is a whole record (job.save's job, server.import's lists) is only looked at as far as being an object:
 * its fields are judged beside the stored record, by field_find and field_check. */
bool params_read(const struct spec_method *m, struct span params, const struct scan_outline *outline,
                 struct params *out, struct buf *scratch, struct fault *fault);

/* One value of a record against its field's row. `path` is what the fault names ("job.status"). The value is
 * not null, or null is a value of the field. */
bool field_check(const struct spec_field *field, struct span value, const char *path, struct fault *fault);

/* The place of a name in a list of fields, -1 if it is none. */
int field_find(const struct spec_field *fields, struct span raw_name);

/* "job has no field statsu" with the nearest name. `path` is the object's ("job"). */
void field_unknown(const struct spec_field *fields, struct span raw_name, const char *path,
                   struct fault *fault);

/* What a value must be, as a message says it: "an integer from 1 to 1000". */
void field_expected(struct buf *out, const struct spec_field *field);
void param_expected(struct buf *out, const struct spec_param *param);
