#include "daemon/snapshot.h"
#include "daemon/checksum.h"
#include "proto/stamp.h"
#include <assert.h>
#include <stdio.h>

/* A device that is handed eight times as much at once lets readers wait: its threads need the CPUs, too. */
enum { ROWS_AT_ONCE = 256, SETTLE_BYTES = 1024 * 1024 };

/* Where the file has failed, disk has removed it; what is left is the hash. */
static bool write_parts(struct snapshot_writer *w, const struct iovec *parts, int count, struct disk_error *e)
{
	for (int i = 0; i < count; i++)
		XXH3_64bits_update(w->hash, parts[i].iov_base, parts[i].iov_len);
	if (disk_write(&w->file, parts, count, e)) {
		if (w->file.size - w->settled < SETTLE_BYTES)
			return true;
		w->settled = w->file.size;
		if (disk_settle(&w->file, e))
			return true;
	}
	snapshot_abort(w);
	return false;
}

static void put_head(struct buf *out, enum table_id t, const struct snapshot_head *head)
{
	buf_text(out, "{\"format\":1,\"store\":");
	buf_string(out, span_of(head->store));
	buf_text(out, ",\"revision\":");
	buf_uint(out, head->revision);
	buf_text(out, ",\"seq\":");
	buf_uint(out, head->seq);
	buf_text(out, ",\"changed\":");
	segment_put_revisions(out, head->changed);
	buf_text(out, ",\"count\":");
	buf_uint(out, head->count);
	buf_text(out, ",\"updated_at\":");
	stamp_json(out, head->updated_at);
	if (head->extra.len > 0) {
		buf_char(out, ',');
		buf_span(out, head->extra);
	}
	buf_printf(out, ",\"%s\":[", spec_table_name(t));
}

void snapshot_file_name(enum table_id t, char out[32])
{
	snprintf(out, 32, "%s.json", spec_table_name(t));
}

bool snapshot_begin(struct snapshot_writer *w, struct disk *d, const struct disk_dir *state, enum table_id t,
                    const struct snapshot_head *head, mode_t mode, struct disk_error *e)
{
	__attribute__((cleanup(buf_free))) struct buf text = {0};
	char name[32];
	*w = (struct snapshot_writer){.first = true, .promised = head->count, .file = {.fd = -1}};
	snprintf(name, sizeof name, "%s.json", spec_table_name(t));
	if (!disk_begin(d, &w->file, state, name, mode, e))
		return false;
	w->hash = checksum_new();
	assert(w->hash);
	XXH3_64bits_reset(w->hash);
	put_head(&text, t, head);
	return write_parts(w, &(struct iovec){.iov_base = text.at, .iov_len = text.len}, 1, e);
}

static bool write_rows(struct snapshot_writer *w, const struct span *texts, size_t count,
                       struct disk_error *e)
{
	struct iovec parts[2 * ROWS_AT_ONCE];
	int n = 0;
	for (size_t i = 0; i < count; i++) {
		parts[n++] = w->first ? (struct iovec){.iov_base = (void *)"\n", .iov_len = 1}
		                      : (struct iovec){.iov_base = (void *)",\n", .iov_len = 2};
		parts[n++] = (struct iovec){.iov_base = (void *)texts[i].at, .iov_len = texts[i].len};
		w->first = false;
	}
	w->written += count;
	return write_parts(w, parts, n, e);
}

bool snapshot_rows(struct snapshot_writer *w, const struct span *texts, size_t count, struct disk_error *e)
{
	for (size_t at = 0; at < count; at += ROWS_AT_ONCE) {
		size_t n = count - at < ROWS_AT_ONCE ? count - at : ROWS_AT_ONCE;
		if (!write_rows(w, texts + at, n, e))
			return false;
	}
	return true;
}

enum disk_result snapshot_finish(struct snapshot_writer *w, struct disk_error *e)
{
	__attribute__((cleanup(buf_free))) struct buf end = {0};
	assert(w->written == w->promised);
	buf_text(&end, w->first ? "]" : "\n]");
	XXH3_64bits_update(w->hash, end.at, end.len);
	segment_put_end(&end, XXH3_64bits_digest(w->hash));
	XXH3_freeState(w->hash);
	w->hash = NULL;
	if (!disk_write(&w->file, &(struct iovec){.iov_base = end.at, .iov_len = end.len}, 1, e))
		return DISK_FAILED;
	return disk_finish(&w->file, true, e);
}

void snapshot_abort(struct snapshot_writer *w)
{
	disk_abort(&w->file);
	XXH3_freeState(w->hash);
	w->hash = NULL;
}
