#include "client/engine.h"
#include "proto/rpc.h"
#include "proto/scan.h"
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
	PARTS_MAX = 64,                  /* lines handed to the kernel at once */
	READS_MAX = 16,                  /* a turn */
	DRAIN_MAX = 4096,                /* reads from a connection that has ended */
	LONG_LINE = 64 << 10,            /* below, the daemon never drops an unfinished line */
	BACKOFF_FIRST = 50 * MOMENT_MS,
	BACKOFF_LAST = 2000 * MOMENT_MS,
	BUSY_PAUSE = 10 * MOMENT_MS,     /* until connect() is tried again at a full backlog */
	HOPELESS_PATIENCE = 200 * MOMENT_MS, /* where connect() says what waiting does not mend */
};

void engine_init(struct engine *e, const char *path)
{
	*e = (struct engine){.wire = {.fd = -1}, .check_at = MOMENT_NEVER, .failed_at = INT64_MIN};
	e->path = mem_copy(path, strlen(path) + 1);
}

void engine_free(struct engine *e)
{
	assert(!e->calls.first && !e->ended.first);
	wire_close(&e->wire);
	free(e->farewell);
	free(e->path);
}

bool engine_is_up(const struct engine *e) { return e->wire.fd >= 0; }
int64_t engine_new_id(struct engine *e) { return ++e->last_id; }

/* Wholly left: the daemon takes a last line without its newline, too. */
static bool has_left(const struct engine *e, const struct call *c)
{
	switch (c->state) {
	case CALL_SENT: return true;
	case CALL_QUEUED: return c == e->next && e->left > 0 && e->left + 1 >= c->size;
	case CALL_REFUSED: case CALL_DONE: return false;
	}
	abort();
}

static bool is_awaited(const struct call *c) { return c->kind == CALL_ONE || c->kind == CALL_BATCH; }

/* ---- ends of calls */

/* Progress of which nothing has left can still be replaced by newer. */
static bool is_open(const struct engine *e, const struct call *c)
{
	return c->kind == CALL_PROGRESS && (c != e->next || e->left == 0);
}

/* Neighbours become one, so that there is not more progress than calls between. */
static void join(struct engine *e, struct call *older, struct call *newer)
{
	if (!older || !newer || !is_open(e, older) || !is_open(e, newer))
		return;
	latest_merge(newer->latest, older->latest);
	newer->text.len = newer->size = 0;
	if (older == e->next)
		e->next = newer;
	call_list_remove(older);
	call_free(older);
}

/* Out of the list and the table; the cursor goes on to the next. */
static void take_out(struct engine *e, struct call *c)
{
	struct call *before = c->previous, *after = c->next;

	if (c == e->next) {
		e->next = c->next;
		e->left = 0;
	}
	if (call_is_answered(c))
		HASH_DEL(e->by_id, c);
	if (c->state == CALL_SENT && call_is_answered(c))
		e->unanswered--;
	if (is_awaited(c))
		e->awaited--;
	if (c->kind == CALL_NOTICE)
		e->notices_bytes -= c->size;
	call_list_remove(c);
	join(e, before, after);
}

/* Out of the engine: to whoever waits for it, or to nobody. */
static void hand_over(struct engine *e, struct call *c)
{
	if (!is_awaited(c))
		call_free(c);
	else if (c->callback)
		call_list_add(&e->ended, c);
}

static void end_failed(struct engine *e, struct call *c, const persist_error *error)
{
	take_out(e, c);
	if (is_awaited(c))
		call_fail(c, error);
	hand_over(e, c);
}

/* In the place of a call that was sent and that nobody waits for any more. */
static void leave_ghost(struct engine *e, struct call *c)
{
	struct call *ghost = call_new(CALL_GHOST);

	ghost->state = c->state;
	ghost->id = c->id;
	ghost->size = c->size;
	ghost->count = c->count;
	ghost->ids = c->ids;
	c->ids = NULL;
	HASH_DEL(e->by_id, c);
	call_list_replace(c, ghost);
	HASH_ADD(hh, e->by_id, id, sizeof ghost->id, ghost);
	e->awaited--;
}

/* Of a line that was begun, only its end is still sent: what the daemon reads then is no JSON, so that
 * the call cannot happen (unless its end was all that was missing), and the lines behind it come to no
 * harm. */
