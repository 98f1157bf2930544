#include "daemon/segment.h"
#include "daemon/segment_read.h"
#include "daemon/spares.h"
#include "proto/stamp.h"
#include "tests/unit/faulty_disk.h"
#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"
#include <errno.h>

#define STORE "01234567-89ab-4cde-8f01-23456789abcd"

static struct scratch scratch;
static struct faulty_disk faulty;
static struct disk_dir dir;
static struct buf got; /* what a sink was given, a line each */

static void setup(void)
{
	ident_init();
	scratch_make(&scratch);
	faulty_disk_init(&faulty);
	ck_assert(disk_dir_open(&faulty.disk, &dir, AT_FDCWD, scratch.path, "journal", false, 0));
}

static void teardown(void)
{
	faulty_disk_fail(&faulty, (struct faulty_plan){0});
	disk_dir_close(&faulty.disk, &dir);
	faulty_disk_done(&faulty);
	scratch_remove(&scratch);
	buf_free(&got);
}

static bool keep_put(void *context, enum table_id t, struct span text, bool trusted, struct fault *fault,
                     size_t *at)
{
	(void)context, (void)fault, (void)at;
	buf_printf(&got, "%s%s %.*s\n", trusted ? "" : "untrusted ", spec_table_name(t), (int)text.len, text.at);
	return true;
}

static bool keep_remove(void *context, enum table_id t, struct span id, struct fault *fault)
{
	(void)context, (void)fault;
	buf_printf(&got, "%s -%.*s\n", spec_table_name(t), (int)id.len, id.at);
	return true;
}

static const struct load_sink sink = {.put = keep_put, .remove = keep_remove};

static bool load_number(uint64_t seq, struct segment_head *head, struct load_finding *f)
{
	got.len = 0;
	bool ok = load_segment_file(&faulty.disk, &dir, seq, STORE, &sink, head, f);
	*buf_room(&got, 1) = '\0';
	return ok;
}

static const struct segment_head some_head =
	{.store = STORE, .seq = 43, .prev = 42, .first = 101, .last = 103, .changed = {100, 98, 0}};
static const struct segment_change some_changes[] = {
	{TABLE_RUNS, {"r", 1}, {"{\"id\":\"r\",\"revision\":101}", 25}},
	{TABLE_JOBS, {"a", 1}, {"{\"id\":\"a\",\"revision\":102}", 25}},
	{TABLE_JOBS, {"b", 1}, {NULL, 0}},
	{TABLE_JOBS, {"c", 1}, {"{\"id\":\"c\",\"revision\":103}", 25}},
	{TABLE_ARTIFACTS, {"x_1", 3}, {NULL, 0}},
	{TABLE_JOBS, {"d", 1}, {NULL, 0}},
};
static const char some_name[] = "00000000000000000043.json";

static void write_some(void)
{
	uint64_t bytes;
	struct disk_error e;
	ck_assert_int_eq(segment_write(&faulty.disk, &dir, &some_head, some_changes, 6, 1795366200123456, &bytes,
	                               &e),
	                 DISK_OK);
	struct buf text = {0};
	ck_assert(scratch_read(&scratch, some_name, &text));
	ck_assert_uint_eq(text.len, bytes);
	buf_free(&text);
}

START_TEST(a_commit_is_written_as_the_documents_show_it)
{
	write_some();
	struct buf text = {0};
	char at[STAMP_LEN + 1], want[1024];
	stamp_format(1795366200123456, at);
	scratch_read(&scratch, some_name, &text);
	snprintf(want, sizeof want,
	         "{\"store\":\"" STORE "\",\"seq\":43,\"prev\":42,\"first\":101,\"last\":103,\"changed\":{\"jobs\":100,"
	                               "\"runs\":98,\"artifacts\":0},\"at\":\"%s\","
	         "\"jobs\":[\n{\"id\":\"a\",\"revision\":102},\n{\"id\":\"c\",\"revision\":103}\n],\"runs\":[\n{\"id\":"
	         "\"r\",\"revision\":101}\n],\"artifacts\":[],"
	         "\"deleted\":{\"jobs\":[\"b\",\"d\"],\"artifacts\":[\"x_1\"]}",
	         at);
	size_t len = strlen(want);
	char end[64];
	snprintf(end, sizeof end, ",\"xxh3\":\"%016llx\"}", (unsigned long long)XXH3_64bits(want, len));
	strcat(want, end);
	ck_assert_str_eq(text.at, want);
	buf_free(&text);
}
END_TEST

