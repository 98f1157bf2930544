#include "client/ctl/diff.h"
#include "client/ctl/cell.h"
#include "client/ctl/complain.h"
#include "client/ctl/help.h"
#include "client/ctl/leaves.h"
#include "client/ctl/method_command.h"
#include "client/ctl/path.h"
#include "client/ctl/print.h"
#include "client/ctl/show.h"
#include "client/ctl/table.h"
#include "proto/mem.h"
#include "proto/scan.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define OWNED_BUF __attribute__((cleanup(buf_free))) struct buf

const struct flag diff_flags[] = {
	{.name = "all-fields",
	 .prose = "Also what differs between any two runs: id, times, revision and artifact_id."},
	{.name = "exit-code", .prose = "Exit with 1 where they differ, as diff does."},
	{.name = "header", .prose = "In a pipe: the names of the columns as the first line."},
	{.name = NULL},
};

const struct operand diff_operands[] = {
	{.name = "A", .required = true, .offer = OFFER_RUN, .prose = "A run's id."},
	{.name = "B", .required = true, .offer = OFFER_RUN, .prose = "Another's."},
	{0},
};

struct diff {
	struct invocation *i;
	const char *ids[2];
	struct leaves sides[2];
	struct path_list only; /* --fields; count 0: all */
	size_t count;          /* of differences */
	struct table table;
};

/* ---- the records */

static enum exit_status start_get(struct diff *d, size_t side, persist_pending **p)
{
	OWNED_BUF params = {0};
	persist_error error;

	buf_text(&params, "{\"run_id\":");
	buf_string(&params, span_of(d->ids[side]));
	buf_char(&params, '}');
	*p = persist_start(session_client(&d->i->session), "run.get", persist_text_n(params.at, params.len),
	                   &error);
	return *p ? EXIT_OK : session_report(&d->i->session, "run.get", &error);
}

static enum exit_status wait_for(struct diff *d, size_t side, persist_pending *p, persist_result **run)
{
	persist_error error;
	OWNED_BUF about = {0};

	if (persist_wait(p, run, &error) == 0)
		return EXIT_OK;
	buf_printf(&about, "run.get %s", d->ids[side]);
	buf_char(&about, '\0');
	return session_report(&d->i->session, about.at, &error);
}

static enum exit_status get_both(struct diff *d, persist_result *runs[2])
{
	persist_pending *p[2];
	enum exit_status status = start_get(d, 0, &p[0]), second;

	if (status != EXIT_OK)
		return status;
	status = start_get(d, 1, &p[1]);
	if (status != EXIT_OK) {
		persist_cancel(p[0]);
		return status;
	}
	status = wait_for(d, 0, p[0], &runs[0]);
	if (status == EXIT_NO_DAEMON || status == EXIT_TIMEOUT) {
		persist_cancel(p[1]);
		return status;
	}
	second = wait_for(d, 1, p[1], &runs[1]);
	return status != EXIT_OK ? status : second;
}

/* ---- what differs */

static bool is_left_out(const struct diff *d, const char *path)
{
	static const char *const always[] = {
		"id", "created_at", "updated_at", "started_at", "finished_at", "revision", "artifact_id",
	};
	struct span field = path_field(path);

	for (size_t p = 0; p < d->only.count; p++) {
		size_t len = strlen(d->only.at[p]);
		if (strncmp(path, d->only.at[p], len) == 0 && (!path[len] || path[len] == '.' || path[len] == '['))
			return false;
	}
	if (d->only.count > 0)
		return true;
	for (size_t f = 0; !given_on(&d->i->given, "all-fields") && f < sizeof always / sizeof *always; f++)
		if (span_is(field, span_of(always[f])))
			return true;
	return false;
}

