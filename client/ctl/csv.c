#include "client/ctl/csv.h"
#include "proto/scan.h"

static bool needs_quotes(struct span text)
{
	if (text.len == 0 || text.at[0] == ' ' || text.at[text.len - 1] == ' ')
		return true;
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] == '"' || text.at[i] == ',' || text.at[i] == '\n' || text.at[i] == '\r')
			return true;
	return false;
}

void csv_text(struct buf *out, struct span text, bool first)
{
	if (!first)
		buf_char(out, ',');
	if (!needs_quotes(text)) {
		buf_span(out, text);
		return;
	}
	buf_char(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] == '"')
			buf_char(out, '"');
		buf_char(out, text.at[i]);
	}
	buf_char(out, '"');
}

void csv_cell(struct buf *out, struct span value, bool first)
{
	__attribute__((cleanup(buf_free))) struct buf scratch = {0};
	struct span text;

	if (!value.at || scan_kind(value) == SCAN_NULL) {
		if (!first)
			buf_char(out, ',');
	} else if (scan_string(value, &scratch, &text)) {
		csv_text(out, text, first);
	} else {
		csv_text(out, value, first);
	}
}

void csv_end_row(struct buf *out)
{
	buf_text(out, "\r\n");
}
