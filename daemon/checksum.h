/* checksum: the state of an XXH3-64 that is fed piece by piece. XXH3_freeState frees it. Any thread. */
#pragma once
#include "proto/mem.h"
#include <xxhash.h>

static inline XXH3_state_t *checksum_new(void)
{
	XXH3_state_t *state = XXH3_createState();
	if (!state)
		mem_gone();
	return state;
}
