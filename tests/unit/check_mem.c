#include "proto/mem.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <sysexits.h>

/* so that AddressSanitizer refuses as malloc does */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

START_TEST(daemon_out_of_memory_says_so_and_exits_with_71_instead_of_going_on_with_null)
{
	volatile size_t too_much = (size_t)PTRDIFF_MAX - 4096;

	mem_alloc(too_much);
}
END_TEST

START_TEST(nothing_is_still_something_that_can_be_freed)
{
	void *none = mem_alloc(0), *zeros = mem_zero(0), *copy = mem_copy(NULL, 0);

	ck_assert(none && zeros && copy);
	none = mem_resize(none, 0);
	ck_assert_ptr_nonnull(none);
	free(none);
	free(zeros);
	free(copy);
}
END_TEST

START_TEST(copies_and_cleared_memory_hold_what_they_promise)
{
	char *copy = mem_copy("text", 5), *zeros = mem_zero(64);

	ck_assert_str_eq(copy, "text");
	for (int i = 0; i < 64; i++)
		ck_assert_int_eq(zeros[i], 0);
	copy = mem_resize(copy, 4096);
	ck_assert_str_eq(copy, "text");
	free(copy);
	free(zeros);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mem");
	TCase *tests = tcase_create("mem");

	tcase_add_exit_test(tests, daemon_out_of_memory_says_so_and_exits_with_71_instead_of_going_on_with_null,
	                    EX_OSERR);
	tcase_add_test(tests, nothing_is_still_something_that_can_be_freed);
	tcase_add_test(tests, copies_and_cleared_memory_hold_what_they_promise);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
