#include "proto/frame.h"
#include "proto/mem.h"

#include <assert.h>

void frame_init(struct frame *f, size_t limit)
{
	assert(limit > 0);
	*f = (struct frame){.limit = limit};
}

void frame_free(struct frame *f)
{
	frame_keep(f);
	buf_free(&f->in);
	f->taken = f->scanned = 0;
}

size_t frame_pending(const struct frame *f)
{
	return f->in.len - f->taken;
}

struct span frame_unread(const struct frame *f)
{
	return (struct span){f->in.at + f->taken, frame_pending(f)};
}

static void drop_everything(struct frame *f)
{
	f->in.len = f->taken = f->scanned = 0;
}

static void compact(struct frame *f)
{
	size_t pending = frame_pending(f);

	if (f->taken == 0)
		return;
	if (pending > 0)
		memmove(f->in.at, f->in.at + f->taken, pending);
	f->scanned -= f->taken;
	f->taken = 0;
	f->in.len = pending;
}

static void set_capacity(struct frame *f, size_t cap)
{
	f->in.at = mem_resize(f->in.at, cap);
	f->in.cap = cap;
}

/* Twice as much, but while the line fits into its limit no more than that and one read. */
static size_t larger(const struct frame *f, size_t need, size_t want)
{
	size_t twice = f->in.cap * 2, most = f->limit + 1 + want;

	if (need <= most && twice > most)
		twice = most;
	return twice > need ? twice : need;
}

/* Bytes are moved to the front where that is paid for: by as many that have been taken, or by the line that
 * they are the start of, since the next move comes only after that line is complete. So whatever the sizes of
 * lines and reads, a byte is moved a bounded number of times. */
char *frame_room(struct frame *f, size_t want, size_t *got)
{
	size_t pending = frame_pending(f);

	assert(want > 0 && !f->ended && !f->lent);
	if (pending == 0)
		drop_everything(f);
	if (f->in.cap - f->in.len < want && (f->taken >= pending || f->scanned == f->in.len))
		compact(f);
	if (f->in.cap - f->in.len < want) {
		compact(f);
		if (f->in.cap - f->in.len < want)
			set_capacity(f, larger(f, pending + want, want));
	}
	*got = f->in.cap - f->in.len;
	return f->in.at + f->in.len;
}

void frame_filled(struct frame *f, size_t bytes)
{
	assert(bytes <= f->in.cap - f->in.len);
	f->in.len += bytes;
}

void frame_lend(struct frame *f, char *shared, size_t bytes)
{
	assert(frame_pending(f) == 0 && !f->lent && !f->ended);
	drop_everything(f);
	buf_trim(&f->in, FRAME_KEEP);
	f->own = f->in;
	f->in = (struct buf){shared, bytes, bytes};
	f->lent = true;
}

void frame_keep(struct frame *f)
{
	struct span rest = {f->in.at + f->taken, frame_pending(f)};

	if (!f->lent)
		return;
	f->in = f->own;
	f->own = (struct buf){0};
	f->lent = false;
	f->scanned -= f->taken;
	f->taken = 0;
	buf_span(&f->in, rest);
}

void frame_end(struct frame *f)
{
	f->ended = true;
}

static const char *find_newline(struct frame *f)
{
	size_t unseen = f->in.len - f->scanned;
	const char *newline = unseen > 0 ? memchr(f->in.at + f->scanned, '\n', unseen) : NULL;

	f->scanned = newline ? (size_t)(newline - f->in.at) : f->in.len;
	return newline;
}

static bool is_blank(struct span line)
{
	for (size_t i = 0; i < line.len; i++) {
		if (line.at[i] != ' ' && line.at[i] != '\t' && line.at[i] != '\r')
			return false;
	}
	return true;
}

/* The bytes up to `end` (an offset into `in`) are a line; `after` is where the next one starts. */
static struct span take_line(struct frame *f, size_t end, size_t after)
{
	struct span line = {f->in.at + f->taken, end - f->taken};

	if (line.len > 0 && line.at[line.len - 1] == '\r')
		line.len--;
	f->taken = f->scanned = after;
	return line;
}

/* Nothing is left to hand out: what memory a long line took goes back. A line of which the first part is here
 * keeps its own share, and as much again to grow into, so that it does not shrink and grow at each read. */
static enum frame_next more(struct frame *f)
{
	size_t pending = frame_pending(f);

	if (pending == 0) {
		drop_everything(f);
		if (!f->lent)
			buf_trim(&f->in, FRAME_KEEP);
	} else if (!f->lent && f->in.cap > (size_t)8 * FRAME_KEEP && f->in.cap / 8 > pending) {
		compact(f);
		set_capacity(f, pending * 2 > FRAME_KEEP ? pending * 2 : FRAME_KEEP);
	}
	return FRAME_MORE;
}

/* No newline in what is here. */
static enum frame_next unfinished(struct frame *f, struct span *line)
{
	size_t pending = frame_pending(f);
	/* a \r at the end may be half of the newline */
	size_t len = pending > 0 && f->in.at[f->in.len - 1] == '\r' ? pending - 1 : pending;

	if (f->skipping || len > f->limit) {
		bool reported = f->skipping;
		f->skipping = true;
		drop_everything(f);
		return reported ? more(f) : FRAME_TOO_LONG;
	}
	if (!f->ended || pending == 0)
		return more(f);
	*line = take_line(f, f->in.len, f->in.len);
	return is_blank(*line) ? more(f) : FRAME_LINE;
}

enum frame_next frame_next(struct frame *f, struct span *line)
{
	for (;;) {
		const char *newline = find_newline(f);
		if (!newline)
			return unfinished(f, line);
		size_t end = (size_t)(newline - f->in.at);
		*line = take_line(f, end, end + 1);
		if (f->skipping) {
			f->skipping = false;
			continue;
		}
		if (line->len > f->limit)
			return FRAME_TOO_LONG;
		if (!is_blank(*line))
			return FRAME_LINE;
	}
}

void frame_discard(struct frame *f)
{
	const char *newline = find_newline(f);

	if (newline) {
		size_t end = (size_t)(newline - f->in.at);
		take_line(f, end, end + 1);
		f->skipping = false;
	} else if (frame_pending(f) > 0) {
		drop_everything(f);
		f->skipping = true;
	}
}
