#include "daemon/record.h"

#include "daemon/pack.h"
#include "daemon/shelf.h"
#include "proto/mem.h"
#include "proto/quick.h"
#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { KEY_TEXT_MAX = 200, NO_FIELD = -1, OPENED_KEEP = 64 << 10, HEAD_MAX = INT32_MAX };

static_assert((int)SHELF_SLACK >= (int)PACK_SLACK, "records are unpacked where they lie");

/* The fields that a record is found by, see struct record_keys. */
static const struct keyed {
	int a, b, time, ended, updated, revision;
} keyed[TABLE_COUNT] = {
	[TABLE_JOBS] = {JOB_STATUS, JOB_TYPE, JOB_CREATED_AT, JOB_COMPLETED_AT, JOB_UPDATED_AT, JOB_REVISION},
	[TABLE_RUNS] = {RUN_STATUS, RUN_KIND, RUN_UPDATED_AT, RUN_FINISHED_AT, RUN_UPDATED_AT, RUN_REVISION},
	[TABLE_ARTIFACTS] = {ARTIFACT_RUN_ID, ARTIFACT_KIND, ARTIFACT_CREATED_AT, NO_FIELD, NO_FIELD,
	                     ARTIFACT_REVISION},
};

static bool is_null(struct span value)
{
	return value.at && scan_kind(value) == SCAN_NULL;
}

/* The text of a string that needed no escape. */
static bool plain_string(struct span value, struct span *text)
{
	if (value.len < 2 || value.at[0] != '"' || value.at[value.len - 1] != '"')
		return false;
	if (memchr(value.at, '\\', value.len))
		return false;
	*text = (struct span){value.at + 1, value.len - 2};
	return true;
}

/* Absent and null are STAMP_NONE; false: something else than a time. */
static bool read_time(struct span value, int64_t *micros)
{
	struct span text;
	*micros = STAMP_NONE;
	if (!value.at || is_null(value))
		return true;
	return plain_string(value, &text) && stamp_parse(text, micros);
}

static bool read_revision(struct span value, uint64_t *revision)
{
	int64_t whole;
	double real;
	if (scan_number(value, &whole, &real) != SCAN_INT || whole < 1)
		return false;
	*revision = (uint64_t)whole;
	return true;
}

/* The allowlist of the record's id: its first field's. */
static bool check_id(enum table_id t, struct span id)
{
	return id.len <= IDENT_MAX && ident_check(spec_fields(t)[0].ident, id);
}

static bool read_id(enum table_id t, struct span text, const struct members *m, struct span *id)
{
	if (text.len < RECORD_ID_AT || memcmp(text.at, "{\"id\":\"", RECORD_ID_AT) != 0)
		return false;
	if (m->value[0].at != text.at + RECORD_ID_AT - 1 || m->end + 1 != text.at + text.len)
		return false;
	return plain_string(m->value[0], id) && check_id(t, *id);
}

static bool read_keys(enum table_id t, struct span text, const struct members *m, struct record_keys *keys)
{
	const struct keyed *k = &keyed[t];
	*keys = (struct record_keys){.end = STAMP_NONE};
	if (!read_id(t, text, m, &keys->id))
		return false;
	bool runless = t == TABLE_ARTIFACTS && is_null(m->value[k->a]);
	if (runless)
		keys->a = (struct span){m->value[k->a].at, 0};
	else if (!plain_string(m->value[k->a], &keys->a))
		return false;
	if (!plain_string(m->value[k->b], &keys->b) || !read_time(m->value[k->time], &keys->time))
		return false;
	if (t == TABLE_RUNS && m->value[RUN_META].at && scan_kind(m->value[RUN_META]) == SCAN_OBJECT)
		keys->meta = m->value[RUN_META];
	if (t == TABLE_ARTIFACTS || !spec_status_is_terminal(t, keys->a))
		return true;
	if (!read_time(m->value[k->ended], &keys->end))
		return false;
	return keys->end != STAMP_NONE || read_time(m->value[k->updated], &keys->end);
}

static uint16_t percentage_kept(struct span progress);

/* The field that ends the head: what finds a record is in it. */
static const int head_field[TABLE_COUNT] = {JOB_PROGRESS, RUN_STATUS, ARTIFACT_KIND};

