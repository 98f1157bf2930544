#include "proto/discover.h"
#include "proto/scan.h"
#include "tests/unit/unit.h"
#include <jansson.h>
#include <libgen.h>
#include <stdio.h>

static struct buf page;
static json_t *document;

static void set_up(void)
{
	json_error_t error;
	ident_init();
	page = (struct buf){0};
	discover_openrpc(&page, "1.2.3");
	document = json_loadb(page.at, page.len, JSON_REJECT_DUPLICATES, &error);
	ck_assert_msg(document, "%s at byte %d: %.60s", error.text, error.position, page.at + error.position);
}

static void tear_down(void)
{
	json_decref(document);
	buf_free(&page);
}

static json_t *at(json_t *from, const char *name)
{
	json_t *value = json_object_get(from, name);
	ck_assert_msg(value, "%s is missing", name);
	return value;
}

static const char *text_at(json_t *from, const char *name)
{
	const char *text = json_string_value(at(from, name));
	ck_assert_msg(text && text[0], "%s is no text", name);
	return text;
}

static json_t *method_at(enum method m)
{
	return json_array_get(at(document, "methods"), m);
}

static json_t *param_schema(enum method m, unsigned i)
{
	return at(json_array_get(at(method_at(m), "params"), i), "schema");
}

START_TEST(the_document_is_openrpc_on_one_line)
{
	ck_assert_str_eq(text_at(document, "openrpc"), "1.3.2");
	ck_assert_str_eq(text_at(at(document, "info"), "title"), "persistd");
	ck_assert_str_eq(text_at(at(document, "info"), "version"), "1.2.3");
	ck_assert_ptr_null(memchr(page.at, '\n', page.len));
	ck_assert_uint_eq(json_array_size(at(document, "methods")), METHOD_COUNT);
}
END_TEST

START_TEST(the_document_is_as_compact_as_any_reply)
{
	struct buf compact = {0};
	struct scan_report report;
	ck_assert_int_eq((int)scan_check(buf_as_span(&page), SCAN_DEPTH_WIRE, &report), SCAN_OK);
	scan_canonical(&compact, buf_as_span(&page));
	ck_assert(span_is(buf_as_span(&compact), buf_as_span(&page)));
	buf_free(&compact);
}
END_TEST

static json_t *param_named(json_t *params, const char *name)
{
	size_t i;
	json_t *param;
	json_array_foreach(params, i, param)
		if (strcmp(text_at(param, "name"), name) == 0)
			return param;
	return NULL;
}

START_TEST(required_parameters_stand_before_optional_ones)
{
	for (size_t i = 0; i < METHOD_COUNT; i++) {
		json_t *params = at(method_at((enum method)i), "params"), *param;
		bool optional = false;
		size_t p;
		json_array_foreach(params, p, param) {
			bool required = json_is_true(at(param, "required"));
			ck_assert_msg(!required || !optional, "%s: %s", spec_methods[i].name, text_at(param, "name"));
			optional |= !required;
		}
	}
}
END_TEST

START_TEST(every_method_is_there_with_what_a_generator_needs)
{
	for (size_t i = 0; i < METHOD_COUNT; i++) {
		const struct spec_method *m = &spec_methods[i];
		json_t *method = method_at((enum method)i), *params = at(method, "params");
		ck_assert_str_eq(text_at(method, "name"), m->name);
		ck_assert_str_eq(text_at(method, "summary"), m->prose);
		text_at(method, "description");
		/* an optional parameter has the first place */
		bool by_name = i == RUN_CREATE_OR_UPDATE || i == ARTIFACT_SAVE;
		ck_assert_str_eq(text_at(method, "paramStructure"), by_name ? "by-name" : "either");
		ck_assert(json_is_object(at(at(method, "result"), "schema")));
		text_at(at(method, "result"), "name");
		ck_assert_uint_eq(json_array_size(params), m->param_count);
		ck_assert_uint_gt(json_array_size(at(method, "errors")), 3);
		for (unsigned p = 0; p < m->param_count; p++) {
			json_t *param = json_array_get(params, p);
			if (by_name)
				param = param_named(params, m->params[p].name);
			ck_assert_str_eq(text_at(param, "name"), m->params[p].name);
			ck_assert(json_is_boolean(at(param, "required")));
			ck_assert(json_is_true(at(param, "required")) == m->params[p].required);
			ck_assert(json_is_object(at(param, "schema")));
			text_at(param, "description");
		}
	}
}
END_TEST

