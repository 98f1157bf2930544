/* Runs: every run method, and the rules of each field. */
#include "tests/integration/client.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct daemon *d;
static struct client *c;

static void setup(void)
{
	d = daemon_started(NULL);
	c = client_open(d);
}

static void teardown(void)
{
	daemon_end(d);
}

static json_t *save(const char *params)
{
	return client_call(c, "run.create_or_update", "%s", params);
}

static json_t *get(const char *id)
{
	return client_call(c, "run.get", JSON({"run_id":"%s"}), id);
}

static json_t *refused(const char *params)
{
	return client_refused(c, INVALID_PARAMS, "run.create_or_update", "%s", params);
}

/* ---- saving */

START_TEST(a_new_run_has_every_field_with_its_default)
{
	json_t *run = save(JSON({"run_id":"r1","kind":"backtest"}));
	static const char *const names[] = {"id", "kind", "status", "created_at", "updated_at", "started_at",
	                                    "finished_at", "request",
					    "meta", "artifact_id", "error", "revision"};
	ck_assert_uint_eq(json_object_size(run), (size_t)COUNT(names));
	int i = 0;
	for (void *it = json_object_iter(run); it; it = json_object_iter_next(run, it), i++)
		ck_assert_str_eq(json_object_iter_key(it), names[i]);
	expect_text_at(run, "status", "queued");
	expect_at(run, "request", "{}");
	expect_at(run, "meta", "{}");
	for (const char *const *nothing = ARGS("started_at", "finished_at", "artifact_id", "error"); *nothing;
	     nothing++)
		expect_at(run, *nothing, "null");
	ck_assert(json_equal(run, get("r1")));
}
END_TEST

static const char *const no_id[] = {JSON({"kind":"Factor Lab"}), JSON({"kind":"Factor Lab","run_id":null}),
                                    JSON({"kind":"Factor Lab","run_id":""})};

START_TEST(a_run_without_an_id_gets_one_of_its_kind)
{
	const char *id = text_at(save(no_id[_i]), "id");
	expect_pattern(id, "^factor_lab_[0-9a-f]{12}$");
	expect_text_at(get(id), "kind", "factor_lab");
}
END_TEST

static const char *const bad_ids[] = {"\" \"", "\"a b\"", "\"a/b\"", "\"..\"", "\"a\\n\"", "\"\\u0000\"", "5", "[]", "false"};

START_TEST(a_run_id_outside_the_allowlist_is_refused)
{
	char *text;
	ck_assert_int_gt(asprintf(&text, "{\"kind\":\"x\",\"run_id\":%s}", bad_ids[_i]), 0);
	expect_fault(refused(text), "invalid_params", "run_id", NULL);
	ck_assert_int_eq(whole_at(client_call(c, "run.count", NULL), "total"), 0);
}
END_TEST

#define LETTERS_64 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl"

static const struct {
	const char *sent, *kept;
} kinds[] = {
	{"backtest", "backtest"}, {"Factor Lab!", "factor_lab"}, {"  __A--B__  ", "a_b"}, {"", "run"},
	{"!!!", "run"},
	{"\xc3\xa9t\xc3\xa9", "t"}, {"a\\nb", "a_b"}, {LETTERS_64 "xyz", LETTERS_64}, {"v1.2", "v1_2"},
};

START_TEST(a_kind_is_sanitised_not_refused)
{
	expect_text_at(client_call(c, "run.create_or_update", JSON({"run_id":"k","kind":"%s"}), kinds[_i].sent),
	               "kind", kinds[_i].kept);
	ck_assert_int_eq(whole_at(client_call(c, "run.count", JSON({"kind":"%s"}), kinds[_i].sent), "total"), 1);
}
END_TEST

START_TEST(an_existing_run_keeps_its_first_kind)
{
	save(JSON({"run_id":"k","kind":"backtest"}));
	expect_text_at(save(JSON({"run_id":"k","kind":"screener"})), "kind", "backtest");
	expect_text_at(get("k"), "kind", "backtest");
}
END_TEST

