#include "daemon/members.h"

#include "proto/mem.h"
#include "proto/params.h"
#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>
#include <xxhash.h>

static struct span field_name(const struct spec_field *field)
{
	return (struct span){field->name, field->name_len};
}

static bool is_name(const struct spec_field *field, struct span raw_name)
{
	return span_is(raw_name, field_name(field));
}

int members_field(const struct spec_field *fields, struct span raw_name, int guess)
{
	/* records written by us have their fields in order; what is not in order is found by looking at all */
	if (fields[guess].name && is_name(&fields[guess], raw_name))
		return guess;
	for (int i = 0; fields[i].name; i++)
		if (fields[i].name[0] == raw_name.at[0] && is_name(&fields[i], raw_name))
			return i;
	if (!memchr(raw_name.at, '\\', raw_name.len))
		return -1;
	return field_find(fields, raw_name);
}

bool members_read(enum table_id t, struct span object, const struct scan_outline *outline, struct members *m)
{
	const struct spec_field *fields = spec_fields(t);
	*m = (struct members){0};
	if (scan_kind(object) != SCAN_OBJECT)
		return false;
	struct scan_iter it = scan_members_outlined(object, outline), before = it;
	struct span name, value;
	bool guessed;
	for (int guess = 0; scan_expect_member(&it, field_name(&fields[guess]), &guessed, &name, &value); before = it) {
		int field = guessed ? guess : members_field(fields, name, guess);
		if (field >= 0) {
			m->value[field] = value;
			m->canonical |= (uint32_t)it.canonical << field;
			guess = field + 1;
		} else if (!m->has_unknown) {
			m->has_unknown = true;
			m->unknown = before;
		}
		m->end = value.at + value.len;
	}
	return !it.bad;
}

void layout_of(enum table_id t, struct span text, const struct members *m, struct layout *l)
{
	const struct spec_field *fields = spec_fields(t);
	size_t end = 0;
	l->regular = false;
	if (m->has_unknown || text.len > UINT32_MAX)
		return;
	for (int i = 0; fields[i].name; i++) {
		struct span value = m->value[i];
		if (!value.at || (size_t)(value.at - text.at) != end + fields[i].name_len + MEMBER_AROUND_NAME)
			return;
		end = (size_t)(value.at - text.at) + value.len;
		l->ends[i] = (uint32_t)end;
	}
	l->regular = end + 1 == text.len;
}

void members_of_layout(enum table_id t, const char *text, const struct layout *l, struct members *m)
{
	const struct spec_field *fields = spec_fields(t);
	size_t end = 0;
	assert(l->regular);
	*m = (struct members){0};
	for (int i = 0; fields[i].name; i++) {
		size_t at = end + fields[i].name_len + MEMBER_AROUND_NAME;
		end = l->ends[i];
		m->value[i] = (struct span){text + at, end - at};
	}
	m->end = text + end;
}

void members_put_name(struct buf *out, const struct spec_field *field)
{
	size_t len = field->name_len;
	char *at = buf_room(out, len + MEMBER_AROUND_NAME);
	at[0] = ',';
	at[1] = '"';
	memcpy(at + 2, field->name, len);
	at[len + 2] = '"';
	at[len + 3] = ':';
	out->len += len + MEMBER_AROUND_NAME;
}

void members_put(struct buf *out, const struct spec_field *field, struct span value)
{
	members_put_name(out, field);
	if (value.at)
		buf_span(out, value);
	else
		buf_text(out, field->fallback ? field->fallback : "null");
}

static struct span with_quotes(struct span raw_name)
{
	return (struct span){raw_name.at - 1, raw_name.len + 2};
}

void members_put_unknown(struct buf *out, enum table_id t, const struct members *m)
{
	if (!m->has_unknown)
		return;
	const struct spec_field *fields = spec_fields(t);
	struct scan_iter it = m->unknown;
	struct span name, value;
	while (scan_next_member(&it, &name, &value)) {
		if (members_field(fields, name, 0) >= 0)
			continue;
		buf_char(out, ',');
		scan_canonical(out, with_quotes(name));
		buf_char(out, ':');
		scan_canonical(out, value);
	}
}

