#include "daemon/settings.h"
#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"
#include <getopt.h>
#include <string.h>

static struct settings settings;
static struct scratch scratch;
static char file[384], why[1024];
static int status;

static void set_up(void)
{
	scratch_make(&scratch);
	scratch_path(&scratch, "persistd.conf", file, sizeof file);
	setenv("HOME", scratch.path, 1); /* whoever runs this may have none, or a configuration */
	setenv("PERSISTD_CONFIG", "/dev/null", 1);
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("PERSISTD_SOCKET");
	unsetenv("STATE_DIRECTORY");
}

static void tear_down(void)
{
	settings_free(&settings);
	scratch_remove(&scratch);
}

static enum settings_command parse(int count, const char **arguments)
{
	settings_free(&settings);
	optind = 0; /* glibc: start anew */
	return settings_read(&settings, count, (char **)arguments, &status);
}
#define ARGUMENTS(...) (int)(sizeof (const char *[]){"persistd", __VA_ARGS__} / sizeof(char *)), (const char *[]){"persistd", __VA_ARGS__, NULL}
#define PARSE(...) (parse(ARGUMENTS(__VA_ARGS__)) != SETTINGS_EXIT)

static void configure(const char *text)
{
	scratch_write(&scratch, "persistd.conf", span_of(text));
	setenv("PERSISTD_CONFIG", file, 1);
}

/* What is said on stderr at a start with these flags (NULL: fewer). */
static const char *said_at(const char *flag, const char *value, bool *taken)
{
	static char said[4096];
	const char *arguments[] = {"persistd", flag, value, NULL};
	fflush(stderr);
	int kept = dup(STDERR_FILENO);
	FILE *out = tmpfile();
	dup2(fileno(out), STDERR_FILENO);
	*taken = parse(value ? 3 : 2, arguments) != SETTINGS_EXIT;
	fflush(stderr);
	dup2(kept, STDERR_FILENO);
	close(kept);
	rewind(out);
	said[fread(said, 1, sizeof said - 1, out)] = '\0';
	fclose(out);
	return said;
}

static const char *complaint(const char *flag, const char *value)
{
	bool taken;
	const char *said = said_at(flag, value, &taken);
	ck_assert_msg(!taken, "taken: %s %s", flag, value ? value : "");
	ck_assert_int_eq(status, EX_CONFIG);
	return said;
}

static const char *refusal_of(const char *text)
{
	configure(text);
	return complaint("--check", NULL);
}

static void expect_refusal(const char *text, const char *words)
{
	const char *said = refusal_of(text);
	ck_assert_msg(strstr(said, words), "%s\nsaid: %s\nwanted: %s", text, said, words);
}

/* What --print-config prints; free() it. */
static char *printed(void)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	settings_print(&settings, out);
	fclose(out);
	return text;
}

/* False: refused, and nothing has changed. */
static bool reload_works(void)
{
	struct buf changed = {0}, restart = {0};
	bool good = settings_reload(&settings, why, sizeof why, &changed, &restart);
	if (!good)
		ck_assert_uint_eq(changed.len + restart.len, 0);
	buf_free(&changed);
	buf_free(&restart);
	return good;
}

START_TEST(paths_come_from_the_flags_then_from_xdg_then_from_home)
{
	ck_assert(PARSE("--socket", "/a/b", "--state-dir=/c"));
	ck_assert_str_eq(settings.socket, "/a/b");
	ck_assert_str_eq(settings.state_dir, "/c");
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	setenv("XDG_STATE_HOME", "/state", 1);
	ck_assert(PARSE("--log-level", "debug"));
	ck_assert_str_eq(settings.socket, "/run/user/7/persistd/persistd.sock");
	ck_assert_str_eq(settings.state_dir, "/state/persistd");
	ck_assert_int_eq(settings.log_level, LOG_LEVEL_DEBUG);
	unsetenv("XDG_STATE_HOME");
	setenv("HOME", "/home/x", 1);
	ck_assert_int_eq(parse(ARGUMENTS("--check")), SETTINGS_CHECK);
	ck_assert_int_eq(parse(ARGUMENTS("--salvage", "/srv/saved")), SETTINGS_SALVAGE);
	ck_assert_str_eq(settings.salvage, "/srv/saved");
	ck_assert_str_eq(settings.state_dir, "/home/x/.local/state/persistd");
}
END_TEST

