/* ident: the allowlists of every id, type and kind, and how a kind is sanitised.
 *
 * Patterns are PCRE2, anchored with \A and \z, so that neither a newline at the end nor a NUL inside slips
 * through. ident_init asks them once which bytes and lengths they take. It must have run before the rest, which
 * any thread may call. */
#pragma once
#include "proto/span.h"

enum ident {
	IDENT_JOB,      /* [A-Za-z0-9_-]{1,160} */
	IDENT_JOB_TYPE, /* [a-z0-9_]{1,64} */
	IDENT_RUN,      /* [a-zA-Z0-9_-]{1,160} */
	IDENT_ARTIFACT, /* [a-z0-9_]{1,180} */
	IDENT_COUNT
};
enum { IDENT_KIND_MAX = 64, IDENT_ARTIFACT_MAX = 180, IDENT_MAX = 180 };

void ident_init(void); /* again: harmless */
const char *ident_pattern(enum ident i); /* as people read it, without anchors */
bool ident_check(enum ident i, struct span text);

/* A run's kind: lower-cased as Python's str.lower() does where that matters, each run of characters outside
 * [a-z0-9] becomes one `_`, trimmed of `_`, cut to `max` (and trimmed again, so that sanitising twice changes
 * nothing), empty becomes "run". `out` has room for max + 1; NUL-terminated. Returns the length. */
size_t ident_sanitise(struct span text, char *out, size_t max);

void ident_uuid4(char out[37]);            /* from getrandom(2) */
void ident_hex(char *out, size_t digits);  /* random lower-case hex digits, NUL-terminated */
