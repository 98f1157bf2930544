#include "client/engine.h"
#include "client/held.h"
#include "client/trouble.h"
#include "proto/mem.h"
#include "proto/rpc.h"
#include "proto/scan.h"
#include "proto/spec.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { READ_SIZE = 64 << 10, BACKOFF_FIRST_US = 50000, BACKOFF_MOST_US = 2000000, FULL_BACKLOG_US = 5000 };

#define NEVER INT64_MAX

int64_t engine_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

bool engine_repeatable(const char *method)
{
	const char *near;
	const struct spec_method *m = spec_find(span_of(method), &near);
	return m && m->role <= ROLE_READ;
}

/* ---- calls */

struct call *engine_call(persist_client *c, const char *method)
{
	struct call *call = mem_zero(sizeof *call);
	int64_t now = engine_now();
	call->looking_since = now;
	call->deadline = c->timeout_ms > 0 ? now + c->timeout_ms * INT64_C(1000) : NEVER;
	call->repeatable = engine_repeatable(method);
	return call;
}

int64_t engine_id(persist_client *c, unsigned count)
{
	int64_t first = c->next_id;
	c->next_id += count;
	return first;
}

static void append(persist_client *c, struct call *call)
{
	call->next = NULL;
	call->previous = c->calls ? c->calls->previous : call; /* the head's is the last one */
	if (c->calls)
		c->calls->previous->next = call;
	else
		c->calls = call;
	if (c->calls != call)
		c->calls->previous = call;
}

static void take_out(persist_client *c, struct call *call)
{
	if (c->unwritten == call)
		c->unwritten = call->next;
	if (call == c->calls) {
		c->calls = call->next;
		if (c->calls)
			c->calls->previous = call->previous;
	} else {
		call->previous->next = call->next;
		if (call->next)
			call->next->previous = call->previous;
		else
			c->calls->previous = call->previous;
	}
	if (!call->notification) {
		HASH_DEL(c->by_id, call);
		c->call_count--;
	}
}

void engine_queue(persist_client *c, struct call *call)
{
	append(c, call);
	if (!c->unwritten)
		c->unwritten = call;
	if (!call->notification) {
		HASH_ADD(hh, c->by_id, id, sizeof call->id, call);
		c->call_count++;
	}
}

void engine_submit(persist_client *c, struct call *call)
{
	held_release(c); /* it was said before this call */
	engine_queue(c, call);
	if (c->fd < 0 && c->patience_ms <= 0)
		c->retry_at = 0; /* one attempt, and it is made for this call */
	engine_push(c);
}

/* The one way in which a call ends. */
static void finish(persist_client *c, struct call *call, struct span reply, const persist_error *error)
{
	take_out(c, call);
	if (call->done)
		call->done(call, reply, error);
	buf_free(&call->line);
	free(call);
}

void engine_forget(struct call *call)
{
	call->done = NULL;
	call->arg = NULL;
}

/* All but the newline counts: the daemon takes a last line without one as a call. */
static bool was_sent(const struct call *call)
{
	return call->written + 1 >= call->line.len;
}

static enum persist_outcome outcome_of(const struct call *call)
{
	return was_sent(call) && !call->repeatable ? PERSIST_UNKNOWN : PERSIST_DID_NOT_HAPPEN;
}

static void fail(persist_client *c, struct call *call, persist_error *e)
{
	e->outcome = outcome_of(call);
	finish(c, call, (struct span){0}, e);
}

/* ---- connecting */

static bool address_of(const char *path, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof address->sun_path) {
		errno = ENAMETOOLONG;
		return false;
	}
	strcpy(address->sun_path, path);
	return true;
}

/* Of a backoff: between a half and all of it, so that clients of a daemon that comes back do not come as one. */
static int64_t with_chance(persist_client *c, int64_t micros)
{
	c->chance = c->chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407); /* Knuth's MMIX */
	return micros / 2 + (int64_t)((c->chance >> 33) % (uint64_t)(micros / 2 + 1));
}

static void connect_failed(persist_client *c, int why)
{
	int64_t wait = BACKOFF_FIRST_US;
	for (unsigned i = 0; i < c->attempts && wait < BACKOFF_MOST_US; i++)
		wait *= 2;
	if (wait > BACKOFF_MOST_US)
		wait = BACKOFF_MOST_US;
	c->connect_error = why;
	if (why == EAGAIN) { /* it is there, and has not come to accept us yet */
		c->attempts = 0;
		c->retry_at = engine_now() + FULL_BACKLOG_US;
		return;
	}
	c->retry_at = engine_now() + with_chance(c, wait);
	c->attempts++;
	c->no_wait_left = true; /* those whose patience ends here are told in the next turn */
}

