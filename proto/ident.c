#define PCRE2_CODE_UNIT_WIDTH 8
#include "proto/ident.h"
#include "proto/mem.h"

#include <assert.h>
#include <errno.h>
#include <pcre2.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

/* Each is one class of bytes and how many there may be, of any byte by itself: that is what lets allow() ask
 * PCRE2 for what it needs to know once, so that checking an id is a walk over its bytes. */
static const char *const patterns[IDENT_COUNT] = {
	[IDENT_JOB] = "[A-Za-z0-9_-]{1,160}",
	[IDENT_JOB_TYPE] = "[a-z0-9_]{1,64}",
	[IDENT_RUN] = "[a-zA-Z0-9_-]{1,160}",
	[IDENT_ARTIFACT] = "[a-z0-9_]{1,180}",
};

static struct allowed {
	bool byte[256];
	size_t longest; /* 0: ident_init has not run */
} allowed[IDENT_COUNT];

static bool matches(const pcre2_code *code, pcre2_match_data *match, const char *text, size_t len)
{
	int got = pcre2_match(code, (PCRE2_SPTR)text, len, 0, 0, match, NULL);
	if (got == PCRE2_ERROR_NOMEMORY)
		mem_gone();
	return got >= 0;
}

static void allow(struct allowed *to, const pcre2_code *code, pcre2_match_data *match)
{
	char text[IDENT_MAX + 1];

	for (int c = 0; c < 256; c++) {
		text[0] = (char)c;
		to->byte[c] = matches(code, match, text, 1);
	}
	memset(text, 'a', sizeof(text));
	size_t longest = 1;
	while (longest < sizeof(text) && matches(code, match, text, longest + 1))
		longest++;
	assert(to->byte['a'] && longest <= IDENT_MAX);
	to->longest = longest;
}

static void allow_all(void)
{
	for (int i = 0; i < IDENT_COUNT; i++) {
		char text[64];
		int error;
		PCRE2_SIZE where;

		snprintf(text, sizeof(text), "\\A(?:%s)\\z", patterns[i]);
		pcre2_code *code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
		                                 PCRE2_NEVER_UTF | PCRE2_NEVER_UCP, &error, &where, NULL);
		pcre2_match_data *match = pcre2_match_data_create(1, NULL);
		if (!match || !code) /* the patterns are constants: they compile */
			mem_gone();
		allow(&allowed[i], code, match);
		pcre2_match_data_free(match);
		pcre2_code_free(code);
	}
}

void ident_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, allow_all);
}

const char *ident_pattern(enum ident i)
{
	assert(i < IDENT_COUNT);
	return patterns[i];
}

bool ident_check(enum ident i, struct span text)
{
	const struct allowed *a = &allowed[i];

	assert(i < IDENT_COUNT && a->longest > 0);
	if (text.len == 0 || text.len > a->longest)
		return false;
	bool good = true;
	for (size_t at = 0; at < text.len; at++)
		good &= a->byte[(unsigned char)text.at[at]];
	return good;
}

/* The [a-z0-9] that the character at the front of `text` becomes, 0 if it separates. Two characters outside
 * ASCII have ASCII letters for their lower case: U+0130 becomes i and a combining dot, which separates, and
 * U+212A (kelvin) becomes k. */
static char keep(const char **at, const char *end, bool *separator_follows)
{
	const char *p = *at;
	char c = *p;

	*separator_follows = false;
	*at = p + 1;
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
		return c;
	if (c >= 'A' && c <= 'Z')
		return (char)(c | 0x20);
	if (end - p >= 2 && memcmp(p, "\xc4\xb0", 2) == 0) {
		*at = p + 2;
		*separator_follows = true;
		return 'i';
	}
	if (end - p >= 3 && memcmp(p, "\xe2\x84\xaa", 3) == 0) {
		*at = p + 3;
		return 'k';
	}
	return 0;
}

size_t ident_sanitise(struct span text, char *out, size_t max)
{
	const char *at = text.at, *end = text.at + text.len;
	bool separated = false, separator_follows;
	size_t len = 0;

	assert(max >= 3);
	while (at < end && len < max) {
		char c = keep(&at, end, &separator_follows);
		if (c && separated && len > 0)
			out[len++] = '_';
		if (c && len < max)
			out[len++] = c;
		separated = c ? separator_follows : true;
	}
	while (len > 0 && out[len - 1] == '_')
		len--;
	if (len == 0) {
		memcpy(out, "run", 3);
		len = 3;
	}
	out[len] = '\0';
	return len;
}

static void random_bytes(uint8_t *out, size_t len)
{
	while (len > 0) {
		ssize_t got = getrandom(out, len, 0);
		if (got < 0) {
			/* with these flags it can only be interrupted; an id that is not random must never be made */
			if (errno != EINTR)
				abort();
			continue;
		}
		out += got;
		len -= (size_t)got;
	}
}

void ident_hex(char *out, size_t digits)
{
	uint8_t bytes[32];

	for (size_t i = 0; i < digits; i++) {
		size_t at = i % (2 * sizeof(bytes));
		size_t left = digits - i;
		if (at == 0)
			random_bytes(bytes, left < 2 * sizeof(bytes) ? (left + 1) / 2 : sizeof(bytes));
		out[i] = "0123456789abcdef"[bytes[at / 2] >> (at % 2 * 4) & 15];
	}
	out[digits] = '\0';
}

void ident_uuid4(char out[37])
{
	char hex[33];

	ident_hex(hex, 32);
	hex[12] = '4';
	hex[16] = "89ab"[(hex[16] <= '9' ? hex[16] - '0' : hex[16] - 'a' + 10) & 3];
	snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}
