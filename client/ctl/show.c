#include "client/ctl/show.h"
#include "client/ctl/age.h"
#include "client/ctl/cell.h"
#include "client/ctl/complain.h"
#include "client/ctl/json_view.h"
#include "client/ctl/object.h"
#include "client/ctl/path.h"
#include "client/ctl/print.h"
#include "client/ctl/table.h"
#include "proto/scan.h"
#include "proto/stamp.h"
#include <stdio.h>

#define OWNED_BUF __attribute__((cleanup(buf_free))) struct buf

enum exit_status show_json(struct invocation *i, struct span json)
{
	OWNED_BUF line = {0};

	if (!i->screen.terminal)
		return print_line(json);
	screen_fit_json(&line, json, i->screen.utf8);
	return print_line(buf_as_span(&line));
}

enum exit_status show_indented(struct invocation *i, struct span result)
{
	OWNED_BUF text = {0};

	json_view(&text, &i->screen, result, 0, i->screen.columns);
	return print_line(buf_as_span(&text));
}

/* ---- parts of a result */

static bool takes(const struct invocation *i, const char *flag)
{
	return flags_find(i->given.lists, span_of(flag)) != NULL;
}

void show_fields(const struct invocation *i, struct path_list *paths)
{
	OWNED_BUF joined = {0};
	const char *said;
	size_t at = 0;

	*paths = (struct path_list){0};
	if (!takes(i, "fields"))
		return;
	while ((said = given_next(&i->given, "fields", &at)))
		buf_printf(&joined, "%s%s", joined.len > 0 ? "," : "", said);
	if (joined.len == 0)
		return;
	buf_char(&joined, '\0');
	path_list_read(paths, joined.at);
}

bool show_has_dots(const struct path_list *paths)
{
	for (size_t p = 0; p < paths->count; p++)
		if (strchr(paths->at[p], '.'))
			return true;
	return false;
}

static void project_member(struct buf *out, struct span name, struct span value)
{
	if (out->at[out->len - 1] != '{')
		buf_char(out, ',');
	buf_string(out, name);
	buf_char(out, ':');
	buf_span(out, value);
}

static bool is_named(const struct path_list *paths, struct span raw_name)
{
	for (size_t p = 0; p < paths->count; p++)
		if (scan_name_is(raw_name, paths->at[p]))
			return true;
	return false;
}

void show_project(struct buf *out, struct span record, const struct path_list *paths)
{
	struct span name, value;

	buf_char(out, '{');
	if (!show_has_dots(paths)) {
		for (struct scan_iter it = scan_members(record); scan_next_member(&it, &name, &value);)
			if (is_named(paths, name))
				project_member(out, name, value);
	} else {
		for (size_t p = 0; p < paths->count; p++)
			if (path_find(record, paths->at[p], &value))
				project_member(out, span_of(paths->at[p]), value);
	}
	buf_char(out, '}');
}

static enum exit_status print_bare(struct invocation *i, struct span value)
{
	OWNED_BUF scratch = {0}, line = {0};
	struct span text = value;

	scan_string(value, &scratch, &text);
	if (!i->screen.terminal)
		return print_line(text);
	screen_fit(&line, text, i->screen.utf8);
	return print_line(buf_as_span(&line));
}

/* -q with --fields: their values alone, a line. One string is printed as it is, for a script's $(…). */
static enum exit_status show_values(struct invocation *i, struct span result, const struct path_list *paths)
{
	OWNED_BUF line = {0}, cell = {0};
	struct span value;

	for (size_t p = 0; p < paths->count; p++) {
		if (!path_find(result, paths->at[p], &value))
			return complain_failed("the result has no %s", paths->at[p]);
		if (paths->count == 1)
			return print_bare(i, value);
		buf_text(&line, p > 0 ? "\t" : "");
		cell.len = 0;
		cell_plain(&cell, value);
		if (i->screen.terminal)
			screen_fit(&line, buf_as_span(&cell), i->screen.utf8);
		else
			buf_span(&line, buf_as_span(&cell));
	}
	return print_line(buf_as_span(&line));
}

