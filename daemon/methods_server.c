#include "daemon/log.h"
#include "daemon/methods_list.h"
#include "proto/discover.h"
#include "proto/scan.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- small ones */

enum outcome method_server_ping(struct call *c, const struct params *p, struct buf *result,
                                struct fault *fault)
{
	(void)p;
	(void)fault;
	buf_text(result, "{\"time\":");
	stamp_json(result, store_now(c->service->store));
	buf_printf(result, ",\"revision\":%" PRIu64 "}", store_revision(c->service->store));
	return OUTCOME_DONE;
}

enum outcome method_rpc_discover(struct call *c, const struct params *p, struct buf *result,
                                 struct fault *fault)
{
	(void)c;
	(void)p;
	(void)fault;
	discover_openrpc(result, PERSISTD_VERSION);
	return OUTCOME_DONE;
}

enum outcome method_server_set_log_level(struct call *c, const struct params *p, struct buf *result,
                                         struct fault *fault)
{
	(void)c;
	(void)fault;
	enum log_level level, before = log_level();
	/* params_read has accepted the name; the two lists are of the same words */
	if (!log_level_from(spec_log_levels[p->at[SERVER_SET_LOG_LEVEL_LEVEL].choice], &level))
		abort();
	log_set_level(level);
	log_info("log level %s, was %s", log_level_name(level), log_level_name(before));
	buf_printf(result, "{\"level\":\"%s\",\"previous\":\"%s\"}", log_level_name(level),
	           log_level_name(before));
	return OUTCOME_DONE;
}

static enum outcome finish_flush(struct call *c, struct buf *result, struct fault *fault)
{
	(void)fault;
	buf_printf(result, "{\"revision\":%" PRIu64 "}", store_revision(c->service->store));
	return OUTCOME_DONE;
}

/* A barrier: everything that any connection has sent and the daemon has read
 * before this is durable when it answers. */
enum outcome method_server_flush(struct call *c, const struct params *p, struct buf *result,
                                 struct fault *fault)
{
	(void)p;
	if (!store_idle(c->service->store))
		return call_wait(c, finish_flush);
	struct disk_error why;
	if (journal_degraded(c->service->journal, &why)) {
		fault_set(fault, FAULT_NOT_DURABLE, "the disk has failed (%s): what it holds is not known for sure",
		          why.what);
		return OUTCOME_FAILED;
	}
	return finish_flush(c, result, fault);
}

/* ---- info and stats */

static void member_text(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, "\"%s\":", name);
	buf_string(out, span_of(text));
	buf_char(out, ',');
}

static void member(struct buf *out, const char *name, uint64_t value)
{
	buf_printf(out, "\"%s\":%" PRIu64 ",", name, value);
}

/* Over the comma that the last member left. */
static void close_object(struct buf *out)
{
	if (out->at[out->len - 1] == ',')
		out->len--;
	buf_char(out, '}');
}

static void write_limits(struct buf *out, const struct limits *l)
{
	buf_text(out, "\"limits\":{");
	member(out, "line_bytes", l->line);
	member(out, "reply_bytes", l->reply);
	member(out, "page_bytes", l->page);
	member(out, "nesting", SCAN_DEPTH_WIRE);
	member(out, "connections", l->connections);
	member(out, "calls_in_flight", l->calls);
	member(out, "batch_calls", l->batch_calls);
	member(out, "queued_bytes", l->queued);
	member(out, "unfinished_bytes", l->unfinished);
	member(out, "in_flight_bytes", l->in_flight);
	member(out, "user_connections", l->user_connections);
	member(out, "user_calls", l->user_calls);
	member(out, "user_bytes", l->user_bytes);
	member(out, "filter_values", SPEC_FILTER_MAX);
	close_object(out);
}

