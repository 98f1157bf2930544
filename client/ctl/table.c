#include "client/ctl/table.h"
#include "client/ctl/print.h"
#include "proto/mem.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { GAP = 2, BAR_COLUMNS = 10, BAR_LEAST = 4 };
/* A UUID and the ids that the daemon makes can be copied; one that is cut anyway only has to be recognised. */
enum { ID_WHOLE = 40, ID_CUT = 32, ID_LEAST = 20 };

struct cell {
	size_t at, len; /* in the table's text */
	enum paint paint;
	double fraction;
};

void table_column(struct table *t, const char *title, unsigned rank, unsigned least, bool right)
{
	struct column *c = &t->columns[t->count++];
	__attribute__((cleanup(buf_free))) struct buf fit = {0};

	assert(t->count <= TABLE_COLUMNS_MAX);
	*c = (struct column){.rank = rank, .least = least, .right = right};
	screen_fit(&fit, span_of(title), t->screen->utf8);
	snprintf(c->title, sizeof c->title, "%.*s", (int)fit.len, fit.len > 0 ? fit.at : "");
}

void table_cell(struct table *t, struct span fit, enum paint paint, double fraction)
{
	if (t->cell_count == t->cell_room) {
		t->cell_room = t->cell_room ? 2 * t->cell_room : 256;
		t->cells = mem_resize(t->cells, t->cell_room * sizeof *t->cells);
	}
	t->cells[t->cell_count++] = (struct cell){t->text.len, fit.len, paint, fraction};
	buf_span(&t->text, fit);
}

static struct span cell_text(const struct table *t, const struct cell *c)
{
	return (struct span){t->text.at + c->at, c->len};
}

static unsigned natural_width(struct table *t, unsigned column)
{
	unsigned widest = screen_width(span_of(t->columns[column].title)), beside = 0;

	for (size_t i = column; i < t->cell_count; i += t->count) {
		const struct cell *c = &t->cells[i];
		unsigned width = screen_width(cell_text(t, c));
		if (width > widest)
			widest = width;
		if (c->fraction >= 0 && width + 1 > beside)
			beside = width + 1;
	}
	t->beside_bar[column] = beside;
	if (beside > 0 && beside + BAR_COLUMNS > widest)
		widest = beside + BAR_COLUMNS;
	return widest < t->screen->columns ? widest : t->screen->columns;
}

static unsigned total_width(const struct table *t)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < t->count; i++)
		sum += t->widths[i] ? t->widths[i] + GAP : 0;
	return sum ? sum - GAP : 0;
}

static bool can_give(const struct table *t, unsigned column, unsigned rank)
{
	const struct column *c = &t->columns[column];
	return t->widths[column] > c->least && c->rank == rank && c->least > 0;
}

/* Columns that may be cut give what is missing, the widest first. */
static void squeeze(struct table *t, unsigned rank)
{
	unsigned total = total_width(t);

	for (; total > t->screen->columns; total--) {
		unsigned widest = t->count;
		for (unsigned i = 0; i < t->count; i++)
			if (can_give(t, i, rank) && (widest == t->count || t->widths[i] >= t->widths[widest]))
				widest = i;
		if (widest == t->count)
			return;
		t->widths[widest]--;
	}
}

/* Down to so many columns, as far as that is needed. */
static void cut_long_ids(struct table *t, unsigned least)
{
	for (unsigned i = 0; i < t->count; i++) {
		unsigned total = total_width(t), over = total > t->screen->columns ? total - t->screen->columns : 0;
		unsigned spare = t->long_id[i] && t->widths[i] > least ? t->widths[i] - least : 0;
		t->widths[i] -= over < spare ? over : spare;
	}
}

static unsigned highest_rank(const struct table *t)
{
	unsigned highest = 0;

	for (unsigned i = 0; i < t->count; i++)
		if (t->widths[i] && t->columns[i].rank > highest)
			highest = t->columns[i].rank;
	return highest;
}

static void drop(struct table *t, unsigned rank)
{
	for (unsigned i = t->count; i > 0; i--) {
		if (t->widths[i - 1] && t->columns[i - 1].rank == rank) {
			t->widths[i - 1] = 0;
			return;
		}
	}
}

static void cut_first(struct table *t)
{
	unsigned total = total_width(t);

	for (unsigned i = 0; i < t->count && total > t->screen->columns; i++) {
		if (t->widths[i] == 0)
			continue;
		unsigned over = total - t->screen->columns;
		t->widths[i] = t->widths[i] > over + 1 ? t->widths[i] - over : 1;
		total = total_width(t);
	}
}

static void natural_widths(struct table *t, const bool *gone)
{
	for (unsigned i = 0; i < t->count; i++) {
		t->widths[i] = gone[i] ? 0 : natural_width(t, i);
		t->long_id[i] = t->columns[i].id && t->widths[i] > ID_WHOLE;
	}
}

