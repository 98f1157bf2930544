/* Artifacts: payload files and their records. */
#include "tests/integration/client.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct daemon *d;
static struct client *c;

static void setup(void)
{
	d = daemon_started(NULL);
	c = client_open(d);
	client_call(c, "run.create_or_update", JSON({"run_id":"run-1","kind":"backtest"}));
}

static void teardown(void)
{
	daemon_end(d);
}

static json_t *save(const char *params)
{
	return client_call(c, "artifact.save", "%s", params);
}

static json_t *read_back(const char *id)
{
	return client_call(c, "artifact.read", JSON({"id":"%s"}), id);
}

/* ---- saving */

START_TEST(a_saved_artifact_is_a_file_that_programs_of_its_user_can_read)
{
	json_t *artifact = save(
		JSON({"run_id":"run-1","kind":"Equity Curve","payload":{"tail" : [0.1, 2, "\u00e9"], "n":null}}));
	expect_pattern(text_at(artifact, "id"), "^equity_curve_run_1_[0-9a-f]{10}$");
	expect_text_at(artifact, "run_id", "run-1");
	expect_text_at(artifact, "kind", "equity_curve");
	ck_assert(has_value_at(artifact, "created_at"));
	ck_assert(!has_value_at(artifact, "revision"));

	const char *path = text_at(artifact, "path");
	ck_assert_int_eq(path[0], '/');
	char *wanted;
	ck_assert_int_gt(asprintf(&wanted, "%s/artifacts/%s.json", d->state, text_at(artifact, "id")), 0);
	ck_assert_str_eq(path, wanted);
	size_t len;
	char *text = file_read(path, &len);
	ck_assert_int_eq(whole_at(artifact, "size_bytes"), (long long)len);
	ck_assert_str_eq(text, "{\"tail\":[0.1,2,\"\xc3\xa9\"],\"n\":null}");
	struct stat status;
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_int_eq(status.st_mode & 07777, 0640);
}
END_TEST

START_TEST(an_artifact_comes_back_as_it_was_saved)
{
	static const char *const payloads[] = {"{\"a\":[1,2.5,\"x\"]}", "[]", "null", "true", "-17", "0.1", "\"text\"", "\"\"", "{}"};
	for (int i = 0; i < COUNT(payloads); i++) {
		json_t *artifact = client_call(c, "artifact.save", "{\"run_id\":\"run-1\",\"payload\":%s}", payloads[i]);
		ck_assert_int_eq(whole_at(artifact, "size_bytes"), (long long)strlen(payloads[i]));
		json_t *back = read_back(text_at(artifact, "id"));
		expect_at(back, "payload", payloads[i]);
		ck_assert(json_equal(value_at(back, "artifact"), artifact));
		json_t *raw = client_call(c, "artifact.read", JSON({"id":"%s","raw":true}), text_at(artifact, "id"));
		expect_text_at(raw, "payload", payloads[i]);
	}
}
END_TEST

START_TEST(an_artifact_s_kind_is_its_run_s_unless_said_otherwise)
{
	expect_text_at(save(JSON({"run_id":"run-1","payload":1})), "kind", "backtest");
	expect_text_at(save(JSON({"run_id":"run-1","payload":1,"kind":null})), "kind", "backtest");
	expect_text_at(save(JSON({"run_id":"run-1","payload":1,"kind":"Trades"})), "kind", "trades");
}
END_TEST

START_TEST(saving_links_the_run_unless_told_not_to)
{
	const char *first = text_at(save(JSON({"run_id":"run-1","payload":1})), "id");
	json_t *run = client_call(c, "run.get", JSON({"run_id":"run-1"}));
	expect_text_at(run, "artifact_id", first);
	save(JSON({"run_id":"run-1","payload":2,"link":false}));
	expect_text_at(client_call(c, "run.get", JSON({"run_id":"run-1"})), "artifact_id", first);
	const char *third = text_at(save(JSON({"run_id":"run-1","payload":3,"link":true})), "id");
	json_t *linked = client_call(c, "run.get", JSON({"run_id":"run-1"}));
	expect_text_at(linked, "artifact_id", third);
	ck_assert_int_gt(whole_at(linked, "revision"), whole_at(run, "revision"));
	expect_text_at(linked, "kind", "backtest");
}
END_TEST

