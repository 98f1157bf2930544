/* The engine against a peer in the same thread, so that each test says byte for byte and turn for turn
 * what happens. */
#include "client/engine.h"
#include "proto/rpc.h"
#include "proto/scan.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000, BIG = 4 << 20, TURNS = 2000 };

static char dir[] = "/tmp/check-engine-XXXXXX", path[64];
static int listener = -1, peer = -1;
static struct frame heard;
static size_t heard_len; /* of the last line */
static struct engine e;

static void listen_again(int backlog)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strcpy(address.sun_path, path);
	unlink(path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(listen(listener, backlog), 0);
}

static void stop_listening(void)
{
	close(listener);
	listener = -1;
	unlink(path);
}

static void set_up(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/sock", dir);
	listen_again(16);
	engine_init(&e, path);
	e.reply_max = 64 << 20;
	e.patience = PATIENCE_MS * MOMENT_MS;
	frame_init(&heard, 64 << 20);
}

static void tear_down(void)
{
	stop_listening();
	rmdir(dir);
}

/* ---- this side */

static struct call *begin_for(const char *method, const char *params, int ms)
{
	struct call *c = call_new(CALL_ONE);

	c->id = engine_new_id(&e);
	c->repeatable = call_is_repeatable(method);
	rpc_request(&c->text, method, params ? span_of(params) : (struct span){0}, c->id);
	c->started = moment_now();
	c->deadline = ms > 0 ? c->started + (int64_t)ms * MOMENT_MS : MOMENT_NEVER;
	engine_add(&e, c);
	return c;
}

static struct call *begin(const char *method)
{
	return begin_for(method, NULL, 20000);
}

/* A change so long that the socket does not take it at once. */
static struct call *begin_big(int ms)
{
	char *params = malloc(BIG + 3);

	memset(params, '1', BIG + 2);
	params[0] = '[';
	params[BIG + 1] = ']';
	params[BIG + 2] = '\0';
	struct call *c = begin_for("job.save", params, ms);
	free(params);
	return c;
}

static void turn(int ms)
{
	engine_turn(&e, engine_wait(&e, moment_now() + (int64_t)ms * MOMENT_MS));
}

static void turns(int count)
{
	while (count-- > 0)
		turn(0);
}

static void until_done(const struct call *c)
{
	for (int i = 0; i < TURNS && c->state != CALL_DONE; i++)
		turn(10);
	ck_assert_int_eq((int)c->state, CALL_DONE);
}

static void until_down(void)
{
	for (int i = 0; i < TURNS && engine_is_up(&e); i++)
		turn(1);
	ck_assert(!engine_is_up(&e));
}

static void expect_result(struct call *c, const char *text)
{
	until_done(c);
	ck_assert_msg(!c->error, "%s", c->error ? c->error->message : "");
	ck_assert_str_eq(persist_result_text(c->result, NULL), text);
	call_free(c);
}

static void expect_error(struct call *c, int code, enum persist_outcome outcome)
{
	until_done(c);
	ck_assert_ptr_nonnull(c->error);
	ck_assert_msg(c->error->code == code, "%d %s", c->error->code, c->error->message);
	ck_assert_int_eq((int)c->error->outcome, (int)outcome);
	ck_assert_str_ne(c->error->kind, "");
	ck_assert_str_ne(c->error->message, "");
	call_free(c);
}

static void report(const char *id, int value)
{
	char line[64];

	snprintf(line, sizeof line, "{\"job\":\"%s\",\"at\":%d}\n", id, value);
	engine_progress(&e, span_of(id), span_of(line));
}

/* ---- the other side */

static bool is_readable(int fd, int ms)
{
	return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, ms) == 1;
}

static void peer_accept(void)
{
	for (int i = 0; i < TURNS && !is_readable(listener, 0); i++)
		turn(5);
	peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(peer, 0);
	frame_free(&heard);
	frame_init(&heard, 64 << 20);
}

static void peer_close(void)
{
	close(peer);
	peer = -1;
}

static void peer_take(size_t bytes)
{
	char piece[4096];

	while (bytes > 0) {
		ssize_t got = read(peer, piece, bytes < sizeof piece ? bytes : sizeof piece);
		ck_assert_int_gt(got, 0);
		bytes -= (size_t)got;
	}
}

/* The next line, taking turns with the engine. */
static const char *peer_hears(void)
{
	static char text[256];
	struct span line;

	for (int i = 0; i < TURNS; i++) {
		if (frame_next(&heard, &line) == FRAME_LINE) {
			snprintf(text, sizeof text, "%.*s", (int)line.len, line.at);
			heard_len = line.len;
			return text;
		}
		if (!is_readable(peer, 0)) {
			turn(1);
			continue;
		}
		size_t room;
		char *to = frame_room(&heard, 65536, &room);
		ssize_t got = read(peer, to, room);
		ck_assert_int_gt(got, 0);
		frame_filled(&heard, (size_t)got);
	}
	ck_abort_msg("the peer hears nothing");
}

static void peer_hears_method(const char *method)
{
	const char *line = peer_hears();

	ck_assert_msg(strstr(line, method) != NULL, "%.200s instead of %s", line, method);
}

static void peer_hears_nothing(void)
{
	turns(5);
	ck_assert(!is_readable(peer, 5));
	ck_assert_uint_eq(frame_pending(&heard), 0);
}

