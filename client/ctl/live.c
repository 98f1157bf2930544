#include "client/ctl/live.h"
#include "client/ctl/age.h"
#include "client/ctl/cell.h"
#include "client/persist.h"
#include "proto/scan.h"
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define OWNED_BUF __attribute__((cleanup(buf_free))) struct buf
/* With the beginning of an id typed, older ones are looked through as well. */
enum { LOOKED_THROUGH_PAGE = 1000, LOOKED_THROUGH_PAGES = 20 };

/* How each kind of record is asked for, and what is shown beside an id: "running backtest, 2 h ago". */
static const struct asking {
	const char *list, *records;
	const char *fields;      /* JSON; NULL: the list takes none */
	const char *first, *between, *second, *time;
	const char *group;       /* the field whose values live_groups gives */
	const char *count;       /* NULL: nobody counts them */
	const char *one, *many;
	enum ident id;
} askings[TABLE_COUNT] = {
	[TABLE_JOBS] = {
		.list = "job.list", .records = "jobs", .fields = "[\"id\",\"type\",\"status\",\"created_at\"]",
		.first = "status", .between = " ", .second = "type", .time = "created_at",
		.group = "type", .count = "job.count", .one = "job", .many = "jobs", .id = IDENT_JOB,
	},
	[TABLE_RUNS] = {
		.list = "run.list", .records = "runs", .fields = "[\"id\",\"kind\",\"status\",\"updated_at\"]",
		.first = "status", .between = " ", .second = "kind", .time = "updated_at",
		.group = "kind", .count = "run.count", .one = "run", .many = "runs", .id = IDENT_RUN,
	},
	[TABLE_ARTIFACTS] = {
		.list = "artifact.list", .records = "artifacts",
		.first = "kind", .between = " of ", .second = "run_id", .time = "created_at",
		.group = "kind", .id = IDENT_ARTIFACT,
	},
};

/* Types, and kinds as they are kept, are of the same letters. */
static const enum ident group_ident = IDENT_JOB_TYPE;

struct live {
	persist_client *client;
	int64_t deadline; /* of the monotonic clock, milliseconds */
};

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

static struct live begin(const char *socket)
{
	struct live l = {persist_open(socket), now() + LIVE_TIME};

	persist_set_patience(l.client, 0);
	return l;
}

/* NULL: no answer. Owned: persist_result_free(). */
static persist_result *ask(const struct live *l, const char *method, const struct buf *params)
{
	int64_t left = l->deadline - now();
	persist_result *result = NULL;

	if (left <= 0)
		return NULL;
	persist_set_timeout(l->client, (int)left);
	persist_call(l->client, method, persist_text_n(params->at, params->len), &result, NULL);
	return result;
}

static void add_member(struct buf *about, struct span record, const char *name)
{
	OWNED_BUF scratch = {0};
	struct span value, text;

	if (scan_member(record, name, &value) && scan_string(value, &scratch, &text))
		buf_span(about, text);
}

static void add_record(struct candidates *c, const struct asking *a, const struct screen *s,
                       struct span record)
{
	OWNED_BUF scratch = {0}, about = {0};
	struct span value, id;
	int64_t time;

	if (!scan_member(record, "id", &value) || !scan_string(value, &scratch, &id) || !ident_check(a->id, id) ||
	    !candidates_want(c, id))
		return;
	add_member(&about, record, a->first);
	buf_text(&about, a->between);
	add_member(&about, record, a->second);
	if (cell_time(record, a->time, &time)) {
		buf_text(&about, ", ");
		age_show(&about, s, time);
	}
	candidates_add(c, id, buf_as_span(&about));
}

/* The cursor of the next page, as JSON; false: there is no more. */
static bool add_page(struct candidates *c, const struct asking *a, const struct screen *s, struct span page,
                     struct buf *cursor)
{
	struct span records, record, next;

	if (!scan_member(page, a->records, &records))
		return false;
	for (struct scan_iter it = scan_elements(records); scan_next_element(&it, &record);)
		if (c->count < LIVE_MOST)
			add_record(c, a, s, record);
	cursor->len = 0;
	if (!scan_member(page, "next_cursor", &next) || scan_kind(next) != SCAN_STRING)
		return false;
	buf_span(cursor, next);
	return true;
}

static void page_params(struct buf *params, const struct asking *a, int limit, const struct buf *cursor)
{
	buf_printf(params, "{\"limit\":%d", limit);
	if (a->fields)
		buf_printf(params, ",\"fields\":%s", a->fields);
	if (cursor->len > 0)
		buf_printf(params, ",\"cursor\":%.*s", (int)cursor->len, cursor->at);
	buf_char(params, '}');
}

void live_ids(struct candidates *c, const char *socket, enum table_id table)
{
	const struct asking *a = &askings[table];
	bool any = c->typed.len == 0;
	int pages = any ? 1 : LOOKED_THROUGH_PAGES, limit = any ? LIVE_MOST : LOOKED_THROUGH_PAGE;
	struct live l = begin(socket);
	struct screen screen;
	OWNED_BUF cursor = {0};
	bool more = true;

	screen_init(&screen, STDOUT_FILENO, NULL);
	for (int p = 0; p < pages && more && c->count < LIVE_MOST; p++) {
		OWNED_BUF params = {0};
		page_params(&params, a, limit, &cursor);
		persist_result *page = ask(&l, a->list, &params);
		struct span text = {0};
		if (page)
			text.at = persist_result_text(page, &text.len);
		more = page && add_page(c, a, &screen, text, &cursor);
		persist_result_free(page);
	}
	persist_close(l.client);
}

static void add_groups(struct candidates *c, const struct asking *a, struct span result)
{
	struct span groups, name, value;

	if (!scan_member(result, "groups", &groups))
		return;
	for (struct scan_iter it = scan_members(groups); scan_next_member(&it, &name, &value);) {
		OWNED_BUF about = {0};
		buf_printf(&about, "%.*s %s", (int)value.len, value.at, span_is(value, SPAN("1")) ? a->one : a->many);
		if (ident_check(group_ident, name))
			candidates_add(c, name, buf_as_span(&about));
	}
}

/* Of records that nobody counts, those that the newest have. */
static void add_groups_seen(struct candidates *c, const struct asking *a, struct span page)
{
	struct span records, record;

	if (!scan_member(page, a->records, &records))
		return;
	for (struct scan_iter it = scan_elements(records); scan_next_element(&it, &record);) {
		OWNED_BUF group = {0};
		add_member(&group, record, a->group);
		if (group.len > 0 && ident_check(group_ident, buf_as_span(&group)))
			candidates_add(c, buf_as_span(&group), (struct span){0});
	}
}

void live_groups(struct candidates *c, const char *socket, enum table_id table)
{
	const struct asking *a = &askings[table];
	struct live l = begin(socket);
	OWNED_BUF params = {0};

	if (a->count)
		buf_printf(&params, "{\"group_by\":\"%s\"}", a->group);
	else
		buf_printf(&params, "{\"limit\":%d}", LOOKED_THROUGH_PAGE);
	persist_result *result = ask(&l, a->count ? a->count : a->list, &params);
	struct span text = {0};
	if (result)
		text.at = persist_result_text(result, &text.len);
	if (text.at)
		(a->count ? add_groups : add_groups_seen)(c, a, text);
	persist_result_free(result);
	persist_close(l.client);
}