static size_t plan(enum table_id t, struct span text, const struct members *m, struct pack *p)
{
	const char *behind = m->value[head_field[t]].at + m->value[head_field[t]].len;
	pack_plan(t, text, behind, m, p);
	return (size_t)(behind - text.at);
}

static struct span kept_at(const struct record *r, struct span text, const struct pack *p, struct span part)
{
	if (!part.at)
		return part;
	size_t at = (size_t)(part.at - text.at);
	return (struct span){r->kept + (at < r->head_len ? at : r->head_len + pack_place(p, part.at)), part.len};
}

/* From spans of the text to the same bytes in what is kept of it. */
static void keep_keys(const struct record *r, struct span text, const struct pack *p, struct record_keys *keys)
{
	keys->id = record_id(r);
	keys->a = kept_at(r, text, p, keys->a);
	keys->b = kept_at(r, text, p, keys->b);
	keys->meta = kept_at(r, text, p, keys->meta);
}

static struct record *make(struct shelf_piece *piece, enum table_id t, struct span text, const struct members *m,
                           bool regular, struct record_keys *keys)
{
	struct record made = {.refs = 1, .len = (uint32_t)text.len, .regular = regular && t != TABLE_ARTIFACTS};
	struct pack p;
	if (!read_keys(t, text, m, keys) || !read_revision(m->value[keyed[t].revision], &made.revision) ||
	    (t == TABLE_JOBS && !m->value[JOB_PROGRESS].at))
		return NULL;
	made.id_len = (uint8_t)keys->id.len;
	made.head_len = (uint32_t)plan(t, text, m, &p) & HEAD_MAX;
	made.packed_len = (uint32_t)p.bytes;
	if (t == TABLE_JOBS) {
		made.progress_at = (uint32_t)(m->value[JOB_PROGRESS].at - text.at);
		made.percentage = percentage_kept(m->value[JOB_PROGRESS]);
	}
	size_t bytes = record_bytes(&made);
	struct record *r = piece ? shelf_cut(piece, bytes) : shelf_take(bytes);
	*r = made;
	memcpy(r->kept, text.at, r->head_len);
	pack_write(&p, r->kept + r->head_len);
	keep_keys(r, text, &p, keys);
	return r;
}

static struct record *read(struct shelf_piece *piece, enum table_id t, struct span text, struct record_keys *keys,
                           struct members *m)
{
	struct layout layout;
	if (text.len > HEAD_MAX || !members_read(t, text, NULL, m))
		return NULL;
	layout_of(t, text, m, &layout);
	return make(piece, t, text, m, layout.regular, keys);
}

struct record *record_new(enum table_id t, struct span text, struct record_keys *keys)
{
	struct members m;
	return read(NULL, t, text, keys, &m);
}

struct record *record_make(enum table_id t, struct span text, const struct layout *layout, struct record_keys *keys)
{
	struct members m;
	if (!layout->regular)
		return record_new(t, text, keys);
	assert(text.len <= HEAD_MAX);
	members_of_layout(t, text.at, layout, &m);
	return make(NULL, t, text, &m, true, keys);
}

struct record *record_load(struct shelf_piece *piece, enum table_id t, struct span text, struct record_keys *keys,
                           int64_t *changed)
{
	struct members m;
	struct record *r = read(piece, t, text, keys, &m);
	*changed = STAMP_NONE;
	if (r && t == TABLE_ARTIFACTS)
		*changed = keys->time;
	else if (r && !read_time(m.value[keyed[t].updated], changed))
		*changed = STAMP_NONE;
	return r;
}

struct record *record_ref(struct record *r)
{
	assert(r->refs > 0 && r->refs < UINT32_MAX);
	r->refs++;
	return r;
}

void record_unref(struct record *r)
{
	if (!r)
		return;
	assert(r->refs > 0);
	if (--r->refs == 0)
		shelf_give(r, record_bytes(r));
}

/* `at` is in the room of `out`: that is filled up to there. */
static void set_end(struct buf *out, const char *at) { out->len = (size_t)(at - out->at); }

static char *put(char *at, const char *from, size_t len) { return (char *)memcpy(at, from, len) + len; }

static char *put_behind_head(char *at, const struct record *r)
{
	return pack_text(r->kept + r->head_len, r->packed_len, at);
}

void record_text(struct buf *out, const struct record *r)
{
	char *at = buf_room(out, r->len + PACK_SLACK);
	at = put(at, r->kept, r->head_len);
	set_end(out, put_behind_head(at, r));
}

