/* log: one line an event, on stderr. Any thread. */
#pragma once
#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Where stderr is the journal, lines carry their priority instead of the program's name. Once, at the start. */
void log_open(void);
void log_set_level(enum log_level level);
enum log_level log_level(void);
const char *log_level_name(enum log_level level);
bool log_level_from(const char *name, enum log_level *level);

__attribute__((format(printf, 2, 3))) void log_line(enum log_level level, const char *format, ...);
#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* For what a client can cause again and again: at most `LOG_BURST` lines in ten seconds from one place, then
 * a count of what was left out. */
enum { LOG_BURST = 5 };
struct log_limit {
	long long window; /* seconds */
	unsigned in_window, left_out;
};
bool log_allow(struct log_limit *limit);
#define log_limited(level, ...)                      \
	do {                                               \
		static struct log_limit limit_here;              \
		if (log_allow(&limit_here))                      \
			log_line(level, __VA_ARGS__);                  \
	} while (0)
