#include "daemon/snapshot_read.h"
#include "daemon/finding.h"
#include "daemon/lines.h"
#include "daemon/window.h"
#include "proto/stamp.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum { MEMBERS_MAX = 256, FINDINGS_MAX = 20, TAIL_BYTES = 256 };
#define REVISION_MAX ((int64_t)1 << 62)

/* Known members, by bit in `seen`. */
enum member {
	MEMBER_FORMAT,
	MEMBER_STORE,
	MEMBER_REVISION,
	MEMBER_SEQ,
	MEMBER_CHANGED,
	MEMBER_COUNT,
	MEMBER_UPDATED_AT,
	MEMBER_SUM,
	MEMBER_ROWS,
	MEMBER_UNKNOWN
};
static const char *const member_names[] = {"format",  "store", "revision",   "seq",
                                           "changed", "count", "updated_at", "xxh3"};

struct reader {
	struct snapshot_read *r;
	struct window w;
	char file[32];
	unsigned seen;
	bool failed;
	unsigned refused; /* records that the sink refused */
	bool tail;        /* the file ends as ours do: */
	uint64_t tail_sum;
	size_t tail_covered_back; /* bytes from the comma to the end of the file */
	uint64_t sum;             /* of everything before the last top-level comma */
	bool has_sum, commas;
	uint64_t sum_stated, sum_at, count, count_at;
	bool slow;        /* a line was not what ours are */
	struct buf name;  /* of the member under way, decoded */
	struct buf names; /* of unknown members, each with its length before it */
};

static bool seen(const struct reader *d, enum member m)
{
	return d->seen >> m & 1;
}

/* Where the checksum is wrong as well, that is the better explanation. */
static bool tail_is_wrong(struct reader *d)
{
	return d->tail && window_sum_of(&d->w, d->w.size - d->tail_covered_back) != d->tail_sum;
}

static void report_at(struct reader *d, struct load_finding *f, uint64_t at)
{
	if (d->w.error) {
		finding_set(f, d->file, "cannot be read: %s", strerror(d->w.error));
	} else {
		f->line = window_line(&d->w, at);
		f->byte = at;
		if (tail_is_wrong(d))
			finding_add(f, "; and " FINDING_SUM);
	}
	d->failed = true;
	d->r->report(d->r->context, f);
}

/* Returns false for the caller to return. */
__attribute__((format(printf, 3, 4))) static bool wrong_at(struct reader *d, uint64_t at, const char *format,
                                                           ...)
{
	struct load_finding f;
	char message[sizeof f.message];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	finding_set(&f, d->file, "%s", message);
	report_at(d, &f, at);
	return false;
}

/* What stands here is not what has to. */
static bool wrong_here(struct reader *d, const char *expected)
{
	if (window_peek(&d->w) < 0)
		return wrong_at(d, window_at(&d->w),
		                "the file ends here, where %s was expected: it was cut off; " FINDING_RESTORE,
		                expected);
	return wrong_at(d, window_at(&d->w), "this is not JSON: expected %s", expected);
}

/* The whole value that stands here, white space before it left out; not passed yet. */
static bool read_value(struct reader *d, struct span *value, struct scan_report *report)
{
	window_peek_text(&d->w);
	for (;;) {
		struct span rest = window_rest(&d->w);
		enum scan_result result = scan_value(rest, SCAN_DEPTH_FILE, !d->w.end, report);
		if (result == SCAN_OK) {
			*value = (struct span){rest.at, report->used};
			return true;
		}
		if (result == SCAN_MORE) {
			window_more(&d->w); /* at the end the next round says what is missing */
			continue;
		}
		struct load_finding f;
		finding_set(&f, d->file, "%s", "");
		finding_add_scan(&f, rest, true, result, report);
		report_at(d, &f, window_at(&d->w) + report->at);
		return false;
	}
}

