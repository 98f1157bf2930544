/* flight: a ring of requests flown over so many connections, each with so many requests outstanding.
 *
 * One thread and epoll; each connection starts at another place of the ring. While it flies nothing is allocated
 * and nothing is formatted. A reply that is an error, that nothing asked for, or that does not come for
 * FLIGHT_PATIENCE seconds ends the flight with a message.
 *
 * Calls count when they are answered between the end of the warm-up and the end of the time. What is then still
 * outstanding is waited for, uncounted, for `grace` seconds at most: `drained` says whether all of it came. */
#pragma once
#include "tests/bench/histogram.h"
#include "tests/bench/ring.h"
#include <signal.h>

enum { FLIGHT_PATIENCE = 60, FLIGHT_PIPELINE_MAX = 1024, FLIGHT_CONNECTIONS_MAX = 1024 };

struct flight_plan {
	const char *socket;
	const struct dialect *dialect;
	const struct ring *ring;
	uint32_t connections, pipeline;
	double warm, seconds, grace;
	bool once;         /* each request once, however long it takes; warm and seconds are not looked at */
	double every;      /* above 0: one connection, one request each so many seconds */
	uint64_t calls;    /* above 0: over once so many are answered, if the time is not over before */
	const volatile sig_atomic_t *stop; /* not 0: over now. May be NULL. */
};

struct flight_log {
	uint64_t calls;
	uint64_t total;    /* calls that were answered at all, warm-up and end included */
	double seconds;    /* that they were counted in */
	double cpu;        /* seconds of this process's own CPU in that time */
	uint64_t bytes_in, bytes_out;
	bool drained;
	struct histogram took[WORK_COUNT]; /* from sending to reading, by work */
	char fault[512];   /* empty: none */
};

/* False: `fault` says why. */
bool flight_fly(const struct flight_plan *plan, struct flight_log *log);
