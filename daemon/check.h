/* check: `persistd --check`: everything a start would look at, and the artifact payloads,
 * without writing anything. One thread, no loop; what it opens it closes, `out` stays the caller's. */
#pragma once
#include "daemon/load.h"
#include <stdio.h>

/* Prints each finding as file:line:byte: text to `out`. 0: sound (notes are possible), 1:
 * findings or unreadable. */
int check_run(const char *state_dir, FILE *out);
/* The same over any disk (tests). */
int check_disk(const struct disk *disk, const char *state_dir, FILE *out);
