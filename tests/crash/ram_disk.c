#include <xxhash.h>
/* uthash's own falls through cases, which clang warns of */
#define HASH_FUNCTION(key, length, hash) ((hash) = (unsigned)XXH3_64bits((key), (length)))
#include "tests/crash/ram_disk.h"
#include "proto/mem.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct {
	const char *name;
	struct ram_mutant mutant;
} mutants[RAM_MUTANTS] = {
	{"honest", {RAM_HONEST, RAM_ELSEWHERE}},
	{"file-sync", {RAM_FILE_SYNC, RAM_ELSEWHERE}},
	{"file-sync:state", {RAM_FILE_SYNC, RAM_STATE}},
	{"file-sync:journal", {RAM_FILE_SYNC, RAM_JOURNAL}},
	{"file-sync:artifacts", {RAM_FILE_SYNC, RAM_ARTIFACTS}},
	{"file-sync-late:state", {RAM_FILE_SYNC_LATE, RAM_STATE}},
	{"file-sync-late:journal", {RAM_FILE_SYNC_LATE, RAM_JOURNAL}},
	{"last-sector:state", {RAM_LAST_SECTOR, RAM_STATE}},
	{"last-sector:journal", {RAM_LAST_SECTOR, RAM_JOURNAL}},
	{"last-sector:artifacts", {RAM_LAST_SECTOR, RAM_ARTIFACTS}},
	{"dir-sync", {RAM_DIR_SYNC, RAM_ELSEWHERE}},
	{"dir-sync:state", {RAM_DIR_SYNC, RAM_STATE}},
	{"dir-sync:journal", {RAM_DIR_SYNC, RAM_JOURNAL}},
	{"dir-sync:artifacts", {RAM_DIR_SYNC, RAM_ARTIFACTS}},
	{"dir-sync-late:state", {RAM_DIR_SYNC_LATE, RAM_STATE}},
	{"dir-sync-late:journal", {RAM_DIR_SYNC_LATE, RAM_JOURNAL}},
	{"mkdir", {RAM_MKDIR, RAM_ELSEWHERE}},
	{"rename:state", {RAM_RENAME, RAM_STATE}},
	{"rename:journal", {RAM_RENAME, RAM_JOURNAL}},
	{"unlink:journal", {RAM_UNLINK, RAM_JOURNAL}},
	{"unlink:artifacts", {RAM_UNLINK, RAM_ARTIFACTS}},
	{"rewrite:journal", {RAM_REWRITE, RAM_JOURNAL}},
	{"merge:journal", {RAM_MERGE, RAM_JOURNAL}},
	{"empty:journal", {RAM_EMPTY, RAM_JOURNAL}},
	{"spare:journal", {RAM_SPARE, RAM_JOURNAL}},
};
static const char *const prefixes[RAM_PLACES] = {"", "journal/", "artifacts/"};
#define LOCK_NAME "persistd.lock"

const char *ram_mutant_name(unsigned number) { return mutants[number].name; }
struct ram_mutant ram_mutant(unsigned number) { return mutants[number].mutant; }

bool ram_mutant_from(const char *name, unsigned *number)
{
	for (*number = 0; *number < RAM_MUTANTS; ++*number)
		if (strcmp(mutants[*number].name, name) == 0)
			return true;
	return false;
}

static bool lies(const struct ram_disk *d, enum ram_lie lie, enum ram_place place)
{
	const struct ram_mutant *m = &d->mutant;
	return m->lie == lie && (m->place == RAM_ELSEWHERE || (d->lying && m->place == place));
}

/* ---- nodes and names */

static struct ram_node *node_new(void)
{
	struct ram_node *n = mem_zero(sizeof *n);
	n->refs = 1;
	return n;
}

static struct ram_node *node_ref(struct ram_node *n)
{
	if (n)
		n->refs++;
	return n;
}

static void node_drop(struct ram_node *n)
{
	if (!n || --n->refs > 0)
		return;
	buf_free(&n->bytes);
	buf_free(&n->before);
	free(n);
}

static uint64_t node_hash(struct ram_node *n)
{
	if (n->hash == 0)
		n->hash = n->is_dir ? 1 : XXH3_64bits_withSeed(n->bytes.at, n->bytes.len, 1) | 1;
	return n->hash;
}

static void name_push(struct ram_name *n, struct ram_node *node, uint64_t made)
{
	if (n->count == n->capacity) {
		n->capacity = n->capacity * 2 + 2;
		n->values = mem_resize(n->values, n->capacity * sizeof(struct ram_node *));
		n->made = mem_resize(n->made, n->capacity * sizeof *n->made);
	}
	n->values[n->count] = node_ref(node);
	n->made[n->count++] = made;
}