void diff_change(struct buf *out, struct span a, struct span b)
{
	double from, to, change;
	int64_t whole_from, whole_to;
	enum scan_number kind_a, kind_b;

	if (!a.at || !b.at || scan_kind(a) != SCAN_NUMBER || scan_kind(b) != SCAN_NUMBER)
		return;
	kind_a = scan_number(a, &whole_from, &from);
	kind_b = scan_number(b, &whole_to, &to);
	change = to - from; /* inf where it overflows: nothing is said then */
	if (kind_a == SCAN_NAN || kind_b == SCAN_NAN || !isfinite(change))
		return;
	buf_printf(out, "%+.6g", change);
	if (from != 0)
		buf_printf(out, " (%+.3g %%)", change / fabs(from) * 100);
}

/* A time is compared as a time, not as an age. */
static void add_side(struct buf *out, const struct diff *d, const char *path, struct span value)
{
	struct screen dates = d->i->screen;

	dates.absolute = true;
	if (scan_kind(value) == SCAN_STRING)
		cell_show(out, &dates, path, value);
	else
		screen_fit(out, value, dates.utf8);
}

static void put_side(struct diff *d, const char *path, struct span value, enum paint paint)
{
	OWNED_BUF text = {0};

	if (!value.at) {
		table_cell(&d->table, d->i->screen.utf8 ? SPAN("–") : SPAN("-"), PAINT_DIM, -1);
		return;
	}
	add_side(&text, d, path, value);
	table_cell(&d->table, buf_as_span(&text), paint, -1);
}

static void put_row(struct diff *d, const char *path, struct span a, struct span b)
{
	OWNED_BUF text = {0};

	screen_fit(&text, span_of(path), d->i->screen.utf8);
	table_cell(&d->table, buf_as_span(&text), PAINT_NONE, -1);
	put_side(d, path, a, PAINT_BAD);
	put_side(d, path, b, PAINT_GOOD);
	text.len = 0;
	diff_change(&text, a, b);
	table_cell(&d->table, buf_as_span(&text), PAINT_DIM, -1);
}

static void add_json(struct buf *out, const char *path, struct span a, struct span b)
{
	buf_text(out, "{\"path\":");
	buf_string(out, span_of(path));
	if (a.at) {
		buf_text(out, ",\"a\":");
		buf_span(out, a);
	}
	if (b.at) {
		buf_text(out, ",\"b\":");
		buf_span(out, b);
	}
	buf_char(out, '}');
}

static void add_plain(struct buf *out, const char *path, struct span a, struct span b)
{
	OWNED_BUF name = {0};

	/* as a JSON string it goes through the same escapes as the values */
	buf_string(&name, span_of(path));
	cell_plain(out, buf_as_span(&name));
	buf_char(out, '\t');
	cell_plain(out, a);
	buf_char(out, '\t');
	cell_plain(out, b);
}

static enum exit_status put_line(struct diff *d, const struct buf *text)
{
	OWNED_BUF fit = {0};

	if (!d->i->screen.terminal)
		return print_line(buf_as_span(text));
	if (d->i->form == FORM_JSONL)
		screen_fit_json(&fit, buf_as_span(text), d->i->screen.utf8);
	else
		screen_fit(&fit, buf_as_span(text), d->i->screen.utf8);
	return print_line(buf_as_span(&fit));
}

static enum exit_status put_difference(struct diff *d, struct buf *document, const char *path, struct span a,
                                       struct span b)
{
	OWNED_BUF line = {0};

	d->count++;
	switch (d->i->form) {
	case FORM_PEOPLE: put_row(d, path, a, b); return EXIT_OK;
	case FORM_JSON:
		buf_text(document, d->count > 1 ? "," : "");
		add_json(document, path, a, b);
		return EXIT_OK;
	case FORM_JSONL: add_json(&line, path, a, b); return put_line(d, &line);
	case FORM_PLAIN: add_plain(&line, path, a, b); return put_line(d, &line);
	case FORM_IDS: buf_text(&line, path); return put_line(d, &line);
	}
	return EXIT_OK;
}

/* ---- both lists side by side, in the first's order; what only the second has stands behind what precedes it
 * there */

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct leaf *)a)->path, ((const struct leaf *)b)->path);
}

/* A leaf of the list and its place in it. */
struct placed {
	struct leaf leaf;
	size_t place;
};

static int by_placed_path(const void *a, const void *b)
{
	return by_path(&((const struct placed *)a)->leaf, &((const struct placed *)b)->leaf);
}

