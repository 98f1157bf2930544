#include "client/ctl/list.h"
#include "client/ctl/age.h"
#include "client/ctl/complain.h"
#include "client/ctl/list_shape.h"
#include "client/ctl/match.h"
#include "client/ctl/method_command.h"
#include "client/ctl/object.h"
#include "client/ctl/path.h"
#include "client/ctl/print.h"
#include "client/ctl/show.h"
#include "proto/params.h"
#include "proto/scan.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define OWNED_BUF __attribute__((cleanup(buf_free))) struct buf
enum { PAGE_MAX = 1000, LIMIT_DEFAULT = 100 };

#define LIMIT_FLAGS                                                                                          \
	{.name = "limit", .letter = 'n', .argument = "N",                                                        \
	 .prose = "At most so many records, 100 if not said; above 1000 they come page by page."},               \
	{.name = "all", .letter = 'a',                                                                           \
	 .prose = "Every record that matches, however many: page by page, by cursor."},                          \
	{.name = "header", .prose = "In a pipe: the names of the columns as the first line."}
#define META_FLAG(field)                                                                                     \
	{.name = "meta", .argument = "KEY=TEXT", .many = true,                                                   \
	 .prose = "Only those whose " field " has this under the key (several: all of them). Looked for on this "\
	          "side, page by page, until --limit records are found: a rare one costs a walk through the "    \
	          "list."}

const struct flag list_flags_jobs[] = {LIMIT_FLAGS, META_FLAG("metadata"), {0}};
const struct flag list_flags_runs[] = {LIMIT_FLAGS, META_FLAG("meta"), {0}};
const struct flag list_flags_artifacts[] = {
	LIMIT_FLAGS,
	{.name = "since", .argument = "TIME",
	 .prose = "Only those made at this time or later. Looked for on this side."},
	{.name = "until", .argument = "TIME",
	 .prose = "Only those made before this time. Looked for on this side."},
	{0},
};

struct listing {
	struct invocation *i;
	enum table_id table_id;
	const struct list_shape *shape;
	struct match match;
	struct path_list paths; /* what is shown; count 0: all, or the shape's columns */
	struct buf first, later; /* the parameters of the pages, but for limit, cursor and fields */
	struct buf cursor;       /* of the next page, as JSON; empty: the first page */
	uint64_t left;           /* UINT64_MAX: all */
	uint64_t shown;
	struct buf total;        /* as JSON */
	bool more;               /* the limit was reached before the end */
	struct table table;
};

static bool by_default(const struct listing *l)
{
	return !given_has(&l->i->given, "limit") && !given_on(&l->i->given, "all");
}

/* ---- what was asked for */

static enum exit_status read_limit(struct listing *l, const char *command)
{
	const char *text = given_text(&l->i->given, "limit");
	bool all = given_on(&l->i->given, "all");
	char *end;

	l->left = all ? UINT64_MAX : LIMIT_DEFAULT;
	if (!text)
		return EXIT_OK;
	if (all)
		return complain_usage(command, "--all and --limit cannot go together");
	l->left = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || l->left == 0 || l->left == UINT64_MAX)
		return complain_usage(command, "--limit must be a whole number of 1 or more; --all gives every "
		                               "record");
	return EXIT_OK;
}

static enum exit_status read_fields(struct listing *l, const char *command)
{
	const struct spec_field *fields = spec_fields(l->table_id);
	struct fault fault;
	bool said = given_has(&l->i->given, "fields");

	show_fields(l->i, &l->paths);
	if (said && l->paths.count == 0)
		return complain_usage(command, "--fields must be field names with commas between them");
	for (size_t p = 0; p < l->paths.count; p++) {
		struct span name = path_field(l->paths.at[p]);
		if (field_find(fields, name) >= 0)
			continue;
		field_unknown(fields, name, spec_record_name(l->table_id), &fault);
		complain("%s", fault.message);
		complain_detail("hint", fault.hint);
		return complain_help(command);
	}
	return EXIT_OK;
}

static bool takes_fields(const struct spec_method *m)
{
	for (unsigned p = 0; p < m->param_count; p++)
		if (m->params[p].type == SPEC_FIELDS)
			return true;
	return false;
}

