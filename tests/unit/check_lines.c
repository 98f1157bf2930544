/* A snapshot that several threads read, held against the same one read on one thread. Every load here is
 * done both ways. */
#include "daemon/lines.h"
#include "daemon/snapshot_read.h"
#include "daemon/store.h"
#include "tests/unit/faulty_disk.h"
#include "tests/unit/records.h"
#include "tests/unit/scratch.h"
#include <errno.h>
#include <stdatomic.h>
#include <time.h>
#include <xxhash.h>

#define STORE "01234567-89ab-4cde-8f01-23456789abcd"

static struct scratch scratch;
static struct faulty_disk faulty;
static struct disk_dir state, journal;

/* ---- files */

static void add_record(struct buf *out, enum table_id t, unsigned n, size_t more)
{
	CLEAN loose = {0};
	struct fault fault;
	size_t at;
	buf_printf(&loose, "{\"id\":\"%c%04u\",\"status\":\"%s\",\"type\":\"t\",\"kind\":\"k\",\"run_id\":\"r\","
	           "\"created_at\":\"2026-01-%02uT00:00:00Z\",\"revision\":%u,"
	           "\"progress\":{\"current\":%u,\"total\":7},\"x\":[\"é\\\"\",{\"n\":1.5}],\"more\":\"", "jra"[t], n,
	           n % 3 ? "completed" : "pending", 1 + n % 28, 1 + n, n % 7);
	for (size_t i = 0; i < more; i++)
		buf_char(&loose, (char)('a' + (n + i) % 26));
	buf_text(&loose, "\"}");
	ck_assert_msg(record_read(out, t, buf_as_span(&loose), 1, false, records_now(), &fault, &at), "%s", fault.message);
}

static void add_sum(struct buf *file)
{
	buf_printf(file, ",\"xxh3\":\"%016llx\"}", (unsigned long long)XXH3_64bits(file->at, file->len));
}

/* As persistd writes it, the checksum left out. */
static void add_table(struct buf *file, enum table_id t, unsigned records, size_t (*more)(unsigned n))
{
	buf_printf(file, "{\"format\":1,\"store\":\"" STORE "\",\"revision\":%u,\"count\":%u,\"%s\":[", records, records,
	           spec_table_name(t));
	for (unsigned n = 0; n < records; n++) {
		buf_text(file, n ? ",\n" : "\n");
		add_record(file, t, n, more(n));
	}
	buf_text(file, records ? "\n]" : "]");
}

static size_t short_ones(unsigned n)
{
	return n % 5;
}

static size_t all_sizes(unsigned n)
{
	return n % 97 == 13 ? 20000 : n % 11 == 3 ? 4000 + n % 90 : n * 7 % 700;
}

static void write_file(enum table_id t, const struct buf *text)
{
	char name[32];
	snapshot_file_name(t, name);
	scratch_write(&scratch, name, buf_as_span(text));
}

static void write_table(struct buf *file, enum table_id t)
{
	add_sum(file);
	write_file(t, file);
}

static void setup(void)
{
	ident_init();
	scratch_make(&scratch);
	faulty_disk_init(&faulty);
	ck_assert(disk_dir_open(&faulty.disk, &state, AT_FDCWD, scratch.path, "state", false, 0));
	ck_assert(disk_dir_open(&faulty.disk, &journal, state.fd, "journal", "journal", true, 0700));
	for (int t = 0; t < TABLE_COUNT; t++) {
		CLEAN file = {0};
		add_table(&file, (enum table_id)t, 0, short_ones);
		write_table(&file, (enum table_id)t);
	}
}

static void teardown(void)
{
	disk_dir_close(&faulty.disk, &journal);
	disk_dir_close(&faulty.disk, &state);
	faulty_disk_done(&faulty);
	scratch_remove(&scratch);
}

/* ---- loading */

/* What a load gave: the findings, and every record in the order of its coming, and in the lists' order. */
struct outcome {
	bool ok;
	struct buf findings, store;
};

static int64_t clock_stands(void)
{
	return records_now();
}

static void add_finding(void *context, const struct load_finding *f)
{
	struct outcome *o = context;
	buf_printf(&o->findings, "%s:%llu:%llu: %s%s\n", f->file, (unsigned long long)f->line, (unsigned long long)f->byte,
	           f->fatal ? "" : "note: ", f->message);
}

