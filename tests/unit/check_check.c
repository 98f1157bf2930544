#include "daemon/check.h"
#include "daemon/spares.h"
#include "daemon/state_dir.h"
#include "tests/unit/records.h"
#include "tests/unit/scratch.h"

#define STORE "01234567-89ab-4cde-8f01-23456789abcd"

static struct scratch scratch;
static struct disk disk;
static struct state_dir dirs;
static char *printed;
static size_t printed_len;

static void setup(void)
{
	char why[512];
	ident_init();
	scratch_make(&scratch);
	disk = (struct disk){.ops = &disk_system};
	ck_assert_msg(state_dir_open(&dirs, &disk, scratch.path, true, why, sizeof why), "%s", why);
}

static void close_dirs(void)
{
	state_dir_close(&dirs, &disk);
}

static void teardown(void)
{
	close_dirs();
	free(printed);
	printed = NULL;
	scratch_remove(&scratch);
}

static int check(void)
{
	free(printed);
	FILE *out = open_memstream(&printed, &printed_len);
	int got = check_run(scratch.path, out);
	fclose(out);
	return got;
}

static void expect(int code, const char *text)
{
	ck_assert_int_eq(check(), code);
	ck_assert_str_eq(printed, text);
}

static void write_snapshot(enum table_id t, uint64_t revision, const char *json)
{
	struct snapshot_head head = {.store = STORE,
	                             .revision = revision,
	                             .seq = 1,
	                             .changed = {0, 0, 0},
	                             .count = json ? 1 : 0};
	struct snapshot_writer w;
	struct disk_error e;
	CLEAN text = {0};
	struct fault fault;
	size_t at;
	head.changed[t] = revision;
	ck_assert(snapshot_begin(&w, &disk, &dirs.state, t, &head, 0600, &e));
	if (json) {
		ck_assert_msg(record_read(&text, t, span_of(json), 1, false, records_now(), &fault, &at), "%s",
		              fault.message);
		ck_assert(snapshot_rows(&w, &(struct span){text.at, text.len}, 1, &e));
	}
	ck_assert_int_eq(snapshot_finish(&w, &e), DISK_OK);
}

static void write_store(void)
{
	write_snapshot(TABLE_JOBS, 3, "{\"id\":\"a\",\"revision\":3}");
	write_snapshot(TABLE_RUNS, 3, "{\"id\":\"r\",\"revision\":2}");
	write_snapshot(TABLE_ARTIFACTS, 3,
	               "{\"id\":\"k_r_0\",\"run_id\":\"r\",\"kind\":\"k\",\"size_bytes\":2,\"revision\":1}");
	scratch_write(&scratch, "artifacts/k_r_0.json", SPAN("{}"));
}

START_TEST(a_sound_store_is_said_to_be_sound)
{
	write_store();
	close_dirs();
	expect(0, "1 jobs, 1 runs, 1 artifacts, revision 3: sound\n");
}
END_TEST

START_TEST(an_empty_directory_is_sound)
{
	close_dirs();
	expect(0, "0 jobs, 0 runs, 0 artifacts, revision 0: sound\n");
}
END_TEST

START_TEST(missing_wrong_and_strange_payloads_are_told)
{
	char path[256];
	write_store();
	close_dirs();
	scratch_write(&scratch, "artifacts/k_r_0.json", SPAN("{},"));
	expect(1, "artifacts/k_r_0.json: has 3 bytes, but its record in artifacts.json says 2: it was damaged or "
	          "changed by hand; restore it from a backup\n1 finding\n");
	scratch_path(&scratch, "artifacts/k_r_0.json", path, sizeof path);
	ck_assert_int_eq(unlink(path), 0);
	expect(1, "artifacts/k_r_0.json: is missing, but artifacts.json has a record of it; restore it from a backup\n1 "
	          "finding\n");
	ck_assert_int_eq(symlink("/etc/passwd", path), 0);
	expect(1, "artifacts/k_r_0.json: cannot be opened: it is no regular file\n1 finding\n");
	unlink(path);
	scratch_write(&scratch, "artifacts/k_r_0.json", SPAN("{}"));
	scratch_write(&scratch, "artifacts/of_python.json", SPAN("{}"));
	expect(0, "artifacts/of_python.json: note: no record names this payload; it can be read by its id, and "
	          "is never removed\n"
	          "1 jobs, 1 runs, 1 artifacts, revision 3: sound\n");
}
END_TEST

START_TEST(leftovers_are_mentioned_and_left_alone)
{
	write_store();
	close_dirs();
	scratch_write(&scratch, "journal/00000000000000000002.json.0123456789abcdef.tmp", SPAN("x"));
	expect(0, "journal/00000000000000000002.json.0123456789abcdef.tmp: note: was left over by a crash; the "
	          "next start removes it\n"
	          "1 jobs, 1 runs, 1 artifacts, revision 3: sound\n");
	scratch_write(&scratch, "journal/spare.0000000000000001.tmp", SPAN("x"));
	scratch_write(&scratch, "journal/spare.000000000000002f.tmp", SPAN("y"));
	expect(0, "journal/00000000000000000002.json.0123456789abcdef.tmp: note: was left over by a crash; the "
	          "next start removes it\n"
	          "journal: note: 2 spares are left over (spare.*.tmp); the next start removes them\n"
	          "1 jobs, 1 runs, 1 artifacts, revision 3: sound\n");
	ck_assert_uint_eq(scratch_count(&scratch, "journal", NULL), 3);
}
END_TEST

