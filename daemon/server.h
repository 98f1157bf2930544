/* server: one daemon's life: locks, loads, serves, stops. Called once, on the main thread, which becomes the
 * loop's; what it opens and starts is its own. The
 * settings stay the caller's; a reload changes them. */
#pragma once
#include "daemon/settings.h"

/* Runs until SIGTERM or SIGINT. Returns the exit status; where it refuses to start, the last line on stderr
 * says why and what to do. */
int server_run(struct settings *settings);

/* A SIGHUP waits from here on until the loop runs, and is a reload then: first thing in the process, as it would end it
 * otherwise. False: it is what it was. */
void server_hold_hangup(bool hold);
