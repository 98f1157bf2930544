#include "client/ctl/export.h"
#include "client/ctl/bar.h"
#include "client/ctl/complain.h"
#include "client/ctl/csv.h"
#include "client/ctl/interrupt.h"
#include "client/ctl/outlet.h"
#include "client/ctl/payload_files.h"
#include "client/ctl/print.h"
#include "client/ctl/seen.h"
#include "client/ctl/selection.h"
#include "proto/mem.h"
#include "proto/scan.h"
#include <stdio.h>
#include <stdlib.h>

#define OWNED_BUF __attribute__((cleanup(buf_free))) struct buf
enum { READS = 16, READ_BYTES = 8 << 20, FIELDS_MAX = SPEC_FIELDS_MAX + 1 };

const struct flag export_flags[] = {
	{.name = "jobs", .prose = "Jobs; with --runs and --artifacts, those as well. Else everything."},
	{.name = "runs", .prose = "Runs."},
	{.name = "artifacts", .prose = "Artifacts."},
	{.name = "jsonl", .prose = "JSON lines, a record a line: {\"job\":{…}}. The usual form."},
	{.name = "json", .prose = "One JSON document: {\"jobs\":[…],\"runs\":[…],\"artifacts\":[…]}."},
	{.name = "csv", .prose = "A table with a header row: jobs, runs or artifacts."},
	{.name = "status", .argument = "STATUS", .many = true, .prose = "Only jobs or runs of this status: A,B."},
	{.name = "type", .argument = "TYPE", .many = true, .offer = OFFER_JOB_TYPE,
	 .prose = "Only jobs of this type."},
	{.name = "kind", .argument = "KIND", .many = true, .offer = OFFER_KIND,
	 .prose = "Only runs or artifacts of this kind."},
	{.name = "meta", .argument = "KEY=TEXT", .many = true,
	 .prose = "Only jobs whose metadata, or runs whose meta, has this under the key (several: all of them). "
	          "Looked for on this side."},
	{.name = "since", .argument = "TIME",
	 .prose = "Only jobs and artifacts made, and runs changed, at this time or later."},
	{.name = "until", .argument = "TIME", .prose = "Only those of before this time."},
	{.name = "limit", .letter = 'n', .argument = "N",
	 .prose = "At most so many of each: the newest, as in lists."},
	{.name = "fields", .argument = "A,B", .many = true, .prose = "Only these fields of each record."},
	{.name = "payloads", .on = true, .prose = "Export artifacts with their payloads."},
	{.name = "output", .letter = 'o', .argument = "FILE", .offer = OFFER_FILE,
	 .prose = "Writes a file, which is there when it is whole. Else, and for -, stdout."},
	{.name = NULL},
};

enum format { FORMAT_JSONL, FORMAT_JSON, FORMAT_CSV };

struct field_names {
	struct span at[FIELDS_MAX];
	size_t count; /* 0: all */
};

/* An artifact whose payload is on its way. */
struct reading {
	struct buf record;
	persist_pending *answer;
	uint64_t bytes;
	bool unlisted; /* it has no record: where there is no file either, it is nothing */
};

struct export {
	struct invocation *i;
	bool wanted[TABLE_COUNT];
	enum format format;
	struct field_names fields;
	struct selection selection;
	uint64_t left;             /* of this table, until the limit is reached; UINT64_MAX: all */
	bool payloads;
	struct outlet outlet;
	struct bar bar;
	struct buf row;
	bool any;                  /* record of this table, or in this document a table, has been written */
	uint64_t written;          /* of this table */
	uint64_t all_written;
	struct seen artifacts;     /* that have records */
	struct reading reads[READS];
	size_t first_read, read_count;
	uint64_t read_bytes;       /* of payloads on their way */
	uint64_t unread;           /* payloads that are there and could not be had */
};

static const char *const list_methods[] = {"job.list", "run.list", "artifact.list"};

/* ---- records as they are written */

