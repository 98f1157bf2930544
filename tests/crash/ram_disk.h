/* ram_disk: a state directory in memory that knows what a power cut could leave of it.
 *
 * The running system sees every call's effect at once. Beside that, each name has the values that the disk may
 * hold for it: those that were durable, and what the calls since the directory's last fsync made of it. Each
 * file knows how much of it was synced. docs/crash-states.md has the rules. One thread at a time. */
#pragma once
#include "daemon/disk.h"
#include "proto/buf.h"
#include "tests/crash/dice.h"
#include <uthash.h>

enum ram_place { RAM_STATE, RAM_JOURNAL, RAM_ARTIFACTS, RAM_PLACES, RAM_ELSEWHERE };

/* A disk that breaks its word, for tests of what looks for the consequences: as if the daemon left one of its
 * safeguards out. */
enum ram_lie {
	RAM_HONEST,
	RAM_FILE_SYNC,      /* fsync of a file does nothing */
	RAM_FILE_SYNC_LATE, /* it does its work only with the next fsync of anything: the rename goes before it */
	RAM_LAST_SECTOR,    /* it leaves the last sector out */
	RAM_DIR_SYNC,       /* fsync of a directory does nothing */
	RAM_DIR_SYNC_LATE,  /* it does its work only with the next one: what is acknowledged is not durable yet */
	RAM_MKDIR,          /* a directory that was made is never durable */
	RAM_RENAME,         /* a rename removes the target first */
	RAM_UNLINK,         /* an unlink is never durable */
	RAM_REWRITE,        /* a segment that is written again as it is stays the file that it was */
	RAM_MERGE,          /* one that is replaced by a longer one: the next fsync does not see it */
	RAM_EMPTY,          /* one that is replaced by a shorter one: likewise */
	RAM_SPARE,          /* one that becomes a spare: likewise, so that it is written over too early */
	RAM_LIES
};

struct ram_mutant {
	enum ram_lie lie;
	enum ram_place place; /* only what is there, and only from the first answer on; RAM_ELSEWHERE: all, always */
};
enum { RAM_MUTANTS = 25 };
/* number 0: honest. "file-sync:journal" */
const char *ram_mutant_name(unsigned number);
struct ram_mutant ram_mutant(unsigned number);
bool ram_mutant_from(const char *name, unsigned *number);

/* A file's bytes. Written by one descriptor, and shared between disks once that is closed; a disk on which it is
 * written over gets a copy of its own. */
struct ram_node {
	unsigned refs;
	struct buf bytes;
	size_t synced;      /* so many bytes are durable */
	struct buf before;  /* what is durable where `bytes` are not synced; may be longer or shorter */
	bool dropped;       /* a failed fsync has thrown the rest away, though the running system shows it */
	bool distrusted;    /* an fsync of it failed: to sync or rename it after that is to trust what may be lost */
	bool is_dir;
	uint64_t hash;      /* of the bytes; 0: not known yet */
};

struct ram_name {
	UT_hash_handle hh;
	enum ram_place place;
	bool is_tmp;
	bool overlooked;                          /* by the next fsync of the directory */
	struct ram_node *visible;                 /* NULL: there is no such file. So in the others */
	struct ram_node **values;                 /* what the disk may hold: `durable` of them, then pending */
	size_t durable, count, capacity;
	uint64_t *made;                           /* number of the call that made each */
	const char *name;                         /* without the directory: part of path */
	char path[];
};

struct ram_fd {
	enum { RAM_CLOSED, RAM_FILE, RAM_DIR } kind;
	enum ram_place place;
	struct ram_node *node;
	size_t at;          /* where the next write goes */
	uint64_t heard;     /* of so many failures */
};

enum { RAM_FDS = 64, RAM_FD_BASE = 1 << 20, RAM_SECTOR = 512 };

