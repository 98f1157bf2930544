/* users: the limits, what all connections of one user hold together, and how much that may be, so that no user
 * can take what the others need.
 *
 * A user is there while one of its connections or calls is. Loop's thread. */
#pragma once
#include "proto/spec.h"
#include <stdint.h>
#include <sys/types.h>

/* What one user may have, and how much all of them together before this one has to wait or is refused. */
struct allowance {
	uint64_t connections, calls, bytes;              /* of one user */
	uint64_t all_connections, in_flight, unfinished; /* of all together */
};

struct limits {
	uint64_t line;             /* bytes of a request line */
	uint64_t reply;            /* bytes of a reply line */
	/* bytes of a list page's records; the page ends there and next_cursor goes on */
	uint64_t page;
	uint64_t connections;
	uint64_t calls;            /* in flight on one connection */
	uint64_t batch_calls;      /* in one JSON-RPC batch */
	uint64_t queued;           /* bytes waiting for a slow reader before its requests wait too */
	uint64_t unfinished;       /* bytes of unfinished long lines, all connections together */
	uint64_t in_flight;        /* bytes of calls in flight, all connections together */
	/* of one user, all its connections together */
	uint64_t user_connections, user_calls, user_bytes;
	struct allowance others, admins; /* made of these by users_divide */
};

static inline const struct allowance *limits_for(const struct limits *l, enum role role)
{
	return role == ROLE_ADMIN ? &l->admins : &l->others;
}

/* Parts the totals among users, so that none can take all of one, whatever was configured for it:
 *
 *     0                                     others' share                 total
 *     ├──────────────────────────────────────────┬────────────┬─────────────┤
 *      one user who does not administer, at most   other users   reserve
 *
 * Who administers (the role admin) may go to the end of the reserve, and has its user's limits as configured: an
 * administrator gets in and is answered when all others have filled what they can. Cuts the user_… members of `l`
 * to what is in force for those who do not administer. Calls need no part of their own: each holds bytes. */
void users_divide(struct limits *l);

struct user {
	uid_t uid;
	unsigned refs;
	uint64_t connections;
	uint64_t calls;  /* in flight */
	uint64_t bytes;  /* of calls in flight, batches, replies not yet taken, and unfinished long lines */
	uint64_t turn, micros; /* of the loop's time, in the turn in which it last had some (conn.c) */
	uint64_t last_read;    /* of an artifact: the number of the newest that was begun (methods_artifact.c) */
};

struct users {
	struct users_entry *entries;
};

struct user *users_ref(struct users *all, uid_t uid); /* made where it is not there yet */
struct user *user_ref(struct user *u);
void users_unref(struct users *all, struct user *u);  /* NULL is fine */
unsigned users_count(const struct users *all);