static bool has_name(const struct field_names *names, struct span name)
{
	for (size_t i = 0; i < names->count; i++)
		if (span_is(names->at[i], name))
			return true;
	return names->count == 0;
}

static void put_member(struct buf *out, struct span name, struct span value)
{
	buf_text(out, out->at[out->len - 1] == '{' ? "\"" : ",\"");
	buf_span(out, name);
	buf_text(out, "\":");
	buf_span(out, value);
}

/* Progress as it is stored: percentage is made for each reply. */
static void put_progress(struct buf *out, struct span name, struct span progress)
{
	OWNED_BUF bare = {0};
	struct span member, value;

	buf_char(&bare, '{');
	for (struct scan_iter it = scan_members(progress); scan_next_member(&it, &member, &value);)
		if (!span_is(member, SPAN("percentage")))
			put_member(&bare, member, value);
	buf_char(&bare, '}');
	put_member(out, name, buf_as_span(&bare));
}

/* The record as it is stored: without what the daemon adds to its replies, unless that was asked for by
 * name. */
static void put_stored(struct buf *out, const struct export *x, enum table_id t, struct span record,
                       struct span payload)
{
	struct span name, value;

	buf_char(out, '{');
	for (struct scan_iter it = scan_members(record); scan_next_member(&it, &name, &value);) {
		bool path = t == TABLE_ARTIFACTS && span_is(name, SPAN("path"));
		if (!has_name(&x->fields, name) || (path && x->fields.count == 0))
			continue;
		if (t == TABLE_JOBS && span_is(name, SPAN("progress")) && scan_kind(value) == SCAN_OBJECT)
			put_progress(out, name, value);
		else
			put_member(out, name, value);
	}
	if (payload.at)
		put_member(out, SPAN("payload"), payload);
	buf_char(out, '}');
}

/* Of a table where nobody has said --fields: what is stored and sent. */
static bool is_column(enum table_id t, const char *name)
{
	return t != TABLE_ARTIFACTS || (strcmp(name, "revision") != 0 && strcmp(name, "path") != 0);
}

static void put_cell(struct export *x, struct span record, const char *name, bool first)
{
	struct span value = {0};

	if (!scan_member(record, name, &value))
		value.at = NULL;
	csv_cell(&x->row, value, first);
}

static void put_cells(struct export *x, enum table_id t, struct span record, struct span payload)
{
	OWNED_BUF stored = {0};
	bool first = true;

	put_stored(&stored, x, t, record, payload);
	if (x->fields.count > 0) {
		for (size_t i = 0; i < x->fields.count; i++, first = false) {
			OWNED_BUF name = {0};
			buf_span(&name, x->fields.at[i]);
			buf_char(&name, '\0');
			put_cell(x, buf_as_span(&stored), name.at, first);
		}
	} else {
		for (const struct spec_field *f = spec_fields(t); f->name; f++, first = false)
			if (is_column(t, f->name))
				put_cell(x, buf_as_span(&stored), f->name, first);
	}
	csv_end_row(&x->row);
}

static enum exit_status write_record(struct export *x, enum table_id t, struct span record,
                                     struct span payload)
{
	if (interrupt_asked())
		return EXIT_INTERRUPTED;
	x->row.len = 0;
	switch (x->format) {
	case FORMAT_JSONL:
		buf_printf(&x->row, "{\"%s\":", spec_record_name(t));
		put_stored(&x->row, x, t, record, payload);
		buf_text(&x->row, "}\n");
		break;
	case FORMAT_JSON:
		buf_text(&x->row, x->any ? ",\n" : "\n");
		put_stored(&x->row, x, t, record, payload);
		break;
	case FORMAT_CSV:
		put_cells(x, t, record, payload);
		break;
	}
	x->any = true;
	x->written++;
	x->all_written++;
	bar_set(&x->bar, x->written);
	return outlet_put(&x->outlet, buf_as_span(&x->row));
}

