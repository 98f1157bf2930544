/* spec: what the daemon can be asked, as one const table.
 *
 * Each method is a row: name, parameters (type, bounds, pattern, one line of prose each), result, role. Each
 * record is a list of fields. From these come validation (params.h), rpc.discover (discover.h), persistctl's
 * help and docs/protocol.md. Positional parameters are taken in the order of the row, which is only ever
 * appended to. Adding a method: a row and its enum here, a handler in daemon/methods_*.c. */
#pragma once
#include "proto/fault.h"
#include "proto/ident.h"

enum table_id { TABLE_JOBS, TABLE_RUNS, TABLE_ARTIFACTS, TABLE_COUNT };

enum spec_type {
	SPEC_IDENT,    /* a string of the allowlist `ident` */
	SPEC_KIND,     /* any string; sanitised as a run's kind is (params: `string` is the sanitised text) */
	SPEC_STRING,   /* any string, min..max bytes long */
	SPEC_INT,      /* a whole number, min..max (INT64_MAX: no upper bound, here and in the two next to it) */
	SPEC_NUMBER,   /* any number, min..max */
	SPEC_BOOL,
	SPEC_TIME,     /* RFC 3339, see stamp.h */
	SPEC_CHOICE,   /* one of `choices` */
	SPEC_OBJECT,   /* any object; with `fields`, an object of these fields */
	SPEC_ARRAY,    /* an array of objects */
	SPEC_STRINGS,  /* an array of strings */
	SPEC_ANY,      /* any JSON value */
	SPEC_FIELDS,   /* an array of names of `table`'s fields */
	SPEC_CURSOR,   /* a next_cursor of an earlier page */
};

enum { SPEC_PARAMS_MAX = 10, SPEC_FILTER_MAX = 16, SPEC_FIELDS_MAX = 16 };

struct spec_field {
	const char *name;
	size_t name_len;
	enum spec_type type;
	enum ident ident;
	const char *const *choices;      /* NULL-terminated */
	const char *const *other_choices; /* the other vocabulary's words, which earn a hint */
	bool lower;                      /* SPEC_CHOICE: lower-cased before it is compared */
	bool nullable;                   /* null is a value of it; else null means absent */
	bool ours;                       /* the server's own: ignored when a client sends it back */
	int64_t min, max;
	/* SPEC_OBJECT: its fields, ended by a row without a name; NULL: free keys */
	const struct spec_field *fields;
	const char *fallback;            /* JSON text of the value where nobody gave one */
	const char *prose;
	bool required;                   /* in an object with `fields`: must be there */
};

struct spec_param {
	const char *name;
	size_t name_len;
	enum spec_type type;
	bool required;
	bool many;      /* also takes a list of 1 to SPEC_FILTER_MAX of them (params: list) */
	/* with many: takes only a list, of any length, empty too (params: `text` is the array; each checked) */
	bool unbounded;
	bool empty_is_absent;
	enum ident ident;
	const char *const *choices, *const *other_choices;
	bool lower;
	int64_t min, max;
	enum table_id table;                /* SPEC_FIELDS, SPEC_OBJECT/SPEC_ARRAY of records (with `fields`) */
	const struct spec_field *fields;
	const char *fallback;            /* for the documents: the default's JSON text */
	const char *prose;
};

/* What a method asks of two of its parameters together. A list of them is ended by SPEC_RULE_END. */
enum spec_rule_kind { SPEC_RULE_END, SPEC_NOT_BOTH, SPEC_EXACTLY_ONE };

struct spec_rule {
	enum spec_rule_kind kind;
	unsigned a, b;     /* places of parameters; a fault names `a` */
	const char *a_is;  /* the rule is about this choice of `a` only; NULL: about any value */
	const char *prose; /* the fault's message, and a line of the documents */
	const char *hint;
};

enum role { ROLE_NONE, ROLE_READ, ROLE_WRITE, ROLE_ADMIN };
const char *spec_role_name(enum role r); /* "read" */

enum method {
	JOB_SAVE, JOB_GET, JOB_LIST, JOB_COUNT, JOB_UPDATE_PROGRESS, JOB_DELETE, JOB_CLEANUP,
	RUN_CREATE_OR_UPDATE, RUN_GET, RUN_LIST, RUN_COUNT, RUN_FIND_BY_META, RUN_DELETE,
	ARTIFACT_SAVE, ARTIFACT_READ, ARTIFACT_LIST, ARTIFACT_DELETE,
	SERVER_IMPORT, SERVER_PING, SERVER_INFO, SERVER_STATS, SERVER_FLUSH, SERVER_SET_LOG_LEVEL,
	RPC_DISCOVER,
	METHOD_COUNT
};

struct spec_method {
	const char *name;
	const char *prose;  /* one line */
	enum role role;
	const struct spec_param *params;
	unsigned param_count;
	const char *result; /* prose: what comes back */
	const char *result_schema; /* JSON Schema text of the result */
	const char *example_params, *example_result; /* JSON text, for the documents; may be NULL */
	const struct spec_rule *rules; /* may be NULL */
	/* for the documents: bit i is enum fault_code i; those that any method can answer are left out */
	unsigned errors;
};