START_TEST(below_a_unit_the_state_directory_is_systemd_s_unless_it_is_said)
{
	configure("");
	setenv("STATE_DIRECTORY", "/var/lib/persistd:/var/lib/other", 1);
	ck_assert(PARSE("--check"));
	ck_assert_str_eq(settings.state_dir, "/var/lib/persistd");
	char *text = printed();
	ck_assert_msg(strstr(text, "# STATE_DIRECTORY\nstate_dir = /var/lib/persistd\n"), "%s", text);
	free(text);
	ck_assert_ptr_null(settings_from(&settings, "state_dir"));
	configure("[daemon]\nstate_dir = /srv/jobs\n");
	ck_assert(PARSE("--check"));
	ck_assert_str_eq(settings.state_dir, "/srv/jobs");
	ck_assert_msg(strstr(settings_from(&settings, "state_dir"), "persistd.conf:2"), "%s", settings_from(&settings, "state_dir"));
	configure("");
	setenv("XDG_STATE_HOME", "/state", 1);
	setenv("STATE_DIRECTORY", "", 1);
	ck_assert(PARSE("--check"));
	ck_assert_str_eq(settings.state_dir, "/state/persistd");
	setenv("STATE_DIRECTORY", "/one", 1);
	ck_assert(PARSE("--check"));
	ck_assert_str_eq(settings.state_dir, "/one");
}
END_TEST

START_TEST(flags_that_are_none_are_refused_with_status_64_and_wrong_values_with_78)
{
	ck_assert(!PARSE("--nonsense"));
	ck_assert_int_eq(status, EX_USAGE);
	ck_assert(!PARSE("--log-level", "loud"));
	ck_assert_int_eq(status, EX_CONFIG);
	ck_assert(!PARSE("extra"));
	ck_assert_int_eq(status, EX_USAGE);
	ck_assert(!PARSE("--socket", ""));
	ck_assert_int_eq(status, EX_CONFIG);
	ck_assert(!PARSE("--config", "/nonexistent/persistd.conf"));
	ck_assert_int_eq(status, EX_CONFIG);
}
END_TEST

START_TEST(limits_outside_their_bounds_are_refused)
{
	ck_assert(PARSE("--max-line", "4096", "--max-calls=7", "--max-page", "2M"));
	ck_assert_uint_eq(settings.limits.line, 4096);
	ck_assert_uint_eq(settings.limits.calls, 7);
	ck_assert_uint_eq(settings.limits.page, 2 << 20);
	ck_assert_uint_eq(settings.limits.reply, 16 << 20);
	ck_assert(!PARSE("--max-line", "0"));
	ck_assert(!PARSE("--max-line", "-5"));
	ck_assert(!PARSE("--max-line", "12k"));
	ck_assert(!PARSE("--max-line", "12MB"));
	ck_assert(!PARSE("--max-line", "99999999999999999999999"));
	ck_assert(!PARSE("--max-line", "18014398509481984K")); /* wraps to 0 */
}
END_TEST

