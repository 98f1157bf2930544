/* Starting and stopping: who may start, what a stop keeps, what a kill cannot take. */
#include "tests/integration/client.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static struct daemon *d;
static struct client *c;

static void setup(void)
{
	d = daemon_started(NULL);
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

static void start_again(void)
{
	daemon_start(d, NULL);
	c = client_open(d);
}

static void save(const char *id)
{
	client_call(c, "job.save", JSON({"job":{"id":"%s"}}), id);
}

static long long jobs(void)
{
	return whole_at(client_call(c, "job.count", NULL), "total");
}

/* The refusal is the last line on stderr; it must have all of these words in it. */
static void expect_last_words(const struct daemon *who, const char *const *words)
{
	char *errors = daemon_errors(who);
	size_t len = strlen(errors);
	ck_assert_uint_gt(len, 0);
	ck_assert_msg(errors[len - 1] == '\n', "no newline at the end: %s", errors);
	errors[len - 1] = '\0';
	char *last = strrchr(errors, '\n') ? strrchr(errors, '\n') + 1 : errors;
	for (; *words; words++)
		ck_assert_msg(strstr(last, *words), "\"%s\" is not in: %s", *words, last);
}

static const char *number(long long n)
{
	char *text;
	ck_assert_int_gt(asprintf(&text, "%lld", n), 0);
	return text;
}

/* False: the daemon has gone. */
static bool try_say(struct client *who, const char *line)
{
	return send(client_fd(who), line, strlen(line), MSG_NOSIGNAL) == (ssize_t)strlen(line);
}

/* ---- one at a time */

START_TEST(a_second_daemon_on_the_same_files_is_refused_and_told_by_whom)
{
	save("first");
	struct daemon *second = daemon_new();
	strcpy(second->state, d->state);
	ck_assert_int_eq(daemon_start_refused(second, NULL), EX_TEMPFAIL);
	expect_last_words(second, ARGS(d->state, number(d->pid)));
	ck_assert(!file_exists(second->socket));
	client_call(client_open(d), "server.ping", NULL);
	ck_assert_int_eq(jobs(), 1);
}
END_TEST

START_TEST(a_second_daemon_on_the_same_socket_is_refused_and_told_by_whom)
{
	struct daemon *second = daemon_new();
	strcpy(second->socket, d->socket);
	ck_assert_int_eq(daemon_start_refused(second, NULL), EX_TEMPFAIL);
	expect_last_words(second, ARGS(d->socket, number(d->pid)));
	client_call(client_open(d), "server.ping", NULL);
}
END_TEST

START_TEST(a_socket_that_a_killed_daemon_left_is_taken_over)
{
	daemon_kill(d);
	ck_assert(file_exists(d->socket));
	start_again();
	client_call(c, "server.ping", NULL);
}
END_TEST

START_TEST(a_socket_that_answers_is_not_taken_over_though_its_lock_is_free)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", d->socket);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	ck_assert_int_eq(daemon_start_refused(d, NULL), EX_TEMPFAIL);
	expect_last_words(d, ARGS(d->socket, number(getpid())));
	ck_assert(file_exists(d->socket));
	close(fd);
}
END_TEST

START_TEST(what_is_no_socket_is_left_alone)
{
	file_write(d->socket, "precious", 8);
	ck_assert_int_eq(daemon_start_refused(d, NULL), EX_TEMPFAIL);
	expect_last_words(d, ARGS(d->socket));
	ck_assert_str_eq(file_read(d->socket, NULL), "precious");
}
END_TEST

START_TEST(a_state_directory_that_is_a_file_is_refused)
{
	ck_assert_int_eq(rmdir(d->state), 0);
	file_write(d->state, "precious", 8);
	ck_assert_int_eq(daemon_start_refused(d, NULL), EX_TEMPFAIL);
	expect_last_words(d, ARGS(d->state));
	ck_assert_str_eq(file_read(d->state, NULL), "precious");
}
END_TEST

static bool status_has(pid_t pid, const char *line)
{
	char path[64], text[8192];
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	FILE *file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	size_t len = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	text[len] = '\0';
	return strstr(text, line) != NULL;
}

