/* diff: run diff A B: what differs between two runs, side by side. */
#pragma once
#include "client/ctl/command.h"

enum exit_status diff_run(struct invocation *i);
extern const struct flag diff_flags[];
extern const struct operand diff_operands[];

/* "+0.02 (+12 %)" of two numbers; nothing where they are none. */
void diff_change(struct buf *out, struct span a, struct span b);
