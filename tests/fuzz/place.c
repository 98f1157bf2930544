#include "tests/fuzz/place.h"
#include "tests/fuzz/fuzz.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH = 3 };

static char path[128];

static void empty(int parent, const char *name, int depth)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *names = fd >= 0 ? fdopendir(fd) : NULL;

	if (!names)
		return;
	for (const struct dirent *e; (e = readdir(names));) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || unlinkat(fd, e->d_name, 0) == 0 || depth == 0)
			continue;
		empty(fd, e->d_name, depth - 1);
		unlinkat(fd, e->d_name, AT_REMOVEDIR);
	}
	closedir(names);
}

static void remove_place(void)
{
	place_empty();
	rmdir(path);
}

const char *place_path(void)
{
	const char *base = getenv("TMPDIR");

	if (!path[0]) {
		snprintf(path, sizeof(path), "%s/persistd-place-XXXXXX", base && strlen(base) < 90 ? base : "/tmp");
		FUZZ_EXPECT(mkdtemp(path) != NULL);
		atexit(remove_place);
	}
	return path;
}

void place_empty(void)
{
	empty(AT_FDCWD, place_path(), DEPTH);
}

static void full_path(const char *name, char out[384])
{
	snprintf(out, 384, "%s/%s", place_path(), name);
}

void place_write(const char *name, struct span text)
{
	char full[384];

	full_path(name, full);
	int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FUZZ_EXPECT(fd >= 0);
	FUZZ_EXPECT(write(fd, text.at ? text.at : "", text.len) == (ssize_t)text.len);
	close(fd);
}

void place_make(const char *name)
{
	char full[384];

	full_path(name, full);
	FUZZ_EXPECT(mkdir(full, 0700) == 0);
}