static struct placed *sorted(const struct leaves *l)
{
	struct placed *copy = mem_alloc(l->count * sizeof *copy);

	for (size_t i = 0; i < l->count; i++)
		copy[i] = (struct placed){l->at[i], i};
	qsort(copy, l->count, sizeof *copy, by_placed_path);
	return copy;
}

/* The first whose path does not come before this one. */
static size_t lower_bound(const struct placed *in, size_t count, const char *path)
{
	size_t low = 0;

	while (low < count) {
		size_t middle = low + (count - low) / 2;
		if (strcmp(in[middle].leaf.path, path) < 0)
			low = middle + 1;
		else
			count = middle;
	}
	return low;
}

/* An empty object or array of one side, where the other's has members: these are the difference. */
static bool is_filled(const struct leaf *empty, const struct placed *other, size_t count)
{
	OWNED_BUF inside = {0};
	enum scan_kind kind = scan_kind(empty->value);

	if (kind != SCAN_OBJECT && kind != SCAN_ARRAY)
		return false;
	buf_text(&inside, empty->path);
	buf_char(&inside, kind == SCAN_OBJECT ? '.' : '[');
	size_t len = inside.len;
	buf_char(&inside, '\0');
	size_t at = lower_bound(other, count, inside.at);
	return at < count && strncmp(other[at].leaf.path, inside.at, len) == 0;
}

static const struct placed *find(const struct placed *in, size_t count, const char *path)
{
	struct placed key = {.leaf.path = path};
	return count > 0 ? bsearch(&key, in, count, sizeof *in, by_placed_path) : NULL;
}

/* What the path lies in, where that is a leaf here: an object or array that is empty, or no such thing. */
static const struct placed *find_around(const struct placed *in, size_t count, const char *path)
{
	OWNED_BUF outer = {0};
	const struct placed *found = NULL;

	buf_text(&outer, path);
	for (size_t len = outer.len; !found && len > 0; len--)
		if (outer.at[len - 1] == '.' || outer.at[len - 1] == '[') {
			outer.at[len - 1] = '\0';
			found = find(in, count, outer.at);
		}
	return found;
}

/* A leaf that only the second has: behind how many of the first's it comes. */
struct addition {
	struct leaf leaf;
	size_t behind, place;
};

