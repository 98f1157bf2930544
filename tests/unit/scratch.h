/* scratch: a directory for one test, and its files as a test sees them. */
#pragma once
#include "proto/buf.h"
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct scratch {
	char path[128];
};

static inline void scratch_make(struct scratch *s)
{
	const char *base = getenv("TMPDIR");
	snprintf(s->path, sizeof s->path, "%s/persistd-unit-XXXXXX", base && strlen(base) < 90 ? base : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(s->path));
}

static inline void scratch_path(const struct scratch *s, const char *name, char *out, size_t size)
{
	ck_assert_int_lt(snprintf(out, size, "%s/%s", s->path, name), (int)size);
}

/* Files, and directories one level down: as deep as a state directory goes. */
static inline void scratch_empty(const char *path, int depth)
{
	DIR *names = opendir(path);
	if (!names)
		return;
	for (const struct dirent *e; (e = readdir(names));) {
		char below[512];
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (snprintf(below, sizeof below, "%s/%s", path, e->d_name) >= (int)sizeof below)
			continue;
		if (unlink(below) != 0 && depth > 0) {
			scratch_empty(below, depth - 1);
			rmdir(below);
		}
	}
	closedir(names);
}

static inline void scratch_remove(struct scratch *s)
{
	scratch_empty(s->path, 3);
	rmdir(s->path);
}

static inline void scratch_write(const struct scratch *s, const char *name, struct span text)
{
	char path[384];
	scratch_path(s, name, path, sizeof path);
	FILE *file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(text.at, 1, text.len, file), text.len);
	ck_assert_int_eq(fclose(file), 0);
}

/* The whole file, NUL-terminated behind `len`; false: there is none. */
static inline bool scratch_read(const struct scratch *s, const char *name, struct buf *out)
{
	char path[384];
	scratch_path(s, name, path, sizeof path);
	FILE *file = fopen(path, "re");
	out->len = 0;
	if (!file)
		return false;
	for (size_t n = 1; n > 0; out->len += n)
		n = fread(buf_room(out, 65536), 1, 65536, file);
	*buf_room(out, 1) = '\0';
	fclose(file);
	return true;
}

static inline unsigned scratch_count(const struct scratch *s, const char *name,
                                     bool (*matches)(const char *name))
{
	char path[384];
	unsigned count = 0;
	scratch_path(s, name, path, sizeof path);
	DIR *names = opendir(path);
	ck_assert_ptr_nonnull(names);
	for (const struct dirent *e; (e = readdir(names));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && (!matches || matches(e->d_name)))
			count++;
	closedir(names);
	return count;
}
