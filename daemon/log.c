#include "daemon/log.h"
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static enum log_level threshold = LOG_LEVEL_INFO;
static const char *const names[] = {"error", "warning", "info", "debug"};

static bool to_journal;

/* The journal says in $JOURNAL_STREAM which stream is its own: "device:inode". */
void log_open(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat status;
	char ours[2 * 21];
	if (!stream || fstat(STDERR_FILENO, &status) < 0)
		return;
	snprintf(ours, sizeof ours, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
	to_journal = strcmp(stream, ours) == 0;
}

void log_set_level(enum log_level level) { threshold = level; }
enum log_level log_level(void) { return threshold; }
const char *log_level_name(enum log_level level) { return names[level]; }

bool log_level_from(const char *name, enum log_level *level)
{
	for (int i = 0; i <= LOG_LEVEL_DEBUG; i++)
		if (strcmp(names[i], name) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	return false;
}

void log_line(enum log_level level, const char *format, ...)
{
	if (level > threshold)
		return;
	char line[2048];
	static const char priorities[] = {[LOG_LEVEL_ERROR] = '3', [LOG_LEVEL_WARNING] = '4', [LOG_LEVEL_INFO] = '6',
	                                  [LOG_LEVEL_DEBUG] = '7'};
	int used = to_journal ? snprintf(line, sizeof line, "<%c>", priorities[level])
	                      : snprintf(line, sizeof line, "persistd: %s%s", level == LOG_LEVEL_INFO ? "" : names[level],
	                                 level == LOG_LEVEL_INFO ? "" : ": ");
	va_list arguments;
	va_start(arguments, format);
	int more = vsnprintf(line + used, sizeof line - (size_t)used - 1, format, arguments);
	va_end(arguments);
	size_t len = (size_t)used + (more > 0 ? (size_t)more : 0);
	if (len > sizeof line - 2)
		len = sizeof line - 2;
	line[len++] = '\n';
	/* one write, so that lines of several threads do not mix; a closed stderr is nobody's loss */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

bool log_allow(struct log_limit *limit)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec / 10 != limit->window) {
		if (limit->left_out)
			log_line(LOG_LEVEL_WARNING, "%u more like the next line were left out", limit->left_out);
		*limit = (struct log_limit){.window = now.tv_sec / 10};
	}
	if (limit->in_window < LOG_BURST) {
		limit->in_window++;
		return true;
	}
	limit->left_out++;
	return false;
}
