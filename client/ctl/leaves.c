#include "client/ctl/leaves.h"
#include "proto/mem.h"
#include "proto/scan.h"
#include <stdlib.h>

#define OWNED_BUF __attribute__((cleanup(buf_free))) struct buf

/* A container that is being walked through. */
struct level {
	struct scan_iter it;
	bool array;
	size_t place;    /* array: of the next element */
	size_t path_len; /* of the container itself */
};

struct walk {
	struct leaves *leaves;
	struct buf path;
	struct buf places; /* offsets of the paths in the leaves' text, which still moves */
	struct level levels[SCAN_DEPTH_WIRE];
	size_t depth;
	size_t room;
};

static void add_leaf(struct walk *w, struct span value)
{
	struct leaves *l = w->leaves;
	size_t place = l->text.len;

	if (l->count == w->room) {
		w->room = w->room ? 2 * w->room : 64;
		l->at = mem_resize(l->at, w->room * sizeof *l->at);
	}
	l->at[l->count++] = (struct leaf){NULL, value};
	buf_add(&w->places, &place, sizeof place);
	buf_span(&l->text, buf_as_span(&w->path));
	buf_char(&l->text, '\0');
}

static void enter(struct walk *w, struct span value)
{
	enum scan_kind kind = scan_kind(value);
	bool array = kind == SCAN_ARRAY;

	if ((kind != SCAN_OBJECT && !array) || scan_count(value) == 0 || w->depth == SCAN_DEPTH_WIRE) {
		add_leaf(w, value);
		return;
	}
	w->levels[w->depth++] = (struct level){
		.it = array ? scan_elements(value) : scan_members(value), .array = array, .path_len = w->path.len,
	};
}

static void add_name(struct walk *w, struct span raw)
{
	OWNED_BUF scratch = {0};
	struct span name;

	if (w->path.len > 0)
		buf_char(&w->path, '.');
	if (scan_unescape(raw, &scratch, &name))
		for (size_t i = 0; i < name.len; i++)
			buf_char(&w->path, name.at[i] ? name.at[i] : '?'); /* paths end at a NUL */
}

static void step(struct walk *w)
{
	struct level *l = &w->levels[w->depth - 1];
	struct span name = {0}, value;
	bool more = l->array ? scan_next_element(&l->it, &value) : scan_next_member(&l->it, &name, &value);

	w->path.len = l->path_len;
	if (!more) {
		w->depth--;
		return;
	}
	if (l->array)
		buf_printf(&w->path, "[%zu]", l->place++);
	else
		add_name(w, name);
	enter(w, value);
}

void leaves_read(struct leaves *l, struct span object)
{
	struct walk *w = mem_zero(sizeof *w);

	leaves_free(l);
	w->leaves = l;
	w->levels[w->depth++] = (struct level){.it = scan_members(object)};
	while (w->depth > 0)
		step(w);
	for (size_t i = 0; i < l->count; i++)
		l->at[i].path = l->text.at + ((const size_t *)(const void *)w->places.at)[i];
	buf_free(&w->path);
	buf_free(&w->places);
	free(w);
}

void leaves_free(struct leaves *l)
{
	free(l->at);
	buf_free(&l->text);
	*l = (struct leaves){0};
}
