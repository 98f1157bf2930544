#include "proto/spec.h"
#include <assert.h>

/* JSON as JSON, instead of a string full of backslashes. */
#define JSON(...) #__VA_ARGS__
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NO_LIMIT INT64_MAX
#define OFFSET_MAX (INT64_C(1) << 53) /* what every JSON reader holds exactly */
enum { KIND_TEXT_MAX = 1000, PAGE_MAX = 1000 };

/* The two vocabularies stand in the same order: what one calls completed, the other calls succeeded. */
const char *const spec_job_statuses[] = {"pending", "running", "completed", "failed", "cancelled", NULL};
const char *const spec_run_statuses[] = {"queued", "running", "succeeded", "failed", "cancelled", NULL};
const char *const spec_log_levels[] = {"error", "warning", "info", "debug", NULL};
static const char *const orders[] = {"time", "id", NULL};
static const char *const job_groups[] = {"status", "type", NULL};
static const char *const run_groups[] = {"status", "kind", NULL};
static const char *const import_modes[] = {"skip", "replace", NULL};

#define NAMED(text) .name = (text), .name_len = sizeof(text) - 1

static const struct spec_field job_progress_fields[] = {
	{NAMED("current"), .type = SPEC_NUMBER, .max = NO_LIMIT, .fallback = "0",
	 .prose = "How far the work is."},
	{NAMED("total"), .type = SPEC_NUMBER, .max = NO_LIMIT, .fallback = "0",
	 .prose = "How far it has to go."},
	{NAMED("message"), .type = SPEC_STRING, .max = NO_LIMIT, .fallback = "\"\"",
	 .prose = "What it is doing, for people."},
	{NAMED("percentage"), .type = SPEC_NUMBER, .max = NO_LIMIT, .ours = true,
	 .prose = "100·current/total, neither rounded nor capped; 0.0 where total is 0. Added to replies, never "
	          "stored."},
	{.name = NULL},
};

static const struct spec_field job_result_fields[] = {
	{NAMED("success"), .type = SPEC_BOOL, .required = true,
	 .prose = "Whether the work did what it was for."},
	{NAMED("data"), .type = SPEC_ANY, .nullable = true, .fallback = "null", .prose = "What came out of it."},
	{NAMED("error"), .type = SPEC_STRING, .max = NO_LIMIT, .nullable = true, .fallback = "null",
	 .prose = "What went wrong."},
	{NAMED("artifacts"), .type = SPEC_STRINGS, .fallback = "[]", .prose = "Names of what it left behind."},
	{.name = NULL},
};

const struct spec_field spec_job_fields[] = {
	[JOB_ID] = {NAMED("id"), .type = SPEC_IDENT, .ident = IDENT_JOB,
		.prose = "The job's name. Absent when first saved: a random UUID (version 4) is made."},
	[JOB_TYPE] = {NAMED("type"), .type = SPEC_IDENT, .ident = IDENT_JOB_TYPE, .fallback = "\"custom\"",
		.prose = "What kind of work it is; common are backtest, optimization, signal_generation and "
		         "data_refresh."},
	[JOB_STATUS] = {NAMED("status"), .type = SPEC_CHOICE, .choices = spec_job_statuses,
		.other_choices = spec_run_statuses,
		.fallback = "\"pending\"", .prose = "completed, failed and cancelled are terminal."},
	[JOB_PAYLOAD] = {NAMED("payload"), .type = SPEC_OBJECT, .fallback = "{}",
		.prose = "What the work was asked to do."},
	[JOB_PROGRESS] = {NAMED("progress"), .type = SPEC_OBJECT, .fields = job_progress_fields,
		.nullable = true, .fallback = "null",
		.prose = "How far it is. The live value is kept in memory and reaches the disk whenever the record "
		         "is next written."},
	[JOB_RESULT] = {NAMED("result"), .type = SPEC_OBJECT, .fields = job_result_fields, .nullable = true,
		.fallback = "null", .prose = "How it ended."},
	[JOB_CREATED_AT] = {NAMED("created_at"), .type = SPEC_TIME,
		.prose = "When it was first saved, unless the client says otherwise."},
	[JOB_STARTED_AT] = {NAMED("started_at"), .type = SPEC_TIME, .fallback = "null",
		.prose = "When it was first running, unless the client says otherwise."},
	[JOB_COMPLETED_AT] = {NAMED("completed_at"), .type = SPEC_TIME, .fallback = "null",
		.prose = "When its status was first a terminal one, unless the client says otherwise."},
	[JOB_ERROR] = {NAMED("error"), .type = SPEC_STRING, .max = NO_LIMIT, .nullable = true,
		.fallback = "null",
		.prose = "Why it failed, for people."},
	[JOB_METADATA] = {NAMED("metadata"), .type = SPEC_OBJECT, .fallback = "{}",
		.prose = "Free keys of the caller's own."},
	[JOB_UPDATED_AT] = {NAMED("updated_at"), .type = SPEC_TIME, .ours = true,
		.prose = "When the record last changed."},
	[JOB_REVISION] = {NAMED("revision"), .type = SPEC_INT, .min = 1, .max = NO_LIMIT, .ours = true,
		.prose = "The store's revision at which the record last changed."},
	[JOB_FIELDS] = {.name = NULL},
};

