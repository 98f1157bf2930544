/* export: the store's records as JSON lines, as one document, or as a table, in the memory of a page.
 *
 * By id, which is an order that no change of a record disturbs: what is there from the beginning to the end
 * of the export is in it once, as it was when its page was read. */
#pragma once
#include "client/ctl/command.h"

enum exit_status export_run(struct invocation *i);
extern const struct flag export_flags[];
