/* object: the text of a JSON object that is put together member by member. */
#pragma once
#include "proto/buf.h"

/* Sets a member: replaces the value of the name that is there already, else adds at the end. `object` holds
 * the text of a checked object ("{}" to start); `name` is UTF-8, `value` checked JSON. */
void object_set(struct buf *object, struct span name, struct span value);
/* Sets every member of `from`, a checked object. */
void object_merge(struct buf *object, struct span from);
