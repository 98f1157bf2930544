#include "client/args.h"
#include "client/failure.h"
#include "client/json_tree.h"
#include "proto/scan.h"
#include <math.h>
#include <stdio.h>

#define WHOLE_REALS 9007199254740992.0 /* 2^53: below, each whole number has a double of its own */

static int refuse(persist_error *error, const char *name, const char *expected, const char *message)
{
	failure_set(error, PERSIST_E_ARGUMENT, PERSIST_DID_NOT_HAPPEN, "%s: %s", name, message);
	failure_field(error, name);
	failure_expected(error, "%s", expected);
	return error->code;
}

static bool is_utf8(struct span text)
{
	struct scan_report report;
	struct buf quoted = {0};
	size_t plain = 0;

	while (plain < text.len && (unsigned char)text.at[plain] < 0x80)
		plain++;
	if (plain == text.len)
		return true;
	buf_string(&quoted, text);
	bool ok = scan_check(buf_as_span(&quoted), 1, &report) == SCAN_OK;
	buf_free(&quoted);
	return ok;
}

/* job, and the way from there on: job.payload.legs[3] */
static void say_place(persist_error *error, const char *name, struct span path)
{
	struct buf whole = {0};

	buf_text(&whole, name);
	if (path.len > 0 && path.at[0] != '[' && path.at[0] != '.')
		buf_char(&whole, '.');
	buf_span(&whole, path);
	if (is_utf8(buf_as_span(&whole))) {
		buf_char(&whole, '\0');
		failure_field(error, whole.at);
	}
	buf_free(&whole);
}

static int refuse_text(persist_error *error, const char *name, struct span text, enum scan_result result,
                       const struct scan_report *report, unsigned depth)
{
	char message[192], expected[192];
	struct buf path = {0};

	switch (result) {
	case SCAN_DEEP:
		snprintf(message, sizeof message, "nested deeper than %u levels at byte %zu", depth, report->at);
		snprintf(expected, sizeof expected, "at most %u levels of arrays and objects", depth);
		break;
	case SCAN_DUPLICATE:
		snprintf(message, sizeof message, "an object has one name twice, at byte %zu", report->at);
		snprintf(expected, sizeof expected, "each name once in an object");
		break;
	case SCAN_OK: case SCAN_MORE: case SCAN_SYNTAX:
		snprintf(message, sizeof message, "not valid JSON at byte %zu", report->at);
		snprintf(expected, sizeof expected, "%s", report->expected ? report->expected : "JSON");
		break;
	}
	refuse(error, name, expected, message);
	scan_path(&path, text, report->at);
	say_place(error, name, buf_as_span(&path));
	buf_free(&path);
	return error->code;
}

/* Newlines between values mean nothing, and end a line. */
static void add_line(struct buf *out, struct span text)
{
	char *at = buf_room(out, text.len);

	buf_span(out, text);
	for (char *end = at + text.len; at < end; at++) {
		if (*at == '\n' || *at == '\r')
			*at = ' ';
	}
}

static int add_text(struct buf *out, const char *name, struct span text, unsigned depth, persist_error *error)
{
	struct scan_report report;
	enum scan_result result = scan_check(text, depth, &report);

	if (result != SCAN_OK)
		return refuse_text(error, name, text, result, &report, depth);
	add_line(out, text);
	return 0;
}

/* Only strings can be wrong in what was written from a tree: those that jansson was made not to check. */
static int add_tree(struct buf *out, const char *name, const struct json_t *tree, unsigned depth,
                    persist_error *error)
{
	struct buf path = {0};
	size_t from = out->len;
	struct scan_report report;
	const char *fault = json_tree_write(out, tree, depth, &path);

	if (fault) {
		refuse(error, name, "a tree that can be written as JSON, of bounded depth", fault);
		failure_expected(error, "finite numbers, and at most %u levels of arrays and objects", depth);
		say_place(error, name, buf_as_span(&path));
	} else {
		struct span text = {out->at + from, out->len - from};
		enum scan_result result = scan_check(text, depth, &report);
		if (result != SCAN_OK)
			refuse_text(error, name, text, result, &report, depth);
	}
	buf_free(&path);
	return error->code;
}

static bool is_none(persist_value v) { return !v.text && !v.json; }

static int add_value(struct buf *out, const char *name, persist_value v, unsigned depth, persist_error *error)
{
	if (v.json)
		return add_tree(out, name, v.json, depth, error);
	return add_text(out, name, (struct span){v.text, v.len}, depth, error);
}

/* ---- parameters by name */

void args_begin_in(struct args *a, struct buf *memory, persist_error *error)
{
	failure_clear(error);
	*a = (struct args){.text = *memory, .error = error};
	*memory = (struct buf){0};
	a->text.len = 0;
	buf_char(&a->text, '{');
}

void args_begin(struct args *a, persist_error *error)
{
	args_begin_in(a, &(struct buf){0}, error);
}

void args_free(struct args *a)
{
	buf_free(&a->text);
}