START_TEST(a_commit_reads_back_as_it_was_written)
{
	struct segment_head head, quick;
	struct load_finding f;
	uint64_t bytes;
	write_some();
	ck_assert_msg(load_number(43, &head, &f), "%s", f.message);
	ck_assert_str_eq(got.at, "jobs {\"id\":\"a\",\"revision\":102}\njobs {\"id\":\"c\",\"revision\":103}\nruns "
	                         "{\"id\":\"r\",\"revision\":101}\n"
	                         "jobs -b\njobs -d\nartifacts -x_1\n");
	ck_assert_str_eq(head.store, STORE);
	ck_assert_uint_eq(head.tables, 7);
	ck_assert(segment_read_head(&faulty.disk, &dir, 43, &quick, &bytes));
	quick.tables = 7;
	ck_assert_mem_eq(&quick, &head, sizeof head);
}
END_TEST

START_TEST(an_empty_commit_is_a_whole_file)
{
	struct segment_head head = some_head, back;
	struct load_finding f;
	struct disk_error e;
	struct buf text = {0};
	uint64_t bytes;
	head.last = head.first - 1;
	head.without[TABLE_RUNS] = 77;
	ck_assert_int_eq(segment_write(&faulty.disk, &dir, &head, NULL, 0, 0, &bytes, &e), DISK_OK);
	ck_assert_msg(load_number(43, &back, &f), "%s", f.message);
	ck_assert_str_eq(got.at, "");
	ck_assert_mem_eq(&back, &head, sizeof head);
	scratch_read(&scratch, some_name, &text);
	ck_assert_ptr_nonnull(strstr(text.at, "\"jobs\":[],\"runs\":[],\"artifacts\":[],\"deleted\":{},\"xxh3\":"));
	ck_assert_ptr_nonnull(strstr(text.at, "\"without\":{\"jobs\":0,\"runs\":77,\"artifacts\":0}"));
	buf_free(&text);
}
END_TEST

START_TEST(a_commit_of_thousands_of_records_and_large_ones_is_whole)
{
	enum { COUNT = 20000, LARGE = 1000000 };
	struct segment_head head = some_head, back;
	struct load_finding f;
	struct disk_error e;
	uint64_t bytes;
	struct segment_change *changes = calloc(COUNT, sizeof *changes);
	char *ids = malloc(COUNT * 16), *large = malloc(LARGE);
	struct buf texts = {0}, want = {0};
	size_t *at = calloc(COUNT + 1, sizeof *at);
	memset(large, 'x', LARGE);
	head.last = head.first + COUNT - 1;
	for (int i = 0; i < COUNT; i++) {
		int len = snprintf(ids + 16 * i, 16, "j%d", i);
		changes[i] = (struct segment_change){TABLE_JOBS, {ids + 16 * i, (size_t)len}, {NULL, 0}};
		buf_printf(&texts, "{\"id\":\"j%d\",\"t\":\"%.*s\"}", i, i % 5000 == 7 ? LARGE : i % 300, large);
		at[i + 1] = texts.len;
	}
	for (int i = 0; i < COUNT; i++)
		if (i % 3 != 2) {
			changes[i].text = (struct span){texts.at + at[i], at[i + 1] - at[i]};
			buf_printf(&want, "jobs %.*s\n", (int)changes[i].text.len, changes[i].text.at);
		}
	for (int i = 2; i < COUNT; i += 3)
		buf_printf(&want, "jobs -j%d\n", i);
	ck_assert_int_eq(segment_write(&faulty.disk, &dir, &head, changes, COUNT, 0, &bytes, &e), DISK_OK);
	ck_assert_uint_eq(faulty.disk.bytes_written, bytes);
	ck_assert_msg(load_number(43, &back, &f), "%s", f.message);
	ck_assert(span_is(buf_as_span(&got), buf_as_span(&want)));
	buf_free(&texts);
	buf_free(&want);
	free(changes);
	free(ids);
	free(large);
	free(at);
}
END_TEST

