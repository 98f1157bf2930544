#include "daemon/options.h"
#include "proto/mem.h"
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_USAGE = 64 }; /* EX_USAGE of sysexits.h */

enum option_key {
	KEY_SOCKET = 256, KEY_STATE_DIR, KEY_LOG_LEVEL, KEY_CHECK, KEY_HELP, KEY_VERSION, KEY_LIMITS
};

/* The limits that can be set, with their bounds. */
static const struct limit_option {
	const char *name, *argument, *prose;
	size_t offset;
	uint64_t fallback, min, max;
} limit_options[] = {
	{"max-line", "BYTES", "longest request line", offsetof(struct limits, line), 16 << 20, 1024, 256 << 20},
	{"max-reply", "BYTES", "longest reply line", offsetof(struct limits, reply), 16 << 20, 16384, 256 << 20},
	{"max-page", "BYTES", "records in one list page", offsetof(struct limits, page), 8 << 20, 4096,
	 128 << 20},
	{"max-connections", "N", "connections at once", offsetof(struct limits, connections), 4096, 1, 1000000},
	{"max-calls", "N", "calls in flight on one connection", offsetof(struct limits, calls), 1024, 1, 1000000},
	{"max-batch", "N", "calls in one JSON-RPC batch", offsetof(struct limits, batch_calls), 16384, 1,
	 1000000},
	{"max-queued", "BYTES", "replies queued to a slow reader", offsetof(struct limits, queued), 4 << 20, 4096,
	 1 << 30},
	{"max-unfinished", "BYTES", "unfinished long lines, all connections", offsetof(struct limits, unfinished),
	 256 << 20, 65536, UINT64_C(64) << 30},
	{"max-in-flight", "BYTES", "calls in flight, all connections", offsetof(struct limits, in_flight),
	 256 << 20, 65536, UINT64_C(64) << 30},
};
enum { LIMIT_OPTIONS = sizeof limit_options / sizeof *limit_options };

static void print_help(void)
{
	printf("Usage: persistd [OPTION]...\n"
	       "Keeps jobs and runs for the programs of this machine: JSON-RPC 2.0 lines on a Unix socket, JSON "
	       "files on disk.\n"
	       "\n"
	       "  --socket PATH        where clients connect\n"
	       "                       (default $XDG_RUNTIME_DIR/persistd/persistd.sock, else "
	       "/tmp/persistd-<uid>/persistd.sock)\n"
	       "  --state-dir DIR      where records are kept\n"
	       "                       (default $XDG_STATE_HOME/persistd, else ~/.local/state/persistd)\n"
	       "  --log-level LEVEL    error, warning, info (default) or debug\n"
	       "  --check              validate the files of the state directory and exit: 0 sound, 1 findings\n"
	       "  --help, --version\n"
	       "\n"
	       "Limits:\n");
	for (int i = 0; i < LIMIT_OPTIONS; i++)
		printf("  --%s %-*s %s (default %" PRIu64 ")\n", limit_options[i].name,
		       18 - (int)strlen(limit_options[i].name), limit_options[i].argument, limit_options[i].prose,
		       limit_options[i].fallback);
	printf("\n"
	       "SIGTERM and SIGINT finish what is in flight, fold and exit 0. SIGHUP re-reads nothing yet: all "
	       "settings are flags.\n"
	       "Exit status: 0 stopped; 1 the start was refused (the last line on stderr says why); 64 wrong "
	       "usage; 71 out of memory.\n");
}

static bool parse_limit(struct limits *limits, const struct limit_option *o, const char *text)
{
	char *end;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || value < o->min || value > o->max) {
		fprintf(stderr, "persistd: --%s: expected a whole number from %" PRIu64 " to %" PRIu64 "\n", o->name,
		        o->min, o->max);
		return false;
	}
	*(uint64_t *)((char *)limits + o->offset) = value;
	return true;
}

static char *join(const char *a, const char *b)
{
	char *path;
	if (asprintf(&path, "%s%s", a, b) < 0)
		abort();
	return path;
}

/* The same rule as the client's (client/where.h). */
static char *default_socket(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char *path;
	if (runtime && runtime[0] == '/')
		return join(runtime, "/persistd/persistd.sock");
	if (asprintf(&path, "/tmp/persistd-%u/persistd.sock", geteuid()) < 0)
		abort();
	return path;
}

static char *default_state_dir(void)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	if (state && state[0] == '/')
		return join(state, "/persistd");
	return home && home[0] == '/' ? join(home, "/.local/state/persistd") : NULL;
}

static bool apply(struct options *o, int key, const char *argument)
{
	switch (key) {
	case KEY_SOCKET:
		o->socket = argument;
		return true;
	case KEY_STATE_DIR:
		o->state_dir = argument;
		return true;
	case KEY_CHECK:
		o->check = true;
		return true;
	case KEY_LOG_LEVEL:
		if (log_level_from(argument, &o->log_level))
			return true;
		fprintf(stderr, "persistd: --log-level: expected error, warning, info or debug\n");
		return false;
	default:
		return parse_limit(&o->limits, &limit_options[key - KEY_LIMITS], argument);
	}
}

static void set_defaults(struct options *o)
{
	*o = (struct options){.log_level = LOG_LEVEL_INFO};
	for (int i = 0; i < LIMIT_OPTIONS; i++)
		*(uint64_t *)((char *)&o->limits + limit_options[i].offset) = limit_options[i].fallback;
}

static bool finish(struct options *o)
{
	o->socket = o->socket ? join(o->socket, "") : default_socket();
	o->state_dir = o->state_dir ? join(o->state_dir, "") : default_state_dir();
	if (!o->socket[0])
		fprintf(stderr, "persistd: --socket: expected a path\n");
	else if (!o->state_dir || !o->state_dir[0])
		fprintf(stderr, "persistd: --state-dir: expected a path (neither XDG_STATE_HOME nor HOME is set)\n");
	else
		return true;
	free((char *)o->socket);
	free((char *)o->state_dir);
	o->socket = o->state_dir = NULL;
	return false;
}

static bool usage(int *status)
{
	fprintf(stderr, "Try persistd --help.\n");
	*status = EXIT_USAGE;
	return false;
}

bool options_parse(struct options *o, int argc, char **argv, int *status)
{
	struct option longs[7 + LIMIT_OPTIONS] = {
		{"socket", required_argument, NULL, KEY_SOCKET},
		{"state-dir", required_argument, NULL, KEY_STATE_DIR},
		{"log-level", required_argument, NULL, KEY_LOG_LEVEL}, {"check", no_argument, NULL, KEY_CHECK},
		{"help", no_argument, NULL, KEY_HELP}, {"version", no_argument, NULL, KEY_VERSION},
	};
	for (int i = 0; i < LIMIT_OPTIONS; i++)
		longs[6 + i] = (struct option){limit_options[i].name, required_argument, NULL, KEY_LIMITS + i};
	set_defaults(o);
	*status = 0;
	for (int key; (key = getopt_long(argc, argv, "hV", longs, NULL)) != -1;) {
		if (key == '?')
			return usage(status);
		if (key == KEY_HELP || key == 'h') {
			print_help();
			return false;
		}
		if (key == KEY_VERSION || key == 'V') {
			printf("persistd %s\n", PERSISTD_VERSION);
			return false;
		}
		if (!apply(o, key, optarg))
			return usage(status);
	}
	if (optind < argc) {
		fprintf(stderr, "persistd: unexpected argument: %s\n", argv[optind]);
		return usage(status);
	}
	return finish(o) || usage(status);
}
