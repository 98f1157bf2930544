/* Several users on one daemon: what each may do, and that none can take what the others need. Only root can connect as
 * somebody else: for anybody else all of this is skipped. */
#include "tests/integration/client.h"
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

START_TEST(one_user_cannot_take_all_connections)
{
	start(ARGS("--socket-mode", "0666", "--role-write", "*", "--max-user-connections", "5"));
	for (int i = 0; i < 5; i++)
		client_call(open_as(OTHER_USER, 0), "server.ping", NULL);
	struct client *sixth = open_as(OTHER_USER, 0);
	json_t *error = client_reply(sixth);
	expect_fault(value_at(error, "error"), "limit", NULL, "max_user_connections");
	ck_assert(client_ended(sixth));
	client_call(open_as(THIRD_USER, 0), "job.save", JSON({"job":{"id":"other"}}));
	client_call(client_open(d), "server.ping", NULL);
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
	tcase_add_test(tcase, one_user_s_unread_replies_cannot_take_the_memory_of_the_others);
	tcase_add_test(tcase, one_user_s_unread_errors_do_not_keep_the_others_from_reading);
	return integration_run(suite);
}