START_TEST(a_fault_while_writing_leaves_no_half_commit)
{
	uint64_t bytes;
	for (unsigned nth = 1;; nth++) {
		struct disk_error e;
		faulty.short_write = 100;
		faulty_disk_forget(&faulty);
		faulty_disk_fail(&faulty, (struct faulty_plan){.nth = nth, .number = ENOSPC});
		enum disk_result result = segment_write(&faulty.disk, &dir, &some_head, some_changes, 6, 0, &bytes,
		                                        &e);
		if (!faulty_disk_fired(&faulty))
			break;
		bool renamed = faulty.calls[FAULTY_RENAMEAT] > 0;
		if (!renamed)
			ck_assert_int_eq(result, DISK_FAILED);
		else
			ck_assert_int_ne(result, DISK_FAILED);
		ck_assert_uint_eq(scratch_count(&scratch, ".", disk_is_tmp), 0);
		struct segment_head head;
		struct load_finding f;
		faulty_disk_fail(&faulty, (struct faulty_plan){0});
		if (scratch_count(&scratch, ".", NULL) > 0)
			ck_assert_msg(load_number(43, &head, &f), "%s", f.message);
		scratch_empty(scratch.path, 0);
	}
}
END_TEST

START_TEST(a_flipped_byte_anywhere_is_refused)
{
	struct buf text = {0};
	struct segment_head head;
	struct load_finding f;
	write_some();
	scratch_read(&scratch, some_name, &text);
	size_t len = text.len;
	for (size_t i = 0; i < len; i++)
		for (int bit = 0; bit < 9; bit++) {
			char was = text.at[i];
			text.at[i] = (char)(bit == 8 ? 'z' : was ^ (1 << bit));
			if (text.at[i] == was)
				continue;
			scratch_write(&scratch, some_name, (struct span){text.at, len});
			ck_assert_msg(!load_number(43, &head, &f), "byte %zu", i);
			ck_assert(f.fatal);
			ck_assert_str_eq(f.file, "journal/00000000000000000043.json");
			ck_assert_uint_gt(strlen(f.message), 10);
			ck_assert_uint_eq(got.len, 0);
			text.at[i] = was;
		}
	buf_free(&text);
}
END_TEST

START_TEST(a_file_cut_off_anywhere_is_refused)
{
	struct buf text = {0};
	struct segment_head head;
	struct load_finding f;
	write_some();
	scratch_read(&scratch, some_name, &text);
	for (size_t len = 0; len < text.len; len++) {
		scratch_write(&scratch, some_name, (struct span){text.at, len});
		ck_assert_msg(!load_number(43, &head, &f), "length %zu", len);
		ck_assert_uint_eq(got.len, 0);
		ck_assert_ptr_nonnull(strstr(f.message, "backup"));
	}
	buf_free(&text);
}
END_TEST

static uint64_t write_padded(void)
{
	struct spares *spares = malloc(sizeof *spares);
	uint64_t bytes, padding;
	struct disk_error e;
	spares_init(spares, &faulty.disk);
	ck_assert_int_eq(segment_write_over(spares, &dir, &some_head, some_changes, 6, 1795366200123456, &bytes,
	                                    &padding, &e),
	                 DISK_OK);
	ck_assert_uint_eq(bytes, 512);
	ck_assert_uint_gt(padding, 5);
	spares_done(spares);
	free(spares);
	return padding;
}

