/* match: filters that the daemon does not have, applied to records on this side: --meta KEY=TEXT, and for
 * artifacts --since and --until. */
#pragma once
#include "client/ctl/command.h"

enum { MATCH_PAIRS_MAX = 16 };

struct match {
	const char *meta;  /* the field that pairs are looked for in; NULL: none */
	struct match_pair {
		struct span key;
		const char *text; /* a string is compared as it is, anything else as its JSON */
	} pairs[MATCH_PAIRS_MAX];
	size_t pair_count;
	int64_t since, until; /* of created_at; INT64_MIN and INT64_MAX: any */
};

/* What was said, of those filters that the command has and its method has not. `meta`: --meta's field. */
enum exit_status match_read(struct match *m, const struct invocation *i, const char *meta,
                            const char *command);
bool match_is_set(const struct match *m);
/* The field that a record must have been asked for with; NULL: none is needed. */
const char *match_field(const struct match *m);
bool match_record(const struct match *m, struct span record);
