#include "daemon/settings.h"
#include "daemon/conf_file.h"
#include "daemon/notify.h"
#include "daemon/setting.h"
#include "proto/mem.h"
#include <assert.h>
#include <ctype.h>
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

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
	for (int i = 0; i < setting_count; i++)
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

/* Lists grow with each line, as in systemd's files. */
static void take(struct said *s, const struct setting *row, const char *value, const char *from)
{
	char *longer = NULL;
	bool grows = row->kind == SETTING_ROLE && s->text && value[0];
	if (grows && asprintf(&longer, "%s %s", s->text, value) < 0)
		mem_gone();
	say(s, grows ? longer : value, from);
	free(longer);
}

static bool section_is_known(const char *section, char *why, size_t why_size)
{
	const char *near;
	if (setting_section(section, &near))
		return true;
	snprintf(why, why_size, "there is no section [%.64s]%s%s%s", section, near ? "; did you mean [" : "",
	         near ? near : "", near ? "]?" : "");
	return false;
}

static bool take_line(void *context, const struct conf_line *line, char *why, size_t why_size)
{
	struct layer *into = context;
	if (!line->key)
		return section_is_known(line->section, why, why_size);
	const struct setting *row = setting_named(line->key);
	if (!row) {
		const struct setting *near = setting_near(line->key);
		snprintf(why, why_size, "there is no key %.64s%s%s%s", line->key, near ? "; did you mean " : "",
		         near ? near->key : "", near ? "?" : "");
		return false;
	}
	if (strcmp(line->section, row->section) != 0) {
		snprintf(why, why_size, "%s belongs under [%s]", line->key, row->section);
		return false;
	}
	take(&into->of[row - settings_table], row, line->value, line->place);
	return true;
}

/* ---- where things are when nobody says */

static char *join(const char *a, const char *b)
{
	char *path;
	if (asprintf(&path, "%s%s", a, b) < 0)
		mem_gone();
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
		mem_gone();
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
		mem_gone();
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

static const char machine_file[] = MACHINE_FILE;
enum { SYSTEM_USERS = 1000 }; /* below it: root and the accounts of services (Debian's SYS_UID_MAX) */

/* The file that was named, else the user's own, else the machine's: that is for the machine's daemon, and what it
 * says of roles would lock people out of their own. The file in force has to be there: gone, it has not been
 * emptied. */
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
	for (int i = 0; i < setting_count; i++) {
		char name[SETTING_NAME];
		setting_variable(&settings_table[i], name);
		const char *value = getenv(name);
		if (value)
			say(&into->of[i], value, name);
	}
}

/* "PERSISTD_MAX_LINES=5000": what stands before the = is no setting's name. */
static void warn_of_variable(const char *variable)
{
	static const char prefix[] = "PERSISTD_";
	char name[SETTING_NAME], key[SETTING_NAME] = "", meant[SETTING_NAME] = "";
	snprintf(name, sizeof name, "%.*s", (int)strcspn(variable, "="), variable);
	if (strncmp(name, prefix, strlen(prefix)) != 0 || strcmp(name, "PERSISTD_CONFIG") == 0)
		return;
	for (int i = 0; i < setting_count; i++) {
		char known[SETTING_NAME];
		setting_variable(&settings_table[i], known);
		if (strcmp(name, known) == 0)
			return;
	}
	for (size_t i = 0; name[strlen(prefix) + i]; i++)
		key[i] = (char)tolower((unsigned char)name[strlen(prefix) + i]);
	const struct setting *near = setting_near(key);
	if (near)
		setting_variable(near, meant);
	else if (fault_did_you_mean(span_of(key), (const char *const[]){"config", NULL}))
		strcpy(meant, "PERSISTD_CONFIG");
	if (meant[0])
		log_warning("%s is no setting and does nothing; did you mean %s?", name, meant);
	else
		log_warning("%s is no setting and does nothing", name);
}

static void warn_of_environment(void)
{
	for (char **variable = environ; *variable; variable++)
		warn_of_variable(*variable);
}

