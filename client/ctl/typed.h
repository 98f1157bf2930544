/* typed: a command line as far as it is typed, for completion.
 *
 * It is read as command_main() would read it, but what is wrong or not yet whole is passed over: a flag of a
 * name that nobody knows takes no value, and flags that stand before their command are those of whichever
 * command has the name. */
#pragma once
#include "client/ctl/command.h"

/* Borrows the words and the tables; typed_free() it. */
struct typed {
	const struct commands *all;
	const char *noun;               /* the first word of the command; NULL: not there yet */
	bool wants_verb;                /* the noun alone is no command */
	const struct command *command;  /* NULL: not whole yet, or not known */
	const char **operands;          /* behind the command; owned */
	size_t operand_count;
	const struct flag **said;       /* owned */
	size_t said_count;
	const struct flag *awaiting;    /* whose value the word at the cursor is; NULL: none */
	bool ended;                     /* behind "--" */
	const char *socket;             /* --socket; NULL: not said */
	const char *word;               /* at the cursor */
};

/* The last word is the one at the cursor, "" where none is begun. Without any word the cursor's is "". */
void typed_read(struct typed *t, const struct commands *all, int count, char **words);
void typed_free(struct typed *t);

/* By its name, or where letter is not 0 by that; NULL: there is none. */
const struct flag *typed_flag(const struct typed *t, struct span name, char letter);
bool typed_said(const struct typed *t, const char *flag);
