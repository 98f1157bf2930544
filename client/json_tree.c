#include "client/json_tree.h"
#include <assert.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>

/* A container that is being written, and how far that is. */
struct level {
	json_t *container;
	void *member;  /* of an object: the next */
	const char *name; /* of an object: of the one that is being written */
	size_t place;  /* of an array: the next; of an object: how many have been written */
};

static void write_scalar(struct buf *out, const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_STRING:
		buf_string(out, (struct span){json_string_value(v), json_string_length(v)});
		break;
	case JSON_INTEGER: buf_int(out, json_integer_value(v)); break;
	case JSON_REAL: buf_real(out, json_real_value(v)); break;
	case JSON_TRUE: buf_text(out, "true"); break;
	case JSON_FALSE: buf_text(out, "false"); break;
	case JSON_NULL: buf_text(out, "null"); break;
	case JSON_OBJECT: case JSON_ARRAY: break;
	}
}

static void begin(struct buf *out, struct level *l, json_t *container)
{
	*l = (struct level){.container = container};
	if (json_is_object(container))
		l->member = json_object_iter(container);
	buf_char(out, json_is_object(container) ? '{' : '[');
}

/* The next value of the container, after its comma and name; NULL: it has ended. */
static json_t *next_value(struct buf *out, struct level *l)
{
	json_t *v;

	if (json_is_array(l->container)) {
		v = json_array_get(l->container, l->place);
		if (v && l->place > 0)
			buf_char(out, ',');
	} else {
		if (!l->member)
			return NULL;
		if (l->place > 0)
			buf_char(out, ',');
		l->name = json_object_iter_key(l->member);
		buf_string(out, (struct span){l->name, json_object_iter_key_len(l->member)});
		buf_char(out, ':');
		v = json_object_iter_value(l->member);
		l->member = json_object_iter_next(l->container, l->member);
	}
	l->place++;
	return v;
}

static const char *fault_of(const json_t *v)
{
	if (!v)
		return "not a value";
	if (json_is_real(v) && !isfinite(json_real_value(v)))
		return "a number that is not finite (NaN is not JSON: use null)";
	return NULL;
}

static void say_path(struct buf *path, const struct level *levels, unsigned open)
{
	for (unsigned i = 0; i < open; i++) {
		if (json_is_object(levels[i].container))
			buf_printf(path, ".%s", levels[i].name);
		else
			buf_printf(path, "[%zu]", levels[i].place - 1);
	}
}

const char *json_tree_write(struct buf *out, const json_t *tree, unsigned depth, struct buf *path)
{
	struct level levels[JSON_TREE_DEPTH];
	unsigned open = 0;
	json_t *v = (json_t *)tree;

	assert(depth <= JSON_TREE_DEPTH);
	do {
		const char *fault = fault_of(v);
		bool nested = json_is_object(v) || json_is_array(v);
		if (!fault && nested && open == depth)
			fault = "nested too deep";
		if (fault) {
			say_path(path, levels, open);
			return fault;
		}
		if (nested)
			begin(out, &levels[open++], v);
		else
			write_scalar(out, v);
		while (open > 0 && !(v = next_value(out, &levels[open - 1]))) {
			open--;
			buf_char(out, json_is_object(levels[open].container) ? '}' : ']');
		}
	} while (open > 0);
	return NULL;
}
