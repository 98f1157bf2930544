#include "daemon/settings.h"
#include "daemon/conf_file.h"
#include "daemon/notify.h"
#include "proto/mem.h"
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_USAGE = 64 }; /* EX_USAGE of sysexits.h */

/* ---- the table */

enum kind {
	PATH,
	GROUP,    /* its name; "": none */
	WHOLE,    /* uint64_t, with K, M, G for powers of 1024 */
	MODE,     /* mode_t, octal */
	DIR_MODE, /* mode_t: nobody but the owner may write */
	LEVEL,    /* enum log_level */
	DAYS,     /* double; "off"; where the fallback is empty "", too */
	ROLE,     /* adds rules of `role` to roles */
};

static const struct row {
	const char *section, *key;
	enum kind kind;
	size_t offset;
	uint64_t min, max;
	const char *fallback; /* NULL: found out, see find_paths */
	bool live;            /* a reload changes it */
	enum role role;
	const char *argument, *prose;
} rows[] = {
#define MEMBER(m) .offset = offsetof(struct settings, m)
	{"daemon", "socket", PATH, MEMBER(socket), .argument = "PATH", .prose = "where clients connect"},
	{"daemon", "socket_mode", MODE, MEMBER(socket_mode), .max = 0777, .fallback = "0660", .argument = "MODE",
	 .prose = "the socket's mode"},
	{"daemon", "socket_group", GROUP, MEMBER(socket_group), .fallback = "", .argument = "GROUP",
	 .prose = "the socket's group; its members may write"},
	{"daemon", "state_dir", PATH, MEMBER(state_dir), .argument = "DIR", .prose = "where records are kept"},
	{"daemon", "state_dir_mode", DIR_MODE, MEMBER(state_dir_mode), .fallback = "0700",
	 .argument = "MODE", .prose = "the state directory's mode: 0700, 0750 or 0755"},
	{"daemon", "log_level", LEVEL, MEMBER(log_level), .fallback = "info", .live = true, .argument = "LEVEL",
	 .prose = "error, warning, info or debug"},
#define LIMIT(name, member, argument_, low, high, fallback_, prose_) \
	{"limits", name, WHOLE, MEMBER(limits.member), low, high, fallback_, true, .argument = argument_, .prose = prose_}
	LIMIT("max_line", line, "BYTES", 1024, 256 << 20, "16M", "longest request line"),
	LIMIT("max_reply", reply, "BYTES", 16384, 256 << 20, "16M", "longest reply line"),
	LIMIT("max_page", page, "BYTES", 4096, 128 << 20, "8M", "records in one list page"),
	LIMIT("max_connections", connections, "N", 1, 1000000, "4096", "connections at once"),
	LIMIT("max_calls", calls, "N", 1, 1000000, "1024", "calls in flight on one connection"),
	LIMIT("max_batch", batch_calls, "N", 1, 1000000, "16384", "calls in one JSON-RPC batch"),
	LIMIT("max_queued", queued, "BYTES", 4096, 1 << 30, "4M", "replies queued to a slow reader"),
	LIMIT("max_unfinished", unfinished, "BYTES", 65536, UINT64_C(64) << 30, "256M",
	      "unfinished long lines, all connections"),
	LIMIT("max_in_flight", in_flight, "BYTES", 65536, UINT64_C(64) << 30, "256M",
	      "calls in flight, all connections"),
	LIMIT("max_user_connections", user_connections, "N", 1, 1000000, "2048", "connections of one user"),
	LIMIT("max_user_calls", user_calls, "N", 1, 1000000, "16384", "calls in flight of one user"),
	LIMIT("max_user_bytes", user_bytes, "BYTES", 65536, UINT64_C(64) << 30, "128M",
	      "requests and replies held for one user"),
#define ROLE_OF(name, role_, prose_) \
	{"roles", name, ROLE, .fallback = "", .live = true, .role = role_, .argument = "WHO", .prose = prose_}
	ROLE_OF("role_admin", ROLE_ADMIN, "users and @groups that may do everything"),
	ROLE_OF("role_write", ROLE_WRITE, "those that may change records"),
	ROLE_OF("role_read", ROLE_READ, "those that may read; * is everyone"),
	ROLE_OF("role_none", ROLE_NONE, "those that may do nothing"),
#define KEEP_(name, member, fallback_, prose_) \
	{"retention", name, DAYS, MEMBER(retention.member), .fallback = fallback_, .live = true, .argument = "DAYS", .prose = prose_}
#define KEEP(name, member, prose_) KEEP_(name, member, "off", prose_)
#define KEEP_STATUS(name, member, prose_) KEEP_(name, member, "", prose_)
	KEEP("job_retention_days", job_days, "ended jobs are removed after so many days"),
	KEEP_STATUS("job_retention_days_completed", job_status_days[0], "completed jobs instead; off keeps them"),
	KEEP_STATUS("job_retention_days_failed", job_status_days[1], "the same for failed jobs"),
	KEEP_STATUS("job_retention_days_cancelled", job_status_days[2], "the same for cancelled jobs"),
	KEEP("run_retention_days", run_days, "ended runs and their artifacts are removed after so many days"),
	KEEP_STATUS("run_retention_days_succeeded", run_status_days[0], "succeeded runs instead; off keeps them"),
	KEEP_STATUS("run_retention_days_failed", run_status_days[1], "the same for failed runs"),
	KEEP_STATUS("run_retention_days_cancelled", run_status_days[2], "the same for cancelled runs"),
	{"retention", "max_jobs", WHOLE, MEMBER(retention.max_jobs), 0, INT64_MAX, "0", true, .argument = "N",
	 .prose = "so many jobs are kept, the oldest ended ones go first; 0: any number"},
};
enum { ROWS = sizeof rows / sizeof *rows };
static_assert((int)ROWS <= (int)SETTINGS_MAX, "SETTINGS_MAX has to hold a place for each row");

