/* Files that the Python classes wrote, or that a person edited: they open whole,
 * or the start is refused and they stay. */
#include "tests/integration/client.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static struct daemon *d;
static struct client *c;

static void with_samples(void)
{
	d = daemon_new();
	file_copy(test_data("jobs-python.json"), daemon_path(d, "jobs.json"));
	file_copy(test_data("runs-python.json"), daemon_path(d, "runs.json"));
	daemon_start(d, NULL);
	c = client_open(d);
}

static void with_nothing(void)
{
	d = daemon_new();
}

static void teardown(void)
{
	daemon_end(d);
}

static void restart_after(int signal)
{
	daemon_signal(d, signal);
	daemon_start(d, NULL);
	c = client_open(d);
}

/* ---- the samples */

/* What the daemon answers for a record of the sample: every field of it, the same. */
static void expect_whole(const json_t *wanted, const json_t *record)
{
	const char *field;
	json_t *value;
	json_object_foreach((json_t *)wanted, field, value) {
		json_t *now = json_incref(value_at(record, field));
		if (strcmp(field, "progress") == 0 && json_is_object(now)) {
			now = json_copy(now);
			json_object_del(now, "percentage");
		}
		ck_assert_msg(json_equal(value, now), "%s.%s: %s", text_at(wanted, "id"), field,
		              json_dumps(now, JSON_ENCODE_ANY));
	}
}

static json_t *sample(const char *name, const char *table)
{
	return value_at(json_parsed(file_read(test_data(name), NULL)), table);
}

static void expect_all_served(void)
{
	json_t *jobs = sample("jobs-python.json", "jobs"), *runs = sample("runs-python.json", "runs"), *record;
	size_t i;
	json_array_foreach(jobs, i, record)
		expect_whole(record, client_call(c, "job.get", JSON({"id":"%s"}), text_at(record, "id")));
	ck_assert_uint_eq(i, 400);
	json_array_foreach(runs, i, record)
		expect_whole(record, client_call(c, "run.get", JSON({"run_id":"%s"}), text_at(record, "id")));
	ck_assert_uint_eq(i, 250);
}

START_TEST(every_record_and_every_field_is_there)
{
	ck_assert_int_eq(whole_at(client_call(c, "job.count", NULL), "total"), 400);
	ck_assert_int_eq(whole_at(client_call(c, "run.count", NULL), "total"), 250);
	expect_all_served();
	restart_after(SIGKILL);
	expect_all_served();
	restart_after(SIGTERM);
	expect_all_served();
}
END_TEST

static void expect_newest_first(const json_t *records, const char *field)
{
	for (size_t i = 1; i < json_array_size(records); i++) {
		const json_t *before = json_array_get(records, i - 1), *now = json_array_get(records, i);
		int order = strcmp(text_at(before, field), text_at(now, field));
		ck_assert_msg(order > 0 || (order == 0 && strcmp(text_at(before, "id"), text_at(now, "id")) < 0),
		              "%s before %s", text_at(before, "id"), text_at(now, "id"));
	}
}

START_TEST(they_are_listed_in_the_right_order)
{
	expect_newest_first(value_at(client_call(c, "job.list", JSON({"limit":1000})), "jobs"), "created_at");
	expect_newest_first(value_at(client_call(c, "run.list", JSON({"limit":1000})), "runs"), "updated_at");
	expect_at(client_call(c, "job.count", JSON({"group_by":"status"})), "groups",
		  JSON({"completed":278,"failed":44,"cancelled":31,"pending":24,"running":23}));
	expect_at(client_call(c, "run.count", JSON({"group_by":"kind"})), "groups",
		  JSON({"factor_lab":68,"parameter_optimization":66,"screener":60,"backtest":56}));
	ck_assert_int_eq(whole_at(client_call(c, "run.list",
	                                      JSON({"kind":"Factor Lab","status":"succeeded","limit":1})),
	                          "total"),
	                 whole_at(client_call(c, "run.count",
	                                      JSON({"kind":["factor_lab"],"status":["succeeded"]})),
	                          "total"));
}
END_TEST

