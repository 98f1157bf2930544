#include "client/ctl/files.h"
#include "client/ctl/complain.h"
#include "client/ctl/window.h"
#include "proto/buf.h"
#include "proto/mem.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const table_files[] = {"jobs.json", "runs.json", "artifacts.json"};

enum { TABLE_FILES = sizeof table_files / sizeof *table_files, COPY_BYTES = 1 << 18 };

static char *text_of(const char *format, const char *a, const char *b)
{
	struct buf text = {0};

	buf_printf(&text, format, a, b);
	buf_char(&text, '\0');
	return text.at;
}

static char *copy_text(const char *text)
{
	return mem_copy(text, strlen(text) + 1);
}

static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return copy_text(".");
	char *directory = copy_text(path);
	directory[slash == path ? 1 : slash - path] = '\0';
	return directory;
}

static void take_state(struct file *f, const struct stat *st)
{
	f->size = (uint64_t)st->st_size;
	f->device = st->st_dev;
	f->inode = st->st_ino;
	f->changed = st->st_mtim;
}

static void add(struct files *f, struct file file, const struct stat *st)
{
	take_state(&file, st);
	f->at = mem_resize(f->at, (f->count + 1) * sizeof *f->at);
	f->at[f->count++] = file;
	f->bytes += file.size;
}

/* ---- what can be read only once */

static int open_copy(void)
{
	const char *directory = getenv("TMPDIR");
	char *path = text_of("%s/%s", directory && *directory ? directory : "/tmp", "persistctl-import-XXXXXX");
	int fd = mkostemp(path, O_CLOEXEC);

	if (fd >= 0)
		unlink(path);
	else
		complain("cannot make %s, where what is read is kept: %s", path, strerror(errno));
	free(path);
	return fd;
}

static bool write_all(int fd, const char *at, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, at, len);
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return true;
}

static bool copy_all(const char *name, int from, int to)
{
	char *some = mem_alloc(COPY_BYTES);
	ssize_t n;
	bool written = true;

	while (written && ((n = read(from, some, COPY_BYTES)) > 0 || (n < 0 && errno == EINTR)))
		written = n < 0 || write_all(to, some, (size_t)n);
	if (!written)
		complain("cannot keep what is read from %s: %s", name, strerror(errno));
	else if (n < 0)
		complain("cannot read %s: %s", name, strerror(errno));
	free(some);
	return written && n == 0;
}

static enum exit_status add_copy(struct files *f, const char *name, int from)
{
	struct stat st;
	int copy = open_copy();

	if (copy < 0)
		return EXIT_FAILED;
	if (!copy_all(name, from, copy) || fstat(copy, &st) != 0) {
		close(copy);
		return EXIT_FAILED;
	}
	add(f, (struct file){.name = copy_text(name), .copy = copy}, &st);
	return EXIT_OK;
}

/* ---- files and directories */

static enum exit_status add_file(struct files *f, const char *path)
{
	struct stat st;
	enum exit_status status = EXIT_OK;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) != 0) {
		complain("cannot open %s: %s", path, strerror(errno));
		status = EXIT_FAILED;
	} else if (S_ISREG(st.st_mode)) {
		add(f, (struct file){.name = copy_text(path), .beside = directory_of(path), .copy = -1}, &st);
	} else {
		status = add_copy(f, path, fd);
	}
	if (fd >= 0)
		close(fd);
	return status;
}

static bool ends_with(const char *name, const char *end)
{
	size_t len = strlen(name), tail = strlen(end);

	return len > tail && strcmp(name + len - tail, end) == 0;
}

static bool is_table_file(const char *name)
{
	for (size_t i = 0; i < TABLE_FILES; i++)
		if (strcmp(name, table_files[i]) == 0)
			return true;
	return false;
}

/* What looks like records, but is not taken, is told: nobody should believe that it was. */
static void tell_others(const char *directory)
{
	DIR *d = opendir(directory);
	struct dirent *entry;

	while (d && (entry = readdir(d)))
		if (!is_table_file(entry->d_name) &&
		    (ends_with(entry->d_name, ".json") || ends_with(entry->d_name, ".jsonl")))
			complain("%s/%s is left out: say it as a FILE to import it", directory, entry->d_name);
	if (d)
		closedir(d);
}

