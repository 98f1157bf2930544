/* mark: what a file looked like when this process last wrote or read it, so that it notices when somebody else has
 * changed, replaced or removed it since, and does not write over that blindly. Blocking; one thread at a time. */
#pragma once
#include "daemon/disk.h"

struct mark {
	bool known;   /* false: it could not be looked at; nothing is concluded from it */
	bool there;
	dev_t device;
	ino_t inode;
	struct timespec written;
	off_t size;
};

struct mark mark_of(struct disk *d, const struct disk_dir *dir, const char *name);

/* A second name for what is there: NAME.edited-<UTC time>, `kept`; a copy, where it may not have one. */
bool mark_second_name(struct disk *d, const struct disk_dir *dir, const char *name, int64_t now, char kept[256],
                      struct disk_error *e);

enum mark_found { MARK_SAME, MARK_REMOVED, MARK_CHANGED };
/* What has become of it; what is no file now was removed. Where it was changed what is there now gets a second
 * name, `kept`; false: that did not work, and the file should not be replaced. */
bool mark_keep(const struct mark *m, struct disk *d, const struct disk_dir *dir, const char *name, int64_t now,
               enum mark_found *found, char kept[256], struct disk_error *e);
