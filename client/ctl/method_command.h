/* method_command: the daemon's methods as commands, made of proto/spec.c's rows.
 *
 * noun.some_verb becomes `noun some-verb` (server.* and rpc.*: `some-verb` alone), with a flag for each
 * parameter and for each field of a parameter that is a record, but for the fields that are the daemon's own.
 * Required parameters that are single words are operands in their order, a required record is one as JSON.
 * Times get --since and --until. A new row of the spec is a command by that, with help, checks and
 * completion.
 *
 * presentation.c says where a command differs from this. */
#pragma once
#include "client/ctl/command.h"
#include "proto/buf.h"

/* How a method's command differs from what its row makes of it. All but `method` may be absent. */
struct presentation {
	const char *method;
	const char *noun, *verb;
	bool hidden;                        /* it is no command of its own */
	const struct operand *operands;
	const struct flag *flags;           /* more; a name here takes the place of the parameter's own flag */
	const struct flag_alias *aliases;
	command_function *run;              /* absent: method_run */
	struct views views;
	const char *prose;                  /* absent: the method's */
	const char *notes, *examples;
};

/* Another name for a parameter, or for a field of a record. A list is ended by a row without a name. */
struct flag_alias {
	const char *name;
	const char *of; /* "run_id" */
};

/* NULL: the method is presented as its row says. */
const struct presentation *presentation_of(const struct spec_method *m);
/* For the test that each names a method that exists; NULL: no more. */
const struct presentation *presentation_at(size_t place);

/* Adds the method's command, unless it is hidden. */
void method_command_add(struct commands *all, const struct spec_method *m);

/* The parameters as JSON, of what was typed. `start` is where they begin ("{}", or what was read from
 * elsewhere; flags win over it); `record` likewise for the parameter that is a record, absent: "{}".
 * Parameters of the names in `without` (NULL-terminated, may be NULL) are left to the caller. What is missing
 * or wrong has been told. */
enum exit_status method_params(struct invocation *i, struct span start, struct span record,
                               const char *const *without, struct buf *out);

/* Refuses parameters that the method's row refuses, which is told. */
enum exit_status method_judge(const struct invocation *i, struct span params);

/* Calls the command's method with what was typed and shows the result. */
enum exit_status method_run(struct invocation *i);

/* Before anything is done: tells all operands that are no ids of their kind. */
enum exit_status method_judge_ids(const struct invocation *i);

/* `params` are those of one of the ids. */
typedef enum exit_status method_each(struct invocation *i, struct span params, void *context);
/* Once for each of the operands, which are ids; without any once with what the flags say. Ids that cannot
 * be are all told before anything is done. Goes on after one that fails, unless the others would fail for
 * the same reason; the status is that of all that failed, EXIT_FAILED where they differ. */
enum exit_status method_for_each(struct invocation *i, method_each *each, void *context);
/* Calls the method for each, and shows the results one after the other. */
enum exit_status method_run_each(struct invocation *i);
