/* sample: the job records that the benchmarks store, the same for every server.
 *
 * Job number n has one id, one type and one time of creation, a second after that of job n - 1, whatever else is
 * asked: so every program knows which jobs are the newest without asking a server. It has two statuses, and a
 * save puts it into one of them: whoever keeps an index by status knows which other one the job may have left.
 * SAMPLE_RARE of the first thousand jobs are of a type of their own, for lists by a value that is as rare at any
 * size.
 *
 * `bytes` is the length of the whole record as a server hands it out, its times and revision included; it is
 * met to within a few bytes. All values, no state; any thread. */
#pragma once
#include "proto/buf.h"
#include <stdbool.h>

enum { SAMPLE_STATUSES = 5, SAMPLE_RARE = 20, SAMPLE_BYTES_MIN = 560, SAMPLE_ID_LEN = 21 };

struct sample {
	uint32_t number;
	uint32_t variant; /* any number: what changes from save to save is made of it */
	uint32_t bytes;
	bool moved;       /* in the second of the job's two statuses */
};

extern const char *const sample_statuses[SAMPLE_STATUSES];
int sample_status(uint32_t number, bool moved); /* index into sample_statuses */
int64_t sample_created(uint32_t number);        /* seconds of the epoch */

void sample_id(struct buf *out, uint32_t number); /* SAMPLE_ID_LEN bytes, letters, digits and dashes */

/* The record without what a server adds itself, as one JSON object. */
void sample_job(struct buf *out, const struct sample *s);

/* The record as a server hands it out: for those that add nothing themselves. */
void sample_record(struct buf *out, const struct sample *s);

/* {"current":…,"total":…,"message":…} */
void sample_progress(struct buf *out, uint32_t variant);
