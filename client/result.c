#include "client/result.h"
#include "proto/mem.h"
#include "proto/scan.h"
#include <jansson.h>
#include <stdlib.h>

/* Texts of members that were asked for, kept as long as the result. */
struct member {
	struct member *next;
	char text[];
};

struct persist_result {
	json_t *json;
	bool taken; /* out of a callback */
	struct member *members;
	size_t len;
	char text[]; /* NUL-terminated */
};

persist_result *result_new(struct span text)
{
	persist_result *r = mem_alloc(sizeof *r + text.len + 1);
	*r = (persist_result){.len = text.len};
	memcpy(r->text, text.at, text.len);
	r->text[text.len] = '\0';
	return r;
}

const char *persist_result_text(const persist_result *r, size_t *len)
{
	if (len)
		*len = r->len;
	return r->text;
}

struct json_t *persist_result_json(persist_result *r)
{
	if (!r->json)
		r->json = json_loadb(r->text, r->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	return r->json;
}

const char *persist_result_member(persist_result *r, const char *name)
{
	struct buf scratch = {0};
	struct span value;
	if (!scan_member((struct span){r->text, r->len}, name, &value))
		return NULL;
	struct span text = value;
	scan_string(value, &scratch, &text);
	struct member *m = mem_alloc(sizeof *m + text.len + 1);
	m->next = r->members;
	r->members = m;
	memcpy(m->text, text.at, text.len);
	m->text[text.len] = '\0';
	buf_free(&scratch);
	return m->text;
}

persist_result *persist_result_take(persist_result *r)
{
	r->taken = true;
	return r;
}

void result_drop(persist_result *r)
{
	if (r && !r->taken)
		persist_result_free(r);
}

void persist_result_free(persist_result *r)
{
	if (!r)
		return;
	while (r->members) {
		struct member *next = r->members->next;
		free(r->members);
		r->members = next;
	}
	json_decref(r->json);
	free(r);
}
