#include "client/ctl/cell.h"
#include "client/ctl/age.h"
#include "client/ctl/path.h"
#include "proto/scan.h"
#include "proto/stamp.h"

#define OWNED_BUF __attribute__((cleanup(buf_free))) struct buf

bool cell_number(struct span record, const char *path, double *number)
{
	struct span value;
	int64_t whole;

	return path_find(record, path, &value) && scan_number(value, &whole, number) != SCAN_NAN;
}

bool cell_time(struct span record, const char *path, int64_t *micros)
{
	OWNED_BUF scratch = {0};
	struct span value, text;

	return path_find(record, path, &value) && scan_string(value, &scratch, &text) &&
	       stamp_parse(text, micros);
}

void cell_bytes(struct buf *out, uint64_t bytes)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	double n = (double)bytes;
	unsigned unit = 0;

	while (n >= 999.5 && unit + 1 < sizeof units / sizeof *units) {
		n /= 1000;
		unit++;
	}
	buf_printf(out, unit > 0 && n < 9.95 ? "%.1f %s" : "%.0f %s", n, units[unit]);
}

void cell_percent(struct buf *out, double percent)
{
	if (percent > 0 && percent < 1)
		buf_printf(out, "%.1f %%", percent < 0.1 ? 0.1 : percent > 0.9 ? 0.9 : percent);
	else
		buf_printf(out, "%.0f %%", percent > 99 && percent < 100 ? 99 : percent);
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);
	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static bool is_time(const char *name)
{
	return ends_with(name, "_at") || strcmp(name, "time") == 0;
}

static const char *last_name(const char *path)
{
	const char *dot = strrchr(path, '.');
	return dot ? dot + 1 : path;
}

static struct cell_look show_string(struct buf *out, const struct screen *s, const char *name,
                                    struct span text)
{
	struct cell_look look = {.fraction = -1};
	int64_t micros;

	if (is_time(name) && stamp_parse(text, &micros)) {
		age_show(out, s, micros);
		return look;
	}
	screen_fit(out, text, s->utf8);
	if (strcmp(name, "status") == 0)
		look.paint = paint_of_status(text);
	return look;
}

static struct cell_look show_number(struct buf *out, const char *name, struct span value)
{
	int64_t whole = 0;
	double real;

	if (scan_number(value, &whole, &real) == SCAN_INT && whole >= 0 && ends_with(name, "_bytes"))
		cell_bytes(out, (uint64_t)whole);
	else if (strcmp(name, "percentage") == 0)
		cell_percent(out, real);
	else
		buf_span(out, value);
	return (struct cell_look){.fraction = -1, .right = true};
}

static bool show_progress(struct buf *out, struct span value, struct cell_look *look)
{
	double percent;

	if (!cell_number(value, "percentage", &percent))
		return false;
	cell_percent(out, percent);
	look->fraction = percent / 100;
	return true;
}

struct cell_look cell_show(struct buf *out, const struct screen *s, const char *path, struct span value)
{
	struct cell_look look = {.fraction = -1};
	OWNED_BUF scratch = {0};
	struct span text;
	const char *name = last_name(path);

	if (!value.at)
		return look;
	switch (scan_kind(value)) {
	case SCAN_NULL:
	case SCAN_NONE: return look;
	case SCAN_NUMBER: return show_number(out, name, value);
	case SCAN_STRING:
		return scan_string(value, &scratch, &text) ? show_string(out, s, name, text) : look;
	case SCAN_OBJECT:
		if (strcmp(name, "progress") == 0 && show_progress(out, value, &look))
			return look;
		screen_fit(out, value, s->utf8);
		return look;
	case SCAN_FALSE:
	case SCAN_TRUE:
	case SCAN_ARRAY: screen_fit(out, value, s->utf8); return look;
	}
	return look;
}

static void plain_string(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		switch (text.at[i]) {
		case '\t': buf_text(out, "\\t"); break;
		case '\n': buf_text(out, "\\n"); break;
		case '\r': buf_text(out, "\\r"); break;
		case '\\': buf_text(out, "\\\\"); break;
		case '\0': buf_text(out, "\\0"); break;
		default: buf_char(out, text.at[i]);
		}
	}
}

void cell_plain(struct buf *out, struct span value)
{
	OWNED_BUF scratch = {0};
	struct span text;

	if (!value.at || scan_kind(value) == SCAN_NULL)
		return;
	if (scan_kind(value) == SCAN_STRING && scan_string(value, &scratch, &text))
		plain_string(out, text);
	else
		buf_span(out, value);
}
