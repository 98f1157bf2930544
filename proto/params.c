#include "proto/params.h"
#include "proto/scan.h"
#include <assert.h>
#include <stdio.h>

#define SCRATCH __attribute__((cleanup(buf_free))) struct buf
enum { PATH_MAX_LEN = 128, NAME_SHOWN = 64, QUOTED_MAX = 40 };

/* What a value must be */

static void names_add(struct buf *out, const char *const *names)
{
	for (size_t i = 0; names[i]; i++) {
		buf_text(out, i ? ", " : "");
		buf_text(out, names[i]);
	}
}

static void field_names_add(struct buf *out, const struct spec_field *fields)
{
	const char *separator = "";
	for (; fields->name; fields++) {
		if (fields->ours)
			continue;
		buf_text(out, separator);
		buf_text(out, fields->name);
		separator = ", ";
	}
}

static void bounds_add(struct buf *out, const char *noun, int64_t min, int64_t max)
{
	buf_text(out, noun);
	if (max != INT64_MAX)
		buf_printf(out, " from %lld to %lld", (long long)min, (long long)max);
	else
		buf_printf(out, " of %lld or more", (long long)min);
}

static void length_add(struct buf *out, int64_t min, int64_t max)
{
	buf_text(out, "a string");
	if (max == INT64_MAX && min > 0)
		buf_printf(out, " of at least %lld bytes", (long long)min);
	else if (max != INT64_MAX && min > 0)
		buf_printf(out, " of %lld to %lld bytes", (long long)min, (long long)max);
	else if (max != INT64_MAX)
		buf_printf(out, " of at most %lld bytes", (long long)max);
}

static void object_add(struct buf *out, const struct spec_field *fields)
{
	const char *record = fields ? spec_record_of(fields) : NULL;
	buf_text(out, "an object");
	if (record)
		buf_printf(out, " with fields of a %s", record);
	else if (fields) {
		buf_text(out, " of ");
		field_names_add(out, fields);
	}
}

static void type_add(struct buf *out, const struct spec_field *f)
{
	switch (f->type) {
	case SPEC_IDENT: buf_printf(out, "a string that matches %s", ident_pattern(f->ident)); return;
	case SPEC_KIND:
	case SPEC_STRING: length_add(out, f->min, f->max); return;
	case SPEC_INT: bounds_add(out, "an integer", f->min, f->max); return;
	case SPEC_NUMBER: bounds_add(out, "a number", f->min, f->max); return;
	case SPEC_BOOL: buf_text(out, "true or false"); return;
	case SPEC_TIME: buf_text(out, "a time such as \"2026-11-22T16:50:00.123456+00:00\""); return;
	case SPEC_CHOICE: buf_text(out, "one of "); names_add(out, f->choices); return;
	case SPEC_OBJECT: object_add(out, f->fields); return;
	case SPEC_ARRAY: buf_text(out, "an array of objects"); return;
	case SPEC_STRINGS: buf_text(out, "an array of strings"); return;
	case SPEC_ANY: buf_text(out, "any JSON value"); return;
	case SPEC_FIELDS: buf_text(out, "an array of 1 to 64 field names"); return;
	case SPEC_CURSOR: buf_text(out, "the next_cursor of an earlier page"); return;
	}
	assert(false);
}

void field_expected(struct buf *out, const struct spec_field *field)
{
	type_add(out, field);
	if (field->nullable && field->type != SPEC_ANY)
		buf_text(out, ", or null");
}

void param_expected(struct buf *out, const struct spec_param *param)
{
	struct spec_field f = spec_param_field(param);
	if (param->unbounded)
		buf_text(out, "an array, each element ");
	type_add(out, &f);
	if (param->many && !param->unbounded)
		buf_printf(out, "; or an array of 1 to %d such", SPEC_FILTER_MAX);
}

/* Refusals: each returns false, to be passed on */

static bool refuse_as(const char *path, struct span expected, struct fault *fault)
{
	fault_set(fault, FAULT_INVALID_PARAMS, "%s must be %.*s", path, (int)expected.len, expected.at);
	fault_field(fault, path);
	fault_expected(fault, "%.*s", (int)expected.len, expected.at);
	return false;
}

