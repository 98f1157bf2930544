#include "daemon/merge.h"
#include "tests/unit/faulty_disk.h"
#include "tests/unit/loaded.h"
#include "tests/unit/scratch.h"
#include <errno.h>

static struct scratch scratch;
static struct faulty_disk faulty;
static struct disk_dir journal;
static struct loaded got;
static struct merge_source sources[4];
static struct merge merge;
static struct disk_error error;

static void setup(void)
{
	ident_init();
	scratch_make(&scratch);
	faulty_disk_init(&faulty);
	faulty.logging = false;
	ck_assert(disk_dir_open(&faulty.disk, &journal, AT_FDCWD, scratch.path, "journal", false, 0));
	memset(sources, 0, sizeof sources);
	merge = (struct merge){.disk = &faulty.disk, .journal = &journal, .sources = sources,
	                       .head = {.store = STORE}};
}

static void teardown(void)
{
	loaded_reset(&got);
	disk_dir_close(&faulty.disk, &journal);
	faulty_disk_done(&faulty);
	scratch_remove(&scratch);
}

#define PUT(t, name, value) {TABLE_##t, SPAN(name), SPAN("{\"id\":\"" name "\",\"v\":" #value "}")}
#define DELETE(t, name) {TABLE_##t, SPAN(name), {0}}

static void write_source(const struct segment_change *changes, size_t count)
{
	size_t n = merge.count++;
	struct segment_head head = {.store = STORE, .seq = n + 5, .prev = n + 4, .first = 10 * n + 1,
	                            .last = 10 * n + 10};
	uint64_t bytes;
	ck_assert_int_eq(segment_write(&faulty.disk, &journal, &head, changes, count, 0, &bytes, &error),
	                 DISK_OK);
	sources[n] = (struct merge_source){.seq = head.seq, .last = head.last};
	for (size_t i = 0; i < count; i++)
		sources[n].tables |= (uint8_t)(1 << changes[i].table);
	merge.head.seq = head.seq;
	merge.head.last = head.last;
	merge.head.prev = 4;
	merge.head.first = 1;
}

#define SOURCE(...)                                                             \
	do {                                                                          \
		const struct segment_change changes_here[] = {__VA_ARGS__};                 \
		write_source(changes_here, sizeof changes_here / sizeof *changes_here);     \
	} while (0)

static const char *result(struct segment_head *head)
{
	struct load_finding finding;
	struct load_sink sink = loaded_sink(&got);
	loaded_reset(&got);
	ck_assert_msg(load_segment_file(&faulty.disk, &journal, merge.head.seq, STORE, &sink, head, &finding),
	              "%s", finding.message);
	return loaded_dump(&got);
}

START_TEST(an_older_change_wins_over_a_newer_one)
{
	struct segment_head head;
	SOURCE(PUT(JOBS, "a", 1), PUT(JOBS, "b", 1), PUT(RUNS, "a", 1));
	SOURCE(PUT(JOBS, "a", 2), DELETE(JOBS, "b"), DELETE(RUNS, "c"));
	SOURCE(PUT(JOBS, "c", 3), DELETE(RUNS, "a"), PUT(RUNS, "c", 3), PUT(RUNS, "d", 3));
	ck_assert_int_eq(merge_write(&merge, &error), DISK_OK);
	ck_assert_str_eq(result(&head), "jobs a=2 c=3 runs c=3 d=3 ");
	ck_assert_uint_eq(got.calls, 6); /* with the deletions of b and a: a snapshot may have them */
	ck_assert_uint_eq(head.prev, 4);
	ck_assert_uint_eq(head.first, 1);
	ck_assert_uint_eq(head.last, 30);
	ck_assert_uint_eq(head.tables, merge.head.tables);
	ck_assert_uint_eq(head.without[TABLE_JOBS], 0);
	ck_assert_uint_gt(merge.weight[TABLE_JOBS], 0);
	ck_assert_uint_eq(merge.weight[TABLE_ARTIFACTS], 0);
}
END_TEST

START_TEST(a_change_that_no_snapshot_has_is_left_out)
{
	struct segment_head head;
	SOURCE(PUT(JOBS, "a", 1), PUT(RUNS, "a", 1));
	SOURCE(PUT(JOBS, "b", 2));
	SOURCE(PUT(JOBS, "c", 3), PUT(ARTIFACTS, "x", 3));
	merge.settled[TABLE_JOBS] = 29; /* in the midst of the third */
	sources[0].without[TABLE_ARTIFACTS] = 7;
	ck_assert_int_eq(merge_write(&merge, &error), DISK_OK);
	ck_assert_str_eq(result(&head), "jobs c=3 runs a=1 artifacts x=3 ");
	ck_assert_uint_eq(head.without[TABLE_JOBS], 20);
	ck_assert_uint_eq(head.without[TABLE_RUNS], 0);
	ck_assert_uint_eq(head.without[TABLE_ARTIFACTS], 7);
}
END_TEST

/* Which a restart brings about: what was settled when the second source was merged need not be known to be so now. */
START_TEST(an_old_change_comes_back_when_a_merge_before_has_left_the_newer_one_out)
{
	struct segment_head head;
	SOURCE(PUT(ARTIFACTS, "x", 1), PUT(RUNS, "r", 1));
	SOURCE(PUT(JOBS, "b", 2));
	SOURCE(PUT(ARTIFACTS, "y", 3));
	sources[1].without[TABLE_ARTIFACTS] = 17; /* the deletion of x */
	ck_assert_int_eq(merge_write(&merge, &error), DISK_OK);
	ck_assert_str_eq(result(&head), "jobs b=2 runs r=1 artifacts y=3 ");
	ck_assert_uint_eq(head.without[TABLE_ARTIFACTS], 17);
	ck_assert_uint_eq(head.without[TABLE_RUNS], 0);
}
END_TEST

