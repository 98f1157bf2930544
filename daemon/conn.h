/* conn: one client's connection: bytes in, lines to dispatch, replies out.
 *
 * It reads only as long as it may: not while too many of its calls wait, too many reply bytes are queued to a
 * slow reader, or a bulk call of it is under way. What a slice of its calls produces goes out in one write.
 * After a half-close everything outstanding is answered, then it closes. */
#pragma once
#include "daemon/ahead.h"
#include "daemon/call.h"
#include <uv.h>

struct conn;

enum { CONNS_INPUT = 64 << 10, CONNS_SPARE = 64 };

/* All connections of one daemon, and which of them have something to do. */
struct conns {
	struct service *service;
	uv_loop_t *loop;
	struct conn *all;
	struct conn *runnable; /* have lines to go on with, the one that waits longest first */
	struct conn **runnable_end;
	struct conn *dirty;    /* have replies to write */
	uv_idle_t idle;        /* runs while there are runnable ones */
	/* have been read from in this turn, and have their turn once there are some, or nobody else has sent anything;
	 * NULL: closed meanwhile */
	struct conn *arrived[AHEAD_LINES];
	unsigned arrived_count;
	uv_check_t check;      /* after all reads of a turn */
	char input[2 * CONNS_INPUT]; /* what they have sent; a read needs CONNS_INPUT of it */
	size_t input_used;
	struct buf spares[CONNS_SPARE]; /* for replies; those of connections that have said all */
	unsigned spare_count;
	bool leaving;
	uint64_t turn;         /* of the loop; counted for users' time */
};

void conns_init(struct conns *all, struct service *s, uv_loop_t *loop);
void conns_accept(struct conns *all, uv_stream_t *listener);
void conns_write(struct conns *all);        /* at the end of a turn */
void conns_roles_changed(struct conns *all); /* settles anew what each may do */
bool conns_quiet(const struct conns *all);  /* nothing is under way or queued on any connection */
void conns_leave(struct conns *all);        /* no more is read: what has been asked is answered, for conns_silent */
bool conns_silent(const struct conns *all); /* nothing is left to say on any connection */
void conns_close(struct conns *all);        /* closes every connection now, and the idle handle */