START_TEST(what_the_daemon_does_not_need_it_gives_up_unless_it_is_told_not_to)
{
	unsetenv("PERSISTD_SANDBOX"); /* coverage is measured without */
	daemon_start(d, NULL);
	ck_assert(status_has(d->pid, "\nNoNewPrivs:\t1\n"));
	ck_assert(status_has(d->pid, "\nSeccomp:\t2\n"));
	daemon_restart(d, ARGS("--sandbox", "off"));
	ck_assert(status_has(d->pid, "\nNoNewPrivs:\t0\n"));
	ck_assert_ptr_nonnull(strstr(daemon_errors(d), "not confined: --sandbox says so"));
	ck_assert_int_eq(daemon_signal(d, SIGTERM), 0);
}
END_TEST

START_TEST(the_state_directory_is_made_and_is_the_owner_s_alone)
{
	struct stat status;
	ck_assert_int_eq(rmdir(d->state), 0);
	start_again();
	save("j");
	ck_assert_int_eq(stat(d->state, &status), 0);
	ck_assert_int_eq(status.st_mode & 07777, 0700);
	ck_assert(file_exists(daemon_path(d, "persistd.lock")));
	ck_assert(file_exists(daemon_path(d, "jobs.json")));
	ck_assert(file_exists(daemon_path(d, "runs.json")));
	ck_assert(file_exists(daemon_path(d, "artifacts.json")));
}
END_TEST

/* ---- stopping */

static unsigned mode_of(const char *name)
{
	struct stat status;
	ck_assert_msg(stat(daemon_path(d, name), &status) == 0, "%s", name);
	return status.st_mode & 07777;
}

START_TEST(a_directory_that_is_there_keeps_its_mode_unless_another_is_said)
{
	ck_assert_int_eq(chmod(d->state, 0755), 0);
	start_again();
	client_call(c, "run.create_or_update", JSON({"run_id":"r","kind":"k"}));
	const char *path = text_at(client_call(c, "artifact.save", JSON({"run_id":"r","kind":"a","payload":[1]})), "path");
	struct stat artifact;
	ck_assert_int_eq(stat(path, &artifact), 0);
	ck_assert_uint_eq(artifact.st_mode & 07777, 0640);
	ck_assert_int_eq(daemon_signal(d, SIGTERM), 0);
	ck_assert_uint_eq(mode_of("."), 0755);
	ck_assert_uint_eq(mode_of("runs.json"), 0600);

	/* the daemon has made this one itself: wider, it is meant to be */
	ck_assert_int_eq(chmod(daemon_path(d, "artifacts"), 0750), 0);
	start_again();
	path = text_at(client_call(c, "artifact.save", JSON({"run_id":"r","kind":"b","payload":[1]})), "path");
	ck_assert_int_eq(stat(path, &artifact), 0);
	ck_assert_uint_eq(artifact.st_mode & 07777, 0640);
	ck_assert_uint_eq(mode_of("artifacts"), 0750);
	ck_assert_int_eq(daemon_signal(d, SIGTERM), 0);

	daemon_start(d, ARGS("--state-dir-mode", "0700"));
	ck_assert_uint_eq(mode_of("."), 0700);
	ck_assert_uint_eq(mode_of("artifacts"), 0700);
	ck_assert_int_eq(stat(path, &artifact), 0);
	ck_assert_uint_eq(artifact.st_mode & 07777, 0640);
	char *said;
	ck_assert_int_gt(asprintf(&said, "%s: the mode becomes 0700, as --state-dir-mode says, and was 0755: 2 directories and ", d->state), 0);
	ck_assert_msg(strstr(daemon_errors(d), said), "%s", daemon_errors(d));
	file_write(d->errors, "", 0);
	daemon_restart(d, ARGS("--state-dir-mode", "0700"));
	ck_assert_ptr_null(strstr(daemon_errors(d), "the mode becomes"));
}
END_TEST

START_TEST(a_file_that_somebody_edits_meanwhile_is_kept_and_told_of)
{
	daemon_start(d, NULL);
	c = client_open(d);
	client_call(c, "job.save", JSON({"job":{"id":"a"}}));
	client_close(c);
	daemon_restart(d, NULL);
	c = client_open(d);
	client_call(c, "job.save", JSON({"job":{"id":"b"}}));
	client_close(c);
	file_write(daemon_path(d, "jobs.json"), "by hand", 7);
	ck_assert_int_eq(unlink(daemon_path(d, "runs.json")), 0);
	ck_assert_int_eq(daemon_signal(d, SIGTERM), 0);
	char *said = strstr(daemon_errors(d), "jobs.json was changed by somebody else while the daemon ran; what they wrote is kept as ");
	ck_assert_msg(said, "%s", daemon_errors(d));
	char *name = strstr(said, " as ") + 4;
	name[strcspn(name, ",")] = '\0';
	ck_assert_str_eq(daemon_file(d, name), "by hand");
	ck_assert_ptr_nonnull(strstr(daemon_file(d, "jobs.json"), "{\"id\":\"b\""));
}
END_TEST

