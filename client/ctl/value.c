#include "client/ctl/value.h"
#include "client/ctl/age.h"
#include "client/ctl/complain.h"
#include "client/ctl/input.h"
#include "client/ctl/object.h"
#include "client/ctl/path.h"
#include "proto/params.h"
#include "proto/scan.h"
#include <assert.h>
#include <stdio.h>

#define OWNED_BUF __attribute__((cleanup(buf_free))) struct buf
enum { NAME_ROOM = 80 };

/* One flag of the command line, and the row that it is judged by. */
struct typed {
	char name[NAME_ROOM]; /* as it was typed */
	const char *text;
	struct spec_field row;
	const struct screen *screen;
	const char *command;
};

static enum exit_status refuse(const struct typed *t, const struct fault *fault)
{
	complain("%s", fault->message);
	complain_detail("hint", fault->hint);
	return complain_help(t->command);
}

static enum exit_status judge(const struct typed *t, struct span json)
{
	struct fault fault;

	if (t->row.type == SPEC_FIELDS || field_check(&t->row, json, t->name, &fault))
		return EXIT_OK;
	return refuse(t, &fault);
}

static enum exit_status add_string(struct buf *out, const struct typed *t, struct span text)
{
	struct scan_report report = {0};
	size_t start = out->len;

	buf_string(out, text);
	struct span json = {out->at + start, out->len - start};
	if (scan_check(json, SCAN_DEPTH_WIRE, &report) != SCAN_OK)
		return complain_usage(t->command, "%s is not UTF-8", t->name);
	return judge(t, json);
}

static enum exit_status add_time(struct buf *out, const struct typed *t)
{
	int64_t micros;

	if (!age_parse(t->screen, t->text, &micros))
		return complain_usage(t->command, "%s must be %s", t->name, age_expected);
	stamp_json(out, micros);
	return EXIT_OK;
}

static enum exit_status add_number(struct buf *out, const struct typed *t)
{
	struct scan_report report = {0};
	struct span text = span_of(t->text);
	bool is_json = scan_check(text, SCAN_DEPTH_WIRE, &report) == SCAN_OK;

	buf_span(out, text);
	return judge(t, is_json ? text : SPAN("\"\""));
}

static enum exit_status add_json(struct buf *out, const struct typed *t)
{
	OWNED_BUF json = {0};
	enum exit_status status = input_json(t->text, t->name, &json);

	if (status != EXIT_OK)
		return status;
	buf_span(out, buf_as_span(&json));
	return judge(t, buf_as_span(&json));
}

static bool looks_like_json(const char *text)
{
	return text[0] == '{' || text[0] == '[' || text[0] == '@' || strcmp(text, "-") == 0 ||
	       !strchr(text, '=');
}

static enum exit_status add_strings(struct buf *out, const struct typed *t)
{
	if (looks_like_json(t->text) && (t->text[0] == '[' || t->text[0] == '@' || t->text[0] == '-'))
		return add_json(out, t);
	OWNED_BUF list = {0};
	const char *separator = "[";
	for (const char *at = t->text;; at++) {
		size_t len = strcspn(at, ",");
		buf_text(&list, separator);
		buf_string(&list, (struct span){at, len});
		separator = ",";
		at += len;
		if (!*at)
			break;
	}
	buf_char(&list, ']');
	buf_span(out, buf_as_span(&list));
	return judge(t, buf_as_span(&list));
}

static enum exit_status add_one(struct buf *out, const struct typed *t)
{
	switch (t->row.type) {
	case SPEC_IDENT:
	case SPEC_KIND:
	case SPEC_STRING:
	case SPEC_CHOICE:
	case SPEC_CURSOR: return add_string(out, t, span_of(t->text));
	case SPEC_INT:
	case SPEC_NUMBER: return add_number(out, t);
	case SPEC_TIME: return add_time(out, t);
	case SPEC_STRINGS: return add_strings(out, t);
	case SPEC_OBJECT:
	case SPEC_ARRAY:
	case SPEC_ANY: return add_json(out, t);
	case SPEC_BOOL:
	case SPEC_FIELDS: break;
	}
	return EXIT_OK;
}

enum exit_status value_pair(struct buf *object, const char *pair, const char *what, const char *command)
{
	const char *equals = strchr(pair, '=');
	bool json = equals && equals > pair && equals[-1] == ':';
	struct span name = {pair, equals ? (size_t)(equals - pair) - json : 0};
	struct scan_report report = {0};
	OWNED_BUF value = {0}, checked = {0}, member = {0};

	if (!equals || name.len == 0)
		return complain_usage(command, "%s must be KEY=TEXT or KEY:=JSON, or a JSON object", what);
	if (json)
		buf_text(&value, equals + 1);
	else
		buf_string(&value, span_of(equals + 1));
	buf_string(&checked, name);
	if (scan_check(buf_as_span(&checked), SCAN_DEPTH_WIRE, &report) != SCAN_OK)
		return complain_usage(command, "%s: the key is not UTF-8", what);
	buf_printf(&member, "%s %.*s", what, (int)name.len, name.at);
	buf_char(&member, '\0');
	enum exit_status status = input_check(&value, member.at);
	if (status == EXIT_OK)
		object_set(object, name, buf_as_span(&value));
	else if (json)
		complain("for a text say %.*s=%s", (int)name.len, name.at, equals + 1);
	return status;
}

