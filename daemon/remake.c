#include "daemon/remake.h"
#include "daemon/record.h"
#include "proto/mem.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- the directory */

/* Where the part of the path that is there leads to, is that in `source`? */
static bool is_below(const char *path, const char *source)
{
	char known[PATH_MAX], real[PATH_MAX];
	size_t len = strlen(path), source_len = strlen(source);
	if (len >= sizeof known)
		return false;
	memcpy(known, path, len + 1);
	while (!realpath(len > 0 ? known : path[0] == '/' ? "/" : ".", real)) {
		if (len == 0)
			return false;
		while (len > 0 && known[len - 1] == '/')
			len--;
		while (len > 0 && known[len - 1] != '/')
			len--;
		known[len] = '\0';
	}
	return strncmp(real, source, source_len) == 0 && (real[source_len] == '/' || !real[source_len]);
}

static void count_name(void *argument, const char *name)
{
	(void)name;
	++*(unsigned *)argument;
}

/* Not there, or empty. */
static bool is_free(struct remake *r, const char *path, char *why, size_t why_size)
{
	struct disk_dir dir;
	unsigned names = 0;
	r->made = false;
	if (!disk_dir_open(r->to, &dir, AT_FDCWD, path, path, false, 0700)) {
		r->made = errno == ENOENT;
		snprintf(why, why_size,
		         errno == ENOTDIR || errno == ELOOP ? "%s: is no directory" : "%s: cannot be opened: %s", path,
		         strerror(errno));
		return r->made;
	}
	bool listed = disk_list(r->to, &dir, count_name, &names);
	disk_dir_close(r->to, &dir);
	snprintf(why, why_size, "%s: is not empty: name a directory that is not there yet", path);
	return listed && names == 0;
}

/* Of a directory that could not be opened as a whole. */
static void remove_opened(const struct remake *r, const char *path)
{
	static const char *const names[] = {"persistd.lock", "journal", "artifacts"};
	char below[PATH_MAX];
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (snprintf(below, sizeof below, "%s/%s", path, names[i]) >= (int)sizeof below)
			return;
		if (unlink(below) != 0)
			rmdir(below);
	}
	if (r->made)
		rmdir(path);
}

bool remake_open(struct remake *r, const char *path, const char *source, char *why, size_t why_size)
{
	r->dirs = (struct state_dir){.state.fd = -1, .journal.fd = -1, .artifacts.fd = -1, .lock = -1};
	if (is_below(path, source)) {
		snprintf(why, why_size,
		         "%s: is in the state directory that is read, and nothing is written there: name another one", path);
		return false;
	}
	if (!is_free(r, path, why, why_size))
		return false;
	if (!state_dir_open(&r->dirs, r->to, path, true, why, why_size)) {
		remove_opened(r, path);
		return false;
	}
	if (r->to->ops->fchmod(r->to->context, r->dirs.state.fd, 0700) == 0)
		return true;
	snprintf(why, why_size, "%s: cannot get the mode 0700: %s", path, strerror(errno));
	remake_close(r, false);
	return false;
}

static void add_name(void *argument, const char *name)
{
	buf_add(argument, name, strlen(name) + 1);
}

/* It was empty and is locked: all that is in it is ours. */
static void remove_files(struct remake *r, const struct disk_dir *dir)
{
	__attribute__((cleanup(buf_free))) struct buf names = {0};
	struct disk_error ignored;
	if (dir->fd < 0 || !disk_list(r->to, dir, add_name, &names))
		return;
	for (size_t at = 0; at < names.len; at += strlen(names.at + at) + 1)
		disk_unlink(r->to, dir, names.at + at, &ignored);
}

static void remove_all(struct remake *r)
{
	remove_files(r, &r->dirs.state);
	remove_files(r, &r->dirs.artifacts);
	if (r->dirs.journal.path)
		rmdir(r->dirs.journal.path);
	if (r->dirs.artifacts.path)
		rmdir(r->dirs.artifacts.path);
	if (r->made && r->dirs.state.path)
		rmdir(r->dirs.state.path);
}

void remake_close(struct remake *r, bool keep)
{
	if (!keep)
		remove_all(r);
	state_dir_close(&r->dirs, r->to);
}

/* ---- payloads */

static bool could_not(char *why, size_t why_size, const struct disk_error *e)
{
	snprintf(why, why_size, "%s: %s", e->what, strerror(e->number));
	return false;
}

