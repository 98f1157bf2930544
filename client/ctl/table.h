/* table: records as aligned columns, for a terminal.
 *
 * The widths are chosen by the first page that is printed and then stay, so that a list of any length is
 * printed in the memory of one page. Where the terminal is too narrow, very long ids are cut first, then
 * columns give up what they can do without, then the least important ones go, and in the end the first is
 * cut. */
#pragma once
#include "client/ctl/paint.h"
#include "client/ctl/session.h"

enum { TABLE_COLUMNS_MAX = 48 };

struct column {
	char title[64];  /* cut where it is longer */
	unsigned rank;   /* 0: stays; else the highest goes first */
	unsigned least;  /* it may be cut to so many columns; 0: is shown whole or not at all */
	bool right;      /* numbers */
	bool end;        /* where it is cut, its end stays */
	bool id;         /* of 40 columns at most it stays whole; a longer one is cut in favour of the others */
};

struct table {
	const struct screen *screen;
	struct column columns[TABLE_COLUMNS_MAX];
	unsigned count;
	/* the rest is the table's own */
	unsigned widths[TABLE_COLUMNS_MAX]; /* 0: gone */
	unsigned beside_bar[TABLE_COLUMNS_MAX]; /* of the widest text that has a bar before it; 0: none has */
	bool long_id[TABLE_COLUMNS_MAX];
	bool laid_out;
	struct buf text;
	struct cell *cells;
	size_t cell_count, cell_room;
};

void table_column(struct table *t, const char *title, unsigned rank, unsigned least, bool right);
/* The next cell, row by row. The text must be fit for the screen (screen_fit). `fraction` 0..1: a bar stands
 * before it, as long as there is room; below 0: none. */
void table_cell(struct table *t, struct span fit, enum paint paint, double fraction);
/* Prints the rows so far and drops them; before the first of them the titles. No rows: nothing. */
enum exit_status table_print(struct table *t);
void table_free(struct table *t);

/* █████░░░░░ of so many columns; # and - without UTF-8. */
void table_bar(struct buf *out, const struct screen *s, double fraction, unsigned columns);
