/* sample: small stores to be damaged: what is on their disk, what a start shows of it, and all that was ever
 * acknowledged, in the order in which it was.
 *
 * Made by the real store and journal over a ram_disk, always the same bytes. */
#pragma once
#include "tests/crash/process.h"
#include "tests/crash/ram_disk.h"

enum sample_shape {
	SAMPLE_JOURNAL, /* folded once; since then segments: a merged one, some beside it, deletions */
	SAMPLE_PARTLY,  /* of one table only the snapshot is new; merged segments leave out what it has */
	SAMPLE_STOPPED, /* a clean stop: the journal is empty */
	SAMPLE_SHAPES
};

/* What was true when a commit was acknowledged. */
struct sample_state {
	struct ram_disk *disk;
	struct content *content;
};

struct sample_version {
	enum table_id table;
	char id[16];
	struct span text; /* absent: deleted */
	uint64_t revision;
};

struct sample {
	enum sample_shape shape;
	const char *path;             /* of an empty directory that exists */
	struct content_rules rules;
	struct process process;
	struct ram_disk *disk;
	struct content *content;      /* what a start shows */
	struct sample_state states[32];
	size_t state_count;           /* the last is the present one */
	struct sample_version versions[128];
	size_t version_count;
};

const char *sample_name(enum sample_shape shape);
void sample_make(struct sample *s, enum sample_shape shape, const char *path);
void sample_free(struct sample *s);
/* What a running process shows, without payloads. */
struct content *sample_content(struct process *p);