static void add_name(struct buf *set, struct span name)
{
	object_set(set, name, SPAN("0"));
}

static void add_names(struct buf *set, const char *names)
{
	struct path_list paths;

	if (!path_list_read(&paths, names))
		return;
	for (size_t p = 0; p < paths.count; p++)
		add_name(set, path_field(paths.at[p]));
	path_list_free(&paths);
}

/* No more of each record than what is shown and looked at. Empty: all of it. */
static void wanted_fields(const struct listing *l, struct buf *set)
{
	enum form form = l->i->form;

	if (l->paths.count > 0)
		for (size_t p = 0; p < l->paths.count; p++)
			add_name(set, path_field(l->paths.at[p]));
	else if (form == FORM_IDS)
		add_name(set, SPAN("id"));
	else if (form == FORM_PEOPLE)
		add_names(set, l->shape->fields);
	else if (form == FORM_PLAIN)
		add_names(set, l->shape->plain);
	else
		return;
	if (match_field(&l->match))
		add_name(set, span_of(match_field(&l->match)));
}

static void set_fields(const struct listing *l, struct buf *params)
{
	OWNED_BUF set = {0}, list = {0};
	struct span name, value;

	buf_text(&set, "{}");
	wanted_fields(l, &set);
	if (set.len == 2 || !takes_fields(l->i->command->method))
		return;
	for (struct scan_iter it = scan_members(buf_as_span(&set)); scan_next_member(&it, &name, &value);)
		buf_printf(&list, "%c\"%.*s\"", list.len > 0 ? ',' : '[', (int)name.len, name.at);
	buf_char(&list, ']');
	object_set(params, SPAN("fields"), buf_as_span(&list));
}

static enum exit_status read_flags(struct listing *l)
{
	static const char *const mine[] = {"limit", "fields", NULL},
	                         *const later[] = {"limit", "fields", "offset", "cursor", NULL};
	char command[64];
	enum exit_status status;

	command_name(l->i->command, command);
	status = read_limit(l, command);
	if (status == EXIT_OK)
		status = read_fields(l, command);
	if (status == EXIT_OK)
		status = match_read(&l->match, l->i, l->shape->meta, command);
	if (status == EXIT_OK)
		status = method_params(l->i, SPAN("{}"), (struct span){0}, mine, &l->first);
	if (status == EXIT_OK)
		status = method_params(l->i, SPAN("{}"), (struct span){0}, later, &l->later);
	if (status == EXIT_OK)
		status = method_judge(l->i, buf_as_span(&l->first));
	if (status != EXIT_OK)
		return status;
	set_fields(l, &l->first);
	set_fields(l, &l->later);
	return EXIT_OK;
}

/* ---- a record */

static enum exit_status put_json(struct listing *l, struct span record)
{
	OWNED_BUF text = {0}, fit = {0};

	if (l->i->form == FORM_JSON && l->shown > 0)
		buf_char(&text, ',');
	if (l->paths.count > 0)
		show_project(&text, record, &l->paths);
	else
		buf_span(&text, record);
	if (l->i->form == FORM_JSONL)
		buf_char(&text, '\n');
	if (!l->i->screen.terminal)
		return print_buf(&text);
	if (l->i->form == FORM_JSONL)
		text.len--;
	screen_fit_json(&fit, buf_as_span(&text), l->i->screen.utf8);
	if (l->i->form == FORM_JSONL)
		buf_char(&fit, '\n');
	return print_buf(&fit);
}

static enum exit_status put_plain(struct listing *l, struct span record)
{
	OWNED_BUF line = {0}, fit = {0};

	for (size_t p = 0; p < l->paths.count; p++) {
		struct span value = {0};
		if (!path_find(record, l->paths.at[p], &value))
			value = (struct span){0};
		buf_text(&fit, p > 0 ? "\t" : "");
		line.len = 0;
		cell_plain(&line, value);
		if (l->i->screen.terminal)
			screen_fit(&fit, buf_as_span(&line), l->i->screen.utf8);
		else
			buf_span(&fit, buf_as_span(&line));
	}
	buf_char(&fit, '\n');
	return print_buf(&fit);
}

