#include "daemon/state_dir.h"
#include "proto/buf.h"
#include "proto/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Room for "/artifacts/", the longest id and what disk adds to make a tmp name. */
enum { PATH_LIMIT = PATH_MAX - 256 };
#define LOCK_NAME "persistd.lock"

struct opening {
	struct state_dir *s;
	struct disk *disk;
	bool make;
	void (*report)(void *context, const char *name, const char *what); /* set: goes on without what is damaged */
	void *context;
	char path[PATH_MAX];
	char *why;
	size_t why_size;
};

static bool go_on_without(struct opening *o, const char *name, const char *what)
{
	if (o->report)
		o->report(o->context, name, what);
	return o->report != NULL;
}

/* Returns false for the caller to return. */
__attribute__((format(printf, 2, 3))) static bool refuse(struct opening *o, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(o->why, o->why_size, format, arguments);
	va_end(arguments);
	return false;
}

/* Makes `path` (whose parent is there) and forgets it again. */
static bool make_one(struct opening *o, const char *path)
{
	struct disk_dir dir;
	if (!disk_dir_open(o->disk, &dir, AT_FDCWD, path, path, true, 0700))
		return refuse(o, "%s: cannot be made: %s", path, strerror(errno));
	disk_dir_close(o->disk, &dir);
	return true;
}

/* Resolves the longest part of the path that is there, and makes the rest. */
static bool make_path(struct opening *o, const char *path)
{
	char known[PATH_MAX];
	size_t len = strlen(path), cut = len;
	memcpy(known, path, len + 1);
	while (!realpath(cut > 0 ? known : path[0] == '/' ? "/" : ".", o->path)) {
		if (errno != ENOENT || cut == 0)
			return refuse(o, "%s: %s", path, strerror(errno));
		while (cut > 0 && known[cut - 1] == '/')
			cut--;
		while (cut > 0 && known[cut - 1] != '/')
			cut--;
		known[cut] = '\0';
	}
	for (const char *at = path + cut; *at;) {
		size_t part = strcspn(at, "/"), have = strlen(o->path);
		if (part == 2 && memcmp(at, "..", 2) == 0)
			return refuse(o, "%s: does not exist", path);
		if (part > 0 && !(part == 1 && *at == '.')) {
			if (have + part + 2 > PATH_LIMIT)
				return refuse(o, "%s: the path is too long", path);
			snprintf(o->path + have, sizeof o->path - have, "%s%.*s", have > 1 ? "/" : "", (int)part, at);
			if (!make_one(o, o->path))
				return false;
		}
		at += part;
		at += *at == '/';
	}
	return true;
}

static bool resolve(struct opening *o, const char *path)
{
	if (!*path)
		return refuse(o, "the path of the state directory is empty");
	if (strlen(path) >= PATH_LIMIT)
		return refuse(o, "the path of the state directory is too long: at most %d bytes",
		              (int)PATH_LIMIT - 1);
	if (!realpath(path, o->path)) {
		if (errno != ENOENT)
			return refuse(o, "%s: %s", path, strerror(errno));
		if (!o->make)
			return refuse(o, "%s: does not exist", path);
		if (!make_path(o, path))
			return false;
	}
	return strlen(o->path) < PATH_LIMIT ||
	       refuse(o, "%s: the path is too long: at most %d bytes", path, (int)PATH_LIMIT - 1);
}

/* Whoever can write to a directory can replace the files in it. */
static bool check_writers(struct opening *o, const struct disk_dir *dir, const char *path)
{
	struct stat st;
	if (o->disk->ops->fstat(o->disk->context, dir->fd, &st) < 0)
		return refuse(o, "%s: %s", path, strerror(errno));
	if (st.st_mode & S_IWOTH)
		return refuse(o,
		              "%s: anybody may write to it, and could replace what is stored: chmod o-w it, or "
		              "choose another directory",
		              path);
	if (st.st_uid != geteuid() && st.st_mode & S_IWGRP)
		return refuse(o,
		              "%s: belongs to user %u, and its group may write to it: chown it to user %u, or choose "
		              "another directory",
		              path, (unsigned)st.st_uid, (unsigned)geteuid());
	return true;
}

static bool check_access(struct opening *o)
{
	if (!check_writers(o, &o->s->state, o->path))
		return false;
	if (faccessat(AT_FDCWD, o->path, R_OK | X_OK | (o->make ? W_OK : 0), AT_EACCESS) < 0)
		return refuse(o, "%s: user %u may not %s it: %s", o->path, (unsigned)geteuid(),
		              o->make ? "write to" : "read", strerror(errno));
	return true;
}

static bool open_state(struct opening *o)
{
	/* It is there by now; but whether it is in its parent on the disk, too,
	 * a crash of the process before may have left open. */
	if (!disk_dir_open(o->disk, &o->s->state, AT_FDCWD, o->path, o->path, o->make, 0700))
		return refuse(o, errno == ENOTDIR ? "%s: is no directory" : "%s: cannot be opened: %s", o->path,
		              strerror(errno));
	return check_access(o);
}

