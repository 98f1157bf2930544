/* call: any method with parameters as JSON, as the wire has them. */
#pragma once
#include "client/ctl/command.h"

enum exit_status call_run(struct invocation *i);
extern const struct operand call_operands[];
