/* Several users on one daemon: what each may do, and that none can take what the others need. Only root can connect as
 * somebody else: for anybody else all of this is skipped. */
#include "tests/integration/client.h"
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OTHER_USER = 65534, OTHER_GROUP = 65533, THIRD_USER = 12345, FORBIDDEN = -32006 };
enum { SKIPPED = 77 }; /* as meson understands it */

static struct daemon *d;

static void teardown(void)
{
	if (d)
		daemon_end(d);
}

/* Everybody can get to the socket. */
static struct daemon *reachable(void)
{
	struct daemon *made = daemon_new();
	char above[sizeof made->dir + 4];
	snprintf(above, sizeof above, "%s/..", made->dir);
	ck_assert_int_eq(chmod(made->dir, 0711), 0);
	ck_assert_int_eq(chmod(above, 0711), 0);
	return made;
}

static void start(const char *const *flags)
{
	d = reachable();
	daemon_start(d, flags);
}

static char *configure(const char *text)
{
	char *path;
	ck_assert_int_gt(asprintf(&path, "%s/persistd.conf", d->dir), 0);
	file_write(path, text, strlen(text));
	return path;
}

/* The kernel notes who connects at that moment. */
static struct client *open_as(uid_t user, gid_t group)
{
	gid_t kept[64];
	int groups = getgroups(64, kept);
	gid_t before = getegid();
	ck_assert_int_eq(setgroups(group ? 1 : 0, &group), 0);
	ck_assert_int_eq(setegid(user), 0);
	ck_assert_int_eq(seteuid(user), 0);
	struct client *c = client_try_open(d);
	ck_assert_int_eq(seteuid(0), 0);
	ck_assert_int_eq(setegid(before), 0);
	ck_assert_int_eq(setgroups((size_t)groups, kept), 0);
	return c;
}

static void expect_reader(struct client *c)
{
	client_call(c, "job.list", NULL);
	client_refused(c, FORBIDDEN, "job.save", JSON({"job":{"id":"a"}}));
}

START_TEST(whom_no_rule_fits_may_only_ask_whether_the_daemon_is_there)
{
	start(ARGS("--socket-mode", "0666"));
	struct client *c = open_as(OTHER_USER, 0);
	client_call(c, "server.ping", NULL);
	client_refused(c, FORBIDDEN, "job.list", NULL);
	client_refused(c, FORBIDDEN, "rpc.discover", NULL);
	client_refused(c, FORBIDDEN, "job.save", JSON({"job":{"id":"a"}}));
}
END_TEST

START_TEST(members_of_the_socket_s_group_may_write_and_others_cannot_connect)
{
	start(ARGS("--socket-group", "nogroup"));
	struct stat s;
	ck_assert_int_eq(stat(d->socket, &s), 0);
	ck_assert_uint_eq(s.st_gid, getgrnam("nogroup")->gr_gid);
	ck_assert_uint_eq(s.st_mode & 0777, 0660);
	struct client *member = open_as(THIRD_USER, s.st_gid);
	client_call(member, "job.save", JSON({"job":{"id":"a"}}));
	client_refused(member, FORBIDDEN, "server.flush", NULL);
	ck_assert_ptr_null(open_as(THIRD_USER, 0));
	client_call(client_open(d), "server.flush", NULL); /* root is admin */
}
END_TEST

START_TEST(roles_are_given_by_user_and_by_group_and_change_with_a_reload)
{
	d = reachable();
	char *conf = configure("[roles]\nrole_read = 65534\nrole_write = @65533\n");
	daemon_start(d, ARGS("--config", conf, "--socket-mode", "0666"));
	struct client *reader = open_as(OTHER_USER, OTHER_GROUP), *writer = open_as(THIRD_USER, OTHER_GROUP);
	expect_reader(reader);
	client_call(writer, "job.save", JSON({"job":{"id":"a"}}));
	configure("[roles]\nrole_write = 65534\n");
	daemon_send_signal(d, SIGHUP);
	while (!strstr(daemon_errors(d), "reloaded"))
		sleep_ms(5);
	client_call(reader, "job.save", JSON({"job":{"id":"b"}}));
	client_refused(writer, FORBIDDEN, "job.get", JSON({"id":"a"}));
}
END_TEST

