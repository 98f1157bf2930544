#include "tests/crash/ledger.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct state *append(struct entry *e)
{
	e->states = realloc(e->states, (e->count + 1) * sizeof *e->states);
	e->states[e->count] = (struct state){0};
	return &e->states[e->count++];
}

static void state_free(struct state *s)
{
	json_decref(s->must);
	json_decref(s->whole);
}

static void drop(struct entry *e, size_t place)
{
	state_free(&e->states[place]);
	memmove(&e->states[place], &e->states[place + 1], (e->count - place - 1) * sizeof *e->states);
	e->count--;
}

/* The place of a state, -1: a later one has been acknowledged already. */
static int place_of(const struct entry *e, long long version)
{
	for (size_t i = 0; i < e->count; i++)
		if (e->states[i].version == version)
			return (int)i;
	return -1;
}

void entry_init(struct entry *e, const char *id, bool contended)
{
	*e = (struct entry){.contended = contended};
	snprintf(e->id, sizeof e->id, "%s", id);
	append(e)->gone = true;
}

const struct state *entry_newest(const struct entry *e)
{
	return &e->states[e->count - 1];
}

void entry_sent(struct entry *e, long long version, json_t *must)
{
	struct state *s = append(e);
	s->version = version;
	s->gone = must == NULL;
	s->must = must;
}

static void keep_only(struct entry *e, size_t place)
{
	while (e->count > place + 1)
		drop(e, place + 1);
	while (place-- > 0)
		drop(e, 0);
}

static bool has_all(const json_t *record, const json_t *must)
{
	const char *name;
	json_t *value;
	json_object_foreach((json_t *)must, name, value)
		if (!json_equal(json_object_get(record, name), value))
			return false;
	return true;
}

void entry_acknowledged(struct entry *e, long long version, const json_t *record)
{
	int place = place_of(e, version);
	if (place < 0)
		return;
	if (e->contended)
		keep_only(e, (size_t)place);
	else
		for (; place > 0; place--)
			drop(e, 0);
	struct state *s = &e->states[0];
	ck_assert_msg(s->gone == (record == NULL), "%s: a deletion is answered like a save", e->id);
	if (!record)
		return;
	ck_assert_msg(has_all(record, s->must), "%s: acknowledged was %s, sent was %s", e->id,
	              json_dumps(record, 0), json_dumps(s->must, 0));
	json_decref(s->whole);
	s->whole = json_deep_copy(record);
}

void entry_refused(struct entry *e, long long version, bool somebody_has_it)
{
	int place = place_of(e, version);
	if (place >= 0)
		drop(e, (size_t)place);
	for (size_t i = 0; somebody_has_it && i < e->count; i++)
		if (e->states[i].gone)
			drop(e, i--);
	ck_assert_msg(e->count > 0, "%s: all who wanted it were told that somebody else has it", e->id);
}

static bool same_record(const struct entry *e, const json_t *a, const json_t *b)
{
	if (!e->has_progress)
		return json_equal(a, b);
	json_t *x = json_copy((json_t *)a), *y = json_copy((json_t *)b);
	json_object_del(x, "progress");
	json_object_del(y, "progress");
	bool same = json_equal(x, y);
	json_decref(x);
	json_decref(y);
	return same;
}

static bool is_possible(const struct entry *e, const struct state *s, const json_t *record)
{
	if (s->gone || !record)
		return s->gone && !record;
	return has_all(record, s->must) && (!s->whole || same_record(e, s->whole, record));
}

static char *text_of(const struct entry *e)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	for (size_t i = 0; i < e->count; i++) {
		const struct state *s = &e->states[i];
		fprintf(out, "  %lld: %.1000s\n", s->version,
		        s->gone ? "no such record" : json_dumps(s->whole ? s->whole : s->must, JSON_COMPACT));
	}
	fclose(out);
	return text;
}

void entry_found(struct entry *e, const json_t *record)
{
	size_t place = 0;
	while (place < e->count && !is_possible(e, &e->states[place], record))
		place++;
	ck_assert_msg(place < e->count, "%s: found\n  %.1000s\npossible were, the first acknowledged:\n%s", e->id,
		      record ? json_dumps(record, JSON_COMPACT) : "no such record", text_of(e));
	keep_only(e, place);
	if (record) {
		json_decref(e->states[0].whole);
		e->states[0].whole = json_deep_copy(record);
	}
}