/* Of a regular text whose head is there: its strings are found by their quotes, a job's payload by what stands
 * behind it. */
static void head_ends(enum table_id t, const struct record *r, const char *text, struct layout *l)
{
	const struct spec_field *fields = spec_fields(t);
	size_t end = RECORD_ID_AT + r->id_len + 1u;
	int last = head_field[t];
	l->ends[0] = (uint32_t)end;
	for (int i = 1; i < last; i++) {
		const char *value = text + end + fields[i].name_len + MEMBER_AROUND_NAME;
		if (t == TABLE_JOBS && i == JOB_PAYLOAD)
			end = r->progress_at - (sizeof ",\"progress\":" - 1);
		else
			end = (size_t)((const char *)memchr(value + 1, '"', r->head_len) - text) + 1;
		l->ends[i] = (uint32_t)end;
	}
}

static struct span open_regular(enum table_id t, const struct record *r, struct buf *opened, struct members *m)
{
	const char *ends[SPEC_FIELDS_MAX];
	struct layout l = {.regular = true};
	char *at = buf_room(opened, r->len + PACK_SLACK), *text = at;
	at = put(at, r->kept, r->head_len);
	set_end(opened, pack_regular(r->kept + r->head_len, r->packed_len, at, ends));
	head_ends(t, r, text, &l);
	int i = head_field[t];
	for (const char **end = ends; spec_fields(t)[i + 1].name; i++)
		l.ends[i] = (uint32_t)(*end++ - text);
	l.ends[i] = r->len - 1;
	members_of_layout(t, text, &l, m);
	return (struct span){text, r->len};
}

static struct span read_again(enum table_id t, const struct record *r, struct members *m)
{
	static struct buf opened;
	opened.len = 0;
	buf_trim(&opened, OPENED_KEEP);
	if (r->regular)
		return open_regular(t, r, &opened, m);
	record_text(&opened, r);
	bool read = members_read(t, buf_as_span(&opened), NULL, m);
	assert(read); /* it was when it was made */
	return buf_as_span(&opened);
}

void record_open(enum table_id t, const struct record *r, struct members *m)
{
	read_again(t, r, m);
}

void record_keys(enum table_id t, const struct record *r, struct record_keys *keys)
{
	struct members m;
	struct pack p;
	struct span text = read_again(t, r, &m);
	bool read = read_keys(t, text, &m, keys);
	assert(read); /* likewise */
	plan(t, text, &m, &p);
	keep_keys(r, text, &p, keys);
}

double progress_percentage(double current, double total)
{
	if (total == 0.0)
		return 0.0;
	double percentage = 100.0 * current / total;
	/* 100·current may overflow where the quotient does not. What is too big all the same is sent as the
	 * largest number there is, because JSON has no infinity and a record that
	 * was accepted must be readable. */
	if (!isfinite(percentage))
		percentage = current / total * 100.0;
	if (!isfinite(percentage))
		percentage = copysign(DBL_MAX, percentage);
	return percentage + 0.0; /* -0.0 to 0.0 */
}

enum { PROGRESS_CURRENT, PROGRESS_TOTAL, PROGRESS_MESSAGE, PROGRESS_PERCENTAGE, PROGRESS_FIELDS };
enum { PROGRESS_STORED = PROGRESS_PERCENTAGE }; /* those before it */
static const char *const progress_names[PROGRESS_FIELDS] = {"current", "total", "message", "percentage"};

struct progress {
	struct span value[PROGRESS_FIELDS];
	bool canonical[PROGRESS_FIELDS]; /* is known to be */
};

static void progress_read(struct span object, const struct scan_outline *outline, struct progress *p)
{
	struct scan_iter it = scan_members_outlined(object, outline);
	struct span name, found;
	while (scan_next_member(&it, &name, &found))
		for (int i = 0; i < PROGRESS_FIELDS; i++)
			if (scan_name_is(name, progress_names[i])) {
				p->value[i] = found;
				p->canonical[i] = it.canonical;
				break;
			}
}

/* False, and 0: no number, or one that cannot be held. */
static bool read_number(struct span value, double *number)
{
	int64_t whole;
	*number = 0.0;
	if (!value.at)
		return false;
	enum scan_number is = scan_number(value, &whole, number);
	if (is == SCAN_INT || is == SCAN_REAL)
		return true;
	*number = 0.0;
	return false;
}

