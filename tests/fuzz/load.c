/* Bytes as the files of a state directory, opened by the real loader over a disk in memory. What opens is stopped cleanly and
 * shows the same when it is opened again; what is refused is left as it was. --check says the same in both cases, and a
 * salvage makes a store of it that opens, of the first the same one.
 *
 * A file begins with a byte 1 and one that says which: j, r, a a snapshot, 1 to 9 a segment, p a payload; of J, R, A and 1 to
 * 9 the checksum is put right, so that what it vouches for is not all as persistd writes it; q to y are segments as they
 * stand. */
#include "daemon/check.h"
#include "daemon/log.h"
#include "daemon/salvage.h"
#include "tests/crash/process.h"
#include "tests/crash/ram_disk.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/place.h"
#include <inttypes.h>
#include <unistd.h>
#include <xxhash.h>

enum { MARK = 1, FILES_MAX = 12, MEND_LITTLE = 1 << 20 };

static char new_path[128];

static void remove_new_path(void)
{
	rmdir(new_path);
}

static void prepare(void)
{
	surroundings = (struct surroundings){.millis = 1000, .dice = dice_of(3, 1, 1)};
	if (new_path[0])
		return;
	snprintf(new_path, sizeof new_path, "%s-new", place_path());
	FUZZ_EXPECT(mkdir(new_path, 0700) == 0);
	atexit(remove_new_path);
	ident_init();
	log_set_level(LOG_LEVEL_ERROR);
}

/* ---- the files */

static void put_sum(struct buf *text)
{
	while (text->len > 0 && text->at[text->len - 1] != '}')
		text->len--;
	if (text->len == 0)
		return;
	text->len--;
	uint64_t sum = XXH3_64bits(text->at, text->len);
	buf_printf(text, ",\"xxh3\":\"%016" PRIx64 "\"}", sum);
}

static void place_file(struct ram_disk *d, unsigned char which, struct span content)
{
	static const char tables[] = "jra";
	struct buf text = {0};
	char name[SEGMENT_NAME_LEN + 8];
	const char *table = which ? strchr(tables, which | 0x20) : NULL;
	bool summed = (which >= 'A' && which <= 'Z') || (which >= '1' && which <= '9');
	buf_span(&text, content);
	buf_room(&text, 1); /* an empty file is one, too */
	if (summed)
		put_sum(&text);
	if (table) {
		snapshot_file_name((enum table_id)(table - tables), name);
		ram_disk_put(d, RAM_STATE, name, buf_as_span(&text));
	} else if (which == 'p') {
		ram_disk_put(d, RAM_ARTIFACTS, "a0.json", buf_as_span(&text));
	} else if (summed || (which >= 'q' && which <= 'y')) {
		segment_name(which >= 'q' ? which - 'q' + 1 : which - '0', name);
		ram_disk_put(d, RAM_JOURNAL, name, buf_as_span(&text));
	}
	buf_free(&text);
}

static void place_files(struct ram_disk *d, struct span bytes)
{
	ram_disk_put_dir(d, RAM_STATE, "journal");
	ram_disk_put_dir(d, RAM_STATE, "artifacts");
	for (int i = 0; i < FILES_MAX && bytes.len > 1; i++) {
		const char *next = memchr(bytes.at + 1, MARK, bytes.len - 1);
		size_t len = next ? (size_t)(next - bytes.at) : bytes.len;
		if (bytes.at[0] == MARK && len > 1)
			place_file(d, (unsigned char)bytes.at[1], (struct span){bytes.at + 2, len - 2});
		bytes = (struct span){bytes.at + len, bytes.len - len};
	}
}

/* ---- what a start shows */

struct shown {
	uint64_t texts, ids; /* sums of hashes: the same for the same records */
};

static struct shown shown_by(struct process *p)
{
	struct journal_source source = store_source(p->store);
	struct shown sum = {0};
	for (int t = 0; t < TABLE_COUNT; t++) {
		struct span texts[64];
		uint64_t count, bytes;
		source.freeze(source.context, (enum table_id)t, &count, &bytes);
		for (size_t n; source.slice(source.context, (enum table_id)t, texts, 64, 1 << 20, &n);)
			for (size_t i = 0; i < n; i++) {
				struct span id;
				FUZZ_EXPECT(scan_member(texts[i], "id", &id));
				sum.texts += XXH3_64bits_withSeed(texts[i].at, texts[i].len, (uint64_t)t + 1);
				sum.ids += XXH3_64bits_withSeed(id.at, id.len, (uint64_t)t + 1);
			}
		source.thaw(source.context, (enum table_id)t);
	}
	return sum;
}

static void resolved(struct ticket *t, enum store_outcome outcome, const struct disk_error *why)
{
	(void)t, (void)why;
	FUZZ_EXPECT(outcome == STORE_COMMITTED);
}

