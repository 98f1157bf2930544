/* list_shape: what lists of each kind of record show where nobody says --fields. */
#pragma once
#include "client/ctl/cell.h"
#include "client/ctl/table.h"
#include "proto/spec.h"

/* The paths in a pipe, which scripts rely on: only ever added to at the end. */
#define LIST_PLAIN_JOBS "id,type,status,progress.percentage,created_at,updated_at"
#define LIST_PLAIN_RUNS "id,kind,status,created_at,updated_at,artifact_id"
#define LIST_PLAIN_ARTIFACTS "id,run_id,kind,size_bytes,created_at"

struct list_column {
	const char *title;
	/* "status", "progress.current"; or what is made of several fields: LIST_TOOK, LIST_NOTE */
	const char *path;
	unsigned rank, least; /* as table.h's */
	bool right;
};
#define LIST_TOOK "(took)"
#define LIST_NOTE "(note)"

struct list_shape {
	const struct list_column *columns; /* on a terminal; ended by one without a title */
	const char *fields;                /* what they need of the daemon */
	const char *plain;                 /* the paths in a pipe */
	const char *meta;                  /* the field that --meta looks at; NULL: none */
	const char *started_at, *ended_at; /* for LIST_TOOK */
};
const struct list_shape *list_shape(enum table_id t);

/* A column's cell of a record. */
struct cell_look list_cell(struct buf *out, const struct screen *s, const struct list_shape *shape,
                           const char *path, struct span record);