static struct ram_name *name_find(const struct ram_disk *d, enum ram_place place, const char *name)
{
	char path[300];
	struct ram_name *n;
	snprintf(path, sizeof path, "%s%s", prefixes[place], name);
	HASH_FIND_STR(d->names, path, n);
	return n;
}

/* New ones were durably absent. */
static struct ram_name *name_claim(struct ram_disk *d, enum ram_place place, const char *name)
{
	struct ram_name *n = name_find(d, place, name);
	size_t before = strlen(prefixes[place]), len = strlen(name);
	if (n)
		return n;
	n = mem_zero(sizeof *n + before + len + 1);
	memcpy(n->path, prefixes[place], before);
	memcpy(n->path + before, name, len + 1);
	n->name = n->path + before;
	n->place = place;
	n->is_tmp = disk_is_tmp(name);
	name_push(n, NULL, 0);
	n->durable = 1;
	HASH_ADD_STR(d->names, path, n);
	return n;
}

static void name_remove(struct ram_disk *d, struct ram_name *n)
{
	HASH_DEL(d->names, n);
	node_drop(n->visible);
	for (size_t i = 0; i < n->count; i++)
		node_drop(n->values[i]);
	free(n->values);
	free(n->made);
	free(n);
}

static void name_set(struct ram_disk *d, struct ram_name *n, struct ram_node *node)
{
	node_ref(node);
	node_drop(n->visible);
	n->visible = node;
	name_push(n, node, d->calls);
}

static void name_sync(struct ram_disk *d, struct ram_name *n)
{
	if (n->durable == n->count && n->count == 1)
		return;
	if (n->durable < n->count) {
		for (size_t i = 0; i + 1 < n->count; i++)
			node_drop(n->values[i]);
		n->values[0] = n->values[n->count - 1];
		n->made[0] = n->made[n->count - 1];
		n->durable = n->count = 1;
	}
	if (!n->visible && n->count == 1 && !n->values[0])
		name_remove(d, n);
}

/* A file of this disk is written over; the disks that it came from, or that came from it, keep theirs. */
static struct ram_node *node_own(struct ram_disk *d, struct ram_node *shared)
{
	struct ram_node *own = node_new();
	struct ram_name *n, *next;
	buf_span(&own->bytes, buf_as_span(&shared->bytes));
	buf_span(&own->before, buf_as_span(&shared->before));
	own->synced = shared->synced;
	own->dropped = shared->dropped;
	HASH_ITER(hh, d->names, n, next) {
		for (size_t i = 0; i < n->count; i++)
			if (n->values[i] == shared) {
				n->values[i] = node_ref(own);
				node_drop(shared);
			}
		if (n->visible == shared) {
			n->visible = node_ref(own);
			node_drop(shared);
		}
	}
	node_drop(own); /* the names have it */
	return own;
}

/* What was durable of it so far is what a power cut may bring back of each sector. */
static void node_overwrite(struct ram_node *n)
{
	assert(!n->dropped);
	if (n->before.len < n->synced) {
		buf_room(&n->before, n->synced - n->before.len);
		n->before.len = n->synced;
	}
	if (n->synced > 0)
		memcpy(n->before.at, n->bytes.at, n->synced);
	n->synced = 0;
}

/* ---- what the disk makes of a sync */

static void node_sync(const struct ram_disk *d, struct ram_node *n, enum ram_place place)
{
	if (n->dropped)
		return;
	n->synced = n->bytes.len;
	if (lies(d, RAM_LAST_SECTOR, place) && n->synced > 0)
		n->synced = (n->synced - 1) / RAM_SECTOR * RAM_SECTOR;
}

static bool is_left_out(const struct ram_disk *d, struct ram_name *n)
{
	bool overlooked = n->overlooked;
	n->overlooked = false;
	return overlooked || (lies(d, RAM_MKDIR, n->place) && n->visible && n->visible->is_dir) ||
	       (lies(d, RAM_UNLINK, n->place) && !n->visible && !n->is_tmp);
}

static void place_sync(struct ram_disk *d, enum ram_place place)
{
	struct ram_name *n, *next;
	HASH_ITER(hh, d->names, n, next) {
		if (n->place == place && !is_left_out(d, n))
			name_sync(d, n);
	}
}

static void do_late(struct ram_disk *d)
{
	if (d->late_place != RAM_ELSEWHERE)
		place_sync(d, d->late_place);
	d->late_place = RAM_ELSEWHERE;
	if (d->late_node)
		node_sync(d, d->late_node, RAM_ELSEWHERE);
	node_drop(d->late_node);
	d->late_node = NULL;
}

static void sync_file(struct ram_disk *d, struct ram_node *n, enum ram_place place)
{
	do_late(d);
	if (lies(d, RAM_FILE_SYNC_LATE, place))
		d->late_node = node_ref(n);
	else if (!lies(d, RAM_FILE_SYNC, place))
		node_sync(d, n, place);
}

