#include "proto/discover.h"
#include "proto/params.h"
#include "proto/scan.h"
#include <ctype.h>
#include <string.h>

/* What any method may answer. A row names only what is particular to it. */
static const unsigned errors_of_all = 1u << FAULT_INVALID_PARAMS | 1u << FAULT_INTERNAL |
                                      1u << FAULT_TOO_LARGE | 1u << FAULT_LIMIT | 1u << FAULT_FORBIDDEN |
                                      1u << FAULT_SHUTTING_DOWN | 1u << FAULT_TIMEOUT;

/* Members are written one after the other; the comma between them is decided by what stands before. */
static void comma(struct buf *out)
{
	char last = out->len > 0 ? out->at[out->len - 1] : '[';
	if (last != '{' && last != '[' && last != ':')
		buf_char(out, ',');
}

static void member(struct buf *out, const char *name)
{
	comma(out);
	buf_string(out, span_of(name));
	buf_char(out, ':');
}

static void member_text(struct buf *out, const char *name, const char *text)
{
	member(out, name);
	buf_string(out, span_of(text));
}

static void member_int(struct buf *out, const char *name, int64_t n)
{
	member(out, name);
	buf_int(out, n);
}

static void member_json(struct buf *out, const char *name, const char *json)
{
	member(out, name);
	scan_canonical(out, span_of(json));
}

static void element_text(struct buf *out, const char *text)
{
	comma(out);
	buf_string(out, span_of(text));
}

static void type_member(struct buf *out, const char *type, bool or_null)
{
	member(out, "type");
	if (or_null)
		buf_char(out, '[');
	buf_string(out, span_of(type));
	if (or_null)
		buf_text(out, ",\"null\"]");
}

static void schema_name_add(struct buf *out, const char *record)
{
	buf_char(out, (char)toupper(record[0]));
	buf_text(out, record + 1);
}

static void record_ref(struct buf *out, const char *record)
{
	member(out, "$ref");
	buf_text(out, "\"#/components/schemas/");
	schema_name_add(out, record);
	buf_char(out, '"');
}

static void pattern_members(struct buf *out, const char *pattern, bool or_null)
{
	type_member(out, "string", or_null);
	member(out, "pattern");
	buf_printf(out, "\"^%s$\"", pattern);
}

static void length_members(struct buf *out, const struct spec_field *f, bool or_null)
{
	type_member(out, "string", or_null);
	if (f->min > 0)
		member_int(out, "minLength", f->min);
	if (f->max != INT64_MAX)
		member_int(out, "maxLength", f->max);
}

static void number_members(struct buf *out, const struct spec_field *f, bool or_null)
{
	type_member(out, f->type == SPEC_INT ? "integer" : "number", or_null);
	member_int(out, "minimum", f->min);
	if (f->max != INT64_MAX)
		member_int(out, "maximum", f->max);
}

static void choice_members(struct buf *out, const struct spec_field *f, bool or_null)
{
	type_member(out, "string", or_null);
	member(out, "enum");
	buf_char(out, '[');
	for (size_t i = 0; f->choices[i]; i++)
		element_text(out, f->choices[i]);
	buf_text(out, or_null ? ",null]" : "]");
}

/* as deep as the table: two levels */
/* NOLINTBEGIN(misc-no-recursion) */
static void field_members(struct buf *out, const struct spec_field *f);

static void properties(struct buf *out, const struct spec_field *fields)
{
	bool any_required = false;
	member(out, "properties");
	buf_char(out, '{');
	for (const struct spec_field *f = fields; f->name; f++) {
		member(out, f->name);
		buf_char(out, '{');
		field_members(out, f);
		buf_char(out, '}');
		any_required |= f->required;
	}
	buf_char(out, '}');
	if (!any_required)
		return;
	member(out, "required");
	buf_char(out, '[');
	for (const struct spec_field *f = fields; f->name; f++)
		if (f->required)
			element_text(out, f->name);
	buf_char(out, ']');
}

static void object_members(struct buf *out, const struct spec_field *f, bool or_null)
{
	const char *record = f->fields ? spec_record_of(f->fields) : NULL;
	if (record) {
		record_ref(out, record);
		return;
	}
	type_member(out, "object", or_null);
	if (f->fields)
		properties(out, f->fields);
}

static void items_member(struct buf *out, const char *record)
{
	member(out, "items");
	buf_char(out, '{');
	if (record)
		record_ref(out, record);
	else
		member_text(out, "type", "string");
	buf_char(out, '}');
}

