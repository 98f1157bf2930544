/* payload: artifacts' payload files. Worker threads. */
#pragma once
#include "daemon/disk.h"
#include "proto/buf.h"

/* Whole and synced, but its name is durable only after a disk_sync_dir. `tried`:
 * it may be there although this failed. */
bool payload_write(struct disk *d, const struct disk_dir *artifacts, const char *name, struct span text,
                   bool *tried, struct disk_error *e);

/* `names`: NUL-terminated each. Removes them and syncs the directory, even if none was there any more; then
 * `names` is empty. False: not all of that worked, `names` are those that are still to be removed. */
bool payload_unlink(struct disk *d, const struct disk_dir *artifacts, struct buf *names,
                    struct disk_error *e);
