/* reply: where replies end in a stream of bytes, and whether they are good news, at the speed of memchr.
 *
 * No reply is kept: a scanner holds what it must remember between two reads in fixed memory, so that pages of any
 * size pass through one small buffer. Three framings:
 *
 *     REPLY_LINES    one JSON-RPC reply a line (persistd); `id` is its id where that is a number
 *     REPLY_RESP     Redis; a null where a value was asked for is no good news
 *     REPLY_OBJECTS  JSON objects back to back (ovsdb-server); any "error" that is not null is none
 *
 * A scanner belongs to one connection; zero it and set `framing` to start. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum reply_framing { REPLY_LINES, REPLY_RESP, REPLY_OBJECTS };
enum { REPLY_HEAD = 200, REPLY_TAIL = 24 };

struct reply {
	int64_t id; /* -1: it has none */
	bool good;
};

struct reply_scanner {
	enum reply_framing framing;
	char head[REPLY_HEAD]; /* how the reply under way began, for messages */
	uint32_t head_len;
	char tail[REPLY_TAIL]; /* how what was read of it ended; REPLY_LINES */
	uint32_t tail_len;
	bool bad;
	/* REPLY_RESP: what is still to come of the reply under way */
	uint64_t elements, bytes;
	int64_t number;
	char type;
	bool negative;
	/* REPLY_OBJECTS */
	uint32_t depth, matched;
	bool in_string, escaped;
};

/* Reads from *at up to `end` at most; true where a reply ended, *at is then behind it. False: all is read. */
bool reply_next(struct reply_scanner *s, const char **at, const char *end, struct reply *out);

/* How the last reply began, NUL-terminated, with what a terminal cannot show replaced; valid until the next call. */
const char *reply_beginning(struct reply_scanner *s);