static void write_csv_header(struct export *x, enum table_id t)
{
	bool first = true;

	x->row.len = 0;
	for (size_t i = 0; i < x->fields.count; i++, first = false)
		csv_text(&x->row, x->fields.at[i], first);
	for (const struct spec_field *f = spec_fields(t); f->name && x->fields.count == 0; f++, first = false)
		if (is_column(t, f->name))
			csv_text(&x->row, span_of(f->name), first);
	csv_end_row(&x->row);
	outlet_put(&x->outlet, buf_as_span(&x->row));
}

static void open_table(struct export *x, enum table_id t, bool first)
{
	if (x->format == FORMAT_CSV)
		write_csv_header(x, t);
	if (x->format == FORMAT_JSON) {
		x->row.len = 0;
		buf_printf(&x->row, "%s\"%s\":[", first ? "{" : ",\n", spec_table_name(t));
		outlet_put(&x->outlet, buf_as_span(&x->row));
	}
	x->any = false;
	x->written = 0;
	x->left = x->selection.limit;
}

static enum exit_status close_table(struct export *x, bool last)
{
	if (x->format != FORMAT_JSON)
		return x->outlet.status;
	return outlet_put(&x->outlet, last ? SPAN("\n]}\n") : SPAN("\n]"));
}

/* ---- payloads */

static struct span id_of(struct span record, const char *name)
{
	struct span value;

	if (!scan_member(record, name, &value) || value.len < 2 || value.at[0] != '"')
		return (struct span){0};
	return (struct span){value.at + 1, value.len - 2};
}

/* What could not be had is told; the record is written without it. */
static enum exit_status without_payload(struct export *x, const struct reading *r, const persist_error *e)
{
	struct span id = id_of(buf_as_span(&r->record), "id");

	if (e->code == PERSIST_NOT_FOUND && r->unlisted)
		return EXIT_OK;
	if (e->code != PERSIST_NOT_FOUND && e->code != PERSIST_INVALID_PARAMS && e->code != PERSIST_TOO_LARGE &&
	    e->code != PERSIST_E_TOO_LARGE)
		return session_report(&x->i->session, "artifact.read", e);
	bar_clear(&x->bar);
	complain("artifact %.*s is exported without its payload: %s", (int)id.len, id.at, e->message);
	x->unread += e->code != PERSIST_NOT_FOUND;
	if (r->unlisted)
		return EXIT_OK;
	return write_record(x, TABLE_ARTIFACTS, buf_as_span(&r->record), (struct span){0});
}

static enum exit_status finish_read(struct export *x)
{
	struct reading *r = &x->reads[x->first_read];
	struct span reply, payload = {0};
	persist_result *result;
	persist_error error;
	enum exit_status status;

	x->first_read = (x->first_read + 1) % READS;
	x->read_count--;
	x->read_bytes -= r->bytes;
	if (persist_wait(r->answer, &result, &error) == 0) {
		reply.at = persist_result_text(result, &reply.len);
		scan_member(reply, "payload", &payload);
		status = write_record(x, TABLE_ARTIFACTS, buf_as_span(&r->record), payload);
		persist_result_free(result);
	} else {
		status = without_payload(x, r, &error);
	}
	buf_free(&r->record);
	return status;
}

static enum exit_status finish_reads(struct export *x)
{
	enum exit_status status = EXIT_OK;

	while (status == EXIT_OK && x->read_count > 0)
		status = finish_read(x);
	return status;
}

static void cancel_reads(struct export *x)
{
	for (; x->read_count > 0; x->read_count--) {
		struct reading *r = &x->reads[x->first_read];
		persist_cancel(r->answer);
		buf_free(&r->record);
		x->first_read = (x->first_read + 1) % READS;
	}
}

