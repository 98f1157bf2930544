#include "daemon/mend.h"
#include "daemon/checksum.h"
#include "daemon/finding.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

enum { TAIL = sizeof(",\"xxh3\":\"0123456789abcdef\"}") - 1, STATE_WORK = 1024 };

/* A segment is padded with white space, and what happens to that costs nothing: the last text that looks like a
 * file's end is it. */
bool mend_is_whole(struct span text, size_t *end)
{
	uint64_t sum;
	size_t covered;
	for (*end = text.len; *end > 0; --*end)
		if (text.at[*end - 1] == '}' && finding_sum_at_end((struct span){text.at, *end}, &sum, &covered))
			return XXH3_64bits(text.at, covered) == sum;
	return false;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\n';
}

static size_t without_padding(const char *text, size_t len)
{
	while (len > 0 && is_blank(text[len - 1]))
		len--;
	return len;
}

/* The checksum itself, or the text around it. */
static bool mend_tail_at(char *text, size_t len, size_t *at)
{
	char tail[TAIL + 1];
	size_t differ = 0, covered = len - TAIL;
	if (len < TAIL)
		return false;
	snprintf(tail, sizeof tail, ",\"xxh3\":\"%016" PRIx64 "\"}", (uint64_t)XXH3_64bits(text, covered));
	for (size_t i = 0; i < TAIL; i++)
		if (tail[i] != text[covered + i]) {
			differ++;
			*at = covered + i;
		}
	if (differ != 1)
		return false;
	text[*at] = tail[*at - covered];
	return true;
}

/* The closing brace may have become a blank of the padding. */
static bool mend_tail(char *text, size_t len, size_t *at)
{
	size_t end = without_padding(text, len);
	return mend_tail_at(text, end, at) || (end < len && mend_tail_at(text, end + 1, at));
}

struct search {
	const char *text;
	size_t covered;
	uint64_t sum;
	XXH3_state_t *before, *tried; /* the hash of what is before the byte */
};

static bool is_right(const struct search *s, size_t i, char byte)
{
	XXH3_copyState(s->tried, s->before);
	XXH3_64bits_update(s->tried, &byte, 1);
	XXH3_64bits_update(s->tried, s->text + i + 1, s->covered - i - 1);
	return XXH3_64bits_digest(s->tried) == s->sum;
}

/* `bits`: only one bit may differ. */
static bool find(const struct search *s, bool bits, size_t *at, char *byte)
{
	XXH3_64bits_reset(s->before);
	for (*at = 0; *at < s->covered; ++*at) {
		for (unsigned change = 1; change < 256; change = bits ? change << 1 : change + 1) {
			*byte = (char)((unsigned char)s->text[*at] ^ change);
			if (is_right(s, *at, *byte))
				return true;
		}
		XXH3_64bits_update(s->before, s->text + *at, 1);
	}
	return false;
}

static bool is_affordable(size_t covered, unsigned tries, uint64_t work)
{
	uint64_t each = covered / 2 + STATE_WORK;
	return covered <= work / tries / each;
}

static bool mend_covered(char *text, size_t len, uint64_t work, size_t *at)
{
	enum { BITS = 8, BYTES = 255 };
	struct search s = {.text = text};
	char byte;
	if (!finding_sum_at_end((struct span){text, len}, &s.sum, &s.covered) || !is_affordable(s.covered, BITS, work))
		return false;
	s.before = checksum_new();
	s.tried = checksum_new();
	assert(s.before && s.tried);
	bool found = find(&s, true, at, &byte) || (is_affordable(s.covered, BYTES, work) && find(&s, false, at, &byte));
	XXH3_freeState(s.before);
	XXH3_freeState(s.tried);
	if (found)
		text[*at] = byte;
	return found;
}

static bool mend_padding(char *text, size_t end, size_t len, size_t *at)
{
	size_t strange = 0;
	for (size_t i = end; i < len; i++)
		if (!is_blank(text[i])) {
			strange++;
			*at = i;
		}
	if (strange == 1)
		text[*at] = ' ';
	return strange == 1;
}

bool mend_byte(char *text, size_t len, uint64_t work, size_t *at)
{
	size_t end;
	if (work == 0)
		return false;
	if (mend_is_whole((struct span){text, len}, &end))
		return mend_padding(text, end, len, at);
	return mend_tail(text, len, at) || mend_covered(text, len, work, at);
}