/* "max_line" as "--max-line" or "PERSISTD_MAX_LINE". */
static void flag_name(const struct row *row, char out[64])
{
	snprintf(out, 64, "--%s", row->key);
	for (char *c = out; *c; c++)
		if (*c == '_')
			*c = '-';
}

static void variable_name(const struct row *row, char out[64])
{
	snprintf(out, 64, "PERSISTD_%s", row->key);
	for (char *c = out; *c; c++)
		if (*c >= 'a' && *c <= 'z')
			*c += 'A' - 'a';
}

/* ---- values as texts, from wherever they come */

struct said {
	char *text; /* NULL: nothing was said; owned */
	char *from; /* owned */
};

struct layer {
	struct said of[SETTINGS_MAX];
	char *config; /* --config; owned */
};

static char *copy(const char *text)
{
	return mem_copy(text, strlen(text) + 1);
}

static void said_free(struct said *s)
{
	free(s->text);
	free(s->from);
	*s = (struct said){0};
}

static void layer_free(struct layer *l)
{
	for (int i = 0; i < ROWS; i++)
		said_free(&l->of[i]);
	free(l->config);
	*l = (struct layer){0};
}

static void say(struct said *s, const char *text, const char *from)
{
	said_free(s);
	*s = (struct said){.text = copy(text), .from = copy(from)};
}

/* ---- the file */

static const struct row *row_of(const char *key)
{
	for (int i = 0; i < ROWS; i++)
		if (strcmp(rows[i].key, key) == 0)
			return &rows[i];
	return NULL;
}

static const char *near_key(const char *key)
{
	const char *names[ROWS + 1];
	for (int i = 0; i < ROWS; i++)
		names[i] = rows[i].key;
	names[ROWS] = NULL;
	return fault_did_you_mean(span_of(key), names);
}

/* Lists grow with each line, as in systemd's files. */
static void take(struct said *s, const struct row *row, const char *value, const char *from)
{
	char *longer = NULL;
	bool grows = row->kind == ROLE && s->text && value[0];
	if (grows && asprintf(&longer, "%s %s", s->text, value) < 0)
		abort();
	say(s, grows ? longer : value, from);
	free(longer);
}

static bool section_is_known(const char *section, char *why, size_t why_size)
{
	const char *names[ROWS + 1];
	int count = 0;
	for (int i = 0; i < ROWS; i++) {
		if (strcmp(rows[i].section, section) == 0)
			return true;
		if (!count || strcmp(names[count - 1], rows[i].section) != 0)
			names[count++] = rows[i].section;
	}
	names[count] = NULL;
	const char *near = fault_did_you_mean(span_of(section), names);
	snprintf(why, why_size, "there is no section [%.64s]%s%s%s", section, near ? "; did you mean [" : "", near ? near : "",
	         near ? "]?" : "");
	return false;
}