/* One line that says which limit, and then the end: not a reset, which would take the line away from some. */
static void expect_refused(struct client *c, const char *hint)
{
	struct pollfd ready = {.fd = client_fd(c), .events = POLLIN};
	char line[1024];
	size_t len = 0;
	for (;;) {
		ck_assert_int_eq(poll(&ready, 1, DEADLINE_MS), 1);
		ssize_t got = recv(ready.fd, line + len, sizeof line - 1 - len, 0);
		ck_assert_msg(got >= 0, "after %zu bytes: %s", len, strerror(errno));
		if (got == 0)
			break;
		len += (size_t)got;
	}
	line[len] = '\0';
	ck_assert_uint_gt(len, 1);
	ck_assert_ptr_eq(strchr(line, '\n'), line + len - 1);
	json_t *reply = json_parsed(line);
	expect_error(reply, LIMIT, "null");
	expect_fault(value_at(reply, "error"), "limit", NULL, hint);
	client_close(c);
}

/* So many connections of a user as it gets, at most `count`. */
static int fill_with(uid_t user, int count)
{
	for (int i = 0; i < count; i++) {
		struct client *c = open_as(user, 0);
		static const char ping[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server.ping\"}\n";
		send(client_fd(c), ping, sizeof ping - 1, MSG_NOSIGNAL); /* it may be closed already */
		if (has_value_at(client_reply(c), "error"))
			return i;
	}
	return count;
}

START_TEST(one_user_cannot_take_all_connections)
{
	start(ARGS("--socket-mode", "0666", "--role-write", "*", "--max-user-connections", "5"));
	ck_assert_int_eq(fill_with(OTHER_USER, 5), 5);
	expect_refused(open_as(OTHER_USER, 0), "max_user_connections");
	client_call(open_as(THIRD_USER, 0), "job.save", JSON({"job":{"id":"other"}}));
	client_call(client_open(d), "server.ping", NULL);
}
END_TEST

START_TEST(one_that_is_refused_with_requests_on_their_way_still_reads_why)
{
	start(ARGS("--socket-mode", "0666", "--max-user-connections", "1"));
	struct client *first = open_as(OTHER_USER, 0), *refused[3];
	client_call(first, "server.ping", NULL);
	daemon_send_signal(d, SIGSTOP);
	for (int i = 0; i < 3; i++) {
		refused[i] = open_as(OTHER_USER, 0);
		for (int k = 0; k < 50; k++)
			client_say(refused[i], JSON({"jsonrpc":"2.0","id":1,"method":"server.ping"}));
	}
	daemon_send_signal(d, SIGCONT);
	for (int i = 0; i < 3; i++)
		expect_refused(refused[i], "max_user_connections");
	client_call(first, "server.ping", NULL);
	ck_assert_int_eq(whole_at(daemon_call(d, "server.stats", NULL), "connections.refused_limit"), 3);
}
END_TEST

START_TEST(a_burst_of_refused_connections_takes_no_descriptors_from_the_others)
{
	enum { BURST = 400 };
	static struct client *refused[BURST];
	start(ARGS("--socket-mode", "0666", "--max-user-connections", "5"));
	struct rlimit files = {.rlim_cur = 80, .rlim_max = 80};
	ck_assert_int_eq(prlimit(d->pid, RLIMIT_NOFILE, &files, NULL), 0);
	ck_assert_int_eq(fill_with(OTHER_USER, 5), 5);
	daemon_send_signal(d, SIGSTOP);
	for (int i = 0; i < BURST; i++)
		refused[i] = open_as(OTHER_USER, 0);
	struct client *root = client_open(d);
	daemon_send_signal(d, SIGCONT);
	client_call(root, "job.save", JSON({"job":{"id":"a"}}));
	for (int i = 0; i < BURST; i++)
		expect_refused(refused[i], "max_user_connections");
	ck_assert_ptr_null(strstr(daemon_errors(d), "open files"));
}
END_TEST

START_TEST(a_user_s_limits_above_the_daemon_s_still_leave_room_for_others)
{
	start(ARGS("--socket-mode", "0666", "--max-connections", "32", "--max-user-connections", "1000",
	           "--max-in-flight", "8M", "--max-user-bytes", "1G"));
	int got = fill_with(OTHER_USER, 32);
	ck_assert_int_gt(got, 16);
	ck_assert_int_lt(got, 28);
	expect_refused(open_as(OTHER_USER, 0), "max_connections");
	client_call(open_as(THIRD_USER, 0), "server.ping", NULL);
	json_t *limits = value_at(daemon_call(d, "server.info", NULL), "limits");
	ck_assert_int_eq(whole_at(limits, "user_connections"), got);
	ck_assert_int_lt(whole_at(limits, "user_bytes"), 8 << 20);
	ck_assert_ptr_nonnull(strstr(daemon_errors(d), "max_user_connections"));
	ck_assert_ptr_nonnull(strstr(daemon_errors(d), "max_user_bytes"));
}
END_TEST

START_TEST(a_reload_says_which_limits_of_a_user_are_cut)
{
	d = reachable();
	char *conf = configure("[limits]\nmax_connections = 32\nmax_user_connections = 8\nmax_user_bytes = 1M\n");
	daemon_start(d, ARGS("--config", conf, "--socket-mode", "0666"));
	ck_assert_ptr_null(strstr(daemon_errors(d), "max_user"));
	configure("[limits]\nmax_connections = 32\nmax_user_connections = 32\nmax_user_bytes = 1M\n");
	daemon_send_signal(d, SIGHUP);
	while (!strstr(daemon_errors(d), "reloaded"))
		sleep_ms(5);
	ck_assert_ptr_nonnull(strstr(daemon_errors(d), "max_user_connections"));
	ck_assert_ptr_null(strstr(daemon_errors(d), "max_user_bytes"));
	ck_assert_int_lt(fill_with(OTHER_USER, 32), 28);
}
END_TEST

START_TEST(an_administrator_gets_in_when_the_others_have_all_connections)
{
	start(ARGS("--socket-mode", "0666", "--max-connections", "32"));
	for (uid_t user = THIRD_USER; user < THIRD_USER + 4; user++)
		fill_with(user, 32);
	expect_refused(open_as(OTHER_USER, 0), "max_connections");
	struct client *root = client_open(d);
	client_call(root, "job.save", JSON({"job":{"id":"a"}}));
	client_call(client_open(d), "server.stats", NULL);
	client_call(client_open(d), "server.flush", NULL);
}
END_TEST

/* Asks for much on many connections and reads nothing. */
static void hoard(uid_t user)
{
	static const char get[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.get\",\"params\":{\"id\":\"a\"}}\n";
	static const char nonsense[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"}\n";
	for (int i = 0; i < 12; i++) {
		struct client *c = open_as(user, 0);
		const char *line = i % 2 ? get : nonsense;
		for (int k = 0; k < 4000; k++)
			if (client_push(c, line, strlen(line), 20) < strlen(line))
				break;
	}
}

START_TEST(an_administrator_is_answered_when_the_others_unread_replies_fill_the_memory)
{
	start(ARGS("--socket-mode", "0666", "--role-write", "*", "--max-user-bytes", "1G", "--max-in-flight", "2M", "--max-queued", "512K"));
	struct client *root = client_open(d);
	char text[20000];
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	client_call(root, "job.save", "{\"job\":{\"id\":\"a\",\"error\":\"%s\"}}", text);
	for (uid_t user = THIRD_USER; user < THIRD_USER + 4; user++)
		hoard(user);
	json_t *refused = client_refused(open_as(OTHER_USER, 0), LIMIT, "job.get", JSON({"id":"a"}));
	expect_fault(refused, "limit", NULL, "queued_bytes");
	client_refused(open_as(OTHER_USER, 0), LIMIT, "rpc.discover", NULL);
	for (int i = 0; i < 50; i++) {
		client_call(root, "job.get", JSON({"id":"a"}));
		client_call(root, "job.list", NULL);
		client_call(root, "job.save", JSON({"job":{"id":"b"}}));
	}
	ck_assert_int_lt(whole_at(client_call(root, "server.stats", NULL), "backpressure.queued_bytes"), 2 << 20);
}
END_TEST

START_TEST(an_administrator_s_long_line_is_taken_when_the_others_unfinished_ones_fill_the_memory)
{
	start(ARGS("--socket-mode", "0666", "--role-write", "*", "--max-user-bytes", "1G", "--max-unfinished", "2M"));
	static char text[300000];
	memset(text, 'x', sizeof text - 1);
	for (uid_t user = THIRD_USER; user < THIRD_USER + 4; user++)
		for (int i = 0; i < 8; i++)
			client_push(open_as(user, 0), text, 200000, 100);
	struct client *root = client_open(d);
	static const char head[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.save\",\"params\":{\"job\":{\"id\":\"a\",\"error\":\"";
	client_write(root, head, sizeof head - 1);
	client_write(root, text, 200000);
	sleep_ms(100);
	client_say(root, "\"}}}");
	ck_assert(has_value_at(client_reply(root), "result"));
	ck_assert_int_ge(whole_at(client_call(root, "server.stats", NULL), "backpressure.unfinished_dropped"), 1);
}
END_TEST

START_TEST(one_user_s_unread_replies_cannot_take_the_memory_of_the_others)
{
	enum { CONNECTIONS = 20, REQUESTS = 200 };
	start(ARGS("--socket-mode", "0666", "--role-write", "*", "--max-user-bytes", "1M", "--max-queued", "256K"));
	char text[20000];
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	struct client *other = open_as(THIRD_USER, 0);
	client_call(other, "job.save", "{\"job\":{\"id\":\"a\",\"error\":\"%s\"}}", text);
	struct client *greedy[CONNECTIONS];
	for (int i = 0; i < CONNECTIONS; i++) {
		greedy[i] = open_as(OTHER_USER, 0);
		for (int k = 0; k < REQUESTS; k++) {
			char line[128];
			int len = snprintf(line, sizeof line, "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"job.get\",\"params\":{\"id\":\"a\"}}\n", k);
			if (client_push(greedy[i], line, (size_t)len, 50) < (size_t)len)
				break;
		}
	}
	/* the others are served as before */
	long long held = whole_at(client_call(other, "server.stats", NULL), "backpressure.queued_bytes");
	ck_assert_int_lt(held, (2 << 20) + CONNECTIONS * 40000);
	for (int k = 0; k < 50; k++)
		client_call(other, "job.get", JSON({"id":"a"}));
	client_call(other, "job.save", JSON({"job":{"id":"b"}}));
	/* the greedy one is told why, and goes on once it has read */
	while (!has_value_at(daemon_call(d, "server.stats", NULL), "errors.limit"))
		sleep_ms(5);
	bool told = false;
	for (int i = 0; i < CONNECTIONS; i++)
		for (char *line; (line = client_line_within(greedy[i], 200));)
			told |= strstr(line, "max_user_bytes") != NULL;
	ck_assert(told);
	client_call(open_as(OTHER_USER, 0), "job.get", JSON({"id":"a"}));
}
END_TEST

/* What is held for clients that do not read, replies and batches. */
static long long held(struct client *c)
{
	json_t *stats = client_call(c, "server.stats", NULL);
	return whole_at(stats, "backpressure.queued_bytes") + whole_at(stats, "backpressure.bytes_in_flight");
}

static char *batch_of(int count, const char *most, const char *last, size_t *len)
{
	char *text;
	FILE *out = open_memstream(&text, len);
	for (int i = 0; i < count; i++)
		fprintf(out, "%c%s", i ? ',' : '[', i == count - 1 ? last : most);
	fprintf(out, "]\n");
	fclose(out);
	return text;
}

START_TEST(one_that_may_do_nothing_cannot_fill_the_memory_with_the_errors_of_its_batches)
{
	enum { CONNECTIONS = 200, CALLS = 1300 }; /* replies of ten times what was sent */
	size_t len;
	char *line = batch_of(CALLS, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.list\"}", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"}", &len);
	start(ARGS("--socket-mode", "0666", "--role-none", "65534", "--max-user-bytes", "16M"));
	struct client *root = client_open(d);
	for (int i = 0; i < CONNECTIONS; i++)
		client_push(open_as(OTHER_USER, 0), line, len, 100);
	while (!has_value_at(client_call(root, "server.stats", NULL), "errors.limit"))
		sleep_ms(5);
	ck_assert_int_lt(held(root), 24 << 20);
	client_call(root, "job.save", JSON({"job":{"id":"a"}}));
	/* one that reads has its batch answered whole again, once the others are gone */
	struct client *other = open_as(THIRD_USER, 0);
	client_write(other, line, len);
	ck_assert_uint_eq(json_array_size(client_reply(other)), CALLS);
}
END_TEST

START_TEST(replies_that_a_batch_collects_count_for_its_user)
{
	enum { CONNECTIONS = 20 };
	static char text[100000];
	size_t len;
	char *line = batch_of(100, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.get\",\"params\":{\"id\":\"big\"}}",
	                      "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"artifact.read\",\"params\":[\"none\"]}", &len);
	start(ARGS("--socket-mode", "0666", "--role-write", "*", "--max-user-bytes", "4M"));
	struct client *root = client_open(d), *all[CONNECTIONS];
	memset(text, 'x', sizeof text - 1);
	client_call(root, "job.save", "{\"job\":{\"id\":\"big\",\"error\":\"%s\"}}", text);
	for (int i = 0; i < CONNECTIONS; i++)
		all[i] = open_as(OTHER_USER, 0);
	daemon_send_signal(d, SIGSTOP); /* so that they go on side by side */
	for (int i = 0; i < CONNECTIONS; i++)
		client_write(all[i], line, len);
	daemon_send_signal(d, SIGCONT);
	sleep_ms(500);
	ck_assert_int_lt(held(root), 40 << 20);
	for (int i = 0; i < CONNECTIONS; i++) {
		json_t *reply = client_reply(all[i]);
		if (json_is_array(reply))
			ck_assert_uint_eq(json_array_size(reply), 100);
		else
			expect_error(reply, LIMIT, "null");
	}
	ck_assert_int_lt(held(root), 1 << 20); /* nothing is counted for ever */
}
END_TEST

START_TEST(one_user_s_unread_errors_do_not_keep_the_others_from_reading)
{
	enum { CONNECTIONS = 30, REQUESTS = 8000 };
	start(ARGS("--socket-mode", "0666", "--role-none", "65534", "--max-user-bytes", "1M", "--max-in-flight", "4M"));
	static const char line[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"}\n";
	for (int i = 0; i < CONNECTIONS; i++) {
		struct client *greedy = open_as(OTHER_USER, 0);
		for (int k = 0; k < REQUESTS; k++)
			if (client_push(greedy, line, sizeof line - 1, 20) < sizeof line - 1)
				break;
	}
	struct client *root = client_open(d);
	for (int k = 0; k < 50; k++) {
		client_call(root, "job.list", NULL);
		client_call(root, "server.ping", NULL);
		sleep_ms(5);
	}
	long long held = whole_at(client_call(root, "server.stats", NULL), "backpressure.queued_bytes");
	ck_assert_int_lt(held, 4 << 20);
}
END_TEST

START_TEST(one_user_s_calls_in_flight_do_not_count_for_the_others)
{
	enum { CONNECTIONS = 10, CALLS = 4 };
	struct client *all[CONNECTIONS];
	start(ARGS("--socket-mode", "0666", "--role-write", "*", "--max-user-calls", "4"));
	struct client *other = open_as(THIRD_USER, 0);
	client_call(other, "server.ping", NULL);
	for (int i = 0; i < CONNECTIONS; i++)
		client_call(all[i] = open_as(OTHER_USER, 0), "server.ping", NULL);
	daemon_send_signal(d, SIGSTOP); /* so that no commit comes between them */
	for (int i = 0; i < CONNECTIONS; i++)
		client_say(all[i], JSON({"jsonrpc":"2.0","id":1,"method":"job.save","params":{"job":{"id":"j%d"}}}), i);
	client_say(other, JSON({"jsonrpc":"2.0","id":1,"method":"job.save","params":{"job":{"id":"other"}}}));
	daemon_send_signal(d, SIGCONT);
	ck_assert(has_value_at(client_reply(other), "result"));
	int stored = 0;
	for (int i = 0; i < CONNECTIONS; i++) {
		json_t *reply = client_reply(all[i]);
		stored += has_value_at(reply, "result");
		if (has_value_at(reply, "error"))
			expect_fault(value_at(reply, "error"), "limit", NULL, "max_user_calls");
	}
	ck_assert_int_eq(stored, CALLS);
	ck_assert_int_eq(whole_at(client_call(other, "job.count", NULL), "total"), CALLS + 1);
	client_call(all[CONNECTIONS - 1], "job.save", JSON({"job":{"id":"later"}}));
}
END_TEST

/* Runs `nuisance` as another user for as long as the test does. */
static void disturb(void (*nuisance)(void))
{
	pid_t child = fork();
	ck_assert_int_ge(child, 0);
	if (child)
		return;
	if (setgroups(0, NULL) == 0 && setgid(OTHER_USER) == 0 && setuid(OTHER_USER) == 0 &&
	    prctl(PR_SET_PDEATHSIG, SIGKILL) == 0) /* which a change of user would take back */
		nuisance();
	_exit(1);
}

static void connect_for_ever(void)
{
	for (;;) {
		struct client *c = client_try_open(d);
		if (c)
			client_close(c);
	}
}

static void ask_on_many_connections_for_ever(void)
{
	enum { CONNECTIONS = 400, LINES = 500 };
	static const char ping[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server.ping\"}\n";
	static char lines[LINES * sizeof ping], replies[1 << 16];
	static struct { int fd; size_t sent; } all[CONNECTIONS];
	for (int i = 0; i < LINES; i++)
		memcpy(lines + i * (sizeof ping - 1), ping, sizeof ping - 1);
	size_t len = LINES * (sizeof ping - 1);
	for (int i = 0; i < CONNECTIONS; i++)
		all[i].fd = client_fd(client_open(d));
	for (;;) {
		for (int i = 0; i < CONNECTIONS; i++) {
			while (recv(all[i].fd, replies, sizeof replies, 0) > 0)
				;
			ssize_t put = send(all[i].fd, lines + all[i].sent, len - all[i].sent, MSG_NOSIGNAL);
			if (put > 0)
				all[i].sent = (all[i].sent + (size_t)put) % len;
		}
	}
}

static int by_size(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Milliseconds that half of the calls took at most. */
static int usual_wait(struct client *c)
{
	enum { CALLS = 21 };
	int took[CALLS];
	for (int i = 0; i < CALLS; i++) {
		long long begun = clock_ms();
		client_call(c, "server.ping", NULL);
		took[i] = (int)(clock_ms() - begun);
		sleep_ms(10);
	}
	qsort(took, CALLS, sizeof *took, by_size);
	return took[CALLS / 2];
}

START_TEST(one_that_connects_again_and_again_does_not_keep_the_others_waiting)
{
	start(ARGS("--socket-mode", "0666"));
	struct client *root = client_open(d);
	disturb(connect_for_ever);
	disturb(connect_for_ever);
	while (whole_at(client_call(root, "server.stats", NULL), "connections.accepted") < 1000)
		sleep_ms(10);
	ck_assert_int_lt(usual_wait(root), 100);
	client_call(client_open(d), "server.ping", NULL);
}
END_TEST

START_TEST(one_that_asks_on_hundreds_of_connections_does_not_keep_the_others_waiting)
{
	start(ARGS("--socket-mode", "0666"));
	struct client *root = client_open(d);
	disturb(ask_on_many_connections_for_ever);
	while (whole_at(client_call(root, "server.stats", NULL), "wire.lines") < 20000)
		sleep_ms(10);
	ck_assert_int_lt(usual_wait(root), 50);
	client_call(client_open(d), "server.ping", NULL);
}
END_TEST

START_TEST(one_that_reads_many_large_artifacts_does_not_keep_the_others_from_reading_theirs)
{
	enum { CONNECTIONS = 30, NUMBERS = 400000 };
	start(ARGS("--socket-mode", "0666", "--role-read", "*"));
	struct client *root = client_open(d), *other = open_as(THIRD_USER, 0);
	char *text, large[200], small[200];
	size_t len;
	FILE *out = open_memstream(&text, &len);
	for (int i = 0; i < NUMBERS; i++)
		fprintf(out, "%c%d.5", i ? ',' : '[', i);
	fprintf(out, "]");
	fclose(out);
	client_call(root, "run.create_or_update", JSON({"run_id":"r","kind":"k"}));
	strcpy(large, text_at(client_call(root, "artifact.save", "{\"run_id\":\"r\",\"payload\":%s}", text), "id"));
	strcpy(small, text_at(client_call(root, "artifact.save", JSON({"run_id":"r","payload":1})), "id"));
	for (int i = 0; i < CONNECTIONS; i++) {
		struct client *greedy = open_as(OTHER_USER, 0);
		for (int k = 0; k < 2; k++)
			client_say(greedy, JSON({"jsonrpc":"2.0","id":1,"method":"artifact.read","params":{"id":"%s"}}), large);
	}
	while (whole_at(client_call(root, "server.stats", NULL), "wire.lines") < 2 * CONNECTIONS)
		sleep_ms(1);
	client_call(other, "artifact.read", JSON({"id":"%s"}), small);
	json_t *methods = value_at(client_call(root, "server.stats", NULL), "methods");
	ck_assert_int_lt(whole_at(json_object_get(methods, "artifact.read"), "calls"), CONNECTIONS);
}
END_TEST

START_TEST(who_may_do_nothing_cannot_keep_the_daemon_busy_with_long_lines)
{
	static char text[200000];
	memset(text, 'x', sizeof text - 1);
	d = reachable();
	char *conf = configure("[roles]\nrole_none = 65534\n");
	daemon_start(d, ARGS("--config", conf, "--socket-mode", "0666"));
	struct client *c = open_as(OTHER_USER, 0);
	client_say(c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.save\",\"params\":{\"job\":{\"error\":\"%s\"}}}", text);
	json_t *reply = client_reply(c);
	expect_error(reply, TOO_LARGE, "null");
	expect_fault(value_at(reply, "error"), "too_large", NULL, "role");
	client_call(c, "server.ping", NULL);
	configure("[roles]\nrole_write = 65534\n");
	daemon_send_signal(d, SIGHUP);
	while (!strstr(daemon_errors(d), "reloaded"))
		sleep_ms(5);
	client_call(c, "job.save", "{\"job\":{\"id\":\"a\",\"error\":\"%s\"}}", text);
}
END_TEST

int main(void)
{
	if (geteuid() != 0) {
		puts("skipped: connecting as other users needs root");
		return SKIPPED;
	}
	Suite *suite = suite_create("other users");
	TCase *tcase = integration_case(suite, "other users", NULL, teardown);
	tcase_add_test(tcase, whom_no_rule_fits_may_only_ask_whether_the_daemon_is_there);
	tcase_add_test(tcase, members_of_the_socket_s_group_may_write_and_others_cannot_connect);
	tcase_add_test(tcase, roles_are_given_by_user_and_by_group_and_change_with_a_reload);
	tcase_add_test(tcase, one_user_cannot_take_all_connections);
	tcase_add_test(tcase, one_that_is_refused_with_requests_on_their_way_still_reads_why);
	tcase_add_test(tcase, a_burst_of_refused_connections_takes_no_descriptors_from_the_others);
	tcase_add_test(tcase, a_user_s_limits_above_the_daemon_s_still_leave_room_for_others);
	tcase_add_test(tcase, a_reload_says_which_limits_of_a_user_are_cut);
	tcase_add_test(tcase, an_administrator_gets_in_when_the_others_have_all_connections);
	tcase_add_test(tcase, an_administrator_is_answered_when_the_others_unread_replies_fill_the_memory);
	tcase_add_test(tcase, an_administrator_s_long_line_is_taken_when_the_others_unfinished_ones_fill_the_memory);
	tcase_add_test(tcase, one_user_s_unread_replies_cannot_take_the_memory_of_the_others);
	tcase_add_test(tcase, one_that_may_do_nothing_cannot_fill_the_memory_with_the_errors_of_its_batches);
	tcase_add_test(tcase, replies_that_a_batch_collects_count_for_its_user);
	tcase_add_test(tcase, one_user_s_unread_errors_do_not_keep_the_others_from_reading);
	tcase_add_test(tcase, one_user_s_calls_in_flight_do_not_count_for_the_others);
	tcase_add_test(tcase, one_that_connects_again_and_again_does_not_keep_the_others_waiting);
	tcase_add_test(tcase, one_that_asks_on_hundreds_of_connections_does_not_keep_the_others_waiting);
	tcase_add_test(tcase, one_that_reads_many_large_artifacts_does_not_keep_the_others_from_reading_theirs);
	tcase_add_test(tcase, who_may_do_nothing_cannot_keep_the_daemon_busy_with_long_lines);
	return integration_run(suite);
}
