#include "client/watch.h"
#include "client/moment.h"
#include "tests/unit/unit.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct watch w;
static struct wire nothing, connection;
static int peer;

static void set_up(void)
{
	int pair[2];

	watch_init(&w);
	ck_assert_int_eq(watch_open(&w), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	nothing = (struct wire){.fd = -1};
	connection = (struct wire){.fd = pair[0], .watcher = -1};
	peer = pair[1];
}

static void tear_down(void)
{
	wire_close(&connection);
	close(peer);
	watch_close(&w);
}

static bool readable_within(int ms)
{
	return poll(&(struct pollfd){.fd = w.epoll, .events = POLLIN}, 1, ms) == 1;
}

START_TEST(it_is_quiet_while_there_is_nothing_to_do)
{
	watch_set(&w, &connection, POLLIN, MOMENT_NEVER);
	ck_assert(!readable_within(20));
}
END_TEST

START_TEST(it_says_when_an_answer_comes)
{
	watch_set(&w, &connection, POLLIN, MOMENT_NEVER);
	ck_assert_int_eq(write(peer, "x", 1), 1);
	ck_assert(readable_within(1000));
}
END_TEST

START_TEST(it_says_when_there_is_room_only_if_something_is_to_be_sent)
{
	watch_set(&w, &connection, POLLIN | POLLOUT, MOMENT_NEVER);
	ck_assert(readable_within(1000));
	watch_set(&w, &connection, POLLIN, MOMENT_NEVER);
	ck_assert(!readable_within(20));
}
END_TEST

START_TEST(it_says_when_time_has_come_and_not_again_once_that_is_seen_to)
{
	int64_t due = moment_now() + 30 * MOMENT_MS;

	watch_set(&w, &nothing, POLLIN, due);
	ck_assert(!readable_within(5));
	ck_assert(readable_within(1000));
	ck_assert_int_ge(moment_now(), due);
	watch_woken(&w);
	watch_set(&w, &nothing, POLLIN, MOMENT_NEVER);
	ck_assert(!readable_within(20));
}
END_TEST

START_TEST(what_is_due_already_is_said_at_once)
{
	watch_set(&w, &nothing, POLLIN, 0);
	ck_assert(readable_within(1000));
}
END_TEST

START_TEST(an_earlier_moment_is_not_missed_for_a_later_one)
{
	watch_set(&w, &nothing, POLLIN, moment_now() + 60000000);
	watch_set(&w, &nothing, POLLIN, moment_now() + 10 * MOMENT_MS);
	ck_assert(readable_within(1000));
}
END_TEST

START_TEST(other_programs_do_not_inherit_it)
{
	ck_assert_int_eq(fcntl(w.epoll, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	ck_assert_int_eq(fcntl(w.timer, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}
END_TEST

START_TEST(without_it_nothing_is_done)
{
	watch_close(&w);
	watch_set(&w, &connection, POLLIN, 0);
	watch_woken(&w);
	ck_assert_int_eq(connection.watcher, -1);
	watch_close(&w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("watch");
	TCase *t = tcase_create("watch");
	tcase_add_checked_fixture(t, set_up, tear_down);
	suite_add_tcase(s, t);
	tcase_add_test(t, it_is_quiet_while_there_is_nothing_to_do);
	tcase_add_test(t, it_says_when_an_answer_comes);
	tcase_add_test(t, it_says_when_there_is_room_only_if_something_is_to_be_sent);
	tcase_add_test(t, it_says_when_time_has_come_and_not_again_once_that_is_seen_to);
	tcase_add_test(t, what_is_due_already_is_said_at_once);
	tcase_add_test(t, an_earlier_moment_is_not_missed_for_a_later_one);
	tcase_add_test(t, other_programs_do_not_inherit_it);
	tcase_add_test(t, without_it_nothing_is_done);
	return unit_run(s);
}
