/* completion: what may come next on a command line, for bash, zsh and fish.
 *
 * The scripts of client/completions are thin. At each TAB they run `persistctl __complete WORD...`: the words
 * as the shell would pass them (no quotes), up to the cursor, the last one as far as it is typed and perhaps
 * empty. The answer is the lines of candidates.h. Commands, flags and values come from the same rows as help
 * does, ids, types and kinds from the daemon (live.h). */
#pragma once
#include "client/ctl/command.h"

/* The words behind __complete. Says nothing on stderr, and succeeds, whatever the words are. */
enum exit_status completion_answer(const struct commands *all, int count, char **words);

/* persistctl completion SHELL */
enum exit_status completion_run(struct invocation *i);
extern const struct operand completion_operands[];