/* Nothing said: the default. */
static void set_default(struct settings *s, const struct setting *row)
{
	char why[128];
	const char *from = "default";
	if (!row->fallback) {
		char **path = (char **)((char *)s + row->offset);
		*path = path == &s->socket ? default_socket(&from) : default_state_dir(&from);
	} else if (!setting_apply(s, row, row->fallback, NULL, why, sizeof why)) {
		mem_gone();
	}
	s->from[row - settings_table] = copy(from);
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
static bool apply_said(struct settings *s, const struct setting *row, const struct said *said, char *why, size_t why_size)
{
	char expected[384] = "expected a path";
	bool file = strchr(said->from, ':') != NULL; /* a flag and a variable name the key themselves */
	bool comment = file && has_comment(said->text);
	struct buf unknown = {0};
	bool good = !(row->kind == SETTING_PATH && comment) &&
	            setting_apply(s, row, said->text, &unknown, expected, sizeof expected);
	if (good && unknown.len)
		log_warning("%s: %s: this machine has no %.*s; what is said of it is passed over", said->from, row->key,
		            (int)unknown.len, unknown.at);
	buf_free(&unknown);
	if (good)
		return true;
	snprintf(why, why_size, "%s: %s%s%s%s", said->from, file ? row->key : "", file ? ": " : "", expected,
	         comment ? " (a comment stands on a line of its own)" : "");
	return false;
}

/* A line that something stronger wins over is judged all the same: it would be in force when that goes. */
static bool judge(const struct setting *row, const struct said *said, char *why, size_t why_size)
{
	struct settings nobody_s = {0};
	bool good = !said->text || apply_said(&nobody_s, row, said, why, why_size);
	settings_free(&nobody_s);
	return good;
}

/* `layers`: the flags, the environment and the file. */
static bool fill(struct settings *s, const struct layer *const layers[3], char *why, size_t why_size)
{
	for (int i = 0; i < setting_count; i++) {
		const struct said *said = NULL;
		for (int l = 0; l < 3 && !said; l++)
			if (layers[l]->of[i].text)
				said = &layers[l]->of[i];
		if (!said) {
			set_default(s, &settings_table[i]);
			continue;
		}
		s->from[i] = copy(said->from);
		s->said[i] = true;
		if (!apply_said(s, &settings_table[i], said, why, why_size))
			return false;
		if (said != &layers[2]->of[i] && !judge(&settings_table[i], &layers[2]->of[i], why, why_size))
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
	for (int i = 0; i < setting_count; i++)
		free(s->from[i]);
	free(s->file);
	free(s->salvage);
	if (s->flags)
		layer_free(s->flags);
	free(s->flags);
	*s = (struct settings){0};
}

const char *settings_from(const struct settings *s, const char *key)
{
	const struct setting *row = setting_named(key);
	assert(row);
	return s->said[row - settings_table] ? s->from[row - settings_table] : NULL;
}

void settings_print(const struct settings *s, FILE *to)
{
	const char *section = "";
	fprintf(to, "# %s\n", s->file ? s->file : "no configuration file");
	for (int i = 0; i < setting_count; i++) {
		struct buf line = {0};
		if (strcmp(section, settings_table[i].section) != 0)
			fprintf(to, "\n[%s]\n", settings_table[i].section);
		section = settings_table[i].section;
		buf_printf(&line, "%s = ", settings_table[i].key);
		setting_show(&line, s, &settings_table[i]);
		fprintf(to, "# %s\n%.*s\n", s->from[i], (int)line.len, line.at);
		buf_free(&line);
	}
}

/* ---- reloading */

static void name_row(struct buf *out, const struct setting *row)
{
	buf_printf(out, "%s%s", out->len ? ", " : "", row->key);
}

static void take_value(struct settings *s, struct settings *fresh, int i)
{
	char *from = s->from[i];
	s->from[i] = fresh->from[i];
	fresh->from[i] = from;
	s->said[i] = fresh->said[i];
	setting_take(s, fresh, &settings_table[i]);
}

bool settings_reload(struct settings *s, char *why, size_t why_size, struct buf *changed, struct buf *restart)
{
	struct settings fresh;
	if (!gather(&fresh, s->flags, s->file, why, why_size)) {
		settings_free(&fresh);
		return false;
	}
	for (int i = 0; i < setting_count; i++) {
		if (!setting_same(s, &fresh, &settings_table[i]))
			name_row(settings_table[i].live ? changed : restart, &settings_table[i]);
		if (settings_table[i].live)
			take_value(s, &fresh, i);
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

enum { KEY_CONFIG = 256, KEY_CHECK, KEY_SALVAGE, KEY_PRINT, KEY_HELP, KEY_VERSION, KEY_ROWS };

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
	       "  --salvage NEW_DIR    write what can be read of the state directory into a new one, list what cannot, and exit:\n"
	       "                       0 all is saved, 1 something is lost, 2 nothing was written\n"
	       "  --help, --version\n"
	       "\n"
	       "Each of the following is also a key of the configuration file (max_line) and an environment variable\n"
	       "(PERSISTD_MAX_LINE). The flag is the strongest, then the variable, then the file. * changes with SIGHUP.\n",
	       machine_file);
	for (int i = 0; i < setting_count; i++) {
		char name[SETTING_NAME];
		setting_flag(&settings_table[i], name);
		if (strcmp(section, settings_table[i].section) != 0)
			printf("\n[%s]\n", settings_table[i].section);
		section = settings_table[i].section;
		printf(" %c%s %-*s %s", settings_table[i].live ? '*' : ' ', name, 36 - (int)strlen(name), settings_table[i].argument,
		       settings_table[i].prose);
		const char *fallback = settings_table[i].fallback;
		printf(fallback && fallback[0] ? " (default %s)\n" : "\n", fallback);
	}
	printf("\n"
	       "Unless it is said, the socket is the one that the service manager passes, else\n"
	       "$XDG_RUNTIME_DIR/persistd/persistd.sock, else /tmp/persistd-<uid>/persistd.sock; the state directory is\n"
	       "$STATE_DIRECTORY (systemd sets it), else $XDG_STATE_HOME/persistd, else ~/.local/state/persistd.\n"
	       "\n"
	       "SIGTERM and SIGINT finish what is in flight, fold and exit 0. SIGHUP reads the configuration file again.\n"
	       "Exit status: 0 stopped; 64 wrong usage. The start was refused, and the last line on stderr says why:\n"
	       "65 a file of the state directory cannot be read; 75 the state directory or the socket cannot be had, and\n"
	       "that may mend itself; 78 a setting is wrong. 71 out of memory. --check: 0 sound, 1 findings.\n"
	       "--salvage: 0 all is saved, 1 something is lost or not certain, 2 nothing was written.\n");
}

static enum settings_command usage(int *status)
{
	fprintf(stderr, "Try persistd --help.\n");
	*status = EX_USAGE;
	return SETTINGS_EXIT;
}

static enum settings_command read_flags(struct layer *flags, char **salvage, int argc, char **argv, int *status)
{
	static char names[SETTINGS_MAX][SETTING_NAME];
	enum { FIXED = 6 };
	struct option longs[SETTINGS_MAX + FIXED + 1] = {
		{"config", required_argument, NULL, KEY_CONFIG}, {"check", no_argument, NULL, KEY_CHECK},
		{"salvage", required_argument, NULL, KEY_SALVAGE},
		{"print-config", no_argument, NULL, KEY_PRINT}, {"help", no_argument, NULL, KEY_HELP},
		{"version", no_argument, NULL, KEY_VERSION},
	};
	enum settings_command command = SETTINGS_RUN;
	for (int i = 0; i < setting_count; i++) {
		setting_flag(&settings_table[i], names[i]);
		longs[FIXED + i] = (struct option){names[i] + 2, required_argument, NULL, KEY_ROWS + i};
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
		} else if (key == KEY_SALVAGE) {
			free(*salvage);
			*salvage = copy(optarg);
			command = SETTINGS_SALVAGE;
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
	char *salvage = NULL;
	enum settings_command command = read_flags(flags, &salvage, argc, argv, status);
	if (command != SETTINGS_EXIT && !gather(s, flags, NULL, why, sizeof why)) {
		log_error("wrong setting: %s", why);
		command = usage(status);
		*status = EX_CONFIG;
	}
	s->flags = flags;
	s->salvage = salvage;
	if (command == SETTINGS_EXIT)
		settings_free(s);
	else
		warn_of_environment();
	return command;
}
