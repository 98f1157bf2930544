#include "daemon/load.h"
#include "tests/unit/faulty_disk.h"
#include "tests/unit/loaded.h"
#include "tests/unit/scratch.h"
#include <errno.h>
#include <time.h>

#ifndef TEST_DATA
#ifdef SOURCE_DIR
#define TEST_DATA SOURCE_DIR "/tests/data"
#else
#define TEST_DATA "tests/data"
#endif
#endif

static struct scratch scratch;
static struct faulty_disk faulty;
static struct disk_ops unsynced_ops; /* builds directories without waiting for the disk */
static struct disk quick;
static struct disk_dir state, journal;
static struct loaded got;
static struct load_result result;
static bool check_mode;

static int no_sync(void *context, int fd)
{
	(void)context, (void)fd;
	return 0;
}

static void open_dirs(void)
{
	ck_assert(disk_dir_open(&faulty.disk, &state, AT_FDCWD, scratch.path, "state", false, 0));
	ck_assert(disk_dir_open(&faulty.disk, &journal, state.fd, "journal", "journal", true, 0700));
	faulty_disk_forget(&faulty);
}

static void setup(void)
{
	ident_init();
	scratch_make(&scratch);
	faulty_disk_init(&faulty);
	unsynced_ops = disk_system;
	unsynced_ops.fsync = unsynced_ops.fdatasync = no_sync;
	quick = (struct disk){.ops = &unsynced_ops};
	check_mode = false;
	open_dirs();
}

static void teardown(void)
{
	faulty_disk_fail(&faulty, (struct faulty_plan){0});
	load_result_free(&result);
	loaded_reset(&got);
	disk_dir_close(&faulty.disk, &journal);
	disk_dir_close(&faulty.disk, &state);
	faulty_disk_done(&faulty);
	scratch_remove(&scratch);
}

static void start_over(void)
{
	scratch_empty(scratch.path, 3);
	disk_dir_close(&faulty.disk, &journal);
	disk_dir_close(&faulty.disk, &state);
	open_dirs();
}

/* ---- making directories */

enum { REVISIONS = 3 };
#define CHANGED(...)                                                                                         \
	(const uint64_t[REVISIONS])                                                                              \
	{                                                                                                        \
		__VA_ARGS__                                                                                          \
	}

/* "a=1 b=2": canonical records, one for each word. */
static size_t make_rows(const char *words, struct buf *texts, struct span *rows, size_t max)
{
	size_t at[64], count = 0;
	for (const char *w = words; *w; w += strspn(w, " ")) {
		size_t len = strcspn(w, " "), name = strcspn(w, "=");
		ck_assert_uint_lt(count, max);
		at[count++] = texts->len;
		buf_printf(texts, "{\"id\":\"%.*s\",\"v\":%.*s}", (int)name, w, (int)(len - name - 1), w + name + 1);
		w += len;
	}
	for (size_t i = 0; i < count; i++)
		rows[i] = (struct span){texts->at + at[i], (i + 1 < count ? at[i + 1] : texts->len) - at[i]};
	return count;
}

static void snapshot_of(const char *store, enum table_id t, uint64_t revision, uint64_t seq,
                        const uint64_t changed[REVISIONS], const char *words)
{
	struct buf texts = {0};
	struct span rows[64];
	struct snapshot_writer w;
	struct disk_error e;
	struct snapshot_head head = {.revision = revision, .seq = seq};
	strcpy(head.store, store);
	memcpy(head.changed, changed, sizeof head.changed);
	head.count = make_rows(words, &texts, rows, 64);
	ck_assert(snapshot_begin(&w, &quick, &state, t, &head, 0600, &e));
	ck_assert(snapshot_rows(&w, rows, head.count, &e));
	ck_assert_int_eq(snapshot_finish(&w, &e), DISK_OK);
	buf_free(&texts);
}

static void snapshot(enum table_id t, uint64_t revision, uint64_t seq, const uint64_t changed[REVISIONS],
                     const char *words)
{
	snapshot_of(STORE, t, revision, seq, changed, words);
}

static void empty_snapshots(void)
{
	for (int t = 0; t < TABLE_COUNT; t++)
		snapshot((enum table_id)t, 0, 0, CHANGED(0, 0, 0), "");
}

