#include "daemon/dispatch.h"
#include "daemon/methods.h"
#include "proto/mem.h"
#include "proto/quick.h"
#include "proto/scan.h"
#include <errno.h>
#include <stdlib.h>

static method_fn *const handlers[METHOD_COUNT] = {
	[JOB_SAVE] = method_job_save,
	[JOB_GET] = method_job_get,
	[JOB_LIST] = method_job_list,
	[JOB_COUNT] = method_job_count,
	[JOB_UPDATE_PROGRESS] = method_job_update_progress,
	[JOB_DELETE] = method_job_delete,
	[JOB_CLEANUP] = method_job_cleanup,
	[RUN_CREATE_OR_UPDATE] = method_run_create_or_update,
	[RUN_GET] = method_run_get,
	[RUN_LIST] = method_run_list,
	[RUN_COUNT] = method_run_count,
	[RUN_FIND_BY_META] = method_run_find_by_meta,
	[RUN_DELETE] = method_run_delete,
	[ARTIFACT_SAVE] = method_artifact_save,
	[ARTIFACT_READ] = method_artifact_read,
	[ARTIFACT_LIST] = method_artifact_list,
	[ARTIFACT_DELETE] = method_artifact_delete,
	[SERVER_IMPORT] = method_server_import,
	[SERVER_PING] = method_server_ping,
	[SERVER_INFO] = method_server_info,
	[SERVER_STATS] = method_server_stats,
	[SERVER_FLUSH] = method_server_flush,
	[SERVER_SET_LOG_LEVEL] = method_server_set_log_level,
	[RPC_DISCOVER] = method_rpc_discover,
};

enum order {
	READS,       /* waits for its connection's mutations */
	MUTATES,     /* is judged against them */
	SEES_LISTS,  /* mutates what lists show: both */
	AT_ONCE,     /* neither: progress, which is memory only, and what concerns no record */
};

static enum order order_of(enum method m)
{
	switch (m) {
	case JOB_SAVE: case JOB_DELETE: case RUN_CREATE_OR_UPDATE: case RUN_DELETE:
	case ARTIFACT_SAVE: case ARTIFACT_DELETE: case SERVER_IMPORT:
		return MUTATES;
	case JOB_CLEANUP:
		return SEES_LISTS;
	case JOB_GET: case JOB_LIST: case JOB_COUNT: case RUN_GET: case RUN_LIST: case RUN_COUNT:
	case RUN_FIND_BY_META:
	case ARTIFACT_READ: case ARTIFACT_LIST: case SERVER_PING: case SERVER_INFO: case SERVER_STATS: case RPC_DISCOVER:
		return READS;
	case JOB_UPDATE_PROGRESS: case SERVER_FLUSH: case SERVER_SET_LOG_LEVEL:
	case METHOD_COUNT:
		return AT_ONCE;
	}
	abort();
}

static bool role_allows(const struct call *c, struct fault *fault)
{
	enum role has = c->role, needs = spec_methods[c->method].role;
	if (has >= needs)
		return true;
	fault_set(fault, FAULT_FORBIDDEN, "%s needs the role %s, and yours is %s", spec_methods[c->method].name,
	          spec_role_name(needs), spec_role_name(has));
	fault_expected(fault, "the role %s", spec_role_name(needs));
	fault_hint(fault, "an administrator gives roles to users and groups in persistd.conf, [roles]; members of the "
	                  "socket's group may write");
	return false;
}

static bool takes_mutations(struct service *s, struct fault *fault)
{
	struct disk_error why;
	if (s->stopping) {
		fault_set(fault, FAULT_SHUTTING_DOWN, "the daemon is stopping and takes no more changes");
		fault_hint(fault, "try again when it has been started again");
		return false;
	}
	if (journal_degraded(s->journal, &why)) {
		fault_set(fault, FAULT_NOT_DURABLE,
		          "the disk has failed (%s: %s), so no change is taken until it can be trusted again; it did "
		          "not happen",
		          why.what, strerror(why.number));
		fault_hint(fault, "see server.info; reads still work; the daemon tries again by itself");
		return false;
	}
	return true;
}

/* A user's connections wait for their own calls; with many connections it may still ask for more than one user
 * may have. `own`: bytes that do not count against this, being of the same batch. */