static void peer_says(const char *text)
{
	size_t len = strlen(text);

	ck_assert_int_eq(send(peer, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void peer_answers(int64_t id, const char *result)
{
	char text[256];

	snprintf(text, sizeof text, "{\"jsonrpc\":\"2.0\",\"result\":%s,\"id\":%lld}\n", result, (long long)id);
	peer_says(text);
}

static void peer_refuses(int64_t id, int code)
{
	char text[256], number[24] = "null";

	if (id > 0)
		snprintf(number, sizeof number, "%lld", (long long)id);
	snprintf(text, sizeof text, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":%d,\"message\":\"no\"},\"id\":%s}\n",
	         code, number);
	peer_says(text);
}

/* A connection over which something has been answered. */
static void connect_and_prove(void)
{
	struct call *c = begin("server.ping");
	int64_t id = c->id;

	peer_accept();
	peer_hears_method("server.ping");
	peer_answers(id, "{}");
	expect_result(c, "{}");
}

/* ---- answers */

START_TEST(answers_reach_their_calls_in_any_order)
{
	struct call *a = begin("job.get"), *b = begin("job.list"), *c = begin("job.save");
	int64_t ids[] = {a->id, b->id, c->id};

	peer_accept();
	peer_hears_method("job.get");
	peer_hears_method("job.list");
	peer_hears_method("job.save");
	peer_answers(ids[2], "3");
	peer_answers(ids[0], "1");
	peer_answers(ids[1], "2");
	expect_result(a, "1");
	expect_result(b, "2");
	expect_result(c, "3");
}
END_TEST

START_TEST(answers_that_nobody_asked_for_do_no_harm)
{
	struct call *a = begin("job.get");
	int64_t id = a->id;

	peer_accept();
	peer_hears_method("job.get");
	peer_answers(id + 1000, "1");
	peer_says("{\"jsonrpc\":\"2.0\",\"result\":1,\"id\":\"1\"}\n{\"jsonrpc\":\"2.0\",\"result\":1,\"id\":1.5}\n");
	peer_refuses(id + 7, PERSIST_NOT_FOUND);
	peer_says("[{\"jsonrpc\":\"2.0\",\"result\":1,\"id\":77}]\n");
	turns(3);
	peer_answers(id, "2");
	expect_result(a, "2");
}
END_TEST

START_TEST(an_answer_before_its_question_is_none)
{
	connect_and_prove();
	struct call *big = begin_big(20000), *behind = begin("job.count");
	int64_t ids[] = {big->id, behind->id};
	turns(2);
	ck_assert_uint_gt(e.left, 0);
	peer_answers(ids[0], "\"early\"");
	peer_refuses(ids[1], PERSIST_NOT_FOUND);
	turns(3);
	peer_hears_method("job.save");
	peer_hears_method("job.count");
	peer_answers(ids[0], "1");
	peer_answers(ids[1], "2");
	expect_result(big, "1");
	expect_result(behind, "2");
}
END_TEST

START_TEST(the_daemons_error_is_the_calls)
{
	struct call *a = begin("job.get");
	int64_t id = a->id;

	peer_accept();
	peer_hears_method("job.get");
	peer_refuses(id, PERSIST_NOT_FOUND);
	expect_error(a, PERSIST_NOT_FOUND, PERSIST_DID_NOT_HAPPEN);
}
END_TEST

START_TEST(what_a_broken_disk_leaves_open_is_said_to_be_unknown)
{
	struct call *a = begin("job.save");
	int64_t id = a->id;

	peer_accept();
	peer_hears_method("job.save");
	peer_refuses(id, PERSIST_OUTCOME_UNKNOWN);
	expect_error(a, PERSIST_OUTCOME_UNKNOWN, PERSIST_UNKNOWN);
}
END_TEST

START_TEST(an_answer_is_taken_though_the_connection_ends_with_it)
{
	struct call *a = begin("job.save"), *b = begin("job.save");
	int64_t ids[] = {a->id, b->id};
	char last[128];

	peer_accept();
	peer_hears_method("job.save");
	peer_hears_method("job.save");
	peer_answers(ids[0], "1");
	snprintf(last, sizeof last, "{\"jsonrpc\":\"2.0\",\"result\":2,\"id\":%lld}", (long long)ids[1]);
	peer_says(last); /* whole, but for its newline */
	peer_close();
	expect_result(a, "1");
	expect_result(b, "2");
}
END_TEST

START_TEST(an_answer_is_taken_though_the_end_is_noticed_while_sending)
{
	connect_and_prove();
	struct call *a = begin("job.save");
	peer_hears_method("job.save");
	peer_answers(a->id, "1");
	peer_close();
	struct call *b = begin("job.delete"); /* finds the connection ended */
	int64_t id = b->id;
	expect_result(a, "1");
	peer_accept();
	peer_hears_method("job.delete");
	peer_answers(id, "2");
	expect_result(b, "2");
}
END_TEST

START_TEST(half_an_answer_is_none)
{
	struct call *a = begin("job.save");

	peer_accept();
	peer_hears_method("job.save");
	peer_says("{\"jsonrpc\":\"2.0\",\"result\":{\"id\":\"x\"},\"i");
	peer_close();
	expect_error(a, PERSIST_E_CONNECTION, PERSIST_UNKNOWN);
}
END_TEST

START_TEST(what_is_no_reply_ends_what_was_sent_and_nothing_else)
{
	static const char *const garbage[] = {"SSH-2.0-OpenSSH\n", "{}\n", "[1]\n",
		"{\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n",
		"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":5},\"id\":1}\n", "12\n",
		"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700},\"id\":null}\n"};
	struct call *save = begin("job.save"), *get = begin("job.get");

	peer_accept();
	peer_hears_method("job.save");
	peer_hears_method("job.get");
	struct call *big = begin_big(20000);
	int64_t id = big->id;
	peer_says(garbage[_i]);
	expect_error(save, PERSIST_E_PROTOCOL, PERSIST_UNKNOWN);
	expect_error(get, PERSIST_E_PROTOCOL, PERSIST_DID_NOT_HAPPEN);
	peer_close();
	peer_accept();
	peer_hears_method("job.save");
	peer_answers(id, "1");
	expect_result(big, "1");
}
END_TEST

START_TEST(a_reply_that_is_too_long_ends_its_own_call_only)
{
	char *line = malloc(100002);

	e.reply_max = 100000;
	struct call *a = begin("job.get"), *b = begin("job.get"), *c = begin("job.save");
	int64_t ids[] = {a->id, b->id, c->id};
	peer_accept();
	memset(line, ' ', 100001);
	line[100001] = '\0';
	peer_says(line);
	peer_says("{\"result\":[]}\n");
	peer_answers(ids[0], "1");
	expect_result(a, "1");
	ck_assert_int_ne((int)b->state, CALL_DONE);
	peer_answers(ids[2], "3");
	expect_result(c, "3");
	expect_error(b, PERSIST_E_TOO_LARGE, PERSIST_DID_NOT_HAPPEN);
	ck_assert(engine_is_up(&e));
	free(line);
}
END_TEST

START_TEST(a_change_whose_reply_is_too_long_is_unknown)
{
	e.reply_max = 10;
	struct call *a = begin("job.save");
	peer_accept();
	peer_answers(a->id, "1");
	expect_error(a, PERSIST_E_TOO_LARGE, PERSIST_UNKNOWN);
}
END_TEST

/* ---- the connection ends */

START_TEST(a_change_that_was_sent_is_never_repeated)
{
	connect_and_prove();
	struct call *a = begin("job.save");
	peer_hears_method("job.save");
	peer_close();
	expect_error(a, PERSIST_E_CONNECTION, PERSIST_UNKNOWN);
	struct call *b = begin("server.ping");
	peer_accept();
	peer_hears_method("server.ping");
	call_free((engine_abandon(&e, b), b));
}
END_TEST

START_TEST(a_method_that_nobody_knows_may_change_something)
{
	connect_and_prove();
	struct call *a = begin("job.freeze");
	peer_hears_method("job.freeze");
	peer_close();
	expect_error(a, PERSIST_E_CONNECTION, PERSIST_UNKNOWN);
}
END_TEST

START_TEST(a_flush_is_not_repeated_because_it_promises_what_came_before)
{
	connect_and_prove();
	struct call *a = begin("server.flush");
	peer_hears_method("server.flush");
	peer_close();
	expect_error(a, PERSIST_E_CONNECTION, PERSIST_UNKNOWN);
}
END_TEST

START_TEST(reads_and_what_has_not_left_are_sent_again_in_their_order)
{
	connect_and_prove();
	struct call *get = begin("job.get"), *save = begin("job.delete"), *list = begin("job.list");
	peer_hears_method("job.get");
	peer_hears_method("job.delete");
	peer_hears_method("job.list");
	struct call *big = begin_big(20000), *behind = begin("job.count");
	int64_t ids[] = {get->id, list->id, big->id, behind->id};
	peer_close();
	expect_error(save, PERSIST_E_CONNECTION, PERSIST_UNKNOWN);
	peer_accept();
	peer_hears_method("job.get");
	peer_hears_method("job.list");
	peer_hears_method("job.save");
	peer_hears_method("job.count");
	for (int i = 0; i < 4; i++)
		peer_answers(ids[i], "1");
	expect_result(get, "1");
	expect_result(list, "1");
	expect_result(big, "1");
	expect_result(behind, "1");
}
END_TEST

START_TEST(a_change_of_which_half_had_left_is_sent_again_whole)
{
	connect_and_prove();
	struct call *big = begin_big(20000);
	int64_t id = big->id;
	turns(3);
	peer_take(100000);
	turns(3);
	ck_assert_uint_gt(e.left, 0);
	peer_close();
	peer_accept();
	peer_hears_method("job.save");
	peer_answers(id, "1");
	expect_result(big, "1");
}
END_TEST

START_TEST(a_change_that_lacks_only_its_newline_may_have_happened)
{
	connect_and_prove();
	struct call *big = begin_big(20000);
	e.left = big->size - 1; /* as if the socket had taken so much */
	peer_close();
	expect_error(big, PERSIST_E_CONNECTION, PERSIST_UNKNOWN);
	big = begin_big(20000);
	int64_t id = big->id;
	turns(3);
	e.left = big->size - 2;
	shutdown(peer, SHUT_RDWR);
	peer_accept();
	peer_hears_method("job.save");
	peer_answers(id, "1");
	expect_result(big, "1");
}
END_TEST

START_TEST(a_connection_that_ended_while_nobody_looked_costs_no_change)
{
	connect_and_prove();
	peer_close(); /* and the engine has not noticed */
	struct call *a = begin("job.save");
	int64_t id = a->id;
	peer_accept();
	peer_hears_method("job.save");
	peer_answers(id, "1");
	expect_result(a, "1");
}
END_TEST

START_TEST(a_peer_that_ends_each_connection_is_not_asked_for_ever)
{
	e.patience = 300 * MOMENT_MS;
	struct call *a = begin("job.get");
	int accepted = 0;
	for (int i = 0; i < TURNS && a->state != CALL_DONE; i++) {
		if (is_readable(listener, 0)) {
			close(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
			accepted++;
		}
		turn(1);
	}
	ck_assert_int_ge(accepted, 2);
	ck_assert_int_le(accepted, 8);
	expect_error(a, PERSIST_E_CONNECTION, PERSIST_DID_NOT_HAPPEN);
}
END_TEST

/* ---- the daemon stops */

START_TEST(what_a_stopping_daemon_refuses_happens_on_the_next_connection)
{
	connect_and_prove();
	struct call *a = begin("job.save"), *b = begin("job.delete");
	int64_t ids[] = {a->id, b->id};
	peer_hears_method("job.save");
	peer_hears_method("job.delete");
	peer_refuses(ids[1], PERSIST_SHUTTING_DOWN);
	turns(3);
	struct call *c = begin("job.list");
	int64_t id = c->id;
	peer_hears_nothing(); /* it would only be lost */
	peer_answers(ids[0], "1");
	expect_result(a, "1");
	until_down();
	peer_close();
	peer_accept();
	peer_hears_method("job.delete");
	peer_hears_method("job.list");
	peer_answers(ids[1], "2");
	peer_answers(id, "3");
	expect_result(b, "2");
	expect_result(c, "3");
}
END_TEST

START_TEST(a_line_that_was_begun_is_ended_before_a_stopping_daemon_is_left_alone)
{
	connect_and_prove();
	struct call *save = begin("job.save"), *get = begin("job.get");
	int64_t ids[] = {save->id, get->id};
	peer_hears_method("job.save");
	peer_hears_method("job.get");
	struct call *big = begin_big(20000), *behind = begin("job.count");
	int64_t more[] = {big->id, behind->id};
	turns(2);
	ck_assert_uint_gt(e.left, 0);
	peer_refuses(ids[0], PERSIST_SHUTTING_DOWN);
	turns(2);
	peer_hears_method("job.save");
	peer_hears_nothing();
	peer_refuses(more[0], PERSIST_SHUTTING_DOWN);
	peer_answers(ids[1], "1");
	peer_accept();
	for (int i = 0; i < 4; i++)
		peer_hears();
	peer_answers(ids[0], "1");
	peer_answers(ids[1], "2");
	peer_answers(more[0], "3");
	peer_answers(more[1], "4");
	expect_result(save, "1");
	expect_result(get, "2");
	expect_result(big, "3");
	expect_result(behind, "4");
}
END_TEST

START_TEST(a_read_behind_a_refused_change_sees_that_change)
{
	connect_and_prove();
	struct call *a = begin("job.save"), *b = begin("job.get"), *c = begin("job.get");
	int64_t ids[] = {a->id, b->id, c->id};
	peer_hears_method("job.save");
	peer_hears_method("job.get");
	peer_hears_method("job.get");
	peer_refuses(ids[0], PERSIST_SHUTTING_DOWN);
	peer_refuses(ids[1], PERSIST_NOT_FOUND);
	peer_answers(ids[2], "\"stale\"");
	peer_accept();
	peer_hears_method("job.save");
	peer_hears_method("job.get");
	peer_hears_method("job.get");
	for (int i = 0; i < 3; i++)
		peer_answers(ids[i], "\"new\"");
	expect_result(a, "\"new\"");
	expect_result(b, "\"new\"");
	expect_result(c, "\"new\"");
}
END_TEST

START_TEST(what_stays_refused_says_so_in_the_end)
{
	connect_and_prove();
	struct call *a = begin_for("job.save", NULL, 150), *b = begin_for("job.save", NULL, 150);
	int64_t ids[] = {a->id, b->id};
	peer_hears_method("job.save");
	peer_hears_method("job.save");
	peer_refuses(ids[0], PERSIST_SHUTTING_DOWN); /* and never answers the other */
	expect_error(a, PERSIST_SHUTTING_DOWN, PERSIST_DID_NOT_HAPPEN);
	expect_error(b, PERSIST_E_TIMEOUT, PERSIST_UNKNOWN);
}
END_TEST

/* ---- errors without an id */

START_TEST(a_line_beyond_the_daemons_limit_ends_its_own_call)
{
	connect_and_prove();
	struct call *small = begin("job.save");
	int64_t id = small->id;
	peer_hears_method("job.save");
	struct call *big = begin_big(20000);
	turns(3);
	peer_take(100000);
	peer_refuses(0, _i ? PERSIST_LIMIT : PERSIST_TOO_LARGE);
	expect_error(big, _i ? PERSIST_LIMIT : PERSIST_TOO_LARGE, PERSIST_DID_NOT_HAPPEN);
	struct call *next = begin("job.get");
	int64_t next_id = next->id;
	peer_hears(); /* what was on its way of the long line, and its end */
	peer_hears_method("job.get");
	peer_answers(id, "1");
	peer_answers(next_id, "2");
	expect_result(small, "1");
	expect_result(next, "2");
}
END_TEST

START_TEST(what_is_said_without_a_name_to_the_only_call_is_about_it)
{
	connect_and_prove();
	struct call *a = begin("job.save");
	peer_hears_method("job.save");
	peer_refuses(0, PERSIST_PARSE_ERROR);
	expect_error(a, PERSIST_PARSE_ERROR, PERSIST_DID_NOT_HAPPEN);
	ck_assert(engine_is_up(&e));
}
END_TEST

START_TEST(a_notification_beyond_the_limit_ends_no_call)
{
	connect_and_prove();
	struct call *a = begin("job.save"), *notice = call_new(CALL_NOTICE);
	int64_t id = a->id;
	notice->deadline = MOMENT_NEVER;
	memset(buf_room(&notice->text, 1000), 'x', 999);
	notice->text.len = 999;
	buf_char(&notice->text, '\n');
	engine_add(&e, notice);
	peer_hears();
	peer_hears();
	ck_assert_uint_eq(e.notices_bytes, 0); /* else they would be refused one day */
	peer_refuses(0, PERSIST_TOO_LARGE);
	peer_answers(id, "1");
	expect_result(a, "1");
}
END_TEST

START_TEST(a_limit_is_the_only_calls_where_the_connection_is_wanted)
{
	connect_and_prove();
	struct call *a = begin("job.save");
	peer_hears_method("job.save");
	peer_refuses(0, PERSIST_LIMIT);
	expect_error(a, PERSIST_LIMIT, PERSIST_DID_NOT_HAPPEN);
	ck_assert(engine_is_up(&e));
	struct call *b = begin("job.save"), *c = begin("job.save");
	peer_refuses(0, PERSIST_LIMIT); /* whose, nobody can tell */
	expect_error(b, PERSIST_E_PROTOCOL, PERSIST_UNKNOWN);
	expect_error(c, PERSIST_E_PROTOCOL, PERSIST_UNKNOWN);
}
END_TEST

START_TEST(a_connection_that_the_daemon_does_not_want_tells_each_call_why)
{
	struct call *save = begin("job.save"), *get = begin("job.get"), *big = begin_big(20000);

	peer_accept();
	peer_hears_method("job.save");
	peer_hears_method("job.get");
	engine_abandon(&e, big);
	call_free(big);
	peer_refuses(0, PERSIST_LIMIT);
	peer_close();
	expect_error(save, PERSIST_LIMIT, PERSIST_DID_NOT_HAPPEN);
	expect_error(get, PERSIST_LIMIT, PERSIST_DID_NOT_HAPPEN);
}
END_TEST

/* ---- time */

START_TEST(a_call_that_never_left_did_not_happen_and_does_not_happen_later)
{
	connect_and_prove();
	struct call *big = begin_big(20000), *late = begin_for("job.delete", NULL, 100), *after = begin("job.count");
	int64_t ids[] = {big->id, after->id};
	expect_error(late, PERSIST_E_TIMEOUT, PERSIST_DID_NOT_HAPPEN);
	peer_hears_method("job.save");
	peer_hears_method("job.count");
	peer_answers(ids[0], "1");
	peer_answers(ids[1], "2");
	expect_result(big, "1");
	expect_result(after, "2");
}
END_TEST

START_TEST(a_call_whose_time_ends_half_sent_cannot_happen)
{
	connect_and_prove();
	struct call *big = begin_big(100), *after = begin("job.count");
	int64_t id = after->id;
	turns(2);
	ck_assert_uint_gt(e.left, 0);
	expect_error(big, PERSIST_E_TIMEOUT, PERSIST_DID_NOT_HAPPEN);
	struct span cut = span_of(peer_hears());
	struct scan_report report;
	ck_assert_int_ne((int)scan_check(cut, 128, &report), SCAN_OK);
	peer_hears_method("job.count");
	peer_refuses(0, PERSIST_PARSE_ERROR);
	peer_answers(id, "1");
	expect_result(after, "1");
	ck_assert(engine_is_up(&e));
	peer_refuses(0, PERSIST_PARSE_ERROR); /* only as often as was cut */
	until_down();
}
END_TEST

START_TEST(the_end_of_a_cut_line_is_of_no_use_to_another_connection)
{
	connect_and_prove();
	struct call *big = begin_big(100);
	turns(2);
	expect_error(big, PERSIST_E_TIMEOUT, PERSIST_DID_NOT_HAPPEN);
	ck_assert_uint_eq(e.calls.count, 1);
	peer_close();
	until_down();
	ck_assert_uint_eq(e.calls.count, 0);
	ck_assert_uint_eq(e.notices_bytes, 0);
}
END_TEST

START_TEST(a_change_that_is_not_answered_in_time_is_unknown_and_a_read_is_not)
{
	struct call *save = begin_for("job.save", NULL, 100), *get = begin_for("job.get", NULL, 100);
	int64_t ids[] = {save->id, get->id};

	peer_accept();
	expect_error(save, PERSIST_E_TIMEOUT, PERSIST_UNKNOWN);
	expect_error(get, PERSIST_E_TIMEOUT, PERSIST_DID_NOT_HAPPEN);
	struct call *next = begin("job.list");
	int64_t id = next->id;
	peer_answers(ids[1], "\"late\"");
	peer_refuses(ids[0], PERSIST_CONFLICT);
	peer_answers(id, "3");
	expect_result(next, "3");
	ck_assert_ptr_null(e.calls.first);
	ck_assert_uint_eq(e.unanswered, 0);
}
END_TEST

START_TEST(a_call_without_a_time_waits)
{
	struct call *a = begin_for("job.get", NULL, 0);
	int64_t id = a->id;

	peer_accept();
	ck_assert_int_eq(engine_due(&e), MOMENT_NEVER);
	peer_answers(id, "1");
	expect_result(a, "1");
}
END_TEST

/* ---- nobody there */

START_TEST(a_daemon_that_comes_in_time_gets_the_call)
{
	stop_listening();
	struct call *a = begin("job.save");
	int64_t id = a->id;
	for (int64_t end = moment_now() + 150 * MOMENT_MS; moment_now() < end;)
		turn(20);
	listen_again(16);
	peer_accept();
	peer_hears_method("job.save");
	peer_answers(id, "1");
	expect_result(a, "1");
}
END_TEST

START_TEST(patience_ends_and_says_where_nobody_was)
{
	stop_listening();
	e.patience = 120 * MOMENT_MS;
	int64_t begun = moment_now();
	struct call *a = begin("job.save");
	until_done(a);
	ck_assert_int_ge(moment_now() - begun, 120 * MOMENT_MS);
	ck_assert_int_le(moment_now() - begun, 2000 * MOMENT_MS);
	ck_assert_ptr_nonnull(strstr(a->error->message, path));
	ck_assert_ptr_nonnull(strstr(a->error->hint, "persistd --socket"));
	ck_assert_int_eq(a->error->system_error, ENOENT);
	expect_error(a, PERSIST_E_NO_DAEMON, PERSIST_DID_NOT_HAPPEN);
}
END_TEST

START_TEST(no_patience_is_one_attempt_of_each_calls_own)
{
	stop_listening();
	e.patience = 0;
	struct call *a = begin("job.get");
	expect_error(a, PERSIST_E_NO_DAEMON, PERSIST_DID_NOT_HAPPEN);
	listen_again(16);
	struct call *b = begin("job.get"); /* it does not hear of the attempt before it */
	int64_t id = b->id;
	peer_accept();
	peer_answers(id, "1");
	expect_result(b, "1");
}
END_TEST

START_TEST(a_new_call_does_not_wait_out_the_pause_that_others_began)
{
	stop_listening();
	struct call *a = begin("job.get");
	e.tried_at = e.failed_at = moment_now() - 1000 * MOMENT_MS; /* as after many attempts */
	e.retry_at = moment_now() + 1000 * MOMENT_MS;
	listen_again(16);
	turns(3);
	ck_assert(!engine_is_up(&e));
	struct call *b = begin("job.get");
	ck_assert(engine_is_up(&e));
	engine_abandon(&e, a);
	engine_abandon(&e, b);
	call_free(a);
	call_free(b);
}
END_TEST

START_TEST(time_that_ends_before_patience_says_that_nobody_is_there)
{
	stop_listening();
	struct call *a = begin_for("job.save", NULL, 120);
	expect_error(a, PERSIST_E_NO_DAEMON, PERSIST_DID_NOT_HAPPEN);
}
END_TEST

START_TEST(a_path_that_cannot_be_is_told_at_once)
{
	char *too_long = malloc(300);

	memset(too_long, 'x', 299);
	too_long[299] = '\0';
	free(e.path);
	e.path = too_long;
	struct call *a = begin("job.save");
	turns(2);
	ck_assert_int_eq((int)a->state, CALL_DONE);
	ck_assert_int_eq(a->error->system_error, ENAMETOOLONG);
	expect_error(a, PERSIST_E_NO_DAEMON, PERSIST_DID_NOT_HAPPEN);
}
END_TEST

START_TEST(a_daemon_that_has_not_come_to_accept_us_is_waited_for)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int others[8];

	stop_listening();
	struct call *early = begin("job.get"); /* has found nobody, before there was somebody */
	listen_again(1);
	strcpy(address.sun_path, path);
	for (int i = 0; i < 8; i++) {
		others[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (connect(others[i], (struct sockaddr *)&address, sizeof address) != 0)
			ck_assert_int_eq(errno, EAGAIN);
	}
	e.patience = 100 * MOMENT_MS;
	struct call *a = begin("job.save"), *b = begin_for("job.save", NULL, 400);
	int64_t ids[] = {early->id, a->id};
	expect_error(b, PERSIST_E_TIMEOUT, PERSIST_DID_NOT_HAPPEN);
	ck_assert_int_ne((int)a->state, CALL_DONE);
	ck_assert_int_ne((int)early->state, CALL_DONE);
	for (int i = 0; i < 2; i++)
		close(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	peer_accept();
	peer_hears_method("job.get");
	peer_hears_method("job.save");
	peer_answers(ids[0], "1");
	peer_answers(ids[1], "1");
	expect_result(early, "1");
	expect_result(a, "1");
	for (int i = 0; i < 8; i++)
		close(others[i]);
}
END_TEST

/* ---- progress */

START_TEST(progress_costs_one_line_where_the_socket_takes_it)
{
	connect_and_prove();
	report("a", 1);
	report("a", 2);
	ck_assert_ptr_null(e.calls.first);
	ck_assert_str_eq(peer_hears(), "{\"job\":\"a\",\"at\":1}");
	ck_assert_str_eq(peer_hears(), "{\"job\":\"a\",\"at\":2}");
}
END_TEST

START_TEST(progress_alone_makes_the_connection)
{
	report("a", 1);
	ck_assert(engine_is_up(&e));
	peer_accept();
	ck_assert_str_eq(peer_hears(), "{\"job\":\"a\",\"at\":1}");
	peer_close();
	report("a", 2); /* and makes it anew */
	ck_assert(!engine_is_up(&e)); /* but does not hammer what has never answered */
	report("a", 3);
	peer_accept();
	ck_assert_str_eq(peer_hears(), "{\"job\":\"a\",\"at\":3}");
	e.tried_at -= 2000 * MOMENT_MS; /* a connection that has lasted is as good as one that has answered */
	peer_close();
	report("a", 4);
	ck_assert(engine_is_up(&e));
	ck_assert_int_eq(e.backoff, 0);
}
END_TEST

START_TEST(progress_before_a_call_that_is_taken_back_is_not_lost)
{
	connect_and_prove();
	struct call *big = begin_big(20000);
	report("a", 1);
	struct call *between = begin("job.count");
	report("b", 1);
	while (peer_take(4096), e.left < BIG / 2)
		turn(0);
	engine_abandon(&e, between);
	call_free(between);
	peer_hears();
	ck_assert_str_eq(peer_hears(), "{\"job\":\"b\",\"at\":1}");
	ck_assert_str_eq(peer_hears(), "{\"job\":\"a\",\"at\":1}");
	engine_abandon(&e, big);
	call_free(big);
}
END_TEST

START_TEST(the_newest_progress_of_each_job_is_kept_while_nobody_is_there)
{
	stop_listening();
	for (int i = 1; i <= 1000; i++) {
		report("a", i);
		report("b", -i);
	}
	listen_again(16);
	struct call *a = begin("job.get");
	peer_accept();
	ck_assert_str_eq(peer_hears(), "{\"job\":\"a\",\"at\":1000}");
	ck_assert_str_eq(peer_hears(), "{\"job\":\"b\",\"at\":-1000}");
	peer_hears_method("job.get");
	engine_abandon(&e, a);
	call_free(a);
}
END_TEST

START_TEST(progress_stays_between_the_calls_before_and_after_it)
{
	stop_listening();
	struct call *save = begin("job.save");
	report("new", 1);
	struct call *get = begin("job.get");
	report("new", 2);
	report("new", 3);
	listen_again(16);
	peer_accept();
	peer_hears_method("job.save");
	ck_assert_str_eq(peer_hears(), "{\"job\":\"new\",\"at\":1}");
	peer_hears_method("job.get");
	ck_assert_str_eq(peer_hears(), "{\"job\":\"new\",\"at\":3}");
	engine_abandon(&e, save);
	engine_abandon(&e, get);
	call_free(save);
	call_free(get);
}
END_TEST

START_TEST(progress_of_many_jobs_is_bounded)
{
	char id[16];

	stop_listening();
	for (int i = 0; i < 5000; i++) {
		snprintf(id, sizeof id, "j%d", i);
		report(id, i);
		if (i % 500 == 0) { /* calls that come and go leave no second heap behind */
			struct call *c = begin("job.get");
			report("between", i);
			engine_abandon(&e, c);
			call_free(c);
		}
	}
	ck_assert_uint_eq(e.calls.count, 1);
	listen_again(16);
	for (int i = 0; i < TURNS && !engine_is_up(&e); i++)
		turn(5);
	peer_accept();
	int lines = 0;
	do
		lines++;
	while (strcmp(peer_hears(), "{\"job\":\"j4999\",\"at\":4999}") != 0);
	ck_assert_int_le(lines, LATEST_MAX);
	ck_assert_int_ge(lines, LATEST_MAX - 20);
}
END_TEST

START_TEST(a_hot_loop_without_a_daemon_does_not_ask_for_one_each_time)
{
	stop_listening();
	int attempts = 0;
	int64_t begun = moment_now(), last = e.tried_at;
	for (int i = 0; i < 100000; i++) {
		report("a", i);
		attempts += e.tried_at != last;
		last = e.tried_at;
	}
	ck_assert_int_le(attempts, 2 + (int)((moment_now() - begun) / (25 * MOMENT_MS)));
}
END_TEST

START_TEST(progress_neither_waits_nor_grows_where_the_daemon_does_not_read)
{
	connect_and_prove();
	char line[256];
	for (int i = 0; i < 50000; i++)
		report(i % 2 ? "odd" : "even", i);
	ck_assert_uint_le(e.calls.count, 2);
	/* whole lines, in their order, and the newest last */
	int even = -2, odd = -1;
	while (even != 49998 || odd != 49999) {
		int at;
		snprintf(line, sizeof line, "%s", peer_hears());
		if (sscanf(line, "{\"job\":\"even\",\"at\":%d}", &at) == 1) {
			ck_assert_int_gt(at, even);
			even = at;
		} else {
			ck_assert_msg(sscanf(line, "{\"job\":\"odd\",\"at\":%d}", &at) == 1, "%s", line);
			ck_assert_int_gt(at, odd);
			odd = at;
		}
	}
	ck_assert_ptr_null(e.calls.first);
}
END_TEST

START_TEST(a_loop_that_only_reports_goes_on_where_it_had_to_stop)
{
	struct pollfd p = {.events = POLLIN};
	char text[65536];
	ssize_t got;

	connect_and_prove();
	int at = 0;
	while (!e.next)
		report("a", at++);
	p.fd = peer;
	while (poll(&p, 1, 0) > 0)
		ck_assert_int_gt(read(peer, text, sizeof text), 0);
	report("a", 7777777); /* and nothing else is called */
	ck_assert_int_gt(poll(&p, 1, 1000), 0);
	ck_assert_int_gt(got = read(peer, text, sizeof text - 1), 0);
	text[got] = '\0';
	ck_assert_ptr_nonnull(strstr(text, "{\"job\":\"a\",\"at\":7777777}\n"));
}
END_TEST

START_TEST(progress_does_not_get_into_a_line_that_is_half_sent)
{
	connect_and_prove();
	struct call *big = begin_big(20000);
	ck_assert_uint_gt(e.left, 0);
	peer_take(40000); /* room for a little, which is not yet called writable */
	report("a", 1);
	struct call *behind = begin("job.count");
	peer_hears(); /* what is left of the long line */
	ck_assert_str_eq(peer_hears(), "{\"job\":\"a\",\"at\":1}");
	peer_hears_method("job.count");
	engine_abandon(&e, big);
	engine_abandon(&e, behind);
	call_free(big);
	call_free(behind);
}
END_TEST

START_TEST(progress_that_the_socket_takes_in_part_goes_on_where_it_stopped)
{
	struct buf line = {0};

	connect_and_prove();
	buf_text(&line, "{\"message\":\"");
	memset(buf_room(&line, BIG), 'x', BIG);
	line.len += BIG;
	buf_text(&line, "\"}\n");
	engine_progress(&e, SPAN("a"), buf_as_span(&line));
	ck_assert_uint_gt(e.left, 0);
	report("a", 2);
	ck_assert_int_eq(strncmp(peer_hears(), line.at, 100), 0);
	ck_assert_uint_eq(heard_len, line.len - 1);
	ck_assert_str_eq(peer_hears(), "{\"job\":\"a\",\"at\":2}");
	buf_free(&line);
}
END_TEST

/* Whole lines, and never an older value behind a newer one. */
static void take_progress(int lines, int last[])
{
	int job, at;

	while (lines-- > 0) {
		const char *line = peer_hears();
		ck_assert_msg(sscanf(line, "{\"job\":\"job%d\",\"at\":%d,", &job, &at) == 2, "%s", line);
		ck_assert_int_gt(at, last[job]);
		last[job] = at;
	}
}

START_TEST(newer_progress_does_not_garble_older_that_is_half_sent)
{
	enum { JOBS = 1000, ROUNDS = 6 };
	static int last[JOBS];
	char id[16], line[600];
	int halves = 0;

	stop_listening();
	for (int round = 1; round <= ROUNDS; round++) {
		for (int i = 0; i < JOBS; i++) {
			snprintf(id, sizeof id, "job%d", i);
			snprintf(line, sizeof line, "{\"job\":\"%s\",\"at\":%d,\"pad\":\"%500d\"}\n", id, round, 0);
			engine_progress(&e, span_of(id), span_of(line));
		}
		if (round == 1) {
			listen_again(16);
			peer_accept();
		}
		halves += e.left > 0;
		take_progress(300, last);
	}
	ck_assert_int_gt(halves, 0);
	while (last[JOBS - 1] != ROUNDS)
		take_progress(1, last);
	for (int i = 0; i < JOBS; i++)
		ck_assert_int_eq(last[i], ROUNDS);
}
END_TEST

START_TEST(progress_that_was_cut_by_the_end_of_the_connection_is_said_again)
{
	connect_and_prove();
	for (int i = 0; !e.next; i++)
		report("a", i);
	report("a", 999999);
	peer_close();
	struct call *c = begin("job.get");
	peer_accept();
	const char *line;
	do
		line = peer_hears();
	while (strstr(line, "999999") == NULL && strstr(line, "job.get") == NULL);
	ck_assert_str_eq(line, "{\"job\":\"a\",\"at\":999999}");
	peer_hears_method("job.get");
	engine_abandon(&e, c);
	call_free(c);
}
END_TEST

/* ---- ends */

START_TEST(a_call_that_is_not_wanted_any_more_is_taken_back_where_it_can_be)
{
	connect_and_prove();
	struct call *sent = begin("job.save");
	peer_hears_method("job.save");
	struct call *big = begin_big(20000), *unsent = begin("job.delete"), *after = begin("job.count");
	int64_t ids[] = {sent->id, after->id};
	turns(2);
	engine_abandon(&e, sent);
	engine_abandon(&e, big);
	engine_abandon(&e, unsent);
	call_free(sent);
	call_free(big);
	call_free(unsent);
	struct span cut = span_of(peer_hears());
	struct scan_report report;
	ck_assert_int_ne((int)scan_check(cut, 128, &report), SCAN_OK);
	peer_hears_method("job.count");
	peer_answers(ids[0], "\"nobody hears\"");
	peer_answers(ids[1], "1");
	expect_result(after, "1");
	ck_assert_ptr_null(e.calls.first);
}
END_TEST

START_TEST(closing_says_of_each_call_what_can_be_known_and_sends_the_last_progress)
{
	connect_and_prove();
	struct call *save = begin("job.save"), *get = begin("job.get");
	peer_hears_method("job.save");
	peer_hears_method("job.get");
	engine_turn(&e, 0);
	stop_listening();
	shutdown(peer, SHUT_RDWR);
	until_down(); /* the read is to be sent again */
	struct call *unsent = begin("job.delete");
	report("a", 1);
	report("a", 2);
	expect_error(save, PERSIST_E_CONNECTION, PERSIST_UNKNOWN);
	listen_again(16);
	engine_cancel_all(&e);
	expect_error(get, PERSIST_E_CANCELLED, PERSIST_DID_NOT_HAPPEN);
	expect_error(unsent, PERSIST_E_CANCELLED, PERSIST_DID_NOT_HAPPEN);
	ck_assert_ptr_null(e.calls.first);
	engine_free(&e);
	peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	frame_free(&heard);
	frame_init(&heard, 1000);
	ck_assert_str_eq(peer_hears(), "{\"job\":\"a\",\"at\":2}");
}
END_TEST

START_TEST(closing_says_that_a_change_under_way_is_unknown)
{
	connect_and_prove();
	struct call *save = begin("job.save"), *get = begin("job.get");
	engine_cancel_all(&e);
	expect_error(save, PERSIST_E_CANCELLED, PERSIST_UNKNOWN);
	expect_error(get, PERSIST_E_CANCELLED, PERSIST_DID_NOT_HAPPEN);
	engine_free(&e);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("engine");
	TCase *t = tcase_create("engine");
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	tcase_add_test(t, answers_reach_their_calls_in_any_order);
	tcase_add_test(t, answers_that_nobody_asked_for_do_no_harm);
	tcase_add_test(t, an_answer_before_its_question_is_none);
	tcase_add_test(t, the_daemons_error_is_the_calls);
	tcase_add_test(t, what_a_broken_disk_leaves_open_is_said_to_be_unknown);
	tcase_add_test(t, an_answer_is_taken_though_the_connection_ends_with_it);
	tcase_add_test(t, an_answer_is_taken_though_the_end_is_noticed_while_sending);
	tcase_add_test(t, half_an_answer_is_none);
	tcase_add_loop_test(t, what_is_no_reply_ends_what_was_sent_and_nothing_else, 0, 7);
	tcase_add_test(t, a_reply_that_is_too_long_ends_its_own_call_only);
	tcase_add_test(t, a_change_whose_reply_is_too_long_is_unknown);
	tcase_add_test(t, a_change_that_was_sent_is_never_repeated);
	tcase_add_test(t, a_method_that_nobody_knows_may_change_something);
	tcase_add_test(t, a_flush_is_not_repeated_because_it_promises_what_came_before);
	tcase_add_test(t, reads_and_what_has_not_left_are_sent_again_in_their_order);
	tcase_add_test(t, a_change_of_which_half_had_left_is_sent_again_whole);
	tcase_add_test(t, a_change_that_lacks_only_its_newline_may_have_happened);
	tcase_add_test(t, a_connection_that_ended_while_nobody_looked_costs_no_change);
	tcase_add_test(t, a_peer_that_ends_each_connection_is_not_asked_for_ever);
	tcase_add_test(t, what_a_stopping_daemon_refuses_happens_on_the_next_connection);
	tcase_add_test(t, a_line_that_was_begun_is_ended_before_a_stopping_daemon_is_left_alone);
	tcase_add_test(t, a_read_behind_a_refused_change_sees_that_change);
	tcase_add_test(t, what_stays_refused_says_so_in_the_end);
	tcase_add_loop_test(t, a_line_beyond_the_daemons_limit_ends_its_own_call, 0, 2);
	tcase_add_test(t, what_is_said_without_a_name_to_the_only_call_is_about_it);
	tcase_add_test(t, a_notification_beyond_the_limit_ends_no_call);
	tcase_add_test(t, a_limit_is_the_only_calls_where_the_connection_is_wanted);
	tcase_add_test(t, a_connection_that_the_daemon_does_not_want_tells_each_call_why);
	tcase_add_test(t, a_call_that_never_left_did_not_happen_and_does_not_happen_later);
	tcase_add_test(t, a_call_whose_time_ends_half_sent_cannot_happen);
	tcase_add_test(t, the_end_of_a_cut_line_is_of_no_use_to_another_connection);
	tcase_add_test(t, a_change_that_is_not_answered_in_time_is_unknown_and_a_read_is_not);
	tcase_add_test(t, a_call_without_a_time_waits);
	tcase_add_test(t, a_daemon_that_comes_in_time_gets_the_call);
	tcase_add_test(t, patience_ends_and_says_where_nobody_was);
	tcase_add_test(t, no_patience_is_one_attempt_of_each_calls_own);
	tcase_add_test(t, a_new_call_does_not_wait_out_the_pause_that_others_began);
	tcase_add_test(t, time_that_ends_before_patience_says_that_nobody_is_there);
	tcase_add_test(t, a_path_that_cannot_be_is_told_at_once);
	tcase_add_test(t, a_daemon_that_has_not_come_to_accept_us_is_waited_for);
	tcase_add_test(t, progress_costs_one_line_where_the_socket_takes_it);
	tcase_add_test(t, progress_alone_makes_the_connection);
	tcase_add_test(t, progress_before_a_call_that_is_taken_back_is_not_lost);
	tcase_add_test(t, the_newest_progress_of_each_job_is_kept_while_nobody_is_there);
	tcase_add_test(t, progress_stays_between_the_calls_before_and_after_it);
	tcase_add_test(t, progress_of_many_jobs_is_bounded);
	tcase_add_test(t, a_hot_loop_without_a_daemon_does_not_ask_for_one_each_time);
	tcase_add_test(t, progress_neither_waits_nor_grows_where_the_daemon_does_not_read);
	tcase_add_test(t, progress_that_the_socket_takes_in_part_goes_on_where_it_stopped);
	tcase_add_test(t, progress_does_not_get_into_a_line_that_is_half_sent);
	tcase_add_test(t, a_loop_that_only_reports_goes_on_where_it_had_to_stop);
	tcase_add_test(t, newer_progress_does_not_garble_older_that_is_half_sent);
	tcase_add_test(t, progress_that_was_cut_by_the_end_of_the_connection_is_said_again);
	tcase_add_test(t, a_call_that_is_not_wanted_any_more_is_taken_back_where_it_can_be);
	tcase_add_test(t, closing_says_of_each_call_what_can_be_known_and_sends_the_last_progress);
	tcase_add_test(t, closing_says_that_a_change_under_way_is_unknown);
	return unit_run(s);
}
