#include "client/ctl/paint.h"

/* Of the sixteen colours that every terminal has and its user has chosen. */
static const char *const codes[] = {
	[PAINT_NONE] = "", [PAINT_TITLE] = "1", [PAINT_DIM] = "2", [PAINT_BUSY] = "36", [PAINT_GOOD] = "32",
	[PAINT_BAD] = "31", [PAINT_STOPPED] = "33",
};

void paint_text(struct buf *out, const struct screen *s, enum paint paint, struct span text)
{
	if (!s->colour || paint == PAINT_NONE || text.len == 0) {
		buf_span(out, text);
		return;
	}
	buf_printf(out, "\033[%sm", codes[paint]);
	buf_span(out, text);
	buf_text(out, "\033[0m");
}

enum paint paint_of_status(struct span status)
{
	static const struct {
		const char *status;
		enum paint paint;
	} known[] = {
		{"pending", PAINT_DIM}, {"queued", PAINT_DIM}, {"running", PAINT_BUSY}, {"completed", PAINT_GOOD},
		{"succeeded", PAINT_GOOD}, {"failed", PAINT_BAD}, {"cancelled", PAINT_STOPPED},
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (span_is(status, span_of(known[i].status)))
			return known[i].paint;
	return PAINT_NONE;
}