struct ram_disk {
	struct disk disk;            /* what the daemon's code is given */
	const char *path;            /* the state directory is at this one, which must really exist */
	uid_t owner;
	struct ram_name *names;
	struct ram_fd fds[RAM_FDS];
	struct ram_mutant mutant;
	bool lying;                  /* it has begun */
	struct ram_node *late_node;  /* what the late lies have yet to do; owned */
	enum ram_place late_place;   /* RAM_ELSEWHERE: nothing */
	bool dead;                   /* the process was killed: calls fail and change nothing */
	bool journal_failed, artifacts_failed; /* a call on it was made to fail */
	/* fsyncs of each directory that failed: every descriptor that was open hears of it once */
	uint64_t failures[RAM_PLACES];
	uint64_t calls;              /* that can change what a power cut leaves */
	unsigned overwritten;        /* files that were written over */
	char breach[400];            /* the first file that was trusted after a failed fsync of it; "": none */

	/* Before each of those. Returns an errno to fail with, 0: none;
	 * *done: it is carried out all the same. */
	int (*before)(void *context, const char *call, const char *path, bool *done);
	/* Before each read of a file, whose name without the directory it gets: likewise. */
	int (*reading)(void *context, const char *name);
	void *context;
};

void ram_disk_init(struct ram_disk *d, const char *path);
void ram_disk_done(struct ram_disk *d);
/* a durable file: "jobs.json" */
void ram_disk_place(struct ram_disk *d, const char *path, struct span text);
/* A durable file (`text` absent: no file any more), or a directory in its place. */
void ram_disk_put(struct ram_disk *d, enum ram_place place, const char *name, struct span text);
void ram_disk_put_dir(struct ram_disk *d, enum ram_place place, const char *name);
/* A disk of its own with the same files, all of them durable, but for *.tmp; `to` is initialised. */
void ram_disk_copy(struct ram_disk *to, const struct ram_disk *d);
void ram_disk_close_all(struct ram_disk *d); /* as the end of the process does */
/* NULL: none */
const struct buf *ram_disk_read(const struct ram_disk *d, enum ram_place place, const char *name);
/* the names in it, tmp files and directories included */
void ram_disk_each(const struct ram_disk *d, enum ram_place place, void (*each)(void *context, const char *name),
                   void *context);
/* as real files below the directory `to`, which must be empty */
bool ram_disk_save(const struct ram_disk *d, const char *to);
uint64_t ram_disk_names(const struct ram_disk *d); /* a hash of which names are there */
uint64_t ram_disk_hash(const struct ram_disk *d);  /* ... and of what the files hold */
bool ram_disk_has_tmp(const struct ram_disk *d);

/* What a power cut now could leave, by number. */
struct ram_value {
	struct ram_node *node;  /* NULL: no file */
	unsigned torn;          /* 0: whole */
	uint64_t hash;
};

struct ram_choice {
	const struct ram_name *name;
	struct ram_value *values; /* oldest first */
	size_t count, at;         /* the one chosen */
	uint64_t newest_made;
};

struct ram_survey {
	const struct ram_disk *disk;
	struct ram_choice *choices;
	size_t count, open_count;   /* open: of more than one value; they stand first */
	bool exhaustive;
	unsigned states;            /* they have the numbers from 0 to states - 1 */
	struct dice dice;           /* what the picked state is torn with */
};
/* At most so many: all of them if they are as few, else the oldest, the newest and random ones. */
void ram_survey(struct ram_survey *s, const struct ram_disk *d, unsigned states_max);
/* Chooses state k; returns its hash (of all but *.tmp). The same seed gives the same state. */
uint64_t ram_survey_pick(struct ram_survey *s, uint64_t seed, unsigned k);
/* A disk that holds the picked state and nothing else; leftover tmp files are thrown in. */
void ram_survey_make(struct ram_survey *s, struct ram_disk *to);
/* one line a file that could be otherwise */
void ram_survey_describe(const struct ram_survey *s, struct buf *out);
void ram_survey_free(struct ram_survey *s);