START_TEST(without_its_lock_it_writes_nothing_more_and_ends)
{
	daemon_start(d, NULL);
	c = client_open(d);
	client_call(c, "job.save", JSON({"job":{"id":"a"}}));
	ck_assert_int_eq(unlink(daemon_path(d, "persistd.lock")), 0);
	client_say(c, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"job.save\",\"params\":{\"job\":{\"id\":\"b\"}}}\n");
	ck_assert_ptr_null(client_line_within(c, 5000));
	client_close(c);
	ck_assert_int_eq(daemon_wait(d), 75);
	ck_assert_ptr_nonnull(strstr(daemon_errors(d), "somebody removed"));
	daemon_start(d, NULL);
	c = client_open(d);
	client_call(c, "job.get", JSON({"id":"a"}));
	client_refused(c, -32001, "job.get", JSON({"id":"b"}));
}
END_TEST

START_TEST(without_its_lock_it_folds_nothing)
{
	daemon_start(d, NULL);
	c = client_open(d);
	client_call(c, "job.save", JSON({"job":{"id":"a"}}));
	ck_assert_int_eq(unlink(daemon_path(d, "persistd.lock")), 0);
	ck_assert_int_eq(daemon_signal(d, SIGTERM), 75);
	ck_assert_uint_eq(dir_count(daemon_path(d, "journal"), ".json"), 1);
	ck_assert_ptr_null(strstr(daemon_file(d, "jobs.json"), "\"id\""));
}
END_TEST

START_TEST(members_of_the_group_may_read_what_state_dir_mode_shares)
{
	daemon_start(d, ARGS("--state-dir-mode", "0750"));
	c = client_open(d);
	save("j");
	client_call(c, "run.create_or_update", JSON({"run_id":"r","kind":"k"}));
	const char *path = text_at(client_call(c, "artifact.save", JSON({"run_id":"r","kind":"a","payload":[1]})), "path");
	struct stat artifact;
	ck_assert_int_eq(stat(path, &artifact), 0);
	ck_assert_uint_eq(artifact.st_mode & 07777, 0640);
	ck_assert_uint_eq(mode_of("journal/00000000000000000001.json"), 0640);
	ck_assert_int_eq(daemon_signal(d, SIGTERM), 0);
	ck_assert_uint_eq(mode_of("."), 0750);
	ck_assert_uint_eq(mode_of("artifacts"), 0750);
	ck_assert_uint_eq(mode_of("jobs.json"), 0640);
	ck_assert_uint_eq(mode_of("runs.json"), 0640);
	daemon_start(d, ARGS("--state-dir-mode", "0755"));
	ck_assert_int_eq(stat(path, &artifact), 0);
	ck_assert_uint_eq(artifact.st_mode & 07777, 0644);
	ck_assert_uint_eq(mode_of("jobs.json"), 0644);
	ck_assert_uint_eq(mode_of("persistd.lock"), 0600);
}
END_TEST

START_TEST(at_rest_the_snapshots_alone_are_the_whole_truth)
{
	for (int i = 0; i < 50; i++)
		save(number(i));
	client_call(c, "run.create_or_update", JSON({"run_id":"r","kind":"x"}));
	ck_assert_int_eq(daemon_signal(d, SIGTERM), 0);
	ck_assert_uint_eq(dir_count(daemon_path(d, "journal"), ".json"), 0);
	ck_assert_uint_eq(dir_count(d->state, ".tmp"), 0);
	ck_assert(!file_exists(d->socket));
	json_t *snapshot = json_parsed(daemon_file(d, "jobs.json"));
	ck_assert_int_eq(whole_at(snapshot, "count"), 50);
	ck_assert_uint_eq(count_at(snapshot, "jobs"), 50);
	ck_assert_uint_eq(count_at(json_parsed(daemon_file(d, "runs.json")), "runs"), 1);
}
END_TEST