/* One line of /proc/locks: "1: FLOCK  ADVISORY  WRITE 4242 fe:00:131 0 EOF". The device is compared only
 * loosely: some file systems show another one here than stat. */
static long lock_holder(const struct stat *st)
{
	char line[256];
	long best = -1;
	FILE *locks = fopen("/proc/locks", "re");
	if (!locks)
		return -1;
	while (fgets(line, sizeof line, locks)) {
		char kind[16];
		long pid;
		unsigned on_major, on_minor;
		unsigned long long inode;
		/* the kernel's own text: its numbers fit. NOLINTNEXTLINE(cert-err34-c) */
		if (sscanf(line, "%*d: %15s %*s %*s %ld %x:%x:%llu", kind, &pid, &on_major, &on_minor, &inode) != 5)
			continue;
		if (strcmp(kind, "FLOCK") != 0 || inode != st->st_ino)
			continue;
		bool same_device = on_major == major(st->st_dev) && on_minor == minor(st->st_dev);
		if (same_device || best < 0)
			best = pid;
		if (same_device)
			break;
	}
	fclose(locks);
	return best;
}

static bool refuse_held(struct opening *o, int fd)
{
	struct stat st;
	char path[64], command[64] = "";
	long pid = fstat(fd, &st) == 0 ? lock_holder(&st) : -1;
	if (pid <= 0)
		return refuse(o, "%s: another process holds %s; stop it, or choose another directory", o->path,
		              LOCK_NAME);
	snprintf(path, sizeof path, "/proc/%ld/comm", pid);
	FILE *comm = fopen(path, "re");
	if (comm) {
		if (fgets(command, sizeof command, comm))
			command[strcspn(command, "\n")] = '\0';
		fclose(comm);
	}
	return refuse(o, "%s: in use by process %ld (%s), which holds %s; stop it, or choose another directory",
	              o->path, pid, *command ? command : "ended; a child of it lives", LOCK_NAME);
}

static bool take_lock(struct opening *o)
{
	struct state_dir *s = o->s;
	struct stat st;
	int flags = o->make ? O_RDWR | O_CREAT : O_RDONLY;
	do
		s->lock = o->disk->ops->openat(o->disk->context, s->state.fd, LOCK_NAME,
		                               flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	while (s->lock < 0 && errno == EINTR);
	if (s->lock < 0) {
		if (errno == ENOENT && !o->make)
			return true;
		const char *what = errno == ELOOP ? "it is a symbolic link" : strerror(errno);
		return go_on_without(o, LOCK_NAME, what) ||
		       refuse(o, "%s/%s: cannot be opened: %s", o->path, LOCK_NAME, what);
	}
	if (o->disk->ops->fstat(o->disk->context, s->lock, &st) < 0 || !S_ISREG(st.st_mode))
		return go_on_without(o, LOCK_NAME, "it is no regular file") ||
		       refuse(o, "%s/%s: is no regular file", o->path, LOCK_NAME);
	int got;
	do
		got = flock(s->lock, (o->make ? LOCK_EX : LOCK_SH) | LOCK_NB);
	while (got < 0 && errno == EINTR);
	if (got == 0)
		return true;
	return errno == EWOULDBLOCK
	           ? refuse_held(o, s->lock)
	           : refuse(o, "%s/%s: cannot be locked: %s", o->path, LOCK_NAME, strerror(errno));
}

/* Payloads are made to be read by others where the directory lets them in; they never become narrower than this. */
enum { ANY_FILE = 0600, PAYLOAD_FILE = 0640 };

static bool open_below(struct opening *o, struct disk_dir *dir, const char *name, mode_t least)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%.*s/%s", (int)PATH_LIMIT, o->path, name);
	struct stat st;
	if (disk_dir_open(o->disk, dir, o->s->state.fd, name, path, o->make, 0700) &&
	    o->disk->ops->fstat(o->disk->context, dir->fd, &st) == 0) {
		dir->files = least | (st.st_mode & 0044); /* it is made 0700: if it is wider that is meant to be */
		return check_writers(o, dir, path);
	}
	if (errno == ENOENT && !o->make)
		return true; /* no daemon has opened it yet */
	const char *what = errno == ENOTDIR || errno == ELOOP ? "is no directory (persistd follows no links)"
	                                                      : strerror(errno);
	return go_on_without(o, name, what) || refuse(o, "%s: %s", path, what);
}

static void add_tmp(void *argument, const char *name)
{
	if (disk_is_tmp(name))
		buf_add(argument, name, strlen(name) + 1);
}

