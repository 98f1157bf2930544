#include "daemon/run.h"

#include "daemon/members.h"
#include <assert.h>

struct merge {
	struct buf *out;
	struct members stored;
	int64_t now;
};

static void put_string(struct buf *out, enum run_field i, struct span text)
{
	members_put_name(out, &spec_run_fields[i]);
	buf_string(out, text);
}

static void put_time(struct merge *m, enum run_field i, bool due)
{
	struct span stored = m->stored.value[i];
	if (!due || (stored.at && scan_kind(stored) != SCAN_NULL)) {
		members_put(m->out, &spec_run_fields[i], stored);
		return;
	}
	members_put_name(m->out, &spec_run_fields[i]);
	stamp_json(m->out, m->now);
}

static void put_id_and_kind(struct merge *m, struct span id, const struct param *kind)
{
	put_string(m->out, RUN_ID, id);
	if (m->stored.value[RUN_KIND].at || !kind->present)
		members_put(m->out, &spec_run_fields[RUN_KIND], m->stored.value[RUN_KIND]);
	else
		put_string(m->out, RUN_KIND, kind->string);
}

static void put_status_and_times(struct merge *m, const struct param *status, bool is_new)
{
	struct span stored = m->stored.value[RUN_STATUS];
	struct span now_is = stored.at ? (struct span){stored.at + 1, stored.len - 2} : SPAN("queued");
	if (status->present) {
		now_is = status->string;
		put_string(m->out, RUN_STATUS, now_is);
	} else {
		members_put(m->out, &spec_run_fields[RUN_STATUS], stored);
	}
	put_time(m, RUN_CREATED_AT, is_new);
	members_put_name(m->out, &spec_run_fields[RUN_UPDATED_AT]);
	stamp_json(m->out, m->now);
	put_time(m, RUN_STARTED_AT, span_is(now_is, SPAN("running")));
	put_time(m, RUN_FINISHED_AT, spec_status_is_terminal(TABLE_RUNS, now_is));
}

static void put_value(struct merge *m, enum run_field i, const struct param *sent)
{
	if (!sent->present) {
		members_put(m->out, &spec_run_fields[i], m->stored.value[i]);
		return;
	}
	members_put_name(m->out, &spec_run_fields[i]);
	scan_canonical(m->out, sent->text);
}

static bool is_empty_object(struct span object)
{
	struct scan_iter it = scan_members(object);
	struct span name, value;
	return !scan_next_member(&it, &name, &value);
}

static void put_request(struct merge *m, const struct param *sent)
{
	struct param kept = {0};
	put_value(m, RUN_REQUEST, sent->present && is_empty_object(sent->text) ? &kept : sent);
}

static void put_meta(struct merge *m, const struct param *sent)
{
	struct span stored = m->stored.value[RUN_META];
	if (!sent->present || is_empty_object(sent->text)) {
		members_put(m->out, &spec_run_fields[RUN_META], stored);
		return;
	}
	if (!stored.at || scan_kind(stored) != SCAN_OBJECT || stored.len == 2) {
		put_value(m, RUN_META, sent);
		return;
	}
	__attribute__((cleanup(buf_free))) struct buf canonical = {0};
	scan_canonical(&canonical, sent->text);
	members_put_name(m->out, &spec_run_fields[RUN_META]);
	members_overlay(m->out, stored, buf_as_span(&canonical));
}

bool run_merge(struct buf *out, const struct record *old, struct span id, const struct params *params,
               int64_t now, uint64_t revision, struct fault *fault)
{
	(void)fault; /* params_read has refused what can be refused */
	struct merge m = {.out = out, .now = now};
	const struct param *sent = params->at;
	size_t start = out->len;
	if (old) {
		record_open(TABLE_RUNS, old, &m.stored);
	}
	put_id_and_kind(&m, id, &sent[RUN_SAVE_KIND]);
	put_status_and_times(&m, &sent[RUN_SAVE_STATUS], !old);
	put_request(&m, &sent[RUN_SAVE_REQUEST]);
	put_meta(&m, &sent[RUN_SAVE_META]);
	put_value(&m, RUN_ARTIFACT_ID, &sent[RUN_SAVE_ARTIFACT_ID]);
	put_value(&m, RUN_ERROR, &sent[RUN_SAVE_ERROR]);
	members_put_name(out, &spec_run_fields[RUN_REVISION]);
	buf_uint(out, revision);
	members_put_unknown(out, TABLE_RUNS, &m.stored);
	members_close(out, start);
	return true;
}

void run_link(struct buf *out, const struct record *old, struct span artifact_id, int64_t now,
              uint64_t revision)
{
	size_t start = out->len;
	struct members stored;
	record_open(TABLE_RUNS, old, &stored);
	for (int i = 0; spec_run_fields[i].name; i++) {
		if (i == RUN_ARTIFACT_ID) {
			put_string(out, RUN_ARTIFACT_ID, artifact_id);
			continue;
		}
		if (i != RUN_UPDATED_AT && i != RUN_REVISION) {
			members_put(out, &spec_run_fields[i], stored.value[i]);
			continue;
		}
		members_put_name(out, &spec_run_fields[i]);
		if (i == RUN_UPDATED_AT)
			stamp_json(out, now);
		else
			buf_uint(out, revision);
	}
	members_put_unknown(out, TABLE_RUNS, &stored);
	members_close(out, start);
}
