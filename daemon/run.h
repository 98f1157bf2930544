/* run: what run.create_or_update makes of its parameters and what is stored. Keeps nothing: the caller owns
 * `old`, the parameters and `out`. Loop's thread. */
#pragma once
#include "daemon/record.h"
#include "proto/params.h"

/* Appends the canonical text of the run; *layout is that text's. `old` NULL: new. `params`: those of
 * run.create_or_update, checked. An existing run keeps its first kind; request absent or {} keeps, status absent
 * keeps (new: queued), meta's keys are merged over the earlier ones (an existing key keeps its place), artifact_id
 * and error absent keep. started_at at the first running, finished_at at the first terminal status. */
bool run_merge(struct buf *out, struct layout *layout, const struct record *old, struct span id,
               const struct params *params, int64_t now, uint64_t revision, struct fault *fault);
/* The same run with another artifact_id (artifact.save links it). */
void run_link(struct buf *out, const struct record *old, struct span artifact_id, int64_t now,
              uint64_t revision);
