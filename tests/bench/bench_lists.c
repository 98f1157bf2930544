/* bench_lists: what a page, a count, a get and a save cost with a thousand jobs and runs and with a million,
 * and what a million take to load and to hold.
 *
 *     bench_lists [RECORDS...]      default: 1000 1000000 */
#include "tests/integration/client.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CALLS = 300, SIZES_MAX = 8 };

static int sizes[SIZES_MAX] = {1000, 1000000};
static int size_count = 2;

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* A file as the Python classes would have left it: about 600 bytes a job, times a second apart. */
static void write_jobs(const char *path, int count)
{
	static const char *const statuses[] = {"pending", "running", "completed", "failed", "cancelled"};
	static const char *const types[] = {"backtest", "optimization", "signal_generation", "data_refresh"};
	FILE *file = fopen(path, "we");
	fprintf(file, "{\"jobs\":[\n");
	for (int i = 0; i < count; i++) {
		time_t created = 1700000000 + i;
		char text[32];
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", gmtime(&created));
		fprintf(file,
		        "{\"id\":\"%08x-%04d\",\"type\":\"%s\",\"status\":\"%s\",\"payload\":{\"factor_name\":"
		        "\"value\",\"start_date\":\"2020-01-01\","
		        "\"end_date\":\"2025-12-31\",\"top_n\":%d,\"costs\":{\"commission\":0.0015,\"slippage_bps\":"
		        "2.5},\"universe\":[\"AKBNK\",\"SISE\","
		        "\"ASELS\",\"THYAO\",\"BIMAS\"]},\"progress\":{\"current\":1200,\"total\":1200,\"message\":"
		        "\"Loading prices\"},\"result\":null,"
		        "\"created_at\":\"%s.%06d\",\"started_at\":null,\"completed_at\":null,\"error\":null,"
		        "\"metadata\":{\"owner\":\"api\",\"attempt\":%d}}%s\n",
		        (unsigned)i * 2654435761u, i % 10000, types[i % 7 % 4], statuses[i % 11 % 5], i % 50, text,
		        i % 1000000, i % 4, i + 1 < count ? "," : "");
	}
	fprintf(file, "]}\n");
	ck_assert_int_eq(fclose(file), 0);
}

static void write_runs(const char *path, int count)
{
	FILE *file = fopen(path, "we");
	fprintf(file, "{\"runs\":[\n");
	for (int i = 0; i < count; i++)
		fprintf(file, "{\"id\":\"backtest_%012x\",\"kind\":\"backtest\",\"status\":\"succeeded\",\"created_at\":\"2026-01-01T00:00:00+00:00\","
			      "\"updated_at\":\"2026-01-01T%02d:%02d:%02d+00:00\",\"request\":{\"n\":%d},\"meta\":{\"job_id\":\"j%d\",\"note\":\"baseline\"}}%s\n",
			(unsigned)i, i / 3600 % 24, i / 60 % 60, i % 60, i, i, i + 1 < count ? "," : "");
	fprintf(file, "]}\n");
	ck_assert_int_eq(fclose(file), 0);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Round trips over the socket, one after the other. */
static void measure(struct client *c, const char *what, const char *method, const char *params)
{
	double times[CALLS];
	for (int i = 0; i < CALLS; i++) {
		double begun = now_us();
		client_say(c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}", method, params);
		char *line = client_line(c);
		times[i] = now_us() - begun;
		ck_assert_msg(strstr(line, "\"result\""), "%s", line);
		free(line);
	}
	qsort(times, CALLS, sizeof *times, by_value);
	printf("  %-52s %8.0f µs  (99%%: %.0f)\n", what, times[CALLS / 2], times[CALLS * 99 / 100]);
}

static void measure_lists(struct client *c, int count)
{
	char params[200];
	measure(c, "first page of 50", "job.list", JSON({"limit":50}));
	measure(c, "page of 50, status running", "job.list", JSON({"limit":50,"status":"running"}));
	measure(c, "page of 50, 3 statuses × 2 types", "job.list",
	        JSON({"limit":50,"status":["running","failed","pending"],"type":["backtest","optimization"]}));
	snprintf(params, sizeof params, JSON({"limit":50,"offset":%d}), count / 2);
	measure(c, "page of 50 from the middle", "job.list", params);
	snprintf(
		params, sizeof params,
		JSON({"limit":50,"offset":%d,"status":["running","failed","pending"],"type":["backtest","optimization"]}),
		count / 10);
	measure(c, "page of 50 from a tenth, 3 statuses × 2 types", "job.list", params);
	measure(
		c, "page of 50 of a time range", "job.list",
		JSON({"limit":50,"created_after":"2023-11-14T22:20:00Z","created_before":"2023-11-14T22:28:00Z"}));
	measure(c, "page of 50 by id", "job.list", JSON({"limit":50,"order":"id"}));
	measure(c, "count by status", "job.count", JSON({"group_by":"status"}));
	measure(c, "count of 2 types in a time range", "job.count",
	        JSON({"type":["backtest","optimization"],"created_after":"2023-11-14T22:20:00Z"}));
	measure(c, "get", "job.get", JSON({"id":"00000000-0000"}));
	snprintf(params, sizeof params, JSON({"key":"job_id","value":"j%d"}), count / 3);
	measure(c, "run.find_by_meta", "run.find_by_meta", params);
	measure(c, "save, durable, one after the other", "job.save",
	        JSON({"job":{"id":"00000000-0000","error":"touched"}}));
}

static long long resident_kb(pid_t pid)
{
	char path[64];
	long long total, resident;
	snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
	FILE *file = fopen(path, "re");
	ck_assert_int_eq(fscanf(file, "%lld %lld", &total, &resident), 2);
	fclose(file);
	return resident * sysconf(_SC_PAGESIZE) >> 10;
}

static void report_load(struct daemon *d, const char *from)
{
	struct client *c = client_open(d);
	json_t *info = client_call(c, "server.info", NULL), *stats = client_call(c, "server.stats", NULL);
	printf("  load from %-42s %8.2f s;  resident %lld MB, of it records %lld MB, index %lld MB\n", from,
	       (double)whole_at(info, "load_micros") / 1e6, resident_kb(d->pid) >> 10,
	       whole_at(stats, "store.record_bytes") >> 20, whole_at(stats, "store.index_bytes") >> 20);
	client_close(c);
}

START_TEST(what_a_store_of_this_size_costs)
{
	int count = sizes[_i];
	struct daemon *d = daemon_new();
	write_jobs(daemon_path(d, "jobs.json"), count);
	write_runs(daemon_path(d, "runs.json"), count);
	printf("%d jobs, %d runs\n", count, count);
	daemon_patience(600000);
	daemon_start(d, NULL);
	report_load(d, "files of the Python classes");
	daemon_restart(d, NULL);
	report_load(d, "its own snapshots");
	measure_lists(client_open(d), count);
	fflush(stdout);
	daemon_end(d);
}
END_TEST

int main(int argc, char **argv)
{
	if (argc > 1)
		for (size_count = 0; size_count < argc - 1 && size_count < SIZES_MAX; size_count++)
			sizes[size_count] = atoi(argv[size_count + 1]);
	Suite *suite = suite_create("lists");
	TCase *tests = integration_case(suite, "lists", NULL, NULL);
	tcase_set_timeout(tests, 0);
	tcase_add_loop_test(tests, what_a_store_of_this_size_costs, 0, size_count);
	return integration_run(suite);
}
