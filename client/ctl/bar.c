#include "client/ctl/bar.h"
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { REDRAW_MICROS = 100000, BAR_MOST = 40, TEXT_ROOM = 48 };

static const char erase[] = "\r\033[K";
static volatile sig_atomic_t any_shown;

static int64_t monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

void bar_start(struct bar *b, const char *what, uint64_t total)
{
	*b = (struct bar){.what = what, .total = total};
	screen_init(&b->screen, STDERR_FILENO, "never");
}

static void draw_blocks(struct buf *out, const struct screen *s, uint64_t done, uint64_t total,
                        unsigned columns)
{
	unsigned full = (unsigned)((double)done / (double)total * columns);

	for (unsigned i = 0; i < columns; i++)
		buf_text(out, i < full ? (s->utf8 ? "█" : "#") : s->utf8 ? "░" : "-");
}

static void draw(struct bar *b, uint64_t done)
{
	__attribute__((cleanup(buf_free))) struct buf line = {0}, cut = {0};
	unsigned room = b->screen.columns > TEXT_ROOM ? b->screen.columns - TEXT_ROOM : 0;

	buf_printf(&line, "%s ", b->what);
	if (b->total > 0) {
		draw_blocks(&line, &b->screen, done, b->total, room < BAR_MOST ? room : BAR_MOST);
		buf_printf(&line, " %3u %%  ", (unsigned)((double)done / (double)b->total * 100));
	}
	screen_number(&line, done);
	if (b->total > 0) {
		buf_text(&line, " of ");
		screen_number(&line, b->total);
	}
	/* the last column stays free: some terminals wrap when it is written */
	screen_cut(&cut, buf_as_span(&line), b->screen.columns - 1, b->screen.utf8);
	fprintf(stderr, "\r%.*s\033[K", (int)cut.len, cut.at);
	fflush(stderr);
	any_shown = 1;
	b->shown = true;
}

void bar_set(struct bar *b, uint64_t done)
{
	int64_t now;

	if (!b->screen.terminal)
		return;
	now = monotonic();
	if (b->drawn_at != 0 && now - b->drawn_at < REDRAW_MICROS)
		return;
	b->drawn_at = now;
	draw(b, b->total > 0 && done > b->total ? b->total : done);
}

void bar_total(struct bar *b, uint64_t total)
{
	b->total = total;
}

void bar_clear(struct bar *b)
{
	if (!b->shown)
		return;
	fputs(erase, stderr);
	fflush(stderr);
	any_shown = 0;
	b->shown = false;
	b->drawn_at = 0;
}

void bar_end(struct bar *b)
{
	bar_clear(b);
	b->screen.terminal = false;
}

void bar_interrupted(void)
{
	ssize_t written = any_shown ? write(STDERR_FILENO, erase, sizeof erase - 1) : 0;
	(void)written;
}
