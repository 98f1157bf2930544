/* frame: bytes in, lines out.
 *
 * A frame is one direction of one connection: what has been read and not yet been taken as lines. A line ends
 * with \n or \r\n; blank lines are skipped; what is left at the end of the stream counts as a line. A line
 * over the limit is reported once, as soon as it is over, and skipped up to its newline without being stored.
 * Needs no allocation while nothing is buffered: after frame_next has said FRAME_MORE with nothing pending,
 * the memory above FRAME_KEEP is given back. */
#pragma once
#include "proto/buf.h"

enum { FRAME_KEEP = 16384 }; /* reads of up to this size cost an idle connection no allocation */

enum frame_next { FRAME_LINE, FRAME_MORE, FRAME_TOO_LONG };

struct frame {
	struct buf in;
	size_t taken;   /* bytes of `in` that frame_next has handed out or skipped */
	size_t scanned; /* bytes of `in` up to which there is no newline after `taken` */
	size_t limit;   /* bytes of a line, its newline not counted */
	bool skipping, ended;
	bool lent;      /* `in` is somebody's who lent it; `own` is kept meanwhile */
	struct buf own;
};

void frame_init(struct frame *f, size_t limit);
void frame_free(struct frame *f);

/* where to read to; *got >= want. Invalidates lines handed out. */
char *frame_room(struct frame *f, size_t want, size_t *got);
void frame_filled(struct frame *f, size_t bytes);
void frame_end(struct frame *f); /* no more bytes will come */

/* Reading into one buffer for many connections, instead of frame_room and frame_filled: while nothing is
 * pending, `bytes` that were read into `shared` become the frame's. Lines are handed out of it until frame_keep,
 * which copies what is left into memory of the frame's own and must come before anybody else reads into
 * `shared`. */
void frame_lend(struct frame *f, char *shared, size_t bytes);
void frame_keep(struct frame *f); /* harmless where nothing is lent */

/* The line is without its newline and stays valid until frame_room, frame_free or the next frame_next. */
enum frame_next frame_next(struct frame *f, struct span *line);

struct span frame_unread(const struct frame *f); /* the same bytes */
size_t frame_pending(const struct frame *f); /* bytes held and not yet handed out */
/* drop what is held of an unfinished line and skip up to its newline */
void frame_discard(struct frame *f);
