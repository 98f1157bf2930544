/* methods: one handler a method; the table is in dispatch.c. A handler gets checked parameters and returns
 * exactly one outcome. */
#pragma once
#include "daemon/call.h"

typedef enum outcome method_fn(struct call *c, const struct params *p, struct buf *result,
                               struct fault *fault);

method_fn method_job_save, method_job_get, method_job_list, method_job_count, method_job_update_progress,
	method_job_delete, method_job_cleanup;
method_fn method_run_create_or_update, method_run_get, method_run_list, method_run_count,
	method_run_find_by_meta, method_run_delete;
method_fn method_artifact_save, method_artifact_read, method_artifact_list, method_artifact_delete;
method_fn method_server_import, method_server_ping, method_server_info, method_server_stats,
	method_server_flush, method_server_set_log_level;
method_fn method_rpc_discover;
