/* methods_list: what all lists and counts of records have in common. */
#pragma once
#include "daemon/methods.h"

/* The places of a list method's parameters; -1: it has no such parameter. */
struct list_places {
	enum table_id table;
	int a, b, after, before, limit, offset, cursor, fields, order, group_by;
};

/* {"jobs":[…],"total":n,"next_cursor":…} */
enum outcome list_records(struct call *c, const struct params *p, const struct list_places *at,
                          struct buf *result, struct fault *fault);
/* {"total":n,"groups":{…}} */
enum outcome count_records(struct call *c, const struct params *p, const struct list_places *at,
                           struct buf *result, struct fault *fault);

/* One record as the result; fields as asked for. not_found names the parameter. */
enum outcome get_record(struct call *c, enum table_id t, const struct param *id, uint32_t fields,
                        struct buf *result, struct fault *fault);
enum outcome record_not_found(enum table_id t, const char *parameter, struct fault *fault);

/* After a mutation: c->record (a reference) as it is stored, with c->fields. */
enum outcome finish_record(struct call *c, struct buf *result, struct fault *fault);
/* {"removed":n} */
enum outcome finish_removed(struct call *c, struct buf *result, struct fault *fault);

/* Judges if_revision against the newest version (NULL: none). */
bool revision_matches(const struct param *if_revision, const struct record *newest, struct fault *fault);

/* A record may not become larger than a reply may be: nobody could read it any more. */
bool record_fits(struct call *c, enum table_id t, size_t bytes, struct fault *fault);

/* Bytes of live progress, so that a record can always be read with it. */
enum { PROGRESS_MAX = 64 << 10 };
uint64_t progress_limit(const struct service *s);

/* Bulk work goes in steps of so many records, each a commit of its own. */
enum { BULK_STEP = 250, BULK_LOOKS = 4000 };