/* Payloads are asked for while earlier ones are written; how many, their sizes tell. */
static enum exit_status start_read(struct export *x, struct span record, bool unlisted)
{
	OWNED_BUF params = {0};
	struct span id = id_of(record, "id"), value;
	enum exit_status status = EXIT_OK;
	persist_error error;
	int64_t bytes = 0;
	double real;

	if (scan_member(record, "size_bytes", &value))
		scan_number(value, &bytes, &real);
	while (status == EXIT_OK && x->read_count > 0 &&
	       (x->read_count == READS || x->read_bytes + (uint64_t)bytes > READ_BYTES))
		status = finish_read(x);
	if (status != EXIT_OK)
		return status;
	struct reading *r = &x->reads[(x->first_read + x->read_count) % READS];
	*r = (struct reading){.bytes = (uint64_t)bytes, .unlisted = unlisted};
	buf_printf(&params, "{\"id\":\"%.*s\"}", (int)id.len, id.at);
	r->answer = persist_start(session_client(&x->i->session), "artifact.read",
	                          persist_text_n(params.at, params.len), &error);
	if (!r->answer)
		return session_report(&x->i->session, "artifact.read", &error);
	buf_span(&r->record, record);
	x->read_count++;
	x->read_bytes += r->bytes;
	return EXIT_OK;
}

/* ---- pages */

typedef enum exit_status each_record(struct export *x, enum table_id t, struct span record);

/* What is asked of the list's method but for the cursor, and without the closing brace. `fields`: instead
 * of those that were typed; NULL. */
static void list_params(struct buf *out, const struct export *x, enum table_id t, const char *fields)
{
	const char *looked_at = selection_field(&x->selection, t);

	buf_char(out, '{');
	selection_params(out, &x->selection, t);
	if (t == TABLE_ARTIFACTS)
		return;
	if (fields) {
		buf_text(out, fields);
		return;
	}
	selection_words(out, &x->i->given, "fields", "fields");
	if (x->fields.count > 0 && looked_at && !has_name(&x->fields, span_of(looked_at))) {
		out->len--; /* the bracket */
		buf_printf(out, ",\"%s\"]", looked_at);
	}
}

static enum exit_status start_page(struct export *x, enum table_id t, const struct buf *params,
                                   struct span cursor, persist_pending **page)
{
	OWNED_BUF all = {0};
	persist_error error;

	buf_span(&all, buf_as_span(params));
	if (cursor.at) {
		buf_text(&all, ",\"cursor\":");
		buf_span(&all, cursor);
	}
	buf_char(&all, '}');
	*page = persist_start(session_client(&x->i->session), list_methods[t], persist_text_n(all.at, all.len),
	                      &error);
	return *page ? EXIT_OK : session_report(&x->i->session, list_methods[t], &error);
}

static void begin_bar(struct export *x, enum table_id t, struct span page)
{
	struct span total;
	int64_t whole = 0;
	double real;

	if (scan_member(page, "total", &total))
		scan_number(total, &whole, &real);
	bar_start(&x->bar, spec_table_name(t), (uint64_t)whole < x->left ? (uint64_t)whole : x->left);
	if (x->outlet.terminal) /* it would stand between the records */
		bar_end(&x->bar);
}

static enum exit_status each_of_page(struct export *x, enum table_id t, struct span page, each_record *each)
{
	enum exit_status status = EXIT_OK;
	struct span rows, record;

	if (!scan_member(page, spec_table_name(t), &rows))
		return complain_failed("%s: the reply has no \"%s\"", list_methods[t], spec_table_name(t));
	for (struct scan_iter it = scan_elements(rows);
	     status == EXIT_OK && x->left > 0 && scan_next_element(&it, &record);) {
		if (!selection_takes(&x->selection, t, record))
			continue;
		x->left -= x->left != UINT64_MAX;
		status = each(x, t, record);
	}
	return status;
}

/* Whether the page has all that the limit still allows. */
static bool is_enough(const struct export *x, enum table_id t, struct span page)
{
	struct span rows;

	return !selection_looks(&x->selection, t) && scan_member(page, spec_table_name(t), &rows) &&
	       scan_count(rows) >= x->left;
}

