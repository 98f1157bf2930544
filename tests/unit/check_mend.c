#include "daemon/mend.h"
#include "proto/buf.h"
#include "tests/unit/unit.h"
#include <inttypes.h>
#include <xxhash.h>

static struct buf file;

static void make(size_t len)
{
	file.len = 0;
	buf_text(&file, "{\"jobs\":[");
	while (file.len < len)
		buf_printf(&file, "%zu,", file.len);
	buf_text(&file, "0]");
	uint64_t sum = XXH3_64bits(file.at, file.len);
	buf_printf(&file, ",\"xxh3\":\"%016" PRIx64 "\"}", sum);
}

static void teardown(void)
{
	buf_free(&file);
}

static void expect_mended(size_t at, char becomes)
{
	char was = file.at[at];
	size_t found = 0, end;
	file.at[at] = becomes;
	ck_assert(!mend_is_whole(buf_as_span(&file), &end));
	ck_assert_msg(mend_byte(file.at, file.len, MEND_WORK, &found), "byte %zu", at);
	ck_assert_uint_eq(found, at);
	ck_assert_int_eq(file.at[at], was);
	ck_assert(mend_is_whole(buf_as_span(&file), &end));
}

START_TEST(whichever_byte_it_was_it_is_found)
{
	size_t end;
	make(300);
	ck_assert(mend_is_whole(buf_as_span(&file), &end));
	for (size_t at = 0; at < file.len; at += 7) {
		expect_mended(at, (char)(file.at[at] ^ 4));
		expect_mended(at, (char)(file.at[at] ^ 0x55));
	}
	for (size_t at = file.len - 30; at < file.len; at++)
		expect_mended(at, '\n');
}
END_TEST

START_TEST(a_padded_file_is_found_too_and_what_happens_to_its_padding_costs_nothing)
{
	size_t end;
	make(300);
	size_t len = file.len;
	for (int i = 0; i < 100; i++)
		buf_char(&file, i == 0 ? '\n' : ' ');
	for (size_t at = 0; at < len; at += 7)
		expect_mended(at, (char)(file.at[at] ^ 4));
	expect_mended(len - 1, ' ');
	expect_mended(len - 2, '\n');
	for (size_t at = len, mended; at < file.len; at++) {
		file.at[at] = (char)("}\"x\0"[at % 4]);
		ck_assert(mend_is_whole(buf_as_span(&file), &end));
		ck_assert_uint_eq(end, len);
		ck_assert(mend_byte(file.at, file.len, MEND_WORK, &mended));
		ck_assert_uint_eq(mended, at);
		ck_assert_int_eq(file.at[at], ' ');
	}
	ck_assert(!mend_byte(file.at, file.len, MEND_WORK, &end)); /* there is nothing to be put right */
}
END_TEST

START_TEST(two_bytes_are_not_put_right_and_nothing_is_changed)
{
	size_t at;
	make(300);
	file.at[20] ^= 1;
	file.at[200] ^= 1;
	struct buf before = {0};
	buf_span(&before, buf_as_span(&file));
	ck_assert(!mend_byte(file.at, file.len, MEND_WORK, &at));
	ck_assert(span_is(buf_as_span(&file), buf_as_span(&before)));
	buf_free(&before);
	file.len = 10; /* and what is cut off has no checksum at all */
	ck_assert(!mend_byte(file.at, file.len, MEND_WORK, &at));
}
END_TEST

START_TEST(work_has_a_limit)
{
	size_t at;
	make(2000);
	file.at[20] ^= 1;
	ck_assert(!mend_byte(file.at, file.len, 0, &at));
	ck_assert(!mend_byte(file.at, file.len, 1 << 20, &at));
	ck_assert(mend_byte(file.at, file.len, 1 << 26, &at));
	file.at[20] ^= 0x55; /* more than a bit costs more */
	ck_assert(!mend_byte(file.at, file.len, 1 << 26, &at));
	make(200000);
	file.at[20] ^= 1;
	ck_assert(!mend_byte(file.at, file.len, MEND_WORK, &at));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mend");
	TCase *all = tcase_create("mend");
	tcase_set_timeout(all, 60);
	tcase_add_checked_fixture(all, NULL, teardown);
	tcase_add_test(all, whichever_byte_it_was_it_is_found);
	tcase_add_test(all, a_padded_file_is_found_too_and_what_happens_to_its_padding_costs_nothing);
	tcase_add_test(all, two_bytes_are_not_put_right_and_nothing_is_changed);
	tcase_add_test(all, work_has_a_limit);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
