#include "tests/fuzz/served.h"
#include "daemon/log.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/place.h"
#include <inttypes.h>

static int64_t clock_micros;
static int64_t wall_clock(void) { return ++clock_micros; }
static uint64_t milliseconds(void) { return (uint64_t)clock_micros / 1000; }

/* ---- the threadpool */

static void submit(struct flush *f, struct flush_job *job)
{
	struct served *s = (struct served *)f;
	job->next = NULL;
	*s->jobs_end = job;
	s->jobs_end = &job->next;
}

bool served_job(struct served *s)
{
	struct flush_job *job = s->jobs;
	if (!job)
		return false;
	s->jobs = job->next;
	if (!s->jobs)
		s->jobs_end = &s->jobs;
	FUZZ_TRACE("job");
	job->work(job);
	job->done(job);
	return true;
}

/* ---- what clients hear */

static void check_error(const struct served *s, struct span error)
{
	struct span code, kind;
	enum fault_code fault;
	int64_t number;
	double real;

	FUZZ_EXPECT(scan_member(error, "code", &code) && scan_number(code, &number, &real) == SCAN_INT);
	FUZZ_EXPECT(fault_from_number(number, &fault));
	FUZZ_EXPECT(fault != FAULT_INTERNAL || s->faults);
	FUZZ_EXPECT(scan_member(error, "data", &kind) && scan_member(kind, "kind", &kind));
	FUZZ_EXPECT(scan_name_is((struct span){kind.at + 1, kind.len - 2}, fault_kind(fault)));
}

static void check_reply(const struct served *s, struct span reply)
{
	struct rpc_message m;
	struct fault fault;

	if (rpc_read(reply, NULL, &m, &fault) != RPC_REPLY)
		FUZZ_FAIL("no reply: %.*s: %s", (int)reply.len, reply.at, fault.message);
	if (m.error.at)
		check_error(s, m.error);
}

static void check_answer(struct client *c, struct span line)
{
	struct served *s = c->served;
	struct scan_report report;
	struct span reply;

	if (scan_check(line, SCAN_DEPTH_FILE, &report) != SCAN_OK)
		FUZZ_FAIL("at byte %zu no JSON: %.*s", report.at, (int)line.len, line.at);
	FUZZ_EXPECT(!memchr(line.at, '\n', line.len));
	if (scan_kind(line) != SCAN_ARRAY)
		check_reply(s, line);
	else
		for (struct scan_iter it = scan_elements(line); scan_next_element(&it, &reply);)
			check_reply(s, reply);
	if (s->reply)
		s->reply(s->context, line);
}

static struct buf *reply_buffer(struct origin *o)
{
	return &((struct client *)o)->out;
}

static void replied(struct origin *o, bool notification)
{
	struct client *c = (struct client *)o;
	if (notification) {
		FUZZ_EXPECT(c->out.len == 0);
		return;
	}
	struct span line = fuzz_copy(buf_as_span(&c->out));
	c->out.len = 0;
	c->answers++;
	FUZZ_TRACE("%u <- %.*s", (unsigned)(c - c->served->clients), (int)line.len, line.at);
	FUZZ_EXPECT(c->answers <= c->expected);
	check_answer(c, line);
	free((char *)line.at);
}

/* ---- what must be answered */

static bool wants_reply(struct span request)
{
	struct rpc_message m;
	struct fault fault;
	return rpc_read(request, NULL, &m, &fault) != RPC_NOTIFICATION;
}

enum answer { NONE, ONE, ONE_IF_REFUSED };

static enum answer wants_answer(const struct served *s, struct span line)
{
	struct scan_report report;
	struct span request;
	size_t space = 0;

	if (scan_check(line, SCAN_DEPTH_WIRE, &report) != SCAN_OK)
		return ONE;
	while (strchr(" \t\r", line.at[space]))
		space++;
	line = (struct span){line.at + space, line.len - space};
	if (scan_kind(line) != SCAN_ARRAY)
		return wants_reply(line) ? ONE : NONE;
	if (scan_count(line) == 0 || scan_count(line) > s->service.limits.batch_calls)
		return ONE;
	for (struct scan_iter it = scan_elements(line); scan_next_element(&it, &request);)
		if (wants_reply(request))
			return ONE;
	return ONE_IF_REFUSED; /* notifications: as a whole, before any is begun */
}

/* ---- clients */

static void connect(struct served *s, unsigned i, enum role role)
{
	struct client *c = &s->clients[i];
	*c = (struct client){.served = s, .session = {.role = role}};
	c->session.user = users_ref(&s->service.users, 1000 + i);
	c->session.user->connections++;
	c->origin = (struct origin){.session = &c->session, .reply_buffer = reply_buffer, .replied = replied};
}