/* "j.a=1 r.b=2 -a.x": jobs a is set, runs b is set, artifacts x is deleted. */
static void segment_full(const char *store, uint64_t seq, uint64_t prev, uint64_t first, uint64_t last,
                         const uint64_t changed[REVISIONS], const uint64_t without[REVISIONS],
                         const char *words)
{
	struct buf texts = {0};
	struct segment_change changes[64];
	char text[64][128];
	size_t count = 0;
	struct disk_error e;
	uint64_t bytes;
	struct segment_head head = {.seq = seq, .prev = prev, .first = first, .last = last};
	strcpy(head.store, store);
	memcpy(head.changed, changed, sizeof head.changed);
	memcpy(head.without, without, sizeof head.without);
	for (const char *w = words; *w; w += strspn(w, " ")) {
		bool gone = *w == '-';
		w += gone;
		size_t len = strcspn(w, " "), name = strcspn(w, "= ");
		struct segment_change *c = &changes[count];
		*c = (struct segment_change){.table = *w == 'j'   ? TABLE_JOBS
		                                      : *w == 'r' ? TABLE_RUNS
		                                                  : TABLE_ARTIFACTS,
		                             .id = {w + 2, name - 2}};
		if (!gone) {
			snprintf(text[count], sizeof text[count], "{\"id\":\"%.*s\",\"v\":%.*s}", (int)(name - 2), w + 2,
			         (int)(len - name - 1), w + name + 1);
			c->text = span_of(text[count]);
		}
		count++;
		w += len;
	}
	ck_assert_int_eq(segment_write(&quick, &journal, &head, changes, count, 0, &bytes, &e), DISK_OK);
	buf_free(&texts);
}

static void segment(uint64_t seq, uint64_t prev, uint64_t first, uint64_t last,
                    const uint64_t changed[REVISIONS], const char *words)
{
	segment_full(STORE, seq, prev, first, last, changed, CHANGED(0, 0, 0), words);
}

static void name_of(uint64_t seq, char name[64])
{
	strcpy(name, "journal/");
	segment_name(seq, name + 8);
}

static void remove_segment(uint64_t seq)
{
	char name[64], path[256];
	name_of(seq, name);
	scratch_path(&scratch, name, path, sizeof path);
	ck_assert_int_eq(unlink(path), 0);
}

static void remove_file(const char *name)
{
	char path[256];
	scratch_path(&scratch, name, path, sizeof path);
	ck_assert_int_eq(unlink(path), 0);
}

/* Turns the first `from` in the file into `to`, of the same length. */
static void damage(const char *name, const char *from, const char *to)
{
	struct buf text = {0};
	ck_assert(scratch_read(&scratch, name, &text));
	char *at = memmem(text.at, text.len, from, strlen(from));
	ck_assert_ptr_nonnull(at);
	memcpy(at, to, strlen(to));
	scratch_write(&scratch, name, buf_as_span(&text));
	buf_free(&text);
}

static void damage_segment(uint64_t seq, const char *from, const char *to)
{
	char name[64];
	name_of(seq, name);
	damage(name, from, to);
}

/* Takes the checksum away, and the rest from `from` on that the test does not want. */
static void remove_sum(const char *name)
{
	struct buf text = {0};
	ck_assert(scratch_read(&scratch, name, &text));
	strcpy(strstr(text.at, ",\"xxh3\""), "}");
	scratch_write(&scratch, name, span_of(text.at));
	buf_free(&text);
}

static void write_text(const char *name, const char *text)
{
	scratch_write(&scratch, name, span_of(text));
}

/* ---- loading */

static bool load(void)
{
	load_result_free(&result);
	bool nothing = got.nothing;
	loaded_reset(&got);
	got.nothing = nothing;
	struct load_sink sink = loaded_sink(&got);
	faulty_disk_forget(&faulty);
	bool ok = load_read(&faulty.disk, &state, &journal, check_mode, &sink, loaded_report, &got, &result);
	ck_assert_int_eq(ok, got.fatal == 0);
	/* A load writes nothing, whatever it finds. */
	ck_assert_uint_eq(faulty.calls[FAULTY_WRITEV] + faulty.calls[FAULTY_RENAMEAT] +
	                      faulty.calls[FAULTY_UNLINKAT] + faulty.calls[FAULTY_FCHMOD],
	                  0);
	return ok;
}

static void loads(const char *want)
{
	ck_assert_msg(load(), "%s:%llu:%llu: %s", got.first_fatal.file, (unsigned long long)got.first_fatal.line,
	              (unsigned long long)got.first_fatal.byte, got.first_fatal.message);
	ck_assert_str_eq(loaded_dump(&got), want);
}

static void refuses(const char *file, const char *says)
{
	ck_assert(!load());
	ck_assert_msg(strstr(got.first_fatal.message, says), "%s: %s", got.first_fatal.file,
	              got.first_fatal.message);
	ck_assert_str_eq(got.first_fatal.file, file);
	ck_assert_uint_eq(got.fatal, 1);
}

