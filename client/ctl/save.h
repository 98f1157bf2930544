/* save: job save and run save: a record from flags, from JSON, or many of them from JSON lines. */
#pragma once
#include "client/ctl/command.h"

enum exit_status save_run(struct invocation *i);