static void cut_short(struct engine *e, struct call *c)
{
	struct call *rest = call_new(CALL_NOTICE);

	assert(c == e->next && e->left > 0 && is_awaited(c));
	rest->cut = true;
	rest->deadline = MOMENT_NEVER;
	buf_char(&rest->text, '\n');
	rest->size = rest->text.len;
	e->notices_bytes += rest->size;
	HASH_DEL(e->by_id, c);
	call_list_replace(c, rest);
	e->awaited--;
	e->next = rest;
	e->left = 0;
}

/* Out of the engine, whatever its state. True: it may happen all the same. */
static bool withdraw(struct engine *e, struct call *c)
{
	bool left = has_left(e, c);

	if (c == e->next && e->left > 0) {
		cut_short(e, c);
		e->complaints += !left;
	} else if (left) {
		leave_ghost(e, c);
	} else {
		take_out(e, c);
	}
	return left;
}

static enum persist_outcome outcome_of(const struct call *c, bool left)
{
	return left && !c->repeatable ? PERSIST_UNKNOWN : PERSIST_DID_NOT_HAPPEN;
}

/* ---- giving up */

static void hint_no_daemon(const struct engine *e, persist_error *error)
{
	switch (e->trouble.system_error) {
	case EACCES: case EPERM:
		failure_hint(error, "you may not connect there: become a member of the socket's group, or start a daemon "
		                    "of your own with: persistd --socket PATH");
		break;
	case ENAMETOOLONG:
		failure_hint(error, "the path of a socket has at most 107 bytes");
		break;
	case ENOTSOCK: case EINVAL:
		failure_hint(error, "name the socket that persistd listens on, with PERSISTD_SOCKET for example");
		break;
	case EMFILE: case ENFILE:
		failure_hint(error, "this process, or the system, has too many files open");
		break;
	default:
		failure_hint(error, "start one with: systemctl start persistd, or: persistd --socket %s", e->path);
	}
}

static void why_no_daemon(const struct engine *e, char *why, size_t size)
{
	int system_error = e->trouble.system_error;
	const char *place = system_error == ENOTSOCK ? wire_place(e->path) : NULL;

	if (place)
		snprintf(why, size, "it is %s, not a socket", place);
	else
		snprintf(why, size, "%s", system_error == EINVAL ? "the path is empty" : strerror(system_error));
}

static void say_no_daemon(const struct engine *e, persist_error *error)
{
	const struct trouble *t = &e->trouble;

	if (t->refused) {
		char why[64];
		why_no_daemon(e, why, sizeof why);
		failure_set(error, PERSIST_E_NO_DAEMON, PERSIST_DID_NOT_HAPPEN, "no daemon answers at %s: %s",
		            e->path[0] ? e->path : "''", why);
		hint_no_daemon(e, error);
	} else {
		failure_set(error, PERSIST_E_CONNECTION, PERSIST_DID_NOT_HAPPEN,
		            "what listens at %s ends each connection without an answer", e->path);
		failure_hint(error, "is it persistd? its log says why it closes connections");
	}
	error->system_error = t->system_error;
}

static void say_too_late(const struct engine *e, const struct call *c, bool left, persist_error *error)
{
	if (!left && !engine_is_up(e) && !e->trouble.busy && e->failed_at >= e->down_since) {
		say_no_daemon(e, error);
		return;
	}
	const char *more = left ? "" : "; the daemon did not take the call";
	failure_set(error, PERSIST_E_TIMEOUT, outcome_of(c, left), "no answer within %g s%s",
	            (double)(c->deadline - c->started) / 1e6, more);
	if (error->outcome == PERSIST_UNKNOWN)
		failure_hint(error, "the change may have been made: look before you repeat it");
}

static void end_too_late(struct engine *e, struct call *c)
{
	persist_error error;

	if (c->state == CALL_REFUSED) {
		end_failed(e, c, c->error);
		return;
	}
	if (!is_awaited(c)) {
		if (c != e->next || e->left == 0) {
			take_out(e, c);
			call_free(c);
		}
		return;
	}
	say_too_late(e, c, has_left(e, c), &error);
	withdraw(e, c);
	call_fail(c, &error);
	hand_over(e, c);
}

