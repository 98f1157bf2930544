/* artifact: the record of a payload file. Keeps nothing: the caller owns texts and `out`. Loop's thread. */
#pragma once
#include "daemon/record.h"

/* <kind>_<run id, sanitised like a kind>_<10 hex>; kind and the run's part are each cut so that it fits
 * IDENT_ARTIFACT_MAX. `kind` is sanitised already. */
void artifact_make_id(char out[IDENT_ARTIFACT_MAX + 1], struct span kind, struct span run_id);
void artifact_build(struct buf *out, struct span id, struct span run_id, struct span kind,
                    uint64_t size_bytes, int64_t now, uint64_t revision);
