#include "tests/bench/ring.h"
#include "proto/mem.h"
#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MIN = 4096, ENTRIES_MAX = 1 << 20, LISTS = 1024, STRIDE = 514229 };

static uint64_t random_state;

static uint32_t any_number(void)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	uint64_t x = random_state ^ random_state >> 29;
	return (uint32_t)(x >> 24);
}

static bool work_named(const char *name, enum work *out)
{
	for (int i = 0; i < WORK_COUNT; i++) {
		if (strcmp(work_names[i], name) == 0) {
			*out = (enum work)i;
			return true;
		}
	}
	return false;
}

static enum work of_mixture(void)
{
	uint32_t percent = any_number() % 100;
	return percent < 80 ? WORK_PROGRESS : percent < 90 ? WORK_GET : percent < 95 ? WORK_INDEXED : WORK_LIST;
}

static bool is_in_order(enum work work)
{
	return work == WORK_PRELOAD || work == WORK_DELETE;
}

static uint32_t steps_of(const struct ring_plan *plan, enum work work, bool mixed)
{
	if (work == WORK_PRELOAD)
		return (plan->count + plan->dialect->preload_burst - 1) / plan->dialect->preload_burst;
	if (work == WORK_DELETE)
		return plan->count;
	if (!mixed && work >= WORK_FIRST)
		return LISTS;
	if (!mixed && work == WORK_LIST)
		return LISTS;
	return plan->records < ENTRIES_MIN ? ENTRIES_MIN : plan->records > ENTRIES_MAX ? ENTRIES_MAX : plan->records;
}

static struct ask next_ask(const struct ring_plan *plan, enum work work, uint32_t index)
{
	uint32_t burst = work == WORK_PRELOAD ? plan->dialect->preload_burst : work == WORK_NOTIFY ? plan->burst : 1;
	struct ask ask = {.work = work, .id = index, .records = plan->records, .burst = burst};
	ask.job = (struct sample){.variant = any_number(), .bytes = plan->bytes};
	if (work == WORK_PRELOAD)
		ask.job.number = plan->first + index * burst;
	else if (work == WORK_DELETE) /* each once, in no order: STRIDE is a prime that divides no number of records */
		ask.job.number = (uint32_t)(((uint64_t)(plan->first + index) * STRIDE) % plan->records);
	else
		ask.job.number = any_number() % plan->records;
	ask.job.moved = work != WORK_PRELOAD && any_number() % 2 == 1;
	return ask;
}

static uint32_t weight_of(const struct ask *ask)
{
	uint32_t left = ask->records - ask->job.number;
	return ask->work == WORK_PRELOAD && left < ask->burst ? left : ask->burst;
}

bool ring_make(struct ring *r, const struct ring_plan *plan)
{
	bool mixed = strcmp(plan->work, "mixed") == 0;
	enum work work = WORK_PROGRESS;
	if (!mixed && !work_named(plan->work, &work))
		return false;
	uint32_t steps = steps_of(plan, work, mixed);
	*r = (struct ring){.entries = mem_alloc((steps + 1) * sizeof *r->entries)};
	random_state = plan->seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	while (r->count < steps && (is_in_order(work) || r->count < 1024 || r->bytes.len < RING_BYTES)) {
		struct ask ask = next_ask(plan, mixed ? of_mixture() : work, r->count);
		struct ring_entry *e = &r->entries[r->count];
		*e = (struct ring_entry){r->bytes.len, weight_of(&ask), (uint8_t)ask.work, 0};
		e->replies = (uint8_t)plan->dialect->say(&r->bytes, &ask);
		if (e->replies == 0) {
			ring_free(r);
			return false;
		}
		r->count++;
	}
	r->entries[r->count] = (struct ring_entry){.begin = r->bytes.len};
	return true;
}

void ring_free(struct ring *r)
{
	buf_free(&r->bytes);
	free(r->entries);
	*r = (struct ring){0};
}