/* Waiting mends what is not there yet, and no path that cannot be; other troubles get a short while. */
static int64_t patience_of(const struct engine *e)
{
	const struct trouble *t = &e->trouble;

	if (!t->refused)
		return e->patience;
	switch (t->system_error) {
	case ENOENT: case ECONNREFUSED: return e->patience;
	case ENAMETOOLONG: case ENOTSOCK: case EINVAL: return 0;
	default: return moment_first(e->patience, HOPELESS_PATIENCE);
	}
}

/* When a call stops looking for a daemon, if none has been found by then; an attempt is owed to each. */
static int64_t patience_end(const struct engine *e, const struct call *c)
{
	int64_t from = moment_last(c->started, e->down_since), patience = patience_of(e);

	if (engine_is_up(e) || e->trouble.busy || e->failed_at < from || patience == MOMENT_NEVER)
		return MOMENT_NEVER;
	return from + patience;
}

static void give_up(struct engine *e, int64_t now)
{
	struct call *next;

	if (now < e->check_at)
		return;
	e->check_at = MOMENT_NEVER;
	for (struct call *c = e->calls.first; c; c = next) {
		next = c->next;
		if (c->kind == CALL_GHOST || c->kind == CALL_PROGRESS)
			continue;
		int64_t end = patience_end(e, c);
		if (now >= end && now < c->deadline) {
			persist_error error;
			say_no_daemon(e, &error);
			end_failed(e, c, &error);
		} else if (now >= c->deadline) {
			end_too_late(e, c);
		} else {
			e->check_at = moment_first(e->check_at, moment_first(end, c->deadline));
		}
	}
}

/* ---- the connection ends */

static void back_off(struct engine *e, int64_t now)
{
	uint16_t chance = 0;

	if (getrandom(&chance, sizeof chance, GRND_NONBLOCK) < 0)
		chance = (uint16_t)now;
	e->backoff = e->backoff ? moment_first(2 * e->backoff, BACKOFF_LAST) : BACKOFF_FIRST;
	e->retry_at = now + e->backoff / 2 + e->backoff / 2 * chance / UINT16_MAX;
	e->check_at = now;
}

/* Whether a call of it is to be sent on the next. */
static bool survives(const struct engine *e, const struct call *c, const persist_error *why)
{
	bool left = has_left(e, c);

	switch (c->kind) {
	case CALL_GHOST:
		return false;
	case CALL_NOTICE: case CALL_PROGRESS:
		return !left && !c->cut;
	case CALL_ONE: case CALL_BATCH:
		break;
	}
	if (e->farewell || (left && why->code == PERSIST_E_PROTOCOL))
		return false;
	return !left || c->repeatable;
}

static void say_ended(const struct engine *e, const struct call *c, const persist_error *why,
                      persist_error *error)
{
	if (e->farewell) {
		*error = *e->farewell;
		return;
	}
	*error = *why;
	error->outcome = outcome_of(c, true);
	if (error->outcome == PERSIST_UNKNOWN)
		failure_hint(error, "the change may have been made: look before you repeat it");
}

static void forget_connection(struct engine *e)
{
	wire_close(&e->wire);
	e->unanswered = e->unreadable = e->complaints = e->longest_notice = 0;
	e->proven = e->blocked = e->leaving = false;
	free(e->farewell);
	e->farewell = NULL;
	e->next = e->calls.first;
	e->left = 0;
}

/* All that was sent and not answered is judged: what is safe to be sent again takes its old place. */
static void lose(struct engine *e, const persist_error *why)
{
	int64_t now = moment_now();
	struct call *next;
	bool proven = (e->proven || now - e->tried_at >= BACKOFF_LAST) && why->code != PERSIST_E_PROTOCOL;

	for (struct call *c = e->calls.first; c; c = next) {
		next = c->next;
		if (survives(e, c, why)) {
			c->state = CALL_QUEUED;
			continue;
		}
		persist_error error;
		say_ended(e, c, why, &error);
		end_failed(e, c, &error);
	}
	bool stopping = e->leaving;
	forget_connection(e);
	e->check_at = e->retry_at = now;
	if (proven) {
		e->down_since = now;
		e->backoff = 0;
	} else {
		e->trouble = (struct trouble){0};
		e->failed_at = now;
	}
	if (stopping || !proven)
		back_off(e, now);
}

