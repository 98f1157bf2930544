#include "client/ctl/outlet.h"
#include "client/ctl/complain.h"
#include "client/ctl/interrupt.h"
#include "client/ctl/print.h"
#include "client/ctl/screen.h"
#include "proto/ident.h"
#include "proto/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HELD_BYTES = 1 << 18, RANDOM_DIGITS = 8 };

static enum exit_status failed(struct outlet *o, const char *what)
{
	if (o->status == EXIT_OK)
		complain("cannot %s %s: %s", what, o->path, strerror(errno));
	o->status = EXIT_FAILED;
	return o->status;
}

/* A link is followed: what it points to is replaced, not the link. */
static char *real_path(const char *path)
{
	char *real = realpath(path, NULL);

	return real ? real : mem_copy(path, strlen(path) + 1);
}

static void look_at_terminal(struct outlet *o, int fd, bool json)
{
	struct screen screen;

	screen_init(&screen, fd, "never");
	o->terminal = screen.terminal;
	o->utf8 = screen.utf8;
	o->json = json;
}

enum exit_status outlet_open(struct outlet *o, const char *path, bool json)
{
	struct buf tmp = {0};
	struct stat st;
	char random[RANDOM_DIGITS + 1];

	*o = (struct outlet){.fd = -1};
	look_at_terminal(o, STDOUT_FILENO, json);
	if (!path || strcmp(path, "-") == 0)
		return EXIT_OK;
	o->path = real_path(path);
	if (stat(o->path, &st) == 0 && !S_ISREG(st.st_mode)) {
		o->fd = open(o->path, O_WRONLY | O_CLOEXEC);
		look_at_terminal(o, o->fd, json);
		return o->fd < 0 ? failed(o, "write to") : EXIT_OK;
	}
	ident_hex(random, RANDOM_DIGITS);
	buf_printf(&tmp, "%s.%s.tmp", o->path, random);
	buf_char(&tmp, '\0');
	o->tmp = tmp.at;
	o->terminal = false;
	interrupt_removes(o->tmp); /* before it is there, so that no signal comes between */
	o->fd = open(o->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
	return o->fd < 0 ? failed(o, "make") : EXIT_OK;
}

static enum exit_status write_held(struct outlet *o)
{
	size_t done = 0;

	if (!o->path) {
		enum exit_status status = print_buf(&o->held);
		o->status = o->status == EXIT_OK ? status : o->status;
		return o->status;
	}
	while (o->status == EXIT_OK && done < o->held.len) {
		ssize_t n = write(o->fd, o->held.at + done, o->held.len - done);
		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno != EINTR)
			failed(o, "write");
	}
	o->held.len = 0;
	return o->status;
}

static void hold_fit(struct outlet *o, struct span text)
{
	while (text.len > 0) {
		const char *end = memchr(text.at, '\n', text.len);
		size_t len = end ? (size_t)(end - text.at) : text.len;
		size_t shown = end && len > 0 && text.at[len - 1] == '\r' ? len - 1 : len;
		(o->json ? screen_fit_json : screen_fit)(&o->held, (struct span){text.at, shown}, o->utf8);
		if (end)
			buf_char(&o->held, '\n');
		len += end != NULL;
		text.at += len;
		text.len -= len;
	}
}

enum exit_status outlet_put(struct outlet *o, struct span text)
{
	if (o->terminal)
		hold_fit(o, text);
	else
		buf_span(&o->held, text);
	return o->held.len < HELD_BYTES ? o->status : write_held(o);
}

/* The file's new name must be on the disk, too. */
static void sync_directory(struct outlet *o)
{
	char *slash = strrchr(o->path, '/');
	char *directory = slash ? mem_copy(o->path, strlen(o->path) + 1) : mem_copy(".", 2);

	if (slash)
		directory[slash == o->path ? 1 : slash - o->path] = '\0';
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		failed(o, "make durable");
	if (fd >= 0)
		close(fd);
	free(directory);
}

static void finish_file(struct outlet *o, bool whole)
{
	whole = whole && o->status == EXIT_OK;
	if (whole && o->tmp && fsync(o->fd) != 0)
		failed(o, "write");
	if (close(o->fd) != 0 && whole)
		failed(o, "write");
	if (!o->tmp)
		return;
	if (whole && o->status == EXIT_OK && rename(o->tmp, o->path) != 0)
		failed(o, "make");
	if (!whole || o->status != EXIT_OK)
		unlink(o->tmp);
	else
		sync_directory(o);
	interrupt_removes(NULL);
}

enum exit_status outlet_close(struct outlet *o, bool whole)
{
	if (o->held.len > 0 && o->status == EXIT_OK)
		write_held(o);
	if (o->fd >= 0)
		finish_file(o, whole);
	buf_free(&o->held);
	free(o->path);
	free(o->tmp);
	o->path = o->tmp = NULL;
	return o->status;
}
