#include "client/ctl/save.h"
#include "client/ctl/complain.h"
#include "client/ctl/help.h"
#include "client/ctl/input.h"
#include "client/ctl/interrupt.h"
#include "client/ctl/method_command.h"
#include "client/ctl/object.h"
#include "client/ctl/print.h"
#include "client/ctl/show.h"
#include "proto/params.h"
#include "proto/scan.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define OWNED_BUF __attribute__((cleanup(buf_free))) struct buf
enum { WINDOW = 256 }; /* calls on their way at once: what arrives together is made durable together */

struct saving {
	struct invocation *i;
	char command[64];
	bool runs; /* the parameters are the record; jobs: one of them is */
};

static struct saving saving_of(struct invocation *i)
{
	struct saving s = {.i = i, .runs = strcmp(i->command->noun, "run") == 0};

	command_name(i->command, s.command);
	return s;
}

/* ---- a run as run get gives it, as run.create_or_update takes it */

static void run_member(struct buf *params, struct span name, struct span value)
{
	int place = field_find(spec_run_fields, name);

	if (place == RUN_ID)
		object_set(params, SPAN("run_id"), value);
	else if (place < 0 || !spec_run_fields[place].ours)
		object_set(params, name, value);
}

static void run_params(struct buf *params, struct span run)
{
	struct span raw, value;

	buf_text(params, "{}");
	for (struct scan_iter it = scan_members(run); scan_next_member(&it, &raw, &value);) {
		OWNED_BUF scratch = {0};
		struct span name;
		if (scan_unescape(raw, &scratch, &name))
			run_member(params, name, value);
	}
}

/* An existing run keeps its first kind, so nobody has to say it again. */
static enum exit_status add_known_kind(struct saving *s, struct buf *params)
{
	OWNED_BUF ask = {0}, id = {0};
	const char *said = given_text(&s->i->given, "run-id"), *alias = given_text(&s->i->given, "id");
	struct span value, text;
	persist_result *run;
	persist_error error;

	if (given_has(&s->i->given, "kind") || scan_member(buf_as_span(params), "kind", &value))
		return EXIT_OK;
	if (said || alias)
		buf_string(&id, span_of(said ? said : alias));
	else if (scan_member(buf_as_span(params), "run_id", &value))
		buf_span(&id, value);
	if (id.len == 0)
		return EXIT_OK;
	buf_printf(&ask, "{\"run_id\":%.*s,\"fields\":[\"kind\"]}", (int)id.len, id.at);
	if (persist_call(session_client(&s->i->session), "run.get", persist_text_n(ask.at, ask.len), &run,
	                 &error) != 0) {
		if (error.code == PERSIST_NOT_FOUND)
			return help_missing(s->i->command, "there is no run %.*s: a new one needs --kind",
			                    (int)id.len - 2, id.at + 1);
		/* an id that is refused below, in better words */
		return error.code == PERSIST_INVALID_PARAMS ? EXIT_OK
		                                            : session_report(&s->i->session, "run.get", &error);
	}
	text.at = persist_result_text(run, &text.len);
	if (scan_member(text, "kind", &value))
		object_set(params, SPAN("kind"), value);
	persist_result_free(run);
	return EXIT_OK;
}

/* `document` absent: flags only. */
static enum exit_status params_of(struct saving *s, struct span document, struct buf *out)
{
	OWNED_BUF start = {0};

	if (!s->runs)
		return method_params(s->i, SPAN("{}"), document, NULL, out);
	run_params(&start, document);
	enum exit_status status = add_known_kind(s, &start);
	return status == EXIT_OK ? method_params(s->i, buf_as_span(&start), (struct span){0}, NULL, out) : status;
}

/* ---- one record */

static bool is_document(const char *operand)
{
	return operand[0] == '{' || operand[0] == '[' || operand[0] == '@' || strcmp(operand, "-") == 0;
}

/* [ID] [JSON|@FILE|-], in this order or the other. */
static enum exit_status take_operands(struct saving *s, const char **document)
{
	struct given *g = &s->i->given;
	const char *id = NULL;

	*document = NULL;
	for (size_t o = 0; o < g->operand_count; o++) {
		const char **place = is_document(g->operands[o]) ? document : &id;
		if (*place)
			return complain_usage(s->command, "%s: there is no place for %s", s->command, g->operands[o]);
		*place = g->operands[o];
	}
	g->operand_count = 0;
	if (id)
		given_say(g, &s->i->command->operands[0], id);
	return EXIT_OK;
}

static enum exit_status save_one(struct saving *s)
{
	OWNED_BUF text = {0}, params = {0};
	const char *document;
	struct span record = {0};
	enum exit_status status = take_operands(s, &document);

	if (status == EXIT_OK && document) {
		status = input_json(document, "the record", &text);
		record = buf_as_span(&text);
		if (status == EXIT_OK && scan_kind(record) != SCAN_OBJECT)
			status = complain_usage(s->command, "the record must be a JSON object");
	}
	if (status == EXIT_OK)
		status = params_of(s, record, &params);
	return status == EXIT_OK ? show_call(s->i, s->i->command->method->name, buf_as_span(&params)) : status;
}

/* ---- JSON lines */

struct stream {
	struct saving *s;
	FILE *in;
	const char *name;
	uint64_t line, failed, count, saved;
	struct {
		persist_pending *pending;
		uint64_t line;
	} window[WINDOW]; /* a ring: [first, first + held) */
	size_t first, held;
	enum exit_status status; /* what ends it all: the daemon is away, or the output cannot be written */
};

