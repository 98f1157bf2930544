#include "daemon/run.h"

#include "daemon/members.h"
#include <assert.h>

struct merge {
	struct buf *out;
	struct members stored;
	const struct param *sent; /* by enum of run.create_or_update's parameters */
	struct span id, status;   /* the status after it, without quotes */
	int64_t now;
	uint64_t revision;
	bool is_new;
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

static void put_kind(struct merge *m, const struct param *kind)
{
	if (m->stored.value[RUN_KIND].at || !kind->present)
		members_put(m->out, &spec_run_fields[RUN_KIND], m->stored.value[RUN_KIND]);
	else
		put_string(m->out, RUN_KIND, kind->string);
}

static void put_status(struct merge *m, const struct param *status)
{
	struct span stored = m->stored.value[RUN_STATUS];
	m->status = stored.at ? (struct span){stored.at + 1, stored.len - 2} : SPAN("queued");
	if (status->present) {
		m->status = status->string;
		put_string(m->out, RUN_STATUS, m->status);
	} else {
		members_put(m->out, &spec_run_fields[RUN_STATUS], stored);
	}
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

/* What the server says. */
static void put_own(struct merge *m, enum run_field i)
{
	members_put_name(m->out, &spec_run_fields[i]);
	if (i == RUN_UPDATED_AT)
		stamp_json(m->out, m->now);
	else
		buf_uint(m->out, m->revision);
}

static void put_field(struct merge *m, enum run_field i)
{
	switch (i) {
	case RUN_ID:
		put_string(m->out, RUN_ID, m->id);
		break;
	case RUN_KIND:
		put_kind(m, &m->sent[RUN_SAVE_KIND]);
		break;
	case RUN_STATUS:
		put_status(m, &m->sent[RUN_SAVE_STATUS]);
		break;
	case RUN_CREATED_AT:
		put_time(m, i, m->is_new);
		break;
	case RUN_STARTED_AT:
		put_time(m, i, span_is(m->status, SPAN("running")));
		break;
	case RUN_FINISHED_AT:
		put_time(m, i, spec_status_is_terminal(TABLE_RUNS, m->status));
		break;
	case RUN_REQUEST:
		put_request(m, &m->sent[RUN_SAVE_REQUEST]);
		break;
	case RUN_META:
		put_meta(m, &m->sent[RUN_SAVE_META]);
		break;
	case RUN_ARTIFACT_ID:
		put_value(m, i, &m->sent[RUN_SAVE_ARTIFACT_ID]);
		break;
	case RUN_ERROR:
		put_value(m, i, &m->sent[RUN_SAVE_ERROR]);
		break;
	case RUN_UPDATED_AT:
	case RUN_REVISION:
		put_own(m, i);
		break;
	case RUN_FIELDS:
		break;
	}
}

bool run_merge(struct buf *out, struct layout *layout, const struct record *old, struct span id,
               const struct params *params, int64_t now, uint64_t revision, struct fault *fault)
{
	(void)fault; /* params_read has refused what can be refused */
	struct merge m = {.out = out, .sent = params->at, .id = id, .now = now, .revision = revision, .is_new = !old};
	size_t start = out->len;
	if (old)
		record_open(TABLE_RUNS, old, &m.stored);
	for (int i = 0; spec_run_fields[i].name; i++) {
		put_field(&m, (enum run_field)i);
		layout->ends[i] = (uint32_t)(out->len - start);
	}
	layout->regular = !m.stored.has_unknown && out->len - start < UINT32_MAX;
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