static void add_texts(struct buf *out, struct store *store, enum table_id t)
{
	struct journal_source source = store_source(store);
	struct span texts[64];
	uint64_t count, bytes;
	source.freeze(source.context, t, &count, &bytes);
	for (size_t n; source.slice(source.context, t, texts, 64, 1 << 20, &n);)
		for (size_t i = 0; i < n; i++) {
			buf_span(out, texts[i]);
			buf_char(out, '\n');
		}
	source.thaw(source.context, t);
	buf_printf(out, "%llu records of %llu bytes\n", (unsigned long long)count, (unsigned long long)bytes);
}

static void add_list(struct buf *out, struct store *store, enum table_id t, bool by_id)
{
	struct table *table = store_table(store, t);
	struct selection all = {.by_id = by_id, .after = STAMP_NONE, .before = STAMP_NONE};
	struct page *page = page_open(table, &all, 0, NULL);
	for (uint32_t e; (e = page_next(page)) != 0;) {
		buf_span(out, record_id(table_entry(table, e)->record));
		buf_char(out, ' ');
	}
	page_close(page);
	buf_printf(out, "%u ended\n", table_ended_count(table, records_now()));
}

static struct outcome load_with(struct load_threads how, bool check)
{
	struct outcome o = {0};
	struct store *store = store_new(clock_stands);
	struct load_sink sink = store_sink(store);
	struct load_result result;
	sink.threads = how;
	o.ok = load_read(&faulty.disk, &state, &journal, check, &sink, add_finding, &o, &result);
	if (o.ok) {
		buf_printf(&o.findings, "revision %llu, jobs %llu, headerless %d\n", (unsigned long long)result.revision,
		           (unsigned long long)result.changed[TABLE_JOBS], result.headerless[TABLE_JOBS]);
		store_loaded(store, result.revision);
		load_result_free(&result);
	}
	for (int t = 0; t < TABLE_COUNT; t++) {
		add_texts(&o.store, store, (enum table_id)t);
		for (int by_id = 0; o.ok && by_id < 2; by_id++)
			add_list(&o.store, store, (enum table_id)t, by_id);
	}
	buf_printf(&o.store, "revision %llu, time %lld\n", (unsigned long long)store_revision(store), (long long)store_now(store));
	store_free(store);
	return o;
}

static void outcome_free(struct outcome *o)
{
	buf_free(&o->findings);
	buf_free(&o->store);
}

#define OUTCOME __attribute__((cleanup(outcome_free))) struct outcome

static const struct load_threads one_thread = {.count = 1};

/* Returns whether it loads. */
static bool same_with(struct load_threads how, bool check, const char *what, size_t where)
{
	OUTCOME one = load_with(one_thread, check);
	OUTCOME several = load_with(how, check);
	bool same = one.ok == several.ok && span_is(buf_as_span(&one.findings), buf_as_span(&several.findings));
	if (!same || !span_is(buf_as_span(&one.store), buf_as_span(&several.store)))
		ck_abort_msg("%s %zu, %u threads, blocks of %zu:\none thread: %.*s%.*s\nseveral: %.*s%.*s", what, where,
		             how.count, how.block_bytes, (int)one.findings.len, one.findings.at,
		             same ? (int)one.store.len : 0, one.store.at, (int)several.findings.len, several.findings.at,
		             same ? (int)several.store.len : 0, several.store.at);
	return one.ok;
}

/* ---- the tests */

static const size_t block_sizes[] = {1, 3, 300, 700, 5000, 65536, 1 << 20};

START_TEST(several_threads_load_what_one_does)
{
	static const unsigned counts[] = {0, 1, 2, 3, 500, 2000};
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		for (int t = 0; t < TABLE_COUNT; t++) {
			CLEAN file = {0};
			add_table(&file, (enum table_id)t, counts[i], all_sizes);
			write_table(&file, (enum table_id)t);
		}
		for (size_t b = 0; b < sizeof block_sizes / sizeof *block_sizes; b++)
			for (unsigned threads = 2; threads <= 5; threads += 3)
				ck_assert(same_with((struct load_threads){threads, block_sizes[b]}, false, "records", counts[i]));
	}
}
END_TEST

START_TEST(what_is_not_as_persistd_writes_it_is_read_as_ever)
{
	static const char *const tails[] = {"\n", "\n\n\n", ",\"xxh3\":\"0123456789abcdef\"}", "}",
	                                    ",\"note\":[1,\n2]}\n", ",", ""};
	for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
		CLEAN file = {0};
		add_table(&file, TABLE_JOBS, 50, short_ones);
		if (i < 2)
			add_sum(&file);
		buf_text(&file, tails[i]);
		write_file(TABLE_JOBS, &file);
		for (size_t b = 0; b < sizeof block_sizes / sizeof *block_sizes; b++)
			same_with((struct load_threads){3, block_sizes[b]}, false, "tail", i);
	}
}
END_TEST

