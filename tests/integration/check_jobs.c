/* Jobs: every job method, and the rules of each field. */
#include "tests/integration/client.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIME_PATTERN "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}\\+00:00$"
#define UUID4_PATTERN "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"

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

static json_t *save(const char *job)
{
	return client_call(c, "job.save", "{\"job\":%s}", job);
}

static json_t *get(const char *id)
{
	return client_call(c, "job.get", JSON({"id":"%s"}), id);
}

static json_t *refused(const char *job)
{
	return client_refused(c, INVALID_PARAMS, "job.save", "{\"job\":%s}", job);
}

/* ---- saving */

START_TEST(a_new_job_has_every_field_with_its_default)
{
	json_t *job = save(JSON({"id":"new"}));
	json_t *updated = json_copy(job);
	static const char *const names[] = {"id", "type", "status", "payload", "progress", "result", "created_at",
	                                    "started_at",
					    "completed_at", "error", "metadata", "updated_at", "revision"};
	ck_assert_uint_eq(json_object_size(job), (size_t)COUNT(names));
	int i = 0;
	for (void *it = json_object_iter(job); it; it = json_object_iter_next(job, it), i++)
		ck_assert_str_eq(json_object_iter_key(it), names[i]);
	expect_pattern(text_at(job, "created_at"), TIME_PATTERN);
	expect_pattern(text_at(job, "updated_at"), TIME_PATTERN);
	ck_assert_int_gt(whole_at(job, "revision"), 0);
	json_object_del(updated, "created_at");
	json_object_del(updated, "updated_at");
	json_object_del(updated, "revision");
	expect_json(updated, JSON({"id":"new","type":"custom","status":"pending","payload":{},"progress":null,"result":null,
		"started_at":null,"completed_at":null,"error":null,"metadata":{}}));
	ck_assert(json_equal(job, get("new")));
}
END_TEST

START_TEST(a_job_without_an_id_gets_a_random_one)
{
	const char *first = text_at(save(JSON({})), "id"), *second = text_at(save(JSON({"id":null})), "id");
	expect_pattern(first, UUID4_PATTERN);
	expect_pattern(second, UUID4_PATTERN);
	ck_assert_str_ne(first, second);
	expect_text_at(get(first), "id", first);
}
END_TEST

#define CHARS_40 "abcdefghijklmnopqrstuvwxyz_-0123456789AZ"

static const char *const good_ids[] = {"a", "-", "_", "--help", "CON", "0",
                                       CHARS_40 CHARS_40 CHARS_40 CHARS_40};
static const char *const bad_ids[] = {
	"\"\"", "\" \"", "\"a b\"", "\"a/b\"", "\"../../etc/passwd\"", "\".\"", "\"a.b\"", "\"a\\n\"", "\"\\u0000\"", "\"a\\u0000\"",
	"\"\xc3\xa9\"", "\"a:b\"", "\"" CHARS_40 CHARS_40 CHARS_40 CHARS_40 "x\"", "5", "true", "[]", "{}", "[\"a\"]",
};

START_TEST(an_id_of_the_allowlist_is_taken)
{
	char *text;
	ck_assert_int_gt(asprintf(&text, JSON({"id":"%s"}), good_ids[_i]), 0);
	expect_text_at(save(text), "id", good_ids[_i]);
	expect_text_at(get(good_ids[_i]), "id", good_ids[_i]);
}
END_TEST

START_TEST(any_other_id_is_refused_before_anything_happens)
{
	char *text;
	ck_assert_int_gt(asprintf(&text, "{\"id\":%s}", bad_ids[_i]), 0);
	expect_fault(refused(text), "invalid_params", "job.id", NULL);
	expect_fault(client_refused(c, INVALID_PARAMS, "job.get", "%s", text), "invalid_params", "id", NULL);
	expect_fault(client_refused(c, INVALID_PARAMS, "job.delete", "%s", text), "invalid_params", "id", NULL);
	ck_assert_int_eq(whole_at(client_call(c, "job.count", NULL), "total"), 0);
}
END_TEST

