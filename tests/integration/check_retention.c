/* Retention: what is configured goes, and nothing else. */
#include "tests/integration/client.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static struct daemon *d;

static void setup(void) { d = daemon_started(NULL); }
static void teardown(void) { daemon_end(d); }

static void import_old_records(void)
{
	daemon_call(d, "server.import", "%s", JSON({
		"jobs":[
			{"id":"done-2020","status":"completed","completed_at":"2020-01-01T00:00:00Z"},
			{"id":"failed-2020","status":"failed","completed_at":"2020-01-02T00:00:00Z"},
			{"id":"cancelled-2021","status":"cancelled","completed_at":"2021-01-02T00:00:00Z"},
			{"id":"running-2020","status":"running","created_at":"2020-01-01T00:00:00Z","updated_at":"2020-01-01T00:00:00Z"},
			{"id":"archived-2020","status":"archived","updated_at":"2020-01-01T00:00:00Z"}],
		"runs":[
			{"id":"old","kind":"k","status":"succeeded","updated_at":"2020-01-01T00:00:00Z","finished_at":"2020-01-01T00:00:00Z","artifact_id":"a_old_1"},
			{"id":"old-failed","kind":"k","status":"failed","updated_at":"2020-01-01T00:00:00Z","finished_at":"2020-01-01T00:00:00Z"},
			{"id":"old-running","kind":"k","status":"running","updated_at":"2020-01-01T00:00:00Z"}],
		"artifacts":[{"id":"a_old_1","run_id":"old","kind":"a","payload":[1]},{"id":"a_old_2","run_id":"old","kind":"a","payload":[2]},
			{"id":"b_failed","run_id":"old-failed","kind":"b","payload":[3]}]}));
	daemon_call(d, "job.save", JSON({"job":{"id":"done-now","status":"completed"}}));
	daemon_call(d, "run.create_or_update", JSON({"run_id":"now","kind":"k","status":"succeeded"}));
}

static json_t *retention(void) { return value_at(daemon_call(d, "server.stats", NULL), "retention"); }

static void wait_for_sweep(void)
{
	while (whole_at(retention(), "sweeps") == 0)
		sleep_ms(10);
}

static void restart(const char *const *flags)
{
	daemon_restart(d, flags);
	wait_for_sweep();
}

/* The ids that are left, in order. */
static void expect_ids(const char *method, const char *list, const char *expected)
{
	json_t *page = daemon_call(d, method, JSON({"order":"id"}));
	char ids[2000] = "";
	for (size_t i = 0; i < count_at(page, list); i++) {
		char path[64];
		snprintf(path, sizeof path, "%s.%zu.id", list, i);
		strcat(strcat(ids, i ? " " : ""), text_at(page, path));
	}
	ck_assert_str_eq(ids, expected);
}

START_TEST(nothing_is_ever_removed_unless_it_is_configured)
{
	import_old_records();
	daemon_restart(d, NULL);
	sleep_ms(200);
	expect_json(retention(), JSON({"jobs_removed":0,"runs_removed":0,"artifacts_removed":0,"sweeps":0,"last_sweep_at":null}));
	ck_assert_int_eq(whole_at(daemon_call(d, "job.count", NULL), "total"), 6);
	ck_assert_int_eq(whole_at(daemon_call(d, "run.count", NULL), "total"), 4);
}
END_TEST

START_TEST(ended_jobs_go_after_their_days_and_no_others)
{
	import_old_records();
	restart(ARGS("--job-retention-days", "30"));
	expect_ids("job.list", "jobs", "archived-2020 done-now running-2020");
	expect_ids("run.list", "runs", "now old old-failed old-running");
	ck_assert_int_eq(whole_at(retention(), "jobs_removed"), 3);
	daemon_kill(d);
	daemon_start(d, NULL);
	expect_ids("job.list", "jobs", "archived-2020 done-now running-2020");
}
END_TEST

START_TEST(a_status_may_have_days_of_its_own)
{
	import_old_records();
	restart(ARGS("--job-retention-days", "30", "--job-retention-days-failed", "36500", "--run-retention-days-failed", "1"));
	expect_ids("job.list", "jobs", "archived-2020 done-now failed-2020 running-2020");
	expect_ids("run.list", "runs", "now old old-running");
	expect_ids("artifact.list", "artifacts", "a_old_1 a_old_2");
}
END_TEST