static void sync_dir(struct ram_disk *d, enum ram_place place)
{
	do_late(d);
	if (lies(d, RAM_DIR_SYNC_LATE, place))
		d->late_place = place;
	else if (!lies(d, RAM_DIR_SYNC, place))
		place_sync(d, place);
}

/* A failed fsync loses for good what it was to make durable. Only directories that were made are taken to be
 * durable after a later one: they are never made anew. */
static void sync_failed(struct ram_disk *d, struct ram_fd *f)
{
	struct ram_name *n, *next;
	if (f->kind == RAM_FILE) {
		f->node->dropped |= f->node->synced < f->node->bytes.len;
		f->node->distrusted = true;
		return;
	}
	if (f->heard == d->failures[f->place])
		d->failures[f->place]++;
	f->heard = d->failures[f->place];
	HASH_ITER(hh, d->names, n, next)
		if (n->place == f->place && !(n->visible && n->visible->is_dir))
			n->durable = n->count;
}

/* ---- the calls */

static int fail(int number)
{
	errno = number;
	return -1;
}

static struct ram_fd *fd_of(struct ram_disk *d, int fd)
{
	int i = fd - RAM_FD_BASE;
	return i >= 0 && i < RAM_FDS && d->fds[i].kind != RAM_CLOSED ? &d->fds[i] : NULL;
}

static int fd_new(struct ram_disk *d, struct ram_fd f)
{
	for (int i = 0; i < RAM_FDS; i++)
		if (d->fds[i].kind == RAM_CLOSED) {
			d->fds[i] = f;
			d->fds[i].heard = f.place < RAM_PLACES ? d->failures[f.place] : 0;
			node_ref(f.node);
			return RAM_FD_BASE + i;
		}
	return fail(EMFILE);
}

/* Before what can change the state: 0, or the errno to fail with. */
static int ask(struct ram_disk *d, const char *call, enum ram_place place, const char *name, bool *done)
{
	char path[300];
	int number;
	*done = false;
	if (!d->before)
		number = 0;
	else {
		snprintf(path, sizeof path, "%s%s", prefixes[place], name);
		number = d->before(d->context, call, path, done);
	}
	if (d->dead) { /* it may have been killed before this very call */
		*done = false;
		return EIO;
	}
	d->calls++;
	d->artifacts_failed |= number && place == RAM_ARTIFACTS;
	d->journal_failed |= number && place == RAM_JOURNAL;
	return number;
}

static int open_elsewhere(struct ram_disk *d, const char *name)
{
	enum ram_place place = strcmp(name, d->path) == 0 ? RAM_STATE : RAM_ELSEWHERE;
	return fd_new(d, (struct ram_fd){.kind = RAM_DIR, .place = place});
}

static int create(struct ram_disk *d, enum ram_place place, const char *name)
{
	bool done;
	int number = ask(d, "open", place, name, &done);
	if (number && !done)
		return fail(number);
	struct ram_node *node = node_new();
	name_set(d, name_claim(d, place, name), node);
	int fd = number ? fail(number) : fd_new(d, (struct ram_fd){.kind = RAM_FILE, .place = place, .node = node});
	node_drop(node);
	return fd;
}

static int open_dir(struct ram_disk *d, enum ram_place above, const char *name)
{
	if (strcmp(name, ".") == 0)
		return fd_new(d, (struct ram_fd){.kind = RAM_DIR, .place = above});
	enum ram_place place = strcmp(name, "journal") == 0 ? RAM_JOURNAL : RAM_ARTIFACTS;
	const struct ram_name *n = name_find(d, above, name);
	if (!n || !n->visible)
		return fail(ENOENT);
	if (!n->visible->is_dir)
		return fail(ENOTDIR);
	return fd_new(d, (struct ram_fd){.kind = RAM_DIR, .place = place});
}

static int ram_openat(void *context, int dir, const char *name, int flags, mode_t mode)
{
	struct ram_disk *d = context;
	(void)mode;
	if (d->dead)
		return fail(EIO);
	if (dir == AT_FDCWD)
		return open_elsewhere(d, name);
	const struct ram_fd *f = fd_of(d, dir);
	if (!f || f->kind != RAM_DIR)
		return fail(EBADF);
	if (f->place == RAM_STATE && strcmp(name, LOCK_NAME) == 0)
		return memfd_create(LOCK_NAME, MFD_CLOEXEC);
	if (flags & O_DIRECTORY || strcmp(name, ".") == 0)
		return open_dir(d, f->place, name);
	const struct ram_name *n = name_find(d, f->place, name);
	struct ram_node *node = n ? n->visible : NULL;
	if (flags & O_CREAT)
		return node ? fail(EEXIST) : create(d, f->place, name);
	if (node && (flags & O_ACCMODE) != O_RDONLY)
		node = node_own(d, node);
	return node ? fd_new(d, (struct ram_fd){.kind = RAM_FILE, .place = f->place, .node = node}) : fail(ENOENT);
}