START_TEST(a_save_keeps_what_it_does_not_mention_and_replaces_what_it_does)
{
	save(
		JSON({"id":"u","type":"backtest","payload":{"a":1,"b":{"c":2}},"metadata":{"k":"v"},"error":"first"}));
	json_t *job = save(JSON({"id":"u","status":"running","payload":{"b":3}}));
	expect_at(job, "payload", JSON({"b":3}));
	expect_at(job, "metadata", JSON({"k":"v"}));
	expect_text_at(job, "type", "backtest");
	expect_text_at(job, "error", "first");
	expect_text_at(job, "status", "running");
	ck_assert(json_equal(job, get("u")));
}
END_TEST

START_TEST(null_means_null_where_it_is_a_value_and_absent_elsewhere)
{
	save(JSON({"id":"n","type":"backtest","status":"failed","payload":{"a":1},"metadata":{"m":1},"error":"why",
		"progress":{"current":1,"total":2},"result":{"success":false},"created_at":"2026-01-01T00:00:00Z"}));
	json_t *job = save(JSON({"id":"n","type":null,"status":null,"payload":null,"metadata":null,"error":null,"progress":null,
		"result":null,"created_at":null,"started_at":null,"completed_at":null}));
	expect_text_at(job, "type", "backtest");
	expect_text_at(job, "status", "failed");
	expect_at(job, "payload", JSON({"a":1}));
	expect_at(job, "metadata", JSON({"m":1}));
	expect_text_at(job, "created_at", "2026-01-01T00:00:00Z");
	expect_pattern(text_at(job, "completed_at"), TIME_PATTERN);
	expect_at(job, "error", "null");
	expect_at(job, "progress", "null");
	expect_at(job, "result", "null");
}
END_TEST

START_TEST(a_job_can_be_got_edited_and_saved_whole)
{
	save(JSON({"id":"edit","status":"running","progress":{"current":1,"total":4,"message":"m"}}));
	json_t *job = get("edit");
	ck_assert_double_eq(real_at(job, "progress.percentage"), 25.0);
	json_object_set_new(job, "error", json_string("edited"));
	json_t *saved = save(json_dumps(job, JSON_COMPACT));
	expect_text_at(saved, "error", "edited");
	ck_assert_int_gt(whole_at(saved, "revision"), whole_at(job, "revision"));
	ck_assert_str_gt(text_at(saved, "updated_at"), text_at(job, "updated_at"));
	ck_assert(json_equal(value_at(saved, "progress"), value_at(job, "progress")));
}
END_TEST

START_TEST(the_server_s_own_fields_cannot_be_set)
{
	json_t *first = save(JSON({"id":"own","revision":99,"updated_at":"1999-01-01T00:00:00Z"}));
	ck_assert_int_lt(whole_at(first, "revision"), 99);
	expect_pattern(text_at(first, "updated_at"), "^20[2-9][0-9]-");
	json_t *second = save(JSON({"id":"own","revision":"nonsense","updated_at":7}));
	ck_assert_int_eq(whole_at(second, "revision"), whole_at(first, "revision") + 1);
}
END_TEST

/* ---- times */

START_TEST(a_job_s_times_are_set_when_they_become_true_and_stay)
{
	json_t *job = save(JSON({"id":"t"}));
	expect_at(job, "started_at", "null");
	json_t *running = save(JSON({"id":"t","status":"running"}));
	const char *started = text_at(running, "started_at");
	expect_pattern(started, TIME_PATTERN);
	expect_at(running, "completed_at", "null");
	save(JSON({"id":"t","status":"pending"}));
	json_t *again = save(JSON({"id":"t","status":"running"}));
	expect_text_at(again, "started_at", started);
	json_t *done = save(JSON({"id":"t","status":"completed"}));
	const char *completed = text_at(done, "completed_at");
	json_t *failed = save(JSON({"id":"t","status":"failed"}));
	expect_text_at(failed, "completed_at", completed);
	expect_text_at(failed, "started_at", started);
	expect_text_at(failed, "created_at", text_at(job, "created_at"));
}
END_TEST

START_TEST(a_job_saved_first_when_it_has_ended_has_an_end)
{
	json_t *job = save(JSON({"id":"late","status":"cancelled"}));
	expect_pattern(text_at(job, "completed_at"), TIME_PATTERN);
	expect_at(job, "started_at", "null");
}
END_TEST