START_TEST(an_idle_store_is_folded_so_that_jobs_json_can_be_read)
{
	save("idle");
	for (long long deadline = clock_ms() + DEADLINE_MS; !strstr(daemon_file(d, "jobs.json"), "\"idle\""); sleep_ms(20))
		ck_assert_int_lt(clock_ms(), deadline);
	for (long long deadline = clock_ms() + DEADLINE_MS; dir_count(daemon_path(d, "journal"), ".json") > 0;
	     sleep_ms(20))
		ck_assert_int_lt(clock_ms(), deadline);
	daemon_kill(d);
	start_again();
	ck_assert_int_eq(jobs(), 1);
}
END_TEST

static const int stop_signals[] = {SIGTERM, SIGINT};

START_TEST(a_stop_finishes_what_is_in_flight_and_exits_0)
{
	enum { CALLS = 1000 };
	char id[16];
	bool kept[CALLS] = {false}, answered[CALLS] = {false};
	for (int i = 0; i < CALLS; i++)
		client_say(c, JSON({"jsonrpc":"2.0","id":%d,"method":"job.save","params":{"job":{"id":"s%d"}}}), i,
		           i);
	daemon_send_signal(d, stop_signals[_i]);
	for (char *line; (line = client_line_within(c, DEADLINE_MS)); free(line)) {
		json_t *reply = json_parsed(line);
		long long i = whole_at(reply, "id");
		ck_assert(!answered[i]);
		answered[i] = true;
		kept[i] = has_value_at(reply, "result");
		if (!kept[i])
			ck_assert_int_eq(whole_at(reply, "error.code"), SHUTTING_DOWN);
		json_decref(reply);
	}
	ck_assert_int_eq(daemon_wait(d), 0);
	ck_assert_uint_eq(dir_count(daemon_path(d, "journal"), ".json"), 0);
	start_again();
	for (int i = 0; i < CALLS; i++) {
		snprintf(id, sizeof id, "s%d", i);
		if (kept[i])
			expect_text_at(client_call(c, "job.get", JSON({"id":"%s"}), id), "id", id);
		else if (answered[i])
			client_refused(c, NOT_FOUND, "job.get", JSON({"id":"%s"}), id);
	}
}
END_TEST

/* Whoever goes on asking while the last snapshot is written gets whole answers, as long as there are any. */
START_TEST(a_stop_cuts_no_answer_off)
{
	enum { JOBS = 100, PAYLOAD = 100 << 10, OUTSTANDING = 4 };
	static char x[PAYLOAD + 1], answers[1 << 20];
	ssize_t got;
	char last = '\n';
	size_t lines = 0;
	memset(x, 'x', PAYLOAD);
	for (int i = 0; i < JOBS; i++)
		json_decref(client_call(c, "job.save", JSON({"job":{"id":"s%d","payload":{"x":"%s"}},"fields":["id"]}), i, x));
	for (int i = 0; i < OUTSTANDING; i++)
		client_say(c, JSON({"jsonrpc":"2.0","id":1,"method":"job.list","params":{"limit":20}}));
	daemon_send_signal(d, SIGTERM);
	struct pollfd readable = {.fd = client_fd(c), .events = POLLIN};
	while (poll(&readable, 1, DEADLINE_MS) == 1 && (got = read(client_fd(c), answers, sizeof answers)) > 0) {
		last = answers[got - 1];
		for (const char *at = answers; (at = memchr(at, '\n', (size_t)(answers + got - at))); at++, lines++)
			if (!try_say(c, JSON({"jsonrpc":"2.0","id":1,"method":"job.list","params":{"limit":20}}) "\n"))
				break;
	}
	ck_assert_int_eq(daemon_wait(d), 0);
	ck_assert_uint_ge(lines, OUTSTANDING);
	ck_assert_int_eq(last, '\n');
}
END_TEST

START_TEST(live_progress_survives_a_clean_stop)
{
	save("p");
	client_call(c, "server.flush", NULL);
	sleep_ms(2000); /* folded, and nothing else to write */
	client_call(c, "job.update_progress",
	            JSON({"id":"p","progress":{"current":3,"total":4,"message":"almost"}}));
	daemon_restart(d, NULL);
	c = client_open(d);
	expect_at(client_call(c, "job.get", JSON({"id":"p"})), "progress",
	          JSON({"current":3,"total":4,"message":"almost","percentage":75.0}));
}
END_TEST

START_TEST(a_hangup_does_not_stop_it)
{
	save("before");
	daemon_send_signal(d, SIGHUP);
	save("after");
	ck_assert_int_eq(jobs(), 2);
}
END_TEST