static bool refuse(const struct spec_field *f, const char *path, struct fault *fault)
{
	SCRATCH expected = {0};
	field_expected(&expected, f);
	return refuse_as(path, buf_as_span(&expected), fault);
}

static bool refuse_param(const struct spec_param *p, struct fault *fault)
{
	SCRATCH expected = {0};
	param_expected(&expected, p);
	return refuse_as(p->name, buf_as_span(&expected), fault);
}

static bool refuse_missing(const char *path, struct buf *expected, struct fault *fault)
{
	fault_set(fault, FAULT_INVALID_PARAMS, "%s is missing: it must be %.*s", path, (int)expected->len,
	          expected->at);
	fault_field(fault, path);
	fault_expected(fault, "%.*s", (int)expected->len, expected->at);
	return false;
}

/* A mistyped name as it may be shown: cut at a character's end. */
static void name_shown(struct span name, char out[NAME_SHOWN + 1])
{
	size_t len = name.len;
	if (len > NAME_SHOWN) {
		len = NAME_SHOWN;
		while (len > 0 && ((unsigned char)name.at[len] & 0xC0) == 0x80)
			len--;
	}
	if (len == 0) {
		strcpy(out, "\"\"");
		return;
	}
	memcpy(out, name.at, len);
	out[len] = '\0';
}

static bool refuse_name(const char *owner, const char *what, struct span typed, const char *const *names,
                        const char *field, struct fault *fault)
{
	SCRATCH known = {0};
	char shown[NAME_SHOWN + 1];
	const char *near = fault_did_you_mean(typed, names);
	name_shown(typed, shown);
	names_add(&known, names);
	fault_set(fault, FAULT_INVALID_PARAMS, "%s has no %s %s", owner, what, shown);
	fault_field(fault, field);
	if (known.len > 0)
		fault_expected(fault, "one of %.*s", (int)known.len, known.at);
	if (near)
		fault_hint(fault, "did you mean %s?", near);
	return false;
}

/* Names of fields */

int field_find(const struct spec_field *fields, struct span raw_name)
{
	for (int i = 0; fields[i].name; i++)
		if (scan_name_is(raw_name, fields[i].name))
			return i;
	return -1;
}

static bool refuse_field(const struct spec_field *fields, const char *owner, struct span raw_name,
                         const char *field, struct fault *fault)
{
	const char *names[SPEC_FIELDS_MAX + 1] = {0};
	for (size_t i = 0; fields[i].name; i++) {
		assert(i < SPEC_FIELDS_MAX);
		names[i] = fields[i].name;
	}
	refuse_name(owner, "field", raw_name, names, field, fault);
	if (fault->hint[0] == '\0' && fields == spec_job_fields)
		fault_hint(fault, "free keys go into metadata");
	if (fault->hint[0] == '\0' && fields == spec_run_fields)
		fault_hint(fault, "free keys go into meta");
	return false;
}

void field_unknown(const struct spec_field *fields, struct span raw_name, const char *path,
                   struct fault *fault)
{
	char field[PATH_MAX_LEN], shown[NAME_SHOWN + 1];
	name_shown(raw_name, shown);
	snprintf(field, sizeof field, "%s.%s", path, shown);
	refuse_field(fields, path, raw_name, field, fault);
}

/* Values: each reader fills what its type has in struct param and says whether the value will do */

static bool text_read(struct span value, struct buf *scratch, struct param *out)
{
	return scan_kind(value) == SCAN_STRING && scan_string(value, scratch, &out->string);
}

static bool length_fits(const struct spec_field *f, struct span text)
{
	return (int64_t)text.len >= f->min && (int64_t)text.len <= f->max;
}

static bool ident_read(const struct spec_field *f, struct span value, const char *path, struct buf *scratch,
                       struct param *out, struct fault *fault)
{
	if (text_read(value, scratch, out) && ident_check(f->ident, out->string))
		return true;
	return refuse(f, path, fault);
}

static bool kind_read(const struct spec_field *f, struct span value, const char *path, struct buf *scratch,
                      struct param *out, struct fault *fault)
{
	char kind[IDENT_KIND_MAX + 1];
	if (!text_read(value, scratch, out) || !length_fits(f, out->string))
		return refuse(f, path, fault);
	size_t len = ident_sanitise(out->string, kind, IDENT_KIND_MAX);
	buf_add(scratch, kind, len);
	out->string = (struct span){scratch->at + scratch->len - len, len};
	return true;
}

