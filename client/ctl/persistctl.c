/* persistctl: the daemon's methods from a shell. */
#include "client/link.h"
#include "client/where.h"
#include "proto/discover.h"
#include "proto/rpc.h"
#include "proto/scan.h"
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum exit_status {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_FOUND = 3,
	EXIT_CONFLICT = 4,
	EXIT_NO_DAEMON = 69, /* EX_UNAVAILABLE of sysexits.h */
	EXIT_TIMEOUT = 124,  /* as timeout(1) */
	EXIT_INTERRUPTED = 130,
};

struct options {
	const char *socket; /* NULL: not said */
	double timeout;
};

static const int64_t call_id = 1; /* one call a process */
static const double timeout_default = 30;

#define OWNED_BUF __attribute__((cleanup(buf_free))) struct buf
#define OWNED_LINK __attribute__((cleanup(drop_link))) struct link

static void drop_link(struct link **l)
{
	link_close(*l);
}

/* Nothing is held that would need putting away, so the handler may leave from wherever it is. */
static void interrupted(int signal)
{
	(void)signal;
	_exit(EXIT_INTERRUPTED);
}

static enum exit_status print(struct span text)
{
	if (fwrite(text.at, 1, text.len, stdout) == text.len && fflush(stdout) == 0)
		return EXIT_OK;
	fprintf(stderr, "persistctl: cannot write the output: %s\n", strerror(errno));
	return EXIT_FAILED;
}

static const char usage_start[] =
	"Usage:\n"
	"  persistctl [--socket PATH] [--timeout SECONDS] call METHOD [JSON]\n"
	"  persistctl [--socket PATH] [--timeout SECONDS] ping\n"
	"  persistctl help METHOD\n"
	"  persistctl --help | --version\n"
	"\n"
	"Calls persistd and prints the result as JSON on stdout. JSON is the parameters, "
	"an object by name or an\n"
	"array by position; '-' reads them from stdin.\n"
	"\n"
	"Options:\n"
	"  -s, --socket PATH      the daemon's socket. Else: $PERSISTD_SOCKET, "
	"$XDG_RUNTIME_DIR/persistd/persistd.sock\n"
	"                         (without that variable: /tmp/persistd-<uid>/persistd.sock), "
	"/run/persistd/persistd.sock\n"
	"  -t, --timeout SECONDS  how long to wait for the reply (default 30)\n"
	"  -h, --help             this text\n"
	"  -V, --version          the version\n"
	"\n"
	"Exit status: 0 done; 1 the call failed (stderr says why); 2 wrong usage; 3 not_found; 4 conflict;\n"
	"69 no daemon; 124 no reply in time; 130 interrupted.\n"
	"\n"
	"Methods (persistctl help METHOD says more):\n";

static enum exit_status help(void)
{
	OWNED_BUF text = {0};

	buf_text(&text, usage_start);
	for (size_t i = 0; i < METHOD_COUNT; i++)
		buf_printf(&text, "  %-22s %s\n", spec_methods[i].name, spec_methods[i].prose);
	return print(buf_as_span(&text));
}

