#include "daemon/payload.h"
#include <errno.h>

bool payload_write(struct disk *d, const struct disk_dir *artifacts, const char *name, struct span text,
                   bool *tried, struct disk_error *e)
{
	struct disk_file f;
	struct iovec part = {.iov_base = (void *)text.at, .iov_len = text.len};
	*tried = false;
	if (!disk_begin(d, &f, artifacts, name, artifacts->files, e) || !disk_write(&f, &part, 1, e))
		return false;
	enum disk_result result = disk_finish(&f, false, e);
	*tried = result != DISK_FAILED;
	return result == DISK_OK;
}

bool payload_unlink(struct disk *d, const struct disk_dir *artifacts, struct buf *names, struct disk_error *e)
{
	if (names->len == 0)
		return true;
	for (size_t at = 0; at < names->len; at += strlen(names->at + at) + 1)
		if (!disk_unlink(d, artifacts, names->at + at, e) && e->number != EISDIR) /* then it is no payload */
			return false;
	if (!disk_sync_dir(d, artifacts, e))
		return false;
	buf_free(names);
	return true;
}