const struct spec_field spec_run_fields[] = {
	[RUN_ID] = {NAMED("id"), .type = SPEC_IDENT, .ident = IDENT_RUN,
		.prose = "The run's name. Absent, null or empty when first saved: the kind and 12 random hex digits "
		         "are made one."},
	[RUN_KIND] = {NAMED("kind"), .type = SPEC_KIND, .max = KIND_TEXT_MAX, .fallback = "\"run\"",
		.prose = "What was run, sanitised: lower-cased, each run of characters outside [a-z0-9] becomes one "
		         "_, trimmed of _, at most 64; empty becomes run. An existing run keeps its first kind."},
	[RUN_STATUS] = {NAMED("status"), .type = SPEC_CHOICE, .choices = spec_run_statuses,
		.other_choices = spec_job_statuses,
		.lower = true, .fallback = "\"queued\"", .prose = "succeeded, failed and cancelled are terminal."},
	[RUN_CREATED_AT] = {NAMED("created_at"), .type = SPEC_TIME, .ours = true,
		.prose = "When it was first saved."},
	[RUN_UPDATED_AT] = {NAMED("updated_at"), .type = SPEC_TIME, .ours = true,
		.prose = "When the record last changed."},
	[RUN_STARTED_AT] = {NAMED("started_at"), .type = SPEC_TIME, .ours = true, .fallback = "null",
		.prose = "When it was first running."},
	[RUN_FINISHED_AT] = {NAMED("finished_at"), .type = SPEC_TIME, .ours = true, .fallback = "null",
		.prose = "When its status was first a terminal one."},
	[RUN_REQUEST] = {NAMED("request"), .type = SPEC_OBJECT, .fallback = "{}",
		.prose = "What was asked for."},
	[RUN_META] = {NAMED("meta"), .type = SPEC_OBJECT, .fallback = "{}",
		.prose = "Free keys of the caller's own; an update merges its keys over the earlier ones."},
	[RUN_ARTIFACT_ID] = {NAMED("artifact_id"), .type = SPEC_IDENT, .ident = IDENT_ARTIFACT,
		.fallback = "null",
		.prose = "The artifact that holds its outcome."},
	[RUN_ERROR] = {NAMED("error"), .type = SPEC_OBJECT, .fallback = "null", .prose = "Why it failed."},
	[RUN_REVISION] = {NAMED("revision"), .type = SPEC_INT, .min = 1, .max = NO_LIMIT, .ours = true,
		.prose = "The store's revision at which the record last changed."},
	[RUN_FIELDS] = {.name = NULL},
};

const struct spec_field spec_artifact_fields[] = {
	[ARTIFACT_ID] = {NAMED("id"), .type = SPEC_IDENT, .ident = IDENT_ARTIFACT,
		.prose = "Made by the daemon: the kind, the run's id sanitised like a kind, and 10 random hex "
		         "digits, joined by _."},
	[ARTIFACT_RUN_ID] = {NAMED("run_id"), .type = SPEC_IDENT, .ident = IDENT_RUN,
		.prose = "The run that it belongs to."},
	[ARTIFACT_KIND] = {NAMED("kind"), .type = SPEC_KIND, .max = KIND_TEXT_MAX,
		.prose = "What it is, sanitised as a run's kind is; the run's own where none was given."},
	[ARTIFACT_PATH] = {NAMED("path"), .type = SPEC_STRING, .max = NO_LIMIT, .ours = true,
		.prose = "The absolute path of the payload's file. Computed for each reply, never stored."},
	[ARTIFACT_CREATED_AT] = {NAMED("created_at"), .type = SPEC_TIME, .ours = true,
		.prose = "When it was saved."},
	[ARTIFACT_SIZE_BYTES] = {NAMED("size_bytes"), .type = SPEC_INT, .max = NO_LIMIT, .ours = true,
		.prose = "The length of the payload's file, which is compact JSON without a final newline."},
	[ARTIFACT_REVISION] = {NAMED("revision"), .type = SPEC_INT, .min = 1, .max = NO_LIMIT, .ours = true,
		.prose = "The store's revision at which it was saved. Stored, never sent."},
	[ARTIFACT_FIELDS] = {.name = NULL},
};

/* Parameters that several methods share. */

#define IF_REVISION                                                                                          \
	{NAMED("if_revision"), .type = SPEC_INT, .max = NO_LIMIT,                                               \
	 .prose = "Refuse with conflict unless the stored record is at this revision. 0: unless there is no "    \
	          "such record."}
#define FIELDS_OF(which)                                                                                     \
	{NAMED("fields"), .type = SPEC_FIELDS, .table = (which),                                                \
	 .prose = "Only these fields of the record are sent, in the record's own order."}
#define TIME_AFTER(what)                                                                                     \
	{NAMED(what "_after"), .type = SPEC_TIME, .prose = "Only those whose " what "_at is this time or later."}
#define TIME_BEFORE(what)                                                                                    \
	{NAMED(what "_before"), .type = SPEC_TIME, .prose = "Only those whose " what "_at is before this time."}
#define PAGE_LIMIT                                                                                           \
	{NAMED("limit"), .type = SPEC_INT, .min = 1, .max = PAGE_MAX, .fallback = "100",                        \
	 .prose = "The most records of one page."}
#define PAGE_OFFSET                                                                                          \
	{NAMED("offset"), .type = SPEC_INT, .max = OFFSET_MAX, .fallback = "0",                                 \
	 .prose = "How many records of the whole list to pass over first."}
#define PAGE_CURSOR                                                                                          \
	{NAMED("cursor"), .type = SPEC_CURSOR, .min = 1, .max = 400,                                            \
	 .prose = "The next_cursor of the page before, with the same filters and order."}
#define PAGE_ORDER(newest)                                                                                   \
	{NAMED("order"), .type = SPEC_CHOICE, .choices = orders, .fallback = "\"time\"",                        \
	 .prose = "time: newest " newest " first, ties by id. id: by id, an order that no update "               \
	          "changes (for exports)."}