void progress_normal(struct buf *out, struct span object, const struct scan_outline *outline, double *current,
                     double *total)
{
	static const char *const missing[PROGRESS_STORED] = {"0", "0", "\"\""};
	if (quick_progress(object, current, total)) {
		buf_span(out, object);
		return;
	}
	struct progress p = {0};
	struct span *value = p.value;
	progress_read(object, outline, &p);
	for (int i = 0; i < PROGRESS_STORED; i++) {
		if (!value[i].at || is_null(value[i]))
			value[i] = span_of(missing[i]);
		buf_text(out, i == 0 ? "{\"" : ",\"");
		buf_text(out, progress_names[i]);
		buf_text(out, "\":");
		if (p.canonical[i])
			buf_span(out, value[i]);
		else
			scan_canonical(out, value[i]);
	}
	buf_char(out, '}');
	read_number(value[PROGRESS_CURRENT], current);
	read_number(value[PROGRESS_TOTAL], total);
}

void progress_bare(struct buf *out, struct span progress)
{
	if (scan_kind(progress) != SCAN_OBJECT) {
		scan_canonical(out, progress);
		return;
	}
	size_t start = out->len;
	struct scan_iter it = scan_members(progress);
	struct span name, value;
	while (scan_next_member(&it, &name, &value)) {
		if (scan_name_is(name, "percentage"))
			continue;
		buf_char(out, ',');
		scan_canonical(out, (struct span){name.at - 1, name.len + 2});
		buf_char(out, ':');
		scan_canonical(out, value);
	}
	members_close(out, start);
}

/* False: files may hold anything. *old: the percentage that it states itself; absent mostly. */
static bool stored_percentage(struct span progress, double *percentage, struct span *old)
{
	double current, total;
	*old = (struct span){0};
	if (!quick_progress(progress, &current, &total)) {
		struct progress p = {0};
		if (scan_kind(progress) == SCAN_OBJECT)
			progress_read(progress, NULL, &p);
		if (!read_number(p.value[PROGRESS_CURRENT], &current) || !read_number(p.value[PROGRESS_TOTAL], &total))
			return false;
		*old = p.value[PROGRESS_PERCENTAGE];
	}
	*percentage = progress_percentage(current, total);
	return true;
}

static uint16_t percentage_kept(struct span progress)
{
	double percentage;
	struct span old;
	if (!stored_percentage(progress, &percentage, &old) || old.at || !(percentage >= 0 && percentage <= 100))
		return PERCENTAGE_READ;
	/* a quotient is rounded correctly: it is the double that its decimals stand for */
	uint16_t hundredths = (uint16_t)(percentage * 100 + 0.5);
	return percentage == hundredths / 100.0 ? hundredths : PERCENTAGE_READ;
}

/* The stored progress as it is sent. What is odd goes out as it is. */
static void send_stored_progress(struct buf *out, struct span stored)
{
	double percentage;
	struct span old;
	if (!stored_percentage(stored, &percentage, &old)) {
		buf_span(out, stored);
		return;
	}
	if (old.at) {
		const char *end = stored.at + stored.len;
		buf_add(out, stored.at, (size_t)(old.at - stored.at));
		buf_real(out, percentage);
		buf_add(out, old.at + old.len, (size_t)(end - old.at) - old.len);
		return;
	}
	buf_add(out, stored.at, stored.len - 1);
	buf_text(out, ",\"percentage\":");
	buf_real(out, percentage);
	buf_char(out, '}');
}

static void send_progress(struct buf *out, struct span stored, const struct live *live)
{
	if (!live) {
		send_stored_progress(out, stored);
		return;
	}
	assert(live->len > 2);
	buf_add(out, live->text, live->len - 1);
	buf_text(out, ",\"percentage\":");
	buf_real(out, progress_percentage(live->current, live->total));
	buf_char(out, '}');
}

enum { PERCENTAGE_ROOM = 32 };

/* With the brace that ends progress. */
static char *put_percentage(char *at, unsigned hundredths)
{
	at = put(at, ",\"percentage\":", 14);
	if (hundredths == 10000)
		*at++ = '1';
	if (hundredths >= 1000)
		*at++ = (char)('0' + hundredths / 1000 % 10);
	*at++ = (char)('0' + hundredths / 100 % 10);
	*at++ = '.';
	*at++ = (char)('0' + hundredths / 10 % 10);
	if (hundredths % 10)
		*at++ = (char)('0' + hundredths % 10);
	*at++ = '}';
	return at;
}

