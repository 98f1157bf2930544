/* disk: every byte that reaches the disk goes through here.
 *
 * One way to write a file: disk_begin makes NAME.<random>.tmp in the same directory (disk_reuse takes one that
 * is there), disk_write adds, disk_finish does fsync, rename over NAME, fsync of the directory, and opens NAME
 * once more. The system
 * calls are a struct of function pointers, so that tests can make each fail in its turn. Blocking: worker
 * threads (and the start and the check, which have no loop yet).
 * An open file belongs to one thread at a time. */
#pragma once
#include "proto/span.h"
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

struct disk_ops {
	int (*openat)(void *context, int dir, const char *name, int flags, mode_t mode);
	ssize_t (*writev)(void *context, int fd, const struct iovec *parts, int count);
	ssize_t (*pread)(void *context, int fd, void *to, size_t bytes, off_t at);
	int (*fsync)(void *context, int fd);
	int (*fdatasync)(void *context, int fd);
	int (*renameat)(void *context, int dir, const char *from, const char *to);
	int (*unlinkat)(void *context, int dir, const char *name);
	int (*linkat)(void *context, int dir, const char *name, const char *second); /* of a link: the link itself */
	int (*mkdirat)(void *context, int dir, const char *name, mode_t mode);
	int (*fchmod)(void *context, int fd, mode_t mode);
	int (*fstat)(void *context, int fd, struct stat *to);
	/* names but . and .. */
	int (*list)(void *context, int dir, void (*each)(void *argument, const char *name), void *argument);
	int (*close)(void *context, int fd);
	int (*room)(void *context, int dir, uint64_t *bytes); /* NULL: nothing is known of it */
	/* A wish: what is written goes to the disk from now on, and nobody waits for it. NULL: it goes when it goes. */
	void (*start_writeback)(void *context, int fd);
};
/* Like the system calls: -1 and errno. */

struct disk {
	const struct disk_ops *ops;
	void *context;
	uint64_t bytes_written; /* by disk_write, ever; atomic relaxed */
};

extern const struct disk_ops disk_system;

/* A directory kept open. `path` is for messages. */
struct disk_dir {
	int fd;
	char *path;
	mode_t files; /* of those that are made in it: whoever may enter it may read them */
};
/* False: errno. `make`: makes it where it is missing, with this mode whatever the umask, and syncs the
 * directory that it is in. */
bool disk_dir_open(struct disk *d, struct disk_dir *dir, int parent, const char *name, const char *path,
                   bool make, mode_t mode);
void disk_dir_close(struct disk *d, struct disk_dir *dir);

enum disk_result {
	DISK_OK,
	DISK_FAILED,  /* nothing happened: the tmp is removed, NAME is as it was */
	DISK_UNKNOWN, /* the rename was tried: NAME may be the old or the new one, now or after a power cut */
};

/* What failed, for logs, replies and server.info. */
struct disk_error {
	int number;         /* errno */
	char what[160];     /* "fsync journal/00…43.json" */
};

struct disk_file {
	struct disk *disk;
	const struct disk_dir *dir;
	char name[224], tmp[256];
	int fd;             /* -1: not open */
	bool content_only;  /* what is written and its size are synced, times and mode need not be (fdatasync) */
	uint64_t size;
};

/* Of these, each failure ends the file: the tmp is removed and it is not open any more (after a failed fsync
 * nothing may be hoped of it). */
bool disk_begin(struct disk *d, struct disk_file *f, const struct disk_dir *dir, const char *name,
                mode_t mode, struct disk_error *e);
/* Instead of a new file the one that is there as `tmp`, which nothing else may need: a regular file of just this
 * size, with no other name. It is written over from its start. False: it is none (EINVAL); it is removed. */
bool disk_reuse(struct disk *d, struct disk_file *f, const struct disk_dir *dir, const char *name,
                const char *tmp, uint64_t size, mode_t mode, struct disk_error *e);
/* Makes a file of `size` spaces under this tmp name and lets the disk begin to write it, so that disk_reuse finds
 * blocks: not durable. A failure leaves none. */
bool disk_lay(struct disk *d, const struct disk_dir *dir, const char *tmp, uint64_t size, mode_t mode,
              struct disk_error *e);
/* all of it; short writes and EINTR are gone on with */
bool disk_write(struct disk_file *f, const struct iovec *parts, int count, struct disk_error *e);
/* Adds what is in an open file, to its end. COPY_UNREADABLE: errno tells, `to` is aborted. */
enum disk_copied { DISK_COPIED, DISK_COPY_UNREADABLE, DISK_COPY_FAILED };
enum disk_copied disk_copy_from(struct disk *d, int fd, struct disk_file *to, struct disk_error *e);
/* fdatasync of what is written so far, so that the last fsync is short */
bool disk_settle(struct disk_file *f, struct disk_error *e);
void disk_abort(struct disk_file *f); /* removes the tmp; harmless on a file that is not open */
/* Ends the file in any case. With sync_dir false the directory's fsync and the re-open are left to the
 * caller's disk_sync_dir (several files, one sync). */
enum disk_result disk_finish(struct disk_file *f, bool sync_dir, struct disk_error *e);
/* fsync, and one more open of the directory */
bool disk_sync_dir(struct disk *d, const struct disk_dir *dir, struct disk_error *e);
/* What is free where the directory is, as far as the file system says so: about. */
uint64_t disk_room(struct disk *d, const struct disk_dir *dir);
bool disk_exists(struct disk *d, const struct disk_dir *dir, const char *name); /* opens it */
/* neither durable nor undone by a power cut until the directory is synced */
bool disk_rename(struct disk *d, const struct disk_dir *dir, const char *from, const char *to,
                 struct disk_error *e);
/* a missing file is success */
bool disk_unlink(struct disk *d, const struct disk_dir *dir, const char *name, struct disk_error *e);

/* Is it the name of a tmp file as disk_begin makes them? */
bool disk_is_tmp(const char *name);

/* Reading. A regular file only, never through a link: what else is there is ELOOP or EINVAL. -1 and errno.
 * *size (may be NULL): at this moment. */
int disk_open(struct disk *d, const struct disk_dir *dir, const char *name, uint64_t *size);
/* Up to `bytes`, fewer only at the end of the file; -1 and errno. */
ssize_t disk_read(struct disk *d, int fd, void *to, size_t bytes, uint64_t at);
void disk_close(struct disk *d, int fd);
/* false: errno */
bool disk_list(struct disk *d, const struct disk_dir *dir, void (*each)(void *argument, const char *name),
               void *argument);