static void refused_row(struct reader *d, uint64_t at, const struct fault *fault)
{
	struct load_finding f;
	finding_set(&f, d->file, "%s", "");
	finding_add_fault(&f, fault);
	report_at(d, &f, at);
}

static bool row(struct reader *d, struct span text, uint64_t offset)
{
	struct fault fault = {0};
	size_t at = 0;
	d->r->rows++;
	if (d->r->sink->record(d->r->sink->context, d->r->table, text, false, &fault, &at))
		return true;
	refused_row(d, offset + at, &fault);
	return d->r->all && ++d->refused < FINDINGS_MAX && !d->w.error;
}

enum line { LINE_TAKEN, LINE_LAST, LINE_OTHER };

/* The newline that ends the line after the one here; NULL: the file ends before. */
static const char *line_end(struct window *w)
{
	for (size_t from = 1;;) {
		struct span rest = window_rest(w);
		const char *newline = rest.len > from ? memchr(rest.at + from, '\n', rest.len - from) : NULL;
		if (newline && newline + 1 < rest.at + rest.len)
			return newline;
		from = newline ? (size_t)(newline - rest.at) : rest.len > from ? rest.len : from;
		if (!window_more(w))
			return NULL;
	}
}

/* One record of our own form: it stands on a line of its own, which ends in a comma or is followed by the
 * closing bracket. */
static enum line own_line(struct reader *d)
{
	struct window *w = &d->w;
	struct fault fault;
	size_t at;
	if (window_peek(w) != '\n')
		return LINE_OTHER;
	const char *newline = line_end(w);
	if (!newline)
		return LINE_OTHER;
	struct span text;
	bool last;
	if (!lines_text(w->buffer + w->here, newline, &text, &last))
		return LINE_OTHER;
	if (!d->r->sink->record(d->r->sink->context, d->r->table, text, true, &fault, &at))
		return LINE_OTHER;
	d->r->rows++;
	w->here = (size_t)(newline - w->buffer);
	return last ? LINE_LAST : LINE_TAKEN;
}

static bool own_form(const struct reader *d)
{
	enum { NEEDED = 1 << MEMBER_FORMAT | 1 << MEMBER_STORE | 1 << MEMBER_REVISION };
	return d->tail && !d->slow && (d->seen & NEEDED) == NEEDED;
}

enum { ROWS_AHEAD = 16, ROW_BYTES_MIN = 64 };

/* The ids of the next records of our own form, as far as they are in the buffer. */
static void announce(struct reader *d)
{
	const struct span start = SPAN("\n{\"id\":\"");
	const struct load_sink *sink = d->r->sink;
	struct span ids[ROWS_AHEAD], rest = window_rest(&d->w);
	unsigned count = 0;
	while (count < ROWS_AHEAD && rest.len > start.len + IDENT_MAX && memcmp(rest.at, start.at, start.len) == 0) {
		const char *id = rest.at + start.len, *quote = memchr(id, '"', IDENT_MAX);
		const char *newline = quote ? memchr(quote, '\n', (size_t)(rest.at + rest.len - quote)) : NULL;
		if (!quote)
			break;
		ids[count++] = (struct span){id, (size_t)(quote - id)};
		if (!newline)
			break;
		rest = (struct span){newline, (size_t)(rest.at + rest.len - newline)};
	}
	if (count && sink->coming)
		sink->coming(sink->context, d->r->table, ids, count);
}

static void expect(struct reader *d)
{
	uint64_t most = d->w.size / ROW_BYTES_MIN;
	if (seen(d, MEMBER_COUNT) && d->r->sink->expect)
		d->r->sink->expect(d->r->sink->context, d->r->table, d->count < most ? d->count : most);
}

static void announce_made(const struct reader *d, const struct load_record *made, size_t count)
{
	const struct load_sink *sink = d->r->sink;
	struct span ids[ROWS_AHEAD];
	if (count > ROWS_AHEAD)
		count = ROWS_AHEAD;
	for (size_t i = 0; i < count; i++)
		ids[i] = made[i].keys.id;
	if (sink->coming)
		sink->coming(sink->context, d->r->table, ids, (unsigned)count);
}