START_TEST(ids_of_long_runs_and_kinds_still_fit)
{
	char run[161], kind[200];
	memset(run, 'R', 160);
	run[160] = '\0';
	memset(kind, 'k', 199);
	kind[199] = '\0';
	client_call(c, "run.create_or_update", JSON({"run_id":"%s","kind":"x"}), run);
	json_t *artifact = client_call(c, "artifact.save", JSON({"run_id":"%s","kind":"%s","payload":1}), run,
	                               kind);
	ck_assert_uint_le(strlen(text_at(artifact, "id")), 180);
	expect_pattern(text_at(artifact, "id"), "^[a-z0-9_]+$");
	expect_text_at(artifact, "run_id", run);
	expect_at(read_back(text_at(artifact, "id")), "payload", "1");
	expect_at(client_call(c, "artifact.list", JSON({"run_id":"%s"}), run), "total", "1");
}
END_TEST

START_TEST(a_large_payload_survives_whole)
{
	enum { MEGABYTES = 5 };
	size_t len = MEGABYTES << 20;
	char *text = malloc(len + 1);
	memset(text, 'p', len);
	text[len] = '\0';
	json_t *artifact = client_call(c, "artifact.save", JSON({"run_id":"run-1","payload":"%s"}), text);
	ck_assert_int_eq(whole_at(artifact, "size_bytes"), (long long)len + 2);
	expect_text_at(read_back(text_at(artifact, "id")), "payload", text);
}
END_TEST

static const struct {
	const char *params;
	int code;
	const char *field;
} bad_saves[] = {
	{JSON({"run_id":"run-1"}), INVALID_PARAMS, "payload"},
	{JSON({"payload":1}), INVALID_PARAMS, "run_id"},
	{JSON({"run_id":"../x","payload":1}), INVALID_PARAMS, "run_id"},
	{JSON({"run_id":"run-1","payload":1,"kind":5}), INVALID_PARAMS, "kind"},
	{JSON({"run_id":"run-1","payload":1,"link":"yes"}), INVALID_PARAMS, "link"},
	{JSON({"run_id":"run-1","payload":1,"id":"own"}), INVALID_PARAMS, "id"},
	{JSON({"run_id":"nobody","payload":1}), NOT_FOUND, "run_id"},
};

START_TEST(a_refused_artifact_leaves_no_file)
{
	json_t *error = client_refused(c, bad_saves[_i].code, "artifact.save", "%s", bad_saves[_i].params);
	expect_fault(error, bad_saves[_i].code == NOT_FOUND ? "not_found" : "invalid_params", bad_saves[_i].field,
	             NULL);
	ck_assert_uint_eq(dir_count(daemon_path(d, "artifacts"), ""), 0);
	ck_assert_int_eq(whole_at(client_call(c, "artifact.list", NULL), "total"), 0);
}
END_TEST

/* ---- reading */

START_TEST(an_unknown_artifact_is_not_found)
{
	expect_fault(client_refused(c, NOT_FOUND, "artifact.read", JSON({"id":"nobody"})), "not_found", "id",
	             NULL);
}
END_TEST

static const char *const evil_ids[] = {"../jobs", "..", "/etc/passwd", "a/b", "A", "a.json", "a-b", "",
                                       "jobs.json"};

START_TEST(no_id_reaches_outside_the_artifacts)
{
	expect_fault(client_refused(c, INVALID_PARAMS, "artifact.read", JSON({"id":"%s"}), evil_ids[_i]),
	             "invalid_params", "id", NULL);
	expect_fault(client_refused(c, INVALID_PARAMS, "artifact.delete", JSON({"id":"%s"}), evil_ids[_i]),
	             "invalid_params", "id", NULL);
}
END_TEST

