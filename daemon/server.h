/* server: one daemon's life: locks, loads, serves, stops. Called once, on the main thread, which becomes the
 * loop's; what it opens and starts is its own. The
 * settings stay the caller's; a reload changes them. */
#pragma once
#include "daemon/settings.h"

/* Runs until SIGTERM or SIGINT. Returns the exit status. Where it refuses to start, the last line on stderr
 * says why and what to do, and the status (sysexits.h) whether trying again can help: EX_TEMPFAIL, the state
 * directory or the socket cannot be had at the moment; EX_DATAERR, a file cannot be read, and EX_CONFIG, a setting is
 * wrong, stay so until somebody mends it, and the units do not try again. */
int server_run(struct settings *settings);

/* A SIGHUP is blocked from here on, and a reload when the loop runs: first thing in the process, as it would end it
 * otherwise. False: it is what it was. */
void server_hold_hangup(bool hold);
