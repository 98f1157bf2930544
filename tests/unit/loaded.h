/* loaded: a sink that keeps what a load hands on, and the findings, as a test wants to see them. Records need
 * no more than an id. */
#pragma once
#include "daemon/load.h"
#include "proto/mem.h"
#include "proto/scan.h"
#include "tests/unit/unit.h"
#include <stdio.h>

#define STORE "01234567-89ab-4cde-8f01-23456789abcd"
#define OTHER_STORE "fedcba98-89ab-4cde-8f01-23456789abcd"

struct loaded_record {
	enum table_id table;
	char id[64];
	char *text;
};

struct loaded {
	struct loaded_record records[512];
	size_t count;
	unsigned calls, untrusted;
	bool nothing; /* only counts */
	unsigned findings, fatal;
	struct load_finding first_fatal, last_note;
	struct buf dump;
};

static inline void loaded_reset(struct loaded *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->records[i].text);
	buf_free(&l->dump);
	*l = (struct loaded){0};
}

static inline struct loaded_record *loaded_find(struct loaded *l, enum table_id t, struct span id)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->records[i].table == t && span_is(span_of(l->records[i].id), id))
			return &l->records[i];
	return NULL;
}

static inline bool loaded_set(struct loaded *l, enum table_id t, struct span text, bool trusted, bool once,
                              struct fault *fault, size_t *at)
{
	struct span value, id;
	struct buf scratch = {0}, canonical = {0};
	l->calls++;
	l->untrusted += !trusted;
	if (l->nothing)
		return true;
	*at = 0;
	scan_canonical(&canonical, text);
	if (!scan_member(text, "id", &value) || !scan_string(value, &scratch, &id) || id.len >= 64 ||
	    (trusted && !span_is(text, buf_as_span(&canonical)))) {
		fault_set(fault, FAULT_INVALID_PARAMS, "is no record");
		buf_free(&canonical);
		return false;
	}
	struct loaded_record *r = loaded_find(l, t, id);
	if (r && once) {
		fault_set(fault, FAULT_INVALID_PARAMS, "the id stands twice");
		buf_free(&canonical);
		buf_free(&scratch);
		return false;
	}
	if (!r) {
		ck_assert_uint_lt(l->count, 512);
		r = &l->records[l->count++];
		*r = (struct loaded_record){.table = t};
		memcpy(r->id, id.at, id.len);
	}
	free(r->text);
	*buf_room(&canonical, 1) = '\0';
	r->text = canonical.at;
	buf_free(&scratch);
	return true;
}

static inline bool loaded_record(void *context, enum table_id t, struct span text, bool trusted,
                                 struct fault *fault, size_t *at)
{
	return loaded_set(context, t, text, trusted, true, fault, at);
}

static inline bool loaded_put(void *context, enum table_id t, struct span text, bool trusted,
                              struct fault *fault, size_t *at)
{
	return loaded_set(context, t, text, trusted, false, fault, at);
}

static inline bool loaded_remove(void *context, enum table_id t, struct span id, struct fault *fault)
{
	struct loaded *l = context;
	struct loaded_record *r = loaded_find(l, t, id);
	(void)fault;
	l->calls++;
	if (r) {
		free(r->text);
		*r = l->records[--l->count];
	}
	return true;
}

static inline void loaded_report(void *context, const struct load_finding *f)
{
	struct loaded *l = context;
	l->findings++;
	if (f->fatal && l->fatal++ == 0)
		l->first_fatal = *f;
	if (!f->fatal)
		l->last_note = *f;
}

static inline struct load_sink loaded_sink(struct loaded *l)
{
	return (struct load_sink){.context = l, .record = loaded_record, .put = loaded_put,
	                          .remove = loaded_remove};
}

static inline int loaded_compare(const void *a, const void *b)
{
	const struct loaded_record *x = a, *y = b;
	return x->table != y->table ? (int)x->table - (int)y->table : strcmp(x->id, y->id);
}

/* "jobs a=1 b=2 runs c=3 ": each record's id and its member "v", sorted. */
static inline const char *loaded_dump(struct loaded *l)
{
	int table = -1;
	qsort(l->records, l->count, sizeof *l->records, loaded_compare);
	l->dump.len = 0;
	for (size_t i = 0; i < l->count; i++) {
		struct span v = SPAN("?");
		if ((int)l->records[i].table != table)
			buf_printf(&l->dump, "%s ", spec_table_name(l->records[i].table));
		table = (int)l->records[i].table;
		scan_member(span_of(l->records[i].text), "v", &v);
		buf_printf(&l->dump, "%s=%.*s ", l->records[i].id, (int)v.len, v.at);
	}
	*buf_room(&l->dump, 1) = '\0';
	return l->dump.at;
}
