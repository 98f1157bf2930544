/* outlet: where an export goes: stdout, or a file that is there whole or not at all.
 *
 * A file is written beside its place under another name, and takes the name when it is on the disk. Ctrl-C
 * and failures leave nothing of it, and what had the name before stays. One at a time in a process. */
#pragma once
#include "client/ctl/session.h"
#include "proto/buf.h"

struct outlet {
	struct buf held;  /* not yet written */
	bool terminal, json, utf8;
	char *path, *tmp; /* NULL: stdout */
	int fd;
	enum exit_status status;
};

/* `path` NULL or "-": stdout. What exists and is no regular file (/dev/null, a pipe) is just written to. A
 * terminal gets what would change it as escapes (screen.h); `json`: as those of JSON, so that it stays the
 * same. Anything else gets every byte. */
enum exit_status outlet_open(struct outlet *o, const char *path, bool json);
/* The first failure has been told, and is the status from then on. */
enum exit_status outlet_put(struct outlet *o, struct span text);
/* `whole`: all is there, and takes its name now. Else nothing is left of it. Once for each outlet_open. */
enum exit_status outlet_close(struct outlet *o, bool whole);