void members_close(struct buf *out, size_t start)
{
	if (out->len > start)
		out->at[start] = '{';
	else
		buf_char(out, '{');
	buf_char(out, '}');
}

struct overlaid {
	struct span name, value;
	bool placed;
};

enum { OVERLAY_SMALL = 16 };

/* The members of `over`, to be found by name: a few by looking at each,
 * many by a hash whose seed nobody outside knows. */
struct overlay {
	struct overlaid small[OVERLAY_SMALL];
	struct overlaid *at;
	size_t count;
	size_t next;      /* where the next one is looked for first: mostly both have the same order */
	uint32_t *slots;  /* place + 1, 0: empty; NULL: few */
	size_t slot_mask;
	uint64_t seed;
};

static void overlay_hash(struct overlay *o)
{
	size_t slot_count = 64;
	while (slot_count < 2 * o->count)
		slot_count *= 2;
	o->slot_mask = slot_count - 1;
	o->slots = mem_zero(slot_count * sizeof(o->slots[0]));
	if (getrandom(&o->seed, sizeof(o->seed), 0) != sizeof(o->seed))
		abort();
	for (size_t i = 0; i < o->count; i++) {
		size_t slot = XXH3_64bits_withSeed(o->at[i].name.at, o->at[i].name.len, o->seed) & o->slot_mask;
		while (o->slots[slot])
			slot = (slot + 1) & o->slot_mask;
		o->slots[slot] = (uint32_t)(i + 1);
	}
}

static void overlay_open(struct overlay *o, struct span over)
{
	size_t room = scan_count(over);
	o->at = room <= OVERLAY_SMALL ? o->small : mem_alloc(room * sizeof(o->at[0]));
	o->count = o->next = 0;
	o->slots = NULL;
	struct scan_iter it = scan_members(over);
	struct span name, value;
	while (o->count < room && scan_next_member(&it, &name, &value))
		o->at[o->count++] = (struct overlaid){.name = name, .value = value};
	if (o->count > OVERLAY_SMALL)
		overlay_hash(o);
}

static void overlay_close(struct overlay *o)
{
	if (o->at != o->small)
		free(o->at);
	free(o->slots);
}

static struct overlaid *overlay_find(struct overlay *o, struct span name)
{
	if (o->next < o->count && span_is(o->at[o->next].name, name))
		return &o->at[o->next++];
	if (!o->slots) {
		for (size_t i = 0; i < o->count; i++)
			if (span_is(o->at[i].name, name)) {
				o->next = i + 1;
				return &o->at[i];
			}
		return NULL;
	}
	size_t slot = XXH3_64bits_withSeed(name.at, name.len, o->seed) & o->slot_mask;
	for (; o->slots[slot]; slot = (slot + 1) & o->slot_mask) {
		struct overlaid *found = &o->at[o->slots[slot] - 1];
		if (span_is(found->name, name)) {
			o->next = o->slots[slot];
			return found;
		}
	}
	return NULL;
}

static void put_member(struct buf *out, struct span name, struct span value)
{
	buf_char(out, ',');
	buf_span(out, with_quotes(name));
	buf_char(out, ':');
	buf_span(out, value);
}

struct span members_overlay(struct buf *out, struct span base, struct span over)
{
	struct overlay o;
	overlay_open(&o, over);
	size_t start = out->len;
	struct scan_iter it = scan_members(base);
	struct span name, value, first_new = {0};
	while (scan_next_member(&it, &name, &value)) {
		struct overlaid *found = overlay_find(&o, name);
		if (found)
			found->placed = true;
		put_member(out, name, found ? found->value : value);
	}
	for (size_t i = 0; i < o.count; i++) {
		if (o.at[i].placed)
			continue;
		put_member(out, o.at[i].name, o.at[i].value);
		if (!first_new.at)
			first_new = o.at[i].name;
	}
	members_close(out, start);
	overlay_close(&o);
	return first_new;
}
