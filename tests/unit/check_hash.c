#include "daemon/hash.h"
#include "tests/unit/unit.h"
#include <stdio.h>

struct word {
	uint64_t before;
	struct hash_link link;
	char text[16];
};

static struct slab words;
static struct hash hash;

static void open_hash(void)
{
	slab_init(&words, sizeof(struct word));
	hash_init(&hash, &words, offsetof(struct word, link));
}

static void close_hash(void)
{
	hash_done(&hash);
	slab_done(&words);
}

static struct word *word(uint32_t n)
{
	return slab_at(&words, n);
}

static uint32_t lookup(const char *text, uint32_t value)
{
	uint32_t n = hash_first(&hash, value);

	while (n != 0 && strcmp(word(n)->text, text) != 0)
		n = hash_next(&hash, n, value);
	return n;
}

static uint32_t find_number(unsigned number)
{
	char text[16];

	snprintf(text, sizeof(text), "word%u", number);
	return lookup(text, hash_of(&hash, span_of(text)));
}

static uint32_t add_number(unsigned number)
{
	uint32_t n = slab_take(&words);

	snprintf(word(n)->text, sizeof(word(n)->text), "word%u", number);
	hash_add(&hash, n, hash_of(&hash, span_of(word(n)->text)));
	return n;
}

START_TEST(everything_is_found_at_every_size_while_buckets_split)
{
	enum { MANY = 20000 };

	for (unsigned i = 0; i < MANY; i++) {
		uint32_t n = add_number(i);
		ck_assert_uint_eq(find_number(i), n);
		ck_assert_uint_eq(find_number(i / 2), i / 2 + 1);
		ck_assert_uint_eq(find_number(i + 1), 0);
	}
	for (unsigned i = 0; i < MANY; i++)
		ck_assert_uint_eq(find_number(i), i + 1);
	ck_assert_uint_eq(hash.count, MANY);
	ck_assert_uint_ge(hash.buckets, MANY);
}
END_TEST

START_TEST(a_load_that_said_how_much_comes_divides_no_bucket)
{
	static const unsigned said[] = {0, 1, 1023, 1024, 1025, 3000, 4095, 4096, 4097, 20000};

	for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
		close_hash();
		open_hash();
		hash_reserve(&hash, said[i]);
		uint32_t buckets = hash.buckets;
		ck_assert_uint_ge(buckets, said[i]);
		for (unsigned n = 0; n < said[i]; n++)
			add_number(n);
		ck_assert_uint_eq(hash.buckets, buckets);
		for (unsigned n = said[i]; n < said[i] + 5000; n++)
			add_number(n); /* and it grows on from there */
		ck_assert_uint_ge(hash.buckets, said[i] + 5000);
		for (unsigned n = 0; n < said[i] + 5000; n++)
			ck_assert_uint_eq(find_number(n), n + 1);
	}
}
END_TEST

START_TEST(what_is_removed_is_gone_and_the_rest_stays)
{
	enum { MANY = 5000 };

	for (unsigned i = 0; i < MANY; i++)
		add_number(i);
	for (unsigned i = 0; i < MANY; i += 3)
		hash_remove(&hash, i + 1);
	for (unsigned i = 0; i < MANY; i++)
		ck_assert_uint_eq(find_number(i), i % 3 == 0 ? 0 : i + 1);
	for (unsigned i = 0; i < MANY; i += 3)
		hash_add(&hash, i + 1, hash_of(&hash, span_of(word(i + 1)->text)));
	for (unsigned i = 0; i < MANY; i++)
		ck_assert_uint_eq(find_number(i), i + 1);
}
END_TEST

START_TEST(elements_of_one_hash_value_are_all_found)
{
	enum { MANY = 3000, VALUE = 0x1234567 };

	for (uint32_t i = 1; i <= MANY; i++) {
		uint32_t n = slab_take(&words);
		snprintf(word(n)->text, sizeof(word(n)->text), "%u", i);
		hash_add(&hash, n, i % 10 ? i : VALUE);
	}
	unsigned found = 0;
	for (uint32_t n = hash_first(&hash, VALUE); n != 0; n = hash_next(&hash, n, VALUE)) {
		ck_assert_uint_eq(n % 10, 0);
		found++;
	}
	ck_assert_uint_eq(found, MANY / 10);
	hash_remove(&hash, 20);
	ck_assert_uint_eq(lookup("20", VALUE), 0);
	ck_assert_uint_eq(lookup("30", VALUE), 30);
}
END_TEST

START_TEST(two_tables_hash_differently_so_nobody_can_aim)
{
	struct hash other;

	hash_init(&other, &words, offsetof(struct word, link));
	unsigned same = 0;
	for (unsigned i = 0; i < 100; i++) {
		char text[16];
		snprintf(text, sizeof(text), "word%u", i);
		same += hash_of(&hash, span_of(text)) == hash_of(&other, span_of(text));
	}
	ck_assert_uint_lt(same, 100);
	hash_done(&other);
}
END_TEST

START_TEST(no_single_insertion_pays_for_all)
{
	for (unsigned i = 0; i < 50000; i++) {
		uint32_t before = hash.buckets;
		add_number(i);
		ck_assert_uint_le(hash.buckets, before + 1);
	}
	ck_assert_uint_ge(hash_bytes(&hash), 50000 * sizeof(uint32_t));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hash");
	TCase *c = tcase_create("hash");

	tcase_add_checked_fixture(c, open_hash, close_hash);
	tcase_add_test(c, everything_is_found_at_every_size_while_buckets_split);
	tcase_add_test(c, a_load_that_said_how_much_comes_divides_no_bucket);
	tcase_add_test(c, what_is_removed_is_gone_and_the_rest_stays);
	tcase_add_test(c, elements_of_one_hash_value_are_all_found);
	tcase_add_test(c, two_tables_hash_differently_so_nobody_can_aim);
	tcase_add_test(c, no_single_insertion_pays_for_all);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