/* How many the sink has taken. */
static size_t take_made(struct reader *d, struct load_record *made, size_t count)
{
	const struct load_sink *sink = d->r->sink;
	struct fault fault;
	size_t taken = 0;
	for (; taken < count; taken++) {
		if (taken % ROWS_AHEAD == 0)
			announce_made(d, made + taken, count - taken);
		struct load_record *next = &made[taken];
		bool good = sink->take(sink->context, d->r->table, next, &fault);
		next->record = NULL;
		if (!good)
			break;
	}
	d->r->rows += taken;
	return taken;
}

/* The records of a large table, made on several threads, as far as they are of our own form and the sink
 * takes them. True: all of them, and the bracket is passed. */
static bool made_rows(struct reader *d, bool *first)
{
	const struct load_sink *sink = d->r->sink;
	struct load_record *made;
	struct lines *l = sink->take && own_form(d) ? lines_open(&d->w, d->r->table, &sink->threads) : NULL;
	if (!l)
		return false;
	size_t count, taken;
	do {
		count = lines_next(l, &made);
		taken = take_made(d, made, count);
		if (taken > 0)
			*first = false;
	} while (count > 0 && taken == count);
	return lines_close(l, taken);
}

/* From behind the bracket to behind the closing one. False: what follows is another's. */
static bool own_rows(struct reader *d, bool *first)
{
	expect(d);
	if (made_rows(d, first))
		return true;
	for (unsigned row = 0; own_form(d); row++) {
		if (row % ROWS_AHEAD == 0)
			announce(d);
		switch (own_line(d)) {
		case LINE_TAKEN:
			*first = false;
			break;
		case LINE_LAST:
			*first = false;
			d->w.here += 2;
			return true;
		case LINE_OTHER:
			d->slow = true;
			break;
		}
	}
	return false;
}

static bool read_rows(struct reader *d)
{
	struct span text;
	struct scan_report report;
	bool first = true;
	int c = window_peek_text(&d->w);
	if (c < 0)
		return wrong_here(d, "an array, [");
	if (c != '[')
		return wrong_at(d, window_at(&d->w), "\"%s\" has to be an array", spec_table_name(d->r->table));
	d->w.here++;
	if (window_peek(&d->w) == ']') {
		d->slow |= !own_form(d);
		d->w.here++;
		return true;
	}
	if (own_rows(d, &first))
		return true;
	d->slow = true;
	for (;; first = false) {
		if (window_peek_text(&d->w) == ']' && first)
			break;
		if (!read_value(d, &text, &report) || !row(d, text, window_at(&d->w)))
			return false;
		d->w.here += report.used;
		c = window_peek_text(&d->w);
		if (c == ']')
			break;
		if (c != ',')
			return wrong_here(d, "a comma or ]");
		d->w.here++;
	}
	d->w.here++;
	return true;
}

static bool whole(struct reader *d, struct span value, uint64_t at, uint64_t *number)
{
	int64_t n;
	double real;
	if (scan_number(value, &n, &real) != SCAN_INT || n < 0 || n > REVISION_MAX)
		return wrong_at(d, at, "\"%.*s\" has to be a whole number of at least 0", (int)d->name.len,
		                d->name.at);
	*number = (uint64_t)n;
	return true;
}

static bool read_format(struct reader *d, struct span value, uint64_t at)
{
	int64_t n;
	double real;
	if (scan_number(value, &n, &real) != SCAN_INT)
		return wrong_at(d, at, "\"format\" has to be 1");
	if (n > 1)
		return wrong_at(d, at,
		                "the file has format %lld; this persistd reads format 1. A newer persistd wrote it: "
		                "start that one",
		                (long long)n);
	return n == 1 || wrong_at(d, at, "\"format\" has to be 1");
}

