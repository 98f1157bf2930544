#include "daemon/artifact.h"

#include "daemon/members.h"
#include <assert.h>

enum { RANDOM_DIGITS = 10 };

void artifact_make_id(char out[IDENT_ARTIFACT_MAX + 1], struct span kind, struct span run_id)
{
	/* a run that a file brought in may have a kind of any text: sanitised once more,
	 * which changes no kind of ours */
	size_t len = ident_sanitise(kind, out, IDENT_KIND_MAX);
	out[len++] = '_';
	len += ident_sanitise(run_id, out + len, IDENT_ARTIFACT_MAX - len - 1 - RANDOM_DIGITS);
	out[len++] = '_';
	ident_hex(out + len, RANDOM_DIGITS);
	assert(ident_check(IDENT_ARTIFACT, span_of(out)));
}

static void put_text(struct buf *out, enum artifact_field i, struct span text)
{
	members_put_name(out, &spec_artifact_fields[i]);
	buf_string(out, text);
}

void artifact_build(struct buf *out, struct span id, struct span run_id, struct span kind,
                    uint64_t size_bytes, int64_t now, uint64_t revision)
{
	size_t start = out->len;
	put_text(out, ARTIFACT_ID, id);
	put_text(out, ARTIFACT_RUN_ID, run_id);
	put_text(out, ARTIFACT_KIND, kind);
	members_put_name(out, &spec_artifact_fields[ARTIFACT_CREATED_AT]);
	stamp_json(out, now);
	members_put_name(out, &spec_artifact_fields[ARTIFACT_SIZE_BYTES]);
	buf_uint(out, size_bytes);
	members_put_name(out, &spec_artifact_fields[ARTIFACT_REVISION]);
	buf_uint(out, revision);
	members_close(out, start);
}
