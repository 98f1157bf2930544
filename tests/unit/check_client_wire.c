#include "client/wire.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/check-wire-XXXXXX", path[64];
static int listener, peer;
static struct wire w;

static void set_up(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/sock", dir);
	strcpy(address.sun_path, path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	w = (struct wire){.fd = -1};
}

static void tear_down(void)
{
	wire_close(&w);
	close(listener);
	unlink(path);
	rmdir(dir);
}

static void connect_both(void)
{
	ck_assert_int_eq(wire_open(&w, path, 1000), 0);
	peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(peer, 0);
}

static ssize_t send_text(const char *text)
{
	return wire_send(&w, &(struct iovec){(char *)text, strlen(text)}, 1);
}

START_TEST(lines_come_whole_whatever_the_reads)
{
	static const char text[] = "{\"a\":1}\nsecond\r\nlast";
	struct span line;
	int lines = 0;

	connect_both();
	for (size_t i = 0; i + 1 < sizeof text; i++) {
		ck_assert_int_eq(write(peer, text + i, 1), 1);
		ck_assert_int_eq((int)wire_read(&w), WIRE_EMPTY);
		while (frame_next(&w.in, &line) == FRAME_LINE)
			ck_assert(span_is(line, lines++ == 0 ? SPAN("{\"a\":1}") : SPAN("second")));
	}
	ck_assert_int_eq(lines, 2);
	close(peer);
	ck_assert_int_eq((int)wire_read(&w), WIRE_ENDED);
	ck_assert_int_eq((int)frame_next(&w.in, &line), FRAME_LINE);
	ck_assert(span_is(line, SPAN("last")));
}
END_TEST

START_TEST(nothing_to_read_is_not_waited_for)
{
	connect_both();
	ck_assert_int_eq((int)wire_read(&w), WIRE_EMPTY);
}
END_TEST

START_TEST(parts_leave_in_their_order_and_a_full_socket_is_not_waited_for)
{
	static char much[1 << 16];
	struct iovec parts[] = {{"one ", 4}, {"two ", 4}, {"three", 5}};
	char text[13];
	ssize_t sent;

	connect_both();
	ck_assert_int_eq(wire_send(&w, parts, 3), 13);
	ck_assert_int_eq(read(peer, text, 13), 13);
	ck_assert_int_eq(memcmp(text, "one two three", 13), 0);
	while ((sent = wire_send(&w, &(struct iovec){much, sizeof much}, 1)) > 0)
		;
	ck_assert_int_eq(sent, -EAGAIN);
}
END_TEST

START_TEST(a_peer_that_has_gone_costs_no_signal_and_its_last_words_are_heard)
{
	struct span line;

	signal(SIGPIPE, SIG_DFL);
	connect_both();
	ck_assert_int_eq(write(peer, "bye\n", 4), 4);
	close(peer);
	ck_assert_int_eq(send_text("x"), -EPIPE);
	while (wire_read(&w) != WIRE_ENDED)
		;
	ck_assert_int_eq((int)frame_next(&w.in, &line), FRAME_LINE);
	ck_assert(span_is(line, SPAN("bye")));
}
END_TEST

START_TEST(words_unread_by_a_peer_that_has_gone_are_an_end_like_any_other)
{
	connect_both();
	ck_assert_int_eq(send_text("x"), 1);
	close(peer); /* ECONNRESET */
	ck_assert_int_eq((int)wire_read(&w), WIRE_ENDED);
}
END_TEST

START_TEST(a_daemon_with_too_many_callers_is_told_from_none)
{
	struct wire others[8];
	int failed = 0;

	for (int i = 0; i < 8; i++) {
		others[i] = (struct wire){.fd = -1};
		int result = wire_open(&others[i], path, 1000);
		failed = result ? result : failed;
	}
	ck_assert_int_eq(failed, EAGAIN);
	close(listener);
	ck_assert_int_eq(wire_open(&w, path, 1000), ECONNREFUSED);
	unlink(path);
	ck_assert_int_eq(wire_open(&w, path, 1000), ENOENT);
	for (int i = 0; i < 8; i++)
		wire_close(&others[i]);
}
END_TEST

START_TEST(a_path_is_never_cut)
{
	char longest[200];

	memset(longest, 'x', sizeof longest);
	longest[108] = '\0';
	ck_assert_int_eq(wire_open(&w, longest, 1000), ENAMETOOLONG);
	longest[107] = '\0';
	ck_assert_int_eq(wire_open(&w, longest, 1000), ENOENT);
	ck_assert_int_eq(w.fd, -1);
}
END_TEST

START_TEST(a_path_where_something_else_is_is_told_from_one_where_nothing_is)
{
	ck_assert_int_eq(wire_open(&w, "", 1000), EINVAL);
	ck_assert_int_eq(wire_open(&w, "/dev/null", 1000), ENOTSOCK);
	ck_assert_int_eq(wire_open(&w, "/", 1000), ENOTSOCK);
	ck_assert_int_eq(w.fd, -1);
	ck_assert_str_eq(wire_place("/dev/null"), "a device");
	ck_assert_str_eq(wire_place("/"), "a directory");
	ck_assert_str_eq(wire_place("/proc/self/exe"), "a file");
	ck_assert_ptr_null(wire_place(path));
	ck_assert_ptr_null(wire_place("/nonexistent"));
}
END_TEST

START_TEST(other_programs_do_not_inherit_the_connection)
{
	connect_both();
	ck_assert_int_eq(fcntl(w.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}
END_TEST

START_TEST(a_closed_connection_leaves_the_epoll_set_though_a_child_still_has_it)
{
	struct epoll_event seen;
	int epoll = epoll_create1(EPOLL_CLOEXEC), hold[2];

	connect_both();
	ck_assert_int_eq(wire_watch(&w, epoll, POLLIN), 0);
	ck_assert_int_eq(wire_watch(&w, epoll, POLLIN), 0);
	ck_assert_int_eq(epoll_wait(epoll, &seen, 1, 0), 0);
	ck_assert_int_eq(wire_watch(&w, epoll, POLLIN | POLLOUT), 0);
	ck_assert_int_eq(epoll_wait(epoll, &seen, 1, 0), 1);
	ck_assert_int_eq(pipe(hold), 0);
	pid_t child = fork();
	if (child == 0) {
		char c;
		close(hold[1]);
		_exit(read(hold[0], &c, 1) == 0 ? 0 : 1);
	}
	wire_close(&w);
	wire_close(&w);
	close(peer);
	ck_assert_int_eq(epoll_wait(epoll, &seen, 1, 0), 0);
	close(hold[0]);
	close(hold[1]);
	waitpid(child, NULL, 0);
	close(epoll);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("wire");
	TCase *t = tcase_create("wire");
	tcase_add_checked_fixture(t, set_up, tear_down);
	suite_add_tcase(s, t);
	tcase_add_test(t, lines_come_whole_whatever_the_reads);
	tcase_add_test(t, nothing_to_read_is_not_waited_for);
	tcase_add_test(t, parts_leave_in_their_order_and_a_full_socket_is_not_waited_for);
	tcase_add_test(t, a_peer_that_has_gone_costs_no_signal_and_its_last_words_are_heard);
	tcase_add_test(t, words_unread_by_a_peer_that_has_gone_are_an_end_like_any_other);
	tcase_add_test(t, a_daemon_with_too_many_callers_is_told_from_none);
	tcase_add_test(t, a_path_is_never_cut);
	tcase_add_test(t, a_path_where_something_else_is_is_told_from_one_where_nothing_is);
	tcase_add_test(t, other_programs_do_not_inherit_the_connection);
	tcase_add_test(t, a_closed_connection_leaves_the_epoll_set_though_a_child_still_has_it);
	return unit_run(s);
}