static bool read_store(struct reader *d, struct span value, uint64_t at)
{
	static const char digits[] = "0123456789abcdefABCDEF-";
	if (value.len != STORE_ID_LEN + 2 || value.at[0] != '"' || strspn(value.at + 1, digits) != STORE_ID_LEN)
		return wrong_at(d, at, "\"store\" has to be a UUID, as the other files state it");
	memcpy(d->r->store, value.at + 1, STORE_ID_LEN);
	return true;
}

static bool read_changed(struct reader *d, struct span value, uint64_t at)
{
	struct span name, number;
	if (scan_kind(value) != SCAN_OBJECT)
		return wrong_at(d, at, "\"changed\" has to be an object of revisions");
	struct scan_iter it = scan_members(value);
	while (scan_next_member(&it, &name, &number)) {
		int t = 0;
		while (t < TABLE_COUNT && !scan_name_is(name, spec_table_name((enum table_id)t)))
			t++;
		if (t == TABLE_COUNT)
			return wrong_at(d, at + (size_t)(name.at - 1 - value.at),
			                "\"changed\" names a table that this persistd does not know; a newer one may "
			                "have written the file");
		if (!whole(d, number, at + (size_t)(number.at - value.at), &d->r->changed[t]))
			return false;
	}
	d->r->has_changed = true;
	return true;
}

static bool read_sum(struct reader *d, struct span value, uint64_t at)
{
	if (!finding_sum_of(value, &d->sum_stated))
		return wrong_at(d, at,
		                "\"xxh3\" has to be 16 lower-case hex digits: the file is damaged; " FINDING_RESTORE);
	if (!d->commas)
		return wrong_at(d, at, "\"xxh3\" has to be the last member");
	d->has_sum = true;
	return true;
}

static bool read_extra(struct reader *d, struct span value, uint64_t at, const struct scan_report *report)
{
	struct span name = buf_as_span(&d->name);
	if (finding_almost_sum(name))
		return wrong_at(d, at, "this looks like the member \"xxh3\" with a damaged name; " FINDING_RESTORE);
	if (report->number_at != SIZE_MAX)
		return wrong_at(d, window_at(&d->w) + report->number_at,
		                "this number cannot be held: it is beyond 64 bits, or overflows a double");
	struct buf *extra = &d->r->extra;
	if (extra->len > 0)
		buf_char(extra, ',');
	buf_string(extra, name);
	buf_char(extra, ':');
	scan_canonical(extra, value);
	return true;
}

/* Before its value is read, which may be as large as the file. */
static bool is_other_table(struct reader *d, uint64_t at)
{
	for (int t = 0; t < TABLE_COUNT; t++) {
		const char *other = spec_table_name((enum table_id)t);
		if (!span_is(buf_as_span(&d->name), span_of(other)))
			continue;
		wrong_at(d, at,
		         "the file holds \"%s\" where only \"%s\" are expected: each table has a file of its own",
		         other, spec_table_name(d->r->table));
		return true;
	}
	return false;
}

static enum member which(const struct reader *d)
{
	struct span name = buf_as_span(&d->name);
	for (unsigned m = 0; m < sizeof member_names / sizeof *member_names; m++)
		if (span_is(name, span_of(member_names[m])))
			return (enum member)m;
	return span_is(name, span_of(spec_table_name(d->r->table))) ? MEMBER_ROWS : MEMBER_UNKNOWN;
}

