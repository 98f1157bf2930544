#include "client/ctl/source.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { NAME_SHOWN = 64, ID_SHOWN = 180, SUM_DIGITS = 16, WORD_BYTES = 16, NOBODY = -1 };

/* The members of a persistd file beside its records. */
static const char *const header_names[] = {"format",  "store", "revision",   "seq",
                                           "changed", "count", "updated_at", "xxh3"};

void source_open(struct source *s, int fd, size_t bytes)
{
	*s = (struct source){.depth = SCAN_DEPTH_FILE, .record_max = SIZE_MAX, .bare = SOURCE_BARE};
	window_open(&s->w, fd, bytes);
}

void source_close(struct source *s)
{
	window_close(&s->w);
	nan_free(&s->nan);
	buf_free(&s->mended);
	buf_free(&s->names);
}

/* ---- what is wrong */

__attribute__((format(printf, 3, 4))) static enum source_next wrong(struct source *s, uint64_t at,
                                                                    const char *format, ...)
{
	va_list args;

	s->fault.at = at;
	if (s->w.error) {
		snprintf(s->fault.message, sizeof s->fault.message, "cannot be read: %s", strerror(s->w.error));
		return SOURCE_WRONG;
	}
	va_start(args, format);
	vsnprintf(s->fault.message, sizeof s->fault.message, format, args);
	va_end(args);
	return SOURCE_WRONG;
}

/* What stands so far behind `here` is not what has to. */
static enum source_next wrong_here(struct source *s, size_t behind, const char *expected)
{
	uint64_t at = window_at(&s->w) + behind;

	if (window_peek(&s->w, behind) < 0)
		return wrong(s, at, "the file ends here, where %s was expected: it was cut off", expected);
	return wrong(s, at, "this is not JSON: expected %s", expected);
}

/* The object that the record's fields stand in, of a wrapper what it wraps; `rest` begins with it and may end
 * anywhere. */
static struct span innermost(const struct source *s, struct span rest)
{
	struct span id;
	const char *brace = rest.len > 1 ? memchr(rest.at + 1, '{', rest.len - 1) : NULL;

	if (s->wrapped && brace && !scan_member(rest, "id", &id))
		return (struct span){brace, (size_t)(rest.at + rest.len - brace)};
	return rest;
}

/* `, in job "x"`, for the record that begins here; empty where the first `len` bytes, which are sound, do not
 * have its id. */
static void which_record(const struct source *s, size_t len, char out[ID_SHOWN + 32])
{
	struct span rest = window_rest(&s->w), id;

	*out = '\0';
	rest.len = len < rest.len ? len : rest.len;
	if (scan_member(innermost(s, rest), "id", &id) && id.len > 2 && id.len - 2 <= ID_SHOWN && id.at[0] == '"')
		snprintf(out, ID_SHOWN + 32, ", in %s %.*s",
		         s->table < TABLE_COUNT ? spec_record_name(s->table) : "the record", (int)id.len, id.at);
}

/* The value so far behind `here` was not accepted. */
static enum source_next wrong_value(struct source *s, size_t behind, enum scan_result result,
                                    const struct scan_report *report)
{
	uint64_t at = window_at(&s->w) + behind + report->at;
	bool ended = s->w.end && at == s->w.base + s->w.len;
	char record[ID_SHOWN + 32];

	which_record(s, behind + report->at, record);
	switch (result) {
	case SCAN_DEEP:
		return wrong(s, at, "nested deeper than %u levels, the most that a call can carry%s", s->depth,
		             record);
	case SCAN_DUPLICATE:
		return wrong(s, at, "a name that stands twice in an object%s", record);
	case SCAN_OK:
	case SCAN_MORE:
	case SCAN_SYNTAX:
		break;
	}
	if (ended)
		return wrong(s, at, "the file ends here, where %s was expected: it was cut off%s", report->expected,
		             record);
	return wrong(s, at, "this is not JSON: expected %s%s", report->expected, record);
}

static enum source_next wrong_number(struct source *s, struct span value, uint64_t at, size_t number_at)
{
	__attribute__((cleanup(buf_free))) struct buf path = {0};
	char record[ID_SHOWN + 32];

