/* settings: everything that can be set, as one table, and where each value comes from.
 *
 * Each key is a flag (--max-line), an environment variable (PERSISTD_MAX_LINE) and a line of the configuration
 * file (max_line under [limits]). The flag is stronger than the environment, that than the file, that than the
 * default. A configuration file that says anything unknown or wrong is refused as a whole, by file and line.
 *
 * Main thread only: read at the start, and again at each reload. */
#pragma once
#include "daemon/log.h"
#include "daemon/retention.h"
#include "daemon/roles.h"
#include "daemon/service.h"
#include <stdio.h>
#include <sysexits.h>

enum { SETTINGS_MAX = 64 };

struct settings {
	char *socket;          /* where clients connect; owned, as all texts here */
	char *socket_group;    /* "": the daemon's own */
	char *state_dir;
	mode_t socket_mode, state_dir_mode;
	enum log_level log_level;
	bool sandbox;
	struct limits limits;
	struct roles roles;
	struct retention retention;
	char *from[SETTINGS_MAX]; /* for each row of the table: "default", "STATE_DIRECTORY", "--max-line", "FILE:12", … */
	bool said[SETTINGS_MAX];  /* false: the first two of these */
	char *file;            /* that was read; NULL: none */
	char *salvage;         /* --salvage's directory; NULL: not asked for */
	struct layer *flags;   /* what the command line said */
};

enum settings_command { SETTINGS_RUN, SETTINGS_CHECK, SETTINGS_SALVAGE, SETTINGS_PRINT, SETTINGS_EXIT };

/* The command line, the environment and the file that they name or that is there. SETTINGS_EXIT: help, version
 * or a complaint has been printed; leave with *status: 0, EX_USAGE or EX_CONFIG (sysexits.h). `settings` is filled
 * unless SETTINGS_EXIT; owned: settings_free() it. */
enum settings_command settings_read(struct settings *settings, int argc, char **argv, int *status);

/* Reads again what can have changed: the file (the command line and the environment are what they were). False:
 * `why` says file, line and what is wrong, and `settings` is untouched. Else the keys that can change live have
 * their new values, and `changed` gets their names; those that need a restart keep their old ones, and
 * `restart` gets theirs. Both as text with commas. */
bool settings_reload(struct settings *settings, char *why, size_t why_size, struct buf *changed,
                     struct buf *restart);

/* "--max-line", "PERSISTD_MAX_LINE" or "FILE:12": who has said this key; NULL: nobody, it is the default.
 * Borrowed. */
const char *settings_from(const struct settings *settings, const char *key);
void settings_print(const struct settings *settings, FILE *to); /* --print-config */
void settings_free(struct settings *settings);