static bool read_member(struct reader *d, enum member m, uint64_t name_at)
{
	struct span value;
	struct scan_report report;
	if (m == MEMBER_ROWS)
		return read_rows(d);
	if (m == MEMBER_UNKNOWN && is_other_table(d, name_at))
		return false;
	if (!read_value(d, &value, &report))
		return false;
	uint64_t at = window_at(&d->w);
	bool ok = true;
	switch (m) {
	case MEMBER_FORMAT:
		ok = read_format(d, value, at);
		break;
	case MEMBER_STORE:
		ok = read_store(d, value, at);
		break;
	case MEMBER_REVISION:
		ok = whole(d, value, at, &d->r->revision);
		break;
	case MEMBER_SEQ:
		ok = whole(d, value, at, &d->r->seq);
		break;
	case MEMBER_CHANGED:
		ok = read_changed(d, value, at);
		break;
	case MEMBER_COUNT:
		d->count_at = name_at;
		ok = whole(d, value, at, &d->count);
		break;
	case MEMBER_UPDATED_AT:
		break;
	case MEMBER_SUM:
		d->sum_at = name_at;
		ok = read_sum(d, value, at);
		break;
	case MEMBER_UNKNOWN:
		ok = read_extra(d, value, name_at, &report);
		break;
	case MEMBER_ROWS:
		break;
	}
	d->w.here += report.used;
	return ok;
}

static bool is_repeated(struct reader *d, enum member m)
{
	struct span name = buf_as_span(&d->name);
	if (m != MEMBER_UNKNOWN)
		return seen(d, m);
	for (size_t at = 0; at < d->names.len;) {
		size_t len;
		memcpy(&len, d->names.at + at, sizeof len);
		at += sizeof len;
		if (span_is(name, (struct span){d->names.at + at, len}))
			return true;
		at += len;
	}
	buf_add(&d->names, &name.len, sizeof name.len);
	buf_span(&d->names, name);
	return false;
}

static bool read_name(struct reader *d, uint64_t *at)
{
	struct span raw, text;
	struct scan_report report;
	__attribute__((cleanup(buf_free))) struct buf scratch = {0};
	if (window_peek_text(&d->w) != '"')
		return wrong_here(d, "a member's name in quotes");
	*at = window_at(&d->w);
	if (!read_value(d, &raw, &report))
		return false;
	scan_string(raw, &scratch, &text);
	d->name.len = 0;
	buf_span(&d->name, text);
	d->w.here += report.used;
	if (window_peek_text(&d->w) != ':')
		return wrong_here(d, "a colon");
	d->w.here++;
	return true;
}

static bool read_members(struct reader *d)
{
	for (unsigned unknown = 0;;) {
		uint64_t at = 0;
		if (!read_name(d, &at))
			return false;
		enum member m = which(d);
		if (is_repeated(d, m))
			return wrong_at(d, at,
			                "this name stands twice in the file's header; remove one of the two members");
		if (d->has_sum)
			return wrong_at(d, at,
			                "\"xxh3\" has to be the last member: this one was added by hand. Remove "
			                "\"xxh3\", too, if that was on purpose");
		if (m == MEMBER_UNKNOWN && ++unknown > MEMBERS_MAX)
			return wrong_at(d, at, "the file has more than %d members beside \"%s\"", (int)MEMBERS_MAX,
			                spec_table_name(d->r->table));
		if (!read_member(d, m, at))
			return false;
		d->seen |= 1u << m;
		int c = window_peek_text(&d->w);
		if (c == '}') {
			d->w.here++;
			return true;
		}
		if (c != ',')
			return wrong_here(d, "a comma or }");
		d->sum = window_sum(&d->w);
		d->commas = true;
		d->w.here++;
	}
}