static void put_path(struct buf *out, struct span id, const char *artifacts_dir)
{
	buf_string(out, span_of(artifacts_dir));
	out->len--; /* the quote: the id goes on, and needs no escape */
	buf_char(out, '/');
	buf_span(out, id);
	buf_text(out, ".json\"");
}

static void send_fields(struct buf *out, enum table_id t, const struct record *r, const struct live *live,
                        uint32_t fields, const char *artifacts_dir)
{
	const struct spec_field *spec = spec_fields(t);
	size_t start = out->len;
	struct members m;
	record_open(t, r, &m);
	for (int i = 0; spec[i].name; i++) {
		if (fields != RECORD_ALL && !(fields & UINT32_C(1) << i))
			continue;
		if (t == TABLE_ARTIFACTS && i == ARTIFACT_REVISION)
			continue;
		if (t == TABLE_ARTIFACTS && i == ARTIFACT_PATH) {
			members_put_name(out, &spec[i]);
			put_path(out, record_id(r), artifacts_dir);
		} else if (t == TABLE_JOBS && i == JOB_PROGRESS) {
			members_put_name(out, &spec[i]);
			send_progress(out, m.value[i], live);
		} else {
			members_put(out, &spec[i], m.value[i]);
		}
	}
	if (fields == RECORD_ALL)
		members_put_unknown(out, t, &m);
	members_close(out, start);
}

void record_send(struct buf *out, enum table_id t, const struct record *r, const struct live *live,
                 uint32_t fields, const char *artifacts_dir)
{
	if (t == TABLE_ARTIFACTS || fields != RECORD_ALL) {
		send_fields(out, t, r, live, fields, artifacts_dir);
		return;
	}
	struct span progress = {r->kept + r->progress_at, r->head_len - r->progress_at};
	if (t != TABLE_JOBS || (!live && progress.at[0] != '{')) {
		record_text(out, r);
		return;
	}
	if (!live && r->percentage != PERCENTAGE_READ) {
		char *at = buf_room(out, r->len + PERCENTAGE_ROOM + PACK_SLACK);
		at = put(at, r->kept, r->head_len - 1);
		at = put_percentage(at, r->percentage);
		set_end(out, put_behind_head(at, r));
		return;
	}
	buf_add(out, r->kept, r->progress_at);
	send_progress(out, progress, live);
	set_end(out, put_behind_head(buf_room(out, r->len - r->head_len + PACK_SLACK), r));
}

void record_with_live(struct buf *out, const struct record *r, const struct live *live)
{
	if (!live) {
		record_text(out, r);
		return;
	}
	char *at = buf_room(out, r->len + live->len + PACK_SLACK);
	at = put(at, r->kept, r->progress_at);
	at = put(at, live->text, live->len);
	set_end(out, put_behind_head(at, r));
}

static bool refuse(struct fault *fault, const char *field, const char *expected)
{
	fault_set(fault, FAULT_INVALID_PARAMS, "%s must be %s", field, expected);
	fault_field(fault, field);
	fault_expected(fault, "%s", expected);
	return false;
}

static bool refuse_number(struct span object, size_t number_at, struct fault *fault)
{
	struct buf path = {0};
	scan_path(&path, object, number_at);
	buf_char(&path, '\0');
	refuse(fault, path.at, "a number that can be held (an integer of 64 bits, or what a double can hold)");
	buf_free(&path);
	return false;
}

static bool check_object(enum table_id t, struct span object, struct fault *fault, size_t *at)
{
	struct scan_report report;
	*at = 0;
	if (scan_kind(object) != SCAN_OBJECT)
		return refuse(fault, spec_record_name(t), "an object");
	enum scan_result result = scan_check(object, SCAN_DEPTH_FILE, &report);
	if (result != SCAN_OK) {
		*at = report.at;
		return refuse(fault, spec_record_name(t), report.expected ? report.expected : "valid JSON");
	}
	if (report.number_at == SIZE_MAX)
		return true;
	*at = report.number_at;
	return refuse_number(object, report.number_at, fault);
}

