#include "client/ctl/screen.h"
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

enum { COLUMNS_UNKNOWN = 80, COLUMNS_LEAST = 20, COLUMNS_MOST = 10000 };

static const char *set_value(const char *name)
{
	const char *value = getenv(name);
	return value && value[0] ? value : NULL;
}

static bool wants_colour(const struct screen *s, const char *asked)
{
	const char *term = getenv("TERM"), *force = set_value("CLICOLOR_FORCE");

	if (asked && strcmp(asked, "always") == 0)
		return true;
	if (asked && strcmp(asked, "never") == 0)
		return false;
	if (set_value("NO_COLOR"))
		return false;
	if (force && strcmp(force, "0") != 0)
		return true;
	return s->terminal && term && strcmp(term, "dumb") != 0;
}

static unsigned columns_of(int descriptor)
{
	const char *said = set_value("COLUMNS");
	struct winsize size;
	unsigned long columns = said ? strtoul(said, NULL, 10) : 0;

	if (columns == 0 && ioctl(descriptor, TIOCGWINSZ, &size) == 0)
		columns = size.ws_col;
	if (columns == 0 || columns > COLUMNS_MOST)
		return COLUMNS_UNKNOWN;
	return columns < COLUMNS_LEAST ? COLUMNS_LEAST : (unsigned)columns;
}

void screen_init(struct screen *s, int descriptor, const char *colour)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	*s = (struct screen){
		.terminal = isatty(descriptor) == 1,
		.utf8 = strcasecmp(nl_langinfo(CODESET), "UTF-8") == 0,
		.now = now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000,
	};
	s->colour = wants_colour(s, colour);
	s->columns = s->terminal ? columns_of(descriptor) : 0;
}

/* The length of the character at the start of `text`, which is not empty; 0: it is no UTF-8. */
static size_t character(struct span text, uint32_t *code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char lead = (unsigned char)text.at[0];
	size_t len = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;

	if (len == 0 || len > text.len)
		return 0;
	*code = len == 1 ? lead : lead & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		unsigned char next = (unsigned char)text.at[i];
		if ((next & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (next & 0x3f);
	}
	return *code < least[len] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000) ? 0 : len;
}

static unsigned character_width(uint32_t code)
{
	int width = code < 0x80 ? 1 : wcwidth((wchar_t)code);
	return width < 0 ? 1 : (unsigned)width;
}

/* The character at the start of text and the columns that it takes; a byte that is no UTF-8 is one. */
static size_t next(struct span text, unsigned *width)
{
	uint32_t code;
	size_t len = character(text, &code);

	*width = len > 0 ? character_width(code) : 1;
	return len > 0 ? len : 1;
}

static struct span after(struct span text, size_t len)
{
	return (struct span){text.at + len, text.len - len};
}

unsigned screen_width(struct span text)
{
	unsigned sum = 0, width;

	while (text.len > 0) {
		text = after(text, next(text, &width));
		sum += width;
	}
	return sum;
}

/* What changes the terminal, or the order in which the rest is read. */
static bool is_unfit(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c || code == 0x200e ||
	       code == 0x200f || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
	       code == 0xfeff;
}

static void escape(struct buf *out, uint32_t code)
{
	if (code == '\n')
		buf_text(out, "\\n");
	else if (code == '\t')
		buf_text(out, "\\t");
	else if (code == '\r')
		buf_text(out, "\\r");
	else if (code < 0x80)
		buf_printf(out, "\\x%02x", code);
	else
		buf_printf(out, "\\u%04x", code);
}

void screen_fit(struct buf *out, struct span text, bool utf8)
{
	while (text.len > 0) {
		uint32_t code;
		size_t len = character(text, &code);
		if (len == 0)
			buf_printf(out, "\\x%02x", (unsigned char)text.at[0]);
		else if (is_unfit(code))
			escape(out, code);
		else if (len > 1 && !utf8)
			buf_char(out, '?');
		else
			buf_add(out, text.at, len);
		text = after(text, len > 0 ? len : 1);
	}
}

static void escape_json(struct buf *out, uint32_t code)
{
	if (code < 0x10000) {
		buf_printf(out, "\\u%04x", code);
		return;
	}
	code -= 0x10000;
	buf_printf(out, "\\u%04x\\u%04x", 0xd800 | code >> 10, 0xdc00 | (code & 0x3ff));
}

void screen_fit_json(struct buf *out, struct span json, bool utf8)
{
	while (json.len > 0) {
		uint32_t code;
		size_t len = character(json, &code);
		if (len == 0)
			buf_char(out, '?');
		else if (is_unfit(code) || (len > 1 && !utf8))
			escape_json(out, code);
		else
			buf_add(out, json.at, len);
		json = after(json, len > 0 ? len : 1);
	}
}

/* How many bytes of the text fit so many columns. */
static size_t fitting(struct span text, unsigned columns, unsigned *taken)
{
	size_t bytes = 0;
	unsigned width;

	*taken = 0;
	while (bytes < text.len) {
		size_t len = next(after(text, bytes), &width);
		if (*taken + width > columns)
			break;
		bytes += len;
		*taken += width;
	}
	return bytes;
}

unsigned screen_cut(struct buf *out, struct span fit, unsigned columns, bool utf8)
{
	const char *mark = utf8 ? "…" : "...";
	unsigned mark_width = utf8 ? 1 : 3, taken;

	if (fitting(fit, columns, &taken) == fit.len) {
		buf_span(out, fit);
		return taken;
	}
	if (mark_width > columns) {
		mark += mark_width - columns;
		mark_width = columns;
	}
	buf_add(out, fit.at, fitting(fit, columns - mark_width, &taken));
	if (columns > 0)
		buf_text(out, mark);
	return taken + mark_width;
}

unsigned screen_cut_start(struct buf *out, struct span fit, unsigned columns, bool utf8)
{
	const char *mark = utf8 ? "…" : "...";
	unsigned mark_width = utf8 ? 1 : 3, width = screen_width(fit), gone;

	if (width <= columns)
		return screen_cut(out, fit, columns, utf8);
	if (mark_width >= columns)
		return screen_cut(out, span_of(mark), columns, utf8);
	while (fit.len > 0 && width > columns - mark_width) {
		fit = after(fit, next(fit, &gone));
		width -= gone;
	}
	buf_text(out, mark);
	buf_span(out, fit);
	return width + mark_width;
}

void screen_pad(struct buf *out, unsigned columns)
{
	for (unsigned i = 0; i < columns; i++)
		buf_char(out, ' ');
}

void screen_number(struct buf *out, uint64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			buf_char(out, ',');
		buf_char(out, digits[i]);
	}
}
