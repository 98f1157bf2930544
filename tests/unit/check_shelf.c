#include "daemon/shelf.h"
#include "tests/unit/unit.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { THINGS = 4000, LARGEST = 9000 };

/* Every byte of a thing says whose it is. */
static void fill(unsigned char *at, size_t bytes, unsigned whose) { memset(at, (int)(whose % 251), bytes); }

static bool is_whole(const unsigned char *at, size_t bytes, unsigned whose)
{
	for (size_t i = 0; i < bytes; i++)
		if (at[i] != whose % 251)
			return false;
	return true;
}

START_TEST(no_two_things_share_a_byte_whatever_comes_and_goes)
{
	static unsigned char *at[THINGS];
	static size_t bytes[THINGS];

	srand(1);
	for (int round = 0; round < 100000; round++) {
		unsigned i = (unsigned)rand() % THINGS;
		if (at[i]) {
			if (!is_whole(at[i], bytes[i], i))
				ck_abort_msg("round %d: thing %u of %zu bytes was written over", round, i, bytes[i]);
			shelf_give(at[i], bytes[i]);
			at[i] = NULL;
		} else {
			bytes[i] = (size_t)rand() % (rand() % 9 ? 900 : LARGEST);
			at[i] = shelf_take(bytes[i]);
			ck_assert_uint_eq((uintptr_t)at[i] % 16, 0);
			fill(at[i], bytes[i], i);
		}
	}
	for (unsigned i = 0; i < THINGS; i++)
		if (at[i])
			shelf_give(at[i], bytes[i]);
}
END_TEST

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
START_TEST(what_is_left_of_a_piece_is_used_again)
{
	struct shelf_piece none = {0}, p = none;
	char *first = shelf_cut(&p, 600);
	shelf_join(p);
	p = shelf_lend();
	ck_assert_ptr_eq(shelf_cut(&p, 600), first + 608);
	shelf_join(p);
	ck_assert_ptr_eq(shelf_lend().at, first + 2 * 608);
	ck_assert_ptr_null(shelf_lend().at);
}
END_TEST
#endif

/* As a load does, here with one thread and several pieces. */
START_TEST(what_other_threads_made_is_the_shelfs_from_then_on)
{
	enum { PIECES = 3 };
	static unsigned char *at[THINGS];
	static size_t bytes[THINGS];
	struct shelf_piece pieces[PIECES];

	srand(2);
	for (unsigned i = 0; i < PIECES; i++)
		pieces[i] = shelf_lend();
	for (unsigned i = 0; i < THINGS; i++) {
		struct shelf_piece *p = &pieces[rand() % PIECES];
		bytes[i] = (size_t)rand() % (rand() % 9 ? 900 : LARGEST);
		at[i] = shelf_cut(p, bytes[i]);
		ck_assert_uint_eq((uintptr_t)at[i] % 16, 0);
		fill(at[i], bytes[i], i);
	}
	for (unsigned i = 0; i < PIECES; i++)
		shelf_join(pieces[i]);
	for (unsigned i = 0; i < THINGS; i += 2) {
		ck_assert(is_whole(at[i], bytes[i], i));
		shelf_give(at[i], bytes[i]);
		bytes[i] = (size_t)rand() % LARGEST;
		at[i] = shelf_take(bytes[i]);
		fill(at[i], bytes[i], i);
	}
	for (unsigned i = 0; i < THINGS; i++) {
		ck_assert(is_whole(at[i], bytes[i], i));
		shelf_give(at[i], bytes[i]);
	}
}
END_TEST

/* Under the address sanitizer, which sees it. */
START_TEST(who_copies_may_read_a_little_too_far)
{
	static char copy[LARGEST + SHELF_SLACK];
	struct shelf_piece p = shelf_lend();

	for (size_t bytes = 1; bytes < LARGEST; bytes += 7) {
		char *at = shelf_take(bytes), *cut = shelf_cut(&p, bytes);
		memcpy(copy, at, bytes + SHELF_SLACK);
		memcpy(copy, cut, bytes + SHELF_SLACK);
		shelf_give(at, bytes);
		shelf_give(cut, bytes);
	}
	shelf_join(p);
}
END_TEST

START_TEST(what_was_given_back_is_what_the_next_of_its_size_gets)
{
	void *first = shelf_take(600), *second = shelf_take(600);

	shelf_give(first, 600);
	shelf_give(second, 600);
	shelf_give(NULL, 600);
#if !defined(__SANITIZE_ADDRESS__)
	ck_assert_ptr_eq(shelf_take(599), second);
	ck_assert_ptr_eq(shelf_take(600), first);
#endif
	ck_assert_uint_ge(shelf_size(600), 600);
	ck_assert_uint_le(shelf_size(600), 608 + SHELF_SLACK);
	ck_assert_uint_ge(shelf_size(100000), 100000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shelf");
	TCase *tests = tcase_create("shelf");

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	tcase_add_test(tests, what_is_left_of_a_piece_is_used_again);
#endif
	tcase_add_test(tests, what_other_threads_made_is_the_shelfs_from_then_on);
	tcase_add_test(tests, no_two_things_share_a_byte_whatever_comes_and_goes);
	tcase_add_test(tests, who_copies_may_read_a_little_too_far);
	tcase_add_test(tests, what_was_given_back_is_what_the_next_of_its_size_gets);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
