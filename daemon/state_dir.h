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

/* For --salvage: as with `make` false, and what is no directory, or no lock, is told to `report` and done without. */
bool state_dir_open_remains(struct state_dir *s, struct disk *d, const char *path,
                            void (*report)(void *context, const char *name, const char *what), void *context,
                            char *why, size_t why_size);

/* What a new mode has changed. */
struct state_dir_change {
	unsigned dirs;
	mode_t was;    /* of the first of them */
	uint64_t files;
	uint64_t left; /* files whose mode could not be changed: somebody else's, for one */
};

/* Gives it and the directories in it another mode, and the store's files in those that change the one that goes
 * with it: whoever may enter may read. Where nobody asks for a mode the directories keep theirs, new files beside
 * the journal and the artifacts are the owner's alone, and those in them go by their directory. False: errno; the
 * next try begins where this one ended. */
bool state_dir_set_mode(struct state_dir *s, struct disk *d, mode_t mode, struct state_dir_change *change);
/* Whether the lock's file still has its name. One system call that does not wait for the disk. */
bool state_dir_is_locked(const struct state_dir *s, struct disk *d);
void state_dir_close(struct state_dir *s, struct disk *d);
