/* state_dir: the directory itself: made, checked, locked, opened. */
#pragma once
#include "daemon/disk.h"

struct state_dir {
	struct disk_dir state, journal, artifacts;
	char *artifacts_path; /* absolute */
	int lock;             /* persistd.lock, flocked */
};

/* Makes what is missing (0700), takes the lock, removes leftover tmp files. False: `why` says what is wrong,
 * who holds it (pid and command, from /proc/locks) and what to do. `make` false (--check):
 * nothing is made or removed. */
bool state_dir_open(struct state_dir *s, struct disk *d, const char *path, bool make, char *why,
                    size_t why_size);
/* The mode of it and of the directories in it. False: errno. */
bool state_dir_set_mode(struct state_dir *s, struct disk *d, mode_t mode);
void state_dir_close(struct state_dir *s, struct disk *d);
