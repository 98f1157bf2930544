/* import: records from files into the daemon, all judged before the first is sent.
 *
 * Twice over the files: the first time everything that can be judged without the daemon is (JSON, NaN,
 * ids, what each record is, what a call can carry), the second time it is sent, by shipment.h. Memory: the
 * calls under way, the largest record, some 30 bytes an id. Done again, it goes on where it was
 * interrupted: what is there is skipped. */
#pragma once
#include "client/ctl/command.h"

enum exit_status import_run(struct invocation *i);
extern const struct flag import_flags[];
extern const struct operand import_operands[];
