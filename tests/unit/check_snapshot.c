#include "daemon/snapshot.h"
#include "daemon/snapshot_read.h"
#include "proto/stamp.h"
#include "tests/unit/faulty_disk.h"
#include "tests/unit/loaded.h"
#include "tests/unit/scratch.h"
#include <errno.h>

static struct scratch scratch;
static struct faulty_disk faulty;
static struct disk_dir dir;
static struct loaded got;
static struct snapshot_read header;

static void setup(void)
{
	ident_init();
	scratch_make(&scratch);
	faulty_disk_init(&faulty);
	ck_assert(disk_dir_open(&faulty.disk, &dir, AT_FDCWD, scratch.path, "state", false, 0));
}

static void teardown(void)
{
	faulty_disk_fail(&faulty, (struct faulty_plan){0});
	buf_free(&header.extra);
	loaded_reset(&got);
	disk_dir_close(&faulty.disk, &dir);
	faulty_disk_done(&faulty);
	scratch_remove(&scratch);
}

static bool read_jobs(bool all)
{
	static struct load_sink sink;
	bool nothing = got.nothing;
	loaded_reset(&got);
	got.nothing = nothing;
	buf_free(&header.extra);
	sink = loaded_sink(&got);
	header = (struct snapshot_read){.disk = &faulty.disk,
	                                .state = &dir,
	                                .table = TABLE_JOBS,
	                                .all = all,
	                                .sink = &sink,
	                                .report = loaded_report,
	                                .context = &got};
	return snapshot_read(&header);
}

static struct snapshot_head some_head(uint64_t count)
{
	return (struct snapshot_head){.store = STORE,
	                              .revision = 115,
	                              .seq = 43,
	                              .changed = {115, 98, 0},
	                              .count = count,
	                              .updated_at = 1795366200123456};
}

static enum disk_result write_rows(const struct snapshot_head *head, const struct span *texts, size_t count,
                                   struct disk_error *e)
{
	struct snapshot_writer w;
	if (!snapshot_begin(&w, &faulty.disk, &dir, TABLE_JOBS, head, 0600, e))
		return DISK_FAILED;
	for (size_t i = 0; i < count; i += 2)
		if (!snapshot_rows(&w, texts + i, count - i < 2 ? 1 : 2, e))
			return DISK_FAILED;
	return snapshot_finish(&w, e);
}

static const struct span some_rows[] = {{"{\"id\":\"a\",\"v\":1}", 16},
                                        {"{\"id\":\"b\",\"v\":\"}\"}", 18},
                                        {"{\"id\":\"c\",\"v\":{\"x\":[]}}", 23}};

static void write_some(void)
{
	struct disk_error e;
	struct snapshot_head head = some_head(3);
	head.extra = SPAN("\"note\":{\"by\":\"hand\"},\"n\":7");
	ck_assert_int_eq(write_rows(&head, some_rows, 3, &e), DISK_OK);
}

static void put_sum(struct buf *text)
{
	segment_put_end(text, XXH3_64bits(text->at, text->len));
	*buf_room(text, 1) = '\0';
}

START_TEST(a_snapshot_is_written_as_the_documents_show_it)
{
	struct buf want = {0}, text = {0};
	write_some();
	scratch_read(&scratch, "jobs.json", &text);
	buf_text(&want, "{\"format\":1,\"store\":\"" STORE "\",\"revision\":115,\"seq\":43,\"changed\":{\"jobs\":115,"
	                                                   "\"runs\":98,\"artifacts\":0},\"count\":3,\"updated_at\":");
	stamp_json(&want, 1795366200123456);
	buf_text(&want, ",\"note\":{\"by\":\"hand\"},\"n\":7,\"jobs\":[\n{\"id\":\"a\",\"v\":1},\n{\"id\":\"b\",\"v\":\"}"
	                "\"},\n{\"id\":\"c\",\"v\":{\"x\":[]}}\n]");
	put_sum(&want);
	ck_assert_str_eq(text.at, want.at);
	buf_free(&want);
	buf_free(&text);
}
END_TEST