START_TEST(schemas_say_the_bounds_that_are_checked)
{
	json_t *limit = param_schema(JOB_LIST, JOB_LIST_LIMIT), *status = param_schema(JOB_LIST, JOB_LIST_STATUS);
	ck_assert_str_eq(text_at(limit, "type"), "integer");
	ck_assert_int_eq(json_integer_value(at(limit, "minimum")), 1);
	ck_assert_int_eq(json_integer_value(at(limit, "maximum")), 1000);
	ck_assert_int_eq(json_integer_value(at(limit, "default")), 100);
	ck_assert_uint_eq(json_array_size(at(status, "oneOf")), 2);
	ck_assert_uint_eq(json_array_size(at(json_array_get(at(status, "oneOf"), 0), "enum")), 5);
	ck_assert_int_eq(json_integer_value(at(json_array_get(at(status, "oneOf"), 1), "maxItems")),
	                 SPEC_FILTER_MAX);
	ck_assert_str_eq(text_at(param_schema(JOB_GET, JOB_GET_ID), "pattern"), "^[A-Za-z0-9_-]{1,160}$");
	ck_assert_uint_eq(json_array_size(at(at(param_schema(JOB_GET, JOB_GET_FIELDS), "items"), "enum")),
	                  JOB_FIELDS);
	ck_assert_str_eq(text_at(param_schema(JOB_SAVE, JOB_SAVE_JOB), "$ref"), "#/components/schemas/Job");
	ck_assert_str_eq(text_at(param_schema(JOB_DELETE, JOB_DELETE_IDS), "type"), "array");
	ck_assert(json_object_get(param_schema(JOB_DELETE, JOB_DELETE_IDS), "maxItems") == NULL);
	ck_assert(at(at(param_schema(JOB_UPDATE_PROGRESS, JOB_UPDATE_PROGRESS_PROGRESS), "properties"), "total"));
}
END_TEST

START_TEST(records_are_described_with_their_nulls_and_what_is_the_daemons_own)
{
	json_t *schemas = at(at(document, "components"), "schemas");
	json_t *job = at(at(schemas, "Job"), "properties"), *run = at(at(schemas, "Run"), "properties");
	ck_assert_uint_eq(json_object_size(job), JOB_FIELDS);
	ck_assert_uint_eq(json_object_size(run), RUN_FIELDS);
	ck_assert(json_is_array(at(at(job, "error"), "type")));
	ck_assert(json_is_array(at(at(job, "started_at"), "type")));
	ck_assert(json_is_array(at(at(run, "artifact_id"), "type")));
	ck_assert_str_eq(text_at(at(job, "payload"), "type"), "object");
	ck_assert(json_is_true(at(at(job, "revision"), "readOnly")));
	ck_assert_str_eq(json_string_value(json_array_get(at(at(job, "result"), "required"), 0)), "success");
	ck_assert(json_equal(at(at(job, "status"), "default"), json_array_get(at(at(job, "status"), "enum"), 0)));
	at(schemas, "Artifact");
}
END_TEST

static void assert_refs(json_t *value)
{
	const char *name;
	json_t *inner;
	size_t i;
	json_array_foreach(value, i, inner)
		assert_refs(inner);
	json_object_foreach(value, name, inner) {
		assert_refs(inner);
		if (strcmp(name, "$ref") != 0)
			continue;
		char path[128], *rest = NULL;
		json_t *target = document;
		snprintf(path, sizeof path, "%s", json_string_value(inner));
		ck_assert_str_eq(strtok_r(path, "/", &rest), "#");
		for (char *step; (step = strtok_r(NULL, "/", &rest));)
			target = at(target, step);
	}
}

START_TEST(every_reference_leads_somewhere)
{
	assert_refs(document);
}
END_TEST

START_TEST(every_error_code_is_described_with_its_number_and_kind)
{
	json_t *errors = at(at(document, "components"), "errors");
	ck_assert_uint_eq(json_object_size(errors), FAULT_CODE_COUNT);
	ck_assert_int_eq(json_integer_value(at(at(errors, "conflict"), "code")), -32002);
	ck_assert_str_eq(text_at(at(at(errors, "conflict"), "data"), "kind"), "conflict");
}
END_TEST

