/* selection: which records of the store an export takes.
 *
 * What the daemon's lists can look for they are asked for, the rest (--meta, and times of artifacts) is
 * looked at here. Without times and limit records come by id, an order that no change disturbs; with them
 * newest first, as in lists. */
#pragma once
#include "client/ctl/match.h"
#include "proto/buf.h"

struct selection {
	const struct given *given;
	struct match match;
	uint64_t limit; /* records of each table; UINT64_MAX: all */
	bool newest;
};

/* `wanted`: for each table whether it is exported. What a chosen table cannot be filtered by is refused: it
 * would let that table through whole. EXIT_USAGE has been told. */
enum exit_status selection_read(struct selection *s, const struct invocation *i,
                                const bool wanted[TABLE_COUNT]);

/* Appends the members of the list's parameters that select, the first without a comma before it: order,
 * limit and filters. */
void selection_params(struct buf *out, const struct selection *s, enum table_id t);
/* The field that selection_takes() looks at, which must be there; NULL: none. */
const char *selection_field(const struct selection *s, enum table_id t);
bool selection_takes(const struct selection *s, enum table_id t, struct span record);

/* Whether anything is left out on this side. */
bool selection_looks(const struct selection *s, enum table_id t);
/* Whether all records of the table are taken. */
bool selection_is_whole(const struct selection *s, enum table_id t);
/* `,"name":["a","b"]` of a flag's words, split at commas; nothing where it was not said. */
void selection_words(struct buf *out, const struct given *g, const char *flag, const char *name);
