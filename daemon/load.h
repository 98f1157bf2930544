/* load: from the files of a state directory to records, or to a refusal that says what to do.
 *
 * Reads only; what has to be written afterwards (missing snapshots, hardening, strays) is returned as a plan
 * that the journal carries out. Memory is bounded by the largest record, not by the file.
 * Blocking; no loop is needed. A large snapshot is read with the help of threads that end with it. */
#pragma once
#include "daemon/record.h"
#include "daemon/snapshot.h"

/* A record that was made of a trusted text, perhaps by another thread: see record_load. */
struct load_record {
	struct record *record;
	struct record_keys keys;
	int64_t changed;
};

/* How many threads make records, and of how large a part of the file at a time. 0: as many as there are
 * processors, up to 4, and only for a large file. */
struct load_threads {
	unsigned count;
	size_t block_bytes;
};

/* Receives what is read, in order: each table's snapshot, then the replay. All on the thread that loads. */
struct load_sink {
	void *context;
	/* A record of a snapshot. `trusted`: canonical text that a checksum vouches for; else one checked JSON
	 * object of any layout, to be normalised (record_read) and given a revision where it has none. False:
	 * refused; `fault` says why (message, field, expected, hint), *at where in text. An id that was there
	 * before in the same file is refused. */
	bool (*record)(void *context, enum table_id t, struct span text, bool trusted, struct fault *fault,
	               size_t *at);
	/* As `record` does with a trusted text, the record made of it already; takes the reference in any
	 * case. NULL: everything comes to `record`, read on one thread; so for who keeps no records, since
	 * threads make them in fresh memory, not in what was given back. */
	bool (*take)(void *context, enum table_id t, const struct load_record *made, struct fault *fault);
	struct load_threads threads;
	/* A change of a segment, absolute; the same rules for text. */
	bool (*put)(void *context, enum table_id t, struct span text, bool trusted, struct fault *fault,
	            size_t *at);
	bool (*remove)(void *context, enum table_id t, struct span id, struct fault *fault);
	/* Hints, which may be wrong; each may be NULL. About so many records of the table come; records with these
	 * ids come next. */
	void (*expect)(void *context, enum table_id t, uint64_t records);
	void (*coming)(void *context, enum table_id t, const struct span ids[], unsigned count);
};

/* One finding; line counts from 1, byte is the offset in the file from 0. `line` 0:
 * about the file as a whole. */
struct load_finding {
	bool fatal;           /* the start is refused; else a note (--check prints it) */
	char file[224];       /* relative to the state directory */
	uint64_t line, byte;
	char message[640];    /* what is wrong, what was expected, what to do */
};

struct load_segment {
	struct segment_head head;
	uint64_t bytes;
	bool has_strays; /* numbers between prev and seq exist */
};

struct load_result {
	char store[STORE_ID_LEN + 1];    /* empty: none of the files names one */
	/* of the journal: the highest `last` of the chain or `revision` of a snapshot */
	uint64_t revision;
	uint64_t seq;                    /* the highest number used so far */
	uint64_t snapshot_revision[TABLE_COUNT]; /* 0: missing, or without a header */
	uint64_t changed[TABLE_COUNT];   /* the last revision that a commit changed each table at */
	/* what each table's snapshot on the disk is known to have: `changed` of the chain's lowest segment,
	 * without a chain the snapshot's revision; 0 where headerless */
	uint64_t settled[TABLE_COUNT];
	bool missing[TABLE_COUNT];       /* to be written, empty */
	/* missing, or ours, empty and at revision 0, which the process before may have failed to make durable: to
	 * be written at every start */
	bool unproven[TABLE_COUNT];
	bool headerless[TABLE_COUNT];    /* to be folded: another layout or no checksum */
	struct buf extra[TABLE_COUNT];   /* unknown header members (snapshot_head.extra) */
	struct load_segment *segments;   /* the chain, oldest first, covered ones still there included */
	size_t segment_count;
	uint64_t *strays;                /* numbers of segments that no prev leads to */
	size_t stray_count;
	/* artifact ids that live segments delete and that no record names, NUL-separated */
	struct buf unlink;
};

/* Every finding goes to `report`. With `all` (--check) reading goes on after a fatal finding where that makes
 * sense (the next file); else it stops at the first. True: no fatal finding, `result` is filled. False: the
 * sink's content is worthless. */
bool load_read(struct disk *d, const struct disk_dir *state, const struct disk_dir *journal, bool all,
               const struct load_sink *sink,
               void (*report)(void *context, const struct load_finding *finding), void *context,
               struct load_result *result);
void load_result_free(struct load_result *r);

/* Reads one segment back (merges, hardening): its head,
 * and each change in order through the sink's put and remove. */
bool load_segment_file(struct disk *d, const struct disk_dir *journal, uint64_t seq, const char *store,
                       const struct load_sink *sink, struct segment_head *head, struct load_finding *finding);