START_TEST(an_update_keeps_what_it_does_not_mention)
{
	save(
		JSON({"run_id":"u","kind":"x","status":"running","request":{"a":1},"meta":{"m":1},"artifact_id":"art_1","error":{"code":1}}));
	json_t *run = save(JSON({"run_id":"u","kind":"x"}));
	expect_text_at(run, "status", "running");
	expect_at(run, "request", JSON({"a":1}));
	expect_at(run, "meta", JSON({"m":1}));
	expect_text_at(run, "artifact_id", "art_1");
	expect_at(run, "error", JSON({"code":1}));
	run = save(
		JSON({"run_id":"u","kind":"x","status":null,"request":{},"meta":null,"artifact_id":null,"error":null}));
	expect_text_at(run, "status", "running");
	expect_at(run, "request", JSON({"a":1}));
	expect_at(run, "meta", JSON({"m":1}));
	expect_text_at(run, "artifact_id", "art_1");
	expect_at(run, "error", JSON({"code":1}));
	run = save(JSON({"run_id":"u","kind":"x","request":{"b":2},"error":{"code":2},"artifact_id":"art_2"}));
	expect_at(run, "request", JSON({"b":2}));
	expect_at(run, "error", JSON({"code":2}));
	expect_text_at(run, "artifact_id", "art_2");
	ck_assert(json_equal(run, get("u")));
}
END_TEST

START_TEST(meta_is_merged_key_by_key)
{
	save(JSON({"run_id":"m","kind":"x","meta":{"a":1,"b":{"deep":1},"c":3}}));
	json_t *run = save(JSON({"run_id":"m","kind":"x","meta":{"b":{"other":2},"d":null,"a":"one"}}));
	expect_at(run, "meta", JSON({"a":"one","b":{"other":2},"c":3,"d":null}));
	static const char *const order[] = {"a", "b", "c", "d"};
	int i = 0;
	json_t *meta = value_at(run, "meta");
	for (void *it = json_object_iter(meta); it; it = json_object_iter_next(meta, it), i++)
		ck_assert_str_eq(json_object_iter_key(it), order[i]);
}
END_TEST

START_TEST(a_status_may_be_in_any_letter_case)
{
	expect_text_at(save(JSON({"run_id":"s","kind":"x","status":"RUNNING"})), "status", "running");
	expect_text_at(save(JSON({"run_id":"s","kind":"x","status":"Succeeded"})), "status", "succeeded");
	ck_assert_int_eq(whole_at(client_call(c, "run.count", JSON({"status":"SUCCEEDED"})), "total"), 1);
}
END_TEST

START_TEST(a_run_s_times_are_set_when_they_become_true_and_stay)
{
	json_t *queued = save(JSON({"run_id":"t","kind":"x"}));
	json_t *running = save(JSON({"run_id":"t","kind":"x","status":"running"}));
	expect_text_at(running, "started_at", text_at(running, "updated_at"));
	expect_at(running, "finished_at", "null");
	json_t *done = save(JSON({"run_id":"t","kind":"x","status":"succeeded"}));
	expect_text_at(done, "started_at", text_at(running, "started_at"));
	const char *finished = text_at(done, "finished_at");
	json_t *failed = save(JSON({"run_id":"t","kind":"x","status":"failed"}));
	expect_text_at(failed, "finished_at", finished);
	expect_text_at(failed, "created_at", text_at(queued, "created_at"));
	ck_assert_str_gt(text_at(failed, "updated_at"), text_at(done, "updated_at"));
}
END_TEST