START_TEST(padding_changes_what_a_commit_says)
{
	struct segment_head head, plain_head;
	struct load_finding f;
	struct buf text = {0}, plain = {0}, plain_got = {0};
	write_some();
	ck_assert(load_number(43, &plain_head, &f));
	scratch_read(&scratch, some_name, &plain);
	buf_span(&plain_got, (struct span){got.at, got.len + 1});
	uint64_t padding = write_padded();
	ck_assert(load_number(43, &head, &f));
	ck_assert_str_eq(got.at, plain_got.at);
	ck_assert_mem_eq(&head, &plain_head, sizeof head);
	scratch_read(&scratch, some_name, &text);
	ck_assert_uint_eq(text.len, plain.len + padding);
	ck_assert_mem_eq(text.at, plain.at, plain.len);
	for (size_t i = plain.len; i < text.len; i++)
		ck_assert_int_eq(text.at[i], i + 1 < text.len ? ' ' : '\n');
	buf_free(&text);
	buf_free(&plain);
	buf_free(&plain_got);
}
END_TEST

START_TEST(a_damaged_byte_of_the_padding_is_passed_over)
{
	struct segment_head head;
	struct load_finding f;
	struct buf text = {0};
	uint64_t padding = write_padded();
	scratch_read(&scratch, some_name, &text);
	for (size_t i = text.len - padding; i < text.len; i++)
		for (int bit = 0; bit < 10; bit++) {
			char was = text.at[i];
			text.at[i] = (char)(bit == 8 ? '\0' : bit == 9 ? '}' : was ^ (1 << bit));
			scratch_write(&scratch, some_name, buf_as_span(&text));
			ck_assert_msg(!load_number(43, &head, &f), "byte %zu, bit %d", i, bit);
			ck_assert_str_eq(f.file, "journal/00000000000000000043.json");
			ck_assert_uint_eq(f.byte, i);
			ck_assert_uint_gt(f.line, 1);
			text.at[i] = was;
		}
	buf_free(&text);
}
END_TEST

START_TEST(what_a_spare_file_held_shows_in_the_next_commit)
{
	struct spares *spares = malloc(sizeof *spares);
	struct segment_head head;
	struct load_finding f;
	struct disk_error e;
	uint64_t bytes, padding;
	char old[512];
	memset(old, 'x', sizeof old);
	spares_init(spares, &faulty.disk);
	scratch_write(&scratch, "1.json", (struct span){old, sizeof old});
	ck_assert(spares_give(spares, &dir, "1.json", sizeof old, &e));
	spares_settle(spares, spares_mark(spares));
	faulty.short_write = 100;
	ck_assert_int_eq(segment_write_over(spares, &dir, &some_head, some_changes, 6, 1795366200123456, &bytes,
	                                    &padding, &e),
	                 DISK_OK);
	ck_assert_ptr_nonnull(strstr(faulty_disk_log(&faulty), "renameat spare.*.tmp 00000000000000000043.json\n"));
	ck_assert_msg(load_number(43, &head, &f), "%s", f.message);
	ck_assert_uint_eq(scratch_count(&scratch, ".", NULL), 1);
	spares_done(spares);
	free(spares);
}
END_TEST

#define HEAD "{\"store\":\"" STORE "\",\"seq\":43,\"prev\":42,\"first\":101,\"last\":103"

static void accepted(const char *text, const char *want)
{
	struct segment_head head;
	struct load_finding f;
	scratch_write(&scratch, some_name, span_of(text));
	ck_assert_msg(load_number(43, &head, &f), "%s: %s", text, f.message);
	ck_assert_str_eq(got.at, want);
}

static void refused(const char *text, uint64_t line, uint64_t byte, const char *says)
{
	struct segment_head head;
	struct load_finding f;
	scratch_write(&scratch, some_name, span_of(text));
	ck_assert_msg(!load_number(43, &head, &f), "%s", text);
	ck_assert_msg(strstr(f.message, says) && f.line == line && f.byte == byte, "%s: %llu:%llu %s", text,
	              (unsigned long long)f.line, (unsigned long long)f.byte, f.message);
}