static const char *name_of(const struct ram_disk *d, const struct ram_node *node)
{
	struct ram_name *n, *next;
	HASH_ITER(hh, d->names, n, next)
		if (n->visible == node)
			return n->name;
	return "(unlinked)";
}

static void write_part(struct ram_disk *d, struct ram_fd *f, const struct iovec *part)
{
	struct buf *bytes = &f->node->bytes;
	size_t end = f->at + part->iov_len;
	if (part->iov_len == 0)
		return;
	if (f->at == 0 && bytes->len > 0) {
		node_overwrite(f->node);
		d->overwritten++;
	}
	if (end > bytes->len) {
		buf_room(bytes, end - bytes->len);
		bytes->len = end;
	}
	memcpy(bytes->at + f->at, part->iov_base, part->iov_len);
	f->at = end;
}

static ssize_t ram_writev(void *context, int fd, const struct iovec *parts, int count)
{
	struct ram_disk *d = context;
	struct ram_fd *f = fd_of(d, fd);
	bool done;
	size_t begun = f ? f->at : 0;
	if (!f || f->kind != RAM_FILE)
		return fail(EBADF);
	int number = ask(d, "write", f->place, d->before ? name_of(d, f->node) : "", &done);
	if (number && !done)
		return fail(number);
	for (int i = 0; i < count; i++)
		write_part(d, f, &parts[i]);
	f->node->hash = 0;
	return number ? fail(number) : (ssize_t)(f->at - begun);
}

static ssize_t ram_pread(void *context, int fd, void *to, size_t bytes, off_t at)
{
	struct ram_disk *d = context;
	const struct ram_fd *f = fd_of(d, fd);
	if (d->dead)
		return fail(EIO);
	if (!f || f->kind != RAM_FILE)
		return fail(EBADF);
	int number = d->reading ? d->reading(d->context, name_of(d, f->node)) : 0;
	if (number)
		return fail(number);
	size_t len = f->node->bytes.len, from = (size_t)at < len ? (size_t)at : len;
	if (bytes > len - from)
		bytes = len - from;
	if (bytes > 0)
		memcpy(to, f->node->bytes.at + from, bytes);
	return (ssize_t)bytes;
}

static void trusted(struct ram_disk *d, const struct ram_node *n, const char *call, const char *name)
{
	if (n && n->distrusted && !d->breach[0])
		snprintf(d->breach, sizeof d->breach, "%s %s, of which an fsync had failed before", call, name);
}

static int ram_fsync(void *context, int fd)
{
	struct ram_disk *d = context;
	struct ram_fd *f = fd_of(d, fd);
	bool done;
	if (!f)
		return fail(EBADF);
	if (f->place == RAM_ELSEWHERE)
		return 0;
	trusted(d, f->node, "fsync", f->node && f->node->distrusted ? name_of(d, f->node) : "");
	int number = ask(d, "fsync", f->place, f->node && d->before ? name_of(d, f->node) : "", &done);
	if (number) {
		if (!d->dead)
			sync_failed(d, f);
		return fail(number);
	}
	if (f->kind == RAM_DIR && f->heard < d->failures[f->place]) { /* an earlier one: what is lost, is lost */
		f->heard = d->failures[f->place];
		return fail(EIO);
	}
	if (f->kind == RAM_FILE)
		sync_file(d, f->node, f->place);
	else
		sync_dir(d, f->place);
	return 0;
}

/* Without what a segment is padded with. */
static size_t content_length(const struct ram_node *n)
{
	size_t len = n->bytes.len;
	while (len > 0 && (n->bytes.at[len - 1] == ' ' || n->bytes.at[len - 1] == '\n'))
		len--;
	return len;
}

/* What a rename over an existing file is, told by its length: written again it differs in the time only; an
 * empty segment is shorter than the one that it replaces, a merged one longer. */
static bool replaces(const struct ram_disk *d, enum ram_lie lie, const struct ram_name *old,
                     const struct ram_name *target)
{
	if (!lies(d, lie, target->place) || !target->visible)
		return false;
	size_t was = content_length(target->visible), is = content_length(old->visible);
	return lie == RAM_REWRITE ? is == was : lie == RAM_MERGE ? is > was : is < was;
}

