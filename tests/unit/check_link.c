#include "client/link.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char dir[] = "/tmp/check-link-XXXXXX", path[64];
static int listener;
static struct link *l;

static void set_up(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/sock", dir);
	strcpy(address.sun_path, path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	l = NULL;
}

static void tear_down(void)
{
	link_close(l);
	close(listener);
	unlink(path);
	rmdir(dir);
}

/* A daemon that does one thing with the first connection. */
static pthread_t serve(void *(*with)(void *))
{
	pthread_t thread;
	ck_assert_int_eq(pthread_create(&thread, NULL, with, NULL), 0);
	ck_assert_int_eq((int)link_open(path, link_deadline(10), &l), LINK_OK);
	return thread;
}

static void write_all(int fd, const char *at, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, at, len);
		if (n <= 0)
			return;
		at += n;
		len -= (size_t)n;
	}
}

static void *echo_slowly(void *unused)
{
	(void)unused;
	int fd = accept(listener, NULL, NULL);
	char text[256];
	ssize_t n = read(fd, text, sizeof text);
	for (ssize_t i = 0; i < n; i++)
		write_all(fd, text + i, 1);
	write_all(fd, "second\r\nlast", 12);
	close(fd);
	return NULL;
}

START_TEST(lines_come_whole_whatever_the_reads)
{
	struct span line;
	pthread_t thread = serve(echo_slowly);
	ck_assert_int_eq((int)link_send(l, SPAN("{\"a\":1}\n"), link_deadline(10)), LINK_OK);
	ck_assert_int_eq((int)link_next(l, &line, link_deadline(10)), LINK_OK);
	ck_assert(span_is(line, SPAN("{\"a\":1}")));
	ck_assert_int_eq((int)link_next(l, &line, link_deadline(10)), LINK_OK);
	ck_assert(span_is(line, SPAN("second")));
	ck_assert_int_eq((int)link_next(l, &line, LINK_FOREVER), LINK_OK);
	ck_assert(span_is(line, SPAN("last")));
	ck_assert_int_eq((int)link_next(l, &line, link_deadline(10)), LINK_CLOSED);
	pthread_join(thread, NULL);
}
END_TEST

static void *say_nothing(void *unused)
{
	(void)unused;
	int fd = accept(listener, NULL, NULL);
	usleep(400000);
	write_all(fd, "late\n", 5);
	usleep(100000);
	close(fd);
	return NULL;
}

START_TEST(a_silent_daemon_costs_no_more_than_the_deadline_and_the_link_lives_on)
{
	struct span line;
	pthread_t thread = serve(say_nothing);
	ck_assert_int_eq((int)link_next(l, &line, link_deadline(0.05)), LINK_TIMEOUT);
	ck_assert_int_eq((int)link_next(l, &line, link_deadline(10)), LINK_OK);
	ck_assert(span_is(line, SPAN("late")));
	pthread_join(thread, NULL);
}
END_TEST

static void on_alarm(int signal)
{
	(void)signal;
}

START_TEST(a_signal_does_not_end_a_wait)
{
	struct span line;
	struct sigaction action = {.sa_handler = on_alarm};
	pthread_t thread = serve(say_nothing);
	sigaction(SIGALRM, &action, NULL);
	ualarm(20000, 20000);
	ck_assert_int_eq((int)link_next(l, &line, link_deadline(10)), LINK_OK);
	ualarm(0, 0);
	pthread_join(thread, NULL);
}
END_TEST

enum { BIG = 9 << 20 };

/* Does not read before all that it has to say is taken. */
static void *talk_first(void *unused)
{
	(void)unused;
	int fd = accept(listener, NULL, NULL);
	char *text = malloc(BIG);
	size_t got = 0;
	memset(text, 'x', BIG);
	text[BIG - 1] = '\n';
	write_all(fd, text, BIG);
	for (ssize_t n; got < BIG && (n = read(fd, text, BIG)) > 0;)
		got += (size_t)n;
	write_all(fd, got == BIG ? "all\n" : "part\n", got == BIG ? 4 : 5);
	free(text);
	close(fd);
	return NULL;
}

