#include "proto/params.h"
#include "proto/scan.h"
#include "proto/spec.h"
#include "tests/unit/unit.h"
#include <jansson.h>
#include <stdio.h>

static void assert_json(const char *text)
{
	json_error_t error;
	json_t *tree = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	ck_assert_msg(tree, "%s: %s", text, error.text);
	json_decref(tree);
}

START_TEST(every_method_has_its_row_and_a_name_of_its_own)
{
	for (size_t i = 0; i < METHOD_COUNT; i++) {
		const struct spec_method *m = &spec_methods[i];
		ck_assert_ptr_nonnull(m->name);
		ck_assert(m->prose && m->prose[0] && !strchr(m->prose, '\n') && m->prose[strlen(m->prose) - 1] == '.');
		ck_assert(m->result && m->result[0]);
		ck_assert_ptr_nonnull(strchr(m->name, '.'));
		ck_assert_uint_le(m->param_count, SPEC_PARAMS_MAX);
		ck_assert((m->param_count > 0) == (m->params != NULL));
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(m->name, spec_methods[j].name);
	}
}
END_TEST

/* Callers by position rely on it: only append. */
static const struct {
	const char *method, *params;
} positions[METHOD_COUNT] = {
	[JOB_SAVE] = {"job.save", "job if_revision fields"},
	[JOB_GET] = {"job.get", "id fields"},
	[JOB_LIST] = {"job.list", "status type created_after created_before limit offset cursor fields order"},
	[JOB_COUNT] = {"job.count", "status type created_after created_before group_by"},
	[JOB_UPDATE_PROGRESS] = {"job.update_progress", "id progress"},
	[JOB_DELETE] = {"job.delete", "id ids"},
	[JOB_CLEANUP] = {"job.cleanup", "days dry_run"},
	[RUN_CREATE_OR_UPDATE] = {"run.create_or_update",
		"run_id kind request status meta artifact_id error if_revision fields"},
	[RUN_GET] = {"run.get", "run_id fields"},
	[RUN_LIST] = {"run.list", "kind status updated_after updated_before limit offset cursor fields order"},
	[RUN_COUNT] = {"run.count", "kind status updated_after updated_before group_by"},
	[RUN_FIND_BY_META] = {"run.find_by_meta", "key value fields"},
	[RUN_DELETE] = {"run.delete", "run_id keep_artifacts"},
	[ARTIFACT_SAVE] = {"artifact.save", "run_id kind payload link"},
	[ARTIFACT_READ] = {"artifact.read", "id raw"},
	[ARTIFACT_LIST] = {"artifact.list", "run_id kind limit offset cursor order"},
	[ARTIFACT_DELETE] = {"artifact.delete", "id"},
	[SERVER_IMPORT] = {"server.import", "jobs runs artifacts mode dry_run"},
	[SERVER_PING] = {"server.ping", ""},
	[SERVER_INFO] = {"server.info", ""},
	[SERVER_STATS] = {"server.stats", ""},
	[SERVER_FLUSH] = {"server.flush", ""},
	[SERVER_SET_LOG_LEVEL] = {"server.set_log_level", "level"},
	[RPC_DISCOVER] = {"rpc.discover", ""},
};

START_TEST(callers_by_position_find_the_parameters_where_they_were)
{
	for (size_t i = 0; i < METHOD_COUNT; i++) {
		char names[512] = "";
		for (unsigned p = 0; p < spec_methods[i].param_count; p++) {
			ck_assert_ptr_nonnull(spec_methods[i].params[p].name);
			strcat(names, p ? " " : "");
			strcat(names, spec_methods[i].params[p].name);
		}
		ck_assert_str_eq(spec_methods[i].name, positions[i].method);
		ck_assert_str_eq(names, positions[i].params);
	}
}
END_TEST

