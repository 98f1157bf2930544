/* help: what persistctl says of itself, made of the same rows that commands are. */
#pragma once
#include "client/ctl/command.h"

/* Of everything; `noun` not NULL: of its commands alone. */
enum exit_status help_overview(const struct commands *all, const char *noun, const struct screen *s);
enum exit_status help_command(const struct command *c, const struct screen *s);
/* "job list [FLAG]..." */
void help_synopsis(struct buf *out, const struct command *c);
/* The words of a flag in help and in the manual: "-n, --limit N". */
void help_flag_words(struct buf *out, const struct flag *f);
/* What a flag does, with its choices and default, as one paragraph. */
void help_flag_prose(struct buf *out, const struct flag *f);

/* A word too many, which may have been meant for a flag. EXIT_USAGE. */
enum exit_status help_no_place(const struct command *c, const char *word);
/* Something that a command cannot do without was not said: says what, and the line of its usage.
 * EXIT_USAGE. */
__attribute__((format(printf, 2, 3))) enum exit_status help_missing(const struct command *c,
                                                                    const char *format, ...);

enum exit_status help_run(struct invocation *i);
extern const struct operand help_operands[];
