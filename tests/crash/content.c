#include "tests/crash/content.h"
#include "proto/mem.h"
#include "tests/crash/dice.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

struct content *content_new(void)
{
	return mem_zero(sizeof(struct content));
}

struct content *content_copy(const struct content *c)
{
	struct content *copy = mem_copy(c, sizeof *c);
	copy->capacity = c->count;
	copy->rows = mem_alloc((c->count + 1) * sizeof *copy->rows);
	for (size_t i = 0; i < c->count; i++) {
		copy->rows[i] = c->rows[i];
		copy->rows[i].text.at = mem_copy(c->rows[i].text.at, c->rows[i].text.len);
	}
	return copy;
}

void content_free(struct content *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->count; i++)
		free((char *)c->rows[i].text.at);
	free(c->rows);
	free(c);
}

static struct content_row *find(const struct content *c, enum table_id t, const char *id)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->rows[i].table == t && strcmp(c->rows[i].id, id) == 0)
			return &c->rows[i];
	return NULL;
}

const struct content_row *content_find(const struct content *c, enum table_id t, const char *id)
{
	return find(c, t, id);
}

/* `revision` is the last member of every table's records. */
static struct span compared(const struct content_rules *rules, struct span text)
{
	static const struct span member = SPAN(",\"revision\":");
	if (rules->revisions)
		return text;
	for (size_t at = text.len; at-- > 0;)
		if (text.len - at >= member.len && memcmp(text.at + at, member.at, member.len) == 0)
			return (struct span){text.at, at};
	return text;
}

static uint64_t row_hash(enum table_id t, struct span text, struct span payload)
{
	uint64_t hash = XXH3_64bits_withSeed(text.at, text.len, t);
	if (t == TABLE_ARTIFACTS)
		hash ^= payload.at ? XXH3_64bits_withSeed(payload.at, payload.len, 9) : UINT64_C(0x5bd1e995);
	return dice_mix(hash);
}

void content_put(struct content *c, const struct content_rules *rules, enum table_id t, const char *id,
                 struct span text, struct span payload)
{
	struct content_row *r = find(c, t, id);
	if (!r) {
		if (c->count == c->capacity) {
			c->capacity = c->capacity * 2 + 8;
			c->rows = mem_resize(c->rows, c->capacity * sizeof *c->rows);
		}
		r = &c->rows[c->count++];
		*r = (struct content_row){.table = t};
		assert(strlen(id) < sizeof r->id);
		strcpy(r->id, id);
	}
	free((char *)r->text.at);
	r->text = (struct span){mem_copy(text.at, text.len), text.len};
	c->hash -= r->hash;
	r->hash = row_hash(t, compared(rules, text), payload);
	c->hash += r->hash;
}

void content_remove(struct content *c, enum table_id t, const char *id)
{
	struct content_row *r = find(c, t, id);
	unsigned number;
	assert(r);
	if (t == TABLE_ARTIFACTS && content_artifact(id, &number))
		c->gone[number / 64] |= UINT64_C(1) << number % 64;
	free((char *)r->text.at);
	c->hash -= r->hash;
	*r = c->rows[--c->count];
}

bool content_is_gone(const struct content *c, unsigned artifact)
{
	return c->gone[artifact / 64] >> artifact % 64 & 1;
}

bool content_artifact(const char *name, unsigned *number)
{
	return sscanf(name, "a%u", number) == 1 && *number < CONTENT_IDS;
}

void content_compare(const struct content *expected, const struct content *shown, char *out, size_t size)
{
	for (size_t i = 0; i < expected->count; i++) {
		const struct content_row *r = &expected->rows[i], *s = find(shown, r->table, r->id);
		if (s && s->hash == r->hash)
			continue;
		snprintf(out, size, "%s %s: expected %.*s, shown %.*s%s", spec_table_name(r->table), r->id,
		         (int)r->text.len, r->text.at, s ? (int)s->text.len : 7, s ? s->text.at : "nothing",
		         s && span_is(s->text, r->text) ? " (the payload differs)" : "");
		return;
	}
	for (size_t i = 0; i < shown->count; i++)
		if (!find(expected, shown->rows[i].table, shown->rows[i].id)) {
			snprintf(out, size, "%s %s is shown and should not be there", spec_table_name(shown->rows[i].table),
			         shown->rows[i].id);
			return;
		}
	snprintf(out, size, "revision %" PRIu64 ", expected %" PRIu64, shown->revision, expected->revision);
}