/* Bytes that mean something to JSON and to lines, and those beside the one that was there. */
static char damaged(char was, size_t at)
{
	static const char marks[] = "\n\",:{}[]\\0 \0";
	return (char)(at % 3 == 0 ? marks[at / 3 % (sizeof marks - 1)] : was ^ (1 << at % 7));
}

static struct load_threads some_threads(size_t n)
{
	return (struct load_threads){2 + (unsigned)n % 3, block_sizes[n % 6]};
}

/* All places with CHECK_LINES_EVERY=1. */
static size_t stride(size_t otherwise)
{
	const char *said = getenv("CHECK_LINES_EVERY");
	return said && atoi(said) > 0 ? (size_t)atoi(said) : otherwise;
}

static unsigned damage_each(const struct buf *file, bool sum_again, size_t from)
{
	unsigned loaded = 0;
	for (size_t i = from; i < file->len; i += stride(61)) {
		CLEAN text = {0};
		buf_span(&text, buf_as_span(file));
		text.at[i] = damaged(text.at[i], i);
		if (text.at[i] == file->at[i])
			continue;
		if (sum_again)
			add_sum(&text);
		write_file(TABLE_JOBS, &text);
		loaded += same_with(some_threads(i), i % 5 == 0, "byte", i);
	}
	return loaded;
}

START_TEST(a_damaged_byte_is_refused_in_the_same_words)
{
	CLEAN file = {0};
	add_table(&file, TABLE_JOBS, 100, short_ones);
	add_sum(&file);
	ck_assert_uint_eq(damage_each(&file, false, 0), 0);
}
END_TEST

/* The checksum is right: what is wrong must be found by reading the records; an id may stand twice. */
START_TEST(another_programs_mistake_is_refused_in_the_same_words)
{
	CLEAN file = {0};
	add_table(&file, TABLE_JOBS, 100, short_ones);
	ck_assert_uint_gt(damage_each(&file, true, 1), 0);
}
END_TEST

START_TEST(a_file_cut_anywhere_is_refused_in_the_same_words)
{
	CLEAN file = {0};
	add_table(&file, TABLE_JOBS, 100, short_ones);
	for (size_t len = 0; len < file.len; len += stride(61)) {
		CLEAN text = {0};
		buf_room(&text, 1); /* a file of nothing, too */
		buf_span(&text, (struct span){file.at, len});
		if (len % 2)
			add_sum(&text);
		write_file(TABLE_JOBS, &text);
		ck_assert(!same_with(some_threads(len), len % 5 == 0, "cut at", len));
	}
}
END_TEST

START_TEST(of_two_faults_the_first_in_the_file_is_told)
{
	CLEAN file = {0};
	add_table(&file, TABLE_JOBS, 400, short_ones);
	for (unsigned first = 1; first < 400; first += 29)
		for (unsigned second = first + 1; second < first + 9 && second < 400; second++) {
			CLEAN text = {0};
			char id[2][16];
			buf_span(&text, buf_as_span(&file));
			snprintf(id[0], sizeof id[0], "\"j%04u\"", first);
			snprintf(id[1], sizeof id[1], "\"j%04u\"", second);
			char *at = memmem(text.at, text.len, id[0], 7), *other = memmem(text.at, text.len, id[1], 7);
			memcpy(at, "\"j0000\"", 7); /* stands twice */
			other[3] = '!';             /* no id */
			write_table(&text, TABLE_JOBS);
			OUTCOME o = load_with((struct load_threads){4, 700}, false);
			ck_assert(!o.ok);
			ck_assert_ptr_nonnull(memmem(o.findings.at, o.findings.len, "j0000 stands twice", 18));
			ck_assert_ptr_null(memchr(o.findings.at, '!', o.findings.len));
			same_with((struct load_threads){4, 700}, true, "fault", first);
		}
}
END_TEST

