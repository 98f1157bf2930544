#include "daemon/conf_file.h"
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { JOINED_MAX = 4096 };

struct reading {
	conf_take *take;
	void *context;
	FILE *file;
	const char *path;
	char *text;           /* getline's: a line as it stands in the file */
	size_t room, bytes;   /* of it; of all lines */
	unsigned line, shown; /* lines read, and the one to blame: the first one of a continued line */
	char value[JOINED_MAX];
	char *why;
	size_t why_size;
	bool refused;
};

static const char byte_order_mark[] = "\xef\xbb\xbf"; /* some editors begin a file with it */
static const char shape[] = "expected [section], key = value or a comment";

__attribute__((format(printf, 2, 3))) static void refuse(struct reading *r, const char *format, ...)
{
	char problem[512];
	if (r->refused)
		return; /* the first fault is the one to mend first */
	r->refused = true;
	va_list args;
	va_start(args, format);
	vsnprintf(problem, sizeof problem, format, args);
	va_end(args);
	snprintf(r->why, r->why_size, "%s:%u: %s", r->path, r->shown, problem);
}

static void refuse_here(struct reading *r, const char *problem)
{
	r->shown = r->line;
	refuse(r, "%s", problem);
}

/* The next line as it stands in the file, without its end and the blanks at its start: inih would take one that
 * begins with blanks as more of the one before. NULL: there is none, or it is refused. */
static char *file_line(struct reading *r, size_t *len)
{
	ssize_t got = getline(&r->text, &r->room, r->file);
	if (got < 0)
		return NULL;
	size_t end = (size_t)got;
	r->line++;
	r->bytes += end;
	if (end && r->text[end - 1] == '\n')
		end -= end > 1 && r->text[end - 2] == '\r' ? 2 : 1;
	r->text[end] = '\0';
	if (strlen(r->text) < end)
		refuse_here(r, "a NUL byte in the line");
	else if (memchr(r->text, '\r', end))
		refuse_here(r, "a carriage return in the line");
	else if (r->bytes > CONF_SIZE_MAX) /* it grows while it is read */
		refuse_here(r, "the file is larger than 1 MiB");
	char *start = r->text + (r->line == 1 && strncmp(r->text, byte_order_mark, 3) == 0 ? 3 : 0);
	start += strspn(start, " \t");
	*len = strlen(start);
	return r->refused ? NULL : start;
}

/* One line, continued ones joined and comments left out, without its end. False: there is none, or it is refused. */
static bool join_lines(struct reading *r, char *to, size_t room)
{
	size_t len = 0, got;
	bool any = false;
	for (char *line; (line = file_line(r, &got));) {
		if (line[0] == '#' || line[0] == ';')
			continue;
		if (!any)
			r->shown = r->line;
		any = true;
		bool continued = got > 0 && line[got - 1] == '\\';
		if (len + got >= room) {
			refuse(r, "the line is longer than %zu bytes; lists may be given in several lines of the same key", room - 1);
			return false;
		}
		memcpy(to + len, line, got);
		len += got;
		to[len] = '\0';
		if (!continued)
			return true;
		to[len - 1] = ' ';
	}
	return any && !r->refused;
}

/* "[section]": inih tells of one only when a key comes, and takes anything behind it. */
static void begin_section(struct reading *r, char *line)
{
	char place[4352], why[512];
	char *end = strchr(line, ']');
	if (!end) {
		refuse(r, "expected ] behind the name of the section");
		return;
	}
	if (end[1 + strspn(end + 1, " \t")]) {
		refuse(r, "nothing may stand behind the ] of a section; a comment stands on a line of its own");
		return;
	}
	snprintf(place, sizeof place, "%s:%u", r->path, r->shown);
	*end = '\0';
	struct conf_line begun = {.section = line + 1, .place = place};
	if (!r->take(r->context, &begun, why, sizeof why))
		refuse(r, "%s", why);
	*end = ']';
}

/* Noted here because inih ends a value at a semicolon. */
static void note_value(struct reading *r, const char *line)
{
	size_t at = strcspn(line, "=:"); /* inih would take the colon for an = */
	if (at == 0 || line[at] != '=') {
		refuse(r, "%s", shape);
		return;
	}
	const char *value = line + at + 1 + strspn(line + at + 1, " \t");
	size_t len = strlen(value);
	while (len && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		len--;
	memcpy(r->value, value, len);
	r->value[len] = '\0';
}

/* inih's reader. */
static char *next_line(char *to, int room, void *context)
{
	struct reading *r = context;
	size_t most = (room < JOINED_MAX ? (size_t)room : JOINED_MAX) - 1; /* the end of the line comes back */
	if (!join_lines(r, to, most))
		return NULL;
	if (to[0] == '[')
		begin_section(r, to);
	else if (to[0])
		note_value(r, to);
	strcat(to, "\n");
	return r->refused ? NULL : to;
}

/* inih's callback. It always goes on: which line is at fault is known here, where continued lines are counted. */
static int take_line(void *context, const char *section, const char *key, const char *value)
{
	struct reading *r = context;
	char place[4352], why[512];
	(void)value;
	snprintf(place, sizeof place, "%s:%u", r->path, r->shown);
	struct conf_line line = {.section = section, .key = key, .value = r->value, .place = place};
	if (!r->refused && !r->take(r->context, &line, why, sizeof why))
		refuse(r, "%s", why);
	return 1;
}

/* Nothing that a read could wait for, or that never ends. Returns NULL and why. */
static FILE *open_file(const char *path, char *why, size_t why_size)
{
	struct stat status;
	FILE *file = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	bool open = fd >= 0 && fstat(fd, &status) == 0;
	bool nothing = open && S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
	if (!open)
		snprintf(why, why_size, "%s cannot be read: %s", path, strerror(errno));
	else if (!nothing && !S_ISREG(status.st_mode))
		snprintf(why, why_size, "%s: not a regular file", path);
	else if (status.st_size > CONF_SIZE_MAX)
		snprintf(why, why_size, "%s: larger than 1 MiB; a configuration is not", path);
	else
		file = fdopen(fd, "r");
	if (!file && fd >= 0)
		close(fd);
	return file;
}

bool conf_read(const char *path, bool named, conf_take *take, void *context, bool *read, char *why, size_t why_size)
{
	struct reading r = {.take = take, .context = context, .path = path, .why = why, .why_size = why_size};
	errno = 0;
	r.file = open_file(path, why, why_size);
	*read = r.file != NULL;
	if (!r.file)
		return !named && (errno == ENOENT || errno == ENOTDIR);
	if (ini_parse_stream(next_line, &r, take_line, &r) != 0)
		refuse(&r, "%s", shape);
	if (ferror(r.file))
		refuse(&r, "cannot be read: %s", strerror(errno));
	fclose(r.file);
	free(r.text);
	return !r.refused;
}
