/* cell: a value of a record in one line, as people read it: times as ages, progress as a bar, statuses in
 * colour, sizes in units, everything fit for the screen. And the same for a pipe, as it is. */
#pragma once
#include "client/ctl/paint.h"

struct cell_look {
	enum paint paint;
	double fraction; /* below 0: no bar */
	bool right;      /* a number */
};

/* Appends the value found at `path` ("status", "progress.current"); value.at NULL: nothing. */
struct cell_look cell_show(struct buf *out, const struct screen *s, const char *path, struct span value);

/* For a pipe: strings with \t \n \r \\ for what would break lines and columns; null and absent as nothing;
 * the rest as its JSON. */
void cell_plain(struct buf *out, struct span value);

/* 1234567 bytes as 1.2 MB */
void cell_bytes(struct buf *out, uint64_t bytes);
/* A percentage as people read it: 25 %, 0.4 %, 100 % only when it is. */
void cell_percent(struct buf *out, double percent);
/* The number at a path; false: there is none. */
bool cell_number(struct span record, const char *path, double *number);
/* The time at a path, in microseconds; false: there is none. */
bool cell_time(struct span record, const char *path, int64_t *micros);
