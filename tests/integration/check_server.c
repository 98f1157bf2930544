/* What the daemon says of itself, and server.import. */
#include "tests/integration/client.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static const char *const methods[] = {
	"job.save", "job.get", "job.list", "job.count", "job.update_progress", "job.delete", "job.cleanup",
	"run.create_or_update", "run.get",
	"run.list", "run.count", "run.find_by_meta", "run.delete", "artifact.save", "artifact.read",
	"artifact.list", "artifact.delete",
	"server.import", "server.ping", "server.info", "server.stats", "server.flush", "server.set_log_level",
	"rpc.discover",
};

START_TEST(discovery_describes_every_method)
{
	json_t *document = client_call(c, "rpc.discover", NULL), *method;
	expect_pattern(text_at(document, "openrpc"), "^1\\.[0-9]+\\.[0-9]+$");
	ck_assert(has_value_at(document, "info.title"));
	ck_assert(has_value_at(document, "info.version"));
	for (int i = 0; i < COUNT(methods); i++) {
		size_t k;
		bool found = false;
		json_array_foreach(value_at(document, "methods"), k, method) {
			if (strcmp(text_at(method, "name"), methods[i]) != 0)
				continue;
			found = true;
			ck_assert(json_is_array(value_at(method, "params")));
			ck_assert(has_value_at(method, "result.schema"));
		}
		ck_assert_msg(found, "%s is not in rpc.discover", methods[i]);
	}
}
END_TEST

START_TEST(ping_tells_the_time_and_the_revision)
{
	json_t *pong = client_call(c, "server.ping", NULL);
	expect_pattern(text_at(pong, "time"), "^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+\\+00:00$");
	ck_assert_int_eq(whole_at(pong, "revision"), 0);
	client_call(c, "job.save", JSON({"job":{}}));
	ck_assert_int_eq(whole_at(client_call(c, "server.ping", NULL), "revision"), 1);
}
END_TEST

START_TEST(info_says_where_everything_is_and_what_is_allowed)
{
	json_t *info = client_call(c, "server.info", NULL);
	ck_assert(has_value_at(info, "version"));
	expect_text_at(info, "socket", d->socket);
	expect_text_at(info, "state_dir", d->state);
	expect_text_at(info, "health", "ok");
	ck_assert_int_eq(whole_at(info, "pid"), d->pid);
	ck_assert_int_eq(whole_at(info, "limits.line_bytes"), 16 << 20);
	ck_assert_int_eq(whole_at(info, "limits.reply_bytes"), 16 << 20);
	ck_assert_int_eq(whole_at(info, "limits.nesting"), 128);
	for (const char *const *name = ARGS("connections", "calls_in_flight", "queued_bytes"); *name; name++)
		ck_assert_int_gt(whole_at(value_at(info, "limits"), *name), 0);
	for (const char *const *name = ARGS("jobs", "runs", "artifacts"); *name; name++)
		ck_assert_int_eq(whole_at(value_at(info, "records"), *name), 0);
}
END_TEST

START_TEST(stats_count_what_happens)
{
	for (int i = 0; i < 3; i++)
		client_call(c, "job.save", JSON({"job":{}}));
	client_refused(c, INVALID_PARAMS, "job.save", NULL);
	client_say(c, "nonsense");
	client_reply(c);
	json_t *stats = client_call(c, "server.stats", NULL);
	json_t *saves = json_object_get(value_at(stats, "methods"), "job.save");
	ck_assert_int_eq(whole_at(saves, "calls"), 4);
	ck_assert_int_eq(whole_at(saves, "failed"), 1);
	ck_assert_int_eq(whole_at(stats, "wire.lines_bad"), 1);
	ck_assert_int_eq(whole_at(stats, "connections.open"), 1);
	ck_assert_int_eq(whole_at(stats, "errors.invalid_params"), 1);
	ck_assert_int_ge(whole_at(stats, "journal.commits"), 3);
}
END_TEST

