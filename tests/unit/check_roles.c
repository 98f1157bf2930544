#include "daemon/roles.h"
#include "tests/unit/unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct roles roles;
static char why[256];

static enum role of(uid_t uid, gid_t group)
{
	gid_t groups[] = {7, group};
	struct peer p = {.uid = uid, .groups = groups, .group_count = 2};
	return roles_of(&roles, &p, 500);
}

static void forget(void) { roles_free(&roles); }

START_TEST(without_rules_the_daemon_s_user_administers_and_the_socket_s_group_writes)
{
	ck_assert_int_eq(of(0, 1), ROLE_ADMIN);
	ck_assert_int_eq(of(geteuid(), 1), ROLE_ADMIN);
	ck_assert_int_eq(of(12345, 500), ROLE_WRITE);
	ck_assert_int_eq(of(12345, 1), ROLE_NONE);
}
END_TEST

START_TEST(a_user_s_rule_wins_over_its_groups_and_over_everyone_s)
{
	ck_assert(roles_add(&roles, ROLE_READ, "12345", NULL, why, sizeof why));
	ck_assert(roles_add(&roles, ROLE_ADMIN, "@900, @901", NULL, why, sizeof why));
	ck_assert(roles_add(&roles, ROLE_NONE, "@901", NULL, why, sizeof why));
	ck_assert(roles_add(&roles, ROLE_READ, "*", NULL, why, sizeof why));
	ck_assert_int_eq(of(12345, 900), ROLE_READ);
	ck_assert_int_eq(of(12346, 900), ROLE_ADMIN);
	ck_assert_int_eq(of(12346, 901), ROLE_ADMIN); /* of several groups' rules the highest */
	ck_assert_int_eq(of(12346, 1), ROLE_READ);
	ck_assert_int_eq(of(12346, 500), ROLE_WRITE); /* everyone's rule takes nothing from the socket's group */
}
END_TEST

START_TEST(root_cannot_be_locked_out_by_a_group_but_by_name)
{
	ck_assert(roles_add(&roles, ROLE_NONE, "@7", NULL, why, sizeof why));
	ck_assert_int_eq(of(0, 1), ROLE_ADMIN);
	ck_assert(roles_add(&roles, ROLE_READ, "root", NULL, why, sizeof why));
	ck_assert_int_eq(of(0, 1), ROLE_READ);
}
END_TEST

START_TEST(a_name_that_nobody_has_any_more_is_told_and_the_others_count)
{
	struct buf unknown = {0};
	ck_assert(roles_add(&roles, ROLE_READ, "nobody-has-this-name root, @no-such-group-here", &unknown, why, sizeof why));
	ck_assert_uint_eq(roles.count, 1);
	ck_assert_int_eq(of(0, 1), ROLE_READ);
	ck_assert(span_is(buf_as_span(&unknown), SPAN("user nobody-has-this-name, group no-such-group-here")));
	buf_free(&unknown);
}
END_TEST

START_TEST(what_is_no_name_at_all_is_refused_and_adds_nothing)
{
	static const char *const words[] = {"99999999999", "@", "@99999999999", "#", ";all"};
	for (int i = 0; i < 5; i++) {
		char text[64];
		struct buf unknown = {0};
		snprintf(text, sizeof text, "root, %s", words[i]);
		ck_assert_msg(!roles_add(&roles, ROLE_READ, text, &unknown, why, sizeof why), "%s", text);
		ck_assert_msg(strstr(why, "expected users, @groups or *, not ") && strstr(why, words[i]), "%s", why);
		ck_assert_uint_eq(roles.count, 0);
		buf_free(&unknown);
	}
}
END_TEST

START_TEST(a_peer_s_user_and_groups_are_the_kernel_s_word)
{
	int ends[2];
	struct peer p;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	ck_assert(peer_of(ends[0], &p));
	ck_assert_uint_eq(p.uid, geteuid());
	ck_assert_int_eq(p.pid, getpid());
	ck_assert_uint_eq(p.groups[0], getegid());
	ck_assert_uint_eq(p.group_count, 1 + (unsigned)getgroups(0, NULL));
	peer_free(&p);
	ck_assert(!peer_of(-1, &p));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("roles");
	TCase *tcase = tcase_create("roles");
	tcase_add_checked_fixture(tcase, NULL, forget);
	tcase_add_test(tcase, without_rules_the_daemon_s_user_administers_and_the_socket_s_group_writes);
	tcase_add_test(tcase, a_user_s_rule_wins_over_its_groups_and_over_everyone_s);
	tcase_add_test(tcase, root_cannot_be_locked_out_by_a_group_but_by_name);
	tcase_add_test(tcase, a_name_that_nobody_has_any_more_is_told_and_the_others_count);
	tcase_add_test(tcase, what_is_no_name_at_all_is_refused_and_adds_nothing);
	tcase_add_test(tcase, a_peer_s_user_and_groups_are_the_kernel_s_word);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
