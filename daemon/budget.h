/* budget: how much a fold or a merge may write for what was committed, by table: at most 4 times,
 * all in all. Loop's thread. */
#pragma once
#include "proto/spec.h"
#include <stdbool.h>
#include <stdint.h>

enum { BUDGET_FACTOR = 4, BUDGET_FLOOR = 16 << 20 };

struct budget_account {
	uint64_t committed, written; /* since the table's last fold; `written` holds the commits themselves */
};
struct budget {
	struct budget_account open[TABLE_COUNT];
	struct budget_account taken; /* by the fold under way */
	uint64_t spare;              /* what folds left over */
	uint64_t floor;              /* so much is committed to a table before it is folded; 0: BUDGET_FLOOR */
};

/* Parts `bytes` in the proportion of `weight`; nothing is lost to rounding. */
void budget_part(uint64_t bytes, const uint64_t weight[TABLE_COUNT], uint64_t share[TABLE_COUNT]);

uint64_t budget_floor(const struct budget *b);
void budget_commit(struct budget *b, const uint64_t share[TABLE_COUNT]);
/* written for what is committed already */
void budget_charge(struct budget *b, const uint64_t share[TABLE_COUNT]);
bool budget_covers(const struct budget *b, enum table_id t, uint64_t size); /* a fold that writes `size`? */
/* For tables that cannot pay for themselves: from what earlier folds left over. */
bool budget_spare(struct budget *b, uint64_t size);

/* a fold begins: what is committed from now on is the next one's */
void budget_take(struct budget *b, enum table_id t);
void budget_spend(struct budget *b, uint64_t written); /* it is done */
/* it failed after writing so much */
void budget_give_back(struct budget *b, enum table_id t, uint64_t wasted);