	which_record(s, SIZE_MAX, record);
	scan_path(&path, value, number_at);
	return wrong(s, at + number_at,
	             "%.*s: a number that cannot be held (expected an integer of 64 bits, or a real that a "
	             "double holds)%s", (int)path.len, path.at, record);
}

/* ---- bytes */

/* Whatever was read is looked at before it is scanned, and before any of it is dropped. */
static void look(struct source *s)
{
	if (!s->nan.on)
		return;
	size_t from = (size_t)(s->nan.done - s->w.base);
	nan_look(&s->nan, s->w.buffer + from, s->w.len - from, s->w.end);
}

static int peek(struct source *s, size_t *behind)
{
	int c = window_peek_text(&s->w, behind);
	look(s);
	return c;
}

static void more(struct source *s)
{
	window_more(&s->w);
	look(s);
}

/* The byte so far behind `here` is where a scan has stopped. True: a NaN was there, or it is worth another
 * try. */
static bool was_nan(struct source *s, size_t behind)
{
	struct window *w = &s->w;
	char *text = w->buffer + w->here;

	if (behind >= w->len - w->here || !nan_may_begin(text[behind]))
		return false;
	if (behind > 0 && text[behind - 1] == '-')
		behind--;
	uint64_t at = window_at(w) + behind;
	if (!s->nan.on) {
		nan_start(&s->nan, at, behind > 0 ? text[behind - 1] : '\0');
		look(s);
		if (text[behind] == '0')
			return true;
	}
	if (s->nan.done > at)
		return false;
	more(s); /* a word that the end of the buffer has cut */
	return true;
}

/* The value that stands so far behind `here`, where no white space is. */
static bool value_at(struct source *s, size_t behind, unsigned depth, struct span *value,
                     struct scan_report *report)
{
	for (;;) {
		struct window *w = &s->w;
		*value = (struct span){w->buffer + w->here + behind, w->len - w->here - behind};
		enum scan_result result = scan_value(*value, depth, !w->end, report);
		if (result == SCAN_OK) {
			value->len = report->used;
			return true;
		}
		if (result == SCAN_MORE && value->len > s->record_max) {
			char record[ID_SHOWN + 32];
			which_record(s, SIZE_MAX, record);
			wrong(s, window_at(w) + behind, "a value of more than %zu bytes, which no call can carry%s",
			      s->record_max, record);
			return false;
		}
		/* what is wrong is told by the whole word, not by its first byte */
		if (result == SCAN_MORE || (!w->end && value->len - report->at < WORD_BYTES))
			more(s);
		else if (!was_nan(s, behind + report->at)) {
			wrong_value(s, behind, result, report);
			return false;
		}
	}
}

/* ---- a document's members */

static int find_name(struct span raw, const char *(*name_of)(enum table_id))
{
	for (int t = 0; t < TABLE_COUNT; t++)
		if (scan_name_is(raw, name_of((enum table_id)t)))
			return t;
	return NOBODY;
}

/* The name of the member that stands so far behind `here`; *behind becomes the place behind its colon. False:
 * there is none that is whole. */
static bool peek_name(struct source *s, size_t *behind, struct span *name)
{
	struct scan_report report;
	struct span value;

	if (peek(s, behind) != '"' || !value_at(s, *behind, 1, &value, &report))
		return false;
	s->names.len = 0;
	buf_add(&s->names, value.at + 1, value.len - 2);
	*name = buf_as_span(&s->names);
	*behind += report.used;
	if (peek(s, behind) != ':')
		return false;
	++*behind;
	return true;
}

/* An object begins here: one of records, or a record? Looks as far ahead as it must, for nearly all files
 * at one name. What is no JSON counts as a record, and is refused when that is read. */
static bool is_document(struct source *s)
{
	size_t behind = 1;
	struct span name, value;
	struct scan_report report;

	s->wrapped = false;
	for (bool first = true;; first = false) {
		if (!peek_name(s, &behind, &name))
			return false;
		bool table = find_name(name, spec_table_name) != NOBODY;
		bool record = first && find_name(name, spec_record_name) != NOBODY;
		int c = peek(s, &behind);
		if (table && c == '[')
			return true;
		s->wrapped = record && c == '{';
		if (s->wrapped || scan_name_is(name, "id") || !value_at(s, behind, s->depth, &value, &report))
			return false;
		behind += report.used;
		if (peek(s, &behind) != ',')
			return false;
		behind++;
	}
}