static bool take_line(void *context, const struct conf_line *line, char *why, size_t why_size)
{
	struct layer *into = context;
	if (!line->key)
		return section_is_known(line->section, why, why_size);
	const struct row *row = row_of(line->key);
	if (!row) {
		const char *near = near_key(line->key);
		snprintf(why, why_size, "there is no key %.64s%s%s%s", line->key, near ? "; did you mean " : "",
		         near ? near : "", near ? "?" : "");
		return false;
	}
	if (strcmp(line->section, row->section) != 0) {
		snprintf(why, why_size, "%s belongs under [%s]", line->key, row->section);
		return false;
	}
	take(&into->of[row - rows], row, line->value, line->place);
	return true;
}

/* ---- texts become values */

static bool read_whole(const char *text, uint64_t *value)
{
	char *end;
	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);
	if (errno || end == text || text[0] < '0' || text[0] > '9')
		return false;
	unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
	end += shift > 0;
	*value = (uint64_t)n << shift;
	return !*end && *value >> shift == n;
}

static bool read_days(const char *text, bool may_be_unset, double *days)
{
	char *end;
	if (strcmp(text, "off") == 0 || (may_be_unset && !text[0])) {
		*days = text[0] ? RETENTION_OFF : RETENTION_UNSET;
		return true;
	}
	*days = strtod(text, &end);
	return end != text && !*end && isfinite(*days) && *days >= 0;
}

static bool read_mode(const char *text, mode_t *mode)
{
	char *end;
	unsigned long n = strtoul(text, &end, 8);
	*mode = (mode_t)n;
	return end != text && !*end && text[0] >= '0' && text[0] <= '7' && n <= 07777;
}

/* What is wrong with the text is written behind `why`; `unknown`: names that are passed over. */
static bool apply(struct settings *s, const struct row *row, const char *text, struct buf *unknown, char *why,
                  size_t why_size)
{
	void *to = (char *)s + row->offset;
	uint64_t whole;
	mode_t mode;
	switch (row->kind) {
	case PATH:
	case GROUP:
		if (row->kind == PATH ? text[0] != '\0' : !text[0] || getgrnam(text)) {
			free(*(char **)to);
			*(char **)to = copy(text);
			return true;
		}
		if (row->kind == PATH)
			snprintf(why, why_size, "expected a path");
		else
			snprintf(why, why_size, "expected a group; this machine has none named %.64s", text);
		return false;
	case WHOLE:
		if (read_whole(text, &whole) && whole >= row->min && whole <= row->max) {
			*(uint64_t *)to = whole;
			return true;
		}
		snprintf(why, why_size, "expected a whole number from %" PRIu64 " to %" PRIu64 " (K, M and G are powers of 1024)",
		         row->min, row->max);
		return false;
	case MODE:
		if (read_mode(text, &mode) && mode >= row->min && mode <= row->max) {
			*(mode_t *)to = mode;
			return true;
		}
		snprintf(why, why_size, "expected an octal mode from %04o to %04o", (unsigned)row->min, (unsigned)row->max);
		return false;
	case DIR_MODE:
		if (read_mode(text, &mode) && (mode == 0700 || mode == 0750 || mode == 0755)) {
			*(mode_t *)to = mode;
			return true;
		}
		snprintf(why, why_size, "expected 0700, 0750 or 0755");
		return false;
	case LEVEL:
		if (log_level_from(text, to))
			return true;
		snprintf(why, why_size, "expected error, warning, info or debug");
		return false;
	case DAYS:
		if (read_days(text, !row->fallback[0], to))
			return true;
		snprintf(why, why_size, "expected a number of days, or off%s",
		         row->fallback[0] ? "" : ", or nothing: as the key for all statuses says");
		return false;
	case ROLE:
		return roles_add(&s->roles, row->role, text, unknown, why, why_size);
	}
	abort();
}

/* ---- where things are when nobody says */

static char *join(const char *a, const char *b)
{
	char *path;
	if (asprintf(&path, "%s%s", a, b) < 0)
		abort();
	return path;
}

