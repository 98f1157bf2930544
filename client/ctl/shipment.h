/* shipment: records on their way to the daemon, in calls of server.import.
 *
 * A call has up to 1,000 records or 1 MiB and is one commit; some are on their way at once, and the daemon
 * takes them in the order in which they were sent. Memory: the calls under way. A call that fails is told
 * on stderr, with the place of the record where it is about one, and nothing is sent after it. */
#pragma once
#include "client/ctl/bar.h"
#include "client/ctl/files.h"
#include "proto/buf.h"
#include "proto/spec.h"

enum { SHIPMENT_CALLS = 8 };

/* How many records of a table. In a dry run: what would have become of them. */
struct shipped {
	uint64_t imported, replaced, kept;
};

struct shipment_call;

struct shipment {
	struct session *session;
	struct bar *bar;     /* cleared before anything is told */
	bool replace, dry_run;
	size_t line_max;     /* bytes of a line, as the daemon says */

	struct shipped of[TABLE_COUNT];
	struct shipment_call *filling;
	struct shipment_call *calls[SHIPMENT_CALLS]; /* from first, in a ring */
	size_t first, count;
	enum exit_status status; /* of the first call that failed */
	bool unknown;            /* what became of one of those that failed, nobody knows */
};

/* What a call takes beside the records. */
size_t shipment_room(const struct shipment *s);

/* `record` is canonical and at most shipment_room() long; `payload`: it brings one. False: a call has
 * failed, what was sent before has been waited for. */
bool shipment_add(struct shipment *s, enum table_id t, struct span record, bool payload, struct place place);
/* Nothing more is sent: shipment_finish() only waits, and comes back with EXIT_INTERRUPTED. */
void shipment_stop(struct shipment *s);
/* Sends what is left and waits for all. */
enum exit_status shipment_finish(struct shipment *s);
