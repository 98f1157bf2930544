/* conf_file: reads a configuration file, line by line, in the manner of systemd's files: [sections], key = value,
 * comments behind # or ; at the start of a line and nowhere else, a backslash at the end continues a line. inih
 * does the reading; what it does otherwise than systemd is made right here. Nothing is passed over: what is none
 * of these is refused. Main thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum { CONF_SIZE_MAX = 1 << 20 }; /* of a file */

struct conf_line {
	const char *section, *key, *value; /* key and value NULL: the section begins */
	const char *place; /* "FILE:12", for what is said of it */
};

/* False: refused; `why` says what is wrong with it. */
typedef bool conf_take(void *context, const struct conf_line *line, char *why, size_t why_size);

/* Hands each line to `take` until one is refused. A file that nobody `named` need not be there; /dev/null is one
 * without lines. *read: it was there. False: `why` says the file, the line and what is wrong. */
bool conf_read(const char *path, bool named, conf_take *take, void *context, bool *read, char *why, size_t why_size);