static void put_cell(struct listing *l, const char *path, struct span record)
{
	OWNED_BUF text = {0};
	struct cell_look look = list_cell(&text, &l->i->screen, l->shape, path, record);

	table_cell(&l->table, buf_as_span(&text), look.paint, look.fraction);
}

static void put_row(struct listing *l, struct span record)
{
	for (const struct list_column *c = l->shape->columns; l->paths.count == 0 && c->title; c++)
		put_cell(l, c->path, record);
	for (size_t p = 0; p < l->paths.count; p++)
		put_cell(l, l->paths.at[p], record);
}

static enum exit_status put_record(struct listing *l, struct span record)
{
	switch (l->i->form) {
	case FORM_JSON:
	case FORM_JSONL: return put_json(l, record);
	case FORM_IDS:
	case FORM_PLAIN: return put_plain(l, record);
	case FORM_PEOPLE: put_row(l, record); return EXIT_OK;
	}
	return EXIT_OK;
}

/* ---- before and after the records */

static void add_column(struct table *t, const char *title, const char *path, unsigned rank, unsigned least,
                       bool right)
{
	table_column(t, title, rank, least, right);
	t->columns[t->count - 1].id = strcmp(path, "id") == 0;
}

static void begin_table(struct listing *l)
{
	l->table.screen = &l->i->screen;
	for (const struct list_column *c = l->shape->columns; l->paths.count == 0 && c->title; c++)
		add_column(&l->table, c->title, c->path, c->rank, c->least, c->right);
	for (size_t p = 0; p < l->paths.count; p++)
		add_column(&l->table, l->paths.at[p], l->paths.at[p], p == 0 ? 0 : 1, 8, false);
}

static enum exit_status put_header(const struct listing *l)
{
	OWNED_BUF line = {0};

	for (size_t p = 0; p < l->paths.count; p++)
		buf_printf(&line, "%s%s", p > 0 ? "\t" : "", l->paths.at[p]);
	buf_char(&line, '\n');
	return print_buf(&line);
}

static enum exit_status put_start(struct listing *l)
{
	OWNED_BUF head = {0};

	switch (l->i->form) {
	case FORM_JSON:
		buf_printf(&head, "{\"%s\":[", spec_table_name(l->table_id));
		return print_buf(&head);
	case FORM_IDS:
	case FORM_PLAIN:
		if (l->paths.count == 0)
			path_list_read(&l->paths, l->i->form == FORM_IDS ? "id" : l->shape->plain);
		return given_on(&l->i->given, "header") ? put_header(l) : EXIT_OK;
	case FORM_PEOPLE: begin_table(l); return EXIT_OK;
	case FORM_JSONL: return EXIT_OK;
	}
	return EXIT_OK;
}

/* On stderr, so that it never becomes a line of the list: that there is more. Where nobody set the limit, a
 * script wants to know it, too. */
static void say_how_many(const struct listing *l)
{
	OWNED_BUF line = {0};
	const char *records = spec_table_name(l->table_id);
	int64_t total = 0;
	double real;

	if (l->i->form == FORM_PEOPLE && l->shown == 0)
		fprintf(stderr, "no %s\n", records);
	if (!l->more || (!l->i->screen.terminal && !by_default(l)))
		return;
	bool one = l->shown == 1;
	screen_number(&line, l->shown);
	if (scan_number(buf_as_span(&l->total), &total, &real) == SCAN_INT && !match_is_set(&l->match)) {
		buf_text(&line, " of ");
		screen_number(&line, (uint64_t)total);
		one = false;
	}
	if (one)
		records = spec_record_name(l->table_id);
	buf_printf(&line, " %s; --all or --limit N for more\n", records);
	print_flush();
	(void)fwrite(line.at, 1, line.len, stderr);
}

static enum exit_status put_end(struct listing *l)
{
	OWNED_BUF tail = {0};
	enum exit_status status = EXIT_OK;

