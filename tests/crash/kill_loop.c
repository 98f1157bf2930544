/* kill_loop: kills the daemon with SIGKILL at random moments under load from several clients, and then proves
 * that every change that was acknowledged is there, exactly, that none that was refused is, and that what was
 * not answered is there whole or not at all.
 *
 *     kill_loop [--kills N] [--seed S]
 *
 * Each client owns its records, so that what it has sent tells in which states they may be (ledger.h). Beside
 * them there are records that all clients try to make at once, and artifacts, whose ids only the daemon knows
 * until it has answered. */
#include "tests/crash/ledger.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CLIENTS = 6, JOBS = 25, RUNS = 8, PRIZES = 12, DEPTH = 24, PAYLOAD = 1500, BIG_PAYLOAD = 200000 };

enum kind { SAVE_JOB, DELETE_JOB, SAVE_RUN, DELETE_RUN, MUST_FAIL, TAKE_PRIZE, SAVE_ARTIFACT,
           DELETE_ARTIFACT };

/* One artifact of a client's own run, from the moment when it is asked for. */
struct artifact {
	struct artifact *next; /* older */
	long long version;
	char id[200];          /* "": not answered yet */
	json_t *payload;
	bool linked, deleting, gone;
};

struct call {
	struct call *next;
	long long version;
	enum kind kind;
	struct entry *entry;
	struct artifact *artifact;
};

struct worker {
	struct client *client;
	char name[8];
	struct entry jobs[JOBS], runs[RUNS];
	char files_run[16];         /* the run that its artifacts belong to */
	struct artifact *artifacts; /* newest first */
	struct call *calls;         /* not answered yet */
	int outstanding;
};

static struct worker workers[CLIENTS];
static struct entry prizes[PRIZES];
static int prize_round;
static struct daemon *d;
static long long versions;
static int kills_wanted = 50;
static int big_payloads = 1; /* of a hundred */
static unsigned long long seed, random_state;
static struct {
	long long acknowledged, refused, unanswered, kills, starts_killed, stops, artifacts, folds, merges;
} counts;

/* xorshift64*; G. Marsaglia, "Xorshift RNGs", 2003 */
static unsigned long long random_bits(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 2685821657736338717ULL;
}

static int random_below(int n)
{
	return (int)((random_bits() >> 33) % (unsigned)n);
}

/* ---- what is sent */

/* A payload that can be told from every other, and whose damage would show. */
static json_t *payload_of(long long version)
{
	int len = random_below(100) < big_payloads ? BIG_PAYLOAD : random_below(PAYLOAD);
	char *text = malloc((size_t)len + 1);
	for (int i = 0; i < len; i++)
		text[i] = (char)('a' + (version + i) % 26);
	text[len] = '\0';
	json_t *payload = json_pack("{s:I, s:[f, n, b], s:s}", "version", (json_int_t)version, "mixed",
	                            (double)version / 7, version % 2 == 0, "text", text);
	free(text);
	return payload;
}

/* A JSON-RPC batch that is being put together, or NULL: each call is a line of its own. */
static json_t *batch;

static long long next_version(void)
{
	return ++versions;
}

static void say(struct worker *w, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);
	client_say(w->client, "%s", text);
	free(text);
}

static void send_call(struct worker *w, enum kind kind, long long version, struct entry *entry,
                      struct artifact *artifact, const char *method, json_t *params)
{
	struct call *call = malloc(sizeof *call);
	*call = (struct call){.next = w->calls, .version = version, .kind = kind, .entry = entry,
	                      .artifact = artifact};
	w->calls = call;
	w->outstanding++;
	json_t *request = json_pack("{s:s, s:I, s:s, s:o}", "jsonrpc", "2.0", "id", (json_int_t)version, "method",
	                            method, "params", params);
	if (batch) {
		json_array_append_new(batch, request);
		return;
	}
	say(w, request);
	json_decref(request);
}

static void save_job(struct worker *w)
{
	static const char *const statuses[] = {"pending", "running", "completed", "failed"};
	struct entry *e = &w->jobs[random_below(JOBS)];
	long long version = next_version();
	json_t *job = json_pack("{s:s, s:s, s:s, s:o, s:{s:I}, s:s}", "id", e->id, "type", "backtest", "status",
	                        statuses[random_below(4)], "payload", payload_of(version), "metadata", "version",
	                        (json_int_t)version, "error", version % 3 ? "none" : "some");
	json_t *params = json_pack("{s:O}", "job", job);
	const struct state *newest = entry_newest(e);
	bool settled = e->count == 1;
	if (settled && random_below(3) == 0)
		json_object_set_new(params, "if_revision",
		                    newest->gone ? json_integer(0)
		                                 : json_incref(json_object_get(newest->whole, "revision")));
	entry_sent(e, version, job);
	send_call(w, SAVE_JOB, version, e, NULL, "job.save", params);
}