static void lay_out(struct table *t)
{
	bool gone[TABLE_COLUMNS_MAX] = {false};
	unsigned highest;

	for (;;) {
		natural_widths(t, gone);
		highest = highest_rank(t);
		cut_long_ids(t, ID_CUT);
		for (unsigned rank = highest + 1; rank > 0; rank--)
			squeeze(t, rank - 1);
		cut_long_ids(t, ID_LEAST);
		if (total_width(t) <= t->screen->columns || highest == 0)
			break;
		drop(t, highest);
		for (unsigned i = 0; i < t->count; i++)
			gone[i] = t->widths[i] == 0;
	}
	cut_first(t);
	t->laid_out = true;
}

void table_bar(struct buf *out, const struct screen *s, double fraction, unsigned columns)
{
	double full = (fraction < 0 ? 0 : fraction > 1 ? 1 : fraction) * columns;

	for (unsigned i = 0; i < columns; i++)
		buf_text(out, i + 1 <= full ? (s->utf8 ? "█" : "#") : s->utf8 ? "░" : "-");
}

/* The bar takes what the widest text leaves, and goes where that is too little to tell anything. */
static unsigned put_bar(struct buf *out, const struct table *t, unsigned column, const struct cell *c)
{
	unsigned text = screen_width(cell_text(t, c)), width = t->widths[column], beside = t->beside_bar[column];
	unsigned room = width > beside ? width - beside : 0;

	if (c->fraction < 0 || room < BAR_LEAST || text > beside)
		return 0;
	if (room > BAR_COLUMNS)
		room = BAR_COLUMNS;
	table_bar(out, t->screen, c->fraction, room);
	screen_pad(out, beside - text);
	return room + beside - text;
}

static void put_cell(struct buf *out, const struct table *t, unsigned column, const struct cell *c, bool last)
{
	__attribute__((cleanup(buf_free))) struct buf cut = {0};
	unsigned width = t->widths[column], before = put_bar(out, t, column, c);
	unsigned taken = (t->columns[column].end ? screen_cut_start : screen_cut)(
		&cut, cell_text(t, c), width - before, t->screen->utf8);

	if (t->columns[column].right)
		screen_pad(out, width - before - taken);
	paint_text(out, t->screen, c->paint, buf_as_span(&cut));
	if (!last && !t->columns[column].right)
		screen_pad(out, width - before - taken);
	if (!last)
		screen_pad(out, GAP);
}

static unsigned last_column(const struct table *t)
{
	unsigned last = 0;

	for (unsigned i = 0; i < t->count; i++)
		if (t->widths[i])
			last = i;
	return last;
}

/* Blanks at the end of a line are nobody's wish when it is copied. */
static void end_line(struct buf *out)
{
	while (out->len > 0 && out->at[out->len - 1] == ' ')
		out->len--;
	buf_char(out, '\n');
}

static enum exit_status print_titles(const struct table *t)
{
	__attribute__((cleanup(buf_free))) struct buf line = {0};
	unsigned last = last_column(t);

	for (unsigned i = 0; i < t->count; i++) {
		__attribute__((cleanup(buf_free))) struct buf title = {0};
		if (t->widths[i] == 0)
			continue;
		unsigned width = screen_cut(&title, span_of(t->columns[i].title), t->widths[i], t->screen->utf8);
		if (t->columns[i].right)
			screen_pad(&line, t->widths[i] - width);
		paint_text(&line, t->screen, PAINT_TITLE, buf_as_span(&title));
		if (i == last)
			break;
		screen_pad(&line, (t->columns[i].right ? 0 : t->widths[i] - width) + GAP);
	}
	end_line(&line);
	return print_buf(&line);
}

static enum exit_status print_row(const struct table *t, const struct cell *row)
{
	__attribute__((cleanup(buf_free))) struct buf line = {0};
	unsigned last = last_column(t);

	for (unsigned i = 0; i < t->count; i++)
		if (t->widths[i])
			put_cell(&line, t, i, &row[i], i == last);
	end_line(&line);
	return print_buf(&line);
}

enum exit_status table_print(struct table *t)
{
	enum exit_status status = EXIT_OK;

	assert(t->count > 0 && t->cell_count % t->count == 0);
	if (t->cell_count == 0)
		return EXIT_OK;
	if (!t->laid_out) {
		lay_out(t);
		status = print_titles(t);
	}
	for (size_t i = 0; status == EXIT_OK && i < t->cell_count; i += t->count)
		status = print_row(t, &t->cells[i]);
	t->cell_count = 0;
	t->text.len = 0;
	return status;
}

void table_free(struct table *t)
{
	buf_free(&t->text);
	free(t->cells);
	t->cells = NULL;
}