START_TEST(help_and_version_end_with_status_0)
{
	ck_assert(!PARSE("--version"));
	ck_assert_int_eq(status, 0);
	ck_assert(!PARSE("-h"));
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(the_flag_wins_over_the_environment_and_that_over_the_file)
{
	configure("[limits]\nmax_calls = 10\nmax_batch=20\nmax_line = 4096\n");
	setenv("PERSISTD_MAX_CALLS", "11", 1);
	setenv("PERSISTD_MAX_LINE", "5000", 1);
	ck_assert(PARSE("--max-calls", "12"));
	ck_assert_uint_eq(settings.limits.calls, 12);
	ck_assert_uint_eq(settings.limits.line, 5000);
	ck_assert_uint_eq(settings.limits.batch_calls, 20);
	ck_assert_uint_eq(settings.limits.connections, 4096);
}
END_TEST

START_TEST(the_user_s_own_file_is_read_where_none_is_named)
{
	unsetenv("PERSISTD_CONFIG");
	char dir[384];
	scratch_path(&scratch, "persistd", dir, sizeof dir);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	scratch_write(&scratch, "persistd/persistd.conf", SPAN("[daemon]\nlog_level=error\n"));
	setenv("XDG_CONFIG_HOME", scratch.path, 1);
	ck_assert(PARSE("--check"));
	ck_assert_int_eq(settings.log_level, LOG_LEVEL_ERROR);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_no_file_that_is_not_there)
{
	if (geteuid() != 0)
		return;
	unsetenv("PERSISTD_CONFIG");
	char dir[384];
	scratch_path(&scratch, "persistd", dir, sizeof dir);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	scratch_write(&scratch, "persistd/persistd.conf", SPAN("[roles]\nrole_none = root\n"));
	setenv("XDG_CONFIG_HOME", scratch.path, 1);
	ck_assert_int_eq(chmod(scratch.path, 0711) | chmod(dir, 0711), 0);
	scratch_path(&scratch, "persistd/persistd.conf", dir, sizeof dir);
	ck_assert_int_eq(chmod(dir, 0600), 0);
	ck_assert_int_eq(seteuid(65534), 0);
	bool taken = PARSE("--check");
	ck_assert_int_eq(seteuid(0), 0);
	ck_assert(!taken);
	ck_assert_int_eq(status, EX_CONFIG);
}
END_TEST

START_TEST(files_are_written_as_systemd_s_are)
{
	configure("\xef\xbb\xbf# a comment\n; another\n\n[daemon]\r\n  log_level = debug  \nsocket=/a\\\n/b\n"
	          "[roles]\nrole_read = root \\\n  @root\nrole_read=*\n[retention]\njob_retention_days=7.5\nmax_jobs=100K\n");
	ck_assert(PARSE("--check"));
	ck_assert_int_eq(settings.log_level, LOG_LEVEL_DEBUG);
	ck_assert_str_eq(settings.socket, "/a /b");
	ck_assert_uint_eq(settings.roles.count, 3);
	ck_assert_double_eq(settings.retention.job_days, 7.5);
	ck_assert_double_eq(settings.retention.run_days, RETENTION_OFF);
	ck_assert_uint_eq(settings.retention.max_jobs, 102400);
}
END_TEST

START_TEST(an_empty_list_forgets_what_the_lines_before_have_said)
{
	configure("[roles]\nrole_read = root\nrole_read =\nrole_read = *\n");
	ck_assert(PARSE("--check"));
	ck_assert_uint_eq(settings.roles.count, 1);
}
END_TEST

START_TEST(what_is_wrong_in_a_file_is_said_with_its_line)
{
	expect_refusal("[limits]\n\nmax_lines = 5000\n", "persistd.conf:3: there is no key max_lines; did you mean max_line?");
	expect_refusal("[limits]\nmax_line = many\n", "persistd.conf:2: max_line: expected a whole number from 1024");
	expect_refusal("[roles]\nmax_line = 5000\n", "persistd.conf:2: max_line belongs under [limits]");
	expect_refusal("max_line = 5000\n", "persistd.conf:1: max_line belongs under [limits]");
	expect_refusal("[limits]\nmax_line = \\\n 5000\nrubbish\n", "persistd.conf:4: expected [section], key = value");
	expect_refusal("# a\n[limits\nmax_line = 5000\n", "persistd.conf:2: expected ] behind the name of the section");
	expect_refusal("[roles]\nrole_read = 99999999999\n", "persistd.conf:2: role_read: expected users");
	expect_refusal("[daemon]\nstate_dir_mode = 0777\n", "persistd.conf:2: state_dir_mode: expected 0700, 0750 or 0755");
	expect_refusal("[daemon]\nstate_dir_mode = 0701\n", "persistd.conf:2: state_dir_mode: expected 0700, 0750 or 0755");
	expect_refusal("[daemon]\nsocket_mode = 1777\n", "persistd.conf:2: socket_mode: expected an octal mode from 0000 to 0777");
	expect_refusal("[daemon]\n\nsocket =\n", "persistd.conf:3: socket: expected a path");
	expect_refusal("[daemon]\nstate_dir = \n", "persistd.conf:2: state_dir: expected a path");
	expect_refusal("[daemon]\nsocket_group = no-such-group-here\n",
	               "persistd.conf:2: socket_group: expected a group; this machine has none named no-such-group-here");
	expect_refusal("[retention]\njob_retention_days = -1\n", "persistd.conf:2: job_retention_days: expected a number of days");
	char longest[400] = "[roles]\nrole_read = ";
	memset(longest + strlen(longest), 'a', 300);
	expect_refusal(longest, "persistd.conf:2: the line is longer than");
}
END_TEST

START_TEST(off_for_one_status_is_not_the_same_as_nothing_said)
{
	configure("[retention]\njob_retention_days = 30\njob_retention_days_failed = off\njob_retention_days_cancelled = 5\n"
	          "job_retention_days_cancelled =\n");
	for (int turn = 0; turn < 2; turn++) {
		ck_assert(PARSE("--check"));
		ck_assert_double_eq(settings.retention.job_days, 30);
		ck_assert_double_eq(settings.retention.job_status_days[0], RETENTION_UNSET);
		ck_assert_double_eq(settings.retention.job_status_days[1], RETENTION_OFF);
		ck_assert_double_eq(settings.retention.job_status_days[2], RETENTION_UNSET);
		ck_assert_double_eq(settings.retention.run_days, RETENTION_OFF);
		char *text = printed();
		ck_assert_ptr_nonnull(strstr(text, "\njob_retention_days_completed = \n"));
		ck_assert_ptr_nonnull(strstr(text, "\njob_retention_days_failed = off\n"));
		configure(text); /* what is printed means the same */
		free(text);
	}
	expect_refusal("[retention]\njob_retention_days =\n", "persistd.conf:2: job_retention_days: expected a number of days");
}
END_TEST

START_TEST(what_only_looks_like_a_setting_is_refused_and_not_ignored)
{
	expect_refusal("[limits] max_line = 5000\n", "persistd.conf:1: nothing may stand behind the ] of a section");
	expect_refusal("\n[limits] # ours\nmax_line = 5000\n", "persistd.conf:2: nothing may stand behind the ] of a section");
	expect_refusal("[limts]\nmax_line = 5000\n", "persistd.conf:1: there is no section [limts]; did you mean [limits]?");
	expect_refusal("[daemon]\n[nonsense]\n", "persistd.conf:2: there is no section [nonsense]");
	expect_refusal("[]\n", "persistd.conf:1: there is no section []");
	expect_refusal("[limits]\nmax_line : 5000\n", "persistd.conf:2: expected [section], key = value or a comment");
	expect_refusal("[roles]\nrole_read : a = b\n", "persistd.conf:2: expected [section], key = value or a comment");
	expect_refusal("[limits]\n= 5000\n", "persistd.conf:2: expected [section], key = value or a comment");
	expect_refusal("[limits]\n# a\rmax_line = 5000\n", "persistd.conf:2: a carriage return in the line");
	expect_refusal("[limits]\nmax_line = 5000\r", "persistd.conf:2: a carriage return in the line");
	scratch_write(&scratch, "persistd.conf", SPAN("[limits]\n# a\n\0max_line = 5000\n"));
	ck_assert_ptr_nonnull(strstr(complaint("--check", NULL), "persistd.conf:3: a NUL byte in the line"));
	scratch_write(&scratch, "persistd.conf", SPAN("[limits]\nmax_line = 50\\\n00\0\n"));
	ck_assert_ptr_nonnull(strstr(complaint("--check", NULL), "persistd.conf:3: a NUL byte in the line"));
}
END_TEST

START_TEST(a_comment_behind_a_value_is_no_part_of_it_and_is_refused)
{
	static const char hint[] = "(a comment stands on a line of its own)";
	const char *said = refusal_of("[limits]\nmax_line = 5000 ; enough\n");
	ck_assert_ptr_nonnull(strstr(said, "persistd.conf:2: max_line: expected a whole number from 1024"));
	ck_assert_ptr_nonnull(strstr(said, hint));
	ck_assert_ptr_nonnull(strstr(refusal_of("[limits]\nmax_line = 5000 # enough\n"), hint));
	ck_assert_ptr_nonnull(strstr(refusal_of("[daemon]\nstate_dir = /srv/jobs\t; ours\n"), hint));
	said = refusal_of("[daemon]\nsocket = # default\n");
	ck_assert_ptr_nonnull(strstr(said, "persistd.conf:2: socket: expected a path"));
	ck_assert_ptr_nonnull(strstr(said, hint));
	ck_assert_ptr_nonnull(strstr(refusal_of("[daemon]\nsocket_group = root # ours\n"), hint));
	ck_assert_ptr_nonnull(strstr(refusal_of("[roles]\nrole_read = root # ours\n"), hint));
	ck_assert_ptr_null(strstr(refusal_of("[limits]\nmax_line = many\n"), hint));
	configure("[daemon]\nstate_dir = /srv/#1;2\n");
	ck_assert(PARSE("--socket", "/a #1"));
	ck_assert_str_eq(settings.state_dir, "/srv/#1;2");
	ck_assert_str_eq(settings.socket, "/a #1");
}
END_TEST

START_TEST(comments_may_be_long_and_do_not_swallow_the_next_line)
{
	char text[2000] = "[limits]\n# a backslash at the end of a comment is the comment's \\\nmax_calls = 7\n";
	strcat(text, "max_batch = \\\n# a comment inside of a continued line\n 9\n[roles]\n");
	size_t len = strlen(text);
	text[len] = '#';
	memset(text + len + 1, 'x', 1000);
	strcat(text, "\nrole_read = * \\\n");
	configure(text);
	ck_assert(PARSE("--check"));
	ck_assert_uint_eq(settings.limits.calls, 7);
	ck_assert_uint_eq(settings.limits.batch_calls, 9);
	ck_assert_uint_eq(settings.roles.count, 1);
}
END_TEST

START_TEST(a_configuration_that_is_no_file_is_refused_at_once)
{
	static const char refusal[] = ": not a regular file";
	ck_assert_ptr_nonnull(strstr(complaint("--config", "/dev/zero"), refusal));
	ck_assert_ptr_nonnull(strstr(complaint("--config", scratch.path), refusal));
	ck_assert_int_eq(mkfifo(file, 0600), 0);
	ck_assert_ptr_nonnull(strstr(complaint("--config", file), refusal));
	ck_assert_int_eq(unlink(file), 0);
	configure("");
	ck_assert_int_eq(truncate(file, (1 << 20) + 1), 0);
	ck_assert_ptr_nonnull(strstr(complaint("--config", file), "larger than 1 MiB"));
	ck_assert(PARSE("--config", "/dev/null")); /* the way to say: none */
}
END_TEST

START_TEST(a_wrong_value_in_the_file_is_refused_though_a_flag_wins_over_it)
{
	configure("[limits]\nmax_calls = many\n");
	ck_assert_ptr_nonnull(strstr(complaint("--max-calls", "7"), "persistd.conf:2: max_calls: expected a whole number"));
	configure("[daemon]\nsocket =\n");
	ck_assert_ptr_nonnull(strstr(complaint("--socket", "/a"), "persistd.conf:2: socket: expected a path"));
	configure("[roles]\nrole_read = #\n");
	setenv("PERSISTD_ROLE_READ", "*", 1);
	ck_assert_ptr_nonnull(strstr(complaint("--check", NULL), "persistd.conf:2: role_read: expected users"));
}
END_TEST

START_TEST(what_is_wrong_in_a_flag_or_a_variable_is_said_by_its_name)
{
	configure("");
	ck_assert_ptr_nonnull(strstr(complaint("--state-dir-mode", "0701"), "wrong setting: --state-dir-mode: expected 0700"));
	ck_assert_ptr_nonnull(strstr(complaint("--socket-group", "no-such-group-here"), "wrong setting: --socket-group: expected a group"));
	ck_assert_ptr_nonnull(strstr(complaint("--state-dir", ""), "wrong setting: --state-dir: expected a path"));
	setenv("PERSISTD_STATE_DIR", "", 1);
	ck_assert_ptr_nonnull(strstr(complaint("--check", NULL), "wrong setting: PERSISTD_STATE_DIR: expected a path"));
	unsetenv("PERSISTD_STATE_DIR");
	setenv("PERSISTD_SOCKET_GROUP", "no-such-group-here", 1);
	ck_assert_ptr_nonnull(strstr(complaint("--check", NULL), "wrong setting: PERSISTD_SOCKET_GROUP: expected a group"));
	unsetenv("PERSISTD_SOCKET_GROUP");
}
END_TEST

START_TEST(a_removed_user_in_the_roles_is_warned_of_and_stops_neither_start_nor_reload)
{
	bool taken;
	configure("[limits]\nmax_calls = 10\n[roles]\nrole_read = root gone-by-now\nrole_none = gone-by-now\n");
	const char *said = said_at("--check", NULL, &taken);
	ck_assert(taken);
	ck_assert_msg(strstr(said, "warning: ") && strstr(said, "persistd.conf:4: role_read: this machine has no user gone-by-now"),
	              "%s", said);
	ck_assert_ptr_nonnull(strstr(said, "persistd.conf:5: role_none: this machine has no user gone-by-now"));
	ck_assert_uint_eq(settings.roles.count, 1);
	configure("[limits]\nmax_calls = 11\n[roles]\nrole_read = root @gone-by-now *\n");
	ck_assert(reload_works());
	ck_assert_uint_eq(settings.limits.calls, 11);
	ck_assert_uint_eq(settings.roles.count, 2);
}
END_TEST

START_TEST(a_variable_that_no_key_reads_is_warned_of_with_the_one_that_was_meant)
{
	bool taken;
	configure("");
	setenv("PERSISTD_SOCKET", "/a", 1);
	setenv("PERSISTD_LOG_LEVEL", "info", 1);
	ck_assert_str_eq(said_at("--check", NULL, &taken), "");
	setenv("PERSISTD_MAX_LINES", "5000", 1);
	setenv("PERSISTD_max_line", "5000", 1);
	setenv("PERSISTD_QWERTY", "5000", 1);
	setenv("PERSISTD_CONFIGG", "5000", 1);
	setenv("PERSISTD", "/usr/bin/persistd", 1); /* of tests */
	const char *said = said_at("--check", NULL, &taken);
	ck_assert(taken);
	ck_assert_msg(strstr(said, "warning: PERSISTD_MAX_LINES is no setting and does nothing; did you mean PERSISTD_MAX_LINE?\n"),
	              "%s", said);
	ck_assert_ptr_nonnull(strstr(said, "warning: PERSISTD_max_line is no setting and does nothing; did you mean PERSISTD_MAX_LINE?\n"));
	ck_assert_ptr_nonnull(strstr(said, "warning: PERSISTD_QWERTY is no setting and does nothing\n"));
	ck_assert_ptr_nonnull(strstr(said, "warning: PERSISTD_CONFIGG is no setting and does nothing; did you mean PERSISTD_CONFIG?\n"));
	ck_assert_ptr_null(strstr(said, "5000"));
	ck_assert_uint_eq(settings.limits.line, 16 << 20);
}
END_TEST

START_TEST(print_config_says_where_each_value_comes_from)
{
	configure("[limits]\nmax_calls = 10\n");
	setenv("PERSISTD_MAX_BATCH", "11", 1);
	ck_assert_int_eq(parse(ARGUMENTS("--max-line", "5000", "--print-config")), SETTINGS_PRINT);
	char *text = printed(), *calls;
	ck_assert_int_gt(asprintf(&calls, "# %s:2\nmax_calls = 10\n", file), 0);
	ck_assert_msg(strstr(text, calls), "%s", text);
	ck_assert_ptr_nonnull(strstr(text, "# PERSISTD_MAX_BATCH\nmax_batch = 11\n"));
	ck_assert_ptr_nonnull(strstr(text, "# --max-line\nmax_line = 5000\n"));
	ck_assert_ptr_nonnull(strstr(text, "# default\nmax_page = 8388608\n"));
	/* what is printed is a configuration file itself */
	configure(text);
	unsetenv("PERSISTD_MAX_BATCH");
	ck_assert(PARSE("--check"));
	ck_assert_uint_eq(settings.limits.batch_calls, 11);
	free(text);
	free(calls);
}
END_TEST

START_TEST(every_key_is_explained_on_the_page)
{
	char *text, *page, key[64], row[80];
	FILE *in = fopen(SOURCE_DIR "/docs/configuration.md", "re");
	ck_assert_ptr_nonnull(in);
	page = calloc(1, 100000);
	ck_assert_uint_gt(fread(page, 1, 99999, in), 1000);
	fclose(in);
	ck_assert(PARSE("--check"));
	text = printed();
	int keys = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (sscanf(line, "%63[a-z_] =", key) != 1)
			continue;
		snprintf(row, sizeof row, "\n| `%s` | ", key);
		ck_assert_msg(strstr(page, row), "docs/configuration.md says nothing of %s", key);
		keys++;
	}
	ck_assert_int_gt(keys, 25);
	free(text);
	free(page);
}
END_TEST