/* Three commits over empty snapshots: 1 and 3 touch jobs, 2 touches runs. */
static void three_commits(void)
{
	empty_snapshots();
	segment(1, 0, 1, 2, CHANGED(0, 0, 0), "j.a=1 j.b=1");
	segment(2, 1, 3, 3, CHANGED(2, 0, 0), "r.r=1");
	segment(3, 2, 4, 5, CHANGED(2, 3, 0), "j.a=2 -j.b");
}

START_TEST(a_new_directory_is_an_empty_store)
{
	loads("");
	for (int t = 0; t < TABLE_COUNT; t++)
		ck_assert(result.missing[t] && result.unproven[t] && !result.headerless[t]);
	ck_assert_str_eq(result.store, "");
	ck_assert_uint_eq(result.seq + result.revision + result.segment_count + result.stray_count, 0);
	ck_assert_uint_eq(got.findings, 0);
	empty_snapshots();
	loads("");
	for (int t = 0; t < TABLE_COUNT; t++)
		ck_assert(!result.missing[t] && result.unproven[t]);
	ck_assert_str_eq(result.store, STORE);
}
END_TEST

static void copy_sample(const char *sample, const char *name)
{
	char path[256];
	struct buf text = {0};
	snprintf(path, sizeof path, "%s/%s", TEST_DATA, sample);
	FILE *file = fopen(path, "re");
	ck_assert_msg(file != NULL, "%s", path);
	for (size_t n = 1; n > 0; text.len += n)
		n = fread(buf_room(&text, 65536), 1, 65536, file);
	fclose(file);
	scratch_write(&scratch, name, buf_as_span(&text));
	buf_free(&text);
}

START_TEST(files_of_the_python_classes_load_whole)
{
	copy_sample("jobs-python.json", "jobs.json");
	copy_sample("runs-python.json", "runs.json");
	got.nothing = true;
	loads("");
	ck_assert_uint_eq(got.calls, 650);
	ck_assert_uint_eq(got.untrusted, 650);
	ck_assert(result.headerless[TABLE_JOBS] && result.headerless[TABLE_RUNS] &&
	          result.missing[TABLE_ARTIFACTS]);
	ck_assert_uint_eq(result.revision + result.changed[TABLE_JOBS] + result.settled[TABLE_JOBS], 0);
}
END_TEST

START_TEST(nan_is_refused_with_line_and_byte_and_what_to_do)
{
	copy_sample("runs-python-nan.json", "runs.json");
	refuses("runs.json", "Python's json.dumps");
	ck_assert_ptr_nonnull(strstr(got.first_fatal.message, "replace the number by null"));
	ck_assert_uint_eq(got.first_fatal.line, 156);
	ck_assert_uint_eq(got.first_fatal.byte, 4455);
}
END_TEST

START_TEST(commits_are_replayed_over_the_snapshots)
{
	three_commits();
	loads("jobs a=2 runs r=1 ");
	ck_assert_uint_eq(got.untrusted, 0);
	ck_assert_uint_eq(result.revision, 5);
	ck_assert_uint_eq(result.seq, 3);
	ck_assert_uint_eq(result.segment_count, 3);
	ck_assert_uint_eq(result.segments[0].head.seq, 1);
	ck_assert_uint_eq(result.segments[2].head.tables, 1);
	ck_assert_uint_gt(result.segments[0].bytes, 200);
	ck_assert_uint_eq(result.changed[TABLE_JOBS], 5);
	ck_assert_uint_eq(result.changed[TABLE_RUNS], 3);
	ck_assert_uint_eq(result.settled[TABLE_JOBS], 0);
	ck_assert_str_eq(result.store, STORE);
}
END_TEST

START_TEST(a_newer_snapshot_is_not_taken_back_by_older_commits)
{
	three_commits();
	snapshot(TABLE_JOBS, 5, 3, CHANGED(5, 3, 0), "a=2");
	loads("jobs a=2 runs r=1 ");
	snapshot(TABLE_RUNS, 5, 3, CHANGED(5, 3, 0), "r=1");
	remove_segment(1);
	loads("jobs a=2 runs r=1 ");
	ck_assert_uint_eq(result.segment_count, 2);
	ck_assert_uint_eq(result.settled[TABLE_JOBS], 2);
	remove_segment(2);
	remove_segment(3);
	loads("jobs a=2 runs r=1 ");
	ck_assert_uint_eq(result.revision, 5);
	ck_assert_uint_eq(result.seq, 3);
	ck_assert_uint_eq(result.settled[TABLE_JOBS], 5);
	ck_assert_uint_eq(result.changed[TABLE_JOBS], 5);
	ck_assert_uint_eq(result.changed[TABLE_RUNS], 3);
}
END_TEST