static bool string_read(const struct spec_field *f, struct span value, const char *path, struct buf *scratch,
			struct param *out, struct fault *fault)
{
	if (text_read(value, scratch, out) && length_fits(f, out->string))
		return true;
	return refuse(f, path, fault);
}

/* A number or a truth value that has become a string: by quotes in JSON, by key=5 on a command line. What is
 * neither has no such hint. */
static void quotes_hint(struct span value, struct fault *fault)
{
	struct span inside = {value.at + 1, value.len - 2};
	struct scan_report report = {0};

	if (scan_kind(value) != SCAN_STRING || value.len < 3 || value.len > QUOTED_MAX ||
	    scan_check(inside, SCAN_DEPTH_WIRE, &report) != SCAN_OK)
		return;
	enum scan_kind kind = scan_kind(inside);
	if (kind == SCAN_NUMBER || kind == SCAN_TRUE || kind == SCAN_FALSE)
		fault_hint(fault, "write %.*s without quotes (persistctl: KEY:=%.*s)", (int)inside.len, inside.at,
		           (int)inside.len, inside.at);
}

static bool int_read(const struct spec_field *f, struct span value, const char *path, struct param *out,
                     struct fault *fault)
{
	double rounded;
	enum scan_number number = scan_number(value, &out->whole, &rounded);
	if (number == SCAN_INT && out->whole >= f->min && out->whole <= f->max)
		return true;
	refuse(f, path, fault);
	if (number == SCAN_REAL)
		fault_hint(fault, "write it without a fraction or an exponent");
	quotes_hint(value, fault);
	return false;
}

static bool number_read(const struct spec_field *f, struct span value, const char *path, struct param *out,
			struct fault *fault)
{
	enum scan_number number = scan_number(value, &out->whole, &out->real);
	if ((number == SCAN_INT || number == SCAN_REAL) && out->real >= (double)f->min &&
	    (f->max == INT64_MAX || out->real <= (double)f->max))
		return true;
	refuse(f, path, fault);
	quotes_hint(value, fault);
	return false;
}

static bool bool_read(const struct spec_field *f, struct span value, const char *path, struct param *out,
                      struct fault *fault)
{
	enum scan_kind kind = scan_kind(value);
	out->flag = kind == SCAN_TRUE;
	if (kind == SCAN_TRUE || kind == SCAN_FALSE)
		return true;
	refuse(f, path, fault);
	quotes_hint(value, fault);
	return false;
}

static bool time_read(const struct spec_field *f, struct span value, const char *path, struct buf *scratch,
                      struct param *out, struct fault *fault)
{
	if (text_read(value, scratch, out) && stamp_parse(out->string, &out->whole))
		return true;
	refuse(f, path, fault);
	if (scan_kind(value) == SCAN_NUMBER)
		fault_hint(fault, "a time is a string, not a number of seconds");
	return false;
}

/* Its place among the choices, -1 if it is none. */
static int choice_find(const char *const *choices, struct span text)
{
	for (int i = 0; choices[i]; i++)
		if (span_is(text, span_of(choices[i])))
			return i;
	return -1;
}

enum { CHOICE_LONGEST = 32 };

static struct span choice_lower(struct span text, char out[CHOICE_LONGEST])
{
	if (text.len > CHOICE_LONGEST)
		return text;
	for (size_t i = 0; i < text.len; i++)
		out[i] = text.at[i] >= 'A' && text.at[i] <= 'Z' ? (char)(text.at[i] + 'a' - 'A') : text.at[i];
	return (struct span){out, text.len};
}

static void choice_hint(const struct spec_field *f, struct span lower, struct fault *fault)
{
	int here = choice_find(f->choices, lower);
	int there = f->other_choices ? choice_find(f->other_choices, lower) : -1;
	const char *near = here >= 0 ? f->choices[here] : fault_did_you_mean(lower, f->choices);
	bool jobs = f->choices == spec_job_statuses;
	if (here < 0 && there >= 0)
		fault_hint(fault, "%s say %s; %s say %s", jobs ? "runs" : "jobs", f->other_choices[there],
			   jobs ? "jobs" : "runs", f->choices[there]);
	else if (near)
		fault_hint(fault, "did you mean %s?", near);
}