static void write_health(struct buf *out, const struct service *s)
{
	static const char *const meanings[] = {
		[JOURNAL_WAITING] = "mutations wait until the disk answers; reads and progress work",
		[JOURNAL_REFUSED] = "each mutation is tried, and refused with not_durable while it cannot be written; reads work; the "
		                    "daemon finds out by itself when it can",
		[JOURNAL_DEGRADED] = "mutations are refused with not_durable until the disk can be trusted again; reads work; the "
		                     "daemon retries by itself",
	};
	char reason[256];
	enum journal_health health = journal_health(s->journal, reason, sizeof reason);
	buf_printf(out, ",\"health\":\"%s\",\"degraded\":", health == JOURNAL_SOUND ? "ok" : "degraded");
	if (health == JOURNAL_SOUND) {
		buf_text(out, "null");
		return;
	}
	buf_char(out, '{');
	member_text(out, "reason", reason);
	member_text(out, "meaning", meanings[health]);
	close_object(out);
}

static void write_counts(struct buf *out, const struct service *s)
{
	buf_text(out, "\"records\":{");
	for (int t = 0; t < TABLE_COUNT; t++)
		member(out, spec_table_name((enum table_id)t), table_count(store_table(s->store, (enum table_id)t)));
	close_object(out);
}

enum outcome method_server_info(struct call *c, const struct params *p, struct buf *result,
                                struct fault *fault)
{
	(void)p;
	(void)fault;
	const struct service *s = c->service;
	buf_char(result, '{');
	member_text(result, "name", "persistd");
	member_text(result, "version", PERSISTD_VERSION);
	member(result, "pid", (uint64_t)getpid());
	member_text(result, "store", journal_store(s->journal));
	member_text(result, "socket", s->socket_path);
	member_text(result, "state_dir", s->dirs->state.path);
	member_text(result, "artifacts_dir", s->dirs->artifacts_path);
	member_text(result, "log_level", log_level_name(log_level()));
	buf_text(result, "\"started_at\":");
	stamp_json(result, s->started_at);
	buf_printf(result, ",\"uptime_seconds\":%" PRIu64 ",\"load_micros\":%" PRIu64 ",",
	           (service_micros() - s->started_micros) / 1000000, s->load_micros);
	member(result, "revision", store_revision(s->store));
	write_counts(result, s);
	buf_char(result, ',');
	write_limits(result, &s->limits);
	write_health(result, s);
	buf_char(result, '}');
	return OUTCOME_DONE;
}

/* The histogram's places are powers of two: the upper bound of the place in which the quantile lies. */
static uint64_t quantile(const uint64_t *histogram, unsigned places, uint64_t calls, double share)
{
	uint64_t wanted = (uint64_t)((double)calls * share), seen = 0;
	for (unsigned i = 0; i < places; i++) {
		seen += histogram[i];
		if (seen > wanted)
			return UINT64_C(1) << i;
	}
	return UINT64_C(1) << (places - 1);
}

static void write_methods(struct buf *out, const struct counters *n)
{
	buf_text(out, ",\"methods\":{");
	for (int i = 0; i < METHOD_COUNT; i++) {
		const __typeof__(n->methods[0]) *m = &n->methods[i];
		if (!m->calls)
			continue;
		buf_printf(out, "\"%s\":{", spec_methods[i].name);
		member(out, "calls", m->calls);
		member(out, "failed", m->failed);
		member(out, "micros_total", m->micros_total);
		member(out, "micros_max", m->micros_max);
		member(out, "micros_p50", quantile(m->histogram, LATENCY_PLACES, m->calls, 0.5));
		member(out, "micros_p99", quantile(m->histogram, LATENCY_PLACES, m->calls, 0.99));
		close_object(out);
		buf_char(out, ',');
	}
	close_object(out);
}