START_TEST(a_snapshot_in_the_middle_of_the_chain_gets_only_what_is_above_it)
{
	three_commits();
	snapshot(TABLE_JOBS, 3, 2, CHANGED(2, 3, 0), "a=1 b=1 only_here=1");
	remove_segment(1);
	loads("jobs a=2 only_here=1 runs r=1 ");
}
END_TEST

START_TEST(a_missing_commit_stops_the_start_and_is_named)
{
	three_commits();
	remove_segment(2);
	refuses("journal/00000000000000000002.json",
	        "segment 2 is missing: journal/00000000000000000003.json follows it, "
	        "the next one below is journal/00000000000000000001.json");
	ck_assert_ptr_nonnull(strstr(got.first_fatal.message, "backup"));
	remove_segment(1);
	refuses("journal/00000000000000000002.json", "there is none below");
}
END_TEST

START_TEST(a_commit_that_does_not_join_the_next_is_refused)
{
	three_commits();
	segment(2, 1, 3, 4, CHANGED(2, 0, 0), "r.r=1");
	refuses("journal/00000000000000000003.json", "ends at 4");
}
END_TEST

START_TEST(the_lost_top_of_the_journal_is_noticed)
{
	three_commits();
	snapshot(TABLE_RUNS, 5, 3, CHANGED(5, 3, 0), "r=1");
	remove_segment(3);
	refuses("jobs.json", "runs.json knows of changes to jobs up to revision 5");
	start_over();
	three_commits();
	snapshot(TABLE_RUNS, 3, 2, CHANGED(2, 3, 0), "r=1");
	remove_segment(1), remove_segment(2), remove_segment(3);
	refuses("jobs.json", "it was replaced by an older file");
}
END_TEST

START_TEST(an_unchanged_table_needs_no_new_snapshot)
{
	/* runs was last changed at 2, jobs and runs again at 12:
	 * the segments between went when jobs was folded. */
	snapshot(TABLE_JOBS, 12, 6, CHANGED(12, 12, 0), "a=9");
	snapshot(TABLE_RUNS, 2, 1, CHANGED(2, 2, 0), "r=1");
	snapshot(TABLE_ARTIFACTS, 0, 0, CHANGED(0, 0, 0), "");
	segment(6, 5, 11, 12, CHANGED(10, 2, 0), "j.a=9 r.r=2");
	loads("jobs a=9 runs r=2 ");
	ck_assert_uint_eq(result.settled[TABLE_JOBS], 10);
	ck_assert_uint_eq(result.settled[TABLE_RUNS], 2);
	ck_assert_uint_eq(result.changed[TABLE_RUNS], 12);
	/* an older runs.json, however, is noticed */
	snapshot(TABLE_RUNS, 1, 1, CHANGED(1, 1, 0), "r=0");
	refuses("journal/00000000000000000005.json", "segment 5 is missing");
}
END_TEST

START_TEST(what_a_merge_replaced_is_passed_by)
{
	three_commits();
	segment(2, 0, 1, 3, CHANGED(0, 0, 0), "j.a=1 j.b=1 r.r=1"); /* 1 and 2 merged; 1 was not unlinked */
	segment(1, 0, 1, 2, CHANGED(0, 0, 0), "j.a=7 j.z=7");
	loads("jobs a=2 runs r=1 ");
	ck_assert_uint_eq(result.stray_count, 1);
	ck_assert_uint_eq(result.strays[0], 1);
	ck_assert_uint_eq(result.segment_count, 2);
	ck_assert(result.segments[0].has_strays && !result.segments[1].has_strays);
	/* damage to it harms nothing; a check mentions it */
	damage_segment(1, "\"v\":7", "\"v\":8");
	loads("jobs a=2 runs r=1 ");
	check_mode = true;
	loads("jobs a=2 runs r=1 ");
	ck_assert_uint_eq(got.findings, 1);
	ck_assert_ptr_nonnull(strstr(got.last_note.message, "checksum"));
}
END_TEST

START_TEST(removed_commits_that_a_power_cut_brought_back_are_passed_by)
{
	three_commits();
	snapshot(TABLE_JOBS, 5, 3, CHANGED(5, 3, 0), "a=2");
	snapshot(TABLE_RUNS, 5, 3, CHANGED(5, 3, 0), "r=1");
	remove_segment(2);
	loads("jobs a=2 runs r=1 ");
	ck_assert_uint_eq(result.segment_count, 1);
	ck_assert_uint_eq(result.stray_count, 1);
	ck_assert(!result.segments[0].has_strays);
	remove_segment(3);
	loads("jobs a=2 runs r=1 ");
	ck_assert_uint_eq(result.segment_count, 1);
	ck_assert_uint_eq(result.seq, 3);
	ck_assert_uint_eq(result.revision, 5);
}
END_TEST