START_TEST(a_snapshot_reads_back_whole_and_trusted)
{
	write_some();
	ck_assert_msg(read_jobs(false), "%s", got.first_fatal.message);
	ck_assert_str_eq(loaded_dump(&got), "jobs a=1 b=\"}\" c={\"x\":[]} ");
	ck_assert_uint_eq(got.untrusted, 0);
	ck_assert(header.own && header.headed && header.has_changed && !header.missing);
	ck_assert_str_eq(header.store, STORE);
	ck_assert_uint_eq(header.revision, 115);
	ck_assert_uint_eq(header.seq, 43);
	ck_assert_uint_eq(header.changed[TABLE_RUNS], 98);
	ck_assert(span_is(buf_as_span(&header.extra), SPAN("\"note\":{\"by\":\"hand\"},\"n\":7")));
}
END_TEST

START_TEST(an_empty_table_reads_back_as_empty)
{
	struct disk_error e;
	struct snapshot_head head = some_head(0);
	ck_assert_int_eq(write_rows(&head, NULL, 0, &e), DISK_OK);
	ck_assert_msg(read_jobs(false), "%s", got.first_fatal.message);
	ck_assert(header.own);
	ck_assert_uint_eq(header.rows, 0);
}
END_TEST

START_TEST(a_large_table_is_synced_piecewise_and_read_in_bounded_memory)
{
	enum { COUNT = 40000 };
	struct disk_error e;
	struct snapshot_head head = some_head(COUNT);
	struct snapshot_writer w;
	struct buf texts = {0};
	static struct span rows[COUNT];
	static size_t at[COUNT + 1];
	for (int i = 0; i < COUNT; i++) {
		buf_printf(&texts, "{\"id\":\"job-%d\",\"t\":\"%0*d\"}", i, i == 777 ? 5000000 : 600 + i % 100, i);
		at[i + 1] = texts.len;
	}
	for (int i = 0; i < COUNT; i++)
		rows[i] = (struct span){texts.at + at[i], at[i + 1] - at[i]};
	ck_assert(snapshot_begin(&w, &faulty.disk, &dir, TABLE_JOBS, &head, 0600, &e));
	for (int i = 0; i < COUNT; i += 1000)
		ck_assert(snapshot_rows(&w, rows + i, 1000, &e));
	ck_assert_int_eq(snapshot_finish(&w, &e), DISK_OK);
	ck_assert_uint_ge(faulty.calls[FAULTY_FDATASYNC], 3);
	got.nothing = true;
	ck_assert_msg(read_jobs(false), "%s", got.first_fatal.message);
	ck_assert(header.own);
	ck_assert_uint_eq(header.rows, COUNT);
	ck_assert_uint_eq(got.untrusted, 0);
	buf_free(&texts);
}
END_TEST

START_TEST(a_fault_while_folding_leaves_the_old_snapshot)
{
	for (unsigned nth = 1;; nth++) {
		struct disk_error e;
		struct snapshot_head head = some_head(3);
		struct snapshot_head empty = some_head(0);
		faulty_disk_fail(&faulty, (struct faulty_plan){0});
		ck_assert_int_eq(write_rows(&empty, NULL, 0, &e), DISK_OK);
		faulty_disk_forget(&faulty);
		faulty_disk_fail(&faulty, (struct faulty_plan){.nth = nth, .number = EIO});
		enum disk_result result = write_rows(&head, some_rows, 3, &e);
		if (!faulty_disk_fired(&faulty))
			break;
		faulty_disk_fail(&faulty, (struct faulty_plan){0});
		bool renamed = faulty.calls[FAULTY_RENAMEAT] > 0;
		ck_assert(renamed || result == DISK_FAILED);
		ck_assert(!renamed || result != DISK_FAILED);
		ck_assert(read_jobs(false));
		ck_assert(renamed || header.rows == 0);
		ck_assert_uint_eq(scratch_count(&scratch, ".", NULL), 1);
	}
	struct snapshot_writer w;
	struct disk_error e;
	struct snapshot_head head = some_head(3);
	faulty_disk_fail(&faulty, (struct faulty_plan){0});
	ck_assert(snapshot_begin(&w, &faulty.disk, &dir, TABLE_JOBS, &head, 0600, &e));
	snapshot_abort(&w);
	snapshot_abort(&w);
	ck_assert_uint_eq(scratch_count(&scratch, ".", NULL), 1);
}
END_TEST

