/* The JSON writer against what jansson and our own scanner read: strings of any text, every real (in the shortest form,
 * as Python's repr writes it), whole numbers. The first byte chooses. */
#include "proto/scan.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/tree.h"
#include <inttypes.h>
#include <math.h>

static json_t *read_back(const struct buf *written)
{
	struct scan_report report;
	json_t *tree = tree_read(buf_as_span(written));

	if (!tree || scan_check(buf_as_span(written), 1, &report) != SCAN_OK || report.number_at != SIZE_MAX)
		FUZZ_FAIL("written and not read: %.*s", (int)written->len, written->at);
	return tree;
}

static void check_string(struct span text)
{
	struct buf written = {0}, part = {0}, scratch = {0}, canonical = {0};
	struct span got;
	json_t *valid = json_stringn(text.at, text.len);

	if (!valid) /* no UTF-8 */
		return;
	json_decref(valid);
	buf_string(&written, text);
	json_t *tree = read_back(&written);
	FUZZ_EXPECT(json_is_string(tree));
	fuzz_same((struct span){json_string_value(tree), json_string_length(tree)}, text, "jansson reads");
	FUZZ_EXPECT(scan_string(buf_as_span(&written), &scratch, &got));
	fuzz_same(got, text, "scan_string");
	buf_string_part(&part, text);
	fuzz_same(buf_as_span(&part), (struct span){written.at + 1, written.len - 2}, "without its quotes");
	scan_canonical(&canonical, buf_as_span(&written));
	fuzz_same(buf_as_span(&canonical), buf_as_span(&written), "canonical");
	json_decref(tree);
	buf_free(&written);
	buf_free(&part);
	buf_free(&scratch);
	buf_free(&canonical);
}

/* The digits of `text` (d.ddde+x) one higher in the last place, where that reads back to `d` and no digit overflows: doubles
 * at a power of two are nearer to each other below than above, so the next decimal may do where the nearest does not. */
static bool next_digits(char text[40], double d)
{
	char next[40];

	strcpy(next, text);
	char *last = strchr(next, 'e') - 1;
	if (*last == '9' || *last == '.')
		return false;
	++*last;
	if (strtod(next, NULL) != d)
		return false;
	strcpy(text, next);
	return true;
}

/* As Python's repr: the shortest digits that read back, with an exponent below 1e-4 and from 1e16 on. */
static void write_like_python(char out[64], double d)
{
	char digits[40], *at = out;
	int precision = 0;

	for (; precision <= 17; precision++) {
		snprintf(digits, sizeof(digits), "%.*e", precision, d);
		if (strtod(digits, NULL) == d || next_digits(digits, d))
			break;
	}
	if (digits[0] == '-')
		*at++ = '-';
	char *first = digits + (digits[0] == '-'), *mark = strchr(first, 'e');
	int exponent = atoi(mark + 1);
	char plain[24] = {first[0]};
	if (precision)
		memcpy(plain + 1, first + 2, (size_t)precision);
	if (exponent >= 16 || exponent < -4)
		sprintf(at, "%c%s%se%c%02d", plain[0], precision ? "." : "", plain + 1, exponent < 0 ? '-' : '+', abs(exponent));
	else if (exponent < 0)
		sprintf(at, "0.%.*s%s", -exponent - 1, "0000", plain);
	else if (exponent >= precision)
		sprintf(at, "%s%.*s.0", plain, exponent - precision, "0000000000000000");
	else
		sprintf(at, "%.*s.%s", exponent + 1, plain, plain + exponent + 1);
}

static void check_real(struct fuzz_input *in)
{
	uint64_t bits = fuzz_number(in, 8);
	struct buf written = {0};
	char wanted[64];
	double d, read;

	memcpy(&d, &bits, sizeof(d));
	if (fuzz_byte(in) & 1) /* most doubles have 17 digits */
		d = (double)(int64_t)(bits >> 20) / pow(10, (int)(bits % 40) - 10);
	if (!isfinite(d))
		return;
	buf_real(&written, d);
	json_t *tree = read_back(&written);
	FUZZ_EXPECT(json_is_real(tree));
	read = json_real_value(tree);
	FUZZ_EXPECT(memcmp(&read, &d, sizeof(d)) == 0);
	write_like_python(wanted, d);
	fuzz_same(buf_as_span(&written), span_of(wanted), "a real");
	json_decref(tree);
	buf_free(&written);
}

static void check_whole(struct fuzz_input *in)
{
	uint64_t n = fuzz_number(in, 8) >> fuzz_below(in, 64);
	struct buf written = {0};
	char wanted[24];

	buf_int(&written, (int64_t)n);
	snprintf(wanted, sizeof(wanted), "%" PRId64, (int64_t)n);
	fuzz_same(buf_as_span(&written), span_of(wanted), "buf_int");
	json_t *tree = read_back(&written);
	FUZZ_EXPECT(json_is_integer(tree) && json_integer_value(tree) == (int64_t)n);
	json_decref(tree);
	written.len = 0;
	buf_uint(&written, n);
	snprintf(wanted, sizeof(wanted), "%" PRIu64, n);
	fuzz_same(buf_as_span(&written), span_of(wanted), "buf_uint");
	buf_free(&written);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input in = {bytes, size};
	unsigned what = fuzz_below(&in, 3);

	if (what == 0) {
		struct span text = fuzz_copy(fuzz_rest(&in));
		check_string(text);
		free((char *)text.at);
	} else if (what == 1) {
		check_real(&in);
	} else {
		check_whole(&in);
	}
	return 0;
}