static const struct {
	const char *params, *field, *hint;
} bad_runs[] = {
	{JSON({"run_id":"x"}), "kind", NULL},
	{JSON({"kind":5}), "kind", NULL},
	{JSON({"kind":null}), "kind", NULL},
	{JSON({"kind":"x","status":"completed"}), "status", "succeeded"},
	{JSON({"kind":"x","status":"pending"}), "status", "queued"},
	{JSON({"kind":"x","status":"runing"}), "status", "running"},
	{JSON({"kind":"x","request":[]}), "request", NULL},
	{JSON({"kind":"x","meta":"m"}), "meta", NULL},
	{JSON({"kind":"x","error":"text"}), "error", NULL},
	{JSON({"kind":"x","artifact_id":"Bad Id"}), "artifact_id", NULL},
	{JSON({"kind":"x","artifact_id":"../x"}), "artifact_id", NULL},
	{JSON({"kind":"x","metas":{}}), "metas", "meta"},
	{JSON({"kind":"x","if_revision":"1"}), "if_revision", NULL},
	{JSON({"kind":"x","fields":["idd"]}), "fields[0]", "id"},
};

START_TEST(a_bad_parameter_is_refused_by_name_and_nothing_is_stored)
{
	expect_fault(refused(bad_runs[_i].params), "invalid_params", bad_runs[_i].field, bad_runs[_i].hint);
	ck_assert_int_eq(whole_at(client_call(c, "run.count", NULL), "total"), 0);
}
END_TEST

START_TEST(if_revision_guards_a_run)
{
	long long revision = whole_at(client_call(c, "run.create_or_update",
	                                          JSON({"run_id":"r","kind":"x","if_revision":0})),
	                              "revision");
	client_refused(c, CONFLICT, "run.create_or_update", JSON({"run_id":"r","kind":"x","if_revision":0}));
	client_refused(c, CONFLICT, "run.create_or_update", JSON({"run_id":"r","kind":"x","if_revision":%lld}),
	               revision + 1);
	client_call(c, "run.create_or_update", JSON({"run_id":"r","kind":"x","if_revision":%lld}), revision);
}
END_TEST

START_TEST(fields_select_what_is_sent_of_a_run)
{
	expect_json(client_call(c, "run.create_or_update",
	                        JSON({"run_id":"f","kind":"x","fields":["status","id"]})),
	            JSON({"id":"f","status":"queued"}));
	expect_json(client_call(c, "run.get", JSON({"run_id":"f","fields":["kind"]})), JSON({"kind":"x"}));
	expect_json(client_call(c, "run.list", JSON({"fields":["id"]})),
	            JSON({"runs":[{"id":"f"}],"total":1,"next_cursor":null}));
}
END_TEST

/* ---- finding */

START_TEST(an_unknown_run_is_not_found)
{
	expect_fault(client_refused(c, NOT_FOUND, "run.get", JSON({"run_id":"nobody"})), "not_found", "run_id",
	             NULL);
	expect_fault(client_refused(c, NOT_FOUND, "run.find_by_meta", JSON({"key":"a","value":"b"})), "not_found",
	             NULL, NULL);
}
END_TEST

START_TEST(a_run_is_found_by_what_its_meta_says)
{
	save(
		JSON({"run_id":"one","kind":"x","meta":{"job_id":"j1","n":5,"o":{"b":[1,2.5]},"t":true,"z":null,"r":0.1}}));
	save(JSON({"run_id":"two","kind":"x","meta":{"job_id":"j2","n":"6"}}));
	static const struct {
		const char *key, *value, *id;
	} cases[] = {
		{"job_id", "\"j1\"", "one"}, {"job_id", "\"j2\"", "two"}, {"n", "5", "one"}, {"n", "\"5\"", "one"}, {"n", "6", "two"},
		{"o", "{\"b\": [1, 2.5]}", "one"}, {"o", "\"{\\\"b\\\":[1,2.5]}\"", "one"}, {"t", "true", "one"}, {"t", "\"true\"", "one"},
		{"z", "null", "one"}, {"r", "0.1", "one"},
	};
	for (int i = 0; i < COUNT(cases); i++)
		expect_text_at(client_call(c, "run.find_by_meta", "{\"key\":\"%s\",\"value\":%s}", cases[i].key, cases[i].value), "id", cases[i].id);
	client_refused(c, NOT_FOUND, "run.find_by_meta", JSON({"key":"n","value":7}));
	client_refused(c, NOT_FOUND, "run.find_by_meta", JSON({"key":"job","value":"j1"}));
	expect_fault(client_refused(c, INVALID_PARAMS, "run.find_by_meta", JSON({"key":"n"})), "invalid_params",
	             "value", NULL);
	expect_fault(client_refused(c, INVALID_PARAMS, "run.find_by_meta", JSON({"key":1,"value":1})),
	             "invalid_params", "key", NULL);
}
END_TEST

