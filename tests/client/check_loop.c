/* libpersist in an event loop: one descriptor, and callbacks that come once. */
#include "tests/client/caller.h"
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { CALLS_MAX = 2000 };

/* What a callback was given. */
struct seen {
	int times, code;
	enum persist_outcome outcome;
	char text[128];
};

static void note(persist_client *client, persist_result *result, const persist_error *error, void *arg)
{
	struct seen *s = arg;
	ck_assert_ptr_eq(client, c);
	ck_assert((result == NULL) != (error == NULL));
	s->times++;
	s->code = error ? error->code : 0;
	s->outcome = error ? error->outcome : PERSIST_DID_NOT_HAPPEN;
	snprintf(s->text, sizeof s->text, "%s", error ? error->message : persist_result_text(result, NULL));
}

static void submit(const char *method, struct seen *s)
{
	int code = persist_submit(c, method, persist_text(JSON({"id":"j"})), note, s, &e);
	ck_assert_msg(code == 0, "%s", e.message);
}

/* As a loop of events does it: nothing but this descriptor. How often it woke; ends where *times is reached.
 */
static int turn_until(const int *times, int wanted, int most_ms)
{
	int woken = 0;
	for (long long until = clock_ms() + most_ms; *times < wanted && clock_ms() < until; woken++) {
		struct pollfd p = {.fd = persist_fd(c), .events = POLLIN};
		ck_assert_int_ge(poll(&p, 1, (int)(until - clock_ms() + 1)), 0);
		if (p.revents)
			persist_process(c);
	}
	return woken;
}

static void expect_answered(const struct seen *s, const char *text)
{
	ck_assert_int_eq(s->times, 1);
	ck_assert_msg(s->code == 0, "%d: %s", s->code, s->text);
	ck_assert_str_eq(s->text, text);
}

static void expect_failed(const struct seen *s, int code, enum persist_outcome outcome)
{
	ck_assert_int_eq(s->times, 1);
	ck_assert_msg(s->code == code, "%d instead of %d: %s", s->code, code, s->text);
	ck_assert_int_eq(s->outcome, outcome);
}

START_TEST(answers_reach_their_callbacks_once_in_any_order)
{
	struct seen s[3] = {0};
	PLAY("accept", "line", "line", "line", "answer 2 22", "answer 0 20", "answer 1 21");
	opened();
	for (int i = 0; i < 3; i++)
		submit("job.save", &s[i]);
	ck_assert_int_eq(s[0].times + s[1].times + s[2].times, 0);
	turn_until(&s[1].times, 1, 8000);
	expect_answered(&s[0], "20");
	expect_answered(&s[1], "21");
	expect_answered(&s[2], "22");
	ck_assert_int_eq(persist_process(c), 0);
	played();
}
END_TEST

START_TEST(process_says_how_many_calls_are_still_under_way)
{
	struct seen s[2] = {0};
	PLAY("accept", "line", "line", "answer 1 1", "pause", "answer 0 0");
	opened();
	ck_assert_int_eq(persist_process(c), 0);
	submit("job.save", &s[0]);
	submit("job.save", &s[1]);
	ck_assert_int_eq(persist_process(c) + s[1].times, 2);
	turn_until(&s[1].times, 1, 8000);
	ck_assert_int_eq(persist_process(c), 1);
	fake_go();
	turn_until(&s[0].times, 1, 8000);
	ck_assert_int_eq(persist_process(c), 0);
	played();
}
END_TEST

START_TEST(a_deadline_makes_the_descriptor_readable)
{
	struct seen change = {0}, read = {0};
	PLAY("accept", "line", "line", "pause");
	opened();
	persist_set_timeout(c, 250);
	long long began = clock_ms();
	submit("job.save", &change);
	submit("job.get", &read);
	int woken = turn_until(&read.times, 1, 8000);
	long long took = clock_ms() - began;
	ck_assert_msg(took >= 240 && took < 3000, "%lld ms", took);
	ck_assert_int_lt(woken, 20); /* no busy loop */
	expect_failed(&change, PERSIST_E_TIMEOUT, PERSIST_UNKNOWN);
	expect_failed(&read, PERSIST_E_TIMEOUT, PERSIST_DID_NOT_HAPPEN);
	fake_go();
	played();
}
END_TEST

