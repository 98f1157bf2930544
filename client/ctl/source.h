/* source: the records of a file, one at a time, whatever of these it is made of:
 *
 *	{"jobs":[…],"runs":[…],"artifacts":[…]}     what the Python classes, persistd and export --json write
 *	{"job":{…}} {"run":{…}} {"artifact":{…}} …  what export --jsonl writes
 *	{…} {…} …, or [{…},{…}]                     bare records
 *
 * in any mixture, with any white space between. What a bare record is, the caller says or its fields tell.
 * NaN, Infinity and -Infinity are found and counted, and read as null.
 *
 * Memory: the largest record, not the file. One thread at a time. */
#pragma once
#include "client/ctl/nan.h"
#include "client/ctl/window.h"
#include "proto/scan.h"
#include "proto/spec.h"

#define SOURCE_BARE TABLE_COUNT /* a bare record's fields tell */

struct source_fault {
	uint64_t at;       /* offset in the file */
	char message[640]; /* what was expected; which record, where its id is known */
};

struct source {
	/* The caller's, set after source_open. */
	unsigned depth;          /* levels of nesting that a record may have; SCAN_DEPTH_FILE */
	size_t record_max;       /* bytes of a record, white space included; SIZE_MAX */
	enum table_id bare;      /* what bare records are; SOURCE_BARE */
	bool verify;             /* compare the checksum of a persistd file; false */
	/* Told of what is left out without being wrong; NULL: nobody. */
	void (*note)(void *context, uint64_t at, const char *message);
	void *context;

	/* Of no interest outside. */
	struct window w;
	struct nan nan;
	enum { SOURCE_TOP, SOURCE_ROWS, SOURCE_MEMBERS } state;
	enum table_id table;     /* whose rows */
	bool array;              /* the rows stand in an array of their own, not in a document */
	bool first;              /* nothing of these rows, or of this document, has been read */
	bool wrapped;            /* what stands here is likely {"job":{…}} */
	size_t used;             /* bytes of the record that was handed out last */
	unsigned tables;         /* that the document has had, a bit each */
	uint64_t document_at;
	struct buf mended, names;
	struct source_fault fault;
};

struct source_record {
	enum table_id table;
	struct span text;        /* checked JSON, null where NaN was; source_value: any, else an object */
	struct span raw;         /* as it stands in the file, but for the NaN, at ... */
	uint64_t at;             /* ... this offset */
	const struct nan_place *nans;
	size_t nan_count;
};

enum source_next { SOURCE_RECORD, SOURCE_END, SOURCE_WRONG };

/* `fd` is borrowed and must allow reading at any place. `bytes`: of the buffer at first; WINDOW_BYTES, but in
 * tests. */
void source_open(struct source *s, int fd, size_t bytes);
void source_close(struct source *s);

/* SOURCE_RECORD: *r is valid until the next call. SOURCE_WRONG: s->fault says what; the end. */
enum source_next source_next(struct source *s, struct source_record *r);

/* Instead: the file as one JSON value with nothing behind it, as payload files are. */
enum source_next source_value(struct source *s, struct source_record *r);

/* "meta.metrics.sharpe" */
void source_nan_path(struct buf *out, const struct source_record *r, size_t place);