START_TEST(a_segment_edited_by_hand_without_its_checksum_is_taken)
{
	accepted(HEAD ",\"jobs\":[{\"id\":\"a\",\"revision\":102}]}", "untrusted jobs {\"id\":\"a\",\"revision\":102}\n");
	accepted(" " HEAD ",\n \"deleted\" : { \"jobs\" : [ \"\\u0061\" ] } }\n", "jobs -a\n");
	accepted(HEAD "}", "");
	struct segment_head head;
	struct load_finding f;
	ck_assert(load_number(43, &head, &f));
	ck_assert_uint_eq(head.changed[TABLE_JOBS], 100);
}
END_TEST

START_TEST(a_right_checksum_in_another_layout_is_taken)
{
	struct buf text = {0};
	buf_text(&text, HEAD ", \"jobs\":[] ");
	buf_printf(&text, ",\n \"xxh3\": \"%016llx\" }", (unsigned long long)XXH3_64bits(text.at, text.len));
	*buf_room(&text, 1) = '\0';
	accepted(text.at, "");
	strstr(text.at, "\"prev\":42")[8] = '1';
	refused(text.at, 2, sizeof HEAD - 1 + 15, "checksum (xxh3) does not match");
	buf_free(&text);
}
END_TEST

START_TEST(what_is_no_segment_is_refused_where_it_is_wrong)
{
	refused("", 1, 0, "is empty");
	refused("[]", 1, 0, "expected an object");
	refused(HEAD ",\n\"jobs\":{}}", 2, sizeof HEAD - 1 + 9, "\"jobs\" has to be an array");
	refused(HEAD ",\"jobs\":[1,]}", 1, sizeof HEAD - 1 + 11, "not JSON");
	refused(HEAD ",\"jobs\":[{\"id\":\"a\",\"x\":NaN}]}", 1, sizeof HEAD - 1 + 23, "NaN and Infinity are not JSON");
	refused(HEAD ",\"deleted\":{\"artifacts\":[\"../../etc/passwd\"]}}", 1, sizeof HEAD - 1 + 25,
	        "expected an id of artifacts");
	refused(HEAD ",\"deleted\":{\"widgets\":[]}}", 1, sizeof HEAD - 1 + 12, "newer persistd");
	refused(HEAD ",\"widgets\":[]}", 1, sizeof HEAD - 1 + 1, "newer persistd");
	refused(HEAD ",\"seq\":43}", 1, sizeof HEAD - 1 + 1, "twice");
	refused(HEAD ",\"changed\":{\"jobs\":101}}", 1, 0, "\"changed\" has to be below");
	refused(HEAD ",\"changed\":{\"jobs\":-1}}", 1, sizeof HEAD - 1 + 19, "whole number");
	refused(HEAD ",\"jobs\":[{\"id\":\"a\",\"revision\":104}]}", 1, sizeof HEAD - 1 + 30, "outside of the segment's");
	refused(HEAD ",\"jobs\":[{\"id\":\"a\"}],\"deleted\":{\"jobs\":[\"a\"]}}", 1, sizeof HEAD - 1 + 40, "stands twice");
	refused("{\"store\":\"" STORE "\",\"seq\":44,\"prev\":42,\"first\":101,\"last\":103}", 1, 0,
	        "another one than its name");
	refused("{\"store\":\"" STORE "\",\"seq\":43,\"prev\":43,\"first\":101,\"last\":103}", 1, 0, "do not fit");
	refused("{\"store\":\"" STORE "\",\"seq\":43,\"prev\":42,\"first\":101,\"last\":99}", 1, 0, "do not fit");
	refused("{\"store\":\"" STORE "\",\"seq\":43,\"prev\":42,\"last\":99}", 1, 0, "has no \"first\"");
	refused("{\"store\":\"11111111-89ab-4cde-8f01-23456789abcd\",\"seq\":43,\"prev\":42,\"first\":101,\"last\":103}", 1,
	        0, "another store");
	refused("{\"store\":\"/\",\"seq\":43}", 1, 9, "UUID");
}
END_TEST

