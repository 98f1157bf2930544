/* path: fields of a record by name, "status", and what is inside them, "progress.current". */
#pragma once
#include "proto/span.h"

enum { PATHS_MAX = 48 };

/* The value at the path in a checked JSON object; false: there is none. */
bool path_find(struct span record, const char *path, struct span *value);
/* Up to its first dot: the field of the record. */
struct span path_field(const char *path);

/* "a,b.c" split at its commas. Owned: path_list_free. */
struct path_list {
	char *text;
	const char *at[PATHS_MAX];
	size_t count;
};
/* False: an empty name, or too many. */
bool path_list_read(struct path_list *l, const char *text);
void path_list_free(struct path_list *l);
