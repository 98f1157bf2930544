/* persistd --salvage, as one uses it when a start is refused: what it says, its exit status, and a daemon on what it made. */
#include "tests/integration/client.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <sys/stat.h>
#include <unistd.h>

static struct daemon *d;
static char *new_dir;

/* Three jobs, of which one was deleted, and an artifact; some in snapshots, some in segments. */
static void setup(void)
{
	d = daemon_started(NULL);
	for (int i = 0; i < 3; i++)
		daemon_call(d, "job.save", JSON({"job":{"id":"job-%d","type":"nightly"}}), i);
	daemon_call(d, "run.create_or_update", JSON({"run_id":"r","kind":"x"}));
	daemon_call(d, "artifact.save", JSON({"run_id":"r","payload":{"a":1}}));
	daemon_restart(d, NULL);
	daemon_call(d, "job.save", JSON({"job":{"id":"job-1","status":"running"}}));
	daemon_call(d, "job.delete", JSON({"id":"job-2"}));
	daemon_kill(d);
	ck_assert_int_gt(asprintf(&new_dir, "%s/new", d->dir), 0);
}

static void teardown(void)
{
	daemon_end(d);
}

static struct command salvage(const char *to)
{
	return command_run(ARGS(PERSISTD, "--salvage", to, "--state-dir", d->state));
}

static void expect_said(const struct command *c, int status, const char *const *words)
{
	ck_assert_msg(c->status == status, "%d: %s%s", c->status, c->out, c->err);
	for (; *words; words++)
		ck_assert_msg(strstr(c->out, *words), "\"%s\" is not in: %s", *words, c->out);
}

/* A daemon on what was saved. */
static struct daemon *saved(void)
{
	struct daemon *s = daemon_new();
	ck_assert_int_eq(rename(new_dir, s->state), 0);
	struct command check = command_run(ARGS(PERSISTD, "--check", "--state-dir", s->state));
	ck_assert_msg(check.status == 0, "%s", check.out);
	daemon_start(s, NULL);
	return s;
}

static void expect_status(const struct daemon *s, const char *job, const char *status)
{
	expect_text_at(daemon_call(s, "job.get", JSON({"id":"%s"}), job), "status", status);
}

/* All bytes of the directory, to be compared. */
static char *everything(void)
{
	struct command c = command_run(ARGS("/bin/sh", "-c", "cd \"$0\" && ls -AR1 && cat *.json */*.json", d->state));
	return c.out;
}

/* Several bytes, so that putting one of them right does not help. */
static void spoil(const char *name, const char *word)
{
	size_t len;
	char *text = file_read(daemon_path(d, name), &len), *at = memmem(text, len, word, strlen(word));
	ck_assert_msg(at, "%s has no %s", name, word);
	memset(at, 1, strlen(word));
	file_write(daemon_path(d, name), text, len);
}

static char *segment(unsigned nth)
{
	struct dirent **names;
	char *name = NULL;
	int count = scandir(daemon_path(d, "journal"), &names, NULL, alphasort);
	ck_assert_int_gt(count, (int)nth + 2);
	ck_assert_int_gt(asprintf(&name, "journal/%s", names[nth + 2]->d_name), 0); /* behind . and .. */
	return name;
}