static bool choice_read(const struct spec_field *f, struct span value, const char *path, struct buf *scratch,
			struct param *out, struct fault *fault)
{
	char folded[CHOICE_LONGEST];
	if (!text_read(value, scratch, out))
		return refuse(f, path, fault);
	struct span lower = choice_lower(out->string, folded);
	int place = choice_find(f->choices, f->lower ? lower : out->string);
	if (place >= 0) {
		out->choice = (uint8_t)place;
		out->string = span_of(f->choices[place]);
		return true;
	}
	refuse(f, path, fault);
	choice_hint(f, lower, fault);
	return false;
}

static bool cursor_read(const struct spec_field *f, struct span value, const char *path, struct buf *scratch,
			struct param *out, struct fault *fault)
{
	bool good = text_read(value, scratch, out) && length_fits(f, out->string);
	for (size_t i = 0; good && i < out->string.len; i++) {
		char c = out->string.at[i];
		good = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
		       (c != '\0' && strchr("_.:-", c) != NULL);
	}
	return good || refuse(f, path, fault);
}

/* An array whose elements are all of one kind. */
static bool elements_check(const struct spec_field *f, enum scan_kind kind, const char *expected,
                           struct span value, const char *path, struct fault *fault)
{
	struct span element;
	char element_path[PATH_MAX_LEN];
	size_t i = 0;
	if (scan_kind(value) != SCAN_ARRAY)
		return refuse(f, path, fault);
	for (struct scan_iter it = scan_elements(value); scan_next_element(&it, &element); i++) {
		if (scan_kind(element) == kind)
			continue;
		snprintf(element_path, sizeof element_path, "%s[%zu]", path, i);
		return refuse_as(element_path, span_of(expected), fault);
	}
	return true;
}

static bool fields_required(const struct spec_field *fields, uint32_t seen, const char *path,
                            struct fault *fault)
{
	char field_path[PATH_MAX_LEN];
	for (unsigned i = 0; fields[i].name; i++) {
		if (!fields[i].required || seen & (UINT32_C(1) << i))
			continue;
		SCRATCH expected = {0};
		field_expected(&expected, &fields[i]);
		snprintf(field_path, sizeof field_path, "%s.%s", path, fields[i].name);
		return refuse_missing(field_path, &expected, fault);
	}
	return true;
}

/* NOLINTBEGIN(misc-no-recursion) */
/* An object whose fields the table lists, to the table's depth: two levels at most,
 * whatever a client sends. */
static bool object_check(const struct spec_field *f, struct span value, const struct scan_outline *outline,
                         const char *path, struct fault *fault)
{
	struct span name, member;
	char member_path[PATH_MAX_LEN];
	uint32_t seen = 0;
	if (scan_kind(value) != SCAN_OBJECT)
		return refuse(f, path, fault);
	if (!f->fields || spec_record_of(f->fields))
		return true;
	for (struct scan_iter it = scan_members_outlined(value, outline); scan_next_member(&it, &name, &member);) {
		int i = field_find(f->fields, name);
		if (i < 0) {
			field_unknown(f->fields, name, path, fault);
			return false;
		}
		const struct spec_field *field = &f->fields[i];
		if (field->ours || (scan_kind(member) == SCAN_NULL && !field->nullable))
			continue;
		seen |= UINT32_C(1) << i;
		if (field_check(field, member, field->name, fault))
			continue;
		/* again, for the fault: the way to the field is written only where it is needed */
		snprintf(member_path, sizeof member_path, "%s.%s", path, field->name);
		return field_check(field, member, member_path, fault);
	}
	return fields_required(f->fields, seen, path, fault);
}