START_TEST(a_daemon_that_comes_later_is_found_by_the_descriptor_alone)
{
	struct seen s = {0};
	PLAY("deaf", "sleep 400", "listen", "accept", "serve");
	opened();
	int fd = persist_fd(c);
	submit("job.save", &s);
	int woken = turn_until(&s.times, 1, 8000);
	expect_answered(&s, JSON({"served":0}));
	ck_assert_int_lt(woken, 40);
	ck_assert_int_eq(persist_fd(c), fd);
	played();
}
END_TEST

START_TEST(nobody_there_ends_a_submitted_call_when_the_patience_ends)
{
	struct seen s = {0};
	fake_nowhere();
	opened();
	persist_set_patience(c, 300);
	long long began = clock_ms();
	submit("job.save", &s);
	int woken = turn_until(&s.times, 1, 8000);
	expect_failed(&s, PERSIST_E_NO_DAEMON, PERSIST_DID_NOT_HAPPEN);
	ck_assert_int_lt(woken, 30);
	ck_assert_int_ge(clock_ms() - began, 290);
	played();
}
END_TEST

START_TEST(submit_never_calls_back_by_itself)
{
	struct seen s = {0};
	fake_nowhere();
	opened();
	persist_set_patience(c, 0);
	submit("job.save", &s);
	ck_assert_int_eq(s.times, 0);
	turn_until(&s.times, 1, 3000);
	expect_failed(&s, PERSIST_E_NO_DAEMON, PERSIST_DID_NOT_HAPPEN);
	played();
}
END_TEST

START_TEST(the_descriptor_stays_the_same_while_the_connection_changes)
{
	struct seen s[3] = {0};
	PLAY("accept", "line", "close", "accept", "line", "answer 1 1", "close", "accept", "serve");
	opened();
	int fd = persist_fd(c);
	ck_assert_int_ge(fd, 0);
	submit("job.get", &s[0]);
	turn_until(&s[0].times, 1, 8000);
	expect_answered(&s[0], "1");
	sleep_ms(30); /* the connection ends while nothing is under way */
	turn_until(&s[1].times, 1, 100);
	submit("job.save", &s[1]);
	turn_until(&s[1].times, 1, 8000);
	expect_answered(&s[1], JSON({"served":2}));
	ck_assert_int_eq(persist_fd(c), fd);
	played();
}
END_TEST

START_TEST(a_connection_that_ends_is_told_by_the_descriptor)
{
	struct seen s = {0};
	PLAY("accept", "line", "close");
	opened();
	submit("job.save", &s);
	turn_until(&s.times, 1, 8000);
	expect_failed(&s, PERSIST_E_CONNECTION, PERSIST_UNKNOWN);
	played();
}
END_TEST

START_TEST(an_idle_client_lets_its_loop_sleep)
{
	struct seen s = {0};
	int never = 0;
	PLAY("accept", "line", "answer 0 0", "pause", "close");
	opened();
	submit("job.save", &s);
	turn_until(&s.times, 1, 8000);
	ck_assert_int_le(turn_until(&never, 1, 250), 2);
	fake_go();
	sleep_ms(30);
	ck_assert_int_le(turn_until(&never, 1, 250),
	                 3); /* the connection has ended: seen once, and nothing to do */
	played();
}
END_TEST

START_TEST(a_slow_reader_gets_a_large_change_by_the_descriptor_alone)
{
	struct seen s = {0};
	PLAY("accept", "sleep 200", "serve");
	opened();
	ck_assert_int_eq(persist_submit(c, "job.save", large_params(), note, &s, &e), 0);
	int woken = turn_until(&s.times, 1, 8000);
	expect_answered(&s, JSON({"served":0}));
	ck_assert_int_lt(woken, 5000);
	played();
}
END_TEST

static void submit_more(persist_client *client, persist_result *result, const persist_error *error, void *arg)
{
	struct seen *s = arg;
	note(client, result, error, s);
	if (s->times < 5)
		ck_assert_int_eq(persist_submit(client, "job.save", persist_none(), submit_more, s, NULL), 0);
}

START_TEST(a_callback_may_submit_the_next_call)
{
	struct seen s = {0};
	PLAY("accept", "serve");
	opened();
	ck_assert_int_eq(persist_submit(c, "job.save", persist_text(JSON({"job":{}})), submit_more, &s, &e), 0);
	turn_until(&s.times, 5, 8000);
	ck_assert_int_eq(s.times, 5);
	ck_assert_str_eq(s.text, JSON({"served":4}));
	played();
}
END_TEST