static const char *const good_times[] = {
	"2026-11-22T16:50:00.123456+00:00", "2026-11-22T16:50:00Z", "2026-11-22T16:50:00",
	"2026-11-22T16:50:00.5", "2026-02-28T23:59:59.999999-11:30",
	"2024-02-29T00:00:00+05:45",
};
static const char *const bad_times[] = {
	"\"yesterday\"", "\"\"", "1700000000", "\"2026-13-01T00:00:00Z\"", "\"2025-02-29T00:00:00Z\"", "\"2026-11-22\"", "\"2026-11-22T25:00:00Z\"",
	"\"2026-11-22T16:50:00+99:00\"", "\"2026-11-22T16:50:00Z \"", "{}", "true",
};

START_TEST(a_client_s_own_time_is_kept_as_it_was_written)
{
	char *text;
	ck_assert_int_gt(asprintf(&text,
	                          JSON({"id":"own-time","created_at":"%s","started_at":"%s","completed_at":"%s"}),
	                          good_times[_i], good_times[_i], good_times[_i]),
	                 0);
	save(text);
	save(JSON({"id":"own-time","status":"completed"}));
	json_t *job = get("own-time");
	expect_text_at(job, "created_at", good_times[_i]);
	expect_text_at(job, "started_at", good_times[_i]);
	expect_text_at(job, "completed_at", good_times[_i]);
}
END_TEST

START_TEST(what_is_no_time_is_refused)
{
	char *text;
	ck_assert_int_gt(asprintf(&text, "{\"id\":\"x\",\"created_at\":%s}", bad_times[_i]), 0);
	expect_fault(refused(text), "invalid_params", "job.created_at", NULL);
}
END_TEST

START_TEST(updated_at_strictly_increases)
{
	char before[64] = "";
	for (int i = 0; i < 200; i++)
		client_say(c, JSON({"jsonrpc":"2.0","id":%d,"method":"job.save","params":{"job":{"id":"s%d"}}}), i,
		           i);
	json_t *page = NULL;
	for (int i = 0; i < 200; i++)
		client_reply(c);
	page = client_call(c, "job.list", JSON({"limit":200}));
	for (int i = 0; i < 200; i++) {
		char id[8];
		snprintf(id, sizeof id, "s%d", i);
		const char *now = text_at(get(id), "updated_at");
		ck_assert_str_gt(now, before);
		snprintf(before, sizeof before, "%s", now);
	}
	ck_assert_int_eq(whole_at(page, "total"), 200);
}
END_TEST

/* ---- refusals */

static const struct {
	const char *job, *field, *hint;
} bad_jobs[] = {
	{JSON({"statsu":"running"}), "job.statsu", "status"},
	{JSON({"owner":"me"}), "job.owner", "metadata"},
	{JSON({"status":"succeeded"}), "job.status", "completed"},
	{JSON({"status":"queued"}), "job.status", "pending"},
	{JSON({"status":"Running"}), "job.status", "running"},
	{JSON({"status":"runing"}), "job.status", "running"},
	{JSON({"status":""}), "job.status", NULL},
	{JSON({"status":1}), "job.status", NULL},
	{JSON({"type":"Back-Test"}), "job.type", NULL},
	{JSON({"type":""}), "job.type", NULL},
	{JSON({"type":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}), "job.type", NULL},
	{JSON({"payload":[]}), "job.payload", NULL},
	{JSON({"payload":"{}"}), "job.payload", NULL},
	{JSON({"metadata":5}), "job.metadata", NULL},
	{JSON({"error":{"code":1}}), "job.error", NULL},
	{JSON({"progress":5}), "job.progress", NULL},
	{JSON({"progress":{"current":-1,"total":2}}), "job.progress.current", NULL},
	{JSON({"progress":{"current":"1"}}), "job.progress.current", NULL},
	{JSON({"progress":{"totl":1}}), "job.progress.totl", "total"},
	{JSON({"progress":{"message":5}}), "job.progress.message", NULL},
	{JSON({"result":{}}), "job.result.success", NULL},
	{JSON({"result":{"success":"yes"}}), "job.result.success", NULL},
	{JSON({"result":{"success":true,"error":5}}), "job.result.error", NULL},
	{JSON({"result":{"success":true,"artifacts":["a",1]}}), "job.result.artifacts[1]", NULL},
	{JSON({"result":{"success":true,"date":1}}), "job.result.date", "data"},
	{JSON({"result":true}), "job.result", NULL},
};