/* In case that the command itself does not come to say it. */
static void leave_words(bool file)
{
	if (file)
		interrupt_words("the file was not written, an older one stays: export again");
	else
		interrupt_words("the output is not whole: export again");
}

static void tell_interrupted(const struct export *x, bool file)
{
	if (file)
		complain("interrupted: the file was not written, an older one stays: export again");
	else
		complain("interrupted: %llu records were written, the output is not whole: export again",
		         (unsigned long long)x->all_written);
}

/* The next page is on its way while this one is written. */
static enum exit_status each_page(struct export *x, enum table_id t, const char *fields, each_record *each)
{
	OWNED_BUF params = {0};
	persist_pending *next;
	persist_error error;
	bool first = true;

	list_params(&params, x, t, fields);
	enum exit_status status = start_page(x, t, &params, (struct span){0}, &next);
	while (next && status == EXIT_OK) {
		persist_result *result;
		struct span page, cursor;
		if (persist_wait(next, &result, &error) != 0)
			return session_report(&x->i->session, list_methods[t], &error);
		next = NULL;
		page.at = persist_result_text(result, &page.len);
		if (first)
			begin_bar(x, t, page);
		first = false;
		if (scan_member(page, "next_cursor", &cursor) && scan_kind(cursor) == SCAN_STRING &&
		    !is_enough(x, t, page))
			status = start_page(x, t, &params, cursor, &next);
		if (status == EXIT_OK)
			status = each_of_page(x, t, page, each);
		persist_result_free(result);
		if (x->left == 0)
			break;
	}
	if (next)
		persist_cancel(next);
	return status;
}

/* ---- tables */

static enum exit_status take(struct export *x, enum table_id t, struct span record)
{
	if (t != TABLE_ARTIFACTS || !x->payloads)
		return write_record(x, t, record, (struct span){0});
	seen_add(&x->artifacts, t, id_of(record, "id"), 0);
	return start_read(x, record, false);
}

/* A payload that a Python class has left has no record; the run that names it makes one. */
static enum exit_status take_unlisted(struct export *x, enum table_id t, struct span run)
{
	OWNED_BUF record = {0};
	struct span id = id_of(run, "artifact_id"), run_id = id_of(run, "id"), kind = id_of(run, "kind");

	(void)t;
	if (!id.at || seen_add(&x->artifacts, TABLE_ARTIFACTS, id, 0) != SEEN_NEVER)
		return EXIT_OK;
	kind = payload_file_kind(id, run_id, kind);
	buf_printf(&record, "{\"id\":\"%.*s\",\"run_id\":\"%.*s\",\"kind\":\"%.*s\",\"created_at\":null}",
	           (int)id.len, id.at, (int)run_id.len, run_id.at, (int)kind.len, kind.at);
	return start_read(x, buf_as_span(&record), true);
}

static enum exit_status export_table(struct export *x, enum table_id t, bool first, bool last)
{
	open_table(x, t, first);
	enum exit_status status = each_page(x, t, NULL, take);
	if (status == EXIT_OK)
		status = finish_reads(x);
	if (status == EXIT_OK && t == TABLE_ARTIFACTS && x->payloads && selection_is_whole(&x->selection, t))
		status = each_page(x, TABLE_RUNS, ",\"fields\":[\"id\",\"kind\",\"artifact_id\"]", take_unlisted);
	if (status == EXIT_OK)
		status = finish_reads(x);
	cancel_reads(x);
	bar_end(&x->bar);
	return status == EXIT_OK ? close_table(x, last) : status;
}

static enum exit_status export_tables(struct export *x)
{
	enum exit_status status = EXIT_OK;
	int last = TABLE_COUNT - 1;
	bool first = true;