enum exit_status ids_of(struct invocation *i, struct span result)
{
	enum exit_status status = EXIT_OK;
	struct span value, id;

	if (scan_kind(result) != SCAN_OBJECT)
		return EXIT_OK;
	if (scan_member(result, "id", &value))
		return print_bare(i, value);
	if (!scan_member(result, "ids", &value))
		return EXIT_OK;
	for (struct scan_iter it = scan_elements(value); status == EXIT_OK && scan_next_element(&it, &id);)
		status = print_bare(i, id);
	return status;
}

static enum exit_status show_form(struct invocation *i, struct span result)
{
	const struct views *v = &i->command->views;

	switch (i->form) {
	case FORM_IDS: return ids_of(i, result);
	case FORM_JSON:
	case FORM_JSONL: return show_json(i, result);
	case FORM_PLAIN:
		return v->plain && !given_has(&i->given, "fields") ? v->plain(i, result) : show_json(i, result);
	case FORM_PEOPLE: break;
	}
	return v->people && !given_has(&i->given, "fields") ? v->people(i, result) : show_record(i, result);
}

enum exit_status show_result(struct invocation *i, struct span result)
{
	OWNED_BUF projected = {0};
	struct path_list paths;
	enum exit_status status;

	show_fields(i, &paths);
	if (paths.count > 0 && i->form == FORM_IDS) {
		status = show_values(i, result, &paths);
	} else {
		if (paths.count > 0)
			show_project(&projected, result, &paths);
		status = show_form(i, paths.count > 0 ? buf_as_span(&projected) : result);
	}
	path_list_free(&paths);
	return status;
}

enum exit_status show_call(struct invocation *i, const char *method, struct span params)
{
	persist_result *result;
	struct span text;
	enum exit_status status = session_call(&i->session, method, params, &result);

	if (status != EXIT_OK)
		return status;
	text.at = persist_result_text(result, &text.len);
	status = show_result(i, text);
	persist_result_free(result);
	return status;
}

/* ---- a record, field by field */

enum { GAP = 2, BAR_COLUMNS = 20, NAME_MOST = 28 };

static bool is_shown(struct span value)
{
	return scan_kind(value) != SCAN_NULL;
}

static unsigned name_width(struct span record)
{
	unsigned widest = 0;
	struct span name, value;

	for (struct scan_iter it = scan_members(record); scan_next_member(&it, &name, &value);) {
		unsigned width = screen_width(name);
		if (is_shown(value) && width > widest)
			widest = width;
	}
	return widest < NAME_MOST ? widest : NAME_MOST;
}

static void put_name(struct buf *out, const struct screen *s, struct span name, unsigned width)
{
	OWNED_BUF fit = {0};
	unsigned taken;

	screen_fit(&fit, name, s->utf8);
	taken = screen_width(buf_as_span(&fit));
	paint_text(out, s, PAINT_TITLE, buf_as_span(&fit));
	screen_pad(out, (taken < width ? width - taken : 0) + GAP);
}

static bool is_time_name(struct span name)
{
	return (name.len > 3 && memcmp(name.at + name.len - 3, "_at", 3) == 0) || span_is(name, SPAN("time"));
}

static void put_time(struct buf *out, const struct screen *s, int64_t micros)
{
	OWNED_BUF age = {0};

	size_t start = out->len;

	age_date(out, s, micros);
	age_show(&age, s, micros);
	/* what is long ago has the date for its age */
	if (s->absolute || memcmp(out->at + start, age.at, age.len) == 0)
		return;
	screen_pad(out, GAP);
	paint_text(out, s, PAINT_DIM, buf_as_span(&age));
}

/* A text of several lines, such as a traceback, stays one. */
static void put_lines(struct buf *out, const struct screen *s, struct span text, unsigned indent)
{
	for (;;) {
		const char *end = memchr(text.at, '\n', text.len);
		size_t len = end ? (size_t)(end - text.at) : text.len;
		screen_fit(out, (struct span){text.at, len}, s->utf8);
		text.at += len;
		text.len -= len;
		if (text.len <= 1)
			break;
		text.at++;
		text.len--;
		buf_char(out, '\n');
		screen_pad(out, indent);
	}
}

