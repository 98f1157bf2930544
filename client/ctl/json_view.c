#include "client/ctl/json_view.h"
#include "proto/scan.h"

#define OWNED_BUF __attribute__((cleanup(buf_free))) struct buf
enum { STEP = 2, DEEPEST_INDENT = 40, ROOM_LEAST = 20 };

struct viewing {
	struct buf *out;
	const struct screen *screen;
	const char *at, *end;
	unsigned indent, room, depth;
	bool flat; /* until flat_end */
	const char *flat_end;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void skip_blanks(struct viewing *v)
{
	while (v->at < v->end && is_blank(*v->at))
		v->at++;
}

static const char *string_end(const char *at, const char *end)
{
	for (at++; at < end && *at != '"'; at++)
		if (*at == '\\')
			at++;
	return at < end ? at + 1 : end;
}

/* Where the container at `at` ends, if that is within so many bytes; NULL: it is not. */
static const char *near_end(const char *at, const char *end, size_t within)
{
	const char *limit = (size_t)(end - at) < within ? end : at + within;
	size_t depth = 0;

	while (at < limit) {
		if (*at == '"') {
			at = string_end(at, end);
			continue;
		}
		if (*at == '{' || *at == '[')
			depth++;
		else if ((*at == '}' || *at == ']') && --depth == 0)
			return at + 1;
		at++;
	}
	return NULL;
}

static void new_line(struct viewing *v)
{
	unsigned deep = v->depth * STEP;

	buf_char(v->out, '\n');
	screen_pad(v->out, v->indent + (deep < DEEPEST_INDENT ? deep : DEEPEST_INDENT));
}

static bool is_empty(const struct viewing *v)
{
	const char *at = v->at + 1;

	while (at < v->end && is_blank(*at))
		at++;
	return at < v->end && (*at == '}' || *at == ']');
}

/* On one line it takes a blank behind each comma and colon more than its bytes. */
static bool fits(const struct viewing *v, const char *stop)
{
	unsigned width = 0, used = v->depth * STEP,
			 room = v->room > used + ROOM_LEAST ? v->room - used : ROOM_LEAST;

	for (const char *at = v->at; at < stop; at++)
		width += 1 + (*at == ',' || *at == ':') - (((unsigned char)*at & 0xc0) == 0x80);
	return width <= room;
}

static void open_container(struct viewing *v)
{
	const char *stop = v->flat ? NULL : near_end(v->at, v->end, v->room * 4 + ROOM_LEAST);
	bool empty = is_empty(v);

	if (stop && !empty && fits(v, stop)) {
		v->flat = true;
		v->flat_end = stop;
	}
	buf_char(v->out, *v->at++);
	v->depth++;
	if (!v->flat && !empty)
		new_line(v);
}

static void close_container(struct viewing *v)
{
	char opened = *v->at == '}' ? '{' : '[';
	bool empty = v->out->len > 0 && v->out->at[v->out->len - 1] == opened;

	if (v->depth > 0)
		v->depth--;
	if (!v->flat && !empty)
		new_line(v);
	buf_char(v->out, *v->at++);
	if (v->flat && v->at >= v->flat_end)
		v->flat = false;
}

static void separator(struct viewing *v)
{
	char c = *v->at++;

	buf_char(v->out, c);
	if (c == ':' || v->flat)
		buf_char(v->out, ' ');
	else
		new_line(v);
}

static void scalar(struct viewing *v)
{
	const char *start = v->at;

	if (*v->at == '"')
		v->at = string_end(v->at, v->end);
	else
		while (v->at < v->end && !strchr(",:{}[]\"", *v->at) && !is_blank(*v->at))
			v->at++;
	if (v->at == start) /* not JSON */
		v->at++;
	screen_fit_json(v->out, (struct span){start, (size_t)(v->at - start)}, v->screen->utf8);
}

void json_view(struct buf *out, const struct screen *s, struct span json, unsigned indent, unsigned room)
{
	struct viewing v = {out, s, json.at, json.at + json.len, indent, room, 0, false, NULL};

	for (skip_blanks(&v); v.at < v.end; skip_blanks(&v)) {
		if (*v.at == '{' || *v.at == '[')
			open_container(&v);
		else if (*v.at == '}' || *v.at == ']')
			close_container(&v);
		else if (*v.at == ',' || *v.at == ':')
			separator(&v);
		else
			scalar(&v);
	}
}
