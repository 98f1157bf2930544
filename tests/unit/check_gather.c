#include "daemon/gather.h"
#include "tests/unit/unit.h"

START_TEST(those_who_were_told_are_waited_for_and_one_commit_takes_them_all)
{
	struct gather g = {0};
	gather_begin(&g, 32, 32, 1000, 5000);
	ck_assert(gather_is_on(&g));
	ck_assert(gather_waits(&g, 32, 5000));
	ck_assert(gather_waits(&g, 55, 5200));
	ck_assert(!gather_waits(&g, 56, 5300)); /* the last few may be gone for good */
	ck_assert(!gather_is_on(&g));
	gather_begin(&g, 56, 8, 1000, 6400);
	ck_assert(gather_waits(&g, 8, 6400));
}
END_TEST

START_TEST(whoever_is_alone_never_waits)
{
	struct gather g = {0};
	for (uint64_t now = 1; now < 100000; now += 1000) {
		gather_begin(&g, 1, 0, 900, now);
		ck_assert(!gather_waits(&g, 1, now + 10));
	}
}
END_TEST

START_TEST(a_wait_ends_after_half_a_commit_and_after_two_milliseconds)
{
	struct gather g = {0};
	gather_begin(&g, 10, 1, 1000, 5000);
	ck_assert(gather_waits(&g, 1, 5499));
	ck_assert(!gather_waits(&g, 1, 5500));
	g = (struct gather){0};
	gather_begin(&g, 10, 1, 1000000, 5000);
	ck_assert(gather_waits(&g, 1, 5000 + GATHER_WAIT_MAX - 1));
	ck_assert(!gather_waits(&g, 1, 5000 + GATHER_WAIT_MAX));
}
END_TEST

/* Each wait in vain costs half a commit: of a thousand commits a few dozen may. */
START_TEST(clients_that_think_are_waited_for_ever_more_seldom)
{
	struct gather g = {0};
	uint64_t now = 1;
	int waits = 0;
	for (int i = 0; i < 1000; i++, now += 1000) {
		gather_begin(&g, 3, 1, 1000, now);
		waits += gather_waits(&g, 1, now);
		ck_assert(!gather_waits(&g, 2, now + 500));
	}
	ck_assert_int_le(waits, 30);
	ck_assert_int_ge(waits, 15); /* they may have become others */
}
END_TEST

START_TEST(after_one_that_paid_the_next_is_tried_at_once)
{
	struct gather g = {0};
	uint64_t now = 1;
	for (int i = 0; i < 300; i++, now += 1000) {
		gather_begin(&g, 30, 2, 1000, now);
		gather_waits(&g, 2, now + 500);
	}
	int tries = 0;
	do {
		ck_assert_int_lt(++tries, 2 * GATHER_PAUSE_MAX);
		gather_begin(&g, 30, 2, 1000, now += 1000);
	} while (!gather_waits(&g, 2, now));
	ck_assert(!gather_waits(&g, 32, now + 100));
	gather_begin(&g, 32, 0, 1000, now += 1000);
	ck_assert(gather_waits(&g, 1, now));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("gather");
	TCase *all = tcase_create("gather");
	tcase_add_test(all, those_who_were_told_are_waited_for_and_one_commit_takes_them_all);
	tcase_add_test(all, whoever_is_alone_never_waits);
	tcase_add_test(all, a_wait_ends_after_half_a_commit_and_after_two_milliseconds);
	tcase_add_test(all, clients_that_think_are_waited_for_ever_more_seldom);
	tcase_add_test(all, after_one_that_paid_the_next_is_tried_at_once);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
