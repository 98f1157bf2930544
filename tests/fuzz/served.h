/* served: a whole daemon but for its loop and its sockets: lines go through dispatch into a store that commits through the
 * journal to a directory (place.h), and the target decides when a turn of the loop ends, when a job of the threadpool is
 * done, and which disk call fails.
 *
 * What it promises by itself, whatever is done to it: each line gets the replies that it must get, once, each a line of
 * JSON that a client can read; when the disk is sound again so is the daemon; and a start finds exactly the records that
 * it had. A broken one ends the process. One at a time. */
#pragma once
#include "daemon/dispatch.h"
#include "tests/unit/faulty_disk.h"

enum { SERVED_CLIENTS = 2 };

struct client {
	struct origin origin;  /* first */
	struct session session;
	struct served *served;
	struct buf out;        /* replies that have not been looked at */
	struct bundle *bundle; /* whose calls are still being begun */
	unsigned answers, expected;
};

struct served {
	struct flush flush;    /* first; jobs wait in a queue */
	struct flush_job *jobs, **jobs_end;
	struct faulty_disk faulty;
	struct state_dir dirs;
	struct roles roles;
	struct service service;
	struct client clients[SERVED_CLIENTS];
	bool faults;           /* there has been one */
	void (*reply)(void *context, struct span line); /* each one line; may be NULL */
	void *context;
};

/* A daemon with an empty state directory. `small`: limits so low that they are met. The first client administers, the
 * second has `role`. `served` is zeroed at first but for `reply` and `context`. */
void served_open(struct served *s, bool small, enum role role);
void served_line(struct served *s, unsigned client, struct span line);
void served_turn(struct served *s);     /* what has been gathered goes to the disk */
bool served_job(struct served *s);      /* the oldest job runs and is done; false: there is none */
void served_wait(struct served *s, unsigned milliseconds);
void served_hang_up(struct served *s, unsigned client); /* and somebody else connects */
void served_fault(struct served *s, struct faulty_plan plan);
/* Everything is answered, the disk is sound again, and a start finds what is there; with `stop` the daemon is stopped
 * first, so that the snapshots alone must have it. */
void served_close(struct served *s, bool stop);
