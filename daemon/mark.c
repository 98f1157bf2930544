#include "daemon/mark.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct mark mark_of(struct disk *d, const struct disk_dir *dir, const char *name)
{
	struct mark m = {.known = true};
	struct stat status;
	int fd = disk_open(d, dir, name, NULL);
	if (fd < 0) {
		/* a link, or no file at all: there, and nothing that was ever written here */
		m.there = errno == ELOOP || errno == EINVAL;
		m.known = m.there || errno == ENOENT;
		return m;
	}
	m.there = true;
	m.known = d->ops->fstat(d->context, fd, &status) == 0;
	if (m.known) {
		m.device = status.st_dev;
		m.inode = status.st_ino;
		m.written = status.st_mtim;
		m.size = status.st_size;
	}
	disk_close(d, fd);
	return m;
}

static bool is_same(const struct mark *a, const struct mark *b)
{
	return a->there == b->there && a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->written.tv_sec == b->written.tv_sec && a->written.tv_nsec == b->written.tv_nsec;
}

/* Where a link is refused: of another user's file, or by the file system. */
static bool copy(struct disk *d, const struct disk_dir *dir, const char *name, const char *kept, struct disk_error *e)
{
	struct disk_file to;
	int from = disk_open(d, dir, name, NULL);
	if (from < 0)
		return false;
	bool ok = disk_begin(d, &to, dir, kept, dir->files, e) && disk_copy_from(d, from, &to, e) == DISK_COPIED &&
	          disk_finish(&to, true, e) == DISK_OK;
	disk_close(d, from);
	return ok;
}

bool mark_second_name(struct disk *d, const struct disk_dir *dir, const char *name, int64_t now, char kept[256],
                      struct disk_error *e)
{
	time_t seconds = now / 1000000;
	struct tm tm;
	char stamp[32];
	(void)strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%S", gmtime_r(&seconds, &tm));
	snprintf(kept, 256, "%.200s.edited-%s.%06d", name, stamp, (int)(now % 1000000));
	/* not a rename: at no moment may the name be missing */
	if (d->ops->linkat(d->context, dir->fd, name, kept) == 0)
		return true;
	e->number = errno;
	snprintf(e->what, sizeof e->what, "keep %s as %s", name, kept);
	return e->number != EEXIST && copy(d, dir, name, kept, e);
}

bool mark_keep(const struct mark *m, struct disk *d, const struct disk_dir *dir, const char *name, int64_t now,
               enum mark_found *found, char kept[256], struct disk_error *e)
{
	struct mark is = mark_of(d, dir, name);
	*found = MARK_SAME;
	if (!m->known || !is.known || is_same(m, &is))
		return true;
	*found = is.inode ? MARK_CHANGED : MARK_REMOVED;
	if (!is.inode)
		return true; /* nothing, or a link, whose file stays where it is */
	if (mark_second_name(d, dir, name, now, kept, e))
		return true;
	*found = MARK_SAME;
	return false;
}