#define SAFE_AGAIN "the same command again is safe where each record has its id"

/* In case that the command itself does not come to say it. */
static void leave_words(const struct stream *t)
{
	interrupt_words("%llu records were saved, and up to %zu more; " SAFE_AGAIN, (unsigned long long)t->saved,
	                t->held);
}

static void take_oldest(struct stream *t)
{
	persist_result *saved;
	persist_error error;
	char about[80];
	uint64_t line = t->window[t->first].line;
	int code = persist_wait(t->window[t->first].pending, &saved, &error);

	t->first = (t->first + 1) % WINDOW;
	t->held--;
	if (code == 0) {
		t->saved++;
		leave_words(t);
		struct span text;
		text.at = persist_result_text(saved, &text.len);
		enum exit_status shown = t->status == EXIT_OK ? show_result(t->s->i, text) : EXIT_OK;
		if (shown != EXIT_OK)
			t->status = shown;
		persist_result_free(saved);
		return;
	}
	t->failed++;
	if (t->status != EXIT_OK) /* said already */
		return;
	snprintf(about, sizeof about, "%s: line %llu", t->s->i->command->method->name, (unsigned long long)line);
	enum exit_status status = session_report(&t->s->i->session, about, &error);
	if (code > 0) /* this side's: what follows would end the same way */
		t->status = status;
}

static void start(struct stream *t, struct span params)
{
	persist_error error;
	persist_pending *p;

	if (t->held == WINDOW)
		take_oldest(t);
	if (t->status != EXIT_OK)
		return;
	p = persist_start(session_client(&t->s->i->session), t->s->i->command->method->name,
	                  persist_text_n(params.at, params.len), &error);
	if (!p) {
		t->status = session_report(&t->s->i->session, t->s->i->command->method->name, &error);
		return;
	}
	size_t place = (t->first + t->held++) % WINDOW;
	t->window[place].pending = p;
	t->window[place].line = t->line;
}

static void refuse_line(struct stream *t, const char *why)
{
	complain("%s: line %llu %s", t->name, (unsigned long long)t->line, why);
	t->failed++;
}

static bool is_blank(struct span line)
{
	return line.len == 0 || strspn(line.at, " \t\r\n") >= line.len;
}

static void take_line(struct stream *t, struct span line)
{
	OWNED_BUF params = {0};
	struct scan_report report = {0};
	char why[240], fault[200];

	if (is_blank(line))
		return;
	t->count++;
	if (scan_check(line, SCAN_DEPTH_FILE, &report) != SCAN_OK) {
		input_fault(line, fault, sizeof fault);
		snprintf(why, sizeof why, "is not JSON: %s", fault);
		refuse_line(t, why);
		return;
	}
	size_t lead = strspn(line.at, " \t");
	while (line.len > lead && strchr(" \t\r\n", line.at[line.len - 1]))
		line.len--;
	struct span record = {line.at + lead, line.len - lead};
	if (scan_kind(record) != SCAN_OBJECT) {
		refuse_line(t, "must be a JSON object");
		return;
	}
	enum exit_status status = params_of(t->s, record, &params);
	if (status == EXIT_OK)
		start(t, buf_as_span(&params));
	else if (status == EXIT_USAGE)
		refuse_line(t, "was not saved");
	else
		t->status = status;
}

static enum exit_status finish(struct stream *t)
{
	while (t->held > 0)
		take_oldest(t);
	if (interrupt_asked()) {
		print_flush();
		complain("interrupted: of the first %llu lines %llu records were saved; " SAFE_AGAIN,
		         (unsigned long long)t->line, (unsigned long long)t->saved);
		return EXIT_INTERRUPTED;
	}
	if (t->status != EXIT_OK && t->line > 1)
		complain("of the first %llu lines %llu records were saved; " SAFE_AGAIN, (unsigned long long)t->line,
		         (unsigned long long)t->saved);
	if (t->failed == 0 || t->status != EXIT_OK)
		return t->status;
	print_flush();
	return complain_failed("%llu of %llu lines failed, the others are saved", (unsigned long long)t->failed,
	                       (unsigned long long)t->count);
}

static enum exit_status stream(struct stream *t)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	leave_words(t);
	interrupt_defer();
	while (t->status == EXIT_OK && (len = getline(&line, &room, t->in)) >= 0) {
		if (interrupt_asked()) /* what was read may be half a line */
			break;
		t->line++;
		take_line(t, (struct span){line, (size_t)len});
	}
	free(line);
	if (ferror(t->in) && !interrupt_asked())
		t->status = complain_failed("cannot read %s: %s", t->name, strerror(errno));
	return finish(t);
}

static enum exit_status save_lines(struct saving *s)
{
	struct stream t = {.s = s, .in = stdin, .name = "stdin"};
	const char *file = given_operand(&s->i->given, 0);
	enum exit_status status;

	if (s->i->given.operand_count > 1)
		return complain_usage(s->command, "--jsonl takes one file of JSON lines, or - for stdin");
	s->i->given.operand_count = 0;
	if (file && strcmp(file, "-") != 0) {
		t.name = file[0] == '@' ? file + 1 : file;
		t.in = fopen(t.name, "re");
		if (!t.in)
			return complain_failed("cannot read %s: %s", t.name, strerror(errno));
	}
	status = stream(&t);
	if (t.in != stdin)
		fclose(t.in);
	return status;
}

enum exit_status save_run(struct invocation *i)
{
	struct saving s = saving_of(i);
	return given_on(&i->given, "jsonl") ? save_lines(&s) : save_one(&s);
}
