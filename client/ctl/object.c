#include "client/ctl/object.h"
#include "proto/scan.h"

static bool name_is(struct span raw, struct span name)
{
	__attribute__((cleanup(buf_free))) struct buf scratch = {0};
	struct span text;

	return scan_unescape(raw, &scratch, &text) && span_is(text, name);
}

static void add_separator(struct buf *out)
{
	if (out->at[out->len - 1] != '{')
		buf_char(out, ',');
}

void object_set(struct buf *object, struct span name, struct span value)
{
	struct buf out = {0};
	struct span raw, member;
	bool found = false;

	buf_char(&out, '{');
	for (struct scan_iter it = scan_members(buf_as_span(object)); scan_next_member(&it, &raw, &member);) {
		bool here = name_is(raw, name);
		add_separator(&out);
		buf_printf(&out, "\"%.*s\":", (int)raw.len, raw.at);
		buf_span(&out, here ? value : member);
		found = found || here;
	}
	if (!found) {
		add_separator(&out);
		buf_string(&out, name);
		buf_char(&out, ':');
		buf_span(&out, value);
	}
	buf_char(&out, '}');
	buf_free(object);
	*object = out;
}

void object_merge(struct buf *object, struct span from)
{
	struct span raw, member;

	for (struct scan_iter it = scan_members(from); scan_next_member(&it, &raw, &member);) {
		__attribute__((cleanup(buf_free))) struct buf scratch = {0};
		struct span name;
		if (scan_unescape(raw, &scratch, &name))
			object_set(object, name, member);
	}
}
