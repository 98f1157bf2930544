#include "daemon/job.h"
#include "daemon/methods_list.h"
#include "proto/scan.h"
#include <inttypes.h>

static const struct list_places list_places = {
	.table = TABLE_JOBS, .a = JOB_LIST_STATUS, .b = JOB_LIST_TYPE, .after = JOB_LIST_CREATED_AFTER,
	.before = JOB_LIST_CREATED_BEFORE,
	.limit = JOB_LIST_LIMIT, .offset = JOB_LIST_OFFSET, .cursor = JOB_LIST_CURSOR, .fields = JOB_LIST_FIELDS,
	.order = JOB_LIST_ORDER, .group_by = -1,
};
static const struct list_places count_places = {
	.table = TABLE_JOBS, .a = JOB_COUNT_STATUS, .b = JOB_COUNT_TYPE, .after = JOB_COUNT_CREATED_AFTER,
	.before = JOB_COUNT_CREATED_BEFORE, .limit = -1, .offset = -1, .cursor = -1, .fields = -1, .order = -1,
	.group_by = JOB_COUNT_GROUP_BY,
};

/* The client's id, or a new one in `made` where it gave none (null counts as none). */
static bool job_id(const struct params *p, char made[37], struct span *id, struct buf *scratch,
                   struct fault *fault)
{
	struct scan_iter it = scan_members_outlined(p->at[JOB_SAVE_JOB].text, p->outline);
	struct span name, value;
	bool found = false;
	while (!found && scan_next_member(&it, &name, &value))
		found = scan_name_is(name, "id");
	if (!found || scan_kind(value) == SCAN_NULL) {
		ident_uuid4(made);
		*id = span_of(made);
		return true;
	}
	if (scan_string(value, scratch, id) && ident_check(IDENT_JOB, *id))
		return true;
	fault_set(fault, FAULT_INVALID_PARAMS, "job.id must be a string of %s", ident_pattern(IDENT_JOB));
	fault_field(fault, "job.id");
	fault_expected(fault, "a string of %s", ident_pattern(IDENT_JOB));
	fault_hint(fault, "leave it out and one is made");
	return false;
}

enum outcome method_job_save(struct call *c, const struct params *p, struct buf *result, struct fault *fault)
{
	(void)result;
	static struct buf scratch, text;
	struct store *store = c->service->store;
	char made[37];
	struct span id, object = p->at[JOB_SAVE_JOB].text;
	const struct live *live = NULL;
	scratch.len = text.len = 0;
	if (!job_id(p, made, &id, &scratch, fault))
		return OUTCOME_FAILED;
	const struct record *newest = store_latest(store, TABLE_JOBS, id, &live);
	if (!revision_matches(&p->at[JOB_SAVE_IF_REVISION], newest, fault))
		return OUTCOME_FAILED;
	struct layout layout;
	if (!job_merge(&text, &layout, newest, live, object, p->outline, id, store_now(store),
	               store_next_revision(store), fault) ||
	    !record_fits(c, TABLE_JOBS, text.len, fault))
		return OUTCOME_FAILED;
	c->table = TABLE_JOBS;
	c->record = record_ref(store_put_laid(store, TABLE_JOBS, buf_as_span(&text), &layout));
	text.len = 0;
	buf_trim(&text, 1 << 20);
	c->fields = p->at[JOB_SAVE_FIELDS].present ? p->at[JOB_SAVE_FIELDS].fields : RECORD_ALL;
	return call_wait(c, finish_record);
}

enum outcome method_job_get(struct call *c, const struct params *p, struct buf *result, struct fault *fault)
{
	const struct param *fields = &p->at[JOB_GET_FIELDS];
	return get_record(c, TABLE_JOBS, &p->at[JOB_GET_ID], fields->present ? fields->fields : RECORD_ALL,
	                  result, fault);
}

enum outcome method_job_list(struct call *c, const struct params *p, struct buf *result, struct fault *fault)
{
	return list_records(c, p, &list_places, result, fault);
}

enum outcome method_job_count(struct call *c, const struct params *p, struct buf *result, struct fault *fault)
{
	return count_records(c, p, &count_places, result, fault);
}

enum outcome method_job_update_progress(struct call *c, const struct params *p, struct buf *result,
                                        struct fault *fault)
{
	const struct param *id = &p->at[JOB_UPDATE_PROGRESS_ID];
	double percentage;
	if (p->at[JOB_UPDATE_PROGRESS_PROGRESS].text.len > progress_limit(c->service)) {
		fault_set(fault, FAULT_TOO_LARGE, "progress is larger than %" PRIu64 " bytes",
		          progress_limit(c->service));
		fault_field(fault, "progress.message");
		fault_expected(fault, "a short text for people");
		fault_hint(fault, "large results belong into the job's result or into artifacts");
		return OUTCOME_FAILED;
	}
	/* Whoever has not deleted the job on this very connection still sees it,
	 * until the deletion is durable. */
	if (!store_set_progress(c->service->store, id->string, p->at[JOB_UPDATE_PROGRESS_PROGRESS].text, p->outline,
	                        !call_has_own_pending(c), &percentage))
		return record_not_found(TABLE_JOBS, "id", fault);
	if (c->notification)
		return OUTCOME_DONE;
	buf_text(result, "{\"id\":");
	buf_string(result, id->string);
	buf_text(result, ",\"percentage\":");
	buf_real(result, percentage);
	buf_char(result, '}');
	return OUTCOME_DONE;
}

