/* record: one stored version of a job, run or artifact: the text that goes to the disk and to clients.
 *
 * Immutable and counted: the table holds one reference, a change that is being committed one, a fold that has
 * frozen it one. The counter is not atomic: references are taken and given back on the loop's thread only;
 * its text is read there only, too.
 *
 * The text is canonical (scan.h), its known fields stand in the order of the spec's list, all of them
 * present, unknown fields of files after them; `id` is first, so a stored text begins with {"id":"…". Live
 * progress is not in it, an artifact's `path` never is, `percentage` only where a file had it: the reply's is
 * computed all the same.
 *
 * Memory has the text up to its head's end as it is (jobs: the head ends with the value of progress; runs: of
 * status; artifacts: of kind) and the rest packed, see pack.h. */
#pragma once
#include "daemon/members.h"
#include "proto/spec.h"
#include "proto/stamp.h"

struct record {
	uint32_t refs;
	uint32_t len;          /* of the text */
	uint64_t revision;
	uint32_t head_len : 31;
	uint32_t regular : 1;  /* its text is, see members.h; never said of artifacts */
	uint32_t packed_len;
	uint32_t progress_at;  /* jobs: offset of the value of "progress", which ends the head */
	/* jobs: of the stored progress, in hundredths, where it is so many of them and up to 100, as it mostly is:
	 * lists need not read the progress then. Else PERCENTAGE_READ. */
	uint16_t percentage;
	uint8_t id_len;
	char kept[];           /* the head, what is packed; the id is at kept + RECORD_ID_AT */
};

enum { PERCENTAGE_READ = UINT16_MAX };

/* The highest revision that a text of another's making may state. Numbers go on from there, for which there has to
 * be room, and every reader of JSON holds integers up to here. */
#define REVISION_STATED_MAX ((int64_t)1 << 53)

/* What a record takes; never less than the struct, which is written as a whole. */
static inline size_t record_bytes(const struct record *r)
{
	size_t bytes = offsetof(struct record, kept) + r->head_len + r->packed_len;
	return bytes > sizeof(struct record) ? bytes : sizeof(struct record);
}

enum { RECORD_ID_AT = 7 }; /* strlen("{\"id\":\"") */

/* What a record is found by: read off its text once, when it is made. The spans point into what the record
 * keeps (no field that is indexed ever needs an escape; one that does in a file is refused, see record_read). */
struct record_keys {
	struct span id;
	struct span a;   /* jobs, runs: status. Artifacts: run_id */
	struct span b;   /* jobs: type. Runs, artifacts: kind */
	/* lists' order, newest first. Jobs, artifacts: created_at. Runs: updated_at. STAMP_NONE: null */
	int64_t time;
	/* jobs: completed_at, else updated_at; runs: finished_at, else updated_at;
	 * of terminal records only, else STAMP_NONE */
	int64_t end;
	struct span meta; /* runs: the object that find_by_meta looks into; absent: it is none */
};

/* Copies canonical text into a new record with one reference. The text has passed through this module before
 * (or a checksum vouches for it); what is no record all the same returns NULL. */
struct record *record_new(enum table_id t, struct span text, struct record_keys *keys);
/* The same for who has just put the text together and knows how it lies. */
struct record *record_make(enum table_id t, struct span text, const struct layout *layout, struct record_keys *keys);
struct shelf_piece;
/* The same for a load, on any thread that has a piece (shelf.h) of its own: the reference is the loop's thread's
 * from then on. With piece NULL on the loop's thread only. *changed: when the record was last changed, by
 * its own word (jobs, runs: updated_at; artifacts: created_at); STAMP_NONE: it does not say. */
struct record *record_load(struct shelf_piece *piece, enum table_id t, struct span text,
                           struct record_keys *keys, int64_t *changed);
struct record *record_ref(struct record *r);
void record_unref(struct record *r); /* NULL is fine */

static inline struct span record_id(const struct record *r)
{
	return (struct span){r->kept + RECORD_ID_AT, r->id_len};
}
void record_text(struct buf *out, const struct record *r); /* appends it */
/* Its fields, in a text that is there until the next call of this or record_keys. Both: loop's thread. */
void record_open(enum table_id t, const struct record *r, struct members *m);
void record_keys(enum table_id t, const struct record *r, struct record_keys *keys);

/* Live progress: the last update_progress of a job, in memory only. */
struct live {
	uint32_t len, cap;
	double current, total;
	char text[];       /* canonical {"current":…,"total":…,"message":…} */
};

/* 100·current/total; 0.0 where total is 0 */
double progress_percentage(double current, double total);
/* current, total, message of a checked progress object, missing ones filled in, percentage left out:
 * canonical text appended. `outline`: NULL, or of a text that has the object in it. */
void progress_normal(struct buf *out, struct span object, const struct scan_outline *outline, double *current,
                     double *total);

/* Appends any progress value in canonical form without `percentage`: a reply has it, the store does not. */
void progress_bare(struct buf *out, struct span progress);

enum { RECORD_ALL = 0 }; /* fields: no projection */

/* Appends the record as it is sent: live progress (NULL: none) in the place of the stored one, with
 * percentage; an artifact's `path` (artifacts_dir/<id>.json), without its revision. `fields`: bits of the
 * spec's list; RECORD_ALL sends all, unknown ones too. */
void record_send(struct buf *out, enum table_id t, const struct record *r, const struct live *live,
                 uint32_t fields, const char *artifacts_dir);
/* Appends the stored text with live progress in the place of the stored one: what a fold writes. */
void record_with_live(struct buf *out, const struct record *r, const struct live *live);

/* A record of a file or of server.import, which may have been written by anyone: `object` is checked JSON.
 * Appends the canonical text: known fields in order, missing ones as their fallback (jobs: updated_at is made
 * from the latest of the record's times, else `now`; numbers and free content as they are, unknown fields and
 * unknown statuses kept), times kept as they are given, the field `revision` of the file kept, or `revision`
 * where it has none (0 < revision) or where `renumber`. Refused: no object, an id outside the allowlist, a
 * status or type or kind that is no string or has characters that need an escape or is longer than 200 bytes,
 * a time that is none (null is fine), a number that cannot be held, a revision that is no positive integer up to
 * REVISION_STATED_MAX.
 * *at: offset of the offending byte in object. */
bool record_read(struct buf *out, enum table_id t, struct span object, uint64_t revision, bool renumber,
                 int64_t now, struct fault *fault, size_t *at);
