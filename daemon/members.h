/* members: a record's object as its fields, and how a record's text is put together from them.
 *
 * record, job, run and artifact all do the same three things: place the members of an object by the fields
 * that they are, in one pass and without a tree; write the fields in the spec's order; carry along what is no
 * field. Any thread. */
#pragma once
#include "proto/scan.h"
#include "proto/spec.h"

struct members {
	struct span value[SPEC_FIELDS_MAX]; /* by field; absent: the object has no such member */
	uint32_t canonical;                 /* bit i: value[i] is known to be */
	/* stands before the first member that is no field, where there is one */
	struct scan_iter unknown;
	bool has_unknown;
	const char *end;                    /* behind the last member's value; NULL: none */
};

/* What stands before a value, but for its name: a comma or brace, two quotes, a colon. */
enum { MEMBER_AROUND_NAME = 4 };

/* Where the values of a regular text end: one whose members are all fields of its table in the spec's order,
 * and nothing else, as nearly every record's text is. What stands between them is known then, so that finding
 * them needs no scanning. */
struct layout {
	bool regular;                   /* else the ends mean nothing */
	uint32_t ends[SPEC_FIELDS_MAX]; /* offsets, by field */
};

/* Of a text that is read: is it regular, and how? */
void layout_of(enum table_id t, struct span text, const struct members *m, struct layout *l);
/* What members_read would find in the regular text. */
void members_of_layout(enum table_id t, const char *text, const struct layout *l, struct members *m);

/* False: no object, or (text that nobody has checked) not JSON. */
/* `outline` (NULL: none) is of a text that has the object in it. */
bool members_read(enum table_id t, struct span object, const struct scan_outline *outline, struct members *m);
/* As field_find, and faster where the guess (a place in the list, its end included) is right. */
int members_field(const struct spec_field *fields, struct span raw_name, int guess);

void members_put_name(struct buf *out, const struct spec_field *field); /* ,"status": */
/* `value` is canonical; absent: the field's fallback */
void members_put(struct buf *out, const struct spec_field *field, struct span value);
/* What is no field, canonical, each member with a comma before it. */
void members_put_unknown(struct buf *out, enum table_id t, const struct members *m);
/* Makes an object of the members appended since `start`, each of which has a comma before it. */
void members_close(struct buf *out, size_t start);

/* Appends the object `base` with the values of `over` where that has the same name, and behind them what only
 * `over` has. Both are canonical objects. Returns the raw name of the first member that only `over` has,
 * absent if there is none. Linear in both, whoever chose the names. */
struct span members_overlay(struct buf *out, struct span base, struct span over);