static void lose_ended(struct engine *e)
{
	persist_error why;

	failure_set(&why, PERSIST_E_CONNECTION, PERSIST_UNKNOWN, "the connection to %s ended before the answer",
	            e->path);
	why.system_error = ECONNRESET;
	lose(e, &why);
}

/* What answers does not speak as persistd does: nothing that it says can be relied on. */
static void lose_garbage(struct engine *e, const char *what)
{
	persist_error why;

	failure_set(&why, PERSIST_E_PROTOCOL, PERSIST_UNKNOWN, "what listens at %s sent %s", e->path, what);
	failure_hint(&why, "is it persistd?");
	lose(e, &why);
}

/* ---- answers */

/* "Shutting down": it did not happen, and another connection may do it. */
static void end_refused(struct engine *e, struct call *c, const persist_error *error)
{
	e->leaving = true;
	if (c->kind == CALL_GHOST) {
		take_out(e, c);
		call_free(c);
		return;
	}
	if (!c->error)
		c->error = mem_alloc(sizeof *c->error);
	*c->error = *error;
	c->state = CALL_REFUSED;
	e->unanswered--;
}

/* A read that was answered though something before it was refused has not seen that: it is asked again
 * behind it. */
static bool has_overtaken(struct engine *e, struct call *c)
{
	if (!e->leaving || !c->repeatable || !is_awaited(c))
		return false;
	for (const struct call *before = c->previous; before; before = before->previous) {
		if (before->state == CALL_REFUSED) {
			end_refused(e, c, before->error);
			return true;
		}
	}
	return false;
}

static void end_answered(struct engine *e, struct call *c, struct span result)
{
	if (has_overtaken(e, c))
		return;
	take_out(e, c);
	if (is_awaited(c))
		call_succeed(c, result);
	hand_over(e, c);
}

static void end_by_error(struct engine *e, struct call *c, const persist_error *error)
{
	if (error->code == PERSIST_SHUTTING_DOWN)
		end_refused(e, c, error);
	else if (!has_overtaken(e, c))
		end_failed(e, c, error);
}

static struct call *find_call(struct engine *e, struct span id)
{
	struct call *c = NULL;
	int64_t number;
	double real;

	if (id.at && scan_number(id, &number, &real) == SCAN_INT)
		HASH_FIND(hh, e->by_id, &number, sizeof number, c);
	return c && c->state == CALL_SENT ? c : NULL;
}

/* The daemon's limits of lines are about lines whose id it has not read. Whatever the limit is, the
 * longest line that is not answered is beyond it. NULL: that was a notification. */
static struct call *longest(struct engine *e)
{
	struct call *found = NULL;

	for (struct call *c = e->calls.first; c; c = c->next) {
		bool begun = c->state == CALL_SENT || (c == e->next && e->left > 0);
		if (begun && call_is_answered(c) && (!found || c->size > found->size))
			found = c;
		if (c == e->next)
			break;
	}
	return found && found->size > e->longest_notice ? found : NULL;
}

/* The daemon skips the rest of such a line up to its newline, and says no more about it. */
static void end_skipped(struct engine *e, struct call *c, const persist_error *error)
{
	if (c != e->next) {
		end_by_error(e, c, error);
		return;
	}
	cut_short(e, c);
	call_fail(c, error);
	hand_over(e, c);
}

/* The call that an error without an id is about; NULL: it cannot be told, or is none. */
static struct call *meant_by(struct engine *e, const persist_error *error)
{
	struct call *c = longest(e);

	if (!c || error->code == PERSIST_TOO_LARGE)
		return c;
	if (error->code == PERSIST_LIMIT && (c->size > LONG_LINE || c->kind == CALL_BATCH))
		return c;
	bool alone = e->unanswered == 1 && c->state == CALL_SENT && e->left == 0;
	return alone && (e->proven || error->code != PERSIST_LIMIT) ? c : NULL;
}

