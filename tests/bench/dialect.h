/* dialect: how one asks each server for the same work.
 *
 * What a work means is the same everywhere; how it is said is what a user of that server would write who wants it
 * fast:
 *
 *     persistd   JSON-RPC lines; the Python server that is replaced speaks them, too
 *     echo       the lines of persistd, to a server whose replies have no ids of ours (echo.c)
 *     redis      a job is a string, its JSON; progress a string of its own; a sorted set for each status, scored
 *                by created_at, for lists. `save` alone is one SET and leaves the sets aside, which flatters Redis;
 *                `indexed` and the saves of `mixed` keep the sets: SET, ZADD, ZREM in one pipeline without MULTI.
 *                A list is ZREVRANGE, MGET and ZCARD in one pipeline: the ids for MGET are known beforehand,
 *                which saves Redis a round trip
 *     ovsdb      a row a job, found by its _uuid (any other column is searched row by row); progress is an
 *                ephemeral column, which is not written to disk; a list selects every row of the status, for
 *                OVSDB has no order and no limit
 *     sqlite     no bytes on a wire: the ask itself, the id and the text, for embedded.c
 *
 * No state; any thread. */
#pragma once
#include "proto/buf.h"
#include "tests/bench/reply.h"
#include "tests/bench/sample.h"

enum work {
	WORK_SAVE,     /* durable upsert */
	WORK_INDEXED,  /* the same, with the index that lists need */
	WORK_PRELOAD,  /* first saves, indexed; `burst` jobs from job.number on */
	WORK_GET,
	WORK_LIST,     /* the 50 newest of the job's status, and how many there are */
	WORK_PROGRESS,
	WORK_NOTIFY,   /* `burst` reports of progress of which only the last is answered */
	WORK_DELETE,
	WORK_FIRST,    /* the 50 newest of all */
	WORK_MIDDLE,   /* 50 from the middle of all */
	WORK_RARE,     /* the 50 newest of the rare type */
	WORK_COMMON,   /* the 50 newest of a common status */
	WORK_PING,
	WORK_COUNT
};

struct ask {
	enum work work;
	uint64_t id;
	struct sample job;
	uint32_t records; /* how many there are */
	uint32_t burst;
};

struct dialect {
	const char *name;
	enum reply_framing framing;
	bool replies_have_ids; /* and may overtake each other; else they come in the order of the requests */
	uint32_t preload_burst;
	/* Adds the request; how many replies it gets, 0 where this server has nothing for that work. */
	unsigned (*say)(struct buf *out, const struct ask *ask);
};

extern const char *const work_names[WORK_COUNT];
const struct dialect *dialect_named(const char *name); /* NULL: there is none */
