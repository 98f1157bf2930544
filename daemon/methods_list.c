#include "daemon/methods_list.h"
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

/* ---- cursors: the order, the time and the id of the last record of a page, in the clear:
 * "t.1790000000000000.<id>", "i.<id>" */

static void cursor_write(struct buf *out, const struct selection *s, int64_t time, struct span id)
{
	buf_text(out, s->by_id ? "\"i." : "\"t.");
	if (!s->by_id) {
		buf_int(out, time == STAMP_NONE ? INT64_MIN : time);
		buf_char(out, '.');
	}
	buf_span(out, id);
	buf_char(out, '"');
}

static bool read_number(struct span *rest, int64_t *number)
{
	char digits[24], *end;
	size_t len = 0;
	while (len < rest->len && len < sizeof digits - 1 && rest->at[len] != '.')
		len++;
	if (len == 0 || len == rest->len || rest->at[len] != '.')
		return false;
	memcpy(digits, rest->at, len);
	digits[len] = '\0';
	*number = strtoll(digits, &end, 10);
	rest->at += len + 1;
	rest->len -= len + 1;
	return *end == '\0';
}

static bool cursor_read(enum table_id t, struct span text, const struct selection *s,
                        struct position *position, struct fault *fault)
{
	static const enum ident idents[TABLE_COUNT] = {IDENT_JOB, IDENT_RUN, IDENT_ARTIFACT};
	const char wanted = s->by_id ? 'i' : 't';
	bool good = text.len > 2 && text.at[1] == '.' && text.at[0] == wanted;
	struct span rest = {text.at + 2, text.len > 2 ? text.len - 2 : 0};
	good = good && (s->by_id || read_number(&rest, &position->time)) && ident_check(idents[t], rest);
	position->id = rest;
	if (good)
		return true;
	fault_set(fault, FAULT_INVALID_PARAMS, "cursor is not a next_cursor of this list in this order");
	fault_field(fault, "cursor");
	fault_expected(fault, "the next_cursor of an earlier page, unchanged, with the same order");
	return false;
}

/* ---- selections */

static const struct param *param_at(const struct params *p, int place)
{
	static const struct param absent;
	return place < 0 ? &absent : &p->at[place];
}

static struct selection selection_of(const struct params *p, const struct list_places *at)
{
	const struct param *a = param_at(p, at->a), *b = param_at(p, at->b), *order = param_at(p, at->order);
	const struct param *after = param_at(p, at->after), *before = param_at(p, at->before);
	return (struct selection){
		.by_id = order->present && order->choice == 1,
		.a = a->present ? a->list : NULL,
		.a_count = a->present ? a->list_count : 0,
		.b = b->present ? b->list : NULL,
		.b_count = b->present ? b->list_count : 0,
		.after = after->present ? after->whole : STAMP_NONE,
		.before = before->present ? before->whole : STAMP_NONE,
	};
}

static const struct live *live_of(enum table_id t, const struct entry *e)
{
	return t == TABLE_JOBS ? e->live : NULL;
}

enum outcome list_records(struct call *c, const struct params *p, const struct list_places *at,
                          struct buf *result, struct fault *fault)
{
	const struct table *table = store_table(c->service->store, at->table);
	const struct selection s = selection_of(p, at);
	const struct param *cursor = param_at(p, at->cursor), *offset = param_at(p, at->offset),
	                   *limit = param_at(p, at->limit);
	const struct param *fields = param_at(p, at->fields);
	struct position behind;
	if (cursor->present && !cursor_read(at->table, cursor->string, &s, &behind, fault))
		return OUTCOME_FAILED;

	size_t from = result->len;
	buf_text(result, "{\"");
	buf_text(result, spec_table_name(at->table));
	buf_text(result, "\":[");
	struct page *page = page_open(table, &s, offset->present ? (uint64_t)offset->whole : 0,
	                              cursor->present ? &behind : NULL);
	int64_t wanted = limit->present ? limit->whole : 100;
	const struct entry *last = NULL;
	uint32_t e = page_next(page);
	for (int64_t i = 0; e && i < wanted; i++, e = page_next(page)) {
		const struct entry *entry = table_entry(table, e);
		size_t before = result->len;
		if (i)
			buf_char(result, ',');
		record_send(result, at->table, entry->record, live_of(at->table, entry),
		            fields->present ? fields->fields : RECORD_ALL, c->service->dirs->artifacts_path);
		/* a page ends before the limit when its bytes fill it, but never empty */
		if (i && result->len - from > c->service->limits.page) {
			result->len = before;
			break;
		}
		last = entry;
	}
	page_close(page);
	buf_text(result, "],\"total\":");
	buf_uint(result, table_total(table, &s));
	buf_text(result, ",\"next_cursor\":");
	if (e && last)
		cursor_write(result, &s, last->time, record_id(last->record));
	else
		buf_text(result, "null");
	buf_char(result, '}');
	return OUTCOME_DONE;
}