static const char *absolute(const char *variable)
{
	const char *value = getenv(variable);
	return value && value[0] == '/' ? value : NULL;
}

/* Below a unit the one that is passed, else the same rule as the client's (client/where.h). */
static char *default_socket(const char **from)
{
	const char *passed = notify_listen_path(), *runtime = absolute("XDG_RUNTIME_DIR");
	char *path;
	if (passed) {
		*from = "LISTEN_FDS";
		return copy(passed);
	}
	if (runtime)
		return join(runtime, "/persistd/persistd.sock");
	if (asprintf(&path, "/tmp/persistd-%u/persistd.sock", geteuid()) < 0)
		abort();
	return path;
}

/* NULL: neither variable helps. */
static char *home_path(const char *variable, const char *below_home, const char *name)
{
	const char *dir = absolute(variable), *home = absolute("HOME");
	char *path = NULL;
	if (dir)
		return join(dir, name);
	if (home && asprintf(&path, "%s%s%s", home, below_home, name) < 0)
		abort();
	return path;
}

/* Below a unit with StateDirectory= the first that it names. NULL: nothing helps. */
static char *default_state_dir(const char **from)
{
	const char *passed = absolute("STATE_DIRECTORY");
	if (!passed)
		return home_path("XDG_STATE_HOME", "/.local/state", "/persistd");
	*from = "STATE_DIRECTORY";
	char *first = copy(passed);
	first[strcspn(first, ":")] = '\0';
	return first;
}

static const char machine_file[] = "/etc/persistd/persistd.conf";
enum { SYSTEM_USERS = 1000 }; /* below it: root and the accounts of services (Debian's SYS_UID_MAX) */

/* The file that was named, else the user's own, else the machine's: that is for the machine's daemon, and what it says
 * of roles would lock people out of their own. The file in force has to be there: gone, it has not been emptied. */
static bool find_file(const struct layer *flags, const char *in_force, struct layer *into, char **file, char *why,
                      size_t why_size)
{
	const char *named = flags->config ? flags->config : getenv("PERSISTD_CONFIG");
	bool any_named = named && named[0], read = false, good = true;
	char *own = home_path("XDG_CONFIG_HOME", "/.config", "/persistd/persistd.conf");
	const char *candidates[] = {any_named ? named : own, any_named || geteuid() >= SYSTEM_USERS ? NULL : machine_file};
	for (int i = 0; i < 2 && good && !read; i++) {
		if (!candidates[i])
			continue;
		bool needed = any_named || (in_force && strcmp(in_force, candidates[i]) == 0);
		good = conf_read(candidates[i], needed, take_line, into, &read, why, why_size);
		if (read)
			*file = copy(candidates[i]);
	}
	free(own);
	return good;
}

/* ---- the layers, one over the other */

static void read_environment(struct layer *into)
{
	for (int i = 0; i < ROWS; i++) {
		char name[64];
		variable_name(&rows[i], name);
		const char *value = getenv(name);
		if (value)
			say(&into->of[i], value, name);
	}
}

/* "PERSISTD_MAX_LINES=5000": what stands before the = is no setting's name. */
static void warn_of_variable(const char *variable)
{
	static const char prefix[] = "PERSISTD_";
	char name[64], key[64] = "", meant[64] = "";
	const char *near;
	snprintf(name, sizeof name, "%.*s", (int)strcspn(variable, "="), variable);
	if (strncmp(name, prefix, strlen(prefix)) != 0 || strcmp(name, "PERSISTD_CONFIG") == 0)
		return;
	for (int i = 0; i < ROWS; i++) {
		char known[64];
		variable_name(&rows[i], known);
		if (strcmp(name, known) == 0)
			return;
	}
	for (size_t i = 0; name[strlen(prefix) + i]; i++)
		key[i] = (char)tolower((unsigned char)name[strlen(prefix) + i]);
	if ((near = near_key(key)))
		variable_name(row_of(near), meant);
	else if (fault_did_you_mean(span_of(key), (const char *const[]){"config", NULL}))
		strcpy(meant, "PERSISTD_CONFIG");
	log_warning("%s is no setting and does nothing%s%s%s", name, meant[0] ? "; did you mean " : "", meant,
	            meant[0] ? "?" : "");
}

