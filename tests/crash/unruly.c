#include "tests/crash/unruly.h"
#include "daemon/segment.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static const struct {
	const char *name;
	int number;
} kinds[UNRULY_KINDS] = {
	[UNRULY_ENOSPC] = {"ENOSPC", ENOSPC}, [UNRULY_EIO] = {"EIO", EIO},     [UNRULY_EDQUOT] = {"EDQUOT", EDQUOT},
	[UNRULY_EMFILE] = {"EMFILE", EMFILE}, [UNRULY_EINTR] = {"EINTR", EINTR}, [UNRULY_SHORT] = {"short", 0},
	[UNRULY_DONE] = {"done", EIO},
};

const char *unruly_kind_name(enum unruly_kind kind) { return kinds[kind].name; }

bool unruly_kind_from(const char *name, enum unruly_kind *kind)
{
	for (int k = 0; k < UNRULY_KINDS; k++)
		if (strcmp(kinds[k].name, name) == 0) {
			*kind = (enum unruly_kind)k;
			return true;
		}
	return false;
}

bool unruly_is_resumed(const char *call)
{
	static const char *const resumed[] = {"open", "write", "read", "fsync", "fdatasync", "chmod", "close"};
	for (size_t i = 0; i < sizeof resumed / sizeof *resumed; i++)
		if (strcmp(call, resumed[i]) == 0)
			return true;
	return false;
}

/* The fault that this call is hit by, or NULL. What no call can do half of is let through. */
static const struct unruly_fault *hit(struct unruly *u, const char *call, bool can_be_short)
{
	u->calls++;
	if (u->trace)
		printf("%6" PRIu64 "  %s\n", u->calls, call);
	for (int i = 0; i < 2; i++) {
		struct unruly_fault *f = &u->faults[i];
		if (f->at != u->calls || (f->kind == UNRULY_SHORT && !can_be_short))
			continue;
		f->fired = true;
		f->number = kinds[f->kind].number;
		snprintf(f->call, sizeof f->call, "%s", call);
		if (u->trace)
			printf("        %s\n", kinds[f->kind].name);
		return f;
	}
	return NULL;
}

static int fail_with(const struct unruly_fault *f)
{
	errno = f->number;
	return -1;
}

/* The frame of a call that is done whole or not at all. */
#define WHOLE(context, call, make)                        \
	struct unruly *u = (context);                           \
	const struct unruly_fault *f = hit(u, (call), false);   \
	if (f && f->kind != UNRULY_DONE)                        \
		return fail_with(f);                                  \
	int got = (make);                                       \
	return f ? fail_with(f) : got

static int unruly_openat(void *context, int dir, const char *name, int flags, mode_t mode)
{
	struct unruly *u = context;
	const struct unruly_fault *f = hit(u, "open", false);
	if (f && f->kind != UNRULY_DONE)
		return fail_with(f);
	int fd = u->ram.disk.ops->openat(&u->ram, dir, name, flags, mode);
	if (!f)
		return fd;
	if (fd >= 0)
		u->ram.disk.ops->close(&u->ram, fd);
	return fail_with(f);
}

static ssize_t write_half(struct unruly *u, int fd, const struct iovec *parts, int count)
{
	while (count > 1 && parts->iov_len == 0)
		parts++, count--;
	struct iovec half = *parts;
	half.iov_len = (half.iov_len + 1) / 2;
	return u->ram.disk.ops->writev(&u->ram, fd, &half, 1);
}

static ssize_t unruly_writev(void *context, int fd, const struct iovec *parts, int count)
{
	struct unruly *u = context;
	const struct unruly_fault *f = hit(u, "write", true);
	if (f && f->kind == UNRULY_SHORT)
		return write_half(u, fd, parts, count);
	if (f && f->kind != UNRULY_DONE)
		return fail_with(f);
	ssize_t got = u->ram.disk.ops->writev(&u->ram, fd, parts, count);
	return f ? fail_with(f) : got;
}

