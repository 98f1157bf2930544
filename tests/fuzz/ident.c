/* The allowlists against PCRE2 itself, asked about the whole text; kinds, sanitised; and times, which come in as many
 * forms. The first byte chooses. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "proto/ident.h"
#include "proto/stamp.h"
#include "tests/fuzz/fuzz.h"
#include <pcre2.h>

static pcre2_code *codes[IDENT_COUNT];

static void compile(void)
{
	char text[96];
	int error;
	PCRE2_SIZE at;

	ident_init();
	for (int i = 0; i < IDENT_COUNT && !codes[i]; i++) {
		snprintf(text, sizeof(text), "\\A(?:%s)\\z", ident_pattern((enum ident)i));
		codes[i] = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, 0, &error, &at, NULL);
		FUZZ_EXPECT(codes[i] != NULL);
	}
}

static void check_ident(enum ident i, struct span text)
{
	pcre2_match_data *match = pcre2_match_data_create(1, NULL);
	bool wanted = pcre2_match(codes[i], (PCRE2_SPTR)text.at, text.len, 0, 0, match, NULL) >= 0;

	pcre2_match_data_free(match);
	FUZZ_EXPECT(ident_check(i, text) == wanted);
}

static void check_kind(struct span text, size_t max)
{
	char kind[IDENT_KIND_MAX + 1], again[IDENT_KIND_MAX + 1];
	size_t len = ident_sanitise(text, kind, max);

	FUZZ_EXPECT(len <= max && strlen(kind) == len);
	FUZZ_EXPECT(ident_check(IDENT_JOB_TYPE, (struct span){kind, len}));
	FUZZ_EXPECT(kind[0] != '_' && kind[len - 1] != '_' && !strstr(kind, "__"));
	size_t len_again = ident_sanitise((struct span){kind, len}, again, max);
	fuzz_same((struct span){again, len_again}, (struct span){kind, len}, "sanitised twice");
}

static void check_time(struct span text)
{
	char written[STAMP_LEN + 1];
	int64_t micros, again;

	if (!stamp_parse(text, &micros))
		return;
	FUZZ_EXPECT(micros != STAMP_NONE);
	stamp_format(micros, written);
	FUZZ_EXPECT(strlen(written) == STAMP_LEN);
	FUZZ_EXPECT(stamp_parse(span_of(written), &again) && again == micros);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input in = {bytes, size};
	unsigned what = fuzz_below(&in, IDENT_COUNT + 3);
	struct span text = fuzz_copy(fuzz_rest(&in));

	compile();
	if (what < IDENT_COUNT)
		check_ident((enum ident)what, text);
	else if (what == IDENT_COUNT)
		check_kind(text, IDENT_KIND_MAX);
	else if (what == IDENT_COUNT + 1)
		check_kind(text, 3 + text.len % 8);
	else
		check_time(text);
	free((char *)text.at);
	return 0;
}
