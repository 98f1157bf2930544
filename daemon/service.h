/* service: what the methods work on, handed to each call: the store and its journal, the limits, the
 * counters. One for the process, made in server.c. */
#pragma once
#include "daemon/flush.h"
#include "daemon/journal.h"
#include "daemon/roles.h"
#include "daemon/store.h"
#include "daemon/users.h"

enum { LATENCY_PLACES = 24 };

/* Counted since the start; server.stats shows each. */
struct counters {
	uint64_t connections_accepted, connections_refused, connections_open;
	uint64_t lines, lines_too_long, lines_bad, bytes_in, bytes_out;
	/* how often a limit made a connection wait, or dropped a line */
	uint64_t paused_queued, paused_calls, paused_in_flight, unfinished_dropped;
	uint64_t in_flight_calls, in_flight_bytes, unfinished_bytes, queued_bytes; /* now */
	uint64_t notifications, batches;
	uint64_t errors[FAULT_CODE_COUNT];
	struct {
		uint64_t calls, failed;
		/* from the line's arrival to the reply, waiting for the disk included */
		uint64_t micros_total, micros_max;
		uint64_t histogram[LATENCY_PLACES]; /* place i: below 2^i microseconds */
	} methods[METHOD_COUNT];
};

struct sweep_counts {
	uint64_t jobs, runs, artifacts;
};

struct service {
	struct store *store;
	struct journal *journal;
	struct flush *flush;
	struct disk *disk;
	struct state_dir *dirs;
	const char *socket_path;
	struct limits limits;
	const struct roles *roles;
	gid_t socket_group;
	struct users users;
	struct counters counters;
	int64_t started_at;      /* microseconds since 1970 */
	uint64_t started_micros; /* monotonic */
	uint64_t load_micros;
	uint64_t clock; /* monotonic microseconds when somebody last looked; at each reply at the latest */
	struct { /* by retention, since the start */
		struct sweep_counts removed;
		uint64_t sweeps;
		int64_t last_at; /* 0: none has ended yet */
	} swept;
	unsigned artifact_reads; /* under way; bounded so that commits find a free thread */
	struct flush_job *reads_first, *reads_last; /* those that wait for their turn */
	uint64_t reads_begun;    /* so far */
	bool stopping;
};

uint64_t service_micros(void); /* monotonic */
uint64_t service_look(struct service *s); /* at the clock; what it says */
