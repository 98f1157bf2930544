/* Who may do what, as the daemon's own user finds it. What needs a second user is in
 * check_other_users.c. */
#include "tests/integration/client.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FORBIDDEN = -32006 };

static struct daemon *d;

static void teardown(void)
{
	if (d)
		daemon_end(d);
}

static void start(const char *const *flags)
{
	d = daemon_started(flags);
}

static char *configure(const char *text)
{
	char *path;
	ck_assert_int_gt(asprintf(&path, "%s/persistd.conf", d->dir), 0);
	file_write(path, text, strlen(text));
	return path;
}

static void may_read_only(struct client *c)
{
	client_call(c, "job.list", NULL);
	client_call(c, "server.info", NULL);
	client_call(c, "rpc.discover", NULL);
	json_t *error = client_refused(c, FORBIDDEN, "job.save", JSON({"job":{"id":"a"}}));
	expect_text_at(error, "message", "job.save needs the role write, and yours is read");
	expect_fault(error, "forbidden", NULL, "persistd.conf");
	client_refused(c, FORBIDDEN, "job.update_progress", JSON({"id":"a","progress":{}}));
	client_refused(c, FORBIDDEN, "server.flush", NULL);
	client_refused(c, FORBIDDEN, "server.import", JSON({"jobs":[]}));
}

START_TEST(who_may_read_cannot_change_anything)
{
	char me[32];
	snprintf(me, sizeof me, "%u", geteuid());
	start(ARGS("--role-read", me));
	struct client *c = client_open(d);
	may_read_only(c);
	client_say(c, JSON({"jsonrpc":"2.0","method":"job.save","params":{"job":{"id":"silent"}}}));
	ck_assert_int_eq(whole_at(client_call(c, "job.count", NULL), "total"), 0);
}
END_TEST

START_TEST(who_may_write_cannot_touch_the_daemon)
{
	char me[32];
	snprintf(me, sizeof me, "%u", geteuid());
	start(ARGS("--role-write", me));
	struct client *c = client_open(d);
	client_call(c, "job.save", JSON({"job":{"id":"a"}}));
	client_refused(c, FORBIDDEN, "server.set_log_level", JSON({"level":"debug"}));
	client_refused(c, FORBIDDEN, "server.flush", NULL);
	client_refused(c, FORBIDDEN, "server.import", JSON({"jobs":[{"id":"b"}]}));
	ck_assert_int_eq(whole_at(client_call(c, "job.count", NULL), "total"), 1);
}
END_TEST

START_TEST(a_bad_file_at_a_reload_keeps_the_settings_and_says_the_line)
{
	d = daemon_new();
	char *conf = configure("[limits]\nmax_batch = 3\n");
	daemon_start(d, ARGS("--config", conf));
	configure("[limits]\nmax_bach = 4\n");
	daemon_send_signal(d, SIGHUP);
	while (!strstr(daemon_errors(d), "not reloaded"))
		sleep_ms(5);
	ck_assert_ptr_nonnull(strstr(daemon_errors(d), "persistd.conf:2: there is no key max_bach; did you mean max_batch?"));
	ck_assert_int_eq(whole_at(daemon_call(d, "server.info", NULL), "limits.batch_calls"), 3);
	configure("[limits]\nmax_batch = 5\n[daemon]\nsocket=/elsewhere\nlog_level=debug\n");
	daemon_send_signal(d, SIGHUP);
	while (!strstr(daemon_errors(d), "configuration reloaded"))
		sleep_ms(5);
	json_t *info = daemon_call(d, "server.info", NULL);
	ck_assert_int_eq(whole_at(info, "limits.batch_calls"), 5);
	expect_text_at(info, "log_level", "debug");
}
END_TEST

START_TEST(in_a_batch_each_call_is_judged_by_its_own_role)
{
	char me[32];
	snprintf(me, sizeof me, "%u", geteuid());
	start(ARGS("--role-read", me));
	struct client *c = client_open(d);
	client_say(c, "[%s,%s,%s,%s,%s]", JSON({"jsonrpc":"2.0","id":0,"method":"job.list"}),
	           JSON({"jsonrpc":"2.0","id":1,"method":"job.save","params":{"job":{"id":"a"}}}),
	           JSON({"jsonrpc":"2.0","method":"job.save","params":{"job":{"id":"silent"}}}),
	           JSON({"jsonrpc":"2.0","id":2,"method":"server.flush"}), JSON({"jsonrpc":"2.0","id":3,"method":"job.count"}));
	json_t *replies = client_reply(c);
	ck_assert_uint_eq(json_array_size(replies), 4);
	for (size_t i = 0; i < 4; i++) {
		const json_t *reply = json_array_get(replies, i);
		long long id = whole_at(reply, "id");
		if (id == 1 || id == 2)
			expect_error(reply, FORBIDDEN, id == 1 ? "1" : "2");
		else
			ck_assert_int_eq(whole_at(reply, "result.total"), 0);
	}
	ck_assert_int_eq(whole_at(client_call(c, "job.count", NULL), "total"), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rights");
	TCase *tcase = integration_case(suite, "rights", NULL, teardown);
	tcase_add_test(tcase, who_may_read_cannot_change_anything);
	tcase_add_test(tcase, who_may_write_cannot_touch_the_daemon);
	tcase_add_test(tcase, a_bad_file_at_a_reload_keeps_the_settings_and_says_the_line);
	tcase_add_test(tcase, in_a_batch_each_call_is_judged_by_its_own_role);
	return integration_run(suite);
}
