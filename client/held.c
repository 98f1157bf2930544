#include "client/held.h"
#include "proto/mem.h"
#include "proto/rpc.h"
#include <stdlib.h>

struct held {
	UT_hash_handle hh; /* by the job's id, in the order in which they came */
	struct buf params;
	char id[];
};

static void drop(persist_client *c, struct held *h)
{
	HASH_DEL(c->held, h);
	buf_free(&h->params);
	free(h);
}

void held_put(persist_client *c, const char *id, struct span params)
{
	struct held *h;
	size_t len = strlen(id);
	HASH_FIND(hh, c->held, id, len, h);
	if (!h) {
		if (HASH_COUNT(c->held) >= HELD_MOST)
			drop(c, c->held); /* the oldest */
		h = mem_zero(sizeof *h + len + 1);
		memcpy(h->id, id, len + 1);
		HASH_ADD_KEYPTR(hh, c->held, h->id, len, h);
	}
	h->params.len = 0;
	buf_span(&h->params, params);
}

void held_release(persist_client *c)
{
	static const char method[] = "job.update_progress";
	while (c->held) {
		struct held *h = c->held;
		struct call *call = engine_call(c, method);
		call->notification = true;
		rpc_request(&call->line, method, buf_as_span(&h->params), -1);
		drop(c, h);
		engine_queue(c, call);
	}
}

void held_free(persist_client *c)
{
	while (c->held)
		drop(c, c->held);
}