/* ---- removals, in commits of bounded size */

static enum outcome stopped_between(struct call *c, struct fault *fault)
{
	fault_set(fault, FAULT_SHUTTING_DOWN, "the daemon is stopping; %" PRId64 " records had been removed",
	          c->removed);
	fault_hint(fault, "send the call again when it has been started again");
	fault->removed = c->removed;
	return OUTCOME_FAILED;
}

static enum outcome delete_more(struct call *c, struct buf *result, struct fault *fault);

/* c->text holds the ids, NUL-terminated each; c->place is where to go on;
 * c->step_removed counts what is not durable yet. */
static enum outcome delete_step(struct call *c, struct buf *result, struct fault *fault)
{
	struct store *store = c->service->store;
	int removed = 0;
	for (int looked = 0; c->place < c->text.len && removed < BULK_STEP && looked < BULK_LOOKS; looked++) {
		struct span id = span_of(c->text.at + c->place);
		c->place += id.len + 1;
		if (store_latest(store, TABLE_JOBS, id, NULL)) {
			store_remove(store, TABLE_JOBS, id);
			removed++;
		}
	}
	if (!removed && c->place >= c->text.len)
		return finish_removed(c, result, fault);
	c->step_removed = removed;
	return call_wait(c, delete_more);
}

static enum outcome delete_more(struct call *c, struct buf *result, struct fault *fault)
{
	c->removed += c->step_removed;
	if (c->place >= c->text.len)
		return finish_removed(c, result, fault);
	if (c->service->stopping)
		return stopped_between(c, fault);
	return delete_step(c, result, fault);
}

enum outcome method_job_delete(struct call *c, const struct params *p, struct buf *result,
                               struct fault *fault)
{
	c->removed = 0;
	c->place = c->text.len = 0;
	if (p->at[JOB_DELETE_ID].present) {
		buf_span(&c->text, p->at[JOB_DELETE_ID].string);
		buf_char(&c->text, '\0');
	} else {
		struct span value, id;
		struct buf scratch = {0};
		for (struct scan_iter it = scan_elements(p->at[JOB_DELETE_IDS].text);
		     scan_next_element(&it, &value);) {
			scratch.len = 0;
			if (scan_string(value, &scratch, &id))
				buf_span(&c->text, id);
			buf_char(&c->text, '\0');
		}
		buf_free(&scratch);
	}
	enum outcome outcome = delete_step(c, result, fault);
	if (c->place < c->text.len)
		call_hold_connection(c);
	return outcome;
}

/* ---- cleanup */

static enum outcome cleanup_more(struct call *c, struct buf *result, struct fault *fault);

static enum outcome cleanup_step(struct call *c, struct buf *result, struct fault *fault)
{
	struct store *store = c->service->store;
	const struct table *table = store_table(store, TABLE_JOBS);
	uint32_t count = table_ended_count(table, c->cutoff);
	uint32_t place = 0;
	int removed = 0;
	for (; place < count && removed < BULK_STEP && place < 2 * BULK_STEP; place++) {
		const struct entry *entry = table_entry(table, table_ended_at(table, place));
		if (entry->pending) /* somebody is changing it: what it becomes is judged another time */
			continue;
		store_remove(store, TABLE_JOBS, record_id(entry->record));
		removed++;
	}
	c->flag = place < count; /* there may be more */
	if (!removed && !c->flag)
		return finish_removed(c, result, fault);
	c->step_removed = removed;
	return call_wait(c, cleanup_more);
}

static enum outcome cleanup_more(struct call *c, struct buf *result, struct fault *fault)
{
	c->removed += c->step_removed;
	if (c->service->stopping && c->flag)
		return stopped_between(c, fault);
	return c->flag ? cleanup_step(c, result, fault) : finish_removed(c, result, fault);
}

enum { DRY_RUN_IDS = 10000 };

static enum outcome cleanup_dry_run(struct call *c, struct buf *result)
{
	const struct table *table = store_table(c->service->store, TABLE_JOBS);
	uint32_t count = table_ended_count(table, c->cutoff);
	buf_printf(result, "{\"removed\":%" PRIu32 ",\"ids\":[", count);
	for (uint32_t i = 0; i < count && i < DRY_RUN_IDS; i++) {
		if (i)
			buf_char(result, ',');
		buf_string(result, record_id(table_entry(table, table_ended_at(table, i))->record));
	}
	buf_text(result, "]}");
	return OUTCOME_DONE;
}

enum outcome method_job_cleanup(struct call *c, const struct params *p, struct buf *result,
                                struct fault *fault)
{
	double days = p->at[JOB_CLEANUP_DAYS].present ? p->at[JOB_CLEANUP_DAYS].real : 30;
	double age = days * 86400e6;
	int64_t now = store_now(c->service->store);
	c->cutoff = age < (double)now ? now - (int64_t)age : INT64_MIN + 1;
	c->removed = 0;
	if (p->at[JOB_CLEANUP_DRY_RUN].present && p->at[JOB_CLEANUP_DRY_RUN].flag)
		return cleanup_dry_run(c, result);
	enum outcome outcome = cleanup_step(c, result, fault);
	if (outcome == OUTCOME_PENDING)
		call_hold_connection(c);
	return outcome;
}
