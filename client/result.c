#include "client/result.h"
#include "proto/mem.h"
#include "proto/scan.h"
#include <jansson.h>
#include <stdlib.h>

/* A member's text, kept as long as the result because it is lent. */
struct member {
	struct member *next;
	char *name;
	char *text;
};

struct persist_result {
	json_t *tree;
	struct member *members;
	bool taken;
	size_t len;
	char text[];
};

persist_result *result_new(struct span text)
{
	persist_result *r = mem_alloc(sizeof *r + text.len + 1);

	*r = (persist_result){.len = text.len};
	memcpy(r->text, text.at, text.len);
	r->text[text.len] = '\0';
	return r;
}

void persist_result_free(persist_result *r)
{
	if (!r)
		return;
	json_decref(r->tree);
	while (r->members) {
		struct member *m = r->members;
		r->members = m->next;
		free(m->name);
		free(m->text);
		free(m);
	}
	free(r);
}

persist_result *persist_result_take(persist_result *r)
{
	if (r)
		r->taken = true;
	return r;
}

bool result_was_taken(const persist_result *r) { return r->taken; }
struct span result_span(const persist_result *r) { return (struct span){r->text, r->len}; }

const char *persist_result_text(const persist_result *r, size_t *len)
{
	if (len)
		*len = r ? r->len : 0;
	return r ? r->text : NULL;
}

json_t *persist_result_json(persist_result *r)
{
	if (r && !r->tree)
		r->tree = json_loadb(r->text, r->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	return r ? r->tree : NULL;
}

static const char *keep_member(persist_result *r, const char *name, struct span value)
{
	struct member *m = mem_zero(sizeof *m);
	struct buf text = {0};
	struct span decoded;

	if (!scan_string(value, &text, &decoded))
		decoded = value;
	m->name = mem_copy(name, strlen(name) + 1);
	m->text = mem_alloc(decoded.len + 1);
	memcpy(m->text, decoded.at, decoded.len);
	m->text[decoded.len] = '\0';
	buf_free(&text);
	m->next = r->members;
	r->members = m;
	return m->text;
}

const char *persist_result_member(persist_result *r, const char *name)
{
	struct span value;

	if (!r)
		return NULL;
	for (struct member *m = r->members; m; m = m->next) {
		if (strcmp(m->name, name) == 0)
			return m->text;
	}
	return scan_member(result_span(r), name, &value) ? keep_member(r, name, value) : NULL;
}

bool result_real(const persist_result *r, const char *name, double *number)
{
	struct span value;
	int64_t whole;

	if (!scan_member(result_span(r), name, &value))
		return false;
	enum scan_number kind = scan_number(value, &whole, number);
	return kind == SCAN_INT || kind == SCAN_REAL;
}

bool result_whole(const persist_result *r, const char *name, int64_t *number)
{
	struct span value;
	double real;

	return scan_member(result_span(r), name, &value) && scan_number(value, number, &real) == SCAN_INT;
}