START_TEST(deletions_and_updates_of_the_journal_count)
{
	CLEAN text = {0};
	struct fault fault;
	struct disk_error e;
	size_t at;
	uint64_t bytes;
	struct segment_head head = {.store = STORE, .seq = 2, .prev = 1, .first = 4, .last = 6,
	                            .changed = {3, 3, 3}};
	write_store();
	ck_assert(
		record_read(&text, TABLE_JOBS, SPAN("{\"id\":\"b\",\"revision\":4}"), 1, false, records_now(), &fault, &at));
	struct segment_change changes[] = {{TABLE_JOBS, SPAN("b"), {text.at, text.len}},
	                                   {TABLE_RUNS, SPAN("r"), {0}},
	                                   {TABLE_ARTIFACTS, SPAN("k_r_0"), {0}}};
	ck_assert_int_eq(segment_write(&disk, &dirs.journal, &head, changes, 3, 0, &bytes, &e), DISK_OK);
	close_dirs();
	expect(0, "artifacts/k_r_0.json: note: its record was deleted; the next start removes it\n"
	          "2 jobs, 0 runs, 0 artifacts, revision 6: sound\n");
}
END_TEST

START_TEST(a_padded_commit_is_called_damaged_or_its_damage_is_not_told)
{
	CLEAN text = {0};
	struct disk_error e;
	uint64_t bytes, padding;
	struct segment_head head = {.store = STORE, .seq = 2, .prev = 1, .first = 4, .last = 6,
	                            .changed = {3, 3, 3}};
	struct segment_change change = {TABLE_RUNS, SPAN("r"), {0}};
	struct spares *spares = malloc(sizeof *spares);
	char want[256];
	write_store();
	spares_init(spares, &disk);
	ck_assert_int_eq(segment_write_over(spares, &dirs.journal, &head, &change, 1, 0, &bytes, &padding, &e), DISK_OK);
	spares_done(spares);
	free(spares);
	close_dirs();
	expect(0, "1 jobs, 0 runs, 1 artifacts, revision 6: sound\n");
	ck_assert(scratch_read(&scratch, "journal/00000000000000000002.json", &text));
	text.at[bytes - 3] = '!';
	scratch_write(&scratch, "journal/00000000000000000002.json", buf_as_span(&text));
	snprintf(want, sizeof want,
	         "journal/00000000000000000002.json:1:%u: this is not JSON: expected the end of the text after the value\n"
	         "1 finding\n",
	         (unsigned)bytes - 3);
	expect(1, want);
}
END_TEST

START_TEST(each_bad_record_is_told_with_its_place)
{
	close_dirs();
	scratch_write(
		&scratch, "jobs.json",
		SPAN("{\"jobs\":[\n{\"id\":\"a/b\"},\n{\"id\":\"a\"},\n{\"id\":\"a\"},\n{\"id\":\"c\",\"status\":7}\n]}"));
	scratch_write(&scratch, "runs.json", SPAN("{\"runs\":[{]}"));
	ck_assert_int_eq(check(), 1);
	ck_assert_ptr_nonnull(strstr(printed, "jobs.json:2:16: "));
	ck_assert_ptr_nonnull(
		strstr(printed,
		       "jobs.json:4:36: the id a stands twice in this file; remove one of the two records\n"));
	ck_assert_ptr_nonnull(strstr(printed, "jobs.json:5:"));
	ck_assert_ptr_nonnull(strstr(printed, "runs.json:1:10: this is not JSON: "));
	ck_assert_ptr_nonnull(strstr(printed, "\n4 findings\n"));
}
END_TEST

START_TEST(a_directory_in_use_is_not_checked)
{
	char want[64];
	write_store();
	ck_assert_int_eq(check(), 1);
	snprintf(want, sizeof want, "in use by process %d (", (int)getpid());
	ck_assert_msg(strstr(printed, want), "%s", printed);
	close_dirs();
	expect(0, "1 jobs, 1 runs, 1 artifacts, revision 3: sound\n");
}
END_TEST

START_TEST(what_is_no_state_directory_is_said)
{
	FILE *out = open_memstream(&printed, &printed_len);
	int got = check_run("/nonexistent/persistd", out);
	fclose(out);
	ck_assert_int_eq(got, 1);
	ck_assert_str_eq(printed, "/nonexistent/persistd: does not exist\n1 finding\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("check");
	TCase *all = tcase_create("check");
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, a_sound_store_is_said_to_be_sound);
	tcase_add_test(all, an_empty_directory_is_sound);
	tcase_add_test(all, missing_wrong_and_strange_payloads_are_told);
	tcase_add_test(all, leftovers_are_mentioned_and_left_alone);
	tcase_add_test(all, deletions_and_updates_of_the_journal_count);
	tcase_add_test(all, a_padded_commit_is_called_damaged_or_its_damage_is_not_told);
	tcase_add_test(all, each_bad_record_is_told_with_its_place);
	tcase_add_test(all, a_directory_in_use_is_not_checked);
	tcase_add_test(all, what_is_no_state_directory_is_said);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