static void delete_job(struct worker *w)
{
	struct entry *e = &w->jobs[random_below(JOBS)];
	long long version = next_version();
	entry_sent(e, version, NULL);
	send_call(w, DELETE_JOB, version, e, NULL, "job.delete", json_pack("{s:s}", "id", e->id));
}

static void save_run(struct worker *w)
{
	static const char *const statuses[] = {"queued", "running", "succeeded", "failed"};
	struct entry *e = &w->runs[random_below(RUNS)];
	long long version = next_version();
	char key[8];
	snprintf(key, sizeof key, "k%d", random_below(5));
	const struct state *newest = entry_newest(e);
	json_t *earlier = newest->gone ? NULL
	                               : json_object_get(newest->must ? newest->must : newest->whole, "meta");
	json_t *meta = earlier ? json_copy(earlier) : json_object();
	json_object_set_new(meta, key, json_integer((json_int_t)version));
	json_t *must = json_pack("{s:s, s:s, s:s, s:o, s:o}", "id", e->id, "kind", "crash", "status",
	                         statuses[random_below(4)], "request", payload_of(version), "meta", meta);
	json_t *params = json_pack("{s:s, s:s, s:O, s:O, s:{s:I}}", "run_id", e->id, "kind", "Crash", "status",
	                           json_object_get(must, "status"), "request", json_object_get(must, "request"),
	                           "meta", key, (json_int_t)version);
	entry_sent(e, version, must);
	send_call(w, SAVE_RUN, version, e, NULL, "run.create_or_update", params);
}

static void delete_run(struct worker *w)
{
	struct entry *e = &w->runs[random_below(RUNS)];
	long long version = next_version();
	entry_sent(e, version, NULL);
	send_call(w, DELETE_RUN, version, e, NULL, "run.delete", json_pack("{s:s}", "run_id", e->id));
}

/* Never entered: its traces must never be found. */
static void must_fail(struct worker *w)
{
	struct entry *e = &w->jobs[random_below(JOBS)];
	long long version = next_version();
	json_t *job = json_pack("{s:s, s:o}", "id", e->id, "payload", payload_of(version));
	json_t *params = json_pack("{s:o}", "job", job);
	if (random_below(2))
		json_object_set_new(params, "if_revision", json_integer(1LL << 50));
	else
		json_object_set_new(job, "status", json_string("succeeded"));
	send_call(w, MUST_FAIL, version, e, NULL, "job.save", params);
}

static void take_prize(struct worker *w)
{
	struct entry *e = &prizes[random_below(PRIZES)];
	long long version = next_version();
	json_t *job = json_pack("{s:s, s:o}", "id", e->id, "payload", payload_of(version));
	entry_sent(e, version, job);
	send_call(w, TAKE_PRIZE, version, e, NULL, "job.save",
	          json_pack("{s:O, s:i}", "job", job, "if_revision", 0));
}

static void save_artifact(struct worker *w)
{
	struct artifact *a = calloc(1, sizeof *a);
	a->next = w->artifacts;
	w->artifacts = a;
	a->version = next_version();
	a->payload = payload_of(a->version);
	a->linked = random_below(4) == 0;
	send_call(w, SAVE_ARTIFACT, a->version, NULL, a, "artifact.save",
	          json_pack("{s:s, s:s, s:O, s:b}", "run_id", w->files_run, "kind", "crash", "payload",
	                    a->payload, "link", a->linked));
}

static void delete_artifact(struct worker *w)
{
	struct artifact *a = w->artifacts;
	for (int skip = random_below(20); a && (skip > 0 || !a->id[0] || a->linked || a->deleting || a->gone);
	     skip--)
		a = a->next;
	if (!a)
		return;
	a->deleting = true;
	send_call(w, DELETE_ARTIFACT, next_version(), NULL, a, "artifact.delete",
	          json_pack("{s:s}", "id", a->id));
}

static void report_progress(struct worker *w)
{
	struct entry *e = &w->jobs[random_below(JOBS)];
	e->has_progress = true;
	client_say(
		w->client,
		JSON({"jsonrpc":"2.0","method":"job.update_progress","params":{"id":"%s","progress":{"current":%d,"total":100}}}),
		e->id, random_below(100));
}

