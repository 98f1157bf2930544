/* segment_read: one segment, read whole (it was whole in memory when it was written) and verified before
 * anything of it is handed on. */
#pragma once
#include "daemon/load.h"

struct segment_read {
	struct segment_head head;
	bool has_changed;                /* the file states head.changed */
	bool trusted;                    /* its checksum is right */
	struct buf text;                 /* the file; the spans point into it */
	struct span tables[TABLE_COUNT]; /* arrays of records; absent: left out */
	struct span deleted;
	char file[SEGMENT_NAME_LEN + 9]; /* journal/NAME */
};

/* Reads and verifies. May be called again with the same struct (zeroed at first), which keeps its memory.
 * `store` NULL or "": any store's. */
bool segment_read(struct segment_read *s, struct disk *d, const struct disk_dir *journal, uint64_t seq,
                  const char *store, struct load_finding *finding);
void segment_read_free(struct segment_read *s);
/* Hands on the changes of the tables whose bit is in `tables`, records first, then deletions. */
bool segment_replay(struct segment_read *s, uint8_t tables, const struct load_sink *sink,
                    struct load_finding *finding);

/* Only the head, from the first bytes of a file of our own form, not verified. False: the whole of it must be
 * read. *bytes: the file's size. */
bool segment_read_head(struct disk *d, const struct disk_dir *journal, uint64_t seq,
                       struct segment_head *head, uint64_t *bytes);