START_TEST(a_status_that_is_off_keeps_its_records_whatever_the_others_say)
{
	import_old_records();
	restart(ARGS("--job-retention-days", "30", "--job-retention-days-failed", "off", "--run-retention-days", "30",
	             "--run-retention-days-succeeded", "off"));
	expect_ids("job.list", "jobs", "archived-2020 done-now failed-2020 running-2020");
	expect_ids("run.list", "runs", "now old old-running");
	expect_ids("artifact.list", "artifacts", "a_old_1 a_old_2");
}
END_TEST

START_TEST(runs_go_with_their_artifacts_and_their_files)
{
	import_old_records();
	ck_assert_uint_eq(dir_count(daemon_path(d, "artifacts"), ".json"), 3);
	restart(ARGS("--run-retention-days", "30"));
	expect_ids("run.list", "runs", "now old-running");
	expect_ids("artifact.list", "artifacts", "");
	ck_assert_uint_eq(dir_count(daemon_path(d, "artifacts"), ".json"), 0);
	json_t *swept = retention();
	ck_assert_int_eq(whole_at(swept, "runs_removed"), 2);
	ck_assert_int_eq(whole_at(swept, "artifacts_removed"), 3);
	ck_assert(has_value_at(swept, "last_sweep_at"));
}
END_TEST

START_TEST(above_max_jobs_the_oldest_ended_ones_go)
{
	import_old_records();
	restart(ARGS("--max-jobs", "4"));
	expect_ids("job.list", "jobs", "archived-2020 cancelled-2021 done-now running-2020");
	restart(ARGS("--max-jobs", "1")); /* what has not ended is never removed */
	expect_ids("job.list", "jobs", "archived-2020 running-2020");
}
END_TEST

START_TEST(a_reload_starts_a_sweep_of_many_jobs_in_small_commits)
{
	enum { JOBS = 2000 };
	struct client *c = client_open(d);
	for (int i = 0; i < JOBS; i++)
		client_say(c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.save\",\"params\":{\"job\":{\"id\":\"j%d\",\"status\":\"completed\","
		           "\"completed_at\":\"2020-01-01T00:00:00Z\"},\"fields\":[\"id\"]}}", i);
	for (int i = 0; i < JOBS; i++)
		client_reply(c);
	client_close(c);
	char *conf;
	ck_assert_int_gt(asprintf(&conf, "%s/persistd.conf", d->dir), 0);
	file_write(conf, "# nothing yet\n", 14);
	daemon_restart(d, ARGS("--config", conf));
	file_write(conf, "[retention]\njob_retention_days = 1\n", 35);
	daemon_send_signal(d, SIGHUP);
	wait_for_sweep();
	ck_assert_int_eq(whole_at(daemon_call(d, "job.count", NULL), "total"), 0);
	ck_assert_int_eq(whole_at(retention(), "jobs_removed"), JOBS);
	ck_assert_int_le(whole_at(daemon_call(d, "server.stats", NULL), "store.largest_batch"), 128);
	ck_assert_ptr_nonnull(strstr(daemon_errors(d), "retention: removed 2000 jobs"));
}
END_TEST

/* More artifacts than one step of a sweep or of a removal takes. */
static void import_a_run_with_many_artifacts(int artifacts)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	fprintf(out, "{\"runs\":[{\"id\":\"big\",\"kind\":\"k\",\"status\":\"succeeded\",\"updated_at\":\"2020-01-01T00:00:00Z\","
	        "\"finished_at\":\"2020-01-01T00:00:00Z\"}],\"artifacts\":[");
	for (int i = 0; i < artifacts; i++)
		fprintf(out, "%s{\"id\":\"a_%d\",\"run_id\":\"big\",\"kind\":\"a\",\"payload\":%d}", i ? "," : "", i, i);
	fprintf(out, "]}");
	fclose(out);
	ck_assert_int_eq(whole_at(daemon_call(d, "server.import", "%s", text), "artifacts"), artifacts);
	ck_assert_uint_eq(dir_count(daemon_path(d, "artifacts"), ".json"), (unsigned)artifacts);
}

