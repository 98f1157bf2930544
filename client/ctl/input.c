#include "client/ctl/input.h"
#include "client/ctl/complain.h"
#include "proto/scan.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { READ_SIZE = 64 << 10 };

static bool read_all(int fd, struct buf *into)
{
	for (;;) {
		ssize_t got = read(fd, buf_room(into, READ_SIZE), READ_SIZE);
		if (got == 0)
			return true;
		if (got < 0 && errno != EINTR)
			return false;
		if (got > 0)
			into->len += (size_t)got;
	}
}

enum exit_status input_file(const char *path, struct buf *into)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);

	if (is_stdin && isatty(fd))
		complain("reading from the terminal; Ctrl-D ends it");
	if (fd < 0 || !read_all(fd, into)) {
		complain("cannot read %s: %s", is_stdin ? "stdin" : path, strerror(errno));
		if (fd > STDIN_FILENO)
			close(fd);
		return EXIT_FAILED;
	}
	if (!is_stdin)
		close(fd);
	return EXIT_OK;
}

enum exit_status input_take(const char *argument, const char *what, struct buf *into)
{
	if (strcmp(argument, "-") == 0)
		return input_file("-", into);
	if (argument[0] != '@') {
		buf_text(into, argument);
		return EXIT_OK;
	}
	if (!argument[1])
		return complain_usage("", "%s: a file's name is missing behind @", what);
	return input_file(argument + 1, into);
}

void input_fault(struct span text, char *out, size_t size)
{
	struct scan_report report = {0};

	switch (scan_check(text, SCAN_DEPTH_FILE, &report)) {
	case SCAN_DUPLICATE:
		snprintf(out, size, "byte %zu: an object has one name twice", report.at + 1);
		return;
	case SCAN_DEEP:
		snprintf(out, size, "byte %zu: it is nested too deep", report.at + 1);
		return;
	case SCAN_OK:
	case SCAN_MORE:
	case SCAN_SYNTAX:
		snprintf(out, size, "byte %zu: expected %s", report.at + 1,
		         report.expected ? report.expected : "a value");
		return;
	}
}

static bool is_blank(const struct buf *text)
{
	for (size_t i = 0; i < text->len; i++)
		if (!strchr(" \t\r\n", text->at[i]) || !text->at[i])
			return false;
	return true;
}

enum exit_status input_check(struct buf *text, const char *what)
{
	struct scan_report report = {0};
	char fault[200];

	if (is_blank(text)) {
		complain("%s: there is nothing, expected JSON", what);
		return EXIT_USAGE;
	}
	if (scan_check(buf_as_span(text), SCAN_DEPTH_FILE, &report) != SCAN_OK) {
		input_fault(buf_as_span(text), fault, sizeof fault);
		complain("%s: not JSON: %s", what, fault);
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < text->len; i++)
		if (text->at[i] == '\n' || text->at[i] == '\r')
			text->at[i] = ' ';
	return EXIT_OK;
}

void input_suggest_file(const char *argument)
{
	if (argument[0] && argument[0] != '@' && strcmp(argument, "-") != 0 && access(argument, R_OK) == 0)
		complain("to read the file, say @%s", argument);
}

enum exit_status input_json(const char *argument, const char *what, struct buf *into)
{
	char where[300];
	enum exit_status status = input_take(argument, what, into);

	if (status != EXIT_OK)
		return status;
	if (strcmp(argument, "-") == 0)
		snprintf(where, sizeof where, "%s (stdin)", what);
	else if (argument[0] == '@')
		snprintf(where, sizeof where, "%s (%s)", what, argument + 1);
	else
		snprintf(where, sizeof where, "%s", what);
	status = input_check(into, where);
	if (status != EXIT_OK)
		input_suggest_file(argument);
	return status;
}