static enum source_next check_sum(struct source *s, struct span value, uint64_t at, uint64_t comma_at)
{
	char sum[SUM_DIGITS + 3];

	if (!s->verify)
		return SOURCE_RECORD;
	snprintf(sum, sizeof sum, "\"%016" PRIx64 "\"", window_sum(&s->w, s->document_at, comma_at));
	if (span_is(value, span_of(sum)))
		return SOURCE_RECORD;
	return wrong(s, at,
	             "the checksum \"xxh3\" does not fit: the file is damaged, or was edited by hand; if that "
	             "was on purpose, remove the member \"xxh3\"");
}

/* SOURCE_RECORD: nothing is wrong with it. */
static enum source_next header_member(struct source *s, struct span name, struct span value, uint64_t at,
                                      uint64_t comma_at)
{
	char note[NAME_SHOWN + 128];
	int64_t format;
	double real;

	if (scan_name_is(name, "prev") || scan_name_is(name, "deleted"))
		return wrong(s, at,
		             "this is a segment of persistd's journal, which says little without those before it: "
		             "start persistd on the whole directory, and export from there");
	if (scan_name_is(name, "xxh3"))
		return check_sum(s, value, at, comma_at);
	if (scan_name_is(name, "format") && (scan_number(value, &format, &real) != SCAN_INT || format != 1))
		return wrong(s, at, "\"format\" has to be 1: a newer persistd may have written the file");
	for (size_t i = 0; i < sizeof header_names / sizeof *header_names; i++)
		if (scan_name_is(name, header_names[i]))
			return SOURCE_RECORD;
	if (!s->note)
		return SOURCE_RECORD;
	snprintf(note, sizeof note, "the member \"%.*s\" holds no records and is left out",
	         (int)(name.len < NAME_SHOWN ? name.len : NAME_SHOWN), name.at);
	s->note(s->context, at, note);
	return SOURCE_RECORD;
}

/* A table of the document, whose value stands so far behind `here`. */
static enum source_next begin_rows(struct source *s, enum table_id t, uint64_t name_at, size_t behind)
{
	if (window_peek(&s->w, behind) != '[')
		return wrong_here(s, behind, "an array of records, [");
	if (s->tables & 1u << t)
		return wrong(s, name_at, "\"%s\" stands twice in the file", spec_table_name(t));
	s->tables |= 1u << t;
	s->w.here += behind + 1;
	s->table = t;
	s->state = SOURCE_ROWS;
	s->first = true;
	return SOURCE_RECORD;
}

/* Of a document, from behind a brace or a value. SOURCE_RECORD: one member less. */
static enum source_next read_member(struct source *s)
{
	size_t behind = 0;
	struct span name, value;
	struct scan_report report;
	uint64_t comma_at = window_at(&s->w);
	int c = peek(s, &behind);

	if (c == '}' && !s->first) {
		s->w.here += behind + 1;
		s->state = SOURCE_TOP;
		return SOURCE_RECORD;
	}
	if (!s->first && c != ',')
		return wrong_here(s, behind, "a comma or }");
	comma_at += behind;
	s->w.here += behind + !s->first;
	s->first = false;
	behind = 0;
	if (peek(s, &behind) != '"')
		return wrong_here(s, behind, "a name in double quotes");
	uint64_t name_at = window_at(&s->w) + behind;
	s->table = SOURCE_BARE;
	if (!peek_name(s, &behind, &name))
		return s->fault.message[0] ? SOURCE_WRONG : wrong_here(s, behind, "a colon after the name");
	int t = find_name(name, spec_table_name);
	peek(s, &behind);
	if (t != NOBODY)
		return begin_rows(s, (enum table_id)t, name_at, behind);
	if (!value_at(s, behind, s->depth, &value, &report))
		return SOURCE_WRONG;
	s->w.here += behind + report.used;
	return header_member(s, name, value, name_at, comma_at);
}

/* ---- records */