#define JOB_STATUS_FILTER                                                                                    \
	{NAMED("status"), .type = SPEC_CHOICE, .many = true, .choices = spec_job_statuses,                      \
	 .other_choices = spec_run_statuses, .prose = "Only jobs of this status."}
#define JOB_TYPE_FILTER                                                                                      \
	{NAMED("type"), .type = SPEC_IDENT, .many = true, .ident = IDENT_JOB_TYPE,                              \
	 .prose = "Only jobs of this type."}
#define RUN_STATUS_FILTER                                                                                    \
	{NAMED("status"), .type = SPEC_CHOICE, .many = true, .choices = spec_run_statuses,                      \
	 .other_choices = spec_job_statuses, .lower = true, .prose = "Only runs of this status."}
#define KIND_FILTER(what)                                                                                    \
	{NAMED("kind"), .type = SPEC_KIND, .many = true, .max = KIND_TEXT_MAX,                                  \
	 .prose = "Only " what " of this kind; sanitised as the field is."}
#define RUN_ID_PARAM                                                                                         \
	{NAMED("run_id"), .type = SPEC_IDENT, .required = true, .ident = IDENT_RUN, .prose = "The run's id."}
#define ARTIFACT_ID_PARAM                                                                                    \
	{NAMED("id"), .type = SPEC_IDENT, .required = true, .ident = IDENT_ARTIFACT,                            \
	 .prose = "The artifact's id."}

static const struct spec_param job_save_params[] = {
	[JOB_SAVE_JOB] = {NAMED("job"), .type = SPEC_OBJECT, .required = true, .table = TABLE_JOBS,
		.fields = spec_job_fields, .prose = "The job, or those of its fields that change."},
	[JOB_SAVE_IF_REVISION] = IF_REVISION,
	[JOB_SAVE_FIELDS] = FIELDS_OF(TABLE_JOBS),
};

static const struct spec_param job_get_params[] = {
	[JOB_GET_ID] = {NAMED("id"), .type = SPEC_IDENT, .required = true, .ident = IDENT_JOB,
		.prose = "The job's id."},
	[JOB_GET_FIELDS] = FIELDS_OF(TABLE_JOBS),
};

static const struct spec_param job_list_params[] = {
	[JOB_LIST_STATUS] = JOB_STATUS_FILTER,
	[JOB_LIST_TYPE] = JOB_TYPE_FILTER,
	[JOB_LIST_CREATED_AFTER] = TIME_AFTER("created"),
	[JOB_LIST_CREATED_BEFORE] = TIME_BEFORE("created"),
	[JOB_LIST_LIMIT] = PAGE_LIMIT,
	[JOB_LIST_OFFSET] = PAGE_OFFSET,
	[JOB_LIST_CURSOR] = PAGE_CURSOR,
	[JOB_LIST_FIELDS] = FIELDS_OF(TABLE_JOBS),
	[JOB_LIST_ORDER] = PAGE_ORDER("created_at"),
};

static const struct spec_param job_count_params[] = {
	[JOB_COUNT_STATUS] = JOB_STATUS_FILTER,
	[JOB_COUNT_TYPE] = JOB_TYPE_FILTER,
	[JOB_COUNT_CREATED_AFTER] = TIME_AFTER("created"),
	[JOB_COUNT_CREATED_BEFORE] = TIME_BEFORE("created"),
	[JOB_COUNT_GROUP_BY] = {NAMED("group_by"), .type = SPEC_CHOICE, .choices = job_groups,
		.prose = "Also count for each value of this field."},
};

static const struct spec_param job_update_progress_params[] = {
	[JOB_UPDATE_PROGRESS_ID] = {NAMED("id"), .type = SPEC_IDENT, .required = true, .ident = IDENT_JOB,
		.prose = "The job's id."},
	[JOB_UPDATE_PROGRESS_PROGRESS] = {NAMED("progress"), .type = SPEC_OBJECT, .required = true,
		.fields = job_progress_fields, .prose = "The whole new progress; what is left out gets its default."},
};

static const struct spec_param job_delete_params[] = {
	[JOB_DELETE_ID] = {NAMED("id"), .type = SPEC_IDENT, .ident = IDENT_JOB, .prose = "The job's id."},
	[JOB_DELETE_IDS] = {NAMED("ids"), .type = SPEC_IDENT, .many = true, .unbounded = true,
		.ident = IDENT_JOB, .prose = "The ids of any number of jobs."},
};

static const struct spec_param job_cleanup_params[] = {
	[JOB_CLEANUP_DAYS] = {NAMED("days"), .type = SPEC_NUMBER, .max = NO_LIMIT, .fallback = "30",
		.prose = "How many days ago a job must have ended; fractions are fine, 0 means every terminal job."},
	[JOB_CLEANUP_DRY_RUN] = {NAMED("dry_run"), .type = SPEC_BOOL, .fallback = "false",
		.prose = "Remove nothing, say what would go."},
};