static void warn_of_environment(void)
{
	for (char **variable = environ; *variable; variable++)
		warn_of_variable(*variable);
}

/* Nothing said: the default. */
static void set_default(struct settings *s, const struct row *row)
{
	char why[128];
	const char *from = "default";
	if (!row->fallback) {
		char **path = (char **)((char *)s + row->offset);
		*path = path == &s->socket ? default_socket(&from) : default_state_dir(&from);
	} else if (!apply(s, row, row->fallback, NULL, why, sizeof why)) {
		abort();
	}
	s->from[row - rows] = copy(from);
}

/* As in systemd's files there are no comments behind a value. */
static bool has_comment(const char *value)
{
	for (size_t i = 0; value[i]; i++)
		if (strchr("#;", value[i]) && (i == 0 || strchr(" \t", value[i - 1])))
			return true;
	return false;
}

/* What is wrong with the text is written behind `why`. */
static bool apply_said(struct settings *s, const struct row *row, const struct said *said, char *why, size_t why_size)
{
	char expected[384] = "expected a path";
	bool file = strchr(said->from, ':') != NULL; /* a flag and a variable name the key themselves */
	bool comment = file && has_comment(said->text);
	struct buf unknown = {0};
	bool good = !(row->kind == PATH && comment) && apply(s, row, said->text, &unknown, expected, sizeof expected);
	if (good && unknown.len)
		log_warning("%s: %s%sthis machine has no %.*s; what is said of it is passed over", said->from, file ? row->key : "",
		            file ? ": " : "", (int)unknown.len, unknown.at);
	buf_free(&unknown);
	if (good)
		return true;
	snprintf(why, why_size, "%s: %s%s%s%s", said->from, file ? row->key : "", file ? ": " : "", expected,
	         comment ? " (a comment stands on a line of its own)" : "");
	return false;
}

static bool fill(struct settings *s, const struct layer *const layers[3], char *why, size_t why_size)
{
	for (int i = 0; i < ROWS; i++) {
		const struct said *said = NULL;
		for (int l = 0; l < 3 && !said; l++)
			if (layers[l]->of[i].text)
				said = &layers[l]->of[i];
		if (!said) {
			set_default(s, &rows[i]);
			continue;
		}
		s->from[i] = copy(said->from);
		s->said[i] = true;
		if (!apply_said(s, &rows[i], said, why, why_size))
			return false;
	}
	return true;
}

/* The file is read anew; the flags are what they were. `in_force`: the file read before; NULL: none. */
static bool gather(struct settings *s, const struct layer *flags, const char *in_force, char *why, size_t why_size)
{
	struct layer file = {0}, environment = {0};
	const struct layer *const layers[3] = {flags, &environment, &file};
	*s = (struct settings){0};
	read_environment(&environment);
	bool good = find_file(flags, in_force, &file, &s->file, why, why_size) && fill(s, layers, why, why_size);
	if (good && !s->state_dir) {
		snprintf(why, why_size, "--state-dir: expected a path (none of STATE_DIRECTORY, XDG_STATE_HOME and HOME is set)");
		good = false;
	}
	layer_free(&file);
	layer_free(&environment);
	return good;
}

void settings_free(struct settings *s)
{
	free(s->socket);
	free(s->socket_group);
	free(s->state_dir);
	roles_free(&s->roles);
	for (int i = 0; i < ROWS; i++)
		free(s->from[i]);
	free(s->file);
	if (s->flags)
		layer_free(s->flags);
	free(s->flags);
	*s = (struct settings){0};
}

/* ---- a row's value as text, for comparing and printing */

static void show_roles(struct buf *out, const struct roles *r, enum role role)
{
	size_t start = out->len;
	for (size_t i = 0; i < r->count; i++) {
		const struct role_rule *rule = &r->rules[i];
		if (rule->role != role)
			continue;
		buf_text(out, out->len > start ? " " : "");
		if (rule->who == ROLE_EVERYONE)
			buf_char(out, '*');
		else
			buf_printf(out, "%s%u", rule->who == ROLE_GROUP ? "@" : "", rule->id);
	}
}

