#include "client/ctl/seen.h"
#include "proto/mem.h"
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { SIZE_FIRST = 1024 };

static uint64_t mark_of(enum table_id t, struct span id)
{
	uint64_t mark = XXH3_64bits_withSeed(id.at, id.len, (uint64_t)t + 1);

	return mark ? mark : 1;
}

/* Where the mark is, or the empty place for it. */
static size_t place_of(const struct seen *s, uint64_t mark)
{
	size_t at = mark & (s->size - 1);

	while (s->marks[at] && s->marks[at] != mark)
		at = (at + 1) & (s->size - 1);
	return at;
}

static void grow(struct seen *s)
{
	struct seen old = *s;

	s->size = old.size ? old.size * 2 : SIZE_FIRST;
	s->marks = mem_zero(s->size * sizeof *s->marks);
	s->files = mem_alloc(s->size * sizeof *s->files);
	for (size_t i = 0; i < old.size; i++) {
		if (!old.marks[i])
			continue;
		size_t at = place_of(s, old.marks[i]);
		s->marks[at] = old.marks[i];
		s->files[at] = old.files[i];
	}
	seen_free(&old);
}

enum seen_answer seen_add(struct seen *s, enum table_id t, struct span id, uint32_t file)
{
	uint64_t mark = mark_of(t, id);

	if (s->used >= s->size / 4 * 3)
		grow(s);
	size_t at = place_of(s, mark);
	enum seen_answer answer = !s->marks[at] ? SEEN_NEVER
		: s->files[at] == file ? SEEN_IN_THIS_FILE : SEEN_EARLIER;
	s->used += answer == SEEN_NEVER;
	s->marks[at] = mark;
	s->files[at] = file;
	return answer;
}

bool seen_has(const struct seen *s, enum table_id t, struct span id)
{
	uint64_t mark = mark_of(t, id);

	return s->size > 0 && s->marks[place_of(s, mark)] == mark;
}

void seen_free(struct seen *s)
{
	free(s->marks);
	free(s->files);
	*s = (struct seen){0};
}
