#include "daemon/disk.h"
#include "proto/ident.h"
#include "proto/mem.h"
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { TMP_RANDOM = 16, TMP_TRIES = 8, WRITE_PARTS = 512, COPY_BYTES = 256 << 10 };

static int system_openat(void *context, int dir, const char *name, int flags, mode_t mode)
{
	(void)context;
	return openat(dir, name, flags, mode);
}

static ssize_t system_writev(void *context, int fd, const struct iovec *parts, int count)
{
	(void)context;
	return writev(fd, parts, count);
}

static ssize_t system_pread(void *context, int fd, void *to, size_t bytes, off_t at)
{
	(void)context;
	return pread(fd, to, bytes, at);
}

static int system_fsync(void *context, int fd)
{
	(void)context;
	return fsync(fd);
}

static int system_fdatasync(void *context, int fd)
{
	(void)context;
	return fdatasync(fd);
}

static int system_renameat(void *context, int dir, const char *from, const char *to)
{
	(void)context;
	return renameat(dir, from, dir, to);
}

static int system_unlinkat(void *context, int dir, const char *name)
{
	(void)context;
	return unlinkat(dir, name, 0);
}

static int system_linkat(void *context, int dir, const char *name, const char *second)
{
	(void)context;
	return linkat(dir, name, dir, second, 0);
}

static int system_mkdirat(void *context, int dir, const char *name, mode_t mode)
{
	(void)context;
	return mkdirat(dir, name, mode);
}

static int system_fchmod(void *context, int fd, mode_t mode)
{
	(void)context;
	return fchmod(fd, mode);
}

static int system_fstat(void *context, int fd, struct stat *to)
{
	(void)context;
	return fstat(fd, to);
}

