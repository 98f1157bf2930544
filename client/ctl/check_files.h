/* check_files: persistctl check, which hands over to persistd --check with the right state directory. */
#pragma once
#include "client/ctl/command.h"

enum exit_status check_files_run(struct invocation *i);
extern const struct flag check_files_flags[];
