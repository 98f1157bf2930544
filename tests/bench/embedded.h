/* embedded: the same work done by SQLite within this process: a WAL, synchronous=FULL, one connection, a mutex
 * around it, so many threads. A burst of `pipeline` calls is one transaction. Progress is a table in memory, for it need not
 * be durable. A list is a page and a count by the index on (status, created_at).
 *
 * The plan's socket is the database's file; it is made where it is missing. */
#pragma once
#include "tests/bench/flight.h"

/* False: `fault` says why. Works that SQLite is not asked for are refused by the ring (dialect.h). */
bool embedded_fly(const struct flight_plan *plan, struct flight_log *log);
