/* spares: segments that nobody needs any more, kept under tmp names so that a commit can write over one: a file
 * whose blocks are there and whose size stays costs the file system no commit of its own. Before the first segments
 * have become superfluous some are made of spaces.
 *
 * docs/storage.md, "Spare files". A spare is handed out only after a fsync of the directory that began after its
 * rename has succeeded: until then a power cut could show the segment that it was, with other bytes. Worker
 * threads: one gives and lays (the background), one takes (the commit), either may clear; spares_show on any
 * thread. */
#pragma once
#include "daemon/disk.h"
#include <pthread.h>

enum {
	SPARES_MAX = 1100,            /* files: more than a merge frees at a time */
	SPARES_BYTES_MAX = 64 << 20,
	SPARES_FILE_MAX = 256 << 10,  /* content of one; of what is larger little time goes into the file itself */
	SPARES_SIZES = 57,            /* that a segment's file may have, up to SPARES_FILE_MAX: see spares_size */
	SPARES_LAID_MAX = 1024,       /* files that are made in advance, as long as no merge has left any */
	SPARES_LAY_MAX = 64,          /* of them at a time */
	SPARES_LAY_BYTES = 1 << 20,
	SPARE_NAME_LEN = 26,          /* "spare.", 16 digits and ".tmp" */
};

struct spare {
	uint64_t number; /* in its name; not 0 */
	uint64_t size;
};

struct spares {
	struct disk *disk;
	pthread_mutex_t lock;          /* never held during a call to the disk */
	struct spare all[SPARES_MAX];  /* numbers rise */
	size_t count;
	uint64_t bytes;
	uint64_t named, added;         /* the last number that was chosen; that is complete */
	uint64_t durable;              /* up to this number they may be written over */
	uint64_t clearings;
	uint64_t wanted;               /* the size that was last asked for in vain; 0: none since some were made */
	uint8_t misses[SPARES_SIZES];  /* how often each was, as far as it matters */
	size_t laid;                   /* files that were made in advance, ever */
};

void spares_init(struct spares *s, struct disk *d);
void spares_done(struct spares *s); /* the files stay, for spares_clear or the next start */

/* How large a segment's file should be, with padding: that of others of about its size. At most 511 bytes or an
 * eighth more; nothing more above SPARES_FILE_MAX. */
uint64_t spares_size(uint64_t content);

/* Removes a segment: makes a spare of it if its size is one, and unlinks the oldest spares if there are too many.
 * False: it is still there. A missing file is success. */
bool spares_give(struct spares *s, const struct disk_dir *journal, const char *name, uint64_t size,
                 struct disk_error *e);
/* False: there is none of this size. The file belongs to the caller from now on. */
bool spares_take(struct spares *s, uint64_t size, char name[SPARE_NAME_LEN + 1]);

/* Was a size asked for in vain more than once, and would spares_lay make some? */
bool spares_are_wanted(struct spares *s);
/* Makes spares of the size that was last asked for in vain: 2, and each time twice as many. The first failure is
 * the last: what a merge leaves is enough. Returns the bytes that were written. */
uint64_t spares_lay(struct spares *s, const struct disk_dir *journal);

/* Before a fsync of the directory; with what it returned, after it has succeeded. */
uint64_t spares_mark(struct spares *s);
void spares_settle(struct spares *s, uint64_t mark);

/* Unlinks all. Called after any failure, since what a failed fsync has lost, a later one does not bring back. */
void spares_clear(struct spares *s, const struct disk_dir *journal);

bool spares_is_name(const char *name); /* of a spare's file */
void spares_show(struct spares *s, uint64_t *count, uint64_t *bytes);
