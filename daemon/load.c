#include "daemon/load.h"
#include "daemon/finding.h"
#include "daemon/segment_read.h"
#include "daemon/snapshot_read.h"
#include "proto/mem.h"
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>

struct load {
	struct disk *disk;
	const struct disk_dir *state, *journal;
	bool all;
	const struct load_sink *sink;
	void (*report)(void *context, const struct load_finding *finding);
	void *context;
	struct load_result *result;
	bool refused;
	struct snapshot_read snapshots[TABLE_COUNT];
	struct buf numbers;                  /* uint64_t: the segments that are there, lowest first */
	struct buf unknown;                  /* names in journal/ that are none of ours, NUL-separated */
	struct segment_read segment;         /* the one being read */
	uint64_t changed[TABLE_COUNT];       /* as the snapshots say */
	uint64_t chain_changed[TABLE_COUNT]; /* as the chain says, up to the segment being read */
	void *deleted;                       /* tree of struct deleted */
	size_t deleted_count;
	bool applies;       /* the segment being read is above the artifacts' snapshot */
	bool lowest_states; /* the chain's lowest segment has `changed` */
};

/* An artifact that a segment of the chain deletes. */
struct deleted {
	/* by the replay; else the segment is covered by the snapshot, which may name the id again */
	bool applied;
	char id[];
};

static size_t number_count(const struct load *l)
{
	return l->numbers.len / sizeof(uint64_t);
}
static uint64_t number_at(const struct load *l, size_t i)
{
	return ((const uint64_t *)(const void *)l->numbers.at)[i];
}
static unsigned long long llu(uint64_t n)
{
	return (unsigned long long)n;
}

/* Returns false for the caller to return. */
static bool refuse(struct load *l, const struct load_finding *f)
{
	l->refused |= f->fatal;
	l->report(l->context, f);
	return false;
}

static void note(struct load *l, struct load_finding *f)
{
	f->fatal = false;
	l->report(l->context, f);
}

/* ---- what is there */