START_TEST(a_merged_commit_that_came_back_does_not_claim_later_changes)
{
	/* 1 (jobs, runs) and 2 (jobs) were merged: its last, 3, is later than its change to runs, 2. */
	snapshot(TABLE_JOBS, 3, 2, CHANGED(3, 2, 0), "a=2");
	snapshot(TABLE_RUNS, 2, 1, CHANGED(1, 2, 0), "r=1");
	snapshot(TABLE_ARTIFACTS, 0, 0, CHANGED(0, 0, 0), "");
	segment(2, 0, 1, 3, CHANGED(0, 0, 0), "j.a=2 r.r=1");
	loads("jobs a=2 runs r=1 ");
	ck_assert_uint_eq(result.changed[TABLE_RUNS], 2);
	ck_assert_uint_eq(result.changed[TABLE_JOBS], 3);
}
END_TEST

START_TEST(a_merge_that_left_out_what_a_snapshot_had_needs_that_snapshot)
{
	snapshot(TABLE_JOBS, 0, 0, CHANGED(0, 0, 0), "");
	snapshot(TABLE_RUNS, 3, 2, CHANGED(2, 3, 0), "r=1");
	snapshot(TABLE_ARTIFACTS, 0, 0, CHANGED(0, 0, 0), "");
	segment_full(STORE, 2, 0, 1, 3, CHANGED(0, 0, 0), CHANGED(0, 3, 0), "j.a=1");
	segment(3, 2, 4, 4, CHANGED(2, 3, 0), "j.a=2");
	loads("jobs a=2 runs r=1 ");
	ck_assert_uint_eq(result.segments[0].head.without[TABLE_RUNS], 3);
	snapshot(TABLE_RUNS, 2, 2, CHANGED(2, 2, 0), "r=0");
	refuses("runs.json", "journal/00000000000000000002.json leaves out changes to runs up to revision 3");
}
END_TEST

START_TEST(a_file_without_a_header_is_taken_where_it_cannot_hide_a_loss)
{
	/* Over the journal's first commits: they came after it. */
	three_commits();
	write_text("jobs.json", "{\"jobs\":[{\"id\":\"old\", \"v\": 1}]}");
	loads("jobs a=2 old=1 runs r=1 ");
	ck_assert(result.headerless[TABLE_JOBS]);
	ck_assert_uint_eq(result.settled[TABLE_JOBS], 0);
	/* In the place of a file that the others build on: only if it says that it is meant so. */
	remove_segment(1), remove_segment(2), remove_segment(3);
	snapshot(TABLE_RUNS, 5, 3, CHANGED(5, 3, 0), "r=1");
	refuses("jobs.json", "give it the member \"revision\":5 beside \"jobs\"");
	write_text("jobs.json", "{\"revision\":5,\"jobs\":[{\"id\":\"old\", \"v\": 1}]}");
	loads("jobs old=1 runs r=1 ");
	ck_assert_uint_eq(result.changed[TABLE_JOBS], 5);
	/* Over commits that build on a later state of it. */
	write_text("jobs.json", "{\"jobs\":[{\"id\":\"old\", \"v\": 1}]}");
	segment(4, 3, 6, 6, CHANGED(5, 3, 0), "j.n=1");
	refuses("journal/00000000000000000003.json", "stop the daemon cleanly");
}
END_TEST

START_TEST(a_file_made_by_other_means_speaks_for_its_own_table)
{
	write_text("jobs.json", "{\"revision\":50,\"jobs\":[{\"id\":\"a\",\"v\":1}]}");
	write_text("runs.json", "{\"runs\":[{\"id\":\"r\",\"v\":1}],\"revision\":30}");
	write_text("artifacts.json", "{\"artifacts\":[]}");
	loads("jobs a=1 runs r=1 ");
	ck_assert_uint_eq(result.revision, 50);
	ck_assert_uint_eq(result.changed[TABLE_JOBS], 50);
	ck_assert_uint_eq(result.changed[TABLE_RUNS], 30);
	segment(1, 0, 51, 51, CHANGED(50, 30, 0), "j.a=2");
	loads("jobs a=2 runs r=1 ");
	write_text("runs.json", "{\"runs\":[{\"id\":\"r\",\"v\":1}],\"revision\":29}");
	refuses("runs.json", "the journal builds on changes to runs up to revision 30");
}
END_TEST