START_TEST(a_source_of_which_nothing_is_wanted_is_read)
{
	struct segment_head head;
	SOURCE(PUT(JOBS, "a", 1));
	SOURCE(PUT(JOBS, "b", 2));
	merge.settled[TABLE_JOBS] = 20;
	faulty_disk_fail(&faulty, (struct faulty_plan){.call = FAULTY_PREAD, .nth = 1, .sticky = true,
	                                               .number = EIO});
	ck_assert_int_eq(merge_write(&merge, &error), DISK_OK);
	faulty_disk_fail(&faulty, (struct faulty_plan){0});
	ck_assert_str_eq(result(&head), "");
	ck_assert_uint_eq(head.without[TABLE_JOBS], 20);
	ck_assert_uint_eq(head.last, 20);
}
END_TEST

START_TEST(a_source_that_cannot_be_read_is_taken_for_empty)
{
	SOURCE(PUT(JOBS, "a", 1));
	SOURCE(PUT(JOBS, "b", 2));
	faulty_disk_fail(&faulty, (struct faulty_plan){.call = FAULTY_PREAD, .nth = 2, .number = EIO});
	ck_assert_int_eq(merge_write(&merge, &error), DISK_FAILED);
	ck_assert_int_ne(error.number, 0);
	ck_assert_ptr_nonnull(strstr(error.what, "read journal/"));
}
END_TEST

START_TEST(a_segment_that_is_written_again_is_another_one)
{
	struct buf before = {0}, after = {0};
	SOURCE(PUT(JOBS, "a", 1), DELETE(RUNS, "r"), PUT(ARTIFACTS, "x", 1));
	merge.head = (struct segment_head){.store = STORE, .seq = 5, .prev = 4, .first = 1, .last = 10};
	ck_assert(scratch_read(&scratch, "00000000000000000005.json", &before));
	ck_assert_int_eq(merge_write(&merge, &error), DISK_OK);
	ck_assert(scratch_read(&scratch, "00000000000000000005.json", &after));
	ck_assert_str_eq(before.at, after.at);
	buf_free(&before);
	buf_free(&after);
}
END_TEST

START_TEST(text_that_a_person_wrote_gets_a_checksum_without_being_made_canonical)
{
	struct segment_head head;
	struct load_finding finding;
	struct load_sink sink = loaded_sink(&got);
	scratch_write(&scratch, "00000000000000000005.json",
		SPAN("{\"store\":\"" STORE "\",\"seq\":5,\"prev\":4,\"first\":1,\"last\":10,\"at\":\"2026-11-22T16:50:00.123456+00:00\",\"jobs\":[\n"
		     "{ \"status\" : \"running\",\n \"id\": \"a\", \"created_at\": \"2026-11-22T16:50:00.123456+00:00\", \"revision\": 3 }]}"));
	sources[0] = (struct merge_source){.seq = 5, .last = 10, .tables = 1 << TABLE_JOBS};
	merge.head = (struct segment_head){.store = STORE, .seq = 5, .prev = 4, .first = 1, .last = 10};
	merge.count = 1;
	ck_assert_int_eq(merge_write(&merge, &error), DISK_OK);
	ck_assert_msg(load_segment_file(&faulty.disk, &journal, 5, STORE, &sink, &head, &finding), "%s",
	              finding.message);
	ck_assert_uint_eq(got.untrusted, 0);
	ck_assert_int_eq(strncmp(got.records[0].text, "{\"id\":\"a\",\"type\":", 17), 0);
	ck_assert_ptr_nonnull(strstr(got.records[0].text, "\"revision\":3"));
}
END_TEST

START_TEST(many_records_are_lost_in_a_merge)
{
	struct segment_head head;
	static struct segment_change changes[400];
	static char ids[400][8], texts[400][32];
	for (unsigned i = 0; i < 400; i++) {
		snprintf(ids[i], sizeof ids[i], "j%u", i % 200);
		snprintf(texts[i], sizeof texts[i], "{\"id\":\"j%u\",\"v\":%u}", i % 200, i);
		changes[i] = (struct segment_change){TABLE_JOBS, span_of(ids[i]), span_of(texts[i])};
	}
	write_source(changes, 200);
	write_source(changes + 200, 200);
	ck_assert_int_eq(merge_write(&merge, &error), DISK_OK);
	result(&head);
	ck_assert_uint_eq(got.count, 200);
	ck_assert_str_eq(loaded_find(&got, TABLE_JOBS, SPAN("j7"))->text, "{\"id\":\"j7\",\"v\":207}");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("merge");
	TCase *c = tcase_create("merge");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, an_older_change_wins_over_a_newer_one);
	tcase_add_test(c, a_change_that_no_snapshot_has_is_left_out);
	tcase_add_test(c, an_old_change_comes_back_when_a_merge_before_has_left_the_newer_one_out);
	tcase_add_test(c, a_source_of_which_nothing_is_wanted_is_read);
	tcase_add_test(c, a_source_that_cannot_be_read_is_taken_for_empty);
	tcase_add_test(c, a_segment_that_is_written_again_is_another_one);
	tcase_add_test(c, text_that_a_person_wrote_gets_a_checksum_without_being_made_canonical);
	tcase_add_test(c, many_records_are_lost_in_a_merge);
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	return unit_run(suite());
}