/* What the members say together. */
static bool judge_header(struct reader *d)
{
	struct snapshot_read *r = d->r;
	const char *table = spec_table_name(r->table);
	if (!seen(d, MEMBER_ROWS))
		return wrong_at(d, 0, "the file has no \"%s\": expected {\"%s\":[…]}", table, table);
	if (d->has_sum && d->sum != d->sum_stated) {
		d->tail = false; /* nothing more is to be said of it */
		return wrong_at(d, d->sum_at, FINDING_SUM);
	}
	r->headed = seen(d, MEMBER_REVISION);
	if (!d->has_sum && (r->revision > REVISION_STATED_MAX || r->seq > REVISION_STATED_MAX))
		return wrong_at(d, 0, "the header's \"revision\" and \"seq\" have to be at most 2^53, so that numbers can go on");
	if (!r->headed && (seen(d, MEMBER_CHANGED) || seen(d, MEMBER_SEQ)))
		return wrong_at(d, 0, "the header states \"changed\" or \"seq\" without \"revision\"");
	for (int t = 0; t < TABLE_COUNT; t++)
		if (r->changed[t] > r->revision)
			return wrong_at(d, 0, "the header's \"changed\" names revision %llu, above its \"revision\" %llu",
			                (unsigned long long)r->changed[t], (unsigned long long)r->revision);
	if (d->refused > 0 || !seen(d, MEMBER_COUNT) || r->rows == d->count)
		return true;
	if (d->has_sum)
		return wrong_at(d, d->count_at, "\"count\" is %llu, but the file has %llu records",
		                (unsigned long long)d->count, (unsigned long long)r->rows);
	struct load_finding note;
	finding_set(&note, d->file, "\"count\" is %llu, but the file has %llu records; taken as edited by hand",
	            (unsigned long long)d->count, (unsigned long long)r->rows);
	note.fatal = false;
	note.line = window_line(&d->w, d->count_at);
	note.byte = d->count_at;
	r->report(r->context, &note);
	return true;
}

static void find_tail(struct reader *d)
{
	char end[TAIL_BYTES];
	size_t covered, want = d->w.size < sizeof end ? (size_t)d->w.size : sizeof end;
	ssize_t n = disk_read(d->w.disk, d->w.fd, end, want, d->w.size - want);
	if (n != (ssize_t)want)
		return;
	d->tail = finding_sum_at_end((struct span){end, want}, &d->tail_sum, &covered);
	d->tail_covered_back = want - covered;
}

static bool read_start(struct reader *d)
{
	const char *table = spec_table_name(d->r->table);
	int c = window_peek(&d->w);
	if (c < 0)
		return wrong_at(d, 0, "is empty: it has to hold {\"%s\":[…]}. If it held records, " FINDING_RESTORE,
		                table);
	if (c == 0xEF || c == 0xFF || c == 0xFE)
		return wrong_at(d, 0,
		                "begins with a byte order mark or is not UTF-8: write it again as UTF-8 without one");
	if (window_peek_text(&d->w) != '{') {
		if (window_peek(&d->w) == '[')
			return wrong_at(d, window_at(&d->w), "is a bare array: expected {\"%s\":[…]}", table);
		return wrong_here(d, "an object, {");
	}
	d->w.here++;
	return true;
}

static bool read_file(struct reader *d)
{
	find_tail(d);
	if (!read_start(d))
		return false;
	if (window_peek_text(&d->w) == '}')
		d->w.here++;
	else if (!read_members(d))
		return false;
	if (window_peek_text(&d->w) >= 0)
		return wrong_at(d, window_at(&d->w),
		                "there is more behind the end of the JSON: expected the end of the file");
	if (d->w.error)
		return wrong_at(d, 0, "%s", "");
	return judge_header(d);
}

static bool cannot_open(struct reader *d)
{
	struct load_finding f;
	int number = errno;
	if (number == ENOENT) {
		d->r->missing = true;
		return true;
	}
	if (number == ELOOP || number == EINVAL)
		finding_set(&f, d->file, "is no regular file: persistd follows no links; move the file itself here");
	else
		finding_set(&f, d->file, "cannot be opened: %s", strerror(number));
	d->r->report(d->r->context, &f);
	return false;
}

bool snapshot_read(struct snapshot_read *r)
{
	struct reader d = {.r = r};
	snapshot_file_name(r->table, d.file);
	if (!window_open(&d.w, r->disk, r->state, d.file))
		return cannot_open(&d);
	bool ok = read_file(&d) && !d.failed;
	r->own = ok && !d.slow && d.tail && d.has_sum && own_form(&d);
	buf_free(&d.name);
	buf_free(&d.names);
	window_close(&d.w);
	return ok;
}
