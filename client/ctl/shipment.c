#include "client/ctl/shipment.h"
#include "client/ctl/complain.h"
#include "proto/mem.h"
#include "proto/scan.h"
#include <stdio.h>
#include <stdlib.h>

/* A payload costs the daemon a file and an fsync, so that few fill a call. */
enum { CALL_BYTES = 1 << 20, CALL_RECORDS = 1000, CALL_PAYLOADS = 64, ENVELOPE_BYTES = 512 };

struct shipment_call {
	struct buf lists[TABLE_COUNT]; /* elements with commas between */
	struct buf params;
	struct buf places[TABLE_COUNT]; /* struct place, one a record */
	size_t sent[TABLE_COUNT], records, payloads;
	persist_pending *asked;  /* replacing: how many are new, asked before they are sent; else NULL */
	persist_pending *sending;
};

size_t shipment_room(const struct shipment *s)
{
	return s->line_max > ENVELOPE_BYTES ? s->line_max - ENVELOPE_BYTES : 0;
}

static void call_free(struct shipment_call *c)
{
	for (int t = 0; t < TABLE_COUNT; t++) {
		buf_free(&c->lists[t]);
		buf_free(&c->places[t]);
	}
	buf_free(&c->params);
	free(c);
}

static size_t call_bytes(const struct shipment_call *c)
{
	return c->lists[TABLE_JOBS].len + c->lists[TABLE_RUNS].len + c->lists[TABLE_ARTIFACTS].len;
}

static bool is_full(const struct shipment *s, size_t more)
{
	const struct shipment_call *c = s->filling;
	size_t room = shipment_room(s);

	return c->records > 0 && (c->records == CALL_RECORDS || c->payloads == CALL_PAYLOADS ||
	                          call_bytes(c) + c->records + more > (room < CALL_BYTES ? room : CALL_BYTES));
}

static void write_params(struct shipment_call *c, bool replace, bool dry_run)
{
	c->params.len = 0;
	buf_printf(&c->params, "{\"mode\":\"%s\",\"dry_run\":%s", replace ? "replace" : "skip",
	           dry_run ? "true" : "false");
	for (int t = 0; t < TABLE_COUNT; t++) {
		if (c->sent[t] == 0)
			continue;
		buf_printf(&c->params, ",\"%s\":[", spec_table_name((enum table_id)t));
		buf_span(&c->params, buf_as_span(&c->lists[t]));
		buf_char(&c->params, ']');
	}
	buf_char(&c->params, '}');
}

/* ---- answers */

/* Where the record stands that the error's field, "jobs[3].status", is about. NULL: it is about none. */
static const struct place *place_of(const struct shipment_call *c, const char *field, enum table_id *t,
                                    size_t *n)
{
	for (int i = 0; i < TABLE_COUNT; i++) {
		const char *table = spec_table_name((enum table_id)i);
		size_t len = strlen(table);
		if (strncmp(field, table, len) != 0 || field[len] != '[')
			continue;
		*t = (enum table_id)i;
		*n = strtoul(field + len + 1, NULL, 10);
		return *n < c->sent[i] ? (const struct place *)c->places[i].at + *n : NULL;
	}
	return NULL;
}

static struct span id_of(const struct shipment_call *c, enum table_id t, size_t n)
{
	__attribute__((cleanup(buf_free))) struct buf list = {0};
	struct span element, id = {0};

	buf_printf(&list, "[%.*s]", (int)c->lists[t].len, c->lists[t].at);
	struct scan_iter it = scan_elements(buf_as_span(&list));
	for (size_t i = 0; i <= n && scan_next_element(&it, &element); i++)
		if (i == n && !scan_member(element, "id", &id))
			return (struct span){0};
	/* the same bytes in the list that stays */
	return id.at ? (struct span){c->lists[t].at + (id.at - list.at - 1), id.len} : id;
}

static void tell(struct shipment *s, const struct shipment_call *c, const persist_error *e)
{
	enum table_id t;
	size_t n;
	const struct place *place = place_of(c, e->field, &t, &n);

	bar_clear(s->bar);
	s->status = session_status(e);
	if (!place) {
		s->status = session_report(s->session, "import", e);
		return;
	}
	const char *path = strchr(e->field, ']') + 1;
	struct span id = id_of(c, t, n);
	place_tell(place, "%s %.*s: %s", spec_record_name(t), (int)id.len, id.at ? id.at : "", e->message);
	complain_detail("field", *path == '.' ? path + 1 : path);
	complain_detail("expected", e->expected);
	complain_detail("hint", e->hint);
}