START_TEST(flush_waits_for_what_was_sent_before)
{
	for (int i = 0; i < 100; i++)
		client_say(c, JSON({"jsonrpc":"2.0","method":"job.save","params":{"job":{"id":"f%d"}}}), i);
	ck_assert_int_eq(whole_at(client_call(c, "server.flush", NULL), "revision"), 100);
}
END_TEST

START_TEST(the_log_level_can_be_changed)
{
	expect_text_at(client_call(c, "server.set_log_level", JSON({"level":"debug"})), "level", "debug");
	expect_text_at(client_call(c, "server.info", NULL), "log_level", "debug");
	expect_fault(client_refused(c, INVALID_PARAMS, "server.set_log_level", JSON({"level":"loud"})),
	             "invalid_params", "level", NULL);
	expect_fault(client_refused(c, INVALID_PARAMS, "server.set_log_level", JSON({"level":"debu"})),
	             "invalid_params", "level", "debug");
}
END_TEST

/* ---- import */

START_TEST(imported_records_keep_their_times_and_unknown_fields)
{
	json_t *counts = client_call(c, "server.import", "%s", JSON({
		"jobs":[{"id":"j","status":"archived","created_at":"2020-01-01T00:00:00","updated_at":"2020-01-02T00:00:00","extra":{"x":1}}],
		"runs":[{"id":"r","kind":"backtest","status":"succeeded","created_at":"2020-01-01T00:00:00+00:00",
			"updated_at":"2020-01-03T00:00:00+00:00","finished_at":"2020-01-03T00:00:00+00:00","meta":{"job_id":"j"}}]}));
	expect_json(counts, JSON({"jobs":1,"runs":1,"artifacts":0}));
	json_t *job = client_call(c, "job.get", JSON({"id":"j"}));
	expect_text_at(job, "status", "archived");
	expect_text_at(job, "updated_at", "2020-01-02T00:00:00");
	expect_at(job, "extra", JSON({"x":1}));
	json_t *run = client_call(c, "run.get", JSON({"run_id":"r"}));
	expect_text_at(run, "updated_at", "2020-01-03T00:00:00+00:00");
	expect_text_at(client_call(c, "run.find_by_meta", JSON({"key":"job_id","value":"j"})), "id", "r");
	daemon_kill(d);
	daemon_start(d, NULL);
	ck_assert(json_equal(job, daemon_call(d, "job.get", JSON({"id":"j"}))));
	ck_assert(json_equal(run, daemon_call(d, "run.get", JSON({"run_id":"r"}))));
}
END_TEST

START_TEST(import_skips_what_exists_unless_told_to_replace_it)
{
	client_call(c, "job.save", JSON({"job":{"id":"j","error":"stored"}}));
	expect_json(client_call(c, "server.import", JSON({"jobs":[{"id":"j","error":"import"},{"id":"k"}]})),
	            JSON({"jobs":1,"runs":0,"artifacts":0}));
	expect_text_at(client_call(c, "job.get", JSON({"id":"j"})), "error", "stored");
	expect_json(client_call(c, "server.import",
	                        JSON({"jobs":[{"id":"j","error":"import"}],"mode":"replace"})),
	            JSON({"jobs":1,"runs":0,"artifacts":0}));
	expect_text_at(client_call(c, "job.get", JSON({"id":"j"})), "error", "import");
}
END_TEST

START_TEST(an_import_with_one_bad_record_imports_nothing)
{
	json_t *error = client_refused(c, INVALID_PARAMS, "server.import",
	                               JSON({"jobs":[{"id":"good"},{"id":"b a d"}],"runs":[]}));
	ck_assert_msg(strstr(text_at(error, "data.field"), "jobs[1]"), "%s", json_dumps(error, 0));
	ck_assert_int_eq(whole_at(client_call(c, "job.count", NULL), "total"), 0);
	client_refused(c, INVALID_PARAMS, "server.import", JSON({"jobs":[{"id":"good"}],"runs":[5]}));
	client_refused(c, INVALID_PARAMS, "server.import", JSON({"jobs":{"id":"good"}}));
	ck_assert_int_eq(whole_at(client_call(c, "server.ping", NULL), "revision"), 0);
}
END_TEST

