/* faulty_disk: the real disk, but for the call that a test wants to fail; and a log of what was asked of it.
 *
 *	struct faulty_disk f;
 *	faulty_disk_init(&f);
 *	faulty_disk_fail(&f, (struct faulty_plan){.call = FAULTY_FSYNC, .nth = 2, .number = EIO});
 *	... use &f.disk ...
 *	faulty_disk_done(&f);
 *
 * To try a fault at every call in turn: nth = 1, 2,
 * … until faulty_disk_fired() is false after a run. Thread-safe. */
#pragma once
#include "daemon/disk.h"
#include "proto/buf.h"
#include <pthread.h>

enum faulty_call {
	FAULTY_ANY,
	FAULTY_OPENAT,
	FAULTY_WRITEV,
	FAULTY_PREAD,
	FAULTY_FSYNC,
	FAULTY_FDATASYNC,
	FAULTY_RENAMEAT,
	FAULTY_UNLINKAT,
	FAULTY_MKDIRAT,
	FAULTY_FCHMOD,
	FAULTY_FSTAT,
	FAULTY_LIST,
	FAULTY_CLOSE,
	FAULTY_CALLS
};

struct faulty_plan {
	enum faulty_call call; /* FAULTY_ANY: of any kind */
	/* only calls on files or directories whose name (tmp: without the random part) holds this;
	 * NULL: on any */
	const char *name;
	unsigned nth;     /* the nth such call from now on fails; 0: none does */
	unsigned times;   /* this many in a row fail; 0: one */
	bool sticky;      /* from then on all of them fail (with FAULTY_ANY: the disk is gone) */
	/* the call is carried out and reported as failed all the same (a rename that an fsync lost) */
	bool done;
	int number;       /* errno */
};

struct faulty_disk {
	struct disk disk;
	pthread_mutex_t lock;
	struct faulty_plan plan;
	unsigned counted, fired;
	size_t short_write;           /* a writev takes at most this many bytes; 0: all */
	uint64_t room;                /* that the file system states; 0: what it has */
	unsigned calls[FAULTY_CALLS]; /* made so far, by kind; FAULTY_ANY: all */
	bool logging;                 /* on from the start */
	struct buf log;
	char *names[1024]; /* of open descriptors */
};

void faulty_disk_init(struct faulty_disk *f);
void faulty_disk_done(struct faulty_disk *f);
void faulty_disk_fail(struct faulty_disk *f,
                      struct faulty_plan plan); /* replaces the plan before; {0}: all well again */
bool faulty_disk_fired(struct faulty_disk *f);

/* What was called since the last faulty_disk_forget, a line each: "openat jobs.json.*.tmp\n" "writev
 * jobs.json.*.tmp\n" … "renameat jobs.json.*.tmp jobs.json\n" "fsync state\n" (a directory by the name that
 * it was opened by). A failed call ends in " !EIO"; one that was done all the same in " !!EIO".
 * Valid until the next call. */
const char *faulty_disk_log(struct faulty_disk *f);
void faulty_disk_forget(struct faulty_disk *f);
