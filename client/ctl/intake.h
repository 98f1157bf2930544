/* intake: what import reads, record by record: files, then payload files that have no record.
 *
 * An artifact's record that comes without its payload gets it from artifacts/<id>.json beside its file.
 * Text that no call can carry and what is no JSON end it, ids outside the allowlist make it fail when all has
 * been read; that has been told on stderr by file, line and byte. The same files give the same items each
 * time. */
#pragma once
#include "client/ctl/bar.h"
#include "client/ctl/files.h"
#include "client/ctl/payload_files.h"
#include "client/ctl/source.h"

struct item {
	enum table_id table;
	struct span id;      /* of the allowlist */
	struct span text;    /* canonical; an artifact's with its payload where there is one */
	bool payload;
	size_t file_number;  /* from 0; of payload files without a record: above all */
	struct place place;
};

struct intake {
	const struct files *files;
	struct payload_files *payloads;
	struct bar *bar;
	enum table_id bare;  /* SOURCE_BARE: told by their fields */
	unsigned depth;      /* of a record, as the daemon's line allows */
	size_t record_max;   /* canonical bytes of one */
	bool first_time;     /* checksums are compared, what is left out is told */

	bool (*item)(void *context, const struct item *it); /* false: stop */
	/* NULL: of no interest */
	void (*nan)(void *context, const struct place *place, const struct source_record *r);
	void *context;

	/* Of no interest outside. */
	uint64_t passed;     /* bytes of the files before this one */
	uint64_t lacking;    /* artifacts whose payload is not there */
	uint64_t refused;    /* records whose ids cannot be */
	struct buf text, payload;
};

/* False: it ended before the end of the files. */
bool intake_run(struct intake *in);
void intake_free(struct intake *in);