START_TEST(a_failing_disk_makes_no_smaller_store)
{
	CLEAN file = {0};
	add_table(&file, TABLE_JOBS, 200, all_sizes);
	write_table(&file, TABLE_JOBS);
	OUTCOME good = load_with(one_thread, false);
	for (unsigned nth = 1;; nth++) {
		struct faulty_plan plan = {.call = FAULTY_PREAD, .name = "jobs.json", .nth = nth, .number = EIO};
		faulty_disk_fail(&faulty, plan);
		OUTCOME o = load_with((struct load_threads){3, 3000}, false);
		if (!faulty_disk_fired(&faulty)) {
			ck_assert_uint_gt(nth, 20);
			ck_assert(span_is(buf_as_span(&o.store), buf_as_span(&good.store)));
			break;
		}
		if (o.ok) /* the end was looked at in vain: it is read as another's file is */
			ck_assert_uint_eq(nth, 1);
		else
			ck_assert_ptr_nonnull(memmem(o.findings.at, o.findings.len, "cannot be read: Input/output error", 34));
	}
}
END_TEST

/* ---- memory */

static struct {
	struct disk_ops ops;
	_Atomic uint64_t taken; /* where the last record that was taken ends */
	_Atomic uint64_t end, ahead_most;
	bool (*take)(void *context, enum table_id t, const struct load_record *made, struct fault *fault);
} watch;

static ssize_t watched_pread(void *context, int fd, void *to, size_t bytes, off_t at)
{
	ssize_t n = disk_system.pread(context, fd, to, bytes, at);
	if (n > 0 && at > 0 && (uint64_t)at + (uint64_t)n < watch.end) { /* not the header's window, nor the end */
		uint64_t ahead = (uint64_t)at + (uint64_t)n - watch.taken;
		if (ahead > watch.ahead_most)
			watch.ahead_most = ahead;
	}
	return n;
}

static bool slow_take(void *context, enum table_id t, const struct load_record *made, struct fault *fault)
{
	watch.taken += made->record->len + 2;
	if (watch.taken % 16 == 0)
		nanosleep(&(struct timespec){.tv_nsec = 1000}, NULL);
	return watch.take(context, t, made, fault);
}

enum { READERS = 4 };

/* How far the reading ever got ahead of the taking. */
static uint64_t read_ahead(size_t block_bytes)
{
	CLEAN file = {0};
	add_table(&file, TABLE_JOBS, 3000, short_ones);
	watch.taken = (uint64_t)((char *)memchr(file.at, '\n', file.len) - file.at);
	watch.end = file.len - 1000;
	watch.ahead_most = 0;
	write_table(&file, TABLE_JOBS);
	watch.ops = disk_system;
	watch.ops.pread = watched_pread;
	struct disk disk = {.ops = &watch.ops};
	struct store *store = store_new(clock_stands);
	struct load_sink sink = store_sink(store);
	struct load_result result;
	OUTCOME o = {0};
	watch.take = sink.take;
	sink.take = slow_take;
	sink.threads = (struct load_threads){READERS, block_bytes};
	ck_assert(load_read(&disk, &state, &journal, false, &sink, add_finding, &o, &result));
	load_result_free(&result);
	store_free(store);
	return watch.ahead_most;
}

START_TEST(what_is_read_ahead_is_bounded)
{
	enum { BLOCK = 4096, BLOCKS = 2 * READERS + 2 };
	uint64_t ahead = read_ahead(BLOCK);
	ck_assert_uint_gt(ahead, BLOCK);
	ck_assert_uint_le(ahead, (BLOCKS + 1) * BLOCK);
}
END_TEST

START_TEST(while_a_block_has_grown_to_hold_a_line_no_other_is_read)
{
	enum { BLOCK = 64, GROWN = 512, LINE = 400 };
	ck_assert_uint_le(read_ahead(BLOCK), GROWN + LINE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lines");
	TCase *all = tcase_create("lines");
	tcase_set_timeout(all, 600);
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, several_threads_load_what_one_does);
	tcase_add_test(all, what_is_not_as_persistd_writes_it_is_read_as_ever);
	tcase_add_test(all, a_damaged_byte_is_refused_in_the_same_words);
	tcase_add_test(all, another_programs_mistake_is_refused_in_the_same_words);
	tcase_add_test(all, a_file_cut_anywhere_is_refused_in_the_same_words);
	tcase_add_test(all, of_two_faults_the_first_in_the_file_is_told);
	tcase_add_test(all, a_failing_disk_makes_no_smaller_store);
	tcase_add_test(all, what_is_read_ahead_is_bounded);
	tcase_add_test(all, while_a_block_has_grown_to_hold_a_line_no_other_is_read);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