/* A daemon that was not stopped cleanly has left changes there that the tables lack. */
static bool has_segments(const char *directory)
{
	char *path = text_of("%s/%s", directory, "journal");
	DIR *d = opendir(path);
	struct dirent *entry;
	bool any = false;

	while (d && !any && (entry = readdir(d)))
		any = ends_with(entry->d_name, ".json");
	if (d)
		closedir(d);
	free(path);
	return any;
}

static enum exit_status add_directory(struct files *f, const char *directory)
{
	size_t before = f->count;
	enum exit_status status = EXIT_OK;

	if (has_segments(directory))
		return complain_failed("%s/journal holds changes that %s/jobs.json and the others may lack: stop its "
		                       "daemon first, or export from it", directory, directory);
	for (size_t i = 0; status == EXIT_OK && i < TABLE_FILES; i++) {
		char *path = text_of("%s/%s", directory, table_files[i]);
		if (access(path, F_OK) == 0)
			status = add_file(f, path);
		free(path);
	}
	if (status != EXIT_OK)
		return status;
	tell_others(directory);
	if (f->count == before)
		return complain_failed("%s holds none of jobs.json, runs.json and artifacts.json", directory);
	f->directories = mem_resize(f->directories, (f->directory_count + 1) * sizeof *f->directories);
	f->directories[f->directory_count++] = copy_text(directory);
	return EXIT_OK;
}

static enum exit_status add_operand(struct files *f, const char *operand)
{
	struct stat st;

	if (strcmp(operand, "-") == 0)
		return add_copy(f, "stdin", STDIN_FILENO);
	if (stat(operand, &st) == 0 && S_ISDIR(st.st_mode)) {
		char *directory = copy_text(operand);
		for (size_t len = strlen(directory); len > 1 && directory[len - 1] == '/'; len--)
			directory[len - 1] = '\0';
		enum exit_status status = add_directory(f, directory);
		free(directory);
		return status;
	}
	return add_file(f, operand);
}

enum exit_status files_collect(struct files *f, const char *const *operands, size_t count)
{
	enum exit_status status = EXIT_OK;

	for (size_t i = 0; status == EXIT_OK && i < count; i++)
		status = add_operand(f, operands[i]);
	return status;
}

void files_free(struct files *f)
{
	for (size_t i = 0; i < f->count; i++) {
		if (f->at[i].copy >= 0)
			close(f->at[i].copy);
		free(f->at[i].name);
		free(f->at[i].beside);
	}
	for (size_t i = 0; i < f->directory_count; i++)
		free(f->directories[i]);
	free(f->at);
	free(f->directories);
	*f = (struct files){0};
}

static bool is_same(const struct file *f, const struct stat *st)
{
	return f->device == st->st_dev && f->inode == st->st_ino && f->size == (uint64_t)st->st_size &&
		f->changed.tv_sec == st->st_mtim.tv_sec && f->changed.tv_nsec == st->st_mtim.tv_nsec;
}

int file_open(const struct file *f)
{
	struct stat st;

	if (f->copy >= 0)
		return f->copy;
	int fd = open(f->name, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0 && is_same(f, &st))
		return fd;
	if (fd < 0)
		complain("cannot open %s: %s", f->name, strerror(errno));
	else
		complain("%s has changed while it was read: run the same command again", f->name);
	file_close(f, fd);
	return -1;
}

int file_at(struct file *f, const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	*f = (struct file){.name = (char *)path, .copy = -1};
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		take_state(f, &st);
		return fd;
	}
	close(fd);
	errno = EINVAL;
	return -1;
}

void file_close(const struct file *f, int fd)
{
	if (fd >= 0 && fd != f->copy)
		close(fd);
}

static uint64_t line_of(const struct place *p)
{
	struct window w;
	int fd = p->file->copy >= 0 ? p->file->copy : open(p->file->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint64_t line;

	window_open(&w, fd, 1);
	line = window_line(&w, p->at);
	window_close(&w);
	file_close(p->file, fd);
	return line;
}

void place_tell(const struct place *p, const char *format, ...)
{
	char *text;
	va_list args;

	va_start(args, format);
	int len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0)
		return;
	if (p->file)
		complain("%s:%llu (byte %llu): %s", p->name, (unsigned long long)line_of(p),
		         (unsigned long long)p->at + 1, text);
	else
		complain("%s: %s", p->name, text);
	free(text);
}
