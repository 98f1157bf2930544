/* watch: what persist_fd() gives: one descriptor that is readable when the client has something to do.
 *
 * An epoll descriptor with the connection's socket and a timer in it. One thread at a time. */
#pragma once
#include "client/wire.h"

struct watch {
	int epoll, timer;  /* below 0: not yet made */
	int64_t armed;     /* when the timer fires; MOMENT_NEVER: it does not */
};

void watch_init(struct watch *w);
int watch_open(struct watch *w); /* 0, or the errno; again: harmless */
void watch_close(struct watch *w);
void watch_woken(struct watch *w); /* takes note of a timer that has fired */
/* From now on readable when the wire is ready for `events`, and at `due`. A timer that fires too early is
 * harmless, so it is not moved to a later moment before it has fired. Nothing where it is not open. */
void watch_set(struct watch *w, struct wire *wire, short events, int64_t due);
