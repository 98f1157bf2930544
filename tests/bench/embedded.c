#include "tests/bench/embedded.h"
#include "proto/mem.h"
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define SECOND UINT64_C(1000000000)

enum statement { SAVE, GET, PAGE, COUNT, PROGRESS, BEGIN, COMMIT, STATEMENTS };

struct embedded {
	const struct flight_plan *plan;
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENTS];
	pthread_mutex_t lock;   /* around db and log */
	struct flight_log *log;
	atomic_uint next;       /* of the ring, where each entry is flown once */
	uint64_t counted_from, end;
	bool failed;
};

struct worker {
	struct embedded *e;
	pthread_t thread;
	uint32_t at;
};

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static double cpu_seconds(void)
{
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static bool fail(struct embedded *e, const char *what)
{
	if (!e->failed)
		snprintf(e->log->fault, sizeof e->log->fault, "SQLite: %s: %s", what, sqlite3_errmsg(e->db));
	e->failed = true;
	return false;
}

/* Runs a statement to its end; how many rows it gave, -1 for an error. */
static int run(struct embedded *e, enum statement which)
{
	sqlite3_stmt *s = e->statements[which];
	int rows = 0, got;
	while ((got = sqlite3_step(s)) == SQLITE_ROW)
		rows += sqlite3_column_bytes(s, 0) > 0;
	sqlite3_reset(s);
	if (got == SQLITE_DONE)
		return rows;
	fail(e, sqlite3_sql(s));
	return -1;
}

static void bind_text(struct embedded *e, enum statement which, int place, const char *at, int len)
{
	sqlite3_bind_text(e->statements[which], place, at, len, SQLITE_STATIC);
}

static bool save(struct embedded *e, const struct ask *ask, const char *text, int len)
{
	bind_text(e, SAVE, 1, text, SAMPLE_ID_LEN);
	bind_text(e, SAVE, 2, sample_statuses[sample_status(ask->job.number, ask->job.moved)], -1);
	sqlite3_bind_int64(e->statements[SAVE], 3, sample_created(ask->job.number));
	bind_text(e, SAVE, 4, text + SAMPLE_ID_LEN, len - SAMPLE_ID_LEN);
	return run(e, SAVE) == 0;
}

static bool get(struct embedded *e, const char *id)
{
	bind_text(e, GET, 1, id, SAMPLE_ID_LEN);
	int rows = run(e, GET);
	return rows == 1 || (rows == 0 && fail(e, "there is no such job"));
}

static bool list(struct embedded *e, const struct ask *ask)
{
	const char *status = sample_statuses[sample_status(ask->job.number, false)];
	bind_text(e, PAGE, 1, status, -1);
	bind_text(e, COUNT, 1, status, -1);
	return run(e, PAGE) > 0 && run(e, COUNT) == 1;
}

static bool report(struct embedded *e, const char *text, int len)
{
	bind_text(e, PROGRESS, 1, text, SAMPLE_ID_LEN);
	bind_text(e, PROGRESS, 2, text + SAMPLE_ID_LEN, len - SAMPLE_ID_LEN);
	return run(e, PROGRESS) == 0;
}

static bool carry_out(struct embedded *e, uint32_t index)
{
	const struct ring *ring = e->plan->ring;
	const char *begin = ring->bytes.at + ring->entries[index].begin;
	int len = (int)(ring->entries[index + 1].begin - ring->entries[index].begin - sizeof(struct ask));
	struct ask ask;
	memcpy(&ask, begin, sizeof ask);
	const char *text = begin + sizeof ask;
	if (ask.work == WORK_GET)
		return get(e, text);
	if (ask.work == WORK_LIST)
		return list(e, &ask);
	if (ask.work == WORK_PROGRESS)
		return report(e, text, len);
	return save(e, &ask, text, len);
}

/* `count` calls in one transaction, waiting for the database included. */
static bool carry_out_burst(struct embedded *e, uint32_t first, uint32_t count)
{
	uint32_t all = e->plan->ring->count;
	uint64_t begin = now_ns();
	pthread_mutex_lock(&e->lock);
	bool good = !e->failed && (count == 1 || run(e, BEGIN) == 0);
	for (uint32_t i = 0; good && i < count; i++)
		good = carry_out(e, (first + i) % all);
	good = good && (count == 1 || run(e, COMMIT) == 0);
	uint64_t now = now_ns();
	if (good && (e->log->total += count, now >= e->counted_from && now <= e->end)) {
		for (uint32_t i = 0; i < count; i++)
			histogram_add(&e->log->took[e->plan->ring->entries[(first + i) % all].work], now - begin, 1);
		e->log->calls += count;
	}
	pthread_mutex_unlock(&e->lock);
	return good;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct embedded *e = w->e;
	uint32_t all = e->plan->ring->count, burst = e->plan->pipeline;
	if (e->plan->once) {
		uint32_t first;
		while ((first = atomic_fetch_add(&e->next, burst)) < all)
			if (!carry_out_burst(e, first, all - first < burst ? all - first : burst))
				return NULL;
		return NULL;
	}
	while (now_ns() < e->end && carry_out_burst(e, w->at, burst))
		w->at = (w->at + burst) % all;
	return NULL;
}

static bool open_database(struct embedded *e)
{
	static const char *const texts[STATEMENTS] = {
		[SAVE] = ("INSERT INTO jobs VALUES(?,?,?,?) ON CONFLICT(id) DO UPDATE SET "
		          "status=excluded.status, record=excluded.record"),
		[GET] = "SELECT record FROM jobs WHERE id=?",
		[PAGE] = "SELECT record FROM jobs WHERE status=? ORDER BY created_at DESC LIMIT 50",
		[COUNT] = "SELECT count(*) FROM jobs WHERE status=?",
		[PROGRESS] = "INSERT OR REPLACE INTO live.progress VALUES(?,?)",
		[BEGIN] = "BEGIN",
		[COMMIT] = "COMMIT",
	};
	if (sqlite3_open(e->plan->socket, &e->db) != SQLITE_OK)
		return fail(e, "cannot open");
	if (sqlite3_exec(e->db,
	                 "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-262144;"
	                 "CREATE TABLE IF NOT EXISTS jobs(id TEXT PRIMARY KEY, status TEXT NOT NULL,"
	                 " created_at INTEGER NOT NULL, record TEXT NOT NULL) WITHOUT ROWID;"
	                 "CREATE INDEX IF NOT EXISTS by_status ON jobs(status, created_at);"
	                 "ATTACH ':memory:' AS live;"
	                 "CREATE TABLE live.progress(id TEXT PRIMARY KEY, progress TEXT NOT NULL) WITHOUT ROWID;",
	                 NULL, NULL, NULL) != SQLITE_OK)
		return fail(e, "cannot make the tables");
	for (int i = 0; i < STATEMENTS; i++)
		if (sqlite3_prepare_v2(e->db, texts[i], -1, &e->statements[i], NULL) != SQLITE_OK)
			return fail(e, texts[i]);
	return true;
}

static void close_database(struct embedded *e)
{
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(e->statements[i]);
	sqlite3_close(e->db);
}

static void fly(struct embedded *e)
{
	const struct flight_plan *p = e->plan;
	struct worker *workers = mem_zero(p->connections * sizeof *workers);
	uint64_t start = now_ns(), warm = p->once ? 0 : (uint64_t)(p->warm * 1e9);
	double cpu = cpu_seconds();
	e->counted_from = start + warm;
	e->end = p->once ? UINT64_MAX : e->counted_from + (uint64_t)(p->seconds * 1e9);
	for (uint32_t i = 0; i < p->connections; i++) {
		workers[i] = (struct worker){.e = e, .at = (uint32_t)((uint64_t)p->ring->count * i / p->connections)};
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
			abort();
	}
	for (uint32_t i = 0; i < p->connections; i++)
		pthread_join(workers[i].thread, NULL);
	uint64_t took = now_ns() - start;
	e->log->seconds = p->once ? (double)took / 1e9 : p->seconds;
	/* of the whole time, for threads cannot tell when the counting began */
	e->log->cpu = (cpu_seconds() - cpu) * e->log->seconds * 1e9 / (double)took;
	free(workers);
}

bool embedded_fly(const struct flight_plan *plan, struct flight_log *log)
{
	struct embedded e = {.plan = plan, .log = log, .lock = PTHREAD_MUTEX_INITIALIZER};
	*log = (struct flight_log){.drained = true};
	if (open_database(&e))
		fly(&e);
	if (!e.failed && log->calls == 0)
		fail(&e, "no call was done in time");
	close_database(&e);
	return !e.failed;
}
