#include "client/value.h"
#include "client/trouble.h"
#include "proto/scan.h"
#include <jansson.h>

static bool tree_put(struct buf *out, const json_t *j, unsigned depth, const char *field, persist_error *e);

static bool object_put(struct buf *out, const json_t *j, unsigned depth, const char *field, persist_error *e)
{
	const char *before = "{";
	/* jansson's iterators do not change the object, though they take it as if they did */
	json_t *object = (json_t *)j;
	for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
		buf_text(out, before);
		before = ",";
		buf_string(out, (struct span){json_object_iter_key(it), json_object_iter_key_len(it)});
		buf_char(out, ':');
		if (!tree_put(out, json_object_iter_value(it), depth, field, e))
			return false;
	}
	buf_text(out, *before == '{' ? "{}" : "}");
	return true;
}

static bool array_put(struct buf *out, const json_t *j, unsigned depth, const char *field, persist_error *e)
{
	buf_char(out, '[');
	for (size_t i = 0; i < json_array_size(j); i++) {
		if (i)
			buf_char(out, ',');
		if (!tree_put(out, json_array_get(j, i), depth, field, e))
			return false;
	}
	buf_char(out, ']');
	return true;
}

/* Recursion is bounded: the daemon takes no more levels than these. */
static bool tree_put(struct buf *out, const json_t *j, unsigned depth, const char *field, persist_error *e)
{
	if (depth == 0) {
		trouble_argument(e, field, "at most %d levels of arrays and objects", SCAN_DEPTH_WIRE);
		return false;
	}
	switch (json_typeof(j)) {
	case JSON_OBJECT: return object_put(out, j, depth - 1, field, e);
	case JSON_ARRAY: return array_put(out, j, depth - 1, field, e);
	case JSON_STRING: buf_string(out, (struct span){json_string_value(j), json_string_length(j)}); return true;
	case JSON_INTEGER: buf_int(out, json_integer_value(j)); return true;
	case JSON_REAL: buf_real(out, json_real_value(j)); return true;
	case JSON_TRUE: buf_text(out, "true"); return true;
	case JSON_FALSE: buf_text(out, "false"); return true;
	case JSON_NULL: buf_text(out, "null"); return true;
	}
	return true;
}

/* White space can only stand between tokens of checked JSON: a blank does as well, and keeps it on one line. */
static void text_put(struct buf *out, struct span text)
{
	size_t from = out->len;
	buf_span(out, text);
	for (char *c = out->at + from; (c = memchr(c, '\n', (size_t)(out->at + out->len - c)));)
		*c = ' ';
}

bool value_put(struct buf *out, persist_value v, const char *field, persist_error *e)
{
	struct scan_report report;
	size_t before = out->len;
	struct span text = {v.text, v.len};
	if (v.json) {
		if (tree_put(out, v.json, SCAN_DEPTH_WIRE + 1, field, e))
			return true;
		out->len = before;
		return false;
	}
	if (!v.text)
		return true;
	switch (scan_check(text, SCAN_DEPTH_WIRE, &report)) {
	case SCAN_OK:
		text_put(out, text);
		return true;
	case SCAN_DEEP:
		trouble_argument(e, field, "at most %d levels of arrays and objects", SCAN_DEPTH_WIRE);
		return false;
	case SCAN_DUPLICATE:
		trouble_argument(e, field, "each name once in an object (byte %zu)", report.at + 1);
		return false;
	case SCAN_SYNTAX: case SCAN_MORE:
		trouble_argument(e, field, "JSON; at byte %zu %s", report.at + 1, report.expected ? report.expected : "a value");
		return false;
	}
	return false;
}

bool value_put_text(struct buf *out, const char *text, const char *field, persist_error *e)
{
	struct scan_report report;
	size_t before = out->len;
	buf_string(out, span_of(text));
	if (scan_check((struct span){out->at + before, out->len - before}, 1, &report) == SCAN_OK)
		return true;
	out->len = before;
	trouble_argument(e, field, "valid UTF-8");
	return false;
}