static void add_name(void *argument, const char *name)
{
	struct load *l = argument;
	uint64_t seq;
	if (segment_seq(name, &seq))
		buf_add(&l->numbers, &seq, sizeof seq);
	else if (!disk_is_tmp(name))
		buf_add(&l->unknown, name, strlen(name) + 1);
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static bool list_journal(struct load *l)
{
	struct load_finding f;
	if (l->journal->fd < 0) /* --check of a directory that no daemon has opened yet */
		return true;
	if (!disk_list(l->disk, l->journal, add_name, l)) {
		finding_set(&f, "journal", "cannot be listed: %s", strerror(errno));
		return refuse(l, &f);
	}
	if (l->numbers.len > 0)
		qsort(l->numbers.at, number_count(l), sizeof(uint64_t), compare_numbers);
	for (size_t at = 0; at < l->unknown.len; at += strlen(l->unknown.at + at) + 1) {
		char file[96];
		snprintf(file, sizeof file, "journal/%.80s", l->unknown.at + at);
		finding_set(&f, file, "is no file of persistd's; it is ignored");
		note(l, &f);
	}
	return true;
}

static bool is_there(const struct load *l, uint64_t seq)
{
	return l->numbers.len > 0 && bsearch(&seq, l->numbers.at, number_count(l), sizeof seq, compare_numbers);
}

/* ---- snapshots */

static void catch_refusal(void *context, const struct load_finding *f)
{
	refuse(context, f);
}

static bool read_snapshots(struct load *l)
{
	for (int t = 0; t < TABLE_COUNT; t++) {
		struct snapshot_read *r = &l->snapshots[t];
		*r = (struct snapshot_read){.disk = l->disk,
		                            .state = l->state,
		                            .table = (enum table_id)t,
		                            .all = l->all,
		                            .sink = l->sink,
		                            .report = catch_refusal,
		                            .context = l};
		if (!snapshot_read(r)) {
			l->refused = true;
			if (!l->all)
				return false;
		}
	}
	return !l->refused;
}

static bool check_stores(struct load *l)
{
	int first = -1;
	for (int t = 0; t < TABLE_COUNT; t++) {
		const struct snapshot_read *r = &l->snapshots[t];
		char file[32];
		if (!r->store[0])
			continue;
		if (first < 0) {
			first = t;
			memcpy(l->result->store, r->store, sizeof r->store);
		} else if (strcmp(r->store, l->result->store) != 0) {
			struct load_finding f;
			snapshot_file_name((enum table_id)t, file);
			finding_set(&f, file,
			            "belongs to store %s, but %s.json to store %s: one of them comes from another "
			            "directory. Restore all files from one backup",
			            r->store, spec_table_name((enum table_id)first), l->result->store);
			refuse(l, &f);
		}
	}
	return !l->refused;
}

/* A first start makes the snapshots one after the other, in the tables' order, each durable before the next:
 * where a later one of ours is there, this one has been there too. */
static bool was_there(const struct load *l, int table)
{
	for (int t = table + 1; t < TABLE_COUNT; t++)
		if (l->snapshots[t].headed)
			return true;
	return false;
}

/* Missing is fine only where nothing was ever committed. */
static bool check_missing(struct load *l)
{
	bool fresh = l->numbers.len == 0;
	for (int t = 0; t < TABLE_COUNT; t++)
		fresh &= l->snapshots[t].revision == 0;
	for (int t = 0; t < TABLE_COUNT; t++) {
		struct load_finding f;
		char file[32];
		if (!l->snapshots[t].missing || (fresh && !was_there(l, t)))
			continue;
		snapshot_file_name((enum table_id)t, file);
		finding_set(&f, file, "is missing, but %s: restore it, or the whole directory, from a backup",
		            l->numbers.len > 0 ? "the journal holds commits on top of it"
		            : fresh            ? "files that are made after it are there"
		                               : "the other files hold commits");
		refuse(l, &f);
		if (!l->all)
			break;
	}
	return !l->refused;
}

/* ---- the chain */

static const char *segment_file(uint64_t seq, char file[96])
{
	char name[SEGMENT_NAME_LEN + 1];
	segment_name(seq, name);
	snprintf(file, 96, "journal/%s", name);
	return file;
}

/* Reads and verifies the whole of a segment into l->segment. */
static bool read_segment(struct load *l, uint64_t seq)
{
	struct load_finding f;
	return segment_read(&l->segment, l->disk, l->journal, seq, l->result->store, &f) || refuse(l, &f);
}

/* The head of a segment, unverified where it is of our own form: the replay verifies all of it. */
static bool read_head(struct load *l, uint64_t seq, struct load_segment *s)
{
	*s = (struct load_segment){0};
	if (segment_read_head(l->disk, l->journal, seq, &s->head, &s->bytes) &&
	    (!l->result->store[0] || strcmp(s->head.store, l->result->store) == 0))
		return true;
	if (!read_segment(l, seq))
		return false;
	s->head = l->segment.head;
	s->bytes = l->segment.text.len;
	return true;
}

/* The table that needs what is below the segment; -1: none does. */
static int who_needs_below(const struct load *l, const struct segment_head *head)
{
	for (int t = 0; t < TABLE_COUNT; t++)
		if (head->changed[t] > l->snapshots[t].revision)
			return t;
	return -1;
}

static uint64_t next_lower(const struct load *l, uint64_t seq)
{
	uint64_t found = 0;
	for (size_t i = 0; i < number_count(l) && number_at(l, i) < seq; i++)
		found = number_at(l, i);
	return found;
}

/* A file of a person's own in the place of one that the others build on:
 * it has to say that it is meant so. */
static void add_own_file_hint(struct load_finding *f, int t, uint64_t revision)
{
	const char *table = spec_table_name((enum table_id)t);
	finding_add(f,
	            "; to put a %s.json of your own there all the same, stop the daemon cleanly and give it the "
	            "member \"revision\":%llu beside \"%s\"",
	            table, llu(revision), table);
}

static bool refuse_old_snapshot(struct load *l, int t, uint64_t needed, const char *who)
{
	struct load_finding f;
	char file[32];
	const struct snapshot_read *r = &l->snapshots[t];
	snapshot_file_name((enum table_id)t, file);
	finding_set(&f, file,
	            "%s, but %s changes to %s up to revision %llu which are in no file any more: it was replaced "
	            "by an older file. Restore all files of the directory from one backup",
	            r->headed ? "is too old" : "has no revision", who, spec_table_name((enum table_id)t),
	            llu(needed));
	if (r->headed)
		finding_add(&f, " (it is at revision %llu)", llu(r->revision));
	else
		add_own_file_hint(&f, t, needed);
	return refuse(l, &f);
}

/* `above` follows a segment that is not there, or not the one that it was. A damaged file is the better
 * explanation, so both are verified first. */
static bool refuse_gap(struct load *l, const struct segment_head *above, const struct segment_head *below,
                       int t)
{
	struct load_finding f;
	char file[96], above_name[96], lower_name[96];
	if (!read_segment(l, above->seq) || (below && !read_segment(l, below->seq)))
		return false;
	segment_file(above->seq, above_name);
	if (below) {
		finding_set(&f, above_name,
		            "begins at revision %llu, but %s, which it follows, ends at %llu: one of the two files "
		            "is another one than it was. Restore the whole directory from one backup",
		            llu(above->first), segment_file(below->seq, file), llu(below->last));
		return refuse(l, &f);
	}
	if (above->prev == 0)
		return refuse_old_snapshot(l, t, above->changed[t], "the journal builds on");
	uint64_t lower = next_lower(l, above->prev);
	finding_set(&f, segment_file(above->prev, file), "segment %llu is missing: %s follows it, ",
	            llu(above->prev), above_name);
	if (lower > 0)
		finding_add(&f, "the next one below is %s", segment_file(lower, lower_name));
	else
		finding_add(&f, "there is none below");
	finding_add(&f,
	            ". %s.json (revision %llu) needs the changes up to revision %llu. Put the missing file back, "
	            "or restore the whole directory from one backup",
	            spec_table_name((enum table_id)t), llu(l->snapshots[t].revision), llu(above->changed[t]));
	if (!l->snapshots[t].headed)
		add_own_file_hint(&f, t, above->changed[t]);
	return refuse(l, &f);
}

static void reverse(struct load_segment *s, size_t count)
{
	for (size_t i = 0; i < count / 2; i++) {
		struct load_segment kept = s[i];
		s[i] = s[count - 1 - i];
		s[count - 1 - i] = kept;
	}
}

/* From the highest segment down as far as a table needs it, and on as far as there is a chain. */
static bool walk(struct load *l)
{
	struct load_result *r = l->result;
	struct load_segment below;
	if (number_count(l) == 0)
		return true;
	r->segments = mem_alloc(number_count(l) * sizeof *r->segments);
	if (!read_head(l, number_at(l, number_count(l) - 1), &r->segments[0]))
		return false;
	for (r->segment_count = 1;;) {
		const struct segment_head *above = &r->segments[r->segment_count - 1].head;
		int needs = who_needs_below(l, above);
		bool there = is_there(l, above->prev);
		if (there && !read_head(l, above->prev, &below))
			return false;
		bool follows = there && below.head.last + 1 == above->first;
		if (!follows && needs >= 0)
			return refuse_gap(l, above, there ? &below.head : NULL, needs);
		if (!follows)
			break;
		r->segments[r->segment_count++] = below;
	}
	reverse(r->segments, r->segment_count);
	return true;
}

static uint64_t top_of(const struct load *l)
{
	const struct load_result *r = l->result;
	return r->segment_count > 0 ? r->segments[r->segment_count - 1].head.last : 0;
}

/* So far only the beginnings of segments have been read: a damaged one is the better explanation. */
static bool refuse_snapshot_behind(struct load *l, const struct load_segment *s, int t, uint64_t needed, const char *who)
{
	if (s && !read_segment(l, s->head.seq))
		return false;
	return refuse_old_snapshot(l, t, needed, who);
}

/* No snapshot may know of a change to a table which neither the table's own snapshot nor the chain has. */
static bool check_top(struct load *l)
{
	uint64_t top = top_of(l);
	const struct load_result *r = l->result;
	const struct load_segment *highest = r->segment_count > 0 ? &r->segments[r->segment_count - 1] : NULL;
	for (int t = 0; t < TABLE_COUNT; t++) {
		const struct snapshot_read *own = &l->snapshots[t];
		for (int u = 0; u < TABLE_COUNT; u++) {
			char who[64];
			uint64_t needed = l->snapshots[u].changed[t];
			if (needed <= own->revision || needed <= top)
				continue;
			snprintf(who, sizeof who, "%s.json knows of", spec_table_name((enum table_id)u));
			return refuse_snapshot_behind(l, highest, t, needed, who);
		}
	}
	return true;
}

/* A merge may have left out what a table's snapshot had. */
static bool check_without(struct load *l)
{
	for (size_t i = 0; i < l->result->segment_count; i++)
		for (int t = 0; t < TABLE_COUNT; t++) {
			const struct load_segment *s = &l->result->segments[i];
			const struct segment_head *head = &s->head;
			char who[128], file[96];
			if (head->without[t] <= l->snapshots[t].revision)
				continue;
			snprintf(who, sizeof who, "%s leaves out", segment_file(head->seq, file));
			return refuse_snapshot_behind(l, s, t, head->without[t], who);
		}
	return true;
}

static void find_strays(struct load *l)
{
	struct load_result *r = l->result;
	size_t next = 0;
	r->strays = mem_alloc((number_count(l) + 1) * sizeof *r->strays);
	for (size_t i = 0; i < number_count(l); i++) {
		uint64_t seq = number_at(l, i);
		if (next < r->segment_count && r->segments[next].head.seq == seq) {
			next++;
			continue;
		}
		r->strays[r->stray_count++] = seq;
		if (next < r->segment_count && seq > r->segments[next].head.prev)
			r->segments[next].has_strays = true;
	}
}

/* ---- the replay */

static int compare_deleted(const void *a, const void *b)
{
	const struct deleted *x = a, *y = b;
	return strcmp(x->id, y->id);
}

static struct deleted *deleted_new(struct span id)
{
	struct deleted *d = mem_zero(sizeof *d + id.len + 1);
	memcpy(d->id, id.at, id.len);
	return d;
}

static void forget_deleted(struct load *l, struct span id)
{
	struct deleted *key = deleted_new(id);
	struct deleted **found = tfind(key, &l->deleted, compare_deleted);
	if (found) {
		struct deleted *gone = *found;
		tdelete(gone, &l->deleted, compare_deleted);
		free(gone);
		l->deleted_count--;
	}
	free(key);
}

static void remember_deleted(struct load *l, struct span id)
{
	struct deleted *key = deleted_new(id);
	struct deleted **found = tsearch(key, &l->deleted, compare_deleted);
	if (!found)
		mem_gone();
	if (*found != key)
		free(key);
	else
		l->deleted_count++;
	(*found)->applied |= l->applies;
}

static bool record_has_id(struct span text, struct buf *scratch, struct span *id)
{
	struct span value;
	scratch->len = 0;
	return scan_member(text, "id", &value) && scan_string(value, scratch, id);
}

static bool put(void *context, enum table_id t, struct span text, bool trusted, struct fault *fault,
                size_t *at)
{
	struct load *l = context;
	if (t == TABLE_ARTIFACTS && l->deleted_count > 0) {
		__attribute__((cleanup(buf_free))) struct buf scratch = {0};
		struct span id;
		if (record_has_id(text, &scratch, &id))
			forget_deleted(l, id);
	}
	if (t == TABLE_ARTIFACTS && !l->applies)
		return true;
	return l->sink->put(l->sink->context, t, text, trusted, fault, at);
}

static bool drop(void *context, enum table_id t, struct span id, struct fault *fault)
{
	struct load *l = context;
	if (t == TABLE_ARTIFACTS)
		remember_deleted(l, id);
	if (t == TABLE_ARTIFACTS && !l->applies)
		return true;
	return l->sink->remove(l->sink->context, t, id, fault);
}

/* Does a snapshot that states `changed` know more than the segment does? */
static bool is_known_above(const struct load *l, const struct segment_head *head)
{
	for (int t = 0; t < TABLE_COUNT; t++)
		if (l->snapshots[t].has_changed && l->snapshots[t].revision >= head->last)
			return true;
	return false;
}

/* `changed` of each table behind this segment: what it states of those below it (or, where a person's file
 * states none, what those below it did), and what it changes itself. That is at its `last` at the latest; of
 * a merged one, which an unlink that a power cut undid can have made the highest, it may be earlier, and a
 * snapshot as new as that says so. */
static void follow_changed(struct load *l, const struct segment_head *head, bool top)
{
	for (int t = 0; t < TABLE_COUNT; t++) {
		if (l->segment.has_changed)
			l->chain_changed[t] = head->changed[t];
		if (head->tables >> t & 1 && !(top && is_known_above(l, head)))
			l->chain_changed[t] = head->last;
	}
}

static bool replay_segment(struct load *l, struct load_segment *s)
{
	struct load_finding f;
	struct load_sink mine = {.context = l, .put = put, .remove = drop};
	uint8_t tables = 1u << TABLE_ARTIFACTS; /* its deletions are always looked at */
	if (!read_segment(l, s->head.seq))
		return false;
	s->head = l->segment.head;
	s->bytes = l->segment.text.len;
	if (!l->result->store[0])
		memcpy(l->result->store, s->head.store, sizeof s->head.store);
	for (int t = 0; t < TABLE_COUNT; t++)
		if (s->head.last > l->snapshots[t].revision)
			tables |= (uint8_t)(1u << t);
	if (s == l->result->segments)
		l->lowest_states = l->segment.has_changed;
	l->applies = s->head.last > l->snapshots[TABLE_ARTIFACTS].revision;
	follow_changed(l, &s->head, s == l->result->segments + l->result->segment_count - 1);
	return segment_replay(&l->segment, tables, &mine, &f) || refuse(l, &f);
}

static bool replay(struct load *l)
{
	struct load_result *r = l->result;
	for (size_t i = 0; i < r->segment_count; i++)
		if (!replay_segment(l, &r->segments[i]) && !l->all)
			return false;
	return !l->refused;
}

/* ---- payloads to unlink again */

static bool spare_record(void *context, enum table_id t, struct span text, bool trusted, struct fault *fault,
                         size_t *at)
{
	struct load *l = context;
	__attribute__((cleanup(buf_free))) struct buf scratch = {0};
	struct span id;
	(void)t, (void)trusted, (void)fault, (void)at;
	if (l->deleted_count == 0 || !record_has_id(text, &scratch, &id))
		return true;
	struct deleted *key = deleted_new(id), **found = tfind(key, &l->deleted, compare_deleted);
	if (found && !(*found)->applied)
		forget_deleted(l, id);
	free(key);
	return true;
}

static void ignore_finding(void *context, const struct load_finding *f)
{
	(void)context, (void)f;
}

static void add_unlink(const void *node, VISIT visit, void *context)
{
	const struct deleted *const *d = node;
	struct load *l = context;
	if (visit == postorder || visit == leaf)
		buf_add(&l->result->unlink, (*d)->id, strlen((*d)->id) + 1);
}

static void any_unproven(const void *node, VISIT visit, void *context)
{
	const struct deleted *const *d = node;
	if (visit == postorder || visit == leaf)
		*(bool *)context |= !(*d)->applied;
}

/* A covered segment's deletion may be older than a record of the same id in the snapshot (an import brought
 * it back): the snapshot is read once more for these. */
static void find_unlinks(struct load *l)
{
	bool unproven = false;
	twalk_r(l->deleted, any_unproven, &unproven);
	if (unproven) {
		struct load_sink spare = {.context = l, .record = spare_record};
		struct snapshot_read again = {.disk = l->disk,
		                              .state = l->state,
		                              .table = TABLE_ARTIFACTS,
		                              .sink = &spare,
		                              .report = ignore_finding};
		snapshot_read(&again);
		buf_free(&again.extra);
	}
	twalk_r(l->deleted, add_unlink, l);
}

/* ---- the result */

/* The process before removed segments only behind durable snapshots: whatever the page cache shows now, the
 * disk has at least what the lowest segment needs. */
static uint64_t settled_at_load(const struct load *l, int t)
{
	const struct load_result *r = l->result;
	if (r->headerless[t] || (r->segment_count > 0 && !l->lowest_states))
		return 0;
	return r->segment_count > 0 ? r->segments[0].head.changed[t] : l->snapshots[t].revision;
}

static void fill_result(struct load *l)
{
	struct load_result *r = l->result;
	r->revision = top_of(l);
	r->seq = number_count(l) > 0 ? number_at(l, number_count(l) - 1) : 0;
	for (int t = 0; t < TABLE_COUNT; t++) {
		struct snapshot_read *s = &l->snapshots[t];
		r->snapshot_revision[t] = s->revision;
		r->missing[t] = s->missing;
		r->unproven[t] = s->missing || (s->own && s->rows == 0 && s->revision == 0);
		r->headerless[t] = !s->missing && !s->own;
		r->extra[t] = s->extra;
		s->extra = (struct buf){0};
		r->changed[t] = l->changed[t] > l->chain_changed[t] ? l->changed[t] : l->chain_changed[t];
		r->settled[t] = settled_at_load(l, t);
		if (s->revision > r->revision)
			r->revision = s->revision;
		if (s->seq > r->seq)
			r->seq = s->seq;
	}
}

/* A snapshot that states none speaks for its own table:
 * it may have changed as late as the snapshot's own revision. */
static void start_changed(struct load *l)
{
	for (int t = 0; t < TABLE_COUNT; t++) {
		const struct snapshot_read *own = &l->snapshots[t];
		if (!own->has_changed)
			l->changed[t] = own->revision;
		for (int u = 0; u < TABLE_COUNT; u++)
			if (l->snapshots[u].changed[t] > l->changed[t])
				l->changed[t] = l->snapshots[u].changed[t];
	}
}

/* --check of a directory whose snapshots are refused: no chain can be judged, but each segment by itself. */
static void verify_each(struct load *l)
{
	for (size_t i = 0; i < number_count(l); i++)
		read_segment(l, number_at(l, i));
}

/* What a load passes by: damage to it harms nothing, but says something about the disk. */
static void note_strays(struct load *l)
{
	for (size_t i = 0; i < l->result->stray_count; i++) {
		struct load_finding f;
		char file[96];
		if (segment_read(&l->segment, l->disk, l->journal, l->result->strays[i], l->result->store, &f))
			finding_set(&f, segment_file(l->result->strays[i], file),
			            "is a stray that a merge or a fold has replaced; the next start removes it");
		note(l, &f);
	}
}

static bool load_all(struct load *l)
{
	if (!list_journal(l))
		return false;
	if (!read_snapshots(l) || !check_stores(l) || !check_missing(l)) {
		if (l->all)
			verify_each(l);
		return false;
	}
	start_changed(l);
	if (!walk(l) || !check_top(l) || !check_without(l))
		return false;
	find_strays(l);
	if (!replay(l))
		return false;
	find_unlinks(l);
	if (l->all)
		note_strays(l);
	fill_result(l);
	return true;
}

bool load_read(struct disk *d, const struct disk_dir *state, const struct disk_dir *journal, bool all,
               const struct load_sink *sink,
               void (*report)(void *context, const struct load_finding *finding), void *context,
               struct load_result *result)
{
	struct load l = {.disk = d,
	                 .state = state,
	                 .journal = journal,
	                 .all = all,
	                 .sink = sink,
	                 .report = report,
	                 .context = context,
	                 .result = result};
	*result = (struct load_result){0};
	bool ok = load_all(&l);
	for (int t = 0; t < TABLE_COUNT; t++)
		buf_free(&l.snapshots[t].extra);
	buf_free(&l.numbers);
	buf_free(&l.unknown);
	segment_read_free(&l.segment);
	tdestroy(l.deleted, free);
	if (!ok)
		load_result_free(result);
	return ok;
}

void load_result_free(struct load_result *r)
{
	for (int t = 0; t < TABLE_COUNT; t++)
		buf_free(&r->extra[t]);
	buf_free(&r->unlink);
	free(r->segments);
	free(r->strays);
	*r = (struct load_result){0};
}