START_TEST(a_flipped_byte_anywhere_is_refused)
{
	struct buf text = {0};
	write_some();
	scratch_read(&scratch, "jobs.json", &text);
	size_t len = text.len;
	for (size_t i = 0; i < len; i++)
		for (int bit = 0; bit < 9; bit++) {
			char was = text.at[i];
			text.at[i] = (char)(bit == 8 ? '0' : was ^ (1 << bit));
			if (text.at[i] == was)
				continue;
			scratch_write(&scratch, "jobs.json", (struct span){text.at, len});
			ck_assert_msg(!read_jobs(bit % 2), "byte %zu bit %d", i, bit);
			ck_assert_uint_ge(got.fatal, 1);
			ck_assert_str_eq(got.first_fatal.file, "jobs.json");
			ck_assert_uint_gt(strlen(got.first_fatal.message), 10);
			text.at[i] = was;
		}
	buf_free(&text);
}
END_TEST

START_TEST(a_file_cut_off_anywhere_is_refused)
{
	struct buf text = {0};
	write_some();
	scratch_read(&scratch, "jobs.json", &text);
	for (size_t len = 0; len < text.len; len++) {
		scratch_write(&scratch, "jobs.json", (struct span){text.at, len});
		ck_assert_msg(!read_jobs(false), "length %zu", len);
		ck_assert_msg(strstr(got.first_fatal.message, "backup"), "length %zu: %s", len,
		              got.first_fatal.message);
	}
	buf_free(&text);
}
END_TEST

static void accepted(const char *text, const char *want)
{
	scratch_write(&scratch, "jobs.json", span_of(text));
	ck_assert_msg(read_jobs(false), "%s: %s", text, got.first_fatal.message);
	ck_assert_str_eq(loaded_dump(&got), want);
}

static void refused(const char *text, uint64_t line, uint64_t byte, const char *says)
{
	const struct load_finding *f = &got.first_fatal;
	scratch_write(&scratch, "jobs.json", span_of(text));
	ck_assert_msg(!read_jobs(false), "%s", text);
	ck_assert_uint_eq(got.fatal, 1);
	ck_assert_msg(strstr(f->message, says) && f->line == line && f->byte == byte, "%s: %llu:%llu %s", text,
	              (unsigned long long)f->line, (unsigned long long)f->byte, f->message);
}

START_TEST(files_of_any_layout_are_read)
{
	accepted("{\"jobs\":[]}", "");
	accepted("\n{ \"jobs\" : [ ] } \r\n\t", "");
	ck_assert(!header.headed && !header.own);
	accepted("{\"jobs\":[{\"id\":\"a\",\"v\":1},{\"id\":\"b\",\"v\":2}]}", "jobs a=1 b=2 ");
	accepted("{\n  \"jobs\": [\n    {\n      \"id\": \"a\",\n      \"v\": 1\n    },\n    {\n      \"id\": \"b\",\n     "
	         " \"v\": 2\n    }\n  ]\n}\n",
	         "jobs a=1 b=2 ");
	ck_assert_uint_eq(got.untrusted, 2);
	accepted("{\"jobs\":[{\"id\":\"a\",\"v\":1}],\"revision\":7,\"comment\":\"\\u0061\\/\",\"x\\u0079\":1.50}",
	         "jobs a=1 ");
	ck_assert(header.headed);
	ck_assert_uint_eq(header.revision, 7);
	ck_assert(span_is(buf_as_span(&header.extra), SPAN("\"comment\":\"a/\",\"xy\":1.5")));
	accepted("{\"\\u006aobs\":[{\"id\":\"a\",\"v\":1}]}", "jobs a=1 ");
	accepted("{\"count\":5,\"jobs\":[{\"id\":\"a\",\"v\":1}]}", "jobs a=1 ");
	ck_assert_uint_eq(got.findings, 1);
	ck_assert_ptr_nonnull(strstr(got.last_note.message, "\"count\" is 5, but the file has 1 records"));
}
END_TEST

START_TEST(a_file_whose_checksum_a_person_removed_is_read_and_keeps_its_revision)
{
	struct buf text = {0};
	write_some();
	scratch_read(&scratch, "jobs.json", &text);
	char *end = strstr(text.at, ",\"xxh3\"");
	strcpy(end, "}");
	accepted(text.at, "jobs a=1 b=\"}\" c={\"x\":[]} ");
	ck_assert(header.headed && !header.own);
	ck_assert_uint_eq(header.revision, 115);
	ck_assert_uint_eq(got.untrusted, 3);
	buf_free(&text);
}
END_TEST