static const struct spec_param run_save_params[] = {
	[RUN_SAVE_RUN_ID] = {NAMED("run_id"), .type = SPEC_IDENT, .empty_is_absent = true, .ident = IDENT_RUN,
		.prose = "The run's id. Absent, null or empty: one is made."},
	[RUN_SAVE_KIND] = {NAMED("kind"), .type = SPEC_KIND, .required = true, .max = KIND_TEXT_MAX,
		.prose = "What is run; sanitised. An existing run keeps its first kind."},
	[RUN_SAVE_REQUEST] = {NAMED("request"), .type = SPEC_OBJECT,
		.prose = "Absent or {}: the earlier one stays."},
	[RUN_SAVE_STATUS] = {NAMED("status"), .type = SPEC_CHOICE, .choices = spec_run_statuses,
		.other_choices = spec_job_statuses, .lower = true,
		.prose = "Any letter case. Absent: the earlier one stays; a new run is queued."},
	[RUN_SAVE_META] = {NAMED("meta"), .type = SPEC_OBJECT,
		.prose = "Its keys are merged over the earlier ones."},
	[RUN_SAVE_ARTIFACT_ID] = {NAMED("artifact_id"), .type = SPEC_IDENT, .ident = IDENT_ARTIFACT,
		.prose = "Absent or null: the earlier one stays."},
	[RUN_SAVE_ERROR] = {NAMED("error"), .type = SPEC_OBJECT,
		.prose = "Absent or null: the earlier one stays."},
	[RUN_SAVE_IF_REVISION] = IF_REVISION,
	[RUN_SAVE_FIELDS] = FIELDS_OF(TABLE_RUNS),
};

static const struct spec_param run_get_params[] = {
	[RUN_GET_RUN_ID] = RUN_ID_PARAM,
	[RUN_GET_FIELDS] = FIELDS_OF(TABLE_RUNS),
};

static const struct spec_param run_list_params[] = {
	[RUN_LIST_KIND] = KIND_FILTER("runs"),
	[RUN_LIST_STATUS] = RUN_STATUS_FILTER,
	[RUN_LIST_UPDATED_AFTER] = TIME_AFTER("updated"),
	[RUN_LIST_UPDATED_BEFORE] = TIME_BEFORE("updated"),
	[RUN_LIST_LIMIT] = PAGE_LIMIT,
	[RUN_LIST_OFFSET] = PAGE_OFFSET,
	[RUN_LIST_CURSOR] = PAGE_CURSOR,
	[RUN_LIST_FIELDS] = FIELDS_OF(TABLE_RUNS),
	[RUN_LIST_ORDER] = PAGE_ORDER("updated_at"),
};

static const struct spec_param run_count_params[] = {
	[RUN_COUNT_KIND] = KIND_FILTER("runs"),
	[RUN_COUNT_STATUS] = RUN_STATUS_FILTER,
	[RUN_COUNT_UPDATED_AFTER] = TIME_AFTER("updated"),
	[RUN_COUNT_UPDATED_BEFORE] = TIME_BEFORE("updated"),
	[RUN_COUNT_GROUP_BY] = {NAMED("group_by"), .type = SPEC_CHOICE, .choices = run_groups,
		.prose = "Also count for each value of this field."},
};

static const struct spec_param run_find_params[] = {
	[RUN_FIND_KEY] = {NAMED("key"), .type = SPEC_STRING, .required = true, .max = NO_LIMIT,
		.prose = "A key of meta."},
	[RUN_FIND_VALUE] = {NAMED("value"), .type = SPEC_ANY, .required = true,
		.prose = "What meta[key] is, as text: a string is compared as it is, anything else as its compact "
		         "JSON text, so 5 and \"5\" find the same."},
	[RUN_FIND_FIELDS] = FIELDS_OF(TABLE_RUNS),
};

static const struct spec_param run_delete_params[] = {
	[RUN_DELETE_RUN_ID] = RUN_ID_PARAM,
	[RUN_DELETE_KEEP_ARTIFACTS] = {NAMED("keep_artifacts"), .type = SPEC_BOOL, .fallback = "false",
		.prose = "Leave the run's artifacts. Else they and their files go with it."},
};

static const struct spec_param artifact_save_params[] = {
	[ARTIFACT_SAVE_RUN_ID] = RUN_ID_PARAM,
	[ARTIFACT_SAVE_KIND] = {NAMED("kind"), .type = SPEC_KIND, .max = KIND_TEXT_MAX,
		.prose = "What it is; sanitised. Absent: the run's kind."},
	[ARTIFACT_SAVE_PAYLOAD] = {NAMED("payload"), .type = SPEC_ANY, .required = true,
		.prose = "What to keep: any JSON."},
	[ARTIFACT_SAVE_LINK] = {NAMED("link"), .type = SPEC_BOOL, .fallback = "true",
		.prose = "Also make it the run's artifact_id."},
};

static const struct spec_param artifact_read_params[] = {
	[ARTIFACT_READ_ID] = ARTIFACT_ID_PARAM,
	[ARTIFACT_READ_RAW] = {NAMED("raw"), .type = SPEC_BOOL, .fallback = "false",
		.prose = "Send the file's exact text as a string instead of as JSON."},
};

static const struct spec_param artifact_list_params[] = {
	[ARTIFACT_LIST_RUN_ID] = {NAMED("run_id"), .type = SPEC_IDENT, .many = true, .ident = IDENT_RUN,
		.prose = "Only artifacts of this run."},
	[ARTIFACT_LIST_KIND] = KIND_FILTER("artifacts"),
	[ARTIFACT_LIST_LIMIT] = PAGE_LIMIT,
	[ARTIFACT_LIST_OFFSET] = PAGE_OFFSET,
	[ARTIFACT_LIST_CURSOR] = PAGE_CURSOR,
	[ARTIFACT_LIST_ORDER] = PAGE_ORDER("created_at"),
};

static const struct spec_param artifact_delete_params[] = {
	[ARTIFACT_DELETE_ID] = ARTIFACT_ID_PARAM,
};

