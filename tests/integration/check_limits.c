/* Limits and backpressure: nobody's haste or sloth costs the others, and nothing grows without bound. */
#include "tests/integration/client.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* What the daemon may take beside a limit of a few megabytes; generous, as sanitizers hold freed memory back.
 * What a missing limit would cost in these tests is many times as much. */
enum { GROWTH_MB = 400 };

static struct daemon *d;
static struct client *c;

static void start(const char *const *flags)
{
	d = daemon_started(flags);
	c = client_open(d);
}

static void with_defaults(void)
{
	start(NULL);
}

static void with_4_connections(void)
{
	start(ARGS("--max-connections", "4"));
}

static void with_small_queues(void)
{
	start(ARGS("--max-calls", "4", "--max-queued", "65536"));
}

static void with_small_replies(void)
{
	start(ARGS("--max-reply", "16384", "--max-page", "4096"));
}

static void teardown(void)
{
	daemon_end(d);
}

static long long memory_mb(void)
{
	char path[64];
	long long total, resident;
	snprintf(path, sizeof path, "/proc/%d/statm", (int)d->pid);
	FILE *file = fopen(path, "re");
	ck_assert_int_eq(fscanf(file, "%lld %lld", &total, &resident), 2);
	fclose(file);
	return resident * sysconf(_SC_PAGESIZE) >> 20;
}

static char *filled(size_t len)
{
	char *text = malloc(len + 1);
	memset(text, 'x', len);
	text[len] = '\0';
	return text;
}

/* ---- connections */

START_TEST(a_connection_over_the_limit_is_told_so_and_the_others_go_on)
{
	struct client *others[3];
	for (int i = 0; i < 3; i++) {
		others[i] = client_open(d);
		client_call(others[i], "server.ping", NULL);
	}
	struct client *refused = client_open(d);
	json_t *reply = client_reply(refused);
	expect_error(reply, LIMIT, "null");
	expect_fault(value_at(reply, "error"), "limit", NULL, NULL);
	ck_assert(client_ended(refused));
	client_close(refused);
	client_call(c, "server.ping", NULL);
	ck_assert_int_ge(whole_at(client_call(c, "server.stats", NULL), "connections.refused_limit"), 1);
	client_close(others[0]);
	long long open_now;
	do
		open_now = whole_at(client_call(c, "server.stats", NULL), "connections.open");
	while (open_now > 3);
	client_call(client_open(d), "server.ping", NULL);
}
END_TEST

START_TEST(a_thousand_connections_are_served)
{
	enum { CONNECTIONS = 1000 };
	struct client *all[CONNECTIONS];
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
	setrlimit(RLIMIT_NOFILE, &files);
	for (int i = 0; i < CONNECTIONS; i++)
		all[i] = client_open(d);
	for (int i = 0; i < CONNECTIONS; i++)
		client_say(all[i], JSON({"jsonrpc":"2.0","id":1,"method":"job.save","params":{"job":{"id":"c%d"}}}),
		           i);
	for (int i = 0; i < CONNECTIONS; i++)
		ck_assert(has_value_at(client_reply(all[i]), "result.revision"));
	ck_assert_int_eq(whole_at(client_call(c, "job.count", NULL), "total"), CONNECTIONS);
	for (int i = 0; i < CONNECTIONS; i++)
		client_close(all[i]);
	client_call(c, "server.ping", NULL);
}
END_TEST

/* How many may wait in line to be accepted, as the kernel has it. */
static int longest_line(void)
{
	FILE *file = fopen("/proc/sys/net/core/somaxconn", "re");
	int most;
	ck_assert_int_eq(fscanf(file, "%d", &most), 1);
	fclose(file);
	return most < 4096 ? most : 4096;
}