/* A word that somebody has typed for want of knowing better. */
static bool is_no_object(const char *text)
{
	struct scan_report report = {0};

	return !strchr("{[@", text[0]) && strcmp(text, "-") != 0 &&
	       scan_check(span_of(text), SCAN_DEPTH_FILE, &report) != SCAN_OK;
}

static enum exit_status add_members(struct buf *object, const struct typed *t)
{
	OWNED_BUF json = {0};

	if (!looks_like_json(t->text))
		return value_pair(object, t->text, t->name, t->command);
	if (is_no_object(t->text)) {
		complain("%s must be KEY=TEXT, KEY:=JSON, a JSON object, @FILE, or - for stdin", t->name);
		input_suggest_file(t->text);
		return complain_help(t->command);
	}
	enum exit_status status = input_json(t->text, t->name, &json);
	if (status != EXIT_OK)
		return status;
	if (scan_kind(buf_as_span(&json)) != SCAN_OBJECT)
		return judge(t, buf_as_span(&json));
	object_merge(object, buf_as_span(&json));
	return EXIT_OK;
}

/* ---- what is said for one parameter */

struct saying {
	const struct given *given;
	const struct spec_param *param;
	const struct spec_field *field;
	const struct screen *screen;
	const char *command;
	size_t at;
};

static const struct given_flag *next_said(struct saying *s)
{
	while (s->at < s->given->flag_count) {
		const struct given_flag *g = &s->given->flags[s->at++];
		if (g->flag->param == s->param && g->flag->field == s->field)
			return g;
	}
	return NULL;
}

static struct typed typed_of(const struct saying *s, const struct given_flag *said)
{
	struct typed t = {
		.text = said->value, .screen = s->screen, .command = s->command,
		.row = s->field ? *s->field : spec_param_field(s->param),
	};

	given_name(said, t.name);
	return t;
}

static enum exit_status add_last(struct buf *out, struct saying *s)
{
	const struct given_flag *said, *last = NULL;

	while ((said = next_said(s)))
		last = said;
	assert(last); /* value_add has looked */
	struct typed t = typed_of(s, last);
	if (t.row.type == SPEC_BOOL) {
		buf_text(out, last->on ? "true" : "false");
		return EXIT_OK;
	}
	return add_one(out, &t);
}

static enum exit_status add_list(struct buf *out, struct saying *s)
{
	const struct given_flag *said;
	const char *separator = "[";

	while ((said = next_said(s))) {
		struct typed t = typed_of(s, said);
		for (const char *at = said->value;; at++) {
			OWNED_BUF part = {0};
			size_t len = strcspn(at, ",");
			buf_add(&part, at, len);
			buf_char(&part, '\0');
			t.text = part.at;
			buf_text(out, separator);
			separator = ",";
			enum exit_status status = add_one(out, &t);
			if (status != EXIT_OK)
				return status;
			at += len;
			if (!*at)
				break;
		}
	}
	buf_char(out, ']');
	return EXIT_OK;
}

static enum exit_status add_object(struct buf *out, struct saying *s)
{
	const struct given_flag *said;
	OWNED_BUF object = {0};

	struct typed t = {0};
	enum exit_status status = EXIT_OK;
	buf_text(&object, "{}");
	while (status == EXIT_OK && (said = next_said(s))) {
		t = typed_of(s, said);
		if (t.row.nullable && strcmp(said->value, "null") == 0) {
			buf_text(out, "null");
			return EXIT_OK;
		}
		status = add_members(&object, &t);
	}
	buf_span(out, buf_as_span(&object));
	return status == EXIT_OK ? judge(&t, buf_as_span(&object)) : status;
}

/* The fields of the record that are asked for: a path into one asks for all of it. */
static enum exit_status add_fields(struct buf *out, struct saying *s)
{
	const struct spec_field *fields = spec_fields(s->param->table);
	const struct given_flag *said;
	OWNED_BUF object = {0};

	buf_text(&object, "{}");
	while ((said = next_said(s))) {
		struct typed t = typed_of(s, said);
		struct path_list paths;
		struct fault fault;
		if (!path_list_read(&paths, said->value))
			return complain_usage(t.command, "%s must be field names with commas between them",
			                      t.name);
		for (size_t i = 0; i < paths.count; i++) {
			struct span name = path_field(paths.at[i]);
			if (field_find(fields, name) < 0) {
				field_unknown(fields, name, spec_record_name(s->param->table), &fault);
				path_list_free(&paths);
				return refuse(&t, &fault);
			}
			object_set(&object, name, SPAN("0"));
		}
		path_list_free(&paths);
	}
	struct span name, value;
	const char *separator = "[";
	for (struct scan_iter it = scan_members(buf_as_span(&object)); scan_next_member(&it, &name, &value);) {
		buf_printf(out, "%s\"%.*s\"", separator, (int)name.len, name.at);
		separator = ",";
	}
	buf_char(out, ']');
	return EXIT_OK;
}

enum exit_status value_add(struct buf *out, const struct given *g, const struct spec_param *param,
                           const struct spec_field *field, const struct screen *screen, const char *command)
{
	struct saying s = {g, param, field, screen, command, 0};
	enum spec_type type = field ? field->type : param->type;

	if (!next_said(&s))
		return EXIT_OK;
	s.at = 0;
	if (type == SPEC_FIELDS)
		return add_fields(out, &s);
	if (!field && param->many)
		return add_list(out, &s);
	if (type == SPEC_OBJECT)
		return add_object(out, &s);
	return add_last(out, &s);
}
