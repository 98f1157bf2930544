/* find: run find: the newest run whose meta says something. */
#pragma once
#include "client/ctl/command.h"

enum exit_status find_run(struct invocation *i);
extern const struct flag find_flags[];
extern const struct operand find_operands[];