static void put_string(struct buf *out, const struct screen *s, struct span name, struct span value,
                       unsigned indent)
{
	OWNED_BUF scratch = {0};
	struct span text;
	int64_t micros;

	if (!scan_string(value, &scratch, &text))
		return;
	if (is_time_name(name) && stamp_parse(text, &micros)) {
		put_time(out, s, micros);
		return;
	}
	OWNED_BUF fit = {0};
	if (text.len > 0)
		put_lines(&fit, s, text, indent);
	paint_text(out, s, span_is(name, SPAN("status")) ? paint_of_status(text) : PAINT_NONE, buf_as_span(&fit));
}

static bool put_progress(struct buf *out, const struct screen *s, struct span value)
{
	OWNED_BUF scratch = {0};
	struct span current, total, message, text;
	double percent;

	if (!cell_number(value, "percentage", &percent) || !scan_member(value, "current", &current) ||
	    !scan_member(value, "total", &total))
		return false;
	table_bar(out, s, percent / 100, BAR_COLUMNS);
	buf_char(out, ' ');
	cell_percent(out, percent);
	buf_printf(out, "  %.*s of %.*s", (int)current.len, current.at, (int)total.len, total.at);
	if (scan_member(value, "message", &message) && scan_string(message, &scratch, &text) && text.len > 0) {
		screen_pad(out, GAP);
		screen_fit(out, text, s->utf8);
	}
	return true;
}

static void put_number(struct buf *out, struct span name, struct span value)
{
	int64_t whole;
	double real;

	buf_span(out, value);
	if (name.len < 6 || memcmp(name.at + name.len - 6, "_bytes", 6) != 0 ||
	    scan_number(value, &whole, &real) != SCAN_INT || whole < 1000)
		return;
	screen_pad(out, GAP);
	cell_bytes(out, (uint64_t)whole);
}

static void put_value(struct buf *out, const struct screen *s, struct span name, struct span value,
                      unsigned indent)
{
	unsigned room = s->columns > indent ? s->columns - indent : 0;

	switch (scan_kind(value)) {
	case SCAN_STRING: put_string(out, s, name, value, indent); return;
	case SCAN_NUMBER: put_number(out, name, value); return;
	case SCAN_OBJECT:
		if (span_is(name, SPAN("progress")) && put_progress(out, s, value))
			return;
		json_view(out, s, value, indent, room);
		return;
	case SCAN_ARRAY: json_view(out, s, value, indent, room); return;
	case SCAN_NULL:
	case SCAN_FALSE:
	case SCAN_TRUE:
	case SCAN_NONE: buf_span(out, value); return;
	}
}

static void put_member(struct buf *out, const struct screen *s, struct span name, struct span value,
                       unsigned before, unsigned width)
{
	screen_pad(out, before);
	put_name(out, s, name, width);
	put_value(out, s, name, value, before + width + GAP);
	while (out->at[out->len - 1] == ' ')
		out->len--;
	buf_char(out, '\n');
}

enum exit_status show_record(struct invocation *i, struct span record)
{
	OWNED_BUF out = {0};
	struct span name, value;
	unsigned width;

	if (scan_kind(record) != SCAN_OBJECT)
		return show_indented(i, record);
	width = name_width(record);
	for (struct scan_iter it = scan_members(record); scan_next_member(&it, &name, &value);)
		if (is_shown(value))
			put_member(&out, &i->screen, name, value, 0, width);
	return print_buf(&out);
}

/* ---- info and stats: a section for each object */

static bool holds_objects(struct span object)
{
	struct span name, value;
	size_t count = 0;

	for (struct scan_iter it = scan_members(object); scan_next_member(&it, &name, &value); count++)
		if (scan_kind(value) != SCAN_OBJECT)
			return false;
	return count > 0;
}

static void fit_cell(struct table *t, struct span text)
{
	OWNED_BUF fit = {0};

	screen_fit(&fit, text, t->screen->utf8);
	table_cell(t, buf_as_span(&fit), PAINT_NONE, -1);
}

