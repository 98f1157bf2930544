/* Threads and processes: what may be shared, and what is noticed where it may not. */
#include "tests/client/caller.h"
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void *save_in_thread(void *arg)
{
	persist_error why;
	int *code = arg;
	*code = persist_job_save(c, persist_text("{\"id\":\"thread\"}"), NULL, NULL, &why);
	return NULL;
}

START_TEST(a_second_thread_is_refused_and_the_first_ones_call_goes_on)
{
	pthread_t thread;
	int code = -1;
	PLAY("accept", "line", "pause", "answer 0 1", "line", "answer 1 2");
	opened();
	pthread_create(&thread, NULL, save_in_thread, &code);
	fake_await(1);
	sleep_ms(20);
	expect_error(save(), PERSIST_E_MISUSE, PERSIST_DID_NOT_HAPPEN);
	ck_assert_str_eq(e.kind, "misuse");
	expect_error(persist_job_progress(c, "j", 1, 2, NULL, &e), PERSIST_E_MISUSE, PERSIST_DID_NOT_HAPPEN);
	ck_assert_ptr_null(persist_start(c, "job.save", persist_text(JSON({"job":{}})), &e));
	ck_assert_int_eq(e.code, PERSIST_E_MISUSE);
	ck_assert_int_eq(persist_process(c), -PERSIST_E_MISUSE);
	fake_go();
	pthread_join(thread, NULL);
	ck_assert_int_eq(code, 0);
	expect_result(save(), "2"); /* one after the other is fine */
	played();
}
END_TEST

static void *nothing(void *arg) { return arg; }

START_TEST(a_client_made_by_a_thread_that_has_ended_is_of_use)
{
	pthread_t thread;
	PLAY("accept", "serve");
	opened();
	expect_result(save(), JSON({"served":0}));
	int code = -1;
	pthread_create(&thread, NULL, save_in_thread, &code);
	pthread_join(thread, NULL);
	ck_assert_int_eq(code, 0);
	pthread_create(&thread, NULL, nothing, NULL);
	pthread_join(thread, NULL);
	expect_result(save(), JSON({"served":2}));
	played();
}
END_TEST

/* ---- fork */

/* Runs in a child: the number of what went wrong. */
static int misuse_in_child(persist_pending *p)
{
	persist_error why;
	persist_result *got;
	if (persist_call(c, "job.save", persist_text(JSON({"job":{}})), &got, &why) != PERSIST_E_MISUSE || got ||
	    why.outcome != PERSIST_DID_NOT_HAPPEN)
		return 1;
	if (persist_job_progress(c, "j", 1, 2, NULL, NULL) != PERSIST_E_MISUSE)
		return 2;
	if (persist_notify(c, "job.save", persist_none(), NULL) != PERSIST_E_MISUSE)
		return 3;
	if (persist_process(c) != -PERSIST_E_MISUSE)
		return 4;
	if (persist_start(c, "job.get", persist_none(), NULL))
		return 5;
	if (persist_wait(p, &got, &why) != PERSIST_E_MISUSE)
		return 6;
	persist_close(c);
	return 0;
}

static void must_not_be_called(persist_client *client, persist_result *result, const persist_error *error,
                               void *arg)
{
	(void)client;
	(void)result;
	(void)error;
	++*(int *)arg;
}

static void expect_child(pid_t child, int wanted)
{
	int status;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == wanted, "status %x", status);
}

START_TEST(a_child_is_refused_says_nothing_and_leaves_the_parents_connection_alone)
{
	int called = 0;
	PLAY("accept", "line", "line", "pause", "answer 0 10", "answer 1 11", "serve");
	opened();
	ck_assert_int_ge(persist_fd(c), 0);
	persist_pending *p = persist_start(c, "job.save", persist_text(JSON({"job":{}})), &e);
	ck_assert_int_eq(persist_submit(c, "job.save", persist_none(), must_not_be_called, &called, &e), 0);
	fake_await(2);
	pid_t child = fork();
	if (child == 0) {
		int wrong = misuse_in_child(p);
		_exit(wrong ? wrong : called ? 7 : 0);
	}
	expect_child(child, 0);
	fake_go();
	expect_result(persist_wait(p, &r, &e), "10");
	expect_result(get(), JSON({"served":2}));
	ck_assert_int_eq(called, 1);
	played();
	ck_assert_uint_eq(fake_count(""), 3);
}
END_TEST

START_TEST(a_child_that_closes_before_anything_was_sent_sends_nothing)
{
	PLAY("deaf", "pause", "listen", "accept", "serve");
	opened();
	persist_pending *p = persist_start(c, "job.save", persist_text(JSON({"job":{}})), &e);
	ck_assert_int_eq(persist_job_progress(c, "j", 1, 2, NULL, &e), 0);
	fake_go();
	sleep_ms(100);
	pid_t child = fork();
	if (child == 0) {
		persist_close(c);
		_exit(0);
	}
	expect_child(child, 0);
	expect_result(persist_wait(p, &r, &e), JSON({"served":0}));
	ck_assert_int_eq(persist_ping(c, &e), 0);
	played();
	ck_assert_uint_eq(fake_count("job.save"), 1);
	ck_assert_uint_eq(fake_count("progress"), 1);
}
END_TEST

START_TEST(a_parents_loop_does_not_spin_on_what_a_child_still_holds_open)
{
	PLAY("accept", "line", "answer 0 1", "close", "accept", "serve");
	opened();
	int fd = persist_fd(c);
	expect_result(save(), "1");
	/* the fake has closed: else the child would keep its end of the connection open as well */
	ck_assert_int_eq(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 8000), 1);
	pid_t child = fork();
	if (child == 0) {
		sleep_ms(1500); /* with the parent's descriptors open */
		_exit(0);
	}
	int woken = 0;
	for (long long until = clock_ms() + 500; clock_ms() < until; woken++) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (poll(&p, 1, (int)(until - clock_ms() + 1)) > 0)
			persist_process(c);
	}
	ck_assert_int_lt(woken, 10);
	expect_result(save(), JSON({"served":1}));
	played();
	expect_child(child, 0);
}
END_TEST

START_TEST(a_child_may_open_a_client_of_its_own)
{
	PLAY("accept", "line", "answer 0 1", "accept", "line", "answer 1 2");
	opened();
	expect_result(save(), "1");
	pid_t child = fork();
	if (child == 0) {
		persist_close(c);
		persist_client *own = persist_open(fake_socket);
		int code = persist_job_save(own, persist_text(JSON({"id":"child"})), NULL, NULL, NULL);
		persist_close(own);
		_exit(code == 0 ? 0 : 1);
	}
	expect_child(child, 0);
	played();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("libpersist, shared");

	TCase *t = integration_case(s, "threads", NULL, NULL);
	tcase_add_test(t, a_second_thread_is_refused_and_the_first_ones_call_goes_on);
	tcase_add_test(t, a_client_made_by_a_thread_that_has_ended_is_of_use);

	t = integration_case(s, "fork", NULL, NULL);
	tcase_add_test(t, a_child_is_refused_says_nothing_and_leaves_the_parents_connection_alone);
	tcase_add_test(t, a_child_that_closes_before_anything_was_sent_sends_nothing);
	tcase_add_test(t, a_parents_loop_does_not_spin_on_what_a_child_still_holds_open);
	tcase_add_test(t, a_child_may_open_a_client_of_its_own);
	return s;
}

int main(void)
{
	return integration_run(suite());
}