/* The places of the parameters in their rows: params.at[JOB_SAVE_FIELDS]. */
enum { JOB_SAVE_JOB, JOB_SAVE_IF_REVISION, JOB_SAVE_FIELDS };
enum { JOB_GET_ID, JOB_GET_FIELDS };
enum { JOB_LIST_STATUS, JOB_LIST_TYPE, JOB_LIST_CREATED_AFTER, JOB_LIST_CREATED_BEFORE, JOB_LIST_LIMIT,
      JOB_LIST_OFFSET,
       JOB_LIST_CURSOR, JOB_LIST_FIELDS, JOB_LIST_ORDER };
enum { JOB_COUNT_STATUS, JOB_COUNT_TYPE, JOB_COUNT_CREATED_AFTER, JOB_COUNT_CREATED_BEFORE,
      JOB_COUNT_GROUP_BY };
enum { JOB_UPDATE_PROGRESS_ID, JOB_UPDATE_PROGRESS_PROGRESS };
enum { JOB_DELETE_ID, JOB_DELETE_IDS };
enum { JOB_CLEANUP_DAYS, JOB_CLEANUP_DRY_RUN };
enum { RUN_SAVE_RUN_ID, RUN_SAVE_KIND, RUN_SAVE_REQUEST, RUN_SAVE_STATUS, RUN_SAVE_META, RUN_SAVE_ARTIFACT_ID,
      RUN_SAVE_ERROR,
       RUN_SAVE_IF_REVISION, RUN_SAVE_FIELDS };
enum { RUN_GET_RUN_ID, RUN_GET_FIELDS };
enum { RUN_LIST_KIND, RUN_LIST_STATUS, RUN_LIST_UPDATED_AFTER, RUN_LIST_UPDATED_BEFORE, RUN_LIST_LIMIT,
      RUN_LIST_OFFSET,
       RUN_LIST_CURSOR, RUN_LIST_FIELDS, RUN_LIST_ORDER };
enum { RUN_COUNT_KIND, RUN_COUNT_STATUS, RUN_COUNT_UPDATED_AFTER, RUN_COUNT_UPDATED_BEFORE,
      RUN_COUNT_GROUP_BY };
enum { RUN_FIND_KEY, RUN_FIND_VALUE, RUN_FIND_FIELDS };
enum { RUN_DELETE_RUN_ID, RUN_DELETE_KEEP_ARTIFACTS };
enum { ARTIFACT_SAVE_RUN_ID, ARTIFACT_SAVE_KIND, ARTIFACT_SAVE_PAYLOAD, ARTIFACT_SAVE_LINK };
enum { ARTIFACT_READ_ID, ARTIFACT_READ_RAW };
enum { ARTIFACT_LIST_RUN_ID, ARTIFACT_LIST_KIND, ARTIFACT_LIST_LIMIT, ARTIFACT_LIST_OFFSET,
      ARTIFACT_LIST_CURSOR, ARTIFACT_LIST_ORDER };
enum { ARTIFACT_DELETE_ID };
enum { SERVER_IMPORT_JOBS, SERVER_IMPORT_RUNS, SERVER_IMPORT_ARTIFACTS, SERVER_IMPORT_MODE,
      SERVER_IMPORT_DRY_RUN };
enum { SERVER_SET_LOG_LEVEL_LEVEL };

extern const struct spec_method spec_methods[METHOD_COUNT];

/* The fields of each record in the order in which they stand in its text. Ended by a row without a name. */
extern const struct spec_field spec_job_fields[], spec_run_fields[], spec_artifact_fields[];
const struct spec_field *spec_fields(enum table_id t);
const char *spec_table_name(enum table_id t); /* "jobs" */
const char *spec_record_name(enum table_id t); /* "job" */

/* The places of the fields in those lists; what is not in the list (unknown
 * fields of files) follows after them. */
enum job_field { JOB_ID, JOB_TYPE, JOB_STATUS, JOB_PAYLOAD, JOB_PROGRESS, JOB_RESULT, JOB_CREATED_AT,
                JOB_STARTED_AT,
	JOB_COMPLETED_AT, JOB_ERROR, JOB_METADATA, JOB_UPDATED_AT, JOB_REVISION, JOB_FIELDS };
enum run_field { RUN_ID, RUN_KIND, RUN_STATUS, RUN_CREATED_AT, RUN_UPDATED_AT, RUN_STARTED_AT,
                RUN_FINISHED_AT, RUN_REQUEST,
	RUN_META, RUN_ARTIFACT_ID, RUN_ERROR, RUN_REVISION, RUN_FIELDS };
enum artifact_field { ARTIFACT_ID, ARTIFACT_RUN_ID, ARTIFACT_KIND, ARTIFACT_PATH, ARTIFACT_CREATED_AT,
                     ARTIFACT_SIZE_BYTES,
	ARTIFACT_REVISION, ARTIFACT_FIELDS };
/* ARTIFACT_PATH is computed, never stored; ARTIFACT_REVISION is stored, never sent. */

extern const char *const spec_job_statuses[], *const spec_run_statuses[], *const spec_log_levels[];
bool spec_status_is_terminal(enum table_id t, struct span status); /* an unknown status is not */

/* A parameter's row seen as a field's, for what both have. */
struct spec_field spec_param_field(const struct spec_param *p);
/* "job" for spec_job_fields, and so on; NULL: not the fields of a record. */
const char *spec_record_of(const struct spec_field *fields);

/* NULL: no such method; `hint` then gets the nearest name or NULL. */
const struct spec_method *spec_find(struct span name, const char **hint);