START_TEST(a_dry_import_counts_and_stores_nothing)
{
	client_call(c, "job.save", JSON({"job":{"id":"there"}}));
	long long before = whole_at(client_call(c, "server.ping", NULL), "revision");
	expect_json(client_call(c, "server.import",
	                        JSON({"jobs":[{"id":"there"},{"id":"new"}],"runs":[{"id":"r","kind":"k"}],"dry_run":true})),
	            JSON({"jobs":1,"runs":1,"artifacts":0}));
	expect_json(client_call(c, "server.import", JSON({"jobs":[{"id":"there"}],"mode":"replace","dry_run":true})),
	            JSON({"jobs":1,"runs":0,"artifacts":0}));
	client_refused(c, INVALID_PARAMS, "server.import", JSON({"jobs":[{"id":"b a d"}],"dry_run":true}));
	ck_assert_int_eq(whole_at(client_call(c, "server.ping", NULL), "revision"), before);
	ck_assert_int_eq(whole_at(client_call(c, "run.count", NULL), "total"), 0);
}
END_TEST

/* What a dry run says of it is what the import itself then does. */
static void imports_as_it_says(const char *records, const char *expected)
{
	expect_json(client_call(c, "server.import", "{%s,\"dry_run\":true}", records), expected);
	expect_json(client_call(c, "server.import", "{%s}", records), expected);
}

START_TEST(a_dry_import_counts_an_id_that_stands_twice_as_the_import_does)
{
	imports_as_it_says("\"jobs\":[{\"id\":\"a\",\"error\":\"1\"},{\"id\":\"a\",\"error\":\"2\"},{\"id\":\"\\u0061\"},{\"id\":\"b\"}],"
	                   "\"runs\":[{\"id\":\"a\",\"kind\":\"k\"},{\"id\":\"a\",\"kind\":\"k\"}]",
	                   JSON({"jobs":2,"runs":1,"artifacts":0}));
	expect_text_at(client_call(c, "job.get", JSON({"id":"a"})), "error", "1");
	imports_as_it_says("\"artifacts\":[{\"id\":\"x\",\"run_id\":\"a\",\"kind\":\"k\",\"payload\":1},"
	                   "{\"id\":\"x\",\"run_id\":\"a\",\"kind\":\"k\",\"payload\":2}]", JSON({"jobs":0,"runs":0,"artifacts":1}));
	expect_at(client_call(c, "artifact.read", JSON({"id":"x"})), "payload", "1");
	imports_as_it_says("\"mode\":\"replace\",\"jobs\":[{\"id\":\"a\",\"error\":\"3\"},{\"id\":\"c\"},{\"id\":\"c\",\"error\":\"4\"}]",
	                   JSON({"jobs":3,"runs":0,"artifacts":0}));
	expect_text_at(client_call(c, "job.get", JSON({"id":"c"})), "error", "4");
}
END_TEST

START_TEST(an_import_whose_last_record_is_too_large_stores_none_of_it)
{
	daemon_restart(d, ARGS("--max-reply", "16384"));
	bool taken = false, refused = false;
	for (int size = 12000; size < 12100; size++) { /* around the limit, where the digits of a revision decide */
		json_t *reply;
		struct client *mine = client_open(d);
		client_say(mine, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server.import\",\"params\":{\"mode\":\"replace\",\"jobs\":["
		           "{\"id\":\"a\"},{\"id\":\"b\"},{\"id\":\"c\"},{\"id\":\"d\"},{\"id\":\"e\"},{\"id\":\"f\"},{\"id\":\"g\"},{\"id\":\"h\"},"
		           "{\"id\":\"i\"},{\"id\":\"large\",\"error\":\"%0*d\"}]}}", size, 0);
		reply = client_reply(mine);
		long long stored = whole_at(client_call(mine, "job.count", NULL), "total");
		ck_assert_int_eq(stored, has_value_at(reply, "result") ? 10 : 0);
		taken |= stored == 10;
		refused |= stored == 0;
		client_call(mine, "job.delete", JSON({"ids":["a","b","c","d","e","f","g","h","i","large"]}));
		client_close(mine);
	}
	ck_assert(taken && refused);
}
END_TEST