static bool remove_tmps(struct opening *o, const struct disk_dir *dir)
{
	__attribute__((cleanup(buf_free))) struct buf names = {0};
	struct disk_error e;
	if (!disk_list(o->disk, dir, add_tmp, &names))
		return refuse(o, "%s: cannot be listed: %s", dir->path, strerror(errno));
	for (size_t at = 0; at < names.len; at += strlen(names.at + at) + 1)
		if (!disk_unlink(o->disk, dir, names.at + at, &e) && e.number != EISDIR)
			return refuse(o, "%s/%s: a leftover file cannot be removed: %s", dir->path, names.at + at,
			              strerror(e.number));
	return true;
}

static bool open_all(struct opening *o, const char *path)
{
	struct state_dir *s = o->s;
	char artifacts[PATH_MAX];
	if (!resolve(o, path) || !open_state(o) || !take_lock(o) || !open_below(o, &s->journal, "journal", ANY_FILE) ||
	    !open_below(o, &s->artifacts, "artifacts", PAYLOAD_FILE))
		return false;
	snprintf(artifacts, sizeof artifacts, "%.*s/artifacts", (int)PATH_LIMIT, o->path);
	s->artifacts_path = mem_copy(artifacts, strlen(artifacts) + 1);
	return !o->make ||
	       (remove_tmps(o, &s->state) && remove_tmps(o, &s->journal) && remove_tmps(o, &s->artifacts));
}

static bool open_or_close(struct opening *o, const char *path)
{
	*o->s = (struct state_dir){.state.fd = -1, .journal.fd = -1, .artifacts.fd = -1, .lock = -1};
	if (open_all(o, path))
		return true;
	state_dir_close(o->s, o->disk);
	return false;
}

bool state_dir_open(struct state_dir *s, struct disk *d, const char *path, bool make, char *why,
                    size_t why_size)
{
	struct opening o = {.s = s, .disk = d, .make = make, .why = why, .why_size = why_size};
	return open_or_close(&o, path);
}

bool state_dir_open_remains(struct state_dir *s, struct disk *d, const char *path,
                            void (*report)(void *context, const char *name, const char *what), void *context,
                            char *why, size_t why_size)
{
	struct opening o = {.s = s, .disk = d, .report = report, .context = context, .why = why, .why_size = why_size};
	return open_or_close(&o, path);
}

static void add_json(void *argument, const char *name)
{
	size_t len = strlen(name);
	if (len > 5 && strcmp(name + len - 5, ".json") == 0)
		buf_add(argument, name, len + 1);
}

static void set_file_mode(struct disk *d, const struct disk_dir *dir, const char *name, struct state_dir_change *change)
{
	struct stat st;
	int fd = disk_open(d, dir, name, NULL);
	if (fd < 0 && (errno == ENOENT || errno == ELOOP || errno == EINVAL))
		return; /* no file of ours */
	bool known = fd >= 0 && d->ops->fstat(d->context, fd, &st) == 0;
	bool differs = known && (st.st_mode & 07777) != dir->files;
	/* with two names it is somebody else's file as well: a backup's, or one whose mode is no business of ours */
	if (!known || (differs && st.st_nlink > 1) || (differs && d->ops->fchmod(d->context, fd, dir->files) < 0))
		change->left++;
	else
		change->files += differs;
	if (fd >= 0)
		disk_close(d, fd);
}

/* The files first: the directory's mode says that they are done. */
static bool set_mode(struct disk *d, struct disk_dir *dir, mode_t mode, mode_t least, struct state_dir_change *change)
{
	__attribute__((cleanup(buf_free))) struct buf names = {0};
	struct stat st;
	dir->files = least | (mode & 0044);
	if (d->ops->fstat(d->context, dir->fd, &st) < 0)
		return false;
	if ((st.st_mode & 0777) == mode)
		return true;
	if (!disk_list(d, dir, add_json, &names))
		return false;
	for (size_t at = 0; at < names.len; at += strlen(names.at + at) + 1)
		set_file_mode(d, dir, names.at + at, change);
	if (d->ops->fchmod(d->context, dir->fd, mode) < 0)
		return false;
	change->was = change->dirs++ ? change->was : st.st_mode & 07777;
	return true;
}

bool state_dir_set_mode(struct state_dir *s, struct disk *d, mode_t mode, struct state_dir_change *change)
{
	*change = (struct state_dir_change){0};
	return set_mode(d, &s->state, mode, ANY_FILE, change) && set_mode(d, &s->journal, mode, ANY_FILE, change) &&
	       set_mode(d, &s->artifacts, mode, PAYLOAD_FILE, change);
}

bool state_dir_is_locked(const struct state_dir *s, struct disk *d)
{
	struct stat st;
	return d->ops->fstat(d->context, s->lock, &st) < 0 || st.st_nlink > 0;
}

void state_dir_close(struct state_dir *s, struct disk *d)
{
	disk_dir_close(d, &s->artifacts);
	disk_dir_close(d, &s->journal);
	disk_dir_close(d, &s->state);
	if (s->lock >= 0)
		disk_close(d, s->lock);
	s->lock = -1;
	free(s->artifacts_path);
	s->artifacts_path = NULL;
}
