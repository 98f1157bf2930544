/* place: the directory that a target keeps its files in: one for the process, in TMPDIR, removed when it exits. */
#pragma once
#include "proto/span.h"

const char *place_path(void);
void place_empty(void); /* of files, and of directories down to the third level */
/* Directories in `name` must be there. */
void place_write(const char *name, struct span text);
void place_make(const char *name); /* a directory */