/* What is there can be gone on from. */
static void save_one(struct process *p)
{
	struct ticket t = {.resolved = resolved};
	struct buf text = {0};
	buf_printf(&text, "{\"id\":\"saved\",\"type\":\"custom\",\"status\":\"running\",\"payload\":{},\"progress\":null,\"result\":null,"
	                  "\"created_at\":null,\"started_at\":null,\"completed_at\":null,\"error\":null,\"metadata\":{},"
	                  "\"updated_at\":\"2026-11-22T16:50:00.123456+00:00\",\"revision\":%" PRIu64 "}", store_next_revision(p->store));
	store_judge(p->store);
	store_put(p->store, TABLE_JOBS, buf_as_span(&text));
	store_wait(p->store, &t, 0);
	store_flush(p->store);
	process_drain(p);
	FUZZ_EXPECT(!journal_degraded(p->journal, NULL));
	buf_free(&text);
}

/* It does not stop cleanly, so that the segment is read again. */
static bool save_and_kill(struct ram_disk *d, const char *path, struct shown *shown)
{
	struct process p = {0};
	if (!process_start(&p, &d->disk, path))
		return false;
	save_one(&p);
	*shown = shown_by(&p);
	process_end(&p);
	return true;
}

/* False: refused. */
static bool open_and_stop(struct ram_disk *d, const char *path, struct shown *shown)
{
	struct process p = {0};
	uint64_t before = ram_disk_hash(d);
	if (!process_start(&p, &d->disk, path)) {
		FUZZ_EXPECT(p.why[0]);
		FUZZ_TRACE("%s", p.why);
		FUZZ_EXPECT(ram_disk_hash(d) == before);
		return false;
	}
	*shown = shown_by(&p);
	process_stop(&p);
	process_drain(&p);
	FUZZ_EXPECT(p.stopped && p.folded);
	process_end(&p);
	return true;
}

static char *check(struct ram_disk *d, const char *path, int *status)
{
	char *printed;
	size_t len;
	FILE *out = open_memstream(&printed, &len);
	FUZZ_EXPECT(out != NULL);
	uint64_t before = ram_disk_hash(d);
	*status = check_disk(&d->disk, path, out);
	fclose(out);
	FUZZ_EXPECT(ram_disk_hash(d) == before);
	return printed;
}

static bool finds_payloads_only(const char *printed)
{
	for (const char *line = printed; *line; line = strchr(line, '\n') + 1)
		if (strncmp(line, "artifacts/", 10) != 0 && !strstr(line, " finding"))
			return false;
	return true;
}

/* ---- salvage */

/* Records that state no time or revision get another one by each load. */
static void salvage(struct ram_disk *d, bool started, struct shown shown)
{
	struct ram_disk made;
	char *printed;
	size_t len;
	uint64_t before = ram_disk_hash(d);
	struct shown saved = {0};
	FILE *out = open_memstream(&printed, &len);
	FUZZ_EXPECT(out != NULL);
	ram_disk_init(&made, new_path);
	int status = salvage_disk(&d->disk, place_path(), &made.disk, new_path, MEND_LITTLE, out);
	fclose(out);
	FUZZ_TRACE("salvage: %d\n%s", status, printed);
	FUZZ_EXPECT(status != SALVAGE_NOT_DONE && ram_disk_hash(d) == before);
	FUZZ_EXPECT(open_and_stop(&made, new_path, &saved));
	if (started && !strstr(printed, "artifacts/"))
		FUZZ_EXPECT(status == SALVAGE_ALL && saved.ids == shown.ids);
	free(printed);
	ram_disk_done(&made);
}

/* The same after a clean stop; and with a commit more, after a kill and after another clean stop. */
static void reopen(struct ram_disk *d, struct shown shown)
{
	struct shown again = {0}, more = {0};
	FUZZ_EXPECT(open_and_stop(d, place_path(), &again) && again.texts == shown.texts);
	FUZZ_EXPECT(save_and_kill(d, place_path(), &more));
	FUZZ_EXPECT(open_and_stop(d, place_path(), &again) && again.texts == more.texts);
	FUZZ_EXPECT(open_and_stop(d, place_path(), &again) && again.texts == more.texts);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct ram_disk d, copy;
	struct shown shown = {0};
	int status;
	prepare();
	ram_disk_init(&d, place_path());
	ram_disk_init(&copy, place_path());
	place_files(&d, (struct span){(const char *)bytes, size});
	ram_disk_copy(&copy, &d);
	char *printed = check(&d, place_path(), &status);
	bool started = open_and_stop(&d, place_path(), &shown);
	FUZZ_TRACE("check: %d\n%s", status, printed);
	FUZZ_EXPECT(started ? status == 0 || finds_payloads_only(printed) : status == 1);
	if (started)
		reopen(&d, shown);
	salvage(&copy, started, shown);
	free(printed);
	ram_disk_done(&copy);
	ram_disk_done(&d);
	return 0;
}