static void write_connections(struct buf *out, const struct counters *n)
{
	buf_text(out, "\"connections\":{");
	member(out, "open", n->connections_open);
	member(out, "accepted", n->connections_accepted);
	member(out, "refused_limit", n->connections_refused);
	close_object(out);
	buf_text(out, ",\"wire\":{");
	member(out, "lines", n->lines);
	member(out, "lines_bad", n->lines_bad);
	member(out, "lines_too_long", n->lines_too_long);
	member(out, "batches", n->batches);
	member(out, "notifications", n->notifications);
	member(out, "bytes_in", n->bytes_in);
	member(out, "bytes_out", n->bytes_out);
	close_object(out);
	buf_text(out, ",\"backpressure\":{");
	member(out, "calls_in_flight", n->in_flight_calls);
	member(out, "bytes_in_flight", n->in_flight_bytes);
	member(out, "unfinished_bytes", n->unfinished_bytes);
	member(out, "queued_bytes", n->queued_bytes);
	member(out, "paused_slow_reader", n->paused_queued);
	member(out, "paused_calls", n->paused_calls);
	member(out, "paused_bytes", n->paused_in_flight);
	member(out, "unfinished_dropped", n->unfinished_dropped);
	close_object(out);
	buf_text(out, ",\"errors\":{");
	for (int i = 0; i < FAULT_CODE_COUNT; i++)
		if (n->errors[i])
			member(out, fault_kind((enum fault_code)i), n->errors[i]);
	close_object(out);
}

static void write_store(struct buf *out, const struct service *s)
{
	struct store_stats st;
	store_stats(s->store, &st);
	uint64_t text = 0, kept = 0, overhead = 0;
	for (int t = 0; t < TABLE_COUNT; t++) {
		text += table_bytes(store_table(s->store, (enum table_id)t));
		kept += table_kept(store_table(s->store, (enum table_id)t));
		overhead += table_overhead(store_table(s->store, (enum table_id)t));
	}
	buf_text(out, ",\"store\":{");
	member(out, "batches", st.batches);
	member(out, "changes", st.changes);
	member(out, "changes_dropped", st.dropped);
	member(out, "changes_pending", st.pending_changes);
	member(out, "bytes_pending", st.pending_bytes);
	member(out, "largest_batch", st.largest_batch);
	member(out, "live_progress", st.live_progress);
	member(out, "text_bytes", text);
	member(out, "record_bytes", kept);
	member(out, "index_bytes", overhead);
	close_object(out);
}

static void write_journal(struct buf *out, const struct service *s)
{
	struct journal_stats st;
	journal_stats(s->journal, &st);
	buf_text(out, ",\"journal\":{");
	member(out, "commits", st.commits);
	member(out, "commit_failures", st.commit_failures);
	member(out, "unknown_outcomes", st.unknown_outcomes);
	member(out, "repairs", st.repairs);
	member(out, "folds", st.folds);
	member(out, "fold_failures", st.fold_failures);
	member(out, "merges", st.merges);
	member(out, "bytes_committed", st.bytes_committed);
	member(out, "bytes_written", st.bytes_written);
	member(out, "segments", st.segments);
	member(out, "segment_bytes", st.segment_bytes);
	member(out, "spares", st.spares);
	member(out, "spare_bytes", st.spare_bytes);
	member(out, "commit_micros_last", st.last_commit_micros);
	member(out, "commit_micros_max", st.max_commit_micros);
	buf_printf(out, "\"folding\":%s}", st.folding ? "true" : "false");
}

/* What the retention settings have removed since the start. */
static void write_retention(struct buf *out, const struct service *s)
{
	buf_text(out, ",\"retention\":{");
	member(out, "jobs_removed", s->swept.removed.jobs);
	member(out, "runs_removed", s->swept.removed.runs);
	member(out, "artifacts_removed", s->swept.removed.artifacts);
	member(out, "sweeps", s->swept.sweeps);
	buf_text(out, "\"last_sweep_at\":");
	stamp_json(out, s->swept.last_at ? s->swept.last_at : STAMP_NONE);
	buf_char(out, '}');
}

enum outcome method_server_stats(struct call *c, const struct params *p, struct buf *result,
                                 struct fault *fault)
{
	(void)p;
	(void)fault;
	const struct service *s = c->service;
	buf_char(result, '{');
	member(result, "uptime_seconds", (service_micros() - s->started_micros) / 1000000);
	member(result, "revision", store_revision(s->store));
	write_counts(result, s);
	buf_char(result, ',');
	write_connections(result, &s->counters);
	write_store(result, s);
	write_journal(result, s);
	write_retention(result, s);
	write_limits((buf_char(result, ','), result), &s->limits);
	write_methods(result, &s->counters);
	buf_char(result, '}');
	return OUTCOME_DONE;
}