START_TEST(a_sound_store_is_saved_whole_and_left_as_it_is)
{
	char *before = everything();
	struct command c = salvage(new_dir);
	expect_said(&c, 0, ARGS("2 jobs, 1 runs, 1 artifacts, 1 payloads", "all is saved"));
	ck_assert_str_eq(everything(), before);
	struct stat st;
	ck_assert_int_eq(stat(new_dir, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0700);
	struct daemon *s = saved();
	expect_status(s, "job-1", "running");
	ck_assert_int_eq(whole_at(daemon_call(s, "job.count", NULL), "total"), 2);
	json_t *list = daemon_call(s, "artifact.list", JSON({"run_id":"r"}));
	expect_at(daemon_call(s, "artifact.read", JSON({"id":"%s"}), text_at(list, "artifacts.0.id")), "payload", JSON({"a":1}));
	daemon_end(s);
}
END_TEST

START_TEST(a_damaged_record_is_told_by_its_id_and_place_and_the_others_come_back)
{
	spoil("jobs.json", "{\"id\":\"job-0\",\"type\":\"nightly\"");
	ck_assert_int_eq(daemon_start_refused(d, NULL), EX_DATAERR);
	char *before = everything();
	struct command c = salvage(new_dir);
	expect_said(&c, 1, ARGS("jobs.json:2:", "it was cannot be told", "1 jobs, 1 runs, 1 artifacts", "1 lost"));
	ck_assert_str_eq(everything(), before);
	struct daemon *s = saved();
	expect_status(s, "job-1", "running");
	daemon_end(s);
}
END_TEST

START_TEST(a_record_whose_newest_state_is_damaged_is_saved_as_it_was_before)
{
	spoil(segment(0), "\"status\":\"running\"");
	struct command c = salvage(new_dir);
	expect_said(&c, 1, ARGS("job job-1 is saved as of revision", "may be older than acknowledged", "0 lost, 1 perhaps older"));
	struct daemon *s = saved();
	expect_status(s, "job-1", "pending");
	daemon_end(s);
}
END_TEST

START_TEST(one_changed_byte_is_put_right_and_nothing_is_lost)
{
	size_t len;
	char *text = file_read(daemon_path(d, "jobs.json"), &len);
	*strstr(text, "nightly") = 'N';
	file_write(daemon_path(d, "jobs.json"), text, len);
	ck_assert_int_eq(daemon_start_refused(d, NULL), EX_DATAERR);
	struct command c = salvage(new_dir);
	expect_said(&c, 0, ARGS("note: with this one byte put right its checksum matches", "2 jobs,", "all is saved"));
	struct daemon *s = saved();
	expect_text_at(daemon_call(s, "job.get", JSON({"id":"job-0"})), "type", "nightly");
	daemon_end(s);
}
END_TEST

START_TEST(a_missing_segment_is_told_with_what_it_may_have_held)
{
	ck_assert_int_eq(unlink(daemon_path(d, segment(0))), 0);
	struct command c = salvage(new_dir);
	expect_said(&c, 1, ARGS("jobs.json: changes to jobs of revision", "are in no file that can be read", "perhaps older"));
	struct daemon *s = saved();
	expect_status(s, "job-1", "pending");
	ck_assert_int_eq(whole_at(daemon_call(s, "job.count", NULL), "total"), 2);
	daemon_end(s);
}
END_TEST

START_TEST(a_file_of_the_python_classes_that_was_cut_off_gives_what_is_whole_in_it)
{
	struct daemon *python = daemon_new();
	size_t len;
	char *text = file_read(test_data("jobs-python.json"), &len);
	json_t *all = json_object_get(json_parsed(text), "jobs");
	file_write(daemon_path(python, "jobs.json"), text, len - len / json_array_size(all) / 2);
	struct command c = command_run(ARGS(PERSISTD, "--salvage", new_dir, "--state-dir", python->state));
	ck_assert_msg(c.status == 1, "%s", c.out);
	struct daemon *s = saved();
	ck_assert_int_eq(whole_at(daemon_call(s, "job.count", NULL), "total"), (long long)json_array_size(all) - 1);
	daemon_end(s);
	daemon_end(python);
}
END_TEST

START_TEST(what_is_no_file_stands_in_nobodys_way)
{
	char *jobs = daemon_path(d, "jobs.json"), *lock = daemon_path(d, "persistd.lock");
	ck_assert_int_eq(unlink(jobs), 0);
	ck_assert_int_eq(mkfifo(jobs, 0600), 0);
	ck_assert_int_eq(unlink(lock), 0);
	ck_assert_int_eq(mkdir(lock, 0700), 0);
	struct command c = salvage(new_dir);
	expect_said(&c, 1, ARGS("jobs.json: is no regular file", "1 jobs, 1 runs, 1 artifacts"));
	struct daemon *s = saved();
	expect_status(s, "job-1", "running");
	daemon_end(s);
	ck_assert_int_eq(rmdir(lock), 0);
}
END_TEST

START_TEST(a_directory_that_is_in_use_is_not_read)
{
	daemon_start(d, NULL);
	struct command c = salvage(new_dir);
	expect_said(&c, 2, ARGS("in use by process"));
	ck_assert(!file_exists(new_dir));
}
END_TEST

START_TEST(the_new_directory_has_to_be_new_and_another_one)
{
	char *inside = daemon_path(d, "saved"), *before = everything();
	struct command c = salvage(d->state);
	expect_said(&c, 2, ARGS("is in the state directory that is read"));
	c = salvage(inside);
	expect_said(&c, 2, ARGS("is in the state directory that is read"));
	ck_assert_str_eq(everything(), before);
	ck_assert_int_eq(mkdir(new_dir, 0755), 0);
	c = salvage(new_dir);
	expect_said(&c, 0, ARGS("all is saved"));
	c = salvage(new_dir);
	expect_said(&c, 2, ARGS("is not empty"));
	c = command_run(ARGS(PERSISTD, "--salvage"));
	ck_assert_int_eq(c.status, EX_USAGE);
	c = command_run(ARGS(PERSISTD, "--salvage", new_dir, "--state-dir", "/nonexistent/persistd"));
	expect_said(&c, 2, ARGS("/nonexistent/persistd: does not exist"));
}
END_TEST

/* A limit of the files' size stands for a disk that is full. */
START_TEST(a_full_disk_leaves_nothing_half_done)
{
	signal(SIGXFSZ, SIG_IGN);
	struct command c = command_run(ARGS("/bin/sh", "-c", "(ulimit -f 0; exec \"$0\" --salvage \"$1\" --state-dir \"$2\") | cat",
	                                    PERSISTD, new_dir, d->state));
	ck_assert_msg(strstr(c.out, "nothing is saved: write artifacts/"), "%s%s", c.out, c.err);
	ck_assert(!file_exists(new_dir));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("salvage");
	TCase *all = integration_case(suite, "salvage", setup, teardown);
	tcase_add_test(all, a_sound_store_is_saved_whole_and_left_as_it_is);
	tcase_add_test(all, a_damaged_record_is_told_by_its_id_and_place_and_the_others_come_back);
	tcase_add_test(all, a_record_whose_newest_state_is_damaged_is_saved_as_it_was_before);
	tcase_add_test(all, one_changed_byte_is_put_right_and_nothing_is_lost);
	tcase_add_test(all, a_missing_segment_is_told_with_what_it_may_have_held);
	tcase_add_test(all, a_file_of_the_python_classes_that_was_cut_off_gives_what_is_whole_in_it);
	tcase_add_test(all, what_is_no_file_stands_in_nobodys_way);
	tcase_add_test(all, a_directory_that_is_in_use_is_not_read);
	tcase_add_test(all, the_new_directory_has_to_be_new_and_another_one);
	tcase_add_test(all, a_full_disk_leaves_nothing_half_done);
	return integration_run(suite);
}
