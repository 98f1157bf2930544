#include "daemon/options.h"
#include "tests/unit/unit.h"
#include <getopt.h>
#include <string.h>

static struct options options;
static int status;

static void forget(void)
{
	free((char *)options.socket);
	free((char *)options.state_dir);
	options = (struct options){0};
}

static bool parse(int count, const char **arguments)
{
	forget();
	setenv("HOME", "/home/x", 1); /* whoever runs this may have none */
	optind = 0; /* glibc: start anew */
	return options_parse(&options, count, (char **)arguments, &status);
}
#define PARSE(...) parse((int)(sizeof (const char *[]){"persistd", __VA_ARGS__} / sizeof(char *)), (const char *[]){"persistd", __VA_ARGS__, NULL})

START_TEST(paths_come_from_the_flags_then_from_xdg_then_from_home)
{
	ck_assert(PARSE("--socket", "/a/b", "--state-dir=/c"));
	ck_assert_str_eq(options.socket, "/a/b");
	ck_assert_str_eq(options.state_dir, "/c");
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	setenv("XDG_STATE_HOME", "/state", 1);
	ck_assert(PARSE("--log-level", "debug"));
	ck_assert_str_eq(options.socket, "/run/user/7/persistd/persistd.sock");
	ck_assert_str_eq(options.state_dir, "/state/persistd");
	ck_assert_int_eq(options.log_level, LOG_LEVEL_DEBUG);
	unsetenv("XDG_STATE_HOME");
	setenv("HOME", "/home/x", 1);
	ck_assert(PARSE("--check"));
	ck_assert(options.check);
	ck_assert_str_eq(options.state_dir, "/home/x/.local/state/persistd");
}
END_TEST

START_TEST(wrong_flags_are_refused_with_status_64)
{
	ck_assert(!PARSE("--nonsense"));
	ck_assert_int_eq(status, 64);
	ck_assert(!PARSE("--log-level", "loud"));
	ck_assert_int_eq(status, 64);
	ck_assert(!PARSE("extra"));
	ck_assert_int_eq(status, 64);
	ck_assert(!PARSE("--socket", ""));
	ck_assert_int_eq(status, 64);
}
END_TEST

START_TEST(limits_outside_their_bounds_are_refused)
{
	ck_assert(PARSE("--max-line", "4096", "--max-calls=7"));
	ck_assert_uint_eq(options.limits.line, 4096);
	ck_assert_uint_eq(options.limits.calls, 7);
	ck_assert_uint_eq(options.limits.reply, 16 << 20);
	ck_assert(!PARSE("--max-line", "0"));
	ck_assert(!PARSE("--max-line", "-5"));
	ck_assert(!PARSE("--max-line", "12k"));
	ck_assert(!PARSE("--max-line", "99999999999999999999999"));
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

int main(void)
{
	Suite *suite = suite_create("options");
	TCase *tcase = tcase_create("options");
	tcase_add_checked_fixture(tcase, NULL, forget);
	tcase_add_test(tcase, paths_come_from_the_flags_then_from_xdg_then_from_home);
	tcase_add_test(tcase, wrong_flags_are_refused_with_status_64);
	tcase_add_test(tcase, limits_outside_their_bounds_are_refused);
	tcase_add_test(tcase, help_and_version_end_with_status_0);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