static const struct spec_param server_import_params[] = {
	[SERVER_IMPORT_JOBS] = {NAMED("jobs"), .type = SPEC_ARRAY, .table = TABLE_JOBS,
		.fields = spec_job_fields,
		.prose = "Jobs as they stand in jobs.json; times and unknown fields are kept."},
	[SERVER_IMPORT_RUNS] = {NAMED("runs"), .type = SPEC_ARRAY, .table = TABLE_RUNS,
		.fields = spec_run_fields, .prose = "Runs as they stand in runs.json, likewise."},
	[SERVER_IMPORT_ARTIFACTS] = {NAMED("artifacts"), .type = SPEC_ARRAY, .table = TABLE_ARTIFACTS,
		.fields = spec_artifact_fields,
		.prose = "Artifacts as they stand in artifacts.json, each with its `payload` beside the other members "
		         "(then size_bytes is counted), or without, where the file is in artifacts/ already."},
	[SERVER_IMPORT_MODE] = {NAMED("mode"), .type = SPEC_CHOICE, .choices = import_modes,
		.fallback = "\"skip\"",
		.prose = "What happens to a record whose id is taken: it is skipped, or replaces the stored one (an "
		         "artifact that comes with its payload is always skipped: payloads never change)."},
	[SERVER_IMPORT_DRY_RUN] = {NAMED("dry_run"), .type = SPEC_BOOL, .fallback = "false",
		.prose = "Check everything and count what would be stored, but store nothing."},
};

static const struct spec_param set_log_level_params[] = {
	[SERVER_SET_LOG_LEVEL_LEVEL] = {NAMED("level"), .type = SPEC_CHOICE, .required = true,
		.choices = spec_log_levels, .prose = "The least severe level that is still logged."},
};

#define CURSOR_OR_OFFSET(table)                                                                              \
	{.kind = SPEC_NOT_BOTH, .a = table##_CURSOR, .b = table##_OFFSET,                                        \
	 .prose = "cursor and offset cannot go together",                                                        \
	 .hint = "a cursor goes on where its page ended: leave offset out"}
#define ID_ORDER_HAS_NO_TIMES(table, time, name)                                                             \
	{.kind = SPEC_NOT_BOTH, .a = table##_ORDER, .b = table##_##time, .a_is = "id",                           \
	 .prose = "order id cannot go together with " name,                                                      \
	 .hint = "order id has no time range: leave " name " out, or use order time"}

static const struct spec_rule job_list_rules[] = {
	CURSOR_OR_OFFSET(JOB_LIST),
	ID_ORDER_HAS_NO_TIMES(JOB_LIST, CREATED_AFTER, "created_after"),
	ID_ORDER_HAS_NO_TIMES(JOB_LIST, CREATED_BEFORE, "created_before"),
	{.kind = SPEC_RULE_END},
};
static const struct spec_rule run_list_rules[] = {
	CURSOR_OR_OFFSET(RUN_LIST),
	ID_ORDER_HAS_NO_TIMES(RUN_LIST, UPDATED_AFTER, "updated_after"),
	ID_ORDER_HAS_NO_TIMES(RUN_LIST, UPDATED_BEFORE, "updated_before"),
	{.kind = SPEC_RULE_END},
};
static const struct spec_rule artifact_list_rules[] = {
	CURSOR_OR_OFFSET(ARTIFACT_LIST),
	{.kind = SPEC_RULE_END},
};
static const struct spec_rule job_delete_rules[] = {
	{.kind = SPEC_EXACTLY_ONE, .a = JOB_DELETE_ID, .b = JOB_DELETE_IDS,
	 .prose = "exactly one of id and ids must be given",
	 .hint = "id takes one job's id, ids takes an array of them"},
	{.kind = SPEC_RULE_END},
};

#define JOB_SCHEMA JSON({"$ref": "#/components/schemas/Job"})
#define RUN_SCHEMA JSON({"$ref": "#/components/schemas/Run"})
#define ARTIFACT_SCHEMA JSON({"$ref": "#/components/schemas/Artifact"})
#define REMOVED_SCHEMA                                                                                       \
	JSON({"type": "object", "required": ["removed"],                                                         \
	      "properties": {"removed": {"type": "integer", "minimum": 0}}})
#define COUNT_SCHEMA                                                                                         \
	JSON({"type": "object", "required": ["total"], "properties": {                                           \
		"total": {"type": "integer", "minimum": 0},                                                          \
		"groups": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}}})
#define PAGE_SCHEMA(records, record)                                                                         \
	"{\"type\":\"object\",\"required\":[\"" records "\",\"total\",\"next_cursor\"],"                         \
	"\"properties\":{\"" records                                                                             \
	"\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/" record                              \
	"\"}},\"total\":{\"type\":\"integer\",\"minimum\":0},\"next_cursor\":{\"type\":[\"string\",\"null\"]}}}"
#define ANY_OBJECT_SCHEMA JSON({"type": "object"})

#define JOB_EXAMPLE                                                                                          \
	JSON({"id": "nightly-2026-11-22", "type": "backtest", "status": "running",                               \
	      "payload": {"factor": "value", "top_n": 10},                                                       \
	      "progress": null, "result": null, "created_at": "2026-11-22T16:50:00.123456+00:00",                \
	      "started_at": "2026-11-22T16:50:00.123456+00:00", "completed_at": null, "error": null,             \
	      "metadata": {},                                                                                    \
	      "updated_at": "2026-11-22T16:50:00.123456+00:00", "revision": 101})
#define RUN_EXAMPLE                                                                                          \
	JSON({"id": "backtest_d78432dbb2ee", "kind": "backtest", "status": "running",                            \
	      "created_at": "2026-11-22T16:50:01.000200+00:00",                                                  \
	      "updated_at": "2026-11-22T16:50:01.000200+00:00",                                                  \
	      "started_at": "2026-11-22T16:50:01.000200+00:00", "finished_at": null,                             \
	      "request": {"factor": "value"},                                                                    \
	      "meta": {"job_id": "nightly-2026-11-22"}, "artifact_id": null, "error": null, "revision": 102})