static void assert_fields(enum table_id t, const char *expected, unsigned count)
{
	char names[512] = "";
	unsigned i = 0;
	for (const struct spec_field *f = spec_fields(t); f->name; f++, i++) {
		strcat(names, i ? " " : "");
		strcat(names, f->name);
		ck_assert(f->prose && f->prose[0]);
		ck_assert_uint_eq(f->name_len, strlen(f->name));
		for (const struct spec_field *inner = f->fields; inner && inner->name; inner++)
			ck_assert_uint_eq(inner->name_len, strlen(inner->name));
	}
	ck_assert_str_eq(names, expected);
	ck_assert_uint_eq(i, count);
	ck_assert_uint_le(i, SPEC_FIELDS_MAX);
}

START_TEST(records_keep_the_fields_and_the_order_that_files_have)
{
	assert_fields(TABLE_JOBS,
	              "id type status payload progress result created_at started_at completed_at error metadata "
	              "updated_at revision",
	              JOB_FIELDS);
	assert_fields(TABLE_RUNS,
	              "id kind status created_at updated_at started_at finished_at request meta artifact_id "
	              "error revision",
	              RUN_FIELDS);
	assert_fields(TABLE_ARTIFACTS, "id run_id kind path created_at size_bytes revision", ARTIFACT_FIELDS);
	ck_assert_str_eq(spec_table_name(TABLE_ARTIFACTS), "artifacts");
	ck_assert_str_eq(spec_record_name(TABLE_RUNS), "run");
	ck_assert_str_eq(spec_record_of(spec_job_fields), "job");
	ck_assert_ptr_null(spec_record_of(spec_job_fields[JOB_PROGRESS].fields));
}
END_TEST

static void assert_fallbacks(const struct spec_field *fields)
{
	struct fault fault;
	for (const struct spec_field *f = fields; f->name; f++) {
		if (f->fields)
			assert_fallbacks(f->fields);
		if (!f->fallback)
			continue;
		assert_json(f->fallback);
		if (strcmp(f->fallback, "null") != 0)
			ck_assert_msg(field_check(f, span_of(f->fallback), f->name, &fault), "%s: %s", f->name,
			              fault.message);
	}
}

START_TEST(the_daemon_writes_no_default_that_it_would_refuse)
{
	for (enum table_id t = 0; t < TABLE_COUNT; t++)
		assert_fallbacks(spec_fields(t));
	for (size_t i = 0; i < METHOD_COUNT; i++) {
		for (unsigned p = 0; p < spec_methods[i].param_count; p++) {
			const struct spec_param *param = &spec_methods[i].params[p];
			struct spec_field f = spec_param_field(param);
			struct fault fault;
			ck_assert(param->prose && param->prose[0]);
			ck_assert(!param->required || !param->fallback);
			if (param->fallback)
				ck_assert(field_check(&f, span_of(param->fallback), param->name, &fault));
		}
	}
}
END_TEST

START_TEST(what_the_documents_show_as_an_example_is_taken)
{
	for (size_t i = 0; i < METHOD_COUNT; i++) {
		const struct spec_method *m = &spec_methods[i];
		struct params params;
		struct buf scratch = {0};
		struct fault fault;
		assert_json(m->result_schema);
		if (m->example_result)
			assert_json(m->example_result);
		if (m->example_params)
			ck_assert_msg(params_read(m, span_of(m->example_params), NULL, &params, &scratch, &fault), "%s: %s",
			              m->name, fault.message);
		else
			ck_assert_msg(params_read(m, (struct span){0}, NULL, &params, &scratch, &fault), "%s", m->name);
		buf_free(&scratch);
	}
}
END_TEST

/* A record shown as a result is one that could have been stored. */
static void assert_record(enum table_id t, const char *text)
{
	struct span name, value;
	struct fault fault;
	int last = -1;
	for (struct scan_iter it = scan_members(span_of(text)); scan_next_member(&it, &name, &value);) {
		int i = field_find(spec_fields(t), name);
		ck_assert_msg(i > last, "%.*s out of order or unknown", (int)name.len, name.at);
		last = i;
		if (scan_kind(value) != SCAN_NULL)
			ck_assert_msg(field_check(&spec_fields(t)[i], value, "record", &fault), "%s", fault.message);
	}
}