START_TEST(a_right_checksum_in_another_layout_is_taken_and_a_wrong_one_refused)
{
	static const char *const bodies[] = {
		"{\"jobs\":[\n{\"id\":\"a\",\"v\":1}\n],\"revision\":7", /* the header comes behind */
		"{\"format\":1,\"store\":\"" STORE "\",\"revision\":7,\"jobs\":[{\"id\":\"a\",\"v\":1}]", /* one line */
		"{\"format\":1,\"store\":\"" STORE
		"\",\"revision\":7,\"jobs\":[\n{\"id\": \"a\", \"v\": 1}\n]", /* not canonical */
		"{\"format\":1,\"store\":\"" STORE "\",\"revision\":7,\"jobs\":[\n{\"id\":\"a\",\n\"v\":1}\n]", /* two lines */
		"{\"format\":1,\"store\":\"" STORE "\",\"revision\":7,\"jobs\":[\r\n{\"id\":\"a\",\"v\":1}\r\n]",
		"{\"format\":1,\"store\":\"" STORE "\",\"revision\":7,\"jobs\":[\n{\"id\":\"a\",\"v\":1}\n ] ",
	};
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		for (int space = 0; space < 2; space++) {
			struct buf text = {0};
			buf_text(&text, bodies[i]);
			uint64_t sum = XXH3_64bits(text.at, text.len);
			buf_printf(&text, space ? ",\n  \"xxh3\" : \"%016llx\"\n}\n" : ",\"xxh3\":\"%016llx\"}",
			           (unsigned long long)sum);
			*buf_room(&text, 1) = '\0';
			accepted(text.at, "jobs a=1 ");
			ck_assert(!header.own);
			strstr(text.at, "\"revision\":7")[11] = '8';
			scratch_write(&scratch, "jobs.json", buf_as_span(&text));
			ck_assert(!read_jobs(false));
			const char *said = strstr(got.first_fatal.message, "checksum (xxh3) does not match");
			ck_assert_ptr_nonnull(said);
			ck_assert_msg(!strstr(said + 1, "checksum (xxh3)"), "it is said twice");
			ck_assert_ptr_nonnull(strstr(got.first_fatal.message, "remove the \"xxh3\" member"));
			ck_assert_uint_eq(got.first_fatal.byte, (size_t)(strstr(text.at, "\"xxh3\"") - text.at));
			buf_free(&text);
		}
	}
}
END_TEST

