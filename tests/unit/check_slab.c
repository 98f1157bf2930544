#include "daemon/slab.h"
#include "tests/unit/unit.h"
#include <string.h>

struct thing {
	uint32_t number;
	char text[9];
};

START_TEST(elements_keep_their_place_and_content_while_it_grows)
{
	struct slab s;
	enum { MANY = 3 << SLAB_SHIFT };

	slab_init(&s, sizeof(struct thing));
	struct thing *first = slab_at(&s, slab_take(&s));
	first->number = 1;
	for (uint32_t n = 2; n <= MANY + 1; n++) {
		uint32_t got = slab_take(&s);
		ck_assert_uint_eq(got, n);
		((struct thing *)slab_at(&s, got))->number = n;
	}
	ck_assert_ptr_eq(first, slab_at(&s, 1));
	for (uint32_t n = 1; n <= MANY + 1; n++)
		ck_assert_uint_eq(((struct thing *)slab_at(&s, n))->number, n);
	ck_assert_uint_eq(s.live, MANY + 1);
	ck_assert_uint_ge(slab_bytes(&s), (MANY + 1) * sizeof(struct thing));
	slab_done(&s);
}
END_TEST

START_TEST(a_taken_element_is_clear_though_its_number_was_used_before)
{
	struct slab s;

	slab_init(&s, sizeof(struct thing));
	uint32_t a = slab_take(&s), b = slab_take(&s), c = slab_take(&s);
	memset(slab_at(&s, a), 'x', sizeof(struct thing));
	memset(slab_at(&s, c), 'x', sizeof(struct thing));
	slab_give(&s, a);
	slab_give(&s, c);
	ck_assert_uint_eq(s.live, 1);

	static const struct thing clear;
	for (int i = 0; i < 2; i++) {
		uint32_t again = slab_take(&s);
		ck_assert(again == a || again == c);
		ck_assert_mem_eq(slab_at(&s, again), &clear, sizeof(clear));
		((struct thing *)slab_at(&s, again))->number = 7;
	}
	ck_assert_uint_eq(slab_take(&s), 4);
	ck_assert_uint_ne(b, a);
	slab_done(&s);
}
END_TEST

START_TEST(a_given_back_element_keeps_all_but_its_first_bytes)
{
	struct slab s;

	slab_init(&s, sizeof(struct thing));
	uint32_t a = slab_take(&s);
	strcpy(((struct thing *)slab_at(&s, a))->text, "kept");
	slab_give(&s, a);
	ck_assert_str_eq(((struct thing *)slab_at(&s, a))->text, "kept");
	slab_done(&s);
}
END_TEST

START_TEST(memory_is_used_again_before_it_grows)
{
	struct slab s;

	slab_init(&s, sizeof(struct thing));
	for (int round = 0; round < 50; round++) {
		uint32_t taken[100];
		for (int i = 0; i < 100; i++)
			taken[i] = slab_take(&s);
		for (int i = 0; i < 100; i++)
			slab_give(&s, taken[(i * 37) % 100]);
	}
	ck_assert_uint_eq(s.used, 100);
	ck_assert_uint_eq(s.live, 0);
	slab_done(&s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("slab");
	TCase *c = tcase_create("slab");

	tcase_add_test(c, elements_keep_their_place_and_content_while_it_grows);
	tcase_add_test(c, a_taken_element_is_clear_though_its_number_was_used_before);
	tcase_add_test(c, a_given_back_element_keeps_all_but_its_first_bytes);
	tcase_add_test(c, memory_is_used_again_before_it_grows);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
