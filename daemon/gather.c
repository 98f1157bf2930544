#include "daemon/gather.h"

static uint64_t at_most(uint64_t value, uint64_t most)
{
	return value < most ? value : most;
}

bool gather_begin(struct gather *g, size_t done, size_t pending, uint64_t takes, uint64_t now)
{
	g->on = g->skip == 0;
	g->skip -= g->skip > 0;
	if (!g->on)
		return false;
	g->told = false;
	g->all = done + pending;
	g->begun = now;
	g->takes = takes;
	return true;
}

static bool end(struct gather *g, bool paid)
{
	g->on = false;
	unsigned longer = g->pause < GATHER_PAUSE_MAX ? g->pause * 2 : GATHER_PAUSE_MAX;
	g->pause = paid ? 0 : g->pause == 0 ? 1 : longer;
	g->skip = g->pause;
	return false;
}

/* So long without a change, and no more are expected: clients need time to read what they are told, too. */
static uint64_t quiet(const struct gather *g)
{
	uint64_t least = at_most(g->takes / 2, GATHER_QUIET_MIN), long_one = at_most(g->takes / 8, GATHER_QUIET_MAX);
	return long_one > least ? long_one : least;
}

/* Do changes come faster than a commit now would carry them away? */
static bool comes_fast(const struct gather *g, size_t pending, uint64_t now)
{
	return (pending - g->first) * (now - g->begun + g->takes) >= pending * (now - g->told_at);
}

bool gather_waits(struct gather *g, size_t pending, uint64_t now)
{
	if (!g->on)
		return false;
	if (pending >= g->all)
		return end(g, true);
	if (!g->told) {
		g->told = true;
		g->first = g->seen = pending;
		g->told_at = g->grew = now;
	}
	if (pending > g->seen) {
		g->seen = pending;
		g->grew = now;
	}
	uint64_t nobody = quiet(g);
	if (now - g->begun >= at_most(g->takes, GATHER_WAIT_MAX) || now - g->grew >= nobody)
		return end(g, pending > g->first);
	if (now - g->told_at >= nobody && !comes_fast(g, pending, now))
		return end(g, false);
	return true;
}
