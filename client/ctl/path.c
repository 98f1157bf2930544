#include "client/ctl/path.h"
#include "proto/mem.h"
#include "proto/scan.h"
#include <stdlib.h>

static bool find_part(struct span object, struct span part, struct span *value)
{
	struct span name, member;
	__attribute__((cleanup(buf_free))) struct buf scratch = {0};

	if (scan_kind(object) != SCAN_OBJECT)
		return false;
	for (struct scan_iter it = scan_members(object); scan_next_member(&it, &name, &member);) {
		struct span text;
		scratch.len = 0;
		if (scan_unescape(name, &scratch, &text) && span_is(text, part)) {
			*value = member;
			return true;
		}
	}
	return false;
}

struct span path_field(const char *path)
{
	return (struct span){path, strcspn(path, ".")};
}

bool path_find(struct span record, const char *path, struct span *value)
{
	*value = record;
	for (;;) {
		struct span part = path_field(path);
		if (!find_part(*value, part, value))
			return false;
		if (!path[part.len])
			return true;
		path += part.len + 1;
	}
}

bool path_list_read(struct path_list *l, const char *text)
{
	*l = (struct path_list){.text = mem_copy(text, strlen(text) + 1)};
	for (char *at = l->text;; at++) {
		size_t len = strcspn(at, ",");
		if (len == 0 || l->count == PATHS_MAX) {
			path_list_free(l);
			return false;
		}
		l->at[l->count++] = at;
		at += len;
		if (!*at)
			return true;
		*at = '\0';
	}
}

void path_list_free(struct path_list *l)
{
	free(l->text);
	*l = (struct path_list){0};
}
