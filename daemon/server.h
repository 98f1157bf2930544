/* server: one daemon's life: locks, loads, serves, stops. */
#pragma once
#include "daemon/options.h"

/* Runs until SIGTERM or SIGINT. Returns the exit status; where it refuses to start, the last line on stderr
 * says why and what to do. */
int server_run(const struct options *o);