static void try_connect(persist_client *c)
{
	struct sockaddr_un address;
	c->connect_error = 0;
	if (!address_of(c->path, &address)) {
		connect_failed(c, errno);
		return;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
		int why = errno;
		if (fd >= 0)
			close(fd);
		connect_failed(c, why);
		return;
	}
	c->fd = fd;
	c->broken = c->leaving = c->answered = false;
	c->broken_error = 0;
	c->refusal.code = 0;
	c->watched = 0;
	frame_init(&c->in, c->reply_max);
}

static void disconnect(persist_client *c)
{
	close(c->fd); /* epoll forgets it by that */
	c->fd = -1;
	c->broken = false;
	frame_free(&c->in);
}

/* ---- writing */

bool engine_can_write(const persist_client *c)
{
	return c->fd >= 0 && !c->broken && !c->leaving && !c->unwritten;
}

static void note_broken(persist_client *c, int why)
{
	c->broken = c->no_wait_left = true;
	c->broken_error = why == EPIPE || why == ECONNRESET ? 0 : why;
}

/* True: all of it. */
static bool write_call(persist_client *c, struct call *call)
{
	while (call->written < call->line.len) {
		ssize_t sent = send(c->fd, call->line.at + call->written, call->line.len - call->written, MSG_NOSIGNAL);
		if (sent >= 0)
			call->written += (size_t)sent;
		else if (errno == EAGAIN)
			return false;
		else if (errno != EINTR) {
			note_broken(c, errno);
			return false;
		}
	}
	return true;
}

void engine_push(persist_client *c)
{
	if (c->fd < 0 && (c->calls || c->held) && engine_now() >= c->retry_at)
		try_connect(c);
	if (c->fd < 0 || c->broken || c->leaving)
		return;
	for (;;) {
		if (!c->unwritten && c->held)
			held_release(c);
		struct call *call = c->unwritten;
		if (!call || !write_call(c, call))
			return;
		c->unwritten = call->next;
		if (call->notification)
			finish(c, call, (struct span){0}, NULL); /* calls nobody back */
	}
}

/* ---- reading */

static struct call *call_of(persist_client *c, struct span id_text)
{
	int64_t id;
	double real;
	struct call *call;
	if (!id_text.at || scan_number(id_text, &id, &real) != SCAN_INT)
		return NULL;
	HASH_FIND(hh, c->by_id, &id, sizeof id, call);
	if (call)
		return call;
	for (call = c->calls; call; call = call->next)
		if (call->batch && id >= call->id && id - call->id < call->batch)
			return call;
	return NULL;
}

/* An error that names no call: it is about the longest line on its way (too_large), or about the connection. */
static void nameless_error(persist_client *c, struct span error)
{
	persist_error e;
	struct call *longest = NULL;
	trouble_from_reply(&e, error);
	for (struct call *call = c->calls; call; call = call->next)
		if (call->written && !call->notification && (!longest || call->line.len > longest->line.len))
			longest = call;
	bool of_line = e.code != PERSIST_LIMIT || c->answered || (longest && (longest->batch || longest->line.len > 1 << 16));
	if (longest && of_line)
		finish(c, longest, (struct span){0}, &e);
	else
		c->refusal = e;
}

static void take_error(persist_client *c, struct call *call, struct span error)
{
	persist_error e;
	trouble_from_reply(&e, error);
	if (e.code == PERSIST_SHUTTING_DOWN && e.removed <= 0 && !call->batch) {
		call->written = 0; /* it did not happen: again, on the next connection */
		call->looking_since = engine_now();
		c->leaving = true;
		return;
	}
	finish(c, call, (struct span){0}, &e);
}

/* It serves us: what comes later is no refusal of the connection, and the backoff begins anew. */
static void note_answered(persist_client *c)
{
	c->answered = true;
	c->attempts = 0;
}

