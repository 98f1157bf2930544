/* json_tree: a jansson tree as JSON text.
 *
 * jansson itself prints reals with 17 digits and recurses; here they are the shortest that reads back, and
 * nesting costs a place in a list of bounded length. */
#pragma once
#include "proto/buf.h"

struct json_t;
enum { JSON_TREE_DEPTH = 128 };

/* Appends it. NULL, or what is wrong with it; `path` then says where: .payload.legs[3] */
const char *json_tree_write(struct buf *out, const struct json_t *tree, unsigned depth, struct buf *path);