START_TEST(a_bad_field_is_refused_by_name_and_nothing_is_stored)
{
	expect_fault(refused(bad_jobs[_i].job), "invalid_params", bad_jobs[_i].field, bad_jobs[_i].hint);
	ck_assert_int_eq(whole_at(client_call(c, "job.count", NULL), "total"), 0);
	ck_assert_int_eq(whole_at(client_call(c, "server.ping", NULL), "revision"), 0);
}
END_TEST

START_TEST(a_refused_save_changes_nothing_of_the_stored_job)
{
	json_t *before = save(JSON({"id":"safe","payload":{"a":1}}));
	for (int i = 0; i < COUNT(bad_jobs); i++) {
		json_t *bad = json_parsed(bad_jobs[i].job);
		json_object_set_new(bad, "id", json_string("safe"));
		refused(json_dumps(bad, JSON_COMPACT));
	}
	ck_assert(json_equal(before, get("safe")));
}
END_TEST

START_TEST(an_error_says_what_was_expected_and_does_not_echo_the_payload)
{
	json_t *error = refused(JSON({"status":"a-secret-value","payload":{"password":"hunter2"}}));
	char *all = json_dumps(error, JSON_COMPACT);
	ck_assert(strstr(text_at(error, "message"), "status"));
	ck_assert(strstr(text_at(error, "data.expected"), "pending"));
	ck_assert_msg(!strstr(all, "hunter2") && !strstr(all, "a-secret-value"), "%s", all);
}
END_TEST

START_TEST(a_result_has_its_missing_parts_filled_in_or_kept_out)
{
	json_t *job = save(
		JSON({"id":"res","result":{"success":true,"data":{"x":[1.5]},"error":null,"artifacts":["a_1"]}}));
	expect_at(job, "result", JSON({"success":true,"data":{"x":[1.5]},"error":null,"artifacts":["a_1"]}));
	job = save(JSON({"id":"res","result":{"success":false}}));
	expect_at(job, "result.success", "false");
}
END_TEST

/* ---- revisions */

START_TEST(if_revision_guards_against_a_lost_update)
{
	json_t *first = save(JSON({"id":"r"}));
	long long revision = whole_at(first, "revision");
	json_t *second = client_call(c, "job.save", JSON({"job":{"id":"r","error":"mine"},"if_revision":%lld}),
	                             revision);
	ck_assert_int_eq(whole_at(second, "revision"), revision + 1);
	expect_fault(client_refused(c, CONFLICT, "job.save",
	                            JSON({"job":{"id":"r","error":"theirs"},"if_revision":%lld}), revision),
	             "conflict", NULL, NULL);
	expect_text_at(get("r"), "error", "mine");
	expect_fault(client_refused(c, INVALID_PARAMS, "job.save", JSON({"job":{"id":"r"},"if_revision":-1})),
	             "invalid_params", "if_revision", NULL);
	expect_fault(client_refused(c, INVALID_PARAMS, "job.save", JSON({"job":{"id":"r"},"if_revision":1.5})),
	             "invalid_params", "if_revision", NULL);
}
END_TEST

START_TEST(if_revision_0_means_that_it_must_not_exist)
{
	client_call(c, "job.save", JSON({"job":{"id":"once"},"if_revision":0}));
	client_refused(c, CONFLICT, "job.save", JSON({"job":{"id":"once"},"if_revision":0}));
	client_refused(c, CONFLICT, "job.save", JSON({"job":{"id":"never"},"if_revision":5}));
	client_call(c, "job.delete", JSON({"id":"once"}));
	client_call(c, "job.save", JSON({"job":{"id":"once"},"if_revision":0}));
}
END_TEST

START_TEST(of_many_that_create_the_same_job_at_once_one_wins)
{
	enum { RIVALS = 20 };
	struct client *rivals[RIVALS];
	for (int i = 0; i < RIVALS; i++)
		rivals[i] = client_open(d);
	for (int i = 0; i < RIVALS; i++)
		client_say(rivals[i], JSON({"jsonrpc":"2.0","id":%d,"method":"job.save","params":{"job":{"id":"prize","metadata":{"by":%d}},
			"if_revision":0}}), i, i);
	int won = -1;
	for (int i = 0; i < RIVALS; i++) {
		json_t *reply = client_reply(rivals[i]);
		if (has_value_at(reply, "result")) {
			ck_assert_int_eq(won, -1);
			won = i;
		} else {
			ck_assert_int_eq(whole_at(reply, "error.code"), CONFLICT);
		}
	}
	ck_assert_int_eq(whole_at(get("prize"), "metadata.by"), won);
}
END_TEST