int args_end(struct args *a)
{
	buf_char(&a->text, '}');
	return a->error->code;
}

static void add_comma(struct args *a)
{
	if (a->count++ > 0)
		buf_char(&a->text, ',');
}

static void add_name(struct args *a, const char *name)
{
	add_comma(a);
	buf_char(&a->text, '"');
	buf_text(&a->text, name);
	buf_text(&a->text, "\":");
}

int args_utf8(const char *name, const char *value, persist_error *error)
{
	if (!value)
		return refuse(error, name, "a text", "missing");
	if (!is_utf8(span_of(value)))
		return refuse(error, name, "UTF-8", "not UTF-8");
	return 0;
}

void args_text(struct args *a, const char *name, const char *value)
{
	if (a->error->code || !value || args_utf8(name, value, a->error) != 0)
		return;
	add_name(a, name);
	buf_string(&a->text, span_of(value));
}

void args_given(struct args *a, const char *name, const char *value)
{
	if (!value)
		args_refuse(a, name, "a text", "missing");
	args_text(a, name, value);
}

static struct span without_blanks(struct span s)
{
	while (s.len > 0 && s.at[0] == ' ')
		s = (struct span){s.at + 1, s.len - 1};
	while (s.len > 0 && s.at[s.len - 1] == ' ')
		s.len--;
	return s;
}

void args_texts(struct args *a, const char *name, const char *values, bool always_list)
{
	if (a->error->code || !values || args_utf8(name, values, a->error) != 0)
		return;
	bool list = always_list || strchr(values, ',');
	add_name(a, name);
	if (list)
		buf_char(&a->text, '[');
	for (const char *at = values; at;) {
		const char *comma = strchr(at, ',');
		struct span one = {at, comma ? (size_t)(comma - at) : strlen(at)};
		buf_string(&a->text, list ? without_blanks(one) : one);
		if (comma)
			buf_char(&a->text, ',');
		at = comma ? comma + 1 : NULL;
	}
	if (list)
		buf_char(&a->text, ']');
}

void args_whole(struct args *a, const char *name, int64_t value)
{
	add_name(a, name);
	buf_int(&a->text, value);
}

void args_real(struct args *a, const char *name, double value)
{
	if (a->error->code)
		return;
	if (!isfinite(value)) {
		refuse(a->error, name, "a finite number", "not a finite number");
		return;
	}
	add_name(a, name);
	if (fabs(value) < WHOLE_REALS && value == (double)(int64_t)value)
		buf_int(&a->text, (int64_t)value); /* as people write it: 30, not 30.0 */
	else
		buf_real(&a->text, value);
}

void args_bool(struct args *a, const char *name, bool value)
{
	add_name(a, name);
	buf_text(&a->text, value ? "true" : "false");
}

void args_value(struct args *a, const char *name, persist_value value)
{
	if (a->error->code || is_none(value))
		return;
	add_name(a, name);
	add_value(&a->text, name, value, ARGS_DEPTH - 1, a->error);
}

void args_refuse(struct args *a, const char *name, const char *expected, const char *message)
{
	if (!a->error->code)
		refuse(a->error, name, expected, message);
}

void args_open(struct args *a, const char *name)
{
	add_name(a, name);
	buf_char(&a->text, '{');
	a->count = 0;
}

void args_close(struct args *a)
{
	buf_char(&a->text, '}');
	a->count = 1;
}

void args_members(struct args *a, const char *name, persist_value object)
{
	struct buf text = {0};
	struct scan_iter it;
	struct span member, value;

	if (a->error->code)
		return;
	if (is_none(object)) {
		args_refuse(a, name, "an object", "missing");
		return;
	}
	if (add_value(&text, name, object, ARGS_DEPTH, a->error) == 0) {
		struct span whole = buf_as_span(&text);
		while (whole.len > 0 && (whole.at[0] == ' ' || whole.at[0] == '\t'))
			whole = (struct span){whole.at + 1, whole.len - 1};
		if (scan_kind(whole) != SCAN_OBJECT)
			refuse(a->error, name, "an object", "not an object");
		it = scan_members(whole);
		while (scan_next_member(&it, &member, &value)) {
			add_comma(a);
			buf_char(&a->text, '"');
			buf_span(&a->text, member);
			buf_text(&a->text, "\":");
			buf_span(&a->text, value);
		}
	}
	buf_free(&text);
}

int args_params(struct buf *out, persist_value params, unsigned depth, persist_error *error)
{
	size_t from = out->len;

	failure_clear(error);
	if (is_none(params) || add_value(out, "params", params, depth, error) != 0)
		return error->code;
	struct span text = {out->at + from, out->len - from};
	while (text.len > 0 && (text.at[0] == ' ' || text.at[0] == '\t'))
		text = (struct span){text.at + 1, text.len - 1};
	if (scan_kind(text) != SCAN_OBJECT && scan_kind(text) != SCAN_ARRAY)
		return refuse(error, "params", "an object or an array", "neither an object nor an array");
	return 0;
}
