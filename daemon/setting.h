/* setting: one thing that can be set: a row of the table that flags, variables, keys of the file, the help and
 * --print-config all come from, and how its value is read from text and written as text. What says it, and who
 * wins, is settings.c's.
 *
 * Rows are constants. Main thread only. */
#pragma once
#include "daemon/settings.h"
#include "proto/buf.h"

enum setting_kind {
	SETTING_PATH,
	SETTING_GROUP,    /* its name; "": none */
	SETTING_WHOLE,    /* uint64_t, with K, M, G for powers of 1024 */
	SETTING_MODE,     /* mode_t, octal */
	SETTING_DIR_MODE, /* mode_t: nobody but the owner may write */
	SETTING_LEVEL,    /* enum log_level */
	SETTING_SWITCH,   /* bool: on or off */
	SETTING_DAYS,     /* double; "off"; where the fallback is empty "", too */
	SETTING_ROLE,     /* adds rules of `role` to the roles */
};

struct setting {
	const char *section, *key;
	enum setting_kind kind;
	size_t offset;        /* in struct settings */
	uint64_t min, max;
	const char *fallback; /* NULL: found out */
	bool live;            /* a reload changes it */
	enum role role;
	const char *argument, *prose;
};

extern const struct setting settings_table[]; /* rows of one section stand together */
extern const int setting_count;               /* at most SETTINGS_MAX */

enum { SETTING_NAME = 64 };

const struct setting *setting_named(const char *key); /* NULL: there is none */
const struct setting *setting_near(const char *key);  /* that a mistyped one may have meant; NULL: none */
bool setting_section(const char *section, const char **near); /* false: there is none; *near: as above */
void setting_flag(const struct setting *row, char out[SETTING_NAME]);     /* "--max-line" */
void setting_variable(const struct setting *row, char out[SETTING_NAME]); /* "PERSISTD_MAX_LINE" */

/* False: `why` says what was expected, and the value is not to be used. `unknown` (NULL: not asked for) gets names
 * that this machine does not have and that are passed over. */
bool setting_apply(struct settings *s, const struct setting *row, const char *text, struct buf *unknown, char *why,
                   size_t why_size);
void setting_show(struct buf *out, const struct settings *s, const struct setting *row); /* as text that means the same */
bool setting_same(const struct settings *a, const struct settings *b, const struct setting *row);
/* The value of a live one; roles are not taken. */
void setting_take(struct settings *to, const struct settings *from, const struct setting *row);
