/* latest: the newest progress of each job, for as long as it cannot be sent.
 *
 * Of up to LATEST_MAX jobs: the one that was first reported longest ago makes room. */
#pragma once
#include "proto/buf.h"

enum { LATEST_MAX = 1024 };

struct latest;

struct latest *latest_new(void);     /* owned: latest_free() */
void latest_free(struct latest *l);  /* NULL: nothing */
/* The line that says it, copied; with its newline. */
void latest_set(struct latest *l, struct span id, struct span line);
void latest_merge(struct latest *newer, struct latest *older); /* takes what is not known, empties `older` */
void latest_write(const struct latest *l, struct buf *out);    /* all lines */