START_TEST(a_burst_of_clients_waits_while_the_daemon_is_busy_and_is_served)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct rlimit files;
	snprintf(address.sun_path, sizeof address.sun_path, "%s", d->socket);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	int all[4096], most = longest_line();
	if (files.rlim_cur < (rlim_t)most + 64)
		most = (int)files.rlim_cur - 64;
	daemon_restart(d, ARGS("--max-connections", "5000", "--max-user-connections", "5000"));
	daemon_send_signal(d, SIGSTOP);
	for (int i = 0; i < most; i++) {
		all[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		ck_assert_msg(connect(all[i], (struct sockaddr *)&address, sizeof address) == 0, "client %d: %s", i, strerror(errno));
	}
	daemon_send_signal(d, SIGCONT);
	static const char ping[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server.ping\"}\n";
	for (int i = 0; i < most; i++) {
		char reply[256];
		ck_assert_int_eq(write(all[i], ping, sizeof ping - 1), sizeof ping - 1);
		ck_assert_int_eq(poll(&(struct pollfd){.fd = all[i], .events = POLLIN}, 1, DEADLINE_MS), 1);
		ck_assert_int_gt(read(all[i], reply, sizeof reply), 0);
		ck_assert_ptr_nonnull(strstr(reply, "\"result\""));
		close(all[i]);
	}
}
END_TEST

/* ---- calls and queues */

static const char *const get_big = JSON({"jsonrpc":"2.0","id":1,"method":"job.get","params":{"id":"big"}})
	"\n";

START_TEST(calls_beyond_the_limit_wait_and_are_all_answered)
{
	enum { CALLS = 2000 };
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	for (int i = 0; i < CALLS; i++)
		fprintf(out, "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"job.save\",\"params\":{\"job\":{\"id\":\"w%d\"},\"fields\":[\"id\"]}}\n", i, i);
	fclose(out);
	client_write(c, text, len);
	for (int i = 0; i < CALLS; i++)
		ck_assert(has_value_at(client_reply(c), "result.id"));
	ck_assert_int_eq(whole_at(daemon_call(d, "job.count", NULL), "total"), CALLS);
	json_t *stats = daemon_call(d, "server.stats", NULL);
	ck_assert_int_ge(whole_at(stats, "backpressure.paused_calls"), 1);
	ck_assert_int_ge(whole_at(stats, "store.largest_batch"), 1);
}
END_TEST

START_TEST(one_that_does_not_read_is_not_read_from_and_the_others_are_served)
{
	enum { RECORD = 100000, REQUESTS = 20000 };
	client_call(c, "job.save", JSON({"job":{"id":"big","payload":{"b":"%s"}},"fields":["id"]}),
	            filled(RECORD));
	long long before = memory_mb();
	size_t len = strlen(get_big);
	char *all = malloc(len * REQUESTS);
	for (size_t i = 0; i < REQUESTS; i++)
		memcpy(all + i * len, get_big, len);
	struct client *slow = client_open(d);
	size_t pushed = client_push(slow, all, len * REQUESTS, 500); /* its replies would be 2 GB */
	ck_assert_msg(pushed < len * REQUESTS, "the daemon has read all of it");
	ck_assert_int_lt(memory_mb() - before, GROWTH_MB);
	for (int i = 0; i < 50; i++)
		client_call(c, "job.save", JSON({"job":{"id":"quick%d"}}), i);
	ck_assert_int_ge(whole_at(client_call(c, "server.stats", NULL), "backpressure.paused_slow_reader"), 1);
	/* once it reads, it gets everything that it has asked for */
	size_t whole = pushed / len < 200 ? pushed / len : 200;
	for (size_t i = 0; i < whole; i++)
		expect_text_at(client_reply(slow), "result.id", "big");
	client_close(slow);
	client_call(c, "server.ping", NULL);
}
END_TEST

START_TEST(a_slow_reader_gets_every_answer_in_the_end)
{
	/* few enough for the socket's own buffer, even if the daemon stops reading after the first */
	enum { REQUESTS = 150 };
	client_call(c, "job.save", JSON({"job":{"id":"big","payload":{"b":"%s"}},"fields":["id"]}),
	            filled(20000));
	for (int i = 0; i < REQUESTS; i++)
		ck_assert_uint_gt(client_push(c, get_big, strlen(get_big), 100), 0);
	sleep_ms(300);
	client_half_close(c);
	int answers = 0;
	for (char *text; (text = client_line_within(c, 3000)); free(text)) {
		expect_text_at(json_parsed(text), "result.id", "big");
		answers++;
		if (answers % 50 == 0)
			sleep_ms(50);
	}
	ck_assert_int_eq(answers, REQUESTS);
}
END_TEST

START_TEST(one_that_never_reads_does_not_hold_up_a_stop)
{
	client_call(c, "job.save", JSON({"job":{"id":"big","payload":{"b":"%s"}},"fields":["id"]}),
	            filled(100000));
	struct client *slow = client_open(d);
	for (int i = 0; i < 100; i++)
		client_push(slow, get_big, strlen(get_big), 50);
	ck_assert_int_eq(daemon_signal(d, SIGTERM), 0);
}
END_TEST

/* ---- bytes */

START_TEST(a_line_of_any_length_costs_no_memory)
{
	long long before = memory_mb();
	char *piece = filled(1 << 20);
	for (int i = 0; i < 600; i++) /* 600 MB without a newline */
		client_write(c, piece, 1 << 20);
	expect_error(client_reply(c), TOO_LARGE, "null");
	ck_assert_int_lt(memory_mb() - before, GROWTH_MB);
	client_write(c, "\n", 1);
	client_call(c, "server.ping", NULL);
	ck_assert_int_eq(whole_at(client_call(c, "server.stats", NULL), "wire.lines_too_long"), 1);
}
END_TEST

START_TEST(unfinished_lines_of_many_connections_are_bounded_together)
{
	enum { CONNECTIONS = 100, MEGABYTES = 10 };
	long long before = memory_mb();
	char *piece = filled(1 << 20);
	struct client *all[CONNECTIONS];
	for (int i = 0; i < CONNECTIONS; i++) {
		all[i] = client_open(d);
		for (int k = 0; k < MEGABYTES; k++)
			client_write(all[i], piece, 1 << 20); /* 1 GB of lines that never end */
	}
	client_call(c, "job.save", JSON({"job":{"id":"served"}}));
	ck_assert_int_lt(memory_mb() - before, 256 + GROWTH_MB);
	ck_assert_int_ge(whole_at(client_call(c, "server.stats", NULL), "backpressure.unfinished_dropped"), 1);
	int told = 0;
	for (int i = 0; i < CONNECTIONS; i++) {
		client_write(all[i], "\n", 1);
		json_t *reply = client_reply(all[i]);
		long long code = whole_at(reply, "error.code");
		ck_assert(code == LIMIT || code == PARSE_ERROR);
		told += code == LIMIT;
		client_call(all[i], "server.ping", NULL);
	}
	ck_assert_int_ge(told, 1);
}
END_TEST

START_TEST(a_record_that_no_reply_could_carry_is_refused)
{
	expect_fault(client_refused(c, TOO_LARGE, "job.save", JSON({"job":{"id":"big","payload":{"b":"%s"}}}),
	                            filled(20000)),
	             "too_large", NULL, NULL);
	client_refused(c, NOT_FOUND, "job.get", JSON({"id":"big"}));
	client_call(c, "job.save", JSON({"job":{"id":"fits","payload":{"b":"%s"}}}), filled(8000));
	client_refused(c, TOO_LARGE, "job.save", JSON({"job":{"id":"fits","metadata":{"b":"%s"}}}), filled(8000));
	expect_at(client_call(c, "job.get", JSON({"id":"fits"})), "metadata", "{}");
}
END_TEST

START_TEST(a_payload_that_no_reply_can_carry_is_said_to_be_too_large)
{
	client_call(c, "run.create_or_update", JSON({"run_id":"r","kind":"x"}));
	json_t *artifact = client_call(c, "artifact.save", JSON({"run_id":"r","payload":"%s"}), filled(20000));
	json_t *error = client_refused(c, TOO_LARGE, "artifact.read", JSON({"id":"%s"}), text_at(artifact, "id"));
	expect_fault(error, "too_large", NULL, text_at(artifact, "path"));
}
END_TEST

START_TEST(a_page_is_cut_at_its_limit_and_goes_on_with_the_cursor)
{
	for (int i = 0; i < 20; i++)
		client_call(c, "job.save", JSON({"job":{"id":"p%02d","payload":{"b":"%s"}},"fields":["id"]}), i,
		            filled(1000));
	json_t *page = client_call(c, "job.list", NULL);
	ck_assert_uint_lt(count_at(page, "jobs"), 20);
	ck_assert_uint_gt(count_at(page, "jobs"), 0);
	ck_assert_int_eq(whole_at(page, "total"), 20);
	size_t got = count_at(page, "jobs");
	while (!json_is_null(value_at(page, "next_cursor"))) {
		page = client_call(c, "job.list", JSON({"cursor":"%s"}), text_at(page, "next_cursor"));
		got += count_at(page, "jobs");
	}
	ck_assert_uint_eq(got, 20);
}
END_TEST

/* A batch goes on once calls of it that its connection had to wait for have ended. */
static void batch_answered(size_t count, const char *call)
{
	size_t size = count * (strlen(call) + 16) + 16, len = 0;
	char *line = malloc(size);
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(line + len, size - len, "%c%s", i ? ',' : '[', call);
	len += (size_t)snprintf(line + len, size - len, "]\n");
	client_write(c, line, len);
	free(line);
	ck_assert_uint_eq(json_array_size(client_reply(c)), count);
}

START_TEST(a_batch_larger_than_what_may_be_in_flight_is_answered_whole)
{
	batch_answered(3000, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.save\",\"params\":{\"job\":{\"status\":\"completed\"},\"fields\":[\"id\"]}}");
	batch_answered(5, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"job.cleanup\",\"params\":{\"days\":0}}");
	batch_answered(100, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"artifact.read\",\"params\":[\"none\"]}");
}
END_TEST

START_TEST(a_job_of_two_megabytes_is_kept_and_its_progress_stays_small)
{
	size_t len = 2200000;
	char *big = malloc(len + 1);
	memset(big, 'x', len);
	big[len] = '\0';
	client_call(c, "job.save", "{\"job\":{\"id\":\"big\",\"payload\":{\"s\":\"%s\"}},\"fields\":[\"id\"]}", big);
	ck_assert_uint_eq(strlen(text_at(client_call(c, "job.get", "{\"id\":\"big\"}"), "payload.s")), len);
	client_refused(c, TOO_LARGE, "job.update_progress", "{\"id\":\"big\",\"progress\":{\"current\":1,\"total\":2,\"message\":\"%s\"}}", big);
	client_call(c, "job.save", "{\"job\":{\"id\":\"small\"}}");
	ck_assert_uint_eq(count_at(client_call(c, "job.list", "{\"fields\":[\"id\"]}"), "jobs"), 2);
	free(big);
}
END_TEST

START_TEST(a_batch_of_too_many_calls_is_refused_whole)
{
	daemon_restart(d, ARGS("--max-batch", "10"));
	c = client_open(d);
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	for (int i = 0; i < 11; i++)
		fprintf(out, "%c{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"job.save\",\"params\":{\"job\":{}}}", i ? ',' : '[', i);
	fprintf(out, "]");
	fclose(out);
	client_say(c, "%s", text);
	expect_error(client_reply(c), LIMIT, "null");
	ck_assert_int_eq(whole_at(client_call(c, "job.count", NULL), "total"), 0);
}
END_TEST

START_TEST(info_shows_the_limits_that_were_set)
{
	json_t *limits = value_at(client_call(c, "server.info", NULL), "limits");
	ck_assert_int_eq(whole_at(limits, "calls_in_flight"), 4);
	ck_assert_int_eq(whole_at(limits, "queued_bytes"), 65536);
}
END_TEST

/* ---- a disk that takes no more */

static void allow_file_size(rlim_t bytes)
{
	struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
	ck_assert_int_eq(prlimit(d->pid, RLIMIT_FSIZE, &limit, NULL), 0);
}

START_TEST(a_full_disk_refuses_changes_and_harms_nothing)
{
	client_call(c, "job.save", JSON({"job":{"id":"before","payload":{"n":1}}}));
	client_call(c, "run.create_or_update", JSON({"run_id":"r","kind":"x"}));
	allow_file_size(20);
	for (int i = 0; i < 20; i++) {
		client_refused(c, NOT_DURABLE, "job.save", JSON({"job":{"id":"full%d"}}), i);
		client_refused(c, NOT_DURABLE, "job.save", JSON({"job":{"id":"before","payload":{"n":2}}}));
		client_refused(c, NOT_DURABLE, "job.delete", JSON({"id":"before"}));
		client_refused(c, NOT_DURABLE, "artifact.save",
		               JSON({"run_id":"r","payload":"more than the twenty bytes that fit"}));
	}
	expect_at(client_call(c, "job.get", JSON({"id":"before"})), "payload.n", "1");
	expect_at(client_call(c, "job.count", NULL), "total", "1");
	expect_at(client_call(c, "server.ping", NULL), "revision", "2");
	allow_file_size(RLIM_INFINITY);
	for (long long deadline = clock_ms() + DEADLINE_MS;; sleep_ms(50)) {
		client_say(c, JSON({"jsonrpc":"2.0","id":1,"method":"job.save","params":{"job":{"id":"after"}}}));
		if (has_value_at(client_reply(c), "result"))
			break;
		ck_assert_int_lt(clock_ms(), deadline);
	}
	/* as many bytes as were refused have to be written first */
	while (strcmp(text_at(client_call(c, "server.info", NULL), "health"), "ok") != 0)
		sleep_ms(10);
	ck_assert_uint_eq(dir_left_behind(daemon_path(d, "journal")), 0);
	ck_assert_uint_eq(dir_count(daemon_path(d, "artifacts"), ""), 0);
	daemon_kill(d);
	daemon_start(d, NULL);
	c = client_open(d);
	expect_at(client_call(c, "job.count", NULL), "total", "2");
	expect_at(client_call(c, "job.get", JSON({"id":"before"})), "payload.n", "1");
}
END_TEST

START_TEST(a_fold_that_finds_the_disk_full_loses_nothing)
{
	for (int i = 0; i < 200; i++)
		client_say(c, JSON({"jsonrpc":"2.0","method":"job.save","params":{"job":{"id":"f%d"}}}), i);
	expect_at(client_call(c, "server.flush", NULL), "revision", "200");
	allow_file_size(2000); /* the idle fold's snapshot would be larger */
	sleep_ms(2500);
	expect_at(client_call(c, "job.count", NULL), "total", "200");
	ck_assert_int_eq(daemon_signal(d, SIGTERM), 0); /* nor can the last fold be written */
	daemon_start(d, NULL);
	c = client_open(d);
	expect_at(client_call(c, "job.count", NULL), "total", "200");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("limits");
	TCase *connections = integration_case(suite, "connections", with_4_connections, teardown);
	tcase_add_test(connections, a_connection_over_the_limit_is_told_so_and_the_others_go_on);

	TCase *queues = integration_case(suite, "queues", with_small_queues, teardown);
	tcase_add_test(queues, calls_beyond_the_limit_wait_and_are_all_answered);
	tcase_add_test(queues, one_that_does_not_read_is_not_read_from_and_the_others_are_served);
	tcase_add_test(queues, a_slow_reader_gets_every_answer_in_the_end);
	tcase_add_test(queues, one_that_never_reads_does_not_hold_up_a_stop);
	tcase_add_test(queues, info_shows_the_limits_that_were_set);

	TCase *replies = integration_case(suite, "replies", with_small_replies, teardown);
	tcase_add_test(replies, a_record_that_no_reply_could_carry_is_refused);
	tcase_add_test(replies, a_payload_that_no_reply_can_carry_is_said_to_be_too_large);
	tcase_add_test(replies, a_page_is_cut_at_its_limit_and_goes_on_with_the_cursor);

	TCase *defaults = integration_case(suite, "defaults", with_defaults, teardown);
	tcase_add_test(defaults, a_thousand_connections_are_served);
	tcase_add_test(defaults, a_burst_of_clients_waits_while_the_daemon_is_busy_and_is_served);
	tcase_add_test(defaults, a_line_of_any_length_costs_no_memory);
	tcase_add_test(defaults, unfinished_lines_of_many_connections_are_bounded_together);
	tcase_add_test(defaults, a_batch_of_too_many_calls_is_refused_whole);
	tcase_add_test(defaults, a_batch_larger_than_what_may_be_in_flight_is_answered_whole);
	tcase_add_test(defaults, a_job_of_two_megabytes_is_kept_and_its_progress_stays_small);
	tcase_add_test(defaults, a_full_disk_refuses_changes_and_harms_nothing);
	tcase_add_test(defaults, a_fold_that_finds_the_disk_full_loses_nothing);
	return integration_run(suite);
}
