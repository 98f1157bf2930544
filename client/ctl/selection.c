#include "client/ctl/selection.h"
#include "client/ctl/complain.h"
#include "proto/stamp.h"
#include <stdio.h>
#include <stdlib.h>

enum { PAGE_RECORDS = 1000, ALL_TABLES = 1u << TABLE_JOBS | 1u << TABLE_RUNS | 1u << TABLE_ARTIFACTS };

/* What each flag can look at. */
static const struct filter {
	const char *flag;
	unsigned tables;
} filters[] = {
	{"type", 1u << TABLE_JOBS},
	{"status", 1u << TABLE_JOBS | 1u << TABLE_RUNS},
	{"kind", 1u << TABLE_RUNS | 1u << TABLE_ARTIFACTS},
	{"meta", 1u << TABLE_JOBS | 1u << TABLE_RUNS},
	{"since", ALL_TABLES},
	{"until", ALL_TABLES},
	{"limit", ALL_TABLES},
};

static enum exit_status judge_filter(const struct selection *s, const struct filter *f,
                                     const bool wanted[TABLE_COUNT])
{
	for (int t = 0; given_has(s->given, f->flag) && t < TABLE_COUNT; t++)
		if (wanted[t] && !(f->tables & 1u << t))
			return complain_usage("export", "export: %s have no %s: say which records you want, --%s",
			                      spec_table_name((enum table_id)t), f->flag,
			                      spec_table_name(f->tables & 1u << TABLE_JOBS ? TABLE_JOBS : TABLE_RUNS));
	return EXIT_OK;
}

static enum exit_status read_limit(struct selection *s)
{
	const char *text = given_text(s->given, "limit");
	char *end;

	s->limit = UINT64_MAX;
	if (!text)
		return EXIT_OK;
	s->limit = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || s->limit == 0 || s->limit == UINT64_MAX)
		return complain_usage("export", "--limit must be a whole number of 1 or more");
	return EXIT_OK;
}

enum exit_status selection_read(struct selection *s, const struct invocation *i,
                                const bool wanted[TABLE_COUNT])
{
	enum exit_status status = EXIT_OK;

	*s = (struct selection){.given = &i->given};
	for (size_t f = 0; status == EXIT_OK && f < sizeof filters / sizeof *filters; f++)
		status = judge_filter(s, &filters[f], wanted);
	if (status == EXIT_OK)
		status = read_limit(s);
	if (status == EXIT_OK)
		status = match_read(&s->match, i, "meta", "export");
	s->newest = given_has(s->given, "since") || given_has(s->given, "until") || given_has(s->given, "limit");
	return status;
}

/* ---- what the daemon is asked for */

void selection_words(struct buf *out, const struct given *g, const char *flag, const char *name)
{
	const char *said;
	size_t place = 0, words = 0;

	while ((said = given_next(g, flag, &place)))
		for (const char *at = said; *at;) {
			size_t len = strcspn(at, ",");
			buf_printf(out, words++ == 0 ? ",\"%s\":[" : ",", name);
			buf_string(out, (struct span){at, len});
			at += len + (at[len] == ',');
		}
	if (words > 0)
		buf_char(out, ']');
}

static void put_time(struct buf *out, const char *of, const char *side, int64_t micros, int64_t any)
{
	if (micros == any)
		return;
	buf_printf(out, ",\"%s_%s\":", of, side);
	stamp_json(out, micros);
}

void selection_params(struct buf *out, const struct selection *s, enum table_id t)
{
	const char *time = t == TABLE_JOBS ? "created" : "updated";
	uint64_t page = selection_looks(s, t) || s->limit > PAGE_RECORDS ? PAGE_RECORDS : s->limit;

	buf_printf(out, "\"order\":\"%s\",\"limit\":%llu", s->newest ? "time" : "id", (unsigned long long)page);
	if (t == TABLE_JOBS)
		selection_words(out, s->given, "type", "type");
	else
		selection_words(out, s->given, "kind", "kind");
	if (t == TABLE_ARTIFACTS)
		return;
	selection_words(out, s->given, "status", "status");
	put_time(out, time, "after", s->match.since, INT64_MIN);
	put_time(out, time, "before", s->match.until, INT64_MAX);
}

/* ---- what is looked at here */

static struct match match_of(const struct selection *s, enum table_id t)
{
	struct match m = s->match;

	m.meta = t == TABLE_JOBS ? "metadata" : "meta";
	if (t != TABLE_ARTIFACTS) {
		m.since = INT64_MIN;
		m.until = INT64_MAX;
	}
	return m;
}

const char *selection_field(const struct selection *s, enum table_id t)
{
	struct match m = match_of(s, t);

	return match_field(&m);
}

bool selection_takes(const struct selection *s, enum table_id t, struct span record)
{
	struct match m = match_of(s, t);

	return match_record(&m, record);
}

bool selection_looks(const struct selection *s, enum table_id t)
{
	struct match m = match_of(s, t);

	return match_is_set(&m);
}

bool selection_is_whole(const struct selection *s, enum table_id t)
{
	return !s->newest && !given_has(s->given, t == TABLE_JOBS ? "type" : "kind") &&
	       !given_has(s->given, "meta") && (t == TABLE_ARTIFACTS || !given_has(s->given, "status"));
}