START_TEST(each_mutation_has_a_revision_of_its_own_and_no_refusal_uses_one)
{
	long long before = whole_at(save(JSON({"id":"a"})), "revision");
	refused(JSON({"id":"b","status":"no"}));
	client_refused(c, CONFLICT, "job.save", JSON({"job":{"id":"a"},"if_revision":0}));
	ck_assert_int_eq(whole_at(save(JSON({"id":"b"})), "revision"), before + 1);
	ck_assert_int_eq(whole_at(client_call(c, "server.ping", NULL), "revision"), before + 1);
}
END_TEST

/* ---- getting */

START_TEST(an_unknown_job_is_not_found_and_never_looks_pending)
{
	expect_fault(client_refused(c, NOT_FOUND, "job.get", JSON({"id":"nobody"})), "not_found", "id", NULL);
}
END_TEST

START_TEST(fields_select_what_is_sent)
{
	save(JSON({"id":"f","status":"running"}));
	expect_json(client_call(c, "job.get", JSON({"id":"f","fields":["status","id"]})),
	            JSON({"id":"f","status":"running"}));
	json_t *saved = client_call(c, "job.save", JSON({"job":{"id":"f","error":"e"},"fields":["error"]}));
	expect_json(saved, JSON({"error":"e"}));
	expect_json(client_call(c, "job.list", JSON({"fields":["id"]})),
	            JSON({"jobs":[{"id":"f"}],"total":1,"next_cursor":null}));
	expect_fault(client_refused(c, INVALID_PARAMS, "job.get", JSON({"id":"f","fields":["statsu"]})),
	             "invalid_params", "fields[0]", "status");
	client_refused(c, INVALID_PARAMS, "job.get", JSON({"id":"f","fields":[]}));
	client_refused(c, INVALID_PARAMS, "job.get", JSON({"id":"f","fields":"id"}));
}
END_TEST

/* ---- progress */

START_TEST(progress_is_shown_with_its_percentage)
{
	save(JSON({"id":"p","status":"running"}));
	static const struct {
		const char *progress;
		double percentage;
	} cases[] = {
		{JSON({"current":30,"total":120,"message":"2019"}), 25.0},
		{JSON({"current":0,"total":0}), 0.0},
		{JSON({"current":5,"total":0}), 0.0},
		{JSON({"current":3,"total":2}), 150.0},
		{JSON({"current":1,"total":3}), 100.0 / 3},
		{JSON({"current":0.5,"total":2}), 25.0},
		{JSON({}), 0.0},
		{JSON({"current":1,"total":8,"percentage":99}), 12.5},
	};
	for (int i = 0; i < COUNT(cases); i++) {
		json_t *reply = client_call(c, "job.update_progress", "{\"id\":\"p\",\"progress\":%s}", cases[i].progress);
		ck_assert_double_eq_tol(real_at(reply, "percentage"), cases[i].percentage, 1e-12);
		json_t *progress = value_at(get("p"), "progress");
		ck_assert_double_eq_tol(real_at(progress, "percentage"), cases[i].percentage, 1e-12);
		ck_assert(json_is_real(value_at(progress, "percentage")));
		ck_assert_uint_eq(json_object_size(progress), 4);
	}
	expect_at(client_call(c, "job.list", NULL), "jobs.0.progress",
	          JSON({"current":1,"total":8,"message":"","percentage":12.5}));
}
END_TEST

START_TEST(bad_progress_is_refused)
{
	save(JSON({"id":"p"}));
	expect_fault(client_refused(c, NOT_FOUND, "job.update_progress", JSON({"id":"nobody","progress":{}})),
	             "not_found", "id", NULL);
	expect_fault(client_refused(c, INVALID_PARAMS, "job.update_progress", JSON({"id":"p"})), "invalid_params",
	             "progress", NULL);
	expect_fault(client_refused(c, INVALID_PARAMS, "job.update_progress",
	                            JSON({"id":"p","progress":{"current":-1}})),
	             "invalid_params", "progress.current", NULL);
	expect_fault(client_refused(c, INVALID_PARAMS, "job.update_progress",
	                            JSON({"id":"p","progress":{"curent":1}})),
	             "invalid_params", "progress.curent", "current");
	expect_at(get("p"), "progress", "null");
}
END_TEST

