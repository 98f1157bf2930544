/* Lines out of a stream that arrives in any pieces, through memory of the frame's own or lent, with lines dropped half
 * way, against a reading of the whole stream byte by byte. */
#include "proto/frame.h"
#include "tests/fuzz/fuzz.h"

/* ---- what must come out */

struct reference {
	struct buf line, said;
	size_t limit;
	bool over, dropped; /* the line that has begun was reported as too long, or discarded */
};

static bool is_blank(struct span line)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.at[i] != ' ' && line.at[i] != '\t' && line.at[i] != '\r')
			return false;
	return true;
}

static void say_line(struct buf *said, struct span line)
{
	buf_char(said, '<');
	buf_span(said, line);
	buf_text(said, ">\n");
}

static void reference_end_line(struct reference *r)
{
	struct span line = buf_as_span(&r->line);
	if (line.len && line.at[line.len - 1] == '\r')
		line.len--;
	if (!r->over && !r->dropped && line.len > r->limit)
		buf_text(&r->said, "!\n");
	else if (!r->over && !r->dropped && !is_blank(line))
		say_line(&r->said, line);
	r->line.len = 0;
	r->over = r->dropped = false;
}

static void reference_feed(struct reference *r, struct span bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		if (bytes.at[i] == '\n')
			reference_end_line(r);
		else
			buf_char(&r->line, bytes.at[i]);
	}
	/* a \r at the end may be half of the newline */
	size_t len = r->line.len - (r->line.len && r->line.at[r->line.len - 1] == '\r');
	if (len > r->limit && !r->over && !r->dropped) {
		buf_text(&r->said, "!\n");
		r->over = true;
	}
}

static void reference_discard(struct reference *r)
{
	if (r->line.len)
		r->dropped = true;
}

/* ---- what comes out */

static void drain(struct frame *f, struct buf *said)
{
	struct span line;
	for (enum frame_next next; (next = frame_next(f, &line)) != FRAME_MORE;) {
		if (next == FRAME_TOO_LONG)
			buf_text(said, "!\n");
		else
			say_line(said, line);
	}
	FUZZ_EXPECT(frame_pending(f) == frame_unread(f).len);
	FUZZ_EXPECT(frame_pending(f) <= f->limit + 1);
}

static void feed(struct frame *f, struct buf *said, struct span bytes, bool lend)
{
	size_t got;
	if (lend && frame_pending(f) == 0) {
		struct span shared = fuzz_copy(bytes);
		frame_lend(f, (char *)shared.at, shared.len);
		drain(f, said);
		frame_keep(f);
		free((char *)shared.at); /* as good as read into by somebody else */
	} else {
		memcpy(frame_room(f, bytes.len, &got), bytes.at, bytes.len);
		FUZZ_EXPECT(got >= bytes.len);
		frame_filled(f, bytes.len);
		drain(f, said);
	}
}

enum { PIECES = 6 }; /* their sizes come again and again */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input in = {bytes, size};
	struct reference wanted = {.limit = 1 + fuzz_below(&in, 48)};
	uint8_t pieces[PIECES];
	struct frame f;
	struct buf said = {0};

	for (int i = 0; i < PIECES; i++)
		pieces[i] = fuzz_byte(&in);
	frame_init(&f, wanted.limit);
	struct span stream = fuzz_rest(&in);
	for (unsigned i = 0; stream.len; i = (i + 1) % PIECES) {
		size_t piece = 1 + pieces[i] % 64;
		piece = piece < stream.len ? piece : stream.len;
		reference_feed(&wanted, (struct span){stream.at, piece});
		feed(&f, &said, (struct span){stream.at, piece}, pieces[i] & 64);
		if (pieces[i] >= 192 + 32) {
			frame_discard(&f);
			reference_discard(&wanted);
		}
		stream.at += piece;
		stream.len -= piece;
	}
	frame_end(&f);
	drain(&f, &said);
	reference_end_line(&wanted);
	fuzz_same(buf_as_span(&said), buf_as_span(&wanted.said), "lines");
	frame_free(&f);
	buf_free(&said);
	buf_free(&wanted.line);
	buf_free(&wanted.said);
	return 0;
}
