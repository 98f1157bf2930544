/* command: what can be typed behind persistctl.
 *
 * A command is a row: words, operands, flags, a line of prose, a function. Most rows are made of
 * proto/spec.c's methods (method_command.h), those of persistctl's own stand in command.c: a new one is a row
 * there and its function. Help, completion and the manual read the same rows. */
#pragma once
#include "client/ctl/flags.h"
#include "client/ctl/screen.h"
#include "client/ctl/session.h"

/* How a result is printed. */
enum form {
	FORM_PEOPLE, /* a terminal: tables and records for reading */
	FORM_PLAIN,  /* a pipe: columns with tabs between, or a line of JSON */
	FORM_JSON,   /* --json: one document as the wire has it */
	FORM_JSONL,  /* --jsonl: a record a line */
	FORM_IDS,    /* -q: ids, one a line */
};

struct command;
struct commands;

/* A command that is carried out. It prints through print.h, and complains through complain.h. */
struct invocation {
	const struct command *command;
	const struct commands *all;
	struct given given;     /* by name: given_text(&i->given, "limit") */
	struct session session;
	struct screen screen;   /* stdout's, with --utc and --absolute */
	enum form form;
};

typedef enum exit_status command_function(struct invocation *i);
typedef enum exit_status show_function(struct invocation *i, struct span result);

/* How a command's result looks where no other form was asked for. NULL: field by field (show_record), and a
 * line of JSON. */
struct views {
	show_function *people; /* on a terminal */
	show_function *plain;  /* in a pipe */
};

struct command {
	const char *noun;  /* "job"; "": the verb stands alone */
	const char *verb;  /* "list" */
	const char *prose; /* a line for lists of commands */
	const struct operand *operands; /* NULL: none */
	const struct flag *flags;       /* its own; NULL: none */
	bool no_output_flags; /* does not take command_output_flags: what it prints is always the same */
	command_function *run;
	const char *notes;              /* more for its help, after the flags; may be NULL */
	const char *examples;           /* for its help and the manual, a command line each; may be NULL */
	const struct spec_method *method; /* the method that it calls; NULL: none, or several */
	struct views views;
};

/* Every command, in the order of help. */
struct commands {
	struct command *at;
	size_t count;
	void **owned; /* tables and names that were made of the spec's */
	size_t owned_count;
};

void commands_make(struct commands *all);
void commands_free(struct commands *all);

/* What every command takes: --socket, --timeout, --color, --help, --version. */
extern const struct flag command_common_flags[];
/* What most take: --json, --jsonl, -q, --absolute, --utc. */
extern const struct flag command_output_flags[];
/* All flags that a command takes, as flags_parse wants them. */
void command_flags(const struct command *c, const struct flag *lists[FLAG_LISTS]);

/* "job list", or "ping". */
void command_name(const struct command *c, char out[64]);
bool command_noun(const struct commands *all, const char *noun); /* whether commands begin with it */
/* Says that there is no such command, and what may have been meant. EXIT_USAGE. */
enum exit_status command_unknown(const struct commands *all, const char *noun, const char *verb);
const struct command *command_find(const struct commands *all, const char *noun, const char *verb);

/* The whole of persistctl. argv[0] is the program's name. */
enum exit_status command_main(int argc, char **argv);