static void disconnect(struct served *s, unsigned i)
{
	struct client *c = &s->clients[i];
	c->bundle = NULL;
	dispatch_detach(&c->session);
	origin_detach(&c->origin);
	c->session.user->connections--;
	users_unref(&s->service.users, c->session.user);
	buf_free(&c->out);
}

void served_hang_up(struct served *s, unsigned i)
{
	enum role role = s->clients[i].session.role;
	FUZZ_TRACE("%u hangs up", i);
	disconnect(s, i);
	connect(s, i, role);
}

/* One step of the daemon's own: a job, the end of a turn, or a moment later. */
static void step(struct served *s)
{
	if (served_job(s))
		return;
	served_turn(s);
	if (!s->jobs)
		served_wait(s, 300);
}

/* What keeps a connection from going on (conn.c), less what counts bytes: a session's replies are taken at once. */
static bool must_wait(const struct client *c)
{
	return c->session.busy || c->session.reads >= 2 || c->session.calls >= c->served->service.limits.calls;
}

static void wait_until_free(struct client *c)
{
	for (int i = 0; must_wait(c); i++) {
		FUZZ_EXPECT(i < 10000);
		step(c->served);
	}
}

void served_line(struct served *s, unsigned i, struct span line)
{
	struct client *c = &s->clients[i];
	struct span copy = fuzz_copy(line);

	FUZZ_TRACE("%u -> %.*s", i, (int)line.len, line.at);
	service_look(&s->service);
	wait_until_free(c);
	enum answer answer = wants_answer(s, copy);
	c->expected += answer != NONE;
	c->bundle = dispatch_line(&s->service, &c->origin, copy);
	c->expected -= answer == ONE_IF_REFUSED && c->bundle;
	free((char *)copy.at); /* the connection reads on */
	while (c->bundle) {
		wait_until_free(c);
		if (!bundle_step(c->bundle))
			c->bundle = NULL;
	}
	log_set_level(LOG_LEVEL_ERROR);
}

void served_turn(struct served *s)
{
	FUZZ_TRACE("turn");
	store_flush(s->service.store);
}

void served_wait(struct served *s, unsigned by)
{
	FUZZ_TRACE("%u ms", by);
	clock_micros += (int64_t)by * 1000;
	journal_tick(s->service.journal);
	store_flush(s->service.store);
}

void served_fault(struct served *s, struct faulty_plan plan)
{
	FUZZ_TRACE("fault: call %u, the %u. from now, %s%s", plan.call, plan.nth, strerror(plan.number),
	           plan.sticky ? ", all after it" : "");
	s->faults = true;
	faulty_disk_fail(&s->faulty, plan);
}

/* ---- start */

static bool ready(void *context) { return journal_ready(context); }
static void commit(void *context, struct journal_batch *b) { journal_commit(context, b); }

static void report(void *context, const struct load_finding *f)
{
	(void)context;
	FUZZ_FAIL("%s:%" PRIu64 ":%" PRIu64 ": %s", f->file, f->line, f->byte, f->message);
}

/* Returns a store of what is in the directory. */
static struct store *read_store(struct served *s, struct load_result *result)
{
	struct store *store = store_new(wall_clock);
	struct load_sink sink = store_sink(store);
	FUZZ_EXPECT(load_read(&s->faulty.disk, &s->dirs.state, &s->dirs.journal, false, &sink, report, NULL, result));
	store_loaded(store, result->revision);
	return store;
}

static void set_limits(struct limits *l, bool small)
{
	*l = (struct limits){.line = 1 << 20, .reply = 1 << 20, .page = 1 << 19, .connections = 64, .calls = 64,
	                     .batch_calls = 64, .queued = 1 << 20, .unfinished = 1 << 24, .in_flight = 1 << 24,
	                     .user_connections = 32, .user_calls = 256, .user_bytes = 1 << 22};
	if (small) {
		l->reply = 16384;
		l->page = 4096;
		l->calls = 3;
		l->batch_calls = 4;
		l->in_flight = 65536;
	}
	users_divide(l);
}

static void start(struct served *s)
{
	struct load_result loaded = {0};
	s->service.store = read_store(s, &loaded);
	struct journal_options options = {.disk = &s->faulty.disk, .dirs = &s->dirs, .flush = &s->flush,
	                                  .source = store_source(s->service.store), .now = wall_clock,
	                                  .ticks = milliseconds, .merge_count = 4, .fold_floor = 2048};
	s->service.journal = journal_new(&options, &loaded);
	load_result_free(&loaded);
	store_set_committer(s->service.store,
	                    (struct committer){.context = s->service.journal, .ready = ready, .commit = commit});
}

