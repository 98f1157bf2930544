#include "tests/unit/faulty_disk.h"
#include "proto/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

static const char *const call_names[FAULTY_CALLS] = {"any",       "openat",   "writev",   "pread",   "fsync",
                                                     "fdatasync", "renameat", "unlinkat", "mkdirat", "fchmod",
                                                     "fstat",     "list",     "close"};

enum { NAMES = 1024 };

/* The random part of a tmp name is no use to a test: NAME.*.tmp */
static char *plain_name(const char *name)
{
	size_t len = strlen(name);
	char *plain = mem_copy(name, len + 1);
	if (disk_is_tmp(name))
		strcpy(plain + len - 20, "*.tmp");
	return plain;
}

static const char *fd_name(const struct faulty_disk *f, int fd)
{
	return fd >= 0 && fd < NAMES && f->names[fd] ? f->names[fd] : fd == AT_FDCWD ? "cwd" : "?";
}

static void fd_forget(struct faulty_disk *f, int fd)
{
	if (fd < 0 || fd >= NAMES)
		return;
	free(f->names[fd]);
	f->names[fd] = NULL;
}

static bool is_due(struct faulty_disk *f, enum faulty_call call, const char *name, const char *other)
{
	const struct faulty_plan *p = &f->plan;
	if (p->nth == 0 || (p->call != FAULTY_ANY && p->call != call))
		return false;
	if (p->name && !strstr(name, p->name) && !(other && strstr(other, p->name)))
		return false;
	f->counted++;
	unsigned last = p->nth + (p->times ? p->times : 1) - 1;
	return f->counted >= p->nth && (p->sticky || f->counted <= last);
}

/* Counts, logs and judges one call. Sets *done where a call is to be made though it fails. Returns the errno
 * to fail with, or 0. */
static int judge(struct faulty_disk *f, enum faulty_call call, const char *name, const char *other,
                 bool *done)
{
	char *plain = plain_name(name), *plain_other = other ? plain_name(other) : NULL;
	f->calls[FAULTY_ANY]++;
	f->calls[call]++;
	int number = is_due(f, call, plain, plain_other) ? f->plan.number : 0;
	f->fired += number != 0;
	*done = number && f->plan.done;
	if (f->logging) {
		buf_printf(&f->log, "%s %s%s%s", call_names[call], plain, other ? " " : "", other ? plain_other : "");
		buf_text(&f->log, number ? *done ? " !!" : " !" : "");
		buf_text(&f->log, number ? strerrorname_np(number) : "");
		buf_char(&f->log, '\n');
	}
	free(plain);
	free(plain_other);
	return number;
}

/* The frame of every call: `make` is the expression that does it. It runs without the lock,
 * as calls on other threads must. */
#define FAULTY(context, call, name, other, make)                                                             \
	struct faulty_disk *f = (context);                                                                       \
	bool done;                                                                                               \
	pthread_mutex_lock(&f->lock);                                                                            \
	int number = judge(f, (call), (name), (other), &done);                                                   \
	pthread_mutex_unlock(&f->lock);                                                                          \
	__typeof__(make) got = -1;                                                                               \
	if (!number || done)                                                                                     \
		got = (make);                                                                                        \
	if (number) {                                                                                            \
		got = -1;                                                                                            \
		errno = number;                                                                                      \
	}                                                                                                        \
	return got

static int named_openat(struct faulty_disk *f, int dir, const char *name, int flags, mode_t mode)
{
	int fd = disk_system.openat(NULL, dir, name, flags, mode);
	if (fd < 0 || fd >= NAMES)
		return fd;
	int number = errno;
	pthread_mutex_lock(&f->lock);
	fd_forget(f, fd);
	const char *slash = strrchr(name, '/');
	f->names[fd] = plain_name(slash && slash[1] ? slash + 1 : name);
	pthread_mutex_unlock(&f->lock);
	errno = number;
	return fd;
}

static int faulty_openat(void *context, int dir, const char *name, int flags, mode_t mode)
{
	struct faulty_disk *f = context;
	const char *slash = strrchr(name, '/');
	bool done;
	pthread_mutex_lock(&f->lock);
	int number = judge(f, FAULTY_OPENAT, slash && slash[1] ? slash + 1 : name, NULL, &done);
	pthread_mutex_unlock(&f->lock);
	if (!number)
		return named_openat(f, dir, name, flags, mode);
	if (done) {
		int fd = disk_system.openat(NULL, dir, name, flags, mode);
		if (fd >= 0)
			disk_system.close(NULL, fd);
	}
	errno = number;
	return -1;
}

static ssize_t short_writev(size_t most, int fd, const struct iovec *parts, int count)
{
	struct iovec part;
	if (most == 0)
		return disk_system.writev(NULL, fd, parts, count);
	while (count > 1 && parts->iov_len == 0)
		parts++, count--;
	part = *parts;
	if (part.iov_len > most)
		part.iov_len = most;
	return disk_system.writev(NULL, fd, &part, 1);
}

