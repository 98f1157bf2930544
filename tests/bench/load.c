/* load: a load generator for persistd and what it is compared with, over Unix sockets.
 *
 *     load --socket PATH [--protocol persistd] [--work get] [--records 100000] [--bytes 600]
 *          [--connections 1] [--pipeline 1] [--seconds 2] [--warm 0.2] [--grace 5] [--every MICROS] [--seed 1]
 *     load --protocol sqlite --socket FILE …   the same by SQLite in this process, in so many threads
 *     load --work preload …             stores the records, each once, in order (--first N: from there on)
 *     load --work delete --count N …    deletes so many, each once; with other works --count ends the run early
 *     load --work records …             prints them, a line each, and connects to nothing
 *
 * Works: save indexed preload get list progress notify mixed delete first middle rare common ping (dialect.h).
 * Prints one line of JSON. Times are in microseconds; `cpu` is the part of a core that this program used.
 * SIGINT ends a run early, and what was measured is printed. Exit status 1: an error came back, or no reply; stderr
 * says which. */
#include "tests/bench/flight.h"
#ifdef HAVE_SQLITE
#include "tests/bench/embedded.h"
#endif
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PRELOAD_SLICE = 50000 };

struct options {
	struct flight_plan flight;
	struct ring_plan ring;
	bool has_count;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

static void usage(void)
{
	fprintf(stderr, "usage: load --socket PATH [--protocol persistd|redis|ovsdb|sqlite|echo] [--work WORK]\n"
	                "            [--records N] [--bytes N] [--connections N] [--pipeline N] [--seconds S] [--warm S]\n"
	                "            [--grace S] [--every MICROS] [--seed N] [--first N] [--count N]\n");
	exit(2);
}

static double number_of(const char *flag, const char *text, double min, double max)
{
	char *end;
	double value = strtod(text, &end);
	if (*text == '\0' || *end != '\0' || !(value >= min && value <= max)) {
		fprintf(stderr, "load: --%s must be a number from %g to %g\n", flag, min, max);
		exit(2);
	}
	return value;
}

static uint32_t count_of(const char *flag, const char *text, uint32_t min, uint32_t max)
{
	return (uint32_t)number_of(flag, text, min, max);
}

static void take_protocol(struct options *o, const char *name)
{
	o->flight.dialect = o->ring.dialect = dialect_named(name);
	if (!o->ring.dialect) {
		fprintf(stderr, "load: --protocol must be persistd, redis, ovsdb, sqlite or echo\n");
		exit(2);
	}
}

static void take_flag(struct options *o, const char *flag, const char *text)
{
	switch (flag[0]) {
	case 'p':
		if (strcmp(flag, "protocol") == 0)
			take_protocol(o, text);
		else
			o->flight.pipeline = count_of(flag, text, 1, FLIGHT_PIPELINE_MAX);
		break;
	case 'w':
		if (strcmp(flag, "work") == 0)
			o->ring.work = text;
		else
			o->flight.warm = number_of(flag, text, 0, 3600);
		break;
	case 's':
		if (strcmp(flag, "socket") == 0)
			o->flight.socket = text;
		else if (strcmp(flag, "seconds") == 0)
			o->flight.seconds = number_of(flag, text, 0.01, 36000);
		else
			o->ring.seed = count_of(flag, text, 0, UINT32_MAX);
		break;
	case 'c':
		if (strcmp(flag, "connections") == 0) {
			o->flight.connections = count_of(flag, text, 1, FLIGHT_CONNECTIONS_MAX);
		} else {
			o->ring.count = count_of(flag, text, 1, 100000000);
			o->has_count = true;
		}
		break;
	case 'r':
		o->ring.records = count_of(flag, text, 1, 99999999);
		break;
	case 'b':
		o->ring.bytes = count_of(flag, text, SAMPLE_BYTES_MIN, 8 << 20);
		break;
	case 'g':
		o->flight.grace = number_of(flag, text, 0, 3600);
		break;
	case 'e':
		o->flight.every = number_of(flag, text, 1, 1e9) / 1e6;
		break;
	default:
		o->ring.first = count_of(flag, text, 0, 99999999);
	}
}

static void read_options(struct options *o, int argc, char **argv)
{
	static const struct option flags[] = {
		{"socket", 1, 0, 0}, {"protocol", 1, 0, 0}, {"work", 1, 0, 0},        {"records", 1, 0, 0},
		{"bytes", 1, 0, 0},  {"seconds", 1, 0, 0},  {"connections", 1, 0, 0}, {"pipeline", 1, 0, 0},
		{"warm", 1, 0, 0},   {"grace", 1, 0, 0},    {"every", 1, 0, 0},       {"seed", 1, 0, 0},
		{"first", 1, 0, 0},  {"count", 1, 0, 0},    {0}};
	int which, got;
	while ((got = getopt_long(argc, argv, "", flags, &which)) != -1) {
		if (got == '?')
			usage();
		take_flag(o, flags[which].name, optarg);
	}
	bool needs_socket = strcmp(o->ring.work, "records") != 0;
	if (optind < argc || (needs_socket && !o->flight.socket))
		usage();
	o->flight.once = strcmp(o->ring.work, "preload") == 0 || strcmp(o->ring.work, "delete") == 0;
	if (o->has_count && !o->flight.once && needs_socket)
		o->flight.calls = o->ring.count;
	if (!o->has_count || o->flight.calls > 0)
		o->ring.count = o->ring.records - o->ring.first;
	if (o->ring.first >= o->ring.records || o->ring.count > o->ring.records - o->ring.first) {
		fprintf(stderr, "load: --first and --count must lie within --records\n");
		exit(2);
	}
	o->ring.burst = o->flight.pipeline;
	if (strcmp(o->ring.work, "notify") == 0)
		o->flight.pipeline = 1; /* one burst */
	if (o->flight.every > 0)
		o->flight.connections = o->flight.pipeline = 1;
}

/* ---- what is printed */

static void print_times(const struct histogram *h)
{
	printf("\"p50\":%.2f,\"p99\":%.2f,\"p999\":%.2f,\"max\":%.2f", (double)histogram_at(h, 500) / 1e3,
	       (double)histogram_at(h, 990) / 1e3, (double)histogram_at(h, 999) / 1e3, (double)h->max / 1e3);
}

static void print_log(const struct options *o, const struct flight_log *log)
{
	static struct histogram all;
	unsigned kinds = 0;
	for (int i = 0; i < WORK_COUNT; i++) {
		histogram_merge(&all, &log->took[i]);
		kinds += log->took[i].count > 0;
	}
	printf("{\"work\":\"%s\",\"protocol\":\"%s\",\"records\":%u,\"bytes\":%u,\"connections\":%u,\"pipeline\":%u,"
	       "\"calls\":%llu,\"total\":%llu,\"seconds\":%.4f,\"rate\":%.1f,",
	       o->ring.work, o->ring.dialect->name, o->ring.records, o->ring.bytes, o->flight.connections,
	       o->ring.burst, (unsigned long long)log->calls, (unsigned long long)log->total, log->seconds,
	       (double)log->calls / log->seconds);
	print_times(&all);
	printf(",\"cpu\":%.3f,\"bytes_in\":%llu,\"bytes_out\":%llu,\"drained\":%s", log->cpu / log->seconds,
	       (unsigned long long)log->bytes_in, (unsigned long long)log->bytes_out, log->drained ? "true" : "false");
	for (int i = 0; i < WORK_COUNT && kinds > 1; i++) {
		if (log->took[i].count == 0)
			continue;
		printf(",\"%s\":{\"count\":%llu,", work_names[i], (unsigned long long)log->took[i].count);
		print_times(&log->took[i]);
		printf("}");
	}
	printf("}\n");
}

static void print_records(const struct ring_plan *plan)
{
	struct buf line = {0};
	for (uint32_t i = 0; i < plan->count; i++) {
		struct sample s = {.number = plan->first + i, .variant = i, .bytes = plan->bytes};
		line.len = 0;
		sample_record(&line, &s);
		buf_char(&line, '\n');
		fwrite(line.at, 1, line.len, stdout);
	}
	buf_free(&line);
}

/* ---- */

static bool take_off(const struct flight_plan *plan, struct flight_log *log)
{
	if (strcmp(plan->dialect->name, "sqlite") != 0)
		return flight_fly(plan, log);
#ifdef HAVE_SQLITE
	return embedded_fly(plan, log);
#else
	snprintf(log->fault, sizeof log->fault, 
	         "built without SQLite: install libsqlite3-dev, then meson setup --reconfigure");
	return false;
#endif
}

static bool fly(const struct options *o, struct flight_log *log)
{
	struct ring ring;
	struct flight_plan plan = o->flight;
	if (!ring_make(&ring, &o->ring)) {
		fprintf(stderr, "load: %s has no work \"%s\"\n", o->ring.dialect->name, o->ring.work);
		exit(2);
	}
	plan.ring = &ring;
	bool good = take_off(&plan, log);
	ring_free(&ring);
	if (!good)
		fprintf(stderr, "load: %s\n", log->fault);
	return good;
}

/* A slice at a time, so that the requests of a million records need not be in memory at once. */
static bool preload(const struct options *o, struct flight_log *log)
{
	static struct flight_log part;
	for (uint32_t done = 0; done < o->ring.count; done += PRELOAD_SLICE) {
		struct options slice = *o;
		slice.ring.first += done;
		slice.ring.count = o->ring.count - done < PRELOAD_SLICE ? o->ring.count - done : PRELOAD_SLICE;
		if (!fly(&slice, &part))
			return false;
		log->calls += part.calls;
		log->total += part.total;
		log->seconds += part.seconds;
		log->cpu += part.cpu;
		log->bytes_in += part.bytes_in;
		log->bytes_out += part.bytes_out;
		histogram_merge(&log->took[WORK_PRELOAD], &part.took[WORK_PRELOAD]);
	}
	log->drained = true;
	return true;
}

int main(int argc, char **argv)
{
	static struct flight_log log;
	struct options o = {
		.flight = {.connections = 1, .pipeline = 1, .warm = 0.2, .seconds = 2, .grace = 5},
		.ring = {.work = "get", .records = 100000, .bytes = 600, .seed = 1},
	};
	take_protocol(&o, "persistd");
	read_options(&o, argc, argv);
	if (strcmp(o.ring.work, "records") == 0) {
		print_records(&o.ring);
		return 0;
	}
	o.flight.stop = &interrupted;
	signal(SIGINT, on_interrupt);
	bool good = strcmp(o.ring.work, "preload") == 0 ? preload(&o, &log) : fly(&o, &log);
	if (good)
		print_log(&o, &log);
	return good ? 0 : 1;
}
