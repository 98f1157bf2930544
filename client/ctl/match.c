#include "client/ctl/match.h"
#include "client/ctl/age.h"
#include "client/ctl/cell.h"
#include "client/ctl/complain.h"
#include "client/ctl/path.h"
#include "proto/scan.h"

#define OWNED_BUF __attribute__((cleanup(buf_free))) struct buf

static enum exit_status read_time(const struct invocation *i, const char *name, int64_t *micros,
                                  const char *command)
{
	const struct flag *f = flags_find(i->given.lists, span_of(name));
	const char *text = f && !f->param ? given_text(&i->given, name) : NULL;

	if (!text || age_parse(&i->screen, text, micros))
		return EXIT_OK;
	return complain_usage(command, "--%s must be %s", name, age_expected);
}

static enum exit_status read_pair(struct match *m, const char *text, const char *command)
{
	const char *equals = strchr(text, '=');

	if (!equals || equals == text)
		return complain_usage(command, "--meta must be KEY=TEXT");
	if (m->pair_count == MATCH_PAIRS_MAX)
		return complain_usage(command, "--meta may be said %d times at most", MATCH_PAIRS_MAX);
	bool json = equals[-1] == ':' && equals - 1 > text; /* key:=JSON, as job save takes it */
	m->pairs[m->pair_count++] = (struct match_pair){{text, (size_t)(equals - text) - json}, equals + 1};
	return EXIT_OK;
}

enum exit_status match_read(struct match *m, const struct invocation *i, const char *meta,
                            const char *command)
{
	enum exit_status status;
	const char *text;
	size_t at = 0;

	*m = (struct match){.meta = meta, .since = INT64_MIN, .until = INT64_MAX};
	status = read_time(i, "since", &m->since, command);
	if (status == EXIT_OK)
		status = read_time(i, "until", &m->until, command);
	while (meta && status == EXIT_OK && (text = given_next(&i->given, "meta", &at)))
		status = read_pair(m, text, command);
	return status;
}

static bool has_times(const struct match *m)
{
	return m->since != INT64_MIN || m->until != INT64_MAX;
}

bool match_is_set(const struct match *m)
{
	return m->pair_count > 0 || has_times(m);
}

const char *match_field(const struct match *m)
{
	return m->pair_count > 0 ? m->meta : has_times(m) ? "created_at" : NULL;
}

static bool pair_holds(const struct match_pair *p, struct span meta)
{
	struct span name, value, text;

	for (struct scan_iter it = scan_members(meta); scan_next_member(&it, &name, &value);) {
		OWNED_BUF name_scratch = {0}, scratch = {0};
		if (!scan_unescape(name, &name_scratch, &text) || !span_is(text, p->key))
			continue;
		text = value;
		scan_string(value, &scratch, &text);
		return span_is(text, span_of(p->text));
	}
	return false;
}

bool match_record(const struct match *m, struct span record)
{
	struct span meta;
	int64_t created;

	if (has_times(m) &&
	    (!cell_time(record, "created_at", &created) || created < m->since || created >= m->until))
		return false;
	for (size_t p = 0; p < m->pair_count; p++)
		if (!scan_member(record, m->meta, &meta) || !pair_holds(&m->pairs[p], meta))
			return false;
	return true;
}
