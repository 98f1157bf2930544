#include "daemon/spares.h"
#include "proto/ident.h"
#include "proto/mem.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEP = 512, STEPS_MIN = 8, RANDOM_DIGITS = 15 };

/* Numbers begin anywhere: a daemon whose lock somebody removed must not take the files of the one that was started
 * beside it for its own. */
void spares_init(struct spares *s, struct disk *d)
{
	char random[RANDOM_DIGITS + 1];
	ident_hex(random, RANDOM_DIGITS);
	*s = (struct spares){.disk = d, .named = strtoull(random, NULL, 16)};
	pthread_mutex_init(&s->lock, NULL);
}

void spares_done(struct spares *s)
{
	pthread_mutex_destroy(&s->lock);
}

static uint64_t step_of(uint64_t content, size_t *doublings)
{
	uint64_t step = STEP;
	for (*doublings = 0; step * 2 * STEPS_MIN <= content; step *= 2)
		++*doublings;
	return step;
}

uint64_t spares_size(uint64_t content)
{
	size_t ignored;
	if (content > SPARES_FILE_MAX)
		return content;
	uint64_t step = step_of(content, &ignored);
	return (content + step - 1) / step * step;
}

static bool is_size(uint64_t size)
{
	return size > 0 && size <= SPARES_FILE_MAX && spares_size(size) == size;
}

/* of one of the sizes, in their order */
static size_t place_of(uint64_t size)
{
	size_t doublings;
	uint64_t step = step_of(size, &doublings);
	return doublings * STEPS_MIN + size / step;
}

static void spare_name(uint64_t number, char name[SPARE_NAME_LEN + 1])
{
	snprintf(name, SPARE_NAME_LEN + 1, "spare.%016llx.tmp", (unsigned long long)number);
}

bool spares_is_name(const char *name)
{
	return strlen(name) == SPARE_NAME_LEN && strncmp(name, "spare.", 6) == 0 && disk_is_tmp(name);
}

/* A failure leaves a tmp file for the next start. */
static void unlink_spare(struct spares *s, const struct disk_dir *journal, uint64_t number)
{
	char name[SPARE_NAME_LEN + 1];
	struct disk_error ignored;
	spare_name(number, name);
	disk_unlink(s->disk, journal, name, &ignored);
}

/* With the lock. */
static struct spare remove_at(struct spares *s, size_t i)
{
	struct spare removed = s->all[i];
	s->count--;
	s->bytes -= removed.size;
	memmove(s->all + i, s->all + i + 1, (s->count - i) * sizeof *s->all);
	return removed;
}

static bool has_room(const struct spares *s, uint64_t size)
{
	return s->count < SPARES_MAX && s->bytes + size <= SPARES_BYTES_MAX;
}

static void make_room(struct spares *s, const struct disk_dir *journal, uint64_t size)
{
	for (bool enough = false; !enough;) {
		uint64_t oldest = 0;
		pthread_mutex_lock(&s->lock);
		enough = has_room(s, size);
		if (!enough)
			oldest = remove_at(s, 0).number;
		pthread_mutex_unlock(&s->lock);
		if (!enough)
			unlink_spare(s, journal, oldest);
	}
}

/* False: it may have been renamed before the failure that all were cleared for. */
static bool add(struct spares *s, struct spare spare, uint64_t clearings)
{
	pthread_mutex_lock(&s->lock);
	bool ok = s->clearings == clearings;
	if (ok) {
		assert(has_room(s, spare.size) && s->added < spare.number);
		s->all[s->count++] = spare;
		s->bytes += spare.size;
		s->added = spare.number;
	}
	pthread_mutex_unlock(&s->lock);
	return ok;
}

static struct spare name_next(struct spares *s, uint64_t size, uint64_t *clearings)
{
	pthread_mutex_lock(&s->lock);
	struct spare spare = {.number = ++s->named, .size = size};
	*clearings = s->clearings;
	pthread_mutex_unlock(&s->lock);
	return spare;
}

bool spares_give(struct spares *s, const struct disk_dir *journal, const char *name, uint64_t size,
                 struct disk_error *e)
{
	char as[SPARE_NAME_LEN + 1];
	uint64_t clearings;
	if (!is_size(size))
		return disk_unlink(s->disk, journal, name, e);
	make_room(s, journal, size);
	struct spare spare = name_next(s, size, &clearings);
	spare_name(spare.number, as);
	if (disk_rename(s->disk, journal, name, as, e)) {
		if (!add(s, spare, clearings))
			unlink_spare(s, journal, spare.number);
		return true;
	}
	if (errno == ENOENT)
		return true;
	unlink_spare(s, journal, spare.number); /* it may have been done all the same */
	return disk_unlink(s->disk, journal, name, e);
}

