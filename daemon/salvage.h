/* salvage: `persistd --salvage NEW_DIR`: what can be read of a state directory, written to a new one that a daemon
 * opens.
 *
 * docs/salvage.md has the rules. Nothing is written into the directory that is read. One thread, no loop; what it
 * opens it closes, `out` stays the caller's. */
#pragma once
#include "daemon/load.h"
#include <stdio.h>

enum salvage_status {
	SALVAGE_ALL,      /* everything was saved */
	SALVAGE_NOT_ALL,  /* something is lost, or not certain: each is printed as FILE:LINE:BYTE: text */
	SALVAGE_NOT_DONE, /* there is no new directory; why is printed */
};

int salvage_run(const char *state_dir, const char *new_dir, FILE *out);
/* The same over any disks (tests). `mend_work`: how much may be done for each damaged file, see mend.h; 0:
 * nothing. */
int salvage_disk(struct disk *from, const char *state_dir, struct disk *to, const char *new_dir, uint64_t mend_work,
                 FILE *out);