/* False: this is not what persistd says. */
static bool take_reply(persist_client *c, struct span object)
{
	struct rpc_message m;
	struct fault fault;
	if (rpc_read(object, &m, &fault) != RPC_REPLY)
		return false;
	struct call *call = call_of(c, m.id);
	if (call && (call->batch || !was_sent(call)))
		return false;
	if (call && m.error.at)
		take_error(c, call, m.error);
	else if (call)
		finish(c, call, m.result, NULL);
	else if (m.error.at && (!m.id.at || scan_kind(m.id) == SCAN_NULL))
		nameless_error(c, m.error);
	if (m.id.at && scan_kind(m.id) != SCAN_NULL)
		note_answered(c);
	return true; /* an id that nobody waits for any more is no fault */
}

/* A batch's replies: any of them tells which batch it is. */
static bool take_array(persist_client *c, struct span array)
{
	struct rpc_message m;
	struct fault fault;
	struct span first;
	struct scan_iter it = scan_elements(array);
	if (!scan_next_element(&it, &first) || rpc_read(first, &m, &fault) != RPC_REPLY)
		return false;
	struct call *call = call_of(c, m.id);
	if (call && call->batch)
		finish(c, call, array, NULL);
	note_answered(c);
	return true;
}

static bool take_line(persist_client *c, struct span line)
{
	struct scan_report report;
	if (scan_check(line, SCAN_DEPTH_FILE, &report) != SCAN_OK)
		return false;
	switch (scan_kind(line)) {
	case SCAN_OBJECT: return take_reply(c, line);
	case SCAN_ARRAY: return take_array(c, line);
	case SCAN_NULL: case SCAN_FALSE: case SCAN_TRUE: case SCAN_NUMBER: case SCAN_STRING: case SCAN_NONE: break;
	}
	return false;
}

/* Everything that was sent ends with this, and the connection with it: what comes next on it means nothing. */
static void end_with(persist_client *c, enum persist_code code, const char *message)
{
	for (struct call *call = c->calls, *next; call; call = next) {
		persist_error e;
		next = call->next;
		if (call->written == 0)
			continue;
		trouble_set(&e, code, 0, "%s", message);
		snprintf(e.hint, sizeof e.hint, "is %s persistd's socket?", c->path);
		fail(c, call, &e);
	}
	note_broken(c, 0);
}

static void take_lines(persist_client *c)
{
	struct span line;
	while (!c->broken) {
		switch (frame_next(&c->in, &line)) {
		case FRAME_MORE:
			return;
		case FRAME_TOO_LONG:
			end_with(c, PERSIST_E_TOO_LARGE, "a reply is longer than this client takes (persist_set_reply_max)");
			return;
		case FRAME_LINE:
			if (!take_line(c, line))
				end_with(c, PERSIST_E_PROTOCOL, "what answered is no JSON-RPC 2.0 reply");
			break;
		}
	}
}

static void read_all(persist_client *c)
{
	while (c->fd >= 0 && !c->broken) {
		size_t room;
		char *to = frame_room(&c->in, READ_SIZE, &room);
		ssize_t got = recv(c->fd, to, room, 0);
		if (got > 0) {
			frame_filled(&c->in, (size_t)got);
			take_lines(c);
		} else if (got < 0 && errno == EINTR) {
			continue;
		} else if (got < 0 && errno == EAGAIN) {
			return;
		} else {
			int why = got < 0 ? errno : 0;
			frame_end(&c->in);
			take_lines(c);
			if (!c->broken)
				note_broken(c, why);
		}
	}
}

/* ---- what ends */

/* The connection is gone. What may be sent again is as if it had never been sent. */
static void mend(persist_client *c)
{
	int64_t now = engine_now();
	bool refused = c->refusal.code && !c->answered;
	int why = c->broken_error;
	disconnect(c);
	c->retry_at = now; /* at once; then with backoff */
	if (refused) {
		persist_error said = c->refusal;
		connect_failed(c, ECONNREFUSED);
		c->refusal = said;
	}
	c->unwritten = c->calls; /* but for those that end here */
	for (struct call *call = c->calls, *next; call; call = next) {
		persist_error e;
		next = call->next;
		if (call->written == 0)
			continue;
		if (!refused && was_sent(call) && !call->repeatable) {
			trouble_set(&e, PERSIST_E_CONNECTION, why, "the connection ended before the answer; the change may have been "
			            "made or not");
			fail(c, call, &e);
			continue;
		}
		call->written = 0;
		if (!refused)
			call->looking_since = now;
	}
}

/* A connection on which the daemon takes nothing more is left once it has answered what it will answer. */
static bool may_leave(const persist_client *c)
{
	if (!c->leaving)
		return false;
	for (const struct call *call = c->calls; call; call = call->next)
		if (call->written)
			return false;
	return true;
}