START_TEST(a_commit_without_changed_is_followed_strictly)
{
	char name[64];
	struct buf text = {0};
	three_commits();
	name_of(3, name);
	scratch_read(&scratch, name, &text);
	char *from = strstr(text.at, "\"changed\""), *to = strstr(text.at, "\"at\"");
	memmove(from, to, strlen(to) + 1);
	write_text(name, text.at);
	remove_sum(name);
	loads("jobs a=2 runs r=1 ");
	ck_assert_uint_eq(got.untrusted, 1);
	ck_assert_uint_eq(result.changed[TABLE_JOBS], 5);
	ck_assert_uint_eq(result.changed[TABLE_RUNS], 3);
	snapshot(TABLE_JOBS, 3, 2, CHANGED(2, 3, 0), "a=1 b=1");
	snapshot(TABLE_RUNS, 3, 2, CHANGED(2, 3, 0), "r=1");
	remove_segment(1), remove_segment(2);
	refuses("journal/00000000000000000002.json", "artifacts.json (revision 0) needs");
	snapshot(TABLE_ARTIFACTS, 3, 2, CHANGED(2, 3, 0), "");
	loads("jobs a=2 runs r=1 ");
	ck_assert_uint_eq(result.settled[TABLE_JOBS], 0);
	ck_assert_uint_eq(result.changed[TABLE_RUNS], 3);
	buf_free(&text);
}
END_TEST

START_TEST(a_missing_snapshot_is_an_error_once_anything_was_committed)
{
	three_commits();
	remove_file("runs.json");
	refuses("runs.json", "is missing, but the journal holds commits");
	remove_segment(1), remove_segment(2), remove_segment(3);
	refuses("runs.json", "is missing, but files that are made after it are there");
	remove_file("artifacts.json"); /* as a first start leaves it that was cut off after the first file */
	loads("");
	ck_assert(result.missing[TABLE_RUNS] && result.missing[TABLE_ARTIFACTS]);
	snapshot(TABLE_ARTIFACTS, 0, 0, CHANGED(0, 0, 0), "");
	snapshot(TABLE_JOBS, 5, 3, CHANGED(5, 0, 0), "a=2");
	refuses("runs.json", "is missing, but the other files hold commits");
	check_mode = true;
	remove_file("artifacts.json");
	ck_assert(!load());
	ck_assert_uint_eq(got.fatal, 2);
}
END_TEST

START_TEST(files_of_another_store_are_refused)
{
	three_commits();
	snapshot_of(OTHER_STORE, TABLE_RUNS, 0, 0, CHANGED(0, 0, 0), "");
	refuses("runs.json", "belongs to store " OTHER_STORE ", but jobs.json to store " STORE);
	start_over();
	three_commits();
	segment_full(OTHER_STORE, 2, 1, 3, 3, CHANGED(2, 0, 0), CHANGED(0, 0, 0), "r.r=1");
	refuses("journal/00000000000000000002.json", "another store");
	start_over();
	three_commits();
	segment_full(OTHER_STORE, 3, 2, 4, 5, CHANGED(2, 3, 0), CHANGED(0, 0, 0), "j.a=2 -j.b");
	refuses("journal/00000000000000000003.json", "another store");
}
END_TEST

START_TEST(swapped_and_renamed_files_are_refused)
{
	char path[256], other[256];
	three_commits();
	scratch_path(&scratch, "jobs.json", path, sizeof path);
	scratch_path(&scratch, "runs.json", other, sizeof other);
	ck_assert_int_eq(renameat2(AT_FDCWD, path, AT_FDCWD, other, RENAME_EXCHANGE), 0);
	refuses("jobs.json", "each table has a file of its own");
	ck_assert_int_eq(renameat2(AT_FDCWD, path, AT_FDCWD, other, RENAME_EXCHANGE), 0);
	scratch_path(&scratch, "journal/00000000000000000003.json", path, sizeof path);
	scratch_path(&scratch, "journal/00000000000000000004.json", other, sizeof other);
	ck_assert_int_eq(rename(path, other), 0);
	refuses("journal/00000000000000000004.json", "its number is 3");
}
END_TEST

START_TEST(a_newer_format_is_refused)
{
	three_commits();
	write_text("jobs.json", "{\"format\":2,\"jobs\":[]}");
	refuses("jobs.json", "the file has format 2; this persistd reads format 1. A newer persistd wrote it");
}
END_TEST

START_TEST(damage_to_any_file_that_counts_stops_the_start)
{
	static const struct {
		uint64_t seq;
		const char *from, *to;
	} damages[] = {
		{3, "\"v\":2", "\"v\":3"},       {2, "\"v\":1", "\"v\":3"},       {1, "\"v\":1", "\"v\":3"},
		{3, "\"prev\":2", "\"prev\":1"}, {3, "\"prev\":2", "\"prev\":0"}, {2, "\"first\":3", "\"first\":2"},
		{2, "\"last\":3", "\"last\":4"}, {3, "\"seq\":3", "\"seq\":4"},   {3, "\"jobs\":2", "\"jobs\":0"},
		{1, "\"jobs\":0", "\"jobs\":9"},
	};
	for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
		char name[64];
		start_over();
		three_commits();
		damage_segment(damages[i].seq, damages[i].from, damages[i].to);
		name_of(damages[i].seq, name);
		refuses(name, "checksum (xxh3) does not match");
	}
	start_over();
	three_commits();
	snapshot(TABLE_RUNS, 0, 0, CHANGED(0, 0, 0), "x=1");
	damage("runs.json", "\"v\":1", "\"v\":2");
	refuses("runs.json", "checksum (xxh3) does not match");
}
END_TEST