static int ram_renameat(void *context, int dir, const char *from, const char *to)
{
	struct ram_disk *d = context;
	const struct ram_fd *f = fd_of(d, dir);
	bool done;
	if (!f || f->kind != RAM_DIR)
		return fail(EBADF);
	int number = ask(d, "rename", f->place, to, &done);
	if (number && !done)
		return fail(number);
	struct ram_name *old = name_find(d, f->place, from);
	if (!old || !old->visible)
		return fail(ENOENT);
	trusted(d, old->visible, "rename", to);
	struct ram_name *target = name_claim(d, f->place, to);
	target->overlooked = replaces(d, RAM_MERGE, old, target) || replaces(d, RAM_EMPTY, old, target);
	old->overlooked = lies(d, RAM_SPARE, f->place) && !old->is_tmp;
	bool skipped = replaces(d, RAM_REWRITE, old, target);
	if (lies(d, RAM_RENAME, f->place))
		name_set(d, target, NULL);
	if (!skipped)
		name_set(d, target, old->visible);
	name_set(d, old, NULL);
	return number ? fail(number) : 0;
}

static int ram_unlinkat(void *context, int dir, const char *name)
{
	struct ram_disk *d = context;
	const struct ram_fd *f = fd_of(d, dir);
	bool done;
	if (!f || f->kind != RAM_DIR)
		return fail(EBADF);
	int number = ask(d, "unlink", f->place, name, &done);
	if (number && !done)
		return fail(number);
	struct ram_name *n = name_find(d, f->place, name);
	if (!n || !n->visible)
		return fail(ENOENT);
	name_set(d, n, NULL);
	return number ? fail(number) : 0;
}

/* only what somebody else has written gets a second name, and here is nobody else */
static int ram_linkat(void *context, int dir, const char *name, const char *second)
{
	(void)context, (void)dir, (void)name, (void)second;
	return fail(ENOSYS);
}

static int ram_mkdirat(void *context, int dir, const char *name, mode_t mode)
{
	struct ram_disk *d = context;
	const struct ram_fd *f = fd_of(d, dir);
	bool done;
	(void)mode;
	if (d->dead)
		return fail(EIO);
	if (dir == AT_FDCWD)
		return fail(EEXIST);
	if (!f || f->kind != RAM_DIR)
		return fail(EBADF);
	const struct ram_name *there = name_find(d, f->place, name);
	if (there && there->visible)
		return fail(EEXIST);
	int number = ask(d, "mkdir", f->place, name, &done);
	if (number && !done)
		return fail(number);
	struct ram_node *node = node_new();
	node->is_dir = true;
	name_set(d, name_claim(d, f->place, name), node);
	node_drop(node);
	return number ? fail(number) : 0;
}

static int ram_fchmod(void *context, int fd, mode_t mode)
{
	struct ram_disk *d = context;
	(void)fd, (void)mode;
	return d->dead ? fail(EIO) : 0;
}

static int ram_fstat(void *context, int fd, struct stat *to)
{
	struct ram_disk *d = context;
	const struct ram_fd *f = fd_of(d, fd);
	if (d->dead)
		return fail(EIO);
	*to = (struct stat){.st_mode = S_IFREG | 0600, .st_nlink = 1, .st_uid = d->owner};
	if (f && (f->kind == RAM_DIR || (f->node && f->node->is_dir)))
		to->st_mode = S_IFDIR | 0700;
	else if (f)
		to->st_size = (off_t)f->node->bytes.len;
	return 0;
}

static int ram_list(void *context, int dir, void (*each)(void *argument, const char *name), void *argument)
{
	struct ram_disk *d = context;
	const struct ram_fd *f = fd_of(d, dir);
	struct ram_name *n, *next;
	if (d->dead)
		return fail(EIO);
	if (!f || f->kind != RAM_DIR)
		return fail(EBADF);
	HASH_ITER(hh, d->names, n, next)
		if (n->visible && n->place == f->place)
			each(argument, n->name);
	return 0;
}

static int ram_close(void *context, int fd)
{
	struct ram_disk *d = context;
	struct ram_fd *f = fd_of(d, fd);
	if (fd < RAM_FD_BASE)
		return close(fd);
	if (!f)
		return fail(EBADF);
	node_drop(f->node);
	*f = (struct ram_fd){0};
	return 0;
}

static const struct disk_ops ram_ops = {
	.openat = ram_openat,
	.writev = ram_writev,
	.pread = ram_pread,
	.fsync = ram_fsync,
	.fdatasync = ram_fsync,
	.renameat = ram_renameat,
	.unlinkat = ram_unlinkat,
	.linkat = ram_linkat,
	.mkdirat = ram_mkdirat,
	.fchmod = ram_fchmod,
	.fstat = ram_fstat,
	.list = ram_list,
	.close = ram_close,
};

/* ---- the disk */

void ram_disk_init(struct ram_disk *d, const char *path)
{
	*d = (struct ram_disk){.disk = {.ops = &ram_ops, .context = d}, .path = path, .owner = geteuid(),
	                       .late_place = RAM_ELSEWHERE};
}

void ram_disk_close_all(struct ram_disk *d)
{
	for (int i = 0; i < RAM_FDS; i++)
		if (d->fds[i].kind != RAM_CLOSED)
			ram_close(d, RAM_FD_BASE + i);
}

