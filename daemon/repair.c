#include "daemon/repair.h"
#include "daemon/payload.h"
#include <stdlib.h>

bool repair_needed(const struct repair *r)
{
	return r->snapshots || r->rewrite_count || r->lay_empty || r->stray_count;
}

void repair_free(struct repair *r)
{
	free(r->rewrite);
	free(r->strays);
	buf_free(&r->payloads);
}

static bool write_empty_snapshot(struct repair *r, enum table_id t, struct disk_error *e)
{
	struct snapshot_writer w;
	struct snapshot_head head = {.updated_at = r->now, .extra = buf_as_span(&r->extra[t])};
	memcpy(head.store, r->store, sizeof head.store);
	if (!snapshot_begin(&w, r->disk, &r->dirs->state, t, &head, r->dirs->state.files, e))
		return false;
	bool ok = snapshot_finish(&w, e) == DISK_OK;
	r->bytes += w.file.size;
	return ok;
}

static bool write_snapshots(struct repair *r, struct disk_error *e)
{
	for (int t = 0; t < TABLE_COUNT; t++) {
		if (!(r->snapshots >> t & 1))
			continue;
		if (!write_empty_snapshot(r, (enum table_id)t, e))
			return false;
		r->snapshots &= (uint8_t)~(1u << t);
	}
	return true;
}

static bool rewrite(struct repair *r, const struct segment_head *head, struct disk_error *e)
{
	struct merge_source source = {.seq = head->seq, .last = head->last, .tables = head->tables};
	struct merge m = {.disk = r->disk, .journal = &r->dirs->journal, .sources = &source, .count = 1,
	                  .head = *head, .now = r->now};
	memcpy(source.without, head->without, sizeof source.without);
	bool ok = merge_write(&m, e) == DISK_OK;
	r->bytes += m.bytes;
	return ok;
}

static bool rewrite_all(struct repair *r, struct disk_error *e)
{
	for (; r->rewrite_count > 0; r->rewrite_count--)
		if (!rewrite(r, &r->rewrite[r->rewrite_count - 1], e))
			return false;
	return true;
}

static bool lay_empty(struct repair *r, struct disk_error *e)
{
	if (!r->lay_empty)
		return true;
	bool ok = segment_write(r->disk, &r->dirs->journal, &r->empty, NULL, 0, r->now, &r->empty_bytes, e) ==
	          DISK_OK;
	r->bytes += r->empty_bytes;
	r->lay_empty = !ok;
	return ok;
}

static bool remove_strays(struct repair *r, struct disk_error *e)
{
	for (; r->stray_count > 0; r->stray_count--) {
		char name[SEGMENT_NAME_LEN + 1];
		segment_name(r->strays[r->stray_count - 1], name);
		if (!disk_unlink(r->disk, &r->dirs->journal, name, e))
			return false;
	}
	return true;
}

bool repair_run(struct repair *r, struct disk_error *e)
{
	struct disk_error ignored;
	if (!write_snapshots(r, e) || !rewrite_all(r, e) || !lay_empty(r, e) || !remove_strays(r, e))
		return false;
	/* Last: until the segments are safe the deletions may still be lost, and the payloads wanted. */
	payload_unlink(r->disk, &r->dirs->artifacts, &r->payloads, &ignored);
	return true;
}