static void read_counts(const persist_result *r, uint64_t counts[TABLE_COUNT])
{
	struct span text, value;
	int64_t whole;
	double real;

	text.at = persist_result_text(r, &text.len);
	for (int t = 0; t < TABLE_COUNT; t++) {
		counts[t] = 0;
		if (scan_member(text, spec_table_name((enum table_id)t), &value) &&
		    scan_number(value, &whole, &real) == SCAN_INT && whole > 0)
			counts[t] = (uint64_t)whole;
	}
}

static bool wait_for(struct shipment *s, const struct shipment_call *c, persist_pending *p,
                     uint64_t counts[TABLE_COUNT])
{
	persist_result *r;
	persist_error e;

	if (persist_wait(p, &r, &e) == 0) {
		read_counts(r, counts);
		persist_result_free(r);
		return true;
	}
	s->unknown |= e.outcome == PERSIST_UNKNOWN;
	if (s->status == EXIT_OK)
		tell(s, c, &e);
	return false;
}

static void take_answer(struct shipment *s)
{
	struct shipment_call *c = s->calls[s->first];
	uint64_t fresh[TABLE_COUNT], stored[TABLE_COUNT];
	bool asked = !c->asked || wait_for(s, c, c->asked, fresh);

	s->first = (s->first + 1) % SHIPMENT_CALLS;
	s->count--;
	if (wait_for(s, c, c->sending, stored) && asked)
		for (int t = 0; t < TABLE_COUNT; t++) {
			uint64_t new = c->asked ? fresh[t] : stored[t];
			s->of[t].imported += new;
			s->of[t].replaced += stored[t] - new;
			s->of[t].kept += c->sent[t] - stored[t];
		}
	call_free(c);
}

/* ---- sending */

static persist_pending *start(struct shipment *s, struct shipment_call *c, bool replace, bool dry_run)
{
	persist_error e;

	write_params(c, replace, dry_run);
	persist_pending *p = persist_start(session_client(s->session), "server.import",
	                                   persist_text_n(c->params.at, c->params.len), &e);
	if (!p)
		tell(s, c, &e);
	return p;
}

/* False: it could not be sent. */
static bool send_call(struct shipment *s)
{
	struct shipment_call *c = s->filling;

	s->filling = NULL;
	if (s->count == SHIPMENT_CALLS)
		take_answer(s);
	if (s->status == EXIT_OK && s->replace)
		c->asked = start(s, c, false, true);
	if (s->status == EXIT_OK)
		c->sending = start(s, c, s->replace, s->dry_run);
	if (!c->sending) {
		if (c->asked)
			persist_cancel(c->asked);
		call_free(c);
		return false;
	}
	buf_free(&c->params);
	s->calls[(s->first + s->count++) % SHIPMENT_CALLS] = c;
	return true;
}

bool shipment_add(struct shipment *s, enum table_id t, struct span record, bool payload, struct place place)
{
	if (s->filling && is_full(s, record.len) && !send_call(s))
		return shipment_finish(s) == EXIT_OK;
	if (!s->filling)
		s->filling = mem_zero(sizeof *s->filling);
	struct shipment_call *c = s->filling;
	if (c->sent[t] > 0)
		buf_char(&c->lists[t], ',');
	buf_span(&c->lists[t], record);
	buf_add(&c->places[t], &place, sizeof place);
	c->sent[t]++;
	c->records++;
	c->payloads += payload;
	return s->status == EXIT_OK;
}

void shipment_stop(struct shipment *s)
{
	if (s->status == EXIT_OK)
		s->status = EXIT_INTERRUPTED;
}

enum exit_status shipment_finish(struct shipment *s)
{
	if (s->filling && s->status == EXIT_OK)
		send_call(s);
	while (s->count > 0)
		take_answer(s);
	if (s->filling)
		call_free(s->filling);
	s->filling = NULL;
	return s->status;
}