void ram_disk_done(struct ram_disk *d)
{
	struct ram_name *n, *next;
	ram_disk_close_all(d);
	node_drop(d->late_node);
	HASH_ITER(hh, d->names, n, next)
		name_remove(d, n);
}

/* Takes the reference. */
static void put_durable(struct ram_disk *d, enum ram_place place, const char *name, struct ram_node *node)
{
	struct ram_name *n = name_claim(d, place, name);
	name_set(d, n, node);
	name_sync(d, n);
	node_drop(node);
}

void ram_disk_place(struct ram_disk *d, const char *path, struct span text)
{
	struct ram_node *node = node_new();
	buf_span(&node->bytes, text);
	node->synced = text.len;
	put_durable(d, RAM_STATE, path, node);
}

void ram_disk_put(struct ram_disk *d, enum ram_place place, const char *name, struct span text)
{
	struct ram_node *node = text.at ? node_new() : NULL;
	if (node) {
		buf_span(&node->bytes, text);
		node->synced = text.len;
	}
	put_durable(d, place, name, node);
}

void ram_disk_put_dir(struct ram_disk *d, enum ram_place place, const char *name)
{
	struct ram_node *node = node_new();
	node->is_dir = true;
	put_durable(d, place, name, node);
}

void ram_disk_copy(struct ram_disk *to, const struct ram_disk *d)
{
	struct ram_name *n, *next;
	HASH_ITER(hh, d->names, n, next)
		if (n->visible && !n->is_tmp)
			put_durable(to, n->place, n->name, node_ref(n->visible));
}

const struct buf *ram_disk_read(const struct ram_disk *d, enum ram_place place, const char *name)
{
	const struct ram_name *n = name_find(d, place, name);
	return n && n->visible ? &n->visible->bytes : NULL;
}

void ram_disk_each(const struct ram_disk *d, enum ram_place place, void (*each)(void *context, const char *name),
                   void *context)
{
	struct ram_name *n, *next;
	HASH_ITER(hh, d->names, n, next)
		if (n->visible && n->place == place)
			each(context, n->name);
}

bool ram_disk_save(const struct ram_disk *d, const char *to)
{
	char path[600];
	struct ram_name *n, *next;
	bool ok = true;
	for (int place = RAM_JOURNAL; place < RAM_PLACES; place++) {
		snprintf(path, sizeof path, "%s/%s", to, prefixes[place]);
		ok &= mkdir(path, 0700) == 0;
	}
	HASH_ITER(hh, d->names, n, next) {
		if (!n->visible || n->visible->is_dir)
			continue;
		snprintf(path, sizeof path, "%s/%s", to, n->path);
		FILE *file = fopen(path, "wxe");
		ok = ok && file && fwrite(n->visible->bytes.at, 1, n->visible->bytes.len, file) == n->visible->bytes.len;
		if (file)
			fclose(file);
	}
	return ok;
}

uint64_t ram_disk_names(const struct ram_disk *d)
{
	uint64_t hash = 0;
	struct ram_name *n, *next;
	HASH_ITER(hh, d->names, n, next)
		if (n->visible)
			hash += XXH3_64bits(n->path, strlen(n->path));
	return hash;
}

uint64_t ram_disk_hash(const struct ram_disk *d)
{
	uint64_t hash = 0;
	struct ram_name *n, *next;
	HASH_ITER(hh, d->names, n, next)
		if (n->visible)
			hash += dice_mix(XXH3_64bits(n->path, strlen(n->path)) ^ node_hash(n->visible));
	return hash;
}

bool ram_disk_has_tmp(const struct ram_disk *d)
{
	struct ram_name *n, *next;
	HASH_ITER(hh, d->names, n, next)
		if (n->visible && n->is_tmp)
			return true;
	return false;
}

/* ---- torn files */

enum tear { TEAR_NONE, TEAR_CUT, TEAR_ZEROS, TEAR_HOLE, TEAR_MISSED, TEAR_TAIL, TEARS };
enum { TEARS_EACH = 6, TEAR_BITS = 3, TEAR_MASK = (1 << TEAR_BITS) - 1 };

static unsigned torn_of(enum tear tear, size_t sector) { return (unsigned)tear | (unsigned)sector << TEAR_BITS; }

/* As on the disk before; behind its end zeros. */
static void put_before(const struct ram_node *n, struct buf *to, size_t from, size_t end)
{
	size_t known = n->before.len < end ? n->before.len : end;
	if (end > from)
		memset(to->at + from, 0, end - from);
	if (known > from)
		memcpy(to->at + from, n->before.at + from, known - from);
}

static void cut(const struct ram_node *n, struct buf *to, size_t from)
{
	to->len = from;
	if (n->before.len > from)
		buf_add(to, n->before.at + from, n->before.len - from);
}