START_TEST(two_full_pipes_do_not_wait_for_each_other)
{
	struct span line;
	char *text = malloc(BIG);
	pthread_t thread = serve(talk_first);
	memset(text, 'y', BIG);
	ck_assert_int_eq((int)link_send(l, (struct span){text, BIG}, link_deadline(30)), LINK_OK);
	ck_assert_int_eq((int)link_next(l, &line, link_deadline(10)), LINK_OK);
	ck_assert_uint_eq(line.len, BIG - 1);
	ck_assert_int_eq((int)link_next(l, &line, link_deadline(10)), LINK_OK);
	ck_assert(span_is(line, SPAN("all")));
	pthread_join(thread, NULL);
	free(text);
}
END_TEST

static void *take_little(void *unused)
{
	(void)unused;
	int fd = accept(listener, NULL, NULL);
	char text[100];
	(void)!read(fd, text, sizeof text);
	usleep(200000);
	close(fd);
	return NULL;
}

START_TEST(sending_to_a_daemon_that_stops_reading_or_goes_away_ends)
{
	char *text = malloc(BIG);
	memset(text, 'y', BIG);
	pthread_t thread = serve(take_little);
	ck_assert_int_eq((int)link_send(l, (struct span){text, BIG}, link_deadline(0.05)), LINK_TIMEOUT);
	ck_assert_int_eq((int)link_send(l, (struct span){text, BIG}, link_deadline(10)), LINK_CLOSED);
	pthread_join(thread, NULL);
	free(text);
}
END_TEST

static void *flood(void *unused)
{
	(void)unused;
	int fd = accept(listener, NULL, NULL);
	char text[1 << 16];
	memset(text, 'x', sizeof text);
	for (size_t sent = 0; sent <= LINK_LINE_MAX; sent += sizeof text)
		write_all(fd, text, sizeof text);
	write_all(fd, "\nafter\n", 7);
	close(fd);
	return NULL;
}

START_TEST(a_reply_beyond_any_limit_is_skipped_and_the_next_is_read)
{
	struct span line;
	pthread_t thread = serve(flood);
	ck_assert_int_eq((int)link_next(l, &line, link_deadline(30)), LINK_TOO_LONG);
	ck_assert_int_eq((int)link_next(l, &line, link_deadline(30)), LINK_OK);
	ck_assert(span_is(line, SPAN("after")));
	pthread_join(thread, NULL);
}
END_TEST

START_TEST(no_daemon_and_no_such_path_say_why)
{
	char long_path[300];
	memset(long_path, 'a', sizeof long_path);
	long_path[sizeof long_path - 1] = '\0';
	ck_assert_int_eq((int)link_open("/nonexistent/sock", link_deadline(1), &l), LINK_FAILED);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq((int)link_open(long_path, link_deadline(1), &l), LINK_FAILED);
	ck_assert_int_eq(errno, ENAMETOOLONG);
	close(listener);
	ck_assert_int_eq((int)link_open(path, link_deadline(1), &l), LINK_FAILED);
	ck_assert_int_eq(errno, ECONNREFUSED);
	ck_assert_ptr_null(l);
}
END_TEST

START_TEST(a_daemon_whose_backlog_is_full_costs_no_more_than_the_deadline)
{
	struct link *more[8] = {0};
	enum link_result result = LINK_OK;
	size_t made = 0;
	while (made < 8 && result == LINK_OK)
		result = link_open(path, link_deadline(0.05), &more[made++]);
	ck_assert_int_eq((int)result, LINK_TIMEOUT);
	for (size_t i = 0; i < made; i++)
		link_close(more[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("link");
	TCase *tests = tcase_create("link");
	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, lines_come_whole_whatever_the_reads);
	tcase_add_test(tests, a_silent_daemon_costs_no_more_than_the_deadline_and_the_link_lives_on);
	tcase_add_test(tests, a_signal_does_not_end_a_wait);
	tcase_add_test(tests, two_full_pipes_do_not_wait_for_each_other);
	tcase_add_test(tests, sending_to_a_daemon_that_stops_reading_or_goes_away_ends);
	tcase_add_test(tests, a_reply_beyond_any_limit_is_skipped_and_the_next_is_read);
	tcase_add_test(tests, no_daemon_and_no_such_path_say_why);
	tcase_add_test(tests, a_daemon_whose_backlog_is_full_costs_no_more_than_the_deadline);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