START_TEST(a_hangup_while_it_loads_is_a_reload_when_it_has_started)
{
	enum { JOBS = 20000 };
	FILE *jobs_json = fopen(daemon_path(d, "jobs.json"), "we");
	fprintf(jobs_json, "{\"jobs\":[");
	for (int i = 0; i < JOBS; i++)
		fprintf(jobs_json, "%s\n{\"id\":\"j%d\",\"status\":\"completed\"}", i ? "," : "", i);
	fprintf(jobs_json, "]}\n");
	fclose(jobs_json);
	char *conf;
	ck_assert_int_gt(asprintf(&conf, "%s/persistd.conf", d->dir), 0);
	file_write(conf, "[limits]\nmax_calls = 7\n", 23);
	daemon_spawn(d, ARGS("--config", conf));
	while (!file_exists(daemon_path(d, "persistd.lock")))
		sched_yield();
	file_write(conf, "[limits]\nmax_calls = 8\n", 23);
	daemon_send_signal(d, SIGHUP);
	ck_assert_ptr_null(strstr(daemon_errors(d), "ready"));
	for (long long deadline = clock_ms() + DEADLINE_MS; !strstr(daemon_errors(d), "max_calls changed"); sleep_ms(5)) {
		ck_assert_int_eq(waitpid(d->pid, NULL, WNOHANG), 0);
		ck_assert_int_lt(clock_ms(), deadline);
	}
	c = client_open(d);
	ck_assert_int_eq(jobs(), JOBS);
}
END_TEST

START_TEST(a_hangup_while_it_stops_changes_nothing)
{
	for (int turn = 0; turn < 10; turn++) {
		save("a");
		daemon_send_signal(d, SIGTERM);
		while (!strstr(daemon_errors(d), "stopping"))
			sched_yield();
		for (int i = 0; i < 100; i++) {
			daemon_send_signal(d, SIGHUP);
			usleep(100);
		}
		ck_assert_int_eq(daemon_wait(d), 0);
		ck_assert_ptr_null(strstr(daemon_errors(d), "reloaded"));
		file_write(d->errors, "", 0);
		start_again();
	}
}
END_TEST

START_TEST(an_idle_client_does_not_hold_up_a_stop)
{
	for (int i = 0; i < 10; i++)
		client_open(d);
	client_write(c, "{\"unfinished", 12);
	long long begun = clock_ms();
	ck_assert_int_eq(daemon_signal(d, SIGTERM), 0);
	ck_assert_int_lt(clock_ms() - begun, 4000);
}
END_TEST

/* ---- kills */

START_TEST(what_was_acknowledged_is_there_after_a_kill)
{
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 20; i++)
			client_call(c, "job.save", JSON({"job":{"id":"k%d","metadata":{"round":%d,"i":%d}}}), i, round,
			            i);
		client_call(c, "job.delete", JSON({"id":"k%d"}), round);
		daemon_kill(d);
		start_again();
		ck_assert_int_eq(jobs(), 19);
		client_refused(c, NOT_FOUND, "job.get", JSON({"id":"k%d"}), round);
		for (int i = 0; i < 20; i++) {
			if (i == round)
				continue;
			json_t *job = client_call(c, "job.get", JSON({"id":"k%d"}), i);
			ck_assert_int_eq(whole_at(job, "metadata.round"), round);
			ck_assert_int_eq(whole_at(job, "metadata.i"), i);
		}
	}
}
END_TEST

START_TEST(revisions_go_on_where_they_were)
{
	save("a");
	long long revision = whole_at(client_call(c, "server.ping", NULL), "revision");
	daemon_kill(d);
	start_again();
	ck_assert_int_eq(whole_at(client_call(c, "server.ping", NULL), "revision"), revision);
	ck_assert_int_eq(whole_at(client_call(c, "job.save", JSON({"job":{"id":"b"}})), "revision"),
	                 revision + 1);
	daemon_restart(d, NULL);
	c = client_open(d);
	ck_assert_int_eq(whole_at(client_call(c, "job.save", JSON({"job":{"id":"c"}})), "revision"),
	                 revision + 2);
}
END_TEST

START_TEST(leftovers_of_a_killed_daemon_are_removed_and_others_are_not)
{
	static const char *const ours[] = {"jobs.json.0123456789abcdef.tmp",
	                                   "journal/00000000000000000009.json.0123456789abcdef.tmp",
					   "artifacts/x_1.json.0123456789abcdef.tmp"};
	save("a");
	daemon_kill(d);
	for (int i = 0; i < COUNT(ours); i++)
		file_write(daemon_path(d, ours[i]), "{", 1);
	file_write(daemon_path(d, "notes.tmp"), "mine", 4);
	start_again();
	ck_assert_int_eq(jobs(), 1);
	for (int i = 0; i < COUNT(ours); i++)
		ck_assert_msg(!file_exists(daemon_path(d, ours[i])), "%s is still there", ours[i]);
	ck_assert(file_exists(daemon_path(d, "notes.tmp")));
}
END_TEST