static void show(struct buf *out, const struct settings *s, const struct row *row)
{
	const void *at = (const char *)s + row->offset;
	switch (row->kind) {
	case PATH: case GROUP: buf_text(out, *(char *const *)at); break;
	case WHOLE: buf_uint(out, *(const uint64_t *)at); break;
	case MODE: case DIR_MODE: buf_printf(out, "%04o", *(const mode_t *)at); break;
	case LEVEL: buf_text(out, log_level_name(*(const enum log_level *)at)); break;
	case DAYS:
		if (*(const double *)at == RETENTION_OFF)
			buf_text(out, "off");
		else if (*(const double *)at != RETENTION_UNSET)
			buf_printf(out, "%.15g", *(const double *)at);
		break;
	case ROLE: show_roles(out, &s->roles, row->role); break;
	}
}

const char *settings_from(const struct settings *s, const char *key)
{
	const struct row *row = row_of(key);
	assert(row);
	return s->said[row - rows] ? s->from[row - rows] : NULL;
}

void settings_print(const struct settings *s, FILE *to)
{
	const char *section = "";
	fprintf(to, "# %s\n", s->file ? s->file : "no configuration file");
	for (int i = 0; i < ROWS; i++) {
		struct buf line = {0};
		if (strcmp(section, rows[i].section) != 0)
			fprintf(to, "\n[%s]\n", rows[i].section);
		section = rows[i].section;
		buf_printf(&line, "%s = ", rows[i].key);
		show(&line, s, &rows[i]);
		fprintf(to, "# %s\n%.*s\n", s->from[i], (int)line.len, line.at);
		buf_free(&line);
	}
}

/* ---- reloading */

static bool same(const struct settings *a, const struct settings *b, const struct row *row)
{
	struct buf one = {0}, other = {0};
	show(&one, a, row);
	show(&other, b, row);
	bool equal = span_is(buf_as_span(&one), buf_as_span(&other));
	buf_free(&one);
	buf_free(&other);
	return equal;
}

static void name_row(struct buf *out, const struct row *row)
{
	buf_printf(out, "%s%s", out->len ? ", " : "", row->key);
}

static void take_value(struct settings *s, struct settings *fresh, const struct row *row)
{
	char *from = s->from[row - rows];
	s->said[row - rows] = fresh->said[row - rows];
	s->from[row - rows] = fresh->from[row - rows];
	fresh->from[row - rows] = from;
	switch (row->kind) {
	case WHOLE: memcpy((char *)s + row->offset, (char *)fresh + row->offset, sizeof(uint64_t)); break;
	case DAYS: memcpy((char *)s + row->offset, (char *)fresh + row->offset, sizeof(double)); break;
	case LEVEL: memcpy((char *)s + row->offset, (char *)fresh + row->offset, sizeof(enum log_level)); break;
	case ROLE: break; /* all of them together */
	case PATH: case GROUP: case MODE: case DIR_MODE: abort(); /* none of these is live */
	}
}

bool settings_reload(struct settings *s, char *why, size_t why_size, struct buf *changed, struct buf *restart)
{
	struct settings fresh;
	if (!gather(&fresh, s->flags, s->file, why, why_size)) {
		settings_free(&fresh);
		return false;
	}
	for (int i = 0; i < ROWS; i++) {
		if (!same(s, &fresh, &rows[i]))
			name_row(rows[i].live ? changed : restart, &rows[i]);
		if (rows[i].live)
			take_value(s, &fresh, &rows[i]);
	}
	struct roles roles = s->roles;
	s->roles = fresh.roles;
	fresh.roles = roles;
	char *file = s->file;
	s->file = fresh.file;
	fresh.file = file;
	settings_free(&fresh);
	return true;
}

/* ---- the command line */

enum { KEY_CONFIG = 256, KEY_CHECK, KEY_PRINT, KEY_HELP, KEY_VERSION, KEY_ROWS };

