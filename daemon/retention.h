/* retention: which records are too old to keep, or too many. Everything is off unless it is configured. */
#pragma once
#include "proto/spec.h"

enum { RETENTION_STATUSES = 3 }; /* terminal ones, in the order of the spec's lists */

#define RETENTION_OFF (-1.0)   /* kept */
#define RETENTION_UNSET (-2.0) /* of one status: as its table says */

struct retention {
	/* days since a record ended; RETENTION_OFF: kept */
	double job_days, run_days;
	/* for one status; RETENTION_UNSET: as above */
	double job_status_days[RETENTION_STATUSES], run_status_days[RETENTION_STATUSES];
	uint64_t max_jobs; /* the oldest ended ones go first; 0: any number */
};
