#include "daemon/listener.h"
#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"
#include <sys/socket.h>
#include <sys/un.h>

static struct scratch scratch;
static char path[256], why[512];

static void setup(void)
{
	scratch_make(&scratch);
	scratch_path(&scratch, "s.sock", path, sizeof path);
	why[0] = '\0';
}

static void teardown(void) { scratch_remove(&scratch); }

static bool connects(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	bool good = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
	close(fd);
	return good;
}

START_TEST(a_second_daemon_is_told_who_holds_the_socket)
{
	struct listener first, second;
	ck_assert(listener_open(&first, &(struct listener_options){.path = path, .mode = 0660, .group = LISTENER_OWN_GROUP}, why, sizeof why));
	ck_assert(!listener_open(&second, &(struct listener_options){.path = path, .mode = 0660, .group = LISTENER_OWN_GROUP}, why, sizeof why));
	char pid[32];
	snprintf(pid, sizeof pid, "pid %d", getpid());
	ck_assert_ptr_nonnull(strstr(why, pid));
	listener_close(&second);
	ck_assert(connects());
	listener_close(&first);
	ck_assert(!connects());
}
END_TEST

START_TEST(a_socket_that_somebody_answers_on_without_our_lock_is_left_alone)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, path);
	int other = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(other, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(listen(other, 1), 0);
	struct listener l;
	ck_assert(!listener_open(&l, &(struct listener_options){.path = path, .mode = 0660, .group = LISTENER_OWN_GROUP}, why, sizeof why));
	ck_assert_ptr_nonnull(strstr(why, "answers"));
	listener_close(&l);
	ck_assert(connects());
	close(other);
}
END_TEST

START_TEST(a_stale_socket_is_taken_over)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, path);
	int dead = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(dead, (struct sockaddr *)&address, sizeof address), 0);
	close(dead);
	struct listener l;
	ck_assert_msg(listener_open(&l, &(struct listener_options){.path = path, .mode = 0660, .group = LISTENER_OWN_GROUP}, why, sizeof why), "%s", why);
	ck_assert(connects());
	struct stat status;
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_uint_eq(status.st_mode & 0777, 0660);
	listener_close(&l);
}
END_TEST

START_TEST(a_file_that_is_no_socket_is_never_removed)
{
	scratch_write(&scratch, "s.sock", SPAN("precious"));
	struct listener l;
	ck_assert(!listener_open(&l, &(struct listener_options){.path = path, .mode = 0660, .group = LISTENER_OWN_GROUP}, why, sizeof why));
	ck_assert_ptr_nonnull(strstr(why, "no socket"));
	listener_close(&l);
	struct stat status;
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_int_eq(status.st_size, 8);
}
END_TEST

START_TEST(a_path_too_long_for_a_socket_is_said_to_be)
{
	char longer[300];
	memset(longer, 'x', sizeof longer - 1);
	longer[0] = '/';
	longer[sizeof longer - 1] = '\0';
	struct listener l;
	ck_assert(!listener_open(&l, &(struct listener_options){.path = longer, .mode = 0660, .group = LISTENER_OWN_GROUP}, why, sizeof why));
	ck_assert_ptr_nonnull(strstr(why, "107"));
	listener_close(&l);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("listener");
	TCase *tcase = tcase_create("listener");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_second_daemon_is_told_who_holds_the_socket);
	tcase_add_test(tcase, a_socket_that_somebody_answers_on_without_our_lock_is_left_alone);
	tcase_add_test(tcase, a_stale_socket_is_taken_over);
	tcase_add_test(tcase, a_file_that_is_no_socket_is_never_removed);
	tcase_add_test(tcase, a_path_too_long_for_a_socket_is_said_to_be);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
