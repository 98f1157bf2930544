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

/* What is said on stderr when it is refused. */
static const char *refusal_of(const char *text)
{
	static char said[2048];
	configure(text);
	fflush(stderr);
	int kept = dup(STDERR_FILENO);
	FILE *out = tmpfile();
	dup2(fileno(out), STDERR_FILENO);
	bool taken = PARSE("--check");
	fflush(stderr);
	dup2(kept, STDERR_FILENO);
	rewind(out);
	said[fread(said, 1, sizeof said - 1, out)] = '\0';
	fclose(out);
	ck_assert_msg(!taken, "taken: %s", text);
	ck_assert_int_eq(status, EX_CONFIG);
	return said;
}

static void expect_refusal(const char *text, const char *words)
{
	const char *said = refusal_of(text);
	ck_assert_msg(strstr(said, words), "%s\nsaid: %s\nwanted: %s", text, said, words);
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
	ck_assert_str_eq(settings.state_dir, "/home/x/.local/state/persistd");
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
	configure("# a comment\n; another\n\n[daemon]\r\n  log_level = debug  \nsocket=/a\\\n/b\n"
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
	expect_refusal("[limits\nmax_line = 5000\n", "persistd.conf:");
	expect_refusal("[roles]\nrole_read = nobody-has-this-name\n", "persistd.conf:2: role_read: expected users");
	expect_refusal("[daemon]\nstate_dir_mode = 0777\n", "persistd.conf:2: state_dir_mode: expected an octal mode");
	expect_refusal("[daemon]\nstate_dir_mode = 0701\n", "state_dir_mode: expected 0700, 0750 or 0755");
	expect_refusal("[retention]\njob_retention_days = -1\n", "persistd.conf:2: job_retention_days: expected a number of days");
	unlink(file);
	ck_assert_int_eq(mkdir(file, 0700), 0);
	ck_assert(!PARSE("--check"));
	ck_assert_int_eq(rmdir(file), 0);
	char longest[400] = "[roles]\nrole_read = ";
	memset(longest + strlen(longest), 'a', 300);
	expect_refusal(longest, "persistd.conf:2: the line is longer than");
}
END_TEST

START_TEST(print_config_says_where_each_value_comes_from)
{
	char *text = NULL;
	size_t len = 0;
	configure("[limits]\nmax_calls = 10\n");
	setenv("PERSISTD_MAX_BATCH", "11", 1);
	ck_assert_int_eq(parse(ARGUMENTS("--max-line", "5000", "--print-config")), SETTINGS_PRINT);
	FILE *out = open_memstream(&text, &len);
	settings_print(&settings, out);
	fclose(out);
	char *calls;
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
	char *text = NULL, *page, key[64], row[80];
	size_t len = 0;
	FILE *out = open_memstream(&text, &len), *in = fopen(SOURCE_DIR "/docs/configuration.md", "re");
	ck_assert_ptr_nonnull(in);
	page = calloc(1, 100000);
	ck_assert_uint_gt(fread(page, 1, 99999, in), 1000);
	fclose(in);
	ck_assert(PARSE("--check"));
	settings_print(&settings, out);
	fclose(out);
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

int main(void)
{
	Suite *suite = suite_create("settings");
	TCase *tcase = tcase_create("settings");
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, paths_come_from_the_flags_then_from_xdg_then_from_home);
	tcase_add_test(tcase, flags_that_are_none_are_refused_with_status_64_and_wrong_values_with_78);
	tcase_add_test(tcase, limits_outside_their_bounds_are_refused);
	tcase_add_test(tcase, help_and_version_end_with_status_0);
	tcase_add_test(tcase, the_flag_wins_over_the_environment_and_that_over_the_file);
	tcase_add_test(tcase, the_user_s_own_file_is_read_where_none_is_named);
	tcase_add_test(tcase, a_file_that_cannot_be_read_is_no_file_that_is_not_there);
	tcase_add_test(tcase, files_are_written_as_systemd_s_are);
	tcase_add_test(tcase, an_empty_list_forgets_what_the_lines_before_have_said);
	tcase_add_test(tcase, what_is_wrong_in_a_file_is_said_with_its_line);
	tcase_add_test(tcase, print_config_says_where_each_value_comes_from);
	tcase_add_test(tcase, every_key_is_explained_on_the_page);
	tcase_add_test(tcase, a_reload_changes_what_can_change_and_names_what_needs_a_restart);
	tcase_add_test(tcase, a_bad_file_at_a_reload_changes_nothing);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
