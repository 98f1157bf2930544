#include "daemon/salvage.h"
#include "daemon/check.h"
#include "daemon/finding.h"
#include "daemon/gap.h"
#include "daemon/loss.h"
#include "daemon/mend.h"
#include "daemon/pieces.h"
#include "daemon/record.h"
#include "daemon/remake.h"
#include "daemon/segment_read.h"
#include "daemon/snapshot_read.h"
#include "proto/mem.h"
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

/* What nothing proves may state any revision; no store has come this far. */
#define REVISION_LIKELY ((uint64_t)1 << 53)

/* A file of the source, and what is known of it. The first TABLE_COUNT are the snapshots, then come the segments, the
 * lowest first. */
struct source {
	char file[SEGMENT_NAME_LEN + 16]; /* relative to the state directory */
	bool sound;           /* a start would take it, for itself */
	bool missing;
	bool known;           /* its header can be read, if only unverified */
	bool is_segment;      /* of a known one: by its header, whatever its name is */
	char store[STORE_ID_LEN + 1];
	uint64_t revision;    /* a snapshot's */
	uint64_t changed[TABLE_COUNT];
	uint64_t count;       /* a damaged snapshot's, UINT64_MAX: it does not say */
	struct segment_head head; /* a segment's */
	uint64_t seq;
	uint64_t rows;        /* that were found in a damaged one, whole or not */
	size_t finding;       /* number of the loss that says why it is not sound, + 1 */
	bool hole;            /* a damaged segment: it held changes of which nothing can be told, not even the id */
};

struct salvage {
	FILE *out;
	struct disk *disk;
	struct state_dir dirs;
	struct remake remake;
	struct newest newest;
	struct buf sources;          /* struct source */
	struct loss_list losses;
	struct buf numbers;          /* uint64_t: of the segments */
	struct buf names;            /* in artifacts/ */
	struct buf copied;           /* of these: to be copied */
	struct buf extra[TABLE_COUNT];
	struct buf scratch, canonical;
	char store[STORE_ID_LEN + 1];
	uint64_t revision, seq;
	int64_t now;
	/* of the file that is being read */
	uint32_t at;
	bool certain, ours;
	uint64_t highest;            /* revision that it can hold */
	uint64_t mend_work;
	uint64_t taken, broken;      /* records */
	struct span text;
	uint64_t line, line_at;      /* of the last place that was told */
};

static struct source *source_at(const struct salvage *s, size_t i)
{
	return &((struct source *)(void *)s->sources.at)[i];
}

static size_t source_count(const struct salvage *s)
{
	return s->sources.len / sizeof(struct source);
}

static struct source *add_source(struct salvage *s, const char *file)
{
	struct source one = {.count = UINT64_MAX};
	snprintf(one.file, sizeof one.file, "%s", file);
	buf_add(&s->sources, &one, sizeof one);
	return source_at(s, source_count(s) - 1);
}

static void see_revision(struct salvage *s, uint64_t revision)
{
	if (revision > s->revision)
		s->revision = revision;
}

/* ---- findings */

static void lose_finding(void *context, const struct load_finding *f)
{
	struct salvage *s = context;
	struct loss *l = loss_add(&s->losses, f->fatal ? LOSS_FILE : LOSS_NOTE, f->file, "%s", f->message);
	l->line = f->line;
	l->byte = f->byte;
}

static void ignore_finding(void *context, const struct load_finding *f)
{
	(void)context, (void)f;
}

/* ---- records of a file that a start takes */

static bool is_record(enum table_id t, struct span text, struct fault *fault, size_t *at, uint64_t *revision,
                      struct span *id)
{
	struct record_keys keys;
	struct record *r = record_new(t, text, &keys);
	*at = 0;
	if (!r) {
		fault_set(fault, FAULT_INVALID_PARAMS, "is no record of this table");
		return false;
	}
	*revision = r->revision;
	*id = (struct span){text.at + RECORD_ID_AT, r->id_len};
	record_unref(r);
	return true;
}

static bool put(struct salvage *s, enum table_id t, struct span text, bool trusted, struct fault *fault, size_t *at)
{
	struct span id, stated, canonical = text;
	uint64_t revision;
	bool numbered = true;
	if (!trusted) {
		s->canonical.len = 0;
		numbered = scan_member(text, "revision", &stated);
		if (!record_read(&s->canonical, t, text, 1, false, s->now, fault, at))
			return false;
		canonical = buf_as_span(&s->canonical);
	}
	if (!is_record(t, canonical, fault, at, &revision, &id))
		return false;
	if (numbered)
		see_revision(s, revision);
	newest_see(&s->newest, t, id, numbered ? canonical : text, numbered ? revision : 0, s->certain, s->at);
	return true;
}

static bool sink_put(void *context, enum table_id t, struct span text, bool trusted, struct fault *fault, size_t *at)
{
	return put(context, t, text, trusted, fault, at);
}

