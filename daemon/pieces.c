#include "daemon/pieces.h"
#include "proto/ident.h"
#include <stdio.h>

static const struct span record_start = SPAN("{\"id\":\"");

static bool starts(struct span text, struct span with)
{
	return text.len >= with.len && memcmp(text.at, with.at, with.len) == 0;
}

static struct span behind(struct span text, size_t bytes)
{
	return bytes < text.len ? (struct span){text.at + bytes, text.len - bytes} : (struct span){text.at + text.len, 0};
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static struct span skip_blank(struct span text)
{
	size_t n = 0;
	while (n < text.len && is_blank(text.at[n]))
		n++;
	return behind(text, n);
}

struct reading {
	struct span text;
	const struct pieces_sink *sink;
};

static size_t offset(const struct reading *r, const char *at)
{
	return (size_t)(at - r->text.at);
}

/* *rest: what follows the object. False: there is none, and that has been told. */
static bool take_object(const struct reading *r, struct span text, struct span *rest)
{
	struct scan_report report;
	enum scan_result result = scan_value(text, SCAN_DEPTH_FILE, false, &report);
	if (result != SCAN_OK) {
		r->sink->broken(r->sink->context, text, offset(r, text.at), result, &report);
		return false;
	}
	r->sink->object(r->sink->context, (struct span){text.at, report.used}, offset(r, text.at));
	*rest = behind(text, report.used);
	return true;
}

/* ---- as persistd writes it */

/* Behind the header's bracket, or a record, whose newline is another byte now. */
static bool finds_start(struct span rest, size_t most, struct span *start)
{
	for (size_t skip = 0; skip <= most; skip++)
		if (starts(behind(rest, skip), record_start)) {
			*start = behind(rest, skip);
			return true;
		}
	return false;
}

/* A line that holds the brackets between records begins a file or begins with ]. A record follows in it only where
 * the newline was damaged. */
static void take_brackets(struct span line, struct span *start)
{
	for (const char *at = line.at; (at = memchr(at, '[', line.len - (size_t)(at - line.at))); at++)
		if (finds_start(behind(line, (size_t)(at - line.at) + 1), 1, start))
			return;
	*start = (struct span){0};
}

static void take_line(const struct reading *r, struct span line)
{
	struct span start = line, rest;
	struct scan_report nothing = {.expected = "a record, {\"id\":\"…"};
	if (!starts(line, record_start)) {
		bool brackets = line.at == r->text.at || (line.len > 0 && line.at[0] == ']');
		if (brackets)
			take_brackets(line, &start);
		else if (skip_blank(line).len > 0)
			r->sink->broken(r->sink->context, line, offset(r, line.at), SCAN_SYNTAX, &nothing);
		if (!brackets || !start.at)
			return;
	}
	while (take_object(r, start, &rest) && finds_start(rest, 2, &start))
		;
}

static void read_own(const struct reading *r)
{
	for (struct span rest = r->text; rest.len > 0;) {
		const char *end = memchr(rest.at, '\n', rest.len);
		size_t len = end ? (size_t)(end - rest.at) : rest.len;
		take_line(r, (struct span){rest.at, len});
		rest = behind(rest, len + 1);
	}
}

/* ---- another's making */

static struct span array_of(struct span text, const char *table)
{
	char name[32];
	int len = snprintf(name, sizeof name, "\"%s\"", table);
	const char *at = memmem(text.at, text.len, name, (size_t)len);
	struct span from = at ? behind(text, (size_t)(at - text.at) + (size_t)len) : text;
	const char *bracket = memchr(from.at, '[', from.len);
	return bracket ? behind(from, (size_t)(bracket - from.at) + 1) : (struct span){0};
}

/* What stands before it in its line, if that is white space only. */
static bool indentation(const struct reading *r, const char *at, struct span *before)
{
	const char *start = at;
	while (start > r->text.at && start[-1] != '\n') {
		start--;
		if (!is_blank(*start))
			return false;
	}
	*before = (struct span){start, (size_t)(at - start)};
	return start > r->text.at;
}

static struct span next_indented(struct span rest, struct span before)
{
	const char *newline;
	while ((newline = memchr(rest.at, '\n', rest.len))) {
		rest = behind(rest, (size_t)(newline - rest.at) + 1);
		struct span record = behind(rest, before.len);
		if (starts(rest, before) && record.len > 0 && record.at[0] == '{')
			return record;
	}
	return (struct span){0};
}

static void read_foreign(const struct reading *r, const char *table)
{
	struct span at = array_of(r->text, table), before = {0};
	struct scan_report nothing = {.expected = "a comma or ]"};
	if (!at.at)
		return;
	at = skip_blank(at);
	bool lines = indentation(r, at.at, &before);
	while (at.len > 0 && at.at[0] != ']') {
		struct span rest = at;
		if (take_object(r, at, &rest)) {
			struct span next = skip_blank(rest);
			if (next.len > 0 && next.at[0] == ',') {
				at = skip_blank(behind(next, 1));
				continue;
			}
			if (next.len > 0 && next.at[0] == ']')
				return;
			r->sink->broken(r->sink->context, next, offset(r, next.at), SCAN_SYNTAX, &nothing);
		}
		if (!lines)
			return;
		at = next_indented(rest, before);
	}
}

bool pieces_are_ours(struct span text)
{
	static const char line[] = "\n{\"id\":\"";
	return starts(text, SPAN("{\"format\":")) || starts(text, SPAN("{\"store\":")) ||
	       (text.len > 0 && memmem(text.at, text.len, line, sizeof line - 1));
}

void pieces_read(struct span text, const char *table, const struct pieces_sink *sink)
{
	struct reading r = {text, sink};
	if (pieces_are_ours(text))
		read_own(&r);
	else if (text.len > 0)
		read_foreign(&r, table);
}

/* ---- what is said beside the records */

struct span pieces_id(struct span text)
{
	static const char name[] = "\"id\"";
	enum { NEAR = 256 };
	const char *at = memmem(text.at, text.len < NEAR ? text.len : NEAR, name, sizeof name - 1);
	if (!at)
		return (struct span){0};
	struct span rest = skip_blank(behind(text, (size_t)(at - text.at) + sizeof name - 1));
	if (rest.len == 0 || rest.at[0] != ':')
		return (struct span){0};
	rest = skip_blank(behind(rest, 1));
	const char *end = rest.len > 1 && rest.at[0] == '"' ? memchr(rest.at + 1, '"', rest.len - 1) : NULL;
	struct span id = {rest.at + 1, end ? (size_t)(end - rest.at) - 1 : 0};
	bool good = id.len > 0 && id.len <= IDENT_MAX && (ident_check(IDENT_JOB, id) || ident_check(IDENT_ARTIFACT, id));
	return good ? id : (struct span){0};
}

bool pieces_head(struct span text, struct buf *head)
{
	struct scan_report report;
	const char *end = text.len > 0 ? memchr(text.at, '\n', text.len) : NULL;
	struct span line = {text.at, end ? (size_t)(end - text.at) : text.len};
	const char *bracket = line.len > 0 ? memmem(line.at, line.len, "\":[", 3) : NULL;
	if (!bracket)
		return false;
	head->len = 0;
	buf_add(head, line.at, (size_t)(bracket - line.at) + 3);
	buf_text(head, "]}");
	return scan_check(buf_as_span(head), SCAN_DEPTH_FILE, &report) == SCAN_OK;
}

bool pieces_deleted(struct span text, struct span *deleted)
{
	static const char name[] = ",\"deleted\":";
	struct scan_report report;
	const char *found = NULL;
	for (struct span rest = text; rest.len > 0;) {
		const char *at = memmem(rest.at, rest.len, name, sizeof name - 1);
		if (!at)
			break;
		found = at;
		rest = behind(rest, (size_t)(at - rest.at) + 1);
	}
	if (!found)
		return false;
	struct span rest = behind(text, (size_t)(found - text.at) + sizeof name - 1);
	if (scan_value(rest, SCAN_DEPTH_FILE, false, &report) != SCAN_OK)
		return false;
	*deleted = (struct span){rest.at, report.used};
	return scan_kind(*deleted) == SCAN_OBJECT;
}