/* Status, type and kind; an artifact's run_id may be null. */
static bool is_key(enum table_id t, int field)
{
	return (field == keyed[t].a && t != TABLE_ARTIFACTS) || field == keyed[t].b;
}

/* `value` is canonical, or absent where the file has no such field and it has no fallback. */
static bool check_field(enum table_id t, int field, struct span value, struct fault *fault)
{
	const struct spec_field *f = &spec_fields(t)[field];
	const struct keyed *k = &keyed[t];
	struct span text;
	int64_t micros;
	uint64_t revision;
	if (field == 0) {
		if (plain_string(value, &text) && check_id(t, text))
			return true;
		char expected[128];
		snprintf(expected, sizeof(expected), "a string that matches %s", ident_pattern(f->ident));
		return refuse(fault, f->name, expected);
	}
	if (field == k->a || field == k->b) {
		bool runless = t == TABLE_ARTIFACTS && field == ARTIFACT_RUN_ID && is_null(value);
		if (runless || (plain_string(value, &text) && text.len <= KEY_TEXT_MAX))
			return true;
		return refuse(fault, f->name,
		              "a string of at most 200 bytes without quotes, backslashes and control characters");
	}
	if (f->type == SPEC_TIME && !read_time(value, &micros))
		return refuse(fault, f->name, "an RFC 3339 time or null");
	if (field == k->revision && (!read_revision(value, &revision) || revision > REVISION_STATED_MAX))
		return refuse(fault, f->name, "a positive integer of at most 2^53");
	return true;
}

/* When a record that does not say so was last changed: at the latest time that it does tell of. */
static int64_t latest_time(enum table_id t, const struct members *m, int64_t now)
{
	const struct spec_field *fields = spec_fields(t);
	int64_t latest = STAMP_NONE, micros;
	for (int i = 0; fields[i].name; i++)
		if (fields[i].type == SPEC_TIME && read_time(m->value[i], &micros) && micros > latest)
			latest = micros;
	return latest == STAMP_NONE ? now : latest;
}

struct reading {
	struct buf *out;
	enum table_id table;
	struct members members;
	uint64_t revision; /* for a record that has none, or for every one */
	bool renumber;
	int64_t now;
};

static void put_missing(const struct reading *r, int field)
{
	const struct spec_field *f = &spec_fields(r->table)[field];
	if (field == keyed[r->table].revision)
		buf_uint(r->out, r->revision);
	else if (field == keyed[r->table].updated)
		stamp_json(r->out, latest_time(r->table, &r->members, r->now));
	else
		buf_text(r->out, f->fallback ? f->fallback : "null");
}

static bool read_field(const struct reading *r, int field, struct fault *fault)
{
	struct buf *out = r->out;
	struct span value = r->members.value[field];
	if (value.at && is_null(value) && is_key(r->table, field))
		value.at = NULL; /* null is no status, type or kind: absent */
	members_put_name(out, &spec_fields(r->table)[field]);
	size_t start = out->len;
	if (!value.at)
		put_missing(r, field);
	else if (r->renumber && r->table == TABLE_JOBS && field == JOB_PROGRESS)
		progress_bare(out, value); /* what was got from a daemon may be imported as it came */
	else
		scan_canonical(out, value);
	if (!check_field(r->table, field, (struct span){out->at + start, out->len - start}, fault))
		return false;
	if (r->renumber && field == keyed[r->table].revision) {
		out->len = start;
		buf_uint(out, r->revision);
	}
	return true;
}

bool record_read(struct buf *out, enum table_id t, struct span object, uint64_t revision, bool renumber,
                 int64_t now, struct fault *fault, size_t *at)
{
	struct reading r = {.out = out, .table = t, .revision = revision, .renumber = renumber, .now = now};
	const struct spec_field *fields = spec_fields(t);
	size_t start = out->len;
	if (!check_object(t, object, fault, at))
		return false;
	bool read = members_read(t, object, NULL, &r.members);
	assert(read && revision > 0);
	for (int i = 0; fields[i].name; i++) {
		if ((t == TABLE_ARTIFACTS && i == ARTIFACT_PATH) || read_field(&r, i, fault))
			continue;
		out->len = start;
		*at = r.members.value[i].at ? (size_t)(r.members.value[i].at - object.at) : 0;
		return false;
	}
	members_put_unknown(out, t, &r.members);
	members_close(out, start);
	return true;
}
