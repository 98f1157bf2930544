#include "client/ctl/payload.h"
#include "client/ctl/complain.h"
#include "client/ctl/help.h"
#include "client/ctl/input.h"
#include "client/ctl/json_view.h"
#include "client/ctl/method_command.h"
#include "client/ctl/object.h"
#include "client/ctl/print.h"
#include "client/ctl/show.h"
#include "proto/scan.h"

#define OWNED_BUF __attribute__((cleanup(buf_free))) struct buf

const struct operand payload_save_operands[] = {
	{.name = "RUN", .required = true, .offer = OFFER_RUN, .prose = "The run's id.", .flag = "run-id"},
	{.name = "FILE", .offer = OFFER_FILE,
	 .prose = "The payload: a file of JSON (@FILE is the same), - for stdin, or the JSON itself where it "
	          "begins with { or [. Without it: --payload, else stdin."},
	{0},
};

/* Where job save takes JSON, @FILE and -, this takes a file's bare name as well. */
static enum exit_status read_operand(const char *typed, struct buf *out)
{
	bool is_file = !strchr("{[@-", typed[0]) || (typed[0] == '-' && typed[1]);
	enum exit_status status;

	if (!is_file && typed[0] != '-')
		return input_json(typed, "the payload", out);
	status = input_file(typed, out);
	return status == EXIT_OK ? input_check(out, is_file ? typed : "stdin") : status;
}

static enum exit_status read_payload(struct invocation *i, struct buf *start, const char *command)
{
	OWNED_BUF payload = {0};
	const char *file = given_operand(&i->given, 0);
	bool flag = given_has(&i->given, "payload");

	if (file && flag)
		return complain_usage(command, "say either FILE or --payload");
	if (i->given.operand_count > 1)
		return complain_usage(command, "%s: there is no place for %s", command, i->given.operands[1]);
	if (flag)
		return EXIT_OK;
	i->given.operand_count = 0;
	enum exit_status status = read_operand(file ? file : "-", &payload);
	if (status == EXIT_OK)
		object_set(start, SPAN("payload"), buf_as_span(&payload));
	return status;
}

enum exit_status payload_save(struct invocation *i)
{
	OWNED_BUF start = {0}, params = {0};
	enum exit_status status = EXIT_OK;
	char command[64];

	command_name(i->command, command);
	buf_text(&start, "{}");
	given_operands(&i->given, i->command->operands);
	if (!given_has(&i->given, "run-id") && !given_has(&i->given, "run"))
		return help_missing(i->command, "RUN is missing: it must be a run's id");
	status = read_payload(i, &start, command);
	if (status == EXIT_OK)
		status = method_params(i, buf_as_span(&start), (struct span){0}, NULL, &params);
	return status == EXIT_OK ? show_call(i, i->command->method->name, buf_as_span(&params)) : status;
}

/* The file's own bytes; on a terminal for reading. */
static enum exit_status print_payload(struct invocation *i, struct span reply)
{
	OWNED_BUF scratch = {0}, view = {0};
	struct span payload, text;

	if (!scan_member(reply, "payload", &payload) || !scan_string(payload, &scratch, &text))
		return complain_failed("artifact.read: what came back has no payload");
	if (!i->screen.terminal)
		return print(text);
	json_view(&view, &i->screen, text, 0, i->screen.columns);
	return print_line(buf_as_span(&view));
}

static enum exit_status read_exactly(struct invocation *i, struct buf *params)
{
	persist_result *result;
	struct span reply;
	enum exit_status status;

	object_set(params, SPAN("raw"), SPAN("true"));
	status = session_call(&i->session, i->command->method->name, buf_as_span(params), &result);
	if (status != EXIT_OK)
		return status;
	reply.at = persist_result_text(result, &reply.len);
	status = print_payload(i, reply);
	persist_result_free(result);
	return status;
}

enum exit_status payload_read(struct invocation *i)
{
	OWNED_BUF params = {0};
	bool exactly = (i->form == FORM_PEOPLE || i->form == FORM_PLAIN) && !given_has(&i->given, "fields");
	enum exit_status status;

	given_operands(&i->given, i->command->operands);
	status = method_params(i, SPAN("{}"), (struct span){0}, NULL, &params);
	if (status != EXIT_OK)
		return status;
	if (exactly)
		return read_exactly(i, &params);
	return show_call(i, i->command->method->name, buf_as_span(&params));
}
