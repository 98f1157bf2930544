/* job: what job.save makes of what a client sent and what is stored. The fields' table is in
 * docs/protocol.md. Keeps nothing: the caller owns `old`, the texts and `out`. Loop's thread. */
#pragma once
#include "daemon/record.h"
#include "proto/scan.h"

/* Appends the canonical text of the job after a save; *layout is that text's. `old` NULL: a new one. `live` (NULL:
 * none) is the newest progress of `old` and is written unless the client sends `progress`. `object` is the
 * client's: checked JSON of the wire, of which `outline` (NULL: none) was made; a field absent keeps its value, a
 * field present replaces it; null where null is no value means absent; a value equal to the stored one is always
 * accepted, so is an unknown field that the stored record has (get, edit, save works). `id` is the id to use: the
 * client's (checked), or a new one. Sets created_at, started_at (first running), completed_at (first terminal
 * status) where the client gave none, updated_at and revision always. False: `fault` is set (field "job.status",
 * …), nothing was appended that counts. */
bool job_merge(struct buf *out, struct layout *layout, const struct record *old, const struct live *live,
               struct span object, const struct scan_outline *outline, struct span id, int64_t now, uint64_t revision,
               struct fault *fault);