struct groups {
	struct buf *out;
	bool any;
};

static void write_group(void *context, struct span value, uint64_t count)
{
	struct groups *g = context;
	if (g->any)
		buf_char(g->out, ',');
	g->any = true;
	buf_string(g->out, value);
	buf_char(g->out, ':');
	buf_uint(g->out, count);
}

enum outcome count_records(struct call *c, const struct params *p, const struct list_places *at,
                           struct buf *result, struct fault *fault)
{
	(void)fault;
	const struct table *table = store_table(c->service->store, at->table);
	const struct selection s = selection_of(p, at);
	const struct param *group_by = param_at(p, at->group_by);
	buf_printf(result, "{\"total\":%" PRIu64, table_total(table, &s));
	if (group_by->present) {
		struct groups g = {.out = result};
		buf_text(result, ",\"groups\":{");
		table_groups(table, &s, group_by->choice == 1, write_group, &g);
		buf_char(result, '}');
	}
	buf_char(result, '}');
	return OUTCOME_DONE;
}

/* ---- single records */

enum outcome record_not_found(enum table_id t, const char *parameter, struct fault *fault)
{
	fault_set(fault, FAULT_NOT_FOUND, "there is no %s with this %s", spec_record_name(t), parameter);
	fault_field(fault, parameter);
	fault_expected(fault, "the id of an existing %s", spec_record_name(t));
	return OUTCOME_FAILED;
}

enum outcome get_record(struct call *c, enum table_id t, const struct param *id, uint32_t fields,
                        struct buf *result, struct fault *fault)
{
	const struct live *live = NULL;
	const struct record *r = store_get(c->service->store, t, id->string, &live);
	if (!r)
		return record_not_found(t, t == TABLE_RUNS ? "run_id" : "id", fault);
	record_send(result, t, r, t == TABLE_JOBS ? live : NULL, fields, c->service->dirs->artifacts_path);
	return OUTCOME_DONE;
}

enum outcome finish_record(struct call *c, struct buf *result, struct fault *fault)
{
	(void)fault;
	/* progress that came while the record was being committed is part of what is stored now */
	const struct live *live = NULL;
	if (c->table == TABLE_JOBS &&
	    store_get(c->service->store, TABLE_JOBS, record_id(c->record), &live) != c->record)
		live = NULL;
	record_send(result, c->table, c->record, live, c->fields, c->service->dirs->artifacts_path);
	return OUTCOME_DONE;
}

enum outcome finish_removed(struct call *c, struct buf *result, struct fault *fault)
{
	(void)fault;
	buf_printf(result, "{\"removed\":%" PRId64 "}", c->removed);
	return OUTCOME_DONE;
}

bool revision_matches(const struct param *if_revision, const struct record *newest, struct fault *fault)
{
	uint64_t have = newest ? newest->revision : 0;
	if (!if_revision->present || (uint64_t)if_revision->whole == have)
		return true;
	if (!newest)
		fault_set(fault, FAULT_CONFLICT, "the record does not exist, and if_revision is %" PRId64,
		          if_revision->whole);
	else if (if_revision->whole == 0)
		fault_set(fault, FAULT_CONFLICT,
		          "the record exists already, at revision %" PRIu64 ", and if_revision is 0", have);
	else
		fault_set(fault, FAULT_CONFLICT, "the record is at revision %" PRIu64 ", not at %" PRId64, have,
		          if_revision->whole);
	fault_field(fault, "if_revision");
	fault_expected(fault, newest ? "%" PRIu64 : "0, as there is no such record", have);
	fault_hint(fault, "get the record, make the change anew on what it is now, and send its revision");
	return false;
}

uint64_t progress_limit(const struct service *s)
{
	uint64_t share = s->limits.reply / 8;
	return share < PROGRESS_MAX ? share : PROGRESS_MAX;
}

bool record_fits(struct call *c, enum table_id t, size_t bytes, struct fault *fault)
{
	/* room for the envelope and the id, and for live progress as large as it may be */
	uint64_t limit = c->service->limits.reply - 2 * progress_limit(c->service);
	if (bytes <= limit)
		return true;
	fault_set(fault, FAULT_TOO_LARGE, "the %s would be %zu bytes as stored, the limit is %" PRIu64,
	          spec_record_name(t), bytes, limit);
	fault_field(fault, spec_record_name(t));
	fault_expected(fault, "at most %" PRIu64 " bytes", limit);
	fault_hint(fault, "large results belong into artifacts");
	return false;
}