/* The schema of one value, without its braces. SPEC_FIELDS is a parameter's alone: fields_members. */
static void value_members(struct buf *out, const struct spec_field *f)
{
	bool or_null = f->nullable || (f->fallback && strcmp(f->fallback, "null") == 0);
	switch (f->type) {
	case SPEC_IDENT: pattern_members(out, ident_pattern(f->ident), or_null); return;
	case SPEC_KIND:
	case SPEC_STRING:
	case SPEC_CURSOR: length_members(out, f, or_null); return;
	case SPEC_INT:
	case SPEC_NUMBER: number_members(out, f, or_null); return;
	case SPEC_BOOL: type_member(out, "boolean", or_null); return;
	case SPEC_TIME: type_member(out, "string", or_null); member_text(out, "format", "date-time"); return;
	case SPEC_CHOICE: choice_members(out, f, or_null); return;
	case SPEC_OBJECT: object_members(out, f, or_null); return;
	case SPEC_ARRAY: type_member(out, "array", false); items_member(out, spec_record_of(f->fields)); return;
	case SPEC_STRINGS: type_member(out, "array", or_null); items_member(out, NULL); return;
	case SPEC_ANY:
	case SPEC_FIELDS: return;
	}
}

static void field_members(struct buf *out, const struct spec_field *f)
{
	value_members(out, f);
	if (f->fallback)
		member_json(out, "default", f->fallback);
	if (f->ours) {
		member(out, "readOnly");
		buf_text(out, "true");
	}
	member_text(out, "description", f->prose);
}
/* NOLINTEND(misc-no-recursion) */

static void fields_members(struct buf *out, enum table_id table)
{
	type_member(out, "array", false);
	member_int(out, "minItems", 1);
	member(out, "items");
	buf_text(out, "{\"type\":\"string\",\"enum\":[");
	for (const struct spec_field *f = spec_fields(table); f->name; f++)
		element_text(out, f->name);
	buf_text(out, "]}");
}

static void one_or_list(struct buf *out, const struct spec_param *p, const struct spec_field *f)
{
	if (!p->unbounded) {
		member(out, "oneOf");
		buf_text(out, "[{");
		value_members(out, f);
		buf_text(out, "},{");
	}
	type_member(out, "array", false);
	member(out, "items");
	buf_char(out, '{');
	value_members(out, f);
	buf_char(out, '}');
	if (p->unbounded)
		return;
	member_int(out, "minItems", 1);
	member_int(out, "maxItems", SPEC_FILTER_MAX);
	buf_text(out, "}]");
}

static void param_object(struct buf *out, const struct spec_param *p)
{
	struct spec_field f = spec_param_field(p);
	comma(out);
	buf_char(out, '{');
	member_text(out, "name", p->name);
	member_text(out, "description", p->prose);
	member(out, "required");
	buf_text(out, p->required ? "true" : "false");
	member(out, "schema");
	buf_char(out, '{');
	if (p->type == SPEC_FIELDS)
		fields_members(out, p->table);
	else if (p->many)
		one_or_list(out, p, &f);
	else
		value_members(out, &f);
	if (p->fallback)
		member_json(out, "default", p->fallback);
	buf_text(out, "}}");
}

static void errors_member(struct buf *out, unsigned errors)
{
	member(out, "errors");
	buf_char(out, '[');
	for (unsigned i = 0; i < FAULT_CODE_COUNT; i++) {
		if (!(errors & 1u << i))
			continue;
		comma(out);
		buf_printf(out, "{\"$ref\":\"#/components/errors/%s\"}", fault_kind((enum fault_code)i));
	}
	buf_char(out, ']');
}

static void examples_member(struct buf *out, const struct spec_method *m)
{
	struct span name, value, params = m->example_params ? span_of(m->example_params) : SPAN("{}");
	if (!m->example_result)
		return;
	member(out, "examples");
	buf_text(out, "[{");
	member_text(out, "name", m->name);
	member(out, "params");
	buf_char(out, '[');
	for (struct scan_iter it = scan_members(params); scan_next_member(&it, &name, &value);) {
		comma(out);
		buf_text(out, "{\"name\":");
		buf_string(out, name);
		member(out, "value");
		scan_canonical(out, value);
		buf_char(out, '}');
	}
	buf_char(out, ']');
	member(out, "result");
	buf_text(out, "{\"name\":\"result\",\"value\":");
	scan_canonical(out, span_of(m->example_result));
	buf_text(out, "}}]");
}

static void description_member(struct buf *out, const struct spec_method *m)
{
	__attribute__((cleanup(buf_free))) struct buf text = {0};
	buf_printf(&text, "%s Result: %s.", m->prose, m->result);
	for (const struct spec_rule *rule = m->rules; rule && rule->kind != SPEC_RULE_END; rule++)
		buf_printf(&text, " Mind that %s (%s).", rule->prose, rule->hint);
	member(out, "description");
	buf_string(out, buf_as_span(&text));
}

