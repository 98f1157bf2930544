/* dispatch: from a line to calls.
 *
 * One place decides what every method needs before its handler runs: parameters checked, order kept (a read
 * waits for its own connection's mutations), a degraded or stopping daemon refuses mutations. */
#pragma once
#include "daemon/call.h"

struct bundle;

/* One line of a connection. Not NULL: the line was a JSON-RPC batch,
 * to be stepped with bundle_step until that says done. */
struct bundle *dispatch_line(struct service *s, struct origin *o, struct span line);

/* A JSON-RPC batch: its calls are begun one after the other, a few at a time, and its replies go out as one
 * array when the last has come. */
/* Begins the next call; false: all have been begun (the bundle then lives on
 * by itself until its last reply). */
bool bundle_step(struct bundle *b);

/* The connection is gone: calls of its batches that have not been begun are not, those under way go on and
 * nobody hears of them. */
void dispatch_detach(struct session *s);