static bool is_flipped_name(const char *name)
{
	return strcmp(name, "jobs.json") == 0;
}

/* A file of the store with any byte changed, or cut anywhere: refused, or loaded whole;
 * never a crash, never less. */
START_TEST(no_damaged_byte_makes_a_smaller_store)
{
	static const char *const names[] = {"jobs.json", "journal/00000000000000000002.json",
	                                    "journal/00000000000000000003.json"};
	struct buf text = {0};
	three_commits();
	snapshot(TABLE_JOBS, 2, 1, CHANGED(2, 0, 0), "a=1 b=1 c=1");
	for (size_t f = 0; f < 3; f++) {
		scratch_read(&scratch, names[f], &text);
		size_t len = text.len;
		for (size_t i = 0; i < len; i++) {
			char was = text.at[i];
			text.at[i] = (char)(was ^ (1 << i % 7));
			write_text(names[f], text.at);
			ck_assert_msg(!load(), "%s byte %zu", names[f], i);
			text.at[i] = was;
			scratch_write(&scratch, names[f], (struct span){text.at, i});
			ck_assert_msg(!load(), "%s cut at %zu", names[f], i);
			if (is_flipped_name(names[f]))
				ck_assert_str_eq(got.first_fatal.file, names[f]);
		}
		scratch_write(&scratch, names[f], (struct span){text.at, len});
	}
	loads("jobs a=2 c=1 runs r=1 ");
	buf_free(&text);
}
END_TEST

START_TEST(a_failing_disk_makes_no_smaller_store)
{
	three_commits();
	snapshot(TABLE_JOBS, 2, 1, CHANGED(2, 0, 0), "a=1 b=1 c=1");
	for (unsigned nth = 1;; nth++) {
		faulty_disk_fail(&faulty, (struct faulty_plan){.nth = nth, .number = EIO});
		bool ok = load();
		if (!faulty_disk_fired(&faulty))
			break;
		if (ok)
			ck_assert_str_eq(loaded_dump(&got), "jobs a=2 c=1 runs r=1 ");
	}
	faulty_disk_fail(&faulty, (struct faulty_plan){.call = FAULTY_LIST, .nth = 1, .number = EIO});
	refuses("journal", "cannot be listed");
}
END_TEST

static bool unlinks(const char *id)
{
	for (size_t at = 0; at < result.unlink.len; at += strlen(result.unlink.at + at) + 1)
		if (strcmp(result.unlink.at + at, id) == 0)
			return true;
	return false;
}

START_TEST(payloads_of_deleted_artifacts_are_named_and_of_living_ones_never)
{
	snapshot(TABLE_JOBS, 0, 0, CHANGED(0, 0, 0), "");
	snapshot(TABLE_RUNS, 0, 0, CHANGED(0, 0, 0), "");
	snapshot(TABLE_ARTIFACTS, 2, 2, CHANGED(0, 0, 2), "back=1 gone=1 stays=1");
	segment(1, 0, 1, 1, CHANGED(0, 0, 0), "-a.back -a.old");
	segment(2, 1, 2, 2, CHANGED(0, 0, 1), "a.other=1");
	segment(3, 2, 3, 3, CHANGED(0, 0, 2), "-a.gone -a.again");
	segment(4, 3, 4, 4, CHANGED(0, 0, 3), "a.again=1");
	loads("artifacts again=1 back=1 stays=1 ");
	ck_assert(unlinks("gone") && unlinks("old"));
	ck_assert(!unlinks("back") && !unlinks("again") && !unlinks("stays") && !unlinks("other"));
}
END_TEST

START_TEST(unknown_header_members_are_kept)
{
	write_text("jobs.json", "{\"x\": {\"y\": [1, 2]}, \"jobs\":[], \"z\":null}");
	loads("");
	ck_assert(span_is(buf_as_span(&result.extra[TABLE_JOBS]), SPAN("\"x\":{\"y\":[1,2]},\"z\":null")));
	ck_assert_uint_eq(result.extra[TABLE_RUNS].len, 0);
}
END_TEST

START_TEST(the_next_number_is_above_every_one_that_was_used)
{
	three_commits();
	snapshot(TABLE_ARTIFACTS, 0, 77, CHANGED(0, 0, 0), "");
	loads("jobs a=2 runs r=1 ");
	ck_assert_uint_eq(result.seq, 77);
}
END_TEST

