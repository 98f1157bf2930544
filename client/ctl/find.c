#include "client/ctl/find.h"
#include "client/ctl/complain.h"
#include "client/ctl/help.h"
#include "client/ctl/method_command.h"
#include "client/ctl/object.h"
#include "client/ctl/show.h"

#define OWNED_BUF __attribute__((cleanup(buf_free))) struct buf

const struct flag find_flags[] = {
	{.name = "key", .argument = "KEY", .prose = "A key of meta."},
	{.name = "value", .argument = "TEXT",
	 .prose = "What it says there: a string as it is, anything else as its compact JSON."},
	{.name = "meta", .argument = "KEY=TEXT", .prose = "Both in one."},
	{0},
};

const struct operand find_operands[] = {
	{.name = "KEY", .prose = "A key of meta.", .flag = "key"},
	{.name = "TEXT", .prose = "What it says there.", .flag = "value"},
	{0},
};

static enum exit_status read_pair(struct invocation *i, struct span *key, struct span *value,
                                  const char *command)
{
	const char *pair = given_text(&i->given, "meta"), *equals = pair ? strchr(pair, '=') : NULL;
	const char *said_key = given_text(&i->given, "key"), *said_value = given_text(&i->given, "value");

	if (pair && (said_key || said_value))
		return complain_usage(command, "say either KEY TEXT or --meta KEY=TEXT");
	if (pair && (!equals || equals == pair))
		return complain_usage(command, "--meta must be KEY=TEXT");
	if (pair) {
		*key = (struct span){pair, (size_t)(equals - pair)};
		*value = span_of(equals + 1);
		return EXIT_OK;
	}
	if (!said_key || !said_value)
		return help_missing(i->command, "%s is missing: KEY TEXT, or --meta KEY=TEXT",
		                    said_key ? "TEXT" : "KEY");
	*key = span_of(said_key);
	*value = span_of(said_value);
	return EXIT_OK;
}

static enum exit_status params_of(struct invocation *i, struct buf *out)
{
	static const char *const mine[] = {"key", "value", NULL};
	OWNED_BUF key = {0}, value = {0};
	struct span key_text = {0}, value_text = {0};
	char command[64];
	enum exit_status status;

	command_name(i->command, command);
	given_operands(&i->given, i->command->operands);
	status = read_pair(i, &key_text, &value_text, command);
	if (status == EXIT_OK)
		status = method_params(i, SPAN("{}"), (struct span){0}, mine, out);
	if (status != EXIT_OK)
		return status;
	buf_string(&key, key_text);
	buf_string(&value, value_text);
	object_set(out, SPAN("key"), buf_as_span(&key));
	object_set(out, SPAN("value"), buf_as_span(&value));
	return EXIT_OK;
}

enum exit_status find_run(struct invocation *i)
{
	OWNED_BUF params = {0};
	enum exit_status status = params_of(i, &params);

	return status == EXIT_OK ? show_call(i, i->command->method->name, buf_as_span(&params)) : status;
}