static void compare(const char *name, const char *table, const char *changed)
{
	char *script, *snapshot;
	ck_assert_int_gt(asprintf(&script, "%s/tests/integration/compare_python.py", SOURCE_DIR), 0);
	ck_assert_int_gt(asprintf(&snapshot, "%s.json", table), 0);
	struct command run = command_run(
		ARGS("python3", script, test_data(name), daemon_path(d, snapshot), table, changed));
	ck_assert_msg(run.status == 0, "%s%s", run.out, run.err);
}

START_TEST(they_survive_update_fold_and_restart_as_Python_reads_them)
{
	const char *job = "d23f0824-128b-4f33-8c5c-7fd0a6a3a450", *run = "backtest_d78432dbb2ee";
	ck_assert_int_eq(daemon_signal(d, SIGTERM), 0);
	compare("jobs-python.json", "jobs", "none");
	compare("runs-python.json", "runs", "none");

	daemon_start(d, NULL);
	c = client_open(d);
	client_call(c, "job.save", JSON({"job":{"id":"%s","error":"changed"}}), job);
	client_call(c, "run.create_or_update", JSON({"run_id":"%s","kind":"x","meta":{"note":"changed"}}), run);
	restart_after(SIGKILL);
	expect_text_at(client_call(c, "job.get", JSON({"id":"%s"}), job), "error", "changed");
	ck_assert_int_eq(daemon_signal(d, SIGTERM), 0);
	compare("jobs-python.json", "jobs", job);
	compare("runs-python.json", "runs", run);
}
END_TEST

START_TEST(a_record_without_a_revision_gets_one_and_can_be_guarded_by_it)
{
	json_t *job = client_call(c, "job.get", JSON({"id":"907a70c3-1012-4037-b64c-e4228c38fb29"}));
	long long revision = whole_at(job, "revision");
	ck_assert_int_gt(revision, 0);
	client_refused(c, CONFLICT, "job.save", JSON({"job":{"id":"%s"},"if_revision":0}), text_at(job, "id"));
	client_call(c, "job.save", JSON({"job":{"id":"%s"},"if_revision":%lld}), text_at(job, "id"), revision);
}
END_TEST

/* ---- refusals */

static void expect_refused(const char *name, const char *words)
{
	size_t len, now;
	char *before = file_read(daemon_path(d, name), &len);
	ck_assert_int_eq(daemon_start_refused(d, NULL), EX_DATAERR);
	char *after = file_read(daemon_path(d, name), &now);
	ck_assert_msg(len == now && memcmp(before, after, len) == 0, "%s was changed", name);
	char *errors = daemon_errors(d);
	size_t end = strlen(errors);
	ck_assert_msg(end > 0 && errors[end - 1] == '\n', "%s", errors);
	errors[end - 1] = '\0';
	char *last = strrchr(errors, '\n') ? strrchr(errors, '\n') + 1 : errors;
	char *path;
	ck_assert_int_gt(asprintf(&path, "%s:", name), 0);
	ck_assert_msg(strstr(last, path) && strstr(last, words), "expected %s and %s: %s", path, words, last);

	struct command check = command_run(ARGS(PERSISTD, "--check", "--state-dir", d->state));
	ck_assert_int_eq(check.status, 1);
	ck_assert_msg(strstr(check.out, path), "%s", check.out);
}

START_TEST(NaN_and_Infinity_are_refused_where_they_stand)
{
	char *path = daemon_path(d, "runs.json"), words[64];
	file_copy(test_data("runs-python-nan.json"), path);
	char *text = file_read(path, NULL), *nan = strstr(text, "NaN");
	int line = 1;
	for (char *at = text; at < nan; at++)
		line += *at == '\n';
	snprintf(words, sizeof words, "runs.json:%d:%d", line, (int)(nan - text));
	expect_refused("runs.json", words);
	expect_refused("runs.json", "NaN");
}
END_TEST

