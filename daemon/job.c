#include "daemon/job.h"

#include "daemon/members.h"
#include "proto/params.h"
#include "proto/quick.h"
#include <assert.h>

enum { PATH_ROOM = 64 };

struct merge {
	struct buf *out;
	struct members sent, stored;
	struct span id;
	int64_t now;
	uint64_t revision;
	bool is_new, running, terminal; /* the last two: after it */
	struct fault *fault;
};

static bool is_null(struct span value)
{
	return scan_kind(value) == SCAN_NULL;
}

static bool check(const struct merge *m, const struct spec_field *field, struct span value)
{
	char path[PATH_ROOM] = "job.";
	assert(strlen(field->name) < PATH_ROOM - 4);
	strcpy(path + 4, field->name);
	return field_check(field, value, path, m->fault);
}

/* Whether the client leaves the field as it is. */
static bool keeps(const struct merge *m, enum job_field i)
{
	const struct spec_field *field = &spec_job_fields[i];
	struct span sent = m->sent.value[i];
	return !sent.at || (is_null(sent) && (field->type == SPEC_TIME || !field->nullable));
}

static struct span put_sent(struct merge *m, enum job_field i)
{
	members_put_name(m->out, &spec_job_fields[i]);
	size_t start = m->out->len;
	if (m->sent.canonical >> i & 1)
		buf_span(m->out, m->sent.value[i]);
	else
		scan_canonical(m->out, m->sent.value[i]);
	return (struct span){m->out->at + start, m->out->len - start};
}

static bool merge_value(struct merge *m, enum job_field i)
{
	const struct spec_field *field = &spec_job_fields[i];
	/* sent back byte for byte as it was got: need not be read */
	if (keeps(m, i) || span_is(m->sent.value[i], m->stored.value[i])) {
		members_put(m->out, field, m->stored.value[i]);
		return true;
	}
	struct span value = put_sent(m, i);
	/* what is stored may be odd, if it comes from a file: sent back it stays, so that get,
	 * edit, save works */
	return span_is(value, m->stored.value[i]) || check(m, field, value);
}

/* A time that the server sets once, when it is due and nobody has given one. */
static bool merge_time(struct merge *m, enum job_field i, bool due)
{
	struct span stored = m->stored.value[i];
	if (!due || !keeps(m, i) || (stored.at && !is_null(stored)))
		return merge_value(m, i);
	members_put_name(m->out, &spec_job_fields[i]);
	stamp_json(m->out, m->now);
	return true;
}

static bool is_stored_progress(struct span bare, struct span stored)
{
	struct span percentage;
	if (span_is(bare, stored))
		return true;
	if (!stored.at || scan_kind(stored) != SCAN_OBJECT || !scan_member(stored, "percentage", &percentage))
		return false;
	__attribute__((cleanup(buf_free))) struct buf stored_bare = {0};
	progress_bare(&stored_bare, stored);
	return span_is(bare, buf_as_span(&stored_bare));
}

/* The members of an object that a client sent for one of the fields below: those that the field knows (and
 * what nobody knows), and those that a file brought in, which may go on: get, edit, save works. */
struct sent_object {
	struct buf known, extra;
};

static void sent_object_free(struct sent_object *o)
{
	buf_free(&o->known);
	buf_free(&o->extra);
}

static bool has_member(struct span object, struct span raw_name)
{
	struct span name, value;
	for (struct scan_iter it = scan_members(object); scan_next_member(&it, &name, &value);)
		if (span_is(name, raw_name))
			return true;
	return false;
}

/* `sent` is canonical, as `stored` (absent: none) is. */
static void sort_members(const struct spec_field *field, struct span sent, struct span stored,
                         struct sent_object *o)
{
	struct span name, value;
	for (struct scan_iter it = scan_members(sent); scan_next_member(&it, &name, &value);) {
		bool extra = field_find(field->fields, name) < 0 && stored.at && has_member(stored, name);
		struct buf *to = extra ? &o->extra : &o->known;
		buf_char(to, ',');
		buf_add(to, name.at - 1, name.len + 2);
		buf_char(to, ':');
		buf_span(to, value);
	}
	members_close(&o->known, 0);
}

/* success, data, error, artifacts: what was left out, or is null without null being a value of it,
 * gets its fallback. */
static void result_normal(struct buf *out, const struct spec_field *fields, struct span object)
{
	size_t start = out->len;
	for (const struct spec_field *f = fields; f->name; f++) {
		struct span value;
		bool sent = scan_member(object, f->name, &value) && (f->nullable || !is_null(value));
		members_put(out, f, sent ? value : span_of(f->fallback ? f->fallback : "null"));
	}
	members_close(out, start);
}

static void object_normal(struct buf *out, enum job_field i, struct span object)
{
	double current, total;
	if (i == JOB_PROGRESS)
		progress_normal(out, object, NULL, &current, &total);
	else
		result_normal(out, spec_job_fields[i].fields, object);
}

/* Mostly a progress is sent as it will be stored, but for white space, and so was the one before: nothing is left to
 * check. */
static bool merge_plain_progress(struct merge *m)
{
	struct span stored = m->stored.value[JOB_PROGRESS];
	double current, total;
	size_t start = m->out->len;
	if (stored.at && !is_null(stored) && !quick_progress(stored, &current, &total))
		return false;
	if (quick_progress(put_sent(m, JOB_PROGRESS), &current, &total))
		return true;
	m->out->len = start;
	return false;
}