	if (l->i->form == FORM_JSON) {
		if (match_is_set(&l->match)) {
			l->total.len = 0;
			if (l->more)
				buf_text(&l->total, "null");
			else
				buf_uint(&l->total, l->shown);
		}
		buf_printf(&tail, "],\"total\":%.*s,\"next_cursor\":", (int)l->total.len, l->total.at);
		buf_text(&tail, match_is_set(&l->match) ? "null" : "");
		if (!match_is_set(&l->match))
			buf_span(&tail, buf_as_span(&l->cursor));
		buf_text(&tail, "}\n");
		status = print_buf(&tail);
	}
	say_how_many(l);
	return status;
}

/* ---- pages */

static enum exit_status put_page(struct listing *l, struct span records)
{
	enum exit_status status = EXIT_OK;
	struct span record;

	for (struct scan_iter it = scan_elements(records);
	     status == EXIT_OK && scan_next_element(&it, &record);) {
		if (!match_record(&l->match, record))
			continue;
		if (l->left == 0) {
			l->more = true;
			break;
		}
		status = put_record(l, record);
		l->shown++;
		l->left -= l->left != UINT64_MAX;
	}
	if (status == EXIT_OK && l->i->form == FORM_PEOPLE)
		status = table_print(&l->table);
	return status == EXIT_OK ? print_flush() : status;
}

static enum exit_status take_page(struct listing *l, struct span page)
{
	struct span records, total, cursor;

	if (!scan_member(page, spec_table_name(l->table_id), &records) || !scan_member(page, "total", &total) ||
	    !scan_member(page, "next_cursor", &cursor))
		return complain_failed("%s: what came back is not a page of %s", l->i->command->method->name,
		                       spec_table_name(l->table_id));
	enum exit_status status = l->cursor.len == 0 ? put_start(l) : EXIT_OK;
	l->cursor.len = l->total.len = 0;
	buf_span(&l->cursor, cursor);
	buf_span(&l->total, total);
	return status == EXIT_OK ? put_page(l, records) : status;
}

static enum exit_status next_page(struct listing *l)
{
	OWNED_BUF params = {0}, limit = {0};
	persist_result *result;
	struct span page;
	bool first = l->cursor.len == 0, whole = match_is_set(&l->match) || l->left > PAGE_MAX;

	buf_span(&params, buf_as_span(first ? &l->first : &l->later));
	buf_uint(&limit, whole ? PAGE_MAX : l->left);
	object_set(&params, SPAN("limit"), buf_as_span(&limit));
	if (!first)
		object_set(&params, SPAN("cursor"), buf_as_span(&l->cursor));
	enum exit_status status = session_call(&l->i->session, l->i->command->method->name, buf_as_span(&params),
	                                       &result);
	if (status != EXIT_OK)
		return status;
	page.at = persist_result_text(result, &page.len);
	status = take_page(l, page);
	persist_result_free(result);
	return status;
}

static bool at_end(const struct listing *l)
{
	return span_is(buf_as_span(&l->cursor), SPAN("null"));
}

static enum exit_status all_pages(struct listing *l)
{
	enum exit_status status = next_page(l);

	while (status == EXIT_OK && l->left > 0 && !at_end(l))
		status = next_page(l);
	if (status == EXIT_OK && l->left == 0 && !at_end(l))
		l->more = true;
	return status;
}

static enum exit_status run(struct listing *l)
{
	enum exit_status status = read_flags(l);

	if (status == EXIT_OK)
		status = all_pages(l);
	return status == EXIT_OK ? put_end(l) : status;
}

static enum table_id table_of(const struct spec_method *m)
{
	for (enum table_id t = 0; t < TABLE_COUNT; t++) {
		const char *name = spec_record_name(t);
		if (strncmp(m->name, name, strlen(name)) == 0)
			return t;
	}
	return TABLE_JOBS;
}

enum exit_status list_run(struct invocation *i)
{
	struct listing l = {.i = i, .table_id = table_of(i->command->method)};
	enum exit_status status;

	l.shape = list_shape(l.table_id);
	status = run(&l);
	table_free(&l.table);
	path_list_free(&l.paths);
	buf_free(&l.first);
	buf_free(&l.later);
	buf_free(&l.cursor);
	buf_free(&l.total);
	return status;
}