static ssize_t faulty_writev(void *context, int fd, const struct iovec *parts, int count)
{
	FAULTY(context, FAULTY_WRITEV, fd_name(f, fd), NULL, short_writev(f->short_write, fd, parts, count));
}

static ssize_t faulty_pread(void *context, int fd, void *to, size_t bytes, off_t at)
{
	FAULTY(context, FAULTY_PREAD, fd_name(f, fd), NULL, disk_system.pread(NULL, fd, to, bytes, at));
}

static int faulty_fsync(void *context, int fd)
{
	FAULTY(context, FAULTY_FSYNC, fd_name(f, fd), NULL, disk_system.fsync(NULL, fd));
}

static int faulty_fdatasync(void *context, int fd)
{
	FAULTY(context, FAULTY_FDATASYNC, fd_name(f, fd), NULL, disk_system.fdatasync(NULL, fd));
}

static int faulty_renameat(void *context, int dir, const char *from, const char *to)
{
	FAULTY(context, FAULTY_RENAMEAT, from, to, disk_system.renameat(NULL, dir, from, to));
}

static int faulty_unlinkat(void *context, int dir, const char *name)
{
	FAULTY(context, FAULTY_UNLINKAT, name, NULL, disk_system.unlinkat(NULL, dir, name));
}

static int faulty_room(void *context, int dir, uint64_t *bytes)
{
	const struct faulty_disk *f = context;
	*bytes = f->room;
	return f->room ? 0 : disk_system.room(NULL, dir, bytes);
}

/* only what somebody else has written gets a second name */
static int faulty_linkat(void *context, int dir, const char *name, const char *second)
{
	(void)context;
	return disk_system.linkat(NULL, dir, name, second);
}

static int faulty_mkdirat(void *context, int dir, const char *name, mode_t mode)
{
	FAULTY(context, FAULTY_MKDIRAT, name, NULL, disk_system.mkdirat(NULL, dir, name, mode));
}

static int faulty_fchmod(void *context, int fd, mode_t mode)
{
	FAULTY(context, FAULTY_FCHMOD, fd_name(f, fd), NULL, disk_system.fchmod(NULL, fd, mode));
}

static int faulty_fstat(void *context, int fd, struct stat *to)
{
	FAULTY(context, FAULTY_FSTAT, fd_name(f, fd), NULL, disk_system.fstat(NULL, fd, to));
}

static int faulty_list(void *context, int dir, void (*each)(void *argument, const char *name), void *argument)
{
	FAULTY(context, FAULTY_LIST, fd_name(f, dir), NULL, disk_system.list(NULL, dir, each, argument));
}

/* A close that fails has closed all the same, as Linux does it; else every fault would cost a descriptor. */
static int faulty_close(void *context, int fd)
{
	struct faulty_disk *f = context;
	bool done;
	pthread_mutex_lock(&f->lock);
	int number = judge(f, FAULTY_CLOSE, fd_name(f, fd), NULL, &done);
	fd_forget(f, fd);
	pthread_mutex_unlock(&f->lock);
	int got = disk_system.close(NULL, fd);
	if (!number)
		return got;
	errno = number;
	return -1;
}

static const struct disk_ops faulty_ops = {
	.openat = faulty_openat,
	.writev = faulty_writev,
	.pread = faulty_pread,
	.fsync = faulty_fsync,
	.fdatasync = faulty_fdatasync,
	.renameat = faulty_renameat,
	.unlinkat = faulty_unlinkat,
	.linkat = faulty_linkat,
	.mkdirat = faulty_mkdirat,
	.fchmod = faulty_fchmod,
	.room = faulty_room,
	.fstat = faulty_fstat,
	.list = faulty_list,
	.close = faulty_close,
};

void faulty_disk_init(struct faulty_disk *f)
{
	*f = (struct faulty_disk){.disk = {.ops = &faulty_ops, .context = f}, .logging = true};
	pthread_mutex_init(&f->lock, NULL);
}

void faulty_disk_done(struct faulty_disk *f)
{
	for (int fd = 0; fd < NAMES; fd++)
		free(f->names[fd]);
	buf_free(&f->log);
	pthread_mutex_destroy(&f->lock);
}

void faulty_disk_fail(struct faulty_disk *f, struct faulty_plan plan)
{
	pthread_mutex_lock(&f->lock);
	f->plan = plan;
	f->counted = f->fired = 0;
	pthread_mutex_unlock(&f->lock);
}

bool faulty_disk_fired(struct faulty_disk *f)
{
	pthread_mutex_lock(&f->lock);
	bool fired = f->fired > 0;
	pthread_mutex_unlock(&f->lock);
	return fired;
}

const char *faulty_disk_log(struct faulty_disk *f)
{
	pthread_mutex_lock(&f->lock);
	*buf_room(&f->log, 1) = '\0';
	const char *text = f->log.at;
	pthread_mutex_unlock(&f->lock);
	return text;
}

void faulty_disk_forget(struct faulty_disk *f)
{
	pthread_mutex_lock(&f->lock);
	f->log.len = 0;
	memset(f->calls, 0, sizeof f->calls);
	pthread_mutex_unlock(&f->lock);
}