static void send_one(struct worker *w)
{
	int dice = random_below(100);
	if (dice < 45)
		save_job(w);
	else if (dice < 55)
		delete_job(w);
	else if (dice < 70)
		save_run(w);
	else if (dice < 73)
		delete_run(w);
	else if (dice < 80)
		must_fail(w);
	else if (dice < 85)
		take_prize(w);
	else if (dice < 93)
		save_artifact(w);
	else
		delete_artifact(w);
}

static void send_some(struct worker *w)
{
	int dice = random_below(20);
	if (dice == 0) {
		batch = json_array();
		for (int i = 1 + random_below(8); i > 0; i--)
			send_one(w);
		if (json_array_size(batch) > 0)
			say(w, batch);
		json_decref(batch);
		batch = NULL;
	} else if (dice == 1) {
		report_progress(w);
	} else {
		send_one(w);
	}
}

/* ---- what is answered */

static struct call take_call(struct worker *w, long long version)
{
	for (struct call **link = &w->calls; *link; link = &(*link)->next) {
		if ((*link)->version != version)
			continue;
		struct call *found = *link, call = *found;
		*link = found->next;
		free(found);
		w->outstanding--;
		return call;
	}
	ck_abort_msg("an answer to a call that nobody waits for: %lld", version);
}

static void acknowledged(const struct call *call, const json_t *result)
{
	struct artifact *a = call->artifact;
	counts.acknowledged++;
	switch (call->kind) {
	case SAVE_JOB: case SAVE_RUN: case TAKE_PRIZE:
		entry_acknowledged(call->entry, call->version, result);
		break;
	case DELETE_JOB: case DELETE_RUN:
		entry_acknowledged(call->entry, call->version, NULL);
		break;
	case SAVE_ARTIFACT:
		snprintf(a->id, sizeof a->id, "%s", text_at(result, "id"));
		counts.artifacts++;
		break;
	case DELETE_ARTIFACT:
		ck_assert_int_eq(whole_at(result, "removed"), 1);
		a->gone = true;
		break;
	case MUST_FAIL:
		ck_abort_msg("call %lld should have been refused", call->version);
	}
}

static void refused(const struct call *call, const json_t *error)
{
	long long code = whole_at(error, "code");
	struct artifact *a = call->artifact;
	counts.refused++;
	if (call->kind == MUST_FAIL)
		return;
	bool conflict = call->kind == TAKE_PRIZE && code == CONFLICT;
	ck_assert_msg(conflict || code == SHUTTING_DOWN, "call %lld failed: %s", call->version,
	              json_dumps(error, 0));
	if (call->entry)
		entry_refused(call->entry, call->version, conflict);
	else if (call->kind == SAVE_ARTIFACT)
		a->gone = true;
	else
		a->deleting = false;
}

static void answered(struct worker *w, const json_t *reply)
{
	struct call call = take_call(w, whole_at(reply, "id"));
	if (has_value_at(reply, "result"))
		acknowledged(&call, value_at(reply, "result"));
	else
		refused(&call, value_at(reply, "error"));
}

static bool receive_one(struct worker *w, int ms)
{
	char *line = client_line_within(w->client, ms);
	if (!line)
		return false;
	json_t *reply = json_parsed(line), *one;
	size_t i;
	free(line);
	if (json_is_array(reply))
		json_array_foreach(reply, i, one)
			answered(w, one);
	else
		answered(w, reply);
	json_decref(reply);
	return true;
}

/* ---- cycles of load and kill */

static void connect_all(void)
{
	for (int i = 0; i < CLIENTS; i++) {
		workers[i].client = client_open(d);
		json_t *run = client_call(workers[i].client, "run.create_or_update",
		                          JSON({"run_id":"%s","kind":"files"}), workers[i].files_run);
		json_decref(run);
	}
}

/* What all of them try to make at once, under new names each time. */
static void put_up_prizes(void)
{
	char id[ID_ROOM];
	prize_round++;
	for (int i = 0; i < PRIZES; i++) {
		snprintf(id, sizeof id, "prize-%d-%d", prize_round, i);
		entry_init(&prizes[i], id, true);
	}
}

static void load_for(int ms, int depth)
{
	for (long long deadline = clock_ms() + ms; clock_ms() < deadline;) {
		for (int i = 0; i < CLIENTS; i++) {
			struct worker *w = &workers[i];
			for (int k = random_below(4); k > 0 && w->outstanding < depth; k--)
				send_some(w);
			while (receive_one(w, 0))
				;
		}
	}
}