static bool user_has_room(const struct service *s, const struct session *who, uint64_t own, struct fault *fault)
{
	const struct user *u = who->user;
	const struct allowance *a = limits_for(&s->limits, who->role);
	bool calls = u && u->calls >= a->calls;
	if (!u || (!calls && u->bytes - own <= a->bytes))
		return true;
	fault_set(fault, FAULT_LIMIT,
	          calls ? "your user has %llu calls in flight on all its connections together, which is the limit; this "
	                  "did not happen"
	                : "what is held for all connections of your user together is over the limit of %llu bytes; "
	                  "this did not happen",
	          (unsigned long long)(calls ? a->calls : a->bytes));
	fault_hint(fault, "wait for answers before you send more; %s is the setting",
	           calls ? "max_user_calls" : "max_user_bytes");
	return false;
}

/* All calls in flight together may hold so much. */
static bool flight_has_room(const struct service *s, const struct session *who, uint64_t own, struct fault *fault)
{
	if (s->counters.in_flight_bytes - own <= limits_for(&s->limits, who->role)->in_flight)
		return true;
	fault_set(fault, FAULT_LIMIT, "calls in flight fill what the daemon may hold for them; this did not happen");
	fault_hint(fault, "try again later; server.stats shows bytes_in_flight");
	return false;
}

static uint64_t held_by_batch(const struct origin *o);

/* Connections wait for their own replies and calls;
 * all of them together may still ask for more than there is room for. */
static bool has_memory(const struct service *s, const struct call *c, enum order order, struct fault *fault)
{
	if (order == AT_ONCE || c->method == SERVER_PING) /* whoever wants to know whether it lives gets an answer */
		return true;
	if (!c->origin) /* nobody waits for it any more */
		return true;
	const struct session *who = c->origin->session;
	uint64_t own = held_by_batch(c->origin);
	if (order == READS && s->counters.queued_bytes > limits_for(&s->limits, who->role)->in_flight) {
		fault_set(fault, FAULT_LIMIT,
		          "replies that slow clients have not read fill what the daemon may hold for them");
		fault_hint(fault, "try again later; server.stats shows queued_bytes");
		return false;
	}
	return (order == READS || flight_has_room(s, who, own, fault)) && user_has_room(s, who, own, fault);
}

/* A read that waits is answered together with all that wait beside it, whoever reads slowly: so not too many
 * of them may wait. A record may be as large as a reply; the mean size tells more. */
static uint64_t expected_reply(const struct service *s, enum method m)
{
	enum table_id t = m == JOB_GET || m == JOB_LIST ? TABLE_JOBS : TABLE_RUNS;
	const struct table *table = store_table(s->store, t);
	uint64_t count = table_count(table), mean = count ? table_bytes(table) / count : 0;
	return m == JOB_LIST || m == RUN_LIST ? 100 * mean : mean;
}

static enum outcome judge(struct call *c, struct span text, struct buf *result, struct fault *fault)
{
	static struct buf scratch;
	static struct params params;
	enum order order = order_of(c->method);
	const struct scan_outline *outline = c->outline;
	const struct quick *quick = c->quick;
	c->outline = NULL; /* the line goes when this returns */
	c->quick = NULL;
	if (!role_allows(c, fault))
		return OUTCOME_FAILED;
	if ((order == READS || order == SEES_LISTS) && !c->waited && call_has_own_pending(c)) {
		if (order == SEES_LISTS)
			call_hold_connection(c); /* what comes after it must see what it will have changed */
		c->expected = expected_reply(c->service, c->method);
		return call_wait_read(c, text);
	}
	if ((order == MUTATES || order == SEES_LISTS) && !takes_mutations(c->service, fault))
		return OUTCOME_FAILED;
	scratch.len = 0;
	buf_trim(&scratch, 1 << 16);
	if (!has_memory(c->service, c, order, fault))
		return OUTCOME_FAILED;
	if (quick)
		quick_params(quick, &params);
	else if (!params_read(&spec_methods[c->method], text, outline, &params, &scratch, fault))
		return OUTCOME_FAILED;
	/* each method has its row above. NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage) */
	return handlers[c->method](c, &params, result, fault);
}

/* What the line's scan found out about numbers. `base`: what `number_at` counts from. Where that number is not in the
 * parameters (it may have been in the id, or in another request of the batch), params_numbers_held looks itself. */
static bool numbers_held(struct span params, const char *base, size_t number_at, struct fault *fault)
{
	if (number_at == SIZE_MAX || !params.at || base + number_at >= params.at + params.len)
		return true;
	return params_numbers_held(params, (size_t)(base + number_at - params.at), fault);
}

static void refuse(struct service *s, struct origin *o, const struct rpc_message *m, enum rpc_shape shape,
                   const struct fault *fault)
{
	if (shape == RPC_NOTIFICATION)
		o->replied(o, true);
	else
		origin_fail(s, o, m->id, fault);
}

