/* payload_files: the files in a directory's artifacts/ for which there may be no record.
 *
 * The Python classes wrote artifacts/<id>.json and nothing else about it. A run that names the id in its
 * artifact_id tells whose it is; what no run names stays where it is. */
#pragma once
#include "client/ctl/files.h"
#include "proto/buf.h"
#include "proto/ident.h"

struct payload_file {
	char *path;
	char id[IDENT_ARTIFACT_MAX + 1];
	bool has_record; /* among the artifacts that are imported */
	char *run_id;    /* NULL: no run names it */
	char *kind;      /* the run's, or what the id says */
};

struct payload_files {
	struct payload_file *at; /* by id */
	size_t count;
};

/* Adds those of DIRECTORY/artifacts whose names can be ids; none where there is no such directory. */
void payload_files_list(struct payload_files *p, const char *directory);
void payload_files_free(struct payload_files *p);

/* What an artifact's id, <kind>_<run id, sanitised like a kind>_<10 hex digits>, says of its kind; else the
 * run's. */
struct span payload_file_kind(struct span id, struct span run_id, struct span run_kind);

/* An artifact's record, a run's record (checked text): what they tell about the files. */
void payload_files_artifact(struct payload_files *p, struct span id);
void payload_files_run(struct payload_files *p, struct span run);

/* Appends the record that such a file gets: created when the file was last written, which is when its class
 * saved it. `payload` is canonical. */
void payload_file_record(struct buf *out, const struct payload_file *f, const struct file *opened,
                         struct span payload);