#define ARTIFACT_RECORD                                                                                      \
	{"id": "equity_backtest_d78432dbb2ee_a3c132d864", "run_id": "backtest_d78432dbb2ee", "kind": "equity",   \
	 "path": "/var/lib/persistd/artifacts/equity_backtest_d78432dbb2ee_a3c132d864.json",                     \
	 "created_at": "2026-11-22T16:50:02.000300+00:00", "size_bytes": 23}
#define EXPANDED(...) JSON(__VA_ARGS__)

#define ROW(list) .params = (list), .param_count = COUNT(list)
#define E(code) (1u << FAULT_##code)
#define E_WRITE (E(NOT_DURABLE) | E(OUTCOME_UNKNOWN))

const struct spec_method spec_methods[METHOD_COUNT] = {
	[JOB_SAVE] = {
		.name = "job.save", .role = ROLE_WRITE, ROW(job_save_params),
		.prose = "Stores a job: makes it, or changes those of its fields that are given.",
		.result = "the stored record",
		.result_schema = JOB_SCHEMA,
		.example_params = JSON({"job": {"id": "nightly-2026-11-22", "type": "backtest", "status": "running",
			"payload": {"factor": "value", "top_n": 10}}}),
		.example_result = JOB_EXAMPLE,
		.errors = E(CONFLICT) | E_WRITE,
	},
	[JOB_GET] = {
		.name = "job.get", .role = ROLE_READ, ROW(job_get_params),
		.prose = "Gives one job.",
		.result = "the record, with the live progress",
		.result_schema = JOB_SCHEMA,
		.example_params = JSON({"id": "nightly-2026-11-22", "fields": ["id", "status", "progress"]}),
		.example_result = JSON({"id": "nightly-2026-11-22", "status": "running",
			"progress": {"current": 30, "total": 120, "message": "2019", "percentage": 25.0}}),
		.errors = E(NOT_FOUND),
	},
	[JOB_LIST] = {
		.name = "job.list", .role = ROLE_READ, ROW(job_list_params), .rules = job_list_rules,
		.prose = "Gives a page of jobs, newest created_at first.",
		.result = "`{jobs, total, next_cursor}`: the page, the number of jobs that the whole filter selects, "
		          "and the cursor of the next page (null after the last)",
		.result_schema = PAGE_SCHEMA("jobs", "Job"),
		.example_params = JSON({"status": ["running", "failed"], "limit": 2, "fields": ["id", "status"]}),
		.example_result = JSON({"jobs": [{"id": "nightly-2026-11-22", "status": "running"},
			{"id": "nightly-2026-11-21", "status": "failed"}], "total": 17,
			"next_cursor": "t.1795279800123456.nightly-2026-11-21"}),
	},
	[JOB_COUNT] = {
		.name = "job.count", .role = ROLE_READ, ROW(job_count_params),
		.prose = "Counts jobs.",
		.result = "`{total}`, and with `group_by` also `groups`: an object of value and count",
		.result_schema = COUNT_SCHEMA,
		.example_params = JSON({"type": "backtest", "group_by": "status"}),
		.example_result = JSON({"total": 17, "groups": {"completed": 12, "failed": 3, "running": 2}}),
	},
	[JOB_UPDATE_PROGRESS] = {
		.name = "job.update_progress", .role = ROLE_WRITE, ROW(job_update_progress_params),
		.prose = "Says how far a job is. Memory only: it costs no disk work and is not durable.",
		.result = "`{id, percentage}`",
		.result_schema = JSON({"type": "object", "required": ["id", "percentage"], "properties":
			{"id": {"type": "string"}, "percentage": {"type": "number"}}}),
		.example_params = JSON({"id": "nightly-2026-11-22",
			"progress": {"current": 30, "total": 120, "message": "2019"}}),
		.example_result = JSON({"id": "nightly-2026-11-22", "percentage": 25.0}),
		.errors = E(NOT_FOUND),
	},
	[JOB_DELETE] = {
		.name = "job.delete", .role = ROLE_WRITE, ROW(job_delete_params), .rules = job_delete_rules,
		.prose = "Removes jobs. An id that is not there is no error.",
		.result = "`{removed}`: how many were there",
		.result_schema = REMOVED_SCHEMA,
		.example_params = JSON({"ids": ["nightly-2026-11-20", "nightly-2026-11-21"]}),
		.example_result = JSON({"removed": 2}),
		.errors = E_WRITE,
	},
	[JOB_CLEANUP] = {
		.name = "job.cleanup", .role = ROLE_WRITE, ROW(job_cleanup_params),
		.prose = "Removes the terminal jobs whose completed_at (without one: updated_at) is older than so "
		         "many days.",
		.result = "`{removed}`; with `dry_run` how many would go, and `ids`: the first 10,000 of them",
		.result_schema = JSON({"type": "object", "required": ["removed"],
			"properties": {"removed": {"type": "integer",
			"minimum": 0}, "ids": {"type": "array", "items": {"type": "string"}}}}),
		.example_params = JSON({"days": 30}),
		.example_result = JSON({"removed": 41}),
		.errors = E_WRITE,
	},
	[RUN_CREATE_OR_UPDATE] = {
		.name = "run.create_or_update", .role = ROLE_WRITE, ROW(run_save_params),
		.prose = "Stores a run: makes it, or changes what is given.",
		.result = "the stored record",
		.result_schema = RUN_SCHEMA,
		.example_params = JSON({"kind": "Backtest", "status": "running", "request": {"factor": "value"},
			"meta": {"job_id": "nightly-2026-11-22"}}),
		.example_result = RUN_EXAMPLE,
		.errors = E(CONFLICT) | E_WRITE,
	},
	[RUN_GET] = {
		.name = "run.get", .role = ROLE_READ, ROW(run_get_params),
		.prose = "Gives one run.",
		.result = "the record",
		.result_schema = RUN_SCHEMA,
		.example_params = JSON({"run_id": "backtest_d78432dbb2ee"}),
		.example_result = RUN_EXAMPLE,
		.errors = E(NOT_FOUND),
	},
	[RUN_LIST] = {
		.name = "run.list", .role = ROLE_READ, ROW(run_list_params), .rules = run_list_rules,
		.prose = "Gives a page of runs, newest updated_at first.",
		.result = "`{runs, total, next_cursor}`: the page, the number of runs that the whole filter selects, "
		          "and the cursor of the next page (null after the last)",
		.result_schema = PAGE_SCHEMA("runs", "Run"),
		.example_params = JSON({"kind": "backtest", "updated_after": "2026-11-01T00:00:00Z",
			"fields": ["id", "status"]}),
		.example_result = JSON({"runs": [{"id": "backtest_d78432dbb2ee", "status": "running"}], "total": 1,
			"next_cursor": null}),
	},
	[RUN_COUNT] = {
		.name = "run.count", .role = ROLE_READ, ROW(run_count_params),
		.prose = "Counts runs.",
		.result = "`{total}`, and with `group_by` also `groups`: an object of value and count",
		.result_schema = COUNT_SCHEMA,
		.example_params = JSON({"group_by": "kind"}),
		.example_result = JSON({"total": 9, "groups": {"backtest": 7, "screener": 2}}),
	},
	[RUN_FIND_BY_META] = {
		.name = "run.find_by_meta", .role = ROLE_READ, ROW(run_find_params),
		.prose = "Gives the newest run whose meta has a certain value under a key.",
		.result = "the record with the newest `updated_at`",
		.result_schema = RUN_SCHEMA,
		.example_params = JSON({"key": "job_id", "value": "nightly-2026-11-22"}),
		.example_result = RUN_EXAMPLE,
		.errors = E(NOT_FOUND),
	},
	[RUN_DELETE] = {
		.name = "run.delete", .role = ROLE_WRITE, ROW(run_delete_params),
		.prose = "Removes a run and its artifacts. An id that is not there is no error.",
		.result = "`{removed}`: 1, or 0 where there was no such run",
		.result_schema = REMOVED_SCHEMA,
		.example_params = JSON({"run_id": "backtest_d78432dbb2ee"}),
		.example_result = JSON({"removed": 1}),
		.errors = E_WRITE,
	},
	[ARTIFACT_SAVE] = {
		.name = "artifact.save", .role = ROLE_WRITE, ROW(artifact_save_params),
		.prose = "Keeps a JSON payload in a file of its own, as an artifact of a run.",
		.result = "the artifact's record",
		.result_schema = ARTIFACT_SCHEMA,
		.example_params = JSON({"run_id": "backtest_d78432dbb2ee", "kind": "equity",
			"payload": {"tail": [0.93, 3.1, 1.5]}}),
		.example_result = EXPANDED(ARTIFACT_RECORD),
		.errors = E(NOT_FOUND) | E_WRITE,
	},
	[ARTIFACT_READ] = {
		.name = "artifact.read", .role = ROLE_READ, ROW(artifact_read_params),
		.prose = "Gives an artifact and its payload.",
		.result = "`{artifact, payload}`; where a payload file has no record, the artifact's `run_id`, "
		          "`kind` and `created_at` are null",
		.result_schema = JSON({"type": "object", "required": ["artifact", "payload"], "properties":
			{"artifact": {"oneOf": [{"$ref": "#/components/schemas/Artifact"},
			 {"type": "object", "required": ["run_id"], "properties": {"run_id": {"type": "null"}}}]},
			 "payload": {}}}),
		.example_params = JSON({"id": "equity_backtest_d78432dbb2ee_a3c132d864"}),
		.example_result = EXPANDED({"artifact": ARTIFACT_RECORD, "payload": {"tail": [0.93, 3.1, 1.5]}}),
		.errors = E(NOT_FOUND),
	},
	[ARTIFACT_LIST] = {
		.name = "artifact.list", .role = ROLE_READ, ROW(artifact_list_params), .rules = artifact_list_rules,
		.prose = "Gives a page of artifacts, newest created_at first.",
		.result = "`{artifacts, total, next_cursor}`: the page, the number of artifacts that the whole "
		          "filter selects, and the cursor of the next page (null after the last)",
		.result_schema = PAGE_SCHEMA("artifacts", "Artifact"),
		.example_params = JSON({"run_id": "backtest_d78432dbb2ee"}),
		.example_result = EXPANDED({"artifacts": [ARTIFACT_RECORD], "total": 1, "next_cursor": null}),
	},
	[ARTIFACT_DELETE] = {
		.name = "artifact.delete", .role = ROLE_WRITE, ROW(artifact_delete_params),
		.prose = "Removes an artifact and its file. An id that is not there is no error.",
		.result = "`{removed}`: 1, or 0 where there was no such artifact",
		.result_schema = REMOVED_SCHEMA,
		.example_params = JSON({"id": "equity_backtest_d78432dbb2ee_a3c132d864"}),
		.example_result = JSON({"removed": 1}),
		.errors = E_WRITE,
	},
	[SERVER_IMPORT] = {
		.name = "server.import", .role = ROLE_ADMIN, ROW(server_import_params),
		.prose = "Takes in records as they stand on disk. One call is one commit: all of it happens, or "
		         "nothing.",
		.result = "`{jobs, runs, artifacts}`: how many of each were stored",
		.result_schema = JSON({"type": "object", "required": ["jobs", "runs", "artifacts"], "properties":
			{"jobs": {"type": "integer", "minimum": 0}, "runs": {"type": "integer", "minimum": 0},
			 "artifacts": {"type": "integer", "minimum": 0}}}),
		.example_params = JSON({"jobs": [{"id": "old-1", "type": "custom", "status": "completed",
			"created_at": "2025-09-13T01:37:49.490166"}]}),
		.example_result = JSON({"jobs": 1, "runs": 0, "artifacts": 0}),
		.errors = E_WRITE,
	},
	[SERVER_PING] = {
		.name = "server.ping", .role = ROLE_NONE,
		.prose = "Says that the daemon is there.",
		.result = "`{time, revision}`: its clock, and the last revision that is durable",
		.result_schema = JSON({"type": "object", "required": ["time", "revision"], "properties":
			{"time": {"type": "string", "format": "date-time"},
			 "revision": {"type": "integer", "minimum": 0}}}),
		.example_result = JSON({"time": "2026-11-22T16:50:03.000400+00:00", "revision": 102}),
	},
	[SERVER_INFO] = {
		.name = "server.info", .role = ROLE_READ,
		.prose = "Says what the daemon is and how it is.",
		.result = "an object: version, store, paths, the `limits` in force, revision, numbers of records, "
		          "and `health` (`ok`, or `degraded` with the reason while the disk refuses changes, does not answer or cannot "
		          "be trusted)",
		.result_schema = ANY_OBJECT_SCHEMA,
	},
	[SERVER_STATS] = {
		.name = "server.stats", .role = ROLE_READ,
		.prose = "Gives the daemon's counters and latencies.",
		.result = "an object of counters and latencies, those at a limit among them",
		.result_schema = ANY_OBJECT_SCHEMA,
	},
	[SERVER_FLUSH] = {
		.name = "server.flush", .role = ROLE_ADMIN,
		.prose = "Waits until everything that was asked for before it is durable or has failed.",
		.result = "`{revision}`: the last revision that is durable",
		.result_schema = JSON({"type": "object", "required": ["revision"], "properties":
			{"revision": {"type": "integer", "minimum": 0}}}),
		.example_result = JSON({"revision": 102}),
		.errors = E_WRITE,
	},
	[SERVER_SET_LOG_LEVEL] = {
		.name = "server.set_log_level", .role = ROLE_ADMIN, ROW(set_log_level_params),
		.prose = "Sets how much is logged, until the daemon stops or re-reads its configuration.",
		.result = "`{level}`: the level now in force",
		.result_schema = JSON({"type": "object", "required": ["level"],
			"properties": {"level": {"type": "string"}}}),
		.example_params = JSON({"level": "debug"}),
		.example_result = JSON({"level": "debug"}),
	},
	[RPC_DISCOVER] = {
		.name = "rpc.discover", .role = ROLE_READ,
		.prose = "Describes all of this to programs.",
		.result = "an OpenRPC 1.3.2 document",
		.result_schema = ANY_OBJECT_SCHEMA,
	},
};

