#include "tests/bench/reply.h"
#include <ctype.h>
#include <string.h>

static void keep_head(struct reply_scanner *s, const char *from, const char *end)
{
	size_t room = sizeof s->head - 1 - s->head_len;
	size_t len = (size_t)(end - from) < room ? (size_t)(end - from) : room;
	memcpy(s->head + s->head_len, from, len);
	s->head_len += (uint32_t)len;
}

const char *reply_beginning(struct reply_scanner *s)
{
	s->head[s->head_len] = '\0';
	for (uint32_t i = 0; i < s->head_len; i++)
		if (!isprint((unsigned char)s->head[i]))
			s->head[i] = ' ';
	return s->head;
}

/* ---- lines */

static void keep_tail(struct reply_scanner *s, const char *from, const char *end)
{
	size_t len = (size_t)(end - from);
	if (len >= REPLY_TAIL) {
		memcpy(s->tail, end - REPLY_TAIL, REPLY_TAIL);
		s->tail_len = REPLY_TAIL;
		return;
	}
	size_t old = s->tail_len + len > REPLY_TAIL ? REPLY_TAIL - len : s->tail_len;
	memmove(s->tail, s->tail + s->tail_len - old, old);
	memcpy(s->tail + old, from, len);
	s->tail_len = (uint32_t)(old + len);
}

/* The number before the closing brace: persistd's replies end with their id. */
static int64_t id_at_end(const char *begin, const char *end)
{
	int64_t id = 0, unit = 1;
	const char *at = end - 1;
	if (at < begin || *at != '}')
		return -1;
	while (--at >= begin && *at >= '0' && *at <= '9' && unit <= INT64_C(1000000000000)) {
		id += unit * (*at - '0');
		unit *= 10;
	}
	return unit > 1 && at >= begin && *at == ':' ? id : -1;
}

static bool is_result(const char *begin, const char *end)
{
	static const char good[] = "{\"jsonrpc\":\"2.0\",\"result\":";
	return (size_t)(end - begin) >= sizeof good - 1 && memcmp(begin, good, sizeof good - 1) == 0;
}

static bool next_line(struct reply_scanner *s, const char **at, const char *end, struct reply *out)
{
	const char *begin = *at, *newline = memchr(begin, '\n', (size_t)(end - begin));
	if (!newline) {
		keep_head(s, begin, end);
		keep_tail(s, begin, end);
		*at = end;
		return false;
	}
	*at = newline + 1;
	if (s->tail_len == 0 && is_result(begin, newline)) {
		*out = (struct reply){.id = id_at_end(begin, newline), .good = true};
		return true;
	}
	keep_head(s, begin, newline);
	keep_tail(s, begin, newline);
	out->good = is_result(s->head, s->head + s->head_len);
	out->id = id_at_end(s->tail, s->tail + s->tail_len);
	s->tail_len = 0;
	return true;
}

/* ---- RESP */

/* A header line has ended: how much more belongs to this reply? */
static void after_header(struct reply_scanner *s)
{
	int64_t n = s->negative ? -1 : s->number;
	s->elements--;
	if (s->type == '*' && n > 0)
		s->elements += (uint64_t)n;
	else if (s->type == '$' && n >= 0)
		s->bytes = (uint64_t)n + 2;
	if (s->type == '-' || ((s->type == '*' || s->type == '$') && n < 0))
		s->bad = true;
	s->type = 0;
}

static const char *read_header(struct reply_scanner *s, const char *p, const char *end)
{
	if (s->type == 0) {
		s->type = *p++;
		s->number = 0;
		s->negative = false;
	}
	if (s->type == '$' || s->type == '*') {
		for (; p < end && *p != '\n'; p++) {
			s->negative |= *p == '-';
			if (*p >= '0' && *p <= '9' && s->number < INT64_C(1000000000000))
				s->number = s->number * 10 + (*p - '0');
		}
	} else {
		p = memchr(p, '\n', (size_t)(end - p));
		p = p ? p : end;
	}
	if (p == end)
		return end;
	after_header(s);
	return p + 1;
}

static bool next_resp(struct reply_scanner *s, const char **at, const char *end, struct reply *out)
{
	const char *p = *at;
	while (p < end) {
		if (s->elements == 0 && s->bytes == 0)
			s->elements = 1;
		if (s->bytes > 0) {
			uint64_t part = (uint64_t)(end - p) < s->bytes ? (uint64_t)(end - p) : s->bytes;
			s->bytes -= part;
			p += part;
		} else {
			p = read_header(s, p, end);
		}
		if (s->elements > 0 || s->bytes > 0 || s->type != 0)
			continue;
		if (s->bad)
			keep_head(s, *at, p);
		*out = (struct reply){.id = -1, .good = !s->bad};
		*at = p;
		return true;
	}
	keep_head(s, *at, end);
	*at = end;
	return false;
}

/* ---- objects */

/* Follows "error": through the text; true at the byte behind it. Within a string its quotes would be escaped. */
static bool behind_error(struct reply_scanner *s, char c)
{
	static const char name[] = "\"error\":";
	if (s->matched == sizeof name - 1) {
		s->matched = 0;
		return true;
	}
	s->matched = c == name[s->matched] ? s->matched + 1 : c == name[0];
	return false;
}

static void follow_object(struct reply_scanner *s, char c)
{
	if (behind_error(s, c) && c != 'n')
		s->bad = true;
	if (s->escaped)
		s->escaped = false;
	else if (s->in_string && c == '\\')
		s->escaped = true;
	else if (c == '"')
		s->in_string = !s->in_string;
	else if (!s->in_string && (c == '{' || c == '['))
		s->depth++;
	else if (!s->in_string && (c == '}' || c == ']') && s->depth > 0)
		s->depth--;
}

static bool next_object(struct reply_scanner *s, const char **at, const char *end, struct reply *out)
{
	const char *p = *at;
	while (p < end) {
		bool before = s->depth > 0;
		follow_object(s, *p++);
		if (!before || s->depth > 0)
			continue;
		if (s->bad)
			keep_head(s, *at, p);
		*out = (struct reply){.id = -1, .good = !s->bad};
		*at = p;
		return true;
	}
	keep_head(s, *at, end);
	*at = end;
	return false;
}

bool reply_next(struct reply_scanner *s, const char **at, const char *end, struct reply *out)
{
	if (s->depth == 0 && s->tail_len == 0 && s->elements == 0 && s->bytes == 0 && s->type == 0) {
		s->head_len = 0;
		s->bad = false;
	}
	switch (s->framing) {
	case REPLY_LINES:
		return next_line(s, at, end, out);
	case REPLY_RESP:
		return next_resp(s, at, end, out);
	case REPLY_OBJECTS:
		return next_object(s, at, end, out);
	}
	return false;
}
