#include "client/ctl/candidates.h"
#include "client/ctl/screen.h"
#include <langinfo.h>
#include <strings.h>

#define OWNED_BUF __attribute__((cleanup(buf_free))) struct buf
enum { ABOUT_MAX = 80 }; /* columns: shells put two or three candidates on a line */

static bool is_taken(const struct candidates *c, struct span word)
{
	for (size_t i = 0; i < c->taken_count; i++)
		if (span_is(word, span_of(c->taken[i])))
			return true;
	return false;
}

/* "--status=running,failed," has running and failed in it. */
static bool is_in_list(struct span list, struct span word)
{
	const char *equals = memchr(list.at, '=', list.len), *end = list.at + list.len;
	const char *at = equals ? equals + 1 : list.at;

	while (at < end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		if (!comma)
			return false;
		if (span_is(word, (struct span){at, (size_t)(comma - at)}))
			return true;
		at = comma + 1;
	}
	return false;
}

static void add_line(struct buf *out, const struct candidates *c, struct span word)
{
	buf_span(out, c->before);
	buf_span(out, word);
	buf_char(out, '\t');
}

static bool is_there(const struct candidates *c, struct span word)
{
	OWNED_BUF line = {0};
	const char *end = c->lines.len > 0 ? c->lines.at + c->lines.len : NULL;

	add_line(&line, c, word);
	for (const char *at = c->lines.at; at < end; at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1)
		if ((size_t)(end - at) >= line.len && memcmp(at, line.at, line.len) == 0)
			return true;
	return false;
}

static bool begins_as_typed(const struct candidates *c, struct span word)
{
	return word.len >= c->typed.len && (c->typed.len == 0 || memcmp(word.at, c->typed.at, c->typed.len) == 0);
}

bool candidates_want(const struct candidates *c, struct span word)
{
	if (!begins_as_typed(c, word) || is_taken(c, word) || is_there(c, word))
		return false;
	if (c->no_dashes && word.len > 0 && word.at[0] == '-')
		return false;
	return c->before.len == 0 || !is_in_list(c->before, word);
}

void candidates_add(struct candidates *c, struct span word, struct span about)
{
	bool utf8 = strcasecmp(nl_langinfo(CODESET), "UTF-8") == 0;
	OWNED_BUF fit = {0};

	if (!candidates_want(c, word))
		return;
	add_line(&c->lines, c, word);
	if (about.len > 0)
		screen_fit(&fit, about, utf8);
	if (fit.len > 0)
		screen_cut(&c->lines, buf_as_span(&fit), ABOUT_MAX, utf8);
	buf_char(&c->lines, '\n');
	c->count++;
}

void candidates_add_row(struct candidates *c, const char *word, const char *prose)
{
	OWNED_BUF text = {0};

	for (const char *at = prose ? prose : ""; *at && !(at[0] == '.' && (at[1] == ' ' || !at[1])); at++)
		if (*at != '`')
			buf_char(&text, *at);
	candidates_add(c, span_of(word), buf_as_span(&text));
}

void candidates_ask(struct candidates *c, const char *what, const char *prefix)
{
	buf_printf(&c->lines, ":%s", what);
	if (prefix) {
		buf_char(&c->lines, ' ');
		buf_span(&c->lines, c->before);
		buf_text(&c->lines, prefix);
	}
	buf_char(&c->lines, '\n');
}

void candidates_free(struct candidates *c)
{
	buf_free(&c->lines);
	*c = (struct candidates){0};
}