/* An error without an id. False: it is garbage. */
static bool take_nameless(struct engine *e, const persist_error *error)
{
	bool too_large = error->code == PERSIST_TOO_LARGE, limit = error->code == PERSIST_LIMIT;

	if (e->complaints > 0 && (too_large || error->code == PERSIST_PARSE_ERROR)) {
		e->complaints--;
		return true;
	}
	struct call *c = meant_by(e, error);
	if (c) {
		end_skipped(e, c, error);
	} else if ((too_large && e->longest_notice > 0) || (limit && e->longest_notice > LONG_LINE)) {
		e->longest_notice = 0;
	} else if (limit && !e->proven && !e->farewell) {
		e->farewell = mem_copy(error, sizeof *error);
	} else {
		return false;
	}
	return true;
}

static struct call *find_batch(struct engine *e, int64_t id)
{
	for (struct call *c = e->calls.first; c && c != e->next; c = c->next) {
		if (c->state != CALL_SENT || c->count == 0 || id < c->ids[0] || id > c->ids[c->count - 1])
			continue;
		for (size_t i = 0; i < c->count; i++) {
			if (c->ids[i] == id)
				return c;
		}
	}
	return NULL;
}

/* The replies of a batch. False: garbage. */
static bool take_replies(struct engine *e, struct span line)
{
	struct scan_iter it = scan_elements(line);
	struct span element;
	struct call *batch = NULL;
	persist_error error;
	bool all_refused = true;
	struct rpc_message m;
	struct fault fault;
	int64_t id = -1;
	double real;

	while (scan_next_element(&it, &element)) {
		if (rpc_read(element, NULL, &m, &fault) != RPC_REPLY)
			return false;
		if (id < 0 && m.id.at && scan_number(m.id, &id, &real) == SCAN_INT)
			batch = find_batch(e, id);
		if (m.error.at && !failure_read(&error, m.error))
			return false;
		all_refused = all_refused && m.error.at && error.code == PERSIST_SHUTTING_DOWN;
	}
	if (!batch)
		return true;
	e->proven = true;
	if (all_refused)
		end_refused(e, batch, &error);
	else
		end_answered(e, batch, line);
	return true;
}

static bool take_reply(struct engine *e, struct span line)
{
	struct rpc_message m;
	struct fault fault;
	persist_error error;

	if (rpc_read(line, NULL, &m, &fault) != RPC_REPLY || (m.error.at && !failure_read(&error, m.error)))
		return false;
	if (m.error.at && (!m.id.at || scan_kind(m.id) == SCAN_NULL))
		return take_nameless(e, &error);
	struct call *c = find_call(e, m.id);
	if (!c)
		return true;
	e->proven = true;
	if (m.error.at)
		end_by_error(e, c, &error);
	else
		end_answered(e, c, m.result);
	return true;
}

/* `whole`: it had its newline. What the end of the connection has cut off was not said. */
static bool take_line(struct engine *e, struct span line, bool whole)
{
	struct scan_report report;

	while (line.len > 0 && (*line.at == ' ' || *line.at == '\t'))
		line = (struct span){line.at + 1, line.len - 1};
	if (scan_check(line, SCAN_DEPTH_FILE, &report) != SCAN_OK)
		return !whole;
	return *line.at == '[' ? take_replies(e, line) : take_reply(e, line);
}

/* Replies that were too long said for which calls only in what was not kept: once as many are missing as
 * there are calls left, it is those. */
static void end_unreadable(struct engine *e)
{
	struct call *next;

	if (e->unreadable == 0 || e->unreadable < e->unanswered)
		return;
	for (struct call *c = e->calls.first; c && c != e->next; c = next) {
		persist_error error;
		next = c->next;
		if (c->state != CALL_SENT || !call_is_answered(c))
			continue;
		failure_set(&error, PERSIST_E_TOO_LARGE, outcome_of(c, true), "the reply is longer than %zu bytes",
		            e->reply_max);
		failure_hint(&error, "ask for less (limit, fields), or allow more by persist_set_reply_max()");
		end_failed(e, c, &error);
	}
	e->unreadable = 0;
}

/* False: the connection is gone. */
static bool take_lines(struct engine *e, bool ended)
{
	struct span line;

	for (;;) {
		switch (frame_next(&e->wire.in, &line)) {
		case FRAME_MORE:
			return true;
		case FRAME_TOO_LONG:
			e->proven = true;
			e->unreadable++;
			break;
		case FRAME_LINE:
			if (!take_line(e, line, !ended || frame_pending(&e->wire.in) > 0)) {
				lose_garbage(e, "a line that is no reply");
				return false;
			}
			break;
		}
		end_unreadable(e);
	}
}