/* With the lock. */
static void miss(struct spares *s, uint64_t size)
{
	enum { ENOUGH = 7 }; /* 1 << (ENOUGH - 1) is SPARES_LAY_MAX */
	if (!is_size(size))
		return;
	uint8_t *misses = &s->misses[place_of(size)];
	if (*misses < ENOUGH)
		++*misses;
	if (*misses > 1)
		s->wanted = size;
}

bool spares_take(struct spares *s, uint64_t size, char name[SPARE_NAME_LEN + 1])
{
	uint64_t number = 0;
	pthread_mutex_lock(&s->lock);
	for (size_t i = s->count; i-- > 0 && number == 0;)
		if (s->all[i].size == size && s->all[i].number <= s->durable)
			number = remove_at(s, i).number;
	if (number == 0)
		miss(s, size);
	pthread_mutex_unlock(&s->lock);
	spare_name(number, name);
	return number > 0;
}

/* With the lock. */
static size_t wanted_now(const struct spares *s)
{
	if (s->wanted == 0)
		return 0;
	size_t count = (size_t)1 << (s->misses[place_of(s->wanted)] - 1);
	size_t most[] = {SPARES_LAID_MAX - s->laid, SPARES_MAX - s->count, SPARES_LAY_BYTES / s->wanted,
	                 (SPARES_BYTES_MAX - s->bytes) / s->wanted};
	for (size_t i = 0; i < sizeof most / sizeof *most; i++)
		count = count < most[i] ? count : most[i];
	return count;
}

bool spares_are_wanted(struct spares *s)
{
	pthread_mutex_lock(&s->lock);
	bool wanted = wanted_now(s) > 0;
	pthread_mutex_unlock(&s->lock);
	return wanted;
}

/* More are no use to a disk that is nearly full. */
static bool lay_one(struct spares *s, const struct disk_dir *journal, uint64_t size)
{
	char name[SPARE_NAME_LEN + 1];
	struct disk_error ignored;
	uint64_t clearings;
	if (disk_room(s->disk, journal) < SPARES_BYTES_MAX)
		return false;
	struct spare spare = name_next(s, size, &clearings);
	spare_name(spare.number, name);
	if (!disk_lay(s->disk, journal, name, size, journal->files, &ignored))
		return false;
	if (add(s, spare, clearings))
		return true;
	unlink_spare(s, journal, spare.number);
	return false;
}

uint64_t spares_lay(struct spares *s, const struct disk_dir *journal)
{
	pthread_mutex_lock(&s->lock);
	size_t count = wanted_now(s), done = 0;
	uint64_t size = s->wanted;
	s->wanted = 0;
	pthread_mutex_unlock(&s->lock);
	while (done < count && lay_one(s, journal, size))
		done++;
	pthread_mutex_lock(&s->lock);
	s->laid = done < count ? SPARES_LAID_MAX : s->laid + count;
	pthread_mutex_unlock(&s->lock);
	return done * size;
}

uint64_t spares_mark(struct spares *s)
{
	pthread_mutex_lock(&s->lock);
	uint64_t mark = s->added;
	pthread_mutex_unlock(&s->lock);
	return mark;
}

void spares_settle(struct spares *s, uint64_t mark)
{
	pthread_mutex_lock(&s->lock);
	if (s->durable < mark)
		s->durable = mark;
	pthread_mutex_unlock(&s->lock);
}

void spares_clear(struct spares *s, const struct disk_dir *journal)
{
	pthread_mutex_lock(&s->lock);
	size_t count = s->count;
	struct spare *all = mem_copy(s->all, count * sizeof *all);
	s->count = 0;
	s->bytes = 0;
	s->clearings++;
	pthread_mutex_unlock(&s->lock);
	for (size_t i = 0; i < count; i++)
		unlink_spare(s, journal, all[i].number);
	free(all);
}

void spares_show(struct spares *s, uint64_t *count, uint64_t *bytes)
{
	pthread_mutex_lock(&s->lock);
	*count = s->count;
	*bytes = s->bytes;
	pthread_mutex_unlock(&s->lock);
}