const char *spec_role_name(enum role r)
{
	static const char *const names[] = {"none", "read", "write", "admin"};
	assert(r <= ROLE_ADMIN);
	return names[r];
}

const struct spec_field *spec_fields(enum table_id t)
{
	static const struct spec_field *const fields[] = {spec_job_fields, spec_run_fields, spec_artifact_fields};
	assert(t < TABLE_COUNT);
	return fields[t];
}

const char *spec_table_name(enum table_id t)
{
	static const char *const names[] = {"jobs", "runs", "artifacts"};
	assert(t < TABLE_COUNT);
	return names[t];
}

const char *spec_record_name(enum table_id t)
{
	static const char *const names[] = {"job", "run", "artifact"};
	assert(t < TABLE_COUNT);
	return names[t];
}

bool spec_status_is_terminal(enum table_id t, struct span status)
{
	static const size_t first_terminal = 2;
	const char *const *statuses = t == TABLE_JOBS ? spec_job_statuses : spec_run_statuses;
	if (t == TABLE_ARTIFACTS)
		return false;
	for (size_t i = first_terminal; statuses[i]; i++)
		if (span_is(status, span_of(statuses[i])))
			return true;
	return false;
}

struct spec_field spec_param_field(const struct spec_param *p)
{
	return (struct spec_field){
		.name = p->name, .name_len = p->name_len, .type = p->type, .ident = p->ident, .choices = p->choices,
		.other_choices = p->other_choices,
		.lower = p->lower, .min = p->min, .max = p->max, .fields = p->fields, .fallback = p->fallback,
		.prose = p->prose, .required = p->required,
	};
}

const char *spec_record_of(const struct spec_field *fields)
{
	for (enum table_id t = 0; t < TABLE_COUNT; t++)
		if (fields == spec_fields(t))
			return spec_record_name(t);
	return NULL;
}

const struct spec_method *spec_find(struct span name, const char **hint)
{
	*hint = NULL;
	for (size_t i = 0; i < METHOD_COUNT; i++)
		if (span_is(name, span_of(spec_methods[i].name)))
			return &spec_methods[i];
	const char *names[METHOD_COUNT + 1] = {0};
	for (size_t i = 0; i < METHOD_COUNT; i++)
		names[i] = spec_methods[i].name;
	*hint = fault_did_you_mean(name, names);
	return NULL;
}
