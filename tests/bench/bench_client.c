/* bench_client: what a call costs through libpersist, beside a socket of one's own that says the same lines.
 * The two take turns, so that whatever else the machine does falls on both.
 *
 *     bench_client [CALLS]      default: 2000 */
#include "client/persist.h"
#include "tests/integration/daemon.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { BURST = 200 };

static int calls = 2000;
static persist_client *c;
static int raw;

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void connect_raw(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, path);
	raw = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(raw, (struct sockaddr *)&address, sizeof address), 0);
}

static void say_raw(const char *line)
{
	size_t len = strlen(line);
	ck_assert_int_eq(send(raw, line, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void call_raw(const char *line)
{
	char reply[4096];
	size_t got = 0;
	say_raw(line);
	do {
		ssize_t more = recv(raw, reply + got, sizeof reply - 1 - got, 0);
		ck_assert_int_gt(more, 0);
		got += (size_t)more;
	} while (reply[got - 1] != '\n');
	reply[got] = '\0';
	ck_assert_msg(strstr(reply, "\"result\""), "%s", reply);
}

/* ---- the same, both ways */

#define JOB \
	JSON({"id":"bench","type":"backtest","status":"running","payload":{"factor_name":"value","top_n":20, \
	      "costs":{"commission":0.0015,"slippage_bps":2.5},"universe":["AKBNK","SISE","ASELS","THYAO"]}})
#define PROGRESS \
	"\"method\":\"job.update_progress\",\"params\":" \
	JSON({"id":"bench","progress":{"current":7,"total":9,"message":"at work"}})

static void done(int code, const persist_error *e)
{
	ck_assert_msg(code == 0, "%s", e->message);
}

static void get_by_library(void)
{
	persist_result *r;
	persist_error e;
	done(persist_job_get(c, "bench", NULL, &r, &e), &e);
	persist_result_free(r);
}
static void get_raw(void)
{
	call_raw("{\"jsonrpc\":\"2.0\",\"method\":\"job.get\",\"params\":{\"id\":\"bench\"},\"id\":1}\n");
}

static void save_by_library(void)
{
	persist_result *r;
	persist_error e;
	done(persist_job_save(c, persist_text(JOB), NULL, &r, &e), &e);
	persist_result_free(r);
}
static void save_raw(void)
{
	call_raw("{\"jsonrpc\":\"2.0\",\"method\":\"job.save\",\"params\":{\"job\":" JOB "},\"id\":1}\n");
}

static void update_by_library(void)
{
	persist_error e;
	done(persist_job_update_progress(c, "bench", 7, 9, "at work", NULL, &e), &e);
}
static void update_raw(void) { call_raw("{\"jsonrpc\":\"2.0\"," PROGRESS ",\"id\":1}\n"); }

static void fire_by_library(void)
{
	persist_error e;
	for (int i = 0; i < BURST; i++)
		done(persist_job_progress(c, "bench", 7, 9, "at work", &e), &e);
}
static void fire_raw(void)
{
	for (int i = 0; i < BURST; i++)
		say_raw("{\"jsonrpc\":\"2.0\"," PROGRESS "}\n");
}

/* So that a burst begins with nothing of the one before it in any socket. */
static void settle(void)
{
	persist_error e;
	done(persist_ping(c, &e), &e);
	call_raw("{\"jsonrpc\":\"2.0\",\"method\":\"server.ping\",\"id\":1}\n");
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *times, int count)
{
	qsort(times, (size_t)count, sizeof *times, by_value);
	return times[count / 2];
}

static double time_of(void function(void))
{
	double begun = now_us();
	function();
	return now_us() - begun;
}

/* `each`: how many calls one run of the functions is. */
static void compare(const char *what, void by_library(void), void by_socket(void), int rounds, int each)
{
	double *library = calloc((size_t)rounds, sizeof *library), *own = calloc((size_t)rounds, sizeof *own);
	for (int i = 0; i < rounds; i++) {
		if (each > 1)
			settle();
		library[i] = time_of(by_library) / each;
		if (each > 1)
			settle();
		own[i] = time_of(by_socket) / each;
	}
	printf("  %-34s %8.2f us   raw socket %8.2f us\n", what, median(library, rounds), median(own, rounds));
	free(library);
	free(own);
}

START_TEST(what_a_call_costs)
{
	struct daemon *d = daemon_started(NULL);
	c = persist_open(d->socket);
	connect_raw(d->socket);
	save_raw();
	compare("get", get_by_library, get_raw, calls, 1);
	compare("save, durable", save_by_library, save_raw, calls, 1);
	compare("update_progress, answered", update_by_library, update_raw, calls, 1);
	compare("progress, fire-and-forget", fire_by_library, fire_raw, calls / 10 + 1, BURST);
	daemon_kill(d);
	printf("  %-34s %8.2f us\n", "progress, the daemon away", time_of(fire_by_library) / BURST);
	persist_close(c);
	close(raw);
	fflush(stdout);
}
END_TEST

int main(int argc, char **argv)
{
	if (argc > 1)
		calls = atoi(argv[1]);
	Suite *suite = suite_create("client");
	TCase *tests = integration_case(suite, "client", NULL, NULL);
	tcase_set_timeout(tests, 0);
	tcase_add_test(tests, what_a_call_costs);
	return integration_run(suite);
}