void served_open(struct served *s, bool small, enum role role)
{
	char why[512];
	ident_init();
	log_set_level(LOG_LEVEL_ERROR);
	clock_micros = INT64_C(1790000000000000);
	place_empty();
	s->flush.submit = submit;
	s->jobs_end = &s->jobs;
	faulty_disk_init(&s->faulty);
	s->faulty.logging = false;
	if (!state_dir_open(&s->dirs, &s->faulty.disk, place_path(), true, why, sizeof(why)))
		FUZZ_FAIL("%s", why);
	s->service = (struct service){.flush = &s->flush, .disk = &s->faulty.disk, .dirs = &s->dirs,
	                              .socket_path = "socket", .roles = &s->roles, .started_at = clock_micros,
	                              .started_micros = service_micros()};
	set_limits(&s->service.limits, small);
	start(s);
	connect(s, 0, ROLE_ADMIN);
	connect(s, 1, role);
}

/* ---- end */

static void settle(struct served *s)
{
	for (int i = 0; s->jobs || !store_idle(s->service.store) || journal_degraded(s->service.journal, NULL); i++) {
		FUZZ_EXPECT(i < 10000);
		step(s);
	}
	for (int i = 0; i < SERVED_CLIENTS; i++) {
		FUZZ_EXPECT(s->clients[i].answers == s->clients[i].expected);
		FUZZ_EXPECT(s->clients[i].session.calls == 0 && !s->clients[i].session.bundles);
	}
	FUZZ_EXPECT(s->service.counters.in_flight_calls == 0 && s->service.counters.in_flight_bytes == 0);
	FUZZ_EXPECT(s->service.artifact_reads == 0);
}

static bool under_way; /* a clean stop */

static void stopped(void *context, bool folded)
{
	(void)context;
	FUZZ_EXPECT(folded);
	under_way = false;
}

static void stop_cleanly(struct served *s)
{
	under_way = true;
	journal_stop(s->service.journal, stopped, s);
	for (int i = 0; under_way; i++) {
		FUZZ_EXPECT(i < 10000);
		if (!served_job(s))
			served_wait(s, 300);
	}
}

/* Progress that only memory has may be in a snapshot (then it is what a clean stop must have written), or may not. */
static void comparable(struct buf *to, enum table_id t, const struct record *r, const struct live *live, bool folded)
{
	to->len = 0;
	if (t == TABLE_JOBS && folded)
		record_with_live(to, r, live);
	else if (t == TABLE_JOBS)
		record_send(to, t, r, NULL, ((1u << JOB_FIELDS) - 1) & ~(1u << JOB_PROGRESS), "");
	else
		record_text(to, r);
}

static void same_table(const struct store *kept, const struct store *found, enum table_id t, bool folded)
{
	const struct table *table = store_table(kept, t);
	struct buf wanted = {0}, got = {0};

	FUZZ_EXPECT(table_count(table) == table_count(store_table(found, t)));
	for (uint32_t e = 1; e <= table_last(table); e++) {
		const struct record *r = table_entry(table, e)->record, *other;
		const struct live *live;
		if (!r)
			continue;
		other = store_get(found, t, record_id(r), NULL);
		if (!other)
			FUZZ_FAIL("lost: %.*s", (int)r->head_len, r->kept);
		store_get(kept, t, record_id(r), &live);
		comparable(&wanted, t, r, live, folded);
		comparable(&got, t, other, NULL, folded);
		fuzz_same(buf_as_span(&got), buf_as_span(&wanted), "a record after a start");
	}
	buf_free(&wanted);
	buf_free(&got);
}

void served_close(struct served *s, bool stop)
{
	faulty_disk_fail(&s->faulty, (struct faulty_plan){0});
	settle(s);
	if (stop)
		stop_cleanly(s);
	for (int i = 0; !journal_idle(s->service.journal); i++) {
		FUZZ_EXPECT(i < 10000);
		step(s);
	}
	struct load_result loaded = {0};
	struct store *found = read_store(s, &loaded);
	for (int t = 0; t < TABLE_COUNT; t++)
		same_table(s->service.store, found, (enum table_id)t, stop);
	FUZZ_EXPECT(store_revision(found) >= store_revision(s->service.store));
	load_result_free(&loaded);
	store_free(found);
	for (unsigned i = 0; i < SERVED_CLIENTS; i++)
		disconnect(s, i);
	FUZZ_EXPECT(users_count(&s->service.users) == 0);
	journal_free(s->service.journal);
	store_free(s->service.store);
	state_dir_close(&s->dirs, &s->faulty.disk);
	faulty_disk_done(&s->faulty);
}
