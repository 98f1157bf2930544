#include "daemon/conf_file.h"
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct reading {
	conf_take *take;
	void *context;
	FILE *file;
	const char *path;
	unsigned line, shown; /* lines read, and the first one of a continued line */
	char *why;
	size_t why_size;
	bool refused;
};

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

/* One line, continued ones joined; the number of bytes, 0 at the end. Blanks at its start mean nothing: inih would
 * take the line as more of the one before. */
static size_t read_line(struct reading *r, char *to, size_t room)
{
	char line[4096];
	size_t len = 0;
	r->shown = r->line + 1;
	for (bool continued = true; continued;) {
		if (!fgets(line, sizeof line, r->file))
			break;
		r->line++;
		size_t got = strcspn(line, "\r\n"), blank = strspn(line, " \t");
		if (got == sizeof line - 1 || len + got - blank + 2 >= room) {
			refuse(r, "the line is longer than %zu bytes; lists may be given in several lines of the same key",
			       room - 2);
			return 0;
		}
		continued = got > blank && line[got - 1] == '\\';
		if (continued)
			line[got - 1] = ' ';
		memcpy(to + len, line + blank, got - blank);
		len += got - blank;
		to[len] = '\n';
		if (!continued)
			return len + 1;
	}
	return len ? len + 1 : 0;
}

/* inih's reader. */
static char *next_line(char *to, int room, void *context)
{
	struct reading *r = context;
	size_t len = read_line(r, to, (size_t)room);
	if (len == 0)
		return NULL;
	to[len] = '\0';
	if (len > 1 && !strchr("#;[", to[0]) && !strchr(to, '=')) {
		refuse(r, "expected [section], key = value or a comment");
		return NULL;
	}
	return to;
}

/* inih's callback. It always goes on: which line is at fault is known here, where continued lines are counted. */
static int take_line(void *context, const char *section, const char *key, const char *value)
{
	struct reading *r = context;
	char place[4352], why[512];
	snprintf(place, sizeof place, "%s:%u", r->path, r->shown);
	struct conf_line line = {.section = section, .key = key, .value = value, .place = place};
	if (!r->refused && !r->take(r->context, &line, why, sizeof why))
		refuse(r, "%s", why);
	return 1;
}

bool conf_read(const char *path, bool named, conf_take *take, void *context, bool *read, char *why, size_t why_size)
{
	struct reading r = {.take = take, .context = context, .path = path, .why = why, .why_size = why_size,
	                    .file = fopen(path, "re")};
	*read = r.file != NULL;
	if (!r.file) {
		if (!named && (errno == ENOENT || errno == ENOTDIR))
			return true;
		snprintf(why, why_size, "%s cannot be read: %s", path, strerror(errno));
		return false;
	}
	if (ini_parse_stream(next_line, &r, take_line, &r) != 0)
		refuse(&r, "expected [section], key = value or a comment"); /* a section without its ] */
	if (ferror(r.file))
		refuse(&r, "cannot be read: %s", strerror(errno)); /* a directory, for one */
	fclose(r.file);
	return !r.refused;
}