static void expect_nothing_of_it(void)
{
	expect_ids("run.list", "runs", "");
	ck_assert_int_eq(whole_at(daemon_call(d, "artifact.list", NULL), "total"), 0);
	ck_assert_uint_eq(dir_count(daemon_path(d, "artifacts"), ".json"), 0);
}

START_TEST(a_run_with_hundreds_of_artifacts_goes_with_all_of_them)
{
	import_a_run_with_many_artifacts(700);
	restart(ARGS("--run-retention-days", "30"));
	expect_nothing_of_it();
	ck_assert_int_eq(whole_at(retention(), "artifacts_removed"), 700);
	ck_assert_int_eq(whole_at(retention(), "runs_removed"), 1);
	daemon_kill(d);
	daemon_start(d, NULL);
	expect_nothing_of_it();
}
END_TEST

START_TEST(deleting_a_run_with_hundreds_of_artifacts_leaves_nothing_of_it)
{
	import_a_run_with_many_artifacts(700);
	ck_assert_int_eq(whole_at(daemon_call(d, "run.delete", JSON({"run_id":"big"})), "removed"), 1);
	expect_nothing_of_it();
	daemon_kill(d);
	daemon_start(d, NULL);
	expect_nothing_of_it();
}
END_TEST

static void allow_file_size(rlim_t bytes)
{
	struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
	ck_assert_int_eq(prlimit(d->pid, RLIMIT_FSIZE, &limit, NULL), 0);
}

START_TEST(a_sweep_on_a_failing_disk_removes_nothing_and_goes_on_at_the_next_look)
{
	import_old_records();
	char *conf;
	ck_assert_int_gt(asprintf(&conf, "%s/persistd.conf", d->dir), 0);
	file_write(conf, "# nothing yet\n", 14);
	daemon_restart(d, ARGS("--config", conf));
	allow_file_size(20);
	file_write(conf, "[retention]\njob_retention_days = 30\n", 36);
	daemon_send_signal(d, SIGHUP);
	while (whole_at(daemon_call(d, "server.stats", NULL), "journal.commit_failures") == 0)
		sleep_ms(10);
	ck_assert_int_eq(whole_at(daemon_call(d, "job.count", NULL), "total"), 6);
	expect_json(retention(), JSON({"jobs_removed":0,"runs_removed":0,"artifacts_removed":0,"sweeps":0,"last_sweep_at":null}));
	allow_file_size(RLIM_INFINITY);
	while (strcmp(text_at(daemon_call(d, "server.info", NULL), "health"), "ok") != 0)
		sleep_ms(10);
	daemon_send_signal(d, SIGHUP);
	wait_for_sweep();
	expect_ids("job.list", "jobs", "archived-2020 done-now running-2020");
	ck_assert_int_eq(whole_at(retention(), "jobs_removed"), 3);
	daemon_kill(d);
	daemon_start(d, NULL);
	expect_ids("job.list", "jobs", "archived-2020 done-now running-2020");
	expect_ids("run.list", "runs", "now old old-failed old-running");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("retention");
	TCase *tcase = integration_case(suite, "retention", setup, teardown);
	tcase_add_test(tcase, nothing_is_ever_removed_unless_it_is_configured);
	tcase_add_test(tcase, ended_jobs_go_after_their_days_and_no_others);
	tcase_add_test(tcase, a_status_may_have_days_of_its_own);
	tcase_add_test(tcase, a_status_that_is_off_keeps_its_records_whatever_the_others_say);
	tcase_add_test(tcase, runs_go_with_their_artifacts_and_their_files);
	tcase_add_test(tcase, above_max_jobs_the_oldest_ended_ones_go);
	tcase_add_test(tcase, a_reload_starts_a_sweep_of_many_jobs_in_small_commits);
	tcase_add_test(tcase, a_run_with_hundreds_of_artifacts_goes_with_all_of_them);
	tcase_add_test(tcase, deleting_a_run_with_hundreds_of_artifacts_leaves_nothing_of_it);
	tcase_add_test(tcase, a_sweep_on_a_failing_disk_removes_nothing_and_goes_on_at_the_next_look);
	return integration_run(suite);
}