/* A load's replay: what comes later counts, whatever the revision. */
static bool sink_replace(void *context, enum table_id t, struct span text, bool trusted, struct fault *fault, size_t *at)
{
	struct salvage *s = context;
	struct span value, id;
	s->scratch.len = 0;
	if (scan_member(text, "id", &value) && scan_string(value, &s->scratch, &id)) {
		struct newest_version *v = newest_find(&s->newest, t, id);
		if (v) {
			newest_drop(v);
			v->revision = 0;
		}
	}
	return put(s, t, text, trusted, fault, at);
}

/* An id that stands twice in a snapshot is refused. */
static bool sink_record(void *context, enum table_id t, struct span text, bool trusted, struct fault *fault, size_t *at)
{
	struct salvage *s = context;
	struct span value, id;
	s->scratch.len = 0;
	if (scan_member(text, "id", &value) && scan_string(value, &s->scratch, &id) && newest_find(&s->newest, t, id)) {
		*at = 0;
		fault_set(fault, FAULT_INVALID_PARAMS, "the id %.*s stands twice in this file", (int)id.len, id.at);
		return false;
	}
	return put(s, t, text, trusted, fault, at);
}

static bool sink_remove(void *context, enum table_id t, struct span id, struct fault *fault)
{
	struct salvage *s = context;
	struct newest_version *v = newest_find(&s->newest, t, id);
	(void)fault;
	if (v) {
		newest_drop(v);
		v->revision = 0;
	}
	return true;
}

/* All as a start would load it. */
static bool load_whole(struct salvage *s)
{
	struct load_result loaded;
	struct load_sink sink = {.context = s, .record = sink_record, .put = sink_replace, .remove = sink_remove};
	s->certain = true;
	if (!load_read(s->disk, &s->dirs.state, &s->dirs.journal, false, &sink, ignore_finding, s, &loaded))
		return false;
	see_revision(s, loaded.revision);
	s->seq = loaded.seq;
	for (int t = 0; t < TABLE_COUNT; t++) {
		s->extra[t] = loaded.extra[t];
		loaded.extra[t] = (struct buf){0};
	}
	/* whose payload is not wanted any more */
	for (size_t at = 0; at < loaded.unlink.len; at += strlen(loaded.unlink.at + at) + 1)
		newest_see(&s->newest, TABLE_ARTIFACTS, span_of(loaded.unlink.at + at), (struct span){0}, 1, true, 0);
	load_result_free(&loaded);
	return true;
}

/* ---- judging each file by itself */

static bool judge_record(void *context, enum table_id t, struct span text, bool trusted, struct fault *fault, size_t *at)
{
	struct salvage *s = context;
	struct span id;
	uint64_t revision;
	if (!trusted) {
		s->canonical.len = 0;
		if (!record_read(&s->canonical, t, text, 1, false, s->now, fault, at))
			return false;
		text = buf_as_span(&s->canonical);
	}
	return is_record(t, text, fault, at, &revision, &id);
}

static bool judge_remove(void *context, enum table_id t, struct span id, struct fault *fault)
{
	(void)context, (void)t, (void)id, (void)fault;
	return true;
}

static bool read_snapshot(struct salvage *s, enum table_id t, const struct load_sink *sink,
                          void (*report)(void *context, const struct load_finding *f), struct snapshot_read *r)
{
	*r = (struct snapshot_read){.disk = s->disk, .state = &s->dirs.state, .table = t, .sink = sink, .report = report,
	                            .context = s};
	return snapshot_read(r);
}

static void judge_snapshot(struct salvage *s, enum table_id t)
{
	struct load_sink sink = {.context = s, .record = judge_record};
	struct snapshot_read r;
	char name[32];
	snapshot_file_name(t, name);
	struct source *f = add_source(s, name);
	size_t before = loss_count(&s->losses);
	f->sound = read_snapshot(s, t, &sink, lose_finding, &r);
	f->finding = loss_count(&s->losses) > before ? before + 1 : 0;
	f->missing = r.missing;
	f->sound &= !r.missing;
	if (f->sound) {
		f->known = r.headed;
		f->revision = r.revision;
		f->seq = r.seq;
		memcpy(f->store, r.store, sizeof f->store);
		memcpy(f->changed, r.changed, sizeof f->changed);
		buf_span(&s->extra[t], buf_as_span(&r.extra));
	}
	buf_free(&r.extra);
}

static void judge_segment(struct salvage *s, uint64_t seq)
{
	struct load_sink sink = {.context = s, .put = judge_record, .remove = judge_remove};
	struct segment_read r = {0};
	struct load_finding finding;
	char name[SEGMENT_NAME_LEN + 1], file[SEGMENT_NAME_LEN + 16];
	segment_name(seq, name);
	snprintf(file, sizeof file, "journal/%s", name);
	struct source *f = add_source(s, file);
	f->seq = seq;
	f->sound = segment_read(&r, s->disk, &s->dirs.journal, seq, NULL, &finding) &&
	           segment_replay(&r, (1u << TABLE_COUNT) - 1, &sink, &finding);
	if (f->sound) {
		f->known = f->is_segment = true;
		f->head = r.head;
		memcpy(f->store, r.head.store, sizeof f->store);
	} else {
		lose_finding(s, &finding);
		f->finding = loss_count(&s->losses);
	}
	segment_read_free(&r);
}