static long long journal_writes(void)
{
	json_t *stats = client_call(c, "server.stats", NULL);
	return whole_at(stats, "journal.bytes_written");
}

START_TEST(progress_writes_nothing)
{
	save(JSON({"id":"p","status":"running"}));
	sleep_ms(2500); /* the idle fold of a small store comes and goes */
	long long before = journal_writes();
	for (int i = 0; i < 20000; i++)
		client_say(
			c,
			JSON({"jsonrpc":"2.0","method":"job.update_progress","params":{"id":"p","progress":{"current":%d,"total":20000}}}),
			i + 1);
	ck_assert_double_eq(real_at(get("p"), "progress.percentage"), 100.0);
	sleep_ms(1500);
	ck_assert_int_eq(journal_writes(), before);
	ck_assert_int_eq(whole_at(client_call(c, "server.ping", NULL), "revision"), 1);
}
END_TEST

START_TEST(the_last_progress_rides_along_with_the_next_save)
{
	save(JSON({"id":"ride","status":"running"}));
	client_call(c, "job.update_progress",
	            JSON({"id":"ride","progress":{"current":7,"total":10,"message":"seven"}}));
	json_t *job = save(JSON({"id":"ride","error":"note"}));
	expect_at(job, "progress", JSON({"current":7,"total":10,"message":"seven","percentage":70.0}));
	daemon_kill(d);
	daemon_start(d, NULL);
	c = client_open(d);
	expect_at(get("ride"), "progress", JSON({"current":7,"total":10,"message":"seven","percentage":70.0}));
}
END_TEST

START_TEST(a_save_s_own_progress_wins_over_the_live_one)
{
	save(JSON({"id":"p"}));
	client_call(c, "job.update_progress", JSON({"id":"p","progress":{"current":1,"total":10}}));
	expect_at(save(JSON({"id":"p","progress":{"current":9,"total":10,"message":"nine"}})), "progress.current",
	          "9");
	expect_at(get("p"), "progress.current", "9");
	client_call(c, "job.update_progress", JSON({"id":"p","progress":{"current":2,"total":10}}));
	expect_at(save(JSON({"id":"p","progress":null})), "progress", "null");
	expect_at(get("p"), "progress", "null");
}
END_TEST

START_TEST(percentage_is_not_stored)
{
	save(JSON({"id":"p","progress":{"current":1,"total":4,"percentage":25.0}}));
	client_call(c, "server.flush", NULL);
	daemon_signal(d, SIGTERM);
	ck_assert_ptr_null(strstr(daemon_file(d, "jobs.json"), "percentage"));
	daemon_start(d, NULL);
}
END_TEST

/* ---- deleting */

START_TEST(deleting_says_how_many_were_there)
{
	save(JSON({"id":"a"}));
	save(JSON({"id":"b"}));
	save(JSON({"id":"c"}));
	expect_json(client_call(c, "job.delete", JSON({"id":"a"})), JSON({"removed":1}));
	expect_json(client_call(c, "job.delete", JSON({"id":"a"})), JSON({"removed":0}));
	expect_json(client_call(c, "job.delete", JSON({"ids":["b","b","nobody","c"]})), JSON({"removed":2}));
	expect_json(client_call(c, "job.delete", JSON({"ids":[]})), JSON({"removed":0}));
	client_refused(c, NOT_FOUND, "job.get", JSON({"id":"b"}));
}
END_TEST

START_TEST(delete_takes_exactly_one_of_id_and_ids)
{
	save(JSON({"id":"a"}));
	client_refused(c, INVALID_PARAMS, "job.delete", JSON({}));
	client_refused(c, INVALID_PARAMS, "job.delete", JSON({"id":"a","ids":["a"]}));
	expect_fault(client_refused(c, INVALID_PARAMS, "job.delete", JSON({"ids":["a","../b"]})),
	             "invalid_params", "ids[1]", NULL);
	expect_text_at(get("a"), "id", "a");
}
END_TEST