START_TEST(a_reload_changes_what_can_change_and_names_what_needs_a_restart)
{
	struct buf changed = {0}, restart = {0};
	configure("[limits]\nmax_calls = 10\n[daemon]\nsocket=/a\n");
	ck_assert(PARSE("--max-batch", "7"));
	configure("[limits]\nmax_calls = 20\nmax_batch = 9\n[daemon]\nsocket=/b\nlog_level=error\n[roles]\nrole_read=*\n");
	ck_assert(settings_reload(&settings, why, sizeof why, &changed, &restart));
	ck_assert_uint_eq(settings.limits.calls, 20);
	ck_assert_uint_eq(settings.limits.batch_calls, 7); /* the flag still wins */
	ck_assert_str_eq(settings.socket, "/a");
	ck_assert_uint_eq(settings.roles.count, 1);
	ck_assert(span_is(buf_as_span(&changed), SPAN("log_level, max_calls, role_read")));
	ck_assert(span_is(buf_as_span(&restart), SPAN("socket")));
	buf_free(&changed);
	buf_free(&restart);
}
END_TEST

START_TEST(a_bad_file_at_a_reload_changes_nothing)
{
	struct buf changed = {0}, restart = {0};
	configure("[limits]\nmax_calls = 10\n");
	ck_assert(PARSE("--check"));
	configure("[limits]\nmax_calls = 20\nmax_batch = none\n");
	ck_assert(!settings_reload(&settings, why, sizeof why, &changed, &restart));
	ck_assert_ptr_nonnull(strstr(why, "persistd.conf:3: max_batch: expected"));
	ck_assert_uint_eq(settings.limits.calls, 10);
	ck_assert_uint_eq(changed.len + restart.len, 0);
}
END_TEST