START_TEST(a_checksum_under_broken_json_crashes_nothing)
{
	static const char *const texts[] = {"",
	                                    "{",
	                                    "{\"jobs\":[",
	                                    HEAD,
	                                    HEAD ",\"jobs\":[",
	                                    HEAD ",\"jobs\":[{\"id\":\"a\"",
	                                    HEAD "}garbage",
	                                    HEAD ",\"deleted\":[1"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct buf text = {0};
		struct segment_head head;
		struct load_finding f;
		buf_text(&text, texts[i]);
		segment_put_end(&text, XXH3_64bits(text.at, text.len));
		scratch_write(&scratch, some_name, buf_as_span(&text));
		ck_assert_msg(!load_number(43, &head, &f) || strcmp(texts[i], HEAD) == 0, "%s", texts[i]);
		buf_free(&text);
	}
}
END_TEST

START_TEST(names_are_twenty_digits)
{
	char name[SEGMENT_NAME_LEN + 1];
	uint64_t seq;
	segment_name(43, name);
	ck_assert_str_eq(name, some_name);
	ck_assert(segment_seq(name, &seq));
	ck_assert_uint_eq(seq, 43);
	segment_name(INT64_MAX, name);
	ck_assert(segment_seq(name, &seq));
	ck_assert_uint_eq(seq, INT64_MAX);
	ck_assert(!segment_seq("00000000000000000000.json", &seq));
	ck_assert(!segment_seq("18446744073709551617.json", &seq));
	ck_assert(!segment_seq("0000000000000000043.json", &seq));
	ck_assert(!segment_seq("0000000000000000004x.json", &seq));
	ck_assert(!segment_seq("00000000000000000043.jsom", &seq));
	ck_assert(!segment_seq("-0000000000000000043.json", &seq));
	ck_assert(!segment_seq("", &seq));
}
END_TEST

START_TEST(a_disk_that_cannot_be_read_is_no_damaged_file)
{
	struct segment_head head;
	struct load_finding f;
	ck_assert(!load_number(43, &head, &f));
	ck_assert_ptr_nonnull(strstr(f.message, "missing"));
	write_some();
	faulty_disk_fail(&faulty, (struct faulty_plan){.call = FAULTY_PREAD, .nth = 1, .number = EIO});
	ck_assert(!load_number(43, &head, &f));
	ck_assert_ptr_nonnull(strstr(f.message, "cannot be read: Input/output error"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("segment");
	TCase *all = tcase_create("segment");
	tcase_set_timeout(all, 60);
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, a_commit_is_written_as_the_documents_show_it);
	tcase_add_test(all, a_commit_reads_back_as_it_was_written);
	tcase_add_test(all, an_empty_commit_is_a_whole_file);
	tcase_add_test(all, a_commit_of_thousands_of_records_and_large_ones_is_whole);
	tcase_add_test(all, a_fault_while_writing_leaves_no_half_commit);
	tcase_add_test(all, a_flipped_byte_anywhere_is_refused);
	tcase_add_test(all, a_file_cut_off_anywhere_is_refused);
	tcase_add_test(all, padding_changes_what_a_commit_says);
	tcase_add_test(all, a_damaged_byte_of_the_padding_is_passed_over);
	tcase_add_test(all, what_a_spare_file_held_shows_in_the_next_commit);
	tcase_add_test(all, a_segment_edited_by_hand_without_its_checksum_is_taken);
	tcase_add_test(all, a_right_checksum_in_another_layout_is_taken);
	tcase_add_test(all, what_is_no_segment_is_refused_where_it_is_wrong);
	tcase_add_test(all, a_checksum_under_broken_json_crashes_nothing);
	tcase_add_test(all, names_are_twenty_digits);
	tcase_add_test(all, a_disk_that_cannot_be_read_is_no_damaged_file);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