static ssize_t unruly_pread(void *context, int fd, void *to, size_t bytes, off_t at)
{
	struct unruly *u = context;
	const struct unruly_fault *f = hit(u, "read", true);
	if (f && f->kind != UNRULY_SHORT)
		return fail_with(f);
	return u->ram.disk.ops->pread(&u->ram, fd, to, f ? (bytes + 1) / 2 : bytes, at);
}

static int fail_once(void *context, const char *call, const char *path, bool *done)
{
	struct unruly *u = context;
	(void)call, (void)path, (void)done;
	return u->failing;
}

/* The ram_disk forgets for good what a failed fsync was to make durable; after EINTR nothing was tried yet. */
static int sync_fd(struct unruly *u, const char *call, int fd)
{
	const struct unruly_fault *f = hit(u, call, false);
	if (!f)
		return u->ram.disk.ops->fsync(&u->ram, fd);
	if (f->kind == UNRULY_EINTR)
		return fail_with(f);
	if (f->kind == UNRULY_DONE) {
		u->ram.disk.ops->fsync(&u->ram, fd);
		if (u->ram.fds[fd - RAM_FD_BASE].node) /* nobody can know that it has worked */
			u->ram.fds[fd - RAM_FD_BASE].node->distrusted = true;
		return fail_with(f);
	}
	u->failing = f->number;
	u->ram.before = fail_once;
	u->ram.context = u;
	u->ram.disk.ops->fsync(&u->ram, fd);
	u->ram.before = NULL;
	return fail_with(f);
}

static int unruly_fsync(void *context, int fd) { return sync_fd(context, "fsync", fd); }
static int unruly_fdatasync(void *context, int fd) { return sync_fd(context, "fdatasync", fd); }

static int unruly_renameat(void *context, int dir, const char *from, const char *to)
{
	uint64_t seq;
	((struct unruly *)context)->segment_renames += segment_seq(to, &seq);
	WHOLE(context, "rename", u->ram.disk.ops->renameat(&u->ram, dir, from, to));
}

static int unruly_unlinkat(void *context, int dir, const char *name)
{
	WHOLE(context, "unlink", u->ram.disk.ops->unlinkat(&u->ram, dir, name));
}

static int unruly_linkat(void *context, int dir, const char *name, const char *second)
{
	WHOLE(context, "link", u->ram.disk.ops->linkat(&u->ram, dir, name, second));
}

static int unruly_mkdirat(void *context, int dir, const char *name, mode_t mode)
{
	WHOLE(context, "mkdir", u->ram.disk.ops->mkdirat(&u->ram, dir, name, mode));
}

static int unruly_fchmod(void *context, int fd, mode_t mode)
{
	WHOLE(context, "chmod", u->ram.disk.ops->fchmod(&u->ram, fd, mode));
}

static int unruly_fstat(void *context, int fd, struct stat *to)
{
	WHOLE(context, "stat", u->ram.disk.ops->fstat(&u->ram, fd, to));
}

static int unruly_list(void *context, int dir, void (*each)(void *argument, const char *name), void *argument)
{
	WHOLE(context, "list", u->ram.disk.ops->list(&u->ram, dir, each, argument));
}

/* Whatever it reports, Linux has closed the descriptor. */
static int unruly_close(void *context, int fd)
{
	struct unruly *u = context;
	const struct unruly_fault *f = hit(u, "close", false);
	int got = u->ram.disk.ops->close(&u->ram, fd);
	return f ? fail_with(f) : got;
}

static const struct disk_ops unruly_ops = {
	.openat = unruly_openat,
	.writev = unruly_writev,
	.pread = unruly_pread,
	.fsync = unruly_fsync,
	.fdatasync = unruly_fdatasync,
	.renameat = unruly_renameat,
	.unlinkat = unruly_unlinkat,
	.linkat = unruly_linkat,
	.mkdirat = unruly_mkdirat,
	.fchmod = unruly_fchmod,
	.fstat = unruly_fstat,
	.list = unruly_list,
	.close = unruly_close,
};

void unruly_init(struct unruly *u, const char *path)
{
	*u = (struct unruly){.disk = {.ops = &unruly_ops, .context = u}};
	ram_disk_init(&u->ram, path);
}

void unruly_done(struct unruly *u)
{
	ram_disk_done(&u->ram);
}