START_TEST(a_payload_whose_place_cannot_be_looked_at_is_refused_by_name)
{
	ck_assert_int_eq(mkdir(daemon_path(d, "artifacts/dir.json"), 0700), 0);
	ck_assert_int_eq(mkfifo(daemon_path(d, "artifacts/pipe.json"), 0600), 0);
	file_write(daemon_path(d, "elsewhere"), "[1]", 3);
	ck_assert_int_eq(symlink("../elsewhere", daemon_path(d, "artifacts/link.json")), 0);
	static const struct { const char *id, *says; } there[] = {
		{"dir", "no regular file"}, {"pipe", "no regular file"}, {"link", "symbolic link"}};
	for (int i = 0; i < COUNT(there); i++) {
		json_t *error = client_refused(c, INVALID_PARAMS, "server.import",
			JSON({"jobs":[{"id":"beside"}],"artifacts":[{"id":"%s","run_id":"r","kind":"k","payload":[1]}]}), there[i].id);
		expect_text_at(error, "data.field", "artifacts[0].payload");
		ck_assert_msg(strstr(text_at(error, "message"), there[i].says), "%s", text_at(error, "message"));
	}
	ck_assert_int_eq(whole_at(client_call(c, "job.count", NULL), "total"), 0);
	expect_text_at(client_call(c, "server.info", NULL), "health", "ok");
}
END_TEST

static const char import_artifact[] = JSON({
	"runs":[{"id":"r","kind":"k","artifact_id":"equity_r_0123456789"}],
	"artifacts":[{"id":"equity_r_0123456789","run_id":"r","kind":"equity","created_at":"2020-01-01T00:00:00",
		"size_bytes":999,"payload":{"b" : [1, 2.50],"a":"x"},"note":"kept"}]});

START_TEST(an_artifact_is_imported_with_its_payload)
{
	expect_json(client_call(c, "server.import", "%s", import_artifact), JSON({"jobs":0,"runs":1,"artifacts":1}));
	ck_assert_str_eq(daemon_file(d, "artifacts/equity_r_0123456789.json"), "{\"b\":[1,2.5],\"a\":\"x\"}");
	daemon_kill(d);
	daemon_start(d, NULL);
	json_t *read = daemon_call(d, "artifact.read", JSON({"id":"equity_r_0123456789"}));
	expect_at(read, "payload", JSON({"b":[1,2.5],"a":"x"}));
	expect_at(read, "artifact.size_bytes", "21");
	expect_text_at(read, "artifact.created_at", "2020-01-01T00:00:00");
	expect_text_at(read, "artifact.note", "kept");
	ck_assert(!has_value_at(read, "artifact.payload"));
}
END_TEST

START_TEST(an_imported_payload_never_replaces_one_that_is_there)
{
	client_call(c, "server.import", "%s", import_artifact);
	expect_json(client_call(c, "server.import", JSON({"mode":"replace",
		"artifacts":[{"id":"equity_r_0123456789","run_id":"r","kind":"equity","payload":"other"}]})),
		JSON({"jobs":0,"runs":0,"artifacts":0}));
	ck_assert_str_eq(daemon_file(d, "artifacts/equity_r_0123456789.json"), "{\"b\":[1,2.5],\"a\":\"x\"}");
	/* a file without a record, as the Python classes leave them */
	file_write(daemon_path(d, "artifacts/old_r_0123456789.json"), "[1]", 3);
	json_t *error = client_refused(c, INVALID_PARAMS, "server.import",
		JSON({"artifacts":[{"id":"old_r_0123456789","run_id":"r","kind":"old","payload":[2]}]}));
	expect_text_at(error, "data.field", "artifacts[0].payload");
	ck_assert_str_eq(daemon_file(d, "artifacts/old_r_0123456789.json"), "[1]");
	expect_json(client_call(c, "server.import",
		JSON({"artifacts":[{"id":"old_r_0123456789","run_id":"r","kind":"old","payload":[1]}]})),
		JSON({"jobs":0,"runs":0,"artifacts":1}));
	expect_at(client_call(c, "artifact.read", JSON({"id":"old_r_0123456789"})), "payload", "[1]");
}
END_TEST