/* ---- damage */

/* The name of the journal's segment at a place, in the order of their numbers. */
static char *segment(unsigned place)
{
	for (unsigned long long seq = 0, found = 0; seq < 100000; seq++) {
		char name[64];
		snprintf(name, sizeof name, "journal/%020llu.json", seq);
		if (file_exists(daemon_path(d, name)) && found++ == place)
			return daemon_path(d, name);
	}
	ck_abort_msg("there is no segment %u", place);
}

/* Many commits, then a kill before the idle fold takes them away. */
static void killed_with_segments(void)
{
	start_again();
	for (int i = 0; i < 8; i++)
		save(number(i));
	daemon_kill(d);
	ck_assert_uint_ge(dir_count(daemon_path(d, "journal"), ".json"), 3);
}

static void expect_refused(const char *word)
{
	ck_assert_int_eq(daemon_start_refused(d, NULL), EX_DATAERR);
	expect_last_words(d, ARGS(word));
	struct command check = command_run(ARGS(PERSISTD, "--check", "--state-dir", d->state));
	ck_assert_int_eq(check.status, 1);
	ck_assert_msg(strstr(check.out, word), "%s", check.out);
}

START_TEST(a_damaged_segment_stops_the_start_and_is_left_alone)
{
	killed_with_segments();
	char *path = segment(2);
	size_t len;
	char *text = file_read(path, &len);
	text[len / 2] ^= 1;
	file_write(path, text, len);
	char *name = strstr(path, "journal/");
	expect_refused(name);
	ck_assert_int_eq(memcmp(text, file_read(path, NULL), len), 0);
	text[len / 2] ^= 1;
	file_write(path, text, len);
	start_again();
	ck_assert_int_eq(jobs(), 8);
}
END_TEST

START_TEST(a_cut_off_segment_stops_the_start)
{
	killed_with_segments();
	char *path = segment(dir_count(daemon_path(d, "journal"), ".json") - 1);
	ck_assert_int_eq(truncate(path, 100), 0);
	expect_refused(strstr(path, "journal/"));
}
END_TEST

START_TEST(a_missing_segment_stops_the_start)
{
	killed_with_segments();
	ck_assert_int_eq(unlink(segment(2)), 0);
	expect_refused("journal");
}
END_TEST

START_TEST(a_missing_snapshot_stops_the_start)
{
	start_again();
	save("a");
	if (_i == 1)
		client_call(c, "run.create_or_update", JSON({"run_id":"r","kind":"x"}));
	ck_assert_int_eq(daemon_signal(d, SIGTERM), 0);
	ck_assert_int_eq(unlink(daemon_path(d, "jobs.json")), 0);
	expect_refused("jobs.json");
	ck_assert(!file_exists(daemon_path(d, "jobs.json")));
}
END_TEST

START_TEST(another_store_s_snapshot_stops_the_start)
{
	struct daemon *other = daemon_started(NULL);
	daemon_call(other, "job.save", JSON({"job":{"id":"alien"}}));
	ck_assert_int_eq(daemon_signal(other, SIGTERM), 0);
	start_again();
	client_call(c, "run.create_or_update", JSON({"run_id":"r","kind":"x"}));
	save("mine");
	ck_assert_int_eq(daemon_signal(d, SIGTERM), 0);
	file_copy(daemon_path(other, "jobs.json"), daemon_path(d, "jobs.json"));
	ck_assert_int_eq(daemon_start_refused(d, NULL), EX_DATAERR);
}
END_TEST

/* ---- --check, --help, --version */

START_TEST(check_finds_nothing_in_sound_files_and_writes_nothing)
{
	start_again();
	for (int i = 0; i < 5; i++)
		save(number(i));
	client_call(c, "run.create_or_update", JSON({"run_id":"r","kind":"x"}));
	client_call(c, "artifact.save", JSON({"run_id":"r","payload":{"a":1}}));
	daemon_kill(d);
	unsigned segments = dir_count(daemon_path(d, "journal"), ".json");
	char *before = daemon_file(d, "jobs.json");
	struct command check = command_run(ARGS(PERSISTD, "--check", "--state-dir", d->state));
	ck_assert_msg(check.status == 0, "%s%s", check.out, check.err);
	ck_assert_uint_eq(dir_count(daemon_path(d, "journal"), ".json"), segments);
	ck_assert_str_eq(daemon_file(d, "jobs.json"), before);
	ck_assert_int_eq(daemon_start_refused(d, ARGS("--check")), 0);
}
END_TEST

