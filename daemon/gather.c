#include "daemon/gather.h"

void gather_begin(struct gather *g, size_t done, size_t pending, uint64_t takes, uint64_t now)
{
	uint64_t wait = takes / 2;
	g->until = 0;
	if (g->skip > 0) {
		g->skip--;
		return;
	}
	size_t all = done + pending;
	g->wanted = all - all / 8;
	g->until = now + (wait < GATHER_WAIT_MAX ? wait : GATHER_WAIT_MAX);
}

bool gather_waits(struct gather *g, size_t pending, uint64_t now)
{
	if (g->until == 0)
		return false;
	bool came = pending >= g->wanted;
	if (!came && now < g->until)
		return true;
	g->until = 0;
	if (came) {
		g->pause = 0;
	} else {
		g->pause = g->pause == 0 ? 1 : g->pause * 2 < GATHER_PAUSE_MAX ? g->pause * 2 : GATHER_PAUSE_MAX;
		g->skip = g->pause;
	}
	return false;
}