START_TEST(a_link_planted_among_the_artifacts_is_not_followed)
{
	char *secret, *link = daemon_path(d, "artifacts/planted.json");
	ck_assert_int_gt(asprintf(&secret, "%s/secret", d->dir), 0);
	file_write(secret, "\"secret\"", 8);
	ck_assert_int_eq(symlink(secret, link), 0);
	client_refused(c, NOT_FOUND, "artifact.read", JSON({"id":"planted"}));
	ck_assert_int_eq(unlink(link), 0);
	ck_assert_int_eq(mkfifo(link, 0600), 0);
	client_refused(c, NOT_FOUND, "artifact.read", JSON({"id":"planted"}));
	ck_assert_int_eq(unlink(link), 0);
}
END_TEST

START_TEST(a_payload_that_has_no_record_can_be_read_by_its_id)
{
	char *path = daemon_path(d, "artifacts/backtest_old_0123456789.json");
	file_write(path, "{\n  \"a\": 1\n}", 12);
	json_t *back = read_back("backtest_old_0123456789");
	expect_at(back, "payload", JSON({"a":1}));
	expect_text_at(client_call(c, "artifact.read", JSON({"id":"backtest_old_0123456789","raw":true})), "payload", "{\n  \"a\": 1\n}");
	ck_assert_int_eq(whole_at(client_call(c, "artifact.list", NULL), "total"), 0);
	daemon_restart(d, NULL);
	ck_assert(file_exists(path));
}
END_TEST

START_TEST(a_payload_that_is_no_JSON_can_be_read_raw)
{
	char *path = daemon_path(d, "artifacts/nan.json");
	file_write(path, "[NaN]", 5);
	json_t *error = client_refused(c, INVALID_PARAMS, "artifact.read", JSON({"id":"nan"}));
	ck_assert_msg(strstr(text_at(error, "data.hint"), "raw"), "%s", json_dumps(error, 0));
	expect_text_at(client_call(c, "artifact.read", JSON({"id":"nan","raw":true})), "payload", "[NaN]");
}
END_TEST

/* A reply has to be UTF-8: what is not cannot stand in it, not even as a string. */
START_TEST(a_payload_that_is_no_text_is_refused_by_name_instead_of_sent_as_a_line_that_nobody_can_read)
{
	file_write(daemon_path(d, "artifacts/bytes.json"), "\"a\n\xff\"", 5);
	json_t *error = client_refused(c, INVALID_PARAMS, "artifact.read", JSON({"id":"bytes","raw":true}));
	expect_fault(error, "invalid_params", "raw", "artifacts/bytes.json");
	ck_assert_msg(strstr(text_at(error, "message"), "UTF-8 at byte 3"), "%s", text_at(error, "message"));
}
END_TEST

START_TEST(a_payload_nested_too_deep_for_a_reply_can_be_read_raw)
{
	char text[4096] = "";
	memset(text, '[', 2048);
	memset(text + 2048, ']', 2048);
	file_write(daemon_path(d, "artifacts/deep.json"), text, 4096);
	expect_fault(client_refused(c, INVALID_PARAMS, "artifact.read", JSON({"id":"deep"})), "invalid_params", "raw", "raw");
	json_t *back = client_call(c, "artifact.read", JSON({"id":"deep","raw":true}));
	ck_assert_uint_eq(strlen(text_at(back, "payload")), 4096);
}
END_TEST

START_TEST(a_payload_that_somebody_removed_is_said_to_be_missing)
{
	json_t *artifact = save(JSON({"run_id":"run-1","payload":1}));
	ck_assert_int_eq(unlink(text_at(artifact, "path")), 0);
	client_refused(c, NOT_FOUND, "artifact.read", JSON({"id":"%s"}), text_at(artifact, "id"));
	expect_json(client_call(c, "artifact.delete", JSON({"id":"%s"}), text_at(artifact, "id")),
	            JSON({"removed":1}));
}
END_TEST

