/* held: progress that could not be sent at once: the newest of each job, until the socket takes it. */
#pragma once
#include "client/engine.h"

enum { HELD_MOST = 1024 }; /* jobs */

/* `params`: of job.update_progress, checked text; copied. */
void held_put(persist_client *c, const char *id, struct span params);
void held_release(persist_client *c); /* as notifications, behind the calls that were made so far */
void held_free(persist_client *c);