START_TEST(examples_name_parameters_that_exist)
{
	for (size_t i = 0; i < METHOD_COUNT; i++) {
		json_t *examples = json_object_get(method_at((enum method)i), "examples"), *param;
		size_t p;
		if (!examples)
			continue;
		json_array_foreach(at(json_array_get(examples, 0), "params"), p, param) {
			unsigned j = 0;
			while (j < spec_methods[i].param_count &&
			       strcmp(spec_methods[i].params[j].name, text_at(param, "name")) != 0)
				j++;
			ck_assert_uint_lt(j, spec_methods[i].param_count);
		}
		at(at(json_array_get(examples, 0), "result"), "value");
	}
}
END_TEST

START_TEST(help_of_a_method_names_its_parameters_and_shows_a_command_to_paste)
{
	for (size_t i = 0; i < METHOD_COUNT; i++) {
		struct buf text = {0};
		discover_usage(&text, &spec_methods[i]);
		buf_char(&text, '\0');
		for (unsigned p = 0; p < spec_methods[i].param_count; p++)
			ck_assert_ptr_nonnull(strstr(text.at, spec_methods[i].params[p].name));
		ck_assert_ptr_nonnull(strstr(text.at, "persistctl call "));
		ck_assert_ptr_null(strchr(text.at, '`'));
		buf_free(&text);
	}
}
END_TEST

START_TEST(the_page_has_every_method_field_and_error)
{
	struct buf text = {0};
	discover_markdown(&text);
	buf_char(&text, '\0');
	for (size_t i = 0; i < METHOD_COUNT; i++) {
		char heading[128];
		snprintf(heading, sizeof heading, "\n### %s\n", spec_methods[i].name);
		ck_assert_msg(strstr(text.at, heading), "%s", heading);
	}
	for (unsigned i = 0; i < FAULT_CODE_COUNT; i++)
		ck_assert_ptr_nonnull(strstr(text.at, fault_kind((enum fault_code)i)));
	ck_assert_ptr_nonnull(strstr(text.at, "| `result.success` | bool | required |"));
	buf_free(&text);
}
END_TEST

/* An example line that a reader pastes is a request that works. */
START_TEST(every_example_line_of_the_page_is_json)
{
	struct buf text = {0};
	size_t examples = 0;
	discover_markdown(&text);
	buf_char(&text, '\0');
	for (char *line = text.at; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, "{\"jsonrpc\":\"2.0\",\"", 18) != 0 || strncmp(line + 18, "error", 5) == 0)
			continue;
		json_t *tree = json_loadb(line, strcspn(line, "\n"), JSON_REJECT_DUPLICATES, NULL);
		ck_assert_msg(tree, "%.200s", line);
		json_decref(tree);
		examples++;
	}
	ck_assert_uint_gt(examples, 2 * 15);
	buf_free(&text);
}
END_TEST

/* The source's own path, from the build directory or from where the compiler ran. */
static FILE *open_page(void)
{
	char source[] = __FILE__, path[sizeof __FILE__ + 64];
	snprintf(path, sizeof path, "%s/../../docs/protocol.md", dirname(source));
	return fopen(path, "r");
}

START_TEST(docs_protocol_md_is_not_stale)
{
	struct buf text = {0}, written = {0};
	FILE *file = open_page();
	ck_assert_msg(file, "docs/protocol.md cannot be opened");
	discover_markdown(&text);
	buf_room(&written, text.len + 4096);
	written.len = fread(written.at, 1, text.len + 4096, file);
	fclose(file);
	ck_assert_msg(span_is(buf_as_span(&written), buf_as_span(&text)),
	              "docs/protocol.md is stale: write it with ./dev docs");
	buf_free(&text);
	buf_free(&written);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("discover");
	TCase *tests = tcase_create("discover");
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, the_document_is_openrpc_on_one_line);
	tcase_add_test(tests, the_document_is_as_compact_as_any_reply);
	tcase_add_test(tests, every_method_is_there_with_what_a_generator_needs);
	tcase_add_test(tests, required_parameters_stand_before_optional_ones);
	tcase_add_test(tests, schemas_say_the_bounds_that_are_checked);
	tcase_add_test(tests, records_are_described_with_their_nulls_and_what_is_the_daemons_own);
	tcase_add_test(tests, every_reference_leads_somewhere);
	tcase_add_test(tests, every_error_code_is_described_with_its_number_and_kind);
	tcase_add_test(tests, examples_name_parameters_that_exist);
	tcase_add_test(tests, help_of_a_method_names_its_parameters_and_shows_a_command_to_paste);
	tcase_add_test(tests, the_page_has_every_method_field_and_error);
	tcase_add_test(tests, every_example_line_of_the_page_is_json);
	tcase_add_test(tests, docs_protocol_md_is_not_stale);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