/* ---- persistctl */

START_TEST(persistctl_pings_and_calls)
{
	struct command ping = command_run(ARGS(PERSISTCTL, "--socket", d->socket, "ping"));
	ck_assert_msg(ping.status == 0, "%s%s", ping.out, ping.err);
	struct command save = command_run(
		ARGS(PERSISTCTL, "--socket", d->socket, "call", "job.save", JSON({"job":{"id":"ctl"}})));
	ck_assert_msg(save.status == 0, "%s%s", save.out, save.err);
	expect_text_at(json_parsed(save.out), "id", "ctl");
	struct command list = command_run(ARGS(PERSISTCTL, "--socket", d->socket, "call", "job.count"));
	expect_json(json_parsed(list.out), JSON({"total":1}));
}
END_TEST

START_TEST(persistctl_says_what_went_wrong_and_fails)
{
	struct command bad = command_run(
		ARGS(PERSISTCTL, "--socket", d->socket, "call", "job.get", JSON({"id":"nobody"})));
	ck_assert_int_ne(bad.status, 0);
	ck_assert_str_eq(bad.out, "");
	ck_assert_msg(strstr(bad.err, "not_found"), "%s", bad.err);
	struct command nowhere = command_run(ARGS(PERSISTCTL, "--socket", "/nonexistent/socket", "ping"));
	ck_assert_int_ne(nowhere.status, 0);
	ck_assert_msg(strstr(nowhere.err, "/nonexistent/socket"), "%s", nowhere.err);
	struct command typo = command_run(ARGS(PERSISTCTL, "--socket", d->socket, "call", "job.get", "{\"id\":"));
	ck_assert_int_ne(typo.status, 0);
	ck_assert_uint_gt(strlen(typo.err), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("server");
	TCase *server = integration_case(suite, "server", setup, teardown);
	tcase_add_test(server, discovery_describes_every_method);
	tcase_add_test(server, ping_tells_the_time_and_the_revision);
	tcase_add_test(server, info_says_where_everything_is_and_what_is_allowed);
	tcase_add_test(server, stats_count_what_happens);
	tcase_add_test(server, flush_waits_for_what_was_sent_before);
	tcase_add_test(server, the_log_level_can_be_changed);

	TCase *import = integration_case(suite, "import", setup, teardown);
	tcase_add_test(import, imported_records_keep_their_times_and_unknown_fields);
	tcase_add_test(import, import_skips_what_exists_unless_told_to_replace_it);
	tcase_add_test(import, an_import_with_one_bad_record_imports_nothing);
	tcase_add_test(import, an_import_whose_last_record_is_too_large_stores_none_of_it);
	tcase_add_test(import, a_dry_import_counts_and_stores_nothing);
	tcase_add_test(import, an_artifact_is_imported_with_its_payload);
	tcase_add_test(import, a_dry_import_counts_an_id_that_stands_twice_as_the_import_does);
	tcase_add_test(import, a_payload_whose_place_cannot_be_looked_at_is_refused_by_name);
	tcase_add_test(import, an_imported_payload_never_replaces_one_that_is_there);

	TCase *persistctl = integration_case(suite, "persistctl", setup, teardown);
	tcase_add_test(persistctl, persistctl_pings_and_calls);
	tcase_add_test(persistctl, persistctl_says_what_went_wrong_and_fails);
	return integration_run(suite);
}
