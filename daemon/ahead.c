#include "daemon/ahead.h"
#include <assert.h>

struct glimpse {
	const struct table *table;
	uint32_t hash;
	enum table_fetch last;
};

static bool skip(struct span *rest, struct span text)
{
	if (rest->len < text.len || memcmp(rest->at, text.at, text.len) != 0)
		return false;
	*rest = (struct span){rest->at + text.len, rest->len - text.len};
	return true;
}

/* "name": with or without a blank behind the colon */
static bool skip_name(struct span *rest, struct span name)
{
	if (!skip(rest, name))
		return false;
	skip(rest, SPAN(" "));
	return true;
}

/* {"jsonrpc":…,"method":…,"params":{"id":"…: parameters are the first object in the line, and the id comes first
 * in it, or in the job that does. */
static bool glimpse_line(const struct store *s, struct span line, struct glimpse *g)
{
	const char *brace = line.len > 1 ? memchr(line.at + 1, '{', line.len - 1) : NULL;
	if (!brace)
		return false;
	struct span rest = {brace + 1, (size_t)(line.at + line.len - brace) - 1};
	enum table_id t = skip_name(&rest, SPAN("\"run_id\":")) ? TABLE_RUNS : TABLE_JOBS;
	if (t == TABLE_JOBS) {
		if (skip_name(&rest, SPAN("\"job\":")) && !skip(&rest, SPAN("{")))
			return false;
		if (!skip_name(&rest, SPAN("\"id\":")))
			return false;
	}
	const char *quote = skip(&rest, SPAN("\"")) ? memchr(rest.at, '"', rest.len) : NULL;
	if (!quote)
		return false;
	g->table = store_table(s, t);
	g->hash = table_hash(g->table, (struct span){rest.at, (size_t)(quote - rest.at)});
	rest = (struct span){quote + 1, (size_t)(line.at + line.len - quote) - 1};
	skip(&rest, SPAN(","));
	skip(&rest, SPAN(" "));
	g->last = t == TABLE_JOBS && skip(&rest, SPAN("\"progress\"")) ? FETCH_PROGRESS : FETCH_RECORD;
	return true;
}

static void fetch(const struct glimpse *seen, unsigned count)
{
	for (enum table_fetch what = FETCH_BUCKET; what <= FETCH_RECORD; what++)
		for (unsigned i = 0; i < count; i++)
			table_fetch(seen[i].table, seen[i].hash, what == FETCH_RECORD ? seen[i].last : what);
}

size_t ahead_look(const struct store *s, struct span unread)
{
	struct glimpse seen[AHEAD_LINES];
	unsigned count = 0;
	const char *at = unread.at, *end = unread.at + unread.len, *newline = NULL;
	for (int i = 0; i < AHEAD_LINES && at < end && (newline = memchr(at, '\n', (size_t)(end - at))); i++) {
		if (i == 0 && newline + 1 == end) /* alone: its turn is now */
			return 0;
		count += glimpse_line(s, (struct span){at, (size_t)(newline - at)}, &seen[count]);
		at = newline + 1;
	}
	fetch(seen, count);
	return (size_t)(at - unread.at);
}

void ahead_look_at_each(const struct store *s, const struct span *unread, unsigned count)
{
	struct glimpse seen[AHEAD_LINES];
	unsigned known = 0;
	assert(count <= AHEAD_LINES);
	for (unsigned i = 0; i < count && count > 1; i++) {
		const char *newline = unread[i].len ? memchr(unread[i].at, '\n', unread[i].len) : NULL;
		if (newline && newline + 1 == unread[i].at + unread[i].len)
			known += glimpse_line(s, (struct span){unread[i].at, unread[i].len - 1}, &seen[known]);
	}
	fetch(seen, known);
}