START_TEST(what_is_wrong_is_said_with_line_and_byte)
{
	refused("", 1, 0, "is empty");
	refused("  ", 1, 2, "cut off");
	refused("\xef\xbb\xbf{\"jobs\":[]}", 1, 0, "byte order mark");
	refused("[]", 1, 0, "bare array");
	refused("null", 1, 0, "expected an object");
	refused("{}", 1, 0, "has no \"jobs\"");
	refused("{\"runs\":[]}", 1, 1, "each table has a file of its own");
	refused("{\"jobs\":[],\"runs\":[]}", 1, 11, "each table has a file of its own");
	refused("{\"jobs\":\n{}}", 2, 9, "has to be an array");
	refused("{\"jobs\":[]}\n\n x", 3, 14, "more behind the end");
	refused("{\"jobs\":[]}}", 1, 11, "more behind the end");
	refused("{\"jobs\":[],}", 1, 11, "a member's name");
	refused("{\"jobs\":[{\"id\":\"a\"},]}", 1, 20, "expected a JSON value");
	refused("{\"jobs\":[{\"id\":\"a\"}{\"id\":\"b\"}]}", 1, 19, "a comma or ]");
	refused("{\"jobs\":[{\"id\":\"a\"}\n,{\"id\":\"b\",\n\"x\":NaN}]}", 3, 36, "replace the number by null");
	refused("{\"jobs\":[{\"id\":\"a\"}\n,{\"id\":\"b\",\n\"x\":-Infinity}]}", 3, 37, "replace the number by null");
	refused("{\"jobs\":[{\"id\":\"a\",\"id\":\"b\"}]}", 1, 19, "twice in one object");
	refused("{\"jobs\":[{\"id\":\"a\"},\n{\"id\":\"a\"}]}", 2, 21, "the id stands twice");
	refused("{\"jobs\":[],\"jobs\":[]}", 1, 11, "stands twice in the file's header");
	refused("{\"jobs\":[],\"x\":1,\"x\":2}", 1, 17, "stands twice in the file's header");
	refused("{\"jobs\":[7]}", 1, 9, "is no record");
	refused("{\"format\":2,\"jobs\":[]}", 1, 10, "A newer persistd wrote it");
	refused("{\"format\":0,\"jobs\":[]}", 1, 10, "has to be 1");
	refused("{\"format\":\"1\",\"jobs\":[]}", 1, 10, "has to be 1");
	refused("{\"store\":\"x\",\"jobs\":[]}", 1, 9, "UUID");
	refused("{\"revision\":-1,\"jobs\":[]}", 1, 12, "\"revision\" has to be a whole number");
	refused("{\"revision\":1.0,\"jobs\":[]}", 1, 12, "\"revision\" has to be a whole number");
	refused("{\"revision\":9223372036854775807,\"jobs\":[]}", 1, 12, "\"revision\" has to be a whole number");
	refused("{\"seq\":1,\"jobs\":[]}", 1, 0, "without \"revision\"");
	refused("{\"revision\":5,\"changed\":{\"jobs\":6},\"jobs\":[]}", 1, 0, "above its \"revision\"");
	refused("{\"revision\":5,\"changed\":{\"jobz\":6},\"jobs\":[]}", 1, 25, "newer one");
	refused("{\"revision\":5,\"changed\":[],\"jobs\":[]}", 1, 24, "object of revisions");
	refused("{\"x\":1e999,\"jobs\":[]}", 1, 5, "cannot be held");
	refused("{\"xxh3\":\"0123456789abcdef\",\"jobs\":[]}", 1, 8, "last member");
	refused("{\"jobs\":[],\"xxh3\":null}", 1, 18, "16 lower-case hex");
	refused("{\"jobs\":[],\"xxh4\":\"0123456789abcdef\"}", 1, 11, "damaged name");
}
END_TEST

START_TEST(members_behind_the_checksum_are_refused)
{
	struct buf text = {0};
	buf_text(&text, "{\"jobs\":[]");
	put_sum(&text);
	text.len--;
	buf_text(&text, ",\"x\":1}");
	*buf_room(&text, 1) = '\0';
	refused(text.at, 1, 37, "last member");
	buf_free(&text);
}
END_TEST

START_TEST(a_wrong_count_under_a_right_checksum_is_refused)
{
	struct buf text = {0};
	buf_text(&text, "{\"format\":1,\"store\":\"" STORE "\",\"revision\":7,\"count\":2,\"jobs\":[\n{\"id\":\"a\"}\n]");
	put_sum(&text);
	refused(text.at, 1, 72, "\"count\" is 2, but the file has 1 records");
	buf_free(&text);
}
END_TEST

START_TEST(nesting_is_bounded)
{
	struct buf text = {0};
	for (int levels = SCAN_DEPTH_FILE; levels <= 100000; levels += 100000 - SCAN_DEPTH_FILE) {
		text.len = 0;
		buf_text(&text, "{\"jobs\":[{\"id\":\"a\",\"v\":");
		for (int i = 1; i < levels; i++)
			buf_char(&text, '[');
		for (int i = 1; i < levels; i++)
			buf_char(&text, ']');
		buf_text(&text, "}]}");
		scratch_write(&scratch, "jobs.json", buf_as_span(&text));
		ck_assert_int_eq(read_jobs(false), levels == SCAN_DEPTH_FILE);
	}
	ck_assert_ptr_nonnull(strstr(got.first_fatal.message, "nested deeper"));
	buf_free(&text);
}
END_TEST

START_TEST(a_check_goes_on_after_a_bad_record_and_a_start_does_not)
{
	static const char text[] = "{\"jobs\":[1,{\"id\":\"a\",\"v\":1},2,\n3]}";
	scratch_write(&scratch, "jobs.json", span_of(text));
	ck_assert(!read_jobs(true));
	ck_assert_uint_eq(got.fatal, 3);
	ck_assert_uint_eq(got.count, 1);
	refused(text, 1, 9, "is no record");
}
END_TEST