START_TEST(find_by_meta_gives_the_run_that_changed_last)
{
	save(JSON({"run_id":"a","kind":"x","meta":{"job_id":"same"}}));
	save(JSON({"run_id":"b","kind":"x","meta":{"job_id":"same"}}));
	expect_text_at(client_call(c, "run.find_by_meta", JSON({"key":"job_id","value":"same"})), "id", "b");
	save(JSON({"run_id":"a","kind":"x","status":"running"}));
	expect_text_at(client_call(c, "run.find_by_meta", JSON({"key":"job_id","value":"same"})), "id", "a");
	save(JSON({"run_id":"a","kind":"x","meta":{"job_id":"other"}}));
	expect_text_at(client_call(c, "run.find_by_meta", JSON({"key":"job_id","value":"same"})), "id", "b");
	client_call(c, "run.delete", JSON({"run_id":"b"}));
	client_refused(c, NOT_FOUND, "run.find_by_meta", JSON({"key":"job_id","value":"same"}));
	expect_json(client_call(c, "run.find_by_meta", JSON({"key":"job_id","value":"other","fields":["id"]})),
	            JSON({"id":"a"}));
}
END_TEST

START_TEST(find_by_meta_works_after_a_restart)
{
	save(JSON({"run_id":"a","kind":"x","meta":{"job_id":"j","n":1}}));
	daemon_kill(d);
	daemon_start(d, NULL);
	c = client_open(d);
	expect_text_at(client_call(c, "run.find_by_meta", JSON({"key":"n","value":1})), "id", "a");
	daemon_restart(d, NULL);
	c = client_open(d);
	expect_text_at(client_call(c, "run.find_by_meta", JSON({"key":"job_id","value":"j"})), "id", "a");
}
END_TEST

START_TEST(runs_can_be_counted_in_groups)
{
	save(JSON({"run_id":"1","kind":"backtest","status":"running"}));
	save(JSON({"run_id":"2","kind":"backtest"}));
	save(JSON({"run_id":"3","kind":"screener"}));
	expect_json(client_call(c, "run.count", JSON({"group_by":"kind"})),
	            JSON({"total":3,"groups":{"backtest":2,"screener":1}}));
	expect_json(client_call(c, "run.count", JSON({"group_by":"status","kind":"Backtest"})),
	            JSON({"total":2,"groups":{"running":1,"queued":1}}));
	expect_json(client_call(c, "run.count", JSON({"kind":["backtest","SCREENER"]})), JSON({"total":3}));
}
END_TEST

/* ---- deleting */

START_TEST(deleting_a_run_takes_its_artifacts_and_their_files)
{
	save(JSON({"run_id":"r","kind":"x"}));
	save(JSON({"run_id":"other","kind":"x"}));
	const char *path = text_at(client_call(c, "artifact.save", JSON({"run_id":"r","payload":[1]})), "path");
	client_call(c, "artifact.save", JSON({"run_id":"r","payload":[2],"kind":"second"}));
	const char *kept = text_at(client_call(c, "artifact.save", JSON({"run_id":"other","payload":[3]})),
	                           "path");
	ck_assert(file_exists(path));
	expect_json(client_call(c, "run.delete", JSON({"run_id":"r"})), JSON({"removed":1}));
	ck_assert(!file_exists(path));
	ck_assert(file_exists(kept));
	ck_assert_int_eq(whole_at(client_call(c, "artifact.list", NULL), "total"), 1);
	client_refused(c, NOT_FOUND, "run.get", JSON({"run_id":"r"}));
	expect_json(client_call(c, "run.delete", JSON({"run_id":"r"})), JSON({"removed":0}));
}
END_TEST