static enum disk_copied copy_whole(struct remake *r, int fd, uint64_t size, struct disk_file *to, struct disk_error *e)
{
	enum disk_copied result = disk_copy_from(r->from, fd, to, e);
	if (result == DISK_COPIED && to->size < size) {
		disk_abort(to);
		errno = EIO;
		result = DISK_COPY_UNREADABLE;
	}
	if (result == DISK_COPY_UNREADABLE)
		r->unreadable(r->context, to->name, errno);
	return result;
}

/* False: it cannot be written. */
static bool copy_payload(struct remake *r, const char *name, struct disk_error *e)
{
	struct disk_file to;
	uint64_t size;
	int fd = disk_open(r->from, r->payloads, name, &size);
	if (fd < 0) {
		r->unreadable(r->context, name, errno);
		return true;
	}
	enum disk_copied result = DISK_COPY_FAILED;
	if (disk_begin(r->to, &to, &r->dirs.artifacts, name, r->dirs.artifacts.files, e))
		result = copy_whole(r, fd, size, &to, e);
	disk_close(r->from, fd);
	if (result != DISK_COPIED)
		return result == DISK_COPY_UNREADABLE;
	r->payload_count++;
	return disk_finish(&to, false, e) == DISK_OK;
}

static bool copy_payloads(struct remake *r, struct disk_error *e)
{
	for (size_t at = 0; at < r->names->len; at += strlen(r->names->at + at) + 1)
		if (!copy_payload(r, r->names->at + at, e))
			return false;
	return r->names->len == 0 || disk_sync_dir(r->to, &r->dirs.artifacts, e);
}

/* ---- snapshots */

static uint64_t count_records(const struct remake *r, enum table_id t)
{
	uint64_t count = 0;
	for (uint32_t i = 1; i <= newest_count(r->newest, t); i++)
		count += newest_at(r->newest, t, i)->text.at != NULL;
	return count;
}

/* The text as it goes into the file: one that states no revision gets the next one. */
static struct span numbered(struct remake *r, enum table_id t, const struct newest_version *v, struct buf *scratch)
{
	struct fault fault;
	size_t at;
	if (v->revision > 0)
		return v->text;
	bool good = record_read(scratch, t, v->text, ++r->revision, false, r->now, &fault, &at);
	assert(good); /* it was read before */
	(void)good;
	return buf_as_span(scratch);
}

static bool write_rows(struct remake *r, enum table_id t, struct snapshot_writer *w, struct disk_error *e)
{
	for (uint32_t i = 1; i <= newest_count(r->newest, t); i++) {
		__attribute__((cleanup(buf_free))) struct buf scratch = {0};
		const struct newest_version *v = newest_at(r->newest, t, i);
		if (!v->text.at)
			continue;
		struct span text = numbered(r, t, v, &scratch);
		if (!snapshot_rows(w, &text, 1, e))
			return false;
		r->records[t]++;
	}
	return true;
}

static uint64_t without_revision(const struct remake *r)
{
	uint64_t count = 0;
	for (int t = 0; t < TABLE_COUNT; t++)
		for (uint32_t i = 1; i <= newest_count(r->newest, (enum table_id)t); i++) {
			const struct newest_version *v = newest_at(r->newest, (enum table_id)t, i);
			count += v->text.at && v->revision == 0;
		}
	return count;
}

static bool write_snapshot(struct remake *r, enum table_id t, uint64_t last, struct disk_error *e)
{
	struct snapshot_writer w;
	struct snapshot_head head = {.revision = last, .seq = r->seq, .count = count_records(r, t), .updated_at = r->now,
	                             .extra = buf_as_span(&r->extra[t])};
	memcpy(head.store, r->store, sizeof head.store);
	for (int u = 0; u < TABLE_COUNT; u++)
		head.changed[u] = last; /* the whole store was made at this revision */
	return snapshot_begin(&w, r->to, &r->dirs.state, t, &head, r->dirs.state.files, e) && write_rows(r, t, &w, e) &&
	       snapshot_finish(&w, e) == DISK_OK;
}

bool remake_write(struct remake *r, char *why, size_t why_size)
{
	struct disk_error e;
	uint64_t last = r->revision + without_revision(r);
	ident_uuid4(r->store);
	if (!copy_payloads(r, &e))
		return could_not(why, why_size, &e);
	for (int t = TABLE_COUNT; t-- > 0;)
		if (!write_snapshot(r, (enum table_id)t, last, &e))
			return could_not(why, why_size, &e);
	return true;
}
