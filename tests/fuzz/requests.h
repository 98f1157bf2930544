/* requests: lines that are requests, mostly good ones, made of the rows of the spec by an input's bytes: whatever the bytes
 * are, the text is JSON. What replies said (ids of artifacts, cursors) is used in later requests. */
#pragma once
#include "tests/fuzz/fuzz.h"

struct requests {
	struct fuzz_input in;
	unsigned next_id;     /* of calls, from 1 */
	char artifact[200];   /* the newest id that a reply told; empty: none yet */
	char cursor[400];
	unsigned depth;
};

/* Appends one request, a call or a notification. */
void requests_one(struct requests *r, struct buf *out);
/* What a reply line, single or a batch's, tells. */
void requests_learn(struct requests *r, struct span line);