START_TEST(the_records_in_the_examples_are_records)
{
	assert_record(TABLE_JOBS, spec_methods[JOB_SAVE].example_result);
	assert_record(TABLE_JOBS, spec_methods[JOB_GET].example_result);
	assert_record(TABLE_RUNS, spec_methods[RUN_GET].example_result);
	assert_record(TABLE_ARTIFACTS, spec_methods[ARTIFACT_SAVE].example_result);
}
END_TEST

START_TEST(only_a_job_or_run_that_has_ended_counts_as_terminal)
{
	ck_assert(spec_status_is_terminal(TABLE_JOBS, SPAN("completed")));
	ck_assert(spec_status_is_terminal(TABLE_JOBS, SPAN("failed")));
	ck_assert(spec_status_is_terminal(TABLE_JOBS, SPAN("cancelled")));
	ck_assert(!spec_status_is_terminal(TABLE_JOBS, SPAN("pending")));
	ck_assert(!spec_status_is_terminal(TABLE_JOBS, SPAN("running")));
	ck_assert(!spec_status_is_terminal(TABLE_JOBS, SPAN("succeeded")));
	ck_assert(spec_status_is_terminal(TABLE_RUNS, SPAN("succeeded")));
	ck_assert(spec_status_is_terminal(TABLE_RUNS, SPAN("cancelled")));
	ck_assert(!spec_status_is_terminal(TABLE_RUNS, SPAN("completed")));
	ck_assert(!spec_status_is_terminal(TABLE_RUNS, SPAN("queued")));
	ck_assert(!spec_status_is_terminal(TABLE_RUNS, SPAN("")));
	ck_assert(!spec_status_is_terminal(TABLE_ARTIFACTS, SPAN("failed")));
}
END_TEST

START_TEST(the_two_vocabularies_stand_side_by_side)
{
	for (size_t i = 0; spec_job_statuses[i]; i++) {
		ck_assert_ptr_nonnull(spec_run_statuses[i]);
		ck_assert(spec_status_is_terminal(TABLE_JOBS, span_of(spec_job_statuses[i])) ==
			  spec_status_is_terminal(TABLE_RUNS, span_of(spec_run_statuses[i])));
	}
}
END_TEST

START_TEST(a_method_is_found_by_its_exact_name_and_a_mistyped_one_is_hinted_at)
{
	const char *hint;
	ck_assert_ptr_eq(spec_find(SPAN("job.save"), &hint), &spec_methods[JOB_SAVE]);
	ck_assert_ptr_null(hint);
	ck_assert_ptr_eq(spec_find(SPAN("rpc.discover"), &hint), &spec_methods[RPC_DISCOVER]);
	ck_assert_ptr_null(spec_find(SPAN("job.sav"), &hint));
	ck_assert_str_eq(hint, "job.save");
	ck_assert_ptr_null(spec_find(SPAN("JOB.LIST"), &hint));
	ck_assert_str_eq(hint, "job.list");
	ck_assert_ptr_null(spec_find(SPAN("job.save\0"), &hint));
	ck_assert_ptr_null(spec_find(SPAN("utterly_else"), &hint));
	ck_assert_ptr_null(hint);
	ck_assert_ptr_null(spec_find(SPAN(""), &hint));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("spec");
	TCase *tests = tcase_create("spec");
	ident_init();
	tcase_add_test(tests, every_method_has_its_row_and_a_name_of_its_own);
	tcase_add_test(tests, callers_by_position_find_the_parameters_where_they_were);
	tcase_add_test(tests, records_keep_the_fields_and_the_order_that_files_have);
	tcase_add_test(tests, the_daemon_writes_no_default_that_it_would_refuse);
	tcase_add_test(tests, what_the_documents_show_as_an_example_is_taken);
	tcase_add_test(tests, the_records_in_the_examples_are_records);
	tcase_add_test(tests, only_a_job_or_run_that_has_ended_counts_as_terminal);
	tcase_add_test(tests, the_two_vocabularies_stand_side_by_side);
	tcase_add_test(tests, a_method_is_found_by_its_exact_name_and_a_mistyped_one_is_hinted_at);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