static bool required_come_first(const struct spec_method *m)
{
	for (unsigned i = 1; i < m->param_count; i++)
		if (m->params[i].required && !m->params[i - 1].required)
			return false;
	return true;
}

/* OpenRPC wants required parameters before optional ones. Where the positions say otherwise, the document
 * lists the parameters for use by name. */
static void params_member(struct buf *out, const struct spec_method *m)
{
	bool positional = required_come_first(m);
	member_text(out, "paramStructure", positional ? "either" : "by-name");
	member(out, "params");
	buf_char(out, '[');
	for (int optional = 0; optional < 2; optional++)
		for (unsigned i = 0; i < m->param_count; i++)
			if (positional ? optional == 0 : m->params[i].required == !optional)
				param_object(out, &m->params[i]);
	buf_char(out, ']');
}

static void method_object(struct buf *out, const struct spec_method *m)
{
	comma(out);
	buf_char(out, '{');
	member_text(out, "name", m->name);
	member_text(out, "summary", m->prose);
	description_member(out, m);
	params_member(out, m);
	member(out, "result");
	buf_text(out, "{\"name\":\"result\"");
	member_text(out, "description", m->result);
	member_json(out, "schema", m->result_schema);
	buf_char(out, '}');
	errors_member(out, m->errors | errors_of_all);
	examples_member(out, m);
	member_text(out, "x-role", spec_role_name(m->role));
	buf_char(out, '}');
}

static void record_schema(struct buf *out, enum table_id t)
{
	comma(out);
	buf_char(out, '"');
	schema_name_add(out, spec_record_name(t));
	buf_text(out, "\":{");
	member_text(out, "title", spec_record_name(t));
	type_member(out, "object", false);
	properties(out, spec_fields(t));
	buf_char(out, '}');
}

static void components_member(struct buf *out)
{
	member(out, "components");
	buf_text(out, "{\"schemas\":{");
	for (enum table_id t = 0; t < TABLE_COUNT; t++)
		record_schema(out, t);
	buf_text(out, "},\"errors\":{");
	for (enum fault_code code = 0; code < FAULT_CODE_COUNT; code++) {
		member(out, fault_kind(code));
		buf_char(out, '{');
		member_int(out, "code", fault_number(code));
		member_text(out, "message", fault_text(code));
		buf_text(out, ",\"data\":{");
		member_text(out, "kind", fault_kind(code));
		buf_text(out, "}}");
	}
	buf_text(out, "}}");
}

void discover_openrpc(struct buf *out, const char *version)
{
	buf_char(out, '{');
	member_text(out, "openrpc", "1.3.2");
	member(out, "info");
	buf_char(out, '{');
	member_text(out, "title", "persistd");
	member_text(out, "version", version);
	member_text(out, "description",
	            "Keeps jobs, runs and artifacts for the programs of one machine. One JSON text a line over "
	            "a Unix stream socket; docs/protocol.md says the rest.");
	buf_text(out, ",\"license\":{\"name\":\"MIT\"}}");
	member(out, "methods");
	buf_char(out, '[');
	for (size_t i = 0; i < METHOD_COUNT; i++)
		method_object(out, &spec_methods[i]);
	buf_char(out, ']');
	components_member(out);
	buf_char(out, '}');
}

/* Prose is written with marks for the web page; a terminal shows none. */
static void unmarked(struct buf *out, const char *prose)
{
	for (; *prose; prose++)
		if (*prose != '`')
			buf_char(out, *prose);
}

static void usage_param(struct buf *out, const struct spec_param *p)
{
	buf_printf(out, "  %s%s\n      ", p->name, p->required ? "" : " (optional)");
	param_expected(out, p);
	if (p->fallback)
		buf_printf(out, "; default %s", p->fallback);
	buf_text(out, "\n      ");
	unmarked(out, p->prose);
	buf_char(out, '\n');
}

void discover_usage(struct buf *out, const struct spec_method *m)
{
	buf_printf(out, "%s: %s\n\n", m->name, m->prose);
	buf_text(out, m->param_count > 0 ? "Parameters:\n" : "It takes no parameters.\n");
	for (unsigned i = 0; i < m->param_count; i++)
		usage_param(out, &m->params[i]);
	for (const struct spec_rule *rule = m->rules; rule && rule->kind != SPEC_RULE_END; rule++)
		buf_printf(out, "  Mind that %s (%s).\n", rule->prose, rule->hint);
	buf_text(out, "\nResult: ");
	unmarked(out, m->result);
	buf_printf(out, ".\n\nExample:\n  persistctl call %s", m->name);
	if (m->example_params) {
		buf_text(out, " '");
		scan_canonical(out, span_of(m->example_params));
		buf_char(out, '\'');
	}
	buf_char(out, '\n');
}
