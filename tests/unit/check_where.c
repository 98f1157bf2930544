#include "client/where.h"
#include "tests/unit/unit.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/check-where-XXXXXX";
static char path[WHERE_MAX];

static void set_up(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	unsetenv("PERSISTD_SOCKET");
	setenv("XDG_RUNTIME_DIR", dir, 1);
}

static void tear_down(void)
{
	char at[WHERE_MAX];
	snprintf(at, sizeof at, "%s/persistd/persistd.sock", dir);
	unlink(at);
	snprintf(at, sizeof at, "%s/persistd", dir);
	rmdir(at);
	rmdir(dir);
}

static void make_own(void)
{
	char at[WHERE_MAX];
	snprintf(at, sizeof at, "%s/persistd", dir);
	mkdir(at, 0700);
	snprintf(at, sizeof at, "%s/persistd/persistd.sock", dir);
	close(open(at, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

START_TEST(the_flag_wins_over_the_variable_and_that_over_what_is_there)
{
	make_own();
	setenv("PERSISTD_SOCKET", "/from/variable", 1);
	where_socket("/from/flag", path);
	ck_assert_str_eq(path, "/from/flag");
	where_socket(NULL, path);
	ck_assert_str_eq(path, "/from/variable");
	setenv("PERSISTD_SOCKET", "", 1);
	where_socket(NULL, path);
	ck_assert(strncmp(path, dir, strlen(dir)) == 0);
}
END_TEST

START_TEST(a_users_own_daemon_is_found_before_the_machines)
{
	char own[WHERE_MAX];
	make_own();
	where_own(own);
	where_socket(NULL, path);
	ck_assert_str_eq(path, own);
}
END_TEST

START_TEST(without_any_daemon_the_message_names_the_place_where_one_would_be)
{
	char own[WHERE_MAX];
	where_own(own);
	where_socket(NULL, path);
	if (access("/run/persistd/persistd.sock", F_OK) == 0)
		ck_assert_str_eq(path, "/run/persistd/persistd.sock");
	else
		ck_assert_str_eq(path, own);
}
END_TEST

START_TEST(without_a_runtime_directory_it_is_in_tmp_by_user)
{
	char expected[WHERE_MAX];
	snprintf(expected, sizeof expected, "/tmp/persistd-%u/persistd.sock", (unsigned)geteuid());
	unsetenv("XDG_RUNTIME_DIR");
	where_own(path);
	ck_assert_str_eq(path, expected);
	setenv("XDG_RUNTIME_DIR", "", 1);
	where_own(path);
	ck_assert_str_eq(path, expected);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("where");
	TCase *tests = tcase_create("where");
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, the_flag_wins_over_the_variable_and_that_over_what_is_there);
	tcase_add_test(tests, a_users_own_daemon_is_found_before_the_machines);
	tcase_add_test(tests, without_any_daemon_the_message_names_the_place_where_one_would_be);
	tcase_add_test(tests, without_a_runtime_directory_it_is_in_tmp_by_user);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