static bool value_read(const struct spec_field *f, struct span value, const char *path, struct buf *scratch,
                       struct param *out, struct fault *fault)
{
	switch (f->type) {
	case SPEC_IDENT: return ident_read(f, value, path, scratch, out, fault);
	case SPEC_KIND: return kind_read(f, value, path, scratch, out, fault);
	case SPEC_STRING: return string_read(f, value, path, scratch, out, fault);
	case SPEC_INT: return int_read(f, value, path, out, fault);
	case SPEC_NUMBER: return number_read(f, value, path, out, fault);
	case SPEC_BOOL: return bool_read(f, value, path, out, fault);
	case SPEC_TIME: return time_read(f, value, path, scratch, out, fault);
	case SPEC_CHOICE: return choice_read(f, value, path, scratch, out, fault);
	case SPEC_CURSOR: return cursor_read(f, value, path, scratch, out, fault);
	case SPEC_OBJECT: return object_check(f, value, NULL, path, fault);
	case SPEC_ARRAY: return elements_check(f, SCAN_OBJECT, "an object", value, path, fault);
	case SPEC_STRINGS: return elements_check(f, SCAN_STRING, "a string", value, path, fault);
	case SPEC_ANY: return true;
	case SPEC_FIELDS: break; /* a parameter's type only: fields_read */
	}
	assert(false);
	return false;
}

bool field_check(const struct spec_field *field, struct span value, const char *path, struct fault *fault)
{
	SCRATCH scratch = {0};
	struct param unused; /* each reader sets what it looks at */
	if (field->nullable && scan_kind(value) == SCAN_NULL)
		return true;
	return value_read(field, value, path, &scratch, &unused, fault);
}
/* NOLINTEND(misc-no-recursion) */

/* Parameters */

enum { FIELDS_NAMED_MAX = 64 }; /* more than there are: a list of millions would hold everybody up */

static bool fields_read(const struct spec_param *p, struct param *out, struct fault *fault)
{
	const struct spec_field *fields = spec_fields(p->table);
	struct span element;
	char path[PATH_MAX_LEN], owner[PATH_MAX_LEN * 2];
	size_t i = 0;
	if (scan_kind(out->text) != SCAN_ARRAY)
		return refuse_param(p, fault);
	for (struct scan_iter it = scan_elements(out->text); scan_next_element(&it, &element); i++) {
		if (i == FIELDS_NAMED_MAX)
			return refuse_param(p, fault);
		snprintf(path, sizeof path, "%s[%zu]", p->name, i);
		if (scan_kind(element) != SCAN_STRING)
			return refuse_as(path, SPAN("a field's name"), fault);
		struct span raw = {element.at + 1, element.len - 2};
		int place = field_find(fields, raw);
		snprintf(owner, sizeof owner, "%s: a %s", path, spec_record_name(p->table));
		if (place < 0)
			return refuse_field(fields, owner, raw, path, fault);
		out->fields |= UINT32_C(1) << place;
	}
	return i > 0 || refuse_param(p, fault);
}

static bool unbounded_read(const struct spec_param *p, struct param *out, struct fault *fault)
{
	SCRATCH scratch = {0};
	struct span element, text;
	size_t i = 0;
	if (scan_kind(out->text) != SCAN_ARRAY)
		return refuse_param(p, fault);
	for (struct scan_iter it = scan_elements(out->text); scan_next_element(&it, &element); i++) {
		scratch.len = 0;
		if (scan_kind(element) == SCAN_STRING && scan_string(element, &scratch, &text) &&
		    ident_check(p->ident, text))
			continue;
		struct spec_field f = spec_param_field(p);
		char path[PATH_MAX_LEN];
		snprintf(path, sizeof path, "%s[%zu]", p->name, i);
		return refuse(&f, path, fault);
	}
	return true;
}

static void list_add(struct param *out, struct span string)
{
	for (size_t i = 0; i < out->list_count; i++)
		if (span_is(out->list[i], string))
			return;
	out->list[out->list_count++] = string;
}

static bool many_read(const struct spec_param *p, const struct spec_field *f, struct param *out,
                      struct buf *scratch, struct fault *fault)
{
	struct span element;
	size_t i = 0;
	for (struct scan_iter it = scan_elements(out->text); scan_next_element(&it, &element); i++) {
		if (i == SPEC_FILTER_MAX)
			return refuse_param(p, fault);
		struct param one = {0};
		if (!value_read(f, element, p->name, scratch, &one, fault)) {
			char path[PATH_MAX_LEN];
			snprintf(path, sizeof path, "%s[%zu]", p->name, i);
			return value_read(f, element, path, scratch, &one, fault);
		}
		list_add(out, one.string);
	}
	return i > 0 || refuse_param(p, fault);
}

