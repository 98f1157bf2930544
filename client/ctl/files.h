/* files: what import was told to read.
 *
 * A directory stands for the jobs.json, runs.json and artifacts.json in it, and for the payload files in its
 * artifacts/. What can be read only once (stdin, a pipe) is first copied to a file without a name, in $TMPDIR
 * or /tmp: each file is read twice, first to judge all of it. */
#pragma once
#include "client/ctl/session.h"
#include <stdint.h>
#include <time.h>

struct file {
	char *name;    /* as it was typed; "stdin" */
	char *beside;  /* the directory that it stands in; NULL: in none */
	int copy;      /* -1: it is opened by its name */
	uint64_t size;
	uint64_t device, inode;  /* as it was at first: another one is not read on */
	struct timespec changed;
};

struct files {
	struct file *at;
	size_t count;
	uint64_t bytes;     /* of all */
	char **directories;
	size_t directory_count;
};

/* Something that is wrong has been told. The caller calls files_free in any case. */
enum exit_status files_collect(struct files *f, const char *const *operands, size_t count);
void files_free(struct files *f);

/* -1: it cannot be opened or has changed since, which has been told. */
int file_open(const struct file *f);
void file_close(const struct file *f, int fd);

/* A file that nobody typed, for reading: fills *f, whose name is borrowed. -1: errno. */
int file_at(struct file *f, const char *path);

/* Where something stands. */
struct place {
	const char *name;        /* of the file; borrowed */
	const struct file *file; /* NULL: only the name tells */
	uint64_t at;             /* offset in it */
};

/* Says on stderr "jobs.json:12 (byte 345): …". */
__attribute__((format(printf, 2, 3))) void place_tell(const struct place *p, const char *format, ...);