START_TEST(a_file_that_is_gone_at_a_reload_takes_no_settings_with_it)
{
	configure("[limits]\nmax_calls = 10\n[retention]\njob_retention_days = off\n");
	for (int named = 0; named < 2; named++) {
		char dir[384], own[400];
		if (!named) { /* the user's own, which need not be there at a start */
			unsetenv("PERSISTD_CONFIG");
			setenv("XDG_CONFIG_HOME", scratch.path, 1);
			scratch_path(&scratch, "persistd", dir, sizeof dir);
			ck_assert_int_eq(mkdir(dir, 0700), 0);
			snprintf(own, sizeof own, "%s/persistd.conf", dir);
			ck_assert_int_eq(rename(file, own), 0);
		} else {
			snprintf(own, sizeof own, "%s", file);
			configure("[limits]\nmax_calls = 10\n");
		}
		ck_assert(PARSE("--check"));
		ck_assert_uint_eq(settings.limits.calls, 10);
		ck_assert_int_eq(unlink(own), 0);
		ck_assert(!reload_works());
		ck_assert_msg(strstr(why, own) && strstr(why, "No such file"), "%s", why);
		ck_assert_uint_eq(settings.limits.calls, 10);
		ck_assert(!reload_works()); /* the second time as well */
		scratch_write(&scratch, named ? "persistd.conf" : "persistd/persistd.conf", SPAN(""));
		ck_assert(reload_works());
		ck_assert_uint_eq(settings.limits.calls, 1024);
	}
}
END_TEST

