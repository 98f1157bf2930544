/* scan: reading JSON text without building a tree.
 *
 * Why not jansson here: a record of 600 bytes is stored and sent as text; building a tree of it costs 14 µs
 * and nine times its memory, checking it and finding its members costs about one. jansson is the reference
 * that tests hold this scanner against, and what the clients use where they want trees.
 *
 * Two layers. scan_value/scan_check accept exactly RFC 8259 in UTF-8 (no lone surrogates, no NaN, no trailing
 * commas) and refuse an object that has one name twice. The navigation below works on checked text; on
 * unchecked text (a file that only its checksum vouches for) it stays within the bounds and returns false
 * where the text is no JSON, but does not promise to notice every fault.
 *
 * No recursion: nesting costs one bit a level. No allocation but for objects of many names, whose list and
 * table are freed when the check ends. Any thread. */
#pragma once
#include "proto/buf.h"

enum scan_kind {
	SCAN_NULL, SCAN_FALSE, SCAN_TRUE, SCAN_NUMBER, SCAN_STRING, SCAN_ARRAY, SCAN_OBJECT, SCAN_NONE
};

enum { SCAN_DEPTH_WIRE = 128, SCAN_DEPTH_FILE = 2048 };

enum scan_result {
	SCAN_OK,
	SCAN_MORE,      /* the text ends inside the value (scan_value with `more` only) */
	SCAN_SYNTAX,    /* not JSON; also bad UTF-8 and lone surrogates */
	SCAN_DEEP,      /* nested deeper than allowed */
	SCAN_DUPLICATE, /* one name twice in an object */
};

struct scan_report {
	size_t at;            /* where the fault is: offset of the first byte that is wrong */
	const char *expected; /* static text: "a comma or ]", "a value (NaN is not JSON: use null)", … */
	size_t used;          /* SCAN_OK: bytes of the value, leading white space included */
	/* offset of the first number that cannot be held (see scan_number), SIZE_MAX if none */
	size_t number_at;
};

/* The value at the start of text (leading white space skipped). With `more`, the end of the text inside a
 * value (or right after a number or a word, which could go on) is SCAN_MORE; without, it is SCAN_SYNTAX.
 * `depth` is the number of nested containers allowed. */
enum scan_result scan_value(struct span text, unsigned depth, bool more, struct scan_report *report);

/* Exactly one value, with white space around it allowed. */
enum scan_result scan_check(struct span text, unsigned depth, struct scan_report *report);

/* The members of the outermost objects, noted while a text is checked, so that going through them afterwards
 * needs no second look at their values. The text must stay where it is. A text with more members than fit has no
 * outline: going through it works all the same, slower. */
enum { SCAN_OUTLINE_LEVELS = 3, SCAN_OUTLINE_MAX = 64 };
struct scan_outline {
	const char *text;
	unsigned count; /* 0: none */
	struct scan_outlined {
		struct span name, value;
		unsigned level;        /* 1: of the outermost object */
		unsigned odd;          /* (while scanning: a count) */
		bool canonical;        /* scan_canonical would not change the value */
	} at[SCAN_OUTLINE_MAX];    /* in the order of the text */
};

/* scan_check that makes an outline, which is good where the result is SCAN_OK. */
enum scan_result scan_check_outlined(struct span text, unsigned depth, struct scan_report *report,
                                     struct scan_outline *outline);

enum scan_kind scan_kind(struct span value);

/* for (struct scan_iter it = scan_members(object); scan_next_member(&it, &name, &value);) …
 * `name` is raw: between the quotes, escapes not resolved. `value` has no white space around it. An iterator
 * over what is no object (array) yields nothing. `bad` is set when iteration ended on a fault instead of the
 * closing bracket. */
struct scan_iter {
	const char *at, *end;
	bool first, bad;
	bool canonical;                          /* known of the last value */
	const struct scan_outlined *next, *stop; /* with an outline */
	unsigned level;
};
struct scan_iter scan_members(struct span object);
/* The same; with the outline of a text that has the object in it (NULL: none) faster. */
struct scan_iter scan_members_outlined(struct span object, const struct scan_outline *outline);
struct scan_iter scan_elements(struct span array);
bool scan_next_member(struct scan_iter *it, struct span *name, struct span *value);
bool scan_next_element(struct scan_iter *it, struct span *value);
/* scan_next_member for who knows which name probably comes next: faster where *as_expected gets true. `expected`
 * needs no escapes; of length 0: nothing is expected. */
bool scan_expect_member(struct scan_iter *it, struct span expected, bool *as_expected, struct span *name,
                        struct span *value);

/* linear; false: no such member */
bool scan_member(struct span object, const char *name, struct span *value);
bool scan_escaped_name_is(struct span raw_name, const char *name);          /* scan_name_is's slow part */
/* resolves escapes in raw_name */
static inline bool scan_name_is(struct span raw_name, const char *name)
{
	/* nearly always the length or the first byte tells; no escape is shorter than what it stands for */
	size_t len = strlen(name);
	if (raw_name.len == len)
		return len == 0 || (raw_name.at[0] == name[0] && memcmp(raw_name.at, name, len) == 0 &&
		                    !memchr(name, '\\', len));
	return raw_name.len > len && (raw_name.at[0] == name[0] || raw_name.at[0] == '\\') &&
	       scan_escaped_name_is(raw_name, name);
}
size_t scan_count(struct span container);                                   /* members or elements */

/* The string's text. Without escapes it points into `value`; else it is decoded into `scratch` (appended: the
 * span is valid until scratch changes). `value` with its quotes. False: not a string. */
bool scan_string(struct span value, struct buf *scratch, struct span *text);
/* The same for what stands between quotes already (a raw name). */
bool scan_unescape(struct span raw, struct buf *scratch, struct span *text);

enum scan_number {
	SCAN_NAN,      /* not a number at all */
	SCAN_INT,      /* an integer that fits int64_t */
	SCAN_REAL,     /* has a fraction or an exponent, and is finite as a double */
	SCAN_TOO_BIG,  /* an integer beyond 64 bits, or a real that overflows a double */
};
/* SCAN_INT sets both (real rounded) */
enum scan_number scan_number(struct span value, int64_t *whole, double *real);

/* Appends the canonical form, which is what is stored, sent and hashed: no white space, names in their order,
 * strings with the shortest escapes (as buf_string), integers as they are ("-0" becomes "0"), reals as
 * buf_real. The value must be checked, with no number that is too big.
 * Canonical text stays byte for byte the same. */
void scan_canonical(struct buf *out, struct span value);

/* Appends the way from `root` to the byte at `at` (an offset into root) as people write it:
 * payload.legs[3].price */
void scan_path(struct buf *out, struct span root, size_t at);