static const struct {
	const char *text, *words;
} broken[] = {
	{"", ":"},
	{"\n", ":"},
	{"garbage", ":1:0"},
	{"{\"jobs\":[", ":1:"},
	{"{\"jobs\":[]", ":1:"},
	{"{\"jobs\":[]} x", ":1:12"},
	{"{\"jobs\":{}}", ":1:"},
	{"{\"jobs\":[5]}", ":1:9"},
	{"[]", ":1:"},
	{"{\"runs\":[]}", ":"},
	{"{\"jobs\":[{\"id\":\"a\"},\n{\"id\":\"a\"}]}", ":2:"},
	{"{\"jobs\":[{\"id\":\"../a\"}]}", ":1:"},
	{"{\"jobs\":[{\"id\":5}]}", ":1:"},
	{"{\"jobs\":[\n\n{\"type\":\"custom\"}]}", ":3:"},
	{"{\"jobs\":[{\"id\":\"a\",\"id\":\"b\"}]}", ":1:"},
	{"{\"jobs\":[{\"id\":\"a\",\"payload\":{\"n\":123456789012345678901234567890}}]}", ":1:"},
	{"{\"jobs\":[{\"id\":\"a\",\"payload\":{\"n\":1e999}}]}", ":1:"},
	{"{\"jobs\":[{\"id\":\"a\",\"created_at\":\"yesterday\"}]}", ":1:"},
	{"{\"jobs\":[{\"id\":\"a\",\"error\":\"\xff\"}]}", ":1:28"},
	{"{\"format\":99,\"jobs\":[]}", ":1:"},
};

START_TEST(a_file_that_cannot_be_read_stops_the_start_and_stays)
{
	file_write(daemon_path(d, "jobs.json"), broken[_i].text, strlen(broken[_i].text));
	expect_refused("jobs.json", broken[_i].words);
}
END_TEST

START_TEST(a_sample_cut_off_anywhere_is_refused)
{
	size_t len;
	char *text = file_read(test_data("jobs-python.json"), &len);
	for (size_t cut = 1; cut < len; cut = cut * 2 + 1) {
		file_write(daemon_path(d, "jobs.json"), text, cut);
		expect_refused("jobs.json", ":");
	}
	file_write(daemon_path(d, "jobs.json"), text, len - 2);
	expect_refused("jobs.json", ":");
}
END_TEST

/* ---- other layouts, odd records */

static const char *const layouts[] = {
	"{\"jobs\":[{\"id\":\"a\",\"payload\":{\"n\":1}},{\"id\":\"b\"}]}",
	"\n{ \"jobs\" : [ { \"id\" : \"a\" ,\r\n \"payload\" : { \"n\" : 1 } } ,\t{ \"id\" : \"b\" } ] }\n\n",
	"{\"updated_at\":\"2026-01-01T00:00:00\",\"jobs\":[{\"payload\":{\"n\":1},\"id\":\"\\u0061\"},{\"id\":\"b\"}],\"version\":2}",
	"{\"jobs\":[\n{\"id\":\"a\",\"payload\":{\"n\":1}},\n{\"id\":\"b\"}\n]}\n",
};

START_TEST(any_layout_of_a_valid_file_is_read)
{
	file_write(daemon_path(d, "jobs.json"), layouts[_i], strlen(layouts[_i]));
	for (int i = 0; i < 2; i++) {
		daemon_start(d, NULL);
		c = client_open(d);
		expect_at(client_call(c, "job.get", JSON({"id":"a"})), "payload", JSON({"n":1}));
		expect_at(client_call(c, "job.get", JSON({"id":"b"})), "payload", JSON({}));
		ck_assert_int_eq(daemon_signal(d, SIGTERM), 0);
	}
}
END_TEST

START_TEST(nothing_that_was_in_a_file_is_dropped)
{
	const char *text = "{\"note\":{\"by\":\"hand\"},\"jobs\":[{\"id\":\"odd\",\"status\":\"archived\",\"type\":\"Old Type\",\"extra\":{\"deep\":[1,null]},"
			   "\"x\":\"\\u00fc\",\"created_at\":\"2020-01-01T00:00:00\"}]}";
	file_write(daemon_path(d, "jobs.json"), text, strlen(text));
	daemon_start(d, NULL);
	for (int i = 0; i < 3; i++) {
		c = client_open(d);
		json_t *job = client_call(c, "job.get", JSON({"id":"odd"}));
		expect_text_at(job, "status", "archived");
		expect_text_at(job, "type", "Old Type");
		expect_at(job, "extra", JSON({"deep":[1,null]}));
		expect_text_at(job, "x", "\xc3\xbc");
		expect_text_at(job, "created_at", "2020-01-01T00:00:00");
		ck_assert_int_eq(whole_at(client_call(c, "job.cleanup", JSON({"days":0})), "removed"), 0);
		json_object_set_new(job, "error", json_string("edited"));
		client_call(c, "job.save", "{\"job\":%s}", json_dumps(job, JSON_COMPACT));
		restart_after(i == 1 ? SIGKILL : SIGTERM);
	}
	ck_assert_int_eq(daemon_signal(d, SIGTERM), 0);
	expect_at(json_parsed(daemon_file(d, "jobs.json")), "note", JSON({"by":"hand"}));
}
END_TEST

