/* content: what a store shows at one moment: records, and the payloads of artifacts. */
#pragma once
#include "proto/buf.h"
#include "proto/spec.h"

/* Of tables that came from a file without revisions each load makes new ones: then they are not compared. */
struct content_rules {
	bool revisions;
};

enum { CONTENT_IDS = 512 }; /* artifacts are called a<number>, below this */

struct content_row {
	enum table_id table;
	char id[16];
	uint64_t hash;
	struct span text; /* owned */
};

struct content {
	struct content_row *rows;
	size_t count, capacity;
	uint64_t hash;             /* the same for the same rows in any order */
	uint64_t revision;         /* the last one */
	uint64_t gone[CONTENT_IDS / 64]; /* artifacts that were deleted */
};

struct content *content_new(void);
struct content *content_copy(const struct content *c);
void content_free(struct content *c);
/* artifacts: with their payload; absent: there is no such file */
void content_put(struct content *c, const struct content_rules *rules, enum table_id t, const char *id,
                 struct span text, struct span payload);
void content_remove(struct content *c, enum table_id t, const char *id);
const struct content_row *content_find(const struct content *c, enum table_id t, const char *id);
bool content_is_gone(const struct content *c, unsigned artifact);
/* false where the name is none of ours: a12, a12.json */
bool content_artifact(const char *name, unsigned *number);
/* the first difference, for people */
void content_compare(const struct content *expected, const struct content *shown, char *out, size_t size);