static bool param_read(const struct spec_param *p, const struct scan_outline *outline, struct param *out,
                       struct buf *scratch, struct fault *fault)
{
	struct spec_field f = spec_param_field(p);
	if (p->type == SPEC_FIELDS)
		return fields_read(p, out, fault);
	if (p->unbounded)
		return unbounded_read(p, out, fault);
	if (p->many && scan_kind(out->text) == SCAN_ARRAY)
		return many_read(p, &f, out, scratch, fault);
	if (p->many && scan_kind(out->text) != SCAN_STRING)
		return refuse_param(p, fault);
	if (p->type == SPEC_OBJECT)
		return object_check(&f, out->text, outline, p->name, fault);
	if (!value_read(&f, out->text, p->name, scratch, out, fault))
		return false;
	if (p->many)
		list_add(out, out->string);
	return true;
}

static void bind(const struct spec_param *p, struct span value, struct param *out)
{
	bool null_is_a_value = p->type == SPEC_ANY && p->required;
	if (scan_kind(value) == SCAN_NULL && !null_is_a_value)
		return;
	if (p->empty_is_absent && span_is(value, SPAN("\"\"")))
		return;
	out->present = true;
	out->text = value;
}

static bool refuse_param_name(const struct spec_method *m, struct span raw_name, struct fault *fault)
{
	const char *names[SPEC_PARAMS_MAX + 1] = {0};
	char shown[NAME_SHOWN + 1];
	for (unsigned i = 0; i < m->param_count; i++)
		names[i] = m->params[i].name;
	name_shown(raw_name, shown);
	refuse_name(m->name, "parameter", raw_name, names, shown, fault);
	if (m->param_count == 0)
		fault_expected(fault, "no parameters");
	return false;
}

static bool bind_named(const struct spec_method *m, struct span params, struct params *out,
                       struct fault *fault)
{
	struct span name, value;
	for (struct scan_iter it = scan_members_outlined(params, out->outline); scan_next_member(&it, &name, &value);) {
		unsigned i = 0;
		while (i < m->param_count && !scan_name_is(name, m->params[i].name))
			i++;
		if (i == m->param_count)
			return refuse_param_name(m, name, fault);
		bind(&m->params[i], value, &out->at[i]);
	}
	return true;
}

static bool refuse_too_many(const struct spec_method *m, struct fault *fault)
{
	SCRATCH names = {0};
	for (unsigned i = 0; i < m->param_count; i++)
		buf_printf(&names, "%s%s", i ? ", " : "", m->params[i].name);
	if (m->param_count == 0) {
		fault_set(fault, FAULT_INVALID_PARAMS, "%s takes no parameters", m->name);
		fault_expected(fault, "no parameters");
	} else {
		fault_set(fault, FAULT_INVALID_PARAMS, "%s takes at most %u parameters", m->name, m->param_count);
		fault_expected(fault, "by position: %.*s", (int)names.len, names.at);
	}
	fault_field(fault, "params");
	return false;
}

static bool bind_positional(const struct spec_method *m, struct span params, struct params *out,
                            struct fault *fault)
{
	struct span value;
	unsigned i = 0;
	for (struct scan_iter it = scan_elements(params); scan_next_element(&it, &value); i++) {
		if (i == m->param_count)
			return refuse_too_many(m, fault);
		bind(&m->params[i], value, &out->at[i]);
	}
	return true;
}

static bool bind_all(const struct spec_method *m, struct span params, struct params *out, struct fault *fault)
{
	enum scan_kind kind = params.at ? scan_kind(params) : SCAN_NULL;
	for (unsigned i = 0; i < m->param_count; i++)
		memset(&out->at[i], 0, offsetof(struct param, list));
	if (kind == SCAN_NULL)
		return true;
	if (kind == SCAN_OBJECT)
		return bind_named(m, params, out, fault);
	if (kind == SCAN_ARRAY)
		return bind_positional(m, params, out, fault);
	return refuse_as("params", SPAN("an object or an array"), fault);
}