START_TEST(check_names_each_finding_by_file_line_and_byte)
{
	const char *jobs_text = "{\"jobs\":[\n{\"id\":\"a\"},\n{\"id\":\"a\"}\n]}", *runs_text = "{\"runs\":[\n{\"id\":\"b b\"}]}";
	file_write(daemon_path(d, "jobs.json"), jobs_text, strlen(jobs_text));
	file_write(daemon_path(d, "runs.json"), runs_text, strlen(runs_text));
	struct command check = command_run(ARGS(PERSISTD, "--check", "--state-dir", d->state));
	ck_assert_int_eq(check.status, 1);
	ck_assert_msg(strstr(check.out, "jobs.json:3:"), "%s", check.out);
	ck_assert_msg(strstr(check.out, "runs.json:2:"), "%s", check.out);
}
END_TEST

START_TEST(check_reports_a_payload_without_a_record_and_one_that_is_missing)
{
	start_again();
	client_call(c, "run.create_or_update", JSON({"run_id":"r","kind":"x"}));
	json_t *lost = client_call(c, "artifact.save", JSON({"run_id":"r","payload":1}));
	ck_assert_int_eq(daemon_signal(d, SIGTERM), 0);
	file_write(daemon_path(d, "artifacts/orphan_1.json"), "{}", 2);
	struct command check = command_run(ARGS(PERSISTD, "--check", "--state-dir", d->state));
	ck_assert_msg(check.status == 0 && strstr(check.out, "orphan_1.json"), "%d %s", check.status, check.out);
	ck_assert_int_eq(unlink(text_at(lost, "path")), 0);
	check = command_run(ARGS(PERSISTD, "--check", "--state-dir", d->state));
	ck_assert_msg(check.status == 1 && strstr(check.out, text_at(lost, "id")), "%d %s", check.status,
	              check.out);
}
END_TEST

START_TEST(check_of_a_directory_that_is_not_there_fails_and_makes_none)
{
	char *nowhere;
	ck_assert_int_gt(asprintf(&nowhere, "%s/nowhere", d->dir), 0);
	struct command check = command_run(ARGS(PERSISTD, "--check", "--state-dir", nowhere));
	ck_assert_int_ne(check.status, 0);
	ck_assert(!file_exists(nowhere));
}
END_TEST

START_TEST(help_and_version_are_what_one_expects)
{
	struct command help = command_run(ARGS(PERSISTD, "--help"));
	ck_assert_int_eq(help.status, 0);
	ck_assert_str_eq(help.err, "");
	for (const char *const *flag =
	         ARGS("Usage:", "--socket", "--state-dir", "--log-level", "--check", "--salvage", "--version",
	              "--max-connections", "--max-line", "--max-reply", "--max-calls", "--max-queued");
	     *flag; flag++)
		ck_assert_msg(strstr(help.out, *flag), "%s is not in the help", *flag);
	struct command version = command_run(ARGS(PERSISTD, "--version"));
	ck_assert_int_eq(version.status, 0);
	expect_pattern(version.out, "^persistd [0-9]+\\.[0-9]+\\.[0-9]+\n$");
}
END_TEST

START_TEST(a_service_manager_can_tell_what_trying_again_does_not_mend)
{
	char *conf;
	ck_assert_int_gt(asprintf(&conf, "%s/persistd.conf", d->dir), 0);
	file_write(conf, "[limits]\nmax_lines = 3\n", 23);
	ck_assert_int_eq(daemon_start_refused(d, ARGS("--config", conf)), EX_CONFIG);
	ck_assert_int_eq(daemon_start_refused(d, ARGS("--socket-group", "no such group")), EX_CONFIG);
	ck_assert_int_eq(daemon_start_refused(d, ARGS("--nonsense")), EX_USAGE);
	file_write(daemon_path(d, "jobs.json"), "{", 1);
	ck_assert_int_eq(daemon_start_refused(d, NULL), EX_DATAERR);
	ck_assert_int_eq(unlink(daemon_path(d, "jobs.json")), 0);
	file_write(d->socket, "", 0);
	ck_assert_int_eq(daemon_start_refused(d, NULL), EX_TEMPFAIL);
}
END_TEST

