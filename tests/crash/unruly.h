/* unruly: a ram_disk of which up to two calls go wrong, told by their number: each call counts, also those that only
 * read or close. One thread at a time. */
#pragma once
#include "tests/crash/ram_disk.h"

enum unruly_kind {
	UNRULY_ENOSPC,
	UNRULY_EIO,
	UNRULY_EDQUOT,
	UNRULY_EMFILE,
	UNRULY_EINTR, /* nothing was done */
	UNRULY_SHORT, /* a write or a read does half of what it was asked for */
	UNRULY_DONE,  /* it has worked, and reports EIO */
	UNRULY_KINDS
};
const char *unruly_kind_name(enum unruly_kind kind);
bool unruly_kind_from(const char *name, enum unruly_kind *kind);

struct unruly_fault {
	uint64_t at;        /* number of the call, from 1 on; 0: none */
	enum unruly_kind kind;
	bool fired;
	char call[16];      /* "fsync": what was hit */
	int number;         /* errno that it got; 0: none */
};

struct unruly {
	struct disk disk;   /* what the daemon's code is given */
	struct ram_disk ram;
	struct unruly_fault faults[2];
	uint64_t calls;     /* so far */
	/* segments that a rename was tried of, ever; of one that a number is used again for, each */
	uint64_t segment_renames;
	bool trace;         /* each call is printed */
	int failing;        /* errno for the ram_disk's next call */
};

void unruly_init(struct unruly *u, const char *path);
void unruly_done(struct unruly *u);
/* Could a call of this name be gone on with after EINTR without anybody noticing? */
bool unruly_is_resumed(const char *call);