static int by_position(const void *a, const void *b)
{
	const struct addition *x = a, *y = b;

	if (x->behind != y->behind)
		return x->behind < y->behind ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

static struct addition *additions(const struct leaves *a, const struct leaves *b, size_t *count)
{
	struct placed *in_a = sorted(a);
	struct addition *out = mem_alloc(b->count * sizeof *out);
	size_t behind = 0;

	*count = 0;
	for (size_t l = 0; l < b->count; l++) {
		const struct placed *there = find(in_a, a->count, b->at[l].path);
		const struct placed *around = there ? there : find_around(in_a, a->count, b->at[l].path);
		if (around)
			behind = around->place + 1;
		if (!there && !is_filled(&b->at[l], in_a, a->count))
			out[(*count)++] = (struct addition){b->at[l], behind, l};
	}
	free(in_a);
	qsort(out, *count, sizeof *out, by_position);
	return out;
}

static bool is_nothing(struct span value)
{
	return !value.at || scan_kind(value) == SCAN_NULL;
}

/* 1 and 1.0 are the same number, null and absent the same nothing. */
static bool same(struct span a, struct span b)
{
	int64_t whole;
	double from, to;

	if (!a.at || !b.at)
		return is_nothing(a) && is_nothing(b);
	if (span_is(a, b))
		return true;
	return scan_kind(a) == SCAN_NUMBER && scan_kind(b) == SCAN_NUMBER && a.len < 16 && b.len < 16 &&
	       scan_number(a, &whole, &from) != SCAN_NAN && scan_number(b, &whole, &to) != SCAN_NAN && from == to;
}

static enum exit_status put_if_different(struct diff *d, struct buf *document, const char *path,
                                         struct span a, struct span b)
{
	return same(a, b) || is_left_out(d, path) ? EXIT_OK : put_difference(d, document, path, a, b);
}

static enum exit_status compare(struct diff *d, struct buf *document)
{
	static const struct span absent = {0};
	const struct leaves *a = &d->sides[0], *b = &d->sides[1];
	struct placed *in_b = sorted(b);
	size_t count, added = 0;
	struct addition *only_b = additions(a, b, &count);
	enum exit_status status = EXIT_OK;

	for (size_t l = 0; status == EXIT_OK && l <= a->count; l++) {
		for (; status == EXIT_OK && added < count && only_b[added].behind == l; added++)
			status = put_if_different(d, document, only_b[added].leaf.path, absent,
			                          only_b[added].leaf.value);
		if (status != EXIT_OK || l == a->count)
			break;
		const struct placed *other = find(in_b, b->count, a->at[l].path);
		if (!other && is_filled(&a->at[l], in_b, b->count))
			continue;
		status = put_if_different(d, document, a->at[l].path, a->at[l].value,
		                          other ? other->leaf.value : absent);
	}
	free(in_b);
	free(only_b);
	return status;
}

/* ---- the whole */

static void begin(struct diff *d, struct buf *document)
{
	d->table.screen = &d->i->screen;
	table_column(&d->table, "", 0, 8, false);
	d->table.columns[0].end = true; /* meta.metrics.… is the same for many */
	table_column(&d->table, d->ids[0], 0, 8, false);
	table_column(&d->table, d->ids[1], 0, 8, false);
	table_column(&d->table, "", 1, 0, false);
	buf_text(document, "{\"a\":");
	buf_string(document, span_of(d->ids[0]));
	buf_text(document, ",\"b\":");
	buf_string(document, span_of(d->ids[1]));
	buf_text(document, ",\"differences\":[");
}

static enum exit_status put_header(const struct diff *d)
{
	OWNED_BUF line = {0};

	if (d->i->form != FORM_PLAIN || !given_on(&d->i->given, "header"))
		return EXIT_OK;
	buf_printf(&line, "path\t%s\t%s\n", d->ids[0], d->ids[1]);
	return print_buf(&line);
}

static enum exit_status show(struct diff *d)
{
	OWNED_BUF document = {0};
	enum exit_status status = put_header(d);

	begin(d, &document);
	if (status == EXIT_OK)
		status = compare(d, &document);
	if (status == EXIT_OK && d->i->form == FORM_PEOPLE)
		status = table_print(&d->table);
	buf_text(&document, "]}");
	if (status == EXIT_OK && d->i->form == FORM_JSON)
		status = show_json(d->i, buf_as_span(&document));
	if (status == EXIT_OK && d->i->form == FORM_PEOPLE && d->count == 0)
		fputs("no differences\n", stderr);
	if (status == EXIT_OK && d->count > 0 && given_on(&d->i->given, "exit-code"))
		return EXIT_FAILED;
	return status;
}

static enum exit_status diff(struct diff *d)
{
	persist_result *runs[2] = {NULL, NULL};
	enum exit_status status = get_both(d, runs);

	for (size_t side = 0; status == EXIT_OK && side < 2; side++) {
		struct span record;
		record.at = persist_result_text(runs[side], &record.len);
		leaves_read(&d->sides[side], record);
	}
	if (status == EXIT_OK)
		status = show(d);
	persist_result_free(runs[0]);
	persist_result_free(runs[1]);
	return status;
}

enum exit_status diff_run(struct invocation *i)
{
	struct diff d = {.i = i};
	enum exit_status status;

	if (i->given.operand_count != 2)
		return help_missing(i->command, "run diff needs two runs' ids, not %zu", i->given.operand_count);
	status = method_judge_ids(i);
	if (status != EXIT_OK)
		return status;
	d.ids[0] = i->given.operands[0];
	d.ids[1] = i->given.operands[1];
	show_fields(i, &d.only);
	status = diff(&d);
	leaves_free(&d.sides[0]);
	leaves_free(&d.sides[1]);
	path_list_free(&d.only);
	table_free(&d.table);
	return status;
}