static void take_in(struct engine *e)
{
	for (int i = 0; i < READS_MAX; i++) {
		enum wire_read seen = wire_read(&e->wire);
		if (!take_lines(e, seen == WIRE_ENDED))
			return;
		if (seen == WIRE_ENDED || (e->leaving && e->unanswered == 0)) {
			lose_ended(e);
			return;
		}
		if (seen == WIRE_EMPTY)
			return;
	}
}

/* ---- sending */

static void make_text(struct call *c)
{
	if (c->kind != CALL_PROGRESS || c->text.len > 0)
		return;
	latest_write(c->latest, &c->text);
	c->size = c->text.len;
}

/* What is next, as parts; 0: nothing may be sent now. */
static int next_parts(struct engine *e, struct iovec parts[PARTS_MAX])
{
	int count = 0;

	if (e->leaving && e->left == 0)
		return 0;
	for (struct call *c = e->next; c && count < PARTS_MAX; c = c->next) {
		size_t from = c == e->next ? e->left : 0;
		make_text(c);
		parts[count++] = (struct iovec){c->text.at + from, c->size - from};
		if (e->leaving)
			break;
	}
	return count;
}

static void has_gone(struct engine *e, struct call *c)
{
	e->next = c->next;
	e->left = 0;
	if (call_is_answered(c)) {
		c->state = CALL_SENT;
		e->unanswered++;
		return;
	}
	if (c->kind == CALL_NOTICE) {
		e->longest_notice = c->size > e->longest_notice ? c->size : e->longest_notice;
		e->notices_bytes -= c->size;
	}
	call_list_remove(c);
	call_free(c);
}

static void count_sent(struct engine *e, size_t bytes)
{
	while (bytes > 0) {
		size_t rest = e->next->size - e->left;
		if (bytes < rest) {
			e->left += bytes;
			return;
		}
		bytes -= rest;
		has_gone(e, e->next);
	}
}

/* A socket that takes nothing more may still hold answers. */
static void drain(struct engine *e)
{
	for (int i = 0; i < DRAIN_MAX; i++) {
		enum wire_read seen = wire_read(&e->wire);
		if (!take_lines(e, seen == WIRE_ENDED))
			return;
		if (seen != WIRE_MORE)
			break;
	}
	lose_ended(e);
}

static void flush(struct engine *e)
{
	struct iovec parts[PARTS_MAX];
	int count;

	e->blocked = false;
	while ((count = next_parts(e, parts)) > 0) {
		ssize_t sent = wire_send(&e->wire, parts, count);
		if (sent == -EAGAIN) {
			e->blocked = true;
			return;
		}
		if (sent < 0) {
			drain(e);
			return;
		}
		count_sent(e, (size_t)sent);
	}
}

/* ---- connecting */

static void reach(struct engine *e, int64_t now)
{
	int failed = wire_open(&e->wire, e->path, e->reply_max);

	e->tried_at = now;
	e->trouble = (struct trouble){0};
	if (!failed)
		return;
	e->trouble = (struct trouble){.system_error = failed, .refused = true, .busy = failed == EAGAIN};
	if (failed == EAGAIN) {
		e->retry_at = now + BUSY_PAUSE;
		return;
	}
	e->failed_at = now;
	back_off(e, now);
}

/* Connects if it is time to, and sends; a connection that turns out to have ended is tried anew once. */
static void push(struct engine *e)
{
	for (int i = 0; i < 2 && e->calls.first; i++) {
		if (!engine_is_up(e)) {
			int64_t now = moment_now();
			if (now < e->retry_at)
				return;
			reach(e, now);
			if (!engine_is_up(e))
				return;
		}
		flush(e);
		if (engine_is_up(e))
			return;
	}
}

/* ---- from outside */

/* A full socket says when it has room: until then nothing is tried. */
static short ready_for(const struct engine *e)
{
	struct pollfd p = {.fd = e->wire.fd, .events = engine_events(e)};

	return poll(&p, 1, 0) > 0 ? p.revents : 0;
}

