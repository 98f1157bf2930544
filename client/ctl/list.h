/* list: the lists of jobs, runs and artifacts, page by page by cursor, in the memory of one page. */
#pragma once
#include "client/ctl/command.h"

/* Of the command's method, which answers with pages. */
enum exit_status list_run(struct invocation *i);
extern const struct flag list_flags_jobs[], list_flags_runs[], list_flags_artifacts[];
