/* remove: job delete, run delete and artifact delete, of any number of ids, and what they would remove. */
#pragma once
#include "client/ctl/command.h"

enum exit_status remove_run(struct invocation *i);
extern const struct flag remove_flags[];