static void push_if_ready(struct engine *e)
{
	if (engine_is_up(e) && e->blocked)
		engine_turn(e, ready_for(e));
	else
		push(e);
}

/* A new call does not wait out a long pause that others began. */
static void hasten(struct engine *e)
{
	if (!engine_is_up(e))
		e->retry_at = moment_first(e->retry_at, moment_last(e->tried_at, e->failed_at) + BACKOFF_FIRST);
}

void engine_add(struct engine *e, struct call *c)
{
	c->state = CALL_QUEUED;
	c->size = c->text.len;
	call_list_add(&e->calls, c);
	if (!e->next)
		e->next = c;
	if (call_is_answered(c))
		HASH_ADD(hh, e->by_id, id, sizeof c->id, c);
	if (is_awaited(c))
		e->awaited++;
	if (c->kind == CALL_NOTICE)
		e->notices_bytes += c->size;
	e->check_at = moment_first(e->check_at, c->deadline);
	if (!engine_is_up(e))
		e->check_at = moment_first(e->check_at, patience_end(e, c));
	hasten(e);
	push_if_ready(e);
}

/* `sent`: bytes of the line that have left. */
static void keep_latest(struct engine *e, struct span id, struct span line, size_t sent)
{
	struct call *last = e->calls.last;

	if (!last || !is_open(e, last)) {
		last = call_new(CALL_PROGRESS);
		last->latest = latest_new();
		call_list_add(&e->calls, last);
		if (!e->next)
			e->next = last;
	}
	latest_set(last->latest, id, line);
	last->text.len = last->size = 0;
	if (sent > 0) {
		make_text(last);
		e->left = sent;
	}
}

void engine_progress(struct engine *e, struct span id, struct span line)
{
	ssize_t sent = 0;

	if (e->next)
		push_if_ready(e);
	if (engine_is_up(e) && !e->next && !e->leaving) {
		sent = wire_send(&e->wire, &(struct iovec){(char *)line.at, line.len}, 1);
		if (sent == (ssize_t)line.len)
			return;
		if (sent >= 0 || sent == -EAGAIN)
			e->blocked = true;
		else
			drain(e);
	}
	keep_latest(e, id, line, sent > 0 ? (size_t)sent : 0);
	if (!e->blocked)
		push(e);
}

void engine_abandon(struct engine *e, struct call *c)
{
	withdraw(e, c);
	push_if_ready(e);
}

/* First what has not left, so that progress is next in line; then that; then the rest. */
void engine_cancel_all(struct engine *e)
{
	persist_error error;
	struct call *next;

	for (int sent = 0; sent < 2; sent++) {
		for (struct call *c = e->calls.first; c; c = next) {
			next = c->next;
			if (sent ? !is_awaited(c) : !is_awaited(c) || c->state == CALL_SENT)
				continue;
			failure_set(&error, PERSIST_E_CANCELLED, outcome_of(c, has_left(e, c)),
			            "the client was closed before the answer");
			withdraw(e, c);
			call_fail(c, &error);
			hand_over(e, c);
		}
		if (!sent) {
			e->retry_at = 0;
			push(e);
		}
	}
	while (e->calls.first) {
		struct call *c = e->calls.first;
		take_out(e, c);
		call_free(c);
	}
}

short engine_events(const struct engine *e)
{
	return (short)(POLLIN | (e->next && (!e->leaving || e->left > 0) ? POLLOUT : 0));
}

int64_t engine_due(const struct engine *e)
{
	if (e->ended.first)
		return 0;
	return engine_is_up(e) || !e->calls.first ? e->check_at : moment_first(e->check_at, e->retry_at);
}

void engine_turn(struct engine *e, short seen)
{
	if (engine_is_up(e) && seen & (POLLIN | POLLHUP | POLLERR))
		take_in(e);
	if (!engine_is_up(e) || seen & POLLOUT)
		push(e);
	if (e->check_at != MOMENT_NEVER)
		give_up(e, moment_now());
}

short engine_wait(const struct engine *e, int64_t until)
{
	struct pollfd p = {.fd = e->wire.fd, .events = engine_events(e)};
	int timeout = moment_poll_ms(moment_first(until, engine_due(e)));

	return poll(&p, engine_is_up(e) ? 1 : 0, timeout) > 0 ? p.revents : 0;
}