START_TEST(a_reload_without_a_file_finds_one_that_came_later)
{
	char dir[384];
	unsetenv("PERSISTD_CONFIG");
	setenv("XDG_CONFIG_HOME", scratch.path, 1);
	ck_assert(PARSE("--check"));
	if (settings.file)
		return; /* this machine's own */
	ck_assert(reload_works());
	scratch_path(&scratch, "persistd", dir, sizeof dir);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	scratch_write(&scratch, "persistd/persistd.conf", SPAN("[limits]\nmax_calls = 10\n"));
	ck_assert(reload_works());
	ck_assert_uint_eq(settings.limits.calls, 10);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("settings");
	TCase *tcase = tcase_create("settings");
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, paths_come_from_the_flags_then_from_xdg_then_from_home);
	tcase_add_test(tcase, below_a_unit_the_state_directory_is_systemd_s_unless_it_is_said);
	tcase_add_test(tcase, flags_that_are_none_are_refused_with_status_64_and_wrong_values_with_78);
	tcase_add_test(tcase, limits_outside_their_bounds_are_refused);
	tcase_add_test(tcase, help_and_version_end_with_status_0);
	tcase_add_test(tcase, the_flag_wins_over_the_environment_and_that_over_the_file);
	tcase_add_test(tcase, the_user_s_own_file_is_read_where_none_is_named);
	tcase_add_test(tcase, a_file_that_cannot_be_read_is_no_file_that_is_not_there);
	tcase_add_test(tcase, files_are_written_as_systemd_s_are);
	tcase_add_test(tcase, an_empty_list_forgets_what_the_lines_before_have_said);
	tcase_add_test(tcase, what_is_wrong_in_a_file_is_said_with_its_line);
	tcase_add_test(tcase, off_for_one_status_is_not_the_same_as_nothing_said);
	tcase_add_test(tcase, what_only_looks_like_a_setting_is_refused_and_not_ignored);
	tcase_add_test(tcase, a_comment_behind_a_value_is_no_part_of_it_and_is_refused);
	tcase_add_test(tcase, comments_may_be_long_and_do_not_swallow_the_next_line);
	tcase_add_test(tcase, a_configuration_that_is_no_file_is_refused_at_once);
	tcase_add_test(tcase, a_wrong_value_in_the_file_is_refused_though_a_flag_wins_over_it);
	tcase_add_test(tcase, what_is_wrong_in_a_flag_or_a_variable_is_said_by_its_name);
	tcase_add_test(tcase, a_removed_user_in_the_roles_is_warned_of_and_stops_neither_start_nor_reload);
	tcase_add_test(tcase, a_variable_that_no_key_reads_is_warned_of_with_the_one_that_was_meant);
	tcase_add_test(tcase, print_config_says_where_each_value_comes_from);
	tcase_add_test(tcase, every_key_is_explained_on_the_page);
	tcase_add_test(tcase, a_reload_changes_what_can_change_and_names_what_needs_a_restart);
	tcase_add_test(tcase, a_bad_file_at_a_reload_changes_nothing);
	tcase_add_test(tcase, a_file_that_is_gone_at_a_reload_takes_no_settings_with_it);
	tcase_add_test(tcase, a_reload_without_a_file_finds_one_that_came_later);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