static bool required_bound(const struct spec_method *m, const struct params *in, struct fault *fault)
{
	for (unsigned i = 0; i < m->param_count; i++) {
		if (!m->params[i].required || in->at[i].present)
			continue;
		SCRATCH expected = {0};
		param_expected(&expected, &m->params[i]);
		return refuse_missing(m->params[i].name, &expected, fault);
	}
	return true;
}

/* Room for all that will be decoded, so that what was decoded first does not move. No decoded string is
 * longer than its raw text; a sanitised kind adds its own length; and scan_string may ask for a few bytes
 * more than it uses. */
static void scratch_reserve(const struct spec_method *m, const struct params *in, struct buf *scratch)
{
	enum { EACH = IDENT_KIND_MAX + 64 };
	size_t need = 0;
	for (unsigned i = 0; i < m->param_count; i++) {
		const struct spec_param *p = &m->params[i];
		bool nothing_decoded = p->unbounded || p->type == SPEC_OBJECT || p->type == SPEC_ARRAY ||
		                       p->type == SPEC_ANY;
		if (in->at[i].present && !nothing_decoded)
			need += in->at[i].text.len + (p->many ? EACH * SPEC_FILTER_MAX : EACH);
	}
	if (need > 0)
		buf_room(scratch, need);
}

static bool rule_holds(const struct spec_method *m, const struct spec_rule *rule, const struct params *in)
{
	const struct param *a = &in->at[rule->a], *b = &in->at[rule->b];
	assert(rule->a < m->param_count && rule->b < m->param_count);
	switch (rule->kind) {
	case SPEC_RULE_END: return true;
	case SPEC_NOT_BOTH:
		return !a->present || !b->present || (rule->a_is && !span_is(a->string, span_of(rule->a_is)));
	case SPEC_EXACTLY_ONE: return a->present != b->present;
	}
	return false;
}

static bool rules_hold(const struct spec_method *m, const struct params *in, struct fault *fault)
{
	for (const struct spec_rule *rule = m->rules; rule && rule->kind != SPEC_RULE_END; rule++) {
		if (rule_holds(m, rule, in))
			continue;
		const char *a = m->params[rule->a].name, *b = m->params[rule->b].name;
		fault_set(fault, FAULT_INVALID_PARAMS, "%s: %s", m->name, rule->prose);
		fault_field(fault, a);
		if (rule->kind == SPEC_EXACTLY_ONE)
			fault_expected(fault, "%s or %s", a, b);
		else
			fault_expected(fault, "%s%s%s without %s", a, rule->a_is ? " " : "", rule->a_is ? rule->a_is : "",
			               b);
		fault_hint(fault, "%s", rule->hint);
		return false;
	}
	return true;
}

bool params_read(const struct spec_method *m, struct span params, const struct scan_outline *outline,
                 struct params *out, struct buf *scratch, struct fault *fault)
{
	out->outline = outline;
	if (!bind_all(m, params, out, fault) || !required_bound(m, out, fault))
		return false;
	scratch_reserve(m, out, scratch);
	const char *reserved = scratch->at;
	for (unsigned i = 0; i < m->param_count; i++)
		if (out->at[i].present && !param_read(&m->params[i], outline, &out->at[i], scratch, fault))
			return false;
	assert(scratch->at == reserved);
	return rules_hold(m, out, fault);
}

bool params_numbers_held(struct span params, size_t number_at, struct fault *fault)
{
	SCRATCH path = {0};
	struct scan_report report;
	if (number_at == SIZE_MAX || !params.at)
		return true;
	if (number_at >= params.len) {
		if (scan_check(params, SCAN_DEPTH_FILE, &report) != SCAN_OK || report.number_at == SIZE_MAX)
			return true;
		number_at = report.number_at;
	}
	scan_path(&path, params, number_at);
	buf_char(&path, '\0');
	fault_set(fault, FAULT_INVALID_PARAMS,
	          "%.200s must be a number that can be held: an integer of 64 bits, or a real within a double's "
	          "range",
	          path.at);
	fault_field(fault, path.at);
	fault_expected(fault, "an integer of 64 bits, or a real within a double's range");
	fault_hint(fault, "send it as a string");
	return false;
}
