#include "daemon/gather.h"
#include "tests/unit/unit.h"

START_TEST(those_who_were_told_are_waited_for_and_one_commit_takes_them_all)
{
	struct gather g = {0};
	uint64_t now = 5000;
	ck_assert(gather_begin(&g, 32, 32, 1000, now));
	now += 200; /* they are told */
	for (size_t pending = 32; pending < 64; pending++, now += 15)
		ck_assert(gather_waits(&g, pending, now));
	ck_assert(!gather_waits(&g, 64, now));
	ck_assert(!gather_waits(&g, 64, now));
	ck_assert(gather_begin(&g, 64, 0, 1000, now += 1000));
	ck_assert(gather_waits(&g, 1, now + 10));
}
END_TEST

START_TEST(two_that_have_fallen_into_two_halves_come_together_again)
{
	struct gather g = {0};
	ck_assert(gather_begin(&g, 1, 1, 1000, 5000)); /* one was told, the other waits */
	ck_assert(gather_waits(&g, 1, 5010));
	ck_assert(gather_waits(&g, 1, 5150));
	ck_assert(!gather_waits(&g, 2, 5160));
	ck_assert(gather_begin(&g, 2, 0, 1000, 6200));
	ck_assert(gather_waits(&g, 1, 6250));
	ck_assert(!gather_waits(&g, 2, 6260));
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

START_TEST(a_wait_ends_when_nobody_comes_any_more)
{
	struct gather g = {0};
	ck_assert(gather_begin(&g, 32, 32, 1000, 5000));
	ck_assert(gather_waits(&g, 32, 5100));
	ck_assert(gather_waits(&g, 50, 5120));
	ck_assert(gather_waits(&g, 50, 5120 + 199));
	ck_assert(!gather_waits(&g, 50, 5120 + 200));
	ck_assert(gather_begin(&g, 50, 0, 1000, 6000)); /* it paid */
}
END_TEST

START_TEST(a_wait_is_never_longer_than_a_commit_nor_than_two_milliseconds)
{
	struct gather g = {0};
	uint64_t now = 5000;
	gather_begin(&g, 1000000, 1, 1000, now);
	for (size_t pending = 2; gather_waits(&g, pending, now); pending += 100)
		now++;
	ck_assert_uint_eq(now, 5000 + 1000);
	gather_begin(&g, 1000000, 1, 1000000, now = 5000);
	for (size_t pending = 2; gather_waits(&g, pending, now); pending += 100)
		now++;
	ck_assert_uint_eq(now, 5000 + GATHER_WAIT_MAX);
}
END_TEST

/* Half of them are on their way to the disk while the other half is judged: there a wait would only cost. */
START_TEST(where_the_processor_is_the_bound_the_disk_does_not_wait)
{
	struct gather g = {0};
	int waits = 0;
	for (uint64_t now = 1; now < 4000000; now += 4000) {
		bool waited = gather_begin(&g, 512, 512, 4000, now);
		waits += waited;
		if (waited) {
			ck_assert(gather_waits(&g, 512, now));
			ck_assert(!gather_waits(&g, 512 + 45, now + 500));
		}
	}
	ck_assert_int_le(waits, 30);
}
END_TEST

/* Each wait in vain costs a fifth of a commit: of a thousand commits a few dozen may. */
START_TEST(clients_that_think_are_waited_for_ever_more_seldom)
{
	struct gather g = {0};
	uint64_t now = 1;
	int waits = 0;
	for (int i = 0; i < 1000; i++, now += 1000)
		if (gather_begin(&g, 6, 2, 1000, now)) {
			waits++;
			ck_assert(gather_waits(&g, 2, now));
			ck_assert(!gather_waits(&g, 2, now + 200));
		}
	ck_assert_int_le(waits, 30);
	ck_assert_int_ge(waits, 15); /* they may have become others */
}
END_TEST

START_TEST(after_one_that_paid_the_next_is_tried_at_once)
{
	struct gather g = {0};
	uint64_t now = 1;
	for (int i = 0; i < 300; i++, now += 1000)
		if (gather_begin(&g, 30, 2, 1000, now)) {
			gather_waits(&g, 2, now);
			gather_waits(&g, 2, now + 500);
		}
	int tries = 0;
	while (!gather_begin(&g, 30, 2, 1000, now += 1000))
		ck_assert_int_lt(++tries, 2 * GATHER_PAUSE_MAX);
	ck_assert(gather_waits(&g, 2, now));
	ck_assert(!gather_waits(&g, 32, now + 100));
	ck_assert(gather_begin(&g, 32, 0, 1000, now += 1000));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("gather");
	TCase *all = tcase_create("gather");
	tcase_add_test(all, those_who_were_told_are_waited_for_and_one_commit_takes_them_all);
	tcase_add_test(all, two_that_have_fallen_into_two_halves_come_together_again);
	tcase_add_test(all, whoever_is_alone_never_waits);
	tcase_add_test(all, a_wait_ends_when_nobody_comes_any_more);
	tcase_add_test(all, a_wait_is_never_longer_than_a_commit_nor_than_two_milliseconds);
	tcase_add_test(all, where_the_processor_is_the_bound_the_disk_does_not_wait);
	tcase_add_test(all, clients_that_think_are_waited_for_ever_more_seldom);
	tcase_add_test(all, after_one_that_paid_the_next_is_tried_at_once);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