static json_t *journal_stats(void)
{
	return value_at(daemon_call(d, "server.stats", NULL), "journal");
}

static bool folds(const json_t *journal)
{
	return json_is_true(value_at(journal, "folding")) || whole_at(journal, "folds") > 0;
}

static bool merged(const json_t *journal)
{
	return whole_at(journal, "merges") > 0;
}

/* Loads until the journal is at it, so that the kill comes in the middle or right behind it;
 * never for very long. */
static void load_until(bool (*is_there)(const json_t *journal), int depth)
{
	for (long long deadline = clock_ms() + 10000; clock_ms() < deadline && !is_there(journal_stats());)
		load_for(30, depth);
}

static void load(void)
{
	int turn = (int)(counts.kills % 12);
	if (turn == 3) {
		load_until(merged, 1); /* one call a commit makes many segments */
	} else if (turn == 7) {
		big_payloads = 40;
		load_until(folds, DEPTH);
		big_payloads = 1;
	} else {
		load_for(random_below(5) ? 20 + random_below(250) : random_below(10), DEPTH);
	}
	json_t *journal = journal_stats();
	counts.folds += whole_at(journal, "folds") + json_is_true(value_at(journal, "folding"));
	counts.merges += whole_at(journal, "merges");
}

/* The daemon is gone: what it has said before counts, what it has not answered stays open. */
static void drain(void)
{
	for (int i = 0; i < CLIENTS; i++) {
		struct worker *w = &workers[i];
		while (receive_one(w, DEADLINE_MS))
			;
		counts.unanswered += w->outstanding;
		while (w->calls)
			take_call(w, w->calls->version);
		client_close(w->client);
	}
}

/* ---- the proof */

static void verify_entry(struct client *c, struct entry *e, const char *method, const char *parameter)
{
	client_say(c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":{\"%s\":\"%s\"}}", method, parameter, e->id);
	json_t *reply = client_reply(c);
	if (has_value_at(reply, "error"))
		ck_assert_int_eq(whole_at(reply, "error.code"), NOT_FOUND);
	entry_found(e, json_object_get(reply, "result"));
	json_decref(reply);
}

static struct artifact *find_artifact(struct worker *w, const char *id, long long version)
{
	for (struct artifact *a = w->artifacts; a; a = a->next)
		if (a->id[0] ? strcmp(a->id, id) == 0 : a->version == version)
			return a;
	ck_abort_msg("artifact %s with version %lld was never asked for", id, version);
}

/* Each artifact that is there must be one that was asked for, and whole. */
static size_t verify_listed(struct worker *w, struct client *c)
{
	size_t found = 0, i;
	json_t *record, *page = client_call(c, "artifact.list", JSON({"run_id":"%s","limit":1000}), w->files_run);
	json_array_foreach(value_at(page, "artifacts"), i, record) {
		const char *id = text_at(record, "id");
		json_t *read = client_call(c, "artifact.read", JSON({"id":"%s"}), id);
		struct artifact *a = find_artifact(w, id, whole_at(read, "payload.version"));
		ck_assert_msg(!a->gone, "artifact %s was deleted or refused, and is there", id);
		ck_assert_msg(json_equal(value_at(read, "payload"), a->payload), "artifact %s is not what was saved",
		              id);
		snprintf(a->id, sizeof a->id, "%s", id);
		a->deleting = false;
		found++;
		json_decref(read);
	}
	ck_assert(json_is_null(value_at(page, "next_cursor")));
	json_decref(page);
	return found;
}

static void verify_artifacts(struct worker *w, struct client *c)
{
	size_t expected = 0, found = verify_listed(w, c);
	const struct artifact *linked = NULL;
	for (struct artifact *a = w->artifacts; a; a = a->next) {
		if (a->gone)
			continue;
		if (!a->id[0] || a->deleting) { /* not listed: never made, or deleted; neither was answered */
			a->gone = true;
			continue;
		}
		expected++;
		if (a->linked && !linked)
			linked = a;
	}
	ck_assert_msg(expected == found, "%zu artifacts of %s are expected, %zu are there", expected,
	              w->files_run, found);
	if (linked)
		expect_text_at(client_call(c, "run.get", JSON({"run_id":"%s"}), w->files_run), "artifact_id",
		               linked->id);
}