START_TEST(strange_names_in_the_journal_are_ignored_and_mentioned)
{
	three_commits();
	write_text("journal/README", "x");
	write_text("journal/00000000000000000001.json.0123456789abcdef.tmp", "x");
	loads("jobs a=2 runs r=1 ");
	ck_assert_uint_eq(got.findings, 1);
	ck_assert_str_eq(got.last_note.file, "journal/README");
}
END_TEST

START_TEST(a_check_finds_everything_at_once)
{
	three_commits();
	write_text("jobs.json", "{");
	write_text("runs.json", "[]");
	damage_segment(1, "\"v\":1", "\"v\":3");
	damage_segment(3, "\"v\":2", "\"v\":3");
	check_mode = true;
	ck_assert(!load());
	ck_assert_uint_eq(got.fatal, 4);
	check_mode = false;
	ck_assert(!load());
	ck_assert_uint_eq(got.fatal, 1);
}
END_TEST

START_TEST(ten_thousand_commits_load_in_about_a_second)
{
	enum { COMMITS = 10000 };
	struct timespec from, to;
	char words[64];
	empty_snapshots();
	for (uint64_t i = 1; i <= COMMITS; i++) {
		snprintf(words, sizeof words, "j.j%d=%d", (int)(i % 200), (int)i);
		segment(i, i - 1, i, i, CHANGED(i - 1, 0, 0), words);
	}
	faulty.logging = false;
	clock_gettime(CLOCK_MONOTONIC, &from);
	ck_assert(load());
	clock_gettime(CLOCK_MONOTONIC, &to);
	double seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
	ck_assert_uint_eq(result.segment_count, COMMITS);
	ck_assert_uint_eq(result.revision, COMMITS);
	ck_assert_uint_eq(got.count, 200);
	ck_assert_msg(seconds < 8, "%f s", seconds); /* sanitised, on a busy machine */
	if (getenv("VERBOSE"))
		printf("%d segments in %.3f s\n", COMMITS, seconds);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("load");
	TCase *all = tcase_create("load");
	tcase_set_timeout(all, 120);
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, a_new_directory_is_an_empty_store);
	tcase_add_test(all, files_of_the_python_classes_load_whole);
	tcase_add_test(all, nan_is_refused_with_line_and_byte_and_what_to_do);
	tcase_add_test(all, commits_are_replayed_over_the_snapshots);
	tcase_add_test(all, a_newer_snapshot_is_not_taken_back_by_older_commits);
	tcase_add_test(all, a_snapshot_in_the_middle_of_the_chain_gets_only_what_is_above_it);
	tcase_add_test(all, a_missing_commit_stops_the_start_and_is_named);
	tcase_add_test(all, a_commit_that_does_not_join_the_next_is_refused);
	tcase_add_test(all, the_lost_top_of_the_journal_is_noticed);
	tcase_add_test(all, an_unchanged_table_needs_no_new_snapshot);
	tcase_add_test(all, what_a_merge_replaced_is_passed_by);
	tcase_add_test(all, removed_commits_that_a_power_cut_brought_back_are_passed_by);
	tcase_add_test(all, a_merged_commit_that_came_back_does_not_claim_later_changes);
	tcase_add_test(all, a_merge_that_left_out_what_a_snapshot_had_needs_that_snapshot);
	tcase_add_test(all, a_file_without_a_header_is_taken_where_it_cannot_hide_a_loss);
	tcase_add_test(all, a_file_made_by_other_means_speaks_for_its_own_table);
	tcase_add_test(all, a_commit_without_changed_is_followed_strictly);
	tcase_add_test(all, a_missing_snapshot_is_an_error_once_anything_was_committed);
	tcase_add_test(all, files_of_another_store_are_refused);
	tcase_add_test(all, swapped_and_renamed_files_are_refused);
	tcase_add_test(all, a_newer_format_is_refused);
	tcase_add_test(all, damage_to_any_file_that_counts_stops_the_start);
	tcase_add_test(all, no_damaged_byte_makes_a_smaller_store);
	tcase_add_test(all, a_failing_disk_makes_no_smaller_store);
	tcase_add_test(all, payloads_of_deleted_artifacts_are_named_and_of_living_ones_never);
	tcase_add_test(all, unknown_header_members_are_kept);
	tcase_add_test(all, the_next_number_is_above_every_one_that_was_used);
	tcase_add_test(all, strange_names_in_the_journal_are_ignored_and_mentioned);
	tcase_add_test(all, a_check_finds_everything_at_once);
	tcase_add_test(all, ten_thousand_commits_load_in_about_a_second);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