static void use_all(persist_client *client, persist_result *result, const persist_error *error, void *arg)
{
	persist_error why;
	persist_result *got;
	ck_assert_int_eq(persist_call(client, "job.get", persist_none(), &got, &why), PERSIST_E_MISUSE);
	ck_assert_int_eq(why.outcome, PERSIST_DID_NOT_HAPPEN);
	ck_assert_ptr_null(got);
	ck_assert_int_eq(persist_ping(client, NULL), PERSIST_E_MISUSE);
	persist_batch *b = persist_batch_new(client);
	ck_assert_int_eq(persist_batch_add(b, "job.get", persist_text(JSON({"id":"j"})), NULL), 0);
	ck_assert_int_eq(persist_batch_run(b, NULL), PERSIST_E_MISUSE);
	persist_batch_free(b);
	ck_assert_int_eq(persist_job_progress(client, "j", 1, 2, NULL, NULL), 0);
	ck_assert_int_eq(persist_notify(client, "job.delete", persist_text(JSON({"id":"j"})), NULL), 0);
	ck_assert_int_ge(persist_fd(client), 0);
	note(client, result, error, arg);
}

START_TEST(what_waits_is_refused_in_a_callback_and_all_else_works)
{
	struct seen s = {0};
	PLAY("accept", "serve");
	opened();
	ck_assert_int_eq(persist_submit(c, "job.save", persist_text(JSON({"job":{}})), use_all, &s, &e), 0);
	turn_until(&s.times, 1, 8000);
	expect_answered(&s, JSON({"served":0}));
	expect_result(save(), JSON({"served":3}));
	played();
	ck_assert_uint_eq(fake_count("job.update_progress"), 1);
	ck_assert_uint_eq(fake_count("job.delete"), 1);
	ck_assert_uint_eq(fake_count("job.get"), 0);
}
END_TEST

static persist_pending *started;

static void wait_for_started(persist_client *client, persist_result *result, const persist_error *error,
                             void *arg)
{
	ck_assert_int_eq(persist_wait(started, NULL, NULL), PERSIST_E_MISUSE);
	note(client, result, error, arg);
}

START_TEST(a_pending_call_survives_being_waited_for_in_a_callback)
{
	struct seen s = {0};
	PLAY("accept", "line", "line", "answer 0 0", "sleep 50", "answer 1 1");
	opened();
	ck_assert_int_eq(persist_submit(c, "job.save", persist_text(JSON({"job":{}})), wait_for_started, &s, &e),
	                 0);
	started = persist_start(c, "job.save", persist_text(JSON({"job":{}})), &e);
	turn_until(&s.times, 1, 8000);
	expect_answered(&s, "0");
	expect_result(persist_wait(started, &r, &e), "1");
	played();
}
END_TEST

static void take(persist_client *client, persist_result *result, const persist_error *error, void *arg)
{
	r = persist_result_take(result);
	note(client, result, error, arg);
}

START_TEST(a_result_that_is_taken_outlives_its_callback_and_its_client)
{
	struct seen s = {0};
	PLAY("accept", "serve");
	opened();
	ck_assert_int_eq(persist_submit(c, "job.get", persist_text(JSON({"id":"j"})), take, &s, &e), 0);
	turn_until(&s.times, 1, 8000);
	persist_close(c);
	c = NULL;
	ck_assert_str_eq(persist_result_member(r, "served"), "0");
	played();
}
END_TEST

START_TEST(a_blocking_call_calls_back_what_was_answered_meanwhile)
{
	struct seen s = {0};
	PLAY("accept", "serve");
	opened();
	submit("job.save", &s);
	expect_result(save(), JSON({"served":1}));
	expect_answered(&s, JSON({"served":0}));
	played();
}
END_TEST

START_TEST(closing_calls_back_what_is_under_way_and_says_what_was_sent)
{
	struct seen sent = {0}, read = {0}, unsent = {0};
	PLAY("accept", "line", "line", "pause");
	opened();
	submit("job.save", &sent);
	submit("job.get", &read);
	fake_await(2);
	ck_assert_int_eq(persist_submit(c, "job.save", large_params(), note, &unsent, &e), 0);
	persist_client *closing = c;
	persist_close(closing);
	expect_failed(&sent, PERSIST_E_CANCELLED, PERSIST_UNKNOWN);
	expect_failed(&read, PERSIST_E_CANCELLED, PERSIST_DID_NOT_HAPPEN);
	expect_failed(&unsent, PERSIST_E_CANCELLED, PERSIST_DID_NOT_HAPPEN);
	c = NULL;
	fake_go();
	played();
}
END_TEST

