/* server: one daemon's life: locks, loads, serves, stops. Called once, on the main thread, which becomes the
 * loop's; what it opens and starts is its own. `o` stays the caller's. */
#pragma once
#include "daemon/options.h"

/* Runs until SIGTERM or SIGINT. Returns the exit status; where it refuses to start, the last line on stderr
 * says why and what to do. */
int server_run(const struct options *o);
