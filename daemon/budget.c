#include "daemon/budget.h"

void budget_part(uint64_t bytes, const uint64_t weight[TABLE_COUNT], uint64_t share[TABLE_COUNT])
{
	uint64_t whole = 0, left = bytes;
	int last = 0;
	for (int t = 0; t < TABLE_COUNT; t++) {
		whole += weight[t];
		last = weight[t] ? t : last;
	}
	for (int t = 0; t < TABLE_COUNT; t++) {
		/* taken for undefined for being of 128 bits.
		 * NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
		share[t] = whole ? (uint64_t)((unsigned __int128)bytes * weight[t] / whole) : 0;
		left -= share[t];
	}
	share[last] += left;
}

uint64_t budget_floor(const struct budget *b)
{
	return b->floor ? b->floor : BUDGET_FLOOR;
}

void budget_commit(struct budget *b, const uint64_t share[TABLE_COUNT])
{
	for (int t = 0; t < TABLE_COUNT; t++)
		b->open[t].committed += share[t];
	budget_charge(b, share);
}

void budget_charge(struct budget *b, const uint64_t share[TABLE_COUNT])
{
	for (int t = 0; t < TABLE_COUNT; t++)
		b->open[t].written += share[t];
}

bool budget_covers(const struct budget *b, enum table_id t, uint64_t size)
{
	const struct budget_account *a = &b->open[t];
	return a->committed >= budget_floor(b) && a->committed * BUDGET_FACTOR >= a->written + size;
}

bool budget_spare(struct budget *b, uint64_t size)
{
	if (b->spare < size)
		return false;
	b->spare -= size;
	return true;
}

void budget_take(struct budget *b, enum table_id t)
{
	b->taken = b->open[t];
	b->open[t] = (struct budget_account){0};
}

void budget_spend(struct budget *b, uint64_t written)
{
	uint64_t spent = b->taken.written + written, earned = b->taken.committed * BUDGET_FACTOR;
	if (earned > spent)
		b->spare += earned - spent;
	b->taken = (struct budget_account){0};
}

void budget_give_back(struct budget *b, enum table_id t, uint64_t wasted)
{
	b->open[t].committed += b->taken.committed;
	b->open[t].written += b->taken.written + wasted;
	b->taken = (struct budget_account){0};
}
