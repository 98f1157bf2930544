/* ledger: what a daemon that is killed at any moment may hold, and what it must.
 *
 * Each record has its possible states: the first is the last one that is known to be durable, behind it
 * stands, in the order in which it was sent, what has not been answered. An answer moves the first state up
 * to what it acknowledges. After a kill the record must be in one of its possible states, whole; which one it
 * is becomes the only one. A call that must be refused is never entered,
 * so that finding its traces is a failure. */
#pragma once
#include "tests/integration/client.h"

enum { ID_ROOM = 64 };

struct state {
	long long version; /* of the call that makes it; each call has its own */
	bool gone;         /* there is no such record */
	json_t *must;      /* members that the record has in this state */
	json_t *whole;     /* the record as it was acknowledged, NULL: not yet */
};

struct entry {
	char id[ID_ROOM];
	bool contended;    /* many try to make it at once with if_revision 0: one of them wins */
	bool has_progress; /* what is shown of it may change without a commit */
	struct state *states;
	size_t count;
};

void entry_init(struct entry *e, const char *id, bool contended); /* is gone */
const struct state *entry_newest(const struct entry *e);
/* takes `must`; NULL: the record is deleted */
void entry_sent(struct entry *e, long long version, json_t *must);
/* record NULL: a deletion */
void entry_acknowledged(struct entry *e, long long version, const json_t *record);
/* Contended: somebody else has it, durably. Else: the daemon is stopping. */
void entry_refused(struct entry *e, long long version, bool somebody_has_it);
/* record NULL: there is none. Fails the test unless this is possible. */
void entry_found(struct entry *e, const json_t *record);