static void dispatch_request(struct service *s, struct origin *o, struct span request, const char *base,
                             size_t number_at, const struct scan_outline *outline)
{
	struct rpc_message m;
	struct fault fault;
	enum rpc_shape shape = rpc_read(request, outline, &m, &fault);
	if (shape == RPC_REPLY) {
		fault_set(&fault, FAULT_INVALID_REQUEST, "this is a reply, not a request: there is no \"method\"");
		shape = RPC_INVALID;
	}
	if (shape == RPC_INVALID) {
		refuse(s, o, &m, shape, &fault);
		return;
	}
	s->counters.notifications += shape == RPC_NOTIFICATION;
	const char *near;
	const struct spec_method *method = spec_find(m.method, &near);
	if (!method) {
		fault_set(&fault, FAULT_METHOD_NOT_FOUND, "there is no method %.*s",
		          (int)(m.method.len < 64 ? m.method.len : 64), m.method.at);
		fault_expected(&fault, "a method of rpc.discover");
		if (near)
			fault_hint(&fault, "did you mean %s?", near);
		refuse(s, o, &m, shape, &fault);
		return;
	}
	if (!numbers_held(m.params, base, number_at, &fault)) {
		refuse(s, o, &m, shape, &fault);
		return;
	}
	struct call *c = call_new(s, o, (enum method)(method - spec_methods), judge, m.id, shape == RPC_NOTIFICATION);
	c->outline = outline;
	call_run(c, m.params);
}

static void refuse_line(struct service *s, struct origin *o, enum scan_result result,
                        const struct scan_report *report)
{
	struct fault fault;
	s->counters.lines_bad++;
	switch (result) {
	case SCAN_DEEP:
		fault_set(&fault, FAULT_PARSE, "nested deeper than %d levels at byte %zu", SCAN_DEPTH_WIRE,
		          report->at);
		fault_expected(&fault, "at most %d levels of arrays and objects in a line", SCAN_DEPTH_WIRE);
		break;
	case SCAN_DUPLICATE:
		fault_set(&fault, FAULT_PARSE, "an object has one name twice, at byte %zu", report->at);
		fault_expected(&fault, "each name once in an object");
		break;
	case SCAN_OK: case SCAN_MORE: case SCAN_SYNTAX:
		fault_set(&fault, FAULT_PARSE, "the line is not valid JSON at byte %zu", report->at);
		fault_expected(&fault, "%s", report->expected);
		break;
	}
	origin_fail(s, o, (struct span){0}, &fault);
}

/* ---- JSON-RPC batches */

enum { ANSWER_ROOM = 512 }; /* bytes of a reply that says little, an error for example */

struct bundle {
	struct origin origin;  /* of its calls; first */
	struct service *service;
	struct origin *parent; /* the connection's */
	struct bundle *next_bundle, *previous_bundle;
	struct buf text, out;
	struct scan_iter next;
	size_t number_at, unanswered;
	size_t left;           /* to be answered, begun or not */
	uint64_t held;         /* counted as in flight and for its user */
	bool begun_all;
};

static struct buf *bundle_reply_buffer(struct origin *o) { return &((struct bundle *)o)->out; }

static uint64_t held_by_batch(const struct origin *o)
{
	return o->shares_line ? ((const struct bundle *)o)->held : 0;
}

static void bundle_hold(struct bundle *b, uint64_t bytes)
{
	struct user *u = b->origin.session->user;
	b->service->counters.in_flight_bytes += bytes - b->held;
	if (u)
		u->bytes += bytes - b->held;
	b->held = bytes;
}

/* Its text, its replies so far, and room for those to come: each call is answered, if only with an error, so what has
 * been begun will need that much at least. */
static void bundle_count(struct bundle *b)
{
	bundle_hold(b, b->text.len + b->out.len + b->left * ANSWER_ROOM);
}

static void bundle_free(struct bundle *b)
{
	struct session *session = b->origin.session;
	if (b->previous_bundle)
		b->previous_bundle->next_bundle = b->next_bundle;
	else
		session->bundles = b->next_bundle;
	if (b->next_bundle)
		b->next_bundle->previous_bundle = b->previous_bundle;
	bundle_hold(b, 0);
	buf_free(&b->text);
	buf_free(&b->out);
	free(b);
}

static void bundle_end_if_done(struct bundle *b)
{
	if (!b->begun_all || b->unanswered)
		return;
	struct origin *parent = b->parent;
	bool silent = b->out.len == 1; /* all were notifications */
	if (!silent) {
		b->out.at[b->out.len - 1] = ']'; /* over the last comma */
		buf_add(parent->reply_buffer(parent), b->out.at, b->out.len);
	}
	bundle_free(b);
	parent->replied(parent, silent);
}