START_TEST(keep_artifacts_keeps_them)
{
	save(JSON({"run_id":"r","kind":"x"}));
	json_t *artifact = client_call(c, "artifact.save", JSON({"run_id":"r","payload":{"k":1}}));
	expect_json(client_call(c, "run.delete", JSON({"run_id":"r","keep_artifacts":true})),
	            JSON({"removed":1}));
	ck_assert(file_exists(text_at(artifact, "path")));
	expect_at(client_call(c, "artifact.read", JSON({"id":"%s"}), text_at(artifact, "id")), "payload",
	          JSON({"k":1}));
}
END_TEST

START_TEST(a_run_with_thousands_of_artifacts_goes_in_one_call)
{
	save(JSON({"run_id":"many","kind":"x"}));
	for (int i = 0; i < 1500; i++)
		client_say(
			c,
			JSON({"jsonrpc":"2.0","method":"artifact.save","params":{"run_id":"many","payload":%d,"link":false}}),
			i);
	ck_assert_int_eq(whole_at(client_call(c, "artifact.list", JSON({"limit":1})), "total"), 1500);
	expect_json(client_call(c, "run.delete", JSON({"run_id":"many"})), JSON({"removed":1}));
	ck_assert_int_eq(whole_at(client_call(c, "artifact.list", NULL), "total"), 0);
	ck_assert_uint_eq(dir_count(daemon_path(d, "artifacts"), ".json"), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("runs");
	TCase *saving = integration_case(suite, "saving", setup, teardown);
	tcase_add_test(saving, a_new_run_has_every_field_with_its_default);
	tcase_add_loop_test(saving, a_run_without_an_id_gets_one_of_its_kind, 0, COUNT(no_id));
	tcase_add_loop_test(saving, a_run_id_outside_the_allowlist_is_refused, 0, COUNT(bad_ids));
	tcase_add_loop_test(saving, a_kind_is_sanitised_not_refused, 0, COUNT(kinds));
	tcase_add_test(saving, an_existing_run_keeps_its_first_kind);
	tcase_add_test(saving, an_update_keeps_what_it_does_not_mention);
	tcase_add_test(saving, meta_is_merged_key_by_key);
	tcase_add_test(saving, a_status_may_be_in_any_letter_case);
	tcase_add_test(saving, a_run_s_times_are_set_when_they_become_true_and_stay);
	tcase_add_loop_test(saving, a_bad_parameter_is_refused_by_name_and_nothing_is_stored, 0, COUNT(bad_runs));
	tcase_add_test(saving, if_revision_guards_a_run);
	tcase_add_test(saving, fields_select_what_is_sent_of_a_run);

	TCase *finding = integration_case(suite, "finding", setup, teardown);
	tcase_add_test(finding, an_unknown_run_is_not_found);
	tcase_add_test(finding, a_run_is_found_by_what_its_meta_says);
	tcase_add_test(finding, find_by_meta_gives_the_run_that_changed_last);
	tcase_add_test(finding, find_by_meta_works_after_a_restart);
	tcase_add_test(finding, runs_can_be_counted_in_groups);

	TCase *deleting = integration_case(suite, "deleting", setup, teardown);
	tcase_add_test(deleting, deleting_a_run_takes_its_artifacts_and_their_files);
	tcase_add_test(deleting, keep_artifacts_keeps_them);
	tcase_add_test(deleting, a_run_with_thousands_of_artifacts_goes_in_one_call);
	return integration_run(suite);
}
