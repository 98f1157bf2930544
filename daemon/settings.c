#include "daemon/settings.h"
#include "daemon/conf_file.h"
#include "proto/mem.h"
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- the table */

enum kind {
	TEXT,
	WHOLE,  /* uint64_t, with K, M, G for powers of 1024 */
	MODE,   /* mode_t, octal */
	LEVEL,  /* enum log_level */
	DAYS,   /* double; "off" */
	ROLE,   /* adds rules of `role` to roles */
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
	{"daemon", "socket", TEXT, MEMBER(socket), .argument = "PATH", .prose = "where clients connect"},
	{"daemon", "socket_mode", MODE, MEMBER(socket_mode), .max = 0777, .fallback = "0660", .argument = "MODE",
	 .prose = "the socket's mode"},
	{"daemon", "socket_group", TEXT, MEMBER(socket_group), .fallback = "", .argument = "GROUP",
	 .prose = "the socket's group; its members may write"},
	{"daemon", "state_dir", TEXT, MEMBER(state_dir), .argument = "DIR", .prose = "where records are kept"},
	{"daemon", "state_dir_mode", MODE, MEMBER(state_dir_mode), .min = 0700, .max = 0755, .fallback = "0700",
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
#define KEEP(name, member, prose_) \
	{"retention", name, DAYS, MEMBER(retention.member), .fallback = "off", .live = true, .argument = "DAYS", .prose = prose_}
	KEEP("job_retention_days", job_days, "ended jobs are removed after so many days"),
	KEEP("job_retention_days_completed", job_status_days[0], "the same for completed jobs alone"),
	KEEP("job_retention_days_failed", job_status_days[1], "the same for failed jobs"),
	KEEP("job_retention_days_cancelled", job_status_days[2], "the same for cancelled jobs"),
	KEEP("run_retention_days", run_days, "ended runs and their artifacts are removed after so many days"),
	KEEP("run_retention_days_succeeded", run_status_days[0], "the same for succeeded runs alone"),
	KEEP("run_retention_days_failed", run_status_days[1], "the same for failed runs"),
	KEEP("run_retention_days_cancelled", run_status_days[2], "the same for cancelled runs"),
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

static bool take_line(void *context, const struct conf_line *line, char *why, size_t why_size)
{
	struct layer *into = context;
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

static bool read_days(const char *text, double *days)
{
	char *end;
	if (strcmp(text, "off") == 0) {
		*days = RETENTION_OFF;
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

/* What is wrong with the text is written behind `why`. */
static bool apply(struct settings *s, const struct row *row, const char *text, char *why, size_t why_size)
{
	void *to = (char *)s + row->offset;
	uint64_t whole;
	mode_t mode;
	switch (row->kind) {
	case TEXT:
		free(*(char **)to);
		*(char **)to = copy(text);
		return true;
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
	case LEVEL:
		if (log_level_from(text, to))
			return true;
		snprintf(why, why_size, "expected error, warning, info or debug");
		return false;
	case DAYS:
		if (read_days(text, to))
			return true;
		snprintf(why, why_size, "expected a number of days, or off");
		return false;
	case ROLE:
		return roles_add(&s->roles, row->role, text, why, why_size);
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

/* The same rule as the client's (client/where.h). */
static char *default_socket(void)
{
	const char *runtime = absolute("XDG_RUNTIME_DIR");
	char *path;
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

static const char machine_file[] = MACHINE_FILE;
enum { SYSTEM_USERS = 1000 }; /* below it: root and the accounts of services (Debian's SYS_UID_MAX) */

/* The file that was named, else the user's own, else the machine's: that is for the machine's daemon, and what it says
 * of roles would lock people out of their own. */
static bool find_file(const struct layer *flags, struct layer *into, char **file, char *why, size_t why_size)
{
	const char *named = flags->config ? flags->config : getenv("PERSISTD_CONFIG");
	bool read = false, good = true;
	char *own = home_path("XDG_CONFIG_HOME", "/.config", "/persistd/persistd.conf");
	const char *candidates[] = {own, geteuid() < SYSTEM_USERS ? machine_file : NULL};
	if (named && named[0]) {
		good = conf_read(named, true, take_line, into, &read, why, why_size);
		candidates[0] = named;
		if (read)
			*file = copy(named);
	} else {
		for (int i = 0; i < 2 && good && !read; i++) {
			if (!candidates[i])
				continue;
			good = conf_read(candidates[i], false, take_line, into, &read, why, why_size);
			if (read)
				*file = copy(candidates[i]);
		}
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

/* Nothing said: the default. */
static void set_default(struct settings *s, const struct row *row)
{
	char why[128];
	if (!row->fallback) {
		char **path = (char **)((char *)s + row->offset);
		*path = row->offset == offsetof(struct settings, socket) ? default_socket()
		        : home_path("XDG_STATE_HOME", "/.local/state", "/persistd");
	} else if (!apply(s, row, row->fallback, why, sizeof why)) {
		abort();
	}
	s->from[row - rows] = copy("default");
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
		char expected[384];
		s->from[i] = copy(said->from);
		if (!apply(s, &rows[i], said->text, expected, sizeof expected)) {
			bool file = strchr(said->from, ':') != NULL; /* a flag and a variable name the key themselves */
			snprintf(why, why_size, "%s: %s%s%s", said->from, file ? rows[i].key : "", file ? ": " : "", expected);
			return false;
		}
	}
	return true;
}

/* What no single row can judge. */
static bool fits(const struct settings *s, char *why, size_t why_size)
{
	if (!s->socket[0])
		snprintf(why, why_size, "--socket: expected a path");
	else if (!s->state_dir || !s->state_dir[0])
		snprintf(why, why_size, "--state-dir: expected a path (neither XDG_STATE_HOME nor HOME is set)");
	else if (s->state_dir_mode != 0700 && s->state_dir_mode != 0750 && s->state_dir_mode != 0755)
		snprintf(why, why_size, "%s: state_dir_mode: expected 0700, 0750 or 0755", s->from[4]);
	else
		return true;
	return false;
}

/* The file is read anew; the flags are what they were. */
static bool gather(struct settings *s, const struct layer *flags, char *why, size_t why_size)
{
	struct layer file = {0}, environment = {0};
	const struct layer *const layers[3] = {flags, &environment, &file};
	*s = (struct settings){0};
	read_environment(&environment);
	bool good = find_file(flags, &file, &s->file, why, why_size) && fill(s, layers, why, why_size) &&
		fits(s, why, why_size);
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
	case TEXT: buf_text(out, *(char *const *)at); break;
	case WHOLE: buf_uint(out, *(const uint64_t *)at); break;
	case MODE: buf_printf(out, "%04o", *(const mode_t *)at); break;
	case LEVEL: buf_text(out, log_level_name(*(const enum log_level *)at)); break;
	case DAYS:
		if (*(const double *)at < 0)
			buf_text(out, "off");
		else
			buf_printf(out, "%.15g", *(const double *)at);
		break;
	case ROLE: show_roles(out, &s->roles, row->role); break;
	}
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
	s->from[row - rows] = fresh->from[row - rows];
	fresh->from[row - rows] = from;
	switch (row->kind) {
	case WHOLE: memcpy((char *)s + row->offset, (char *)fresh + row->offset, sizeof(uint64_t)); break;
	case DAYS: memcpy((char *)s + row->offset, (char *)fresh + row->offset, sizeof(double)); break;
	case LEVEL: memcpy((char *)s + row->offset, (char *)fresh + row->offset, sizeof(enum log_level)); break;
	case ROLE: break; /* all of them together */
	case TEXT: case MODE: abort(); /* none of these is live */
	}
}

bool settings_reload(struct settings *s, char *why, size_t why_size, struct buf *changed, struct buf *restart)
{
	struct settings fresh;
	if (!gather(&fresh, s->flags, why, why_size)) {
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
	       "The socket is $XDG_RUNTIME_DIR/persistd/persistd.sock unless it is said, else\n"
	       "/tmp/persistd-<uid>/persistd.sock; the state directory $XDG_STATE_HOME/persistd, else\n"
	       "~/.local/state/persistd.\n"
	       "\n"
	       "SIGTERM and SIGINT finish what is in flight, fold and exit 0. SIGHUP reads the configuration file again.\n"
	       "Exit status: 0 stopped; 64 wrong usage. The start was refused, and the last line on stderr says why:\n"
	       "65 a file of the state directory cannot be read; 75 the state directory or the socket cannot be had, and\n"
	       "that may mend itself; 78 a setting is wrong. 71 out of memory. --check: 0 sound, 1 findings.\n");
}

static enum settings_command usage(int *status)
{
	fprintf(stderr, "Try persistd --help.\n");
	*status = EX_USAGE;
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
	if (command != SETTINGS_EXIT && !gather(s, flags, why, sizeof why)) {
		fprintf(stderr, "persistd: %s\n", why);
		command = usage(status);
		*status = EX_CONFIG;
	}
	s->flags = flags;
	if (command == SETTINGS_EXIT)
		settings_free(s);
	return command;
}