START_TEST(thousands_of_jobs_are_deleted_in_one_call)
{
	char *text = NULL;
	size_t len = 0;
	FILE *list = open_memstream(&text, &len);
	for (int i = 0; i < 5000; i++) {
		client_say(c, JSON({"jsonrpc":"2.0","method":"job.save","params":{"job":{"id":"d%d"}}}), i);
		fprintf(list, "%s\"d%d\"", i ? "," : "", i);
	}
	fclose(list);
	ck_assert_int_eq(whole_at(client_call(c, "job.count", NULL), "total"), 5000);
	expect_json(client_call(c, "job.delete", "{\"ids\":[%s]}", text), JSON({"removed":5000}));
	ck_assert_int_eq(whole_at(client_call(c, "job.count", NULL), "total"), 0);
}
END_TEST

START_TEST(a_deleted_job_can_be_made_anew)
{
	save(JSON({"id":"phoenix","payload":{"old":1}}));
	client_call(c, "job.delete", JSON({"id":"phoenix"}));
	expect_at(save(JSON({"id":"phoenix"})), "payload", "{}");
}
END_TEST

/* ---- cleanup and counts */

static void save_ended(const char *id, const char *status, const char *completed)
{
	client_call(c, "job.save", JSON({"job":{"id":"%s","status":"%s","completed_at":"%s"}}), id, status,
	            completed);
}

START_TEST(cleanup_takes_only_what_ended_long_ago)
{
	save_ended("old-done", "completed", "2020-01-01T00:00:00Z");
	save_ended("old-failed", "failed", "2020-01-02T00:00:00");
	save_ended("old-running", "running", "2020-01-01T00:00:00Z");
	save(JSON({"id":"new-done","status":"completed"}));
	save(JSON({"id":"pending"}));
	json_t *dry = client_call(c, "job.cleanup", JSON({"dry_run":true}));
	ck_assert_int_eq(whole_at(dry, "removed"), 2);
	ck_assert_uint_eq(count_at(dry, "ids"), 2);
	ck_assert_int_eq(whole_at(client_call(c, "job.count", NULL), "total"), 5);
	ck_assert_int_eq(whole_at(client_call(c, "job.cleanup", NULL), "removed"), 2);
	client_refused(c, NOT_FOUND, "job.get", JSON({"id":"old-done"}));
	client_refused(c, NOT_FOUND, "job.get", JSON({"id":"old-failed"}));
	ck_assert_int_eq(whole_at(client_call(c, "job.cleanup", JSON({"days":0})), "removed"), 1);
	ck_assert_int_eq(whole_at(client_call(c, "job.count", NULL), "total"), 2);
	get("old-running");
	expect_fault(client_refused(c, INVALID_PARAMS, "job.cleanup", JSON({"days":-1})), "invalid_params",
	             "days", NULL);
	client_refused(c, INVALID_PARAMS, "job.cleanup", JSON({"days":"30"}));
}
END_TEST

START_TEST(cleanup_of_many_leaves_the_daemon_answering)
{
	for (int i = 0; i < 5000; i++)
		client_say(c, JSON({"jsonrpc":"2.0","method":"job.save","params":{"job":{"id":"c%d","status":"completed",
			"completed_at":"2020-01-01T00:00:00Z"}}}), i);
	client_call(c, "server.flush", NULL);
	client_say(c, JSON({"jsonrpc":"2.0","id":1,"method":"job.cleanup"}));
	daemon_call(d, "server.ping", NULL);
	expect_json(client_reply(c), JSON({"jsonrpc":"2.0","id":1,"result":{"removed":5000}}));
	ck_assert_int_eq(whole_at(client_call(c, "job.count", NULL), "total"), 0);
}
END_TEST

