#include "daemon/methods_list.h"
#include "daemon/run.h"
#include "proto/scan.h"
#include <inttypes.h>

static const struct list_places list_places = {
	.table = TABLE_RUNS, .a = RUN_LIST_STATUS, .b = RUN_LIST_KIND, .after = RUN_LIST_UPDATED_AFTER,
	.before = RUN_LIST_UPDATED_BEFORE,
	.limit = RUN_LIST_LIMIT, .offset = RUN_LIST_OFFSET, .cursor = RUN_LIST_CURSOR, .fields = RUN_LIST_FIELDS,
	.order = RUN_LIST_ORDER, .group_by = -1,
};
static const struct list_places count_places = {
	.table = TABLE_RUNS, .a = RUN_COUNT_STATUS, .b = RUN_COUNT_KIND, .after = RUN_COUNT_UPDATED_AFTER,
	.before = RUN_COUNT_UPDATED_BEFORE, .limit = -1, .offset = -1, .cursor = -1, .fields = -1, .order = -1,
	.group_by = RUN_COUNT_GROUP_BY,
};

static struct span run_id(const struct params *p, struct buf *made)
{
	if (p->at[RUN_SAVE_RUN_ID].present)
		return p->at[RUN_SAVE_RUN_ID].string;
	char hex[13];
	ident_hex(hex, 12);
	made->len = 0;
	buf_span(made, p->at[RUN_SAVE_KIND].string);
	buf_char(made, '_');
	buf_text(made, hex);
	return buf_as_span(made);
}

enum outcome method_run_create_or_update(struct call *c, const struct params *p, struct buf *result,
                                         struct fault *fault)
{
	(void)result;
	static struct buf text, made;
	struct store *store = c->service->store;
	struct span id = run_id(p, &made);
	const struct record *newest = store_latest(store, TABLE_RUNS, id, NULL);
	struct layout layout;
	text.len = 0;
	if (!revision_matches(&p->at[RUN_SAVE_IF_REVISION], newest, fault))
		return OUTCOME_FAILED;
	if (!run_merge(&text, &layout, newest, id, p, store_now(store), store_next_revision(store), fault) ||
	    !record_fits(c, TABLE_RUNS, text.len, fault))
		return OUTCOME_FAILED;
	c->table = TABLE_RUNS;
	c->record = record_ref(store_put_laid(store, TABLE_RUNS, buf_as_span(&text), &layout));
	text.len = 0;
	buf_trim(&text, 1 << 20);
	c->fields = p->at[RUN_SAVE_FIELDS].present ? p->at[RUN_SAVE_FIELDS].fields : RECORD_ALL;
	return call_wait(c, finish_record);
}

enum outcome method_run_get(struct call *c, const struct params *p, struct buf *result, struct fault *fault)
{
	const struct param *fields = &p->at[RUN_GET_FIELDS];
	return get_record(c, TABLE_RUNS, &p->at[RUN_GET_RUN_ID], fields->present ? fields->fields : RECORD_ALL,
	                  result, fault);
}

enum outcome method_run_list(struct call *c, const struct params *p, struct buf *result, struct fault *fault)
{
	return list_records(c, p, &list_places, result, fault);
}

enum outcome method_run_count(struct call *c, const struct params *p, struct buf *result, struct fault *fault)
{
	return count_records(c, p, &count_places, result, fault);
}

enum outcome method_run_find_by_meta(struct call *c, const struct params *p, struct buf *result,
                                     struct fault *fault)
{
	const struct table *table = store_table(c->service->store, TABLE_RUNS);
	const struct param *fields = &p->at[RUN_FIND_FIELDS];
	struct buf scratch = {0};
	struct span raw = p->at[RUN_FIND_VALUE].text, value;
	if (scan_kind(raw) != SCAN_STRING || !scan_string(raw, &scratch, &value)) {
		scan_canonical(&scratch, raw);
		value = buf_as_span(&scratch);
	}
	uint32_t e = table_find_meta(table, p->at[RUN_FIND_KEY].string, value);
	buf_free(&scratch);
	if (!e) {
		fault_set(fault, FAULT_NOT_FOUND, "no run has this value under this key of its meta");
		fault_field(fault, "value");
		fault_expected(fault, "the text of a value that some run's meta has");
		return OUTCOME_FAILED;
	}
	record_send(result, TABLE_RUNS, table_entry(table, e)->record, NULL,
	            fields->present ? fields->fields : RECORD_ALL, NULL);
	return OUTCOME_DONE;
}

/* ---- delete: the run with its artifacts; a run of very many goes in several commits,
 * the run itself in the last */

static enum outcome delete_more(struct call *c, struct buf *result, struct fault *fault);

static enum outcome delete_step(struct call *c, struct buf *result, struct fault *fault)
{
	struct store *store = c->service->store;
	struct span id = buf_as_span(&c->text);
	size_t found = 0;
	if (!store_latest(store, TABLE_RUNS, id, NULL)) {
		c->removed = 0;
		return finish_removed(c, result, fault);
	}
	if (!c->flag) {
		struct buf ids = {0};
		found = store_artifacts_of(store, id, BULK_STEP, &ids);
		for (size_t at = 0; at < ids.len; at += strlen(ids.at + at) + 1)
			store_remove(store, TABLE_ARTIFACTS, span_of(ids.at + at));
		buf_free(&ids);
	}
	c->step_removed = found < BULK_STEP;
	if (c->step_removed)
		store_remove(store, TABLE_RUNS, id);
	return call_wait(c, delete_more);
}

static enum outcome delete_more(struct call *c, struct buf *result, struct fault *fault)
{
	c->removed = c->step_removed;
	if (c->removed)
		return finish_removed(c, result, fault);
	if (c->service->stopping) {
		fault_set(fault, FAULT_SHUTTING_DOWN,
		          "the daemon is stopping; some of the run's artifacts are removed, the run is not");
		fault_hint(fault, "send the call again when it has been started again");
		return OUTCOME_FAILED;
	}
	return delete_step(c, result, fault);
}

enum outcome method_run_delete(struct call *c, const struct params *p, struct buf *result,
                               struct fault *fault)
{
	c->text.len = 0;
	c->removed = 0;
	buf_span(&c->text, p->at[RUN_DELETE_RUN_ID].string);
	c->flag = p->at[RUN_DELETE_KEEP_ARTIFACTS].present && p->at[RUN_DELETE_KEEP_ARTIFACTS].flag;
	enum outcome outcome = delete_step(c, result, fault);
	if (outcome == OUTCOME_PENDING && !c->step_removed)
		call_hold_connection(c);
	return outcome;
}
