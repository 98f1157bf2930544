#include "daemon/newest.h"
#include "proto/mem.h"
#include <stdlib.h>

void newest_init(struct newest *n)
{
	for (int t = 0; t < TABLE_COUNT; t++) {
		slab_init(&n->slab[t], sizeof(struct newest_version));
		hash_init(&n->ids[t], &n->slab[t], offsetof(struct newest_version, link));
	}
}

void newest_done(struct newest *n)
{
	for (int t = 0; t < TABLE_COUNT; t++) {
		for (uint32_t i = 1; i <= n->slab[t].used; i++) {
			struct newest_version *v = slab_at(&n->slab[t], i);
			free(v->id);
			free((char *)v->text.at);
		}
		hash_done(&n->ids[t]);
		slab_done(&n->slab[t]);
	}
}

static struct newest_version *find(const struct newest *n, enum table_id t, struct span id, uint32_t hash)
{
	for (uint32_t e = hash_first(&n->ids[t], hash); e; e = hash_next(&n->ids[t], e, hash)) {
		struct newest_version *v = slab_at(&n->slab[t], e);
		if (span_is(span_of(v->id), id))
			return v;
	}
	return NULL;
}

struct newest_version *newest_find(const struct newest *n, enum table_id t, struct span id)
{
	return find(n, t, id, hash_of(&n->ids[t], id));
}

static struct newest_version *add(struct newest *n, enum table_id t, struct span id, uint32_t hash)
{
	uint32_t e = slab_take(&n->slab[t]);
	struct newest_version *v = slab_at(&n->slab[t], e);
	v->id = mem_zero(id.len + 1);
	memcpy(v->id, id.at, id.len);
	hash_add(&n->ids[t], e, hash);
	return v;
}

static bool beats(const struct newest_version *v, struct span text, uint64_t revision, bool certain)
{
	if (revision != v->revision)
		return revision > v->revision;
	if (!text.at != !v->text.at)
		return !text.at;
	return certain && !v->certain;
}

struct newest_version *newest_see(struct newest *n, enum table_id t, struct span id, struct span text,
                                  uint64_t revision, bool certain, uint32_t file)
{
	uint32_t hash = hash_of(&n->ids[t], id);
	struct newest_version *v = find(n, t, id, hash);
	bool first = !v;
	if (first)
		v = add(n, t, id, hash);
	if (!first && !beats(v, text, revision, certain))
		return v;
	free((char *)v->text.at);
	v->text = text.at ? (struct span){mem_copy(text.at, text.len), text.len} : (struct span){0};
	v->revision = revision;
	v->certain = certain;
	v->file = file;
	return v;
}

void newest_drop(struct newest_version *v)
{
	free((char *)v->text.at);
	v->text = (struct span){0};
}

uint32_t newest_count(const struct newest *n, enum table_id t)
{
	return n->slab[t].used;
}

struct newest_version *newest_at(const struct newest *n, enum table_id t, uint32_t i)
{
	return slab_at(&n->slab[t], i);
}