	while (!x->wanted[last])
		last--;
	for (int t = 0; status == EXIT_OK && t <= last; t++)
		if (x->wanted[t]) {
			status = export_table(x, (enum table_id)t, first, t == last);
			first = false;
		}
	return status;
}

/* ---- what was typed */

static enum exit_status read_format(struct export *x)
{
	const struct given *g = &x->i->given;
	int said = given_on(g, "jsonl") + given_on(g, "json") + given_on(g, "csv");

	if (said > 1)
		return complain_usage("export", "export: only one of --jsonl, --json and --csv");
	x->format = given_on(g, "json") ? FORMAT_JSON : given_on(g, "csv") ? FORMAT_CSV : FORMAT_JSONL;
	if (x->format == FORMAT_CSV && x->wanted[0] + x->wanted[1] + x->wanted[2] != 1)
		return complain_usage("export", "export: --csv is one table: say --jobs, --runs or --artifacts");
	return EXIT_OK;
}

static void read_tables(struct export *x)
{
	bool any = false;

	for (int t = 0; t < TABLE_COUNT; t++)
		any |= x->wanted[t] = given_on(&x->i->given, spec_table_name((enum table_id)t));
	for (int t = 0; !any && t < TABLE_COUNT; t++)
		x->wanted[t] = true;
}

static bool is_field(enum table_id t, struct span name)
{
	for (const struct spec_field *f = spec_fields(t); f->name; f++)
		if (span_is(name, span_of(f->name)))
			return true;
	return t == TABLE_ARTIFACTS && span_is(name, SPAN("payload"));
}

static enum exit_status add_field(struct export *x, struct span name)
{
	for (int t = 0; t < TABLE_COUNT; t++)
		if (x->wanted[t] && !is_field((enum table_id)t, name))
			return complain_usage("export", "export: --fields: %s have no field \"%.*s\"",
			                      spec_table_name((enum table_id)t), (int)name.len, name.at);
	if (has_name(&x->fields, name) && x->fields.count > 0)
		return EXIT_OK;
	x->fields.at[x->fields.count++] = name;
	return EXIT_OK;
}

static enum exit_status read_fields(struct export *x)
{
	enum exit_status status = EXIT_OK;
	const char *said;
	size_t place = 0;

	while ((said = given_next(&x->i->given, "fields", &place)))
		for (const char *at = said; *at && status == EXIT_OK;) {
			size_t len = strcspn(at, ",");
			status = add_field(x, (struct span){at, len});
			at += len + (at[len] == ',');
		}
	x->payloads = given_on(&x->i->given, "payloads");
	if (x->fields.count > 0)
		x->payloads = has_name(&x->fields, SPAN("payload"));
	else if (x->format == FORMAT_CSV)
		x->payloads = false;
	return status;
}

static enum exit_status read_flags(struct export *x)
{
	enum exit_status status;

	read_tables(x);
	status = read_format(x);
	if (status == EXIT_OK)
		status = selection_read(&x->selection, x->i, x->wanted);
	return status == EXIT_OK ? read_fields(x) : status;
}

enum exit_status export_run(struct invocation *i)
{
	struct export x = {.i = i};
	enum exit_status status = read_flags(&x);

	if (status != EXIT_OK)
		return status;
	status = outlet_open(&x.outlet, given_text(&i->given, "output"), x.format != FORMAT_CSV);
	bool file = x.outlet.tmp != NULL;
	leave_words(file);
	interrupt_defer();
	if (status == EXIT_OK)
		status = export_tables(&x);
	enum exit_status closed = outlet_close(&x.outlet, status == EXIT_OK);
	if (interrupt_asked() && status != EXIT_OK) {
		print_flush();
		tell_interrupted(&x, file);
		status = EXIT_INTERRUPTED;
	}
	if (status == EXIT_OK)
		status = closed;
	if (status == EXIT_OK && x.unread > 0)
		status = EXIT_FAILED;
	buf_free(&x.row);
	seen_free(&x.artifacts);
	return status;
}