__attribute__((format(printf, 1, 2))) static enum exit_status usage_error(const char *format, ...)
{
	va_list args;

	fputs("persistctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("\npersistctl: 'persistctl --help' says how it is used\n", stderr);
	return EXIT_USAGE;
}

static enum exit_status help_method(const char *name)
{
	OWNED_BUF text = {0};
	const char *near;
	const struct spec_method *m = spec_find(span_of(name), &near);

	if (!m)
		return usage_error("there is no method %s%s%s%s", name, near ? "; did you mean " : "",
		                   near ? near : "", near ? "?" : "");
	discover_usage(&text, m);
	return print(buf_as_span(&text));
}

static bool read_stdin(struct buf *into)
{
	for (;;) {
		ssize_t got = read(STDIN_FILENO, buf_room(into, 64 << 10), 64 << 10);
		if (got == 0)
			return true;
		if (got < 0 && errno != EINTR)
			return false;
		if (got > 0)
			into->len += (size_t)got;
	}
}

static const char *json_fault(enum scan_result result)
{
	if (result == SCAN_DUPLICATE)
		return "an object has one name twice";
	if (result == SCAN_DEEP)
		return "it is nested too deep";
	return "expected ";
}

/* The parameters as the user gave them: only whether they are JSON is judged here, the rest is the daemon's.
 * A line break can only stand between tokens of checked JSON, where a blank does as well and keeps the
 * request on one line. */
static enum exit_status params_take(const char *argument, struct buf *into)
{
	struct scan_report report = {0};
	bool from_stdin = strcmp(argument, "-") == 0;

	if (from_stdin && !read_stdin(into)) {
		fprintf(stderr, "persistctl: cannot read stdin: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
	if (!from_stdin)
		buf_text(into, argument);
	enum scan_result result = scan_check(buf_as_span(into), SCAN_DEPTH_FILE, &report);
	if (result != SCAN_OK) {
		fprintf(stderr, "persistctl: the parameters%s are not JSON: byte %zu: %s%s\n",
		        from_stdin ? " on stdin" : "", report.at + 1, json_fault(result),
		        result == SCAN_SYNTAX && report.expected ? report.expected : "");
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < into->len; i++)
		if (into->at[i] == '\n' || into->at[i] == '\r')
			into->at[i] = ' ';
	return EXIT_OK;
}

static enum exit_status no_daemon(const char *path)
{
	int why = errno;

	if (why == ENAMETOOLONG)
		return usage_error("the socket's path is too long for a socket: %s", path);
	fprintf(stderr,
		"persistctl: no daemon at %s: %s\n"
		"persistctl: start one with 'persistd --socket %s', or say --socket where it listens\n",
		path, strerror(why), path);
	return EXIT_NO_DAEMON;
}

static enum exit_status lost(enum link_result result, const struct options *o)
{
	static const char unknown[] = "a change may have been made or not";

	switch (result) {
	case LINK_TIMEOUT:
		fprintf(stderr, "persistctl: no reply within %g s; %s\n", o->timeout, unknown);
		return EXIT_TIMEOUT;
	case LINK_CLOSED:
		fprintf(stderr, "persistctl: the daemon closed the connection before it answered; %s\n", unknown);
		return EXIT_FAILED;
	case LINK_TOO_LONG:
		fprintf(stderr, "persistctl: the reply is longer than %d MiB\n", LINK_LINE_MAX >> 20);
		return EXIT_FAILED;
	case LINK_FAILED:
		fprintf(stderr, "persistctl: the connection failed: %s; %s\n", strerror(errno), unknown);
		return EXIT_FAILED;
	case LINK_OK:
		break;
	}
	return EXIT_FAILED;
}

/* What the daemon wrote, fit for a terminal. */
static void put_text(struct span value)
{
	OWNED_BUF scratch = {0};
	struct span text;

	if (!scan_string(value, &scratch, &text))
		text = value;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.at[i];
		fputc(c < 0x20 || c == 0x7f ? '?' : c, stderr);
	}
}

static void put_detail(struct span from, const char *name)
{
	struct span value;

	if (!scan_member(from, name, &value))
		return;
	fprintf(stderr, "  %s: ", name);
	put_text(value);
	fputc('\n', stderr);
}

static enum exit_status report_error(const char *method, struct span error)
{
	struct span code, message = SPAN("\"the daemon gave no reason\""), details = {0}, kind;
	enum fault_code known = FAULT_INTERNAL;
	int64_t number = 0;
	double rounded;

	if (scan_member(error, "code", &code) && scan_number(code, &number, &rounded) == SCAN_INT)
		fault_from_number(number, &known);
	scan_member(error, "message", &message);
	fprintf(stderr, "persistctl: %s: ", method);
	if (scan_member(error, "data", &details) && scan_member(details, "kind", &kind))
		put_text(kind);
	else
		fprintf(stderr, "error %lld", (long long)number);
	fputs(": ", stderr);
	put_text(message);
	fputc('\n', stderr);
	if (details.at) {
		put_detail(details, "field");
		put_detail(details, "expected");
		put_detail(details, "hint");
		put_detail(details, "removed");
	}
	return known == FAULT_NOT_FOUND ? EXIT_NOT_FOUND : known == FAULT_CONFLICT ? EXIT_CONFLICT : EXIT_FAILED;
}

static enum exit_status print_result(struct span result)
{
	enum exit_status status = print(result);
	return status == EXIT_OK ? print(SPAN("\n")) : status;
}

/* Whether a line answers our call; an error without an id does, since there is only one call. */
static bool is_answer(struct span line, struct rpc_message *m)
{
	struct scan_report report;
	struct fault fault;
	int64_t id;
	double rounded;

	if (scan_check(line, SCAN_DEPTH_FILE, &report) != SCAN_OK || rpc_read(line, m, &fault) != RPC_REPLY)
		return false;
	if (!m->id.at || scan_kind(m->id) == SCAN_NULL)
		return m->error.at != NULL;
	return scan_number(m->id, &id, &rounded) == SCAN_INT && id == call_id;
}

static enum exit_status converse(struct link *l, const char *method, struct span request, int64_t deadline,
				 const struct options *o)
{
	struct rpc_message reply;
	struct span line;
	enum link_result result = link_send(l, request, deadline);

	/* a daemon that stops reading may still have said why */
	if (result == LINK_OK || result == LINK_CLOSED)
		result = link_next(l, &line, deadline);
	if (result != LINK_OK)
		return lost(result, o);
	if (!is_answer(line, &reply)) {
		fprintf(stderr,
		        "persistctl: what answered is not a JSON-RPC 2.0 reply; is this persistd's socket?\n");
		return EXIT_FAILED;
	}
	return reply.error.at ? report_error(method, reply.error) : print_result(reply.result);
}

static enum exit_status call(const char *method, struct span params, const struct options *o)
{
	OWNED_BUF request = {0};
	OWNED_LINK *l = NULL;
	char path[WHERE_MAX];
	int64_t deadline = link_deadline(o->timeout);

	where_socket(o->socket, path);
	rpc_request(&request, method, params, call_id);
	enum link_result result = link_open(path, deadline, &l);
	if (result == LINK_FAILED)
		return no_daemon(path);
	if (result == LINK_TIMEOUT) {
		fprintf(stderr, "persistctl: the daemon at %s took no connection within %g s; nothing was sent\n",
		        path, o->timeout);
		return EXIT_TIMEOUT;
	}
	return converse(l, method, buf_as_span(&request), deadline, o);
}

static enum exit_status command_call(int argc, char **argv, const struct options *o)
{
	OWNED_BUF params = {0};

	if (argc < 2)
		return usage_error("call needs a method");
	if (argc > 3)
		return usage_error("call takes a method and one JSON text: quote the JSON for the shell");
	if (argc == 3) {
		enum exit_status status = params_take(argv[2], &params);
		if (status != EXIT_OK)
			return status;
	}
	return call(argv[1], buf_as_span(&params), o);
}

static enum exit_status command(int argc, char **argv, const struct options *o)
{
	if (argc == 0)
		return usage_error("a command is missing");
	if (strcmp(argv[0], "call") == 0)
		return command_call(argc, argv, o);
	if (strcmp(argv[0], "ping") == 0)
		return argc == 1 ? call("server.ping", (struct span){0}, o) : usage_error("ping takes nothing");
	if (strcmp(argv[0], "help") == 0)
		return argc == 1 ? help() : argc == 2 ? help_method(argv[1]) : usage_error("help takes one method");
	return usage_error("there is no command %s", argv[0]);
}

static bool seconds_read(const char *text, double *seconds)
{
	char *end;

	*seconds = strtod(text, &end);
	return end != text && *end == '\0' && isfinite(*seconds) && *seconds > 0;
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		{"socket", required_argument, NULL, 's'}, {"timeout", required_argument, NULL, 't'},
		{"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {0},
	};
	struct options o = {.timeout = timeout_default};
	int option;

	if (signal(SIGINT, interrupted) == SIG_IGN)
		signal(SIGINT, SIG_IGN);
	while ((option = getopt_long(argc, argv, "s:t:hV", known, NULL)) != -1) {
		switch (option) {
		case 's': o.socket = optarg; break;
		case 't':
			if (!seconds_read(optarg, &o.timeout))
				return usage_error("--timeout takes a number of seconds above 0");
			break;
		case 'h': return help();
		case 'V': return print(SPAN("persistctl " PERSISTD_VERSION "\n"));
		default: return usage_error("that option is not known, or lacks its value");
		}
	}
	return command(argc - optind, argv + optind, &o);
}
