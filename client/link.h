/* link: one connection to the daemon, lines out and lines in, with deadlines.
 *
 * Blocking: a call returns when it is done, when its deadline has passed, or when the connection ends.
 * Signals do not disturb it. It knows lines and nothing of what they say. One thread at a time. */
#pragma once
#include "proto/frame.h"
#include <stdint.h>

enum link_result {
	LINK_OK,
	LINK_TIMEOUT,  /* the deadline has passed; the link can be used further */
	LINK_CLOSED,   /* the daemon ended the connection */
	LINK_TOO_LONG, /* a line over LINK_LINE_MAX came, and is skipped */
	LINK_FAILED,   /* errno says why */
};

enum { LINK_LINE_MAX = 64 << 20 };
#define LINK_FOREVER INT64_MAX

struct link;

/* so long from now; a deadline is in microseconds of the monotonic clock */
int64_t link_deadline(double seconds);

enum link_result link_open(const char *path, int64_t deadline, struct link **made); /* owned: link_close it */
void link_close(struct link *l);                                                    /* NULL: nothing */

/* Sends all of `bytes` (whole lines). What the daemon sends meanwhile is taken in, so that two full pipes
 * cannot wait for each other. After anything but LINK_OK a part may have been sent: close the link. */
enum link_result link_send(struct link *l, struct span bytes, int64_t deadline);

/* The next line, without its newline; valid until the next call with this link. */
enum link_result link_next(struct link *l, struct span *line, int64_t deadline);