START_TEST(reads_see_artifacts_saved_before_them_on_the_connection)
{
	const char *id = text_at(save(JSON({"run_id":"run-1","payload":1})), "id");
	client_say(c, JSON({"jsonrpc":"2.0","id":1,"method":"artifact.delete","params":{"id":"%s"}}), id);
	client_say(c, JSON({"jsonrpc":"2.0","id":2,"method":"artifact.read","params":{"id":"%s"}}), id);
	client_say(c, JSON({"jsonrpc":"2.0","id":3,"method":"artifact.list"}));
	for (int i = 0; i < 3; i++) {
		json_t *reply = client_reply(c);
		if (whole_at(reply, "id") == 1)
			expect_at(reply, "result.removed", "1");
		else if (whole_at(reply, "id") == 2)
			expect_error(reply, NOT_FOUND, "2");
		else
			expect_at(reply, "result.total", "0");
	}
}
END_TEST

/* ---- listing, deleting, restarting */

/* Who is gone before its change is on the disk: the read behind it is begun when nobody waits for it any more. */
START_TEST(readers_that_hang_up_leave_nothing_behind_that_counts_against_the_others)
{
	static const char lines[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server.ping\"}\n"
	                            "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"job.save\",\"params\":{\"job\":{\"id\":\"a\"}}}\n"
	                            "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"artifact.read\",\"params\":{\"id\":\"a\"}}\n";

	for (int i = 0; i < 200; i++) {
		struct client *gone = client_open(d);
		ck_assert_uint_eq(client_push(gone, lines, sizeof lines - 1, 1000), sizeof lines - 1);
		client_close(gone);
	}
	json_t *stats = client_call(c, "server.stats", NULL);
	for (long long until = clock_ms() + DEADLINE_MS;
	     whole_at(stats, "connections.accepted") < 201 || whole_at(stats, "connections.open") > 1;
	     stats = client_call(c, "server.stats", NULL))
		ck_assert_int_lt(clock_ms(), until);
	client_call(c, "server.flush", NULL);
	stats = client_call(c, "server.stats", NULL);
	ck_assert_int_gt(whole_at(json_object_get(value_at(stats, "methods"), "job.save"), "calls"), 0);
	ck_assert_int_eq(whole_at(stats, "backpressure.calls_in_flight"), 0);
	ck_assert_int_eq(whole_at(stats, "backpressure.bytes_in_flight"), 0);
}
END_TEST

START_TEST(artifacts_are_listed_newest_first_by_run_and_kind)
{
	client_call(c, "run.create_or_update", JSON({"run_id":"run-2","kind":"screener"}));
	const char *a = text_at(save(JSON({"run_id":"run-1","payload":1})), "id");
	const char *b = text_at(save(JSON({"run_id":"run-2","payload":2})), "id");
	const char *e = text_at(save(JSON({"run_id":"run-1","payload":3,"kind":"trades"})), "id");
	json_t *page = client_call(c, "artifact.list", NULL);
	expect_at(page, "total", "3");
	expect_text_at(page, "artifacts.0.id", e);
	expect_text_at(page, "artifacts.1.id", b);
	expect_text_at(page, "artifacts.2.id", a);
	ck_assert(has_value_at(page, "artifacts.0.path"));
	page = client_call(c, "artifact.list", JSON({"run_id":"run-1","limit":1}));
	expect_at(page, "total", "2");
	expect_text_at(page, "artifacts.0.id", e);
	page = client_call(c, "artifact.list", JSON({"run_id":"run-1","limit":1,"cursor":"%s"}),
	                   text_at(page, "next_cursor"));
	expect_text_at(page, "artifacts.0.id", a);
	expect_at(page, "next_cursor", "null");
	page = client_call(c, "artifact.list", JSON({"kind":"Screener"}));
	expect_at(page, "total", "1");
	expect_text_at(page, "artifacts.0.id", b);
	expect_at(client_call(c, "artifact.list",
	                      JSON({"run_id":["run-1","run-2"],"kind":["trades","screener"]})),
	          "total", "2");
	expect_at(client_call(c, "artifact.list", JSON({"run_id":"nobody"})), "artifacts", "[]");
}
END_TEST

START_TEST(a_deleted_artifact_is_gone_with_its_file)
{
	json_t *artifact = save(JSON({"run_id":"run-1","payload":1}));
	expect_json(client_call(c, "artifact.delete", JSON({"id":"%s"}), text_at(artifact, "id")),
	            JSON({"removed":1}));
	ck_assert(!file_exists(text_at(artifact, "path")));
	expect_json(client_call(c, "artifact.delete", JSON({"id":"%s"}), text_at(artifact, "id")),
	            JSON({"removed":0}));
	client_refused(c, NOT_FOUND, "artifact.read", JSON({"id":"%s"}), text_at(artifact, "id"));
}
END_TEST

/* Both calls come in one read, and so would be one commit, which unlinks what it deletes when all else is done.
 * _i: the same payload, another one */
START_TEST(an_artifact_that_is_imported_right_behind_its_deletion_has_lost_its_payload)
{
	static const char *const saved[] = {JSON({"keep":1}), JSON({"old":1})};
	const char *id = text_at(client_call(c, "artifact.save", JSON({"run_id":"run-1","payload":%s}), saved[_i]), "id");
	char *lines;
	int len = asprintf(&lines,
	                   JSON({"jsonrpc":"2.0","id":1,"method":"artifact.delete","params":{"id":"%s"}}) "\n"
	                   JSON({"jsonrpc":"2.0","id":2,"method":"server.import","params":{"artifacts":[
	                        {"id":"%s","run_id":"run-1","kind":"backtest","payload":{"keep":1}}]}}) "\n", id, id);
	ck_assert_int_gt(len, 0);
	client_write(c, lines, (size_t)len);
	free(lines);
	for (int i = 0; i < 2; i++) {
		json_t *reply = client_reply(c);
		if (whole_at(reply, "id") == 1)
			expect_at(reply, "result.removed", "1");
		else
			expect_at(reply, "result.artifacts", "1");
	}
	expect_at(read_back(id), "payload", JSON({"keep":1}));
	daemon_kill(d);
	daemon_start(d, NULL);
	c = client_open(d);
	expect_at(read_back(id), "payload", JSON({"keep":1}));
}
END_TEST

START_TEST(an_import_that_fails_removes_the_payload_file_that_was_there_before)
{
	char *path, *command;
	ck_assert_int_gt(asprintf(&path, "%s/artifacts/old_1.json", d->state), 0);
	FILE *file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs("{\"only\":\"copy\"}", file);
	fclose(file);
	ck_assert_int_gt(asprintf(&command, "rm -r '%s/journal'", d->state), 0); /* no commit works any more */
	ck_assert_int_eq(system(command), 0);
	client_refused(c, NOT_DURABLE, "server.import", JSON({"artifacts":[
	               {"id":"old_1","run_id":"run-1","kind":"old","payload":{"only":"copy"}},
	               {"id":"new_1","run_id":"run-1","kind":"old","payload":{"another":"one"}}]}));
	ck_assert_int_eq(access(path, F_OK), 0);
	memcpy(strstr(path, "old_1"), "new_1", 5);
	ck_assert_int_ne(access(path, F_OK), 0);
	free(path);
	free(command);
}
END_TEST

START_TEST(artifacts_survive_a_kill_and_a_clean_stop)
{
	json_t *artifact = save(JSON({"run_id":"run-1","payload":{"keep":[1,2,3]}}));
	const char *id = text_at(artifact, "id");
	for (int i = 0; i < 2; i++) {
		if (i == 0)
			daemon_kill(d);
		else
			daemon_signal(d, SIGTERM);
		daemon_start(d, NULL);
		c = client_open(d);
		json_t *back = read_back(id);
		expect_at(back, "payload", JSON({"keep":[1,2,3]}));
		ck_assert(json_equal(value_at(back, "artifact"), artifact));
		expect_text_at(client_call(c, "run.get", JSON({"run_id":"run-1"})), "artifact_id", id);
	}
}
END_TEST

START_TEST(the_stored_record_names_no_path)
{
	save(JSON({"run_id":"run-1","payload":1}));
	ck_assert_int_eq(daemon_signal(d, SIGTERM), 0);
	ck_assert_ptr_null(strstr(daemon_file(d, "artifacts.json"), "\"path\""));
	char *moved;
	ck_assert_int_gt(asprintf(&moved, "%s/moved", d->dir), 0);
	ck_assert_int_eq(rename(d->state, moved), 0);
	snprintf(d->state, sizeof d->state, "%s/moved", d->dir);
	daemon_start(d, NULL);
	const char *path = text_at(daemon_call(d, "artifact.list", NULL), "artifacts.0.path");
	ck_assert_msg(strncmp(path, moved, strlen(moved)) == 0, "%s", path);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("artifacts");
	TCase *saving = integration_case(suite, "saving", setup, teardown);
	tcase_add_test(saving, a_saved_artifact_is_a_file_that_programs_of_its_user_can_read);
	tcase_add_test(saving, an_artifact_comes_back_as_it_was_saved);
	tcase_add_test(saving, an_artifact_s_kind_is_its_run_s_unless_said_otherwise);
	tcase_add_test(saving, saving_links_the_run_unless_told_not_to);
	tcase_add_test(saving, ids_of_long_runs_and_kinds_still_fit);
	tcase_add_test(saving, a_large_payload_survives_whole);
	tcase_add_loop_test(saving, a_refused_artifact_leaves_no_file, 0, COUNT(bad_saves));

	TCase *reading = integration_case(suite, "reading", setup, teardown);
	tcase_add_test(reading, an_unknown_artifact_is_not_found);
	tcase_add_loop_test(reading, no_id_reaches_outside_the_artifacts, 0, COUNT(evil_ids));
	tcase_add_test(reading, a_link_planted_among_the_artifacts_is_not_followed);
	tcase_add_test(reading, a_payload_that_has_no_record_can_be_read_by_its_id);
	tcase_add_test(reading, a_payload_that_is_no_JSON_can_be_read_raw);
	tcase_add_test(reading, a_payload_that_is_no_text_is_refused_by_name_instead_of_sent_as_a_line_that_nobody_can_read);
	tcase_add_test(reading, a_payload_nested_too_deep_for_a_reply_can_be_read_raw);
	tcase_add_test(reading, a_payload_that_somebody_removed_is_said_to_be_missing);
	tcase_add_test(reading, reads_see_artifacts_saved_before_them_on_the_connection);
	tcase_add_test(reading, readers_that_hang_up_leave_nothing_behind_that_counts_against_the_others);

	TCase *keeping = integration_case(suite, "keeping", setup, teardown);
	tcase_add_test(keeping, artifacts_are_listed_newest_first_by_run_and_kind);
	tcase_add_test(keeping, a_deleted_artifact_is_gone_with_its_file);
	tcase_add_loop_test(keeping, an_artifact_that_is_imported_right_behind_its_deletion_has_lost_its_payload, 0, 2);
	tcase_add_test(keeping, an_import_that_fails_removes_the_payload_file_that_was_there_before);
	tcase_add_test(keeping, artifacts_survive_a_kill_and_a_clean_stop);
	tcase_add_test(keeping, the_stored_record_names_no_path);
	return integration_run(suite);
}