static void count(persist_client *client, persist_result *result, const persist_error *error, void *arg)
{
	(void)client;
	(void)result;
	ck_assert_msg(!error, "%s", error ? error->message : "");
	++*(int *)arg;
}

START_TEST(thousands_of_calls_at_once_are_all_called_back_once)
{
	int times = 0;
	PLAY("accept", "serve");
	opened();
	for (int i = 0; i < CALLS_MAX; i++)
		ck_assert_int_eq(persist_submit(c, "job.save", persist_text(JSON({"job":{}})), count, &times, &e), 0);
	turn_until(&times, CALLS_MAX, 8000);
	ck_assert_int_eq(times, CALLS_MAX);
	turn_until(&times, CALLS_MAX + 1, 50);
	ck_assert_int_eq(times, CALLS_MAX);
	played();
}
END_TEST

static unsigned open_descriptors(void)
{
	unsigned found = 0;
	DIR *dir = opendir("/proc/self/fd");
	while (readdir(dir))
		found++;
	closedir(dir);
	return found;
}

START_TEST(a_closed_client_leaves_no_descriptor_open)
{
	fake_nowhere();
	unsigned before = open_descriptors();
	for (int i = 0; i < 20; i++) {
		opened();
		ck_assert_int_ge(persist_fd(c), 0);
		persist_set_patience(c, 0);
		ck_assert_int_ne(persist_ping(c, &e), 0);
		persist_close(c);
	}
	c = NULL;
	ck_assert_uint_eq(open_descriptors(), before);
	played();
}
END_TEST

START_TEST(a_process_without_descriptors_left_is_told_so)
{
	struct rlimit few, before;
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	PLAY("pause", "accept", "serve");
	opened();
	persist_set_patience(c, 0);
	int lowest_free = dup(0);
	close(lowest_free);
	few = (struct rlimit){.rlim_cur = (rlim_t)lowest_free, .rlim_max = before.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	ck_assert_int_eq(persist_fd(c), -1);
	ck_assert_int_eq(errno, EMFILE);
	persist_set_timeout(c, 300);
	int code = save();
	expect_error(code, PERSIST_E_NO_DAEMON, PERSIST_DID_NOT_HAPPEN);
	ck_assert_int_eq(e.system_error, EMFILE);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	persist_set_timeout(c, 8000);
	fake_go();
	ck_assert_int_ge(persist_fd(c), 0);
	expect_result(save(), JSON({"served":0}));
	played();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("libpersist in an event loop");

	TCase *t = integration_case(s, "descriptor", NULL, NULL);
	tcase_add_test(t, answers_reach_their_callbacks_once_in_any_order);
	tcase_add_test(t, process_says_how_many_calls_are_still_under_way);
	tcase_add_test(t, a_deadline_makes_the_descriptor_readable);
	tcase_add_test(t, a_daemon_that_comes_later_is_found_by_the_descriptor_alone);
	tcase_add_test(t, nobody_there_ends_a_submitted_call_when_the_patience_ends);
	tcase_add_test(t, submit_never_calls_back_by_itself);
	tcase_add_test(t, the_descriptor_stays_the_same_while_the_connection_changes);
	tcase_add_test(t, a_connection_that_ends_is_told_by_the_descriptor);
	tcase_add_test(t, an_idle_client_lets_its_loop_sleep);
	tcase_add_test(t, a_slow_reader_gets_a_large_change_by_the_descriptor_alone);
	tcase_add_test(t, a_closed_client_leaves_no_descriptor_open);
	tcase_add_test(t, a_process_without_descriptors_left_is_told_so);

	t = integration_case(s, "callbacks", NULL, NULL);
	tcase_add_test(t, a_callback_may_submit_the_next_call);
	tcase_add_test(t, what_waits_is_refused_in_a_callback_and_all_else_works);
	tcase_add_test(t, a_pending_call_survives_being_waited_for_in_a_callback);
	tcase_add_test(t, a_result_that_is_taken_outlives_its_callback_and_its_client);
	tcase_add_test(t, a_blocking_call_calls_back_what_was_answered_meanwhile);
	tcase_add_test(t, closing_calls_back_what_is_under_way_and_says_what_was_sent);
	tcase_add_test(t, thousands_of_calls_at_once_are_all_called_back_once);
	return s;
}

int main(void)
{
	return integration_run(suite());
}