/* The sectors behind what is synced: from one on as they were (of a new file: cut off) or zeros; one of zeros, or
 * as it was; of a file that is written over: up to one as they were. */
static void tear(const struct ram_node *n, unsigned torn, struct buf *to)
{
	size_t from = (size_t)(torn >> TEAR_BITS) * RAM_SECTOR, end = n->bytes.len;
	if (from < n->synced)
		from = n->synced;
	if (from > end)
		from = end;
	size_t sector = from / RAM_SECTOR * RAM_SECTOR + RAM_SECTOR;
	sector = sector < end ? sector : end;
	to->len = 0;
	buf_span(to, buf_as_span(&n->bytes));
	if (end == 0)
		return;
	switch ((enum tear)(torn & TEAR_MASK)) {
	case TEAR_NONE:
	case TEARS:
		break;
	case TEAR_CUT:
		cut(n, to, from);
		break;
	case TEAR_HOLE:
		memset(to->at + from, 0, sector - from);
		break;
	case TEAR_ZEROS:
		memset(to->at + from, 0, end - from);
		break;
	case TEAR_MISSED:
		put_before(n, to, from, sector);
		break;
	case TEAR_TAIL:
		put_before(n, to, n->synced, from);
		break;
	}
}

static uint64_t value_hash(const struct ram_name *n, struct ram_node *node, unsigned torn)
{
	uint64_t name = XXH3_64bits(n->path, strlen(n->path));
	if (!node)
		return 0;
	if (torn == 0)
		return dice_mix(name ^ node_hash(node));
	struct buf b = {0};
	tear(node, torn, &b);
	uint64_t hash = XXH3_64bits_withSeed(b.at, b.len, 1) | 1;
	buf_free(&b);
	return dice_mix(name ^ hash);
}

/* ---- the survey */

static void choice_add(struct ram_choice *c, struct ram_node *node, unsigned torn, uint64_t made)
{
	uint64_t hash = value_hash(c->name, node, torn);
	for (size_t i = 0; i < c->count; i++)
		if (c->values[i].hash == hash)
			return;
	if ((c->count & (c->count - 1)) == 0)
		c->values = mem_resize(c->values, (c->count ? c->count * 2 : 1) * sizeof *c->values);
	c->values[c->count++] = (struct ram_value){node, torn, hash};
	c->newest_made = made;
}

static void choice_add_node(struct ram_choice *c, struct ram_node *n, uint64_t made)
{
	if (n && !n->is_dir && n->synced < n->bytes.len) {
		size_t first = n->synced / RAM_SECTOR, end = (n->bytes.len + RAM_SECTOR - 1) / RAM_SECTOR;
		size_t step = (end - first) / TEARS_EACH + 1;
		enum tear last = n->before.len > 0 ? TEAR_TAIL : TEAR_HOLE;
		for (enum tear tear = TEAR_CUT; tear <= last; tear++)
			for (size_t at = first; at < end; at += step)
				choice_add(c, n, torn_of(tear, at), made);
	}
	if (!n || !n->dropped)
		choice_add(c, n, 0, made);
}

static void choice_make(struct ram_choice *c, const struct ram_name *n)
{
	*c = (struct ram_choice){.name = n};
	for (size_t i = 0; i < n->count; i++)
		choice_add_node(c, n->values[i], n->made[i]);
}

static int open_first(const void *a, const void *b)
{
	const struct ram_choice *x = a, *y = b;
	if ((x->count > 1) != (y->count > 1))
		return x->count > 1 ? -1 : 1;
	return strcmp(x->name->path, y->name->path);
}

void ram_survey(struct ram_survey *s, const struct ram_disk *d, unsigned states_max)
{
	struct ram_name *n, *next;
	uint64_t product = 1;
	*s = (struct ram_survey){.disk = d};
	s->choices = mem_alloc((HASH_COUNT(d->names) + 1) * sizeof *s->choices);
	HASH_ITER(hh, d->names, n, next)
		if (!n->is_tmp)
			choice_make(&s->choices[s->count++], n);
	qsort(s->choices, s->count, sizeof *s->choices, open_first);
	for (; s->open_count < s->count && s->choices[s->open_count].count > 1; s->open_count++)
		if (product <= states_max)
			product *= s->choices[s->open_count].count;
	s->exhaustive = product <= states_max;
	s->states = s->exhaustive ? (unsigned)product : states_max;
}

void ram_survey_free(struct ram_survey *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->choices[i].values);
	free(s->choices);
	*s = (struct ram_survey){0};
}

enum family { ONE_OLD, ONE_NEW, PREFIX, SUFFIX, ANY, MOSTLY_NEW, FAMILIES };