static void add_number(void *argument, const char *name)
{
	struct salvage *s = argument;
	uint64_t seq;
	if (segment_seq(name, &seq))
		buf_add(&s->numbers, &seq, sizeof seq);
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void judge_segments(struct salvage *s)
{
	if (s->dirs.journal.fd < 0)
		return;
	if (!disk_list(s->disk, &s->dirs.journal, add_number, s)) {
		loss_add(&s->losses, LOSS_FILE, "journal", "cannot be listed: %s", strerror(errno));
		return;
	}
	size_t count = s->numbers.len / sizeof(uint64_t);
	uint64_t *numbers = (uint64_t *)(void *)s->numbers.at;
	if (count > 0)
		qsort(numbers, count, sizeof *numbers, compare_numbers);
	for (size_t i = 0; i < count; i++)
		judge_segment(s, numbers[i]);
	if (count > 0 && numbers[count - 1] > s->seq)
		s->seq = numbers[count - 1];
}

/* The store that most of the sound files are of; of as many the one that is stated first. */
static void choose_store(struct salvage *s)
{
	size_t best = 0;
	for (size_t i = 0; i < source_count(s); i++) {
		size_t same = 0;
		for (size_t j = 0; j < source_count(s); j++)
			same += strcmp(source_at(s, j)->store, source_at(s, i)->store) == 0;
		if (!source_at(s, i)->store[0] || same <= best)
			continue;
		best = same;
		memcpy(s->store, source_at(s, i)->store, sizeof s->store);
	}
}

/* ---- sound files */

static bool is_strangers(struct salvage *s, const struct source *f)
{
	if (!f->store[0] || !s->store[0] || strcmp(f->store, s->store) == 0)
		return false;
	loss_add(&s->losses, LOSS_FILE, f->file,
	         "belongs to another store (%s, not %s), and is left out: salvage that one by itself", f->store, s->store);
	return true;
}

static void take_snapshot(struct salvage *s, enum table_id t)
{
	struct load_sink sink = {.context = s, .record = sink_put};
	struct snapshot_read r;
	s->at = t;
	s->certain = true;
	read_snapshot(s, t, &sink, ignore_finding, &r);
	buf_free(&r.extra);
	see_revision(s, r.revision);
	if (r.seq > s->seq)
		s->seq = r.seq;
}

struct deleting {
	struct salvage *salvage;
	uint64_t last;
};

static bool take_put(void *context, enum table_id t, struct span text, bool trusted, struct fault *fault, size_t *at)
{
	const struct deleting *d = context;
	return put(d->salvage, t, text, trusted, fault, at);
}

static bool take_remove(void *context, enum table_id t, struct span id, struct fault *fault)
{
	const struct deleting *d = context;
	(void)fault;
	newest_see(&d->salvage->newest, t, id, (struct span){0}, d->last, true, d->salvage->at);
	return true;
}

/* A sound snapshot holds what is below its revision, deletions too: as for a load, only later segments count. */
static uint8_t tables_above(const struct salvage *s, uint64_t last)
{
	uint8_t tables = 0;
	for (int t = 0; t < TABLE_COUNT; t++) {
		const struct source *f = source_at(s, (size_t)t);
		if (!f->sound || last > f->revision)
			tables |= (uint8_t)(1u << t);
	}
	return tables;
}

static void take_segment(struct salvage *s, uint32_t i)
{
	struct deleting d = {s, source_at(s, i)->head.last};
	struct load_sink sink = {.context = &d, .put = take_put, .remove = take_remove};
	struct segment_read r = {0};
	struct load_finding finding;
	s->at = i;
	s->certain = true;
	if (segment_read(&r, s->disk, &s->dirs.journal, source_at(s, i)->seq, NULL, &finding))
		segment_replay(&r, tables_above(s, d.last), &sink, &finding);
	segment_read_free(&r);
	see_revision(s, d.last);
}

/* ---- damaged files */

static uint64_t line_of(struct salvage *s, uint64_t at)
{
	if (at < s->line_at) {
		s->line = 1;
		s->line_at = 0;
	}
	for (; s->line_at < at; s->line_at++)
		s->line += s->text.at[s->line_at] == '\n';
	return s->line;
}

__attribute__((format(printf, 4, 5))) static struct loss *lose_record(struct salvage *s, struct span id, uint64_t at,
                                                              const char *format, ...)
{
	char why[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(why, sizeof why, format, arguments);
	va_end(arguments);
	struct loss *l = loss_add(&s->losses, LOSS_RECORD, source_at(s, s->at)->file, "%s", why);
	s->broken++;
	if (source_at(s, s->at)->known)
		l->last = source_at(s, s->at)->is_segment ? source_at(s, s->at)->head.last : source_at(s, s->at)->revision;
	l->line = line_of(s, at);
	l->byte = at;
	bool snapshot = s->at < TABLE_COUNT && !source_at(s, s->at)->is_segment && source_at(s, s->at)->known;
	l->table = snapshot ? (enum table_id)s->at : TABLE_COUNT;
	l->id = id.at ? mem_zero(id.len + 1) : NULL;
	if (l->id)
		memcpy(l->id, id.at, id.len);
	source_at(s, s->at)->hole |= !l->id;
	return l;
}

/* All known fields in their order, as only that table's records have them. */
static bool is_as_written(struct salvage *s, enum table_id t, struct span text)
{
	struct fault fault;
	size_t at;
	s->canonical.len = 0;
	return record_read(&s->canonical, t, text, 1, false, s->now, &fault, &at) &&
	       span_is(buf_as_span(&s->canonical), text);
}

/* By what it is, not by where it stands: the file may have another's name. */
static int table_of(struct salvage *s, struct span text)
{
	for (int t = 0; t < TABLE_COUNT; t++)
		if (is_as_written(s, (enum table_id)t, text))
			return t;
	return -1;
}

/* The highest revision that the damaged file can hold. Its own header may be damaged; sound files know better, the
 * next segment above all. Too low a revision does no harm: then another version wins. */
static uint64_t highest_in(const struct salvage *s, size_t i)
{
	const struct source *f = source_at(s, i);
	uint64_t highest = f->known ? f->revision : 0;
	if (i >= TABLE_COUNT) {
		for (size_t above = i + 1; above < source_count(s); above++)
			if (source_at(s, above)->sound)
				return source_at(s, above)->head.first - 1;
		return REVISION_LIKELY;
	}
	for (size_t j = 0; j < source_count(s); j++) {
		const struct source *other = source_at(s, j);
		uint64_t has = j < TABLE_COUNT ? other->revision : other->head.last;
		if (other->sound && has > highest)
			highest = has;
	}
	return highest > 0 && highest < REVISION_LIKELY ? highest : REVISION_LIKELY;
}

static void take_as_written(struct salvage *s, struct span text, size_t at)
{
	struct source *f = source_at(s, s->at);
	struct fault fault;
	struct span id;
	uint64_t revision;
	size_t where;
	int t = table_of(s, text);
	if (t < 0) {
		lose_record(s, pieces_id(text), at, "is no record as persistd writes it");
		return;
	}
	if (!is_record((enum table_id)t, text, &fault, &where, &revision, &id))
		return;
	if (revision > s->highest) {
		lose_record(s, id, at, "states revision %llu, which is above all that this file can hold",
		            (unsigned long long)revision);
		return;
	}
	if (!(tables_above(s, f->known && f->is_segment ? f->head.last : UINT64_MAX) >> t & 1))
		return;
	struct newest_version *v = newest_find(&s->newest, (enum table_id)t, id);
	if (v && v->text.at && v->file == s->at) {
		struct loss *l = lose_record(s, id, at, "the id %.*s stands twice in this file; one of the two is damaged, and "
		                             "that of the later revision is saved", (int)id.len, id.at);
		l->kind = LOSS_RECORDS;
		l->count = 1;
	}
	s->taken++;
	v = newest_see(&s->newest, (enum table_id)t, id, text, revision, s->certain, s->at);
	if (!v->certain && s->certain && span_is(v->text, text))
		v->certain = true;
	see_revision(s, revision);
	if (!f->known && t == (int)s->at && revision > f->revision)
		f->revision = revision; /* at least */
}

/* Another program's file, of any layout. */
static void take_foreign(struct salvage *s, struct span text, size_t at)
{
	struct fault fault;
	size_t where;
	if (put(s, (enum table_id)s->at, text, false, &fault, &where))
		s->taken++;
	else
		lose_record(s, pieces_id(text), at + where, "%s", fault.message);
}

static void take_object(void *context, struct span text, size_t at)
{
	struct salvage *s = context;
	source_at(s, s->at)->rows++;
	if (s->at >= TABLE_COUNT || s->ours)
		take_as_written(s, text, at);
	else
		take_foreign(s, text, at);
}

static void take_broken(void *context, struct span text, size_t at, enum scan_result result,
                        const struct scan_report *report)
{
	struct salvage *s = context;
	struct load_finding f;
	source_at(s, s->at)->rows++;
	finding_set(&f, "", "%s", "");
	finding_add_scan(&f, text, false, result, report);
	lose_record(s, pieces_id(text), at + report->at, "%s", f.message);
}

static bool whole_number(struct span object, const char *name, uint64_t *number)
{
	struct span value;
	int64_t n;
	double real;
	if (!scan_member(object, name, &value) || scan_number(value, &n, &real) != SCAN_INT || n < 0)
		return false;
	*number = (uint64_t)n;
	return true;
}

static void read_store_and_changed(struct span head, char store[STORE_ID_LEN + 1], uint64_t changed[TABLE_COUNT])
{
	struct span value;
	if (scan_member(head, "store", &value) && value.len == STORE_ID_LEN + 2 && value.at[0] == '"')
		memcpy(store, value.at + 1, STORE_ID_LEN);
	if (scan_member(head, "changed", &value))
		for (int t = 0; t < TABLE_COUNT; t++)
			whole_number(value, spec_table_name((enum table_id)t), &changed[t]);
}

static bool read_segment_header(struct segment_head *h, struct span head)
{
	*h = (struct segment_head){0};
	read_store_and_changed(head, h->store, h->changed);
	return whole_number(head, "seq", &h->seq) && whole_number(head, "prev", &h->prev) &&
	       whole_number(head, "first", &h->first) && whole_number(head, "last", &h->last) && h->prev < h->seq &&
	       h->first >= 1 && h->last + 1 >= h->first;
}

/* What the header of a damaged file says, as far as it is JSON: it may be damaged itself, unless the checksum is
 * right. A segment may stand under a snapshot's name, and the other way round. */
static void read_header(struct salvage *s)
{
	__attribute__((cleanup(buf_free))) struct buf text = {0};
	struct source *f = source_at(s, s->at);
	struct span value;
	if (!pieces_head(s->text, &text))
		return;
	struct span head = buf_as_span(&text);
	f->is_segment = scan_member(head, "prev", &value);
	if (f->is_segment) {
		f->known = read_segment_header(&f->head, head) && (s->certain || f->head.seq == f->seq);
		memcpy(f->store, f->head.store, sizeof f->store);
		return;
	}
	read_store_and_changed(head, f->store, f->changed);
	if (!scan_member(head, s->at < TABLE_COUNT ? spec_table_name((enum table_id)s->at) : "format", &value))
		return; /* another table's, or in the place of a segment: its rows say what they are */
	whole_number(head, "count", &f->count);
	f->known = s->at < TABLE_COUNT && whole_number(head, "revision", &f->revision);
}

/* Where the disk gives bytes back no more, there are zeros. */
static uint64_t read_around(struct salvage *s, int fd, struct buf *text, uint64_t size)
{
	enum { PIECE = 4096 };
	uint64_t lost = 0;
	for (uint64_t at = 0; at < size; at += PIECE) {
		size_t want = size - at < PIECE ? (size_t)(size - at) : PIECE;
		ssize_t n = disk_read(s->disk, fd, buf_room(text, want), want, at);
		if (n < 0) {
			memset(text->at + text->len, 0, want);
			lost += want;
			n = (ssize_t)want;
		}
		text->len += (size_t)n;
		if ((size_t)n < want)
			break;
	}
	return lost;
}

static bool read_file(struct salvage *s, struct buf *text)
{
	const struct source *f = source_at(s, s->at);
	const char *slash = strchr(f->file, '/');
	const struct disk_dir *dir = slash ? &s->dirs.journal : &s->dirs.state;
	uint64_t size;
	int fd = disk_open(s->disk, dir, slash ? slash + 1 : f->file, &size);
	if (fd < 0)
		return false;
	uint64_t lost = read_around(s, fd, text, size);
	disk_close(s->disk, fd);
	if (lost > 0)
		loss_add(&s->losses, LOSS_FILE, f->file, "%llu of its bytes cannot be read", (unsigned long long)lost);
	return true;
}

static void take_deletion(struct salvage *s, enum table_id t, struct span value)
{
	const struct source *f = source_at(s, s->at);
	struct span id;
	s->scratch.len = 0;
	if (!scan_string(value, &s->scratch, &id) || id.len > IDENT_MAX || !ident_check(spec_fields(t)->ident, id))
		return;
	if (s->certain && f->known) {
		if (tables_above(s, f->head.last) >> t & 1)
			newest_see(&s->newest, t, id, (struct span){0}, f->head.last, true, s->at);
		return;
	}
	struct loss *l = lose_record(s, id, (uint64_t)(value.at - s->text.at), "a deletion in a damaged segment");
	l->kind = LOSS_DELETION;
	l->table = t;
	s->broken--; /* the place of the damage it is not */
}

/* What a damaged segment says of deletions may be damaged, too: nothing is deleted for it. */
static void take_deletions(struct salvage *s)
{
	struct span deleted, list, value;
	if (!pieces_deleted(s->text, &deleted)) {
		source_at(s, s->at)->hole |= source_at(s, s->at)->is_segment;
		return;
	}
	for (int t = 0; t < TABLE_COUNT; t++) {
		if (!scan_member(deleted, spec_table_name((enum table_id)t), &list))
			continue;
		for (struct scan_iter it = scan_elements(list); scan_next_element(&it, &value);)
			take_deletion(s, (enum table_id)t, value);
	}
}

static struct loss *finding_of(struct salvage *s, const struct source *f)
{
	return f->finding > 0 ? loss_at(&s->losses, f->finding - 1) : NULL;
}

/* Is what stands there proven all the same? */
static bool is_proven(struct salvage *s, struct buf *text)
{
	size_t at, end;
	const char *file = source_at(s, s->at)->file;
	struct loss *finding = finding_of(s, source_at(s, s->at)); /* until the next one is added */
	if (mend_byte(text->at, text->len, s->mend_work, &at)) {
		if (finding)
			finding->kind = LOSS_NOTE;
		struct loss *l = loss_add(&s->losses, LOSS_NOTE, file,
		                          "with this one byte put right its checksum matches: nothing of it is lost");
		l->line = line_of(s, at);
		l->byte = at;
		return true;
	}
	if (!mend_is_whole(buf_as_span(text), &end))
		return false;
	s->text.len = text->len = end;
	loss_add(&s->losses, LOSS_NOTE, file, "its checksum is right, and what it holds is taken as it stands");
	return true;
}

/* What a start says of the file is about the first damaged place, and what to do for a start: where the places are
 * told that is not needed. */
static void tell_taken(struct salvage *s)
{
	const struct source *f = source_at(s, s->at);
	struct loss *finding = finding_of(s, f);
	if (s->broken > 0 && finding)
		finding->kind = LOSS_NOTHING;
	if (s->certain || s->taken == 0)
		return;
	loss_add(&s->losses, LOSS_FILE, f->file, "is damaged: %llu record%s of it %s taken as %s, and nothing proves %s",
	         (unsigned long long)s->taken, s->taken == 1 ? "" : "s", s->taken == 1 ? "is" : "are",
	         s->taken == 1 ? "it stands" : "they stand", s->taken == 1 ? "it" : "them");
}

static void tell_shortage(struct salvage *s)
{
	const struct source *f = source_at(s, s->at);
	if (f->count == UINT64_MAX || f->rows >= f->count)
		return;
	struct loss *l = loss_add(&s->losses, LOSS_RECORDS, f->file,
	                          "was written with %llu records, and %llu of them are not in it any more",
	                          (unsigned long long)f->count, (unsigned long long)(f->count - f->rows));
	l->count = f->count - f->rows;
}

/* A store's id may be damaged, too: what no id has in its place tells nothing, and a place or two may be other
 * digits. */
static bool is_damaged_strangers(struct salvage *s, uint32_t i)
{
	enum { DAMAGED = 2 };
	struct source *f = source_at(s, i);
	size_t differ = 0;
	for (size_t at = 0; at < STORE_ID_LEN; at++)
		differ += isxdigit((unsigned char)f->store[at]) && f->store[at] != s->store[at];
	if (differ <= DAMAGED || !is_strangers(s, f))
		return false;
	f->known = false;
	f->revision = 0;
	return true;
}

static void take_damaged(struct salvage *s, uint32_t i)
{
	__attribute__((cleanup(buf_free))) struct buf text = {0};
	struct pieces_sink sink = {.context = s, .object = take_object, .broken = take_broken};
	const struct source *f = source_at(s, i);
	s->at = i;
	if (!read_file(s, &text) || text.len == 0)
		return;
	s->text = buf_as_span(&text);
	s->line = 1;
	s->line_at = s->taken = s->broken = 0;
	s->certain = is_proven(s, &text);
	s->ours = pieces_are_ours(s->text);
	read_header(s);
	if (is_damaged_strangers(s, i))
		return;
	s->highest = s->certain ? UINT64_MAX : highest_in(s, i);
	pieces_read(s->text, i < TABLE_COUNT ? spec_table_name((enum table_id)i) : "", &sink);
	take_deletions(s);
	tell_taken(s);
	tell_shortage(s);
	uint64_t last = f->is_segment ? f->head.last : f->revision;
	if (f->known && (s->certain || last < REVISION_LIKELY))
		see_revision(s, last);
	s->text = (struct span){0};
}

/* ---- changes that are in no file */

static uint64_t doubt_below(struct salvage *s, enum table_id t, uint64_t end)
{
	uint64_t count = 0;
	for (uint32_t i = 1; i <= newest_count(&s->newest, t); i++) {
		struct newest_version *v = newest_at(&s->newest, t, i);
		if (!v->text.at || v->revision >= end)
			continue;
		v->may_be_older = true;
		count++;
	}
	return count;
}

static void tell_gap(void *context, enum table_id t, uint64_t first, uint64_t end)
{
	struct salvage *s = context;
	char file[32], revisions[64];
	uint64_t doubtful = doubt_below(s, t, end);
	snapshot_file_name(t, file);
	snprintf(revisions, sizeof revisions, first == end ? "revision %llu" : "revisions %llu to %llu",
	         (unsigned long long)first, (unsigned long long)end);
	loss_add(&s->losses, LOSS_FILE, file,
	     "changes to %s of %s are in no file that can be read: %llu of the %s saved may be older than acknowledged, or "
	     "deleted since, and others may be missing",
	     spec_table_name(t), revisions, (unsigned long long)doubtful, spec_table_name(t));
}

static struct buf known_ranges(const struct salvage *s)
{
	struct buf ranges = {0};
	for (size_t i = 0; i < source_count(s); i++) {
		const struct source *f = source_at(s, i);
		struct gap_range one = {f->head, f->hole};
		if (f->known && f->is_segment)
			buf_add(&ranges, &one, sizeof one);
	}
	return ranges;
}

/* The last change to the table that a snapshot knows of. */
static uint64_t last_change(const struct salvage *s, enum table_id t)
{
	uint64_t last = 0;
	for (int u = 0; u < TABLE_COUNT; u++)
		if (source_at(s, (size_t)u)->sound && source_at(s, (size_t)u)->changed[t] > last)
			last = source_at(s, (size_t)u)->changed[t];
	return last;
}

static void find_gaps(struct salvage *s)
{
	struct buf buf = known_ranges(s);
	struct gap_range *ranges = (struct gap_range *)(void *)buf.at;
	size_t count = buf.len / sizeof *ranges;
	gap_sort(ranges, count);
	for (int t = 0; t < TABLE_COUNT; t++)
		gap_find(ranges, count, (enum table_id)t, source_at(s, (size_t)t)->revision,
		         last_change(s, (enum table_id)t), tell_gap, s);
	buf_free(&buf);
}

/* ---- a damaged directory */

static void tell_missing(struct salvage *s)
{
	bool any = source_count(s) > TABLE_COUNT;
	for (int t = 0; t < TABLE_COUNT; t++)
		any |= source_at(s, (size_t)t)->known || source_at(s, (size_t)t)->sound;
	for (int t = 0; t < TABLE_COUNT; t++)
		if (any && source_at(s, (size_t)t)->missing)
			loss_add(&s->losses, LOSS_FILE, source_at(s, (size_t)t)->file, "is missing");
}

static void take_each(struct salvage *s)
{
	for (int t = 0; t < TABLE_COUNT; t++)
		judge_snapshot(s, (enum table_id)t);
	judge_segments(s);
	choose_store(s);
	tell_missing(s);
	for (uint32_t i = 0; i < source_count(s); i++) {
		struct source *f = source_at(s, i);
		if (f->missing)
			continue;
		if (!f->sound) {
			take_damaged(s, i);
		} else if (is_strangers(s, f)) {
			f->sound = f->known = false;
			f->revision = 0;
		} else if (i < TABLE_COUNT) {
			take_snapshot(s, (enum table_id)i);
		} else {
			take_segment(s, i);
		}
	}
	find_gaps(s);
}

/* ---- payloads */

static void add_name(void *argument, const char *name)
{
	buf_add(argument, name, strlen(name) + 1);
}

static bool payload_size(struct salvage *s, const char *name, uint64_t *size)
{
	int fd = s->dirs.artifacts.fd >= 0 ? disk_open(s->disk, &s->dirs.artifacts, name, size) : -1;
	if (s->dirs.artifacts.fd < 0)
		errno = ENOENT;
	if (fd < 0)
		return false;
	disk_close(s->disk, fd);
	return true;
}

/* A record whose payload is not what it says would be a finding in the new store. */
static void judge_payload(struct salvage *s, struct newest_version *v)
{
	char name[IDENT_MAX + 8], file[IDENT_MAX + 24];
	struct span value;
	int64_t stated = 0;
	double real;
	uint64_t size;
	snprintf(name, sizeof name, "%s.json", v->id);
	snprintf(file, sizeof file, "artifacts/%s", name);
	bool there = payload_size(s, name, &size);
	int number = errno;
	if (!scan_member(v->text, "size_bytes", &value) || scan_number(value, &stated, &real) != SCAN_INT || stated < 0)
		stated = 0;
	if (there && size == (uint64_t)stated)
		return;
	struct loss *l;
	if (there)
		l = loss_add(&s->losses, LOSS_RECORDS, file,
		             "has %llu bytes, but its record says %lld: the record is left out, and the file copied "
		             "as it is", (unsigned long long)size, (long long)stated);
	else
		l = loss_add(&s->losses, LOSS_RECORDS, file,
		             number == ENOENT ? "is missing: the record of the artifact is left out"
		                              : "cannot be opened, so the record of the artifact is left out: %s",
		         number == ELOOP || number == EINVAL ? "it is no regular file" : strerror(number));
	l->count = 1;
	newest_drop(v);
}

static void lose_payload(void *context, const char *name, int number)
{
	struct salvage *s = context;
	struct newest_version *v = newest_find(&s->newest, TABLE_ARTIFACTS, (struct span){name, strlen(name) - 5});
	bool has_record = v && v->text.at;
	char file[IDENT_MAX + 24];
	snprintf(file, sizeof file, "artifacts/%s", name);
	struct loss *l = loss_add(&s->losses, LOSS_RECORDS, file, "cannot be read: %s%s", strerror(number),
	                          has_record ? ": the record of the artifact is left out" : "");
	l->count = 1;
	if (has_record)
		newest_drop(v);
}

/* Python's payloads have no records; those of deleted artifacts are not wanted any more. */
static void choose_payload(struct salvage *s, const char *name)
{
	size_t len = strlen(name);
	uint64_t size;
	if (len <= 5 || strcmp(name + len - 5, ".json") != 0 || len - 5 > IDENT_MAX || disk_is_tmp(name))
		return;
	struct span id = {name, len - 5};
	const struct newest_version *v = newest_find(&s->newest, TABLE_ARTIFACTS, id);
	bool deleted = v && !v->text.at && v->certain && v->revision > 0 && !v->may_be_older;
	if (ident_check(IDENT_ARTIFACT, id) && !deleted && payload_size(s, name, &size))
		buf_add(&s->copied, name, len + 1);
}

static void judge_payloads(struct salvage *s)
{
	if (s->dirs.artifacts.fd >= 0)
		disk_list(s->disk, &s->dirs.artifacts, add_name, &s->names);
	for (size_t at = 0; at < s->names.len; at += strlen(s->names.at + at) + 1)
		choose_payload(s, s->names.at + at);
	for (uint32_t i = 1; i <= newest_count(&s->newest, TABLE_ARTIFACTS); i++)
		if (newest_at(&s->newest, TABLE_ARTIFACTS, i)->text.at)
			judge_payload(s, newest_at(&s->newest, TABLE_ARTIFACTS, i));
}

/* ---- what is said */

static void summarise(const struct salvage *s, const char *path)
{
	const struct remake *r = &s->remake;
	uint64_t older = 0, uncertain = 0;
	for (int t = 0; t < TABLE_COUNT; t++)
		for (uint32_t i = 1; i <= newest_count(&s->newest, (enum table_id)t); i++) {
			const struct newest_version *v = newest_at(&s->newest, (enum table_id)t, i);
			older += v->text.at && v->may_be_older;
			uncertain += v->text.at && !v->certain;
		}
	fprintf(s->out, "%s: %llu jobs, %llu runs, %llu artifacts, %llu payloads, revision %llu: ", path,
	        (unsigned long long)r->records[TABLE_JOBS], (unsigned long long)r->records[TABLE_RUNS],
	        (unsigned long long)r->records[TABLE_ARTIFACTS], (unsigned long long)r->payload_count,
	        (unsigned long long)r->revision);
	if (loss_is_none(&s->losses))
		fprintf(s->out, "all is saved\n");
	else
		fprintf(s->out, "%llu lost, %llu perhaps older than acknowledged, %llu from damaged files, which nothing proves\n",
		        (unsigned long long)s->losses.lost, (unsigned long long)older, (unsigned long long)uncertain);
}

/* ---- the whole */

static void report_remains(void *context, const char *name, const char *what)
{
	bool lock = strcmp(name, "persistd.lock") == 0, journal = strcmp(name, "journal") == 0;
	struct salvage *s = context;
	loss_add(&s->losses, lock ? LOSS_NOTE : LOSS_FILE, name, "%s%s", what,
	     journal ? ": what was committed since the snapshots were written is lost" : "");
}

static void begin(struct salvage *s, struct disk *disk, FILE *out)
{
	struct timespec now;
	ident_init();
	clock_gettime(CLOCK_REALTIME, &now);
	*s = (struct salvage){.out = out, .disk = disk, .now = now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000};
	newest_init(&s->newest);
}

static void end(struct salvage *s)
{
	newest_done(&s->newest);
	for (int t = 0; t < TABLE_COUNT; t++)
		buf_free(&s->extra[t]);
	buf_free(&s->sources);
	loss_free(&s->losses);
	buf_free(&s->numbers);
	buf_free(&s->names);
	buf_free(&s->copied);
	buf_free(&s->scratch);
	buf_free(&s->canonical);
	state_dir_close(&s->dirs, s->disk);
}

static void read_all(struct salvage *s)
{
	if (!loss_is_none(&s->losses) /* a directory that is none */ || !load_whole(s)) {
		newest_done(&s->newest);
		newest_init(&s->newest);
		s->revision = s->seq = 0;
		take_each(s);
	}
	judge_payloads(s);
}

/* It has to be as good as it is said to be. */
static bool is_sound(struct disk *to, const char *path, FILE *out)
{
	char *printed;
	size_t len;
	FILE *memory = open_memstream(&printed, &len);
	if (!memory)
		return true;
	int status = check_disk(to, path, memory);
	fclose(memory);
	if (status != 0)
		fprintf(out, "%s", printed);
	free(printed);
	return status == 0;
}

static enum salvage_status write_all(struct salvage *s, const char *path)
{
	char why[PATH_MAX + 512];
	struct remake *r = &s->remake;
	r->newest = &s->newest;
	r->payloads = &s->dirs.artifacts;
	r->names = &s->copied;
	r->unreadable = lose_payload;
	r->context = s;
	r->extra = s->extra;
	r->revision = s->revision;
	r->seq = s->seq;
	r->now = s->now;
	bool written = remake_write(r, why, sizeof why);
	remake_close(r, written);
	if (!written) {
		fprintf(s->out, "%s: nothing is saved: %s\n", path, why);
		return SALVAGE_NOT_DONE;
	}
	loss_print(&s->losses, &s->newest, s->out);
	if (!is_sound(r->to, path, s->out)) {
		fprintf(s->out, "%s: what was written cannot be read again\n", path);
		return SALVAGE_NOT_DONE;
	}
	summarise(s, path);
	return loss_is_none(&s->losses) ? SALVAGE_ALL : SALVAGE_NOT_ALL;
}

int salvage_disk(struct disk *from, const char *state_dir, struct disk *to, const char *new_dir, uint64_t mend_work,
                 FILE *out)
{
	struct salvage s;
	char why[PATH_MAX + 512];
	int status = SALVAGE_NOT_DONE;
	begin(&s, from, out);
	s.mend_work = mend_work;
	s.remake = (struct remake){.from = from, .to = to};
	if (state_dir_open_remains(&s.dirs, from, state_dir, report_remains, &s, why, sizeof why) &&
	    remake_open(&s.remake, new_dir, s.dirs.state.path, why, sizeof why)) {
		read_all(&s);
		status = (int)write_all(&s, new_dir);
	} else {
		fprintf(out, "%s\n", why);
	}
	end(&s);
	return status;
}

int salvage_run(const char *state_dir, const char *new_dir, FILE *out)
{
	struct disk from = {.ops = &disk_system}, to = {.ops = &disk_system};
	return salvage_disk(&from, state_dir, &to, new_dir, MEND_WORK, out);
}
