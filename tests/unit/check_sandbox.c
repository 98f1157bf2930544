/* Each test confines a process of its own: what was given up does not come back. */
#include "daemon/sandbox.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char base[64], own[80], other[80];

static void set_up(void)
{
	snprintf(base, sizeof base, "/tmp/persistd-sandbox-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(own, sizeof own, "%s/own", base);
	snprintf(other, sizeof other, "%s/other", base);
	ck_assert_int_eq(mkdir(own, 0700), 0);
	ck_assert_int_eq(mkdir(other, 0700), 0);
}

static void tear_down(void)
{
	char command[128];
	snprintf(command, sizeof command, "rm -r %s", base);
	ck_assert_int_eq(system(command), 0);
}

/* errno of opening DIR/NAME for writing, made where it is missing; 0 */
static int write_error(const char *dir, const char *name)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int error_of(int result) { return result < 0 ? errno : 0; }

static int rename_error(const char *dir, const char *from, const char *to)
{
	char old[256], new[256];
	snprintf(old, sizeof old, "%s/%s", dir, from);
	snprintf(new, sizeof new, "%s/%s", dir, to);
	return error_of(rename(old, new));
}

static int unlink_error(const char *dir, const char *name)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	return error_of(unlink(path));
}

static bool has_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 1;
}

/* Runs the checks in a child that is confined to `own`; they return the number of what did not hold, 0: all did. */
static void confined(int (*checks)(void))
{
	pid_t child = fork();
	if (child == 0) {
		char why[512] = "";
		const char *dirs[] = {own, NULL};
		if (!sandbox_enter(dirs, 2, why, sizeof why)) {
			fprintf(stderr, "%s\n", why);
			_exit(100);
		}
		_exit(checks());
	}
	int status;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status), "ended by signal %d", WTERMSIG(status));
	ck_assert_msg(WEXITSTATUS(status) == 0, "check %d does not hold", WEXITSTATUS(status));
}

static int files(void)
{
	char at[128];
	snprintf(at, sizeof at, "%s/dir", own);
	return write_error(own, "a") != 0 ? 1
	     : rename_error(own, "a", "b") != 0 ? 2
	     : unlink_error(own, "b") != 0 ? 3
	     : error_of(mkdir(at, 0700)) != 0 ? 4
	     : write_error(other, "new") != EACCES ? 5
	     : write_error(other, "kept") != EACCES ? 6
	     : unlink_error(other, "kept") != EACCES ? 7
	     : rename_error(base, "other/kept", "own/taken") == 0 ? 8
	     : write_error("/tmp", "persistd-sandbox-outside") != EACCES ? 9
	     : access("/etc/passwd", R_OK) != 0 || open("/etc/passwd", O_RDONLY) < 0 ? 10
	     : 0;
}

START_TEST(no_file_of_others_can_be_written_or_removed)
{
	ck_assert_int_eq(write_error(other, "kept"), 0);
	confined(files);
	char path[128];
	snprintf(path, sizeof path, "%s/kept", other);
	ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

static int programs(void)
{
	char *const argv[] = {"true", NULL};
	execv("/bin/true", argv);
	if (errno != EPERM && errno != EACCES)
		return 1;
	if (socket(AF_INET, SOCK_STREAM, 0) >= 0)
		return 2;
	return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? 3 : 0;
}

START_TEST(no_program_is_started_and_no_network_reached)
{
	confined(programs);
}
END_TEST

static void *write_there(void *error)
{
	*(int *)error = write_error(other, "by a thread");
	return NULL;
}

static int threads(void)
{
	pthread_t thread;
	int error = 0;
	if (pthread_create(&thread, NULL, write_there, &error) != 0 || pthread_join(thread, NULL) != 0)
		return 1;
	return error != EACCES ? 2 : 0;
}

START_TEST(threads_that_are_started_later_are_confined_too)
{
	confined(threads);
}
END_TEST

static int names(void)
{
	return !getpwnam("root") ? 1 : !getgrnam("root") ? 2 : 0;
}

START_TEST(users_and_groups_are_still_found_for_a_reload)
{
	confined(names);
}
END_TEST

static int missing(void)
{
	char deep[128];
	snprintf(deep, sizeof deep, "%s/deep", own);
	return error_of(mkdir(deep, 0700)) != 0 ? 1 : write_error(deep, "socket.lock") != 0 ? 2 : 0;
}

START_TEST(a_directory_that_is_made_later_can_be_written)
{
	pid_t child = fork();
	if (child == 0) {
		char why[512], deep[128];
		snprintf(deep, sizeof deep, "%s/deep/er", own);
		_exit(sandbox_enter(&(const char *){deep}, 1, why, sizeof why) ? missing() : 100);
	}
	int status;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(a_kernel_without_landlock_is_no_error)
{
	char why[512] = "";
	pid_t child = fork();
	if (child == 0)
		_exit(sandbox_enter(&(const char *){own}, 1, why, sizeof why) || !strstr(why, "landlock: "));
	int status;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sandbox");
	TCase *t = tcase_create("sandbox");
	tcase_add_checked_fixture(t, set_up, tear_down);
	if (has_landlock()) {
		tcase_add_test(t, no_file_of_others_can_be_written_or_removed);
		tcase_add_test(t, no_program_is_started_and_no_network_reached);
		tcase_add_test(t, threads_that_are_started_later_are_confined_too);
		tcase_add_test(t, users_and_groups_are_still_found_for_a_reload);
		tcase_add_test(t, a_directory_that_is_made_later_can_be_written);
	} else {
		tcase_add_test(t, a_kernel_without_landlock_is_no_error);
	}
	suite_add_tcase(s, t);
	return unit_run(s);
}
