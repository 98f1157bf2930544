/* sweeper: removes what the retention settings say is too old or too much.
 *
 * A sweep goes over ended records, oldest first: jobs by age, runs (with their artifacts) by age, then the oldest
 * ended jobs above max_jobs. It works in small commits with a pause after each, looks at a bounded number of records
 * a step, leaves alone what somebody is changing at the moment, and is content with what it missed being found by
 * the next sweep. A sweep runs at the start, every day, and when a reload changes the settings; one whose commit
 * fails is begun again a minute later.
 *
 * Loop's thread. */
#pragma once
#include "daemon/retention.h"
#include "daemon/service.h"
#include <uv.h>

struct sweeper;

/* Begins at once where anything is configured. `retention` is looked at each time; both outlive it. */
struct sweeper *sweeper_new(struct service *s, const struct retention *retention, uv_loop_t *loop);
void sweeper_changed(struct sweeper *w); /* the settings are new */
void sweeper_stop(struct sweeper *w);    /* begins nothing more, and closes its timer */
bool sweeper_idle(const struct sweeper *w); /* no commit of its own is under way */
void sweeper_free(struct sweeper *w);    /* after its loop has ended; NULL is fine */
