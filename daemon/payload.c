#include "daemon/payload.h"
#include "daemon/log.h"
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

/* A directory is no payload, and what somebody protects (chattr +i) is theirs from then on: to try again for ever
 * would keep the segment that tells of the deletion, and with it all that come after. */
static bool is_given_up(const char *name, int number)
{
	if (number == EPERM)
		log_warning("artifacts/%s is protected and stays, though its artifact was deleted", name);
	return number == EISDIR || number == EPERM;
}

/* Each is tried: one that stays must not keep the others. Of those that stay the names are left. */
static bool unlink_each(struct disk *d, const struct disk_dir *artifacts, const struct buf *names, struct buf *left,
                        struct disk_error *e)
{
	for (size_t at = 0; at < names->len; at += strlen(names->at + at) + 1) {
		struct disk_error why;
		if (disk_unlink(d, artifacts, names->at + at, &why) || is_given_up(names->at + at, why.number))
			continue;
		*e = why;
		buf_add(left, names->at + at, strlen(names->at + at) + 1);
	}
	return left->len < names->len;
}

bool payload_unlink(struct disk *d, const struct disk_dir *artifacts, struct buf *names, struct disk_error *e)
{
	struct buf left = {0};
	if (names->len == 0)
		return true;
	if (!unlink_each(d, artifacts, names, &left, e) || !disk_sync_dir(d, artifacts, e)) {
		buf_free(&left);
		return false;
	}
	buf_free(names);
	*names = left;
	return left.len == 0;
}
