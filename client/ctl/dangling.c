#include "client/ctl/dangling.h"
#include "client/ctl/complain.h"
#include "client/ctl/interrupt.h"
#include "proto/ident.h"
#include "proto/scan.h"

#define OWNED_BUF __attribute__((cleanup(buf_free))) struct buf
enum { SHOWN = 3, NAMES_BYTES = 8 << 20 };

void dangling_payload(struct dangling *d, struct span artifact_id)
{
	seen_add(&d->held, TABLE_ARTIFACTS, artifact_id, 0);
}

static struct span text_of(struct span object, const char *name, struct buf *scratch)
{
	struct span value, text;

	return scan_member(object, name, &value) && scan_string(value, scratch, &text) ? text : (struct span){0};
}

void dangling_run(struct dangling *d, struct span run)
{
	OWNED_BUF a = {0}, b = {0};
	struct span artifact = text_of(run, "artifact_id", &a), id;

	if (artifact.len == 0 || seen_has(&d->held, TABLE_ARTIFACTS, artifact))
		return;
	if (d->names.len >= NAMES_BYTES || artifact.len > IDENT_MAX || memchr(artifact.at, '\0', artifact.len)) {
		d->beyond++;
		return;
	}
	id = text_of(run, "id", &b);
	buf_span(&d->names, id);
	buf_char(&d->names, '\0');
	buf_span(&d->names, artifact);
	buf_char(&d->names, '\0');
	d->count++;
}

/* ---- what the store has */

static void hold_page(struct dangling *d, struct span page)
{
	struct span rows, record;

	if (!scan_member(page, "artifacts", &rows))
		return;
	for (struct scan_iter it = scan_elements(rows); scan_next_element(&it, &record);) {
		OWNED_BUF scratch = {0};
		struct span id = text_of(record, "id", &scratch);
		if (id.len > 0)
			dangling_payload(d, id);
	}
}

/* False: there are no more, or the daemon is away. */
static bool hold_next_page(struct dangling *d, struct session *s, struct buf *cursor)
{
	OWNED_BUF params = {0};
	persist_result *result;
	persist_error error;
	struct span page, next;

	buf_text(&params, "{\"order\":\"id\",\"limit\":1000");
	if (cursor->len > 0)
		buf_printf(&params, ",\"cursor\":%.*s", (int)cursor->len, cursor->at);
	buf_char(&params, '}');
	if (persist_call(session_client(s), "artifact.list", persist_text_n(params.at, params.len), &result,
	                 &error) != 0)
		return false;
	page.at = persist_result_text(result, &page.len);
	hold_page(d, page);
	bool more = scan_member(page, "next_cursor", &next) && scan_kind(next) == SCAN_STRING;
	cursor->len = 0;
	if (more)
		buf_span(cursor, next);
	persist_result_free(result);
	return more;
}

/* A file that a Python class left there has no record, and can be read all the same. */
static bool is_missing(struct dangling *d, struct session *s, const char *artifact)
{
	OWNED_BUF params = {0};
	persist_result *result;
	persist_error error;

	if (seen_has(&d->held, TABLE_ARTIFACTS, span_of(artifact)))
		return false;
	if (!ident_check(IDENT_ARTIFACT, span_of(artifact)))
		return true;
	buf_printf(&params, "{\"id\":\"%s\"}", artifact);
	if (persist_call(session_client(s), "artifact.read", persist_text_n(params.at, params.len), &result,
	                 &error) != 0)
		return error.code == PERSIST_NOT_FOUND;
	persist_result_free(result);
	return false;
}

uint64_t dangling_tell(struct dangling *d, struct session *s)
{
	OWNED_BUF cursor = {0}, shown = {0};
	uint64_t missing = 0;
	const char *at = d->names.at;

	if (d->count == 0)
		return 0;
	while (!interrupt_asked() && hold_next_page(d, s, &cursor))
		;
	for (uint64_t n = 0; n < d->count && !interrupt_asked(); n++) {
		const char *run = at, *artifact = run + strlen(run) + 1;
		at = artifact + strlen(artifact) + 1;
		if (!is_missing(d, s, artifact))
			continue;
		if (missing++ < SHOWN)
			buf_printf(&shown, "%s%s of run %s", shown.len > 0 ? ", " : "", artifact, run);
	}
	if (missing == 0)
		return 0;
	complain("%s%llu %s an artifact whose payload is neither here nor in the store: %.*s%s",
	         d->beyond > 0 ? "at least " : "", (unsigned long long)missing,
	         missing == 1 ? "run names" : "runs name", (int)shown.len, shown.at, missing > SHOWN ? ", …" : "");
	return missing;
}

void dangling_free(struct dangling *d)
{
	seen_free(&d->held);
	buf_free(&d->names);
}