START_TEST(a_missing_file_a_link_and_a_read_error_are_told_apart)
{
	char path[256];
	ck_assert(read_jobs(false));
	ck_assert(header.missing);
	write_some();
	for (unsigned nth = 1; nth <= 2; nth++) {
		faulty_disk_fail(&faulty,
		                 (struct faulty_plan){.call = FAULTY_PREAD, .nth = nth, .number = EIO,
		                                      .sticky = true});
		ck_assert(!read_jobs(false));
		ck_assert_uint_eq(got.fatal, 1);
		ck_assert_ptr_nonnull(strstr(got.first_fatal.message, "cannot be read: Input/output error"));
	}
	faulty_disk_fail(&faulty, (struct faulty_plan){.call = FAULTY_OPENAT, .nth = 1, .number = EACCES});
	ck_assert(!read_jobs(false));
	ck_assert_ptr_nonnull(strstr(got.first_fatal.message, "cannot be opened: Permission denied"));
	scratch_path(&scratch, "jobs.json", path, sizeof path);
	unlink(path);
	ck_assert_int_eq(symlink("/etc/passwd", path), 0);
	ck_assert(!read_jobs(false));
	ck_assert_ptr_nonnull(strstr(got.first_fatal.message, "regular file"));
}
END_TEST

/* Records that end, start and are cut at every place around the borders of the buffer. */
START_TEST(records_at_the_border_of_a_read_are_whole)
{
	for (int own = 0; own < 2; own++)
		for (int pad = 0; pad < 80; pad++) {
			struct buf text = {0};
			buf_text(&text, own ? "{\"format\":1,\"store\":\"" STORE "\",\"revision\":7,\"jobs\":[" : "{\"jobs\":[");
			buf_printf(&text, "\n{\"id\":\"pad\",\"v\":\"%0*d\"}", 1048576 - 180 + pad, 7);
			for (int i = 0; i < 5; i++)
				buf_printf(&text, own ? ",\n{\"id\":\"a%d\",\"v\":%d}" : " ,\n{\"id\" : \"a%d\", \"v\":%d }", i,
				           12345 + i);
			buf_text(&text, "\n]");
			if (own)
				put_sum(&text);
			else
				buf_char(&text, '}');
			scratch_write(&scratch, "jobs.json", buf_as_span(&text));
			ck_assert_msg(read_jobs(false), "%s", got.first_fatal.message);
			ck_assert_uint_eq(header.rows, 6);
			ck_assert_int_eq(header.own, own);
			ck_assert_ptr_nonnull(strstr(loaded_dump(&got), "a0=12345 a1=12346 a2=12347 a3=12348 a4=12349 "));
			buf_free(&text);
		}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("snapshot");
	TCase *all = tcase_create("snapshot");
	tcase_set_timeout(all, 120);
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, a_snapshot_is_written_as_the_documents_show_it);
	tcase_add_test(all, a_snapshot_reads_back_whole_and_trusted);
	tcase_add_test(all, an_empty_table_reads_back_as_empty);
	tcase_add_test(all, a_large_table_is_synced_piecewise_and_read_in_bounded_memory);
	tcase_add_test(all, a_fault_while_folding_leaves_the_old_snapshot);
	tcase_add_test(all, a_flipped_byte_anywhere_is_refused);
	tcase_add_test(all, a_file_cut_off_anywhere_is_refused);
	tcase_add_test(all, files_of_any_layout_are_read);
	tcase_add_test(all, a_file_whose_checksum_a_person_removed_is_read_and_keeps_its_revision);
	tcase_add_test(all, a_right_checksum_in_another_layout_is_taken_and_a_wrong_one_refused);
	tcase_add_test(all, what_is_wrong_is_said_with_line_and_byte);
	tcase_add_test(all, members_behind_the_checksum_are_refused);
	tcase_add_test(all, a_wrong_count_under_a_right_checksum_is_refused);
	tcase_add_test(all, nesting_is_bounded);
	tcase_add_test(all, a_check_goes_on_after_a_bad_record_and_a_start_does_not);
	tcase_add_test(all, a_missing_file_a_link_and_a_read_error_are_told_apart);
	tcase_add_test(all, records_at_the_border_of_a_read_are_whole);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
