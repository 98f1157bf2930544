#include "daemon/segment.h"
#include "daemon/checksum.h"
#include "daemon/spares.h"
#include "proto/stamp.h"
#include <assert.h>
#include <stdio.h>

enum { STAGE = SPARES_FILE_MAX, SEQ_DIGITS = 20 };

void segment_name(uint64_t seq, char out[SEGMENT_NAME_LEN + 1])
{
	snprintf(out, SEGMENT_NAME_LEN + 1, "%020llu.json", (unsigned long long)seq);
}

bool segment_seq(const char *name, uint64_t *seq)
{
	uint64_t n = 0;
	if (strlen(name) != SEGMENT_NAME_LEN || strcmp(name + SEQ_DIGITS, ".json") != 0)
		return false;
	for (int i = 0; i < SEQ_DIGITS; i++) {
		uint64_t digit = (uint64_t)(name[i] - '0');
		if (name[i] < '0' || name[i] > '9' || n > (INT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*seq = n;
	return n > 0;
}

void segment_put_revisions(struct buf *out, const uint64_t revisions[TABLE_COUNT])
{
	for (int t = 0; t < TABLE_COUNT; t++) {
		buf_char(out, t == 0 ? '{' : ',');
		buf_string(out, span_of(spec_table_name((enum table_id)t)));
		buf_char(out, ':');
		buf_uint(out, revisions[t]);
	}
	buf_char(out, '}');
}

void segment_put_end(struct buf *out, uint64_t xxh3)
{
	buf_printf(out, ",\"xxh3\":\"%016llx\"}", (unsigned long long)xxh3);
}

/* A segment on its way to the disk: small pieces are gathered, large texts go out as they are. The file is
 * opened when the first bytes go out: of a segment that is gathered whole the size is known by then. */
struct segment_writer {
	struct disk *disk;
	const struct disk_dir *journal;
	struct spares *spares; /* NULL: a new file, without padding */
	char name[SEGMENT_NAME_LEN + 1];
	struct disk_file file;
	XXH3_state_t *hash;    /* NULL: nothing has gone out yet */
	struct buf staged;
	uint64_t padding;
	struct disk_error *error;
};

static void writer_free(struct segment_writer *w)
{
	XXH3_freeState(w->hash);
	buf_free(&w->staged);
}

static bool begin_new(struct segment_writer *w)
{
	bool ok = disk_begin(w->disk, &w->file, w->journal, w->name, w->journal->files, w->error);
	w->file.content_only = true;
	return ok;
}

static bool write_bytes(struct segment_writer *w, struct span bytes)
{
	struct iovec part = {.iov_base = (void *)bytes.at, .iov_len = bytes.len};
	return disk_write(&w->file, &part, 1, w->error);
}

static bool write_out(struct segment_writer *w, struct span bytes)
{
	if (!w->hash) {
		w->hash = checksum_new();
		XXH3_64bits_reset(w->hash);
		if (!begin_new(w))
			return false;
	}
	XXH3_64bits_update(w->hash, bytes.at, bytes.len);
	return write_bytes(w, bytes);
}

static bool write_staged(struct segment_writer *w)
{
	bool ok = w->staged.len == 0 || write_out(w, buf_as_span(&w->staged));
	w->staged.len = 0;
	return ok;
}

static bool write_text(struct segment_writer *w, struct span text)
{
	if (w->staged.len + text.len > STAGE && !write_staged(w))
		return false;
	if (text.len > STAGE)
		return write_out(w, text);
	buf_span(&w->staged, text);
	return true;
}

static void put_head(struct buf *out, const struct segment_head *head, int64_t now)
{
	static const uint64_t nothing[TABLE_COUNT];
	buf_text(out, "{\"store\":");
	buf_string(out, span_of(head->store));
	buf_printf(out, ",\"seq\":%llu,\"prev\":%llu,\"first\":%llu,\"last\":%llu,\"changed\":",
	           (unsigned long long)head->seq, (unsigned long long)head->prev, (unsigned long long)head->first,
	           (unsigned long long)head->last);
	segment_put_revisions(out, head->changed);
	if (memcmp(head->without, nothing, sizeof nothing) != 0) {
		buf_text(out, ",\"without\":");
		segment_put_revisions(out, head->without);
	}
	buf_text(out, ",\"at\":");
	stamp_json(out, now);
}

static bool write_rows(struct segment_writer *w, enum table_id t, const struct segment_change *changes,
                       size_t count)
{
	bool any = false;
	buf_printf(&w->staged, ",\"%s\":[", spec_table_name(t));
	for (size_t i = 0; i < count; i++) {
		if (changes[i].table != t || !changes[i].text.at)
			continue;
		buf_text(&w->staged, any ? ",\n" : "\n");
		any = true;
		if (!write_text(w, changes[i].text))
			return false;
	}
	buf_text(&w->staged, any ? "\n]" : "]");
	return true;
}

static bool write_deletions(struct segment_writer *w, enum table_id t, const struct segment_change *changes,
                            size_t count, bool *any_table)
{
	bool any = false;
	for (size_t i = 0; i < count; i++) {
		if (changes[i].table != t || changes[i].text.at)
			continue;
		if (!any)
			buf_printf(&w->staged, "%s\"%s\":[", *any_table ? "," : "", spec_table_name(t));
		else
			buf_char(&w->staged, ',');
		any = *any_table = true;
		buf_string(&w->staged, changes[i].id);
		if (w->staged.len > STAGE && !write_staged(w))
			return false;
	}
	if (any)
		buf_char(&w->staged, ']');
	return true;
}

static bool write_content(struct segment_writer *w, const struct segment_head *head,
                          const struct segment_change *changes, size_t count, int64_t now)
{
	bool any = false;
	put_head(&w->staged, head, now);
	for (int t = 0; t < TABLE_COUNT; t++)
		if (!write_rows(w, (enum table_id)t, changes, count))
			return false;
	buf_text(&w->staged, ",\"deleted\":{");
	for (int t = 0; t < TABLE_COUNT; t++)
		if (!write_deletions(w, (enum table_id)t, changes, count, &any))
			return false;
	buf_char(&w->staged, '}');
	return true;
}

static bool begin_over(struct segment_writer *w)
{
	uint64_t size = w->staged.len;
	char spare[SPARE_NAME_LEN + 1];
	while (spares_take(w->spares, size, spare))
		if (disk_reuse(w->disk, &w->file, w->journal, w->name, spare, size, w->journal->files, w->error)) {
			w->file.content_only = true;
			return true;
		}
	return begin_new(w);
}

static void pad(struct segment_writer *w)
{
	w->padding = spares_size(w->staged.len) - w->staged.len;
	if (w->padding == 0)
		return;
	memset(buf_room(&w->staged, w->padding), ' ', w->padding);
	w->staged.len += w->padding;
	w->staged.at[w->staged.len - 1] = '\n';
}

/* The checksum and, where all of it is still gathered, the whole file. */
static bool write_end(struct segment_writer *w)
{
	if (w->hash) {
		if (!write_staged(w))
			return false;
		segment_put_end(&w->staged, XXH3_64bits_digest(w->hash));
		return write_bytes(w, buf_as_span(&w->staged));
	}
	segment_put_end(&w->staged, XXH3_64bits(w->staged.at, w->staged.len));
	if (w->spares)
		pad(w);
	return (w->spares ? begin_over(w) : begin_new(w)) && write_bytes(w, buf_as_span(&w->staged));
}

static enum disk_result write_segment(struct segment_writer *w, const struct segment_head *head,
                                      const struct segment_change *changes, size_t count, int64_t now,
                                      uint64_t *bytes)
{
	assert(head->seq > head->prev && head->first >= 1 && head->last + 1 >= head->first);
	segment_name(head->seq, w->name);
	*bytes = 0;
	if (!write_content(w, head, changes, count, now) || !write_end(w))
		return DISK_FAILED;
	*bytes = w->file.size;
	return disk_finish(&w->file, true, w->error);
}

enum disk_result segment_write(struct disk *d, const struct disk_dir *journal,
                               const struct segment_head *head, const struct segment_change *changes,
                               size_t count, int64_t now, uint64_t *bytes, struct disk_error *e)
{
	__attribute__((cleanup(writer_free))) struct segment_writer w = {.disk = d, .journal = journal, .error = e};
	return write_segment(&w, head, changes, count, now, bytes);
}

enum disk_result segment_write_over(struct spares *spares, const struct disk_dir *journal,
                                    const struct segment_head *head, const struct segment_change *changes,
                                    size_t count, int64_t now, uint64_t *bytes, uint64_t *padding,
                                    struct disk_error *e)
{
	__attribute__((cleanup(writer_free))) struct segment_writer w = {.disk = spares->disk, .journal = journal,
	                                                                .spares = spares, .error = e};
	enum disk_result result = write_segment(&w, head, changes, count, now, bytes);
	*padding = w.padding;
	return result;
}