/* ---- persistd's own snapshot, edited by a person */

static char *replaced(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	ck_assert_msg(at, "no %s in %s", from, text);
	size_t before = (size_t)(at - text);
	char *edited = malloc(strlen(text) + strlen(to) + 1);
	memcpy(edited, text, before);
	strcpy(edited + before, to);
	strcat(edited, at + strlen(from));
	return edited;
}

START_TEST(an_edited_snapshot_is_refused_until_its_checksum_is_removed)
{
	daemon_start(d, NULL);
	daemon_call(d, "job.save", JSON({"job":{"id":"edit","error":"before"}}));
	ck_assert_int_eq(daemon_signal(d, SIGTERM), 0);
	char *text = replaced(daemon_file(d, "jobs.json"), "\"before\"", "\"after\"");
	file_write(daemon_path(d, "jobs.json"), text, strlen(text));
	expect_refused("jobs.json", "xxh3");

	char *sum = strstr(text, ",\"xxh3\"");
	ck_assert_ptr_nonnull(sum);
	strcpy(sum, "}\n");
	file_write(daemon_path(d, "jobs.json"), text, strlen(text));
	daemon_start(d, NULL);
	expect_text_at(daemon_call(d, "job.get", JSON({"id":"edit"})), "error", "after");
	ck_assert_int_eq(daemon_signal(d, SIGTERM), 0);
	ck_assert_ptr_nonnull(strstr(daemon_file(d, "jobs.json"), "\"xxh3\""));
}
END_TEST

START_TEST(a_snapshot_is_one_record_a_line)
{
	daemon_start(d, NULL);
	for (int i = 0; i < 3; i++)
		daemon_call(d, "job.save", JSON({"job":{"id":"line%d"}}), i);
	ck_assert_int_eq(daemon_signal(d, SIGTERM), 0);
	char *text = daemon_file(d, "jobs.json");
	int records = 0;
	ck_assert_int_eq(whole_at(json_parsed(text), "count"), 3);
	ck_assert_int_eq(whole_at(json_parsed(text), "format"), 1);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		records += strncmp(line, "{\"id\":\"line", 11) == 0;
	ck_assert_int_eq(records, 3);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("python files");
	TCase *samples = integration_case(suite, "samples", with_samples, teardown);
	tcase_add_test(samples, every_record_and_every_field_is_there);
	tcase_add_test(samples, they_are_listed_in_the_right_order);
	tcase_add_test(samples, they_survive_update_fold_and_restart_as_Python_reads_them);
	tcase_add_test(samples, a_record_without_a_revision_gets_one_and_can_be_guarded_by_it);

	TCase *files = integration_case(suite, "files", with_nothing, teardown);
	tcase_add_test(files, NaN_and_Infinity_are_refused_where_they_stand);
	tcase_add_loop_test(files, a_file_that_cannot_be_read_stops_the_start_and_stays, 0, COUNT(broken));
	tcase_add_test(files, a_sample_cut_off_anywhere_is_refused);
	tcase_add_loop_test(files, any_layout_of_a_valid_file_is_read, 0, COUNT(layouts));
	tcase_add_test(files, nothing_that_was_in_a_file_is_dropped);
	tcase_add_test(files, an_edited_snapshot_is_refused_until_its_checksum_is_removed);
	tcase_add_test(files, a_snapshot_is_one_record_a_line);
	return integration_run(suite);
}