/* progress and result */
static bool merge_object(struct merge *m, enum job_field i)
{
	const struct spec_field *field = &spec_job_fields[i];
	struct span sent = m->sent.value[i], stored = m->stored.value[i];
	if (!sent.at || span_is(sent, stored) || scan_kind(sent) != SCAN_OBJECT)
		return merge_value(m, i);
	if (i == JOB_PROGRESS && merge_plain_progress(m))
		return true;
	__attribute__((cleanup(sent_object_free))) struct sent_object o = {0};
	members_put_name(m->out, field);
	size_t start = m->out->len;
	i == JOB_PROGRESS ? progress_bare(m->out, sent) : scan_canonical(m->out, sent);
	struct span value = {m->out->at + start, m->out->len - start};
	bool same = i == JOB_PROGRESS ? is_stored_progress(value, stored) : span_is(value, stored);
	if (!same) {
		sort_members(field, value, stored, &o);
		if (!check(m, field, buf_as_span(&o.known)))
			return false;
	}
	m->out->len = start;
	if (same) {
		buf_span(m->out, stored);
		return true;
	}
	object_normal(m->out, i, buf_as_span(&o.known));
	if (o.extra.len) {
		m->out->len--; /* over the closing brace */
		buf_span(m->out, buf_as_span(&o.extra));
		buf_char(m->out, '}');
	}
	return true;
}

/* What the client sent that is no field of a job: fine where a file brought it in, refused elsewhere. */
static bool merge_unknown(struct merge *m)
{
	if (!m->sent.has_unknown) {
		members_put_unknown(m->out, TABLE_JOBS, &m->stored);
		return true;
	}
	__attribute__((cleanup(buf_free))) struct buf sent = {0}, stored = {0};
	members_put_unknown(&sent, TABLE_JOBS, &m->sent);
	members_close(&sent, 0);
	members_put_unknown(&stored, TABLE_JOBS, &m->stored);
	members_close(&stored, 0);
	size_t start = m->out->len;
	struct span alien = members_overlay(m->out, buf_as_span(&stored), buf_as_span(&sent));
	if (alien.at) {
		field_unknown(spec_job_fields, alien, "job", m->fault);
		return false;
	}
	/* not an object of its own but members of this one */
	m->out->at[start] = ',';
	m->out->len--;
	return true;
}

static bool merge_status(struct merge *m)
{
	size_t start = m->out->len;
	if (!merge_value(m, JOB_STATUS))
		return false;
	size_t name_len = sizeof(",\"status\":") - 1;
	struct span quoted = {m->out->at + start + name_len, m->out->len - start - name_len};
	assert(quoted.len >= 2);
	struct span status = {quoted.at + 1, quoted.len - 2};
	m->running = span_is(status, SPAN("running"));
	m->terminal = spec_status_is_terminal(TABLE_JOBS, status);
	return true;
}

/* What the server says, whatever a client sends. */
static bool put_own(struct merge *m, enum job_field i)
{
	members_put_name(m->out, &spec_job_fields[i]);
	if (i == JOB_ID) {
		buf_char(m->out, '"');
		buf_span(m->out, m->id);
		buf_char(m->out, '"');
	} else if (i == JOB_UPDATED_AT) {
		stamp_json(m->out, m->now);
	} else {
		buf_uint(m->out, m->revision);
	}
	return true;
}

static bool merge_field(struct merge *m, enum job_field i)
{
	switch (i) {
	case JOB_ID:
	case JOB_UPDATED_AT:
	case JOB_REVISION:
		return put_own(m, i);
	case JOB_STATUS:
		return merge_status(m);
	case JOB_PROGRESS:
	case JOB_RESULT:
		return merge_object(m, i);
	case JOB_CREATED_AT:
		return merge_time(m, i, m->is_new);
	case JOB_STARTED_AT:
		return merge_time(m, i, m->running);
	case JOB_COMPLETED_AT:
		return merge_time(m, i, m->terminal);
	case JOB_TYPE:
	case JOB_PAYLOAD:
	case JOB_ERROR:
	case JOB_METADATA:
		return merge_value(m, i);
	case JOB_FIELDS:
		break;
	}
	return false;
}

static bool merge_fields(struct merge *m, struct layout *layout)
{
	size_t start = m->out->len;
	for (int i = 0; spec_job_fields[i].name; i++) {
		if (!merge_field(m, (enum job_field)i))
			return false;
		layout->ends[i] = (uint32_t)(m->out->len - start);
	}
	size_t end = m->out->len;
	if (!merge_unknown(m))
		return false;
	layout->regular = m->out->len == end && end - start < UINT32_MAX;
	members_close(m->out, start);
	return true;
}

bool job_merge(struct buf *out, struct layout *layout, const struct record *old, const struct live *live,
               struct span object, const struct scan_outline *outline, struct span id, int64_t now, uint64_t revision,
               struct fault *fault)
{
	struct merge m = {.out = out, .id = id, .now = now, .revision = revision, .is_new = !old, .fault = fault};
	bool read = members_read(TABLE_JOBS, object, outline, &m.sent);
	assert(read);
	if (old)
		record_open(TABLE_JOBS, old, &m.stored);
	if (live)
		m.stored.value[JOB_PROGRESS] = (struct span){live->text, live->len};
	size_t start = out->len;
	if (!merge_fields(&m, layout)) {
		out->len = start;
		return false;
	}
	return true;
}