static bool has_field(enum table_id t, struct span name)
{
	for (const struct spec_field *f = spec_fields(t); f->name; f++)
		if (f->name[0] == name.at[0] && span_is(name, span_of(f->name)))
			return true;
	/* a record that brings its payload along */
	return t == TABLE_ARTIFACTS && span_is(name, SPAN("payload"));
}

/* The one of which it has the most fields; SOURCE_BARE: two are as good, or it has no id. */
static enum table_id table_by_fields(struct span object)
{
	unsigned fields[TABLE_COUNT] = {0};
	bool id = false;
	struct span name, value;

	for (struct scan_iter it = scan_members(object); scan_next_member(&it, &name, &value);) {
		id = id || span_is(name, SPAN("id"));
		for (int t = 0; t < TABLE_COUNT && name.len > 0; t++)
			fields[t] += has_field((enum table_id)t, name);
	}
	enum table_id best = TABLE_JOBS;
	bool tie = false;
	for (int t = 1; t < TABLE_COUNT; t++) {
		tie = fields[t] == fields[best] || (tie && fields[t] < fields[best]);
		if (fields[t] > fields[best])
			best = (enum table_id)t;
	}
	return id && !tie ? best : SOURCE_BARE;
}

static bool unwrap(struct source_record *r)
{
	struct span name, value, other;
	struct scan_iter it = scan_members(r->raw);

	if (!scan_next_member(&it, &name, &value) || scan_kind(value) != SCAN_OBJECT)
		return false;
	int t = find_name(name, spec_record_name);
	if (t == NOBODY || scan_next_member(&it, &name, &other))
		return false;
	r->table = (enum table_id)t;
	r->at += (uint64_t)(value.at - r->raw.at);
	r->raw = value;
	return true;
}

/* What stands by itself. */
static enum source_next classify(struct source *s, struct source_record *r)
{
	if (unwrap(r))
		return SOURCE_RECORD;
	r->table = s->bare != SOURCE_BARE ? s->bare : table_by_fields(r->raw);
	if (r->table != SOURCE_BARE)
		return SOURCE_RECORD;
	struct span id;
	if (!scan_member(r->raw, "id", &id))
		return wrong(s, r->at,
		             "neither a record, which has an \"id\", nor an object with \"jobs\", \"runs\" or "
		             "\"artifacts\"");
	return wrong(s, r->at,
	             "its fields do not tell whether this record is a job, a run or an artifact: say --jobs, "
	             "--runs or --artifacts");
}

static void mend(struct source *s, struct source_record *r)
{
	r->text = r->raw;
	r->nans = s->nan.on ? nan_between(&s->nan, r->at, r->at + r->raw.len, &r->nan_count) : NULL;
	if (!r->nans) {
		r->nan_count = 0;
		return;
	}
	s->mended.len = 0;
	nan_mend(&s->mended, r->raw, r->at, r->nans, r->nan_count);
	r->text = buf_as_span(&s->mended);
}

/* The record that begins here. */
static enum source_next take_record(struct source *s, struct source_record *r)
{
	struct scan_report report;
	bool row = s->state == SOURCE_ROWS && !s->array;
	unsigned depth = !row && s->wrapped && s->depth < SCAN_DEPTH_FILE ? s->depth + 1 : s->depth;

	*r = (struct source_record){.table = s->table};
	if (!value_at(s, 0, depth, &r->raw, &report))
		return SOURCE_WRONG;
	r->at = window_at(&s->w);
	if (scan_kind(r->raw) != SCAN_OBJECT)
		return wrong(s, r->at, "a record has to be an object");
	s->used = report.used;
	if (!row && classify(s, r) == SOURCE_WRONG)
		return SOURCE_WRONG;
	if (report.number_at != SIZE_MAX)
		return wrong_number(s, r->raw, r->at, window_at(&s->w) + report.number_at - r->at);
	mend(s, r);
	return SOURCE_RECORD;
}

/* The next element of an array, whose bracket closes it. SOURCE_END: it was closed. */
static enum source_next next_row(struct source *s, struct source_record *r)
{
	size_t behind = 0;
	int c = peek(s, &behind);

