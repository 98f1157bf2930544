/* leaves: a record as a list of paths and values, "meta.metrics.cagr" and 0.21: what two records are compared
 * by. */
#pragma once
#include "proto/buf.h"

struct leaf {
	const char *path;  /* "meta.legs[3].price"; in the leaves' own memory */
	struct span value; /* a scalar, or a container that is empty; points into the record */
};

struct leaves {
	struct leaf *at;
	size_t count;
	struct buf text;
};

/* Of a checked object, in its order. Empties `l` first. No recursion; what lies deeper than the daemon takes
 * is one leaf. */
void leaves_read(struct leaves *l, struct span object);
void leaves_free(struct leaves *l);
