#include "daemon/users.h"
#include "tests/unit/unit.h"

static struct limits divided(uint64_t connections, uint64_t of_a_user)
{
	struct limits l = {.connections = connections, .user_connections = of_a_user, .in_flight = 256 << 20,
	                   .unfinished = 128 << 20, .user_calls = 16384, .user_bytes = UINT64_C(1) << 40};
	users_divide(&l);
	return l;
}

START_TEST(no_user_can_have_all_connections_and_a_few_are_kept_for_administrators)
{
	for (uint64_t total = 4; total < 5000; total++) {
		struct limits l = divided(total, 1000000);
		ck_assert_uint_lt(l.others.all_connections, total);
		ck_assert_uint_lt(l.others.connections, l.others.all_connections);
		ck_assert_uint_gt(l.others.connections, 0);
		ck_assert_uint_eq(l.user_connections, l.others.connections);
		ck_assert_uint_eq(l.admins.all_connections, total);
		ck_assert_uint_eq(l.admins.connections, 1000000);
	}
	ck_assert_uint_eq(4096 - divided(4096, 1).others.all_connections, 16);
}
END_TEST

START_TEST(limits_that_leave_room_stay_as_they_are)
{
	ck_assert_uint_eq(divided(4096, 2048).others.connections, 2048);
	ck_assert_uint_eq(divided(4096, 1).others.connections, 1);
	ck_assert_uint_eq(divided(4096, 1).others.calls, 16384);
}
END_TEST

START_TEST(a_daemon_for_one_or_two_connections_still_serves_somebody)
{
	for (uint64_t total = 1; total < 4; total++) {
		ck_assert_uint_ge(divided(total, 100).others.all_connections, 1);
		ck_assert_uint_ge(divided(total, 100).others.connections, 1);
	}
}
END_TEST

START_TEST(no_user_can_have_all_of_the_memory_and_some_is_kept_for_administrators)
{
	struct limits l = divided(100, 50);
	ck_assert_uint_lt(l.others.in_flight, l.in_flight);
	ck_assert_uint_lt(l.others.unfinished, l.unfinished);
	ck_assert_uint_lt(l.others.bytes, l.others.unfinished); /* the lesser of the two */
	ck_assert_uint_eq(l.admins.in_flight, l.in_flight);
	ck_assert_uint_eq(l.admins.unfinished, l.unfinished);
}
END_TEST

START_TEST(a_user_is_forgotten_with_its_last_connection_or_call)
{
	struct users all = {0};
	struct user *one = users_ref(&all, 1000), *other = users_ref(&all, 1001);
	ck_assert_ptr_ne(one, other);
	ck_assert_ptr_eq(users_ref(&all, 1000), one);
	ck_assert_uint_eq(users_count(&all), 2);
	users_unref(&all, one);
	ck_assert_uint_eq(users_count(&all), 2);
	users_unref(&all, one);
	ck_assert_uint_eq(users_count(&all), 1);
	users_unref(&all, other);
	users_unref(&all, NULL);
	ck_assert_uint_eq(users_count(&all), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("users");
	TCase *tcase = tcase_create("users");
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, no_user_can_have_all_connections_and_a_few_are_kept_for_administrators);
	tcase_add_test(tcase, limits_that_leave_room_stay_as_they_are);
	tcase_add_test(tcase, a_daemon_for_one_or_two_connections_still_serves_somebody);
	tcase_add_test(tcase, no_user_can_have_all_of_the_memory_and_some_is_kept_for_administrators);
	tcase_add_test(tcase, a_user_is_forgotten_with_its_last_connection_or_call);
	return unit_run(suite);
}