static void bundle_replied(struct origin *o, bool notification)
{
	struct bundle *b = (struct bundle *)o;
	if (!notification)
		buf_char(&b->out, ',');
	b->unanswered--;
	b->left--;
	bundle_count(b);
	if (b->begun_all)
		bundle_end_if_done(b);
	else
		/* the connection may have waited for this one before it begins the next */
		b->parent->replied(b->parent, true);
}

static struct bundle *bundle_new(struct service *s, struct origin *parent, struct span line, size_t count,
                                 size_t number_at)
{
	struct bundle *b = mem_zero(sizeof *b);
	b->origin = (struct origin){.session = parent->session, .shares_line = true,
	                            .reply_buffer = bundle_reply_buffer,
	                            .replied = bundle_replied};
	b->service = s;
	b->parent = parent;
	b->next_bundle = parent->session->bundles;
	if (b->next_bundle)
		b->next_bundle->previous_bundle = b;
	parent->session->bundles = b;
	buf_span(&b->text, line);
	buf_char(&b->out, '[');
	b->next = scan_elements(buf_as_span(&b->text));
	b->number_at = number_at;
	b->left = count;
	bundle_count(b);
	return b;
}

/* The replies of a batch are one line. Once they fill it, what has not been begun is refused:
 * it did not happen. */
static bool bundle_is_full(const struct bundle *b)
{
	return b->out.len + b->origin.session->bytes > b->service->limits.reply;
}

bool bundle_step(struct bundle *b)
{
	struct span request;
	if (!scan_next_element(&b->next, &request)) {
		b->begun_all = true;
		bundle_end_if_done(b);
		return false;
	}
	b->unanswered++;
	if (bundle_is_full(b)) {
		struct fault fault;
		struct rpc_message m;
		fault_set(&fault, FAULT_TOO_LARGE,
		          "the replies of this batch fill a line already (limit %llu bytes); this call was not begun",
		          (unsigned long long)b->service->limits.reply);
		fault_hint(&fault, "send fewer calls in a batch");
		refuse(b->service, &b->origin, &m, rpc_read(request, NULL, &m, &(struct fault){0}), &fault);
	} else {
		dispatch_request(b->service, &b->origin, request, b->text.at, b->number_at, NULL);
	}
	return true;
}

void dispatch_detach(struct session *s)
{
	while (s->bundles) {
		struct bundle *b = s->bundles;
		origin_detach(&b->origin);
		bundle_free(b);
	}
}

static void dispatch_quick(struct service *s, struct origin *o, const struct quick *q)
{
	bool notification = !q->id.at;
	s->counters.notifications += notification;
	struct call *c = call_new(s, o, q->method, judge, q->id, notification);
	c->quick = q;
	call_run(c, q->params);
}

struct bundle *dispatch_line(struct service *s, struct origin *o, struct span line)
{
	struct scan_report report;
	struct scan_outline outline;
	struct quick quick;
	s->counters.lines++;
	if (quick_read(line, &quick)) {
		dispatch_quick(s, o, &quick);
		return NULL;
	}
	enum scan_result result = scan_check_outlined(line, SCAN_DEPTH_WIRE, &report, &outline);
	if (result != SCAN_OK) {
		refuse_line(s, o, result, &report);
		return NULL;
	}
	size_t start = 0;
	while (line.at[start] == ' ' || line.at[start] == '\t')
		start++;
	struct span value = {line.at + start, line.len - start};
	if (value.at[0] != '[') {
		dispatch_request(s, o, value, line.at, report.number_at, &outline);
		return NULL;
	}
	struct fault fault;
	size_t count = scan_count(value);
	if (count == 0) {
		fault_set(&fault, FAULT_INVALID_REQUEST, "an empty batch");
		fault_expected(&fault, "at least one request in the array");
		origin_fail(s, o, (struct span){0}, &fault);
		return NULL;
	}
	if (count > s->limits.batch_calls) {
		fault_set(&fault, FAULT_LIMIT, "a batch of %zu calls; the limit is %llu; none was begun", count,
		          (unsigned long long)s->limits.batch_calls);
		fault_hint(&fault, "send them as lines of their own: those are pipelined without a limit");
		origin_fail(s, o, (struct span){0}, &fault);
		return NULL;
	}
	if (!flight_has_room(s, o->session, 0, &fault) || !user_has_room(s, o->session, 0, &fault)) {
		origin_fail(s, o, (struct span){0}, &fault);
		return NULL;
	}
	s->counters.batches++;
	return bundle_new(s, o, value, count, report.number_at == SIZE_MAX ? SIZE_MAX : report.number_at - start);
}
