/* segment: the text of one commit, and reading it back. docs/storage.md has the format. No I/O but through
 * disk.h. Any thread. */
#pragma once
#include "daemon/disk.h"
#include "proto/buf.h"
#include "proto/spec.h"

struct spares;

enum { STORE_ID_LEN = 36, SEGMENT_NAME_LEN = 25 }; /* 20 digits and ".json" */

/* One change as it goes into a segment. `text` absent: the record is deleted. */
struct segment_change {
	enum table_id table;
	struct span id;
	struct span text;
};

/* What it takes in the file, about. */
static inline uint64_t segment_change_bytes(const struct segment_change *c)
{
	return c->text.at ? c->text.len + 2 : c->id.len + 3;
}

struct segment_head {
	char store[STORE_ID_LEN + 1];
	uint64_t seq, prev, first, last;
	/* the last revision below `first` that a commit changed each table at.
	 * Read from a segment without it: first - 1 */
	uint64_t changed[TABLE_COUNT];
	/* merged: changes up to this revision are left out, the table's snapshot has them; 0 (and no member in
	 * the file): nothing is left out */
	uint64_t without[TABLE_COUNT];
	/* bit t: the segment changes table t (set when read; segment_write goes by the changes) */
	uint8_t tables;
};

void segment_name(uint64_t seq, char out[SEGMENT_NAME_LEN + 1]);
bool segment_seq(const char *name, uint64_t *seq); /* false: not a segment's name */

/* What snapshots share: {"jobs":1,"runs":2,"artifacts":0}, and the end of a file: ,"xxh3":"…"} */
void segment_put_revisions(struct buf *out, const uint64_t revisions[TABLE_COUNT]);
void segment_put_end(struct buf *out, uint64_t xxh3);

/* Writes a whole segment durably. `count` 0 makes an empty one. *bytes: its size. */
enum disk_result segment_write(struct disk *d, const struct disk_dir *journal,
                               const struct segment_head *head, const struct segment_change *changes,
                               size_t count, int64_t now, uint64_t *bytes, struct disk_error *e);

/* The same, padded with white space to a size of `spares`, and over a spare file where there is one of that
 * size. *bytes: with the padding, whose size is *padding. */
enum disk_result segment_write_over(struct spares *spares, const struct disk_dir *journal,
                                    const struct segment_head *head, const struct segment_change *changes,
                                    size_t count, int64_t now, uint64_t *bytes, uint64_t *padding,
                                    struct disk_error *e);
