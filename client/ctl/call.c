#include "client/ctl/call.h"
#include "client/ctl/complain.h"
#include "client/ctl/help.h"
#include "client/ctl/input.h"
#include "client/ctl/show.h"
#include <stdio.h>

const struct operand call_operands[] = {
	{.name = "METHOD", .required = true, .offer = OFFER_METHOD,
	 .prose = "The method's name, such as job.get."},
	{.name = "JSON", .offer = OFFER_FILE,
	 .prose = "Its parameters: an object by name or an array by position; @FILE, or - for stdin."},
	{0},
};

/* No method is without a dot: what was meant is a command, or a method of the server's. */
static enum exit_status refuse_name(const struct invocation *i, const char *typed)
{
	char full[80];
	const char *near;
	const struct command *c = command_find(i->all, "", typed);

	snprintf(full, sizeof full, "server.%s", typed);
	if (spec_find(span_of(full), &near))
		complain("there is no method %s; did you mean %s?", typed, full);
	else
		complain("there is no method %s: methods have a dot in their names, as job.get", typed);
	if (c)
		complain("'persistctl %s' is a command of its own", typed);
	return complain_help("call");
}

enum exit_status call_run(struct invocation *i)
{
	__attribute__((cleanup(buf_free))) struct buf params = {0};
	const char *method = given_operand(&i->given, 0), *json = given_operand(&i->given, 1);
	enum exit_status status;

	if (!method)
		return help_missing(i->command, "METHOD is missing");
	if (i->given.operand_count > 2)
		return complain_usage("call", "call takes a method and one JSON text: quote the JSON for the shell");
	if (!strchr(method, '.'))
		return refuse_name(i, method);
	if (json && json[0] && !strchr("{[@-", json[0]))
		return complain_usage("call", "the parameters must be a JSON object or array, such as "
		                              "'{\"id\":\"nightly\"}', not %s", json);
	if (json) {
		status = input_json(json, "the parameters", &params);
		if (status != EXIT_OK)
			return status;
	}
	return show_call(i, method, json ? buf_as_span(&params) : (struct span){0});
}