	s->w.here += behind;
	if (c == ']') {
		s->w.here++;
		s->state = s->array ? SOURCE_TOP : SOURCE_MEMBERS;
		s->array = s->first = false;
		return SOURCE_END;
	}
	if (!s->first) {
		if (c != ',')
			return wrong_here(s, 0, "a comma or ]");
		s->w.here++;
		behind = 0;
		c = peek(s, &behind);
		s->w.here += behind;
	}
	s->first = false;
	if (c < 0)
		return wrong_here(s, 0, "a record");
	if (s->array) {
		s->table = SOURCE_BARE;
		if (c == '{' && is_document(s))
			return wrong(s, window_at(&s->w), "a record was expected here, not a document of records");
		s->fault.message[0] = '\0';
	}
	return take_record(s, r);
}

/* SOURCE_RECORD with r->raw.at NULL: something has begun, go on. */
static enum source_next next_at_top(struct source *s, struct source_record *r)
{
	size_t behind = 0;
	int c = peek(s, &behind);

	s->w.here += behind;
	s->table = SOURCE_BARE;
	if (c < 0)
		return s->w.error ? wrong(s, window_at(&s->w), "%s", "") : SOURCE_END;
	if (c == '[') {
		s->w.here++;
		s->state = SOURCE_ROWS;
		s->array = s->first = true;
		return SOURCE_RECORD;
	}
	if (c != '{')
		return wrong_here(s, 0, "a record or a document of records, {");
	if (!is_document(s)) {
		s->fault.message[0] = '\0';
		return take_record(s, r);
	}
	s->document_at = window_at(&s->w);
	s->w.here++;
	s->tables = 0;
	s->state = SOURCE_MEMBERS;
	s->first = true;
	return SOURCE_RECORD;
}

/* A byte order mark is harmless where it is UTF-8's, and else tells what is wrong. */
static enum source_next pass_mark(struct source *s)
{
	int a = window_peek(&s->w, 0), b = window_peek(&s->w, 1);

	if ((a == 0xff && b == 0xfe) || (a == 0xfe && b == 0xff))
		return wrong(s, 0, "this is UTF-16: write the file again as UTF-8");
	if (a == 0xef && b == 0xbb && window_peek(&s->w, 2) == 0xbf)
		s->w.here += 3;
	return SOURCE_RECORD;
}

enum source_next source_next(struct source *s, struct source_record *r)
{
	enum source_next next = SOURCE_RECORD;

	if (window_at(&s->w) == 0 && s->w.here == 0 && pass_mark(s) == SOURCE_WRONG)
		return SOURCE_WRONG;
	s->w.here += s->used;
	s->used = 0;
	do {
		r->raw.at = NULL;
		switch (s->state) {
		case SOURCE_TOP:
			next = next_at_top(s, r);
			break;
		case SOURCE_MEMBERS:
			next = read_member(s);
			break;
		case SOURCE_ROWS:
			next = next_row(s, r);
			if (next == SOURCE_END)
				next = SOURCE_RECORD;
			break;
		}
	} while (next == SOURCE_RECORD && !r->raw.at);
	return next;
}

enum source_next source_value(struct source *s, struct source_record *r)
{
	struct scan_report report;
	size_t behind = 0;

	s->table = SOURCE_BARE;
	*r = (struct source_record){.table = SOURCE_BARE};
	if (pass_mark(s) == SOURCE_WRONG)
		return SOURCE_WRONG;
	if (peek(s, &behind) < 0)
		return wrong_here(s, behind, "a JSON value");
	s->w.here += behind;
	if (!value_at(s, 0, s->depth, &r->raw, &report))
		return SOURCE_WRONG;
	if (report.number_at != SIZE_MAX)
		return wrong_number(s, r->raw, window_at(&s->w), report.number_at);
	behind = report.used;
	if (peek(s, &behind) >= 0)
		return wrong_here(s, behind, "the end of the file after the value");
	r->at = window_at(&s->w);
	r->raw = (struct span){window_rest(&s->w).at, report.used};
	mend(s, r);
	return SOURCE_RECORD;
}

void source_nan_path(struct buf *out, const struct source_record *r, size_t place)
{
	scan_path(out, r->raw, (size_t)(r->nans[place].at - r->at));
}
