/* options: the command line of persistd. Read once, on the main thread, before there is another; the caller
 * frees what is allocated. */
#pragma once
#include "daemon/log.h"
#include "daemon/service.h"

struct options {
	const char *socket;     /* where clients connect; allocated */
	const char *state_dir;  /* allocated */
	enum log_level log_level;
	struct limits limits;
	bool check;
};

/* Prints help, version or a complaint itself. True: go on; false: exit with *status. */
bool options_parse(struct options *o, int argc, char **argv, int *status);