static enum exit_status show_rows(struct invocation *i, struct span title, struct span object)
{
	struct table t = {.screen = &i->screen};
	struct span row_name, row, name, value, first;
	struct scan_iter rows = scan_members(object);
	char heading[64];

	snprintf(heading, sizeof heading, "%.*s", (int)title.len, title.at);
	table_column(&t, heading, 0, 0, false);
	scan_next_member(&rows, &row_name, &first);
	for (struct scan_iter it = scan_members(first);
	     scan_next_member(&it, &name, &value) && t.count < TABLE_COLUMNS_MAX;) {
		snprintf(heading, sizeof heading, "%.*s", (int)name.len, name.at);
		table_column(&t, heading, t.count, 0, true);
	}
	for (rows = scan_members(object); scan_next_member(&rows, &row_name, &row);) {
		fit_cell(&t, row_name);
		for (unsigned c = 1; c < t.count; c++)
			fit_cell(&t, scan_member(row, t.columns[c].title, &value) ? value : SPAN(""));
	}
	enum exit_status status = table_print(&t);
	table_free(&t);
	return status;
}

static enum exit_status show_section(struct invocation *i, struct span title, struct span object)
{
	OWNED_BUF out = {0};
	struct span name, value;
	unsigned width = name_width(object);

	buf_char(&out, '\n');
	if (holds_objects(object)) {
		enum exit_status status = print_buf(&out);
		return status == EXIT_OK ? show_rows(i, title, object) : status;
	}
	paint_text(&out, &i->screen, PAINT_TITLE, title);
	buf_char(&out, '\n');
	for (struct scan_iter it = scan_members(object); scan_next_member(&it, &name, &value);)
		if (is_shown(value))
			put_member(&out, &i->screen, name, value, GAP, width);
	return print_buf(&out);
}

enum exit_status show_sections(struct invocation *i, struct span result)
{
	OWNED_BUF out = {0};
	struct span name, value;
	unsigned width = name_width(result);
	enum exit_status status;

	for (struct scan_iter it = scan_members(result); scan_next_member(&it, &name, &value);)
		if (is_shown(value) && scan_kind(value) != SCAN_OBJECT)
			put_member(&out, &i->screen, name, value, 0, width);
	status = print_buf(&out);
	for (struct scan_iter it = scan_members(result);
	     status == EXIT_OK && scan_next_member(&it, &name, &value);)
		if (scan_kind(value) == SCAN_OBJECT && scan_count(value) > 0)
			status = show_section(i, name, value);
	return status;
}

/* ---- single answers */

static void add_member_text(struct buf *out, const struct screen *s, struct span object, const char *name)
{
	OWNED_BUF scratch = {0};
	struct span value, text;

	if (!scan_member(object, name, &value))
		return;
	text = value;
	scan_string(value, &scratch, &text);
	screen_fit(out, text, s->utf8);
}

enum exit_status show_methods(struct invocation *i, struct span openrpc)
{
	struct table t = {.screen = &i->screen};
	OWNED_BUF text = {0};
	struct span methods, m;

	if (!scan_member(openrpc, "methods", &methods))
		return show_indented(i, openrpc);
	table_column(&t, "METHOD", 0, 0, false);
	table_column(&t, "ROLE", 2, 0, false);
	table_column(&t, "", 1, 12, false);
	for (struct scan_iter it = scan_elements(methods); scan_next_element(&it, &m);) {
		static const char *const members[] = {"name", "x-role", "summary"};
		for (size_t c = 0; c < 3; c++) {
			text.len = 0;
			add_member_text(&text, &i->screen, m, members[c]);
			table_cell(&t, buf_as_span(&text), PAINT_NONE, -1);
		}
	}
	enum exit_status status = table_print(&t);
	table_free(&t);
	return status;
}

enum exit_status show_ping(struct invocation *i, struct span result)
{
	OWNED_BUF out = {0};

