/* moment: points in time on the monotonic clock, in microseconds. */
#pragma once
#include <stdint.h>
#include <time.h>

#define MOMENT_NEVER INT64_MAX
enum { MOMENT_MS = 1000 };

static inline int64_t moment_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static inline int64_t moment_first(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t moment_last(int64_t a, int64_t b) { return a > b ? a : b; }

/* Milliseconds from now, as poll() takes them: rounded up, so that it does not wake just before the moment,
 * over and over; -1: for ever; at most a minute, for the caller looks again anyway. */
static inline int moment_poll_ms(int64_t moment)
{
	if (moment == MOMENT_NEVER)
		return -1;
	int64_t left = moment - moment_now();
	if (left <= 0)
		return 0;
	return left < INT64_C(60000000) ? (int)((left + MOMENT_MS - 1) / MOMENT_MS) : 60000;
}
