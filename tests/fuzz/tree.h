/* tree: what jansson makes of a text, written out again: what scan_canonical has to say of the same text.
 *
 * Numbers and strings are written with buf_real, buf_int and buf_string, which have a target of their own (json.c). Nested
 * as deep as the tree: SCAN_DEPTH_WIRE where the scanner has taken the text, too. */
#pragma once
#include "proto/buf.h"
#include <jansson.h>

enum { TREE_FLAGS = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL };

static inline json_t *tree_read(struct span text)
{
	return json_loadb(text.at ? text.at : "", text.len, TREE_FLAGS, NULL);
}

/* No name of an object can have a NUL in it there, and a NUL that is no text at all is not always noticed. */
static inline bool tree_cannot_say(struct span text)
{
	return text.len && (memmem(text.at, text.len, "\\u0000", 6) || memchr(text.at, '\0', text.len));
}

static inline void tree_write(struct buf *out, json_t *tree)
{
	const char *name, *comma = "";
	size_t len, i;
	json_t *value;

	switch (json_typeof(tree)) {
	case JSON_OBJECT:
		buf_char(out, '{');
		json_object_keylen_foreach(tree, name, len, value)
		{
			buf_text(out, comma);
			comma = ",";
			buf_string(out, (struct span){name, len});
			buf_char(out, ':');
			tree_write(out, value);
		}
		buf_char(out, '}');
		break;
	case JSON_ARRAY:
		buf_char(out, '[');
		json_array_foreach(tree, i, value)
		{
			if (i)
				buf_char(out, ',');
			tree_write(out, value);
		}
		buf_char(out, ']');
		break;
	case JSON_STRING:
		buf_string(out, (struct span){json_string_value(tree), json_string_length(tree)});
		break;
	case JSON_INTEGER:
		buf_int(out, json_integer_value(tree));
		break;
	case JSON_REAL:
		buf_real(out, json_real_value(tree));
		break;
	case JSON_TRUE:
		buf_text(out, "true");
		break;
	case JSON_FALSE:
		buf_text(out, "false");
		break;
	case JSON_NULL:
		buf_text(out, "null");
		break;
	}
}
