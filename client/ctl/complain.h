/* complain: what persistctl says on stderr. Each is whole lines, "persistctl: …". Text that came from
 * elsewhere is made fit for a terminal. */
#pragma once
#include "client/ctl/session.h"

__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);
/* EXIT_FAILED, for a return. */
__attribute__((format(printf, 1, 2))) enum exit_status complain_failed(const char *format, ...);
/* Wrong usage: adds where its help is. `command` is "job list", or "" for persistctl itself. EXIT_USAGE. */
__attribute__((format(printf, 2, 3))) enum exit_status complain_usage(const char *command, const char *format,
                                                                      ...);
/* The last line of complain_usage alone, for what says more in between. EXIT_USAGE. */
enum exit_status complain_help(const char *command);
/* "  hint: …" and the like, under a complaint; nothing where text is empty. */
void complain_detail(const char *name, const char *text);