START_TEST(counts_can_be_grouped)
{
	save(JSON({"id":"1","type":"backtest","status":"running"}));
	save(JSON({"id":"2","type":"backtest","status":"failed"}));
	save(JSON({"id":"3","type":"optimization","status":"running"}));
	expect_json(client_call(c, "job.count", NULL), JSON({"total":3}));
	expect_json(client_call(c, "job.count", JSON({"group_by":"status"})),
	            JSON({"total":3,"groups":{"running":2,"failed":1}}));
	expect_json(client_call(c, "job.count", JSON({"group_by":"type"})),
	            JSON({"total":3,"groups":{"backtest":2,"optimization":1}}));
	expect_json(client_call(c, "job.count", JSON({"type":"backtest","group_by":"status"})),
	            JSON({"total":2,"groups":{"running":1,"failed":1}}));
	expect_json(client_call(c, "job.count", JSON({"status":["failed","cancelled"]})), JSON({"total":1}));
	client_refused(c, INVALID_PARAMS, "job.count", JSON({"group_by":"id"}));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("jobs");
	TCase *saving = integration_case(suite, "saving", setup, teardown);
	tcase_add_test(saving, a_new_job_has_every_field_with_its_default);
	tcase_add_test(saving, a_job_without_an_id_gets_a_random_one);
	tcase_add_loop_test(saving, an_id_of_the_allowlist_is_taken, 0, COUNT(good_ids));
	tcase_add_loop_test(saving, any_other_id_is_refused_before_anything_happens, 0, COUNT(bad_ids));
	tcase_add_test(saving, a_save_keeps_what_it_does_not_mention_and_replaces_what_it_does);
	tcase_add_test(saving, null_means_null_where_it_is_a_value_and_absent_elsewhere);
	tcase_add_test(saving, a_job_can_be_got_edited_and_saved_whole);
	tcase_add_test(saving, the_server_s_own_fields_cannot_be_set);
	tcase_add_test(saving, a_result_has_its_missing_parts_filled_in_or_kept_out);

	TCase *times = integration_case(suite, "times", setup, teardown);
	tcase_add_test(times, a_job_s_times_are_set_when_they_become_true_and_stay);
	tcase_add_test(times, a_job_saved_first_when_it_has_ended_has_an_end);
	tcase_add_loop_test(times, a_client_s_own_time_is_kept_as_it_was_written, 0, COUNT(good_times));
	tcase_add_loop_test(times, what_is_no_time_is_refused, 0, COUNT(bad_times));
	tcase_add_test(times, updated_at_strictly_increases);

	TCase *refusals = integration_case(suite, "refusals", setup, teardown);
	tcase_add_loop_test(refusals, a_bad_field_is_refused_by_name_and_nothing_is_stored, 0, COUNT(bad_jobs));
	tcase_add_test(refusals, a_refused_save_changes_nothing_of_the_stored_job);
	tcase_add_test(refusals, an_error_says_what_was_expected_and_does_not_echo_the_payload);

	TCase *revisions = integration_case(suite, "revisions", setup, teardown);
	tcase_add_test(revisions, if_revision_guards_against_a_lost_update);
	tcase_add_test(revisions, if_revision_0_means_that_it_must_not_exist);
	tcase_add_test(revisions, of_many_that_create_the_same_job_at_once_one_wins);
	tcase_add_test(revisions, each_mutation_has_a_revision_of_its_own_and_no_refusal_uses_one);

	TCase *getting = integration_case(suite, "getting", setup, teardown);
	tcase_add_test(getting, an_unknown_job_is_not_found_and_never_looks_pending);
	tcase_add_test(getting, fields_select_what_is_sent);

	TCase *progress = integration_case(suite, "progress", setup, teardown);
	tcase_add_test(progress, progress_is_shown_with_its_percentage);
	tcase_add_test(progress, bad_progress_is_refused);
	tcase_add_test(progress, progress_writes_nothing);
	tcase_add_test(progress, the_last_progress_rides_along_with_the_next_save);
	tcase_add_test(progress, a_save_s_own_progress_wins_over_the_live_one);
	tcase_add_test(progress, percentage_is_not_stored);

	TCase *deleting = integration_case(suite, "deleting", setup, teardown);
	tcase_add_test(deleting, deleting_says_how_many_were_there);
	tcase_add_test(deleting, delete_takes_exactly_one_of_id_and_ids);
	tcase_add_test(deleting, thousands_of_jobs_are_deleted_in_one_call);
	tcase_add_test(deleting, a_deleted_job_can_be_made_anew);
	tcase_add_test(deleting, cleanup_takes_only_what_ended_long_ago);
	tcase_add_test(deleting, cleanup_of_many_leaves_the_daemon_answering);
	tcase_add_test(deleting, counts_can_be_grouped);
	return integration_run(suite);
}