static int system_list(void *context, int dir, void (*each)(void *argument, const char *name), void *argument)
{
	(void)context;
	/* A descriptor of its own: the position in the directory belongs to the descriptor,
	 * and dup would share it. */
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	DIR *names = fdopendir(fd);
	if (!names && errno == ENOMEM)
		mem_gone(); /* a start would take it for damage, after which nobody tries again */
	if (!names) {
		int number = errno;
		close(fd);
		errno = number;
		return -1;
	}
	const struct dirent *entry;
	while (errno = 0, (entry = readdir(names)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			each(argument, entry->d_name);
	int number = errno;
	closedir(names);
	errno = number;
	return number ? -1 : 0;
}

static int system_close(void *context, int fd)
{
	(void)context;
	return close(fd);
}

static int system_room(void *context, int dir, uint64_t *bytes)
{
	struct statvfs st;
	(void)context;
	if (fstatvfs(dir, &st) < 0)
		return -1;
	*bytes = st.f_blocks ? (uint64_t)st.f_bavail * st.f_frsize : UINT64_MAX; /* some say nothing */
	return 0;
}

static void system_start_writeback(void *context, int fd)
{
	(void)context;
	(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* where that is not known, it comes by itself */
}

const struct disk_ops disk_system = {
	.openat = system_openat,
	.writev = system_writev,
	.pread = system_pread,
	.fsync = system_fsync,
	.fdatasync = system_fdatasync,
	.renameat = system_renameat,
	.unlinkat = system_unlinkat,
	.linkat = system_linkat,
	.mkdirat = system_mkdirat,
	.fchmod = system_fchmod,
	.fstat = system_fstat,
	.list = system_list,
	.close = system_close,
	.room = system_room,
	.start_writeback = system_start_writeback,
};

/* The calls as the rest of this file makes them: gone on with after a signal. */

static int open_at(struct disk *d, int dir, const char *name, int flags, mode_t mode)
{
	int fd;
	do
		fd = d->ops->openat(d->context, dir, name, flags | O_CLOEXEC | O_NOCTTY, mode);
	while (fd < 0 && errno == EINTR);
	return fd;
}

static int sync_fd(struct disk *d, int fd, bool content_only)
{
	int got;
	do
		got = content_only ? d->ops->fdatasync(d->context, fd) : d->ops->fsync(d->context, fd);
	while (got < 0 && errno == EINTR);
	return got;
}

static int chmod_fd(struct disk *d, int fd, mode_t mode)
{
	int got;
	do
		got = d->ops->fchmod(d->context, fd, mode);
	while (got < 0 && errno == EINTR);
	return got;
}

/* Linux has closed the descriptor whatever close() says, EINTR included; it must not be closed again. */
static int close_fd(struct disk *d, int fd)
{
	int got = d->ops->close(d->context, fd);
	return got < 0 && errno == EINTR ? 0 : got;
}

static const char *base_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	return slash ? slash + 1 : path ? path : "";
}

/* Notes errno; returns false for the caller to return. */
static bool failed(struct disk_error *e, const char *verb, const struct disk_dir *dir, const char *name)
{
	int number = errno;
	if (e) {
		e->number = number;
		int len = snprintf(e->what, sizeof e->what, "%s %s%s%s", verb, base_name(dir->path), *name ? "/" : "",
		                   name);
		(void)len; /* a name that is cut is still a good message */
	}
	errno = number;
	return false;
}

/* The entry of a directory that was just made is durable once the directory above it is synced. It is done
 * for one that was there, too: a crash may have come between.
 * Then a parent that we may not read is no reason to stop. */
static bool sync_parent(struct disk *d, int parent, const char *name, bool made)
{
	char above[PATH_MAX] = ".";
	if (parent == AT_FDCWD) {
		const char *slash = strrchr(name, '/');
		if (slash)
			snprintf(above, sizeof above, "%.*s", slash == name ? 1 : (int)(slash - name), name);
	}
	int fd = open_at(d, parent, above, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return !made && errno == EACCES;
	bool ok = sync_fd(d, fd, false) == 0;
	int number = errno;
	close_fd(d, fd);
	errno = number;
	return ok;
}

static bool make_dir(struct disk *d, int parent, const char *name, mode_t mode, bool *made)
{
	*made = d->ops->mkdirat(d->context, parent, name, mode & 0700) == 0;
	return *made || errno == EEXIST;
}

bool disk_dir_open(struct disk *d, struct disk_dir *dir, int parent, const char *name, const char *path,
                   bool make, mode_t mode)
{
	bool made = false;
	*dir = (struct disk_dir){.fd = -1};
	if (make && !make_dir(d, parent, name, mode, &made))
		return false;
	int fd = open_at(d, parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return false;
	if ((made && chmod_fd(d, fd, mode) < 0) || (make && !sync_parent(d, parent, name, made))) {
		int number = errno;
		close_fd(d, fd);
		errno = number;
		return false;
	}
	dir->fd = fd;
	dir->path = mem_copy(path, strlen(path) + 1);
	dir->files = mode & 0644;
	return true;
}

void disk_dir_close(struct disk *d, struct disk_dir *dir)
{
	if (dir->fd >= 0 && dir->path)
		close_fd(d, dir->fd);
	free(dir->path);
	*dir = (struct disk_dir){.fd = -1};
}

static bool sync_dir_and_open(struct disk *d, const struct disk_dir *dir, const char *name,
                              struct disk_error *e)
{
	if (sync_fd(d, dir->fd, false) < 0)
		return failed(e, "fsync", dir, "");
	int fd = open_at(d, dir->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return failed(e, "open", dir, strcmp(name, ".") == 0 ? "" : name);
	close_fd(d, fd);
	return true;
}

bool disk_sync_dir(struct disk *d, const struct disk_dir *dir, struct disk_error *e)
{
	return sync_dir_and_open(d, dir, ".", e);
}

static int open_tmp(struct disk_file *f)
{
	int fd = -1;
	for (int i = 0; i < TMP_TRIES && fd < 0; i++) {
		char random[TMP_RANDOM + 1];
		ident_hex(random, TMP_RANDOM);
		snprintf(f->tmp, sizeof f->tmp, "%s.%s.tmp", f->name, random);
		fd = open_at(f->disk, f->dir->fd, f->tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	return fd;
}

static void file_init(struct disk_file *f, struct disk *d, const struct disk_dir *dir, const char *name)
{
	size_t len = strlen(name);
	*f = (struct disk_file){.disk = d, .dir = dir, .fd = -1};
	assert(len > 0 && len < sizeof f->name && !strchr(name, '/'));
	memcpy(f->name, name, len + 1);
}

bool disk_begin(struct disk *d, struct disk_file *f, const struct disk_dir *dir, const char *name,
                mode_t mode, struct disk_error *e)
{
	file_init(f, d, dir, name);
	f->fd = open_tmp(f);
	if (f->fd < 0)
		return failed(e, "open", dir, f->tmp);
	if (chmod_fd(d, f->fd, mode) == 0)
		return true;
	failed(e, "chmod", dir, f->tmp);
	disk_abort(f);
	return false;
}

static bool is_reusable(struct disk *d, int fd, uint64_t size, mode_t mode)
{
	struct stat st;
	if (d->ops->fstat(d->context, fd, &st) < 0)
		return false;
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1 || (uint64_t)st.st_size != size) {
		errno = EINVAL;
		return false;
	}
	return (st.st_mode & 07777) == mode || chmod_fd(d, fd, mode) == 0;
}

bool disk_reuse(struct disk *d, struct disk_file *f, const struct disk_dir *dir, const char *name,
                const char *tmp, uint64_t size, mode_t mode, struct disk_error *e)
{
	file_init(f, d, dir, name);
	assert(disk_is_tmp(tmp) && strlen(tmp) < sizeof f->tmp);
	strcpy(f->tmp, tmp);
	/* O_NONBLOCK: as in disk_open */
	f->fd = open_at(d, dir->fd, tmp, O_WRONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (f->fd >= 0 && is_reusable(d, f->fd, size, mode))
		return true;
	failed(e, "reuse", dir, tmp);
	if (f->fd < 0)
		d->ops->unlinkat(d->context, dir->fd, tmp);
	disk_abort(f);
	return false;
}

/* Takes `done` bytes off the front of parts[*first..count). */
static void parts_advance(struct iovec *parts, int count, int *first, size_t done)
{
	while (*first < count && done >= parts[*first].iov_len)
		done -= parts[(*first)++].iov_len;
	if (*first < count) {
		parts[*first].iov_base = (char *)parts[*first].iov_base + done;
		parts[*first].iov_len -= done;
	}
}

static bool write_some(struct disk_file *f, struct iovec *parts, int count)
{
	int first = 0;
	parts_advance(parts, count, &first, 0);
	while (first < count) {
		ssize_t n = f->disk->ops->writev(f->disk->context, f->fd, parts + first, count - first);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO; /* a file that takes nothing and says no why would be waited for without end */
		if (n <= 0)
			return false;
		f->size += (size_t)n;
		__atomic_fetch_add(&f->disk->bytes_written, (uint64_t)n, __ATOMIC_RELAXED);
		parts_advance(parts, count, &first, (size_t)n);
	}
	return true;
}

bool disk_write(struct disk_file *f, const struct iovec *parts, int count, struct disk_error *e)
{
	struct iovec some[WRITE_PARTS];
	assert(f->fd >= 0);
	for (int at = 0; at < count; at += WRITE_PARTS) {
		int n = count - at < WRITE_PARTS ? count - at : WRITE_PARTS;
		memcpy(some, parts + at, (size_t)n * sizeof *some);
		if (!write_some(f, some, n)) {
			failed(e, "write", f->dir, f->name);
			disk_abort(f);
			return false;
		}
	}
	return true;
}

static bool write_spaces(struct disk_file *f, uint64_t size, struct disk_error *e)
{
	enum { PIECE = 4096 };
	char spaces[PIECE];
	memset(spaces, ' ', sizeof spaces);
	for (uint64_t at = 0; at < size; at += PIECE) {
		struct iovec part = {.iov_base = spaces, .iov_len = size - at < PIECE ? size - at : PIECE};
		if (!disk_write(f, &part, 1, e))
			return false;
	}
	return true;
}

bool disk_lay(struct disk *d, const struct disk_dir *dir, const char *tmp, uint64_t size, mode_t mode,
              struct disk_error *e)
{
	struct disk_file f;
	file_init(&f, d, dir, tmp);
	assert(disk_is_tmp(tmp));
	strcpy(f.tmp, tmp);
	f.fd = open_at(d, dir->fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (f.fd < 0)
		return failed(e, "open", dir, tmp);
	if (chmod_fd(d, f.fd, mode) < 0) {
		failed(e, "chmod", dir, tmp);
		disk_abort(&f);
		return false;
	}
	if (!write_spaces(&f, size, e))
		return false;
	if (d->ops->start_writeback)
		d->ops->start_writeback(d->context, f.fd);
	close_fd(d, f.fd);
	return true;
}

bool disk_settle(struct disk_file *f, struct disk_error *e)
{
	assert(f->fd >= 0);
	if (sync_fd(f->disk, f->fd, true) == 0)
		return true;
	failed(e, "fdatasync", f->dir, f->name);
	disk_abort(f);
	return false;
}

void disk_abort(struct disk_file *f)
{
	if (f->fd < 0 || !f->disk)
		return;
	int number = errno;
	close_fd(f->disk, f->fd);
	f->fd = -1;
	/* Where this fails, too, the next start removes it. */
	f->disk->ops->unlinkat(f->disk->context, f->dir->fd, f->tmp);
	errno = number;
}

enum disk_result disk_finish(struct disk_file *f, bool sync_dir, struct disk_error *e)
{
	struct disk *d = f->disk;
	assert(f->fd >= 0);
	if (sync_fd(d, f->fd, f->content_only) < 0) {
		failed(e, f->content_only ? "fdatasync" : "fsync", f->dir, f->name);
		disk_abort(f);
		return DISK_FAILED;
	}
	int fd = f->fd;
	f->fd = -1;
	if (close_fd(d, fd) < 0) {
		failed(e, "close", f->dir, f->name);
		d->ops->unlinkat(d->context, f->dir->fd, f->tmp);
		return DISK_FAILED;
	}
	if (d->ops->renameat(d->context, f->dir->fd, f->tmp, f->name) < 0) {
		failed(e, "rename", f->dir, f->name);
		d->ops->unlinkat(d->context, f->dir->fd, f->tmp);
		return DISK_UNKNOWN;
	}
	return !sync_dir || sync_dir_and_open(d, f->dir, f->name, e) ? DISK_OK : DISK_UNKNOWN;
}

enum disk_copied disk_copy_from(struct disk *d, int fd, struct disk_file *to, struct disk_error *e)
{
	char *some = mem_alloc(COPY_BYTES);
	ssize_t n = 0;
	bool ok = true;
	for (uint64_t at = 0; ok && (n = disk_read(d, fd, some, COPY_BYTES, at)) > 0; at += (uint64_t)n)
		ok = disk_write(to, &(struct iovec){.iov_base = some, .iov_len = (size_t)n}, 1, e);
	int number = errno;
	free(some);
	if (!ok)
		return DISK_COPY_FAILED;
	if (n == 0)
		return DISK_COPIED;
	disk_abort(to);
	errno = number;
	return DISK_COPY_UNREADABLE;
}

uint64_t disk_room(struct disk *d, const struct disk_dir *dir)
{
	uint64_t bytes;
	return d->ops->room && d->ops->room(d->context, dir->fd, &bytes) == 0 ? bytes : UINT64_MAX;
}

bool disk_exists(struct disk *d, const struct disk_dir *dir, const char *name)
{
	int fd = open_at(d, dir->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return false;
	close_fd(d, fd);
	return true;
}

bool disk_rename(struct disk *d, const struct disk_dir *dir, const char *from, const char *to,
                 struct disk_error *e)
{
	return d->ops->renameat(d->context, dir->fd, from, to) == 0 || failed(e, "rename", dir, from);
}

bool disk_unlink(struct disk *d, const struct disk_dir *dir, const char *name, struct disk_error *e)
{
	if (d->ops->unlinkat(d->context, dir->fd, name) == 0 || errno == ENOENT)
		return true;
	return failed(e, "unlink", dir, name);
}

bool disk_is_tmp(const char *name)
{
	enum { TAIL = 1 + TMP_RANDOM + 4 };
	size_t len = strlen(name);
	if (len <= TAIL || strcmp(name + len - 4, ".tmp") != 0 || name[len - TAIL] != '.')
		return false;
	return strspn(name + len - TAIL + 1, "0123456789abcdef") == TMP_RANDOM;
}

int disk_open(struct disk *d, const struct disk_dir *dir, const char *name, uint64_t *size)
{
	struct stat st;
	/* O_NONBLOCK: a pipe of this name must not hold the start up. */
	int fd = open_at(d, dir->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	int number = d->ops->fstat(d->context, fd, &st) < 0 ? errno : S_ISREG(st.st_mode) ? 0 : EINVAL;
	if (number) {
		close_fd(d, fd);
		errno = number;
		return -1;
	}
	if (size)
		*size = (uint64_t)st.st_size;
	return fd;
}

ssize_t disk_read(struct disk *d, int fd, void *to, size_t bytes, uint64_t at)
{
	size_t have = 0;
	while (have < bytes) {
		ssize_t n = d->ops->pread(d->context, fd, (char *)to + have, bytes - have, (off_t)(at + have));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

void disk_close(struct disk *d, int fd)
{
	close_fd(d, fd);
}

bool disk_list(struct disk *d, const struct disk_dir *dir, void (*each)(void *argument, const char *name),
               void *argument)
{
	return d->ops->list(d->context, dir->fd, each, argument) == 0;
}