static size_t sampled(const struct ram_choice *c, enum family family, const struct ram_choice *chosen,
                      struct dice *dice)
{
	size_t newest = c->count - 1;
	switch (family) {
	case ONE_OLD:
		return c == chosen ? dice_below(dice, (unsigned)newest) : newest;
	case ONE_NEW:
		return c == chosen ? 1 + dice_below(dice, (unsigned)newest) : 0;
	case PREFIX:
		return c->newest_made <= chosen->newest_made ? newest : 0;
	case SUFFIX:
		return c->newest_made >= chosen->newest_made ? newest : 0;
	case ANY:
		return dice_below(dice, (unsigned)c->count);
	case MOSTLY_NEW:
		return dice_once_in(dice, 8) ? dice_below(dice, (unsigned)c->count) : newest;
	case FAMILIES:
		break;
	}
	return newest;
}

static void choose(struct ram_survey *s, unsigned k)
{
	struct dice *dice = &s->dice;
	enum family family = (enum family)dice_below(dice, FAMILIES);
	unsigned any = s->open_count ? dice_below(dice, (unsigned)s->open_count) : 0;
	const struct ram_choice *chosen = s->choices + any;
	for (size_t i = 0; i < s->open_count; i++) {
		struct ram_choice *c = &s->choices[i];
		if (s->exhaustive) {
			c->at = k % c->count;
			k /= (unsigned)c->count;
		} else {
			c->at = k == 0 ? 0 : k == 1 ? c->count - 1 : sampled(c, family, chosen, dice);
		}
	}
}

static void dirs_there(const struct ram_survey *s, bool there[RAM_PLACES])
{
	memset(there, 0, RAM_PLACES * sizeof *there);
	there[RAM_STATE] = true;
	for (size_t i = 0; i < s->count; i++) {
		const struct ram_choice *c = &s->choices[i];
		if (c->name->place == RAM_STATE && c->values[c->at].node && c->values[c->at].node->is_dir)
			there[strcmp(c->name->name, "journal") == 0 ? RAM_JOURNAL : RAM_ARTIFACTS] = true;
	}
}

uint64_t ram_survey_pick(struct ram_survey *s, uint64_t seed, unsigned k)
{
	bool there[RAM_PLACES];
	uint64_t hash = 0;
	s->dice = dice_of(seed, k, 1);
	choose(s, k);
	dirs_there(s, there);
	for (size_t i = 0; i < s->count; i++) {
		const struct ram_choice *c = &s->choices[i];
		if (there[c->name->place])
			hash += c->values[c->at].hash;
	}
	return hash;
}

static struct ram_node *torn_copy(const struct ram_node *n, unsigned torn)
{
	struct ram_node *copy = node_new();
	tear(n, torn, &copy->bytes);
	copy->synced = copy->bytes.len;
	return copy;
}

/* One that was whole on the disk, and may be shared with the disk that it comes from. */
static struct ram_node *made_node(struct ram_node *n, unsigned torn)
{
	return torn || n->synced < n->bytes.len ? torn_copy(n, torn) : node_ref(n);
}

static void add_tmps(struct ram_survey *s, struct ram_disk *to, const bool there[RAM_PLACES])
{
	struct ram_name *n, *next;
	HASH_ITER(hh, s->disk->names, n, next) {
		const struct ram_node *node = n->values[dice_below(&s->dice, (unsigned)n->count)];
		if (!n->is_tmp || !there[n->place] || !node)
			continue;
		size_t sectors = node->bytes.len / RAM_SECTOR + 1;
		enum tear kind = (enum tear)dice_below(&s->dice, TEARS);
		unsigned torn = torn_of(kind, dice_below(&s->dice, (unsigned)sectors));
		put_durable(to, n->place, n->name, torn_copy(node, torn));
	}
}

void ram_survey_make(struct ram_survey *s, struct ram_disk *to)
{
	bool there[RAM_PLACES];
	dirs_there(s, there);
	for (size_t i = 0; i < s->count; i++) {
		const struct ram_choice *c = &s->choices[i];
		const struct ram_value *v = &c->values[c->at];
		if (v->node && there[c->name->place])
			put_durable(to, c->name->place, c->name->name, made_node(v->node, v->torn));
	}
	add_tmps(s, to, there);
}

void ram_survey_describe(const struct ram_survey *s, struct buf *out)
{
	static const char *const tears[] = {"", ", cut off", ", then zeros", ", a sector of zeros", ", a sector as before",
	                                    ", as before up to there"};
	for (size_t i = 0; i < s->open_count; i++) {
		const struct ram_choice *c = &s->choices[i];
		const struct ram_value *v = &c->values[c->at];
		buf_printf(out, "  %s: value %zu of %zu (%s", c->name->path, c->at + 1, c->count,
		           v->node ? "" : "not there)\n");
		if (v->node)
			buf_printf(out, "%zu bytes, %zu synced%s)\n", v->node->bytes.len, v->node->synced, tears[v->torn & TEAR_MASK]);
	}
}