	buf_text(&out, "persistd answers at ");
	screen_fit(&out, span_of(persist_socket(session_client(&i->session))), i->screen.utf8);
	buf_text(&out, ", revision ");
	add_member_text(&out, &i->screen, result, "revision");
	return print_line(buf_as_span(&out));
}

enum exit_status show_flush(struct invocation *i, struct span result)
{
	OWNED_BUF out = {0};

	buf_text(&out, "durable up to revision ");
	add_member_text(&out, &i->screen, result, "revision");
	return print_line(buf_as_span(&out));
}

enum exit_status show_progress(struct invocation *i, struct span result)
{
	OWNED_BUF out = {0};
	double percent = 0;

	cell_number(result, "percentage", &percent);
	add_member_text(&out, &i->screen, result, "id");
	screen_pad(&out, GAP);
	table_bar(&out, &i->screen, percent / 100, BAR_COLUMNS);
	buf_char(&out, ' ');
	cell_percent(&out, percent);
	return print_line(buf_as_span(&out));
}

enum exit_status show_removed(struct invocation *i, struct span result)
{
	OWNED_BUF out = {0};
	double removed = 0, artifacts;
	bool dry = takes(i, "dry-run") && given_on(&i->given, "dry-run");
	enum exit_status status = dry ? ids_of(i, result) : EXIT_OK;

	cell_number(result, "removed", &removed);
	screen_number(&out, (uint64_t)removed);
	buf_text(&out, dry ? " would be removed" : " removed");
	if (cell_number(result, "artifacts", &artifacts) && artifacts > 0) {
		buf_text(&out, ", and ");
		screen_number(&out, (uint64_t)artifacts);
		buf_text(&out, artifacts > 1 ? " artifacts" : " artifact");
	}
	return status == EXIT_OK ? print_line(buf_as_span(&out)) : status;
}

/* ---- counts */

static double largest(struct span groups)
{
	double most = 1, n;
	int64_t whole;
	struct span name, value;

	for (struct scan_iter it = scan_members(groups); scan_next_member(&it, &name, &value);)
		if (scan_number(value, &whole, &n) != SCAN_NAN && n > most)
			most = n;
	return most;
}

static void count_row(struct table *t, struct span name, struct span count, double most)
{
	OWNED_BUF text = {0};
	int64_t whole = 0;
	double n = 0;

	scan_number(count, &whole, &n);
	screen_fit(&text, name, t->screen->utf8);
	table_cell(t, buf_as_span(&text), paint_of_status(name), -1);
	text.len = 0;
	screen_number(&text, (uint64_t)whole);
	table_cell(t, buf_as_span(&text), PAINT_NONE, -1);
	table_cell(t, SPAN(""), PAINT_NONE, most > 0 ? n / most : -1);
}

enum exit_status show_count(struct invocation *i, struct span result)
{
	struct table t = {.screen = &i->screen};
	struct span total = SPAN("0"), groups, name, value;
	OWNED_BUF line = {0};
	double n = 0;

	scan_member(result, "total", &total);
	if (!scan_member(result, "groups", &groups)) {
		cell_number(result, "total", &n);
		screen_number(&line, (uint64_t)n);
		return print_line(buf_as_span(&line));
	}
	table_column(&t, given_text(&i->given, "group-by"), 0, 0, false);
	table_column(&t, "count", 0, 0, true);
	table_column(&t, "", 1, 0, false);
	for (struct scan_iter it = scan_members(groups); scan_next_member(&it, &name, &value);)
		count_row(&t, name, value, largest(groups));
	count_row(&t, SPAN("total"), total, 0);
	enum exit_status status = table_print(&t);
	table_free(&t);
	return status;
}

enum exit_status plain_count(struct invocation *i, struct span result)
{
	OWNED_BUF out = {0};
	struct span total = SPAN("0"), groups, name, value;

	(void)i;
	scan_member(result, "total", &total);
	if (!scan_member(result, "groups", &groups))
		return print_line(total);
	for (struct scan_iter it = scan_members(groups); scan_next_member(&it, &name, &value);)
		buf_printf(&out, "%.*s\t%.*s\n", (int)name.len, name.at, (int)value.len, value.at);
	return print_buf(&out);
}
