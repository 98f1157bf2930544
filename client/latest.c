#include "client/latest.h"
#include "proto/mem.h"
#include <stdlib.h>

#define uthash_malloc(size) mem_alloc(size)
#define HASH_FUNCTION(key, len, hash) HASH_FNV(key, len, hash)
#include <uthash.h>

struct job {
	UT_hash_handle hh; /* in the order of their first report */
	struct buf line;
	size_t id_len;
	char id[];
};

struct latest {
	struct job *jobs;
};

struct latest *latest_new(void)
{
	return mem_zero(sizeof(struct latest));
}

static void forget(struct latest *l, struct job *j)
{
	HASH_DEL(l->jobs, j);
	buf_free(&j->line);
	free(j);
}

void latest_free(struct latest *l)
{
	if (!l)
		return;
	while (l->jobs)
		forget(l, l->jobs);
	free(l);
}

static struct span id_of(const struct job *j) { return (struct span){j->id, j->id_len}; }

static struct job *find(struct latest *l, struct span id)
{
	struct job *j;

	HASH_FIND(hh, l->jobs, id.at, id.len, j);
	return j;
}

static struct job *add(struct latest *l, struct span id)
{
	struct job *j = mem_zero(sizeof *j + id.len);

	j->id_len = id.len;
	memcpy(j->id, id.at, id.len);
	HASH_ADD_KEYPTR(hh, l->jobs, j->id, j->id_len, j);
	return j;
}

void latest_set(struct latest *l, struct span id, struct span line)
{
	struct job *j = find(l, id);

	if (!j) {
		if (HASH_COUNT(l->jobs) >= LATEST_MAX)
			forget(l, l->jobs);
		j = add(l, id);
	}
	j->line.len = 0;
	buf_span(&j->line, line);
}

void latest_merge(struct latest *newer, struct latest *older)
{
	while (older->jobs) {
		struct job *j = older->jobs;
		if (!find(newer, id_of(j)) && HASH_COUNT(newer->jobs) < LATEST_MAX)
			latest_set(newer, id_of(j), buf_as_span(&j->line));
		forget(older, j);
	}
}

void latest_write(const struct latest *l, struct buf *out)
{
	for (const struct job *j = l->jobs; j; j = j->hh.next)
		buf_span(out, buf_as_span(&j->line));
}
