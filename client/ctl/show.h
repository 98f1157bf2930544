/* show: a result in the form that was asked for. */
#pragma once
#include "client/ctl/command.h"

/* The one door for results that are no lists: -q, --json, --jsonl, a pipe's line, or the command's own view
 * for people. `result` is the call's result as text. */
enum exit_status show_result(struct invocation *i, struct span result);

/* Calls, and shows what comes back. */
enum exit_status show_call(struct invocation *i, const char *method, struct span params);

/* A line of JSON as it is; on a terminal fit for it. */
enum exit_status show_json(struct invocation *i, struct span json);

/* Views for people: */
enum exit_status show_record(struct invocation *i,
                             struct span record); /* field by field; what is null is left out */
enum exit_status show_sections(struct invocation *i, struct span result); /* of info and stats */
enum exit_status show_methods(struct invocation *i, struct span openrpc);
enum exit_status show_ping(struct invocation *i, struct span result);
enum exit_status show_flush(struct invocation *i, struct span result);
enum exit_status show_progress(struct invocation *i, struct span result);
enum exit_status show_removed(struct invocation *i, struct span result);
enum exit_status show_count(struct invocation *i, struct span result);
enum exit_status show_indented(struct invocation *i, struct span result); /* any JSON */

/* In a pipe: the number alone, or with --group-by a value, a tab and its number a line. */
enum exit_status plain_count(struct invocation *i, struct span result);
/* Where a dry run lists ids: those. */
enum exit_status ids_of(struct invocation *i, struct span result);

/* The paths that --fields names; none: count 0. The spec's own names have been checked before. */
struct path_list;
void show_fields(const struct invocation *i, struct path_list *paths);
bool show_has_dots(const struct path_list *paths);
/* Only the fields that are named, in the record's order; with dots in them: what the paths name, as an object
 * with the paths as names. */
void show_project(struct buf *out, struct span record, const struct path_list *paths);