static const char *const *const bad_usage[] = {
	(const char *const[]){"--nonsense", NULL}, (const char *const[]){"argument", NULL},
	(const char *const[]){"--log-level", "loud", NULL},
	(const char *const[]){"--max-line", "many", NULL}, (const char *const[]){"--max-connections", "0", NULL},
	(const char *const[]){"--max-calls", "-1", NULL}, (const char *const[]){"--socket", "", NULL},
};

START_TEST(wrong_usage_is_said_on_stderr_and_fails)
{
	ck_assert_int_gt(daemon_start_refused(d, bad_usage[_i]), 0);
	ck_assert_uint_gt(strlen(daemon_errors(d)), 0);
	ck_assert_uint_eq(dir_count(d->state, ""), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("start and stop");
	TCase *running = integration_case(suite, "running", setup, teardown);
	tcase_add_test(running, a_second_daemon_on_the_same_files_is_refused_and_told_by_whom);
	tcase_add_test(running, a_second_daemon_on_the_same_socket_is_refused_and_told_by_whom);
	tcase_add_test(running, a_socket_that_a_killed_daemon_left_is_taken_over);
	tcase_add_test(running, at_rest_the_snapshots_alone_are_the_whole_truth);
	tcase_add_test(running, an_idle_store_is_folded_so_that_jobs_json_can_be_read);
	tcase_add_loop_test(running, a_stop_finishes_what_is_in_flight_and_exits_0, 0, COUNT(stop_signals));
	tcase_add_test(running, a_stop_cuts_no_answer_off);
	tcase_add_test(running, live_progress_survives_a_clean_stop);
	tcase_add_test(running, a_hangup_does_not_stop_it);
	tcase_add_test(running, a_hangup_while_it_stops_changes_nothing);
	tcase_add_test(running, an_idle_client_does_not_hold_up_a_stop);
	tcase_add_test(running, what_was_acknowledged_is_there_after_a_kill);
	tcase_add_test(running, revisions_go_on_where_they_were);
	tcase_add_test(running, leftovers_of_a_killed_daemon_are_removed_and_others_are_not);

	TCase *files = integration_case(suite, "files", with_nothing, teardown);
	tcase_add_test(files, a_socket_that_answers_is_not_taken_over_though_its_lock_is_free);
	tcase_add_test(files, what_is_no_socket_is_left_alone);
	tcase_add_test(files, a_state_directory_that_is_a_file_is_refused);
	tcase_add_test(files, a_file_that_somebody_edits_meanwhile_is_kept_and_told_of);
	tcase_add_test(files, without_its_lock_it_writes_nothing_more_and_ends);
	tcase_add_test(files, without_its_lock_it_folds_nothing);
	tcase_add_test(files, what_the_daemon_does_not_need_it_gives_up_unless_it_is_told_not_to);
	tcase_add_test(files, the_state_directory_is_made_and_is_the_owner_s_alone);
	tcase_add_test(files, a_directory_that_is_there_keeps_its_mode_unless_another_is_said);
	tcase_add_test(files, members_of_the_group_may_read_what_state_dir_mode_shares);
	tcase_add_test(files, a_hangup_while_it_loads_is_a_reload_when_it_has_started);
	tcase_add_test(files, a_damaged_segment_stops_the_start_and_is_left_alone);
	tcase_add_test(files, a_cut_off_segment_stops_the_start);
	tcase_add_test(files, a_missing_segment_stops_the_start);
	tcase_add_loop_test(files, a_missing_snapshot_stops_the_start, 0, 2);
	tcase_add_test(files, another_store_s_snapshot_stops_the_start);
	tcase_add_test(files, check_finds_nothing_in_sound_files_and_writes_nothing);
	tcase_add_test(files, check_names_each_finding_by_file_line_and_byte);
	tcase_add_test(files, check_reports_a_payload_without_a_record_and_one_that_is_missing);
	tcase_add_test(files, check_of_a_directory_that_is_not_there_fails_and_makes_none);
	tcase_add_test(files, help_and_version_are_what_one_expects);
	tcase_add_test(files, a_service_manager_can_tell_what_trying_again_does_not_mend);
	tcase_add_loop_test(files, wrong_usage_is_said_on_stderr_and_fails, 0, COUNT(bad_usage));
	return integration_run(suite);
}