static void no_daemon(const persist_client *c, persist_error *e)
{
	if (c->refusal.code) {
		*e = c->refusal;
		return;
	}
	trouble_set(e, PERSIST_E_NO_DAEMON, c->connect_error, "no daemon at %s", c->path);
	snprintf(e->hint, sizeof e->hint, "start one with: systemctl start persistd, or: persistd --socket %s", c->path);
}

/* When a call's patience ends; NEVER while there is a connection or somebody who will accept one. */
static int64_t patience_end(const persist_client *c, const struct call *call)
{
	if (c->fd >= 0 || !c->attempts)
		return NEVER;
	return call->looking_since + c->patience_ms * INT64_C(1000);
}

static void expire(persist_client *c)
{
	int64_t now = engine_now();
	for (struct call *call = c->calls, *next; call; call = next) {
		persist_error e;
		next = call->next;
		if (call->deadline <= now) {
			trouble_set(&e, PERSIST_E_TIMEOUT, 0, "no answer in time");
			if (call->written && !was_sent(call)) {
				note_broken(c, 0); /* half a line is out: the connection is of no use without the other half */
				continue;
			}
			fail(c, call, &e);
		} else if (!call->notification && patience_end(c, call) <= now) {
			no_daemon(c, &e);
			fail(c, call, &e);
		}
	}
}

void engine_turn(persist_client *c)
{
	c->no_wait_left = false;
	for (int again = 0; again < 4; again++) {
		engine_push(c);
		read_all(c);
		if (may_leave(c))
			note_broken(c, 0);
		if (!c->broken)
			break;
		mend(c);
	}
	expire(c);
	engine_watch(c);
}

void engine_settle(persist_client *c)
{
	if (c->broken && c->call_count == 0)
		engine_turn(c); /* there is nobody to be called back */
	else
		engine_watch(c);
}

void engine_abandon(persist_client *c)
{
	while (c->calls) {
		engine_forget(c->calls);
		finish(c, c->calls, (struct span){0}, NULL);
	}
	if (c->fd >= 0)
		disconnect(c);
}

void engine_end(persist_client *c)
{
	engine_push(c);
	while (c->calls) {
		persist_error e;
		trouble_set(&e, PERSIST_E_CANCELLED, 0, "the client was closed before the answer");
		fail(c, c->calls, &e);
	}
	if (c->fd >= 0)
		disconnect(c);
}

/* ---- waiting */

/* The next moment at which time alone changes something. */
static int64_t next_moment(const persist_client *c)
{
	int64_t next = NEVER;
	if (c->no_wait_left || c->broken)
		return 0;
	for (const struct call *call = c->calls; call; call = call->next) {
		int64_t end = patience_end(c, call);
		next = call->deadline < next ? call->deadline : next;
		next = end < next ? end : next;
	}
	if (c->fd < 0 && (c->calls || c->held) && c->retry_at < next)
		next = c->retry_at;
	return next;
}

void engine_wait(persist_client *c)
{
	int64_t moment = next_moment(c), left = moment == NEVER ? NEVER : moment - engine_now();
	int ms = left == NEVER ? -1 : left <= 0 ? 0 : left / 1000 < INT_MAX - 1 ? (int)((left + 999) / 1000) : INT_MAX;
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	if (c->fd >= 0 && !c->leaving && c->unwritten)
		p.events |= POLLOUT;
	poll(&p, 1, ms); /* interrupted or not: the next turn looks for itself */
}

static void watch_socket(persist_client *c)
{
	uint32_t wanted = EPOLLIN | (!c->leaving && c->unwritten ? EPOLLOUT : 0);
	struct epoll_event event = {.events = wanted};
	if (c->fd < 0 || wanted == c->watched)
		return;
	epoll_ctl(c->epoll, c->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &event);
	c->watched = wanted;
}

void engine_watch(persist_client *c)
{
	if (c->epoll < 0)
		return;
	watch_socket(c);
	int64_t moment = next_moment(c);
	struct itimerspec when = {0};
	if (moment != NEVER) {
		when.it_value.tv_sec = moment / 1000000;
		when.it_value.tv_nsec = moment % 1000000 * 1000;
		if (moment <= 0)
			when.it_value.tv_nsec = 1; /* zero would be never */
	}
	timerfd_settime(c->timer, TFD_TIMER_ABSTIME, &when, NULL);
}