static void print_help(void)
{
	const char *section = "";
	printf("Usage: persistd [OPTION]...\n"
	       "Keeps jobs and runs for the programs of this machine: JSON-RPC 2.0 lines on a Unix socket, JSON "
	       "files on disk.\n"
	       "\n"
	       "  --config FILE        what to read instead of $XDG_CONFIG_HOME/persistd/persistd.conf\n"
	       "                       (~/.config where that is unset), or %s for the machine's daemon\n"
	       "  --print-config       print what is in force and where each value comes from, and exit\n"
	       "  --check              validate the files of the state directory and exit: 0 sound, 1 findings\n"
	       "  --help, --version\n"
	       "\n"
	       "Each of the following is also a key of the configuration file (max_line) and an environment variable\n"
	       "(PERSISTD_MAX_LINE). The flag is the strongest, then the variable, then the file. * changes with SIGHUP.\n",
	       machine_file);
	for (int i = 0; i < ROWS; i++) {
		char name[64];
		flag_name(&rows[i], name);
		if (strcmp(section, rows[i].section) != 0)
			printf("\n[%s]\n", rows[i].section);
		section = rows[i].section;
		printf(" %c%s %-*s %s", rows[i].live ? '*' : ' ', name, 36 - (int)strlen(name), rows[i].argument,
		       rows[i].prose);
		printf(rows[i].fallback && rows[i].fallback[0] ? " (default %s)\n" : "\n", rows[i].fallback);
	}
	printf("\n"
	       "Unless it is said, the socket is the one that the service manager passes, else\n"
	       "$XDG_RUNTIME_DIR/persistd/persistd.sock, else /tmp/persistd-<uid>/persistd.sock; the state directory is\n"
	       "$STATE_DIRECTORY (systemd sets it), else $XDG_STATE_HOME/persistd, else ~/.local/state/persistd.\n"
	       "\n"
	       "SIGTERM and SIGINT finish what is in flight, fold and exit 0. SIGHUP reads the configuration file again.\n"
	       "Exit status: 0 stopped; 1 the start was refused (the last line on stderr says why); 64 wrong usage\n"
	       "or configuration; 71 out of memory.\n");
}

static enum settings_command usage(int *status)
{
	fprintf(stderr, "Try persistd --help.\n");
	*status = EXIT_USAGE;
	return SETTINGS_EXIT;
}

static enum settings_command read_flags(struct layer *flags, int argc, char **argv, int *status)
{
	static char names[SETTINGS_MAX][64];
	struct option longs[ROWS + 6] = {
		{"config", required_argument, NULL, KEY_CONFIG}, {"check", no_argument, NULL, KEY_CHECK},
		{"print-config", no_argument, NULL, KEY_PRINT}, {"help", no_argument, NULL, KEY_HELP},
		{"version", no_argument, NULL, KEY_VERSION},
	};
	enum settings_command command = SETTINGS_RUN;
	for (int i = 0; i < ROWS; i++) {
		flag_name(&rows[i], names[i]);
		longs[5 + i] = (struct option){names[i] + 2, required_argument, NULL, KEY_ROWS + i};
	}
	for (int key; (key = getopt_long(argc, argv, "hV", longs, NULL)) != -1;) {
		if (key == '?')
			return usage(status);
		if (key == KEY_HELP || key == 'h') {
			print_help();
			return SETTINGS_EXIT;
		}
		if (key == KEY_VERSION || key == 'V') {
			printf("persistd %s\n", PERSISTD_VERSION);
			return SETTINGS_EXIT;
		}
		if (key == KEY_CHECK || key == KEY_PRINT) {
			command = key == KEY_CHECK ? SETTINGS_CHECK : SETTINGS_PRINT;
		} else if (key == KEY_CONFIG) {
			free(flags->config);
			flags->config = copy(optarg);
		} else {
			say(&flags->of[key - KEY_ROWS], optarg, names[key - KEY_ROWS]);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "persistd: unexpected argument: %s\n", argv[optind]);
		return usage(status);
	}
	return command;
}

enum settings_command settings_read(struct settings *s, int argc, char **argv, int *status)
{
	char why[1024];
	struct layer *flags = mem_zero(sizeof *flags);
	*s = (struct settings){0};
	*status = 0;
	enum settings_command command = read_flags(flags, argc, argv, status);
	if (command != SETTINGS_EXIT && !gather(s, flags, NULL, why, sizeof why)) {
		fprintf(stderr, "persistd: %s\n", why);
		command = usage(status);
	}
	s->flags = flags;
	if (command == SETTINGS_EXIT)
		settings_free(s);
	else
		warn_of_environment();
	return command;
}