static void verify(void)
{
	struct client *c = client_open(d);
	size_t jobs = 0;
	for (int i = 0; i < CLIENTS; i++) {
		struct worker *w = &workers[i];
		for (int k = 0; k < JOBS; k++) {
			verify_entry(c, &w->jobs[k], "job.get", "id");
			jobs += !w->jobs[k].states[0].gone;
		}
		for (int k = 0; k < RUNS; k++)
			verify_entry(c, &w->runs[k], "run.get", "run_id");
		verify_artifacts(w, c);
	}
	for (int k = 0; k < PRIZES; k++) {
		verify_entry(c, &prizes[k], "job.get", "id");
		client_say(c, JSON({"jsonrpc":"2.0","method":"job.delete","params":{"id":"%s"}}), prizes[k].id);
	}
	json_t *count = client_call(c, "job.count", NULL);
	ck_assert_msg(whole_at(count, "total") == (long long)jobs, "%zu jobs are expected, %lld are there", jobs,
	              whole_at(count, "total"));
	json_decref(count);
	client_close(c);
	put_up_prizes();
}

/* Every few kills a run goes with all of its artifacts,
 * so that there is always something to find and never very much. */
static void drop_artifacts(void)
{
	struct client *c = client_open(d);
	for (int i = 0; i < CLIENTS; i++) {
		struct worker *w = &workers[i];
		client_call(c, "run.delete", JSON({"run_id":"%s"}), w->files_run);
		expect_at(client_call(c, "artifact.list", JSON({"run_id":"%s"}), w->files_run), "total", "0");
		for (struct artifact *a = w->artifacts; a; a = a->next)
			a->gone = true;
	}
	client_close(c);
}

/* Sometimes the daemon is killed while it starts, too. */
static void start(void)
{
	while (random_below(6) == 0) {
		daemon_spawn(d, NULL);
		sleep_ms(random_below(40));
		daemon_kill(d);
		counts.starts_killed++;
	}
	daemon_start(d, NULL);
}

static void end(void)
{
	if (random_below(12) == 0) {
		daemon_send_signal(d, SIGTERM);
		drain();
		ck_assert_int_eq(daemon_wait(d), 0);
		counts.stops++;
		return;
	}
	daemon_kill(d);
	counts.kills++;
	drain();
}

START_TEST(no_kill_loses_what_was_acknowledged_or_makes_what_was_refused)
{
	char id[ID_ROOM];
	d = daemon_new();
	for (int i = 0; i < CLIENTS; i++) {
		struct worker *w = &workers[i];
		snprintf(w->files_run, sizeof w->files_run, "files-%d", i);
		for (int k = 0; k < JOBS; k++)
			entry_init(&w->jobs[k], (snprintf(id, sizeof id, "job-%d-%d", i, k), id), false);
		for (int k = 0; k < RUNS; k++)
			entry_init(&w->runs[k], (snprintf(id, sizeof id, "run-%d-%d", i, k), id), false);
	}
	put_up_prizes();
	start();
	while (counts.kills < kills_wanted) {
		connect_all();
		load();
		end();
		start();
		verify();
		if (counts.kills % 5 == 0)
			drop_artifacts();
	}
	verify();
	daemon_end(d);
	printf("kills %lld (%lld more during a start, %lld clean stops); changes acknowledged %lld (%lld "
	       "artifacts), refused %lld, unanswered %lld; folds %lld, merges %lld\n",
	       counts.kills, counts.starts_killed, counts.stops, counts.acknowledged, counts.artifacts,
	       counts.refused, counts.unanswered, counts.folds, counts.merges);
	fflush(stdout);
}
END_TEST

static bool read_arguments(int argc, char **argv)
{
	seed = (unsigned long long)time(NULL);
	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc)
			return false;
		if (strcmp(argv[i], "--kills") == 0)
			kills_wanted = atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--seed") == 0)
			seed = strtoull(argv[i + 1], NULL, 10);
		else
			return false;
	}
	random_state = seed * 2 + 1;
	return kills_wanted > 0;
}

int main(int argc, char **argv)
{
	if (!read_arguments(argc, argv)) {
		fprintf(stderr, "usage: kill_loop [--kills N] [--seed S]\n");
		return 2;
	}
	printf("seed %llu\n", seed);
	fflush(stdout);
	Suite *suite = suite_create("kill loop");
	TCase *kills = integration_case(suite, "kills", NULL, NULL);
	tcase_set_timeout(kills, 0);
	tcase_add_test(kills, no_kill_loses_what_was_acknowledged_or_makes_what_was_refused);
	return integration_run(suite);
}
